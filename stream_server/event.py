"""What an alert opens: an event, from its start to its end, as it is stored, sent and put into evidence.

The same words in the database, in `/api/events`, in the `event` messages of `/ws/live` and in an evidence zip's
`event.json`. Times are Unix seconds.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from analyzer.alerting.verdict import Sensitivity

UnixSeconds = Annotated[float, Field(description="Unix seconds.")]
EVENT_ID: Final = re.compile(r"[0-9]{8}T[0-9]{6}-[0-9a-f]{8}", re.ASCII)


class EventKind(StrEnum):
    """What happened, in the words people read; the troubles of pictures are those of `PictureTrouble`."""

    MANIPULATION = "suspected manipulation"
    BLACK = "black picture"
    FROZEN = "frozen picture"
    LOOPED = "looped picture"
    DUPLICATED = "same picture as another stream"


class EventState(StrEnum):
    """Whether it goes on."""

    OPEN = "open"
    ENDED = "ended"
    INTERRUPTED = "interrupted"
    """The monitor stopped, or the stream went, while it went on: nobody saw its end."""


class ReviewMark(StrEnum):
    """What an operator made of it."""

    CONFIRMED = "confirmed"
    FALSE_ALARM = "false alarm"
    UNSURE = "unsure"


class Rules(BaseModel):
    """What raised and ended the alert: see docs/alerts.md."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sensitivity: Sensitivity
    alert_above: float = Field(description="Logit; scores above it were evidence for the alert.")
    alert_evidence: float = Field(description="Logit x seconds of evidence that raised it.")
    clear_below: float = Field(description="Smoothed logit under which it ended.")


class PartInfo(BaseModel):
    """One file of an event's evidence."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="`scores.jsonl`, `strip.jpg`, `faces/01.jpg`, `clip.mp4` ...")
    media_type: str
    size: int = Field(ge=0, description="Bytes.")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


EVIDENCE_UNTIL: Final = "evidence until"
"""How the note begins that says up to when the evidence of an event goes that went on."""
NO_EVIDENCE: Final = "no evidence"
"""How notes begin that say why there is none."""

EVENT_EXAMPLE: Final[dict[str, Any]] = {
    "id": "20260924T143000-1f0c9a3b",
    "stream_id": "door",
    "kind": "suspected manipulation",
    "state": "ended",
    "face_id": 3,
    "same_as": None,
    "started_at": 1790260200.1,
    "updated_at": 1790260231.6,
    "ended_at": 1790260231.6,
    "peak_at": 1790260212.4,
    "peak_probability": 0.93,
    "scores": 188,
    "rules": {"sensitivity": "balanced", "alert_above": 0.25, "alert_evidence": 2.5, "clear_below": -0.35},
    "source_kind": "rtsp",
    "source_url": "rtsp://operator:***@camera.example/door",
    "model": "deepfake-monitor-v2",
    "weights_sha256": "ab" * 32,
    "version": "0.1.0",
    "private": False,
    "notes": [],
    "mark": "confirmed",
    "mark_note": "a known fake",
    "marked_at": 1790261000.0,
    "parts": [{"name": "strip.jpg", "media_type": "image/jpeg", "size": 40612, "sha256": "cd" * 32}],
}


class Event(BaseModel):
    """One alert, from its start to its end."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_serialization_defaults_required=True,
        json_schema_extra={"examples": [EVENT_EXAMPLE]},
    )

    id: str = Field(pattern=f"^{EVENT_ID.pattern}$", description="UTC time of its start and eight random digits.")
    stream_id: str
    kind: EventKind
    state: EventState
    face_id: int | None = Field(description="The tracked face; null for the troubles of pictures.")
    same_as: str | None = Field(None, description="The other stream, where two show the same picture.")
    started_at: UnixSeconds
    updated_at: UnixSeconds
    ended_at: float | None = Field(None, description="Unix seconds; null while it goes on.")
    peak_at: float | None = Field(None, description="When the highest score was made; null without scores.")
    peak_probability: float | None = Field(None, ge=0, le=1, description="The highest `fake_probability`.")
    scores: int = Field(0, ge=0, description="Windows scored while it went on.")
    rules: Rules | None = Field(None, description="Null for the troubles of pictures.")
    source_kind: str = Field("", description="`webrtc`, `rtsp`, `rtmp`, `http` or `file`.")
    source_url: str | None = Field(None, description="Password masked; null for what was published to us.")
    model: str = Field("", description="Name of the weights card.")
    weights_sha256: str | None = None
    version: str = Field("", description="Of deepfake-monitor.")
    private: bool = Field(False, description="No pictures were kept: the stream was set so.")
    notes: tuple[str, ...] = Field((), description="What is missing from the evidence, and why.")
    mark: ReviewMark | None = Field(None, description="What an operator made of it.")
    mark_note: str = Field("", max_length=2000)
    marked_at: float | None = None
    parts: tuple[PartInfo, ...] = Field(
        (), description="The files of its evidence; `notes` say until when, while it goes on."
    )


@dataclass(frozen=True, slots=True)
class Part:
    """One file of an event's evidence, with what is in it."""

    name: str
    media_type: str
    data: bytes


def new_event_id(started_at: float) -> str:
    """Sorts by time, and is a name that files and addresses can bear."""
    return f"{datetime.fromtimestamp(started_at, UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}"
