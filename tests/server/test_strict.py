"""Strict mode and lint on a running gateway: what a client does wrong is in the journal behind what shows it, and in the list."""

from collections.abc import Callable

import aiohttp
import pytest

from tests.server.aid import insist, lost, pid_of
from tests.support.cards import CARDS, card
from tests.support.client import Client
from tests.support.gateway import LiveGateway
from tests.support.process import ServerProcess
from tests.webhooks.receiver import Receiver

pytestmark = pytest.mark.asyncio


async def be_strict(client: Client, on: bool = True) -> None:
    assert (await client.post("/_gatecrash/strict", {"strict": on})).expect(200)["strict"] is on


async def noted(client: Client) -> list[tuple[str, int]]:
    """The findings in the journal: rule, and the number of the entry that it is about."""
    return [(entry["rule"], entry["about"]) for entry in await client.journal("finding")]


async def linted(client: Client, query: str = "") -> list[str]:
    return [finding["rule"] for finding in (await client.get("/_gatecrash/lint" + query)).expect(200)["data"]]


async def lose(client: Client) -> None:
    """Charge order o1 under key k1, and never hear of it."""
    body = {"amount": 4200, "currency": "usd", "payment_nonce": await client.make_nonce(), "order_id": "o1"}
    header = {"Gatecrash-Fault": "operation.committed=reset"}
    assert await lost(client.post("/v1/charges", body, idem="k1", headers=header)) is None


async def test_a_finding_stands_right_behind_the_entry_that_shows_it(client: Client) -> None:
    await be_strict(client)
    charge = await client.charge(order_id="o1")
    entries = await client.journal()
    assert [entry["kind"] for entry in entries[-3:]] == ["request", "answer", "finding"]
    request, _, finding = entries[-3:]
    assert finding["rule"] == "post_without_key"
    assert (finding["about"], finding["request_id"]) == (request["seq"], request["request_id"])
    assert (finding["operation"], finding["order_id"]) == ("charges.create", "o1")
    assert "says" not in finding
    assert charge["status"] == "succeeded"


async def test_without_strict_mode_the_journal_is_as_ever_and_lint_finds_the_same(client: Client) -> None:
    await client.charge()
    await client.charge(idem="k")
    assert await noted(client) == []
    report = (await client.get("/_gatecrash/lint")).expect(200)
    assert [finding["rule"] for finding in report["data"]] == ["post_without_key"]
    assert report["entries"] == len(await client.journal())
    assert report["has_more"] is False
    assert report["data"][0]["advice"].startswith("Send one with every such POST")


async def test_it_is_each_sandboxes_own_and_goes_off_again(client: Client) -> None:
    other = client.other()
    await be_strict(client)
    await client.charge()
    await other.charge()
    assert len(await noted(client)) == 1
    assert await noted(other) == []
    assert (await other.get("/_gatecrash/strict")).expect(200)["strict"] is False
    await be_strict(client, False)
    await client.charge()
    assert len(await noted(client)) == 1


async def test_what_came_before_it_was_turned_on_is_known_to_it(client: Client) -> None:
    await lose(client)
    await be_strict(client)
    await client.charge(idem="k2", order_id="o1")
    assert [rule for rule, _ in await noted(client)] == ["new_key_after_unknown"]


async def test_a_new_key_after_a_crash_is_found_by_the_process_that_came_after(
    http: aiohttp.ClientSession, start_server: Callable[..., ServerProcess]
) -> None:
    client = Client(http, start_server("--memory", "--strict").url)
    body = {"amount": 4200, "currency": "usd", "payment_nonce": await client.make_nonce(), "order_id": "o1"}
    before = await pid_of(client)
    assert (
        await lost(client.post("/v1/charges", body, idem="k1", headers={"Gatecrash-Fault": "operation.committed=crash"})) is None
    )
    assert await pid_of(client) != before
    body["payment_nonce"] = (await insist(lambda: client.post("/v1/tokens", {"card": card()}, key="pk")))["id"]
    (await client.post("/v1/charges", body, idem="k2")).expect(201)
    assert [rule for rule, _ in await noted(client)] == ["new_key_after_unknown"]
    assert await linted(client) == ["new_key_after_unknown"]


