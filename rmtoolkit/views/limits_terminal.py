"""Recommended limits as a table for a terminal, a log or a pipe, and as files."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rmtoolkit import text
from rmtoolkit._io import check_target, replacing
from rmtoolkit.limits.patches import patches_yaml
from rmtoolkit.views import exports
from rmtoolkit.views.terminal import WIDTH, plain

if TYPE_CHECKING:
    import os

YAML: Final = (".yaml", ".yml")
FORMATS: Final = (*exports.FORMATS, *YAML)

#: What to do, the most urgent first, and how it reads.
ACTIONS: Final = {
    "fix_leak": "Fix first",
    "raise_limit": "Raise",
    "set_limit": "Set",
    "lower_limit": "Lower",
    "tune_allocator": "Tune the allocator",
    "reduce_startup": "Reduce the startup",
    "fix_exporter": "Mend the exporter",
    "wait": "Wait",
    "none": "Keep",
}
_NAMES_SHOWN: Final = 60
#: Columns of `recommend_limits` under the names that they have in an Assessment.
ADVISED: Final = {
    "recommended_limit_bytes": "advised_limit_bytes",
    "recommended_request_bytes": "advised_request_bytes",
    "reason": "limit_reason",
}


def table(limits: pl.DataFrame, chance: float, *, unicode: bool = True) -> str:
    """Write what to do, then a block for each workload container, the most urgent first."""
    order = {action: place for place, action in enumerate(ACTIONS)}
    rows = sorted(limits.iter_rows(named=True), key=lambda row: (order[row["action"]], -(row["peak_bytes"] or 0)))
    counted = [(sum(row["action"] == action for row in rows), word.lower()) for action, word in ACTIONS.items()]
    said = ", ".join(f"{number} to {word}" for number, word in counted if number)
    lines = [
        f"{text.count(len(rows), 'workload')}{': ' + said if said else ''}. Limits for at most {text.chance(chance)} "
        "chance of an OOM kill in 7 days.",
    ]
    # Where the margins come from is said once, not in every row.
    lines += [f"Margins: {origin}." for origin in limits["margins"].unique(maintain_order=True).drop_nulls()]
    for row in rows:
        lines += ["", *_block(row)]
    wrapped = "\n".join(part for line in lines for part in _wrap(line)) + "\n"
    return wrapped if unicode else plain(wrapped)


def _wrap(line: str) -> list[str]:
    indent = " " * (len(line) - len(line.lstrip()))
    return textwrap.wrap(line, WIDTH, subsequent_indent=indent, break_on_hyphens=False) or [""]


def _block(row: dict[str, Any]) -> list[str]:
    names = [row["namespace"], row["workload"], row["container"] if row["container"] != row["workload"] else None]
    name = "/".join(text.printable(part)[:_NAMES_SHOWN] for part in names if part) or "(no name)"
    now = text.configured(row["limit_bytes"], known=row["limit_bytes"] is not None)
    if row["recommended_limit_bytes"] is None:
        then = "no plain limit"
    else:
        then = f"limit {text.configured(row['recommended_limit_bytes'])}"
    if row["recommended_request_bytes"] is not None:
        then += f", request {text.configured(row['recommended_request_bytes'])}"
    risk = "" if row["oom_probability_now"] is None else f", risk now {text.chance(row['oom_probability_now'])}"
    if row["oom_probability"] is not None:
        risk += f", then {text.chance(row['oom_probability'])}"
    reason = text.printable(row["reason"] or "").replace(f" ({text.printable(row['margins'] or '')})", "")
    beside = [
        f"{tool} {text.memory(row[column])}"
        for tool, column in (("VPA", "vpa_target_bytes"), ("KRR", "krr_limit_bytes"))
        if row[column] is not None
    ]
    return [
        f"{ACTIONS[row['action']]:10} {name}",
        f"  {then}; limit now {now}{risk}",
        f"  {reason}",
        *([f"  Others would say: {', '.join(beside)}."] if beside else []),
    ]


def check_format(path: str | os.PathLike[str]) -> None:
    """See that limits can be written to a file of that name."""
    check_target(path, FORMATS)


def write(limits: pl.DataFrame, containers: pl.DataFrame, path: str | os.PathLike[str]) -> Path:
    """Write limits in the format that the file's name asks for."""
    check_format(path)
    if Path(path).suffix.lower() not in YAML:
        return exports.write(limits, path)
    names = ["cluster", "namespace", "workload"]
    kinds = containers.group_by(names, maintain_order=True).agg(pl.col("workload_kind").drop_nulls().first())
    known = limits.join(kinds, on=names, how="left", nulls_equal=True, maintain_order="left").rename(ADVISED)
    with replacing(path, FORMATS) as part:
        part.write_text(patches_yaml(known), "utf-8")
    return Path(path)
