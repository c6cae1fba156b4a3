"""The GitHub Action: its own shell, run against a stand-in for GitHub's API on loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).resolve().parents[1]
ACTION: Final[dict[str, Any]] = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
SAMPLES: Final = ROOT / "data" / "samples"


class _GitHub(ThreadingHTTPServer):
    """Keeps comments and statuses, as GitHub does."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.comments: list[dict[str, Any]] = []
        self.statuses: list[tuple[str, str]] = []
        self.refuses = False


class _Handler(BaseHTTPRequestHandler):
    def _any(self) -> None:
        assert isinstance(self.server, _GitHub)
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "null")
        hub, path = self.server, self.path.removeprefix("/repos/team/api")
        answer: Any = {}
        if hub.refuses or self.headers["Authorization"] != "Bearer t0ken":
            self.send_response(403)
        else:
            self.send_response(200)
            if path.startswith("/statuses/"):
                hub.statuses.append((path.rpartition("/")[2], body["state"]))
            elif self.command == "PATCH":
                hub.comments[int(path.rpartition("/")[2])]["body"] = body["body"]
            elif self.command == "POST":
                hub.comments.append({"id": len(hub.comments), "user": {"type": "Bot"}, **body})
            else:
                answer = hub.comments
        said = json.dumps(answer).encode()
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST = do_PATCH = _any  # noqa: N815 - names of the base class

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        """Stay silent."""


@pytest.fixture
def github() -> Iterator[_GitHub]:
    """A stand-in for GitHub's API."""
    hub = _GitHub()
    thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield hub
    hub.shutdown()
    hub.server_close()
    thread.join()


def step(github: _GitHub, folder: Path, source: str, **inputs: str) -> subprocess.CompletedProcess[str]:
    """Run the second step as the runner does: defaults, inputs, and the environment that it gives."""
    venv = folder / "rmtoolkit" / "bin"
    venv.mkdir(parents=True, exist_ok=True)
    if not (venv / "python").exists():
        (venv / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n', "utf-8")
        (venv / "python").chmod(0o755)
    event = folder / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 7, "head": {"sha": "abc"}}}), "utf-8")
    given = {name: str(about.get("default", "")) for name, about in ACTION["inputs"].items()}
    given |= {"source": source, "token": "t0ken", **{name.replace("_", "-"): value for name, value in inputs.items()}}
    judge = ACTION["runs"]["steps"][1]
    told = {name: given[value[len("${{ inputs.") : -len(" }}")]] for name, value in judge["env"].items()}
    runner = {
        "RUNNER_TEMP": str(folder),
        "GITHUB_ACTION_PATH": str(ROOT),
        "GITHUB_OUTPUT": str(folder / "output"),
        "GITHUB_STEP_SUMMARY": str(folder / "summary"),
        "GITHUB_EVENT_PATH": str(event),
        "GITHUB_SHA": "merge",
        "GITHUB_REPOSITORY": "team/api",
        "GITHUB_API_URL": f"http://127.0.0.1:{github.server_port}",
        "PYTHONPATH": str(ROOT),
    }
    words = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", judge["run"]]
    environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **runner, **told}
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_a_leak_fails_the_step_and_is_told_once(github: _GitHub, tmp_path: Path) -> None:
    """Status 1, a failed status of the commit, a summary, one comment that the next run renews; no token in the log."""
    for _ in range(2):
        done = step(github, tmp_path, str(SAMPLES / "mellow-jackdaw"))
        assert done.returncode == 1, done.stderr
        assert "t0ken" not in done.stdout + done.stderr
    assert github.statuses == [("abc", "failure")] * 2
    (comment,) = github.comments
    assert comment["body"].startswith("<!-- rmtoolkit -->\n")
    assert "mellow-jackdaw" in comment["body"]
    assert comment["body"].removeprefix("<!-- rmtoolkit -->\n") in (tmp_path / "summary").read_text("utf-8")
    folder = Path((tmp_path / "output").read_text("utf-8").splitlines()[0].removeprefix("folder="))
    assert (folder / "report.html").is_file()
    assert (folder / "limits.yaml").is_file()


