"""Charts for notebooks: the pictures of dashboards and reports as Altair charts, to layer, style and save."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import altair as alt
import polars as pl
import pytest
import vl_convert

import rmtoolkit as rm
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.views import _plot, lives, plots, timeline
from rmtoolkit.views.timeline import Timelines

if TYPE_CHECKING:
    from collections.abc import Callable

DATA: Final = Path(__file__).parents[2] / "data"
SHOWN: Final = ("tidy-grouse", "noble-newt", "mellow-jackdaw")
HOSTILE: Final = "<img src=x onerror=alert(1)>"
PLOTS: Final[dict[str, Callable[..., alt.LayerChart]]] = {
    "memory": rm.plot_memory,
    "lives": rm.plot_lives,
    "risk": rm.plot_risk,
    "fleet": rm.plot_fleet,
}


@pytest.fixture(scope="module")
def found() -> rm.Assessment:
    """Three samples, and a service whose name means harm."""
    harm = pl.DataFrame({"time": range(0, 60_000, 60), "workload": HOSTILE, "rss_bytes": 50 << 20})
    named = rm.Recording.from_frame(harm)
    return rm.assess(rm.concat([*(rm.read(DATA / "samples" / name) for name in SHOWN), named]))


def svg(chart: alt.LayerChart) -> str:
    """Draw it without a browser."""
    return str(vl_convert.vegalite_to_svg(chart.to_dict(), vl_version=vl_convert.get_vegalite_versions()[-1]))


def values(chart: alt.LayerChart) -> list[dict[str, Any]]:
    """All rows that it holds."""
    return [row for rows in chart.to_dict()["datasets"].values() for row in rows]


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_is_a_chart_like_any_other(name: str, found: rm.Assessment) -> None:
    """It is valid, small, told in words, fixed in its colours, asks nobody, and goes into layers on either side."""
    made = PLOTS[name](found)
    told = json.dumps(made.to_dict())
    assert len(told) < 400_000
    assert "var(" not in told
    assert made.description
    mine: Any = alt.Chart(pl.DataFrame({"v": [1.0]})).mark_rule(color="#123456").encode(y="v:Q")
    for both in (made + mine, mine + made):
        drawn = svg(both)
        assert drawn.startswith("<svg")
        assert "url(http" not in drawn
        assert "#123456" in drawn
    assert _plot.DARK["surface"] in json.dumps(PLOTS[name](found, theme="dark").to_dict())


def test_what_is_drawn_is_what_the_report_draws(found: rm.Assessment) -> None:
    """Texts of the chart are those of the static picture, and the upper edge of every layer is that of its samples."""
    row = next(row for row in found.workloads.to_dicts() if row["workload"] == "noble-newt")
    drawn = Timelines(found).of(row)
    assert drawn is not None
    static = html.unescape(timeline.draw(drawn, row, "x", "noble-newt"))
    rows = values(rm.plot_memory(found, "noble-newt"))
    texts = [one["w"] for one in rows if "a" in one and "w" in one]
    assert len(texts) > 12
    assert all(f">{text}<" in static for text in texts)
    pieces = [heights for layer in drawn.layers for _, heights in layer.edge.pieces if len(heights) > 1]
    edges = {round(float(value)) for heights in pieces for value in heights}
    assert edges <= {value for one in rows if "v2" in one for value in (one["v"], one["v2"])}


def test_a_chart_of_ones_own_lies_on_its_axes(found: rm.Assessment) -> None:
    """An instant and an amount of somebody's own frame stand where those of the chart stand."""
    kill = found.recording.events.filter(kind="oom_kill").row(0, named=True)
    mine: Any = alt.Chart(pl.DataFrame({"when": [kill["time"]]})).mark_rule(color="#123456").encode(x="when:T")
    both = rm.plot_memory(found, "tidy-grouse") + mine
    scale = both.to_dict()["layer"][0]["encoding"]["x"]["scale"]
    share = (kill["time"].timestamp() * 1000 - scale["domain"][0]) / (scale["domain"][1] - scale["domain"][0])
    x = scale["range"][0] + share * (scale["range"][1] - scale["range"][0])
    line = next(part for part in svg(both).split("<line") if "#123456" in part)
    assert abs(float(line.split("translate(")[1].split(",")[0]) - x) < 1


