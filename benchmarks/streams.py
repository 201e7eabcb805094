"""How many streams one process holds: real cameras or peers beside it, a real monitor, a real websocket client.

A number of streams is held when every one of them got at least 90 % of the scores that its face rate promises and 95 %
of all scores came within the latency limit. The search doubles the number until it is not held, then closes in.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from analyzer.errors import OverloadedError
from stream_server.demo import ClipPlan, render_real
from tests.cameras import Camera, encode_clip
from tests.monitor_process import MonitorProcess, Watched

FACE_RATE: Final = 6.0
"""Faces per second and stream; also for suspicious faces, so that the load does not depend on what the weights say."""
HELD_SHARE: Final = 0.9
"""Of the promised scores; the rest is what the clocks of a short look may lose."""
SETTLE_S: Final = 4.0

ENVIRONMENT: Final = {
    "DEEPFAKE_MONITOR_ANALYZER__FACE_RATE": str(FACE_RATE),
    "DEEPFAKE_MONITOR_ANALYZER__FACE_RATE_SUSPICIOUS": str(FACE_RATE),
    "DEEPFAKE_MONITOR_SOURCES__MAX_STREAMS": "256",
    "DEEPFAKE_MONITOR_WEBRTC__MAX_PEERS": "256",
}

Feed = Callable[[MonitorProcess, int], AbstractContextManager[None]]
"""Sends so many streams into a monitor while the context is open."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One number of streams, tried for some seconds."""

    streams: int
    held: bool
    scores_per_s_min: float
    """Of the stream that got the fewest."""
    p50_ms: float
    p95_ms: float
    monitor_cores: float
    other_cores: float
    """Used by everything else on the machine, the senders included: what was missing to the monitor."""
    rss_mb: float


@dataclass(frozen=True, slots=True)
class StreamsHeld:
    """The result of one search."""

    kind: str
    held: int
    limit_ms: float
    face_rate: float
    attempts: tuple[Attempt, ...]


@contextmanager
def cameras(folder: Path, count: int, width: int = 1280, height: int = 720, fps: int = 25) -> Iterator[list[str]]:
    """The addresses of `count` cameras of one real RTSP server, each at its own phase of the same clip."""
    path = folder / f"{width}x{height}@{fps}.au"
    clip = encode_clip(path, "h264", render_real(ClipPlan(width, height, fps, 4)))
    mounts = [f"/camera{index}" for index in range(count)]
    with Camera(dict.fromkeys(mounts, clip), transports="tcp", fps=fps) as camera:
        yield [camera.url(mount) for mount in mounts]


@contextmanager
def watching(monitor: MonitorProcess, urls: list[str]) -> Iterator[None]:
    """Let the monitor watch these addresses for as long as the block runs."""
    names = [f"camera{index}" for index in range(len(urls))]
    try:
        for name, url in zip(names, urls, strict=True):
            monitor.add_stream(name, url)
            time.sleep(0.05)  # so that the cameras' key frames and loops do not come at once
        yield
    finally:
        for name in names:
            monitor.remove_stream(name)


def attempt(monitor: MonitorProcess, feed: Feed, streams: int, seconds: float, limit_ms: float) -> Attempt:
    """Try one number of streams; a monitor that refuses some of them does not hold them."""
    failed = Attempt(streams, False, 0.0, float("inf"), float("inf"), 0.0, 0.0, 0.0)
    try:
        with feed(monitor, streams):
            if not monitor.wait_scored(streams):
                return failed
            time.sleep(SETTLE_S)
            psutil.cpu_percent()
            watched = monitor.watch(seconds)
            busy = psutil.cpu_percent() / 100 * (psutil.cpu_count() or 1)
    except OverloadedError:
        return failed
    return judge(watched, streams, busy, limit_ms)


def judge(watched: Watched, streams: int, busy: float, limit_ms: float) -> Attempt:
    """Whether what was seen is as promised; `busy`: cores in use on the whole machine."""
    rates = [count / watched.seconds for count in watched.scores.values()]
    slowest = min(rates) if len(rates) == streams else 0.0
    p95 = watched.latency_ms(0.95)
    return Attempt(
        streams=streams,
        held=slowest >= HELD_SHARE * FACE_RATE and p95 <= limit_ms,
        scores_per_s_min=slowest,
        p50_ms=watched.latency_ms(0.5),
        p95_ms=p95,
        monitor_cores=watched.cpu_cores,
        other_cores=max(0.0, busy - watched.cpu_cores),
        rss_mb=watched.rss_mb,
    )


def search(
    kind: str, feed: Feed, seconds: float, limit_ms: float, most: int, said: Callable[[Attempt], None]
) -> StreamsHeld:
    """Find the largest number of streams that is held, up to `most`. A fresh monitor for each attempt."""
    attempts: list[Attempt] = []

    def holds(streams: int) -> bool:
        with MonitorProcess(ENVIRONMENT) as monitor:
            result = attempt(monitor, feed, streams, seconds, limit_ms)
        attempts.append(result)
        said(result)
        return result.held

    held = largest(holds, most)
    return StreamsHeld(kind, held, limit_ms, FACE_RATE, tuple(attempts))


def largest(holds: Callable[[int], bool], most: int) -> int:
    """The largest number from 0 to `most` that `holds`, if all smaller ones do: doubled, then closed in on."""
    low, high = 0, 1
    while high <= most and holds(high):
        low, high = high, high * 2
    high = min(high, most + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def rtsp_feed(urls: list[str]) -> Feed:
    """Cameras that run already."""

    def feed(monitor: MonitorProcess, streams: int) -> AbstractContextManager[None]:
        return watching(monitor, urls[:streams])

    return feed


def rtsp_streams(
    seconds: float, limit_ms: float, most: int, said: Callable[[Attempt], None], size: tuple[int, int, int]
) -> StreamsHeld:
    """RTSP over TCP, H.264, `size` = (width, height, frames per second)."""
    width, height, fps = size
    with tempfile.TemporaryDirectory() as folder, cameras(Path(folder), most, width, height, fps) as urls:
        return search(f"rtsp_{height}p{fps}", rtsp_feed(urls), seconds, limit_ms, most, said)
