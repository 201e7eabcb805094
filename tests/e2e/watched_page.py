"""A page of the dashboard that fails its test for console errors and violations of the content-security policy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect, sync_playwright

from tests.e2e.browser import ARGUMENTS, ARTIFACTS, executable

PHONE = (360, 740)
FAKE_WEBCAM = "--use-fake-device-for-media-stream"
ALLOW_WEBCAM = "--use-fake-ui-for-media-stream"
# a name that is not localhost: an insecure page, as on another machine of the network
OTHER_NAME = "--host-resolver-rules=MAP dashboard.test 127.0.0.1"

_ACCESSIBILITY = (Path(__file__).parent / "accessibility.js").read_text()
_REPORT_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) => {
  console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI} in ${event.sourceFile}`);
});
"""


@contextmanager
def chromium_with(*arguments: str) -> Iterator[Browser]:
    """A headless Chromium of its own, with these arguments beside the quiet ones."""
    path = executable()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS, *arguments])
        try:
            yield browser
        finally:
            browser.close()


class WatchedPage:
    """A page in a context of its own; when it closes, console errors and policy violations fail the test.

    `expected` are beginnings of console errors that the test provokes, such as a refused request.
    """

    def __init__(
        self,
        browser: Browser,
        url: str,
        *,
        size: tuple[int, int] = (1280, 800),
        scheme: Literal["light", "dark"] = "light",
        expected: tuple[str, ...] = (),
    ) -> None:
        self._expected = expected
        self.problems: list[str] = []
        self.context: BrowserContext = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, reduced_motion="reduce"
        )
        self.context.add_init_script(_REPORT_VIOLATIONS)
        self.page: Page = self.context.new_page()
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.problems.append(f"uncaught: {error}"))
        self.page.goto(url)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.context.close()
        if error is None:
            assert self.problems == [], self.problems

    def screenshot(self, name: str) -> None:
        """Keep what the window shows."""
        ARTIFACTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=ARTIFACTS / name)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(self._expected or ("\0",)):
            self.problems.append(message.text)


def card(page: Page, stream_id: str) -> Locator:
    return page.locator(f'stream-card[data-stream-id="{stream_id}"]')


def expect_accessible(page: Page) -> None:
    problems = page.evaluate(_ACCESSIBILITY)
    assert not problems, "\n".join(problems)


def expect_picture(place: Locator) -> None:
    expect(place.locator("live-picture[data-frame-index]")).to_be_attached()
