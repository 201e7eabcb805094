"""The `notifications` section: who is told of which alerts, and when. What is secret is masked wherever it is shown."""

from __future__ import annotations

from typing import Annotated, Final, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, SecretStr, model_validator

from stream_server.event import EventKind
from stream_server.settings.quiet_hours import QuietHours, time_zone
from stream_server.settings.section import STREAM_ID_PATTERN, Section, StreamId

MAX_RULES: Final = 32
MAX_TARGETS: Final = 64
"""Of all rules together: each has a thread."""


def _zone(name: str) -> str:
    time_zone(name)
    return name


def _webhook_url(secret: SecretStr) -> SecretStr:
    url = secret.get_secret_value()
    problem = "expected http://host/path or https://host/path"
    if any(ord(letter) <= 0x20 or ord(letter) > 0x7E or letter == "\\" for letter in url):
        raise ValueError(f"{problem}, without spaces, backslashes and letters beyond ASCII (write them as %20)")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(problem) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ValueError(problem)
    if "@" in parts.netloc:
        raise ValueError(f"{problem}, without user and password: the signature says who sends")
    return secret


class Webhook(Section):
    """One address that gets events as signed JSON."""

    url: Annotated[SecretStr, AfterValidator(_webhook_url)] = Field(
        description="`http:` or `https:` address; private networks may be named, redirects are not followed."
    )
    secret: SecretStr = Field(min_length=16, description="Signs what is sent (HMAC-SHA256): at least 16 characters.")


class NotificationRule(Section):
    """Who is told of which alerts."""

    name: str = Field(pattern=STREAM_ID_PATTERN, description="Of the rule: letters, digits, `.`, `_`, `-`.")
    to: tuple[SecretStr, ...] = Field((), max_length=16, description="Apprise URLs: `mailto://`, `slack://` ...")
    webhooks: tuple[Webhook, ...] = Field((), max_length=16, description="Signed JSON, each `{url, secret}`.")
    streams: tuple[StreamId, ...] = Field((), description="Ids of the streams; all by default.")
    kinds: tuple[EventKind, ...] = Field((), description="Kinds of events, as in `/api/events`; all by default.")
    when: Literal["opened", "ended", "both"] = Field("opened", description="`opened`, `ended` or `both`.")
    min_duration_s: float = Field(0.0, ge=0, le=86400, description="Tell only of events that go on for so long.")
    cooldown_s: float = Field(
        60.0,
        ge=0,
        le=86400,
        description="At most one notification per stream in this time; what came meanwhile is counted in the next.",
    )
    quiet_hours: str | None = Field(
        None, description="Such as `22:00-06:00`: what comes then is told in one at its end."
    )
    time_zone: Annotated[str, AfterValidator(_zone)] = Field(
        "UTC", description="Of `quiet_hours` and of times in texts."
    )

    @model_validator(mode="after")
    def _is_whole(self) -> NotificationRule:
        if not self.to and not self.webhooks:
            raise ValueError(f"rule {self.name!r}: expected at least one target in `to` or `webhooks`")
        if self.quiet_hours is not None:
            try:
                QuietHours.parse(self.quiet_hours, self.zone)
            except ValueError as error:
                raise ValueError(f"rule {self.name!r}: {error}") from None
        return self

    @property
    def targets(self) -> int:
        """How many there are."""
        return len(self.to) + len(self.webhooks)

    @property
    def zone(self) -> ZoneInfo:
        """Of its quiet hours and texts."""
        return time_zone(self.time_zone)

    @property
    def quiet(self) -> QuietHours | None:
        """None where there are none."""
        return None if self.quiet_hours is None else QuietHours.parse(self.quiet_hours, self.zone)


class NotificationSettings(Section):
    """Who is told of alerts (docs/notifications.md); nobody by default."""

    rules: tuple[NotificationRule, ...] = Field(
        (),
        max_length=MAX_RULES,
        description="Who is told of what; nothing leaves this machine without (docs/notifications.md).",
    )

    @model_validator(mode="after")
    def _names_differ(self) -> NotificationSettings:
        names = [rule.name for rule in self.rules]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"expected rules with different names, got {', '.join(twice)} more than once")
        targets = sum(rule.targets for rule in self.rules)
        if targets > MAX_TARGETS:
            raise ValueError(f"expected at most {MAX_TARGETS} targets in all rules together, got {targets}")
        return self
