"""One workload's verdict, to read in a terminal or a notebook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rmtoolkit import text
from rmtoolkit._html import Markup, document, el, folded, not_complete
from rmtoolkit.assessment import Assessment, assess
from rmtoolkit.assessment.comparison import Comparison, find_row
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.views import _tables
from rmtoolkit.views.style import COMPARISON, STYLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rmtoolkit._parallel import Source
    from rmtoolkit.analysis.heap_answers import Heap

#: Begins a line of a summary that is there to be copied.
CODE: Final = " " * 4

_HORIZONS: Final = {"24 h": "24h", "7 days": "7d", "30 days": "30d"}


@dataclass(frozen=True, slots=True)
class Explanation:
    """A verdict with its reasons, advice, and the queries that show the same.

    Attributes
    ----------
    row
        The workload's row of `Assessment.workloads`, as a dict.
    evidence
        Evidence, a row each: in words, and as statistic, estimate, interval and unit.
    advice
        Advice, the first thing to do first: `text`, `setting`, `expected`, `because`, `until`.
    queries
        Queries for Grafana: `shows` and `promql`.
    target
        The chance of an OOM kill within 7 days that is accepted.
    incomplete
        What the source lacks; None where nothing is known to be missing.

    Examples
    --------
    >>> table = pl.DataFrame({"time": range(0, 6000, 60), "workload": ["api"] * 100, "rss_bytes": [50 << 20] * 100})
    >>> explain(table, "api")
    <Explanation: not_leak: api does not leak: it stays at 50 Mi.>
    """

    row: dict[str, Any]
    evidence: pl.DataFrame
    advice: pl.DataFrame
    queries: pl.DataFrame
    target: float
    incomplete: str | None = None

    @property
    def headline(self) -> str:
        """The verdict in one sentence."""
        return str(self.row["headline"])

    def to_dict(self) -> dict[str, Any]:
        """Give the row as a plain dict, by the columns of `Assessment.workloads`.

        Examples
        --------
        >>> table = pl.DataFrame({"time": range(0, 6000, 60), "workload": "api", "rss_bytes": [50 << 20] * 100})
        >>> explain(table, "api").to_dict()["verdict"]
        'not_leak'
        """
        return dict(self.row)

    def summary(self) -> str:
        """Put the verdict, what to do and the evidence in a few lines of plain text.

        Examples
        --------
        >>> table = pl.DataFrame({"time": range(0, 6000, 60), "workload": "api", "rss_bytes": [50 << 20] * 100})
        >>> explain(table, "api").summary().splitlines()[0].split(". ")[0]
        'api does not leak: it stays at 50 Mi'
        """
        lines = [self.row["explanation"], *text.not_complete(self.incomplete)]
        lines += filter(None, (_risk_words(self.row), self.row["foretold"]))
        lines += ["", f"Next: {self.row['next_step']}"]
        for then in self.advice[1:].iter_rows(named=True):
            lines.append(f"Then: {then['text']}")
            lines += [f"{CODE}{then['setting']}"] if then["setting"] else []
        lines.append("")
        usual, seen = _tables.seen(items := self.evidence.to_dicts())
        lines += [f"Evidence ({usual}):" if usual else "Evidence:"] if items else []
        for item, other in zip(items, seen, strict=True):
            where = f" ({other})" if other else ""
            lines.append(f"  {text.EVIDENCE[item['says']].word:<13} {item['text']}: {item['value']}{where}")
        if (floor := self.row["detection_floor_bytes_per_day"]) is not None:
            lines.append(f"Smallest growth that would be found here, nine times in ten: {text.floor(floor)}.")
        lines += [""] if self.queries.height else []
        for shows, promql in self.queries.iter_rows():
            lines += [f"{shows}:", f"{CODE}{promql}"]
        return "\n".join(map(text.printable, lines)).rstrip("\n")

    __str__ = summary

    def __repr__(self) -> str:
        return f"<Explanation: {self.row['verdict']}: {text.printable(self.headline)}>"

    def _repr_html_(self) -> str:
        row: dict[str, Any] = self.row | {"evidence": self.evidence.to_dicts()}
        mark, risk = text.VERDICTS[row["verdict"]], _risk_words(row)
        first, *others = self.advice.iter_rows(named=True)
        answer = _tables.answer(
            row,
            text.named(row),
            el("p", text.told(self.headline), class_="headline"),
            el("div", el("b", "Next:"), " ", *_tables.action(first), class_="next"),
            self.target,
            badge=el("span", f"{mark.shape} {mark.badge}", class_="badge"),
        )
        more = [el("li", *_tables.action(one)) for one in others]
        return str(
            el(
                "div",
                el("style", STYLE),
                not_complete(self.incomplete),
                answer,
                el("p", risk, class_="note") if risk else None,
                _tables.evidence(row, where=True),
                folded("What else to do", text.count(len(more), "thing"), el("ol", *more)) if more else None,
                _tables.how(row, self.queries.to_dicts()),
                class_=f"rm rm-explanation {mark.token}",
            )
        )


def _risk_words(row: dict[str, Any]) -> str | None:
    known = ((span, row[f"oom_probability_{column}"]) for span, column in _HORIZONS.items())
    said = ", ".join(f"{text.chance(value)} within {span}" for span, value in known if value is not None)
    return f"Chance of an OOM kill: {said}." if said else None


ENDINGS: Final = (".html", ".htm")


def page(found: Comparison) -> bytes:
    main = el("main", Markup(found._repr_html_()))
    return document(text.printable(found.headline), COMPARISON, [main], "", inline=True).encode()


def explain(
    source: Source | Assessment, workload: str, *, heap: Heap | Mapping[str, Heap] | None = None
) -> Explanation:
    """Explain the verdict on one workload: in full in a notebook, and as plain text by `Explanation.summary`.

    Parameters
    ----------
    source
        A recording, a frame that can become one, a lake, or an Assessment: of that nothing is worked out again.
    workload
        Its name, or ``namespace/workload``, or ``namespace/workload/container`` where the name is not unique; or the
        name of a pod: then verdict and evidence are the pod's, advice and queries its workload's.
    heap
        As `rm.classify` takes it; not for an Assessment.

    Raises
    ------
    UnknownWorkloadError
        There is no such workload, or there are several.
    RmtoolkitError
        The source is a frame of verdicts.

    Examples
    --------
    >>> table = pl.DataFrame({"time": range(0, 6000, 60), "workload": ["api"] * 100, "rss_bytes": [50 << 20] * 100})
    >>> explain(table, "api").row["verdict"]
    'not_leak'
    """
    if isinstance(source, pl.DataFrame) and "verdict" in source.columns:
        msg = "explain takes what was recorded, or the Assessment of it (rm.assess), not a frame of verdicts."
        raise RmtoolkitError(msg)
    found = assess(source, heap=heap)
    row = find_row(found, workload)
    evidence, advice, queries = (
        frame.filter(workload_id=row["workload_id"]).drop("workload_id")
        for frame in (found.evidence, found.advice, found.queries)
    )
    if "lives" in row:
        evidence = pl.DataFrame(row["evidence"], schema=evidence.drop("lives").schema)
    return Explanation(row, evidence, advice.drop("rank"), queries, found.fleet.target, found.incomplete)
