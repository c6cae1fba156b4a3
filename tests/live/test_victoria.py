"""A real VictoriaMetrics: its export, its query language, and its export saved to files."""

from __future__ import annotations

import gzip
import json
import random
import shutil
import urllib.parse
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

import rmtoolkit as rm
from rmtoolkit.exceptions import RmtoolkitWarning
from tests.live.conftest import instant, pull
from tests.live.proxy import Proxy
from tests.live.remote_write import STALE, series, write
from tests.live.servers import T0, VictoriaMetrics
from tests.loaders.test_scenarios import FLAT, NAMES, levels

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_NAME = "container_memory_working_set_bytes"
_SCRAPES = 400
_STEP = 15
_LAST = T0 + _STEP * _SCRAPES
_ENDS_AT = (T0 + 100 * _STEP) * 1000 + 500


def labels(pod: str, **more: str) -> dict[str, str]:
    """A container as cAdvisor names it."""
    place = {"__name__": _NAME, "namespace": "shop", "pod": pod, "container": "api"}
    return {**place, "id": f"/kubepods/{pod}", "job": "kubelet", "instance": "10.0.0.1:10250", **more}


def line_of(name: str, said: Mapping[str, str], values: Sequence[int], step: int = _STEP) -> dict[str, Any]:
    """A series as its own export has it."""
    times = [1000 * (T0 + step * at) for at in range(len(values))]
    return {"metric": {"__name__": name, **said}, "values": list(values), "timestamps": times}


def made() -> dict[str, list[tuple[int, int]]]:
    """Random bytes at random milliseconds, by pod."""
    draw = random.Random(11)  # noqa: S311 - numbers, no secrets
    found = {}
    for pod in ("draw-0", "draw-1", 'odd"} or 1 #'):
        times = sorted({T0 * 1000 + draw.randrange(_STEP * _SCRAPES * 1000) for _ in range(_SCRAPES)})
        found[pod] = [(at, draw.randrange(1 << 40)) for at in times]
    return found


@pytest.fixture(scope="module")
def victoria(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VictoriaMetrics]:
    """A VictoriaMetrics with samples that were imported, and others with a marker that were written."""
    if shutil.which("victoria-metrics") is None:
        pytest.skip("needs Debian's package victoria-metrics: apt install victoria-metrics")
    with VictoriaMetrics(tmp_path_factory.mktemp("victoria")) as server:
        write(
            server.url,
            [
                series(
                    labels("gone-0"), [*((at, 7e7) for at in range(T0 * 1000, _ENDS_AT, 15_000)), (_ENDS_AT, STALE)]
                ),
                series(labels("stays-0"), [(at, 8e7) for at in range(T0 * 1000, _LAST * 1000, 15_000)]),
            ],
        )
        server.load(
            {
                "metric": labels(pod),
                "timestamps": [at for at, _ in points],
                "values": [value for _, value in points],
            }
            for pod, points in made().items()
        )
        yield server


def fetched(server: VictoriaMetrics | Proxy, *, remote_read: bool = True, **asked: Any) -> rm.Recording:
    """All that is there, by export or by its query language."""
    return pull(server, options={"remote_read": remote_read, "retries": 2}, **{"end": instant(_LAST), **asked})


def samples(recording: rm.Recording, pod: str) -> list[tuple[int, int]]:
    """Samples of a pod as (milliseconds, bytes)."""
    rows = recording.samples.join(recording.containers.filter(pod=pod), on="container_id", how="semi")
    return [(round(at.timestamp() * 1000), value) for at, value in rows.select("time", "working_set_bytes").iter_rows()]


def exported(server: VictoriaMetrics) -> bytes:
    """The lines of its export, fetched without our own client."""
    asked = urllib.parse.urlencode({"match[]": f'{{__name__="{_NAME}"}}', "start": T0, "end": _LAST}).encode()
    return server.post("/api/v1/export", asked)


@pytest.mark.parametrize("way", [True, False], ids=["export", "query"])
def test_every_byte_and_millisecond_is_what_was_imported(victoria: VictoriaMetrics, way: bool) -> None:
    """Random amounts at random instants, by both ways, one by one."""
    recording = fetched(victoria, remote_read=way)
    for pod, points in made().items():
        assert samples(recording, pod) == points, pod


def test_the_export_is_used_by_itself(victoria: VictoriaMetrics) -> None:
    """Remote read is asked for once, in vain; then samples come by the export, and facts by queries."""
    with Proxy(victoria.url) as proxy:
        found = fetched(proxy)
        asked = [seen.path.partition("?")[0] for seen in proxy.seen]
    assert asked.count("/api/v1/read") == 1
    assert "/api/v1/export" in asked
    assert "/api/v1/query" not in asked
    assert found.samples.equals(fetched(victoria, remote_read=False).samples)


