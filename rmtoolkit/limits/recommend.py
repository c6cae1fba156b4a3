"""The request and the limit that a workload container should have, why, and what it costs."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rmtoolkit._parallel import as_source, spread
from rmtoolkit._partition import parts
from rmtoolkit.analysis.judge import verdicts_with
from rmtoolkit.analysis.records import WORKLOAD
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.limits.baselines import krr_memory, vpa_memory
from rmtoolkit.limits.history import block_peaks, describe, needs, spread_over, starts, usage, workloads
from rmtoolkit.limits.risk import HORIZON, SHORTEST, as_margins, lookup, of_needs
from rmtoolkit.limits.what_if import purged
from rmtoolkit.text import chance as chance_words
from rmtoolkit.text import configured, hours, hours_range, memory, moment, rate

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from distributed import Client

    from rmtoolkit._parallel import Source
    from rmtoolkit.limits.risk import Margins, Numbers
    from rmtoolkit.recording import Recording


#: A pod so many times as high as the median pod is named.
_HOT = 1.3


def reason(row: dict[str, Any], chance: float) -> str:
    """Say in a few sentences why."""
    if row["action"] == "fix":
        return _of_growth(row)
    if row["action"] == "wait":
        return _of_waiting(row, chance)
    said = [f"The highest use was {memory(row['peak_bytes'])}{_where(row)}."]
    startup, settled = row["startup_peak_bytes"], row["settled_bytes"]
    if startup is not None and settled is not None and startup > 1.1 * settled and startup >= 0.95 * row["peak_bytes"]:
        said.append(f"Startup sets the peak: it settles at {memory(settled)}.")
    if (row["history_seconds"] or 0.0) < SHORTEST.total_seconds():
        minutes = (row["history_seconds"] or 0.0) / 60
        said.append(
            f"It rests on {minutes:.0f} minutes, counted as an hour: no day, no release and no quiet hour is in them, "
            "so take it as a first guess and ask again after a day."
        )
    elif row.get("week_limit_bytes") is not None and row["week_limit_bytes"] < row["recommended_limit_bytes"]:
        said.append(
            f"It rests on {hours(row['history_seconds'] / 3600)}, which say little of a week, so the margin is wide: "
            f"after a week like this, {configured(row['week_limit_bytes'])} would do."
        )
    if row["climbing"]:
        said.append("Its peaks climb from week to week; the climb is drawn on.")
    if row["killed_limit_bytes"] is not None:
        said.append(
            f"It was OOM killed at {configured(row['killed_limit_bytes'])}: it needed more, nobody knows how much."
        )
    if row["hot_ratio"] is not None and row["hot_ratio"] > _HOT:
        said.append(f"One pod is {row['hot_ratio']:.1f} times as high as the median pod.")
    said.append(f"The margin is for {chance_words(chance)} chance of an OOM kill in 7 days ({row['margins']}).")
    if row["purged_limit_bytes"] is not None and row["purged_limit_bytes"] < row["recommended_limit_bytes"]:
        said.append(f"Once the allocator gives kept pages back, {configured(row['purged_limit_bytes'])} would do.")
    return " ".join(said)


def _where(row: dict[str, Any]) -> str:
    when = f" at {moment(row['peak_time'])}" if row["peak_time"] is not None else ""
    return f" in pod {row['peak_pod']}{when}" if row["peak_pod"] else when


def _of_growth(row: dict[str, Any]) -> str:
    said = f"It grows by {rate(row['growth_bytes_per_day'])}: no limit holds for long."
    if row.get("raise_to_bytes") is None:
        return f"{said} Fix the growth first."
    low, high = (None if row[name] is None else 24 * row[name] for name in ("buys_days_low", "buys_days_high"))
    span = hours_range(low, high)
    between = f" ({span})" if span and hours(low) != hours(high) else ""
    return f"{said} Raising to {configured(row['raise_to_bytes'])} buys {hours(24 * row['buys_days'])}{between}."


def _of_waiting(row: dict[str, Any], chance: float) -> str:
    if row["spread"] is None or not row["pairs"]:
        return "The history is too short to say what a week needs: come back with a day or more of samples."
    return (
        f"{row['pairs']} pairs of weeks cannot certify {chance_words(chance)}: the smallest chance they can tell is "
        f"{chance_words(1 / (row['pairs'] + 1))}. Accept that, or learn margins from more workloads or weeks."
    )


GIB: Final = 2**30
#: Hours of an average month.
HOURS_PER_MONTH: Final = 730.5


def per_month(reserved_bytes: float | None, price_per_gib_hour: float | None) -> float | None:
    """Price what is reserved for a month."""
    if reserved_bytes is None or price_per_gib_hour is None:
        return None
    return reserved_bytes / GIB * price_per_gib_hour * HOURS_PER_MONTH


def expected(oom_probability: float | None, price_per_incident: float | None) -> float | None:
    """Price the OOM kills that are to be expected in a month."""
    if oom_probability is None or price_per_incident is None:
        return None
    return oom_probability * price_per_incident * HOURS_PER_MONTH / 168


_MIB: Final = 2**20
#: What a limit must be above one that killed, at the least.
_ABOVE_KILLED: Final = 1.1
#: A change below this share of the limit is not worth a rollout.
_WORTH: Final = 0.05
#: What a leak's limit is raised to in "raising to X buys Y days".
_RAISED: Final = 1.5

RECOMMENDED: Final = pl.Schema(
    {
        "cluster": pl.String(),
        "namespace": pl.String(),
        "workload": pl.String(),
        "container": pl.String(),
        "pods": pl.Int64(),
        "action": pl.String(),
        "recommended_request_bytes": pl.Int64(),
        "recommended_limit_bytes": pl.Int64(),
        "oom_probability": pl.Float64(),
        "oom_probability_low": pl.Float64(),
        "oom_probability_high": pl.Float64(),
        "pairs": pl.Int64(),
        "limit_bytes": pl.Int64(),
        "request_bytes": pl.Int64(),
        "oom_probability_now": pl.Float64(),
        "reason": pl.String(),
        "verdict": pl.String(),
        "pattern": pl.String(),
        "growing": pl.Boolean(),
        "peak_bytes": pl.Int64(),
        "peak_pod": pl.String(),
        "peak_time": pl.Datetime("ms", "UTC"),
        "startup_peak_bytes": pl.Int64(),
        "settled_bytes": pl.Int64(),
        "busy_bytes": pl.Int64(),
        "headroom": pl.Float64(),
        "hot_pod": pl.String(),
        "hot_ratio": pl.Float64(),
        "kills": pl.Int64(),
        "killed_limit_bytes": pl.Int64(),
        "purged_limit_bytes": pl.Int64(),
        "raise_to_bytes": pl.Int64(),
        "buys_days": pl.Float64(),
        "buys_days_low": pl.Float64(),
        "buys_days_high": pl.Float64(),
        "qos_now": pl.String(),
        "qos_then": pl.String(),
        "reserved_now_bytes": pl.Int64(),
        "reserved_then_bytes": pl.Int64(),
        "cost_now_per_month": pl.Float64(),
        "cost_then_per_month": pl.Float64(),
        "vpa_target_bytes": pl.Int64(),
        "krr_limit_bytes": pl.Int64(),
        "history_seconds": pl.Float64(),
        "margins": pl.String(),
    }
)


def recommend_limits(
    recording: Source,
    oom_probability: float = 0.05,
    margins: Margins | str | os.PathLike[str] | None = None,
    *,
    price_per_gib_hour: float | None = None,
    client: Client | None = None,
) -> pl.DataFrame:
    """Recommend a memory request and a limit for every workload container.

    The limit is the smallest whose chance of at least one OOM kill in the next 7 days is at most `oom_probability`.
    What leaks gets no higher limit: its row says how many days a higher one would buy.

    Parameters
    ----------
    recording
        A recording, a frame that can become one, or a lake, which is read part by part.
    oom_probability
        The chance that is accepted, between 0 and 1.
    margins
        From `learn_margins`, or the file they were saved in; None: those that come with the package.
    price_per_gib_hour
        What a GiB of requested memory costs an hour, in any currency; None: costs stay null.
    client
        Of Dask distributed, as for `rm.classify`.

    Returns
    -------
    polars.DataFrame
        A row per workload container, sorted by names. `action` is ``raise``, ``lower``, ``keep``, ``set`` (there is
        none now, or it is not known), ``fix`` (it grows: `recommended_limit_bytes` is null, `raise_to_bytes` would buy
        `buys_days`) or ``wait`` (null: the history does not certify so small a chance, `reason` says what would).
        `oom_probability` with its 80 % interval is that of the recommended limit, over all pods, from `pairs` past
        and next weeks; `oom_probability_now` that of the limit in force. `headroom` is the share of the recommended
        limit above the peak so far. `purged_limit_bytes` is the limit once the allocator gives kept pages back, where
        allocator statistics tell. `hot_ratio` is the highest pod's peak over the median pod's. `qos_*` is the QoS class
        as far as memory decides it. `reserved_*` is request times pods. `vpa_target_bytes` and `krr_limit_bytes` are
        what these tools would say. Bytes; null: unknown or not applicable.

    Raises
    ------
    RmtoolkitError
        `oom_probability` is not between 0 and 1.

    Examples
    --------
    >>> table = pl.DataFrame({"time": range(0, 14 * 86_400, 3600), "workload": "api", "rss_bytes": 100 * 2**20})
    >>> row = recommend_limits(table).row(0, named=True)
    >>> row["action"], row["peak_bytes"] < row["recommended_limit_bytes"] < 2 * row["peak_bytes"]
    ('set', True)
    """
    _check(oom_probability)
    return of_gathered(
        gather(recording, client=client), oom_probability, margins, price_per_gib_hour=price_per_gib_hour
    )


def _check(oom_probability: float) -> None:
    if not 0 < oom_probability < 1:
        msg = f"oom_probability must be between 0 and 1, got {oom_probability!r}."
        raise RmtoolkitError(msg)


def gather(recording: Source, verdicts: pl.DataFrame | None = None, *, client: Client | None = None) -> pl.DataFrame:
    """Gather what `recommend_limits` decides from, so that it can decide more than once."""
    if verdicts is None:
        return verdicts_with(recording, also, client=client)["needs"]
    frames, _ = spread(as_source(recording), partial(also, verdicts=verdicts), client=client)
    return frames["needs"]


def also(part: Recording, verdicts: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Gather the same of a part, beside its verdicts: for `rmtoolkit.analysis.judge.judge_with`."""
    known = needs(part, verdicts)
    return {"needs": known.join(_beside(part), on=WORKLOAD, nulls_equal=True, how="left", maintain_order="left")}


