"""One notification on its way to one target: when it is tried again, and when it is given up. Pure."""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict

from analyzer.errors import DeepfakeMonitorError
from stream_server.notify.notification import Notification

FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 900.0
GIVE_UP_S: Final = 86_400.0
"""A day: who comes back to work on the next morning still gets it."""
SPREAD: Final = 0.2
"""Pauses are up to this share shorter, so that what failed together is not tried together."""


class DeliveryError(DeepfakeMonitorError):
    """A target did not take a notification. The text holds no secret: it is shown and stored."""

    code = "not_delivered"

    def __init__(
        self, message: str, *, final: bool = False, retry_after_s: float | None = None, reached: bool = False
    ) -> None:
        """`final`: trying again is in vain. `retry_after_s`: when the target said that it wants to be asked again.

        `reached`: it is there, and takes others: this one alone waits.
        """
        super().__init__(message)
        self.final = final
        self.retry_after_s = retry_after_s
        self.reached = reached


class Delivery(BaseModel):
    """One notification for one target. Times are Unix seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    target: str
    """The label of the target, in which nothing is secret."""
    notification: Notification
    since: float
    """When it was handed in, or handed in anew."""
    next_at: float
    tries: int = 0
    last_error: str | None = None
    last_try_at: float | None = None
    dead_at: float | None = None
    """When it was given up; None while it is tried."""


def delivery_of(notification: Notification, number: int, target: str, now: float) -> Delivery:
    """The first one; `number` tells the targets of a rule apart."""
    return Delivery(id=f"{notification.id}.{number}", target=target, notification=notification, since=now, next_at=now)


def anew(delivery: Delivery, now: float) -> Delivery:
    """A dead letter that is sent again: with a day of its own, under the same id."""
    return delivery.model_copy(update={"since": now, "next_at": now, "tries": 0, "dead_at": None})


def pause_s(tries: int, spread: float) -> float:
    """After so many tries in vain, in seconds: 1, 2, 4 ... 900, each up to a fifth shorter. `spread`: 0 to 1."""
    # 2^10 is beyond the longest pause
    whole = min(FIRST_PAUSE_S * 2.0 ** min(tries - 1, 10), LONGEST_PAUSE_S)
    return whole * (1 - SPREAD * spread)


def failed(delivery: Delivery, error: DeliveryError, now: float, spread: float) -> Delivery:
    """The same after a try in vain: with its next try, or dead."""
    tries = delivery.tries + 1
    since = min(delivery.since, now)  # the clock on the wall was set back: a day counts from now on
    tried = delivery.model_copy(update={"tries": tries, "since": since, "last_error": str(error), "last_try_at": now})
    if error.final:
        return buried(tried, now)
    next_at = now + max(pause_s(tries, spread), error.retry_after_s or 0.0)
    if next_at > since + GIVE_UP_S:
        return buried(tried, now)
    return tried.model_copy(update={"next_at": next_at})


def buried(delivery: Delivery, now: float, why: str | None = None) -> Delivery:
    """A dead letter."""
    return delivery.model_copy(update={"dead_at": now, "last_error": why or delivery.last_error})
