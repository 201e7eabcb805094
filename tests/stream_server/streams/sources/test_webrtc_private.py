from __future__ import annotations

import logging
import queue
import threading
import time
from types import SimpleNamespace

import pytest
from aiortc import RTCPeerConnection
from aiortc.mediastreams import MediaStreamTrack
from aiortc.rtcrtpreceiver import RemoteStreamTrack
from aiortc.rtp import RtpPacket

from stream_server.streams.sources import webrtc_private
from stream_server.streams.sources.webrtc_private import (
    DecoderQueue,
    NewestQueue,
    accept_rsa_peers,
    bound_decoder,
    is_keyframe,
    keep_newest,
    mind_gaps,
)
from tests.whip_client import Codec, face_clip


class TestPrivateParts:
    """Pins aiortc's private names; when this fails after an upgrade, look at webrtc_private.py."""

    async def test_aiortc_has_what_we_replace(self) -> None:
        peer = RTCPeerConnection()
        try:
            receiver = peer.addTransceiver("video", "recvonly").receiver
            assert isinstance(bound_decoder(receiver), DecoderQueue)
            waiting = getattr(receiver, webrtc_private._DECODER_QUEUE)
            assert isinstance(waiting, DecoderQueue)
            assert mind_gaps(receiver, waiting)
            assert hasattr(receiver, webrtc_private._ENABLED)
            media_track = RemoteStreamTrack("video")
            assert keep_newest(media_track) is media_track._queue
        finally:
            await peer.close()

    async def test_rsa_peers_are_accepted(self) -> None:
        peer = RTCPeerConnection()
        try:
            assert accept_rsa_peers(peer)
            (certificate,) = getattr(peer, webrtc_private._CERTIFICATES)
            assert isinstance(certificate, webrtc_private._AnyKeyCertificate)
        finally:
            await peer.close()

    async def test_where_the_names_are_gone_it_says_so_and_goes_on(self, caplog: pytest.LogCaptureFixture) -> None:
        class OtherTrack(MediaStreamTrack):
            async def recv(self) -> None:  # type: ignore[override]  # never called
                raise NotImplementedError

        caplog.set_level(logging.WARNING)
        assert keep_newest(OtherTrack()) is None
        assert bound_decoder(SimpleNamespace()) is None  # type: ignore[arg-type]  # a receiver of another aiortc
        assert accept_rsa_peers(SimpleNamespace()) is False  # type: ignore[arg-type]
        assert mind_gaps(SimpleNamespace(), DecoderQueue(threading.Event())) is False  # type: ignore[arg-type]
        assert "going on without that guard" in caplog.text


class TestNewestQueue:
    async def test_a_newer_frame_replaces_an_older(self) -> None:
        newest = NewestQueue()
        for frame in range(5):
            await newest.put(frame)
        assert (newest.qsize(), newest.get_nowait(), newest.dropped) == (1, 4, 4)

    async def test_the_end_is_never_lost(self) -> None:
        newest = NewestQueue()
        await newest.put(1)
        await newest.put(None)
        assert [newest.get_nowait(), newest.get_nowait()] == [1, None]
        await newest.put(None)
        await newest.put(2)
        assert newest.get_nowait() is None


class TestDecoderQueue:
    key, delta = b"\x00ke\x9d\x01\x2ay", b"\x01delta"

    def item(self, data: bytes, timestamp: int = 0) -> tuple[object, object]:
        return SimpleNamespace(name="VP8"), SimpleNamespace(data=data, timestamp=timestamp)

    def test_when_full_all_go_and_decoding_waits_for_a_keyframe(self) -> None:
        ask = threading.Event()
        waiting = DecoderQueue(ask, limit=3)
        for _ in range(3):
            waiting.put(self.item(self.delta))
        assert not ask.is_set()
        waiting.put(self.item(self.delta))
        assert (waiting.qsize(), waiting.dropped, ask.is_set()) == (0, 4, True)
        waiting.put(self.item(self.delta))
        assert waiting.qsize() == 0
        waiting.put(self.item(self.key))
        waiting.put(self.item(self.delta))
        assert waiting.qsize() == 2
        assert waiting.codec == "vp8"

    async def test_after_a_packet_that_never_came_decoding_waits_for_a_keyframe(self) -> None:
        """What aiortc's jitter buffer gives up is told to the decoder's queue."""
        peer = RTCPeerConnection()
        ask = threading.Event()
        waiting = DecoderQueue(ask)
        try:
            receiver = peer.addTransceiver("video", "recvonly").receiver
            assert mind_gaps(receiver, waiting)
            jitter_buffer = getattr(receiver, webrtc_private._JITTER_BUFFER)
            for number in [*range(7), *range(8, 8 + jitter_buffer.capacity + 20)]:
                packet = RtpPacket(sequence_number=number, timestamp=3000 * number)
                packet._data = self.delta  # type: ignore[attr-defined]  # as aiortc does
                _, frame = jitter_buffer.add(packet)
                if frame is not None:
                    waiting.put(self.item(frame.data, frame.timestamp))
        finally:
            await peer.close()
        decoded = [waiting.get_nowait()[1].timestamp // 3000 for _ in range(waiting.qsize())]
        assert decoded == list(range(6))  # the seventh is whole only when the next one begins
        assert ask.is_set()
        waiting.put(self.item(self.key))
        assert waiting.qsize() == 1

    def test_the_end_mark_overtakes_what_waits(self) -> None:
        waiting = DecoderQueue(threading.Event())
        for _ in range(9):
            waiting.put(self.item(self.delta))
        waiting.put(None)
        assert waiting.get_nowait() is None
        with pytest.raises(queue.Empty):
            waiting.get_nowait()

    def test_it_knows_when_a_frame_arrived_and_forgets_old_ones(self) -> None:
        waiting = DecoderQueue(threading.Event(), limit=2)
        before = time.monotonic()
        for timestamp in range(10):
            waiting.put(self.item(self.key, timestamp))
        arrived = waiting.arrived_at_s(9)
        assert arrived is not None
        assert arrived >= before
        assert waiting.arrived_at_s(0) is None
        assert waiting.arrived_at_s(None) is None


@pytest.mark.parametrize(
    ("codec", "data", "expected"),
    [
        pytest.param("vp8", b"\x10\x02\x00\x9d\x01\x2a", True, id="VP8 key"),
        pytest.param("vp8", b"\x11\x02\x00\x9d\x01\x2a", False, id="VP8 delta"),
        pytest.param("vp8", b"\x10\x02\x00\x47\x11\x08", False, id="VP8 middle of a frame"),
        pytest.param("vp8", b"\x10\x02", False, id="VP8 cut off"),
        pytest.param("vp8", b"", False, id="VP8 empty"),
        pytest.param("h264", b"\x00\x00\x00\x01\x67\x42\x00\x00\x01\x68", True, id="H.264 SPS"),
        pytest.param("h264", b"\x00\x00\x00\x01\x09\xf0\x00\x00\x01\x65\x88", True, id="H.264 IDR after a delimiter"),
        pytest.param("h264", b"\x00\x00\x00\x01\x41\x9a", False, id="H.264 delta"),
        pytest.param("h264", b"\x00\x00\x01", False, id="H.264 cut off"),
    ],
)
def test_keyframes_are_told_from_others(codec: str, data: bytes, expected: bool) -> None:
    assert is_keyframe(codec, data) is expected


@pytest.mark.parametrize("codec", ["vp8", "h264"])
def test_keyframes_of_real_encoders_are_found(codec: Codec) -> None:
    packets = face_clip(codec).packets
    assert [is_keyframe(codec, packet) for packet in packets[:3]] == [True, False, False]
