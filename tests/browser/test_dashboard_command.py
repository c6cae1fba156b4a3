"""`rmtoolkit dashboard`: a page of all dashboards from one command, for this machine and whoever has the address."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from playwright.sync_api import expect

from rmtoolkit.cli import dashboard, main
from rmtoolkit.exceptions import RmtoolkitError
from tests.browser.hosts import ROOT
from tests.views.services import shop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.browser.hosts import Opened

#: A name that would run, were it ever formatted into code, a shell line or markup.
HOSTILE = """a'"); import os; os._exit(3) #$(touch x)`<img src=x onerror=alert(1)>.parquet"""


#: Of nobody: neither ours nor root's.
STRANGER = 65_534
PATIENCE_SECONDS = 60


def start(*words: str, cwd: Path, **environment: str) -> subprocess.Popen[str]:
    """The command as people run it."""
    return subprocess.Popen(
        [sys.executable, "-m", "rmtoolkit", "dashboard", *words],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ['PYTHONPATH']}", "TZ": "UTC"} | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def page_of(running: subprocess.Popen[str]) -> Path:
    """The file that leads to the dashboards: what a program reads names it, and not the token."""
    assert running.stdout is not None
    line = running.stdout.readline()
    found = re.fullmatch(r"Dashboards: file://(/\S+)\n", line)
    if found is None:
        running.kill()
        pytest.fail(f"{line} {running.communicate()}")
    return Path(found[1])


