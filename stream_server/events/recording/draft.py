"""One event in the making: what is gathered while it goes on, and what evidence is made of."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Final

from analyzer.datatypes import Evidence, Observation, Score
from stream_server.event import Event, EventState, PartInfo
from stream_server.events.recording.past import PastPicture, PastStream, nearest

AFTER_S: Final = 8.0
"""The clip goes on for so long after the alert, ..."""
TAIL_S: Final = 2.0
"""... or for so long after its end, whichever comes first."""
AGAIN_S: Final = 60.0
"""Of an event that goes on, evidence is made anew this often at most, and only when there is a new highest score."""
MAX_OBSERVATIONS: Final = 20_000
"""Of one event, 3 MB: 55 minutes at 6 a second."""


@dataclass(frozen=True, slots=True)
class Material:
    """What the evidence of one event is made of, as of one moment; nobody changes it any more."""

    event: Event
    at: float
    """Unix seconds; nothing later is in it."""
    distance_s: float
    """Unix seconds minus those of `received_at_s`, for everything of it."""
    observations: tuple[Observation, ...]
    """With Unix seconds."""
    cut: bool
    """Observations that came later were not kept."""
    peak_faces: tuple[bytes | None, ...]
    """JPEGs of the sixteen faces of the highest window, oldest first; empty without any."""
    peak_evidence: Evidence | None
    start: PastPicture | None
    peak: PastPicture | None
    end: PastPicture | None
    clip: tuple[PastPicture, ...]
    clip_known: bool
    """The clip was encoded and saved before."""

    def unix(self, at_s: float) -> float:
        """A time on the clock of `received_at_s` in Unix seconds."""
        return round(self.distance_s + at_s, 6)


@dataclass(slots=True, eq=False)
class Draft:
    """An event from its alert until its evidence is whole. Event loop only.

    Everything of it is dated by the wall clock as it was at its beginning: if that is set meanwhile, the order of its
    scores and the time between them must not change.
    """

    event: Event
    past: PastStream
    """Of its stream; one that is added later under the same name has another."""
    distance_s: float
    """Unix seconds minus those of `received_at_s`, at its beginning."""
    clip_until_s: float
    """Monotonic seconds."""
    pictures: bool
    """Whether any are kept of it."""
    observations: list[Observation] = field(default_factory=list)
    """With Unix seconds."""
    cut: bool = False
    """There was no room for more of them."""
    peak_logit: float = float("-inf")
    peak_faces: tuple[bytes | None, ...] = ()
    peak_evidence: Evidence | None = None
    start_picture: PastPicture | None = None
    peak_picture: PastPicture | None = None
    newest_picture: PastPicture | None = None
    clip: list[PastPicture] = field(default_factory=list)
    clip_info: PartInfo | None = None
    """Once it was encoded and saved."""
    built: bool = False
    """Evidence of what there is was made, or is being made."""
    built_at_s: float = 0.0
    built_peak: float = float("-inf")
    """The highest logit that was in it."""
    job: asyncio.Task[None] | None = None
    """That makes evidence, or made it last: one at a time, for two would both save the clip."""
    saved_at_s: float = 0.0
    dropped: bool = False
    """Nothing of it is stored any more, by an operator's hand."""

    def begin(self, at_s: float) -> None:
        """Take the pictures from before it; `at_s`: its start on the clock of `received_at_s`."""
        if self.pictures:
            self.clip = list(self.past.pictures)
            self.start_picture = self.newest_picture = nearest(self.clip, at_s)

    @property
    def over(self) -> bool:
        return self.event.state is not EventState.OPEN

    @property
    def making(self) -> bool:
        """Evidence is being made now."""
        return self.job is not None and not self.job.done()

    @property
    def done(self) -> bool:
        """Nothing is to be made of it, as far as is known now."""
        return self.dropped or (self.built and not self.making)

    def due(self, now_s: float) -> bool:
        """Whether evidence is to be made now, for the first time or anew."""
        if self.making:
            return False
        if not self.built:
            return now_s >= self.clip_until_s
        return not self.over and self.peak_logit > self.built_peak and now_s >= self.built_at_s + AGAIN_S

    def unix(self, at_s: float) -> float:
        """A time on the clock of `received_at_s` in Unix seconds."""
        return round(self.distance_s + at_s, 6)

    def forget_pictures(self) -> None:
        """From now on none are kept of its stream."""
        self.pictures = False
        self.peak_faces, self.peak_evidence = (), None
        self.start_picture = self.peak_picture = self.newest_picture = None
        self.clip.clear()
        self.clip_info = None
        self.built = False  # what was saved is made anew, without them
        self.event = self.event.model_copy(update={"private": True, "notes": ()})

    def see(self, picture: PastPicture) -> None:
        """One more picture of its stream."""
        if not self.pictures:
            return
        if not self.over:
            self.newest_picture = picture
            self.start_picture = self.start_picture or picture
        if self.clip_info is None and not self.built and picture.at_s <= self.clip_until_s:
            self.clip.append(picture)

    def observe(self, observation: Observation, *, room: bool = True) -> None:
        """One more observation of its face; `room`: whether there is any for it beside those of other events."""
        if room and len(self.observations) < MAX_OBSERVATIONS:
            self.observations.append(replace(observation, at_s=self.unix(observation.at_s)))
        else:
            self.cut = True

    def score(self, score: Score) -> None:
        """One more score of its face."""
        scores = self.event.scores + 1
        if score.logit <= self.peak_logit:
            self.event = self.event.model_copy(update={"scores": scores})
            return
        self.peak_logit = score.logit
        self.peak_evidence = score.evidence
        peak = {"peak_at": self.unix(score.received_at_s), "peak_probability": score.fake_probability}
        self.event = self.event.model_copy(update={"scores": scores, **peak})
        if self.pictures:
            face = self.past.face(score.key.face_id)
            self.peak_faces = face.pictures(tuple(face.window))
            self.peak_picture = nearest(self.past.pictures, score.received_at_s) or self.peak_picture

    def build(self, now_s: float) -> Material:
        """What there is now, of which evidence is made from here on."""
        self.built = True
        self.built_at_s, self.built_peak = now_s, self.peak_logit
        return Material(
            event=self.event,
            at=self.unix(now_s),
            distance_s=self.distance_s,
            observations=tuple(self.observations),
            cut=self.cut,
            peak_faces=self.peak_faces,
            peak_evidence=self.peak_evidence,
            start=self.start_picture,
            peak=self.peak_picture,
            end=self.newest_picture if self.over else None,
            clip=tuple(self.clip),
            clip_known=self.clip_info is not None,
        )
