"""One stream's thread: takes its newest frame at the face rate and turns it into face crops."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from analyzer.config import AnalyzerConfig
from analyzer.datatypes import AnalyzerEvent, FaceKey, Frame
from analyzer.engine.batcher import Batcher
from analyzer.engine.engine_stats import STAGE_BOUNDS_S, LatencyMeter, StreamStats, ThreadHealth
from analyzer.engine.pace import FacePace, next_due_s
from analyzer.engine.pipeline import JPEG_WIDTH, FacePipeline, Wish
from analyzer.errors import DetectorError, MediaError
from analyzer.faces.detector import FaceDetector
from analyzer.integrity.duplicate_watch import DuplicateWatch

logger = logging.getLogger(__name__)

TAKE_TIMEOUT_S = 1.0
"""How long a thread waits for a frame before it looks up; closing the slot wakes it at once."""
CALM_WIDTH = 480
"""Of the pictures that evidence keeps of a stream that nothing is the matter with: 1 ms and 20 kB each, ..."""
CALM_S = 0.5
"""... so far apart."""
CONCERNED_S = 0.16
"""Those of a stream with a face of concern are as large as what people watch, and at least so far apart."""


class FrameSlot:
    """Room for one frame: a newer one replaces an older, which is counted. Never blocks who puts. Thread-safe."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._frame: Frame | None = None
        self._closed = False
        self.received = 0
        self.replaced = 0
        self.taken = 0

    @property
    def closed(self) -> bool:
        return self._closed

    def put(self, frame: Frame) -> None:
        """Offer the newest frame; ignored once closed."""
        with self._changed:
            if self._closed:
                return
            self.received += 1
            self.replaced += self._frame is not None
            self._frame = frame
            self._changed.notify_all()

    def take(self, timeout_s: float) -> Frame | None:
        """The newest frame, at once or when it comes; None after `timeout_s`, or when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._frame is not None, timeout_s)
            frame, self._frame = self._frame, None
            self.taken += frame is not None
            return frame

    def wait_closed(self, timeout_s: float) -> bool:
        """Let time pass, but wake up when closed; whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closed, timeout_s)

    def close(self) -> None:
        """Wake the taker for the last time; the frame that waited is gone. Idempotent."""
        with self._changed:
            self._closed = True
            self._frame = None
            self._changed.notify_all()


class FaceIds:
    """Where the face ids of the next stream begin: beyond those of every stream that has ended. Thread-safe.

    A stream removed and added again under its name then repeats none, and what is still said of its old faces cannot
    be taken for the new ones. One number for all names, for there may be any number of them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next = 1

    def begin(self) -> int:
        """The first id of a stream that begins."""
        with self._lock:
            return self._next

    def end(self, next_id: int) -> None:
        """A stream has ended; all its ids were lower."""
        with self._lock:
            self._next = max(self._next, next_id)


@dataclass(frozen=True, slots=True)
class VisionPorts:
    """What a vision thread needs of the engine, shared by all of them."""

    make_detector: Callable[[], FaceDetector]
    config: AnalyzerConfig
    batcher: Batcher
    emit: Callable[[AnalyzerEvent], None]
    interval_s: Callable[[str], float]
    """Of a stream, now: seconds between two frames that are looked at."""
    face_interval_s: Callable[[FaceKey], float]
    """Of a face, now: seconds between two of its crops that are scored."""
    concerned: Callable[[], frozenset[FaceKey]] = frozenset
    """Faces that are uncertain or worse, now."""
    face_ids: FaceIds = field(default_factory=FaceIds)
    duplicates: DuplicateWatch = field(default_factory=DuplicateWatch)
    frame_waits: LatencyMeter = field(default_factory=lambda: LatencyMeter(STAGE_BOUNDS_S))
    """From a frame's arrival until it is taken."""
    looks: LatencyMeter = field(default_factory=lambda: LatencyMeter(STAGE_BOUNDS_S))
    """From there until its crops are cut out."""


