"""Where files are: on this machine, or in an object store that fsspec knows."""

from __future__ import annotations

import io
import os
import re
import zlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from rmtoolkit.exceptions import RmtoolkitError, quote_path

if TYPE_CHECKING:
    from collections.abc import Iterator

_URL: Final = re.compile(r"([a-z][a-z0-9+.-]+)://(.*)", re.DOTALL)
#: Files of a store that are kept in memory: each is looked at a few times.
_KEPT: Final = 4


@dataclass(frozen=True, order=True, slots=True)
class Remote:
    """A file or folder in an object store, to read: as much of `pathlib.Path` as a lake needs.

    Attributes
    ----------
    protocol
        As fsspec calls it: ``s3``, ``gs``, ``memory``.
    inside
        The path in the store.

    Examples
    --------
    >>> (Remote("s3", PurePosixPath("fleet/lake")) / "a.parquet").name
    'a.parquet'
    """

    protocol: str
    inside: PurePosixPath

    def __str__(self) -> str:
        """Give the address."""
        return f"{self.protocol}://{self.inside}"

    def __truediv__(self, name: str) -> Remote:
        """Something in this folder."""
        return Remote(self.protocol, self.inside / name)

    @property
    def name(self) -> str:
        """The last part."""
        return self.inside.name

    @property
    def stem(self) -> str:
        """The name without its ending."""
        return self.inside.stem

    @property
    def suffix(self) -> str:
        """The ending."""
        return self.inside.suffix

    @property
    def parent(self) -> Remote:
        """The folder that this is in."""
        return Remote(self.protocol, self.inside.parent)

    def glob(self, pattern: str) -> Iterator[Remote]:
        """Find files below this folder."""
        found = self._system().glob(str(self.inside / pattern))
        return (Remote(self.protocol, PurePosixPath(path)) for path in found)

    def exists(self) -> bool:
        """Whether there is anything."""
        return bool(self._system().exists(str(self.inside)))

    def is_file(self) -> bool:
        """Whether there is a file."""
        return bool(self._system().isfile(str(self.inside)))

    def stat(self) -> os.stat_result:
        """Size, and a number that is another one after a change, in the place of the time."""
        known = self._system().info(str(self.inside))
        size = int(known.get("size") or 0)
        said = [known.get(name) for name in ("ETag", "etag", "mtime", "LastModified", "updated", "created")]
        changed = zlib.crc32(repr(said).encode())
        return os.stat_result((0, 0, 0, 0, 0, 0, size, 0, changed, 0))

    def read_bytes(self) -> bytes:
        """Read what is in the file."""
        content: bytes = self._system().cat_file(str(self.inside))
        return content

    def read_text(self, encoding: str = "utf-8") -> str:
        """Read the same as text."""
        return self.read_bytes().decode(encoding)

    def _system(self) -> Any:  # noqa: ANN401 - fsspec has no types
        try:
            import fsspec  # noqa: PLC0415 - an extra that few have

            return fsspec.filesystem(self.protocol)
        except (ImportError, ValueError) as error:
            msg = (
                f"Could not use {quote_path(self)}: {error}. Hint: pip install 'rmtoolkit[fleet]' and the store's own "
                "package, such as s3fs."
            )
            raise RmtoolkitError(msg) from error


def as_place(path: str | os.PathLike[str] | Remote) -> Path | Remote:
    """Tell an address from a path.

    Parameters
    ----------
    path
        A path, or an address: ``s3://bucket/lake``.

    Returns
    -------
    pathlib.Path or Remote
        ``file://`` is a path.

    Examples
    --------
    >>> as_place("memory://lake").name, as_place("file:///tmp/lake").as_posix(), as_place("lake").name
    ('lake', '/tmp/lake', 'lake')
    """
    if isinstance(path, Remote):
        return path
    found = _URL.fullmatch(str(path))
    if found is None:
        return Path(path)
    protocol, inside = found.groups()
    if protocol == "file":
        return Path("/" + inside.lstrip("/"))
    return Remote(protocol, PurePosixPath("/" + inside if protocol == "memory" and inside[:1] != "/" else inside))


def for_polars(place: Path | Remote) -> Path | io.BytesIO:
    """Give polars what it can read.

    Parameters
    ----------
    place
        A Parquet file.

    Returns
    -------
    pathlib.Path or io.BytesIO
        The path, or what is in the file.

    Examples
    --------
    >>> for_polars(Path("a.parquet")).name
    'a.parquet'
    """
    if isinstance(place, Path):
        return place
    known = place.stat()
    return io.BytesIO(_content(place, (known.st_size, known.st_mtime_ns)))


@lru_cache(maxsize=_KEPT)
def _content(place: Remote, _stamp: tuple[int, int]) -> bytes:
    return place.read_bytes()
