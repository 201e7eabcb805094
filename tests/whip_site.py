"""An application with WHIP alone, on the real registry, whose engine only counts frames."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI

from analyzer.alerting.verdict import VerdictRules
from analyzer.datatypes import Frame
from stream_server.settings.schema import ServerSettings
from stream_server.streams.registry import StreamRegistry
from stream_server.streams.stream import StreamInfo, StreamSettings
from stream_server.web.http_errors import add_error_handlers
from stream_server.web.routes.whip import WhipConfig, whip_routes
from stream_server.web.security import SecurityMiddleware

PATIENCE_S = 20.0

SDP = {"Content-Type": "application/sdp"}
TRICKLE = {"Content-Type": "application/trickle-ice-sdpfrag"}
OFFER = (
    "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\na=sendonly\r\n"
    "a=rtcp-mux\r\na=rtpmap:96 VP8/90000\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n"
    f"a=setup:actpass\r\na=fingerprint:sha-256 {':'.join(['AB'] * 32)}\r\n"
)
"""Of a publisher that never connects."""


async def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something that the event loop makes true."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():  # noqa: ASYNC110 - aiortc sets no event for these
                await asyncio.sleep(0.01)
    except TimeoutError:
        pytest.fail(f"waited {PATIENCE_S} s in vain for {what}")


class Slot:
    """Counts and forgets."""

    def __init__(self) -> None:
        self.frames = 0
        self.newest: Frame | None = None

    def put(self, frame: Frame) -> None:
        self.frames += 1
        self.newest = frame


class Slots:
    """The part of the engine that a registry needs."""

    def __init__(self) -> None:
        self.of: dict[str, Slot] = {}

    def add_stream(self, stream_id: str) -> Slot:
        self.of[stream_id] = Slot()
        return self.of[stream_id]

    def set_rules(self, stream_id: str, rules: VerdictRules) -> None:
        assert stream_id in self.of
        del rules

    def record(self, stream_id: str, recorded: bool) -> None:
        pass

    def remove_stream(self, stream_id: str) -> None:
        del self.of[stream_id]


class Site:
    """An application with WHIP alone, on the real registry."""

    def __init__(self, config: WhipConfig, server: ServerSettings) -> None:
        self.slots = Slots()
        self.told: list[StreamInfo] = []
        self.removed: list[str] = []
        self.registry = StreamRegistry(self.slots, StreamSettings(), self.told.append, self.removed.append)
        self.app = FastAPI()
        self.app.router.routes.extend(whip_routes(config, lambda _: self.registry))
        add_error_handlers(self.app)
        self.app.add_middleware(SecurityMiddleware, server=server)
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app), base_url="http://127.0.0.1", timeout=PATIENCE_S
        )

    def frames(self, stream_id: str) -> int:
        slot = self.slots.of.get(stream_id)
        return slot.frames if slot else 0

    @property
    def ids(self) -> list[str]:
        return [info.stream_id for info in self.registry.list()]


@asynccontextmanager
async def a_site(config: WhipConfig | None = None, server: ServerSettings | None = None) -> AsyncIterator[Site]:
    site = Site(config or WhipConfig(), server or ServerSettings())
    try:
        async with site.client:
            yield site
    finally:
        await site.registry.close()


def refused(response: httpx.Response, status: int, code: str) -> str:
    """Check the one shape of errors; the message."""
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert response.json() == {"error": {"code": code, "message": error["message"]}}
    return str(error["message"])
