"""One workload's verdict, to read in a terminal or a notebook."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any

import polars as pl  # noqa: TC002 - the examples use it

from rmtoolkit.exceptions import ColumnError, UnknownWorkloadError


@dataclass(frozen=True, slots=True)
class Explanation:
    """A verdict with its reasons.

    Attributes
    ----------
    row
        The workload's row of `classify`, as a dict.

    Examples
    --------
    >>> from rmtoolkit.analysis.verdict import classify
    >>> table = pl.DataFrame({"time": range(0, 6000, 60), "workload": ["api"] * 100, "rss_bytes": [50 << 20] * 100})
    >>> explain(classify(table), "api")
    <Explanation: not_leak: api does not leak: it stays at 50 Mi.>
    """

    row: dict[str, Any]

    @property
    def headline(self) -> str:
        """The verdict in one sentence."""
        text: str = self.row["explanation"]
        return text.split(". ", maxsplit=1)[0].removesuffix(".") + "."

    def to_dict(self) -> dict[str, Any]:
        """Give the row as a plain dict.

        Returns
        -------
        dict
            Columns of `classify`.

        Examples
        --------
        >>> Explanation({"verdict": "leak"}).to_dict()
        {'verdict': 'leak'}
        """
        return dict(self.row)

    def summary(self) -> str:
        """Put the verdict, the evidence and the next step in plain text.

        Returns
        -------
        str
            A few lines.

        Examples
        --------
        >>> print(Explanation({"explanation": "a leaks. b.", "next_step": "c", "evidence": []}).summary())
        a leaks. b.
        Next: c
        """
        marks = {"for": "for a leak", "against": "against", "not_measured": "not measured"}
        lines = [self.row["explanation"]]
        lines += [f"  {marks[item['says']]:<13} {item['text']}: {item['value']}" for item in self.row["evidence"] or []]
        return "\n".join([*lines, f"Next: {self.row['next_step']}"])

    def __str__(self) -> str:
        """Give the summary in plain text."""
        return self.summary()

    def __repr__(self) -> str:
        """Say the verdict in one line."""
        return f"<Explanation: {self.row['verdict']}: {self.headline}>"

    def _repr_html_(self) -> str:
        marks = {"for": "▲ for a leak", "against": "● against", "not_measured": "◆ not measured"}
        badge = {"leak": "▲ LEAK", "not_leak": "● NOT A LEAK", "inconclusive": "◆ INCONCLUSIVE"}[self.row["verdict"]]
        rows = "".join(
            f"<tr><td>{marks[item['says']]}</td><td style='text-align:left'>{html.escape(item['text'])}</td>"
            f"<td>{html.escape(item['value'] or '')}</td></tr>"
            for item in self.row["evidence"] or []
        )
        return (
            '<div class="rm-explanation" style="font:14px/1.45 system-ui,sans-serif;max-width:60em">'
            f"<p><b>{badge}</b> <span>evidence level {self.row['evidence_level']} of 5</span></p>"
            f"<p style='font-size:20px'><b>{html.escape(self.headline)}</b></p>"
            f"<p>{html.escape(self.row['explanation'])}</p><table><thead><tr><th>says</th><th>evidence</th>"
            f"<th>value</th></tr></thead><tbody>{rows}</tbody></table>"
            f"<p><b>Next:</b> {html.escape(self.row['next_step'])}</p></div>"
        )


def explain(verdicts: pl.DataFrame, workload: str) -> Explanation:
    """Explain the verdict on one workload.

    Parameters
    ----------
    verdicts
        What `classify` returned.
    workload
        Its name, or ``namespace/workload``, or ``namespace/workload/container`` where the name is not unique.

    Returns
    -------
    Explanation
        Shown in full in a notebook; `summary()` is the same in plain text.

    Raises
    ------
    UnknownWorkloadError
        There is no such workload, or there are several.
    ColumnError
        The frame is not what `classify` returns.

    Examples
    --------
    >>> from rmtoolkit.analysis.verdict import classify
    >>> table = pl.DataFrame({"time": range(0, 6000, 60), "workload": ["api"] * 100, "rss_bytes": [50 << 20] * 100})
    >>> explain(classify(table), "api").row["verdict"]
    'not_leak'
    """
    for column in ("namespace", "workload", "container", "explanation", "evidence"):
        if column not in verdicts.columns:
            raise ColumnError.missing(column, verdicts.columns)
    names: list[str] = []
    found: list[dict[str, Any]] = []
    for row in verdicts.iter_rows(named=True):
        parts = [row["namespace"], row["workload"], row["container"]]
        full = "/".join(part or "–" for part in parts)
        names.append(full)
        if workload in (row["workload"], "/".join(part or "–" for part in parts[:2]), full):
            found.append(row)
    if len(found) != 1:
        raise UnknownWorkloadError.named(workload, names)
    return Explanation(found[0])
