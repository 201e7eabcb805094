"""How many streams one process holds: real cameras or peers beside it, a real monitor, a real websocket client.

Each stream wants 6 scores a second, and gets fewer under load. A number of streams is held when every one of them got
at least 4, 95 % of all scores came within the latency limit, and 95 % of all frames that were sent were decoded (the
latency counts from there: a decoder that falls behind would not show in it). The search doubles the number until it is
not held, then closes in.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import psutil

from analyzer.errors import OverloadedError
from stream_server.streams.demo import ClipPlan, render_real
from stream_server.web.metrics import quantile
from tests.cameras import Camera, encode_clip
from tests.monitor_process import MonitorProcess, Stages, Watched

FACE_RATE: Final = 6.0
"""Faces per second and stream; also for suspicious faces, so that the load does not depend on what the weights say."""
WANTED_RATE: Final = 4.0
"""Scores per second that each stream must get."""
DECODED_SHARE: Final = 0.95
"""Of the frames that are sent; the rest is what the clocks of a short look may lose."""
LIMITS_MS: Final = (300.0, 500.0)
"""Latency at the 95th percentile, frame received to window scored."""
SETTLE_S: Final = 4.0

ENVIRONMENT: Final = {
    "DEEPFAKE_MONITOR_ANALYZER__FACE_RATE": str(FACE_RATE),
    "DEEPFAKE_MONITOR_ANALYZER__FACE_RATE_SUSPICIOUS": str(FACE_RATE),
    # all show the same loop: each would soon have an alert of its own, with a clip for its evidence
    "DEEPFAKE_MONITOR_ALERTS__MAY_REPEAT": '["*"]',
    "DEEPFAKE_MONITOR_SOURCES__MAX_STREAMS": "256",
    "DEEPFAKE_MONITOR_WEBRTC__MAX_PEERS": "256",
}

Feed = Callable[[MonitorProcess, int], AbstractContextManager[None]]
"""Sends so many streams into a monitor while the context is open."""


class Quantiles(NamedTuple):
    """Milliseconds."""

    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class Attempt:
    """One number of streams, tried for some seconds."""

    streams: int
    scores_per_s_min: float
    """Of the stream that got the fewest."""
    scores_per_s_mean: float
    decoded_share_min: float
    """Frames decoded over frames sent, of the stream that got the fewest."""
    p50_ms: float
    """Of the latency from frame received to window scored."""
    p95_ms: float
    stages_ms: dict[str, Quantiles]
    """What that is made of, and `delivery` from there to the websocket's client."""
    monitor_cores: float
    other_cores: float
    """Used by everything else on the machine, the senders included: what was missing to the monitor."""
    rss_mb: float

    def held(self, limit_ms: float) -> bool:
        """Whether that was enough."""
        return (
            self.scores_per_s_min >= WANTED_RATE and self.p95_ms <= limit_ms and self.decoded_share_min >= DECODED_SHARE
        )


@dataclass(frozen=True, slots=True)
class StreamsHeld:
    """The result of one search."""

    kind: str
    held: int
    """At the most generous of the limits."""
    held_by_limit_ms: dict[float, int]
    face_rate: float
    wanted_rate: float
    attempts: tuple[Attempt, ...]

    @property
    def best(self) -> Attempt | None:
        """At the most streams held."""
        return next((one for one in self.attempts if one.streams == self.held), None)


@contextmanager
def cameras(folder: Path, count: int, width: int = 1280, height: int = 720, fps: int = 25) -> Iterator[list[str]]:
    """The addresses of `count` cameras of one real RTSP server, each at its own phase of the same clip."""
    path = folder / f"{width}x{height}@{fps}.au"
    clip = encode_clip(path, "h264", render_real(ClipPlan(width, height, fps, 4)), key_every=2 * fps)
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


