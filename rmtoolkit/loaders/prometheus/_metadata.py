"""Limits, owners, restarts and versions: coarsely for all, exactly where something happened."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import polars as pl

from rmtoolkit import _workloads
from rmtoolkit._workloads import NO_OWNER, Owner, Pod, top_owner
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.loaders.prometheus._fetch import BUDGET, Ask, Part, one_of, plan, together, where
from rmtoolkit.loaders.prometheus._metrics import KNOWN, Meaning, meaning_of
from rmtoolkit.schema import IDENTITY, SIGNALS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rmtoolkit.loaders.prometheus._decode import Decoded
    from rmtoolkit.loaders.prometheus._discover import Leg
    from rmtoolkit.loaders.prometheus._fetch import Fetcher


#: Facts seldom change: with fewer samples than that in the window they are simply fetched.
_FEW_SAMPLES: Final = 400
#: Else they are looked at this often, and again closely where something changed.
_LOOKS: Final = 336
#: Series that say something only while their value is 1.
_REASONS: Final = ("last_terminated_reason", "terminated_reason", "pod_reason")
#: Facts whose change is an event.
_WATCHED: Final = (
    *_REASONS,
    "restarts_total",
    "start_time_seconds",
    "started_seconds",
    "oom_events_total",
    "limit_bytes",
    "request_bytes",
    "last_terminated_exitcode",
    "last_terminated_timestamp",
)
#: Samples that a closer look may cost.
_CLOSER_SAMPLES: Final = 2 * BUDGET


class Metadata(NamedTuple):
    """What is known beside the samples."""

    parts: list[Decoded]  # series, in any order
    warnings: tuple[str, ...] = ()
    partial: tuple[str, ...] = ()


def is_signal(name: str, overrides: Mapping[str, str]) -> bool:
    """Tell whether a metric is sampled into a column, or tells a fact."""
    return _meaning(name, overrides).role in SIGNALS


def _meaning(name: str, overrides: Mapping[str, str]) -> Meaning:
    # A metric that tells the kind of memory by a label is one of the allocator.
    return meaning_of(name, {"type": "allocated"}, overrides) or Meaning("", "app")


def fetch_metadata(
    fetcher: Fetcher, legs: Sequence[Leg], overrides: Mapping[str, str], after_seconds: int, until_seconds: int
) -> Metadata:
    """Fetch all facts of a window."""
    known = [leg for leg in (_facts_of(leg, overrides) for leg in legs) if leg.counts]
    if not known:
        return Metadata([])
    length = until_seconds - after_seconds
    try:
        if max(length / leg.interval_seconds for leg in known) <= _FEW_SAMPLES:
            parts = [part for leg in known for part in _raw(leg, list(leg.counts), after_seconds, until_seconds)]
            return Metadata(fetcher.fetch(parts))
        coarse = together(fetcher.fetch([_coarse(known, after_seconds, until_seconds)]))
        return _closer(fetcher, known, coarse, after_seconds, until_seconds)
    except RmtoolkitError as error:
        return Metadata([], partial=(f"limits, owners, restarts and versions are missing: {error}",))


def _facts_of(leg: Leg, overrides: Mapping[str, str]) -> Leg:
    return replace(leg, counts={name: size for name, size in leg.counts.items() if not is_signal(name, overrides)})


def _raw(leg: Leg, names: Sequence[str], after_seconds: int, until_seconds: int) -> list[Part]:
    series = sum(leg.counts[name] for name in names)
    return plan(
        [Ask(leg.selector(names), "raw")],
        after_seconds,
        until_seconds,
        samples_per_second=series / leg.interval_seconds,
        series=series,
        parallel=1,
    )


def _coarse(legs: Sequence[Leg], after_seconds: int, until_seconds: int) -> Part:
    length = until_seconds - after_seconds
    step = -(-length // _LOOKS // 60) * 60
    looks = -(-length // step)
    return Part(tuple(_asks(legs)), until_seconds - looks * step, until_seconds, step)


def _asks(legs: Sequence[Leg]) -> Iterator[Ask]:
    for leg in legs:
        reasons = [name for name in leg.counts if _role(name) in _REASONS]
        others = [name for name in leg.counts if name not in reasons]
        if others:
            yield Ask(leg.selector(others), "last")
        if reasons:
            yield Ask(leg.selector(reasons), "last_true")


def _role(name: str) -> str:
    return KNOWN[name].role if name in KNOWN else ""


def _closer(fetcher: Fetcher, legs: Sequence[Leg], coarse: Decoded, after_seconds: int, until_seconds: int) -> Metadata:
    """Fetch the facts of those pods again, exactly, where something changed."""
    changed = _changed(coarse, legs)
    parts: list[Part] = []
    closer: set[str] = set()
    left_out = 0
    cost = 0.0
    for leg in legs:
        names = [name for name in leg.counts if _role(name) in _WATCHED]
        pods = sorted(pod for label, pod in changed if label == leg.pod_label)
        if not names or not pods or leg.family not in ("kube", "cgroup"):
            continue
        known = max(1, sum(size for name, size in leg.counts.items() if name in names))
        share = len(pods) / max(len(pods), *leg.counts.values())
        rate = known * share / leg.interval_seconds
        most = int(_CLOSER_SAMPLES / max(rate / len(pods) * (until_seconds - after_seconds), 1e-9))
        chosen = pods[: max(1, most)]
        left_out = max(left_out, len(pods) - len(chosen))
        cost += rate
        closer.update(chosen)
        parts += plan(
            [Ask(leg.selector(names, one_of(leg.pod_label, chosen)), "raw")],
            after_seconds,
            until_seconds,
            samples_per_second=rate * len(chosen) / len(pods),
            series=int(known * share) + 1,
            parallel=1,
        )
    exact = fetcher.fetch(parts) if parts else []
    labels = {leg.pod_label for leg in legs}
    kept = where(
        coarse,
        [
            _role(one.get("__name__", "")) not in _WATCHED or not any(one.get(label) in closer for label in labels)
            for one in coarse.labels
        ],
    )
    step = _coarse(legs, after_seconds, until_seconds).step_seconds
    notes = (f"times of restarts are known to within {step // 60} minutes only for {left_out:,} pods",)
    return Metadata([kept, *exact], warnings=notes if left_out else ())


def _changed(coarse: Decoded, legs: Sequence[Leg]) -> set[tuple[str, str]]:
    """Find pods in which a watched fact has more than one value, or a reason was told."""
    labels = {leg.pod_label for leg in legs}
    values: dict[tuple[object, ...], float] = {}
    changed: set[tuple[str, str]] = set()
    ends = np.cumsum(coarse.counts)
    for said, start, end in zip(coarse.labels, (ends - coarse.counts).tolist(), ends.tolist(), strict=True):
        name = said.get("__name__", "")
        role = _role(name)
        if role not in _WATCHED:
            continue
        for label in labels:
            pod = said.get(label)
            if pod is None:
                continue
            here = coarse.values[start:end]
            place = (name, said.get("cluster"), said.get("namespace"), pod, _container(said))
            first = values.setdefault(place, float(here[0]))
            if role in _REASONS or first != here[0] or (here != here[0]).any():
                changed.add((label, pod))
    return changed


def _container(said: Mapping[str, str]) -> str | None:
    return said.get("container") or said.get("exported_container") or said.get("container_name")


def owners(table: pl.DataFrame, labels: Sequence[Mapping[str, str]]) -> pl.DataFrame:
    """Find the owner of each pod."""
    rows = table.filter(pl.col("role").is_in(["pod_owner", "pod_info", "replicaset_owner", "job_owner"]))
    of_pod: dict[Pod, tuple[bool, Owner]] = {}
    of_owner: dict[tuple[str, Pod], Owner] = {}
    for series, role, cluster, namespace, pod in rows.select(
        "series", "role", "cluster", "namespace", "pod"
    ).iter_rows():
        said = labels[series]
        if role == "pod_info":
            owner = (said.get("created_by_kind", ""), said.get("created_by_name", ""))
        else:
            owner = (said.get("owner_kind", ""), said.get("owner_name", ""))
        if role in ("replicaset_owner", "job_owner"):
            kind, name = ("ReplicaSet", "replicaset") if role == "replicaset_owner" else ("Job", "job_name")
            of_owner[kind, (cluster, namespace, said.get(f"exported_{name}", said.get(name, "")))] = owner
        elif pod is not None and (role == "pod_owner" or owner[1] not in NO_OWNER):
            # A pod may have several owners, one of which controls it.
            controls = role == "pod_owner" and said.get("owner_is_controller") != "false"
            key = (cluster, namespace, pod)
            if key not in of_pod or controls >= of_pod[key][0]:
                of_pod[key] = (controls, owner)
    found = [(*key, *top_owner(key, owner, of_owner)) for key, (_, owner) in of_pod.items()]
    schema = {
        "cluster": pl.String(),
        "namespace": pl.String(),
        "pod": pl.String(),
        "owner": pl.String(),
        "owner_kind": pl.String(),
        "owner_inferred": pl.Boolean(),
    }
    return pl.DataFrame(found, schema=schema, orient="row")


POD_LEVEL: Final = "series of whole pods (their containers are there)"

_POD: Final = ("cluster", "namespace", "pod")


class Placed(NamedTuple):
    """Series with the container or pod they belong to."""

    table: pl.DataFrame
    containers: pl.DataFrame
    left_out: Counter[str]
    warnings: list[str]


def identify_containers(
    table: pl.DataFrame, labels: Sequence[Mapping[str, str]], workload_pattern: str | None
) -> Placed:
    """Find the container of each series."""
    table = _filled(_by_address(table, labels))
    table, dropped, warnings = _pod_level(table)
    table = _joined(table)
    table = _owned(table, owners(table, labels))
    table = table.with_columns(pod_entity=pl.struct(*_POD, "uid").rank("dense").cast(pl.Int64))
    containers = _containers(table, workload_pattern)
    keyed = table.join(
        containers.select(*_POD, "pod_uid", "container", "container_entity"),
        left_on=[*_POD, "uid", "container"],
        right_on=[*_POD, "pod_uid", "container"],
        how="left",
        nulls_equal=True,
        maintain_order="left",
    )
    entity = pl.when(pl.col("level") == "pod").then("pod_entity").otherwise("container_entity")
    return Placed(
        keyed.with_columns(entity=entity.cast(pl.Int64)).drop("pod_entity", "container_entity"),
        containers.drop("container_entity"),
        Counter({POD_LEVEL: dropped} if dropped else {}),
        warnings,
    )


def _by_address(table: pl.DataFrame, labels: Sequence[Mapping[str, str]]) -> pl.DataFrame:
    """Name exporters without a pod: by the pod that has their address, else by the address itself."""
    lost = (pl.col("family") == "app") & pl.col("pod").is_null() & pl.col("instance").is_not_null()
    if not table.filter(lost).height:
        return table
    host = pl.col("instance").str.replace(r":\d+$", "")
    pods = (
        table.filter(pl.col("role") == "pod_info")
        .with_columns(
            address=pl.col("series").map_elements(lambda series: labels[series].get("pod_ip"), return_dtype=pl.String())
        )
        .filter(pl.col("address").is_not_null())
        .group_by("address")
        .agg(pl.col("namespace", "pod", "uid").unique())
        # An address that several pods had, one after another or on the host's network, tells nothing.
        .filter(pl.col("pod").list.len() == 1)
        .select("address", *(pl.col(name).list.first().alias(f"{name}_there") for name in ("namespace", "pod", "uid")))
    )
    found = table.with_columns(address=pl.when(lost).then(host)).join(
        pods, on="address", how="left", maintain_order="left"
    )
    alone = lost & pl.col("pod_there").is_null() & pl.col("container").is_null()
    return found.with_columns(
        pod=pl.coalesce("pod", "pod_there", pl.when(alone).then("instance")),
        namespace=pl.when(pl.col("pod_there").is_not_null()).then("namespace_there").otherwise("namespace"),
        uid=pl.coalesce("uid", "uid_there"),
        workload=pl.coalesce("workload", pl.when(alone).then(pl.coalesce("job", "instance"))),
        address_only=alone,
    ).drop("address", "namespace_there", "pod_there", "uid_there")


def _filled(table: pl.DataFrame) -> pl.DataFrame:
    """Give a series the cluster, namespace and uid that others say of the same pod."""
    if "address_only" not in table.columns:
        table = table.with_columns(address_only=pl.lit(value=False))
    clusters = table["cluster"].drop_nulls().unique()
    if len(clusters) == 1:
        table = table.with_columns(cluster=pl.lit(clusters.item()))
    named = pl.col("pod").is_not_null()
    only = pl.col("namespace").drop_nulls().unique()
    table = table.with_columns(
        namespace=pl.when(named & pl.col("namespace").is_null())
        .then(pl.when(only.len().over("cluster", "pod") == 1).then(pl.col("namespace").max().over("cluster", "pod")))
        .otherwise("namespace")
    )
    uids = pl.col("uid").n_unique() - pl.col("uid").is_null().any().cast(pl.UInt32)
    unsaid = pl.col("uid").is_null().any()
    # A pod that was made anew under its old name has several uids. When a series does not say which it means,
    # both are one row, and the change is a restart.
    return table.with_columns(
        uid=pl.when(~named)
        .then(None)
        .when(uids.over(_POD) == 1)
        .then(pl.col("uid").max().over(_POD))
        .when(unsaid.over(_POD))
        .then(None)
        .otherwise("uid")
    )


def _pod_level(table: pl.DataFrame) -> tuple[pl.DataFrame, int, list[str]]:
    """Drop the cgroups of whole pods where those of their containers are there."""
    cgroup = (pl.col("family") == "cgroup") & pl.col("pod").is_not_null()
    samples = pl.col("role").is_in(SIGNALS)
    whole = cgroup & pl.col("container").is_null()
    has_containers = (cgroup & samples & pl.col("container").is_not_null()).any().over(_POD)
    doubled = table.select((whole & has_containers).alias("doubled"))["doubled"]
    table, dropped = table.filter(~doubled), int(doubled.sum())
    pods = table.filter(whole & samples).select(_POD).n_unique()
    notice = (
        f"{pods} pod{'' if pods == 1 else 's'} without series of containers: "
        "the memory of the whole pod (with the pause container) is used"
    )
    return table, dropped, [notice] if table.filter(whole & samples).height else []


def _joined(table: pl.DataFrame) -> pl.DataFrame:
    """Join series without a container to their pod's only one, or to the one that is called like their job."""
    sayers = pl.col("container").is_not_null() & (pl.col("level") == "container")
    init = pl.col("name").str.starts_with("kube_pod_init_container_")
    known = (
        table.filter(sayers & ~init & pl.col("pod").is_not_null())
        .group_by(_POD)
        .agg(names=pl.col("container").unique().sort())
    )
    table = table.join(known, on=list(_POD), how="left", nulls_equal=True, maintain_order="left")
    same = pl.col("job").str.split("/").list.last()
    lacking = pl.col("container").is_null() & (pl.col("level") == "container") & pl.col("pod").is_not_null()
    return table.with_columns(
        container=pl.when(lacking & (pl.col("names").list.len() == 1))
        .then(pl.col("names").list.first())
        .when(lacking & (pl.col("family") == "app") & pl.col("names").list.contains(same))
        .then(same)
        .otherwise("container")
    ).drop("names")


