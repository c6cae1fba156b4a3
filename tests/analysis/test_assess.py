"""One life: the signal that speaks, and the layer that explains it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest

from rmtoolkit.analysis.assess import assess_lifetime
from rmtoolkit.analysis.lives import split
from rmtoolkit.analysis.records import lives_of, readings_of
from rmtoolkit.analysis.signals import read
from tests.analysis.curves import MI, hours, record, saturate, saw, small_noise
from tests.analysis.records import life_of

if TYPE_CHECKING:
    from rmtoolkit.analysis.records import Opinion
    from rmtoolkit.recording import Recording

T = hours(24, 60)
NOTHING = pl.DataFrame(schema={"container_id": pl.UInt32, "signal": pl.String})


def assessed(recording: Recording, *, restarts_known: bool = True) -> Opinion:
    """The opinion on the only life of a recording."""
    cut = split(recording)
    readings = readings_of(read(cut, recording, NOTHING).table)
    life = next(lives_of(cut.table))
    return assess_lifetime(life, *readings[life.row], restarts_known=restarts_known)


def opinion(signals: dict[str, np.ndarray], *, restarts_known: bool = True, **columns: Any) -> Opinion:
    """The opinion on one life of a day; signals in MiB."""
    rng = np.random.default_rng(4)
    noisy = {name: (values + small_noise(rng, values)) * MI for name, values in signals.items()}
    recording: Recording = record(T, noisy, **columns)
    return assessed(recording, restarts_known=restarts_known)


FLAT = np.full(len(T), 200.0)


def heap(*, active: float, resident: float, rss: float) -> dict[str, np.ndarray]:
    """A flat live heap of 100 MiB, and what lies above it in units of 200 MiB."""
    return {
        "allocated_bytes": 0.5 * FLAT,
        "active_bytes": active * FLAT,
        "resident_bytes": resident * FLAT,
        "rss_bytes": rss * FLAT,
    }


def test_no_reading_is_no_opinion() -> None:
    """Without samples everything is open, and says so."""
    found = assess_lifetime(life_of(), {}, {}, restarts_known=True)
    assert (found.signal, found.pattern, found.unresolved) == (None, "insufficient_data", 1.0)


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (("working_set_bytes", "rss_bytes", "anon_bytes", "allocated_bytes"), "allocated_bytes"),
        (("working_set_bytes", "rss_bytes", "anon_bytes"), "anon_bytes"),
        (("working_set_bytes", "rss_bytes"), "rss_bytes"),
        (("working_set_bytes",), "working_set_bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "of" + str(len(value)),
)
def test_most_telling_signal_speaks(names: tuple[str, ...], chosen: str) -> None:
    """Allocated before anonymous before RSS before the working set."""
    assert opinion({name: FLAT * (1.05**-number) for number, name in enumerate(names)}).signal == chosen


def test_probabilities_stay_probabilities() -> None:
    """Whatever is held against growth, the three probabilities sum to 1."""
    for curve in (FLAT, 100 + 5 * T, 100 + 100 * saturate(T, 3), 100 + 60 * saw(T, 2.2), 100 + 30 * np.log1p(T)):
        found = opinion({"working_set_bytes": curve})
        assert found.growing + found.bounded + found.unresolved == pytest.approx(1)
        assert min(found.growing, found.bounded, found.unresolved) >= 0


@pytest.mark.parametrize("known", [True, False], ids=["restarts_known", "restarts_unknown"])
def test_deep_teeth_are_doubted_without_restart_data(known: bool) -> None:
    """Deep falls are a sawtooth where restarts would have been reported, and open where not."""
    found = opinion({"working_set_bytes": 60 + 340 * saw(T, 3.1)}, restarts_known=known)
    assert (found.bounded > 0.5) == known


def test_ended_growth_is_noted() -> None:
    """A ramp that ended is bounded."""
    assert opinion({"working_set_bytes": 200 + 80 * np.clip(T / 8, 0, 1)}).bounded > 0.65


@pytest.mark.parametrize(
    ("signals", "pattern", "cause"),
    [
        pytest.param({"working_set_bytes": FLAT}, "plateau", None, id="plateau"),
        pytest.param({"working_set_bytes": 100 + 150 * saturate(T, 1.5)}, "warm_up", "startup", id="warm_up"),
        pytest.param({"working_set_bytes": 200 + 60 * (T > 11)}, "step", None, id="step"),
        pytest.param({"working_set_bytes": 200 + 300 * np.exp(-T / 0.4)}, "startup_spike", "startup", id="spike"),
        pytest.param({"working_set_bytes": 200 + 50 * saw(T, 2.3)}, "sawtooth", None, id="sawtooth"),
        pytest.param(
            {"working_set_bytes": 200 + 150 * ((T > 12) & (T < 13.5))}, "burst", "traffic", id="burst",
        ),
        pytest.param(
            heap(active=0.55, resident=1.5, rss=1.6),
            "retention", "allocator", id="retention",
        ),
        pytest.param(
            heap(active=1.3, resident=1.4, rss=1.5),
            "fragmentation", "allocator", id="fragmentation",
        ),
        pytest.param(
            {"anon_bytes": 0.4 * FLAT, "working_set_bytes": 0.45 * FLAT + 200 * saturate(T, 2)},
            "page_cache", "page_cache", id="page_cache",
        ),
    ],
)  # fmt: skip
def test_pattern_of_a_bounded_life(signals: dict[str, np.ndarray], pattern: str, cause: str | None) -> None:
    """The layer or the shape that most of the memory at the end is made of names the pattern."""
    found = opinion(signals)
    assert (found.pattern, found.cause) == (pattern, cause)
    assert found.pattern not in found.also


def test_kept_startup_pages_are_retention_and_a_spike() -> None:
    """A heap that was large at the start and pages that stayed: retention, with the spike beside it."""
    heap = 100 + 400 * np.exp(-T / 0.4)
    kept = np.maximum.accumulate(heap[::1]) * 0 + 480
    found = opinion(
        {"allocated_bytes": heap, "resident_bytes": kept + 20, "rss_bytes": kept + 40, "working_set_bytes": kept + 60}
    )
    assert found.pattern == "retention"
    assert found.cause == "allocator"
    assert "startup_spike" in found.also


def test_growth_outside_the_allocator_is_open() -> None:
    """RSS that grows over a flat allocator belongs to somebody else."""
    found = opinion(
        {"allocated_bytes": FLAT, "resident_bytes": 1.1 * FLAT, "rss_bytes": 1.3 * FLAT + 8 * T},
    )
    assert (found.pattern, found.cause) == ("unexplained_growth", "outside_allocator")
    assert found.unresolved > 0.5


def test_threads_that_grow_explain_it() -> None:
    """RSS that grows with the threads over a flat heap is their stacks."""
    rng = np.random.default_rng(9)
    threads = np.round(20 + 4 * T + rng.normal(0, 0.4, len(T)))
    recording = record(
        T,
        {
            "allocated_bytes": (FLAT + small_noise(rng, FLAT)) * MI,
            "resident_bytes": (1.1 * FLAT + small_noise(rng, FLAT)) * MI,
            "rss_bytes": (1.3 * FLAT + 2 * threads + small_noise(rng, FLAT)) * MI,
            "threads": threads,
        },
    )
    found = assessed(recording)
    assert (found.pattern, found.cause) == ("thread_growth", "thread_stacks")
