"""What a higher limit buys a leak."""

from __future__ import annotations

import polars as pl
import pytest

import rmtoolkit as rm

MI = 1 << 20


def test_a_higher_limit_buys_time() -> None:
    """The limit in force and three higher ones: later, less likely, dearer; a calm workload has no row."""
    leak = pl.DataFrame(
        {
            "time": range(0, 300 * 600, 600),
            "workload": "leak",
            "rss_bytes": [50 * MI + at * MI // 4 for at in range(300)],
            "limit_bytes": 256 * MI,
        }
    )
    calm = leak.with_columns(workload=pl.lit("calm"), rss_bytes=pl.lit(50 * MI, dtype=pl.Int64))
    assessed = rm.assess(pl.concat([leak, calm]), prices=rm.Prices(0.01, 40.0))
    found, row = assessed.buys, assessed.workloads.row(0, named=True)
    assert found["workload"].to_list() == ["leak"] * 4
    assert found["limit_bytes"].to_list() == [256 * MI, 384 * MI, 512 * MI, 768 * MI]
    assert found["hours_to_limit"].is_sorted()
    # 36 Mi a day: 128 Mi more hold for another 85 hours.
    assert found["hours_bought"][0] == 0
    assert 80 < found["hours_bought"][1] < 91
    assert found["oom_probability"].is_sorted(descending=True)
    # One rise since the start is a leak by .8: so is what comes of it.
    assert found["oom_probability"][0] == pytest.approx(0.8, abs=0.005)
    assert found["oom_probability"][2] < 0.8
    assert found["cost_per_month"].to_list()[0] == 0
    assert found["cost_per_month"][2] == pytest.approx(0.25 * 0.01 * 730.5)
    # What the row says of the first two is the same.
    assert row["oom_probability_7d"] == found["oom_probability"][0]
    assert row["hours_to_limit"] == found["hours_to_limit"][0]
    assert row["raise_to_bytes"] == found["limit_bytes"][1]
    assert 24 * row["buys_days"] == pytest.approx(found["hours_bought"][1])
    # The explorer reaches as far.
    explorer = rm.LimitExplorer(assessed, "leak")
    assert explorer.scene.high > found["limit_bytes"][-1]
    explorer.close()


@pytest.mark.parametrize(("minutes", "soon"), [(10, False), (1, True)])
def test_what_a_raise_buys_is_said_once(minutes: int, soon: bool) -> None:
    """First where a leak kills within a day, else last."""
    rows = [50 * MI + at * MI // 4 for at in range(300)]
    leak = {"time": range(0, 300 * 60 * minutes, 60 * minutes), "workload": "leak", "rss_bytes": rows}
    advice = rm.assess(pl.DataFrame({**leak, "limit_bytes": 256 * MI})).advice["text"].to_list()
    first, last = advice[0].startswith("A limit of 384 Mi buys "), advice[-1].startswith("If it must survive")
    assert (first, last) == (soon, not soon)
