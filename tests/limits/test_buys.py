"""What a higher limit buys a leak."""

from __future__ import annotations

import polars as pl

from rmtoolkit.limits.week import buys, survey

MI = 1 << 20


def test_a_higher_limit_buys_time() -> None:
    """The limit in force, half as much again and twice as much: later, less likely, dearer; a calm one has no row."""
    leak = pl.DataFrame(
        {
            "time": range(0, 300 * 600, 600),
            "workload": "leak",
            "rss_bytes": [50 * MI + at * MI // 4 for at in range(300)],
            "limit_bytes": 256 * MI,
        }
    )
    calm = leak.with_columns(workload=pl.lit("calm"), rss_bytes=pl.lit(50 * MI, dtype=pl.Int64))
    found = buys(survey(pl.concat([leak, calm])), price_per_gib_hour=0.01)
    assert found["workload"].to_list() == ["leak"] * 3
    assert found["limit_bytes"].to_list() == [256 * MI, 384 * MI, 512 * MI]
    assert found["hours"].is_sorted()
    # 36 Mi a day: 128 Mi more hold for another 85 hours.
    later = found["hours"][1] - found["hours"][0]
    assert 80 < later < 91
    assert found["oom_probability"].is_sorted(descending=True)
    assert found["oom_probability"][0] > 0.9 > found["oom_probability"][2]
    assert found["cost_per_month"].to_list()[0] is None
    assert abs(found["cost_per_month"][2] - 0.25 * 0.01 * 730.5) < 1e-9
