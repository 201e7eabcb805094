"""The evidence of one event in a real Chromium, on a real store: pictures, clip, scores, marks, deletion.

Names for tests (`data-testid`): event-page's page-state, page-score, event-chart (with data-scores), chart-note,
event-faces, event-snapshots, event-clip, event-no-pictures, event-facts, mark-confirmed, mark-false-alarm, mark-unsure,
mark-back, mark-note, save-note, mark-error, marked-when, download-evidence, copy-link, copied, evidence-key,
fingerprint, delete-event, confirm-delete-event, delete-event-error, event-note (with data-phase), event-retry,
back-to-events.
"""

from __future__ import annotations

import io
import re
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, expect

from stream_server.event import Event, EventKind, EventState, Part
from stream_server.store.rows import part_info
from tests.e2e.event_site import EventSite, ended_after, with_evidence
from tests.e2e.watched_page import PHONE, WatchedPage, chromium_with, expect_accessible

pytestmark = pytest.mark.browser

REFUSED = ("Failed to load resource",)
NOW = time.time()
LOADED = "(image) => image.complete && image.naturalWidth > 0"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium_with() as opened:
        yield opened


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EventSite]:
    with EventSite(tmp_path_factory.mktemp("pages")) as running:
        yield running


def kept(site: EventSite, **changes: Any) -> Event:
    """An event with all of its evidence, in the store."""
    event, parts = with_evidence(ended_after(NOW - 300, 34.0, stream_id="front-door", **changes))
    site.save(event, parts=parts)
    return event


def open_event(browser: Browser, site: EventSite, event: Event, **options: Any) -> WatchedPage:
    return WatchedPage(browser, f"{site.url}/#/events/{event.id}", **options)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 900), PHONE], ids=["desk", "phone"])
def test_the_evidence_of_an_event_is_shown_whole(
    site: EventSite, browser: Browser, size: tuple[int, int], scheme: Literal["light", "dark"]
) -> None:
    event = kept(site)
    with open_event(browser, site, event, size=size, scheme=scheme) as opened:
        page = opened.page
        title = "Suspected manipulation, stream front-door, face 3"
        expect(page.get_by_role("heading", level=2, name=title)).to_be_visible()
        expect(page).to_have_title(f"{title} · Deepfake Monitor")
        expect(page.get_by_test_id("page-state")).to_have_text("Ended")
        chart = page.get_by_test_id("event-chart")
        expect(chart).to_have_attribute(
            "aria-label", re.compile(r"Scores: 2\d\d scores over 42 s, .*start at .*peak at .*end at")
        )
        pictures = page.locator("event-picture:not([hidden]) img")
        expect(pictures).to_have_count(5)
        for index in range(5):
            pictures.nth(index).scroll_into_view_if_needed()
            page.wait_for_function(LOADED, arg=pictures.nth(index).element_handle())
        expect(page.get_by_test_id("event-faces")).to_contain_text("Not proof of where")
        facts = page.get_by_test_id("event-facts")
        for words in ("34 s", "93 %", "Sensitivity balanced", "deepfake-monitor-v2", "sha256 abababababab…", event.id):
            expect(facts).to_contain_text(words)
        expect(facts.locator("code").first).to_have_attribute("title", f"sha256 {'ab' * 32}")
        archive = site.monitor.archive
        assert archive is not None
        expect(page.get_by_test_id("fingerprint")).to_have_text(archive.key.public.fingerprint)
        expect(page.get_by_test_id("evidence-key")).to_contain_text(f"deepfake-monitor verify evidence-{event.id}.zip")
        expect_accessible(page)
        page.evaluate("scrollTo(0, 0)")
        opened.screenshot(f"event-{size[0]}-{scheme}.png")


