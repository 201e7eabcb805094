"""The whole application in a test: real engine, registry and hub; a fake network, scripted faces, frames by hand."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import uvicorn
from fastapi import FastAPI
from starlette.testclient import TestClient, WebSocketTestSession

from analyzer.datatypes import Frame
from analyzer.faces.detector import FaceDetector
from analyzer.scorer import Scorer
from stream_server.app import create_app
from stream_server.cli.server import address_of, listen
from stream_server.settings.schema import AnalyzerSettings, ServerSettings, Settings
from stream_server.streams.sources.base import OnFrame, OnStatus, SourceStatus, StreamState
from stream_server.web.monitor import Monitor
from tests.fakes import FakeScorer, ScriptedDetector, a_detection
from tests.videos import face_on_canvas

BASE = "http://127.0.0.1:8000"
SOCKETS = "ws://127.0.0.1:8000"

# a score after 16 frames, and frames as fast as a test can send them
QUICK = AnalyzerSettings(face_rate=60, face_rate_suspicious=60, face_rate_min=30, max_staleness_s=5.0, max_gap_s=30.0)

FACE_BOX = (180.0, 60.0, 120.0)
"""x, y and side of the face that the detector finds in each frame."""


class HandSource:
    """A source whose frames a test delivers one by one."""

    kind = "test"

    def __init__(self, stream_id: str, on_frame: OnFrame, on_status: OnStatus) -> None:
        self.stopped = False
        self._stream_id = stream_id
        self._on_frame = on_frame
        self._on_status = on_status
        self._index = 0
        self._picture = face_on_canvas(240, 120, (480, 270), 120)

    def start(self) -> None:
        self._on_status(SourceStatus(StreamState.LIVE, width=480, height=270, codec="test", fps=30.0, generation=1))

    async def stop(self) -> None:
        self.stopped = True

    def deliver(self) -> None:
        """One more frame, received now."""
        video_frame = av.VideoFrame.from_ndarray(self._picture, format="rgb24")
        self._on_frame(Frame(self._stream_id, 1, self._index, None, time.monotonic(), video_frame))
        self._index += 1


@dataclass
class Running:
    """A running application and its client."""

    app: FastAPI
    client: TestClient

    @property
    def monitor(self) -> Monitor:
        monitor = self.app.state.monitor
        assert isinstance(monitor, Monitor)
        return monitor

    def on_loop(self, call: Callable[..., Any], *arguments: Any) -> Any:
        """Call something that belongs to the event loop."""
        portal = self.client.portal
        assert portal is not None
        return portal.call(call, *arguments)

    def add_source(self, stream_id: str = "door") -> HandSource:
        """A live stream whose frames the test delivers."""
        sources: list[HandSource] = []

        def make(on_frame: OnFrame, on_status: OnStatus) -> HandSource:
            sources.append(HandSource(stream_id, on_frame, on_status))
            return sources[0]

        self.on_loop(self.monitor.registry.add_source, stream_id, "test", make)
        return sources[0]

    @contextmanager
    def live(self) -> Iterator[WebSocketTestSession]:
        """A websocket on `/ws/live`."""
        with self.client.websocket_connect(f"{SOCKETS}/ws/live") as socket:
            yield socket


def wait_for(socket: WebSocketTestSession, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The next message that fits; pytest's own time-out ends a wait that is in vain."""
    while True:
        message: dict[str, Any] = json.loads(socket.receive_text())
        if wanted(message):
            return message


def deliver_until(
    source: HandSource, socket: WebSocketTestSession, wanted: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """Deliver frame after frame, each when the one before was analysed, until a message fits."""
    while True:
        source.deliver()
        while (message := json.loads(socket.receive_text()))["type"] != "faces":
            if wanted(message):
                assert isinstance(message, dict)
                return message


def a_face_detector() -> FaceDetector:
    return ScriptedDetector(lambda _: [a_detection(*FACE_BOX)])


@contextmanager
def running_app(
    settings: Settings | None = None,
    *,
    make_scorer: Callable[[], Scorer] = FakeScorer,
    make_detector: Callable[[], FaceDetector] = a_face_detector,
) -> Iterator[Running]:
    """Start the application, stop it at the end."""
    with _own_folder(settings or Settings(analyzer=QUICK)) as own:
        app = create_app(own, make_scorer=make_scorer, make_detector=make_detector)
        with TestClient(app, base_url=BASE) as client:
            yield Running(app, client)


@contextmanager
def _own_folder(settings: Settings) -> Iterator[Settings]:
    """With a folder for its data, unless it has one: two applications cannot share one."""
    if settings.storage.data_dir is not None:
        yield settings
        return
    with tempfile.TemporaryDirectory(prefix="dm-app-") as folder:
        storage = settings.storage.model_copy(update={"data_dir": Path(folder)})
        yield settings.model_copy(update={"storage": storage})


@contextmanager
def served_app(settings: Settings | None = None, make_scorer: Callable[[], Scorer] = FakeScorer) -> Iterator[str]:
    """The application behind a real socket, in a thread of its own; its address."""
    with _own_folder(settings or Settings()) as own:
        app = create_app(own, make_scorer=make_scorer)
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=5))
        with listen(Settings(server=ServerSettings(port=0))) as bound:
            thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, name="served-app")
            thread.start()
            try:
                yield address_of(bound)
            finally:
                server.should_exit = True
                thread.join()
