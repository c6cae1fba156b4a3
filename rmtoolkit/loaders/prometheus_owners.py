"""Which workload owns a pod, by kube-state-metrics: pod, ReplicaSet, Deployment; pod, Job, CronJob."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: A ReplicaSet is its Deployment's name and a hash in an alphabet without vowels; a Job of a CronJob ends in a time.
_REPLICA_SET: Final = re.compile(r"(?P<name>.+)-[bcdfghjklmnpqrstvwxz2456789]{6,10}")
_CRON_JOB: Final = re.compile(r"(?P<name>.+)-\d{8,11}")

#: "No owner" was ``<none>`` before kube-state-metrics 2.8, and is an empty label since.
_NONE: Final = ("", "<none>")

Pod = tuple[str | None, str | None, str]
Owner = tuple[str, str]


def owners(table: pl.DataFrame, labels: Sequence[Mapping[str, str]]) -> pl.DataFrame:
    """Find the owner of each pod.

    Parameters
    ----------
    table
        As `describe` makes it.
    labels
        Labels of each series.

    Returns
    -------
    polars.DataFrame
        `cluster`, `namespace`, `pod`, `owner`, `owner_kind`, `owner_inferred`: a row per pod with an owner
        in the data. Inferred is an owner whose own owner had to be read from its name.

    Examples
    --------
    >>> labels = {"__name__": "kube_pod_owner", "pod": "api-6d4cf56db6-x2x4z", "owner_kind": "ReplicaSet",
    ...           "owner_name": "api-6d4cf56db6"}
    >>> from rmtoolkit.loaders.prometheus_series import describe
    >>> owners(describe([labels], {}).table, [labels]).select("owner", "owner_kind", "owner_inferred").rows()
    [('api', 'Deployment', True)]
    """
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
        elif pod is not None and (role == "pod_owner" or owner[1] not in _NONE):
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


def top_owner(pod: Pod, owner: Owner, of_owner: Mapping[tuple[str, Pod], Owner]) -> tuple[str, str, bool]:
    """Go from a pod's owner to the workload that people know.

    Parameters
    ----------
    pod
        Cluster, namespace and name.
    owner
        Kind and name of what controls the pod; an empty name is nothing.
    of_owner
        What controls a ReplicaSet or a Job: by its kind, and cluster, namespace and name.

    Returns
    -------
    tuple of (str, str, bool)
        Name and kind of the workload, and whether they had to be read from the owner's name.

    Examples
    --------
    >>> job = ("Job", "nightly-29384756")
    >>> top_owner((None, "shop", "nightly-29384756-xk2lp"), job, {(job[0], (None, "shop", job[1])): ("CronJob", "n")})
    ('n', 'CronJob', False)
    """
    kind, name = owner
    if name in _NONE:
        return pod[2], "Pod", False
    if kind == "Node":
        return pod[2].removesuffix(f"-{name}"), "StaticPod", False
    above = of_owner.get((kind, (pod[0], pod[1], name)))
    if above is not None:
        return (name, kind, False) if above[1] in _NONE else (above[1], above[0], False)
    pattern, kind_above = {"ReplicaSet": (_REPLICA_SET, "Deployment"), "Job": (_CRON_JOB, "CronJob")}.get(
        kind,
        (None, ""),
    )
    match = pattern.fullmatch(name) if pattern is not None else None
    return (match["name"], kind_above, True) if match else (name, kind, False)
