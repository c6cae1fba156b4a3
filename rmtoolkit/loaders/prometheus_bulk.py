"""Raw samples in bulk: by remote read or VictoriaMetrics' export where a server has them, else by JSON."""

from __future__ import annotations

import sys
import threading
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

import msgspec

from rmtoolkit.exceptions import ReadError, RmtoolkitError, quote
from rmtoolkit.loaders.prometheus_decode import Decoder
from rmtoolkit.loaders.prometheus_faults import DamagedError, EndlessError, ServerError, TooMuchError
from rmtoolkit.loaders.prometheus_raw import between, raw_by_json
from rmtoolkit.loaders.remote_read import HEADERS, is_remote_read, request_body
from rmtoolkit.loaders.remote_read_frames import UNKNOWN_CHUNKS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rmtoolkit.loaders.prometheus_client import Client
    from rmtoolkit.loaders.prometheus_decode import Decoded
    from rmtoolkit.loaders.promql import Selector

#: Whether to use remote read: where the server has it, always, or never.
RemoteRead: TypeAlias = Literal["auto"] | bool

#: What servers answer that do not have an endpoint, or do not open it to everybody.
_HEAD_BYTES: Final = 1 << 10
_NOT_THERE: Final = (400, 401, 403, 404, 405, 406, 415, 501)


#: Side by side, many short steps of numpy wait for each other: four threads take twice as long as one after another.
_DECODING: Final = threading.Lock()

#: Labels that scraped series have; no server adds these.
_ORDINARY: Final = frozenset(
    (
        *("__name__", "job", "instance", "endpoint", "service", "metrics_path", "uid", "image"),
        *("namespace", "pod", "container", "node", "id", "name", "resource", "unit", "type", "pod_name"),
        *("container_name", "exported_namespace", "exported_pod", "exported_container", "exported_job"),
    )
)


class _NotThereError(Exception):
    """The server has no such endpoint, or speaks another form of it."""


class _Labels(msgspec.Struct):
    data: list[str]


