"""Every exporter's names, asked of a real server: what a file of the same series gives, and nothing else."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

import rmtoolkit as rm
from rmtoolkit.loaders.prometheus import _discover
from rmtoolkit.loaders.pull import pull as into
from rmtoolkit.recording import has
from tests.live.conftest import WAY, instant, pull
from tests.live.servers import T0, Prometheus, lines
from tests.loaders.test_scenarios import FLAT, LEAK, NAMES, levels

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KNOWN = [names for names in NAMES if "dots" not in names]


def samples(names: str) -> list[str]:
    """A flat container and one that leaks, of one name, in two regions."""
    metric, labels, *_ = NAMES[names]
    mine = {name: value.replace("db", f"db{KNOWN.index(names)}") for name, value in labels.items()}
    return [
        line
        for region, values in (("eu", FLAT), ("us", LEAK))
        for line in lines(
            metric, {**mine, "region": region}, [(T0 + 30 * at, value) for at, value in enumerate(values)]
        )
    ]


@pytest.fixture(scope="module")
def exporters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A server that has the series of all of them."""
    if shutil.which("prometheus") is None or shutil.which("promtool") is None:
        pytest.skip("needs Debian's package prometheus: apt install prometheus")
    content = [line for names in KNOWN for line in samples(names)]
    with Prometheus(tmp_path_factory.mktemp("exporters"), content) as started:
        yield started


@pytest.mark.usefixtures("both_ways")
def test_a_server_tells_what_a_file_tells(exporters: Prometheus) -> None:
    """Two containers of every exporter, each with all of its samples, by JSON and by remote read."""
    with pytest.warns(rm.RmtoolkitWarning, match="^What Podman calls memory usage"):
        found = pull(exporters)
    assert "told apart by the label 'region'" in " ".join(found.report.warnings)
    assert not found.report.left_out
    for names in KNOWN:
        signal, told = NAMES[names].signal, NAMES[names].told
        about = found.containers
        for column, value in told.items():
            mine = value and value.replace("db", f"db{KNOWN.index(names)}")
            about = about.filter(has(column, mine))
        assert about.height == 2, names
        one = found.filter(container_id=about["container_id"].to_list())
        assert levels(one, signal) == [FLAT, LEAK], names


def test_a_filter_finds_the_labels_of_others(exporters: Prometheus) -> None:
    """A namespace or a pod is found under whatever label it stands."""
    assert WAY
    for names in ("OpenTelemetry", "GKE", "labels of old charts"):
        pod = f"db{KNOWN.index(names)}-0"
        found = pull(exporters, namespace="shop", pod=pod)
        assert found.containers["pod"].unique().to_list() == [pod]
        assert levels(found, NAMES[names].signal) == [FLAT, LEAK]


def test_a_file_beside_a_server_is_cut_as_the_server_is(exporters: Prometheus, tmp_path: Path) -> None:
    """Names and times hold for all sources."""
    rows = "".join(f"{T0 + 30 * at},{name},db,{300 << 20}\n" for name in ("shop", "else") for at in range(60))
    (tmp_path / "a.csv").write_text(f"time,namespace,pod,rss_bytes\n{rows}")
    asked = {"namespace": "shop", "start": instant(T0), "end": instant(T0 + 300)}
    found = rm.read([exporters.url, tmp_path / "a.csv"], **asked)
    assert found.containers["namespace"].unique().to_list() == ["shop"]
    assert "db" in found.containers["pod"]
    times = found.samples["time"].dt.epoch("s")
    assert (times.min(), times.max()) == (T0, T0 + 300)


@pytest.mark.skipif(
    shutil.which("promtool") is None, reason="needs Debian's package prometheus: apt install prometheus"
)
def test_a_lake_of_series_that_nothing_tells_apart_is_said_to_lack_one_and_owes_nothing(tmp_path: Path) -> None:
    """Asking again would not help: the pull is done, and whoever reads the lake is told."""
    pod = {"namespace": "shop", "pod": "db-0", "container": "db"}
    both = [
        line
        for image, values in (("db:1", FLAT), ("db:2", LEAK))
        for line in lines(
            "container_memory_working_set_bytes",
            {**pod, "image": image},
            [(T0 + 30 * at, value) for at, value in enumerate(values)],
        )
    ]
    lake = rm.Lake(tmp_path / "lake")
    with (
        Prometheus(tmp_path / "server", both) as server,
        rm.Prometheus(server.url) as source,
        pytest.warns(rm.RmtoolkitWarning, match="^1 container of one name"),
    ):
        into(source, lake, start=instant(T0), end=instant(T0 + 30 * len(FLAT)))
    assert lake.unfinished() == ()
    assert "no label tells them apart" in (rm.assess(lake).incomplete or "")


@pytest.mark.skipif(
    shutil.which("promtool") is None, reason="needs Debian's package prometheus: apt install prometheus"
)
@pytest.mark.parametrize("most", [10_000, 0], ids=["named", "more than can be named"])
def test_processes_are_placed_by_what_opentelemetry_says_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """Their series know a job and an instance; `target_info` knows the pod, and a filter finds them by it."""
    monkeypatch.setattr(_discover, "_LONGEST_LIST", most)
    content: list[str] = []
    for space, values in (("shop", FLAT), ("else", LEAK)):
        at = [(T0 + 30 * number, value) for number, value in enumerate(values)]
        process = {"job": f"{space}/db", "instance": f"{space}-7c2e"}
        place = {"k8s_namespace_name": space, "k8s_pod_name": "db-0", "k8s_container_name": "db"}
        content += lines(
            "container_memory_working_set_bytes", {"namespace": space, "pod": "db-0", "container": "db"}, at
        )
        content += lines("jemalloc_allocated_bytes", process, at)
        content += lines("target_info", {**process, **place}, [(time, 1) for time, _ in at])
    with Prometheus(tmp_path / "server", content) as server:
        ways: list[tuple[dict[str, Any], list[str]]] = [
            ({}, ["else", "shop"]),
            ({"namespace": "shop"}, ["shop"]),
            ({"pod": "db-0"}, ["else", "shop"]),
        ]
        for asked, spaces in ways:
            found = pull(server, **asked)
            assert found.containers.select("namespace", "pod", "container").rows() == [
                (s, "db-0", "db") for s in spaces
            ]
            assert levels(found, "allocated_bytes") == levels(found, "working_set_bytes")
            assert not found.report.left_out