def _owned(table: pl.DataFrame, owned: pl.DataFrame) -> pl.DataFrame:
    """Give each row its pod's owner and node."""
    by_rule = pl.col("role") == "pod_workload"
    table = table.join(owned, on=list(_POD), how="left", nulls_equal=True, maintain_order="left")
    of_pod = pl.col("pod").is_not_null()
    recorded = pl.col("workload").filter(by_rule).last().over(_POD)
    recorded_kind = pl.col("workload_kind").filter(by_rule).last().over(_POD)
    node = pl.col("node").filter(pl.col("role") == "pod_info").last().over(_POD)
    other_node = pl.col("node").filter(pl.col("role") != "pod_info").drop_nulls().last().over(_POD)
    labelled = pl.col("workload").drop_nulls().last().over(_POD)
    return table.with_columns(
        workload=pl.when(of_pod).then(pl.coalesce(recorded, "owner", labelled)).otherwise("workload"),
        workload_kind=pl.when(of_pod)
        .then(pl.coalesce(recorded_kind, "owner_kind", "workload_kind"))
        .otherwise("workload_kind"),
        workload_inferred=pl.col("address_only")
        | (recorded.is_null() & pl.col("owner_inferred").fill_null(value=False)),
        node=pl.when(of_pod).then(pl.coalesce(node, other_node)).otherwise("node"),
    ).drop("owner", "owner_kind", "owner_inferred", "address_only")


def _containers(table: pl.DataFrame, workload_pattern: str | None) -> pl.DataFrame:
    """List containers in the order of a Recording, so that nothing has to be sorted again."""
    rows = (
        table.filter(pl.col("level") == "container")
        .group_by(*_POD, "uid", "container", maintain_order=True)
        .agg(
            pl.col("workload", "workload_kind", "node").drop_nulls().first(),
            pl.col("pod_entity").first(),
            pl.col("workload_inferred").any(),
        )
        .rename({"uid": "pod_uid"})
        .with_columns(
            # Without Kubernetes the container's own name is the best there is.
            workload_inferred=pl.col("workload_inferred") | (pl.col("pod").is_null() & pl.col("workload").is_null()),
            workload=pl.when(pl.col("pod").is_null()).then(pl.coalesce("workload", "container")).otherwise("workload"),
        )
    )
    guess = _workloads.infer(pl.col("pod"), workload_pattern).struct.field("workload")
    rows = rows.with_columns(workload_guess=pl.coalesce("workload", guess))
    order = ["workload_guess" if name == "workload" else name for name in IDENTITY]
    return rows.sort(order, nulls_last=True).with_row_index("container_entity")
