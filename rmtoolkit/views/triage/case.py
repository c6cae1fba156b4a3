"""What is triaged: a judgement with its workloads in order, cut once so that each can be shown at once."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rmtoolkit import text
from rmtoolkit.analysis.heap_answers import HeapAnswer, answer
from rmtoolkit.analysis.heap_reading import profiles_by_workload
from rmtoolkit.analysis.judge import Judgement, judge
from rmtoolkit.analysis.records import WORKLOAD
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.views import summary
from rmtoolkit.views.timeline import Timelines

if TYPE_CHECKING:
    from rmtoolkit.views.timeline import Timeline

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
#: Judgements of selected windows that are kept, so that going back is quick.
_KEPT: Final = 16
#: Below this many samples a window says nothing about a shape.
_LEAST: Final = 10


class Case:
    """A judgement, and windows of it that were judged again."""

    def __init__(self, judgement: Judgement, heap: Any = None) -> None:  # noqa: ANN401 - as for `judge`
        self.judgement = judgement
        self._heaps = {} if heap is None else profiles_by_workload(heap, judgement.recording.containers)
        rows = summary.worst_first(judgement.verdicts).to_dicts()
        self.names = summary.names(rows)
        self.rows: dict[str, dict[str, Any]] = dict(zip(self.names, rows, strict=True))
        self.timelines = Timelines(judgement)
        self._instances = _groups(judgement.instances)
        self._checklist = _groups(judgement.checklist)
        self._again = lru_cache(_KEPT)(self._judge_window)
        self._answers: dict[str, HeapAnswer] = {}

    def heap(self, name: str) -> HeapAnswer | None:
        """Give what the heap profile of a workload answers."""
        profile = self._heaps.get(_key(self.rows[name]))
        if profile is not None and name not in self._answers:
            self._answers[name] = answer(profile)
        return self._answers.get(name)

    def instances(self, name: str) -> pl.DataFrame:
        """Give the pods of a workload, with their own verdicts."""
        return self._instances[_key(self.rows[name])]

    def questions(self, name: str) -> pl.DataFrame:
        """Give the five answers about a workload."""
        return self._checklist.get(_key(self.rows[name]), self.judgement.checklist.clear())

    def again(self, name: str, window: tuple[int, int]) -> Case:
        """Judge one workload anew by what lies in a window."""
        found: Case = self._again(name, window)
        return found

    def _judge_window(self, name: str, window: tuple[int, int]) -> Case:
        row = self.rows[name]
        recording = self.judgement.recording.filter(*(pl.col(column).eq_missing(row[column]) for column in WORKLOAD))
        first, last = (_EPOCH + dt.timedelta(milliseconds=value) for value in window)
        part = recording.window(first, last)
        if part.samples.height < _LEAST:
            msg = (
                f"There are {text.count(part.samples.height, 'sample')} between {text.moment(first)} and "
                f"{text.moment(last)}: too few to judge. Select a longer window."
            )
            raise RmtoolkitError(msg)
        found = Case(judge(part))
        # A name that had to say more beside others keeps saying it.
        own = found.names[0]
        found.names, found.rows = [name], {name: found.rows[own]}
        return found


def timeline(case: Case, row: dict[str, Any], span: tuple[int, int] | None = None) -> Timeline:
    """Collect what the chart of one container draws."""
    found = case.timelines.of(row, span)
    if found is None:
        msg = f"{text.printable(row['workload'])} has no memory sample to draw."
        raise RmtoolkitError(msg)
    return found


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[column] for column in WORKLOAD)


def _groups(frame: pl.DataFrame) -> dict[tuple[Any, ...], pl.DataFrame]:
    return frame.partition_by(*WORKLOAD, as_dict=True, maintain_order=True)
