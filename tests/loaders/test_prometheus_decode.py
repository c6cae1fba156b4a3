"""Samples of saved answers, exact to the bit."""

from __future__ import annotations

import json
import math
import struct
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmtoolkit.loaders.prometheus import HISTOGRAMS, NO_SAMPLES
from rmtoolkit.loaders.prometheus._decode import (
    NO_SERIES,
    NO_SERIES_FORM,
    ODD_LABELS,
    STALE_BITS,
    Decoded,
    Decoder,
    parse_answers,
    read_exports,
    read_pairs,
)
from rmtoolkit.schema import NO_NUMBERS, NO_PAIR, NO_TIMES


def go(value: float) -> str:
    """Write a double as Go's strconv.FormatFloat(v, 'f', -1, 64) does in Prometheus' JSON API."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if value != 0 and not 1e-6 <= abs(value) < 1e21:
        mantissa, exponent = f"{value:e}".split("e")
        shortest = next(text for text in (f"{value:.{digits}e}" for digits in range(18)) if float(text) == value)
        mantissa, exponent = shortest.split("e")
        return f"{mantissa}e{int(exponent):+03d}"
    return np.format_float_positional(value, trim="-")


def decode(content: bytes | list[dict[str, Any]]) -> Decoded:
    if not isinstance(content, bytes):
        content = json.dumps(content, separators=(",", ":")).encode()
    decoder = Decoder()
    decoder.add(content, "a.json")
    return decoder.finish()


def bits(values: Any) -> list[str]:
    return ["nan" if math.isnan(value) else struct.pack(">d", value).hex() for value in values]


@given(
    samples=st.lists(
        st.tuples(
            st.integers(0, 4_000_000_000_000),
            st.one_of(
                st.floats(),
                st.integers(0, 2**63).map(float),
                st.decimals(0, 10**9, places=6).map(float),
            ),
        ),
        min_size=1,
        max_size=30,
    ),
)
def test_doubles_and_times_survive(samples: list[tuple[int, float]]) -> None:
    """Every double, written as Prometheus writes it, and every millisecond comes back as it was."""
    values = [[time / 1000 if time % 1000 else time // 1000, go(value)] for time, value in samples]
    decoded = decode([{"metric": {"a": "b"}, "values": values}])
    assert decoded.times.tolist() == [time for time, _ in samples]
    assert bits(decoded.values) == bits(value for _, value in samples)


_TEXT = st.one_of(
    st.from_regex(rb"[+-]?[0-9]{1,25}(\.[0-9]{1,25})?(e[+-]?[0-9]{1,3})?", fullmatch=True).map(bytes.decode),
    st.sampled_from(
        ["NaN", "+Inf", "-Inf", "Inf", "-0", "0.0", "1.", ".5", "", "nan", "Infinity", "1_0", "x", "1e", "--1"]
    ),
)


_TIME = st.one_of(st.integers(10**9, 4 * 10**9), st.floats(0, 4e9).map(lambda time: round(time, 4)))


def _is_number(text: str) -> bool:
    try:
        return "_" not in text and (float(text), True)[1]
    except ValueError:
        return False


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
@given(st.lists(st.lists(st.tuples(_TIME, st.one_of(_TEXT, st.integers(0, 10**18).map(str))), min_size=1, max_size=5)))
def test_any_notation_of_a_number_is_what_python_makes_of_it(
    separators: tuple[str, str], series: list[list[tuple[float, str]]]
) -> None:
    """Whatever stands beside it in the answer, a number in any notation is the same double, to the bit."""
    answer = [{"metric": {"a": str(index)}, "values": pairs} for index, pairs in enumerate(series)]
    found = decode(json.dumps(answer, separators=separators).encode())
    texts = [text for pairs in series for _, text in pairs]
    expected = [float(text) if _is_number(text) else math.nan for text in texts]
    assert found.counts.tolist() == [len(pairs) for pairs in series]
    assert found.times.tolist() == [round(time * 1000) for pairs in series for time, _ in pairs]
    assert bits(found.values) == bits(expected)
    assert found.left_out[NO_NUMBERS] == sum(not _is_number(text) for text in texts)


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")], ids=["compact", "json.dumps"])
@pytest.mark.parametrize("indent", [None, 2], ids=["line", "pretty"])
def test_layout_of_the_json_does_not_matter(separators: tuple[str, str], indent: int | None) -> None:
    """What prometheus-api-client's users save with json.dump, or jq prints, is read like the original."""
    content = [{"metric": {"a": "b"}, "values": [[1.5, "2"], [3, "4.25"]]}, {"metric": {}, "values": [[5, "6"]]}]
    decoded = decode(json.dumps(content, separators=separators, indent=indent).encode())
    assert decoded.counts.tolist() == [2, 1]
    assert decoded.times.tolist() == [1500, 3000, 5000]
    assert decoded.values.tolist() == [2.0, 4.25, 6.0]


