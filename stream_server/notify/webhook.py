"""Signed JSON to an address of the operator's: what is sent, how it is signed, what counts as taken.

The body is signed with HMAC-SHA256 over `timestamp.body`, so that a receiver knows who sent it and that it is not an
old one sent again (docs/notifications.md has a receiver).
"""

from __future__ import annotations

import hashlib
import hmac
import json
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlsplit

from analyzer.errors import ConfigError, SourceError
from stream_server.about import NAME, VERSION
from stream_server.notify.delivery import DeliveryError
from stream_server.notify.notification import Notification, payload
from stream_server.notify.post import Request, post
from stream_server.settings.notifications import Webhook
from stream_server.streams.sources.address import AddressRules, literal_ip

TIMESTAMP_HEADER: Final = "X-Deepfake-Monitor-Timestamp"
ID_HEADER: Final = "X-Deepfake-Monitor-Id"
SIGNATURE_HEADER: Final = "X-Deepfake-Monitor-Signature"
_AGAIN: Final = frozenset({408, 429})
"""Refusals that may pass; other 4xx do not."""


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """`v1=` and the hex HMAC-SHA256 over the timestamp, a dot and the body."""
    signed = f"{timestamp}.".encode() + body
    return "v1=" + hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def retry_after_s(header: str | None, now: float) -> float | None:
    """Seconds from `now` (Unix) that `Retry-After` asks for, as a number or a date; None where it makes no sense."""
    if header is None:
        return None
    if header.strip().isascii() and header.strip().isdigit():
        return float(header.strip()[:9])
    try:
        return max(parsedate_to_datetime(header).timestamp() - now, 0.0)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


class WebhookTarget:
    """One address that gets signed JSON."""

    def __init__(self, webhook: Webhook, number: int, public_url: str | None) -> None:
        """`number` within its rule. Raises `ConfigError` for an address that is never opened."""
        self._webhook = webhook
        self._public_url = public_url
        parts = urlsplit(webhook.url.get_secret_value())
        ip = literal_ip(parts.hostname or "")
        try:
            if ip is not None:
                AddressRules().check_ip(ip)
        except SourceError as error:
            raise ConfigError(str(error)) from None
        # the path and what follows may be what a receiver knows us by
        self._label = f"{number}: {parts.scheme}://{parts.netloc}/***"

    @property
    def label(self) -> str:
        return self._label

    def __repr__(self) -> str:
        return f"WebhookTarget({self._label!r})"

    def send(self, notification: Notification, at: float) -> None:
        """See `Target`. 2xx means taken; at most 15 s."""
        body = json.dumps(payload(notification, at, self._public_url), ensure_ascii=False).encode()
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"{NAME}/{VERSION}",
            TIMESTAMP_HEADER: str(int(at)),
            ID_HEADER: notification.id,
            SIGNATURE_HEADER: signature(self._webhook.secret.get_secret_value(), int(at), body),
        }
        answer = post(Request(self._webhook.url.get_secret_value(), body, headers))
        if 200 <= answer.status < 300:
            return
        if 300 <= answer.status < 400:
            raise DeliveryError(
                f"it answered {answer.status}, a redirect, which is not followed: give the final address", final=True
            )
        final = 400 <= answer.status < 500 and answer.status not in _AGAIN
        raise DeliveryError(
            f"it answered {answer.status}", final=final, retry_after_s=retry_after_s(answer.retry_after, at)
        )
