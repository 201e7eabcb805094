from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from analyzer.config import FACE_SIZE, AnalyzerConfig
from analyzer.datatypes import Detection, FaceEnded, FaceKey, Frame, NotScored, PictureTrouble, Pixels
from analyzer.engine.pipeline import FacePipeline, PipelineResult, Wish, encode_jpeg
from analyzer.errors import DetectorError, MediaError, TooLargeError
from analyzer.faces.detector import YuNetDetector
from analyzer.integrity.duplicate_watch import DuplicateWatch
from tests.fakes import ScriptedDetector, a_detection
from tests.takes import as_picture, looped, take
from tests.videos import astronaut, face_on_canvas, moving_face, write_video


def a_frame(picture: Pixels, index: int = 0, *, at_s: float | None = None, generation: int = 0) -> Frame:
    return Frame(
        stream_id="door",
        generation=generation,
        index=index,
        pts_s=index / 6,
        received_at_s=100 + index / 6 if at_s is None else at_s,
        video_frame=av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24"),
    )


def pipeline_with_one_face(size: float = 100) -> tuple[FacePipeline, ScriptedDetector]:
    detector = ScriptedDetector(lambda _: [a_detection(200, 100, size)])
    return FacePipeline("door", detector, AnalyzerConfig()), detector


def test_the_faces_of_a_damaged_picture_are_followed_but_not_judged() -> None:
    pipeline = FacePipeline("door", YuNetDetector(), AnalyzerConfig())
    whole, hurt, healed = (
        pipeline.process(replace(a_frame(picture, index), damaged=index == 1)).crops[0]
        for index, picture in enumerate(moving_face(3))
    )
    assert [crop.quality.reason for crop in (whole, hurt, healed)] == [None, NotScored.DAMAGED, None]
    assert whole.key == hurt.key == healed.key


def noise(width: int = 640, height: int = 360) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def decoded(jpeg: bytes) -> Pixels:
    bgr = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert bgr is not None
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def test_a_real_moving_face_is_followed_and_cut_out() -> None:
    pipeline = FacePipeline("door", YuNetDetector(), AnalyzerConfig())
    for index, picture in enumerate(moving_face(20)):
        result = pipeline.process(a_frame(picture, index))
        (crop,) = result.crops
        assert crop.key == FaceKey("door", 1)
        assert crop.quality.fit
        assert crop.pixels is not None
        assert crop.pixels.shape == (FACE_SIZE, FACE_SIZE, 3)
        assert result.ended == ()
    assert pipeline.finish() == (FaceEnded(FaceKey("door", 1)),)
    assert pipeline.finish() == ()


def test_clocks_and_names_of_the_frame_reach_the_crop() -> None:
    pipeline, _ = pipeline_with_one_face()
    result = pipeline.process(a_frame(noise(), 7, generation=3))
    for crop in (*result.crops, *result.faces.crops):
        assert (crop.generation, crop.frame_index, crop.pts_s, crop.received_at_s) == (3, 7, 7 / 6, 100 + 7 / 6)
    faces = result.faces
    assert (faces.stream_id, faces.generation, faces.frame_index) == ("door", 3, 7)
    assert (faces.pts_s, faces.received_at_s, faces.width, faces.height) == (7 / 6, 100 + 7 / 6, 640, 360)


def test_what_people_look_at_carries_no_pixels() -> None:
    pipeline, _ = pipeline_with_one_face()
    result = pipeline.process(a_frame(noise()))
    assert result.crops[0].pixels is not None
    assert result.faces.crops[0].pixels is None
    assert result.faces.jpeg is None


def test_an_unfit_face_has_a_reason_and_no_pixels() -> None:
    pipeline, _ = pipeline_with_one_face(size=40)
    (crop,) = pipeline.process(a_frame(noise())).crops
    assert crop.quality.reason is NotScored.TOO_SMALL
    assert crop.pixels is None


