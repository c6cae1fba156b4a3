"""Inputs made to break readers: each ends as a recording or one clear error, in bounded time and memory.

``python -m tests.benchmarks.fuzz --inputs 300000`` (or ``make fuzz``) tries as many, made of a seed and a number, in
processes of their own, and goes on where it stopped. Every tenth goes through a command, the others through a reader.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import gzip
import io
import json
import os
import random
import re
import resource
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl

import rmtoolkit as rm
from rmtoolkit._accepted import read_acknowledgements
from rmtoolkit.cli import main as command
from rmtoolkit.exceptions import RmtoolkitError, RmtoolkitWarning
from rmtoolkit.recording import metadata_of
from tests import peak

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

ROOT: Final = Path(__file__).resolve().parents[2]
DATA: Final = ROOT / "tests" / "data"
#: What one input may take.
SECONDS: Final = 10
BYTES: Final = 1 << 30
#: A machine that does other things may be slower; who is silent for so long hangs.
_SILENCE_SECONDS: Final = 120
_BLOCK: Final = 2_500
#: A command judges what it read, which takes long: so many inputs for one of them.
_COMMANDS: Final = 10
#: Where files are made and removed at once, if the machine has it.
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - folders of our own in it
#: Nothing may eat up the machine while it is tried.
_ADDRESS_BYTES: Final = 8 << 30
_LARGEST_SEED: Final = 24 << 10
T0: Final = 1_795_000_000

#: What stands where a word should: out of range, of another kind, hostile, nothing.
WORDS: Final = (
    *("", "-1", "0", "1e308", "-1e308", "NaN", "+Inf", "1e", "0x10", "1_0", "null", "true", "[", "{", '"', "'", "\\"),
    *("9" * 25, "9" * 400, "18446744073709551616", "9223372036854775807", "-9223372036854775808", "9" * 25 + "Gi"),
    *("9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "253402300799", "-62135596800"),
    *(
        "\0",
        "\x1b]0;x\a",
        "\u202e",
        "\u3164",
        "\ud800",
        "=1+1",
        "\uff1dcmd",
        "<script>",
        "$(id)",
        "--server=x",
        "a" * 5000,
    ),
    *("1Ei", "1e30Gi", "99999999Ti", "-5Mi", "5m", "1d", "\n", "\r", "\t", ";", "é", "٣", "%s", "../../x", "\\N", "#"),
)
#: The same in JSON.
VALUES: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, -1, 1.5, 1e308, -1e308, 1 << 62, 1 << 63, 1 << 64, -(1 << 63), 10**30, 10**400),
    *([], {}, [[]], [{}], {"": None}, [None] * 50, {"a": {"b": {"c": []}}}, ["x"] * 3, *WORDS),
)


@dataclass(frozen=True, slots=True)
class Input:
    """What is tried: the words of a command, and the reader that it asks."""

    words: list[str]
    read: Callable[[], object]


def seeds(*patterns: str) -> list[bytes]:
    """Small files of the tests, unpacked."""
    found = []
    for pattern in patterns:
        for file in sorted(DATA.glob(pattern)):
            data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
            found.append(data[:_LARGEST_SEED])
    assert found, patterns
    return found


@cache
def _seeds(kind: str) -> list[bytes]:
    return seeds(*_SEEDS[kind])


_SEEDS: Final = {
    "text": (
        *("kubectl/*.txt", "kubectl/*.err", "kubectl/synthetic/*.txt", "docker/*.txt", "docker/*.log", "procfs/*.log"),
        *("procfs/*.stat", "kernel/*.txt", "jemalloc/*.txt", "prometheus/*.txt"),
    ),
    "json": ("prometheus/*.json", "docker/*.json*", "jemalloc/*.json", "kubectl/raw*.txt"),
    "remote read": ("prometheus/*.bin",),
    "heap": ("heap/recorded/*",),
}


def damaged(dice: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Damage a file once or some times."""
    made = bytearray(data)
    for _ in range(dice.choice((1, 1, 1, 2, 3, 8))):
        at = dice.randrange(len(made) + 1)
        match dice.randrange(11):
            case 0 if made:
                made[at % len(made)] ^= 1 << dice.randrange(8)
            case 1:
                del made[at:]
            case 2:
                del made[at : at + dice.choice((1, 4, 60, 1000))]
            case 3 | 4 | 5:
                words = [found.span() for found in re.finditer(rb"[^\s,:\[\]{}\"=/]+", made)] or [(at, at)]
                start, end = dice.choice(words)
                made[start:end] = dice.choice(WORDS).encode("utf-8", "surrogatepass")
            case 6:
                piece = made[at : at + dice.choice((1, 40, 2000))]
                made[at:at] = piece * dice.choice((1, 2, 100 if len(piece) < 100 else 2))
            case 7:
                made[at:at] = dice.choice((b"[", b"{", b'{"a":', b"- ", b"(", b"\n", b"\0", b"  ")) * dice.choice(
                    (1, 30, 3000, 100_000)
                )
            case 8:
                other = dice.choice(others)
                made[at:] = other[dice.randrange(len(other) + 1) :]
            case 9:
                made[at:at] = dice.randbytes(dice.choice((1, 8, 300)))
            case _:
                lines = bytes(made).split(b"\n")
                dice.shuffle(lines)
                made = bytearray(b"\n".join(lines))
    return packed(dice, bytes(made))


