from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from analyzer.datatypes import Pixels
from analyzer.errors import MediaError, NotAVideoError
from analyzer.evaluation.sections.redelivery import (
    LOSSLESS,
    Encoding,
    Known,
    Recipe,
    fingerprint,
    look_at,
    nal_type,
    nal_units,
    redeliver,
)
from analyzer.faces.detector import YuNetDetector
from analyzer.video.video_file import VideoFile
from tests.fakes import ScriptedDetector, a_detection
from tests.videos import moving_face, write_video

KNOWN = Known(320, 240, 25.0, 105.0, seed=1)
LOSSY = Encoding("libx264", {"tune": "zerolatency", "crf": "23", "x264-params": "slice-max-size=300:aud=1"}, lost=0.1)


def a_clip(path: Path, frames: int = 20, size: tuple[int, int] = (320, 240)) -> Path:
    return write_video(path, moving_face(frames, size))


def pictures(path: Path) -> list[tuple[float, Pixels]]:
    with VideoFile(path) as video:
        return [(one.at_s, np.asarray(one.video_frame.to_ndarray(), np.uint8)) for one in video.frames()]


def deliver(source: Path, recipe: Recipe, folder: Path, known: Known = KNOWN, seconds: float = 60.0) -> Path:
    folder.mkdir(exist_ok=True)
    return redeliver(source, recipe, known, folder, seconds)


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p"])
def test_a_lossless_delivery_changes_no_pixel_and_no_time(tmp_path: Path, pixel_format: str) -> None:
    source = tmp_path / "clip.mp4"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, pixel_format
        for picture in moving_face(10, (320, 240)):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    before, after = pictures(source), pictures(deliver(source, Recipe(), tmp_path / "out"))
    assert len(before) == len(after) == 10
    for (then_s, then), (now_s, now) in zip(before, after, strict=True):
        assert now_s == pytest.approx(then_s, abs=0.001)
        assert np.array_equal(then, now)


def test_only_the_first_seconds_are_delivered(tmp_path: Path) -> None:
    source = a_clip(tmp_path / "clip.mp4", frames=30)
    assert len(pictures(deliver(source, Recipe(), tmp_path / "out", seconds=0.4))) == 10


def test_a_phones_video_arrives_upright(tmp_path: Path) -> None:
    source = write_video(tmp_path / "phone.mp4", moving_face(5, (320, 240)), rotation=90)
    known = look_at(source, 60.0, ScriptedDetector([]))
    assert (known.width, known.height) == (240, 320)
    with VideoFile(deliver(source, Recipe(), tmp_path / "out", known)) as video:
        frame = next(video.frames()).video_frame
        assert (frame.width, frame.height, frame.rotation) == (240, 320, 0)
        upright = np.rot90(next(iter(moving_face(1, (320, 240)))))
        difference = np.abs(frame.to_ndarray(format="rgb24").astype(int) - upright)
        assert difference.mean() < 6


