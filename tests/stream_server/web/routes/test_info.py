from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from analyzer.datatypes import FaceCrop, WindowUpdate
from stream_server.settings.schema import IceServer, Settings, WebRTCSettings
from stream_server.web.routes.info import FORMATS, WORDS
from tests.fakes import FakeScorer
from tests.stream_server.app_of import QUICK, Running, running_app


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    turn = IceServer(urls=("turn:t.example:3478",), username="u", credential="c")
    stun = IceServer(urls=("stun:s.example",))
    with running_app(Settings(webrtc=WebRTCSettings(ice_servers=(turn, stun)))) as running:
        yield running


def test_health_is_what_the_contract_names_and_more(running: Running) -> None:
    running.add_source("door")
    answer = running.client.get("/health")
    assert answer.status_code == 200
    body = answer.json()
    assert {name: body[name] for name in ("status", "device", "model", "num_frames", "face_size")} == {
        "status": "ok", "device": "cpu", "model": "fake", "num_frames": 16, "face_size": 224,
    }  # fmt: skip
    assert body["note"] is None
    assert body["backend"] == "fake"
    assert body["uptime_s"] >= 0
    assert sum(body["streams"].values()) == 1
    assert {thread["name"]: thread["alive"] for thread in body["threads"]} == {
        "model": True,
        "vision-door": True,
        "store": True,
    }


def test_without_weights_it_is_degraded_but_answers() -> None:
    with running_app(make_scorer=lambda: FakeScorer(trained=False)) as running:
        answer = running.client.get("/health")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert "no trained weights" in answer.json()["note"]


class BrokenScorer(FakeScorer):
    """Fails at its first face, in a way that nobody expects."""

    def push(self, crops: Sequence[FaceCrop]) -> list[WindowUpdate]:
        raise RuntimeError("the device is on fire")


def test_a_dead_thread_makes_it_503_and_says_which_and_why() -> None:
    with running_app(Settings(analyzer=QUICK), make_scorer=BrokenScorer) as running:
        source = running.add_source()
        while all(thread.alive for thread in running.monitor.engine.stats().threads):
            source.deliver()
        answer = running.client.get("/health")
        assert (answer.status_code, answer.json()["status"]) == (503, "degraded")
        (dead,) = [thread for thread in answer.json()["threads"] if not thread["alive"]]
        assert dead["name"] == "model"
        assert "on fire" in dead["error"]
        assert "model" in answer.json()["note"]
        assert running.client.get("/info").status_code == 200


def test_info_says_what_it_can_do_and_what_its_words_mean(running: Running) -> None:
    body = running.client.get("/info").json()
    assert body["formats"] == list(FORMATS) == ["MP4", "MOV", "AVI", "FLV", "MKV", "WebM"]
    assert body["limits"]["max_upload_mb"] == 512
    assert body["threshold"] == 0.5
    assert body["words"] == WORDS
    assert "not proof" in body["words"]["REAL"]
    assert body["model"]["trained"] is True
    assert body["model"]["card"] is None, "a fake scorer has no card"


def test_ice_servers_are_those_of_the_settings(running: Running) -> None:
    assert running.client.get("/api/ice-servers").json() == {
        "ice_servers": [
            {"urls": ["turn:t.example:3478"], "username": "u", "credential": "c"},
            {"urls": ["stun:s.example"]},
        ]
    }


def test_there_are_no_ice_servers_unless_configured() -> None:
    with running_app() as running:
        assert running.client.get("/api/ice-servers").json() == {"ice_servers": []}
