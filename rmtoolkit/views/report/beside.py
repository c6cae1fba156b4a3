"""The files beside a page: verdicts and limits for programs, patches for a cluster, a summary for people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl

from rmtoolkit._io import replacing
from rmtoolkit.exceptions import RmtoolkitError, quote_path
from rmtoolkit.limits.patches import patches_yaml
from rmtoolkit.views import exports
from rmtoolkit.views.limits_terminal import ADVISED
from rmtoolkit.views.report.markdown import markdown

if TYPE_CHECKING:
    import os

    from rmtoolkit.views.report.contents import Contents

#: Names of the files, in the order in which they are written.
FILES: Final = (
    "verdicts.parquet",
    "verdicts.csv",
    "verdicts.json",
    "limits.parquet",
    "limits.csv",
    "limits.json",
    "limits.yaml",
    "summary.md",
)


def write_beside(contents: Contents, folder: str | os.PathLike[str]) -> Path:
    """Write the files."""
    made = Path(folder)
    try:
        made.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"Could not make the folder {quote_path(folder)}: {(error.strerror or str(error)).lower()}."
        raise RmtoolkitError(msg) from error
    names = ["cluster", "namespace", "workload", "container"]
    verdicts = contents.week.verdicts().sort(names, maintain_order=True)
    limits = contents.week.limits.sort(names, maintain_order=True)
    for ending in exports.FORMATS:
        exports.write(verdicts, made / f"verdicts{ending}")
        exports.write(limits, made / f"limits{ending}")
    for name, written in (("limits.yaml", patches(contents)), ("summary.md", markdown(contents))):
        with replacing(made / name) as part:
            part.write_text(written, "utf-8")
    return made


def patches(contents: Contents) -> str:
    """Write the limits that are worth a rollout as Kubernetes patches."""
    names = ["cluster", "namespace", "workload"]
    containers = contents.week.judgement.recording.containers
    kinds = containers.group_by(names, maintain_order=True).agg(pl.col("workload_kind").drop_nulls().first())
    resting = [entry.row for entry in contents.entries if entry.rests]
    accepted = pl.DataFrame(
        [{name: row[name] for name in (*names, "container")} for row in resting],
        schema={name: pl.String() for name in (*names, "container")},
    )
    limits = contents.week.limits.sort([*names, "container"], maintain_order=True)
    wanted = limits.rename(ADVISED).join(
        accepted, on=[*names, "container"], how="anti", nulls_equal=True, maintain_order="left"
    )
    return patches_yaml(wanted.join(kinds, on=names, how="left", nulls_equal=True, maintain_order="left"))
