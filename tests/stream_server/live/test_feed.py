from __future__ import annotations

import json
from typing import Any

import pytest

from analyzer.datatypes import Alert, FaceEnded, FaceKey, FrameFaces, Score, Verdict
from stream_server.live.clock import WallClock
from stream_server.live.feed import Feed
from stream_server.live.history import ScoreHistory
from stream_server.live.hub import Hub
from stream_server.live.messages import StatsMessage, read_view_payload
from stream_server.streams.sources.base import StreamState
from tests.stream_server.live.test_hub import greet
from tests.stream_server.messages_of import FIT, UNFIT, a_score, a_stream, a_verdict, an_alert, some_faces

CLOCK = WallClock(monotonic=lambda: 100.0, wall=lambda: 1_000_100.0)


class Desk:
    """A feed and everything that it fills."""

    def __init__(self) -> None:
        self.hub = Hub(greet, lambda _stream, _watched: None)
        self.history = ScoreHistory()
        self.feed = Feed(self.hub, self.history, CLOCK)
        self.client = self.hub.subscribe()

    async def sent(self) -> list[dict[str, Any]]:
        messages = []
        self.hub.publish(_MARK)
        while (message := json.loads(await anext(self.client)))["type"] != "stats":
            messages.append(message)
        return messages


_MARK = StatsMessage(
    at=0.0, device="", model="", status="ok", streams=0, viewers=0, scores_total=0, scores_per_s=0.0,
    latency_ms=None, storage=None, notifications=None, dropped={}, queues={},
)  # fmt: skip


async def a_desk(*stream_ids: str) -> Desk:
    desk = Desk()
    await anext(desk.client)
    for stream_id in stream_ids:
        desk.feed.on_stream(a_stream(stream_id))
    await desk.sent()
    return desk


async def test_every_event_becomes_its_message() -> None:
    desk = await a_desk("door")
    ended = FaceEnded(FaceKey("door", 1))
    events: list[FrameFaces | Score | Verdict | Alert | FaceEnded] = [
        some_faces((1, FIT)),
        a_score(),
        a_verdict(),
        an_alert(),
        ended,
    ]
    for event in events:
        desk.feed.on_event(event)
    assert [m["type"] for m in await desk.sent()] == ["faces", "score", "verdict", "alert", "face_ended"]


async def test_a_picture_goes_to_those_who_watch_with_the_boxes_of_that_frame() -> None:
    desk = await a_desk("door")
    view = desk.hub.subscribe_view("door")
    desk.feed.on_event(some_faces((1, FIT), jpeg=b"\xff\xd8"))
    faces, jpeg = read_view_payload(await anext(view))
    assert (faces.frame_index, [f.face_id for f in faces.faces], jpeg) == (5, [1], b"\xff\xd8")


async def stream_scores(desk: Desk) -> list[float]:
    return [m["stream_fake_probability"] for m in await desk.sent() if m["type"] == "score"]


async def test_a_streams_score_is_that_of_its_most_suspicious_face() -> None:
    desk = await a_desk("door", "yard")
    desk.feed.on_event(a_score(1, 0.9))
    desk.feed.on_event(a_score(2, 0.2))
    desk.feed.on_event(a_score(7, 0.3, stream_id="yard"))
    assert await stream_scores(desk) == [0.9, 0.9, 0.3]


@pytest.mark.parametrize("why", ["unfit", "ended", "old", "other generation"])
async def test_a_face_that_is_not_judged_any_more_does_not_count(why: str) -> None:
    desk = await a_desk("door")
    desk.feed.on_event(a_score(1, 0.9, at_s=10.0))
    if why == "unfit":
        desk.feed.on_event(some_faces((1, UNFIT), (2, FIT)))
    elif why == "ended":
        desk.feed.on_event(FaceEnded(FaceKey("door", 1)))
    at_s = 13.0 if why == "old" else 10.1
    desk.feed.on_event(a_score(2, 0.2, at_s=at_s, generation=2 if why == "other generation" else 1))
    assert await stream_scores(desk) == [0.9, 0.2]


async def test_scores_are_kept_for_the_chart_until_the_stream_is_removed() -> None:
    desk = await a_desk("door")
    desk.feed.on_event(a_score(1, 0.9))
    assert [s.fake_probability for s in desk.history.of("door", CLOCK.now())] == [0.9]
    desk.feed.on_removed("door")
    assert desk.history.of("door", CLOCK.now()) == []


async def test_a_removal_is_told_once_with_the_last_known_state() -> None:
    desk = await a_desk("door")
    desk.feed.on_stream(a_stream("door", StreamState.LOST))
    desk.feed.on_removed("door")
    desk.feed.on_removed("door")
    assert [(m["state"], m["kind"], m["url"]) for m in await desk.sent()] == [
        ("lost", "rtsp", "rtsp://u:***@h/x"),
        ("removed", "rtsp", "rtsp://u:***@h/x"),
    ]


async def test_what_still_comes_of_a_removed_stream_is_ignored() -> None:
    desk = await a_desk("door")
    desk.feed.on_removed("door")
    await desk.sent()
    for event in (some_faces((1, FIT)), a_score(), a_verdict(), FaceEnded(FaceKey("door", 1))):
        desk.feed.on_event(event)
    assert await desk.sent() == []
    assert desk.hub.hello().scores == ()
