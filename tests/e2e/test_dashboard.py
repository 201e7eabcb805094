"""The dashboard in a real Chromium against a scripted server: every state that a person can meet.

Names for tests (`data-testid`), which other browser tests may rely on: connection, counts, degraded, notice,
add-camera, camera-id, camera-url, camera-submit, camera-error, share-webcam, share-device, share-preview, share-name,
share-start, share-error, share-stop (on the own card), self-view, empty-state, stream-card (with data-stream-id,
data-state and data-tone), stream-state, verdict (with data-verdict), score (with data-value, 0 to 1), freshness,
latency, face-row, score-chart, remove-stream, confirm-remove, alert-list, alert, tab-live, tab-videos, upload-input,
upload-progress, upload-cancel, upload-result (with data-label), upload-verdict, upload-score, upload-error,
timeline-chart, device, model, sensitivity, privacy, private.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Literal

import pytest
from playwright.sync_api import Browser, WebSocket, expect

from tests.e2e.scripted_messages import CASTS, STATES, Role, alert_message, stream_message, verdict_message
from tests.e2e.scripted_server import ScriptedServer
from tests.e2e.watched_page import PHONE, WatchedPage, card, chromium_with, expect_accessible, expect_picture

pytestmark = pytest.mark.browser

SOCKET_FAILED = ("WebSocket connection to",)
Scheme = Literal["light", "dark"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium_with() as opened:
        yield opened


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 800), PHONE], ids=["desk", "phone"])
def test_with_no_streams_it_says_what_to_do(browser: Browser, size: tuple[int, int], scheme: Scheme) -> None:
    with ScriptedServer("empty") as server, WatchedPage(browser, server.url, size=size, scheme=scheme) as opened:
        page = opened.page
        expect(page.get_by_test_id("connection")).to_have_text("Connected")
        for name in ("Add a camera", "Share your webcam", "Check a video"):
            expect(page.get_by_test_id("empty-state").get_by_role("button", name=name)).to_be_visible()
        expect_accessible(page)
        opened.screenshot(f"dashboard-empty-{size[0]}-{scheme}.png")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1440, 900), PHONE], ids=["desk", "phone"])
def test_every_state_is_told_in_words(browser: Browser, size: tuple[int, int], scheme: Scheme) -> None:
    with ScriptedServer("states") as server, WatchedPage(browser, server.url, size=size, scheme=scheme) as opened:
        page = opened.page
        verdicts = {
            "door-clear": "Nothing suspicious found",
            "lobby-two-faces": "Suspicious",
            "desk-alert": "Alert: looks manipulated",
            "gate-uncertain": "Uncertain",
            "far-too-small": "Not scored: too small",
            "roof-lost": "No verdict",
        }
        for stream_id, words in verdicts.items():
            expect(card(page, stream_id).get_by_test_id("verdict")).to_have_text(words)
        expect(card(page, "new-warming-up").get_by_test_id("verdict")).to_contain_text("/16")
        states = {
            "door-clear": "Live",
            "yard-connecting": "Connecting",
            "hall-stalled": "Stalled",
            "demo-ended": "Ended",
        }
        for stream_id, words in states.items():
            expect(card(page, stream_id).get_by_test_id("stream-state")).to_have_text(words)
        expect(card(page, "roof-lost")).to_contain_text("Wrong user name or password; retry in")
        expect_picture(card(page, "door-clear"))
        expect_accessible(page)
        opened.screenshot(f"dashboard-states-{size[0]}-{scheme}.png")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_twelve_streams_fit_and_all_move(browser: Browser, scheme: Scheme) -> None:
    with ScriptedServer("busy") as server, WatchedPage(browser, server.url, size=(1920, 1080), scheme=scheme) as opened:
        page = opened.page
        expect(page.get_by_test_id("stream-card")).to_have_count(12)
        expect(page.get_by_test_id("counts")).to_have_text("12 streams, 12 live")
        for stream_id in ("cam-01", "cam-05"):
            expect_picture(card(page, stream_id))
        expect(card(page, "cam-01").get_by_test_id("freshness")).to_contain_text("s ago")
        expect_accessible(page)
        opened.screenshot(f"dashboard-busy-{scheme}.png")


def test_the_most_suspicious_face_stands_for_its_stream(browser: Browser) -> None:
    with ScriptedServer("states") as server, WatchedPage(browser, server.url) as opened:
        lobby = card(opened.page, "lobby-two-faces")
        expect(lobby.get_by_test_id("face-row")).to_have_count(2)
        expect(lobby.get_by_test_id("face-row").first).to_contain_text("Face 2")
        expect(lobby).to_contain_text("Face 2, the most suspicious of 2")
        value = float(lobby.get_by_test_id("score").get_attribute("data-value") or "nan")
        assert 0.6 < value < 0.8


def test_pictures_are_fetched_only_while_they_can_be_seen(browser: Browser) -> None:
    with ScriptedServer("busy") as server, WatchedPage(browser, "about:blank", size=PHONE) as opened:
        page = opened.page
        views: dict[str, WebSocket] = {}
        page.on("websocket", lambda socket: views.update({socket.url.rpartition("/")[2]: socket}))
        page.goto(server.url)
        expect_picture(card(page, "cam-01"))
        assert "cam-12" not in views
        card(page, "cam-12").scroll_into_view_if_needed()
        expect_picture(card(page, "cam-12"))
        if not views["cam-01"].is_closed():
            views["cam-01"].wait_for_event("close")


def test_an_alert_is_listed_announced_and_leads_to_its_stream(browser: Browser) -> None:
    with ScriptedServer("busy") as server, WatchedPage(browser, server.url, size=PHONE) as opened:
        page = opened.page
        role = server.stage.script.cast[11]
        expect(page.get_by_test_id("connection")).to_have_text("Connected")
        server.send(alert_message(role, 1, raised=True, now=0.0))
        expect(page.get_by_text("Alert: face 1 of cam-12 looks manipulated, 93 %.")).to_be_attached()
        expect(page).to_have_title("(3) Deepfake Monitor")
        page.get_by_test_id("alert").get_by_role("button", name="cam-12, face 1").click()
        expect(card(page, "cam-12")).to_be_focused()
        expect(card(page, "cam-12")).to_be_in_viewport()
        server.send({**alert_message(role, 1, raised=False, now=9.0), "started_at": 0.0})
        expect(page.get_by_test_id("alert").filter(has_text="cam-12")).to_contain_text("Alert over")


def test_a_lost_connection_is_shown_and_regained(browser: Browser) -> None:
    with ScriptedServer("alert") as server, WatchedPage(browser, server.url, expected=SOCKET_FAILED) as opened:
        page = opened.page
        expect(card(page, "desk-alert").get_by_test_id("verdict")).to_contain_text("looks manipulated")
        server.drop_connections()
        expect(page.get_by_test_id("connection")).to_contain_text("Connection lost, retrying")
        expect(page.get_by_test_id("announcer")).to_have_text("Connection to the server lost. Retrying.")
        expect(card(page, "desk-alert").get_by_test_id("stream-state")).to_have_text("Unknown")
        expect(card(page, "desk-alert").get_by_test_id("verdict")).to_have_text("No verdict")
        expect_accessible(page)
        opened.screenshot("dashboard-lost.png")
        server.change(lambda script: setattr(script, "refuse_sockets", False))
        page.get_by_role("button", name="Retry now").click()
        expect(page.get_by_test_id("connection")).to_have_text("Connection regained")
        expect(page.get_by_test_id("announcer")).to_have_text("Connection regained.")
        expect(card(page, "desk-alert").get_by_test_id("verdict")).to_contain_text("looks manipulated")
        expect_picture(card(page, "desk-alert"))


def test_missing_weights_are_told_prominently(browser: Browser) -> None:
    with ScriptedServer("empty") as server, WatchedPage(browser, "about:blank") as opened:
        server.change(lambda script: setattr(script, "status", "degraded"))
        server.change(lambda script: setattr(script, "model", "untrained"))
        opened.page.goto(server.url)
        expect(opened.page.get_by_test_id("degraded")).to_contain_text("No trained weights")
        expect(opened.page.get_by_test_id("degraded")).to_contain_text("nothing is scored")
        expect_accessible(opened.page)


def test_a_stream_that_comes_back_is_shown_without_a_reload(browser: Browser) -> None:
    with ScriptedServer("states") as server, WatchedPage(browser, server.url) as opened:
        roof = card(opened.page, "roof-lost")
        expect(roof.get_by_test_id("stream-state")).to_have_text("Lost")
        role = next(role for role in STATES if role.stream_id == "roof-lost")
        server.send({**stream_message(role, state="live"), "generation": 2, "error_kind": None, "message": None})
        server.send(verdict_message(role, 1, "uncertain", 0.5, None, 16, 0.0))
        expect(roof.get_by_test_id("stream-state")).to_have_text("Live")
        expect(roof.get_by_test_id("verdict")).to_have_text("Uncertain")


def test_streams_that_come_and_go_leave_nothing_behind(browser: Browser) -> None:
    with ScriptedServer("alert") as server, WatchedPage(browser, server.url) as opened:
        page = opened.page
        inspector = opened.context.new_cdp_session(page)

        def nodes_and_listeners() -> tuple[int, int]:
            for _ in range(3):  # what is freed in one round frees more in the next
                inspector.send("HeapProfiler.collectGarbage")
            counters = inspector.send("Memory.getDOMCounters")
            return counters["nodes"], counters["jsEventListeners"]

        def come_and_go(name: str) -> None:
            role = Role(name)
            server.change(lambda script: setattr(script, "cast", (*CASTS["alert"], role)))
            server.send(stream_message(role))
            expect_picture(card(page, name))
            server.change(lambda script: setattr(script, "cast", CASTS["alert"]))
            server.send(stream_message(role, state="removed"))
            expect(card(page, name)).to_have_count(0)

        come_and_go("guest-first")
        nodes, listeners = nodes_and_listeners()
        for number in range(15):
            come_and_go(f"guest-{number}")
        # a card has about 150 nodes and 15 listeners: one left behind per guest would be 2250 and 225
        after_nodes, after_listeners = nodes_and_listeners()
        assert after_nodes - nodes < 300
        assert after_listeners - listeners < 45


def test_a_frozen_picture_is_an_alert_of_its_stream(browser: Browser) -> None:
    with ScriptedServer("alert") as server, WatchedPage(browser, server.url) as opened:
        page = opened.page
        [role] = [role for role in CASTS["alert"] if role.stream_id == "door-clear"]
        frozen = {"picture": "frozen picture", "picture_since": time.time() - 12}
        server.send({**stream_message(role), **frozen})
        expect(card(page, "door-clear").get_by_test_id("stream-state")).to_have_text("Frozen picture")
        listed = page.get_by_test_id("alert").filter(has_text="Frozen picture")
        expect(listed.get_by_role("button", name="door-clear")).to_be_visible()
        expect(page.get_by_role("alert")).to_have_text(re.compile("frozen picture from door-clear"))
        expect_accessible(page)
        opened.screenshot("dashboard-frozen.png")
        server.send(stream_message(role))
        expect(listed).to_have_count(0)
        expect(card(page, "door-clear").get_by_test_id("stream-state")).to_have_text("Live")


def test_a_duplicate_names_the_other_stream(browser: Browser) -> None:
    with ScriptedServer("alert") as server, WatchedPage(browser, server.url) as opened:
        page = opened.page
        [role] = [role for role in CASTS["alert"] if role.stream_id == "door-clear"]
        trouble = {"picture": "same picture as another stream", "picture_since": time.time(), "picture_same_as": "hall"}
        server.send({**stream_message(role), **trouble})
        expect(card(page, "door-clear").get_by_test_id("stream-state")).to_have_text("Same picture as hall")
        listed = page.get_by_test_id("alert").filter(has_text="Same picture as hall")
        expect(listed.get_by_role("button", name="door-clear")).to_be_visible()
        expect(page.get_by_role("alert")).to_have_text(re.compile("same picture as hall from door-clear"))


def test_how_easily_alerts_are_raised_is_chosen_on_the_card(browser: Browser) -> None:
    with ScriptedServer("alert") as server, WatchedPage(browser, server.url, expected=("Failed to load",)) as opened:
        choice = card(opened.page, "door-clear").get_by_test_id("sensitivity")
        expect(choice).to_have_value("balanced")
        choice.select_option("eager")
        expect(choice).to_have_value("eager")
        expect(choice).to_be_enabled()
        [role] = [role for role in CASTS["alert"] if role.stream_id == "door-clear"]
        server.send({**stream_message(role), "sensitivity": "quiet"})  # somebody else has changed it
        expect(choice).to_have_value("quiet")
        expect_accessible(opened.page)
        objection = (404, "not_found", "there is no stream 'door-clear'")
        server.change(lambda script: setattr(script, "change_error", objection))
        choice.select_option("balanced")
        expect(opened.page.get_by_test_id("notice")).to_contain_text("there is no stream")
        expect(choice).to_have_value("quiet")


def test_that_no_pictures_of_a_stream_are_kept_is_shown_and_chosen_on_its_card(browser: Browser) -> None:
    with ScriptedServer("alert") as server, WatchedPage(browser, server.url, expected=("Failed to load",)) as opened:
        own = card(opened.page, "door-clear")
        choice, mark = own.get_by_test_id("privacy"), own.get_by_test_id("private")
        expect(choice).to_have_value("kept")
        expect(mark).to_be_hidden()
        choice.select_option("not kept")
        expect(mark).to_have_text("No pictures kept")
        expect(choice).to_be_enabled()
        expect(card(opened.page, "desk-alert").get_by_test_id("private")).to_be_hidden()
        expect_accessible(opened.page)
        opened.screenshot("card-private.png")
        objection = (409, "taken", "the settings keep the stream 'door-clear' private: change them, and restart")
        server.change(lambda script: setattr(script, "change_error", objection))
        choice.select_option("kept")
        expect(opened.page.get_by_test_id("notice")).to_contain_text("change them, and restart")
        expect(choice).to_have_value("not kept")
        server.change(lambda script: setattr(script, "keeps", False))
        expect(choice).to_be_hidden()
        expect(mark).to_be_hidden()


def test_the_keyboard_reaches_everything_and_escape_leads_back(browser: Browser) -> None:
    with ScriptedServer("alert") as server, WatchedPage(browser, server.url) as opened:
        page = opened.page
        expect_picture(card(page, "door-clear"))
        reached: list[str] = []
        for _ in range(40):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.dataset.testid ?? document.activeElement.localName"))
        wanted = {"tab-videos", "add-camera", "share-webcam", "score-chart", "face-list", "remove-stream"}
        assert wanted - set(reached) == set()
        page.get_by_test_id("add-camera").focus()
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("camera-url")).to_be_focused()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(page.get_by_test_id("add-camera")).to_be_focused()


def test_the_skip_link_stays_in_its_view(browser: Browser) -> None:
    with ScriptedServer("alert") as server, WatchedPage(browser, f"{server.url}/#videos") as opened:
        opened.page.get_by_role("link", name="Skip to the content").press("Enter")
        expect(opened.page.locator("main")).to_be_focused()
        expect(opened.page.get_by_test_id("drop-zone")).to_be_visible()


def test_a_chart_is_read_by_keyboard_and_tells_its_gaps(browser: Browser) -> None:
    with ScriptedServer("alert") as server, WatchedPage(browser, server.url) as opened:
        chart = card(opened.page, "door-clear").get_by_test_id("score-chart")
        summary = re.compile(r"last 3 minutes: \d{3} scores, lowest .* threshold is 50 %")
        expect(chart).to_have_attribute("aria-label", summary)
        chart.focus()
        opened.page.keyboard.press("End")
        expect(chart.get_by_role("status")).to_contain_text("0 s ago: face 1")
        for _ in range(9):
            opened.page.keyboard.press("Shift+ArrowLeft")
        expect(chart.get_by_role("status")).to_have_text("90 s ago: not scored")
        opened.page.keyboard.press("Escape")
        expect(chart.get_by_role("status")).to_have_text("")
