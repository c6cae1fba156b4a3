"""Heads, times and tables drawn by lot, and what recordings are made of them, written down.

``python -m tests.tables`` writes it down anew after a change that is meant.
"""

from __future__ import annotations

import datetime as dt
import warnings
from itertools import product
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl

import rmtoolkit as rm
from rmtoolkit import _columns, _identity, _tables
from rmtoolkit.exceptions import RmtoolkitError, RmtoolkitWarning, quote
from rmtoolkit.schema import CONTAINERS, SAMPLES
from tests.analysis.curves import BEGIN, MI
from tests.loaders.outcomes import digest
from tests.written import plain, write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

FILE: Final = Path(__file__).parent / "data" / "worked" / "tables.json"
HEADS: Final = (
    *("time", "Timestamp", "podName", "Pod Name", "pod_name", "rss", "RSS (MiB)", "rssMb", "rss_kb", "rss bytes"),
    *(
        "working_set_bytes",
        "Working Set [GiB]",
        "workingSetBytes",
        "usage_tib",
        "memory",
        "memory_gb",
        "heap_kilobytes",
    ),
    *("app_rss_mb", "app.heap.mebibytes", "x", "limit", "limit_mib", "Limits (Gi)", "cpu", "threads", "restarts_total"),
    *("allocated.b", "allocated  k", "anon-mi", "ns", "Namespace", "container name", "node", "version", "rss_mbit"),
)
DURATIONS: Final = (
    *("7d", "36h", "1h30m", "1.5h", "250ms", "2w", "0s", "-1h", "1 h", "h", "", "5", "1y", "99999999999d", "1h1h"),
)
TIMES: Final = (
    *("2026-11-23", "2026-11-23T03:05", "2026-11-23 03:05:06.789", "2026-11-23T03:05+01:00", "2026-11-23T03:05Z"),
    *("0001-01-01T00:00+23:00", "20261123T0305", "soon", "23.11.2026", ""),
)
PODS: Final = (
    *("api-7c9d8f6b5-abcde", "api-7c9d8f6b5-x2k4z", "db-0", "db-12", "job-28374650-abcde", "job-x-2837465", "plain"),
    *("a-1-2-3", "api-65b7d9f8c-", "agent-xk2p9", "agent-aeiou", "api-7c9d8f6b5-abcd", "a", None, "cron-28374650"),
)


def _tried(made: Callable[..., Any], *given: Any, **more: Any) -> Any:
    try:
        with warnings.catch_warnings():
            # A unit that was guessed is a note of the report, too.
            warnings.simplefilter("ignore", RmtoolkitWarning)
            return made(*given, **more)
    except RmtoolkitError as error:
        return f"refused: {error}"


#: How times are written, from instants.
_FORMS: Final[dict[str, Callable[[dt.datetime], Any]]] = {
    "s": lambda one: int(one.timestamp()),
    "ms": lambda one: int(one.timestamp()) * 10**3,
    "us": lambda one: int(one.timestamp()) * 10**6,
    "ns": lambda one: int(one.timestamp()) * 10**9,
    "float": lambda one: one.timestamp() + 0.25,
    "text": lambda one: one.strftime("%Y-%m-%dT%H:%M:%S"),
    "zoned": lambda one: one.strftime("%Y-%m-%dT%H:%M:%S.5+02:00"),
    "space": lambda one: one.strftime(" %Y-%m-%d %H:%M:%S "),
    "naive": lambda one: one.replace(tzinfo=None),
    "aware": lambda one: one,
    "day": lambda one: one.date(),
    "partly": lambda one: one.strftime("%H:%M" if one.minute % 3 else "%Y-%m-%d %H:%M:%S"),
}


