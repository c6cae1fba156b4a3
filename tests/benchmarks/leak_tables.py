"""The scores of `leak_or_not.py` as aligned text and as CSV."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Final

import polars as pl

from tests.benchmarks.leak_scores import FIGURES, mcnemar

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from tests.benchmarks.leak_scores import Figure, Scores

_GIVEN: Final = {
    "full": "everything recorded",
    "no-allocator": "everything but the allocator's numbers",
    "working-set": "working set, limits and restarts only",
    "kubectl-top": "working set in whole Mi, every first to fourth sample, and nothing else",
}


def percent(figure: Figure) -> str:
    """Write a share and its interval in percent; a dash when there is none."""
    if figure.value is None:
        return "  –"
    whole = f"{100 * figure.value:3.0f}"
    return (
        whole
        if figure.low is None or figure.high is None
        else f"{whole} ({100 * figure.low:.0f}–{100 * figure.high:.0f})"
    )


def decimal(figure: Figure) -> str:
    """Write a number that is no share."""
    return "–" if figure.value is None else f"{figure.value:.2f}"


def aligned(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write rows under a head, each column as wide as it needs."""
    cells = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in cells)


def page(
    part: str,
    level: str,
    scored: dict[str, Scores],
    judged: dict[str, pl.DataFrame],
    parts: list[tuple[str, str, Scores]],
) -> str:
    """Write everything for a terminal.

    Parameters
    ----------
    part, level
        What was judged.
    scored, judged
        Scores and judged runs by classifier; the first is compared with the others.
    parts
        Kind, name and scores of each slice of the first.

    Returns
    -------
    str
        Tables of at most about 110 columns.
    """
    name, first = next(iter(scored.items()))
    intro = (
        f"Leak or not: {part}, {first.runs} runs, {_GIVEN[level]}\n"
        f"{first.leaks} leak, {first.clean} do not; {first.undecidable} cannot be decided from this. "
        "Percent, with 95 % intervals (Wilson)."
    )
    blocks = [intro, _verdicts(scored), _beyond(scored), _times(scored), *_calibration(scored)]
    if len(scored) > 1:
        blocks.append(_compared(judged))
    return "\n\n".join([*blocks, *_slices(name, parts)])


def _verdicts(scored: dict[str, Scores]) -> str:
    shown = ("precision", "recall", "f1", "false_clean", "false_alarms", "abstained")
    head = ("decidable runs", "precision", "recall", "F1", "false clean", "false alarms", "abstained", "cost")
    rows = [(name, *(percent(s.figures[x]) for x in shown), decimal(s.figures["cost"])) for name, s in scored.items()]
    return aligned(head, rows) + (
        "\nInconclusive is a miss. False clean: leaks called clean. Cost per run: 10 for a leak called clean, "
        "3 for a false alarm, 1 for inconclusive."
    )


def _beyond(scored: dict[str, Scores]) -> str:
    shown = ("decided_recall", "decided_f1", "wrong_undecidable", "pattern_right", "pattern_f1")
    head = ("", "recall if decided", "F1 if decided", "undecidable: wrong", "pattern right", "pattern macro-F1")
    rows = [(name, *(percent(s.figures[x]) for x in shown)) for name, s in scored.items()]
    return aligned(head, rows)


def _times(scored: dict[str, Scores]) -> str:
    shown = ("timed", "time_error", "time_covered", "too_early")
    head = ("time to limit", "estimated", "median error", "in 80 % interval", "interval ended early")
    timed = {name: s for name, s in scored.items() if s.figures["timed"].value}
    rows = [(name, *(percent(s.figures[x]) for x in shown)) for name, s in timed.items()]
    return aligned(head, rows) if rows else "Nothing estimated the time to the limit of a leak."


