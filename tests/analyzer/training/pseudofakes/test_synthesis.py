from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from analyzer.datatypes import Pixels
from analyzer.errors import ConfigError
from analyzer.faces.geometry import Landmarks
from analyzer.training.pseudofakes.synthesis import FAMILIES, IN_PLACE, Donor, make_pair, make_pseudo_fake

SEEDS = range(6)


def shaking(face: Pixels, count: int = 10) -> list[Pixels]:
    """A clip whose frames differ, or averaging over time would leave no trace."""
    return [np.roll(face, i % 3, axis=0) for i in range(count)]


@pytest.mark.parametrize("family", FAMILIES)
def test_partners_have_the_shape_of_the_clip_and_differ_on_the_face(
    family: str, face: Pixels, landmarks: Landmarks
) -> None:
    frames = shaking(face)
    pair = make_pair(frames, [landmarks] * len(frames), seed=1, family=family)
    assert [f.shape for f in pair.real] == [f.shape for f in pair.fake] == [face.shape] * len(frames)
    assert all(f.dtype == np.uint8 for f in (*pair.real, *pair.fake))
    assert any((real != fake).any() for real, fake in zip(pair.real, pair.fake, strict=True))
    assert pair.family == family


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("seed", SEEDS)
def test_outside_of_the_mask_both_partners_are_the_same(
    family: str, seed: int, face: Pixels, landmarks: Landmarks
) -> None:
    frames = shaking(face, 4)
    pair = make_pair(frames, [landmarks] * 4, seed, family)
    for real, fake, mask in zip(pair.real, pair.fake, pair.masks, strict=True):
        assert mask.min() >= 0
        assert mask.max() <= 1
        np.testing.assert_array_equal(real[mask == 0], fake[mask == 0])


def test_the_same_seed_gives_the_same_clip_and_another_seed_another(face: Pixels, landmarks: Landmarks) -> None:
    first, again, other = (make_pair([face] * 2, [landmarks] * 2, seed, "F1") for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.fake, again.fake)
    np.testing.assert_array_equal(first.real, again.real)
    assert (np.array(first.fake) != np.array(other.fake)).any()


def test_the_real_partner_is_the_transformed_target(face: Pixels, landmarks: Landmarks) -> None:
    changed = make_pair([face], [landmarks], 3, "F1", transform_target=True)
    assert (changed.real[0] != face).any()
    untouched = make_pair([face], [landmarks], 3, "F1", transform_target=False)
    np.testing.assert_array_equal(untouched.real[0], face)


@pytest.mark.parametrize("family", ["F5", "F6"])
def test_what_is_painted_is_the_pasted_face_also_where_the_target_is_transformed(
    family: str, face: Pixels, landmarks: Landmarks
) -> None:
    seen: list[Pixels] = []

    def inverted(pictures: Sequence[Pixels]) -> list[Pixels]:
        seen.extend(pictures)
        return [255 - picture for picture in pictures]

    changed, plain = (
        make_pair([face], [landmarks], 4, family, transform_target=target, painter=inverted) for target in (True, False)
    )
    assert (changed.real[0] != face).any()
    np.testing.assert_array_equal(plain.real[0], face)
    np.testing.assert_array_equal(seen[0], seen[1])  # the face as it was, whatever became of the target
    np.testing.assert_array_equal(changed.masks, plain.masks)
    inside, outside = changed.masks[0] > 0.7, changed.masks[0] == 0
    assert np.abs(changed.fake[0].astype(int) - changed.real[0])[inside].mean() > 20
    np.testing.assert_array_equal(changed.real[0][outside], changed.fake[0][outside])


def test_target_and_source_are_transformed_about_equally_often(face: Pixels, landmarks: Landmarks) -> None:
    changed = [bool((make_pair([face], [landmarks], seed, "F1").real[0] != face).any()) for seed in range(60)]
    assert 15 < sum(changed) < 45


