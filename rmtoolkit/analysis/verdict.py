"""Judge a recording: lives, verdicts, fits, checklist and forecast, from one pass over it."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import TYPE_CHECKING, Literal

import polars as pl

from rmtoolkit.analysis.block import everything, instances, read, verdicts, weigh
from rmtoolkit.analysis.columns import VERDICTS, WORKLOAD
from rmtoolkit.analysis.heap_reading import by_workload
from rmtoolkit.analysis.shown import shown
from rmtoolkit.exceptions import RmtoolkitError, RmtoolkitWarning
from rmtoolkit.lake import Lake
from rmtoolkit.normalise import conform
from rmtoolkit.recording import Recording
from rmtoolkit.schema import SAMPLES
from rmtoolkit.spread import as_source, spread

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from distributed import Client

    from rmtoolkit.analysis.heap_reading import Heap, HeapReading, Key
    from rmtoolkit.spread import Source

    Also = Callable[[Recording, pl.DataFrame], dict[str, pl.DataFrame]]


@dataclass(frozen=True, slots=True)
class Judgement:
    """Everything that was found out about a recording; views show it and compute nothing.

    Attributes
    ----------
    recording
        What was judged. Of a lake, and of a large file, only the samples that charts show: see `analysis.shown`.
    lives
        A row per lifetime.
    fits
        A row per judged lifetime, with the fitted curve.
    verdicts
        A row per workload container: the columns of `classify` and what views need besides.
    instances
        The same per pod and container.
    checklist
        The five questions for every workload container.
    forecast
        The footprint's expected course from the last sample on.
    findings
        What `validate` found.
    completeness
        Samples of each container that are there and that were due, as `Recording.completeness` gives them.

    Examples
    --------
    >>> import polars as pl
    >>> judge(pl.DataFrame({"time": range(0, 6000, 60), "rss_bytes": [500_000] * 100}))
    <Judgement: 1 workload: 1 not_leak>
    """

    recording: Recording
    lives: pl.DataFrame
    fits: pl.DataFrame
    verdicts: pl.DataFrame
    instances: pl.DataFrame
    checklist: pl.DataFrame
    forecast: pl.DataFrame
    findings: pl.DataFrame
    completeness: pl.DataFrame

    def __repr__(self) -> str:
        """Count the verdicts."""
        counts = self.verdicts["verdict"].value_counts(sort=True).iter_rows()
        count = self.verdicts.height
        return (
            f"<Judgement: {count} workload{'' if count == 1 else 's'}: "
            + ", ".join(f"{n} {v}" for v, n in counts)
            + ">"
        )


def classify(
    recording: Source,
    heap: Heap | Mapping[str, Heap] | None = None,
    *,
    by: Literal["workload", "instance"] = "workload",
    client: Client | None = None,
) -> pl.DataFrame:
    """Say for every workload whether it leaks, why its memory is what it is, and when it reaches its limit.

    Parameters
    ----------
    recording
        A recording, any frame that can become one, or a lake, which is read part by part.
    heap
        A heap profile (or its path) of the workload, or several in the order in which they were taken; of a recording
        with several workloads a mapping: ``{"billing/api": profile}``. Steady growth in it is evidence level 5 and
        names the code; a profile that shows none speaks against a leak in the heap; one that is blind, too short or a
        single picture changes no verdict and is said to.
    by
        A row per workload container, or per pod and container with `pod` and `lives`.
    client
        Of Dask distributed: its workers judge the parts, with the same result. They must see the files under the same
        path; set POLARS_MAX_THREADS where they start.

    Returns
    -------
    polars.DataFrame
        One row each. `verdict` is ``leak``, ``not_leak`` or ``inconclusive``; `leak_probability` is capped by
        `evidence_level` (1 one resident series, 2 with restarts or limits, 3 with work or replicas, 4 with a
        live-heap gauge, 5 with a heap profile). Growth is of `signal`, bytes per day, with an 80 % interval; growth
        above `detection_floor_bytes_per_day` would have been found nine times in ten. `hours_to_limit` is null
        unless `limit_outlook` is ``reaches``. Peaks are of the working set, else the nearest signal there is.

    Raises
    ------
    RmtoolkitError
        `by` is neither of the two, there are no samples, or it cannot be told whose a heap profile is.

    Notes
    -----
    Lives are cut at known events; bounded and growing shapes compete for each (BIC, residuals with first-order
    autocorrelation); lives, pods and versions are pooled; a live-heap gauge overrules the shape of what lies
    above it. See `rmtoolkit.analysis.models`.

    Examples
    --------
    >>> import polars as pl
    >>> table = pl.DataFrame({
    ...     "time": range(0, 12_000, 60),
    ...     "workload": ["api"] * 200,
    ...     "rss_bytes": range(100_000_000, 140_000_000, 200_000),
    ... })
    >>> classify(table).select("workload", "verdict", "pattern").rows()
    [('api', 'leak', 'leak')]
    """
    if by not in ("workload", "instance"):
        msg = f"by must be 'workload' or 'instance', got {by!r}."
        raise RmtoolkitError(msg)
    frames, _ = _spread(recording, heap, partial(_rows, by=by, also=None), client)
    rows = frames["rows"]
    if by == "workload":
        return _by_urgency(rows).select(*VERDICTS)
    return rows.select("cluster", "namespace", "workload", "pod", *list(VERDICTS)[3:], "lives")


def fits(recording: Source, *, client: Client | None = None) -> pl.DataFrame:
    """Show the fit behind the verdict of every life.

    Parameters
    ----------
    recording
        A recording, any frame that can become one, or a lake, which is read part by part.
    client
        As for `classify`.

    Returns
    -------
    polars.DataFrame
        A row per life with at least 10 samples: `container_id`, `life`, `signal` judged, `model` (the
        likeliest shape), `growth_start`, `growth_end`, `growth_bytes_per_day` at the life's end with its 80 %
        interval, `detection_floor_bytes_per_day`, and `fitted`: times and values of the curve.

    Examples
    --------
    >>> import polars as pl
    >>> fits(pl.DataFrame({"time": range(0, 6000, 60), "rss_bytes": [500_000] * 100})).select("signal", "model").rows()
    [('rss_bytes', 'constant')]
    """
    return judge(recording, client=client).fits


def checklist(
    recording: Source, heap: Heap | Mapping[str, Heap] | None = None, *, client: Client | None = None
) -> pl.DataFrame:
    """Ask the five questions of every workload.

    Parameters
    ----------
    recording
        A recording, any frame that can become one, or a lake, which is read part by part.
    heap
        As `classify` takes it.
    client
        As for `classify`.

    Returns
    -------
    polars.DataFrame
        Five rows per workload container: `cluster` … `container`, `question`, `answer` (``yes``, ``no``,
        ``unknown``), `reading` (``fine``, ``concern``, ``unknown``: a yes is good news for some questions and
        bad news for others) and `because`, the evidence in words.

    Examples
    --------
    >>> import polars as pl
    >>> table = pl.DataFrame({"time": range(0, 6000, 60), "rss_bytes": [50 << 20] * 100})
    >>> checklist(table).select("answer", "reading").rows()[0]
    ('yes', 'fine')
    """
    return judge(recording, heap, client=client).checklist


def judge(
    recording: Source, heap: Heap | Mapping[str, Heap] | None = None, *, client: Client | None = None
) -> Judgement:
    """Judge everything in a recording once, for tables, charts and reports alike.

    Parameters
    ----------
    recording
        A recording, any frame that can become one, or a lake, which is read part by part.
    heap
        A heap profile (or its path) of the workload, or several in the order in which they were taken; of a recording
        with several workloads a mapping: ``{"billing/api": profile}``. Steady growth in it is evidence level 5 and
        names the code; a profile that shows none speaks against a leak in the heap; one that is blind, too short or a
        single picture changes no verdict and is said to.
    client
        As for `classify`.

    Returns
    -------
    Judgement
        All frames.

    Raises
    ------
    RmtoolkitError
        There are no samples, or it cannot be told whose a heap profile is.

    Examples
    --------
    >>> import polars as pl
    >>> judge(pl.DataFrame({"time": range(0, 6000, 60), "rss_bytes": [500_000] * 100})).verdicts["pattern"].to_list()
    ['plateau']
    """
    return judge_with(recording, None, heap, client=client)[0]


def judge_with(
    recording: Source,
    also: Also | None,
    heap: Heap | Mapping[str, Heap] | None = None,
    *,
    client: Client | None = None,
) -> tuple[Judgement, dict[str, pl.DataFrame]]:
    """Judge everything, and make further frames of each part in the same pass.

    Parameters
    ----------
    recording, heap, client
        As for `judge`.
    also
        Takes a part of the recording and its verdicts, and makes frames with the names of a workload or a
        `container_id`; with a client it must be a function of a module, or a `functools.partial` of one.

    Returns
    -------
    tuple of (Judgement, dict of polars.DataFrame)
        All that `judge` gives, and the further frames, in the order of the workloads.

    Examples
    --------
    >>> import polars as pl
    >>> table = pl.DataFrame({"time": range(0, 6000, 60), "rss_bytes": [500_000] * 100})
    >>> judge_with(table, lambda part, verdicts: {"seen": part.containers.select("container_id")})[1]["seen"].height
    1
    """
    source = as_source(recording)
    # What is not in memory does not come into it: charts get what they show.
    thin = isinstance(source, Lake) or source.stored is not None
    frames, about = _spread(source, heap, partial(_frames, thin=thin, also=also), client)
    frames["verdicts"] = _by_urgency(frames["verdicts"])
    if thin:
        about = replace(about, samples=conform(frames.pop("shown"), SAMPLES))
    mine = {name: frames.pop(name) for name in (field.name for field in fields(Judgement)) if name in frames}
    return Judgement(recording=about, **mine), frames


def verdicts_with(recording: Source, also: Also, *, client: Client | None = None) -> dict[str, pl.DataFrame]:
    """Do what `judge_with` does where of the judgement nobody needs more than the verdicts.

    Parameters
    ----------
    recording, also, client
        As for `judge_with`.

    Returns
    -------
    dict of polars.DataFrame
        What `also` made, in the order of the workloads.

    Examples
    --------
    >>> import polars as pl
    >>> table = pl.DataFrame({"time": range(0, 6000, 60), "rss_bytes": [500_000] * 100})
    >>> verdicts_with(table, lambda part, verdicts: {"found": verdicts.select("verdict")})["found"].rows()
    [('not_leak',)]
    """
    frames, _ = _spread(recording, None, partial(_rows, by="workload", also=also), client)
    return {name: frame for name, frame in frames.items() if name not in ("rows", "findings")}


def _spread(
    data: Source,
    heap: Heap | Mapping[str, Heap] | None,
    work: Callable[..., dict[str, pl.DataFrame]],
    client: Client | None,
) -> tuple[dict[str, pl.DataFrame], Recording]:
    """Judge part by part, so that a large recording needs no more memory than some of its parts."""
    source = as_source(data)
    if isinstance(source, Recording):
        if not source.height:
            msg = "The recording has no samples: there is nothing to judge."
            raise RmtoolkitError(msg)
        restarts_known = source.tells_restarts
    else:
        restarts_known = source.tells_restarts()
    heaps = {}
    if heap is not None:
        heaps = by_workload(heap, source.containers if isinstance(source, Recording) else source.containers())
    frames, about = spread(source, partial(work, restarts_known=restarts_known, heaps=heaps), client=client)
    _warn_of_units(frames["findings"])
    return frames, about


def _rows(
    part: Recording, *, by: str, also: Also | None, restarts_known: bool, heaps: dict[Key, HeapReading]
) -> dict[str, pl.DataFrame]:
    block = weigh(read(part), restarts_known=restarts_known, heaps=heaps)
    rows = verdicts(block) if by == "workload" else instances(block)
    return {"rows": rows, "findings": block.read.findings, **(also(part, rows) if also else {})}


def _frames(
    part: Recording, *, thin: bool, also: Also | None, restarts_known: bool, heaps: dict[Key, HeapReading]
) -> dict[str, pl.DataFrame]:
    block = weigh(read(part), restarts_known=restarts_known, heaps=heaps)
    frames = everything(block)
    if thin:
        frames["shown"] = shown(part, frames["lives"], frames["verdicts"]["container_id"])
    return frames | (also(part, frames["verdicts"]) if also else {})


def _warn_of_units(findings: pl.DataFrame) -> None:
    """Say it aloud when amounts look like another unit: the shape stands, every amount is wrong."""
    tiny = findings.filter(pl.col("check") == "tiny_value").unique("container_id", maintain_order=True)
    if tiny.height:
        more = f" ({tiny.height} containers)" if tiny.height > 1 else ""
        warnings.warn(
            f"{tiny['detail'][0]}{more} Give bytes; else every amount is wrong.", RmtoolkitWarning, stacklevel=3
        )


def _by_urgency(verdicts: pl.DataFrame) -> pl.DataFrame:
    """Worst first: leaks by time to limit, then what cannot be decided, then the rest by risk."""
    order = {"leak": 0, "inconclusive": 1, "not_leak": 2}
    return verdicts.sort(
        pl.col("verdict").replace_strict(order, return_dtype=pl.Int64),
        pl.col("hours_to_limit").fill_null(float("inf")),
        pl.col("oom_probability_7d").fill_null(0.0).neg(),
        *WORKLOAD,
        nulls_last=True,
        maintain_order=True,
    )
