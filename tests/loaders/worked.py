"""What each file beside the tests is read as, in one line a container, written down.

``python -m tests.loaders.worked`` writes it down anew after a change that is meant.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import tempfile
import warnings
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Final

import rmtoolkit as rm
from rmtoolkit.exceptions import RmtoolkitError, RmtoolkitWarning
from rmtoolkit.loaders.prometheus import _discover, _events, _fetch, _metrics
from tests.edits import outcomes
from tests.loaders.made import made
from tests.loaders.outcomes import digest
from tests.written import plain, write

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT: Final = Path(__file__).parents[2]
DATA: Final = ROOT / "tests" / "data"
FOLDER: Final = DATA / "worked"
FOLDERS: Final = ("docker", "jemalloc", "kubectl", "procfs", "prometheus", "samples", "kernel")
#: When the files were written, for those that hold no time.
WRITTEN: Final = 1_764_115_200


def _read(path: Path, **options: Any) -> list[dict[str, Any]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            rows = digest(rm.read(path, **options))
        except RmtoolkitError as error:
            rows = [{"error": str(error).replace(f"{path.parent}/", "")}]
    said = [str(one.message).replace(f"{path.parent}/", "") for one in caught]
    assert all(issubclass(one.category, RmtoolkitWarning) for one in caught), said
    return [*rows, {"warnings": said}] if said else rows


def told(folder: str) -> dict[str, list[dict[str, Any]]]:
    """What every file of a folder is read as; of the samples, what they are together."""
    if folder == "samples":
        return {folder: _read(ROOT / "data" / "samples")}
    found = {}
    with tempfile.TemporaryDirectory() as place:
        for file in sorted((DATA / folder).rglob("*")):
            if file.is_file() and file.suffix != ".md":
                copy = Path(shutil.copy(file, place))
                os.utime(copy, (WRITTEN, WRITTEN))
                found[file.relative_to(DATA / folder).as_posix()] = _read(copy)
                copy.unlink()
    return found


def sources() -> dict[str, dict[str, str]]:
    """What is edited: the recorded files, each alone, and made-up folders."""
    found = {}
    for folder in FOLDERS:
        for file in sorted((DATA / folder).rglob("*")) if folder != "samples" else ():
            if file.is_file() and file.suffix in (".json", ".jsonl", ".txt", ".log", ".gz") and "node" not in file.name:
                data = file.read_bytes()
                text = (gzip.decompress(data) if file.suffix == ".gz" else data).decode("latin-1")
                found[f"{folder}/{file.name}"] = {file.name.removesuffix(".gz"): text}
    return found | made()


def read_files(files: Mapping[str, str]) -> dict[str, Any]:
    """What a folder of files is read as, by container; one of them may hold the options."""
    options = json.loads(files.get("options", "{}"))
    with tempfile.TemporaryDirectory() as place:
        for at, (name, text) in enumerate((name, text) for name, text in files.items() if name != "options"):
            file = Path(place) / name
            file.write_text(text, encoding="latin-1")
            os.utime(file, (WRITTEN + 60 * at, WRITTEN + 60 * at))
        text = json.dumps(_read(Path(place), **options)).replace(f"{place}/", "").replace(f"{Path(place).name}/", "")
    found: dict[str, Any] = {}
    for row in json.loads(text):
        named = "/".join(str(row[name]) for name in ("cluster", "namespace", "pod", "container") if name in row)
        found[f"{named} {len(found)}" if named in found else named] = row
    return found


#: What containers may be asked for, and how metrics and labels may be called.
WANTED: Final[tuple[tuple[_discover.Wanted, dict[str, str], dict[str, str]], ...]] = (
    (_discover.Wanted(), {}, {}),
    (_discover.Wanted(("shop", 'a"b')), {"my_rss": "rss_bytes"}, {"space": "namespace", "unit": "container"}),
    (_discover.Wanted(workloads=("a" * 60, "we.b")), {}, {"pod": "unit"}),
    (_discover.Wanted(("shop",), ("api",), ("api-0", "api-1")), {"container_memory_rss": "load"}, {}),
)
#: Samples a second, series, length in seconds and step of what may be asked of a server.
PLANS: Final = (
    *((0.1, 1, 3600, 0), (100.0, 1500, 2499, 0), (100.0, 1500, 2501, 0), (100.0, 1500, 86_400, 0)),
    *(
        (1e6, 10**6, 90, 0),
        (1e6, 10**6, 240, 60),
        (50.0, 500, 604_800, 15),
        (1.0, 1, 660_600, 60),
        (900.0, 1, 86_400, 600),
    ),
)


def queries() -> dict[str, list[Any]]:
    """How a server is looked through, and how what it has is cut into requests."""
    found: dict[str, list[Any]] = {"metrics": [f"{name}: {one}" for name, one in _metrics.KNOWN.items()]}
    for place, (wanted, metrics, labels) in enumerate(WANTED):
        legs = list(_discover.legs_of(wanted, metrics, labels))
        looks = [[leg.family, leg.pod_label, *_discover._looks(at, leg)] for at, leg in enumerate(legs)]
        found[f"looks {place}"] = [line for look in looks for line in look] + [_discover._lone(legs)]
    two = [_fetch.Selector(names, (_fetch.Matcher("pod", "=", "a"),)) for names in (("a", "b", "c"), ("d",))]
    for rate, series, length, step in PLANS:
        asks = [_fetch.Ask(one, how) for one, how in zip(two, ("last", "max"), strict=True)][: 2 if step else 1]
        parts = _fetch.plan(
            asks, _fetch.Stretch(1000, 1000 + length), samples_per_second=rate, series=series, step_seconds=step
        )
        cut = [[*part.time, part.samples, *(ask.selector.names for ask in part.asks)] for part in parts]
        told = [parts[0].promql(), plain(parts[0].times())] if step else [parts[0].asks[0].selector.promql()]
        found[f"plan {rate:g} {series} {length} {step}"] = [len(cut), *cut[:6], *cut[-1:], *told]
    return found


#: Milliseconds at the turns of what may be late, of one start, rounded, or of one kill.
_TURNS: Final = (
    *(turn + by for turn in (2_000, 60_000, 90_000, 360_000, 3_600_000) for by in (-1, 0, 0, 1)),
    *(0, 0, 30_000, 7_000_000),
)
_BEGIN: Final = 1_800_000_000_000
#: The first sample, two starts and the last sample.
_ANCHORS: Final = (0, 20_000_000, 40_000_000, 70_000_000)
_REASONS: Final = ("OOMKilled", "OOMKilled", "Error", "Completed", "Evicted")


def _seen(seed: int) -> _events.Seen:
    """What is told of a container, each thing about as late as it may be."""
    lot = Random(seed)  # noqa: S311

    def near() -> int:
        return lot.choice(_ANCHORS) + lot.choice((-1, 1)) * lot.choice(_TURNS)

    def runs(role: str) -> list[_events.Run]:
        times = sorted({near() for _ in range(lot.choice((1, 2, 2, 3)))})
        found, count = [], 0
        for at, first in enumerate(times):
            following = times[at + 1] if at + 1 < len(times) else 80_000_000
            count += lot.choice((0, 1, 1, 2, -1))
            value = {"limit_bytes": lot.choice((0.0, 256.0, 512.0)), "last_terminated_exitcode": 137.0}.get(role, count)
            if role.endswith(("_seconds", "_timestamp")):
                value = lot.choice((*((_BEGIN + near()) / 1000,) * 9, 5.0))
            last = min(first + lot.choice(_TURNS), following - 1)
            fact = lot.choice(_REASONS) if "reason" in role else None
            begin = _BEGIN + first
            before = _BEGIN + times[at - 1] if at else None
            found.append(_events.Run(max(float(value), 0.0), begin, _BEGIN + last, before, fact))
        return found

    roles = {role: runs(role) for role in _ROLES if lot.random() < 0.45}
    replaced = [(_BEGIN + (at := near()), _BEGIN + at + lot.choice(_TURNS)) for _ in range(lot.choice((0, 0, 1)))]
    first, last = lot.choice(((_BEGIN, _BEGIN + _ANCHORS[-1]),) * 9 + ((None, None),))
    return _events.Seen(roles, first, last, replaced, lot.choice((None, _BEGIN + near())))


_ROLES: Final = (
    *("restarts_total", "start_time_seconds", "started_seconds", "process_start_seconds", "pod_start_seconds"),
    *("last_terminated_reason", "last_terminated_timestamp", "last_terminated_exitcode", "terminated_reason"),
    *("pod_reason", "oom_events_total", "limit_bytes"),
)


def happened(number: int = 1200) -> dict[str, list[str]]:
    """The events of each, in seconds since the first sample."""
    told = [
        "; ".join(
            f"{(one.time - _BEGIN) / 1000:.3f} {one.kind} {one.value_bytes or ''} {one.detail or ''}".rstrip()
            for one in _events.events_of(_seen(seed))
        )
        for seed in range(number)
    ]
    return {"events": told}


def edits() -> dict[str, list[Any]]:
    """What each edit that is stored changes."""
    stored = json.loads((FOLDER / "edits.json").read_text("utf-8"))
    return outcomes(sources(), read_files, {name: [row[0] for row in rows] for name, rows in stored.items()})


if __name__ == "__main__":
    write(FOLDER / "edits.json", edits())
    write(FOLDER / "queries.json", queries())
    write(FOLDER / "events.json", happened())
    for one in FOLDERS:
        write(FOLDER / f"{one}.json", told(one))
