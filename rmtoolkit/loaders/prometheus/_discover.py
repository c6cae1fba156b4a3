"""What a server knows about containers: which metrics, how often scraped; then limits, owners, restarts, versions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

import numpy as np

from rmtoolkit._promql import exactly
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.loaders.prometheus import _fetch, _metrics
from rmtoolkit.loaders.prometheus._decode import Decoded
from rmtoolkit.loaders.server import Client, TooMuchError
from rmtoolkit.schema import SIGNALS

#: The window is looked at in that many instants.
_INSTANTS: Final = 8
#: How often something is scraped is counted over this long.
_COUNTED_SECONDS: Final = 1200
#: Assumed where nothing tells; rather too often than too seldom.
_INTERVAL_SECONDS: Final = 15.0
#: Kubernetes cuts the owner's name in a pod's name after 58 characters, hash and all.
_OWNER_CHARACTERS: Final = 45
#: VictoriaMetrics takes queries of 16,384 characters: so much of one may be terms, or names of pods or targets in it.
_LONGEST, _LONGEST_LIST = 15_000, 10_000
#: What is told of CPUs: only how it was at last, see `_cores`.
CORE_FAMILY: Final = "cores"
_CPU: Final = _fetch.Matcher("resource", "=~", "cpu|")
_CPU_LIMITS: Final = ("kube_pod_container_resource_limits", "kube_pod_container_resource_limits_cpu_cores")
#: Those of which each series tells by a label what it is about.
BY_RESOURCE: Final = ("kube_pod_container_resource_limits", "kube_node_status_capacity")
_QUOTAS, _OF_NODES = (
    tuple(name for name, meaning in _metrics.KNOWN.items() if meaning.role in roles)
    for roles in (("quota_microseconds", "period_microseconds"), _metrics.NODE_ROLES)
)
#: Facts seldom change: with fewer samples than that in the window they are simply fetched.
_FEW_SAMPLES: Final = 400
#: Series that say something only while their value is 1.
_REASONS: Final = ("last_terminated_reason", "terminated_reason", "pod_reason")
#: Facts whose change is an event.
_WATCHED: Final = (*_REASONS, *_metrics.TOLD["watched"]["roles"])
#: Samples that a closer look may cost.
_CLOSER_SAMPLES: Final = 2 * _fetch.BUDGET


class _Style(NamedTuple):
    """How an exporter calls the labels of a container, and how the names of its metrics begin."""

    namespace: str
    pod: str
    container: str
    names: list[str]


_STYLES: Final = [_Style(**{**_metrics.TOLD["usual"], **one}) for one in _metrics.TOLD["styles"]]
#: Of these one tells how often its family is scraped.
_TELLTALES: Final = _metrics.TOLD["telltales"]

#: What an exporter, or a collector, says of other pods than its own.
_SAID: Final = (_STYLES[1], _STYLES[3])
#: Of these there are series of whole pods that are called so.
_OF_PODS: Final = "k8s_pod_name"
#: Styles from here on are of other exporters, whose series may have the labels of the scrape too.
_FOREIGN: Final = 3

#: Names with dots, as OpenTelemetry has them: nothing but containers and processes is called so, whatever its labels.
_DOTTED: Final = _fetch.Matcher("__name__", "=~", "(container|docker|ecs|k8s|kubernetes|process)[.].*")
#: How recording rules call what they make of a metric.
_RULES: Final = ("node_namespace_pod_container:", "cluster:namespace:pod_memory:")


class Wanted(NamedTuple):
    namespaces: tuple[str, ...] = ()
    workloads: tuple[str, ...] = ()
    pods: tuple[str, ...] = ()

    def by_name(self) -> list[tuple[str, tuple[str, ...]]]:
        return [(name, values) for name, values in zip(("namespace", "workload", "pod"), self, strict=True) if values]


@dataclass(frozen=True, slots=True)
class Leg:
    """Series that are asked for together: of one family, found by the same labels."""

    family: str
    matchers: tuple[_fetch.Matcher, ...]
    pod_label: str = "pod"
    listed: tuple[str, ...] = ()  # metrics that are known by their whole name
    called: _fetch.Matcher | None = None  # how its metrics are called; None where all are listed
    of_pods: bool = False  # rows of whole pods
    counts: Mapping[str, int] = field(default_factory=dict)
    #: Of how many at least some sample lies within the window.
    sure: Mapping[str, int] = field(default_factory=dict)
    interval_seconds: float = _INTERVAL_SECONDS

    def promql(self, *more: _fetch.Matcher) -> str:
        return _fetch.promql((self.called or _fetch.one_of("__name__", self.listed), *more, *self.matchers))

    @property
    def telltale(self) -> str:
        usual = _TELLTALES[self.family]
        return usual if not self.listed or usual in self.listed else self.listed[0]

    def only(self, chosen: Callable[[str], bool]) -> Leg:
        counts, sure = (
            {name: size for name, size in sizes.items() if chosen(name)} for sizes in (self.counts, self.sure)
        )
        return replace(self, counts=counts, sure=sure)

    def said(self, overrides: Mapping[str, str]) -> Leg:
        return self.only(lambda name: _metrics.role_of(name, overrides) not in _REASONS)

    def plan(self, asks: Sequence[_fetch.Ask], time: _fetch.Stretch, **how: int) -> list[_fetch.Part]:
        series = sum(self.counts.values())
        return _fetch.plan(asks, time, samples_per_second=series / self.interval_seconds, series=series, **how)

    def selector(self, names: Sequence[str], *more: _fetch.Matcher) -> _fetch.Selector:
        return _fetch.Selector(tuple(names), (*self.matchers, *more))


def discover(
    client: Client, wanted: Wanted, overrides: Mapping[str, str], labels: Mapping[str, str], time: _fetch.Stretch
) -> list[Leg]:
    """Find what a server has, with two requests; with three more, what only `target_info` places."""
    found = _look_for(client, list(legs_of(wanted, overrides, labels)), overrides, time)
    for leg in found:
        if leg.family == "app" and leg.matchers and _metrics.TARGETS in leg.counts:
            said = f"last_over_time({leg.selector([_metrics.TARGETS]).promql()}[{time.seconds}s])"
            asked = {"query": f"group by (instance) ({said})", "time": str(time.until)}
            answer = _fetch.ask(client, "/api/v1/query", asked)
            if instances := {one["instance"] for one in answer.labels if "instance" in one}:
                placed = ("namespace", "pod", *(one.label for one in leg.matchers))
                # Of more than a query can name, those of others are left out once they are placed.
                fits = len(_shared_out(instances, _LONGEST_LIST)) == 1
                listed = (_fetch.one_of("instance", sorted(instances)),) if fits else ()
                theirs = (*listed, *_without(*dict.fromkeys(placed)))
                return found + _look_for(client, [replace(leg, matchers=theirs)], overrides, time)
    return found


def _look_for(client: Client, legs: list[Leg], overrides: Mapping[str, str], time: _fetch.Stretch) -> list[Leg]:
    step = max(60, time.seconds // _INSTANTS)
    first = time.until - step * min(_INSTANTS - 1, time.seconds // step)
    times = {"start": str(first), "end": str(time.until), "step": str(step)}
    # What a look counts may have ended as long before it as it looks back.
    since = (time.after + max(step, _COUNTED_SECONDS)) * 1000

    def look(queries: Iterable[str]) -> _Seen:
        asked = [{"query": " or ".join(some), **times} for some in _shared_out(queries, _LONGEST)]
        told = [_fetch.ask(client, "/api/v1/query_range", one, keep_own=True) for one in asked]
        return _seen(_fetch.together(told), legs, since)

    looks = [part for number, leg in enumerate(legs) for part in _looks(number, leg)]
    try:
        seen = look(looks)
    except TooMuchError:
        # One look instead of several: less exact, but no plan needs more.
        times["start"] = times["end"]
        seen = look(looks)
    if not seen.counts:
        # A store that was away for an instant says so of everything.
        seen = look(looks)
    # What lives between two looks is missed by them. Of the known metrics all names are asked for anyway.
    closer = [
        _counted(number, f"last_over_time({leg.promql()}[{step}s])")
        for number, leg in enumerate(legs)
        if leg.family == "app" or (leg.family != CORE_FAMILY and number not in seen.counts)
    ]
    lone = [_lone(legs)] if any(leg.of_pods and number in seen.counts for number, leg in enumerate(legs)) else []
    try:
        more = look(closer + lone)
    except TooMuchError:
        times["start"] = times["end"]
        more = look(lone) if lone else _Seen({}, {}, {}, set())
    for mine, theirs in ((seen.counts, more.counts), (seen.sure, more.sure)):
        for number, counts in theirs.items():
            there = mine.setdefault(number, {})
            there.update({name: max(size, there.get(name, 0)) for name, size in counts.items()})
    return _found(legs, seen._replace(lone=more.lone), overrides)


def _shared_out(texts: Iterable[str], most: int) -> list[list[str]]:
    found: list[list[str]] = [[]]
    for text in texts:
        if found[-1] and sum(map(len, found[-1])) + len(text) > most:
            found.append([])
        found[-1].append(text)
    return found


def legs_of(wanted: Wanted, overrides: Mapping[str, str], labels: Mapping[str, str]) -> Iterator[Leg]:
    cgroup, kube, app = (_names(family, overrides) for family in ("cgroup", "kube", "app"))
    owner = tuple(name for name in kube if name in _metrics.KNOWN and _metrics.KNOWN[name].role in _metrics.OWNER_ROLES)
    kube = tuple(name for name in kube if name not in owner)
    app_names = _fetch.Matcher("__name__", "=~", "|".join([*map(exactly, app), _metrics.PATTERN_NAMES]))
    memory = _fetch.Matcher("resource", "=~", "memory|")
    told = {identity: label for label, identity in labels.items()}
    namespace, pod, container = (told.get(name, name) for name in ("namespace", "pod", "container"))
    own = _Style(namespace, pod, container, _STYLES[0].names)
    for number, style in enumerate(_STYLES if own in _STYLES else [*_STYLES, own]):
        conditions = tuple(_conditions(wanted, style))
        inside = [_fetch.Matcher(style.container, "!=", ""), _fetch.Matcher(style.container, "!=", "POD")]
        # Without conditions the first style finds what has its labels too: nothing is asked for twice.
        is_foreign = number >= _FOREIGN
        usual = _without(_STYLES[0].container) if is_foreign and not conditions else ()
        more = () if is_foreign else tuple(name for name in cgroup if name in overrides)
        mine = tuple(name for name in cgroup if name.startswith(tuple(style.names)) or name in more)
        # Short, since a server takes a query of some length only.
        begun = "|".join([*(f"{name}.*" for name in style.names), *map(exactly, more)])
        names = _fetch.Matcher("__name__", "=~", begun)
        yield Leg("cgroup", (*conditions, *inside, *usual), style.pod, mine, names)
        if number == 0:
            whole = _without(style.container, *(one.pod for one in _SAID))
            there = (*conditions, *whole, _fetch.Matcher(style.pod, "!=", ""))
            yield Leg("cgroup", there, style.pod, mine, names, of_pods=True)
        elif style.pod == _OF_PODS:
            yield Leg("cgroup", conditions, style.pod, tuple(name for name in cgroup if name.startswith("k8s_pod_")))
        # Without conditions, labels do not have to be told apart: what is there is found the first time.
        if number == 0 or (number == 1 and conditions):
            yield Leg("kube", (*conditions, memory), style.pod, kube)
            yield Leg("owner", tuple(_conditions(Wanted(wanted.namespaces), style)), style.pod, owner)
            yield Leg(CORE_FAMILY, (*conditions, _CPU), style.pod, _CPU_LIMITS)
        if number == 0:
            yield Leg(CORE_FAMILY, (*conditions, *inside), style.pod, _QUOTAS)
        if number == 0 or (number in (1, _FOREIGN) and conditions):
            yield Leg("app", conditions, style.pod, called=app_names)
    yield Leg(CORE_FAMILY, (_CPU,), listed=_OF_NODES)
    yield Leg("cgroup", (), "", ("container.memory.working_set",), _DOTTED)
    if not wanted.namespaces and not wanted.pods:
        # The names that Compose and Swarm give hold that of the service.
        held_name = "|".join(f".*{exactly(name)}.*" for name in wanted.workloads)
        named = _fetch.Matcher("name", "=~", held_name) if held_name else _fetch.Matcher("name", "!=", "")
        docker = (named, *_without("container", "pod"))
        usual_names = tuple(name for name in cgroup if name in overrides or name.startswith(("container_", "podman_")))
        yield Leg("cgroup", docker, listed=usual_names)
        yield Leg(CORE_FAMILY, docker, listed=_QUOTAS)
        # Podman's exporter tells names apart from amounts, by an id.
        podman = tuple(name for name in cgroup if name.startswith("podman_"))
        yield Leg("cgroup", _without("name", "container", "pod"), listed=podman)
        if wanted.workloads:
            alone = (_fetch.one_of("job", wanted.workloads), *_without("pod", "exported_pod"))
            yield Leg("app", alone, called=app_names)


def _without(*labels: str) -> tuple[_fetch.Matcher, ...]:
    return tuple(_fetch.Matcher(label, "=", "") for label in labels)


def _names(family: str, overrides: Mapping[str, str]) -> tuple[str, ...]:
    known = [
        name for name, one in _metrics.KNOWN.items() if one.family == family and one.role not in _metrics.CORE_ROLES
    ]
    own = [name for name in overrides if (one := _metrics.meaning_of(name, {}, overrides)) and one.family == family]
    return tuple(dict.fromkeys([*known, *own]))


def _conditions(wanted: Wanted, style: _Style) -> Iterator[_fetch.Matcher]:
    for label, names in ((style.namespace, wanted.namespaces), (style.pod, wanted.pods)):
        if names:
            yield _fetch.one_of(label, names)
    if wanted.workloads:
        # Pods are called after their owner, and the owner's own tables are read afterwards.
        starts = "|".join(f"{exactly(name[:_OWNER_CHARACTERS])}.*" for name in wanted.workloads)
        yield _fetch.Matcher(style.pod, "=~", starts)


def _looks(number: int, leg: Leg) -> Iterator[str]:
    """Count the series of each metric, and those of one of them by how often they were scraped: each looked at once."""
    if leg.family == CORE_FAMILY:
        yield _counted(number, leg.promql())
        return
    name = leg.telltale
    yield _counted(number, leg.promql(_fetch.Matcher("__name__", "!=", name)))
    telltale = _fetch.Selector((name,), leg.matchers).promql()
    often = f'count_values("rmtoolkit_name", count_over_time({telltale}[{_COUNTED_SECONDS}s]))'
    yield f'label_replace({often}, "rmtoolkit_leg", "{number} often", "", "")'


def _counted(number: int, series: str) -> str:
    named = f'label_replace(count by (__name__) ({series}), "rmtoolkit_name", "$1", "__name__", "(.*)")'
    return f'label_replace({named}, "rmtoolkit_leg", "{number}", "", "")'


def _lone(legs: Sequence[Leg]) -> str:
    name = _TELLTALES["cgroup"]
    levels = {leg.of_pods: leg.matchers for leg in reversed(legs) if leg.family == "cgroup"}
    whole, inside = (
        f"group by (namespace, pod) ({_fetch.Selector((name,), levels[of_pods]).promql()})" for of_pods in (True, False)
    )
    return f'label_replace({whole} unless {inside}, "rmtoolkit_leg", "lone", "", "")'


class _Seen(NamedTuple):
    """The most series of each metric of a leg; samples of one series in a while; pods known only as a whole."""

    counts: dict[int, dict[str, int]]
    sure: dict[int, dict[str, int]]
    often: dict[int, float]
    lone: set[str]


def _seen(decoded: Decoded, legs: Sequence[Leg], since: int) -> _Seen:
    seen = _Seen({}, {}, {}, set())
    scraped: dict[int, dict[int, Counter[float]]] = {}
    at = 0
    for labels, number in zip(decoded.labels, decoded.counts.tolist(), strict=True):
        times, values, at = decoded.times[at : at + number], decoded.values[at : at + number], at + number
        place, _, kind = labels.get("rmtoolkit_leg", "").partition(" ")
        name = labels.get("rmtoolkit_name", "")
        if place == "lone":
            seen.lone.add(labels.get("pod", ""))
        elif kind:
            for time, series in zip(times.tolist(), values.tolist(), strict=True):
                scraped.setdefault(int(place), {}).setdefault(time, Counter())[float(name)] += int(series)
        else:
            seen.counts.setdefault(int(place), {})[name] = int(values.max())
            seen.sure.setdefault(int(place), {})[name] = int(values[times >= since].max(initial=0))
    for leg, looks in scraped.items():
        seen.often[leg] = max(map(_often, looks.values()))
        totals = {time: look.total() for time, look in looks.items()}
        seen.counts.setdefault(leg, {})[legs[leg].telltale] = max(totals.values())
        within = (total for time, total in totals.items() if time >= since)
        seen.sure.setdefault(leg, {})[legs[leg].telltale] = max(within, default=0)
    return seen


def _often(scraped: Counter[float]) -> float:
    # Nine of ten series are not scraped more often.
    return sorted(scraped.elements())[-(-9 * scraped.total() // 10) - 1]


def _found(legs: Sequence[Leg], seen: _Seen, overrides: Mapping[str, str]) -> list[Leg]:
    found: list[Leg] = []
    usual = min((_COUNTED_SECONDS / times for times in seen.often.values() if times > 1), default=_INTERVAL_SECONDS)
    for number, leg in enumerate(legs):
        counts = seen.counts.get(number, {})
        meant = _best({name: size for name, size in counts.items() if _metrics.role_of(name, overrides)})
        matchers = leg.matchers
        if leg.of_pods and not seen.lone:
            continue
        if leg.of_pods and len(_shared_out(seen.lone, _LONGEST_LIST)) == 1:
            matchers = (*matchers, _fetch.one_of("pod", sorted(seen.lone)))
            meant = {name: min(size, len(seen.lone)) for name, size in meant.items()}
        if meant:
            if leg.family != "app":
                meant |= dict.fromkeys([name for name in leg.listed if name not in counts], 0)
            times = seen.often.get(number, 0.0)
            interval = _COUNTED_SECONDS / times if times > 1 else usual
            sure = {name: min(size, meant.get(name, 0)) for name, size in seen.sure.get(number, {}).items()}
            found.append(replace(leg, matchers=matchers, counts=meant, sure=sure, interval_seconds=interval))
    if any(leg.listed == _CPU_LIMITS for leg in found):
        # Of pods cAdvisor says the same, in more series.
        return [leg for leg in found if leg.listed != _QUOTAS or any(one.label == "name" for one in leg.matchers)]
    return found


def _best(counts: Mapping[str, int]) -> dict[str, int]:
    kept: dict[str, int] = {}
    covered: dict[str, int] = {}
    for name, size in sorted(
        counts.items(), key=lambda item: _metrics.KNOWN[item[0]].rank if item[0] in _metrics.KNOWN else -1
    ):
        role = _metrics.KNOWN[name].role if name in _metrics.KNOWN else name
        if size > covered.get(role, 0) or not name.startswith(_RULES):
            kept[name] = size
            covered[role] = max(size, covered.get(role, 0))
    return kept


class Metadata(NamedTuple):
    parts: list[Decoded]  # series, in any order
    warnings: tuple[str, ...] = ()
    partial: tuple[str, ...] = ()


def fetch_metadata(
    fetcher: _fetch.Fetcher, legs: Sequence[Leg], overrides: Mapping[str, str], time: _fetch.Stretch
) -> Metadata:
    facts = (leg.only(lambda name: _metrics.role_of(name, overrides) not in SIGNALS) for leg in legs)
    known = [leg for leg in facts if leg.counts and leg.family != CORE_FAMILY]
    cores = [leg for leg in legs if leg.family == CORE_FAMILY]
    found = Metadata([])
    for what, some, fetch in (
        ("limits of CPUs", cores, _cores),
        ("limits, owners, restarts and versions", known, _facts),
    ):
        try:
            more = fetch(fetcher, some, time) if some else Metadata([])
        except RmtoolkitError as error:
            more = Metadata([], partial=(f"{what} are missing: {error}",))
        found = Metadata(more.parts + found.parts, more.warnings + found.warnings, more.partial + found.partial)
    return found


def _cores(fetcher: _fetch.Fetcher, legs: Sequence[Leg], time: _fetch.Stretch) -> Metadata:
    """Fetch the limits of CPUs, and how many the machines have, with one request; only the last value counts."""
    asks = [_fetch.Ask(leg.selector([name for name in leg.listed if leg.counts[name]]), "last") for leg in legs]
    return Metadata(fetcher.fetch([_looks_at(asks, time, 8)]))


def _facts(fetcher: _fetch.Fetcher, known: Sequence[Leg], time: _fetch.Stretch) -> Metadata:
    if max(time.seconds / leg.interval_seconds for leg in known) <= _FEW_SAMPLES:
        raw = [(leg, [_fetch.Ask(leg.selector(list(leg.counts)), "raw")]) for leg in known]
        return Metadata(fetcher.fetch([part for leg, asks in raw for part in leg.plan(asks, time, parallel=1)]))
    asks = []
    for leg in known:
        reasons = [name for name in leg.counts if _metrics.role_of(name, {}) in _REASONS]
        both = (([name for name in leg.counts if name not in reasons], "last"), (reasons, "last_true"))
        asks += [_fetch.Ask(leg.selector(names), how) for names, how in both if names]
    # Looked at this often, and again closely where something changed.
    return _closer(fetcher, known, _looks_at(asks, time, 336), time)


def _looks_at(asks: Sequence[_fetch.Ask], time: _fetch.Stretch, most: int) -> _fetch.Part:
    step = -(-time.seconds // most // 60) * 60
    looks = -(-time.seconds // step)
    return _fetch.Part(tuple(asks), time._replace(after=time.until - looks * step), step)


def _closer(fetcher: _fetch.Fetcher, legs: Sequence[Leg], looks: _fetch.Part, time: _fetch.Stretch) -> Metadata:
    """Look at facts from time to time, and fetch them again, exactly, of those pods where something changed."""
    coarse = _fetch.together(fetcher.fetch([looks]))
    changed = _changed(coarse, legs)
    parts: list[_fetch.Part] = []
    closer: set[str] = set()
    left_out = 0
    for leg in legs:
        names = [name for name in leg.counts if _metrics.role_of(name, {}) in _WATCHED]
        pods = sorted(pod for label, pod in changed if label == leg.pod_label)
        if not names or not pods or leg.family not in ("kube", "cgroup"):
            continue
        known = max(1, sum(size for name, size in leg.counts.items() if name in names))
        share = len(pods) / max(len(pods), *leg.counts.values())
        rate = known * share / leg.interval_seconds
        chosen = pods[: max(1, int(_CLOSER_SAMPLES / max(rate / len(pods) * time.seconds, 1e-9)))]
        left_out = max(left_out, len(pods) - len(chosen))
        closer.update(chosen)
        for some in _shared_out(chosen, _LONGEST_LIST):
            part = len(some) / len(pods)
            parts += _fetch.plan(
                [_fetch.Ask(leg.selector(names, _fetch.one_of(leg.pod_label, some)), "raw")],
                time,
                samples_per_second=rate * part,
                series=int(known * share * part) + 1,
                parallel=1,
            )
    exact = fetcher.fetch(parts) if parts else []
    labels = {leg.pod_label for leg in legs}
    kept = [
        _metrics.role_of(one.get("__name__", ""), {}) not in _WATCHED
        or not any(one.get(label) in closer for label in labels)
        for one in coarse.labels
    ]
    notes = (f"times of restarts are known to within {looks.step_seconds // 60} minutes only for {left_out:,} pods",)
    return Metadata([coarse.where(np.array(kept, bool)), *exact], warnings=notes if left_out else ())


def _changed(coarse: Decoded, legs: Sequence[Leg]) -> set[tuple[str, str]]:
    labels = {leg.pod_label for leg in legs}
    values: dict[tuple[object, ...], float] = {}
    changed: set[tuple[str, str]] = set()
    for said, start, number in zip(coarse.labels, coarse.starts.tolist(), coarse.counts.tolist(), strict=True):
        name = said.get("__name__", "")
        if (role := _metrics.role_of(name, {})) not in _WATCHED:
            continue
        for label in labels:
            if (pod := said.get(label)) is None:
                continue
            here = coarse.values[start : start + number]
            container = said.get("container") or said.get("exported_container") or said.get("container_name")
            place = (name, said.get("cluster"), said.get("namespace"), pod, container)
            first = values.setdefault(place, float(here[0]))
            if role in _REASONS or first != here[0] or (here != here[0]).any():
                changed.add((label, pod))
    return changed
