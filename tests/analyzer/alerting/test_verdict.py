from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterable

import pytest

from analyzer.alerting.verdict import Sensitivity, VerdictPolicy, VerdictRules, uncertain_by
from analyzer.datatypes import (
    Alert,
    Box,
    FaceCrop,
    FaceKey,
    NotScored,
    Quality,
    Score,
    ScoreCurve,
    Verdict,
    VerdictState,
    WindowUpdate,
)

KEY = FaceKey("cam", 1)
STEP_S = 1 / 6
"""The default face rate."""


def _update(at_s: float, logit: float | None, filled: int = 16, key: FaceKey = KEY) -> WindowUpdate:
    score = None
    if logit is not None:
        score = Score(key, 0, 0, None, at_s, at_s + 0.05, 0.5, logit, 16)
    return WindowUpdate(key, filled, score)


def _unfit(at_s: float, reason: NotScored = NotScored.BLURRED, key: FaceKey = KEY) -> FaceCrop:
    return FaceCrop(key, 0, 0, None, at_s, Box(0, 0, 9, 9), Quality(reason, 40.0, 1.0, 100.0, 0.0), None)


def _warm_up(policy: VerdictPolicy, start_s: float = 0.0) -> float:
    """15 faces without a score; the time of the 16th."""
    for i in range(15):
        policy.on_update(_update(start_s + i * STEP_S, None, filled=i + 1), start_s + i * STEP_S)
    return start_s + 15 * STEP_S


def _play(
    policy: VerdictPolicy, logits: Iterable[float] | Callable[[float], float], start_s: float, seconds: float = 0.0
) -> list[tuple[float, Verdict | Alert]]:
    """One full window after the other; what was told, and when."""
    told: list[tuple[float, Verdict | Alert]] = []
    values = [logits(i * STEP_S) for i in range(int(seconds / STEP_S))] if callable(logits) else list(logits)
    for i, logit in enumerate(values):
        at_s = start_s + i * STEP_S
        told += [(at_s, event) for event in policy.on_update(_update(at_s, logit), at_s)]
    return told


def _states(told: list[tuple[float, Verdict | Alert]]) -> list[VerdictState]:
    """In order, without repetitions."""
    states: list[VerdictState] = []
    for _, event in told:
        if isinstance(event, Verdict) and (not states or states[-1] is not event.state):
            states.append(event.state)
    return states


def _alerts(told: list[tuple[float, Verdict | Alert]]) -> list[tuple[float, Alert]]:
    return [(at_s, event) for at_s, event in told if isinstance(event, Alert)]


@pytest.fixture
def policy() -> VerdictPolicy:
    return VerdictPolicy(trained=True)


def test_a_new_face_warms_up_face_by_face(policy: VerdictPolicy) -> None:
    told = [policy.on_update(_update(i * STEP_S, None, filled=i + 1), i * STEP_S) for i in range(15)]
    assert [[event.filled for event in events if isinstance(event, Verdict)] for events in told] == [
        [i + 1] for i in range(15)
    ]
    assert all(isinstance(event, Verdict) and event.state is VerdictState.WARMING_UP for (event,) in told)


def test_the_first_score_ends_the_warm_up(policy: VerdictPolicy) -> None:
    start = _warm_up(policy)
    (verdict,) = policy.on_update(_update(start, -2.0), start)
    assert isinstance(verdict, Verdict)
    assert (verdict.key, verdict.state, verdict.filled, verdict.at_s) == (KEY, VerdictState.CLEAR, 16, start)
    assert verdict.fake_probability == pytest.approx(1 / (1 + math.exp(2.0)))


def test_a_steady_real_face_is_told_once(policy: VerdictPolicy) -> None:
    told = _play(policy, lambda _: -2.0, _warm_up(policy), seconds=60)
    assert _states(told) == [VerdictState.CLEAR]
    assert len(told) == 1
    assert policy.concerned == frozenset()