def packed(dice: random.Random, data: bytes) -> bytes:
    """Now and then pack a file, cut it off, or write it in UTF-16."""
    match dice.randrange(40):
        case 0:
            return gzip.compress(data, mtime=0)
        case 1:
            whole = gzip.compress(data, mtime=0)
            return whole[: dice.randrange(len(whole))]
        case 2:
            return data.decode("latin-1").encode("utf-16")
        case 3:
            return data.replace(b"\n", b"\r\n")
    return data


def changed(dice: random.Random, value: Any, share: float) -> Any:
    """Change JSON: another value, a name that is missing, one level more."""
    if dice.random() < share:
        match dice.randrange(4):
            case 0:
                return [value]
            case 1:
                return {dice.choice(WORDS[:30]): value}
            case _:
                return dice.choice(VALUES)
    if isinstance(value, dict):
        kept = {name: changed(dice, inner, share) for name, inner in value.items() if dice.random() > share / 2}
        return kept | ({dice.choice(WORDS): dice.choice(VALUES)} if dice.random() < share else {})
    if isinstance(value, list):
        kept_ = [changed(dice, inner, share) for inner in value if dice.random() > share / 2]
        return kept_ + (kept_[:1] * 2 if dice.random() < share else [])
    return value


def as_json(dice: random.Random, data: bytes, others: Sequence[bytes]) -> bytes:
    """Change what a file of JSON says, or the file."""
    try:
        lines = [json.loads(line) for line in data.splitlines()] if data.count(b"\n{") else [json.loads(data)]
    except ValueError:
        return damaged(dice, data, others)
    if dice.random() < 0.3:
        return damaged(dice, data, others)
    share = dice.choice((0.002, 0.02, 0.1))
    return packed(dice, b"\n".join(json.dumps(changed(dice, line, share)).encode() for line in lines))


def _table() -> pl.DataFrame:
    rows = range(120)
    return pl.DataFrame(
        {
            "time": [T0 + 60 * at for at in rows],
            "namespace": "shop",
            "pod": [f"web-7d9f8b6c5d-x2x7{'kl'[at % 2]}" for at in rows],
            "container": "app",
            "working_set_bytes": [(200 << 20) + at * 7919 % 97 * 1024 for at in rows],
            "limit_bytes": 512 << 20,
        }
    )


@cache
def _good() -> Path:
    folder = Path(tempfile.mkdtemp())
    rm.Recording.from_frame(_table()).write(folder / "good.parquet")
    return folder / "good.parquet"


def _cell(dice: random.Random) -> Any:
    return dice.choice((*WORDS, *(value for value in VALUES if isinstance(value, int | float | None))))


def _csv(dice: random.Random) -> bytes:
    table = [[*_table().columns], *map(list, _table().head(dice.choice((1, 5, 120))).rows())]
    for _ in range(dice.choice((1, 3, 20))):
        row = dice.randrange(len(table)) if dice.random() < 0.8 else 0
        table[row][dice.randrange(6)] = _cell(dice)
    if dice.random() < 0.1:
        table[0] = table[0][: dice.randrange(7)]
    lines = [dice.choice(",,,;\t|").join(map(str, row)) for row in table]
    text = "\n".join(lines).encode("utf-8", "surrogatepass")
    return damaged(dice, text, [text]) if dice.random() < 0.5 else text


#: Types that a column may have and should not.
_TYPES: Final = (
    *(pl.String(), pl.Float32(), pl.Float64(), pl.Int8(), pl.UInt64(), pl.Int64(), pl.Int128(), pl.Boolean()),
    *(pl.Binary(), pl.Date(), pl.Time(), pl.Duration("us"), pl.Datetime("ns"), pl.Datetime("us", "Europe/Berlin")),
    *(pl.Decimal(30, 3), pl.Categorical(), pl.List(pl.Int64()), pl.Struct({"a": pl.Int64()}), pl.Null()),
)