def test_a_frame_without_a_face_is_no_error() -> None:
    pipeline = FacePipeline("door", ScriptedDetector([]), AnalyzerConfig())
    result = pipeline.process(a_frame(noise()))
    assert result.crops == result.faces.crops == ()
    assert result.ended == ()


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(a_frame(noise(), 1, generation=1), id="reconnected"),
        pytest.param(a_frame(noise(320, 180), 1), id="another size"),
        pytest.param(a_frame(noise(360, 640), 1), id="turned"),
    ],
)
def test_a_new_generation_or_size_ends_all_faces(second: Frame) -> None:
    pipeline, _ = pipeline_with_one_face(size=70)
    assert [crop.key.face_id for crop in pipeline.process(a_frame(noise())).crops] == [1]
    result = pipeline.process(second)
    assert result.ended == (FaceEnded(FaceKey("door", 1)),)
    assert [crop.key.face_id for crop in result.crops] == [2]


def test_a_cut_to_another_scene_ends_all_faces() -> None:
    pipeline, _ = pipeline_with_one_face()
    first = [pipeline.process(a_frame(face_on_canvas(150, 100, face_px=200), index)) for index in range(3)]
    assert {crop.key.face_id for result in first for crop in result.crops} == {1}
    after = pipeline.process(a_frame(face_on_canvas(500, 280, face_px=200), 3))
    assert after.ended == (FaceEnded(FaceKey("door", 1)),)
    assert [crop.key.face_id for crop in after.crops] == [2]


def test_a_face_that_is_gone_is_said_once() -> None:
    pipeline = FacePipeline("door", ScriptedDetector([[a_detection(200, 100, 100)]]), AnalyzerConfig(max_gap_s=1.0))
    ended = [pipeline.process(a_frame(noise(), index)).ended for index in range(12)]
    assert [len(gone) for gone in ended] == [0] * 7 + [1] + [0] * 4
    assert pipeline.finish() == ()


class FailsOnce:
    """One face, but OpenCV fails in the second picture."""

    def __init__(self) -> None:
        self._calls = 0

    def detect(self, rgb: Pixels) -> list[Detection]:
        self._calls += 1
        if self._calls == 2:
            raise DetectorError("OpenCV failed")
        return [a_detection(200, 100, 100)]


def test_a_face_that_ends_in_a_frame_that_fails_is_named_with_the_next() -> None:
    pipeline = FacePipeline("door", FailsOnce(), AnalyzerConfig())
    pipeline.process(a_frame(noise()))
    with pytest.raises(DetectorError):
        pipeline.process(a_frame(noise(), 1, generation=1))  # the new generation has ended the face
    result = pipeline.process(a_frame(noise(), 2, generation=1))
    assert result.ended == (FaceEnded(FaceKey("door", 1)),)
    assert [crop.key.face_id for crop in result.crops] == [2]


def test_a_face_that_ended_in_the_last_frame_which_failed_is_named_at_the_end() -> None:
    pipeline = FacePipeline("door", FailsOnce(), AnalyzerConfig())
    pipeline.process(a_frame(noise()))
    with pytest.raises(DetectorError):
        pipeline.process(a_frame(noise(), 1, generation=1))
    assert pipeline.finish() == (FaceEnded(FaceKey("door", 1)),)


def test_a_jpeg_comes_only_on_request_and_shows_the_frame() -> None:
    pipeline, _ = pipeline_with_one_face()
    jpeg = pipeline.process(a_frame(face_on_canvas(320, 180)), Wish(jpeg_width=960)).faces.jpeg
    assert jpeg is not None
    picture = decoded(jpeg)
    assert picture.shape == (360, 640, 3)
    assert np.abs(picture.astype(int) - face_on_canvas(320, 180)).mean() < 5


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        pytest.param((1920, 1080), (960, 540), id="full HD"),
        pytest.param((960, 540), (960, 540), id="just fits"),
        pytest.param((1080, 5000), (415, 1920), id="very high"),
        pytest.param((1, 1), (1, 1), id="one pixel"),
        pytest.param((9000, 1), (960, 1), id="one line"),
    ],
)
def test_the_jpeg_is_at_most_960_wide(size: tuple[int, int], expected: tuple[int, int]) -> None:
    data = encode_jpeg(np.zeros((size[1], size[0], 3), np.uint8))
    height, width = decoded(data).shape[:2]
    assert (width, height) == expected


