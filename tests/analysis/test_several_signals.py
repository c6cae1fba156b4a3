"""What several signals say together: pressure, work, stacks, files in memory, layers, broken exporters."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest

from rmtoolkit.analysis.around import _files_stacked
from rmtoolkit.schema import Signal
from tests.analysis.curves import GI, MI, ar1, hours, record, small_noise
from tests.analysis.records import life_of, opinion_of, reading_of
from tests.analysis.verdicts import chance_of, row_of, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rmtoolkit.recording import Recording
    from tests.analysis.curves import Array

T = hours(24, 60)
FLAT = np.ones(len(T))


def noisy(values: Array, seed: int) -> Array:
    """A curve with half a percent of noise."""
    return values + small_noise(np.random.default_rng(seed), values)


def judged(signals: dict[str, Array], limit: int = GI, **more: Any) -> dict[str, Any]:
    """The verdict on a day of these signals, and its evidence by statistic under "by"."""
    if "events" not in more:
        more["restarts_total"] = 0
    return with_statistics(row_of(record(T, signals, limit_bytes=limit, **more)))


def judged_each(several: Iterable[dict[str, Array]], limit: int = GI) -> list[dict[str, Any]]:
    """The same of several days, judged together."""
    return [*map(with_statistics, rows_of(record(T, one, limit_bytes=limit, restarts_total=0) for one in several))]


def with_statistics(row: dict[str, Any]) -> dict[str, Any]:
    """A row, and its evidence by statistic."""
    return row | {"by": {item["statistic"]: item for item in row["evidence"]}}


def test_files_in_memory_grow_under_a_larger_cycle() -> None:
    """What grows by 20 Mi under a cycle of 60 is no part of the cycle: files in memory cannot be taken back."""
    cycle, files = (150 - 30 * np.cos(np.pi * T / 6)) * MI, (20 + 20 * T / 24) * MI
    row = judged(
        {"anon_bytes": noisy(cycle, 1), "shmem_bytes": noisy(files, 2), "working_set_bytes": noisy(cycle + files, 3)}
    )
    assert (row["verdict"], row["pattern"]) == ("inconclusive", "unexplained_growth"), row["explanation"]
    assert "files in memory" in row["explanation"]


# Held down


def held(share: float) -> dict[str, Array]:
    """Memory that rises to a share of its limit of 1 GiB within half a day and stays there."""
    level = np.minimum(share * GI * (0.5 + T / 12), share * GI)
    return {"working_set_bytes": noisy(level, 1), "anon_bytes": 0.97 * noisy(level, 2)}


def test_a_level_that_is_held_down_is_not_clean() -> None:
    """Below the limit a flat line is rest; with pressure, refaults or a peak at the limit it hides what it needs.

    Half a percent of stalls is ordinary.
    """
    counters = {"psi_some_seconds": 360 * T, "psi_full_seconds": 180 * T, "refaults_total": 1_000_000 * T}
    down = {name: held(0.8) | {name: counter} for name, counter in counters.items()}
    down["peak_at_limit"] = held(0.92) | {"peak_bytes": GI * FLAT}
    rests = [held(0.8), held(0.92), held(0.8) | {"psi_some_seconds": 18 * T}]
    rows = judged_each([*down.values(), *rests])
    assert [row["verdict"] for row in rows] == ["inconclusive"] * 4 + ["not_leak"] * 3
    # Stalled for a tenth and a twentieth of the time, however finely the window was cut.
    assert [rows[at]["by"][name]["estimate"] for at, name in enumerate([*counters][:2])] == pytest.approx([0.1, 0.05])
    for name, row in zip(down, rows, strict=False):
        assert (row["pattern"], row["limit_outlook"]) == ("at_limit", "unknown")
        assert {"at_limit", name} <= row["by"].keys()
        assert "flat" in row["explanation"]
        assert "Raise the limit once by a quarter" in row["next_step"]
        assert "1280Mi" in row["next_step"]


def test_a_live_heap_says_that_the_limit_does_not_hide_growth() -> None:
    """Flat at the limit with a flat live heap is no hidden leak: the heap is not held down."""
    row = judged(held(0.98) | {"allocated_bytes": noisy(400 * MI * FLAT, 4), "psi_some_seconds": 360 * T})
    assert row["verdict"] == "not_leak"


def test_pressure_needs_a_duration() -> None:
    """A life of one instant has no pressure, and without a limit there is no peak at it."""
    instant = opinion_of(life_of(0, 0), {Signal.PEAK: reading_of(Signal.PEAK, end_level=1.0)})
    assert instant.pressure == {}
    assert not instant.peaks_at_limit


# Work


def test_growth_for_each_unit_of_work() -> None:
    """A leak of 2 kB a request is named as such, with an interval that holds it."""
    work = np.cumsum(300 * (1 + 0.3 * np.sin(T)))
    row = judged({"rss_bytes": noisy(200 * MI + 2000 * work, 3), "work_total": work}, limit=4 * GI)
    assert row["verdict"] == "leak"
    found = row["by"]["growth_per_work"]
    assert (found["says"], found["unit"]) == ("for", "bytes/unit")
    assert found["low"] <= found["estimate"] <= found["high"]
    assert found["estimate"] == pytest.approx(2000, rel=0.1)
    assert "Ki" in found["value"]


def test_traffic_explains_growth_that_vanishes_per_unit() -> None:
    """Memory that grows with the rate of requests is traffic, not a leak."""
    rate = 300 * (1 + T / 8)
    row = judged({"rss_bytes": noisy(200 * MI + 60_000 * rate, 3), "work_total": np.cumsum(rate)})
    assert (row["verdict"], row["cause"]) == ("not_leak", "traffic")
    assert row["by"]["follows_load"]["says"] == "against"
    assert row["by"]["growth_per_work"]["says"] == "against"


def test_rest_without_work_is_open() -> None:
    """Nothing was asked of it: that it rested says nothing about a leak for each request."""
    row = judged({"rss_bytes": noisy(200 * MI * FLAT, 3), "work_total": 500 * FLAT})
    assert row["verdict"] == "inconclusive"
    assert "it was idle" in row["explanation"]
    assert "traffic" in row["next_step"]


def test_rest_in_an_ebb_clears_no_leak_for_each_request() -> None:
    """Few requests came in the evening: what each loses may only pause, what was full before is at rest."""
    days = []
    for ebbs_at, share in product((10, 13, 16), (0.02, 0.1)):
        work = np.cumsum(1_000 * np.where(ebbs_at > T, 1, share))
        done = work / work[-1]
        days += [
            {"rss_bytes": noisy((100 + 40 * full) * MI, 3), "work_total": work}
            for full in (done, 1 - np.exp(-done / 0.1))
        ]
    assert [row["verdict"] for row in judged_each(days)] == ["leak", "not_leak"] * 6


def test_a_rise_is_judged_over_the_work_where_that_explains_it_better() -> None:
    """Fewer requests came by and by: what each loses is lost as before, what fills up slows down over them too."""
    work = np.cumsum(1_000 * (1 - 0.6 * np.clip((T / T[-1] - 0.6) / 0.2, 0, 1)))
    done = work / work[-1]
    noise = [ar1(np.random.default_rng(seed), len(T), 1.0, 0.9) for seed in range(3)]
    rises = (25 * done, 30 * (1 - np.exp(-done / 0.4)))
    rows = judged_each({"rss_bytes": (41.5 + rise + one) * MI, "work_total": work} for rise in rises for one in noise)
    assert [row["verdict"] == "leak" for row in rows] == [True] * 3 + [False] * 3


# Threads


def test_a_pool_of_threads_that_has_stopped_growing_is_none_that_leaks() -> None:
    """Threads came with each new peak until morning, and stayed: their growth is doubted as that of memory is."""
    recordings = []
    for seed in range(25):
        load = np.exp(ar1(np.random.default_rng(seed), len(T), 0.5, 0.98)) * np.where(T < 10, 1, 0.4)
        threads = np.floor(16 + 30 * np.maximum.accumulate(load))
        anon = noisy(100 * MI + threads * 150 * 1024, seed)
        signals = {"allocated_bytes": noisy(90 * MI * FLAT, 3), "anon_bytes": anon, "threads": threads}
        recordings.append(record(T, signals, limit_bytes=GI, restarts_total=0))
    assert [row["explanation"] for row in rows_of(recordings) if row["verdict"] == "leak"] == []


def test_threads_times_stack_explain_growth() -> None:
    """240 threads of 200 Ki are what the memory grew by: stacks, at that size."""
    threads = np.floor(20 + 10 * T)
    row = judged({"anon_bytes": noisy(100 * MI + threads * 200 * 1024, 2), "threads": threads})
    assert (row["verdict"], row["pattern"], row["cause"]) == ("leak", "thread_growth", "thread_stacks")
    found = row["by"]["stack_of_a_thread"]
    assert found["estimate"] == pytest.approx(200 * 1024, rel=0.1)
    assert found["unit"] == "bytes/thread"


def test_stacks_beside_a_heap_that_rests_grow_as_fast_as_the_limit_comes_nearer() -> None:
    """The live heap is known and flat: the growth that is told is that of the memory, as is the time to the limit."""
    threads = np.floor(20 + 10 * T)
    anon = noisy(100 * MI + threads * 200 * 1024, 2)
    row = judged({"allocated_bytes": noisy(90 * MI + 0 * T, 3), "anon_bytes": anon, "threads": threads}, limit=GI)
    assert (row["verdict"], row["cause"], row["evidence_level"]) == ("leak", "thread_stacks", 4)
    assert row["signal"] == "anon_bytes"
    left = GI - anon[-1]
    assert row["growth_bytes_per_day"] * row["hours_to_limit"] / 24 == pytest.approx(left, rel=0.15)


@pytest.mark.parametrize("each", [95 * MI, 512], ids=["too_much", "too_little"])
def test_threads_that_cannot_explain_growth(each: int) -> None:
    """No thread touches 95 MiB of stack, and none so little that a page is more: threads rise beside the leak."""
    threads = np.floor(20 + T / 4)
    grown = each * (threads - 20) if each > MI else 480 * MI * T / 24
    threads = threads if each > MI else np.floor(20 + 40_000 * T)
    row = judged({"anon_bytes": noisy(100 * MI + grown, 2), "threads": threads}, limit=8 * GI)
    assert row["verdict"] == "leak"
    assert row["cause"] != "thread_stacks"
    assert "stack_of_a_thread" not in row["by"]
    assert "threads_rise" in row["by"]


# What is held one by one


def grown(pieces: Array, each: float, **more: Array) -> dict[str, Array]:
    """A live heap that gains some bytes with each piece, after 100 Mi."""
    heap = 100 * MI + each * (pieces - pieces[0])
    return {"allocated_bytes": noisy(heap, 1), "anon_bytes": noisy(1.1 * heap, 2), **more}


def test_what_rises_with_a_leak_is_its_cause() -> None:
    """2,400 pieces of 12 Ki are what the heap grew by: they are named, counted, and have advice of their own."""
    pieces = np.floor(50 + 100 * T)
    told = {
        "tasks": ("tasks", "in async tasks that never finish"),
        "descriptors": ("connections", "with connections or files that stay open"),
        "queued": ("queue", "in a queue that nobody empties"),
        "series": ("exporter", "in the labels of its own metrics"),
    }
    rows = judged_each(grown(pieces, 12 * 1024, **{signal: pieces}) for signal in told)
    for (signal, (cause, words)), row in zip(told.items(), rows, strict=True):
        assert (row["verdict"], row["pattern"], row["cause"]) == ("leak", "leak", cause)
        assert words in row["explanation"]
        assert "rise with it from 5" in row["explanation"]
        each = row["by"]["bytes_each"]
        assert (each["signal"], each["unit"]) == (signal, "bytes/piece")
        assert each["estimate"] == pytest.approx(12 * 1024, rel=0.1)
        assert row["by"]["held_rise"]["estimate"] == pytest.approx(2_450, rel=0.1)
        assert "held_apart" not in row["by"]


#: Tasks, what a heap grows by with each (None: by itself, 12 Ki or more), and whether they are named as its cause.
TASKS: Final[dict[str, tuple[Array, float | None, bool]]] = {
    "least": (50 + 500_000 * T, 12, True),
    "too little each": (50 + 2_000_000 * T, 5, False),
    "most": (50 + 2 * T, 500 * 1024, True),
    "too much each": (50 + 2 * T, 530 * 1024, False),
    "ended early": (np.minimum(50 + 200 * T, 1_450), None, False),
    "came late": (50 + 1_000 * np.maximum(T - 18, 0), None, False),
    "uneven": (50 + 100 * (T + 2 * np.sin(T)), None, True),
    "too few": (1 + 9 * T / 24, 300 * 1024, False),
    "enough": (10 + 24 * T / 24, 400 * 1024, True),
    "small share": (10_000 + 2_000 * T / 24, None, False),
    "large share": (10_000 + 3_000 * T / 24, None, True),
    "flat": (800 + 20 * np.sin(T), None, False),
}


def test_what_only_rises_beside_a_leak_is_not_its_cause() -> None:
    """Tasks explain a heap that grows as they do, by what a task can hold; else they are said to stand apart."""

    def day_of(pieces: Array, each: float | None) -> dict[str, Array]:
        heap = 50 + 100 * T if each is None else pieces
        least = max(12 * MI / (heap[-1] - heap[0]), 12 * 1024)
        return grown(heap, least if each is None else each, tasks=np.floor(pieces))

    rows = judged_each((day_of(pieces, each) for pieces, each, _ in TASKS.values()), limit=64 * GI)
    for (case, (pieces, _, named)), row in zip(TASKS.items(), rows, strict=True):
        if row["verdict"] == "leak":
            assert (row["cause"] == "tasks") == named, case
        assert ("held_rise" in row["by"]) == named, case
        assert ("held_apart" in row["by"]) != named, case
        if not named and row["verdict"] == "leak":
            says = "rise, but not" if pieces[-1] > max(1.25 * pieces[0], 12) else "do not rise"
            assert row["by"]["held_apart"]["text"] == f"Tasks alive {says} as the memory does", case


def test_a_connection_explains_its_task_and_a_task_its_series() -> None:
    """Of several that rise together the one that the others hang on is named; all are shown."""
    pieces = np.floor(50 + 100 * T)
    row = judged(grown(pieces, 12 * 1024, series=14 * pieces, tasks=pieces, descriptors=pieces))
    assert row["cause"] == "connections"
    rising = [item["signal"] for item in row["evidence"] if item["statistic"] == "held_rise"]
    assert sorted(rising) == ["descriptors", "series", "tasks"]


def test_an_exported_series_holds_little() -> None:
    """16 Ki are too much for a series and nothing for a task: labels do not explain such a leak."""
    pieces = np.floor(50 + 100 * T)
    assert judged(grown(pieces, 15 * 1024, series=pieces))["cause"] == "exporter"
    assert judged(grown(pieces, 18 * 1024, series=pieces))["cause"] == "heap"


def test_tasks_say_nothing_of_a_memory_that_rests() -> None:
    """Many tasks, or more and more of them, are no finding while the memory lies flat."""
    row = judged({"allocated_bytes": noisy(100 * MI * FLAT, 1), "tasks": np.floor(50 + 100 * T)})
    assert row["verdict"] == "not_leak"
    assert not {"held_rise", "held_apart", "bytes_each"} & row["by"].keys()


# The allocator at a release


def released(heap_after: float, around_after: float) -> Recording:
    """A day on two versions: the live heap and what lies around it, 80 and 20 Mi at first, then as given."""
    later = T >= 12
    heap = noisy(np.where(later, heap_after, 80.0) * MI, 1)
    whole = heap + noisy(np.where(later, around_after, 20.0) * MI, 2)
    events = [(0.0, "start", None), (0.0, "release", "1.4.0"), (12.0, "release", "1.5.0"), (12.0, "start", None)]
    return record(T, {"allocated_bytes": heap, "anon_bytes": whole}, limit_bytes=GI, events=events)


#: The live heap and what lies around it after a release, and whether that changed the allocator.
RELEASES: Final = {
    "allocator": (80, 70, True),
    "heap a little": (85, 70, True),
    "heap less": (72, 70, True),
    "heap too": (96, 70, False),
    "code": (120, 22, False),
    "nothing": (80, 20, False),
    "too little": (80, 24, False),
    "enough": (80, 33, True),
    "less heap": (60, 20, False),
    "less around": (80, 8, False),
}


def test_a_release_that_moves_only_what_lies_around_the_heap_changed_the_allocator() -> None:
    """The same live heap in more memory since a release: its allocator or settings are named, and what to pin."""
    rows = map(with_statistics, rows_of(released(heap, around) for heap, around, _ in RELEASES.values()))
    for (case, (_, around, changed)), row in zip(RELEASES.items(), rows, strict=True):
        assert row["verdict"] == "not_leak", case
        assert ("moved_around" in row["by"]) == changed, case
        if changed:
            assert row["cause"] == "allocator"
            assert "step" in (row["pattern"], *row["also"])
            assert row["by"]["moved_around"]["estimate"] == pytest.approx((around - 20) * MI, rel=0.15)


# Layers


def test_files_in_memory_count_and_are_named() -> None:
    """What grows on tmpfs is memory that nothing reclaims, and is called what it is."""
    files = (20 + 10 * T) * MI
    signals = {
        "working_set_bytes": noisy(200 * MI + files, 1),
        "anon_bytes": noisy(200 * MI * FLAT, 2),
        "shmem_bytes": files,
    }
    row = judged(signals)
    assert row["verdict"] == "inconclusive"
    assert "tmpfs" in row["explanation"]
    assert row["limit_outlook"] == "reaches"
    assert row["by"]["shmem"]["says"] == "for"
    assert row["next_step"].startswith("List the largest files")


@pytest.mark.parametrize(("inactive", "verdict"), [(0.0, "inconclusive"), (0.3, "not_leak")], ids=["tmpfs", "cache"])
def test_page_cache_of_which_nothing_can_be_dropped_lies_in_a_tmpfs(inactive: float, verdict: str) -> None:
    """No gauge tells files in memory: the kernel keeps a part of what it cached inactive, and of these none."""
    cache = (20 + 2.5 * T) * MI
    row = judged(
        {
            "usage_bytes": 100 * MI + cache,
            "working_set_bytes": 100 * MI + (1 - inactive) * cache,
            "anon_bytes": noisy(100 * MI * FLAT, 2),
            "file_bytes": cache,
        }
    )
    assert row["verdict"] == verdict, row["explanation"]
    assert ("tmpfs" in row["explanation"]) == (verdict == "inconclusive")


@pytest.mark.parametrize(
    "signals",
    [("working_set_bytes",), ("rss_bytes",), ("allocated_bytes", "rss_bytes", "working_set_bytes")],
    ids=" ".join,
)
def test_files_in_memory_are_named_without_anonymous_memory_too(signals: tuple[str, ...]) -> None:
    """Where only sums that count the files were measured, their growth is neither a leak nor kept by the allocator."""
    files = (20 + 10 * T) * MI
    curves = {name: noisy(200 * MI + (0 if name == "allocated_bytes" else 1) * files, 3) for name in signals}
    row = judged(curves | {"shmem_bytes": files})
    assert row["verdict"] == "inconclusive"
    assert "tmpfs" in row["explanation"]
    assert row["limit_outlook"] == "reaches"
    assert row["next_step"].startswith("List the largest files")


def test_a_leak_beside_files_in_memory_is_still_one() -> None:
    """Anonymous memory that grows as well is judged by itself."""
    files = (20 + 4 * T) * MI
    row = judged({"working_set_bytes": noisy((200 + 6 * T) * MI + files, 3), "shmem_bytes": files})
    assert row["verdict"] == "leak"


def test_large_files_in_memory_that_stay() -> None:
    """Files that stay are no leak, but a part of the memory that is named, with what to do."""
    signals = {
        "working_set_bytes": noisy(300 * MI * FLAT, 1),
        "anon_bytes": noisy(200 * MI * FLAT, 2),
        "shmem_bytes": 90 * MI * FLAT,
    }
    row = judged(signals)
    assert row["verdict"] == "not_leak"
    assert row["by"]["shmem"]["value"] == "90 Mi of 298 Mi"


#: Files in memory, peaks and endings of lives under a limit of 200, each with its files there from the first sample on.
LIVES_WITH_FILES: Final = {
    "the first kill comes when they fill the limit": ([(30, 70, "error")] * 4 + [(30, 70, "oom_kill")], 150),
    "a kill before they fill it: they were removed": ([(20, 60, "error")] * 2 + [(20, 60, "oom_kill")], 0),
    "an earlier start would have been killed": ([(40, 70, "error")] * 4 + [(40, 70, "oom_kill")], 0),
    "no kill although they would fill it twice": ([(30, 70, "error")] * 12 + [(30, 70, "oom_kill")], 0),
    "a second life that is killed shows no pattern": ([(60, 90, "error"), (60, 90, "oom_kill")], 0),
    "what was killed filled the limit by itself": ([(30, 70, "error")] * 4 + [(30, 195, "oom_kill")], 0),
    "too small to matter": ([(10, 160, "error")] * 3 + [(5, 160, "oom_kill")], 0),
}


@pytest.mark.parametrize(("lives", "left"), LIVES_WITH_FILES.values(), ids=LIVES_WITH_FILES)
def test_files_that_each_start_makes_add_up_in_the_pod(lives: list[tuple[int, int, str]], left: int) -> None:
    """They outlive it where the first kill of all comes as they and what runs fill the limit, and only there."""
    opinions = [
        opinion_of(life_of(ended=ended, limit_bytes=200, peak_bytes=peak, startup_peak_bytes=peak), {})
        for _, peak, ended in lives
    ]
    for opinion, (files, *_) in zip(opinions, lives, strict=True):
        opinion.files = (files, files, files)
    assert _files_stacked(opinions) == left


def test_files_are_named_beside_a_heap_that_warms_up_but_not_beside_a_leak() -> None:
    """Most of what a growing whole grows by is what to look at first; a leak of the heap stays one."""
    files = (20 + 10 * T) * MI
    for rise, cause in ((30 * (1 - np.exp(-T / 12)), "tmpfs"), (9 * T, "heap")):
        heap = noisy((100 + rise) * MI, 4)
        whole = noisy(40 * MI + heap + files, 3)
        row = judged({"allocated_bytes": heap, "working_set_bytes": whole, "shmem_bytes": files})
        assert row["cause"] == cause
        assert (row["verdict"] == "leak") == (cause == "heap")


def test_rss_over_a_flat_allocator_is_outside_it() -> None:
    """RSS that rises over flat resident pages is outside the allocator."""
    signals = {
        "rss_bytes": noisy((300 + 8 * T) * MI, 5),
        "resident_bytes": noisy(280 * MI * FLAT, 7),
        "allocated_bytes": noisy(250 * MI * FLAT, 6),
    }
    row = judged(signals)
    assert row["verdict"] != "leak"
    assert row["cause"] == "outside_allocator"
    assert row["by"]["outside"]["says"] == "for"
    assert "smaps" in row["next_step"]


def test_working_set_over_flat_anonymous_memory_is_page_cache() -> None:
    """The working set counts page cache that the kernel can take back."""
    signals = {"working_set_bytes": noisy((210 + 15 * T) * MI, 5), "anon_bytes": noisy(200 * MI * FLAT, 7)}
    row = judged(signals)
    assert (row["verdict"], row["cause"]) == ("not_leak", "page_cache")
    assert row["by"]["cache"]["says"] == "against"


def test_pages_that_an_allocator_took_once_fill_no_limit_and_those_that_it_takes_to_the_end_do() -> None:
    """A table that doubled until a quarter of the day and rested, and pages that come until its end."""
    table = 0.6 * 2 ** np.sum([at <= T for at in (0.745, 1.49, 2.98, 5.96)], axis=0)
    doubled = {"allocated_bytes": (20.6 + table) * MI, "anon_bytes": (24 + 1.55 * table) * MI}
    keeps = {"allocated_bytes": noisy(30 * MI * FLAT, 4), "anon_bytes": noisy((38 + 4 * T) * MI, 5)}
    rested, fills = judged_each([doubled, keeps], 512 * MI)
    assert (rested["verdict"], fills["verdict"]) == ("not_leak", "not_leak")
    assert "grows" not in rested["explanation"]
    assert "what the allocator keeps around it grows" in fills["explanation"]
    assert (rested["limit_outlook"], fills["limit_outlook"]) == ("bounded", "reaches")


def test_an_allocator_that_swings_under_what_grows_around_it_is_not_called_flat() -> None:
    """The heap of this day moves by a third, up and down, while its allocator takes pages to the end."""
    heap = 30 + 5 * np.sin(np.pi * T / 4)
    row = judged({"allocated_bytes": noisy(heap * MI, 4), "anon_bytes": noisy((48 + 4 * T) * MI, 5)}, limit=512 * MI)
    assert (row["verdict"], row["pattern"]) == ("not_leak", "retention"), row["explanation"]
    assert (
        "The live heap does not keep growing over 24 h, but what the allocator keeps around it grows"
        in row["explanation"]
    )


def test_what_rises_and_falls_is_told_with_its_lowest_and_its_highest() -> None:
    """Also where it falls many times within one bin, and where it rests at either end for most of the time."""
    place = np.arange(len(T))
    shapes = {
        "rises and falls": [place % 5 / 4, place % 60 / 59, place % 6 == 0, place % 6 != 0],
        "follows a cycle": [0.5 + 0.5 * np.sin(np.pi * T / 3)],
    }
    for does, shares in shapes.items():
        for row in judged_each({"working_set_bytes": (100 + 400 * share) * MI} for share in shares):
            assert f"it {does} between 100 Mi and 500 Mi, and its floor is flat." in row["explanation"]


def test_what_follows_the_load_is_called_no_cycle() -> None:
    """Requests rise until noon and stay: so does the memory, which has neither a period nor a floor."""
    load = np.minimum(30 + 15 * T, 210) * (1 + 0.1 * np.random.default_rng(8).normal(size=len(T)))
    row = judged({"working_set_bytes": noisy((20 + 0.4 * load) * MI, 8), "load": load})
    assert (row["verdict"], row["pattern"]) == ("not_leak", "periodic")
    assert "does not leak: it follows its load between " in row["explanation"]
    assert "The working set follows the load over 24 h;" in row["explanation"]
    assert "floor" not in row["explanation"]


def test_a_step_of_several_stages_is_not_called_one() -> None:
    """A table that grows twice by as much, the second time hours later; and another that does once."""
    stages, once = (30 + 12 * (at < T) + 12 * (T > 7) for at in (4, 7))
    several, one = judged_each({"working_set_bytes": noisy(level * MI, 6)} for level in (stages, once))
    assert "it moved to 54 Mi in stages and stays there" in several["explanation"]
    assert "it moved to 54 Mi in one step and stays there" in one["explanation"]


# Events of the node


def test_the_node_says_nothing_about_the_limit() -> None:
    """A node OOM and an eviction leave the chance of a kill where it was; the cgroup's own kills do not."""
    signals = {"working_set_bytes": noisy(300 * MI * FLAT, 5)}
    ended: dict[str, Any] = {"events": [(6.0, "node_oom", None), (12.0, "evicted", None)]}
    killed: dict[str, Any] = {"events": [(6.0, "oom_kill", None), (12.0, "oom_kill", None)]}
    node, own = judged(signals, **ended), judged(signals, **killed)
    quiet = chance_of(record(T, signals, limit_bytes=GI, restarts_total=0))
    assert node["verdict"] == "not_leak"
    assert chance_of(record(T, signals, limit_bytes=GI, **ended)) == pytest.approx(quiet, abs=1e-3)
    assert node["by"]["node_events"]["weight"] == 0
    assert chance_of(record(T, signals, limit_bytes=GI, **killed)) > 0.9
    assert "OOM-killed" in own["explanation"]
    assert "between two samples" in own["next_step"]