def test_numbers_that_are_no_strings_or_nothing() -> None:
    """Plain numbers are values, null is NaN and counted, and so is text."""
    decoded = decode([{"metric": {}, "values": [[1, 2.5], [2, None], [3, "soon"], [4, "5"]]}])
    assert bits(decoded.values) == bits([2.5, math.nan, math.nan, 5.0])
    assert decoded.left_out == {NO_NUMBERS: 2}


@pytest.mark.parametrize(
    "values",
    [
        '[[1,"2],[3,4"]]',
        '[[1,"2\\u0022,[3"]]',
        '[["1","2"]]',
        '[[1,"2",3]]',
        "[1,2]",
        '"[[1,2]]"',
        "{}",
        '[[1,"2"],[]]',
    ],
)
def test_hostile_values_make_no_samples(values: str) -> None:
    """Brackets, quotes and commas inside a value never become samples of their own."""
    content = b'[{"metric":{},"values":[[9,"1"]]},{"metric":{"a":"b"},"values":%s}]' % values.encode()
    decoded = decode(content)
    sampled = dict(zip([one.get("a") for one in decoded.labels], decoded.counts.tolist(), strict=True))
    assert sampled[None] == 1
    assert sampled.get("b", 0) <= 1
    assert sum(decoded.left_out.values()) >= 1


def test_vector() -> None:
    """A vector has one sample a series."""
    decoded = decode([{"metric": {"a": str(index)}, "value": [index, "7"]} for index in range(3)])
    assert decoded.times.tolist() == [0, 1000, 2000]


def test_series_without_samples_are_counted() -> None:
    """Empty series and native histograms are no error."""
    content: list[dict[str, Any]] = [
        {"metric": {"a": "1"}, "values": []},
        {"metric": {"a": "2"}, "values": []},
        {"metric": {"a": "3"}},
        {"metric": {"a": "4"}, "histograms": [[1, {"count": "9"}]]},
        {"metric": {"a": "5"}, "histogram": [1, {"count": "9"}]},
        {"metric": {"a": "6"}, "values": [[1, "2"]], "histograms": []},
    ]
    decoded = decode(content)
    assert [one["a"] for one in decoded.labels] == ["6"]
    assert decoded.left_out == {NO_SAMPLES: 3, HISTOGRAMS: 2}


@pytest.mark.parametrize("time", ["-1", "1e300", "99999999999999", "4398046512"])
def test_impossible_times_are_left_out(time: str) -> None:
    """Before 1970 and after 2109 nothing was recorded."""
    decoded = decode(b'[{"metric":{},"values":[[%s,"1"],[2,"3"]]}]' % time.encode())
    assert (decoded.times.tolist(), decoded.values.tolist()) == ([2000], [3.0])
    assert decoded.left_out == {NO_TIMES: 1}


def test_a_list_of_answers_is_all_of_them() -> None:
    """As `jq -s` makes one of several files; one of them says that it failed."""
    series = [{"metric": {"__name__": "m", "pod": pod}, "values": [[1, "5"]]} for pod in "ab"]
    answers = [{"status": "success", "data": {"resultType": "matrix", "result": [one]}} for one in series]
    content = json.dumps([*answers, {"status": "error", "errorType": "timeout", "error": "slow"}]).encode()
    found = parse_answers(content, "answers.json")
    assert [one.metric["pod"] for one in found.series] == ["a", "b"]
    assert found.refused == ["the error answer 'timeout': slow"]


def test_export_lines() -> None:
    """VictoriaMetrics' export has plain arrays, null where a series ended and quoted infinities."""
    numbers = read_exports([b'[1,2.5,"Infinity",null]', b"[7]"], [b"[1000,2000,3000,4000]", b"[5]"], Counter())
    assert numbers.counts.tolist() == [4, 1]
    assert numbers.times.tolist() == [1000, 2000, 3000, 4000, 5]
    ended = numbers.values.view(np.uint64) == STALE_BITS
    assert ended.tolist() == [False, False, False, True, False]
    assert numbers.values[~ended].tolist() == [1.0, 2.5, math.inf, 7.0]


