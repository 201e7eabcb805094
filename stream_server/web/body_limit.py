"""Bounds what a request may bring: FastAPI reads a whole JSON body into memory before it looks at it."""

from __future__ import annotations

from typing import Final

import anyio
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from stream_server.web.http_errors import error_response

MAX_BODY: Final = 64 * 1024
"""Bytes; the longest that we ask for is a session description of some 10 KiB."""

MAX_DRAINED: Final = 8 * 1024 * 1024
"""Bytes of a refused body that are read and thrown away before the answer: whoever still sends when the connection is
closed gets a reset instead of the answer (RFC 9112, section 9.6). More is cut off."""

DRAIN_S: Final = 2.0
"""A refused client is waited for no longer than this."""

UPLOADS: Final = "/predict_video"
"""Has a limit of its own (`server.max_upload_mb`) and goes to disk as it comes."""

_WORDS: Final = f"expected at most {MAX_BODY} bytes here; videos go to {UPLOADS}"


class BodyLimitMiddleware:
    """Refuses a longer body (413) by its announced length, or while it comes when none is announced."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == UPLOADS:
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdecimal() and int(announced[:20]) > MAX_BODY:
            if int(announced[:20]) <= MAX_DRAINED:
                await _drain(receive)
            # a body that was not read to its end makes the connection useless
            await error_response(413, "too_large", _WORDS, {"Connection": "close"})(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BODY:
                raise HTTPException(413, _WORDS, {"Connection": "close"})
            return message

        await self._app(scope, counted, send)


async def _drain(receive: Receive) -> None:
    with anyio.move_on_after(DRAIN_S):
        while (message := await receive())["type"] == "http.request" and message.get("more_body", False):
            pass
