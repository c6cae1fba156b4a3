"""Containers of one name that are several: their series overlap in time, with other values."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import polars as pl

from rmtoolkit.exceptions import quote
from rmtoolkit.loaders.prometheus._identity import Placed, identify_containers
from rmtoolkit.loaders.prometheus._merge import HANDOVER_MILLISECONDS
from rmtoolkit.loaders.prometheus._metrics import REPLICA_LABELS, SOURCE_LABELS
from rmtoolkit.schema import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rmtoolkit.loaders.prometheus._decode import Decoded


NOT_MERGED: Final = "samples of another container of the same name, which no label tells apart"

_AMOUNTS: Final = [name for name in SIGNALS if name.endswith("_bytes")]
#: Two looks at one container see values that lie between each other's, give or take this share.
_TOLERANCE: Final = 0.02
_SAME_SHARE: Final = 0.5
#: Labels that differ between lives, replicas and exporters of one container, or name it.
_NEVER: Final = frozenset(
    (
        *REPLICA_LABELS,
        *(label for label in SOURCE_LABELS if label != "instance"),
        *("__name__", "id", "name", "image", "image_id", "uid", "pod_uid", "pod_ip", "container_id"),
        *("namespace", "pod", "container", "pod_name", "container_name", "cluster", "exported_cluster"),
        *("exported_namespace", "exported_pod", "exported_container", "exported_job", "exported_instance"),
    )
)
#: Where nothing else differs, the machine does; a pod may move to another one, so only what overlaps is parted by it.
_MACHINES: Final = ("node", "exported_node", "kubernetes_io_hostname", "nodename", "instance")
#: Labels that part containers are found one after another.
_MOST_ROUNDS: Final = 4


class _Pair(NamedTuple):
    """Two series of one entity that contradict each other, the longer one first, and the labels that differ."""

    entity: int
    series: int
    other: int
    labels: frozenset[str]


def tell_apart(table: pl.DataFrame, decoded: Decoded, workload_pattern: str | None) -> Placed:
    """Find the container of each series; those of one name that overlap with other values are parted by a label."""
    notes: list[str] = []
    placed = identify_containers(table, decoded.labels, workload_pattern)
    for _ in range(_MOST_ROUNDS):
        pairs = list(_contradictions(placed.table, decoded))
        label = _parting_label(pairs)
        if label is None:
            break
        parted = [pair for pair in pairs if label in pair.labels]
        table = _parted(table, placed, decoded.labels, label, {pair.entity for pair in parted})
        containers = len({pair.entity for pair in parted})
        notes.append(
            f"{containers:,} container{'' if containers == 1 else 's'} of one name whose series overlap in time with "
            f"other values: told apart by the label {quote(label)}, which stands as cluster"
        )
        placed = identify_containers(table, decoded.labels, workload_pattern)
    else:
        pairs = list(_contradictions(placed.table, decoded))
    return placed._replace(
        table=placed.table.filter(~_of_others(placed.table, pairs)),
        left_out=placed.left_out + _left_out(placed.table, decoded, pairs),
        warnings=[*placed.warnings, *notes],
    )


def _contradictions(table: pl.DataFrame, decoded: Decoded) -> Iterator[_Pair]:
    starts = np.cumsum(decoded.counts) - decoded.counts
    some = (
        table.filter((pl.col("family") == "cgroup") & pl.col("role").is_in(_AMOUNTS) & pl.col("entity").is_not_null())
        .filter(pl.len().over("entity", "role", "name") > 1)
        .sort("entity", "rank", "name")
    )
    for (entity, _, _), rows in some.group_by("entity", "role", "name", maintain_order=True):
        series = sorted(rows["series"].to_list(), key=lambda index: -int(decoded.counts[index]))
        lives = dict(rows.select("series", "life").iter_rows())
        for other in series[1:]:
            labels = _differing(decoded.labels[series[0]], decoded.labels[other])
            if (labels or lives[other] != lives[series[0]]) and _contradict(decoded, starts, series[0], other):
                yield _Pair(int(str(entity)), series[0], other, labels)


def _differing(one: Mapping[str, str], other: Mapping[str, str]) -> frozenset[str]:
    return frozenset(
        label
        for label in one.keys() | other.keys()
        if label not in _NEVER
        and not label.startswith("container_label_")
        and _value(one, label) != _value(other, label)
    )


def _value(labels: Mapping[str, str], label: str) -> str:
    value = labels.get(label, "")
    # Two exporters of one machine listen at two ports.
    return re.sub(r":\d{1,5}$", "", value) if label == "instance" else value


def _contradict(decoded: Decoded, starts: np.ndarray[tuple[int], np.dtype[np.int64]], one: int, other: int) -> bool:
    """Tell whether most values of the other series lie outside of what the first one says around the same time."""
    (times, values), (others, theirs) = (
        (
            decoded.times[starts[index] :][: decoded.counts[index]],
            decoded.values[starts[index] :][: decoded.counts[index]],
        )
        for index in (one, other)
    )
    first, last = max(times[0], others[0]), min(times[-1], others[-1])
    if last - first <= HANDOVER_MILLISECONDS:
        return False
    inside = (others >= first) & (others <= last)
    after = np.minimum(np.searchsorted(times, others[inside]), len(times) - 1)
    before, after = values[np.maximum(after - 1, 0)], values[after]
    slack = _TOLERANCE * np.maximum(before, after)
    near = (theirs[inside] >= np.minimum(before, after) - slack) & (theirs[inside] <= np.maximum(before, after) + slack)
    return bool(np.mean(near) < _SAME_SHARE)


def _parting_label(pairs: list[_Pair]) -> str | None:
    """Choose the label that tells most of them apart."""
    counts = Counter(label for pair in pairs for label in pair.labels)
    ordered = sorted(counts, key=lambda label: (label in _MACHINES, -counts[label], label))
    return ordered[0] if ordered else None


def _parted(
    table: pl.DataFrame, placed: Placed, labels: list[dict[str, str]], label: str, entities: set[int]
) -> pl.DataFrame:
    """Let a label stand as cluster, or behind it."""
    value = pl.Series([_value(labels[series], label) or None for series in table["series"]], dtype=pl.String)
    cluster = pl.concat_str("cluster", value, separator="/", ignore_nulls=True)
    meant = pl.lit(value).is_not_null()
    if label in _MACHINES:
        mine = placed.table.filter(pl.col("entity").is_in(list(entities)), pl.col("level") == "container")["series"]
        meant &= pl.col("series").is_in(mine.implode())
    return table.with_columns(cluster=pl.when(meant).then(cluster).otherwise("cluster"))


def _of_others(table: pl.DataFrame, pairs: list[_Pair]) -> pl.Expr:
    """Which series belong to the lives that cannot be told apart: none of them is used."""
    if not pairs:
        return pl.lit(value=False)
    gone = table.filter(pl.col("series").is_in([pair.other for pair in pairs])).select("entity", "life").unique()
    keys = [(pl.col("entity") == entity) & pl.col("life").eq_missing(pl.lit(life)) for entity, life in gone.iter_rows()]
    return pl.any_horizontal(keys)


def _left_out(table: pl.DataFrame, decoded: Decoded, pairs: list[_Pair]) -> Counter[str]:
    gone = table.filter(_of_others(table, pairs))["series"].to_numpy()
    return Counter({NOT_MERGED: int(decoded.counts[gone].sum())} if len(gone) else {})
