from __future__ import annotations

import math

import numpy as np
import pytest

from analyzer.datatypes import Detection
from analyzer.faces.tracker import Tracker
from tests.fakes import a_detection

SIZE = (1280, 720)
RATES = [pytest.param(6.0, id="6/s"), pytest.param(12.0, id="12/s"), pytest.param(25.0, id="25/s")]


def ids(tracker: Tracker, detections: list[Detection], at_s: float) -> list[int]:
    return [face.face_id for face in tracker.update(detections, at_s, SIZE)]


def test_a_still_face_keeps_its_id() -> None:
    tracker = Tracker()
    assert {i for step in range(50) for i in ids(tracker, [a_detection(100, 100, 100)], step / 6)} == {1}
    assert tracker.ended() == []


def test_no_faces_are_no_faces() -> None:
    tracker = Tracker()
    assert tracker.update([], 0.0, SIZE) == []
    assert tracker.ended() == []
    assert tracker.reset() == []


def test_several_faces_keep_their_ids_in_whatever_order_they_are_found() -> None:
    tracker = Tracker()
    faces = [a_detection(100 + 200 * i, 200, 100) for i in range(5)]
    first = {face.detection.box.x: face.face_id for face in tracker.update(faces, 0.0, SIZE)}
    random = np.random.default_rng(0)
    for step in range(1, 20):
        shuffled = [faces[i] for i in random.permutation(5)]
        again = {face.detection.box.x: face.face_id for face in tracker.update(shuffled, step / 6, SIZE)}
        assert again == first


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("hidden", [False, True], ids=["both always seen", "one hidden while they overlap"])
@pytest.mark.parametrize("speed", [100.0, 250.0, 500.0])
def test_faces_that_cross_do_not_swap(rate: float, hidden: bool, speed: float) -> None:
    tracker = Tracker()
    random = np.random.default_rng(1)
    left, right = 300.0, 900.0
    names: dict[str, set[int]] = {"going right": set(), "going left": set()}
    for step in range(int(600 / speed * rate)):
        at = step / rate
        there = a_detection(left + speed * at + random.normal(0, 1.5), 300, 100)
        back = a_detection(right - speed * at + random.normal(0, 1.5), 320, 100)
        together = abs(there.box.x - back.box.x) < 50
        seen = [there] if hidden and together else [back, there]
        for face in tracker.update(seen, at, SIZE):
            names["going right" if face.detection is there else "going left"].add(face.face_id)
    assert len(names["going right"]) == len(names["going left"]) == 1
    assert names["going right"] != names["going left"]


def test_a_face_that_comes_back_in_time_is_the_same() -> None:
    tracker = Tracker(max_gap_s=1.0)
    assert ids(tracker, [a_detection(100, 100, 100)], 10.0) == [1]
    assert ids(tracker, [], 10.5) == []
    assert tracker.ended() == []
    assert ids(tracker, [a_detection(104, 100, 100)], 10.9) == [1]


def test_a_face_unseen_for_longer_has_ended_and_comes_back_as_another() -> None:
    tracker = Tracker(max_gap_s=1.0)
    ids(tracker, [a_detection(100, 100, 100)], 10.0)
    assert ids(tracker, [a_detection(100, 100, 100)], 11.1) == [2]
    assert tracker.ended() == [1]
    assert tracker.ended() == []


def test_a_face_ends_without_being_seen_again() -> None:
    tracker = Tracker(max_gap_s=1.0)
    ids(tracker, [a_detection(100, 100, 100), a_detection(400, 100, 100)], 0.0)
    for step in range(1, 12):
        ids(tracker, [a_detection(400, 100, 100)], step * 0.1)
    assert tracker.ended() == [1]


def test_reset_gives_up_all_and_ids_never_repeat() -> None:
    tracker = Tracker()
    ids(tracker, [a_detection(100, 100, 100), a_detection(400, 100, 100)], 0.0)
    assert tracker.reset() == [1, 2]
    assert tracker.reset() == []
    assert tracker.ended() == []
    assert ids(tracker, [a_detection(100, 100, 100)], 0.1) == [3]


