"""Requests to a server: credentials, TLS, retries, bounds, and failures in words that hold no secret."""

from __future__ import annotations

import io
import json
import logging
import os
import random
import re
import ssl
import threading
import time
from base64 import b64encode
from concurrent.futures import Future, wait
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from html import escape
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn, TypeVar
from urllib.parse import parse_qsl, unquote, urlencode, urljoin, urlsplit, urlunsplit
from urllib.parse import quote as percent_quote
from weakref import WeakSet

import msgspec

from rmtoolkit.exceptions import ReadError, RmtoolkitError, quote, system_words
from rmtoolkit.text import texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import UnionType

    from prometheus_api_client import PrometheusConnect
    from requests import Response, Session
    from requests.adapters import HTTPAdapter
    from urllib3 import ProxyManager
    from urllib3.util.retry import Retry

_HINTS: Final[dict[str, str]] = texts("loaders/hints")["server"]
_MESSAGE_CHARACTERS: Final = 400
_Read = TypeVar("_Read")

#: What an answer may have at most, unpacked.
MOST_BYTES: Final = 512 << 20
_PIECE_BYTES: Final = 1 << 18
_CONNECT_SECONDS: Final = 10.0
_LONGEST_WAIT_SECONDS: Final = 60.0
#: Between two looks at whether to go on waiting for an answer.
_LOOK_SECONDS: Final = 0.1
_MOST_REDIRECTS: Final = 5

_REDIRECTS: Final = (301, 302, 303, 307, 308)
_PASSING: Final = (408, 425, 429, 500, 502, 503, 504)
_TOO_MUCH: Final = (413, 414, 422, 431)
#: What a server, or what stands before it, answers to a POST when it takes only GET.
_GET_ONLY: Final = (403, 404, 405, 501)
_UNSIGNED: Final = (401, 403, 407)
#: Words in which servers say that a request is larger than they allow.
_LIMIT_WORDS: Final = ("exceed", "too many", "too long", "limit", "maximum", "max-", "range")
#: Headers without a secret.
_HARMLESS: Final = ("accept", "accept-encoding", "content-type", "user-agent", "x-scope-orgid")
#: Where credentials come from that must stand in no command line, and in no notebook.
_FROM_ENVIRONMENT: Final = ("token", "token_file", "username", "password", "tenant", "ca_file")


