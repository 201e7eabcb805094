from __future__ import annotations

import errno
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from stream_server.event import Event, EventKind, EventState, ReviewMark
from stream_server.events.evidence_zip.verify import verify
from stream_server.settings.schema import Settings, StorageSettings
from stream_server.store import rows, writer
from stream_server.store.database import Database
from stream_server.store.writer import StoreWriter
from stream_server.web.routes import events, stored
from stream_server.web.routes.events import Review
from tests.events_of import PICTURE, SERIES, START, an_event
from tests.stream_server.app_of import QUICK, Running, deliver_until, running_app, wait_for

EVENTS = [
    an_event(START),
    an_event(START + 60, stream_id="door", kind=EventKind.BLACK, face_id=None, rules=None),
    an_event(START + 120, stream_id="door"),
]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with running_app(Settings(analyzer=QUICK, storage=StorageSettings(data_dir=tmp_path, event_days=3650))) as app:
        writer = _writer(app)
        for event in EVENTS:
            writer.save_event(event, [SERIES, PICTURE])
        writer.submit(lambda _: None).result(10)
        yield app


def _writer(app: Running) -> StoreWriter:
    assert app.monitor.store is not None
    return app.monitor.store.writer


def test_events_are_listed_page_by_page_newest_first(running: Running) -> None:
    first = running.client.get("/api/events", params={"limit": 2}).json()
    assert [one["id"] for one in first["items"]] == [EVENTS[2].id, EVENTS[1].id]
    second = running.client.get("/api/events", params={"limit": 2, "before": first["next"]}).json()
    assert [one["id"] for one in second["items"]] == [EVENTS[0].id]
    assert second["next"] is None
    assert {"id", "stream_id", "state", "started_at"} <= set(first["items"][0])


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"stream_id": "door"}, [2, 1]),
        ({"kind": "black picture"}, [1]),
        ({"state": "open"}, []),
        ({"marked": "false", "until": START + 1}, [0]),
        ({"since": START + 100}, [2]),
    ],
    ids=["stream", "kind", "state", "unmarked and until", "since"],
)
def test_events_are_found_by_what_is_asked(running: Running, query: dict[str, Any], found: list[int]) -> None:
    items = running.client.get("/api/events", params=query).json()["items"]
    assert [one["id"] for one in items] == [EVENTS[i].id for i in found]


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0}, {"limit": 501}, {"before": "nonsense"}, {"kind": "nonsense"}, {"since": "nan"},
        {"since": "inf"}, {"stream_id": "x" * 65}, {"stream_id": "a\x00b"}, {"unknown": "1"},
    ],
    ids=str,
)  # fmt: skip
def test_bad_questions_are_answered_in_the_one_shape(running: Running, query: dict[str, Any]) -> None:
    answer = running.client.get("/api/events", params=query)
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "invalid"


def test_one_event_names_the_files_of_its_evidence_and_they_can_be_fetched(running: Running) -> None:
    event = running.client.get(f"/api/events/{EVENTS[0].id}").json()
    assert [part["name"] for part in event["parts"]] == ["scores.jsonl", "strip.jpg"]
    answer = running.client.get(f"/api/events/{EVENTS[0].id}/parts/strip.jpg")
    assert (answer.content, answer.headers["content-type"]) == (PICTURE.data, "image/jpeg")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("20200101T000000-00000000", 404),
        ("20200101T000000-00000000/evidence.zip", 404),
        ("nonsense", 422),
        ("20200101T000000-00000000/parts/strip.jpg", 404),
        (f"{EVENTS[0].id}/parts/clip.mp4", 404),
        (f"{EVENTS[0].id}/parts/..%2F..%2Fetc%2Fpasswd", 404),
        (f"{EVENTS[0].id}/parts/a%00b", 404),
        (f"{EVENTS[0].id}/parts/{'x' * 65}", 422),
    ],
)
def test_what_is_not_there_is_not_found(running: Running, path: str, status: int) -> None:
    answer = running.client.get(f"/api/events/{path}")
    assert answer.status_code == status
    assert answer.json()["error"]["code"] in {"not_found", "invalid"}


def test_evidence_is_one_zip_that_verifies_against_the_key_that_the_monitor_shows(
    running: Running, tmp_path: Path
) -> None:
    answer = running.client.get(f"/api/events/{EVENTS[0].id}/evidence.zip")
    assert answer.headers["content-type"] == "application/zip"
    assert f'filename="evidence-{EVENTS[0].id}.zip"' in answer.headers["content-disposition"]
    assert answer.headers["cache-control"] == "no-store"
    path = tmp_path / "e.zip"
    path.write_bytes(answer.content)
    key = running.client.get("/api/evidence-key").json()
    found = verify(path, key["fingerprint"])
    assert found.ok
    assert found.event_id == EVENTS[0].id
    assert key["public_key"].startswith("-----BEGIN PUBLIC KEY-----")


