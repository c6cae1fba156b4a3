"""Files as readers meet them: compressed, cut off, wrapped by a log collector; what was skipped is counted."""

from __future__ import annotations

import bisect
import bz2
import glob
import gzip
import io
import lzma
import os
import re
import sys
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeAlias, TypeVar

import msgspec

from rmtoolkit._io import is_lake
from rmtoolkit.exceptions import ReadError, quote, quote_path, system_words, warn
from rmtoolkit.loaders._timestamps import Kind, Stamp, find
from rmtoolkit.recording import Recording, refuse_doubled, warn_of_doubts
from rmtoolkit.text import and_more, looks, printable, texts, unread

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from collections.abc import Callable, Container, Iterable, Iterator, Sequence

from rmtoolkit.schema import Report

PathLike: TypeAlias = str | os.PathLike[str]
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

KINDS: Final[list[str]] = texts("loaders/signs")["objects"]["marks"]
#: A packed file may unpack to this much, whatever its size.
_ALWAYS_BYTES: Final = 128 << 20
#: Beyond that to this many times what was read of it. Saved answers of flat series reach 10 with gzip, 600 with zstd.
_GZIP_RATIO: Final = 100
_ZSTD_RATIO: Final = 1000
#: And never to more than this.
_NEVER_BYTES: Final = 1 << 30
#: The same of what takes many times its size: profiles, of which none is so large or so uniform.
COSTLY_BYTES: Final = 32 << 20
_COSTLY_RATIO: Final = 30
#: What xz may ask for; its strongest setting asks for half of that.
_XZ_BYTES: Final = 128 << 20

_ZSTD: Final = b"\x28\xb5\x2f\xfd"
#: Frames that hold no data may stand first.
_ZSTD_SKIPPED: Final = re.compile(rb"[\x50-\x5f]\x2a\x4d\x18")
_CHUNK: Final = 1 << 20
_PACKED_CHUNK: Final = 1 << 16
#: A damaged file gives nothing of the piece in which it breaks.
_PIECE: Final = 1 << 14
MARKS: Final = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_BINARY_SHARE: Final = 0.05
#: Tab, line feed, form feed, carriage return and escape are what terminals and editors write.
_CONTROL: Final = bytes(set(range(32)) - {9, 10, 12, 13, 27})
#: Half of a letter beyond 16 bits, as JSON and YAML write the first or the second one alone.
_HALVES: Final = re.compile(looks("texts")["halves"])
_CUT_FILE: Final = "the packed file is cut off or damaged; what could be unpacked was read"
_CUT_LETTER: Final = "the last character is cut off"
_ZIP, _TAR, _TWICE = "a zip archive or a workbook", "a tar archive", "a file that is packed twice"
#: What holds files that could be read.
HOLDERS: Final = (_ZIP, _TAR, _TWICE)
#: What a packed file that is cut off or damaged gives.
DAMAGE: Final = (EOFError, OSError, zlib.error, lzma.LZMAError, zstd.ZstdError)

_PACKERS: Final[dict[bytes, Any]] = {
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ\0": lambda: lzma.LZMADecompressor(memlimit=_XZ_BYTES),
    _ZSTD: zstd.ZstdDecompressor,
}
#: What `/var/log/pods` holds: time, stream, F(ull) or P(artial), text.
_CRI: Final = re.compile(r"(\d{4}-\d\d-\d\dT\S++) (stdout|stderr) ([FP])(?::\S*+)?(?: (.*))?")
#: How kubelets call logs: `POD_NAMESPACE_CONTAINER-ID.log`, and `NAMESPACE_POD_UID/CONTAINER/0.log`.
_OF_KUBELET: Final = (
    re.compile(r"/(?P<pod>[a-z\d.-]+)_(?P<namespace>[a-z\d-]+)_(?P<container>[a-z\d-]+)-[\da-f]{64}\.log[^/]*$"),
    re.compile(
        r"/(?P<namespace>[a-z\d-]+)_(?P<pod>[a-z\d.-]+)_[\da-f-]{32,36}/(?P<container>[a-z\d-]+)/\d+\.log[^/]*$"
    ),
)
#: `kubectl logs --timestamps`.
_TIMESTAMPS: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3,9}(?:Z|[+-]\d\d:\d\d))(?: (.*))?")
_MESSAGES: Final = ("log", "message", "msg", "MESSAGE")
_TIMES: Final = ("time", "timestamp", "ts", "@timestamp")
_LOOK_AT: Final = 50
_MOST: Final = 0.8
#: Stamp, text, stream and whether the line ends here.
_Entry: TypeAlias = tuple[str, str, str, bool]
_BARE_NUMBER: Final = re.compile(r"\d{10,}")
_LINES_BEFORE: Final = 20
_CHARACTERS: Final = 80


