"""Dask's workers give what one machine gives, whatever happens to them."""

from __future__ import annotations

import datetime as dt
import os
import signal
import socket
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl
import pytest

import rmtoolkit as rm
from rmtoolkit import lake as lake_module
from rmtoolkit._parallel import connected, on_workers, parallel_map
from rmtoolkit.cli import main
from rmtoolkit.exceptions import RmtoolkitError, RmtoolkitWarning
from tests.benchmarks import fleet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distributed import Client, LocalCluster

    from rmtoolkit.recording import Recording

ROOT: Final = Path(__file__).parent.parent
LIVES: Final = 6


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """Two workers in processes of their own, one thread each; Dask takes a second to be imported."""
    from distributed import Client, LocalCluster

    with (
        pytest.MonkeyPatch.context() as patch,
        LocalCluster(
            n_workers=0,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            silence_logs=50,
        ) as cluster,
    ):
        # Workers take what the test sees, and no more threads than they have cores.
        patch.setenv("PYTHONPATH", f"{ROOT}{os.pathsep}{os.environ['PYTHONPATH']}")
        patch.setenv("POLARS_MAX_THREADS", "1")
        cluster.scale(2)
        with Client(cluster) as client:
            client.wait_for_workers(2, timeout=120)
        yield cluster


@pytest.fixture
def client(cluster: LocalCluster) -> Iterator[Client]:
    """Connected, with both workers there, also when the test before has killed one."""
    from distributed import Client

    with Client(cluster) as client:
        client.wait_for_workers(2, timeout=120)
        yield client


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> rm.Lake:
    """A small fleet over seven weeks; no test changes it."""
    folder = tmp_path_factory.mktemp("lake") / "lake"
    return fleet.write_lake(folder, LIVES, 51 * 12, replicas=1, cadence_ms=7_200_000, buckets=2)


@pytest.fixture(autouse=True)
def _every_bucket_is_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small buckets would be taken together."""
    monkeypatch.setattr(lake_module, "_GROUP_BYTES", 0)


@pytest.fixture(autouse=True)
def _workers_go_on(tmp_path: Path) -> Iterator[None]:
    """Who waits for the word gets it however the test ends: else the next one waits for them."""
    yield
    (tmp_path / "go").touch()


def test_workers_give_the_rows_of_one_machine(lake: rm.Lake, client: Client) -> None:
    """Verdicts, pods, answers and limits are equal, row for row and bit for bit."""
    now = dt.datetime.now(dt.UTC)
    far, near = (rm.assess(lake, now=now, client=one) for one in (client, None))
    assert far.workloads.equals(near.workloads)
    assert far.instances.equals(near.instances)
    assert far.checklist.equals(near.checklist)
    assert rm.classify(lake, client=client).equals(rm.classify(near))
    assert rm.recommend_limits(lake, client=client).equals(rm.recommend_limits(near))
    assert rm.learn_margins(lake, client=client) == rm.learn_margins(lake)
    recording = lake.recording()
    assert rm.classify(recording, client=client).equals(rm.classify(recording))


def test_the_report_is_the_same_page(lake: rm.Lake, client: Client, tmp_path: Path) -> None:
    """Byte for byte, whoever judged."""
    date = pl.datetime(2026, 11, 26, time_zone="UTC")
    written = pl.select(date).item()
    pages = [
        rm.report(lake, tmp_path / f"{name}.html", date=written, client=one).read_bytes()
        for name, one in (("far", client), ("near", None))
    ]
    assert pages[0] == pages[1]
    assert f"of {LIVES} containers".encode() in pages[0]


def slowly(part: Recording, *, folder: Path) -> dict[str, pl.DataFrame]:
    """Say who works, and wait for the word to go on."""
    (folder / f"pid-{os.getpid()}").touch()
    while not (folder / "go").exists():
        time.sleep(0.02)
    return {"sizes": part.containers.select("container_id", "workload", "cluster", "namespace")}


def test_a_worker_that_is_killed_loses_nothing(lake: rm.Lake, client: Client, tmp_path: Path) -> None:
    """What it had is done again by another one, and the answer is whole."""
    found: list[pl.DataFrame] = []
    work = partial(slowly, folder=tmp_path)
    run = threading.Thread(
        target=lambda: found.append(parallel_map(lake, work, client=client)[0]["sizes"]), daemon=True
    )
    run.start()
    until = time.monotonic() + 60
    while not list(tmp_path.glob("pid-*")):
        assert time.monotonic() < until
        time.sleep(0.02)
    pid = int(next(tmp_path.glob("pid-*")).name.partition("-")[2])
    assert pid != os.getpid()
    os.kill(pid, signal.SIGKILL)
    (tmp_path / "go").touch()
    run.join(120)
    assert not run.is_alive()
    assert found[0].equals(parallel_map(lake, work)[0]["sizes"])
    assert found[0].height == LIVES


def fatal(item: int) -> int:
    """End the process that works on it."""
    os.kill(os.getpid(), signal.SIGKILL)
    return item


def test_a_part_that_kills_every_worker_is_an_error(
    cluster: LocalCluster, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some workers died at the same part one sentence says so."""
    monkeypatch.setattr(cluster.scheduler, "allowed_failures", 0)
    with pytest.raises(RmtoolkitError, match=r"Dask workers? died at the same part: probably of too little memory"):
        list(on_workers(fatal, [1], client))


