"""`/health`, `/info` and `/api/ice-servers`: what is running, what it can do, what it cannot."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response

from analyzer.config import FACE_SIZE, NUM_FRAMES
from stream_server.about import NAME, VERSION
from stream_server.web.monitor import Monitor, TheMonitor

FORMATS: Final = ("MP4", "MOV", "AVI", "FLV", "MKV", "WebM")
LIVE_SOURCES: Final = ("webrtc (WHIP)", "rtsp", "rtsps", "rtmp", "http", "https", "file")

WORDS: Final = {
    "REAL": "No sign of manipulation was found. That is not proof that there is none.",
    "DEEPFAKE": "The network sees signs of manipulation. It can be wrong; look at the evidence before you act.",
    "evidence": "Where the network looked and which pictures counted. Attention is not proof of what was changed.",
    "not scored": "The face is not fit to be judged (too small, blurred, turned away ...): nothing is said about it.",
}

router = APIRouter(tags=["about"])


class ThreadState(BaseModel):
    """One thread of the analyzer."""

    name: str
    alive: bool
    error: str | None = Field(description="What it died of.")


class StorageState(BaseModel):
    """Whether history and events are stored."""

    ok: bool
    error: str | None = Field(description="Why not; scoring goes on, and what waits is tried again.")
    place: str = Field(description="The file, or the server without its password.")
    waiting: int = Field(description="Observations and events not written yet.")
    lost: int = Field(description="Those that never will be.")
    written: int = Field(description="Since the start.")


class Health(BaseModel):
    """The first five fields are a fixed contract."""

    status: Literal["ok", "degraded"] = Field(
        description="`degraded`: no trained weights, a thread died, or nothing can be stored."
    )
    device: str
    model: str
    num_frames: int
    face_size: int
    backend: str = Field(description="What computes there, and in which precision, such as `openvino bfloat16`.")
    note: str | None = Field(description="Why it is degraded, or not on the device that was asked for.")
    version: str
    uptime_s: float
    streams: dict[str, int] = Field(description="Number of streams in each state.")
    threads: list[ThreadState]
    storage: StorageState | None = Field(description="Null where nothing is kept, by the settings.")


class Limits(BaseModel):
    """What is refused beyond."""

    max_upload_mb: int
    max_concurrent_uploads: int
    max_streams: int
    max_peers: int
    max_viewers: int
    min_face_px: int


class ModelInfo(BaseModel):
    """The network that judges."""

    name: str
    backend: str
    sha256: str | None
    trained: bool
    card: dict[str, Any] | None = Field(description="The weights card: origin, data, measured scores, limits.")


class Info(BaseModel):
    """What it is and what it can do."""

    name: str
    version: str
    description: str
    device: str
    num_frames: int
    face_size: int
    threshold: float = Field(description="At and above it the label is DEEPFAKE.")
    formats: list[str] = Field(description="Videos that `/predict_video` takes.")
    live_sources: list[str]
    limits: Limits
    model: ModelInfo
    words: dict[str, str] = Field(description="What the answers mean.")


class IceServerInfo(BaseModel):
    """One STUN or TURN server, as `RTCPeerConnection` takes it."""

    urls: list[str]
    username: str | None = None
    credential: str | None = Field(None, repr=False)


class IceServers(BaseModel):
    """For the browser's `RTCPeerConnection`."""

    ice_servers: list[IceServerInfo]


def health_of(monitor: Monitor) -> Health:
    """How the monitor is, now."""
    info = monitor.engine.info
    threads = [ThreadState(name=t.name, alive=t.alive, error=t.error) for t in monitor.threads]
    store = None if monitor.store is None else monitor.store.writer.status
    dead = [thread.name for thread in threads if not thread.alive]
    notes = [f"thread {name} died; restart the monitor" for name in dead]
    if not monitor.trained:
        notes.append("no trained weights: nothing is scored")
    if store is not None and store.error is not None:
        notes.append(f"nothing is stored: {store.error}")
    if info.note:
        notes.append(info.note)
    # scoring does not suffer, so that the status stays what it is; but nobody may be told of alerts
    notes += monitor.undelivered
    states: dict[str, int] = {}
    for stream in monitor.registry.list():
        states[stream.status.state] = states.get(stream.status.state, 0) + 1
    return Health(
        status="degraded" if dead or not monitor.trained or (store is not None and not store.ok) else "ok",
        device=info.device,
        model=info.model,
        num_frames=NUM_FRAMES,
        face_size=FACE_SIZE,
        backend=info.backend,
        note="; ".join(notes) or None,
        version=VERSION,
        uptime_s=round(monitor.uptime_s, 3),
        streams=states,
        threads=threads,
        storage=None if store is None else StorageState(**asdict(store)),
    )


@router.get("/health", summary="Is it well?", responses={503: {"model": Health, "description": "A thread died."}})
async def get_health(monitor: TheMonitor, response: Response) -> Health:
    """200 while everything runs, also without trained weights (`degraded`); 503 when a thread died."""
    health = health_of(monitor)
    if not all(thread.alive for thread in health.threads):
        response.status_code = 503
    return health


@router.get("/info", summary="What can it do?")
async def get_info(monitor: TheMonitor) -> Info:
    """Limits, formats, the weights card, and what the answers mean."""
    info, settings = monitor.engine.info, monitor.settings
    return Info(
        name=NAME,
        version=VERSION,
        description="Watches live video for deepfakes: webcams and cameras in, a score for every face out.",
        device=info.device,
        num_frames=NUM_FRAMES,
        face_size=FACE_SIZE,
        threshold=0.5,
        formats=list(FORMATS),
        live_sources=list(LIVE_SOURCES),
        limits=Limits(
            max_upload_mb=settings.server.max_upload_mb,
            max_concurrent_uploads=settings.server.max_concurrent_uploads,
            max_streams=settings.sources.max_streams,
            max_peers=settings.webrtc.max_peers,
            max_viewers=settings.server.max_viewers,
            min_face_px=settings.analyzer.min_face_px,
        ),
        model=ModelInfo(
            name=info.model,
            backend=info.backend,
            sha256=info.weights_sha256,
            trained=monitor.trained,
            card=None if monitor.card is None else asdict(monitor.card),
        ),
        words=WORDS,
    )


@router.get("/api/ice-servers", summary="STUN and TURN servers", response_model_exclude_none=True)
async def get_ice_servers(monitor: TheMonitor) -> IceServers:
    """What the operator configured; none by default."""
    return IceServers(
        ice_servers=[
            IceServerInfo(urls=list(server.urls), username=server.username, credential=server.credential)
            for server in monitor.settings.webrtc.ice_servers
        ]
    )
