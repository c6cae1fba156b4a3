"""The LimitExplorer without a kernel and without a browser: traits, controls and what is drawn."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import ipywidgets
import numpy as np
import polars as pl
import pytest
import traitlets
from msgspec.structs import replace

import rmtoolkit as rm
from rmtoolkit import text
from rmtoolkit.assessment import explored
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.schema import Action
from rmtoolkit.views import _plot
from rmtoolkit.views._plot import text_width
from rmtoolkit.views.dashboards import limit_charts
from rmtoolkit.views.dashboards.explorer import answer
from rmtoolkit.views.dashboards.limit_charts import amount
from tests.views.services import MI, service, shop

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOSTILE: Final = '"><img src=x onerror=alert(1)>'


@pytest.fixture(scope="module")
def recording() -> rm.Recording:
    """A service with startups, one that leaks, and one whose name means harm."""
    return shop(HOSTILE)


@pytest.fixture(scope="module")
def found(recording: rm.Recording) -> rm.Assessment:
    """Assessed once."""
    return rm.assess(recording)


@pytest.fixture
def explorer(found: rm.Assessment) -> Iterator[rm.LimitExplorer]:
    """On the service with startups."""
    made = rm.LimitExplorer(found, "api")
    yield made
    made.close()


def words(explorer: rm.LimitExplorer) -> str:
    """The answer, without tags."""
    return re.sub(r"<[^>]+>", "", str(explorer._words.value)).replace("\u00a0", " ")


def chart(explorer: rm.LimitExplorer, begins: str) -> str:
    """The description of the chart that begins so."""
    found = re.findall(r'aria-label="([^"]*)"', explorer._charts.value)
    return str(next(said for said in found if said.startswith(begins)))


def test_it_opens_on_the_limit_in_force(explorer: rm.LimitExplorer) -> None:
    """Limit, startup and threads are those that were measured, and the preset "now" is pressed."""
    assert explorer.limit_bytes == 512 * MI
    assert explorer.startup_bytes == pytest.approx(150 * MI, rel=0.1)
    assert explorer.threads == 24
    assert "At 512 Mi, the limit now" in words(explorer)
    assert explorer._presets.label == "now 512"


def test_a_name_that_nobody_has_leaves_the_one_that_is_shown(explorer: rm.LimitExplorer) -> None:
    """It is said, and nothing else changes; a part of a name is enough."""
    explorer.workload = "nonsense"
    assert "nonsense" in str(explorer._wiring.failed)
    assert explorer.workload == explorer._search.value == "shop/api"
    explorer.workload = "leak"
    assert explorer.workload == explorer._search.value == "shop/leaky"


@pytest.mark.parametrize(
    ("action", "chance"), [("tune_allocator", 0.18), ("wait", 0.18), ("wait", 0.01), ("none", 0.18)]
)
def test_a_limit_that_stays_while_something_else_helps_is_no_recommendation(action: str, chance: float) -> None:
    """Above the target the act is named in its place."""
    table = pl.DataFrame(
        {"time": range(0, 864_000, 600), "workload": "api", "rss_bytes": 100 * MI, "limit_bytes": 3403 * MI}
    )
    known, chosen = explored(found := rm.assess(table), found.workloads.row(0, named=True))
    ours = replace(known.ours, action=Action(action), recommended_limit_bytes=3403 * MI)
    chosen = replace(chosen, risk=replace(chosen.risk, week=chance))
    written, said = answer(replace(known, ours=ours), chosen, "api", None, "USD"), action != "none" and chance > 0.05
    assert (f"which stays: {text.ACTIONS[action].lower()} first" in written) is said
    assert ("our recommendation" in written) is not said
    assert "At 3,403 Mi, the limit now" in written


def test_a_limit_reads_the_same_on_a_button_and_beside_a_chart() -> None:
    """Ours and the one in force exactly as they would be set; what others say in three digits."""
    named = (limit_charts.Named(name, 3403 * MI, "") for name in ("now", "ours", "VPA"))
    assert [one.words for one in named] == ["now 3,403", "ours 3,403", "VPA 3,400"]


def test_the_limit_follows_slider_box_preset_and_trait(explorer: rm.LimitExplorer) -> None:
    """Whichever is used, the others follow and the charts show the same limit."""
    explorer._limit.slider.value = 400.0
    assert explorer.limit_bytes == 400 * MI
    assert "at 400 Mi" in chart(explorer, "Chance of an OOM kill")
    assert explorer._presets.value is None
    explorer._limit.number.value = 450.0
    assert explorer.limit_bytes == 450 * MI
    ours = explorer.scene.ours_bytes
    assert ours is not None
    explorer._presets.value = ours
    assert explorer._limit.slider.value == pytest.approx(ours / MI)
    assert "our recommendation" in words(explorer)
    explorer.limit_bytes = 5000 * MI
    assert explorer._limit.number.value == 5000
    assert "above this scale" in explorer._charts.value


@pytest.mark.parametrize("size", [3, 90, 300, 5000, 40_000])
def test_no_label_begins_left_of_its_chart(size: int) -> None:
    """Whatever the size: cut off, 384 Mi reads as 84."""
    table = pl.DataFrame({"time": range(0, 60_000, 600), "workload": "api", "rss_bytes": size * MI})
    made = rm.LimitExplorer(table.with_columns(limit_bytes=2 * size * MI), price_per_incident=20_000.0)
    ends = re.findall(r'<text x="([-.\d]+)"[^>]* text-anchor="end">([^<]+)', made._charts.value)
    assert len(ends) > 10
    assert [written for x, written in ends if float(x) < text_width(written)] == []
    made.close()


def test_kills_and_chance_are_those_of_the_public_functions(
    explorer: rm.LimitExplorer, recording: rm.Recording
) -> None:
    """What the dashboard says, `rm.replay` and `rm.limit_risk` say too."""
    explorer.limit_bytes = 420 * MI
    mine = recording.filter(workload="api")
    assert explorer.chosen.kills.height == rm.replay(mine, 420 * MI).height > 0
    assert explorer.chosen.chance == pytest.approx(rm.limit_risk(mine, 420 * MI)["oom_probability"][0])
    assert f"{rm.replay(mine, 420 * MI).height} OOM kills" in chart(explorer, "Recorded past")


def test_a_smaller_startup_needs_less(explorer: rm.LimitExplorer) -> None:
    """Halving it, or spreading it, lowers the limit that the target needs, and the assumption is written down."""
    before = explorer.scene.ours.target_limit_bytes
    explorer._sliders["startup_bytes"].slider.value = explorer._sliders["startup_bytes"].slider.value / 2
    halved = explorer.scene.ours.target_limit_bytes
    assert before is not None
    assert halved is not None
    assert halved < before
    assert "Startups 0.5 times as high" in words(explorer)
    explorer.reset()
    assert explorer.scene.ours.target_limit_bytes == before
    assert "Startups" not in words(explorer)
    explorer.spread_seconds = 1200
    assert explorer._sliders["spread_seconds"].number.value == 1200
    spread = explorer.scene.ours.target_limit_bytes
    assert spread is not None
    assert spread < before


def test_threads_and_traffic_change_the_past(explorer: rm.LimitExplorer) -> None:
    """More threads touch more stack; more traffic raises what follows it."""
    peak = explorer.scene.found.need.peak_bytes
    assert peak is not None
    explorer._sliders["threads"].number.value = 24 + 16
    assert explorer.scene.found.need.peak_bytes == peak + 16 * 64 * 1024
    explorer.reset()
    explorer.traffic = 2.0
    busier = explorer.scene.found.need.peak_bytes
    assert busier is not None
    assert busier > peak + 100 * MI


def test_what_nobody_moved_is_not_worked_out_again(explorer: rm.LimitExplorer) -> None:
    """A browser answers each value that it is told with the nearest step: that is no wish, of no slider."""
    before = explorer.scene
    for name, control in explorer._sliders.items():
        shown, told = control.slider.value, getattr(explorer, name)
        control.slider.value = min(shown + 0.4 * control.slider.step, control.slider.max)
        assert getattr(explorer, name) == told
    assert explorer.scene is before
    explorer._sliders["traffic"].slider.value = 1.1
    assert explorer.scene is not before


@pytest.mark.parametrize("limit_bytes", [117_549_721, 300 * MI, 7 * MI + 1])
def test_a_slider_is_told_whole_steps_only(explorer: rm.LimitExplorer, limit_bytes: int) -> None:
    """What lies between two steps stands in the box beside it; else a browser answers, and undoes what came after."""
    explorer.limit_bytes = limit_bytes
    for control in (explorer._limit, *explorer._sliders.values()):
        slider = control.slider
        steps = (slider.value - slider.min) / slider.step
        assert slider.value == slider.max or steps == pytest.approx(round(steps), abs=1e-6)
    assert explorer._limit.number.value == limit_bytes / MI
    assert explorer.limit_bytes == limit_bytes
    wanted = explorer._limit.slider.min + 10.25
    explorer._limit.number.value = wanted
    assert explorer.limit_bytes == wanted * MI


def test_prices_change_the_cost_and_nothing_else(explorer: rm.LimitExplorer) -> None:
    """Twice the price is twice the memory's cost; the chance stays."""
    before = explorer.chosen
    explorer._sliders["price_per_gib_hour"].slider.value = 2 * explorer.price_per_gib_hour
    after = explorer.chosen
    assert before.memory_per_month is not None
    assert after.memory_per_month == pytest.approx(2 * before.memory_per_month)
    assert after.chance == before.chance
    explorer.price_per_incident = 0.0
    assert explorer.chosen.incidents_per_month == 0
    explorer._whole.value = False
    assert explorer.chosen.memory_per_month is not None
    assert after.memory_per_month is not None
    assert explorer.chosen.memory_per_month < after.memory_per_month


