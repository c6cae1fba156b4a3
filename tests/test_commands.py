"""What the command line hands to servers, clusters and lakes, and how it ends."""

from __future__ import annotations

import dataclasses
import datetime as dt
import errno
import gc
import io
import json
import os
import signal
import stat
import subprocess
import sys
import threading
from email.message import Message
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Self
from urllib.error import HTTPError

import pytest

from rmtoolkit import cli
from rmtoolkit.cli import dashboard
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.text import texts
from tests import fleet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rmtoolkit.recording import Recording


class _Server:
    """Stands for Voilà: notes how it was started, answers at the third call, and ends when it is told to."""

    started: list[_Server]
    ends, stubborn, says = True, False, b""
    answers: tuple[int, ...] = ()

    def __init__(self, words: list[str], **how: Any) -> None:
        self.words, self.how = words, how
        home = Path(words[3])
        self.files = {
            path.relative_to(home).as_posix(): path.read_bytes() for path in home.rglob("*") if path.is_file()
        }
        self.folders = sorted(path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_dir())
        self.mode = stat.S_IMODE(home.stat().st_mode)
        self.handled = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        self.done: list[str] = []
        how["stdout"].write(self.says)
        how["stdout"].flush()
        _Server.started.append(self)

    def poll(self) -> int | None:
        return 0 if not self.ends or "terminated" in self.done else None

    def wait(self, seconds: float | None = None) -> None:
        self.done.append(f"waited {seconds}")
        if "terminated" not in self.done:
            os.kill(os.getpid(), signal.SIGTERM)
        elif self.stubborn and seconds is not None:
            raise subprocess.TimeoutExpired(self.words, seconds)

    def terminate(self) -> None:
        self.done.append("terminated")

    def kill(self) -> None:
        self.done.append("killed")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> type[_Server]:
    """No server is started, no browser is opened, nothing is asked for."""
    calls: list[str] = []

    def asked(address: str, timeout: float) -> Any:
        calls.append(f"{address} {timeout}")
        if len(calls) < 3:
            raise OSError(errno.ECONNREFUSED, "refused")
        raise HTTPError(address, 404, "not there", Message(), None)

    _Server.started, _Server.ends, _Server.stubborn, _Server.says = [], True, False, b""
    monkeypatch.setattr("subprocess.Popen", _Server)
    monkeypatch.setattr("urllib.request.urlopen", asked)
    monkeypatch.setattr("secrets.token_urlsafe", lambda length: f"token of {length}")
    monkeypatch.setattr("webbrowser.open", lambda address: calls.append(f"browser {address}"))
    monkeypatch.setenv("JUPYTER_PATH", "/its/own")
    monkeypatch.setenv("RMTOOLKIT_TOKEN", "secret")
    _Server.calls = calls  # type: ignore[attr-defined]
    return _Server


