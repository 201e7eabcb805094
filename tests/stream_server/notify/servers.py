"""Real HTTP servers of the loopback interface that behave, or misbehave, as receivers of notifications do."""

from __future__ import annotations

import http.server
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler


@dataclass(frozen=True)
class Got:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """A server and what came."""

    port: int
    got: list[Got] = field(default_factory=list)
    came: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/a-token-of-a-test?key=a-token-of-a-test"

    def wait(self) -> Got:
        """The newest, once one more has come; pytest's own time-out ends a wait in vain."""
        self.came.acquire()
        return self.got[-1]


Answer = Callable[[BaseHTTPRequestHandler], None]


def status(code: int, **headers: str) -> Answer:
    """Answer with that."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def huge(handler: BaseHTTPRequestHandler) -> None:
    """As much as anybody wants to read, up to a gigabyte."""
    handler.send_response(200)
    handler.end_headers()
    for _ in range(1000):
        handler.wfile.write(b"x" * 1_000_000)


def reset(handler: BaseHTTPRequestHandler) -> None:
    """No answer, but a reset connection."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def nothing(handler: BaseHTTPRequestHandler) -> None:
    """Never answers: until the client goes."""
    handler.connection.recv(1)


def drip(after: bytes) -> Answer:
    """Begin like that, then a byte every 50 ms for ever, which no time-out of a single read ends."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(after)
        handler.connection.settimeout(0.05)
        while True:
            try:
                if handler.connection.recv(1) == b"":
                    return
            except TimeoutError:
                handler.wfile.write(b"x")

    return answer


@contextmanager
def receiver(answer: Answer = status(204)) -> Iterator[Receiver]:  # noqa: B008  # a function without a state
    """A server that answers each POST so; its threads have ended at the end."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            running.got.append(Got(self.path, dict(self.headers), body))
            running.came.release()
            try:
                answer(self)
            except OSError:
                self.close_connection = True

        def do_GET(self) -> None:
            running.got.append(Got(self.path, dict(self.headers), b""))
            running.came.release()
            status(200)(self)

        def finish(self) -> None:
            with suppress(OSError, ValueError):
                super().finish()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name there
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = False  # then `server_close` waits for them

        def handle_error(self, request: object, client_address: object) -> None:
            pass

        def shutdown_request(self, request: object) -> None:
            with suppress(OSError):
                super().shutdown_request(request)  # type: ignore[arg-type]  # a socket

    with Server(("127.0.0.1", 0), Handler) as server:
        running = Receiver(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, name="receiver")
        thread.start()
        try:
            yield running
        finally:
            server.shutdown()
            thread.join()
