from __future__ import annotations

import io

import av
import pytest

from stream_server.events.recording import clip
from stream_server.events.recording.clip import clip_mp4
from tests.recorded import a_jpeg, a_past_picture


def _read(data: bytes) -> tuple[str, list[av.VideoFrame]]:
    with av.open(io.BytesIO(data), "r") as container:
        stream = container.streams.video[0]
        return stream.codec_context.name, list(container.decode(stream))


def test_a_clip_plays_with_the_times_that_its_pictures_had() -> None:
    times = [100.0, 100.5, 100.66, 101.9]
    data = clip_mp4([a_past_picture(at_s) for at_s in times])
    assert data is not None
    codec, frames = _read(data)
    assert codec == "h264"
    assert [frame.time for frame in frames] == pytest.approx([at_s - 100 for at_s in times], abs=0.002)
    assert {(frame.width, frame.height) for frame in frames} == {(96, 54)}


def test_pictures_of_several_sizes_get_that_of_the_largest_and_sides_are_even() -> None:
    pictures = [a_past_picture(1.0, a_jpeg(48, 27)), a_past_picture(1.5, a_jpeg(97, 55)), a_past_picture(2.0)]
    data = clip_mp4(pictures)
    assert data is not None
    assert {(frame.width, frame.height) for frame in _read(data)[1]} == {(96, 54)}


def test_times_that_stand_still_or_go_back_do_not_break_it() -> None:
    data = clip_mp4([a_past_picture(at_s) for at_s in (5.0, 5.0, 4.0, 6.0)])
    assert data is not None
    assert len(_read(data)[1]) == 4


def test_a_single_picture_is_no_clip() -> None:
    assert clip_mp4([a_past_picture(1.0)]) is None
    assert clip_mp4([]) is None


def test_without_an_encoder_there_is_no_clip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip, "CODECS", ("nonsense",))
    assert clip_mp4([a_past_picture(1.0), a_past_picture(2.0)]) is None


def test_the_patent_free_encoder_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip, "CODECS", ("mpeg4",))
    data = clip_mp4([a_past_picture(1.0), a_past_picture(2.0)])
    assert data is not None
    assert len(_read(data)[1]) == 2


@pytest.mark.parametrize(
    "data", [b"nothing", b"\xff\xd8", a_jpeg()[:150], a_jpeg()[:620]], ids=["other", "start", "no size", "cut off"]
)
def test_what_is_no_picture_is_an_error(data: bytes) -> None:
    with pytest.raises(ValueError, match="expected a JPEG"):
        clip_mp4([a_past_picture(1.0), a_past_picture(2.0, data)])
