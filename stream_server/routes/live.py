"""`/ws/live`: every message to every browser; `/ws/view/{id}`: the pictures of one stream. Plain Starlette.

Which pages may connect is checked before (security.py). Each websocket has one task that sends and one that listens;
the first to end ends the other. A client that takes nothing for `server.send_timeout_s` is given up.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Final

from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from analyzer.errors import NotFoundError
from stream_server.hub import Subscription, ViewSubscription
from stream_server.messages import PongMessage
from stream_server.monitor import the_monitor

MAX_CLIENT_MESSAGE: Final = 4096
"""Bytes; a client has nothing to say but `{"type": "ping"}`."""

POLICY_VIOLATION: Final = 1008  # RFC 6455, section 7.4.1
TRY_AGAIN_LATER: Final = 1013  # IANA's registry of close codes
UNKNOWN_STREAM: Final = 4404  # 4000-4999 are ours to define


class _ClientError(Exception):
    """The client said something that we do not understand; the text is sent as the reason."""


async def live(websocket: WebSocket) -> None:
    """Messages of every stream, `hello` first."""
    monitor = the_monitor(websocket)
    await websocket.accept()
    if monitor.hub.viewers >= monitor.settings.server.max_viewers:
        await websocket.close(TRY_AGAIN_LATER, "too many viewers; see server.max_viewers")
        return
    subscription = monitor.hub.subscribe()

    def on_ping() -> None:
        subscription.reply(PongMessage(at=monitor.clock.now()))

    await _serve(websocket, subscription, on_ping)


async def view(websocket: WebSocket) -> None:
    """Pictures of one stream, each with the boxes of that very frame; closed with 4404 when the stream is removed."""
    monitor = the_monitor(websocket)
    await websocket.accept()
    stream_id = websocket.path_params["stream_id"]
    try:
        monitor.registry.get(stream_id)
    except NotFoundError as error:
        await websocket.close(UNKNOWN_STREAM, _reason(str(error)))
        return
    if monitor.hub.viewers >= monitor.settings.server.max_viewers:
        await websocket.close(TRY_AGAIN_LATER, "too many viewers; see server.max_viewers")
        return
    await _serve(websocket, monitor.hub.subscribe_view(stream_id), None)


async def _serve(
    websocket: WebSocket, subscription: Subscription | ViewSubscription, on_ping: Callable[[], None] | None
) -> None:
    timeout_s = the_monitor(websocket).settings.server.send_timeout_s
    sender = asyncio.create_task(_send(websocket, subscription, timeout_s), name="websocket-send")
    listener = asyncio.create_task(_listen(websocket, on_ping), name="websocket-listen")
    try:
        await asyncio.wait((sender, listener), return_when=asyncio.FIRST_COMPLETED)
    finally:
        subscription.close()
        for task in (sender, listener):
            task.cancel()
        sent, heard = await asyncio.gather(sender, listener, return_exceptions=True)
    await _close(websocket, sent, heard, timeout_s)


async def _send(websocket: WebSocket, messages: AsyncIterator[str] | AsyncIterator[bytes], timeout_s: float) -> None:
    async for message in messages:
        async with asyncio.timeout(timeout_s):
            if isinstance(message, str):
                await websocket.send_text(message)
            else:
                await websocket.send_bytes(message)


async def _listen(websocket: WebSocket, on_ping: Callable[[], None] | None) -> None:
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))
        text = message.get("text")
        if text is None:
            raise _ClientError("expected text, got bytes")
        if len(text) > MAX_CLIENT_MESSAGE:
            raise _ClientError(f"expected at most {MAX_CLIENT_MESSAGE} characters, got {len(text)}")
        try:
            ping = json.loads(text) == {"type": "ping"}
        except (ValueError, RecursionError):
            ping = False
        if not ping or on_ping is None:
            raise _ClientError('expected {"type": "ping"}' if on_ping else "expected nothing: pictures go one way")
        on_ping()


async def _close(
    websocket: WebSocket, sent: BaseException | None, heard: BaseException | None, timeout_s: float
) -> None:
    """Say why we close, where the client can still hear it; re-raise what we did not expect."""
    expected = (asyncio.CancelledError, WebSocketDisconnect, _ClientError, TimeoutError)
    for end in (sent, heard):
        if end is not None and not isinstance(end, expected):
            raise end
    if isinstance(heard, WebSocketDisconnect) or isinstance(sent, WebSocketDisconnect):
        return
    code, reason = 1001, "the server is closing"
    if isinstance(heard, _ClientError):
        code, reason = POLICY_VIOLATION, str(heard)
    elif isinstance(sent, TimeoutError):
        code, reason = TRY_AGAIN_LATER, f"nothing was taken for {timeout_s:g} s"
    elif "stream_id" in websocket.path_params:
        code, reason = UNKNOWN_STREAM, "the stream was removed"
    try:
        async with asyncio.timeout(timeout_s):
            await websocket.close(code, _reason(reason))
    except (TimeoutError, WebSocketDisconnect, RuntimeError):
        return  # it went while we spoke


def _reason(text: str) -> str:
    return text.encode()[:123].decode(errors="ignore")  # RFC 6455: a control frame holds 125 bytes, 2 are the code


def live_routes() -> list[BaseRoute]:
    """The two websockets."""
    return [WebSocketRoute("/ws/live", live), WebSocketRoute("/ws/view/{stream_id}", view)]
