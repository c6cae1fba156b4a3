"""A lake in an object store, with a real S3 server: read and written like one in a folder, and nothing is lost."""

from __future__ import annotations

import argparse
import os
import re
import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl
import pytest
import requests

import rmtoolkit as rm
from rmtoolkit import cli
from rmtoolkit._io import as_place, is_lake, is_store
from rmtoolkit._parallel import parallel_map
from rmtoolkit._store import Remote
from rmtoolkit.cli import mcp
from rmtoolkit.cli._sources import add_options
from rmtoolkit.exceptions import ReadError, RmtoolkitError, RmtoolkitWarning
from rmtoolkit.recording import Recording
from tests import store
from tests.benchmarks import fleet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distributed import Client

ROOT: Final = Path(__file__).resolve().parents[1]
FAR: Final = "s3://bucket/fleet"
#: As `store.environment` has it.
HUSH: Final = "hush-hush"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The server, for all tests of this file."""
    with store.serving() as url:
        yield url


@pytest.fixture(autouse=True)
def _here(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store of the environment is that server."""
    for name, value in store.environment(server).items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> rm.Lake:
    """A small fleet in a folder; no test changes it."""
    return fleet.write_lake(tmp_path_factory.mktemp("near") / "lake", 6, 144, cadence_ms=1_800_000, buckets=3)


@pytest.fixture
def far(lake: rm.Lake) -> rm.Lake:
    """The same in the store: the files of the folder, copied as they are."""
    for file in lake.path.rglob("*"):
        if file.is_file() and file.name != ".lock":
            inside = file.relative_to(lake.path).as_posix()
            store.put(f"{FAR}/{inside}", file.read_bytes())
    return rm.Lake(FAR)


def test_a_lake_in_a_store_gives_what_the_folder_gives(lake: rm.Lake, far: rm.Lake) -> None:
    """Every question has the same answer."""
    assert is_lake(FAR)
    assert far.times() == lake.times()
    assert far.recording() == lake.recording()
    assert rm.read(FAR) == rm.read(lake.path)
    assert rm.classify(far).equals(rm.classify(lake))
    assert rm.recommend_limits(far.window(last="1d")).equals(rm.recommend_limits(lake.window(last="1d")))
    assert far.scan().select(pl.len()).collect().item() == lake.scan().select(pl.len()).collect().item()
    assert far.partitions().drop("path").equals(lake.partitions().drop("path"))


def test_every_door_takes_the_address(
    lake: rm.Lake, far: rm.Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A card in a terminal, beside a folder of the workload's name; a page; an agent, who gets no other one."""
    monkeypatch.chdir(tmp_path)
    Path("svc-1").mkdir()
    assert far.path == as_place(FAR)
    assert cli.main(["explain", "svc-1", FAR]) == 0
    assert cli.main(["report", FAR, "--last", "2d", "-o", "week.html"]) == 0
    assert f"Covers {lake.containers()['workload'].n_unique()} of" in capsys.readouterr().out
    words = argparse.ArgumentParser()
    add_options(words, "mcp")
    tools = mcp.Tools(words.parse_args([FAR]))
    assert tools.sources()["lines"] == [FAR]
    told = {row["workload"]: row["verdict"] for row in tools.judge(FAR)["workloads"]}
    assert told == dict(rm.classify(lake).select("workload", "verdict").rows())
    with pytest.raises(RmtoolkitError, match="Hint: ask for sources"):
        tools.judge("s3://bucket/other")


def test_what_is_appended_is_what_a_folder_would_have(lake: rm.Lake) -> None:
    """Made by the first append; the same again changes nothing; days come on top, marks of pulls too."""
    far = rm.Lake("s3://bucket/appended", buckets=3)
    whole = lake.recording()
    middle = whole.samples["time"].median()
    first, second = whole.window(end=middle), whole.window(start=middle)  # type: ignore[arg-type]
    assert far.append(first) > 0
    assert far.append(first) == 0
    assert far.append(second) > 0
    assert far.recording().samples.equals(whole.samples)
    assert rm.classify(far).equals(rm.classify(lake))
    begin, end = far.times() or (None, None)
    assert begin is not None
    assert end is not None
    far.note("prometheus", asked=(begin, end))
    assert far.owed("prometheus") == [(begin, end)]
    far.note("prometheus", pulled=(begin, end))
    assert (far.pulled("prometheus"), far.owed("prometheus")) == ([(begin, end)], [])


def table(pod: str) -> Recording:
    """Some samples of one pod of a workload, so that all pods are in one object."""
    times = [60 * at for at in range(50)]
    return Recording.from_frame(pl.DataFrame({"time": times, "workload": "api", "pod": pod, "rss_bytes": 50 << 20}))


def test_writers_of_one_object_lose_nothing() -> None:
    """Six who append to the same object at once: each is read again until its samples stand beside the others'."""
    names = [f"api-{number}" for number in range(6)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda name: rm.Lake("s3://bucket/crowded").append(table(name)), names))
    found = rm.Lake("s3://bucket/crowded").recording()
    assert found.containers["pod"].to_list() == names
    assert found.height == 6 * 50


