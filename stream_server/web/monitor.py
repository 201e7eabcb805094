"""The running parts that the routes use, as one value on `app.state.monitor`; made and ended by app.py."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from analyzer.engine.engine import Engine
from analyzer.engine.engine_stats import ThreadHealth
from analyzer.errors import OverloadedError
from analyzer.faces.detector import FaceDetector
from analyzer.model.card import WeightsCard
from stream_server.events.archive import Archive
from stream_server.live.clock import WallClock
from stream_server.live.feed import Feed
from stream_server.live.history import ScoreHistory
from stream_server.live.hub import Hub
from stream_server.notify.dispatcher import Dispatcher
from stream_server.settings.schema import Settings
from stream_server.store.store import Store
from stream_server.streams.registry import StreamRegistry


class UploadDesk:
    """Room for a few uploads at once, each analysed in a thread of its own; one more is refused."""

    def __init__(self, places: int) -> None:
        self.stopping = threading.Event()
        """Set when the server stops: every analysis ends at its next frame."""
        self.taken = 0
        self._places = places
        self.executor = ThreadPoolExecutor(places, thread_name_prefix="upload")

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold one place. Raises `OverloadedError` when all are taken."""
        if self.taken >= self._places:
            raise OverloadedError(f"{self.taken} uploads are being analysed already; try again when one has ended")
        self.taken += 1
        try:
            yield
        finally:
            self.taken -= 1

    async def close(self) -> None:
        """Stop what runs and join the threads."""
        self.stopping.set()
        await asyncio.to_thread(self.executor.shutdown, cancel_futures=True)


@dataclass(frozen=True)
class Monitor:
    """Everything that is running. Event loop only, but for what the parts themselves allow."""

    settings: Settings
    engine: Engine
    make_detector: Callable[[], FaceDetector]
    hub: Hub
    feed: Feed
    history: ScoreHistory
    registry: StreamRegistry
    uploads: UploadDesk
    clock: WallClock
    archive: Archive | None = None
    """None where nothing is kept."""
    notifier: Dispatcher | None = None
    """None where nothing is kept."""
    card: WeightsCard | None = None
    """Of the weights in use; None without."""
    started_s: float = field(default_factory=time.monotonic)

    @property
    def uptime_s(self) -> float:
        return time.monotonic() - self.started_s

    @property
    def dead_threads(self) -> tuple[str, ...]:
        """Names of threads that should run and do not."""
        return tuple(thread.name for thread in self.threads if not thread.alive)

    @property
    def threads(self) -> tuple[ThreadHealth, ...]:
        """Those that should run."""
        store = () if self.store is None else (self.store.writer.health,)
        return (*self.engine.stats().threads, *store, *(() if self.notifier is None else self.notifier.threads))

    @property
    def store(self) -> Store | None:
        """None where nothing is kept."""
        return None if self.archive is None else self.archive.store

    @property
    def undelivered(self) -> tuple[str, ...]:
        """Notifications that do not reach their target now, and why, each in words."""
        return () if self.notifier is None else self.notifier.undelivered

    @property
    def trained(self) -> bool:
        """Whether there are trained weights; without, nothing is ever scored."""
        return self.engine.info.weights_sha256 is not None


def the_monitor(connection: HTTPConnection) -> Monitor:
    """The running monitor of the app that a request or websocket came to."""
    monitor = connection.app.state.monitor
    assert isinstance(monitor, Monitor)
    return monitor


TheMonitor = Annotated[Monitor, Depends(the_monitor)]