def test_a_steady_fake_raises_one_alert_when_its_evidence_is_complete(policy: VerdictPolicy) -> None:
    start = _warm_up(policy)
    told = _play(policy, lambda _: 3.0, start, seconds=60)
    assert _states(told) == [VerdictState.SUSPICIOUS, VerdictState.ALERT]
    ((at_s, alert),) = _alerts(told)
    assert alert.raised
    assert at_s - start == pytest.approx(VerdictRules().shortest_s, abs=STEP_S)
    assert alert.at_s == alert.started_at_s == at_s
    assert policy.concerned == {KEY}


@pytest.mark.parametrize(("of_cap", "longer"), [(0.5, 2.0), (0.8, 1.25), (1.0, 1.0), (10.0, 1.0)])
def test_weak_evidence_takes_longer_and_strong_evidence_has_a_cap(
    policy: VerdictPolicy, of_cap: float, longer: float
) -> None:
    start, rules = _warm_up(policy), VerdictRules()
    ((at_s, _),) = _alerts(_play(policy, lambda _: rules.alert_above + of_cap * rules.alert_cap, start, seconds=60))
    assert at_s - start == pytest.approx(longer * rules.shortest_s, abs=STEP_S)


def test_scores_below_the_line_never_add_up_to_an_alert(policy: VerdictPolicy) -> None:
    assert _alerts(_play(policy, lambda _: VerdictRules().alert_above - 0.01, _warm_up(policy), seconds=3600)) == []


def test_a_dip_costs_evidence_but_does_not_begin_it_anew(policy: VerdictPolicy) -> None:
    start, rules = _warm_up(policy), VerdictRules()
    ((at_s, _),) = _alerts(_play(policy, lambda t: -3.0 if 4 <= t < 5 else 3.0, start, seconds=20))
    won_back_s = rules.alert_cap_below / rules.alert_cap  # what the second of the dip took away
    assert at_s - start == pytest.approx(rules.shortest_s + 1 + won_back_s, abs=2 * STEP_S)


@pytest.mark.parametrize("rate", [2.0, 6.0, 12.0])
def test_evidence_is_of_time_not_of_scores(policy: VerdictPolicy, rate: float) -> None:
    times = [i / rate for i in range(int(20 * rate))]
    raised = [at_s for at_s in times for e in policy.on_update(_update(at_s, 3.0), at_s) if isinstance(e, Alert)]
    assert raised == [pytest.approx(VerdictRules().shortest_s, abs=1 / rate)]


def test_more_faces_a_second_and_more_sensitive_rules_raise_alerts_earlier_or_more() -> None:
    raised = {}
    for sensitivity in Sensitivity:
        policy = VerdictPolicy(trained=True, rules_of=dict.fromkeys(["cam"], sensitivity.rules).__getitem__)
        told = _play(policy, lambda t: -2.0 + t / 60, _warm_up(policy), seconds=600)
        raised[sensitivity] = _alerts(told)[0][0]
    assert raised[Sensitivity.EAGER] < raised[Sensitivity.BALANCED] < raised[Sensitivity.QUIET]


def test_each_stream_has_its_own_rules() -> None:
    rules = {"quiet": Sensitivity.QUIET.rules, "eager": Sensitivity.EAGER.rules}
    policy = VerdictPolicy(trained=True, rules_of=rules.__getitem__)
    raised = []
    for i in range(200):
        for stream_id in rules:
            key = FaceKey(stream_id, 1)
            raised += [
                e.key for e in policy.on_update(_update(i * STEP_S, 0.5, key=key), i * STEP_S) if isinstance(e, Alert)
            ]
    assert raised == [FaceKey("eager", 1)]


def test_single_high_windows_raise_nothing(policy: VerdictPolicy) -> None:
    told = _play(policy, [5.0 if i % 12 == 6 else -2.0 for i in range(600)], _warm_up(policy))
    assert _alerts(told) == []
    assert VerdictState.SUSPICIOUS not in _states(told)


