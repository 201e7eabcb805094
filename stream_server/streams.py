"""Which videos are being watched: the only owner of sources."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stream_server.sources.base import SourceStatus


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """What operators may say about streams."""

    max_streams: int = 16
    """More are refused (`OverloadedError`); one process holds about this many (see the README's figures)."""
    folders: tuple[Path, ...] = ()
    """Files below these may be opened over the API; none by default. Trusted paths may be any file."""
    allow_networks: tuple[str, ...] = ()
    """CIDR blocks; when any are given, sources must lie inside one of them."""
    deny_networks: tuple[str, ...] = ()
    """CIDR blocks that sources may never lie in. Cloud metadata addresses are always denied."""
    rtsp_transport: str = "tcp"
    """`tcp` or `udp` for RTSP."""
    watchdog_s: float = 3.0
    """A live stream without a frame for so long is shown as stalled."""


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What is told to people about one stream."""

    stream_id: str
    kind: str
    """`webrtc`, `rtsp`, `rtmp`, `http` or `file`."""
    url: str | None
    """Where it comes from, the password masked; None for what is published to us."""
    status: SourceStatus
    added_at: float
    """Unix seconds."""
