"""`rmtoolkit dashboard`: serve the dashboards as a page on this machine, through Voilà."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import pickle
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from rmtoolkit.cli import _sources
from rmtoolkit.exceptions import RmtoolkitError, quote_path, system_words
from rmtoolkit.views.dashboards import SERVED

#: What a browser is given to open: only we can read the file, while everybody reads the words of a command.
_OPEN: Final = "open.html"
#: The longest path that a socket can have on every system, without what is put behind it for each kernel.
_SOCKET_FOLDER: Final = 103 - len("/voila_12345678/kernel-00000000-0000-0000-0000-000000000000-ipc-5")
_HOST: Final = "127.0.0.1"
_START_SECONDS: Final = 120
_END_SECONDS: Final = 15


def run(options: argparse.Namespace) -> int:
    from rmtoolkit.assessment import assess
    from rmtoolkit.heap import read_heap
    from rmtoolkit.lake import Lake

    check()
    # Before anything is read.
    _free(options.port)
    given = _sources.profiles(options.heap)
    heap = (
        {name: [read_heap(file) for file in files] for name, files in given.items()}
        if isinstance(given, dict)
        else [read_heap(file) for file in given or ()]
    )
    source = _sources.read(options)
    recording = source.recording() if isinstance(source, Lake) else source
    found = assess(recording, heap=heap or None)
    return serve(pickle.dumps((found, heap or None, recording)), port=options.port, browser=not options.no_browser)


def check() -> None:
    missing = [name for name in ("voila", "ipykernel", "anywidget") if importlib.util.find_spec(name) is None]
    if missing:
        msg = (
            f"The dashboards need {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not installed. "
            "Hint: pip install 'rmtoolkit[notebook]'."
        )
        raise RmtoolkitError(msg)


def serve(judged: bytes, *, port: int, browser: bool) -> int:
    port = _free(port)
    token = secrets.token_urlsafe(24)
    # All of it is ours alone: the folder, what is in it, and the sockets of the kernels.
    mask = os.umask(0o077)
    try:
        with tempfile.TemporaryDirectory(prefix="rmtoolkit-", ignore_cleanup_errors=True) as folder:
            home = Path(folder)
            (home / "judged").write_bytes(judged)
            address = f"http://{_HOST}:{port}/"
            _write_home(home, token, address)
            with _runtime(home) as runtime, (home / "server.log").open("wb") as log:
                server = subprocess.Popen(  # noqa: S603 - our own interpreter and words of our own
                    [sys.executable, "-m", "rmtoolkit.cli.dashboard", str(home), str(runtime), str(port)],
                    env=os.environ | _environment(home, runtime),
                    # It ends when this pipe does, however we ended.
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    # Ctrl-C is for us: the server is then told to stop, and waited for.
                    start_new_session=True,
                )
                _attend(server, address, home, token if sys.stdout.isatty() else None, browser=browser)
    finally:
        os.umask(mask)
    return 0


def _attend(server: subprocess.Popen[bytes], address: str, home: Path, token: str | None, *, browser: bool) -> None:
    page = (home / _OPEN).as_uri()
    # A command that is told to stop leaves no server behind; Ctrl-C counts where a shell had it ignored, too.
    with _sources.stopped_by("SIGINT", "SIGTERM"):
        try:
            _wait(server, address, home / "server.log")
            # What a program reads may be kept in a log: there the token has no place.
            print(f"Dashboards: {address}?token={token}" if token else f"Dashboards: {page}", flush=True)
            print("Only this machine can reach them, and only with this address. Ctrl-C stops.", flush=True)
            if browser:
                import webbrowser

                webbrowser.open(page)
            server.wait()
        except KeyboardInterrupt:
            print()
        finally:
            _end(server)


@contextmanager
def _runtime(home: Path) -> Iterator[Path]:
    """Find a folder for the sockets of the kernels whose path is short enough for them."""
    if len(str(home)) <= _SOCKET_FOLDER or sys.platform == "win32":
        yield home
        return
    for place in (os.environ.get("XDG_RUNTIME_DIR", "/tmp"), "/tmp"):  # noqa: S108 - a folder of ours in it
        if os.access(place, os.W_OK | os.X_OK):
            with tempfile.TemporaryDirectory(prefix="rm-", dir=place, ignore_cleanup_errors=True) as folder:
                if len(folder) <= _SOCKET_FOLDER:
                    yield Path(folder)
                    return
    msg = f"Could not serve from {quote_path(home)}: the path is too long for a socket. Hint: set TMPDIR to /tmp."
    raise RmtoolkitError(msg)


def _host(home: Path, runtime: Path, port: int) -> None:
    """Be the server, until the command that started it is gone."""

    def watch() -> None:
        sys.stdin.buffer.read()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_END_SECONDS)
        clear()
        os._exit(0)

    def clear() -> None:
        for folder in (home, runtime):
            shutil.rmtree(folder, ignore_errors=True)

    import runpy

    os.chdir(home)
    threading.Thread(target=watch, daemon=True).start()
    sys.argv = ["voila", str(home / "dashboard.ipynb"), *_words(port, runtime)]
    try:
        runpy.run_module("voila", run_name="__main__", alter_sys=True)
    finally:
        clear()


def _free(port: int) -> int:
    if not 0 <= port < 1 << 16:
        msg = f"A port is a number from 1 to 65535, got {port}."
        raise RmtoolkitError(msg)
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((_HOST, port))
        except OSError as error:
            msg = f"Could not listen on port {port}: {system_words(error)}. Hint: without --port a free one is taken."
            raise RmtoolkitError(msg) from error
        return int(tried.getsockname()[1])


def _words(port: int, runtime: Path) -> list[str]:
    return [
        "--no-browser",
        f"--port={port}",
        f"--Voila.connection_dir_root={runtime}",
        "--Voila.port_retries=0",
        f"--Voila.ip={_HOST}",
        "--template=rmtoolkit",
        # Of what a kernel says on a port, anybody on this machine can read along; sockets are files of ours.
        *(() if sys.platform == "win32" else ("--KernelManager.transport=ipc",)),
        "--VoilaConfiguration.file_allowlist=[]",
    ]


def _environment(home: Path, runtime: Path) -> dict[str, str]:
    """Give the server a home of its own; secrets of ours are not for kernels."""
    paths = os.environ.get("JUPYTER_PATH")
    return {
        SERVED: str(home / "judged"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_PATH": os.pathsep.join([str(home / "share"), *([paths] if paths else [])]),
        "JUPYTER_RUNTIME_DIR": str(runtime),
        "RMTOOLKIT_TOKEN": "",
        "RMTOOLKIT_PASSWORD": "",
    }


def _write_home(home: Path, token: str, address: str) -> None:
    """Write the notebook, the server's settings and its template; only we can read them."""
    from rmtoolkit.views import style

    # A kernel has made its page before somebody asks for it.
    heated = {"preheat_kernel": True, "default_pool_size": 1}
    files = {
        # What it shows comes by the environment, never by its text.
        "dashboard.ipynb": style.asset("served.ipynb.json"),
        # Not among the words of the command: others on this machine can read those.
        "config/voila.json": json.dumps({"Voila": {"token": token}, "VoilaConfiguration": heated}),
        _OPEN: (
            '<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer"><title>Dashboards</title>'
            f'<meta http-equiv="refresh" content="0;url={address}?token={token}">'
        ),
        "share/voila/templates/rmtoolkit/conf.json": json.dumps({"base_template": "lab"}),
        "share/voila/templates/rmtoolkit/index.html.j2": style.asset("served.html.j2")
        .replace("CSS", style.SERVED)
        .replace("JS", style.asset("served.js")),
    }
    for name, content in files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(content, "utf-8")


def _wait(server: subprocess.Popen[bytes], address: str, log: Path) -> None:
    import urllib.error
    import urllib.request

    end = time.monotonic() + _START_SECONDS
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
    if server.poll() is not None:
        return
    server.terminate()
    try:
        server.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


if __name__ == "__main__":
    _host(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
