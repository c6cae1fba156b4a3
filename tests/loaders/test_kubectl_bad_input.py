"""`rm.read_kubectl_top` on bad input: one clear error, or the good part with a counted warning."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pytest

import rmtoolkit as rm
from rmtoolkit.exceptions import ReadError, RmtoolkitWarning
from rmtoolkit.loaders import _files

if TYPE_CHECKING:
    from pathlib import Path

MI: Final = 1 << 20
LOG: Final = "2026-11-24T22:51:29Z\nNAME   CPU(cores)   MEMORY(bytes)\ndb-0   1m   20Mi\n"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "found 'an empty file', expected the output of kubectl top pod"),
        (b" \n\t\n", "found 'only blanks'"),
        (b"<!DOCTYPE html>\n<html><title>Sign in</title>", r"line 1: found 'a web page \(HTML\)'.*login page"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "found 'binary data'"),
        (b"NAME   CPU(cores)   MEMORY(bytes)\n", "line 1: found 'NAME.*There is a header and no row"),
        (b"2026-11-24T22:51:29Z\n", "found 'nothing but time stamps'"),
        (b"lorem\nipsum\n", "line 1: found 'lorem', expected rows of kubectl top pod"),
        (b"db-0 1m <unknown>\n", "line 1: found 'db-0 1m <unknown>', expected rows .* with known memory"),
        (b'{"kind": "PodMetricsList", "items": [', "line 1: found .*PodMetricsList"),
        (b'{"kind": "PodMetricsList", "items": []}', "found 'a list without pods'"),
        (b'{"kind": "PodMetrics", "containers": [{"name": "c"}], "metadata": {"name": "p"}}', "line 1: found"),
        (b"[" * 100_000 + b'"PodMetrics"', "expected PodMetrics from metrics.k8s.io"),
        (b'{"a":' * 100_000 + b'"PodMetrics"', "expected PodMetrics from metrics.k8s.io"),
        (gzip.compress(LOG.encode())[:10], "found 'a packed file that is empty or cut off at once'"),
        (b"\x28\xb5\x2f\xfd rubbish", "found 'a packed file that is empty or cut off at once'"),
    ],
    ids=[
        "empty", "blank", "login page", "binary", "header only", "stamps only", "other text", "unknown only",
        "cut JSON", "empty list", "no usage", "deep list", "deep object", "cut gzip", "broken zstd",
    ],
)  # fmt: skip
def test_what_cannot_be_read_gives_one_line(tmp_path: Path, data: bytes, message: str) -> None:
    """One line that names the file, what was found and what was expected."""
    log = tmp_path / "top.log"
    log.write_bytes(data)
    with pytest.raises(ReadError, match=message) as caught:
        rm.read_kubectl_top(log)
    assert "top.log" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_and_a_missing_file_say_so(tmp_path: Path) -> None:
    """A folder is for rm.read; a file that is not there is an OSError."""
    with pytest.raises(ReadError, match=r"found 'a folder'.*rm\.read and rm\.read_heap read folders"):
        rm.read_kubectl_top(tmp_path)
    with pytest.raises(FileNotFoundError):
        rm.read_kubectl_top(tmp_path / "nowhere.log")


def test_noise_is_left_out_and_counted(tmp_path: Path) -> None:
    """Lines that are no rows are counted once, with the first of them; rows that lack cells are among them."""
    log = tmp_path / "top.log"
    log.write_text(LOG + "Session terminated, killing shell...\nshop db-1 1m 5Mi\ndb-2 1m 5\ndb-3 1m 6Mi\n")
    with pytest.warns(
        RmtoolkitWarning,
        match=r"top\.log': left out 3 lines that are no rows of kubectl top \(line 4: 'Session terminated, ki",
    ) as seen:
        recording = rm.read_kubectl_top(log)
    assert len(seen) == 1
    assert seen[0].filename == __file__
    assert recording.containers["pod"].to_list() == ["db-0", "db-3"]
    assert recording.report.left_out == {"lines that are no rows of kubectl top": 3}


def test_a_value_that_is_cut_is_never_taken_for_a_smaller_one(tmp_path: Path) -> None:
    """`1024M`, `102`, `1024` are pieces of `1024Mi`: no rows."""
    log = tmp_path / "top.log"
    log.write_text(
        LOG + "".join(f"db-{index} 1m {piece}\n" for index, piece in enumerate(("1024M", "1024", "102", "1"), 1))
    )
    with pytest.warns(RmtoolkitWarning, match="left out 4 lines"):
        assert rm.read_kubectl_top(log).containers["pod"].to_list() == ["db-0"]


def test_duplicates_and_disorder_are_put_in_order(tmp_path: Path) -> None:
    """Snapshots out of order are sorted; of two values for one instant the later stands and is counted."""
    log = tmp_path / "top.log"
    log.write_text(
        "".join(f"2026-11-24T22:{minute}:00Z db-0 1m {mi}Mi\n" for minute, mi in ((52, 2), (51, 1), (52, 3)))
    )
    recording = rm.read_kubectl_top(log)
    assert recording.samples["working_set_bytes"].to_list() == [1 * MI, 3 * MI]
    assert recording.samples["time"].is_sorted()
    assert recording.report.left_out == {
        "values that contradict each other at one instant; the later one was used": 1,
    }


@pytest.mark.parametrize("form", ["gzip", "zstd"])
def test_a_packed_log_that_is_cut_off_gives_its_head(tmp_path: Path, form: str) -> None:
    """What could be unpacked is read, and the report says that the file is damaged."""
    lines = "".join(
        f"2026-11-24T{hour:02}:{minute:02}:00Z db-0 1m {hour * 60 + minute}Mi\n"
        for hour in range(24)
        for minute in range(60)
    )
    lines += "".join(f"{zlib.crc32(i.to_bytes(4)):x}\n" for i in range(100_000))
    packed = gzip.compress(lines.encode()) if form == "gzip" else pa.compress(lines.encode(), "zstd", asbytes=True)
    log = tmp_path / f"top.log.{form}"
    log.write_bytes(packed[: len(packed) * 3 // 4])
    said = "the packed file is cut off or damaged; what could be unpacked was read"
    with pytest.warns(RmtoolkitWarning, match="lines that are no rows"), pytest.warns(RmtoolkitWarning, match=said):
        recording = rm.read_kubectl_top(log)
    assert recording.samples["working_set_bytes"].max() == 1439 * MI
    assert said in recording.report.partial


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that unpacks to an absurd amount is not unpacked to its end."""
    monkeypatch.setattr(_files, "_ALWAYS_BYTES", 1000)
    monkeypatch.setattr(_files, "_GZIP_RATIO", 10)
    log = tmp_path / "top.log.gz"
    log.write_bytes(gzip.compress(LOG.encode() * 10_000))
    with pytest.raises(ReadError, match=r"bytes that unpack to more than .*Unpack it yourself if you trust it"):
        rm.read_kubectl_top(log)


