"""What is said of a request that failed, and to whom a redirect may lead."""

from __future__ import annotations

import socket
import ssl
from types import SimpleNamespace
from typing import Any

import pytest
from requests import exceptions as requests
from urllib3 import exceptions as urllib3
from urllib3.connection import HTTPConnection

import rmtoolkit as rm
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.loaders.prometheus import _fetch
from rmtoolkit.loaders.server import DamagedError, Failure, Secrets, failure_of, is_same_server, wait_of

HERE = HTTPConnection("here")


def caused(error: Exception, by: Exception) -> Exception:
    """An error that another one led to."""
    error.__cause__ = by
    return error


@pytest.mark.parametrize(
    ("error", "said", "kind", "passes"),
    [
        (requests.InvalidHeader(), "a header, or the token, has signs that no header may have", "", False),
        (requests.InvalidURL(), "this is no address", "", False),
        (requests.InvalidSchema(), "this is no address", "", False),
        (urllib3.NameResolutionError("here", HERE, socket.gaierror()), "there is no such host", "connect", True),
        (requests.ProxyError(), "the proxy cannot be reached, or refused", "connect", True),
        (caused(requests.ConnectionError(), ConnectionRefusedError()), "the connection was refused", "connect", True),
        (urllib3.NewConnectionError(HERE, "no"), "no connection could be made", "connect", True),
        (requests.ConnectTimeout(), "no connection could be made", "connect", True),
        (requests.ReadTimeout(), "it was silent for 2.5 s", "slow", True),
        (caused(OSError(), TimeoutError()), "it was silent for 2.5 s", "slow", True),
        (requests.ConnectionError(), "the connection broke within the answer", "", True),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_why_a_request_failed_is_said_in_plain_words(error: Exception, said: str, kind: str, passes: bool) -> None:
    """Each cause in its own words, wherever in the chain it stands; only what may pass is tried again."""
    wanted = Failure(said, kind=kind, passes=passes)
    assert failure_of(error, 2.5) == failure_of(caused(OSError("x"), error), 2.5) == wanted


def test_a_file_that_is_not_there_is_named_by_its_options() -> None:
    """The library only says that a path is invalid."""
    missing = OSError("Could not find the TLS certificate file, invalid path: /no.pem")
    assert failure_of(missing, 1) == Failure("a file of verify= or certificate= is not there", passes=False)


def test_a_certificate_that_nobody_trusts_says_what_to_give() -> None:
    """TLS is told with its reason, and is not tried again."""
    hint = "For a certificate of your own authority say verify='/path/to/ca.pem'."
    unknown, worn = ssl.SSLError(), ssl.SSLCertVerificationError()
    worn.verify_message = "certificate has expired"
    assert failure_of(caused(requests.SSLError(), unknown), 1) == Failure("TLS failed", hint, passes=False)
    said = "TLS failed ('certificate has expired')"
    assert failure_of(caused(requests.SSLError(), worn), 1) == Failure(said, hint, passes=False)


@pytest.mark.parametrize(
    ("url", "target", "same"),
    [
        ("http://a/x", "http://a/y", True),
        ("http://a:80/x", "http://a/y", True),
        ("http://a:9090/x", "http://a:9090/y", True),
        ("http://a/x", "https://a/y", True),
        ("http://a:9090/x", "https://a:9090/y", True),
        ("http://a:9090/x", "https://a/y", False),
        ("https://a/x", "http://a/y", False),
        ("http://a/x", "http://b/y", False),
        ("http://a/x", "http://a:81/y", False),
        ("http://a/x", "http://me@a/y", False),
        ("http://a/x", "http://a:port/y", False),
    ],
)
def test_credentials_stay_on_their_server(url: str, target: str, same: bool) -> None:
    """The same host and port, or the same host under TLS; nothing else is the server they are for."""
    assert is_same_server(url, target) is same


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("", 0), ("3", 3), (" 1.5 ", 1.5), ("-4", 0), ("soon", 0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0)],
)
def test_how_long_a_server_asks_to_wait(header: str, seconds: float) -> None:
    """Seconds, or a time; what is over or unreadable is no wait."""
    assert wait_of({"Retry-After": header}) == seconds
    assert wait_of({}) == 0


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"step": "1500ms"}, "A step is a whole number of seconds, at least 1; got 1.5 s"),
        ({"step": "500ms"}, "at least 1; got 0.5 s"),
        ({"namespace": ""}, "namespace= takes a name or several, got ''"),
        ({"workload": ["api", ""]}, "workload= takes a name or several"),
        ({"pod": []}, "pod= takes a name or several, got '\\[\\]'"),
        ({"metrics": {"heap": "nonsense"}}, "metrics=.*there is no signal 'nonsense'. There are: usage_bytes"),
        ({"labels": {"team": "nonsense"}}, "labels=.*a label cannot tell 'nonsense'. There are: "),
        ({"workload_pattern": "(.+)-x"}, r"needs a group \(\?P<workload>"),
    ],
    ids=str,
)
def test_what_cannot_be_asked_is_said_before_a_server_is_asked(asked: dict[str, Any], said: str) -> None:
    """Steps of a part of a second, names that are none, and meanings that nothing can have."""
    with pytest.raises(RmtoolkitError, match=said):
        rm.Prometheus("http://127.0.0.1:1").recording(last="1h", **asked)


@pytest.mark.parametrize("body", [b"[]", b' \n[{"metric": {}}]'], ids=["a list", "after blanks"])
def test_a_list_of_series_is_no_answer(body: bytes) -> None:
    """Files may be one; of a server it is something else."""
    client: Any = SimpleNamespace(ask=lambda _path, _parameters, read, most_bytes: read(body) if most_bytes else None)
    with pytest.raises(DamagedError, match="it answers something else"):
        _fetch.ask(client, "/api/v1/query", {})


@pytest.mark.parametrize("inner", ["hunter22", "and-more", "22-and"])
def test_of_a_secret_that_holds_another_nothing_is_left(inner: str) -> None:
    """A password that begins, ends or goes on like the name of its user is masked as one, whichever was told first."""
    outer = "hunter22-and-more"
    for told in ((inner, outer), (outer, inner)):
        secrets = Secrets()
        secrets.add(*told)
        assert secrets.mask(f"({outer}) ({inner.upper()}) (hunter)") == "(***) (***) (hunter)"
