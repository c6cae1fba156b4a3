"""A fleet of the worked recordings: twenty services that leak, start, keep, follow, are killed, in three namespaces.

What is said of it stands written down beside the tests of assessment, limits, views and the command line.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

import polars as pl

import rmtoolkit as rm
from rmtoolkit._accepted import Acknowledgement
from rmtoolkit.limits.risk import Prices
from tests.analysis.curves import BEGIN, MI
from tests.analysis.worked import RECORDINGS

NOW: Final = BEGIN + dt.timedelta(days=5)
PROFILE: Final = Path(__file__).parents[1] / "data" / "heap" / "warm-jackdaw.heaptrack.zst"
PRICES: Final = Prices(0.004, 25.0, whole=False, currency="EUR")
_SPACES: Final = ("shop", "search", "mail")
_KINDS: Final = ("Deployment", "StatefulSet", "CronJob", None, "DaemonSet", "Job", "Rollout", "Pod")
ACCEPTED: Final = (
    Acknowledgement("search/heap-leak", "a cache that is known", 4000 * MI, dt.date(2026, 12, 24), None, 1),
    Acknowledgement("mail/kept-pages", "its start", 90 * MI, None, None, 5),
    Acknowledgement("shop/few-samples/main", "young", None, dt.date(2026, 11, 1), "eu", 9),
)


@cache
def recording() -> rm.Recording:
    """All of them, each under its own name, on two nodes, some with a request and a kind."""
    parts = []
    for at, make in enumerate(RECORDINGS):
        one, name = make(), make.__name__.replace("_", "-")
        request = pl.lit(None, dtype=pl.Int64) if at % 3 == 0 else pl.col("limit_bytes") // (at % 3)
        about = one.containers.with_columns(
            cluster=pl.lit("eu"),
            node=pl.lit(f"node-{at % 2}"),
            namespace=pl.lit(_SPACES[(at + 1) % 3]),
            workload=pl.lit(name),
            workload_kind=pl.lit(_KINDS[at % len(_KINDS)], dtype=pl.String),
            pod=pl.lit(f"{name}-") + pl.col("pod"),
            container=pl.lit("main"),
            request_bytes=pl.coalesce("request_bytes", request),
        )
        parts.append(replace(one, containers=about))
        if name == "days-and-nights":
            parts[-1] = _with_own_limits(parts[-1])
    # The same workload with a second container, whose name must tell the two apart.
    beside = RECORDINGS[11]()
    twin = parts[11].containers.with_columns(container=pl.lit("proxy"))
    whole = rm.concat([*parts, replace(beside, containers=twin)])
    told = replace(
        whole.report,
        nodes={"node-0": 2 << 30, "node-1": 600 * MI, "idle": 1 << 30},
        quotas={"search/q requests.memory": 700 * MI, "shop/q limits.memory": 1 << 30, "shop/q memory": 900 * MI},
        left_out={"values that were NaN or infinite": 1234},
        missing=("owners",),
        partial=("a store did not answer",),
        warnings=("the clock of node-1 is late",),
    )
    return replace(whole, report=told)


def _with_own_limits(part: rm.Recording) -> rm.Recording:
    """Give the first pod less and the other more: the limit that is nearest is below what the other pod uses."""
    first = pl.col("container_id") == part.containers["container_id"][0]
    limit = pl.when(first).then(pl.col("limit_bytes") * 3 // 4).otherwise(pl.col("limit_bytes") * 2)
    return replace(part, containers=part.containers.with_columns(limit_bytes=limit))


@cache
def before() -> rm.Assessment:
    """What was found when two thirds of a day had passed, of all but one that came later."""
    early = recording().window(end=BEGIN + dt.timedelta(hours=16))
    seen = early.filter(pl.col("workload") != "thread-stacks")
    gone = seen.filter(pl.col("workload") == "quick-flutter")
    other = replace(gone, containers=gone.containers.with_columns(workload=pl.lit("gone-since")))
    return rm.assess(rm.concat([seen, other]), now=NOW)


@cache
def assessed() -> rm.Assessment:
    """Everything about it: with a heap profile, prices, what is accepted, and last time."""
    return rm.assess(
        recording(),
        heap={"release-after-a-gap": rm.read_heap(PROFILE)},
        prices=PRICES,
        previous=before(),
        accepted=ACCEPTED,
        now=NOW,
    )
