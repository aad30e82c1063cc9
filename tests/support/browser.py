"""A headless Chromium for tests of pages, and what they must not do in it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu")


def chromium() -> str:
    """Return the path of a Chromium, or skip and say so."""
    pytest.importorskip("playwright", reason="playwright is not installed (pip install -e .[dev])")
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        pytest.skip("no Chromium is found (Debian: apt-get install chromium): the page is untested")
    return found


@contextmanager
def launched() -> Iterator[Any]:
    """Give a browser."""
    from playwright.sync_api import sync_playwright

    path = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


def watched(page: Any) -> list[str]:
    """Return a list that will hold every error of a page."""
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda m: errors.append(m.text) if m.type in ("error", "warning") else None)
    return errors