def test_a_grey_picture_stays_grey(face: Pixels, landmarks: Landmarks) -> None:
    grey = np.repeat(face.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
    for seed in SEEDS:
        pair = make_pair([grey], [landmarks], seed, "F1")
        for picture in (*pair.real, *pair.fake):
            assert np.ptp(picture.astype(int), axis=2).max() <= 1


def test_a_pseudo_fake_changes_the_face_and_leaves_the_corners(face: Pixels, landmarks: Landmarks) -> None:
    before = face.copy()
    fake = make_pseudo_fake([face], [landmarks], seed=2, family="F5")[0]
    np.testing.assert_array_equal(face, before)  # the given frame is not touched
    np.testing.assert_array_equal(fake[:10, :10], face[:10, :10])
    x, y = landmarks.mean(axis=0).astype(int)
    assert (fake[y - 20 : y + 20, x - 20 : x + 20] != face[y - 20 : y + 20, x - 20 : x + 20]).any()


def test_a_face_outside_of_the_picture_is_left_alone(face: Pixels, landmarks: Landmarks) -> None:
    fake = make_pseudo_fake([face], [landmarks + 5000], seed=2)[0]
    np.testing.assert_array_equal(fake, face)


@pytest.mark.parametrize("shape", [(1, 1, 3), (8, 400, 3)], ids=["1x1", "a strip"])
def test_odd_pictures_do_not_fail(shape: tuple[int, int, int], landmarks: Landmarks) -> None:
    picture = np.full(shape, 128, np.uint8)
    for family in FAMILIES:
        assert make_pseudo_fake([picture], [landmarks], 0, family)[0].shape == shape


def test_landmarks_that_fall_on_one_point_do_not_fail(face: Pixels) -> None:
    assert make_pseudo_fake([face], [np.full((5, 2), 100, np.float32)], 0)[0].shape == face.shape


def test_an_unknown_family_is_refused_by_name(face: Pixels, landmarks: Landmarks) -> None:
    with pytest.raises(ConfigError, match="unknown pseudo-fake family 'F9'"):
        make_pair([face], [landmarks], 0, "F9")


@pytest.mark.parametrize(("frames", "marks"), [(2, 1), (0, 0)])
def test_unequal_lengths_and_empty_clips_are_refused(
    frames: int, marks: int, face: Pixels, landmarks: Landmarks
) -> None:
    with pytest.raises(ConfigError, match="as many landmarks as frames"):
        make_pair([face] * frames, [landmarks] * marks, 0)


def test_a_partial_fake_says_which_frames_it_changed(face: Pixels, landmarks: Landmarks) -> None:
    for seed in range(12):
        pair = make_pair([face] * 16, [landmarks] * 16, seed, "F7")
        changed = [bool((real != fake).any()) for real, fake in zip(pair.real, pair.fake, strict=True)]
        assert 4 <= sum(changed) <= 12
        assert all(said or not seen for said, seen in zip(pair.frame_fake, changed, strict=True))
        assert all(mask.any() == said for mask, said in zip(pair.masks, pair.frame_fake, strict=True))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_donor_is_pasted_where_the_face_is(family: str, face: Pixels, landmarks: Landmarks) -> None:
    turned = np.ascontiguousarray(face[:, ::-1])
    marks = landmarks.copy()
    marks[:, 0] = face.shape[1] - 1 - marks[:, 0]
    donor = Donor([turned] * 16, [marks[[1, 0, 2, 4, 3]]] * 16)
    differ = []
    for seed in range(3, 8):
        own = make_pair([face] * 16, [landmarks] * 16, seed, family)
        other = make_pair([face] * 16, [landmarks] * 16, seed, family, donor=donor)
        differ.append(bool((np.array(own.fake) != np.array(other.fake)).any()))
        for real, fake, mask in zip(other.real, other.fake, other.masks, strict=True):
            np.testing.assert_array_equal(real[mask == 0], fake[mask == 0])
    assert any(differ) == (family not in IN_PLACE)


def test_a_grey_clip_gets_no_coloured_donor(face: Pixels, landmarks: Landmarks) -> None:
    grey = np.repeat(face.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    own, other = (make_pair([grey], [landmarks], 3, "F1", donor=donor) for donor in (None, Donor([face], [landmarks])))
    np.testing.assert_array_equal(own.fake, other.fake)


def test_a_donor_of_another_length_is_an_error(face: Pixels, landmarks: Landmarks) -> None:
    with pytest.raises(ConfigError, match="donor"):
        make_pair([face] * 2, [landmarks] * 2, 0, donor=Donor([face], [landmarks]))
