from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from analyzer.errors import ConfigError
from stream_server.event import Event
from stream_server.notify.delivery import DeliveryError
from stream_server.notify.notification import Reason, notification_of
from stream_server.notify.webhook import WebhookTarget, retry_after_s
from stream_server.settings.notifications import Webhook
from tests.events_of import START, an_event
from tests.stream_server.notify.rules_of import SECRET, a_webhook
from tests.stream_server.notify.servers import receiver, status

NOTIFICATION = notification_of(an_event(), "night", Reason.OPENED, START, held_back=3)


def test_what_is_sent_is_signed_and_says_what_happened() -> None:
    with receiver() as server:
        WebhookTarget(a_webhook(server.url), 1, "https://monitor.example").send(NOTIFICATION, START + 7.25)
    (got,) = server.got
    timestamp = got.headers["X-Deepfake-Monitor-Timestamp"]
    # computed anew, by the letter of docs/notifications.md
    expected = hmac.new(SECRET.encode(), timestamp.encode() + b"." + got.body, hashlib.sha256).hexdigest()
    assert got.headers["X-Deepfake-Monitor-Signature"] == f"v1={expected}"
    assert timestamp == str(int(START + 7))
    assert got.headers["X-Deepfake-Monitor-Id"] == NOTIFICATION.id
    body = json.loads(got.body)
    note, link = body.pop("notification"), body.pop("link")
    assert Event.model_validate(body) == NOTIFICATION.event
    assert note == {
        "rule": "night",
        "reason": "opened",
        "sent_at": START + 7.25,
        "id": NOTIFICATION.id,
        "held_back": 3,
    }
    assert link == f"https://monitor.example/#/events/{NOTIFICATION.event.id}"


def test_the_receiver_of_the_docs_tells_what_is_genuine() -> None:
    docs = Path(__file__).parents[3] / "docs" / "notifications.md"
    (code,) = re.findall(r"```python\n(.*?)```", docs.read_text(), re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    is_genuine = names["is_genuine"]
    with receiver() as server:
        target = WebhookTarget(a_webhook(server.url), 1, None)
        target.send(NOTIFICATION, time.time())
        target.send(NOTIFICATION, time.time() - 600)
    new, old = server.got
    assert is_genuine(new.headers, new.body, SECRET)
    assert not is_genuine(new.headers, new.body + b" ", SECRET)
    assert not is_genuine(new.headers, new.body, SECRET + "!")
    assert not is_genuine(new.headers | {"X-Deepfake-Monitor-Timestamp": str(int(time.time()) + 1)}, new.body, SECRET)
    assert not is_genuine(old.headers, old.body, SECRET), "sent again later"


def test_the_id_stays_and_the_timestamp_goes_on_over_tries() -> None:
    with receiver() as server:
        target = WebhookTarget(a_webhook(server.url), 1, None)
        target.send(NOTIFICATION, START)
        target.send(NOTIFICATION, START + 100)
    first, second = server.got
    assert first.headers["X-Deepfake-Monitor-Id"] == second.headers["X-Deepfake-Monitor-Id"]
    assert first.headers["X-Deepfake-Monitor-Timestamp"] != second.headers["X-Deepfake-Monitor-Timestamp"]
    assert "link" not in json.loads(first.body)


@pytest.mark.parametrize(
    ("code", "final", "words"),
    [
        pytest.param(301, True, "redirect", id="a redirect"),
        pytest.param(307, True, "redirect", id="another redirect"),
        pytest.param(400, True, "400", id="bad request"),
        pytest.param(404, True, "404", id="not found"),
        pytest.param(408, False, "408", id="request time-out"),
        pytest.param(429, False, "429", id="too many"),
        pytest.param(500, False, "500", id="server error"),
        pytest.param(503, False, "503", id="unavailable"),
    ],
)
def test_what_is_not_2xx_is_a_failure_that_may_pass_or_not(code: int, final: bool, words: str) -> None:
    answer = status(code, Location="http://169.254.169.254/a-token-of-a-test")
    with receiver(answer) as server, pytest.raises(DeliveryError, match=words) as failed:
        WebhookTarget(a_webhook(server.url), 1, None).send(NOTIFICATION, START)
    assert failed.value.final is final
    assert "token" not in str(failed.value)


@pytest.mark.parametrize("code", [200, 201, 202, 204, 299])
def test_any_2xx_means_taken(code: int) -> None:
    with receiver(status(code)) as server:
        WebhookTarget(a_webhook(server.url), 1, None).send(NOTIFICATION, START)


def test_a_receiver_that_wants_to_be_asked_later_says_so() -> None:
    with receiver(status(503, Retry_After="120")) as server, pytest.raises(DeliveryError) as failed:
        WebhookTarget(a_webhook(server.url), 1, None).send(NOTIFICATION, START)
    assert failed.value.retry_after_s == 120


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        (" 30 ", 30.0),
        ("Mon, 21 Sep 2026 14:13:30 GMT", 10.0),
        ("Mon, 21 Sep 2020 14:13:30 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("", None),
        ("\u0663", None),
        ("9" * 400, 999999999.0),
    ],
)
def test_retry_after_is_read_as_a_number_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after_s(header, START) == seconds


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/token",
        "file:///etc/token",
        "https:///token",
        "https://user:token@host/",
        "https://token@host/",
        "https://host:0/token",
        "https://host:99999/token",
        "https://ho st/token",
        "https://host/token\r\nX: y",
        "https://host\\token",
        "https://[token/",
        "token",
        "",
    ],
)
def test_what_is_no_address_of_a_webhook_is_refused(url: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Webhook(url=SecretStr(url), secret=SecretStr(SECRET))
    (error,) = refused.value.errors()
    assert "expected http" in error["msg"]
    assert "token" not in error["msg"]


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValidationError, match="at least 16"):
        Webhook(url=SecretStr("https://host/"), secret=SecretStr("short"))


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "0xA9FEA9FE", "2852039166", "[fd00:ec2::254]", "[::ffff:169.254.169.254]"]
)
def test_the_metadata_of_clouds_is_refused_in_every_spelling(host: str) -> None:
    with pytest.raises(ConfigError, match="denied for every source"):
        WebhookTarget(a_webhook(f"http://{host}/a-token-of-a-test"), 1, None)


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.7", "192.168.1.2", "[::1]", "hooks.internal"])
def test_the_operators_own_network_is_fine(host: str) -> None:
    target = WebhookTarget(a_webhook(f"http://{host}:8080/a-token-of-a-test"), 2, None)
    assert target.label == f"2: http://{host}:8080/***"
    assert "token" not in repr(target)