# Broken exporters

#: They stand still, add where they should set, or have more in use than there is.
BROKEN = (
    {"allocated_bytes": 250 * MI * FLAT, "resident_bytes": 280 * MI * FLAT},
    {"allocated_bytes": np.cumsum(20 * MI * FLAT)},
    {"allocated_bytes": noisy(250 * MI * FLAT, 6), "active_bytes": noisy(150 * MI * FLAT, 8)},
)


def test_broken_exporters_are_named_and_not_used() -> None:
    """A gauge that cannot be true is no evidence; it is named once, with how to mend it."""
    for row in judged_each({"rss_bytes": noisy((300 + 8 * T) * MI, 5)} | broken for broken in BROKEN):
        assert row["signal"] == "rss_bytes"
        assert row["verdict"] == "leak"
        assert row["evidence_level"] < 4
        assert row["next_step"].startswith("Fix the exporter")
        assert row["by"]["no_live_heap"]["value"] == "its exporter is broken"
        rejected = [item["text"] for item in row["evidence"] if item["statistic"].startswith("rejected_")]
        assert rejected
        assert len(set(rejected)) == len(rejected)


# What grows beside anonymous memory that rests

ANON: Final = 200 * MI * FLAT
FILES: Final = 40 * MI * FLAT
#: 5 MiB an hour.
RISE: Final = 5 * MI * T


