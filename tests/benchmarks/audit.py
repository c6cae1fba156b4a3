"""Packages of requirements.lock that a published advisory names: ``python -m tests.benchmarks.audit OSV…``.

Advisories are files in the OSV format: one, a list, a line each, a folder, or the zip that osv.dev offers for all of an
ecosystem. Nothing is asked of a network.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from packaging.version import InvalidVersion, Version

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LOCK: Final = Path(__file__).resolve().parents[2] / "requirements.lock"


def pins(lock: str) -> dict[str, Version]:
    """Name and version of each package of a lock."""
    return {
        _plain(name): Version(version) for name, version in re.findall(r"^([\w.-]+)==([^\s;\\]+)", lock, re.MULTILINE)
    }


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def advisories(path: Path) -> Iterator[dict[str, Any]]:
    """All advisories of a file, a folder or a zip."""
    if path.is_dir():
        for file in sorted(path.rglob("*.json*")):
            yield from advisories(file)
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as packed:
            for name in packed.namelist():
                yield from _of(packed.read(name).decode())
    else:
        yield from _of(path.read_text("utf-8"))


def _of(text: str) -> Iterator[dict[str, Any]]:
    try:
        told = [json.loads(text)]
    except json.JSONDecodeError:
        told = [json.loads(line) for line in text.splitlines() if line.strip()]
    for one in told:
        yield from one if isinstance(one, list) else one.get("vulns", [one])


def affects(affected: dict[str, Any], version: Version) -> bool:
    """Tell whether an entry of `affected` covers a version: by its list, or between two events of its ranges."""
    if str(version) in affected.get("versions", ()):
        return True
    for span in affected.get("ranges", ()):
        if span.get("type") not in ("ECOSYSTEM", "SEMVER"):
            continue
        inside = False
        events = [(_version(at), what) for event in span["events"] for what, at in event.items()]
        for at, what in sorted(events, key=lambda event: event[0]):
            if what == "introduced" and at <= version:
                inside = True
            elif (what == "fixed" and at <= version) or (what == "last_affected" and at < version):
                inside = False
        if inside:
            return True
    return False


def _version(text: str) -> Version:
    try:
        return Version(text)
    except InvalidVersion:
        # Of a version that none of ours can be, every one of ours counts as before it.
        return Version("9999999")


def found(lock: dict[str, Version], paths: Sequence[Path]) -> tuple[int, list[str]]:
    """Count the advisories, and name those that speak of a package of the lock."""
    read, lines = 0, []
    for path in paths:
        for one in advisories(path):
            read += 1
            if one.get("withdrawn"):
                continue
            for affected in one.get("affected", ()):
                about = affected.get("package", {})
                name = _plain(str(about.get("name", "")))
                if about.get("ecosystem") == "PyPI" and name in lock and affects(affected, lock[name]):
                    lines.append(f"{name} {lock[name]}: {one['id']}: {one.get('summary') or 'no summary'}")
    return read, sorted(set(lines))


def main() -> int:
    """Print what was found; status 1 where anything was."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("advisories", nargs="+", type=Path, metavar="OSV")
    options = parser.parse_args()
    lock = pins(LOCK.read_text("utf-8"))
    read, lines = found(lock, options.advisories)
    print(*(line.encode("unicode_escape").decode() for line in lines), sep="\n", end="\n" if lines else "")
    print(f"{len(lock)} packages, {read:,} advisories, {len(lines)} found")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
