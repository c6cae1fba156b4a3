"""What each metric and label means, and of which container it speaks: cAdvisor, kube-state-metrics, allocators."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Final, NamedTuple

import polars as pl
from msgspec import Struct

from rmtoolkit import _identity
from rmtoolkit._identity import NO_OWNER, Owner, Pod, team_of, top_owner
from rmtoolkit._tables import beside
from rmtoolkit.exceptions import RmtoolkitError, did_you_mean, quote
from rmtoolkit.schema import IDENTITY, SIGNALS, agreed
from rmtoolkit.text import and_more, looks, texts


class Meaning(Struct, frozen=True):
    role: str
    family: str
    rank: int = 0


TOLD: Final = texts("loaders/prometheus/metrics")


def _family(name: str) -> str:
    if name.startswith(("kube_", "cluster:namespace:pod_", "namespace_workload_pod:")):
        return "kube"
    return "app" if name.startswith(("process_", "procstat_", "namedprocess_", "scrape_", "target_")) else "cgroup"


#: How what is said of init containers begins: what is said of containers is said of them as well.
OF_INIT: Final = "kube_pod_init_container_"
#: The same by name.
KNOWN: Final = {
    each: Meaning(role, _family(name), rank)
    for role, names in TOLD["names"].items()
    for rank, name in enumerate(names)
    for each in dict.fromkeys((name, name.replace("kube_pod_container_", OF_INIT, 1)))
    if each == name or name.startswith("kube_pod_container_")
}

#: The limits of kube-state-metrics tell by a label of what they are.
_LIMIT: Final = KNOWN["kube_pod_container_resource_limits"]
_CPU_LIMIT: Final = Meaning("quota_cores", "kube")
#: Where a rule or a relabelling dropped that label, the unit tells as much.
_RESOURCES: Final = {"byte": "memory", "core": "cpu", "integer": "other"}

MEANT: Final[Mapping[str, Mapping[str, str]]] = TOLD["meant"]

#: Facts about a pod or its owner, not about one of its containers.
POD_ROLES: Final = ("pod_owner", "pod_info", "pod_start_seconds", "pod_reason", "pod_workload", "pod_labels", "target")
OWNER_ROLES: Final = ("replicaset_owner", "job_owner", "namespace_labels", "workload_labels")
NODE_ROLES: Final = ("node_cores",)
_LEVELS: Final = {
    role: level for level, roles in (("pod", POD_ROLES), ("owner", OWNER_ROLES), ("node", NODE_ROLES)) for role in roles
}
#: Facts that are asked for apart: only how they were at last is told.
CORE_ROLES: Final = ("quota_cores", "quota_microseconds", "period_microseconds", *NODE_ROLES)

#: Facts of a container from which events and columns come.
FACTS: Final = tuple(role for role in TOLD["names"] if role not in (*SIGNALS, *POD_ROLES, *OWNER_ROLES, *NODE_ROLES))

#: What `metrics=` may say that a metric means.
NAMEABLE: Final = (*SIGNALS, *TOLD["series"]["nameable"])

_KINDS: Final = ("allocated", "active", "resident", "mapped", "retained", "metadata")
_LOOKS: Final = looks("metrics")
_ALLOCATOR, _BY_LABEL, _CALLED = (re.compile(_LOOKS[name]) for name in ("allocator", "by_label", "called"))
#: The cgroup of a container ends in its id, of which people are shown the beginning.
_OF_CONTAINER: Final = r"/(?:docker-|crio-|cri-containerd-|libpod-|nerdctl-)?([0-9a-f]{12})[0-9a-f]{52}(?:\.scope)?$"
#: Numbers of jemalloc that carry the same words but are no totals of the process.
_NO_TOTAL: Final = re.compile(r"(?:arenas?|threads?|tcache|bins?|extents?|small|large|huge|prof|opt|merged)(?:_|\b|\d)")
_MEANT_BY: Final = {name: Meaning(role, "app", rank) for name, (role, rank) in TOLD["called"].items()}
#: What a server is asked for (RE2); which of these are meant is then told by their whole name. Requests have too many
#: labels to be asked for unasked.
PATTERN_NAMES: Final = _LOOKS["asked"]
_KIND_LABELS: Final = ("type", "stat", "kind", "name", "state")
#: What a collector of OpenTelemetry that leaves units out calls its metrics.
_UNITLESS: Final = ("k8s_", "container_memory_", "process_memory_")
#: Where the process behind the series of a job and an instance runs, by OpenTelemetry's labels.
TARGETS: Final = "target_info"
_target: Final = itemgetter("job", "instance", "exported_job", "exported_instance")


class Meant(NamedTuple):
    metrics: Mapping[str, str]
    labels: Mapping[str, str]
    workload_pattern: str | None
    #: Of these what the user said.
    said: Mapping[str, Mapping[str, str] | None]

    @classmethod
    def checked(
        cls, metrics: Mapping[str, str] | None, labels: Mapping[str, str] | None, workload_pattern: str | None
    ) -> Meant:
        """Refuse what nothing can mean before anything is read or asked."""
        _check("metrics", metrics, NAMEABLE, "there is no signal")
        _check("labels", labels, tuple(LABELS), "a label cannot tell")
        if workload_pattern is not None:
            _identity.owner_group(workload_pattern)
        return cls(metrics or {}, labels or {}, workload_pattern, {"metrics": metrics, "labels": labels})


def _check(argument: str, given: Mapping[str, str] | None, known: Sequence[str], wrong: str) -> None:
    for name, meaning in (given or {}).items():
        if meaning not in known:
            hint = did_you_mean(meaning, known) or f"There are: {', '.join(known)}."
            msg = f"{argument}={{{quote(name)}: {quote(meaning)}}}: {wrong} {quote(meaning)}. {hint}"
            raise RmtoolkitError(msg)


def plain(name: str) -> str:
    if name in KNOWN:
        return name
    # Google writes the path of a metric with slashes, and in names of Prometheus a colon for the first of them.
    short = name.replace(".", "_").replace("/", ":", 1).replace("/", "_") if "." in name else name
    return f"{short}_bytes" if f"{short}_bytes" in KNOWN and short.startswith(_UNITLESS) else short


def spelled(labels: Sequence[Mapping[str, str]], meant: Meant) -> list[dict[str, str]]:
    """Spell metrics and labels as they are known: without dots, and with what the user says that a label tells."""
    places = {label: {"pod_uid": "uid"}.get(identity, identity) for label, identity in meant.labels.items()}
    found: list[dict[str, str]] = []
    for given in labels:
        one = dict(given)
        if told := {place: one[label] for label, place in places.items() if one.get(label)}:
            other = {f"exported_{place}" for place in told} | {f"k8s_{place}_name" for place in told}
            one = {label: value for label, value in one.items() if label not in other} | told
        one = {label.replace(".", "_"): value for label, value in one.items()}
        if (name := one.get("__name__", "")) not in meant.metrics and (spelling := plain(name)) != name:
            one["__name__"] = spelling
        found.append(one)
    return _with_targets(found)


def _with_targets(labels: list[dict[str, str]]) -> list[dict[str, str]]:
    """Tell series what `target_info` says of their process: of several that say it, what they agree on."""
    said: dict[tuple[str, ...], list[set[tuple[str, str]]]] = {}
    for one in labels:
        if one.get("__name__") == TARGETS:
            places = {(name, value) for name, value in one.items() if name.startswith("k8s_")}
            said.setdefault(_target(defaultdict(str, one)), []).append(places)
    told = {target: dict(set.intersection(*places)) for target, places in said.items()}
    return [{**told.get(_target(defaultdict(str, one)), {}), **one} for one in labels] if told else labels


def meaning_of(name: str, labels: Mapping[str, str], overrides: Mapping[str, str]) -> Meaning | None:
    name = name if name in overrides else plain(name)
    known = KNOWN.get(name)
    if known is not None and known.family == "kube" and (resource := _RESOURCES.get(labels.get("unit", ""))):
        labels = {"resource": resource, **labels}
    if labels.get("resource") == "cpu" and known == _LIMIT and name not in overrides:
        return _CPU_LIMIT
    meant = {"resource": "memory", **MEANT.get(name, {})} if known is not None else {}
    if any(labels.get(label, value) != value for label, value in meant.items()):
        return None
    if name in overrides:
        family = known.family if known else ("cgroup" if name.startswith("container_") else "app")
        return Meaning(overrides[name], family, -1)
    if known is not None:
        return known
    if called := _CALLED.fullmatch(name):
        return _MEANT_BY[str(called.lastgroup)]
    kind = _allocator_kind(name, labels)
    return Meaning(f"{kind}_bytes", "app") if kind else None


def role_of(name: str, overrides: Mapping[str, str]) -> str:
    """Tell what a metric says by its name alone; one that tells the kind of memory by a label is the allocator's."""
    meaning = meaning_of(name, {"type": "allocated"}, overrides)
    return meaning.role if meaning is not None else ""


