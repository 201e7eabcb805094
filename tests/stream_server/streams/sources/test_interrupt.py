from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import av
import av.container.core
import pytest
from av.container import InputContainer
from av.error import ExitError
from av.packet import Packet

from stream_server.streams.sources import interrupt
from stream_server.streams.sources.interrupt import QuietReads, interruptible, quiet_reads


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


class Feed:
    """An endless stream of silence over HTTP, from a server that stops sending on request."""

    def __init__(self) -> None:
        self.silent = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._server.getsockname()[1]}/x"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with self._server, self._server.accept()[0] as peer:
            peer.recv(65536)
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n")
            try:
                while not self.silent.wait(0.001):
                    peer.sendall(bytes(8192))
                peer.recv(1)  # until the reader has gone
            except OSError:
                pass

    def close(self) -> None:
        self.silent.set()
        self._thread.join()


@pytest.fixture
def feed() -> Iterator[Feed]:
    made = Feed()
    yield made
    made.close()


def open_feed(url: str) -> InputContainer:
    options = {"probesize": "4096", "analyzeduration": "0"}
    return av.open(url, format="s16le", options=options, timeout=(10.0, None if interrupt.quiet else 1.0))


def read_on(packets: Iterator[Packet[Any]], reads: QuietReads, count: int = 10**9) -> None:
    for _ in range(count):
        reads.begin()
        try:
            next(packets)
        finally:
            reads.end()


def test_pyav_still_keeps_its_time_out_where_it_can_be_found() -> None:
    assert interrupt.quiet


def test_a_read_that_takes_too_long_is_broken_off_and_reading_goes_on(feed: Feed) -> None:
    opened_s = time.monotonic()
    with open_feed(feed.url) as container, quiet_reads(container, opened_s, 0.3, threading.Event()) as reads:
        packets = container.demux()
        next(packets)
        feed.silent.set()
        with pytest.raises(ExitError):
            read_on(packets, reads)
        with pytest.raises(ExitError):
            read_on(container.demux(), reads)


def test_a_read_is_broken_off_when_the_source_is_told_to_stop(feed: Feed) -> None:
    stopping = threading.Event()
    opened_s = time.monotonic()
    with open_feed(feed.url) as container, quiet_reads(container, opened_s, 3600, stopping) as reads:
        packets = container.demux()
        next(packets)
        feed.silent.set()
        timer = threading.Timer(0.2, stopping.set)
        timer.start()
        with pytest.raises(ExitError):
            read_on(packets, reads)
        timer.join()


def test_what_is_done_between_two_reads_may_take_its_time(feed: Feed) -> None:
    opened_s = time.monotonic()
    with open_feed(feed.url) as container, quiet_reads(container, opened_s, 0.2, threading.Event()) as reads:
        packets = container.demux()
        for _ in range(2):
            read_on(packets, reads, 1)
            time.sleep(0.5)  # the watchdog looks five times meanwhile


def test_reading_never_asks_python_for_the_time(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    clock = vars(av.container.core)["time"]
    opened_s = time.monotonic()
    with open_feed(feed.url) as container, quiet_reads(container, opened_s, 60, threading.Event()) as reads:
        packets = container.demux()
        next(packets)
        plain = clock.monotonic

        def monotonic() -> float:
            asked.append(plain())
            return asked[-1]

        monkeypatch.setattr(clock, "monotonic", monotonic)
        read_on(packets, reads, 200)
    assert len(asked) <= 200  # once as each read begins


def test_the_watchdog_ends_with_the_last_read(feed: Feed) -> None:
    opened_s = time.monotonic()
    with open_feed(feed.url) as container:
        with quiet_reads(container, opened_s, 60, threading.Event()):
            assert "reads" in {thread.name for thread in threading.enumerate()}
        assert "reads" not in {thread.name for thread in threading.enumerate()}


def test_a_container_that_is_not_as_expected_is_not_written_to(feed: Feed) -> None:
    with open_feed(feed.url) as container, pytest.raises(RuntimeError, match="in another place"):
        QuietReads(container, time.monotonic(), 60, threading.Event())  # as if it had been opened after that


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
