"""`/api/notifications`: who is told of alerts, how that goes, tests, and what could not be delivered."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from dataclasses import asdict
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, Field

from stream_server.event import EVENT_ID, EventKind
from stream_server.events.archive import Archive
from stream_server.notify import rows
from stream_server.notify.delivery import Delivery, DeliveryError
from stream_server.notify.dispatcher import Dispatcher
from stream_server.notify.notification import Reason
from stream_server.notify.status import RuleStatus
from stream_server.settings.section import STREAM_ID_PATTERN
from stream_server.web.http_errors import ApiError, error_docs
from stream_server.web.monitor import TheMonitor

router = APIRouter(prefix="/api/notifications", tags=["notifications"])

TEST_S: Final = 20.0
"""How long a test waits for its targets."""
MOST: Final = 500
"""Dead letters of one page."""
_DELIVERY_ID: Final = rf"^{EVENT_ID.pattern}\.[0-9]{{1,2}}$"
_AWAY: Final = error_docs(s503="the database cannot be used now")
_NONE: Final = error_docs(s404="nothing is kept")
_UNKNOWN: Final = error_docs(s404="no such dead letter, or nothing is kept", s422="not the id of one")

LetterId = Annotated[str, Path(alias="letter_id", pattern=_DELIVERY_ID, examples=["20260924T143000-1f0c9a3b.1"])]


class TargetState(BaseModel):
    """One target of a rule; counts are since the start."""

    target: str = Field(description="Without anything secret.", examples=["1: slack://***"])
    waiting: int = Field(description="Not taken yet.")
    sent: int
    failed: int = Field(description="Tries in vain.")
    dead: int = Field(description="Given up.")
    last_sent_at: float | None = Field(description="Unix seconds.")
    last_failed_at: float | None = Field(description="Unix seconds.")
    last_error: str | None = Field(
        description="Of the last try, where it was in vain.", examples=["the service answered 503"]
    )
    busy_since: float | None = Field(description="Unix seconds; when the try began that goes on.")


class RuleState(BaseModel):
    """One rule of the settings."""

    name: str = Field(examples=["night-shift"])
    streams: list[str] = Field(description="Empty for all.")
    kinds: list[EventKind] = Field(description="Empty for all.")
    when: str
    min_duration_s: float
    cooldown_s: float
    quiet_hours: str | None = Field(examples=["22:00-06:00"])
    time_zone: str
    held_back: int = Field(description="Since the start: by the cooldown, and in quiet hours.")
    holding: int = Field(description="Held back now: told when the cooldown or the quiet hours end.")
    dead: int | None = Field(description="Dead letters that are kept; null while the database cannot be read.")
    targets: list[TargetState]


class RuleList(BaseModel):
    """Every rule."""

    items: list[RuleState]
    unwritten: int = Field(description="Changes that a lost database does not have: a restart would not know of them.")


class DeadLetter(BaseModel):
    """A notification that could not be delivered."""

    id: str = Field(examples=["20260924T143000-1f0c9a3b.1"])
    rule: str = Field(examples=["night-shift"])
    target: str = Field(description="Without anything secret.", examples=["1: slack://***"])
    event_id: str
    stream_id: str
    reason: Reason
    held_back: int
    tries: int
    last_error: str | None = Field(examples=["the service answered 503"])
    made_at: float = Field(description="Unix seconds.")
    last_try_at: float | None = Field(description="Unix seconds; null where none was made.")
    dead_at: float | None = Field(description="Unix seconds; when it was given up.")


class DeadLetterList(BaseModel):
    """One page, the newest first."""

    items: list[DeadLetter]
    next: str | None = Field(description="Give it as `before` for the next page; null where there are no more.")
    unreadable: int = Field(description="Of this page, written by another version, and not shown.")


class TestAnswer(BaseModel):
    """What came of a test at one target."""

    target: str = Field(examples=["1: slack://***"])
    ok: bool
    error: str | None = Field(examples=["the service answered 403"])


class TestAnswers(BaseModel):
    """What came of a test."""

    items: list[TestAnswer]


def _notifier(monitor: TheMonitor) -> Dispatcher:
    if monitor.notifier is None:
        raise ApiError(404, "nothing_kept", "nothing is kept, and so nothing is told: storage.enabled is off")
    return monitor.notifier


def _archive(monitor: TheMonitor) -> Archive:
    _notifier(monitor)
    assert monitor.archive is not None, "the notifier comes with it"
    return monitor.archive


TheNotifier = Annotated[Dispatcher, Depends(_notifier)]
TheArchive = Annotated[Archive, Depends(_archive)]


@router.get("", summary="Rules, and how it goes", responses={**_NONE, **_AWAY})
async def list_rules(notifier: TheNotifier, archive: TheArchive) -> RuleList:
    """The rules of the settings without anything secret, and how it goes with each of their targets."""
    ok = archive.store.writer.status.ok
    dead = await archive.store.read(rows.count_dead) if ok else None
    return RuleList(items=[_state(one, dead) for one in notifier.status], unwritten=notifier.unwritten)


@router.get("/dead", summary="Dead letters", responses={**_NONE, **_AWAY, **error_docs(s422="not a page")})
async def list_dead(
    archive: TheArchive,
    before: Annotated[str | None, Query(pattern=_DELIVERY_ID, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 50,
) -> DeadLetterList:
    """What could not be delivered, the newest first, page by page; kept for 30 days, 10 000 at most."""
    page = await archive.store.read(lambda connection: rows.dead_letters(connection, before, limit))
    return DeadLetterList(items=[_letter(one) for one in page.items], next=page.next, unreadable=page.unreadable)


@router.post(
    "/dead/{letter_id}/retry",
    status_code=202,
    summary="Send a dead letter again",
    responses={
        **_UNKNOWN,
        **_AWAY,
        **error_docs(s409="its target is no longer in the settings, or another version wrote it"),
    },
)
async def retry_dead(letter_id: LetterId, notifier: TheNotifier, archive: TheArchive) -> DeadLetter:
    """It is tried for another day, under the same id. `dead_at` of the answer says when it had been given up."""
    letter = await archive.store.read(lambda connection: rows.dead_letter(connection, letter_id))
    notifier.send_again(letter)
    return _letter(letter)


@router.delete("/dead/{letter_id}", status_code=204, summary="Delete a dead letter", responses={**_UNKNOWN, **_AWAY})
async def delete_dead(letter_id: LetterId, archive: TheArchive) -> None:
    """For good."""
    await archive.store.write(lambda connection: rows.remove_dead_letter(connection, letter_id))


@router.post(
    "/{rule}/test",
    summary="Send a test",
    responses={**error_docs(s404="no such rule", s409="a test of the rule is under way", s422="not the name of one")},
)
async def send_test(
    rule: Annotated[str, Path(pattern=STREAM_ID_PATTERN, examples=["night-shift"])], notifier: TheNotifier
) -> TestAnswers:
    """To every target of the rule, now and once; answers when all have, after 20 s at the latest."""
    tests = notifier.test(rule)
    waits = [asyncio.wrap_future(future) for _, future in tests]
    await asyncio.wait(waits, timeout=TEST_S)
    answers = [_answer(label, future) for label, future in tests]
    for wait in waits:
        if wait.done():
            wait.exception()  # seen: asyncio would log it
        else:
            wait.cancel()  # one that has not begun never will
    return TestAnswers(items=answers)


def _answer(label: str, future: Future[None]) -> TestAnswer:
    if not future.done():
        return TestAnswer(
            target=label, ok=False, error=f"no answer within {TEST_S:g} s; it may still arrive where it had begun"
        )
    error = future.exception()
    if error is None:
        return TestAnswer(target=label, ok=True, error=None)
    return TestAnswer(
        target=label, ok=False, error=str(error) if isinstance(error, DeliveryError) else type(error).__name__
    )


def _state(status: RuleStatus, dead: dict[str, int] | None) -> RuleState:
    rule = status.rule
    return RuleState(
        name=rule.name,
        streams=list(rule.streams),
        kinds=list(rule.kinds),
        when=rule.when,
        min_duration_s=rule.min_duration_s,
        cooldown_s=rule.cooldown_s,
        quiet_hours=rule.quiet_hours,
        time_zone=rule.time_zone,
        held_back=status.held_back,
        holding=status.holding,
        dead=None if dead is None else dead.get(rule.name, 0),
        targets=[TargetState(**asdict(target)) for target in status.targets],
    )


def _letter(delivery: Delivery) -> DeadLetter:
    notification = delivery.notification
    return DeadLetter(
        id=delivery.id,
        rule=notification.rule,
        target=delivery.target,
        event_id=notification.event.id,
        stream_id=notification.event.stream_id,
        reason=notification.reason,
        held_back=notification.held_back,
        tries=delivery.tries,
        last_error=delivery.last_error,
        made_at=notification.made_at,
        last_try_at=delivery.last_try_at,
        dead_at=delivery.dead_at,
    )