def find_files(
    given: Iterable[PathLike], *, expected: str, meant: str, hint: Callable[[str], str]
) -> tuple[list[Path], set[Path]]:
    """Find the files that paths, folders and globs mean, each once; and those meant by name."""
    found: dict[Path, None] = {}
    by_name: set[Path] = set()
    for item in given:
        if not str(item):
            raise ReadError.at(item, found="no name", expected=meant)
        here = Path(item)
        is_folder = False
        try:
            is_folder = here.is_dir()
            # Folders too: a recording may be one.
            matches = map(Path, glob.iglob(str(item), recursive=True))  # noqa: PTH207
            named = [here] if here.exists() else sorted({one for one in matches if one.is_file() or one.is_dir()})
            by_name.update(file for file in named if not file.is_dir())
            shown = [file for match in named for file in _inside(match)]
        except (OSError, ValueError):
            shown = []
        if not shown and is_folder:
            raise ReadError.at(item, found="a folder without files", expected=expected)
        if not shown:
            raise ReadError.at(item, found="no such file or folder", expected=meant, hint=hint(str(item)))
        found.update(dict.fromkeys(shown))
    return list(found), by_name


def _inside(folder: Path) -> list[Path]:
    """List the files of a folder without hidden ones; a lake is one, and so is what is no folder."""
    if not folder.is_dir() or is_lake(folder):
        return [folder]
    found: list[Path] = []
    seen: set[str] = set()
    # Links to folders are entered, as those of a mounted ConfigMap, each folder once.
    for root, folders, names in os.walk(folder, followlinks=True):
        again = os.path.realpath(root) in seen
        seen.add(os.path.realpath(root))
        folders[:] = [] if again else [name for name in folders if not name.startswith(".")]
        found += [] if again else [Path(root, name) for name in names if not name.startswith(".")]
    return sorted(file for file in found if file.is_file())


def unreadable(path: PathLike, error: OSError | ReadError) -> ReadError:
    """Say in the words of people why a file cannot be opened; what a reader says stays."""
    if isinstance(error, ReadError):
        return error
    why = printable(" ".join(system_words(error).rstrip(".").split()))
    return ReadError(f"{quote_path(path)} cannot be read: {why}.")


def shown(paths: Sequence[object]) -> str:
    return quote_path(paths[0]) + and_more(len(paths), 1)


def warn_of_rest(paths: Sequence[object], *said: str) -> None:
    warn(f"{shown(paths)}: {'; '.join(said)}. The rest was read.")


def noted(report: Report, paths: Sequence[object], notes: Iterable[str]) -> Report:
    """Put notes of files into a report, and warn of what is missing of them."""
    if cut := [note for note in dict.fromkeys(notes) if note in (_CUT_FILE, _CUT_LETTER)]:
        warn(f"{shown(paths)}: {'; '.join(cut)}.")
    rest = (note for note in dict.fromkeys(notes) if note not in cut)
    return replace(report, partial=(*report.partial, *cut), warnings=(*report.warnings, *rest))


def as_given(argument: str, value: object) -> list[str]:
    """Write an argument as a user does; one that gives names a meaning name by name."""
    if not isinstance(value, Mapping):
        return [f"{argument}={quote(value)}"]
    return [f"{argument}={{{quote(name)}: {quote(meaning)}}}" for name, meaning in value.items()]


