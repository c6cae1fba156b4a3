"""Be the application of the servers of PyPI; the path says what is kept.

``/keep/N`` appends to a list of the module, ``/cache/K`` goes through a bounded cache, ``/all/N`` through one without a
bound, ``/ttl/N`` keeps for 40 seconds, ``/busy/N`` makes garbage only.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import time
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

SIZE = int(os.environ.get("FIELD_SIZE", "2000"))
KEPT: list[bytes] = []
RECENT: deque[tuple[float, bytes]] = deque()


def _made(key: str) -> bytes:
    return os.urandom(SIZE // 2).hex().encode() + key.encode()


bounded = functools.lru_cache(int(os.environ.get("FIELD_ENTRIES", "3000")))(_made)
unbounded = functools.cache(_made)


def answer(path: str) -> bytes:
    """Do what the path says."""
    _, kind, key = path.split("/", 2)
    if kind == "keep":
        KEPT.append(_made(key))
    elif kind == "cache":
        bounded(key)
    elif kind == "all":
        unbounded(key)
    elif kind == "ttl":
        RECENT.append((time.monotonic(), _made(key)))
        while RECENT[0][0] < time.monotonic() - 40:
            RECENT.popleft()
    rows = [{"id": number, "name": f"row {number} of {key}", "tags": ["a", "b"]} for number in range(60)]
    return json.dumps({"rows": rows}).encode()


def wsgi(environ: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
    """Answer as WSGI wants."""
    body = answer(environ["PATH_INFO"])
    start("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


async def asgi(
    scope: dict[str, Any], receive: Callable[[], Awaitable[dict[str, Any]]], send: Callable[..., Any]
) -> None:
    """Answer as ASGI wants."""
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                return
    body = answer(scope["path"])
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})


def robyn(port: int) -> None:
    """Serve with Robyn, which has routes of its own."""
    from robyn import Robyn

    app = Robyn(__file__)

    @app.get("/:kind/:key")
    def handle(request: Any) -> str:  # noqa: ANN401 - Robyn ships no types
        return answer(f"/{request.path_params['kind']}/{request.path_params['key']}").decode()

    app.start(host="127.0.0.1", port=port)


def tornado(port: int) -> None:
    """Serve with Tornado."""
    import asyncio

    from tornado.web import Application, RequestHandler

    class Handler(RequestHandler):
        def get(self, path: str) -> None:
            self.write(answer(path))

    async def serve() -> None:
        Application([("(/.*)", Handler)]).listen(port, "127.0.0.1")
        await asyncio.Event().wait()

    asyncio.run(serve())


def aiohttp(port: int) -> None:
    """Serve with aiohttp."""
    from aiohttp import web

    async def handle(request: web.Request) -> web.Response:
        return web.Response(body=answer(request.path))

    app = web.Application()
    app.router.add_get("/{path:.*}", handle)
    web.run_app(app, host="127.0.0.1", port=port, print=None)


def sanic(port: int) -> None:
    """Serve with Sanic."""
    from sanic import HTTPResponse, Request, Sanic, raw

    app: Any = Sanic("app")

    @app.get("/<path:path>")
    async def handle(_: Request, path: str) -> HTTPResponse:
        return raw(answer(f"/{path}"))

    app.run(host="127.0.0.1", port=port, single_process=True, access_log=False, motd=False)


def gevent(port: int) -> None:
    """Serve with gevent."""
    from gevent.pywsgi import WSGIServer

    WSGIServer(("127.0.0.1", port), wsgi, log=None).serve_forever()


def eventlet(port: int) -> None:
    """Serve with eventlet."""
    import eventlet as engine
    from eventlet import wsgi as server

    server.server(engine.listen(("127.0.0.1", port)), wsgi, log_output=False)


def werkzeug(port: int) -> None:
    """Serve with Werkzeug, a thread for each request."""
    from werkzeug.serving import run_simple

    run_simple("127.0.0.1", port, wsgi, threaded=True)


SERVERS = (robyn, tornado, aiohttp, sanic, gevent, eventlet, werkzeug)

if __name__ == "__main__":
    named = sys.argv[1] if sys.argv[1:] else "robyn"
    next(server for server in SERVERS if server.__name__ == named)(int(os.environ["FIELD_PORT"]))
