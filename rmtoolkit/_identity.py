"""Which series are one container, who owns its pod, which version it runs since when, and what happened to it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations, pairwise, permutations, product, zip_longest
from pathlib import PurePath
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rmtoolkit.exceptions import RmtoolkitError, quote
from rmtoolkit.schema import BYTE_SIGNALS, FOOTPRINTS, WORKLOAD
from rmtoolkit.text import texts

# Kubernetes draws random suffixes from this alphabet: no vowels and no 0, 1, 3, so no words appear.
_SAFE: Final = "[bcdfghjklmnpqrstvwxz2456789]"

#: What no other pod of a Deployment, DaemonSet or Job has in its name.
OWN_SUFFIX: Final = rf"-{_SAFE}{{5}}$"
#: A pod of a Deployment: its name, the hash of its template, and a suffix of its own.
OF_DEPLOYMENT: Final = rf"^(?P<workload>.+)-({_SAFE}{{6,10}}){OWN_SUFFIX}"
# Order matters: the longest form first. Sources: apimachinery rand.SafeEncodeString, controller naming.
_FORMS: Final = (
    ("CronJob", rf"^(?P<workload>.+)-[0-9]{{8,11}}{OWN_SUFFIX}"),
    ("Deployment", OF_DEPLOYMENT),
    ("StatefulSet", r"^(?P<workload>.+)-[0-9]{1,4}$"),
    # One suffix is a DaemonSet or a Job: the name alone cannot tell them apart.
    (None, rf"^(?P<workload>.+){OWN_SUFFIX}"),
)

#: Why a patch of a workload's containers reaches none that stands elsewhere in its pods.
OTHER_LIST: Final = "it is one of the {} of its pod, change it in the manifest"
#: Swarm appends slot and task; Compose and people append a number.
_NUMBERED: Final = r"^(.+?)(?:\.\d+\.[a-z0-9]{25}|[-_.]\d{1,4})$"
#: What a kubelet calls a container of Docker: by container, pod, namespace, uid and attempt.
KUBELET_NAME: Final = r"^k8s_([^_]+)_([^_]+)_([^_]+)_[^_]+_\d+$"
#: A pod's uid in the path of its cgroup: dashes, or underscores with the systemd driver; 32 digits for static pods.
UID_IN_CGROUP: Final = r"pod([0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{32})"

#: What a label or an annotation of a person or a team is called, after its prefix: `team`, `example.com/owner`, and as
#: kube-state-metrics spells them, `label_example_com_owner`.
_TEAM: Final = re.compile(r"(?:.*[/._-])?(owner|team)", re.IGNORECASE | re.DOTALL)
#: A label has no more; an annotation may have a whole document.
_MOST_OF_A_NAME: Final = 63
#: A prefix of a domain, a slash and a name, as kube-state-metrics spells it.
_LONGEST_LABEL: Final = 340
#: A ReplicaSet is its Deployment's name and a hash; a Job of a CronJob ends in a time.
_REPLICA_SET: Final = re.compile(rf"^(?P<name>.+)-{_SAFE}{{6,10}}")
_CRON_JOB: Final = re.compile(r"^(?P<name>.+)-\d{8,11}")

#: "No owner" was ``<none>`` before kube-state-metrics 2.8, and is an empty label since.
NO_OWNER: Final = ("", "<none>")

Pod = tuple[str | None, str | None, str]
Owner = tuple[str, str]
_DIGEST: Final = re.compile(r"sha256:(?P<hex>[0-9a-f]{12})")
#: Times, which rise, and the values of a series.
Curve: TypeAlias = tuple[NDArray[np.int64], NDArray[np.float64]]

#: Fewer values are alike by chance.
ENOUGH: Final = 4
#: A series of its own has this share of the samples that are due.
_STEADY: Final = 0.75
#: A sum and two parts: fewer containers hold none.
_SUM: Final = 3
#: How people call a row that sums up the others, and what it is of them.
SUMMARY_WORDS: Final = {word: kind for kind, words in texts("summaries").items() for word in words}
#: Labels and columns that say which statistic of an amount something is, those of quantiles first; and the share of
#: values below each.
_OF_QUANTILES: Final = ("quantile", "phi")
STATISTIC_LABELS: Final = (*_OF_QUANTILES, "rollup", "stat", "statistic", "aggregation", "agg", "result")
_SHARES: Final = {"max": 1.0, "mean": 0.5, "min": 0.0}
#: One below which a smaller share of values lies does not show how high an amount went.
HIGH: Final = 0.95
#: What was rounded is a few steps off the sum of its parts; where no name says so, by up to this share of itself, and
#: it moves by several times as much.
_ROUNDED, _MOVES = 0.005, 8
#: A pod holds its containers, and up to this share of them more, such as its pause container.
_OF_POD: Final = 0.1
_NAMES: Final = ("cluster", "namespace", "pod", "container")
#: Without a marker of its end, `query_range` repeats a series' last value for this long.
LOOKBACK_MILLISECONDS: Final = 300_000
#: Series of two containers of one name in one pod overlap no longer than that, give or take a scrape.
HANDOVER_MILLISECONDS: Final = LOOKBACK_MILLISECONDS + 60_000
#: Two looks at one container see values that lie between each other's, give or take this share.
_TOLERANCE: Final = 0.02
_SAME_SHARE: Final = 0.5
#: Over these, beside what lies between its samples, a series may tell the mean, the most or the least of another one.
_WINDOWS: Final = tuple(60_000 * minutes for minutes in (1, 5, 10, 15, 30, 60))
_EXTREMES: Final = (np.maximum, np.minimum)


def infer(pod: pl.Expr, pattern: str | None = None) -> pl.Expr:
    own = pl.lit(None, pl.String) if pattern is None else pod.str.extract(pattern, owner_group(pattern))
    found = {name: pod.str.extract(form, 1) for name, form in _FORMS}
    kinds = [pl.when(one.is_not_null()).then(pl.lit(name, pl.String)) for name, one in found.items()]
    kind = pl.when(own.is_null()).then(pl.coalesce(kinds))
    return pl.struct(workload=pl.coalesce(own, *found.values(), pod), workload_kind=kind)


def releases_by_name(containers: pl.DataFrame) -> pl.DataFrame:
    """Take what a Deployment's pods are made from, a hash in their names, for their version where nothing tells it."""
    of_deployment = pl.col("pod").str.extract_groups(OF_DEPLOYMENT).struct
    its_own = pl.col("workload_kind").is_null() & (of_deployment[0] == pl.col("workload"))
    hashed = pl.when((pl.col("workload_kind") == "Deployment") | its_own).then(of_deployment[1])
    told = pl.col("version").is_not_null().any().over(WORKLOAD)
    several = hashed.drop_nulls().n_unique().over(WORKLOAD) > 1
    return containers.with_columns(version=pl.when(~told & several).then(hashed).otherwise("version"))