def test_what_was_written_meanwhile_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between reading and writing somebody else is faster, twice; who never gets through says so, and harms nobody."""
    far = rm.Lake("s3://bucket/overtaken")
    far.append(table("api-0"))
    put, others = Remote.put, iter(["api-1", "api-2"])

    def overtaken(self: Remote, made: bytes) -> bool:
        if (name := next(others, None)) is not None:
            with monkeypatch.context() as undone:
                undone.setattr(Remote, "put", put)
                rm.Lake("s3://bucket/overtaken").append(table(name))
        return put(self, made)

    monkeypatch.setattr(Remote, "put", overtaken)
    far.append(table("api-3"))
    assert far.recording().containers["pod"].to_list() == ["api-0", "api-1", "api-2", "api-3"]
    monkeypatch.setattr(Remote, "put", lambda *_: False)
    monkeypatch.setattr("rmtoolkit._lake_files._STORE_TRIES", 2)
    with pytest.raises(RmtoolkitError, match=r"others wrote it 2 times meanwhile\. Try later"):
        far.append(table("api-4"))


def test_an_append_that_is_killed_can_be_done_again(lake: rm.Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """After any number of objects: what is there is whole, and appending again makes it the same as never killed."""
    whole = lake.recording()
    for written in (0, 1, 5):
        far = rm.Lake(f"s3://bucket/killed-{written}", buckets=3)
        far.make()
        put, left = Remote.put, iter(range(written))

        def killed(self: Remote, made: bytes, put: object = put, left: Iterator[int] = left) -> bool:
            if next(left, None) is None:
                raise KeyboardInterrupt
            return put(self, made)  # type: ignore[operator,no-any-return]

        with monkeypatch.context() as dying:
            dying.setattr(Remote, "put", killed)
            with pytest.raises(KeyboardInterrupt):
                far.append(whole)
        assert far.partitions().height == written
        assert far.partitions()["samples"].null_count() == 0
        far.append(whole)
        assert far.recording().samples.equals(whole.samples)


def test_a_store_without_conditions_is_refused(server: str) -> None:
    """Two who write there would undo each other's: said before anything is in it, and nothing stays behind."""
    with pytest.raises(RmtoolkitError, match="does not keep to conditional writes"):
        rm.Lake(f"s3://{store.DEAF}/lake").append(table("api-0"))
    assert "<Key>" not in requests.get(f"{server}/{store.DEAF}?list-type=2", timeout=60).text


def test_a_prefix_that_holds_other_things_is_no_lake() -> None:
    """Nothing is mixed into them."""
    store.put("s3://bucket/photos/2026/a.jpg", b"x")
    with pytest.raises(RmtoolkitError, match=r"'s3://bucket/photos': the folder holds other things"):
        rm.Lake("s3://bucket/photos").append(table("api-0"))


def test_a_damaged_object_is_named(far: rm.Lake) -> None:
    """With its address; the rest is judged."""
    first = str(far.files()[0])
    store.put(first, b"no parquet")
    with pytest.warns(RmtoolkitWarning, match=f"could not be read; the first: .*{first}"):
        rm.classify(far)


