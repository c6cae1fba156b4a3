"""Credentials of a server: kept out of every message, and used at every request."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit
from weakref import WeakSet

from rmtoolkit.exceptions import RmtoolkitError
from rmtoolkit.exceptions import quote as shown

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

MASK: Final = "***"
#: A word as short as that stands in many texts by chance; its length gives away more than it hides.
_SHORTEST: Final = 3
#: What a client may say of a credential without our knowledge: whatever follows these words.
_SCHEMES: Final = re.compile(r"(?i)\b(bearer|basic)\s+(?!<)[A-Za-z0-9+/=._~-]{8,}")
_USERINFO: Final = re.compile(r"(?<=://)[^/\s@]*@")


class Secrets:
    """Texts that must not be shown.

    Examples
    --------
    >>> secrets = Secrets()
    >>> secrets.add("hunter22")
    >>> secrets.mask("user me, password hunter22, http://me:pw@db/x"), secrets
    ('user me, password ***, http://***@db/x', <Secrets: 1>)
    """

    __slots__ = ("__weakref__", "_known")

    def __init__(self) -> None:
        self._known: set[str] = set()

    def __repr__(self) -> str:
        return f"<Secrets: {len(self._known)}>"

    def add(self, *texts: str | None) -> None:
        """Remember secrets, also as they look within an address.

        Parameters
        ----------
        *texts
            Passwords and tokens; those too short to be one are ignored.
        """
        for text in texts:
            if text and len(text) >= _SHORTEST:
                self._known |= {text, quote(text, safe=""), quote(text)}

    def mask(self, text: str) -> str:
        """Take all secrets out of a text.

        Parameters
        ----------
        text
            A message, perhaps the server's.

        Returns
        -------
        str
            With three stars instead.
        """
        for secret in sorted(self._known, key=len, reverse=True):
            text = text.replace(secret, MASK)
        return _SCHEMES.sub(rf"\1 {MASK}", _USERINFO.sub(f"{MASK}@", text))


class _Filter(logging.Filter):
    """Masks the addresses that urllib3 writes at level DEBUG."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, without secrets."""
        said = masked = record.getMessage()
        for secrets in list(_GUARDED):
            masked = secrets.mask(masked)
        if masked != said:
            record.msg, record.args = masked, ()
        return True


_GUARDED: Final[WeakSet[Secrets]] = WeakSet()
_FILTER: Final = _Filter()


def guard_logs(secrets: Secrets) -> None:
    """Keep secrets out of the logs of the HTTP libraries.

    Parameters
    ----------
    secrets
        Also those that are added to it later.

    Examples
    --------
    >>> guard_logs(Secrets())
    """
    _GUARDED.add(secrets)
    for name in ("urllib3.connectionpool", "urllib3.util.retry", "prometheus_api_client.prometheus_connect"):
        logging.getLogger(name).addFilter(_FILTER)


class Address:
    """Where a server is, without credentials; and what its address said beyond that.

    Attributes
    ----------
    url
        Scheme, host, port and path, without a slash at the end.
    user, password
        From the address; None when it holds none.
    parameters
        Of its query: sent with every request, never shown.

    Examples
    --------
    >>> address = Address("http://me:secret@prom:9090/select/?token=abc", Secrets())
    >>> address, address.user, dict(address.parameters)
    (http://prom:9090/select, 'me', {'token': 'abc'})
    """

    __slots__ = ("parameters", "password", "url", "user")

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
            msg = f"{shown(named)} is no address of a server. Write it like 'http://prometheus:9090' or \
'https://host/prometheus'."
            raise RmtoolkitError(msg)
        self.user = unquote(parts.username) if parts.username is not None else None
        self.password = unquote(parts.password) if parts.password is not None else None
        told = parse_qsl(parts.query, keep_blank_values=True)
        self.parameters = tuple((name, value) for name, value in told if not re.match(r"g\d+\.", name))
        secrets.add(self.password, *(value for _, value in self.parameters))
        if self.user is not None and self.password is None:
            # A token is often written as if it were a user.
            secrets.add(self.user)
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        # What stands in a browser's address bar will do: pages of the server's own interface, and their parameters.
        path = re.sub(r"/(?:graph|query|alerts|targets|api/v1(?:/.*)?)$", "", parts.path.rstrip("/"))
        self.url = urlunsplit((parts.scheme, host + (f":{port}" if port else ""), path, "", ""))

    def __repr__(self) -> str:
        return self.url

    def of(self, path: str) -> str:
        """Give the whole address of an endpoint.

        Parameters
        ----------
        path
            Such as ``/api/v1/query``.

        Returns
        -------
        str
            With the parameters, so perhaps with secrets: to be used, not shown.
        """
        return self.signed(f"{self.url}{path}")

    def signed(self, url: str) -> str:
        """Add what the query of the address said.

        Parameters
        ----------
        url
            Without a query.

        Returns
        -------
        str
            Perhaps with secrets: to be used, not shown.
        """
        return f"{url}?{urlencode(self.parameters)}" if self.parameters else url


class Bearer:
    """Sends a token: the same one, a file's content at each request, or what a function gives.

    Examples
    --------
    >>> Bearer(Secrets(), token="abc")
    <Bearer: a token>
    """

    __slots__ = ("_file", "_secrets", "_token")

    def __init__(
        self,
        secrets: Secrets,
        *,
        token: str | Callable[[], str] | None = None,
        file: str | os.PathLike[str] | None = None,
    ) -> None:
        self._token = token
        self._file = file
        self._secrets = secrets
        if isinstance(token, str):
            secrets.add(token.strip())

    def __repr__(self) -> str:
        kind = "a token" if isinstance(self._token, str) else ("a file" if self._file is not None else "a function")
        return f"<Bearer: {kind}>"

    def __call__(self, request: Any) -> Any:  # noqa: ANN401 - requests' prepared request, which ships no types
        """Sign a request.

        Parameters
        ----------
        request
            The prepared request.

        Returns
        -------
        requests.PreparedRequest
            The same.

        Raises
        ------
        RmtoolkitError
            The file cannot be read, or holds no token.
        """
        request.headers["Authorization"] = f"Bearer {self._current()}"
        return request

    def _current(self) -> str:
        if self._file is not None:
            try:
                text = Path(self._file).read_text("utf-8")
            except (OSError, UnicodeDecodeError) as error:
                why = error.strerror if isinstance(error, OSError) else "it is no text"
                msg = f"The token file {shown(self._file)} cannot be read: {why}."
                raise RmtoolkitError(msg) from None
        else:
            text = self._token() if callable(self._token) else str(self._token)
        token = text.strip()
        self._secrets.add(token)
        if not token or not token.isascii() or any(sign.isspace() or not sign.isprintable() for sign in token):
            where = f"the file {shown(self._file)}" if self._file is not None else "what was given as token"
            msg = f"There is no token in {where}: one word is expected."
            raise RmtoolkitError(msg)
        return token
