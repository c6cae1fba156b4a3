"""A few recordings whose every number is written down beside the tests: what was read, fitted, judged and said.

``python -m tests.analysis.worked`` writes them down anew after a change that is meant; the difference is for a person
to read.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import polars as pl
from msgspec import structs

from rmtoolkit.analysis import patterns, queries
from rmtoolkit.analysis.judge import assess_block, downsample, judge
from rmtoolkit.analysis.records import REJECTED
from rmtoolkit.schema import Cause, Pattern
from rmtoolkit.text import texts
from tests.analysis import drawn
from tests.analysis.curves import GI, MI, day, hours, record, saturate, saw, together
from tests.written import plain, write

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from rmtoolkit.recording import Recording

FOLDER: Final = Path(__file__).parents[1] / "data" / "analysis"
DAY: Final = hours(24, 300)
U: Final = DAY / 24
#: The same on every machine, and never the same twice in a row: half a MiB up and down.
RIPPLE: Final = np.sin(np.arange(len(DAY)) ** 2 * 0.7) / 2


def _amounts(**signals: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Amounts in MiB, each with the ripple."""
    return {f"{name}_bytes": (values + RIPPLE) * MI for name, values in signals.items()}


def heap_leak() -> Recording:
    """A live heap and the memory around it rise by 60 MiB a day, beside a second pod that rests."""
    heap = _amounts(allocated=100 + 60 * U, active=104 + 60 * U, anon=120 + 60 * U, working_set=130 + 60 * U)
    rest = _amounts(allocated=100 + 0 * U, active=104 + 0 * U, anon=120 + 0 * U, working_set=130 + 0 * U)
    about: dict[str, Any] = {"limit_bytes": GI // 4, "restarts_total": 0, "version": "1.4.2", "container": "api"}
    load = 20 + 10 * np.sin(2 * np.pi * U)
    return together(
        [
            record(DAY, heap, work_total=np.arange(len(DAY)) * 600.0, load=load, **about),
            record(DAY, rest, pod="api-1", **about),
        ]
    )


def killed_climbs() -> Recording:
    """Two climbs to a limit of 256 MiB that ended in kills, and a third that is on its way."""
    life = np.mod(DAY, 9)
    events = [(9.0, "oom_kill", "OOMKilled"), (9.02, "start", None), (18.0, "oom_kill", None), (18.02, "start", None)]
    return record(DAY, _amounts(rss=60 + 21.5 * life, working_set=66 + 21.5 * life), limit_bytes=GI // 4, events=events)


def kept_pages() -> Recording:
    """A burst in the morning, whose pages the allocator keeps; page cache that fills; 40 threads more than before."""
    burst = np.where(np.abs(U - 0.3) < 0.04, 180.0, 0.0)
    kept = np.where(U < 0.26, 0, 170.0)
    heap, cache = 60 + burst, 90 * saturate(U, 0.2)
    signals = _amounts(
        allocated=heap, active=heap + 4, resident=np.maximum(80 + kept, heap + 20), anon=90 + np.maximum(kept, burst)
    )
    signals |= _amounts(file=20 + cache, inactive_file=10 + cache, working_set=110 + np.maximum(kept, burst))
    signals |= _amounts(usage=120 + cache + np.maximum(kept, burst))
    return record(DAY, signals, threads=np.where(U < 0.5, 12, 52), limit_bytes=GI, restarts_total=0)


def teeth_on_a_rising_floor() -> Recording:
    """Ten teeth of 60 MiB, on a floor that rises by 40 MiB; nothing tells of restarts, and there is no limit."""
    return record(DAY, _amounts(rss=100 + 40 * U + 60 * saw(U, 0.1)))


def start_and_bursts() -> Recording:
    """A start that takes 300 MiB for half an hour, then three bursts that the load explains; limit 384 MiB."""
    begin = np.where(U < 0.02, 300.0, 0.0)
    busy = sum((np.abs(U - at) < 0.02).astype(float) for at in (0.35, 0.6, 0.8))
    signals = _amounts(rss=80 + begin + 70 * busy, working_set=90 + begin + 70 * busy)
    return record(DAY, signals, load=10 + 40 * busy, limit_bytes=384 * MI, events=[(0.0, "start", None)])


def release_after_a_gap() -> Recording:
    """Three days at five minutes: four hours unseen, a restart that only a counter shows, and a release that leaks."""
    t = hours(72, 300)
    seen = (t < 14) | (t > 18)
    ripple = np.sin(np.arange(len(t)) ** 2 * 0.7) / 2
    grown = np.where(t < 30, 0.0, np.where(t < 50, 6.0, 6.0 + 2.5 * (t - 50)))
    rss = (70 + 25 * saturate(np.where(t < 30, t, t - 30), 1.5) + grown + ripple) * MI
    work = np.where(t < 30, t, t - 30) * 1000
    version = np.where(t < 50, "1.0", "1.1").tolist()
    frame = {"rss_bytes": rss, "work_total": work, "psi_some_seconds": np.where(t < 30, t, t - 30) * 0.2}
    kept = {name: values[seen] for name, values in frame.items()}
    versions = [one for one, here in zip(version, seen, strict=True) if here]
    return record(t[seen], kept, version=versions, limit_bytes=GI // 2, events=[(50.0, "start", None)])


def days_and_nights() -> Recording:
    """Four days of a load that memory follows, on two pods of which one holds more."""
    t = hours(96, 600)
    wave = 60 * day(t)
    ripple = np.sin(np.arange(len(t)) ** 2 * 0.7) / 2
    pods = [(level * (120 + wave) + ripple) * MI for level in (1.0, 1.4)]
    about: dict[str, Any] = {"limit_bytes": 320 * MI, "restarts_total": 0, "request_bytes": 128 * MI}
    return together(
        [record(t, {"working_set_bytes": one}, pod=f"api-{at}", load=wave, **about) for at, one in enumerate(pods)]
    )


def thread_stacks() -> Recording:
    """Five threads more each hour, a stack of 200 KiB each; the live heap rests."""
    threads = np.floor(10 + 120 * U)
    stacks = (threads - 10) * 0.2
    signals = _amounts(allocated=60 + 0 * U, rss=80 + stacks, anon=78 + stacks, working_set=90 + stacks)
    return record(DAY, signals, threads=threads, limit_bytes=GI // 4, restarts_total=0)


def outside_the_allocator() -> Recording:
    """Anonymous memory rises by 70 MiB, and the allocator knows nothing of it."""
    signals = _amounts(allocated=60 + 0 * U, resident=70 + 0 * U, anon=90 + 70 * U, working_set=100 + 70 * U)
    return record(DAY, signals, limit_bytes=GI // 4, restarts_total=0)


def files_in_a_tmpfs() -> Recording:
    """Files in memory fill up, page cache beside them; anonymous memory rests, and the kernel's part is large."""
    shared, cache = 80 * U, 60 * saturate(U, 0.1)
    signals = _amounts(anon=70 + 0 * U, shmem=10 + shared, file=30 + shared + cache, inactive_file=5 + cache)
    signals |= _amounts(kernel=40 + 0 * U, usage=140 + shared + cache, working_set=125 + shared, swap=4 + 0 * U)
    return record(DAY, signals, limit_bytes=GI // 2, restarts_total=0)


def held_at_its_limit() -> Recording:
    """It rises to 250 of 256 MiB and stays there, under pressure from the middle on."""
    level = np.minimum(120 + 300 * U, 251)
    pressure = 600 * np.maximum(U - 0.45, 0)
    signals = _amounts(usage=level + 4, working_set=level, anon=level - 10) | {"psi_some_seconds": pressure}
    return record(DAY, signals | {"psi_full_seconds": pressure / 3}, limit_bytes=GI // 4, restarts_total=0)


def a_warm_up_that_slows() -> Recording:
    """A cache that fills, slower and slower, and is not full yet."""
    return record(DAY, _amounts(rss=60 + 90 * saturate(U, 0.45)), limit_bytes=GI // 2, restarts_total=0)


def late_and_young() -> Recording:
    """Flat for most of the day, and rising in its last part; an exporter whose gauge stands still."""
    rise = 60 * np.maximum(U - 0.86, 0)
    signals = _amounts(anon=100 + rise, working_set=110 + rise) | {"allocated_bytes": np.full(len(U), 50.0 * MI)}
    return record(DAY, signals, limit_bytes=GI // 4, restarts_total=0)


def a_step_and_a_slow_rise() -> Recording:
    """One step of 50 MiB, and a rise of 4 MiB a day that is too little to matter soon; `kubectl top` rounds it."""
    level = np.floor(120 + 50 * (U > 0.4) + 4 * U + RIPPLE)
    return record(DAY, {"working_set_bytes": level * MI}, quantum_bytes=MI, limit_bytes=GI, node="n1")


def killed_while_starting() -> Recording:
    """Four lives that were killed within their first ten minutes, at a limit of 128 MiB."""
    life = np.mod(DAY, 0.5)[:25]
    killed = [(0.5 * at, kind, None) for at in range(1, 4) for kind in ("oom_kill", "start")]
    return record(DAY[:25], {"rss_bytes": (20 + 210 * life) * MI}, limit_bytes=GI // 8, events=killed)


def restarted_before_it_fills() -> Recording:
    """A leak of 120 MiB a day that a nightly restart cuts short each time, and one start that failed at once."""
    t = hours(96, 900)
    ripple = np.sin(np.arange(len(t)) ** 2 * 0.7) / 2
    lived = np.mod(t, 24)
    restarts = (t // 24).astype(np.int64) + (t >= 49)
    events = [(hour, kind, None) for hour in (24.0, 48.0, 49.0, 72.0) for kind in ("end", "start")]
    rss = (100 + 5 * np.where((t >= 49) & (t < 72), t - 49, lived) + ripple) * MI
    return record(t, {"rss_bytes": rss}, restarts_total=restarts, limit_bytes=GI // 2, events=events)


def free_lists_without_a_heap() -> Recording:
    """Glibc tells what it keeps, nothing tells what lives; the start took 200 MiB in steps within half an hour."""
    start = np.where(U < 0.008, 60.0, np.where(U < 0.015, 200.0, 0.0))
    kept = np.where(U < 0.015, 10.0, 120.0)
    return record(DAY, _amounts(free=kept, rss=150 + start, working_set=160 + start), limit_bytes=GI, restarts_total=0)


def quick_flutter() -> Recording:
    """It jumps up and down by 40 MiB with every second sample, and the level rises by 30 MiB a day."""
    return record(DAY, _amounts(rss=100 + 30 * U + 20 * (-1.0) ** np.arange(len(U))), limit_bytes=GI // 4)


def a_release_of_an_hour() -> Recording:
    """The pods before the release leaked all day; the new one has run for an hour."""
    old = record(DAY, _amounts(rss=90 + 70 * U), version="1.0", limit_bytes=GI // 4, restarts_total=0)
    young = hours(1, 300) + 24
    flat = {"rss_bytes": (92 + np.sin(np.arange(len(young)) ** 2 * 0.7) / 2) * MI}
    return together([old, record(young, flat, pod="api-1", version="1.1", limit_bytes=GI // 4, restarts_total=0)])


def few_samples() -> Recording:
    """A dozen samples of something that rises: too little to say anything."""
    return record(DAY[:12], {"rss_bytes": (50 + np.arange(12.0)) * MI}, limit_bytes=GI)


RECORDINGS: Final[tuple[Callable[[], Recording], ...]] = (
    heap_leak,
    killed_climbs,
    kept_pages,
    teeth_on_a_rising_floor,
    start_and_bursts,
    release_after_a_gap,
    days_and_nights,
    thread_stacks,
    outside_the_allocator,
    files_in_a_tmpfs,
    held_at_its_limit,
    a_warm_up_that_slows,
    late_and_young,
    a_step_and_a_slow_rise,
    killed_while_starting,
    restarted_before_it_fills,
    free_lists_without_a_heap,
    quick_flutter,
    a_release_of_an_hour,
    few_samples,
)


def _shown(recording: Recording, lives: pl.DataFrame) -> pl.DataFrame:
    """How many samples a chart keeps, and the sum of their times."""
    kept = downsample(recording, lives, recording.containers["container_id"])
    return kept.select(pl.len(), seconds=pl.col("time").dt.epoch("s").sum())


def told(recording: Recording) -> dict[str, list[dict[str, Any]]]:
    """Everything that analysis says of a recording; of a forecast, which has many rows, every twentieth."""
    found, _ = judge(recording)
    row = found["verdicts"].row(0, named=True)
    frames = {
        "readings": assess_block(recording, restarts_known=True).readings.table,
        "lives": found["lives"],
        "fits": found["fits"],
        "verdicts": found["verdicts"],
        # The only instance of a workload is judged with it.
        "instances": found["instances"] if found["instances"].height > 1 else found["instances"].clear(),
        "checklist": found["checklist"],
        "forecast": found["forecast"].gather_every(20),
        "queries": pl.DataFrame([structs.asdict(query) for query in queries.queries(row)]),
        "shown": _shown(recording, found["lives"]),
    }
    told = {name: [plain(row) for row in frame.iter_rows(named=True)] for name, frame in frames.items()}
    return told | {"advice": [plain(structs.asdict(one)) for one in patterns.advise(row)]}


def _evidence(statistic: str, estimate: float | None) -> dict[str, Any]:
    """A piece of evidence of some statistic."""
    about = {
        "says": "for",
        "text": f"Of {statistic}",
        "value": "some",
        "weight": 2,
        "signal": "anon_bytes",
        "unit": "bytes",
    }
    return about | {
        "start": None,
        "end": None,
        "statistic": statistic,
        "estimate": estimate,
        "low": 1.0 * MI,
        "high": None,
    }


#: What evidence is called.
_NAMES: Final = tuple(dict.fromkeys(told.get("statistic", name) for name, told in texts("analysis/evidence").items()))


def advised() -> dict[str, list[Any]]:
    """What is advised for each verdict, pattern and cause, with no evidence, with every piece, and with some."""
    base = judge(thread_stacks())[0]["verdicts"].row(0, named=True)
    several = [_evidence(name, 3.0 * MI) for name in _NAMES]
    some = [_evidence(name, None) for name in _NAMES if "heap" not in name]
    checks = [_evidence(REJECTED + check, 2.0) for check in ("stale_allocator", "counter_fell", "usage_above_limit")]
    pieces = {"none": [], "all": several, "without a heap": some, "rejected": [*some, *checks]}
    cases = [("leak", "leak", cause) for cause in (*Cause, None)]
    cases += [(verdict, pattern, None) for verdict in ("not_leak", "inconclusive") for pattern in Pattern]
    known: dict[str, int] = {}
    rows: list[Any] = []
    for verdict, pattern, cause in cases:
        for name, evidence_of in pieces.items():
            row = base | {"verdict": verdict, "pattern": pattern, "cause": cause, "evidence": evidence_of}
            found = [json.dumps(plain(structs.asdict(one))) for one in patterns.advise(row)]
            rows.append(
                [str(verdict), str(pattern), str(cause), name, *(known.setdefault(one, len(known)) for one in found)]
            )
            rows[-1].append([query.shows for query in queries.queries(row)])
    return {"advice": [json.loads(one) for one in known], "cases": rows}


if __name__ == "__main__":
    for make in RECORDINGS:
        write(FOLDER / f"{make.__name__}.json", told(make()))
    write(FOLDER / "advised.json", advised())
    write(FOLDER / "drawn.json", drawn.told())
