"""The real application with a real store behind a real socket, and events put into it by hand."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Coroutine, Sequence
from functools import cache, partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import uvicorn
from sqlalchemy import Connection

from analyzer.datatypes import Box, Evidence, Observation
from stream_server.app import create_app
from stream_server.cli.server import address_of, listen
from stream_server.event import Event, Part
from stream_server.events.recording.draft import Material
from stream_server.events.recording.evidence_parts import make_parts
from stream_server.events.recording.past import PastPicture
from stream_server.live.messages import EventMessage
from stream_server.settings.schema import ServerSettings, Settings, StorageSettings
from stream_server.store import rows
from stream_server.web.monitor import Monitor
from tests.e2e.moving_face import FRAME_SIZE, MovingFace, cut_out_jpeg
from tests.events_of import an_event
from tests.fakes import FakeScorer
from tests.stream_server.app_of import a_face_detector

T = TypeVar("T")

BEFORE_S: Final = 8.0
AFTER_S: Final = 8.0


class EventSite:
    """The application in a thread of its own, ended with the block."""

    def __init__(self, folder: Path, *, keeps: bool = True) -> None:
        storage = StorageSettings(enabled=keeps, data_dir=folder)
        self._settings = Settings(server=ServerSettings(port=0), storage=storage)
        self._app = create_app(self._settings, make_scorer=FakeScorer, make_detector=a_face_detector)
        self._server = uvicorn.Server(uvicorn.Config(self._app, log_config=None, timeout_graceful_shutdown=5))
        self._loop = asyncio.new_event_loop()
        self._bound = listen(self._settings)
        self._thread = threading.Thread(target=self._run, name="event-site")

    @property
    def url(self) -> str:
        return address_of(self._bound)

    @property
    def monitor(self) -> Monitor:
        monitor = self._app.state.monitor
        assert isinstance(monitor, Monitor)
        return monitor

    def __enter__(self) -> Self:
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive(), "the application did not start"
            threading.Event().wait(0.05)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._server.should_exit = True
        self._thread.join(30)
        self._bound.close()

    def save(self, *events: Event, parts: Sequence[Part] | None = None) -> None:
        """Write events, as the recorder does; returns when they are there."""
        archive = self.monitor.archive
        assert archive is not None
        for event in events:
            self._wait(archive.store.write(partial(_save, event, parts)))

    def tell(self, event: Event, *, deleted: bool = False) -> None:
        """Tell every dashboard of it."""
        self._wait(self._publish(EventMessage(event=event, deleted=deleted)))

    async def _publish(self, message: EventMessage) -> None:
        self.monitor.hub.publish(message)

    def _wait(self, what: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(20)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._server.serve(sockets=[self._bound]))
        finally:
            self._loop.close()


def _save(event: Event, parts: Sequence[Part] | None, connection: Connection) -> None:
    rows.save_event(connection, event, parts)


def with_evidence(event: Event) -> tuple[Event, tuple[Part, ...]]:
    """The event with everything that the recorder makes of one, from pictures of a real face."""
    pictures = _pictures(event.face_id or 1)
    middle = len(pictures) // 2
    parts, notes = make_parts(
        Material(
            event=event,
            at=event.updated_at,
            distance_s=event.started_at,
            observations=tuple(_observations(event)),
            cut=False,
            peak_faces=tuple(cut_out_jpeg(step // 4) for step in range(16)),
            peak_evidence=_evidence(),
            start=pictures[0],
            peak=pictures[middle],
            end=pictures[-1] if event.ended_at is not None else None,
            clip=pictures,
            clip_known=False,
        )
    )
    return event.model_copy(update={"notes": notes, "parts": tuple(rows.part_info(part) for part in parts)}), parts


def ended_after(started_at: float, length_s: float = 20.0, **changes: Any) -> Event:
    """An event that began then and went on for so long."""
    end = started_at + length_s
    times = {"updated_at": end, "ended_at": end, "peak_at": started_at + length_s * 0.4}
    return an_event(started_at, **(times | changes))


@cache
def _pictures(face_id: int) -> tuple[PastPicture, ...]:
    face = MovingFace()
    width, height = FRAME_SIZE
    return tuple(
        PastPicture(
            generation=1,
            frame_index=step,
            at_s=step / 4,
            width=width,
            height=height,
            faces=((face_id, Box(*face.boxes(step, 1)[0]), True),),
            jpeg=face.jpeg(step, 1),
        )
        for step in range(24)
    )


def _observations(event: Event) -> list[Observation]:
    """Six scores a second that rise before the alert and fall at its end, with a gap."""
    end = event.ended_at or event.started_at + AFTER_S
    steps = int((end - event.started_at + BEFORE_S) * 6)
    times = [event.started_at - BEFORE_S + step / 6 for step in range(steps)]
    found = []
    for at in times:
        after = at - event.started_at
        if 10 < after < 13.5:
            continue
        logit = 2.6 / (1 + math.exp(-(after + 2))) - 1.5 + 0.4 * math.sin(at) - max(0.0, at - end + 3)
        found.append(Observation(at, event.face_id or 1, 16, logit))
    return found


def _evidence() -> Evidence:
    where = [[0.3] * 7 for _ in range(7)]
    where[4][3] = 0.9
    return Evidence(tuple(map(tuple, where)), None, (0.0,) * 16, None, (0.5,) * 16)