def is_known(name: str, overrides: Mapping[str, str]) -> bool:
    spelling, patterns = plain(name), (_ALLOCATOR, _BY_LABEL, _CALLED)
    return name in overrides or spelling in KNOWN or any(pattern.fullmatch(spelling) for pattern in patterns)


def _allocator_kind(name: str, labels: Mapping[str, str]) -> str | None:
    if _NO_TOTAL.search(name.partition("jemalloc")[2]):
        return None
    if found := _ALLOCATOR.fullmatch(name):
        return found["kind"] or found["kind2"] or found["kind3"]
    if _BY_LABEL.fullmatch(name):
        kinds = (labels.get(label, "").removeprefix("stats.").removesuffix("_bytes") for label in _KIND_LABELS)
        return next((kind for said in kinds if (kind := {"alloc": "allocated"}.get(said, said)) in _KINDS), None)
    return None


NO_NAME: Final = "series without a metric name"
NO_USE: Final = "series of metrics without a use here"
PAUSE: Final = 'series of pause containers (container="POD")'
NESTED: Final = "series of cgroups inside those of containers, which count them"
NO_CONTAINER: Final = "series of nodes, slices and other cgroups that are no container"
_SHOWN_NAMES: Final = 8

LABELS: Final[Mapping[str, Sequence[str]]] = TOLD["labels"]
#: These are said by an exporter of another pod.
_TOLD_POD: Final = ("exported_pod", "k8s_pod_name")
REPLICA_LABELS: Final = ("prometheus_replica", "replica", "__replica__", "prometheus")
SOURCE_LABELS: Final = ("job", "metrics_path", "endpoint", "service", "instance")
#: Series, name, role, family, rank and statistic.
_Row = tuple[int, str, str, str, int, float | None]
POD_LEVEL: Final = "series of whole pods (their containers are there)"
_POD_KEY: Final = ("cluster", "namespace", "pod")