def test_dashboards_are_served_from_a_home_of_their_own(
    server: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Words, environment, files and settings of the server; a page that leads there is opened; a kill ends it all."""
    source = fleet.recording().filter(workload="few-samples").write(tmp_path / "few.parquet")
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert cli.main(["dashboard", str(source)]) == 0
    (one,) = server.started
    *words, folder, runtime, port = one.words
    address, home = f"http://127.0.0.1:{port}/", Path(folder)
    assert words == [sys.executable, "-m", "rmtoolkit.cli.dashboard"]
    assert runtime == folder
    assert dashboard._words(int(port), home) == [
        "--no-browser",
        f"--port={port}",
        f"--Voila.connection_dir_root={folder}",
        "--Voila.port_retries=0",
        "--Voila.ip=127.0.0.1",
        "--template=rmtoolkit",
        "--KernelManager.transport=ipc",
        "--VoilaConfiguration.file_allowlist=[]",
    ]
    assert 0 < int(port) < 1 << 16
    environment = {name: value for name, value in one.how["env"].items() if os.environ.get(name) != value}
    assert environment == {
        "RMTOOLKIT_DASHBOARD": str(home / "judged"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_PATH": f"{home / 'share'}:/its/own",
        "JUPYTER_RUNTIME_DIR": folder,
        "RMTOOLKIT_TOKEN": "",
        "RMTOOLKIT_PASSWORD": "",
    }
    assert (one.how["stdin"], one.how["stderr"], one.how["start_new_session"], one.mode) == (-1, -2, True, 0o700)
    template = "share/voila/templates/rmtoolkit"
    assert set(one.files) - {"judged"} == {
        "config/voila.json",
        "dashboard.ipynb",
        "open.html",
        "server.log",
        f"{template}/conf.json",
        f"{template}/index.html.j2",
    }
    assert one.folders == ["config", "share", "share/voila", "share/voila/templates", template]
    heated = {"preheat_kernel": True, "default_pool_size": 1}
    assert json.loads(one.files["config/voila.json"]) == {
        "Voila": {"token": "token of 24"},
        "VoilaConfiguration": heated,
    }
    assert json.loads(one.files[f"{template}/conf.json"]) == {"base_template": "lab"}
    assert (
        b"replace('https://cdn.jsdelivr.net/npm/@fortawesome/', 'data:text/css,')"
        in one.files[f"{template}/index.html.j2"]
    )
    notebook = json.loads(one.files["dashboard.ipynb"])
    assert notebook["cells"][0]["source"] == "from rmtoolkit.views.dashboards.fleet import served\n\nserved()"
    assert (notebook["nbformat"], notebook["metadata"]["kernelspec"]["name"]) == (4, "python3")
    assert f'url={address}?token=token of 24"'.encode() in one.files["open.html"]
    page = (home / "open.html").as_uri()
    assert server.calls == [*[f"{address}voila/static/none 5"] * 3, f"browser {page}"]
    assert one.done == ["waited None", "terminated", "waited 15"]
    said = "Only this machine can reach them, and only with this address. Ctrl-C stops."
    assert capsys.readouterr().out == f"Dashboards: {page}\n{said}\n\n"
    assert not home.exists()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert set(one.handled) == set(before)


def test_a_server_that_ends_at_once_says_why(server: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Its last line is ours; nothing is opened; without a browser none is asked for."""
    server.ends = False
    for said, told in ((b"", "it said nothing"), (b"1\n\xff" + b"x" * 300 + b"\n", f"�{'x' * 199}")):
        server.says = said
        with pytest.raises(RmtoolkitError, match=rf"^The server of the dashboards did not start: {told}\.$"):
            dashboard.serve(b"", port=0, browser=False)
    assert [one.done for one in server.started] == [[], []]
    assert server.calls == []
    assert capsys.readouterr().out == ""
    server.ends = True
    dashboard.serve(b"", port=0, browser=False)
    assert not [call for call in server.calls if call.startswith("browser")]


@pytest.mark.parametrize("stubborn", [True, False])
def test_no_server_stays_behind(
    server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, stubborn: bool
) -> None:
    """One that does not end when it is told to is killed; sockets of kernels have a folder that is short enough."""
    home = tmp_path / ("long" * 20)
    home.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(home))
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    server.stubborn = stubborn
    assert dashboard.serve(b"", port=0, browser=False) == 0
    (one,) = server.started
    assert one.done == ["waited None", "terminated", "waited 15", *(["killed", "waited None"] if stubborn else [])]
    runtime = Path(one.words[4])
    assert runtime.name.startswith("rm-")
    assert len(str(runtime)) < 40
    assert not list(home.iterdir())
    assert not runtime.exists()


