"""Dumps of Kubernetes objects: `kubectl get pods,replicasets,nodes -o json` or `-o yaml`, one or several over time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from rmtoolkit.exceptions import ReadError, quote, quote_path
from rmtoolkit.loaders import files
from rmtoolkit.loaders.kubernetes_documents import Part, parts
from rmtoolkit.loaders.kubernetes_objects import Objects
from rmtoolkit.loaders.left_out import counted
from rmtoolkit.loaders.stamps import Kind, find

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

_EXPECTED: Final = "pods and other objects as kubectl get -o json (or yaml) prints them"
_DAMAGED: Final = "documents that are cut off or damaged"


def read_objects(paths: Sequence[str | os.PathLike[str]]) -> tuple[Objects, list[tuple[Path, Exception]]]:
    r"""Read dumps of pods, their owners, nodes and quotas.

    Parameters
    ----------
    paths
        Files, packed or not: objects, lists of them or the events of a watch, with date lines between or not.

    Returns
    -------
    tuple of (Objects, list)
        What they say together, and the files that could not be read, each with its error.

    Notes
    -----
    A dump does not say when it was made. That is the time stamp before it, or in the file's name, or for the
    last one in a file when the file was written. It only matters for what changes without a time of its own:
    limits, requests and how often a container restarted.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
    ...     _ = file.write("kind: Node\nmetadata:\n  name: a\nstatus:\n  allocatable:\n    memory: 8Gi\n")
    ...     file.flush()
    ...     read_objects([file.name])[0].nodes
    {'a': 8589934592}
    """
    objects = Objects()
    failed: list[tuple[Path, Exception]] = []
    for file in sorted(map(Path, paths), key=_written):
        try:
            _read(file, objects)
        except ReadError as error:
            failed.append((file, error))
        except OSError as error:
            failed.append((file, files.unreadable(file, error)))
    objects.settle()
    return objects, failed


def _written(file: Path) -> tuple[float, str]:
    try:
        return file.stat().st_mtime, str(file)
    except OSError:
        return 0.0, str(file)


def _read(file: Path, objects: Objects) -> None:
    data, _ = files.read_bytes(file, expected=_EXPECTED)
    text, _ = files.as_text(data, file, expected=_EXPECTED)
    used = 0
    seen = _instant(file.stem)
    damaged: list[Part] = []
    first: Part | None = None
    found = parts(text)
    part = next(found, None)
    while part is not None:
        following = next(found, None)
        first = first or part
        if part.damaged:
            damaged.append(part)
        elif part.content is None:
            told = _instant(part.text)
            seen = told if told is not None else seen
        else:
            is_last = following is None and seen is None
            used += objects.add(part.content, round(files.modified(file).timestamp() * 1000) if is_last else seen)
        part = following
    if not used:
        what = damaged[0] if damaged else first
        shown = what.text if what is not None and what.text else "other objects"
        raise ReadError.at(file, found=shown, expected=_EXPECTED, line=what.line if what is not None else None)
    objects.sources.append(str(file))
    if damaged:
        objects.left_out[_DAMAGED] = objects.left_out.get(_DAMAGED, 0) + len(damaged)
        where = f"line {damaged[0].line}: {quote(damaged[0].text)}"
        files.warn(f"{quote_path(file)}: left out {counted(len(damaged), _DAMAGED)} ({where}). The rest was read.")


def _instant(text: str) -> int | None:
    """Read a time stamp that leaves nothing open."""
    found = find(text)
    whole = found is not None and found[0].kind == Kind.DATED and found[0].utc
    return found[0].milliseconds if whole and found is not None else None
