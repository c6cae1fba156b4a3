"""Who asks: said to the server and to nobody else."""

from __future__ import annotations

import base64
import html
import json
import logging
import ssl
import subprocess
import urllib.parse
from typing import TYPE_CHECKING, Any, Final

import pytest

import rmtoolkit as rm
from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.loaders.server import Client, Patience, ServerError, Who
from tests.live.conftest import instant, pull, whole
from tests.live.history import END
from tests.live.proxy import Proxy, Seen
from tests.live.servers import T0, Prometheus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_WORD = "pa55-w0rd"


def only(name: str, value: str) -> Callable[[Seen], tuple[int, dict[str, str], bytes] | None]:
    """Let in who sends this header; tell everybody else what he sent, as careless servers do."""

    def answer(seen: Seen) -> tuple[int, dict[str, str], bytes] | None:
        sent = {key.lower(): text for key, text in seen.headers.items()}.get(name.lower())
        return None if sent == value else (401, {}, f"who is {sent} at {seen.path}?".encode())

    return answer


class Signed:
    """An authentication of requests, as clouds have them: it signs what is sent."""

    def __call__(self, request: Any) -> Any:
        """Add a signature."""
        request.headers["X-Signature"] = str(len(request.body or ""))
        return request


@pytest.mark.parametrize(
    ("options", "name", "value"),
    [
        (
            {"username": "me", "password": _WORD},
            "Authorization",
            "Basic " + base64.b64encode(f"me:{_WORD}".encode()).decode(),
        ),
        (
            {"username": "mé", "password": _WORD + "€"},
            "Authorization",
            "Basic " + base64.b64encode(f"mé:{_WORD}€".encode()).decode(),
        ),
        ({"token": _WORD}, "Authorization", f"Bearer {_WORD}"),
        ({"token": lambda: _WORD}, "Authorization", f"Bearer {_WORD}"),
        ({"tenant": "team-a"}, "X-Scope-OrgID", "team-a"),
        ({"headers": {"X-Api-Key": _WORD}}, "X-Api-Key", _WORD),
    ],
    ids=["basic", "unicode", "token", "function", "tenant", "header"],
)
def test_every_way_to_say_who_asks(
    server: Prometheus, options: dict[str, Any], name: str, value: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Each reaches the server, and each mistake is told without the secret, though the server repeats it."""
    caplog.set_level(logging.DEBUG)
    with Proxy(server.url, answer=only(name, value)) as proxy:
        assert pull(proxy, pod="ha-0", options=options).samples.height
        assert {seen.method for seen in proxy.seen} == {"POST"}
    with Proxy(server.url, answer=only(name, "another")) as proxy:
        with pytest.raises(ServerError, match="HTTP 401") as caught:
            pull(proxy, pod="ha-0", options=options)
        assert len(proxy.seen) == 1
    assert _WORD not in str(caught.value) + repr(caught.value) + caplog.text
    assert base64.b64encode(f"me:{_WORD}".encode()).decode() not in str(caught.value) + caplog.text


_ODD = "pä55&w0rd/<x>"
_FORMS: Final = {
    letters(form)
    for form in (
        _ODD,
        *(write(_ODD) for write in (urllib.parse.quote, urllib.parse.quote_plus, html.escape, json.dumps)),
    )
    for letters in (str, str.upper, str.lower, str.title)
} | {
    coded(f"{before}{_ODD}{after}".encode()).decode().rstrip("=")
    for coded in (base64.b64encode, base64.urlsafe_b64encode)
    for before in ("", "a:", "me:", "joe:")
    for after in ("", "\n")
}


@pytest.mark.parametrize(
    "options", [{"auth": ("me", _ODD)}, {"username": "me", "password": _ODD}, {"headers": {"X-Key": _ODD}}], ids=list
)
def test_a_secret_that_a_server_writes_in_another_way_is_masked(options: dict[str, Any]) -> None:
    """In other letters, as in an address, a page or JSON, or within base64: what is left of it is no part of it."""
    client = Client("http://127.0.0.1:9", Who(**options), patience=Patience(1, 0, 0))
    for form in _FORMS:
        said = client.fault(f"who is ({form})").partition("who is (")[2].partition(").")[0]
        before, masked, after = said.partition("***")
        assert masked, form
        assert len(before) <= 6, (form, said)
        assert len(after) <= 2, (form, said)


def test_a_token_file_is_read_again_at_each_request(server: Prometheus, tmp_path: Path) -> None:
    """Tokens in clusters live an hour: a new one counts at once."""
    file = tmp_path / "token"
    file.write_text("first\n")
    sent: list[str] = []

    def answer(seen: Seen) -> None:
        sent.append(seen.headers["Authorization"])
        if len(sent) == 1:
            # Later on, others may be reading it.
            file.write_text("second\n")

    with Proxy(server.url, answer=answer) as proxy:
        pull(proxy, pod="ha-0", options={"token_file": file})
    assert sent[0] == "Bearer first"
    assert set(sent[1:]) == {"Bearer second"}
    file.write_text("two words")
    with pytest.raises(RmtoolkitError, match="There is no token in the file") as caught:
        pull(server, options={"token_file": file})
    assert "two words" not in str(caught.value)
    with pytest.raises(RmtoolkitError, match="cannot be read: no such file"):
        pull(server, options={"token_file": tmp_path / "none"})


def test_an_authentication_of_requests_signs_what_is_sent(server: Prometheus) -> None:
    """SigV4 and its like see the whole request, body and all."""
    with Proxy(server.url) as proxy:
        pull(proxy, pod="ha-0", options={"auth": Signed()})
    assert [int(seen.headers["X-Signature"]) for seen in proxy.seen] == [len(seen.body) for seen in proxy.seen]


def test_user_and_parameters_of_an_address_are_used_and_never_shown(server: Prometheus) -> None:
    """`http://me:word@host/?key=word`: sent as it should be, masked wherever it could be read."""
    with Proxy(server.url) as proxy:
        url = proxy.url.replace("http://", f"http://me:{_WORD}@") + "/?key=" + _WORD
        source = rm.Prometheus(url)
        recording = source.recording(start=instant(T0), end=instant(END), pod="ha-0")
    basic = "Basic " + base64.b64encode(f"me:{_WORD}".encode()).decode()
    assert {seen.headers["Authorization"] for seen in proxy.seen} == {basic}
    assert all(seen.path.endswith(f"?key={_WORD}") for seen in proxy.seen)
    assert _WORD not in repr(source) + repr(recording.report) + source.url
    assert recording.report.sources == (proxy.url,)


def test_a_user_beside_a_password_is_no_secret(server: Prometheus) -> None:
    """What the server says of `team-a` is told; a user without a password may be a token, and is masked."""

    def refused(_: Seen) -> tuple[int, dict[str, str], bytes]:
        return 403, {}, f"team-a has no rights, nor {_WORD}".encode()

    told = []
    with Proxy(server.url, answer=refused) as proxy:
        for who in (f"team-a:{_WORD}", "team-a"):
            with pytest.raises(ServerError, match="HTTP 403") as caught:
                rm.Prometheus(proxy.url.replace("//", f"//{who}@")).recording(start=instant(T0), end=instant(END))
            told.append(str(caught.value))
    assert ["team-a" in one for one in told] == [True, False]
    assert [_WORD in one for one in told] == [False, True]


def test_credentials_do_not_follow_to_another_server(server: Prometheus) -> None:
    """A redirect to another host or port is not followed: it would carry the token, the tenant and the query away."""
    with Proxy(server.url) as other:

        def elsewhere(seen: Seen) -> tuple[int, dict[str, str], bytes]:
            return 307, {"Location": other.url + seen.path}, b""

        with Proxy(server.url, answer=elsewhere) as proxy:
            with pytest.raises(ServerError, match="it redirects to another server") as caught:
                pull(proxy, options={"token": _WORD, "tenant": "team-a"})
            assert other.url.removeprefix("http://") in str(caught.value)
    assert other.seen == []


def test_a_redirect_within_the_server_keeps_the_body(server: Prometheus) -> None:
    """A gateway that moves the path answers 301: the query is posted there, not lost."""

    def moved(seen: Seen) -> tuple[int, dict[str, str], bytes] | None:
        return None if seen.path.startswith("/api") else (301, {"Location": seen.path.removeprefix("/old")}, b"")

    with Proxy(server.url, answer=moved) as proxy:
        source = rm.Prometheus(proxy.url + "/old", token=_WORD)
        assert source.recording(start=instant(T0), end=instant(END), pod="ha-0").samples.height
    assert {seen.headers["Authorization"] for seen in proxy.seen} == {f"Bearer {_WORD}"}


def test_a_server_that_takes_only_get_is_asked_so(server: Prometheus) -> None:
    """After one refusal all requests are GET, and the recording is the same."""

    def no_post(seen: Seen) -> tuple[int, dict[str, str], bytes] | None:
        return (405, {}, b"method not allowed") if seen.method == "POST" else None

    with Proxy(server.url, answer=no_post) as proxy:
        found = pull(proxy, namespace="shop", options={"remote_read": False})
    assert found.samples.equals(whole(server, namespace="shop").samples)
    assert [seen.method for seen in proxy.seen].count("POST") == 1


def test_two_ways_to_say_who_asks_are_one_too_many() -> None:
    """A token and a user contradict each other: which of them is meant cannot be known."""
    with pytest.raises(RmtoolkitError, match="Say who asks in one way"):
        rm.Prometheus("http://127.0.0.1:9", token=_WORD, username="me", password=_WORD)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority of our own, and a certificate of a server and of a client."""
    folder = tmp_path_factory.mktemp("certificates")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)  # noqa: S607 - on PATH

    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl("req", "-x509", *new, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority", "-days", "2")
    for who in ("server", "client"):
        openssl("req", *new, "-keyout", f"{who}.key", "-out", f"{who}.csr", "-subj", f"/CN={who}")
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names", "-days", "2")
        openssl("x509", "-req", "-in", f"{who}.csr", *signed, "-out", f"{who}.pem")
    return folder


@pytest.fixture
def tls(server: Prometheus, certificates: Path) -> Iterator[Proxy]:
    """A server that shows a certificate of our own authority, and demands one."""
    with Proxy(server.url) as proxy:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
        context.load_verify_locations(certificates / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        proxy._server.socket = context.wrap_socket(
            proxy._server.socket, server_side=True, do_handshake_on_connect=False
        )
        proxy.url = proxy.url.replace("http://", "https://")
        yield proxy


def test_certificates_of_ones_own_authority(tls: Proxy, certificates: Path) -> None:
    """With the authority's file and a client's certificate the server is believed, and believes."""
    mine = (str(certificates / "client.pem"), str(certificates / "client.key"))
    options = {"verify": str(certificates / "ca.pem"), "certificate": mine}
    assert pull(tls, pod="ha-0", options=options).samples.height


def test_an_unknown_certificate_is_one_clear_error(tls: Proxy) -> None:
    """Nothing is sent to a server that cannot show who it is; the message says what to do."""
    with pytest.raises(ServerError, match=r"TLS failed .*verify='/path/to/ca.pem'"):
        pull(tls, pod="ha-0", options={"token": _WORD})
    assert tls.seen == []


def test_files_of_certificates_that_are_not_there(tls: Proxy, tmp_path: Path) -> None:
    """A wrong path is said, without a traceback of the library."""
    with pytest.raises(ServerError, match=r"a file of verify= or certificate= is not there"):
        pull(tls, options={"verify": str(tmp_path / "none.pem")})


def test_a_proxy_carries_the_requests(server: Prometheus) -> None:
    """`proxies=` is used: the request goes there, with the whole address in its first line."""
    with Proxy(
        "", answer=lambda _: (200, {}, b'{"status":"success","data":{"resultType":"matrix","result":[]}}')
    ) as proxy:
        with pytest.raises(RmtoolkitError, match="no samples at all"):
            pull(server, options={"proxies": {"http": proxy.url}})
        assert all(seen.path.startswith(server.url) for seen in proxy.seen)
        assert proxy.seen