def awaited(item: int, *, folder: Path) -> int:
    """Give the first item at once, the others after the word to go on."""
    while item and not (folder / "go").exists():
        time.sleep(0.02)
    return item


def test_a_connection_that_is_lost_is_an_error(client: Client, tmp_path: Path) -> None:
    """One sentence says how many parts were there by then."""
    from distributed import Future

    answers = on_workers(partial(awaited, folder=tmp_path), [0, 1, 2], client)
    assert next(answers) == 0
    client.cancel([Future(key, client) for key in list(client.futures)])
    (tmp_path / "go").touch()
    with pytest.raises(RmtoolkitError, match=r"gave back only 1 of 3 parts: the connection .* was lost"):
        next(answers)


def failing(item: int, *, folder: Path) -> int:
    """Fail at the first item; the others wait."""
    return 1 // awaited(item, folder=folder)


def test_after_a_fault_nothing_is_left_to_the_workers(client: Client, tmp_path: Path) -> None:
    """The parts that nobody will ask for are taken back, though who caught the error may hold on to it."""
    answers = on_workers(partial(failing, folder=tmp_path), [0, 1, 2, 3, 4], client)
    with pytest.raises(ZeroDivisionError) as caught:
        next(answers)
    assert caught.traceback
    assert not client.futures
    (tmp_path / "go").touch()


def test_a_damaged_day_is_named_from_afar(client: Client, tmp_path: Path) -> None:
    """A worker's trouble with a file reaches who asked: warned of, named and counted."""
    lake = fleet.write_lake(tmp_path / "lake", 4, 96, cadence_ms=1_800_000, buckets=2)
    file = lake.files()[0]
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.warns(RmtoolkitWarning, match=rf"1 of {len(lake.files())} files .* not be read; .*{file.name}"):
        found = rm.assess(lake, client=client)
    assert found.recording.report.left_out["files that could not be read"] == 1
    assert any(file.name in line for line in found.recording.report.partial)


@pytest.mark.parametrize("words", ["classify --last 7d", "limits --workload svc-1"])
@pytest.mark.usefixtures("client")
def test_the_command_line_takes_a_scheduler(
    words: str, lake: rm.Lake, cluster: LocalCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--scheduler` prints what the command prints without."""
    command, *options = words.split()
    near, far = (
        (main([command, str(lake.path), *options, *more]), capsys.readouterr())
        for more in ((), ("--scheduler", cluster.scheduler_address))
    )
    assert near[0] == 0
    assert far == near


def test_a_scheduler_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence with the address, no traceback."""
    monkeypatch.setattr("rmtoolkit._parallel._PATIENCE", "1s")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(RmtoolkitError, match=rf"No Dask scheduler answers at '{address}'"), connected(address):
        pass
    with connected(None) as nobody:
        assert nobody is None
