from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from stream_server.notify import post as post_module
from stream_server.notify.delivery import DeliveryError
from stream_server.notify.post import Request, post
from tests.stream_server.notify.servers import Answer, drip, huge, nothing, receiver, reset, status


def a_request(url: str, total_s: float = 5.0) -> Request:
    return Request(url, b'{"a": 1}', {"Content-Type": "application/json"}, connect_s=2.0, total_s=total_s)


def test_body_and_headers_arrive_as_they_are() -> None:
    with receiver() as server:
        answer = post(a_request(server.url))
    assert answer.status == 204
    (got,) = server.got
    assert (got.path, got.body) == ("/a-token-of-a-test?key=a-token-of-a-test", b'{"a": 1}')
    assert got.headers["Host"] == f"127.0.0.1:{server.port}"
    assert got.headers["Content-Type"] == "application/json"


def test_a_redirect_is_an_answer_and_not_followed() -> None:
    with receiver() as inner, receiver(status(302, Location=f"http://127.0.0.1:{inner.port}/")) as outer:
        assert post(a_request(outer.url)).status == 302
        assert inner.got == []


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(nothing, id="hangs"),
        pytest.param(drip(b""), id="drips a status line"),
        pytest.param(drip(b"HTTP/1.1 200 OK\r\nX-A: "), id="drips a header"),
    ],
)
def test_a_server_that_does_not_come_to_the_point_is_cut_off(answer: Answer) -> None:
    with receiver(answer) as server:
        begin = time.monotonic()
        with pytest.raises(DeliveryError, match=r"no answer within 0\.5 s") as failed:
            post(a_request(server.url, total_s=0.5))
        assert time.monotonic() - begin < 3
    assert not failed.value.final


def test_a_body_that_drips_after_the_answer_is_cut_off_and_the_answer_counts() -> None:
    with receiver(drip(b"HTTP/1.1 200 OK\r\n\r\n")) as server:
        begin = time.monotonic()
        assert post(a_request(server.url, total_s=0.5)).status == 200
        assert time.monotonic() - begin < 3


def test_of_a_huge_answer_little_is_read() -> None:
    with receiver(huge) as server:
        begin = time.monotonic()
        assert post(a_request(server.url)).status == 200
        assert time.monotonic() - begin < 4


def raw(answer: bytes) -> Answer:
    """Just that, whatever it means."""

    def write(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(answer)

    return write


def test_a_body_that_makes_no_sense_changes_nothing_of_the_answer() -> None:
    with receiver(raw(b"HTTP/1.1 202 Accepted\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nabc")) as server:
        assert post(a_request(server.url)).status == 202


def test_no_answer_can_write_into_the_log(debug_log: None, capfd: pytest.CaptureFixture[str]) -> None:
    with receiver(raw(b"HTTP/1.1 204 None\r\nno header, but words of the server\r\nX-A: y\r\n\r\n")) as server:
        assert post(a_request(server.url)).status == 204
    assert "".join(capfd.readouterr()) == ""


def test_certificates_that_cannot_be_read_may_be_there_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("certifi.where", lambda: "/nowhere/a-token.pem")
    with pytest.raises(DeliveryError, match=r"cannot be read \(No such file or directory") as failed:
        post(a_request("https://127.0.0.1:9/"))
    assert not failed.value.final
    assert "token" not in str(failed.value)


def test_a_slow_look_up_takes_nothing_of_the_time_for_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def slow(host: str, port: int, *args: object, **more: object) -> object:
        monkeypatch.setattr(socket, "getaddrinfo", real)  # connecting asks as well, for an address
        threading.Event().wait(1.1)
        return real(host, port, *args, **more)  # type: ignore[arg-type]  # as it came

    def a_moment_later(handler: BaseHTTPRequestHandler) -> None:
        threading.Event().wait(0.2)
        status(204)(handler)

    with receiver(a_moment_later) as server:
        monkeypatch.setattr(socket, "getaddrinfo", slow)
        assert post(a_request(server.url, total_s=1.0)).status == 204


def test_a_reset_connection_is_told_in_words() -> None:
    with receiver(reset) as server, pytest.raises(DeliveryError, match="the connection broke") as failed:
        post(a_request(server.url))
    assert not failed.value.final
    assert "token" not in str(failed.value)


def test_an_answer_that_is_no_http_is_told_in_words() -> None:
    def chatter(handler: object) -> None:
        handler.wfile.write(b"220 mail.example ESMTP a-token\r\n")  # type: ignore[attr-defined]  # a handler

    with receiver(chatter) as server, pytest.raises(DeliveryError, match="the connection broke") as failed:
        post(a_request(server.url))
    assert "token" not in str(failed.value)


def test_a_port_that_nobody_listens_on_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and not listening
        port = taken.getsockname()[1]
        with pytest.raises(DeliveryError, match=r"127\.0\.0\.1 port \d+ could not be reached: Connection refused"):
            post(a_request(f"http://127.0.0.1:{port}/a-token"))


def answers(monkeypatch: pytest.MonkeyPatch, *ips: str) -> list[str]:
    """DNS says one thing to the first look-up, another to the next; what was asked."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def look_up(host: str, port: int, *args: object, **more: object) -> object:
        if host != "hooks.example":
            return real(host, port, *args, **more)  # type: ignore[arg-type]  # as it came
        asked.append(host)
        ip = ips[min(len(asked), len(ips)) - 1]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


def test_a_name_is_looked_up_once_and_that_address_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver() as server:
        asked = answers(monkeypatch, "127.0.0.1", "169.254.169.254")
        assert post(a_request(f"http://hooks.example:{server.port}/x")).status == 204
    assert asked == ["hooks.example"]
    assert server.got[0].headers["Host"] == f"hooks.example:{server.port}"


@pytest.mark.parametrize("ip", ["169.254.169.254", "100.100.100.200", "168.63.129.16", "0.0.0.0"])
def test_a_name_that_leads_to_the_metadata_of_clouds_is_never_opened(ip: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, ip)
    with pytest.raises(DeliveryError, match="denied for every source") as failed:
        post(a_request("http://hooks.example/x"))
    assert failed.value.final


def test_a_name_that_nobody_knows_may_be_known_later() -> None:
    with pytest.raises(DeliveryError, match=r"nobody\.invalid is not known now") as failed:
        post(a_request("http://nobody.invalid/a-token"))
    assert not failed.value.final


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """Of hooks.example, signed by itself; certificate and key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hooks.example")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hooks.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = tmp_path / "cert.pem", tmp_path / "key.pem"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return files


@pytest.fixture
def tls_port(certificate: tuple[Path, Path]) -> Iterator[int]:
    """A server that takes one connection with TLS and answers 204."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        try:
            raw, _ = listening.accept()
            with raw, context.wrap_socket(raw, server_side=True) as stream:
                while b'{"a": 1}' not in stream.recv(65536):
                    pass
                stream.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
        except OSError:
            pass

    thread = threading.Thread(target=serve, name="tls-receiver")
    thread.start()
    yield int(listening.getsockname()[1])
    listening.close()
    thread.join()


def test_tls_is_checked_against_the_name_and_not_the_address(
    tls_port: int, certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(post_module, "_tls", lambda: ssl.create_default_context(cafile=str(certificate[0])))
    answers(monkeypatch, "127.0.0.1")
    assert post(a_request(f"https://hooks.example:{tls_port}/x")).status == 204


def test_a_certificate_of_a_stranger_is_not_accepted(tls_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, "127.0.0.1")
    with pytest.raises(DeliveryError, match="its certificate is not accepted"):
        post(a_request(f"https://hooks.example:{tls_port}/x"))