class ServerError(ReadError):
    """A server cannot be reached, or did not answer as Prometheus does.

    Examples
    --------
    >>> import rmtoolkit as rm
    >>> try:
    ...     rm.Prometheus("http://127.0.0.1:9", retries=0).recording(last="1h")
    ... except rm.ServerError:
    ...     print("not there")
    not there
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        self.status = status
        super().__init__(message)


class NothingThereError(ServerError):
    """A server answers, and has nothing of what was asked for in that time."""


class TooMuchError(ServerError):
    """The server refused a request, or did not finish it, because of its size: a smaller one may do."""


class PassingError(Exception):
    def __init__(self, said: str, *, status: int | None = None, wait: float = 0.0, kind: str = "") -> None:
        self.said, self.status, self.wait, self.kind = said, status, wait, kind
        super().__init__(said)


class DamagedError(PassingError):
    """What reads an answer says that it is damaged: it is asked for again."""

    def __init__(self, said: str) -> None:
        super().__init__(f"its answer was damaged ({said})")


class FinalError(Exception):
    """Carries an error out of the `except` of another, which may name secrets."""

    def __init__(self, error: ServerError) -> None:
        self.error = error
        super().__init__()


class _Said(msgspec.Struct, rename={"kind": "errorType"}):
    status: str = ""
    kind: str | int | None = None
    error: str | None = None
    message: str | None = None


class Failure(NamedTuple):
    said: str  # as the end of a sentence
    hint: str = ""
    kind: str = ""  # ``connect`` or ``slow`` where it matters
    passes: bool = True


def failure_of(error: Exception, silence_seconds: float) -> Failure:
    from requests import exceptions as requests  # noqa: PLC0415 - slow, and only who asks a server needs it
    from urllib3 import exceptions as urllib3  # noqa: PLC0415

    causes = list(_causes(error))
    if any(isinstance(one, ssl.SSLError | requests.SSLError | urllib3.SSLError) for one in causes):
        said = next((str(one.verify_message) for one in causes if isinstance(one, ssl.SSLCertVerificationError)), "")
        reasons = (getattr(one, "reason", None) for one in causes if isinstance(one, ssl.SSLError))
        said = said or next((str(reason) for reason in reasons if reason), "")
        hint = "For a certificate of your own authority say verify='/path/to/ca.pem'."
        return Failure(f"TLS failed{f' ({quote(said)})' if said else ''}", hint, passes=False)
    if isinstance(error, OSError) and "invalid path" in str(error):
        return Failure("a file of verify= or certificate= is not there", passes=False)
    silent = Failure(f"it was silent for {silence_seconds:g} s", kind="slow")
    kinds: dict[type[BaseException] | UnionType, Failure] = {
        requests.InvalidHeader: Failure("a header, or the token, has signs that no header may have", passes=False),
        requests.InvalidURL | requests.InvalidSchema: Failure("this is no address", passes=False),
        urllib3.NameResolutionError: Failure("there is no such host", kind="connect"),
        urllib3.ProxyError | requests.ProxyError: Failure("the proxy cannot be reached, or refused", kind="connect"),
        ConnectionRefusedError: Failure("the connection was refused", kind="connect"),
        urllib3.NewConnectionError | urllib3.ConnectTimeoutError | requests.ConnectTimeout: Failure(
            "no connection could be made", kind="connect"
        ),
        TimeoutError | urllib3.ReadTimeoutError | requests.Timeout: silent,
    }
    found = (failure for types, failure in kinds.items() if any(isinstance(one, types) for one in causes))
    return next(found, Failure("the connection broke within the answer"))


def words_of(body: bytes, mask: Callable[[str], str]) -> tuple[str, str]:
    """Take the kind and the message out of an error answer, which may have any form."""
    try:
        said = msgspec.json.decode(body, type=_Said)
        kind, text = str(said.kind or ""), said.error or said.message or ""
    except msgspec.MsgspecError:
        kind, text = "", body[: 4 * _MESSAGE_CHARACTERS].decode("utf-8", "replace")
        text = "a web page" if text.lstrip()[:1] == "<" else text
    # Masked before it is cut: half a secret would not be recognised.
    text = " ".join(mask(text).split())
    text = text[:_MESSAGE_CHARACTERS] + ("…" if len(text) > _MESSAGE_CHARACTERS else "")
    return kind, text if text.isprintable() else ascii(text)[1:-1]


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    queue: list[object] = [error]
    while queue:
        one = queue.pop()
        if isinstance(one, BaseException) and one not in seen:
            seen.append(one)
            yield one
            queue += [one.__cause__, one.__context__, *one.args, getattr(one, "reason", None)]


def is_same_server(url: str, target: str) -> bool:
    try:
        one, other = urlsplit(url), urlsplit(target)
        mine, theirs = (part.port or {"http": 80, "https": 443}.get(part.scheme) for part in (one, other))
    except ValueError:
        return False
    is_safer = (one.scheme, other.scheme) == ("http", "https") and (mine, theirs) in ((80, 443), (mine, mine))
    is_same = one.scheme == other.scheme and mine == theirs
    return (is_same or is_safer) and one.hostname == other.hostname and other.username is None


def wait_of(headers: Mapping[str, str]) -> float:
    text = headers.get("Retry-After", "").strip()
    with suppress(ValueError):
        return max(0.0, float(text))
    with suppress(ValueError):
        then = parsedate_to_datetime(text)
        return max(0.0, (then if then.tzinfo else then.replace(tzinfo=UTC)).timestamp() - time.time())
    return 0.0


MASK: Final = "***"
#: A word as short as that stands in many texts by chance; its length gives away more than it hides.
_SHORTEST: Final = 3
#: What a client may say of a credential without our knowledge: whatever follows these words.
_SCHEMES: Final = re.compile(r"(?i)\b(bearer|basic)\s+(?!<)[A-Za-z0-9+/=._~-]{8,}")
_USERINFO: Final = re.compile(r"(?<=://)[^/\s@]*@")
_GUARDED: Final[WeakSet[Secrets]] = WeakSet()
_LOGS: Final = ("urllib3.connectionpool", "urllib3.util.retry", "prometheus_api_client.prometheus_connect")


class Secrets:
    def __init__(self) -> None:
        self._known: set[str] = set()

    def add(self, *texts: object) -> None:
        for text in texts:
            if isinstance(text, str) and len(text) >= _SHORTEST:
                # Servers repeat what they got in other letters, in addresses, pages and JSON.
                forms = (text, percent_quote(text, safe=""), percent_quote(text), escape(text), json.dumps(text)[1:-1])
                self._known |= {f"(?i:{re.escape(form)})" for form in forms} | set(_in_base64(text.encode()))

    def mask(self, text: str) -> str:
        for secret in sorted(self._known, key=len, reverse=True):
            text = re.sub(secret, MASK, text)
        return _SCHEMES.sub(rf"\1 {MASK}", _USERINFO.sub(f"{MASK}@", text))


def _in_base64(secret: bytes) -> Iterator[str]:
    """Tell how it looks within more, as a password after a user; a letter at each end may hold bits of it."""
    for before, first in enumerate((0, 2, 3)):
        for others in (b"+/", b"-_"):
            coded = b64encode(bytes(before) + secret, others).decode()
            yield rf"[\w+/-]?{re.escape(coded[first : (before + len(secret)) * 4 // 3])}[\w+/=-]?"


def _masked(record: logging.LogRecord) -> bool:
    said = masked = record.getMessage()
    for secrets in list(_GUARDED):
        masked = secrets.mask(masked)
    if masked != said:
        record.msg, record.args = masked, ()
    return True


class Address:
    """Where a server is, without credentials; and what its address said beyond that."""

    def __init__(self, url: str, secrets: Secrets) -> None:
        try:
            parts = urlsplit(url.strip())
            port = parts.port
        except (ValueError, AttributeError):
            parts, port = urlsplit(""), None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            # Whatever stands before the last @ may be a password, and what follows a ? a token.
            before, at, host = str(url).partition("?")[0].rpartition("@")
            scheme = re.match(r"\w+://", before)
            named = f"{scheme[0] if scheme else ''}{MASK}@{host}" if at else host
            msg = f"{quote(named)} is no address of a server. Write it like 'http://prometheus:9090' or \
'https://host/prometheus'."
            raise RmtoolkitError(msg)
        self.user = unquote(parts.username) if parts.username is not None else None
        self.password = unquote(parts.password) if parts.password is not None else None
        told = parse_qsl(parts.query, keep_blank_values=True)
        self.parameters = tuple((name, value) for name, value in told if not re.match(r"g\d+\.", name))
        # A token is often written as if it were a user.
        secrets.add(self.password or self.user, *(value for _, value in self.parameters))
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        # What stands in a browser's address bar will do: pages of the server's own interface, and their parameters.
        path = re.sub(r"(?s)/(?:graph|query|alerts|targets|api/v1(?:/.*)?)\Z", "", parts.path.rstrip("/"))
        self.url = urlunsplit((parts.scheme, host + (f":{port}" if port else ""), path, "", ""))

    def __repr__(self) -> str:
        return self.url

    def signed(self, url: str) -> str:
        return f"{url}?{urlencode(self.parameters)}" if self.parameters else url


@dataclass(frozen=True, slots=True)
class Bearer:
    """Sends a token: the same one, a file's content at each request, or what a function gives."""

    secrets: Secrets
    token: str | Callable[[], str] | None = field(repr=False)
    file: str | os.PathLike[str] | None

    def __call__(self, request: Any) -> Any:  # noqa: ANN401 - requests' prepared request, which ships no types
        if self.file is not None:
            try:
                text = Path(self.file).read_text("utf-8")
            except (OSError, UnicodeDecodeError) as error:
                why = system_words(error) if isinstance(error, OSError) else "it is no text"
                msg = f"The token file {quote(self.file)} cannot be read: {why}."
                raise RmtoolkitError(msg) from None
        else:
            text = self.token() if callable(self.token) else str(self.token)
        token = text.strip()
        self.secrets.add(token)
        if not token or not token.isascii() or any(sign.isspace() or not sign.isprintable() for sign in token):
            where = f"the file {quote(self.file)}" if self.file is not None else "what was given as token"
            msg = f"There is no token in {where}: one word is expected."
            raise RmtoolkitError(msg)
        request.headers["Authorization"] = f"Bearer {token}"
        return request


