from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from analyzer.errors import MediaError, NotAVideoError, TooLargeError
from analyzer.video.video_file import MediaClock, TimedFrame, VideoFile, VideoLimits
from tests.lossy import KEYFRAMES, Unit, encoded
from tests.videos import astronaut, moving_face, write_video


def read(path: Path, limits: VideoLimits | None = None) -> list[TimedFrame]:
    with VideoFile(path, limits) as video:
        return list(video.frames())


def open_descriptors() -> int:
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
def test_a_title_in_an_old_encoding_keeps_nobody_from_the_video(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"old.{suffix}"
    with av.open(path, "w", metadata_encoding="latin-1") as container:
        container.metadata["title"] = "Müller"
        stream = container.add_stream("libx264" if suffix != "avi" else "mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for picture in moving_face(3, (320, 240)):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    assert b"M\xfcller" in path.read_bytes()
    assert len(read(path)) == 3


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        ("mp4", "libx264"),
        ("mov", "libx264"),
        ("mkv", "libx264"),
        ("flv", "flv1"),
        ("avi", "mpeg4"),
        ("webm", "libvpx"),
        ("ts", "libx264"),
        ("mpg", "mpeg1video"),
    ],
)
def test_reads_what_people_upload(tmp_path: Path, suffix: str, codec: str) -> None:
    path = write_video(tmp_path / f"clip.{suffix}", moving_face(12, (160, 96), 60), codec=codec)
    with VideoFile(path) as video:
        assert (video.width, video.height) == (160, 96)
        assert video.fps == pytest.approx(25, rel=0.01)
        frames = list(video.frames())
        assert video.damaged == 0
    assert [frame.index for frame in frames] == list(range(12))
    assert [frame.at_s for frame in frames] == pytest.approx([i / 25 for i in range(12)], abs=0.002)
    assert all(0 <= a.progress <= b.progress <= 1 for a, b in itertools.pairwise(frames))


def a_jpeg() -> bytes:
    return bytes(cv2.imencode(".jpg", astronaut())[1])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        pytest.param("empty.mp4", b"", "empty", id="0 bytes"),
        pytest.param("note.mp4", b"this is no video\n" * 100, "not a video", id="text"),
        pytest.param("page.webm", b"<html><body>404</body></html>", "not a video", id="an HTML error page"),
        pytest.param("random.avi", np.random.default_rng(0).bytes(50_000), "not a video", id="noise"),
        pytest.param("photo.mp4", a_jpeg(), "not a video", id="a picture"),
        pytest.param("head.mp4", b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41", "not a video", id="only a header"),
        pytest.param("head.mkv", b"\x1a\x45\xdf\xa3", "not a video", id="only four bytes"),
    ],
)
def test_what_is_no_video_is_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    before = open_descriptors()
    with pytest.raises(NotAVideoError, match=message) as caught:
        read(path)
    assert name in str(caught.value)
    assert str(tmp_path) not in str(caught.value)
    assert open_descriptors() == before


@pytest.mark.parametrize(
    "script",
    [
        pytest.param("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n", id="HLS playlist"),
        pytest.param("ffconcat version 1.0\nfile {}\n", id="concat script"),
        pytest.param("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/{}\n", id="HLS playlist of the network"),
    ],
)
def test_a_file_cannot_make_us_open_another_one(tmp_path: Path, script: str) -> None:
    write_video(tmp_path / "secret.ts", moving_face(5, (160, 96), 60))
    path = tmp_path / "upload.mp4"
    path.write_text(script.format("secret.ts"))
    with pytest.raises(NotAVideoError):
        read(path)


@pytest.mark.parametrize("name", ["concat:a.mp4|b.mp4", "http:%2F%2Fx.mp4", "pipe:0", "clip-%03d.mp4"])
def test_a_file_whose_name_looks_like_an_address_is_just_a_file(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_video(tmp_path / "plain.mp4", moving_face(3, (160, 96), 60)).rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert len(read(Path(name))) == 3


def test_sound_without_pictures_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 48000), np.float32), format="fltp", layout="mono")
        sound.sample_rate, sound.pts, sound.time_base = 48000, 0, Fraction(1, 48000)
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    with pytest.raises(NotAVideoError, match="no video stream, only audio"):
        read(path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(lambda path: None, "there is no file", id="missing"),
        pytest.param(Path.mkdir, "no plain file", id="a folder"),
        pytest.param(os.mkfifo, "no plain file", id="a FIFO that would block for ever"),
    ],
)
def test_what_is_no_plain_file_is_not_opened(tmp_path: Path, make: Callable[[Path], None], message: str) -> None:
    path = tmp_path / "thing.mp4"
    make(path)
    with pytest.raises(MediaError, match=message):
        VideoFile(path)