def _calibration(scored: dict[str, Scores]) -> Iterable[str]:
    for name, scores in scored.items():
        if scores.reliability:
            brier, base = (scores.figures[x].value for x in ("brier", "base_rate_brier"))
            rows = [
                (f"{100 * b.low:3.0f}–{100 * b.high:.0f}", str(b.seen.count), f"{100 * b.said:.0f}", percent(b.seen))
                for b in scores.reliability
            ]
            table = aligned((f"probability, {name}", "runs", "mean said", "leaked"), rows)
            yield f"{table}\nBrier score {brier:.3f}; always saying the share of leaks would give {base:.3f}."


def _compared(judged: dict[str, pl.DataFrame]) -> str:
    right = {
        name: frame.filter("decidable").select(pl.col("said_verdict") == pl.col("verdict")).to_series()
        for name, frame in judged.items()
    }
    first, *others = right
    rows = []
    for name in others:
        alone, other_alone = int((right[first] & ~right[name]).sum()), int((right[name] & ~right[first]).sum())
        p = mcnemar(alone, other_alone)
        rows.append((name, str(alone), str(other_alone), "<0.0001" if p < 1e-4 else f"{p:.4f}"))
    return aligned((f"{first} against", f"only {first} right", "only the other", "p (McNemar, exact)"), rows)


def _slices(name: str, parts: list[tuple[str, str, Scores]]) -> Iterable[str]:
    for kind in dict.fromkeys(kind for kind, _, _ in parts):
        mine = [(value, scores) for k, value, scores in parts if k == kind]
        if kind == "shape":
            yield _shapes(name, mine)
            continue
        head = ("runs", "right", "leaks", "recall", "false clean", "clean", "false alarms", "abstained", "Brier")
        yield aligned((f"{name} by {kind}", *head), (_slice(value, scores) for value, scores in mine))


def _slice(value: str, scores: Scores) -> tuple[str, ...]:
    f = scores.figures
    return (
        value,
        str(scores.runs),
        percent(f["right"]),
        str(scores.leaks),
        percent(f["recall"]),
        percent(f["false_clean"]),
        str(scores.clean),
        percent(f["false_alarms"]),
        percent(f["abstained"]),
        decimal(f["brier"]),
    )


def _shapes(name: str, shapes: list[tuple[str, Scores]]) -> str:
    """Write the shapes with the worst first."""
    head = ("decidable", "right", "called clean", "false alarms", "abstained", "undecidable", "wrong")
    rows = [
        (
            value,
            str(scores.leaks + scores.clean or "–"),
            percent(scores.figures["right"]),
            _count(scores.figures["false_clean"]),
            _count(scores.figures["false_alarms"]),
            _count(scores.figures["abstained"]),
            str(scores.undecidable or "–"),
            _count(scores.figures["wrong_undecidable"]),
        )
        for value, scores in sorted(shapes, key=_badness)
    ]
    return aligned((f"{name} by shape", *head), rows)


def _count(figure: Figure) -> str:
    return "–" if figure.value is None else str(round(figure.value * figure.count))


def _badness(shape: tuple[str, Scores]) -> tuple[float, float, str]:
    name, scores = shape
    right, wrong = (scores.figures[x].value for x in ("right", "wrong_undecidable"))
    return (1.0 if right is None else right, -(wrong or 0.0), name)


def write(path: Path, level: str, scored: dict[tuple[str, str], Scores], parts: list[tuple[str, str, Scores]]) -> None:
    """Write every figure, a row each.

    Parameters
    ----------
    path
        Target.
    level
        The level of evidence of the slices.
    scored
        Scores by level and classifier; the first classifier is the one that `parts` cuts.
    parts
        Kind, name and scores of each slice.
    """
    main = next(name for _, name in scored)
    rows = [(at, name, "", "", scores) for (at, name), scores in scored.items()]
    rows += [(level, main, kind, value, scores) for kind, value, scores in parts if kind != "evidence"]
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["level", "classifier", "slice", "of", "figure", "runs", "value", "low", "high", "meaning"])
        for at, name, kind, of, scores in rows:
            for figure, meaning in FIGURES.items():
                one = scores.figures[figure]
                writer.writerow([at, name, kind, of, figure, one.count, one.value, one.low, one.high, meaning])
