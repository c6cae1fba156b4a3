"""What an allocator has in memory, layer by layer: by arena, and by size of block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rmtoolkit import text
from rmtoolkit.views.canvas import text_element
from rmtoolkit.views.layout import memory_ticks, text_width
from rmtoolkit.views.limit_charts import Picture
from rmtoolkit.views.markup import Markup, el

if TYPE_CHECKING:
    from rmtoolkit.analysis.heap_answers import AllocatorAnswer

WIDTH: Final = 1080
_LEFT, _RIGHT = 150, WIDTH - 20
_ARENAS: Final = 8
_SIZES: Final = 10
#: Layers from used to given back on demand, and what they are called.
_KI: Final = 1024
LAYERS: Final = {
    "live": "live heap",
    "slack": "gaps between live blocks",
    "kept": "kept pages",
    "whole": "metadata",
    "outside": "outside the allocator",
}
#: A size with less than this share of the largest gaps is not drawn.
_WORTH: Final = 0.02
STYLE: Final = Markup(".rm-heap-bars rect{stroke:var(--rm-surface);stroke-width:.75}")


def allocator_layers(found: AllocatorAnswer) -> Picture:
    """Draw what is resident: live, in gaps, kept, metadata, outside; the process first, then each arena."""
    totals = found.allocator.totals
    if not totals.height:
        return Picture(_frame([text_element(6, 20, found.headline, "")], 40, found.headline), found.headline)
    whole = _layers(totals.row(-1, named=True)) | ({"outside": found.outside_bytes} if found.outside_bytes else {})
    several = found.arenas.height > 1
    rows = [_layers(row) for row in found.arenas.head(_ARENAS).iter_rows(named=True)] if several else []
    top = max(sum(layers.values()) for layers in [whole, *rows])
    drawn: list[Markup] = [text_element(0, 46, "whole process", "strong"), *_bar(whole, top, 24, 34)]
    drawn += _key(whole, 84)
    y = 98
    if rows:
        y = 118
        drawn.append(text_element(0, y, "arenas", "strong"))
        y += 10
    for layers, row in zip(rows, found.arenas.head(_ARENAS).iter_rows(named=True), strict=False):
        threads = "" if row["threads"] is None else f", {text.count(row['threads'], 'thread')}"
        drawn += [text_element(0, y + 13, f"{text.printable(row['arena'])}{threads}", ""), *_bar(layers, top, y, 18)]
        y += 24
    hidden = found.arenas.height - _ARENAS if several else 0
    if hidden > 0:
        drawn.append(text_element(_LEFT, y + 12, f"and {text.count(hidden, 'arena')} more with less", "note"))
        y += 20
    drawn += _axis(top, y + 4)
    parts = ", ".join(f"{LAYERS[kind]} {text.memory(amount)}" for kind, amount in whole.items())
    says = f"{found.headline} Layers: {parts}."
    return Picture(_frame(drawn, y + 32, says), says)


def allocator_sizes(found: AllocatorAnswer) -> Picture:
    """Draw which sizes of blocks have the gaps."""
    rows = [row for row in found.sizes.head(_SIZES).iter_rows(named=True) if row["fragmentation_bytes"]]
    rows = [row for row in rows if row["fragmentation_bytes"] >= _WORTH * rows[0]["fragmentation_bytes"]]
    if not rows:
        says = "No size of block has gaps" if found.sizes.height else "These statistics list no sizes of blocks"
        return Picture(_frame([text_element(6, 20, f"{says}.", "")], 40, says), says)
    room = 300
    top = max(row["active_bytes"] or 0 for row in rows)
    drawn: list[Markup] = []
    for at, row in enumerate(rows):
        y = 6 + 24 * at
        layers = {"live": row["live_bytes"] or 0, "slack": row["fragmentation_bytes"]}
        drawn.append(text_element(0, y + 13, f"blocks of {size(row['size_bytes'])}", ""))
        drawn += _bar(layers, top, y, 18, right=_RIGHT - room)
        used = "" if row["used"] is None else f", {text.share(row['used'])} used"
        shown = f"{text.memory(row['fragmentation_bytes'])} in gaps, {text.memory(row['live_bytes'])} live{used}"
        x = _LEFT + (_RIGHT - room - _LEFT) * sum(layers.values()) / top
        drawn.append(text_element(x + 8, y + 13, shown, "plain" if not at else ""))
    first = rows[0]
    says = (
        f"Blocks of {size(first['size_bytes'])} have most of the gaps: "
        f"{text.memory(first['fragmentation_bytes'])} of {text.memory(first['active_bytes'])} on their pages"
    )
    return Picture(_frame(drawn, 12 + 24 * len(rows), says), says)


def size(size_bytes: int) -> str:
    """Write the size of a block: exactly, as allocators have them."""
    for unit, name in ((text.MI, "Mi"), (_KI, "Ki")):
        if size_bytes >= 2 * unit and not size_bytes % unit:
            return f"{size_bytes // unit:,} {name}"
    return f"{size_bytes:,} bytes"


def _layers(row: dict[str, Any]) -> dict[str, int]:
    """Take apart what is resident; what is unknown is left out."""
    dirty = row["purgeable_bytes"] if row.get("dirty_bytes") is None else row["dirty_bytes"]
    known = {
        "live": row["allocated_bytes"],
        "slack": row["fragmentation_bytes"],
        "kept": dirty,
        "whole": row["metadata_bytes"],
    }
    return {kind: amount for kind, amount in known.items() if amount}


def _bar(layers: dict[str, int], top: int, y: float, height: float, *, right: float = _RIGHT) -> list[Markup]:
    drawn, x = [], float(_LEFT)
    for kind, amount in layers.items():
        width = amount / max(top, 1) * (right - _LEFT)
        title = el("title", f"{LAYERS[kind]}: {text.memory(amount)}")
        drawn.append(el("rect", title, x=f"{x:.1f}", y=y, width=f"{max(width, 0.5):.1f}", height=height, class_=kind))
        x += width
    return drawn


def _key(layers: dict[str, int], y: float) -> list[Markup]:
    """Name the layers under the bar, with what they hold."""
    drawn, x = [], float(_LEFT)
    for kind, amount in layers.items():
        shown = f"{LAYERS[kind]} {text.memory(amount)}"
        drawn.append(el("rect", x=f"{x:.1f}", y=y - 9, width=10, height=10, class_=kind))
        drawn.append(text_element(x + 16, y, shown, "plain" if kind in ("live", "kept") else ""))
        x += 16 + text_width(shown) + 22
    return drawn


def _axis(top: int, y: float) -> list[Markup]:
    values, labels = memory_ticks(top)
    drawn = [el("line", x1=_LEFT, x2=_RIGHT, y1=y, y2=y, class_="axis")]
    for value, label in zip(values, labels, strict=True):
        x = _LEFT + value / max(top, 1) * (_RIGHT - _LEFT)
        drawn.append(text_element(x, y + 18, label, "note", "middle" if value else "start"))
    return drawn


def _frame(drawn: list[Markup], height: float, says: str) -> Markup:
    return el(
        "svg",
        el("style", STYLE),
        *drawn,
        class_="rm-chart rm-heap-bars",
        width=WIDTH,
        height=f"{height:g}",
        viewBox=f"0 0 {WIDTH} {height:g}",
        role="img",
        aria_label=says,
        style="max-width:100%;height:auto;display:block",
    )