class VisionThread:
    """Owns one stream's detector, tracker and converter from start to end.

    A frame that cannot be used is counted and skipped. Anything else that goes wrong ends the thread, which `health`
    then says.
    """

    def __init__(self, stream_id: str, ports: VisionPorts, before: VisionThread | None = None) -> None:
        """`before`: an ending thread of the same stream; this one waits for it, so that face ids do not repeat."""
        self.stream_id = stream_id
        self.slot = FrameSlot()
        self.watched = False
        """Set from any thread: add a JPEG to the faces."""
        self.recorded = False
        """Set from any thread: add pictures for evidence now and then."""
        self._kept_at_s = float("-inf")
        self._ports = ports
        self._before = before
        self._pace = FacePace()
        self._faces = 0
        self._bad_frames = 0
        self._error: str | None = None
        self._thread = threading.Thread(target=self._guard, name=f"vision-{stream_id}")

    def start(self) -> None:
        """Begin to take frames."""
        self._thread.start()

    def join(self) -> None:
        """Wait for the end; close the slot first."""
        self._thread.join()

    @property
    def health(self) -> ThreadHealth:
        return ThreadHealth(self._thread.name, self._thread.is_alive(), self._error)

    @property
    def stats(self) -> StreamStats:
        slot = self.slot
        return StreamStats(self.stream_id, slot.received, slot.taken, slot.replaced, self._faces)

    @property
    def counts(self) -> Counter[str]:
        """The same as totals by name, with what `stats` leaves out."""
        slot = self.slot
        return Counter(
            received=slot.received,
            taken=slot.taken,
            frame_replaced=slot.replaced,
            faces=self._faces,
            bad_frame=self._bad_frames,
        )

    def _guard(self) -> None:
        try:
            self._run()
        except Exception as error:
            self._error = f"{type(error).__name__}: {error}"
            logger.exception("the vision thread of %s died", self.stream_id)

    def _run(self) -> None:
        if self._before is not None:
            self._before.join()
            self._before = None  # not a chain of all that ever were
        pipeline = FacePipeline(
            self.stream_id,
            self._ports.make_detector(),
            self._ports.config,
            first_face_id=self._ports.face_ids.begin(),
            duplicates=self._ports.duplicates,
        )
        try:
            due_s = time.monotonic()
            while not self.slot.wait_closed(max(due_s - time.monotonic(), 0.0)):
                frame = self.slot.take(TAKE_TIMEOUT_S)
                if frame is None:
                    continue
                taken_s = time.monotonic()
                self._ports.frame_waits.add(taken_s - frame.received_at_s)
                interval = self._ports.interval_s(self.stream_id)
                due_s = next_due_s(due_s, taken_s, interval)
                self._look(pipeline, frame, taken_s, interval)
                self._ports.looks.add(time.monotonic() - taken_s)
        finally:
            self._ports.face_ids.end(pipeline.next_face_id)
            self._ports.duplicates.forget(self.stream_id)
            for ended in pipeline.finish():
                self._ports.batcher.end(ended)

    def _look(self, pipeline: FacePipeline, frame: Frame, taken_s: float, interval: float) -> None:
        try:
            result = pipeline.process(frame, self._wish(taken_s))
        except (MediaError, DetectorError) as error:
            self._bad_frames += 1
            # a broken camera sends 25 of them a second
            level = logging.WARNING if self._bad_frames == 1 else logging.DEBUG
            logger.log(level, "a frame of %s was skipped: %s", self.stream_id, error)
            return
        self._faces += len(result.crops)
        # before its crops are scored: whoever hears of a score has the picture
        self._ports.emit(result.faces)
        for crop in result.crops:
            own = self._ports.face_interval_s(crop.key)
            # one that is not scored is always told of: it costs nothing
            if not crop.quality.fit or self._pace.due(crop.key.face_id, taken_s, own, interval):
                self._ports.batcher.put(crop)
        for ended in result.ended:
            self._pace.forget(ended.key.face_id)
            self._ports.batcher.end(ended)
        if result.picture is not None:
            self._ports.emit(result.picture)

    def _wish(self, taken_s: float) -> Wish:
        """The pictures that somebody watches, or that evidence needs."""
        width = JPEG_WIDTH if self.watched else 0
        if not self.recorded:
            return Wish(width)
        faces = frozenset(key.face_id for key in self._ports.concerned() if key.stream_id == self.stream_id)
        if taken_s - self._kept_at_s >= (CONCERNED_S if faces else CALM_S):
            self._kept_at_s = taken_s
            width = max(width, JPEG_WIDTH if faces else CALM_WIDTH)
        return Wish(width, faces)