def _odd(dice: random.Random) -> pl.DataFrame:
    table = _table().head(dice.choice((0, 1, 5, 120)))
    for _ in range(dice.choice((1, 2, 4))):
        name = dice.choice(table.columns)
        match dice.randrange(6):
            case 0:
                kind = dice.choice(_TYPES)
                with contextlib.suppress(pl.exceptions.PolarsError):
                    table = table.with_columns(pl.col(name).cast(kind, strict=False))
            case 1:
                with contextlib.suppress(pl.exceptions.PolarsError, OverflowError, TypeError, ValueError):
                    table = table.with_columns(pl.lit(_cell(dice)).alias(name))
            case 2:
                table = table.with_columns(pl.lit(dice.choice((0, -1, 1 << 62, -(1 << 62), 1, 1 << 50))).alias(name))
            case 3:
                table = table.drop(name)
            case 4:
                table = table.rename({name: dice.choice(("x", "time ", "Zeit", "rss_bytes", name.upper(), "é"))})
            case _:
                table = table.with_columns(pl.when(pl.int_range(pl.len()) % 3 > 0).then(pl.col(name)).alias(name))
        if not table.width:
            break
    return table


def _parquet(dice: random.Random, folder: Path) -> Path:
    file = folder / "table.parquet"
    if dice.random() < 0.5:
        try:
            _odd(dice).write_parquet(file, compression=dice.choice(("zstd", "snappy", "uncompressed")))
        except BaseException:  # noqa: BLE001 - polars cannot write all that it can hold, and may panic
            _table().write_parquet(file)
        if dice.random() < 0.3:
            file.write_bytes(damaged(dice, file.read_bytes(), [file.read_bytes()]))
        return file
    good = rm.read_recording(_good())
    if dice.random() < 0.5:
        data = _good().read_bytes()
        file.write_bytes(damaged(dice, data, [data]))
        return file
    about = metadata_of(good.containers, good.events, good.report, rows=[60, 60], signals=["working_set_bytes"])
    ((key, said),) = about.items()
    told = json.loads(said)
    inside = dice.choice(("containers", "events", "report", None, None))
    if inside is not None:
        told[inside] = json.dumps(changed(dice, json.loads(told[inside]), 0.1))
    else:
        told = changed(dice, told, 0.1)
    good.samples.write_parquet(
        file, metadata={key: as_json(dice, json.dumps(told).encode(), [b"{}"]).decode("latin-1")}
    )
    return file


_TOML: Final = b"""# What we know.
[[accepted]]
workload = "shop/web"
known = "a cache"
up_to = "900Mi"
until = 2027-01-31

[[accepted]]
workload = "shop/api/app"
cluster = "east"
known = 'two'
up_to = 943718400
"""

_YAML: Final = b"""apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Pod
  metadata:
    name: web-7d9f8b6c5d-x2x7k
    namespace: shop
    uid: 0e0e0e0e-0000-4000-8000-000000000001
    resourceVersion: "7"
    ownerReferences:
    - kind: ReplicaSet
      name: web-7d9f8b6c5d
      controller: true
  spec:
    containers:
    - name: app
      image: registry/web:1.2
      resources:
        limits: {memory: 512Mi}
        requests:
          memory: 256Mi
  status:
    containerStatuses:
    - name: app
      restartCount: 3
      lastState:
        terminated: {reason: OOMKilled, exitCode: 137, finishedAt: "2026-11-24T22:51:07Z"}
"""
_TOP: Final = "\n".join(
    f"{day}T10:0{minute}:00Z\nNAMESPACE POD NAME CPU(cores) MEMORY(bytes)\nshop web-7d9f8b6c5d-x2x7k app 3m {size}Mi"
    for day, minute, size in (("2026-11-24", 1, 90), ("2026-11-24", 2, 91), ("2026-11-25", 1, 95))
)


@cache
def _objects() -> list[bytes]:
    import msgspec.yaml

    return [_YAML, json.dumps(msgspec.yaml.decode(_YAML)).encode()]


def _one_file(kind: str, make: Callable[[random.Random, bytes, Sequence[bytes]], bytes]) -> _Maker:
    def made(dice: random.Random, folder: Path) -> Input:
        file = folder / dice.choice(("a.txt", "a.log", "a.json", "a", "memory.stat", "memory.current"))
        file.write_bytes(make(dice, dice.choice(_seeds(kind)), _seeds(kind)))
        return _source(file)

    return made


def _source(path: Path) -> Input:
    return Input(["classify", str(path)], lambda: rm.read(path))