def test_the_scores_can_be_read_by_keyboard(site: EventSite, browser: Browser) -> None:
    with open_event(browser, site, kept(site)) as opened:
        chart = opened.page.get_by_test_id("event-chart")
        expect(chart).to_have_attribute("data-scores", re.compile(r"\d\d"))
        chart.focus()
        for _ in range(6):
            opened.page.keyboard.press("Shift+ArrowLeft")
        expect(chart.locator("output")).to_contain_text(re.compile(r"\d:\d\d:\d\d.*: \d+ %"))


def test_the_clip_plays_and_can_be_gone_through(site: EventSite, browser: Browser) -> None:
    with open_event(browser, site, kept(site)) as opened:
        clip = opened.page.get_by_test_id("event-clip")
        expect(clip).to_be_visible()
        opened.page.wait_for_function("(video) => video.readyState >= 1", arg=clip.element_handle())
        moved = clip.evaluate(
            """(video) => new Promise((resolve) => {
              video.addEventListener("seeked", () => resolve(video.currentTime), { once: true });
              video.currentTime = 3;
            })"""
        )
        assert moved == pytest.approx(3.0)


def test_the_zip_is_downloaded_and_the_link_can_be_copied(site: EventSite, browser: Browser) -> None:
    event = kept(site)
    with open_event(browser, site, event) as opened:
        page = opened.page
        with page.expect_download() as download:
            page.get_by_test_id("download-evidence").click()
        assert download.value.suggested_filename == f"evidence-{event.id}.zip"
        with zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes())) as archive:
            assert "clip.mp4" in archive.namelist()
        opened.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.get_by_test_id("copy-link").click()
        expect(page.get_by_test_id("copied")).to_have_text("The link was copied.")
        assert page.evaluate("navigator.clipboard.readText()") == f"{site.url}/#/events/{event.id}"


def test_an_event_is_marked_with_a_note_and_the_mark_taken_back(site: EventSite, browser: Browser) -> None:
    event = kept(site)
    with open_event(browser, site, event, expected=REFUSED) as opened:
        page = opened.page
        false_alarm = page.get_by_test_id("mark-false-alarm")
        page.get_by_label("Note (optional)").fill("A reflection in the window")
        false_alarm.press("Enter")
        expect(false_alarm).to_have_attribute("aria-pressed", "true")
        expect(page.get_by_test_id("announcer")).to_have_text("Marked as false alarm.")
        expect(page.get_by_test_id("marked-when")).to_contain_text("False alarm, marked")
        page.reload()
        expect(false_alarm).to_have_attribute("aria-pressed", "true")
        expect(page.get_by_label("Note (optional)")).to_have_value("A reflection in the window")
        expect_accessible(page)
        opened.screenshot("event-marked.png")
        page.route(
            f"**/api/events/{event.id}",
            lambda route: route.fulfill(status=503, json={"error": {"code": "x", "message": "The disk is full."}}),
        )
        page.get_by_test_id("mark-confirmed").click()
        expect(page.get_by_test_id("mark-error")).to_have_text("Not saved: The disk is full.")
        expect(false_alarm).to_have_attribute("aria-pressed", "true")
        expect(page.get_by_test_id("mark-confirmed")).to_have_attribute("aria-pressed", "false")
        page.unroute(f"**/api/events/{event.id}")
        page.get_by_test_id("mark-back").press("Enter")
        expect(false_alarm).to_have_attribute("aria-pressed", "false")
        expect(page.get_by_test_id("mark-confirmed")).to_be_focused()
        expect(page.get_by_test_id("mark-error")).to_be_hidden()
        note = page.get_by_label("Note (optional)")
        expect(note).to_have_value("A reflection in the window")
        note.fill("x" * 1990)
        expect(page.locator("#event-note-room")).to_have_text("10 characters left")
        page.get_by_test_id("save-note").press("Enter")
        expect(page.get_by_test_id("announcer")).to_have_text("The note was saved.")
        expect(page.get_by_test_id("save-note")).to_be_disabled()


