"""An export as an answer: a zip that is made in a file, sent once from its beginning, and deleted."""

from __future__ import annotations

import asyncio
import errno
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final

from sqlalchemy import Connection
from starlette.responses import FileResponse
from starlette.types import Receive, Scope, Send

from analyzer.errors import OverloadedError, StoreError
from stream_server.store.store import EXPORT_PREFIX, Store
from stream_server.web.http_errors import ApiError

EXPORTS: Final = 2
"""At once: each reads, and writes and sends a file, for minutes."""
ROOM_BYTES: Final = 500_000_000
"""That an export leaves on the disk, for what happens meanwhile."""
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_exporting = asyncio.Semaphore(EXPORTS)


async def export_answer(
    store: Store, name: str, expected_bytes: int, write: Callable[[Connection, IO[bytes]], None]
) -> FileResponse:
    """Have `write` make the file, beside the database, which has room for it; called `name` where it arrives.

    Raises what `write` does, `OverloadedError` while as many as may be are under way, `ApiError` without room.
    """
    if _exporting.locked():
        raise OverloadedError(f"{EXPORTS} exports are being made or sent already: try again when they are done")
    await _exporting.acquire()
    try:
        _check_room(store, expected_bytes)
        path = await store.export(lambda: _made(store, write))
    except BaseException:
        _exporting.release()
        raise
    return _SentOnce(path, name)


def _check_room(store: Store, expected_bytes: int) -> None:
    if shutil.disk_usage(store.folder).free < expected_bytes + ROOM_BYTES:
        needed = (expected_bytes + ROOM_BYTES) // 1_000_000
        raise _no_space(store, f"it wants {needed} MB, of which {ROOM_BYTES // 1_000_000} stay free")


def _no_space(store: Store, why: str) -> ApiError:
    return ApiError(503, "no_space", f"there is no room for the zip in {store.folder}: {why}; free some space first")


def _made(store: Store, write: Callable[[Connection, IO[bytes]], None]) -> Path:
    try:
        with tempfile.NamedTemporaryFile(dir=store.folder, prefix=EXPORT_PREFIX, suffix=".zip", delete=False) as file:
            try:
                store.read_now(lambda connection: write(connection, file))
                file.flush()
            except BaseException:
                Path(file.name).unlink(missing_ok=True)
                raise
    except (OSError, StoreError) as error:
        reason = error if isinstance(error, OSError) else error.__cause__
        if isinstance(reason, OSError) and reason.errno in _FULL:
            raise _no_space(store, str(reason.strerror)) from error
        raise
    return Path(file.name)


class _SentOnce(FileResponse):
    """The file goes, and its place among the exports is free, however the sending ends."""

    def __init__(self, path: Path, name: str) -> None:
        # a second request makes another file, so no part of this one can be asked for
        headers = {"Cache-Control": "no-store", "Accept-Ranges": "none"}
        super().__init__(path, media_type="application/zip", filename=name, headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = [(name, value) for name, value in scope["headers"] if name not in {b"range", b"if-range"}]
        try:
            await super().__call__({**scope, "headers": asked}, receive, send)
        finally:
            _exporting.release()
            await asyncio.to_thread(Path(self.path).unlink, missing_ok=True)