def service_of(name: pl.Expr, pattern: str | None) -> pl.Expr:
    return name.str.extract(_NUMBERED, 1).fill_null(name) if pattern is None else infer(name, pattern).struct[0]


def team_of(labels: Mapping[Any, Any]) -> str | None:
    said = [
        (len(name), name, " ".join(value.split()))
        for name, value in labels.items()
        if isinstance(name, str) and isinstance(value, str) and len(name) <= _LONGEST_LABEL and _TEAM.fullmatch(name)
    ]
    return next((value for *_, value in sorted(said) if value and len(value) <= _MOST_OF_A_NAME), None)


def owner_group(pattern: str) -> int:
    try:
        groups = re.compile(pattern).groupindex
        # Polars has an engine of its own, without look-around and back references.
        pl.Series([""]).str.extract(pattern)
    except (re.error, pl.exceptions.ComputeError) as error:
        lines = [line.strip() for line in str(error).splitlines()]
        reason = next((line for line in lines if line.startswith("error: ")), lines[0]).removeprefix("error: ")
        msg = f"The workload pattern {quote(pattern)} is no regular expression for pod names: {reason}."
        raise RmtoolkitError(msg) from error
    if "workload" not in groups:
        msg = f"The workload pattern {quote(pattern)} needs a group (?P<workload>…)."
        raise RmtoolkitError(msg)
    return groups["workload"]


