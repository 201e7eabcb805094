"""From the analyzer's events to messages: what happens on the loop's side of the hand-over. Event loop only."""

from __future__ import annotations

from typing import Final

from analyzer.datatypes import Alert, FaceEnded, FrameFaces, Score, Verdict
from stream_server.live.clock import WallClock
from stream_server.live.history import ScoreHistory
from stream_server.live.hub import Hub
from stream_server.live.messages import (
    StreamMessage,
    faces_message,
    score_message,
    stream_message,
    to_message,
    view_payload,
)
from stream_server.streams.stream import StreamInfo

SCORE_COUNTS_FOR_S: Final = 2.0
"""A face's last score counts for its stream this long: several face intervals even at the lowest rate of 2/s."""


class Feed:
    """Publishes each event as its message, and keeps what a message needs from earlier ones.

    A stream's `fake_probability` is that of its most suspicious face that is fit to be judged: the newest score of each
    face that was fit in the newest frame, not older than `SCORE_COUNTS_FOR_S`.
    """

    def __init__(self, hub: Hub, history: ScoreHistory, clock: WallClock) -> None:
        self._hub = hub
        self._history = history
        self._clock = clock
        self._newest: dict[str, dict[int, Score]] = {}
        self._unfit: dict[str, frozenset[int]] = {}
        self._known: dict[str, StreamMessage] = {}

    def on_event(self, event: FrameFaces | Score | Verdict | Alert | FaceEnded) -> None:
        """One event of the engine about faces. What still comes of a stream after its removal is ignored."""
        stream_id = event.stream_id if isinstance(event, FrameFaces) else event.key.stream_id
        if stream_id not in self._known:
            return
        match event:
            case FrameFaces():
                self._on_faces(event)
            case Score():
                self._on_score(event)
            case FaceEnded():
                self._newest.get(stream_id, {}).pop(event.key.face_id, None)
                self._hub.publish(to_message(event, self._clock))
            case _:
                self._hub.publish(to_message(event, self._clock))

    def on_stream(self, info: StreamInfo) -> None:
        """A stream is new or its state changed."""
        message = stream_message(info, self._clock.now())
        self._known[info.stream_id] = message
        self._hub.publish(message)

    def on_removed(self, stream_id: str) -> None:
        """A stream is gone for good."""
        message = self._known.pop(stream_id, None)
        self._newest.pop(stream_id, None)
        self._unfit.pop(stream_id, None)
        self._history.forget(stream_id)
        if message is not None:
            self._hub.publish(message.model_copy(update={"state": "removed", "at": self._clock.now()}))

    def _on_faces(self, event: FrameFaces) -> None:
        self._unfit[event.stream_id] = frozenset(c.key.face_id for c in event.crops if not c.quality.fit)
        message = faces_message(event, self._clock)
        self._hub.publish(message)
        if event.jpeg is not None:
            self._hub.publish_view(event.stream_id, view_payload(message, event.jpeg))

    def _on_score(self, score: Score) -> None:
        scores = self._newest.setdefault(score.key.stream_id, {})
        scores[score.key.face_id] = score
        message = score_message(score, self._of_stream(score), self._clock)
        self._history.add(message)
        self._hub.publish(message)

    def _of_stream(self, newest: Score) -> float:
        unfit = self._unfit.get(newest.key.stream_id, frozenset())
        return max(
            score.fake_probability
            for face_id, score in self._newest[newest.key.stream_id].items()
            if score is newest
            or (
                face_id not in unfit
                and score.generation == newest.generation
                and newest.received_at_s - score.received_at_s <= SCORE_COUNTS_FOR_S
            )
        )
