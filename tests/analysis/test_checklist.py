"""The five questions and their answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import rmtoolkit as rm
from rmtoolkit.analysis.words import CHECKLIST, QUESTIONS
from rmtoolkit.assessment import checklist
from rmtoolkit.text import memory
from tests.analysis import worked
from tests.analysis.curves import GI, MI, footprint, hours, record, small_noise, together

if TYPE_CHECKING:
    from collections.abc import Callable

    from rmtoolkit.recording import Recording

T = hours(24, 60)
FLAT = np.full(len(T), 200.0)


def answers(recording: Recording) -> dict[str, tuple[str, str, str]]:
    """Answers by question."""
    return {
        row["question"]: (row["answer"], row["reading"], row["because"])
        for row in checklist(recording).rows(named=True)
    }


def flat(limit: float | None = None) -> Recording:
    """A flat day."""
    return footprint(T, FLAT * MI, np.random.default_rng(1), limit=limit)


def layered(**signals: np.ndarray) -> Recording:
    """A day of several signals in MiB."""
    rng = np.random.default_rng(2)
    jitter = small_noise(rng, FLAT)
    return record(
        T,
        {name: values if name == "threads" else (values + jitter) * MI for name, values in signals.items()},
        limit_bytes=GI,
        restarts_total=0,
    )


def test_five_rows_per_workload_in_their_order() -> None:
    """Every workload is asked the same five questions, in the same order, in one schema."""
    second = record(T, {"rss_bytes": FLAT * MI}, pod="web-0", container="app")
    found = checklist(together([flat(), second]))
    assert found.schema == CHECKLIST
    assert found["question"].to_list() == list(QUESTIONS) * 2
    assert set(found["answer"]) <= {"yes", "no", "unknown"}
    assert set(found["reading"]) <= {"fine", "concern", "unknown"}
    assert found["because"].null_count() == 0


@pytest.mark.parametrize(
    ("made", "grows"),
    [(worked.files_in_a_tmpfs, "files in memory keep"), (worked.outside_the_allocator, "the allocator keeps")],
)
def test_what_grows_around_a_heap_that_rests_is_named(made: Callable[[], Recording], grows: str) -> None:
    """Memory does not stabilise where all that grows lies around the heap: the answer is no, and says what grows."""
    answer, reading, because = answers(made())[QUESTIONS[0]]
    assert (answer, reading) == ("no", "concern")
    assert because.startswith("the heap rests, ")
    assert because.endswith(f"{grows} growing")


def test_wording_of_the_questions() -> None:
    """The questions are those of the design, word for word but for the capital."""
    assert [question.lower() for question in QUESTIONS] == [
        "does memory stabilise after startup?",
        "are caches bounded?",
        "are thread counts controlled?",
        "is the limit too close to average usage?",
        "is reserved memory being confused with used memory?",
    ]


def test_unknown_is_said() -> None:
    """Three samples of one gauge answer nothing, and nobody guesses."""
    found = answers(record(T[:3], {"rss_bytes": FLAT[:3] * MI}))
    assert {answer for answer, _, _ in found.values()} == {"unknown"}
    assert {reading for _, reading, _ in found.values()} == {"unknown"}


@pytest.mark.parametrize("samples", [1, 3])
def test_what_was_exported_and_is_too_short_is_too_few(samples: int) -> None:
    """Nothing is said to be missing that is there: of all five questions only the limit's is answered otherwise."""
    signals = {"working_set_bytes": 200 * MI, "allocated_bytes": 150 * MI, "resident_bytes": 180 * MI, "threads": 8}
    short = record(T[:samples], {name: np.full(samples, value) for name, value in signals.items()}, limit_bytes=GI)
    found = answers(short)
    assert {found[question][2] for question in QUESTIONS if question != QUESTIONS[3]} == {"too few samples"}


@pytest.mark.parametrize(
    ("rate", "answer", "reading"), [(0.0, "yes", "fine"), (5.0, "no", "concern")], ids=["flat", "leak"]
)
def test_stabilises(rate: float, answer: str, reading: str) -> None:
    """Flat memory has stabilised, a leak has not."""
    found = answers(footprint(T, (200 + rate * T) * MI, np.random.default_rng(3), limit=GI))
    assert found[QUESTIONS[0]][:2] == (answer, reading)


