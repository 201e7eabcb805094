from __future__ import annotations

from dataclasses import replace

from stream_server.live.clock import WallClock
from stream_server.live.history import ScoreHistory
from stream_server.live.messages import ScoreMessage, score_message
from tests.fakes import an_evidence
from tests.stream_server.messages_of import a_score

CLOCK = WallClock(monotonic=lambda: 0.0, wall=lambda: 0.0)


def score(at_s: float, stream_id: str = "door") -> ScoreMessage:
    return score_message(a_score(at_s=at_s, stream_id=stream_id), 0.5, CLOCK)


def test_scores_come_back_oldest_first_and_by_stream() -> None:
    history = ScoreHistory()
    for at_s in (1.0, 2.0, 3.0):
        history.add(score(at_s))
        history.add(score(at_s + 10, "yard"))
    assert [s.face_at for s in history.of("door", 3.0)] == [1.0, 2.0, 3.0]
    assert history.of("nowhere", 3.0) == []


def test_evidence_is_not_kept_for_it_would_double_the_memory() -> None:
    history = ScoreHistory()
    message = score_message(replace(a_score(), evidence=an_evidence()), 0.5, CLOCK)
    assert message.evidence is not None
    history.add(message)
    assert [kept.evidence for kept in history.of("door", 10.0)] == [None]


def test_scores_older_than_five_minutes_go() -> None:
    history = ScoreHistory()
    history.add(score(0.0))
    history.add(score(200.0))
    assert len(history.of("door", 300.0)) == 2
    assert [s.face_at for s in history.of("door", 301.0)] == [200.0]
    assert history.of("door", 501.0) == []


def test_no_stream_holds_more_than_its_bound() -> None:
    history = ScoreHistory(max_per_stream=10)
    for index in range(1000):
        history.add(score(index / 1000))
    assert len(history.of("door", 1.0)) == 10


def test_a_removed_stream_is_forgotten() -> None:
    history = ScoreHistory()
    history.add(score(1.0))
    history.forget("door")
    history.forget("door")
    assert history.of("door", 1.0) == []
