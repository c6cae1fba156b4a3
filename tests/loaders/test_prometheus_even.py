"""The table of digits gives the same numbers as the CSV parser, or nothing."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rmtoolkit as rm
from rmtoolkit.loaders.prometheus import _decode
from rmtoolkit.loaders.prometheus._decode import read_even, read_pairs

if TYPE_CHECKING:
    from pathlib import Path

#: Runs of samples: how many, digits of the value, its decimals, decimals of the time.
RUNS = st.lists(
    st.tuples(st.integers(1, 80), st.integers(1, 15), st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=4
)


def text_of(runs: list[tuple[int, int, int, int]], seed: int) -> bytes:
    """Samples as a server writes them, in stretches of one width."""
    draw = np.random.default_rng(seed)
    pairs = []
    time = 1_795_000_000
    for rows, digits, decimals, fraction in runs:
        for _ in range(rows):
            time += 15
            whole = int(draw.integers(10 ** (digits - 1) - (digits == 1), 10**digits))
            after = f".{draw.integers(10**decimals):0{decimals}d}" if decimals else ""
            part = f".{draw.integers(10**fraction):0{fraction}d}" if fraction else ""
            pairs.append(f'[{time}{part},"{whole}{after}"]')
    return f"[{','.join(pairs)}]".encode()


@given(RUNS, st.integers(0, 9))
def test_every_number_is_the_one_that_the_other_reader_gives(runs: list[tuple[int, int, int, int]], seed: int) -> None:
    """Bit by bit, wherever the width changes; and long series of one width are read at all."""
    text = text_of(runs, seed)
    (expected,) = read_pairs([text], Counter())
    found = read_even(memoryview(text))
    if found is None:
        assert len(runs) > 1 or runs[0][1] + runs[0][2] > 15
        return
    assert np.array_equal(found[0], expected.times)
    assert np.array_equal(found[1], expected.values)


@pytest.mark.parametrize("rows", [_decode._MOST_ROWS - 1, _decode._MOST_ROWS, 2 * _decode._MOST_ROWS + 1])
def test_a_long_series_is_read_in_stretches(rows: int) -> None:
    """Wherever a stretch ends, no sample is lost or read twice."""
    text = text_of([(rows, 9, 2, 0)], 4)
    found = read_even(memoryview(text))
    assert found is not None
    assert np.array_equal(found[0], 1000 * (1_795_000_000 + 15 * np.arange(1, rows + 1)))
    assert found[1].tolist() == [float(pair[1]) for pair in json.loads(text)]


ODD = {
    "a blank": b'[[1, "2"],[3,"4"]]',
    "no string": b"[[1,2],[3,4]]",
    "not a number": b'[[1,"NaN"],[3,"4"]]',
    "a sign": b'[[1,"-2"],[3,"4"]]',
    "an exponent": b'[[1,"1e9"],[3,"4"]]',
    "three in one": b'[[1,"2",3],[3,"4",5]]',
    "nothing": b"[]",
    "other marks": b'[[1,"2"],' + b'[1,"2");' * 50 + b'[1,"2"]]',
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_odd_is_left_to_others(name: str) -> None:
    """Anything but digits and a point where they belong is not guessed at."""
    assert read_even(memoryview(ODD[name])) is None


def test_a_digit_that_is_none_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """One letter among thousands of digits sends the series to the careful reader, which counts it."""
    monkeypatch.setattr(_decode, "_LONG_BYTES", 0)
    text = text_of([(400, 9, 0, 0)], 1)
    place = text.index(b'"]', 1000) - 3
    damaged = text[:place] + b"x" + text[place + 1 :]
    left_out: Counter[str] = Counter()
    (found,) = read_pairs([damaged], left_out)
    assert np.isnan(found.values).sum() == 1
    assert left_out.total() == 1


def test_uneven_series_keep_their_place_among_even_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever way each series is read, they come out in the order in which they came in."""
    monkeypatch.setattr(_decode, "_LONG_BYTES", 300)
    texts = [b'[[1,"NaN"]]', text_of([(40, 3, 0, 0)], 2), b'[[2,"5"],[3,"60"]]', text_of([(50, 4, 0, 0)], 3)]
    mixed = read_pairs(texts, Counter())
    monkeypatch.setattr(_decode, "_LONG_BYTES", 1 << 60)
    (alone,) = read_pairs(texts, Counter())
    assert [piece.counts.tolist() for piece in mixed] == [[1], [40], [2], [50]]
    assert np.array_equal(np.concatenate([piece.times for piece in mixed]), alone.times)
    assert np.array_equal(np.concatenate([piece.values for piece in mixed]), alone.values, equal_nan=True)


def test_the_order_of_series_does_not_matter(tmp_path: Path) -> None:
    """Long series and short ones, in any order, make the same recording."""
    result = [
        {"metric": {"__name__": name, "namespace": f"ns{number % 2}", "pod": f"api-{number}", "container": "api"}}
        | {"values": json.loads(text_of([(rows, 9, 0, 0)], number))}
        for number, rows in enumerate((1000, 20, 900, 3, 800))
        for name in ("container_memory_working_set_bytes", "container_memory_rss")
    ]
    made = []
    for order in (1, -1):
        file = tmp_path / f"answer{order}.json"
        answer = {"status": "success", "data": {"resultType": "matrix", "result": result[::order]}}
        file.write_text(json.dumps(answer, separators=(",", ":")))
        made.append(rm.read_prometheus(file))
    assert made[0].samples.equals(made[1].samples)
    assert made[0].containers.equals(made[1].containers)
    assert made[0].samples.height == 2723
