"""How a pull is cut into requests that a server can bear: by samples, by steps, and smaller when it refuses."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from rmtoolkit.loaders.promql import Selector, literal
from rmtoolkit.schema import COUNTERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: Samples in one answer: some 35 MB of JSON.
BUDGET: Final = 1_200_000
#: So small an answer is not worth another request.
_SMALL: Final = 250_000
#: Samples that the server reads for one answer; Prometheus stops at 50 million.
_SERVER_SAMPLES: Final = 20_000_000
#: Prometheus refuses more steps than this in one series.
_MOST_STEPS: Final = 11_000
#: A stretch is not cut below this; then the metrics are shared out.
_SHORTEST_SECONDS: Final = 60


class Ask(NamedTuple):
    """Some series, and what of them is wanted.

    Attributes
    ----------
    selector
        The series.
    how
        ``raw`` samples; or for each step the ``max``, the ``last`` value, or the last value if it is above 0
        (``last_true``).
    """

    selector: Selector
    how: str


class Part(NamedTuple):
    """What one request asks for: samples later than `after_seconds`, up to `until_seconds`.

    Attributes
    ----------
    asks
        One of raw samples; any number of others.
    after_seconds, until_seconds
        Since 1970.
    step_seconds
        0 for raw samples; else points lie at `until_seconds` and every step before it.
    samples
        How many it is expected to bring.
    """

    asks: tuple[Ask, ...]
    after_seconds: int
    until_seconds: int
    step_seconds: int = 0
    samples: int = 0

    def promql(self) -> str:
        """Write the query of `query_range`.

        Returns
        -------
        str
            Names of metrics that a function drops stand in the label ``rmtoolkit_name``.
        """
        parts = [text for ask in self.asks for text in _terms(ask, self.step_seconds)]
        if len(parts) == 1:
            return parts[0]
        # `or` takes no account of names: series of two parts must differ in another label.
        return " or ".join(
            f'label_replace({part}, "rmtoolkit_leg", "{number}", "", "")' for number, part in enumerate(parts)
        )

    def times(self) -> dict[str, str]:
        """Give the times of `query_range`.

        Returns
        -------
        dict
            `start`, `end` and `step`, in whole seconds.
        """
        first = self.after_seconds + self.step_seconds
        return {"start": str(first), "end": str(self.until_seconds), "step": str(self.step_seconds)}

    def halves(self) -> tuple[Part, Part] | None:
        """Cut it in two: by time, and what is as short as can be by its metrics.

        Returns
        -------
        tuple of Part, or None
            None when it cannot be made smaller.
        """
        length = self.until_seconds - self.after_seconds
        step = self.step_seconds or 1
        if length >= 2 * max(step, _SHORTEST_SECONDS if self.step_seconds == 0 else step):
            middle = self.after_seconds + length // step // 2 * step
            return self._replace(until_seconds=middle), self._replace(after_seconds=middle)
        if len(self.asks) > 1:
            half = len(self.asks) // 2
            return self._replace(asks=self.asks[:half]), self._replace(asks=self.asks[half:])
        for ask in self.asks:
            names = ask.selector.names
            if len(names) > 1:
                return self._named(ask, names[: len(names) // 2]), self._named(ask, names[len(names) // 2 :])
        return None

    def _named(self, ask: Ask, names: tuple[str, ...]) -> Part:
        return self._replace(asks=(ask._replace(selector=ask.selector._replace(names=names)),))


def _terms(ask: Ask, step_seconds: int) -> Iterable[str]:
    if ask.how == "last":
        return [f"last_over_time({ask.selector.promql()}[{step_seconds}s])"]
    if ask.how == "last_true":
        return [f"(last_over_time({ask.selector.promql()}[{step_seconds}s]) > 0)"]
    # This function drops the metric's name, so there is one term for each.
    return [
        f"label_replace(max_over_time({ask.selector._replace(names=(name,)).promql()}[{step_seconds}s]), "
        f'"rmtoolkit_name", {literal(name)}, "", "")'
        for name in ask.selector.names
    ]


def is_counter(role: str) -> bool:
    """Tell whether the last value of a step says more than the highest: a counter may have been reset.

    Parameters
    ----------
    role
        A signal.

    Returns
    -------
    bool
        It only rises, until a restart.

    Examples
    --------
    >>> is_counter("work_total"), is_counter("rss_bytes")
    (True, False)
    """
    return role in COUNTERS


def plan(
    asks: Sequence[Ask],
    after_seconds: int,
    until_seconds: int,
    *,
    samples_per_second: float,
    series: int,
    step_seconds: int = 0,
    parallel: int = 4,
) -> list[Part]:
    """Cut a stretch of time into requests.

    Parameters
    ----------
    asks
        What every request asks for; one of raw samples.
    after_seconds, until_seconds
        The stretch.
    samples_per_second
        Raw samples that are scraped, of all series together.
    series
        How many series there are at once.
    step_seconds
        0 for raw samples.
    parallel
        Requests that may be under way at once; small pulls are shared out among them.

    Returns
    -------
    list of Part
        That cover it, in the order of time.

    Examples
    --------
    >>> asks = [Ask(Selector(("container_memory_rss",)), "raw")]
    >>> parts = plan(asks, 0, 604_800, samples_per_second=500 / 60, series=500)
    >>> [part.until_seconds for part in parts]
    [120960, 241920, 362880, 483840, 604800]
    """
    length = until_seconds - after_seconds
    raw = samples_per_second * length
    points = raw if step_seconds == 0 else series * (length / step_seconds)
    count = max(math.ceil(points / BUDGET), min(parallel, int(points / _SMALL)), 1)
    unit = step_seconds or 1
    shortest = step_seconds or _SHORTEST_SECONDS
    if step_seconds:
        count = max(count, math.ceil(raw / _SERVER_SAMPLES), math.ceil(length / step_seconds / _MOST_STEPS))
    pieces = max(1, min(count, length // shortest))
    edges = [after_seconds + round(length / unit * number / pieces) * unit for number in range(pieces)]
    edges.append(until_seconds)
    parts = [
        Part(tuple(asks), one, other, step_seconds, int(points / pieces))
        for one, other in pairwise(edges)
        if other > one
    ]
    # Few instants of very many series: the metrics are shared out.
    for _ in range(math.ceil(math.log2(max(1.0, count / pieces)))):
        parts = [half for part in parts for half in _by_names(part)]
    return parts


def _by_names(part: Part) -> Sequence[Part]:
    halves = part.halves()
    is_cut = halves is not None and halves[0].until_seconds == part.until_seconds
    return halves if halves is not None and is_cut else (part,)
