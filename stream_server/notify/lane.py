"""The way to one target: what waits for it, one try at a time, in a thread of its own; no target holds up another."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

from analyzer.engine_stats import ThreadHealth
from analyzer.errors import ConflictError
from stream_server.notify.delivery import GIVE_UP_S, Delivery, DeliveryError, buried, failed
from stream_server.notify.notification import Notification
from stream_server.notify.targets import Target

logger = logging.getLogger(__name__)

MAX_WAITING: Final = 1000
"""For one target; one more makes the oldest a dead letter."""
LONGEST_WAIT_S: Final = 30.0
"""Between two looks at the clock on the wall, which may be set."""
TOO_MANY: Final = f"more than {MAX_WAITING} waited for the target"


@dataclass(frozen=True, slots=True)
class LanePorts:
    """What a lane needs of the others; each may be called from its thread, and none waits."""

    now: Callable[[], float]
    """Unix seconds."""
    spread: Callable[[], float]
    """0 to 1, for the length of pauses."""
    keep: Callable[[Delivery], None]
    """It waits, or it is dead."""
    forget: Callable[[str], None]
    """It was sent."""


@dataclass(frozen=True, slots=True)
class LaneStatus:
    """How it goes with one target. Times are Unix seconds; counts are since the start."""

    target: str
    waiting: int
    sent: int
    failed: int
    """Tries in vain."""
    dead: int
    last_sent_at: float | None
    last_failed_at: float | None
    last_error: str | None
    """Of the last try in vain; None once one has got out since."""
    busy_since: float | None
    """When the try began that goes on."""


class Lane:
    """One target with its queue. Any thread may call; `step` belongs to the lane's own, or to a test."""

    def __init__(self, target: Target, rule: str, number: int, ports: LanePorts) -> None:
        """`number` of the target within its rule, from 1."""
        self.number = number
        self._target = target
        self._rule = rule
        self._ports = ports
        self._wake = threading.Condition()  # guards all that follow
        self._waiting: dict[str, Delivery] = {}
        self._test: tuple[Notification, Future[None]] | None = None
        self._not_before = 0.0
        self._sent = self._failed = self._dead = 0
        self._last_sent_at: float | None = None
        self._last_failed_at: float | None = None
        self._last_error: str | None = None
        self._busy_since: float | None = None
        self._news = False
        self._stopping = False
        self._died: str | None = None
        # a daemon: a service that hangs must not keep the process, and what it did not take is in the database
        self._thread = threading.Thread(target=self._guard, name=f"notify-{rule}-{number}", daemon=True)

    @property
    def label(self) -> str:
        return self._target.label

    @property
    def health(self) -> ThreadHealth:
        return ThreadHealth(self._thread.name, self._thread.is_alive(), self._died)

    @property
    def status(self) -> LaneStatus:
        """As of now."""
        with self._wake:
            return LaneStatus(
                target=self.label,
                waiting=len(self._waiting),
                sent=self._sent,
                failed=self._failed,
                dead=self._dead,
                last_sent_at=self._last_sent_at,
                last_failed_at=self._last_failed_at,
                last_error=self._last_error,
                busy_since=self._busy_since,
            )

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """No further try begins."""
        with self._wake:
            self._stopping = True
            self._nudge()

    def join(self, timeout_s: float) -> bool:
        """Wait for the try that goes on; whether it has ended."""
        if self._thread.ident is not None:
            self._thread.join(max(timeout_s, 0))
        self._refuse_test("the monitor stops")
        return not self._thread.is_alive()

    def put(self, delivery: Delivery) -> None:
        """Send it when it is due. One that waits already is not put twice."""
        with self._wake:
            if delivery.id in self._waiting:
                return
            self._make_room()
            # before the thread can have sent it: what is forgotten must have been kept before
            self._ports.keep(delivery)
            self._waiting[delivery.id] = delivery
            self._nudge()

    def drop_stream(self, stream_id: str) -> None:
        """Send nothing of it that waits. What is being sent is not called back, and not tried again."""
        with self._wake:
            found = [one.id for one in self._waiting.values() if one.notification.event.stream_id == stream_id]
            for delivery_id in found:
                del self._waiting[delivery_id]
                self._ports.forget(delivery_id)

    def test(self, notification: Notification) -> Future[None]:
        """Send it once, before everything else. The future raises `DeliveryError`; `ConflictError` while one waits."""
        done: Future[None] = Future()
        with self._wake:
            if self._test is not None:
                raise ConflictError(f"a test of rule {self._rule!r} is under way already; wait for its end")
            self._test = (notification, done)
            self._nudge()
        return done

    def step(self) -> float:
        """Send one that is due, if any; seconds until the next one is, at most `LONGEST_WAIT_S`."""
        with self._wake:
            test, self._test = self._test, None
        if test is not None:
            self._send_test(*test)
            return 0.0
        now = self._ports.now()
        with self._wake:
            due = min(self._waiting.values(), key=lambda one: (one.next_at, one.id), default=None)
            due_s = LONGEST_WAIT_S if due is None else max(due.next_at, self._not_before) - now
            if due_s > GIVE_UP_S:  # no pause is that long: the clock on the wall was set back
                due_s = self._not_before = 0.0
            if due is None or due_s > 0:
                return min(due_s, LONGEST_WAIT_S)
            self._busy_since = now
        self._try(due)
        return 0.0

    def _try(self, delivery: Delivery) -> None:
        error = self._send(delivery.notification)
        now = self._ports.now()
        if error is None:
            with self._wake:
                self._waiting.pop(delivery.id, None)
                self._sent += 1
                self._last_sent_at, self._last_error = now, None
            self._ports.forget(delivery.id)
            return
        after = failed(delivery, error, now, self._ports.spread())
        with self._wake:
            self._failed += 1
            self._last_failed_at, self._last_error = now, str(error)
            if error.retry_after_s is not None and after.dead_at is None:
                self._not_before = after.next_at  # it asked for no requests at all
            if delivery.id not in self._waiting:  # dropped, or given up for want of room, meanwhile
                return
            if after.dead_at is None:
                self._waiting[delivery.id] = after
                self._ports.keep(after)
            else:
                del self._waiting[delivery.id]
                self._bury(after)
        if after.dead_at is None:
            logger.warning("rule %s: %s did not take a notification: %s", self._rule, self.label, error)

    def _send(self, notification: Notification) -> DeliveryError | None:
        try:
            self._target.send(notification, self._ports.now())
        except DeliveryError as error:
            return error
        finally:
            with self._wake:
                self._busy_since = None
        return None

    def _send_test(self, notification: Notification, done: Future[None]) -> None:
        if not done.set_running_or_notify_cancel():  # nobody waits for it any more
            return
        with self._wake:
            self._busy_since = self._ports.now()
        error = self._send(notification)
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def _nudge(self) -> None:
        """The caller holds the lock."""
        self._news = True
        self._wake.notify_all()

    def _make_room(self) -> None:
        """Give up the oldest where there are too many; the caller holds the lock."""
        if len(self._waiting) >= MAX_WAITING:
            oldest = self._waiting.pop(next(iter(self._waiting)))
            self._bury(buried(oldest, self._ports.now(), TOO_MANY))

    def _bury(self, dead: Delivery) -> None:
        """The caller holds the lock."""
        self._dead += 1
        logger.error("rule %s: a notification to %s is given up: %s", self._rule, self.label, dead.last_error)
        self._ports.keep(dead)

    def _refuse_test(self, why: str) -> None:
        with self._wake:
            test, self._test = self._test, None
        if test is not None and test[1].set_running_or_notify_cancel():
            test[1].set_exception(DeliveryError(why))

    def _guard(self) -> None:
        try:
            self._run()
        except Exception as error:  # noqa: BLE001  # root guard; only its name, for its text may hold an address
            logger.error("the thread %s died: %s", self._thread.name, type(error).__name__)  # noqa: TRY400
            with self._wake:
                self._died = type(error).__name__
            self._refuse_test("the thread that sends died; restart the monitor")

    def _run(self) -> None:
        while True:
            with self._wake:
                if self._stopping:
                    return
                self._news = False
            wait_s = self.step()
            with self._wake:
                self._wake.wait_for(lambda: self._news, wait_s)
