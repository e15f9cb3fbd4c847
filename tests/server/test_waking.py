"""A restart loads no sandbox by itself: each is loaded when it is first used, or when something falls due in it."""

import pytest

from tests.support.client import Client
from tests.support.gateway import LiveGateway
from tests.support.waiting import eventually
from tests.webhooks.receiver import Receiver

pytestmark = pytest.mark.asyncio


@pytest.fixture
def client(http: object, kept_gateway: LiveGateway) -> Client:
    return Client(http, kept_gateway.url)  # type: ignore[arg-type]


async def test_a_restart_loads_no_sandbox_and_writes_nothing_into_one(client: Client, kept_gateway: LiveGateway) -> None:
    sandboxes = [client.other() for _ in range(20)]
    for one in sandboxes:
        await one.get("/v1/charges")
    for _ in range(5):
        await kept_gateway.restart()
        assert kept_gateway.gateway.sandboxes == {}
    names = [one["name"] for one in (await client.get("/_gatecrash/sandboxes")).expect(200)["data"]]
    assert set(names) == {one.sandbox for one in sandboxes}, "a list names them all and loads none"
    assert kept_gateway.gateway.sandboxes == {}
    entries = await sandboxes[0].journal()
    assert [entry["kind"] for entry in entries] == ["request", "answer", "start"], "one start, for the life in which it is used"
    assert set(kept_gateway.gateway.sandboxes) == {sandboxes[0].sandbox}


async def test_a_sandbox_bears_the_time_of_the_start_though_it_is_used_later(client: Client, kept_gateway: LiveGateway) -> None:
    await client.get("/v1/charges")
    await kept_gateway.restart()
    kept_gateway.clock.advance(60)
    asked, _, started = await client.journal()
    assert (started["kind"], started["at"]) == ("start", asked["at"])


async def test_a_sandbox_takes_up_its_rules_and_keys_when_it_is_first_used(client: Client, kept_gateway: LiveGateway) -> None:
    rule = await client.add_fault("request.received", "status", params={"status": 503}, nth=2, times=2)
    await client.get("/v1/charges")
    await kept_gateway.restart()
    assert [(await client.get("/v1/charges")).status for _ in range(3)] == [503, 503, 200]
    assert (await client.get(f"/_gatecrash/faults/{rule}"))["fired"] == 2
    (await client.post("/_gatecrash/sandboxes", {"name": client.sandbox})).refused(409, "sandbox_exists", "name")


async def test_what_is_due_in_a_sandbox_that_nobody_uses_happens(
    client: Client, kept_gateway: LiveGateway, shop: Receiver
) -> None:
    shop.answers = [500, 200]
    await shop.register(client)
    await client.charge()
    await client.advance(0)
    kept_gateway.clock.advance(3600)  # the next attempt is due when the gateway is up again
    await kept_gateway.restart()
    await shop.got(2)
    assert set(kept_gateway.gateway.sandboxes) == {client.sandbox}


async def test_a_sandbox_whose_clock_stands_is_not_loaded(client: Client, kept_gateway: LiveGateway, shop: Receiver) -> None:
    other = client.other()
    for one in (client, other):
        shop.answers = [500]
        await shop.register(one)
    (await client.post("/_gatecrash/clock", {"mode": "frozen"})).expect(200)
    for one in (client, other):
        await one.charge()
        await one.advance(0)
    kept_gateway.clock.advance(3600)
    await kept_gateway.restart()
    await shop.got(3)
    await eventually(lambda: set(kept_gateway.gateway.sandboxes) == {other.sandbox})


async def test_a_strict_sandbox_reads_its_journal_when_it_is_first_used(client: Client, kept_gateway: LiveGateway) -> None:
    (await client.post("/_gatecrash/strict", {"strict": True})).expect(200)
    body = {"amount": 4200, "currency": "usd", "payment_nonce": await client.make_nonce(), "order_id": "one"}
    headers = {"Gatecrash-Fault": "operation.committed=status;status=503"}
    assert (await client.post("/v1/charges", body, idem="one", headers=headers)).status == 503
    await kept_gateway.restart()
    # only who knows what was asked before the restart sees what is wrong with this
    body["payment_nonce"] = await client.make_nonce()
    await client.post("/v1/charges", body, idem="another")
    assert "new_key_after_unknown" in [entry["rule"] for entry in await client.journal("finding")]
