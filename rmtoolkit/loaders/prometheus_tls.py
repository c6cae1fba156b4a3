"""TLS with an authority of one's own, whose certificates need not be as modern as those of browsers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from requests.adapters import HTTPAdapter
    from urllib3 import ProxyManager
    from urllib3.util.retry import Retry


def own_authority(retries: Retry) -> HTTPAdapter:
    """Make what connects to servers of an authority that the user named.

    It is believed though its certificate lacks a key usage or an identifier, which Python refuses since 3.13 and many
    companies and clusters still have; chain, name and time are checked all the same.

    Parameters
    ----------
    retries
        Of the connection.

    Returns
    -------
    requests.adapters.HTTPAdapter
        To be mounted on a session.

    Examples
    --------
    >>> from urllib3.util.retry import Retry
    >>> own_authority(Retry(total=0)).max_retries.total
    0
    """
    # All are slow to import, and only who asks a server needs them.
    import ssl  # noqa: PLC0415

    from requests.adapters import HTTPAdapter  # noqa: PLC0415
    from urllib3.util.ssl_ import create_urllib3_context  # noqa: PLC0415

    context = create_urllib3_context()
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT

    class OwnAuthority(HTTPAdapter):
        """Hands the context on, also where a proxy stands between."""

        def init_poolmanager(self, *places: Any, **named: Any) -> None:  # noqa: ANN401 - as the library calls it
            super().init_poolmanager(*places, ssl_context=context, **named)

        def proxy_manager_for(self, proxy: str, **named: Any) -> ProxyManager:  # noqa: ANN401 - likewise
            manager: ProxyManager = super().proxy_manager_for(proxy, ssl_context=context, **named)
            return manager

    return OwnAuthority(max_retries=retries)
