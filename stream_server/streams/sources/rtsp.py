"""Cameras and streams that we fetch: RTSP(S) first, also RTMP, HTTP(S) and HLS, all through PyAV.

What the network does and what is made of it:

    refused, wrong password, wrong path     an error at once                    lost, with its class
    a camera that is killed or reset        a quiet end of file                 lost
    a camera that freezes                   nothing, the connection stays       stalled, then lost
    a server that accepts and never speaks  nothing                             lost at the open time-out
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final, cast

import av
import av.error
import av.logging
from av import VideoFrame
from av.codec.context import Flags
from av.container import InputContainer
from av.error import ExitError, FFmpegError
from av.packet import Packet
from av.video.stream import VideoStream

from analyzer.errors import SourceError, SourceErrorKind
from analyzer.integrity.damage import Damage
from stream_server.streams.sources.address import AddressRules, SourceAddress
from stream_server.streams.sources.base import STALLED_AFTER_S, Backoff, OnFrame, OnStatus, StreamState
from stream_server.streams.sources.failures import explain_open, explain_read
from stream_server.streams.sources.frame_numbers import FrameNumbers
from stream_server.streams.sources.hardware import OFF, hardware
from stream_server.streams.sources.interrupt import QuietReads, quiet, quiet_reads
from stream_server.streams.sources.pacer import Pacer
from stream_server.streams.sources.thread import ThreadSource

# FFmpeg's own log would write addresses with their passwords to stderr; what it has to say comes as errors too.
_QUIET: Final = -8  # AV_LOG_QUIET
av.logging.set_libav_level(_QUIET)

_PROTOCOLS: Final = {
    "rtsp": "rtsp,rtsps,rtp,srtp,udp,tcp,tls",
    "rtmp": "rtmp,tcp",
    "http": "http,https,tls,tcp,crypto",
}
_HTTP_FORMATS: Final = "mov,matroska,flv,mpegts,mpjpeg,mjpeg,avi,ogg,h264,hevc,mpeg,aac,mp3,ac3,webvtt"


MAX_FPS: Final = 240
"""A rate beyond is FFmpeg's guess from time stamps that it did not understand."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a source waits for a camera, seconds."""

    open_s: float = 8.0
    """From the first packet to what is in the stream."""
    stalled_after_s: float = STALLED_AFTER_S
    """Connected but no picture: shown as stalled."""
    lost_after_s: float = 15.0
    """Connected but no picture for so long: the connection is given up and made anew."""
    look_s: float = 1.0
    """Between two looks at the clock while an RTSP camera says nothing."""
    backoff: Callable[[], Backoff] = Backoff
    """The pauses between attempts."""


@dataclass(frozen=True, slots=True)
class Reading:
    """How a stream is fetched."""

    transport: str = "tcp"
    """`tcp` or `udp`, RTSP only: UDP loses packets, and the damaged pictures look like manipulation."""
    hardware: str = OFF
    """What decodes: see `hardware`."""
    patience: Patience = Patience()


