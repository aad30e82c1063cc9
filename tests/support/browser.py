"""A headless Chromium with the lab in it, and the check that its numbers come from the engine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# What is asked of the engine's workers, seen from outside the page's own code.
SPY = """
window.engineCalls = [];
const post = Worker.prototype.postMessage;
Worker.prototype.postMessage = function (message, ...rest) {
  if (message?.op === "run") window.engineCalls.push(message.text);
  return post.call(this, message, ...rest);
};
"""

# Numbers without a run: marked ones, and cells of results that begin with a digit.
SHOWN = """() => {
  const numbers = [...document.querySelectorAll("[data-run]")].map((e) => e.dataset.run);
  const bare = [...document.querySelectorAll(".num:not([data-run]), [data-run='']")];
  for (const cell of document.querySelectorAll("[data-results] td, .instrument td")) {
    const number = /^[^a-z0-9]?[0-9.,]/i.test(cell.textContent);
    if (number && !cell.dataset.run && !cell.querySelector("[data-run]")) bare.push(cell);
  }
  return { ids: numbers.flatMap((ids) => ids.split(" ")), bare: bare.map((e) => e.outerHTML) };
}"""


def chromium() -> str | None:
    """Return the path of a Chromium, or None."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((path for name in names if (path := shutil.which(name))), None)


def fnv1a(text: str) -> str:
    """Return the hash that begins a run's id (fields.js)."""
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001B3) % 2**64
    return f"{value:016x}"


class Tab:
    """A page of the browser, what it complained about, and which runs its engine made."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.runs: set[str] = set()
        page.set_default_timeout(30_000)
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _heard(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def calls(self) -> int:
        """Take note of the runs since the page was loaded; return how many they are."""
        texts = self.page.evaluate("window.engineCalls")
        self.runs |= {fnv1a(text) for text in texts}
        return len(texts)

    def check_numbers(self) -> int:
        """Raise unless every number shown names runs that the engine really made."""
        self.calls()
        shown = self.page.evaluate(SHOWN)
        assert not shown["bare"], f"numbers without a run: {shown['bare']}"
        unknown = {i for i in shown["ids"] if i.split("-")[0] not in self.runs}
        assert not unknown, f"numbers of runs that nobody made: {unknown}"
        return len(shown["ids"])


@contextmanager
def browser() -> Iterator[Any]:
    """Start Chromium, without a network of its own beyond what a test opens."""
    from playwright.sync_api import sync_playwright

    path = chromium()
    assert path is not None
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield started
        finally:
            started.close()


def open_tab(started: Any, **options: Any) -> Tab:
    """Open a page in a profile of its own."""
    context = started.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
    context.add_init_script(SPY)
    return Tab(context.new_page())
