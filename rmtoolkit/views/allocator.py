"""What an allocator has in memory, layer by layer: by arena, and by size of block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rmtoolkit import text
from rmtoolkit.views._plot import PX, Bar, Box, Plot, Scale, memory_ticks, text_width
from rmtoolkit.views._plot_svg import note, picture
from rmtoolkit.views.charts import Picture

if TYPE_CHECKING:
    from rmtoolkit.analysis.heap_answers import AllocatorAnswer


WIDTH: Final = 1080
_LEFT, _RIGHT = 150, WIDTH - 20
_ARENAS: Final = 8
_SIZES: Final = 10
#: px right of the bars of sizes, for words.
_WORDS: Final = 300
#: Layers from used to given back on demand, and what they are called.
LAYERS: Final = {
    "live": "live heap",
    "slack": "gaps between live blocks",
    "kept": "kept pages",
    "whole": "metadata",
    "outside": "outside the allocator",
}
#: A size with less than this share of the largest gaps is not drawn.
_WORTH: Final = 0.02


def allocator_layers(found: AllocatorAnswer) -> Picture:
    """Draw what is resident: live, in gaps, kept, metadata, outside; the process first, then each arena."""
    totals = found.allocator.totals
    if not totals.height:
        return Picture(note(WIDTH, 40, found.headline.removesuffix(".")), found.headline)
    whole = _layers(totals.row(-1, named=True)) | ({"outside": found.outside_bytes} if found.outside_bytes else {})
    several = found.arenas.height > 1
    arenas = list(found.arenas.head(_ARENAS).iter_rows(named=True)) if several else []
    top = max(sum(layers.values()) for layers in [whole, *map(_layers, arenas)])
    plot = _plot(top, _RIGHT)
    plot.write(0, 46, "start", "whole process", "strong")
    _bar(plot, whole, 24, 34)
    _key(plot, whole, 84)
    y = 98
    if arenas:
        plot.write(0, 118, "start", "arenas", "strong")
        y = 128
    for row in arenas:
        threads = "" if row["threads"] is None else f", {text.count(row['threads'], 'thread')}"
        plot.write(0, y + 13, "start", f"{text.printable(row['arena'])}{threads}")
        _bar(plot, _layers(row), y, 18)
        y += 24
    hidden = found.arenas.height - _ARENAS if several else 0
    if hidden > 0:
        plot.write(_LEFT, y + 12, "start", f"and {text.count(hidden, 'arena')} more with less", "note")
        y += 20
    floor = Plot(plot.x, Scale(0, 1, y + 4, y + 3), Box(0, 0, WIDTH, y + 32))
    floor.bottom_axis(memory_ticks(top), "note", marks=False)
    parts = ", ".join(f"{LAYERS[kind]} {text.memory(amount)}" for kind, amount in whole.items())
    return _picture(y + 32, f"{found.headline} Layers: {parts}.", plot, floor)


def allocator_sizes(found: AllocatorAnswer) -> Picture:
    """Draw which sizes of blocks have the gaps: what is live on their pages, and what is free."""
    rows = [row for row in found.sizes.head(_SIZES).iter_rows(named=True) if row["fragmentation_bytes"]]
    rows = [row for row in rows if row["fragmentation_bytes"] >= _WORTH * rows[0]["fragmentation_bytes"]]
    if not rows:
        says = "No size of block has gaps" if found.sizes.height else "These statistics list no sizes of blocks"
        return Picture(note(WIDTH, 40, says), says)
    plot = _plot(max(row["active_bytes"] or 0 for row in rows), _RIGHT - _WORDS)
    for at, row in enumerate(rows):
        y = 6 + 24 * at
        plot.write(0, y + 13, "start", f"blocks of {text.block_size(row['size_bytes'])}")
        end = _bar(plot, {"live": row["live_bytes"] or 0, "slack": row["fragmentation_bytes"]}, y, 18)
        used = "" if row["used"] is None else f", {text.share(row['used'])} used"
        shown = f"{text.memory(row['fragmentation_bytes'])} in gaps, {text.memory(row['live_bytes'])} live{used}"
        plot.write(plot.x.at(end) + 8, y + 13, "start", shown, "" if at else "plain")
    first = rows[0]
    says = (
        f"Blocks of {text.block_size(first['size_bytes'])} have most of the gaps: "
        f"{text.memory(first['fragmentation_bytes'])} of {text.memory(first['active_bytes'])} on their pages"
    )
    return _picture(12 + 24 * len(rows), says, plot)


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


def _plot(top: int, right: float) -> Plot:
    return Plot(Scale(0, max(top, 1), _LEFT, right), PX, Box(0, 0, WIDTH, 0))


def _bar(plot: Plot, layers: dict[str, int], y: float, height: float) -> int:
    """Draw layers one behind the other, and give where they end."""
    end = 0
    for kind, amount in layers.items():
        least = plot.x.back(plot.x.at(end) + 0.5)
        says = f"{LAYERS[kind]}: {text.memory(amount)}"
        plot.add(Bar(kind, end, max(end + amount, least), y, y + height, says))
        end += amount
    return end


def _key(plot: Plot, layers: dict[str, int], y: float) -> None:
    """Name the layers under the bar, with what they hold."""
    x = float(_LEFT)
    for kind, amount in layers.items():
        shown = f"{LAYERS[kind]} {text.memory(amount)}"
        plot.write(x, y, "start", shown, "plain" if kind in ("live", "kept") else "", swatch=kind)
        x += 16 + text_width(shown) + 22


def _picture(height: float, says: str, *plots: Plot) -> Picture:
    style = "max-width:100%;height:auto;display:block"
    return Picture(picture(WIDTH, height, *plots, says=says, also="rm-heap-bars", style=style), says)
