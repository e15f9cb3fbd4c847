"""The page that `gatecrash prove --report` writes, in a real browser: it fits, its links lead somewhere, and it asks nobody."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from gatecrash.harness.page import render
from gatecrash.harness.prove import LeftOut, Proof
from tests.harness.test_report import CLEAN, TWICE
from tests.support.browser import NEEDS_BROWSER, chromium

pytestmark = NEEDS_BROWSER


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    held = replace(CLEAN, story=replace(CLEAN.story, name="another-story", title="Another story"))
    proof = Proof(
        merchant="shop", world="real", outcomes=(TWICE, held), left_out=(LeftOut(CLEAN.story, "no [refund]"),), seconds=1
    )
    file = tmp_path / "index.html"
    file.write_text(render(proof, {TWICE.story.name: Path("shop.yaml")}), encoding="utf-8")
    with chromium() as browser:
        page = browser.new_page()
        asked: list[str] = []
        complaints: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(file.as_uri())
        yield page
        assert complaints == []
        assert {url.partition("#")[0] for url in asked} == {file.as_uri()}, "one file, and nothing else"


def test_what_was_violated_is_unfolded_with_the_money_the_diagram_and_the_replay(page: Page) -> None:
    story = page.locator(f"#{TWICE.story.name}")
    expect(story.get_by_role("cell", name="84.00 usd")).to_be_visible()
    expect(story.get_by_role("img", name="sequence diagram")).to_be_visible()
    expect(story.get_by_text("gatecrash replay shop.yaml")).to_be_visible()
    story.get_by_role("link", name="S1").click()
    expect(page.locator("#S1")).to_be_in_viewport()
    assert page.locator("a[href^='#']").evaluate_all("all => all.filter(one => !document.querySelector(one.hash)).length") == 0


def test_a_link_to_what_held_unfolds_it(page: Page) -> None:
    expect(page.locator("#another-story table")).to_be_hidden()
    page.get_by_role("link", name="Another story").click()
    expect(page.locator("#another-story table")).to_be_visible()


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_it_fits_screens_of_any_width(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