class BulkFetch:
    """Fetches raw samples in the quickest way that a server has: a `RawFetch`.

    Parameters
    ----------
    remote_read
        ``"auto"`` tries remote read, then VictoriaMetrics' export, then JSON; True tries remote read only;
        False JSON only.

    Raises
    ------
    RmtoolkitError
        `remote_read` is something else.

    Notes
    -----
    A remote read adds the server's external labels to every series, which no other answer has. They are taken away,
    so that samples and facts speak of the same containers, whichever way they came.

    Examples
    --------
    >>> BulkFetch("sometimes")
    Traceback (most recent call last):
    rmtoolkit.exceptions.RmtoolkitError: remote_read= is "auto", True or False; got 'sometimes'.
    """

    def __init__(self, remote_read: RemoteRead = "auto") -> None:
        if remote_read not in ("auto", True, False):
            msg = f'remote_read= is "auto", True or False; got {quote(remote_read)}.'
            raise RmtoolkitError(msg)
        self._insists = remote_read is True
        self._lock = threading.Lock()
        #: Labels that the server adds to every series, and those that series of a selector have themselves.
        self._external: frozenset[str] = frozenset()
        self._own: dict[Selector, frozenset[str]] = {}
        #: The first request finds out what there is; the others wait until that is known.
        self._first = threading.Lock()
        self._known = threading.Event()
        ways = {"auto": ("read", "export"), True: ("read",), False: ()}
        #: Ways that are still to be tried; the first one that works is used from then on.
        self._ways: tuple[str, ...] = ways[remote_read]
        if not self._ways:
            self._known.set()

    def __call__(self, client: Client, selector: Selector, after_seconds: int, until_seconds: int) -> Decoded:
        """Fetch the samples later than the first and not later than the second time.

        Parameters
        ----------
        client
            The connection.
        selector
            Which series.
        after_seconds, until_seconds
            Whole seconds since 1970.

        Returns
        -------
        Decoded
            Exactly these, and markers where series ended.

        Raises
        ------
        TooMuchError
            A shorter time may do.
        ServerError
            The server cannot be reached; or has no remote read, and it was to be used.
        """
        if not self._known.is_set() and not self._first.acquire(blocking=False):
            self._known.wait()
        try:
            return self._tried(client, selector, after_seconds, until_seconds)
        finally:
            self._known.set()

    def _tried(self, client: Client, selector: Selector, after_seconds: int, until_seconds: int) -> Decoded:
        for way in self._ways:
            fetch = self._by_remote_read if way == "read" else raw_by_export
            try:
                found = fetch(client, selector, after_seconds, until_seconds)
            except _NotThereError as error:
                if self._insists:
                    msg = client.fault(f"it gives no remote read ({error})", 'Leave remote_read= at "auto".')
                    raise ServerError(msg) from None
                with self._lock:
                    self._ways = tuple(other for other in self._ways if other != way)
            else:
                return between(found, after_seconds * 1000 + 1, until_seconds * 1000)
        return raw_by_json(client, selector, after_seconds, until_seconds)

    def _by_remote_read(self, client: Client, selector: Selector, after_seconds: int, until_seconds: int) -> Decoded:
        body = request_body([selector.conditions()], after_seconds * 1000 + 1, until_seconds * 1000)

        def read(content: bytes) -> Decoded:
            if content and not is_remote_read(content[:_HEAD_BYTES]):
                said = "it answers something else"
                raise _NotThereError(said)
            self._known.set()
            decoder = Decoder()
            try:
                # Compiled code does without the interpreter's lock.
                with nullcontext() if "rmtoolkit.loaders.common_numba" in sys.modules else _DECODING:
                    decoder.add_remote_read(content, repr(client.address))
            except ReadError as error:
                said = "not whole"
                raise DamagedError(said) from error
            if decoder.left_out[UNKNOWN_CHUNKS]:
                # JSON has what is in them.
                raise _NotThereError(UNKNOWN_CHUNKS)
            if decoder.partial:
                said = "not whole"
                raise DamagedError(said)
            return decoder.finish()

        try:
            decoded = client.ask("/api/v1/read", {}, read, method="POST", data=body, headers=HEADERS, pieces=True)
        except TooMuchError:
            raise
        except ServerError as error:
            if error.status in _NOT_THERE or isinstance(error, EndlessError):
                msg = f"HTTP {error.status}"
                raise _NotThereError(msg) from None
            raise
        external = self._added(client, selector, after_seconds, until_seconds, decoded.labels)
        if not external:
            return decoded
        kept = [{name: value for name, value in labels.items() if name not in external} for labels in decoded.labels]
        return replace(decoded, labels=kept)

    def _added(
        self,
        client: Client,
        selector: Selector,
        after_seconds: int,
        until_seconds: int,
        series: Sequence[Mapping[str, str]],
    ) -> frozenset[str]:
        """Tell which labels were added to all series: the server does not list them as labels of its own."""
        common = set(series[0]).intersection(*series) if series else set()
        unknown = frozenset(common - _ORDINARY)
        with self._lock:
            if not unknown <= self._external | self._own.get(selector, frozenset()):
                asked = {"match[]": selector.promql(), "start": str(after_seconds), "end": str(until_seconds)}
                try:
                    listed = client.ask("/api/v1/labels", asked, _labels)
                except ServerError as error:
                    msg = f"its labels are not told: HTTP {error.status}"
                    raise _NotThereError(msg) from None
                self._own[selector] = unknown.intersection(listed)
                self._external |= unknown.difference(listed)
            return self._external - self._own.get(selector, frozenset())


def _labels(body: bytes) -> list[str]:
    try:
        return msgspec.json.decode(body, type=_Labels).data
    except msgspec.MsgspecError as error:
        said = "no list of labels"
        raise DamagedError(said) from error


def raw_by_export(client: Client, selector: Selector, after_seconds: int, until_seconds: int) -> Decoded:
    """Fetch raw samples from VictoriaMetrics, which streams them as JSON lines.

    Parameters
    ----------
    client
        The connection.
    selector
        Which series.
    after_seconds, until_seconds
        Samples after the first and up to the second, whole seconds since 1970.

    Returns
    -------
    Decoded
        These, and markers where series ended.

    Examples
    --------
    >>> raw_by_export.__name__
    'raw_by_export'
    """
    asked = {"match[]": selector.promql(), "start": f"{after_seconds}.001", "end": str(until_seconds)}

    def read(body: bytes) -> Decoded:
        decoder = Decoder()
        if body.strip():
            if not body.startswith(b'{"metric"'):
                said = "it answers something else"
                raise _NotThereError(said)
            try:
                decoder.add(body, repr(client.address))
            except ReadError as error:
                said = "not whole"
                raise DamagedError(said) from error
            if decoder.partial:
                said = "not whole"
                raise DamagedError(said)
        return decoder.finish()

    try:
        return client.ask("/api/v1/export", asked, read, pieces=True)
    except TooMuchError:
        raise
    except ServerError as error:
        if error.status in _NOT_THERE or isinstance(error, EndlessError):
            msg = f"HTTP {error.status}"
            raise _NotThereError(msg) from None
        raise