def test_a_server_that_does_not_end_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Who started it is gone: it is told to end, and what is there is cleared before it is made to."""
    home, runtime = tmp_path / "home", tmp_path / "runtime"
    home.mkdir()
    runtime.mkdir()
    over = threading.Event()
    done: list[object] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [])
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))
    monkeypatch.setattr("time.sleep", lambda seconds: done.append(f"waited {seconds:g}"))
    monkeypatch.setattr("os.kill", lambda process, number: done.append((process, number)))

    def ends(status: int) -> None:
        done.append((status, home.exists(), runtime.exists()))
        over.set()

    monkeypatch.setattr("os._exit", ends)
    monkeypatch.setattr("runpy.run_module", lambda *_, **__: over.wait(30))
    dashboard._host(home, runtime, 1234)
    assert done == [(os.getpid(), signal.SIGTERM), "waited 15", (0, False, False)]


@pytest.mark.parametrize(
    ("lacks", "said"), [(("voila",), "voila, which is"), (("voila", "ipykernel"), "voila, ipykernel, which are")]
)
def test_what_serves_must_be_there(monkeypatch: pytest.MonkeyPatch, lacks: tuple[str, ...], said: str) -> None:
    """What is missing is named, and what brings it."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name in lacks else object())
    with pytest.raises(
        RmtoolkitError, match=rf"^The dashboards need {said} not installed\. Hint: pip install 'rmtoolkit\[notebook\]'"
    ):
        dashboard.check()


@pytest.mark.usefixtures("server")
def test_a_port_that_is_taken_is_named() -> None:
    """The system's words, in small letters, and what helps."""
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            RmtoolkitError, match=f"^Could not listen on port {port}: address already in use. Hint: without --port"
        ):
            dashboard.serve(b"", port=port, browser=False)
    for port in (-1, 1 << 16):
        with pytest.raises(RmtoolkitError, match=f"^A port is a number from 1 to 65535, got {port}.$"):
            dashboard.serve(b"", port=port, browser=False)


def test_pull_hands_over_what_it_was_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every option arrives; what was pulled is said; a polite kill stops it as Ctrl-C does."""
    seen: list[Any] = []
    begin = dt.datetime(2026, 11, 16, 3, tzinfo=dt.UTC)

    def pulled(server: Any, lake: Any, **asked: Any) -> Any:
        seen.append((server, Path(str(lake.path)), asked, signal.getsignal(signal.SIGTERM)))
        return SimpleNamespace(start=begin, end=begin + dt.timedelta(hours=4), samples=12_345, files=1)

    class Connection:
        def __init__(self, url: str, **how: Any) -> None:
            self.told = (url, how)

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr("rmtoolkit.loaders.prometheus.live.server_at", Connection)
    monkeypatch.setattr("rmtoolkit.loaders.pull.pull", pulled)
    before = signal.getsignal(signal.SIGTERM)
    lake = tmp_path / "lake"
    words = ["pull", "--prometheus", "http://here:9090", "-o", str(lake)]
    more = (
        "--last 3d --start 2026-11-16 --end 2026-11-17 --namespace a --namespace b --workload c --step 1h --overlap 5m"
    )
    try:
        assert cli.main(words) == 0
        assert (
            cli.main(
                [
                    *words,
                    *more.split(),
                    "--again",
                    "--token-file",
                    "t",
                    "--tenant",
                    "x",
                    "--ca-file",
                    "y",
                    "--remote-read",
                ]
            )
            == 0
        )
    finally:
        signal.signal(signal.SIGTERM, before)
    (plain, folder, asked, handler), (full, _, all_asked, _) = seen
    assert (folder, handler) == (lake, signal.default_int_handler)
    assert plain.told == ("http://here:9090", {})
    assert full.told == ("http://here:9090", {"token_file": "t", "tenant": "x", "ca_file": "y", "remote_read": True})
    assert asked == {"overlap": "10m", "again": False, "progress": None}
    assert all_asked == {
        "last": "3d",
        "start": "2026-11-16",
        "end": "2026-11-17",
        "namespace": ["a", "b"],
        "workload": ["c"],
        "step": "1h",
        "overlap": "5m",
        "again": True,
        "progress": None,
    }
    out, err = capsys.readouterr()
    line = f"Pulled: {lake} (2026-11-16 03:00 to 2026-11-16 07:00 UTC; 12,345 samples fetched, 1 file written)\n"
    assert out == line * 2
    assert err == ""


def test_a_terminal_is_told_how_far_a_pull_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line that is written over, and taken away at the end."""
    begin = dt.datetime(2026, 11, 16, 3, tzinfo=dt.UTC)

    def pulled(*_: object, progress: Any, **__: object) -> Any:
        progress(begin, 1234)
        return SimpleNamespace(start=begin, end=begin, samples=1, files=2)

    monkeypatch.setattr("rmtoolkit.loaders.pull.pull", pulled)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert cli.main(["pull", "--prometheus", "http://here:9090", "-o", "lake"]) == 0
    finally:
        signal.signal(signal.SIGTERM, before)
    out, err = capsys.readouterr()
    assert err == "\rpulled to 2026-11-16 03:00, 1,234 samples\x1b[K\r\x1b[K"
    assert out.endswith("1 sample fetched, 2 files written)\n")


