from __future__ import annotations

import errno
import gc
import os
import pty
import resource
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit._io import check_target, replacing
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.views import exports

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TABLE = pl.DataFrame({"time": range(0, 6000, 60), "workload": "api", "rss_bytes": [50 << 20] * 100})

WRITERS: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "report": (".html", lambda path: rm.report(TABLE, path)),
    "recording": (".parquet", lambda path: rm.Recording.from_frame(TABLE).write(path)),
    "csv": (".csv", lambda path: exports.write(TABLE, path)),
    "json": (".json", lambda path: exports.write(TABLE, path)),
    "parquet": (".parquet", lambda path: exports.write(TABLE, path)),
}
every_writer = pytest.mark.parametrize(("ending", "write"), list(WRITERS.values()), ids=list(WRITERS))


def _fill(path: Path, text: str = "new") -> None:
    with replacing(path) as part:
        part.write_text(text)


@pytest.fixture
def device() -> Iterator[Path]:
    """A terminal of our own, read until nobody holds it: a reader left over would empty the next pipe of its number."""
    reading, written = pty.openpty()
    drained = threading.Thread(target=_drain, args=(reading,), daemon=True)
    drained.start()
    yield Path(os.ttyname(written))
    os.close(written)
    drained.join(timeout=10)
    assert not drained.is_alive()
    os.close(reading)


@every_writer
def test_a_fifo_stays_and_gets_everything(tmp_path: Path, ending: str, write: Callable[[Path], Path]) -> None:
    """Whoever reads at the other end gets the same bytes that a file would hold; the FIFO stays one."""
    target = tmp_path / f"pipe{ending}"
    os.mkfifo(target)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(target.read_bytes()), daemon=True)
    reader.start()
    write(target)
    reader.join(timeout=10)
    assert stat.S_ISFIFO(target.stat().st_mode)
    assert len(got[0]) > 100
    assert [file.name for file in tmp_path.iterdir()] == [target.name]


@every_writer
def test_a_link_stays_and_the_file_behind_it_is_replaced(
    tmp_path: Path, ending: str, write: Callable[[Path], Path]
) -> None:
    """A symbolic link to a link to a file is still one afterwards; the file keeps who may read it."""
    real = tmp_path / "real"
    real.write_text("old")
    real.chmod(0o600)
    (tmp_path / "between").symlink_to("real")
    link = tmp_path / f"link{ending}"
    link.symlink_to("between")
    write(link)
    assert link.is_symlink()
    assert link.read_bytes() == real.read_bytes() != b"old"
    assert stat.S_IMODE(real.stat().st_mode) == 0o600


@every_writer
def test_a_device_is_written_into(tmp_path: Path, device: Path, ending: str, write: Callable[[Path], Path]) -> None:
    """A link to a character device leads into the device, which stays what it is."""
    before = device.stat()
    link = tmp_path / f"link{ending}"
    link.symlink_to(device)
    write(link)
    assert link.is_symlink()
    assert (device.stat().st_ino, device.stat().st_rdev) == (before.st_ino, before.st_rdev)
    assert [file.name for file in tmp_path.iterdir()] == [link.name]


def _drain(reading: int) -> None:
    try:
        while os.read(reading, 65536):
            pass
    except OSError:
        return


def test_the_null_device_takes_everything(tmp_path: Path) -> None:
    """What goes to /dev/null is gone, and nothing is left behind."""
    link = tmp_path / "null"
    link.symlink_to(os.devnull)
    _fill(link)
    assert stat.S_ISCHR(Path(os.devnull).stat().st_mode)
    assert link.is_symlink()


@every_writer
def test_a_folder_is_refused(tmp_path: Path, ending: str, write: Callable[[Path], Path]) -> None:
    """A folder is no file, whatever its name ends in."""
    (tmp_path / f"folder{ending}").mkdir()
    with pytest.raises(RmtoolkitError, match="it is a folder"):
        write(tmp_path / f"folder{ending}")
    assert (tmp_path / f"folder{ending}").is_dir()


