from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_server.notify.delivery import GIVE_UP_S, DeliveryError, anew, delivery_of, failed, pause_s
from stream_server.notify.notification import Reason, notification_of
from tests.events_of import START, an_event

NOTIFICATION = notification_of(an_event(), "all", Reason.ENDED, START)


@pytest.mark.parametrize(
    ("tries", "expected"), [(1, 1), (2, 2), (3, 4), (4, 8), (10, 512), (11, 900), (12, 900), (5000, 900)]
)
def test_pauses_double_up_to_a_quarter_of_an_hour(tries: int, expected: float) -> None:
    assert pause_s(tries, 0.0) == expected
    assert pause_s(tries, 1.0) == pytest.approx(0.8 * expected)


def test_a_target_that_fails_for_a_day_is_given_up_after_a_day() -> None:
    delivery, now, tries = delivery_of(NOTIFICATION, 1, "x", START), START, 0
    while delivery.dead_at is None:
        now = delivery.next_at
        delivery = failed(delivery, DeliveryError("it answered 500"), now, 0.0)
        tries += 1
        assert tries < 200
    assert GIVE_UP_S - 900 <= now - START <= GIVE_UP_S
    assert (delivery.tries, delivery.last_error) == (tries, "it answered 500")
    assert 100 <= tries <= 110


def test_what_no_second_try_mends_is_given_up_at_once() -> None:
    dead = failed(delivery_of(NOTIFICATION, 1, "x", START), DeliveryError("it answered 403", final=True), START, 0.5)
    assert (dead.dead_at, dead.tries) == (START, 1)


@pytest.mark.parametrize(
    ("asked_s", "next_s"), [(0.5, 1.0), (120.0, 120.0), (5000.0, 5000.0)], ids=["shorter", "longer", "beyond our own"]
)
def test_a_target_that_asks_for_more_time_gets_it(asked_s: float, next_s: float) -> None:
    error = DeliveryError("it answered 429", retry_after_s=asked_s)
    assert failed(delivery_of(NOTIFICATION, 1, "x", START), error, START, 0.0).next_at == START + next_s


def test_its_day_begins_anew_when_the_clock_is_set_back() -> None:
    back = START - 365 * 86_400
    tried = failed(delivery_of(NOTIFICATION, 1, "x", START), DeliveryError("it answered 500"), back, 0.0)
    assert (tried.since, tried.next_at) == (back, back + 1)


def test_one_that_asks_to_come_back_after_more_than_a_day_is_given_up() -> None:
    error = DeliveryError("it answered 503", retry_after_s=GIVE_UP_S + 1)
    assert failed(delivery_of(NOTIFICATION, 1, "x", START), error, START, 0.0).dead_at == START


def test_a_dead_letter_sent_again_keeps_its_id_and_gets_a_day_of_its_own() -> None:
    dead = failed(delivery_of(NOTIFICATION, 1, "x", START), DeliveryError("no", final=True), START, 0.0)
    again = anew(dead, START + 1e6)
    assert (again.id, again.tries, again.dead_at, again.next_at) == (dead.id, 0, None, START + 1e6)
    assert failed(again, DeliveryError("later"), START + 1e6, 0.0).dead_at is None


@given(tries=st.integers(1, 10**6), spread=st.floats(0, 1))
def test_a_pause_is_never_shorter_than_most_of_a_second_nor_longer_than_a_quarter_of_an_hour(
    tries: int, spread: float
) -> None:
    assert 0.8 <= pause_s(tries, spread) <= 900
