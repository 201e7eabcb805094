"""Webcams in a process of their own: publish N streams by WHIP until standard input closes.

python -m benchmarks.senders http://127.0.0.1:8000 N
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import Final

import httpx

from stream_server.streams.demo import ClipPlan, render_real
from tests.whip_client import WhipPublisher, encode

FPS: Final = 15
"""What the dashboard asks a browser for."""


async def publish(address: str, count: int) -> None:
    """640 x 480 at 15 frames per second, VP8, encoded beforehand, so that sending costs little of this machine."""
    clip = encode("vp8", render_real(ClipPlan(fps=FPS)))
    async with contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=30))
        for index in range(count):
            url = f"{address.rstrip('/')}/whip/webcam{index}"
            await stack.enter_async_context(WhipPublisher(client, url, clip, fps=FPS))
        print("READY", flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(publish(sys.argv[1], int(sys.argv[2])))
