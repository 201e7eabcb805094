from __future__ import annotations

import torch

from analyzer.model.attention import ChannelAttention, SpatialAttention


def test_channel_attention_weighs_each_channel_by_one_number_between_0_and_1() -> None:
    torch.manual_seed(1)
    x = torch.rand(2, 16, 7, 7) + 0.5
    ratio = ChannelAttention(16)(x) / x
    assert torch.allclose(ratio, ratio[:, :, :1, :1].expand_as(ratio))
    assert (ratio > 0).all()
    assert (ratio < 1).all()


def test_spatial_attention_keeps_every_feature_and_at_most_doubles_it() -> None:
    torch.manual_seed(1)
    x = torch.rand(2, 16, 7, 7) + 0.5
    weighed, logits = SpatialAttention()(x)
    assert logits.shape == (2, 1, 7, 7)
    assert torch.allclose(weighed, x * (1 + torch.sigmoid(logits)))


def test_spatial_attention_looks_at_where_something_stands_out() -> None:
    attention = SpatialAttention()
    with torch.no_grad():
        attention.conv.weight.zero_()
        attention.conv.weight[0, 1, 1, 1] = 1.0  # the maximum over channels, at the place itself
    x = torch.zeros(1, 4, 7, 7)
    x[0, 2, 3, 5] = 9.0
    _, logits = attention(x)
    assert logits.flatten().argmax() == 3 * 7 + 5
