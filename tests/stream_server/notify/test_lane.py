from __future__ import annotations

import logging
import threading

import pytest

from analyzer.errors import ConflictError
from stream_server.notify.delivery import GIVE_UP_S, Delivery, DeliveryError, delivery_of
from stream_server.notify.lane import LONGEST_WAIT_S, MAX_WAITING, TOO_MANY, Lane
from stream_server.notify.notification import Reason, notification_of
from stream_server.notify.webhook import WebhookTarget
from tests.events_of import START, an_event
from tests.stream_server.notify.rules_of import FakeTarget, HandClock, Kept, a_webhook
from tests.stream_server.notify.servers import receiver, status

NO = DeliveryError("it answered 500")


def a_delivery(clock: HandClock, **changes: object) -> Delivery:
    notification = notification_of(an_event(), "all", Reason.ENDED, clock())
    return delivery_of(notification, 1, "1: fake://***", clock()).model_copy(update=changes)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def run_until(lane: Lane, clock: HandClock, end: float) -> None:
    """Do what is due up to then, without waiting."""
    while clock.at <= end:
        clock.at += max(lane.step(), 0.001)


def test_what_was_taken_is_forgotten(clock: HandClock) -> None:
    target, kept = FakeTarget(), Kept(clock)
    lane = Lane(target, "all", 1, kept.ports)
    delivery = a_delivery(clock)
    lane.put(delivery)
    assert kept.rows == {delivery.id: delivery}
    assert lane.step() == 0.0
    assert (target.got, kept.rows) == ([delivery.notification], {})
    assert (lane.status.sent, lane.status.waiting, lane.status.last_sent_at) == (1, 0, START)
    assert lane.step() == LONGEST_WAIT_S


def test_tries_follow_the_schedule(clock: HandClock) -> None:
    target, kept = FakeTarget(answers=[NO, NO, NO, NO]), Kept(clock)
    lane = Lane(target, "all", 1, kept.ports)
    lane.put(a_delivery(clock))
    run_until(lane, clock, START + 60)
    assert [round(at - START) for at in target.tried_at] == [0, 1, 3, 7, 15]
    assert (lane.status.sent, lane.status.failed, lane.status.last_error) == (1, 4, None)


def test_a_receiver_that_answers_500_for_a_day_makes_a_dead_letter(clock: HandClock) -> None:
    kept = Kept(clock)
    with receiver(status(500)) as server:
        lane = Lane(WebhookTarget(a_webhook(server.url), 1, None), "all", 1, kept.ports)
        delivery = a_delivery(clock)
        lane.put(delivery)
        run_until(lane, clock, START + GIVE_UP_S + 1000)
    dead = kept.rows[delivery.id]
    assert dead.dead_at is not None
    assert START + GIVE_UP_S - 900 <= dead.dead_at <= START + GIVE_UP_S
    assert (dead.tries, dead.last_error) == (len(server.got), "it answered 500")
    assert {got.headers["X-Deepfake-Monitor-Id"] for got in server.got} == {delivery.notification.id}
    assert (lane.status.dead, lane.status.waiting) == (1, 0)


def test_while_a_target_wants_no_requests_nothing_at_all_is_sent_to_it(clock: HandClock) -> None:
    target = FakeTarget(answers=[DeliveryError("it answered 429", retry_after_s=100)])
    lane = Lane(target, "all", 1, Kept(clock).ports)
    lane.put(a_delivery(clock))
    lane.step()
    clock.at += 1
    lane.put(a_delivery(clock))
    run_until(lane, clock, START + 150)
    assert [round(at - START) for at in target.tried_at] == [0, 100, 100]


def test_a_clock_that_is_set_back_does_not_stop_it(clock: HandClock) -> None:
    target = FakeTarget(answers=[NO])
    lane = Lane(target, "all", 1, Kept(clock).ports)
    lane.put(a_delivery(clock))
    lane.step()
    clock.at -= 365 * 86_400
    run_until(lane, clock, clock.at + 1)
    assert len(target.got) == 1


def test_one_that_fails_does_not_hold_up_the_next(clock: HandClock) -> None:
    target = FakeTarget(answers=[NO])
    lane = Lane(target, "all", 1, Kept(clock).ports)
    first, second = a_delivery(clock), a_delivery(clock, next_at=START + 0.5)
    lane.put(first)
    lane.put(second)
    run_until(lane, clock, START + 2)
    assert [one.id for one in target.got] == [second.notification.id, first.notification.id]