def test_a_marker_is_the_end_of_a_container(victoria: VictoriaMetrics) -> None:
    """The export has null there: no sample, no NaN, but an event."""
    recording = fetched(victoria)
    ends = recording.events.filter(kind="end").join(recording.containers, on="container_id")
    assert ends["pod"].to_list() == ["gone-0"]
    assert [round(at.timestamp() * 1000) for at in ends["time"]] == [_ENDS_AT]
    assert samples(recording, "gone-0") == [(at, 70_000_000) for at in range(T0 * 1000, _ENDS_AT, 15_000)]
    assert "values that were NaN or infinite" not in recording.report.left_out


def test_the_window_holds_its_edges_and_nothing_else(victoria: VictoriaMetrics) -> None:
    """A sample at the very start or end belongs to the window, those around it do not."""
    points = made()["draw-1"]
    first, last = points[50][0], points[90][0]
    recording = fetched(victoria, pod="draw-1", start=instant(first / 1000), end=instant(last / 1000))
    assert samples(recording, "draw-1") == points[50:91]


@pytest.mark.parametrize("ending", ["jsonl", "jsonl.gz", "jsonl.zst"])
def test_a_saved_export_is_read_like_the_live_one(victoria: VictoriaMetrics, tmp_path: Path, ending: str) -> None:
    """The lines in a file, packed or not, and `rm.read`: the samples are those of the live source."""
    body = exported(victoria)
    packed = {
        "jsonl": body,
        "jsonl.gz": gzip.compress(body),
        "jsonl.zst": pa.compress(body, codec="zstd", asbytes=True),
    }
    file = tmp_path / f"export.{ending}"
    file.write_bytes(packed[ending])
    saved, live = rm.read(file), fetched(victoria)
    assert saved.samples.equals(live.samples)
    assert saved.events.equals(live.events)


def test_counts_are_the_servers(victoria: VictoriaMetrics) -> None:
    """As many rows as the export has numbers."""
    lines = [json.loads(line) for line in exported(victoria).splitlines()]
    recording = fetched(victoria)
    for line in lines:
        numbers = [value for value in line["values"] if value is not None]
        assert len(samples(recording, line["metric"]["pod"])) == len(numbers)


def test_an_export_that_is_cut_is_asked_for_again_or_not_believed(victoria: VictoriaMetrics) -> None:
    """Lines that end early, with and without a length: the samples are whole all the same."""
    whole = fetched(victoria).samples
    for fault in ("cut", "cut unseen", "reset within"):
        left = [fault]

        def once(seen: Any, left: list[str] = left) -> str | None:
            return left.pop() if left and seen.path.startswith("/api/v1/export") else None

        with Proxy(victoria.url, once) as proxy:
            # Without a length it is not asked for again: JSON is.
            with pytest.warns(RmtoolkitWarning) if fault == "cut unseen" else nullcontext():
                found = fetched(proxy)
            assert found.samples.equals(whole), fault
            assert proxy.faults[fault] == 1


@pytest.mark.usefixtures("both_ways")
def test_names_with_dots_are_found_and_filtered(tmp_path: Path) -> None:
    """What OpenTelemetry and Datadog write with dots is what a file of the same series gives, whatever is asked for."""
    dotted = {names: NAMES[names] for names in NAMES if "dots" in names}
    with VictoriaMetrics(tmp_path) as server:
        server.load(line_of(one.metric, {**one.labels, "k8s.cluster.name": of}, FLAT, 30) for of, one in dotted.items())
        whole = pull(server)
        for of, one in dotted.items():
            assert levels(whole.filter(cluster=of), one.signal) == [FLAT]
        for name, value in (("namespace", "shop"), ("workload", "db"), ("pod", "db-0")):
            asked: dict[str, Any] = {name: value}
            found, wanted = pull(server, **asked), whole.filter(**asked)
            assert (found.containers.rows(), found.samples.rows()) == (wanted.containers.rows(), wanted.samples.rows())


def test_no_query_is_longer_than_it_takes(tmp_path: Path) -> None:
    """Hundreds of pods with long names, known as a whole only, each with a restart; and many that are asked for."""
    names = [f"payments-gateway-worker-{number:03d}-in-production" for number in range(400)]
    with VictoriaMetrics(tmp_path) as server:
        for name in names:
            of = {"namespace": "shop", "pod": f"{name}-0"}
            restarts = [int(at > 250) for at in range(500)]
            server.load(
                [
                    line_of(_NAME, of, [_STEP << 20] * 40, 1200),
                    line_of("kube_pod_container_status_restarts_total", {**of, "container": "api"}, restarts, 96),
                ]
            )
        for asked in ([], names[:1], names[:20]):
            found = pull(server, end=instant(T0 + 48_000), workload=asked or None)
            assert found.containers["workload"].to_list() == (asked or names)
            assert found.events.filter(kind="start").height == len(asked or names)
            assert not found.report.partial
