"""What a watched video is called, what operators may say about it, and what is told to people about it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from analyzer.alerting.verdict import Sensitivity
from analyzer.datatypes import PictureTrouble
from stream_server.streams.sources.base import SourceStatus

STREAM_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

Transport = Literal["tcp", "udp"]


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """What operators may say about streams."""

    max_streams: int = 16
    """More are refused (`OverloadedError`), and fewer where the scorer cannot keep up (`Engine.add_stream`)."""
    folders: tuple[Path, ...] = ()
    """Files below these may be opened over the API; none by default. Trusted paths may be any file."""
    allow_networks: tuple[str, ...] = ()
    """CIDR blocks; when any are given, sources must lie inside one of them."""
    deny_networks: tuple[str, ...] = ()
    """CIDR blocks that sources may never lie in. Cloud metadata addresses are always denied."""
    rtsp_transport: Transport = "tcp"
    """How RTSP media travels, unless a stream says otherwise."""
    hardware_decoding: str = "off"
    """What decodes: `off` for the processor, `auto`, or a kind of device (`sources.hardware`)."""
    watchdog_s: float = 3.0
    """A live stream without a frame for so long is shown as stalled."""
    sensitivity: Sensitivity = Sensitivity.BALANCED
    """How easily alerts are raised, unless a stream says otherwise."""
    sensitivities: Mapping[str, Sensitivity] = field(default_factory=dict)
    """The same of single streams, by id, whoever adds or publishes them."""
    may_repeat: tuple[str, ...] = ()
    """Patterns of ids, as `fnmatch` has them, of streams that are not asked whether they repeat anything."""
    private: frozenset[str] = frozenset()
    """Ids of streams of which no pictures are kept."""
    recorded: bool = True
    """Whether anything is kept of any."""


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
    sensitivity: Sensitivity = Sensitivity.BALANCED
    picture: PictureTrouble | None = None
    """What is wrong with its pictures; None also when none come."""
    picture_since: float | None = None
    """Unix seconds."""
    picture_same_as: str | None = None
    """The stream that shows the same; only with `PictureTrouble.DUPLICATED`."""
    privacy: bool = False
    """No pictures of it are kept, only scores."""
