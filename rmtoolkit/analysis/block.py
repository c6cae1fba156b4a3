"""Judge a block: a recording, or the part of a large one that holds all there is of some workloads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import polars as pl

from rmtoolkit.analysis import pooling, signals
from rmtoolkit.analysis.checklist import CHECKLIST, answers
from rmtoolkit.analysis.columns import FOR_VIEWS, INSTANCE, VERDICTS, WORKLOAD
from rmtoolkit.analysis.envelope import MINIMUM_SAMPLES
from rmtoolkit.analysis.facts import Facts
from rmtoolkit.analysis.forecast import paths
from rmtoolkit.analysis.heap_evidence import with_heap
from rmtoolkit.analysis.lives import split
from rmtoolkit.analysis.one_life import form
from rmtoolkit.analysis.parameters import FEW_SAMPLES
from rmtoolkit.analysis.rows import verdict_row
from rmtoolkit.validation import validate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rmtoolkit.analysis.forecast import Course
    from rmtoolkit.analysis.heap_reading import HeapReading, Key
    from rmtoolkit.analysis.opinion import Opinion
    from rmtoolkit.analysis.pooling import Pool
    from rmtoolkit.recording import Recording


@dataclass(frozen=True, slots=True)
class Read:
    """What the samples of a block were reduced to; the samples themselves are no longer needed.

    Attributes
    ----------
    recording
        The block, without its samples.
    lives
        A row per lifetime.
    readings
        What was read off their signals.
    findings
        What `validate` found.
    completeness
        Samples that are there and that were due, by container.

    Examples
    --------
    >>> Read.__slots__
    ('recording', 'lives', 'readings', 'findings', 'completeness')
    """

    recording: Recording
    lives: pl.DataFrame
    readings: signals.Readings
    findings: pl.DataFrame
    completeness: pl.DataFrame


def read(recording: Recording) -> Read:
    """Reduce the samples of a block to lives and readings.

    Parameters
    ----------
    recording
        A recording, or a part of one.

    Returns
    -------
    Read
        All that a verdict rests on.

    Examples
    --------
    >>> from rmtoolkit.recording import as_recording
    >>> table = pl.DataFrame({"time": range(0, 6000, 60), "rss_bytes": [50 << 20] * 100})
    >>> read(as_recording(table)).readings.table["family"][0]
    'constant'
    """
    findings = validate(recording)
    cut = split(recording)
    rejected = findings.filter(pl.col("rejected")).select("container_id", "signal").unique()
    readings = signals.read(cut, recording, rejected)
    return Read(
        replace(recording, samples=recording.samples.clear()), cut.table, readings, findings, recording.completeness()
    )


@dataclass(frozen=True, slots=True)
class Weighed:
    """A block whose lives were judged and pooled.

    Attributes
    ----------
    read
        What was read.
    facts
        Look-ups about its containers, with the opinions on their lives.
    pools
        One for each container.
    heaps
        What heap profiles say, by workload.

    Examples
    --------
    >>> Weighed.__slots__
    ('read', 'facts', 'pools', 'heaps')
    """

    read: Read
    facts: Facts
    pools: dict[int, Pool]
    heaps: Mapping[Key, HeapReading]

    def workloads(self) -> Iterator[tuple[list[int], dict[str, Any], Pool, Course | None]]:
        """Give the containers of each workload, its verdict, what that rests on, and its forecast.

        Yields
        ------
        tuple of (list of int, dict, Pool, Course or None)
            A workload each, in the order of the recording.
        """
        for containers in self.facts.workloads():
            pool, growing, judged = pooling.pool_instances([self.pools[container] for container in containers])
            pool = with_heap(pool, self.heap(containers[0]))
            row, course = verdict_row(pool, self.facts, containers, growing=growing, judged=judged)
            yield containers, row, pool, course

    def instance(self, container: int) -> dict[str, Any]:
        """Judge one instance by itself.

        Parameters
        ----------
        container
            Its id.

        Returns
        -------
        dict
            A row of the instances.
        """
        pool = with_heap(self.pools[container], self.heap(container))
        row, _ = verdict_row(pool, self.facts, [container], growing=0, judged=1)
        return row | self.about(container)

    def heap(self, container: int) -> HeapReading | None:
        """Find what a heap profile says about the workload of a container; None where there is no profile.

        Parameters
        ----------
        container
            Its id.

        Returns
        -------
        HeapReading or None
            As it is given to `weigh`.
        """
        about = self.facts.about[container]
        return self.heaps.get(tuple(about[name] for name in WORKLOAD))

    def about(self, container: int) -> dict[str, Any]:
        """Say what only a row of the instances has.

        Parameters
        ----------
        container
            Its id.

        Returns
        -------
        dict
            `pod` and `lives`.
        """
        return {"pod": self.facts.about[container]["pod"], "lives": len(self.facts.opinions[container])}


def weigh(found: Read, *, restarts_known: bool, heaps: Mapping[Key, HeapReading] | None = None) -> Weighed:
    """Form an opinion on every life of a block, and pool the lives of each container.

    Parameters
    ----------
    found
        The block.
    restarts_known
        Whether the source of the whole recording reports restarts.
    heaps
        What heap profiles say, by workload, as `heap_reading.by_workload` gives it.

    Returns
    -------
    Weighed
        Ready to be put in rows.

    Examples
    --------
    >>> from rmtoolkit.recording import as_recording
    >>> table = pl.DataFrame({"time": range(0, 6000, 60), "rss_bytes": [50 << 20] * 100})
    >>> weigh(read(as_recording(table)), restarts_known=True).instance(0)["verdict"]
    'not_leak'
    """
    by_life: dict[int, dict[str, dict[str, Any]]] = {}
    for row in found.readings.table.iter_rows(named=True):
        by_life.setdefault(row["life_row"], {})[row["signal"]] = row
    opinions: dict[int, list[Opinion]] = {container: [] for container in found.recording.containers["container_id"]}
    few = found.lives.filter(pl.col("samples").is_between(MINIMUM_SAMPLES, FEW_SAMPLES, closed="left"))
    short = dict(few.group_by("container_id").agg(pl.col("samples").sum()).iter_rows())
    for life in found.lives.with_row_index("life_row").iter_rows(named=True):
        others = short.get(life["container_id"], 0) - life["samples"]
        readings = by_life.get(life["life_row"], {})
        opinion = form(life, readings, restarts_known=restarts_known, others=max(others, 0))
        opinions[life["container_id"]].append(opinion)
    facts = Facts(found.recording, found.lives, found.findings, found.completeness, opinions)
    return Weighed(
        found, facts, {container: pooling.pool_lives(lives) for container, lives in opinions.items()}, heaps or {}
    )


def verdicts(block: Weighed) -> pl.DataFrame:
    """Give the verdicts of a block.

    Parameters
    ----------
    block
        The block.

    Returns
    -------
    polars.DataFrame
        A row per workload container, in the columns of `columns.VERDICTS` and `columns.FOR_VIEWS`.

    Examples
    --------
    >>> from rmtoolkit.recording import as_recording
    >>> table = pl.DataFrame({"time": range(0, 6000, 60), "rss_bytes": [50 << 20] * 100})
    >>> verdicts(weigh(read(as_recording(table)), restarts_known=True))["pattern"].to_list()
    ['plateau']
    """
    return pl.DataFrame([row for _, row, _, _ in block.workloads()], schema=VERDICTS | FOR_VIEWS, orient="row")


def instances(block: Weighed) -> pl.DataFrame:
    """Give the verdicts on the instances of a block.

    Parameters
    ----------
    block
        The block.

    Returns
    -------
    polars.DataFrame
        A row per pod and container, with `pod` and `lives` besides.

    Examples
    --------
    >>> from rmtoolkit.recording import as_recording
    >>> table = pl.DataFrame({"time": range(0, 6000, 60), "rss_bytes": [50 << 20] * 100})
    >>> instances(weigh(read(as_recording(table)), restarts_known=True))["lives"].to_list()
    [1]
    """
    rows = [block.instance(container) for containers in block.facts.workloads() for container in containers]
    return pl.DataFrame(rows, schema=VERDICTS | FOR_VIEWS | INSTANCE, orient="row")


def everything(block: Weighed) -> dict[str, pl.DataFrame]:
    """Put all that was found about a block in frames.

    Parameters
    ----------
    block
        The block.

    Returns
    -------
    dict of polars.DataFrame
        The frames of a `Judgement`, by name.

    Examples
    --------
    >>> from rmtoolkit.recording import as_recording
    >>> table = pl.DataFrame({"time": range(0, 6000, 60), "rss_bytes": [50 << 20] * 100})
    >>> sorted(everything(weigh(read(as_recording(table)), restarts_known=True)))
    ['checklist', 'completeness', 'findings', 'fits', 'forecast', 'instances', 'lives', 'verdicts']
    """
    found = list(block.workloads())
    judged = [
        (opinion.life["life_row"], opinion.signal)
        for opinions in block.facts.opinions.values()
        for opinion in opinions
        if opinion.signal is not None
    ]
    judged_frame = pl.DataFrame(judged, schema={"life_row": pl.UInt32, "signal": pl.String}, orient="row")
    return {
        "lives": block.read.lives,
        "fits": signals.fits(block.read.lives, block.read.readings, judged_frame),
        "verdicts": pl.DataFrame([row for _, row, _, _ in found], schema=VERDICTS | FOR_VIEWS, orient="row"),
        "instances": pl.DataFrame(
            # The only instance of a workload is judged with it.
            [
                row | block.about(container) if len(containers) == 1 else block.instance(container)
                for containers, row, _, _ in found
                for container in containers
            ],
            schema=VERDICTS | FOR_VIEWS | INSTANCE,
            orient="row",
        ),
        "checklist": pl.DataFrame(
            [line for _, row, pool, _ in found for line in answers(row, pool)], schema=CHECKLIST, orient="row"
        ),
        "forecast": paths(course for *_, course in found if course is not None),
        "findings": block.read.findings,
        "completeness": block.read.completeness,
    }
