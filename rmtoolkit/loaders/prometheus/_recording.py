"""From decoded series to a Recording: where samples, events and containers meet."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from rmtoolkit._provenance import Report
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.loaders._files import counted, warn
from rmtoolkit.loaders.prometheus._decode import tidy
from rmtoolkit.loaders.prometheus._events import Run, Seen, ends_of, events_of, without_markers
from rmtoolkit.loaders.prometheus._merge import LOOKBACK_MILLISECONDS, Merged, Signal, merge, side_by_side
from rmtoolkit.loaders.prometheus._metadata import Image, releases, version_of
from rmtoolkit.loaders.prometheus._metrics import FACTS, POD_ROLES, describe
from rmtoolkit.loaders.prometheus._overlap import NOT_MERGED, tell_apart
from rmtoolkit.recording import Recording, normalise
from rmtoolkit.schema import ABSURD_BYTES, EVENTS, SIGNALS, empty

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rmtoolkit.loaders.prometheus._decode import Decoded


UNSAMPLED: Final = "containers without a memory sample (only kube-state-metrics knows them)"
ABOUT_PODS: Final = "series about pods and owners, without a container"
NOT_FINITE: Final = "facts that were NaN or infinite"
#: No time, count or limit is this large, not even one that stands for no limit.
_ABSURD_FACT: Final = 1e30

#: Facts of pods that have a time; the others are only labels.
_POD_FACTS: Final = ("pod_start_seconds", "pod_reason")
_MERGED: Final = (*SIGNALS, *(fact for fact in FACTS if fact != "image"), *_POD_FACTS)

#: What the report says was looked for, and the metrics that would tell it.
_SOUGHT: Final = {
    "limits": (("limit_bytes",), "kube_pod_container_resource_limits or container_spec_memory_limit_bytes"),
    "restarts": (("restarts_total",), "kube_pod_container_status_restarts_total"),
    "reasons": (("last_terminated_reason", "terminated_reason"), "kube_pod_container_status_last_terminated_reason"),
    "start times": (
        ("start_time_seconds", "started_seconds", "process_start_seconds"),
        "container_start_time_seconds or kube_pod_container_state_started",
    ),
    "owners": (("pod_owner", "pod_info", "pod_workload"), "kube_pod_owner and kube_replicaset_owner"),
    "versions": (("image",), "kube_pod_container_info"),
}


class NothingUsableError(RmtoolkitError):
    """No series of the input says anything that a Recording holds."""

    def __init__(self, left_out: Mapping[str, int]) -> None:
        self.left_out = dict(left_out)
        super().__init__("; ".join(counted(count, reason) for reason, count in self.left_out.items()) or "no series")


def to_recording(
    decoded: Decoded, *, metrics: Mapping[str, str], workload_pattern: str | None, report: Report
) -> Recording:
    """Make a recording of decoded series."""
    decoded, markers = without_markers(tidy(decoded))
    described = describe(decoded.labels, metrics)
    if not described.table.height:
        raise NothingUsableError(decoded.left_out + described.left_out)
    placed = tell_apart(described.table, decoded, workload_pattern)
    if not placed.containers.height:
        raise NothingUsableError(decoded.left_out + described.left_out + Counter({ABOUT_PODS: placed.table.height}))
    table = _grouped(placed.table)
    merged = merge(table, decoded)
    groups = table.unique("group", keep="first", maintain_order=True).with_columns(count=pl.Series(merged.counts))
    samples, spans = _samples(groups.filter(pl.col("count") > 0), merged)
    runs, not_finite = _runs(groups, merged)
    images = _images(placed.table, decoded)
    seen = _seen(placed.containers, groups, runs, spans, merged.lives)
    for entity, time in ends_of(placed.table, decoded, markers, spans).items():
        seen[entity] = seen[entity]._replace(ended=time)
    kept = placed.containers.with_row_index("entity")
    present = set(placed.table["role"].unique())
    if lost := placed.left_out[NOT_MERGED]:
        warn(f"Not merged: {counted(lost, NOT_MERGED)}. Of each the longest series is used.")
    told = {name for name, (roles, _) in _SOUGHT.items() if not present.isdisjoint(roles)}
    told |= {"versions"} if images else set()
    left_out = decoded.left_out + described.left_out + placed.left_out + merged.left_out
    left_out[NOT_FINITE] = not_finite
    if samples.height:
        left_out[UNSAMPLED] = kept.height - len(spans)
        kept = kept.filter(pl.col("entity").is_in(list(spans)))
    return normalise(
        _container_rows(kept, seen, images),
        samples,
        _events(kept, seen, images),
        report.joined(
            Report(
                left_out=dict(+left_out),
                partial=tuple(dict.fromkeys(decoded.partial)),
                warnings=tuple(dict.fromkeys([*decoded.warnings, *described.warnings, *placed.warnings])),
                found=tuple(name for name in _SOUGHT if name in told),
                missing=tuple(f"{name} ({metric})" for name, (_, metric) in _SOUGHT.items() if name not in told),
                time_axis=report.time_axis,
            )
        ),
        workload_pattern=workload_pattern,
    )


def _grouped(table: pl.DataFrame) -> pl.DataFrame:
    """Give a number to what has to become one series: a role, and a reason, of a container; by role, then container."""
    chosen = table.filter(pl.col("role").is_in(_MERGED) & pl.col("entity").is_not_null())
    key = ["role", "entity", "fact"]
    ordered = chosen.sort(*key, "rank", "series", nulls_last=True)
    return ordered.with_columns(group=pl.struct(key).rle_id().cast(pl.Int64))


def _samples(groups: pl.DataFrame, merged: Merged) -> tuple[pl.DataFrame, dict[int, tuple[int, int]]]:
    """Make the frame of samples, and tell each container's first and last."""
    ends = np.cumsum(merged.counts)
    starts = ends - merged.counts
    signals: dict[str, Signal] = {}
    spans: dict[int, tuple[int, int]] = {}
    for (role,), rows in groups.filter(pl.col("role").is_in(SIGNALS)).group_by("role", maintain_order=True):
        group = rows["group"].to_numpy()
        # Groups are sorted by role: a role is one stretch of the arrays.
        stretch = slice(int(starts[group[0]]), int(ends[group[-1]]))
        entity = rows["entity"].to_numpy().astype(np.uint32)
        signals[str(role)] = Signal(
            np.repeat(entity, merged.counts[group]), merged.times[stretch], merged.values[stretch]
        )
        firsts, lasts = merged.times[starts[group]].tolist(), merged.times[ends[group] - 1].tolist()
        for container, first, last in zip(entity.tolist(), firsts, lasts, strict=True):
            before = spans.get(container, (first, last))
            spans[container] = (min(first, before[0]), max(last, before[1]))
    return side_by_side(signals), spans


