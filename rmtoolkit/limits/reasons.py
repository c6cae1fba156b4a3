"""Why a limit is recommended, or why there is none, in words."""

from __future__ import annotations

from typing import Any

from rmtoolkit.limits.margins import SHORTEST
from rmtoolkit.text import chance as chance_words
from rmtoolkit.text import configured, hours, hours_range, memory, moment, rate

#: A pod so many times as high as the median pod is named.
_HOT = 1.3


def reason(row: dict[str, Any], chance: float) -> str:
    """Say in a few sentences why.

    Parameters
    ----------
    row
        What `recommend_limits` knows of a workload container.
    chance
        The chance that is accepted.

    Returns
    -------
    str
        Sentences.

    Examples
    --------
    >>> reason({"action": "fix", "growth_bytes_per_day": 1e9, "raise_to_bytes": None}, 0.05)
    'It grows by 954 Mi/day: no limit holds for long. Fix the growth first.'
    """
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