def test_an_extreme_window_counts_no_more_than_a_very_high_one() -> None:
    told = []
    for extreme in (8.0, 1e30, math.inf):
        policy = VerdictPolicy(trained=True)
        start = _warm_up(policy)
        _play(policy, [-1.0] * 20 + [extreme] + [-1.0] * 5, start)
        told.append(_play(policy, [-1.0] * 5, start + 26 * STEP_S))
    assert told[0] == told[1] == told[2]


def test_an_alert_is_cleared_after_low_scores_have_lasted(policy: VerdictPolicy) -> None:
    start = _warm_up(policy)
    _play(policy, lambda _: 3.0, start, seconds=10)
    told = _play(policy, lambda _: -3.0, start + 10, seconds=20)
    ((at_s, alert),) = _alerts(told)
    assert not alert.raised
    assert alert.started_at_s < alert.at_s == at_s
    assert at_s - (start + 10) > 3.0
    assert _states(told)[-1] is VerdictState.CLEAR


@pytest.mark.parametrize("threshold", [0.40, 0.50])
def test_a_value_that_swings_around_a_threshold_changes_state_once(policy: VerdictPolicy, threshold: float) -> None:
    middle = math.log(threshold / (1 - threshold))
    told = _play(policy, lambda t: middle + 0.3 * math.sin(2 * t), _warm_up(policy), seconds=60)
    assert len(told) > 10, "it moves"
    assert len(_states(told)) <= 2


def test_a_moving_value_is_told_about_once_a_second(policy: VerdictPolicy) -> None:
    start = _warm_up(policy)
    told = _play(policy, lambda t: -2.5 + 0.15 * t, start, seconds=14)
    times = [at_s for at_s, _ in told]
    assert 8 <= len(times) <= 15
    assert min(b - a for a, b in itertools.pairwise(times)) >= 1.0 - STEP_S


def test_a_pause_longer_than_allowed_restarts_the_hold_time() -> None:
    policy = VerdictPolicy(trained=True)
    start = _warm_up(policy)
    told = []
    for i in range(10):  # 5 s high, then 1.2 s of nothing, and again
        told += _play(policy, [4.0] * 30, start + i * 6.2)
    assert _alerts(told) == []


def test_a_few_scores_that_are_no_numbers_change_nothing(policy: VerdictPolicy) -> None:
    start = _warm_up(policy)
    told = _play(policy, [-2.0, *[math.nan] * 8, -2.0], start)
    assert _states(told) == [VerdictState.CLEAR]
    assert all(isinstance(event, Verdict) and event.fake_probability is not None for _, event in told)


def test_a_face_without_a_number_for_long_has_no_verdict_any_more(policy: VerdictPolicy) -> None:
    start = _warm_up(policy)
    told = _play(policy, [-2.0, *[math.nan] * 12], start)
    (_, clear), (at_s, verdict) = told
    assert isinstance(clear, Verdict)
    assert isinstance(verdict, Verdict)
    assert (verdict.state, verdict.fake_probability) == (VerdictState.WARMING_UP, None)
    assert at_s - start < VerdictRules().stale_s + 2 * STEP_S
    ((_, back),) = _play(policy, [1.0], start + 3)
    assert isinstance(back, Verdict)
    assert back.fake_probability == pytest.approx(1 / (1 + math.exp(-1.0)))


def test_a_first_score_that_is_not_a_number_leaves_the_face_warming_up(policy: VerdictPolicy) -> None:
    start = _warm_up(policy)
    (verdict,) = policy.on_update(_update(start, math.nan), start)
    assert isinstance(verdict, Verdict)
    assert (verdict.state, verdict.filled, verdict.fake_probability) == (VerdictState.WARMING_UP, 16, None)


