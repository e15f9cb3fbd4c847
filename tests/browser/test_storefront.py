"""A customer in a real browser: the shop's page, the gateway's card fields in an iframe, real processes behind both."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.browser import NEEDS_BROWSER, chromium
from tests.support.process import ServerProcess, ShopProcess

pytestmark = NEEDS_BROWSER


@pytest.fixture
def shop(server: ServerProcess, tmp_path: Path) -> Iterator[ShopProcess]:
    """The reference merchant as its own process, in a sandbox of its own."""
    shop = ShopProcess(tmp_path, server.url, f"sk_test_browser-{tmp_path.name}"[:60])
    yield shop
    shop.stop()


@pytest.fixture
def page(shop: ShopProcess) -> Iterator[Page]:
    with chromium() as browser:
        page = browser.new_page()
        page.goto(shop.url)
        yield page


def pay_with(page: Page, number: str, expiry: str = "12 / 40", cvc: str = "987") -> None:
    fields = page.frame_locator("#card")
    fields.get_by_label("Card number").fill(number)
    fields.get_by_label("Expiry").fill(expiry)
    fields.get_by_label("Security code").fill(cvc)
    page.get_by_role("button", name="Pay").click()


def test_a_customer_buys_a_kettle_and_the_card_never_reaches_the_shop(page: Page, shop: ShopProcess) -> None:
    sent_to_shop: list[str] = []
    page.on("request", lambda r: sent_to_shop.append(r.post_data or "") if r.url.startswith(shop.url) else None)
    page.get_by_label("Kettle").fill("1")
    pay_with(page, "4242 4242 4242 4242")
    expect(page.get_by_role("status")).to_contain_text("paid", ignore_case=True)
    # the shop was sent a nonce, and nothing of the card
    assert any("nonce_" in body for body in sent_to_shop)
    everything = "".join(sent_to_shop) + shop.log
    for path in shop.database.parent.glob("shop.sqlite*"):
        everything += path.read_bytes().decode("latin-1")
    assert "4242424242424242" not in everything.replace(" ", "")
    assert '"cvc"' not in everything


def test_a_declined_customer_is_told_so_and_pays_with_another_card(page: Page) -> None:
    page.get_by_label("Mug with a gate on it").fill("2")
    pay_with(page, "4000 0000 0000 9995")
    expect(page.get_by_role("status")).to_contain_text("declined", ignore_case=True)
    pay_with(page, "5555 5555 5555 4444")
    expect(page.get_by_role("status")).to_contain_text("paid", ignore_case=True)


def test_card_fields_that_are_about_to_be_replaced_take_nothing_in(page: Page) -> None:
    expect(page.get_by_role("button", name="Pay")).to_be_enabled()
    held: list[Route] = []
    page.route("**/client-token", lambda route: held.append(route))
    page.get_by_label("Spoon").fill("1")
    with page.expect_request("**/client-token"):
        pay_with(page, "4000 0000 0000 9995")
    expect(page.get_by_role("status")).to_contain_text("declined", ignore_case=True)
    # the shop is still waiting for fresh fields, and the customer finds no old ones to type into
    expect(page.locator("iframe")).to_have_count(0)
    expect(page.get_by_role("button", name="Pay")).to_be_disabled()
    held.pop().continue_()
    pay_with(page, "4242 4242 4242 4242")
    expect(page.get_by_role("status")).to_contain_text("paid", ignore_case=True)


def test_a_mistyped_card_is_explained_inside_the_fields_and_nothing_is_charged(page: Page) -> None:
    page.get_by_label("Spoon").fill("1")
    pay_with(page, "4242 4242 4242 4241")
    expect(page.frame_locator("#card").get_by_role("alert")).to_contain_text("Luhn")
    pay_with(page, "4242 4242 4242 4242")
    expect(page.get_by_role("status")).to_contain_text("paid", ignore_case=True)