#: What was measured beside anonymous memory, and the layer that is said to grow.
BESIDE: Final[list[tuple[dict[str, Array], str]]] = [
    ({"rss_bytes": ANON + FILES + RISE, "file_bytes": FILES, "shmem_bytes": RISE}, "shmem"),
    ({"working_set_bytes": ANON + RISE, "shmem_bytes": RISE}, "shmem"),
    ({"working_set_bytes": ANON + FILES + RISE, "kernel_bytes": RISE}, "kernel"),
    ({"working_set_bytes": ANON + FILES + RISE, "file_bytes": FILES}, "kernel"),
    ({"usage_bytes": ANON + FILES + RISE, "working_set_bytes": ANON + RISE, "file_bytes": FILES}, "kernel"),
    ({"rss_bytes": ANON + RISE}, "mapped"),
]


def test_what_fills_the_limit_beside_anonymous_memory_is_never_clean() -> None:
    """Sockets, page tables, files in memory: nobody knows whether they are given back, and page cache they are not."""
    rows = judged_each({"anon_bytes": noisy(ANON, 1)} | signals for signals, _ in BESIDE)
    for (signals, layer), row in zip(BESIDE, rows, strict=True):
        cause = "tmpfs" if layer == "shmem" else "outside_allocator"
        assert (row["verdict"], row["cause"]) == ("inconclusive", cause), signals.keys()
        assert row["signal"] == "anon_bytes"
        assert row["by"][layer]["says"] == "for"
        assert {"open_" + layer} <= row["by"].keys()
        assert row["limit_outlook"] != "bounded"
        assert "grow" in row["explanation"]
        assert "live heap" not in row["explanation"]


