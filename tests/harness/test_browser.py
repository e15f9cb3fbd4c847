"""A customer's browser: cookies that are kept, renewed and ended, places in an answer, redirects that stay with the shop."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from gatecrash.harness.browser import Browser
from gatecrash.harness.merchant_profile import reference
from gatecrash.harness.templates import Call
from gatecrash.harness.world import Host, Reply, World

PAGE = Call(method="GET", path="/page")


class Shop(World):
    """A shop that answers as it is told, and remembers what it was asked."""

    name = "scripted"

    def __init__(self, *replies: Reply) -> None:
        self.profile, self.values, self.notes = reference(), {"merchant_url": "http://shop.example:8500"}, []
        self.replies, self.asked = list(replies), list[tuple[str, str, Mapping[str, str]]]()

    async def request(self, host: Host, method: str, path: str, body: Any = None, **how: Any) -> Reply:
        self.asked.append((method, path, how["headers"]))
        return self.replies.pop(0)

    async def __aenter__(self) -> "Shop":
        return self

    async def __aexit__(self, *_: object) -> None: ...
    async def start_merchant(self) -> None: ...
    async def kill(self, host: Host) -> None: ...
    async def pause(self, seconds: float) -> None: ...

    def now(self) -> float:
        return 0.0


def browse(*replies: Reply, calls: int = 1) -> tuple[Browser, Shop, Reply]:
    shop = Shop(*replies)
    browser = Browser(shop, "ada")
    reply = [asyncio.run(browser.call(PAGE, {})) for _ in range(calls)][-1]
    return browser, shop, reply


def sets(*cookies: str, status: int = 200, location: str = "") -> Reply:
    headers = [("Set-Cookie", cookie) for cookie in cookies] + ([("Location", location)] if location else [])
    return Reply(status, headers=tuple(headers))


def test_cookies_are_sent_again_renewed_and_ended_as_the_shop_says() -> None:
    replies = sets("sid=a; Path=/; HttpOnly", "theme=dark"), sets("sid=b"), sets("theme=; Max-Age=0"), sets()
    _, shop, _ = browse(*replies, calls=4)
    sent = [headers.get("Cookie") for _, _, headers in shop.asked]
    assert sent == [None, "sid=a; theme=dark", "sid=b; theme=dark", "sid=b"]


def test_a_cookie_set_on_the_way_of_a_redirect_is_sent_to_where_it_leads() -> None:
    _, shop, reply = browse(sets("sid=a", status=303, location="/home?new=1"), sets())
    assert [(method, path) for method, path, _ in shop.asked] == [("GET", "/page"), ("GET", "/home?new=1")]
    assert shop.asked[1][2]["Cookie"] == "sid=a"
    assert reply.header("Location") == "/home?new=1", "where it led to is still known"


def test_a_redirect_to_another_host_is_not_followed() -> None:
    _, shop, reply = browse(sets(status=302, location="https://elsewhere.example/pay"))
    assert (len(shop.asked), reply.status) == (1, 302)


def test_redirects_without_end_come_to_an_end() -> None:
    _, shop, reply = browse(*(sets(status=302, location="/page") for _ in range(50)))
    assert (len(shop.asked), reply.status) == (10, 302)


PLACES: dict[str, tuple[Reply, str, object]] = {
    "pointer": (Reply(200, {"order": {"id": 7}}), "/order/id", 7),
    "header": (Reply(201, headers=(("X-Order", "o-7"),)), "header:x-order", "o-7"),
    "location": (Reply(201, headers=(("Location", "/orders/a%2Fb?x=1"),)), "location", "a/b"),
    "absolute": (Reply(201, headers=(("Location", "http://shop.example/orders/7/"),)), "location", "7"),
    "template": (Reply(201, headers=(("Location", "/orders/7/thanks"),)), "location:/orders/{order_id}/thanks", "7"),
    "query": (Reply(201, headers=(("Location", "/thanks?order=7&new=1"),)), "location:/thanks?order={order_id}", "7"),
    "no-location": (Reply(201), "location", None),
    "field": (Reply(200, text='<input type=hidden name="csrf" value="t&amp;1">'), "field:csrf", "t&1"),
    "meta": (Reply(200, text='<meta name="csrf-token" content="t2">'), "field:csrf-token", "t2"),
    "no-field": (Reply(200, text="<p>"), "field:csrf", None),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_value_is_found_at_every_kind_of_place(place: str) -> None:
    reply, where, found = PLACES[place]
    assert Browser(Shop(), "ada").find(reply, where) == found


def test_a_cookie_is_a_place_too() -> None:
    browser, _, reply = browse(sets("csrftoken=abc"))
    find: Callable[[str], Any] = lambda where: browser.find(reply, where)  # noqa: E731
    assert (find("cookie:csrftoken"), find("cookie:other")) == ("abc", None)
