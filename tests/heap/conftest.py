"""Programs that are compiled and recorded once, for all tests and processes that need them."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests import readings
from tests.heap.worked import digest, sums
from tests.written import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import polars as pl

DATA: Final = Path(__file__).parents[1] / "data" / "heap"
RUST: Final = ("rustc", "-g", "-C", "opt-level=2", "--edition", "2021", "-C", "codegen-units=4")
C: Final = ("gcc", "-g", "-O1", "-fno-builtin", "-pthread")
#: How services are built: as usual, with names mangled in the newer way, without optimisation; and without debugging
#: information, so that there are names of functions only, and none of those that were inlined.
BUILDS: Final = {
    "usual": (),
    "v0": ("-C", "symbol-mangling-version=v0"),
    "plain": ("-C", "opt-level=0"),
    "bare": ("-C", "debuginfo=0", "-C", "symbol-mangling-version=v0"),
}
#: What the services do before they end.
REQUESTS: Final = 4000
#: No run of a program takes this long.
PATIENCE_SECONDS: Final = 150


def needed(*tools: str) -> None:
    """Skip where a tool is missing."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}: apt install heaptrack valgrind google-perftools gcc rustc")


class Workshop:
    """Compiles programs and records them, each once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)

    def make(
        self,
        name: str,
        tools: Sequence[str],
        command: Sequence[object],
        environment: Mapping[str, str] | None = None,
        output: Path | None = None,
    ) -> Path:
        """Run a command that leaves a file of this name, unless it is there; other processes wait for it."""
        needed(*tools)
        file = self.folder / name
        with (self.folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not file.exists():
                self.run(command, environment=environment, output=output)
        return file

    def run(
        self, command: Sequence[object], *, environment: Mapping[str, str] | None = None, output: Path | None = None
    ) -> str:
        """Run a command to its end; give what it printed, or save it."""
        done = subprocess.run(
            [str(word) for word in command],
            env={**os.environ, **(environment or {})},
            cwd=self.folder,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE_SECONDS,
        )
        text = done.stdout.decode("utf-8", "replace")
        assert done.returncode == 0, f"{command}: {text[-2000:]}"
        if output is not None:
            output.write_bytes(done.stdout)
        return text

    def program(self, source: str, *flags: str, name: str | None = None) -> Path:
        """Compile a program of `tests/data/heap`."""
        path = DATA / source
        name = name or path.stem
        compiler = RUST if path.suffix == ".rs" else C
        target = self.folder / name
        return self.make(name, compiler[:1], [*compiler, *flags, "-o", target, path])

    def service(self, shape: str, build: str) -> Path:
        """Record one of the services of `leaks.rs`."""
        program = self.program("leaks.rs", "--crate-name", "leaks", *BUILDS[build], name=f"leaks-{build}")
        return self.heaptrack(program, shape, REQUESTS, name=f"{shape}-{build}")

    def said(self, name: str, program: Path, *words: object, **environment: str) -> Path:
        """Run a program with these settings; give the file of what it printed."""
        file = self.folder / name
        return self.make(name, (), [program, *words], environment=environment, output=file)

    def heaptrack(self, program: Path, *words: object, raw: bool = False, name: str | None = None) -> Path:
        """Record a program with heaptrack."""
        stem = name or "-".join([program.name, *map(str, words)])
        file = f"heaptrack.{stem}{'.raw' if raw else ''}.zst"
        kind = ["--raw"] if raw else []
        # heaptrack adds the ending; of a raw file two.
        return self.make(
            file, ("heaptrack",), ["heaptrack", *kind, "-o", self.folder / f"heaptrack.{stem}", program, *words]
        )


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """One workshop for all processes of a run."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    return Workshop(shared / "heap-workshop")


def library(name: str) -> str:
    """Find a library to preload."""
    found = sorted(Path("/usr/lib").glob(f"*-linux-gnu/{name}"))
    if not found:
        pytest.skip(f"needs {name}: apt install libjemalloc2 libmimalloc3 libgoogle-perftools4t64")
    return str(found[0])


_PROFILES: Final = [f"read_{form}" for form in ("heap", "heaptrack", "pprof", "jeprof", "dhat", "massif", "pyroscope")]


def _rows(frame: pl.DataFrame) -> list[object]:
    return [plain(row) for row in frame.head(8).to_dicts()]


@pytest.fixture(autouse=True)
def _readings(request: pytest.FixtureRequest) -> Iterator[None]:
    """All that a reader gives is compared with what was stored; what is recorded anew each time is not."""
    if "workshop" in request.fixturenames:
        yield
    else:
        told: readings.Told = {"read_allocator": sums, "suspects": _rows, "diff": _rows}
        yield from readings.kept(request, {**dict.fromkeys(_PROFILES, digest), **told})
