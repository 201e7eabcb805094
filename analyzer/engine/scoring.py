"""The model thread: owns the scorer and the verdicts, takes batches, emits what they give."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future

from analyzer.alerting.series import SeriesKeeper
from analyzer.alerting.verdict import VerdictPolicy, VerdictRules, usual_rules
from analyzer.datatypes import AnalyzerEvent, FaceKey, Observation, Observed, Score
from analyzer.engine.batcher import Batch, Batcher
from analyzer.engine.engine_stats import STAGE_BOUNDS_S, LatencyMeter, ThreadHealth
from analyzer.engine.pace import LoadControl
from analyzer.errors import ScorerError
from analyzer.scorer import Scorer, ScorerInfo

logger = logging.getLogger(__name__)

TICK_S = 0.25
"""How often the thread looks up when nothing comes, to notice faces without a new picture."""
MAX_FAILURES = 3
"""Failures of the scorer in a row, all but the last answered with a new one, before the thread gives up."""


class ModelThread:
    """One thread per device, the only one that touches the scorer.

    A scorer that fails is closed and made anew (`make_scorer` may then choose the CPU): windows start again, nothing
    else is lost. Anything else that goes wrong ends the thread, which `health` then says.
    """

    def __init__(
        self,
        make_scorer: Callable[[], Scorer],
        batcher: Batcher,
        load: LoadControl,
        emit: Callable[[AnalyzerEvent], None],
        rules_of: Callable[[str], VerdictRules] = usual_rules,
        series: SeriesKeeper | None = None,
    ) -> None:
        """`rules_of` a stream: see `VerdictPolicy`. `series`: keeps what the verdicts rest on."""
        self.latency = LatencyMeter()
        """From a frame's arrival to its score."""
        self.batches = LatencyMeter(STAGE_BOUNDS_S)
        """From when a crop was taken until the batch that it is in was scored."""
        self.counts: Counter[str] = Counter(scores=0, scorer_failures=0, no_number=0, window_evicted=0)
        self.info: ScorerInfo | None = None
        """Of the scorer in use; None before there is one."""
        self.concerned: frozenset[FaceKey] = frozenset()
        """Faces that are uncertain or worse; replaced as a whole, read by the vision threads."""
        self.concerned_streams: frozenset[str] = frozenset()
        """Their streams."""
        self._make_scorer = make_scorer
        self._batcher = batcher
        self._load = load
        self._emit = emit
        self._rules_of = rules_of
        self._series = series or SeriesKeeper()
        self._error: str | None = None
        self._failures = 0
        self._evicted_before = 0
        """By the scorers that were replaced."""
        self._ready: Future[None] = Future()
        self._thread = threading.Thread(target=self._guard, name="model")

    def start(self) -> None:
        """Returns when the scorer is there. Raises what `make_scorer` raised; then the thread has ended."""
        self._thread.start()
        try:
            self._ready.result()
        except BaseException:
            if self._ready.done():
                self._thread.join()
            raise

    def join(self) -> None:
        """Wait for the end; close the batcher first."""
        self._thread.join()

    @property
    def health(self) -> ThreadHealth:
        return ThreadHealth(self._thread.name, self._thread.is_alive(), self._error)

    def _guard(self) -> None:
        try:
            scorer = self._make_scorer()
        except BaseException as error:  # noqa: BLE001  # told to whoever waits in `start`
            self._error = f"{type(error).__name__}: {error}"
            self._batcher.close()
            self._ready.set_exception(error)
            return
        self.info = scorer.info
        self._ready.set_result(None)
        try:
            self._run(scorer)
        except Exception as error:
            self._error = f"{type(error).__name__}: {error}"
            logger.exception("the model thread died")
        finally:
            self._batcher.close()  # nobody takes any more: uploads must not wait for ever

    def _run(self, scorer: Scorer) -> None:
        trained, curve = scorer.info.weights_sha256 is not None, scorer.info.real_scores
        late_s = self._batcher.max_staleness_s
        policy = VerdictPolicy(trained=trained, rules_of=self._rules_of, late_s=late_s, curve=curve)
        try:
            while not self._batcher.closed:
                try:
                    self._step(scorer, policy)
                except ScorerError:
                    self.counts["scorer_failures"] += 1
                    self._failures += 1
                    if self._failures >= MAX_FAILURES:
                        raise
                    logger.exception("the scorer failed; making a new one")
                    self._evicted_before = self.counts["window_evicted"]
                    scorer.close()  # first: its memory may be what the new one lacks
                    scorer = self._make_scorer()
                    self.info = scorer.info
                    policy.trained, policy.curve = scorer.info.weights_sha256 is not None, scorer.info.real_scores
        finally:
            scorer.close()

    def _step(self, scorer: Scorer, policy: VerdictPolicy) -> None:
        batch = self._batcher.take(TICK_S)
        now_s = time.monotonic()
        if batch is not None:
            if batch.crops or batch.stale:
                self._load.on_batch(now_s, [crop.received_at_s for crop in batch.crops], batch.stale + batch.overtaken)
            try:
                self._handle(batch, now_s, scorer, policy)
            finally:
                self.counts["window_evicted"] = self._evicted_before + scorer.evicted
        # as of the take: what came while the scorer was busy waits in the batcher, and is no "no new picture"
        for event in policy.tick(now_s):
            self._emit(event)
        self.concerned = policy.concerned
        self._batcher.prefer(self.concerned)
        self.concerned_streams = frozenset(key.stream_id for key in self.concerned)

    def _handle(self, batch: Batch, now_s: float, scorer: Scorer, policy: VerdictPolicy) -> None:
        try:
            for ended in batch.ended:
                scorer.forget(ended.key)
                self._observe(ended.key.stream_id, Observation(now_s, ended.key.face_id, ended=True))
                for event in policy.on_ended(ended.key, now_s):
                    self._emit(event)
                self._emit(ended)
            for key in batch.torn:
                scorer.forget(key)
            for crop in batch.unfit:
                observation = Observation(crop.received_at_s, crop.key.face_id, unfit=crop.quality.reason)
                self._observe(crop.key.stream_id, observation)
                for event in policy.on_unfit(crop):
                    self._emit(event)
            if batch.crops:
                self._score(batch, scorer, policy)
        except BaseException as error:
            if batch.job is not None:  # it was taken out of the queue; its uploader must hear of it
                batch.job.fail(ScorerError(f"the scorer failed: {error}"))
            raise
        if batch.job is not None:
            batch.job.run(scorer)
            self._failures = 0

    def _score(self, batch: Batch, scorer: Scorer, policy: VerdictPolicy) -> None:
        taken_s = time.monotonic()
        updates = scorer.push(batch.crops)
        took_s = time.monotonic() - taken_s
        for _ in batch.crops:  # each of them waited for all of it
            self.batches.add(took_s)
        self._failures = 0
        for crop, update in zip(batch.crops, updates, strict=True):
            logit = None if update.score is None else update.score.logit
            observation = Observation(crop.received_at_s, crop.key.face_id, update.filled, logit)
            self._observe(crop.key.stream_id, observation)
            if update.score is not None and math.isfinite(update.score.logit):
                self.latency.add(update.score.latency_s)
                self.counts["scores"] += 1
                self._emit(update.score)
            elif update.score is not None:
                self._leave_out(update.score)
            for event in policy.on_update(update, crop.received_at_s):
                self._emit(event)

    def _observe(self, stream_id: str, observation: Observation) -> None:
        self._series.add(stream_id, observation)
        self._emit(Observed(stream_id, observation))

    def _leave_out(self, score: Score) -> None:
        """It is no opinion, and JSON has no word for it."""
        self.counts["no_number"] += 1
        level = logging.WARNING if self.counts["no_number"] == 1 else logging.DEBUG
        logger.log(
            level, "the score of %s is %s and left out; if that lasts, try the device cpu", score.key, score.logit
        )