def attempt(monitor: MonitorProcess, feed: Feed, streams: int, fps: float, seconds: float) -> Attempt:
    """Try one number of streams; a monitor that refuses some of them does not hold them."""
    failed = Attempt(streams, 0.0, 0.0, 0.0, float("inf"), float("inf"), {}, 0.0, 0.0, 0.0)
    try:
        with feed(monitor, streams):
            if not monitor.wait_scored(streams):
                return failed
            time.sleep(SETTLE_S)
            psutil.cpu_percent()
            before = monitor.stages()
            watched = monitor.watch(seconds)
            busy = psutil.cpu_percent() / 100 * (psutil.cpu_count() or 1)
            return judge(watched, streams, fps, busy, stages_between(before, monitor.stages()))
    except OverloadedError:
        return failed


def judge(watched: Watched, streams: int, fps: float, busy: float, stages_ms: dict[str, Quantiles]) -> Attempt:
    """What was seen, in figures; `fps`: sent by each stream; `busy`: cores in use on the whole machine."""
    rates = [count / watched.seconds for count in watched.scores.values()]
    deliveries = watched.deliveries_ms
    if deliveries:
        stages_ms = stages_ms | {
            "delivery": Quantiles(deliveries[len(deliveries) // 2], deliveries[int(0.95 * (len(deliveries) - 1))])
        }
    return Attempt(
        streams=streams,
        scores_per_s_min=min(rates) if len(rates) == streams else 0.0,
        scores_per_s_mean=sum(rates) / streams,
        decoded_share_min=min(watched.frames_per_s.values(), default=0.0) / fps,
        p50_ms=watched.latency_ms(0.5),
        p95_ms=watched.latency_ms(0.95),
        stages_ms=stages_ms,
        monitor_cores=watched.cpu_cores,
        other_cores=max(0.0, busy - watched.cpu_cores),
        rss_mb=watched.rss_mb,
    )


def stages_between(before: Stages, after: Stages) -> dict[str, Quantiles]:
    """What each stage took between two looks at its histogram: as exact as the buckets are narrow."""
    found = {}
    for stage, (bounds_s, counts) in after.items():
        passed = [now - then for now, then in zip(counts, before[stage][1], strict=True)]
        p50, p95 = (quantile(bounds_s, passed, share) for share in (0.5, 0.95))
        if p50 is not None and p95 is not None:
            found[stage] = Quantiles(p50 * 1e3, p95 * 1e3)
    return found


def search(
    kind: str, feed: Feed, fps: float, seconds: float, most: int, said: Callable[[Attempt], None]
) -> StreamsHeld:
    """Find the largest number of streams that is held within each limit, up to `most`. A fresh monitor each time."""
    attempts: dict[int, Attempt] = {}

    def tried(streams: int) -> Attempt:
        if streams not in attempts:
            with MonitorProcess(ENVIRONMENT) as monitor:
                attempts[streams] = attempt(monitor, feed, streams, fps, seconds)
            said(attempts[streams])
        return attempts[streams]

    held = {
        limit_ms: largest(lambda streams: tried(streams).held(limit_ms), most)  # noqa: B023  # called at once
        for limit_ms in sorted(LIMITS_MS, reverse=True)
    }
    ordered = tuple(attempts[streams] for streams in sorted(attempts))
    return StreamsHeld(kind, max(held.values()), held, FACE_RATE, WANTED_RATE, ordered)


def largest(holds: Callable[[int], bool], most: int) -> int:
    """The largest number from 0 to `most` that `holds`, if all smaller ones do: doubled from 4, then closed in on."""
    low, high = 0, min(4, most)
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


def rtsp_streams(seconds: float, most: int, said: Callable[[Attempt], None], size: tuple[int, int, int]) -> StreamsHeld:
    """RTSP over TCP, H.264, `size` = (width, height, frames per second)."""
    width, height, fps = size
    with tempfile.TemporaryDirectory() as folder, cameras(Path(folder), most, width, height, fps) as urls:
        return search(f"rtsp_{height}p{fps}", rtsp_feed(urls), fps, seconds, most, said)