def given_names(there: Container[str], given: Mapping[str, Mapping[str, str] | None]) -> tuple[list[str], list[str]]:
    """Say what a user gave a meaning to, as it was written: what is there, and what is not."""
    said: tuple[list[str], list[str]] = [], []
    for argument, meanings in given.items():
        for name, line in zip(meanings or (), as_given(argument, meanings or {}), strict=True):
            said[name not in there].append(line)
    return said


def warn_of_names(report: Report, place: str) -> None:
    if report.unseen:
        warn(f"{', '.join(report.unseen)}: nothing {place} is called so.")


def read_bytes(
    path: PathLike, *, expected: str, first: int | None = None, costly: bool = False
) -> tuple[bytes, tuple[str, ...]]:
    """Read a file, unpacked if it is packed; less of it where what is made of it takes many times its size."""
    file = Path(path)
    if file.is_dir():
        raise ReadError.at(path, found="a folder", expected=expected, hint="rm.read and rm.read_heap read folders.")
    always = COSTLY_BYTES if costly else _ALWAYS_BYTES
    # A buffer would hold the beginning, and a large file would be copied once more to put it before the rest.
    with file.open("rb", buffering=0) as opened:
        stream: BinaryIO = opened
        if not file.is_file():
            stream = io.BytesIO()
            drain(opened, stream, always, path, expected)
            stream.seek(0)
        magic = stream.read(6)
        stream.seek(0)
        if not magic:
            raise ReadError.at(path, found="an empty file", expected=expected)
        if (parts := unpacked(stream, magic)) is None:
            return (stream.read() if first is None else stream.read(first)), ()
        ratio = _COSTLY_RATIO if costly else _ZSTD_RATIO if magic.startswith(_ZSTD) else _GZIP_RATIO
        whole = io.BytesIO()
        notes: tuple[str, ...] = ()
        try:
            for part in parts:
                whole.write(part)
                allowed = min(max(always, ratio * stream.tell()), _NEVER_BYTES)
                if whole.tell() > allowed:
                    size = file.stat().st_size or stream.tell()
                    found = f"{size:,} bytes that unpack to more than {allowed:,}"
                    raise ReadError.at(path, found=found, expected=expected, hint="Unpack it yourself if you trust it.")
                if first is not None and whole.tell() >= first:
                    whole.truncate(first)
                    break
        except DAMAGE:
            notes = (_CUT_FILE,)
    # This takes what was written as it is, without a copy.
    data = whole.getvalue()
    if not data:
        raise ReadError.at(path, found="a packed file that is empty or cut off at once", expected=expected)
    return data, notes


def drain(pipe: BinaryIO, copy: BinaryIO, most: int, path: PathLike, expected: str) -> None:
    while copy.tell() <= most and (part := pipe.read(_CHUNK)):
        copy.write(part)
    if copy.tell() > most:
        found = f"more than {most:,} bytes through a pipe"
        raise ReadError.at(path, found=found, expected=expected, hint="Save it to a file if there is so much.")


def unpacked(stream: BinaryIO, magic: bytes) -> Iterator[bytes] | None:
    """Unpack a file piece by piece; None where it is not packed. One of `DAMAGE` ends what is not whole."""
    if magic.startswith(b"\x1f\x8b"):
        return iter(partial(gzip.GzipFile(fileobj=stream).read1, _PIECE), b"")
    magic = _ZSTD if _ZSTD_SKIPPED.match(magic) else magic
    begin = next((begin for mark, begin in _PACKERS.items() if magic.startswith(mark)), None)
    return None if begin is None else _members(stream, begin)


def _members(stream: BinaryIO, begin: Callable[[], Any]) -> Iterator[bytes]:
    member, packed = None, b""
    while True:
        if not packed and (member is None or member.needs_input) and not (packed := stream.read(_PACKED_CHUNK)):
            break
        if member is None:
            packed = packed.lstrip(b"\0")
            member = begin() if packed else None
            continue
        if part := member.decompress(packed, _PIECE):
            yield part
        packed = member.unused_data if member.eof else b""
        member = None if member.eof else member
    if member is not None:
        raise EOFError