class Described(NamedTuple):
    table: pl.DataFrame
    left_out: Counter[str]
    warnings: list[str]


def describe(labels: Sequence[Mapping[str, str]], overrides: Mapping[str, str]) -> Described:
    left_out: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    guessed: dict[str, str] = {}
    meanings: list[_Row] = []
    for index, one in enumerate(labels):
        if not (name := one.get("__name__")):
            left_out[NO_NAME] += 1
            continue
        if (meaning := meaning_of(name, one, overrides)) is None:
            unknown[name] += 1
            continue
        meanings.append((index, name, meaning.role, meaning.family, meaning.rank, _identity.statistic(one)))
        if name not in KNOWN and name not in overrides:
            # The meaning was read out of the name by a pattern: the user should see it.
            guessed[name] = meaning.role if guessed.get(name, meaning.role) == meaning.role else "by label"
    if unknown:
        names = [quote(name) for name, _ in unknown.most_common(_SHOWN_NAMES)]
        left_out[f"{NO_USE} ({', '.join(names)}{and_more(len(unknown), _SHOWN_NAMES)})"] = unknown.total()
    table = _identified([labels[index] for index, *_ in meanings], meanings)
    pause = ((pl.col("family") == "cgroup") & (pl.col("container") == "POD")).fill_null(value=False)
    for reason, wrong in ((PAUSE, pause), (NO_CONTAINER, pl.col("no_container"))):
        before, table = table.height, table.filter(~wrong)
        left_out[reason] = before - table.height
    within = _nested(table)
    left_out[NESTED] = int(within.sum())
    table = table.filter(~within)
    warnings = [f"metric {quote(name)} was read as {role}" for name, role in sorted(guessed.items())]
    return Described(table.drop("no_container"), +left_out, warnings)


