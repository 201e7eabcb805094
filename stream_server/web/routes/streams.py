"""`/api/streams`: list, add and remove streams; a picture with its boxes; the scores of the last minutes."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Final, Literal, Self

import cv2
import numpy as np
from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.responses import Response

from analyzer.alerting.series import Series
from analyzer.alerting.verdict import Sensitivity
from stream_server.live.messages import FacesMessage, ScoreMessage, StreamMessage, read_view_payload, stream_message
from stream_server.settings.section import STREAM_ID_PATTERN
from stream_server.web.http_errors import ApiError, error_docs
from stream_server.web.monitor import Monitor, TheMonitor

SNAPSHOT_TIMEOUT_S: Final = 2.0
"""A live stream delivers several pictures in this time, even under load."""

_FIT_COLOUR: Final = (80, 200, 80)  # BGR; words beside the box say the same, colour is never the only carrier
_FAKE_COLOUR: Final = (60, 60, 230)
_UNFIT_COLOUR: Final = (160, 160, 160)

router = APIRouter(prefix="/api/streams", tags=["streams"])

StreamPath = Annotated[
    str, Path(alias="stream_id", max_length=64, description="Name of the stream.", examples=["door"])
]


_NO_SUCH_STREAM: Final = error_docs(s404="no such stream", s422="not a stream id")


class NewStream(BaseModel):
    """A stream to open."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(
        pattern=STREAM_ID_PATTERN, description="1 to 64 letters, digits, `.`, `_`, `-`; the first a letter or digit."
    )
    url: str = Field(
        min_length=1,
        max_length=2048,
        description="`rtsp`, `rtsps`, `rtmp`, `http` or `https`; files only below configured folders.",
        examples=["rtsp://user:password@192.0.2.10/stream1"],
    )
    transport: Literal["tcp", "udp"] | None = Field(
        None, description="How RTSP media travels; null for `sources.rtsp_transport`. Other addresses ignore it."
    )
    sensitivity: Sensitivity | None = Field(
        None, description="How easily alerts are raised (docs/alerts.md); null for what the settings say."
    )
    privacy: bool = Field(False, description="Keep no pictures of it, only scores (docs/privacy.md).")


class StreamChange(BaseModel):
    """What can be changed of a stream."""

    model_config = ConfigDict(extra="forbid")

    sensitivity: Sensitivity | None = Field(None, description="How easily alerts are raised (docs/alerts.md).")
    privacy: bool | None = Field(None, description="Keep no pictures of it, only scores (docs/privacy.md).")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.sensitivity is None and self.privacy is None:
            raise ValueError("expected sensitivity, privacy or both")
        return self


class StreamList(BaseModel):
    """All streams."""

    items: list[StreamMessage]


class ScorePoint(BaseModel):
    """One score."""

    face_id: int
    face_at: float = Field(description="Unix seconds of the newest face in the window.")
    fake_probability: float = Field(ge=0, le=1)


class ScoreList(BaseModel):
    """Scores of the last five minutes, oldest first."""

    items: list[ScorePoint]


def _message(monitor: Monitor, stream_id: str) -> StreamMessage:
    info = monitor.registry.get(stream_id)  # raises NotFoundError
    return stream_message(info, monitor.clock.now())


@router.get("", summary="All streams")
async def list_streams(monitor: TheMonitor) -> StreamList:
    """Every stream with its state; passwords in addresses are masked."""
    now = monitor.clock.now()
    return StreamList(items=[stream_message(info, now) for info in monitor.registry.list()])


@router.post(
    "",
    status_code=201,
    summary="Open a stream",
    responses=error_docs(s409="the id is taken", s422="not a usable id or address", s503="no room for one more stream"),
)
async def add_stream(new: NewStream, monitor: TheMonitor, response: Response) -> StreamMessage:
    """Open a camera, an HTTP stream, or a file below a configured folder; it reconnects by itself until removed."""
    info = monitor.registry.add_url(
        new.id,
        new.url,
        trusted=False,
        transport=new.transport,
        sensitivity=new.sensitivity,
        privacy=new.privacy,
    )
    response.headers["Location"] = f"/api/streams/{new.id}"
    return stream_message(info, monitor.clock.now())


@router.get("/{stream_id}", summary="One stream", responses=_NO_SUCH_STREAM)
async def get_stream(stream_id: StreamPath, monitor: TheMonitor) -> StreamMessage:
    """One stream with its state."""
    return _message(monitor, stream_id)


@router.patch(
    "/{stream_id}",
    summary="Change a stream",
    responses=error_docs(
        s404="no such stream", s409="the settings keep it private", s422="not a stream id, or not a sensitivity"
    ),
)
async def change_stream(stream_id: StreamPath, change: StreamChange, monitor: TheMonitor) -> StreamMessage:
    """Make a stream's alerts easier or harder to raise, from its next face on; keep pictures of it, or none."""
    info = monitor.registry.get(stream_id)
    if change.sensitivity is not None:
        info = monitor.registry.set_sensitivity(stream_id, change.sensitivity)
    if change.privacy is not None:
        info = monitor.registry.set_privacy(stream_id, change.privacy)
    return stream_message(info, monitor.clock.now())


