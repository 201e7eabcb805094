"""What operators may say about WebRTC peers, and when a peer counts as stalled or gone."""

from __future__ import annotations

from dataclasses import dataclass, field

from stream_server.streams.sources.base import StreamState


@dataclass(frozen=True, slots=True)
class IceServerConfig:
    """One STUN or TURN server."""

    urls: tuple[str, ...]
    """`stun:host:port`, `turn:host:port?transport=udp` ..."""
    username: str | None = None
    credential: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class WebRTCConfig:
    """What operators may say about WebRTC peers; times in seconds."""

    ice_servers: tuple[IceServerConfig, ...] = ()
    """None by default: nothing is asked of the outside world, which is enough on one network."""
    connect_timeout_s: float = 15.0
    """A peer that is not connected by then has ended (with UDP blocked ICE would go on for over 40 s)."""
    stalled_after_s: float = 3.0
    """Without a frame for so long the stream is shown as stalled."""
    ended_after_s: float = 15.0
    """Without a frame for so long the publisher is taken for gone; aiortc notices only after about 30 s."""
    start_bitrate_kbps: int | None = 1000
    """Where Chromium starts to send; None leaves it to the browser (300 kbit/s and a small picture at first)."""


class PeerWatch:
    """Where a peer stands, told from its frames and not from its sockets.

    Pure: time is an argument (`time.monotonic()`, seconds).
    """

    def __init__(self, started_s: float, config: WebRTCConfig) -> None:
        self._config = config
        self._since_s = started_s
        """Start, then connected, then newest frame."""
        self.connected = False
        self.framed = False

    def connect(self, at_s: float) -> None:
        if not self.connected:
            self.connected, self._since_s = True, at_s

    def frame(self, at_s: float) -> None:
        self.connected = self.framed = True
        self._since_s = at_s

    def state(self, now_s: float) -> StreamState:
        waited_s = now_s - self._since_s
        if not self.connected:
            return StreamState.ENDED if waited_s >= self._config.connect_timeout_s else StreamState.CONNECTING
        if waited_s >= self._config.ended_after_s:
            return StreamState.ENDED
        if waited_s >= self._config.stalled_after_s:
            return StreamState.STALLED
        return StreamState.LIVE if self.framed else StreamState.CONNECTING

    def next_change_s(self, now_s: float) -> float:
        """When the state changes if nothing comes, on the same clock; the past when it has ended."""
        if not self.connected:
            return self._since_s + self._config.connect_timeout_s
        stalls_s = self._since_s + self._config.stalled_after_s
        return stalls_s if now_s < stalls_s else self._since_s + self._config.ended_after_s
