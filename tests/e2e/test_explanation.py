"""What the dashboard shows of where the network looked and which pictures counted, and what it says of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.e2e.scripted_messages import score_message
from tests.e2e.scripted_server import ScriptedServer
from tests.e2e.watched_page import PHONE, WatchedPage, card, chromium_with, expect_accessible, expect_picture

pytestmark = pytest.mark.browser

CAVEAT = "Not proof of where, or that, a face was changed."
# the colour of a map is nowhere else in the picture: how much of the canvas has it
BLUE = """(canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let blue = 0;
  for (let i = 0; i < data.length; i += 4) if (data[i + 2] > data[i] + 60 && data[i + 2] > 150) blue += 1;
  return blue / (data.length / 4);
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium_with() as opened:
        yield opened


def blue(place: Locator) -> float:
    return float(place.locator("canvas").first.evaluate(BLUE))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 900), PHONE], ids=["desk", "phone"])
def test_the_map_is_off_until_asked_for_and_says_what_it_is(
    browser: Browser, size: tuple[int, int], scheme: Literal["light", "dark"]
) -> None:
    with ScriptedServer("alert") as server, WatchedPage(browser, server.url, size=size, scheme=scheme) as opened:
        page = opened.page
        desk, other = card(page, "desk-alert"), card(page, "door-clear")
        expect_picture(desk)
        picture = desk.locator("live-picture")
        button = desk.get_by_role("button", name="Show where the network looked in desk-alert")
        expect(button).to_have_attribute("aria-pressed", "false")
        expect(desk.get_by_test_id("map-note")).to_be_hidden()
        assert blue(picture) < 0.002
        button.focus()
        page.keyboard.press("Enter")
        expect(button).to_have_attribute("aria-pressed", "true")
        expect(desk.get_by_test_id("map-note")).to_contain_text(CAVEAT)
        expect(picture).to_have_attribute("aria-label", re.compile(r"The network looked: face 1 most in the middle"))
        page.wait_for_function(f"(canvas) => ({BLUE})(canvas) > 0.002", arg=picture.locator("canvas").element_handle())
        expect(other.get_by_test_id("map-note")).to_be_hidden()
        expect_accessible(page)
        opened.screenshot(f"dashboard-map-{size[0]}-{scheme}.png")
        button.click()
        expect(desk.get_by_test_id("map-note")).to_be_hidden()
        expect(picture).not_to_have_attribute("aria-label", re.compile("looked"))


def test_every_face_has_a_strip_of_16_pictures_told_in_words(browser: Browser) -> None:
    with ScriptedServer("states") as server, WatchedPage(browser, server.url, size=(1440, 900)) as opened:
        page = opened.page
        strips = card(page, "lobby-two-faces").get_by_test_id("picture-strip")
        expect(strips).to_have_count(2)
        expect(strips.first).to_have_attribute("aria-label", re.compile(r"Picture by picture: \d+ of 16 at or above"))
        expect(strips.first.locator("i")).to_have_count(16)
        expect(strips.first.locator("i[data-high]").first).to_be_attached()
        for nothing in ("far-too-small", "new-warming-up"):
            expect(card(page, nothing).get_by_test_id("face-row")).to_have_count(1)
            expect(card(page, nothing).get_by_test_id("picture-strip")).to_be_hidden()
        expect_accessible(page)
        opened.screenshot("dashboard-strips.png")


def test_a_backend_that_gives_no_evidence_leaves_the_page_as_it_was_and_says_so_when_asked(browser: Browser) -> None:
    with ScriptedServer("alert") as server, WatchedPage(browser, "about:blank") as opened:
        page = opened.page
        server.change(lambda script: setattr(script, "explains", False))
        page.goto(server.url)
        desk = card(page, "desk-alert")
        expect(desk.get_by_test_id("score")).to_have_attribute("data-value", re.compile(r"0\.9"))
        expect(desk.get_by_test_id("picture-strip")).to_be_hidden()
        desk.get_by_test_id("map-toggle").click()
        expect(desk.get_by_test_id("map-note")).to_contain_text("No map")
        assert blue(desk.locator("live-picture")) < 0.002


def test_a_map_that_is_none_is_not_drawn(browser: Browser) -> None:
    with ScriptedServer("alert") as server, WatchedPage(browser, "about:blank") as opened:
        page = opened.page
        server.change(lambda script: setattr(script, "explains", False))
        page.goto(server.url)
        desk = card(page, "desk-alert")
        desk.get_by_test_id("map-toggle").click()
        role = next(role for role in server.stage.script.cast if role.stream_id == "desk-alert")
        message = score_message(role, 1, 0.9, 0.0)
        for evidence in ({"where": [["NaN"] * 7] * 7, "counted": ["x"] * 16}, {}, {"where": None, "counted": None}):
            server.send({**message, "evidence": evidence})
        expect(desk.get_by_test_id("map-note")).to_contain_text("No map")
        expect(desk.get_by_test_id("picture-strip")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 1100), PHONE], ids=["desk", "phone"])
def test_an_upload_shows_each_faces_most_suspicious_window_and_its_map_on_request(
    browser: Browser, size: tuple[int, int], scheme: Literal["light", "dark"], tmp_path: Path
) -> None:
    (tmp_path / "talk.mp4").write_bytes(b"\0" * 1000)
    with (
        ScriptedServer("empty") as server,
        WatchedPage(browser, f"{server.url}/#videos", size=size, scheme=scheme) as opened,
    ):
        page = opened.page
        page.get_by_test_id("upload-input").set_input_files(tmp_path / "talk.mp4")
        peaks = page.get_by_test_id("peak")
        expect(peaks).to_have_count(2)
        expect(peaks.first).to_contain_text("Face 1 9")
        expect(peaks.first.get_by_role("img", name="Picture by picture")).to_be_visible()
        expect(page.get_by_test_id("map-note")).to_be_hidden()
        button = page.get_by_role("button", name="Where the network looked")
        expect(button).to_have_attribute("aria-pressed", "false")
        assert blue(peaks.first) < 0.01
        button.press("Enter")
        expect(button).to_have_attribute("aria-pressed", "true")
        expect(page.get_by_test_id("map-note")).to_contain_text(CAVEAT)
        expect(peaks.first).to_contain_text("looked most in the middle of the cut-out (78 of 100)")
        assert blue(peaks.first) > 0.01
        expect_accessible(page)
        peaks.first.scroll_into_view_if_needed()
        opened.screenshot(f"dashboard-peaks-{size[0]}-{scheme}.png")
        page.reload()
        expect(page.get_by_test_id("peak")).to_have_count(2)
