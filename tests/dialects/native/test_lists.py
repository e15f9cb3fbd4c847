"""Native lists over HTTP: cursors, filters, and cursors that are none."""

from typing import Any

import pytest

from tests.support.client import Client

pytestmark = pytest.mark.asyncio

LISTS = ("/v1/charges", "/v1/refunds", "/v1/webhook_endpoints", "/v1/events")


async def turn_pages(client: Client, path: str, limit: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after = ""
    while True:
        page = (await client.get(f"{path}{'&' if '?' in path else '?'}limit={limit}{after}")).expect(200).json
        assert page.keys() == {"data", "has_more"}
        assert len(page["data"]) == limit or not page["has_more"]
        found += page["data"]
        if not page["has_more"]:
            return found
        after = "&starting_after=" + page["data"][-1]["id"]


@pytest.mark.parametrize("path", LISTS)
async def test_an_empty_list_is_a_list(client: Client, path: str) -> None:
    assert (await client.get(path)).expect(200).json == {"data": [], "has_more": False}


async def test_pages_hold_ten_newest_first_unless_told(client: Client) -> None:
    made = [(await client.charge())["id"] for _ in range(12)]
    first = (await client.get("/v1/charges")).expect(200)
    assert [charge["id"] for charge in first["data"]] == made[:1:-1]
    assert first["has_more"] is True
    for limit in (1, 5, 12, 100):
        assert [charge["id"] for charge in await turn_pages(client, "/v1/charges", limit)] == made[::-1]


async def test_filters_go_together_and_hold_over_pages(client: Client) -> None:
    for order in ("o1", "o2", "o1", "o1"):
        await client.charge(order_id=order)
        await client.try_charge("declined", order_id=order)
    failed = await turn_pages(client, "/v1/charges?order_id=o1&status=failed", 2)
    assert [(charge["order_id"], charge["status"]) for charge in failed] == [("o1", "failed")] * 3
    assert len(await turn_pages(client, "/v1/charges?order_id=o1", 4)) == 6
    assert await turn_pages(client, "/v1/charges?status=voided", 4) == []
    assert await turn_pages(client, "/v1/charges?order_id=nobody", 4) == []
    events = await turn_pages(client, "/v1/events?type=charge.failed&order_id=o2", 1)
    assert [event["type"] for event in events] == ["charge.failed"]


async def test_every_list_turns_its_pages(client: Client) -> None:
    charge = await client.charge(amount=100)
    for _ in range(3):
        await client.post(f"/v1/charges/{charge['id']}/refunds", {"amount": 1})
        await client.post("/v1/webhook_endpoints", {"url": "http://127.0.0.1:9/"})
    for path, count in zip(LISTS, (1, 3, 3, 4), strict=True):
        ids = [one["id"] for one in await turn_pages(client, path, 2)]
        assert len(set(ids)) == count
        assert ids == sorted(ids, reverse=True)


async def test_a_list_never_tells_of_another_sandbox(client: Client) -> None:
    other = client.other()
    await other.charge(order_id="o1")
    await other.post("/v1/webhook_endpoints", {"url": "http://127.0.0.1:9/"})
    for path in (*LISTS, "/v1/charges?order_id=o1"):
        assert (await client.get(path))["data"] == []


@pytest.mark.parametrize("path", LISTS)
async def test_a_cursor_that_is_none_is_refused(client: Client, path: str) -> None:
    theirs = (await client.other().charge())["id"]
    for cursor in ("nothing", theirs, ""):
        (await client.get(f"{path}?starting_after={cursor}")).refused(400, "parameter_invalid", "starting_after")


@pytest.mark.parametrize(
    ("query", "code", "param"),
    [
        ("limit=0", "parameter_invalid", "limit"),
        ("limit=101", "parameter_invalid", "limit"),
        ("limit=ten", "parameter_invalid", "limit"),
        ("status=paid", "parameter_invalid", "status"),
        ("colour=red", "parameter_unknown", "colour"),
        ("order_id=4242424242424242", "card_number_in_request", "order_id"),
        ("4242424242424242=x", "card_number_in_request", "[removed]"),
    ],
)
async def test_a_query_that_makes_no_sense_is_refused_by_name(client: Client, query: str, code: str, param: str) -> None:
    reply = (await client.get(f"/v1/charges?{query}")).refused(400, code, param)
    assert b"4242424242424242" not in reply.raw