class RTSPSource(ThreadSource):
    """Fetches one stream and keeps fetching it: reconnects with backoff, says what is wrong in words.

    Damaged pictures are handed on as damaged, but for those that FFmpeg itself notices, which nobody sees.
    Pictures are handed on as they come, without pacing: the engine keeps the newest. Only what is read faster than it
    was filmed (a file over HTTP, HLS segments) is paced by its time stamps.

    RTSP is opened at the very IP address that was judged. HTTP and RTMP need the host's name, so FFmpeg looks it up
    again; HTTP redirects are followed only for addresses that the operator gave. An HLS playlist names addresses that
    only FFmpeg sees: where the operator drew borders between networks, it is read from the operator's addresses only.
    """

    def __init__(
        self,
        stream_id: str,
        address: SourceAddress,
        rules: AddressRules,
        *,
        on_frame: OnFrame,
        on_status: OnStatus,
        reading: Reading = Reading(),
    ) -> None:
        self._reading, self._patience = reading, reading.patience
        super().__init__(stream_id, address.kind, on_frame, on_status, self._patience.backoff())
        self._address = address
        self._rules = rules
        # a redirect could lead where the address itself may not
        self._redirects = address.kind != "http" or address.trusted
        self._playlists = address.trusted or not rules.by_network
        self._attempts = 0
        self._probe_longer = False

    def _attempt(self) -> SourceError:
        ips = self._address.resolve(self._rules)
        url = self._address.url
        if self.kind == "rtsp":
            url = self._address.at(ips[self._attempts % len(ips)])
        self._attempts += 1
        # of what UDP loses only the processor's decoder says something
        lossy = self.kind == "rtsp" and self._reading.transport == "udp"
        device = hardware(OFF if lossy else self._reading.hardware)
        started_s = time.monotonic()
        read_s = self._patience.look_s if self.kind == "rtsp" else self._patience.lost_after_s
        try:
            timeout = (self._patience.open_s, None if quiet else read_s)
            container = av.open(
                url, options=self._options(), timeout=timeout, metadata_errors="replace", hwaccel=device
            )
        except FFmpegError as error:
            waited_s = time.monotonic() - started_s
            timed_out = waited_s > 0.9 * self._patience.open_s
            raise explain_open(
                error, url, timed_out=timed_out, redirects=self._redirects, playlists=self._playlists
            ) from None
        if self._stopping.is_set():
            container.close()
            return SourceError(SourceErrorKind.NO_MEDIA, "told to stop")
        with container, quiet_reads(container, started_s, read_s, self._stopping) as reads:
            return self._read(container, reads)

    def _options(self) -> dict[str, str]:
        """FFmpeg's options; the times are microseconds."""
        options = {
            "protocol_whitelist": _PROTOCOLS[self.kind],
            "timeout": str(round(1e6 * min(self._patience.lost_after_s, 600))),  # it is an int of 32 bits in places
        }
        if self.kind == "rtsp":
            # Live at once: no probing (the SDP says what comes), no reordering delay; 35 ms instead of 100 ms and 1 s
            # faster to open. Audio is not even asked for.
            options |= {
                "rtsp_transport": self._reading.transport,
                "allowed_media_types": "video",
                "fflags": "nobuffer",
                "flags": "low_delay",
                "buffer_size": str(1 << 20),  # UDP only: a key frame of a big camera in one burst
            }
            if not self._probe_longer:
                options |= {"probesize": "32", "analyzeduration": "0"}
        elif self.kind == "rtmp":
            # FFmpeg's "timeout" would make RTMP listen
            del options["timeout"]
            options |= {"fflags": "nobuffer", "analyzeduration": "1000000", "rtmp_live": "live"}
        else:
            formats = f"hls,{_HTTP_FORMATS}" if self._playlists else _HTTP_FORMATS
            options |= {"format_whitelist": formats, "analyzeduration": "2000000"}
            if not self._redirects:
                options["max_redirects"] = "0"
        return options

    def _read(self, container: InputContainer, reads: QuietReads) -> SourceError:
        """Deliver frames until the connection ends, and say how it did."""
        stream = self._pick(container)
        codec = stream.codec_context.name
        rate = stream.average_rate or stream.guessed_rate
        fps = float(rate) if rate and rate <= MAX_FPS else None
        # a file over HTTP has an end; HLS comes in bursts of whole segments
        pacer = Pacer() if self.kind == "http" and (container.duration or container.format.name == "hls") else None
        newest_s = time.monotonic()
        undecodable = False
        fresh = True
        decoding = _Decoding(stream, numbered=self.kind == "rtsp" and codec == "h264")
        try:
            for packet in self._packets(container, stream, reads):
                if packet is not None:
                    frames = decoding.decode(packet)
                    undecodable = frames is None
                    for frame, damaged in frames or ():
                        if pacer is not None and frame.time is not None:
                            self._stopping.wait(pacer.wait_s(frame.time, time.monotonic()))
                        if fresh:
                            self._begin()
                            fresh = False
                        newest_s = self._deliver(frame, frame.time, codec, fps, damaged=damaged)
                self._mind_the_gap(time.monotonic() - newest_s, undecodable=undecodable)
        except FFmpegError as error:
            raise explain_read(error) from None
        return SourceError(SourceErrorKind.NO_MEDIA, "the other side ended the stream")

    def _pick(self, container: InputContainer) -> VideoStream:
        if not container.streams.video:
            # MPEG-TS in RTP says what it holds in the media only
            self._probe_longer = True
            raise SourceError(SourceErrorKind.NO_MEDIA, "connected, but there is no video in the stream")
        stream = container.streams.video[0]
        if stream.codec_context is None:
            raise SourceError(SourceErrorKind.CODEC, "the video is of a codec that this FFmpeg cannot decode")
        # More threads would hold one frame back each.
        stream.codec_context.thread_count = 1
        stream.codec_context.flags |= Flags.low_delay.value
        return stream

    def _packets(
        self, container: InputContainer, stream: VideoStream, reads: QuietReads
    ) -> Iterator[Packet[VideoStream] | None]:
        """What comes in; None for every `look_s` in which nothing does. Ends with the connection or when stopped."""
        damaged = False
        while not self._stopping.is_set():
            try:
                reads.begin()
                for packet in container.demux():
                    reads.end()
                    if self._stopping.is_set():
                        return
                    if packet.stream is not stream:  # sound: a sign of life
                        reads.begin()
                        continue
                    # A read that was broken off may have lost half a packet: go on with a picture that needs no other.
                    damaged = damaged and not packet.is_keyframe
                    yield None if damaged else cast("Packet[VideoStream]", packet)
                    reads.begin()
                return
            except (ExitError, av.error.TimeoutError):
                # RTSP can be read on as if nothing had happened (seen with a frozen camera that went on); HTTP cannot
                if self.kind != "rtsp":
                    raise
                reads.end()
                damaged = True
                yield None

    def _mind_the_gap(self, gap_s: float, *, undecodable: bool) -> None:
        """Connected without pictures for `gap_s` seconds: say so, and in the end give up."""
        if gap_s < self._patience.stalled_after_s:
            return
        kind = SourceErrorKind.CODEC if undecodable else SourceErrorKind.NO_MEDIA
        what = "what comes cannot be decoded" if undecodable else "no picture comes"
        message = f"connected, but {what}"
        if gap_s > self._patience.lost_after_s:
            raise SourceError(kind, f"{message} for {gap_s:.0f} s: connecting anew")
        self._report(replace(self._status, state=StreamState.STALLED, error_kind=kind, message=message))


class _Decoding:
    """One connection's decoder and what is known of its losses."""

    def __init__(self, stream: VideoStream, *, numbered: bool) -> None:
        """`numbered`: H.264 over RTP, where a picture that never came shows in the numbers of the others.

        TCP loses nothing, but a camera or relay leaves pictures out for a slow reader, or has lost them itself.
        """
        self._damage = Damage(stream.codec_context)
        self._numbers = FrameNumbers(stream.codec_context.extradata or b"") if numbered else None

    def decode(self, packet: Packet[VideoStream]) -> list[tuple[VideoFrame, bool]] | None:
        """The pictures of one packet, each with whether it is damaged; None when it cannot be decoded.

        What the decoder itself marks as broken is left out: nobody should see it.
        """
        now_s = time.monotonic()
        if self._numbers is not None and self._numbers.missing_before(bytes(packet)):
            self._damage.lost(now_s)
        self._damage.fed(packet)
        try:
            frames = [frame for frame in packet.decode() if isinstance(frame, VideoFrame)]
        except FFmpegError:
            self._damage.lost(now_s)
            return None
        judged = [(frame, self._damage.hurts(frame, now_s)) for frame in frames]
        return [(frame, damaged) for frame, damaged in judged if not frame.is_corrupt]