def test_one_start_and_costs_beyond_the_axis() -> None:
    """One start is told of in the singular; a curve that is higher than its axis leaves it, and reads as no price."""
    explorer = rm.LimitExplorer(rm.read("data/samples/opal-egret"))
    assert "the one recorded start needed 348 Mi." in words(explorer)
    plot = limit_charts.cost_plot(explorer.scene, explorer.chosen, "USD")[0]
    (line,) = (mark for mark in plot.marks if isinstance(mark, _plot.Line))
    ((_, prices),) = line.pieces
    assert (prices[0], (prices == plot.y.high).sum()) == (plot.y.high, 1)
    explorer.close()


def test_what_grows_gets_days_and_no_recommendation(found: rm.Assessment) -> None:
    """No preset of ours, no tick; a higher limit "buys" days, in the patch too."""
    explorer = rm.LimitExplorer(found, "leaky")
    assert explorer.scene.ours_bytes is None
    assert [label.split()[0] for label, _ in explorer._presets.options][:1] == ["now"]
    assert "ours" not in [label.split()[0] for label, _ in explorer._presets.options]
    assert explorer._tick.value == ""
    explorer.limit_bytes = 800 * MI
    assert "Raising the limit to 800 Mi buys" in words(explorer)
    assert "only delays the kill" in explorer._charts.value
    rate = 0.02 * 1440
    days = float(re.findall(r"buys ([\d.]+) d", words(explorer))[0])
    assert days == pytest.approx(288 / rate, rel=0.1)
    explorer.close()


