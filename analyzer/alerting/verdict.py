"""Scores over time -> what the operator is told. Pure: time is an argument, nothing here waits or draws lots.

A threshold on single windows raises false alarms by the hundred in an hour even for a good network. So states follow
smoothed scores and are entered higher than they are left, and an alert needs evidence that adds up over time: a
cumulative sum (Page, Biometrika 1954) of how far the scores lie above a line, each counting for no more than a cap.
docs/alerts.md has the figures.

What becomes true by itself (no new picture, nothing scored for long) is dated when it did, not when somebody asked: the
same observations in the same order raise the same alerts, live and played again (`series.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Final

from analyzer.config import NUM_FRAMES, AnalyzerConfig
from analyzer.datatypes import Alert, FaceCrop, FaceKey, NotScored, ScoreCurve, Verdict, VerdictState, WindowUpdate
from analyzer.scorer import sigmoid

LOGIT_LIMIT: Final = 8.0
"""Logits are cut to +- this (p = 0.9997) before smoothing: one extreme window must not outvote a dozen."""
CONCERNED: Final = 0.25
"""A face with this share of the evidence for an alert is looked at as the suspicious ones are."""
UNCERTAIN_SHARE: Final = 0.9
"""Share of the real calibration windows below the band "uncertain". Smoothed scores reach it less often than one in
ten."""
UNCERTAIN_LEAST: Final = 0.05
"""Lowest fake probability at which the band begins."""
UNCERTAIN_MOST: Final = 0.45
"""Highest fake probability at which the band may begin, just below "suspicious"."""
LATE_S: Final = AnalyzerConfig().max_staleness_s
"""Unless an operator says otherwise."""
ROUNDING: Final = 1e-9
"""Of sums of a few hundred small numbers."""


@dataclass(frozen=True, slots=True)
class VerdictRules:
    """When a verdict changes. Probabilities are the smoothed `fake_probability`, 0.5 being the operating point.

    Logits are calibrated ones, 0 being the operating point; evidence is logit x seconds.
    """

    smoothing_s: float = 2.0
    """Time constant of the moving average over logits: a dozen windows at the default face rate."""
    uncertain_enter: float = 0.40
    uncertain_exit: float = 0.35
    suspicious_enter: float = 0.50
    suspicious_exit: float = 0.45
    alert_above: float = 0.25
    """Logit. Scores above it are evidence for an alert, those below it against one."""
    alert_cap: float = 0.4
    """A score counts for at most this much above the line, ..."""
    alert_cap_below: float = 1.0
    """... and for at most this much below it: one burst of extreme windows is not many windows."""
    alert_evidence: float = 2.5
    """Raises an alert; six seconds of scores at the cap or beyond, longer for weaker ones."""
    score_counts_s: float = 0.5
    """A score stands for the time since the one before, but for no more than this: two faces a second are the least."""
    clear_below: float = -0.35
    """Smoothed logit ..."""
    clear_hold_s: float = 3.0
    """... that must last this long to clear an alert."""
    alert_unseen_s: float = 30.0
    """An alert is also cleared when its face could not be scored for this long: nothing supports it any more."""
    unfit_hold_s: float = 0.5
    """A face must be unfit for this long before "not scored" is said: a blink of blur is not worth a word."""
    stale_s: float = 1.5
    """Without any new picture of a face for this long its score is about the past."""
    restart_s: float = 1.0
    """Scores further apart than this do not support one hold time, nor one sum of evidence: nobody saw what was
    between."""
    repeat_s: float = 1.0
    """A smoothed value that moves is told at most this often."""
    repeat_change: float = 0.01
    """... and only if it moved by this much."""

    @property
    def shortest_s(self) -> float:
        """From a face's first score to an alert, at the least."""
        return self.alert_evidence / self.alert_cap


class Sensitivity(StrEnum):
    """How easily alerts are raised, named by what an operator feels."""

    QUIET = "quiet"
    BALANCED = "balanced"
    EAGER = "eager"

    @property
    def rules(self) -> VerdictRules:
        return _RULES[self]

    @property
    def false_alarms_per_8_h(self) -> float:
        """Expected of one stream in eight hours, about, where faces score as those simulated in docs/alerts.md.

        Your cameras are other ones: measure there.
        """
        return _FALSE_ALARMS[self]


_RULES: Final = {
    Sensitivity.QUIET: VerdictRules(alert_above=2.2, clear_below=1.6),
    Sensitivity.BALANCED: VerdictRules(),
    Sensitivity.EAGER: VerdictRules(alert_above=-1.0, clear_below=-1.6),
}
_FALSE_ALARMS: Final = {Sensitivity.QUIET: 0.1, Sensitivity.BALANCED: 1.0, Sensitivity.EAGER: 8.0}