def test_a_note_that_could_not_be_saved_stays_in_its_box(site: EventSite, browser: Browser) -> None:
    event = kept(site)
    with open_event(browser, site, event, expected=REFUSED) as opened:
        page = opened.page
        note = page.get_by_label("Note (optional)")
        note.fill("A reflection in the window")
        page.route(
            f"**/api/events/{event.id}",
            lambda route: route.fulfill(status=503, json={"error": {"code": "x", "message": "The disk is full."}}),
        )
        for test_id in ("mark-confirmed", "save-note"):
            page.get_by_test_id(test_id).click()
            expect(page.get_by_test_id("mark-error")).to_have_text("Not saved: The disk is full.")
            expect(note).to_have_value("A reflection in the window")
            expect(page.get_by_test_id("save-note")).to_be_enabled()
        page.unroute(f"**/api/events/{event.id}")
        page.get_by_test_id("save-note").click()
        expect(page.get_by_test_id("save-note")).to_be_disabled()
        page.reload()
        expect(note).to_have_value("A reflection in the window")


def test_what_somebody_else_marks_appears_and_leaves_a_note_that_is_being_written(
    site: EventSite, browser: Browser
) -> None:
    event = kept(site)
    with (
        open_event(browser, site, event) as opened,
        open_event(browser, site, event) as other,
    ):
        opened.page.get_by_label("Note (optional)").fill("half a sent")
        other.page.get_by_label("Note (optional)").fill("It was Ada")
        other.page.get_by_test_id("mark-unsure").click()
        expect(opened.page.get_by_test_id("mark-unsure")).to_have_attribute("aria-pressed", "true")
        expect(opened.page.get_by_label("Note (optional)")).to_have_value("half a sent")


def test_an_event_is_deleted_behind_a_question(site: EventSite, browser: Browser) -> None:
    event = kept(site)
    with open_event(browser, site, event, expected=REFUSED) as opened:
        page = opened.page
        page.get_by_test_id("delete-event").click()
        dialog = page.get_by_role("dialog", name="Delete event")
        expect(dialog).to_contain_text("Delete “Suspected manipulation, stream front-door, face 3”")
        expect(dialog.get_by_role("button", name="Keep")).to_be_focused()
        expect_accessible(page)
        opened.screenshot("event-delete.png")
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        expect(page.get_by_test_id("delete-event")).to_be_focused()
        page.get_by_test_id("delete-event").click()
        page.route(
            f"**/api/events/{event.id}",
            lambda route: route.fulfill(status=409, json={"error": {"code": "still_open", "message": "It goes on."}}),
        )
        page.get_by_test_id("confirm-delete-event").click()
        expect(page.get_by_test_id("delete-event-error")).to_have_text("It goes on.")
        page.unroute(f"**/api/events/{event.id}")
        page.get_by_test_id("confirm-delete-event").click()
        expect(page).to_have_url(f"{site.url}/#/events")
        expect(page.locator(f'event-row[data-event-id="{event.id}"]')).to_have_count(0)
        page.go_back()
        expect(page.get_by_role("heading", name="This event is gone")).to_be_visible()
        expect(page.get_by_role("link", name="To the list of events")).to_be_visible()
        expect_accessible(page)
        opened.screenshot("event-gone.png")


def test_while_it_goes_on_it_follows_and_its_pictures_appear(site: EventSite, browser: Browser) -> None:
    full, parts = with_evidence(ended_after(time.time() - 5, stream_id="lobby"))
    event = full.model_copy(update={"state": EventState.OPEN, "ended_at": None, "parts": (), "notes": ()})
    # what has just begun is told before it is written
    with open_event(browser, site, event, expected=REFUSED) as opened:
        page = opened.page
        expect(page.get_by_role("heading", name="This event is gone")).to_be_visible()
        site.tell(event)
        expect(page.get_by_test_id("page-state")).to_have_text("Going on")
        expect(page.get_by_test_id("event-no-pictures")).to_contain_text("they will appear here")
        expect(page.get_by_test_id("delete-event")).to_be_disabled()
        expect(page.get_by_test_id("event-facts")).to_contain_text("so far")
        expect_accessible(page)
        opened.screenshot("event-open.png")
        site.tell(event.model_copy(update={"parts": full.parts}))  # its pictures are written a moment later
        expect(page.get_by_test_id("event-faces")).to_be_visible()
        site.save(full, parts=parts)
        strip = page.get_by_test_id("event-faces").locator("img").first
        page.wait_for_function(LOADED, arg=strip.element_handle())
        expect(page.get_by_test_id("event-chart")).to_have_attribute("data-scores", re.compile(r"\d\d"))
        site.tell(full)
        expect(page.get_by_test_id("page-state")).to_have_text("Ended")
        expect(page.get_by_test_id("delete-event")).to_be_enabled()


