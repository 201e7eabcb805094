"""What waits to be written, bounded: the oldest goes first, and what goes is counted."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from stream_server.event import Event, Part
from stream_server.store.reading import Observed
from stream_server.store.rows import LEFT_OUT

MAX_OBSERVATIONS: Final = 60_000
"""Some 15 MB: ten minutes of 16 faces at 6 a second."""
MAX_EVENTS: Final = 1000
MAX_PART_BYTES: Final = 64_000_000
"""Of pictures. Beyond it the oldest events lose theirs first, then events go."""


@dataclass(slots=True)
class PendingEvent:
    """An event as it is now; `parts`: None leaves those that were saved before, `kept` names those that stay."""

    event: Event
    parts: tuple[Part, ...] | None
    kept: frozenset[str] = frozenset()

    @property
    def part_bytes(self) -> int:
        return sum(len(part.data) for part in self.parts or ())


@dataclass(slots=True)
class Batch:
    """What is written in one transaction."""

    observations: deque[Observed] = field(default_factory=deque)
    events: dict[str, PendingEvent] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.observations) + len(self.events)

    def all_observations(self) -> Batch:
        """Without the events."""
        return Batch(observations=self.observations)

    def first(self) -> Batch:
        """The first of it, alone."""
        if self.observations:
            return Batch(observations=deque([self.observations[0]]))
        name, pending = next(iter(self.events.items()))
        return Batch(events={name: pending})

    def remove_first(self) -> None:
        """It is done with."""
        if self.observations:
            self.observations.popleft()
        else:
            del self.events[next(iter(self.events))]


class Backlog:
    """One batch in the making; belongs to whoever holds the writer's lock."""

    def __init__(self) -> None:
        self.lost = 0
        """Observations and events that will never be written."""
        self._batch = Batch()

    def __len__(self) -> int:
        return len(self._batch)

    def add_observation(self, observed: Observed) -> None:
        """Add one; the oldest goes when there are too many."""
        self._batch.observations.append(observed)
        self._bound_observations()

    def add_event(self, event: Event, parts: Sequence[Part] | None, kept: frozenset[str] = frozenset()) -> None:
        """Add it, or replace what waits of it."""
        before = self._batch.events.pop(event.id, None)
        if parts is not None:
            kept = kept - {part.name for part in parts}
        if before is not None and before.parts is None and (parts is None or kept):
            event = _noting(event, before.event.notes)
        if parts is None and before is not None:
            parts, kept = before.parts, before.kept
        elif parts is not None and before is not None and before.parts is not None:
            # what stays may itself not be written yet
            parts = (*parts, *(part for part in before.parts if part.name in kept))
            kept = kept & before.kept
        self._batch.events[event.id] = PendingEvent(event, None if parts is None else tuple(parts), kept)
        self._bound_events()

    def take(self) -> Batch:
        """All of it."""
        taken, self._batch = self._batch, Batch()
        return taken

    def put_back(self, batch: Batch) -> None:
        """What could not be written goes before what has come since."""
        newer, self._batch = self._batch, batch
        self._batch.observations.extend(newer.observations)
        self._bound_observations()
        for pending in newer.events.values():
            self.add_event(pending.event, pending.parts, pending.kept)
        self._bound_events()

    def forget_event(self, event_id: str) -> Event | None:
        """It was deleted, and must not come back; the event, where it waited."""
        pending = self._batch.events.pop(event_id, None)
        return None if pending is None else pending.event

    def forget_stream(self, stream_id: str) -> None:
        """Everything of it was deleted."""
        batch = self._batch
        batch.observations = deque(one for one in batch.observations if one.stream_id != stream_id)
        batch.events = {name: one for name, one in batch.events.items() if one.event.stream_id != stream_id}

    def give_up(self) -> int:
        """Nothing of it will ever be written; how much that was."""
        rest = len(self.take())
        self.lost += rest
        return rest

    def _bound_observations(self) -> None:
        while len(self._batch.observations) > MAX_OBSERVATIONS:
            self._batch.observations.popleft()
            self.lost += 1

    def _bound_events(self) -> None:
        events = self._batch.events
        total = sum(pending.part_bytes for pending in events.values())
        for pending in events.values():
            if total <= MAX_PART_BYTES:
                break
            if pending.part_bytes:
                total -= pending.part_bytes
                pending.event = _noting(pending.event, (LEFT_OUT,))
                pending.parts = None
        while len(events) > MAX_EVENTS:
            del events[next(iter(events))]
            self.lost += 1


def _noting(event: Event, notes: Sequence[str]) -> Event:
    """The event, with the note that its files went if it is among these."""
    if LEFT_OUT not in notes or LEFT_OUT in event.notes:
        return event
    return event.model_copy(update={"notes": (*event.notes, LEFT_OUT)})
