"""A real browser for tests of pages: Debian's Chromium, driven by Playwright. Without one such tests are skipped, and say so."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Request, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed: apt-get install chromium")

DRAWN = "[...document.querySelectorAll('.chart')].every((each) => !each.offsetParent || each.querySelector('svg'))"
DESKTOP, PHONE = (1280, 900), (390, 844)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Chromium, which asks for nothing by itself."""
    with sync_playwright() as playwright:
        quiet = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=quiet)
        try:
            yield browser
        finally:
            browser.close()


class Visit:
    """A page in a window of its own, and whatever goes wrong on it: messages of the console, and requests to other hosts."""

    gives_up = False  # whether the page may itself end requests that it made

    def __init__(self, browser: Browser, home: str, size: tuple[int, int] = DESKTOP, dark: bool = False) -> None:
        """home: the beginning of every address that it may ask for."""
        width, height = size
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
        )
        self.page: Page = context.new_page()
        self.page.set_default_timeout(20_000)
        self.home, self.faults = home, list[str]()
        self.page.on("console", lambda message: self._note(f"console: {message.text}", message.type != "log"))
        self.page.on("pageerror", lambda error: self._note(f"error: {error}", True))
        self.page.on("requestfailed", self._failed)
        self.page.on("request", lambda request: self._note(f"asked for {request.url}", not self._own(request.url)))

    def open(self, path: str = "") -> Page:
        """Go to a page below home, and wait until its charts are drawn."""
        self.page.goto("about:blank")  # else one that differs by its anchor alone would stay as it is
        self.page.goto(f"{self.home}/{path}")
        self.page.wait_for_function(DRAWN)
        return self.page

    def scrolls_sideways(self) -> bool:
        return bool(self.page.evaluate("document.documentElement.scrollWidth > innerWidth"))

    def grave(self) -> list[str]:
        """What axe-core finds that is serious or critical."""
        found = Axe().run(self.page, options={"preload": False}).response["violations"]
        return [
            f"{each['id']}: {each['nodes'][0]['html'][:200]}"
            for each in found
            if each["impact"] in ("serious", "critical")
        ]

    def first_paint(self) -> float:
        """Milliseconds from the beginning to the first thing that is drawn."""
        found = self.page.evaluate("performance.getEntriesByName('first-contentful-paint').map((e) => e.startTime)")
        return float(found[0])

    def _failed(self, request: Request) -> None:
        self._note(f"failed: {request.url}", not (self.gives_up and request.failure == "net::ERR_ABORTED"))

    def _own(self, address: str) -> bool:
        return address.startswith((self.home, "data:", "about:", "blob:"))

    def _note(self, fault: str, counts: bool) -> None:
        if counts:
            self.faults.append(fault)
