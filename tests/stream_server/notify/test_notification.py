from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest

from stream_server.events import EventKind, EventState
from stream_server.notify.notification import Reason, event_of_a_test, notification_of, payload, text, title
from tests.events_of import START, an_event
from tests.stream_server.notify.rules_of import opened


def test_the_text_says_what_where_since_when_how_sure_and_that_it_is_no_proof() -> None:
    notification = notification_of(opened(peak_probability=0.934), "night", Reason.OPENED, START, held_back=3)
    assert title(notification) == "Suspected manipulation: stream cam"
    assert text(notification, "https://monitor.example", ZoneInfo("Europe/Berlin")).splitlines() == [
        "Suspected manipulation on stream cam, face 3.",
        "It goes on since 2026-09-21 16:13:20 CEST.",
        "Highest score: 93 %.",
        "A score is an opinion of a network, not proof.",
        "And 3 more of this stream since the last notification, held back.",
        f"https://monitor.example/?event={notification.event.id}",
    ]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        pytest.param({}, "It began 2026-09-21 14:13:20 UTC and ended after 20 s.", id="ended"),
        pytest.param(
            {"state": EventState.INTERRUPTED},
            "It began 2026-09-21 14:13:20 UTC; after 20 s the monitor or the stream stopped, and nobody saw its end.",
            id="interrupted",
        ),
        pytest.param(
            {"kind": EventKind.DUPLICATED, "face_id": None, "same_as": "door"},
            "It shows the same picture as stream door.",
            id="a duplicate",
        ),
        pytest.param({"kind": EventKind.BLACK, "face_id": None}, "Black picture on stream cam.", id="a black picture"),
    ],
)
def test_the_text_fits_the_event(changes: dict[str, Any], line: str) -> None:
    assert line in text(notification_of(an_event(**changes), "night", Reason.ENDED, START), None).splitlines()


def test_troubles_of_pictures_say_nothing_of_scores() -> None:
    event = an_event(kind=EventKind.FROZEN, face_id=None, peak_probability=None)
    assert "score" not in text(notification_of(event, "night", Reason.ENDED, START), None)


def test_a_test_says_that_nothing_happened_in_text_and_json() -> None:
    notification = notification_of(event_of_a_test(START, "1.0"), "night", Reason.TEST, START)
    assert title(notification) == "Test of deepfake-monitor"
    assert "nothing happened" in text(notification, None)
    body = payload(notification, START, "https://monitor.example")
    assert body["notification"]["reason"] == "test"
    assert body["link"] == "https://monitor.example"
    assert body["peak_probability"] is None
