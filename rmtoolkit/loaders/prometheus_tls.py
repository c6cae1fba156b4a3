"""TLS with an authority of one's own, whose certificates need not be as modern as those of browsers."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

from requests.adapters import HTTPAdapter
from urllib3.util.ssl_ import create_urllib3_context

if TYPE_CHECKING:
    from urllib3 import ProxyManager


class OwnAuthority(HTTPAdapter):
    """Believes an authority that the user named, though its certificate lacks a key usage or an identifier.

    Since Python 3.13 such certificates are refused, which many companies and clusters still have; chain, name and time
    are checked all the same.

    Examples
    --------
    >>> OwnAuthority().max_retries.total
    0
    """

    def init_poolmanager(self, *places: Any, **named: Any) -> None:  # noqa: ANN401 - as the library calls it
        """Make connections that do so.

        Parameters
        ----------
        *places, **named
            Of the library.
        """
        super().init_poolmanager(*places, ssl_context=_context(), **named)

    def proxy_manager_for(self, proxy: str, **named: Any) -> ProxyManager:  # noqa: ANN401 - as the library calls it
        """Make connections through a proxy that do so.

        Parameters
        ----------
        proxy, **named
            Of the library.

        Returns
        -------
        urllib3.ProxyManager
            Of the library.
        """
        manager: ProxyManager = super().proxy_manager_for(proxy, ssl_context=_context(), **named)
        return manager


def _context() -> ssl.SSLContext:
    context = create_urllib3_context()
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context