def as_text(data: bytes, path: PathLike, *, expected: str) -> tuple[str, tuple[str, ...]]:
    notes: tuple[str, ...] = ()
    encoding = next((name for mark, name in MARKS if data.startswith(mark)), None)
    if encoding != "utf-16":
        head = data[:_CHUNK]
        if b"\0" in head or len(head) - len(head.translate(None, _CONTROL)) > _BINARY_SHARE * len(head):
            held = _TAR if head[257:262] == b"ustar" else _ZIP if head.startswith(b"PK\3\4") else ""
            held = _TWICE if unpacked(io.BytesIO(), head[:6]) is not None else held
            hint = f"Unpack it first{'; of a workbook save the sheet as CSV' * (held == _ZIP)}." * bool(held)
            raise ReadError.at(path, found=held or "binary data", expected=expected, hint=hint)
    try:
        text = data.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        if encoding is not None or error.reason == "unexpected end of data":
            text = data.decode(encoding or "utf-8", "replace")
            notes = (_CUT_LETTER,)
        else:
            text = data.decode("latin-1")
            notes = ("not UTF-8; read as Latin-1",)
    if text.lstrip()[:15].lower().startswith(("<!doctype html", "<html")):
        hint = "A login page in front of the server looks like this: sign in and export again."
        raise ReadError.at(path, found="a web page (HTML)", expected=expected, line=1, hint=hint)
    if not text.strip():
        raise ReadError.at(path, found="only blanks", expected=expected)
    # Half of a letter beyond 16 bits is none: nothing can be made of a text that holds it.
    text = _HALVES.sub(r"\\ufffd", text) if "\\ud" in text or "\\uD" in text else text
    return text.replace("\r\n", "\n").replace("\r", "\n"), notes


def read_text(path: PathLike, *, expected: str) -> tuple[str, tuple[str, ...]]:
    data, notes = read_bytes(path, expected=expected)
    text, more = as_text(data, path, expected=expected)
    return text, notes + more


def read_each(files: Sequence[PathLike], read: Callable[[PathLike], object], *, expected: str) -> list[ReadError]:
    """Read files that belong together; warn of those that could not be read, and give what is wrong with them."""
    failed: list[ReadError] = []
    for file in files:
        try:
            read(file)
        except (ReadError, OSError) as error:
            failed.append(unreadable(file, error))
    if len(failed) == len(files):
        raise failed[0] if failed else ReadError.at("[]", found="an empty list of files", expected=expected)
    if failed:
        warn(f"{unread(len(failed), len(files))}; the first: {failed[0]}")
    return failed