def _nested(table: pl.DataFrame) -> pl.Series:
    """Find series whose cgroup lies within that of another series of the same container."""
    key = ["cluster", "namespace", "pod", "container"]
    paths = table.select(*key, pl.when(pl.col("container").is_not_null()).then("life")).rows()
    known = set(paths)
    within = {
        (*of, path)
        for *of, path in known
        if path and any((*of, path[:at]) in known for at, sign in enumerate(path) if sign == "/")
    }
    return pl.Series([path in within for path in paths], dtype=pl.Boolean())


def _identified(labels: Sequence[Mapping[str, str]], meanings: Sequence[_Row]) -> pl.DataFrame:
    schema = {"series": pl.Int64(), **dict.fromkeys(("name", "role", "family"), pl.String()), "rank": pl.Int64()}
    schema["statistic"] = pl.Float64()
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
        **{name: first_of(LABELS[name]) for name in ("cluster", "namespace", "node")},
        **{name: first_of([name]) for name in ("id", "job", "instance", "image", "image_id", "reason")},
        uid=first_of(LABELS["pod_uid"]),
        docker=first_of(["name"]),
        replica=joined(REPLICA_LABELS),
        source=joined(SOURCE_LABELS),
        workload=pl.when(pl.col("name").str.starts_with("nomad_"))
        .then(first_of(["exported_job", "job"]))
        .otherwise(first_of(LABELS["workload"])),
        workload_kind=first_of(["workload_type"]),
        # honor_labels=false: what the exporter said is "exported_…", and "pod" is the exporter's own. So it is of a
        # collector of OpenTelemetry, which says "k8s_…" of others.
        pod=pl.when(first_of(["exported_namespace"]).is_null()).then(first_of(LABELS["pod"])),
        told_pod=first_of(_TOLD_POD),
    ).with_columns(
        pod=pl.coalesce("told_pod", "pod"),
        container=pl.coalesce(
            first_of(("exported_container", "k8s_container_name")),
            pl.when(pl.col("told_pod").is_null() | (pl.col("told_pod") == pl.col("pod"))).then(
                first_of(LABELS["container"])
            ),
        ),
    )
    # Without Kubernetes, cAdvisor names a container by `name` or its cgroup alone; Podman's exporter by an id, whose
    # name is a fact.
    is_podman = pl.col("name").str.starts_with("podman_")
    named = pl.col("docker").drop_nulls().first().over("id")
    # Telegraf and OpenTelemetry call what Docker calls a name as others call a container of a pod.
    of_engine = pl.col("name").str.starts_with("docker_") | first_of(["container_id"]).is_not_null()
    called = pl.when(cgroup & of_engine & pl.col("pod").is_null()).then(first_of(["container_name"]))
    table = table.with_columns(
        docker=pl.coalesce("docker", called), container=pl.when(called.is_null()).then("container")
    )
    by_id = pl.when(is_podman).then(pl.coalesce(named, "id")).otherwise(pl.col("id").str.extract(_OF_CONTAINER, 1))
    table = table.with_columns(docker=pl.coalesce("docker", by_id))
    # Where nothing has a name, services of systemd are who is there.
    is_nobody = pl.all_horizontal(pl.col("docker", "pod", "container").is_null()).all()
    service = pl.when(is_nobody).then(pl.col("id").str.extract(r"/([^/]+)\.service$", 1))
    table = table.with_columns(docker=pl.coalesce("docker", service))
    table = table.with_columns(
        pl.coalesce(name, pl.col("docker").str.extract(_identity.KUBELET_NAME, at)).alias(name)
        for at, name in enumerate(("container", "pod", "namespace"), 1)
    )
    alone = pl.col("pod").is_null() | is_podman
    is_docker = cgroup & alone & pl.col("container").is_null() & pl.col("docker").is_not_null()
    has_no_pod = pl.col("pod").is_null() & pl.col("container").is_null()
    stack = pl.coalesce(first_of(["container_label_com_docker_stack_namespace"]) + "_", pl.lit(""))
    return table.with_columns(
        level=pl.col("role").replace_strict(_LEVELS, default="container", return_dtype=pl.String()),
        container=pl.when(is_docker).then("docker").otherwise("container"),
        pod=pl.when(is_docker).then(pl.coalesce("pod", "docker")).otherwise("pod"),
        workload=pl.col("workload").str.strip_prefix(stack),
        of_docker=is_docker & pl.col("pod").is_null(),
        # What names a namespace alone adds up its pods.
        no_container=cgroup & has_no_pod & ~is_docker & pl.any_horizontal(pl.col("id", "namespace").is_not_null()),
        uid=pl.coalesce("uid", pl.col("id").str.extract(_identity.UID_IN_CGROUP, 1).str.replace_all("_", "-")),
        node=pl.coalesce("node", pl.when(cgroup).then(pl.col("instance").str.replace(r":\d+$", ""))),
        life=pl.when(pl.col("family") != "kube").then(pl.coalesce("id", pl.when(cgroup).then("docker"))),
        workload_kind=pl.col("workload_kind").replace_strict(TOLD["owners"], default=None, return_dtype=pl.String()),
        fact=pl.when(pl.col("role") == "image").then(None).otherwise("reason"),
    ).drop("id", "docker", "reason", "told_pod")


