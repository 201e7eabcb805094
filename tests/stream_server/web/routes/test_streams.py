from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from analyzer.alerting.series import play, read_series
from analyzer.alerting.verdict import Sensitivity
from analyzer.datatypes import NotScored, PictureState, PictureTrouble, Verdict
from stream_server.live.messages import FaceBox, FacesMessage, Quality, ScoreMessage
from stream_server.settings.schema import AlertSettings, Settings, SourceSettings, StorageSettings
from stream_server.streams.sources.rtsp import RTSPSource
from stream_server.web.routes import streams
from stream_server.web.routes.streams import draw_boxes
from tests.stream_server.app_of import QUICK, Running, deliver_until, running_app, wait_for


@pytest.fixture(scope="module")
def idle() -> Iterator[Running]:
    """One application for the tests that leave it as it was."""
    with running_app() as running:
        yield running


def test_a_stream_can_be_added_listed_seen_and_removed() -> None:
    with running_app() as running:
        client = running.client
        added = client.post("/api/streams", json={"id": "door", "url": "rtsp://user:hush@127.0.0.1:1/x"})
        assert added.status_code == 201
        assert added.headers["Location"] == "/api/streams/door"
        assert added.json()["url"] == "rtsp://user:***@127.0.0.1:1/x"
        assert [s["stream_id"] for s in client.get("/api/streams").json()["items"]] == ["door"]
        assert client.get("/api/streams/door").json()["kind"] == "rtsp"
        assert "hush" not in client.get("/api/streams").text
        gone = client.delete("/api/streams/door")
        assert (gone.status_code, gone.content) == (204, b"")
        assert client.get("/api/streams").json() == {"items": []}


