"""How many webcams one process holds."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from analyzer.errors import OverloadedError
from benchmarks.senders import FPS
from benchmarks.streams import Attempt, StreamsHeld, search
from tests.monitor_process import MonitorProcess


@contextmanager
def webcams(monitor: MonitorProcess, count: int) -> Iterator[None]:
    """So many publishers, in one process beside the monitor."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.senders", monitor.address, str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            said = process.stdout.readline()
            if not said.startswith("READY"):
                raise OverloadedError(f"the webcams could not all be published; they said {said!r}")
            yield
        finally:
            process.stdin.close()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def webrtc_streams(seconds: float, most: int, said: Callable[[Attempt], None]) -> StreamsHeld:
    """640 x 480 at 15 frames per second, VP8."""
    return search(f"webrtc_480p{FPS}", webcams, FPS, seconds, most, said)
