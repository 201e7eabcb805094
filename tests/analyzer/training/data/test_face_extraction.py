from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from analyzer.config import NUM_FRAMES, AnalyzerConfig
from analyzer.datatypes import Detection, Pixels
from analyzer.errors import MediaError, NoFacesError
from analyzer.faces.detector import YuNetDetector
from analyzer.training.data import face_extraction as cutting
from analyzer.training.data.face_extraction import DENSE, MAX_FRAMES, SEARCH_S, SPARSE_S, cut_track
from analyzer.training.data.manifest import Row
from tests.analyzer.conftest import moving
from tests.fakes import ScriptedDetector, a_detection
from tests.videos import write_video

TURNED_RIGHT = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
"""EXIF data that says: turn me by 90 degrees clockwise."""


def row(path: Path) -> Row:
    return Row(path.name, path, False, "none", "", "none", path.name)


def scene(seed: int) -> Pixels:
    """A small picture unlike that of another seed."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (160, 120), interpolation=cv2.INTER_NEAREST), np.uint8)


def shots(path: Path, *lengths: int) -> Row:
    """A video of so many pictures of one scene, then of so many of another ..."""
    return row(write_video(path, [scene(seed) for seed, length in enumerate(lengths) for _ in range(length)]))


def quarters_off(cut: Pixels, upright: Pixels) -> int:
    """By how many quarters `cut` lies on its side; what the detector says does not tell, it finds such faces too."""
    small = [cv2.resize(picture, (48, 48)).astype(float) for picture in (cut, upright)]
    return int(np.argmin([np.abs(np.rot90(small[0], quarters) - small[1]).mean() for quarters in range(4)]))


@pytest.fixture(scope="module")
def upright(tmp_path_factory: pytest.TempPathFactory, face: Pixels) -> Pixels:
    path = tmp_path_factory.mktemp("upright") / "face.png"
    cv2.imwrite(str(path), cv2.cvtColor(face, cv2.COLOR_RGB2BGR))
    return cut_track(row(path), YuNetDetector()).frames([0])[0]


@pytest.mark.parametrize("degrees", [90, 180, -90])
def test_a_phones_sideways_video_is_turned_upright(tmp_path: Path, face: Pixels, upright: Pixels, degrees: int) -> None:
    stored = [np.ascontiguousarray(np.rot90(picture, -degrees // 90)) for picture in moving(face, 17)]
    track = cut_track(row(write_video(tmp_path / "phone.mp4", stored, rotation=degrees)), YuNetDetector())
    assert quarters_off(track.frames([3])[0], upright) == 0


def test_a_phones_sideways_picture_is_turned_upright(tmp_path: Path, face: Pixels, upright: Pixels) -> None:
    path = tmp_path / "phone.jpg"
    done, jpeg = cv2.imencode(".jpg", cv2.cvtColor(np.rot90(face), cv2.COLOR_RGB2BGR))
    assert done
    marked = b"\xff\xe1" + (len(TURNED_RIGHT) + 2).to_bytes(2, "big") + TURNED_RIGHT
    path.write_bytes(jpeg.tobytes()[:2] + marked + jpeg.tobytes()[2:])
    assert quarters_off(cut_track(row(path), YuNetDetector()).frames([0])[0], upright) == 0


def one_face(_: int) -> Sequence[Detection]:
    return [a_detection(40, 20, 80)]


def test_no_track_goes_on_over_a_cut(tmp_path: Path) -> None:
    track = cut_track(shots(tmp_path / "cut.mp4", 18, 20), ScriptedDetector(one_face))
    assert len(track.jpegs) == 20
    assert track.at_s[0] == pytest.approx(18 / 25, abs=0.001)


@pytest.mark.parametrize(
    ("after", "pictures"),
    [
        pytest.param(lambda _: [a_detection(40 + 58, 20, 80)], 18, id="to another place"),
        pytest.param(lambda _: [a_detection(0, 0, 140)], 18, id="to another size"),
        pytest.param(lambda call: [a_detection(40, 20, 80 if call > 30 else 60)], 90, id="after a second too small"),
    ],
)
def test_no_track_goes_on_over_a_jump_or_a_gap(
    tmp_path: Path, after: Callable[[int], Sequence[Detection]], pictures: int
) -> None:
    detector = ScriptedDetector(lambda call: one_face(call) if call < 20 else after(call - 20))
    track = cut_track(shots(tmp_path / "jump.mp4", 20 + pictures), detector)
    assert len(track.jpegs) == 20
    assert track.at_s[-1] < 20 / 25


def test_one_face_is_kept_densely_then_sparsely_and_no_more_is_read_than_is_kept(tmp_path: Path) -> None:
    track = cut_track(shots(tmp_path / "long.mp4", 250), ScriptedDetector(one_face))
    assert len(track.jpegs) == MAX_FRAMES
    steps = np.diff(track.at_s)
    np.testing.assert_allclose(steps[: DENSE - 1], 1 / 25, atol=0.002)
    assert (steps[DENSE:] >= SPARSE_S - 0.001).all()


@pytest.mark.parametrize(
    ("script", "faces"),
    [
        pytest.param(lambda call: [a_detection(5, 20, 80), a_detection(110, 60, 30)], 2, id="at once, one small"),
        pytest.param(
            lambda call: [a_detection(40, 20, 80)] if call < 20 else [a_detection(5, 60, 40)], 2, id="in turn"
        ),
        pytest.param(lambda call: [a_detection(40, 20, 80)] if call < 70 else [a_detection(5, 60, 40)], 2, id="late"),
    ],
)
def test_a_label_of_one_face_is_not_believed_where_there_are_several(
    tmp_path: Path, script: Callable[[int], Sequence[Detection]], faces: int
) -> None:
    clip = replace(shots(tmp_path / "two.mp4", 400), one_face=True)
    with pytest.raises(MediaError, match=rf"two\.mp4: shows {faces} faces, and its label is of one of them"):
        cut_track(clip, ScriptedDetector(script))
    assert cut_track(replace(clip, one_face=False), ScriptedDetector(script)).jpegs


def test_a_label_of_one_face_holds_where_others_are_seen_too_briefly_to_be_scored(tmp_path: Path) -> None:
    def script(call: int) -> Sequence[Detection]:
        return [a_detection(5, 20, 80), *([a_detection(110, 60, 30)] if call < NUM_FRAMES - 1 else [])]

    track = cut_track(replace(shots(tmp_path / "one.mp4", 400), one_face=True), ScriptedDetector(script))
    assert len(track.jpegs) == MAX_FRAMES


def test_a_long_video_without_a_face_is_looked_at_now_and_then_and_not_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cutting, "PATIENCE", 50)
    detector = ScriptedDetector([])
    with pytest.raises(NoFacesError):
        cut_track(shots(tmp_path / "screen.mp4", 100), detector)
    assert len(detector.shapes) <= 50 / 25 / SEARCH_S + 1


def test_tracks_that_have_ended_are_not_held_unless_longest(tmp_path: Path) -> None:
    held = []

    def counting(call: int) -> Sequence[Detection]:
        if call == 100:
            held.append(sum(type(thing).__name__ == "_Kept" for thing in gc.get_objects()))
        return one_face(call)

    track = cut_track(shots(tmp_path / "film.mp4", *[17] * 6), ScriptedDetector(counting), AnalyzerConfig())
    assert len(track.jpegs) == 17
    assert held == [17 + 15]
