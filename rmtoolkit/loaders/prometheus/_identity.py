"""Which container each series belongs to: gaps in labels filled, exporters joined to their containers."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl

from rmtoolkit import _workloads
from rmtoolkit.loaders.prometheus._metadata import owners
from rmtoolkit.schema import IDENTITY, SIGNALS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


POD_LEVEL: Final = "series of whole pods (their containers are there)"

_POD: Final = ("cluster", "namespace", "pod")


class Placed(NamedTuple):
    """Series with the container or pod they belong to."""

    table: pl.DataFrame
    containers: pl.DataFrame
    left_out: Counter[str]
    warnings: list[str]


def place(table: pl.DataFrame, labels: Sequence[Mapping[str, str]], workload_pattern: str | None) -> Placed:
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
            address=pl.col("series").map_elements(
                lambda series: labels[series].get("pod_ip"), return_dtype=pl.String()
            ),
        )
        .filter(pl.col("address").is_not_null())
        .group_by("address")
        .agg(pl.col("namespace", "pod", "uid").unique())
        # An address that several pods had, one after another or on the host's network, tells nothing.
        .filter(pl.col("pod").list.len() == 1)
        .select("address", *(pl.col(name).list.first().alias(f"{name}_there") for name in ("namespace", "pod", "uid")))
    )
    found = table.with_columns(address=pl.when(lost).then(host)).join(
        pods,
        on="address",
        how="left",
        maintain_order="left",
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
        .otherwise("namespace"),
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
        .otherwise("uid"),
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
        .otherwise("container"),
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