def _few() -> Recording:
    return fleet.recording().filter(workload="few-samples")


def test_record_of_a_cluster_hands_over_what_it_was_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Namespace, context, interval and duration, and nothing that nobody typed."""
    seen: list[Any] = []

    def recorded(*_: object, **asked: object) -> Recording:
        seen.append(asked)
        return _few()

    monkeypatch.setattr("rmtoolkit.loaders.record_kubectl.record_kubectl", recorded)
    assert cli.main(["record", "--kubectl", "-o", "a.jsonl"]) == 0
    words = "record --kubectl -n shop --context c --interval 5s --duration 1h -o a.jsonl"
    assert cli.main(words.split()) == 0
    assert cli.main(["record", "--kubectl", "-A", "-o", "a.jsonl"]) == 0
    assert seen == [
        {"all_namespaces": False},
        {"namespace": "shop", "all_namespaces": False, "context": "c", "interval": "5s", "duration": "1h"},
        {"all_namespaces": True},
    ]
    assert capsys.readouterr().out == "Recorded: a.jsonl (12 samples of 1 container)\n" * 3


@dataclasses.dataclass
class _Recorder:
    """Stands for what samples a process: three samples, the second the highest."""

    how: dict[str, Any]

    def samples(self) -> Iterator[dict[str, int]]:
        assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler
        yield {"rss_bytes": 5 << 20}
        yield {"working_set_bytes": 9 << 20, "rss_bytes": 1 << 20}
        yield {}
        os.kill(os.getpid(), signal.SIGTERM)

    def recording(self) -> Recording:
        return fleet.recording().filter(workload="killed-climbs")


@pytest.mark.parametrize("terminal", [True, False], ids=["terminal", "pipe"])
def test_record_of_a_process_hands_over_what_it_was_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], terminal: bool
) -> None:
    """Seconds, name and file; a kill ends it well; on a terminal each half second says how it goes, with the peak."""
    made: list[_Recorder] = []
    clock = iter([0.0, 0.3, 61.0, 61.6, 99.0])

    def recorder(**how: object) -> _Recorder:
        made.append(_Recorder(how))
        return made[-1]

    monkeypatch.setattr("rmtoolkit.loaders.record.Recorder", recorder)
    monkeypatch.setattr("rmtoolkit.cli.record.time", SimpleNamespace(monotonic=lambda: next(clock)))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)]
    assert (
        cli.main(["record", "--pid", "7", "--interval", "20ms", "--duration", "2m", "--name", "api", "-o", "a.parquet"])
        == 0
    )
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)] == before
    nothing = {"command": None, "cgroup": None, "path": "a.parquet"}
    assert made[0].how == nothing | {"pid": 7, "interval_seconds": 0.02, "duration_seconds": 120.0, "name": "api"}
    out, err = capsys.readouterr()
    assert out == "Recorded: a.parquet (289 samples of 1 container), start\n"
    shown = ["  1:01  2 samples  9 Mi, peak 9 Mi", "  1:01  3 samples  0 Mi, peak 9 Mi"]
    assert err == ("".join(f"\r{line}\x1b[K" for line in shown) if terminal else "")


def test_a_report_is_printed_beside_the_page(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the same date in both."""
    source = fleet.recording().filter(workload="few-samples").write(tmp_path / "few.parquet")
    printed: list[str] = []

    def prints(html: str, target: Path) -> None:
        printed.append(html)
        target.write_bytes(b"%PDF")

    monkeypatch.setattr("rmtoolkit.views.report.files.print_page", prints)
    page, paper = tmp_path / "week.html", tmp_path / "week.pdf"
    words = ["report", str(source), "-o", str(page), "--pdf", str(paper), "--date", "2026-11-25T04:06"]
    assert cli.main(words) == 0
    assert printed == [page.read_text("utf-8")]
    assert "25 Nov 2026 04:06" in printed[0]
    assert capsys.readouterr().out.splitlines()[:2] == [f"Report: {page}", f"PDF: {paper}"]