DAYS = hours(24 * 4, 600)
#: 24 MiB a day.
SLOW: Final = MI * DAYS


#: What grows outside the allocator, and the words for it where it leaks.
OUTSIDE: Final[list[tuple[dict[str, Array], str | None]]] = [
    ({"shmem_bytes": SLOW}, "in files on tmpfs"),
    ({"kernel_bytes": SLOW, "sock_bytes": 0.8 * SLOW}, "with sockets"),
    ({"kernel_bytes": SLOW, "descriptors": 50 + 10 * DAYS}, "with sockets"),
    ({"kernel_bytes": SLOW}, None),
    ({"anon_bytes": SLOW}, "outside its allocator"),
]


def test_what_grows_outside_is_a_leak_once_days_of_load_have_passed_or_work_is_counted() -> None:
    """Files in memory, sockets and mappings that grow on for four days, or with the work done, leak; slab may not."""
    recordings, told = [], []
    all_days, half = len(DAYS), len(DAYS) // 2
    for (signals, words), (end, counted) in product(OUTSIDE, ((all_days, False), (half, False), (half, True))):
        flat = {name: noisy(level * MI * np.ones(end), seed) for seed, (name, level) in enumerate(_INSIDE.items())}
        grows = {name: values[:end] + flat.get(name, np.zeros(end)) for name, values in signals.items()}
        work = {"work_total": 1e5 * DAYS[:end]} if counted else {}
        parts = ["anon_bytes", *(grows.keys() & {"shmem_bytes", "kernel_bytes"})]
        every = flat | grows | work | {"working_set_bytes": np.sum([(flat | grows)[name] for name in parts], axis=0)}
        recordings.append(record(DAYS[:end], every, limit_bytes=GI, restarts_total=0))
        told.append(words if counted or end == all_days else None)
    for words, row in zip(told, rows_of(recordings), strict=True):
        assert row["verdict"] == ("leak" if words else "inconclusive"), row["explanation"]
        assert 0.5 < row["leak_probability"] <= 0.8
        if words:
            assert words in row["explanation"]
            assert row["growth_bytes_per_day"] == pytest.approx(24 * MI, rel=0.15)


