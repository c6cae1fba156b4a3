"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import shutil
import stat
import struct
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from rmtoolkit.exceptions import ReadError, RmtoolkitError, quote, quote_path, system_words
from rmtoolkit.text import texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import polars as pl

    from rmtoolkit._store import Remote

#: Links that are followed on one way, as the system has it.
_LINKS: Final = 40
_HINTS: Final = {getattr(errno, name, -1): hint for name, hint in texts("words")["hints"].items()}
#: The file that makes a folder a lake.
MARKER: Final = "rmtoolkit-lake.json"
#: S3 and what speaks its language, Google's, Azure's.
PROTOCOLS: Final = ("s3", "s3a", "gs", "az", "abfs", "abfss")
_URL: Final = re.compile(r"([a-z][a-z0-9+.-]+)://(.*)", re.DOTALL)


def check_target(path: str | os.PathLike[str] | None, endings: Sequence[str]) -> None:
    if path is None:
        return
    if is_store(path):
        raise _refused(path, "only lakes are kept in object stores. Name a file, and copy it there.")
    try:
        refuse_links(path)
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
    """Write a file under another name and rename it when it is whole."""
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
            # A new one has the mode that the umask of the process allows.
            if found is not None:
                part.chmod(stat.S_IMODE(found.st_mode) & 0o777)
            part.replace(target)
    except BrokenPipeError:
        # Whoever read has seen enough: nothing is wrong with the target.
        raise
    except OSError as error:
        raise _failed(path, error) from error


def write_whole(path: str | os.PathLike[str], made: bytes, endings: Sequence[str] = ()) -> Path:
    with replacing(path, endings) as part:
        part.write_bytes(made)
    return Path(path)


def make_folder(path: str | os.PathLike[str]) -> Path:
    try:
        refuse_links(path)
        Path(path).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"Could not make the folder {quote_path(path)}: {system_words(error)}."
        raise RmtoolkitError(msg) from error
    return Path(path)


def refuse_links(path: str | os.PathLike[str]) -> None:
    """Refuse a way that another user laid: where their links lead, root would write for them."""
    if not hasattr(os, "geteuid"):
        return
    trusted = {0, os.geteuid()}
    here, todo, followed = "/", [*Path.cwd().joinpath(path).parts[:0:-1]], 0
    while todo and followed < _LINKS:
        name = todo.pop()
        if name == os.pardir:
            here = os.path.dirname(here)  # noqa: PTH120 - a path that is resolved already
            continue
        place = os.path.join(here, name)  # noqa: PTH118 - as above
        try:
            found = os.lstat(place)
        except FileNotFoundError:
            return
        if stat.S_ISFIFO(found.st_mode) and found.st_uid not in trusted and _own_output(found) is None:
            raise _refused(path, f"{quote_path(place)} is a pipe of another user (uid {found.st_uid}).")
        if not stat.S_ISLNK(found.st_mode):
            here = place
            continue
        if found.st_uid not in trusted:
            why = f"{quote_path(place)} is a link of another user (uid {found.st_uid}). Name the file itself."
            raise _refused(path, why)
        followed += 1
        leads = Path(os.readlink(place))  # noqa: PTH115 - as above
        if not place.startswith("/proc/"):
            here = "/" if leads.is_absolute() else here
            todo += [part for part in leads.parts[::-1] if part != "/"]


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
        with suppress(OSError):
            if os.path.samestat(found, os.fstat(descriptor)):
                return descriptor
    return None


def _open_stream(path: str | os.PathLike[str], found: os.stat_result) -> BinaryIO:
    if (own := _own_output(found)) is None:
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


def as_place(path: str | os.PathLike[str] | Remote) -> Path | Remote:
    if not isinstance(path, str | os.PathLike):
        return path
    found = _URL.fullmatch(str(path))
    if found is None:
        return Path(path)
    protocol, inside = found.groups()
    if protocol == "file":
        return Path("/" + inside.lstrip("/"))
    bucket, _, name = inside.partition("/")
    if ":" in bucket.rpartition("@")[0]:
        msg = f"An address {protocol}://… holds credentials. Hint: they come from the environment."
        raise RmtoolkitError(msg)
    if protocol not in PROTOCOLS:
        msg = f"Could not use {quote_path(path)}: no such kind of store. There are: {', '.join(PROTOCOLS)}."
        raise RmtoolkitError(msg)
    from rmtoolkit._store import Remote  # noqa: PLC0415 - few have a store

    return Remote(protocol, bucket, PurePosixPath(name))


