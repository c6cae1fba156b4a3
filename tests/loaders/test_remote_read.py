"""Answers to a remote read: every bit of every sample, and nothing from damage."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rmtoolkit as rm
from rmtoolkit.exceptions import ReadError
from rmtoolkit.loaders._wire import field, pack_snappy, unpack_snappy, varint
from rmtoolkit.loaders.prometheus import HISTOGRAMS, NO_SAMPLES, is_remote_read
from rmtoolkit.loaders.prometheus._decode import STALE, STALE_BITS
from rmtoolkit.loaders.prometheus._remote_read import BAD_SERIES, read_answer
from tests.loaders.remote_read import labels_of, remote_read

if TYPE_CHECKING:
    from rmtoolkit.loaders.prometheus import Found

DATA = Path(__file__).parents[1] / "data" / "prometheus"
T0 = 1_700_000_000_000
LABELS = {"__name__": "container_memory_working_set_bytes", "namespace": "shop", "pod": "db-0", "container": "db"}


@given(st.binary(max_size=70_000))
def test_a_request_is_a_block_that_every_snappy_reads(data: bytes) -> None:
    """What is packed by hand is unpacked by the library, and what the library packs is unpacked here."""
    assert pa.decompress(pack_snappy(data), decompressed_size=len(data), codec="snappy", asbytes=True) == data
    assert unpack_snappy(pa.compress(data, codec="snappy", asbytes=True)) == data


def attempt(body: bytes) -> Found | str:
    """What is read, or the one clear error."""
    try:
        return read_answer(body, "a.bin")
    except ReadError as error:
        return str(error)


SAMPLES = [(T0 + 15_000 * index, float(100 * index)) for index in range(250)]


def test_series_keep_their_labels_and_samples() -> None:
    """Several series, values of zero, no samples: as they were sent."""
    odd = {"__name__": "x", "pod": 'a"b\n', "ü": "{}"}
    body = remote_read([(LABELS, SAMPLES), (odd, [(T0, 0.0), (T0 + 1, -0.0), (T0 + 2, STALE)])])
    assert is_remote_read(body[:1024])
    read = read_answer(body, "a.bin")
    assert read.labels == [LABELS, odd]
    assert read.counts.tolist() == [250, 3]
    assert list(zip(read.times[:250].tolist(), read.values[:250].tolist(), strict=True)) == SAMPLES
    assert np.signbit(read.values[251])
    assert read.values.view(np.uint64)[252] == STALE_BITS
    assert not read.left_out


def test_an_answer_that_is_cut_anywhere_is_refused() -> None:
    """It is one message without check sums: a part of it is not believed."""
    content = unpack_snappy(remote_read([(LABELS | {"pod": f"db-{index}"}, SAMPLES[:5]) for index in range(3)]))
    assert read_answer(pack_snappy(content), "a.bin").counts.tolist() == [5, 5, 5]
    for cut in range(10, len(content) - 1):
        with pytest.raises(ReadError, match="cut off or damaged"):
            read_answer(pack_snappy(content[:cut]), "a.bin")


HOSTILE = {
    "a frame of exabytes": varint(1 << 62) + bytes(40),
    "a number without an end": b"\xff" * 40,
    "a block of gigabytes": varint(1 << 30) + b"\xf0\x10" + labels_of(LABELS),
    "a series in a series": pack_snappy(field(1, field(1, field(1, field(1, b"x" * 9))))),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_lengths_cost_nothing(name: str) -> None:
    """Lengths that promise more than is there are an error or a count, and no memory is taken for them."""
    read = attempt(HOSTILE[name])
    if isinstance(read, str):
        assert "'a.bin'" in read
    else:
        assert len(read.times) == 0
        assert set(read.left_out) <= {BAD_SERIES, NO_SAMPLES}


@given(st.binary(max_size=300))
def test_rubbish_is_one_clear_error_or_nothing(rubbish: bytes) -> None:
    """No bytes whatever make it fail in another way."""
    for body in (rubbish, pack_snappy(field(1, field(1, labels_of(LABELS) + rubbish))), pack_snappy(rubbish)):
        read = attempt(body)
        assert isinstance(read, str) or len(read.times) == read.counts.sum()


def test_samples_of_a_real_server_keep_their_times() -> None:
    """A marker ends the first container."""
    name = "prom253_remote_read_samples_t_restart.bin"
    read = read_answer((DATA / name).read_bytes(), name)
    assert read.counts.tolist() == [41, 59]
    assert read.times[:3].tolist() == [1795556640000, 1795556655000, 1795556670000]
    assert read.values.view(np.uint64)[40] == STALE_BITS
    assert read.values[41:].tolist() == [1_000_041.0 + index for index in range(59)]


def test_special_values_of_a_real_server_keep_their_bits() -> None:
    """NaN, infinities and odd numbers; that a zero was negative, the server does not send in this form."""
    read = read_answer((DATA / "prom253_remote_read_samples_t_special.bin").read_bytes(), "special")
    expected = [float("nan"), float("inf"), float("-inf"), 0.0, 0.0, 1e21, 1.5e-07, 9007199254740992.0, 0.1]
    assert read.values.tobytes() == struct.pack("<9d", *expected)
    assert (read.values.view(np.uint64) != STALE_BITS).all()


def test_native_histograms_of_a_real_server_are_skipped() -> None:
    """They hold no memory gauge."""
    read = read_answer((DATA / "prom253_remote_read_samples_t_nh.bin").read_bytes(), "nh")
    assert (read.labels, read.left_out) == ([], {HISTOGRAMS: 1})


def packed(body: bytes) -> dict[str, bytes]:
    """A body as it may be kept."""
    return {
        "answer.bin": body,
        "answer.json": body,
        "answer.gz": gzip.compress(body),
        "answer.zst": pa.compress(body, codec="zstd", asbytes=True),
    }


@pytest.mark.parametrize("name", list(packed(b"")))
def test_a_saved_answer_is_read_by_its_content(name: str, tmp_path: Path) -> None:
    """Under any name, packed or not, alone or in a folder, by `rm.read` and by the reader of its kind."""
    (tmp_path / name).write_bytes(packed(remote_read([(LABELS, SAMPLES)]))[name])
    for recording in (rm.read(tmp_path / name), rm.read(tmp_path), rm.read_prometheus(tmp_path)):
        assert recording.samples["working_set_bytes"].to_list() == [int(value) for _, value in SAMPLES]
        assert recording.containers["pod"].to_list() == ["db-0"]


def test_a_marker_is_the_end_of_a_container_only_where_its_target_goes_on(tmp_path: Path) -> None:
    """One container vanishes while its neighbour lives; a node that cannot be scraped leaves markers everywhere."""
    end = SAMPLES[-1][0] + 15_000
    there = LABELS | {"job": "kubelet", "instance": "10.0.0.1:10250"}
    lost = LABELS | {"job": "kubelet", "instance": "10.0.0.2:10250"}
    body = remote_read(
        [
            (there | {"pod": "gone-0"}, [*SAMPLES, (end, STALE)]),
            (there | {"pod": "stays-0"}, [*SAMPLES, (end, 7.0)]),
            (lost | {"pod": "unknown-0"}, [*SAMPLES, (end, STALE)]),
            (there | {"pod": "back-0"}, [*SAMPLES[:100], (SAMPLES[100][0], STALE), *SAMPLES[150:], (end, 7.0)]),
        ]
    )
    (tmp_path / "answer.bin").write_bytes(body)
    recording = rm.read(tmp_path / "answer.bin")
    ends = recording.events.filter(kind="end").join(recording.containers, on="container_id")
    assert ends.select("pod", "detail").rows() == [("gone-0", "no longer there")]
    assert [round(time.timestamp() * 1000) for time in ends["time"]] == [end]
    assert "values that were NaN or infinite" not in recording.report.left_out
    ended = rm.lives(recording).join(recording.containers, on="container_id").sort("pod", "life")
    assert dict(ended.select("pod", "ended").rows())["gone-0"] == "end"
    assert dict(ended.select("pod", "ended").rows())["unknown-0"] == "running"