_INSIDE: Final = {"allocated_bytes": 150, "active_bytes": 160, "resident_bytes": 170, "anon_bytes": 200}


def test_shared_memory_of_a_process_fills_what_its_rss_leaves() -> None:
    """Time to the limit runs from the whole RSS: anonymous memory alone is lower."""
    row = judged({"anon_bytes": noisy(ANON, 1), "rss_bytes": ANON + RISE})
    assert row["hours_to_limit"] == pytest.approx((GI - 200 * MI - 24 * 5 * MI) / (5 * MI), rel=0.05)


def test_the_index_of_page_cache_is_part_of_it() -> None:
    """Who writes files fills page cache, and with it what the kernel needs to find its pages."""
    files, index = 16 * RISE, 0.4 * RISE
    signals = {"working_set_bytes": noisy(ANON, 2) + index, "file_bytes": files, "kernel_bytes": index}
    row = judged({"anon_bytes": noisy(ANON, 1), "usage_bytes": ANON + files + index} | signals, limit=4 * GI)
    assert row["verdict"] == "not_leak"


def test_files_that_a_process_maps_are_page_cache() -> None:
    """They are given back under pressure, and said to be what grows."""
    row = judged({"anon_bytes": noisy(ANON, 1), "rss_bytes": ANON + FILES + RISE, "file_bytes": FILES + RISE})
    assert (row["verdict"], row["pattern"]) == ("not_leak", "page_cache")