def is_store(source: object) -> bool:
    """Tell whether a source is an address in an object store: of a lake, as nothing else is kept there."""
    found = _URL.fullmatch(source) if isinstance(source, str) else None
    return found is not None and found[1] in PROTOCOLS


def is_far(source: object) -> bool:
    return is_url(source) or is_store(source)


def for_polars(place: Path | Remote) -> Path | bytes:
    """Give polars what it can read: it would wait for a pipe for ever."""
    if not isinstance(place, Path):
        return place.read_bytes()
    if not stat.S_ISREG(place.stat().st_mode):
        msg = "a pipe, a device or a folder"
        raise OSError(msg)
    return place


#: What a table in Parquet may take when it is read, whatever its size, and beyond that so many times its size: flat
#: series of some columns reach 50.
_ALWAYS_BYTES: Final = 128 << 20
_RATIO: Final = 200
#: Of a time or a number, and of a text beside its letters.
_VALUE_BYTES: Final = 16
#: Longer than any name.
_LONGEST_TEXT: Final = 1 << 16
#: How a table in columns begins: Parquet, a file of Arrow (feather), a stream of it; and how a whole stream ends.
_PARQUET, _ARROW, _STREAM, _STREAM_END = b"PAR1", b"ARROW1", b"\xff" * 4, b"\xff" * 4 + bytes(4)
IN_COLUMNS: Final = (_PARQUET, _ARROW, _STREAM)


def allowed_rows(size: int, columns: int) -> int:
    return max(_ALWAYS_BYTES, _RATIO * size) // (_VALUE_BYTES * max(columns, 1))


class _Flat:
    """A table of a flatbuffer: how Arrow says what a message holds."""

    def __init__(self, data: bytes, place: int) -> None:
        self._data = data
        self._place = place + self._number("I", place)

    def _number(self, kind: str, place: int) -> int:
        return int(struct.unpack_from(f"<{kind}", self._data, place)[0])

    def field(self, at: int) -> int:
        fields = self._place - self._number("i", self._place)
        entry = fields + 4 + 2 * at
        offset = self._number("H", entry) if entry < fields + self._number("H", fields) else 0
        return self._place + offset if offset else 0

    def long(self, at: int) -> int:
        return self._number("q", place) if (place := self.field(at)) else 0

    def inner(self, at: int) -> _Flat:
        return _Flat(self._data, self.field(at))

    def structs(self, at: int, layout: str) -> list[tuple[int, ...]]:
        if not (place := self.field(at)):
            return []
        place += self._number("I", place)
        end = place + 4 + struct.calcsize(layout) * self._number("I", place)
        return list(struct.iter_unpack(layout, self._data[place + 4 : end]))


def _unpacked(data: bytes) -> tuple[int, int]:
    """Add up rows and bytes of a file or a stream of Arrow, as each of its messages says; none is unpacked."""
    import pyarrow as pa  # noqa: PLC0415 - slow to import, and few files are such

    whole = pa.py_buffer(data)
    messages: Iterable[Any] = pa.ipc.MessageReader.open_stream(whole)
    if data.startswith(_ARROW):
        end = len(data) - len(_ARROW) - 4
        footer = _Flat(data, end - int.from_bytes(data[end : end + 4], "little"))
        blocks = [*footer.structs(2, "<qi4xq"), *footer.structs(3, "<qi4xq")]
        messages = (pa.ipc.read_message(whole.slice(offset)) for offset, *_ in blocks)
    rows = unpacked = 0
    for message in messages:
        batch = _Flat(message.metadata.to_pybytes(), 0).inner(2)
        if message.type == "schema":
            continue
        batch = batch.inner(1) if message.type == "dictionary" else batch
        rows += batch.long(0)
        for offset, length in batch.structs(2, "<qq"):
            # A packed buffer begins with its length.
            told = message.body[offset : offset + 8].to_pybytes() if batch.field(3) and length else b""
            unpacked += max(length, int.from_bytes(told, "little", signed=True))
    return rows, unpacked


