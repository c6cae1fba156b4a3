"""Whatever stands in a file: a recording, or one clear error."""

from __future__ import annotations

import json
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import rmtoolkit as rm
from rmtoolkit.exceptions import RmtoolkitError, RmtoolkitWarning

WORKING_SET = "container_memory_working_set_bytes"

TEXT = st.one_of(
    st.text(st.characters(codec="utf-8"), max_size=20),
    st.sampled_from(
        ['"', "\\", "\n", "],[", '"]]},{"metric":{', "}}", "\u2028", "é", "\U0001f980", "\x00", "<b>", "{{x}}"]
    ),
)


def read(content: bytes, name: str = "answer.json", **options: Any) -> rm.Recording:
    """Read the content as a file; what is only a warning is not looked at."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", RmtoolkitWarning)
        file = Path(folder, name)
        file.write_bytes(content)
        return rm.read_prometheus(file, **options)


def survives(content: bytes, name: str = "answer.json") -> None:
    """Fail unless reading ends in a recording or in an error of our own, of one bounded line."""
    said = ""
    try:
        recording = read(content, name)
    except RmtoolkitError as error:
        said = str(error)
        assert said
    else:
        assert recording.containers.height > 0
    assert len(said) < 3000
    assert said.isprintable()


@given(
    st.dictionaries(st.text(min_size=1, max_size=8).map("x_{}".format), TEXT, max_size=4),
    st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4, unique=True),
)
def test_any_label_values(more: dict[str, str], names: list[tuple[str, str]]) -> None:
    """Quotes, braces, line breaks and any script in labels come back as they were, beside the right samples."""
    result: list[dict[str, Any]] = [
        {
            "metric": more | {"__name__": WORKING_SET, "namespace": f"n{namespace}", "pod": f"p{pod}"},
            "values": [[1_795_000_000 + index, str(index)] for index in range(number + 1)],
        }
        for number, (namespace, pod) in enumerate(names)
    ]
    content = json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}}).encode()
    recording = read(content)
    found = recording.samples.join(recording.containers, on="container_id").group_by("namespace", "pod").len()
    expected = {(f"n{namespace}", f"p{pod}", number + 1) for number, (namespace, pod) in enumerate(names)}
    assert set(found.iter_rows()) == expected


@given(st.binary(max_size=400))
@example(b"[]")
@example(b"{}")
@example(b"null")
@example(b'"x"')
@example(b"\xff\xfe")
@example(b"\xff\xfe{\x00")
@example(b"\x1f\x8b")
@example(b"\x28\xb5\x2f\xfd")
@example(b'{"data":{"result":[{"metric":{"a":"\\ud800"}}]}}')
@example(b'[{"metric":{"__name__":"container_memory_rss"},"value":[1e999,"1"]}]')
@example(b'[{"metric":{"__name__":"container_memory_rss"},"values":[[1,"1"]],"timestamps":[1,2]}]')
@example(b'[{"metric":{"__name__":"container_memory_rss"},"values":[[0,"1"],[0,"NaN"]]}]')
@example(b'[{"metric":{"__name__":"kube_pod_owner"},"value":[0,"1"]}]')
@example(b'[{"metric":{"__name__":"kube_replicaset_owner"},"value":[0,"1"]}]')
@example(b'[{"metric":{"__name__":"kube_pod_container_info","image":"a:1"},"value":[0,"NaN"]}]')
def test_any_bytes(content: bytes) -> None:
    """No bytes make it raise anything but an error of our own."""
    survives(content)
    survives(content, "container_memory_rss.json.gz")


def _whole() -> bytes:
    pod = {"namespace": "shop", "pod": "api-0", "container": "api"}
    names = [
        WORKING_SET,
        "container_start_time_seconds",
        "kube_pod_container_status_restarts_total",
        "kube_pod_container_status_last_terminated_reason",
        "kube_pod_container_resource_limits",
        "kube_pod_container_info",
        "kube_pod_owner",
        "jemalloc_allocated_bytes",
    ]
    result = [
        {
            "metric": {"__name__": name, "id": f"/{life}", "reason": "OOMKilled", "image": f"a:{life}"} | pod,
            "values": [[1_795_000_000 + 300 * life + 30 * number, str(number // 7)] for number in range(15)],
        }
        for name in names
        for life in range(2)
    ]
    answer = {"status": "success", "data": {"resultType": "matrix", "result": result}, "warnings": ["PromQL info: x"]}
    return json.dumps(answer, separators=(",", ":")).encode()


WHOLE = _whole()


@given(
    st.lists(
        st.tuples(
            st.integers(0, len(WHOLE)),
            st.integers(0, 40),
            st.one_of(
                st.binary(max_size=6),
                st.sampled_from([b'"', b"]", b"}", b"[", b",", b"\n{", b"null", b"-", b"1e400", b"e9", b"\\", b"\xff"]),
            ),
        ),
        max_size=4,
    ),
)
def test_any_damage(cuts: list[tuple[int, int, bytes]]) -> None:
    """A good answer with pieces cut out and put in is read in part, or refused."""
    content = WHOLE
    for place, length, piece in cuts:
        content = content[:place] + piece + content[place + length :]
    survives(content)


@given(st.integers(0, len(WHOLE)))
def test_any_cut(place: int) -> None:
    """A download that broke off anywhere is read as far as it goes."""
    survives(WHOLE[:place])


ROLES = st.sampled_from(
    [
        WORKING_SET,
        "container_memory_rss",
        "container_start_time_seconds",
        "container_oom_events_total",
        "container_spec_memory_limit_bytes",
        "process_resident_memory_bytes",
        "process_start_time_seconds",
        "kube_pod_container_status_restarts_total",
        "kube_pod_container_status_last_terminated_reason",
        "kube_pod_container_status_last_terminated_timestamp",
        "kube_pod_container_status_terminated_reason",
        "kube_pod_container_resource_limits",
        "kube_pod_status_reason",
        "kube_pod_start_time",
        "kube_pod_info",
        "kube_pod_owner",
        "kube_pod_container_info",
        "jemalloc_resident_bytes",
        "work",
        "gauge",
    ],
)
LABELS = st.fixed_dictionaries(
    {"__name__": ROLES},
    optional={
        "pod": st.sampled_from(["a-0", "a-1"]),
        "namespace": st.sampled_from(["n", "m"]),
        "cluster": st.sampled_from(["x", "y"]),
        "container": st.sampled_from(["c", "d", "POD"]),
        "uid": st.sampled_from(["u", "v"]),
        "id": st.sampled_from(["/", "/1", "/2", "/3"]),
        "name": st.sampled_from(["k1", "k2"]),
        "prometheus_replica": st.sampled_from(["0", "1"]),
        "instance": st.sampled_from(["h:1", "i:1"]),
        "job": st.sampled_from(["c", "j"]),
        "reason": st.sampled_from(["OOMKilled", "Evicted", "Error"]),
        "image": st.sampled_from(["a:1", "a:2"]),
        "owner_kind": st.sampled_from(["ReplicaSet", "Job", "Node"]),
        "owner_name": st.sampled_from(["a-7d4b9c8f6d", "a"]),
        "exported_pod": st.sampled_from(["a-0", "a-2"]),
        "exported_namespace": st.just("n"),
        "code": st.sampled_from(["1", "2"]),
    },
)
SERIES = st.tuples(
    LABELS,
    st.integers(0, 2000),
    st.integers(1, 200),
    st.lists(
        st.sampled_from(["0", "1", "2", "1795000000", "NaN", "+Inf", "-1", "9e18", "0.5"]), min_size=1, max_size=20
    ),
)


@given(st.lists(SERIES, min_size=1, max_size=14))
def test_any_mixture_of_series(series: list[tuple[dict[str, str], int, int, list[str]]]) -> None:
    """Any labels on any metrics, at any times, give sorted samples without doubles, or an error of our own."""
    result = [
        {
            "metric": labels,
            "values": [[1_795_000_000 + begin + step * number, value] for number, value in enumerate(values)],
        }
        for labels, begin, step, values in series
    ]
    try:
        recording = read(json.dumps(result).encode(), metrics={"work": "work_total", "gauge": "load"})
    except RmtoolkitError:
        return
    keys = recording.samples.select("container_id", "time")
    assert keys.equals(keys.unique().sort("container_id", "time"))
    assert set(keys["container_id"]) <= set(recording.containers["container_id"])
    assert set(recording.events["container_id"]) <= set(recording.containers["container_id"])


@pytest.mark.parametrize("size", [2000])
def test_broken_documents_in_a_row_cost_no_more_than_their_length(size: int) -> None:
    """A file of broken lines is given up early, and good ones among the first are still read."""
    good = json.dumps([{"metric": {"__name__": WORKING_SET, "pod": "a-0"}, "value": [1, "2"]}]).encode()
    recording = read(b"\n".join([b'{"a":[', good, *[b'{"a":['] * size]))
    assert recording.samples.height == 1


@pytest.mark.parametrize("reader", [rm.read, rm.read_prometheus], ids=["read", "read_prometheus"])
@pytest.mark.parametrize(
    ("opening", "closing"),
    [("[", "]"), ('{"a":', "}"), ('[{"metric":{},"values":[', "]}]")],
    ids=["lists", "objects", "series"],
)
def test_deep_nesting_fails_at_once(tmp_path: Path, reader: Any, opening: str, closing: str) -> None:
    """Half a megabyte of brackets is refused in well under a second."""
    depth = 200_000 // len(opening)
    file = tmp_path / "deep.json"
    file.write_text(opening * depth + closing * depth)
    started = time.process_time()
    with pytest.raises(RmtoolkitError, match=r"deep\.json"):
        reader(file)
    assert time.process_time() - started < 1


@pytest.mark.parametrize("found", [[], [{"stream": {"app": "api"}, "values": [["1795000000000000000", "ready"]]}]])
def test_a_log_answer_of_loki(tmp_path: Path, found: list[dict[str, Any]]) -> None:
    """Lines of a log are no metrics, and the message says that this is what they are."""
    file = tmp_path / "logs.json"
    file.write_text(json.dumps({"status": "success", "data": {"resultType": "streams", "result": found, "stats": {}}}))
    with pytest.raises(RmtoolkitError, match=r"found a log answer of Loki.*not metrics"):
        rm.read(file)
