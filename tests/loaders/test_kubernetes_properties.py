"""Dumps and recordings cut, mixed or made up: a recording, a counted warning or one clear error, and never more."""

from __future__ import annotations

import contextlib
import copy
import json
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

import rmtoolkit as rm
from rmtoolkit.exceptions import ReadError, RmtoolkitError, RmtoolkitWarning
from rmtoolkit.loaders.kubernetes import parts, read_objects, trimmed
from rmtoolkit.schema import IMPOSSIBLE
from tests.loaders.kubernetes import API, at, container, ended, listed, owned, pod, running, status, top
from tests.loaders.outcomes import Outcomes

OBJECTS: Final = [
    pod(
        API,
        container(limit="300Mi", request="1e6"),
        statuses=(status(restarts=2, last=ended(0, 9), state=running(9.5), resources={"limits": {"memory": "300Mi"}}),),
        spec={"initContainers": [{**container("proxy"), "restartPolicy": "Always"}], "resources": {"limits": {}}},
        about={"resourceVersion": "12"},
    ),
    pod("db-0", reason="Evicted", message="low on memory", owner=("StatefulSet", "db"), uid="uid-2"),
    owned("ReplicaSet", "api-7d9f8b6c5d", ("Deployment", "api"), container()),
    {"kind": "Node", "metadata": {"name": "node-a", "uid": "n"}, "status": {"allocatable": {"memory": "8Gi"}}},
    {"kind": "ResourceQuota", "metadata": {"name": "q", "uid": "q"}, "status": {"hard": {"limits.memory": "1Gi"}}},
    {
        "kind": "Event",
        "metadata": {"name": "e", "uid": "e"},
        "reason": "Evicted",
        "involvedObject": {"kind": "Pod", "name": API, "namespace": "shop"},
        "eventTime": at(3),
    },
]
METRICS: Final = {
    "kind": "PodMetrics",
    "apiVersion": "metrics.k8s.io/v1beta1",
    "metadata": {"name": API, "namespace": "shop"},
    "timestamp": at(1),
    "containers": [{"name": "api", "usage": {"memory": "512Ki"}}],
}
ANSWERS: Final[list[dict[str, Any]]] = [
    {"answer": {"kind": "PodMetricsList", "items": [METRICS]}},
    {"answer": {"kind": "List", "items": OBJECTS}},
    {"error": "Error from server (ServiceUnavailable): busy"},
    {"without": "Error from server (Forbidden): nodes"},
    {"answer": "POD NAME CPU(cores) MEMORY(bytes)\napi-0 api 1m 20Mi\n", "namespace": "shop"},
    {"answer": {"type": "DELETED", "object": OBJECTS[1]}},
]
RECORDED: Final = "".join(
    json.dumps({"time": at(minute), "kubectl": "get --raw", **line}) + "\n" for minute, line in enumerate(ANSWERS)
)
LIST: Final = {"apiVersion": "v1", "items": [METRICS, *OBJECTS], "kind": "List"}
FILES: Final = {
    "recorded": RECORDED,
    "json": json.dumps(LIST),
    "indented": json.dumps(LIST, indent=4),
    "yaml": yaml.safe_dump(LIST),
    "yaml documents": f"{at(0)}\n" + yaml.safe_dump_all([METRICS, *OBJECTS]),
    "watch": "\n".join(json.dumps({"type": "ADDED", "object": one}) for one in [METRICS, *OBJECTS]),
}


