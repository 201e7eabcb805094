from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analyzer.config import AnalyzerConfig
from analyzer.datatypes import Detection, FaceCrop, Pixels, WindowUpdate
from analyzer.errors import (
    ConfigError,
    MediaError,
    NoFacesError,
    NotAVideoError,
    ScorerError,
    TooLargeError,
    WeightsError,
)
from analyzer.faces.detector import YuNetDetector
from analyzer.scorer import ClipScore, sigmoid
from analyzer.video.video import VideoLimits, VideoReport, VideoStoppedError, analyze_video
from tests.fakes import FakeScorer, ScriptedDetector, a_detection
from tests.videos import face_on_canvas, moving_face, write_video


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """6 s at 25 frames a second of a real face moving smoothly."""
    return write_video(tmp_path_factory.mktemp("video") / "clip.mp4", moving_face(150))


@pytest.fixture
def scorer() -> Iterator[FakeScorer]:
    """Checks on the way out that nothing was left in it."""
    scorer = FakeScorer()
    yield scorer
    assert scorer.windows == {}


def textured(frames: int, size: tuple[int, int] = (320, 180)) -> Iterator[Pixels]:
    """Detail enough for any crop to be sharp; cheap to make and to read."""
    random = np.random.default_rng(0)
    picture = random.integers(60, 200, (size[1] // 4, size[0] // 4, 3), np.uint8).repeat(4, 0).repeat(4, 1)
    yield from itertools.repeat(picture, frames)


def one_face(call: int) -> Sequence[Detection]:
    return [a_detection(100, 40, 80)]


def in_profile(call: int) -> Sequence[Detection]:
    """The same face, its nose beyond the eye."""
    face = a_detection(100, 40, 80)
    eyes, nose, mouth = face.landmarks[:2], (170.0, 88.0), face.landmarks[3:]
    return [replace(face, landmarks=(*eyes, nose, *mouth))]


def scripted(
    tmp_path: Path, frames: int, script: Callable[[int], Sequence[Detection]], fps: int = 25
) -> tuple[Path, ScriptedDetector]:
    return write_video(tmp_path / "clip.mp4", textured(frames), fps), ScriptedDetector(script)


def test_a_real_clip_gets_a_whole_report(clip: Path, scorer: FakeScorer) -> None:
    report = analyze_video(clip, detector=YuNetDetector(), scorer=scorer)
    assert report.filename == "clip.mp4"
    assert (report.width, report.height, report.fps, report.frames_read) == (640, 360, 25, 150)
    assert report.duration_s == pytest.approx(6.0)
    (face,) = report.faces
    assert face.face_id == 1
    assert (face.first_s, face.not_scored) == (0.0, {})
    assert face.last_s == pytest.approx(5.9, abs=0.1)
    assert face.crops == pytest.approx(36, abs=1)
    assert face.windows == face.crops - 15 == len(report.timeline)
    assert face.fake_probability == pytest.approx(report.raw_score)
    assert 0.2 < report.raw_score < 0.8
    assert report.notes == ()


def test_the_timeline_slides_over_the_video_in_media_time(clip: Path, scorer: FakeScorer) -> None:
    report = analyze_video(clip, detector=YuNetDetector(), scorer=scorer)
    first, last = report.timeline[0], report.timeline[-1]
    assert first.start_s == 0.0
    assert first.end_s == pytest.approx(15 / 6, abs=0.1)
    assert last.end_s == pytest.approx(5.9, abs=0.1)
    for point in report.timeline:
        assert point.end_s - point.start_s == pytest.approx(15 / 6, abs=0.1)
        assert point.fake_probability == pytest.approx(sigmoid(point.logit))


def test_the_scorer_sees_rising_media_time_at_the_face_rate(clip: Path, scorer: FakeScorer) -> None:
    analyze_video(clip, detector=YuNetDetector(), scorer=scorer, config=AnalyzerConfig(face_rate=5.0))
    times = [crop.received_at_s for crop in scorer.pushed]
    assert len(times) == 30
    assert np.diff(times) == pytest.approx(0.2, abs=0.001)


@pytest.mark.parametrize("aggregate", ["windows", "windows_top", "evenly_spaced"])
def test_each_aggregate_says_its_name_and_tells_dark_from_bright(tmp_path: Path, aggregate: str) -> None:
    scores = {}
    for level in (60, 190):
        pictures = [(picture // 4 + level - 32).astype(np.uint8) for picture in textured(100)]
        path = write_video(tmp_path / f"{level}.mp4", pictures)
        report = analyze_video(path, detector=ScriptedDetector(one_face), scorer=FakeScorer(), aggregate=aggregate)
        assert report.aggregate == aggregate
        scores[level] = report
    assert scores[60].label == "REAL"
    assert scores[190].label == "DEEPFAKE"


def test_sixteen_evenly_spaced_faces_of_the_whole_video_are_scored(tmp_path: Path, scorer: FakeScorer) -> None:
    path, detector = scripted(tmp_path, 500, one_face)
    report = analyze_video(path, detector=detector, scorer=scorer, aggregate="evenly_spaced")
    (times,) = scorer.clips
    assert times[0] == 0.0
    assert times[-1] > 18
    assert np.diff(times).max() <= 2.1 * np.diff(times).min()
    assert len(report.timeline) == report.faces[0].windows > 100


def test_an_unknown_aggregate_is_refused(clip: Path, scorer: FakeScorer) -> None:
    with pytest.raises(ConfigError, match="median"):
        analyze_video(clip, detector=ScriptedDetector([]), scorer=scorer, aggregate="median")


@pytest.mark.parametrize("frames", [16, 20, 25, 50, 75])
@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_short_clip_is_looked_at_more_often(tmp_path: Path, scorer: FakeScorer, frames: int, suffix: str) -> None:
    path = write_video(tmp_path / f"clip.{suffix}", textured(frames))
    report = analyze_video(path, detector=ScriptedDetector(one_face), scorer=scorer)
    assert report.faces[0].crops >= 16
    assert report.timeline


def test_a_clip_whose_faces_are_mostly_unfit_is_read_again_every_frame(tmp_path: Path, scorer: FakeScorer) -> None:
    """Of 24 pictures in 4 s every second is a profile; of all 100 half is enough."""
    path, detector = scripted(tmp_path, 100, lambda call: one_face(call) if call % 2 else in_profile(call))
    report = analyze_video(path, detector=detector, scorer=scorer)
    (face,) = report.faces
    assert face.crops == 50
    assert face.not_scored == {"extreme pose": 50}
    assert {crop.key.stream_id for crop in scorer.pushed[:12]} != {crop.key.stream_id for crop in scorer.pushed[12:]}


def test_a_browsers_short_recording_says_no_duration_and_is_scored_all_the_same(
    tmp_path: Path, scorer: FakeScorer
) -> None:
    path = write_video(tmp_path / "recording.webm", moving_face(40), codec="libvpx", live=True)
    report = analyze_video(path, detector=YuNetDetector(), scorer=scorer)
    assert report.duration_s == pytest.approx(1.6)
    assert report.faces[0].windows > 0


@pytest.mark.parametrize("frames", [1, 2, 15])
def test_a_clip_of_fewer_than_sixteen_frames_gets_no_score(tmp_path: Path, scorer: FakeScorer, frames: int) -> None:
    path, detector = scripted(tmp_path, frames, one_face)
    with pytest.raises(NoFacesError, match=f"16 times in a row.*best one was {frames} times"):
        analyze_video(path, detector=detector, scorer=scorer)
    assert scorer.clips == []


@pytest.mark.parametrize("aggregate", ["windows", "evenly_spaced"])
def test_a_video_without_a_face_says_how_much_was_looked_at(tmp_path: Path, scorer: FakeScorer, aggregate: str) -> None:
    path = write_video(tmp_path / "wall.mp4", textured(700))
    with pytest.raises(NoFacesError, match=r"no face was found in 168 of 700 pictures of wall\.mp4"):
        analyze_video(path, detector=ScriptedDetector([]), scorer=scorer, aggregate=aggregate)


def test_faces_never_fit_say_why(tmp_path: Path, scorer: FakeScorer) -> None:
    path, detector = scripted(tmp_path, 100, lambda _: [a_detection(10, 10, 30), a_detection(-50, 80, 90)])
    with pytest.raises(NoFacesError, match=r"2 faces found.*never fit.*24 x cut off .* 24 x too small"):
        analyze_video(path, detector=detector, scorer=scorer)
    assert scorer.pushed == []


def test_several_faces_are_reported_apart_and_the_most_suspicious_decides(tmp_path: Path, scorer: FakeScorer) -> None:
    pictures = [np.where(np.arange(320)[None, :, None] < 160, picture // 2, picture) for picture in textured(100)]
    path = write_video(tmp_path / "two.mp4", [picture.astype(np.uint8) for picture in pictures])
    detector = ScriptedDetector(lambda _: [a_detection(30, 40, 80), a_detection(210, 40, 80)])
    report = analyze_video(path, detector=detector, scorer=scorer)
    dark, bright = report.faces
    assert dark.fake_probability is not None
    assert bright.fake_probability is not None
    assert dark.fake_probability < 0.4 < bright.fake_probability
    assert report.raw_score == pytest.approx(bright.fake_probability)
    assert {point.face_id for point in report.timeline} == {dark.face_id, bright.face_id}


def test_a_face_that_comes_back_later_is_another_and_the_first_is_forgotten_at_once(
    tmp_path: Path, scorer: FakeScorer
) -> None:
    path, detector = scripted(tmp_path, 300, lambda call: [] if 20 <= call < 40 else one_face(call))
    report = analyze_video(path, detector=detector, scorer=scorer)
    assert [face.face_id for face in report.faces] == [1, 2]
    assert [key.face_id for key in scorer.forgotten] == [1, 2]


def test_no_window_reaches_over_a_jump_for_it_may_be_somebody_else(tmp_path: Path, scorer: FakeScorer) -> None:
    path, detector = scripted(tmp_path, 300, lambda call: [a_detection(40 if call < 30 else 120, 40, 80)])
    report = analyze_video(path, detector=detector, scorer=scorer)
    (face,) = report.faces
    assert face.not_scored == {"moved too fast to follow": 1}
    jump_s = 30 / 6
    assert [point for point in report.timeline if point.start_s < jump_s - 0.1 and point.end_s > jump_s + 0.1] == []
    assert face.windows == face.crops - 2 * 15


def test_two_calls_never_share_a_window(clip: Path, scorer: FakeScorer) -> None:
    for _ in range(2):
        analyze_video(clip, detector=YuNetDetector(), scorer=scorer)
    ids = list(dict.fromkeys(crop.key.stream_id for crop in scorer.pushed))
    assert len(ids) == 2
    assert all(":" in stream_id for stream_id in ids), "no live stream can be called so"


def test_progress_rises_to_one(clip: Path, scorer: FakeScorer) -> None:
    heard: list[float] = []
    analyze_video(clip, detector=YuNetDetector(), scorer=scorer, progress=heard.append)
    assert heard[-1] == 1.0
    assert heard == sorted(heard)
    assert 5 < len(heard) <= 102
    assert min(heard) >= 0


def test_it_stops_when_asked_and_leaves_nothing_behind(clip: Path, scorer: FakeScorer) -> None:
    detector = ScriptedDetector(lambda _: [a_detection(270, 130, 100)])
    with pytest.raises(VideoStoppedError, match=r"clip\.mp4 was not read"):
        analyze_video(clip, detector=detector, scorer=scorer, should_stop=lambda: len(detector.shapes) >= 20)
    assert len(detector.shapes) == 20


class BrokenScorer(FakeScorer):
    """Works for twenty faces, then its device is gone."""

    def push(self, crops: Sequence[FaceCrop]) -> list[WindowUpdate]:
        if len(self.pushed) == 20:
            raise ScorerError("the device is gone")
        return super().push(crops)


def test_a_scorer_that_fails_is_heard_and_its_windows_freed(clip: Path) -> None:
    scorer = BrokenScorer()
    with pytest.raises(ScorerError, match="the device is gone"):
        analyze_video(clip, detector=YuNetDetector(), scorer=scorer)
    assert scorer.windows == {}


class OverflowingScorer(FakeScorer):
    """Gives no number for the windows that end before `until_s`, nor for a clip."""

    def __init__(self, until_s: float) -> None:
        super().__init__()
        self._until_s = until_s

    def push(self, crops: Sequence[FaceCrop]) -> list[WindowUpdate]:
        return [
            replace(update, score=replace(update.score, logit=math.nan))
            if update.score and update.score.received_at_s < self._until_s
            else update
            for update in super().push(crops)
        ]

    def score_clip(self, crops: Sequence[Pixels], at_s: Sequence[float]) -> ClipScore:
        return ClipScore(math.nan, math.nan)


def test_windows_without_a_number_are_left_out_and_noted(clip: Path) -> None:
    report = analyze_video(clip, detector=YuNetDetector(), scorer=OverflowingScorer(4.0))
    assert math.isfinite(report.raw_score)
    assert report.timeline[0].end_s >= 4.0
    assert any("no number" in note for note in report.notes)


@pytest.mark.parametrize("aggregate", ["windows", "evenly_spaced"])
def test_a_video_without_any_number_is_never_called_real(clip: Path, aggregate: str) -> None:
    with pytest.raises(NoFacesError, match=r"no number for any of .* windows"):
        analyze_video(clip, detector=YuNetDetector(), scorer=OverflowingScorer(math.inf), aggregate=aggregate)


def test_without_trained_weights_nothing_is_judged(clip: Path) -> None:
    detector = ScriptedDetector([])
    with pytest.raises(WeightsError, match="no trained weights"):
        analyze_video(clip, detector=detector, scorer=FakeScorer(trained=False))
    assert detector.shapes == []


@pytest.mark.parametrize(
    ("name", "error"), [("nothing.mp4", MediaError), ("empty.mp4", NotAVideoError), ("text.mp4", NotAVideoError)]
)
def test_what_is_no_video_is_refused(tmp_path: Path, scorer: FakeScorer, name: str, error: type[MediaError]) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("hello")
    with pytest.raises(error, match=name):
        analyze_video(tmp_path / name, detector=ScriptedDetector([]), scorer=scorer)


def test_limits_are_kept(clip: Path, scorer: FakeScorer) -> None:
    with pytest.raises(TooLargeError, match="longer than 2 s"):
        analyze_video(clip, detector=ScriptedDetector([]), scorer=scorer, limits=VideoLimits(max_seconds=2))


def test_a_truncated_video_is_scored_as_far_as_it_goes_and_says_so(tmp_path: Path, scorer: FakeScorer) -> None:
    path = write_video(tmp_path / "cut.mkv", moving_face(150))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 7 // 10])
    report = analyze_video(path, detector=YuNetDetector(), scorer=scorer)
    assert 80 < report.frames_read < 130
    assert report.duration_s < 5.5
    assert any("ends after" in note for note in report.notes)


def _pictures(report: VideoReport) -> list[bool]:
    return [bool(face.peak and face.peak.pictures) for face in report.faces]


def test_each_face_has_its_peak_in_the_timeline_with_the_evidence(clip: Path, scorer: FakeScorer) -> None:
    report = analyze_video(clip, detector=YuNetDetector(), scorer=scorer)
    (face,) = report.faces
    assert face.peak is not None
    highest = max(report.timeline, key=lambda point: point.logit)
    assert (face.peak.at_s, face.peak.fake_probability) == (highest.end_s, highest.fake_probability)
    assert face.peak.evidence is not None
    assert math.fsum(face.peak.evidence.counted) / 16 == pytest.approx(highest.logit)
    assert highest.window_logit == 0.0
    assert highest.frame_logit == pytest.approx(math.fsum(face.peak.evidence.frame_logits) / 16)


def test_pictures_are_kept_only_on_request_and_are_those_of_the_peak(tmp_path: Path, scorer: FakeScorer) -> None:
    """Brightest in the middle: the peak's 16 crops are gone from the rolling window long before the end."""
    levels = [int(60 + 120 * math.sin(math.pi * i / 200)) for i in range(200)]
    pictures = [
        (picture // 4 + level - 32).astype(np.uint8) for picture, level in zip(textured(200), levels, strict=True)
    ]
    path = write_video(tmp_path / "clip.mp4", pictures)
    assert _pictures(analyze_video(path, detector=ScriptedDetector(one_face), scorer=scorer)) == [False]
    report = analyze_video(path, detector=ScriptedDetector(one_face), scorer=scorer, keep_pictures=True)
    (face,) = report.faces
    assert face.peak is not None
    assert face.peak.pictures is not None
    assert [picture.shape for picture in face.peak.pictures] == [(224, 224, 3)] * 16
    brightness = np.mean([picture.mean() for picture in face.peak.pictures]) / 255
    assert face.peak.fake_probability == pytest.approx(brightness)


def test_faces_that_come_and_go_each_keep_the_pictures_of_their_peak(tmp_path: Path, scorer: FakeScorer) -> None:
    path, detector = scripted(tmp_path, 300, lambda call: [] if 20 <= call < 40 else one_face(call))
    report = analyze_video(path, detector=detector, scorer=scorer, keep_pictures=True)
    assert _pictures(report) == [True, True]


def test_a_change_of_resolution_begins_new_windows(tmp_path: Path, scorer: FakeScorer) -> None:
    small = write_video(tmp_path / "a.ts", moving_face(100, (480, 270)))
    large = write_video(tmp_path / "b.ts", moving_face(100, (640, 360)))
    joined = tmp_path / "joined.ts"
    joined.write_bytes(small.read_bytes() + large.read_bytes())
    report = analyze_video(joined, detector=YuNetDetector(), scorer=scorer)
    assert [face.windows > 0 for face in report.faces] == [True, True]
    assert (report.width, report.height) == (480, 270)


@pytest.mark.parametrize(("width", "height"), [(16, 16), (2, 2)])
def test_tiny_frames_have_no_face_and_do_no_harm(tmp_path: Path, scorer: FakeScorer, width: int, height: int) -> None:
    path = write_video(tmp_path / "tiny.avi", [np.zeros((height, width, 3), np.uint8)] * 30, codec="mpeg4")
    with pytest.raises(NoFacesError, match="no face was found"):
        analyze_video(path, detector=YuNetDetector(), scorer=scorer)


def test_a_phones_sideways_video_is_judged_upright(tmp_path: Path, scorer: FakeScorer) -> None:
    pictures = [np.ascontiguousarray(np.rot90(face_on_canvas(320 + i, 180), -1)) for i in range(50)]
    path = write_video(tmp_path / "phone.mp4", pictures, rotation=90)
    report = analyze_video(path, detector=YuNetDetector(), scorer=scorer)
    assert (report.width, report.height) == (640, 360)
    assert report.faces[0].windows > 0


def test_the_same_video_gets_the_same_report(clip: Path, scorer: FakeScorer) -> None:
    first, second = (analyze_video(clip, detector=YuNetDetector(), scorer=scorer) for _ in range(2))
    assert first == second
