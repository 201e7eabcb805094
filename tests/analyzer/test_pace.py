from __future__ import annotations

import pytest

from analyzer.config import AnalyzerConfig
from analyzer.pace import LoadControl, interval_s, next_due_s

CONFIG = AnalyzerConfig()


def test_without_load_faces_come_at_the_configured_rates() -> None:
    assert interval_s(CONFIG, 1.0, suspicious=False) == pytest.approx(1 / 6)
    assert interval_s(CONFIG, 1.0, suspicious=True) == pytest.approx(1 / 12)


def test_the_rate_never_falls_under_its_minimum() -> None:
    assert interval_s(CONFIG, 0.0, suspicious=False) == interval_s(CONFIG, 0.0, suspicious=True) == 0.5


def test_an_operator_may_ask_for_less_than_the_minimum() -> None:
    assert interval_s(AnalyzerConfig(face_rate=1.0), 0.5, suspicious=False) == 1.0


def test_late_crops_lower_the_share_step_by_step_down_to_the_minimum_rate() -> None:
    load = LoadControl(CONFIG)
    shares = []
    for i in range(100):
        load.on_batch(i * 0.1, i * 0.1 - 0.4, stale=False)
        shares.append(load.share)
    assert shares[0] == shares[4] == 0.8  # one step in half a second
    assert shares[5] == pytest.approx(0.64)
    assert shares[-1] == pytest.approx(2 / 12)


def test_a_dropped_crop_lowers_the_share_however_young_the_others_are() -> None:
    load = LoadControl(CONFIG)
    load.on_batch(0.0, 0.0, stale=True)
    assert load.share == 0.8


def test_the_share_comes_back_slowly_and_never_exceeds_one() -> None:
    load = LoadControl(CONFIG)
    load.on_batch(0.0, -1.0, stale=True)
    for i in range(1, 21):
        load.on_batch(i * 0.1, i * 0.1, stale=False)
    assert load.share == pytest.approx(0.9)
    load.on_batch(1000.0, 1000.0, stale=False)
    assert load.share == 1.0


def test_a_clock_that_goes_back_does_no_harm() -> None:
    load = LoadControl(CONFIG)
    for now_s in (5.0, 1.0, 5.0):
        load.on_batch(now_s, now_s, stale=False)
    assert load.share == 1.0


def test_a_source_with_its_own_rhythm_is_still_looked_at_at_the_face_rate() -> None:
    # 15 frames a second for 60 s, 6 looks a second wanted
    due_s = 0.0
    looks = 0
    for frame in range(900):
        now_s = frame / 15
        if now_s >= due_s:
            looks += 1
            due_s = next_due_s(due_s, now_s, 1 / 6)
    assert 340 <= looks <= 361


def test_what_was_missed_is_not_made_up_for() -> None:
    assert next_due_s(10.0, 100.0, 0.25) == 100.0
    assert next_due_s(10.0, 10.125, 0.25) == 10.25
