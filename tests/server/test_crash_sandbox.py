"""One sandbox crashes and nobody else notices: on a shared gateway, and where no supervisor would start the process again."""

import asyncio
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.server.aid import insist, lost, pid_of, traces
from tests.server.wire import Heard, Wire, ask
from tests.support.client import Client
from tests.support.gateway import LiveGateway
from tests.support.waiting import eventually
from tests.webhooks.receiver import Receiver, only_delivery

BEFORE = ("request.received", "operation.claimed", "operation.executed")
AFTER = ("operation.committed", "response.partial", "response.sent")
QUICK = {"scope": "sandbox", "down_s": 0.01}


async def charging(client: Client, wire: Wire | None = None) -> tuple[Wire, dict[str, Any]]:
    """A charge on its way, over a connection of its own."""
    body = {"amount": 4200, "currency": "usd", "payment_nonce": await client.make_nonce()}
    wire = wire or await Wire.open(client)
    await wire.ask("POST", "/v1/charges", body, Idempotency_Key="k")
    return wire, body


@pytest.mark.parametrize("station", BEFORE + AFTER)
@pytest.mark.asyncio
async def test_it_leaves_all_or_nothing_and_a_retry_charges_once(client: Client, station: str) -> None:
    rule = await client.add_fault(station, "crash", params=QUICK, match={"operation": "charges.create"})
    wire, body = await charging(client)
    heard = await wire.listen()
    assert heard.reset
    if station in (*BEFORE, "operation.committed"):
        assert heard.raw == b""
    found = await traces(client)
    assert (len(found.charges), len(found.events), found.transfers) == ((1, 1, 1) if station in AFTER else (0, 0, 0))
    retried = (await client.post("/v1/charges", body, idem="k")).expect(201)
    assert ("Idempotent-Replayed" in retried.headers) == (station in AFTER)
    found = await traces(client)
    assert (len(found.charges), len(found.events), found.transfers, found.balanced) == (1, 1, 1, True)
    assert (await client.get(f"/_gatecrash/faults/{rule}"))["fired"] == 1
    struck = [entry["kind"] for entry in await client.journal() if entry["kind"] in ("request", "fault", "start")]
    assert struck.count("start") == 1
    assert struck.index("request") < struck.index("fault") < struck.index("start")


@pytest.mark.asyncio
async def test_a_single_request_can_bring_it_in_its_header(client: Client) -> None:
    fault = {"Gatecrash-Fault": "operation.committed=crash;scope=sandbox;down_s=0.01"}
    assert await lost(client.post("/v1/client_tokens", {}, headers=fault)) is None
    (await insist(lambda: client.get("/v1/charges"))).expect(200)


@pytest.mark.asyncio
async def test_whatever_comes_for_it_while_it_is_down_is_reset_and_others_go_on(server_client: Client) -> None:
    client, other = server_client, server_client.other()
    pid, began = await pid_of(client), asyncio.get_running_loop().time()
    await client.add_fault("request.received", "crash", params={"scope": "sandbox", "down_s": 2})
    assert await ask(client, "GET", "/v1/charges") == Heard(b"", reset=True)
    for path in ("/v1/charges", "/_gatecrash/journal", "/_gatecrash/faults"):
        assert await ask(client, "GET", path) == Heard(b"", reset=True)
    (await other.try_charge()).expect(201)
    (await insist(lambda: client.get("/v1/charges"))).expect(200)
    assert asyncio.get_running_loop().time() - began >= 2
    assert await pid_of(client) == pid


@pytest.mark.parametrize("station", ["request.received", "operation.claimed", "operation.executed", "operation.committed"])
@pytest.mark.parametrize("kind", ["hang", "delay"])
@pytest.mark.asyncio
async def test_what_else_is_in_flight_in_it_is_cut_and_its_claims_are_free(
    server_client: Client, station: str, kind: str
) -> None:
    client, other = server_client, server_client.other()
    params = {"seconds": 30}
    for each in (client, other):
        await each.add_fault(station, kind, params=params, match={"operation": "charges.create"})
    wire, body = await charging(client)
    neighbour, _ = await charging(other)
    for each in (client, other):
        await eventually(lambda each=each: each.journal("fault"))  # type: ignore[misc]
    await client.add_fault("request.received", "crash", params=QUICK, match={"operation": "refunds.list"})
    assert await ask(client, "GET", "/v1/refunds") == Heard(b"", reset=True)
    assert await wire.listen() == Heard(b"", reset=True)
    committed = station == "operation.committed"
    assert len((await traces(client)).charges) == committed
    retried = (await client.post("/v1/charges", body, idem="k")).expect(201)
    assert ("Idempotent-Replayed" in retried.headers) == committed
    assert len((await traces(client)).charges) == 1
    assert neighbour.silent()
    neighbour.leave()