def owners(table: pl.DataFrame, labels: Sequence[Mapping[str, str]]) -> pl.DataFrame:
    rows = table.filter(pl.col("role").is_in(["pod_owner", "pod_info", "replicaset_owner", "job_owner"]))
    of_pod: dict[Pod, tuple[bool, Owner]] = {}
    of_owner: dict[tuple[str, Pod], Owner] = {}
    for series, role, cluster, namespace, pod in rows.select("series", "role", *_POD_KEY).iter_rows():
        said, by = labels[series], "created_by" if role == "pod_info" else "owner"
        owner = (said.get(f"{by}_kind", ""), said.get(f"{by}_name", ""))
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
    schema = {**dict.fromkeys((*_POD_KEY, "owner", "owner_kind"), pl.String()), "owner_inferred": pl.Boolean()}
    return pl.DataFrame(found, schema=schema, orient="row")


def teams(table: pl.DataFrame, labels: Sequence[Mapping[str, str]], containers: pl.DataFrame) -> dict[str, str]:
    rows = containers.select("namespace", "pod", "workload_guess", "workload_kind").rows()
    of_pod = {(namespace, pod): workload for namespace, pod, workload, _ in rows}
    kind_of = {(namespace, workload): (kind or "").lower() for namespace, _, workload, kind in rows}
    by_pods, by_others = [], []
    told = table.filter(pl.col("role").str.ends_with("_labels"), pl.col("namespace").is_not_null())
    for series, name, role, namespace, pod in told.select("series", "name", "role", "namespace", "pod").iter_rows():
        said = labels[series]
        if (team := team_of(said)) is None:
            continue
        if role == "namespace_labels":
            by_others.append((namespace, team))
        elif role == "workload_labels":
            kind = name.split("_")[1]
            workload = said.get(f"exported_{kind}", said.get(kind))
            # Of what kind a workload is, is not known of each.
            if kind_of.get((namespace, workload)) in ("", kind):
                by_others.append((f"{namespace}/{workload}", team))
        elif (workload := of_pod.get((namespace, pod))) is not None:
            by_pods.append((f"{namespace}/{workload}", team))
    return {**agreed(by_others), **agreed(by_pods)}


class Placed(NamedTuple):
    table: pl.DataFrame
    containers: pl.DataFrame
    left_out: Counter[str]
    warnings: list[str]
    unusable: tuple[str, ...] = ()


