"""What can go wrong between a client and a server, in words of our own: those of the libraries may hold secrets."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

import msgspec

from rmtoolkit.exceptions import ReadError, quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_MESSAGE_CHARACTERS: Final = 400


class ServerError(ReadError):
    """A server cannot be reached, or did not answer as Prometheus does.

    Attributes
    ----------
    status
        The HTTP status; None when there was no answer.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        self.status = status
        super().__init__(message)


class NothingThereError(ServerError):
    """A server answers, and has nothing of what was asked for in that time."""


class TooMuchError(ServerError):
    """The server refused a request, or did not finish it, because of its size: a smaller one may do."""


class EndlessError(ServerError):
    """An answer came without its length, so that nobody can tell whether it is whole."""


class DamagedError(Exception):
    """What reads an answer says that it is damaged: it is asked for again."""


class PassingError(Exception):
    """A request failed in a way that may pass."""

    def __init__(self, said: str, *, status: int | None = None, wait: float = 0.0, kind: str = "") -> None:
        self.said, self.status, self.wait, self.kind = said, status, wait, kind
        super().__init__(said)


class FinalError(Exception):
    """Carries an error out of the `except` of another, which may name secrets."""

    def __init__(self, error: ServerError) -> None:
        self.error = error
        super().__init__()


class _Said(msgspec.Struct, rename={"kind": "errorType"}):
    """The parts of an error answer, all of which may be missing."""

    status: str = ""
    kind: str | int | None = None
    error: str | None = None
    message: str | None = None


class Failure(NamedTuple):
    """Why a request failed.

    Attributes
    ----------
    said
        As the end of a sentence.
    hint
        What to do next.
    kind
        ``connect`` or ``slow`` where it matters.
    passes
        It may pass, so that another try may help.
    """

    said: str
    hint: str = ""
    kind: str = ""
    passes: bool = True


def failure_of(error: Exception, silence_seconds: float) -> Failure:
    """Say in words of our own why a request failed.

    Parameters
    ----------
    error
        Of requests, urllib3 or the system.
    silence_seconds
        How long the client waited.

    Returns
    -------
    Failure
        Nothing of what the error says, which may hold the address.

    Examples
    --------
    >>> failure_of(ConnectionRefusedError("http://prom/?token=abc"), 1).said
    'the connection was refused'
    """
    import requests  # noqa: PLC0415 - slow, and only who asks a server needs it
    from urllib3 import exceptions as urllib3  # noqa: PLC0415 - likewise

    causes = list(_causes(error))
    if any(isinstance(one, ssl.SSLError | requests.exceptions.SSLError | urllib3.SSLError) for one in causes):
        said = next((str(one.verify_message) for one in causes if isinstance(one, ssl.SSLCertVerificationError)), "")
        said = said or next((str(one.reason) for one in causes if isinstance(one, ssl.SSLError) and one.reason), "")
        hint = "For a certificate of your own authority say verify='/path/to/ca.pem'."
        return Failure(f"TLS failed{f' ({quote(said)})' if said else ''}", hint, passes=False)
    if isinstance(error, OSError) and "invalid path" in str(error):
        return Failure("a file of verify= or certificate= is not there", passes=False)
    kinds: tuple[tuple[tuple[type[BaseException], ...], Failure], ...] = (
        (
            (requests.exceptions.InvalidHeader,),
            Failure("a header, or the token, has signs that no header may have", passes=False),
        ),
        (
            (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema),
            Failure("this is no address", passes=False),
        ),
        ((urllib3.NameResolutionError,), Failure("there is no such host", kind="connect")),
        (
            (urllib3.ProxyError, requests.exceptions.ProxyError),
            Failure("the proxy cannot be reached, or refused", kind="connect"),
        ),
        ((ConnectionRefusedError,), Failure("the connection was refused", kind="connect")),
        (
            (urllib3.NewConnectionError, urllib3.ConnectTimeoutError, requests.exceptions.ConnectTimeout),
            Failure("no connection could be made", kind="connect"),
        ),
        (
            (TimeoutError, urllib3.ReadTimeoutError, requests.exceptions.Timeout),
            Failure(f"it was silent for {silence_seconds:g} s", kind="slow"),
        ),
    )
    for types, failure in kinds:
        if any(isinstance(one, types) for one in causes):
            return failure
    return Failure("the connection broke within the answer")


def words_of(body: bytes, mask: Callable[[str], str]) -> tuple[str, str]:
    """Take the kind and the message out of an error answer, which may have any form.

    Parameters
    ----------
    body
        JSON of Prometheus or of another, text, or a web page.
    mask
        Takes secrets out.

    Returns
    -------
    tuple of str
        The error type, or nothing; the message in one line, bounded.

    Examples
    --------
    >>> words_of(b'{"status":"error","errorType":"execution","error":"too many samples"}', str)
    ('execution', 'too many samples')
    """
    try:
        said = msgspec.json.decode(body, type=_Said)
        kind, text = str(said.kind or ""), said.error or said.message or ""
    except msgspec.MsgspecError:
        kind, text = "", body[: 4 * _MESSAGE_CHARACTERS].decode("utf-8", "replace")
        if text.lstrip()[:1] == "<":
            text = "a web page"
    # Masked before it is cut: half a secret would not be recognised.
    text = " ".join(mask(text).split())
    text = text[:_MESSAGE_CHARACTERS] + ("…" if len(text) > _MESSAGE_CHARACTERS else "")
    return kind, text if text.isprintable() else ascii(text)[1:-1]


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Give an error and all that led to it."""
    seen: list[BaseException] = []
    queue = [error]
    while queue:
        one = queue.pop()
        if one is None or one in seen:
            continue
        seen.append(one)
        yield one
        reason = getattr(one, "reason", None)
        queue += [one.__cause__, one.__context__, *(arg for arg in one.args if isinstance(arg, BaseException))]
        queue += [reason] if isinstance(reason, BaseException) else []


def is_same_server(url: str, target: str) -> bool:
    """Tell whether a redirect stays on the server that the credentials are for.

    Parameters
    ----------
    url, target
        From where, and to where.

    Returns
    -------
    bool
        The same scheme, host and port; or the same host, now by TLS.

    Examples
    --------
    >>> is_same_server("http://prom/a", "https://prom/b"), is_same_server("https://prom/a", "https://evil/a")
    (True, False)
    """
    try:
        one, other = urlsplit(url), urlsplit(target)
        ports = (one.port, other.port)
    except ValueError:
        return False
    if one.hostname != other.hostname or other.username is not None:
        return False
    standard = {"http": 80, "https": 443}
    mine, theirs = (port or standard.get(part.scheme) for port, part in zip(ports, (one, other), strict=True))
    return (one.scheme == other.scheme and mine == theirs) or (
        (one.scheme, other.scheme) == ("http", "https") and (mine, theirs) in ((80, 443), (mine, mine))
    )


def wait_of(headers: Mapping[str, str]) -> float:
    """Read how many seconds a server asks to wait.

    Parameters
    ----------
    headers
        Of its answer.

    Returns
    -------
    float
        Seconds; 0 when it does not ask.

    Examples
    --------
    >>> wait_of({"Retry-After": "7"}), wait_of({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}), wait_of({})
    (7.0, 0.0, 0.0)
    """
    text = headers.get("Retry-After", "").strip()
    if not text:
        return 0.0
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    try:
        then = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    then = then if then.tzinfo is not None else then.replace(tzinfo=UTC)
    return max(0.0, (then - datetime.now(UTC)).total_seconds())
