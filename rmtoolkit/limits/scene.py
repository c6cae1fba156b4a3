"""Everything that can be said of one workload container's limits after a change, and of one limit among them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from rmtoolkit.limits import cost, scenario
from rmtoolkit.limits.margins import Margins, lookup
from rmtoolkit.limits.past import Past, of_workload
from rmtoolkit.limits.recommend import gather
from rmtoolkit.limits.risk import of_row
from rmtoolkit.recording import as_recording

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from rmtoolkit.limits.scenario import Change, Outcome
    from rmtoolkit.limits.usage import AnyRecording

_MIB: Final = 2**20
#: Limits tried for a curve.
_TRIED: Final = 96
#: A range wider than this is cut in equal ratios, not in equal steps.
_WIDE: Final = 6.0


@dataclass(frozen=True, slots=True)
class Prices:
    """What things cost.

    Attributes
    ----------
    per_gib_hour
        A GiB of reserved memory for an hour.
    per_incident
        A week with OOM kills.
    whole
        Whether the whole limit is reserved (request = limit), or only the request.

    Examples
    --------
    >>> Prices(0.005, 40.0, whole=True).per_incident
    40.0
    """

    per_gib_hour: float
    per_incident: float
    whole: bool


@dataclass(frozen=True, slots=True)
class Scene:
    """One workload container after a change, at every limit.

    Attributes
    ----------
    past, found
        As it was, and after the change.
    change
        What is different.
    ours
        The row of `rmtoolkit.recommend_limits` after the change.
    low, high
        The limits between which everything of interest lies, bytes.
    risk, costs
        As `rmtoolkit.limits.scenario.curve` and `costs` give them, between `low` and `high`.
    prices
        What things cost.
    margins, scores
        What the chances come from: all of it, and the scores that fit this workload.
    target
        The chance that is accepted.

    Examples
    --------
    >>> Scene.__slots__[:4]
    ('past', 'found', 'change', 'ours')
    """

    past: Past
    found: Outcome
    change: Change
    ours: dict[str, Any]
    low: int
    high: int
    risk: pl.DataFrame
    costs: pl.DataFrame
    prices: Prices
    margins: Margins
    scores: NDArray[np.float64]
    target: float

    @property
    def wide(self) -> bool:
        """Whether the limits are cut in equal ratios."""
        return self.high > _WIDE * self.low

    @property
    def ours_bytes(self) -> int | None:
        """Our limit; None where there is none."""
        limit: int | None = self.ours["recommended_limit_bytes"]
        return limit

    @property
    def growing(self) -> bool:
        """Whether it grows: then no limit holds."""
        return bool(self.ours["growing"])


@dataclass(frozen=True, slots=True)
class Chosen:
    """One limit.

    Attributes
    ----------
    limit_bytes
        The limit.
    chance, low, high
        Of at least one OOM kill within 7 days, with its 80 % interval; None where nothing can be said.
    certified
        False: the chance may be lower (or, of a short history, higher).
    because
        What the chance rests on.
    memory, incidents
        A month's price; None where unknown.
    kills
        In the recorded past, as `Past.kills` gives them.
    days, days_low, days_high
        That it buys against the growth, with the 80 % interval; negative below the limit in force, None where it does
        not grow or the rate is not known.

    Examples
    --------
    >>> Chosen.__slots__[:2]
    ('limit_bytes', 'chance')
    """

    limit_bytes: int
    chance: float | None
    low: float | None
    high: float | None
    certified: bool
    because: str
    memory: float | None
    incidents: float | None
    kills: pl.DataFrame
    days: float | None
    days_low: float | None
    days_high: float | None

    @property
    def total(self) -> float | None:
        """What a month costs with incidents."""
        return None if self.memory is None or self.incidents is None else self.memory + self.incidents


def scene(past: Past, need: dict[str, Any], change: Change, margins: Margins, target: float, prices: Prices) -> Scene:
    """Work out everything that does not depend on the limit.

    Parameters
    ----------
    past, need
        As `rmtoolkit.limits.past.of_workload` and a row of `rmtoolkit.limits.recommend.gather` give them.
    change
        What is different.
    margins, target
        As in `rmtoolkit.recommend_limits`.
    prices
        What things cost.

    Returns
    -------
    Scene
        For `choose`.

    Examples
    --------
    >>> import polars as pl
    >>> recording = as_recording(pl.DataFrame({"time": range(0, 864_000, 600), "rss_bytes": 100 * 2**20}))
    >>> row = gather(recording).row(0, named=True)
    >>> past = of_workload(recording, row)
    >>> found = scene(past, row, scenario.Change(), Margins.shipped(), 0.05, Prices(0.005, 40, whole=True))
    >>> found.low < 100 * 2**20 < found.ours_bytes < found.high
    True
    >>> choose(found, found.ours_bytes).chance <= 0.05
    True
    """
    found = scenario.outcome(past, need, change)
    row = scenario.ours(found, target, margins)
    low, high = _span(found, row)
    tried = _limits(low, high)
    risk = scenario.curve(found, tried, margins)
    costs = scenario.costs(risk, row, prices.per_gib_hour, prices.per_incident, whole=prices.whole)
    scores = lookup(margins)(found.need["history_seconds"], found.need["climbing"])
    return Scene(past, found, change, row, low, high, risk, costs, prices, margins, scores, target)


def scene_of(
    recording: AnyRecording, change: Change | None = None, prices: Prices | None = None, target: float = 0.05
) -> Scene:
    """Work out the scene of a recording's first workload container, with margins and prices that are usual.

    Parameters
    ----------
    recording
        A recording, or a frame that can become one.
    change
        What is different; None: nothing.
    prices
        What things cost; None: usual ones.
    target
        The chance that is accepted.

    Returns
    -------
    Scene
        For `choose`.

    Raises
    ------
    RmtoolkitError
        The recording has no memory sample.

    Examples
    --------
    >>> import polars as pl
    >>> minutes = range(0, 864_000, 600)
    >>> scene_of(pl.DataFrame({"time": minutes, "workload": "api", "rss_bytes": 100 * 2**20})).growing
    False
    """
    recording = as_recording(recording)
    row = gather(recording).row(0, named=True)
    past = of_workload(recording, row)
    usual = prices or Prices(0.005, 40.0, whole=True)
    return scene(past, row, change or scenario.Change(), Margins.shipped(), target, usual)


def _span(found: Outcome, row: dict[str, Any]) -> tuple[int, int]:
    """Find the limits between which everything of interest lies, in whole steps of the axis."""
    names = ("limit_bytes", "recommended_limit_bytes", "vpa_target_bytes", "krr_limit_bytes", "raise_to_bytes")
    points = [float(row[name]) for name in names if row[name] is not None]
    points += [float(row["peak_bytes"] or _MIB)]
    if row["killed_limit_bytes"] is not None:
        points.append(1.2 * row["killed_limit_bytes"])
    level = found.settled_bytes if found.settled_bytes is not None else points[-1]
    low, high = min(0.9 * min(points), 0.95 * max(level, 1.0)), 1.2 * max(points)
    step = 2 ** max(math.floor(math.log2(max(high - low, 1) / 64)), 0)
    # A limit of nothing is no limit.
    return max(math.floor(low / step), 1) * step, math.ceil(high / step) * step


def _limits(low: int, high: int) -> NDArray[np.float64]:
    cut = np.geomspace if high > _WIDE * low else np.linspace
    return np.asarray(np.round(cut(low, high, _TRIED)), dtype=np.float64)


def choose(known: Scene, limit_bytes: int) -> Chosen:
    """Say everything of one limit.

    Parameters
    ----------
    known
        As `scene` gives it.
    limit_bytes
        The limit.

    Returns
    -------
    Chosen
        Its chance, price and kills.

    Examples
    --------
    >>> import polars as pl
    >>> minutes = range(0, 864_000, 600)
    >>> one = scene_of(pl.DataFrame({"time": minutes, "workload": "api", "rss_bytes": 100 * 2**20}))
    >>> choose(one, 90 * 2**20).kills.height
    1
    """
    need, prices = known.found.need, known.prices
    answer = of_row(need | {"limit_bytes": limit_bytes}, known.scores)
    chance, low, high, _, _, certified, because = answer
    memory = cost.per_month(scenario.reserved_bytes(known.ours, limit_bytes, whole=prices.whole), prices.per_gib_hour)
    incidents = cost.expected(chance, prices.per_incident)
    days = _days(need, limit_bytes) if known.growing else (None, None, None)
    return Chosen(
        limit_bytes,
        chance,
        low,
        high,
        certified,
        because,
        memory,
        incidents,
        known.past.kills(known.found.used, limit_bytes),
        *days,
    )


def _days(need: dict[str, Any], limit_bytes: int) -> tuple[float | None, float | None, float | None]:
    """How long growth takes from the limit in force, or the peak where there is none, to another limit."""
    more = limit_bytes - (need["limit_bytes"] or need["peak_bytes"] or 0)
    rates = (need["growth_bytes_per_day"], need["growth_high_bytes_per_day"], need["growth_low_bytes_per_day"])
    middle, soonest, latest = (more / rate if rate is not None and rate > 0 else None for rate in rates)
    return middle, soonest, latest
