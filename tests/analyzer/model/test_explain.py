from __future__ import annotations

import math

import pytest
import torch

from analyzer.config import NUM_FRAMES
from analyzer.datatypes import ScoreCurve
from analyzer.model.explain import opinions
from analyzer.model.network import Calibration, WindowOutput
from analyzer.scorer import ClipScore, sigmoid


def _calibration(a: float, b: float, c: float) -> Calibration:
    calibration = Calibration()
    for name, value in (("a", a), ("b", b), ("c", c)):
        getattr(calibration, name).fill_(value)
    return calibration


def _opinions(calibration: Calibration, *, count: int = 2, broken: str = "") -> list[ClipScore]:
    draw = torch.Generator().manual_seed(1)
    window = WindowOutput(
        torch.randn(count, generator=draw), torch.softmax(torch.randn(count, NUM_FRAMES, generator=draw), dim=1)
    )
    frame_logits = 3 * torch.randn(count, NUM_FRAMES, generator=draw)
    maps = torch.rand(count, 1, 7, 7, generator=draw)
    logits = calibration(window.logit, frame_logits)
    parts = {"map": maps, "when": window.attention, "frames": frame_logits, "window": window.logit, "score": logits}
    if broken:
        parts[broken][0].fill_(math.nan)
    return opinions(logits, window, frame_logits, maps, calibration)


@pytest.mark.parametrize(("a", "b", "c"), [(0.9, 0.4, -0.2), (0.0, 0.96, -0.28), (1.0, 0.0, 0.0), (-0.5, 2.0, 1.0)])
def test_what_each_face_counted_is_exact(a: float, b: float, c: float) -> None:
    for opinion in _opinions(_calibration(a, b, c)):
        evidence = opinion.evidence
        assert evidence is not None
        assert evidence.window_logit is not None
        assert math.fsum(evidence.counted) / NUM_FRAMES == pytest.approx(opinion.logit, abs=1e-12)
        expected = [a * evidence.window_logit + b * frame + c for frame in evidence.frame_logits]
        assert evidence.counted == pytest.approx(expected, abs=1e-5)
        assert opinion.fake_probability == sigmoid(opinion.logit)


def test_without_the_window_path_nothing_is_said_of_it_and_the_rest_stays() -> None:
    calibration = _calibration(0, 2, -1)
    frame_logits, maps = torch.arange(16.0).unsqueeze(0), torch.full((1, 1, 7, 7), 0.5)
    logits = calibration.without_windows(frame_logits)
    (opinion,) = opinions(logits, None, frame_logits, maps, calibration)
    evidence = opinion.evidence
    assert evidence is not None
    assert (evidence.when, evidence.window_logit) == (None, None)
    assert (opinion.logit, evidence.frame_logits, evidence.where[0][0]) == (14.0, tuple(range(16)), 0.5)
    assert evidence.counted == tuple(2 * frame - 1 for frame in range(16))
    assert evidence.sane


def test_where_single_faces_have_no_weight_all_count_the_same() -> None:
    for opinion in _opinions(_calibration(1, 0, 0)):
        assert opinion.evidence is not None
        assert set(opinion.evidence.counted) == {opinion.logit}


@pytest.mark.parametrize("broken", ["map", "when", "frames", "window", "score"])
def test_numbers_that_are_none_give_no_evidence_and_leave_the_other_windows_alone(broken: str) -> None:
    first, second = _opinions(_calibration(1, 1, 0), broken=broken)
    assert first.evidence is None
    assert math.isnan(first.logit) == (broken == "score")
    assert second.evidence is not None
    assert second.evidence.sane


def test_infinities_of_both_signs_give_no_evidence_either() -> None:
    frame_logits = torch.zeros(1, NUM_FRAMES)
    frame_logits[0, :2] = torch.tensor([math.inf, -math.inf])
    window = WindowOutput(torch.zeros(1), torch.full((1, NUM_FRAMES), 1 / NUM_FRAMES))
    (opinion,) = opinions(torch.zeros(1), window, frame_logits, torch.zeros(1, 1, 7, 7), _calibration(1, 1, 0))
    assert (opinion.logit, opinion.evidence) == (0.0, None)


def test_no_window_gives_no_opinion() -> None:
    assert _opinions(_calibration(1, 1, 0), count=0) == []


def test_with_a_curve_each_score_says_how_many_real_faces_score_lower() -> None:
    calibration, curve = _calibration(0, 1, 0), ScoreCurve((-2.0, 0.0, 2.0), windows=10, groups=2)
    frame_logits = torch.tensor([[-9.0], [1.0], [9.0]]).expand(3, 16)
    logits = calibration.without_windows(frame_logits)
    scores = opinions(logits, None, frame_logits, torch.zeros(3, 1, 7, 7), calibration, curve)
    assert [score.evidence and score.evidence.calibration_percentile for score in scores] == [0.0, 0.75, 1.0]
