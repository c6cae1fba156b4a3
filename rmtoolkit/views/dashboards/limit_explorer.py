"""Play with one workload's limit: kills, chances and costs follow at once."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

import ipywidgets
import numpy as np
import polars as pl
import traitlets

from rmtoolkit import text
from rmtoolkit._parallel import as_source
from rmtoolkit.analysis.judge import Judgement
from rmtoolkit.analysis.records import WORKLOAD
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.lake import Lake
from rmtoolkit.limits import explore as scenario
from rmtoolkit.limits.explore import Chosen, Scene, choose, scene
from rmtoolkit.limits.history import as_need
from rmtoolkit.limits.recommend import Prices, advise, gather, of_gathered
from rmtoolkit.limits.risk import as_margins
from rmtoolkit.limits.what_if import Past, of_workload
from rmtoolkit.views import summary
from rmtoolkit.views.dashboards import controls
from rmtoolkit.views.dashboards.board import Board
from rmtoolkit.views.dashboards.page import Page
from rmtoolkit.views.dashboards.wiring import Wiring
from rmtoolkit.views.explorer.board import board
from rmtoolkit.views.explorer.points import named
from rmtoolkit.views.explorer.replayed import Ground, ground
from rmtoolkit.views.markup import Markup, el
from rmtoolkit.views.notebook_style import EXPLORER

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator

    from rmtoolkit._parallel import Source
    from rmtoolkit.limits.history import Need
    from rmtoolkit.limits.risk import Margins

MI: Final = text.MI
#: Pasts that are kept laid out: going back to a workload is then quicker.
_KEPT: Final = 8


class LimitExplorer(Board):
    """Sliders over limit, startup, threads, traffic and prices, and what they change.

    Parameters
    ----------
    recording
        A recording, a frame that can become one, a lake, or a `Judgement`. That of a large file or a lake has only the
        samples that charts show: then give the recording or the lake, and the judgement as well.
    workload
        Which one to show first; None: the one most at risk. A part of its name is enough.
    judgement
        What `judge` found in the recording; None: it is judged.
    oom_probability, margins
        As in `rmtoolkit.recommend_limits`.
    price_per_gib_hour, price_per_incident
        What a GiB of reserved memory costs an hour, and what a week with OOM kills costs.
    currency
        Of both.

    Attributes
    ----------
    workload
        Name of the workload that is shown.
    limit_bytes
        The limit that is tried.
    startup_bytes
        Height of the highest startup over its settled level; None where no startup was recorded.
    spread_seconds
        Over how much more time startups are spread, as delayed initialisation of caches does.
    threads
        How many; None where they were not recorded.
    traffic
        1 as it was.
    price_per_gib_hour, price_per_incident
        Prices.
    reserve_limit
        Whether the whole limit is requested, or only what is used nearly always.

    Raises
    ------
    RmtoolkitError
        There is no memory sample, or no such workload.

    Notes
    -----
    Setting a trait in Python does what moving a slider does. All numbers come from functions that need no widget:
    `rmtoolkit.what_if`, `rmtoolkit.replay`, `rmtoolkit.limit_risk` and `rmtoolkit.recommend_limits`, in a quicker form
    for one workload (`rmtoolkit.limits.explore`).

    Examples
    --------
    >>> import polars as pl
    >>> table = pl.DataFrame({"time": range(0, 864_000, 600), "workload": "api", "rss_bytes": 100 * 2**20})
    >>> explorer = LimitExplorer(table)
    >>> explorer.limit_bytes = 90 * 2**20
    >>> explorer.chosen.kills.height
    1
    >>> explorer.close()
    """

    workload = traitlets.Unicode()
    limit_bytes = traitlets.Int(MI, min=1)
    startup_bytes = traitlets.Float(None, allow_none=True, min=0.0)
    spread_seconds = traitlets.Float(0.0, min=0.0)
    threads = traitlets.Int(None, allow_none=True, min=0)
    traffic = traitlets.Float(1.0, min=0.0)
    price_per_gib_hour = traitlets.Float(0.005, min=0.0)
    price_per_incident = traitlets.Float(40.0, min=0.0)
    reserve_limit = traitlets.Bool(default_value=True)

    def __init__(
        self,
        recording: Source | Judgement,
        workload: str | None = None,
        *,
        judgement: Judgement | None = None,
        oom_probability: float = 0.05,
        margins: Margins | str | os.PathLike[str] | None = None,
        price_per_gib_hour: float = 0.005,
        price_per_incident: float = 40.0,
        currency: str = "USD",
    ) -> None:
        if isinstance(recording, Judgement):
            judgement, recording = recording, recording.recording
        self._source = as_source(recording)
        self._margins = as_margins(margins)
        self._target = oom_probability
        self._currency = currency
        known = gather(self._source, None if judgement is None else judgement.verdicts)
        known = known.filter(known["peak_bytes"].is_not_null())
        if not known.height:
            msg = "There is no memory sample to explore a limit with."
            raise RmtoolkitError(msg)
        advice = of_gathered(known, oom_probability, self._margins).to_dicts()
        order = sorted(range(known.height), key=lambda at: _urgency(advice[at]))
        rows = [known.row(at, named=True) for at in order]
        self._names = summary.names(rows)
        self._needs = {name: as_need(row) for name, row in zip(self._names, rows, strict=True)}
        containers = self._source.containers() if isinstance(self._source, Lake) else self._source.containers
        kinds = containers.drop_nulls("workload_kind")
        self._kinds = {row[:3]: row[3] for row in kinds.select(*WORKLOAD[:3], "workload_kind").iter_rows()}
        self._pasts: OrderedDict[str, Past] = OrderedDict()
        self._quiet = 0
        self._scene: Scene | None = None
        self._ours: Chosen | None = None
        self._ground: Ground | None = None
        first = self._find(workload) if workload is not None else self._names[0]
        self.price_per_gib_hour, self.price_per_incident = price_per_gib_hour, price_per_incident
        super().__init__()
        self._wiring = Wiring()
        self._build()
        self.children = self._parts()
        self.add_class("rm").add_class("rm-dashboard")
        with self._together():
            self.workload = first
            self._start()
        self._connect()
        self._redo()

    def _find(self, typed: str) -> str:
        found = controls.match(typed, self._names)
        if found is None:
            msg = f"No workload is called {text.printable(typed)!r}. There are {len(self._names):,}, such as "
            msg += f"{', '.join(self._names[:3])}."
            raise RmtoolkitError(msg)
        return found

    # --- what is shown -----------------------------------------------------------------------------------------------

    @property
    def scene(self) -> Scene:
        """Everything about the workload that does not depend on the limit."""
        assert self._scene is not None  # noqa: S101 - set before anybody can ask
        return self._scene

    @property
    def chosen(self) -> Chosen:
        """Everything about the limit that is tried."""
        return choose(self.scene, self.limit_bytes)

    def _build(self) -> None:
        """Make controls and places for pictures."""
        self._page = Page(css=EXPLORER)
        self._search = controls.search("Workload (type to search, worst first)", self._names, self._names[0])
        self._about = controls.html("", "rm-aside")
        self._limit = controls.slider("Limit", 1, 1, 2, step=1, unit="Mi")
        self._limit.box.add_class("rm-limit")
        self._tick = controls.html("", "rm-tick-row")
        self._presets = controls.choice("Set the limit to", [("now", 0)], 0)
        self._startup = controls.slider("Startup spike", 0, 0, 1, step=1, unit="Mi")
        self._spread = controls.slider("Spread startup over more time", 0, 0, 1800, step=10, unit="s")
        self._threads = controls.slider("Threads", 0, 0, 1, step=1)
        self._traffic = controls.slider("Traffic", 1, 0, 4, step=0.1, unit="×")
        currency = text.printable(self._currency)
        self._price = controls.slider("Memory, per GiB-hour", 0.005, 0, 0.05, step=0.0005, unit=currency)
        self._incident = controls.slider("One week with OOM kills", 40, 0, 1000, step=5, unit=currency)
        self._whole = controls.choice("Requested", [("the limit", True), ("what is used", False)], value=True)
        self._reset = controls.button("Reset to measured")
        self._words = controls.html("", "rm-status")
        self._charts = controls.html("", "rm-charts")

    def _parts(self) -> list[ipywidgets.Widget]:
        side = ipywidgets.VBox(
            [
                controls.html(el("h2", "What if")),
                ipywidgets.VBox([self._limit.box, self._tick]),
                self._presets,
                self._startup.box,
                self._spread.box,
                self._threads.box,
                self._traffic.box,
                controls.html(el("h2", "Prices")),
                self._price.box,
                self._incident.box,
                self._whole,
                self._reset,
            ]
        )
        side.add_class("rm-side")
        shown = ipywidgets.VBox([self._words, self._charts])
        both = ipywidgets.Box([side, shown])
        both.add_class("rm-explorer")
        return [self._page, self._wiring.alert, controls.controls(self._search, self._about), both]

    def _connect(self) -> None:
        """Connect controls with traits, and traits with pictures."""
        watch = self._wiring.watch
        watch(self._search, "value", self._searched)
        watch(self, "workload", lambda _: self._switched())
        for control, name, factor in self._pairs():
            watch(control.slider, "value", self._mover(name, factor))
            watch(self, name, lambda _: self._followed())
        watch(self._presets, "value", self._preset)
        watch(self._whole, "value", lambda change: self.set_trait("reserve_limit", change.new))
        watch(self, "reserve_limit", lambda _: self._followed())
        watch(self, "limit_bytes", lambda _: self._limit_changed())
        watch(self._limit.slider, "value", lambda change: self._moved("limit_bytes", change.new * MI))
        self._wiring.press(self._reset, self.reset)

    def _mover(self, name: str, factor: float) -> Callable[[Any], None]:
        return lambda change: self._moved(name, change.new * factor)

    def _pairs(self) -> list[tuple[controls.Slider, str, float]]:
        """List the sliders that change everything but the limit: trait, and how many of its units are in theirs."""
        return [
            (self._startup, "startup_bytes", MI),
            (self._spread, "spread_seconds", 1),
            (self._threads, "threads", 1),
            (self._traffic, "traffic", 1),
            (self._price, "price_per_gib_hour", 1),
            (self._incident, "price_per_incident", 1),
        ]

    @contextlib.contextmanager
    def _together(self) -> Iterator[None]:
        """Draw nothing until all is set."""
        self._quiet += 1
        try:
            yield
        finally:
            self._quiet -= 1

    # --- what happens ------------------------------------------------------------------------------------------------

    def _searched(self, change: Any) -> None:  # noqa: ANN401 - a traitlets change
        if not self._quiet and change.new:
            self.workload = self._find(change.new)

    def _moved(self, name: str, value: float) -> None:
        """Follow a slider."""
        if self._quiet:
            return
        whole = name in ("limit_bytes", "threads")
        # A slider knows whole Mi only: where it stands for a limit of other bytes, those stay.
        if name == "limit_bytes" and abs(value - self.limit_bytes) < MI / 2:
            return
        self.set_trait(name, round(value) if whole else value)

    def _followed(self) -> None:
        if not self._quiet:
            self._redo()

    def _preset(self, change: Any) -> None:  # noqa: ANN401 - a traitlets change
        if not self._quiet and change.new is not None:
            self.limit_bytes = change.new

    def _switched(self) -> None:
        if self._quiet:
            return
        if self.workload not in self._needs:
            self.workload = self._find(self.workload)
            return
        with self._together():
            self._start()
        self._redo()

    def reset(self) -> None:
        """Put everything back to what was measured, and the limit to the one in force.

        Examples
        --------
        >>> import polars as pl
        >>> table = pl.DataFrame({"time": range(0, 864_000, 600), "workload": "api", "rss_bytes": 100 * 2**20})
        >>> explorer = LimitExplorer(table)
        >>> explorer.traffic = 3
        >>> explorer.reset()
        >>> explorer.traffic
        1.0
        """
        with self._together():
            self._start()
        self._redo()

    def _start(self) -> None:
        """Take what was measured of a workload."""
        need, past = self._needs[self.workload], self._past()
        spike = scenario.measured_spike(past)
        self.startup_bytes = spike
        self.spread_seconds, self.traffic = 0.0, 1.0
        self.threads = None if past.threads is None else round(float(np.nanmedian(past.threads)))
        self.reserve_limit = need.whole
        ours = advise(need, self._target, self._margins)
        self.limit_bytes = (
            need.limit_bytes or ours.recommended_limit_bytes or ours.raise_to_bytes or max(need.peak_bytes or 0, 1)
        )
        top = self.threads or 0
        self._set(
            self._startup,
            0.0 if spike is None else spike / MI,
            0,
            max(2 * (spike or 0) / MI, 1),
            known=spike is not None,
        )
        self._set(self._spread, 0, 0, 1800, known=spike is not None)
        self._set(self._threads, top, 0, max(4 * top, 8), known=past.threads is not None)
        self._set(self._traffic, 1, 0, 4)
        self._set(self._price, self.price_per_gib_hour, 0, max(10 * self.price_per_gib_hour, 0.01))
        self._set(self._incident, self.price_per_incident, 0, max(10 * self.price_per_incident, 100))

    @staticmethod
    def _set(control: controls.Slider, value: float, low: float, high: float, *, known: bool = True) -> None:
        control.set(value, low=low, high=high)
        for part in (control.slider, control.number):
            part.disabled = not known
        label = control.number.description.rsplit(", ", 1)[0]
        control.box.children[0].value = el("span", label if known else f"{label}: not recorded")
        # A box that cannot say what is not known says nothing.
        (control.box.remove_class if known else control.box.add_class)("rm-unknown")

    def _past(self) -> Past:
        if self.workload not in self._pasts:
            need, mine = self._needs[self.workload], self._source
            if isinstance(mine, Lake):
                wanted = zip(WORKLOAD, need.names, strict=True)
                mine = mine.recording(*(pl.col(column).eq_missing(pl.lit(name, pl.String)) for column, name in wanted))
            self._pasts[self.workload] = of_workload(mine, need.names)
            while len(self._pasts) > _KEPT:
                self._pasts.popitem(last=False)
        self._pasts.move_to_end(self.workload)
        return self._pasts[self.workload]

    def _change(self) -> scenario.Change:
        """Read the traits; what is as measured is no change."""
        past = self._past()
        spike = scenario.measured_spike(past)
        scale = 1.0
        if spike is not None and self.startup_bytes is not None and abs(self.startup_bytes - spike) >= MI / 2:
            scale = self.startup_bytes / spike
        measured = None if past.threads is None else round(float(np.nanmedian(past.threads)))
        threads = None if self.threads == measured else self.threads
        return scenario.Change(scale, self.spread_seconds, threads, self.traffic)

    def _redo(self) -> None:
        """Work everything out and draw it."""
        need = self._needs[self.workload]
        prices = Prices(self.price_per_gib_hour, self.price_per_incident)
        whole = None if self.reserve_limit == need.whole else self.reserve_limit
        self._scene = scene(self._past(), need, self._change(), self._margins, self._target, prices, whole=whole)
        ours = self._scene.ours_bytes
        self._ours = None if ours is None else choose(self._scene, ours)
        self._ground = ground(self._scene)
        with self._together():
            self._follow_traits()
            self._follow_scene()
        self._draw()

    def _follow_traits(self) -> None:
        """Move the controls to where the traits are."""
        self._search.value = self.workload
        for control, name, factor in self._pairs():
            value = getattr(self, name)
            if value is not None and abs(control.slider.value - value / factor) > 1e-9:  # noqa: PLR2004 - rounding
                wanted = value / factor
                control.set(wanted, low=min(control.slider.min, wanted), high=max(control.slider.max, wanted))
        self._whole.value = self.reserve_limit

    def _follow_scene(self) -> None:
        """Give the limit its range, its tick and its presets, and say what all this rests on."""
        found = self.scene
        low, high = found.low / MI, found.high / MI
        limit = self.limit_bytes / MI
        low, high = min(low, limit), max(high, limit)
        step = 1.0 if high - low >= _FINE else (high - low) / _FINE
        for part in (self._limit.slider, self._limit.number):
            part.step = step
        self._limit.set(limit, low=low, high=high)
        ours = found.ours_bytes
        place = None if ours is None else 100 * (ours / MI - low) / max(high - low, 1e-9)
        self._tick.value = "" if place is None else _tick(place)
        points = named(found)
        self._presets.options = [(_button(point.name, point.limit_bytes), point.limit_bytes) for point in points]
        self._press()
        self._about.value = _about(found, self._needs[self.workload])

    def _press(self) -> None:
        """Show which preset the limit is, if it is one."""
        values = [value for _, value in self._presets.options]
        self._presets.value = self.limit_bytes if self.limit_bytes in values else None

    def _limit_changed(self) -> None:
        if self._quiet:
            return
        with self._together():
            limit = self.limit_bytes / MI
            slider = self._limit.slider
            if not slider.min <= limit <= slider.max:
                self._limit.set(limit, low=min(slider.min, limit), high=max(slider.max, limit))
            elif abs(slider.value - limit) > 1e-9:  # noqa: PLR2004 - rounding
                self._limit.number.value = limit
            self._press()
        self._draw()

    def _draw(self) -> None:
        need = self._needs[self.workload]
        words, charts = board(
            self.scene,
            self.limit_bytes,
            self._ground,
            name=self.workload,
            kind=self._kinds.get(need.names[:3]),
            currency=self._currency,
            ours=self._ours,
        )
        self._words.value = words
        self._charts.value = charts


#: Steps that a slider has at the least.
_FINE: Final = 64


def _urgency(row: dict[str, Any]) -> tuple[bool, float, str]:
    """Put what grows first, then go by the chance of an OOM kill."""
    return not row["growing"], -(row["oom_probability_now"] or 0.0), str(row["workload"])


def _button(name: str, limit: int) -> str:
    return f"{name} {text.memory(limit).removesuffix(' Mi')}"


def _tick(place: float) -> Markup:
    """Mark our limit on the slider; the rule reaches one slider only, since each dashboard has a page of its own."""
    return el("span", "", class_="rm-tick", style=f"--at:{place:.2f}%")


def _about(found: Scene, need: Need) -> Markup:
    pods = text.count(need.pods, "pod")
    lives = text.count(found.past.begins.size, "life", "lives")
    pairs = (
        f"{found.ours.pairs:,} pairs of weeks behind the curve"
        if found.ours.pairs
        else "no pairs of weeks behind the curve"
    )
    limit = "no limit is set" if need.limit_bytes is None and need.limit_known else None
    said = [pods, lives, pairs, *([limit] if limit else [])]
    return el("p", ", ".join(said), el("br"), "intervals are 80 %, all times UTC")
