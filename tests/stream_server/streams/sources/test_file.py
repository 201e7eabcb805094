from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from analyzer.datatypes import Pixels
from analyzer.errors import SourceErrorKind
from stream_server.streams.sources.address import AddressRules, parse_address
from stream_server.streams.sources.base import Backoff, StreamState
from stream_server.streams.sources.file import FileSource
from tests.cameras import encode_clip, face_pictures
from tests.recorder import Recorder, running
from tests.videos import moving_face, write_video

ANY = AddressRules()


def _make(path: Path, recorder: Recorder, *, seamless: bool = False, rules: AddressRules = ANY) -> FileSource:
    return FileSource(
        "clip",
        parse_address(str(path), trusted=not rules.folders, rules=rules),
        rules,
        on_frame=recorder.on_frame,
        on_status=recorder.on_status,
        seamless=seamless,
        backoff=Backoff(first_s=0.1, longest_s=0.2),
    )


def _short(path: Path, count: int = 6, fps: int = 15, size: tuple[int, int] = (320, 240)) -> Path:
    return write_video(path, moving_face(count, size), fps)


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".flv", ".mov", ".webm", ".ts"])
async def test_every_container_plays_in_real_time(tmp_path: Path, suffix: str) -> None:
    codec = "libvpx" if suffix == ".webm" else "libx264"
    path = write_video(tmp_path / f"clip{suffix}", moving_face(8, (320, 240)), 15, codec)
    recorder = Recorder()
    async with running(_make(path, recorder)):
        recorder.wait_frames(8)
        status = recorder.wait_state(StreamState.LIVE)
    first, last = recorder.frames[0], recorder.frames[7]
    assert (status.width, status.height, status.fps) == (320, 240, 15)
    assert (first.generation, first.index, first.pts_s) == (1, 0, 0)
    assert last.pts_s == pytest.approx(7 / 15, abs=0.01)
    assert last.received_at_s - first.received_at_s >= 0.5 * 7 / 15, "faster than it was filmed"


async def test_the_cut_from_end_to_start_is_a_new_generation(tmp_path: Path) -> None:
    recorder = Recorder()
    async with running(_make(_short(tmp_path / "clip.mp4"), recorder)):
        recorder.wait_frames(20)
    frames = list(recorder.frames)[:18]
    assert [f.generation for f in frames] == [1] * 6 + [2] * 6 + [3] * 6
    assert [f.index for f in frames] == list(range(6)) * 3
    assert all(f.may_repeat for f in frames)


async def test_a_seamless_clip_goes_round_without_a_cut(tmp_path: Path) -> None:
    recorder = Recorder()
    async with running(_make(_short(tmp_path / "clip.mp4"), recorder, seamless=True)):
        recorder.wait_frames(20)
    frames = list(recorder.frames)[:20]
    assert {f.generation for f in frames} == {1}
    assert [f.index for f in frames] == list(range(20))
    assert [f.pts_s for f in frames] == pytest.approx([i / 15 for i in range(20)], abs=0.01)
    pace = (frames[-1].received_at_s - frames[0].received_at_s) / (19 / 15)
    assert pace >= 0.5, "faster than it was filmed"