def read_columns(source: Path | bytes, place: object, expected: str) -> pl.DataFrame:
    """Read a table of any make: what it declares is looked at first, lists and the like are passed over."""
    import polars as pl  # noqa: PLC0415 - the package is imported without it
    import pyarrow as pa  # noqa: PLC0415 - slow to import, and few files are such
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    from rmtoolkit._columns import NO_CELLS, is_map, unnested  # noqa: PLC0415 - as above

    data = source if isinstance(source, bytes) else source.read_bytes()
    size = len(data)

    def check(rows: int, columns: int, unpacked: int) -> None:
        if rows > allowed_rows(size, columns) or unpacked > max(_ALWAYS_BYTES, _RATIO * size):
            found = f"{size:,} bytes that unpack to {rows:,} rows of {unpacked:,} bytes"
            raise ReadError.at(place, found=found, expected=expected, hint="Write it anew in smaller files.")

    def flat(schema: Mapping[str, pl.DataType]) -> list[str]:
        wanted = (name for name, kind in schema.items() if not isinstance(kind, NO_CELLS) or is_map(kind))
        return [*wanted, *(name for name, kind in schema.items() if isinstance(kind, pl.Struct))]

    try:
        if data.startswith(_PARQUET):
            about = pq.read_metadata(io.BytesIO(data))
            groups = [about.row_group(at) for at in range(about.num_row_groups)]
            names = flat(pl.read_parquet_schema(io.BytesIO(data)))
            # Maps may have many more values than rows.
            parts = [[group.column(at) for at in range(group.num_columns)] for group in groups]
            read = [[part for part in some if part.path_in_schema.split(".")[0] in names] for some in parts]
            values = sum(max((part.num_values for part in some), default=0) for some in read)
            check(max(about.num_rows, values), len(names), sum(group.total_byte_size for group in groups))
            table = pl.read_parquet(io.BytesIO(data), columns=names)
        elif data.startswith(_STREAM) and not data.endswith(_STREAM_END):
            raise ReadError.at(place, found="a stream of Arrow that is cut off", expected=expected)
        else:
            # Opened first: what is no such file at all is said by its own words.
            opened = (pa.ipc.open_file if data.startswith(_ARROW) else pa.ipc.open_stream)(data)
            rows, unpacked = _unpacked(data)
            check(rows, len(opened.schema), unpacked)
            # Of what a damaged file says, polars would read beyond the end.
            arrow = opened.read_all()
            arrow.validate(full=True)
            table = pl.DataFrame(arrow)
            table = table.select(flat(table.schema))
    except RmtoolkitError:
        raise
    except (pa.ArrowException, struct.error, OSError, EOFError, ValueError, IndexError, TypeError) as error:
        found = (str(error) or "a damaged file").splitlines()[0]
        raise ReadError.at(place, found=found, expected=expected) from error
    # A panic is no Exception.
    except pl.exceptions.PanicException as error:
        raise ReadError.at(place, found="a damaged file", expected=expected) from error
    table = unnested(table)
    table = table.select(name for name, kind in table.schema.items() if not isinstance(kind, NO_CELLS))
    _refuse_long_texts(table, place)
    return table


def _refuse_long_texts(table: pl.DataFrame, place: object) -> None:
    import polars as pl  # noqa: PLC0415 - the package is imported without it

    stored_once = pl.col(pl.Categorical, pl.Enum).unique().cast(pl.String)
    texts = table.select(column.str.len_bytes().max() for column in (pl.col(pl.String), stored_once))
    for name, longest in texts.row(0, named=True).items() if texts.width else ():
        if longest is not None and longest > _LONGEST_TEXT:
            found = f"a text of {longest:,} bytes in the column {quote(name)}"
            raise ReadError.at(place, found=found, expected=f"texts of at most {_LONGEST_TEXT:,}")


def as_json(text: str | bytes) -> Any:  # noqa: ANN401 - whatever a file holds
    """Decode what we wrote ourselves, or somebody in our name: too deep is as wrong as cut off."""
    try:
        return json.loads(text)
    except RecursionError as error:
        msg = "JSON that is nested too deeply"
        raise ValueError(msg) from error


def read_told(path: Path, most: int = 64 << 20) -> str:
    with path.open("rb") as stream:
        told = stream.read(most + 1)
    if len(told) > most:
        msg = f"more than {most:,} bytes"
        raise ValueError(msg)
    return told.decode("utf-8")


def read_json(place: Path | Remote) -> Any:  # noqa: ANN401 - whatever a file holds
    """Decode what a lake knows of itself; a pipe in its place is never opened."""
    if not isinstance(place, Path):
        return as_json(place.read_bytes())
    return as_json(read_told(place) if not place.exists() or place.is_file() else "")


def is_lake(path: str | os.PathLike[str]) -> bool:
    try:
        marker = as_place(path) / MARKER
        return marker.is_file() if isinstance(marker, Path) else marker.exists()
    except (OSError, ValueError):
        return False


def is_url(source: object) -> bool:
    return isinstance(source, str) and source.lower().startswith(("http://", "https://"))
