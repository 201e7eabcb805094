from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from analyzer.datatypes import Pixels
from analyzer.errors import ConfigError
from analyzer.training.augment.degradation import Degradation, draw_degradation
from analyzer.training.data.dataset import Track
from analyzer.training.data.manifest import Row
from analyzer.training.pseudofakes.synthesis import PAINTED, STILL_FAMILIES, Pair, make_pair
from analyzer.training.sampling import samples
from analyzer.training.sampling.material import Material
from analyzer.training.sampling.mixture import Mixture
from analyzer.training.sampling.samples import (
    ImageSamples,
    PlainWindows,
    PseudoWindows,
    WindowSamples,
    mild,
    pseudo_windows,
)

Found = list[tuple[Row, Track]]


def test_images_are_half_real_half_fake_and_the_same_for_the_same_index(found: Found) -> None:
    drawn = ImageSamples(Material(found), Mixture(real_fakes=0.5), seed=3, count=8)
    for index in range(6):
        first, again = drawn[index], drawn[index]
        assert first.pixels.shape == (4, 224, 224, 3)
        assert sorted(first.fake) == [0, 0, 1, 1]
        assert first.seams.shape == (4, 7, 7)
        assert not first.seams[first.fake == 0].any()
        for a, b in zip(first, again, strict=True):
            np.testing.assert_array_equal(a, b)
    assert (drawn[0].pixels != drawn[1].pixels).any()


def test_the_seam_of_a_real_fake_is_said_to_be_unknown(found: Found) -> None:
    crops = ImageSamples(Material(found), Mixture(real_fakes=1.0), 0, 1)[0]
    np.testing.assert_array_equal(crops.knows_seam, 1 - crops.fake)
    pseudo = ImageSamples(Material(found), Mixture(real_fakes=0.0), 0, 1)[0]
    assert pseudo.knows_seam.all()


def test_with_painters_whole_pictures_are_painted_too(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[str, bool]] = []

    def note(*args: Any, **more: Any) -> Pair:
        made.append((args[3], more["painter"] is not None))
        return make_pair(*args, **more)

    def inverted(pictures: Sequence[Pixels]) -> list[Pixels]:
        return [255 - picture for picture in pictures]

    monkeypatch.setattr(samples, "make_pair", note)
    reals = Material([(row, track) for row, track in found if not row.fake])
    mixture = Mixture(families={"F1": 0.2, "F5": 0.5, PAINTED: 0.3})
    for kind in (ImageSamples, WindowSamples):
        made.clear()
        drawn = kind(reals, mixture, 0, 24, [inverted])
        for index in range(24):
            assert 0 < drawn[index].fake.sum() <= len(drawn[index].fake) / 2
        assert {(PAINTED, True), ("F5", True), ("F5", False)} <= set(made)
        assert (PAINTED, False) not in made
        made.clear()
        plain = kind(reals, mixture, 0, 12)
        for index in range(12):
            plain[index]
        assert {family for family, _ in made} == {"F1", "F5"}


