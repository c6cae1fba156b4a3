"""A recording at a glance, for a notebook."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

from rmtoolkit import text
from rmtoolkit.schema import FOOTPRINTS, SIGNALS
from rmtoolkit.stretches import begins

if TYPE_CHECKING:
    from rmtoolkit.recording import Recording

_SHOWN_CONTAINERS: Final = 20
_HEADS: Final = ("workload", "pod / container", "limit", "every", "samples", "coverage")
_LEFT: Final = 2
_STYLE: Final = "padding:2px 10px;text-align:"


def completeness(recording: Recording) -> pl.DataFrame:
    """Compare the samples that are there with those that were due.

    Parameters
    ----------
    recording
        The recording.

    Returns
    -------
    polars.DataFrame
        As `Recording.completeness` documents it.

    Examples
    --------
    >>> from rmtoolkit.recording import as_recording
    >>> completeness(as_recording(pl.DataFrame({"time": [0, 60], "rss_bytes": [1, 2]})))["samples"].to_list()
    [2]
    """
    samples = recording.samples
    present = samples.select("container_id", "time")
    names = (*FOOTPRINTS, "allocated_bytes")
    if all(samples[name].null_count() for name in names):
        present = present.filter(samples.select(pl.any_horizontal(pl.col(names).is_not_null())).to_series())
    first = begins(present["container_id"])
    length = np.diff(first, append=present.height)
    found = pl.DataFrame(
        {
            "container_id": present["container_id"].gather(first),
            "samples": length,
            "first": present["time"].gather(first),
            "last": present["time"].gather(first + length - 1),
        },
        schema_overrides={"samples": pl.Int64},
    )
    ids = samples["container_id"]
    counted = (
        ids.gather(begins(ids))
        .to_frame()
        .join(found, on="container_id", how="left", maintain_order="left")
        .with_columns(pl.col("samples").fill_null(0))
        .join(recording.containers.select("container_id", "cadence_seconds"), on="container_id", how="left")
    )
    span = (pl.col("last") - pl.col("first")).dt.total_milliseconds() / 1000
    expected = (span / pl.col("cadence_seconds")).round().cast(pl.Int64) + 1
    return counted.with_columns(expected=expected).select(
        "container_id",
        "samples",
        "first",
        "last",
        "expected",
        coverage=(pl.col("samples") / pl.col("expected")).clip(0, 1),
    )


def as_html(recording: Recording) -> str:
    """Show what is in a recording, how complete it is and what was left out.

    Parameters
    ----------
    recording
        Its first twenty containers are listed.

    Returns
    -------
    str
        A fragment of HTML; all names are escaped.

    Examples
    --------
    >>> import polars as pl
    >>> from rmtoolkit.recording import as_recording
    >>> shown = as_html(as_recording(pl.DataFrame({"time": [0], "pod": ["<b>"], "rss_bytes": [9]})))
    >>> "&lt;b&gt;" in shown, "Nothing was left out." in shown
    (True, True)
    """
    rows = recording.containers.join(
        recording.completeness(),
        on="container_id",
        how="left",
        maintain_order="left",
    )
    signals = ", ".join(_words(name) for name in SIGNALS if recording.samples[name].count())
    kinds = recording.events["kind"].value_counts(sort=True, name="times")
    events = ", ".join(
        f"{times:,} × {_words(kind)}" for kind, times in kinds.sort("times", "kind").reverse().iter_rows()
    )
    shown = rows.head(_SHOWN_CONTAINERS)
    more = rows.height - shown.height
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in recording.report.notes())
    return (
        '<div class="rm-recording" style="font:14px/1.45 system-ui,sans-serif">'
        f"<p><b>{html.escape(repr(recording)[12:-1])}</b><br>signals: {html.escape(signals) or 'none'}"
        f"<br>events: {html.escape(events) or 'none'}</p>"
        f"<table><thead>{_line('th', _HEADS)}</thead>"
        f"<tbody>{''.join(_line('td', _cells(row)) for row in shown.iter_rows(named=True))}</tbody></table>"
        + (f"<p>and {text.count(more, 'more container')}</p>" if more > 0 else "")
        + (f"<p>Good to know:</p><ul>{notes}</ul>" if notes else "<p>Nothing was left out.</p>")
        + "</div>"
    )


def _words(name: str) -> str:
    return text.SIGNAL_WORDS.get(name, name.removesuffix("_bytes").replace("_", " "))


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    name = "/".join(part for part in (row["namespace"], row["workload"]) if part) or text.NOT_APPLICABLE
    return (
        name + (" (inferred)" if row["workload_inferred"] else ""),
        " / ".join(row[part] or text.NOT_APPLICABLE for part in ("pod", "container")),
        text.configured(row["limit_bytes"], known=row["limit_known"]),
        text.UNKNOWN if row["cadence_seconds"] is None else f"{row['cadence_seconds']:g} s",
        f"{row['samples'] or 0:,}",
        text.share(row["coverage"]),
    )


def _line(tag: str, cells: tuple[str, ...]) -> str:
    sides = ("left" if index < _LEFT else "right" for index in range(len(cells)))
    return (
        "<tr>"
        + "".join(
            f'<{tag} style="{_STYLE}{side}">{html.escape(cell)}</{tag}>'
            for side, cell in zip(sides, cells, strict=True)
        )
        + "</tr>"
    )