@pytest.mark.parametrize(
    ("station", "tellings"),
    [("webhook.due", 1), ("webhook.sent", 2), ("webhook.acknowledged", 2), ("webhook.recorded", 1)],
)
@pytest.mark.asyncio
async def test_an_event_is_told_at_least_once(server_client: Client, shop: Receiver, station: str, tellings: int) -> None:
    client = server_client
    await shop.register(client)
    await client.add_fault(station, "crash", params=QUICK)
    body = {"amount": 4200, "currency": "usd", "payment_nonce": await client.make_nonce()}
    await insist(lambda: client.post("/v1/charges", body, idem="k"))
    await shop.got(tellings)
    await eventually(lambda: settled(client))
    assert len((await only_delivery(client))["attempts"]) == 1
    assert len(shop.hits) == tellings


@pytest.mark.asyncio
async def test_attempts_in_flight_are_cut_and_made_again(server_client: Client, shop: Receiver) -> None:
    client = server_client
    await shop.register(client)
    await client.add_fault("webhook.sent", "hang")
    await client.charge()
    await shop.got(1)
    await client.add_fault("request.received", "crash", params=QUICK)
    assert await ask(client, "GET", "/v1/charges") == Heard(b"", reset=True)
    await shop.got(2)
    await eventually(lambda: settled(client))
    assert len((await only_delivery(client))["attempts"]) == 1


@pytest.mark.asyncio
async def test_it_comes_up_again_though_its_timers_were_about_to_be_looked_at(client: Client, shop: Receiver) -> None:
    answered = asyncio.Event()

    async def wait(request: web.BaseRequest) -> web.StreamResponse:
        await answered.wait()
        return web.Response()

    shop.answers = [wait]
    await shop.register(client)
    nonce = await client.make_nonce()
    await client.charge()
    await shop.got(1)  # while an attempt is under way, what is due is looked at a moment after a change
    fault = {"Gatecrash-Fault": "operation.committed=crash;scope=sandbox;down_s=0.01"}
    body = {"amount": 1, "currency": "usd", "payment_nonce": nonce}
    assert await lost(client.post("/v1/charges", body, headers=fault)) is None
    answered.set()
    await insist(lambda: client.get("/v1/charges"))
    await shop.got(3)


async def settled(client: Client) -> bool:
    await insist(lambda: client.get("/_gatecrash/clock"))
    try:
        return str((await only_delivery(client))["status"]) == "succeeded"
    except aiohttp.ClientError:
        return False


@pytest.mark.asyncio
async def test_an_advance_that_is_under_way_is_cut_too(client: Client, shop: Receiver) -> None:
    (await client.post("/_gatecrash/clock", {"mode": "frozen"})).expect(200)
    await shop.register(client)
    await client.add_fault("webhook.due", "crash", params=QUICK, match={"attempt": 2})
    shop.answers = [500, 200]
    await client.charge()
    await shop.got(1)
    await eventually(lambda: attempted(client))
    assert await lost(client.post("/_gatecrash/clock/advance", {"seconds": 3600})) is None
    await eventually(lambda: settled(client))
    assert len(shop.hits) == 2


async def attempted(client: Client) -> bool:
    return bool((await only_delivery(client))["attempts"])


@pytest.mark.asyncio
async def test_it_comes_up_though_somebody_was_about_to_look_at_what_is_due(
    gateway: LiveGateway, client: Client, shop: Receiver
) -> None:
    await shop.register(client)
    await client.add_fault("webhook.sent", "hang")
    await client.charge()
    await shop.got(1)
    sandbox = gateway.gateway.sandbox(client.sandbox)
    gateway.gateway.timekeeper.poke(sandbox)  # with an attempt under way that is put off for a moment
    gateway.gateway.crash_sandbox(sandbox, 0.05)
    (await insist(lambda: client.get("/v1/charges"))).expect(200)
