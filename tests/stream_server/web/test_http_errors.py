from __future__ import annotations

import logging

import pytest
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.testclient import TestClient

from analyzer import errors
from stream_server.web.http_errors import ApiError, add_error_handlers, error_docs


class Body(BaseModel):
    number: int


def a_client(error: Exception | None = None) -> TestClient:
    app = FastAPI()
    add_error_handlers(app)

    @app.get("/raise")
    async def fail() -> None:
        assert error is not None
        raise error

    @app.post("/body")
    async def body(data: Body) -> int:
        return data.number

    return TestClient(app, raise_server_exceptions=False)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (errors.NotFoundError("x"), 404, "not_found"),
        (errors.ConflictError("x"), 409, "taken"),
        (errors.TooLargeError("x"), 413, "too_large"),
        (errors.NotAVideoError("x"), 422, "not_a_video"),
        (errors.NoFacesError("x"), 422, "no_faces"),
        (errors.ConfigError("x"), 422, "bad_config"),
        (errors.SourceError(errors.SourceErrorKind.FORBIDDEN, "x"), 422, "forbidden"),
        (errors.SourceError(errors.SourceErrorKind.NO_MEDIA, "x"), 422, "no_media"),
        (errors.OverloadedError("x"), 503, "overloaded"),
        (errors.WeightsError("x"), 503, "bad_weights"),
        (errors.ScorerError("x"), 503, "scorer_failed"),
        (errors.DetectorError("x"), 503, "detector_unavailable"),
        (ApiError(418, "teapot", "x"), 418, "teapot"),
        (HTTPException(404, "x"), 404, "not_found"),
        (HTTPException(429, "x"), 429, "too_many_requests"),
    ],
)
def test_every_error_has_its_status_and_the_one_shape(error: Exception, status: int, code: str) -> None:
    answer = a_client(error).get("/raise")
    assert answer.status_code == status
    assert answer.json() == {"error": {"code": code, "message": "x"}}


def test_a_bug_is_logged_and_its_text_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        answer = a_client(RuntimeError("a secret")).get("/raise")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal_error"
    assert "secret" not in answer.text
    assert "a secret" in caplog.text


def test_validation_errors_have_the_shape_and_do_not_repeat_what_came() -> None:
    answer = a_client().post("/body", json={"number": "rtsp://u:hush@h"})
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "invalid"
    assert "body.number" in answer.json()["error"]["message"]
    assert "hush" not in answer.text


@pytest.mark.parametrize(("method", "path", "status", "code"), [
    ("GET", "/nope", 404, "not_found"),
    ("GET", "/body", 405, "method_not_allowed"),
])  # fmt: skip
def test_what_no_route_takes_has_the_shape_too(method: str, path: str, status: int, code: str) -> None:
    answer = a_client().request(method, path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_broken_json_has_the_shape_too() -> None:
    answer = a_client().post("/body", content=b"{", headers={"Content-Type": "application/json"})
    assert answer.json()["error"]["code"] == "invalid"


def test_documented_errors_name_their_status() -> None:
    docs = error_docs(s404="no such thing")
    assert docs[404]["description"] == "no such thing"
