"""`rm.LimitExplorer`: what would another limit, startup or load do?"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final

import ipywidgets
import polars as pl
import traitlets

from rmtoolkit import text
from rmtoolkit._html import Markup, el, headed, join, wide
from rmtoolkit._parallel import as_source
from rmtoolkit.assessment import Assessment, assess, tried_first
from rmtoolkit.exceptions import RmtoolkitError, door
from rmtoolkit.limits.history import Need, as_need
from rmtoolkit.limits.patches import Resources, documents, fragment, obstacle
from rmtoolkit.limits.recommend import OF_LIMITS
from rmtoolkit.limits.risk import USUAL, Margins
from rmtoolkit.limits.what_if import (
    Change,
    Chosen,
    Past,
    Scene,
    choose,
    measured_spike,
    measured_threads,
    of_workload,
    scene,
)
from rmtoolkit.recording import Recording
from rmtoolkit.schema import WORKLOAD, Action
from rmtoolkit.views import _tables, plots
from rmtoolkit.views.dashboards import _base, limit_charts
from rmtoolkit.views.style import EXPLORER

if TYPE_CHECKING:
    import os

    from rmtoolkit._parallel import Source


def answer(scene: Scene, chosen: Chosen, name: str, ours: Chosen | None, currency: str) -> Markup:
    stays = scene.ours.action not in (*OF_LIMITS, Action.NONE) and (chosen.chance or 0.0) > scene.target
    words = {"now": "the limit now", "ours": "" if stays else "our recommendation"}
    same = [point.name for point in limit_charts.named(scene) if point.limit_bytes == chosen.limit_bytes]
    said = " and ".join(filter(None, (words.get(name, f"what {name} would set") for name in same)))
    said += f", which stays: {text.ACTIONS[scene.ours.action].lower()} first" if stays and "ours" in same else ""
    # Numbers and their units stay together.
    headline = el("p", *_headline(scene, chosen, name, ours), class_="headline")
    return join(
        el("p", f"At {text.configured(chosen.limit_bytes)}{f', {said}' if said else ''}", class_="rm-at"),
        Markup(text.whole_amounts(headline)),
        el("p", _because(scene, chosen, ours, currency), class_="reason"),
    )


def _headline(scene: Scene, chosen: Chosen, name: str, ours: Chosen | None) -> list[Markup | str]:
    if scene.growing:
        return _of_growth(scene, chosen, name)
    if chosen.chance is None:
        return [f"The chance of an OOM kill at {text.configured(chosen.limit_bytes)} is unknown."]
    floor = "At most " if not chosen.risk.certified and not chosen.kills.height else ""
    first = f"{floor}{text.chance(chosen.chance)} chance of an OOM kill in the next 7 days"
    if ours is None or ours.chance is None:
        return [f"{first}."]
    if ours.limit_bytes == chosen.limit_bytes:
        side = "within" if chosen.chance <= scene.target else "above"
        return [f"{first}, {side} the {text.share(scene.target)} target."]
    kept = "would do:" if ours.chance <= scene.target else "leaves"
    verb = "brings it to" if ours.limit_bytes > chosen.limit_bytes else kept
    second = f"{text.configured(ours.limit_bytes)} {verb} {text.chance(ours.chance)}."
    return [f"{first}. ", el("span", second, class_="rm-ours")]


def _of_growth(scene: Scene, chosen: Chosen, name: str) -> list[Markup | str]:
    need, limit = scene.found.need, text.configured(chosen.limit_bytes)
    now, rate = need.limit_bytes, need.growth_bytes_per_day
    grows = "leaks" if need.verdict == "leak" else "may leak"
    first = f"{text.printable(name)} {grows}{f' {text.rate(rate)}' if rate else ''}. "
    if chosen.days is None:
        return [first, "No safe limit: it keeps growing."]
    if now is not None and chosen.limit_bytes == now:
        return [first, f"At {limit}, the chance that it gets there in 7 days is {text.chance(chosen.chance)}."]
    if chosen.days <= 0:
        return [first, f"{limit} is below " + ("the limit now." if now is not None else "what it used already.")]
    low, high = (None if days is None else 24 * days for days in (chosen.days_low, chosen.days_high))
    span = text.hours_range(low, high)
    raised = "Raising the limit to" if now is not None else "A limit of"
    bought = f"{text.hours(24 * chosen.days)}{f' ({span})' if span else ''}"
    return [first, el("span", f"{raised} {limit} buys {bought}, a delay only.", class_="rm-ours")]


def _because(scene: Scene, chosen: Chosen, ours: Chosen | None, currency: str) -> str:
    parts = _startups(scene, chosen)
    if scene.growing:
        parts.append("No limit is recommended: fix the growth first.")
    elif not chosen.risk.certified and chosen.risk.because:
        parts.append(text.sentence(chosen.risk.because))
    if ours is None and not scene.growing and scene.ours.reason:
        parts.append(text.printable(scene.ours.reason))
    parts += _money(chosen, ours, scene, currency)
    return " ".join(parts)


def _startups(scene: Scene, chosen: Chosen) -> list[str]:
    need, starts, killed = scene.found.need, scene.found.startups.size, scene.found.killed_start_bytes
    highest = text.memory(scene.found.levels[-1].high_bytes) if starts else ""
    if not scene.found.startup_leads:
        where = f" in pod {text.printable(need.peak_pod)}" if need.peak_pod else ""
        said = f"The highest use was {text.memory(need.peak_bytes)}{where}"
        if need.killed_limit_bytes is not None and need.killed_limit_bytes >= (need.peak_bytes or 0):
            return [f"{said}, and {text.configured(need.killed_limit_bytes)} killed it: it needed more."]
        return [f"{said}, while running: no startup needed more than {highest}." if starts else f"{said}."]
    more = "more than " if killed is not None and killed + 1 >= scene.found.levels[-1].high_bytes else ""
    of_all = f"of {text.count(starts, 'recorded start')} needed more than {text.configured(chosen.limit_bytes)}"
    top = f"the highest {more}{highest}"
    counted = f"{chosen.starts_above:,} {of_all}" if chosen.starts_above else f"none {of_all}, {top}"
    counted = f"the one recorded start needed {more}{highest}" if starts == 1 else counted
    return [f"Startup sets the peak, not steady load: {counted}."]


def _money(chosen: Chosen, ours: Chosen | None, scene: Scene, currency: str) -> list[str]:
    then, now = None if ours is None else ours.total_per_month, chosen.total_per_month
    # A total this much smaller is worth a sentence.
    if ours is None or then is None or now is None or ours.limit_bytes == chosen.limit_bytes or then > 0.9 * now:
        return []
    also = " also" if ours.chance is not None and chosen.chance is not None and ours.chance < chosen.chance else ""
    pods = text.count(scene.found.need.pods_now, "pod")
    return [
        f"With incidents counted, {text.configured(ours.limit_bytes)} is{also} cheaper: "
        f"{limit_charts.amount(then, currency).removesuffix(f' {text.printable(currency)}')} instead of "
        f"{limit_charts.amount(now, currency)} a month for {pods}."
    ]


def patch(scene: Scene, chosen: Chosen, kind: str | None) -> tuple[int, str] | None:
    """Write the patch: for the limit that was chosen, or for ours as long as the one in force is chosen."""
    need = scene.found.need
    limit = scene.ours_bytes if chosen.limit_bytes == need.limit_bytes else chosen.limit_bytes
    if limit is None:
        return None
    request, then = scene.set_with(limit)
    now = need.limit_bytes
    was = f"The limit was {text.configured(now)}." if now is not None else "There was no limit, or it is not known."
    said = f"{text.chance(scene.at(limit).risk.week)} chance of an OOM kill in 7 days."
    if limit != scene.ours_bytes and scene.growing and chosen.days is not None and chosen.days > 0:
        said = f"Buys {text.hours(24 * chosen.days)} against the growth, and only delays the kill."
    assumed = "" if scene.change.nothing else "Only after the changes that were assumed. "
    why = f"{assumed}{said} {was}"
    wanted = Resources(*need.names, kind, limit, request, why, scene.ours.qos_now, then)
    hinders = obstacle(wanted)
    return limit, documents([wanted]) if hinders is None else f"# {why}\n# No patch: {hinders}.\n{fragment(wanted)}"


def _replay(scene: Scene, chosen: Chosen, ground: limit_charts.Ground | None) -> Markup:
    if ground is None:
        return _section("Replay", "", el("p", "There is no memory sample to replay.", class_="note"))
    span = text.hours((ground.end - ground.start) / 3_600_000).replace(" d", " days")
    kills = text.count(chosen.kills.height, "kill") if chosen.kills.height else "no kill"
    pods = len(scene.past.pods)
    pod = text.printable(scene.past.pods[ground.pod])
    note = f"{pod}, the highest of {pods:,} pods, time in UTC" if pods > 1 else "time in UTC"
    if chosen.kills.height and pods > 1:
        note = f"{chosen.kills.filter(pod=ground.pod).height:,} of them in {note}"
    if not scene.change.nothing:
        note += ", dashed: as recorded"
    title = f"{span} replayed at {text.configured(chosen.limit_bytes)}: {kills}"
    chart = wide(title, limit_charts.replay_chart(scene, chosen, ground), "rm-scroll")
    return _section(title, note, chart, class_="rm-replay")


def _section(title: str, note: str, *inside: Markup, **attributes: object) -> Markup:
    return el("section", headed("h2", title, note), *inside, **attributes)


def _patch(scene: Scene, chosen: Chosen, kind: str | None) -> Markup:
    if (found := patch(scene, chosen, kind)) is None:
        return _section("Patch", "", el("p", "Move the limit to get a patch.", class_="note"), class_="rm-hand")
    limit, written = found
    title = f"Patch for {text.configured(limit)}"
    button = el("button", "Copy", type="button", class_="rm-button", data_rm_copy=written)
    head = el("div", headed("h2", title, "requests and limits"), button, class_="rm-patch")
    return el("section", head, el("pre", written, class_="rm-code", tabindex=0, role="group", aria_label=title))


class LimitExplorer(_base.Board):
    """Sliders over limit, startup, threads, traffic and prices, and what they change.

    Parameters
    ----------
    source
        A recording, a frame that can become one, a lake, or an Assessment.
    workload
        Which one to show first; None: the most urgent. A part of its name that no other has is enough.
    samples_from
        As in `rmtoolkit.Fleet`; beside an Assessment of a lake, the lake itself.
    oom_probability, margins
        As in `rmtoolkit.assess`; an Assessment has its own.
    price_per_gib_hour, price_per_incident, currency
        What a GiB of reserved memory costs an hour, and what a week with OOM kills costs; attributes too. None: those
        of the Assessment.

    Attributes
    ----------
    workload, limit_bytes
        The workload that is shown, and the limit that is tried.
    startup_bytes, spread_seconds
        Height of the highest startup over its settled level, None where none was recorded; over how much more time
        startups are spread, as delayed initialisation of caches does.
    threads, traffic
        How many threads, None where they were not recorded; how many times the traffic that was.
    reserve_limit
        Whether the whole limit is requested, or only what is used nearly always.

    Raises
    ------
    RmtoolkitError
        There is no memory sample, or no such workload.

    Notes
    -----
    Setting a trait in Python does what moving a slider does. As long as nothing is changed, the numbers at the limit in
    force and at the advised one are those of the Assessment; others come from `rmtoolkit.limits.what_if`.

    Examples
    --------
    >>> table = pl.DataFrame({"time": range(0, 864_000, 600), "workload": "api", "rss_bytes": 100 * 2**20})
    >>> explorer = LimitExplorer(table)
    >>> explorer.limit_bytes = 90 * 2**20
    >>> explorer.chosen.kills.height
    1
    >>> explorer.close()
    """

    workload = traitlets.Unicode()
    limit_bytes = traitlets.Int(text.MI, min=1)
    startup_bytes = traitlets.Float(None, allow_none=True, min=0.0)
    spread_seconds = traitlets.Float(0.0, min=0.0)
    threads = traitlets.Int(None, allow_none=True, min=0)
    traffic = traitlets.Float(1.0, min=0.0)
    price_per_gib_hour = traitlets.Float(USUAL.per_gib_hour, min=0.0)
    price_per_incident = traitlets.Float(USUAL.per_incident, min=0.0)
    reserve_limit = traitlets.Bool(default_value=True)
    #: Everything about the workload that does not depend on the limit.
    scene: Scene

    @door
    def __init__(
        self,
        source: Source | Assessment,
        workload: str | None = None,
        *,
        samples_from: Source | None = None,
        oom_probability: float = 0.05,
        margins: Margins | str | os.PathLike[str] | None = None,
        price_per_gib_hour: float | None = None,
        price_per_incident: float | None = None,
        currency: str | None = None,
    ) -> None:
        found = assess(source, oom_probability=oom_probability, margins=margins)
        whole = found.recording if isinstance(source, Assessment) else source
        self._source = as_source(whole if samples_from is None else samples_from)
        self._found = found
        prices = found.prices or USUAL
        self._currency = prices.currency if currency is None else currency
        known = found.workloads.filter(pl.col("peak_bytes").is_not_null())
        if not known.height:
            msg = "There is no memory sample to explore a limit with."
            raise RmtoolkitError(msg)
        self._rows = {row["name"]: row for row in known.drop("evidence").iter_rows(named=True)}
        self._names = list(self._rows)
        needs = {need.names: need for need in map(as_need, found.needs.iter_rows(named=True))}
        self._needs = {name: needs[tuple(row[part] for part in WORKLOAD)] for name, row in self._rows.items()}
        self._past_of = lru_cache(8)(self._laid_out)
        self._ours: Chosen | None = None
        self._ground: limit_charts.Ground | None = None
        first = plots.find(workload, self._names) if workload is not None else self._names[0]
        self.price_per_gib_hour = prices.per_gib_hour if price_per_gib_hour is None else price_per_gib_hour
        self.price_per_incident = prices.per_incident if price_per_incident is None else price_per_incident
        super().__init__()
        self._wiring = _base.Wiring()
        self.children = self._build()
        self.add_class("rm").add_class("rm-dashboard")
        self.workload = first
        watch = self._wiring.watch
        watch(self._search, "value", self._searched)
        watch(self, "workload", lambda change: self._switched(change.old))
        for name, control in self._sliders.items():
            watch(control.number, "value", partial(self._moved, name))
        watch(self._presets, "value", lambda change: self.set_trait("limit_bytes", change.new or self.limit_bytes))
        self._wiring.lead(self._whole, self, "reserve_limit")
        watch(self, [*self._sliders, "reserve_limit"], lambda _: self._redo())
        watch(self, "limit_bytes", lambda _: self._limit_changed())
        watch(self._limit.number, "value", partial(self._moved, "limit_bytes"))
        self._wiring.press(self._reset, self.reset)
        self.reset()

    def __repr__(self) -> str:
        return f"<LimitExplorer: {text.printable(self.workload)} at {text.configured(self.limit_bytes)}>"

    @property
    def chosen(self) -> Chosen:
        """Everything about the limit that is tried."""
        return choose(self.scene, self.limit_bytes)

    def _build(self) -> list[ipywidgets.Widget]:
        self._page = _base.Page(css=EXPLORER)
        self._search = _base.search("Workload (type to search, worst first)", self._names, self._names[0])
        self._about = _base.html("", "rm-aside")
        self._limit = _base.slider("Limit", 1, 2, low=1, step=1, unit="Mi")
        self._limit.box.add_class("rm-limit")
        self._tick = _base.html("", "rm-tick-row")
        self._presets = _base.choice("Set the limit to", [("now", 0)], 0)
        currency = text.printable(self._currency)
        #: What changes everything but the limit: a slider for each trait.
        about = text.texts("views/explorer")["sliders"]
        self._sliders = {name: _base.slider(**{"unit": currency} | one) for name, one in about.items()}
        self._whole = _base.choice("Requested", [("the limit", True), ("what is used", False)], value=True)
        self._reset = _base.button("Reset to measured")
        self._words = _base.html("", "rm-status")
        self._charts = _base.html("", "rm-charts")
        boxes = [control.box for control in self._sliders.values()]
        side = _base.box(
            _base.html(el("h2", "What if")),
            ipywidgets.VBox([self._limit.box, self._tick]),
            self._presets,
            *boxes[:4],
            _base.html(el("h2", "Prices")),
            *boxes[4:],
            self._whole,
            self._reset,
            classes=["rm-side"],
            kind=ipywidgets.VBox,
        )
        # The answer comes first: on a narrow screen the controls stand below it.
        both = _base.box(self._words, side, self._charts, classes=["rm-explorer"], kind=ipywidgets.Box)
        return [self._page, self._wiring.alert, _base.controls(self._search, self._about), both]

    def _searched(self, change: Any) -> None:  # noqa: ANN401 - a traitlets change
        if change.new:
            self.workload = plots.find(change.new, self._names)

    def _moved(self, name: str, change: Any) -> None:  # noqa: ANN401 - a traitlets change
        value = change.new * _unit(name)
        self.set_trait(name, round(value) if name in ("limit_bytes", "threads") else value)

    def _switched(self, meant: str) -> None:
        try:
            meant = plots.find(self.workload, self._names)
        finally:
            # What nobody knows leaves the one that is shown.
            with self._wiring.quiet():
                self.workload = meant
        self.reset()

    def reset(self) -> None:
        """Put everything back to what was measured, and the limit to the one in force.

        Examples
        --------
        >>> table = pl.DataFrame({"time": range(0, 864_000, 600), "workload": "api", "rss_bytes": 100 * 2**20})
        >>> explorer = LimitExplorer(table)
        >>> explorer.traffic = 3
        >>> explorer.reset()
        >>> explorer.traffic
        1.0
        """
        with self._wiring.quiet():
            self._start()
        self._redo()

    def _start(self) -> None:
        need, past = self._needs[self.workload], self._past_of(self.workload)
        spike = measured_spike(past)
        self.startup_bytes, self.spread_seconds, self.traffic = spike, 0.0, 1.0
        self.threads, self.reserve_limit = measured_threads(past), need.whole
        row = self._rows[self.workload]
        self.limit_bytes = tried_first(need, row)
        top, height = self.threads or 0, (spike or 0.0) / text.MI
        self._set("startup_bytes", height, max(2 * height, 1), known=spike is not None)
        self._set("spread_seconds", 0, 1800, known=spike is not None)
        self._set("threads", top, max(4 * top, 8), known=past.threads is not None)
        self._set("traffic", 1, 4)
        self._set("price_per_gib_hour", self.price_per_gib_hour, max(10 * self.price_per_gib_hour, 0.01))
        self._set("price_per_incident", self.price_per_incident, max(10 * self.price_per_incident, 100))

    def _set(self, name: str, value: float, high: float, *, known: bool = True) -> None:
        control = self._sliders[name]
        control.set(value, low=0, high=high)
        for part in (control.slider, control.number):
            part.disabled = not known
        label = control.number.description.rsplit(", ", 1)[0]
        control.box.children[0].value = el("span", label if known else f"{label}: not recorded")
        # A box that cannot say what is not known says nothing.
        (control.box.remove_class if known else control.box.add_class)("rm-unknown")

    def _laid_out(self, workload: str) -> Past:
        need, mine = self._needs[workload], self._source
        lives = None
        if isinstance(mine, Recording):
            # Containers that are numbered alike have the lives that were assessed.
            lives = self._found.lives if mine.containers.equals(self._found.recording.containers) else None
        else:
            wanted = zip(WORKLOAD, need.names, strict=True)
            mine = mine.recording(*(pl.col(column).eq_missing(pl.lit(name, pl.String)) for column, name in wanted))
        return of_workload(mine, need.names, lives)

    def _change(self) -> Change:
        past, scale = self._past_of(self.workload), 1.0
        spike = measured_spike(past)
        if spike is not None and self.startup_bytes is not None and abs(self.startup_bytes - spike) >= text.MI / 2:
            scale = self.startup_bytes / spike
        threads = None if self.threads == measured_threads(past) else self.threads
        spread = self.spread_seconds
        return Change(threads=threads, traffic=self.traffic, startup_scale=scale, startup_spread_seconds=spread)

    def _redo(self) -> None:
        need = self._needs[self.workload]
        prices = replace(USUAL, per_gib_hour=self.price_per_gib_hour, per_incident=self.price_per_incident)
        whole = None if self.reserve_limit == need.whole else self.reserve_limit
        margins, target = self._found.margins, self._found.oom_probability
        past = self._past_of(self.workload)
        self.scene = scene(past, need, self._change(), margins, target, prices, whole=whole)
        ours = self.scene.ours_bytes
        self._ours = None if ours is None else choose(self.scene, ours)
        self._ground = limit_charts.ground(self.scene)
        # What is said and drawn goes to the browser before what the controls show.
        self._draw()
        with self._wiring.quiet():
            self._search.value = self.workload
            for name, control in self._sliders.items():
                if (value := getattr(self, name)) is not None:
                    control.reach(value / _unit(name))
            self._whole.value = self.reserve_limit
            self._follow_scene()

    def _follow_scene(self) -> None:
        """Give the limit its range, its tick and its presets, and say what all this rests on."""
        found, limit = self.scene, self.limit_bytes / text.MI
        low, high = min(found.low / text.MI, limit), max(found.high / text.MI, limit)
        step = 1.0 if high - low >= _FINE else (high - low) / _FINE
        for part in (self._limit.slider, self._limit.number):
            part.step = step
        self._limit.set(limit, low=low, high=high)
        if found.ours_bytes is None:
            self._tick.value = ""
        else:
            # Our limit on the slider; the rule reaches one slider only, since each dashboard has a page of its own.
            place = 100 * (found.ours_bytes / text.MI - low) / max(high - low, 1e-9)
            self._tick.value = el("span", "", class_="rm-tick", style=f"--at:{place:.2f}%")
        options = [(point.words, point.limit_bytes) for point in limit_charts.named(found)]
        # Options that are set anew are drawn anew, and the first is chosen meanwhile.
        if list(self._presets.options) != options:
            self._presets.options = options
        self._press()
        self._about.value = _about(found, self._needs[self.workload])

    def _press(self) -> None:
        values = [value for _, value in self._presets.options]
        self._presets.value = self.limit_bytes if self.limit_bytes in values else None

    def _limit_changed(self) -> None:
        with self._wiring.quiet():
            self._limit.reach(self.limit_bytes / text.MI)
            self._press()
        self._draw()

    def _draw(self) -> None:
        scene, chosen, currency = self.scene, self.chosen, self._currency
        what = "Chance that the growth gets there in 7 days" if scene.growing else "Chance of an OOM kill in 7 days"
        said = scene.change.assumptions
        said += ["Others (VPA, KRR) and the limit now are those of the recorded past."] if said else []
        assumed = el("ul", *(el("li", one) for one in said), class_="rm-assumed") if said else None
        self._words.value = join(
            _tables.caveats(self._found), answer(scene, chosen, self.workload, self._ours, currency), assumed
        )
        by = f"{text.printable(currency)}, by limit"
        drawn = limit_charts.risk_plot(scene, chosen), limit_charts.cost_plot(scene, chosen, currency)
        chances, costs = (limit_charts.drawn(*plot) for plot in drawn)
        risk, cost = _section(what, "by limit", chances), _section("Cost a month with incidents", by, costs)
        room = _section("Headroom", "of the limit", limit_charts.headroom_chart(scene, chosen))
        written = _patch(scene, chosen, self._rows[self.workload]["workload_kind"])
        self._charts.value = join(
            el("div", risk, cost, class_="rm-pair"),
            _replay(scene, chosen, self._ground),
            el("div", room, written, class_="rm-pair"),
        )


#: Steps that a slider has at the least.
_FINE: Final = 64


def _unit(name: str) -> int:
    return text.MI if name.endswith("_bytes") else 1


def _about(found: Scene, need: Need) -> Markup:
    pairs = f"{found.ours.pairs:,} week-to-week comparisons" if found.ours.pairs else "no week-to-week comparison"
    said = [
        text.count(need.pods, "pod"),
        text.count(found.past.begins.size, "life", "lives"),
        f"{pairs} behind the curve",
        *(["no limit is set"] if need.limit_bytes is None and need.limit_known else []),
    ]
    return el("p", ", ".join(said), el("br"), "intervals are 80 %, all times UTC")