def test_a_private_stream_a_trouble_of_pictures_and_what_is_missing_are_told(site: EventSite, browser: Browser) -> None:
    private = ended_after(
        NOW - 50, private=True, notes=("no pictures: the stream is set so that none are kept",), stream_id="ward"
    )
    black = ended_after(NOW - 90, kind=EventKind.BLACK, face_id=None, rules=None, peak_at=None, peak_probability=None)
    site.save(private, black)
    with open_event(browser, site, private) as opened:
        page = opened.page
        expect(page.get_by_test_id("event-no-pictures")).to_contain_text("private stream")
        expect(page.get_by_test_id("event-facts")).to_contain_text("Missing: no pictures: the stream is set so")
        opened.screenshot("event-private.png")
        page.goto(f"{site.url}/#/events/{black.id}")
        expect(page.get_by_role("heading", name="Black picture, stream cam")).to_be_visible()
        expect(page.get_by_test_id("event-chart")).to_be_hidden()
        expect_accessible(page)


def test_damaged_scores_and_lost_pictures_are_told(site: EventSite, browser: Browser) -> None:
    event = ended_after(NOW - 70, stream_id="yard")
    at = event.started_at
    lines = f'{{"series": 1}}\n{{"t": {at}, "face": 3, "filled": 16, "logit": 1.5}}\nnot a line\n{{"t": {at + 1}, "fa'
    parts = (Part("scores.jsonl", "application/jsonl", lines.encode()), Part("strip.jpg", "image/jpeg", b"no picture"))
    event = event.model_copy(update={"parts": tuple(part_info(part) for part in parts)})
    site.save(event, parts=parts)
    with open_event(browser, site, event) as opened:
        page = opened.page
        expect(page.get_by_test_id("chart-note")).to_have_text("2 lines of the file of scores could not be read.")
        expect(page.get_by_test_id("event-chart")).to_have_attribute("data-scores", "1")
        expect(page.get_by_test_id("event-faces")).to_contain_text("could not be loaded", timeout=15_000)


def test_no_such_event_and_an_event_that_fails_are_told(site: EventSite, browser: Browser) -> None:
    with WatchedPage(browser, f"{site.url}/#/events/20200101T000000-00000000", expected=REFUSED) as opened:
        page = opened.page
        expect(page.get_by_role("heading", name="This event is gone")).to_be_visible()
        event = kept(site)
        page.route("**/api/events/*", lambda route: route.abort())
        page.goto(f"{site.url}/#/events/{event.id}")
        expect(page.get_by_test_id("event-note")).to_contain_text("The server cannot be reached.")
        expect_accessible(page)
        opened.screenshot("event-failed.png")
        page.unroute("**/api/events/*")
        page.get_by_test_id("event-retry").click()
        expect(page.get_by_test_id("event-faces")).to_be_visible()
        page.get_by_test_id("back-to-events").click()
        expect(page.get_by_role("heading", name="Events", exact=True).first).to_be_focused()


def test_where_nothing_is_kept_an_event_says_so(tmp_path: Path, browser: Browser) -> None:
    event = ended_after(NOW)
    with EventSite(tmp_path, keeps=False) as site, open_event(browser, site, event, expected=REFUSED) as opened:
        expect(opened.page.get_by_test_id("event-note")).to_contain_text("Nothing is kept")
        expect_accessible(opened.page)