def test_the_transport_can_be_chosen_as_in_the_settings_file(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[str] = []
    made = RTSPSource.__init__

    def watched(self: RTSPSource, *arguments: Any, **named: Any) -> None:
        chosen.append(named["reading"].transport)
        made(self, *arguments, **named)

    monkeypatch.setattr(RTSPSource, "__init__", watched)
    with running_app(Settings(sources=SourceSettings(rtsp_transport="udp"))) as running:
        for transport in (None, "tcp", "udp"):
            new = {"id": f"over-{transport}", "url": "rtsp://127.0.0.1:1/x", "transport": transport}
            assert running.client.post("/api/streams", json=new).status_code == 201
        wrong = running.client.post("/api/streams", json={**new, "id": "x", "transport": "carrier pigeon"})
    assert chosen == ["udp", "tcp", "udp"]
    assert wrong.status_code == 422
    assert "transport" in wrong.json()["error"]["message"]


def test_the_sensitivity_of_a_stream_can_be_set_seen_and_changed() -> None:
    alerts = AlertSettings(sensitivity=Sensitivity.QUIET)
    with running_app(Settings(analyzer=QUICK, alerts=alerts)) as running:
        client = running.client
        new = {"id": "door", "url": "rtsp://127.0.0.1:1/x"}
        assert client.post("/api/streams", json=new).json()["sensitivity"] == "quiet"
        added = client.post("/api/streams", json={**new, "id": "desk", "sensitivity": "eager"})
        assert added.json()["sensitivity"] == "eager"
        with running.live() as socket:
            wait_for(socket, lambda message: message["type"] == "hello")
            changed = client.patch("/api/streams/door", json={"sensitivity": "balanced"})
            assert (changed.status_code, changed.json()["sensitivity"]) == (200, "balanced")
            told = wait_for(socket, lambda message: message["type"] == "stream" and message["stream_id"] == "door")
            assert told["sensitivity"] in {"quiet", "balanced"}  # a status of the camera may have come between
        assert client.get("/api/streams/door").json()["sensitivity"] == "balanced"
        for wrong in ({}, {"sensitivity": None}, {"sensitivity": "loud"}, {"sensitivity": "quiet", "url": "x"}):
            assert client.patch("/api/streams/door", json=wrong).status_code == 422
        assert client.patch("/api/streams/nobody", json={"sensitivity": "quiet"}).status_code == 404


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize(
    "path", ["/api/streams/nobody", "/api/streams/nobody/scores", "/api/streams/nobody/snapshot.jpg"]
)
def test_an_unknown_stream_is_not_found(method: str, path: str) -> None:
    with running_app() as running:
        answer = running.client.request(method, path)
    if method == "DELETE" and path.count("/") > 3:
        assert answer.status_code == 405
    else:
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_a_taken_id_is_a_conflict() -> None:
    with running_app() as running:
        running.add_source("door")
        answer = running.client.post("/api/streams", json={"id": "door", "url": "rtsp://127.0.0.1:1/x"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "taken")


def test_one_stream_too_many_is_refused() -> None:
    with running_app(Settings(sources=SourceSettings(max_streams=1))) as running:
        running.add_source("one")
        answer = running.client.post("/api/streams", json={"id": "two", "url": "rtsp://127.0.0.1:1/x"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "overloaded")


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "concat:a|b", "pipe:0", "data:video/mp4;base64,", "subfile:x", "gopher://h/x", "/etc/passwd",
     "../../etc/passwd", "", "rtsp://", "rtsp:// /x", "http://169.254.169.254/latest", "x" * 3000, "\x00", "C:\\a.mp4"],
    ids=lambda url: url[:16],
)  # fmt: skip
def test_an_address_that_must_not_be_opened_is_refused(idle: Running, url: str) -> None:
    answer = idle.client.post("/api/streams", json={"id": "door", "url": url})
    assert answer.status_code == 422
    assert set(answer.json()["error"]) == {"code", "message"}
    assert idle.client.get("/api/streams").json() == {"items": []}


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'{"id":"a"}', b'{"id":1,"url":2}', b'{"id":"a b","url":"rtsp://h"}',
     b'{"id":"","url":"rtsp://h"}', b'{"id":"a","url":"rtsp://h","more":1}', b'{"id":".a","url":"rtsp://h"}'],
)  # fmt: skip
def test_a_malformed_request_is_invalid(idle: Running, body: bytes) -> None:
    answer = idle.client.post("/api/streams", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid")


def test_a_form_of_another_page_cannot_add_a_stream(idle: Running) -> None:
    body = {"id": "door", "url": "rtsp://127.0.0.1:1/x"}
    for origin in ("http://evil.example", "null"):
        assert idle.client.post("/api/streams", json=body, headers={"Origin": origin}).status_code == 403
        assert idle.client.delete("/api/streams/door", headers={"Origin": origin}).status_code == 403
    # what a form without an Origin could send is no JSON
    headers = {"Content-Type": "text/plain"}
    assert idle.client.post("/api/streams", content=b'{"id":"a","url":"rtsp://h"}', headers=headers).status_code == 422


def test_scores_of_the_last_minutes_come_oldest_first() -> None:
    with running_app() as running, running.live() as socket:
        source = running.add_source()
        first = deliver_until(source, socket, lambda m: m["type"] == "score")
        second = deliver_until(source, socket, lambda m: m["type"] == "score")
        items = running.client.get("/api/streams/door/scores").json()["items"]
    assert [item["face_at"] for item in items] == [first["face_at"], second["face_at"]]
    assert set(items[0]) == {"face_id", "face_at", "fake_probability"}


def test_trouble_with_the_pictures_comes_from_the_analyzer_to_the_api() -> None:
    with running_app() as running:
        running.add_source()
        emit = running.monitor.engine._listener
        with running.live() as socket:
            emit(PictureState("door", PictureTrouble.FROZEN, time.monotonic() - 10))
            told = wait_for(socket, lambda message: message["type"] == "stream" and message["picture"] is not None)
            assert told["picture"] == "frozen picture"
            assert told["picture_since"] == pytest.approx(time.time() - 10, abs=2)
            assert running.client.get("/api/streams/door").json()["picture"] == "frozen picture"
            emit(PictureState("door", PictureTrouble.DUPLICATED, time.monotonic(), same_as="hall"))
            twin = wait_for(
                socket, lambda message: message["type"] == "stream" and message["picture_same_as"] == "hall"
            )
            assert twin["picture"] == "same picture as another stream"
            emit(PictureState("door", None, time.monotonic()))
            over = wait_for(socket, lambda message: message["type"] == "stream" and message["picture"] is None)
        assert over["picture_since"] is None


def test_what_the_verdicts_rest_on_can_be_fetched_and_played_again(tmp_path: Path) -> None:
    with running_app() as running:
        source = running.add_source()
        with running.live() as socket:
            deliver_until(source, socket, lambda message: message["type"] == "score")
        answer = running.client.get("/api/streams/door/series.jsonl")
        told = running.monitor.hub.snapshot.scores["door", 1]
        assert running.client.get("/api/streams/nobody/series.jsonl").status_code == 404
    assert answer.headers["Content-Type"].startswith("application/jsonl")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="door.jsonl"'
    (tmp_path / "door.jsonl").write_bytes(answer.content)
    series = read_series(tmp_path / "door.jsonl")
    assert [one.filled for one in series.observations[:16]] == list(range(1, 17))
    scored = [one for one in series.observations if one.logit is not None]
    assert told.logit in [one.logit for one in scored]
    verdicts = play(series, series.sensitivity.rules)
    assert isinstance(verdicts[-1], Verdict)
    assert verdicts[-1].filled == 16


def test_a_snapshot_is_a_picture_of_the_next_frame() -> None:
    with running_app(Settings(analyzer=QUICK)) as running, running.live() as socket:
        source = running.add_source()
        deliver_until(source, socket, lambda m: m["type"] == "score")
        watched = []
        hub = running.monitor.hub
        subscribe = hub.subscribe_view

        def subscribe_and_deliver(stream_id: str) -> object:
            view = subscribe(stream_id)
            watched.append(hub.viewers)
            source.deliver()
            return view

        hub.subscribe_view = subscribe_and_deliver  # type: ignore[method-assign,assignment]  # to know when to deliver
        answer = running.client.get("/api/streams/door/snapshot.jpg")
        assert answer.status_code == 200
        assert answer.headers["Content-Type"] == "image/jpeg"
        assert answer.headers["Cache-Control"] == "no-store"
        picture = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        assert picture.shape == (270, 480, 3)
        wait_for(socket, lambda m: m["type"] == "faces")
        assert hub.viewers == 1  # the websocket alone: nobody watches the pictures any more


def test_without_a_picture_the_snapshot_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "SNAPSHOT_TIMEOUT_S", 0.05)
    with running_app() as running:
        running.add_source()
        answer = running.client.get("/api/streams/door/snapshot.jpg")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "no_picture")