def _stamps(lot: Random, number: int) -> list[Any]:
    """Times in one of the forms in which they come, mostly in order."""
    step = lot.choice((1, 15, 60, 3600))
    at = [BEGIN + dt.timedelta(seconds=step * place) for place in range(number)]
    if lot.random() < 0.3:
        lot.shuffle(at)
    if lot.random() < 0.3:
        at[number // 2 :] = at[: number - number // 2]
    return list(map(lot.choice(list(_FORMS.values())), at))


def _frame(lot: Random) -> pl.DataFrame:
    """A table with some of the columns that people bring, under names of theirs, with what cannot be in it."""
    number = lot.choice((1, 5, 24, 40))
    columns: dict[str, Any] = {lot.choice(("time", "Timestamp")): _stamps(lot, number)}

    def amounts(level: float) -> list[float | None]:
        odd = (None, float("nan"), float("inf"), -1.0, 2.0**63)
        values = [round(level * (1 + 0.01 * place)) + 0.0 for place in range(number)]
        return [lot.choice(odd) if lot.random() < 0.06 else value for value in values]

    for head, level in (
        ("rss_bytes", 90e6),
        ("RSS (MiB)", 90),
        ("working_set_bytes", 120e6),
        ("memory", 120e6),
        ("usage", 150),
        ("allocated_bytes", 60e6),
        ("limit_bytes", 256e6),
        ("request_bytes", 64e6),
        ("node_cores", 2),
        ("work_total", 1e4),
    ):
        if lot.random() < 0.45:
            kind = lot.choice((pl.Float64, pl.Float64, pl.Int64))
            columns[head] = pl.Series(amounts(level)).cast(kind, strict=False)
    if lot.random() < 0.5:
        columns["limit_bytes"] = [lot.choice((2.0**28, 2.0**29, 0, None)) for _ in range(number)]
    for head, several in (
        ("pod", ("api-7c9d8f6b5-abcde", "db-0", None)),
        ("Namespace", ("shop", "mail")),
        ("container", ("main", "proxy")),
        ("workload", ("api", None)),
        ("version", ("1.0", "1.1")),
        ("restarts_total", (0, 1)),
        ("region", ("eu", "us")),
    ):
        if lot.random() < 0.35:
            half = lot.choice((1, 2, number))
            columns[head] = [several[place * half // number % len(several)] for place in range(number)]
    return pl.DataFrame(columns, strict=False)


def _events(lot: Random, frame: pl.DataFrame) -> pl.DataFrame | None:
    kinds = ("oom_kill", "start", "limit", "release")
    names: dict[str, pl.Series] = {name: frame[name][:2] for name in ("pod", "container") if name in frame.columns}
    if lot.random() < 0.5 or not names or frame.height < 2:
        return None
    told: dict[str, list[Any]] = {"time": [BEGIN] * 3, "kind": [lot.choice(kinds) for _ in range(3)]}
    return pl.DataFrame(told | {name: [*column, lot.choice((None, "other-0"))] for name, column in names.items()})


def _recordings(number: int = 60) -> Iterator[Any]:
    for seed in range(number):
        lot = Random(seed)  # noqa: S311
        frame = _frame(lot)
        events = _events(lot, frame)
        made = _tried(rm.Recording.from_frame, frame, events=events, source="f")
        yield [frame.columns, *([made] if isinstance(made, str) else digest(made))]


def _drawn(names: Iterable[str], number: int, values: tuple[Any, ...], seed: int) -> dict[str, list[Any]]:
    lot = Random(seed)  # noqa: S311
    return {name: [lot.choice(values) for _ in range(number)] for name in names}


def _told(frame: pl.DataFrame) -> list[Any]:
    return [plain([*row]) for row in frame.iter_rows()]


def _frames() -> dict[str, list[Any]]:
    """Frames of random rows, each through one function."""
    sizes = (None, None, 0, 10, 20, 30, 50, 80)
    parts = pl.DataFrame(_drawn(_tables.PARTS, 80, sizes, 1), schema=dict.fromkeys(_tables.PARTS, pl.Int64()))
    life = pl.Series([at // 20 for at in range(80)])
    stamps = pl.Series([BEGIN + dt.timedelta(minutes=29 * (at % 20)) for at in range(80)]).dt.cast_time_unit("ms")
    ids = pl.Series([at // 20 for at in range(80)], dtype=pl.UInt32)
    samples = _tables.conform(parts.with_columns(container_id=ids, time=stamps), SAMPLES)
    lot = Random(2)  # noqa: S311
    mixed = samples[[lot.randrange(80) for _ in range(60)]]
    ordered, settled = _tables.order_samples(mixed)
    names = {
        "cluster": (None, "eu"),
        "namespace": (None, "shop", "mail"),
        "workload": (None, "api", "web"),
        "workload_kind": (None, "Deployment"),
        "pod": (None, "api-7c9d8f6b5-abcde", "db-0"),
        "pod_uid": (None, "u1", "u2"),
        "container": ("main", "proxy"),
        "version": (None, "1", "2"),
        "limit_bytes": (None, 64 * MI, 128 * MI),
        "node_cores": (None, -1.0, 0.0, 2.0),
        "workload_inferred": (None, True, False),
    }
    several = [{name: lot.choice(held) for name, held in names.items()} | {"container_id": at} for at in range(50)]
    containers = pl.DataFrame(several, schema={name: CONTAINERS[name] for name in ("container_id", *names)})
    keyed, mapping = _tables.key_containers(containers, None)
    patterned, _ = _tables.key_containers(containers.head(8), r"^(?P<workload>[a-z]+)")
    kinds = [lot.choice(("limit", "request", "start")) for _ in range(40)]
    changes = pl.DataFrame(
        {
            "container_id": pl.Series([lot.randrange(6) for _ in kinds], dtype=pl.UInt32),
            "time": [BEGIN + dt.timedelta(hours=lot.randrange(9)) for _ in kinds],
            "kind": kinds,
            "value_bytes": [lot.choice((None, 64 * MI, 128 * MI)) for _ in kinds],
            "detail": [lot.choice((None, "a", "b")) for _ in kinds],
        }
    )
    events = _tables.tidy_events(changes)
    limits = keyed.head(6).select("container_id", "limit_bytes", "request_bytes", "limit_known")
    tops = _tables.edges(samples.with_columns(life=life))
    return {
        "apart": _told(_tables.apart(parts)),
        "edges": _told(tops),
        "thick": [plain(_tables.thick(row)) for row in _tables.apart(parts).head(9).iter_rows(named=True)],
        "last layers": _told(_tables.last_layers(samples, samples["container_id"].unique())),
        "ordered": [*list(settled.values())[:2], *_told(ordered.select("container_id", "time", *_tables.PARTS))[::3]],
        "keyed": [keyed.columns, *_told(keyed), *_told(mapping.sort("old_id"))],
        "by a pattern": _told(patterned),
        "events": _told(events),
        "settings": [
            _told(_tables.settings_at_time(limits, events, BEGIN + dt.timedelta(hours=hour))) for hour in (0, 4, 9)
        ],
        "cadences": _told(_tables.with_cadences(keyed.head(4), samples))[:3],
        "spans": _told(_tables.spans(samples)),
    }


LABELS: Final[tuple[dict[Any, Any], ...]] = (
    {"team": "payments", "app.kubernetes.io/owner": "x"},
    {"example.com/Owner": " a  b ", "teams": "no"},
    {"owner": "", "my-team": "late"},
    {"owner": "x" * 63},
    {"owner": "x" * 64, "a.team": "short"},
    {"o" * 340 + "/team": "no", 3: "no", "team": 4},
    {"p" * 335 + "/team": "yes"},
    {"label_example_com_owner": "kept", "\n/team": "broken"},
    {},
)
IMAGES: Final = (
    *(("api:1.2", None), ("host:5000/api", None), ("host:5000/api:1.2@sha256:" + "ab" * 32, None)),
    *(
        ("api:latest", "docker://sha256:" + "0f" * 32),
        ("api:latest", None),
        ("sha256:" + "cd" * 32, None),
        (None, None),
    ),
    *(("api", "api@sha256:0123456789a"), ("api", "api@sha256:0123456789ab")),
)
OWNERS: Final = (
    *(("ReplicaSet", "api-7c9d8f6b5"), ("ReplicaSet", "api-abc"), ("ReplicaSet", "known"), ("Job", "cron-28374650")),
    *(
        ("Job", "job-1"),
        ("Node", "n1"),
        ("DaemonSet", "agent"),
        ("StatefulSet", ""),
        ("Pod", "<none>"),
        ("Job", "free"),
    ),
)


def _names() -> dict[str, list[Any]]:
    """Who owns what, and what it runs, by labels, images, owners and names of pods."""
    pod, above = (
        ("eu", "shop", "static-n1"),
        {("ReplicaSet", "known"): ("Rollout", "r"), ("Job", "free"): ("", "<none>")},
    )
    known: dict[tuple[str, _identity.Pod], _identity.Owner] = {
        (kind, ("eu", "shop", name)): owner for (kind, name), owner in above.items()
    }
    limits: tuple[list[tuple[int | None, int | None]], ...] = (
        [],
        [(1, 5), (2, 5)],
        [(1, 5), (None, 7), (3, None), (4, 6)],
        [(1, None), (2, 5), (2, 5)],
    )
    containers = pl.DataFrame(
        {
            "pod": [
                f"{name}-{rs}-bcdfg" for name in ("api", "web", "db") for rs in ("7c9d8f6b5", "65b7d9f8c", "7c9d8f6b5")
            ],
            "workload": ["api"] * 3 + ["web"] * 3 + ["db"] * 3,
            "workload_kind": ["Deployment"] * 6 + ["StatefulSet"] * 3,
            "version": [None, None, None, "1", None, None, None, None, None],
        },
        schema={name: CONTAINERS[name] for name in ("pod", "workload", "workload_kind", "version")},
    ).pipe(_tables.conform, CONTAINERS)
    lot = Random(4)  # noqa: S311
    images = [
        [
            _identity.Image(at, lot.choice("ab"), lot.choice("123"), at * 10, at * 10 + lot.choice((5, 40)))
            for at in range(9)
        ]
        for _ in range(12)
    ]
    return {
        "teams": [_identity.team_of(labels) for labels in LABELS],
        "versions": [_identity.version_of(*image) for image in IMAGES],
        "top owners": [[*owner, *_identity.top_owner(pod, owner, known)] for owner in OWNERS],
        "changes": [plain(_identity.changes("limit", some)) for some in limits],
        "by name": _identity.releases_by_name(containers)["version"].to_list(),
        "releases": [plain(_identity.releases(some, slack)) for some in images for slack in (0, 20)],
        "patterns": [
            _tried(_identity.owner_group, one) for one in ("(?P<workload>a)", "(a)(?P<workload>b)", "a", "(", "(?=a)")
        ],
        "quoted": [quote(one) for one in ("x" * 80, "x" * 81, b"a\xffb", b"y" * 400, "a\nb", 7, "é", "it's", None)],
    }


def _contradictions() -> Iterator[Any]:
    for seed in range(40):
        random = np.random.default_rng(seed)
        curves: list[Any] = []
        for level in (100, random.choice([100, 101.5, 103, 150])):
            times = np.sort(random.choice(2_000_000, random.integers(2, 30), replace=False)) + random.choice(
                [0, 1_500_000]
            )
            curves.append((times, level + random.choice([0, 30]) * np.sin(times / 3e5)))
        yield _identity.any_contradicts(curves)


def told() -> dict[str, list[Any]]:
    """Each function's outcome on many inputs, refusals as well."""
    numbers = (0.5, 3.0, 90.0, 512.0, 4096.0, 90_112.0, 3e6, 9.4e7, 4e9, 1e12)
    spread = ([1.0], [1.0, 1.5], [1.0, 2.0, 3.0, 4.0], [0.0, 1.0, 1.0, 1.0])
    units = [
        [number, *few, _tried(_columns.plausible_unit, "x", pl.Series([number * part for part in few]))]
        for number, few in product(numbers, spread)
    ]
    ends = (None, "2026-11-23", "2026-11-25T06:00")
    windows = [
        [
            start,
            end,
            last,
            newest is not None,
            plain(_tried(_tables.window_bounds, start, end, last, newest)),
        ]
        for start, end, last, newest in product(ends, ends, (None, "36h", "9999w", "999999w"), (None, BEGIN))
    ]
    asked = [
        [last, start, plain(_tried(_tables.asked_window, last, start, ends[2]))]
        for last, start in product((None, "36h", "999999w"), (*ends, "2026-12-01"))
    ]
    pods = pl.DataFrame({"pod": PODS}, schema={"pod": pl.String})
    owners = pods.select(_identity.infer(pl.col("pod"), None).alias("o")).unnest("o")
    search = [
        _tables.search_runs(
            np.arange(0, 60, 3), np.array([0, 7, 19]), np.array([7, 12, 1]), np.array([[0, 9, 21]] * 3) + at
        ).tolist()
        for at in (-1, 0, 1, 40)
    ]
    return {
        "heads": [
            [head, *(_columns.column_of(head) if _columns.column_of(head)[0] else ()), _columns.unit_in(head)]
            for head in HEADS
        ],
        "units": units,
        "durations": [[one, str(_tried(_tables.parse_duration, one))] for one in DURATIONS],
        "times": [[one, str(_tried(_tables.parse_time, one))] for one in TIMES],
        "windows": windows,
        "asked": asked,
        "owners": [[pod, *row] for pod, row in zip(PODS, owners.iter_rows(), strict=True)],
        "search": search,
        "contradictions": list(_contradictions()),
        **_frames(),
        **_names(),
        "recordings": list(_recordings()),
    }


if __name__ == "__main__":
    write(FILE, told())
