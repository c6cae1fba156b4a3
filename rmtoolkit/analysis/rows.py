"""Build the row of a verdict: for a workload, or for one instance of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rmtoolkit.analysis import evidence, forecast
from rmtoolkit.analysis.advice import next_step
from rmtoolkit.analysis.chances import ENDLESS, UNKNOWN, exposure
from rmtoolkit.analysis.columns import WORKLOAD
from rmtoolkit.analysis.doubts import going_on
from rmtoolkit.analysis.headline import headline
from rmtoolkit.analysis.heap_evidence import decides, names_leak
from rmtoolkit.analysis.layers import BESIDE
from rmtoolkit.analysis.parameters import CLEAN_FROM, FLOOR_SURE, LEAK_FROM, LIKELY, QUANTILE, SUREST, UNRESOLVED_LEAKS
from rmtoolkit.analysis.pattern import name_pattern
from rmtoolkit.analysis.reason import reason
from rmtoolkit.analysis.situation import Situation

if TYPE_CHECKING:
    from rmtoolkit.analysis.facts import Facts
    from rmtoolkit.analysis.opinion import Opinion, Row
    from rmtoolkit.analysis.pooling import Pool


def verdict_row(
    pool: Pool,
    facts: Facts,
    containers: list[int],
    *,
    growing: int,
    judged: int,
) -> tuple[dict[str, Any], forecast.Course | None]:
    """Build one row of verdicts, and what its forecast is drawn from.

    Parameters
    ----------
    pool
        What the lives of these containers say together.
    facts
        Look-ups about the containers.
    containers
        Those of the workload, or one of them.
    growing, judged
        Instances that grow, and instances that could be judged.

    Returns
    -------
    tuple of (dict, Course or None)
        The columns of `columns.VERDICTS` and `columns.FOR_VIEWS`; no course where nothing could be judged.

    Examples
    --------
    >>> import polars as pl
    >>> from rmtoolkit.analysis.verdict import judge
    >>> judge(pl.DataFrame({"time": range(0, 6000, 60), "rss_bytes": [50 << 20] * 100})).verdicts["pattern"].item()
    'plateau'
    """
    main = pool.main
    shown = main.life["container_id"] if main is not None and main.life else containers[0]
    about = facts.about[shown]
    level = _evidence_level(pool, facts, containers)
    verdict = "leak" if pool.growing >= LEAK_FROM else "not_leak" if pool.bounded >= CLEAN_FROM else "inconclusive"
    pattern, also, cause = name_pattern(pool, verdict)
    if cause is None and verdict == "leak" and names_leak(pool) is not None:
        cause = "heap"
    surest = SUREST[level]
    probability = min(max(pool.growing + UNRESOLVED_LEAKS * pool.unresolved, 1 - surest), surest)
    limit = main.life["limit_bytes"] if main is not None and main.life else about["limit_bytes"]
    growth = forecast.growth_against_limit(main) if main is not None else None
    if main is not None and main.life:
        growth = forecast.from_now(growth, main, facts.opinions[shown][-1])
    goes_on = _goes_on(pool, verdict)
    outlook, lasts = forecast.Outlook("unknown", None, None, None, UNKNOWN), ENDLESS
    course: forecast.Course | None = None
    if main is not None and main.life:
        lasts = exposure(
            (opinion.life, facts.about[container]["cadence_seconds"])
            for container in containers
            for opinion in facts.opinions[container]
        )
        outlook = forecast.look_ahead(
            main,
            growth,
            growing=goes_on,
            open_end=_open_end(pool, verdict),
            limit_bytes=limit,
            limit_known=about["limit_known"],
            kills=sum(facts.kills.get(container, 0) for container in containers),
            watched_hours=sum(facts.lives[c]["hours"] for c in containers if c in facts.lives),
            lasts=lasts,
        )
        course = forecast.Course(shown, main, growth, outlook, goes_on)
    reading = main.readings.get(main.signal or "") if main is not None else None
    samples = sum(facts.counts[c][0] or 0 for c in containers if c in facts.counts)
    expected = sum(facts.counts[c][1] or facts.counts[c][0] or 0 for c in containers if c in facts.counts)
    row: dict[str, Any] = {
        **{name: about[name] for name in WORKLOAD},
        "pods": len({facts.about[container]["pod"] or container for container in containers}),
        "verdict": verdict,
        "leak_probability": probability,
        "pattern": pattern,
        "also": also,
        "cause": cause,
        "signal": main.signal if main is not None else None,
        "evidence_level": level,
        **_growth_columns(pool, reading, verdict),
        "limit_outlook": outlook.outlook,
        "hours_to_limit": outlook.hours,
        "hours_to_limit_low": outlook.low,
        "hours_to_limit_high": outlook.high,
        "oom_probability_7d": outlook.chances.week,
        "oom_probability_24h": outlook.chances.day,
        "oom_probability_30d": outlook.chances.month,
        "startup_peak_bytes": facts.maximum(containers, "startup_peak_bytes"),
        "settled_bytes": main.life.get("settled_bytes") if main is not None else None,
        "peak_bytes": facts.maximum(containers, "peak_bytes"),
        "limit_bytes": limit,
        "coverage": samples / expected if expected else None,
        "container_id": shown,
        "workload_inferred": about["workload_inferred"],
        "limit_known": about["limit_known"],
    }
    situation = Situation(
        row,
        pool,
        growing,
        judged,
        rejected=facts.rejected.get(shown, []),
        pod=about["pod"],
        lasts=lasts,
        capped=outlook.capped,
    )
    row["evidence"] = evidence.rows(situation)
    row["headline"] = headline(situation)
    row["reason"] = reason(situation)
    row["explanation"] = f"{row['headline']} {row['reason']}"
    row["next_step"] = next_step(row)
    return row, course


def _growth_columns(pool: Pool, reading: dict[str, Any] | None, verdict: str) -> dict[str, float | None]:
    names = (
        "growth_bytes_per_day",
        "growth_low_bytes_per_day",
        "growth_high_bytes_per_day",
        "detection_floor_bytes_per_day",
    )
    if reading is None or reading["growth_per_day"] is None:
        return dict.fromkeys(names)
    growth, error = reading["growth_per_day"], reading["growth_error_per_day"]
    if verdict == "not_leak" and reading["growing"] > pool.growing:
        # A line fitted growth that was then seen to end: the interval must hold both.
        error = max(error, 1.2 * abs(growth) / QUANTILE)
    if pool.masked:
        slopes = [
            opinion.readings[opinion.signal]["growth_per_day"]
            for opinion in pool.opinions
            if opinion.signal is not None and opinion.growing + opinion.unresolved > LIKELY
        ]
        growth = sorted(slopes)[len(slopes) // 2] if slopes else growth
    return dict(
        zip(
            names,
            (
                growth,
                growth - QUANTILE * error,
                growth + QUANTILE * error,
                # Where growth was found, what the models see is what shows.
                reading["floor_per_day"] * (1.0 if verdict == "leak" else FLOOR_SURE),
            ),
            strict=True,
        ),
    )


def _goes_on(pool: Pool, verdict: str) -> float:
    """Probability that the memory that counts against the limit keeps growing, leak or not."""
    main = pool.main
    if verdict == "leak" or main is None:
        return pool.growing
    if "growing_layer" not in main.notes:
        return pool.growing + UNRESOLVED_LEAKS * pool.unresolved
    row = _growing_beside(main)
    return going_on(row) if row is not None else 0.0


def _growing_beside(main: Opinion) -> Row | None:
    """Readings of what grows although the judged signal does not; None where the kernel can take it back."""
    layer = main.notes.get("growing_layer")
    if layer is None or layer == "cache":
        return None
    names = (BESIDE[layer].signal,) if layer in BESIDE else ("anon_bytes", "rss_bytes")
    return next(main.readings[name] for name in (*names, "footprint_bytes") if name in main.readings)


def _open_end(pool: Pool, verdict: str) -> bool:
    """Whether it cannot be told if the memory that counts against the limit stays below it."""
    if verdict == "inconclusive":
        return pool.bounded < CLEAN_FROM
    row = _growing_beside(pool.main) if pool.main is not None else None
    return verdict == "not_leak" and row is not None and row["growing"] + row["unresolved"] > LIKELY


def _evidence_level(pool: Pool, facts: Facts, containers: list[int]) -> int:
    main = pool.main
    if main is None:
        return 1
    if decides(pool):
        return 5
    if main.signal == "allocated_bytes":
        return 4
    if "work_total" in main.readings or "load" in main.readings or len(containers) > 1:
        return 3
    known = main.life.get("limit_bytes") is not None or any(container in facts.with_events for container in containers)
    return 2 if known or "restarts" in facts.recording.report.found else 1
