"""Small made-up profiles: files in every form that is text, and programs whose stacks grow in ways drawn by chance."""

from __future__ import annotations

import json
import math
import random
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from rmtoolkit.heap._names import FrameTable, stacks_frame
from rmtoolkit.heap.profile import GROWTH, TIMELINE, HeapProfile, HeapSummary
from tests.heap import makers

if TYPE_CHECKING:
    from collections.abc import Callable

STACKS: Final = (
    ("alloc::alloc::alloc|billing::put", "billing::handle", "main"),
    ("api::cache::fill", "api::serve", "main"),
    ("tokio::spawn|api::serve", "main"),
)
#: Names as rustc and others write them.
SYMBOLS: Final = (
    "_ZN7billing5cache6insert17h0123456789abcdefE",
    "_ZN69_$LT$billing..Cache$LT$K$C$V$GT$$u20$as$u20$core..ops..drop..Drop$GT$4drop17h0123456789abcdefE",
    "_ZN4main3run28_$u7b$$u7b$closure$u7d$$u7d$17h0123456789abcdefE.llvm.7",
    "billing::cache::insert::h0123456789abcdef",
    "_RNvMNtCslNYArtu3iFV_5alloc5allocNtB2_6Global18alloc_impl_runtime",
    "_RNvXs_NtCslNYArtu3iFV_5alloc5allocNtB4_6GlobalNtNtCsgEmfK2I1SDS_4core5alloc9Allocator8allocate",
    "_RINvCs1234_7mycrate3fooAtj8_E",
    "_RINvCs1234_7mycrate3fooRFUKCuEuE",
    "_RINvCs1234_7mycrate3fooTlQhPmOaSsEE",
    "_RINvCs1234_7mycrate3fooKb1_Kc61_Kanf_Kj1f_KpE",
    "_RINvCs1234_7mycrate3fooKRe616263_KQAh1_h2_EKe_Kc1f600_E",
    "_RINvCs1234_7mycrate3fooKVSNtB2_1Ss_1aj7_1bh9_EKVTNtB2_1Tj1_EKVUNtB2_1UE",
    "_RINvCs1234_7mycrate3fooDNtB2_5Traitp4ItemhEL_E",
    "_RINvCs1234_7mycrate3fooFG_RL0_hEuE",
    "_RINvYNtCs1234_7mycrate1SNtB5_1T3foohE",
    "_RNCNvNtCsjrHSEGnQ3l9_3std2rt19lang_start_internal0B5_",
    "_RNqCs4fqI2P2rA04_11utf8_identsu30____7hkackfecea1cbdathfdh9hlq6y",
    "_RNSNvCs1234_7mycrate3foo6vtable",
    "malloc",
)


def _heaptrack(form: int = 3, attached: int | None = None) -> str:
    events = []
    for step in range(24):
        events += ["A"] if step == attached else []
        more = ["+ 1"] if step < 9 else ["- 1"] if step == 20 else []
        events += ["+ 0", "+ 2", "- 2", *more, f"R {1000 + step:x}", f"c {step * 10:x}"]
    return makers.heaptrack(STACKS, [(48, 0), (4096, 1), (24, 2)], events, form).decode()


def files() -> dict[str, dict[str, str]]:
    """Folders of files, by name; a `.pb` is what `makers.pprof` is called with."""
    samples: list[Any] = [[list(stack), [step + 1, 1000 * step + 7]] for step, stack in enumerate(STACKS)]
    addresses = [[["0x1234", "main"], [3, 300]]]
    stacks = [([0x1100, 0x1200], 4, 4000), ([0x1300], 2, 2 << 26)]
    later = [(addresses, 3 * count, 3 * size) for addresses, count, size in stacks]
    return {
        "heaptrack": {"made.heaptrack": _heaptrack()},
        "heaptrack, attached": {"made.heaptrack": _heaptrack(1, 5)},
        "pprof": {"made.pb": json.dumps({"samples": samples, "period": 524288})},
        "pprof of allocations": {
            "made.pb": json.dumps(
                {
                    "samples": [[stack, [1, 64, *values]] for stack, values in samples],
                    "types": ["alloc_objects", "alloc_space", "inuse_objects", "inuse_space"],
                    "pack": False,
                }
            )
        },
        "pprof of addresses": {
            "made.pb": json.dumps({"samples": addresses, "mapping": [4096, 512, "/app/api", "ab12"]})
        },
        "jeprof": {"jeprof.1.0.i0.heap": makers.jeprof(524_288, stacks)},
        "jeprof, a series": {
            f"jeprof.1.{at}.i{at}.heap": makers.jeprof(524_288, one)
            for at, one in zip((2, 9, 10), (stacks[:1], stacks, later), strict=True)
        },
    }


