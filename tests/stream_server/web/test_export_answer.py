from __future__ import annotations

import asyncio
import errno
import io
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import IO, Any

import pytest
from sqlalchemy import Connection

from analyzer.errors import NotFoundError, OverloadedError
from stream_server.settings.schema import StorageSettings
from stream_server.store.store import Store
from stream_server.web.export_answer import EXPORTS, export_answer
from stream_server.web.http_errors import ApiError

SCOPE: dict[str, Any] = {"type": "http", "method": "GET", "headers": [], "asgi": {"spec_version": "2.4"}}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path, None, StorageSettings().keeping())
    made.start()
    yield made
    made.stop()


def write(_: Connection, file: IO[bytes]) -> None:
    file.write(b"a zip")


def left(store: Store) -> list[Path]:
    return list(store.folder.glob("export-*"))


async def receive() -> MutableMapping[str, Any]:
    return {"type": "http.disconnect"}


class Browser:
    """Takes an answer, or breaks off at its first bytes."""

    def __init__(self, *, breaks_off: bool = False) -> None:
        self.got = io.BytesIO()
        self._breaks_off = breaks_off

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if self._breaks_off:
            raise OSError("gone")
        self.got.write(message.get("body", b""))


async def test_so_many_exports_are_made_or_sent_at_once(store: Store) -> None:
    answers = [await export_answer(store, "a.zip", 0, write) for _ in range(EXPORTS)]
    with pytest.raises(OverloadedError, match="being made or sent"):
        await export_answer(store, "a.zip", 0, write)
    browser = Browser()
    await answers[0](SCOPE, receive, browser.send)
    assert browser.got.getvalue() == b"a zip"
    answers[0] = await export_answer(store, "a.zip", 0, write)
    for answer in answers:
        await answer(SCOPE, receive, browser.send)
    assert left(store) == []


async def test_a_browser_that_goes_away_leaves_no_file_and_its_place_to_others(store: Store) -> None:
    for _ in range(EXPORTS + 1):
        answer = await export_answer(store, "a.zip", 0, write)
        with pytest.raises(OSError, match="gone"):
            await answer(SCOPE, receive, Browser(breaks_off=True).send)
    assert left(store) == []


async def test_a_sending_that_is_cancelled_leaves_no_file(store: Store) -> None:
    begun = asyncio.Event()

    async def never(_: MutableMapping[str, Any]) -> None:
        begun.set()
        await asyncio.Event().wait()

    answer = await export_answer(store, "a.zip", 0, write)
    sending = asyncio.create_task(answer(SCOPE, receive, never))
    await begun.wait()
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    assert left(store) == []


async def test_a_disk_that_fills_up_meanwhile_is_told_and_nothing_stays(store: Store) -> None:
    def fill(_: Connection, file: IO[bytes]) -> None:
        file.write(b"a")
        raise OSError(errno.ENOSPC, "No space left on device")

    for _ in range(EXPORTS + 1):
        with pytest.raises(ApiError, match="No space left on device; free some space first") as caught:
            await export_answer(store, "a.zip", 0, fill)
        assert (caught.value.status, caught.value.code) == (503, "no_space")
    assert left(store) == []


async def test_what_the_making_raises_is_raised_and_nothing_stays(store: Store) -> None:
    def refuse(_: Connection, __: IO[bytes]) -> None:
        raise NotFoundError("nothing there")

    for _ in range(EXPORTS + 1):
        with pytest.raises(NotFoundError):
            await export_answer(store, "a.zip", 0, refuse)
    assert left(store) == []
