"""Events beside what is live, against a scripted server: alerts with their links, notices, lost connections.

Names for tests (`data-testid`): alert-event, storage-trouble, notifications-failing, notifications-dead.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Route, expect

from stream_server.event import Event, EventState
from tests.e2e.event_site import ended_after
from tests.e2e.scripted_messages import alert_message
from tests.e2e.scripted_server import ScriptedServer
from tests.e2e.watched_page import PHONE, WatchedPage, chromium_with, expect_accessible

pytestmark = pytest.mark.browser

LOST = ("Failed to load resource", "WebSocket connection to")
NOW = time.time()
UNAVAILABLE = {"error": {"code": "unavailable", "message": "The disk is full."}}
Scheme = Literal["light", "dark"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium_with() as opened:
        yield opened


def open_event(stream_id: str, face_id: int, started_at: float) -> Event:
    event = ended_after(started_at, stream_id=stream_id, face_id=face_id, state=EventState.OPEN)
    return event.model_copy(update={"ended_at": None})


@pytest.mark.parametrize(("size", "scheme"), [((1280, 800), "light"), (PHONE, "dark")], ids=["desk", "phone"])
def test_alerts_lead_to_their_events_and_storage_trouble_is_told_on_every_view(
    browser: Browser, size: tuple[int, int], scheme: Scheme
) -> None:
    with (
        ScriptedServer("alert") as server,
        WatchedPage(browser, server.url, size=size, scheme=scheme) as opened,
    ):
        page = opened.page
        alert = page.get_by_test_id("alert").filter(has_text="desk-alert, face 2")
        expect(page.get_by_test_id("alert")).to_have_count(1)
        expect(page.get_by_test_id("alert-event")).to_have_count(0)
        role = server.stage.script.cast[0]
        now = time.time()
        server.send(alert_message(role, 2, raised=True, now=now))
        event = open_event(role.stream_id, 2, now).model_dump(mode="json")
        server.send({"type": "event", "event": event, "deleted": False})
        link = alert.get_by_role("link", name="Evidence of desk-alert, face 2")
        expect(link).to_have_attribute("href", f"#/events/{event['id']}")
        server.change(lambda script: setattr(script, "storage", "the disk is full"))
        for hash_ in ("#live", "#videos", "#/events"):
            page.goto(f"{server.url}/{hash_}")
            trouble = page.get_by_test_id("storage-trouble")
            expect(trouble).to_have_text("What happens now is not being stored: the disk is full; scoring goes on.")
        expect_accessible(page)
        opened.screenshot(f"events-storage-trouble-{size[0]}-{scheme}.png")
        server.change(lambda script: setattr(script, "storage", None))
        expect(page.get_by_test_id("storage-trouble")).to_have_count(0)


def test_that_notifications_do_not_reach_people_is_told_on_every_view(browser: Browser) -> None:
    with ScriptedServer("empty") as server, WatchedPage(browser, server.url, size=PHONE) as opened:
        page = opened.page
        failing = ("notifications of rule night do not reach 1: slack://***: the service answered 503",)
        server.change(lambda script: setattr(script, "failing", failing))
        server.change(lambda script: setattr(script, "dead", 1))
        trouble, dead = page.get_by_test_id("notifications-failing"), page.get_by_test_id("notifications-dead")
        for hash_ in ("#live", "#/events"):
            page.goto(f"{server.url}/{hash_}")
            expect(trouble).to_contain_text(f"People may not be told of alerts: {failing[0]}.")
            expect(dead).to_contain_text("1 notification was given up")
        expect_accessible(page)
        opened.screenshot("events-not-notified.png")
        dead.get_by_role("button", name="Dismiss").click()
        server.change(lambda script: setattr(script, "failing", ()))
        expect(trouble).to_have_count(0)
        expect(dead).to_have_count(0)
        server.change(lambda script: setattr(script, "dead", 2))
        expect(dead).to_contain_text("2 notifications were given up")


def test_an_alert_from_before_the_page_was_opened_finds_its_event(browser: Browser) -> None:
    with ScriptedServer("alert") as server, WatchedPage(browser, "about:blank") as opened:
        event = open_event("desk-alert", 1, NOW).model_dump(mode="json")

        def events(route: Any) -> None:
            started = opened.page.evaluate("Date.now()") / 1000
            route.fulfill(json={"items": [{**event, "started_at": started}], "next": None})

        opened.page.route("**/api/events?state=open*", events)
        opened.page.goto(server.url)
        expect(opened.page.get_by_test_id("alert-event")).to_have_attribute("href", f"#/events/{event['id']}")


def test_events_of_the_time_without_a_connection_are_asked_for_until_they_are_known(browser: Browser) -> None:
    with ScriptedServer() as server, WatchedPage(browser, "about:blank", expected=LOST) as opened:
        page = opened.page
        refused: list[str] = []

        def refuse_once(route: Route) -> None:
            if refused:
                route.fallback()
            else:
                refused.append(route.request.url)
                route.fulfill(status=503, json=UNAVAILABLE)

        page.goto(f"{server.url}/#/events")
        expect(page.get_by_test_id("events-note")).to_contain_text("No events yet")
        server.drop_connections()
        expect(page.get_by_test_id("connection")).to_contain_text("Connection lost")
        page.route("**/api/events?*", refuse_once)
        event = ended_after(NOW - 60).model_dump(mode="json")
        server.change(lambda script: setattr(script, "events", (event,)))
        server.change(lambda script: setattr(script, "refuse_sockets", False))
        expect(page.get_by_test_id("event-row")).to_have_count(1, timeout=20_000)
        assert refused


def test_an_event_that_changed_without_a_connection_is_asked_for_until_it_is_known(browser: Browser) -> None:
    event = ended_after(NOW - 300, stream_id="front-door").model_dump(mode="json")
    answers = [(200, event)]
    with ScriptedServer() as server, WatchedPage(browser, "about:blank", expected=LOST) as opened:
        page = opened.page

        def answer(route: Route) -> None:
            status, body = answers[0] if len(answers) == 1 else answers.pop(0)
            route.fulfill(status=status, json=body)

        page.route(f"**/api/events/{event['id']}", answer)
        page.goto(f"{server.url}/#/events/{event['id']}")
        confirmed = page.get_by_test_id("mark-confirmed")
        expect(confirmed).to_have_attribute("aria-pressed", "false")
        expect(page.get_by_test_id("connection")).to_have_text("Connected")
        server.drop_connections()
        expect(page.get_by_test_id("connection")).to_contain_text("Connection lost")
        answers[:] = [(503, UNAVAILABLE), (200, {**event, "mark": "confirmed", "marked_at": NOW})]
        server.change(lambda script: setattr(script, "refuse_sockets", False))
        expect(confirmed).to_have_attribute("aria-pressed", "true", timeout=20_000)