def _shapes(chance: random.Random) -> Callable[[float], float]:
    """Draw how something grows, from 0 to 1."""
    begin, many, sharp = chance.random(), chance.randint(2, 12), chance.uniform(3, 30)
    return chance.choice(
        [
            lambda at: at,
            lambda at: 1 - math.exp(-sharp * at),
            lambda at: math.log1p(sharp * at) / math.log1p(sharp),
            lambda at: math.floor(at * many) / many,
            lambda at: (at * many) % 1,
            lambda at: (at * many) % 1 * 0.5 + at * 0.5,
            lambda at: float(at > begin),
            lambda at: max(at - begin, 0),
            lambda at: min(at, begin),
            lambda at: 1 - abs(at - begin),
            lambda at: 2.0 ** math.floor(math.log2(1 + many * at)) / (1 + many),
            lambda _: 1.0,
        ]
    )


def grown(seed: int) -> HeapProfile:
    """A program of two crates, a helper and its callers: each stack grows in a way of its own."""
    chance = random.Random(seed)  # noqa: S311 - tests are to be the same each time
    table = FrameTable()

    def frame(name: str, line: int, module: str = "/app/api") -> int:
        file = "src/main.rs" if name.startswith("api") else "/home/user/.cargo/registry/src/x/dep-1.0.0/src/lib.rs"
        return table.number(name, file, line, module)

    main, library = frame("api::main", 1), frame("dep::Pool::get", 7)
    wrapped = frame("<api::Row as core::clone::Clone>::clone", 8)
    alloc = table.number("alloc::alloc::alloc", "/rustc/abc/library/alloc/src/alloc.rs", 9, "/app/api")
    callers = [frame(f"api::handle_{name}", 10 + at) for at, name in enumerate("abcde")]
    lines = [frame("api::store", 20 + at) for at in range(3)]
    stacks, curves = [], []
    rest = chance.uniform(0, 0.3)
    for _ in range(chance.randint(2, 9)):
        inner = [alloc, *chance.sample([library, wrapped], chance.randint(0, 2))]
        middle = [chance.choice(lines)] if chance.random() < 0.7 else []
        stacks.append([*inner, *middle, chance.choice(callers), main])
        size, shape, noise = 10 ** chance.uniform(3, 7), _shapes(chance), chance.choice([0, 0, 0.02, 0.2])
        curves.append([size * max(shape(at / 99) + noise * chance.random(), 0) for at in range(100)])
    each = [chance.choice([16, 100, 4096]) for _ in stacks]
    seconds = [at / 10 + (at * at / 300 if seed % 3 == 0 else 0) for at in range(100)]
    events = [10 * at if seed % 4 else at * at for at in range(100)]
    at_end = [int(curve[-1] * (rest if seed % 2 else 1)) for curve in curves]
    frame_of_stacks, _ = stacks_frame(
        stacks,
        {
            "live_bytes": at_end,
            "live_blocks": [end // size for end, size in zip(at_end, each, strict=True)],
            "peak_bytes": [int(max(curve)) for curve in curves],
            "allocations": [int(2 * max(curve)) // size for curve, size in zip(curves, each, strict=True)],
            "temporary": [chance.randint(0, 9) for _ in stacks],
        },
    )
    rows: list[tuple[Any, ...]] = [
        (stack, seconds[at], events[at], int(value), int(value) // size)
        for stack, (curve, size) in enumerate(zip(curves, each, strict=True), 1)
        for at, value in enumerate(curve)
        if at == 0 or int(value) != int(curve[at - 1])
    ]
    totals = [int(sum(curve[at] for curve in curves)) for at in range(100)]
    moments = [(seconds[at], totals[at], totals[at], 2 * totals[at], events[at]) for at in range(100)]
    summary = HeapSummary("heaptrack", "./api", peak_bytes=max(totals), live_at_end_bytes=sum(at_end))
    timeline = pl.DataFrame(moments, schema=TIMELINE, orient="row")
    return HeapProfile(
        summary, frame_of_stacks, table.frame(), timeline, pl.DataFrame(rows, schema=GROWTH, orient="row")
    )