def of_gathered(
    known: pl.DataFrame,
    oom_probability: float = 0.05,
    margins: Margins | str | os.PathLike[str] | None = None,
    *,
    price_per_gib_hour: float | None = None,
) -> pl.DataFrame:
    """Do what `recommend_limits` does for what was gathered before."""
    _check(oom_probability)
    chosen = as_margins(margins)
    scores = lookup(chosen)
    rows = [
        _row(row, oom_probability, scores, chosen.origin, price_per_gib_hour) for row in known.iter_rows(named=True)
    ]
    answer = pl.DataFrame(rows, schema=RECOMMENDED)
    return _with_chances(answer, known, chosen)


def limits_at(known: pl.DataFrame, oom_probability: float, margins: Margins) -> pl.DataFrame:
    """Do the part of `recommend_limits` that decides the limit, for needs that were gathered before."""
    scores = lookup(margins)
    limits = [
        None if row["growing"] else _limit(row, oom_probability, scores(row["history_seconds"], row["climbing"]))
        for row in known.iter_rows(named=True)
    ]
    return known.select(WORKLOAD).with_columns(limit_bytes=pl.Series(limits, dtype=pl.Int64))


def _beside(recording: Recording) -> pl.DataFrame:
    """Ask the others, and find the base of a purged past, part by part."""
    found = []
    for part in parts(recording):
        whole = vpa_memory(part).select(*WORKLOAD, vpa_target_bytes="target_bytes")
        krr = krr_memory(part).select(*WORKLOAD, krr_limit_bytes="recommended_limit_bytes")
        whole = whole.join(krr, on=WORKLOAD, nulls_equal=True, how="left", maintain_order="left")
        try:
            given_back = purged(part).recording
        except RmtoolkitError:
            whole = whole.with_columns(purged_base_bytes=pl.lit(None, dtype=pl.Float64))
        else:
            used = usage(given_back)
            span = (pl.col("time").max() - pl.col("time").min()).dt.total_milliseconds() / 1000
            past = describe(
                block_peaks(used, starts(given_back)), used.group_by("workload_row").agg(history_seconds=span)
            )
            about = workloads(part).join(past, on="workload_row", how="left", maintain_order="left")
            whole = whole.hstack(about.select(purged_base_bytes="base_bytes"))
        found.append(whole)
    return pl.concat(found)


