"""A camera from its RTSP server to the live websocket, through a monitor that runs as users run it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.cameras import Camera
from tests.monitor_process import Live, MonitorProcess

pytestmark = pytest.mark.rtsp


@pytest.fixture(scope="module")
def monitor() -> Iterator[MonitorProcess]:
    with MonitorProcess() as running:
        yield running


@pytest.fixture
def live(monitor: MonitorProcess) -> Iterator[Live]:
    with monitor.listening() as socket:
        yield socket


def is_state(state: str, generation: int = 0) -> Callable[[dict[str, Any]], bool]:
    return lambda m: m["type"] == "stream" and m["state"] == state and m["generation"] >= generation


def is_score(generation: int = 0) -> Callable[[dict[str, Any]], bool]:
    return lambda m: m["type"] == "score" and m["generation"] >= generation


def test_a_camera_is_scored_lost_and_scored_again(monitor: MonitorProcess, live: Live, camera: Camera) -> None:
    monitor.add_stream("door", camera.url("/h264"))
    try:
        first = live.until("a score", is_score())
        assert first["stream_id"] == "door"
        assert first["window"] == 16
        assert 0 <= first["fake_probability"] <= 1
        assert first["latency_ms"] >= 0
        assert first["scored_at"] >= first["face_at"]
        warm = [m["filled"] for m in live.seen if m["type"] == "verdict" and m["state"] == "warming up"]
        assert warm == sorted(warm), "a window only fills"

        camera.kill()
        lost = live.until("the loss", is_state("lost"))
        assert lost["message"], "a lost camera says why"

        camera.start()
        again = live.until("the camera's return", is_state("live", first["generation"] + 1))
        position = len(live.seen)
        score = live.until("a score after the return", is_score(again["generation"]))
        faces = [m for m in live.seen[position:] if m["type"] == "faces"]
        assert len(faces) >= 15, "a score after a reconnect rests on 16 new faces, not on old ones"
        assert score["stream_id"] == "door"
    finally:
        monitor.remove_stream("door")


def test_what_the_camera_shows_can_be_seen_and_read_back(monitor: MonitorProcess, live: Live, camera: Camera) -> None:
    monitor.add_stream("hall", camera.url("/h265"))
    try:
        live.until("a score", is_score())
        picture = monitor.fetch("/api/streams/hall/snapshot.jpg")
        assert picture.startswith(b"\xff\xd8")
        assert monitor.call("GET", "/api/streams/hall/scores")["items"]
        [stream] = [item for item in monitor.call("GET", "/api/streams")["items"] if item["stream_id"] == "hall"]
        assert (stream["state"], stream["codec"], stream["width"], stream["height"]) == ("live", "hevc", 640, 480)
        metrics = monitor.fetch("/metrics").decode()
        assert "deepfake_monitor" in metrics
    finally:
        monitor.remove_stream("hall")


def test_one_dead_camera_does_not_disturb_another(monitor: MonitorProcess, live: Live, camera: Camera) -> None:
    monitor.add_stream("dead", "rtsp://user:secret@127.0.0.1:9/none")
    monitor.add_stream("alive", camera.url("/h264"))
    try:
        live.until("a score of the living one", lambda m: m["type"] == "score" and m["stream_id"] == "alive")
        said = json.dumps(monitor.call("GET", "/api/streams"))
        assert "unreachable" in said
        assert "secret" not in said
    finally:
        monitor.remove_stream("dead")
        monitor.remove_stream("alive")