def usual_rules(stream_id: str) -> VerdictRules:
    """Of a stream that nobody said anything about."""
    del stream_id
    return Sensitivity.BALANCED.rules


@lru_cache(maxsize=64)
def uncertain_by(rules: VerdictRules, curve: ScoreCurve | None) -> VerdictRules:
    """`rules` whose band "uncertain" begins where one in ten windows of real faces scores; unchanged without one."""
    if curve is None:
        return rules
    enter = min(max(sigmoid(curve.at(UNCERTAIN_SHARE)), UNCERTAIN_LEAST), UNCERTAIN_MOST)
    return replace(rules, uncertain_enter=enter, uncertain_exit=enter * rules.uncertain_exit / rules.uncertain_enter)


@dataclass(slots=True)
class _Face:
    rules: VerdictRules
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
    evidence: float = 0.0
    """For an alert: 0 to `alert_evidence`."""
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

    def __init__(
        self,
        *,
        trained: bool,
        rules_of: Callable[[str], VerdictRules] = usual_rules,
        late_s: float = LATE_S,
        curve: ScoreCurve | None = None,
    ) -> None:
        """`trained`: whether there are weights; without, every face is "not scored: no trained weights".

        `late_s`: pictures may be told of so long after they were received; that nothing came is not said before.
        `curve` of the weights card: where the band "uncertain" begins; without one where the rules say.
        `rules_of` a stream are asked for at each face: they may change at any time.
        """
        self.trained = trained
        self.curve = curve
        self._rules_of = rules_of
        self._late_s = late_s
        self._faces: dict[FaceKey, _Face] = {}

    @property
    def concerned(self) -> frozenset[FaceKey]:
        """Faces that are uncertain or worse, or on the way to an alert: to be looked at more often and first."""
        return frozenset(
            key
            for key, face in self._faces.items()
            if face.logit is not None
            and (
                face.level is not VerdictState.CLEAR
                or face.evidence >= face.rules.alert_evidence * CONCERNED
                or face.alert_since_s is not None
            )
        )

    def on_update(self, update: WindowUpdate, at_s: float) -> list[Verdict | Alert]:
        """A fit face went into its window. `at_s`: its `received_at_s`."""
        face = self._face(update.key)
        told = self._expire(update.key, face, at_s)
        if update.filled < NUM_FRAMES and update.filled <= face.filled:
            _begin_anew(face)
        face.filled = update.filled
        face.seen_s = at_s
        face.unfit_since_s = None
        if update.score is not None and not math.isnan(update.score.logit):
            self._take(face, update.score.logit, at_s)
            told += self._judge(update.key, face, at_s)
        elif update.score is not None and at_s - face.scored_s > face.rules.stale_s:
            # one score that is no number says nothing; if it goes on, what was smoothed is of the past
            _begin_anew(face)
        if not self.trained:
            self._set(face, VerdictState.NOT_SCORED, NotScored.NO_WEIGHTS)
        elif face.logit is None:
            self._set(face, VerdictState.WARMING_UP)
        else:
            self._set(face, VerdictState.ALERT if face.alert_since_s is not None else face.level)
        return [*told, *self._tell(update.key, face, at_s)]

    def on_unfit(self, crop: FaceCrop) -> list[Verdict | Alert]:
        """A face was seen but is not fit to be judged."""
        face = self._face(crop.key)
        at_s = crop.received_at_s
        told = self._expire(crop.key, face, at_s)
        face.seen_s = at_s
        if face.unfit_since_s is None:
            face.unfit_since_s = at_s
        if not self.trained:
            self._set(face, VerdictState.NOT_SCORED, NotScored.NO_WEIGHTS)
        elif at_s - max(face.unfit_since_s, face.reason_since_s) >= face.rules.unfit_hold_s:
            self._set(face, VerdictState.NOT_SCORED, crop.quality.reason)
            face.reason_since_s = at_s  # the next reason must wait as well: no flicker between two
        return [*told, *self._tell(crop.key, face, at_s)]

    def on_ended(self, key: FaceKey, at_s: float) -> list[Verdict | Alert]:
        """The face is gone for good, as was noticed at `at_s`: its alert, if any, was over when it was last seen."""
        face = self._faces.pop(key, None)
        if face is None:
            return []
        told = self._expire(key, face, at_s)
        if face.alert_since_s is None:
            return told
        return [*told, Alert(key, False, face.judged, face.seen_s, face.alert_since_s)]

    def tick(self, now_s: float) -> list[Verdict | Alert]:
        """Call now and then: what must be told because nothing came."""
        return [event for key, face in self._faces.items() for event in self._expire(key, face, now_s - self._late_s)]

    def _face(self, key: FaceKey) -> _Face:
        rules = uncertain_by(self._rules_of(key.stream_id), self.curve)
        face = self._faces.get(key)
        if face is None:
            face = self._faces[key] = _Face(rules)
        face.rules = rules
        return face

    def _expire(self, key: FaceKey, face: _Face, now_s: float) -> list[Verdict | Alert]:
        """What became true by itself up to `now_s`, dated when it did."""
        told: list[Verdict | Alert] = []
        stale_s, over_s = face.seen_s + face.rules.stale_s, face.scored_s + face.rules.alert_unseen_s
        if math.isfinite(stale_s) and now_s > stale_s and face.reason is not NotScored.STALE and self.trained:
            self._set(face, VerdictState.NOT_SCORED, NotScored.STALE)
            told += self._tell(key, face, stale_s)
        if face.alert_since_s is not None and now_s > over_s:
            told.append(self._clear(key, face, over_s))
        return told

    def _take(self, face: _Face, logit: float, at_s: float) -> None:
        """Smooth, and add up."""
        rules = face.rules
        logit = min(max(logit, -LOGIT_LIMIT), LOGIT_LIMIT)
        pause_s = max(at_s - face.scored_s, 0.0)
        if face.logit is None:
            face.logit = logit
        else:
            face.logit += (1 - math.exp(-pause_s / rules.smoothing_s)) * (logit - face.logit)
        if pause_s > rules.restart_s:
            face.evidence, face.below_since_s = 0.0, None
        else:
            speaks = min(max(logit - rules.alert_above, -rules.alert_cap_below), rules.alert_cap)
            gained = face.evidence + speaks * min(pause_s, rules.score_counts_s)
            face.evidence = min(max(gained, 0.0), rules.alert_evidence)
        face.scored_s = max(at_s, face.scored_s)

    def _judge(self, key: FaceKey, face: _Face, at_s: float) -> list[Alert]:
        rules = face.rules
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
        below = face.logit is not None and face.logit < rules.clear_below
        face.below_since_s = _since(face.below_since_s, at_s, holds=below)
        if face.alert_since_s is None:
            if face.evidence >= rules.alert_evidence - ROUNDING:
                face.alert_since_s = at_s
                return [Alert(key, True, probability, at_s, at_s)]
        elif face.below_since_s is not None and at_s - face.below_since_s >= rules.clear_hold_s:
            return [self._clear(key, face, at_s)]
        return []

    def _clear(self, key: FaceKey, face: _Face, at_s: float) -> Alert:
        assert face.alert_since_s is not None
        cleared = Alert(key, False, face.judged, at_s, face.alert_since_s)
        face.alert_since_s, face.evidence = None, 0.0
        return cleared

    @staticmethod
    def _set(face: _Face, state: VerdictState, reason: NotScored | None = None) -> None:
        face.state, face.reason = state, reason

    def _tell(self, key: FaceKey, face: _Face, at_s: float) -> list[Verdict]:
        verdict = Verdict(key, face.state, face.reason, face.filled, face.probability, at_s)
        if face.told is not None and not _worth_telling(face.told, verdict, face.rules):
            return []
        face.told = verdict
        return [verdict]


def _begin_anew(face: _Face) -> None:
    """The window was emptied: what was smoothed belongs to the time before. An open alert stays until judged again."""
    face.logit = None
    face.level = VerdictState.CLEAR
    face.evidence, face.below_since_s = 0.0, None


def _since(since_s: float | None, at_s: float, *, holds: bool) -> float | None:
    if not holds:
        return None
    return at_s if since_s is None else since_s


def _worth_telling(told: Verdict, verdict: Verdict, rules: VerdictRules) -> bool:
    if (told.state, told.reason) != (verdict.state, verdict.reason):
        return True
    if verdict.state is VerdictState.WARMING_UP:
        return told.filled != verdict.filled
    if verdict.state is VerdictState.NOT_SCORED or verdict.at_s - told.at_s < rules.repeat_s:
        return False
    if told.fake_probability is None or verdict.fake_probability is None:
        return told.fake_probability is not verdict.fake_probability
    return abs(told.fake_probability - verdict.fake_probability) >= rules.repeat_change