def test_an_emptied_window_warms_up_again_and_forgets_the_smoothed_value(policy: VerdictPolicy) -> None:
    start = _warm_up(policy)
    _play(policy, lambda _: 1.0, start, seconds=1)
    stale, verdict = policy.on_update(_update(start + 5, None, filled=1), start + 5)
    assert isinstance(stale, Verdict)
    assert stale.reason is NotScored.STALE
    assert stale.at_s == pytest.approx(start + 1 - STEP_S + 1.5)
    assert verdict == Verdict(KEY, VerdictState.WARMING_UP, None, 1, None, start + 5)
    at_s = _warm_up(policy, start + 5)
    (verdict,) = policy.on_update(_update(at_s, -3.0), at_s)
    assert isinstance(verdict, Verdict)
    assert verdict.fake_probability == pytest.approx(1 / (1 + math.exp(3.0)))


def test_faces_between_two_strides_keep_the_state(policy: VerdictPolicy) -> None:
    start = _warm_up(policy)
    policy.on_update(_update(start, -2.0), start)
    assert policy.on_update(_update(start + STEP_S, None), start + STEP_S) == []


def test_a_short_blur_is_not_worth_a_word(policy: VerdictPolicy) -> None:
    start = _warm_up(policy)
    policy.on_update(_update(start, -2.0), start)
    assert policy.on_unfit(_unfit(start + 0.2)) == []
    assert policy.on_unfit(_unfit(start + 0.6)) == []
    assert policy.on_update(_update(start + 0.8, -2.0), start + 0.8) == []


def test_two_short_blurs_do_not_add_up(policy: VerdictPolicy) -> None:
    start = _warm_up(policy)
    policy.on_update(_update(start, -2.0), start)
    assert policy.on_unfit(_unfit(start + 0.2)) == []
    assert policy.on_update(_update(start + 0.4, -2.0), start + 0.4) == []
    assert policy.on_unfit(_unfit(start + 0.8)) == []


def test_a_face_that_stays_unfit_is_not_scored_and_says_why(policy: VerdictPolicy) -> None:
    start = _warm_up(policy)
    policy.on_update(_update(start, -2.0), start)
    told = [event for i in range(12) for event in policy.on_unfit(_unfit(start + i * STEP_S))]
    (verdict,) = told
    assert isinstance(verdict, Verdict)
    assert (verdict.state, verdict.reason) == (VerdictState.NOT_SCORED, NotScored.BLURRED)
    (back,) = policy.on_update(_update(start + 3, -2.0), start + 3)
    assert isinstance(back, Verdict)
    assert back.state is VerdictState.CLEAR


def test_two_reasons_that_alternate_do_not_flicker(policy: VerdictPolicy) -> None:
    reasons = [NotScored.BLURRED, NotScored.DARK]
    told = [event for i in range(60) for event in policy.on_unfit(_unfit(i * 0.1, reasons[i % 2]))]
    assert len(told) <= 6 / 0.5 + 1


def test_without_trained_weights_nothing_else_is_ever_said() -> None:
    policy = VerdictPolicy(trained=False)
    told: list[Verdict | Alert] = []
    for i in range(60):
        told += policy.on_update(_update(i * STEP_S, None, filled=min(i + 1, 16)), i * STEP_S)
        told += policy.on_unfit(_unfit(i * STEP_S + 0.01))
        told += policy.tick(i * STEP_S + 0.02)
    told += policy.tick(1000.0)
    assert [(event.state, event.reason) for event in told if isinstance(event, Verdict)] == [
        (VerdictState.NOT_SCORED, NotScored.NO_WEIGHTS)
    ]


def test_a_face_without_a_new_picture_is_stale_and_told_once(policy: VerdictPolicy) -> None:
    start = _warm_up(policy)
    policy.on_update(_update(start, -2.0), start)
    assert policy.tick(start + 1.9) == []  # a newer one may be on its way through the monitor
    (verdict,) = policy.tick(start + 2.1)
    assert isinstance(verdict, Verdict)
    assert (verdict.state, verdict.reason) == (VerdictState.NOT_SCORED, NotScored.STALE)
    assert verdict.at_s == start + 1.5
    assert policy.tick(start + 5) == []