#: All of a container, of which the process that was measured has no more than at its start.
GROWN = ANON + 10 * RISE


OPEN: Final = ("inconclusive", "unexplained_growth", "rss_bytes")
#: What else was measured, and what is said of it: by a child, by files, or nobody knows by what.
ONE_PROCESS: Final[list[tuple[dict[str, Array], tuple[str, str, str]]]] = [
    ({"working_set_bytes": GROWN}, OPEN),
    ({"working_set_bytes": GROWN, "file_bytes": FILES}, ("leak", "leak", "working_set_bytes")),
    ({"usage_bytes": FILES + GROWN, "file_bytes": FILES}, ("leak", "leak", "usage_bytes")),
    ({"working_set_bytes": GROWN, "file_bytes": GROWN - ANON}, ("not_leak", "page_cache", "rss_bytes")),
    ({"working_set_bytes": GROWN, "file_bytes": GROWN - ANON, "shmem_bytes": GROWN - ANON}, OPEN),
    ({"working_set_bytes": GROWN, "kernel_bytes": GROWN - ANON}, OPEN),
]


def test_one_process_at_rest_does_not_clear_its_container() -> None:
    """The RSS of one process lies flat while its container grows."""
    rows = judged_each(({"rss_bytes": noisy(ANON, 1)} | signals for signals, _ in ONE_PROCESS), limit=2 * GI)
    for (signals, told), row in zip(ONE_PROCESS, rows, strict=True):
        assert (row["verdict"], row["pattern"], row["signal"]) == told, signals.keys()
        assert row["limit_outlook"] == ("bounded" if row["verdict"] == "not_leak" else "reaches")
        assert ("open_others" in row["by"]) == (signals.keys() == {"working_set_bytes"})