@pytest.mark.parametrize(("width", "height"), [(16, 16), (2, 2), (1, 1), (7680, 4320)])
def test_frames_of_any_sane_size_are_taken(width: int, height: int) -> None:
    pipeline = FacePipeline("door", YuNetDetector(), AnalyzerConfig())
    result = pipeline.process(a_frame(np.zeros((height, width, 3), np.uint8)))
    assert (result.faces.width, result.faces.height) == (width, height)


@pytest.mark.parametrize(("width", "height"), [(17000, 16), (8192, 4400)])
def test_an_absurd_frame_is_refused_and_the_next_one_taken(width: int, height: int) -> None:
    pipeline, _ = pipeline_with_one_face()
    huge = Frame("door", 0, 0, None, 100.0, av.VideoFrame(width, height, "gray"))
    with pytest.raises(TooLargeError, match=f"{width} x {height}"):
        pipeline.process(huge)
    assert len(pipeline.process(a_frame(noise(), 1)).crops) == 1


def test_a_frame_that_cannot_be_converted_is_a_media_error() -> None:
    pipeline, _ = pipeline_with_one_face()
    with pytest.raises(MediaError, match="0 x 0"):
        pipeline.process(Frame("door", 0, 0, None, 100.0, av.VideoFrame()))


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p10le", "nv12", "gray", "bgra", "yuvj444p"])
def test_whatever_a_decoder_gives_is_converted(pixel_format: str) -> None:
    pipeline = FacePipeline("door", YuNetDetector(), AnalyzerConfig())
    video_frame = av.VideoFrame.from_ndarray(face_on_canvas(320, 180), format="rgb24").reformat(format=pixel_format)
    (crop,) = pipeline.process(Frame("door", 0, 0, None, 100.0, video_frame)).crops
    assert crop.quality.fit


@pytest.mark.parametrize("degrees", [0, 90, 180, -90])
def test_a_phones_sideways_video_is_turned_upright(tmp_path: Path, degrees: int) -> None:
    """The container says how to turn the picture; the astronaut is stored turned the other way."""
    stored = np.ascontiguousarray(np.rot90(astronaut()[:360], -degrees // 90))
    path = tmp_path / "phone.mp4"
    write_video(path, [stored] * 3, rotation=degrees)
    pipeline = FacePipeline("phone", YuNetDetector(), AnalyzerConfig())
    results: list[PipelineResult] = []
    with av.open(str(path)) as container:
        for index, video_frame in enumerate(container.decode(video=0)):
            results.append(pipeline.process(Frame("phone", 0, index, None, index / 25, video_frame)))
    assert (results[0].faces.width, results[0].faces.height) == (512, 360)
    assert results[0].crops[0].quality.fit
    assert results[0].crops[0].box.center == pytest.approx((224, 115), abs=20)


@pytest.mark.parametrize("may_repeat", [False, True])
def test_a_stream_that_repeats_itself_is_looped_unless_it_may(may_repeat: bool) -> None:
    detector, scene = ScriptedDetector(lambda _: [a_detection(200, 100, 100)]), looped(take(3), 9)
    pipeline = FacePipeline("door", detector, AnalyzerConfig(), duplicates=DuplicateWatch())
    troubles = []
    for index in range(6 * 36):
        frame = a_frame(as_picture(scene(index / 6)), index)
        picture = pipeline.process(replace(frame, may_repeat=may_repeat)).picture
        troubles += [] if picture is None else [picture.trouble]
    assert troubles == ([None] if may_repeat else [None, PictureTrouble.LOOPED])