def test_odd_sides_lose_a_line(tmp_path: Path) -> None:
    source = tmp_path / "odd.mkv"
    with av.open(str(source), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 321, 241, "yuv420p"
        for picture in moving_face(3, (321, 241)):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    known = look_at(source, 60.0, ScriptedDetector([]))
    assert (known.width, known.height) == (320, 240)
    assert len(pictures(deliver(source, Recipe(), tmp_path / "out", known))) == 3


def test_scaling_gives_the_size_asked_for_in_even_pixels(tmp_path: Path) -> None:
    source = a_clip(tmp_path / "clip.mp4", frames=3)
    with VideoFile(deliver(source, Recipe(scale=0.37), tmp_path / "out")) as video:
        assert (video.width, video.height) == (118, 88)


def test_fewer_pictures_a_second_are_evenly_chosen(tmp_path: Path) -> None:
    source = a_clip(tmp_path / "clip.mp4", frames=50)
    times = [at_s for at_s, _ in pictures(deliver(source, Recipe(max_fps=12.5), tmp_path / "out"))]
    assert np.diff(times) == pytest.approx(0.08, abs=0.002)
    assert len(times) == 25


def test_stronger_compression_is_further_from_the_original(tmp_path: Path) -> None:
    source = a_clip(tmp_path / "clip.mp4", frames=10)
    original = pictures(source)

    def error(crf: int) -> float:
        recipe = Recipe(Encoding("libx264", {"preset": "veryfast", "tune": "zerolatency", "crf": str(crf)}))
        arrived = pictures(deliver(source, recipe, tmp_path / str(crf)))
        differences = [then.astype(int) - now for (_, then), (_, now) in zip(original, arrived, strict=True)]
        return float(np.mean(np.square(differences)))

    assert 0 < error(23) < error(32) < error(40)


def test_lost_packets_damage_pictures_and_it_still_decodes(tmp_path: Path) -> None:
    source = a_clip(tmp_path / "clip.mp4", frames=40)
    whole = deliver(source, Recipe(replace(LOSSY, lost=1e-9)), tmp_path / "whole")
    holes = deliver(source, Recipe(LOSSY), tmp_path / "holes")
    with VideoFile(holes) as video:
        arrived = [frame.video_frame.to_ndarray(format="gray") for frame in video.frames()]
        assert 10 < len(arrived) < 40
        # pictures that the decoder patched are left out by the serving code, as they are live
        assert video.damaged + len(arrived) >= 30
    complete = [cv2.cvtColor(planes, cv2.COLOR_YUV2GRAY_I420) for _, planes in pictures(whole)]
    nearest = [min(float(np.abs(one.astype(int) - other).mean()) for other in complete) for one in arrived]
    assert max(nearest) > 0  # what was lost is missed in the pictures built upon it


def test_loss_is_the_same_each_time_and_another_for_another_video(tmp_path: Path) -> None:
    source = a_clip(tmp_path / "clip.mp4")
    first, again = (deliver(source, Recipe(LOSSY), tmp_path / name).read_bytes() for name in ("a", "b"))
    other = deliver(source, Recipe(LOSSY), tmp_path / "c", replace(KNOWN, seed=2)).read_bytes()
    assert first == again
    assert first != other


def test_key_frames_always_arrive(tmp_path: Path) -> None:
    source = a_clip(tmp_path / "clip.mp4", frames=60)
    options = {**LOSSY.options, "g": "20"}
    arrived = deliver(source, Recipe(Encoding("libx264", options, lost=0.999)), tmp_path / "out")
    with av.open(str(arrived)) as container:
        units = [unit for packet in container.demux(video=0) for unit in nal_units(bytes(packet))]
    assert {nal_type(unit) for unit in units} >= {5, 7, 8}
    assert sum(nal_type(unit) == 1 for unit in units) <= 3


def test_nal_units_put_together_are_the_stream() -> None:
    stream = b"\0\0\0\1\x67ab" + b"\0\0\1\x68" + b"\0\0\0\1\x41\0\0c"
    units = nal_units(stream)
    assert b"".join(units) == stream
    assert [nal_type(unit) for unit in units] == [7, 8, 1]
    assert nal_units(b"") == nal_units(b"no start code") == []


def test_a_face_is_measured_by_its_median(tmp_path: Path) -> None:
    source = a_clip(tmp_path / "clip.mp4", frames=75)  # looked at six times
    sizes = iter([[60.0], [], [50.0, 100.0], [80.0], [90.0], []])
    detector = ScriptedDetector([[a_detection(0, 0, size) for size in each] for each in sizes])
    known = look_at(source, 60.0, detector)
    assert known.face_px == 85  # of 60, 100, 80, 90
    assert len(detector.shapes) == 6
    assert (known.width, known.height, known.fps) == (320, 240, 25)


def test_a_real_face_is_measured_and_no_face_is_none(tmp_path: Path) -> None:
    known = look_at(a_clip(tmp_path / "clip.mp4"), 60.0, YuNetDetector())
    assert known.face_px == pytest.approx(105, rel=0.15)
    grey = write_video(tmp_path / "grey.mp4", [np.full((120, 160, 3), 90, np.uint8)] * 5)
    assert look_at(grey, 60.0, YuNetDetector()).face_px is None


def test_what_is_no_video_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"not a video" * 100)
    empty = tmp_path / "empty.mp4"
    empty.touch()
    for path in (broken, empty):
        with pytest.raises(NotAVideoError, match=path.name):
            look_at(path, 6.0, ScriptedDetector([]))
        with pytest.raises(NotAVideoError, match=path.name):
            deliver(path, Recipe(), tmp_path / "out")
    with pytest.raises(MediaError, match=r"missing\.mp4"):
        look_at(tmp_path / "missing.mp4", 6.0, ScriptedDetector([]))


