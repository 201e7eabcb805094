from __future__ import annotations

import numpy as np
import pytest

from analyzer.training.sampling.window_sampling import ELAPSED_S, NEAR, Times, choose_alike, choose_window


@pytest.mark.parametrize(
    "at_s",
    [np.arange(60) / 25, np.arange(16) / 25, np.cumsum([0.04] * 24 + [0.16] * 36), np.arange(30) / 2.0],
    ids=["steady", "just 16", "dense then sparse", "2 per second"],
)
def test_chosen_windows_hold_16_rising_faces_of_the_track(at_s: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
    spacings = []
    for seed in range(40):
        indices, elapsed = choose_window(np.random.default_rng(seed), at_s)
        assert len(indices) == len(set(indices)) == 16
        assert indices == sorted(indices)
        assert indices[0] >= 0
        assert indices[-1] < len(at_s)
        np.testing.assert_allclose(elapsed[1:], np.diff(at_s[indices]), rtol=1e-5)
        spacings.append(float(elapsed[1:].mean()))
    assert min(spacings) >= 0.03
    assert max(spacings) <= ELAPSED_S[1] * 1.5


def kept(per_s: float, count: int) -> Times:
    """As a clip's faces are kept: 24 at its own rate, then about six a second."""
    steps = [1 / per_s] * 23 + [max(1 / per_s, 0.16)] * 40
    return np.cumsum([0.0, *steps])[:count]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (kept(25, 60), kept(25, 60)),
        (kept(30, 60), kept(25, 60)),
        (kept(25, 60), kept(5, 60)),
        (kept(25, 16), kept(25, 16)),
        (kept(25, 20), kept(30, 60)),
        (kept(5, 16), kept(30, 60)),
    ],
    ids=["one rate", "30 and 25", "25 and 5", "just 16", "short and long", "slow, just 16"],
)
def test_two_tracks_show_the_faces_nearest_to_one_plan_of_times(first: Times, second: Times) -> None:
    for seed in range(40):
        chosen = choose_alike(np.random.default_rng(seed), first, second)
        assert chosen is not None
        *both, elapsed = chosen
        assert elapsed.shape == (16,)
        assert elapsed[0] == 0
        assert (elapsed[1:] > 0).all()
        for at_s, indices in zip((first, second), both, strict=True):
            assert len(set(indices)) == 16
            assert indices == sorted(indices)
            own = at_s[indices] - at_s[indices[0]]
            assert np.abs(own - np.cumsum(elapsed)).max() <= NEAR * elapsed[1:].mean() + 1e-6


def test_a_plan_is_no_finer_than_the_slower_track_and_no_coarser_than_windows_are() -> None:
    spacings = []
    for seed in range(60):
        chosen = choose_alike(np.random.default_rng(seed), kept(25, 60), kept(5, 60))
        assert chosen is not None
        spacings.append(float(chosen[2][1:].mean()))
    assert min(spacings) > 0.19
    assert 0.35 < max(spacings) <= ELAPSED_S[1]


def test_where_no_plan_suits_both_there_is_none() -> None:
    assert choose_alike(np.random.default_rng(0), kept(30, 16), kept(2, 60)) is None
