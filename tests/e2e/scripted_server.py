"""A stand-in for the monitor that puts the dashboard into every state on demand: busy, lost, alert, refused, degraded.

It speaks the JSON of /ws/live, /ws/view and the REST interface and shows a real face that moves, but its scores come from
a script: nothing here analyses anything. The dashboard's states are tested against it, the product against the product.

    python -m tests.e2e.scripted_server [--port 8010] [--cast busy|alert|states|empty]
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import Scope
from starlette.websockets import WebSocket, WebSocketDisconnect

from tests.e2e.moving_face import FRAME_SIZE, MovingFace

STATIC = Path(__file__).resolve().parents[2] / "static"
CSP = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"
TICK_S = 0.2
STATS_EVERY = 10  # ticks
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


@dataclass
class Script:
    """What the server plays; changed from the event loop only (see `ScriptedServer.change`)."""

    cast: tuple[Role, ...] = ()
    status: str = "ok"
    model: str = "scripted (no network)"
    refuse_sockets: bool = False
    add_error: tuple[int, str, str] | None = None
    whip_error: tuple[int, str, str] = (503, "overloaded", "No room for one more webcam: 16 of 16 are taken.")
    upload_error: tuple[int, str, str] | None = None
    upload_stops_at: float | None = None
    """Progress beyond which an upload waits until this is None again."""
    looks_manipulated: bool = True


@dataclass
class Stage:
    """The running server: its script and who listens."""

    script: Script
    faces: MovingFace = field(default_factory=MovingFace)
    live: set[WebSocket] = field(default_factory=set)
    views: set[WebSocket] = field(default_factory=set)
    tick: int = 0
    closing: bool = False

    def holds(self, progress: float) -> bool:
        stop = self.script.upload_stops_at
        return stop is not None and progress > stop and not self.closing

    async def send(self, message: Json) -> None:
        text = json.dumps({"v": 1, **message})
        for socket in list(self.live):
            with contextlib.suppress(WebSocketDisconnect, RuntimeError):
                await socket.send_text(text)

    async def play(self) -> None:
        while True:
            self.tick += 1
            for role in self.script.cast:
                for message in self.messages(role):
                    await self.send(message)
            if self.tick % STATS_EVERY == 0:
                await self.send(self.stats())
            await asyncio.sleep(TICK_S)

    def messages(self, role: Role) -> list[Json]:
        if role.state != "live":
            return []
        now = time.time()
        sent: list[Json] = [self.faces_message(role, now)]
        for face_id, (state, score, reason) in enumerate(role.verdicts, start=1):
            if score is not None:
                sent.append(score_message(role, face_id, wobble(score, now + face_id), now))
            if self.tick % 5 == 0:
                sent.append(verdict_message(role, face_id, state, score, reason, 1 + self.tick // 5 % 15, now))
        return sent

    def faces_message(self, role: Role, now: float) -> Json:
        boxes = self.faces.boxes(self.tick, max(1, len(role.verdicts)))
        quality = {"size_px": 110.0, "sharpness": 180.0, "brightness": 120.0, "yaw": 0.1}
        reasons = [reason for _, _, reason in role.verdicts]
        faces = [
            {"face_id": face_id, "box": box, "quality": {"fit": reason is None, "reason": reason, **quality}}
            for face_id, (box, reason) in enumerate(zip(boxes, reasons, strict=False), start=1)
        ]
        width, height = FRAME_SIZE
        where = {"stream_id": role.stream_id, "generation": 1, "frame_index": self.tick, "frame_at": now}
        return {"v": 1, "type": "faces", **where, "width": width, "height": height, "faces": faces}

    def stats(self) -> Json:
        drops = {"stale": 3, "replaced": 41}
        rest: Json = {"viewers": len(self.live), "scores_total": self.tick * 5, "scores_per_s": 61.4, "dropped": drops}
        latency = {"p50": 96.0, "p95": 214.0}
        who = {"device": "cpu", "model": self.script.model, "status": self.script.status}
        return {
            "type": "stats",
            "at": time.time(),
            **who,
            "streams": len(self.script.cast),
            "latency_ms": latency,
            "queues": {},
            **rest,
        }

    def hello(self) -> Json:
        now = time.time()
        roles = self.script.cast
        verdicts = [
            verdict_message(role, face_id, state, score, reason, 7, now)
            for role in roles
            for face_id, (state, score, reason) in enumerate(role.verdicts, start=1)
        ]
        alerts = [
            alert_message(role, face_id, raised=True, now=now)
            for role in roles
            for face_id, (state, _, _) in enumerate(role.verdicts, start=1)
            if state == "alert"
        ]
        about = {
            "server": {"name": "deepfake-monitor", "version": "scripted"},
            "at": now,
            "device": "cpu",
            "model": self.script.model,
        }
        told: Json = {"faces": [], "scores": [], "verdicts": verdicts, "alerts": alerts, "stats": self.stats()}
        return {"v": 1, "type": "hello", **about, "streams": [stream_message(role) for role in roles], **told}


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
    return {"type": "stream", **who, **why, **size, "generation": 1, "at": time.time()}


def score_message(role: Role, face_id: int, p: float, now: float) -> Json:
    numbers = {
        "fake_probability": p,
        "logit": math.log(p / (1 - p)),
        "window": 16,
        "latency_ms": 90 + 30 * p,
        "stream_fake_probability": p,
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


def error(told: tuple[int, str, str]) -> Response:
    status, code, message = told
    return JSONResponse({"error": {"code": code, "message": message}}, status)


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
        },
        {
            "face_id": 2,
            "first_s": 4.0,
            "last_s": 17.6,
            "fake_probability": 0.12,
            "crops": 80,
            "windows": 22,
            "not_scored": {},
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
        "video": {"duration_s": 27.4, "fps": 29.97, "width": 1280, "height": 720, "frames_read": 821},
        "faces": faces,
        "timeline": timeline,
    }


class Dashboard(StaticFiles):
    """The dashboard's files under a policy that is stricter than it needs to be anywhere."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["content-security-policy"] = CSP
        return response


