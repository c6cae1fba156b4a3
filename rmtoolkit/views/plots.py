"""Charts for notebooks: what dashboards and reports draw, as Altair charts to layer, style and save."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import polars as pl

from rmtoolkit import text
from rmtoolkit.assessment import Assessment, assess, explored
from rmtoolkit.exceptions import RmtoolkitError, UnknownWorkloadError
from rmtoolkit.views import _plot, lives, timeline

if TYPE_CHECKING:
    from collections.abc import Sequence

    import altair as alt

    from rmtoolkit._parallel import Source
    from rmtoolkit.heap.profile import HeapProfile

Theme = Literal["light", "dark"]
_WIDTH: Final = 900
_LEFT: Final = 300
_RIGHT: Final = 690
_ROW: Final = 24
_TOP: Final = 30
_AMOUNTS: Final = ("peak_bytes", "limit_bytes", "advised_limit_bytes")


def find(typed: str, options: Sequence[str]) -> str:
    if typed in options:
        return typed
    wanted = typed.strip().casefold()
    # A whole name between the slashes is meant more likely than a part of one.
    tests = (
        lambda name: name == wanted,
        lambda name: wanted in name.split("/"),
        lambda name: name.startswith(wanted),
        lambda name: wanted in name,
    )
    found = ([option for option in options if wanted and test(option.casefold())] for test in tests)
    meant = next(filter(None, found), [])
    if len(meant) != 1:
        raise UnknownWorkloadError.not_one(typed, meant, options)
    return meant[0]


def plot_memory(source: Source | Assessment, workload: str | None = None, *, theme: Theme = "light") -> alt.LayerChart:
    """Draw the memory of a workload over time: layers, limit, kills, fit, forecast.

    Parameters
    ----------
    source
        A recording, a frame that can become one, a lake, or an Assessment: of that nothing is worked out again.
    workload
        Its name, or a part of it that no other has; None: the most urgent.
    theme
        ``light`` or ``dark``.

    Returns
    -------
    altair.LayerChart
        In px, on a time axis in UTC (field ``t``) and bytes (``v``), with all data inside. Layer it with charts of your
        own (``chart + mine``), style it (``.properties(…)``, ``.configure(…)``), save it (``.save("memory.svg")``).

    Raises
    ------
    RmtoolkitError
        There is no memory sample, or no such workload.

    Notes
    -----
    Altair asks the network for scripts to show a chart; ``alt.renderers.enable("svg")`` draws it on the spot.

    Examples
    --------
    >>> table = pl.DataFrame({"time": range(0, 6000, 60), "workload": "api", "rss_bytes": [50 << 20] * 100})
    >>> plot_memory(table).description.split(".")[0]
    'Memory of api over time'
    """
    found, row = _workload(source, workload)
    if (drawn := timeline.Timelines(found).of(row)) is None:
        raise nothing(row)
    return of_timeline(drawn, row, theme)


def of_timeline(drawn: timeline.Timeline, row: dict[str, Any], theme: Theme = "light") -> alt.LayerChart:
    chart = timeline.Chart(drawn, row).compose(axes=True)
    says = f"Memory of {text.printable(text.named(row))} over time. {timeline.describe(drawn, row)}"
    return _chart(timeline.WIDTH, timeline.HEIGHT, chart, chart.strip, says=says, theme=theme, timed=True)


def plot_lives(source: Source | Assessment, workload: str | None = None, *, theme: Theme = "light") -> alt.LayerChart:
    """Draw the lives of a workload's containers by age: what climbs with every restart, and how lives ended.

    Parameters
    ----------
    source, workload, theme
        As `plot_memory` takes them, which raises the same.

    Returns
    -------
    altair.LayerChart
        The newest forty lives: ``t`` is ms since the start, ``v`` bytes.

    Examples
    --------
    >>> table = pl.DataFrame({"time": range(0, 6000, 60), "workload": "api", "rss_bytes": [50 << 20] * 100})
    >>> plot_lives(table, "api").description
    '1 life of api by age. RSS by time since start, lives peak at 50 Mi to 50 Mi.'
    """
    found, row = _workload(source, workload)
    ids = found.instances.filter(workload_id=row["workload_id"])["container_id"]
    mine = found.lives.filter(pl.col("container_id").is_in(ids.implode()))
    shown = lives.collect(timeline.Timelines(found).samples, mine, row["signal"])
    if not shown:
        raise nothing(row)
    title, says = lives.titled(row, text.printable(text.named(row)))
    return _chart(lives.WIDTH, lives.HEIGHT, lives.plotted(shown, row), says=f"{title}. {says}", theme=theme)


def plot_risk(source: Source | Assessment, workload: str | None = None, *, theme: Theme = "light") -> alt.LayerChart:
    """Draw the chance of an OOM kill within 7 days at every limit, with its interval, our limit and what others say.

    Parameters
    ----------
    source, workload, theme
        As `plot_memory` takes them, which raises the same.

    Returns
    -------
    altair.LayerChart
        ``t`` is the limit in bytes, ``v`` the chance, on a scale that grows as a root: 5 % can be read.

    Examples
    --------
    >>> table = pl.DataFrame({"time": range(0, 864_000, 600), "workload": "api", "rss_bytes": 100 * 2**20})
    >>> plot_risk(table, "api").description.split(" at ")[0]
    'Chance of an OOM kill in 7 days'
    """
    from rmtoolkit.views.dashboards import limit_charts  # noqa: PLC0415

    found, row = _workload(source, workload)
    if row["peak_bytes"] is None:
        raise nothing(row)
    plot, says = limit_charts.risk_plot(*explored(found, row))
    return _chart(limit_charts.WIDTH, limit_charts.HEIGHT, plot, says=says, theme=theme)


def plot_fleet(source: Source | Assessment, *, theme: Theme = "light") -> alt.LayerChart:
    """Draw the worst workloads of a fleet: peak, limit in force and the limit advised, worst first.

    Parameters
    ----------
    source, theme
        As `plot_memory` takes them, which raises the same.

    Returns
    -------
    altair.LayerChart
        A row for each of the worst 25; ``t`` is bytes, on a scale where each step doubles.

    Examples
    --------
    >>> table = pl.DataFrame({"time": range(0, 6000, 60), "workload": "api", "rss_bytes": [50 << 20] * 100})
    >>> str(plot_fleet(table).description).split(", advised")[0]
    '1 workload, worst first: api: not a leak, peak 50 Mi'
    """
    found = assess(source)
    known = found.workloads.filter(pl.col("peak_bytes") > 0)
    rows = known.drop("evidence").head(25).to_dicts()
    if not rows:
        msg = "There is no memory sample to draw."
        raise RmtoolkitError(msg)
    amounts = [row[name] for row in rows for name in _AMOUNTS if row[name]]
    low, high = min(amounts) / 1.2, max(amounts) * 1.2
    base = _TOP + _ROW * len(rows)
    x = _plot.Scale(low, high, _LEFT, _RIGHT, _plot.Grows.AS_LOG)
    plot = _plot.Plot(x, _plot.PX, _plot.Box(0, 0, _WIDTH, base + 24))
    plot.write(0, 14, "start", "Workload", "note")
    for px, look, word in ((_LEFT, "ink", "peak"), (_LEFT + 60, "limit", "limit"), (_LEFT + 120, "ours", "advised")):
        at = x.back(px + 4)
        plot.add(_plot.Rule(look, at, at, 3, 17) if look == "limit" else _plot.Point(look, at, 10, size=4))
        plot.write(px + 14, 14, "start", word, "note")
    plot.write(_RIGHT + 24, 14, "start", "OOM kill, 7 days", "note")
    for at, row in enumerate(rows):
        _fleet_row(plot, row, _TOP + _ROW * at + _ROW / 2, found.fleet.target)
    for value, written in _plot.limit_ticks(low, high, _RIGHT - _LEFT, 48, doubled=True):
        plot.write(x.at(value), base + 14, "middle", written)
    plot.write(_RIGHT + 24, base + 14, "start", "Mi")
    told = "; ".join(_fleet_words(row) for row in rows)
    more = f", the worst {len(rows)} of them" if known.height > len(rows) else ""
    says = f"{text.count(known.height, 'workload')}{more}, worst first: {told}."
    return _chart(_WIDTH, base + 24, plot, says=says, theme=theme)


def _fleet_row(plot: _plot.Plot, row: dict[str, Any], y: float, target: float) -> None:
    peak, limit, ours = (row[name] for name in _AMOUNTS)
    look = "alarm" if row["verdict"] == "leak" else "plain"
    plot.write(0, y + 4, "start", text.VERDICTS[row["verdict"]].shape, look)
    plot.write(16, y + 4, "start", text.shortened(text.printable(row["name"]), 40), look)
    known = sorted(amount for amount in (peak, limit, ours) if amount)
    plot.add(_plot.Rule("grid", plot.x.low, plot.x.high, y, y), _plot.Rule("life", known[0], known[-1], y, y))
    says = _fleet_words(row)
    if limit:
        plot.add(_plot.Rule("limit", limit, limit, y - 7, y + 7, says))
    if ours and ours != limit:
        plot.add(_plot.Point("ours", ours, y, size=4, says=says))
    plot.add(_plot.Point("ink", peak, y, size=4, says=says))
    chance = row["oom_probability_7d"]
    above = chance is not None and chance > target
    plot.write(_RIGHT + 24, y + 4, "start", text.chance(chance), "alarm" if above else "")


def _fleet_words(row: dict[str, Any]) -> str:
    parts = [text.VERDICTS[row["verdict"]].word.lower(), f"peak {text.memory(row['peak_bytes'])}"]
    parts += [f"limit {text.limit_now(row)}"] if row["limit_bytes"] else []
    advised = row["advised_limit_bytes"]
    parts += [f"advised {text.configured(advised)}"] if advised and advised != row["limit_bytes"] else []
    parts.append(f"chance of an OOM kill in 7 days {text.kill_chance(row)}")
    return f"{text.printable(row['name'])}: {', '.join(parts)}"


def plot_heap(heap: HeapProfile, *, theme: Theme = "light") -> alt.LayerChart:
    r"""Draw what a heap profile holds over time, by function; what grows stands at the bottom.

    Parameters
    ----------
    heap
        A profile of `rmtoolkit.read_heap`.
    theme
        ``light`` or ``dark``.

    Returns
    -------
    altair.LayerChart
        ``t`` is seconds since the recording began (or the number of the picture), ``v`` bytes.

    Raises
    ------
    RmtoolkitError
        The profile knows no time.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import rmtoolkit as rm
    >>> file = pathlib.Path(tempfile.mkdtemp(), "massif.out.1")
    >>> head = "desc: --\ncmd: ./api\ntime_unit: ms\n"
    >>> one = "#-----------\nsnapshot={0}\n#-----------\ntime={1}\nmem_heap_B={2}\nmem_heap_extra_B=0\n"
    >>> one += "mem_stacks_B=0\nheap_tree=detailed\nn1: {2} (heap allocation functions)\n"
    >>> one += " n0: {2} 0x1: api::put (api.rs:7)\n"
    >>> _ = file.write_text(head + one.format(0, 1000, 1024) + one.format(1, 2000, 4096))
    >>> str(plot_heap(rm.read_heap(file)).description).split(",")[0]
    'Live heap over time: 1 Ki at first'
    """
    from rmtoolkit.heap.suspects import suspects  # noqa: PLC0415
    from rmtoolkit.views import heap as heap_views  # noqa: PLC0415

    if (found := heap_views.plot_over_time(heap, suspects(heap))) is None:
        msg = "This profile knows no time. Hint: rm.report_heap(heap, 'heap.html') shows who holds what."
        raise RmtoolkitError(msg)
    return _chart(heap_views.WIDTH, heap_views.HEIGHT, found[0], says=found[1], theme=theme)


def _workload(source: Source | Assessment, workload: str | None) -> tuple[Assessment, dict[str, Any]]:
    found = assess(source)
    names = found.workloads["name"].to_list()
    name = names[0] if workload is None else find(workload, names)
    return found, found.workloads.row(names.index(name), named=True)


def nothing(row: dict[str, Any]) -> RmtoolkitError:
    return RmtoolkitError(f"{text.printable(row['workload'])} has no memory sample to draw.")


def _chart(
    width: float, height: float, *plots: _plot.Plot, says: str, theme: Theme, timed: bool = False
) -> alt.LayerChart:
    from rmtoolkit.views._plot_vega import chart  # noqa: PLC0415 - altair takes a second

    if theme not in _TOKENS:
        msg = f"theme must be 'light' or 'dark', got {theme!r}."
        raise RmtoolkitError(msg)
    made: alt.LayerChart = chart(width, height, *plots, says=says, tokens=_TOKENS[theme], timed=timed)
    return made


_TOKENS: Final = {"light": _plot.LIGHT, "dark": _plot.DARK}