def test_a_mark_is_kept_told_and_can_be_taken_back(running: Running) -> None:
    path = f"/api/events/{EVENTS[0].id}"
    with running.live() as socket:
        marked = running.client.patch(path, json={"mark": "false alarm", "note": "a poster"}).json()
        assert (marked["mark"], marked["mark_note"]) == ("false alarm", "a poster")
        assert marked["marked_at"] == pytest.approx(time.time(), abs=60)
        told = wait_for(socket, lambda message: message["type"] == "event")
        assert (told["event"]["mark"], told["deleted"]) == ("false alarm", False)
    assert [one["id"] for one in running.client.get("/api/events", params={"marked": True}).json()["items"]] == [
        EVENTS[0].id
    ]
    other = running.client.patch(path, json={"mark": "unsure"}).json()
    assert (other["mark"], other["mark_note"]) == ("unsure", "a poster")
    undone = running.client.patch(path, json={"mark": None, "note": ""}).json()
    assert (undone["mark"], undone["mark_note"], undone["marked_at"]) == (None, "", None)
    assert Event(**undone).parts


@pytest.mark.parametrize(
    "body",
    [
        {"mark": "nonsense"},
        {},
        {"note": "x"},
        {"mark": "unsure", "note": "x" * 2001},
        {"mark": "unsure", "note": "a\x00"},
        {"x": 1},
    ],
    ids=["unknown", "nothing", "no mark", "long", "nul", "other"],
)
def test_a_bad_mark_is_refused(running: Running, body: dict[str, Any]) -> None:
    assert running.client.patch(f"/api/events/{EVENTS[0].id}", json=body).status_code == 422


def test_marking_or_deleting_what_is_not_there_is_not_found(running: Running) -> None:
    path = "/api/events/20200101T000000-00000000"
    assert running.client.patch(path, json={"mark": ReviewMark.UNSURE.value}).status_code == 404
    assert running.client.delete(path).status_code == 404


def test_an_event_can_be_deleted_for_good_and_everybody_hears_of_it(running: Running) -> None:
    path = f"/api/events/{EVENTS[0].id}"
    with running.live() as socket:
        assert running.client.delete(path).status_code == 204
        told = wait_for(socket, lambda message: message["type"] == "event")
        assert (told["event"]["id"], told["deleted"]) == (EVENTS[0].id, True)
    assert running.client.get(path).status_code == 404
    assert running.client.get(f"{path}/parts/strip.jpg").status_code == 404


def test_an_event_that_only_waits_to_be_written_can_be_deleted_too(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Database, needed: int) -> None:
        raise OSError(errno.ENOSPC, f"no room for {needed} bytes")

    monkeypatch.setattr(Database, "check_room", full)
    event = an_event(START + 240)
    _writer(running).save_event(event, [SERIES, PICTURE])
    assert running.client.delete(f"/api/events/{event.id}").status_code == 204
    monkeypatch.undo()
    _writer(running).submit(lambda _: None, lambda _: None).result(10)
    assert running.client.get(f"/api/events/{event.id}").status_code == 404