def identify_containers(
    table: pl.DataFrame, labels: Sequence[Mapping[str, str]], workload_pattern: str | None
) -> Placed:
    table, dropped, warnings = _pod_level(_filled(_by_address(table, labels)))
    table = _joined(table)
    table = _owned(table, owners(table, labels))
    table = table.with_columns(pod_entity=pl.struct(*_POD_KEY, "uid").rank("dense").cast(pl.Int64))
    containers = _containers(table, workload_pattern)
    numbered = containers.select(*_POD_KEY, "container", "container_entity", uid="pod_uid")
    keyed = beside(table, numbered, [*_POD_KEY, "uid", "container"])
    entity = pl.when(pl.col("level") == "pod").then("pod_entity").otherwise("container_entity")
    return Placed(
        keyed.with_columns(entity=entity.cast(pl.Int64)).drop("pod_entity", "container_entity"),
        # As what Docker itself says is read: its service is what the containers of several names have in common.
        containers.drop("container_entity", "of_docker").with_columns(
            container=pl.when(containers["of_docker"]).then("workload").otherwise("container")
        ),
        Counter({POD_LEVEL: dropped}),
        warnings,
    )


def _by_address(table: pl.DataFrame, labels: Sequence[Mapping[str, str]]) -> pl.DataFrame:
    lost = (pl.col("family") == "app") & pl.col("pod").is_null() & pl.col("instance").is_not_null()
    if not table.filter(lost).height:
        return table.with_columns(address_only=pl.lit(value=False))
    host = pl.col("instance").str.replace(r":\d+$", "")
    pods = (
        table.filter(pl.col("role") == "pod_info")
        .with_columns(
            address=pl.col("series").map_elements(lambda series: labels[series].get("pod_ip"), return_dtype=pl.String())
        )
        .drop_nulls("address")
        .group_by("address")
        # An address that several pods had, one after another or on the host's network, tells nothing.
        .agg(pl.col("namespace", "pod", "uid").first().name.suffix("_there"), several=pl.col("pod").n_unique() > 1)
        .filter(~pl.col("several"))
        .drop("several")
    )
    found = beside(table.with_columns(address=pl.when(lost).then(host)), pods, "address")
    alone = lost & pl.col("pod_there").is_null() & pl.col("container").is_null()
    return found.with_columns(
        pod=pl.coalesce("pod", "pod_there", pl.when(alone).then("instance")),
        namespace=pl.when(pl.col("pod_there").is_not_null()).then("namespace_there").otherwise("namespace"),
        uid=pl.coalesce("uid", "uid_there"),
        workload=pl.coalesce("workload", pl.when(alone).then(pl.coalesce("job", "instance"))),
        address_only=alone,
    ).drop("address", "namespace_there", "pod_there", "uid_there")


def _filled(table: pl.DataFrame) -> pl.DataFrame:
    clusters = table["cluster"].drop_nulls().unique()
    if len(clusters) == 1:
        table = table.with_columns(cluster=pl.lit(clusters.item()))
    named = pl.col("pod").is_not_null()
    only = pl.col("namespace").drop_nulls().n_unique().over("cluster", "pod") == 1
    there = pl.when(named & only).then(pl.col("namespace").max().over("cluster", "pod"))
    table = table.with_columns(namespace=pl.coalesce("namespace", there))
    uids = pl.col("uid").n_unique() - pl.col("uid").is_null().any().cast(pl.UInt32)
    unsaid = pl.col("uid").is_null().any()
    # A pod that was made anew under its old name has several uids. When a series does not say which it means,
    # both are one row, and the change is a restart.
    return table.with_columns(
        uid=pl.when(named & (uids.over(_POD_KEY) == 1))
        .then(pl.col("uid").max().over(_POD_KEY))
        .when(named & ~unsaid.over(_POD_KEY))
        .then("uid")
    )


