"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from rmtoolkit.exceptions import RmtoolkitError, quote_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_HINTS: Final = {
    errno.ENOSPC: "Free some space or write somewhere else.",
    errno.EDQUOT: "Free some space or write somewhere else.",
    errno.EFBIG: "Write somewhere else or raise the file size limit (ulimit -f).",
    errno.EACCES: "Write to a folder that is yours.",
    errno.EPERM: "Write to a folder that is yours.",
    errno.EROFS: "Write to a folder that is yours.",
    errno.ELOOP: "Name the file itself.",
    errno.ENAMETOOLONG: "Choose a shorter name.",
}


def check_target(path: str | os.PathLike[str], endings: Sequence[str] = ()) -> None:
    """Tell before any work whether a file can be made.

    Parameters
    ----------
    path
        The file to make, or a FIFO or a character device such as ``/dev/stdout`` to write into.
    endings
        How the name of a file may end, such as ``.html``; empty is anyhow. A FIFO or a device may have any name.

    Raises
    ------
    RmtoolkitError
        There is no such folder, it cannot be written to, the path is a folder, a socket or a disk, or the name
        ends in something else.

    Examples
    --------
    >>> check_target("week.txt", [".html"])
    Traceback (most recent call last):
    rmtoolkit.exceptions.RmtoolkitError: Could not write 'week.txt': the name must end in .html.
    """
    try:
        found = _stat(path)
        if found is not None and _is_stream(found):
            return
        folder = Path(os.path.realpath(path)).parent
        is_folder = folder.is_dir()
    except (OSError, ValueError) as error:
        raise _failed(path, error) from error
    if found is not None and stat.S_ISDIR(found.st_mode):
        raise _refused(path, "it is a folder. Name a file in it.")
    if found is not None and not stat.S_ISREG(found.st_mode):
        raise _refused(path, "it is a socket or a disk, not a file. Name a file.")
    if endings and Path(path).suffix.lower() not in endings:
        allowed = " or ".join(filter(None, (", ".join(endings[:-1]), endings[-1])))
        raise _refused(path, f"the name must end in {allowed}.")
    if not is_folder:
        raise _refused(path, f"there is no folder {quote_path(folder)}. Make it first.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _failed(path, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))


@contextmanager
def replacing(path: str | os.PathLike[str], endings: Sequence[str] = ()) -> Iterator[Path]:
    """Write a file under another name and rename it when it is whole.

    Parameters
    ----------
    path
        The file to make; an existing one stays as it is until the new one is complete. A symbolic link stays, the
        file behind it is replaced. What is no file (a FIFO, ``/dev/stdout``) is written into when all is complete,
        and never replaced.
    endings
        As for `check_target`.

    Yields
    ------
    pathlib.Path
        The file to write to.

    Raises
    ------
    RmtoolkitError
        As for `check_target`; or the disk is full, or anything else the system says against it.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(f"{folder}/a.txt") as part:
    ...         _ = part.write_text("whole")
    ...     os.listdir(folder)
    ['a.txt']
    """
    check_target(path, endings)
    try:
        found = _stat(path)
        if found is not None and _is_stream(found):
            with tempfile.TemporaryDirectory() as folder:
                part = Path(folder) / "part"
                yield part
                with part.open("rb") as whole, _open_stream(path, found) as stream:
                    shutil.copyfileobj(whole, stream)
            return
        target = Path(os.path.realpath(path))
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".rmtoolkit-") as folder:
            part = Path(folder) / "part"
            yield part
            part.chmod(0o644 if found is None else stat.S_IMODE(found.st_mode))
            part.replace(target)
    except BrokenPipeError:
        # Whoever read has seen enough: nothing is wrong with the target.
        raise
    except OSError as error:
        raise _failed(path, error) from error


def _stat(path: str | os.PathLike[str]) -> os.stat_result | None:
    try:
        return Path(path).stat()
    except FileNotFoundError:
        return None


def _is_stream(found: os.stat_result) -> bool:
    """Tell what is written into from what is replaced: a file that is our own output must not be replaced either."""
    return stat.S_ISFIFO(found.st_mode) or stat.S_ISCHR(found.st_mode) or _own_output(found) is not None


def _own_output(found: os.stat_result) -> int | None:
    for descriptor in (1, 2):
        try:
            if os.path.samestat(found, os.fstat(descriptor)):
                return descriptor
        except OSError:
            continue
    return None


def _open_stream(path: str | os.PathLike[str], found: os.stat_result) -> BinaryIO:
    own = _own_output(found)
    if own is None:
        # Opened without creating or truncating: there is something already, and it is no file.
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_NOCTTY), "wb")
    for printed in (sys.stdout, sys.stderr):
        printed.flush()
    return os.fdopen(os.dup(own), "wb")


def _refused(path: str | os.PathLike[str], why: str) -> RmtoolkitError:
    return RmtoolkitError(f"Could not write {quote_path(path)}: {why}")


def _failed(path: str | os.PathLike[str], error: OSError | ValueError) -> RmtoolkitError:
    number = error.errno if isinstance(error, OSError) else None
    what = os.strerror(number) if number is not None else next(iter(str(error).splitlines()), type(error).__name__)
    hint = _HINTS.get(number or 0, "")
    return _refused(path, f"{what[:1].lower()}{what[1:].rstrip('.')}. {hint}".rstrip())
