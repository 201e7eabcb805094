"""One uploaded file, from the request's bytes straight to a temporary file.

Starlette's own form parser would take the whole body before we can count it; this one counts and writes as bytes come,
so that an upload holds a few hundred kilobytes of memory whatever its size (RFC 7578, parsed by python-multipart).
"""

from __future__ import annotations

import asyncio
import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from analyzer.errors import ConfigError, TooLargeError
from stream_server.web.http_errors import ApiError

FIELD: Final = "file"
IDLE_TIMEOUT_S: Final = 30.0
"""A client that sends nothing for so long loses its place to another."""

_CANNOT_WRITE: Final = {
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EROFS,
}  # fmt: skip

_MAX_NAME: Final = 255  # characters of a file name that we repeat in the answer


def check_upload_folder(folder: Path | None) -> None:
    """Raises `ConfigError` unless uploads can be written to `folder` (None: the system's)."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ConfigError(
            f"server.upload_folder: expected a folder that can be written, got {folder or tempfile.gettempdir()}: "
            f"{error.strerror}"
        ) from error


@contextmanager
def temporary_file(folder: Path | None) -> Iterator[tuple[Path, IO[bytes]]]:
    """A file for one upload in `folder` (None: the system's), deleted at the end whatever happens.

    Raises `ApiError` 503 where it cannot be made, or cannot be written any further.
    """
    try:
        handle, name = tempfile.mkstemp(prefix="deepfake-monitor-", suffix=".upload", dir=folder)
        file = os.fdopen(handle, "wb")
        try:
            yield Path(name), file
        finally:
            Path(name).unlink(missing_ok=True)
            with suppress(OSError):  # what a full disk did not take, again
                file.close()
    except OSError as error:
        if error.errno not in _CANNOT_WRITE:
            raise
        message = f"uploads cannot be written: {error.strerror}; see server.upload_folder"
        raise ApiError(503, "no_space", message) from error


def check_upload_headers(request: Request, max_bytes: int) -> bytes:
    """The multipart boundary of the request; refuses what its headers already show to be wrong.

    Raises `ApiError` 415 (not multipart/form-data), 400 (no boundary), `TooLargeError` (Content-Length).
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data":
        got = kind.decode("latin-1")[:100] or "no Content-Type"
        raise ApiError(415, "unsupported_media_type", f"expected multipart/form-data with a field `file`, got {got}")
    boundary = options.get(b"boundary")
    if not boundary:
        raise ApiError(400, "malformed_multipart", "the Content-Type has no multipart boundary")
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > max_bytes:
        raise TooLargeError(f"the upload has {int(length[:20])} bytes; at most {max_bytes} are taken")
    return boundary


class _FileField:
    """Callbacks of the parser: writes the part named `file` to `target`, skips every other."""

    def __init__(self, target: IO[bytes]) -> None:
        self.filename: str | None = None
        self.complete = False
        self._target = target
        self._writing = False
        self._header_name = b""
        self._header_value = b""
        self._disposition = b""

    def on_part_begin(self) -> None:
        self._disposition = b""

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def on_header_end(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = self._header_value
        self._header_name = self._header_value = b""

    def on_headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        if options.get(b"name") != FIELD.encode() or b"filename" not in options or self.filename is not None:
            return
        # browsers send UTF-8; a path (old browsers, hostile clients) is cut to its last part
        name = options[b"filename"].decode("utf-8", "replace").replace("\\", "/").rsplit("/", 1)[-1]
        self.filename = "".join(c for c in name if c.isprintable())[:_MAX_NAME]
        self._writing = True

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._writing:
            self._target.write(data[start:end])

    def on_part_end(self) -> None:
        self._writing = False

    def on_end(self) -> None:
        self.complete = True


async def receive_upload(request: Request, boundary: bytes, target: IO[bytes], max_bytes: int) -> str:
    """Write the field `file` of a multipart request to `target`; the answer is its file name.

    Raises `TooLargeError` beyond `max_bytes` of body, `ApiError` 400 (malformed), 408 (stalled) or 422 (no such field),
    and starlette's `ClientDisconnect`.
    """
    field = _FileField(target)
    received = 0
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": field.on_part_begin,
                "on_header_field": field.on_header_field,
                "on_header_value": field.on_header_value,
                "on_header_end": field.on_header_end,
                "on_headers_finished": field.on_headers_finished,
                "on_part_data": field.on_part_data,
                "on_part_end": field.on_part_end,
                "on_end": field.on_end,
            },
        )
        # Written on the loop: 64 KiB into the page cache takes tens of microseconds, less than a hop to a thread.
        async with asyncio.timeout(IDLE_TIMEOUT_S) as idle:
            async for chunk in request.stream():
                idle.reschedule(asyncio.get_running_loop().time() + IDLE_TIMEOUT_S)
                received += len(chunk)
                if received > max_bytes:
                    raise TooLargeError(f"the upload has more than {max_bytes} bytes, the most that are taken")
                parser.write(chunk)
        parser.finalize()
    except TimeoutError:
        raise ApiError(408, "upload_stalled", f"nothing of the upload came for {IDLE_TIMEOUT_S:g} s") from None
    except FormParserError as error:
        raise ApiError(400, "malformed_multipart", f"the multipart body cannot be parsed: {error}") from error
    if not field.complete:
        raise ApiError(400, "malformed_multipart", "the multipart body ends before its closing boundary")
    if field.filename is None:
        raise ApiError(422, "missing_file", "expected a file in the multipart field `file`, got none")
    target.flush()
    return field.filename
