"""Heap profiles: what holds memory, and what holds more and more; `rm.read_heap` tells every format by its content."""

from __future__ import annotations

import re
import tempfile
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rmtoolkit.exceptions import ReadError, named, quote_path
from rmtoolkit.loaders import _files
from rmtoolkit.text import texts

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

    from rmtoolkit.heap.profile import HeapProfile
    from rmtoolkit.heap.symbols import Paths

UNDERSTOOD: Final = (
    "a heap profile: heaptrack, jemalloc's or gperftools' heap (jeprof), pprof, DHAT or massif, also packed"
)
#: A port of a pod, or of one that a service or a workload has, and the path there.
IN_CLUSTER: Final = re.compile(
    r"((?:po|pods?|svc|services?|deploy|deployments?|sts|statefulsets?|ds|daemonsets?|rs|replicasets?)/[a-z0-9.-]+)"
    r":(\d{1,5}|[a-z][a-z0-9-]{0,14})(/\S*)"
)
_HEAD: Final = 1 << 16
#: Most of what is taken through a pipe of a recording, which may be packed; of other profiles less.
_PIPED_BYTES: Final = 128 << 20
_OTHERS: Final = {mark.encode("latin-1"): what for mark, what in texts("heap/formats")["others"].items()}
#: Drawings, texts, and stacks on a line each with an amount, as jeprof and pprof make them.
_MADE: Final = re.compile(rb"<svg|<\?xml|digraph |Total: \d|%!PS|[^\s;][^;\n]*(?:;[^;\n]+)+ \d+\r?\n")
_PPROF_FIELDS: Final = bytes(field << 3 | kind for field in range(1, 15) for kind in (0, 2))
_MARKS: Final = (
    (re.compile(rb"v [0-9a-f]+(?: [0-9a-f]+)?\r?\n"), "heaptrack", "read_heaptrack"),
    (re.compile(rb"\s*(?:heap_v2/|heap profile: *\d|--- *symbol)"), "formats", "read_one_jeprof"),
    (re.compile(rb"(?:[a-z_]+:[^\n]*\n){0,3}desc:|mem_heap_B=|snapshot=0"), "formats", "read_massif"),
    (re.compile(rb"\s*\{(?s:.){0,4096}?\"dhatFileVersion\""), "formats", "read_dhat"),
    (re.compile(rb"(?:[XIASsitacR+-] [^\n]*\n)+"), "heaptrack", "read_heaptrack"),
)


def read_heap(
    path: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    binary: Paths | None = None,
    debug: Paths | None = None,
) -> HeapProfile:
    r"""Read a heap profile, whatever wrote it, or a series of them.

    Parameters
    ----------
    path
        A recording of heaptrack, a dump of jemalloc or gperftools, a pprof profile, what DHAT (dhat-rs or valgrind)
        or massif wrote; what it is is told by its content. Several snapshots of one program, also as a folder or a
        glob, make one profile with growth, in the order of the numbers in their names.
    binary
        The program that ran, and libraries, where a profile has addresses instead of names: ``addr2line`` names them,
        inlined functions too. Without it the mapped file is taken, if it is still there and the same.
    debug
        Folders with the debugging information of stripped binaries, by build-id or by name.

    Returns
    -------
    HeapProfile
        As `read_heaptrack`, `read_jeprof`, `read_pprof`, `read_dhat` and `read_massif` give it.

    Raises
    ------
    ReadError
        It is none of these, or cannot be read; or `binary` is of another build than the program that ran.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> file = pathlib.Path(tempfile.mkdtemp(), "unnamed")
    >>> _ = file.write_text("v 10500 3\nX ./api\na 10 0\n+ 0\n# strings: 0\n# ips: 0\n")
    >>> read_heap(file)
    <HeapProfile: heaptrack, 1 stack, peak 16 B, live at the end 16 B>
    """
    from rmtoolkit.heap.formats import read_series  # noqa: PLC0415 - slow to import, and heaptrack needs none of it

    return read_series(path, _read_one, UNDERSTOOD, binary, debug)


@contextmanager
def kept(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a file that can be read again: of what comes through a pipe a copy, up to a bound."""
    file = Path("/dev/stdin" if str(path) == "-" else path)
    if not file.exists() or file.is_file() or file.is_dir():
        yield file
        return
    with tempfile.TemporaryDirectory(prefix="rmtoolkit-") as folder, file.open("rb") as stream:
        part = stream.read(_HEAD)
        is_long = part[:1] == b"v" or not part[:6].isascii() or part.startswith((b"BZh", b"\x1f\x8b"))
        most = _PIPED_BYTES if is_long else _files.COSTLY_BYTES
        with Path(folder, file.name).open("wb") as copy:
            copy.write(part)
            _files.drain(stream, copy, most, path, UNDERSTOOD)
        yield Path(folder, file.name)


def _read_one(path: str | os.PathLike[str]) -> HeapProfile:
    with kept(path) as file, named(f"Could not read {quote_path(file)}", ReadError):
        head, _ = _files.read_bytes(file, expected=UNDERSTOOD, first=_HEAD)
        encoding = next((name for mark, name in _files.MARKS if head.startswith(mark)), None)
        head = head.decode(encoding, "replace").encode() if encoding else head
        reader = next((reader for mark, *reader in _MARKS if mark.match(head)), None)
        other = next((name for mark, name in _OTHERS.items() if head.startswith(mark)), None)
        other = "what was made of a dump (give the dump itself)" if _MADE.match(head) else other
        # A message begins with one of its fields, of a kind that it can have; most of them are no letters.
        is_pprof = head[:1] in _PPROF_FIELDS and (b"\0" in head[:4096] or head[:1] in b"\x0a\x12\x1a\x22\x2a\x32")
        if reader is None and (other or not is_pprof):
            found, line = other or head.split(b"\n", 1)[0], None if other else 1
            raise ReadError.at(file, found=found, expected=UNDERSTOOD, line=line)
        module, name = reader or ("formats", "read_one_pprof")
        heap: HeapProfile = getattr(import_module(f"rmtoolkit.heap.{module}"), name)(file)
        return heap