async def test_raw_h264_without_time_stamps_is_played_at_the_rate_it_names(tmp_path: Path) -> None:
    clip = encode_clip(tmp_path / "units", "h264", face_pictures(320, 240)[:10])
    data = clip.path.read_bytes()
    raw = io.BytesIO()
    position = 0
    while position < len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        raw.write(data[position + 4 : position + 4 + length])
        position += 4 + length
    path = tmp_path / "clip.h264"
    path.write_bytes(raw.getvalue())
    recorder = Recorder()
    async with running(_make(path, recorder)):
        recorder.wait_frames(8)
    assert all(f.pts_s is not None for f in recorder.frames)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.mp4", b""),
        ("text.mp4", b"this is no video\n" * 100),
        ("noise.mp4", bytes(range(256)) * 64),
        ("list.m3u8", b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n#EXT-X-ENDLIST\n"),
        ("list.ffconcat", b"ffconcat version 1.0\nfile /etc/passwd\n"),
        ("session.sdp", b"v=0\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n"),
        ("picture.ppm", b"P6 1 1 255\nabc"),
    ],
)
async def test_what_is_no_video_is_lost_with_a_reason_and_tried_again(
    tmp_path: Path, name: str, content: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    recorder = Recorder()
    async with running(_make(path, recorder)):
        status = recorder.wait_state(StreamState.LOST)
        recorder.wait("another try", lambda: [s.state for s in recorder.statuses].count(StreamState.LOST) >= 2)
    assert status.error_kind is SourceErrorKind.NO_MEDIA
    assert name in (status.message or "")
    assert status.retry_in_s is not None
    assert recorder.count == 0


async def test_a_truncated_video_is_lost_or_plays_what_is_there(tmp_path: Path) -> None:
    whole = _short(tmp_path / "whole.mkv", 30).read_bytes()
    path = tmp_path / "half.mkv"
    path.write_bytes(whole[: len(whole) // 2])
    recorder = Recorder()
    async with running(_make(path, recorder)):
        recorder.wait("frames or a reason", lambda: recorder.count > 3 or len(recorder.statuses) > 1)


async def test_a_missing_file_is_not_found_and_plays_once_it_is_there(tmp_path: Path) -> None:
    path = tmp_path / "later.mp4"
    recorder = Recorder()
    async with running(_make(path, recorder)):
        status = recorder.wait_state(StreamState.LOST)
        _short(tmp_path / "part.mp4").rename(path)
        recorder.wait_state(StreamState.LIVE)
    assert status.error_kind is SourceErrorKind.NOT_FOUND


async def test_a_file_that_vanishes_while_it_plays_is_lost_at_the_end_of_its_round(tmp_path: Path) -> None:
    path = _short(tmp_path / "clip.mp4")
    recorder = Recorder()
    async with running(_make(path, recorder)):
        recorder.wait_frames(1)
        path.unlink()
        status = recorder.wait_state(StreamState.LOST)
    assert status.error_kind is SourceErrorKind.NOT_FOUND


async def test_a_file_swapped_for_a_link_is_not_opened_again(tmp_path: Path) -> None:
    rules = AddressRules(folders=(tmp_path / "open",))
    (tmp_path / "open").mkdir()
    secret = _short(tmp_path / "secret.mp4")
    path = _short(tmp_path / "open" / "clip.mp4")
    recorder = Recorder()
    async with running(_make(path, recorder, rules=rules)):
        recorder.wait_frames(1)
        path.unlink()
        path.symlink_to(secret)
        status = recorder.wait_state(StreamState.LOST)
    assert status.error_kind is SourceErrorKind.FORBIDDEN


async def test_a_name_that_looks_like_a_protocol_is_only_a_name(tmp_path: Path) -> None:
    path = tmp_path / "concat:a|b.mp4"
    _short(tmp_path / "a.mp4").rename(path)
    recorder = Recorder()
    async with running(_make(path, recorder)):
        recorder.wait_frames(1)


@pytest.mark.parametrize("size", [(2, 2), (16, 16), (4096, 2304)], ids=str)
async def test_tiny_and_huge_pictures_play(tmp_path: Path, size: tuple[int, int]) -> None:
    def pictures() -> Iterable[Pixels]:
        for shade in (50, 60, 70):
            yield np.full((size[1], size[0], 3), shade, np.uint8)

    path = write_video(tmp_path / "clip.mp4", pictures())
    recorder = Recorder()
    async with running(_make(path, recorder)):
        frame = recorder.wait_frames(3)
    assert (frame.video_frame.width, frame.video_frame.height) == size


async def test_a_video_of_one_picture_goes_round(tmp_path: Path) -> None:
    recorder = Recorder()
    async with running(_make(_short(tmp_path / "clip.mp4", 1), recorder)):
        recorder.wait_frames(3)


async def test_stopping_does_not_wait_for_the_next_frame(tmp_path: Path) -> None:
    path = write_video(tmp_path / "slow.mp4", moving_face(30, (320, 240)), 1)
    recorder = Recorder()
    async with running(_make(path, recorder)):
        recorder.wait_frames(1)
    assert recorder.count < 5, "of thirty seconds"


async def test_many_rounds_leave_no_descriptor(tmp_path: Path) -> None:
    path = _short(tmp_path / "clip.mp4", 2, fps=60)
    recorder = Recorder()
    async with running(_make(path, recorder)):
        recorder.wait_frames(4)
        before = _open_files()
        recorder.wait_frames(40)
        assert _open_files() <= before + 1  # the round in play
