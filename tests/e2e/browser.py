"""Debian's Chromium, driven by Playwright, with a webcam that shows a real face."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
from playwright.sync_api import Browser, sync_playwright

from tests.cameras import face_pictures
from tests.tools import missing_tool

ARTIFACTS = Path(os.environ.get("ARTIFACTS_DIR", "artifacts"))
"""Screenshots are kept here."""

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # the monitor and the browser share one machine
    "--allow-loopback-in-peer-connection",
)


def executable() -> str:
    """Where the browser is; skips the test where there is none, fails it in CI."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        missing_tool("no Chromium: apt-get install chromium")
    return found


def write_webcam(path: Path, width: int = 640, height: int = 480) -> Path:
    """A moving real face as the Motion-JPEG file that Chromium takes for a webcam."""
    with path.open("wb") as file:
        for pixels in face_pictures(width, height):
            done, data = cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 90])
            assert done
            file.write(data.tobytes())
    return path


@contextmanager
def chromium(webcam: Path | None = None) -> Iterator[Browser]:
    """A browser, with `webcam` as its only camera and permission to use it; without, it has no camera."""
    arguments = list(ARGUMENTS)
    if webcam is not None:
        arguments += [
            "--use-fake-ui-for-media-stream",
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-video-capture={webcam}",
        ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable(), args=arguments)
        try:
            yield browser
        finally:
            browser.close()
