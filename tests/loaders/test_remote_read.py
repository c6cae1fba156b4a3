"""Answers to a remote read: every bit of every sample, and nothing from damage."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rmtoolkit as rm
from rmtoolkit.exceptions import ReadError, RmtoolkitError, RmtoolkitWarning
from rmtoolkit.loaders._wire import crc32c, field, pack_snappy, unpack_snappy, varint
from rmtoolkit.loaders.prometheus import is_remote_read
from rmtoolkit.loaders.prometheus._decode import STALE, STALE_BITS, Decoder
from rmtoolkit.loaders.prometheus._fetch import between
from rmtoolkit.loaders.prometheus._remote_read import (
    BAD_SERIES,
    CUT_FRAMES,
    DAMAGED_CHUNKS,
    DAMAGED_FRAMES,
    PADDING,
    UNKNOWN_CHUNKS,
    decode_chunks,
    read_answer,
    request_body,
)
from tests.loaders.xor_chunks import bits_of, chunk_field, frame, labels_of, plain, streamed, xor_chunk

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from rmtoolkit.loaders.prometheus._remote_read import Chunks, Read

DATA = Path(__file__).parents[1] / "data" / "prometheus"
T0 = 1_700_000_000_000
LABELS = {"__name__": "container_memory_working_set_bytes", "namespace": "shop", "pod": "db-0", "container": "db"}

#: Steps that need each of the sizes in which a change is written, and doubles of every kind.
STEPS = st.lists(
    st.one_of(
        st.sampled_from([0, 1, 15_000, 8192, 8193, 65_536, 65_537, 524_288, 524_289, 10**10]),
        st.integers(0, 1 << 40),
    ),
    max_size=40,
)
WORDS = st.one_of(st.integers(0, (1 << 64) - 1), st.integers(0, 1 << 40).map(lambda whole: bits_of(float(whole))))


def decoded(*chunks: bytes) -> Chunks:
    """Decode chunks that stand one behind the other."""
    lengths = np.array([len(chunk) for chunk in chunks], np.int64)
    ends = np.cumsum(lengths, dtype=np.int64)
    data = np.frombuffer(b"".join(chunks) + bytes(PADDING), np.uint8)
    return decode_chunks(data, ends - lengths, ends)


@given(STEPS, st.lists(WORDS, min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_every_bit_comes_back(steps: list[int], words: list[int], random: Random) -> None:
    """Steps of any size, forwards and unchanged; doubles of any bits, in chunks of any length."""
    times = [T0 + sum(steps[:index]) for index in range(len(steps) + 1)]
    values = [random.choice(words) for _ in times]
    found = decoded(xor_chunk(times, values), xor_chunk([], []), xor_chunk(times[:1], values[:1]))
    assert found.damaged == 0
    assert found.counts.tolist() == [len(times), 0, 1]
    assert found.times.tolist() == [*times, times[0]]
    assert found.values.view(np.uint64).tolist() == [*values, values[0]]


@given(st.binary(max_size=60), st.integers(1, 40))
def test_rubbish_is_damage_and_does_not_reach_the_chunk_behind_it(rubbish: bytes, count: int) -> None:
    """Whatever stands in a chunk, it gives as many samples as it says or none, and the next one is read."""
    good = xor_chunk([T0, T0 + 15_000], [bits_of(1.0), bits_of(2.0)])
    found = decoded(count.to_bytes(2, "big") + rubbish, good)
    assert found.counts.tolist() == [0 if found.damaged else count, 2]
    assert found.times[-2:].tolist() == [T0, T0 + 15_000]
    assert found.values[-2:].tolist() == [1.0, 2.0]


def test_a_chunk_that_is_cut_anywhere_is_left_out() -> None:
    """Fewer bytes than its samples need: none of them is believed; the chunk beside it is read."""
    chunk = xor_chunk([T0 + 15_000 * index for index in range(9)], [bits_of(1e6 + index) for index in range(9)])
    for length in range(2, len(chunk)):
        found = decoded(chunk[:length], chunk)
        assert (found.damaged, found.counts.tolist()) == (1, [0, 9]), length


@given(st.binary(max_size=600))
def test_the_check_sum_is_that_of_the_definition(data: bytes) -> None:
    """Words at once, as bit by bit."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    assert crc32c(data) == crc ^ 0xFFFFFFFF


@given(st.binary(max_size=70_000))
def test_a_request_is_a_block_that_every_snappy_reads(data: bytes) -> None:
    """What is packed by hand is unpacked by the library, and what the library packs is unpacked here."""
    assert pa.decompress(pack_snappy(data), decompressed_size=len(data), codec="snappy", asbytes=True) == data
    assert unpack_snappy(pa.compress(data, codec="snappy", asbytes=True)) == data