class Routes:
    """The REST and websocket routes, all over one `Stage`."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    async def ws_live(self, socket: WebSocket) -> None:
        if self.stage.script.refuse_sockets:
            await socket.close()
            return
        await socket.accept()
        await socket.send_text(json.dumps(self.stage.hello()))
        self.stage.live.add(socket)
        try:
            while True:
                await socket.receive_text()
        except (WebSocketDisconnect, RuntimeError):
            pass
        finally:
            self.stage.live.discard(socket)

    async def ws_view(self, socket: WebSocket) -> None:
        stream_id = socket.path_params["stream_id"]
        await socket.accept()
        self.stage.views.add(socket)
        try:
            while not self.stage.closing:
                role = next((role for role in self.stage.script.cast if role.stream_id == stream_id), None)
                if role is None:
                    await socket.close(4404)
                    return
                if role.state not in ("live", "stalled"):
                    await asyncio.sleep(TICK_S)
                    continue
                header = json.dumps(self.stage.faces_message(role, time.time())).encode()
                jpeg = self.stage.faces.jpeg(self.stage.tick, max(1, len(role.verdicts)))
                await socket.send_bytes(len(header).to_bytes(4, "big") + header + jpeg)
                await asyncio.sleep(TICK_S)
        except (WebSocketDisconnect, RuntimeError):
            pass
        finally:
            self.stage.views.discard(socket)

    async def add_stream(self, request: Request) -> Response:
        if self.stage.script.add_error:
            return error(self.stage.script.add_error)
        body = await request.json()
        role = Role(body["id"])
        self.stage.script.cast = (*self.stage.script.cast, role)
        await self.stage.send(stream_message(role))
        return JSONResponse(stream_message(role), 201)

    async def remove_stream(self, request: Request) -> Response:
        stream_id = request.path_params["stream_id"]
        gone = [role for role in self.stage.script.cast if role.stream_id == stream_id]
        if not gone:
            return error((404, "not_found", f"There is no stream {stream_id}."))
        self.stage.script.cast = tuple(role for role in self.stage.script.cast if role.stream_id != stream_id)
        await self.stage.send(stream_message(gone[0], state="removed"))
        return Response(status_code=204)

    async def scores(self, request: Request) -> Response:
        stream_id = request.path_params["stream_id"]
        role = next((role for role in self.stage.script.cast if role.stream_id == stream_id), None)
        if role is None:
            return error((404, "not_found", f"There is no stream {stream_id}."))
        now = time.time()
        ages = [age / 2 for age in range(2, 340) if not 150 < age < 190]  # half a second apart, with a gap
        items = [
            {"face_id": face_id, "face_at": now - age, "fake_probability": wobble(score, now - age + face_id)}
            for face_id, (_, score, _) in enumerate(role.verdicts, start=1)
            for age in ages
            if score is not None
        ]
        return JSONResponse({"items": items})

    async def ice_servers(self, _: Request) -> Response:
        return JSONResponse({"ice_servers": []})

    async def whip(self, _: Request) -> Response:
        return error(self.stage.script.whip_error)

    async def predict_video(self, request: Request) -> Response:
        upload_id = request.query_params.get("upload_id", "")
        async with request.form() as form:
            upload = form["file"]
            filename = getattr(upload, "filename", None) or "video"
        if self.stage.script.upload_error:
            return error(self.stage.script.upload_error)
        for step in range(1, 11):
            while self.stage.holds(step / 10):
                await asyncio.sleep(0.02)
            await self.stage.send({"type": "upload", "upload_id": upload_id, "progress": step / 10, "at": time.time()})
        return JSONResponse(report(filename, looks_manipulated=self.stage.script.looks_manipulated))

    def app(self) -> Starlette:
        @contextlib.asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            playing = asyncio.create_task(self.stage.play(), name="script")
            yield
            playing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await playing

        routes = [
            WebSocketRoute("/ws/live", self.ws_live),
            WebSocketRoute("/ws/view/{stream_id}", self.ws_view),
            Route("/api/streams", self.add_stream, methods=["POST"]),
            Route("/api/streams/{stream_id}", self.remove_stream, methods=["DELETE"]),
            Route("/api/streams/{stream_id}/scores", self.scores),
            Route("/api/ice-servers", self.ice_servers),
            Route("/whip/{stream_id}", self.whip, methods=["POST"]),
            Route("/predict_video", self.predict_video, methods=["POST"]),
            Mount("/", Dashboard(directory=STATIC, html=True)),
        ]
        return Starlette(routes=routes, lifespan=lifespan)


class ScriptedServer:
    """The server in a thread of its own; `change` runs on its event loop and returns when it is done."""

    def __init__(self, cast: str = "empty", port: int = 0) -> None:
        self.stage = Stage(Script(cast=CASTS[cast]))
        config = uvicorn.Config(
            Routes(self.stage).app(),
            port=port,
            log_level="warning",
            ws="websockets-sansio",
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="scripted-server")

    @property
    def url(self) -> str:
        host, port = self._server.servers[0].sockets[0].getsockname()[:2]
        return f"http://{host}:{port}"

    def __enter__(self) -> ScriptedServer:
        self._thread.start()
        if not self._started.wait(20):
            raise TimeoutError("the scripted server did not start in 20 s")
        return self

    def __exit__(self, *_: object) -> None:
        self.stage.closing = True  # read by loops on the server's thread; a late read costs one more turn
        self._server.should_exit = True
        self._thread.join(20)

    def change(self, what: Callable[[Script], None]) -> None:
        async def run() -> None:
            what(self.stage.script)

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    def send(self, message: Json) -> None:
        asyncio.run_coroutine_threadsafe(self.stage.send(message), self._loop).result(10)

    def drop_connections(self) -> None:
        """Closes every live socket and refuses new ones until `refuse_sockets` is False again."""

        async def drop() -> None:
            self.stage.script.refuse_sockets = True
            for socket in [*self.stage.live, *self.stage.views]:
                with contextlib.suppress(WebSocketDisconnect, RuntimeError):
                    await socket.close(1012)

        asyncio.run_coroutine_threadsafe(drop(), self._loop).result(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        serving = asyncio.create_task(self._server.serve())
        while not self._server.started and not serving.done():
            await asyncio.sleep(0.01)
        self._started.set()
        await serving


def main() -> None:
    import argparse  # noqa: PLC0415 - only when run by hand

    parser = argparse.ArgumentParser(description="Serve the dashboard with scripted data.")
    parser.add_argument("--port", type=int, default=8010)
    parser.add_argument("--cast", choices=sorted(CASTS), default="states")
    chosen = parser.parse_args()
    with ScriptedServer(chosen.cast, chosen.port) as server:
        print(f"Scripted dashboard at {server.url} (Ctrl-C ends it)")  # noqa: T201 - for the person who ran it
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
