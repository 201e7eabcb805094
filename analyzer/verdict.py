"""Scores over time -> what the operator is told. Pure: time is an argument, nothing here waits or draws lots.

A threshold on single windows raises false alarms by the hundred in an hour even for a good network. So scores are
smoothed, states are entered higher than they are left, and an alert needs its evidence to last.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from analyzer.config import NUM_FRAMES
from analyzer.datatypes import Alert, FaceCrop, FaceKey, NotScored, Verdict, VerdictState, WindowUpdate
from analyzer.scorer import sigmoid

LOGIT_LIMIT = 8.0
"""Logits are cut to +- this (p = 0.9997) before smoothing: one extreme window must not outvote a dozen."""


@dataclass(frozen=True, slots=True)
class VerdictRules:
    """When a verdict changes. Probabilities are the smoothed `fake_probability`, 0.5 being the operating point."""

    smoothing_s: float = 2.0
    """Time constant of the moving average over logits: a dozen windows at the default face rate."""
    uncertain_enter: float = 0.40
    uncertain_exit: float = 0.35
    suspicious_enter: float = 0.50
    suspicious_exit: float = 0.45
    alert_enter: float = 0.60
    alert_exit: float = 0.45
    alert_hold_s: float = 3.0
    """At `alert_enter` or above for this long raises an alert: more than one whole window (2.7 s at 6 faces/s)."""
    clear_hold_s: float = 3.0
    """Below `alert_exit` for this long clears it."""
    alert_unseen_s: float = 30.0
    """An alert is also cleared when its face could not be scored for this long: nothing supports it any more."""
    unfit_hold_s: float = 0.5
    """A face must be unfit for this long before "not scored" is said: a blink of blur is not worth a word."""
    stale_s: float = 1.5
    """Without any new picture of a face for this long its score is about the past."""
    restart_s: float = 1.0
    """Scores further apart than this do not support one hold time: nobody saw what was between."""
    repeat_s: float = 1.0
    """A smoothed value that moves is told at most this often."""
    repeat_change: float = 0.01
    """... and only if it moved by this much."""


@dataclass(slots=True)
class _Face:
    state: VerdictState = VerdictState.WARMING_UP
    reason: NotScored | None = None
    filled: int = 0
    level: VerdictState = VerdictState.CLEAR
    """What the scores say, whether or not it can be told now."""
    logit: float | None = None
    """Smoothed."""
    judged: float = 0.0
    """The newest smoothed probability, also when its window has been emptied since."""
    scored_s: float = -math.inf
    """Newest face of the newest score."""
    seen_s: float = -math.inf
    """Newest crop, fit or not."""
    unfit_since_s: float | None = None
    reason_since_s: float = -math.inf
    above_since_s: float | None = None
    below_since_s: float | None = None
    alert_since_s: float | None = None
    told: Verdict | None = None

    @property
    def probability(self) -> float | None:
        return None if self.logit is None else sigmoid(self.logit)


class VerdictPolicy:
    """Keeps what is known of every face; belongs to the model thread.

    Each method answers with what has to be told now, mostly nothing.
    """

    def __init__(self, *, trained: bool, rules: VerdictRules | None = None) -> None:
        """`trained`: whether there are weights; without, every face is "not scored: no trained weights"."""
        self.trained = trained
        self._rules = rules or VerdictRules()
        self._faces: dict[FaceKey, _Face] = {}

    @property
    def concerned(self) -> frozenset[FaceKey]:
        """Faces that are uncertain or worse: to be looked at more often and first."""
        return frozenset(
            key
            for key, face in self._faces.items()
            if face.logit is not None and (face.level is not VerdictState.CLEAR or face.alert_since_s is not None)
        )

    def on_update(self, update: WindowUpdate, at_s: float) -> list[Verdict | Alert]:
        """A fit face went into its window. `at_s`: its `received_at_s`."""
        face = self._faces.setdefault(update.key, _Face())
        if update.filled < NUM_FRAMES and update.filled <= face.filled:
            _begin_anew(face)
        face.filled = update.filled
        face.seen_s = at_s
        face.unfit_since_s = None
        alerts: list[Alert] = []
        if update.score is not None and not math.isnan(update.score.logit):
            self._smooth(face, update.score.logit, at_s)
            alerts = self._judge(update.key, face, at_s)
        elif update.score is not None and at_s - face.scored_s > self._rules.stale_s:
            # one score that is no number says nothing; if it goes on, what was smoothed is of the past
            _begin_anew(face)
        if not self.trained:
            self._set(face, VerdictState.NOT_SCORED, NotScored.NO_WEIGHTS)
        elif face.logit is None:
            self._set(face, VerdictState.WARMING_UP)
        else:
            self._set(face, VerdictState.ALERT if face.alert_since_s is not None else face.level)
        return [*alerts, *self._tell(update.key, face, at_s)]

    def on_unfit(self, crop: FaceCrop) -> list[Verdict | Alert]:
        """A face was seen but is not fit to be judged."""
        face = self._faces.setdefault(crop.key, _Face())
        at_s = crop.received_at_s
        face.seen_s = at_s
        if face.unfit_since_s is None:
            face.unfit_since_s = at_s
        if not self.trained:
            self._set(face, VerdictState.NOT_SCORED, NotScored.NO_WEIGHTS)
        elif at_s - max(face.unfit_since_s, face.reason_since_s) >= self._rules.unfit_hold_s:
            self._set(face, VerdictState.NOT_SCORED, crop.quality.reason)
            face.reason_since_s = at_s  # the next reason must wait as well: no flicker between two
        return [*self._tell(crop.key, face, at_s), *self._drop_unsupported_alert(crop.key, face, at_s)]

    def on_ended(self, key: FaceKey) -> list[Verdict | Alert]:
        """The face is gone for good: its alert, if any, is over."""
        face = self._faces.pop(key, None)
        if face is None or face.alert_since_s is None:
            return []
        return [Alert(key, False, face.judged, face.seen_s, face.alert_since_s)]

    def tick(self, now_s: float) -> list[Verdict | Alert]:
        """Call now and then: what must be told because nothing came."""
        told: list[Verdict | Alert] = []
        for key, face in self._faces.items():
            if now_s - face.seen_s > self._rules.stale_s and face.reason is not NotScored.STALE and self.trained:
                self._set(face, VerdictState.NOT_SCORED, NotScored.STALE)
                told += self._tell(key, face, now_s)
            told += self._drop_unsupported_alert(key, face, now_s)
        return told

    def _smooth(self, face: _Face, logit: float, at_s: float) -> None:
        logit = min(max(logit, -LOGIT_LIMIT), LOGIT_LIMIT)
        pause_s = max(at_s - face.scored_s, 0.0)
        if face.logit is None:
            face.logit = logit
        else:
            face.logit += (1 - math.exp(-pause_s / self._rules.smoothing_s)) * (logit - face.logit)
        if pause_s > self._rules.restart_s:
            face.above_since_s = face.below_since_s = None
        face.scored_s = max(at_s, face.scored_s)

    def _judge(self, key: FaceKey, face: _Face, at_s: float) -> list[Alert]:
        rules = self._rules
        probability = face.probability
        assert probability is not None
        face.judged = probability
        suspicious_at = rules.suspicious_exit if face.level is VerdictState.SUSPICIOUS else rules.suspicious_enter
        uncertain_at = rules.uncertain_enter if face.level is VerdictState.CLEAR else rules.uncertain_exit
        if probability >= suspicious_at:
            face.level = VerdictState.SUSPICIOUS
        elif probability >= uncertain_at:
            face.level = VerdictState.UNCERTAIN
        else:
            face.level = VerdictState.CLEAR
        face.above_since_s = _since(face.above_since_s, at_s, holds=probability >= rules.alert_enter)
        face.below_since_s = _since(face.below_since_s, at_s, holds=probability < rules.alert_exit)
        if face.alert_since_s is None:
            if face.above_since_s is not None and at_s - face.above_since_s >= rules.alert_hold_s:
                face.alert_since_s = at_s
                return [Alert(key, True, probability, at_s, at_s)]
        elif face.below_since_s is not None and at_s - face.below_since_s >= rules.clear_hold_s:
            return [self._clear(key, face, at_s)]
        return []

    def _drop_unsupported_alert(self, key: FaceKey, face: _Face, now_s: float) -> list[Alert]:
        if face.alert_since_s is None or now_s - face.scored_s <= self._rules.alert_unseen_s:
            return []
        return [self._clear(key, face, now_s)]

    def _clear(self, key: FaceKey, face: _Face, at_s: float) -> Alert:
        assert face.alert_since_s is not None
        cleared = Alert(key, False, face.judged, at_s, face.alert_since_s)
        face.alert_since_s = face.above_since_s = None
        return cleared

    @staticmethod
    def _set(face: _Face, state: VerdictState, reason: NotScored | None = None) -> None:
        face.state, face.reason = state, reason

    def _tell(self, key: FaceKey, face: _Face, at_s: float) -> list[Verdict]:
        verdict = Verdict(key, face.state, face.reason, face.filled, face.probability, at_s)
        if face.told is not None and not self._worth_telling(face.told, verdict):
            return []
        face.told = verdict
        return [verdict]

    def _worth_telling(self, told: Verdict, verdict: Verdict) -> bool:
        if (told.state, told.reason) != (verdict.state, verdict.reason):
            return True
        if verdict.state is VerdictState.WARMING_UP:
            return told.filled != verdict.filled
        if verdict.state is VerdictState.NOT_SCORED or verdict.at_s - told.at_s < self._rules.repeat_s:
            return False
        if told.fake_probability is None or verdict.fake_probability is None:
            return told.fake_probability is not verdict.fake_probability
        return abs(told.fake_probability - verdict.fake_probability) >= self._rules.repeat_change


def _begin_anew(face: _Face) -> None:
    """The window was emptied: what was smoothed belongs to the time before. An open alert stays until judged again."""
    face.logit = None
    face.level = VerdictState.CLEAR
    face.above_since_s = face.below_since_s = None


def _since(since_s: float | None, at_s: float, *, holds: bool) -> float | None:
    if not holds:
        return None
    return at_s if since_s is None else since_s
