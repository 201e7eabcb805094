from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analyzer.errors import ConfigError
from analyzer.training.dataset import Track
from analyzer.training.manifest import Row
from analyzer.training.material import Material, is_clip

Found = list[tuple[Row, Track]]


def named(found: Found, sources: list[str]) -> Found:
    return [(replace(row, source=source), track) for (row, track), source in zip(found, sources, strict=True)]


def test_a_fake_is_set_against_a_real_of_its_own_source(found: Found) -> None:
    reals = [one for one in found if not one[0].fake]
    fake = next(one for one in found if one[0].fake)
    other = replace(reals[0][1], at_s=reals[0][1].at_s + 100)
    material = Material(named([fake, reals[0], (reals[0][0], other)], ["here", "here", "elsewhere"]))
    for seed in range(20):
        picked = material.pick_fake(np.random.default_rng(seed), clips=False)
        assert picked is not None
        assert picked[1] is reals[0][1]


def test_a_fake_whose_source_has_no_real_gets_one_of_another(found: Found) -> None:
    material = Material(named(found, [str(i) for i in range(len(found))]))
    picked = material.pick_fake(np.random.default_rng(0), clips=True)
    assert picked is not None
    assert is_clip(picked[0])
    assert is_clip(picked[1])


def test_without_fakes_none_is_picked_and_without_reals_nothing_can_be_trained(found: Found) -> None:
    assert Material([one for one in found if not one[0].fake]).pick_fake(np.random.default_rng(0), clips=False) is None
    with pytest.raises(ConfigError, match="real"):
        Material([one for one in found if one[0].fake])


def test_a_moving_fake_is_never_set_against_a_picture_in_windows(found: Found) -> None:
    def still(track: Track) -> Track:
        return replace(track, jpegs=track.jpegs[:1], landmarks=track.landmarks[:1], at_s=track.at_s[:1])

    material = Material([(row, track if row.fake else still(track)) for row, track in found])
    assert material.fake_clips
    assert material.pick_fake(np.random.default_rng(0), clips=True) is None
    assert material.pick_fake(np.random.default_rng(0), clips=False) is not None


def test_a_donor_is_somebody_else_and_has_a_frame_for_each_frame(found: Found) -> None:
    reals = [one for one in found if not one[0].fake]
    row, track = reals[0]
    stretched = replace(track, landmarks=track.landmarks * np.array([1.0, 1.05], np.float32))
    material = Material([(row, track), (row, stretched)])
    for seed in range(10):
        donor = material.pick_donor(np.random.default_rng(seed), track.marks([0, 1]))
        assert donor is not None
        assert len(donor.frames) == len(donor.landmarks) == 2
        assert (donor.landmarks[0] != track.landmarks[0]).any()


def test_where_there_is_nobody_else_there_is_no_donor(found: Found) -> None:
    row, track = next(one for one in found if not one[0].fake)
    alone = replace(track, landmarks=np.repeat(track.landmarks[:1], len(track.jpegs), axis=0))
    assert Material([(row, alone)]).pick_donor(np.random.default_rng(0), alone.marks([0, 1])) is None
