"""One event in the making: what is gathered while it goes on, and what evidence is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from analyzer.datatypes import Evidence, Observation, Score
from stream_server.events import Event, EventState, PartInfo
from stream_server.recording.past import PastPicture, PastStream, nearest

AFTER_S: Final = 8.0
"""The clip goes on for so long after the alert, ..."""
TAIL_S: Final = 2.0
"""... or for so long after its end, whichever comes first."""
MAX_OBSERVATIONS: Final = 20_000
"""Of one event, 2 MB: 55 minutes at 6 a second."""


@dataclass(frozen=True, slots=True)
class Material:
    """What the evidence of one event is made of, as of one moment; nobody changes it any more."""

    event: Event
    observations: tuple[Observation, ...]
    """With Unix seconds."""
    peak_faces: tuple[bytes | None, ...]
    """JPEGs of the sixteen faces of the highest window, oldest first; empty without any."""
    peak_evidence: Evidence | None
    start: PastPicture | None
    peak: PastPicture | None
    end: PastPicture | None
    clip: tuple[PastPicture, ...]
    clip_known: bool
    """The clip was encoded and saved before."""


@dataclass(slots=True, eq=False)
class Draft:
    """An event from its alert until its evidence is whole. Event loop only."""

    event: Event
    past: PastStream
    """Of its stream; one that is added later under the same name has another."""
    clip_until_s: float
    """Monotonic seconds."""
    pictures: bool
    """Whether any are kept of it."""
    observations: list[Observation] = field(default_factory=list)
    """With Unix seconds."""
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
    jobs: int = 0
    """That are being made now."""
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

    def forget_pictures(self) -> None:
        """From now on none are kept of its stream."""
        self.pictures = False
        self.peak_faces, self.peak_evidence = (), None
        self.start_picture = self.peak_picture = self.newest_picture = None
        self.clip.clear()
        self.clip_info = None
        self.built = False  # what was saved is made anew, without them
        self.event = self.event.model_copy(update={"private": True})

    def see(self, picture: PastPicture) -> None:
        """One more picture of its stream."""
        if not self.pictures:
            return
        if not self.over:
            self.newest_picture = picture
            self.start_picture = self.start_picture or picture
        if self.clip_info is None and not self.built and picture.at_s <= self.clip_until_s:
            self.clip.append(picture)

    def observe(self, observation: Observation) -> None:
        """One more observation of its face, with Unix seconds."""
        if len(self.observations) < MAX_OBSERVATIONS:
            self.observations.append(observation)

    def score(self, score: Score, at: float) -> None:
        """One more score of its face; `at` in Unix seconds."""
        scores = self.event.scores + 1
        if score.logit <= self.peak_logit:
            self.event = self.event.model_copy(update={"scores": scores})
            return
        self.peak_logit = score.logit
        self.peak_evidence = score.evidence
        peak = {"peak_at": at, "peak_probability": score.fake_probability}
        self.event = self.event.model_copy(update={"scores": scores, **peak})
        if self.pictures:
            face = self.past.face(score.key.face_id)
            self.peak_faces = face.pictures(tuple(face.window))
            self.peak_picture = nearest(self.past.pictures, score.received_at_s) or self.peak_picture

    def material(self) -> Material:
        """What there is now."""
        return Material(
            event=self.event,
            observations=tuple(self.observations),
            peak_faces=self.peak_faces,
            peak_evidence=self.peak_evidence,
            start=self.start_picture,
            peak=self.peak_picture,
            end=self.newest_picture if self.over else None,
            clip=tuple(self.clip),
            clip_known=self.clip_info is not None,
        )
