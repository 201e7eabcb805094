from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from analyzer.errors import ConflictError, NotFoundError
from stream_server.event import EventState
from stream_server.notify import dispatcher as dispatcher_module
from stream_server.notify import outbox as outbox_module
from stream_server.notify.delivery import DeliveryError
from stream_server.notify.dispatcher import GONE, Dispatcher
from stream_server.notify.notification import Reason
from stream_server.notify.outbox import Outbox
from stream_server.notify.rows import dead_letters, load_gates, load_waiting
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


def test_the_end_of_what_a_killed_process_left_open_is_told_by_the_next(tmp_path: Path, clock: HandClock) -> None:
    event = opened()
    with a_store(tmp_path) as store:
        store.writer.save_event(event)
        store.writer.submit(lambda connection: None).result(20)  # and then it was killed
    target = FakeTarget()
    came = Came(target)
    with a_store(tmp_path) as store, running(store, target, clock=clock, when="ended"):
        came.wait()
    (told,) = target.got
    assert (told.event.id, told.event.state) == (event.id, EventState.INTERRUPTED)
    with a_store(tmp_path) as store:
        assert store.writer.interrupted == ()


def test_a_large_backlog_is_sent_page_by_page(
    tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_module, "PAGE", 3)
    target = FakeTarget(answers=[NO])
    came = Came(target)
    with a_store(tmp_path) as store, running(store, target, clock=clock) as dispatcher:
        for i in range(10):
            dispatcher.publish(opened(START - i))
        came.wait()
        until(lambda: dispatcher.status[0].targets[0].waiting == 10 and not dispatcher.unwritten)
    clock.at += 60
    later = FakeTarget()
    came = Came(later)
    with a_store(tmp_path) as store, running(store, later, clock=clock):
        came.wait(10)
    assert len({note.id for note in later.got}) == 10


def test_a_database_that_is_away_is_told_of_once(clock: HandClock, caplog: pytest.LogCaptureFixture) -> None:
    dispatcher = Dispatcher([(a_rule(), [FakeTarget()])], Outbox(NoDatabase()), now=clock)
    assert [dispatcher._load() for _ in range(3)] == [False] * 3
    assert caplog.text.count("are not sent yet") == 1


def test_neither_publishing_nor_looking_waits_for_the_rules(clock: HandClock) -> None:
    dispatcher = Dispatcher([(a_rule(), [FakeTarget()])], Outbox(NoDatabase()), now=clock)
    with dispatcher._judging:  # the rules take their time
        caller = ThreadPoolExecutor(1)
        caller.submit(dispatcher.publish, opened()).result(10)
        assert caller.submit(lambda: dispatcher.status[0].holding).result(10) == 0
        assert caller.submit(lambda: dispatcher.inbox_length).result(10) == 1
        caller.shutdown()


def test_while_one_test_waits_another_reaches_no_target_of_the_rule(clock: HandClock) -> None:
    targets = FakeTarget("1: a"), FakeTarget("2: b")
    dispatcher = Dispatcher([(a_rule(), targets)], Outbox(NoDatabase()), now=clock)  # it never began
    first, second = dispatcher._lanes["all"]
    dispatcher.test("all")
    first.step()
    with pytest.raises(ConflictError, match="under way"):
        dispatcher.test("all")
    first.step()
    second.step()
    assert (len(targets[0].got), len(targets[1].got)) == (1, 1)


def test_of_an_event_that_is_deleted_nothing_more_is_sent(tmp_path: Path, clock: HandClock) -> None:
    refused = DeliveryError("it answered 403", final=True)
    gone, stays = opened(), opened(START + 1)
    target = FakeTarget(answers=[refused, refused, NO])
    came = Came(target)
    with a_store(tmp_path) as store:

        def dead() -> set[str]:
            page = store.writer.submit(lambda connection: dead_letters(connection, None, 9)).result(20)
            return {letter.notification.event.id for letter in page.items}

        with running(store, target, clock=clock, when="both") as dispatcher:
            dispatcher.publish(gone)
            dispatcher.publish(stays)
            came.wait(2)
            until(lambda: dead() == {gone.id, stays.id})
            dispatcher.publish(ended(gone, START + 5))
            came.wait()
            until(lambda: dispatcher.status[0].targets[0].failed == 3)
            dispatcher.drop_event(gone.id)
            assert dispatcher.status[0].targets[0].waiting == 0
            until(lambda: dead() == {stays.id})
    assert target.got == []


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
    target = FakeTarget(answers=[NO])
    came = Came(target)
    with a_store(tmp_path) as store, running(store, target, clock=clock, cooldown_s=60.0) as dispatcher:
        for stream in ("cam", "door"):
            dispatcher.publish(opened(stream_id=stream))
        dispatcher.publish(opened(START + 1, stream_id="cam"))
        came.wait()
        until(lambda: dispatcher.status[0].targets[0].failed == 1 and dispatcher.status[0].holding == 1)
        dispatcher.drop_stream("cam")
        assert (dispatcher.status[0].holding, dispatcher.status[0].targets[0].waiting) == (0, 1)
        clock.at += 100
        dispatcher.publish(opened(START + 100, stream_id="other"))
        came.wait(2)
        until(lambda: dispatcher.status[0].targets[0].waiting == 0)
    assert {note.event.stream_id for note in target.got} == {"door", "other"}
    with a_store(tmp_path) as store:
        page = store.writer.submit(lambda connection: load_waiting(connection, "", 9, START)).result(20)
        gates = store.writer.submit(load_gates).result(20)
    assert page.items == ()
    assert "cam" not in {stream_id for _, stream_id in gates}
