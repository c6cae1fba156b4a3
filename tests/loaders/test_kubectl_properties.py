"""Properties of `rm.read_kubectl_top`: what kubectl can print comes back, and nothing else ever crashes."""

from __future__ import annotations

import json
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

import rmtoolkit as rm
from rmtoolkit.exceptions import RmtoolkitWarning
from tests.loaders.outcomes import Outcomes

if TYPE_CHECKING:
    from collections.abc import Sequence

MI: Final = 1 << 20

LABEL: Final = r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?"
names = st.from_regex(LABEL, fullmatch=True)
pods = st.from_regex(rf"{LABEL}(\.{LABEL})?", fullmatch=True)
amounts = st.integers(0, 4_000_000)
widths = st.integers(1, 6)


def read(data: bytes, **options: Any) -> rm.Recording:
    """Read bytes as a log; what it warns of is no matter here."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", RmtoolkitWarning)
        log = Path(folder, "top.log")
        log.write_bytes(data)
        return rm.read_kubectl_top(log, **options)


def printed(rows: Sequence[tuple[str, ...]], gap: int) -> str:
    """Align cells as kubectl does: each padded to the widest of its column and `gap` blanks."""
    sizes = [max(map(len, column)) + gap for column in zip(*rows, strict=True)]
    return "\n".join("".join(cell.ljust(size) for cell, size in zip(row, sizes, strict=True)) for row in rows)


tables = st.dictionaries(st.tuples(names, pods, names), amounts, min_size=1, max_size=6)


@given(
    snapshots=st.lists(tables, min_size=1, max_size=4),
    gap=widths,
    with_header=st.booleans(),
    with_stamp=st.sampled_from(["line", "prefix"]),
)
@example(snapshots=[{("2026", "2026", "0"): 0}], gap=1, with_header=False, with_stamp="prefix")
@example(snapshots=[{("2026", "2026", "0"): 0}], gap=1, with_header=True, with_stamp="prefix")
@example(snapshots=[{("1795560689", "1795560689", "1795560689"): 0}], gap=1, with_header=True, with_stamp="line")
def test_any_table_comes_back(
    snapshots: list[dict[tuple[str, str, str], int]],
    gap: int,
    with_header: bool,
    with_stamp: str,
) -> None:
    """Whatever the names and amounts, aligned anyhow, with date lines or prefixes: every row comes back exactly."""
    # Without a header, a word of many digits at the head of a line is a time stamp.
    assume(
        with_header
        or not any(namespace.isdigit() and len(namespace) > 9 for table in snapshots for namespace, *_ in table)
    )
    lines: list[str] = []
    expected: list[tuple[str, str, str, int, int]] = []
    for index, snapshot in enumerate(snapshots):
        stamp = f"2026-11-24T22:{index:02}:00Z"
        rows = [(*key, "12m", f"{amount}Mi") for key, amount in snapshot.items()]
        if with_header:
            rows.insert(0, ("NAMESPACE", "POD", "NAME", "CPU(cores)", "MEMORY(bytes)"))
        texts = printed(rows, gap).split("\n")
        lines += [stamp, *texts] if with_stamp == "line" else [f"{stamp} {text}" for text in texts]
        expected += [(*key, index, amount * MI) for key, amount in snapshot.items()]
    recording = read("\n".join(lines).encode())
    table = recording.samples.join(recording.containers, on="container_id")
    found = table.select(
        "namespace", "pod", "container", pl.col("time").dt.minute().cast(pl.Int64), "working_set_bytes"
    )
    assert sorted(found.rows()) == sorted(expected)
    assert recording.report.left_out == {}


@given(table=tables)
def test_any_json_comes_back(table: dict[tuple[str, str, str], int]) -> None:
    """Amounts in Ki of any container of any pod come back as exact bytes."""
    items = [
        {
            "metadata": {"namespace": namespace, "name": pod},
            "timestamp": "2026-11-24T22:50:51Z",
            "containers": [{"name": container, "usage": {"cpu": "1n", "memory": f"{amount}Ki"}}],
        }
        for (namespace, pod, container), amount in table.items()
    ]
    recording = read(json.dumps({"kind": "PodMetricsList", "items": items}).encode())
    rows = recording.samples.join(recording.containers, on="container_id")
    found = rows.select("namespace", "pod", "container", "working_set_bytes").rows()
    assert sorted(found) == sorted((*key, amount * 1024) for key, amount in table.items())


#: Pieces of which the logs of the next test are made: each of them means something to the reader.
PIECES: Final = st.sampled_from(
    [
        "NAME   CPU(cores)   MEMORY(bytes)",
        "NAMESPACE POD NAME CPU(cores) MEMORY(bytes) SWAP(bytes)",
        "NAME CPU(cores) CPU% MEMORY(bytes) MEMORY%",
        "NAME CPU MEMORY WINDOW",
        "POD",
        "db-0   1m   20Mi   ",
        "shop db-0 db 1m 20Mi 5Mi",
        "a b 1m 2Mi",
        "a b c d 1m 2Mi",
        "db-0 1m <unknown>",
        "db-0 12n 20Ki 15s",
        "node-a 1m 1% 2Mi 3%",
        "  ________   ________ ",
        "   1m   2Mi",
        "2026-11-24T22:51:29Z",
        "Tue Nov 24 22:51:29 UTC 2026",
        "22:51:29 db-0 1m 2Mi",
        "11/12/2026 10:00:00",
        "Feb 29 10:00:00",
        "time,pod,memory",
        "2026-11-24T22:51:29Z,db-0,1m,20Mi",
        "error: Metrics API not available",
        "No resources found",
        '{"kind": "PodMetricsList", "items": [{"containers": [{"name": 1, "usage": {"memory": "9E"}}]}]}',
        '{"kind": "PodMetrics", "containers": [',
        '{"log": "db-0 1m 20Mi\\n", "time": "2026-11-24T22:51:29Z"}',
        "2026-11-24T22:51:29.123Z stdout P db-0 ",
        "\x1b[1m",
        "\x1b[3;1H",
        "",
        "\x00",
        "é\u0663\u0664:\u0661\u0662:\u0661\u0662",
    ],
)
options = st.fixed_dictionaries(
    {},
    optional={
        "time": st.just("2026-11-24"),
        "interval": st.just("15s"),
        "timezone": st.sampled_from(["Europe/Berlin", "UTC", "-03:30"]),
        "containers": st.booleans(),
        "namespace": st.just("shop"),
    },
)


def test_any_mixture_gives_a_recording_or_one_clear_error() -> None:
    """Whatever is mixed, a sound Recording or an RmtoolkitError comes out, never a traceback of something else."""
    met = Outcomes()

    @settings(max_examples=30)
    @example(
        lines=["2026-11-24T22:51:29Z", "NAME   CPU(cores)   MEMORY(bytes)", "db-0   1m   20Mi   "],
        asked={},
        ending="\n",
    )
    @example(lines=[], asked={}, ending="\n")
    @given(lines=st.lists(PIECES, max_size=12), asked=options, ending=st.sampled_from(["\n", "\r\n", ","]))
    def mixed(lines: list[str], asked: dict[str, Any], ending: str) -> None:
        recording = met.of(lambda: read(ending.join(lines).encode(), **asked))
        if recording is not None:
            assert recording.samples.height > 0
            assert recording.samples.filter(pl.col("working_set_bytes") < 0).is_empty()

    mixed()
    assert met.recordings > 0
    assert met.errors > 0


@settings(max_examples=30)
@given(data=st.binary(max_size=400))
@example(data=b"\x1f\x8b")
@example(data=b"\x28\xb5\x2f\xfd\x00")
@example(data=b"\xff\xfed\x00")
@example(data=b"\xef\xbb\xbf")
@example(data=b"\n")
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    """Binary, truncated, compressed or empty: no recording is made of it, and the error is one line."""
    assert Outcomes().of(lambda: read(data)) is None


def test_arbitrary_text_around_a_row_never_crashes() -> None:
    """Any text beside real rows: the rows are read, or one error says what is in their way."""
    met = Outcomes()

    @settings(max_examples=30)
    @example(text="starting", prefix="2026-11-24T22:51:29Z ")
    @given(text=st.text(max_size=200), prefix=st.sampled_from(["", "2026-11-24T22:51:29Z ", "a 1m 2Mi\n"]))
    def around(text: str, prefix: str) -> None:
        data = f"{prefix}{text}\ndb-0 1m 2Mi\n".encode("utf-8", "surrogatepass")
        recording = met.of(lambda: read(data, time="2026-11-24", interval="1s"))
        if recording is not None:
            assert "db-0" in recording.containers["pod"].to_list()
            assert recording.samples["working_set_bytes"].to_list()[-1] == 2 * MI

    around()
    assert met.recordings > 10
