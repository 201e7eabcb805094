from __future__ import annotations

import numpy as np
import torch

from analyzer.model.network import DeepfakeNet
from analyzer.training.dataset import Track
from analyzer.training.manifest import Row
from analyzer.training.measure import Bench, glance, reliability

CPU = Bench(torch.device("cpu"), 0, 7)


def test_a_glance_is_the_same_twice_and_changes_nothing(found: list[tuple[Row, Track]]) -> None:
    torch.manual_seed(0)
    net = DeepfakeNet().eval()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    figures = glance(net, found, CPU)
    assert set(figures) == {"auc.frames", "pseudo.F1.frames", "pseudo.F4.frames", "pseudo.F5.frames"}
    assert all(0 <= value <= 1 for value in figures.values())
    assert glance(net, found, CPU) == figures
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_a_glance_at_fakes_alone_or_at_nothing_has_no_figures(found: list[tuple[Row, Track]]) -> None:
    net = DeepfakeNet().eval()
    assert glance(net, [], CPU) == {}
    assert glance(net, [(row, track) for row, track in found if row.fake], CPU) == {}


def test_reliability_bins_say_what_was_given_what_was_true_and_how_often() -> None:
    logits = np.array([-50.0, -50.0, 0.0, 0.0, 1000.0])
    fake = np.array([False, False, True, False, True])
    assert reliability(logits, fake) == ((0.0, 0.0, 2), (0.5, 0.5, 2), (1.0, 1.0, 1))
