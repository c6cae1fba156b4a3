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
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

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
        env=os.environ | {"PYTHONPATH": str(ROOT), "TZ": "UTC"} | environment,
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


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server of a recording under a hostile name, and its address."""
    folder = tmp_path_factory.mktemp("served")
    shop().write(folder / HOSTILE.replace("/", "_"))
    running = start(HOSTILE.replace("/", "_"), "--no-browser", cwd=folder)
    page = page_of(running)
    yield running, address_in(page)
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
    """One page, dark where the system is: a row's workload goes along to Triage and Limits; nobody else is asked."""
    opened = new(scheme="dark")
    page = opened.page
    page.goto(served[1], wait_until="commit", timeout=180_000)
    expect(page.locator("table.rm-fleet tbody tr")).to_have_count(3, timeout=180_000)
    expect(page.locator("body")).to_have_css("background-color", "rgb(18, 23, 28)")
    show = page.get_by_role("group", name="Show")
    page.get_by_role("button", name="api", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text("api does not leak", timeout=60_000)
    show.get_by_role("button", name="Limits").click()
    expect(page.get_by_role("slider", name="Limit, Mi")).to_be_visible(timeout=60_000)
    expect(page.get_by_role("combobox", name=re.compile("Workload"))).to_have_value(re.compile("/?api$"))
    show.get_by_role("button", name="Fleet").click()
    expect(page.locator("table.rm-fleet")).to_be_visible()
    assert "token" not in page.evaluate("location.href + document.referrer")
    assert opened.serious(".rm-dashboard") == []
    assert opened.outside == []
    assert opened.complaints == []


def test_nobody_without_the_address_gets_in(served: tuple[subprocess.Popen[str], str]) -> None:
    """Without the token there is a page to log in, and no kernel; others cannot reach the port at all."""
    address = served[1].split("?", maxsplit=1)[0]
    for path in ("", "voila/render/dashboard.ipynb", "voila/files/judged", "api/kernels", "static/"):
        assert answered(address + path) in ("log in", "403", "404"), path
    port = int(address.rsplit(":", 1)[1].strip("/"))
    own = [info[4][0] for info in socket.getaddrinfo(socket.gethostname(), port, socket.AF_INET)]
    for host in {str(host) for host in own} - {"127.0.0.1", "127.0.1.1"}:
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((host, port), timeout=10)
    assert served[1].split("token=")[1] not in commands()


def test_no_other_user_reads_along(tmp_path: Path) -> None:
    """Kernels speak over sockets in a folder that only its owner enters; so it is with every file of the dashboards."""
    os.umask(os.umask(0o022))
    shop().write(tmp_path / "shop.parquet")
    running = start("shop.parquet", "--no-browser", cwd=tmp_path)
    try:
        page = page_of(running)
        with urllib.request.urlopen(address_in(page), timeout=PATIENCE_SECONDS) as answer:  # noqa: S310 - this machine
            answer.read(1)

            def kernels() -> set[str] | None:
                """Tell where all kernels listen (a second one may be warming up), once each has its sockets."""
                told = [json.loads(file.read_text() or "{}") for file in page.parent.glob("**/kernel-*.json")]
                asked = {kernel.get("ip") for kernel in told if kernel.get("transport") == "ipc"}
                found = {str(place).rsplit("-", 1)[0] for place in page.parent.rglob("*-ipc-*") if place.is_socket()}
                return found if found and found == asked and len(asked) == len(told) else None

            assert until(kernels)
            sockets = [place for place in page.parent.rglob("*-ipc-*") if place.is_socket()]
            for place in [page.parent, *page.parent.rglob("*")]:
                if not place.is_socket():
                    assert stat.S_IMODE(place.stat().st_mode) & 0o077 == 0, place
            if os.getuid() == 0:
                places = [page.parent, *page.parent.rglob("*")]
                assert set(map(str, sockets)) <= set(open_to(0, places))
                assert open_to(STRANGER, places) == []
    finally:
        running.send_signal(signal.SIGINT)
        running.wait(PATIENCE_SECONDS)


def test_the_browser_is_given_no_token(tmp_path: Path) -> None:
    """Everybody reads the words of a command: they name a file, and only its owner reads that."""
    shop().write(tmp_path / "shop.parquet")
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/part && mv {tmp_path}/part {tmp_path}/words\n')
    browser.chmod(0o755)
    running = start("shop.parquet", cwd=tmp_path, BROWSER=f"{browser} %s")
    try:
        page = page_of(running)
        until((tmp_path / "words").exists)
        assert (tmp_path / "words").read_text() == f"file://{page}\n"
        assert stat.S_IMODE(page.stat().st_mode) == 0o600
        assert address_in(page)
    finally:
        running.send_signal(signal.SIGINT)
        assert "token" not in running.communicate(timeout=PATIENCE_SECONDS)[0]


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


@pytest.mark.parametrize(
    "how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=["ctrl-c", "terminate", "killed outright"]
)
def test_stopping_the_command_stops_the_server(how: signal.Signals, tmp_path: Path) -> None:
    """However it ends, its port is free again, its folder is gone, and nothing runs on; stopped, its status is 0."""
    shop().write(tmp_path / "shop.parquet")
    folder = tmp_path / "tmp"
    folder.mkdir()
    running = start("shop.parquet", "--no-browser", cwd=tmp_path, TMPDIR=str(folder))
    page = page_of(running)
    port = int(address_in(page).split("127.0.0.1:")[1].split("/")[0])
    assert page.is_relative_to(folder)
    running.send_signal(how)
    assert running.wait(PATIENCE_SECONDS) == (-how if how is signal.SIGKILL else 0)
    until(lambda: not [*folder.iterdir()])
    until(lambda: str(folder) not in commands())
    # A process that ends has no words any more before its sockets are closed.
    until(lambda: is_refused(port))
