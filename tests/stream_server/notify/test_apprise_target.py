from __future__ import annotations

import json
import socket
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from zoneinfo import ZoneInfo

import pytest

from analyzer.errors import ConfigError
from stream_server.cli.logs import set_up_logging
from stream_server.notify import apprise_target
from stream_server.notify.apprise_target import AppriseTarget
from stream_server.notify.delivery import DeliveryError
from stream_server.notify.notification import Reason, notification_of
from tests.events_of import START, an_event
from tests.stream_server.notify.servers import nothing, receiver, status

UTC = ZoneInfo("UTC")
NOTIFICATION = notification_of(an_event(), "night", Reason.ENDED, START)
TOKEN = "a-token-of-a-test"


def a_target(url: str) -> AppriseTarget:
    return AppriseTarget(url, 1, None, UTC)


def test_a_service_gets_title_and_text() -> None:
    with receiver() as server:
        a_target(f"json://127.0.0.1:{server.port}/{TOKEN}").send(NOTIFICATION, START)
    (got,) = server.got
    body = json.loads(got.body)
    assert body["title"] == "Suspected manipulation: stream cam (over)"
    assert body["message"].startswith("Suspected manipulation on stream cam, face 3.\nIt began 2026-09-21 ")
    assert body["type"] == "warning"


@pytest.mark.parametrize(
    ("code", "final"), [(400, True), (403, True), (404, True), (408, False), (429, False), (500, False), (503, False)]
)
def test_what_a_service_answers_says_whether_to_try_again(code: int, final: bool) -> None:
    with receiver(status(code)) as server, pytest.raises(DeliveryError, match=f"answered {code}") as failed:
        a_target(f"json://127.0.0.1:{server.port}/{TOKEN}").send(NOTIFICATION, START)
    assert failed.value.final is final


def test_a_redirect_is_not_followed() -> None:
    with receiver() as inner, receiver(status(302, Location=f"http://127.0.0.1:{inner.port}/")) as outer:
        with pytest.raises(DeliveryError):
            a_target(f"json://127.0.0.1:{outer.port}/{TOKEN}").send(NOTIFICATION, START)
        assert (len(outer.got), inner.got) == (1, [])


def test_a_service_that_hangs_or_is_not_there_may_be_there_later() -> None:
    with receiver(nothing) as server, pytest.raises(DeliveryError, match="could not be reached") as failed:
        a_target(f"json://127.0.0.1:{server.port}/{TOKEN}?rto=0.3").send(NOTIFICATION, START)
    assert not failed.value.final
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(DeliveryError, match="could not be reached"):
            a_target(f"json://127.0.0.1:{taken.getsockname()[1]}/{TOKEN}").send(NOTIFICATION, START)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        pytest.param(f"nosuch://{TOKEN}", "nosuch:// URL: it knows no such service", id="no such service"),
        pytest.param(f"slack://{TOKEN}", "slack:// URL", id="something is missing"),
        pytest.param(f"mailto://{TOKEN}", "mailto:// URL", id="no user"),
        pytest.param(TOKEN, "expected an Apprise URL", id="no URL"),
        pytest.param("", "expected an Apprise URL", id="nothing"),
        pytest.param(f"json://169.254.169.254/{TOKEN}", "denied for every source", id="the metadata of clouds"),
        pytest.param(f"json://[::ffff:169.254.169.254]/{TOKEN}", "denied for every source", id="the same in brackets"),
        pytest.param(
            f"mailto://me:{TOKEN}@x.example?smtp=169.254.169.254&to=a@x.example",
            "denied for every source",
            id="the same as a mail server",
        ),
    ],
)
def test_what_apprise_cannot_use_is_refused_without_repeating_it(
    url: str, words: str, debug_log: None, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError, match=words) as refused:
        a_target(url)
    assert TOKEN not in str(refused.value) + "".join(capfd.readouterr())