def test_a_frame_that_was_not_changed_is_no_fake(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    def half_changed(*args: Any, **more: Any) -> Pair:
        pair = make_pair(*args, **more)
        return replace(pair, frame_fake=[index % 2 == 1 for index in range(len(pair.fake))])

    monkeypatch.setattr(samples, "make_pair", half_changed)
    clips = Material([(row, track) for row, track in found if not row.fake])
    crops = ImageSamples(clips, Mixture(stills=0.0, real_fakes=0.0), 0, 1)[0]
    assert list(crops.fake) == [0, 0, 0, 1]
    assert crops.knows_seam.all()


def test_a_window_whose_changed_frames_are_not_shown_is_no_fake(found: Found) -> None:
    def frozen(rng: np.random.Generator, side: int, count: int) -> Degradation:
        return replace(mild(rng, side, count), codec="none", order=[8] * count)

    track = next(track for row, track in found if not row.fake)
    drawn = [pseudo_windows(draw, track, "F7", how=frozen) for draw in range(12)]
    for windows in drawn:
        same = np.array_equal(windows.pixels[0], windows.pixels[1])
        assert list(windows.fake) == [0, 0 if same else 1]
    assert {float(windows.fake[1]) for windows in drawn} == {0.0, 1.0}


def test_a_fake_and_its_real_are_delivered_at_the_smaller_size(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    sides: list[int] = []

    def noting(rng: np.random.Generator, side: int, count: int, **more: Any) -> Degradation:
        sides.append(side)
        return draw_degradation(rng, side, count, **more)

    monkeypatch.setattr(samples, "draw_degradation", noting)
    real = next(track for row, track in found if not row.fake)
    row, fake = next((row, track) for row, track in found if row.fake)
    small = [cv2.imencode(".jpg", cv2.resize(frame, (140, 140)))[1].tobytes() for frame in fake.frames(range(20))]
    shrunk = Track(small, fake.landmarks[:20] * np.float32(140 / fake.side), fake.at_s[:20], 140)
    both = Material([(replace(row, fake=False, source="s"), real), (replace(row, source="s"), shrunk)])
    assert real.side > 140
    ImageSamples(both, Mixture(real_fakes=1.0), 0, 1)[0]
    assert sides == [140]


def test_windows_come_in_pairs_with_rising_times(found: Found) -> None:
    drawn = WindowSamples(Material(found), Mixture(real_fakes=0.5), seed=1, count=4)
    for index in range(3):
        windows = drawn[index]
        assert windows.pixels.shape == (2, 16, 224, 224, 3)
        assert list(windows.fake) == [0, 1]
        assert not windows.elapsed_s[:, 0].any()
        assert (windows.elapsed_s[:, 1:] > 0).all()


def at_other_times(found: Found, factor: float) -> Found:
    """The fakes are clips of fewer pictures a second."""
    return [(row, replace(track, at_s=track.at_s * factor) if row.fake else track) for row, track in found]


def test_a_real_fake_and_its_real_have_one_clock(found: Found, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "pseudo_windows", None)  # not called
    drawn = WindowSamples(Material(at_other_times(found, 1.2)), Mixture(real_fakes=1.0), seed=1, count=4)
    for index in range(3):
        windows = drawn[index]
        assert list(windows.fake) == [0, 1]
        np.testing.assert_array_equal(windows.elapsed_s[0], windows.elapsed_s[1])
        assert (windows.pixels[0] != windows.pixels[1]).any()


def test_a_fake_whose_times_suit_no_real_gives_way_to_a_pseudo_fake(found: Found) -> None:
    drawn = WindowSamples(Material(at_other_times(found, 20)), Mixture(real_fakes=1.0, families={"F1": 1.0}), 1, 1)
    pseudo = WindowSamples(Material(found), Mixture(real_fakes=0.0, families={"F1": 1.0}), 1, 1)
    assert list(drawn[0].fake) == list(pseudo[0].fake) == [0, 1]
    np.testing.assert_array_equal(drawn[0].elapsed_s[0], drawn[0].elapsed_s[1])
    assert drawn[0].elapsed_s.max() < 0.5


def test_pictures_alone_are_enough_to_make_windows_of(found: Found) -> None:
    stills = [
        (row, replace(track, jpegs=track.jpegs[:1], landmarks=track.landmarks[:1], at_s=track.at_s[:1]))
        for row, track in found
        if not row.fake
    ]
    windows = WindowSamples(Material(stills), Mixture(), 0, 1)[0]
    assert windows.pixels.shape == (2, 16, 224, 224, 3)
    assert ImageSamples(Material(stills), Mixture(), 0, 1)[0].pixels.shape == (4, 224, 224, 3)


def test_training_without_real_faces_is_refused(found: Found) -> None:
    with pytest.raises(ConfigError, match="training needs real faces"):
        Material([(row, track) for row, track in found if row.fake])


def test_a_mixture_without_a_family_for_pictures_is_refused(found: Found) -> None:
    stills = [
        (row, replace(track, jpegs=track.jpegs[:1], landmarks=track.landmarks[:1], at_s=track.at_s[:1]))
        for row, track in found
    ]
    with pytest.raises(ConfigError, match="no pseudo-fake family that suits a picture"):
        ImageSamples(Material(stills), Mixture(families={"F3": 1.0}), 0, 1)[0]


def test_a_family_that_is_left_out_is_never_drawn() -> None:
    left = Mixture().without(["F5", "F1"])
    assert not {"F1", "F5"} & set(left.families)
    assert Mixture().without([]) == Mixture()
    with pytest.raises(ConfigError, match="unknown family F99"):
        Mixture().without(["F99"])
    with pytest.raises(ConfigError, match="not all of them can be left out"):
        Mixture().without(STILL_FAMILIES)


def test_measuring_windows_name_their_track(found: Found) -> None:
    plain = PlainWindows(found, seed=0, each=2)
    assert len(plain) == 2 * len(found)
    assert int(plain[3].origin[0]) == 1
    assert bool(plain[len(plain) - 1].fake[0]) == found[-1][0].fake
    pair = PseudoWindows(found[:1], "F5", seed=0)[0]
    assert list(pair.fake) == [0, 1]
    assert (pair.pixels[0] != pair.pixels[1]).any()
