from __future__ import annotations

import torch

from analyzer.model.temporal import ELAPSED_MAX_S, AttentionPool, TemporalAttention, TemporalBlock, TimeCode


def test_a_block_sees_only_the_neighbouring_faces() -> None:
    torch.manual_seed(1)
    block = TemporalBlock(8, 4).eval()
    x = torch.randn(1, 8, 16, 7, 7)
    changed = x.clone()
    changed[:, :, 8] += 1.0
    with torch.no_grad():
        differs = (block(x) - block(changed)).abs().amax(dim=(0, 1, 3, 4)) > 1e-6
    assert differs.nonzero().flatten().tolist() == [7, 8, 9]


def test_the_skip_of_a_block_carries_the_first_channels() -> None:
    block = TemporalBlock(8, 4).eval()
    with torch.no_grad():
        block.over_space.weight.zero_()
    x = torch.randn(2, 8, 16, 7, 7)
    assert torch.allclose(block(x), x[:, :4])


def test_the_time_code_tells_places_and_pauses_apart() -> None:
    torch.manual_seed(1)
    code = TimeCode(32)
    steady = code(torch.full((1, 16), 0.1))[0]
    assert steady.shape == (16, 32)
    assert not torch.allclose(steady[3], steady[4])
    slower = torch.full((1, 16), 0.1)
    slower[0, 3] = 0.3
    assert not torch.allclose(code(slower)[0, 3], steady[3])


def test_elapsed_times_are_clamped_to_their_stated_range() -> None:
    code = TimeCode(32)
    assert torch.equal(code(torch.full((1, 16), 60.0)), code(torch.full((1, 16), ELAPSED_MAX_S)))
    assert torch.equal(code(torch.full((1, 16), -5.0)), code(torch.zeros(1, 16)))


def test_temporal_attention_lets_the_first_face_see_the_last() -> None:
    torch.manual_seed(1)
    layer = TemporalAttention(32).eval()
    tokens = torch.randn(1, 16, 32)
    changed = tokens.clone()
    changed[0, 15] = torch.randn(32)
    with torch.no_grad():
        assert not torch.allclose(layer(tokens)[0, 0], layer(changed)[0, 0])


def test_the_pool_weighs_faces_by_shares_that_sum_to_one() -> None:
    torch.manual_seed(1)
    pooled, weight = AttentionPool(32)(torch.randn(3, 16, 32))
    assert pooled.shape == (3, 64)
    assert torch.allclose(weight.sum(dim=1), torch.ones(3))
