"""What is told: one event, why, and how much was held back. As it is stored, sent to webhooks, and put into words."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from stream_server.event import Event, EventKind, EventState, UnixSeconds, new_event_id

LATE_S: Final = 300.0
"""What is sent so long after it was made says as of when it is."""


class Reason(StrEnum):
    """Why a notification is sent."""

    OPENED = "opened"
    ENDED = "ended"
    TEST = "test"


class Notification(BaseModel):
    """One thing that a rule tells to all of its targets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(description="The same over all tries; receivers know repetitions by it.")
    rule: str
    reason: Reason
    event: Event
    made_at: UnixSeconds
    held_back: int = Field(0, ge=0, description="Notifications of this stream that were held back before it.")


class NotificationNote(BaseModel):
    """What a webhook learns of the notification itself."""

    rule: str
    reason: Reason
    sent_at: UnixSeconds
    id: str
    held_back: int


def notification_of(event: Event, rule: str, reason: Reason, now: float, held_back: int = 0) -> Notification:
    """A new one, with an id of its own, made at `now` (Unix seconds)."""
    return Notification(id=new_event_id(now), rule=rule, reason=reason, event=event, made_at=now, held_back=held_back)


def event_of_a_test(now: float, version: str) -> Event:
    """What a test notification tells of: nothing that happened. `now` in Unix seconds."""
    return Event(
        id=new_event_id(now),
        stream_id="test",
        kind=EventKind.MANIPULATION,
        state=EventState.ENDED,
        face_id=None,
        started_at=now,
        updated_at=now,
        ended_at=now,
        version=version,
        notes=("a test: nothing happened",),
    )


def link_of(notification: Notification, public_url: str | None) -> str | None:
    """Where people see more; None where no address was set, and for tests."""
    if public_url is None:
        return None
    # the dashboard's address of an event: `eventAddress` of static/js/core/route.js
    return public_url if notification.reason is Reason.TEST else f"{public_url}/#/events/{notification.event.id}"


def payload(notification: Notification, sent_at: float, public_url: str | None) -> dict[str, Any]:
    """What webhooks get: the event as in `/api/events`, `notification`, and `link` where there is one."""
    note = NotificationNote(
        rule=notification.rule,
        reason=notification.reason,
        sent_at=round(sent_at, 3),
        id=notification.id,
        held_back=notification.held_back,
    )
    body = notification.event.model_dump(mode="json") | {"notification": note.model_dump(mode="json")}
    link = link_of(notification, public_url)
    return body if link is None else body | {"link": link}


def title(notification: Notification) -> str:
    """One line."""
    event = notification.event
    if notification.reason is Reason.TEST:
        return "Test of deepfake-monitor"
    over = "" if event.state is EventState.OPEN else " (over)"
    return f"{event.kind.value.capitalize()}: stream {event.stream_id}{over}"


def text(notification: Notification, public_url: str | None, zone: tzinfo = UTC, sent_at: float | None = None) -> str:
    """A few plain lines, times in `zone`; `sent_at`: Unix seconds of this try, `made_at` by default."""
    event = notification.event
    if notification.reason is Reason.TEST:
        lines = [
            f"This is a test of the rule {notification.rule}: nothing happened.",
            "Notifications of this monitor reach you.",
        ]
    else:
        face = "" if event.face_id is None else f", face {event.face_id}"
        lines = [
            f"{event.kind.value.capitalize()} on stream {event.stream_id}{face}.",
            _when(notification, zone, sent_at),
        ]
        if event.same_as is not None:
            lines.append(f"It shows the same picture as stream {event.same_as}.")
        if event.peak_probability is not None:
            lines.append(f"Highest score: {100 * event.peak_probability:.0f} %.")
        if event.kind is EventKind.MANIPULATION:
            lines.append("A score is an opinion of a network, not proof.")
    if notification.held_back:
        lines.append(f"And {notification.held_back} more of this stream since the last notification, held back.")
    link = link_of(notification, public_url)
    return "\n".join(lines if link is None else [*lines, link])


def _when(notification: Notification, zone: tzinfo, sent_at: float | None) -> str:
    event = notification.event
    began = _clock(event.started_at, zone)
    if event.ended_at is None:
        if sent_at is not None and abs(sent_at - notification.made_at) > LATE_S:
            return f"It began {began} and went on at {_clock(notification.made_at, zone)}; this comes late."
        return f"It goes on since {began}."
    lasted = f"{event.ended_at - event.started_at:.0f} s"
    if event.state is EventState.INTERRUPTED:
        return f"It began {began}; after {lasted} the monitor or the stream stopped, and nobody saw its end."
    return f"It began {began} and ended after {lasted}."


def _clock(at: float, zone: tzinfo) -> str:
    return f"{datetime.fromtimestamp(at, zone):%Y-%m-%d %H:%M:%S %Z}"
