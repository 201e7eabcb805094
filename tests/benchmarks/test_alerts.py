from __future__ import annotations

import numpy as np
import pytest

from analyzer.alerting.verdict import Sensitivity, VerdictPolicy
from analyzer.config import NUM_FRAMES
from analyzer.datatypes import Alert, FaceKey, Score, WindowUpdate
from benchmarks.alerts import LINES, STEP_S, Scores, Summed, measure


@pytest.mark.parametrize("sensitivity", Sensitivity)
def test_what_is_simulated_is_what_the_policy_does(sensitivity: Sensitivity) -> None:
    streams, rules = 8, sensitivity.rules
    scores = Scores(streams, seed=5)
    simulated = Summed(rules, np.array([rules.alert_above]), streams)
    policy = VerdictPolicy(trained=True, rules_of=lambda _: rules)
    faces = [1] * streams
    raised: list[tuple[list[int], list[int]]] = []
    for step in range(6000):
        logits, new = scores.step()
        logits = logits + 2.0 + rules.alert_above  # so that there are alerts to compare
        by_policy = []
        for stream in range(streams):
            at_s = step * STEP_S
            if new[stream]:
                policy.on_ended(FaceKey(f"cam{stream}", faces[stream]), at_s)
                faces[stream] += 1
            key = FaceKey(f"cam{stream}", faces[stream])
            score = Score(key, 0, step, None, at_s, at_s, 0.5, float(logits[stream]), NUM_FRAMES)
            told = policy.on_update(WindowUpdate(key, NUM_FRAMES, score), at_s)
            by_policy += [stream for event in told if isinstance(event, Alert) and event.raised]
        by_simulation = np.flatnonzero(simulated.step(logits, new)[0]).tolist()
        if by_policy or by_simulation:
            raised.append((by_policy, by_simulation))
    assert len(raised) > 3
    assert [policy_says for policy_says, _ in raised] == [simulation_says for _, simulation_says in raised]


def test_a_higher_line_raises_fewer_alarms_and_notices_less() -> None:
    found = measure(0.2, streams=16, fakes=50)
    quiet, balanced, eager = (found.sensitivities[one.value] for one in Sensitivity)
    assert quiet.false_alarms_per_8_h <= balanced.false_alarms_per_8_h <= eager.false_alarms_per_8_h
    assert quiet.fakes["weak (0.7)"].caught_60_s <= balanced.fakes["weak (0.7)"].caught_60_s
    assert balanced.fakes["strong (3.0)"].median_s == pytest.approx(Sensitivity.BALANCED.rules.shortest_s, abs=STEP_S)
    assert found.stream_hours == pytest.approx(3.2)
    for rules in found.compared.values():
        assert all(one.interval[0] <= one.false_alarms_per_8_h <= one.interval[1] for one in rules)
        assert all(LINES[0] <= one.line <= LINES[-1] for one in rules)
    assert measure(0.2, streams=16, fakes=50) == found, "the same every time"
