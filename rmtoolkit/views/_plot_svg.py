"""Marks as SVG text: colours come from the page's theme."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import numpy as np

from rmtoolkit._html import Markup, el, join
from rmtoolkit.views._plot import LOOKS, PX, TYPES, Area, Bar, Box, Floats, Look, Mark, Plot, Point, Rule, Shape, Text

_SWATCH: Final = 10


def _rule(name: str, look: Look) -> str:
    if look.fades:  # the page's policy forbids styles on elements
        return f".rm-chart .{name}{{stop-color:var(--rm-{look.fill})}}"
    said = {
        "fill": f"var(--rm-{look.fill})" if look.fill else "none",
        "stroke": f"var(--rm-{look.stroke})" if look.stroke else None,
        "stroke-width": f"{look.width:g}" if look.stroke else None,
        "stroke-dasharray": look.dash or None,
        "stroke-linejoin": "round" if look.stroke else None,
        "opacity": f"{look.opacity:g}" if look.opacity < 1 else None,
    }
    return f".rm-chart .{name}{{{';'.join(f'{key}:{value}' for key, value in said.items() if value)}}}"


def _type_rule(name: str) -> str:
    kind = TYPES[name]
    classes = "".join(f".{part}" for part in name.split())
    weight = ";font-weight:600" if kind.bold else ""
    halo = "none" if not kind.halo else f"var(--rm-{kind.halo})"
    return f".rm-chart text{classes}{{fill:var(--rm-{kind.colour});stroke:{halo}{weight}}}"


#: Rules for every mark; selectors stay under one class, so nothing leaks into a notebook.
STYLE: Final = Markup(
    ".rm-chart{font:12px/1.4 var(--rm-family);font-variant-numeric:tabular-nums;overflow:visible}"
    ".rm-chart text{paint-order:stroke;stroke-width:4px;stroke-linejoin:round}"
    + "".join(map(_type_rule, TYPES))
    + "".join(_rule(name, look) for name, look in LOOKS.items())
)


def path(x: Floats, y: Floats) -> str:
    """Write a line through points as short as tenths of a px allow: a move and relative steps."""
    points = np.rint(np.stack([x, y], axis=1) * 10).astype(np.int64)
    steps = np.diff(points, axis=0)
    steps = steps[(steps != 0).any(axis=1)]
    tail = " ".join(map(_tenths, steps.ravel().tolist())).replace(" -", "-")
    return f"M{_tenths(int(points[0, 0]))} {_tenths(int(points[0, 1]))}" + (f"l{tail}" if tail else "")


@lru_cache(maxsize=1 << 14)
def _tenths(value: int) -> str:
    whole, rest = divmod(abs(value), 10)
    return ("-" if value < 0 else "") + (f"{whole}.{rest}" if rest else str(whole))


def _px(value: float) -> str:
    return _tenths(round(value * 10))


def _area(area: Area, plot: Plot) -> str:
    drawn = []
    for top, below in area.between():
        if len(top[0]) > 1:
            x, y = plot.x.of(top[0]), plot.y.of(top[1])
            edge = path(x, y)
            if below is None:
                drawn.append(f"{edge}V{_px(plot.y.at(0.0))}H{_px(float(x[0]))}Z")
            else:
                drawn.append(f"{edge}L{path(plot.x.of(below[0])[::-1], plot.y.of(below[1])[::-1])[1:]}Z")
    return "".join(drawn)


def _point(point: Point, plot: Plot) -> Markup:
    x, y, size = plot.x.at(point.x), plot.y.at(point.y), point.size
    title, look, whole = el("title", point.says) if point.says else None, point.look, f"{2 * size:g}"
    left, top, half = _px(x - size), _px(y - size), f"{size:g}"
    match point.shape:
        case Shape.CIRCLE:
            return el("circle", title, cx=_px(x), cy=_px(y), r=half, class_=look)
        case Shape.SQUARE:
            return el("rect", title, x=left, y=top, width=whole, height=whole, class_=look)
        case Shape.CROSS:
            return el("path", title, d=f"M{left} {top}l{whole} {whole}m0-{whole}l-{whole} {whole}", class_=look)
        case Shape.DIAMOND:
            return el("path", title, d=f"M{_px(x)} {top}l{half} {half}-{half} {half}-{half}-{half}Z", class_=look)


def write(mark: Mark, plot: Plot, ident: str = "") -> Markup | None:
    if isinstance(mark, Text):
        left, base, anchor = mark.x, _px(mark.y), None if mark.anchor == "start" else mark.anchor
        swatch = None
        if mark.swatch:
            swatch = el("rect", x=_px(left), y=_px(mark.y - 9), width=_SWATCH, height=_SWATCH, class_=mark.swatch)
            left += _SWATCH + 5
        return join(swatch, el("text", mark.written, x=_px(left), y=base, class_=mark.look or None, text_anchor=anchor))
    look = LOOKS[mark.look]
    defined = look.fades or mark.look == "hatch"
    paint = {"fill": f"url(#{ident}-{mark.look})"} if defined else {"class_": mark.look}
    match mark:
        case Point():
            drawn = _point(mark, plot)
        case Rule():
            title = el("title", mark.says) if mark.says else None
            x, x2, y, y2 = (plot.x.at(mark.x), plot.x.at(mark.x2), plot.y.at(mark.y), plot.y.at(mark.y2))
            drawn = el("line", title, x1=_px(x), x2=_px(x2), y1=_px(y), y2=_px(y2), **paint)
            if isinstance(mark, Bar):
                place = {"x": _px(min(x, x2)), "y": _px(min(y, y2))}
                drawn = el("rect", title, **place, width=_px(abs(x2 - x)), height=_px(abs(y2 - y)), **paint)
        case _:
            if isinstance(mark, Area):
                line = _area(mark, plot)
            else:
                line = "".join(path(plot.x.of(x), plot.y.of(y)) for x, y in mark.pieces if len(x))
            if not line:
                return None
            drawn = el("path", d=line, **paint)
    return el("g", drawn, clip_path=f"url(#{ident}-clip)") if look.clips else drawn


def _definitions(plots: Iterable[Plot], ident: str) -> Markup | None:
    found = []
    for plot in plots:
        used = {mark.look for mark in plot.marks if not isinstance(mark, Text)}
        for name in sorted(name for name in used if LOOKS[name].fades):
            stops = [el("stop", offset=at, stop_opacity=share, class_=name) for at, share in ((0, 0.4), (1, 0.1))]
            found.append(el("linearGradient", *stops, id=f"{ident}-{name}"))
        if any(LOOKS[name].clips for name in used):
            left, top = plot.x.first, plot.y.last - 4
            inside = el("rect", x=left, y=top, width=plot.x.last - left, height=plot.y.first - top)
            found.append(el("clipPath", inside, id=f"{ident}-clip"))
        if "hatch" in used:
            line = el("line", x1=0, y1=0, x2=0, y2=6, class_="hatch")
            turned = {"patternUnits": "userSpaceOnUse", "patternTransform": "rotate(45)"}
            found.append(el("pattern", line, id=f"{ident}-hatch", width=5, height=6, **turned))
    return el("defs", *found) if found else None


def picture(
    width: float,
    height: float,
    *plots: Plot,
    says: str = "",
    also: str = "",
    ident: str = "",
    before: Iterable[Markup] = (),
    sized: bool = True,
    style: str | None = "max-width:100%",
    **attributes: object,
) -> Markup:
    """Draw plots in one picture, after what stands `before`; `says` gives the figures to those who cannot see it."""
    marks = [write(mark, plot, ident) for plot in plots for mark in plot.painted()]
    shown = bool(says) or "aria_labelledby" in attributes
    return el(
        "svg",
        *before,
        _definitions(plots, ident),
        *marks,
        class_=f"rm-chart {also}".strip(),
        width=f"{width:g}" if sized else None,
        height=f"{height:g}" if sized else None,
        viewBox=f"0 0 {width:g} {height:g}",
        style=style if sized else None,
        role="img" if shown else None,
        aria_label=says or None,
        aria_hidden=None if shown else "true",
        **attributes,
    )


def note(width: float, height: float, says: str) -> Markup:
    plot = Plot(PX, PX, Box(0, 0, width, height))
    plot.write(6, 20, "start", f"{says}.")
    return picture(width, height, plot, says=says)
