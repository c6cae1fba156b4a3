"""Be the application behind granian: requests that wait for ever, what is kept of others, and feeds that do not end."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

KEPT: list[bytes] = []


async def asgi(
    scope: dict[str, Any], receive: Callable[[], Awaitable[dict[str, Any]]], send: Callable[..., Any]
) -> None:
    """Answer, keep and answer, or wait."""
    if scope["type"] == "lifespan":
        while True:
            kind = (await receive())["type"]
            await send({"type": f"{kind}.complete"})
            if kind == "lifespan.shutdown":
                return
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass
        return
    body = (await receive()).get("body", b"")
    if scope["path"] == "/wait":
        await asyncio.Event().wait()
    if scope["path"] == "/keep":
        KEPT.append(os.urandom(24_000))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if scope["path"].startswith("/feed/"):
        # What was sent is nowhere kept here.
        await send({"type": "http.response.body", "body": bytes(int(scope["path"][6:])), "more_body": True})
        await asyncio.Event().wait()
    await send({"type": "http.response.body", "body": body[:100] or b"ok"})
