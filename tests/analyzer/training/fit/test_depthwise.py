from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from analyzer.training.fit.depthwise import QuickDepthwise, quicken


def gradients(conv: nn.Conv2d, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Output, and the gradients of input and weights of a loss that weighs every output differently."""
    x = x.clone().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = conv(x)
    weights = torch.linspace(-1, 1, out.numel()).reshape(out.shape)
    (out.float() * weights).sum().backward()
    assert x.grad is not None
    assert conv.weight.grad is not None
    return out.detach(), x.grad, conv.weight.grad


@pytest.mark.parametrize("side", [7, 14, 15])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [3, 5])
def test_output_and_gradients_are_those_of_the_plain_convolution(kernel: int, stride: int, side: int) -> None:
    torch.manual_seed(0)
    plain = nn.Conv2d(8, 8, kernel, stride=stride, padding=kernel // 2, groups=8, bias=False)
    quick = copy.deepcopy(plain)
    quicken(quick)
    assert type(quick) is QuickDepthwise
    x = torch.randn(4, 8, side, side)
    for expected, got in zip(gradients(plain, x), gradients(quick, x), strict=True):
        assert got.dtype == expected.dtype
        scale = float(expected.abs().max())
        torch.testing.assert_close(got, expected, atol=0.02 * scale, rtol=0)


def test_in_float32_nothing_changes() -> None:
    plain = nn.Conv2d(4, 4, 5, padding=2, groups=4, bias=False)
    quick = copy.deepcopy(plain)
    quicken(quick)
    x = torch.randn(2, 4, 9, 9)
    assert torch.equal(plain(x), quick(x))
    assert list(quick.state_dict()) == list(plain.state_dict())


def test_weights_that_need_no_gradient_get_none() -> None:
    quick = nn.Conv2d(4, 4, 5, padding=2, groups=4, bias=False)
    quicken(quick)
    quick.weight.requires_grad_(False)
    x = torch.randn(2, 4, 9, 9, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        quick(x).float().sum().backward()
    assert x.grad is not None
    assert quick.weight.grad is None


def test_only_depthwise_convolutions_that_learn_become_quick() -> None:
    good: dict[str, Any] = {"kernel_size": 3, "padding": 1, "groups": 4, "bias": False}
    others = [
        nn.Conv2d(4, 4, **good | changed)
        for changed in (
            {"groups": 1}, {"bias": True}, {"kernel_size": 7, "padding": 3}, {"padding": 0}, {"dilation": 2},
            {"padding_mode": "reflect"}, {"stride": (1, 2)},
        )
    ]  # fmt: skip
    resting = nn.Conv2d(4, 4, **good)
    resting.weight.requires_grad_(False)
    net = nn.Sequential(*others, nn.Conv2d(4, 8, **good), resting, nn.Conv2d(4, 4, **good))
    quicken(net)
    assert [type(module) is QuickDepthwise for module in net] == [False] * (len(others) + 2) + [True]
