"""A page that has the lab's modules and nothing else, in a browser."""

from collections.abc import Iterator
from typing import Any

import pytest

from browser import chromium, launched, watched
from kvsim.lab import Server

EMPTY = b"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>empty</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="instruments/instruments.css"></head>
<body></body></html>"""


@pytest.fixture(scope="module")
def site() -> Iterator[Server]:
    chromium()  # skips before the engine is built
    with Server(0, more={"empty.html": lambda: EMPTY}) as server:
        yield server


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with launched() as found:
        yield found


@pytest.fixture
def page(site: Server, browser: Any) -> Iterator[Any]:
    opened = browser.new_page(viewport={"width": 900, "height": 700})
    errors = watched(opened)
    opened.goto(site.url + "empty.html")
    yield opened
    opened.close()
    assert errors == []