def test_what_leaks_into_swap_leaks() -> None:
    """At its limit the resident part lies flat while the rest is swapped out; what was swapped once is no growth."""
    measured = (["working_set_bytes"], ["working_set_bytes", "anon_bytes"], ["rss_bytes"])
    resident = [dict.fromkeys(names, noisy(ANON, 1)) for names in measured]
    rows = judged_each(signals | {"swap_bytes": swapped} for swapped in (4 * RISE, ANON) for signals in resident)
    for row in rows[:3]:
        assert row["verdict"] == "leak"
        assert row["growth_bytes_per_day"] == pytest.approx(4 * 24 * 5 * MI, rel=0.1)
        assert row["by"]["swap"]["says"] == "for"
    assert [row["verdict"] for row in rows[3:]] == ["not_leak"] * 3


@pytest.mark.parametrize("until", [3, 24], ids=["no longer scraped", "of another exporter"])
def test_a_working_set_below_what_leaks_clears_nothing(until: int) -> None:
    """Anonymous memory grows beside a smaller working set that rests: MADV_FREE may look so, and so do real leaks."""
    rests = np.where(until >= T, noisy(80 * MI * FLAT, 2), np.nan)
    row = judged({"anon_bytes": noisy((80 + 40 * T / 24) * MI, 1), "working_set_bytes": rests})
    assert row["verdict"] != "not_leak", row["explanation"]
