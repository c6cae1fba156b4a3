"""Heap profiles that a service serves, fetched once or again and again, and kept."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rmtoolkit._io import make_folder, write_whole
from rmtoolkit._tables import parse_duration
from rmtoolkit.exceptions import RmtoolkitError, quote
from rmtoolkit.loaders.prometheus.live import server_at

if TYPE_CHECKING:
    import datetime as dt
    import os
    from collections.abc import Iterator

_NEAR: Final = "kubectl port-forward pod/NAME 6060, then http://127.0.0.1:6060 and the path."
_WEB_PAGE: Final = "No profile looks like this: is the path right, such as /debug/pprof/heap?"


def fetch(
    url: str,
    folder: str | os.PathLike[str],
    *,
    every: str | dt.timedelta | None = None,
    count: int | None = None,
    token_file: str | os.PathLike[str] | None = None,
    tenant: str | None = None,
    ca_file: str | None = None,
    timeout_seconds: float = 60.0,
) -> Iterator[Path]:
    """Fetch profiles and give the file of each; who asks is said as for Prometheus."""
    waits = None if every is None else parse_duration(every).total_seconds()
    count = count if count is not None else 1 if waits is None else 2
    if count < 1 or (count > 1 and not waits):
        msg = f"count={count} and every={quote(every)}: expected how often, and how long to wait in between."
        raise RmtoolkitError(msg)
    settings = {"token_file": token_file, "tenant": tenant, "ca_file": ca_file}
    make_folder(folder)
    with server_at(url, timeout_seconds=timeout_seconds, **settings) as server:  # type: ignore[arg-type]
        begun = time.monotonic()
        for number in range(count):
            time.sleep(max(begun + number * (waits or 0) - time.monotonic(), 0))
            data = server._client.get(_NEAR, _WEB_PAGE)  # noqa: SLF001 - its settings are what is wanted
            yield write_whole(Path(folder, f"heap-{datetime.now(UTC):%Y%m%dT%H%M%S}Z.{number + 1:04}.heap"), data)
