"""Lines as container runtimes and collectors store them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import rmtoolkit as rm
from rmtoolkit.loaders._files import unwrap
from tests.loaders.test_jemalloc import document

if TYPE_CHECKING:
    from pathlib import Path

#: What services write of their memory, in several lines or in one.
WRITTEN = {
    "jemalloc": document(100 << 20, text=True).strip(),
    "JSON": '{"ts": "2026-11-24T10:00:00Z", "level": "INFO", "allocated_bytes": 104857600}',
}


def test_pieces_of_a_line_are_joined_stream_by_stream() -> None:
    """CRI stores long lines in pieces; the other stream may speak in between, and the last line may lack its end."""
    text = "@1Z stderr P one\n@2Z stdout F other\n@3Z stderr F two\n@4Z stderr P three\n@5Z stderr P four\n".replace(
        "@", "2026-11-24T10:00:0"
    )
    assert unwrap(text) == [
        ("2026-11-24T10:00:02Z", "other"),
        ("2026-11-24T10:00:01Z", "onetwo"),
        ("", ""),
        ("2026-11-24T10:00:04Z", "threefour"),
    ]


def test_docker_keeps_the_line_feed_of_whole_lines() -> None:
    """Docker cuts at 16 KiB: a piece without a line feed goes on."""
    entries = [("Allo", "t1"), ("cated: 1\n", "t2"), ("next\n", "t3")]
    text = "\n".join(json.dumps({"log": log, "stream": "stderr", "time": time}) for log, time in entries)
    assert unwrap(text) == [("t1", "Allocated: 1"), ("t3", "next")]


def test_a_program_that_logs_json() -> None:
    """The message of a structured log, also within fields, and its time; several lines stay several lines."""
    text = json.dumps({"timestamp": "t1", "fields": {"message": "a\nb"}}) + "\n" + json.dumps({"msg": "c", "ts": "t2"})
    assert unwrap(text) == [("t1", "a"), ("t1", "b"), ("t2", "c")]


@pytest.mark.parametrize(
    "text",
    ["plain\ntext", '{"jemalloc": {}}', '{"kind": "PodMetricsList", "items": []}', "", "[1, 2]", '{"log": 5}'],
)
def test_what_is_not_wrapped_stays(text: str) -> None:
    """Ordinary text and other JSON is left alone."""
    assert unwrap(text) is None


def test_kubectl_logs_timestamps() -> None:
    """`kubectl logs --timestamps` puts a stamp before each line."""
    text = "2026-11-24T10:00:00.123456789Z hello world\n2026-11-24T10:00:01.123456789Z"
    assert unwrap(text) == [("2026-11-24T10:00:00.123456789Z", "hello world"), ("2026-11-24T10:00:01.123456789Z", "")]


#: A pod's id as the API server gives it, and that of a static pod.
IDS = ("11111111-2222-3333-4444-555555555555", "ab" * 16)


@pytest.mark.parametrize("written", WRITTEN.values(), ids=WRITTEN)
@pytest.mark.parametrize(
    ("name", "told"),
    [
        (f"containers/api-0_shop_api-{'ab' * 32}.log", ("shop", "api-0", "api")),
        *((f"pods/shop_api-0_{pod_id}/api/0.log", ("shop", "api-0", "api")) for pod_id in IDS),
        ("data/team_api_2026-11/heap/0.log", (None, None, None)),
    ],
    ids=["containers", "a pod", "a static pod", "another folder"],
)
def test_names_of_kubelets_say_whose_a_log_is(
    written: str, name: str, told: tuple[str | None, ...], tmp_path: Path
) -> None:
    """Below `/var/log`: pod, namespace and container, as any other source names them."""
    file = tmp_path / name
    file.parent.mkdir(parents=True)
    file.write_text("".join(f"2026-11-24T10:00:00.000000000Z stderr F {line}\n" for line in written.split("\n")))
    recording = rm.read(tmp_path)
    assert recording.containers.select("namespace", "pod", "container").rows() == [told]
    assert recording.samples["allocated_bytes"].to_list() == [100 << 20]


def test_rows_that_name_others_are_not_of_who_wrote_them(tmp_path: Path) -> None:
    """What a collector logs of other pods is theirs."""
    file = tmp_path / f"collector-0_monitoring_collector-{'ab' * 32}.log"
    file.write_text('{"ts": "2026-11-24T10:00:00Z", "pod": "api-0", "rss_bytes": 104857600}\n')
    row = rm.read(file).containers.select("namespace", "pod", "container").row(0)
    assert row == (None, "api-0", None)
