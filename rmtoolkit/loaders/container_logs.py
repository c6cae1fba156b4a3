"""Take the wrapping off lines that a container runtime or a log collector stored."""

from __future__ import annotations

import re
from typing import Final

import msgspec

#: What `/var/log/pods` holds: time, stream, F(ull) or P(artial), text.
_CRI: Final = re.compile(r"(\d{4}-\d\d-\d\dT\S+) (stdout|stderr) ([FP])(?::\S*)?(?: (.*))?")
#: `kubectl logs --timestamps`.
_TIMESTAMPS: Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3,9}(?:Z|[+-]\d\d:\d\d))(?: (.*))?")
_MESSAGES: Final = ("log", "message", "msg", "MESSAGE")
_TIMES: Final = ("time", "timestamp", "ts", "@timestamp")
_LOOK_AT: Final = 50
_MOST: Final = 0.8


def unwrap(text: str) -> list[tuple[str, str]] | None:
    r"""Split a container's log into time stamps and what the program wrote.

    Parameters
    ----------
    text
        A file: Docker's JSON lines, the CRI format, ``kubectl logs --timestamps`` or a program's own
        JSON lines with a message.

    Returns
    -------
    list of (str, str), or None
        The stamp (empty where there is none) and the text of each line; lines that were stored in
        pieces are whole again. None when the text is not wrapped.

    Examples
    --------
    >>> unwrap("2026-11-24T10:00:00.0Z stderr P Allo\n2026-11-24T10:00:00.1Z stderr F cated: 1")
    [('2026-11-24T10:00:00.0Z', 'Allocated: 1')]
    >>> unwrap('{"log": "Allocated: 1\\n", "stream": "stderr", "time": "2026-11-24T10:00:00Z"}')
    [('2026-11-24T10:00:00Z', 'Allocated: 1')]
    >>> unwrap("Allocated: 1") is None
    True
    """
    head = [line for line in text[:200_000].split("\n", _LOOK_AT)[:_LOOK_AT] if line.strip()]
    enough = _MOST * len(head)
    if sum(_CRI.fullmatch(line) is not None for line in head) > enough:
        return _joined([_cri(line) for line in text.split("\n")])
    if sum(_TIMESTAMPS.fullmatch(line) is not None for line in head) > enough:
        found = [(_TIMESTAMPS.fullmatch(line), line) for line in text.split("\n")]
        return [(match[1], match[2] or "") if match else ("", line) for match, line in found]
    if sum(_json(line) is not None for line in head) > enough:
        return _joined([_json(line) or ("", line, "", True) for line in text.split("\n")])
    return None


def _cri(line: str) -> tuple[str, str, str, bool]:
    """Read stamp, text, stream and whether the line ends here."""
    found = _CRI.fullmatch(line)
    return (found[1], found[4] or "", found[2], found[3] == "F") if found else ("", line, "", True)


def _json(line: str) -> tuple[str, str, str, bool] | None:
    """Read the same of a JSON line; None where it is not one with a message."""
    if not line.startswith("{"):
        return None
    try:
        entry = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None
    if not isinstance(entry, dict):
        return None
    fields = entry.get("fields")
    inner = fields if isinstance(fields, dict) else {}
    message = next(
        (value for key in _MESSAGES for value in (entry.get(key), inner.get(key)) if isinstance(value, str)), None
    )
    if message is None:
        return None
    stamp = next((value for key in _TIMES if isinstance(value := entry.get(key), str)), "")
    # Docker keeps the line feed; a piece of a long line has none.
    whole = "stream" not in entry or message.endswith("\n")
    return stamp, message.removesuffix("\n"), str(entry.get("stream", "")), whole


def _joined(entries: list[tuple[str, str, str, bool]]) -> list[tuple[str, str]]:
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