def test_a_comparison_that_does_not_exist_is_refused() -> None:
    """A matcher compares in one of four ways."""
    with pytest.raises(RmtoolkitError, match="one of =, !=, =~, !~; found 'is'"):
        request_body([[("pod", "is", "db-0")]], 0, 1)


def attempt(body: bytes) -> Read | str:
    """What is read, or the one clear error."""
    try:
        return read_answer(body, "a.bin")
    except ReadError as error:
        return str(error)


SAMPLES = [(T0 + 15_000 * index, float(100 * index)) for index in range(250)]


@pytest.mark.parametrize("write", [streamed, plain], ids=["streamed", "plain"])
def test_series_keep_their_labels_and_samples(write: Callable[[Any], bytes]) -> None:
    """Several series, values of zero, no samples: as they were sent."""
    odd = {"__name__": "x", "pod": 'a"b\n', "ü": "{}"}
    body = write([(LABELS, SAMPLES), (odd, [(T0, 0.0), (T0 + 1, -0.0), (T0 + 2, STALE)])])
    assert is_remote_read(body[:1024])
    read = read_answer(body, "a.bin")
    assert read.labels == [LABELS, odd]
    assert read.counts.tolist() == [250, 3]
    assert list(zip(read.times[:250].tolist(), read.values[:250].tolist(), strict=True)) == SAMPLES
    assert np.signbit(read.values[251])
    assert read.values.view(np.uint64)[252] == STALE_BITS
    assert not read.left_out


def test_what_is_outside_of_the_window_is_left_away() -> None:
    """Whole chunks are answered: what was not asked for is cut, at both ends."""
    body = streamed([(LABELS, SAMPLES)])
    decoder = Decoder()
    decoder.add(body, "a.bin")
    read = between(decoder.finish(), SAMPLES[3][0], SAMPLES[200][0])
    assert read.counts.tolist() == [198]
    assert (read.times[0], read.times[-1]) == (SAMPLES[3][0], SAMPLES[200][0])


def test_histograms_and_unknown_encodings_are_counted() -> None:
    """A histogram is no gauge; what a newer server may write is named, so that JSON can be asked for."""
    good = chunk_field(xor_chunk([T0], [bits_of(1.0)]))
    body = frame(
        labels_of(LABELS) + chunk_field(b"\0\4hist", 2) + chunk_field(b"\0\4hist", 3),
        labels_of(LABELS | {"pod": "db-1"}) + chunk_field(b"\0\4", 4) + good,
        labels_of(LABELS | {"pod": "db-2"}),
    )
    read = read_answer(body, "a.bin")
    assert [labels["pod"] for labels in read.labels] == ["db-1"]
    assert (read.histograms, read.silent) == (1, 1)
    assert read.left_out == {UNKNOWN_CHUNKS: 1}