def _runs(groups: pl.DataFrame, merged: Merged) -> tuple[dict[int, list[Run]], int]:
    """Reduce each fact to the stretches in which it stayed the same."""
    facts = groups.filter(~pl.col("role").is_in(SIGNALS))
    if not facts.height:
        return {}, 0
    chosen = facts["group"].to_numpy()
    ends = np.cumsum(merged.counts)
    # Only the facts: they are few, the signals are many.
    stretches = zip((ends - merged.counts)[chosen].tolist(), ends[chosen].tolist(), strict=True)
    picked = np.concatenate([np.arange(start, end) for start, end in stretches])
    owner = np.repeat(chosen, merged.counts[chosen])
    times, values = merged.times[picked], merged.values[picked]
    finite = np.abs(values) < _ABSURD_FACT
    owner, times, values = owner[finite], times[finite], values[finite]
    if not len(owner):
        return {}, len(finite)
    new_owner = np.ones(len(owner), bool)
    new_owner[1:] = np.diff(owner) != 0
    changed = new_owner.copy()
    changed[1:] |= np.diff(values) != 0
    begin = np.flatnonzero(changed)
    last = np.append(begin[1:], len(owner)) - 1
    fact = dict(zip(facts["group"].to_list(), facts["fact"].to_list(), strict=True))
    found: dict[int, list[Run]] = {}
    columns = (owner[begin], values[begin], times[begin], times[last], new_owner[begin], times[begin - 1])
    for group, value, first, until, is_first, before in zip(*(column.tolist() for column in columns), strict=True):
        found.setdefault(group, []).append(Run(value, first, until, None if is_first else before, fact[group]))
    return found, int(len(finite) - finite.sum())


