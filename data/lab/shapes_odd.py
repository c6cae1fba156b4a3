"""Behaviours of real services that look like something else: each run as it was recorded, nothing is drawn.

What they do is in `programs/odd.rs`. Labels were written with the plan, before any verdict; `told_from` is the second
from which somebody with every signal must be able to say what it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

#: How long each is shown, and watched after it.
WINDOW_SECONDS, FUTURE_SECONDS = 540, 270
SEED = 77_123


@dataclass(frozen=True, slots=True)
class Odd:
    """One run: what works in it beside its base and its traffic, and what is true of it.

    Attributes
    ----------
    name
        Of its shape; a look-alike that loses nothing bears that of the leak.
    parts
        Components, in the words of the service's command line.
    note
        What happens.
    onset
        Second at which it begins to lose memory; it is no leak without one.
    told_from
        Second of the window from which it can be told.
    undecidable
        Why it cannot be told at all.
    needs
        What beside the working set is needed.
    more
        Entries of the plan beside these.
    """

    name: str
    parts: list[str]
    note: str
    onset: int | None = None
    told_from: int | None = None
    undecidable: str = ""
    needs: str = ""
    traffic: str = "kind=constant,rate=20,noise=0.05,bytes=8k,hold=1"
    allocator: str = "glibc"
    base_mib: int = 32
    limit_mib: int = 256
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def leak(self) -> bool:
        """Whether it loses memory."""
        return self.onset is not None

    @property
    def shape(self) -> str:
        """Its name in the labels."""
        return self.name if self.leak else f"{self.name}_like"


ODD: tuple[Odd, ...] = (
    # Leaks.
    Odd(
        "retry",
        ["odd:kind=retry,bad=1,period=90,bytes=24k"],
        "errors of outages that exhausted their retries stay; a stair per outage",
        onset=0,
        told_from=330,
    ),
    Odd(
        "tasklist",
        ["odd:kind=tasklist,bad=1,bytes=3k"],
        "handles never reaped",
        onset=0,
        told_from=300,
        traffic="kind=constant,rate=20,noise=0.15,bytes=8k,hold=1",
        allocator="jemalloc",
    ),
    Odd(
        "bursts",
        ["odd:kind=bursts,bad=1,period=100,rate=300,bytes=4k"],
        "8 s of leak, 92 s of nothing, five times",
        onset=100,
        told_from=420,
        allocator="mimalloc",
    ),
    Odd(
        "falling",
        ["odd:kind=tasklist,bad=1,bytes=4k"],
        "leak per request, traffic falls to a quarter",
        onset=0,
        told_from=400,
        needs="load",
        traffic="kind=ramp,factor=0.25,seconds=500,rate=30,noise=0.05,bytes=8k,hold=1",
        allocator="jemalloc",
    ),
    Odd(
        "twospeeds",
        ["odd:kind=lose,rate=200k,until=180,bytes=3k", "odd:kind=lose,rate=45k,bytes=2k"],
        "a fast leak ends at a third, a slow one goes on",
        onset=0,
        told_from=450,
    ),
    Odd(
        "sessions",
        ["odd:kind=sessions,bad=1,cap=300,bytes=2k"],
        "a fixed number of sessions whose histories grow",
        onset=0,
        told_from=300,
        traffic="kind=constant,rate=25,noise=0.05,bytes=8k,hold=1",
        allocator="jemalloc",
    ),
    Odd(
        "rebuild",
        ["odd:kind=rebuild,bad=1,period=60,cap=6000,bytes=2k"],
        "a quarter of each old index is kept by a reader; spikes of a second copy",
        onset=60,
        told_from=360,
    ),
    Odd(
        "arena",
        ["odd:kind=arena,bad=1,period=45,cap=150,bytes=128k,rate=14"],
        "chunks forgotten at each reset",
        onset=45,
        told_from=420,
        base_mib=24,
    ),
    Odd(
        "blocking",
        ["odd:kind=blocking,bad=1,period=90,cap=40,bytes=200k"],
        "buffers of ended threads go to a bag; stairs",
        onset=45,
        told_from=400,
    ),
    Odd(
        "perconn",
        ["odd:kind=perconn,bad=1,rate=4,bytes=24k"],
        "closed connections stay in a table",
        onset=0,
        told_from=300,
        traffic="kind=constant,rate=20,noise=0.04,bytes=8k,hold=1",
        allocator="jemalloc",
    ),
    Odd(
        "lazyttl",
        ["odd:kind=lazyttl,bad=1,period=60,bytes=4k"],
        "expired only when asked for",
        onset=0,
        told_from=300,
        traffic="kind=constant,rate=20,noise=0.2,bytes=8k,hold=1",
        allocator="mimalloc",
    ),
    Odd(
        "logbuffer",
        ["odd:kind=logbuffer,bad=1,period=130,rate=3,bytes=4k"],
        "four deep teeth, 8 % of each stays",
        onset=129,
        told_from=530,
    ),
    Odd(
        "daychannel",
        ["odd:kind=daychannel,bad=1,period=120,rate=20,bytes=16k"],
        "backlog of the day not quite drained by night",
        onset=120,
        told_from=430,
        allocator="jemalloc",
    ),
    Odd(
        "generations",
        ["odd:kind=generations,bad=1,period=75,cap=400,bytes=12k"],
        "series of gone clients; stairs",
        onset=75,
        told_from=340,
    ),
    Odd(
        "lsm",
        ["odd:kind=lsm,bad=1,period=15,bytes=20k"],
        "teeth in teeth, a third of each compaction stays",
        onset=89,
        told_from=500,
        allocator="mimalloc",
    ),
    Odd(
        "sweep",
        ["odd:kind=sweep,bad=1,rate=0.3,bytes=8k"],
        "sweeps whose floor and teeth grow",
        onset=0,
        told_from=430,
        allocator="jemalloc",
    ),
    Odd(
        "weak",
        ["odd:kind=weak,bad=1,rate=0.6"],
        "weak pointers keep blocks",
        onset=0,
        told_from=300,
        traffic="kind=constant,rate=20,noise=0.1,bytes=8k,hold=1",
        allocator="jemalloc",
    ),
    Odd(
        "slices",
        ["odd:kind=slices,bad=1,rate=1,bytes=64k"],
        "small slices keep large buffers, no bound",
        onset=0,
        told_from=300,
    ),
    Odd(
        "timers",
        ["odd:kind=timers,bad=1,period=60,bytes=6k"],
        "fills for 60 s, then every third timer is re-armed for ever",
        onset=60,
        told_from=420,
    ),
    Odd(
        "shards",
        ["odd:kind=shards,bad=1,period=70,cap=600,bytes=8k"],
        "a stair every 70 s, fill of 15 s, without an end",
        onset=70,
        told_from=400,
        allocator="jemalloc",
    ),
    Odd("pairs", ["odd:kind=pairs,bad=1,rate=0.5,cap=100000,bytes=900"], "quadratic growth", onset=0, told_from=400),
    Odd(
        "draining",
        ["odd:kind=draining,bad=1,cap=150,period=300,rate=14,bytes=4k"],
        "falls for 300 s under a leak, then rises",
        onset=0,
        told_from=480,
    ),
    Odd(
        "bodies",
        ["odd:kind=bodies,bytes=300k,rate=12m", "odd:kind=lose,rate=45k,bytes=2k"],
        "a leak under heavy-tailed bodies",
        onset=0,
        told_from=450,
        traffic="kind=constant,rate=5,noise=0.05,bytes=8k,hold=1",
    ),
    Odd(
        "ring",
        ["odd:kind=ring,bad=1,rate=20,cap=2000,bytes=5k"],
        "fills for 100 s, then a quarter of what it evicts stays",
        onset=100,
        told_from=460,
        allocator="jemalloc",
    ),
    Odd(
        "configs",
        ["odd:kind=configs,bad=1,period=60,rate=4m,bytes=8k"],
        "each reload leaves the old one",
        onset=90,
        told_from=340,
    ),
    Odd(
        "epochs",
        ["odd:kind=epochs,bad=1,period=70,rate=90"],
        "sets of ids of ended epochs; doubling tables",
        onset=200,
        told_from=450,
        allocator="mimalloc",
    ),
    Odd(
        "remap",
        ["odd:kind=remap,bad=1,period=60"],
        "a file mapped and written again and again, never unmapped",
        onset=0,
        told_from=360,
    ),
    Odd(
        "replica",
        ["odd:kind=lose,replica=2,after=150,rate=70k,bytes=2k"],
        "one of three, from 150 s on",
        onset=150,
        told_from=420,
        allocator="jemalloc",
        more={"replicas": 3},
    ),
    Odd(
        "again",
        ["odd:kind=lose,last_version=1,rate=120k,bytes=2k", "odd:kind=lose,from_version=3,rate=120k,bytes=2k"],
        "leaks, fixed by the second release, back with the third",
        onset=360,
        told_from=510,
        more={"releases": [180, 360]},
    ),
    Odd(
        "halffixed",
        ["odd:kind=lose,last_version=1,rate=160k,bytes=2k", "odd:kind=lose,from_version=2,rate=55k,bytes=2k"],
        "a release makes the leak a third as fast",
        onset=0,
        told_from=470,
        allocator="jemalloc",
        more={"releases": [200]},
    ),
    Odd(
        "killed",
        ["odd:kind=pairs,bad=1,rate=1,cap=100000,bytes=1500"],
        "quadratic growth to the limit, again and again",
        onset=0,
        told_from=400,
        limit_mib=88,
        more={"back_off_scale": 0.1},
    ),
    # Bounded, at rest or cyclic.
    Odd(
        "retry",
        ["odd:kind=retry,period=90,bytes=24k"],
        "outages; everything goes when retries end",
        told_from=330,
        allocator="jemalloc",
    ),
    Odd(
        "tasklist",
        ["odd:kind=tasklist,cap=1500,bytes=6k"],
        "reaped when long: teeth",
        told_from=260,
        traffic="kind=constant,rate=20,noise=0.15,bytes=8k,hold=1",
    ),
    Odd(
        "bursts",
        ["odd:kind=bursts,period=100,rate=300,cap=4200,bytes=4k"],
        "two bursts fill a ring, the others replace",
        told_from=430,
        allocator="mimalloc",
    ),
    Odd(
        "falling",
        ["odd:kind=intern,cap=2500,rate=1,bytes=8k"],
        "finite vocabulary under falling traffic",
        told_from=430,
        traffic="kind=ramp,factor=0.25,seconds=500,rate=30,noise=0.05,bytes=8k,hold=1",
        allocator="jemalloc",
    ),
    Odd(
        "twospeeds",
        ["odd:kind=ring,rate=25,cap=3000,bytes=6k", "odd:kind=ring,rate=10,cap=3700,bytes=3k"],
        "a ring full at 120 s, another at 370 s",
        told_from=500,
    ),
    Odd(
        "sessions",
        ["odd:kind=sessions,cap=300,rate=12,bytes=6k"],
        "histories of twelve pieces",
        told_from=470,
        traffic="kind=constant,rate=25,noise=0.05,bytes=8k,hold=1",
        allocator="jemalloc",
    ),
    Odd(
        "rebuild",
        ["odd:kind=rebuild,period=60,cap=6000,bytes=2k"],
        "index beside the old one each minute",
        told_from=240,
    ),
    Odd(
        "arena",
        ["odd:kind=arena,period=45,cap=150,bytes=128k"],
        "keeps the high-water mark of its periods: records grow rare",
        told_from=500,
        base_mib=24,
    ),
    Odd(
        "blocking",
        ["odd:kind=blocking,period=35,cap=40,bytes=200k"],
        "threads up to 40, buffers to their largest message",
        told_from=300,
    ),
    Odd(
        "perconn",
        ["odd:kind=perconn,rate=4,bytes=128k"],
        "connections rise with the load, all the time",
        told_from=350,
        needs="load",
        traffic="kind=ramp,factor=3,seconds=810,rate=20,noise=0.04,bytes=8k,hold=1",
        allocator="jemalloc",
    ),
    Odd(
        "lazyttl",
        ["odd:kind=lazyttl,period=60,cap=2000,bytes=8k"],
        "a finite set of keys; time constant 100 s",
        told_from=500,
        traffic="kind=constant,rate=20,noise=0.2,bytes=8k,hold=1",
        allocator="mimalloc",
    ),
    Odd(
        "ttl",
        ["ttl:seconds=60,bytes=12k"],
        "TTL cache under traffic that rises for 200 s, then stays",
        told_from=470,
        traffic="kind=ramp,factor=2.5,from=100,seconds=200,rate=20,noise=0.05,bytes=8k,hold=1",
    ),
    Odd(
        "logbuffer", ["odd:kind=logbuffer,period=130,rate=3,bytes=4k"], "four deep teeth from one floor", told_from=400
    ),
    Odd(
        "daychannel",
        ["odd:kind=daychannel,period=120,rate=20,bytes=16k"],
        "backlog by day, empty by night",
        told_from=380,
        allocator="jemalloc",
    ),
    Odd(
        "intern",
        ["odd:kind=intern,cap=4000,rate=2,bytes=6k"],
        "finite vocabulary, time constant 100 s",
        told_from=460,
        allocator="jemalloc",
    ),
    Odd(
        "generations",
        ["odd:kind=generations,period=75,rate=2,cap=400,bytes=12k"],
        "the last two generations of series",
        told_from=380,
    ),
    Odd(
        "lsm",
        ["odd:kind=lsm,period=15,bytes=20k"],
        "teeth in teeth, compacted to nothing",
        told_from=420,
        allocator="mimalloc",
    ),
    Odd(
        "sweep",
        ["odd:kind=sweep,rate=0.3,cap=1500,bytes=8k"],
        "sweeps whose floor rises for 250 s, then stays",
        told_from=490,
        allocator="jemalloc",
    ),
    Odd(
        "madvfree",
        ["odd:kind=madvfree,period=20,cap=10,bytes=3m"],
        "pages given back with MADV_FREE, ten regions in turn: full at 200 s",
        told_from=420,
    ),
    Odd(
        "drifting", ["odd:kind=drifting,period=15,cap=3000"], "half-used pages until 240 s, then no more", told_from=490
    ),
    Odd(
        "weak",
        ["odd:kind=weak,rate=3,period=40"],
        "weak pointers swept every 40 s",
        told_from=200,
        traffic="kind=constant,rate=20,noise=0.1,bytes=8k,hold=1",
        allocator="jemalloc",
    ),
    Odd(
        "slices",
        ["odd:kind=slices,rate=3,cap=400,bytes=64k"],
        "bounded number of slices of large buffers: full at 133 s",
        told_from=330,
    ),
    Odd(
        "timers",
        ["odd:kind=timers,period=390,bytes=3k"],
        "straight rise for 390 s, then flat: time-outs of 390 s",
        told_from=530,
        allocator="jemalloc",
    ),
    Odd(
        "shards",
        ["odd:kind=shards,period=65,rate=5,cap=600,bytes=8k"],
        "five stairs, the last at 260 s, then rest",
        told_from=510,
        allocator="mimalloc",
    ),
    Odd(
        "pairs",
        ["odd:kind=pairs,rate=0.5,cap=125,bytes=3000"],
        "quadratic growth up to 125 clients at 250 s",
        told_from=480,
    ),
    Odd(
        "draining",
        ["odd:kind=draining,cap=150,period=300"],
        "start-up stock used up until 300 s, then flat",
        told_from=260,
    ),
    Odd(
        "bodies",
        ["odd:kind=bodies,bytes=300k,rate=12m"],
        "heavy-tailed bodies",
        told_from=300,
        traffic="kind=constant,rate=5,noise=0.05,bytes=8k,hold=1",
    ),
    Odd(
        "ring",
        ["odd:kind=ring,rate=20,cap=4000,bytes=5k"],
        "history full at 200 s",
        told_from=400,
        allocator="jemalloc",
    ),
    Odd(
        "configs",
        ["odd:kind=configs,period=60,cap=3,rate=4m,bytes=8k"],
        "three configurations kept: steps at 30, 90, 150 s",
        told_from=400,
        allocator="jemalloc",
    ),
    Odd(
        "onestep",
        ["odd:kind=configs,period=500,cap=3,rate=9m,bytes=8k"],
        "one reload at 250 s, one more at 750",
        told_from=480,
    ),
    Odd(
        "epochs",
        ["odd:kind=epochs,period=100,rate=150"],
        "old set dropped when the new is half as large",
        told_from=350,
        allocator="mimalloc",
    ),
    Odd(
        "remap",
        ["odd:kind=remap,period=20,cap=6"],
        "six mappings of one file: resident of the process, not of the group",
        told_from=350,
    ),
    Odd(
        "deploys",
        ["odd:kind=ring,rate=25,cap=2000,bytes=6k"],
        "fills in 80 s, deployed every 120 s",
        told_from=400,
        more={"releases": [120, 240, 360, 480], "replicas": 2},
    ),
    Odd(
        "bigreplica",
        ["odd:kind=ring,replica=1,rate=20,cap=4500,bytes=5k"],
        "one of three has a larger shard, full at 225 s",
        told_from=470,
        allocator="jemalloc",
        more={"replicas": 3},
    ),
    Odd(
        "crash",
        ["odd:kind=ring,rate=40,cap=1000,bytes=6k", "exit:age=70"],
        "ends with an error every 70 s, at rest after 25",
        told_from=350,
        more={"back_off_scale": 0.05},
    ),
    Odd(
        "spikes",
        ["odd:kind=spikes,period=50,bytes=6m,rate=0.4,cap=4"],
        "spikes that grow until the fifth; what freed pages stay",
        told_from=510,
    ),
    # What no window of this length can tell.
    Odd(
        "internlog",
        ["odd:kind=intern,bad=1,cap=200000,rate=3,bytes=2k"],
        "new keys ever more seldom, without an end",
        undecidable="growth slows down without an end",
        allocator="jemalloc",
    ),
    Odd(
        "internslow",
        ["odd:kind=intern,cap=5000,rate=0.5,bytes=5k"],
        "finite vocabulary, time constant 500 s: not seen to its end",
        undecidable="the bound is met only after the window",
    ),
    Odd(
        "yielding",
        ["odd:kind=yielding,cap=8000,rate=9,bytes=4k"],
        "a cache makes room for a leak: flat for 890 s",
        onset=0,
        undecidable="what is in use stays the same until after the window",
    ),
    Odd(
        "deploys",
        ["odd:kind=lose,rate=150k,bytes=2k"],
        "each deploy after 120 s hides it",
        onset=0,
        undecidable="each release ends the growth before it shows",
        more={"releases": [120, 240, 360, 480], "replicas": 2},
    ),
)
