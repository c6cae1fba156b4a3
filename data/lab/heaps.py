"""Record the programs of `data/heap/growth`: ``python -m data.lab.heaps [PROGRAM…]``.

It needs cargo, heaptrack, valgrind, addr2line, the libraries of jemalloc and gperftools, and the crates that `services`
names as Debian packs them (librust-tokio-dev and so on).
"""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FOLDER: Final = Path(__file__).parents[1] / "heap" / "growth"
#: Programs that the other profilers watch too: leaks and healthy ones.
ALSO: Final = (
    "map_by_id",
    "trait_objects",
    "two_rates",
    "late",
    "lru_full_of_sizes",
    "sawtooth_slow",
    "warm_up",
    "ttl",
    # Of the services.
    "task_set",
    "dash_sessions",
    "bump_tenants",
    "regex_by_tenant",
    "leak_in_drop",
    "three_to_one",
    "generic_inlined",
    "under_sawtooth",
    "lru_of_bytes",
    "slab_churn",
    "object_pool",
    "minute_batches",
    "page_builder",
    "storms",
    "swapped_config",
)
CRATES: Final = "/usr/share/cargo/registry"
_LIBRARIES: Final = "/usr/lib/x86_64-linux-gnu"
#: Allocators that write dumps, every so many bytes that the program asked for.
DUMPING: Final = {
    "jemalloc": {
        "LD_PRELOAD": f"{_LIBRARIES}/libjemalloc.so.2",
        "MALLOC_CONF": "prof:true,lg_prof_sample:10,lg_prof_interval:18,prof_prefix:dump",
    },
    "gperftools": {
        "LD_PRELOAD": f"{_LIBRARIES}/libtcmalloc.so",
        "HEAPPROFILE": "dump",
        "HEAP_PROFILE_ALLOCATION_INTERVAL": "300000",
    },
}
VALGRIND: Final = {
    "massif": ("--time-unit=ms", "--detailed-freq=1", "--threshold=0.1", "--massif-out-file=massif"),
    "dhat": ("--dhat-out-file=dhat",),
}


def dumps(name: str, tool: str, program: Path, folder: Path) -> None:
    """Run a program with an allocator that dumps, and give names to the addresses."""
    _run([program, name], folder, DUMPING[tool])
    written = sorted(folder.glob("dump*.heap"), key=lambda dump: [int(word) for word in re.findall(r"\d+", dump.name)])
    texts = [dump.read_text(encoding="utf-8") for dump in written]
    mapped = re.findall(rf"^([0-9a-f]+)-([0-9a-f]+) \S+ ([0-9a-f]+) .*{program.name}$", texts[-1], re.MULTILINE)
    base = min(int(begin, 16) - int(offset, 16) for begin, _, offset in mapped)
    end = max(int(end, 16) for _, end, _ in mapped)
    found = {int(word, 16) for text in texts for word in re.findall(r"0x([0-9a-f]+)", text)}
    addresses = sorted(address for address in found if base <= address < end)
    asked = [f"{address - 1 - base:#x}" for address in addresses]
    said = _run(["addr2line", "-afiC", "-e", program, *asked], folder).decode()
    names = [
        "--".join(block.split("\n")[1::2]) for block in re.split(r"^(?=0x[0-9a-f]{16}$)", said, flags=re.MULTILINE)[1:]
    ]
    symbols = "".join(f"{address:#x} {one}\n" for address, one in zip(addresses, names, strict=True))
    for number, text in enumerate(texts):
        _keep(f"{name}.{tool}.{number}.heap", f"--- symbol\nbinary={program}\n{symbols}---\n--- heap\n{text}".encode())
    for dump in written:
        dump.unlink()


def _run(command: Sequence[object], folder: Path, environment: Mapping[str, str] | None = None) -> bytes:
    words = [str(word) for word in command]
    return subprocess.run(
        words, cwd=folder, env={**os.environ, **(environment or {})}, check=True, capture_output=True
    ).stdout


def _keep(name: str, data: bytes) -> None:
    (FOLDER / f"{name}.zst").write_bytes(pa.Codec("zstd", compression_level=19).compress(data, asbytes=True))


def record(name: str, program: Path, folder: Path) -> None:
    """Record a program with heaptrack, and some with what else there is."""
    _run(["heaptrack", "-o", folder / name, program, name], folder)
    with pa.CompressedInputStream(pa.OSFile(str(folder / f"{name}.zst")), "zstd") as packed:
        _keep(f"{name}.heaptrack", packed.read())
    if name not in ALSO:
        return
    for tool in DUMPING:
        dumps(name, tool, program, folder)
    for tool, words in VALGRIND.items():
        _run(["valgrind", "--quiet", f"--tool={tool}", *words, program, name], folder)
        _keep(f"{name}.{tool}", (folder / tool).read_bytes())


def main(wanted: Sequence[str]) -> None:
    """Record those that are wanted, or all: with heaptrack, and some with what else there is."""
    with (FOLDER / "truth.csv").open(encoding="utf-8") as file:
        names = wanted or [row["program"] for row in csv.DictReader(file)]
    # The folder's name stands in the files.
    folder = Path(tempfile.gettempdir(), "target")
    folder.mkdir(exist_ok=True)
    flags = ["--edition", "2021", "-O", "-g", f"--remap-path-prefix={FOLDER}=/app/src"]
    _run(["rustc", *flags, "-o", folder / "programs", FOLDER / "programs.rs"], folder)
    source = shutil.copytree(FOLDER / "services", folder / "source", dirs_exist_ok=True)
    found = (f'source.system.directory="{CRATES}"', 'source.crates-io.replace-with="system"')
    words = ["cargo", "build", "--release", "--offline", *(word for one in found for word in ("--config", one))]
    _run(words, source, {"CARGO_TARGET_DIR": str(folder)})
    (folder / "release" / "services").replace(folder / "services")
    in_programs = set(re.findall(r"pub mod (\w+)", (FOLDER / "programs.rs").read_text(encoding="utf-8")))
    for name in names:
        record(name, folder / ("programs" if name in in_programs else "services"), folder)


if __name__ == "__main__":
    main(sys.argv[1:])
