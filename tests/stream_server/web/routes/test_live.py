from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped,unused-ignore]  # checks with and without its stubs
import pytest
import uvicorn
from starlette.testclient import WebSocketDenialResponse, WebSocketTestSession
from starlette.websockets import WebSocketDisconnect

from analyzer.datatypes import FaceCrop, WindowUpdate
from stream_server.app import create_app
from stream_server.cli.server import listen
from stream_server.live.messages import UploadMessage, read_view_payload
from stream_server.settings.schema import ServerSettings, Settings
from tests.fakes import FakeScorer
from tests.stream_server.app_of import QUICK, SOCKETS, deliver_until, running_app, wait_for

SCHEMA = json.loads((Path(__file__).parents[4] / "docs" / "websocket.schema.json").read_text())


def end_of(socket: WebSocketTestSession) -> tuple[int, str]:
    """Read to the close; its code and reason."""
    while (message := socket.receive())["type"] != "websocket.close":
        pass
    return message["code"], message["reason"]


def test_frames_become_faces_warming_up_then_a_score() -> None:
    with running_app() as running, running.live() as socket:
        assert wait_for(socket, lambda _: True)["type"] == "hello"
        source = running.add_source()
        score = deliver_until(source, socket, lambda m: m["type"] == "score")
        assert score["stream_id"] == "door"
        assert score["window"] == 16
        assert score["stream_fake_probability"] == score["fake_probability"]
        assert score["scored_at"] > score["face_at"] - 1
        # the verdict is a message of its own, right after the score that it rests on
        verdict = deliver_until(source, socket, lambda m: m["type"] == "verdict")
        assert verdict["state"] not in {"warming up", "not scored"}
        hello = running.monitor.hub.hello()
        assert hello.verdicts[0].state == verdict["state"]
        assert [s.state for s in hello.streams] == ["live"]


def test_everything_that_is_really_sent_fits_the_schema_in_the_docs() -> None:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    seen = set()

    def check(message: dict[str, Any]) -> bool:
        validator.validate(message)
        seen.add(message["type"])
        return bool(message["type"] == "score")

    with running_app() as running, running.live() as socket:
        source = running.add_source()
        deliver_until(source, socket, check)
        socket.send_json({"type": "ping"})
        wait_for(socket, lambda m: not check(m) and m["type"] == "pong")
        running.on_loop(running.monitor.registry.remove, "door")
        wait_for(socket, lambda m: not check(m) and m.get("state") == "removed")
        running.client.post("/predict_video?upload_id=u", files={"file": ("a.mp4", b"")})
        wait_for(socket, lambda m: not check(m) and m["type"] == "stats")
    with running_app() as running, running.live() as socket:
        check(json.loads(socket.receive_text()))
    assert seen >= {"hello", "stream", "score", "verdict", "pong", "stats"}


def test_a_client_that_connects_again_gets_everything_in_hello() -> None:
    with running_app() as running:
        with running.live() as socket:
            source = running.add_source()
            deliver_until(source, socket, lambda m: m["type"] == "score")
        with running.live() as socket:
            hello = json.loads(socket.receive_text())
    assert [s["stream_id"] for s in hello["streams"]] == ["door"]
    assert len(hello["scores"]) == len(hello["verdicts"]) == len(hello["faces"]) == 1


class Alarmed(FakeScorer):
    """Takes every window for a fake."""

    def push(self, crops: Sequence[FaceCrop]) -> list[WindowUpdate]:
        return [
            update
            if update.score is None
            else replace(update, score=replace(update.score, fake_probability=0.99, logit=5))
            for update in super().push(crops)
        ]


def test_an_alert_and_the_state_that_it_rests_on_are_told_again_to_a_client_that_reconnects() -> None:
    with running_app(make_scorer=Alarmed) as running:
        with running.live() as socket:
            source = running.add_source()
            raised = deliver_until(source, socket, lambda m: m["type"] == "alert")
            assert raised["raised"]
            assert raised["started_at"] <= raised["at"]
        with running.live() as socket:
            hello = json.loads(socket.receive_text())
        assert hello["alerts"] == [raised]
        assert [verdict["state"] for verdict in hello["verdicts"]] == ["alert"]
        running.on_loop(running.monitor.registry.remove, "door")
        with running.live() as socket:
            assert json.loads(socket.receive_text())["alerts"] == [], "nobody is left to call it off"


def test_without_trained_weights_nothing_is_scored_and_the_verdict_says_so() -> None:
    with running_app(make_scorer=lambda: FakeScorer(trained=False)) as running, running.live() as socket:
        source = running.add_source()
        verdict = deliver_until(source, socket, lambda m: m["type"] == "verdict" and m["state"] == "not scored")
        assert verdict["reason"] == "no trained weights"
        assert running.monitor.engine.stats().scores == 0


def test_a_ping_is_answered() -> None:
    with running_app() as running, running.live() as socket:
        socket.send_text(' { "type" : "ping" } ')
        assert wait_for(socket, lambda m: m["type"] == "pong")["v"] == 1