@pytest.mark.parametrize("words", [("classify",), ("pull", "--prometheus", "http://127.0.0.1:9", "-o")], ids=["r", "w"])
def test_trouble_is_one_line_with_a_way_out(
    server: str, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No such bucket, wrong credentials, nobody there, credentials in the address; no secret and no signed address."""

    def said(address: str) -> str:
        assert cli.main([*words, address]) == 2
        shown = capsys.readouterr()
        assert HUSH not in shown.out + shown.err
        assert "X-Amz" not in shown.err
        assert shown.err.count("\n") == 1, shown.err
        return shown.err

    assert "no bucket nowhere" in said("s3://nowhere/lake")
    holds = said(f"s3://AKIDTESTS:{HUSH}@bucket/lake")
    assert "holds credentials. Hint: they come from the environment" in holds
    assert requests.post(f"{server}/moto-api/reset-auth", data="0", timeout=60).ok
    try:
        assert re.search(r"403 Forbidden \(\w+\).*Credentials come from the environment", said(FAR))
    finally:
        assert requests.post(f"{server}/moto-api/reset-auth", data="inf", timeout=60).ok
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    begun = time.monotonic()
    assert "no answer. Hint: See the network" in said(FAR)
    assert time.monotonic() - begun < 45


def test_what_records_keeps_a_lake_current() -> None:
    """`rmtoolkit record -o s3://…`, twice: each run of a program stands for a pod, so that hosts stay apart."""
    for _ in range(2):
        words = ["record", "--name", "api", "-o", "s3://bucket/recorded", "--", sys.executable, "-c", "pass"]
        assert cli.main(words) == 0
    found = rm.Lake("s3://bucket/recorded").recording()
    assert found.containers["workload"].to_list() == ["api", "api"]
    assert found.containers["pod"].n_unique() == 2
    assert found.events["kind"].to_list() == ["start", "end"] * 2


def test_a_file_address_is_a_path(lake: rm.Lake) -> None:
    """``file://`` is read and appended to like the folder."""
    near = rm.Lake(f"file://{lake.path}")
    assert near.path == lake.path
    assert near.append(lake.recording()) == 0


def test_what_is_no_store_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that nobody knows, a package that is missing, a report where only lakes are kept."""
    assert not is_lake("nonsense://bucket/lake")
    assert not is_lake("http://127.0.0.1:1/lake")
    assert is_store("gs://bucket/lake")
    with pytest.raises(RmtoolkitError, match=r"'nonsense://bucket/lake'.*There are: s3, "):
        rm.Lake("nonsense://bucket/lake")
    with pytest.raises(RmtoolkitError, match="only lakes are kept in object stores"):
        table("api-0").write("s3://bucket/a.parquet")
    with pytest.raises(ReadError, match="found 'no lake'"):
        rm.classify(rm.Lake("s3://bucket/none"))
    monkeypatch.setitem(sys.modules, "obstore.exceptions", None)
    with pytest.raises(RmtoolkitError, match=r"Hint: pip install 'rmtoolkit\[fleet\]'"):
        rm.classify(rm.Lake(FAR))
    assert not list(tmp_path.iterdir())


LIMITS: Final = {"here": 900 << 20, "there": 1200 << 20}


@pytest.fixture
def hosts(server: str, tmp_path: Path) -> Iterator[Client]:
    """Dask's workers as on two hosts: nothing of the other's but the scheduler's address and the store."""
    from distributed import Client, LocalCluster

    shared = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "POLARS_MAX_THREADS": "1"}
    with (
        LocalCluster(n_workers=0, dashboard_address=None, silence_logs=50) as scheduler,
        Client(scheduler) as client,
        ExitStack() as ending,
    ):
        address = str(scheduler.scheduler_address)
        for name, limit in LIMITS.items():
            home = tmp_path / name
            home.mkdir()
            words = [sys.executable, "-m", "dask", "worker", address, "--nthreads", "1"]
            words += ["--name", name, "--memory-limit", str(limit), "--local-directory", str(home), "--no-dashboard"]
            alone = {**shared, **store.environment(server), "HOME": str(home), "TMPDIR": str(home)}
            worker = ending.enter_context(
                subprocess.Popen(words, env=alone, cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            )
            ending.callback(worker.kill)
        client.wait_for_workers(2, timeout=120)
        yield client


def who_works(part: Recording) -> dict[str, pl.DataFrame]:
    """Name the host, and what its process has needed so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    names = part.containers.select("container_id", "cluster", "namespace", "workload")
    return {"hosts": names.with_columns(host=pl.lit(Path.cwd().name), peak_bytes=peak)}


def test_two_hosts_judge_a_lake_in_a_store(
    far: rm.Lake, lake: rm.Lake, hosts: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each with its own limit of memory and its own folder: both work, within it; rows are those of one machine."""
    monkeypatch.setattr("rmtoolkit.lake._GROUP_BYTES", 0)
    told = hosts.scheduler_info(n_workers=-1)["workers"].values()
    assert {one["name"]: one["memory_limit"] for one in told} == LIMITS
    assert rm.classify(far, client=hosts).equals(rm.classify(lake))
    assert rm.recommend_limits(far, client=hosts).equals(rm.recommend_limits(lake))
    worked = parallel_map(far, who_works, client=hosts)[0]["hosts"]
    assert set(worked["host"]) == set(LIMITS)
    assert all(row["peak_bytes"] < LIMITS[row["host"]] for row in worked.iter_rows(named=True))
