"""Logs of `/proc` and cgroup files, cut into one block per process or cgroup and instant."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from rmtoolkit.loaders import procfs, stamps

if TYPE_CHECKING:
    from rmtoolkit.loaders.stamps import Stamp

#: Files of a cgroup that give signals.
CGROUP_FILES: Final = frozenset(
    {*procfs.NUMBER_FILES, "memory.stat", "memory.pressure", "memory.events", "memory.oom_control"},
)
PROCESS_FILES: Final = frozenset({"smaps_rollup", "status"})

_SECTION: Final = re.compile(r"==> (?P<path>.+) <==")
#: What `grep . FILES` puts before each line.
_PREFIX: Final = re.compile(r"(?P<path>(?:[^\s:]*/)?(?:memory\.[a-z_.]+|smaps_rollup|status)):(?P<rest>.*)")
_PROCESS_PATH: Final = re.compile(r"/proc/(\d+|self)/(?:smaps_rollup|status)$")
_FIELD: Final = re.compile(r"(\w+):\s+(\S.*)")
_KNOWN_FIELDS: Final = frozenset(
    (
        *("Name", "Pid", "VmPeak", "VmSize", "VmHWM", "VmRSS", "RssAnon", "RssFile", "RssShmem", "VmSwap", "Threads"),
        *("Rss", "Pss", "Pss_Dirty", "Pss_Anon", "Pss_File", "Pss_Shmem", "Anonymous", "LazyFree", "Swap", "SwapPss"),
    ),
)
_OTHER_FIELDS: Final = re.compile(r"\w+:(?:\s.*)?")
_PAIR: Final = re.compile(r"([a-z]\w*) (\d+)")
_EVENTS: Final = frozenset(["low", "high", "max", "oom", "oom_kill", "oom_group_kill", "oom_kill_disable", "under_oom"])
_STALL: Final = re.compile(r"(?:some|full) avg10=\S+ .*total=\d+")
_MAPPING: Final = re.compile(r"[0-9a-f]{6,16}-[0-9a-f]{6,16} [rwxps-]{4} .*")
_NUMBER: Final = re.compile(r"\d+|max")


@dataclass(slots=True)
class Block:
    """What was said of one process or cgroup at one instant.

    Attributes
    ----------
    line
        Where it begins.
    subject
        Process id or folder of the cgroup; empty where it is not said.
    stamp
        Index of its time stamp; None without.
    tick
        Number of the snapshot.
    files
        Contents by the files' names.

    Examples
    --------
    >>> Block(1, "", None, 0).files
    {}
    """

    line: int
    subject: str
    stamp: int | None
    tick: int
    files: dict[str, list[str]] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """Give the content of a file; empty where it was not there."""
        return "\n".join(self.files.get(name, ()))


@dataclass(slots=True)
class Log:
    """What stands in one file.

    Attributes
    ----------
    blocks
        In order.
    stamps
        Time stamps with the text that they were read from.
    other
        Lines that say nothing of memory, or do not say what they are.
    mappings
        It holds `smaps`, a list of mappings, not the sum of them.

    Examples
    --------
    >>> Log().blocks
    []
    """

    blocks: list[Block] = field(default_factory=list)
    stamps: list[tuple[Stamp, str]] = field(default_factory=list)
    other: int = 0
    mappings: bool = False


def read_blocks(text: str, file_name: str = "") -> Log:
    r"""Cut a file into blocks.

    Parameters
    ----------
    text
        A copy of one file, or a log of one or several files, read once or many times.
    file_name
        How the file is called: the copy of a file that holds one number does not say what it is.

    Returns
    -------
    Log
        What was found.

    Examples
    --------
    >>> log = read_blocks("2026-11-25T03:44:31Z\nVmRSS:  5 kB\n2026-11-25T03:44:41Z\nVmRSS:  6 kB\n")
    >>> [(block.tick, block.text("status")) for block in log.blocks]
    [(0, 'VmRSS:  5 kB'), (1, 'VmRSS:  6 kB')]
    """
    log = Log()
    reader = _Reader(log, file_name if file_name in CGROUP_FILES | PROCESS_FILES else "")
    for line, content in enumerate(text.split("\n"), start=1):
        reader.take(line, content.strip())
    # A stamp without anything after it leaves an empty block.
    log.blocks = [block for block in log.blocks if block.files]
    return log


class _Reader:
    """Goes through the lines and remembers which file they are of."""

    def __init__(self, log: Log, file_name: str) -> None:
        self._log = log
        self._file = file_name
        self._tick = -1
        self._stamp: int | None = None
        self._seen: dict[str, set[str]] = {}
        self._subject = ""
        self._block: Block | None = None

    def take(self, line: int, text: str) -> None:
        """Read a line."""
        if not text:
            return
        if section := _SECTION.fullmatch(text):
            self._open(section["path"])
            return
        if prefix := _PREFIX.fullmatch(text):
            self._open(prefix["path"])
            text = prefix["rest"].strip()
        if self._known(line, text):
            return
        # A bare number may be the time or an amount: only the first in a snapshot can be the time.
        if text.isdigit() and self._block is not None and not self._block.files and self._block.stamp is not None:
            self._log.other += 1
            return
        found = stamps.find(text)
        if found is None:
            self._log.other += 1
            return
        rest = found[1].strip()
        # A weekday may be left of a stamp that stands alone.
        own = not any(letter.isdigit() for letter in rest)
        self._mark(line, found[0], text, own=own)
        if not own and not self._known(line, rest):
            self._log.other += 1

    def _open(self, path: str) -> None:
        """Go on with another file."""
        folder, _, name = path.rpartition("/")
        self._file = name
        process = _PROCESS_PATH.search(path)
        subject = process[1] if process else folder
        if subject != self._subject:
            self._subject, self._block = subject, None

    def _mark(self, line: int, stamp: Stamp, text: str, *, own: bool) -> None:
        last = self._log.stamps[self._stamp][0] if self._stamp is not None else None
        self._log.stamps.append((stamp, text))
        if own or last is None:
            self._stamp = len(self._log.stamps) - 1
            self._new_tick(line)
        elif last.milliseconds // 1000 != stamp.milliseconds // 1000:
            # The lines of one snapshot may be stamped apart: what comes again tells a new one.
            self._stamp = len(self._log.stamps) - 1
            self._block = None

    def _new_tick(self, line: int) -> None:
        self._tick += 1
        self._seen = {}
        self._block = self._add(line)

    def _add(self, line: int) -> Block:
        block = Block(line, self._subject, self._stamp, max(0, self._tick))
        self._log.blocks.append(block)
        return block

    def _known(self, line: int, text: str) -> bool:
        """Take a line that says something; false when it says nothing that is known."""
        name, key = self._of(text)
        if not name:
            return bool(key)
        if key == "Name" and self._block is not None and name in self._block.files:
            # Another process, or the same one again: its id comes a few lines later.
            self._block, self._subject = None, ""
        elif key == "Pid":
            self._identify(text.rsplit(maxsplit=1)[-1])
        elif key != "Name" and self._again(f"{name}/{key}"):
            self._block = None
        if self._block is None or self._block.subject != self._subject:
            self._block = self._add(line)
        self._block.files.setdefault(name, []).append(text)
        return True

    def _again(self, what: str) -> bool:
        """Notice what comes a second time in a snapshot: then it is the next one."""
        seen = self._seen.setdefault(self._subject, set())
        if what not in seen:
            seen.add(what)
            return False
        self._tick = max(0, self._tick) + 1
        self._seen = {self._subject: {what}}
        return True

    def _identify(self, pid: str) -> None:
        self._subject = pid
        again = self._again("status/Pid")
        if self._block is not None:
            self._block.subject = pid
            if again:
                self._block.tick = self._tick

    def _of(self, text: str) -> tuple[str, str]:
        """Tell of which file a line is, and what in it; no file for what is known to be of no use."""
        found = _FIELD.fullmatch(text)
        if found and found[1] in _KNOWN_FIELDS:
            rollup = found[1] in ("Swap", "Anonymous", "LazyFree") or found[1].startswith(("Rss", "Pss", "SwapPss"))
            rollup = rollup and found[1] not in ("RssAnon", "RssFile", "RssShmem")
            return ("smaps_rollup" if rollup else "status"), found[1]
        if _MAPPING.fullmatch(text):
            self._log.mappings |= not text.endswith("[rollup]")
            return "smaps_rollup", "rollup"
        pair = _PAIR.fullmatch(text)
        if pair:
            name = self._file if self._file in CGROUP_FILES else ""
            name = name or ("memory.events" if pair[1] in _EVENTS else "memory.stat")
            return name, pair[1]
        if _STALL.fullmatch(text):
            # The files for processor and disk look the same.
            return ("memory.pressure", text[:4]) if self._file == "memory.pressure" else ("", "stall")
        if _NUMBER.fullmatch(text) and self._file in procfs.NUMBER_FILES:
            return self._file, "number"
        return "", "field" if _OTHER_FIELDS.fullmatch(text) else ""
