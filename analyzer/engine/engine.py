"""Every thread of the analyzer: its start, its root guard, its join.

    FrameSlot -> vision thread, one per stream -> Batcher -> model thread -> emit

The only way in is `FrameSlot.put`, the only way out `emit`, called on these threads; it must not block.
"""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence

from analyzer.alerting.series import SeriesKeeper
from analyzer.alerting.verdict import VerdictRules, usual_rules
from analyzer.config import AnalyzerConfig
from analyzer.datatypes import AnalyzerEvent, FaceCrop, FaceKey, Observation, Pixels, WindowUpdate
from analyzer.engine.batcher import Batcher
from analyzer.engine.engine_stats import EngineStats, LatencyHistogram, StreamStats, ThreadHealth
from analyzer.engine.pace import LoadControl, interval_s
from analyzer.engine.scoring import ModelThread
from analyzer.engine.vision import FrameSlot, VisionPorts, VisionThread
from analyzer.errors import ConflictError, OverloadedError, ScorerError
from analyzer.faces.detector import FaceDetector
from analyzer.scorer import ClipScore, Scorer, ScorerInfo

__all__ = ["Engine", "EngineStats", "FrameSlot", "LatencyHistogram", "StreamStats", "ThreadHealth"]

logger = logging.getLogger(__name__)

OFFLINE_FACES = 2
"""Faces of an upload per `push` job: live faces wait no longer than these take (some 40 ms on a CPU)."""


class Engine:
    """Runs the analyzer: `start`, then streams come and go, then `stop`. All methods may be called from any thread."""

    def __init__(
        self,
        *,
        make_scorer: Callable[[], Scorer],
        make_detector: Callable[[], FaceDetector],
        config: AnalyzerConfig,
        emit: Callable[[AnalyzerEvent], None],
    ) -> None:
        """`make_scorer` runs on the model thread, `make_detector` on each vision thread; `emit` on all of them."""
        self._listener = emit
        self._batcher = Batcher(config)
        self._load = LoadControl(config)
        self._rules: dict[str, VerdictRules] = {}
        """Of streams that do not have the usual ones; whole values, written here and read by the model thread."""
        self._series = SeriesKeeper()
        self._model = ModelThread(
            make_scorer, self._batcher, self._load, self._emit, rules_of=self._rules_of, series=self._series
        )
        self._ports = VisionPorts(
            make_detector=make_detector,
            config=config,
            batcher=self._batcher,
            emit=self._emit,
            interval_s=lambda stream_id: interval_s(
                config, self._load.share, suspicious=stream_id in self._model.concerned_streams
            ),
            face_interval_s=lambda key: interval_s(config, self._load.share, suspicious=key in self._model.concerned),
            concerned=lambda: self._model.concerned,
        )
        self._lock = threading.Lock()  # guards all that follow
        self._streams: dict[str, VisionThread] = {}
        self._retired: list[VisionThread] = []
        self._totals: Counter[str] = Counter()
        self._started = False
        self._stopped = False

    def start(self) -> None:
        """Start the model thread; returns when its scorer is there. Raises what `make_scorer` raised."""
        with self._lock:
            if self._started or self._stopped:
                raise RuntimeError("the engine was started or stopped before; make a new one")
            self._started = True
        self._model.start()

    def stop(self) -> None:
        """End every thread and wait for it. Idempotent, also when never started or when the start failed."""
        with self._lock:
            self._stopped = True
            threads = [*self._streams.values(), *self._retired]
            self._streams.clear()
            self._retired = threads
            started = self._started
        for vision in threads:
            vision.slot.close()
        for vision in threads:
            vision.join()
        self._batcher.close()
        if started:
            self._model.join()

    def add_stream(self, stream_id: str) -> FrameSlot:
        """Start the stream's vision thread; its frames go into the slot.

        Raises `ConflictError` for a name that is taken, `OverloadedError` when one more would leave too few
        looks for each stream, or the system has no room for one more thread, `ScorerError` once stopped.
        """
        with self._lock:
            if self._stopped:
                raise ScorerError("the engine has been stopped")
            if stream_id in self._streams:
                raise ConflictError(f"there is a stream {stream_id!r} already: remove it first, or use another name")
            if self._streams and not self._load.has_room(time.monotonic(), len(self._streams)):
                raise OverloadedError(
                    f"{self.info.device} is busy with the {len(self._streams)} streams that are there, and one more "
                    "would leave too few looks for each: remove one, use a faster device, or try again when there are "
                    "fewer faces"
                )
            self._forget_finished()
            # the same name again: what is left of the one before must be gone first
            before = next((old for old in reversed(self._retired) if old.stream_id == stream_id), None)
            vision = VisionThread(stream_id, self._ports, before)
            self._series.begin(stream_id)
            try:
                vision.start()
            except RuntimeError as error:
                self._series.forget(stream_id)
                raise OverloadedError(f"no room for the stream {stream_id!r}: {error}; remove another first") from error
            self._streams[stream_id] = vision
        return vision.slot

    def remove_stream(self, stream_id: str) -> None:
        """End the stream's vision thread, without waiting for it. Unknown names are fine."""
        with self._lock:
            self._rules.pop(stream_id, None)
            self._series.forget(stream_id)
            vision = self._streams.pop(stream_id, None)
            if vision is None:
                return
            vision.slot.close()
            self._forget_finished()
            self._retired.append(vision)

    def set_rules(self, stream_id: str, rules: VerdictRules) -> None:
        """When this stream's verdicts change: from its next face on, until it is removed. Unknown names are fine."""
        with self._lock:
            if stream_id in self._streams:
                self._rules[stream_id] = rules

    def series(self, stream_id: str) -> tuple[Observation, ...]:
        """What this stream's verdicts of the last 15 minutes rest on; nothing for unknown names."""
        return self._series.of(stream_id, time.monotonic())

    def watch(self, stream_id: str, watched: bool) -> None:
        """Whether somebody looks: then `FrameFaces` carry a JPEG of the frame. Unknown names are fine."""
        with self._lock:
            vision = self._streams.get(stream_id)
        if vision is not None:
            vision.watched = watched

    def record(self, stream_id: str, recorded: bool) -> None:
        """Whether pictures are kept for evidence: then some `FrameFaces` carry them. Unknown names are fine."""
        with self._lock:
            vision = self._streams.get(stream_id)
        if vision is not None:
            vision.recorded = recorded

    @property
    def info(self) -> ScorerInfo:
        """Of the scorer in use. Raises `ScorerError` before `start`."""
        info = self._model.info
        if info is None:
            raise ScorerError("the engine has no scorer: it was not started, or its start failed")
        return info

    @property
    def scorer(self) -> Scorer:
        """The scorer for uploads: the same methods, run on the model thread when no live face waits."""
        return _OfflineScorer(self, self._batcher)

    def stats(self) -> EngineStats:
        """Counters since the start and queues now."""
        with self._lock:
            streams = list(self._streams.values())
            totals = self._totals.copy()
            for vision in (*streams, *self._retired):
                totals.update(vision.counts)
            started = self._started
        totals.update(self._model.counts)
        threads = [*([self._model.health] if started else []), *(vision.health for vision in streams)]
        crops, jobs = self._batcher.waiting
        causes = ("frame_replaced", "bad_frame", "no_number", "window_evicted", "emit_failed")
        return EngineStats(
            streams=tuple(vision.stats for vision in streams),
            frames_received=totals["received"],
            frames_taken=totals["taken"],
            faces=totals["faces"],
            scores=totals["scores"],
            scorer_failures=totals["scorer_failures"],
            dropped={**self._batcher.dropped, **{cause: totals[cause] for cause in causes}},
            queues={"crops": crops, "offline": jobs},
            latency=self._model.latency.histogram(),
            stages={
                "frame_wait": self._ports.frame_waits.histogram(),
                "look": self._ports.looks.histogram(),
                "crop_wait": self._batcher.waits.histogram(),
                "score": self._model.batches.histogram(),
            },
            face_rate_share=self._load.share,
            threads=tuple(threads),
        )

    def _forget_finished(self) -> None:
        """Keep the counters of threads that have ended, not the threads. Called with the lock held."""
        for vision in [one for one in self._retired if not one.health.alive]:
            self._retired.remove(vision)
            self._totals.update(vision.counts)

    def _rules_of(self, stream_id: str) -> VerdictRules:
        return self._rules.get(stream_id) or usual_rules(stream_id)

    def _emit(self, event: AnalyzerEvent) -> None:
        """Hand an event out. A listener that fails loses it; that is logged and counted, and we go on."""
        try:
            self._listener(event)
        except Exception:
            with self._lock:
                self._totals["emit_failed"] += 1
            logger.exception("handing out a %s failed", type(event).__name__)


