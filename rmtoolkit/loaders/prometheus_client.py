"""Requests to a server that speaks Prometheus' language: signed, retried, bounded, and told in plain words."""

from __future__ import annotations

import io
import random
import threading
import time
from base64 import b64encode
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar
from urllib.parse import urljoin, urlsplit

from rmtoolkit.exceptions import quote
from rmtoolkit.loaders.prometheus_faults import (
    DamagedError,
    EndlessError,
    FinalError,
    PassingError,
    ServerError,
    TooMuchError,
    failure_of,
    is_same_server,
    wait_of,
    words_of,
)
from rmtoolkit.loaders.prometheus_secrets import Address, Bearer, Secrets, guard_logs

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from prometheus_api_client import PrometheusConnect
    from requests import Response, Session

_Read = TypeVar("_Read")

#: What an answer may have at most, unpacked.
MOST_BYTES: Final = 512 << 20
_PIECE_BYTES: Final = 1 << 18
_CONNECT_SECONDS: Final = 10.0
#: An answer that keeps coming may take this many times the time of silence that is allowed.
_DEADLINE_FACTOR: Final = 5
_LONGEST_WAIT_SECONDS: Final = 60.0
#: Between two looks at whether to go on waiting for an answer.
_LOOK_SECONDS: Final = 0.1
_MOST_REDIRECTS: Final = 5
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")

_REDIRECTS: Final = (301, 302, 303, 307, 308)
_PASSING: Final = (408, 425, 429, 500, 502, 503, 504)
_TOO_MUCH: Final = (413, 414, 422, 431)
#: What a server, or what stands before it, answers to a POST when it takes only GET.
_GET_ONLY: Final = (403, 404, 405, 501)
_OK: Final = 200
_UNSIGNED: Final = (401, 403, 407)
_NOT_FOUND: Final = 404
_BAD_REQUEST: Final = 400
#: Words in which servers say that a request is larger than they allow.
_LIMIT_WORDS: Final = ("exceed", "too many", "too long", "limit", "maximum", "max-", "range")


