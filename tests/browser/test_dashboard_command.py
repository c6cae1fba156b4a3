"""`rmtoolkit dashboard`: a page of all dashboards from one command, for this machine and whoever has the address."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from rmtoolkit.cli import dashboard, main
from rmtoolkit.exceptions import RmtoolkitError
from tests.browser.hosts import ROOT
from tests.views.services import shop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.browser.hosts import Opened

#: A name that would run, were it ever formatted into code, a shell line or markup.
HOSTILE = """a'"); import os; os._exit(3) #$(touch x)`<img src=x onerror=alert(1)>.parquet"""


def start(*words: str, cwd: Path) -> subprocess.Popen[str]:
    """The command as people run it."""
    return subprocess.Popen(
        [sys.executable, "-m", "rmtoolkit", "dashboard", *words],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(ROOT), "TZ": "UTC"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server of a recording under a hostile name, and its address."""
    folder = tmp_path_factory.mktemp("served")
    shop().write(folder / HOSTILE.replace("/", "_"))
    running = start(HOSTILE.replace("/", "_"), "--no-browser", cwd=folder)
    assert running.stdout is not None
    line = running.stdout.readline()
    found = re.search(r"http://127\.0\.0\.1:\d+/\?token=\S+", line)
    if found is None:
        running.kill()
        pytest.fail(f"{line} {running.communicate()}")
    yield running, found[0]
    if running.poll() is None:
        running.send_signal(signal.SIGINT)
        running.wait(60)


def answered(address: str) -> str:
    """What somebody without a token gets."""
    try:
        with urllib.request.urlopen(address, timeout=60) as answer:  # noqa: S310 - this machine
            return "log in" if "/login?" in answer.url else str(answer.url)
    except urllib.error.HTTPError as error:
        return str(error.code)


@pytest.mark.browser
def test_one_command_serves_all_dashboards(
    served: tuple[subprocess.Popen[str], str], new: Callable[..., Opened]
) -> None:
    """Fleet, Triage and Limits of a file with a hostile name; the page asks nobody else for anything."""
    opened = new()
    page = opened.page
    page.goto(served[1], wait_until="commit", timeout=180_000)
    expect(page.locator("table.rm-fleet tbody tr")).to_have_count(3, timeout=180_000)
    show = page.get_by_role("group", name="Show")
    show.get_by_role("button", name="Limits").click()
    expect(page.get_by_role("slider", name="Limit, Mi")).to_be_visible(timeout=60_000)
    show.get_by_role("button", name="Triage").click()
    expect(page.get_by_role("status").first).to_contain_text("leaky leaks", timeout=60_000)
    show.get_by_role("button", name="Fleet").click()
    page.get_by_role("button", name="api", exact=True).click()
    expect(page.get_by_role("button", name="Back to the fleet")).to_be_visible(timeout=60_000)
    assert opened.serious(".rm-dashboard") == []
    assert opened.outside == []
    assert opened.complaints == []


def test_nobody_without_the_address_gets_in(served: tuple[subprocess.Popen[str], str]) -> None:
    """Without the token there is a page to log in, and no kernel; others cannot reach the port at all."""
    address = served[1].split("?", maxsplit=1)[0]
    for path in ("", "voila/render/dashboard.ipynb", "voila/files/recording.parquet", "api/kernels", "static/"):
        assert answered(address + path) in ("log in", "403", "404"), path
    port = int(address.rsplit(":", 1)[1].strip("/"))
    own = [info[4][0] for info in socket.getaddrinfo(socket.gethostname(), port, socket.AF_INET)]
    for host in {str(host) for host in own} - {"127.0.0.1", "127.0.1.1"}:
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((host, port), timeout=10)
    commands = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout  # noqa: S607
    assert served[1].split("token=")[1] not in commands


def test_a_port_that_is_taken_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No traceback, a hint, and status 2."""
    shop().write(tmp_path / "shop.parquet")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["dashboard", str(tmp_path / "shop.parquet"), "--port", str(port), "--no-browser"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"rmtoolkit: Could not listen on port {port}: address already in use.")
    assert said.count("\n") == 1


def test_what_cannot_be_read_is_said_before_anything_is_served(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is not there."""
    assert main(["dashboard", str(tmp_path / "none.parquet"), "--no-browser"]) == 2
    assert "none.parquet" in capsys.readouterr().err


def test_without_the_extra_there_is_a_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has no Voilà is told what to install."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "voila" else object())
    with pytest.raises(RmtoolkitError, match=r"voila.*pip install 'rmtoolkit\[notebook\]'"):
        dashboard.check()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminate"])
def test_stopping_the_command_stops_the_server(how: signal.Signals, tmp_path: Path) -> None:
    """Its status is 0, its port is free again, and its folder is gone."""
    shop().write(tmp_path / "shop.parquet")
    folder = tmp_path / "tmp"
    folder.mkdir()
    running = subprocess.Popen(
        [sys.executable, "-m", "rmtoolkit", "dashboard", "shop.parquet", "--no-browser"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert running.stdout is not None
    line = running.stdout.readline()
    port = int(line.split("127.0.0.1:")[1].split("/")[0])
    assert list(folder.iterdir()) != []
    running.send_signal(how)
    assert running.wait(60) == 0
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=10)
    assert list(folder.iterdir()) == []