class Event(NamedTuple):
    """What happened, in the words of `rmtoolkit.schema.EVENTS`."""

    time: int  # milliseconds since 1970
    kind: str
    value_bytes: int | None = None  # the new limit or request; the limit in force at an OOM kill
    detail: str | None = None


def changes(kind: str, values: Iterable[tuple[int | None, int | None]]) -> list[Event]:
    """Tell every change of a setting, and before the first one what it changed from; a change at no time is none."""
    timed = [(time, value) for time, value in values if time is not None]
    changed = [after for before, after in pairwise(timed) if after[1] != before[1]]
    told = [timed[0], *changed] if changed else []
    return [Event(time, kind, value, None if value is not None else f"no {kind}") for time, value in told]


def top_owner(pod: Pod, owner: Owner, of_owner: Mapping[tuple[str, Pod], Owner]) -> tuple[str, str, bool]:
    kind, name = owner
    if name in NO_OWNER:
        return pod[2], "Pod", False
    if kind == "Node":
        return pod[2].removesuffix(f"-{name}"), "StaticPod", False
    if (above := of_owner.get((kind, (pod[0], pod[1], name)))) is not None:
        return (name, kind, False) if above[1] in NO_OWNER else (above[1], above[0], False)
    made = {"ReplicaSet": (_REPLICA_SET, "Deployment"), "Job": (_CRON_JOB, "CronJob")}
    match = made[kind][0].fullmatch(name) if kind in made else None
    return (match["name"], made[kind][1], True) if match else (name, kind, False)


class Image(NamedTuple):
    container: int
    workload: object
    version: str
    first: int
    last: int


def version_of(image: str | None, image_id: str | None) -> str | None:
    name = (image or "").partition("@")[0]
    tag = "" if name.startswith("sha256:") else name.rpartition("/")[2].partition(":")[2]
    if tag not in ("", "latest"):
        return tag
    digest = _DIGEST.search(image or "") or _DIGEST.search(image_id or "")
    return digest["hex"] if digest else tag or None


def releases(images: Iterable[Image], slack: int) -> list[tuple[int, int, str]]:
    """Tell the first container of a workload that runs a version which was not running before, when, and which."""
    begun: dict[object, int] = {}
    newest: dict[object, str] = {}
    until: dict[tuple[object, str], int] = {}
    found = []
    for image in sorted(images, key=lambda image: (image.first, image.last)):
        last = until.get((image.workload, image.version))
        start = begun.setdefault(image.workload, image.first)
        if last is None or image.first > last + slack:
            if image.first > start + slack and image.version != newest.get(image.workload):
                found.append((image.container, image.first, image.version))
            newest[image.workload] = image.version
        until[image.workload, image.version] = image.last if last is None else max(last, image.last)
    return found


def parting(*names: str | pl.Expr) -> pl.Expr:
    """Let what tells containers of one name apart stand behind their cluster; without either it is unknown."""
    return pl.concat_str(*names, separator="/", ignore_nulls=True).replace("", None)


def statistic(labels: Mapping[str, str]) -> float | None:
    """Tell which statistic of an amount something is, as the share of values below it; None where it is no such."""
    for label, said in ((label, labels[label].lower()) for label in STATISTIC_LABELS if label in labels):
        number = said.removeprefix("p")
        # Elsewhere a bare number is no share: a result of 0 is how a program ended.
        if number.replace(".", "", 1).isdecimal() and (number != said or label in _OF_QUANTILES):
            return float(number) / (1 if number == said else 100)
        if (kind := SUMMARY_WORDS.get(said)) in _SHARES:
            return _SHARES[kind]
    return None


