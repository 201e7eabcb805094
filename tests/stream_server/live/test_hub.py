from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from analyzer.datatypes import FaceEnded, FaceKey
from stream_server.live.clock import WallClock
from stream_server.live.hub import MAX_PAST_ALERTS, Hub, Snapshot, Subscription, ViewSubscription
from stream_server.live.messages import (
    HelloMessage,
    Message,
    PongMessage,
    ServerIdentity,
    UploadMessage,
    faces_message,
    score_message,
    stream_message,
    to_message,
)
from stream_server.streams.sources.base import StreamState
from tests.stream_server.messages_of import FIT, a_score, a_stream, a_verdict, an_alert, some_faces

CLOCK = WallClock(monotonic=lambda: 100.0, wall=lambda: 1_000_100.0)


def greet(snapshot: Snapshot) -> HelloMessage:
    return HelloMessage(
        server=ServerIdentity(name="test", version="0"), at=1.0, device="cpu", model="m",
        streams=tuple(snapshot.streams.values()), faces=tuple(snapshot.faces.values()),
        scores=tuple(snapshot.scores.values()), verdicts=tuple(snapshot.verdicts.values()),
        alerts=tuple(snapshot.alerts.values()), stats=snapshot.stats,
    )  # fmt: skip


class Watches:
    def __init__(self) -> None:
        self.calls: list[tuple[str, bool]] = []

    def __call__(self, stream_id: str, watched: bool) -> None:
        self.calls.append((stream_id, watched))


def a_hub(client_queue: int = 16) -> Hub:
    return Hub(greet, Watches(), client_queue)


def score(p: float, face_id: int = 1, stream_id: str = "door") -> Message:
    return score_message(a_score(face_id, p, stream_id=stream_id), p, CLOCK)


def stream(state: StreamState = StreamState.LIVE, stream_id: str = "door") -> Message:
    return stream_message(a_stream(stream_id, state), 1.0)


def removed(stream_id: str = "door") -> Message:
    return stream_message(a_stream(stream_id), 1.0).model_copy(update={"state": "removed"})


def verdict(face_id: int = 1) -> Message:
    return to_message(a_verdict(face_id), CLOCK)


async def read(subscription: Subscription, count: int) -> list[dict[str, Any]]:
    async with asyncio.timeout(5):
        return [json.loads(await anext(subscription)) for _ in range(count)]


async def test_the_first_message_is_a_snapshot_of_everything() -> None:
    hub = a_hub()
    faces = faces_message(some_faces((1, FIT)), CLOCK)
    for message in (stream(), faces, score(0.1), score(0.3), verdict(), to_message(an_alert(), CLOCK)):
        hub.publish(message)
    (hello,) = await read(hub.subscribe(), 1)
    assert hello["type"] == "hello"
    assert [s["stream_id"] for s in hello["streams"]] == ["door"]
    assert [s["fake_probability"] for s in hello["scores"]] == [0.3]
    assert len(hello["faces"]) == len(hello["verdicts"]) == len(hello["alerts"]) == 1


async def test_messages_come_to_every_client_in_order() -> None:
    hub = a_hub()
    clients = [hub.subscribe(), hub.subscribe()]
    for client in clients:
        await read(client, 1)
    for p in (0.1, 0.2, 0.3):
        hub.publish(score(p))
    for client in clients:
        assert [m["fake_probability"] for m in await read(client, 3)] == [0.1, 0.2, 0.3]


async def test_what_is_published_before_the_hello_is_read_comes_once() -> None:
    hub = a_hub()
    client = hub.subscribe()
    hub.publish(stream())
    hub.publish(score(0.1))
    (hello,) = await read(client, 1)
    assert len(hello["streams"]) == len(hello["scores"]) == 1
    hub.publish(score(0.2))
    assert [m["fake_probability"] for m in await read(client, 1)] == [0.2]


async def test_a_slow_client_loses_its_oldest_scores_and_keeps_every_state() -> None:
    hub = a_hub(client_queue=4)
    slow = hub.subscribe()
    await read(slow, 1)
    hub.publish(stream())
    hub.publish(verdict())
    for p in (0.1, 0.2, 0.3, 0.4, 0.5):
        hub.publish(score(p))
    got = await read(slow, 4)
    assert [m["type"] for m in got] == ["stream", "verdict", "score", "score"]
    assert [m["fake_probability"] for m in got[2:]] == [0.4, 0.5]
    assert slow.dropped == hub.dropped_messages == 3


async def test_a_client_that_missed_states_gets_a_fresh_snapshot_instead() -> None:
    hub = a_hub(client_queue=4)
    slow = hub.subscribe()
    await read(slow, 1)
    for face_id in range(1, 7):
        hub.publish(verdict(face_id))
    hub.publish(score(0.9, face_id=6))
    (hello,) = await read(slow, 1)
    assert hello["type"] == "hello"
    assert {v["face_id"] for v in hello["verdicts"]} == {1, 2, 3, 4, 5, 6}
    hub.publish(verdict(7))
    assert [m["face_id"] for m in await read(slow, 1)] == [7]