def _row(
    row: dict[str, Any],
    chance: float,
    lookup_scores: Callable[[float | None, bool | None], Numbers],
    origin: str,
    price: float | None,
) -> dict[str, Any]:
    """Decide for one workload container."""
    scores = lookup_scores(row["history_seconds"], row["climbing"])
    limit, action = None, "fix"
    if not row["growing"]:
        limit = _limit(row, chance, scores)
        action = "wait" if limit is None else _action(row, limit)
    request = _request(row, limit)
    row = {
        **row,
        "action": action,
        "recommended_limit_bytes": limit,
        "recommended_request_bytes": request,
        "margins": origin,
        "pairs": scores.size,
        "purged_limit_bytes": _purged(row, chance, scores) if limit is not None else None,
        "headroom": None if limit is None or row["peak_bytes"] is None else 1 - row["peak_bytes"] / limit,
        "qos_now": _qos(row["request_bytes"], row["limit_bytes"], known=bool(row["limit_known"])),
        "qos_then": None if limit is None else _qos(request, limit, known=True),
        "reserved_now_bytes": None if row["request_bytes"] is None else row["request_bytes"] * row["pods"],
        "reserved_then_bytes": None if request is None else request * row["pods"],
        **(_buys(row) if row["growing"] else {}),
    }
    row["cost_now_per_month"] = per_month(row["reserved_now_bytes"], price)
    row["cost_then_per_month"] = per_month(row["reserved_then_bytes"], price)
    row["week_limit_bytes"] = None if limit is None else _after_a_week(row, chance, lookup_scores)
    row["reason"] = reason(row, chance)
    return {name: row.get(name) for name in RECOMMENDED}