def differ_by_statistic(sources: Iterable[str]) -> bool:
    """Tell whether names of sources differ by a statistic or an amount alone: `memory_avg`, `memory_max`, `rss`."""
    amounts = "|".join(name.removesuffix("_bytes") for name in FOOTPRINTS)
    whole = re.compile(rf"(?<![^_])(?:{amounts})(?:_bytes)?(?![^_])")
    named = [whole.sub("amount", re.sub(r"[\W_]+", "_", source.lower())) for source in sources]
    rests = {tuple(word for word in name.split("_") if SUMMARY_WORDS.get(word) not in _SHARES) for name in named}
    return len(rests) < len(named)


def contradict(mine: Curve, theirs: Curve, reach: int = 1) -> bool:
    """Tell whether most values of the other series lie outside of what the first one says around the same time."""
    if min(mine[0][-1], theirs[0][-1]) - max(mine[0][0], theirs[0][0]) <= HANDOVER_MILLISECONDS:
        return False
    near = _near(mine, theirs, reach)
    return bool(np.count_nonzero(near) < _SAME_SHARE * len(near))


def in_turn(mine: Curve, theirs: Curve) -> bool:
    return bool(min(mine[0][-1], theirs[0][-1]) < max(mine[0][0], theirs[0][0]))


def stands_still(stale: Curve, moving: Curve) -> bool:
    """Tell whether a series says what another one does, which moves, but for a stretch in which it stands still."""
    times, values = stale
    turns = np.diff(values, prepend=np.nan) != 0
    run = np.cumsum(turns)
    still = (run == np.bincount(run).argmax()) & ~turns
    same, other = (_near(moving, (times[part], values[part])) for part in (~still, still))
    moved = values[~still]
    if min(len(same), len(other)) < ENOUGH or np.ptp(moved) <= _TOLERANCE * moved.max():
        return False
    return bool(same.mean() >= _STEADY and other.mean() < _SAME_SHARE)


def summaries(curves: Sequence[Curve]) -> Iterator[tuple[int, int, int]]:
    """Find series that are a statistic of another one of them: which, and from when to when that one tells more."""
    moved = [(len(values), np.abs(np.diff(values)).sum()) for _, values in curves]
    for coarse, fine in combinations(sorted(range(len(curves)), key=moved.__getitem__), 2):
        if contradict(curves[fine], curves[coarse]) and _summarises(curves[coarse], curves[fine]):
            times, step = curves[fine][0], int(np.median(np.diff(curves[coarse][0])))
            yield coarse, int(times[0]) - step, int(times[-1]) + step


def _summarises(coarse: Curve, fine: Curve) -> bool:
    (others, told), (times, values) = coarse, fine
    sums, padded, step = np.cumsum([0, *values]), np.append(values, 0), np.median(np.diff(times))
    windows, sides = dict.fromkeys((int(np.median(np.diff(others))), *_WINDOWS)), ("left", "right")
    # A window may end at its time, or begin there, and hold its ends or not; what is only near is another container.
    for window, late, *of_ends in product(windows, (0, 1), sides, sides):
        ends = others + late * window
        low, high = (np.searchsorted(times, at, of) for at, of in zip((ends - window, ends), of_ends, strict=True))
        whole = (high - low > 1) & (ends - window >= times[0] - step) & (ends <= times[-1] + step)
        if np.count_nonzero(whole) < max(
            ENOUGH, _STEADY * np.count_nonzero((others >= times[0]) & (others <= times[-1]))
        ):
            continue
        low, high, edges = low[whole], high[whole], np.column_stack((low[whole], high[whole])).ravel()
        statistics = (sums[high] - sums[low]) / (high - low), *(of.reduceat(padded, edges)[::2] for of in _EXTREMES)
        if any(np.mean(np.abs(told[whole] - one) <= _ROUNDED * one) >= _STEADY for one in statistics):
            return True
    return False