class _OfflineScorer:
    """A `Scorer` whose calls run on the model thread, `push` a few faces at a time; the caller waits.

    Raises `ScorerError` also when the engine stops meanwhile.
    """

    def __init__(self, engine: Engine, batcher: Batcher) -> None:
        self._engine = engine
        self._batcher = batcher

    @property
    def info(self) -> ScorerInfo:
        return self._engine.info

    @property
    def evicted(self) -> int:
        """See `Scorer.evicted`; of live streams and uploads together, since the start."""
        return self._engine.stats().dropped["window_evicted"]

    def push(self, crops: Sequence[FaceCrop]) -> list[WindowUpdate]:
        """See `Scorer.push`."""
        updates: list[WindowUpdate] = []
        for start in range(0, len(crops), OFFLINE_FACES):
            part = crops[start : start + OFFLINE_FACES]
            updates += self._batcher.submit(functools.partial(_push, part)).result()
        return updates

    def forget(self, key: FaceKey) -> None:
        """See `Scorer.forget`."""
        self._batcher.submit(lambda scorer: scorer.forget(key)).result()

    def score_clip(self, crops: Sequence[Pixels], at_s: Sequence[float]) -> ClipScore | None:
        """See `Scorer.score_clip`.

        One job: on a CPU live faces wait some 300 ms for it. Videos need it once each, and only for weights whose card
        says `evenly_spaced`.
        """
        return self._batcher.submit(lambda scorer: scorer.score_clip(crops, at_s)).result()

    def close(self) -> None:
        """Do nothing: the scorer is the engine's."""


def _push(crops: Sequence[FaceCrop], scorer: Scorer) -> list[WindowUpdate]:
    return scorer.push(crops)
