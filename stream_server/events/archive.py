"""Everything that is kept: the store, the recorder that fills it, the key that signs evidence. Event loop only."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from analyzer.datatypes import AnalyzerEvent, Observed
from analyzer.engine.engine import Engine
from analyzer.errors import NotFoundError
from stream_server.about import VERSION
from stream_server.event import Event
from stream_server.events.evidence_zip.keys import SigningKey, load_or_make_key
from stream_server.events.recording.ports import Identity, RecorderPorts
from stream_server.events.recording.recorder import TICK_S, EventRecorder
from stream_server.live.clock import WallClock
from stream_server.live.hub import Hub
from stream_server.live.messages import EventMessage
from stream_server.settings.schema import StorageSettings
from stream_server.store import reading
from stream_server.store.store import Store
from stream_server.streams.registry import StreamRegistry
from stream_server.streams.stream import StreamInfo

logger = logging.getLogger(__name__)


class Archive:
    """From `open` to `close` the store runs; from `begin` to `end` what happens is recorded in it."""

    def __init__(self, settings: StorageSettings, clock: WallClock) -> None:
        """See `Database` for the errors."""
        url = settings.database_url
        self.store = Store(settings.folder(), None if url is None else url.get_secret_value(), settings.keeping())
        self.executor = ThreadPoolExecutor(1, thread_name_prefix="evidence")
        """Where evidence is made: one piece at a time, and never on the event loop."""
        self._clock = clock
        self._key: SigningKey | None = None
        self._recorder: EventRecorder | None = None
        self._ticker: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Start the store and read the key. Waits for the disk. Raises `ConfigError` and `StoreError`."""
        self._key = load_or_make_key(self.store.folder)
        self.store.start()

    def close(self) -> None:
        """Write what waits. Waits for the disk; idempotent."""
        self.executor.shutdown(cancel_futures=True)
        self.store.stop()

    @property
    def key(self) -> SigningKey:
        """What signs evidence."""
        assert self._key is not None, "the archive is open"
        return self._key

    @property
    def recorder(self) -> EventRecorder:
        """What opens events."""
        assert self._recorder is not None, "the archive has begun"
        return self._recorder

    async def begin(self, engine: Engine, registry: StreamRegistry, hub: Hub, notify: Callable[[Event], None]) -> None:
        """Record what happens from now on; `notify` gets each change of an event and must not block."""

        def describe(stream_id: str) -> StreamInfo | None:
            try:
                return registry.get(stream_id)
            except NotFoundError:
                return None

        def publish(event: Event) -> None:
            hub.publish(EventMessage(event=event))
            notify(event)

        self._recorder = EventRecorder(
            RecorderPorts(
                clock=self._clock,
                describe=describe,
                identity=lambda: Identity(engine.info.model, engine.info.weights_sha256, VERSION),
                save=self.store.writer.save_event,
                publish=publish,
                executor=self.executor,
            )
        )
        self._ticker = asyncio.create_task(self._tick(), name="recorder")

    async def end(self) -> None:
        """End the events that go on, with the evidence that there is."""
        if self._ticker is not None:
            self._ticker.cancel()
            await asyncio.gather(self._ticker, return_exceptions=True)
        if self._recorder is not None:
            await self._recorder.close()

    def on_event(self, event: AnalyzerEvent) -> None:
        """One event of the engine."""
        if isinstance(event, Observed) and self.recorder.knows(event.stream_id):
            self._keep(event)
        if self._recorder is not None:
            self._recorder.on_event(event)

    def on_stream(self, info: StreamInfo) -> None:
        """A stream is new or its state changed."""
        self.recorder.on_stream(info)

    def on_removed(self, stream_id: str) -> None:
        """A stream is gone."""
        self.recorder.on_removed(stream_id)

    def open_event(self, event_id: str) -> Event | None:
        """One that goes on; None for others."""
        return next((event for event in self.recorder.open_events if event.id == event_id), None)

    def _keep(self, observed: Observed) -> None:
        one = observed.observation
        # while a window fills there is nothing to tell, and JSON and SQL have no word for what is no number
        if one.unfit is None and (one.logit is None or not math.isfinite(one.logit)):
            return
        self.store.writer.observe(
            reading.Observed(
                stream_id=observed.stream_id,
                face_id=one.face_id,
                at=self._clock.unix(one.at_s),
                logit=None if one.unfit is not None else one.logit,
                unfit=None if one.unfit is None else one.unfit.value,
            )
        )

    async def _tick(self) -> None:
        while True:
            try:
                self.recorder.tick(time.monotonic())
            except Exception:
                logger.exception("what was due could not be done; it is tried again")
            await asyncio.sleep(TICK_S)
