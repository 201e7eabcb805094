"""A real WHIP publisher on aiortc, for tests and for the benchmark: sends a real moving face, encoded beforehand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import urljoin

import av
import httpx
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamTrack
from av.video.codeccontext import VideoCodecContext

from analyzer.datatypes import Pixels
from tests.videos import moving_face

Codec = Literal["vp8", "h264"]


@dataclass(frozen=True, slots=True)
class EncodedClip:
    """Encoded frames that can be sent in a loop: the first is a keyframe, none refers to what it does not follow."""

    codec: Codec
    packets: tuple[bytes, ...]


@cache
def face_clip(codec: Codec, frames: int = 30, width: int = 640, height: int = 480) -> EncodedClip:
    """A real face moving on a part of a circle: each round of the loop is a cut. Encoding takes about 10 ms a frame."""
    return encode(codec, moving_face(frames, (width, height)))


def encode(codec: Codec, pictures: Iterable[Pixels]) -> EncodedClip:
    """Pictures of one size, as a webcam sends them at 15 frames per second; only the first is a keyframe."""
    encoder = av.CodecContext.create("libvpx" if codec == "vp8" else "libx264", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.pix_fmt, encoder.bit_rate, encoder.gop_size, encoder.thread_count = "yuv420p", 1_000_000, 10_000, 1
    encoder.time_base = Fraction(1, 15)
    encoder.options = (
        {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
        if codec == "vp8"
        else {"preset": "ultrafast", "tune": "zerolatency", "profile": "baseline", "x264-params": "sliced-threads=0"}
    )
    packets: list[bytes] = []
    for index, picture in enumerate(pictures):
        if index == 0:
            encoder.height, encoder.width = picture.shape[:2]
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = index, Fraction(1, 15)
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    packets += [bytes(packet) for packet in encoder.encode(None)]
    return EncodedClip(codec, tuple(packets))


class PacedPackets(MediaStreamTrack):
    """Encoded frames, looped, at `fps` by the clock; time stamps only grow. `pause()` holds them back."""

    kind = "video"

    def __init__(self, clip: EncodedClip, fps: float) -> None:
        super().__init__()
        self.clip = clip
        self.sent = 0
        self._fps = fps
        self._next_s: float | None = None
        self._flowing = asyncio.Event()
        self._flowing.set()

    def pause(self) -> None:
        self._flowing.clear()

    def resume(self) -> None:
        self._next_s = None
        self._flowing.set()

    async def recv(self) -> av.Packet[Any]:
        await self._flowing.wait()
        now_s = time.monotonic()
        self._next_s = now_s if self._next_s is None else self._next_s + 1 / self._fps
        if self._next_s > now_s:
            await asyncio.sleep(self._next_s - now_s)
        packet = av.Packet(self.clip.packets[self.sent % len(self.clip.packets)])
        packet.time_base = Fraction(1, 90000)
        packet.pts = packet.dts = round(self.sent * 90000 / self._fps)
        self.sent += 1
        return packet


class WhipError(Exception):
    """The server refused; `response` says why."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__(f"{response.status_code}: {response.text[:300]}")
        self.response = response


class WhipPublisher:
    """One publisher. `async with WhipPublisher(client, url, clip):` publishes, and ends the session at the end."""

    def __init__(
        self, client: httpx.AsyncClient, url: str, clip: EncodedClip, *, fps: float = 15, audio: bool = False
    ) -> None:
        self._client = client
        self._url = url
        self._audio = audio
        self.media_track = PacedPackets(clip, fps)
        # a browser's way: one transport for everything
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.session_url: str | None = None
        self.etag = ""
        self.answer = ""

    async def offer(self) -> str:
        """The offer, with all candidates."""
        if self._audio:
            self.peer.addTransceiver(AudioStreamTrack(), "sendonly")
        transceiver = self.peer.addTransceiver(self.media_track, "sendonly")
        mime = {"vp8": "video/VP8", "h264": "video/H264"}[self.media_track.clip.codec]
        codecs = RTCRtpSender.getCapabilities("video").codecs
        transceiver.setCodecPreferences([c for c in codecs if c.mimeType in (mime, "video/rtx")])
        await self.peer.setLocalDescription(await self.peer.createOffer())
        return str(self.peer.localDescription.sdp)

    async def publish(self) -> None:
        """Raises `WhipError` when the server refuses."""
        headers = {"Content-Type": "application/sdp"}
        await self.accept(await self._client.post(self._url, content=await self.offer(), headers=headers))

    async def accept(self, response: httpx.Response) -> None:
        """Take the server's answer to the offer. Raises `WhipError` when it refuses."""
        if response.status_code != 201:
            raise WhipError(response)
        self.session_url = urljoin(str(response.url), response.headers["Location"])
        self.etag = response.headers["ETag"]
        self.answer = response.text
        await self.peer.setRemoteDescription(RTCSessionDescription(response.text, "answer"))

    async def end(self) -> int | None:
        """DELETE the session; the status that came back."""
        if self.session_url is None:
            return None
        response = await self._client.delete(self.session_url)
        return response.status_code

    async def close(self) -> None:
        """Free the peer. Alone, without `end`, this is a publisher that closes without a word over HTTP."""
        await self.peer.close()

    async def __aenter__(self) -> Self:
        try:
            await self.publish()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.end()
        finally:
            await self.close()
