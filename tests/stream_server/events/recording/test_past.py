from __future__ import annotations

import pytest

from analyzer.datatypes import Observation
from stream_server.events.recording import past
from stream_server.events.recording.past import PastFace, PastStream, nearest
from tests.recorded import some_faces


def _times(stream: PastStream) -> list[float]:
    return [picture.at_s for picture in stream.pictures]


def test_pictures_of_the_last_seconds_are_kept() -> None:
    stream = PastStream()
    for i in range(40):
        stream.add(some_faces(100 + 0.5 * i, b"jpeg"))
    assert _times(stream) == [100 + 0.5 * i for i in range(23, 40)]


def test_of_a_private_stream_nothing_is_kept_though_somebody_watches_it() -> None:
    stream = PastStream(private=True)
    assert stream.add(some_faces(1.0, b"jpeg", face_jpegs=((1, b"crop"),))) is None
    assert not stream.pictures
    assert not stream.faces


def test_frames_without_a_picture_leave_nothing() -> None:
    stream = PastStream()
    assert stream.add(some_faces(1.0, None)) is None
    assert not stream.pictures


def test_large_pictures_are_bounded_by_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past, "MAX_BYTES", 100)
    stream = PastStream()
    for i in range(5):
        stream.add(some_faces(1 + 0.1 * i, bytes(40)))
    assert _times(stream) == [pytest.approx(1.3), pytest.approx(1.4)]
    stream.add(some_faces(2.0, bytes(400)))
    assert not stream.pictures  # it alone is too large
    stream.add(some_faces(2.1, bytes(40)))
    assert _times(stream) == [2.1]


def test_crops_are_bounded_by_their_bytes_and_those_of_the_face_not_heard_of_for_longest_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(past, "MAX_CROP_BYTES", 100)
    stream = PastStream()
    for i in range(5):
        stream.add(some_faces(1.0 + i, None, face_jpegs=((1, bytes(20)), (2, bytes(20)))))
    kept = {face_id: [at_s for at_s, _ in face.crops] for face_id, face in stream.faces.items()}
    assert kept == {1: [4.0, 5.0], 2: [3.0, 4.0, 5.0]}
    stream.forget(2)
    stream.expire(100.0)
    for i in range(5):
        stream.add(some_faces(101.0 + i, None, face_jpegs=((3, bytes(20)),)))
    assert len(stream.face(3).crops) == 5


def test_of_one_face_few_windows_of_crops_are_kept() -> None:
    stream = PastStream()
    for i in range(100):
        stream.add(some_faces(1.0 + 0.1 * i, None, face_jpegs=((1, b"crop"),)))
    assert len(stream.face(1).crops) == past.FACE_PICTURES


def test_a_picture_knows_the_faces_that_were_in_it() -> None:
    stream = PastStream()
    picture = stream.add(some_faces(1.0, b"jpeg", face_ids=(1, 7)))
    assert picture is not None
    assert [(face_id, fit) for face_id, _, fit in picture.faces] == [(1, True), (7, True)]


def test_the_window_is_what_was_scored_and_begins_anew_when_it_is_emptied() -> None:
    face = PastFace()
    for i in range(20):
        face.observe(Observation(float(i), 1, filled=min(i + 1, 16)))
    assert list(face.window) == [float(i) for i in range(4, 20)]
    face.observe(Observation(30.0, 1, filled=1))
    assert list(face.window) == [30.0]
    face.observe(Observation(30.1, 1, unfit=None, filled=0))
    assert list(face.window) == [30.0]


def test_the_faces_of_a_window_are_found_by_their_time_and_missing_ones_are_told_apart() -> None:
    face = PastFace()
    face.crops.extend([(1.0, b"a"), (2.0, b"b"), (2.5, b"never scored"), (3.0, b"c")])
    assert face.pictures((0.5, 1.0, 2.0, 3.0)) == (None, b"a", b"b", b"c")


def test_faces_of_concern_bring_their_crops() -> None:
    stream = PastStream()
    stream.add(some_faces(1.0, None, face_jpegs=((3, b"crop"),)))
    assert list(stream.face(3).crops) == [(1.0, b"crop")]
    stream.forget(3)
    stream.forget(3)
    assert not stream.face(3).crops


def test_the_faces_that_were_not_heard_of_for_longest_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(past, "MAX_FACES", 3)
    stream = PastStream()
    for face_id in (1, 2, 3, 1, 4):
        stream.face(face_id)
    assert sorted(stream.faces) == [1, 3, 4]


def test_the_nearest_picture_is_found_and_none_without_any() -> None:
    stream = PastStream()
    for at_s in (1.0, 2.0, 3.0):
        stream.add(some_faces(at_s, b"jpeg"))
    found = nearest(stream.pictures, 2.2)
    assert found is not None
    assert found.at_s == 2.0
    assert nearest([], 1.0) is None


def test_what_is_too_old_goes_also_when_nothing_new_comes() -> None:
    stream = PastStream()
    stream.add(some_faces(100.0, b"jpeg", face_jpegs=((1, b"crop"),)))
    stream.expire(107.0)
    assert stream.pictures
    stream.expire(108.1)
    assert not stream.pictures
    assert stream.face(1).crops
    stream.expire(112.1)
    assert not stream.face(1).crops
