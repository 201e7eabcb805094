"""What the scripted server says: casts of streams, and the messages and answers of the monitor's interface for them."""

from __future__ import annotations

import base64
import math
import time
from dataclasses import dataclass, replace
from typing import Any

from tests.e2e.moving_face import cut_out_jpeg

Json = dict[str, Any]


@dataclass(frozen=True)
class Role:
    """What one stream plays: its state and what is told about each of its faces."""

    stream_id: str
    kind: str = "rtsp"
    state: str = "live"
    error_kind: str | None = None
    message: str | None = None
    retry_in_s: float | None = None
    verdicts: tuple[tuple[str, float | None, str | None], ...] = (("no sign of manipulation", 0.08, None),)
    """Per face: verdict, score 0 to 1, reason."""


CLEAR = ("no sign of manipulation", 0.08, None)
ALERT = ("alert", 0.93, None)
STATES = (
    Role("door-clear"),
    Role("lobby-two-faces", verdicts=(CLEAR, ("suspicious", 0.71, None))),
    Role("desk-alert", kind="webrtc", verdicts=(ALERT,)),
    Role("gate-uncertain", verdicts=(("uncertain", 0.47, None),)),
    Role("new-warming-up", kind="http", verdicts=(("warming up", None, None),)),
    Role("far-too-small", verdicts=(("not scored", None, "too small"),)),
    Role("yard-connecting", state="connecting", verdicts=()),
    Role("hall-stalled", state="stalled", message="no new picture for 6 s", verdicts=(CLEAR,)),
    Role(
        "roof-lost", state="lost", error_kind="auth", message="wrong user name or password", retry_in_s=30, verdicts=()
    ),
    Role("demo-ended", kind="file", state="ended", verdicts=()),
)
CASTS: dict[str, tuple[Role, ...]] = {
    "empty": (),
    "alert": (STATES[2], STATES[0]),
    "states": STATES,
    "busy": tuple(replace(STATES[index % 6], stream_id=f"cam-{index + 1:02d}") for index in range(12)),
}


def wobble(score: float, at: float) -> float:
    """The scripted score with a little life in it, so that lines can be told from rulers."""
    return min(0.99, max(0.01, score + 0.05 * math.sin(at / 3) + 0.02 * math.sin(at * 2.1)))


def stream_message(role: Role, state: str | None = None) -> Json:
    url = None if role.kind == "webrtc" else f"rtsp://viewer:***@192.0.2.7/{role.stream_id}"
    known = role.state in ("live", "stalled")
    size = (
        {"width": 1280, "height": 720, "codec": "h264", "fps": 25.0}
        if known
        else dict.fromkeys(("width", "height", "codec", "fps"))
    )
    why = {"error_kind": role.error_kind, "message": role.message, "retry_in_s": role.retry_in_s}
    who = {"stream_id": role.stream_id, "kind": role.kind, "url": url, "state": state or role.state}
    return {
        "type": "stream",
        **who,
        **why,
        **size,
        "generation": 1,
        "sensitivity": "balanced",
        "privacy": False,
        "picture": None,
        "picture_since": None,
        "picture_same_as": None,
        "at": time.time(),
    }


COVERAGE = "Of the videos it was measured on, this detector flagged 2 of 8 face swaps, and 0 of 18 genuine ones."


def evidence(p: float, at: float) -> Json:
    """Looked at the mouth, and a little at the eyes; its pictures differ, their mean is `p`."""
    logit = math.log(p / (1 - p))
    where = [[round(6 + 4 * math.sin(row + 2 * column)) for column in range(7)] for row in range(7)]
    for row, column, value in ((4, 2, 52), (4, 3, 78), (4, 4, 61), (5, 3, 44), (2, 2, 30), (2, 4, 27)):
        where[row][column] = value
    waves = [1.5 * math.sin(at + 2 * math.pi * picture / 16) for picture in range(16)]
    return {
        "where": where,
        "when": None,
        "counted": [round(logit + wave, 2) for wave in waves],
        "frame_logits": [round(wave, 2) for wave in waves],
        "window_logit": None,
        "calibration_percentile": round(1 / (1 + math.exp(-2 * logit - 3)), 3),
    }


def score_message(role: Role, face_id: int, p: float, now: float) -> Json:
    numbers = {
        "fake_probability": p,
        "logit": math.log(p / (1 - p)),
        "window": 16,
        "latency_ms": 90 + 30 * p,
        "stream_fake_probability": p,
        "evidence": evidence(p, now),
    }
    where = {"stream_id": role.stream_id, "face_id": face_id, "generation": 1, "frame_index": 0}
    return {"type": "score", **where, "face_at": now - 0.1, "scored_at": now, **numbers}


def verdict_message(
    role: Role, face_id: int, state: str, score: float | None, reason: str | None, filled: int, now: float
) -> Json:
    what = {
        "state": state,
        "reason": reason,
        "filled": filled if state == "warming up" else 16,
        "fake_probability": score,
    }
    return {"type": "verdict", "stream_id": role.stream_id, "face_id": face_id, **what, "at": now}


def alert_message(role: Role, face_id: int, *, raised: bool, now: float) -> Json:
    who = {"stream_id": role.stream_id, "face_id": face_id, "raised": raised}
    return {"type": "alert", **who, "fake_probability": 0.93, "at": now, "started_at": now if raised else now - 20}


def peak_of(face_id: int, timeline: list[Json]) -> Json:
    point = max((p for p in timeline if p["face_id"] == face_id), key=lambda p: p["fake_probability"])
    p = point["fake_probability"]
    picture = base64.b64encode(cut_out_jpeg(face_id)).decode()
    return {"at_s": point["end_s"], "fake_probability": p, "evidence": evidence(p, face_id), "picture": picture}


def report(filename: str, *, looks_manipulated: bool) -> Json:
    base = 0.87 if looks_manipulated else 0.06
    timeline = [
        {
            "face_id": face_id,
            "start_s": index * 0.5,
            "end_s": index * 0.5 + 2.6,
            "fake_probability": wobble(level, index / 2),
        }
        for face_id, level, indexes in ((1, base, (*range(18), *range(28, 50))), (2, 0.12, range(8, 30)))
        for index in indexes
    ]
    faces = [
        {
            "face_id": 1,
            "first_s": 0.0,
            "last_s": 27.1,
            "fake_probability": base,
            "crops": 160,
            "windows": 40,
            "not_scored": {"blurred": 12},
            "peak": peak_of(1, timeline),
        },
        {
            "face_id": 2,
            "first_s": 4.0,
            "last_s": 17.6,
            "fake_probability": 0.12,
            "crops": 80,
            "windows": 22,
            "not_scored": {},
            "peak": peak_of(2, timeline),
        },
    ]
    prediction = {
        "label": "DEEPFAKE" if looks_manipulated else "REAL",
        "raw_score": base,
        "confidence": max(base, 1 - base),
    }
    return {
        "filename": filename,
        "prediction": {**prediction, "is_deepfake": looks_manipulated},
        "status": "success",
        "model": {"name": "scripted", "sha256": None, "aggregate": "16 evenly spaced faces"},
        "video": {
            "duration_s": 27.4,
            "fps": 29.97,
            "width": 1280,
            "height": 720,
            "frames_read": 821,
            "notes": ["2 damaged parts were skipped."],
        },
        "faces": faces,
        "timeline": timeline,
    }
