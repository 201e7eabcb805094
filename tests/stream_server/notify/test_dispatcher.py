from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from analyzer.errors import ConflictError, NotFoundError
from stream_server.notify import dispatcher as dispatcher_module
from stream_server.notify.delivery import DeliveryError
from stream_server.notify.dispatcher import GONE, Dispatcher
from stream_server.notify.notification import Reason
from stream_server.notify.outbox import Outbox
from stream_server.notify.rows import dead_letters, load
from stream_server.store.keeping import Keeping
from stream_server.store.store import Store
from tests.events_of import START
from tests.stream_server.notify.rules_of import FakeTarget, HandClock, NoDatabase, a_rule, ended, opened

NO = DeliveryError("it answered 500")


@contextmanager
def a_store(folder: Path) -> Iterator[Store]:
    store = Store(folder, None, Keeping())
    store.start()
    try:
        yield store
    finally:
        store.stop()


@contextmanager
def running(store: Store | None, *targets: FakeTarget, clock: HandClock, **rule: Any) -> Iterator[Dispatcher]:
    writer: Any = NoDatabase() if store is None else store.writer
    one = Dispatcher([(a_rule(**rule), targets)], Outbox(writer, now=clock), now=clock, spread=lambda: 0.0)
    one.start()
    try:
        yield one
    finally:
        one.stop()


class Came:
    """Tells a test when a target was tried."""

    def __init__(self, *targets: FakeTarget) -> None:
        self._tries = threading.Semaphore(0)
        for target in targets:
            target.on_send = self._tries.release

    def wait(self, tries: int = 1) -> None:
        for _ in range(tries):
            assert self._tries.acquire(timeout=20)


def until(ready: Callable[[], bool]) -> None:
    """A wait for what threads do; pytest's time-out ends one in vain."""
    pause = threading.Event()
    while not ready():
        pause.wait(0.01)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def test_an_event_reaches_every_target_of_the_rules_that_want_it(tmp_path: Path, clock: HandClock) -> None:
    one, two = FakeTarget("1: a"), FakeTarget("2: b")
    came = Came(one, two)
    with a_store(tmp_path) as store, running(store, one, two, clock=clock, streams=("cam",)) as dispatcher:
        dispatcher.publish(opened(stream_id="door"))
        event = opened()
        dispatcher.publish(event)
        came.wait(2)
        until(lambda: sum(target.sent for target in dispatcher.status[0].targets) == 2)
    assert [note.event.id for note in one.got] == [note.event.id for note in two.got] == [event.id]
    assert one.got[0].id == two.got[0].id


def test_without_rules_nothing_runs(tmp_path: Path) -> None:
    before = threading.active_count()
    with a_store(tmp_path) as store:
        dispatcher = Dispatcher([], Outbox(store.writer))
        dispatcher.start()
        dispatcher.publish(opened())
        assert (dispatcher.threads, dispatcher.status, dispatcher.inbox_length) == ((), (), 0)
        assert threading.active_count() == before + 1, "the store's"
        dispatcher.stop()


def test_one_that_hangs_does_not_hold_up_the_others_nor_the_end(
    tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher_module, "STOP_S", 0.3)
    hanging, well, end = FakeTarget("1: hangs"), FakeTarget("2: well"), threading.Event()
    hanging.on_send = lambda: (end.wait(30) and None) or None
    came = Came(well)
    with a_store(tmp_path) as store:
        with running(store, hanging, well, clock=clock) as dispatcher:
            for i in range(3):
                dispatcher.publish(opened(START - i))
            came.wait(3)
        threads = [thread for thread in threading.enumerate() if thread.name.startswith("notify-")]
        end.set()
        for thread in threads:
            thread.join(10)
    assert len(well.got) == 3


def test_what_waits_is_sent_by_the_next_process_under_the_same_id(tmp_path: Path, clock: HandClock) -> None:
    target = FakeTarget(answers=[NO])
    came = Came(target)
    with a_store(tmp_path) as store, running(store, target, clock=clock) as dispatcher:
        dispatcher.publish(opened())
        came.wait()
    clock.at += 3600
    later = FakeTarget()
    came = Came(later)
    with a_store(tmp_path) as store, running(store, later, clock=clock) as dispatcher:
        came.wait()
        until(lambda: dispatcher.status[0].targets[0].waiting == 0)
    assert len(later.got) == 1
    with a_store(tmp_path) as store, running(store, FakeTarget(), clock=clock) as dispatcher:
        until(lambda: dispatcher._loaded)
        assert dispatcher.status[0].targets[0].waiting == 0, "it was sent"


def test_what_was_held_back_is_told_by_the_next_process(tmp_path: Path, clock: HandClock) -> None:
    target = FakeTarget()
    came = Came(target)
    with a_store(tmp_path) as store, running(store, target, clock=clock, cooldown_s=600.0) as dispatcher:
        for i in range(4):
            dispatcher.publish(opened(START - i))
        came.wait()
        until(lambda: dispatcher.status[0].holding == 3)
    clock.at += 601
    later = FakeTarget()
    came = Came(later)
    with a_store(tmp_path) as store, running(store, later, clock=clock, cooldown_s=600.0):
        came.wait()
    assert [note.held_back for note in later.got] == [2]


