from __future__ import annotations

import itertools
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from analyzer.errors import ConfigError
from analyzer.model.network import DeepfakeNet
from analyzer.training.fit import loop
from analyzer.training.fit.loop import Average, Budget, Loop, Place, cosine
from analyzer.training.reporting.progress import StageProgress


@pytest.fixture(scope="module")
def net() -> DeepfakeNet:
    torch.manual_seed(0)
    return DeepfakeNet()


def weight_of(net: DeepfakeNet) -> Tensor:
    return net.get_parameter("window_path.head.1.weight")


def make_loop(net: DeepfakeNet, steps: int, lines: list[Mapping[str, object]], saves: list[int]) -> Loop:
    group = {"params": list(net.window_path.head.parameters()), "lr": 1.0, "base": 0.1}
    optimizer, place = torch.optim.SGD([group]), Place()
    return Loop(
        net, net.window_path, optimizer, Average(net), Budget(1.0, steps), place, 0, lines.append,
        lambda _: saves.append(place.step),
    )  # fmt: skip


def head_loss(net: DeepfakeNet, factor: float) -> tuple[Tensor, dict[str, Tensor]]:
    loss = sum((value.square().sum() for value in net.window_path.head.parameters()), torch.zeros(())) * factor
    return loss, {"loss": loss}


def test_a_loop_takes_its_steps_logs_saves_and_calls_what_runs_beside(
    net: DeepfakeNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_S", -1.0)
    lines: list[Mapping[str, object]] = []
    saves: list[int] = []
    beside: list[int] = []
    made = make_loop(net, 3, lines, saves)
    made.beside = lambda: beside.append(made.place.step)
    before = weight_of(made.average.net).clone()
    made.run(itertools.repeat(1.0), lambda batch, _: head_loss(net, batch), StageProgress("A", quiet=True))
    assert (made.place.step, saves, beside) == (3, [1, 2, 3], [1, 2, 3])
    assert [line["step"] for line in lines] == [0]
    assert not torch.equal(before, weight_of(made.average.net))


def test_a_loop_ends_with_its_batches_or_at_the_most_steps(net: DeepfakeNet) -> None:
    few = make_loop(net, 9, [], [])
    few.run(iter([1.0, 1.0]), lambda batch, _: head_loss(net, batch), StageProgress("A", quiet=True))
    assert few.place.step == 2
    most = make_loop(net, 9, [], [])
    most.run(itertools.repeat(1.0), lambda batch, _: head_loss(net, batch), StageProgress("A", quiet=True), most=4)
    assert most.place.step == 4


def test_a_loss_that_is_no_number_ends_the_run_and_says_what_to_do(net: DeepfakeNet) -> None:
    made = make_loop(net, 3, [], [])
    with pytest.raises(ConfigError, match="stage A, step 1: the gradient is no number"):
        made.run(iter([1.0, float("nan")]), lambda batch, _: head_loss(net, batch), StageProgress("A", quiet=True))
    assert bool(weight_of(net).isfinite().all())


def test_a_budget_in_steps_does_not_look_at_the_clock() -> None:
    budget = Budget(0.0, steps=4, spent_s=1e9)
    budget.start()
    assert [budget.share(step) for step in (0, 2, 4, 9)] == [0.0, 0.5, 1.0, 1.0]
    seconds = Budget(10.0, spent_s=20.0)
    seconds.start()
    assert seconds.share(0) == 1.0


def test_the_rate_rises_then_falls_and_never_ends_at_zero() -> None:
    rates = [cosine(share) for share in (0.0, 0.01, 0.02, 0.5, 1.0)]
    assert rates[0] < rates[1] < rates[2] == 1.0 > rates[3] > rates[4] > 0


def test_an_average_leaves_what_rests_and_takes_buffers_over(net: DeepfakeNet) -> None:
    average = Average(net)
    changed = weight_of(average.net)
    kept = changed.clone()
    net.window_path.head.requires_grad_(False)
    with torch.no_grad():
        weight_of(net).add_(1.0)
        net.calibration.c.fill_(3.0)
    average.update(net, 100)
    net.window_path.head.requires_grad_(True)
    assert torch.equal(changed, kept)
    assert float(average.net.calibration.c) == 3.0
