"""A real monitor in a process of its own, watched from outside as a client would: websocket, REST, `/proc`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import psutil
from prometheus_client.parser import text_string_to_metric_families
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from analyzer.errors import OverloadedError, ScorerError

Stages = dict[str, tuple[tuple[float, ...], tuple[int, ...]]]
"""Stage -> upper bounds in seconds, and how many lay in each bucket; one bucket more than bounds."""

START_S: Final = 90.0
"""Loading torch on a busy machine takes half a minute at worst."""


@dataclass(frozen=True, slots=True)
class Watched:
    """What one look at the running monitor gave."""

    seconds: float
    scores: Mapping[str, int]
    """Scores per stream."""
    latencies_ms: tuple[float, ...]
    """Frame received to score published, of every score, sorted."""
    deliveries_ms: tuple[float, ...]
    """Window scored to message received here, of every score, sorted."""
    frames_per_s: Mapping[str, float]
    """Decoded, by stream."""
    cpu_cores: float
    """Of the monitor's process, 1.0 is one core."""
    rss_mb: float
    """At the end."""

    def latency_ms(self, quantile: float) -> float:
        """Infinite when nothing was scored."""
        if not self.latencies_ms:
            return float("inf")
        return self.latencies_ms[min(len(self.latencies_ms) - 1, int(quantile * len(self.latencies_ms)))]


class Live:
    """The live websocket, read message by message."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.seen: list[dict[str, Any]] = []

    def until(self, what: str, condition: Callable[[dict[str, Any]], bool], timeout_s: float = 60.0) -> dict[str, Any]:
        """The next message that meets the condition; `TimeoutError` names `what` and the last messages."""
        end = time.monotonic() + timeout_s
        while True:
            try:
                message: dict[str, Any] = json.loads(self.socket.recv(max(0.0, end - time.monotonic())))
            except TimeoutError as error:
                raise TimeoutError(f"{what} did not come; the last messages: {self.seen[-5:]}") from error
            self.seen.append(message)
            if condition(message):
                return message


class MonitorProcess:
    """`deepfake-monitor serve` on a free port of loopback, ended with the block."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[str] | None = None
        self._folder = tempfile.TemporaryDirectory(prefix="dm-data-")
        self.address = ""

    @property
    def data(self) -> Path:
        """Where it keeps its data; gone with the block."""
        return Path(self._folder.name)

    def __enter__(self) -> MonitorProcess:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "stream_server.cli", "serve", "--port", "0", "--data-dir", str(self.data)],
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        found = re.search(r"http://\S+", line)
        if not found:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()
            raise ScorerError(f"the monitor did not start; it said {line!r}")
        self.address = found.group()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._folder.cleanup()

    @property
    def usage(self) -> psutil.Process:
        assert self._process is not None
        return psutil.Process(self._process.pid)

    def rss_mb(self) -> float:
        """Resident memory in MB."""
        return float(self.usage.memory_info().rss / 1e6)

    def call(self, method: str, path: str, body: object = None) -> Any:
        """One REST call; the JSON that came back, or None."""
        text = self.fetch(path, method, None if body is None else json.dumps(body).encode())
        return json.loads(text) if text else None

    def fetch(self, path: str, method: str = "GET", data: bytes | None = None) -> bytes:
        """What came back, as it is."""
        request = urllib.request.Request(
            self.address.rstrip("/") + path, data, {"Content-Type": "application/json"}, method=method
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            body: bytes = answer.read()
        return body

    def add_stream(self, stream_id: str, url: str) -> None:
        """Watch a camera. `OverloadedError` when the monitor refuses it."""
        try:
            self.call("POST", "/api/streams", {"id": stream_id, "url": url})
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise
            raise OverloadedError(error.read().decode()) from error

    def remove_stream(self, stream_id: str) -> None:
        """Fine when it is gone already."""
        try:
            self.call("DELETE", f"/api/streams/{stream_id}")
        except urllib.error.HTTPError as error:
            if error.code != 404:
                raise

    def wait_scored(self, streams: int, timeout_s: float = 60.0) -> bool:
        """Until so many streams have a score; False when that took too long."""
        seen: set[str] = set()
        with connect(self.websocket("/ws/live"), max_size=None) as socket:
            end = time.monotonic() + timeout_s
            while len(seen) < streams:
                try:
                    message = json.loads(socket.recv(max(0.0, end - time.monotonic())))
                except (TimeoutError, ConnectionClosed):
                    return False
                if message["type"] == "score":
                    seen.add(message["stream_id"])
        return True

    def watch(self, seconds: float) -> Watched:
        """Listen to the live websocket for so long."""
        scores: dict[str, int] = defaultdict(int)
        latencies, deliveries = [], []
        process = self.usage
        with connect(self.websocket("/ws/live"), max_size=None) as socket:
            frames_before = self.frames()
            start = time.monotonic()
            before = process.cpu_times()
            while (left := start + seconds - time.monotonic()) > 0:
                try:
                    message = json.loads(socket.recv(left))
                except TimeoutError:
                    break
                if message["type"] == "score":
                    scores[message["stream_id"]] += 1
                    latencies.append(float(message["latency_ms"]))
                    deliveries.append(max(0.0, 1e3 * (time.time() - float(message["scored_at"]))))
            elapsed = time.monotonic() - start
            after = process.cpu_times()
        frames = {name: (count - frames_before.get(name, 0)) / elapsed for name, count in self.frames().items()}
        cpu = (after.user + after.system - before.user - before.system) / elapsed
        return Watched(
            elapsed, dict(scores), tuple(sorted(latencies)), tuple(sorted(deliveries)), frames, cpu, self.rss_mb()
        )

    def frames(self) -> dict[str, float]:
        """Frames decoded so far, by stream."""
        return {
            sample.labels["stream"]: sample.value
            for family in text_string_to_metric_families(self.fetch("/metrics").decode())
            for sample in family.samples
            if sample.name == "deepfake_monitor_frames_received_total"
        }

    def stages(self) -> Stages:
        """What `/metrics` says of the stages of the latency."""
        found: Stages = {}
        for family in text_string_to_metric_families(self.fetch("/metrics").decode()):
            if family.name == "deepfake_monitor_stage_seconds":
                buckets: dict[str, list[tuple[float, float]]] = defaultdict(list)
                for sample in family.samples:
                    if sample.name.endswith("_bucket"):
                        buckets[sample.labels["stage"]].append((float(sample.labels["le"]), sample.value))
                for stage, pairs in buckets.items():
                    totals = [0.0, *(total for _, total in pairs)]
                    bounds_s = tuple(bound for bound, _ in pairs[:-1])
                    found[stage] = bounds_s, tuple(round(b - a) for a, b in pairwise(totals))
        return found

    @contextmanager
    def listening(self) -> Iterator[Live]:
        """The live websocket, while the block runs."""
        with connect(self.websocket("/ws/live"), max_size=None) as socket:
            yield Live(socket)

    def websocket(self, path: str) -> str:
        """The address of a websocket."""
        return self.address.rstrip("/").replace("http", "ws", 1) + path
