from __future__ import annotations

import http.client
from collections.abc import Iterator

import httpx2
import pytest

from stream_server.web.body_limit import MAX_BODY
from tests.stream_server.app_of import Running, running_app, served_app

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def idle() -> Iterator[Running]:
    with running_app() as running:
        yield running


def refused(answer: httpx2.Response) -> None:
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "too_large"
    assert str(MAX_BODY) in answer.json()["error"]["message"]
    assert answer.headers["connection"] == "close"


def test_a_body_that_announces_too_much_is_refused_unread(idle: Running) -> None:
    refused(idle.client.post("/api/streams", content=b" " * (MAX_BODY + 1), headers=JSON))


def test_a_client_that_sends_to_the_end_gets_the_answer_and_no_reset() -> None:
    with served_app() as address:
        for _ in range(20):
            connection = http.client.HTTPConnection(address.removeprefix("http://").rstrip("/"), timeout=30)
            try:
                connection.request("POST", "/api/streams", b" " * 2_000_000, JSON)
                assert connection.getresponse().status == 413
            finally:
                connection.close()


def test_a_body_that_announces_nothing_is_refused_while_it_comes(idle: Running) -> None:
    given = 0

    def endless() -> Iterator[bytes]:
        nonlocal given
        while given < 10 * MAX_BODY:
            given += 1024
            yield b" " * 1024

    refused(idle.client.post("/api/streams", content=endless(), headers=JSON))


def test_the_largest_allowed_body_is_read(idle: Running) -> None:
    body = b'{"id": "door"}'.ljust(MAX_BODY)
    answer = idle.client.post("/api/streams", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid")


def test_a_video_may_be_larger(idle: Running) -> None:
    files = {"file": ("a.mp4", b"x" * (2 * MAX_BODY))}
    answer = idle.client.post("/predict_video", files=files)
    assert answer.json()["error"]["code"] == "not_a_video"


def test_json_nested_beyond_any_sense_is_an_error_not_a_crash(idle: Running) -> None:
    answer = idle.client.post("/api/streams", content=b"[" * 50_000, headers=JSON)
    assert answer.status_code in (400, 422)
    assert set(answer.json()) == {"error"}
