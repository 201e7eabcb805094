"""Opens an event with each alert, gathers what it rests on, and hands both on. Event loop only."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace
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
from stream_server.clock import WallClock
from stream_server.events import Event, EventKind, EventState, Part, Rules, new_event_id
from stream_server.recording.draft import AFTER_S, TAIL_S, Draft
from stream_server.recording.evidence_parts import CLIP, make_parts
from stream_server.recording.past import PastStream
from stream_server.sources.base import StreamState
from stream_server.store.rows import part_info
from stream_server.streams import StreamInfo

logger = logging.getLogger(__name__)

TICK_S: Final = 0.5
"""Between two looks at what is due."""
SAVE_S: Final = 10.0
"""An event that goes on is saved anew this often: a killed monitor still knows about when it ended."""
CLOSE_S: Final = 5.0
"""How long the evidence of what goes on may take at the end."""
MAX_OPEN: Final = 200
"""Events at once, with some 0.4 MB each; what is beyond is counted, and told as an alert all the same."""
MAX_CLIPS: Final = 32
"""That are not encoded yet, with some 4 MB each; events beyond have no pictures."""
NOT_MADE: Final = "no evidence: it could not be made"
TOO_MANY: Final = "no pictures: too many alerts at once"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who says so."""

    model: str
    weights_sha256: str | None
    version: str


