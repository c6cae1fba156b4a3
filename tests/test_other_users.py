"""Other users of the machine: their links lead nowhere, their pipes stop nothing, and they hold no lock."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit import lake as lake_module
from rmtoolkit._io import MARKER, write_whole
from rmtoolkit.cli import main
from rmtoolkit.exceptions import ReadError, RmtoolkitError, RmtoolkitWarning
from rmtoolkit.heap.served import fetch
from rmtoolkit.loaders.record_kubectl import _appending
from rmtoolkit.views.dashboards.fleet import served

if TYPE_CHECKING:
    from collections.abc import Callable

#: Neither ours nor root's.
STRANGER: Final = 65_534 if os.geteuid() != 65_534 else 65_533
TABLE: Final = pl.DataFrame({"time": range(0, 6000, 60), "workload": "api", "rss_bytes": [50 << 20] * 100})


def foreign(link: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A link that another user laid; who is not root cannot lay one, and is another user for a while."""
    link.symlink_to(target)
    if os.geteuid() == 0:
        os.lchown(link, STRANGER, STRANGER)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: STRANGER)
    return link


def append(place: Path) -> None:
    """Write a lake below a folder."""
    rm.Lake(place / "lake", buckets=1).append(TABLE)


def record(place: Path) -> None:
    """Begin a recording of a cluster."""
    with _appending(place / "week.jsonl") as stream:
        stream.write(b"{}\n")


def fetched(place: Path) -> None:
    """Fetch a profile from nowhere."""
    list(fetch("http://127.0.0.1:9", place / "heaps"))


DOORS: Final[dict[str, Callable[[Path], object]]] = {
    "report": lambda place: rm.report(TABLE, place / "week.html"),
    "beside": lambda place: main(
        ["report", str(place.parent / "a.parquet"), "-o", "/dev/null", "--beside", str(place)]
    ),
    "recording": lambda place: rm.Recording.from_frame(TABLE).write(place / "a.parquet"),
    "margins": lambda place: rm.Margins.shipped().save(place / "margins.json"),
    "lake": append,
    "record --kubectl": record,
    "fetch": fetched,
}