def grouped(pairs: Iterable[tuple[_Key, _Value]]) -> dict[_Key, list[_Value]]:
    found: dict[_Key, list[_Value]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return found


def mapping(content: object, *path: str) -> Mapping[str, Any]:
    """Go down a path in JSON; what is not there, or is no mapping, is empty."""
    for name in path:
        content = content.get(name) if isinstance(content, dict) else None
    return content if isinstance(content, dict) else {}


def text_of(content: Mapping[str, Any], name: str) -> str | None:
    value = content.get(name)
    return value if isinstance(value, str) and value else None


def whole_number(value: object, most: int = 1 << 63) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:  # noqa: PLR2004 - 64 bits
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < most else None


def check_samples(recording: Recording, place: str) -> None:
    """Refuse a recording of which nothing is left, or of which much says something else at an instant."""
    refuse_doubled(recording, place)
    if not recording.height and recording.report.lost:
        msg = f"Could not use {place}: no sample is left. Left out: {recording.report.lost}."
        raise ReadError(msg)


def warn_of_values(report: Report, paths: Sequence[object]) -> None:
    if report.is_noticeable:
        warn_of_rest(report.sources or paths, f"left out {report.lost}")
    warn_of_doubts(report)


def unwrap(text: str) -> list[tuple[str, str]] | None:
    """Split a container's log into time stamps and what the program wrote; None where nothing is around its lines."""
    head = [line for line in text[:200_000].split("\n", _LOOK_AT)[:_LOOK_AT] if line.strip()]
    for read in (_cri, _stamped, _json):
        if sum(read(line) is not None for line in head) > _MOST * len(head):
            return _joined([read(line) or ("", line, "", True) for line in text.split("\n")])
    return None


def _cri(line: str) -> _Entry | None:
    found = _CRI.fullmatch(line)
    return (found[1], found[4] or "", found[2], found[3] == "F") if found else None


def _stamped(line: str) -> _Entry | None:
    found = _TIMESTAMPS.fullmatch(line)
    return (found[1], found[2] or "", "", True) if found else None


def _json(line: str) -> _Entry | None:
    if not line.startswith("{"):
        return None
    try:
        entry = msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None
    inner = mapping(entry, "fields")
    messages = [value for key in _MESSAGES for value in (entry.get(key), inner.get(key)) if isinstance(value, str)]
    if not messages:
        return None
    message, stamp = messages[0], next((value for key in _TIMES if isinstance(value := entry.get(key), str)), "")
    # Docker keeps the line feed; a piece of a long line has none.
    whole = "stream" not in entry or message.endswith("\n")
    return stamp, message.removesuffix("\n"), str(entry.get("stream", "")), whole


def _joined(entries: list[_Entry]) -> list[tuple[str, str]]:
    """Put lines that were stored in pieces together, stream by stream."""
    lines: list[tuple[str, str]] = []
    open_pieces: dict[str, tuple[str, list[str]]] = {}
    for stamp, message, stream, whole in entries:
        if whole and stream not in open_pieces:
            lines.append((stamp, message))
            continue
        first, pieces = open_pieces.setdefault(stream, (stamp, []))
        pieces.append(message)
        if whole:
            lines.append((first, "".join(pieces)))
            del open_pieces[stream]
    lines.extend((first, "".join(pieces)) for first, pieces in open_pieces.values())
    # One stored entry may hold several lines of text.
    return [(stamp, line) for stamp, message in lines for line in message.split("\n")]


def of_kubelet(path: PathLike) -> dict[str, str]:
    """Tell whose log a file is by the names that kubelets give, in `/var/log/containers` and `/var/log/pods`."""
    found = next((found for form in _OF_KUBELET if (found := form.search(Path(path).absolute().as_posix()))), None)
    return found.groupdict() if found else {}


def unwrapped(text: str) -> tuple[str, LogContext]:
    stamps = None
    if (wrapped := unwrap(text)) is not None:
        stamps, lines = zip(*wrapped, strict=True)
        text = "\n".join(lines)
    return text, LogContext(text, stamps, [0, *(found.end() for found in re.finditer("\n", text))])


@dataclass(slots=True)
class LogContext:
    text: str
    stamps: Sequence[str] | None
    starts: Sequence[int]  # of each line

    def place(self, start: int, after: int) -> tuple[int, tuple[Stamp, str] | None]:
        """Find a line, and the stamp that the log gave it, else one on it, or before it and after the last document."""
        number = bisect.bisect_right(self.starts, start)
        if self.stamps is not None and (logged := find(self.stamps[number - 1])) is not None:
            return number, (logged[0], self.stamps[number - 1])
        for index in range(number - 1, max(number - 2 - _LINES_BEFORE, -1), -1):
            line_start = max(self.starts[index], after)
            stop = start if index == number - 1 else self.starts[index + 1]
            if stop <= after:
                break
            said = self.text[line_start : min(stop, line_start + _CHARACTERS)].strip()
            if (found := find(said)) is not None and (index == number - 1 or _heads(said, found)):
                return number, (found[0], said)
        return number, None


def _heads(line: str, found: tuple[Stamp, str]) -> bool:
    """Tell a time stamp from a number or a date that a program happened to write."""
    head = line.lstrip("[(=-# ")
    if _BARE_NUMBER.match(head):
        return not any(map(str.isalpha, found[1]))
    return found[0].kind != Kind.CLOCK or head[:1].isdigit()
