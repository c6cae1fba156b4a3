"""Which files a path means: one, a folder, a glob, several."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from rmtoolkit.exceptions import ReadError
from rmtoolkit.loaders.files import read_bytes, unreadable
from rmtoolkit.loaders.remote_read import is_remote_read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PathLike: TypeAlias = str | os.PathLike[str]

EXPECTED: Final = "a saved Prometheus answer (JSON)"

_PACKED: Final = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd")
_HEAD_BYTES: Final = 1 << 10
_NAMES: Final = (".json", ".jsonl", ".ndjson")
_COMPRESSED: Final = (".gz", ".zst", ".zstd")


def find_files(path: PathLike | Iterable[PathLike]) -> tuple[list[Path], int]:
    """Find the files that a path, a folder, a glob or several of them mean.

    Parameters
    ----------
    path
        A file, a folder (searched to the bottom for names that end in ``.json``, ``.jsonl`` or ``.ndjson``,
        also with ``.gz`` or ``.zst``, and for answers to a remote read under any name; for every file when there
        is none of these), a glob, or several.

    Returns
    -------
    tuple of (list of pathlib.Path, int)
        The files, each once, in the order given (folders and globs by name), and how many files of
        folders were passed over for their name.

    Raises
    ------
    ReadError
        Nothing is there.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("b.json", "a.json.gz", "README.md"):
    ...         _ = Path(folder, name).write_text("")
    ...     files, others = find_files(folder)
    ...     [file.name for file in files], others
    (['a.json.gz', 'b.json'], 1)
    """
    given = [path] if isinstance(path, str | os.PathLike) else list(path)
    found: dict[Path, None] = {}
    passed_over = 0
    for item in given:
        here = Path(item)
        if _is(here, Path.is_dir):
            inside = sorted(file for file in here.rglob("*") if file.is_file() and not file.name.startswith("."))
            named = [file for file in inside if is_answer_name(file.name) or _is_remote_read(file)]
            passed_over += len(inside) - len(named) if named else 0
            files = named or inside
            if not files:
                raise ReadError.at(item, found="a folder without files", expected=EXPECTED)
        elif _is(here, Path.is_file):
            files = [here]
        else:
            files = _glob(str(item))
            if not files:
                raise ReadError.at(
                    item,
                    found="no such file or folder",
                    expected=EXPECTED,
                    hint="Give a file, a folder, a glob such as 'week/*.json', or a list of them.",
                )
        found.update(dict.fromkeys(files))
    if not found:
        raise ReadError.at(given, found="an empty list of files", expected=EXPECTED)
    return list(found), passed_over


def is_answer_name(name: str) -> bool:
    """Tell by its name whether a file may hold a saved answer.

    Parameters
    ----------
    name
        File name.

    Returns
    -------
    bool
        It ends in ``.json``, ``.jsonl`` or ``.ndjson``, perhaps compressed.

    Examples
    --------
    >>> is_answer_name("week.JSON.gz"), is_answer_name("notes.md")
    (True, False)
    """
    return without_compression(name.lower()).endswith(_NAMES)


def without_compression(name: str) -> str:
    """Take the ending of a compressed file off its name.

    Parameters
    ----------
    name
        File name.

    Returns
    -------
    str
        The name without ``.gz``, ``.zst`` or ``.zstd``.

    Examples
    --------
    >>> without_compression("week.json.zst")
    'week.json'
    """
    for ending in _COMPRESSED:
        name = name.removesuffix(ending)
    return name


def read_content(path: Path) -> tuple[bytes, tuple[str, ...]]:
    """Read a file whole, decompressed when it is gzip or zstd.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    tuple of (bytes, tuple of str)
        The content, and what is wrong with a compressed file whose beginning could still be read.

    Raises
    ------
    ReadError
        The file is empty, cannot be opened, or unpacks to an absurd amount.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "a.json").write_bytes(b"{}")
    ...     read_content(Path(folder, "a.json"))
    (b'{}', ())
    """
    try:
        return read_bytes(path, expected=EXPECTED)
    except OSError as error:
        raise unreadable(path, error) from error


def plain_size(path: Path) -> int:
    """Tell how large a file is that can be read as it is.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    int
        Bytes; 0 when it is compressed, or cannot be opened.

    Examples
    --------
    >>> plain_size(Path("nowhere"))
    0
    """
    try:
        with path.open("rb") as stream:
            return 0 if stream.read(4).startswith(_PACKED) else path.stat().st_size
    except OSError:
        return 0


def _is_remote_read(file: Path) -> bool:
    """Tell by its beginning whether a file is the answer to a remote read."""
    try:
        return is_remote_read(read_bytes(file, expected=EXPECTED, first=_HEAD_BYTES)[0][:_HEAD_BYTES])
    except (OSError, ReadError):
        return False


def _is(path: Path, question: Callable[[Path], bool]) -> bool:
    try:
        return question(path)
    except (OSError, ValueError):
        return False


def _glob(pattern: str) -> list[Path]:
    import glob  # noqa: PLC0415 - only needed on this path

    try:
        return sorted(path for path in map(Path, glob.iglob(pattern, recursive=True)) if path.is_file())  # noqa: PTH207
    except (OSError, ValueError):
        return []