def test_one_thread_is_no_threads() -> None:
    """One is written in the singular."""
    alone = answers(layered(rss_bytes=FLAT, threads=np.full(len(T), 1.0)))
    assert alone[QUESTIONS[2]][2] == "1 thread, flat"


def test_threads() -> None:
    """Threads are controlled when flat, not when they rise, and unknown when nobody counts them."""
    steady = answers(layered(rss_bytes=FLAT, threads=np.full(len(T), 24.0)))
    rising = answers(layered(rss_bytes=FLAT + 4 * T, threads=np.round(24 + 3 * T)))
    assert steady[QUESTIONS[2]][:2] == ("yes", "fine")
    assert rising[QUESTIONS[2]][:2] == ("no", "concern")
    assert answers(flat())[QUESTIONS[2]][:2] == ("unknown", "unknown")


@pytest.mark.parametrize(
    ("limit", "answer"),
    [(210 * MI, ("yes", "concern")), (GI, ("no", "fine")), (None, ("unknown", "unknown"))],
    ids=["close", "far", "not_exported"],
)
def test_limit(limit: float | None, answer: tuple[str, str]) -> None:
    """200 MiB are close to 210, not to 1024, and nobody knows where no limit was exported."""
    assert answers(flat(limit))[QUESTIONS[3]][:2] == answer


def test_reserved_memory() -> None:
    """Pages kept by the allocator are mistaken for used memory; without layers nobody knows."""
    kept = answers(
        layered(allocated_bytes=FLAT, active_bytes=FLAT + 5, resident_bytes=FLAT + 300, rss_bytes=FLAT + 310)
    )
    used = answers(layered(allocated_bytes=FLAT, active_bytes=FLAT + 5, resident_bytes=FLAT + 12, rss_bytes=FLAT + 20))
    assert kept[QUESTIONS[4]][:2] == ("yes", "concern")
    assert used[QUESTIONS[4]][:2] == ("no", "fine")
    assert answers(flat())[QUESTIONS[4]][:2] == ("unknown", "unknown")


def test_caches() -> None:
    """A flat live heap is bounded; a growing one is not; without it a leak leaves it unknown."""
    bounded = answers(layered(allocated_bytes=FLAT, rss_bytes=FLAT + 30))
    growing = answers(layered(allocated_bytes=FLAT + 5 * T, rss_bytes=FLAT + 30 + 5 * T))
    unknown = answers(footprint(T, (200 + 5 * T) * MI, np.random.default_rng(3), limit=GI))
    assert bounded[QUESTIONS[1]][:2] == ("yes", "fine")
    assert growing[QUESTIONS[1]][:2] == ("no", "concern")
    assert unknown[QUESTIONS[1]][0] == "unknown"


def test_gaps_are_not_in_use() -> None:
    """Gaps between live blocks are counted with what is kept and with page cache; the largest is named."""
    gaps = answers(
        layered(allocated_bytes=FLAT, active_bytes=FLAT + 300, resident_bytes=FLAT + 305, rss_bytes=FLAT + 310)
    )
    answer, reading, because = gaps[QUESTIONS[4]]
    assert (answer, reading) == ("yes", "concern")
    assert "gaps between live blocks, not used" in because


def test_amounts_are_those_of_the_last_sample() -> None:
    """The answer, the headline, the evidence and the row say the same of the live heap and of what is kept."""
    recording = layered(
        allocated_bytes=FLAT, active_bytes=FLAT + 5, resident_bytes=FLAT + 300, rss_bytes=FLAT + 310 + (T > 23.9) * 20
    )
    found = rm.assess(recording)
    row = found.workloads.row(0, named=True)
    live, kept = memory(row["live_bytes"]), memory(row["kept_bytes"])
    assert row["headline"].endswith(f"it uses {live} and keeps {kept} of freed memory.")
    assert answers(recording)[QUESTIONS[1]][2] == f"live heap at {live} and not growing"
    assert row["expected"].startswith(f"about {kept} less")
    (evidence,) = (item for item in row["evidence"] if item["statistic"] == "kept")
    assert evidence["estimate"] == row["kept_bytes"]
    assert evidence["value"].startswith(f"{kept} of ")
