from __future__ import annotations

import cv2
import numpy as np
import pytest

from stream_server.events.recording.drawing import annotated, strip
from tests.fakes import an_evidence
from tests.recorded import a_jpeg, a_past_picture


def _decoded(jpeg: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return np.asarray(picture, np.uint8)


def test_a_snapshot_marks_its_face_and_says_what_it_is_below() -> None:
    picture = _decoded(annotated(a_past_picture(1.0), 1, "cam  2026-11-24 04:00:00 UTC"))
    assert picture.shape == (54 + 26, 96, 3)
    # the box is scaled with the picture, which is half the frame's size
    blue, _, red = picture[30, 20]
    assert int(red) - int(blue) > 100
    assert picture[54:].max() > 150


def test_other_faces_are_marked_without_colour() -> None:
    blue, green, red = (int(value) for value in _decoded(annotated(a_past_picture(1.0), 2, ""))[30, 20])
    assert max(blue, green, red) - min(blue, green, red) < 40


def test_what_is_no_picture_is_an_error() -> None:
    with pytest.raises(ValueError, match="expected a JPEG"):
        annotated(a_past_picture(1.0, b"nothing"), 1, "")


def test_the_strip_shows_sixteen_faces_and_the_newest_with_its_map() -> None:
    drawn = strip([a_jpeg(224, 224)] * 16, an_evidence())
    assert drawn is not None
    grid, newest = (_decoded(jpeg) for jpeg in drawn)
    assert grid.shape[1] > 3 * grid.shape[0]
    assert newest.shape[0] == newest.shape[1]


@pytest.mark.parametrize(
    ("faces", "drawn"),
    [([None] * 16, False), ([], False), ([a_jpeg()] * 15, False), ([None] * 15 + [a_jpeg()], True)],
    ids=["none", "empty", "fifteen", "one"],
)
def test_a_strip_needs_at_least_one_face_of_sixteen(faces: list[bytes | None], drawn: bool) -> None:
    assert (strip(faces, None) is not None) == drawn


def test_a_face_that_is_no_picture_is_grey() -> None:
    drawn = strip([b"nothing"] * 15 + [a_jpeg()], None)
    assert drawn is not None
    assert _decoded(drawn[0])[20, 20].tolist() == pytest.approx([96, 96, 96], abs=3)
