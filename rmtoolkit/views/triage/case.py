"""What is triaged: a judgement with its workloads in order, cut once so that each can be shown at once."""

from __future__ import annotations

import datetime as dt
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rmtoolkit import text
from rmtoolkit.analysis.columns import WORKLOAD
from rmtoolkit.analysis.heap_answer import HeapAnswer, answer
from rmtoolkit.analysis.heap_reading import profiles_by_workload
from rmtoolkit.analysis.verdict import Judgement, judge
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
    """A judgement, and windows of it that were judged again.

    Parameters
    ----------
    judgement
        What `judge` found.
    heap
        The heap profiles that it had, if any.

    Attributes
    ----------
    names
        Workloads as they are called, the worst first.
    rows
        Their verdicts, as dicts, by name.

    Examples
    --------
    >>> table = pl.DataFrame({"time": range(0, 6000, 60), "workload": "api", "rss_bytes": [50 << 20] * 100})
    >>> case = Case(judge(table))
    >>> case.names, case.rows["api"]["verdict"]
    (['api'], 'not_leak')
    """

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
        """Give what the heap profile of a workload answers.

        Parameters
        ----------
        name
            The workload.

        Returns
        -------
        HeapAnswer or None
            None where there is no profile.

        Examples
        --------
        >>> table = pl.DataFrame({"time": range(0, 6000, 60), "workload": "api", "rss_bytes": [50 << 20] * 100})
        >>> Case(judge(table)).heap("api") is None
        True
        """
        profile = self._heaps.get(_key(self.rows[name]))
        if profile is not None and name not in self._answers:
            self._answers[name] = answer(profile)
        return self._answers.get(name)

    def instances(self, name: str) -> pl.DataFrame:
        """Give the pods of a workload, with their own verdicts.

        Parameters
        ----------
        name
            The workload.

        Returns
        -------
        polars.DataFrame
            A row each.

        Examples
        --------
        >>> table = pl.DataFrame({"time": range(0, 6000, 60), "workload": "api", "rss_bytes": [50 << 20] * 100})
        >>> Case(judge(table)).instances("api").height
        1
        """
        return self._instances[_key(self.rows[name])]

    def questions(self, name: str) -> pl.DataFrame:
        """Give the five answers about a workload.

        Parameters
        ----------
        name
            The workload.

        Returns
        -------
        polars.DataFrame
            Five rows.

        Examples
        --------
        >>> table = pl.DataFrame({"time": range(0, 6000, 60), "workload": "api", "rss_bytes": [50 << 20] * 100})
        >>> Case(judge(table)).questions("api").height
        5
        """
        return self._checklist.get(_key(self.rows[name]), self.judgement.checklist.clear())

    def again(self, name: str, window: tuple[int, int]) -> Case:
        """Judge one workload anew by what lies in a window.

        Parameters
        ----------
        name
            The workload.
        window
            First and last ms since 1970.

        Returns
        -------
        Case
            Of this workload alone, under the same name.

        Raises
        ------
        RmtoolkitError
            There are too few samples in the window.

        Examples
        --------
        >>> table = pl.DataFrame({"time": range(0, 6000, 60), "workload": "api", "rss_bytes": [50 << 20] * 100})
        >>> len(Case(judge(table)).again("api", (0, 3_000_000)).judgement.recording.samples)
        51
        """
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
    """Collect what the chart of one container draws.

    Parameters
    ----------
    case
        The case.
    row
        A verdict of a workload or of a pod.
    span
        First and last ms of the axis; None for everything.

    Returns
    -------
    Timeline
        See `rmtoolkit.views.timeline`.

    Raises
    ------
    RmtoolkitError
        The container has no memory sample.

    Examples
    --------
    >>> table = pl.DataFrame({"time": range(0, 6000, 60), "workload": "api", "rss_bytes": [50 << 20] * 100})
    >>> case = Case(judge(table))
    >>> timeline(case, case.rows["api"]).now
    5940000
    """
    found = case.timelines.of(row, span)
    if found is None:
        msg = f"{text.printable(row['workload'])} has no memory sample to draw."
        raise RmtoolkitError(msg)
    return found


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[column] for column in WORKLOAD)


def _groups(frame: pl.DataFrame) -> dict[tuple[Any, ...], pl.DataFrame]:
    return frame.partition_by(*WORKLOAD, as_dict=True, maintain_order=True)