def test_nothing_that_apprise_says_reaches_a_log(debug_log: None, capfd: pytest.CaptureFixture[str]) -> None:
    with receiver(status(403)) as server, pytest.raises(DeliveryError, match="answered 403") as failed:
        a_target(f"json://user:{TOKEN}@127.0.0.1:{server.port}/{TOKEN}").send(NOTIFICATION, START)
    assert TOKEN not in str(failed.value) + "".join(capfd.readouterr())


def test_what_it_answered_is_known_even_if_only_errors_are_logged(debug_log: None) -> None:
    set_up_logging("error")
    with receiver(status(403)) as server, pytest.raises(DeliveryError, match="answered 403"):
        a_target(f"json://127.0.0.1:{server.port}/{TOKEN}").send(NOTIFICATION, START)


def test_a_service_that_drips_for_ever_is_left_behind_once(monkeypatch: pytest.MonkeyPatch) -> None:
    end = threading.Event()

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-A: ")
        while not end.wait(0.05):
            handler.wfile.write(b"x")

    monkeypatch.setattr(apprise_target, "TOTAL_S", 0.5)
    with receiver(drip) as server:
        target = a_target(f"json://127.0.0.1:{server.port}/{TOKEN}")
        for words in (r"no answer within 0\.5 s", "still answers an earlier try"):
            with pytest.raises(DeliveryError, match=words) as failed:
                target.send(NOTIFICATION, START)
            assert not failed.value.final
        left = target._left_behind
        assert left is not None
        assert left.daemon, "it must not keep the process"
        end.set()
        left.join(20)
        monkeypatch.undo()
        target.send(NOTIFICATION, START)
        assert len(server.got) == 1, "the answer was good in the end"
        target.send(notification_of(an_event(), "night", Reason.ENDED, START), START)
        assert len(server.got) == 2


class _Mail(socketserver.StreamRequestHandler):
    """Enough of SMTP to take one mail."""

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                lines: list[bytes] = []
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    lines.append(line)
                self.server.mails.append(b"".join(lines))  # type: ignore[attr-defined]  # see below
            elif word == b"RCPT" and b"gone@" in line:
                self.wfile.write(b"550 nobody\r\n")
                continue
            elif word == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            self.wfile.write(b"250 fine\r\n")


@pytest.fixture
def mail_server() -> Iterator[socketserver.ThreadingTCPServer]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Mail) as server:
        server.mails = []  # type: ignore[attr-defined]  # for tests
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_mail_arrives_with_its_lines(mail_server: socketserver.ThreadingTCPServer) -> None:
    port = mail_server.server_address[1]
    a_target(f"mailto://127.0.0.1:{port}?from=monitor@example.org&to=you@example.org&format=text").send(
        NOTIFICATION, START
    )
    (mail,) = mail_server.mails  # type: ignore[attr-defined]  # see above
    text = mail.decode().replace("=\r\n", "")
    assert "Suspected manipulation: stream cam (over)" in text
    assert "A score is an opinion of a network, not proof." in text


def test_who_has_taken_it_does_not_get_it_again_when_another_of_the_same_url_refuses(
    mail_server: socketserver.ThreadingTCPServer,
) -> None:
    port = mail_server.server_address[1]
    target = a_target(f"mailto://127.0.0.1:{port}?from=monitor@example.org&to=you@example.org,gone@example.org")
    for _ in range(3):
        with pytest.raises(DeliveryError, match="some of the recipients") as failed:
            target.send(NOTIFICATION, START)
        assert not failed.value.final
    assert len(mail_server.mails) == 1  # type: ignore[attr-defined]  # see above
    with pytest.raises(DeliveryError):
        target.send(notification_of(an_event(), "night", Reason.ENDED, START), START)
    assert len(mail_server.mails) == 2, "another notification"  # type: ignore[attr-defined]  # see above


def test_its_name_for_people_holds_nothing_secret() -> None:
    target = a_target(f"json://user:{TOKEN}@127.0.0.1/{TOKEN}")
    assert (target.label, repr(target)) == ("1: json://***", "AppriseTarget('1: json://***')")
