"""Writers that are killed, or whose disk is full, at any moment: nothing lost, nothing doubled, nothing called whole.

    python -m tests.benchmarks.killed_writers [--rounds 200] [--seed 1]

Each round starts a writer in a process of its own: a pull, a lake's append, a recording of a process, verdicts with -o,
a report. It is ended by SIGKILL at a random moment, or may write no file larger than a random size. What stands there
afterwards is what was there before or what was to be written, whole; a lake has no row that is not true and none twice,
and one whose pull has not come to its end says so. In the end each writer runs once in peace, and all is there.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import rmtoolkit as rm
from rmtoolkit.loaders.pull import pull
from rmtoolkit.schema import IDENTITY
from tests.live.conftest import instant
from tests.live.history import END, history
from tests.live.servers import T0, Prometheus
from tests.test_lake import DAY, fleet

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT: Final = Path(__file__).parents[2]
NAMES: Final = [f"w{number}" for number in range(8)]
_CODE: Final = """
import datetime as dt, resource, sys
door, folder, url, most = sys.argv[1:]
import rmtoolkit as rm
from rmtoolkit.cli import main
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.loaders import pull
from tests.benchmarks.killed_writers import append, words
pull._FIRST = pull._LONGEST = dt.timedelta(minutes=10)
print("ready", flush=True)
if int(most):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(most), int(most)))
try:
    sys.exit(append(folder) if door == "append" else main(words(door, folder, url)))
except RmtoolkitError:
    sys.exit(2)
"""


def append(folder: str) -> int:
    """Append four days of a fleet."""
    rm.Lake(Path(folder, "fleet"), buckets=8).append(fleet(range(0, 4 * DAY, 600), NAMES))
    return 0


def words(door: str, folder: str, url: str) -> list[str]:
    """The command line of a writer."""
    source = str(Path(folder, "source.parquet"))
    return {
        "pull": [
            *("pull", "--prometheus", url, "-o", str(Path(folder, "pulled"))),
            *("--start", instant(T0).isoformat(), "--end", instant(END + 7).isoformat()),
        ],
        "record": ["record", "--pid", "1", "--interval", "5ms", "--duration", "500ms", "-o", f"{folder}/self.parquet"],
        "classify": ["classify", source, "-o", f"{folder}/verdicts.json"],
        "report": ["report", source, "-o", f"{folder}/week.html"],
    }[door]


DOORS: Final = ("pull", "append", "record", "classify", "report")


class Place:
    """A folder with everything in it that writers write, written once in peace."""

    def __init__(self, folder: Path, server: Prometheus) -> None:
        self.folder, self.server = folder, server
        self.fleet = fleet(range(0, 4 * DAY, 600), NAMES)
        fleet(range(0, DAY, 600), NAMES).write(folder / "source.parquet")
        with rm.Prometheus(server.url) as source:
            self.whole = source.recording(start=instant(T0), end=instant(END + 7))
            rm.Lake(folder / "whole").append(self.whole)

    def round(self, door: str, draw: random.Random) -> str:
        """Run a writer that is ended; tell how it ended, after a look at what it left."""
        is_full = draw.random() < 0.3
        most = draw.randrange(1, 60_000) if is_full else 0
        command = [sys.executable, "-c", _CODE, door, str(self.folder), self.server.url, str(most)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            if not is_full:
                time.sleep(draw.uniform(0, 1.2))
                process.send_signal(signal.SIGKILL)
            process.stdout.read()
        ended = "killed" if process.returncode == -signal.SIGKILL else f"status {process.returncode}"
        self.check(door)
        return f"{'full disk, ' if is_full else ''}{ended}"

    def check(self, door: str) -> None:
        """What is there is whole, true and told."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for file in self.folder.glob("*.parquet"):
                assert rm.read(file).height, file
            if (file := self.folder / "verdicts.json").exists():
                assert len(json.loads(file.read_text())) == len(NAMES)
            if (file := self.folder / "week.html").exists():
                assert file.read_text().rstrip().endswith("</html>")
            if door in ("append", "pull"):
                self._check_lake(door)

    def _check_lake(self, door: str) -> None:
        lake = rm.Lake(self.folder / ("fleet" if door == "append" else "pulled"))
        whole = self.fleet if door == "append" else self.whole
        if not (lake.path / "rmtoolkit-lake.json").exists() or not lake.files():
            return
        rows, wanted = (
            one.samples.join(one.containers.select("container_id", *IDENTITY), on="container_id").drop("container_id")
            for one in (lake.recording(), whole)
        )
        # Of a pair of servers each piece keeps one.
        rows, wanted = (one.remove(namespace="ha") for one in (rows, wanted))
        assert not rows.select(*IDENTITY, "time").is_duplicated().any()
        assert rows.join(wanted, on=wanted.columns, how="anti", nulls_equal=True).is_empty()
        if door == "pull" and rows.height < wanted.height:
            assert lake.unfinished()

    def finish(self) -> None:
        """Run each writer in peace: everything is there, once."""
        with rm.Prometheus(self.server.url) as source:
            pull(source, rm.Lake(self.folder / "pulled"), start=instant(T0), end=instant(END + 7))
        append(str(self.folder))
        for door in ("append", "pull"):
            self._check_lake(door)
        assert rm.Lake(self.folder / "fleet").recording().samples.height == self.fleet.height
        assert rm.Lake(self.folder / "pulled").unfinished() == ()
        counts = [
            one.filter(namespace=["shop", "exact", "restart"]).height
            for one in (rm.Lake(self.folder / "pulled").recording(), self.whole)
        ]
        assert counts[0] == counts[1]


def rounds(place: Place, doors: Iterable[str], seed: int) -> Counter[str]:
    """Each of these writers in turn, then all in peace."""
    draw = random.Random(seed)  # noqa: S311 - any moment will do
    done: Counter[str] = Counter()
    for door in doors:
        done[f"{door}: {place.round(door, draw)}"] += 1
    place.finish()
    return done


def main() -> None:
    """Write down how the rounds ended; a defect is an AssertionError."""
    parser = argparse.ArgumentParser(description="Writers that are killed or whose disk is full.")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with Prometheus(Path(tempfile.mkdtemp()), history()) as server:
        place = Place(Path(tempfile.mkdtemp()), server)
        for what, number in sorted(rounds(place, islice(cycle(DOORS), options.rounds), options.seed).items()):
            print(f"{number:6,}  {what}")


if __name__ == "__main__":
    main()
