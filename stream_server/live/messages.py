"""The JSON of `/ws/live`, and the only file that knows it: one model per message type, and how each is made.

Only a score's evidence stands elsewhere (evidence.py), for the answer about a video says it in the same words.

Every message has `v` (the version of this vocabulary) and `type`. Times are Unix seconds, named `at` or `*_at`; the
analyzer's monotonic seconds become Unix seconds here and nowhere else. docs/websocket.md describes the messages for
people, docs/websocket.schema.json for programs; tests hold both to what is really sent.
"""

from __future__ import annotations

import struct
from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from analyzer.alerting.verdict import Sensitivity
from analyzer.config import AnalyzerConfig
from analyzer.datatypes import (
    Alert,
    FaceCrop,
    FaceEnded,
    FrameFaces,
    NotScored,
    PictureTrouble,
    Score,
    Verdict,
    VerdictState,
)
from analyzer.errors import SourceErrorKind
from stream_server.event import Event
from stream_server.live.clock import WallClock
from stream_server.live.evidence import ScoreEvidence, score_evidence
from stream_server.streams.sources.base import StreamState
from stream_server.streams.stream import StreamInfo

Probability = Annotated[float, Field(ge=0, le=1, description="0 (no sign of manipulation) to 1 (fake).")]
UnixSeconds = Annotated[float, Field(description="Unix seconds.")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", json_schema_serialization_defaults_required=True)


class _Message(_Part):
    v: Literal[1] = 1


class Quality(_Part):
    """Whether a face is fit to be judged."""

    fit: bool
    reason: NotScored | None = Field(description="Why not; null when fit.")
    size_px: float = Field(description="Longer side of the face box in pixels.")
    sharpness: float
    brightness: float = Field(description="0 to 255.")
    yaw: float = Field(description="0 frontal, beyond +-1 profile.")


class FaceBox(_Part):
    """One face of one frame."""

    face_id: int
    box: tuple[float, float, float, float] = Field(description="x, y, width, height in pixels of the full frame.")
    quality: Quality


class StreamMessage(_Message):
    """A stream and its state, whenever that changes."""

    type: Literal["stream"] = "stream"
    stream_id: str
    kind: str = Field(description="`webrtc`, `rtsp`, `rtmp`, `http` or `file`.")
    url: str | None = Field(description="Password masked; null for what is published to us.")
    state: StreamState | Literal["removed"]
    error_kind: SourceErrorKind | None
    message: str | None = Field(description="The error in words.")
    retry_in_s: float | None = Field(description="Pause before the next try.")
    width: int | None
    height: int | None
    codec: str | None
    fps: float | None
    generation: int = Field(description="Grows with each (re)connection.")
    picture: PictureTrouble | None = Field(
        description="What is wrong with its pictures: `black picture`, `frozen picture`, `looped picture` or "
        "`same picture as another stream`; only while live."
    )
    picture_since: float | None = Field(description="Unix seconds; null without trouble.")
    picture_same_as: str | None = Field(description="The stream that shows the same picture; null in any other case.")
    sensitivity: Sensitivity = Field(description="How easily alerts are raised: `quiet`, `balanced` or `eager`.")
    privacy: bool = Field(description="No pictures of it are kept, only scores.")
    at: UnixSeconds


class FacesMessage(_Message):
    """The faces of one frame, fit to be judged or not."""

    type: Literal["faces"] = "faces"
    stream_id: str
    generation: int
    frame_index: int
    frame_at: UnixSeconds
    width: int = Field(description="Of the full frame, which boxes refer to.")
    height: int
    faces: tuple[FaceBox, ...]


class ScoreMessage(_Message):
    """The network's opinion of one window of 16 faces."""

    type: Literal["score"] = "score"
    stream_id: str
    face_id: int
    generation: int
    frame_index: int = Field(description="Frame of the newest face.")
    fake_probability: Probability
    logit: float
    window: int = Field(description="Faces in the window: 16.")
    face_at: UnixSeconds = Field(description="When the frame of the newest face reached us.")
    scored_at: UnixSeconds
    latency_ms: float = Field(description="From `face_at` to `scored_at`.")
    stream_fake_probability: Probability = Field(
        description="Of the stream: its most suspicious face that is fit to be judged."
    )
    evidence: ScoreEvidence | None = Field(None, description="What it rests on; null where the backend cannot tell.")


class VerdictMessage(_Message):
    """What the operator is told about a face, when that changes."""

    type: Literal["verdict"] = "verdict"
    stream_id: str
    face_id: int
    state: VerdictState
    reason: NotScored | None = Field(description="Only with `not scored`.")
    filled: int = Field(description="Faces in the window, 0 to 16.")
    fake_probability: Probability | None = Field(description="Smoothed; null before the first score.")
    at: UnixSeconds


class FaceEndedMessage(_Message):
    """A face is gone for good; its id is never used again."""

    type: Literal["face_ended"] = "face_ended"
    stream_id: str
    face_id: int
    at: UnixSeconds


class AlertMessage(_Message):
    """An alert starts (`raised`) or is over."""

    type: Literal["alert"] = "alert"
    stream_id: str
    face_id: int
    raised: bool
    fake_probability: Probability
    at: UnixSeconds
    started_at: UnixSeconds


class UploadMessage(_Message):
    """How far the analysis of an upload is, for the client that chose this id."""

    type: Literal["upload"] = "upload"
    upload_id: str
    progress: float = Field(ge=0, le=1)
    at: UnixSeconds


class Latency(_Part):
    """Frame received to score published, over the last interval."""

    p50: float = Field(description="Milliseconds.")
    p95: float


class NotificationStats(_Part):
    """Whether people are told of events."""

    failing: tuple[str, ...] = Field(description="What does not reach its target now, and why, each in words.")
    dead: int = Field(description="Notifications that were given up since the start.")


class StatsMessage(_Message):
    """How the monitor is doing, every 2 seconds."""

    type: Literal["stats"] = "stats"
    at: UnixSeconds
    device: str
    model: str
    status: Literal["ok", "degraded"]
    streams: int
    viewers: int
    scores_total: int
    scores_per_s: float
    latency_ms: Latency | None = Field(description="Null when nothing was scored.")
    storage: str | None = Field(
        description="Why nothing can be stored now; null while all is well, or nothing is kept."
    )
    notifications: NotificationStats | None = Field(description="Null where nothing is kept, and so nothing is told.")
    dropped: dict[str, int] = Field(description="What was dropped since the start, by cause.")
    queues: dict[str, int] = Field(description="How much waits in each queue.")


class EventMessage(_Message):
    """An event, whenever it changes; only where events are kept."""

    type: Literal["event"] = "event"
    event: Event
    deleted: bool = Field(False, description="It is gone, by an operator's hand.")


class ServerIdentity(_Part):
    """Who is talking."""

    name: str
    version: str


class HelloMessage(_Message):
    """The first message, and again after a slow client lost some: a snapshot of everything."""

    type: Literal["hello"] = "hello"
    server: ServerIdentity
    at: UnixSeconds
    device: str
    model: str
    coverage: str | None = Field(
        None, description="What share of fakes the weights find, of their card; null where it does not say."
    )
    streams: tuple[StreamMessage, ...]
    faces: tuple[FacesMessage, ...] = Field(description="The newest of each stream.")
    scores: tuple[ScoreMessage, ...] = Field(description="The newest of each face.")
    verdicts: tuple[VerdictMessage, ...] = Field(description="The newest of each face.")
    alerts: tuple[AlertMessage, ...] = Field(
        description="The newest of each face: raised ones, and the last that are over."
    )
    stats: StatsMessage | None
    crop_scale: float = Field(
        AnalyzerConfig().crop_scale,
        description="Side of the square that is cut out around a face's box, over the box's longer side: what the map "
        "of a score's evidence covers.",
    )


class PongMessage(_Message):
    """The answer to a client's `{"type": "ping"}`."""

    type: Literal["pong"] = "pong"
    at: UnixSeconds


Message = Annotated[
    HelloMessage
    | StreamMessage
    | FacesMessage
    | ScoreMessage
    | VerdictMessage
    | FaceEndedMessage
    | AlertMessage
    | EventMessage
    | UploadMessage
    | StatsMessage
    | PongMessage,
    Field(discriminator="type"),
]


def json_schema() -> dict[str, Any]:
    """JSON schema of everything that `/ws/live` sends: docs/websocket.schema.json."""
    schema = TypeAdapter[Any](Message).json_schema(mode="serialization")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Messages of /ws/live, version 1",
        **schema,
    }


