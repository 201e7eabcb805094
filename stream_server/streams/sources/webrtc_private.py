"""Everything that we touch in aiortc that is not its public interface, each piece guarded (seen with aiortc 1.16).

aiortc's queues have no bound: an unread 640x480 media track keeps 14 MB more each second, and closing a peer waits, on
the event loop, until its decoder has worked through what is left (16.7 s were seen). Where the names here are gone,
each function says so once in the log and changes nothing: the drain task of `WebRTCSource` still takes frames at once.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
import time
from collections import OrderedDict
from typing import Any, Final

import aiortc
from aiortc import RTCCertificate, RTCPeerConnection
from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.mediastreams import MediaStreamTrack
from aiortc.rtcdtlstransport import SRTPProtectionProfile
from aiortc.rtcrtpreceiver import RTCRtpReceiver
from aiortc.rtp import RtpPacket
from OpenSSL import SSL

logger = logging.getLogger(__name__)

_DECODER_QUEUE: Final = "_RTCRtpReceiver__decoder_queue"
_DECODER_ERROR: Final = "_RTCRtpReceiver__decoder_error"
_JITTER_BUFFER: Final = "_RTCRtpReceiver__jitter_buffer"
_TRACK_QUEUE: Final = "_queue"
_ENABLED: Final = "_enabled"
_CERTIFICATES: Final = "_RTCPeerConnection__certificates"
_SSL_CONTEXT: Final = "_create_ssl_context"

MAX_ENCODED: Final = 30
"""Encoded frames that wait for the decoder: a second at 30/s. More means that this machine cannot keep up."""

# aiortc's own list, then the same for RSA certificates: GStreamer's DTLS has one
_CIPHERS: Final = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA"
    b":ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305:ECDHE-RSA-AES256-GCM-SHA384"
)


class NewestQueue(asyncio.Queue[Any]):
    """Decoded frames of one media track: room for one, newer replaces older; aiortc's end mark (None) stays."""

    def __init__(self) -> None:
        super().__init__()
        self.dropped = 0

    async def put(self, item: object) -> None:
        if self.qsize() and item is not None:
            if self.get_nowait() is None:
                item = None  # after the end comes nothing
            else:
                self.dropped += 1
        self.put_nowait(item)


class DecoderQueue(queue.Queue[Any]):
    """Encoded frames on their way to the decoder thread; the event loop puts, the thread gets.

    At most `limit` wait. When it is full all go, and nothing is decoded until the next keyframe, which the publisher is
    asked for: a decoder that is fed a gap makes smeared pictures, which no detector should be shown. The same after
    `lost`. aiortc's end mark (None) empties it too, so that closing waits for one frame at most.
    """

    def __init__(self, ask_for_keyframe: threading.Event, limit: int = MAX_ENCODED) -> None:
        super().__init__()
        self.dropped = 0
        self.codec: str | None = None
        """Name of the newest frame's codec, lower case."""
        self._limit = limit
        self._ask = ask_for_keyframe
        self._asked_at_s = float("-inf")
        self._waits_for_keyframe = False
        self._arrivals: OrderedDict[int, float] = OrderedDict()

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Never blocks. `item` is (codec, encoded frame) or None."""
        del block, timeout
        if item is None:
            self.clear()
            super().put(None)
            return
        codec, encoded = item
        now_s = time.monotonic()
        self.codec = codec.name.lower()
        if self.qsize() >= self._limit:
            self.clear()
            self._waits_for_keyframe = True
        if self._waits_for_keyframe and not is_keyframe(self.codec, encoded.data):
            self.dropped += 1
            if now_s - self._asked_at_s > 1.0:  # one request a second: it may be lost, but each costs bandwidth
                self._asked_at_s = now_s
                self._ask.set()
            return
        self._waits_for_keyframe = False
        self._arrivals[encoded.timestamp] = now_s
        while len(self._arrivals) > 2 * self._limit:
            self._arrivals.popitem(last=False)
        super().put(item)

    def lost(self) -> None:
        """Frames between the newest and the next one will never come; what waits is whole."""
        self._waits_for_keyframe = True

    def clear(self) -> None:
        """Drop what waits."""
        try:
            while True:
                self.get_nowait()
                self.dropped += 1
        except queue.Empty:
            return

    def arrived_at_s(self, pts: int | None) -> float | None:
        """When the frame with that time stamp came from the network (`time.monotonic()`), before it was decoded."""
        return None if pts is None else self._arrivals.get(pts)


def is_keyframe(codec: str, data: bytes) -> bool:
    """Whether decoding can start at an encoded frame: an H.264 IDR slice or SPS, a VP8 key frame (RFC 6386, 9.1).

    What is left of a frame whose beginning was lost is none.
    """
    if codec == "vp8":
        return not data[0] & 1 and data[3:6] == b"\x9d\x01\x2a" if data else False
    start = data.find(b"\x00\x00\x01")
    while start != -1 and start + 3 < len(data):
        if data[start + 3] & 0x1F in (5, 7):
            return True
        start = data.find(b"\x00\x00\x01", start + 3)
    return False


def keep_newest(media_track: MediaStreamTrack) -> NewestQueue | None:
    """Give a remote media track room for one decoded frame. Call it before the peer is connected."""
    if not isinstance(getattr(media_track, _TRACK_QUEUE, None), asyncio.Queue):
        _unknown(f"media track without {_TRACK_QUEUE}")
        return None
    newest = NewestQueue()
    setattr(media_track, _TRACK_QUEUE, newest)
    return newest


def bound_decoder(receiver: RTCRtpReceiver) -> DecoderQueue | None:
    """Bound a receiver's queue of encoded frames. Call it before the peer is connected."""
    ask = getattr(receiver, _DECODER_ERROR, None)
    if not isinstance(getattr(receiver, _DECODER_QUEUE, None), queue.Queue) or not isinstance(ask, threading.Event):
        _unknown(f"receiver without {_DECODER_QUEUE}")
        return None
    bounded = DecoderQueue(ask)
    setattr(receiver, _DECODER_QUEUE, bounded)
    return bounded


