"""What the scripted server plays, and to whom: the script, the running state, the messages of each tick."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from dataclasses import dataclass, field

from starlette.websockets import WebSocket, WebSocketDisconnect

from tests.e2e.moving_face import FRAME_SIZE, MovingFace
from tests.e2e.scripted_messages import (
    COVERAGE,
    Json,
    Role,
    alert_message,
    score_message,
    stream_message,
    verdict_message,
    wobble,
)

TICK_S = 0.2
STATS_EVERY = 10  # ticks


@dataclass
class Script:
    """What the server plays; changed from the event loop only (see `ScriptedServer.change`)."""

    cast: tuple[Role, ...] = ()
    status: str = "ok"
    model: str = "scripted (no network)"
    refuse_sockets: bool = False
    add_error: tuple[int, str, str] | None = None
    change_error: tuple[int, str, str] | None = None
    whip_error: tuple[int, str, str] = (503, "overloaded", "No room for one more webcam: 16 of 16 are taken.")
    upload_error: tuple[int, str, str] | None = None
    looks_manipulated: bool = True
    storage: str | None = None
    """Why nothing can be stored now."""
    failing: tuple[str, ...] = ()
    """Notifications that do not reach their target."""
    dead: int = 0
    """Notifications that were given up."""
    keeps: bool = True
    """Whether events are kept."""
    events: tuple[Json, ...] = ()
    explains: bool = True
    """Whether scores come with their evidence: not every backend has any."""


@dataclass
class Stage:
    """The running server: its script and who listens."""

    script: Script
    faces: MovingFace = field(default_factory=MovingFace)
    live: set[WebSocket] = field(default_factory=set)
    views: set[WebSocket] = field(default_factory=set)
    tick: int = 0
    closing: bool = False
    uploads_go_on: asyncio.Event = field(default_factory=asyncio.Event)
    """Uploads wait for it in the middle of their analysis."""

    async def send(self, message: Json) -> None:
        text = json.dumps({"v": 1, **message})
        for viewer in list(self.live):
            with contextlib.suppress(WebSocketDisconnect, RuntimeError):
                await viewer.send_text(text)

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
                message = score_message(role, face_id, wobble(score, now + face_id), now)
                sent.append(message if self.script.explains else {**message, "evidence": None})
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

    def picture(self, role: Role) -> bytes:
        """One message of /ws/view: the boxes and the very frame they belong to."""
        header = json.dumps(self.faces_message(role, time.time())).encode()
        jpeg = self.faces.jpeg(self.tick, max(1, len(role.verdicts)))
        return len(header).to_bytes(4, "big") + header + jpeg

    def stats(self) -> Json:
        drops = {"stale": 3, "replaced": 41}
        rest: Json = {
            "viewers": len(self.live),
            "scores_total": self.tick * 5,
            "scores_per_s": 61.4,
            "dropped": drops,
        }
        latency = {"p50": 96.0, "p95": 214.0}
        notifications = {"failing": list(self.script.failing), "dead": self.script.dead}
        who = {"device": "cpu", "model": self.script.model, "status": self.script.status}
        return {
            "type": "stats",
            "at": time.time(),
            **who,
            "streams": len(self.script.cast),
            "latency_ms": latency,
            "storage": self.script.storage,
            "notifications": notifications if self.script.keeps else None,
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
            "coverage": COVERAGE,
        }
        told: Json = {"faces": [], "scores": [], "verdicts": verdicts, "alerts": alerts, "stats": self.stats()}
        return {"v": 1, "type": "hello", **about, "streams": [stream_message(role) for role in roles], **told}
