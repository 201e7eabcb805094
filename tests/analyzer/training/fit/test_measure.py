from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from analyzer.model.network import DeepfakeNet
from analyzer.training.data.dataset import Track
from analyzer.training.data.manifest import Row
from analyzer.training.fit.measure import Bench, Glance, reliability

CPU = Bench(torch.device("cpu"), 0, 7)


def test_a_glance_is_the_same_twice_and_changes_nothing(found: list[tuple[Row, Track]]) -> None:
    torch.manual_seed(0)
    net = DeepfakeNet().eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    figures = Glance(found, CPU).measure(net)
    assert set(figures) == {"auc.frames", "pseudo.F1.frames", "pseudo.F4.frames", "pseudo.F5.frames"}
    assert all(0 <= value <= 1 for value in figures.values())
    assert Glance(found, CPU).measure(net) == figures
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_a_glance_measures_pictures_beside_clips_and_each_family_of_several(found: list[tuple[Row, Track]]) -> None:
    fakes = iter(("face swap", "lip-sync"))
    named = [(replace(row, family=next(fakes) if row.fake else "real"), track) for row, track in found]
    stills = [
        (row, replace(track, jpegs=track.jpegs[:1], landmarks=track.landmarks[:1], at_s=track.at_s[:1]))
        for row, track in found
    ]
    figures = Glance([*named, *stills], CPU).measure(DeepfakeNet().eval())
    assert {"auc.frames", "auc.frames.face swap", "auc.frames.lip-sync", "auc.pictures"} <= set(figures)
    assert "auc.pictures.F5" not in figures  # the only family there


def test_a_glance_at_fakes_alone_or_at_nothing_has_no_figures(found: list[tuple[Row, Track]]) -> None:
    net = DeepfakeNet().eval()
    assert Glance([], CPU).measure(net) == {}
    assert Glance([(row, track) for row, track in found if row.fake], CPU).measure(net) == {}


def test_reliability_bins_say_what_was_given_what_was_true_and_how_often() -> None:
    logits = np.array([-50.0, -50.0, 0.0, 0.0, 1000.0])
    fake = np.array([False, False, True, False, True])
    assert reliability(logits, fake) == ((0.0, 0.0, 2), (0.5, 0.5, 2), (1.0, 1.0, 1))
