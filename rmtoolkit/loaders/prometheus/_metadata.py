"""Limits, owners, restarts and versions: coarsely for all, exactly where something happened."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import polars as pl

from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.loaders.prometheus._fetch import BUDGET, Ask, Part, one_of, plan, together, where
from rmtoolkit.loaders.prometheus._metrics import KNOWN, Meaning, meaning_of
from rmtoolkit.schema import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

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


class Facts(NamedTuple):
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


def fetch_facts(
    fetcher: Fetcher, legs: Sequence[Leg], overrides: Mapping[str, str], after_seconds: int, until_seconds: int
) -> Facts:
    """Fetch all facts of a window."""
    known = [leg for leg in (_facts_of(leg, overrides) for leg in legs) if leg.counts]
    if not known:
        return Facts([])
    length = until_seconds - after_seconds
    try:
        if max(length / leg.interval_seconds for leg in known) <= _FEW_SAMPLES:
            parts = [part for leg in known for part in _raw(leg, list(leg.counts), after_seconds, until_seconds)]
            return Facts(fetcher.fetch(parts))
        coarse = together(fetcher.fetch([_coarse(known, after_seconds, until_seconds)]))
        return _closer(fetcher, known, coarse, after_seconds, until_seconds)
    except RmtoolkitError as error:
        return Facts([], partial=(f"limits, owners, restarts and versions are missing: {error}",))


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


def _closer(fetcher: Fetcher, legs: Sequence[Leg], coarse: Decoded, after_seconds: int, until_seconds: int) -> Facts:
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
    return Facts([kept, *exact], warnings=notes if left_out else ())


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


#: A ReplicaSet is its Deployment's name and a hash in an alphabet without vowels; a Job of a CronJob ends in a time.
_REPLICA_SET: Final = re.compile(r"(?P<name>.+)-[bcdfghjklmnpqrstvwxz2456789]{6,10}")
_CRON_JOB: Final = re.compile(r"(?P<name>.+)-\d{8,11}")

#: "No owner" was ``<none>`` before kube-state-metrics 2.8, and is an empty label since.
_NONE: Final = ("", "<none>")

Pod = tuple[str | None, str | None, str]
Owner = tuple[str, str]


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
    """Go from a pod's owner to the workload that people know."""
    kind, name = owner
    if name in _NONE:
        return pod[2], "Pod", False
    if kind == "Node":
        return pod[2].removesuffix(f"-{name}"), "StaticPod", False
    above = of_owner.get((kind, (pod[0], pod[1], name)))
    if above is not None:
        return (name, kind, False) if above[1] in _NONE else (above[1], above[0], False)
    pattern, kind_above = {"ReplicaSet": (_REPLICA_SET, "Deployment"), "Job": (_CRON_JOB, "CronJob")}.get(
        kind, (None, "")
    )
    match = pattern.fullmatch(name) if pattern is not None else None
    return (match["name"], kind_above, True) if match else (name, kind, False)


_DIGEST: Final = re.compile(r"sha256:(?P<hex>[0-9a-f]{12,64})")
_SHORT: Final = 12


class Image(NamedTuple):
    """A stretch of time in which a container ran a version."""

    container: int
    workload: object
    version: str
    first: int
    last: int


class Release(NamedTuple):
    """The first container of a workload that runs a version which was not running before."""

    container: int
    time: int  # milliseconds
    version: str


def version_of(image: str | None, image_id: str | None) -> str | None:
    """Tell the version from an image."""
    name = (image or "").partition("@")[0]
    tag = "" if name.startswith("sha256:") else name.rpartition("/")[2].partition(":")[2]
    if tag not in ("", "latest"):
        return tag
    digest = _DIGEST.search(image or "") or _DIGEST.search(image_id or "")
    return digest["hex"][:_SHORT] if digest else tag or None


def releases(images: Iterable[Image], slack: int) -> list[Release]:
    """Find when a workload began to run another version."""
    of_workload: dict[object, list[Image]] = {}
    for image in images:
        of_workload.setdefault(image.workload, []).append(image)
    return [release for rows in of_workload.values() for release in _of_one(rows, slack)]


def _of_one(images: Sequence[Image], slack: int) -> list[Release]:
    ordered = sorted(images, key=lambda image: (image.first, image.last))
    begun = ordered[0].first
    until: dict[str, int] = {}
    found: list[Release] = []
    newest: str | None = None
    for image in ordered:
        last = until.get(image.version)
        if last is None or image.first > last + slack:
            if image.first > begun + slack and image.version != newest:
                found.append(Release(image.container, image.first, image.version))
            newest = image.version
        until[image.version] = image.last if last is None else max(last, image.last)
    return found