class _Request(NamedTuple):
    url: str
    parameters: Mapping[str, str]
    data: bytes | None
    headers: Mapping[str, str]
    most_bytes: int


class _Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


class Patience(NamedTuple):
    timeout_seconds: float  # longest silence within an answer; five times that for the whole of it
    retries: int
    backoff_seconds: float


class Who(NamedTuple):
    """Who asks, and how, as `Prometheus` takes it."""

    username: str | None = None
    password: str | None = None
    token: str | Callable[[], str] | None = None
    token_file: str | os.PathLike[str] | None = None
    auth: Any = None
    headers: Mapping[str, str] | None = None
    tenant: str | None = None
    parameters: Mapping[str, str] | None = None
    verify: bool | str = True
    certificate: str | tuple[str, str] | None = None
    proxies: Mapping[str, str] | None = None


class _Learnt:
    method = "POST"
    reached = False


class Client:
    def __init__(
        self, url: str, who: Who, *, patience: Patience, near: str = _HINTS["near"], web_page: str | None = None
    ) -> None:
        self.secrets = Secrets()
        self.address = Address(url, self.secrets)
        self.patience = patience
        user = who.username if who.username is not None else self.address.user
        word = who.password if who.password is not None else self.address.password
        is_told = who.token or who.token_file is not None
        bearer = Bearer(self.secrets, who.token, who.token_file) if is_told else None
        self.secrets.add(word, who.token.strip() if isinstance(who.token, str) else None)
        # As UTF-8: of text, requests takes Latin-1 only.
        basic = (user.encode(), (word or "").encode()) if user is not None else None
        given = [one for one in (who.auth, bearer, basic) if one is not None]
        if len(given) > 1:
            msg = "Say who asks in one way: a user and password, or token, or token_file, or auth."
            raise ServerError(msg)
        self.auth: Any = given[0] if given else None
        self.headers = dict(who.headers or {}) | ({"X-Scope-OrgID": who.tenant} if who.tenant is not None else {})
        self.secrets.add(*(value for name, value in self.headers.items() if name.lower() not in _HARMLESS))
        self.secrets.add(who.auth[1] if isinstance(who.auth, tuple) else getattr(who.auth, "password", None))
        for proxy in (who.proxies or {}).values():
            with suppress(ValueError):
                self.secrets.add(urlsplit(proxy).password)
        self._parameters = dict(who.parameters or {})
        verify = who.verify if isinstance(who.verify, bool) else str(who.verify)
        self._tls = (verify, who.certificate, dict(who.proxies or {}))
        self._learnt = _Learnt()
        self._lock = threading.Lock()
        self._connect: PrometheusConnect | None = None
        self.requests = 0
        #: What is told of a server that is not found, and of one that answers with a web page.
        self._near = near
        self._lost, self._web_page = web_page or _HINTS["lost"], web_page or _HINTS["web_page"]
        self.stop = threading.Event()
        _GUARDED.add(self.secrets)
        for name in _LOGS:
            logging.getLogger(name).addFilter(_masked)

    def __repr__(self) -> str:
        return f"<Client: {self.address}>"

    @property
    def connect(self) -> PrometheusConnect:
        """The connection that prometheus-api-client makes of our own session; for other requests than ours."""
        with self._lock:
            self._connect = self._connect or self._connected()
            return self._connect

    def _connected(self) -> PrometheusConnect:
        from prometheus_api_client import PrometheusConnect  # noqa: PLC0415
        from requests import Session  # noqa: PLC0415
        from urllib3.util.retry import Retry  # noqa: PLC0415

        session = Session()
        session.verify, session.cert, proxies = self._tls
        session.proxies.update(proxies)
        is_near = urlsplit(self.address.url).hostname in ("localhost", "127.0.0.1", "::1")
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
        session: Session = self.connect._session  # noqa: SLF001 - it is ours, handed in above
        return session

    def for_one_pull(self) -> Client:
        _ = self.connect
        other = copy(self)
        other.stop, other.requests = threading.Event(), 0
        return other

    def close(self) -> None:
        if self._connect is not None:
            self._connect.close()

    def ask(
        self,
        path: str,
        parameters: Mapping[str, str],
        read: Callable[[bytes], _Read],
        *,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        pieces: bool = False,
        types: Sequence[str] = (),
        most_bytes: int | None = None,
    ) -> _Read:
        """Make a request (with `data` a POST of these bytes), again where that may help, and read its answer."""
        parameters = {**self._parameters, **parameters} if data is None else parameters
        request = _Request(
            self.address.signed(f"{self.address.url}{path}"), parameters, data, headers or {}, most_bytes or MOST_BYTES
        )
        slow = 0
        for attempt in range(self.patience.retries + 1):
            try:
                return read(self._answer(request, pieces=pieces, types=types))
            except (PassingError, FinalError) as error:
                failed = error
            # Outside of `except`: what the HTTP library said may name secrets, and goes no further.
            if isinstance(failed, FinalError):
                raise failed.error
            told = self.fault(failed.said, _HINTS.get(failed.kind, "").format(near=self._near))
            slow += failed.kind == "slow"
            if slow > 1 or (failed.kind == "gateway" and attempt):
                raise TooMuchError(told, failed.status)
            hopeless = failed.kind == "connect" and not self._learnt.reached and attempt
            if attempt == self.patience.retries or hopeless or failed.wait > _LONGEST_WAIT_SECONDS:
                raise ServerError(told, failed.status)
            spread = 0.5 + random.random() / 2  # noqa: S311 - so that parallel requests do not return together
            backoff = self.patience.backoff_seconds * 2**attempt * spread
            if self.stop.wait(min(max(failed.wait, backoff), _LONGEST_WAIT_SECONDS)):
                raise ServerError(self.fault("the pull was stopped"))
        raise AssertionError  # the last attempt returns or raises

    def get(self) -> bytes:
        self._learnt.method = "GET"
        return self.ask("", {}, bytes)

    def fault(self, said: str, hint: str = "") -> str:
        line = f"Could not read {self.address!r}: {said}."
        return self.secrets.mask(f"{line} {hint}" if hint else line)

    def _fail(
        self, said: str, hint: str = "", status: int | None = None, kind: type[ServerError] = ServerError
    ) -> NoReturn:
        raise FinalError(kind(self.fault(said, hint), status))

    def _answer(self, request: _Request, *, pieces: bool, types: Sequence[str]) -> bytes:
        data = request.data
        used = self._learnt.method if data is None else "POST"
        answer = self._followed(used, request)
        if data is None and used == "POST" and answer.status in _GET_ONLY:
            other = self._followed("GET", request)
            if other.status == HTTPStatus.OK or answer.status not in _UNSIGNED:
                self._learnt.method, answer = ("GET" if other.status == HTTPStatus.OK else "POST"), other
        self._learnt.reached = True
        if answer.status != HTTPStatus.OK:
            self._refuse(answer)
        # Cut off between two pieces, an answer looks whole.
        if pieces and not {"content-length", "transfer-encoding"} & {name.lower() for name in answer.headers}:
            self._fail("an answer came without its length", status=HTTPStatus.OK)
        kind = answer.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if types and kind not in types:
            self._fail(f"it answered with {quote(kind or 'no type')}", status=HTTPStatus.OK)
        head = answer.body[:512].lstrip()
        # A frame of a remote read may begin with any byte.
        if head[:1] == b"<" and (data is None or head[:2].lower() in (b"<!", b"<h")):
            self._fail("it answered with a web page", self._web_page, HTTPStatus.OK)
        if data is None and b'"status":"error"' in head.replace(b" ", b""):
            self._refuse(answer)
        return answer.body

    def _followed(self, method: str, request: _Request) -> _Answer:
        for _ in range(_MOST_REDIRECTS):
            answer = self._sent(method, request)
            target = answer.headers.get("Location")
            if answer.status not in _REDIRECTS or not target:
                return answer
            target = urljoin(request.url, target)
            if not is_same_server(request.url, target):
                host = quote(urlsplit(target).netloc.rpartition("@")[2])
                hint = "Credentials are not sent there. If it is the server you mean, give its address; else sign in."
                self._fail(f"it redirects to another server, {host}", hint, answer.status)
            request = request._replace(url=self.address.signed(target.partition("?")[0]))
        return self._fail("it redirects in a circle", "Check the address and its path.")

    def _sent(self, method: str, request: _Request) -> _Answer:
        import requests  # noqa: PLC0415 - slow, and only who asks a server needs it
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        with self._lock:
            self.requests += 1
        over = threading.Event()
        begun = time.monotonic()
        try:
            with self._begun(over, method, request) as response:
                return _Answer(response.status_code, response.headers, self._body(response, request.most_bytes))
        except (requests.RequestException, HTTPError, OSError) as error:
            failed = failure_of(error, self.patience.timeout_seconds)
        finally:
            over.set()
        self._go_on(begun + self._longest)
        if failed.passes:
            raise PassingError(failed.said, kind=failed.kind)
        return self._fail(failed.said, failed.hint)

    @property
    def _longest(self) -> float:
        """An answer that keeps coming may take five times the silence that is allowed."""
        return 5 * self.patience.timeout_seconds

    def _go_on(self, deadline: float) -> None:
        if self.stop.is_set():
            self._fail("the pull was stopped")
        if time.monotonic() > deadline:
            said = f"it took longer than {self._longest:g} s to answer"
            raise PassingError(said, kind="slow")

    def _begun(self, over: threading.Event, method: str, request: _Request) -> Response:
        """Send a request and wait for the head of its answer; what takes too long after it is broken off, too."""
        found: Future[Response] = Future()

        def exchange() -> None:
            try:
                response = self._exchanged(method, request)
            except BaseException as error:  # noqa: BLE001 - it is raised where somebody waits for it
                found.set_exception(error)
                return
            if over.is_set():
                response.close()
                return
            found.set_result(response)
            if not over.wait(self._longest):
                with suppress(Exception):
                    response.raw.shutdown()

        # The library waits for each byte of a line anew, and for a name to be resolved as long as the system does.
        deadline = time.monotonic() + self._longest
        threading.Thread(target=exchange, name="rmtoolkit-request", daemon=True).start()
        while not wait([found], _LOOK_SECONDS).done:
            self._go_on(deadline)
        return found.result()

    def _exchanged(self, method: str, request: _Request) -> Response:
        session, in_url = self.session, method == "GET" or request.data is not None
        return session.request(
            method,
            request.url,
            params=request.parameters if in_url else None,
            data=request.data if in_url else request.parameters,
            headers={**self.headers, **request.headers},
            auth=self.auth,
            # Said here: else an authority that the environment names would go before it.
            verify=session.verify,
            timeout=(min(_CONNECT_SECONDS, self.patience.timeout_seconds), self.patience.timeout_seconds),
            allow_redirects=False,
            stream=True,
        )

    def _body(self, response: Response, most_bytes: int) -> bytes:
        """Read piece by piece: bounded in size and in time, whatever the server does."""
        deadline = time.monotonic() + self._longest
        body = io.BytesIO()
        piece = b"more"
        while piece:
            piece = response.raw.read1(_PIECE_BYTES, decode_content=True)
            body.write(piece)
            if body.tell() > most_bytes:
                self._fail(f"its answer has more than {most_bytes:,} bytes", kind=TooMuchError)
            # After the last piece as well: what was broken off may look like an end.
            self._go_on(deadline)
        # This takes what was written as it is, without a copy.
        return body.getvalue()

    def _refuse(self, answer: _Answer) -> None:
        kind, text = words_of(answer.body, self.secrets.mask)
        said = f"HTTP {answer.status}{f': {text}' if text else ''}"
        status = answer.status if answer.status != HTTPStatus.OK else HTTPStatus.BAD_REQUEST
        less = "Ask for less: last=, namespace=, step=."
        if status in _TOO_MUCH or kind == "timeout":
            self._fail(said, less, status, TooMuchError)
        if status in _PASSING:
            kind = {429: "limit", 504: "gateway"}.get(status, "")
            raise PassingError(said, status=status, wait=wait_of(answer.headers), kind=kind)
        if status in _UNSIGNED:
            who = "It knows nobody without credentials" if self.auth is None else "It does not accept these credentials"
            self._fail(said, f"{who}: token_file=, or a name and password in the address.", status)
        if status == HTTPStatus.BAD_REQUEST and any(word in text.lower() for word in _LIMIT_WORDS):
            self._fail(said, less, status, TooMuchError)
        self._fail(said, self._lost if status == HTTPStatus.NOT_FOUND else "", status)