def test_names_are_escaped_and_unknown_ones_refused(found: rm.Assessment) -> None:
    """A hostile name is text; one that is not there is an error that names some that are."""
    explorer = rm.LimitExplorer(found, HOSTILE[:6])
    everything = explorer._words.value + explorer._charts.value + explorer._about.value
    assert "<img" not in everything
    assert explorer.threads is None
    assert explorer._sliders["threads"].slider.disabled
    assert explorer._sliders["startup_bytes"].number.disabled
    explorer._search.value = "no such thing"
    assert "No workload" in str(explorer._wiring.failed)
    assert explorer.workload.endswith(HOSTILE)
    explorer.workload = "api"
    assert explorer.workload == "shop/api"
    assert explorer._search.value == "shop/api"
    assert str(explorer._wiring.failed) == "None"
    explorer.close()
    with pytest.raises(RmtoolkitError, match="There are"):
        rm.LimitExplorer(found, "no such thing")


def test_a_workload_without_a_limit_opens_on_ours() -> None:
    """There is no "now" then; of a kind that is not known the resources are written, and no patch."""
    rng = np.random.default_rng(4)
    table = service("db", 250 + rng.standard_normal(8 * 1440), limit=None)
    explorer = rm.LimitExplorer(table, currency="<b>EUR")
    assert explorer.limit_bytes == explorer.scene.ours_bytes
    assert explorer._presets.options[0][0].startswith("ours")
    assert "No patch: the kind is not known." in explorer._charts.value
    assert "limits:\n    memory: " in explorer._charts.value
    assert "<b>EUR" not in explorer._charts.value
    explorer.close()


