"""The dashboard's list of events in a real Chromium, on a real store.

Names for tests (`data-testid`): tab-events, event-row (with data-event-id and data-state), event-link, event-state,
event-mark, filter-stream, filter-kind, filter-state, filter-mark, filter-from, filter-to, filter-clear, events-news,
events-note (with data-phase), events-retry, events-older, events-count, events-mark-error.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from stream_server.event import Event, EventKind, EventState, ReviewMark
from tests.e2e.event_site import EventSite, ended_after
from tests.e2e.watched_page import PHONE, WatchedPage, chromium_with, expect_accessible

pytestmark = pytest.mark.browser

REFUSED = ("Failed to load resource",)
NOW = time.time()
STREAMS = ("front-door", "lobby", "desk-webcam", "server-room-east-wing")
Scheme = Literal["light", "dark"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium_with() as opened:
        yield opened


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EventSite]:
    """56 ended events of four streams."""
    with EventSite(tmp_path_factory.mktemp("busy")) as running:
        running.save(*(an_old_event(index) for index in range(56)))
        yield running


@pytest.fixture
def own_site(tmp_path: Path) -> Iterator[EventSite]:
    """Nothing yet; a test may change it."""
    with EventSite(tmp_path / "data") as running:
        yield running


def an_old_event(index: int) -> Event:
    """Of all kinds, states and marks."""
    kind = list(EventKind)[index % 5] if index % 3 == 0 else EventKind.MANIPULATION
    of_face = kind is EventKind.MANIPULATION
    return ended_after(
        NOW - 400 - index * 1777,
        5 + index * 37,
        stream_id=STREAMS[index % 4],
        kind=kind,
        face_id=1 + index % 5 if of_face else None,
        peak_probability=0.55 + 0.04 * (index % 10) if of_face else None,
        same_as="hall" if kind is EventKind.DUPLICATED else None,
        state=EventState.INTERRUPTED if index % 7 == 3 else EventState.ENDED,
        mark=[None, ReviewMark.CONFIRMED, None, ReviewMark.FALSE_ALARM][index % 4],
    )


def going_on(**changes: Any) -> Event:
    return ended_after(time.time() - 12, stream_id="lobby", state=EventState.OPEN).model_copy(
        update={"ended_at": None, **changes}
    )


def open_list(browser: Browser, site: EventSite, **options: Any) -> WatchedPage:
    return WatchedPage(browser, f"{site.url}/#/events", **options)


def rows(page: Page) -> Any:
    return page.get_by_test_id("event-row")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 900), PHONE], ids=["desk", "phone"])
def test_events_are_listed_in_words_the_newest_first(
    site: EventSite, browser: Browser, size: tuple[int, int], scheme: Scheme
) -> None:
    with open_list(browser, site, size=size, scheme=scheme) as opened:
        page = opened.page
        expect(rows(page)).to_have_count(50)
        expect(page).to_have_title("Events · Deepfake Monitor")
        first = rows(page).first
        for words in ("Suspected manipulation", "front-door", "face 1", "5 s", "55 %", "Ended", "Not marked"):
            expect(first).to_contain_text(words)
        expect(first.locator("time")).to_have_attribute("title", re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"))
        name = "Suspected manipulation, stream front-door, face 1"
        expect(page.get_by_role("link", name=name, exact=True).first).to_be_visible()
        expect(rows(page).nth(3)).to_contain_text("Interrupted")
        expect(page.get_by_test_id("events-count")).to_have_text("50 events so far")
        expect_accessible(page)
        opened.screenshot(f"events-busy-{size[0]}-{scheme}.png")


def test_older_ones_come_page_by_page(site: EventSite, browser: Browser) -> None:
    with open_list(browser, site) as opened:
        page = opened.page
        page.get_by_test_id("events-older").press("Enter")
        expect(rows(page)).to_have_count(56)
        expect(page.get_by_test_id("events-older")).to_be_hidden()
        expect(page.get_by_test_id("events-count")).to_have_text("56 events, no older ones")
        expect(rows(page).nth(50).get_by_test_id("event-link")).to_be_focused()


def test_filters_narrow_the_list(site: EventSite, browser: Browser) -> None:
    with open_list(browser, site) as opened:
        page = opened.page
        expect(rows(page)).to_have_count(50)
        page.get_by_test_id("filter-stream").select_option("lobby")
        expect(page.get_by_test_id("events-count")).to_have_text("14 events that match, no older ones")
        page.get_by_test_id("filter-kind").select_option("black picture")
        page.get_by_test_id("filter-state").select_option("open")
        expect(page.get_by_test_id("events-note")).to_contain_text("No event matches")
        expect_accessible(page)
        page.get_by_test_id("filter-clear").click()
        expect(rows(page)).to_have_count(50)
        expect(page.get_by_test_id("filter-stream")).to_be_focused()
        page.get_by_test_id("filter-mark").select_option("none")
        expect(page.get_by_test_id("events-count")).to_have_text("28 events that match, no older ones")


@pytest.mark.parametrize("size", [(1280, 900), PHONE], ids=["desk", "phone"])
def test_the_days_of_which_events_are_listed_can_be_chosen(own_site: EventSite, browser: Browser, size: Any) -> None:
    days = ("2026-03-27", "2026-03-28", "2026-03-29")
    with open_list(browser, own_site, size=size) as opened:
        page = opened.page
        noons = [page.evaluate("(day) => new Date(`${day}T12:00`).getTime() / 1000", day) for day in days]
        own_site.save(*(ended_after(noon, stream_id=day) for noon, day in zip(noons, days, strict=True)))
        page.reload()
        expect(rows(page)).to_have_count(3)
        page.get_by_label("From").fill(days[1])
        expect(rows(page)).to_have_count(2)
        page.get_by_label("To").fill(days[1])
        expect(page.get_by_test_id("events-count")).to_have_text("1 event that matches, no older ones")
        expect(rows(page)).to_contain_text(days[1])
        own_site.tell(going_on())  # today is not asked for
        expect(page.get_by_test_id("events-news")).to_be_hidden()
        expect_accessible(page)
        opened.screenshot(f"events-days-{size[0]}.png")
        page.get_by_test_id("filter-clear").click()
        expect(page.get_by_label("From")).to_have_value("")
        expect(rows(page)).to_have_count(3)


def test_the_list_can_be_worked_through_by_keyboard_and_back_returns_to_the_row(
    site: EventSite, browser: Browser
) -> None:
    with WatchedPage(browser, site.url) as opened:
        page = opened.page
        page.get_by_test_id("tab-events").press("Enter")
        expect(page.get_by_role("heading", name="Events", exact=True).first).to_be_focused()
        expect(page.get_by_test_id("tab-events")).to_have_attribute("aria-current", "page")
        expect(rows(page)).to_have_count(50)
        link = rows(page).nth(20).get_by_test_id("event-link")
        link.press("Enter")
        expect(page.get_by_role("heading", level=2, name=re.compile("Suspected|picture"))).to_be_focused()
        expect(page.get_by_test_id("tab-events")).to_have_attribute("aria-current", "true")
        page.go_back()
        expect(link).to_be_focused()
        expect(page).to_have_title("Events · Deepfake Monitor")
        page.go_back()
        expect(page.get_by_test_id("empty-state")).to_be_visible()
        expect(page).to_have_title("Deepfake Monitor")


def test_with_no_events_it_says_what_will_come(own_site: EventSite, browser: Browser) -> None:
    for size, scheme in (((1280, 800), "light"), (PHONE, "dark")):
        with open_list(browser, own_site, size=size, scheme=scheme) as opened:
            expect(opened.page.get_by_test_id("events-note")).to_contain_text("No events yet")
            expect_accessible(opened.page)
            opened.screenshot(f"events-empty-{size[0]}-{scheme}.png")


def test_live_events_come_in_change_and_go(own_site: EventSite, browser: Browser) -> None:
    with open_list(browser, own_site) as opened:
        page = opened.page
        expect(page.get_by_test_id("events-note")).to_contain_text("No events yet")
        event = going_on()
        own_site.save(event)
        own_site.tell(event)
        expect(rows(page)).to_have_count(1)
        expect(rows(page)).to_contain_text("so far")
        ended = event.model_copy(update={"state": EventState.ENDED, "ended_at": event.started_at + 75})
        own_site.tell(ended)
        expect(rows(page)).to_contain_text("1 min 15 s")
        expect(rows(page)).to_contain_text("Ended")
        rows(page).get_by_test_id("event-link").focus()
        own_site.tell(ended, deleted=True)
        expect(rows(page)).to_have_count(0)
        expect(page.get_by_test_id("events-note")).to_contain_text("No events yet")


def test_what_comes_live_does_not_move_what_somebody_reads(site: EventSite, browser: Browser) -> None:
    with open_list(browser, site) as opened:
        page = opened.page
        expect(rows(page)).to_have_count(50)
        row = rows(page).nth(30)
        row.scroll_into_view_if_needed()
        page.wait_for_function("scrollY > 100")
        before = row.bounding_box()
        events = [
            going_on(started_at=time.time() + index, id=f"2099010{index}T000000-0000000{index}") for index in (1, 2, 3)
        ]
        for event in events:
            site.tell(event)
        news = page.get_by_test_id("events-news")
        expect(news).to_have_text("3 new")
        expect(rows(page)).to_have_count(50)
        assert row.bounding_box() == before
        expect_accessible(page)
        opened.screenshot("events-news.png")
        news.press("Enter")
        expect(rows(page)).to_have_count(53)
        expect(rows(page).first.get_by_test_id("event-link")).to_be_focused()
        expect(news).to_be_hidden()
        # whoever has a row focused is not moved either, at the top of the list
        site.tell(going_on(id="20990104T000000-00000004"))
        expect(news).to_have_text("1 new")
        for event in events:
            site.tell(event, deleted=True)
        expect(rows(page)).to_have_count(50)
        expect(rows(page).first.get_by_test_id("event-link")).to_be_focused()


def test_a_mark_is_set_in_the_list_and_taken_back_when_it_is_refused(own_site: EventSite, browser: Browser) -> None:
    own_site.save(ended_after(NOW - 60, stream_id="lobby"))
    with open_list(browser, own_site, expected=REFUSED) as opened:
        page = opened.page
        mark = page.get_by_role("combobox", name="Mark of: Suspected manipulation, stream lobby, face 3")
        mark.select_option("false alarm")
        expect(page.get_by_test_id("announcer")).to_contain_text("marked as false alarm")
        page.reload()
        expect(mark).to_have_value("false alarm")
        page.route("**/api/events/*", lambda route: route.fulfill(status=503, json=unavailable()))
        mark.select_option("confirmed")
        expect(page.get_by_test_id("events-mark-error")).to_have_text("Not marked: The disk is full.")
        expect(mark).to_have_value("false alarm")
        expect_accessible(page)
        opened.screenshot("events-mark-refused.png")


def unavailable() -> dict[str, Any]:
    return {"error": {"code": "unavailable", "message": "The disk is full."}}


def test_a_list_that_fails_says_why_and_can_be_tried_again(site: EventSite, browser: Browser) -> None:
    with WatchedPage(browser, "about:blank", expected=REFUSED) as opened:
        page = opened.page
        page.route("**/api/events?*", lambda route: route.fulfill(status=503, json=unavailable()))
        page.goto(f"{site.url}/#/events")
        note = page.get_by_test_id("events-note")
        expect(note).to_contain_text("The events could not be loaded")
        expect(note).to_contain_text("The disk is full.")
        expect_accessible(page)
        opened.screenshot("events-failed.png")
        page.unroute("**/api/events?*")
        page.get_by_test_id("events-retry").click()
        expect(rows(page)).to_have_count(50)
        page.route("**/api/events?*", lambda route: route.abort())
        page.get_by_test_id("events-older").click()
        expect(page.get_by_test_id("events-older-error")).to_contain_text("The server cannot be reached.")
        expect(rows(page)).to_have_count(50)
        page.unroute("**/api/events?*")
        page.get_by_test_id("events-older").click()
        expect(rows(page)).to_have_count(56)


def test_where_nothing_is_kept_it_says_so(tmp_path: Path, browser: Browser) -> None:
    with EventSite(tmp_path, keeps=False) as site, open_list(browser, site, expected=REFUSED) as opened:
        expect(opened.page.get_by_test_id("events-note")).to_contain_text("Nothing is kept")
        expect_accessible(opened.page)
        opened.screenshot("events-nothing-kept.png")
