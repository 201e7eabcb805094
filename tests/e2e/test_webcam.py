"""The main job as a person does it: open the dashboard, share the webcam, see a score."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.browser import ARTIFACTS, chromium, write_webcam
from tests.monitor_process import MonitorProcess

pytestmark = pytest.mark.browser

PATIENCE_MS = 60_000


@pytest.fixture(scope="module")
def monitor() -> Iterator[MonitorProcess]:
    with MonitorProcess() as running:
        yield running


@pytest.fixture
def page(monitor: MonitorProcess, tmp_path: Path) -> Iterator[Page]:
    with chromium(write_webcam(tmp_path / "webcam.mjpeg")) as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.goto(monitor.address)
        yield page
        assert complaints == [], "the browser's console stays clean"


def share(page: Page, name: str) -> None:
    page.get_by_test_id("share-webcam").first.click()
    page.get_by_test_id("share-name").fill(name)
    start = page.get_by_test_id("share-start")
    expect(start).to_be_enabled(timeout=PATIENCE_MS)
    start.click()


def test_a_shared_webcam_is_scored_and_stops(monitor: MonitorProcess, page: Page) -> None:
    share(page, "desk")
    card = page.locator('stream-card[data-stream-id="desk"]')
    expect(card).to_be_visible(timeout=PATIENCE_MS)
    expect(card.get_by_test_id("score")).to_have_text(re.compile(r"\d"), timeout=PATIENCE_MS)
    expect(card.get_by_test_id("stream-state")).to_contain_text(re.compile("live", re.IGNORECASE))
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=ARTIFACTS / "webcam.png")

    [stream] = [item for item in monitor.call("GET", "/api/streams")["items"] if item["stream_id"] == "desk"]
    assert (stream["kind"], stream["state"]) == ("webrtc", "live")

    card.get_by_test_id("share-stop").click()
    expect(card).to_have_count(0, timeout=PATIENCE_MS)
    assert monitor.call("GET", "/api/streams")["items"] == []


def test_a_closed_page_frees_its_stream(monitor: MonitorProcess, page: Page) -> None:
    share(page, "gone")
    expect(page.locator('stream-card[data-stream-id="gone"]').get_by_test_id("stream-state")).to_contain_text(
        re.compile("live", re.IGNORECASE), timeout=PATIENCE_MS
    )
    with monitor.listening() as live:
        page.goto("about:blank")
        live.until("the stream's removal", lambda m: m["type"] == "stream" and m["state"] in {"removed", "ended"})