def test_one_odd_export_line_spoils_no_other() -> None:
    """A line whose arrays differ in length is left out alone."""
    left_out: Counter[str] = Counter()
    numbers = read_exports([b"[1,2]", b"[3]", b'["x"]'], [b"[1000]", b"[2000]", b"[3000]"], left_out)
    assert (numbers.counts.tolist(), numbers.values.tolist()) == ([0, 1, 0], [3.0])
    assert left_out == {NO_SERIES_FORM: 2}


def test_batches_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """However the text is cut into batches, the samples are the same."""
    content = [{"metric": {"a": str(index)}, "values": [[index, str(index)], [index + 1, "7"]]} for index in range(40)]
    whole = decode(content)
    monkeypatch.setattr("rmtoolkit.loaders.prometheus._decode._BATCH_BYTES", 50)
    pieces = decode(content)
    assert whole.labels == pieces.labels
    assert whole.times.tolist() == pieces.times.tolist()
    assert whole.values.tolist() == pieces.values.tolist()


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=4))
def test_rubbish_between_samples(texts: list[bytes]) -> None:
    """Whatever stands where pairs should be, a series is read, or counted; nothing is raised."""
    valid = []
    for text in texts:
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            continue
        valid.append(text)
    (numbers,) = read_pairs([*valid, b'[[1,"2"]]'], Counter())
    assert numbers.values[-1] == 2.0


@pytest.mark.parametrize("wrong", ["null", "[1]", '["2","5"]', "{}", '[1,"2",3]', "7"])
def test_one_malformed_pair_costs_itself_only(wrong: str) -> None:
    """The other samples of the series, and the other series, are read; the pair is counted once."""
    text = '[{"metric":{"a":"1"},"values":[[1,"2"],WRONG,[3,"4"]]},{"metric":{"a":"2"},"values":[[5,"6"]]}]'
    decoded = decode(text.replace("WRONG", wrong).encode())
    samples = sorted(zip(decoded.times.tolist(), decoded.values.tolist(), strict=True))
    assert samples == [(1000, 2.0), (3000, 4.0), (5000, 6.0)]
    assert decoded.left_out == {NO_PAIR: 1}


@pytest.mark.parametrize("values", ["[null]", "[[1]]", '"none"', "7"])
def test_a_series_of_another_form_is_counted_once(values: str) -> None:
    """It is not a series without samples as well."""
    text = '[{"metric":{"a":"1"},"values":WRONG},{"metric":{"a":"2"},"values":[[5,"6"]]}]'
    decoded = decode(text.replace("WRONG", values).encode())
    assert decoded.times.tolist() == [5000]
    assert decoded.left_out == {NO_SERIES_FORM: 1}


def test_one_malformed_value_of_an_export_costs_itself_only() -> None:
    """The same in lines of VictoriaMetrics' export."""
    left_out: Counter[str] = Counter()
    numbers = read_exports([b'[1,"x",3,null]'], [b"[1000,2000,3000,4000]"], left_out)
    assert numbers.times.tolist() == [1000, 3000, 4000]
    assert numbers.values[:2].tolist() == [1.0, 3.0]
    assert numbers.values.view(np.uint64)[2] == STALE_BITS
    assert left_out == {NO_PAIR: 1}


@pytest.mark.parametrize("form", ["IT", '{"result":IT}', '{"status":"success","data":{"result":IT}}'])
def test_an_odd_label_rejects_no_answer(form: str) -> None:
    """A number is taken as its text, a null as no label; what is no series is counted."""
    series = (
        '[{"metric":{"pod":"a","shard":5,"zone":null},"values":[[1,"2"]]},7,'
        '{"metric":[],"values":[[1,"2"]]},{"metric":{"pod":"b"},"values":[[3,"4"]]}]'
    )
    decoded = decode(form.replace("IT", series).encode())
    assert decoded.labels == [{"pod": "a", "shard": "5"}, {"pod": "b"}]
    assert decoded.values.tolist() == [2.0, 4.0]
    assert decoded.left_out == {ODD_LABELS: 2, NO_SERIES: 2}
