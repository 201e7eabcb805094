from __future__ import annotations

import itertools
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_server.event import EventKind, EventState
from stream_server.notify.notification import Notification, Reason
from stream_server.notify.policy import REMEMBERED, Gate, RulePolicy
from tests.events_of import START
from tests.stream_server.notify.rules_of import a_rule, ended, opened


def told(found: list[Notification]) -> list[tuple[str, str, int]]:
    return [(one.event.id, one.reason.value, one.held_back) for one in found]


@pytest.mark.parametrize(
    ("when", "expected"), [("opened", ["opened"]), ("ended", ["ended"]), ("both", ["opened", "ended"])]
)
def test_an_event_is_told_once_when_the_rule_says(when: str, expected: list[str]) -> None:
    policy = RulePolicy(a_rule(when=when))
    event = opened()
    found = policy.on_event(event, START)
    found += policy.on_event(event, START + 10)
    found += policy.on_event(ended(event, START + 20), START + 20)
    found += policy.on_event(ended(event, START + 20), START + 25)  # its evidence was made
    assert [one.reason.value for one in found] == expected


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        pytest.param(a_rule(), True, id="everything by default"),
        pytest.param(a_rule(streams=("cam", "door")), True, id="its stream"),
        pytest.param(a_rule(streams=("door",)), False, id="another stream"),
        pytest.param(a_rule(kinds=(EventKind.MANIPULATION,)), True, id="its kind"),
        pytest.param(a_rule(kinds=(EventKind.BLACK, EventKind.FROZEN)), False, id="other kinds"),
    ],
)
def test_a_rule_is_about_its_streams_and_kinds(rule: object, wanted: bool) -> None:
    assert isinstance(rule, type(a_rule()))
    assert bool(RulePolicy(rule).on_event(opened(), START)) is wanted


@pytest.mark.parametrize(
    ("lasts_s", "expected"),
    [
        pytest.param(5.0, [], id="too short: neither its start nor its end"),
        pytest.param(12.0, ["opened", "ended"], id="long enough"),
        pytest.param(10.0, ["opened", "ended"], id="exactly"),
    ],
)
def test_an_event_is_told_if_it_goes_on_for_so_long(lasts_s: float, expected: list[str]) -> None:
    policy = RulePolicy(a_rule(when="both", min_duration_s=10.0))
    event = opened()
    assert policy.on_event(event, START) == []
    assert policy.next_at == START + 10
    found = policy.tick(START + min(lasts_s, 10) - 0.1)
    assert found == []
    found += policy.tick(START + 10) if lasts_s > 10 else []
    found += policy.on_event(ended(event, START + lasts_s), START + lasts_s)
    assert [one.reason.value for one in found] == expected


def test_what_waited_for_its_duration_is_told_as_it_is_then() -> None:
    policy = RulePolicy(a_rule(min_duration_s=15.0))
    event = opened(peak_probability=0.7)
    policy.on_event(event, START)
    policy.on_event(event.model_copy(update={"peak_probability": 0.99}), START + 10)
    (only,) = policy.tick(START + 15)
    assert only.event.peak_probability == 0.99
    assert policy.next_at is None


def test_in_the_cooldown_events_are_held_and_the_newest_is_told_with_the_number_of_the_others() -> None:
    policy = RulePolicy(a_rule(cooldown_s=60.0))
    events = [opened(START + i * 10) for i in range(5)]
    found = [one for i, event in enumerate(events) for one in policy.on_event(event, START + i * 10)]
    assert told(found) == [(events[0].id, "opened", 0)]
    assert policy.next_at == START + 60
    assert policy.tick(START + 59) == []
    assert told(policy.tick(START + 60)) == [(events[4].id, "opened", 3)]
    assert policy.held_back == 4
    assert policy.on_event(opened(START + 100), START + 100) == [], "the cooldown began anew"