def test_one_that_waits_already_is_not_put_twice(clock: HandClock) -> None:
    target = FakeTarget()
    lane = Lane(target, "all", 1, Kept(clock).ports)
    delivery = a_delivery(clock)
    lane.put(delivery)
    lane.put(delivery)
    run_until(lane, clock, START + 1)
    assert len(target.got) == 1


def test_when_too_many_wait_the_oldest_becomes_a_dead_letter(clock: HandClock) -> None:
    kept = Kept(clock)
    lane = Lane(FakeTarget(), "all", 1, kept.ports)
    deliveries = [a_delivery(clock) for _ in range(MAX_WAITING + 2)]
    for delivery in deliveries:
        lane.put(delivery)
    dead = [one for one in kept.rows.values() if one.dead_at is not None]
    assert [one.id for one in dead] == [deliveries[0].id, deliveries[1].id]
    assert {one.last_error for one in dead} == {TOO_MANY}
    assert (lane.status.waiting, lane.status.dead) == (MAX_WAITING, 2)


def test_a_test_goes_before_everything_else_and_is_tried_once(clock: HandClock) -> None:
    target = FakeTarget(answers=[NO])
    kept = Kept(clock)
    lane = Lane(target, "all", 1, kept.ports)
    lane.put(a_delivery(clock))
    test = notification_of(an_event(), "all", Reason.TEST, START)
    done = lane.test(test)
    with pytest.raises(ConflictError, match="under way"):
        lane.test(test)
    lane.step()
    assert done.exception(0) is NO
    assert len(kept.rows) == 1
    run_until(lane, clock, START + 1)
    assert [one.reason for one in target.got] == [Reason.ENDED]


def test_a_test_that_nobody_waits_for_any_more_is_not_sent(clock: HandClock) -> None:
    target = FakeTarget()
    lane = Lane(target, "all", 1, Kept(clock).ports)
    assert lane.test(notification_of(an_event(), "all", Reason.TEST, START)).cancel()
    lane.step()
    assert target.got == []


def test_its_thread_sends_what_is_put_and_ends(clock: HandClock) -> None:
    target, came = FakeTarget(), threading.Event()
    target.on_send = came.set
    lane = Lane(target, "all", 1, Kept(clock).ports)
    lane.start()
    lane.put(a_delivery(clock))
    assert came.wait(10)
    lane.ask_to_stop()
    assert lane.join(10)
    assert len(target.got) == 1
    assert not lane.health.alive


def test_a_send_that_hangs_is_left_behind_and_stays_kept(clock: HandClock) -> None:
    target, kept, begun, end = FakeTarget(), Kept(clock), threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        end.wait(30)

    target.on_send = hang
    lane = Lane(target, "all", 1, kept.ports)
    lane.start()
    lane.put(a_delivery(clock))
    assert begun.wait(10)
    assert lane.status.busy_since == START
    lane.ask_to_stop()
    assert not lane.join(0.05)
    assert len(kept.rows) == 1
    end.set()
    assert lane.join(10)