def read(*texts: str) -> rm.Recording:
    """Read texts as the files of a folder; what is warned of is no matter here."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", RmtoolkitWarning)
        for number, text in enumerate(texts):
            Path(folder, f"{number}.log").write_text(text, "utf-8", "surrogatepass")
        return rm.read(folder)


@pytest.mark.parametrize("form", FILES)
def test_every_form_holds_metrics_and_objects(form: str) -> None:
    """Before it is cut: one file with both gives samples, limits, owners and the kill."""
    recording = read(FILES[form])
    about = recording.containers.filter(pod=API).row(0, named=True)
    assert (about["workload"], about["workload_kind"], about["limit_bytes"]) == ("api", "Deployment", 300 << 20)
    assert "oom_kill" in recording.events["kind"].to_list()
    assert 512 << 10 in recording.samples["working_set_bytes"].to_list()


@given(form=st.sampled_from(sorted(FILES)), share=st.floats(0, 1), tail=st.sampled_from(["", "\n", "\x00", "é", "\n{"]))
def test_cut_anywhere_it_is_a_recording_or_one_clear_error(form: str, share: float, tail: str) -> None:
    """Metrics and objects in one file, cut at any character, alone or beside a whole log."""
    cut = FILES[form][: round(share * len(FILES[form]))] + tail
    with contextlib.suppress(RmtoolkitError):
        assert read(cut).samples.height > 0
    assert read(cut, top({(API, "api"): [100] * 5})).samples.height >= 5


STRANGE: Final = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from([[], {}, [[]], [None], [{}], "9E", "-1", "null", "1970-01-01T00:00:00Z", "0001-01-01T00:00:00Z"]),
    st.sampled_from(["9999-12-31T23:59:59Z", "2026-02-30T00:00:00Z", "2026-11-24T22:00:00", "\x00", "a" * 1000]),
)


def places(content: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """All paths in a document."""
    inner = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    return [path, *(place for key, value in inner for place in places(value, (*path, key)))]


PLACES: Final = places(LIST)[1:]


@example(changes=[(("items", 0, "containers", 0, "usage", "memory"), 0)], as_json=True)
@example(changes=[(("items", 0, "containers", 0, "usage", "memory"), 1 + (16 << 30))], as_json=True)
@given(changes=st.lists(st.tuples(st.sampled_from(PLACES), STRANGE), min_size=1, max_size=4), as_json=st.booleans())
def test_nothing_in_an_object_can_crash_the_reader(changes: list[tuple[tuple[Any, ...], Any]], as_json: bool) -> None:
    """Any value in the place of any other: what is unknown is null, and samples beside it are read."""
    document = copy.deepcopy(LIST)
    for path, value in changes:
        inner: Any = document
        with contextlib.suppress(KeyError, IndexError, TypeError):
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = value
    text = json.dumps(document) if as_json else yaml.safe_dump(document, allow_unicode=True)
    recording = read(text, top({(API, "api"): [100] * 5}))
    # What was measured exactly is believed before what is rounded, and then no node has as much.
    assert recording.samples.height + recording.report.left_out.get(IMPOSSIBLE, 0) >= 5
    assert recording.containers.filter((recording.containers["limit_bytes"] < 0).fill_null(value=False)).is_empty()


def test_any_mixture_of_lines_is_a_recording_or_one_clear_error() -> None:
    """Lines of recordings and of YAML in any order."""
    met = Outcomes()
    pieces = st.sampled_from([*RECORDED.splitlines(), *FILES["yaml"].splitlines(), at(2), "x: &a [*a]"])

    @settings(max_examples=30)
    @example(lines=RECORDED.splitlines())
    @example(lines=[])
    @given(lines=st.lists(pieces, max_size=9))
    def mixed(lines: list[str]) -> None:
        recording = met.of(lambda: read("\n".join(lines)))
        assert recording is None or recording.containers["pod"].null_count() == 0

    mixed()
    assert met.recordings > 0
    assert met.errors > 0


@pytest.mark.parametrize(
    "bomb",
    [
        "apiVersion: v1\nkind: Pod\na: &a [x, x, x]\n"
        + "\n".join(f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]" for n in range(20)),
        "apiVersion: v1\nkind: Pod\na: &a {x: 1}\n"
        + "\n".join(f"{chr(98 + n)}: &{chr(98 + n)}\n  <<: [{', '.join([f'*{chr(97 + n)}'] * 9)}]" for n in range(20)),
        "apiVersion: v1\nkind: List\nitems: " + "[" * 100_000,
        "apiVersion: v1\nkind: List\nitems:\n" + "\n".join(" " * depth + "- " for depth in range(3000)),
        "apiVersion: v1\nkind: Pod\nmetadata: !!python/object/apply:os.system ['exit 3']\n",
        '{"kind": "Pod", "uid": ' + "[" * 100_000,
    ],
    ids=["laughs", "merged laughs", "deep list", "deep blocks", "code", "deep JSON"],
)
def test_a_bomb_is_refused_at_once(tmp_path: Path, bomb: str) -> None:
    """References that multiply, nesting without end, code: none is followed, and no time is lost on it."""
    dump = tmp_path / "pods.yaml"
    dump.write_text(bomb)
    begin = time.process_time()
    objects, failed = read_objects([dump])
    assert time.process_time() - begin < 5
    assert not objects
    assert len(failed) == 1
    assert isinstance(failed[0][1], ReadError)


@pytest.mark.parametrize("depth", [300, 900, 100_000])
def test_events_in_events_and_lists_in_lists_are_not_followed(depth: int) -> None:
    """Nesting that no server makes: left out or refused, by the reader as by the recorder."""
    event = '{"type": "ADDED", "object": ' * depth + '{"kind": "Pod"}' + "}" * depth
    assert read(f'{{"kind": "Pod", "uid": ""}}\n{event}', top({(API, "api"): [100]})).samples.height == 1
    nested: Any = []
    for _ in range(depth):
        nested = [nested]
    assert trimmed("Pod", {"spec": {"containers": nested}}) == {"kind": "Pod", "spec": {"containers": []}}


def test_documents_without_separators_are_all_read() -> None:
    """A loop that appends YAML writes no `---`: as one mapping, all but the last would be lost."""
    text = "".join(f"{at(n)}\n{yaml.safe_dump({'apiVersion': 'v1', 'kind': 'List', 'items': [n]})}" for n in range(3))
    assert [part.content["items"] for part in parts(text) if part.content] == [["0"], ["1"], ["2"]]


def test_names_that_yaml_would_take_for_something_else_stay_names(tmp_path: Path) -> None:
    """`no`, `1e3` and a date are names when kubectl forgot to quote them."""
    text = "".join(
        f"---\nkind: Node\nmetadata:\n  name: {name}\nstatus:\n  allocatable:\n    memory: 1e3\n"
        for name in ("no", "1e3", "2026-11-24")
    )
    dump = tmp_path / "nodes.yaml"
    dump.write_text(text)
    assert read_objects([dump])[0].nodes == {"no": 1000, "1e3": 1000, "2026-11-24": 1000}


def test_a_large_dump_is_read_in_time(tmp_path: Path) -> None:
    """Two thousand pods beside a log of theirs."""
    many = [
        pod(f"api-7d9f8b6c5d-{number:05}", statuses=(status(state=running(0)),), uid=f"u{number}")
        for number in range(2000)
    ]
    dump, log = tmp_path / "pods.json", tmp_path / "top.log"
    dump.write_text(listed(*many))
    log.write_text(top({(one["metadata"]["name"], "api"): [100] * 3 for one in many}))
    begin = time.process_time()
    recording = rm.read(tmp_path)
    assert time.process_time() - begin < 20
    assert recording.containers["version"].null_count() == 0


@pytest.mark.parametrize("between", [", ", "", ",\n"], ids=["a list on a line", "one behind the other", "a line each"])
def test_a_long_line_of_documents_is_walked_over_once(between: str) -> None:
    """Many documents on one line take their own time each, not that of the whole line."""
    count = 60_000
    begin = time.process_time()
    assert sum(not part.damaged for part in parts(between.join(['{"a": {"b": 1}}'] * count))) == count
    assert time.process_time() - begin < 3
