from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from analyzer.training.data.manifest import read_manifest
from analyzer.video.video_file import VideoFile
from stream_server.event import EventKind, Part, ReviewMark
from stream_server.events.recording.clip import clip_mp4
from stream_server.notify.delivery import Delivery, delivery_of
from stream_server.notify.notification import Reason, notification_of
from stream_server.notify.rows import save_delivery
from stream_server.settings.schema import Settings, StorageSettings
from stream_server.store.exporting import marks_bytes, stream_bytes
from stream_server.store.writer import StoreWriter
from stream_server.web import export_answer
from tests.events_of import PICTURE, SERIES, an_event, observed
from tests.recorded import a_past_picture
from tests.stream_server.app_of import QUICK, Running, deliver_until, running_app, wait_for


def _clip() -> Part:
    data = clip_mp4([a_past_picture(1.0 + 0.2 * i) for i in range(10)])
    assert data is not None
    return Part("clip.mp4", "video/mp4", data)


START = time.time() // 60 * 60 - 600
"""Ten minutes ago: what is older than an hour goes by itself."""
CONFIRMED = an_event(START, mark=ReviewMark.CONFIRMED, mark_note="a known\tfake\n")
FALSE_ALARM = an_event(START + 60, stream_id="door", mark=ReviewMark.FALSE_ALARM)
NOT_OF_A_FACE = tuple(
    an_event(START + 200 + i, kind=kind, face_id=None, mark=ReviewMark.CONFIRMED)
    for i, kind in enumerate(EventKind)
    if kind is not EventKind.MANIPULATION
)
UNSURE = an_event(START + 120, mark=ReviewMark.UNSURE)
WITHOUT_CLIP = an_event(START + 180, mark=ReviewMark.CONFIRMED)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with running_app(Settings(analyzer=QUICK, storage=StorageSettings(data_dir=tmp_path / "data"))) as app:
        yield app


def _store(app: Running) -> StoreWriter:
    assert app.monitor.store is not None
    return app.monitor.store.writer


def _fill(app: Running) -> None:
    for i in range(3):
        _store(app).observe(observed(START + 6 * i, 0.5 * i))
    _store(app).observe(observed(START, None, stream_id="door"))
    clip = _clip()
    for event in (CONFIRMED, FALSE_ALARM, UNSURE):
        _store(app).save_event(event, [SERIES, clip])
    _store(app).save_event(WITHOUT_CLIP, [PICTURE])
    _store(app).submit(lambda _: None).result(10)


def test_what_is_stored_is_told_stream_by_stream(running: Running) -> None:
    assert running.client.get("/api/stored").json() == {"items": []}
    _fill(running)
    cam, door = running.client.get("/api/stored").json()["items"]
    assert (cam["stream_id"], cam["events"], cam["observations"], cam["buckets"]) == ("cam", 3, 3, 2)
    assert cam["evidence_bytes"] > 1000
    assert (door["stream_id"], door["events"], door["observations"], door["buckets"]) == ("door", 1, 1, 1)


def test_history_comes_in_steps_of_ten_seconds(running: Running) -> None:
    _fill(running)
    answer = running.client.get("/api/streams/cam/history", params={"since": START, "until": START + 60}).json()
    assert answer["complete"]
    assert [(one["start"], one["scores"]) for one in answer["items"]] == [(int(START), 2), (int(START) + 10, 1)]


