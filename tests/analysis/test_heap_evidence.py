from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit.analysis import patterns
from rmtoolkit.exceptions import RmtoolkitError, UnknownWorkloadError
from tests.analysis.profiles import MI, growing, profile, resting

pytestmark = pytest.mark.usefixtures("judged_once")

CACHE = "billing::cache::insert"
INDEX = "billing::index::build"
#: Six hours at one sample a minute.
TIMES = np.arange(360) * 60


def recording(*, growth: float = 0.0, workloads: tuple[str, ...] = ("api",), **columns: Any) -> rm.Recording:
    """RSS of some workloads that grow by so many bytes a second, with a bit of noise."""
    noise = np.random.default_rng(5).normal(0, 60_000, len(TIMES))
    level = (100 * MI + growth * TIMES + noise).astype(np.int64)
    return rm.Recording.from_frame(
        pl.concat(
            pl.DataFrame({"time": TIMES, "workload": [name] * len(TIMES), "rss_bytes": level, **columns})
            for name in workloads
        ),
    )


def bent(share: float = 1.0) -> rm.Recording:
    """A rise that slows down: it may end, and it may not."""
    level = (100 * MI + share * 3 * MI * np.log1p(TIMES / 1800)).astype(np.int64)
    return rm.Recording.from_frame(pl.DataFrame({"time": TIMES, "workload": "api", "rss_bytes": level}))


def verdict(found: pl.DataFrame) -> dict[str, Any]:
    """The only row."""
    assert found.height == 1
    return found.row(0, named=True)


