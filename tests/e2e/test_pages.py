"""The pages that a running monitor serves, in a real Chromium: complete, without a complaint, all from this machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.watched_page import WatchedPage, chromium_with
from tests.monitor_process import MonitorProcess
from tests.videos import moving_face, write_video

pytestmark = pytest.mark.browser

PATIENCE_MS = 60_000


@pytest.fixture(scope="module")
def monitor() -> Iterator[MonitorProcess]:
    with MonitorProcess() as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium_with() as opened:
        yield opened


class Addresses:
    """What a page asked for."""

    def __init__(self, opened: WatchedPage) -> None:
        self.asked: list[str] = []
        opened.page.on("request", lambda request: self.asked.append(request.url))
        opened.page.on("websocket", lambda websocket: self.asked.append(websocket.url))

    def elsewhere(self, monitor: MonitorProcess) -> list[str]:
        """Those that are not the monitor's own."""
        own = urlsplit(monitor.address).netloc
        return [
            url for url in self.asked if urlsplit(url).netloc != own and urlsplit(url).scheme not in ("blob", "data")
        ]


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/", "h2:has-text('Nothing is being watched yet')"),
        ("/docs", ".opblock:has-text('/predict_video')"),
        ("/redoc", "h2:has-text('Judge a video')"),
    ],
)
def test_a_page_is_complete_and_asks_nobody_else(
    monitor: MonitorProcess, browser: Browser, path: str, shown: str
) -> None:
    with WatchedPage(browser, "about:blank") as opened:
        addresses = Addresses(opened)
        opened.page.goto(monitor.address.rstrip("/") + path)
        expect(opened.page.locator(shown).first).to_be_visible(timeout=PATIENCE_MS)
        opened.screenshot(f"page{path.replace('/', '-').rstrip('-')}.png")
    assert addresses.asked
    assert addresses.elsewhere(monitor) == []


def test_a_video_that_is_dropped_into_the_dashboard_gets_its_result_and_timeline(
    monitor: MonitorProcess, browser: Browser, tmp_path: Path
) -> None:
    video = write_video(tmp_path / "interview.mp4", moving_face(60), fps=15)
    with WatchedPage(browser, f"{monitor.address.rstrip('/')}/#videos") as opened:
        page = opened.page
        addresses = Addresses(opened)
        page.get_by_test_id("upload-input").set_input_files(video)
        result = page.get_by_test_id("upload-result")
        expect(result).to_be_visible(timeout=PATIENCE_MS)
        expect(result.get_by_test_id("upload-verdict")).to_have_text(re.compile("manipulated|suspicious"))
        expect(result.get_by_test_id("upload-score")).to_have_text(re.compile(r"\d+ %"))
        timeline = result.get_by_test_id("timeline-chart")
        expect(timeline).to_be_visible()
        expect(timeline).to_have_attribute("aria-label", re.compile(r"interview\.mp4: \d+ scores?, highest \d+ %"))
        expect(result.get_by_role("row", name=re.compile("Face 1"))).to_be_visible()
        opened.screenshot("upload-real.png")
        assert addresses.elsewhere(monitor) == []


def test_a_file_that_is_no_video_is_told_in_the_dashboard(
    monitor: MonitorProcess, browser: Browser, tmp_path: Path
) -> None:
    (tmp_path / "notes.mp4").write_text("no video at all")
    refused = ("Failed to load resource",)
    with WatchedPage(browser, f"{monitor.address.rstrip('/')}/#videos", expected=refused) as opened:
        opened.page.get_by_test_id("upload-input").set_input_files(tmp_path / "notes.mp4")
        error = opened.page.get_by_test_id("upload-error")
        expect(error).to_contain_text("notes.mp4", timeout=PATIENCE_MS)
        expect(error).to_contain_text("not a video")