def _of_objects(dice: random.Random, folder: Path) -> Input:
    (folder / "top.log").write_text(_TOP)
    data = dice.choice(_objects())
    name = "pods.json" if data.startswith(b"{") else "pods.yaml"
    (folder / name).write_bytes(as_json(dice, data, _objects()))
    return _source(folder)


def _of_toml(dice: random.Random, folder: Path) -> Input:
    file = folder / "known.toml"
    file.write_bytes(damaged(dice, _TOML, [_TOML]))
    words = ["report", str(_good()), "-o", str(folder / "week.html"), "--acknowledged", str(file)]
    return Input(words, lambda: read_acknowledgements(file))


@cache
def _margins() -> bytes:
    return rm.Margins.shipped().save(_good().with_name("margins.json")).read_bytes()


def _of_margins(dice: random.Random, folder: Path) -> Input:
    file, data = folder / "margins.json", _margins()
    file.write_bytes(as_json(dice, data, [data]))
    return Input(["limits", str(_good()), "--margins", str(file)], lambda: rm.Margins.load(file))


def _of_csv(dice: random.Random, folder: Path) -> Input:
    (folder / "table.csv").write_bytes(_csv(dice))
    return _source(folder / "table.csv")


def _of_parquet(dice: random.Random, folder: Path) -> Input:
    return _source(_parquet(dice, folder))


def _of_heap(dice: random.Random, folder: Path) -> Input:
    file = folder / "a.profile"
    data = dice.choice((*_seeds("heap"), _pprof()))
    file.write_bytes(as_json(dice, data, _seeds("heap")) if data[:1] == b"{" else damaged(dice, data, _seeds("heap")))
    return Input(["heap", str(file)], lambda: rm.read_heap(file))


@cache
def _pprof() -> bytes:
    from tests.heap import makers

    return makers.pprof([(["alloc|vec", "put", "main"], [3, 300]), (["vec", "0x1234"], [1, 50])], period=512)


def _of_lake(dice: random.Random, folder: Path) -> Input:
    lake = folder / "lake"
    shutil.copytree(_lake(), lake)
    files = sorted(file for file in lake.rglob("*") if file.is_file() and file.name != ".lock")
    for file in dice.sample(files, dice.choice((1, 1, 2))):
        data = file.read_bytes()
        file.write_bytes(as_json(dice, data, [data]) if file.suffix == ".json" else damaged(dice, data, [data]))
    if dice.random() < 0.2:
        words = ["pull", "--prometheus", "http://127.0.0.1:9", "--last", "1h", "-o", str(lake)]
        return Input(words, lambda: rm.Lake(lake).append(_table()))
    return Input(["classify", str(lake)], lambda: rm.Lake(lake).recording())


@cache
def _lake() -> Path:
    lake = rm.Lake(Path(tempfile.mkdtemp(), "lake"), buckets=2)
    lake.append(_table())
    lake.append(_table().with_columns(pl.col("time") + 86_400))
    moment = rm.read_recording(_good()).samples["time"]
    lake.note("http://prometheus", pulled=(moment[0], moment[-1]))
    return Path(lake.path)


if TYPE_CHECKING:
    _Maker = Callable[[random.Random, Path], Input]

#: Each kind of input, in turns.
KINDS: Final[dict[str, _Maker]] = {
    "text": _one_file("text", damaged),
    "JSON": _one_file("json", as_json),
    "objects": _of_objects,
    "TOML": _of_toml,
    "CSV": _of_csv,
    "Parquet": _of_parquet,
    "remote read": _one_file("remote read", damaged),
    "heap": _of_heap,
    "lake": _of_lake,
    "margins": _of_margins,
}


def attempt(seed: int, number: int, folder: Path, *, with_command: bool | None = None) -> str | None:
    """Try one input; say what is wrong with what came of it."""
    if with_command is None:
        with_command = number // len(KINDS) % _COMMANDS == 0
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    kind = [*KINDS][number % len(KINDS)]
    made = KINDS[kind](random.Random(f"{seed}/{number}"), folder)  # noqa: S311 - the same every time
    before, begun = peak.forget(), time.process_time()
    wrong = _of_command(made.words) if with_command else _of_reader(made.read)
    # What the process held before, after other tests, is not this input's.
    seconds, more = time.process_time() - begun, peak.most_bytes() - before
    if wrong is None and seconds > SECONDS:
        wrong = f"{seconds:.1f} seconds"
    if wrong is None and more > BYTES:
        wrong = f"{more / BYTES:.2f} GiB"
    return None if wrong is None else f"{kind}: {wrong}"


