"""Thanos, Mimir and Cortex: what they want with a request, and what they say with an answer."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from typing import TYPE_CHECKING

import pytest

from rmtoolkit.exceptions import RmtoolkitWarning
from rmtoolkit.loaders.server import ServerError
from tests.live.conftest import pull, whole
from tests.live.proxy import Proxy, Seen

if TYPE_CHECKING:
    from tests.live.servers import Prometheus

_THANOS = {"dedup": "true", "max_source_resolution": "0s", "partial_response": "true"}


def test_thanos_gets_its_parameters_with_every_query(server: Prometheus) -> None:
    """Replicas are one, nothing is downsampled: in every query, and a server that knows them not does not mind."""

    def thanos(seen: Seen) -> tuple[int, dict[str, str], bytes] | None:
        return (404, {}, b"404 page not found") if seen.path.startswith(("/api/v1/read", "/api/v1/export")) else None

    with Proxy(server.url, answer=thanos) as proxy:
        found = pull(proxy, namespace="shop", options={"parameters": _THANOS, "remote_read": False})
        queries = [urllib.parse.parse_qs(seen.body.decode()) for seen in proxy.seen if "/query" in seen.path]
    assert queries
    assert all(query[name] == [value] for query in queries for name, value in _THANOS.items())
    assert found.samples.equals(whole(server, namespace="shop").samples)


def test_a_store_that_did_not_answer_makes_the_recording_partial(server: Prometheus) -> None:
    """Thanos answers 200 and a warning: the report names the store, and the user is warned."""

    def partial(seen: Seen) -> tuple[int, dict[str, str], bytes] | None:
        if not seen.path.endswith(("/query", "/query_range")):
            return (404, {}, b"404 page not found") if "read" in seen.path or "export" in seen.path else None
        with urllib.request.urlopen(server.url + seen.path, seen.body) as passed_on:  # noqa: S310
            answer = json.load(passed_on)
        return 200, {}, json.dumps({**answer, "warnings": ["No StoreAPIs matched: store-7 is away"]}).encode()

    with Proxy(server.url, answer=partial) as proxy, pytest.warns(RmtoolkitWarning, match="store-7 is away"):
        found = pull(proxy, namespace="shop", options={"remote_read": False})
    assert found.samples.height
    assert [line for line in found.report.partial if "store-7 is away" in line]


@pytest.mark.parametrize("way", [True, False], ids=["remote read", "JSON"])
def test_mimir_has_a_prefix_and_a_tenant(server: Prometheus, *, way: bool) -> None:
    """Every request goes below ``/prometheus`` and names the tenant; without one, the server's words are told."""

    def mimir(seen: Seen) -> tuple[int, dict[str, str], bytes] | None:
        if seen.headers.get("X-Scope-OrgID") != "team-a":
            return 401, {}, b"no org id\n"
        if not seen.path.startswith("/prometheus/"):
            return 404, {}, b"404 page not found\n"
        seen.path = seen.path.removeprefix("/prometheus")
        return None

    with Proxy(server.url, answer=mimir) as proxy:
        inside = pull(proxy, namespace="shop", options={"tenant": "team-a", "remote_read": way}, path="/prometheus")
        read = [seen.path for seen in proxy.seen if seen.path.endswith("/read")]
        with pytest.raises(ServerError, match="HTTP 401: no org id"):
            pull(proxy, namespace="shop", path="/prometheus")
        with pytest.raises(ServerError, match=r"HTTP 404.*Mimir's ends in /prometheus"):
            pull(proxy, namespace="shop", options={"tenant": "team-a"})
    assert bool(read) is way
    assert inside.samples.equals(whole(server, namespace="shop").samples)