def statistics(row: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Evidence of the profile by statistic."""
    return {piece["statistic"]: piece for piece in row["evidence"] if piece["statistic"].startswith("heap_")}


def test_growth_in_a_profile_names_the_code_at_level_five() -> None:
    """A leak that RSS shows and a heap profile confirms is surer, has a cause, and names function and line."""
    heap = profile({CACHE: growing(900), INDEX: resting(40 * MI)})
    alone, row = verdict(rm.classify(recording(growth=1000))), verdict(rm.classify(recording(growth=1000), heap))
    assert (alone["verdict"], alone["cause"], alone["evidence_level"]) == ("leak", None, 1)
    assert (row["verdict"], row["cause"], row["evidence_level"]) == ("leak", "heap", 5)
    assert row["leak_probability"] > alone["leak_probability"]
    assert f" in {CACHE};" in row["explanation"]
    assert row["next_step"].startswith(f"Bound or free what this code keeps: `{CACHE} (cache.rs:40)`.")
    found = statistics(row)
    assert found["heap_suspect"]["value"] == f"{CACHE} (cache.rs:40)"
    assert found["heap_suspect"]["estimate"] == pytest.approx(1.0)
    assert found["heap_growth"]["estimate"] == pytest.approx(900 * 86_400, rel=0.02)
    assert found["heap_growth"]["start"] is None
    assert INDEX not in row["explanation"]


def test_a_profile_settles_what_the_curve_leaves_open() -> None:
    """A rise that slows down is undecided by itself; with steady growth of the heap it is a leak."""
    heap = profile({CACHE: growing(900)})
    assert verdict(rm.classify(bent()))["verdict"] == "inconclusive"
    assert verdict(rm.classify(bent(), heap))["verdict"] == "leak"


def test_a_clear_curve_is_not_overruled_by_a_profile_that_grows() -> None:
    """Ten minutes in which a cache fills are no leak where hours show that the memory rests."""
    row = verdict(rm.classify(recording(), profile({CACHE: growing(20_000)})))
    assert row["verdict"] == "not_leak"
    assert statistics(row)["heap_growth"]["weight"] == 1
    assert "leaks" not in row["explanation"]


def test_a_heap_that_rests_speaks_against_a_leak_in_it() -> None:
    """Where RSS grows and ten minutes of heap would have shown it, what grows is kept, in gaps, or elsewhere."""
    heap = profile({CACHE: resting(90 * MI)})
    row = verdict(rm.classify(recording(growth=5000), heap))
    assert row["verdict"] == "inconclusive"
    assert row["evidence_level"] == 5
    assert statistics(row)["heap_rests"]["says"] == "against"
    assert "its memory grows and its heap profile does not" in row["explanation"]
    assert "resident − allocated" in row["next_step"]


@pytest.mark.parametrize(("seconds", "sample_bytes"), [(60, 1), (600, 512 << 10)], ids=["short", "coarse"])
def test_a_profile_too_short_for_the_recorded_growth_decides_nothing(seconds: int, sample_bytes: int) -> None:
    """A minute cannot clear a growth that brings 30 kB in it, ten minutes of which one in 512 KiB is seen neither."""
    slow = recording(growth=1000)
    alone = verdict(rm.classify(slow))
    heap = profile({CACHE: resting(90 * MI)}, seconds=seconds)
    heap = replace(heap, summary=replace(heap.summary, sample_bytes=sample_bytes))
    row = verdict(rm.classify(slow, heap))
    assert statistics(row)["heap_short"]["says"] == "not_measured"
    assert [row[name] for name in ("verdict", "leak_probability", "evidence_level")] == [
        alone[name] for name in ("verdict", "leak_probability", "evidence_level")
    ]


def test_growth_too_small_to_explain_the_recorded_one_is_said_to_be() -> None:
    """A log buffer that grows by bytes is not what makes RSS grow by kilobytes."""
    row = verdict(rm.classify(recording(growth=20_000), profile({CACHE: growing(150)})))
    assert statistics(row)["heap_small"]["says"] == "against"
    assert CACHE not in row["explanation"]
    assert row["cause"] is None


@pytest.mark.parametrize("growth", [0.0, 1000.0])
def test_a_blind_profile_says_so_and_changes_nothing(growth: float) -> None:
    """A profile that did not see the allocator is named, and the verdict is that of the recording alone."""
    heap = profile({CACHE: resting(MI)}, rss_bytes=300 * MI)
    alone, row = verdict(rm.classify(recording(growth=growth))), verdict(rm.classify(recording(growth=growth), heap))
    piece = statistics(row)["heap_blind"]
    assert piece["says"] == "not_measured"
    assert "linked statically" in piece["text"]
    same = [name for name in row if name not in ("evidence", "next_step")]
    assert {name: row[name] for name in same} == {name: alone[name] for name in same}
    if growth:
        assert "prof:true" in row["next_step"]


def test_what_is_alive_at_the_end_is_no_leak() -> None:
    """A single picture of what is held, however much, changes no verdict and asks for a second one."""
    whole = profile({CACHE: growing(900)})
    picture = rm.HeapProfile(whole.summary, whole.stacks, whole.frames)
    slow = recording(growth=1000)
    alone, row = verdict(rm.classify(slow)), verdict(rm.classify(slow, picture))
    assert statistics(row)["heap_picture"]["says"] == "not_measured"
    assert row["leak_probability"] == alone["leak_probability"]
    assert row["evidence_level"] == alone["evidence_level"]
    assert any("more profiles" in found.text for found in patterns.advise(row))


def pictures(count: int) -> list[rm.HeapProfile]:
    """Several profiles that know no time, each with more in the cache."""
    several = (profile({CACHE: growing(0, start=1e6 + at * 2e6), INDEX: resting(9 * MI)}) for at in range(count))
    return [rm.HeapProfile(whole.summary, whole.stacks, whole.frames) for whole in several]


@pytest.mark.parametrize("count", [2, 4, 6])
def test_pictures_in_a_row_tell_what_grows(count: int) -> None:
    """Beside a recording that leaks few are enough: it tells that growth goes on, and they tell where."""
    row = verdict(rm.classify(recording(growth=1000), pictures(count)))
    assert row["evidence_level"] == 5
    assert statistics(row)["heap_suspect"]["value"] == f"{CACHE} (cache.rs:40)"


@pytest.mark.parametrize("source", [recording(), bent()], ids=["rests", "open"])
def test_few_pictures_decide_nothing(source: rm.Recording) -> None:
    """What came between two profiles may be a cache that fills: they name it, and no verdict changes."""
    alone, row = verdict(rm.classify(source)), verdict(rm.classify(source, pictures(2)))
    same = ("verdict", "leak_probability", "evidence_level")
    assert [row[name] for name in same] == [alone[name] for name in same]
    assert (
        f"2 heap profiles are too few to tell whether what came goes on; most of it is in {CACHE}"
        in (statistics(row)["heap_picture"]["text"])
    )


def test_of_several_workloads_the_owner_must_be_named() -> None:
    """A profile is given to the workload that is named, and to no other."""
    several = recording(growth=1000, workloads=("api", "web"))
    heap = profile({CACHE: growing(900)})
    with pytest.raises(
        RmtoolkitError, match=r"of one workload, and the recording has 2: api, web\. Hint: heap=\{'api'"
    ):
        rm.classify(several, heap)
    with pytest.raises(UnknownWorkloadError, match=r"No workload 'wep'.*did you mean 'web'"):
        rm.classify(several, {"wep": heap})
    levels = dict(rm.classify(several, {"web": heap}).select("workload", "evidence_level").iter_rows())
    assert levels == {"api": 1, "web": 5}


def test_of_two_clusters_the_one_must_be_named() -> None:
    """A name that both have is an error that lists the names that tell them apart, and each of these is taken."""
    one = recording(growth=1000, workloads=("api",)).frame()
    both = rm.Recording.from_frame(pl.concat(one.with_columns(cluster=pl.lit(cluster)) for cluster in ("eu", "us")))
    heap = profile({CACHE: growing(900)})
    with pytest.raises(UnknownWorkloadError) as caught:
        rm.classify(both, {"api": heap})
    names = [word.rstrip(",.") for word in str(caught.value).split() if word.startswith(("eu/", "us/"))]
    assert len(names) == 2
    levels = [rm.classify(both, {name: heap})["evidence_level"].to_list() for name in (*names, "us/api")]
    assert levels == [[5, 1], [1, 5], [1, 5]]


def test_something_else_is_no_heap_profile() -> None:
    """A number, an empty list and a file that is not there are clear errors."""
    with pytest.raises(RmtoolkitError, match=r"'int' is no heap profile. Hint: heap=rm.read_heap"):
        rm.classify(recording(), 5)  # type: ignore[arg-type]
    with pytest.raises(RmtoolkitError, match="'list' is no heap profile"):
        rm.classify(recording(), [])
    with pytest.raises(FileNotFoundError):
        rm.classify(recording(), "no-such-file.zst")


def test_instances_and_checklist_know_the_profile() -> None:
    """By instance the code is named too, and the question about caches is answered from the profile."""
    heap = profile({CACHE: growing(900)})
    row = verdict(rm.classify(recording(growth=1000), heap, by="instance"))
    assert row["evidence_level"] == 5
    answer = rm.checklist(recording(growth=1000), heap).filter(pl.col("question") == "Are caches bounded?")
    assert answer.row(0)[-3:] == ("no", "concern", f"{CACHE} keeps more and more, says the heap profile")
    rests = rm.checklist(recording(), profile({CACHE: resting(9 * MI)}))
    assert rests.row(1)[-3:] == ("yes", "fine", "the heap profile shows nothing that grows")


def test_hostile_names_in_a_profile_stay_text() -> None:
    """Escape sequences and markup in a function's name reach neither terminal nor page."""
    heap = profile({"billing::<script>alert(1)</script>\x1b[31m::insert": growing(900)})
    shown = rm.explain(recording(growth=1000), "api", heap=heap)
    assert "\x1b" not in shown.summary()
    assert "<script>" not in shown._repr_html_()
