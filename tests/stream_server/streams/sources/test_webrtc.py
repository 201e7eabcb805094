from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aioice.ice
import httpx
import pytest
from aiortc import RTCSessionDescription

from analyzer.datatypes import Frame
from analyzer.errors import SourceErrorKind
from stream_server.streams.sources.base import SourceStatus, StreamState
from stream_server.streams.sources.sdp_text import MAX_CANDIDATES, BadSdpError, parse_fragment
from stream_server.streams.sources.webrtc import WebRTCSource
from stream_server.streams.sources.webrtc_sdp import parse_offer
from stream_server.streams.sources.webrtc_watch import WebRTCConfig
from tests.whip_client import Codec, EncodedClip, WhipPublisher, face_clip
from tests.whip_site import PATIENCE_S, until


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aioice.ice, "get_host_addresses", lambda *_, **__: ["127.0.0.1"])


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


class Seen:
    """What a source told."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.statuses: list[SourceStatus] = []
        self.closed = 0

    def on_frame(self, frame: Frame) -> None:
        self.frames.append(frame)

    def on_closed(self) -> None:
        self.closed += 1

    @property
    def states(self) -> list[StreamState]:
        """Without repetitions."""
        states = [status.state for status in self.statuses]
        return [state for i, state in enumerate(states) if i == 0 or states[i - 1] is not state]


def a_source(seen: Seen, config: WebRTCConfig | None = None) -> WebRTCSource:
    return WebRTCSource(
        "cam",
        config or WebRTCConfig(),
        on_frame=seen.on_frame,
        on_status=seen.statuses.append,
        on_closed=seen.on_closed,
    )


@asynccontextmanager
async def published(
    seen: Seen, clip: EncodedClip, config: WebRTCConfig | None = None, *, fps: float = 15, audio: bool = False
) -> AsyncIterator[tuple[WebRTCSource, WhipPublisher]]:
    """A publisher that is connected to a source without HTTP in between."""
    # the publisher wants a client; it is not used here
    async with httpx.AsyncClient() as client:
        publisher = WhipPublisher(client, "", clip, fps=fps, audio=audio)
        source = a_source(seen, config)
        source.start()
        try:
            answer = await source.answer(parse_offer(await publisher.offer()))
            await publisher.peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
            yield source, publisher
        finally:
            await source.stop()
            await publisher.close()


@pytest.mark.parametrize("codec", ["vp8", "h264"])
@pytest.mark.parametrize("audio", [False, True], ids=["video", "audio and video"])
async def test_a_real_publishers_frames_arrive(codec: Codec, audio: bool) -> None:
    seen = Seen()
    async with published(seen, face_clip(codec), audio=audio):
        await until(lambda: len(seen.frames) >= 10, "ten frames")
    assert seen.states == [StreamState.CONNECTING, StreamState.LIVE]
    live = seen.statuses[-1]
    assert (live.width, live.height, live.codec, live.generation) == (640, 480, codec, 1)
    assert [frame.index for frame in seen.frames] == list(range(len(seen.frames)))
    arrivals = [frame.received_at_s for frame in seen.frames]
    assert arrivals == sorted(arrivals)
    assert all(frame.generation == 1 and frame.stream_id == "cam" for frame in seen.frames)
    face = seen.frames[-1].video_frame.to_ndarray(format="rgb24")
    assert face.shape == (480, 640, 3)
    assert face.std() > 10  # a picture, not a blank


async def test_the_size_may_change_in_mid_stream() -> None:
    seen = Seen()
    large, small = face_clip("vp8"), face_clip("vp8", 15, 320, 240)
    async with published(seen, large) as (_, publisher):
        await until(lambda: len(seen.frames) >= 5, "frames")
        publisher.media_track.clip = small
        publisher.media_track.sent -= publisher.media_track.sent % 15  # at the keyframe
        await until(lambda: seen.frames[-1].video_frame.width == 320, "the smaller picture")
    assert seen.statuses[-1].width == 320
    assert seen.states[-1] is StreamState.LIVE


async def test_a_busy_event_loop_leaves_no_backlog() -> None:
    seen = Seen()
    async with published(seen, face_clip("vp8"), fps=60) as (source, _):
        await until(lambda: len(seen.frames) >= 5, "frames")
        assert source._newest is not None
        for _ in range(5):
            time.sleep(0.2)  # noqa: ASYNC251 - the loop is held up on purpose
            before = len(seen.frames)
            await asyncio.sleep(0)
            assert source._newest.qsize() <= 1
            await until(lambda at=before: len(seen.frames) > at, "a frame after the pause")  # type: ignore[misc]


async def test_a_silent_publisher_is_stalled_then_live_again_then_gone() -> None:
    seen = Seen()
    config = WebRTCConfig(stalled_after_s=0.4, ended_after_s=2.0)
    async with published(seen, face_clip("vp8"), config) as (_, publisher):
        await until(lambda: StreamState.LIVE in seen.states, "live")
        publisher.media_track.pause()
        await until(lambda: seen.states[-1] is StreamState.STALLED, "stalled")
        assert seen.statuses[-1].error_kind is SourceErrorKind.NO_MEDIA
        publisher.media_track.resume()
        await until(lambda: seen.states[-1] is StreamState.LIVE, "live again")
        assert seen.statuses[-1].error_kind is None
        publisher.media_track.pause()
        await until(lambda: seen.states[-1] is StreamState.ENDED, "ended")
    assert seen.statuses[-1].message == "no picture for 2 s: the publisher is gone"
    assert seen.statuses[-1].width == 640


async def test_a_publisher_that_closes_ends_the_stream_at_once() -> None:
    seen = Seen()
    async with published(seen, face_clip("vp8"), WebRTCConfig(ended_after_s=600)) as (_, publisher):
        await until(lambda: StreamState.LIVE in seen.states, "live")
        await publisher.close()
        await until(lambda: seen.states[-1] is StreamState.ENDED, "ended")
    assert seen.statuses[-1].error_kind is None


async def test_a_peer_that_never_connects_is_given_up() -> None:
    seen = Seen()
    source = a_source(seen, WebRTCConfig(connect_timeout_s=0.3))
    source.start()
    await source.answer(parse_offer(an_offer()))
    await until(lambda: seen.states[-1] is StreamState.ENDED, "ended")
    assert seen.statuses[-1].error_kind is SourceErrorKind.UNREACHABLE
    await source.stop()


async def test_a_peer_with_another_certificate_than_it_announced_is_refused() -> None:
    seen = Seen()
    async with httpx.AsyncClient() as client:
        publisher = WhipPublisher(client, "", face_clip("vp8"))
        source = a_source(seen)
        source.start()
        lines = (await publisher.offer()).splitlines()
        forged = [f"a=fingerprint:sha-256 {':'.join(['AB'] * 32)}" if "fingerprint" in line else line for line in lines]
        answer = await source.answer(parse_offer("\r\n".join(forged)))
        await publisher.peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await until(lambda: seen.states[-1] is StreamState.ENDED, "ended")
        await source.stop()
        await publisher.close()
    assert seen.statuses[-1].error_kind is SourceErrorKind.TLS
    assert seen.frames == []


async def test_stopping_twice_at_once_closes_once_and_nothing_is_told_after() -> None:
    seen = Seen()
    async with published(seen, face_clip("vp8")) as (source, _):
        await until(lambda: len(seen.frames) >= 2, "frames")
        await asyncio.gather(source.stop(), source.stop())
        told = len(seen.frames), len(seen.statuses)
        await asyncio.sleep(0.1)
        await source.stop()
        assert (len(seen.frames), len(seen.statuses)) == told
    assert seen.closed == 1


async def test_closing_with_a_full_decoder_does_not_hold_up_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Seen()
    async with published(seen, face_clip("vp8"), fps=60) as (source, _):
        await until(lambda: len(seen.frames) >= 2, "frames")
        assert source._decoder is not None
        held = threading.Event()
        take = source._decoder.get

        def slow_get(block: bool = True, timeout: float | None = None) -> object:
            held.wait(PATIENCE_S)
            return take(block, timeout)

        monkeypatch.setattr(source._decoder, "get", slow_get)
        decoder = source._decoder
        await until(lambda: decoder.qsize() >= 5, "a backlog")
        held.set()
        await source.stop()
        assert decoder.qsize() == 0
        assert decoder.dropped > 0


async def test_an_error_in_a_consumer_ends_this_stream_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Seen):
        def on_frame(self, frame: Frame) -> None:
            raise RuntimeError("the consumer is broken")

    seen = Broken()
    async with published(seen, face_clip("vp8")):
        await until(lambda: seen.states[-1] is StreamState.ENDED, "ended")
    assert "the consumer is broken" in caplog.text


async def test_answering_after_the_stream_was_removed_is_refused() -> None:
    source = a_source(Seen())
    source.start()
    await source.stop()
    with pytest.raises(BadSdpError, match="removed"):
        await source.answer(parse_offer(an_offer()))


async def test_a_flood_of_candidates_is_ignored_beyond_the_limit() -> None:
    source = a_source(Seen())
    source.start()
    await source.answer(parse_offer(an_offer()))
    for port in range(2000, 2000 + 3 * MAX_CANDIDATES):
        source.add_candidates(parse_fragment(f"a=candidate:1 1 udp 1 127.0.0.1 {port} typ host").candidates)
    assert source._candidates == MAX_CANDIDATES
    await source.stop()


async def test_thirty_connects_and_disconnects_leave_nothing_behind() -> None:
    async def once() -> None:
        seen = Seen()
        async with published(seen, face_clip("vp8", 15, 320, 240)):
            await until(lambda: bool(seen.frames), "a frame")

    await once()  # what is made once (thread pools, caches) exists afterwards
    gc.collect()
    threads, descriptors = threading.active_count(), open_descriptors()
    for _ in range(6):
        await asyncio.gather(*(once() for _ in range(5)))
    gc.collect()
    await until(lambda: len(asyncio.all_tasks()) == 1, "all tasks to end")
    assert threading.active_count() <= threads
    assert open_descriptors() <= descriptors


def an_offer() -> str:
    """An offer of nobody: well-formed, and its address answers no connectivity check."""
    return (
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
        "m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendonly\r\na=rtcp-mux\r\n"
        "a=rtpmap:96 VP8/90000\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=setup:actpass\r\n"
        f"a=fingerprint:sha-256 {':'.join(['AB'] * 32)}\r\n"
        "a=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host\r\n"
    )


@pytest.mark.parametrize("missing", ["keep_newest", "bound_decoder"])
async def test_frames_arrive_without_the_guards(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"stream_server.streams.sources.webrtc.{missing}", lambda _: None)
    seen = Seen()
    async with published(seen, face_clip("vp8")):
        await until(lambda: len(seen.frames) >= 3, "frames")
