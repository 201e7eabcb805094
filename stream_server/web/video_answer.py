"""The JSON about one video: what `POST /predict_video` answers and `deepfake-monitor score --json` prints."""

from __future__ import annotations

import base64
from dataclasses import asdict, replace
from typing import Final, Literal

import cv2
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from analyzer.datatypes import Pixels
from analyzer.scorer import ScorerInfo
from analyzer.video.report import FaceReport, VideoReport
from stream_server.live.evidence import ScoreEvidence, score_evidence

PICTURE_SIDE: Final = 160
"""Pixels of a peak's picture: enough to see what the map lies over, about 6 KB."""

_EXAMPLE: dict[str, JsonValue] = {
    "filename": "interview.mp4",
    "prediction": {"label": "REAL", "raw_score": 0.21, "confidence": 0.79, "is_deepfake": False},
    "status": "success",
    "model": {"name": "deepfake-monitor-v2", "sha256": "5f0c...", "aggregate": "clip"},
    "video": {"duration_s": 10.0, "fps": 25.0, "width": 1280, "height": 720, "frames_read": 250, "notes": []},
    "faces": [
        {
            "face_id": 1,
            "first_s": 0.0,
            "last_s": 9.96,
            "fake_probability": 0.21,
            "crops": 60,
            "windows": 45,
            "not_scored": {"blurred": 3},
            "peak": {"at_s": 4.5, "fake_probability": 0.31, "evidence": None, "picture": None},
        }
    ],
    "timeline": [{"face_id": 1, "start_s": 0.0, "end_s": 2.5, "fake_probability": 0.19}],
}


class Prediction(BaseModel):
    """The answer for the whole video."""

    label: Literal["REAL", "DEEPFAKE"] = Field(
        description="REAL means that no sign of manipulation was found, not that there is none."
    )
    raw_score: float = Field(ge=0, le=1, description="0 (no sign of manipulation) to 1 (fake).")
    confidence: float = Field(ge=0.5, le=1, description="max(raw_score, 1 - raw_score).")
    is_deepfake: bool = Field(description="raw_score >= 0.5.")


class UsedModel(BaseModel):
    """What judged."""

    name: str
    sha256: str | None
    aggregate: str = Field(description="The rule that made raw_score of what was scored.")
    coverage: str | None = Field(
        None, description="What share of fakes these weights find, of the weights card; null where it does not say."
    )


class Video(BaseModel):
    """What was read."""

    duration_s: float
    fps: float
    width: int
    height: int
    frames_read: int
    notes: list[str] = Field(description="What a person should know about the reading, such as damaged parts.")


class VideoPeak(BaseModel):
    """The most suspicious window of one face."""

    at_s: float = Field(description="`end_s` of that window in the timeline: its newest picture.")
    fake_probability: float
    evidence: ScoreEvidence | None = Field(description="What it rests on; null where the backend cannot tell.")
    picture: str | None = Field(
        description="JPEG in base64 of the newest crop of that window, which `evidence.where` lies over. Null unless "
        "asked for, and for all but the 8 faces with the highest peaks."
    )


class VideoFace(BaseModel):
    """One face of the video."""

    face_id: int
    first_s: float
    last_s: float
    fake_probability: float | None = Field(description="Null when it was never scored.")
    crops: int = Field(description="Pictures of it that were fit to be judged.")
    windows: int = Field(description="Windows of 16 that were scored.")
    not_scored: dict[str, int] = Field(description="Pictures that were not fit, by reason.")
    peak: VideoPeak | None = Field(None, description="Its most suspicious window; null when it was never scored.")


class TimelinePoint(BaseModel):
    """The score of one window."""

    face_id: int
    start_s: float
    end_s: float
    fake_probability: float


class VideoAnswer(BaseModel):
    """What was found in a video. `filename`, `prediction` and `status` are a fixed contract."""

    model_config = ConfigDict(json_schema_extra={"example": _EXAMPLE})

    filename: str
    prediction: Prediction
    status: Literal["success"]
    model: UsedModel
    video: Video
    faces: list[VideoFace]
    timeline: list[TimelinePoint]


def video_answer(report: VideoReport, info: ScorerInfo, filename: str) -> VideoAnswer:
    """The report in the words of the API, under the name that the client gave."""
    return VideoAnswer(
        filename=filename,
        prediction=Prediction(
            label=report.label,
            raw_score=report.raw_score,
            confidence=report.confidence,
            is_deepfake=report.is_deepfake,
        ),
        status="success",
        model=UsedModel(
            name=info.model, sha256=info.weights_sha256, aggregate=report.aggregate, coverage=info.coverage
        ),
        video=Video(
            duration_s=report.duration_s,
            fps=report.fps,
            width=report.width,
            height=report.height,
            frames_read=report.frames_read,
            notes=list(report.notes),
        ),
        faces=[_face(face) for face in report.faces],
        timeline=[TimelinePoint(**asdict(point)) for point in report.timeline],
    )


def _face(face: FaceReport) -> VideoFace:
    peak = face.peak and VideoPeak(
        at_s=face.peak.at_s,
        fake_probability=face.peak.fake_probability,
        evidence=score_evidence(face.peak.evidence),
        picture=face.peak.pictures and _jpeg(face.peak.pictures[-1]),
    )
    return VideoFace(**{**asdict(replace(face, peak=None)), "peak": peak})


def _jpeg(pixels: Pixels) -> str:
    small = cv2.resize(pixels, (PICTURE_SIDE, PICTURE_SIDE), interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])
    return base64.b64encode(encoded.tobytes()).decode()
