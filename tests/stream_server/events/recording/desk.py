"""A recorder in a test: with a clock that is turned by hand, what it tells, and a store of one event's files."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from typing import Any

from analyzer.alerting.verdict import Sensitivity
from analyzer.config import NUM_FRAMES
from analyzer.datatypes import Alert, FaceKey, Observation, Observed, Score
from analyzer.scorer import sigmoid
from stream_server.event import Event, Part
from stream_server.events.recording.ports import Identity, RecorderPorts
from stream_server.events.recording.recorder import EventRecorder
from stream_server.live.clock import WallClock
from stream_server.streams.sources.base import SourceStatus, StreamState
from stream_server.streams.stream import StreamInfo
from tests.fakes import an_evidence
from tests.recorded import a_jpeg, some_faces

OFFSET = 1_790_000_000.0
"""Between the clocks."""
FACE = FaceKey("cam", 1)


class HeldExecutor(Executor):
    """Runs what it is given at once, or, while it is held, when it is let go."""

    def __init__(self) -> None:
        self.held = False
        self.waiting: list[Callable[[], None]] = []

    def submit(self, call: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        done: Future[Any] = Future()

        def run() -> None:
            done.set_running_or_notify_cancel()
            try:
                done.set_result(call(*arguments, **options))
            except Exception as error:  # noqa: BLE001  # as executors do
                done.set_exception(error)

        if self.held:
            self.waiting.append(run)
        else:
            run()
        return done

    def let_go(self) -> None:
        self.held = False
        while self.waiting:
            self.waiting.pop(0)()


class Desk:
    """A recorder with a clock that a test turns, and what it has told."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.info: StreamInfo | None = StreamInfo(
            "cam", "rtsp", "rtsp://u:***@cam/1", SourceStatus(StreamState.LIVE), 1.0, Sensitivity.EAGER
        )
        self.saved: list[tuple[Event, tuple[Part, ...] | None]] = []
        self.published: list[Event] = []
        self.stored: dict[str, bytes] = {}
        """The files of the evidence, as the store has them."""
        self.executor = HeldExecutor()
        self.step_s = 0.0
        """By how much somebody has set the wall clock."""
        self.recorder = EventRecorder(
            RecorderPorts(
                clock=WallClock(lambda: self.now_s, lambda: self.now_s + OFFSET + self.step_s),
                describe=lambda _: self.info,
                identity=lambda: Identity("m", "ab" * 32, "0.1"),
                save=self._save,
                publish=self.published.append,
                executor=self.executor,
            )
        )
        assert self.info is not None
        self.recorder.on_stream(self.info)

    def _save(self, event: Event, parts: Sequence[Part] | None, kept: frozenset[str]) -> None:
        self.saved.append((event, None if parts is None else tuple(parts)))
        if parts is not None:
            assert not {part.name for part in parts} & kept, "a file is saved twice"
            stay = {name: data for name, data in self.stored.items() if name in kept}
            self.stored = {part.name: part.data for part in parts} | stay

    @property
    def parts(self) -> dict[str, bytes]:
        """The files of the evidence, as the store has them."""
        return self.stored

    @property
    def newest(self) -> Event:
        return self.saved[-1][0]

    def look(self, at_s: float, logit: float | None = 1.0, *, jpeg: bool = True, crop: bool = True) -> None:
        """One frame with face 1: its picture, its crop, its score."""
        self.now_s = at_s
        picture = a_jpeg(grey=int(at_s * 7) % 150)
        crops = ((1, a_jpeg(224, 224)),) if crop else ()
        self.recorder.on_event(some_faces(at_s, picture if jpeg else None, face_jpegs=crops))
        self.recorder.on_event(Observed("cam", Observation(at_s, 1, NUM_FRAMES, logit)))
        if logit is not None:
            self.recorder.on_event(
                Score(FACE, 1, int(at_s * 10), None, at_s, at_s, sigmoid(logit), logit, NUM_FRAMES, an_evidence(logit))
            )

    def alert(self, at_s: float, raised: bool = True) -> None:
        self.now_s = at_s
        self.recorder.on_event(Alert(FACE, raised, 0.9, at_s, at_s))

    async def tick(self, at_s: float) -> None:
        """What is due then, done to its end."""
        self.now_s = at_s
        self.recorder.tick(at_s)
        await self.done()

    async def done(self) -> None:
        """Evidence in the making is made, unless it is held."""
        jobs = self.recorder._maker.jobs
        while jobs and not self.executor.held:
            await asyncio.gather(*jobs)
