"""The way to one target: what waits for it, one try at a time, in a thread of its own; no target holds up another."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

from analyzer.engine.engine_stats import ThreadHealth
from analyzer.errors import ConflictError
from stream_server.event import Event
from stream_server.notify.delivery import GIVE_UP_S, Delivery, DeliveryError, buried, failed, pause_s
from stream_server.notify.notification import Notification
from stream_server.notify.status import LaneStatus
from stream_server.notify.targets import Target

logger = logging.getLogger(__name__)

MAX_WAITING: Final = 1000
"""For one target; one more makes the oldest a dead letter."""
LONGEST_WAIT_S: Final = 30.0
"""Between two looks at the clock on the wall, which may be set."""
REMIND_S: Final = 3600.0
"""Between two lines in the log that say the same of a target."""
TOO_MANY: Final = f"more than {MAX_WAITING} waited for the target"


DIED: Final = "the thread that sends died; restart the monitor"


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


class Lane:
    """One target with its queue. Any thread may call; `step` belongs to the lane's own, or to a test."""

    def __init__(self, target: Target, rule: str, number: int, ports: LanePorts) -> None:
        """`number` of the target within its rule, from 1."""
        self.number = number
        self._target = target
        self._rule = rule
        self._ports = ports
        self._wake = threading.Condition()  # reentrant; guards all that follow
        self._waiting: dict[str, Delivery] = {}
        self._test: tuple[Notification, Future[None]] | None = None
        self._not_before = 0.0
        self._in_vain = 0
        """Tries, since something was taken."""
        self._logged: tuple[str, float] | None = None
        """Of the target's trouble: its words, and when; None while there is none."""
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

    def put(self, delivery: Delivery, *, kept: bool = False) -> None:
        """Send it when it is due. One that waits already is not put twice. `kept`: the database has it as it is."""
        with self._wake:
            if delivery.id in self._waiting:
                return
            self._make_room()
            if not kept:
                # before the thread can have sent it: what is forgotten must have been kept before
                self._ports.keep(delivery)
            self._waiting[delivery.id] = delivery
            self._nudge()

    def drop_stream(self, stream_id: str) -> None:
        """Send nothing of it that waits. What is being sent is not called back, and not tried again."""
        self._drop(lambda event: event.stream_id == stream_id)

    def drop_event(self, event_id: str) -> None:
        """The same of one event."""
        self._drop(lambda event: event.id == event_id)

    def check_test(self) -> None:
        """Raises `ConflictError` while a test waits that somebody waits for."""
        with self._wake:
            if self._test is not None and not self._test[1].done():
                raise ConflictError(f"a test of rule {self._rule!r} is under way already; wait for its end")

    def test(self, notification: Notification) -> Future[None]:
        """Send it once, before everything else. The future raises `DeliveryError`; `ConflictError` while one waits."""
        done: Future[None] = Future()
        with self._wake:
            self.check_test()
            if self._died is not None:
                done.set_exception(DeliveryError(DIED))
                return done
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
            due_s = LONGEST_WAIT_S if due is None else self._due_s(due, now)
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
                self._well()
            self._ports.forget(delivery.id)
            return
        spread = self._ports.spread()
        after = failed(delivery, error, now, spread)
        with self._wake:
            self._failed += 1
            self._last_failed_at, self._last_error = now, str(error)
            if after.dead_at is None:
                self._in_vain += 1
                self._log(str(error), now)
            if after.dead_at is None and not error.reached:
                # one alone probes whether it is there again, and not all that wait; it may have asked for no requests
                self._not_before = now + max(pause_s(self._in_vain, spread), error.retry_after_s or 0.0)
            if delivery.id in self._waiting:  # else dropped, or given up for want of room, meanwhile
                self._keep_after(after)
            if not error.final:
                self._bury_old(now)

    def _keep_after(self, after: Delivery) -> None:
        """A try in vain; the caller holds the lock."""
        if after.dead_at is None:
            self._waiting[after.id] = after
            self._ports.keep(after)
        else:
            del self._waiting[after.id]
            self._bury(after)

    def _bury_old(self, now: float) -> None:
        """Those that wait for longer than a day do not all wait for a try of their own; the caller holds the lock."""
        old = [one for one in self._waiting.values() if now > one.since + GIVE_UP_S]
        for one in old:
            del self._waiting[one.id]
            self._dead += 1
            self._ports.keep(buried(one, now, self._last_error))
        if old:
            logger.error("rule %s: %d notifications to %s are given up after a day", self._rule, len(old), self.label)

    def _due_s(self, due: Delivery, now: float) -> float:
        """Seconds until it is; the caller holds the lock.

        Where the clock on the wall was set back behind the last try, nobody knows how long that was ago: at once.
        """
        if self._last_failed_at is not None and now < self._last_failed_at:
            self._not_before = 0.0
        next_at = due.next_at
        if now < max(due.since, due.last_try_at or 0.0) or next_at - now > GIVE_UP_S:
            next_at = now
        return max(next_at, self._not_before) - now

    def _log(self, error: str, now: float) -> None:
        """Say that it takes nothing: first, when that changes, and once an hour; the caller holds the lock."""
        if self._logged is not None and self._logged[0] == error and 0 <= now - self._logged[1] < REMIND_S:
            return
        self._logged = (error, now)
        logger.warning(
            "rule %s: %s did not take a notification (%d tries in vain): %s",
            *(self._rule, self.label, self._in_vain, error),
        )

    def _well(self) -> None:
        """It has taken one; the caller holds the lock."""
        self._in_vain, self._not_before = 0, 0.0
        if self._logged is not None:
            self._logged = None
            logger.info("rule %s: %s takes notifications again", self._rule, self.label)

    def _send(self, notification: Notification) -> DeliveryError | None:
        try:
            self._target.send(notification, self._ports.now())
        except DeliveryError as error:
            return error
        except Exception as error:  # noqa: BLE001  # what a strange answer or a full machine brings up may pass
            # only its name, for its text may hold an address
            return DeliveryError(f"sending failed ({type(error).__name__})")
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
            with self._wake:
                self._well()
            done.set_result(None)
        else:
            done.set_exception(error)

    def _nudge(self) -> None:
        """The caller holds the lock."""
        self._news = True
        self._wake.notify_all()

    def _drop(self, unwanted: Callable[[Event], bool]) -> None:
        with self._wake:
            for delivery in [one for one in self._waiting.values() if unwanted(one.notification.event)]:
                del self._waiting[delivery.id]
                self._ports.forget(delivery.id)

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
            self._refuse_test(DIED)

    def _run(self) -> None:
        while True:
            with self._wake:
                if self._stopping:
                    return
                self._news = False
            wait_s = self.step()
            with self._wake:
                self._wake.wait_for(lambda: self._news, wait_s)