async def test_one_sandboxes_strict_mode_outlasts_a_restart_and_a_reset(
    http: aiohttp.ClientSession, kept_gateway: LiveGateway
) -> None:
    client = Client(http, kept_gateway.url)
    await be_strict(client)
    await kept_gateway.restart()
    assert (await client.get("/_gatecrash/strict"))["strict"] is True
    assert (await client.other().get("/_gatecrash/strict"))["strict"] is False
    await client.charge()
    (await client.post("/_gatecrash/reset")).expect(200)
    assert await linted(client) == []
    await client.charge()
    assert [rule for rule, _ in await noted(client)] == ["post_without_key"]


async def test_every_refusal_that_tells_of_a_mistake_is_found_and_no_card_number_with_it(client: Client) -> None:
    await be_strict(client)
    nonce = await client.make_nonce()
    good = {"amount": 4200, "currency": "usd", "payment_nonce": nonce}
    (await client.post("/v1/tokens", {"card": card()}, key="sk")).expect(403)
    (await client.post("/v1/charges", {**good, "order_id": CARDS["visa"]}, idem="a")).expect(400)
    (await client.post("/v1/charges", {**good, "colour": "red"}, idem="b")).expect(400)
    (await client.post("/v1/charges", good, idem='"')).expect(400)
    (await client.post("/v1/charges", good, idem="c")).expect(201)
    (await client.post("/v1/charges", {**good, "amount": 1}, idem="c")).expect(422)
    (await client.post("/v1/charges", good, idem="d")).expect(400)
    (await client.post("/v1/charges", good, key="pk", idem="e")).expect(403)
    (await client.get("/v1/charges", headers={"Idempotency-Key": "f"})).expect(200)
    (await client.post("/v1/charges", good, headers={"X-Idempotency-Key": "c"})).expect(400)
    found = [rule for rule, _ in await noted(client)]
    assert found == [
        "card_number_sent", "card_number_sent", "unknown_field", "header_misused", "key_reused", "nonce_reused",
        "publishable_key_misused", "header_misused", "header_misused", "nonce_reused",
    ]  # fmt: skip
    assert sorted(await linted(client)) == sorted(found)
    for path in ("/_gatecrash/journal?limit=1000", "/_gatecrash/lint"):
        assert CARDS["visa"].encode() not in (await client.get(path)).raw


async def test_an_unknown_outcome_is_found_once_there_was_time_or_nothing_more_will_come(client: Client) -> None:
    await lose(client)
    assert await linted(client) == []
    assert await linted(client, "?final=true") == ["outcome_not_resolved"]
    await client.advance(601)
    assert await linted(client) == ["outcome_not_resolved"]
    await client.get("/v1/charges?order_id=o1")
    assert await linted(client, "?final=true") == []


async def test_coming_back_before_retry_after_is_found_on_a_real_answer(client: Client) -> None:
    await be_strict(client)
    params = {"status": 503, "headers": {"Retry-After": "7"}}
    await client.add_fault("request.received", "status", params=params, match={"operation": "charges.create"})
    nonce = await client.make_nonce()
    (await client.try_charge(payment_nonce=nonce, idem="k")).expect(503)
    (await client.post("/_gatecrash/clock/advance", {"seconds": 1})).expect(200)
    (await client.try_charge(payment_nonce=nonce, idem="k")).expect(201)
    assert [rule for rule, _ in await noted(client)] == ["retry_after_ignored"]


async def test_webhooks_that_are_refused_again_and_again_are_found(client: Client) -> None:
    await be_strict(client)
    shop = Receiver(500, 500, 500, 200)
    await shop.start()
    try:
        await shop.register(client)
        await client.charge(idem="k")
        await client.advance(3600)
    finally:
        await shop.stop()
    assert len(shop.hits) == 4
    assert [rule for rule, _ in await noted(client)] == ["webhook_refused_repeatedly"]
    assert all(entry["latency_ms"] >= 0 for entry in await client.journal("delivery"))