def test_a_history_that_is_too_long_for_one_answer_says_so(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream_server.web.routes.stored.MOST_BUCKETS", 1)
    _fill(running)
    answer = running.client.get("/api/streams/cam/history", params={"since": 0, "until": 1e12}).json()
    assert (len(answer["items"]), answer["complete"]) == (1, False)


@pytest.mark.parametrize("query", ["", "?since=nan&until=1", "?since=0&until=inf", "?since=0"], ids=str)
def test_a_history_needs_a_span(running: Running, query: str) -> None:
    assert running.client.get(f"/api/streams/cam/history{query}").status_code == 422


def test_everything_of_a_stream_can_be_taken_out(running: Running, tmp_path: Path) -> None:
    _fill(running)
    answer = running.client.get("/api/streams/cam/data.zip")
    assert 'filename="cam.zip"' in answer.headers["content-disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as found:
        names = set(found.namelist())
        assert f"events/{CONFIRMED.id}/clip.mp4" in names
        assert f"events/{FALSE_ALARM.id}/event.json" not in names
        assert found.read(f"events/{WITHOUT_CLIP.id}/strip.jpg") == PICTURE.data
        lines = [json.loads(line) for line in found.read("observations.jsonl").splitlines()]
        assert [line["logit"] for line in lines] == [0.0, 0.5, 1.0]
        history = found.read("history.csv").decode().splitlines()
        assert history[0] == "start,face_id,scores,probability_mean,probability_max,unfit"
        assert len(history) == 3
        assert json.loads(found.read("notifications.json")) == []
    assert answer.headers["cache-control"] == "no-store"
    assert not list((tmp_path / "data").glob("export-*"))


def test_notifications_that_did_not_get_out_are_taken_out_too(running: Running) -> None:
    waiting = delivery_of(notification_of(CONFIRMED, "by-mail", Reason.OPENED, START), 1, "1: mailto://***", START)
    other = delivery_of(notification_of(FALSE_ALARM, "by-mail", Reason.OPENED, START), 1, "1: mailto://***", START)
    for one in (waiting, other):
        _store(running).submit(lambda connection, one=one: save_delivery(connection, one)).result(10)  # type: ignore[misc]
    with zipfile.ZipFile(io.BytesIO(running.client.get("/api/streams/cam/data.zip").content)) as found:
        (letter,) = json.loads(found.read("notifications.json"))
    assert Delivery.model_validate(letter) == waiting


@pytest.mark.parametrize("asked", ["bytes=0-3", "bytes=99999999-", "nonsense"], ids=str)
def test_an_export_comes_whole_whatever_part_is_asked_for_and_no_file_stays(
    running: Running, tmp_path: Path, asked: str
) -> None:
    _fill(running)
    for path in ("/api/streams/cam/data.zip", "/api/marks.zip"):
        answer = running.client.get(path, headers={"Range": asked})
        assert (answer.status_code, answer.headers["accept-ranges"]) == (200, "none")
        assert zipfile.is_zipfile(io.BytesIO(answer.content))
    assert not list((tmp_path / "data").glob("export-*"))


def test_of_an_unknown_stream_there_is_nothing_to_take_out(running: Running) -> None:
    _fill(running)
    answer = running.client.get("/api/streams/nobody/data.zip")
    assert answer.status_code == 404
    assert "nothing is stored of a stream 'nobody'" in answer.json()["error"]["message"]


def test_of_a_stream_that_runs_an_empty_zip_can_be_taken_out(running: Running) -> None:
    running.add_source("new")
    answer = running.client.get("/api/streams/new/data.zip")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as found:
        assert sorted(found.namelist()) == ["history.csv", "notifications.json", "observations.jsonl"]


@pytest.mark.parametrize("path", ["/api/streams/door/data.zip", "/api/marks.zip"])
def test_without_room_for_it_nothing_is_written_and_the_answer_says_so(
    running: Running, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    _fill(running)
    monkeypatch.setattr(export_answer, "ROOM_BYTES", 10**18)
    answer = running.client.get(path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "no_space")


def test_the_size_of_an_export_is_known_before_it_is_made(running: Running) -> None:
    _fill(running)
    assert running.monitor.store is not None
    for stream_id in ("cam", "door"):
        expected = running.monitor.store.read_now(lambda connection, name=stream_id: stream_bytes(connection, name))  # type: ignore[misc]
        size = len(running.client.get(f"/api/streams/{stream_id}/data.zip").content)
        assert expected is not None
        assert size - 10_000 < expected < size + 10_000
    marks = running.monitor.store.read_now(marks_bytes)
    assert marks < len(running.client.get("/api/marks.zip").content) < marks + 10_000


def test_everything_of_a_stream_can_be_deleted_and_of_no_other(running: Running) -> None:
    _fill(running)
    deleted = running.client.delete("/api/streams/cam/data").json()
    assert deleted == {"events": 3, "observations": 3, "buckets": 2}
    assert [one["stream_id"] for one in running.client.get("/api/stored").json()["items"]] == ["door"]
    assert running.client.get("/api/streams/cam/data.zip").status_code == 404


def test_an_event_that_goes_on_is_told_as_deleted_with_the_others(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = running.add_source("cam")
    running.client.patch("/api/streams/cam", json={"sensitivity": "eager"})
    monkeypatch.setattr("stream_server.store.writer.FLUSH_S", 60.0)  # it is not written when the others are read
    with running.live() as socket:
        told = deliver_until(source, socket, lambda one: one["type"] == "event" and one["event"]["face_id"] is not None)
        running.client.delete("/api/streams/cam/data")
        gone = wait_for(socket, lambda one: one["type"] == "event" and one["deleted"])
    assert gone["event"]["id"] == told["event"]["id"]


def test_marks_become_a_manifest_that_training_and_evaluation_read(running: Running, tmp_path: Path) -> None:
    _fill(running)
    with zipfile.ZipFile(io.BytesIO(running.client.get("/api/marks.zip").content)) as found:
        found.extractall(tmp_path / "marks")
    rows = {row.file: row for row in read_manifest(tmp_path / "marks" / "manifest.tsv")}
    assert set(rows) == {f"clips/{CONFIRMED.id}.mp4", f"clips/{FALSE_ALARM.id}.mp4"}
    fake, real = rows[f"clips/{CONFIRMED.id}.mp4"], rows[f"clips/{FALSE_ALARM.id}.mp4"]
    assert (fake.fake, fake.group, fake.source) == (True, "cam", "operators")
    assert (real.fake, real.group) == (False, "door")
    assert fake.one_face
    assert real.one_face
    with VideoFile(fake.path) as video:
        assert sum(1 for _ in video.frames()) == 10


def test_marks_of_what_is_no_face_teach_nothing(running: Running) -> None:
    clip = _clip()
    for event in NOT_OF_A_FACE:
        _store(running).save_event(event, [clip])
    _store(running).submit(lambda _: None).result(10)
    answer = running.client.get("/api/marks.zip")
    assert answer.status_code == 404
    assert "no suspected manipulation with a clip is marked" in answer.json()["error"]["message"]
    _fill(running)
    with zipfile.ZipFile(io.BytesIO(running.client.get("/api/marks.zip").content)) as found:
        assert not [name for name in found.namelist() if any(event.id in name for event in NOT_OF_A_FACE)]


def test_without_marks_there_is_nothing_to_take_out_and_no_file_stays(running: Running, tmp_path: Path) -> None:
    answer = running.client.get("/api/marks.zip")
    assert answer.status_code == 404
    assert "mark some first" in answer.json()["error"]["message"]
    assert not list((tmp_path / "data").glob("export-*"))


@pytest.mark.parametrize("name", ["..", "a%2Fb", "-x", "a%00"], ids=str)
def test_names_that_are_none_are_refused(running: Running, name: str) -> None:
    for method, path in (("GET", "data.zip"), ("DELETE", "data"), ("GET", "history?since=0&until=1")):
        assert running.client.request(method, f"/api/streams/{name}/{path}").status_code in {404, 405, 422}
