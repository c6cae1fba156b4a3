"""A few requests at once, smaller ones where the server refuses, and a bar that shows how far they are."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from copy import copy
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from rmtoolkit.loaders.prometheus_faults import TooMuchError
from rmtoolkit.loaders.prometheus_raw import ask, between

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rmtoolkit.loaders.prometheus_client import Client
    from rmtoolkit.loaders.prometheus_decode import Decoded
    from rmtoolkit.loaders.prometheus_plan import Part
    from rmtoolkit.loaders.prometheus_raw import RawFetch

_Other = TypeVar("_Other")

#: A request is halved this often at most: into a thousand.
_MOST_HALVINGS: Final = 10


class Fetcher:
    """Fetches parts of a pull from one server.

    Parameters
    ----------
    client
        The connection.
    raw
        How raw samples are fetched.
    parallel
        Requests under way at once.
    progress
        Whether to show a bar; None shows it to people only.
    """

    def __init__(self, client: Client, raw: RawFetch, parallel: int, *, progress: bool | None) -> None:
        self._client = client
        self._raw = raw
        self._parallel = max(1, parallel)
        self._slots = threading.BoundedSemaphore(self._parallel)
        self._depth = 0
        self._lock = threading.Lock()
        self._bar = _bar(progress)
        #: How often a request had to be made smaller.
        self.halved = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def fetch(self, parts: Sequence[Part]) -> list[Decoded]:
        """Fetch parts.

        Parameters
        ----------
        parts
            In any order.

        Returns
        -------
        list of Decoded
            In the order of the parts; more of them where the server wanted smaller requests.
        """
        self._bar.total = (self._bar.total or 0) + len(parts)
        self._bar.refresh()
        if len(parts) == 1:
            return self._one(parts[0], 0)
        pool = ThreadPoolExecutor(min(self._parallel, len(parts)) or 1, thread_name_prefix="rmtoolkit")
        try:
            futures = [pool.submit(self._one, part, 0) for part in parts]
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
            return [decoded for future in futures for decoded in future.result()]
        except BaseException:
            # Nobody waits for what is under way, be it an error or the user's Ctrl-C.
            self._client.stop.set()
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def fetch_beside(self, parts: Sequence[Part], other: Callable[[Fetcher], _Other]) -> tuple[list[Decoded], _Other]:
        """Fetch parts, and what somebody else wants meanwhile.

        Parameters
        ----------
        parts
            In any order.
        other
            Given a fetcher of its own, whose requests count among those under way.

        Returns
        -------
        tuple
            As of `fetch`, and what `other` gave.
        """
        beside = copy(self)
        beside._client = self._client.for_one_pull()  # noqa: SLF001 - ours too
        pool = ThreadPoolExecutor(1, thread_name_prefix="rmtoolkit-beside")
        try:
            given = pool.submit(other, beside)
            found = self.fetch(parts)
            return found, given.result()
        except BaseException:
            beside._client.stop.set()  # noqa: SLF001 - ours too
            raise
        finally:
            self.halved += beside.halved
            pool.shutdown(wait=False, cancel_futures=True)

    def _one(self, part: Part, depth: int) -> list[Decoded]:
        halves = part.halves() if depth < self._depth else None
        if halves is None:
            try:
                with self._slots:
                    decoded = self._sent(part)
            except TooMuchError:
                halves = part.halves() if depth < _MOST_HALVINGS else None
                if halves is None:
                    raise
                with self._lock:
                    # What was too much once is not tried again in this pull.
                    self._depth = max(self._depth, depth + 1)
                    self.halved += 1
            else:
                self._bar.update()
                return [decoded]
        self._bar.total += 1
        return [decoded for half in halves for decoded in self._one(half, depth + 1)]

    def _sent(self, part: Part) -> Decoded:
        if part.step_seconds == 0:
            return self._raw(self._client, part.asks[0].selector, part.after_seconds, part.until_seconds)
        decoded = ask(self._client, "/api/v1/query_range", {"query": part.promql(), **part.times()})
        return between(decoded, part.after_seconds * 1000 + 1, part.until_seconds * 1000)


def _bar(progress: bool | None) -> Any:  # noqa: ANN401, FBT001 - a bar of tqdm, in a terminal or a notebook
    from tqdm.auto import tqdm  # noqa: PLC0415 - slow, and only a pull needs it

    if progress is None:
        progress = sys.stderr.isatty() or "ipykernel" in sys.modules
    return tqdm(total=0, disable=not progress, desc="Prometheus", unit=" requests", leave=False)
