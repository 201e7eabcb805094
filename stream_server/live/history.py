"""The scores of the last minutes, per face: what a chart shows to someone who has just come. Event loop only."""

from __future__ import annotations

from collections import deque
from typing import Final

from stream_server.live.messages import ScoreMessage

KEPT_S: Final = 300.0
"""Five minutes, by the time of the face."""

MAX_PER_STREAM: Final = 20_000
"""Points kept per stream: 5 minutes of 5 faces at 12/s, or of 11 at 6/s; beyond that the oldest go."""


class ScoreHistory:
    """The newest scores of each stream, oldest first, bounded in time and number, without their evidence."""

    def __init__(self, kept_s: float = KEPT_S, max_per_stream: int = MAX_PER_STREAM) -> None:
        self._kept_s = kept_s
        self._max_per_stream = max_per_stream
        self._scores: dict[str, deque[ScoreMessage]] = {}

    def add(self, score: ScoreMessage) -> None:
        """Keep one more score."""
        scores = self._scores.setdefault(score.stream_id, deque(maxlen=self._max_per_stream))
        # evidence is as large as all the rest, and a chart has no use for it
        scores.append(score.model_copy(update={"evidence": None}))
        self._expire(scores, score.face_at)

    def of(self, stream_id: str, now: float) -> list[ScoreMessage]:
        """The scores of a stream that are not too old at `now` (Unix seconds); empty for an unknown one."""
        scores = self._scores.get(stream_id, deque())
        self._expire(scores, now)
        return list(scores)

    def forget(self, stream_id: str) -> None:
        """Drop everything of a stream that was removed."""
        self._scores.pop(stream_id, None)

    def _expire(self, scores: deque[ScoreMessage], now: float) -> None:
        while scores and scores[0].face_at < now - self._kept_s:
            scores.popleft()
