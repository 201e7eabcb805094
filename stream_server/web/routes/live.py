"""`/ws/live`: every message to every browser; `/ws/view/{id}`: the pictures of one stream. Plain Starlette.

Which pages may connect is checked before (security.py). Each websocket has one task that sends and one that listens;
the first to end ends the other. A client that takes nothing for `server.send_timeout_s` is given up.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Final

import anyio
from starlette.routing import BaseRoute, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from analyzer.errors import NotFoundError
from stream_server.live.hub import Subscription, ViewSubscription
from stream_server.live.messages import PongMessage
from stream_server.web.monitor import the_monitor

MAX_CLIENT_MESSAGE: Final = 4096
"""Bytes; a client has nothing to say but `{"type": "ping"}`."""

GOING_AWAY: Final = 1001
POLICY_VIOLATION: Final = 1008  # RFC 6455, section 7.4.1
TRY_AGAIN_LATER: Final = 1013  # IANA's registry of close codes
UNKNOWN_STREAM: Final = 4404  # 4000-4999 are ours to define


@dataclass(frozen=True, slots=True)
class _Goodbye:
    """Why we close."""

    code: int
    reason: str


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
    goodbyes: list[_Goodbye | None] = []

    async def until_end(part: Coroutine[None, None, _Goodbye | None]) -> None:
        goodbyes.append(await part)
        group.cancel_scope.cancel()

    try:
        async with anyio.create_task_group() as group:
            group.start_soon(until_end, _send(websocket, subscription, timeout_s), name="websocket-send")
            group.start_soon(until_end, _listen(websocket, on_ping), name="websocket-listen")
    finally:
        subscription.close()
    if goodbyes[0] is not None:
        with anyio.move_on_after(timeout_s), contextlib.suppress(WebSocketDisconnect, RuntimeError):  # it may just go
            await websocket.close(goodbyes[0].code, _reason(goodbyes[0].reason))


async def _send(
    websocket: WebSocket, subscription: Subscription | ViewSubscription, timeout_s: float
) -> _Goodbye | None:
    """Send until the subscription ends; None when the client is gone."""
    try:
        async for message in subscription:
            with anyio.fail_after(timeout_s):
                if isinstance(message, str):
                    await websocket.send_text(message)
                else:
                    await websocket.send_bytes(message)
    except TimeoutError:
        return _Goodbye(TRY_AGAIN_LATER, f"nothing was taken for {timeout_s:g} s")
    except WebSocketDisconnect:
        return None
    if isinstance(subscription, ViewSubscription):
        return _Goodbye(UNKNOWN_STREAM, "the stream was removed")
    return _Goodbye(GOING_AWAY, "the server is closing")


async def _listen(websocket: WebSocket, on_ping: Callable[[], None] | None) -> _Goodbye | None:
    """Listen until the client says something that we do not understand; None when it is gone."""
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return None
        wrong = _judge(message.get("text"), pings=on_ping is not None)
        if wrong is not None:
            return _Goodbye(POLICY_VIOLATION, wrong)
        if on_ping is not None:
            on_ping()


def _judge(text: str | None, *, pings: bool) -> str | None:
    """What is wrong with a client's message, or None for a ping."""
    if not pings:
        return "expected nothing: pictures go one way"
    if text is None:
        return "expected text, got bytes"
    if len(text) > MAX_CLIENT_MESSAGE:
        return f"expected at most {MAX_CLIENT_MESSAGE} characters, got {len(text)}"
    try:
        ping = json.loads(text) == {"type": "ping"}
    except (ValueError, RecursionError):
        ping = False
    return None if ping else 'expected {"type": "ping"}'


def _reason(text: str) -> str:
    return text.encode()[:123].decode(errors="ignore")  # RFC 6455: a control frame holds 125 bytes, 2 are the code


def live_routes() -> list[BaseRoute]:
    """The two websockets."""
    return [WebSocketRoute("/ws/live", live), WebSocketRoute("/ws/view/{stream_id}", view)]