# Many companies and clusters still have certificates without a key usage or an identifier, which Python refuses since
# 3.13; chain, name and time are checked all the same.
def own_authority(retries: Retry) -> HTTPAdapter:
    from requests.adapters import HTTPAdapter  # noqa: PLC0415
    from urllib3.util.ssl_ import create_urllib3_context  # noqa: PLC0415

    context = create_urllib3_context()
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT

    class OwnAuthority(HTTPAdapter):
        def init_poolmanager(self, *places: Any, **named: Any) -> None:  # noqa: ANN401 - as the library calls it
            super().init_poolmanager(*places, ssl_context=context, **named)

        def proxy_manager_for(self, proxy: str, **named: Any) -> ProxyManager:  # noqa: ANN401 - likewise
            manager: ProxyManager = super().proxy_manager_for(proxy, ssl_context=context, **named)
            return manager

    return OwnAuthority(max_retries=retries)


def who_asks(*, token_file: str | os.PathLike[str] | None, tenant: str | None, ca_file: str | None) -> dict[str, Any]:
    """Give what `Client` takes of who asks: what is not said here is said by the environment."""
    told: dict[str, Any] = {name: os.environ.get(f"RMTOOLKIT_{name.upper()}") or None for name in _FROM_ENVIRONMENT}
    if token_file is not None:
        told |= {"token": None, "username": None, "password": None, "token_file": token_file}
    told |= {} if tenant is None else {"tenant": tenant}
    known = told.pop("ca_file")
    return told | {"verify": ca_file or known or True}