def test_a_short_history_says_so() -> None:
    """Half an hour is no week: the chance is unknown or hedged, and nothing raises."""
    explorer = rm.LimitExplorer(service("new", np.full(30, 100.0)))
    assert "hour" in words(explorer) or "unknown" in words(explorer)
    explorer.limit_bytes = 90 * MI
    assert "1 OOM kill" in chart(explorer, "Recorded past")
    explorer.close()


def test_values_that_cannot_be_are_refused(explorer: rm.LimitExplorer) -> None:
    """A limit of nothing, traffic below nothing."""
    with pytest.raises(traitlets.TraitError):
        explorer.limit_bytes = 0
    with pytest.raises(traitlets.TraitError):
        explorer.traffic = -1
    assert explorer.limit_bytes == 512 * MI


def test_a_lake_is_explored_one_workload_at_a_time(tmp_path: Path) -> None:
    """Only what is shown is read, and it is the same as from memory."""
    lake = rm.Lake(tmp_path / "lake", buckets=2)
    lake.append(shop())
    made = [rm.LimitExplorer(source, "api") for source in (lake, shop())]
    for explorer in made:
        explorer.limit_bytes = 400 * MI
    assert words(made[0]) == words(made[1])
    assert made[0]._charts.value == made[1]._charts.value
    made[0].workload = "leaky"
    assert "shop/leaky leaks" in words(made[0])
    for explorer in made:
        explorer.close()


def test_nothing_to_explore_is_an_error() -> None:
    """A recording without memory."""
    table = service("api", np.full(5, 1.0)).with_columns(working_set_bytes=pl.lit(None, dtype=pl.Int64))
    with pytest.raises(RmtoolkitError):
        rm.LimitExplorer(
            rm.Recording.from_frame(table.with_columns(threads=pl.lit(3), rss_bytes=pl.lit(None, dtype=pl.Int64)))
        )


def test_closing_leaves_nothing_behind(found: rm.Assessment) -> None:
    """Every widget that was made is gone, and the traits have no listener left."""
    registry = ipywidgets.widgets.widget._instances
    before = set(registry)
    explorer = rm.LimitExplorer(found)
    explorer.limit_bytes = 300 * MI
    assert set(registry) > before
    explorer.close()
    assert set(registry) == before
    explorer.limit_bytes = 200 * MI
    assert explorer._wiring.failed is None


def test_prices_have_two_digits_or_none() -> None:
    """Two significant digits below 10, else whole; what is not known says so."""
    prices = [amount(value, "EUR") for value in (53.2, 0.123, None)]
    assert prices == ["53 EUR", "0.12 EUR", "unknown"]


def test_prices_are_those_of_the_assessment() -> None:
    """What the fleet is priced with, the explorer is priced with, unless somebody says otherwise."""
    table = pl.DataFrame({"time": range(0, 864_000, 600), "workload": "api", "rss_bytes": 100 * MI})
    found = rm.assess(table, prices=rm.Prices(per_gib_hour=0.02, per_incident=70, currency="EUR"))
    with_own = rm.LimitExplorer(found, price_per_incident=5.0)
    assert (with_own.price_per_gib_hour, with_own.price_per_incident, with_own._currency) == (0.02, 5.0, "EUR")
    assert "EUR" in with_own._charts.value
    with_own.close()
