from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from analyzer.errors import ConfigError
from analyzer.model.network import DeepfakeNet
from analyzer.training.data.dataset import Track
from analyzer.training.data.manifest import Row
from analyzer.training.fit.calibrate import Rule
from analyzer.training.fit.measure import Bench, Logits
from analyzer.training.fit.stage_c import QUIET_CLIPS, QUIET_EACH, QUIET_WINDOWS, StageC, card_figures
from analyzer.training.sampling.samples import PlainWindows, PseudoWindows

CPU = Bench(torch.device("cpu"), 0, 7, each=2, most=50)
Found = list[tuple[Row, Track]]


def track(faces: int) -> Track:
    return Track((b"",) * faces, np.zeros((faces, 5, 2), np.float32), np.arange(faces) / 25, 300)


def clips(kinds: Sequence[bool], faces: int = 20) -> Found:
    return [(Row(f"{i}", Path(f"{i}"), fake, "m", "", "f", f"g{i}"), track(faces)) for i, fake in enumerate(kinds)]


def judge(_: DeepfakeNet, samples: PlainWindows | PseudoWindows, bench: Bench) -> Logits:
    """Fakes two above reals, both paths alike, with a little chance."""
    if isinstance(samples, PseudoWindows):
        origin = np.repeat(np.arange(len(samples)), 2)
        fake = np.tile([False, True], len(samples))
    else:
        origin = np.repeat(np.arange(len(samples.found)), samples.each)
        fake = np.array([samples.found[i][0].fake for i in origin.tolist()])
    noise = np.random.default_rng(bench.seed).normal(size=(2, len(fake)))
    return Logits(2 * fake + noise[0], 2 * fake + noise[1], fake, origin)


@pytest.fixture(scope="module")
def net() -> DeepfakeNet:
    return DeepfakeNet()


def test_the_operating_point_keeps_the_rule_and_the_card_says_on_what_it_rests(net: DeepfakeNet) -> None:
    rule = Rule(0.01, 0.05)
    calibrated = StageC(CPU, rule, judge=judge).calibrate(net, clips([False] * 30 + [True] * 5))
    assert calibrated.values.a > 0
    assert calibrated.values.c < 0
    assert calibrated.windows.share <= 0.01
    assert calibrated.clips.share <= 0.05
    assert (calibrated.windows.count, calibrated.clips.count, calibrated.clips.groups) == (30 * QUIET_EACH, 30, 30)
    windows = card_figures(calibrated, rule)["calibration.real_windows_flagged"]
    assert windows.n == 30 * QUIET_EACH
    assert windows.interval is not None
    assert windows.interval[0] == 0.0
    assert 0.05 < windows.interval[1] < 0.2, "thirty groups cannot promise 1 %"
    assert windows.note is not None
    assert "on 30 groups" in windows.note
    assert "at most 0.01" in windows.note


def test_a_window_path_that_was_never_trained_gets_no_weight(net: DeepfakeNet) -> None:
    stage = StageC(CPU, window_counts=False, judge=judge)
    assert abs(stage.calibrate(net, clips([False] * 9 + [True] * 3)).values.a) < 1e-3


def test_pictures_help_to_set_the_point_only_where_clips_are_few(net: DeepfakeNet) -> None:
    pictures = [(replace(row, file=f"p{row.file}", group=f"p{row.group}"), one) for row, one in clips([False] * 4, 1)]
    stage = StageC(CPU, judge=judge)
    helped = stage.calibrate(net, clips([False] * 7) + pictures)
    assert (helped.clips.count, helped.pictures) == (11, 4)
    note = card_figures(helped, Rule())["calibration.real_windows_flagged"].note
    assert "4 of the clips are pictures" in str(note)
    alone = stage.calibrate(net, clips([False] * 8) + pictures)
    assert (alone.clips.count, alone.pictures) == (8, 0)


def test_hundreds_of_clips_are_calibrated_on_with_fewer_windows_of_each(net: DeepfakeNet) -> None:
    found = StageC(CPU, judge=judge).calibrate(net, clips([False] * 400 + [True]))
    assert found.clips.count == QUIET_CLIPS
    assert found.windows.count <= QUIET_WINDOWS


def test_fakes_alone_cannot_calibrate(net: DeepfakeNet) -> None:
    with pytest.raises(ConfigError, match="real and fake windows"):
        StageC(CPU, judge=judge).calibrate(net, clips([True] * 3))


def test_a_real_network_is_calibrated_on_windows_as_they_are_viewed(net: DeepfakeNet, found: Found) -> None:
    calibrated = StageC(replace(CPU, each=1, most=1), Rule(0.5, 0.5)).calibrate(net, [found[0], found[-1]])
    assert calibrated.windows.count == QUIET_EACH
    assert np.isfinite([calibrated.values.a, calibrated.values.b, calibrated.values.c]).all()
