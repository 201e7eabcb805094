from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from stream_server.event import EventKind, EventState
from stream_server.notify.notification import (
    Reason,
    event_of_a_test,
    link_of,
    notification_of,
    payload,
    text,
    title,
)
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
        f"https://monitor.example/#/events/{notification.event.id}",
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


def test_a_link_is_read_by_the_dashboard_as_the_page_of_its_event() -> None:
    node = shutil.which("node")
    if node is None:
        assert os.environ.get("CI") != "true", "node is missing"
        pytest.skip("node is missing")
    notification = notification_of(opened(), "night", Reason.OPENED, START)
    script = """
        import { routeOf } from "./static/js/core/route.js";
        console.log(JSON.stringify(routeOf(new URL(process.argv[1]).hash)));
    """
    link = link_of(notification, "https://monitor.example")
    done = subprocess.run(
        [node, "--input-type=module", "--eval", script, str(link)],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    assert json.loads(done.stdout) == {"view": "event", "id": notification.event.id}


def test_what_comes_hours_later_says_as_of_when_it_is() -> None:
    notification = notification_of(opened(), "night", Reason.OPENED, START + 5)
    soon, late = (text(notification, None, sent_at=START + after) for after in (60, 3 * 3600))
    assert "It goes on since 2026-09-21 14:13:20 UTC." in soon
    assert "It began 2026-09-21 14:13:20 UTC and went on at 2026-09-21 14:13:25 UTC; this comes late." in late


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
