"""Files as readers meet them: compressed, cut off, in an old encoding."""

from __future__ import annotations

import datetime as dt
import io
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from rmtoolkit import exceptions
from rmtoolkit.exceptions import ReadError, quote_path

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

#: A packed file may unpack to this much, whatever its size.
_ALWAYS_BYTES: Final = 128 << 20
#: Beyond that to this many times what was read of it. Saved answers of flat series reach 10 with gzip, 600 with zstd.
_GZIP_RATIO: Final = 100
_ZSTD_RATIO: Final = 1000
#: And never to more than this.
_NEVER_BYTES: Final = 1 << 30

_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_CHUNK: Final = 1 << 20
_PACKED_CHUNK: Final = 1 << 16
#: A damaged zstd stream gives nothing of the piece in which it breaks.
_PIECE: Final = 1 << 14
_MARKS: Final = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_BINARY_SHARE: Final = 0.05
#: Tab, line feed, form feed, carriage return and escape are what terminals and editors write.
_CONTROL: Final = bytes(set(range(32)) - {9, 10, 12, 13, 27})


def warn(message: str) -> None:
    """Warn at the line outside this package that asked for the reading.

    Parameters
    ----------
    message
        What was left out or assumed.

    Examples
    --------
    >>> import warnings
    >>> with warnings.catch_warnings(record=True) as seen:
    ...     warnings.simplefilter("always")
    ...     warn("3 lines left out")
    >>> str(seen[0].message)
    '3 lines left out'
    """
    exceptions.warn(message)


def unreadable(path: str | os.PathLike[str], error: OSError) -> ReadError:
    """Say in the words of people why a file cannot be opened.

    Parameters
    ----------
    path
        The file.
    error
        What the system said.

    Returns
    -------
    ReadError
        The error, ready to raise.

    Examples
    --------
    >>> print(unreadable("a.json", PermissionError(13, "Permission denied")))
    'a.json' cannot be read: permission denied.
    """
    why = (error.strerror or str(error)).lower()
    return ReadError(f"{quote_path(path)} cannot be read: {why}.")


def modified(path: str | os.PathLike[str]) -> dt.datetime:
    """Tell when a file was last written.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    datetime.datetime
        In UTC, to the millisecond.

    Examples
    --------
    >>> modified(__file__).tzinfo
    datetime.timezone.utc
    """
    milliseconds = Path(path).stat().st_mtime_ns // 1_000_000
    return dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC)


def read_bytes(
    path: str | os.PathLike[str], *, expected: str, first: int | None = None
) -> tuple[bytes, tuple[str, ...]]:
    """Read a file, unpacked if it is gzip or zstd.

    Parameters
    ----------
    path
        The file.
    expected
        What should be in it, for the message.
    first
        Stop after about this many unpacked bytes.

    Returns
    -------
    tuple of (bytes, tuple of str)
        The content, and what a reader of the report should know: a packed file that is cut off gives
        what could be unpacked.

    Raises
    ------
    ReadError
        It is empty, a folder, or unpacks to an absurd amount.

    Examples
    --------
    >>> import gzip, tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = Path(file.name).write_bytes(gzip.compress(b"a line"))
    ...     read_bytes(file.name, expected="a log")
    (b'a line', ())
    """
    file = Path(path)
    if file.is_dir():
        raise ReadError.at(path, found="a folder", expected=expected, hint="rm.read reads the files of a folder.")
    # A buffer would hold the beginning, and a large file would be copied once more to put it before the rest.
    with file.open("rb", buffering=0) as stream:
        magic = stream.read(4)
        stream.seek(0)
        if not magic:
            raise ReadError.at(path, found="an empty file", expected=expected)
        if not (magic.startswith(_GZIP) or magic == _ZSTD):
            return (stream.read() if first is None else stream.read(first)), ()
        unpack, ratio = (_gunzip, _GZIP_RATIO) if magic.startswith(_GZIP) else (_unzstd, _ZSTD_RATIO)
        unpacked = io.BytesIO()
        whole = True
        for part in unpack(stream):
            if part is None:
                whole = False
                break
            unpacked.write(part)
            allowed = min(max(_ALWAYS_BYTES, ratio * stream.tell()), _NEVER_BYTES)
            if unpacked.tell() > allowed:
                raise ReadError.at(
                    path,
                    found=f"{file.stat().st_size:,} bytes that unpack to more than {allowed:,}",
                    expected=expected,
                    hint="Unpack it yourself if you trust it.",
                )
            if first is not None and unpacked.tell() >= first:
                unpacked.truncate(first)
                break
    # This takes what was written as it is, without a copy.
    data = unpacked.getvalue()
    if not data:
        raise ReadError.at(path, found="a packed file that is empty or cut off at once", expected=expected)
    if whole:
        return data, ()
    return data, ("the packed file is cut off or damaged; what could be unpacked was read",)