def mind_gaps(receiver: RTCRtpReceiver, decoder: DecoderQueue) -> bool:
    """Tell `decoder` what the jitter buffer gives up waiting for; False where aiortc changed.

    It does so when a packet did not come though it was asked for again, and hands on what follows as if nothing had
    happened. Call it before the peer is connected.
    """
    jitter_buffer = getattr(receiver, _JITTER_BUFFER, None)
    if not isinstance(jitter_buffer, JitterBuffer):
        _unknown(f"receiver without {_JITTER_BUFFER}")
        return False
    add = jitter_buffer.add

    def add_and_tell(packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        gap, frame = add(packet)  # a gap is what aiortc asks for a keyframe for
        if gap:
            decoder.lost()
        return gap, frame

    jitter_buffer.add = add_and_tell  # type: ignore[method-assign]  # it takes no other buffer
    return True


async def close_peer(peer: RTCPeerConnection) -> None:
    """Close without holding up the event loop: no more packets are taken, nothing is left to decode."""
    for receiver in peer.getReceivers():
        if hasattr(receiver, _ENABLED):
            setattr(receiver, _ENABLED, False)
        waiting = getattr(receiver, _DECODER_QUEUE, None)
        if isinstance(waiting, DecoderQueue):
            waiting.clear()
    await peer.close()


class _AnyKeyCertificate(RTCCertificate):
    """Our own P-256 certificate, with a DTLS context that also talks to peers whose certificate is RSA."""

    def _create_ssl_context(self, srtp_profiles: list[SRTPProtectionProfile]) -> SSL.Context:
        context = super()._create_ssl_context(srtp_profiles)
        context.set_cipher_list(_CIPHERS)
        return context


def accept_rsa_peers(peer: RTCPeerConnection) -> bool:
    """Let a new peer connection complete DTLS with an RSA peer (GStreamer); False where aiortc changed."""
    certificates = getattr(peer, _CERTIFICATES, None)
    if not isinstance(certificates, list) or not hasattr(RTCCertificate, _SSL_CONTEXT):
        _unknown(f"peer connection without {_CERTIFICATES}")
        return False
    certificates[:] = [_AnyKeyCertificate.generateCertificate()]
    return True


_said: set[str] = set()


def _unknown(what: str) -> None:
    if what not in _said:
        _said.add(what)
        logger.warning("aiortc %s is not as we know it (%s); going on without that guard", aiortc.__version__, what)
