from __future__ import annotations

import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from stream_server.settings.schema import Settings, StorageSettings
from tests.stream_server.app_of import QUICK, deliver_until, running_app

DOCS = Path(__file__).parents[4] / "docs" / "metrics.md"


def values(text: str) -> dict[str, float]:
    return {
        f"{sample.name}{sorted(sample.labels.items()) if sample.labels else ''}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_prometheus_can_read_what_is_counted() -> None:
    with running_app() as running, running.live() as socket:
        source = running.add_source()
        deliver_until(source, socket, lambda m: m["type"] == "score")
        answer = running.client.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain")
    got = values(answer.text)
    assert got["deepfake_monitor_frames_received_total[('stream', 'door')]"] >= 16
    assert got["deepfake_monitor_frames_taken_total[('stream', 'door')]"] >= 16
    assert got["deepfake_monitor_faces_total[('stream', 'door')]"] >= 16
    assert got["deepfake_monitor_scores_total"] >= 1
    assert got["deepfake_monitor_latency_seconds_count"] == got["deepfake_monitor_scores_total"]
    for stage in ("frame_wait", "look", "crop_wait", "score"):
        assert got[f"deepfake_monitor_stage_seconds_count[('stage', '{stage}')]"] >= 1
    assert got["deepfake_monitor_streams[('state', 'live')]"] == 1
    assert got["deepfake_monitor_viewers"] == 1
    assert got["deepfake_monitor_thread_alive[('thread', 'model')]"] == 1


def test_every_metric_stands_in_the_docs_and_nothing_else_does() -> None:
    with running_app() as running:
        running.add_source()
        text = running.client.get("/metrics").text
    sent = {
        family.name + ("_total" if family.type == "counter" else "") for family in text_string_to_metric_families(text)
    }
    documented = set(re.findall(r"^\| `(\w+)", DOCS.read_text(), re.MULTILINE))
    assert documented == sent


def test_every_cause_and_queue_stands_in_the_docs() -> None:
    with running_app() as running:
        text = running.client.get("/metrics").text
    for name in re.findall(r'(?:cause|queue)="(\w+)"', text):
        assert f"`{name}`" in DOCS.read_text()


def test_two_applications_in_one_process_count_apart(tmp_path: Path) -> None:
    settings = Settings(analyzer=QUICK, storage=StorageSettings(data_dir=tmp_path))
    with running_app(settings) as one, running_app() as other:
        one.add_source()
        assert "door" in one.client.get("/metrics").text
        assert "door" not in other.client.get("/metrics").text
