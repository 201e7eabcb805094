"""What a person does in the dashboard, in a real Chromium: add and remove cameras, share a webcam, check videos."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, WebSocket, expect

from tests.e2e.browser import ARGUMENTS, executable
from tests.e2e.scripted_server import ScriptedServer
from tests.e2e.watched_page import (
    ALLOW_WEBCAM,
    FAKE_WEBCAM,
    OTHER_NAME,
    PHONE,
    WatchedPage,
    card,
    chromium_with,
    expect_accessible,
    expect_picture,
)

pytestmark = pytest.mark.browser

REFUSED = ("Failed to load resource",)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium_with(FAKE_WEBCAM, ALLOW_WEBCAM, OTHER_NAME) as opened:
        yield opened


@pytest.mark.parametrize("size", [(1280, 800), PHONE], ids=["desk", "phone"])
def test_adding_a_camera_shows_the_servers_objection_word_for_word(browser: Browser, size: tuple[int, int]) -> None:
    objection = "169.254.169.254 is a cloud metadata address, which is never opened; give the camera's own address."
    with ScriptedServer("empty") as server, WatchedPage(browser, server.url, size=size, expected=REFUSED) as opened:
        page = opened.page
        server.change(lambda script: setattr(script, "add_error", (422, "forbidden", objection)))
        page.get_by_test_id("add-camera").click()
        page.get_by_test_id("camera-url").fill("rtsp://viewer:secret@169.254.169.254/")
        page.get_by_test_id("camera-submit").click()
        expect(page.get_by_test_id("camera-error")).to_have_text(objection)
        expect_accessible(page)
        opened.screenshot(f"dashboard-add-camera-{size[0]}.png")
        server.change(lambda script: setattr(script, "add_error", None))
        page.get_by_test_id("camera-id").fill("front-door")
        page.get_by_test_id("camera-submit").click()
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(card(page, "front-door").get_by_test_id("stream-state")).to_have_text("Live")


def test_the_transport_of_a_camera_can_be_chosen(browser: Browser) -> None:
    with ScriptedServer("empty") as server, WatchedPage(browser, server.url) as opened:
        page = opened.page
        for name, choose, sent in [("plain", None, None), ("lossy", "udp", "udp"), ("plain-again", None, None)]:
            page.get_by_test_id("add-camera").first.click()
            page.get_by_test_id("camera-url").fill("rtsp://192.0.2.1/")
            page.get_by_test_id("camera-id").fill(name)
            if choose is not None:
                page.get_by_test_id("camera-advanced").get_by_text("Advanced").click()
                page.get_by_test_id("camera-transport").select_option(choose)
                expect_accessible(page)
                opened.screenshot("dashboard-add-camera-advanced.png")
            with page.expect_request("**/api/streams") as request:
                page.get_by_test_id("camera-submit").click()
            assert request.value.post_data_json == {"id": name, "url": "rtsp://192.0.2.1/", "transport": sent}
            expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_name_that_the_server_would_refuse_is_not_sent(browser: Browser) -> None:
    with ScriptedServer("empty") as server, WatchedPage(browser, server.url) as opened:
        page = opened.page
        page.get_by_test_id("add-camera").click()
        page.get_by_test_id("camera-url").fill("rtsp://192.0.2.1/")
        page.get_by_test_id("camera-id").fill("front door")
        page.get_by_test_id("camera-submit").click()
        assert page.get_by_test_id("camera-id").evaluate("input => input.validity.patternMismatch") is True
        expect(page.get_by_role("dialog")).to_be_visible()


def test_removing_asks_first_and_closes_what_it_held(browser: Browser) -> None:
    with ScriptedServer("alert") as server, WatchedPage(browser, "about:blank") as opened:
        page = opened.page
        views: dict[str, WebSocket] = {}
        page.on("websocket", lambda socket: views.update({socket.url.rpartition("/")[2]: socket}))
        page.goto(server.url)
        expect_picture(card(page, "door-clear"))
        card(page, "door-clear").get_by_role("button", name="Remove door-clear").click()
        page.get_by_role("button", name="Keep").click()
        expect(card(page, "door-clear")).to_be_visible()
        card(page, "door-clear").get_by_test_id("remove-stream").click()
        expect_accessible(page)
        page.get_by_test_id("confirm-remove").click()
        expect(card(page, "door-clear")).to_have_count(0)
        expect(page.get_by_role("dialog")).to_have_count(0)
        if not views["door-clear"].is_closed():
            views["door-clear"].wait_for_event("close")


def test_a_refused_webcam_says_why_and_can_try_again(browser: Browser) -> None:
    with ScriptedServer("empty") as server, WatchedPage(browser, server.url, expected=REFUSED) as opened:
        page = opened.page
        page.get_by_test_id("share-webcam").click()
        expect(page.get_by_test_id("share-start")).to_be_enabled()
        page.get_by_test_id("share-start").click()
        expect(page.get_by_test_id("share-error")).to_have_text("No room for one more webcam: 16 of 16 are taken.")
        expect(page.get_by_test_id("share-start")).to_be_enabled()
        assert page.get_by_test_id("share-preview").evaluate("video => video.srcObject.active") is True
        expect_accessible(page)
        opened.screenshot("dashboard-share-refused.png")
        page.evaluate("globalThis.held = document.querySelector('[data-testid=share-preview]').srcObject")
        page.keyboard.press("Escape")
        # the camera's light goes out
        page.evaluate("async () => { while (held.active) await new Promise(requestAnimationFrame); }")


def test_a_forbidden_camera_says_what_to_do(browser: Browser) -> None:
    # without ALLOW_WEBCAM a headless browser answers the question for permission with no
    strict = browser.browser_type.launch(executable_path=executable(), args=[*ARGUMENTS, FAKE_WEBCAM])
    with strict, ScriptedServer("empty") as server, WatchedPage(strict, server.url) as opened:
        opened.page.get_by_test_id("share-webcam").click()
        expect(opened.page.get_by_test_id("share-error")).to_contain_text("was not allowed to use the camera")
        expect(opened.page.get_by_test_id("share-start")).to_be_disabled()
        expect(opened.page.get_by_test_id("share-again")).to_be_visible()


def test_an_insecure_page_says_that_https_or_localhost_is_needed(browser: Browser) -> None:
    with ScriptedServer("empty") as server:
        url = server.url.replace("127.0.0.1", "dashboard.test")
        with WatchedPage(browser, url) as opened:
            opened.page.get_by_test_id("share-webcam").click()
            expect(opened.page.get_by_test_id("share-error")).to_contain_text("https")
            expect(opened.page.get_by_test_id("share-error")).to_contain_text("localhost")


@pytest.mark.parametrize("size", [(1280, 900), PHONE], ids=["desk", "phone"])
def test_an_upload_shows_its_progress_and_its_result(browser: Browser, size: tuple[int, int], tmp_path: Path) -> None:
    video = tmp_path / "holiday clip.mp4"
    video.write_bytes(b"\0" * 300_000)
    with ScriptedServer("empty") as server, WatchedPage(browser, server.url, size=size) as opened:
        page = opened.page
        expect(page.get_by_test_id("connection")).to_have_text("Connected")
        server.hold_uploads(hold=True)
        page.get_by_test_id("tab-videos").click()
        page.get_by_test_id("upload-input").set_input_files(video)
        expect(page.get_by_text("Looking at faces, 40 %")).to_be_visible()
        expect(page.get_by_test_id("upload-progress")).to_have_js_property("value", 0.4)
        expect_accessible(page)
        server.hold_uploads(hold=False)
        expect(page.get_by_test_id("upload-verdict")).to_have_text("Looks manipulated")
        expect(page.get_by_test_id("upload-score")).to_have_text("87 %")
        expect(page.get_by_test_id("upload-note")).to_have_text("2 damaged parts were skipped.")
        expect(page.get_by_role("row")).to_have_count(3)
        page.get_by_test_id("timeline-chart").focus()
        page.keyboard.press("Home")
        page.keyboard.press("ArrowRight")
        expect(page.get_by_test_id("timeline-chart").get_by_role("status")).to_contain_text("face 1")
        expect_accessible(page)
        opened.screenshot(f"dashboard-upload-{size[0]}.png")
        page.reload()
        expect(page.get_by_test_id("upload-result")).to_be_visible()


def test_an_upload_without_findings_promises_nothing(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"\0" * 1000)
    with ScriptedServer("empty") as server, WatchedPage(browser, f"{server.url}/#videos") as opened:
        server.change(lambda script: setattr(script, "looks_manipulated", False))
        opened.page.get_by_test_id("upload-input").set_input_files(tmp_path / "a.mp4")
        expect(opened.page.get_by_test_id("upload-verdict")).to_have_text("Nothing suspicious found")
        assert " real" not in opened.page.inner_text("body").lower()


def test_failed_empty_and_cancelled_uploads_are_told(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_bytes(b"x" * 1000)
    (tmp_path / "empty.mp4").write_bytes(b"")
    objection = "notes.txt holds no video that can be read: no known container was found."
    with (
        ScriptedServer("empty") as server,
        WatchedPage(browser, f"{server.url}/#videos", expected=REFUSED) as opened,
    ):
        page = opened.page
        server.change(lambda script: setattr(script, "upload_error", (415, "not_a_video", objection)))
        page.get_by_test_id("upload-input").set_input_files(tmp_path / "notes.txt")
        expect(page.get_by_test_id("upload-error")).to_have_text(objection)
        page.get_by_test_id("upload-input").set_input_files(tmp_path / "empty.mp4")
        expect(page.get_by_text("The file is empty.")).to_be_visible()
        server.change(lambda script: setattr(script, "upload_error", None))
        server.hold_uploads(hold=True)
        page.get_by_test_id("upload-input").set_input_files(tmp_path / "notes.txt")
        page.get_by_test_id("upload-cancel").click()
        expect(page.get_by_text("Cancelled; nothing was kept.")).to_be_visible()
        expect_accessible(page)
        opened.screenshot("dashboard-upload-errors.png")


def test_a_video_may_be_dropped_anywhere(browser: Browser) -> None:
    with ScriptedServer("alert") as server, WatchedPage(browser, server.url) as opened:
        page = opened.page
        expect_picture(card(page, "door-clear"))
        page.evaluate("""() => {
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File([new Uint8Array(1000)], "dropped.mp4"));
          for (const type of ["dragover", "drop"]) {
            document.body.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
          }
        }""")
        expect(page.get_by_role("heading", name="dropped.mp4")).to_be_visible()
        expect(page.get_by_test_id("upload-result")).to_be_visible()
