"""What glibc, tcmalloc and mimalloc print of themselves, each in the forms that it has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

import rmtoolkit as rm

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MI: Final = 1 << 20
MALLINFO: Final = "mallinfo2: arena=1000 hblkhd=50 uordblks=600 fordblks=400 keepcost=9\n"
STATS: Final = (
    "Arena 0:\nsystem bytes     =       1000\nin use bytes     =        700\n"
    "Total (incl. mmap):\nsystem bytes     =       1500\nin use bytes     =       1200\nmax mmap regions =          1\n"
)
XML: Final = (
    '<malloc version="1"><heap nr="0"><total type="fast" count="1" size="48"/><total type="rest" count="1" size="352"/>'
    '<system type="current" size="1000"/></heap><total type="fast" count="1" size="48"/>'
    '<total type="rest" count="1" size="352"/><total type="mmap" count="1" size="50"/>'
    '<system type="current" size="1000"/></malloc>\n'
)
MIMALLOC: Final = (
    "heap stats:     peak       total       freed     current\n"
    "committed:   64.0 MiB    64.0 MiB     8.0 MiB    {now} MiB\n"
    "process: user: 0.1 s, rss: {rss} MiB, commit: 64.0 MiB\n"
)
TCMALLOC: Final = (
    "MALLOC:        2097152 (    2.0 MiB) Bytes in use by application\n"
    "MALLOC: +      1048576 (    1.0 MiB) Bytes in page heap freelist\n"
    "MALLOC: +       524288 (    0.5 MiB) Bytes in central cache freelist\n"
    "MALLOC: +       262144 (    0.2 MiB) Bytes in malloc metadata\n"
    "MALLOC: =      3932160 (    3.8 MiB) Actual memory used (physical + swap)\n"
    "MALLOC: +      1048576 (    1.0 MiB) Bytes released to OS (aka unmapped)\n"
)


def save(folder: Path, content: str) -> Path:
    """Save a log."""
    file = folder / "api.log"
    file.write_text(content, "utf-8")
    return file


@pytest.mark.parametrize(
    ("content", "amounts"),
    [
        pytest.param(MALLINFO, [(600 + 50, 400, 1050)], id="mallinfo2"),
        pytest.param(STATS, [(1000 - 300 + 500, 300, 1500)], id="malloc_stats"),
        pytest.param(XML, [(1000 - 400 + 50, 400, 1050)], id="malloc_info"),
        pytest.param(XML + MALLINFO + STATS, [(650, 400, 1050), (650, 400, 1050), (1200, 300, 1500)], id="all"),
        pytest.param(XML + XML, [(650, 400, 1050)] * 2, id="twice"),
    ],
)
def test_every_form_of_glibc_is_read(tmp_path: Path, content: str, amounts: list[tuple[int, int, int]]) -> None:
    """Held, kept in arenas, and both with what is mapped block by block: each form alone, and all in one log."""
    recording = rm.read_malloc_info(save(tmp_path, content), time="2026-11-24", interval="60s")
    assert recording.samples.select("allocated_bytes", "free_bytes", "mapped_bytes").rows() == amounts


def test_tcmalloc_is_read(tmp_path: Path) -> None:
    """All free lists together; what was released is kept apart."""
    recording = rm.read_malloc_info(save(tmp_path, TCMALLOC))
    names = ("allocated_bytes", "free_bytes", "metadata_bytes", "resident_bytes", "mapped_bytes", "retained_bytes")
    assert recording.samples.select(names).rows() == [(2 * MI, 3 * MI // 2, MI // 4, 15 * MI // 4, 15 * MI // 4, MI)]


def test_mimalloc_is_read(tmp_path: Path) -> None:
    """What is committed now of each answer; a count below zero says nothing; the most resident is told."""
    parts = [MIMALLOC.format(now=now, rss=rss) for now, rss in (("56.0", "12.0"), ("-1.0", "99.0"), ("40.5", "20.0"))]
    recording = rm.read_malloc_info(save(tmp_path, "".join(parts)), time="2026-11-24", interval="60s")
    assert recording.samples["mapped_bytes"].to_list() == [56 * MI, 81 * MI // 2]
    assert recording.report.warnings == ("mimalloc: at most 20 Mi were resident until then",)


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (rm.read_malloc_info, "what glibc's malloc_info"),
        (rm.read_jemalloc_stats, "statistics that jemalloc's malloc_stats_print wrote"),
    ],
)
def test_what_is_none_of_these_is_one_clear_error(
    tmp_path: Path, read: Callable[[Path], rm.Recording], expected: str
) -> None:
    """The first line is shown, with what would have been read."""
    with pytest.raises(rm.ReadError, match=f"line 1: found 'all is well', expected {expected}"):
        read(save(tmp_path, "all is well\n"))


@pytest.mark.parametrize(
    ("written", "amount"),
    [
        *(("7 B", 7), ("7B", 7), ("7", 7), ("1.5 KiB", 1536), ("3 Kb", 3 << 10), ("2 MiB", 2 << 20), ("2.5m", 5 << 19)),
        *(("1 GiB", 1 << 30), ("3 TiB", 3 << 40), ("-1 MiB", None), ("5000000 TiB", None)),
    ],
    ids=str,
)
def test_mimalloc_counts_in_every_unit(tmp_path: Path, written: str, amount: int | None) -> None:
    """Powers of 1024, whatever they are called; below zero, and beyond what a machine has, nothing is said."""
    log = save(tmp_path, f"committed:   1 MiB    1 MiB     0 B    {written}\n" + MIMALLOC.format(now=1, rss=2))
    told = rm.read_malloc_info(log, interval="1s").samples["mapped_bytes"].to_list()
    assert told == ([] if amount is None else [amount]) + [1 << 20]
