"""Every number and word of the Assessment of the worked fleet is the one that was written down."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit.analysis.records import Advice
from rmtoolkit.assessment._rows import NOTHING, _fits
from rmtoolkit.schema import Action
from tests import fleet
from tests.assessment.worked import FOLDER, frames_by_lot, happened_by_lot, told, words_by_lot
from tests.written import changes


def test_nothing_changed() -> None:
    """`python -m tests.assessment.worked` writes a change down that is meant."""
    assert changes(FOLDER / "fleet.json", told()) == []


def test_the_same_is_said_of_what_is_drawn_by_lot() -> None:
    """Three hundred rows and totals at the turns of every sentence; the same command writes it down."""
    assert changes(FOLDER / "words.json", words_by_lot()) == []


def test_the_same_frames_are_made_of_what_is_drawn_by_lot() -> None:
    """What changed, what limits buy, what fits and what happened, at the turns of each; the same command writes it."""
    assert changes(FOLDER / "frames.json", frames_by_lot() | happened_by_lot()) == []


@pytest.mark.parametrize("action", [one for one in Action if one not in (Action.FIX_EXPORTER, Action.REDUCE_STARTUP)])
def test_the_one_action_is_no_advice_of_another_limit(action: Action) -> None:
    """Nor one about an exporter, or the chance alone; what names none of them may be it."""
    said: tuple[dict[str, Any], ...] = (
        {},
        {"setting": "resources.limits.memory: 1Gi"},
        {"because": "rejected_rss"},
        {"because": "oom_probability_7d"},
    )
    assert [_fits(Advice("Look at it.", **one), action) for one in said] == [True, False, False, False]
    assert _fits(Advice(NOTHING), action) == (action is not Action.WAIT)


def test_a_frame_has_the_same_columns_whatever_there_is_to_tell() -> None:
    """Of one service that rests, and was never killed, every frame is of the kinds that the fleet's is."""
    quiet = rm.assess(pl.DataFrame({"time": range(0, 6000, 60), "workload": "api", "rss_bytes": [50 << 20] * 100}))
    frames = [name for name in rm.Assessment.__dataclass_fields__ if isinstance(getattr(quiet, name), pl.DataFrame)]
    assert sum(getattr(quiet, name).is_empty() for name in frames) > 5 < len(frames)
    for name in frames:
        assert getattr(quiet, name).schema == getattr(fleet.assessed(), name).schema, name


def test_the_age_of_the_data_is_to_the_second() -> None:
    """From the last sample of each workload to the clock of the run."""
    rows = fleet.assessed().workloads.select("window_end", "data_age_seconds").rows()
    assert [age for _, age in rows] == [(fleet.NOW - end).total_seconds() for end, _ in rows]
