"""Requests held at a station: what a retry reads meanwhile, what lets them go, and what becomes of their claims."""

import asyncio
from typing import Any

import pytest

from tests.server.aid import insist, lost, traces
from tests.server.wire import Heard, Wire
from tests.support.client import Client
from tests.support.waiting import eventually

BEFORE = ("request.received", "operation.claimed", "operation.executed")
STATIONS = (*BEFORE, "operation.committed", "response.partial")


class Held:
    """A charge, held at `station` by a rule with these params."""

    def __init__(self, client: Client, station: str, wire: Wire, body: dict[str, Any], rule: str) -> None:
        self.client, self.station, self.wire, self.body, self.rule = client, station, wire, body, rule

    @classmethod
    async def at(cls, client: Client, station: str, kind: str = "hang", **params: Any) -> "Held":
        body = {"amount": 4200, "currency": "usd", "payment_nonce": await client.make_nonce()}
        rule = await client.add_fault(station, kind, params=params, match={"operation": "charges.create"})
        held = cls(client, station, await Wire.open(client), body, rule)
        await held.wire.ask("POST", "/v1/charges", body, Idempotency_Key="k")
        await eventually(held.struck)
        return held

    async def struck(self) -> bool:
        return bool((await self.client.get(f"/_gatecrash/faults/{self.rule}"))["fired"])

    async def broken(self) -> bool:
        return any("broken" in entry for entry in await self.client.journal("answer"))

    async def assert_retried(self) -> None:
        """One charge for the key, replayed if it was committed when it was held."""
        retried = (await self.client.post("/v1/charges", self.body, idem="k")).expect(201)
        assert ("Idempotent-Replayed" in retried.headers) == (self.station not in BEFORE)
        found = await traces(self.client)
        assert (len(found.charges), len(found.events), found.transfers) == (1, 1, 1)


@pytest.mark.parametrize("station", STATIONS)
@pytest.mark.asyncio
async def test_a_hang_ends_when_its_rule_is_removed(server_client: Client, station: str) -> None:
    held = await Held.at(server_client, station)
    if station != "response.partial":
        assert held.wire.silent()
    (await server_client.call("DELETE", f"/_gatecrash/faults/{held.rule}")).expect(200)
    heard = await held.wire.listen()
    assert not heard.reset
    assert bool(heard.raw) == (station == "response.partial")
    await eventually(held.broken)
    await held.assert_retried()


@pytest.mark.parametrize("station", STATIONS)
@pytest.mark.asyncio
async def test_a_hang_ends_when_the_client_leaves(server_client: Client, station: str) -> None:
    held = await Held.at(server_client, station)
    held.wire.leave()
    await eventually(held.broken)
    await held.assert_retried()


@pytest.mark.parametrize("station", STATIONS)
@pytest.mark.asyncio
async def test_a_hang_ends_after_its_seconds(server_client: Client, station: str) -> None:
    began = asyncio.get_running_loop().time()
    held = await Held.at(server_client, station, seconds=0.1)
    heard = await held.wire.listen()
    assert asyncio.get_running_loop().time() - began >= 0.1
    assert bool(heard.raw) == (station == "response.partial")
    await held.assert_retried()


@pytest.mark.asyncio
async def test_a_hang_ends_when_all_rules_are_cleared_or_the_sandbox_is_reset(server_client: Client) -> None:
    for path, method in (("/_gatecrash/faults", "DELETE"), ("/_gatecrash/reset", "POST")):
        held = await Held.at(server_client, "operation.claimed")
        (await server_client.call(method, path)).expect(200)
        assert await held.wire.listen() == Heard(b"", reset=False)


@pytest.mark.asyncio
async def test_a_hang_of_a_request_header_ends_with_the_clearing_too(server_client: Client) -> None:
    wire = await Wire.open(server_client)
    await wire.ask("GET", "/v1/charges", Gatecrash_Fault="operation.committed=hang")
    await eventually(lambda: server_client.journal("fault"))
    assert wire.silent()
    (await server_client.call("DELETE", "/_gatecrash/faults")).expect(200)
    assert await wire.listen() == Heard(b"", reset=False)


@pytest.mark.parametrize("station", STATIONS)
@pytest.mark.asyncio
async def test_a_delay_changes_when_and_nothing_else(server_client: Client, station: str) -> None:
    began = asyncio.get_running_loop().time()
    held = await Held.at(server_client, station, "delay", seconds=0.15)
    head = b""
    while b"\r\n\r\n" not in head:
        head += await held.wire.listen_for(1)
    answer = Heard(head, reset=False)
    raw = await held.wire.listen_for(int(answer.header("Content-Length") or 0))
    assert asyncio.get_running_loop().time() - began >= 0.15
    assert answer.head[0] == "HTTP/1.1 201 Created"
    replayed = await server_client.post("/v1/charges", held.body, idem="k")
    assert (replayed.raw, replayed.headers["Idempotent-Replayed"]) == (raw, "true")
    held.wire.leave()


@pytest.mark.parametrize("station", ["operation.claimed", "operation.executed"])
@pytest.mark.asyncio
async def test_while_the_first_is_held_its_key_is_in_use(server_client: Client, station: str) -> None:
    held = await Held.at(server_client, station)
    for _ in range(2):
        conflict = await server_client.post("/v1/charges", held.body, idem="k")
        conflict.refused(409, "idempotency_key_in_use", "Idempotency-Key")
        assert int(conflict.headers["Retry-After"]) >= 1
    other = {**held.body, "amount": 1}
    (await server_client.post("/v1/charges", other, idem="k")).refused(422, "idempotency_key_reused", "Idempotency-Key")
    assert (await traces(server_client)).charges == []
    (await server_client.call("DELETE", f"/_gatecrash/faults/{held.rule}")).expect(200)
    await held.wire.listen()
    await held.assert_retried()


@pytest.mark.asyncio
async def test_while_an_answer_is_held_a_retry_is_answered_at_once(server_client: Client) -> None:
    held = await Held.at(server_client, "operation.committed")
    replayed = (await server_client.post("/v1/charges", held.body, idem="k")).expect(201)
    assert replayed.headers["Idempotent-Replayed"] == "true"
    held.wire.leave()


@pytest.mark.asyncio
async def test_a_nonce_that_another_charge_takes_while_the_first_is_held_pays_once(server_client: Client) -> None:
    held = await Held.at(server_client, "operation.executed", "delay", seconds=0.3)
    thief = (await server_client.post("/v1/charges", held.body, idem="other")).expect(201)
    head = b""
    while b"\r\n\r\n" not in head:
        head += await held.wire.listen_for(1)
    assert Heard(head, reset=False).head[0] == "HTTP/1.1 400 Bad Request"
    found = await traces(server_client)
    assert [charge["id"] for charge in found.charges] == [thief["id"]]
    held.wire.leave()


@pytest.mark.asyncio
async def test_a_crash_releases_the_claims_of_requests_that_were_held(merchant: Client) -> None:
    held = await Held.at(merchant, "operation.claimed")
    await merchant.add_fault("request.received", "crash", params={"down_s": 0}, match={"operation": "refunds.list"})
    assert await lost(merchant.get("/v1/refunds")) is None
    assert (await held.wire.listen()).raw == b""
    await insist(lambda: merchant.get("/healthz"))
    await held.assert_retried()