def test_what_notifications_still_have_of_a_deleted_event_goes_too(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped: list[str] = []
    assert running.monitor.notifier is not None
    monkeypatch.setattr(running.monitor.notifier, "drop_event", dropped.append)
    running.client.delete(f"/api/events/{EVENTS[0].id}")
    assert dropped == [EVENTS[0].id]


@pytest.mark.parametrize("path", ["", "/parts/strip.jpg", "/evidence.zip"], ids=["event", "file", "zip"])
def test_what_was_told_a_moment_ago_is_found_before_the_store_writes_by_itself(
    running: Running, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(writer, "FLUSH_S", 60.0)
    _writer(running).submit(lambda _: None).result(10)  # from now on it waits for so long
    event = an_event(START + 180)
    _writer(running).save_event(event, [SERIES, PICTURE])
    assert running.client.get(f"/api/events/{event.id}{path}").status_code == 200


def test_an_event_that_ended_while_it_was_marked_is_told_as_ended(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = rows.mark_event
    assert running.monitor.archive is not None
    recorder = running.monitor.archive.recorder

    def and_then_it_ends(*arguments: Any) -> Event:
        marked = plain(*arguments)
        running.on_loop(recorder.on_removed, "cam")
        return marked

    source = running.add_source("cam")
    running.client.patch("/api/streams/cam", json={"sensitivity": "eager"})
    with running.live() as socket:
        told = deliver_until(source, socket, lambda one: one["type"] == "event" and one["event"]["face_id"] is not None)
        event_id = told["event"]["id"]
        monkeypatch.setattr(rows, "mark_event", and_then_it_ends)
        marked = running.client.patch(f"/api/events/{event_id}", json={"mark": "unsure"}).json()
        assert (marked["mark"], marked["state"]) == ("unsure", "interrupted")
        wait_for(socket, lambda one: one["type"] == "event" and one["event"]["mark"] == "unsure")


@pytest.mark.parametrize(
    "route",
    [
        pytest.param(route, id=f"{route.name} {route.path}")
        for route in (*events.router.routes, *stored.router.routes)
        if isinstance(route, APIRoute) and route.response_model
    ],
)
def test_every_answer_has_an_example_that_could_have_been_sent(route: APIRoute) -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(route.response_model)
    schema = adapter.json_schema(mode="serialization")
    adapter.validate_python(_example(schema, schema))


def test_every_question_and_every_mark_has_an_example(running: Running) -> None:
    paths = running.client.get("/openapi.json").json()["paths"]
    for one in paths["/api/events"]["get"]["parameters"]:
        assert one["schema"].get("examples") or "default" in one["schema"] or one["name"] == "marked", one["name"]
    for body in Review.model_json_schema()["examples"]:
        Review(**body)


def _example(schema: dict[str, Any], whole: dict[str, Any]) -> Any:
    """The one that a schema gives, or, made of those of its parts."""
    if "$ref" in schema:
        schema = whole["$defs"][schema["$ref"].rpartition("/")[2]]
    if "examples" in schema:
        return schema["examples"][0]
    if schema.get("type") == "object":
        return {name: _example(part, whole) for name, part in schema["properties"].items()}
    if schema.get("type") == "array":
        return [_example(schema["items"], whole)]
    assert schema.get("type") == "boolean", f"no example: {schema}"
    return True


def test_without_storage_nothing_is_kept_and_that_is_said(tmp_path: Path) -> None:
    settings = Settings(analyzer=QUICK, storage=StorageSettings(enabled=False, data_dir=tmp_path / "data"))
    with running_app(settings) as app:
        for path in ("/api/events", f"/api/events/{EVENTS[0].id}", "/api/evidence-key"):
            answer = app.client.get(path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "nothing_kept")
        assert app.client.get("/health").json()["storage"] is None
    assert not (tmp_path / "data").exists()


def test_a_lost_database_answers_503_and_degrades_health(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    from sqlalchemy.exc import OperationalError  # noqa: PLC0415

    def lost(*_: object) -> None:
        raise OperationalError("", {}, Exception("disk I/O error"))

    assert running.monitor.store is not None
    monkeypatch.setattr(running.monitor.store._database, "read", lost)
    answer = running.client.get("/api/events")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "store_failed")
    assert "disk I/O error" in answer.json()["error"]["message"]
    monkeypatch.setattr(running.monitor.store._database, "check", lost)
    deadline_s = time.monotonic() + 30
    while _writer(running).status.ok:  # until it writes the next time
        assert time.monotonic() < deadline_s
        time.sleep(0.05)
    health = running.client.get("/health").json()
    assert (health["status"], health["storage"]["ok"]) == ("degraded", False)
    assert "nothing is stored: disk I/O error" in health["note"]


def test_an_alert_becomes_an_event_with_evidence_from_frame_to_zip(running: Running, tmp_path: Path) -> None:
    source = running.add_source("cam")
    running.client.patch("/api/streams/cam", json={"sensitivity": "eager"})
    kind = EventKind.MANIPULATION.value
    with running.live() as socket:
        told = deliver_until(source, socket, lambda one: one["type"] == "event" and one["event"]["kind"] == kind)
        event_id = told["event"]["id"]
        assert running.client.delete(f"/api/events/{event_id}").json()["error"]["code"] == "still_open"
        running.client.delete("/api/streams/cam")
        wait_for(
            socket, lambda one: one["type"] == "event" and one["event"]["id"] == event_id and one["event"]["parts"]
        )
    _writer(running).submit(lambda _: None).result(10)
    event = running.client.get(f"/api/events/{event_id}").json()
    assert (event["stream_id"], event["state"]) == ("cam", EventState.INTERRUPTED.value)
    names = {part["name"] for part in event["parts"]}
    assert {"scores.jsonl", "strip.jpg", "faces/16.jpg", "snapshot-start.jpg", "clip.mp4"} <= names
    path = tmp_path / "e.zip"
    path.write_bytes(running.client.get(f"/api/events/{event_id}/evidence.zip").content)
    assert verify(path).ok