def test_a_hostile_name_is_quoted(tmp_path: Path) -> None:
    """Control characters in a file's name or content do not reach the terminal."""
    log = tmp_path / "a\x1b[31mred.log"
    log.write_text("\x07bell\nand more")
    with pytest.raises(ReadError) as caught:
        rm.read_kubectl_top(log)
    assert "\x1b" not in str(caught.value)
    assert "\x07" not in str(caught.value)


def test_folded_lines_are_refused(tmp_path: Path) -> None:
    """Numbers on the line below their names are no rows; the error says how to log."""
    rows = [f"NAME{' ' * 24}CPU(cores)   MEMORY(bytes)", *(f"{f'db-{n}':28}{n + 1}m   {n + 5}Mi" for n in range(3))]
    folded = [row[at : at + 28] for row in rows for at in range(0, len(row), 28)]
    log = tmp_path / "top.log"
    log.write_text("\n".join([*folded, "Session terminated"]) + "\n")
    with pytest.raises(ReadError, match=r"line 1: found 'NAME'.*cut off or folded"):
        rm.read_kubectl_top(log, time="2026-11-24")


@pytest.mark.parametrize("header", ["NAME", "NAME   CPU(cores)", "POD   NAME   CPU(cores)   MEMO"])
def test_a_header_that_is_cut_off_is_refused(tmp_path: Path, header: str) -> None:
    """Where the header is cut the amounts may be too: nothing is read, and the error says how to log."""
    log = tmp_path / "top.log"
    log.write_text(f"{header}\nSession started\n")
    with pytest.raises(ReadError, match=r"line 1: found '(NAME|POD).*cut off or folded"):
        rm.read_kubectl_top(log, time="2026-11-24")


def test_a_line_of_very_many_time_stamps_is_read_once(tmp_path: Path) -> None:
    """Not every stamp of a line is looked for in all of it: that took minutes."""
    log = tmp_path / "top.log"
    log.write_text("1795000000 went on, " * 40_000)
    with pytest.raises(ReadError, match="line 1: found '1795000000 went on"):
        rm.read_kubectl_top(log)
