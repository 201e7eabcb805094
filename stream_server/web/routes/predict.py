"""`POST /predict_video`: one uploaded video, one answer, with the faces and the timeline behind it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from analyzer.errors import MediaError
from analyzer.video.report import VideoReport
from analyzer.video.video import VideoStoppedError, analyze_video
from stream_server.live.messages import UploadMessage
from stream_server.web.card_in_use import aggregate_of
from stream_server.web.http_errors import ApiError, error_docs
from stream_server.web.monitor import Monitor, TheMonitor
from stream_server.web.upload import check_upload_headers, receive_upload, temporary_file
from stream_server.web.video_answer import VideoAnswer, video_answer

PROGRESS_STEP = 0.01
"""Progress is published each time it has grown by this much: a hundred messages a video at most."""

_NO_WEIGHTS = "There are no trained weights, so nothing can be judged; `deepfake-monitor doctor` says more."

CLIENT_GONE = 499  # nginx's status for a client that left; nobody reads this answer

router = APIRouter(tags=["video"])


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
    *,
    pictures: Annotated[
        bool, Query(description="Put a small picture of each face's most suspicious window into the answer.")
    ] = False,
) -> Response:
    """Every face of the video is followed and scored in windows of 16; nothing of the video is kept."""
    if not monitor.trained:
        raise ApiError(503, "no_weights", _NO_WEIGHTS)
    max_bytes = monitor.settings.server.max_upload_mb * 1_000_000
    boundary = check_upload_headers(request, max_bytes)
    with monitor.uploads.place(), temporary_file(monitor.settings.server.upload_folder) as (path, target):
        try:
            filename = await receive_upload(request, boundary, target, max_bytes)
            with _in_words_of_the_client(path, filename):
                report = await _analyse(request, monitor, path, _progress(monitor, upload_id), keep_pictures=pictures)
        except (ClientDisconnect, _ClientGoneError):
            return Response(status_code=CLIENT_GONE)
    return JSONResponse(video_answer(report, monitor.engine.info, filename).model_dump())


@contextmanager
def _in_words_of_the_client(path: Path, filename: str) -> Iterator[None]:
    """The client never heard of our temporary file: errors name the one that it sent."""
    try:
        yield
    except MediaError as error:
        raise type(error)(str(error).replace(str(path), filename).replace(path.name, filename)) from error


class _ClientGoneError(Exception):
    """The client closed the connection before its video was analysed."""


async def _analyse(
    request: Request, monitor: Monitor, path: Path, progress: Callable[[float], None], *, keep_pictures: bool
) -> VideoReport:
    """Analyse in a thread until done, or until the client leaves or the server stops (503)."""
    gone = threading.Event()
    stopping = monitor.uploads.stopping

    def work() -> VideoReport:
        return analyze_video(
            path,
            detector=monitor.make_detector(),  # a detector belongs to one thread
            scorer=monitor.engine.scorer,
            config=monitor.settings.analyzer.config(),
            progress=progress,
            aggregate=aggregate_of(monitor.card),
            keep_pictures=keep_pictures,
            should_stop=lambda: gone.is_set() or stopping.is_set(),
        )

    async def wait_until_gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        gone.set()

    watcher = asyncio.create_task(wait_until_gone(), name="upload-client-watch")
    analysis = asyncio.get_running_loop().run_in_executor(monitor.uploads.executor, work)
    try:
        return await asyncio.shield(analysis)
    except VideoStoppedError:
        if stopping.is_set():
            raise ApiError(503, "stopping", "The server is stopping; send the video again when it is back.") from None
        raise _ClientGoneError from None
    finally:
        gone.set()
        watcher.cancel()
        # when we are cancelled: the file may not go before its reader
        await asyncio.gather(watcher, analysis, return_exceptions=True)


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