def test_one_that_comes_before_anybody_looked_at_the_gate_says_what_was_held() -> None:
    policy = RulePolicy(a_rule(cooldown_s=60.0))
    for i in range(3):
        policy.on_event(opened(START + i), START + i)
    late = opened(START + 70)
    assert told(policy.on_event(late, START + 70)) == [(late.id, "opened", 2)]


def test_streams_cool_down_apart() -> None:
    policy = RulePolicy(a_rule(cooldown_s=60.0))
    assert policy.on_event(opened(stream_id="a"), START)
    assert policy.on_event(opened(stream_id="b"), START)
    assert not policy.on_event(opened(stream_id="a"), START + 1)


def test_an_open_gate_that_held_nothing_is_forgotten() -> None:
    policy = RulePolicy(a_rule(cooldown_s=60.0))
    policy.on_event(opened(), START)
    assert policy.tick(START + 60) == []
    assert (policy.gates, policy.next_at) == ({}, None)


def berlin(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin")).timestamp()


@pytest.mark.parametrize("night", ["2026-01-10", "2026-03-28", "2026-10-24"], ids=["ordinary", "forward", "back"])
def test_what_comes_in_quiet_hours_is_told_in_one_in_the_morning(night: str) -> None:
    policy = RulePolicy(a_rule(quiet_hours="22:00-06:00", time_zone="Europe/Berlin"))
    begin = berlin(f"{night}T23:00:00")
    events = [opened(begin + i * 600) for i in range(3)]
    assert [one for event in events for one in policy.on_event(event, event.started_at)] == []
    morning = policy.next_at
    assert morning is not None
    assert datetime.fromtimestamp(morning, ZoneInfo("Europe/Berlin")).strftime("%H:%M") == "06:00"
    assert policy.tick(morning - 1) == []
    assert told(policy.tick(morning)) == [(events[2].id, "opened", 2)]


def test_a_cooldown_that_ends_in_quiet_hours_waits_for_their_end() -> None:
    policy = RulePolicy(a_rule(cooldown_s=3600.0, quiet_hours="22:00-06:00"))
    evening = datetime.fromisoformat("2026-05-01T21:30:00+00:00").timestamp()
    policy.on_event(opened(evening), evening)
    held = opened(evening + 60)
    assert policy.on_event(held, evening + 60) == []
    assert policy.tick(evening + 3600) == []
    assert told(policy.tick(evening + 8.5 * 3600)) == [(held.id, "opened", 0)]


def test_an_event_that_ends_while_it_is_held_is_told_as_over() -> None:
    policy = RulePolicy(a_rule(cooldown_s=60.0))
    policy.on_event(opened(), START)
    held = opened(START + 10)
    policy.on_event(held, START + 10)
    policy.on_event(ended(held, START + 30), START + 30)
    (only,) = policy.tick(START + 60)
    assert (only.event.state, only.reason) == (EventState.ENDED, Reason.OPENED)


def test_a_gate_of_an_earlier_process_holds_and_tells_what_it_held() -> None:
    before = RulePolicy(a_rule(cooldown_s=60.0))
    for i in range(3):
        before.on_event(opened(START + i), START + i)
    assert before.changed == {"cam"}
    gate = Gate.model_validate_json(before.gates["cam"].model_dump_json())
    after = RulePolicy(a_rule(cooldown_s=60.0))
    after.restore("cam", gate)
    assert after.on_event(opened(START + 20), START + 20) == []
    (only,) = after.tick(START + 60)
    assert only.held_back == 2


def test_a_clock_that_is_set_back_keeps_no_gate_closed_for_longer_than_a_cooldown() -> None:
    policy = RulePolicy(a_rule(cooldown_s=60.0))
    ahead = START + 4 * 365 * 86_400
    policy.on_event(opened(ahead), ahead)
    held = opened(START)
    assert policy.on_event(held, START) == []
    policy.tick(START)
    assert policy.next_at == START + 60
    assert told(policy.tick(START + 60)) == [(held.id, "opened", 0)]


def test_quiet_hours_of_a_clock_that_is_set_back_are_those_of_the_clock_now() -> None:
    policy = RulePolicy(a_rule(quiet_hours="22:00-06:00"))
    evening = datetime.fromisoformat("2026-05-01T23:00:00+00:00").timestamp()
    held = opened(evening)
    assert policy.on_event(held, evening) == []
    noon = evening - 11 * 3600
    assert told(policy.tick(noon)) == [(held.id, "opened", 0)]


def test_a_gate_of_other_settings_opens_as_the_new_ones_say() -> None:
    before = RulePolicy(a_rule(cooldown_s=86_400.0))
    before.on_event(opened(START), START)
    after = RulePolicy(a_rule(cooldown_s=60.0))
    after.restore("cam", before.gates["cam"])
    after.tick(START + 100)
    assert after.next_at == START + 160


def test_a_clock_that_is_set_back_delays_what_goes_on_by_no_more_than_its_duration() -> None:
    policy = RulePolicy(a_rule(min_duration_s=5.0))
    event = opened()
    policy.on_event(event, START + 1)
    back = START - 3600
    assert policy.tick(back) == []
    policy.on_event(event, back + 1)
    assert policy.tick(back + 4.9) == []
    assert told(policy.tick(back + 5)) == [(event.id, "opened", 0)]


def test_an_event_that_goes_on_is_not_told_anew_after_many_others() -> None:
    policy = RulePolicy(a_rule())
    long = opened()
    assert policy.on_event(long, START)
    for i in range(2 * REMEMBERED):
        policy.on_event(opened(START + i), START + i)
        if i % 1000 == 0:
            assert policy.on_event(long, START + i) == []


def test_of_an_event_that_is_deleted_nothing_is_told() -> None:
    policy = RulePolicy(a_rule(cooldown_s=60.0, min_duration_s=5.0, when="both"))
    young, held = opened(), opened(START + 1)
    policy.on_event(young, START)
    policy.on_event(opened(START - 10), START)
    policy.on_event(held.model_copy(update={"started_at": START - 10}), START + 1)
    policy.changed.clear()
    policy.drop_event(young.id)
    policy.drop_event(held.id)
    assert policy.changed == {"cam"}
    assert policy.next_at == START + 60
    assert policy.tick(START + 60) == []


def test_what_was_held_back_before_a_deleted_one_is_still_counted() -> None:
    policy = RulePolicy(a_rule(cooldown_s=60.0))
    policy.on_event(opened(START), START)
    events = [opened(START + 1 + i) for i in range(4)]
    for event in events:
        assert policy.on_event(event, event.started_at) == []
    policy.drop_event(events[-1].id)
    assert policy.tick(START + 60) == []
    later = opened(START + 100)
    assert told(policy.on_event(later, START + 100)) == [(later.id, "opened", 3)]


def test_what_was_told_is_remembered_up_to_a_bound() -> None:
    policy = RulePolicy(a_rule())
    for i in range(REMEMBERED + 100):
        policy.on_event(opened(START + i), START + i)
    assert len(policy._told) == REMEMBERED


@given(
    gaps=st.lists(st.floats(0, 200), min_size=1, max_size=40),
    cooldown=st.sampled_from([0.0, 30.0, 60.0, 600.0]),
    quiet=st.sampled_from([None, "22:00-06:00", "12:00-12:10"]),
)
def test_nothing_is_lost_silently_and_never_two_in_one_cooldown(
    gaps: list[float], cooldown: float, quiet: str | None
) -> None:
    policy = RulePolicy(a_rule(cooldown_s=cooldown, quiet_hours=quiet))
    now = datetime.fromisoformat("2026-05-01T21:40:00+00:00").timestamp()
    found: list[Notification] = []
    for gap in gaps:
        now += gap
        found += policy.tick(now)
        found += policy.on_event(opened(now), now)
    while (due := policy.next_at) is not None:
        now = max(now, due)
        found += policy.tick(now)
    assert sum(1 + one.held_back for one in found) == len(gaps)
    times = [one.made_at for one in found]
    assert all(later - earlier >= cooldown for earlier, later in itertools.pairwise(times))