def _gunzip(stream: BinaryIO) -> Iterator[bytes | None]:
    """Unpack members one after another, piece by piece; a last None says that the file is damaged."""
    rest = b""
    member = None
    while rest := rest or stream.read(_PACKED_CHUNK):
        if member is None:
            rest = rest.lstrip(b"\0")
            if not rest:
                continue
            member = zlib.decompressobj(wbits=31)
        try:
            yield member.decompress(rest, _CHUNK)
        except zlib.error:
            yield None
            return
        rest = member.unconsumed_tail or member.unused_data
        if member.eof:
            member = None
    if member is not None:
        yield None


def _unzstd(stream: BinaryIO) -> Iterator[bytes | None]:
    """Unpack frames piece by piece; a last None says that the file is damaged."""
    import pyarrow as pa  # noqa: PLC0415 - slow to import, and only this path needs it

    try:
        with pa.CompressedInputStream(pa.PythonFile(stream, mode="r"), "zstd") as unpacked:
            while part := unpacked.read(_PIECE):
                yield part
    except (OSError, pa.ArrowException):
        yield None


def as_text(data: bytes, path: str | os.PathLike[str], *, expected: str) -> tuple[str, tuple[str, ...]]:
    r"""Decode a text file.

    Parameters
    ----------
    data
        Its content.
    path
        The file, for the message.
    expected
        What should be in it, for the message.

    Returns
    -------
    tuple of (str, tuple of str)
        The text with line feeds only, and what a reader of the report should know.

    Raises
    ------
    ReadError
        It is binary, or a web page.

    Examples
    --------
    >>> as_text(b"M\xe4rz", "a.log", expected="a log")
    ('März', ('not UTF-8; read as Latin-1',))
    >>> as_text(b"a\0" * 9, "a.log", expected="a log")
    Traceback (most recent call last):
    rmtoolkit.exceptions.ReadError: Could not read 'a.log': found 'binary data', expected a log.
    """
    notes: tuple[str, ...] = ()
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    if encoding != "utf-16":
        head = data[:_CHUNK]
        if b"\0" in head or len(head) - len(head.translate(None, _CONTROL)) > _BINARY_SHARE * len(head):
            raise ReadError.at(path, found="binary data", expected=expected)
    try:
        text = data.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        if encoding is not None or error.reason == "unexpected end of data":
            text = data.decode(encoding or "utf-8", "replace")
            notes = ("the last character is cut off",)
        else:
            text = data.decode("latin-1")
            notes = ("not UTF-8; read as Latin-1",)
    if text.lstrip()[:15].lower().startswith(("<!doctype html", "<html")):
        raise ReadError.at(
            path,
            found="a web page (HTML)",
            expected=expected,
            line=1,
            hint="A login page in front of the server looks like this: sign in and export again.",
        )
    if not text.strip():
        raise ReadError.at(path, found="only blanks", expected=expected)
    return text.replace("\r\n", "\n").replace("\r", "\n"), notes
