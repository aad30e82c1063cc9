"""A page that has the lab's modules and nothing else, in a browser."""

from collections.abc import Iterator
from typing import Any

import pytest

from browser import browser, chromium, open_tab
from kvsim.lab import Server

EMPTY = b"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>empty</title>
<link rel="icon" href="data:,"><link rel="stylesheet" href="instruments/instruments.css"></head>
<body></body></html>"""


@pytest.fixture(scope="session")
def chrome() -> Iterator[Any]:
    if chromium() is None:
        pytest.skip("no Chromium is found (Debian: apt-get install chromium)")
    with browser() as started:
        yield started


@pytest.fixture(scope="session")
def site(chrome: Any) -> Iterator[Server]:
    del chrome  # without one, no engine need be built
    with Server(0, more={"empty.html": lambda: EMPTY}) as server:
        yield server


@pytest.fixture
def page(chrome: Any, site: Server) -> Iterator[Any]:
    tab = open_tab(chrome)
    tab.page.goto(site.url + "empty.html")
    yield tab.page
    tab.page.context.close()
    assert tab.complaints == []