def test_of_a_film_of_hours_the_first_seconds_are_used(tmp_path: Path) -> None:
    path = write_video(tmp_path / "long.mp4", [np.zeros((32, 32, 3), np.uint8)] * 1802, fps=1)
    known = look_at(path, 6.0, ScriptedDetector([]))
    assert (known.width, known.fps) == (32, 1)
    assert len(pictures(deliver(path, Recipe(), tmp_path / "out", known, seconds=6.0))) == 6


@pytest.mark.parametrize("size", [(64, 1), (1, 64)])
def test_pictures_without_even_sides_cost_only_themselves(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "thin.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("png", rate=25)
        stream.width, stream.height, stream.pix_fmt = *size, "rgb24"
        picture = np.zeros((size[1], size[0], 3), np.uint8)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    with pytest.raises(MediaError, match="cannot have even sides"):
        look_at(path, 6.0, ScriptedDetector([]))
    with pytest.raises(MediaError, match="cannot have even sides"):
        deliver(path, Recipe(), tmp_path / "out")


class Refuses:
    """Converts nothing, as FFmpeg does with some formats of pixels."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __call__(self) -> Refuses:
        return self

    def reformat(self, *_: object, **__: object) -> av.VideoFrame:
        raise self._error


@pytest.mark.parametrize("error", [av.error.InvalidDataError(22, "no"), ValueError("no")], ids=["FFmpeg", "PyAV"])
def test_pictures_that_cannot_be_converted_cost_only_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    source = a_clip(tmp_path / "clip.mp4", frames=2)
    monkeypatch.setattr("analyzer.evaluation.sections.redelivery.VideoReformatter", Refuses(error))
    with pytest.raises(MediaError, match="format yuv420p cannot be converted"):
        look_at(source, 6.0, ScriptedDetector([]))
    with pytest.raises(MediaError, match="cannot be re-delivered"):
        deliver(source, Recipe(), tmp_path / "out")


def test_what_is_no_plain_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    (tmp_path / "folder.mp4").mkdir()
    for name in ("pipe.mp4", "folder.mp4"):
        with pytest.raises(MediaError, match=f"{name} is no plain file"):
            fingerprint(tmp_path / name)
    for name in ("a\0b.mp4", "x" * 300):
        with pytest.raises(MediaError, match="cannot be read"):
            fingerprint(tmp_path / name)


def test_an_encoder_that_refuses_is_a_media_error(tmp_path: Path) -> None:
    source = a_clip(tmp_path / "clip.mp4", frames=2)
    with pytest.raises(MediaError, match="re-delivered with libx264"):
        deliver(source, Recipe(Encoding("libx264", {"preset": "no such preset"})), tmp_path / "out")


def test_a_fingerprint_tells_files_apart(tmp_path: Path) -> None:
    one, same, other, longer = (tmp_path / name for name in ("one", "same", "other", "longer"))
    one.write_bytes(b"a" * 3_000_000)
    same.write_bytes(b"a" * 3_000_000)
    other.write_bytes(b"a" * 2_999_999 + b"b")
    longer.write_bytes(b"a" * 3_000_001)
    assert fingerprint(one) == fingerprint(same)
    assert len({fingerprint(path) for path in (one, other, longer)}) == 3
    with pytest.raises(MediaError, match="missing"):
        fingerprint(tmp_path / "missing")


def test_lossless_is_what_a_plain_recipe_does() -> None:
    assert Recipe().keeps_pixels
    assert Recipe(max_fps=6).keeps_pixels
    assert not Recipe(scale=0.5).keeps_pixels
    assert not Recipe(replace(LOSSLESS, codec="libvpx")).keeps_pixels
