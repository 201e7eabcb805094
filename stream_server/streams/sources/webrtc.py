"""A publisher's webcam or encoder over WebRTC: one peer connection that only receives video."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Final

from aiortc import RTCConfiguration, RTCIceCandidate, RTCIceServer, RTCPeerConnection, RTCSessionDescription
from aiortc.exceptions import InvalidStateError, OperationError
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack
from av import VideoFrame

from analyzer.datatypes import Frame
from analyzer.errors import SourceErrorKind
from stream_server.streams.sources.base import OnFrame, OnStatus, SourceStatus, StreamState
from stream_server.streams.sources.sdp_text import MAX_CANDIDATES, BadSdpError
from stream_server.streams.sources.webrtc_private import (
    DecoderQueue,
    NewestQueue,
    accept_rsa_peers,
    bound_decoder,
    close_peer,
    keep_newest,
    mind_gaps,
)
from stream_server.streams.sources.webrtc_sdp import Offer
from stream_server.streams.sources.webrtc_watch import PeerWatch, WebRTCConfig

logger = logging.getLogger(__name__)

# What aiortc raises on descriptions that it cannot follow; `parse_offer` lets none through that we know of
_AIORTC_REFUSALS: Final = (
    ValueError,
    AssertionError,
    LookupError,
    TypeError,
    AttributeError,
    InvalidStateError,  # closed meanwhile
    OperationError,
)


class WebRTCSource:
    """Receives one publisher's video; newest frames only, never a backlog.

    Lives on the event loop and calls `on_frame` and `on_status` there. There is no reconnecting: when the publisher is
    gone the stream is `ended`, and whoever owns the source stops it, so that the id is free to be published again.
    `on_closed` is called once, when `stop` has freed everything.
    """

    kind: str = "webrtc"

    def __init__(
        self,
        stream_id: str,
        config: WebRTCConfig,
        *,
        on_frame: OnFrame,
        on_status: OnStatus,
        on_closed: Callable[[], None] = lambda: None,
    ) -> None:
        self._stream_id = stream_id
        self._config = config
        self._on_frame = on_frame
        self._on_status = on_status
        self._on_closed = on_closed
        self._peer: RTCPeerConnection | None = None
        self._watch = PeerWatch(time.monotonic(), config)
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._stopping: asyncio.Task[None] | None = None
        self._status = SourceStatus(StreamState.CONNECTING)
        self._newest: NewestQueue | None = None
        self._decoder: DecoderQueue | None = None
        self._candidates = 0
        self._frames = 0
        self._newest_s = 0.0
        self._over = False

    @property
    def dropped(self) -> int:
        """Frames that were replaced by newer ones, or not decoded, because this machine could not keep up."""
        return sum(q.dropped for q in (self._newest, self._decoder) if q is not None)

    def start(self) -> None:
        """Make the peer connection and start the watch; `answer` may be called now. Needs a running event loop."""
        servers = [
            RTCIceServer(urls=list(s.urls), username=s.username, credential=s.credential)
            for s in self._config.ice_servers
        ]
        # an empty list, for None would mean a public STUN server
        self._peer = RTCPeerConnection(RTCConfiguration(iceServers=servers))
        accept_rsa_peers(self._peer)
        self._peer.on("track", self._take_media_track)
        self._peer.on("connectionstatechange", self._connection_changed)
        self._watch = PeerWatch(time.monotonic(), self._config)
        self._tell(StreamState.CONNECTING)
        self._tick()

    async def answer(self, offer: Offer) -> str:
        """Answer the publisher's offer; connecting goes on in the background. Call it once, after `start`.

        Raises `BadSdpError` when aiortc cannot follow the offer.
        """
        if self._peer is None or self._over:
            raise BadSdpError("the stream was removed before the offer could be answered")
        try:
            await self._peer.setRemoteDescription(RTCSessionDescription(offer.for_aiortc, "offer"))
            await self._peer.setLocalDescription()
        except _AIORTC_REFUSALS as error:
            raise BadSdpError(f"expected an offer that can be answered: {type(error).__name__}: {error}") from error
        text = offer.answer(self._peer.localDescription.sdp, self._config.start_bitrate_kbps)
        self.add_candidates(offer.candidates)
        return text

    def add_candidates(self, candidates: Iterable[RTCIceCandidate]) -> None:
        """Try further addresses of the publisher, in the background; beyond `MAX_CANDIDATES` they are ignored.

        aiortc is never told that no more will come: it would give up at once, though the publisher may still reach us.
        """
        for candidate in candidates:
            if self._peer is None or self._over or self._candidates >= MAX_CANDIDATES:
                return
            self._candidates += 1
            self._spawn(self._add_candidate(self._peer, candidate), "candidate")

    async def stop(self) -> None:
        """Close the peer and free its decoder, sockets and tasks. Fine to call again, also at the same time."""
        if self._stopping is None:
            self._stopping = asyncio.create_task(self._stop(), name=f"webrtc-stop-{self._stream_id}")
        await asyncio.shield(self._stopping)

    async def _stop(self) -> None:
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._peer is not None:
            await close_peer(self._peer)
        self._on_closed()

    def _spawn(self, work: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.create_task(work, name=f"webrtc-{name}-{self._stream_id}")
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        """Root guard of this source's tasks: what nobody expected is logged, and ends this stream only."""
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("stream %s: %s died", self._stream_id, task.get_name(), exc_info=error)
            self._end(SourceErrorKind.NO_MEDIA, "an error in the server ended this stream; its log says more")

    async def _add_candidate(self, peer: RTCPeerConnection, candidate: RTCIceCandidate) -> None:
        try:
            # aiortc knows one section, whichever one the publisher named
            candidate.sdpMid, candidate.sdpMLineIndex = None, 0
            await peer.addIceCandidate(candidate)
        except (OSError, ValueError) as error:  # e.g. no multicast here to look up a `.local` name
            logger.info("stream %s: candidate ignored: %s", self._stream_id, error)

    def _take_media_track(self, media_track: MediaStreamTrack) -> None:
        if self._over or self._peer is None:
            return
        for receiver in self._peer.getReceivers():
            if receiver.track is media_track:
                self._decoder = bound_decoder(receiver)
                if self._decoder is not None:
                    mind_gaps(receiver, self._decoder)
        self._newest = keep_newest(media_track)
        self._spawn(self._drain(media_track), "drain")

    async def _drain(self, media_track: MediaStreamTrack) -> None:
        """Take every frame at once, for aiortc keeps what nobody takes."""
        while True:
            try:
                frame = await media_track.recv()
            except MediaStreamError:
                self._end(None, "the publisher stopped")
                return
            if isinstance(frame, VideoFrame):
                self._deliver(frame)

    def _deliver(self, video_frame: VideoFrame) -> None:
        now_s = time.monotonic()
        arrived_s = self._decoder.arrived_at_s(video_frame.pts) if self._decoder is not None else None
        # decoders give pictures in the order in which they are shown, which need not be that of their arrival
        self._newest_s = max(self._newest_s, now_s if arrived_s is None else arrived_s)
        self._on_frame(
            Frame(
                stream_id=self._stream_id,
                generation=1,
                index=self._frames,
                pts_s=video_frame.time,
                received_at_s=self._newest_s,
                video_frame=video_frame,
            )
        )
        self._frames += 1
        self._watch.frame(now_s)
        self._tell(
            StreamState.LIVE,
            width=video_frame.width,
            height=video_frame.height,
            codec=self._decoder.codec if self._decoder is not None else None,
        )

    def _connection_changed(self) -> None:
        state = self._peer.connectionState if self._peer is not None else "closed"
        if state == "connected":
            self._watch.connect(time.monotonic())
            self._tick()
        elif state == "failed" and self._peer is not None and self._peer.iceConnectionState == "completed":
            self._end(SourceErrorKind.TLS, "the publisher was reached, but no encryption could be agreed on (DTLS)")
        elif state == "failed":
            self._end(SourceErrorKind.UNREACHABLE, "the connection failed: is UDP blocked on the way?")
        elif state == "closed":
            self._end(None, "the publisher closed the connection")

    def _tick(self) -> None:
        """Look at the watch now and again when it may change; frames in between only move that moment."""
        if self._timer is not None:
            self._timer.cancel()
        if self._over:
            return
        now_s = time.monotonic()
        state = self._watch.state(now_s)
        if state is StreamState.ENDED:
            self._end(*self._why_ended())
            return
        if state is StreamState.STALLED:
            waited = f"{self._config.stalled_after_s:g} s"
            self._tell(state, SourceErrorKind.NO_MEDIA, f"connected, but no picture for {waited}: is the camera off?")
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(max(0.0, self._watch.next_change_s(now_s) - now_s), self._tick)

    def _why_ended(self) -> tuple[SourceErrorKind, str]:
        if not self._watch.connected:
            waited = f"{self._config.connect_timeout_s:g} s"
            return SourceErrorKind.UNREACHABLE, f"not connected after {waited}: is UDP blocked on the way?"
        return SourceErrorKind.NO_MEDIA, f"no picture for {self._config.ended_after_s:g} s: the publisher is gone"

    def _end(self, kind: SourceErrorKind | None, message: str) -> None:
        if self._over:
            return
        self._tell(StreamState.ENDED, kind, message)
        self._over = True
        if self._timer is not None:
            self._timer.cancel()

    def _tell(
        self,
        state: StreamState,
        error_kind: SourceErrorKind | None = None,
        message: str | None = None,
        *,
        width: int | None = None,
        height: int | None = None,
        codec: str | None = None,
    ) -> None:
        """Send the status when anything of it is new; what is not given of the picture stays as it was."""
        if self._over:
            return
        status = SourceStatus(
            state=state,
            error_kind=error_kind,
            message=message,
            width=width or self._status.width,
            height=height or self._status.height,
            codec=codec or self._status.codec,
            generation=1 if self._watch.framed else 0,
        )
        if status != self._status or state is StreamState.CONNECTING:
            self._status = status
            self._on_status(status)