def test_a_socket_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket cannot be opened for writing: it is left alone."""
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("a.sock")
        with pytest.raises(RmtoolkitError, match="socket"):
            _fill(Path("a.sock"))
    assert stat.S_ISSOCK(Path("a.sock").stat().st_mode)


def test_a_link_in_a_circle_is_refused(tmp_path: Path) -> None:
    """A link to itself is one clear error."""
    (tmp_path / "a").symlink_to("a")
    with pytest.raises(RmtoolkitError, match=r"too many levels of symbolic links\. Name the file itself\."):
        _fill(tmp_path / "a")


def test_a_link_to_nothing_yet_makes_the_file(tmp_path: Path) -> None:
    """A link to a file that is not there yet stays, and the file comes to be."""
    (tmp_path / "a").symlink_to("b")
    _fill(tmp_path / "a")
    assert (tmp_path / "a").is_symlink()
    assert (tmp_path / "b").read_text() == "new"


@every_writer
def test_a_missing_folder_is_named(tmp_path: Path, ending: str, write: Callable[[Path], Path]) -> None:
    """The error names target and folder, not a file that nobody asked for."""
    with pytest.raises(RmtoolkitError, match=r"nope.*no folder .*nope'\. Make it first\.") as caught:
        write(tmp_path / "nope" / f"a{ending}")
    assert "part" not in str(caught.value).replace(str(tmp_path), "")


@every_writer
def test_another_ending_is_refused(tmp_path: Path, ending: str, write: Callable[[Path], Path]) -> None:
    """Nothing is written under a name that promises something else, and the error says which would do."""
    with pytest.raises(RmtoolkitError, match=rf"a\.xlsx.*must end in .*{ending}"):
        write(tmp_path / "a.xlsx")
    assert list(tmp_path.iterdir()) == []


@every_writer
def test_a_disk_that_is_full_is_named_once(
    tmp_path: Path, ending: str, write: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's refusal is one error that names the target; the old file stays, no part, nothing to complain of."""
    unheard: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda one: unheard.append(one.exc_value))
    target = tmp_path / f"a{ending}"
    target.write_text("old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, hard))
    try:
        with pytest.raises(RmtoolkitError, match=rf"Could not write '.*a{ending}': .*[Ff]ile too large") as caught:
            write(target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert target.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == [target.name]
    # What was made until then is thrown away with the error, whoever kept it, and Python prints nothing.
    caught.value.__cause__ = caught.value
    del caught
    gc.collect()
    assert unheard == []


def test_no_space_has_a_hint(tmp_path: Path) -> None:
    """A full disk is named with its target, and what to do about it."""
    with (
        pytest.raises(RmtoolkitError, match=r"a\.csv': no space left on device\. Free some space"),
        replacing(tmp_path / "a.csv"),
    ):
        raise OSError(errno.ENOSPC, "")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    """When writing breaks off, the old file stays whole and no part is left behind."""
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(RuntimeError), replacing(target) as part:  # noqa: PT012 - the write is what fails
        part.write_text("half of the n")
        raise RuntimeError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("how", ["pipe", "file"])
def test_our_own_output_is_written_into(tmp_path: Path, how: str) -> None:
    """/dev/stdout is the end of a pipe or a redirected file: what was printed before stands before."""
    code = "import sys\nfrom rmtoolkit._io import replacing\nprint('first')\n"
    code += "with replacing('/dev/stdout', ('.html',)) as part: part.write_text('second\\n')\nprint('third')"
    words = [sys.executable, "-c", code]
    if how == "pipe":
        printed = subprocess.run(words, stdout=subprocess.PIPE, check=True).stdout
    else:
        with (tmp_path / "out").open("wb") as file:
            subprocess.run(words, stdout=file, check=True)
        printed = (tmp_path / "out").read_bytes()
    assert printed == b"first\nsecond\nthird\n"


def test_checking_makes_nothing(tmp_path: Path) -> None:
    """A target that would do is left unmade."""
    check_target(tmp_path / "a.html", (".html",))
    assert list(tmp_path.iterdir()) == []