@pytest.mark.parametrize(
    "garbage",
    ["", "{", "null", "[]", '{"type":"pong"}', '{"type":"ping","more":1}', "[" * 4000, "x" * 5000, "\x00", '"ping"'],
    ids=lambda text: text[:12],
)
def test_garbage_closes_the_connection_with_a_reason(garbage: str) -> None:
    with running_app() as running, running.live() as socket:
        socket.send_text(garbage)
        code, reason = end_of(socket)
    assert code == 1008
    assert reason.startswith("expected")
    assert len(reason.encode()) <= 123


def test_bytes_close_the_connection_too() -> None:
    with running_app() as running, running.live() as socket:
        socket.send_bytes(b"\xff" * 10)
        assert end_of(socket) == (1008, "expected text, got bytes")


def test_a_page_of_another_origin_is_refused_and_an_allowed_one_is_not() -> None:
    settings = Settings(server=ServerSettings(allowed_origins=("https://ok.example",)))
    with running_app(settings) as running:
        for origin, allowed in (("http://evil.example", False), ("null", False), ("https://ok.example", True)):
            connect = running.client.websocket_connect(f"{SOCKETS}/ws/live", headers={"Origin": origin})
            if allowed:
                with connect as socket:
                    assert json.loads(socket.receive_text())["type"] == "hello"
            else:
                with pytest.raises(WebSocketDenialResponse), connect:
                    pass


def test_one_viewer_too_many_is_told_to_come_back_later() -> None:
    with running_app(Settings(server=ServerSettings(max_viewers=1))) as running, running.live() as first:
        first.receive_text()
        with running.live() as second:
            assert end_of(second)[0] == 1013
        running.add_source()
        with running.client.websocket_connect(f"{SOCKETS}/ws/view/door") as third:
            assert end_of(third)[0] == 1013


def test_a_viewer_that_left_makes_room() -> None:
    with running_app(Settings(server=ServerSettings(max_viewers=1))) as running:
        for _ in range(3):
            with running.live() as socket:
                assert json.loads(socket.receive_text())["type"] == "hello"


def test_pictures_come_with_the_boxes_of_that_very_frame() -> None:
    with running_app(Settings(analyzer=QUICK)) as running, running.live() as messages:
        source = running.add_source()
        with running.client.websocket_connect(f"{SOCKETS}/ws/view/door") as view:
            source.deliver()
            faces, jpeg = read_view_payload(view.receive_bytes())
            sent = wait_for(messages, lambda m: m["type"] == "faces")
        assert json.loads(faces.model_dump_json()) == sent
        assert jpeg.startswith(b"\xff\xd8")
        assert (faces.width, faces.height) == (480, 270)


def test_a_view_of_an_unknown_stream_is_closed_with_4404() -> None:
    with running_app() as running, running.client.websocket_connect(f"{SOCKETS}/ws/view/nobody") as view:
        code, reason = end_of(view)
    assert code == 4404
    assert "nobody" in reason


def test_a_view_is_closed_with_4404_when_its_stream_is_removed() -> None:
    with running_app() as running:
        running.add_source()
        with running.client.websocket_connect(f"{SOCKETS}/ws/view/door") as view:
            assert running.client.delete("/api/streams/door").status_code == 204
            assert end_of(view) == (4404, "the stream was removed")


def test_a_view_takes_no_messages() -> None:
    with running_app() as running:
        running.add_source()
        with running.client.websocket_connect(f"{SOCKETS}/ws/view/door") as view:
            view.send_json({"type": "ping"})
            assert end_of(view)[0] == 1008


def test_a_websocket_on_any_other_path_is_refused() -> None:
    with running_app() as running:
        connect = running.client.websocket_connect(f"{SOCKETS}/ws/nothing")
        with pytest.raises(WebSocketDisconnect), connect:
            pass


HANDSHAKE = (
    b"GET /ws/live HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


async def test_a_client_that_takes_nothing_is_given_up_and_holds_nobody_up() -> None:
    settings = Settings(server=ServerSettings(port=0, send_timeout_s=0.2))
    app = create_app(settings, make_scorer=FakeScorer)
    long = UploadMessage(upload_id="x" * 50_000, progress=0.5, at=1)
    with listen(settings) as bound:
        server = uvicorn.Server(uvicorn.Config(app, log_config=None))
        serving = asyncio.create_task(server.serve(sockets=[bound]))
        reader, writer = await connect_when_served(bound.getsockname()[1], serving)
        writer.write(HANDSHAKE)
        assert b"101 Switching Protocols" in await reader.readuntil(b"\r\n\r\n")
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # asyncio's own reader does it too
        hub = app.state.monitor.hub
        other = hub.subscribe()
        while hub.viewers > 1:
            hub.publish(long)
            assert await anext(other), "the others are served meanwhile"
            await asyncio.sleep(0)  # the server's turn
        other.close()
        writer.close()
        server.should_exit = True
        await serving


async def connect_when_served(
    port: int, serving: asyncio.Task[None]
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """The socket listens already: the connection waits until somebody accepts it."""
    assert not serving.done()
    return await asyncio.open_connection("127.0.0.1", port, limit=1024)
