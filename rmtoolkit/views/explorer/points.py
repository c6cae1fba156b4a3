"""The ground of a chart over limits, and the limits that have a name: in force, ours, and what others would set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from rmtoolkit.views import _plot_svg
from rmtoolkit.views._plot import Box, Grows, Plot, Scale, limit_ticks

if TYPE_CHECKING:
    from rmtoolkit.limits.explore import Scene
    from rmtoolkit.views.markup import Markup

WIDTH: Final = 372
HEIGHT: Final = 236
_LEFT, _RIGHT, _TOP, _BASE = 44, WIDTH - 10, 14, HEIGHT - 30
#: px between two marks at the least, and of the unit behind the last number.
_APART: Final = 44
_UNIT: Final = 22


class Named(NamedTuple):
    """A limit with a name."""

    name: str
    limit_bytes: int
    look: str


def named(scene: Scene) -> list[Named]:
    """List the limits that have a name and are known; what grows has none of ours."""
    need = scene.found.need
    rows = (
        ("now", need.limit_bytes, "other"),
        ("ours", scene.ours_bytes, "ours"),
        ("VPA", need.vpa_target_bytes, "other"),
        ("KRR", need.krr_limit_bytes, "other"),
    )
    return [Named(name, limit, look) for name, limit, look in rows if limit]


def limit_plot(scene: Scene, top: float, grows: Grows = Grows.EVENLY) -> Plot:
    """Make a plot whose x is the limit, with its axis, and whose y ends at `top`."""
    across = Scale(scene.low, scene.high, _LEFT, _RIGHT, Grows.AS_LOG if scene.wide else Grows.EVENLY)
    plot = Plot(across, Scale(0, top, _BASE, _TOP, grows), Box(_LEFT, 0, WIDTH, _BASE))
    ticks = limit_ticks(scene.low, scene.high, _RIGHT - _LEFT, _APART, doubled=scene.wide)
    plot.bottom_axis(ticks, right=WIDTH - _UNIT, unit="Mi")
    return plot


def picture(plot: Plot, says: str, instead: str = "") -> Markup:
    """Draw the plot, with a sentence `instead` of a curve where there is none."""
    if instead:
        plot.write((_LEFT + _RIGHT) / 2, 110, "middle", instead)
    return _plot_svg.picture(WIDTH, HEIGHT, plot, says=says)
