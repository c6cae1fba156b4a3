"""`rmtoolkit dashboard`: serve the dashboards as a page on this machine, through Voilà."""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rmtoolkit.cli import _sources
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.views.dashboards import SERVED

if TYPE_CHECKING:
    import argparse

    from rmtoolkit.recording import Recording

#: The page is always this; what it shows comes by the environment, never by its text.
_CELL: Final = "from rmtoolkit.views.dashboards.served import served\n\nserved()"
#: Voilà's own template asks the network for a font of icons that no dashboard uses.
_TEMPLATE: Final = """{%- extends 'voila/templates/lab/index.html.j2' -%}
{%- block notebook_css -%}
{{ super() | replace('https://cdn.jsdelivr.net/npm/@fortawesome/', 'data:text/css,') }}
{%- endblock notebook_css -%}
"""
_NEEDED: Final = ("voila", "ipykernel", "anywidget")
_HOST: Final = "127.0.0.1"
#: Seconds that a server gets to start, and to end.
_START: Final = 120
_END: Final = 15


def add_arguments(command: argparse.ArgumentParser) -> None:
    """Say what the command understands."""
    _sources.add_sources(command, fail_on=False, scheduler=False)
    command.add_argument(
        "--port", type=int, default=0, metavar="N", help="port to listen on; default: one that is free"
    )
    command.add_argument("--no-browser", action="store_true", help="only print the address")


def run(options: argparse.Namespace) -> int:
    """Read, and serve."""
    check()
    found = _sources.read(options)
    recording = found if _sources.is_recording(found) else found.recording()
    return serve(recording, port=options.port, browser=not options.no_browser)


def check() -> None:
    """See that what serves a page is installed."""
    missing = [name for name in _NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        msg = (
            f"The dashboards need {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed. "
            "Hint: pip install 'rmtoolkit[notebook]'."
        )
        raise RmtoolkitError(msg)


def serve(recording: Recording, *, port: int = 0, browser: bool = True) -> int:
    """Serve the dashboards of a recording until the process is told to stop."""
    check()
    port = _free(port)
    token = secrets.token_urlsafe(24)
    with tempfile.TemporaryDirectory(prefix="rmtoolkit-dashboard-") as folder:
        home = Path(folder)
        recording.write(home / "recording.parquet")
        _write_home(home, token)
        with (home / "server.log").open("wb") as log:
            server = subprocess.Popen(  # noqa: S603 - our own interpreter and words of our own
                [sys.executable, "-m", "voila", str(home / "dashboard.ipynb"), *_words(port)],
                cwd=home,
                env=os.environ | _environment(home),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for us: the server is then told to stop, and waited for.
                start_new_session=True,
            )
        # A command that is told to stop leaves no server behind; Ctrl-C counts where a shell had it ignored, too.
        before = {number: signal.signal(number, _stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            address = f"http://{_HOST}:{port}/"
            _wait(server, address, home / "server.log")
            print(f"Dashboards: {address}?token={token}", flush=True)
            print("Only this machine can reach them, and only with this address. Ctrl-C stops.", flush=True)
            if browser:
                import webbrowser

                webbrowser.open(f"{address}?token={token}")
            server.wait()
        except KeyboardInterrupt:
            print()
        finally:
            _end(server)
            for number, handler in before.items():
                signal.signal(number, handler)
    return 0


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


def _free(port: int) -> int:
    """Find a free port, or see that the one that is wanted is."""
    if not 0 <= port < 1 << 16:
        msg = f"A port is a number from 1 to 65535, got {port}."
        raise RmtoolkitError(msg)
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((_HOST, port))
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            msg = f"Could not listen on port {port}: {why}. Hint: without --port a free one is taken."
            raise RmtoolkitError(msg) from error
        return int(tried.getsockname()[1])


def _words(port: int) -> list[str]:
    return [
        "--no-browser",
        f"--port={port}",
        "--Voila.port_retries=0",
        f"--Voila.ip={_HOST}",
        "--template=rmtoolkit",
        "--VoilaConfiguration.file_allowlist=[]",
    ]


def _environment(home: Path) -> dict[str, str]:
    """Give the server a home of its own; secrets of ours are not for kernels."""
    paths = os.environ.get("JUPYTER_PATH")
    return {
        SERVED: json.dumps({"recording": str(home / "recording.parquet")}),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_PATH": os.pathsep.join([str(home / "share"), *([paths] if paths else [])]),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "RMTOOLKIT_TOKEN": "",
        "RMTOOLKIT_PASSWORD": "",
    }


def _write_home(home: Path, token: str) -> None:
    """Write the notebook, the server's settings and its template; only we can read them."""
    cell: dict[str, Any] = {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {},
        "outputs": [],
        "source": _CELL,
    }
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = {"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 4}
    files = {
        "dashboard.ipynb": json.dumps(notebook),
        # Not among the words of the command: others on this machine can read those.
        "config/voila.json": json.dumps({"Voila": {"token": token}}),
        "share/voila/templates/rmtoolkit/conf.json": json.dumps({"base_template": "lab"}),
        "share/voila/templates/rmtoolkit/index.html.j2": _TEMPLATE,
    }
    for name, content in files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(content, "utf-8")
    (home / "runtime").mkdir()


def _wait(server: subprocess.Popen[bytes], address: str, log: Path) -> None:
    """Wait until the server answers."""
    import urllib.error
    import urllib.request

    end = time.monotonic() + _START
    while time.monotonic() < end and server.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}voila/static/none", timeout=5):  # noqa: S310 - this machine
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
    last = log.read_text("utf-8", "replace").strip().splitlines()[-1:] or ["it said nothing"]
    msg = f"The server of the dashboards did not start: {last[0][:200]}."
    raise RmtoolkitError(msg)


def _end(server: subprocess.Popen[bytes]) -> None:
    """Stop the server and its kernels."""
    if server.poll() is not None:
        return
    server.terminate()
    try:
        server.wait(_END)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()