def test_what_is_healthy_passes_whatever_github_refuses(github: _GitHub, tmp_path: Path) -> None:
    """A pull request from a fork may write nothing: said as a warning, and the step ends as the verdict says."""
    github.refuses = True
    done = step(github, tmp_path, str(SAMPLES / "young-badger.json"), fail_on="leak oom")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("::warning::GitHub did not take the") == 3
    assert (github.comments, github.statuses) == ([], [])


def obeyed(log: str) -> list[str]:
    """Lines of a log that a runner takes for its own commands: `::name::`, and `##[name]` anywhere in a line."""
    found, until = [], None
    for line in log.splitlines():
        if until is not None:
            until = None if line.strip() == f"::{until}::" else until
        elif line.startswith("::stop-commands::"):
            until = line.removeprefix("::stop-commands::")
        elif line.strip().startswith("::") or "##[" in line:
            found.append(line)
    assert until is None
    return found


def test_names_give_the_runner_no_commands(github: _GitHub, tmp_path: Path) -> None:
    """A file that is called like a command of the runner is named while the runner obeys none."""
    folder = tmp_path / "recordings"
    folder.mkdir()
    rows = "".join(f"{1_795_000_000 + 60 * at},web,{200 << 20},{512 << 20}\n" for at in range(240))
    (folder / "table.csv").write_text(f"time,workload,rss_bytes,limit_bytes\n{rows}", "utf-8")
    (folder / "##[set-output name=folder;]evil.csv").write_text("time,rss_bytes\nx,y\n", "utf-8")
    done = step(github, tmp_path, str(folder))
    assert done.returncode == 0, done.stderr
    # The runner reads both as one log.
    assert "##[set-output" in done.stderr
    begun, *_, ended = [line for line in done.stdout.splitlines() if line.startswith("::")]
    assert begun.removeprefix("::stop-commands::") == ended.strip(":")
    assert obeyed(done.stdout.replace(ended, f"{done.stderr}\n{ended}")) == []


def test_inputs_are_words_never_code(github: _GitHub, tmp_path: Path) -> None:
    """A source that looks like shell or like an option is a name that is not there; status 2 becomes an error."""
    for source in ("$(touch pwned); `touch pwned`", "--output=pwned"):
        done = step(github, tmp_path, source, comment="false")
        assert done.returncode == 2
        assert not (tmp_path / "pwned").exists()
    assert github.statuses == [("abc", "error")] * 2
    assert github.comments == []
    scripts = [one["run"] for one in ACTION["runs"]["steps"]]
    assert not [script for script in scripts if "${{" in script]
    assert not [one for one in ACTION["runs"]["steps"] if "uses" in one]


def test_what_is_installed_is_what_the_lock_pins(tmp_path: Path) -> None:
    """The first step turns the lock into constraints that pip understands: every pin, no hash, no continued line."""
    (sed,) = (line.strip() for line in ACTION["runs"]["steps"][0]["run"].splitlines() if line.strip().startswith("sed"))
    (tmp_path / "rmtoolkit").mkdir()
    environment = {"PATH": os.environ["PATH"], "RUNNER_TEMP": str(tmp_path), "GITHUB_ACTION_PATH": str(ROOT)}
    subprocess.run(["bash", "-euo", "pipefail", "-c", sed], env=environment, check=True)  # noqa: S607 - from PATH
    made = (tmp_path / "rmtoolkit" / "constraints.txt").read_text("utf-8")
    pins = [line for line in made.splitlines() if line and not line.lstrip().startswith("#")]
    locked = (ROOT / "requirements.lock").read_text("utf-8")
    assert [pin.split("==")[0] for pin in pins] == [
        line.split("==")[0] for line in locked.splitlines() if line[:1].isalnum()
    ]
    assert "--hash" not in made
    assert not [pin for pin in pins if pin.endswith("\\")]