def stream_message(info: StreamInfo, at: float) -> StreamMessage:
    """The state of a stream at `at` (Unix seconds)."""
    # the message has the fields of a status, by the same names
    return StreamMessage(
        stream_id=info.stream_id,
        kind=info.kind,
        url=info.url,
        sensitivity=info.sensitivity,
        picture=info.picture,
        picture_since=info.picture_since,
        picture_same_as=info.picture_same_as,
        privacy=info.privacy,
        at=at,
        **asdict(info.status),
    )


def faces_message(event: FrameFaces, clock: WallClock) -> FacesMessage:
    """Boxes and quality of one frame's faces, without the picture."""
    return FacesMessage(
        stream_id=event.stream_id,
        generation=event.generation,
        frame_index=event.frame_index,
        frame_at=clock.unix(event.received_at_s),
        width=event.width,
        height=event.height,
        faces=tuple(_face_box(crop) for crop in event.crops),
    )


def _face_box(crop: FaceCrop) -> FaceBox:
    box, quality = crop.box, crop.quality
    return FaceBox(
        face_id=crop.key.face_id,
        # a tenth of a pixel is finer than any screen, and half the bytes
        box=(round(box.x, 1), round(box.y, 1), round(box.width, 1), round(box.height, 1)),
        quality=Quality(
            fit=quality.fit,
            reason=quality.reason,
            size_px=round(quality.size_px, 1),
            sharpness=round(quality.sharpness, 1),
            brightness=round(quality.brightness, 1),
            yaw=round(quality.yaw, 2),
        ),
    )