def _limit(row: dict[str, Any], chance: float, scores: Numbers, base: str = "base_bytes") -> int | None:
    """Find the smallest limit with at most that chance; None where the pairs cannot tell so small a one."""
    if row[base] is None or row["spread"] is None:
        return None
    place = math.ceil((1 - chance) * (scores.size + 1))
    if not 1 <= place <= scores.size:
        return None
    score = float(scores[place - 1])
    # A score this high stands for weeks that ended in kills: what they needed is not known.
    if score * row["spread"] > math.log(1000):
        return None
    wanted: float = row[base] * math.exp(max(score, 0.0) * row["spread"])
    if base == "base_bytes" and row["killed_limit_bytes"] is not None:
        wanted = max(wanted, row["killed_limit_bytes"] * _ABOVE_KILLED)
    return math.ceil((wanted + 1) / _MIB) * _MIB


def _after_a_week(
    row: dict[str, Any], chance: float, lookup_scores: Callable[[float | None, bool | None], Numbers]
) -> int | None:
    """Find the limit that a whole week which moves as little would give, where there is less than half of one."""
    week = HORIZON.total_seconds()
    spread = None if row["spread"] is None else spread_over(row["spread"], row["history_seconds"] or 0.0, week)
    if spread is None or row["history_seconds"] > week / 2:
        return None
    return _limit({**row, "spread": spread}, chance, lookup_scores(week, row["climbing"]))


def _purged(row: dict[str, Any], chance: float, scores: Numbers) -> int | None:
    """Find the limit once kept pages are given back; only where that makes it smaller."""
    return None if row["purged_base_bytes"] is None else _limit(row, chance, scores, "purged_base_bytes")


def _request(row: dict[str, Any], limit: int | None) -> int | None:
    """Take what it uses nearly always, in whole MiB: packing goes by the request, kills by the limit."""
    if row["busy_bytes"] is None:
        return None
    wanted: int = math.ceil(row["busy_bytes"] / _MIB) * _MIB
    return wanted if limit is None else min(wanted, limit)


def _action(row: dict[str, Any], limit: int) -> str:
    now = row["limit_bytes"]
    if now is None:
        return "set"
    if abs(limit - now) < _WORTH * now and not (row["killed_limit_bytes"] or 0) >= now:
        return "keep"
    return "raise" if limit > now else "lower"


def _qos(request: int | None, limit: int | None, *, known: bool) -> str | None:
    """Name the QoS class as far as memory decides it: Guaranteed needs the same of the CPU."""
    if request is None and limit is None:
        return "BestEffort" if known else None
    return "Guaranteed" if request == limit or request is None else "Burstable"


def _buys(row: dict[str, Any]) -> dict[str, Any]:
    """How long a higher limit would hold out against the growth."""
    now = row["limit_bytes"] or row["peak_bytes"]
    rate = row["growth_bytes_per_day"]
    if now is None or not rate or rate <= 0:
        return {}
    to = math.ceil(now * _RAISED / _MIB) * _MIB
    more = to - now
    low, high = row["growth_low_bytes_per_day"], row["growth_high_bytes_per_day"]
    return {
        "raise_to_bytes": to,
        "buys_days": more / rate,
        "buys_days_low": more / high if high and high > 0 else None,
        "buys_days_high": more / low if low and low > 0 else None,
    }


def _with_chances(answer: pl.DataFrame, known: pl.DataFrame, margins: Margins) -> pl.DataFrame:
    """Add the chances at the recommended limit and at the one in force."""
    wanted = answer.select(*WORKLOAD, limit_bytes="recommended_limit_bytes").drop_nulls("limit_bytes")
    now = answer.select(*WORKLOAD, "limit_bytes").drop_nulls("limit_bytes")
    on = list(WORKLOAD)
    if wanted.height:
        then = of_needs(known, wanted, margins).select(
            *on, "oom_probability", "oom_probability_low", "oom_probability_high"
        )
        answer = answer.drop("oom_probability", "oom_probability_low", "oom_probability_high").join(
            then, on=on, how="left", nulls_equal=True, maintain_order="left"
        )
    if now.height:
        before = of_needs(known, now, margins).select(*on, oom_probability_now="oom_probability")
        answer = answer.drop("oom_probability_now").join(
            before, on=on, how="left", nulls_equal=True, maintain_order="left"
        )
    return answer.select(RECOMMENDED.names())