def test_an_event_that_the_stop_interrupts_is_told_by_the_next_process(tmp_path: Path, clock: HandClock) -> None:
    target = FakeTarget()
    with a_store(tmp_path) as store, running(store, target, clock=clock, when="ended") as dispatcher:
        dispatcher.publish(ended(opened(), START + 5))
    later = FakeTarget()
    came = Came(later)
    with a_store(tmp_path) as store, running(store, later, clock=clock, when="ended"):
        if not target.got:
            came.wait()
    assert len(target.got) + len(later.got) == 1


def test_a_target_that_left_the_settings_leaves_dead_letters(tmp_path: Path, clock: HandClock) -> None:
    target = FakeTarget("1: old", answers=[NO])
    came = Came(target)
    with a_store(tmp_path) as store, running(store, target, clock=clock) as dispatcher:
        dispatcher.publish(opened())
        came.wait()
    with a_store(tmp_path) as store:
        with running(store, FakeTarget("1: new"), clock=clock) as dispatcher:
            until(lambda: dispatcher._loaded)
        (dead,) = store.writer.submit(lambda connection: dead_letters(connection, None, 9)).result(20).items
        assert (dead.target, dead.last_error) == ("1: old", GONE)
        with pytest.raises(ConflictError, match="no longer in the settings"):
            dispatcher.send_again(dead)


def test_without_its_database_it_goes_on(clock: HandClock) -> None:
    target = FakeTarget(answers=[NO])
    came = Came(target)
    with running(None, target, clock=clock) as dispatcher:
        dispatcher.publish(opened())
        came.wait()
        until(lambda: dispatcher.status[0].targets[0].failed == 1)
        clock.at += 2
        dispatcher.publish(opened(START + 1))
        came.wait(2)
        until(lambda: dispatcher.status[0].targets[0].sent == 2)
        assert dispatcher.unwritten == 2
    assert len(target.got) == 2


def test_when_too_much_happens_the_oldest_goes_unseen_and_is_counted(
    clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher_module, "MAX_INBOX", 3)
    target = FakeTarget()
    dispatcher = Dispatcher([(a_rule(), [target])], Outbox(NoDatabase()), now=clock)  # nobody takes: it never began
    events = [opened(START + i) for i in range(5)]
    for event in events:
        dispatcher.publish(event)
    assert (dispatcher.dropped, dispatcher.inbox_length) == (2, 3)
    dispatcher.step()
    assert dispatcher.status[0].targets[0].waiting == 3


def test_a_test_reaches_the_targets_at_once_even_in_quiet_hours(tmp_path: Path, clock: HandClock) -> None:
    well, ill = FakeTarget("1: well"), FakeTarget("2: ill", answers=[NO])
    quiet = {"quiet_hours": "00:00-23:59", "cooldown_s": 600.0}
    with a_store(tmp_path) as store, running(store, well, ill, clock=clock, **quiet) as dispatcher:
        answers = dispatcher.test("all")
        assert [(label, future.exception(20)) for label, future in answers] == [("1: well", None), ("2: ill", NO)]
    assert [note.reason for note in well.got] == [Reason.TEST]
    with pytest.raises(NotFoundError, match="no notification rule 'nobody'"):
        dispatcher.test("nobody")


def test_what_it_should_do_next_is_when_a_rule_says(clock: HandClock) -> None:
    dispatcher = Dispatcher([(a_rule(min_duration_s=3.0), [FakeTarget()])], Outbox(NoDatabase()), now=clock)
    dispatcher.publish(opened())
    assert dispatcher.step() == 3.0
    clock.at += 3
    assert dispatcher.step() == dispatcher_module.LOOK_S
    assert dispatcher.status[0].targets[0].waiting == 1


def test_of_a_stream_whose_data_is_deleted_nothing_more_is_sent(tmp_path: Path, clock: HandClock) -> None:
    target = FakeTarget(answers=[NO, NO])
    came = Came(target)
    with a_store(tmp_path) as store, running(store, target, clock=clock, cooldown_s=60.0) as dispatcher:
        for stream in ("cam", "door"):
            dispatcher.publish(opened(stream_id=stream))
        dispatcher.publish(opened(START + 1, stream_id="cam"))
        came.wait(2)
        until(lambda: dispatcher.status[0].targets[0].failed == 2 and dispatcher.status[0].holding == 1)
        dispatcher.drop_stream("cam")
        assert (dispatcher.status[0].holding, dispatcher.status[0].targets[0].waiting) == (0, 1)
        clock.at += 100
        dispatcher.publish(opened(START + 100, stream_id="other"))
        came.wait(2)
        until(lambda: dispatcher.status[0].targets[0].waiting == 0)
    assert {note.event.stream_id for note in target.got} == {"door", "other"}
    with a_store(tmp_path) as store:
        stored = store.writer.submit(load).result(20)
    assert stored.waiting == ()
    assert "cam" not in {stream_id for _, stream_id in stored.gates}
