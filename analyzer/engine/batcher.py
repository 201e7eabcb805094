"""Crops of all faces -> batches for the scorer, and a slow lane for uploads."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from analyzer.config import NUM_FRAMES, AnalyzerConfig
from analyzer.datatypes import FaceCrop, FaceEnded, FaceKey, NotScored
from analyzer.engine.engine_stats import STAGE_BOUNDS_S, LatencyMeter
from analyzer.errors import ScorerError
from analyzer.scorer import Scorer

T = TypeVar("T")

MAX_JOBS = 8
"""Offline jobs that wait at once; one more makes its uploader wait."""
JOB_EVERY_S = 0.1
"""While live faces keep coming, one offline job runs in this time, so that an upload never stands still."""
BEHIND_S = 0.05
"""A crop that was replaced after waiting for less came in a burst of its source; after more, the scorer is behind."""
CALM_SHARE = 4
"""One place in this many of a full batch is kept for faces that are neither new nor suspicious."""


class OfflineJob:
    """Work of an upload, to be run on the model thread."""

    def __init__(self, work: Callable[[Scorer], Any], future: Future[Any], since_s: float) -> None:
        self.since_s = since_s
        self._work = work
        self._future = future

    def run(self, scorer: Scorer) -> None:
        """Run it and hand its result, or whatever it raised, to the uploader.

        Raises `ScorerError` again: the device failed, and that concerns the live streams too.
        """
        if not self._future.set_running_or_notify_cancel():
            return
        try:
            result = self._work(scorer)
        except ScorerError as error:
            self._future.set_exception(error)
            raise
        except BaseException as error:  # noqa: BLE001  # somebody else's work: theirs to handle, not ours to die of
            self._future.set_exception(error)
        else:
            self._future.set_result(result)

    def fail(self, error: Exception) -> None:
        """Tell the uploader that it will never run, unless it has."""
        if not self._future.done() and self._future.set_running_or_notify_cancel():
            self._future.set_exception(error)


@dataclass(frozen=True, slots=True)
class Batch:
    """What the model thread does next, in this order."""

    ended: tuple[FaceEnded, ...] = ()
    torn: tuple[FaceKey, ...] = ()
    """Faces that jumped: from there on it may be somebody else, so their windows start again."""
    unfit: tuple[FaceCrop, ...] = ()
    """Crops that are not scored; at most one per face."""
    crops: tuple[FaceCrop, ...] = ()
    """Fit crops, at most `max_batch` and one per face."""
    stale: int = 0
    """Crops that were dropped for their age since the batch before."""
    overtaken: int = 0
    """Crops replaced since the batch before though they had waited for `BEHIND_S`."""
    job: OfflineJob | None = None


@dataclass(slots=True)
class _Waiting:
    crop: FaceCrop
    since_s: float
    """When the face began to wait; a newer crop that replaces the older one inherits it."""
    put_s: float
    """When this very crop came."""


class Batcher:
    """Crops that wait for the scorer, at most one per face: a newer one replaces an older, and is counted.

    Thread-safe: many threads put, one takes. A batch closes when it is full or its oldest crop has waited for
    `max_delay_s`. A crop older than `max_staleness_s` when its turn comes is dropped and counted. When more wait than
    fit, suspicious faces and those whose window is not yet full go first, three places in four; within that, streams
    take turns, so that one with many faces holds up no other.
    """

    def __init__(self, config: AnalyzerConfig, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` is that of `received_at_s`."""
        self.waits = LatencyMeter(STAGE_BOUNDS_S)
        """From when a crop was put until it was taken."""
        self._config = config
        self._max_batch = min(config.max_batch, config.max_windows)
        self._clock = clock
        self._changed = threading.Condition()
        self._fit: dict[FaceKey, _Waiting] = {}
        self._unfit: dict[FaceKey, _Waiting] = {}
        self._ended: dict[FaceKey, float] = {}
        self._torn: set[FaceKey] = set()
        self._jobs: deque[OfflineJob] = deque()
        self._last_job_s = float("-inf")
        self._taken: Counter[FaceKey] = Counter()
        self._suspicious: frozenset[FaceKey] = frozenset()
        self._dropped: Counter[str] = Counter({"replaced": 0, "stale": 0})
        self._overtaken = 0
        self._closed = False

    @property
    def max_staleness_s(self) -> float:
        """What is handed out is no older, seconds."""
        return self._config.max_staleness_s

    def put(self, crop: FaceCrop) -> None:
        """Add a crop, fit or not. Never blocks; ignored once closed."""
        with self._changed:
            if self._closed:
                return
            if crop.quality.reason is NotScored.TRACKER_JUMP:
                self._torn.add(crop.key)
                self._fit.pop(crop.key, None)  # from before the jump: not to be mixed with what comes
                self._taken.pop(crop.key, None)
            lane = self._fit if crop.quality.fit else self._unfit
            waiting = lane.get(crop.key)
            now = self._clock()
            if waiting is None:
                lane[crop.key] = _Waiting(crop, now, now)
            else:
                waiting.crop = crop
                waiting.put_s = now
                if crop.quality.fit:  # nobody misses an older word on why a face is not scored
                    self._dropped["replaced"] += 1
                    self._overtaken += now - waiting.since_s > BEHIND_S
            self._changed.notify_all()

    def end(self, ended: FaceEnded) -> None:
        """A face is gone: what waits of it is dropped, its window will be freed."""
        with self._changed:
            if self._closed:
                return
            self._fit.pop(ended.key, None)
            self._unfit.pop(ended.key, None)
            self._taken.pop(ended.key, None)
            self._torn.discard(ended.key)
            self._ended.setdefault(ended.key, self._clock())
            self._changed.notify_all()

    def submit(self, work: Callable[[Scorer], T]) -> Future[T]:
        """Run `work` on the model thread when no live batch waits, or at the latest in its turn every `JOB_EVERY_S`.

        Blocks while `MAX_JOBS` wait already. Raises `ScorerError` when closed; so does the result of a job that was
        still waiting then.
        """
        future: Future[T] = Future()
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._jobs) < MAX_JOBS)
            if self._closed:
                raise ScorerError("the scorer has been stopped")
            self._jobs.append(OfflineJob(work, future, self._clock()))
            self._changed.notify_all()
        return future

    def prefer(self, suspicious: Iterable[FaceKey]) -> None:
        """These faces go first from now on."""
        with self._changed:
            self._suspicious = frozenset(suspicious)

    def take(self, timeout_s: float) -> Batch | None:
        """Wait for the next batch; None after `timeout_s` without one, or when closed."""
        with self._changed:
            deadline = self._clock() + timeout_s
            while not self._closed:
                now = self._clock()
                ready_at = self._ready_at()
                if ready_at is not None and now >= ready_at:
                    return self._close_batch(now)
                if ready_at is None and self._jobs:
                    return Batch(job=self._next_job(now))
                remaining = min(deadline, deadline if ready_at is None else ready_at) - now
                if remaining <= 0:
                    return None
                self._changed.wait(remaining)
            return None

    def close(self) -> None:
        """Wake everyone up: takers get None, uploaders `ScorerError`. Idempotent."""
        with self._changed:
            self._closed = True
            jobs = list(self._jobs)
            self._jobs.clear()
            self._fit.clear()
            self._unfit.clear()
            self._ended.clear()
            self._torn.clear()
            self._changed.notify_all()
        for job in jobs:  # outside the lock: a future's callbacks are not ours
            job.fail(ScorerError("the scorer has been stopped"))

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def dropped(self) -> Mapping[str, int]:
        """How many crops were dropped, by cause."""
        with self._changed:
            return dict(self._dropped)

    @property
    def waiting(self) -> tuple[int, int]:
        """Crops and offline jobs that wait now."""
        with self._changed:
            return len(self._fit), len(self._jobs)

    def _ready_at(self) -> float | None:
        if len(self._fit) >= self._max_batch:
            return float("-inf")
        lanes = (self._fit, self._unfit)
        since = [waiting.since_s for lane in lanes for waiting in lane.values()] + list(self._ended.values())
        return min(since) + self._config.max_delay_s if since else None

    def _close_batch(self, now: float) -> Batch:
        stale = [key for key, waiting in self._fit.items() if self._is_stale(waiting.crop, now)]
        for key in stale:
            del self._fit[key]
        self._dropped["stale"] += len(stale)
        chosen = self._choose()
        for crop in chosen:
            self.waits.add(now - self._fit.pop(crop.key).put_s)
            self._taken[crop.key] += 1
        overdue = self._jobs and now - max(self._jobs[0].since_s, self._last_job_s) >= JOB_EVERY_S
        batch = Batch(
            ended=tuple(FaceEnded(key) for key in self._ended),
            torn=tuple(self._torn),
            unfit=tuple(waiting.crop for waiting in self._unfit.values()),
            crops=chosen,
            stale=len(stale),
            overtaken=self._overtaken,
            job=self._next_job(now) if overdue else None,
        )
        self._ended.clear()
        self._torn.clear()
        self._unfit.clear()
        self._overtaken = 0
        return batch

    def _is_stale(self, crop: FaceCrop, now: float) -> bool:
        return now - crop.received_at_s > self._config.max_staleness_s

    def _choose(self) -> tuple[FaceCrop, ...]:
        urgent = [waiting for waiting in self._fit.values() if self._is_urgent(waiting.crop.key)]
        calm = [waiting for waiting in self._fit.values() if not self._is_urgent(waiting.crop.key)]
        first = _take_turns(urgent)
        second = _take_turns(calm)
        kept = min(len(second), self._max_batch // CALM_SHARE)
        order = first[: self._max_batch - kept] + second
        order += first[self._max_batch - kept :]
        return tuple(order[: self._max_batch])

    def _is_urgent(self, key: FaceKey) -> bool:
        return key in self._suspicious or self._taken[key] < NUM_FRAMES

    def _next_job(self, now: float) -> OfflineJob:
        self._last_job_s = now
        job = self._jobs.popleft()
        self._changed.notify_all()  # there is room for the next
        return job


def _take_turns(waiting: list[_Waiting]) -> list[FaceCrop]:
    """One face of each stream, then a second of each ...; within that, who waits longest."""
    turns: Counter[str] = Counter()
    ranked = []
    for one in sorted(waiting, key=lambda one: one.since_s):
        stream_id = one.crop.key.stream_id
        ranked.append((turns[stream_id], one.since_s, one.crop))
        turns[stream_id] += 1
    return [crop for _, _, crop in sorted(ranked, key=lambda entry: entry[:2])]