def address_in(page: Path) -> str:
    """The address to which that file leads."""
    found = re.search(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{32}", page.read_text("utf-8"))
    assert found is not None
    return found[0]


def commands() -> str:
    """The words of all commands that run, which everybody reads."""
    return subprocess.run(["ps", "-ewwo", "args"], capture_output=True, text=True, check=True).stdout  # noqa: S607


def until(happened: Callable[[], object]) -> object:
    """Wait for what must happen."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not (found := happened()):
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.05)
    return found


def is_refused(port: int) -> bool:
    """Whether nobody listens."""
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED


def open_to(user: int, places: list[Path]) -> list[str]:
    """Which files a user can read, and to which sockets they can connect."""
    code = (
        "import os, socket, stat, sys\n"
        f"os.setgroups([]); os.setgid({user}); os.setuid({user})\n"
        "for place in sys.argv[1:]:\n"
        "    try:\n"
        "        if place.rsplit('-', 1)[0].endswith('ipc'):\n"
        "            socket.socket(socket.AF_UNIX).connect(place)\n"
        "        else:\n"
        "            os.listdir(place) if os.path.isdir(place) else open(place).close()\n"
        "        print(place)\n"
        "    except OSError:\n"
        "        pass\n"
    )
    done = subprocess.run([sys.executable, "-c", code, *map(str, places)], capture_output=True, text=True, check=True)
    return done.stdout.split()


def stopped(running: subprocess.Popen[str], how: signal.Signals, page: Path, folder: Path) -> str:
    """Stop the command: its port is free again, its folder is gone, and nothing runs on. Gives what it still said."""
    port = int(address_in(page).split("127.0.0.1:")[1].split("/")[0])
    assert page.is_relative_to(folder)
    running.send_signal(how)
    said = running.communicate(timeout=PATIENCE_SECONDS)[0]
    assert running.returncode == (-how if how is signal.SIGKILL else 0)
    until(lambda: not [*folder.iterdir()])
    until(lambda: str(folder) not in commands())
    # A process that ends has no words any more before its sockets are closed.
    until(lambda: is_refused(port))
    return said


class Served(NamedTuple):
    """A server of a recording under a hostile name."""

    page: Path
    address: str
    #: What the browser of whoever started it was told.
    words: Path


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server for all tests that only ask it; in the end Ctrl-C stops it, and no word of it was the token."""
    folder = tmp_path_factory.mktemp("served")
    name = HOSTILE.replace("/", "_")
    shop().write(folder / name)
    browser, words = folder / "browser", folder / "words"
    # Sockets of kernels stand here, and their paths must be short.
    own = Path(tempfile.mkdtemp(prefix="rm-"))
    browser.write_text(f'#!/bin/sh\necho "$@" > {folder}/part && mv {folder}/part {words}\n')
    browser.chmod(0o755)
    running = start(name, cwd=folder, BROWSER=f"{browser} %s", TMPDIR=str(own))
    page = page_of(running)
    yield Served(page, address_in(page), words)
    assert "token" not in stopped(running, signal.SIGINT, page, own)
    own.rmdir()


def answered(address: str) -> str:
    """What somebody without a token gets."""
    try:
        with urllib.request.urlopen(address, timeout=60) as answer:  # noqa: S310 - this machine
            return "log in" if "/login?" in answer.url else str(answer.url)
    except urllib.error.HTTPError as error:
        return str(error.code)


@pytest.mark.browser
def test_one_command_serves_all_dashboards(served: Served, new: Callable[..., Opened]) -> None:
    """One page, dark where the system is: a row's workload goes along to Triage and Limits; nobody else is asked."""
    opened = new(scheme="dark")
    page = opened.page
    page.goto(served.address, wait_until="commit", timeout=180_000)
    expect(page.locator("table.rm-fleet tbody tr")).to_have_count(3, timeout=180_000)
    expect(page.locator("body")).to_have_css("background-color", "rgb(18, 23, 28)")
    page.set_viewport_size({"width": 768, "height": 800})
    page.wait_for_function("document.documentElement.scrollWidth <= innerWidth")
    show = page.get_by_role("group", name="Show")
    page.get_by_role("button", name="api", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text("api does not leak", timeout=60_000)
    show.get_by_role("button", name="Limits").click()
    expect(page.get_by_role("slider", name="Limit, Mi")).to_be_visible(timeout=60_000)
    page.set_viewport_size({"width": 1000, "height": 800})
    page.wait_for_function("document.documentElement.scrollWidth <= innerWidth")
    expect(page.get_by_role("combobox", name=re.compile("Workload"))).to_have_value(re.compile("/?api$"))
    show.get_by_role("button", name="Fleet").click()
    expect(page.locator("table.rm-fleet")).to_be_visible()
    assert "token" not in page.evaluate("location.href + document.referrer")
    assert opened.serious(".rm-dashboard") == []
    assert opened.outside == []
    assert opened.complaints == []


def test_nobody_without_the_address_gets_in(served: Served) -> None:
    """Without the token there is a page to log in, and no kernel; others cannot reach the port at all."""
    address = served.address.split("?", maxsplit=1)[0]
    for path in ("", "voila/render/dashboard.ipynb", "voila/files/judged", "api/kernels", "static/"):
        assert answered(address + path) in ("log in", "403", "404"), path
    port = int(address.rsplit(":", 1)[1].strip("/"))
    own = [info[4][0] for info in socket.getaddrinfo(socket.gethostname(), port, socket.AF_INET)]
    for host in {str(host) for host in own} - {"127.0.0.1", "127.0.1.1"}:
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((host, port), timeout=10)
    assert served.address.split("token=")[1] not in commands()


def test_no_other_user_reads_along(served: Served) -> None:
    """Kernels speak over sockets in a folder that only its owner enters; so it is with every file of the dashboards."""
    folder = served.page.parent
    with urllib.request.urlopen(served.address, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310 - this machine
        answer.read(1)

        def kernels() -> set[str] | None:
            """Tell where all kernels listen (a second one may be warming up), once each has its sockets."""
            told = [json.loads(file.read_text() or "{}") for file in folder.glob("**/kernel-*.json")]
            asked = {kernel.get("ip") for kernel in told if kernel.get("transport") == "ipc"}
            found = {str(place).rsplit("-", 1)[0] for place in folder.rglob("*-ipc-*") if place.is_socket()}
            return found if found and found == asked and len(asked) == len(told) else None

        assert until(kernels)
        places = [folder, *folder.rglob("*")]
        for place in places:
            if not place.is_socket():
                assert stat.S_IMODE(place.stat().st_mode) & 0o077 == 0, place
        if os.getuid() == 0:
            assert {str(place) for place in places if place.is_socket()} <= set(open_to(0, places))
            assert open_to(STRANGER, places) == []


def test_the_browser_is_given_no_token(served: Served) -> None:
    """Everybody reads the words of a command: they name a file, and only its owner reads that."""
    until(served.words.exists)
    assert served.words.read_text() == f"file://{served.page}\n"
    assert stat.S_IMODE(served.page.stat().st_mode) == 0o600


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


def test_stopping_the_command_stops_the_server(tmp_path: Path) -> None:
    """Killed outright, nothing of it stays; Ctrl-C ends the one that the other tests ask, as SIGTERM would."""
    shop().write(tmp_path / "shop.parquet")
    folder = tmp_path / "tmp"
    folder.mkdir()
    running = start("shop.parquet", "--no-browser", cwd=tmp_path, TMPDIR=str(folder))
    stopped(running, signal.SIGKILL, page_of(running), folder)