def test_time_that_runs_backwards_counts_as_no_time() -> None:
    tracker = Tracker(max_gap_s=1.0)
    face = [a_detection(100, 100, 100)]
    assert ids(tracker, face, 1000.0) == [1]
    assert ids(tracker, face, 5.0) == [1]
    assert ids(tracker, face, 5.2) == [1]
    ids(tracker, [], 5.9)
    ids(tracker, [], 6.5)
    assert tracker.ended() == [1]


def test_frames_of_the_same_instant_do_no_harm() -> None:
    tracker = Tracker()
    for shift in range(10):
        (face,) = tracker.update([a_detection(100 + shift, 100, 100)], 1.0, SIZE)
        assert all(math.isfinite(value) for value in (face.smoothed.x, face.smoothed.width))


def test_of_a_crowd_the_largest_are_kept() -> None:
    tracker = Tracker(max_faces=16)
    crowd = [a_detection(20 + 120 * (i % 10), 20 + 120 * (i // 10), 20 + i) for i in range(50)]
    for step in range(30):
        faces = tracker.update(crowd, step / 6, SIZE)
        assert len(faces) == 16
        assert min(face.detection.box.width for face in faces) == 20 + 34
    assert tracker.ended() == []


def test_a_crowd_that_moves_keeps_its_ids() -> None:
    tracker = Tracker(max_faces=50)
    for step in range(30):
        crowd = [a_detection(20 + 120 * (i % 10) + 3 * step, 20 + 120 * (i // 10), 60) for i in range(50)]
        assert ids(tracker, crowd, step / 6) == list(range(1, 51))


def test_a_clearly_larger_face_takes_the_place_of_the_smallest() -> None:
    tracker = Tracker(max_faces=2)
    assert ids(tracker, [a_detection(100, 100, 50), a_detection(300, 100, 80)], 0.0) == [1, 2]
    faces = [a_detection(100, 100, 50), a_detection(300, 100, 80), a_detection(600, 100, 100)]
    assert ids(tracker, faces, 0.1) == [1, 3]
    assert tracker.ended() == [2]


def test_a_face_of_about_the_same_size_has_to_wait() -> None:
    tracker = Tracker(max_faces=1)
    ids(tracker, [a_detection(100, 100, 100)], 0.0)
    for step in range(1, 20):
        assert ids(tracker, [a_detection(100, 100, 100), a_detection(600, 100, 110)], step / 6) == [1]


def test_a_face_far_from_all_others_is_a_new_one() -> None:
    tracker = Tracker()
    ids(tracker, [a_detection(100, 100, 100)], 0.0)
    assert ids(tracker, [a_detection(800, 100, 100)], 0.17) == [2]


def test_a_face_of_another_size_is_a_new_one() -> None:
    tracker = Tracker()
    ids(tracker, [a_detection(100, 100, 50)], 0.0)
    assert ids(tracker, [a_detection(100, 100, 200)], 0.17) == [2]


def test_no_far_fetched_pair_is_made_only_to_tie_more_faces() -> None:
    tracker = Tracker()
    ids(tracker, [a_detection(100, 100, 100), a_detection(190, 100, 100)], 0.0)
    # The first has gone; the second stays; a third appears beyond it.
    faces = tracker.update([a_detection(190, 100, 100), a_detection(280, 100, 100)], 0.17, SIZE)
    assert {face.detection.box.x: face.face_id for face in faces} == {190: 2, 280: 3}


def test_a_jump_is_said_and_the_crop_goes_there_at_once() -> None:
    tracker = Tracker()
    for step in range(10):
        (face,) = tracker.update([a_detection(100, 100, 100)], step / 25, SIZE)
        assert not face.jumped
    (face,) = tracker.update([a_detection(175, 100, 100)], 10 / 25, SIZE)
    assert face.face_id == 1
    assert face.jumped
    assert face.smoothed.x == pytest.approx(175)
    (face,) = tracker.update([a_detection(175, 100, 100)], 11 / 25, SIZE)
    assert not face.jumped


def _walk(tracker: Tracker, speed: float, until_x: float) -> float:
    """A face of 100 px from x = 100 on, at 25 frames/s; the time of the last frame."""
    at, x = 0.0, 100.0
    while x <= until_x:
        assert ids(tracker, [a_detection(x, 100, 100)], at) == [1]
        at, x = at + 0.04, x + speed * 0.04
    return at - 0.04


def test_after_a_jump_the_old_speed_is_forgotten() -> None:
    tracker = Tracker()
    last = _walk(tracker, 600, 500)
    (face,) = tracker.update([a_detection(440, 100, 100)], last + 0.04, SIZE)  # 68 px from where it was to be
    assert face.jumped
    (face,) = tracker.update([a_detection(440, 100, 100)], last + 0.08, SIZE)
    assert face.smoothed.x == pytest.approx(440, abs=1e-6)


def test_an_unseen_face_does_not_run_on_for_ever() -> None:
    tracker = Tracker(max_gap_s=1.0)
    last = _walk(tracker, 600, 400)
    assert ids(tracker, [], last + 0.5) == []
    assert ids(tracker, [a_detection(620, 100, 100)], last + 0.9) == [1], "it stopped soon after"


def test_a_face_that_walks_against_the_edge_is_looked_for_inside_the_picture() -> None:
    tracker = Tracker(max_gap_s=1.0)
    last = _walk(tracker, 600, 1200)
    assert ids(tracker, [a_detection(1180, 100, 100)], last + 0.4) == [1]


def test_a_sudden_change_of_size_is_a_jump() -> None:
    tracker = Tracker()
    for step in range(10):
        tracker.update([a_detection(100, 100, 100)], step / 25, SIZE)
    (face,) = tracker.update([a_detection(60, 60, 180)], 10 / 25, SIZE)
    assert face.face_id == 1
    assert face.jumped


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("speed", [50.0, 300.0, 600.0])
def test_a_face_that_walks_past_is_followed_without_lag_or_jumps(rate: float, speed: float) -> None:
    """Up to six faces a second, which is a walk close to the camera."""
    tracker = Tracker()
    for step in range(int(1100 / speed * rate)):
        at = step / rate
        (face,) = tracker.update([a_detection(50 + speed * at, 300, 100)], at, SIZE)
        assert face.face_id == 1
        assert not face.jumped
        assert face.smoothed.center[0] == pytest.approx(100 + speed * at, abs=1e-6)


def test_the_trembling_of_the_detector_is_smoothed_away() -> None:
    tracker = Tracker()
    random = np.random.default_rng(2)
    found, smoothed = [], []
    for step in range(200):
        shake = random.normal(0, 3, 2)
        (face,) = tracker.update([a_detection(100 + shake[0], 100 + shake[1], 100)], step / 25, SIZE)
        found.append(face.detection.box.x)
        smoothed.append(face.smoothed.x)
    assert np.std(np.diff(smoothed[20:])) < 0.35 * np.std(np.diff(found[20:]))


def test_smoothing_depends_on_time_and_not_on_the_frame_rate() -> None:
    """A face that starts to grow is followed alike at 5 and at 50 frames a second."""
    widths = {}
    for rate in (5, 50):
        tracker = Tracker()
        for step in range(2 * rate + 1):
            at = step / rate
            size = 100.0 if at < 1 else 130.0
            (face,) = tracker.update([a_detection(100, 100, size)], at, SIZE)
        widths[rate] = face.smoothed.width
    assert widths[5] == pytest.approx(widths[50], abs=1.0)


def test_a_face_half_outside_the_picture_is_tracked() -> None:
    tracker = Tracker()
    for step in range(10):
        assert ids(tracker, [a_detection(-60, 100, 100)], step / 6) == [1]
