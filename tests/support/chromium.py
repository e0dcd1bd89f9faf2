"""Headless Chromium for tests of web pages."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = shutil.which("chromium")
#: Containers run as root and have little shared memory.
OPTIONS = ["--no-sandbox", "--disable-dev-shm-usage"]


@contextmanager
def launch_chromium() -> Iterator[Browser]:
    """Run Chromium until the end of the block.

    Skips the test if Chromium is not installed, except in CI. The block must not contain other
    tests: an event loop runs in this thread until its end.
    """
    if CHROMIUM is None:
        message = "Chromium is not installed (Debian package chromium)"
        pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        try:
            yield browser
        finally:
            browser.close()


def record_problems(page: Page) -> list[str]:
    """Return a list that gets the exceptions and console warnings of a page."""
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "console",
        lambda message: problems.append(message.text) if message.type != "log" else None,
    )
    return problems


def save_screenshot(page: Page, name: str) -> None:
    """Save what a page shows as a PNG file in the directory TEST_ARTIFACTS."""
    directory = Path(os.environ.get("TEST_ARTIFACTS", Path(__file__).parents[1] / ".artifacts"))
    directory.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=directory / f"{name}.png")
