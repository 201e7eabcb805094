"""Opens an event with each alert, gathers what it rests on, and hands both on. Event loop only."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from analyzer.datatypes import (
    Alert,
    AnalyzerEvent,
    FaceEnded,
    FrameFaces,
    Observation,
    Observed,
    PictureState,
    Score,
)
from stream_server.event import Event, EventKind, EventState, Rules, new_event_id
from stream_server.events.recording.draft import AFTER_S, TAIL_S, Draft
from stream_server.events.recording.evidence_maker import EvidenceMaker
from stream_server.events.recording.evidence_parts import TOO_MANY
from stream_server.events.recording.past import PastStream
from stream_server.events.recording.ports import RecorderPorts
from stream_server.streams.sources.base import StreamState
from stream_server.streams.stream import StreamInfo

logger = logging.getLogger(__name__)

TICK_S: Final = 0.5
"""Between two looks at what is due."""
SAVE_S: Final = 10.0
"""An event that goes on is saved anew this often: a killed monitor still knows about when it ended."""
MAX_OPEN: Final = 200
"""Events at once, with some 0.4 MB of pictures each; what is beyond is counted, and told as an alert all the same."""
MAX_OBSERVATIONS: Final = 300_000
"""Of all events at once, 40 MB: what is beyond is missing from their evidence, which says so."""
MAX_CLIPS: Final = 32
"""That are not encoded yet, with some 4 MB each; events beyond have no pictures."""


_Key = tuple[str, int | EventKind]
"""A face of a stream, or a trouble of its pictures."""


class EventRecorder:
    """Hears everything that the engine emits; keeps the last seconds of each stream, and events while they go on."""

    def __init__(self, ports: RecorderPorts) -> None:
        self.skipped = 0
        """Alerts for which no event was opened: too many at once."""
        self._ports = ports
        self._past: dict[str, PastStream] = {}
        self._open: dict[_Key, Draft] = {}
        self._ending: list[Draft] = []
        """Events that are over, until their evidence is made and saved."""
        self._observations = 0
        """That all of them hold, or a few more."""
        self._maker = EvidenceMaker(ports)

    @property
    def open_events(self) -> list[Event]:
        """Those that go on."""
        return [draft.event for draft in self._open.values()]

    def knows(self, stream_id: str) -> bool:
        """Whether the stream is there."""
        return stream_id in self._past

    def on_stream(self, info: StreamInfo) -> None:
        """A stream is new or its state changed."""
        past = self._past.get(info.stream_id)
        if past is None or past.private != info.privacy:
            self._past[info.stream_id] = PastStream(private=info.privacy)
        if past is not None and info.privacy and not past.private:
            for draft in self._of(past):
                draft.forget_pictures()
                draft.past = self._past[info.stream_id]  # the old one holds pictures
        if past is not None and info.status.state is not StreamState.LIVE:
            self._end_pictures(info.stream_id, self._ports.clock.monotonic())

    def on_removed(self, stream_id: str) -> None:
        """A stream is gone: nobody will see the end of its events."""
        self._past.pop(stream_id, None)
        for key in [key for key in self._open if key[0] == stream_id]:
            self._end(key, self._ports.clock.monotonic(), EventState.INTERRUPTED)

    def drop(self, stream_id: str) -> list[Event]:
        """Forget everything of a stream: nothing of it is stored any more. Gives the events that were at work."""
        past = self._past.get(stream_id)
        if past is not None:
            self._past[stream_id] = PastStream(private=past.private)
        dropped = [draft for draft in self._drafts() if draft.event.stream_id == stream_id]
        self._drop(dropped)
        return [draft.event for draft in dropped]

    def drop_event(self, event_id: str) -> None:
        """Store nothing more of an event."""
        self._drop([draft for draft in self._drafts() if draft.event.id == event_id])

    def on_marked(self, event: Event) -> Event:
        """An operator said what it was: the event as it is now, which may have ended since it was read."""
        told = {"mark": event.mark, "mark_note": event.mark_note, "marked_at": event.marked_at}
        for draft in self._drafts():
            if draft.event.id == event.id:
                draft.event = draft.event.model_copy(update=told)
                return draft.event
        return event

    def on_event(self, event: AnalyzerEvent) -> None:
        """One event of the engine. What still comes of a stream after its removal is ignored."""
        past = self._past.get(
            event.stream_id if isinstance(event, FrameFaces | Observed | PictureState) else event.key.stream_id
        )
        if past is None:
            return
        match event:
            case FrameFaces():
                self._on_faces(event, past)
            case Observed():
                self._on_observation(event.stream_id, past, event.observation)
            case Score():
                self._on_score(event, past)
            case Alert():
                self._on_alert(event, past)
            case PictureState():
                self._on_picture(event, past)
            case FaceEnded():
                past.forget(event.key.face_id)

    def tick(self, now_s: float) -> None:
        """Do what is due, on the clock of `received_at_s`."""
        for past in self._past.values():
            past.expire(now_s)
        for draft in self._drafts():
            if draft.due(now_s):
                self._maker.make(draft, now_s)
        self._ending = [draft for draft in self._ending if not draft.done]
        self._observations = sum(len(draft.observations) for draft in self._drafts())
        for draft in self._open.values():
            if now_s - draft.saved_at_s >= SAVE_S:
                draft.saved_at_s = now_s
                draft.event = draft.event.model_copy(update={"updated_at": draft.unix(now_s)})
                self._tell(draft)

    async def close(self) -> None:
        """End every event as interrupted, with the evidence that there is; wait for that, but not for long."""
        for key in list(self._open):
            self._end(key, self._ports.clock.monotonic(), EventState.INTERRUPTED)
        await self._maker.finish(self._ending)
        self._ending.clear()

    def _drafts(self) -> list[Draft]:
        return [*self._open.values(), *self._ending]

    def _of(self, past: PastStream) -> list[Draft]:
        return [draft for draft in self._drafts() if draft.past is past]

    def _drop(self, drafts: Sequence[Draft]) -> None:
        for draft in drafts:
            draft.dropped = True
        self._open = {key: draft for key, draft in self._open.items() if not draft.dropped}
        self._ending = [draft for draft in self._ending if not draft.dropped]

    def _on_faces(self, faces: FrameFaces, past: PastStream) -> None:
        picture = past.add(faces)
        if picture is not None:
            for draft in self._of(past):
                draft.see(picture)

    def _on_score(self, score: Score, past: PastStream) -> None:
        past.face(score.key.face_id).newest = score
        draft = self._open.get((score.key.stream_id, score.key.face_id))
        if draft is not None:
            draft.score(score)

    def _on_observation(self, stream_id: str, past: PastStream, observation: Observation) -> None:
        if observation.ended:
            return
        past.face(observation.face_id).observe(observation)
        draft = self._open.get((stream_id, observation.face_id))
        if draft is not None:
            self._observe(draft, observation)

    def _observe(self, draft: Draft, observation: Observation) -> None:
        draft.observe(observation, room=self._observations < MAX_OBSERVATIONS)
        self._observations += 1

    def _on_alert(self, alert: Alert, past: PastStream) -> None:
        key = (alert.key.stream_id, alert.key.face_id)
        if not alert.raised:
            self._end(key, alert.at_s, EventState.ENDED)
            return
        draft = self._begin(key, EventKind.MANIPULATION, alert.at_s, past)
        if draft is not None:
            face = past.face(alert.key.face_id)
            for observation in face.observations:
                self._observe(draft, observation)
            if face.newest is not None:  # it raised the alert
                draft.score(face.newest)

    def _on_picture(self, state: PictureState, past: PastStream) -> None:
        wanted = None if state.trouble is None else EventKind(state.trouble.value)
        key = (state.stream_id, wanted) if wanted is not None else None
        goes_on = self._open.get(key) if key is not None else None
        if goes_on is not None and goes_on.event.same_as == state.same_as:
            return
        self._end_pictures(state.stream_id, state.since_s)
        if key is not None and wanted is not None:
            self._begin(key, wanted, state.since_s, past, state.same_as)

    def _end_pictures(self, stream_id: str, at_s: float) -> None:
        """Whatever was wrong with its pictures as a whole is over, or cannot be seen any more."""
        for key in [key for key in self._open if key[0] == stream_id and isinstance(key[1], EventKind)]:
            self._end(key, at_s, EventState.ENDED)

    def _begin(
        self, key: _Key, kind: EventKind, at_s: float, past: PastStream, same_as: str | None = None
    ) -> Draft | None:
        stream_id = key[0]
        info = self._ports.describe(stream_id)
        if info is None:
            return None
        drafts = self._drafts()
        if len(drafts) >= MAX_OPEN:
            self.skipped += 1
            logger.warning("an alert of %s has no event: %d go on already", stream_id, len(drafts))
            return None
        busy = sum(bool(draft.clip) for draft in drafts) >= MAX_CLIPS
        notes = (TOO_MANY,) if busy and not info.privacy else ()
        distance_s = self._ports.clock.unix(0.0)
        event = self._event(info, kind, key[1], round(distance_s + at_s, 6))
        event = event.model_copy(update={"same_as": same_as, "notes": notes})
        # from now on, for the trouble of a picture began long before it was told
        now_s = self._ports.clock.monotonic()
        pictures = not busy and not info.privacy
        draft = Draft(event, past, distance_s, now_s + AFTER_S, pictures=pictures, saved_at_s=now_s)
        draft.begin(at_s)
        self._open[key] = draft
        self._tell(draft)
        return draft

    def _event(self, info: StreamInfo, kind: EventKind, face: int | EventKind, at: float) -> Event:
        who, rules = self._ports.identity(), info.sensitivity.rules
        return Event(
            id=new_event_id(at),
            stream_id=info.stream_id,
            kind=kind,
            state=EventState.OPEN,
            face_id=face if isinstance(face, int) else None,
            started_at=at,
            updated_at=at,
            rules=None
            if kind is not EventKind.MANIPULATION
            else Rules(
                sensitivity=info.sensitivity,
                alert_above=rules.alert_above,
                alert_evidence=rules.alert_evidence,
                clear_below=rules.clear_below,
            ),
            source_kind=info.kind,
            source_url=info.url,
            model=who.model,
            weights_sha256=who.weights_sha256,
            version=who.version,
            private=info.privacy,
        )

    def _end(self, key: _Key, at_s: float, state: EventState) -> None:
        draft = self._open.pop(key, None)
        if draft is None:
            return
        # what is wrong with a picture next may be known to have begun before this was
        at = max(draft.unix(at_s), draft.event.started_at)
        draft.event = draft.event.model_copy(update={"state": state, "updated_at": at, "ended_at": at})
        # a clip that is not whole yet waits for a moment longer, no more
        draft.clip_until_s = min(draft.clip_until_s, self._ports.clock.monotonic() + TAIL_S)
        draft.built = False
        self._ending.append(draft)
        self._tell(draft)

    def _tell(self, draft: Draft) -> None:
        self._ports.save(draft.event, None, frozenset())
        self._ports.publish(draft.event)
