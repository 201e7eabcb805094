from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped,unused-ignore]  # checks with and without its stubs
import pytest
from pydantic import TypeAdapter, ValidationError

from analyzer.datatypes import FaceEnded, FaceKey, VerdictState
from analyzer.errors import SourceErrorKind
from stream_server.live.clock import WallClock
from stream_server.live.messages import (
    EventMessage,
    HelloMessage,
    Latency,
    Message,
    NotificationStats,
    PongMessage,
    ServerIdentity,
    StatsMessage,
    UploadMessage,
    faces_message,
    json_schema,
    read_view_payload,
    score_message,
    stream_message,
    to_message,
    view_payload,
)
from stream_server.streams.sources.base import SourceStatus, StreamState
from stream_server.streams.stream import StreamInfo
from tests.events_of import an_event
from tests.fakes import an_evidence
from tests.stream_server.messages_of import FIT, UNFIT, a_score, a_stream, a_verdict, an_alert, some_faces

DOCS = Path(__file__).parents[3] / "docs"
CLOCK = WallClock(monotonic=lambda: 100.0, wall=lambda: 1_000_100.0)


def one_of_each() -> dict[str, Message]:
    stream = stream_message(a_stream(), 1.0)
    faces = faces_message(some_faces((1, FIT), (2, UNFIT)), CLOCK)
    score = score_message(replace(a_score(), evidence=an_evidence()), 0.25, CLOCK)
    verdict, alert = to_message(a_verdict(), CLOCK), to_message(an_alert(), CLOCK)
    stats = StatsMessage(
        at=1.0, device="cpu", model="m", status="ok", streams=1, viewers=1, scores_total=9, scores_per_s=6.0,
        latency_ms=Latency(p50=50, p95=90), storage=None,
        notifications=NotificationStats(failing=("it does not get through",), dead=1), dropped={"stale": 1},
        queues={"crops": 0},
    )  # fmt: skip
    hello = {
        "server": ServerIdentity(name="deepfake-monitor", version="0"), "at": 1.0, "device": "cpu", "model": "m",
        "streams": (stream,), "faces": (faces,), "scores": (score,), "verdicts": (verdict,), "alerts": (alert,),
        "stats": stats,
    }  # fmt: skip
    ended = to_message(FaceEnded(FaceKey("door", 1)), CLOCK)
    upload = UploadMessage(upload_id="u", progress=0.5, at=1.0)
    everything: list[Message] = [
        HelloMessage.model_validate(hello), stream, faces, score, verdict, ended, alert, upload, stats,
        EventMessage(event=an_event()), PongMessage(at=1.0),
    ]  # fmt: skip
    return {message.type: message for message in everything}


def test_the_schema_in_the_docs_is_the_one_of_the_code() -> None:
    committed = json.loads((DOCS / "websocket.schema.json").read_text())
    assert committed == json_schema(), "run `python -m stream_server.reference docs`"