def a_jpeg(width: int, height: int) -> bytes:
    return cv2.imencode(".jpg", np.full((height, width, 3), 90, np.uint8))[1].tobytes()


def some_faces(*boxes: tuple[float, float, float, float], fit: bool = True) -> FacesMessage:
    quality = Quality(
        fit=fit, reason=None if fit else NotScored.TOO_SMALL, size_px=100, sharpness=1, brightness=1, yaw=0
    )
    faces = tuple(FaceBox(face_id=i + 1, box=box, quality=quality) for i, box in enumerate(boxes))
    return FacesMessage(stream_id="door", generation=1, frame_index=1, frame_at=0, width=960, height=540, faces=faces)


def pixels(jpeg: bytes) -> npt.NDArray[Any]:
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture


def test_boxes_are_drawn_where_they_belong_also_in_a_smaller_picture() -> None:
    picture = pixels(draw_boxes(some_faces((200, 100, 200, 200)), a_jpeg(480, 270), {})).astype(int)
    assert abs(picture[100, 100] - 90).max() > 40, "left edge of the box, halved"
    assert abs(picture[100, 150] - 90).max() < 20, "inside"
    assert abs(picture[200, 300] - 90).max() < 20, "outside"


def test_a_box_beyond_the_picture_is_no_problem() -> None:
    boxes = [(-500.0, -500.0, 5000.0, 5000.0), (900.0, 500.0, 300.0, 300.0), (0.0, 0.0, 0.0, 0.0)]
    score = ScoreMessage(
        stream_id="door", face_id=1, generation=1, frame_index=1, fake_probability=0.5, logit=0, window=16, face_at=0,
        scored_at=0, latency_ms=1, stream_fake_probability=0.5,
    )  # fmt: skip
    for fit in (True, False):
        assert pixels(draw_boxes(some_faces(*boxes, fit=fit), a_jpeg(960, 540), {1: score})).shape == (540, 960, 3)


def test_pictures_of_a_stream_are_kept_unless_somebody_says_otherwise() -> None:
    settings = Settings(
        analyzer=QUICK,
        streams={"hall": {"url": "rtsp://127.0.0.1:1/x", "privacy": True}},
        storage=StorageSettings(private_streams=("desk",)),
    )
    with running_app(settings) as running:
        client = running.client
        assert client.get("/api/streams/hall").json()["privacy"] is True
        for stream_id, body, private in (("desk", {}, True), ("door", {"privacy": True}, True), ("yard", {}, False)):
            new = {"id": stream_id, "url": "rtsp://127.0.0.1:1/x", **body}
            assert client.post("/api/streams", json=new).json()["privacy"] is private
            assert running.monitor.engine._streams[stream_id].recorded is not private
        assert client.patch("/api/streams/yard", json={"privacy": True}).json()["privacy"] is True
        assert running.monitor.engine._streams["yard"].recorded is False
        changed = client.patch("/api/streams/yard", json={"privacy": False, "sensitivity": "quiet"}).json()
        assert (changed["privacy"], changed["sensitivity"]) == (False, "quiet")
        held = client.patch("/api/streams/desk", json={"privacy": False})
        assert (held.status_code, held.json()["error"]["code"]) == (409, "taken")
        assert client.get("/api/streams/desk").json()["privacy"] is True


def test_a_stream_that_an_operator_removed_is_no_longer_private_when_it_is_added_again() -> None:
    with running_app(Settings(analyzer=QUICK)) as running:
        client, new = running.client, {"id": "yard", "url": "rtsp://127.0.0.1:1/x"}
        assert client.post("/api/streams", json={**new, "privacy": True}).json()["privacy"] is True
        assert client.delete("/api/streams/yard").status_code == 204
        assert client.post("/api/streams", json=new).json()["privacy"] is False


def test_where_nothing_is_kept_no_pictures_are_made_for_it() -> None:
    with running_app(Settings(analyzer=QUICK, storage=StorageSettings(enabled=False))) as running:
        running.client.post("/api/streams", json={"id": "door", "url": "rtsp://127.0.0.1:1/x"})
        assert running.monitor.engine._streams["door"].recorded is False