def _near(mine: Curve, theirs: Curve, reach: int = 1) -> NDArray[np.bool_]:
    (times, values), (others, told) = mine, theirs
    inside = (others >= times[0]) & (others <= times[-1])
    place = np.searchsorted(times, others[inside])
    around = values[np.clip(place + np.arange(-reach, reach)[:, None], 0, len(times) - 1)]
    least, most, said = around.min(axis=0), around.max(axis=0), told[inside]
    near: NDArray[np.bool_] = (said >= least - _TOLERANCE * most) & (said <= most + _TOLERANCE * most)
    return near


def contradictions(
    rows: pl.DataFrame, keys: Sequence[str], label: str, least: int, *, steady: bool = False
) -> Iterator[tuple[str, list[pl.DataFrame], bool]]:
    """Find containers of which parts (times rise) have other values at one time, in what, and if one may be a copy."""
    names = [name for name in BYTE_SIGNALS if name in rows.columns and rows[name].count()]
    for some in rows.partition_by(keys) if keys else [rows]:
        parts = some.partition_by(label, maintain_order=True)
        for name in names if len(parts) > 1 else ():
            curves = [curve for curve in (curve_of(part, name) for part in parts) if len(curve[0]) >= least]
            steps = [np.diff(times) for times, _ in curves] if steady else []
            # Rows of one that a column happens to mark are not there all the time.
            is_own = all(len(one) and np.median(one) * len(one) >= _STEADY * one.sum() for one in steps)
            if len(curves) > 1 and is_own and any_contradicts(curves):
                still = any(stands_still(one, other) for one, other in permutations(curves, 2))
                yield name, parts, still or any(summaries(curves))
                break


def curve_of(rows: pl.DataFrame, name: str) -> Curve:
    held = rows.select(pl.col("time").to_physical(), pl.col(name).cast(float)).drop_nulls()
    return held["time"].to_numpy(), held[name].to_numpy()


def any_contradicts(parts: Sequence[Curve]) -> bool:
    """Tell whether series of one name contradict the longest of them; times rise."""
    first, *others = sorted(parts, key=lambda part: -len(part[0]))
    return any(contradict(first, other) for other in others)


class _Place(NamedTuple):
    cluster: str | None
    namespace: str | None
    pod: str | None
    container: str | None
    guessed: bool  # its name is that of an owner that was guessed, as of `docker stats`
    ids: list[int]
    parts: list[int]

    def may_be(self, other: _Place) -> bool:
        """Tell whether the other, of another source, knows more and says nothing else."""
        differ = [name for name, mine, told in zip(_NAMES, self, other, strict=False) if told not in (None, mine)]
        unsaid = [name for name in differ if getattr(self, name) is None or (name == "container" and self.guessed)]
        is_guess = other.guessed and self.container not in (None, other.container)
        return unsaid == differ != [] and not is_guess and set(self.parts).isdisjoint(other.parts)