def _pod_level(table: pl.DataFrame) -> tuple[pl.DataFrame, int, list[str]]:
    cgroup = (pl.col("family") == "cgroup") & pl.col("pod").is_not_null()
    samples = pl.col("role").is_in(SIGNALS)
    whole = cgroup & pl.col("container").is_null()
    of_containers = cgroup & samples & pl.col("container").is_not_null()
    begin = pl.col("first").filter(of_containers).min().over(_POD_KEY)
    end = pl.col("last").filter(of_containers).max().over(_POD_KEY)
    # Where a cluster learnt to tell containers on the way, what was told of the pod before is all there is.
    shared = pl.min_horizontal("last", end) - pl.max_horizontal("first", begin)
    kept = table.filter(~(whole & end.is_not_null() & (2 * shared >= pl.col("last") - pl.col("first"))))
    pods = kept.filter(whole & samples).select(_POD_KEY).n_unique()
    notice = "without series of containers: the memory of the whole pod (with the pause container) is used"
    return kept, table.height - kept.height, [f"{pods} pod{'' if pods == 1 else 's'} {notice}"] if pods else []


def _joined(table: pl.DataFrame) -> pl.DataFrame:
    """Join series without a container to their pod's only one, or to the one that is called like their job."""
    sayers = pl.col("container").is_not_null() & (pl.col("level") == "container")
    named = table.filter(sayers & ~pl.col("name").str.starts_with(OF_INIT)).drop_nulls("pod")
    table = beside(table, named.group_by(_POD_KEY).agg(names=pl.col("container").unique().sort()), _POD_KEY)
    same = pl.col("job").str.split("/").list.last()
    lacking = (pl.col("level") == "container") & pl.col("pod").is_not_null()
    is_one = pl.col("names").list.len() == 1
    is_same = (pl.col("family") == "app") & pl.col("names").list.contains(same)
    found = pl.when(lacking & is_one).then(pl.col("names").list.first()).when(lacking & is_same).then(same)
    return table.with_columns(container=pl.coalesce("container", found)).drop("names")


def _owned(table: pl.DataFrame, owned: pl.DataFrame) -> pl.DataFrame:
    def last(name: str, said: pl.Expr) -> pl.Expr:
        return pl.col(name).filter(said).last().over(_POD_KEY)

    by_rule, is_info = pl.col("role") == "pod_workload", pl.col("role") == "pod_info"
    recorded, labelled = last("workload", by_rule), last("workload", pl.col("workload").is_not_null())
    node, other_node = last("node", is_info), last("node", ~is_info & pl.col("node").is_not_null())
    best = {
        "workload": pl.coalesce(recorded, "owner", labelled),
        "workload_kind": pl.coalesce(last("workload_kind", by_rule), "owner_kind", "workload_kind"),
        "node": pl.coalesce(node, other_node),
    }
    inferred = recorded.is_null() & pl.col("owner_inferred").fill_null(value=False)
    of_pod = {name: pl.when(pl.col("pod").is_not_null()).then(found).otherwise(name) for name, found in best.items()}
    table = beside(table, owned, _POD_KEY).with_columns(**of_pod, workload_inferred=pl.col("address_only") | inferred)
    return table.drop("owner", "owner_kind", "owner_inferred", "address_only")


def _containers(table: pl.DataFrame, workload_pattern: str | None) -> pl.DataFrame:
    alone, service = pl.col("pod").is_null(), _identity.service_of(pl.col("pod"), workload_pattern)
    rows = (
        table.filter(level="container")
        .group_by(*_POD_KEY, "uid", "container", maintain_order=True)
        .agg(
            pl.col("workload", "workload_kind", "node").drop_nulls().first(),
            pl.col("pod_entity").first(),
            pl.col("workload_inferred", "of_docker").any(),
        )
        .rename({"uid": "pod_uid"})
        .with_columns(
            # Without Kubernetes the container's own name is the best there is.
            workload_inferred=pl.col("workload_inferred")
            | ((alone | pl.col("of_docker")) & pl.col("workload").is_null()),
            workload=pl.coalesce("workload", pl.when(alone).then("container").when("of_docker").then(service)),
        )
    )
    guess = _identity.infer(pl.col("pod"), workload_pattern).struct.field("workload")
    rows = rows.with_columns(workload_guess=pl.coalesce("workload", guess))
    order = ["workload_guess" if name == "workload" else name for name in IDENTITY]
    return rows.sort(order, nulls_last=True).with_row_index("container_entity")
