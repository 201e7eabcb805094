"""Rules, targets and clocks for tests of notifications."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from pydantic import SecretStr
from sqlalchemy import Connection

from analyzer.errors import StoreError
from stream_server.event import Event, EventState
from stream_server.notify.delivery import DeliveryError
from stream_server.notify.lane import LanePorts
from stream_server.notify.notification import Notification
from stream_server.settings.notifications import NotificationRule, Webhook
from tests.events_of import START, an_event

SECRET = "a-secret-word-of-a-test"
HOOK = "https://hooks.example/services/a-token-of-a-test"
MAIL = "json://127.0.0.1:9/a-token-of-a-test"


def a_webhook(url: str = HOOK, secret: str = SECRET) -> Webhook:
    return Webhook(url=SecretStr(url), secret=SecretStr(secret))


def a_rule(**changes: Any) -> NotificationRule:
    """Everything, at once, to one webhook."""
    values: dict[str, Any] = {"name": "all", "webhooks": (a_webhook(),), "cooldown_s": 0.0}
    return NotificationRule(**(values | changes))


def opened(started_at: float = START, **changes: Any) -> Event:
    """An event that goes on."""
    return an_event(started_at, state=EventState.OPEN, ended_at=None, **changes)


def ended(event: Event, at: float, state: EventState = EventState.ENDED) -> Event:
    return event.model_copy(update={"state": state, "ended_at": at, "updated_at": at})


class HandClock:
    """A clock that a test sets. Unix seconds."""

    def __init__(self, at: float = START) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


class FakeTarget:
    """Takes what it gets, or fails as `answers` say, one for each try."""

    def __init__(self, label: str = "1: fake://***", answers: Sequence[DeliveryError | None] = ()) -> None:
        self.label = label
        self.got: list[Notification] = []
        self.tried_at: list[float] = []
        self.answers = list(answers)
        self.always: DeliveryError | None = None
        self.on_send: Callable[[], None] = lambda: None

    def send(self, notification: Notification, at: float) -> None:
        self.on_send()
        self.tried_at.append(at)
        answer = self.answers.pop(0) if self.answers else self.always
        if answer is not None:
            raise answer
        self.got.append(notification)


class Kept:
    """What a lane wanted stored, in memory."""

    def __init__(self, now: Callable[[], float], spread: float = 0.0) -> None:
        self.rows: dict[str, Any] = {}
        self.ports = LanePorts(
            now=now, spread=lambda: spread, keep=lambda one: self.rows.update({one.id: one}), forget=self.rows.pop
        )


class NoDatabase:
    """A writer whose database is away."""

    interrupted: tuple[Event, ...] = ()

    def submit(self, run: Callable[[Connection], Any]) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_exception(StoreError("the database cannot be used now"))
        return done
