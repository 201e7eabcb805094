from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analyzer.errors import ConfigError
from analyzer.training.data.dataset import Track
from analyzer.training.data.manifest import Row
from analyzer.training.sampling.material import Material, TrackPools, is_clip

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


def test_a_fake_is_set_against_the_real_it_was_made_from_as_often_as_asked(found: Found) -> None:
    (row, own), (other_row, other), *_ = [one for one in found if not one[0].fake]
    fake_row, fake = next(one for one in found if one[0].fake)
    made_of = replace(fake_row, paired_real=row.path.name, source="s")
    material = Material([(replace(row, source="s"), own), (replace(other_row, source="s"), other), (made_of, fake)])
    rng = np.random.default_rng(0)
    assert all(material.pick_fake(rng, clips=True, paired=1.0) == (fake, own) for _ in range(20))
    drawn = [material.pick_fake(rng, clips=False, paired=0.7) for _ in range(400)]
    share = sum(pair is not None and pair[1] is own for pair in drawn) / 400
    assert share == pytest.approx(0.7 + 0.3 / 2, abs=0.06)


def test_a_fake_clip_is_not_set_against_the_picture_it_was_made_from(found: Found) -> None:
    (row, track), (clip_row, clip), *_ = [one for one in found if not one[0].fake]
    fake_row, fake = next(one for one in found if one[0].fake)
    picture = replace(track, jpegs=track.jpegs[:1], landmarks=track.landmarks[:1], at_s=track.at_s[:1])
    material = Material([(row, picture), (clip_row, clip), (replace(fake_row, paired_real=row.file), fake)])
    for seed in range(20):
        assert material.pick_fake(np.random.default_rng(seed), clips=False, paired=1.0) == (fake, clip)


def test_a_method_is_drawn_by_the_square_root_of_its_groups_and_a_group_evenly(found: Found) -> None:
    row, track = found[0]
    many = [("many", (replace(row, file=f"m{i}", group=f"m{i}"), track)) for i in range(100)]
    one_group = [("few", (replace(row, file=f"f{i}", group="f"), track)) for i in range(50)]
    pools, rng = TrackPools([*many, *one_group]), np.random.default_rng(0)
    drawn = [pools.pick(rng)[0].file for _ in range(2200)]
    assert sum(file[0] == "m" for file in drawn) / 2200 == pytest.approx(10 / 11, abs=0.03)
    assert len(set(drawn)) > 140
    assert not TrackPools([])


def test_sources_of_real_faces_are_drawn_by_the_square_root_of_their_groups(found: Found) -> None:
    (row, track), (_, other), *_ = [one for one in found if not one[0].fake]
    many = [(replace(row, file=f"m{i}", group=f"m{i}", source="many"), track) for i in range(64)]
    material = Material([*many, (replace(row, file="x", group="x", source="one"), other)])
    rng = np.random.default_rng(0)
    rare = sum(material.pick_real(rng, 0.0) is other for _ in range(1800)) / 1800
    assert rare == pytest.approx(1 / 9, abs=0.03)


def test_without_fakes_none_is_picked_and_without_reals_nothing_can_be_trained(found: Found) -> None:
    assert Material([one for one in found if not one[0].fake]).pick_fake(np.random.default_rng(0), clips=False) is None
    with pytest.raises(ConfigError, match="real"):
        Material([one for one in found if one[0].fake])


def test_a_moving_fake_is_never_set_against_a_picture_in_windows(found: Found) -> None:
    def still(track: Track) -> Track:
        return replace(track, jpegs=track.jpegs[:1], landmarks=track.landmarks[:1], at_s=track.at_s[:1])

    material = Material([(row, track if row.fake else still(track)) for row, track in found])
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
