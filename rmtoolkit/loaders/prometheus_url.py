"""The address of a server where a file could stand: `rm.read("http://prometheus:9090", last="7d")`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from rmtoolkit.loaders.prometheus_live import Prometheus
from rmtoolkit.loaders.prometheus_secrets import Address, Secrets

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping

    from rmtoolkit.recording import Recording

#: Where credentials come from that must stand in no command line, and in no notebook.
VARIABLES: Final = {
    "token": "RMTOOLKIT_TOKEN",
    "token_file": "RMTOOLKIT_TOKEN_FILE",
    "username": "RMTOOLKIT_USERNAME",
    "password": "RMTOOLKIT_PASSWORD",
    "tenant": "RMTOOLKIT_TENANT",
    "ca_file": "RMTOOLKIT_CA_FILE",
}


def is_url(source: object) -> bool:
    """Tell whether a source is the address of a server.

    Parameters
    ----------
    source
        What the user named.

    Returns
    -------
    bool
        It begins as an address does.

    Examples
    --------
    >>> is_url("http://prometheus:9090"), is_url("answers/http.json")
    (True, False)
    """
    return isinstance(source, str) and source.lower().startswith(("http://", "https://"))


def shown_url(url: str) -> str:
    """Take user, password and parameters out of an address.

    Parameters
    ----------
    url
        As the user gave it.

    Returns
    -------
    str
        To be shown.

    Raises
    ------
    RmtoolkitError
        It is no address.

    Examples
    --------
    >>> shown_url("http://me:secret@prometheus:9090/?token=abc")
    'http://prometheus:9090'
    """
    return Address(url, Secrets()).url


def server_at(
    url: str,
    *,
    token_file: str | os.PathLike[str] | None = None,
    tenant: str | None = None,
    ca_file: str | None = None,
) -> Prometheus:
    """Make a connection; who asks is said by the environment.

    Parameters
    ----------
    url
        Address of the server.
    token_file, tenant, ca_file
        As `read_url` takes them.

    Returns
    -------
    Prometheus
        The server.

    Raises
    ------
    RmtoolkitError
        This is no address, or it is said in two ways who asks.

    Examples
    --------
    >>> server_at("http://127.0.0.1:9")
    <Prometheus: http://127.0.0.1:9>
    """
    told = {name: os.environ.get(variable) or None for name, variable in VARIABLES.items()}
    if token_file is not None:
        told["token"] = told["username"] = told["password"] = None
    return Prometheus(
        url,
        token=told["token"],
        token_file=token_file if token_file is not None else told["token_file"],
        username=told["username"],
        password=told["password"],
        tenant=tenant if tenant is not None else told["tenant"],
        verify=ca_file or told["ca_file"] or True,
    )


def read_url(
    url: str,
    *,
    last: str | dt.timedelta | None = None,
    start: str | dt.datetime | None = None,
    end: str | dt.datetime | None = None,
    namespace: str | Iterable[str] | None = None,
    workload: str | Iterable[str] | None = None,
    pod: str | Iterable[str] | None = None,
    step: str | dt.timedelta | None = None,
    metrics: Mapping[str, str] | None = None,
    workload_pattern: str | None = None,
    progress: bool | None = None,
    token_file: str | os.PathLike[str] | None = None,
    tenant: str | None = None,
    ca_file: str | None = None,
) -> Recording:
    """Fetch a recording from a server; who asks is said by the environment.

    Parameters
    ----------
    url
        Address of the server.
    last, start, end, namespace, workload, pod, step, metrics, workload_pattern, progress
        As `Prometheus.recording` takes them.
    token_file, tenant, ca_file
        A bearer's token, the tenant, the certificates of an authority. What is not given is taken from
        ``RMTOOLKIT_TOKEN``, ``RMTOOLKIT_TOKEN_FILE``, ``RMTOOLKIT_USERNAME`` and ``RMTOOLKIT_PASSWORD``,
        ``RMTOOLKIT_TENANT`` and ``RMTOOLKIT_CA_FILE``.

    Returns
    -------
    Recording
        As `Prometheus.recording` gives it.

    Raises
    ------
    RmtoolkitError
        The server cannot be reached, refuses, or has nothing of what was asked for.

    Examples
    --------
    >>> read_url("http://127.0.0.1:9", last="7 days")
    Traceback (most recent call last):
    rmtoolkit.exceptions.RmtoolkitError: '7 days' is no duration. Write it like '7d', '36h' or '1h30m'.
    """
    with server_at(url, token_file=token_file, tenant=tenant, ca_file=ca_file) as server:
        return server.recording(
            last=last,
            start=start,
            end=end,
            namespace=namespace,
            workload=workload,
            pod=pod,
            step=step,
            metrics=metrics,
            workload_pattern=workload_pattern,
            progress=progress,
        )
