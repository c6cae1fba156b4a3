"""What each series speaks of: cluster, namespace, pod and container, told from its labels."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

import polars as pl

from rmtoolkit.exceptions import quote
from rmtoolkit.loaders.prometheus_metrics import OWNER_ROLES, POD_ROLES, is_guess, meaning_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NO_NAME: Final = "series without a metric name"
NO_USE: Final = "series of metrics without a use here"
PAUSE: Final = 'series of pause containers (container="POD")'
NO_CONTAINER: Final = "series of nodes, slices and other cgroups that are no container"
_SHOWN_NAMES: Final = 8

#: Where a label with this meaning may stand, the best place first.
_NAMESPACE: Final = ("exported_namespace", "namespace", "container_label_io_kubernetes_pod_namespace")
_POD: Final = ("pod", "pod_name", "container_label_io_kubernetes_pod_name")
_CONTAINER: Final = ("container", "container_name", "container_label_io_kubernetes_container_name")
_UID: Final = ("uid", "pod_uid", "container_label_io_kubernetes_pod_uid")
_NODE: Final = ("exported_node", "node", "kubernetes_io_hostname", "nodename")
_REPLICA: Final = ("prometheus_replica", "replica", "__replica__", "prometheus")
_SOURCE: Final = ("job", "metrics_path", "endpoint", "service", "instance")
_COMPOSE: Final = ("container_label_com_docker_compose_service", "container_label_com_docker_swarm_service_name")
_WORKLOAD: Final = ("workload", *_COMPOSE)

#: A pod's uid in the path of its cgroup: dashes, or underscores with the systemd driver; 32 digits for static pods.
_UID_IN_ID: Final = r"pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})"


class Described(NamedTuple):
    """The series that are used.

    Attributes
    ----------
    table
        A row a series: `series` (number), `name`, `role`, `family`, `rank`, `level` (``container``, ``pod``
        or ``owner``), `cluster`, `namespace`, `pod`, `uid`, `container`, `node`, `life`, `replica`,
        `source`, `job`, `instance`, `workload`, `workload_kind`, `fact` (a reason or an image).
    left_out
        Counts by reason.
    warnings
        What the reader of the report should know.
    """

    table: pl.DataFrame
    left_out: Counter[str]
    warnings: list[str]


def describe(labels: Sequence[Mapping[str, str]], overrides: Mapping[str, str]) -> Described:
    """Tell what each series says, and of what.

    Parameters
    ----------
    labels
        Labels of each series.
    overrides
        What the user says that metrics mean.

    Returns
    -------
    Described
        Without the series whose metric is unknown and those of no container.

    Examples
    --------
    >>> labels = {"__name__": "container_memory_rss", "pod": "db-0", "container": "db", "id": "/pod/1"}
    >>> describe([labels], {}).table.select("role", "level", "pod", "container").rows()
    [('anon_bytes', 'container', 'db-0', 'db')]
    """
    left_out: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    guessed: dict[str, str] = {}
    meanings: list[tuple[int, str, str, str, int]] = []
    for index, one in enumerate(labels):
        name = one.get("__name__")
        if not name:
            left_out[NO_NAME] += 1
            continue
        meaning = meaning_of(name, one, overrides)
        if meaning is None:
            unknown[name] += 1
            continue
        meanings.append((index, name, meaning.role, meaning.family, meaning.rank))
        if is_guess(name, overrides):
            guessed[name] = meaning.role if guessed.get(name, meaning.role) == meaning.role else "by label"
    if unknown:
        names = [quote(name) for name, _ in unknown.most_common(_SHOWN_NAMES)]
        more = f" and {len(unknown) - _SHOWN_NAMES} more" if len(unknown) > _SHOWN_NAMES else ""
        left_out[f"{NO_USE} ({', '.join(names)}{more})"] = unknown.total()
    table = _identified([labels[index] for index, *_ in meanings], meanings)
    pause = (pl.col("family") == "cgroup") & (pl.col("container") == "POD")
    nowhere = (pl.col("family") == "cgroup") & pl.col("no_container")
    left_out[PAUSE] = table.filter(pause).height
    left_out[NO_CONTAINER] = table.filter(nowhere & ~pause.fill_null(value=False)).height
    table = table.filter(~pause.fill_null(value=False), ~nowhere)
    warnings = [f"metric {quote(name)} was read as {role}" for name, role in sorted(guessed.items())]
    return Described(table.drop("no_container"), +left_out, warnings)


def _identified(
    labels: Sequence[Mapping[str, str]],
    meanings: Sequence[tuple[int, str, str, str, int]],
) -> pl.DataFrame:
    schema = {"series": pl.Int64(), "name": pl.String(), "role": pl.String(), "family": pl.String(), "rank": pl.Int64()}
    table = pl.DataFrame(meanings, schema=schema, orient="row")
    present = set().union(*labels)

    def label(name: str) -> pl.Series | None:
        # An empty label is the same as none.
        return pl.Series(name, [one.get(name) or None for one in labels], pl.String()) if name in present else None

    def first_of(names: Sequence[str]) -> pl.Expr:
        found = [pl.lit(column) for column in map(label, names) if column is not None]
        return pl.coalesce(*found, pl.lit(None, pl.String())) if found else pl.lit(None, pl.String())

    def joined(names: Sequence[str]) -> pl.Expr:
        found = [pl.lit(column).fill_null("") for column in map(label, names) if column is not None]
        return pl.concat_str(found, separator="\n") if found else pl.lit("")

    cgroup = pl.col("family") == "cgroup"
    table = table.with_columns(
        cluster=first_of(["exported_cluster", "cluster"]),
        namespace=first_of(_NAMESPACE),
        uid=first_of(_UID),
        node=first_of(_NODE),
        id=first_of(["id"]),
        docker=first_of(["name"]),
        replica=joined(_REPLICA),
        source=joined(_SOURCE),
        job=first_of(["job"]),
        instance=first_of(["instance"]),
        workload=first_of(_WORKLOAD),
        workload_kind=first_of(["workload_type"]),
        image=first_of(["image"]),
        image_id=first_of(["image_id"]),
        reason=first_of(["reason"]),
        # honor_labels=false: what the exporter said is "exported_…", and "pod" is the exporter's own.
        pod=pl.when(first_of(["exported_namespace"]).is_null()).then(first_of(_POD)),
        container=pl.when(first_of(["exported_pod"]).is_null()).then(first_of(_CONTAINER)),
    ).with_columns(
        pod=pl.coalesce(first_of(["exported_pod"]), "pod"),
        container=pl.coalesce(first_of(["exported_container"]), "container"),
    )
    # Without Kubernetes, cAdvisor names a container by `name` alone.
    is_docker = cgroup & pl.col("pod").is_null() & pl.col("container").is_null() & pl.col("docker").is_not_null()
    has_no_pod = pl.col("pod").is_null() & pl.col("container").is_null()
    level = (
        pl.when(pl.col("role").is_in(POD_ROLES))
        .then(pl.lit("pod"))
        .when(pl.col("role").is_in(OWNER_ROLES))
        .then(pl.lit("owner"))
        .otherwise(pl.lit("container"))
    )
    return table.with_columns(
        level=level,
        container=pl.when(is_docker).then("docker").otherwise("container"),
        no_container=cgroup & has_no_pod & ~is_docker & pl.col("id").is_not_null(),
        uid=pl.coalesce("uid", pl.col("id").str.extract(_UID_IN_ID, 1).str.replace_all("_", "-")),
        node=pl.coalesce("node", pl.when(cgroup).then(pl.col("instance").str.replace(r":\d+$", ""))),
        life=pl.when(pl.col("family") != "kube").then(pl.coalesce("id", pl.when(cgroup).then("docker"))),
        workload_kind=pl.col("workload_kind").replace_strict(_KINDS, default=None, return_dtype=pl.String()),
        fact=pl.when(pl.col("role") == "image").then(None).otherwise("reason"),
    ).drop("id", "docker", "reason")


#: What recording rules call the kinds of owners.
_KINDS: Final = {
    "deployment": "Deployment",
    "statefulset": "StatefulSet",
    "daemonset": "DaemonSet",
    "replicaset": "ReplicaSet",
    "job": "Job",
    "cronjob": "CronJob",
    "rollout": "Rollout",
    "barepod": "Pod",
    "staticpod": "StaticPod",
}
