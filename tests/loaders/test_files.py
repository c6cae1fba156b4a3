"""Files as they come: packed ones are unpacked with care."""

from __future__ import annotations

import gzip
import tracemalloc
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from rmtoolkit.exceptions import ReadError
from rmtoolkit.loaders import _files

if TYPE_CHECKING:
    from pathlib import Path


def zstd(content: bytes) -> bytes:
    """Pack with zstd."""
    return bytes(pa.compress(content, "zstd", asbytes=True))


def zstd_frames(content: bytes) -> bytes:
    """Pack with zstd in two frames, behind one that holds no data."""
    half = len(content) // 2
    return b"\x5a\x2a\x4d\x18" + (3).to_bytes(4, "little") + b"abc" + zstd(content[:half]) + zstd(content[half:])


def peak_bytes(path: Path) -> tuple[int, bytes | str]:
    """Read a file; give the most memory that took, and the content or the error."""
    tracemalloc.start()
    try:
        found: bytes | str = _files.read_bytes(path, expected="a log")[0]
    except ReadError as error:
        found = str(error)
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return peak, found


@pytest.mark.parametrize("pack", [gzip.compress, zstd], ids=["gzip", "zstd"])
def test_a_bomb_is_given_up_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pack: Any) -> None:
    """What unpacks to more than the cap is refused as soon as that shows, not after all of it was unpacked."""
    monkeypatch.setattr(_files, "_ALWAYS_BYTES", 1 << 20)
    monkeypatch.setattr(_files, "_NEVER_BYTES", 4 << 20)
    bomb = tmp_path / "bomb.json"
    bomb.write_bytes(pack(b"0" * (64 << 20)))
    peak, said = peak_bytes(bomb)
    assert "bytes that unpack to more than" in str(said)
    assert peak < 16 << 20


def test_the_cap_is_a_gibibyte_whatever_the_size() -> None:
    """No packed file may fill the memory of a laptop."""
    assert _files._ALWAYS_BYTES < _files._NEVER_BYTES <= 1 << 30


def test_unpacking_makes_no_second_copy(tmp_path: Path) -> None:
    """A file of several members comes back whole, in hardly more memory than its content."""
    members = [bytes([65 + number]) * (8 << 20) for number in range(4)]
    packed = tmp_path / "log.gz"
    packed.write_bytes(b"".join(map(gzip.compress, members)) + b"\0" * 512)
    peak, found = peak_bytes(packed)
    assert found == b"".join(members)
    assert peak < 1.3 * len(found) + (4 << 20)


@pytest.mark.parametrize("pack", [gzip.compress, zstd, zstd_frames], ids=["gzip", "zstd", "zstd frames"])
@pytest.mark.parametrize("first", [None, 100], ids=["all", "head"])
def test_a_cut_packed_file_gives_its_beginning(tmp_path: Path, pack: Any, first: int | None) -> None:
    """What could be unpacked is read, with a note unless the reader wanted no more anyway."""
    content = "".join(f"line {number * number}\n" for number in range(100_000)).encode()
    (tmp_path / "cut").write_bytes(pack(content)[:-5000])
    found, notes = _files.read_bytes(tmp_path / "cut", expected="a log", first=first)
    assert content.startswith(found)
    assert len(found) == 100 if first else len(found) > len(content) // 2
    assert bool(notes) is (first is None)
