"""`rmtoolkit record` of what runs on this machine, as a user starts and stops it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

import rmtoolkit as rm
from rmtoolkit.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT: Final = Path(__file__).parent.parent
THREADS: Final = "OPENBLAS_NUM_THREADS"
SLEEPER: Final = [sys.executable, "-c", f"import os, time; print(os.getenv({THREADS!r}), flush=True); time.sleep(60)"]

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def started(*words: str) -> subprocess.Popen[str]:
    """The command line in a process of its own."""
    command = [sys.executable, "-m", "rmtoolkit", "record", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)


def test_a_command_is_recorded_and_its_output_stays_its_own(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The program's output is alone on stdout; what became of it is said on stderr; the status is 0."""
    file = tmp_path / "api.parquet"
    code = "import sys; print('mine'); sys.exit(7)"
    words = ["record", "-o", str(file), "--interval", "10ms", "--name", "api", "--", sys.executable, "-c", code]
    assert main(words) == 0
    out, err = capfd.readouterr()
    assert out == "mine\n"
    assert "error: exit status 7" in err
    recording = rm.read(file)
    assert recording.containers["workload"].to_list() == ["api"]
    assert recording.events["kind"].to_list() == ["start", "error"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=["ctrl-c", "term", "hangup"])
def test_a_signal_ends_the_recording_with_a_whole_file(tmp_path: Path, number: int) -> None:
    """Ctrl-C, SIGTERM and a closed terminal end the command that was started as it is, write the file and say so."""
    file = tmp_path / "api.parquet"
    with started("-o", str(file), "--interval", "20ms", "--", *SLEEPER) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"{os.getenv(THREADS)}\n"
        until(file.exists)
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert "stopped by the recorder" in err
    assert out == ""
    recording = rm.read_recording(file)
    assert recording.samples.height >= 1
    assert recording.events["kind"].to_list() == ["start", "end"]


def test_a_kill_leaves_a_file_that_can_be_read(tmp_path: Path) -> None:
    """SIGKILL takes what was not written yet, and no more."""
    file = tmp_path / "self.parquet"
    with started("-o", str(file), "--interval", "5ms", "--pid", str(os.getpid())) as process:
        until(file.exists)
        process.kill()
    assert rm.read_recording(file).samples.height >= 1


@pytest.mark.parametrize("terminal", [False, True])
def test_a_process_is_recorded_for_a_while(
    tmp_path: Path, terminal: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """--pid with --duration ends by itself; on a terminal one line is written over, and then away, and in none."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    file = tmp_path / "self.parquet"
    words = ["record", "--pid", str(os.getpid()), "--interval", "20ms", "--duration", "100ms", "-o", str(file)]
    assert main(words) == 0
    out, err = capsys.readouterr()
    assert "Recorded: " in out
    line = r"(\r  0:0\d  \d+ samples  [\d.,]+ Mi, peak [\d.,]+ Mi\x1b\[K)+\r\x1b\[K"
    assert re.fullmatch(line if terminal else "", err)
    assert rm.read(file).samples["rss_bytes"].null_count() == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "one of --pid N, --cgroup PATH, --kubectl, or -- COMMAND"),
        (["--pid", "1", "--", "ls"], "one of --pid N"),
        (["--pid", "1", "-n", "shop"], "-n is for --kubectl"),
        (["--kubectl", "--name", "api"], "--name is not for --kubectl"),
        (["--pid", "99999999"], "no such process"),
        (["--cgroup", "/no/such"], "no memory.current"),
        (["--", "/no/such/program"], "Could not start '/no/such/program'"),
        (["--pid", "1", "--interval", "soon"], "'soon' is no duration"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    tmp_path: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What cannot be recorded is said before a file is made."""
    file = tmp_path / "a.parquet"
    assert main(["record", "-o", str(file), *words]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert not file.exists()