class _Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, and how often to try.

    Attributes
    ----------
    timeout_seconds
        Longest silence within an answer; five times that for the whole of it.
    retries
        How often a request is made again that failed in a way that may pass.
    backoff_seconds
        The wait before the first of these; twice as long before each next one, unless the server says.
    """

    timeout_seconds: float = 60.0
    retries: int = 5
    backoff_seconds: float = 0.5


@dataclass(slots=True)
class _Learnt:
    """What previous requests told of the server."""

    method: str = "POST"
    reached: bool = False


class Client:
    """A connection to one server.

    Parameters
    ----------
    url
        Address of the server; a user, a password or parameters in it are used and never shown.
    patience
        Timeouts and retries.
    username, password, token, token_file, auth
        Who asks: basic, bearer, or any authentication of requests.
    headers, tenant
        Sent with every request; `tenant` as ``X-Scope-OrgID``.
    parameters
        Sent with every query.
    verify, certificate, proxies
        As requests takes them.
    """

    def __init__(
        self,
        url: str,
        *,
        patience: Patience | None = None,
        username: str | None = None,
        password: str | None = None,
        token: str | Callable[[], str] | None = None,
        token_file: str | os.PathLike[str] | None = None,
        auth: Any = None,  # noqa: ANN401 - any authentication of requests
        headers: Mapping[str, str] | None = None,
        tenant: str | None = None,
        parameters: Mapping[str, str] | None = None,
        verify: bool | str = True,
        certificate: str | tuple[str, str] | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> None:
        self.secrets = Secrets()
        self.address = Address(url, self.secrets)
        self.patience = patience or Patience()
        user = username if username is not None else self.address.user
        word = password if password is not None else self.address.password
        if user is not None:
            self.secrets.add(word, b64encode(f"{user}:{word or ''}".encode()).decode())
        bearer = Bearer(self.secrets, token=token, file=token_file) if token or token_file is not None else None
        given = [one for one in (auth, bearer, _basic(user, word) if user is not None else None) if one is not None]
        if len(given) > 1:
            msg = "Say who asks in one way: a user and password, or token, or token_file, or auth."
            raise ServerError(msg)
        self.auth: Any = given[0] if given else None
        self.headers = dict(headers or {}) | ({"X-Scope-OrgID": tenant} if tenant is not None else {})
        self.secrets.add(*(value for name, value in self.headers.items() if name.lower() not in _HARMLESS))
        self.secrets.add(_word(auth[1] if isinstance(auth, tuple) else getattr(auth, "password", None)))
        for proxy in (proxies or {}).values():
            self.secrets.add(_password_of(proxy))
        self._parameters = dict(parameters or {})
        self._tls = (verify if isinstance(verify, bool) else str(verify), certificate, dict(proxies or {}))
        self._learnt = _Learnt()
        self._lock = threading.Lock()
        self._connect: PrometheusConnect | None = None
        self.requests = 0
        self.stop = threading.Event()
        guard_logs(self.secrets)

    def __repr__(self) -> str:
        return f"<Client: {self.address}>"

    @property
    def connect(self) -> PrometheusConnect:
        """The connection that prometheus-api-client makes of our own session; for other requests than ours."""
        with self._lock:
            if self._connect is None:
                self._connect = self._connected()
            return self._connect

    def _connected(self) -> PrometheusConnect:
        # All are slow to import, and only who asks a server needs them.
        from prometheus_api_client import PrometheusConnect  # noqa: PLC0415
        from requests import Session  # noqa: PLC0415
        from urllib3.util.retry import Retry  # noqa: PLC0415

        from rmtoolkit.loaders.prometheus_tls import own_authority  # noqa: PLC0415

        session = Session()
        session.verify, session.cert, proxies = self._tls
        session.proxies.update(proxies)
        is_near = urlsplit(self.address.url).hostname in _LOOPBACK
        # Packing 100 MB takes a server a second; a loopback carries them in a tenth of that.
        session.headers["Accept-Encoding"] = "identity" if is_near else "gzip"
        session.headers["User-Agent"] = "rmtoolkit"
        retry = Retry(total=0, redirect=False, raise_on_status=False)
        connect: Any = PrometheusConnect
        made: PrometheusConnect = connect(
            self.address.url, headers=self.headers, auth=self.auth, session=session, retry=retry, method="POST"
        )
        if isinstance(session.verify, str):
            session.mount(self.address.url, own_authority(retry))
        return made

    @property
    def session(self) -> Session:
        """The session under the connection."""
        session: Session = self.connect._session  # noqa: SLF001 - it is ours, handed in above
        return session

    def for_one_pull(self) -> Client:
        """Give the same connection, with a count of requests and a way to stop of its own.

        Returns
        -------
        Client
            Shares the session and what was learnt of the server.
        """
        _ = self.connect
        other = copy(self)
        other.stop, other.requests = threading.Event(), 0
        return other

    def close(self) -> None:
        """Let go of the connections."""
        if self._connect is not None:
            self._connect.close()

    def ask(
        self,
        path: str,
        parameters: Mapping[str, str],
        read: Callable[[bytes], _Read],
        *,
        method: str | None = None,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        pieces: bool = False,
    ) -> _Read:
        """Make a request, again where that may help, and read its answer.

        Parameters
        ----------
        path
            Such as ``/api/v1/query``.
        parameters
            Of the request: in its body, or in the address where a server takes only GET.
        read
            Makes something of the body; raises `DamagedError` to have it sent again.
        method, data, headers
            For endpoints of another kind: a body of bytes, sent with just this method.
        pieces
            The answer consists of pieces, so that one which is cut off may look whole: it has to say its length.

        Returns
        -------
        object
            What `read` made.

        Raises
        ------
        TooMuchError
            A smaller request may do.
        EndlessError
            The answer had to say its length, and did not.
        ServerError
            Anything else that keeps failing; with the server's own words.
        """
        if data is None:
            parameters = {**self._parameters, **parameters}
        slow = 0
        for attempt in range(self.patience.retries + 1):
            try:
                return read(self._answer(path, parameters, method, data, headers or {}, pieces=pieces))
            except (DamagedError, PassingError, FinalError) as error:
                trouble = error
            # Outside of `except`: what the HTTP library said may name secrets, and goes no further.
            if isinstance(trouble, FinalError):
                raise trouble.error
            if isinstance(trouble, DamagedError):
                trouble = PassingError(f"its answer was damaged ({trouble})")
            failed: PassingError = trouble
            slow += failed.kind == "slow"
            if slow > 1 or (failed.kind == "gateway" and attempt):
                raise TooMuchError(self._told(failed), failed.status)
            hopeless = failed.kind == "connect" and not self._learnt.reached and attempt
            if attempt == self.patience.retries or hopeless or failed.wait > _LONGEST_WAIT_SECONDS:
                raise ServerError(self._told(failed), failed.status)
            spread = 0.5 + random.random() / 2  # noqa: S311 - so that parallel requests do not return together
            backoff = self.patience.backoff_seconds * 2**attempt * spread
            if self.stop.wait(min(max(failed.wait, backoff), _LONGEST_WAIT_SECONDS)):
                raise ServerError(self.fault("the pull was stopped"))
        raise AssertionError  # the last attempt returns or raises

    def fault(self, said: str, hint: str = "") -> str:
        """Build the one message of what went wrong.

        Parameters
        ----------
        said
            What happened, as the end of a sentence.
        hint
            A sentence that says what to do next.

        Returns
        -------
        str
            Names the server; holds no secret.
        """
        line = f"Could not read {self.address!r}: {said}."
        return self.secrets.mask(f"{line} {hint}" if hint else line)

    def _told(self, failed: PassingError) -> str:
        hints = {
            "connect": "Is it running, and the address right? In a cluster: "
            "kubectl port-forward svc/prometheus-server 9090:80, then http://127.0.0.1:9090.",
            "slow": "Ask for less (last=, namespace=, step=), or give it more time: timeout_seconds=.",
            "limit": "It asks for patience: try later, or with less in parallel (parallel=1).",
        }
        return self.fault(failed.said, hints.get(failed.kind, ""))

    def _answer(
        self,
        path: str,
        parameters: Mapping[str, str],
        method: str | None,
        data: bytes | None,
        headers: Mapping[str, str],
        *,
        pieces: bool,
    ) -> bytes:
        used = method or self._learnt.method
        answer = self._followed(used, self.address.of(path), parameters, data, headers)
        if method is None and used == "POST" and answer.status in _GET_ONLY:
            other = self._followed("GET", self.address.of(path), parameters, None, headers)
            if other.status == _OK or answer.status not in _UNSIGNED:
                self._learnt.method, answer = ("GET" if other.status == _OK else "POST"), other
        self._learnt.reached = True
        if answer.status != _OK:
            self._refuse(answer)
        if pieces and not {"content-length", "transfer-encoding"} & {name.lower() for name in answer.headers}:
            raise FinalError(EndlessError(self.fault("an answer came without its length"), _OK))
        head = answer.body[:512].lstrip()
        # A frame of a remote read may begin with any byte.
        if head[:1] == b"<" and (data is None or head[:2].lower() in (b"<!", b"<h")):
            raise FinalError(ServerError(self.fault("it answered with a web page", _WEB_PAGE), _OK))
        if data is None and b'"status":"error"' in head.replace(b" ", b""):
            self._refuse(answer)
        return answer.body

    def _followed(
        self,
        method: str,
        url: str,
        parameters: Mapping[str, str],
        data: bytes | None,
        headers: Mapping[str, str],
    ) -> _Answer:
        """Make a request; go where the server sends us, within the same server only."""
        for _ in range(_MOST_REDIRECTS):
            answer = self._sent(method, url, parameters, data, headers)
            target = answer.headers.get("Location")
            if answer.status not in _REDIRECTS or not target:
                return answer
            target = urljoin(url, target)
            if not is_same_server(url, target):
                host = quote(urlsplit(target).netloc.rpartition("@")[2])
                hint = "Credentials are not sent there. If it is the server you mean, give its address; else sign in."
                raise FinalError(
                    ServerError(self.fault(f"it redirects to another server, {host}", hint), answer.status)
                )
            url = self.address.signed(target.partition("?")[0])
        raise FinalError(ServerError(self.fault("it redirects in a circle", "Check the address and its path.")))

    def _sent(
        self,
        method: str,
        url: str,
        parameters: Mapping[str, str],
        data: bytes | None,
        headers: Mapping[str, str],
    ) -> _Answer:
        """Make one request; leave it alone when it takes too long, wherever within it that is."""
        import requests  # noqa: PLC0415 - slow, and only who asks a server needs it
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        with self._lock:
            self.requests += 1
        over = threading.Event()
        begun = time.monotonic()
        try:
            with self._begun(over, method, url, parameters, data, headers) as response:
                return _Answer(response.status_code, response.headers, self._body(response))
        except (requests.RequestException, HTTPError, OSError) as error:
            failed = failure_of(error, self.patience.timeout_seconds)
        finally:
            over.set()
        if time.monotonic() - begun > self._longest:
            raise self._slow()
        if failed.passes:
            raise PassingError(failed.said, kind=failed.kind)
        raise FinalError(ServerError(self.fault(failed.said, failed.hint)))

    @property
    def _longest(self) -> float:
        return _DEADLINE_FACTOR * self.patience.timeout_seconds

    def _slow(self) -> PassingError:
        return PassingError(f"it took longer than {self._longest:g} s to answer", kind="slow")

    def _begun(
        self,
        over: threading.Event,
        method: str,
        url: str,
        parameters: Mapping[str, str],
        data: bytes | None,
        headers: Mapping[str, str],
    ) -> Response:
        """Send a request and wait for the head of its answer; what takes too long after it is broken off, too."""
        found: list[Response | BaseException] = []
        done = threading.Event()

        def exchange() -> None:
            try:
                response = self._exchanged(method, url, parameters, data, headers)
            except BaseException as error:  # noqa: BLE001 - it is raised where somebody waits for it
                found.append(error)
                done.set()
                return
            if over.is_set():
                response.close()
                return
            found.append(response)
            done.set()
            if not over.wait(self._longest):
                with suppress(Exception):
                    response.raw.shutdown()

        # The library waits for each byte of a line anew, and for a name to be resolved as long as the system does.
        deadline = time.monotonic() + self._longest
        threading.Thread(target=exchange, name="rmtoolkit-request", daemon=True).start()
        while not done.wait(_LOOK_SECONDS):
            if self.stop.is_set():
                raise FinalError(ServerError(self.fault("the pull was stopped")))
            if time.monotonic() > deadline:
                raise self._slow()
        if isinstance(found[0], BaseException):
            raise found[0]
        return found[0]

    def _exchanged(
        self,
        method: str,
        url: str,
        parameters: Mapping[str, str],
        data: bytes | None,
        headers: Mapping[str, str],
    ) -> Response:
        session = self.session
        return session.request(
            method,
            url,
            params=parameters if method == "GET" or data is not None else None,
            data=data if data is not None else (parameters if method == "POST" else None),
            headers={**self.headers, **headers},
            auth=self.auth,
            # Said here: else an authority that the environment names would go before it.
            verify=session.verify,
            timeout=(min(_CONNECT_SECONDS, self.patience.timeout_seconds), self.patience.timeout_seconds),
            allow_redirects=False,
            stream=True,
        )

    def _body(self, response: Response) -> bytes:
        """Read piece by piece: bounded in size and in time, whatever the server does."""
        deadline = time.monotonic() + self._longest
        body = io.BytesIO()
        more = True
        while more:
            piece = response.raw.read1(_PIECE_BYTES, decode_content=True)
            more = bool(piece)
            body.write(piece)
            if body.tell() > MOST_BYTES:
                raise FinalError(TooMuchError(self.fault(f"its answer has more than {MOST_BYTES:,} bytes")))
            # After the last piece as well: what was broken off may look like an end.
            if time.monotonic() > deadline:
                raise self._slow()
            if self.stop.is_set():
                raise FinalError(ServerError(self.fault("the pull was stopped")))
        # This takes what was written as it is, without a copy.
        return body.getvalue()

    def _refuse(self, answer: _Answer) -> None:
        """Say what an answer means that is none."""
        kind, text = words_of(answer.body, self.secrets.mask)
        said = f"HTTP {answer.status}{f': {text}' if text else ''}"
        status = answer.status if answer.status != _OK else _BAD_REQUEST
        if status in _TOO_MUCH or kind == "timeout":
            raise FinalError(TooMuchError(self.fault(said, "Ask for less: last=, namespace=, step=."), status))
        if status in _PASSING:
            names = {429: "limit", 504: "gateway"}
            raise PassingError(said, status=status, wait=wait_of(answer.headers), kind=names.get(status, ""))
        if status in _UNSIGNED:
            who = "It knows nobody without credentials" if self.auth is None else "It does not accept these credentials"
            raise FinalError(
                ServerError(self.fault(said, f"{who}: token=, token_file=, username= and password=."), status)
            )
        if status == _BAD_REQUEST and any(word in text.lower() for word in _LIMIT_WORDS):
            raise FinalError(TooMuchError(self.fault(said, "Ask for less: last=, namespace=, step=."), status))
        hint = "Is the path right? Mimir's ends in /prometheus, for example." if status == _NOT_FOUND else ""
        raise FinalError(ServerError(self.fault(said, hint), status))


_HARMLESS: Final = ("accept", "accept-encoding", "content-type", "user-agent", "x-scope-orgid")
_WEB_PAGE: Final = (
    "That is no Prometheus: a login page looks like this (token=, username=), or the path is wrong "
    "(Grafana's own address is not that of its data source)."
)


def _basic(user: str, word: str | None) -> tuple[bytes, bytes]:
    """Give user and password as UTF-8: as text, requests takes Latin-1 only."""
    return user.encode(), (word or "").encode()


def _word(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _password_of(url: str) -> str | None:
    try:
        return urlsplit(url).password
    except ValueError:
        return None
