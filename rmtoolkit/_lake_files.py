"""The files of a lake: one per bucket and day, read by part, with marks of what a pull has fetched."""

from __future__ import annotations

import datetime as dt
import json
import os
import random
import re
import time
import zlib
from contextlib import suppress
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import numpy as np
import polars as pl
from msgspec import Meta, Struct, ValidationError, convert, structs
from msgspec.json import encode as encode_json
from msgspec.json import format as format_json
from msgspec.structs import astuple

from rmtoolkit import _tables, schema, text
from rmtoolkit._identity import contradictions, parting, place_names
from rmtoolkit._io import as_json, for_polars, read_json, replacing
from rmtoolkit._parallel import PART_ROWS
from rmtoolkit.exceptions import ColumnError, ReadError, RmtoolkitError, quote_path, system_words, warn
from rmtoolkit.recording import (
    Recording,
    Stored,
    as_one,
    as_parquet,
    concat,
    containers_of,
    doubt,
    doubtful_amounts,
    frames_of,
    has,
    ids_apart,
    open_parts,
    parted,
    seldom_seen,
    stamp_of,
    under_several_ids,
)
from rmtoolkit.schema import CONTAINERS, IDENTITY, SAMPLES, SIGNALS, Report, empty
from rmtoolkit.text import stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from rmtoolkit._store import Remote

    Place = Path | Remote

_METADATA_KEY: Final = "rmtoolkit.lake"
_EXPECTED: Final = "a partition of a lake"
#: A file that is replaced while it is read is read again.
_TRIES: Final = 5
_STORE_TRIES: Final = 8
_PLACE: Final = re.compile(r"bucket=(\d+)[/\\]([0-9-]+)\.parquet$")
#: What tells a workload from others; the containers of a file are sorted by it first.
_WORKLOAD = IDENTITY[:3]
_NAMED: Final = (*IDENTITY, "workload_inferred")
#: Stretches of time that a line names.
_SHOWN: Final = 3
FILE: Final = "pulls.json"
Instant = Annotated[dt.datetime, Meta(tz=True)]
Span = tuple[Instant, Instant]
#: Fewer samples may be equal at equal instants by chance; an hour, or so many, tell who is who.
_ALIKE: Final = 2
_HOUR: Final = dt.timedelta(hours=1)
_TELLING: Final = 30
_UNSURE, _UNCOUNTED = (str(text.texts("words")["reports"][name]) for name in ("unsure", "uncounted"))


def bucket_of(cluster: str | None, namespace: str | None, workload: str | None, buckets: int) -> int:
    names = "\x1f".join(name or "" for name in (cluster, namespace, workload))
    return zlib.crc32(names.encode("utf-8", "surrogatepass")) % buckets


def place_of(file: Place) -> tuple[int, dt.date] | None:
    with suppress(ValueError):
        if found := _PLACE.search(str(file)):
            return int(found[1]), dt.date.fromisoformat(found[2])
    return None


def read_partition(file: Place, workloads: pl.DataFrame | None = None) -> Recording:
    for tries_left in reversed(range(_TRIES)):
        seen = stamp_of(file)
        try:
            return _read(file, workloads)
        except ReadError:
            # Somebody appends meanwhile: the new file is as whole as the old one was.
            if not tries_left or stamp_of(file) == seen:
                raise
    raise AssertionError


def _read(file: Place, workloads: pl.DataFrame | None) -> Recording:
    containers, stored, events, report = open_parts(file)
    try:
        wanted = as_json(pl.read_parquet_metadata(for_polars(file))[_METADATA_KEY])["crc32"]
    except (pl.exceptions.PolarsError, OSError, KeyError, ValueError, TypeError) as error:
        raise ReadError.at(file, found="a recording from elsewhere", expected=_EXPECTED) from error
    if workloads is not None:
        places = containers.with_row_index("place").join(
            workloads, on=workloads.columns, how="semi", nulls_equal=True, maintain_order="left"
        )["place"]
        # Containers are sorted by workload, and samples by container: what is asked for lies together.
        begin, end = (int(places[0]), int(places[-1]) + 1) if places.len() else (0, 0)
        containers, stored, wanted = containers[begin:end], stored.part(begin, end), wanted[begin:end]
        events = events.filter(pl.col("container_id").is_in(containers["container_id"].implode()))
    samples = stored()
    if checksums(samples, stored.signals, stored.counts or ()) != wanted:
        hint = "The file is damaged: restore it from a backup, or move it away and fill the day again."
        raise ReadError.at(file, found="other samples than were written", expected=_EXPECTED, hint=hint)
    return Recording(containers, samples, events, report)


