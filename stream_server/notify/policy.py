"""What a rule tells, and when: streams, kinds, minimal duration, cooldown, quiet hours. Pure: time is an argument."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, ConfigDict

from stream_server.event import Event, EventState
from stream_server.notify.notification import Notification, Reason, notification_of
from stream_server.settings.notifications import NotificationRule

REMEMBERED: Final = 4096
"""Events of which a rule remembers what it has told: many more than can be open at once."""


class Gate(BaseModel):
    """Of one stream: closed after a notification (cooldown) and in quiet hours. What comes then is held and counted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    opens_at: float
    """Unix seconds."""
    held: int = 0
    """How many came while it was closed, `newest` among them."""
    newest: Notification | None = None
    """Is told when the gate opens, and says how many came before it."""


@dataclass(frozen=True, slots=True)
class _Young:
    """An event that has not gone on long enough to be told."""

    event: Event
    since: float
    """Its start, or what the clock on the wall showed when it was set back behind it. Unix seconds."""


class RulePolicy:
    """One rule. Every event is given to `on_event` with each of its changes; `tick` when `next_at` has come.

    Nothing is lost silently: what is held back is told in one notification when the gate opens. Not thread-safe.
    A clock on the wall that is set back, and settings that were changed, keep no gate closed for longer than a new one.
    """

    def __init__(self, rule: NotificationRule) -> None:
        self.rule = rule
        self.held_back = 0
        """Since the start."""
        self.gates: dict[str, Gate] = {}
        self.changed: set[str] = set()
        """Streams whose gate is another than before; for whoever stores gates to empty."""
        self._quiet = rule.quiet
        self._told: OrderedDict[tuple[str, Reason], None] = OrderedDict()
        self._young: dict[str, _Young] = {}
        self._owed: dict[str, int] = {}
        """By stream, how many were held back before one that was deleted: the next one says so."""

    def on_event(self, event: Event, now: float) -> list[Notification]:
        """What is to be sent now that `event` is as it is. `now` in Unix seconds, as are all times."""
        if not self._wants(event):
            return []
        self._renew(event)
        found: list[Notification] = []
        young = self._young.get(event.id)
        since = min(event.started_at if young is None else young.since, now)
        lasted_s = now - since if event.ended_at is None else event.ended_at - event.started_at
        long_enough = max(lasted_s, 0.0) >= self._least_s  # clocks differ by a rounding, or were set
        if self.rule.when != "ended" and (event.state is EventState.OPEN or young is not None):
            if long_enough:
                found += self._tell(event, Reason.OPENED, now)
            elif event.state is EventState.OPEN and (event.id, Reason.OPENED) not in self._told:
                self._young[event.id] = _Young(event, since)
        if event.state is not EventState.OPEN:
            self._young.pop(event.id, None)
            if self.rule.when != "opened" and long_enough:
                found += self._tell(event, Reason.ENDED, now)
        return found

    def tick(self, now: float) -> list[Notification]:
        """What has become due: events that went on long enough, gates that open."""
        found: list[Notification] = []
        for young in list(self._young.values()):
            if now - young.since >= self._least_s:
                found += self._tell(young.event, Reason.OPENED, now)
            elif now < young.since:
                self._young[young.event.id] = _Young(young.event, now)
        latest = self._latest(now)
        for stream_id, gate in [(name, one) for name, one in self.gates.items() if one.opens_at > latest]:
            self._set(stream_id, gate.model_copy(update={"opens_at": latest}))
        for stream_id, gate in [(name, one) for name, one in self.gates.items() if one.opens_at <= now]:
            found += self._open(stream_id, gate, now)
        return found

    @property
    def next_at(self) -> float | None:
        """When `tick` has something to do, at the earliest; None for never."""
        young = [one.since + self._least_s for one in self._young.values()]
        return min([*young, *(gate.opens_at for gate in self.gates.values())], default=None)

    def restore(self, stream_id: str, gate: Gate) -> None:
        """A gate of an earlier process; one that there is meanwhile is newer."""
        self.gates.setdefault(stream_id, gate)

    def drop_stream(self, stream_id: str) -> None:
        """Tell nothing of what it had until now."""
        self._young = {name: young for name, young in self._young.items() if young.event.stream_id != stream_id}
        self._set(stream_id, None)
        self._owed.pop(stream_id, None)

    def drop_event(self, event_id: str) -> None:
        """Tell nothing of it that was not told until now. The next one says what was held back before it."""
        self._young.pop(event_id, None)
        for stream_id, gate in list(self.gates.items()):
            if gate.newest is not None and gate.newest.event.id == event_id:
                self._set(stream_id, Gate(opens_at=gate.opens_at))
                if gate.held > 1:
                    self._owed[stream_id] = self._owed.get(stream_id, 0) + gate.held - 1

    @property
    def _least_s(self) -> float:
        return self.rule.min_duration_s

    def _wants(self, event: Event) -> bool:
        streams, kinds = self.rule.streams, self.rule.kinds
        return (not streams or event.stream_id in streams) and (not kinds or event.kind in kinds)

    def _renew(self, event: Event) -> None:
        """What waits is told as it is then, not as it was."""
        young = self._young.get(event.id)
        if young is not None:
            self._young[event.id] = _Young(event, young.since)
        gate = self.gates.get(event.stream_id)
        if gate is not None and gate.newest is not None and gate.newest.event.id == event.id:
            newest = gate.newest.model_copy(update={"event": event})
            self._set(event.stream_id, gate.model_copy(update={"newest": newest}))

    def _tell(self, event: Event, reason: Reason, now: float) -> list[Notification]:
        self._young.pop(event.id, None)
        if (event.id, reason) in self._told:
            self._told.move_to_end((event.id, reason))  # one that goes on for long is not told anew after many others
            return []
        self._told[(event.id, reason)] = None
        while len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        gate = self.gates.get(event.stream_id)
        closed_until = self._closed_until(gate, now)
        held = (0 if gate is None else gate.held) + self._owed.pop(event.stream_id, 0)
        if closed_until is None:
            self._close(event.stream_id, now)
            return [notification_of(event, self.rule.name, reason, now, held)]
        self.held_back += 1
        newest = notification_of(event, self.rule.name, reason, now)
        self._set(event.stream_id, Gate(opens_at=closed_until, held=held + 1, newest=newest))
        return []

    def _open(self, stream_id: str, gate: Gate, now: float) -> list[Notification]:
        if gate.newest is None:
            self._set(stream_id, None)
            return []
        quiet_until = None if self._quiet is None else self._quiet.until(now)
        if quiet_until is not None:  # the cooldown ended in quiet hours
            self._set(stream_id, gate.model_copy(update={"opens_at": quiet_until}))
            return []
        self._close(stream_id, now)
        return [gate.newest.model_copy(update={"made_at": now, "held_back": gate.held - 1})]

    def _latest(self, now: float) -> float:
        """No gate that is closed at `now` opens later."""
        quiet_until = None if self._quiet is None else self._quiet.until(now)
        return max(now + self.rule.cooldown_s, now if quiet_until is None else quiet_until)

    def _closed_until(self, gate: Gate | None, now: float) -> float | None:
        quiet_until = None if self._quiet is None else self._quiet.until(now)
        cooling = [] if gate is None or gate.opens_at <= now else [min(gate.opens_at, self._latest(now))]
        return max([*cooling, *([] if quiet_until is None else [quiet_until])], default=None)

    def _close(self, stream_id: str, now: float) -> None:
        self._set(stream_id, Gate(opens_at=now + self.rule.cooldown_s) if self.rule.cooldown_s else None)

    def _set(self, stream_id: str, gate: Gate | None) -> None:
        if gate is None and stream_id not in self.gates:
            return
        if gate is None:
            del self.gates[stream_id]
        else:
            self.gates[stream_id] = gate
        self.changed.add(stream_id)
