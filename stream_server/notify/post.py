"""One HTTP POST to an address that a stranger may answer: bounded in time and size, to the address that was judged.

No redirect is followed, no proxy of the environment is used, nothing that was answered is shown.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import certifi
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError

from analyzer.errors import SourceError
from stream_server.notify.delivery import DeliveryError
from stream_server.streams.sources.address import AddressRules, IPAddress

CONNECT_S: Final = 5.0
TOTAL_S: Final = 15.0
MAX_ANSWER: Final = 65_536
"""Bytes of an answer that are read, and thrown away: a server that is cut off while it answers logs errors."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is posted where."""

    url: str = field(repr=False)
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    connect_s: float = CONNECT_S
    total_s: float = TOTAL_S
    """From the connection on; looking up a name cannot be cut short."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    retry_after: str | None


def post(request: Request) -> Answer:
    """Send it. Waits for the network. Raises `DeliveryError`, whose text holds nothing of the URL but its host."""
    parts = urlsplit(request.url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    addresses = _addresses(host, port)
    ends_s = time.monotonic() + request.total_s  # a slow DNS takes nothing from it
    connection = _connect(parts.scheme == "https", host, addresses, port, request.connect_s)
    try:
        with _cut_off(connection, max(ends_s - time.monotonic(), 0.1)) as cut:
            try:
                return _exchange(connection, request, cut)
            except (HTTPError, http.client.HTTPException, OSError, ValueError) as error:
                if cut.is_set() or isinstance(error, TimeoutError):
                    raise DeliveryError(f"no answer within {request.total_s:g} s") from None
                raise DeliveryError(f"the connection broke before an answer came ({type(error).__name__})") from None
    finally:
        connection.close()


def _addresses(host: str, port: int) -> list[IPAddress]:
    """Looked up and judged: these are connected to, whatever DNS says a moment later."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise DeliveryError(f"the host name {host} is not known now") from None
    addresses = list(dict.fromkeys(ipaddress.ip_address(str(info[4][0]).partition("%")[0]) for info in found))
    try:
        for address in addresses:
            AddressRules().check_ip(address)
    except SourceError as error:
        raise DeliveryError(str(error), final=True) from None
    return addresses


def _connect(secure: bool, host: str, addresses: list[IPAddress], port: int, connect_s: float) -> HTTPConnection:
    """To the first address that takes it, all within `connect_s`."""
    ends_s = time.monotonic() + connect_s
    failure = "no address"
    for address in addresses:
        left_s = ends_s - time.monotonic()
        if left_s <= 0:
            break
        connection: HTTPConnection
        if secure:
            connection = HTTPSConnection(
                str(address), port, timeout=left_s, ssl_context=_tls(), server_hostname=host, assert_hostname=host
            )
        else:
            connection = HTTPConnection(str(address), port, timeout=left_s)
        try:
            connection.connect()
        except (HTTPError, OSError) as error:
            connection.close()
            failure = _words(error, connect_s)
        else:
            return connection
    raise DeliveryError(f"{host} port {port} could not be reached: {failure}")


def _words(error: Exception, connect_s: float) -> str:
    # urllib3's own errors quote addresses; what lies below them does not
    below = error.__cause__ if isinstance(error.__cause__, OSError) else error
    if isinstance(below, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted ({below.verify_message})"
    if isinstance(below, ssl.SSLError):
        return "TLS failed"
    if isinstance(below, TimeoutError | ConnectTimeoutError):
        return f"no connection within {connect_s:g} s"
    return (below.strerror if isinstance(below, OSError) else None) or type(below).__name__


def _tls() -> ssl.SSLContext:
    try:
        context = ssl.create_default_context()  # the system's, or those of SSL_CERT_FILE
        context.load_verify_locations(certifi.where())  # small systems have none
    except OSError as error:  # the package was moved, or no file can be opened any more
        reason = error.strerror or type(error).__name__
        raise DeliveryError(f"the certificates of authorities cannot be read ({reason})") from None
    return context


def _exchange(connection: HTTPConnection, request: Request, cut: threading.Event) -> Answer:
    parts = urlsplit(request.url)
    path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    headers = {**request.headers, "Host": parts.netloc, "Accept-Encoding": "identity", "Connection": "close"}
    if connection.sock is not None:
        connection.sock.settimeout(request.total_s)
    connection.request("POST", path, body=request.body, headers=headers, preload_content=False)
    response = connection.getresponse()
    try:
        if cut.is_set():  # amid the headers, of which the end of the stream is taken as the end
            raise TimeoutError
        with contextlib.suppress(HTTPError, http.client.HTTPException, OSError, ValueError):
            # it has answered: what follows changes nothing, be it nonsense (ValueError: a chunk of -5 bytes)
            response.read(MAX_ANSWER, decode_content=False)
        return Answer(response.status, response.headers.get("Retry-After"))
    finally:
        response.close()


@contextlib.contextmanager
def _cut_off(connection: HTTPConnection, after_s: float) -> Iterator[threading.Event]:
    """Break the connection after so many seconds: a time-out of the socket begins anew with each byte that drips."""
    cut = threading.Event()
    # kept: the connection forgets its socket when the answer takes it over
    stream = connection.sock

    def end() -> None:
        cut.set()
        if stream is not None:
            with contextlib.suppress(OSError):
                # not SSLSocket's own, which takes the TLS state away from the thread that reads
                socket.socket.shutdown(stream, socket.SHUT_RDWR)

    timer = threading.Timer(after_s, end)
    timer.name = "notify-cut-off"
    timer.daemon = True
    timer.start()
    try:
        yield cut
    finally:
        timer.cancel()
        timer.join()
