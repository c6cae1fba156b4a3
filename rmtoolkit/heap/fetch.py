"""Heap profiles that a service serves, fetched once or again and again, and kept."""

from __future__ import annotations

import ctypes
import re
import select
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rmtoolkit._io import make_folder, write_whole
from rmtoolkit._tables import parse_duration
from rmtoolkit.exceptions import RmtoolkitError, quote
from rmtoolkit.heap import IN_CLUSTER
from rmtoolkit.loaders.record_kubectl import Kubectl, kubectl_error
from rmtoolkit.loaders.server import Client, Patience, who_asks

if TYPE_CHECKING:
    import datetime as dt
    import os
    from collections.abc import Iterator

_NEAR: Final = "rmtoolkit heap pod/NAME:6060/debug/pprof/heap -n NAMESPACE, which forwards the port by kubectl."
_WEB_PAGE: Final = "No profile looks like this: is the path right, such as /debug/pprof/heap?"
_FORWARDED: Final = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+) ")
_PARENT_DIED: Final = 1


def fetch(
    url: str,
    folder: str | os.PathLike[str],
    *,
    every: str | dt.timedelta | None = None,
    count: int | None = None,
    token_file: str | os.PathLike[str] | None = None,
    tenant: str | None = None,
    ca_file: str | None = None,
    namespace: str | None = None,
    context: str | None = None,
    timeout_seconds: float = 60.0,
) -> Iterator[Path]:
    """Fetch profiles and give the file of each; who asks is said as for Prometheus."""
    waits = None if every is None else parse_duration(every).total_seconds()
    count = count if count is not None else 1 if waits is None else 2
    if count < 1 or (count > 1 and not waits):
        msg = f"count={count} and every={quote(every)}: expected how often, and how long to wait in between."
        raise RmtoolkitError(msg)
    told = who_asks(token_file=token_file, tenant=tenant, ca_file=ca_file)
    make_folder(folder)
    begun = time.monotonic()
    for number in range(count):
        time.sleep(max(begun + number * (waits or 0) - time.monotonic(), 0))
        # Nothing is kept open in between: kubectl gives up connections that are idle.
        within = IN_CLUSTER.fullmatch(url)
        place = _forwarded(within, namespace, context, timeout_seconds) if within else nullcontext(url)
        with place as address:
            client = Client(address, patience=Patience(timeout_seconds, 5, 0.5), near=_NEAR, web_page=_WEB_PAGE, **told)
            try:
                data = client.get()
            finally:
                client.close()
        yield write_whole(Path(folder, f"heap-{datetime.now(UTC):%Y%m%dT%H%M%S}Z.{number + 1:04}.heap"), data)


@contextmanager
def _forwarded(
    within: re.Match[str], namespace: str | None, context: str | None, timeout_seconds: float
) -> Iterator[str]:
    """Let the user's kubectl forward a port, give the address here, and end kubectl."""
    target, port, path = within.groups()
    kubectl = Kubectl.find("kubectl", context, None)
    asked = [f"--namespace={namespace}"] if namespace is not None else []
    words = ["port-forward", "--address=127.0.0.1", *asked, target, f":{port}"]
    with subprocess.Popen(  # noqa: S603 - a list of arguments, no shell
        [kubectl.program, *kubectl.options, *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - no locks are taken there
    ) as process:
        try:
            yield f"http://127.0.0.1:{_port(process, words, timeout_seconds)}{path}"
        finally:
            process.kill()


def _port(process: subprocess.Popen[bytes], words: list[str], timeout_seconds: float) -> int:
    """Wait until kubectl says at which port it listens."""
    assert process.stdout is not None  # noqa: S101 - pipes were asked for
    assert process.stderr is not None  # noqa: S101
    ready, _, _ = select.select([process.stdout], [], [], timeout_seconds)
    line = process.stdout.readline(1 << 12).decode("utf-8", "replace") if ready else ""
    if (said := _FORWARDED.match(line)) is not None:
        return int(said[1])
    process.kill()
    complaints = process.stderr.read(1 << 16).decode("utf-8", "replace").splitlines()
    raise kubectl_error(" ".join(words), complaints or [f"no port within {timeout_seconds:g} s"], process.wait())


def _die_with_parent() -> None:
    """Ask the kernel to end this process when its parent is gone, however that went."""
    ctypes.CDLL(None).prctl(_PARENT_DIED, signal.SIGKILL)
