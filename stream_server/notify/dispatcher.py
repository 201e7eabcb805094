"""Hands each event to every rule and what they tell to the targets, in a thread of its own; starts and stops them all.

`publish` is called where events are recorded, on the event loop: it only puts the event into a bounded queue.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Final

from analyzer.engine.engine_stats import ThreadHealth
from analyzer.errors import ConflictError, NotFoundError, StoreError
from stream_server.about import VERSION
from stream_server.event import Event
from stream_server.notify.delivery import Delivery, anew, buried, delivery_of
from stream_server.notify.lane import Lane, LanePorts
from stream_server.notify.notification import Notification, Reason, event_of_a_test, notification_of
from stream_server.notify.outbox import Outbox
from stream_server.notify.policy import Gate, RulePolicy
from stream_server.notify.rows import GateKey
from stream_server.notify.status import RuleStatus, undelivered
from stream_server.notify.targets import RuleTargets

logger = logging.getLogger(__name__)

MAX_INBOX: Final = 1000
"""Changes of events that wait to be looked at, a few ms each; one more and the oldest goes, and is counted."""
LOOK_S: Final = 5.0
"""Between two looks at what a database that was lost still has to be told."""
LOAD_S: Final = 2.0
"""That a page of what an earlier process left may take; in vain, it is asked for again."""
STOP_S: Final = 5.0
"""That a send which goes on gets when the monitor stops; what it did not take is sent after the next start."""
GONE: Final = "its target is no longer in the settings"


class Dispatcher:
    """From `start` to `stop` what `publish` gets is told by the rules. Any thread may call, without waiting."""

    def __init__(
        self,
        targets: RuleTargets,
        outbox: Outbox,
        now: Callable[[], float] = time.time,
        spread: Callable[[], float] = random.random,
    ) -> None:
        """`now`: Unix seconds; `spread`: 0 to 1, for the length of pauses. Connects to nothing."""
        self.dropped = 0
        """Changes of events that nobody looked at: too many at once."""
        self._outbox = outbox
        self._now = now
        ports = LanePorts(now=now, spread=spread, keep=self._keep, forget=self._forget)
        self._lanes = {
            rule.name: tuple(Lane(target, rule.name, number, ports) for number, target in enumerate(found, 1))
            for rule, found in targets
        }
        # Two locks, for the rules may take seconds in all, and `publish` and `status` are called on the event loop.
        # Who needs both takes this first, for one event at most.
        self._judging = threading.Lock()  # guards the policies
        self._policies = {rule.name: RulePolicy(rule) for rule, _ in targets}
        self._wake = threading.Condition()  # guards all that follow
        self._inbox: deque[Event] = deque()
        self._held = {rule.name: (0, 0) for rule, _ in targets}
        self._stopping = False
        self._died: str | None = None
        # the thread's own
        self._loaded = self._gates_loaded = self._load_failed = False
        self._load_after = ""
        self._found = 0
        self._thread = threading.Thread(target=self._guard, name="notify")

    @property
    def threads(self) -> tuple[ThreadHealth, ...]:
        """Those that should run; none without rules."""
        if not self._lanes:
            return ()
        own = ThreadHealth(self._thread.name, self._thread.is_alive(), self._died)
        return (own, *(lane.health for lanes in self._lanes.values() for lane in lanes))

    @property
    def status(self) -> tuple[RuleStatus, ...]:
        """As of now."""
        with self._wake:
            held = dict(self._held)
        return tuple(
            RuleStatus(policy.rule, *held[name], tuple(lane.status for lane in self._lanes[name]))
            for name, policy in self._policies.items()
        )

    @property
    def undelivered(self) -> tuple[str, ...]:
        """What does not reach its target now, and why, each in words."""
        return undelivered(self.status, self._now())

    @property
    def inbox_length(self) -> int:
        with self._wake:
            return len(self._inbox)

    @property
    def unwritten(self) -> int:
        """Changes of what waits that the database does not have yet."""
        return self._outbox.unwritten

    @property
    def unkept(self) -> int:
        """Changes of what waits that the database will never have: a restart would not know of them."""
        return self._outbox.lost

    def start(self) -> None:
        """Begin. Without rules nothing runs and nothing is sent."""
        if not self._lanes:
            return
        for lanes in self._lanes.values():
            for lane in lanes:
                lane.start()
        self._thread.start()

    def stop(self) -> None:
        """Let what is being sent end, for `STOP_S` at most, and store the rest. Waits; idempotent."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        if self._thread.ident is None:
            return
        self._thread.join()
        lanes = [lane for lanes in self._lanes.values() for lane in lanes]
        ends_s = time.monotonic() + STOP_S
        for lane in lanes:
            lane.ask_to_stop()
        hanging = [lane.label for lane in lanes if not lane.join(ends_s - time.monotonic())]
        if hanging:
            logger.warning("still sending when the monitor stopped: %s", ", ".join(hanging))
        if not self._outbox.close(STOP_S):
            logger.error("%d changes of notifications were never stored", self._outbox.unwritten)

    def publish(self, event: Event) -> None:
        """An event is new or has changed. When too many wait the oldest goes, and is counted."""
        with self._wake:
            if not self._lanes or self._stopping or self._died is not None:
                return
            if len(self._inbox) >= MAX_INBOX:
                self._inbox.popleft()
                self.dropped += 1
            self._inbox.append(event)
            self._wake.notify_all()

    def drop_stream(self, stream_id: str) -> None:
        """Everything of a stream is being deleted: what waits of it is not sent either."""
        with self._judging:
            with self._wake:
                self._inbox = deque(event for event in self._inbox if event.stream_id != stream_id)
            for policy in self._policies.values():
                policy.drop_stream(stream_id)
                self._hand_on(policy, [], self._now())
            for lanes in self._lanes.values():
                for lane in lanes:
                    lane.drop_stream(stream_id)
            self._count_held()
        self._outbox.flush()

    def drop_event(self, event_id: str) -> None:
        """It is being deleted: what waits of it is not sent, and its dead letters go too."""
        with self._judging:
            with self._wake:
                self._inbox = deque(event for event in self._inbox if event.id != event_id)
            for policy in self._policies.values():
                policy.drop_event(event_id)
                self._hand_on(policy, [], self._now())
            for lanes in self._lanes.values():
                for lane in lanes:
                    lane.drop_event(event_id)
            self._count_held()
        self._outbox.drop_event(event_id)
        self._outbox.flush()

    def test(self, rule: str) -> list[tuple[str, Future[None]]]:
        """Send a test to each target of a rule, now: its label and what comes of it.

        Raises `NotFoundError`, and `ConflictError` while another test of the rule waits.
        """
        lanes = self._lanes.get(rule)
        if lanes is None:
            raise NotFoundError(f"there is no notification rule {rule[:64]!r}")
        now = self._now()
        notification = notification_of(event_of_a_test(now, VERSION), rule, Reason.TEST, now)
        with self._wake:  # one at a time
            for lane in lanes:  # all of them first, or some would get a test that nobody hears of
                lane.check_test()
            return [(lane.label, lane.test(notification)) for lane in lanes]

    def send_again(self, delivery: Delivery) -> None:
        """A dead letter is to be tried for another day. Raises `ConflictError` where its target is gone."""
        lane = self._lane_of(delivery)
        if lane is None:
            raise ConflictError(f"{GONE}: delete the dead letter instead")
        lane.put(anew(delivery, self._now()))

    def _lane_of(self, delivery: Delivery) -> Lane | None:
        lanes = self._lanes.get(delivery.notification.rule, ())
        return next((lane for lane in lanes if lane.label == delivery.target), None)

    def _keep(self, delivery: Delivery) -> None:
        self._outbox.keep(delivery)
        self._outbox.flush()

    def _forget(self, delivery_id: str) -> None:
        self._outbox.forget(delivery_id)
        self._outbox.flush()

    def _guard(self) -> None:
        try:
            self._run()
        except Exception as error:
            logger.exception("the thread notify died")
            with self._wake:
                self._died = f"{type(error).__name__}: {error}"

    def _run(self) -> None:
        while True:
            more = not self._loaded and self._load()
            wait_s = self.step()
            self._outbox.flush()
            with self._wake:
                self._wake.wait_for(lambda: self._stopping or bool(self._inbox), 0 if more else wait_s)
                if self._stopping and not self._inbox:
                    return

    def step(self) -> float:
        """Let the rules see what has come and what is due; seconds until something is. Of the thread, or of a test."""
        for _ in range(self.inbox_length):
            with self._judging:
                with self._wake:
                    event = self._inbox.popleft() if self._inbox else None
                if event is None:  # dropped meanwhile
                    break
                now = self._now()
                for policy in self._policies.values():
                    self._hand_on(policy, policy.on_event(event, now), now)
        with self._judging:
            now = self._now()
            for policy in self._policies.values():
                self._hand_on(policy, policy.tick(now), now)
            due = [at for policy in self._policies.values() if (at := policy.next_at) is not None]
            self._count_held()
        return max(min([LOOK_S, *(at - now for at in due)]), 0.0)

    def _hand_on(self, policy: RulePolicy, found: list[Notification], now: float) -> None:
        """Give `found` to the targets and the gates to the database; the caller holds `_judging`."""
        for stream_id in policy.changed:
            self._outbox.keep_gate((policy.rule.name, stream_id), policy.gates.get(stream_id))
        policy.changed.clear()
        for notification in found:
            for lane in self._lanes[notification.rule]:
                lane.put(delivery_of(notification, lane.number, lane.label, now))

    def _count_held(self) -> None:
        """For `status`; the caller holds `_judging`."""
        held = {
            name: (policy.held_back, sum(gate.held for gate in policy.gates.values()))
            for name, policy in self._policies.items()
        }
        with self._wake:
            self._held = held

    def _load(self) -> bool:
        """A page of what an earlier process left; whether there is another. Tried again while the database is away."""
        try:
            if not self._gates_loaded:
                self._restore(self._outbox.load_gates(LOAD_S))
            page = self._outbox.load_waiting(self._load_after, LOAD_S)
        except StoreError as error:
            if not self._load_failed:
                logger.warning("notifications of an earlier run are not sent yet: %s", error)
            self._load_failed = True
            return False
        for delivery in page.items:
            lane = self._lane_of(delivery)
            if lane is not None:
                lane.put(delivery, kept=True)
            else:
                self._keep(buried(delivery, self._now(), GONE))
        self._found += len(page.items)
        self._loaded = page.next is None
        if self._loaded and self._found:
            logger.info("%d notifications of an earlier run wait to be sent", self._found)
        self._load_after = page.next or ""
        return not self._loaded

    def _restore(self, gates: Mapping[GateKey, Gate]) -> None:
        """What an earlier process held back, and the end of what it left open: nobody else tells of that."""
        with self._judging:
            for (rule, stream_id), gate in gates.items():
                if rule in self._policies:
                    self._policies[rule].restore(stream_id, gate)
                    continue
                self._outbox.keep_gate((rule, stream_id), None)
                if gate.held:
                    logger.warning("%d held back by the rule %s are not sent: the rule is gone", gate.held, rule)
        self._gates_loaded = True
        for event in self._outbox.interrupted:
            self.publish(event)
