"""Draw docs/images/lab_*.png: each part of the lab as a student sees it after the lock.

    python tools/lab_screenshots.py [--every]          (make lab-screenshots)

--every also leaves each part at the sizes of a laptop, a projector and a phone, light and dark, in
out/lab, to look at.
"""

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kvsim.lab import Server

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests" / "support"))
from browser import browser, chromium, open_tab  # noqa: E402

SIZES = {"laptop": (1280, 800), "projector": (1920, 1080), "phone": (390, 844)}
ANSWERS = {"knee": "exponential", "sharding": "eight", "memory": "3"}
# What is set before the picture is taken: keys by knob.
KEYS = {
    "knee": {"rate": ["ArrowRight"] * 12},
    "sharding": {"tp": ["End"], "pp": ["Home"]},
    "memory": {"fragmentation": ["Home"]},
}


@contextmanager
def part(started: Any, url: str, name: str, size: str, look: str) -> Iterator[Any]:
    """Open a part, lock a prediction and set the knobs."""
    width, height = SIZES[size]
    tab = open_tab(started, viewport={"width": width, "height": height}, color_scheme=look)
    page = tab.page
    page.goto(f"{url}#{name}/cloud")
    page.wait_for_selector("#lock")
    if page.locator("#predicted").count():
        page.fill("#predicted", ANSWERS[name])
    else:
        page.check(f"input[name=prediction][value={ANSWERS[name]}]")
    page.click("#lock")
    page.wait_for_selector("#reveal h4")
    page.wait_for_selector("#figures table")
    for knob, keys in KEYS[name].items():
        page.focus(f"#knob-{knob}")
        for key in keys:
            page.keyboard.press(key)
    if name == "sharding":
        page.click("#try")
        page.wait_for_selector("table:has(caption:text-is('Your tries'))")
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(1500)  # a picture of what has settled
    page.evaluate("document.activeElement.blur()")
    yield page
    page.context.close()


def main() -> None:
    """Draw what is asked for."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--every", action="store_true", help="all sizes and looks, in out/lab")
    every = options.parse_args().every
    if chromium() is None:
        raise SystemExit("no Chromium here: apt-get install chromium")
    with Server(0) as server, browser() as started:
        for name in ANSWERS:
            with part(started, server.url, name, "laptop", "light") as page:
                path = ROOT / "docs" / "images" / f"lab_{name}.png"
                page.locator("#try-it").screenshot(path=path)
                print(path.relative_to(ROOT))
        for name in ANSWERS if every else ():
            for size in SIZES:
                for look in ("light", "dark"):
                    with part(started, server.url, name, size, look) as page:
                        path = ROOT / "out" / "lab" / f"{name}_{size}_{look}.png"
                        page.screenshot(path=path, full_page=True)
                        print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