def _of_reader(read: Callable[[], object]) -> str | None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        said = ""
        try:
            read()
        except RmtoolkitError as error:
            said = str(error)
        except OSError as error:
            said = str(error)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    foreign = [one for one in seen if not issubclass(one.category, RmtoolkitWarning)]
    if foreign:
        return f"{foreign[0].category.__name__}: {foreign[0].message}"
    if "internal error" in said:
        return said[:300]
    return None if said.isprintable() else f"not one line: {said[:200]!r}"


def _of_command(words: list[str]) -> str | None:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = command(words)
        except SystemExit as error:
            status = int(error.code or 0)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            return f"{words[0]}: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
    said = err.getvalue()
    lines = [line for line in said.splitlines() if not line.startswith("rmtoolkit: ") or not line.isprintable()]
    if status not in (0, 2) or lines or "internal error" in said or "Traceback" in said:
        return f"{words[0]}: status {status}: {(lines or said.splitlines() or [''])[0][:300]}"
    return None


def _serve(seed: int, first: int, last: int, folder: Path) -> None:
    """Try some inputs, and say after each what was wrong; the parent sees to it that none hangs."""
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_BYTES, _ADDRESS_BYTES))
    told = os.fdopen(os.dup(1), "w")
    tempfile.tempdir = str(folder)

    def end(*_: object) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)

    signal.signal(signal.SIGTERM, end)
    gc.freeze()
    # Where the parent is gone, nobody takes what is said.
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        for number in range(first, last):
            print(json.dumps([number, attempt(seed, number, folder / "in")]), file=told, flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        return
    end()


def _block(seed: int, first: int, last: int) -> Iterator[tuple[int, str]]:
    """Try a block of inputs in a process of their own, or in several where one dies."""
    while first < last:
        folder = tempfile.mkdtemp(prefix="fuzz-", dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None)
        words = ["--seed", str(seed), "--block", str(first), str(last), folder]
        worker = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.fuzz", *words],
            cwd=ROOT,
            env=os.environ | {"POLARS_MAX_THREADS": "1", "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert worker.stdout is not None
        ended = False
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(worker.stdout, selectors.EVENT_READ)
                while selector.select(_SILENCE_SECONDS) and not (ended := not (line := worker.stdout.readline())):
                    number, wrong = json.loads(line)
                    first = number + 1
                    if wrong is not None:
                        yield number, wrong
        finally:
            if not ended:
                worker.kill()
            said = (worker.communicate()[1].strip().splitlines() or [""])[-1]
            shutil.rmtree(folder, ignore_errors=True)
        if first < last:
            kind = [*KINDS][first % len(KINDS)]
            yield first, f"{kind}: died with {worker.returncode}: {said[:200]}" if ended else f"{kind}: hangs"
            first += 1


def main() -> int:
    """Try inputs until there are as many as asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=300_000, metavar="N", help="how many (default 300,000)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="others are made of another one")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="at once")
    parser.add_argument("--into", type=Path, default=Path("out/fuzz"), metavar="FOLDER", help="what was done and found")
    parser.add_argument("--one", type=int, metavar="NUMBER", help="try this one only, here, and keep its files")
    parser.add_argument("--block", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.block is not None:
        first, last, folder = options.block
        _serve(options.seed, int(first), int(last), Path(folder))
        return 0
    if options.one is not None:
        folder = options.into / str(options.one)
        print(attempt(options.seed, options.one, folder) or "nothing is wrong", f"({folder})")
        return 0
    options.into.mkdir(parents=True, exist_ok=True)
    done, found = options.into / f"done-{options.seed}", options.into / f"found-{options.seed}.jsonl"
    before = set(map(int, done.read_text().split())) if done.exists() else set()
    wanted = [first for first in range(0, options.inputs, _BLOCK) if first not in before]

    def one(first: int) -> int:
        wrong = list(_block(options.seed, first, min(first + _BLOCK, options.inputs)))
        with found.open("a") as lines, done.open("a") as marks:
            lines.writelines(json.dumps(said) + "\n" for said in wrong)
            marks.write(f"{first}\n")
        for number, said in wrong:
            print(f"{number}: {said}", flush=True)
        return len(wrong)

    with ThreadPoolExecutor(options.jobs) as pool:
        failures = sum(pool.map(one, wanted))
    known = found.read_text().splitlines() if found.exists() else []
    print(f"{options.inputs:,} inputs: {len(known):,} were not handled ({failures:,} of them now): {found}")
    return 1 if known else 0


if __name__ == "__main__":
    sys.exit(main())
