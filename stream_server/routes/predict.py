"""`POST /predict_video`: one uploaded video, one answer, with the faces and the timeline behind it."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from analyzer.video import VideoReport, analyze_video
from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from stream_server.http_errors import ApiError, error_docs
from stream_server.messages import UploadMessage
from stream_server.monitor import Monitor, TheMonitor
from stream_server.upload import check_upload_headers, receive_upload

PROGRESS_STEP = 0.01
"""Progress is published each time it has grown by this much: a hundred messages a video at most."""

_NO_WEIGHTS = "There are no trained weights, so nothing can be judged; `deepfake-monitor doctor` says more."

CLIENT_GONE = 499  # nginx's status for a client that left; nobody reads this answer

router = APIRouter(tags=["video"])


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
    aggregate: str = Field(description="The rule that made raw_score of the video's windows.")


class Video(BaseModel):
    """What was read."""

    duration_s: float | None
    fps: float | None
    width: int
    height: int
    frames_read: int


class VideoFace(BaseModel):
    """One face of the video."""

    face_id: int
    first_s: float
    last_s: float
    fake_probability: float | None = Field(description="Null when it was never scored.")
    crops: int = Field(description="Pictures of it that were fit to be judged.")
    windows: int = Field(description="Windows of 16 that were scored.")
    not_scored: dict[str, int] = Field(description="Pictures that were not fit, by reason.")


class TimelinePoint(BaseModel):
    """The score of one window."""

    face_id: int
    start_s: float
    end_s: float
    fake_probability: float


class VideoAnswer(BaseModel):
    """The first three fields are a fixed contract."""

    filename: str
    prediction: Prediction
    status: Literal["success"]
    model: UsedModel
    video: Video
    faces: list[VideoFace]
    timeline: list[TimelinePoint]


_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {
                            "type": "string",
                            "format": "binary",
                            "description": "The video: MP4, MOV, AVI, FLV, MKV or WebM.",
                        }
                    },
                }
            }
        },
    }
}


@router.post(
    "/predict_video",
    summary="Judge a video",
    response_model=VideoAnswer,
    openapi_extra=_BODY,
    responses=error_docs(
        s400="the multipart body is malformed",
        s413="more bytes, pixels or seconds than allowed (`too_large`)",
        s415="not multipart/form-data",
        s422="`missing_file`, `not_a_video`, or `no_faces` that are fit to be judged",
        s503="no trained weights (`no_weights`), or too many uploads (`overloaded`)",
    ),
)
async def predict_video(
    request: Request,
    monitor: TheMonitor,
    upload_id: Annotated[
        str | None,
        Query(pattern=r"^[A-Za-z0-9._-]{1,64}$", description="Progress comes over `/ws/live` under this id."),
    ] = None,
) -> Response:
    """Every face of the video is followed and scored in windows of 16; nothing of the video is kept."""
    if not monitor.trained:
        raise ApiError(503, "no_weights", _NO_WEIGHTS)
    max_bytes = monitor.settings.server.max_upload_mb * 1_000_000
    boundary = check_upload_headers(request, max_bytes)
    with (
        monitor.uploads.place(),
        tempfile.NamedTemporaryFile(
            prefix="deepfake-monitor-", suffix=".upload", dir=monitor.settings.server.upload_folder
        ) as target,
    ):
        try:
            filename = await receive_upload(request, boundary, target.file, max_bytes)
        except ClientDisconnect:
            return Response(status_code=CLIENT_GONE)
        report = await _analyse(request, monitor, Path(target.name), _progress(monitor, upload_id))
    if report is None:
        return Response(status_code=CLIENT_GONE)
    return JSONResponse(to_answer(report, filename, monitor).model_dump())


async def _analyse(
    request: Request, monitor: Monitor, path: Path, progress: Callable[[float], None]
) -> VideoReport | None:
    """Analyse in a thread until done, or until the client leaves (None) or the server stops (503)."""
    gone = threading.Event()
    stopping = monitor.uploads.stopping

    def work() -> VideoReport:
        return analyze_video(
            path,
            detector=monitor.make_detector(),  # a detector belongs to one thread
            scorer=monitor.engine.scorer,
            config=monitor.settings.analyzer.config(),
            progress=progress,
            should_stop=lambda: gone.is_set() or stopping.is_set(),
        )

    async def wait_until_gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        gone.set()

    watcher = asyncio.create_task(wait_until_gone(), name="upload-client-watch")
    analysis = asyncio.get_running_loop().run_in_executor(monitor.uploads.executor, work)
    try:
        report = await asyncio.shield(analysis)
    except asyncio.CancelledError:
        gone.set()
        await asyncio.wait((analysis,))  # the file may not go before its reader
        raise
    finally:
        watcher.cancel()
    if gone.is_set():
        return None
    if stopping.is_set():
        raise ApiError(503, "stopping", "The server is stopping; send the video again when it is back.")
    return report


def _progress(monitor: Monitor, upload_id: str | None) -> Callable[[float], None]:
    """What the worker thread calls; it only hands over to the loop."""
    loop = asyncio.get_running_loop()
    published = -1.0

    def publish(done: float) -> None:
        nonlocal published
        if upload_id is None or (done < published + PROGRESS_STEP and done < 1):
            return
        published = done
        message = UploadMessage(upload_id=upload_id, progress=min(max(done, 0.0), 1.0), at=monitor.clock.now())
        loop.call_soon_threadsafe(monitor.hub.publish, message)

    return publish


def to_answer(report: VideoReport, filename: str, monitor: Monitor) -> VideoAnswer:
    """The report in the words of the API, under the name that the client gave."""
    info = monitor.engine.info
    return VideoAnswer(
        filename=filename,
        prediction=Prediction(
            label=report.label,
            raw_score=report.raw_score,
            confidence=report.confidence,
            is_deepfake=report.is_deepfake,
        ),
        status="success",
        model=UsedModel(name=info.model, sha256=info.weights_sha256, aggregate=report.aggregate),
        video=Video(
            duration_s=report.duration_s,
            fps=report.fps,
            width=report.width,
            height=report.height,
            frames_read=report.frames_read,
        ),
        faces=[VideoFace(**asdict(face)) for face in report.faces],
        timeline=[TimelinePoint(**asdict(point)) for point in report.timeline],
    )