@pytest.mark.parametrize("kind", one_of_each())
def test_every_message_fits_the_schema_in_the_docs(kind: str) -> None:
    schema = json.loads((DOCS / "websocket.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(one_of_each()[kind].model_dump_json()), schema)


def test_there_is_no_message_type_that_the_tests_and_docs_leave_out() -> None:
    mapping = set(json_schema()["discriminator"]["mapping"])
    assert mapping == set(one_of_each())
    text = (DOCS / "websocket.md").read_text()
    assert all(f"### `{kind}`" in text for kind in mapping)


@pytest.mark.parametrize("kind", one_of_each())
def test_every_field_of_a_message_stands_in_the_docs(kind: str) -> None:
    section = (DOCS / "websocket.md").read_text().partition(f"### `{kind}`")[2].partition("\n###")[0]
    fields = set(type(one_of_each()[kind]).model_fields) - {"v", "type"}
    assert not {field for field in fields if f"`{field}`" not in section}


@pytest.mark.parametrize("kind", one_of_each())
def test_every_message_says_its_version_and_type_and_can_be_read_back(kind: str) -> None:
    message = one_of_each()[kind]
    data = json.loads(message.model_dump_json())
    assert (data["v"], data["type"]) == (1, kind)
    assert TypeAdapter[Any](Message).validate_json(message.model_dump_json()) == message


def test_a_message_of_another_version_is_refused() -> None:
    with pytest.raises(ValidationError):
        PongMessage.model_validate({"v": 2, "type": "pong", "at": 1.0})


def test_a_score_message_has_what_the_contract_names() -> None:
    data = json.loads(score_message(a_score(p=0.25, at_s=90.0), 0.75, CLOCK).model_dump_json())
    assert data == {
        "v": 1, "type": "score", "stream_id": "door", "face_id": 1, "generation": 1, "frame_index": 5,
        "fake_probability": 0.25, "logit": -1.0, "window": 16, "face_at": 1_000_090.0, "scored_at": 1_000_090.05,
        "latency_ms": 50.0, "stream_fake_probability": 0.75, "evidence": None,
    }  # fmt: skip


def test_a_score_message_with_its_evidence_stays_small() -> None:
    plain = score_message(a_score(), 0.75, CLOCK)
    explained = score_message(
        replace(a_score(), evidence=an_evidence(-3.21, [1.37 * i for i in range(-8, 8)])), 0.75, CLOCK
    )
    assert explained.evidence is not None
    assert len(explained.model_dump_json()) < len(plain.model_dump_json()) + 700
    assert explained.model_copy(update={"evidence": None}) == plain


def test_a_stream_message_carries_the_whole_status() -> None:
    status = SourceStatus(StreamState.LOST, SourceErrorKind.AUTH, "wrong password", 4.0, 640, 480, "h264", 25.0, 3)
    data = json.loads(stream_message(StreamInfo("door", "rtsp", None, status, 1.0), 7.0).model_dump_json())
    assert data == {
        "v": 1, "type": "stream", "stream_id": "door", "kind": "rtsp", "url": None, "state": "lost",
        "error_kind": "auth", "message": "wrong password", "retry_in_s": 4.0, "width": 640, "height": 480,
        "codec": "h264", "fps": 25.0, "generation": 3, "sensitivity": "balanced", "picture": None,
        "picture_since": None, "picture_same_as": None, "privacy": False, "at": 7.0,
    }  # fmt: skip


def test_a_face_that_is_not_fit_says_why() -> None:
    fit, unfit = faces_message(some_faces((1, FIT), (2, UNFIT)), CLOCK).faces
    assert (fit.quality.fit, fit.quality.reason) == (True, None)
    assert (unfit.quality.fit, unfit.quality.reason) == (False, "too small")
    assert fit.box == (1.2, 2.0, 30.0, 40.0)


def test_a_verdict_is_told_in_the_words_that_people_read() -> None:
    data = json.loads(to_message(a_verdict(state=VerdictState.NOT_SCORED), CLOCK).model_dump_json())
    assert (data["state"], data["reason"], data["filled"]) == ("not scored", "blurred", 16)


def test_monotonic_time_becomes_unix_time_by_the_distance_of_the_clocks_now() -> None:
    assert CLOCK.unix(90.0) == 1_000_090.0
    assert CLOCK.now() == 1_000_100.0


def test_after_the_machine_slept_times_are_right_again() -> None:
    wall = [1000.0]
    clock = WallClock(monotonic=lambda: 50.0, wall=lambda: wall[0])
    assert clock.unix(50.0) == 1000.0
    wall[0] += 3600.0  # asleep: Linux's monotonic clock stood still
    assert clock.unix(50.0) == 4600.0


def test_a_view_payload_is_a_length_a_faces_message_and_the_jpeg() -> None:
    faces = faces_message(some_faces((1, FIT)), CLOCK)
    payload = view_payload(faces, b"\xff\xd8jpeg")
    length = int.from_bytes(payload[:4], "big")
    assert json.loads(payload[4 : 4 + length]) == json.loads(faces.model_dump_json())
    assert payload[4 + length :] == b"\xff\xd8jpeg"
    assert read_view_payload(payload) == (faces, b"\xff\xd8jpeg")