def test_a_bug_in_a_target_is_a_try_in_vain_and_seen_without_its_text(
    clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    target = FakeTarget()

    def fail() -> None:
        target.on_send = lambda: None
        raise LookupError("a-token-of-a-test")

    target.on_send = fail
    lane = Lane(target, "all", 1, Kept(clock).ports)
    lane.put(a_delivery(clock))
    lane.step()
    assert lane.status.last_error == "sending failed (LookupError)"
    run_until(lane, clock, START + 2)
    assert len(target.got) == 1
    assert "token" not in caplog.text


def test_while_a_target_takes_nothing_one_try_at_a_time_probes_it(clock: HandClock) -> None:
    target, kept = FakeTarget(), Kept(clock)
    target.always = NO
    lane = Lane(target, "all", 1, kept.ports)
    for _ in range(50):
        lane.put(a_delivery(clock))
    run_until(lane, clock, START + 100)
    assert [round(at - START) for at in target.tried_at] == [0, 1, 3, 7, 15, 31, 63]
    target.always = None
    run_until(lane, clock, START + 130)
    assert (len(target.got), kept.rows) == (50, {})


def test_one_bad_recipient_among_several_holds_up_no_other_notification(clock: HandClock) -> None:
    target, kept = FakeTarget(), Kept(clock)
    target.always = DeliveryError("some of the recipients did not take it", reached=True)
    lane = Lane(target, "all", 1, kept.ports)
    for _ in range(10):
        delivery = a_delivery(clock)
        lane.put(delivery)
        run_until(lane, clock, clock.at + 1)
        assert kept.rows[delivery.id].tries > 0
        run_until(lane, clock, clock.at + 600)


def test_what_waits_for_a_day_is_given_up_without_a_try_of_its_own(clock: HandClock) -> None:
    target, kept = FakeTarget(), Kept(clock)
    target.always = NO
    lane = Lane(target, "all", 1, kept.ports)
    for _ in range(300):
        lane.put(a_delivery(clock))
    run_until(lane, clock, START + GIVE_UP_S + 1000)
    assert lane.status.waiting == 0
    assert {one.last_error for one in kept.rows.values() if one.dead_at is not None} == {"it answered 500"}
    assert len(kept.rows) == 300
    assert len(target.tried_at) < 150


def test_a_target_that_takes_nothing_is_logged_once_an_hour_and_when_it_is_well_again(
    clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    target = FakeTarget()
    target.always = NO
    lane = Lane(target, "all", 1, Kept(clock).ports)
    lane.put(a_delivery(clock))
    run_until(lane, clock, START + 600)
    assert [record.message for record in caplog.records] == [
        "rule all: 1: fake://*** did not take a notification (1 tries in vain): it answered 500"
    ]
    target.always = DeliveryError("it answered 503")
    run_until(lane, clock, START + 1800)
    assert len(caplog.records) == 2
    run_until(lane, clock, START + 6000)
    assert len(caplog.records) == 3
    target.always = None
    run_until(lane, clock, START + 8000)
    assert caplog.records[-1].message == "rule all: 1: fake://*** takes notifications again"


@pytest.mark.parametrize("tried", [True, False], ids=["the one that failed", "one that waits behind it"])
@pytest.mark.parametrize("back_s", [60.0, 12 * 3600.0, 4 * 365 * 86_400.0])
def test_no_clock_that_is_set_back_delays_a_try(clock: HandClock, back_s: float, tried: bool) -> None:
    target = FakeTarget(answers=[NO])
    lane = Lane(target, "all", 1, Kept(clock).ports)
    lane.put(a_delivery(clock))
    lane.step()
    if not tried:
        lane.put(a_delivery(clock))
    clock.at -= back_s
    run_until(lane, clock, clock.at + 1)
    assert len(target.got) == (1 if tried else 2)


def test_a_test_that_nobody_waits_for_any_more_gives_its_place_to_the_next(clock: HandClock) -> None:
    target = FakeTarget()
    lane = Lane(target, "all", 1, Kept(clock).ports)
    test = notification_of(an_event(), "all", Reason.TEST, START)
    assert lane.test(test).cancel()
    done = lane.test(test)
    lane.step()
    assert done.exception(0) is None
    assert len(target.got) == 1


def test_where_its_thread_died_a_test_is_refused_at_once(clock: HandClock, caplog: pytest.LogCaptureFixture) -> None:
    def no_clock() -> float:
        raise LookupError("a-token-of-a-test")

    lane = Lane(FakeTarget(), "all", 1, Kept(no_clock).ports)
    lane.start()
    assert lane.join(10)
    assert (lane.health.alive, lane.health.error) == (False, "LookupError")
    done = lane.test(notification_of(an_event(), "all", Reason.TEST, START))
    assert "restart the monitor" in str(done.exception(0))
    assert "token" not in caplog.text


def test_of_an_event_that_is_deleted_nothing_more_is_sent(clock: HandClock) -> None:
    target, kept = FakeTarget(), Kept(clock)
    lane = Lane(target, "all", 1, kept.ports)
    gone, stays = a_delivery(clock), a_delivery(clock)
    lane.put(gone)
    lane.put(stays)
    lane.drop_event(gone.notification.event.id)
    assert list(kept.rows) == [stays.id]
    run_until(lane, clock, START + 1)
    assert [one.id for one in target.got] == [stays.notification.id]
