"""Events of the analyzer, for tests of what the server makes of them."""

from __future__ import annotations

from analyzer.datatypes import (
    Alert,
    Box,
    FaceCrop,
    FaceKey,
    FrameFaces,
    NotScored,
    Quality,
    Score,
    Verdict,
    VerdictState,
)
from stream_server.streams.sources.base import SourceStatus, StreamState
from stream_server.streams.stream import StreamInfo

FIT = Quality(None, 120.04, 300.0, 128.0, 0.1)
UNFIT = Quality(NotScored.TOO_SMALL, 20.0, 300.0, 128.0, 0.1)


def a_stream(stream_id: str = "door", state: StreamState = StreamState.LIVE) -> StreamInfo:
    return StreamInfo(stream_id, "rtsp", "rtsp://u:***@h/x", SourceStatus(state, width=640, height=480), 1.0)


def a_score(
    face_id: int = 1, p: float = 0.25, at_s: float = 10.0, stream_id: str = "door", generation: int = 1
) -> Score:
    return Score(FaceKey(stream_id, face_id), generation, 5, None, at_s, at_s + 0.05, p, -1.0, 16)


def some_faces(*faces: tuple[int, Quality], stream_id: str = "door", jpeg: bytes | None = None) -> FrameFaces:
    crops = tuple(
        FaceCrop(FaceKey(stream_id, face_id), 1, 5, None, 10.0, Box(1.234, 2.0, 30.0, 40.0), quality, None)
        for face_id, quality in faces
    )
    return FrameFaces(stream_id, 1, 5, None, 10.0, 640, 480, crops, jpeg)


def a_verdict(face_id: int = 1, state: VerdictState = VerdictState.CLEAR, stream_id: str = "door") -> Verdict:
    reason = NotScored.BLURRED if state is VerdictState.NOT_SCORED else None
    return Verdict(FaceKey(stream_id, face_id), state, reason, 16, 0.25, 10.0)


def an_alert(face_id: int = 1, *, raised: bool = True, stream_id: str = "door") -> Alert:
    return Alert(FaceKey(stream_id, face_id), raised, 0.9, 10.0, 9.0)
