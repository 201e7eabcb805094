"""The one shape of every HTTP error, `{"error": {"code", "message"}}`, and which status each of our errors gets."""

from __future__ import annotations

import http
import logging
from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from analyzer.errors import (
    ConfigError,
    ConflictError,
    DeepfakeMonitorError,
    MediaError,
    NotFoundError,
    OverloadedError,
    SourceError,
    TooLargeError,
)

log = logging.getLogger(__name__)

# the first class that fits decides; everything else raised on purpose means that we cannot work now
_STATUS: Final[tuple[tuple[type[DeepfakeMonitorError], int], ...]] = (
    (NotFoundError, 404),
    (ConflictError, 409),
    (TooLargeError, 413),
    (MediaError, 422),
    (ConfigError, 422),
    (SourceError, 422),
    (OverloadedError, 503),
)

_CODES: Final[Mapping[int, str]] = {
    400: "bad_request",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
    422: "invalid",
    503: "unavailable",
}


class ErrorDetail(BaseModel):
    """What went wrong."""

    code: str = Field(description="Stable, for programs.", examples=["no_faces"])
    message: str = Field(description="What was expected, what came, what to do.")


class ErrorBody(BaseModel):
    """Every error of this API."""

    error: ErrorDetail


class ApiError(Exception):
    """An error that only HTTP knows: answered with `status`, `code` and `message`."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers


def error_response(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The one shape."""
    return JSONResponse({"error": {"code": code, "message": message}}, status_code=status, headers=headers)


def error_docs(**statuses: str) -> dict[int | str, dict[str, Any]]:
    """For OpenAPI: `error_docs(s404="no such stream")`."""
    return {int(name[1:]): {"model": ErrorBody, "description": text} for name, text in statuses.items()}


def _on_own(_: Request, error: Exception) -> Response:
    assert isinstance(error, DeepfakeMonitorError)
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 503)
    code = error.code
    if isinstance(error, SourceError):
        code = error.kind.value.replace(" ", "_")
    return error_response(status, code, str(error))


def _on_api(_: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)
    return error_response(error.status, error.code, error.message, error.headers)


def _on_http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = _CODES.get(error.status_code, http.HTTPStatus(error.status_code).phrase.lower().replace(" ", "_"))
    return error_response(error.status_code, code, str(error.detail), error.headers)


def _on_validation(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    # what came is not repeated: it may hold a camera's password
    problems = [f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors()]
    return error_response(422, "invalid", "; ".join(problems))


def _on_crash(request: Request, error: Exception) -> Response:
    log.error("request failed: %s %s", request.method, request.url.path, exc_info=error)
    return error_response(500, "internal_error", "The server failed on this request; its log says how.")


def add_error_handlers(app: FastAPI) -> None:
    """Give every error of the app the one shape."""
    app.add_exception_handler(DeepfakeMonitorError, _on_own)
    app.add_exception_handler(ApiError, _on_api)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(Exception, _on_crash)
