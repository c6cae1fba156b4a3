"""The heap profile of a workload in the triage dashboard: what grows in it, and who calls that."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from rmtoolkit import text
from rmtoolkit._html import folded, table, wide
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.heap._names import plain_name, spoken
from rmtoolkit.views import heap_icicle
from rmtoolkit.views.markup import Markup, el

if TYPE_CHECKING:
    from rmtoolkit.analysis.heap_answers import HeapAnswer

#: So many functions are listed.
_SHOWN: Final = 8
_KEYS: Final = "Point at a function, or go to one with the arrows. Enter zooms, Escape shows the whole."


def heap_part(answer: HeapAnswer | None, function: str = "") -> Markup:
    """Show what a heap profile answers."""
    if answer is None and function:
        msg = f"There is no heap profile to show {text.printable(function)!r} in. Load one with heap=."
        raise RmtoolkitError(msg)
    if answer is None:
        example = 'For example: rm.Triage(recording, heap=rm.read_heap("service.heaptrack.zst"))'
        return folded("Heap profile", "none loaded; pass heap= to name the call sites", el("p", example, class_="note"))
    return _drawn(_Same(answer), function)


class _Same:
    """An answer, equal to itself alone: drawing one takes long, and it never changes."""

    def __init__(self, answer: HeapAnswer) -> None:
        self.answer = answer

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.answer is self.answer

    def __hash__(self) -> int:
        return id(self.answer)


@lru_cache(32)
def _drawn(same: _Same, function: str) -> Markup:
    answer = same.answer
    rows = [
        (
            el("code", text.printable(spoken(plain_name(row["function"])))),
            text.printable(row["reading"]),
            _amount(row["growth_bytes"]),
            _amount(row["held_bytes"]),
            text.printable(row["evidence"]),
        )
        for row in answer.suspects.head(_SHOWN).iter_rows(named=True)
    ]
    heads = (
        ("Function of your own code", "code"),
        ("Reading", "word"),
        ("Growth", "n"),
        ("Held", "n"),
        ("Evidence", "wrap"),
    )
    picture = heap_icicle.icicle(answer.heap, root=function or None, suspects=answer.suspects, pressable=True)
    return folded(
        "Heap profile",
        text.printable(answer.headline),
        wide("Suspects", table(heads, rows))
        if rows
        else el("p", "No function of your own code holds memory.", class_="note"),
        el("h2", "Who calls it", el("span", "width is memory, the program's start on top", class_="note")),
        _whole(function) if function else None,
        el("div", el("div", picture.svg, class_="wide"), el("p", _KEYS, class_="note said"), class_="rm-tree"),
        heap_icicle.legend(compared=False),
        el("p", f"Not seen: {text.printable('; '.join(answer.unseen))}.", class_="note") if answer.unseen else None,
    )


def _whole(function: str) -> Markup:
    """Say what fills the width, and offer the way back."""
    said = el("span", el("code", text.printable(function)), " fills the width, from wherever it is called.")
    back = el("button", "Show the whole", type="button", class_="rm-button", data_rm_send="zoom ")
    return el("div", said, back, class_="rm-zoomed")


def _amount(value: int | None) -> str:
    return text.NOT_APPLICABLE if value is None else text.small_memory(value)
