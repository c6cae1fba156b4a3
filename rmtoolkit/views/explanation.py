"""One workload's verdict, to read in a terminal or a notebook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rmtoolkit import text
from rmtoolkit._html import Markup, el, join
from rmtoolkit.analysis import advice, promql
from rmtoolkit.analysis.records import VERDICTS, Advice, evidence_of
from rmtoolkit.exceptions import ColumnError, UnknownWorkloadError
from rmtoolkit.views import _tables
from rmtoolkit.views._tables import facts, pattern_words, with_code
from rmtoolkit.views.style import STYLE

if TYPE_CHECKING:
    from collections.abc import Sequence


_MARKS: Final = {name: mark.word for name, mark in text.EVIDENCE.items()}
_HORIZONS: Final = (
    ("24 h", "oom_probability_24h"),
    ("7 days", "oom_probability_7d"),
    ("30 days", "oom_probability_30d"),
)


@dataclass(frozen=True, slots=True)
class Explanation:
    """A verdict with its reasons, advice, and the queries that show the same.

    Attributes
    ----------
    row
        The workload's row of `classify`, as a dict.

    Examples
    --------
    >>> from rmtoolkit.analysis.judge import classify
    >>> table = pl.DataFrame({"time": range(0, 6000, 60), "workload": ["api"] * 100, "rss_bytes": [50 << 20] * 100})
    >>> explain(classify(table), "api")
    <Explanation: not_leak: api does not leak: it stays at 50 Mi.>
    """

    row: dict[str, Any]

    @property
    def headline(self) -> str:
        """The verdict in one sentence."""
        said: str = self.row.get("headline") or self.row["explanation"].split(". ", maxsplit=1)[0]
        return said.removesuffix(".") + "."

    @property
    def evidence(self) -> pl.DataFrame:
        """Evidence, a row each: in words, and as statistic, estimate, interval and unit."""
        dtype = VERDICTS["evidence"]
        return pl.DataFrame({"evidence": [self.row.get("evidence") or []]}, schema={"evidence": dtype}).select(
            pl.col("evidence").explode(empty_as_null=False).struct.unnest()
        )

    @property
    def advice(self) -> pl.DataFrame:
        """Advice, the first thing to do first: `text`, `setting`, `expected`, `because`, `until`."""
        return advice.frame(_whole(self.row))

    @property
    def queries(self) -> pl.DataFrame:
        """Queries for Grafana: `shows` and `promql`."""
        return promql.frame(_whole(self.row))

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
        lines = [self.row["explanation"]]
        for item in self.row.get("evidence") or []:
            where = f" ({seen})" if (seen := _tables.seen(item)) else ""
            lines.append(f"  {_MARKS[item['says']]:<13} {item['text']}: {item['value']}{where}")
        if self.row.get("detection_floor_bytes_per_day") is not None:
            floor = text.floor(self.row["detection_floor_bytes_per_day"])
            lines.append(f"Smallest growth that would be found here, nine times in ten: {floor}.")
        if (risk := _risk_words(self.row)) is not None:
            lines.append(risk)
        if "verdict" in self.row:
            lines += [f"Then: {found.sentence}" for found in list(advice.advise(_whole(self.row)))[1:]]
            lines += [f"{query.shows}: {query.promql}" for query in promql.queries(_whole(self.row))]
        return "\n".join(text.printable(line) for line in [*lines, f"Next: {self.row['next_step']}"])

    def __str__(self) -> str:
        """Give the summary in plain text."""
        return self.summary()

    def __repr__(self) -> str:
        """Say the verdict in one line."""
        return f"<Explanation: {self.row['verdict']}: {text.printable(self.headline)}>"

    def _repr_html_(self) -> str:
        row = _whole(self.row)
        mark = text.VERDICTS[row["verdict"]]
        pods = [text.count(row["pods"], "pod")] if row["pods"] else []
        reason = row["explanation"].removeprefix(self.headline).strip()
        first, *others = advice.advise(row)
        if row["next_step"] != first.sentence:
            # A frame that another version wrote keeps its own words.
            first = Advice(row["next_step"] or "Nothing to do.")
        answer = el(
            "div",
            el("span", f"{mark.shape} {mark.badge}", class_="badge"),
            el("span", text.printable(", ".join([_name(row), *pods, *pattern_words(row)])), class_="who"),
            el("p", text.printable(self.headline), class_="headline"),
            el("p", text.printable(reason), class_="reason"),
            el("div", el("b", "Next:"), " ", *_action(first), class_="next"),
        )
        risk = _risk_words(row)
        return el(
            "div",
            el("style", STYLE),
            el("div", answer, facts(row), class_="answer"),
            el("p", risk, class_="note") if risk else None,
            _tables.evidence(row, where=True, caption="Evidence"),
            _more(others),
            _queries(row),
            class_=f"rm rm-explanation {mark.token}",
        )


def _whole(row: dict[str, Any]) -> dict[str, Any]:
    """Fill in what an older or smaller frame of verdicts lacks: unknown, not an error."""
    missing = {name: None for name in VERDICTS if name not in row}
    known = {"limit_known": "no_limit" not in evidence_of(row), "workload_inferred": None}
    return known | {"also": []} | missing | row | ({} if row.get("also") else {"also": []})


def _name(row: dict[str, Any]) -> str:
    parts = [row["namespace"], row["workload"], row.get("pod"), row["container"]]
    return "/".join(str(part) for part in parts if part is not None) or "this process"


def _risk_words(row: dict[str, Any]) -> str | None:
    """Write the chance of a kill within each horizon."""
    known = [(span, row.get(column)) for span, column in _HORIZONS if row.get(column) is not None]
    if not known:
        return None
    return "Chance of an OOM kill: " + ", ".join(f"{text.chance(value)} within {span}" for span, value in known) + "."


def _action(piece: Advice) -> tuple[Markup | None, ...]:
    """Write what to do, the setting on a line of its own, and what it should change."""
    expected = f"Expected: {text.printable(piece.expected.rstrip('.'))}." if piece.expected else None
    return (
        with_code(piece.text.rstrip(".") + "."),
        el("code", text.printable(piece.setting), class_="block") if piece.setting else None,
        el("span", expected, class_="small") if expected else None,
    )


def _more(found: Sequence[Advice]) -> Markup | None:
    if not found:
        return None
    items = [el("li", *_action(piece)) for piece in found]
    return el(
        "details",
        el("summary", "What else to do ", el("span", text.count(len(items), "thing"), class_="note")),
        el("ol", *items),
    )


def _queries(row: dict[str, Any]) -> Markup | None:
    found = list(promql.queries(row))
    if not found:
        return None
    items = [join(el("dt", query.shows), el("dd", el("code", query.promql, class_="block"))) for query in found]
    return el(
        "details",
        el("summary", "The same in Grafana ", el("span", text.count(len(found), "query", "queries"), class_="note")),
        el("dl", *items, class_="queries"),
    )


def explain(verdicts: pl.DataFrame, workload: str) -> Explanation:
    """Explain the verdict on one workload.

    Parameters
    ----------
    verdicts
        What `classify` returned.
    workload
        Its name, or ``namespace/workload``, or ``namespace/workload/container`` where the name is not unique; of
        verdicts by instance also ``namespace/workload/pod/container``.

    Returns
    -------
    Explanation
        Shown in full in a notebook; `summary()` is the same in plain text; `evidence`, `advice` and `queries` are
        frames.

    Raises
    ------
    UnknownWorkloadError
        There is no such workload, or there are several.
    ColumnError
        The frame is not what `classify` returns.

    Examples
    --------
    >>> from rmtoolkit.analysis.judge import classify
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
        pod = [row["pod"]] if "pod" in row else []
        parts = [part or text.NOT_APPLICABLE for part in (row["namespace"], row["workload"], *pod, row["container"])]
        full = "/".join(parts)
        names.append(full)
        if workload in (row["workload"], "/".join(parts[:2]), full, *pod, "/".join([*parts[:2], parts[-1]])):
            found.append(row)
    if len(found) != 1:
        raise UnknownWorkloadError.named(workload, names)
    return Explanation(found[0])
