from __future__ import annotations

import time

from stream_server.live.clock import WallClock


def test_the_machines_own_clocks_agree() -> None:
    clock = WallClock()
    assert abs(clock.unix(time.monotonic()) - time.time()) < 1.0
    assert abs(clock.now() - time.time()) < 1.0


def test_earlier_is_earlier() -> None:
    clock = WallClock(monotonic=lambda: 50.0, wall=lambda: 1000.0)
    assert clock.unix(49.0) == 999.0