def test_an_alert_outlives_a_short_loss_and_is_dropped_after_a_long_one(policy: VerdictPolicy) -> None:
    start = _warm_up(policy)
    _play(policy, lambda _: 3.0, start, seconds=10)
    last = start + 10 - STEP_S
    assert not any(isinstance(event, Alert) for event in policy.tick(last + 25))
    (alert,) = policy.tick(last + 31)
    assert isinstance(alert, Alert)
    assert not alert.raised
    assert policy.tick(last + 40) == []


def test_an_alert_of_a_face_that_stays_unfit_is_dropped_too(policy: VerdictPolicy) -> None:
    start = _warm_up(policy)
    _play(policy, lambda _: 3.0, start, seconds=10)
    told = [e for i in range(45) for e in policy.on_unfit(_unfit(start + 10 + i)) if isinstance(e, Alert)]
    assert [(alert.raised, alert.at_s > start + 39) for alert in told] == [(False, True)]


def test_an_alert_is_of_concern_until_it_is_cleared(policy: VerdictPolicy) -> None:
    start = _warm_up(policy)
    _play(policy, lambda _: 3.0, start, seconds=10)
    told = _play(policy, lambda _: -8.0, start + 10, seconds=2.5)
    assert _alerts(told) == []
    assert told[-1][1].fake_probability is not None
    assert told[-1][1].fake_probability < 0.3
    assert set(_states(told)) == {VerdictState.ALERT}
    assert policy.concerned == {KEY}


def test_the_end_of_a_face_ends_its_alert(policy: VerdictPolicy) -> None:
    start = _warm_up(policy)
    _play(policy, lambda _: 3.0, start, seconds=10)
    (alert,) = policy.on_ended(KEY, start + 10.5)
    assert isinstance(alert, Alert)
    assert not alert.raised
    assert policy.on_ended(KEY, 0.0) == []
    assert policy.concerned == frozenset()
    assert policy.tick(1e6) == []


@pytest.mark.parametrize("how", ["ended", "unseen"])
def test_an_alert_whose_window_was_emptied_is_cleared_with_the_last_probability_there_was(
    policy: VerdictPolicy, how: str
) -> None:
    start = _warm_up(policy)
    _play(policy, lambda _: 3.0, start, seconds=10)
    policy.on_update(_update(start + 12, None, filled=1), start + 12)
    told = policy.on_ended(KEY, start + 12.5) if how == "ended" else policy.tick(1e3)
    (alert,) = [event for event in told if isinstance(event, Alert)]
    assert isinstance(alert, Alert)
    assert not alert.raised
    assert alert.fake_probability == pytest.approx(1 / (1 + math.exp(-3.0)))


def test_the_end_of_a_quiet_or_unknown_face_needs_no_word(policy: VerdictPolicy) -> None:
    _warm_up(policy)
    assert policy.on_ended(KEY, 0.0) == []
    assert policy.on_ended(FaceKey("nobody", 7), 0.0) == []


def test_faces_are_judged_each_for_itself(policy: VerdictPolicy) -> None:
    other = FaceKey("cam", 2)
    start = _warm_up(policy)
    _play(policy, lambda _: 3.0, start, seconds=10)
    policy.on_update(_update(start, -3.0, key=other), start)
    assert policy.concerned == {KEY}


def test_time_that_jumps_back_or_far_ahead_breaks_nothing(policy: VerdictPolicy) -> None:
    start = _warm_up(policy)
    for at_s in (start, start - 1e6, start + 1e9, start):
        for event in policy.on_update(_update(at_s, -2.0), at_s):
            assert isinstance(event, Verdict)
            assert event.fake_probability == pytest.approx(1 / (1 + math.exp(2.0)))


def test_the_same_series_always_tells_the_same() -> None:
    series = [math.sin(i * i) * 6 for i in range(500)]
    first, second = (_play(VerdictPolicy(trained=True), series, 0.0) for _ in range(2))
    assert first == second


