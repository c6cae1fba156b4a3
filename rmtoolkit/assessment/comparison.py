"""A local run beside the pod in the cluster: layer by layer, where the difference comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import polars as pl

from rmtoolkit import text
from rmtoolkit._tables import PARTS, apart, beside
from rmtoolkit.analysis.records import Advice
from rmtoolkit.assessment import Assessment, assess
from rmtoolkit.assessment._rows import FORMS
from rmtoolkit.exceptions import UnknownWorkloadError
from rmtoolkit.schema import TEXT, WHOLE, Verdict, typed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rmtoolkit._parallel import Source

    Row = dict[str, Any]
    #: Layer, local, cluster, difference, why.
    Compared = tuple[str, int | None, int | None, int | None, str]

COMPARED: Final = pl.Schema({"layer": TEXT, **typed(WHOLE, "local_bytes cluster_bytes difference_bytes"), "why": TEXT})
SETTINGS: Final = pl.Schema(typed(TEXT, "setting local cluster"))

#: From the bottom up, as people call them.
LAYERS: Final[dict[str, str]] = text.texts("assessment/comparison")["layers"]
_PRIVATE: Final = ("live", "slack", "kept", "outside")
_BESIDE: Final = ("shmem", "cache", "kernel")
_SMALL: Final = 0.05
_MORE: Final = 1.3


@dataclass(frozen=True, slots=True)
class Comparison:
    """Where a pod's memory differs from that of a local run.

    Attributes
    ----------
    layers
        A row per layer: `local_bytes` and `cluster_bytes`, means over the later half of the longest run,
        `difference_bytes` (null where a side does not know it; the others add up to the whole difference), `why`.
    settings
        What stands around it: limit, allocator, threads, load, version, a row each; null where it is not known.
    local_bytes, cluster_bytes
        The whole of each: the working set, or of a process on its own what is resident.
    headline
        The answer in one sentence.
    limit_text
        What the limit of the cluster means for the local run; None where there is no limit or it is not known.
    incomplete
        What could not be read or used of either; None where nothing is known to be missing.

    Examples
    --------
    >>> table = pl.DataFrame({"time": range(0, 6000, 60), "workload": "api", "rss_bytes": [50 << 20] * 100})
    >>> compare(table, table)
    <Comparison: api takes as much in the cluster as locally (50 Mi).>
    """

    layers: pl.DataFrame
    settings: pl.DataFrame
    local_bytes: int
    cluster_bytes: int
    headline: str
    limit_text: str | None
    incomplete: str | None = None

    @property
    def difference_bytes(self) -> int:
        """What the cluster takes more."""
        return self.cluster_bytes - self.local_bytes

    def rows(self) -> list[tuple[str, ...]]:
        """Give the table of layers in words, the whole last: layer, local, cluster, difference, why.

        Examples
        --------
        >>> table = pl.DataFrame({"time": range(0, 6000, 60), "workload": "api", "rss_bytes": [50 << 20] * 100})
        >>> compare(table, table).rows()[-1][:4]
        ('all', '50 Mi', '50 Mi', '–')
        """
        written = [
            (LAYERS[layer], text.memory(local), text.memory(cluster), text.change(change), why)
            for layer, local, cluster, change, why in self.layers.iter_rows()
        ]
        whole = (text.memory(self.local_bytes), text.memory(self.cluster_bytes), text.change(self.difference_bytes))
        return [*written, ("all", *whole, "")]

    def summary(self) -> str:
        """Put all of it in plain text: the headline, the layers, what stands around them."""
        lines = [self.headline, *([self.limit_text] if self.limit_text else [])]
        lines += [*text.not_complete(self.incomplete), ""]
        for layer, local, cluster, change, why in self.rows():
            lines.append(f"{change:>9}  {layer}: {local} locally, {cluster} in the cluster")
            lines += [f"           {why}"] if why else []
        lines.append("")
        for setting, local, cluster in self.settings.fill_null(text.UNKNOWN).iter_rows():
            lines.append(f"{setting}: {local} locally, {cluster} in the cluster")
        return "\n".join(map(text.printable, lines))

    __str__ = summary

    def __repr__(self) -> str:
        return f"<Comparison: {text.printable(self.headline)}>"

    def _repr_html_(self) -> str:
        from rmtoolkit._html import breakable, el, framed, not_complete, table  # noqa: PLC0415 - only notebooks and pages show it

        heads = (("Layer", ""), ("Local", "n"), ("Cluster", "n"), ("Difference", "n"), ("Why", ""))
        beside = (("Around it", ""), ("Local", ""), ("Cluster", ""))
        layers, around = (
            [[breakable(text.printable(cell)) for cell in row] for row in rows]
            for rows in (self.rows(), self.settings.fill_null(text.UNKNOWN).iter_rows())
        )
        return framed(
            "rm-comparison",
            el("p", el("b", text.printable(self.headline)), " ", text.printable(self.limit_text or "")),
            not_complete(self.incomplete),
            table(heads, layers, caption="Layer by layer, mean of the later half of the longest run", inline=True),
            table(beside, around, caption="What stands around it", inline=True),
            style=";overflow-x:auto",
        )


class _Side(NamedTuple):
    where: str
    row: Row
    layers: dict[str, int | None]
    whole: int
    threads: float | None
    load: float | None
    allocator: str | None
    samples: int


def find_row(found: Assessment, workload: str) -> Row:
    rows: list[Row] = []
    for row in found.workloads.iter_rows(named=True):
        written = ["/".join(row[part] for part in some if row[part] is not None) for some in FORMS[:2]]
        rows += [row] if workload in (row["workload"], row["name"], *written) else []
    if not rows:
        # Of pods that followed each other under one name, as those of a StatefulSet, the last.
        ends = found.lives.group_by("container_id").agg(pl.col("end").max())
        pods = beside(found.instances.filter(pod=workload), ends, "container_id").sort("end").drop("end")
        rows = list({row["workload_id"]: row for row in pods.iter_rows(named=True)}.values())
    if len(rows) != 1:
        raise UnknownWorkloadError.not_one(workload, [row["name"] for row in rows], found.workloads["name"])
    return rows[0]


def compare(local: Source | Assessment, cluster: Source | Assessment, workload: str | None = None) -> Comparison:
    """Set a local recording beside the pod's, and say layer by layer where the difference comes from.

    Parameters
    ----------
    local
        What `rm.record` recorded on this machine, or anything else that `rm.explain` takes; one workload.
    cluster
        The same of the cluster.
    workload
        Which workload of the cluster, as `rm.explain` takes it; not needed where there is only one. Its highest pod is
        compared.

    Returns
    -------
    Comparison
        Shown as two tables in a notebook; `layers` and `settings` are frames, `summary()` is the same in plain text.
        Read `difference_bytes` from the top down: the largest says what to look at, `why` what it follows.

    Raises
    ------
    UnknownWorkloadError
        There is no such workload, or there are several on a side.

    Notes
    -----
    Means over the later half of the longest run that was recorded, so that starts and single bursts count little; what
    leaks differs by when one looks, and says so. A layer that one side does not know has no difference; what it
    holds is then in a layer of its own, so that the differences always add up to the whole one.

    Examples
    --------
    >>> here = pl.DataFrame({"time": range(0, 6000, 60), "workload": "api", "rss_bytes": [50 << 20] * 100})
    >>> there = here.with_columns(allocated_bytes=pl.lit(48 << 20), rss_bytes=pl.lit(90 << 20))
    >>> print(compare(here, there).headline)
    api takes 40 Mi more in the cluster (90 Mi) than locally (50 Mi): +40 Mi private memory that is not told apart.
    """
    there = assess(cluster)
    far = _side("cluster", there, workload)
    here = assess(local)
    own = [name for name in here.workloads["workload"] if name == far.row["workload"]]
    near = _side("local run", here, own[0] if len(own) == 1 and here.workloads.height > 1 else None)
    rows = _rows(near, far)
    layers = pl.DataFrame(rows, schema=COMPARED, orient="row")
    told = [(name, said(near), said(far)) for name, said in _SETTINGS.items()]
    settings = pl.DataFrame(told, schema=SETTINGS, orient="row")
    lacks = [f"{side.where}: {found.incomplete}" for side, found in ((near, here), (far, there)) if found.incomplete]
    headline = _headline(near, far, rows)
    return Comparison(layers, settings, near.whole, far.whole, headline, _limit(near, far), " ".join(lacks) or None)


def _side(where: str, found: Assessment, workload: str | None) -> _Side:
    if workload is None:
        names = [str(name) for name in found.workloads["name"]]
        if len(names) != 1:
            there = ", ".join(map(text.printable, names[:20])) or "none"
            msg = f"The {where} has {text.count(len(names), 'workload')}: name the one to compare. There are: {there}."
            raise UnknownWorkloadError(msg)
        row = found.workloads.row(0, named=True)
    else:
        row = find_row(found, workload)
    samples = found.recording.samples.filter(pl.col("container_id") == row["container_id"]).sort("time")
    runs = found.lives.filter(container_id=row["container_id"]).sort("samples", "start").select("start", "end")
    if runs.height:
        samples = samples.filter(pl.col("time").is_between(*runs.row(-1)))
    parts = apart(samples.with_columns(pl.col(PARTS).forward_fill()))
    later = slice(samples.height // 2, None)
    # What is known at the end, and from when on all of it is known.
    known = [name for name in parts.columns if samples.height and parts[name][-1] is not None]
    mean = parts[later].drop_nulls(known).select(pl.col(known).mean()).row(0, named=True) if known else {}

    def bytes_(name: str) -> int | None:
        value = mean.get(f"{name}_bytes")
        return None if value is None else round(value)

    layers = {name: bytes_(name) for name in (*_PRIVATE, *_BESIDE)} | {"anon": bytes_("anon")}
    if layers["outside"] is not None:
        # Rounded parts add up all the same.
        layers["outside"] = (layers["anon"] or 0) - sum(layers[name] or 0 for name in _PRIVATE[:3])
    whole = next((size for name in ("working_set", "rss", "anon") if (size := bytes_(name)) is not None), 0)
    half = samples[later]
    work = half.select("time", "work_total").drop_nulls()
    seconds = (work["time"][-1] - work["time"][0]).total_seconds() if work.height > 1 else 0.0
    load = half["load"].mean()
    if load is None and seconds:
        load = float(work["work_total"].diff().clip(0).sum()) / seconds
    allocator = next((name for signal, name in _TELLS.items() if half[signal].is_not_null().any()), None)
    threads, load = (float(one) if isinstance(one, int | float) else None for one in (half["threads"].mean(), load))
    return _Side(where, row, layers, whole, threads, load, allocator, samples.height)


_TELLS: Final = {"free_bytes": "glibc", "retained_bytes": "jemalloc", "resident_bytes": "one with gauges"}


def _rows(near: _Side, far: _Side) -> list[Compared]:
    """Put each layer in a row; what is not known on both sides is in a row of its own, so that all adds up."""
    known = [one for one, here in near.layers.items() if here is not None and far.layers[one] is not None]
    rows: list[Compared] = []
    for layer in (*_PRIVATE, *_BESIDE):
        here, there = near.layers[layer], far.layers[layer]
        # Only jemalloc tells gaps.
        if layer != "slack" or here is not None or there is not None:
            change = None if here is None or there is None else there - here
            rows.append((layer, here, there, change, _why(layer, here, there, near, far)))
    (here, outer), (there, far_outer) = _left(near, known), _left(far, known)
    if here or there:
        place = 1 + max(at for at, (layer, *_) in enumerate(rows) if layer in _PRIVATE)
        rows.insert(place, ("private", here, there, there - here, _unknown(_PRIVATE, near, far)))
    if outer or far_outer:
        name = "cgroup" if near.layers["cache"] is None or far.layers["cache"] is None else "rest"
        rows.append((name, outer, far_outer, far_outer - outer, _unknown(_BESIDE, near, far)))
    return rows


def _left(side: _Side, known: Iterable[str]) -> tuple[int, int]:
    """Give what the layers that both know leave of the private memory, and of the whole."""
    sizes = {layer: side.layers[layer] or 0 for layer in known}
    heap = sum(sizes.get(layer, 0) for layer in _PRIVATE)
    private = sizes.get("anon", heap)
    return private - heap, side.whole - private - sum(sizes.get(layer, 0) for layer in _BESIDE)


def _unknown(layers: Sequence[str], near: _Side, far: _Side) -> str:
    said: dict[str, list[str]] = {}
    for side in (near, far):
        missing = [LAYERS[layer].partition(" (")[0] for layer in layers if side.layers[layer] is None]
        if missing:
            said.setdefault(", ".join(missing), []).append(f"the {side.where}")
    how = "export the allocator's gauges (jemalloc stats, or mallinfo2 of glibc)"
    if "cache" in layers:
        how = "record it in a cgroup (systemd-run --user --scope, or docker run)"
    told = [f"{' and '.join(sides)} {'do' if sides[1:] else 'does'} not tell {what}" for what, sides in said.items()]
    return f"{'; '.join(told)}: {how}" if told else ""


def _why(layer: str, here: int | None, there: int | None, near: _Side, far: _Side) -> str:
    if here is None or there is None:
        unknown = near if here is None else far
        both = " and of the cluster" if here is None and there is None else ""
        return f"not known of the {unknown.where}{both}"
    if abs(there - here) < _SMALL * max(near.whole, far.whole):
        return "about the same"
    said: str
    match layer:
        case "live":
            said = "; ".join([*_growth(near, far), *_loads(near, far)])
        case "kept":
            whose = [f"the allocator is {far.allocator} in the cluster and {near.allocator} locally"]
            if near.allocator == far.allocator:
                other = f"{far.allocator or 'its allocator'} with other settings, or other bursts"
                whose = _threads(near, far, there - here) or [other]
            said = "; ".join([*whose, *_loads(near, far)])
            if there > here:
                back = f"about {text.memory(there - here)} less"
                remedy = "glibc_trim" if far.allocator == "glibc" else "jemalloc_decay"
                said += f". To give it back: {Advice.of(remedy, back=back, keep='').setting}"
        case "outside":
            said = (
                "; ".join(_threads(near, far, there - here))
                or "see which mapping it is: diff of /proc/PID/smaps of both"
            )
        case _:
            said = text.texts("assessment/comparison")["why"][layer]
    return said


def _loads(near: _Side, far: _Side) -> list[str]:
    if near.load is None or far.load is None:
        return ["the load of both is not known: give its gauge or counter (metrics=) to both"]
    here, there = text.number(near.load), text.number(far.load)
    if far.load > _MORE * near.load or near.load > _MORE * far.load:
        return [f"load is {there} in the cluster and {here} locally"]
    return [f"not the load, which is about the same ({here} and {there}): other data, settings or requests"]


def _growth(near: _Side, far: _Side) -> list[str]:
    return [
        f"{'it' if side is far else 'the local run'} leaks, {text.rate(side.row['growth_bytes_per_day'])}: "
        "the difference depends on when one looks"
        for side in (far, near)
        if side.row["verdict"] == Verdict.LEAK
    ]


def _threads(near: _Side, far: _Side, change: int) -> list[str]:
    """Name the threads where there are more of them on the side with more memory."""
    if near.threads is None or far.threads is None:
        return ["the threads of both are not known"]
    more, fewer = (far.threads, near.threads) if change > 0 else (near.threads, far.threads)
    if more > _MORE * fewer:
        each = "each has a stack, and its share of the allocator"
        return [f"{text.count(round(far.threads), 'thread')} in the cluster and {round(near.threads)} locally: {each}"]
    return []


def _headline(near: _Side, far: _Side, rows: list[Compared]) -> str:
    name, change = text.named(far.row), far.whole - near.whole
    if abs(change) < _SMALL * max(near.whole, far.whole):
        return f"{name} takes as much in the cluster as locally ({text.memory(far.whole)})."
    word = "more" if change > 0 else "less"
    large = [(layer, part) for layer, _, _, part, _ in rows if part is not None and part * change > 0]
    large = sorted((one for one in large if abs(one[1]) >= abs(change) / 10), key=lambda one: -abs(one[1]))
    parts = ", ".join(f"{text.change(part)} {LAYERS[layer]}" for layer, part in large)
    whole = f"({text.memory(far.whole)}) than locally ({text.memory(near.whole)})"
    return f"{name} takes {text.memory(abs(change))} {word} in the cluster {whole}: {parts}."


def _limit(near: _Side, far: _Side) -> str | None:
    limit, peak = far.row["limit_bytes"], near.row["peak_bytes"]
    if limit is None or peak is None:
        return None
    said = f"The local run's peak of {text.memory(peak)} is {text.share(peak / limit)} of the cluster's limit of "
    said += text.configured(limit)
    if near.row["limit_bytes"] is None:
        said += "; locally no limit kills"
    return f"{said}."


_SETTINGS: Final[dict[str, Callable[[_Side], str | None]]] = {
    # Pods may differ: a limit that one of them tells is known.
    "limit": lambda side: (
        text.configured(limit) if (limit := side.row["limit_bytes"]) is not None or side.row["limit_known"] else None
    ),
    "allocator": lambda side: side.allocator,
    "threads": lambda side: None if side.threads is None else str(round(side.threads)),
    "load": lambda side: None if side.load is None else text.number(side.load),
    "version": lambda side: side.row["version"],
    "OOM kills": lambda side: None if side.row["kills"] is None else str(side.row["kills"]),
    "samples": lambda side: f"{side.samples:,}",
}
