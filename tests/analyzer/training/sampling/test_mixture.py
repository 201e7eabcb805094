from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from analyzer.datatypes import Pixels
from analyzer.errors import ConfigError
from analyzer.training.pseudofakes.synthesis import FAMILIES, OF_PICTURES, PAINTED, STILL_FAMILIES
from analyzer.training.sampling.mixture import Mixture, pick_family, pick_painter


def same(pictures: Sequence[Pixels]) -> list[Pixels]:
    return list(pictures)


def drawn(*, still: bool, painted: bool) -> Counter[str]:
    rng = np.random.default_rng(0)
    return Counter(pick_family(rng, Mixture().families, still=still, painted=painted) for _ in range(600))


def test_pictures_get_families_that_show_in_one_and_only_painters_paint_whole_ones() -> None:
    assert set(drawn(still=True, painted=False)) == set(STILL_FAMILIES)
    assert set(drawn(still=True, painted=True)) == set(OF_PICTURES)
    assert set(drawn(still=False, painted=False)) == set(FAMILIES)
    assert set(drawn(still=False, painted=True)) == {*FAMILIES, PAINTED}


def test_families_come_as_often_as_their_shares_say() -> None:
    counts = drawn(still=False, painted=True)
    assert counts["F1"] / 600 == pytest.approx(0.3 / 1.14, abs=0.06)
    assert counts[PAINTED] / 600 == pytest.approx(0.14 / 1.14, abs=0.05)


def test_whole_pictures_always_have_a_painter_and_faces_as_often_as_the_share_says() -> None:
    rng = np.random.default_rng(0)
    mixture = Mixture(decoded=0.6)
    assert all(pick_painter(rng, [same], PAINTED, mixture) for _ in range(20))
    faces = sum(pick_painter(rng, [same], "F5", mixture) is not None for _ in range(400))
    assert faces / 400 == pytest.approx(0.6, abs=0.08)
    assert pick_painter(rng, [], "F5", mixture) is None


def test_nothing_suitable_left_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no pseudo-fake family that suits a picture"):
        pick_family(np.random.default_rng(0), {"F4": 1.0, PAINTED: 1.0}, still=True, painted=False)
    with pytest.raises(ConfigError, match=r"unknown family F9: expected F1, .*, painted"):
        Mixture().without(["F9"])
    assert PAINTED not in Mixture().without([PAINTED]).families
