from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import av
import av.container.core
import pytest

from stream_server.sources import interrupt
from stream_server.sources.interrupt import interruptible


@pytest.fixture
def mute_url() -> Iterator[str]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/x"


def test_pyav_still_looks_at_its_clock_where_we_put_ours() -> None:
    assert interrupt.installed


def test_a_blocked_call_ends_when_the_flag_is_set(mute_url: str) -> None:
    stopping = threading.Event()
    timer = threading.Timer(0.2, stopping.set)
    timer.start()
    with interruptible(stopping), pytest.raises(av.error.FFmpegError):
        av.open(mute_url, timeout=3600)
    timer.join()


def test_a_call_that_begins_after_the_flag_was_set_ends_too(mute_url: str) -> None:
    stopping = threading.Event()
    stopping.set()
    with interruptible(stopping), pytest.raises(av.error.FFmpegError):
        av.open(mute_url, timeout=3600)


def test_other_threads_keep_their_own_time(mute_url: str) -> None:
    stopping = threading.Event()
    stopping.set()
    with interruptible(stopping):
        seen: list[float] = []
        thread = threading.Thread(target=lambda: seen.append(vars(av.container.core)["time"].monotonic()))
        thread.start()
        thread.join()
    assert abs(seen[0] - time.monotonic()) < 60
    assert abs(vars(av.container.core)["time"].monotonic() - time.monotonic()) < 60, "and this one again, afterwards"
