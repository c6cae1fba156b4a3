"""Containers that are just wrong enough, or just not, for each check of `rm.validate`, and what is found, written down.

``python -m tests.faults`` writes it down anew after a change that is meant.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

import rmtoolkit as rm
from rmtoolkit.validation import ORDERS
from tests.written import plain, write

FILE: Final = Path(__file__).parent / "data" / "worked" / "faults.json"
MI: Final = 1 << 20
ROWS: Final = 100
AT: Final = np.arange(ROWS)
#: Moves with every sample, by some KiB, and never twice to the same.
MOVES: Final = (AT * 7919 % 997) * 4096 + 17

Signals = dict[str, Any]


def level(mebibytes: float, swing: float = 0) -> list[int]:
    """A level that moves a little, and by a wave."""
    return [int(value) for value in mebibytes * MI + MOVES + swing * MI * np.sin(AT / 9)]


def exactly(*pieces: tuple[int, int]) -> list[int]:
    """So many samples of each value."""
    return [value for value, times in pieces for _ in range(times)]


def _at(base: list[int], places: range, more: int) -> list[int]:
    return [value + (more if at in places else 0) for at, value in enumerate(base)]


def _orders() -> dict[str, Signals]:
    """For each order what is still allowed, and one byte more, in ten samples."""
    cases: dict[str, Signals] = {}
    beside = {"footprint": "rss_bytes", "fullness": "usage_bytes", "limit": "limit_bytes"}
    for order in ORDERS:
        low, high = beside.get(order.low, order.low), beside.get(order.high, order.high)
        whole = 400 * MI
        allowed = int(whole * (1 + order.share)) + order.slack_bytes
        for more in (0, 1):
            part = [value - 60 * MI for value in level(400)]
            part[40:50] = [allowed + more] * 10
            name = f"{order.check} by {order.low}, {'just' if more else 'nearly'}"
            cases[name] = {low: part, high: whole if high == "limit_bytes" else [whole] * ROWS}
            # Pages in use and mapped alone are no container's memory.
            cases[name] |= {"rss_bytes": [whole] * ROWS} if high == "mapped_bytes" else {}
    return cases


def _shares() -> dict[str, Signals]:
    whole = level(300)
    part = [value - 50 * MI for value in whole]
    cases: dict[str, Signals] = {
        # One sample at each end of a stretch may be of the other scrape.
        f"{length} of a hundred above": {
            "working_set_bytes": _at(part, range(30, 30 + length), 90 * MI),
            "usage_bytes": whole,
        }
        for length in (2, 3, 6, 7)
    }
    cases["whole Mi, rounded up"] = {
        "working_set_bytes": [301 * MI] * 99 + [302 * MI],
        "usage_bytes": [281 * MI] * ROWS,
        "quantum_bytes": 40 * MI,
    }
    cases["usage above no limit"] = {"usage_bytes": level(300)}
    cases["swapped out"] = {"rss_bytes": level(100), "swap_bytes": level(200), "allocated_bytes": level(250, 4)}
    cases["swap does not do"] = {"rss_bytes": level(100), "swap_bytes": level(20), "allocated_bytes": level(250, 4)}
    cases["a layer is missing"] = {"allocated_bytes": level(300, 3), "resident_bytes": level(200, 3)}
    cases["a layer is there"] = cases["a layer is missing"] | {"active_bytes": level(310, 3)}
    cases["rss and working set"] = {
        "rss_bytes": level(90),
        "working_set_bytes": level(400),
        "allocated_bytes": level(180),
    }
    cases["only anon"] = {"anon_bytes": level(90), "allocated_bytes": level(180)}
    cases["usage over all"] = {"usage_bytes": level(90), "working_set_bytes": level(50), "limit_bytes": 20 * MI}
    cases["working set over it"] = {"working_set_bytes": level(90), "limit_bytes": 20 * MI}
    return cases


def _stale() -> dict[str, Signals]:
    rises = [int((100 + at) * MI) + 17 * at for at in range(ROWS)]
    steep = [3 * (value - 93 * MI) for value in rises]
    moves = level(80, 9)
    return {
        "still for 20": {"rss_bytes": steep, "allocated_bytes": moves[:81] + [moves[80]] * 19},
        "still for 19": {"rss_bytes": steep, "allocated_bytes": moves[:82] + [moves[81]] * 18},
        "still for half": {"rss_bytes": rises, "allocated_bytes": moves[:51] + [moves[50]] * 49},
        "still for less than half": {"rss_bytes": rises, "allocated_bytes": moves[:52] + [moves[51]] * 48},
        "still while 8 Mi move": {
            "rss_bytes": exactly((30 * MI, 50), (38 * MI, 50)),
            "allocated_bytes": 9 * MI,
            "active_bytes": 9 * MI + 5,
        },
        "still while less moves": {"rss_bytes": exactly((30 * MI, 50), (38 * MI - 1, 50)), "allocated_bytes": 9 * MI},
        "still while a tenth moves": {"rss_bytes": exactly((180 * MI, 50), (200 * MI, 50)), "allocated_bytes": 9 * MI},
        "still while nearly a tenth moves": {
            "rss_bytes": exactly((180 * MI + 1, 50), (200 * MI, 50)),
            "allocated_bytes": 9 * MI,
        },
        "twice still": {"rss_bytes": rises, "allocated_bytes": exactly((60 * MI, 30), (61 * MI, 30), (62 * MI, 40))},
        "still in turns": {"rss_bytes": rises, "allocated_bytes": 60 * MI, "resident_bytes": moves},
        "still, working set moves": {"working_set_bytes": rises, "free_bytes": 3 * MI, "retained_bytes": 2 * MI},
        "still with gaps": {"rss_bytes": rises, "metadata_bytes": [None if at % 3 else 4 * MI for at in range(ROWS)]},
    }


def _sums() -> dict[str, Signals]:
    steps = [40 * MI + move for move in MOVES.tolist()]
    sums = np.cumsum(steps).tolist()
    half = [*sums[:9], *[sums[8]] * 91]
    some = [*sums[:51], *[sums[50]] * 49]
    fewer = [*sums[:50], *[sums[49]] * 50]
    cases: dict[str, Signals] = {
        "sums": {"rss_bytes": level(60), "allocated_bytes": sums},
        "sums of little": {
            "rss_bytes": level(900),
            "allocated_bytes": np.cumsum([value // 3 for value in steps]).tolist(),
        },
        "sums of a twentieth": {
            "rss_bytes": [800 * MI] * ROWS,
            "allocated_bytes": [40 * MI * (at + 1) for at in range(ROWS)],
        },
        "sums of less": {"rss_bytes": [801 * MI] * ROWS, "allocated_bytes": [40 * MI * (at + 1) for at in range(ROWS)]},
        "sums of all": {"rss_bytes": [100 * MI] * ROWS, "allocated_bytes": [141 * MI * (at + 1) for at in range(ROWS)]},
        "sums of more": {
            "rss_bytes": [100 * MI] * ROWS,
            "allocated_bytes": [142 * MI * (at + 1) for at in range(ROWS)],
        },
        "eight rises": {"rss_bytes": level(60), "allocated_bytes": half},
        "rises half of the time": {"rss_bytes": level(60), "allocated_bytes": some},
        "rises less": {"rss_bytes": level(60), "allocated_bytes": fewer},
        "one fall": {"rss_bytes": level(60), "allocated_bytes": [*sums[:70], sums[60], *sums[71:]]},
        "begins anew": {"rss_bytes": level(60), "allocated_bytes": [*sums[:60], *sums[:40]]},
        "alone": {"allocated_bytes": sums},
    }
    for times in (1, 3, 4):
        small = [value // 100 for value in sums]
        cases[f"two sums, first {times} steps high"] = {
            "allocated_bytes": [value + (times - 1) * steps[0] for value in sums],
            "metadata_bytes": small,
        }
        cases[f"two sums, first a part of {times}"] = {
            "allocated_bytes": [value - steps[0] + steps[0] // times for value in sums],
            "metadata_bytes": small,
        }
    return cases


def _amounts() -> dict[str, Signals]:
    peta, many = 1 << 46, 1 << 22
    cases: dict[str, Signals] = {
        f"{amount} of {name}": {"rss_bytes": level(60), name: amount}
        for name, amounts in {
            "limit_bytes": (MI, peta - 1, 512_000_000, 1_048_576_000, 0),
            "request_bytes": (MI - 1, MI, peta - 1, peta, 64_000_000, 16_384_000_000),
        }.items()
        for amount in amounts
    }
    cases |= {
        f"{name} of {amount}": {"anon_bytes": level(60), name: [*usual[:98], amount, 97]}
        for name, usual, amounts in (
            ("rss_bytes", level(50), (peta - 1, peta)),
            ("file_bytes", level(50), (peta,)),
            ("threads", list(range(98)), (many, many + 1)),
        )
        for amount in amounts
    }
    for name in ("rss_bytes", "usage_bytes"):
        cases |= {
            f"{name} never above {most}": {name: [40_000 + at for at in range(ROWS - 1)] + [most]}
            for most in ((64 << 10) - 1, 64 << 10)
        }
    whole = [(80 + at * 7 % 31) * 1_000_000 for at in range(ROWS)]
    cases |= {
        "whole MB": {"rss_bytes": whole},
        "whole MB but one": {"rss_bytes": [*whole[:60], 91_000_001, *whole[61:]]},
        "one value in whole MB": {"rss_bytes": [90_000_000] * ROWS},
        "both whole MB and Mi": {"rss_bytes": [*whole[:60], 16_384_000_000, *whole[61:]]},
        "zeros among whole MB": {"rss_bytes": [*whole[:60], 0, *whole[61:]]},
        "four values in whole MB": {
            "rss_bytes": [*[None] * 96, *whole[:4]],
            "work_total": [float(at) for at in range(ROWS)],
        },
        "five values in whole MB": {
            "rss_bytes": [*[None] * 95, *whole[:5]],
            "work_total": [float(at) for at in range(ROWS)],
        },
    }
    return cases


def _habits() -> dict[str, Signals]:
    work = [float(at * 10) for at in range(ROWS)]
    return {
        "counter falls to half": {"rss_bytes": level(50), "work_total": [*work[:60], 295.0, *work[61:]]},
        "counter falls to more": {"rss_bytes": level(50), "work_total": [*work[:60], 296.0, *work[61:]]},
        "counter falls twice": {
            "rss_bytes": level(50),
            "work_total": [*work[:30], 3.0, *work[31:60], 590.0, 100.0, *work[62:]],
        },
        "counter falls at a restart": {
            "rss_bytes": level(50),
            "work_total": work[:50] * 2,
            "restarts_total": exactly((0, 50), (1, 50)),
        },
        "counter falls a scrape after": {
            "rss_bytes": level(50),
            "work_total": [*work[:52], *work[:48]],
            "restarts_total": exactly((0, 50), (1, 50)),
        },
        "counter falls long after": {
            "rss_bytes": level(50),
            "work_total": [*work[:54], *work[:46]],
            "restarts_total": exactly((0, 50), (1, 50)),
        },
        "pressure falls": {"rss_bytes": level(50), "psi_some_seconds": [*work[:60], 1.0, *work[61:]]},
    }


def cases() -> dict[str, Signals]:
    """All of them by name."""
    return _orders() | _shares() | _stale() | _sums() | _amounts() | _habits()


def recorded(signals: Signals) -> rm.Recording:
    """A container of these signals, a sample every 15 s; a single value stands for all rows."""
    columns = {name: value if isinstance(value, list) else [value] * ROWS for name, value in signals.items()}
    return rm.Recording.from_frame(
        pl.DataFrame({"time": range(0, ROWS * 15, 15), "pod": "db-0", **columns}, strict=False)
    )


def _two_clocks() -> dict[str, rm.Recording]:
    """Working set and usage from two exporters, so many seconds and so long apart."""
    found = {}
    for step, later in ((15, 7), (15, 22), (15, 23), (60, 89), (60, 91)):
        rows = [{"time": step * at, "usage_bytes": 300 * MI + at} for at in range(20)]
        rows += [{"time": step * 19 + later + 60 * at, "working_set_bytes": 900 * MI + at} for at in range(4)]
        found[f"every {step} s, {later} s later"] = rm.Recording.from_frame(
            pl.DataFrame(rows).with_columns(pod=pl.lit("db-0"))
        )
    return found


def _moved_limits() -> dict[str, rm.Recording]:
    """A limit that was raised or lowered half way; usage above one of the two."""
    return {
        name: recorded({"usage_bytes": level(300), "limit_bytes": exactly((first * MI, 50), (then * MI, 50))})
        for name, first, then in (("raised", 128, 512), ("lowered", 512, 128), ("raised late", 310, 320))
    }


def told() -> dict[str, list[Any]]:
    """The findings of each."""
    recordings = {name: recorded(signals) for name, signals in cases().items()} | _two_clocks() | _moved_limits()
    found: dict[str, list[Any]] = {}
    for name, one in recordings.items():
        findings = rm.validate(one).drop("container_id", "namespace", "workload", "pod", "container")
        rows = [plain(row) for row in findings.iter_rows(named=True)]
        found[name] = rows
    whole = rm.concat([
        rm.Recording(one.containers.with_columns(pod=pl.lit(name)), one.samples, one.events, one.report)
        for name, one in recordings.items()
    ])  # fmt: skip
    together = rm.validate(whole)
    rows = [[*plain(row)] for row in together.group_by("pod", maintain_order=True).agg("check", "count").iter_rows()]
    return found | {"together": [{"findings": together.height}, *rows]}


if __name__ == "__main__":
    write(FILE, told())
