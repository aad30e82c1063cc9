"""A whole session of the lab in a headless Chromium, as a student would go through it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import kvsim
from browser import Tab, open_tab
from kvsim.lab import Server, export, replay

SITE = Path(__file__).parents[3] / "python" / "kvsim" / "lab" / "site"
COURSE = json.loads((SITE / "course.json").read_text())
LABS = [
    (part["id"], track["id"])
    for part in COURSE["parts"]
    for track in COURSE["tracks"]
    if "none" not in COURSE["labs"][part["id"]][track["id"]]
]

# What is shown, and the answer that is locked there.
SHOWN = {
    "start": None,
    "knee/cloud": "flat",
    "sharding/cloud": "same",
    "memory/cloud": "2",
    "ledger": None,
}


@pytest.fixture
def tab(chrome: Any) -> Iterator[Tab]:
    opened = open_tab(chrome)
    yield opened
    assert not opened.complaints
    opened.page.context.close()


# ---- what a student does


def go(tab: Tab, site: Server, place: str) -> None:
    tab.page.goto(f"{site.url}#{place}")
    tab.page.wait_for_selector("#title")


def lock(tab: Tab, answer: str) -> None:
    page = tab.page
    assert page.locator(".instrument").count() == 0
    assert not page.locator("#try-it").is_visible()
    if page.locator("#predicted").count():
        page.fill("#predicted", answer)
    else:
        page.check(f"input[name=prediction][value={answer}]")
    page.click("#lock")
    page.wait_for_selector("#reveal h4")
    page.wait_for_selector(".instrument .main-svg")
    page.wait_for_selector("#figures table")


def drawn(tab: Tab, name: str) -> str:
    shown = tab.page.get_attribute(f"[data-instrument={name}]", "data-run")
    return shown or ""


def redrawn(tab: Tab, name: str, act: Callable[[], None]) -> None:
    """Do something; the instrument must then show runs that the engine made because of it."""
    before, calls = drawn(tab, name), tab.calls()
    act()
    tab.page.wait_for_function(
        "([name, before]) =>"
        " document.querySelector(`[data-instrument=${name}]`).dataset.run !== before",
        arg=[name, before],
    )
    assert tab.calls() > calls, "redrawn without the engine"
    tab.page.wait_for_function("document.querySelector('#figures .num') !== null")
    tab.check_numbers()


def press(tab: Tab, knob: str, *keys: str) -> None:
    tab.page.focus(f"#knob-{knob}")
    for key in keys:
        tab.page.keyboard.press(key)


def attempt(tab: Tab) -> str:
    """Try a setting in part 2; return the verdict of the try."""
    rows = tab.page.locator("table:has(caption:text-is('Your tries')) tbody tr")
    before = rows.count()
    tab.page.click("#try")
    tab.page.wait_for_function(
        "(n) => [...document.querySelectorAll('caption')].some((c) =>"
        " c.textContent === 'Your tries' && c.parentElement.tBodies[0].rows.length > n)",
        arg=before,
    )
    return str(rows.last.locator("td").nth(2).inner_text())


def play_knee(tab: Tab) -> None:
    page = tab.page
    lock(tab, "linear")
    assert "off by" in page.inner_text("#reveal")
    assert "1/(1 - load)" in page.inner_text("#prediction")
    laws = page.locator("#reveal tbody tr >> nth=1").locator("data")
    truth, flat, linear, exponential, hyperbolic = (
        float(value or "nan")
        for value in laws.evaluate_all("cells => cells.map((cell) => cell.value)")
    )
    assert flat < linear < exponential < 0.5 * truth  # of the M/M/1 queue
    assert hyperbolic == pytest.approx(truth, rel=0.2)
    tab.check_numbers()
    before = page.input_value("#knob-rate")
    redrawn(tab, "waterfall", lambda: press(tab, "rate", "ArrowRight"))
    assert float(page.input_value("#knob-rate")) > float(before)
    redrawn(tab, "frontier", lambda: press(tab, "window", "ArrowRight"))
    assert page.get_attribute("#knob-window", "aria-valuetext") == "20 ms"
    redrawn(tab, "waterfall", lambda: press(tab, "rate", "End"))
    page.wait_for_selector("#constraints .missed")
    assert "Unstable" in page.inner_text("#status")
    redrawn(tab, "waterfall", lambda: page.click("#undo"))
    page.wait_for_selector("#constraints .kept")
    page.click("#peek-mm1 summary")
    page.wait_for_selector("#peek-mm1 table")
    tab.check_numbers()
    page.click("#record")
    page.fill("#reflection-0", "At 80 % of capacity the tail has grown fivefold.")
    page.click("#save-reflection")
    page.check("#checkpoint input >> nth=0")


def play_sharding(tab: Tab) -> None:
    page = tab.page
    lock(tab, "eight")
    # Out of memory: everything on one GPU; and back.
    press(tab, "tp", "Home")
    press(tab, "pp", "Home")
    assert attempt(tab) == "out of memory"
    assert "does not fit" in page.inner_text("#status")
    assert page.get_attribute("#binding", "data-word") == "memory"
    press(tab, "tp", "End")
    assert attempt(tab) == "missed"
    assert "does not fit" not in page.inner_text("#status")
    page.click(".more summary")
    page.focus("#knob-weights-0")
    page.keyboard.press("ArrowRight")
    assert attempt(tab) == "met"
    rows = page.locator("table:has(caption:text-is('Your tries')) tbody tr")
    assert rows.count() == 3  # of ten
    assert not page.locator("#try").is_visible()
    page.wait_for_selector(".reveal h4:text-is('Why')")
    ttft = [float(rows.nth(i).locator("data").get_attribute("value")) for i in (1, 2)]
    assert ttft[0] == pytest.approx(54.0, abs=0.05)
    assert ttft[1] == pytest.approx(46.9, abs=0.05)
    for peek in ("all_reduce", "ttft_tpot"):
        page.click(f"#peek-{peek} summary")
        page.wait_for_selector(f"#peek-{peek} table")
    tab.check_numbers()
    # The controls are free now.
    redrawn(tab, "waterfall", lambda: press(tab, "tp", "ArrowLeft"))


def play_memory(tab: Tab) -> None:
    page = tab.page
    lock(tab, "4")
    tab.check_numbers()
    redrawn(tab, "kv-cache-heatmap", lambda: press(tab, "fragmentation", "Home"))
    redrawn(tab, "kv-cache-heatmap", lambda: press(tab, "preemption", "Home"))
    # Out of memory, and back.
    page.click(".more summary")
    redrawn(tab, "kv-cache-heatmap", lambda: page.check("#knob-weights-2"))
    page.wait_for_selector("#status .problem")
    assert "does not fit" in page.inner_text("#status")
    redrawn(tab, "kv-cache-heatmap", lambda: page.click("#undo"))
    page.wait_for_selector("#status .problem", state="detached")
    # More users cost less and wait longer; speculation does both better.
    page.wait_for_selector(".cfo .verdict")
    press(tab, "cfo-users", "End")
    page.wait_for_selector(".cfo .verdict:has-text('is worse')")
    press(tab, "cfo-users", "Home", "ArrowRight")
    press(tab, "cfo-spec", "ArrowRight", "ArrowRight", "ArrowRight")
    page.wait_for_selector(".cfo .verdict.kept")
    tab.check_numbers()
    page.click("#cfo-submit")
    for peek in ("kv_bytes", "speculation", "cost"):
        page.click(f"#peek-{peek} summary")
        page.wait_for_selector(f"#peek-{peek} table")
    tab.check_numbers()
    page.fill("#reflection-0", "Responsiveness: few users and speculation.")
    page.check("input[name=decision][value=responsiveness]")
    page.click("#save-reflection")


def test_a_whole_session_and_its_ledger(tab: Tab, site: Server, tmp_path: Path) -> None:
    page = tab.page
    go(tab, site, "start")
    go(tab, site, "knee/cloud")
    play_knee(tab)
    page.click("#checkpoint a.button")
    page.wait_for_selector("h2:text-is('Sharding the heavyweight')")
    play_sharding(tab)
    page.click("#checkpoint a.button")
    page.wait_for_selector("h2:text-is('The memory wall')")
    play_memory(tab)
    page.click("#checkpoint a.button")
    page.wait_for_selector("h2:text-is('What you predicted, saw and decided')")
    tab.check_numbers()

    with page.expect_download() as waiting:
        page.click("#export")
    path = tmp_path / "ledger.json"
    waiting.value.save_as(path)
    ledger = json.loads(path.read_text())
    kinds = [entry["kind"] for entry in ledger["entries"]]
    assert kinds.count("prediction") == 3
    assert kinds.count("try") == 3
    assert {"result", "challenge", "reflection", "decision", "evidence"} <= set(kinds)
    found = replay(path)
    assert found.difference is None
    assert found.runs >= len(set(kinds))

    for entry in ledger["entries"]:
        if entry["part"] == "memory" and entry["status"] == "ok":
            sweep = kvsim.sweep(entry["scenario"], {"seed": [entry["seed"]]})
            assert sweep.binding_constraints() == [entry["binding_constraint"]]

    entries = len(ledger["entries"])
    page.reload()
    page.wait_for_selector(f"#ledger-link:text-is('Ledger ({entries})')")
    page.set_input_files("#import", path)
    page.wait_for_selector("#ledger-note:has-text('all its entries')")
    go(tab, site, "sharding/cloud")
    page.wait_for_selector("#reveal h4")  # still locked
    assert page.locator("table:has(caption:text-is('Your tries')) tbody tr").count() == 3
    tab.check_numbers()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not JSON"),
        ('{"schema": "other", "schema_version": 1, "entries": []}', 'allowed: "kvsim.ledger"'),
        ('{"schema": "kvsim.ledger", "schema_version": 2, "entries": []}', "schema_version"),
        ('{"schema": "kvsim.ledger", "schema_version": 1, "entries": [{}]}', "entries[0].id"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_ledger_is_refused(
    tab: Tab, site: Server, tmp_path: Path, text: str, reason: str
) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    go(tab, site, "ledger")
    tab.page.set_input_files("#import", path)
    tab.page.wait_for_selector("#ledger-note .problem")
    assert "Refused other.json" in tab.page.inner_text("#ledger-note")
    assert reason in tab.page.inner_text("#ledger-note")


def test_a_damaged_ledger_is_set_aside_and_told(tab: Tab, site: Server) -> None:
    go(tab, site, "start")
    tab.page.evaluate("localStorage.setItem('kvsim.ledger', '{damaged')")
    tab.page.reload()
    tab.page.wait_for_selector("main > .problem")
    assert "set aside" in tab.page.inner_text("main > .problem")
    assert tab.page.evaluate("localStorage.getItem('kvsim.ledger.damaged')") == "{damaged"


# ---- every part in every track, and every place it is shown


def accessible(tab: Tab) -> None:
    """Raise if axe finds anything serious, in the light or in the dark."""
    from axe_playwright_python.sync_playwright import Axe

    for look in ("light", "dark"):
        # A button on its way from one colour to another has no contrast to judge.
        tab.page.emulate_media(color_scheme=look, reduced_motion="reduce")
        tab.page.wait_for_function(
            "(look) => [document.documentElement, ...document.querySelectorAll('.instrument')]"
            ".every((element) => element.dataset.theme === look)",
            arg=look,
        )
        found = Axe().run(tab.page).response["violations"]
        bad = [
            (v["id"], v["nodes"][0]["html"])
            for v in found
            if v["impact"] in ("serious", "critical")
        ]
        assert not bad, f"{tab.page.url}, {look}: {bad}"


@pytest.mark.parametrize(("part", "track"), LABS)
def test_every_part_of_every_track_can_be_played_by_everybody(
    tab: Tab, site: Server, part: str, track: str
) -> None:
    lab = COURSE["labs"][part][track]
    go(tab, site, f"{part}/{track}")
    choices = lab["prediction"].get("choices")
    lock(tab, choices[0]["id"] if choices else str(lab["prediction"]["min"]))
    assert "could not" not in tab.page.inner_text("main")
    for peek in lab["peeks"]:
        tab.page.click(f"#peek-{peek} summary")
        tab.page.wait_for_selector(f"#peek-{peek} table")
    assert tab.check_numbers() > 10
    accessible(tab)


def test_where_a_part_makes_no_sense_it_says_why(tab: Tab, site: Server) -> None:
    every = [(part["id"], track["id"]) for part in COURSE["parts"] for track in COURSE["tracks"]]
    others = [place for place in every if place not in LABS]
    assert len(others) <= 3
    for part, track in others:
        go(tab, site, f"{part}/{track}")
        assert len(tab.page.inner_text("#none")) > 200
        accessible(tab)


def test_the_first_page_the_ledger_and_an_open_question_are_for_everybody(
    tab: Tab, site: Server
) -> None:
    go(tab, site, "knee/tiny")
    accessible(tab)
    lock(tab, "flat")
    for place in ("ledger", "start"):
        go(tab, site, place)
        accessible(tab)


def test_axe_would_notice(tab: Tab, site: Server) -> None:
    go(tab, site, "start")
    tab.page.evaluate("document.querySelector('#look').closest('label').replaceWith(look)")
    with pytest.raises(AssertionError, match="select-name"):
        accessible(tab)


def test_two_pages_share_one_ledger(tab: Tab, site: Server) -> None:
    go(tab, site, "knee/tiny")
    other = Tab(tab.page.context.new_page())
    go(other, site, "knee/edge")
    lock(tab, "flat")
    other.page.wait_for_selector("#ledger-link:text-is('Ledger (2)')")
    lock(other, "flat")
    go(tab, site, "ledger")
    assert len(json.loads(tab.page.evaluate("localStorage['kvsim.ledger']"))["entries"]) == 4


def test_the_single_file_works_without_a_network(chrome: Any, site: Server, tmp_path: Path) -> None:
    del site  # only so that the engine is there
    _, single = export(tmp_path)
    tab = open_tab(chrome, offline=True)
    tab.page.goto(f"{single.as_uri()}#knee/cloud")
    lock(tab, "hyperbolic")
    redrawn(tab, "frontier", lambda: press(tab, "window", "ArrowRight"))
    assert not tab.complaints
    tab.page.context.close()


@pytest.mark.parametrize("width", [360, 1920])
def test_nothing_is_wider_than_the_screen(chrome: Any, site: Server, width: int) -> None:
    tab = open_tab(chrome, viewport={"width": width, "height": 800})
    for place, answer in SHOWN.items():
        go(tab, site, place)
        if answer:
            lock(tab, answer)
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= width, place
    tab.page.context.close()


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("WebAssembly", "no WebAssembly"),
        ("Worker", "no Web Workers"),
        ("DecompressionStream", "no DecompressionStream"),
    ],
)
def test_a_browser_that_cannot_is_told_so(
    chrome: Any, site: Server, missing: str, said: str
) -> None:
    context = chrome.new_context()
    context.add_init_script(f"delete globalThis.{missing};")
    page = context.new_page()
    page.goto(site.url)
    page.wait_for_selector("main [role=alert]")
    assert said in page.inner_text("main")
    context.close()


# ---- the checks can fail


def test_a_number_without_its_run_is_noticed(tab: Tab, site: Server) -> None:
    go(tab, site, "knee/tiny")
    lock(tab, "flat")
    tab.check_numbers()
    for html, said in (
        ("<data class=num>7</data>", "without a run"),
        ("<data class=num data-run=0123456789abcdef-1>7</data>", "nobody made"),
    ):
        tab.page.evaluate(
            "(html) => document.querySelector('#figures').insertAdjacentHTML('beforeend', html)",
            html,
        )
        with pytest.raises(AssertionError, match=said):
            tab.check_numbers()
        tab.page.evaluate("document.querySelector('#figures').lastElementChild.remove()")


def test_a_redraw_without_the_engine_is_noticed(tab: Tab, site: Server) -> None:
    go(tab, site, "knee/tiny")
    lock(tab, "flat")
    forge = "document.querySelector('[data-instrument=waterfall]').dataset.run = 'forged-1'"
    with pytest.raises(AssertionError, match="without the engine"):
        redrawn(tab, "waterfall", lambda: tab.page.evaluate(forge))