def test_what_is_told_does_not_depend_on_when_the_policy_is_asked() -> None:
    rng = random.Random(3)
    times = [0.0]
    for _ in range(3000):  # pauses of every length between the faces, three of four faces fit
        times.append(
            times[-1] + rng.choice([STEP_S, STEP_S, STEP_S, STEP_S, 0.7, 1.4, 40.0] if rng.random() < 0.1 else [STEP_S])
        )
    faces = [(at_s, rng.gauss(0.8, 1.0) if rng.random() < 0.8 else None) for at_s in times]
    told = []
    for tick_s in (0.1, 0.25, 7.0, 1e9):
        policy, events, asked_s = VerdictPolicy(trained=True), [], 0.0
        for at_s, logit in faces:
            while asked_s + tick_s < at_s:
                asked_s += tick_s
                events += policy.tick(asked_s)
            events += policy.on_unfit(_unfit(at_s)) if logit is None else policy.on_update(_update(at_s, logit), at_s)
        told.append(events)
    assert any(isinstance(event, Alert) for event in told[0])
    assert told[0] == told[1] == told[2] == told[3]


def test_what_is_told_does_not_depend_on_how_late_a_picture_is_looked_at() -> None:
    pauses = [STEP_S] * 60 + [29.8, STEP_S, 1.4, STEP_S, 31.0] + [STEP_S] * 60
    times = [STEP_S]
    for pause in pauses:
        times.append(times[-1] + pause)
    told = []
    for late_s in (0.0, 0.45):
        policy, events, asked_s = VerdictPolicy(trained=True), [], 0.0
        for at_s in times:
            while asked_s + 0.25 < at_s + late_s:
                asked_s += 0.25
                events += policy.tick(asked_s)
            events += policy.on_update(_update(at_s, 3.0), at_s)
        told.append([event for event in events if isinstance(event, Alert)])
    assert told[0] == told[1]
    assert len(told[0]) >= 2


def test_thresholds_are_entered_higher_than_they_are_left() -> None:
    rules = VerdictRules()
    assert rules.uncertain_exit < rules.uncertain_enter <= rules.suspicious_exit < rules.suspicious_enter == 0.5
    assert rules.uncertain_exit < rules.uncertain_enter
    for sensitivity in Sensitivity:
        assert sensitivity.rules.clear_below < sensitivity.rules.alert_above


def test_the_uncertain_band_begins_where_one_in_ten_real_faces_scores() -> None:
    curve = ScoreCurve(tuple(i / 10 - 5 for i in range(51)), windows=500, groups=20)  # -5 to 0
    rules = uncertain_by(VerdictRules(), curve)
    assert rules.uncertain_enter == pytest.approx(1 / (1 + math.exp(0.5)))
    assert rules.uncertain_exit < rules.uncertain_enter
    assert uncertain_by(VerdictRules(), None) == VerdictRules()
    policy = VerdictPolicy(trained=True, curve=ScoreCurve((-3.0, -2.0), windows=500, groups=20))
    assert _states(_play(policy, [-2.0] * 20, _warm_up(policy)))[-1] is VerdictState.UNCERTAIN


def test_the_uncertain_band_stays_below_suspicious_however_high_real_faces_score() -> None:
    rules = uncertain_by(VerdictRules(), ScoreCurve((0.0, 9.0), windows=500, groups=20))
    assert rules.uncertain_exit < rules.uncertain_enter < rules.suspicious_exit + 0.01
    assert rules.uncertain_enter < rules.suspicious_enter


def test_real_faces_that_score_next_to_nothing_do_not_make_every_face_uncertain() -> None:
    policy = VerdictPolicy(trained=True, curve=ScoreCurve((-30.0, -12.0), windows=500, groups=20))
    assert _states(_play(policy, [-8.0] * 20, _warm_up(policy)))[-1] is VerdictState.CLEAR
