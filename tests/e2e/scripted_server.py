"""A stand-in for the monitor that puts the dashboard into every state: busy, lost, alert, refused, degraded.

It speaks the JSON of /ws/live, /ws/view and the REST interface and shows a real face that moves, but its scores come
from a script: nothing here analyses anything. It tests the dashboard's states; the product is tested with the product.

    python -m tests.e2e.scripted_server [--port 8010] [--cast busy|alert|states|empty]
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import Scope
from starlette.websockets import WebSocket, WebSocketDisconnect

from tests.e2e.scripted_messages import CASTS, Json, Role, report, stream_message, wobble
from tests.e2e.scripted_stage import TICK_S, Script, Stage

STATIC = Path(__file__).resolve().parents[2] / "static"
CSP = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'"


def error(told: tuple[int, str, str]) -> Response:
    status, code, message = told
    return JSONResponse({"error": {"code": code, "message": message}}, status)


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
                await socket.send_bytes(self.stage.picture(role))
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

    async def change_stream(self, request: Request) -> Response:
        if self.stage.script.change_error:
            return error(self.stage.script.change_error)
        stream_id = request.path_params["stream_id"]
        role = next(role for role in self.stage.script.cast if role.stream_id == stream_id)
        message = {**stream_message(role), **await request.json()}
        await self.stage.send(message)
        return JSONResponse(message)

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

    async def events(self, _: Request) -> Response:
        return JSONResponse({"items": list(self.stage.script.events), "next": None})

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
            if step == 5:
                await self.stage.uploads_go_on.wait()
            await self.stage.send({"type": "upload", "upload_id": upload_id, "progress": step / 10, "at": time.time()})
        return JSONResponse(report(filename, looks_manipulated=self.stage.script.looks_manipulated))

    def app(self) -> Starlette:
        @contextlib.asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            self.stage.uploads_go_on.set()
            playing = asyncio.create_task(self.stage.play(), name="script")
            yield
            playing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await playing

        routes = [
            WebSocketRoute("/ws/live", self.ws_live),
            WebSocketRoute("/ws/view/{stream_id}", self.ws_view),
            Route("/api/streams", self.add_stream, methods=["POST"]),
            Route("/api/streams/{stream_id}", self.change_stream, methods=["PATCH"]),
            Route("/api/streams/{stream_id}", self.remove_stream, methods=["DELETE"]),
            Route("/api/streams/{stream_id}/scores", self.scores),
            Route("/api/events", self.events),
            Route("/api/ice-servers", self.ice_servers),
            Route("/whip/{stream_id}", self.whip, methods=["POST"]),
            Route("/predict_video", self.predict_video, methods=["POST"]),
            Mount("/", Dashboard(directory=STATIC, html=True)),
        ]
        return Starlette(routes=routes, lifespan=lifespan)


class TellingServer(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_started()


class ScriptedServer:
    """The server in a thread of its own; `change` runs on its event loop and returns when it is done."""

    def __init__(self, cast: str = "empty", port: int = 0) -> None:
        self.stage = Stage(Script(cast=CASTS[cast]))
        self._started = threading.Event()
        config = uvicorn.Config(
            Routes(self.stage).app(),
            port=port,
            log_level="warning",
            ws="websockets-sansio",
            timeout_graceful_shutdown=1,
        )
        self._server = TellingServer(config, self._started.set)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="scripted-server")

    @property
    def url(self) -> str:
        host, port = self._server.servers[0].sockets[0].getsockname()[:2]
        return f"http://{host}:{port}"

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._started.wait(20) or not self._server.started:
            raise RuntimeError("the scripted server did not start in 20 s")
        return self

    def __exit__(self, *_: object) -> None:
        self.change(self._close)
        self._thread.join(20)

    def change(self, what: Callable[[Script], None]) -> None:
        """Change the script on the event loop."""

        async def run() -> None:
            what(self.stage.script)

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    def hold_uploads(self, *, hold: bool) -> None:
        """Let uploads wait in the middle of their analysis, or go on."""
        go_on = self.stage.uploads_go_on
        self.change(lambda _: go_on.clear() if hold else go_on.set())

    def _close(self, _: Script) -> None:
        self.stage.closing = True
        self.stage.uploads_go_on.set()
        self._server.should_exit = True

    def send(self, message: Json) -> None:
        asyncio.run_coroutine_threadsafe(self.stage.send(message), self._loop).result(10)

    def drop_connections(self) -> None:
        """Closes every live socket and refuses new ones until `refuse_sockets` is False again."""

        async def drop() -> None:
            self.stage.script.refuse_sockets = True
            for viewer in [*self.stage.live, *self.stage.views]:
                with contextlib.suppress(WebSocketDisconnect, RuntimeError):
                    await viewer.close(1012)

        asyncio.run_coroutine_threadsafe(drop(), self._loop).result(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._server.serve())
        finally:
            self._started.set()
            self._loop.close()


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