def cut(path: Path, share: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def test_an_mp4_cut_off_before_its_index_is_no_video(tmp_path: Path) -> None:
    with pytest.raises(NotAVideoError, match="cut off"):
        read(cut(write_video(tmp_path / "clip.mp4", moving_face(25)), 0.6))


@pytest.mark.parametrize(("suffix", "codec"), [("mkv", "libx264"), ("ts", "libx264"), ("avi", "mpeg4")])
def test_a_truncated_video_is_read_as_far_as_it_goes(tmp_path: Path, suffix: str, codec: str) -> None:
    path = cut(write_video(tmp_path / f"clip.{suffix}", moving_face(50), codec=codec), 0.5)
    assert 10 < len(read(path)) < 45


def test_a_hole_in_the_middle_is_skipped_and_counted(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mkv", moving_face(60), codec="mpeg4")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = bytes(3000)
    path.write_bytes(data)
    frames = read(path)
    assert 20 < len(frames) <= 60
    assert all(a.at_s < b.at_s for a, b in itertools.pairwise(frames))


def test_what_rests_on_a_damaged_picture_is_marked(tmp_path: Path) -> None:
    units = encoded(moving_face(3 * KEYFRAMES))
    hurt = KEYFRAMES + 5
    units[hurt] = Unit(units[hurt].data[: len(units[hurt].data) // 2])
    path = tmp_path / "clip.h264.mkv"
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 640, 360, "yuv420p"
        for index, unit in enumerate(units):
            packet = av.Packet(unit.data)
            packet.stream, packet.pts, packet.dts = stream, index, index
            packet.time_base, packet.is_keyframe = Fraction(1, 25), index % KEYFRAMES == 0
            container.mux(packet)
    with VideoFile(path) as video:
        frames = list(video.frames())
        assert video.damaged == 1
    hit = [round(frame.at_s * 25) for frame in frames if frame.damaged]
    assert hit == list(range(hurt + 1, 2 * KEYFRAMES))


def test_a_video_stream_without_one_decodable_picture_is_no_video(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", moving_face(10))
    data = bytearray(path.read_bytes())
    start, end = data.index(b"mdat") + 4, data.index(b"moov") - 4
    data[start:end] = bytes(end - start)
    path.write_bytes(data)
    with pytest.raises(NotAVideoError, match="not one picture"):
        read(path)


def test_the_resolution_and_the_clock_may_change_on_the_way(tmp_path: Path) -> None:
    first = write_video(tmp_path / "a.ts", moving_face(20, (320, 180)))
    second = write_video(tmp_path / "b.ts", moving_face(20, (640, 360)))
    with first.open("ab") as joined, second.open("rb") as other:
        shutil.copyfileobj(other, joined)
    frames = read(first)
    assert {frame.video_frame.width for frame in frames} == {320, 640}
    times = [frame.at_s for frame in frames]
    assert all(0 < b - a < 1 for a, b in itertools.pairwise(times))


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        pytest.param(VideoLimits(max_seconds=0.5), "longer than 0.5 s", id="seconds"),
        pytest.param(VideoLimits(max_pixels=320 * 180 - 1), "320 x 180", id="pixels"),
        pytest.param(VideoLimits(max_frames=10), "more than 10 frames", id="frames"),
    ],
)
@pytest.mark.parametrize("suffix", ["mp4", "ts"])
def test_limits_are_kept(tmp_path: Path, limits: VideoLimits, message: str, suffix: str) -> None:
    path = write_video(tmp_path / f"clip.{suffix}", moving_face(25, (320, 180)))
    before = open_descriptors()
    with pytest.raises(TooLargeError, match=message):
        read(path, limits)
    assert open_descriptors() == before


def test_a_picture_that_grows_beyond_the_limit_on_the_way_is_refused(tmp_path: Path) -> None:
    first = write_video(tmp_path / "a.ts", moving_face(20, (320, 180)))
    second = write_video(tmp_path / "b.ts", moving_face(20, (640, 360)))
    with first.open("ab") as joined, second.open("rb") as other:
        shutil.copyfileobj(other, joined)
    with pytest.raises(TooLargeError, match="640 x 360"):
        read(first, VideoLimits(max_pixels=320 * 180))


def test_the_file_is_closed_when_reading_stops_half_way(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", moving_face(25, (320, 180)))
    before = open_descriptors()
    with VideoFile(path) as video:
        next(video.frames())
    assert open_descriptors() == before


@pytest.mark.parametrize(
    ("stamps", "expected"),
    [
        pytest.param([0, 0.04, 0.08], [0, 0.04, 0.08], id="honest"),
        pytest.param([1.4, 1.44, 1.48], [0, 0.04, 0.08], id="starting late"),
        pytest.param([None, None, None], [0, 0.04, 0.08], id="missing"),
        pytest.param([0, 0, 0], [0, 0.04, 0.08], id="standing still"),
        pytest.param([0, 0.5, 2.0], [0, 0.5, 2.0], id="variable frame rate"),
        pytest.param([10, 10.04, 0, 0.04], [0, 0.04, 0.08, 0.12], id="starting again"),
        pytest.param([0, 0.04, 47721.8, 47721.9], [0, 0.04, 0.08, 0.18], id="leaping as on a wrap"),
        pytest.param([0, None, 0.08], [0, 0.04, 0.08], id="one missing"),
        pytest.param([0, 0.04, float("nan"), 0.14], [0, 0.04, 0.08, 0.14], id="no number"),
        pytest.param([None, 5.0, 5.04], [0, 0.04, 0.08], id="known only later"),
    ],
)
def test_the_clock_always_rises(stamps: list[float | None], expected: list[float]) -> None:
    clock = MediaClock(fps=25)
    assert [clock.tick(stamp) for stamp in stamps] == pytest.approx(expected)
