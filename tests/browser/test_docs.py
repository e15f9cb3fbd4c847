"""The page that browses the contract, in a real browser: it finds, unfolds, links and shows, and asks nobody but its gateway."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from playwright.sync_api import Page, expect

from tests.contracts.checker import load
from tests.support.browser import NEEDS_BROWSER, chromium
from tests.support.process import ServerProcess

pytestmark = NEEDS_BROWSER
GATEWAY = load("gateway")


class Docs(NamedTuple):
    """The page, all URLs it asked for, and what it complained of."""

    page: Page
    url: str
    asked: list[str]
    complaints: list[str]


@pytest.fixture
def docs(server: ServerProcess) -> Iterator[Docs]:
    with chromium() as browser:
        page = browser.new_page()
        asked: list[str] = []
        complaints: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("requestfailed", lambda request: complaints.append(f"{request.url} failed"))
        page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(server.url + "/docs")
        expect(page.locator("#server")).to_have_text(server.url)
        yield Docs(page, server.url, asked, complaints)
        assert not complaints
        assert asked
        assert not [url for url in asked if not url.startswith((server.url, "data:"))], "it must work without a network"


def test_every_operation_is_there_and_all_of_it_unfolds_without_a_complaint(docs: Docs) -> None:
    page = docs.page
    shown = page.locator("details.operation").evaluate_all("all => all.map(one => one.id)")
    assert {name for name in shown if not name.startswith("webhook-")} == set(GATEWAY.operations)
    # open everything, and what that brings, six levels deep
    for _ in range(6):
        page.evaluate("document.querySelectorAll('details').forEach(one => { one.fill(); one.open = true; })")
    assert "undefined" not in page.inner_text("main")
    assert "[object" not in page.inner_text("main")
    for name, operation in GATEWAY.operations.items():
        card = page.locator(f"[id='{name}']")
        statuses = card.locator("details[data-status]").evaluate_all("all => all.map(one => one.dataset.status)")
        assert sorted(statuses) == sorted(operation.spec["responses"]), name


def test_what_is_searched_for_is_found_and_the_rest_hides(docs: Docs) -> None:
    page = docs.page
    page.keyboard.press("/")
    page.keyboard.type("amount_exceeds_captured")
    expect(page.get_by_role("status")).to_have_text("2 found")
    expect(page.locator("[id='refunds.create']")).to_be_visible()
    expect(page.locator("[id='error-amount_exceeds_captured']")).to_be_visible()
    expect(page.locator("[id='charges.create']")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(page.locator("[id='charges.create']")).to_be_visible()


def test_an_operation_shows_a_curl_that_names_this_gateway_and_an_error_tells_what_to_do(docs: Docs) -> None:
    page = docs.page
    page.locator("[id='charges.create'] > summary").click()
    example = page.locator("[id='charges.create'] pre").first
    expect(example).to_contain_text(f"curl -X POST '{docs.url}/v1/charges'")
    expect(example).to_contain_text("Authorization: Bearer sk_test_me")
    expect(example).to_contain_text("Idempotency-Key: ")
    expect(example).to_contain_text('"amount":4200')
    page.locator("[id='charges.create'] details[data-status='402'] > summary").click()
    page.locator("[id='charges.create'] a[href='#error-card_declined']").click()
    expect(page.locator("[id='error-card_declined']")).to_contain_text("ask the customer for another card, with a new key")
    page.locator("[id='error-card_declined'] a[href='#charges.create']").click()
    assert page.url.endswith("/docs#charges.create")


def test_a_link_into_the_page_opens_what_it_names(docs: Docs) -> None:
    docs.page.goto(docs.url + "/docs#schema-Charge")
    docs.page.reload()
    expect(docs.page.locator("[id='schema-Charge']")).to_contain_text("amount_captured")


def test_it_fits_a_narrow_screen(docs: Docs) -> None:
    docs.page.set_viewport_size({"width": 360, "height": 740})
    docs.page.goto(docs.url + "/docs#charges.create")
    docs.page.reload()
    expect(docs.page.locator("[id='charges.create'] h3").first).to_be_visible()
    assert docs.page.evaluate("document.documentElement.scrollWidth") <= 360