def named_by_values(
    containers: pl.DataFrame, samples: pl.DataFrame, part_of: NDArray[np.int64]
) -> tuple[pl.DataFrame, int]:
    """Give a container that a source names in part the names of the only one with equal values; count the unlike."""
    guessed = (pl.col("workload_inferred") & (pl.col("container") == pl.col("workload"))).fill_null(value=False).all()
    told = containers.with_columns(part=pl.Series(part_of)).group_by(_NAMES, maintain_order=True)
    places = [_Place(*row) for row in told.agg(guessed.alias("guessed"), "container_id", "part").iter_rows()]
    by_name: dict[tuple[str, str | None], list[_Place]] = {}
    for place in places:
        for name in ("pod", "container") if place.pod is not None else ():
            by_name.setdefault((name, getattr(place, name)), []).append(place)
    pairs = []
    for place in places:
        called = ("container", place.container) if place.pod is None else ("pod", place.pod)
        others = [other for other in by_name.get(called, []) if called[1] is not None and place.may_be(other)]
        # A name that leaves nothing open needs no values.
        if len(others) > 1 or any(place[2:4] != other[2:4] for other in others):
            pairs.append((place, others))
    place_of = {key: one.ids[0] for place, others in pairs for one in (place, *others) for key in one.ids}
    rows = samples.filter(pl.col("container_id").is_in(place_of)).sort("time")
    held = rows.group_by(pl.col("container_id").replace_strict(place_of, return_dtype=pl.Int64))
    curves = {key: some for (key,), some in held}
    unlike, found = 0, list[tuple[int, int]]()
    for place, others in pairs:
        mine, *theirs = (curves.get(one.ids[0], samples.clear()) for one in (place, *others))
        alike = [_alike(mine, some) for some in theirs]
        # A pod's only container is what is told of the pod, unless their values say otherwise.
        same = None if place.pod is not None and len(alike) == 1 and alike[0] is None else True
        if alike.count(same) == 1:
            found += [(key, others[alike.index(same)].ids[0]) for key in place.ids]
        else:
            unlike += 1
    if found:
        names = containers.select("workload", "workload_kind", "workload_inferred", *_NAMES, there="container_id")
        there = pl.DataFrame(found, dict.fromkeys(("container_id", "there"), pl.UInt32()), orient="row")
        containers = containers.update(there.join(names, on="there").drop("there"), on="container_id")
    return containers, unlike


def _alike(mine: pl.DataFrame, theirs: pl.DataFrame) -> bool | None:
    """Tell whether two looks at one amount agree; None where there are none at the same time."""
    for name in BYTE_SIGNALS:
        there, here = curve_of(theirs, name), curve_of(mine, name)
        if len(there[0]) and len(near := _near(there, here)) >= ENOUGH:
            return bool(np.count_nonzero(near) >= _SAME_SHARE * len(near))
    return None


def totals(containers: pl.DataFrame, samples: pl.DataFrame, events: pl.DataFrame) -> tuple[list[int], list[int]]:
    """Find what is at each instant the sum of the others, or what its name says; and what may be so by chance."""
    found, doubtful = list[int](), list[int]()
    value = pl.col(next((name for name in FOOTPRINTS if samples[name].count()), FOOTPRINTS[0]))
    for is_sure, key in _of_pods(containers, samples, events, value):
        (found if is_sure else doubtful).append(key)
    called, summary = pl.coalesce(_NAMES[::-1]).str.to_lowercase(), pl.col("summary")
    kind = called.replace_strict(SUMMARY_WORDS, default=None, return_dtype=pl.String).alias("summary")
    others = value.filter(summary.is_null())
    kinds = containers.select(kind).to_series().drop_nulls().unique()
    about = {kind: getattr(others, kind)().over("of", "time") for kind in {"sum", *kinds}}
    named = (pl.when(summary == kind).then(each) for kind, each in about.items())
    off = (value - pl.coalesce(*named, about["sum"] - value)).abs()
    parts = (others > 0).sum().over("of", "time").cast(pl.Int64) - summary.is_null()
    # What is called a sum may be that of one.
    near = (off <= 2 * _ROUNDED * value) & (parts >= _SUM - 1 - summary.is_not_null())
    last = samples.filter(pl.col("time") == pl.col("time").max())
    is_lone = (pl.col("workload_kind").is_null() & summary.is_null()).alias("lone")
    for depth in (3, 2, 1, 0) if containers.height >= _SUM - bool(kinds.len()) else ():
        of = pl.struct(pl.lit(depth), *_NAMES[:depth]).rank("dense").alias("of")
        rest = containers.filter(~pl.col("container_id").is_in(found)).with_columns(kind)
        placed = rest.select("container_id", of, "summary", is_lone)
        # One instant shows soon that there is none, and another one that the first was chance.
        like = last.join(placed, on="container_id").filter(near)
        rows = samples.join(placed.join(like, on="of", how="semi"), on="container_id")
        first = rows.join(like, on="container_id", how="semi").group_by("of").agg(pl.col("time").first())
        like = rows.join(first, on=("of", "time"), how="semi").filter(near)
        if like.height:
            rows = rows.join(like, on="of", how="semi").with_columns(
                off=off, said=pl.when(summary.is_null()).then(value).otherwise(pl.col("time").to_physical())
            )
            slack = _grain(rows.select(value).to_series().drop_nulls()) * value.count().over("of", "time")
            slack = pl.when(summary.is_null()).then(pl.min_horizontal(slack, _ROUNDED * value)).otherwise(slack + 1)
            moves = value.max() - value.min() >= _MOVES * pl.col("slack").max()
            # What is called so needs no more than one row, as a spreadsheet puts it below a column.
            close, is_called = (pl.col("off") <= pl.col("slack")).all(), summary.is_not_null().any()
            sure = is_called | (moves & (pl.col("said").n_unique() >= ENOUGH))
            seen = rows.with_columns(slack=slack).group_by("container_id")
            told = seen.agg(close, sure.alias("sure"), is_called | (pl.len() >= ENOUGH), pl.col("lone").first())
            told = told.filter("off", "summary")
            found += told.filter("sure")["container_id"].to_list()
            doubtful += told.filter(~pl.col("sure"), "lone")["container_id"].to_list()
    return found, sorted({*doubtful}.difference(found))


