"""Events and observations for tests."""

from __future__ import annotations

from typing import Any, Final

from analyzer.alerting.verdict import Sensitivity
from stream_server.event import Event, EventKind, EventState, Part, Rules, new_event_id
from stream_server.store.reading import Observed

START: Final = 1_790_000_000.0
RULES: Final = Rules(sensitivity=Sensitivity.BALANCED, alert_above=0.25, alert_evidence=2.5, clear_below=-0.35)
PICTURE: Final = Part("strip.jpg", "image/jpeg", b"\xff\xd8 a picture")
SERIES: Final = Part("scores.jsonl", "application/jsonl", b"{}\n")


def an_event(started_at: float = START, **changes: Any) -> Event:
    """An alert about face 3 of the stream `cam`, over after twenty seconds."""
    values: dict[str, Any] = {
        "id": new_event_id(started_at),
        "stream_id": "cam",
        "kind": EventKind.MANIPULATION,
        "state": EventState.ENDED,
        "face_id": 3,
        "started_at": started_at,
        "updated_at": started_at + 20,
        "ended_at": started_at + 20,
        "peak_at": started_at + 8,
        "peak_probability": 0.93,
        "scores": 120,
        "rules": RULES,
        "source_kind": "rtsp",
        "source_url": "rtsp://operator:***@camera.example/door",
        "model": "deepfake-monitor-v2",
        "weights_sha256": "ab" * 32,
        "version": "0.1.0",
    }
    return Event(**(values | changes))


def observed(at: float = START, logit: float | None = 0.5, **changes: Any) -> Observed:
    """A score of face 3 of the stream `cam`; without a logit, a blurred picture of it."""
    values: dict[str, Any] = {
        "stream_id": "cam",
        "face_id": 3,
        "at": at,
        "logit": logit,
        "unfit": "blurred" if logit is None else None,
    }
    return Observed(**(values | changes))