def _seen(
    containers: pl.DataFrame,
    groups: pl.DataFrame,
    runs: Mapping[int, Sequence[Run]],
    spans: Mapping[int, tuple[int, int]],
    lives: pl.DataFrame,
) -> dict[int, Seen]:
    """Collect what is known of each container, from its own series and from its pod's."""
    of_container: dict[int, dict[str, list[Run]]] = {}
    of_pod: dict[int, dict[str, list[Run]]] = {}
    for group, role, entity in groups.select("group", "role", "entity").iter_rows():
        if group in runs:
            known = (of_pod if role in POD_ROLES else of_container).setdefault(entity, {})
            known[role] = _clean(role, sorted([*known.get(role, ()), *runs[group]], key=lambda run: run.first))
    replaced: dict[int, list[tuple[int, int]]] = {}
    for entity, begin, before in lives.select("entity", "begin", "before").iter_rows():
        replaced.setdefault(entity, []).append((before, begin))
    found: dict[int, Seen] = {}
    for entity, pod in enumerate(containers["pod_entity"].to_list()):
        first, last = spans.get(entity, (None, None))
        known = {**of_pod.get(pod, {}), **of_container.get(entity, {})}
        found[entity] = Seen(known, first, last, replaced.get(entity, ()))
    return found


def _clean(role: str, runs: list[Run]) -> list[Run]:
    """Take a limit of zero, or of nearly 2**63, for none."""
    if role not in ("limit_bytes", "request_bytes"):
        return runs
    return [run if 0 <= run.value < ABSURD_BYTES else run._replace(value=0.0) for run in runs]


def _images(table: pl.DataFrame, decoded: Decoded) -> dict[int, list[tuple[str, int, int]]]:
    """Which version each container ran, and when: by kube-state-metrics, else by cAdvisor's image label."""
    rows = table.filter(
        pl.col("image").is_not_null() & pl.col("entity").is_not_null() & (pl.col("level") == "container")
    )
    told = pl.col("role") == "image"
    rows = rows.filter(told | ~told.any().over("entity"))
    ends = np.cumsum(decoded.counts)
    found: dict[int, dict[str, tuple[int, int]]] = {}
    for series, entity, image, image_id in rows.select("series", "entity", "image", "image_id").iter_rows():
        version = version_of(image, image_id)
        if version is not None:
            first, last = (
                int(decoded.times[ends[series] - decoded.counts[series]]),
                int(decoded.times[ends[series] - 1]),
            )
            before = found.setdefault(entity, {}).get(version, (first, last))
            found[entity][version] = (min(first, before[0]), max(last, before[1]))
    return {
        entity: sorted(((version, *span) for version, span in versions.items()), key=lambda one: one[1:])
        for entity, versions in found.items()
    }


def _container_rows(
    kept: pl.DataFrame, seen: Mapping[int, Seen], images: Mapping[int, Sequence[tuple[str, int, int]]]
) -> pl.DataFrame:
    entities = kept["entity"].to_list()
    limits = [seen[entity].runs.get("limit_bytes", ()) for entity in entities]
    requests = [seen[entity].runs.get("request_bytes", ()) for entity in entities]
    return kept.select(pl.exclude("entity", "pod_entity", "workload_guess")).with_columns(
        container_id=pl.Series(entities, dtype=pl.UInt32),
        limit_bytes=pl.Series([int(runs[-1].value) or None if runs else None for runs in limits], dtype=pl.Int64),
        limit_known=pl.Series([bool(runs) for runs in limits], dtype=pl.Boolean),
        request_bytes=pl.Series([int(runs[-1].value) or None if runs else None for runs in requests], dtype=pl.Int64),
        version=pl.Series(
            [images[entity][-1][0] if entity in images else None for entity in entities], dtype=pl.String
        ),
        source=pl.lit("prometheus"),
    )


def _events(
    kept: pl.DataFrame, seen: Mapping[int, Seen], images: Mapping[int, Sequence[tuple[str, int, int]]]
) -> pl.DataFrame:
    rows: list[tuple[int, int, str, int | None, str | None]] = []
    ran: list[Image] = []
    for entity, *workload in kept.select("entity", "cluster", "namespace", "workload_guess", "container").iter_rows():
        found = events_of(seen[entity])
        rows.extend((entity, event.time, event.kind, event.value_bytes, event.detail) for event in found)
        for number, (version, first, last) in enumerate(images.get(entity, ())):
            # A new pod's version is told a little later than its memory: both began together.
            begun = seen[entity].first if number == 0 else None
            ran.append(Image(entity, tuple(workload), version, first if begun is None else begun, last))
    for container, time, version in releases(ran, LOOKBACK_MILLISECONDS):
        rows.append((container, time, "release", None, version))
    if not rows:
        return empty(EVENTS)
    frame = pl.DataFrame(rows, schema={**EVENTS, "time": pl.Int64()}, orient="row")
    return frame.with_columns(pl.col("time").cast(EVENTS["time"]))