def score_message(event: Score, stream_fake_probability: float, clock: WallClock) -> ScoreMessage:
    """A score, with that of the stream it belongs to."""
    return ScoreMessage(
        stream_id=event.key.stream_id,
        face_id=event.key.face_id,
        generation=event.generation,
        frame_index=event.frame_index,
        fake_probability=event.fake_probability,
        logit=event.logit,
        window=event.window,
        face_at=clock.unix(event.received_at_s),
        scored_at=clock.unix(event.scored_at_s),
        latency_ms=round(event.latency_s * 1000, 3),
        stream_fake_probability=stream_fake_probability,
        evidence=score_evidence(event.evidence),
    )


def to_message(
    event: Verdict | Alert | FaceEnded, clock: WallClock
) -> VerdictMessage | AlertMessage | FaceEndedMessage:
    """The message of an event that needs nothing but itself."""
    stream_id, face_id = event.key.stream_id, event.key.face_id
    match event:
        case Verdict():
            return VerdictMessage(
                stream_id=stream_id,
                face_id=face_id,
                state=event.state,
                reason=event.reason,
                filled=event.filled,
                fake_probability=event.fake_probability,
                at=clock.unix(event.at_s),
            )
        case Alert():
            started_at, at = clock.unix_pair(event.started_at_s, event.at_s)
            return AlertMessage(
                stream_id=stream_id,
                face_id=face_id,
                raised=event.raised,
                fake_probability=event.fake_probability,
                at=at,
                started_at=started_at,
            )
        case FaceEnded():
            return FaceEndedMessage(stream_id=stream_id, face_id=face_id, at=clock.now())


def view_payload(faces: FacesMessage, jpeg: bytes) -> bytes:
    """One picture of `/ws/view`: header length (4 bytes, big-endian), the frame's `faces` message, then its JPEG."""
    header = faces.model_dump_json().encode()
    return struct.pack(">I", len(header)) + header + jpeg


def read_view_payload(payload: bytes) -> tuple[FacesMessage, bytes]:
    """The reverse of `view_payload`."""
    (length,) = struct.unpack_from(">I", payload)
    return FacesMessage.model_validate_json(payload[4 : 4 + length]), payload[4 + length :]
