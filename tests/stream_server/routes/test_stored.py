from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from analyzer.training.manifest import read_manifest
from analyzer.video_file import VideoFile
from stream_server.events import Part, ReviewMark
from stream_server.recording.clip import clip_mp4
from stream_server.settings import Settings, StorageSettings
from stream_server.store.writer import StoreWriter
from tests.events_of import PICTURE, SERIES, an_event, observed
from tests.recorded import a_past_picture
from tests.stream_server.app_of import QUICK, Running, running_app


def _clip() -> Part:
    data = clip_mp4([a_past_picture(1.0 + 0.2 * i) for i in range(10)])
    assert data is not None
    return Part("clip.mp4", "video/mp4", data)


START = time.time() // 60 * 60 - 600
"""Ten minutes ago: what is older than an hour goes by itself."""
CONFIRMED = an_event(START, mark=ReviewMark.CONFIRMED, mark_note="a known\tfake\n")
FALSE_ALARM = an_event(START + 60, stream_id="door", mark=ReviewMark.FALSE_ALARM)
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
    monkeypatch.setattr("stream_server.routes.stored.MOST_BUCKETS", 1)
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
    assert not list((tmp_path / "data").glob("export-*"))


def test_everything_of_a_stream_can_be_deleted_and_of_no_other(running: Running) -> None:
    _fill(running)
    deleted = running.client.delete("/api/streams/cam/data").json()
    assert deleted == {"events": 3, "observations": 3, "buckets": 2}
    assert [one["stream_id"] for one in running.client.get("/api/stored").json()["items"]] == ["door"]
    with zipfile.ZipFile(io.BytesIO(running.client.get("/api/streams/cam/data.zip").content)) as found:
        assert sorted(found.namelist()) == ["history.csv", "observations.jsonl"]


def test_marks_become_a_manifest_that_training_and_evaluation_read(running: Running, tmp_path: Path) -> None:
    _fill(running)
    with zipfile.ZipFile(io.BytesIO(running.client.get("/api/marks.zip").content)) as found:
        found.extractall(tmp_path / "marks")
    rows = {row.file: row for row in read_manifest(tmp_path / "marks" / "manifest.tsv")}
    assert set(rows) == {f"clips/{CONFIRMED.id}.mp4", f"clips/{FALSE_ALARM.id}.mp4"}
    fake, real = rows[f"clips/{CONFIRMED.id}.mp4"], rows[f"clips/{FALSE_ALARM.id}.mp4"]
    assert (fake.fake, fake.group, fake.source) == (True, "cam", "operators")
    assert (real.fake, real.group) == (False, "door")
    with VideoFile(fake.path) as video:
        assert sum(1 for _ in video.frames()) == 10


def test_without_marks_there_is_nothing_to_take_out_and_no_file_stays(running: Running, tmp_path: Path) -> None:
    answer = running.client.get("/api/marks.zip")
    assert answer.status_code == 404
    assert "mark some first" in answer.json()["error"]["message"]
    assert not list((tmp_path / "data").glob("export-*"))


@pytest.mark.parametrize("name", ["..", "a%2Fb", "-x", "a%00"], ids=str)
def test_names_that_are_none_are_refused(running: Running, name: str) -> None:
    for method, path in (("GET", "data.zip"), ("DELETE", "data"), ("GET", "history?since=0&until=1")):
        assert running.client.request(method, f"/api/streams/{name}/{path}").status_code in {404, 405, 422}