def test_an_answer_that_is_cut_anywhere_gives_its_whole_frames() -> None:
    """At every byte: the frames before it, a count, or one clear error; never a sample that was not sent."""
    body = streamed([(LABELS | {"pod": f"db-{index}"}, SAMPLES[:5]) for index in range(3)])
    length = len(body) // 3
    for cut in range(1, len(body)):
        if cut < length:
            with pytest.raises(ReadError, match=r"without a single whole frame.*: save it again"):
                read_answer(body[:cut], "a.bin")
            continue
        read = read_answer(body[:cut], "a.bin")
        assert len(read.labels) == cut // length
        assert read.values.tolist() == [value for _, value in SAMPLES[:5]] * (cut // length)
        assert read.left_out == ({CUT_FRAMES: 1} if cut % length else {})


def test_a_flipped_bit_is_seen() -> None:
    """Wherever it is: in a length, a sum, a label or a sample, nothing of that frame is believed."""
    body = streamed([(LABELS | {"pod": f"db-{index}"}, SAMPLES[:3]) for index in range(2)])
    truth = read_answer(body, "a.bin")
    for place in range(0, 8 * len(body), 3):
        damaged = bytearray(body)
        damaged[place // 8] ^= 1 << place % 8
        read = attempt(bytes(damaged))
        if isinstance(read, str):
            continue
        assert read.left_out.total()
        for labels, start in zip(read.labels, np.cumsum(read.counts) - read.counts, strict=True):
            assert labels in truth.labels
            assert read.values[start : start + 3].tolist() == [0.0, 100.0, 200.0]


def test_an_older_answer_that_is_cut_anywhere_is_refused() -> None:
    """The older form is one message without check sums: a part of it is not believed."""
    content = unpack_snappy(plain([(LABELS | {"pod": f"db-{index}"}, SAMPLES[:5]) for index in range(3)]))
    assert read_answer(pack_snappy(content), "a.bin").counts.tolist() == [5, 5, 5]
    for cut in range(10, len(content) - 1):
        with pytest.raises(ReadError, match="cut off or damaged"):
            read_answer(pack_snappy(content[:cut]), "a.bin")


HOSTILE = {
    "a frame of exabytes": varint(1 << 62) + bytes(40),
    "a number without an end": b"\xff" * 40,
    "a block of gigabytes": varint(1 << 30) + b"\xf0\x10" + labels_of(LABELS),
    "a series in a series": frame(field(1, field(1, field(1, b"x" * 9)))),
    "no samples for a count": frame(labels_of(LABELS) + chunk_field(b"\xff\xff" + bytes(20))),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_lengths_cost_nothing(name: str) -> None:
    """Lengths that promise more than is there are an error or a count, and no memory is taken for them."""
    read = attempt(HOSTILE[name])
    if isinstance(read, str):
        assert "'a.bin'" in read
    else:
        assert len(read.times) == 0
        assert set(read.left_out) <= {BAD_SERIES, DAMAGED_FRAMES, DAMAGED_CHUNKS}


def test_more_samples_than_one_machine_should_hold_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two bits a sample: a small answer may promise a lot."""
    monkeypatch.setattr("rmtoolkit.loaders.prometheus._remote_read._MOST_SAMPLES", 200)
    with pytest.raises(ReadError, match="found '250 samples', expected at most 200 in one answer"):
        read_answer(streamed([(LABELS, SAMPLES)]), "a.bin")


@given(st.binary(max_size=300))
def test_rubbish_is_one_clear_error_or_nothing(rubbish: bytes) -> None:
    """No bytes whatever make it fail in another way, with or without a right check sum."""
    for body in (rubbish, frame(labels_of(LABELS) + rubbish), frame(rubbish), pack_snappy(rubbish)):
        read = attempt(body)
        assert isinstance(read, str) or len(read.times) == read.counts.sum()


@pytest.mark.parametrize(
    "name",
    ["prom253_remote_read_streamed_t_restart.bin", "prom253_remote_read_samples_t_restart.bin"],
    ids=["streamed", "plain"],
)
def test_both_answers_of_a_real_server_say_the_same(name: str) -> None:
    """A marker ends the first container; the two forms of the answer agree on every sample."""
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


@pytest.mark.parametrize("name", ["streamed", "samples"])
def test_native_histograms_of_a_real_server_are_skipped(name: str) -> None:
    """They hold no memory gauge."""
    read = read_answer((DATA / f"prom253_remote_read_{name}_t_nh.bin").read_bytes(), name)
    assert (read.labels, read.histograms) == ([], 1)


def packed(body: bytes) -> dict[str, bytes]:
    """A body as it may be kept."""
    return {
        "answer.bin": body,
        "answer.json": body,
        "answer.gz": gzip.compress(body),
        "answer.zst": pa.compress(body, codec="zstd", asbytes=True),
    }


@pytest.mark.parametrize("name", list(packed(b"")))
@pytest.mark.parametrize("write", [streamed, plain], ids=["streamed", "plain"])
def test_a_saved_answer_is_read_by_its_content(write: Callable[[Any], bytes], name: str, tmp_path: Path) -> None:
    """Under any name, packed or not, alone or in a folder, by `rm.read` and by the reader of its kind."""
    (tmp_path / name).write_bytes(packed(write([(LABELS, SAMPLES)]))[name])
    for recording in (rm.read(tmp_path / name), rm.read(tmp_path), rm.read_prometheus(tmp_path)):
        assert recording.samples["working_set_bytes"].to_list() == [int(value) for _, value in SAMPLES]
        assert recording.containers["pod"].to_list() == ["db-0"]


def test_damage_of_a_saved_answer_is_told_once(tmp_path: Path) -> None:
    """A good frame is read, a bad one is told in a warning and in the report."""
    body = bytearray(streamed([(LABELS | {"pod": f"db-{index}"}, SAMPLES) for index in range(2)]))
    body[-5] ^= 1
    file = tmp_path / "answer.bin"
    file.write_bytes(body)
    with pytest.warns(RmtoolkitWarning, match="answer.bin': 1 frame of a remote read that was damaged") as caught:
        recording = rm.read(file)
    assert len(caught) == 1
    assert recording.containers["pod"].to_list() == ["db-0"]
    assert recording.report.left_out[DAMAGED_FRAMES] == 1


def test_a_marker_is_the_end_of_a_container_only_where_its_target_goes_on(tmp_path: Path) -> None:
    """One container vanishes while its neighbour lives; a node that cannot be scraped leaves markers everywhere."""
    end = SAMPLES[-1][0] + 15_000
    there = LABELS | {"job": "kubelet", "instance": "10.0.0.1:10250"}
    lost = LABELS | {"job": "kubelet", "instance": "10.0.0.2:10250"}
    body = streamed(
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