def tells_restarts(file: Place) -> bool:
    """Tell whether the source of a partition reports restarts, from the end of the file alone."""
    with suppress(pl.exceptions.PolarsError, OSError, KeyError, ValueError, TypeError):
        return bool(as_json(pl.read_parquet_metadata(for_polars(file))[_METADATA_KEY])["restarts"])
    return False


def extent(files: Sequence[Place]) -> tuple[dt.datetime, dt.datetime] | None:
    found = []
    for file in files:
        with suppress(pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
            ends = {"first": pl.col("time").min(), "last": pl.col("time").max()}
            found.append(pl.scan_parquet(for_polars(file)).select(**ends).collect())
    if not found:
        return None
    first, last = pl.concat(found).select(pl.col("first").min(), pl.col("last").max()).row(0)
    return None if first is None else (first, last)


def checksums(samples: pl.DataFrame, signals: Sequence[str], counts: Sequence[int]) -> list[int]:
    bounds = list(accumulate(counts, initial=0))
    if bounds[-1] != samples.height:
        return []
    totals = list(counts)
    for name in ("time", *signals):
        column = samples[name].to_physical()
        values = [column.fill_null(0).to_numpy()]
        if column.null_count():
            values.append(column.is_null().to_numpy())
        for array in values:
            view = np.ascontiguousarray(array).data.cast("B")
            size = array.itemsize
            totals = [
                zlib.crc32(view[size * low : size * high], total)
                for total, low, high in zip(totals, bounds, bounds[1:], strict=False)
            ]
    return totals


def packed(recording: Recording) -> bytes:
    def about(rows: Sequence[int], signals: Sequence[str]) -> dict[str, str]:
        told = {"crc32": checksums(recording.samples, signals, rows), "restarts": recording.tells_restarts}
        return {_METADATA_KEY: json.dumps(told)}

    return as_parquet(recording, ["container_id", *IDENTITY, "time", *SIGNALS], about)


def rewrite(file: Place, make: Callable[[Place], bytes | None]) -> bool:
    """Put what is made of a file in its place: it stays whole until the new one is; tell whether there was anything."""
    if isinstance(file, Path):
        if (made := make(file)) is None:
            return False
        file.parent.mkdir(exist_ok=True)
        with replacing(file) as part, part.open("wb") as stream:
            stream.write(made)
            stream.flush()
            os.fsync(stream.fileno())
        # Also when the power fails.
        sync_folder(file.parent)
        return True
    # A folder is locked meanwhile. In a store, what somebody else wrote meanwhile is looked at again.
    for tries in range(_STORE_TRIES):
        seen = file.read()
        if (made := make(seen)) is None:
            return False
        if seen.put(made):
            return True
        # Not in step with the others.
        time.sleep(random.uniform(0, 0.02 * 2**tries))  # noqa: S311 - no secret
    msg = f"Could not write {quote_path(file)}: others wrote it {_STORE_TRIES} times meanwhile. Try later."
    raise RmtoolkitError(msg)


def sync_folder(folder: Path) -> None:
    # Some systems cannot open folders; there it is not needed.
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def added(file: Place, new: Recording, events_within: tuple[dt.datetime, dt.datetime] | None) -> bytes | None:
    try:
        old = read_partition(file)
    except FileNotFoundError:
        return packed(new)
    kept = old.events
    if events_within is not None:
        again = old.containers.join(new.containers, on=IDENTITY, how="semi", nulls_equal=True)["container_id"]
        stale = pl.col("container_id").is_in(again.implode()) & pl.col("time").is_between(*events_within)
        kept = kept.filter(~stale)
    parts = [Recording(old.containers, old.samples, kept), Recording(new.containers, new.samples, new.events)]
    whole = _with_changes(parts, concat(parts))
    # Whatever more the reports say: nothing that was measured is new.
    if replace(whole, report=old.report) == old:
        return None
    return packed(replace(whole, report=joined([old.report, new.report])))


def known(found: Recording, before: pl.DataFrame) -> pl.DataFrame:
    rows = _tables.beside(found.samples, found.containers.select("container_id", *_NAMED), "container_id")
    timed = rows.select(
        *_NAMED, "time", *schema.BYTE_SIGNALS, source=pl.lit(found.report.sources, pl.List(pl.String()))
    )
    return pl.concat([before.select(_NAMED), timed], how="diagonal")


def samples_of(part: Recording) -> dict[str, pl.DataFrame]:
    return {"samples": part.samples}


def beginnings(part: Recording) -> dict[str, pl.DataFrame]:
    is_early = pl.col("time") <= pl.col("time").min().over("container_id") + _HOUR
    return {"samples": part.samples.filter(is_early | (pl.int_range(pl.len()).over("container_id") < _TELLING))}


def _pairs(containers: pl.DataFrame, samples: pl.DataFrame, there: pl.DataFrame) -> pl.DataFrame:
    """Pair containers with those there that are called alike but for their cluster; say what each is to the other."""
    old = there.unique(IDENTITY, keep="first", maintain_order=True).select(IDENTITY).with_row_index("old")
    mine, theirs, key = pl.col("cluster"), pl.col("cluster_known"), ["container_id", "old"]
    own, within = mine.eq_missing(theirs), [mine.str.starts_with(theirs + "/"), theirs.str.starts_with(mine + "/")]
    pairs = containers.join(old, on=IDENTITY[1:], nulls_equal=True, suffix="_known")
    pairs = pairs.filter(own | mine.is_null() | theirs.is_null() | pl.any_horizontal(*within))
    timed = there.drop_nulls("time").join(old, on=IDENTITY, nulls_equal=True)
    # Of a whole day only the stretches that both have are laid beside each other.
    spans = timed.group_by("old").agg(first=pl.col("time").min(), last=pl.col("time").max())
    placed, near = pairs.lazy().select(key).join(spans.lazy(), on="old"), pl.col("time").is_between("first", "last")
    asked = [
        rows.lazy().join(placed, on=on).filter(near).select(*key, "time", *schema.BYTE_SIGNALS, part=pl.lit(on))
        for rows, on in ((samples, "container_id"), (timed, "old"))
    ]
    looks = pl.collect_all(asked, engine="streaming")
    both = looks[0].join(looks[1], on=[*key, "time"], suffix="_known").group_by(key)
    same = [pl.col(name) == pl.col(f"{name}_known") for name in schema.BYTE_SIGNALS]
    equal, said = (pl.sum_horizontal(some).sum() for some in (same, [one.is_not_null() for one in same]))
    alike = both.agg(same=(equal >= _ALIKE) & (2 * equal >= said)).filter("same")
    rows = pl.concat(looks).sort("time").join(alike, on=key, how="anti")
    found = [(*some[0].row(0)[:2], is_still) for _, some, is_still in contradictions(rows, key, "part", _ALIKE)]
    unlike = pl.DataFrame(found, {**dict.fromkeys(key, pl.UInt32()), "is_still": pl.Boolean()}, orient="row")
    other = pl.col("is_still").is_not_null()
    kinds = {"stranger": own & other, "itself": own, "another": other, "renamed": pl.col("same")}
    kin = pl.coalesce(*(pl.when(is_so).then(pl.lit(kind)) for kind, is_so in kinds.items()), pl.lit("unknown"))
    pairs = pairs.join(alike, on=key, how="left").join(unlike, on=key, how="left")
    return pairs.select(*key, mine, theirs, "same", "is_still", kin=kin)


def _named_in_part(recording: Recording, there: pl.DataFrame) -> tuple[Recording, int]:
    """Give what says less the names of the only one there that says more; count those that may be others there."""
    mine, old = recording.containers, there.select(_NAMED).unique(maintain_order=True)
    filled = _tables.fill_in(pl.concat([mine, old], how="diagonal"))
    named = filled.head(mine.height).with_columns(mine["cluster"])
    # An id is looked up as well when the lake is read.
    old = old.with_columns(filled["pod_uid"].tail(old.height))
    ours, theirs = named.drop_nulls("pod"), old.drop_nulls("pod")
    said, key = pl.col("namespace").is_not_null(), ["cluster", "pod", "container"]
    # Who is called alike in two namespaces is two: only those without one may be anybody of that name.
    met = [(ours, theirs, [*key, "namespace"])]
    met += [(ours.filter(one), theirs.filter(other), key) for one, other in ((~said, said), (said, ~said))]
    both = pl.concat(
        one.join(other, on=on, nulls_equal=True, suffix="_known", coalesce=False) for one, other, on in met
    )
    unsaid = {name: pl.any_horizontal(pl.col(name, f"{name}_known").is_null()) for name in ("namespace", "pod_uid")}
    unsaid["workload"] = pl.any_horizontal(pl.col("workload_inferred", "workload_inferred_known"))
    differs = {name: pl.col(name).ne_missing(pl.col(f"{name}_known")) for name in unsaid}
    may_be = both.filter(*(~differs[name] | gap for name, gap in unsaid.items()), pl.any_horizontal(*differs.values()))
    doubtful = may_be["container_id"].n_unique()
    return recording if named.equals(mine) else together([replace(recording, containers=named)]), doubtful


def as_known(recording: Recording, there: pl.DataFrame) -> Recording:
    """Call containers as those of a lake that have the same samples; say of how many nobody can tell."""
    if there.is_empty():
        return recording
    recording, doubtful = _named_in_part(recording, there)
    there = there.join(recording.containers, on=IDENTITY[1:], how="semi", nulls_equal=True)
    times = there.select(pl.col("time").min(), pl.col("time").max().alias("last")).row(0)
    samples = recording.window(*times).samples if times[0] else empty(SAMPLES)
    containers, report, pairs = recording.containers, recording.report, _pairs(recording.containers, samples, there)
    itself, strangers = pairs.filter(kin="itself"), pairs.filter(kin="stranger")
    theirs, alone = pl.col("cluster_known"), (pl.len().over("container_id") == 1) & (pl.len().over("old") == 1)
    # Without a cluster it would be taken for any of several.
    rest = _without(pairs.filter(pl.col("kin").is_in(["another", "renamed", "unknown"])), itself)
    rest = rest.with_columns(sure=alone | theirs.is_not_null())
    renamed = rest.filter(kin="renamed").filter(alone, "sure")
    unknown = _without(rest.filter(pl.col("kin") != "another"), renamed).join(strangers, on="container_id", how="anti")
    called, goes = (dict(renamed.select(name, theirs).iter_rows()) for name in ("container_id", "cluster"))
    sources, new = {*there["source"].explode().drop_nulls()}, report.sources
    if {*new} - sources:
        if (strangers := strangers.join(renamed, on="container_id", how="anti")).height:
            name = place_names([*sorted(sources.difference(new)), ", ".join(new)])[", ".join(new)]
            called |= dict(strangers.select("container_id", parting("cluster", pl.lit(name))).iter_rows())
            report = parted(report, is_still=bool(strangers["is_still"].any()))
        nameless = containers.select(pl.all_horizontal(pl.col(IDENTITY).is_null()).any()).item()
        if nameless and itself["same"].null_count():
            places = [*place_names([*sorted(sources), *new]).values()] if sources else [new[0], ""]
            report = replace(report, warnings=(*report.warnings, *as_one(places)))
    begun = containers.join(there, on=IDENTITY, how="semi", nulls_equal=True)
    begun = begun.join(there.drop_nulls("time"), on=IDENTITY, how="anti", nulls_equal=True)
    if begun.height and {"restarts", "OOM kills"} & {*report.found}:
        said = f"{text.count(begun.height, 'container')} {_UNCOUNTED}"
        warn(text.sentence(said))
        report = report.more(warnings=(said,))
    if unsure := unknown["container_id"].n_unique() + doubtful:
        report = report.more(unusable=schema.in_doubt(f"{text.count(unsure, 'container')} {_UNSURE}"))
    # What is new goes where others of its cluster go, unless two would then be one.
    met = {*pairs["container_id"]}
    clusters = [
        called.get(key, cluster if key in met else goes.get(cluster, cluster))
        for key, cluster in containers.select("container_id", "cluster").iter_rows()
    ]
    renamed = containers.with_columns(cluster=pl.Series(clusters, dtype=pl.String))
    twice = renamed.select(IDENTITY).is_duplicated() & ~containers["container_id"].is_in(met)
    renamed = renamed.with_columns(cluster=pl.when(twice).then(containers["cluster"]).otherwise("cluster"))
    if renamed.equals(containers):
        return replace(recording, report=report)
    return replace(together([replace(recording, containers=renamed)]), report=report)


def _without(pairs: pl.DataFrame, settled: pl.DataFrame) -> pl.DataFrame:
    return pairs.join(settled, on="container_id", how="anti").join(settled, on="old", how="anti")


def cut(recording: Recording, containers: pl.DataFrame, samples: pl.DataFrame, events: pl.DataFrame) -> Recording:
    ids = containers.select(old="container_id").with_row_index("container_id")
    samples, events = (
        frame.rename({"container_id": "old"}).join(ids, on="old", maintain_order="left").select(frame.columns)
        for frame in (samples, events)
    )
    about = _tables.with_cadences(containers.drop("container_id").with_row_index("container_id"), samples)
    return Recording(about, samples, events, recording.report)


def _with_changes(parts: Sequence[Recording], whole: Recording) -> Recording:
    """Add limits and requests that changed between two parts, so that neither part saw the change."""
    seen, columns = [], (*IDENTITY, "first", "last", "said")
    for part in parts:
        told = part.containers.join(_tables.spans(part.samples), on="container_id", how="inner")
        for kind in ("limit", "request"):
            said = part.events.filter(kind=kind).group_by("container_id").agg(said=pl.col("time").min())
            known = pl.col("limit_known") if kind == "limit" else pl.col("request_bytes").is_not_null()
            about = {"kind": pl.lit(kind), "value_bytes": pl.col(f"{kind}_bytes")}
            seen.append(_tables.beside(told.filter(known), said, "container_id").select(*columns, **about))
    place, own = (*IDENTITY, "kind"), pl.col("said")
    changed = (own.is_not_null().any() | (pl.col("value_bytes").n_unique() > 1)).over(place)
    begin, last = pl.coalesce("said", "first"), pl.col("last")
    # What overlaps is of two sources, and what a part saw itself says more than the difference between two.
    apart = (one.over(place, order_by="first") for one in (last.shift() < begin, last < begin.shift(-1)))
    rows = pl.concat(seen).filter(own.is_null(), changed, pl.any_horizontal(apart)).rename({"first": "time"})
    ids = whole.containers.select("container_id", *IDENTITY)
    changes = _tables.conform(rows.join(ids, on=IDENTITY, nulls_equal=True), schema.EVENTS)
    events = _tables.tidy_events(pl.concat([whole.events, changes]))
    # What held before, and goes on, is no change.
    same = (pl.col("value_bytes").rle_id().diff() == 0).over("container_id", "kind").fill_null(value=False)
    return replace(whole, events=events.filter(~(same & pl.col("kind").is_in(("limit", "request")))))


def joined(reports: Iterable[Report]) -> Report:
    """Put the reports of partitions together: they repeat each other, so counts are not added up."""
    different = {repr(report): report for report in reports}.values()
    whole = Report(time_axis="")
    counts: dict[str, int] = {}
    for report in different:
        for reason, count in report.left_out.items():
            counts[reason] = max(count, counts.get(reason, 0))
        whole = whole.joined(report)
    axes = dict.fromkeys(axis for axis in whole.time_axis.split("; ") if axis)
    asked = dict.fromkeys(part for part in whole.asked.split("; ") if part)
    return replace(whole, left_out=counts, asked="; ".join(asked), time_axis="; ".join(axes))


def together(found: Sequence[Recording]) -> Recording:
    # Provisional ids rise with the days: of two limits the later one counts.
    parts = ids_apart(list(map(frames_of, found)))
    stacked = pl.concat(part["containers"] for part in parts)
    # Who is who was settled when they were appended.
    frame, mapping = _tables.key_containers(stacked, None, settled=True)
    old = mapping["old_id"].to_numpy()
    numbers = np.zeros(int(old.max(initial=0)) + 1, dtype=np.uint32)
    numbers[old] = mapping["container_id"].to_numpy()

    def keyed(rows: pl.DataFrame) -> pl.DataFrame:
        return rows.with_columns(pl.Series("container_id", numbers[rows["container_id"].to_numpy()]))

    # What two sources said of one container on the same day is joined as everywhere.
    samples, _ = _tables.order_samples(pl.concat([keyed(part["samples"]) for part in parts], rechunk=True))
    events = pl.concat(keyed(part["events"]) for part in parts)
    containers = _tables.with_cadences(frame, samples)
    report = joined(part.report for part in found)
    unusable = dict.fromkeys((*report.unusable, *doubtful_amounts(containers, samples, events)))
    at_once = doubt(under_several_ids(containers, samples)[0], schema.AT_ONCE)
    warnings = dict.fromkeys((*report.warnings, *seldom_seen(stacked), *at_once))
    report = replace(report, unusable=tuple(unusable), warnings=tuple(warnings))
    whole = Recording(containers, samples, _tables.tidy_events(events), report)
    kinds = keyed(stacked).select("container_id", "limit_known", "limit_bytes", "request_bytes").unique()
    return whole if kinds.height == containers.height else _with_changes(found, whole)


def named_in(files: Sequence[Place], view: View) -> tuple[set[Place], pl.DataFrame]:
    """Find those who are looked at by name, and the files that have any; what cannot be read is said elsewhere."""
    heads = []
    for place in files:
        with suppress(ReadError, OSError):
            heads.append((place, containers_of(place)))
    whole = pl.concat([empty(CONTAINERS), *(containers for _, containers in heads)])
    number = np.repeat(range(len(heads)), [containers.height for _, containers in heads])
    found = whole.with_columns(place=pl.Series(number, dtype=pl.Int64)).filter(*view.names)
    return {heads[at][0] for at in found["place"].unique()}, found


def bucket_parts(files: Sequence[Place], view: View, failed: list[ReadError]) -> Iterator[Recording]:
    """Read what is looked at of a bucket, or of several small ones, part by part; other files are not read on."""
    heads = []
    for place in files:
        try:
            # An object is fetched once, for its head and its samples.
            file = place if isinstance(place, Path) else place.read()
            containers, stored, _, _ = open_parts(file)
        except (ReadError, OSError) as error:
            failed.append(as_read_error(place, error))
        else:
            heads += [(file, containers, stored)] if containers.filter(*view.names).height else []
    if not heads:
        return
    bad: set[Place] = set()
    chosen = _numbered([head[1:] for head in heads]).partition_by("part", maintain_order=True)
    for names in chosen:
        found = []
        for file, *_ in heads:
            if file in bad:
                continue
            try:
                found.append(read_partition(file, None if len(chosen) == 1 else names.select(_WORKLOAD)))
            except (ReadError, OSError) as error:
                bad.add(file)
                failed.append(as_read_error(file, error))
        if found := [partition for partition in found if partition.containers.height]:
            yield view.kept(together(found))


def gathered(found: Sequence[dict[str, pl.DataFrame]]) -> dict[str, pl.DataFrame]:
    parts = ids_apart(found)
    whole = {name: pl.concat((part[name] for part in parts), how="diagonal") for name in found[0]}
    ordered = whole["containers"].sort(IDENTITY, nulls_last=True, maintain_order=True)
    numbers = ordered.select("container_id", *_WORKLOAD, place=pl.struct(_WORKLOAD).rle_id()).with_row_index("new")
    names = numbers.unique(_WORKLOAD, keep="first").select(*_WORKLOAD, "place")

    def rekeyed(frame: pl.DataFrame) -> pl.DataFrame:
        columns = frame.columns
        if "container_id" in columns:
            about = numbers.select("container_id", "new", "place")
            joined = _tables.beside(frame, about, "container_id").with_columns(container_id="new")
        elif set(_WORKLOAD) <= set(columns):
            joined = _tables.beside(frame, names, _WORKLOAD)
        else:
            return frame
        # Within a workload the rows stay as its part gave them.
        return joined.sort("place", maintain_order=True).select(columns)

    frames = {name: rekeyed(frame) for name, frame in whole.items() if name != "containers"}
    frames["containers"] = ordered.drop("container_id").with_row_index("container_id").select(*CONTAINERS)
    return frames


def _numbered(heads: Sequence[tuple[pl.DataFrame, Stored]]) -> pl.DataFrame:
    counted = [pl.DataFrame(schema={**dict.fromkeys(_WORKLOAD, pl.String()), "rows": pl.Int64()})]
    counted += [
        containers.select(*_WORKLOAD, rows=pl.Series(stored.counts, dtype=pl.Int64))
        for containers, stored in heads
        if stored.counts is not None
    ]
    totals = pl.concat(counted).group_by(_WORKLOAD).agg(pl.col("rows").sum()).sort(_WORKLOAD, nulls_last=True)
    before = totals["rows"].cum_sum() - totals["rows"]
    return totals.select(*_WORKLOAD, part=before // PART_ROWS)


def as_read_error(file: Place, error: ReadError | OSError) -> ReadError:
    return error if isinstance(error, ReadError) else ReadError.at(file, found=system_words(error), expected=_EXPECTED)


class Pulls(Struct, frozen=True):
    asked: list[Span] = []
    pulled: list[Span] = []

    @property
    def owed(self) -> list[Span]:
        return [span for asked in self.asked for span in missing(asked, self.pulled, dt.timedelta(0))]


def read_pulls(file: Place) -> dict[str, Pulls]:
    try:
        told = convert(read_json(file), dict[str, Pulls])
        return {source: Pulls(*(union(map(_in_utc, some)) for some in astuple(one))) for source, one in told.items()}
    except RmtoolkitError:
        raise
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, OverflowError, ValidationError):
        warn(f"{quote_path(file)} cannot be read: nobody knows what is missing, and all is pulled again.")
        return {}


def _in_utc(span: Span) -> Span:
    start, end = (one.astimezone(dt.UTC) for one in span)
    return start, end


def note(lake: Place, source: str, *, asked: Span | None = None, pulled: Span | None = None) -> None:
    def noted(file: Place) -> bytes:
        known = read_pulls(file)
        mine = known.get(source, Pulls())
        # What was asked for before, and has come, is settled.
        owed = union([*mine.owed, asked]) if asked else mine.asked
        known[source] = Pulls(owed, union([*mine.pulled, pulled]) if pulled else mine.pulled)
        return format_json(encode_json(known, order="sorted"), indent=1)

    rewrite(lake / FILE, noted)


def owed_lines(lake: Place, view: View) -> tuple[str, ...]:
    pulls = read_pulls(lake / FILE)
    lines = []
    for source, mine in pulls.items():
        told = _told(source)
        # The same from another address stands for it.
        same = [one.pulled for name, one in pulls.items() if {**_told(name), "url": None} == {**told, "url": None}]
        come = union(span for spans in same for span in spans)
        owed = [
            (start, end)
            for start, end in Pulls(mine.asked, come).owed
            if (view.end is None or start < view.end) and (view.start is None or end > view.start)
        ]
        if owed:
            stretches = ", ".join(f"{stamp(start)} to {stamp(end)}" for start, end in owed[:_SHOWN])
            more = f" and {len(owed) - _SHOWN} more stretches" if len(owed) > _SHOWN else ""
            lines.append(f"the pull from {told.get('url', source)} lacks {stretches}{more} UTC; run it again")
    return tuple(lines)


def _told(source: str) -> dict[str, Any]:
    with suppress(ValueError):
        if isinstance(told := as_json(source), dict):
            return told
    return {"source": source}


def union(spans: Iterable[Span]) -> list[Span]:
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found


def missing(wanted: Span, known: Sequence[Span], overlap: dt.timedelta) -> list[Span]:
    start, stop = wanted
    found: list[Span] = []
    for begin, end in known:
        settled = end - overlap
        if settled <= start or begin >= stop:
            continue
        if begin > start:
            found.append((start, begin))
        start = max(start, settled)
    if start < stop:
        found.append((start, stop))
    return found


class View(Struct, frozen=True):
    start: dt.datetime | None = None
    end: dt.datetime | None = None
    predicates: tuple[pl.Expr, ...] = ()
    equal: Mapping[str, Any] = {}

    def between(self, start: dt.datetime | None, end: dt.datetime | None) -> View:
        starts = [time for time in (self.start, start) if time is not None]
        ends = [time for time in (self.end, end) if time is not None]
        return structs.replace(self, start=max(starts, default=None), end=min(ends, default=None))

    def only(self, predicates: Iterable[pl.Expr], equal: Mapping[str, Any]) -> View:
        for name in equal:
            if name not in CONTAINERS:
                raise ColumnError.missing(name, CONTAINERS)
        same = [has(name, self.equal[name]) for name in equal if name in self.equal]
        return structs.replace(self, predicates=(*self.predicates, *same, *predicates), equal={**self.equal, **equal})

    def covers(self, date: dt.date) -> bool:
        return (self.start is None or self.start.date() <= date) and (self.end is None or date <= self.end.date())

    def kept(self, part: Recording) -> Recording:
        if self.start is not None or self.end is not None:
            part = part.window(self.start, self.end)
        conditions = [*(has(name, wanted) for name, wanted in self.equal.items()), *self.predicates]
        return part.filter(*conditions) if conditions else part

    @property
    def names(self) -> list[pl.Expr]:
        return [has(name, wanted) for name, wanted in self.equal.items() if name in IDENTITY]

    def check(self, containers: pl.DataFrame) -> None:
        names = {name: wanted for name, wanted in self.equal.items() if name in IDENTITY}
        Recording(containers, empty(SAMPLES)).filter(**names)