@dataclass(frozen=True, slots=True)
class RecorderPorts:
    """What the recorder needs of the others."""

    clock: WallClock
    describe: Callable[[str], StreamInfo | None]
    """Of a stream that is there."""
    identity: Callable[[], Identity]
    save: Callable[[Event, Sequence[Part] | None, frozenset[str]], None]
    """Without parts those that were saved before stay; with them, those that are named. Must not block."""
    publish: Callable[[Event], None]
    executor: Executor
    """Where evidence is made, one at a time, in order."""


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
        self._jobs: set[asyncio.Task[None]] = set()

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
        if past is not None and info.status.state is not StreamState.LIVE:
            self._end_pictures(info.stream_id, self._ports.clock.now())

    def on_removed(self, stream_id: str) -> None:
        """A stream is gone: nobody will see the end of its events."""
        self._past.pop(stream_id, None)
        for key in [key for key in self._open if key[0] == stream_id]:
            self._end(key, self._ports.clock.now(), EventState.INTERRUPTED)

    def drop(self, stream_id: str) -> None:
        """Forget everything of a stream, events that go on included: nothing of it is stored any more."""
        past = self._past.get(stream_id)
        if past is not None:
            self._past[stream_id] = PastStream(private=past.private)
        self._drop([draft for draft in self._drafts() if draft.event.stream_id == stream_id])

    def drop_event(self, event_id: str) -> None:
        """Store nothing more of an event."""
        self._drop([draft for draft in self._drafts() if draft.event.id == event_id])

    def on_marked(self, event: Event) -> None:
        """An operator said what it was."""
        told = {"mark": event.mark, "mark_note": event.mark_note, "marked_at": event.marked_at}
        for draft in self._drafts():
            if draft.event.id == event.id:
                draft.event = draft.event.model_copy(update=told)

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
            if not draft.built and now_s >= draft.clip_until_s:
                self._build(draft)
        self._ending = [draft for draft in self._ending if not draft.built or draft.jobs]
        for draft in self._open.values():
            if now_s - draft.saved_at_s >= SAVE_S:
                draft.saved_at_s = now_s
                at = max(self._ports.clock.unix(now_s), draft.event.started_at)
                draft.event = draft.event.model_copy(update={"updated_at": at})
                self._tell(draft)

    async def close(self) -> None:
        """End every event as interrupted, with the evidence that there is; wait for that, but not for long."""
        for key in list(self._open):
            self._end(key, self._ports.clock.now(), EventState.INTERRUPTED)
        for draft in self._ending:
            if not draft.built:
                self._build(draft)
        if self._jobs:
            _, late = await asyncio.wait(self._jobs, timeout=CLOSE_S)
            if late:
                logger.warning("the evidence of %d events was not made in time", len(late))
            for job in late:
                job.cancel()
            await asyncio.gather(*late, return_exceptions=True)
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
        picture = past.add(faces, self._ports.clock.unix(faces.received_at_s))
        if picture is not None:
            for draft in self._of(past):
                draft.see(picture)

    def _on_score(self, score: Score, past: PastStream) -> None:
        past.face(score.key.face_id).newest = score
        draft = self._open.get((score.key.stream_id, score.key.face_id))
        if draft is not None:
            draft.score(score, self._ports.clock.unix(score.received_at_s))

    def _on_observation(self, stream_id: str, past: PastStream, observation: Observation) -> None:
        if observation.ended:
            return
        past.face(observation.face_id).observe(observation)
        draft = self._open.get((stream_id, observation.face_id))
        if draft is not None:
            draft.observe(self._dated(observation))

    def _dated(self, observation: Observation) -> Observation:
        return replace(observation, at_s=self._ports.clock.unix(observation.at_s))

    def _on_alert(self, alert: Alert, past: PastStream) -> None:
        key = (alert.key.stream_id, alert.key.face_id)
        if not alert.raised:
            self._end(key, self._ports.clock.unix(alert.at_s), EventState.ENDED)
            return
        draft = self._begin(key, EventKind.MANIPULATION, alert.at_s, past)
        if draft is not None:
            face = past.face(alert.key.face_id)
            for observation in face.observations:
                draft.observe(self._dated(observation))
            if face.newest is not None:  # it raised the alert
                draft.score(face.newest, self._ports.clock.unix(face.newest.received_at_s))

    def _on_picture(self, state: PictureState, past: PastStream) -> None:
        wanted = None if state.trouble is None else EventKind(state.trouble.value)
        key = (state.stream_id, wanted) if wanted is not None else None
        goes_on = self._open.get(key) if key is not None else None
        if goes_on is not None and goes_on.event.same_as == state.same_as:
            return
        self._end_pictures(state.stream_id, self._ports.clock.unix(state.since_s))
        if key is not None and wanted is not None:
            self._begin(key, wanted, state.since_s, past, state.same_as)

    def _end_pictures(self, stream_id: str, at: float) -> None:
        """Whatever was wrong with its pictures as a whole is over, or cannot be seen any more."""
        for key in [key for key in self._open if key[0] == stream_id and isinstance(key[1], EventKind)]:
            self._end(key, at, EventState.ENDED)

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
        event = self._event(info, kind, key[1], self._ports.clock.unix(at_s))
        event = event.model_copy(update={"same_as": same_as, "notes": notes})
        # from now on, for the trouble of a picture began long before it was told
        now_s = self._ports.clock.monotonic()
        draft = Draft(event, past, now_s + AFTER_S, pictures=not busy and not info.privacy, saved_at_s=now_s)
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

    def _end(self, key: _Key, at: float, state: EventState) -> None:
        draft = self._open.pop(key, None)
        if draft is None:
            return
        at = max(at, draft.event.started_at)  # the wall clock may have been set back
        draft.event = draft.event.model_copy(update={"state": state, "updated_at": at, "ended_at": at})
        # a clip that is not whole yet waits for a moment longer, no more
        draft.clip_until_s = min(draft.clip_until_s, self._ports.clock.monotonic() + TAIL_S)
        draft.built = False
        self._ending.append(draft)
        self._tell(draft)

    def _tell(self, draft: Draft) -> None:
        self._ports.save(draft.event, None, frozenset())
        self._ports.publish(draft.event)

    def _build(self, draft: Draft) -> None:
        draft.built = True
        draft.jobs += 1
        job = asyncio.get_running_loop().create_task(self._make(draft), name=f"evidence-{draft.event.id}")
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)

    async def _make(self, draft: Draft) -> None:
        material = draft.material()
        parts: tuple[Part, ...] | None = None
        notes: tuple[str, ...] = (NOT_MADE,)
        try:
            parts, notes = await asyncio.get_running_loop().run_in_executor(self._ports.executor, make_parts, material)
        except Exception:
            logger.exception("no evidence could be made for %s", draft.event.id)
        finally:
            draft.jobs -= 1
        if draft.dropped:
            return
        if draft.event.private and not material.event.private:
            draft.built = False  # pictures that were made must not be kept: once more, without them
            return
        self._save(draft, parts, notes)

    def _save(self, draft: Draft, parts: tuple[Part, ...] | None, notes: tuple[str, ...]) -> None:
        infos = [part_info(part) for part in parts or ()]
        stays = frozenset() if draft.clip_info is None else frozenset({draft.clip_info.name})
        if draft.clip_info is not None:
            infos.append(draft.clip_info)
        else:
            draft.clip_info = next((info for info in infos if info.name == CLIP), None)
        draft.clip.clear()
        kept = tuple(note for note in draft.event.notes if note == TOO_MANY)
        draft.event = draft.event.model_copy(update={"notes": (*kept, *notes), "parts": tuple(infos)})
        self._ports.save(draft.event, parts, stays)
        self._ports.publish(draft.event)