def test_who_calls_the_command_line_keeps_what_is_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a process of ours looks for garbage less often, and has one thread for matrices."""
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS")
    kept: list[Any] = []
    monkeypatch.setattr("atexit.register", lambda *what: kept.append(what))
    monkeypatch.setattr("gc.set_threshold", kept.append)
    monkeypatch.setattr("rmtoolkit.cli._sources.read", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    assert cli.main(["classify", "a"]) == 130
    assert (kept, os.environ.get("OPENBLAS_NUM_THREADS")) == ([], None)
    monkeypatch.setattr(sys, "argv", ["rmtoolkit", "classify", "a"])
    assert cli.main() == 130
    assert (kept, os.environ.get("OPENBLAS_NUM_THREADS")) == ([100_000, (gc.freeze,)], "1")


def test_a_thread_cannot_handle_signals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere than in the main thread both commands leave signals alone."""
    monkeypatch.setattr("rmtoolkit.loaders.record_kubectl.record_kubectl", lambda *_, **__: _few())
    begin = dt.datetime(2026, 11, 16, 3, tzinfo=dt.UTC)
    done = SimpleNamespace(start=begin, end=begin, samples=1, files=1)
    monkeypatch.setattr("rmtoolkit.loaders.pull.pull", lambda *_, **__: done)
    found: list[int] = []
    words = ("record --kubectl -o a.jsonl", "pull --prometheus http://here:9090 -o lake")
    thread = threading.Thread(target=lambda: found.extend(cli.main(one.split()) for one in words), daemon=True)
    thread.start()
    thread.join(60)
    assert found == [0, 0]


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (KeyboardInterrupt(), 130, "rmtoolkit: stopped.\n"),
        (
            OSError(28, "No space left on device", "a.csv"),
            2,
            "rmtoolkit: Could not read or write 'a.csv': no space left on device.\n",
        ),
        (OSError("Odd"), 2, "rmtoolkit: Could not read or write: odd.\n"),
        (
            ValueError(f"a\n{'b' * 300}"),
            2,
            f"rmtoolkit: internal error, ValueError: a {'b' * 186} (a bug; RMTOOLKIT_TRACEBACK=1 shows where)\n",
        ),
    ],
    ids=["ctrl-c", "disk", "system", "bug"],
)
def test_every_end_has_a_status_and_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, status: int, said: str
) -> None:
    """What ended it is one line on stderr; with RMTOOLKIT_TRACEBACK a bug is raised."""

    def fails(_: object) -> None:
        raise error

    monkeypatch.delenv("RMTOOLKIT_TRACEBACK", raising=False)
    monkeypatch.setattr("rmtoolkit.cli._sources.read", fails)
    assert cli.main(["classify", "a"]) == status
    assert capsys.readouterr() == ("", said)
    monkeypatch.setenv("RMTOOLKIT_TRACEBACK", "1")
    if isinstance(error, ValueError):
        with pytest.raises(ValueError, match="a"):
            cli.main(["classify", "a"])


def test_every_option_of_the_file_is_taken() -> None:
    """A command's options and groups are those that it takes, and each that all share is taken by some."""
    told = texts("cli/commands")
    taken: set[str] = set()

    def inside(one: str) -> set[str]:
        return {one}.union(*map(inside, told["groups"].get(one, {"takes": []})["takes"]))

    for name, about in told["commands"].items():
        every = set[str]().union(*map(inside, about["takes"]))
        mine = every - told["groups"].keys()
        assert about.get("options", {}).keys() <= mine, name
        assert mine <= {*about.get("options", {}), *told["options"]}, name
        taken |= every
    assert {*told["options"], *told["groups"]} <= taken