def test_the_risk_is_that_of_the_assessment(found: rm.Assessment) -> None:
    """The words say the chance at the limit in force."""
    row = found.workloads.filter(workload="noble-newt").row(0, named=True)
    said = rm.plot_risk(found, "noble-newt").description
    assert f"{100 * row['oom_probability_7d']:.0f} %" in str(said)


@pytest.mark.parametrize("name", ["memory", "lives"])
@pytest.mark.parametrize("signal", ["working_set_bytes", "rss_bytes", "usage_bytes"])
@pytest.mark.parametrize("samples", [1, 2, 500])
def test_whatever_says_how_much_is_used_is_drawn(name: str, signal: str, samples: int) -> None:
    """A sample too few to be judged is drawn as well, whichever signal has it."""
    table = pl.DataFrame({"time": range(0, 60 * samples, 60), "workload": "api", signal: 50 << 20})
    drawn = values(PLOTS[name](table))
    assert 50 << 20 in {row.get(edge) for row in drawn for edge in ("v", "v2")}


def test_a_life_is_drawn_of_one_signal() -> None:
    """Where the working set is missing in a scrape, the curve does not fall to the RSS and back."""
    sizes = {"working_set_bytes": [100 << 20, None] * 4, "rss_bytes": [50 << 20] * 8}
    found = rm.assess(pl.DataFrame({"time": range(0, 480, 60), "workload": "api", **sizes}))
    assert found.workloads["signal"].to_list() == [None]
    (life,) = lives.collect(Timelines(found).samples, found.lives, None)
    assert set(life.values) == {100 << 20}


def test_of_many_lives_the_newest_are_drawn() -> None:
    """Forty of fifty, and it is said; each climbs higher than the one before it, so the lowest ten are missing."""
    table = pl.DataFrame({"time": range(0, 60 * 500, 60), "workload": "api"}).with_columns(
        restarts_total=pl.int_range(500) // 10, rss_bytes=(50 << 20) + (pl.int_range(500) // 10) * 2**20
    )
    drawn = rm.plot_lives(table)
    tops = {row["v"] for row in values(drawn) if row.get("v", 0) >= 50 << 20}
    assert (min(tops), max(tops)) == (60 << 20, 99 << 20)
    assert "the newest 40 are drawn" in str(drawn.description)


def test_hostile_names_are_text(found: rm.Assessment) -> None:
    """A label is text of the chart, never markup of the page that shows it."""
    for plot in (rm.plot_memory(found, HOSTILE), rm.plot_lives(found, HOSTILE), rm.plot_fleet(found)):
        assert "<img" not in svg(plot)


def test_what_cannot_be_drawn_is_one_clear_error(found: rm.Assessment) -> None:
    """Unknown workloads, themes and profiles without a time are named, with what there is."""
    with pytest.raises(rm.UnknownWorkloadError, match="No workload 'tidy-goose'"):
        rm.plot_memory(found, "tidy-goose")
    with pytest.raises(RmtoolkitError, match="theme must be 'light' or 'dark', got 'blue'"):
        rm.plot_fleet(found, theme="blue")  # type: ignore[arg-type]
    nothing = pl.DataFrame({"time": [], "rss_bytes": []}, schema={"time": pl.Int64, "rss_bytes": pl.Int64})
    with pytest.raises(RmtoolkitError):
        rm.plot_fleet(nothing)


def test_a_heap_profile_is_a_chart_too() -> None:
    """What grows is named, in the colour of alarm; a profile without a time says what shows it instead."""
    made = rm.plot_heap(rm.read_heap(DATA / "heap" / "warm-jackdaw.heaptrack.zst"))
    assert "leaks::Leak::tick" in svg(made)
    assert "Live heap over time" in str(made.description)
    still = next((DATA / "heap").glob("*.dhat.json.gz"), None)
    assert still is not None
    with pytest.raises(RmtoolkitError, match=r"knows no time. Hint: rm\.report_heap"):
        rm.plot_heap(rm.read_heap(still))


@pytest.mark.parametrize("typed", [" shop/api", "API\n", "shop/a", "\tshop/API "])
def test_what_is_typed_or_pasted_is_found(typed: str) -> None:
    """Blanks around a pasted name, its case and what is left out of it are no other name."""
    assert plots.find(typed, ["shop/api", "shop/web"]) == "shop/api"