async def test_a_face_that_ended_does_not_come_back_after_a_fresh_snapshot() -> None:
    hub = a_hub(client_queue=2)
    slow = hub.subscribe()
    await read(slow, 1)
    hub.publish(score(0.9, face_id=1))
    for face_id in (1, 2, 3):
        hub.publish(verdict(face_id))
    hub.publish(to_message(FaceEnded(FaceKey("door", 1)), CLOCK))
    (hello,) = await read(slow, 1)
    assert {v["face_id"] for v in hello["verdicts"]} == {2, 3}
    assert hello["scores"] == []


async def test_no_client_holds_more_than_its_limit_whatever_comes() -> None:
    hub = a_hub(client_queue=16)
    hub.subscribe()
    client = hub.subscribe()
    await read(client, 1)
    for face_id in range(2000):
        hub.publish(verdict(face_id))
        hub.publish(score(0.5, face_id))
        client.reply(PongMessage(at=1.0))
        assert hub.longest_queue <= 16


async def test_a_slow_client_does_not_hold_up_another() -> None:
    hub = a_hub(client_queue=4)
    slow, quick = hub.subscribe(), hub.subscribe()
    await read(quick, 1)
    for number in range(20):
        hub.publish(score(number / 20))
        assert [m["fake_probability"] for m in await read(quick, 1)] == [number / 20]
    assert quick.dropped == 0
    slow.close()


async def test_a_reply_goes_to_its_client_alone() -> None:
    hub = a_hub()
    one, other = hub.subscribe(), hub.subscribe()
    await read(one, 1)
    await read(other, 1)
    one.reply(PongMessage(at=1.0))
    hub.publish(UploadMessage(upload_id="u", progress=0.5, at=1.0))
    assert [m["type"] for m in await read(one, 2)] == ["pong", "upload"]
    assert [m["type"] for m in await read(other, 1)] == ["upload"]


async def test_a_removed_stream_and_all_of_its_faces_leave_the_snapshot() -> None:
    hub = a_hub()
    for message in (stream(), score(0.1), verdict(), to_message(an_alert(), CLOCK), stream(stream_id="yard")):
        hub.publish(message)
    hub.publish(removed())
    hello = hub.hello()
    assert [s.stream_id for s in hello.streams] == ["yard"]
    assert not any((hello.scores, hello.verdicts, hello.alerts, hello.faces))


def test_past_alerts_are_kept_up_to_a_bound_and_raised_ones_all() -> None:
    snapshot = Snapshot()
    for face_id in range(MAX_PAST_ALERTS + 50):
        snapshot.apply(to_message(an_alert(face_id, raised=False), CLOCK))
        snapshot.apply(to_message(an_alert(10_000 + face_id), CLOCK))
    past = [alert for alert in snapshot.alerts.values() if not alert.raised]
    assert len(past) == MAX_PAST_ALERTS
    assert past[-1].face_id == MAX_PAST_ALERTS + 49
    assert len(snapshot.alerts) == 2 * MAX_PAST_ALERTS + 50


async def test_closing_the_hub_ends_every_subscription() -> None:
    hub = a_hub()
    client, view = hub.subscribe(), hub.subscribe_view("door")
    await read(client, 1)
    waiting = asyncio.create_task(anext(client))
    await asyncio.sleep(0)
    hub.close()
    with pytest.raises(StopAsyncIteration):
        await waiting
    assert [payload async for payload in view] == []
    assert hub.viewers == 0


async def test_a_view_keeps_only_the_newest_picture() -> None:
    hub = a_hub()
    view = hub.subscribe_view("door")
    for payload in (b"1", b"2", b"3"):
        hub.publish_view("door", payload)
        hub.publish_view("yard", b"not ours")
    assert await anext(view) == b"3"
    assert view.dropped == hub.dropped_views == 2


async def test_a_stream_is_watched_from_its_first_viewer_to_its_last() -> None:
    watches = Watches()
    hub = Hub(greet, watches)
    views = [hub.subscribe_view("door"), hub.subscribe_view("door"), hub.subscribe_view("yard")]
    assert watches.calls == [("door", True), ("yard", True)]
    views[0].close()
    views[0].close()
    assert len(watches.calls) == 2
    views[1].close()
    assert watches.calls[2:] == [("door", False)]


async def test_the_views_of_a_removed_stream_end() -> None:
    hub = a_hub()
    view: ViewSubscription = hub.subscribe_view("door")
    hub.publish(removed())
    assert [payload async for payload in view] == []


def test_viewers_counts_both_sorts_of_subscriptions() -> None:
    hub = a_hub()
    messages, pictures = hub.subscribe(), hub.subscribe_view("door")
    assert hub.viewers == 2
    messages.close()
    pictures.close()
    assert hub.viewers == 0