@pytest.mark.parametrize("door", DOORS)
def test_no_door_writes_where_the_link_of_another_user_leads(
    door: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder that is such a link is refused by name, and nothing is written behind it."""
    rm.Recording.from_frame(TABLE).write(tmp_path / "a.parquet")
    (tmp_path / "victim").mkdir()
    link = foreign(tmp_path / "link", tmp_path / "victim", monkeypatch)
    try:
        assert DOORS[door](link) == 2
        said = capsys.readouterr().err
    except RmtoolkitError as error:
        said = str(error)
    assert f"{str(link)!r} is a link of another user (uid {link.lstat().st_uid})" in said
    assert list((tmp_path / "victim").iterdir()) == []


@pytest.mark.parametrize("name", [".lock", MARKER, "bucket=000", "bucket=000/1970-01-01.parquet", "pulls.json"])
def test_no_part_of_a_lake_is_such_a_link(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands in the place of a file of a lake is not followed, and what it leads to is as it was."""
    lake, victim = rm.Lake(tmp_path / "lake", buckets=1), tmp_path / "victim"
    lake.append(TABLE.head(3))
    place = Path(lake.path, name)
    if place.exists():
        place.rename(victim)
    else:
        victim.write_text("{}")
    before = {file: file.read_bytes() for file in [victim, *victim.rglob("*")] if file.is_file()}
    foreign(place, victim, monkeypatch)
    with pytest.raises(RmtoolkitError, match="is a link of another user"):  # noqa: PT012 - each of them may be first
        lake.append(TABLE)
        span = rm.Recording.from_frame(TABLE).samples["time"]
        lake.note("a", pulled=(span[0], span[-1]))
        write_whole(place, b"")
    assert {file: file.read_bytes() for file in before} == before


def test_links_of_ones_own_are_followed(tmp_path: Path) -> None:
    """A link that we laid leads where it always led."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    write_whole(tmp_path / "link" / ".." / "link" / "a.txt", b"new")
    assert (tmp_path / "real" / "a.txt").read_bytes() == b"new"


@pytest.mark.parametrize("links", [40, 41])
def test_as_many_links_are_looked_at_as_the_system_follows(
    links: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last of forty is seen to be of another user; what the system would not follow either, it refuses itself."""
    foreign(tmp_path / "0", tmp_path / "victim", monkeypatch)
    for at in range(1, links):
        (tmp_path / str(at)).symlink_to(str(at - 1))
    with pytest.raises(RmtoolkitError, match="is a link of another user" if links <= 40 else "too many levels"):
        write_whole(tmp_path / str(links - 1), b"new")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a pipe away: run the tests as root")
def test_nothing_is_written_into_the_pipe_of_another_user(tmp_path: Path) -> None:
    """A pipe in the place of a file would read along, or let us wait for ever."""
    os.mkfifo(tmp_path / "week.html")
    os.chown(tmp_path / "week.html", STRANGER, STRANGER)
    with pytest.raises(RmtoolkitError, match=r"week\.html' is a pipe of another user \(uid 65534\)"):
        rm.report(TABLE, tmp_path / "week.html")


@pytest.mark.parametrize("mask", [0o027, 0o002], ids=oct)
def test_files_have_the_modes_that_the_umask_allows(mask: int, tmp_path: Path) -> None:
    """New files and folders, those of lakes too; a file that was there keeps its mode, but for the bits of programs."""
    (tmp_path / "old.csv").touch()
    (tmp_path / "old.csv").chmod(0o4640)
    code = (
        "import os, sys, polars as pl, rmtoolkit as rm\n"
        f"os.umask({mask})\n"
        "table = pl.DataFrame({'time': range(0, 600, 60), 'workload': 'api', 'rss_bytes': [50 << 20] * 10})\n"
        "rm.Recording.from_frame(table).write('a.parquet')\n"
        "rm.Lake('lake').append(table)\n"
        "from rmtoolkit.cli import main\n"
        "main(['report', 'a.parquet', '-o', 'week.html', '--beside', 'beside'])\n"
        "main(['classify', 'a.parquet', '-o', 'old.csv'])\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)
    modes = {place.relative_to(tmp_path): stat.S_IMODE(place.stat().st_mode) for place in tmp_path.rglob("*")}
    assert modes.pop(Path("old.csv")) == 0o640
    lock = modes.pop(Path("lake/.lock"))
    assert lock == (0o660 if not mask & 0o020 else 0o600)
    assert len(modes) > 12
    for place, mode in modes.items():
        assert mode == (0o777 if (tmp_path / place).is_dir() else 0o666) & ~mask, place


def test_who_waits_for_a_lake_in_vain_is_told_who_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Process, machine and time stand in the message; once the other one has ended, the append goes through."""
    lake = rm.Lake(tmp_path / "lake", buckets=1)
    lake.append(TABLE.head(5))
    code = (
        "import sys, rmtoolkit as rm\n"
        f"with rm.Lake({str(lake.path)!r})._locked():\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=-1, stdout=-1, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == "held\n"
        monkeypatch.setattr(lake_module, "_QUIET_SECONDS", 0.1)
        monkeypatch.setattr(lake_module, "_LOCK_SECONDS", 0.5)
        who = rf"'process {holder.pid} on \S+ since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d UTC'"
        with (
            pytest.warns(RmtoolkitWarning, match=f"Waiting for {who}, which holds the lock of"),
            pytest.raises(RmtoolkitError, match=f"{who} holds its lock"),
        ):
            lake.append(TABLE)
        holder.stdin.close()
    assert lake.append(TABLE) == 1


@pytest.mark.parametrize("name", ["bucket=000/1970-01-02.parquet", "pulls.json", ".lock"])
def test_a_pipe_named_like_a_part_of_a_lake_stops_nothing(name: str, tmp_path: Path) -> None:
    """It is named, and the rest is read; nothing waits for somebody to write into it."""
    lake = rm.Lake(tmp_path / "lake", buckets=1)
    lake.append(TABLE)
    Path(lake.path, name).unlink(missing_ok=True)
    os.mkfifo(Path(lake.path, name))
    if name.endswith("parquet"):
        with pytest.warns(RmtoolkitWarning, match="1 of 2 files .* could not be read"):
            assert rm.classify(lake).height == 1
        with pytest.raises(ReadError, match="a pipe, a device or a folder"):
            lake.append(TABLE.with_columns(pl.col("time") + 86_400))
        return
    if name == "pulls.json":
        with pytest.warns(RmtoolkitWarning, match=r"pulls\.json' cannot be read: nobody knows what is missing"):
            assert lake.pulled("a") == []
        with pytest.warns(RmtoolkitWarning, match="nobody knows what is missing"):
            assert rm.classify(lake).height == 1
        return
    assert rm.classify(lake).height == 1
    with pytest.raises(ReadError, match="found 'a pipe or a device', expected the lock of a lake"):
        lake.append(TABLE)


def test_a_dashboard_runs_nothing_that_another_user_can_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command hands to its kernel is a program: it is loaded from a file that only its owner writes."""
    target = tmp_path / "runs"
    for name, mode in (("open", 0o666), ("link", 0o600)):
        file = tmp_path / name
        code = f"cbuiltins\nopen\n(V{target}\nVw\ntR.".encode()
        if name == "link":
            foreign(file, tmp_path / "open", monkeypatch)
        else:
            file.write_bytes(code)
            file.chmod(mode)
        monkeypatch.setenv("RMTOOLKIT_DASHBOARD", str(file))
        with pytest.raises(RmtoolkitError, match="is no file that only you can write"):
            served()
    assert not target.exists()


#: Where something is written without `rmtoolkit._io`: folders made for it alone; lakes look for links first.
OWN_FOLDERS: Final = {
    *("cli/__init__.py", "cli/_sources.py", "cli/dashboard.py", "heap/__init__.py", "heap/served.py", "lake.py"),
    *("_lake_files.py", "views/report/files.py"),
}


def test_nothing_is_written_past_the_one_door() -> None:
    """Every other module writes what `replacing` gives it, and makes folders by `make_folder`."""
    root = Path(rm.__file__).parent
    writes = re.compile(r"\.mkdir\(|makedirs\(|write_(?:text|bytes)\(|open\((?:[^)]*, ?)?[\"'][wax]b?\+?[\"']")
    found = set()
    for file in root.rglob("*.py"):
        for line in file.read_text("utf-8").splitlines():
            is_part = re.search(r"\bpart\.|^\s*(?:>>>|\.\.\.) ", line)
            if writes.search(line) and not is_part:
                found.add(file.relative_to(root).as_posix())
    assert found - {"_io.py"} == OWN_FOLDERS