@router.delete("/{stream_id}", status_code=204, summary="Remove a stream", responses=_NO_SUCH_STREAM)
async def remove_stream(stream_id: StreamPath, monitor: TheMonitor) -> None:
    """Close a stream, webcams included, and forget that it was made private (docs/privacy.md).

    What is stored of it stays (`DELETE /api/streams/{stream_id}/data`).
    """
    await monitor.registry.remove(stream_id, forget_privacy=True)


@router.get("/{stream_id}/scores", summary="Recent scores", responses=_NO_SUCH_STREAM)
async def get_scores(stream_id: StreamPath, monitor: TheMonitor) -> ScoreList:
    """Scores of the last five minutes, for a chart."""
    _message(monitor, stream_id)
    scores = monitor.history.of(stream_id, monitor.clock.now())
    return ScoreList(
        items=[
            ScorePoint(face_id=score.face_id, face_at=score.face_at, fake_probability=score.fake_probability)
            for score in scores
        ]
    )


@router.get(
    "/{stream_id}/series.jsonl",
    summary="What the verdicts rest on",
    response_class=Response,
    responses={
        200: {"content": {"application/jsonl": {}}, "description": "The last 15 minutes, one observation a line."},
        **_NO_SUCH_STREAM,
    },
)
async def get_series(stream_id: StreamPath, monitor: TheMonitor) -> Response:
    """Every observation of the last 15 minutes (20 000 at most), for `deepfake-monitor replay` (docs/alerts.md)."""
    info = monitor.registry.get(stream_id)
    series = Series(stream_id, info.sensitivity, monitor.engine.series(stream_id), time.monotonic())
    text = await asyncio.to_thread(lambda: "".join(series.lines()))
    name = f'attachment; filename="{stream_id}.jsonl"'
    return Response(text, media_type="application/jsonl", headers={"Content-Disposition": name})


@router.get(
    "/{stream_id}/snapshot.jpg",
    summary="Picture with boxes",
    response_class=Response,
    responses={
        200: {"content": {"image/jpeg": {}}, "description": "The next frame, faces boxed."},
        **_NO_SUCH_STREAM,
        **error_docs(s503="no picture came within 2 seconds"),
    },
)
async def get_snapshot(stream_id: StreamPath, monitor: TheMonitor) -> Response:
    """The next analysed frame, with a box and the newest score of each face."""
    _message(monitor, stream_id)
    view = monitor.hub.subscribe_view(stream_id)
    try:
        async with asyncio.timeout(SNAPSHOT_TIMEOUT_S):
            payload = await anext(view)
    except (TimeoutError, StopAsyncIteration):
        state = monitor.hub.snapshot.streams.get(stream_id)
        message = f"no picture within {SNAPSHOT_TIMEOUT_S:g} s; the stream is {state.state if state else 'removed'}"
        raise ApiError(503, "no_picture", message) from None
    finally:
        view.close()
    faces, jpeg = read_view_payload(payload)
    scores = {face_id: score for (owner, face_id), score in monitor.hub.snapshot.scores.items() if owner == stream_id}
    boxed = await asyncio.to_thread(draw_boxes, faces, jpeg, scores)
    return Response(boxed, media_type="image/jpeg", headers={"Cache-Control": "no-store"})


def draw_boxes(faces: FacesMessage, jpeg: bytes, scores: dict[int, ScoreMessage]) -> bytes:
    """The JPEG with a box around each face, and beside it the score or why there is none."""
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None, "the engine makes good JPEGs"
    # the picture may be smaller than the frame that the boxes refer to
    scale = picture.shape[1] / faces.width
    for face in faces.faces:
        x, y, width, height = (round(value * scale) for value in face.box)
        score = scores.get(face.face_id)
        colour = _FIT_COLOUR if face.quality.fit else _UNFIT_COLOUR
        if face.quality.fit and score is not None and score.fake_probability >= 0.5:
            colour = _FAKE_COLOUR
        cv2.rectangle(picture, (x, y), (x + width, y + height), colour, 2)
        if face.quality.reason is not None:
            words = f"{face.face_id}: not scored: {face.quality.reason}"
        elif score is not None:
            words = f"{face.face_id}: fake probability {score.fake_probability:.2f}"
        else:
            words = f"{face.face_id}: warming up"
        # first a dark, thicker one: readable on any background
        for thick, ink in ((3, (0, 0, 0)), (1, colour)):
            where = (max(x, 0), max(y - 6, 12))
            cv2.putText(picture, words, where, cv2.FONT_HERSHEY_SIMPLEX, 0.5, ink, thick, cv2.LINE_AA)
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()
