"""Runs the application with uvicorn: from a free port to a clean stop."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import uvicorn
from fastapi import FastAPI

from analyzer.errors import DeepfakeMonitorError
from stream_server.settings.schema import Settings

STOP_TIMEOUT_S: Final = 5
"""A request that is still running then is cut off."""

MAX_WEBSOCKET_BYTES: Final = 64 * 1024
"""Clients have almost nothing to say; a larger message ends the connection before it is in memory."""


class PortError(DeepfakeMonitorError):
    """The server's address cannot be listened on."""

    code = "port_in_use"


def listen(settings: Settings) -> socket.socket:
    """A socket that listens on the server's address. Raises `PortError` that says what is in the way."""
    host, port = settings.server.host.strip("[]"), settings.server.port
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise PortError(f"cannot listen on {host}: {error.strerror}; use an address of this machine") from error
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a restart need not wait for old connections
        bound.bind(address)
        bound.listen(128)
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            advice = f"another program listens there; stop it or use --port {port + 1}"
        else:
            advice = f"{error.strerror}"
        raise PortError(f"cannot listen on {host}:{port}: {advice}") from error
    return bound


def address_of(bound: socket.socket) -> str:
    """Where a browser on this machine finds a server that listens on `bound`."""
    host, port = bound.getsockname()[:2]
    if host in ("0.0.0.0", "::"):  # noqa: S104  # every interface, this machine's own too
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """uvicorn, that says when it is ready and leaves signals to `_Signals`."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            self._on_ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn's own would raise the signal again at the end, which would skip the end of our lifespan
        yield


class _Signals:
    """What SIGINT and SIGTERM do, from the first part that is started to the last that is stopped.

    During the start the first one cancels it; while serving they stop the server (a second one does not wait for open
    requests); while the parts are being stopped they change nothing: that ends by itself.
    """

    def __init__(self, server: _Server) -> None:
        self.interrupted = False
        """Whether a signal came during the start."""
        self._server = server
        self._starting = asyncio.current_task()
        self._serving = False

    def on_signal(self, number: signal.Signals) -> None:
        if self._serving:
            self._server.handle_exit(number, None)
        elif self._starting is not None:
            self.interrupted = True
            self._starting.cancel()
            self._starting = None

    @contextmanager
    def installed(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM)
        for number in numbers:
            loop.add_signal_handler(number, self.on_signal, number)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    @contextmanager
    def serving(self) -> Iterator[None]:
        self._starting, self._serving = None, True
        try:
            yield
        finally:
            self._serving = False


def new_event_loop() -> asyncio.AbstractEventLoop:
    """uvloop's, where it is installed (there is none for Windows): each packet of every webcam goes over it."""
    try:
        import uvloop  # noqa: PLC0415  # may be missing
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


async def run(app: FastAPI, bound: socket.socket, on_ready: Callable[[], None], log_level: str = "info") -> bool:
    """Serve until SIGINT or SIGTERM, then stop every part. False when one came before all had been started.

    The lifespan is run here rather than by uvicorn, so that its errors come out as they are. Main thread only.
    """
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        log_level=log_level,
        access_log=log_level == "debug",
        ws_max_size=MAX_WEBSOCKET_BYTES,
        timeout_graceful_shutdown=STOP_TIMEOUT_S,
        server_header=False,
    )
    server = _Server(config, on_ready)
    signals = _Signals(server)
    with signals.installed():
        try:
            async with app.router.lifespan_context(app):
                with signals.serving():
                    await server.serve(sockets=[bound])
        except asyncio.CancelledError:
            if not signals.interrupted:
                raise
            return False
    return True