def _of_pods(
    containers: pl.DataFrame, samples: pl.DataFrame, events: pl.DataFrame, value: pl.Expr
) -> list[tuple[bool, int]]:
    """Find what is told of whole pods beside their containers, these and what else they hold; and what may be that."""
    pod, named = _NAMES[:3], pl.col("container").is_not_null()
    both = containers.filter(pl.col("pod").is_not_null(), (named.any() & ~named.all()).over(pod))
    # A limit or a kill that nothing else in the pod tells of stays with the row that does.
    tells = pl.col("limit_bytes").is_not_null() | pl.col("container_id").is_in(events["container_id"].implode())
    both = both.with_columns(alone=tells & ~(named & tells).any().over(pod))
    if both.is_empty():
        return []
    rows = samples.join(both.select("container_id", "alone", *_NAMES), on="container_id")
    parts = value.filter(named).sum().over(*pod, "time")
    around = rows.with_columns(parts=parts, more=value - parts).filter(~named, value.is_not_null())
    is_above = (pl.col("parts") > 0) & (pl.col("more") >= -_ROUNDED * pl.col("parts"))
    is_whole = is_above & (pl.col("more") <= _OF_POD * pl.col("parts"))
    # What else a pod holds hardly moves.
    low, high = (pl.col("more").filter(is_whole).quantile(edge) for edge in ((1 - _STEADY) / 2, (1 + _STEADY) / 2))
    told = around.group_by("container_id").agg(
        enough=(is_above.sum() >= ENOUGH) & (is_above.mean() >= _STEADY),
        sure=(is_whole.sum() >= ENOUGH) & (is_whole.mean() >= _STEADY) & ~pl.col("alone").any(),
        still=high - low <= _TOLERANCE * value.max(),
    )
    return told.filter("enough").select(pl.col("sure") & pl.col("still"), "container_id").rows()


def _grain(amounts: pl.Series) -> float:
    steps = [base**power / 10**digits for base in (1000, 1024) for power in (1, 2, 3) for digits in range(2 * power)]
    # The first ones rule out most.
    for said in (amounts.head(100).to_numpy(), amounts.to_numpy()):
        steps = [step for step in steps if 2 * np.abs(said - np.rint(said / step) * step).max() <= 1]
    return max(steps, default=0)


def place_names(sources: Iterable[str]) -> dict[str, str]:
    distinct = list(dict.fromkeys(sources))
    paths = [PurePath(source).parts for source in distinct]
    same = next((place for place, parts in enumerate(zip_longest(*paths)) if len(set(parts)) > 1), 0)
    shown = [parts[same] if same < len(parts) else source for parts, source in zip(paths, distinct, strict=True)]
    short = [name.split(".")[0] or name for name in shown]
    return dict(zip(distinct, short if len(set(short)) == len(set(shown)) else shown, strict=True))
