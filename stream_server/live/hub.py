"""Fan-out to browsers: one bounded queue each, so that a slow one loses old messages and never holds up another.

Everything here belongs to the event loop; other threads come in through `loop.call_soon_threadsafe` (app.py).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Self

from stream_server.live.messages import (
    AlertMessage,
    FaceEndedMessage,
    FacesMessage,
    HelloMessage,
    Message,
    ScoreMessage,
    StatsMessage,
    StreamMessage,
    UploadMessage,
    VerdictMessage,
)

MAX_PAST_ALERTS: Final = 100
"""Alerts that are over and still shown in `hello`: enough for a page, bounded for a process that runs for months."""

_PASSING = (FacesMessage, ScoreMessage, StatsMessage, UploadMessage)
"""The next message of these replaces what a client lost; all others are states, which it must not lose for good."""


class Snapshot:
    """The newest message of everything: what a client needs to show the same as one that listened all the time."""

    def __init__(self) -> None:
        self.streams: dict[str, StreamMessage] = {}
        self.faces: dict[str, FacesMessage] = {}
        self.scores: dict[tuple[str, int], ScoreMessage] = {}
        self.verdicts: dict[tuple[str, int], VerdictMessage] = {}
        self.alerts: dict[tuple[str, int], AlertMessage] = {}
        self.stats: StatsMessage | None = None

    def apply(self, message: Message) -> None:
        match message:
            case StreamMessage(state="removed"):
                self._forget_stream(message.stream_id)
            case StreamMessage():
                self.streams[message.stream_id] = message
            case FacesMessage():
                self.faces[message.stream_id] = message
            case ScoreMessage():
                self.scores[message.stream_id, message.face_id] = message
            case VerdictMessage():
                self.verdicts[message.stream_id, message.face_id] = message
            case FaceEndedMessage():
                self._forget_face((message.stream_id, message.face_id))
            case AlertMessage():
                self.alerts.pop((message.stream_id, message.face_id), None)  # so that the newest is last
                self.alerts[message.stream_id, message.face_id] = message
                self._trim_alerts()
            case StatsMessage():
                self.stats = message
            case _:
                pass  # hello and pong are for one client, an upload is over soon, events are kept by the store

    def _forget_stream(self, stream_id: str) -> None:
        self.streams.pop(stream_id, None)
        self.faces.pop(stream_id, None)
        for key in [*self.scores, *self.verdicts]:
            if key[0] == stream_id:
                self._forget_face(key)
        for key in [key for key, alert in self.alerts.items() if key[0] == stream_id and alert.raised]:
            del self.alerts[key]  # nobody is left to call it off

    def _forget_face(self, key: tuple[str, int]) -> None:
        self.scores.pop(key, None)
        self.verdicts.pop(key, None)

    def _trim_alerts(self) -> None:
        past = [key for key, alert in self.alerts.items() if not alert.raised]
        for key in past[: max(0, len(past) - MAX_PAST_ALERTS)]:
            del self.alerts[key]


class Subscription:
    """The messages for one client, as JSON text; the first is `hello`.

    Holds at most `limit` messages. When full, the oldest passing one (faces, score, stats, upload) goes; if all are
    states, they go and a fresh `hello` with the newest of every state takes their place. `dropped` counts what went.
    """

    def __init__(self, hub: Hub, limit: int) -> None:
        self.dropped = 0
        self._hub = hub
        self._limit = limit
        self._waiting: deque[tuple[bool, str]] = deque()
        self._hello_due = True
        self._closed = False
        self._ready = asyncio.Event()
        self._ready.set()

    def put(self, text: str, *, passing: bool) -> None:
        """Queue one published message; never blocks."""
        if self._closed or self._hello_due:
            return  # the hello to come has this state; an older score after it would bring back a face that is gone
        if len(self._waiting) >= self._limit and not self._make_room():
            return
        self._waiting.append((passing, text))
        self._ready.set()

    def reply(self, message: Message) -> None:
        """Queue a message for this client alone."""
        if not self._closed and (len(self._waiting) < self._limit or self._make_room()):
            self._waiting.append((True, message.model_dump_json()))
            self._ready.set()

    def _make_room(self) -> bool:
        """Whether the next message is still wanted."""
        for index, (passing, _) in enumerate(self._waiting):
            if passing:
                del self._waiting[index]
                self._count(1)
                return True
        self._count(len(self._waiting))
        self._waiting.clear()
        self._hello_due = True
        return False

    def _count(self, dropped: int) -> None:
        self.dropped += dropped
        self._hub.dropped_messages += dropped

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        """The next message; ends when the hub or the subscription is closed."""
        await self._ready.wait()
        if self._closed:
            raise StopAsyncIteration
        if self._hello_due:
            self._hello_due = False
            text = self._hub.hello().model_dump_json()
        else:
            text = self._waiting.popleft()[1]
        if not self._waiting:
            self._ready.clear()
        return text

    def close(self) -> None:
        """Leave the hub; fine to call again."""
        self._closed = True
        self._waiting.clear()
        self._ready.set()
        self._hub.unsubscribe(self)


class ViewSubscription:
    """The pictures of one stream for one client: only the newest waits, `dropped` counts those it replaced."""

    def __init__(self, hub: Hub, stream_id: str) -> None:
        self.stream_id = stream_id
        self.dropped = 0
        self._hub = hub
        self._newest: bytes | None = None
        self._closed = False
        self._ready = asyncio.Event()

    def put(self, payload: bytes) -> None:
        """Replace what waits; never blocks."""
        if self._newest is not None:
            self.dropped += 1
            self._hub.dropped_views += 1
        self._newest = payload
        self._ready.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """The next picture; ends when the stream is removed or the subscription is closed."""
        await self._ready.wait()
        if self._closed or self._newest is None:
            raise StopAsyncIteration
        payload, self._newest = self._newest, None
        self._ready.clear()
        return payload

    def close(self) -> None:
        """Leave the hub; fine to call again."""
        self._closed = True
        self._ready.set()
        self._hub.unsubscribe_view(self)


class Hub:
    """Gives every message to every subscription, and every picture to those who watch its stream.

    `greet` makes the first message from the snapshot; `watch(stream_id, watched)` is called when the first viewer of a
    stream comes and when the last one goes.
    """

    def __init__(
        self,
        greet: Callable[[Snapshot], HelloMessage],
        watch: Callable[[str, bool], None],
        client_queue: int = 256,
    ) -> None:
        self.snapshot = Snapshot()
        self.dropped_messages = 0
        self.dropped_views = 0
        self._greet = greet
        self._watch = watch
        self._client_queue = client_queue
        self._subscriptions: set[Subscription] = set()
        self._views: dict[str, set[ViewSubscription]] = {}

    @property
    def viewers(self) -> int:
        """Open subscriptions of both sorts."""
        return len(self._subscriptions) + sum(len(views) for views in self._views.values())

    @property
    def longest_queue(self) -> int:
        """Messages that wait for the slowest client."""
        return max((len(s._waiting) for s in self._subscriptions), default=0)  # noqa: SLF001 (same file)

    def hello(self) -> HelloMessage:
        """A snapshot of everything, now."""
        return self._greet(self.snapshot)

    def publish(self, message: Message) -> None:
        """Remember the message and queue it for every client."""
        self.snapshot.apply(message)
        if self._subscriptions:
            text = message.model_dump_json()
            passing = isinstance(message, _PASSING)
            for subscription in self._subscriptions:
                subscription.put(text, passing=passing)
        if isinstance(message, StreamMessage) and message.state == "removed":
            for view in list(self._views.get(message.stream_id, ())):
                view.close()

    def subscribe(self) -> Subscription:
        """Messages from now on, `hello` first."""
        subscription = Subscription(self, self._client_queue)
        self._subscriptions.add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        self._subscriptions.discard(subscription)

    def publish_view(self, stream_id: str, payload: bytes) -> None:
        """Give one picture (`messages.view_payload`) to those who watch the stream."""
        for view in self._views.get(stream_id, ()):
            view.put(payload)

    def subscribe_view(self, stream_id: str) -> ViewSubscription:
        """Pictures of a stream from now on."""
        view = ViewSubscription(self, stream_id)
        views = self._views.setdefault(stream_id, set())
        views.add(view)
        if len(views) == 1:
            self._watch(stream_id, True)
        return view

    def unsubscribe_view(self, view: ViewSubscription) -> None:
        views = self._views.get(view.stream_id, set())
        if view not in views:
            return
        views.discard(view)
        if not views:
            del self._views[view.stream_id]
            self._watch(view.stream_id, False)

    def close(self) -> None:
        """End every subscription."""
        for subscription in list(self._subscriptions):
            subscription.close()
        for views in list(self._views.values()):
            for view in list(views):
                view.close()
