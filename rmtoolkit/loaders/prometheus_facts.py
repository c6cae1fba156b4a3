"""Limits, owners, restarts, reasons and versions: coarsely for all, exactly for the pods where something happened."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.loaders.prometheus_metrics import KNOWN, Meaning, meaning_of
from rmtoolkit.loaders.prometheus_plan import BUDGET, Ask, Part, plan
from rmtoolkit.loaders.prometheus_raw import together, where
from rmtoolkit.loaders.promql import one_of
from rmtoolkit.schema import SIGNALS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rmtoolkit.loaders.prometheus_decode import Decoded
    from rmtoolkit.loaders.prometheus_discover import Leg
    from rmtoolkit.loaders.prometheus_fetch import Fetcher

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
    """What is known beside the samples.

    Attributes
    ----------
    parts
        Series, in any order.
    warnings, partial
        For the report.
    """

    parts: list[Decoded]
    warnings: tuple[str, ...] = ()
    partial: tuple[str, ...] = ()


def is_signal(name: str, overrides: Mapping[str, str]) -> bool:
    """Tell whether a metric is sampled into a column, or tells a fact.

    Parameters
    ----------
    name
        A metric with a meaning.
    overrides
        What the user says that metrics mean.

    Returns
    -------
    bool
        It is a signal.

    Examples
    --------
    >>> is_signal("container_memory_rss", {}), is_signal("kube_pod_owner", {})
    (True, False)
    """
    return _meaning(name, overrides).role in SIGNALS


def _meaning(name: str, overrides: Mapping[str, str]) -> Meaning:
    # A metric that tells the kind of memory by a label is one of the allocator.
    return meaning_of(name, {"type": "allocated"}, overrides) or Meaning("", "app")


def fetch_facts(
    fetcher: Fetcher,
    legs: Sequence[Leg],
    overrides: Mapping[str, str],
    after_seconds: int,
    until_seconds: int,
) -> Facts:
    """Fetch all facts of a window.

    Parameters
    ----------
    fetcher
        Sends the requests.
    legs
        What the server has.
    overrides
        What the user says that metrics mean.
    after_seconds, until_seconds
        The window.

    Returns
    -------
    Facts
        Without those that the server would not give; the report says so.

    Examples
    --------
    >>> fetch_facts.__name__
    'fetch_facts'
    """
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
