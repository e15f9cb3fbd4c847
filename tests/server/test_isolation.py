"""Sandboxes never meet: not in what they hold, not in their faults, clocks and resets, not when they work at once."""

import asyncio

import pytest

from tests.server.aid import NOTHING, traces
from tests.support.client import Client


@pytest.mark.asyncio
async def test_sandboxes_come_into_being_on_first_use(server_client: Client) -> None:
    fresh, another = server_client.other("isolation-fresh"), server_client.other("isolation-another")
    known = (await server_client.get("/_gatecrash/sandboxes")).expect(200)["data"]
    assert "isolation-fresh" not in [one["name"] for one in known]
    await fresh.get("/v1/charges")
    await another.get("/v1/charges")
    known = (await server_client.get("/_gatecrash/sandboxes"))["data"]
    shown = {one["name"]: one for one in known if one["name"].startswith("isolation-")}
    assert set(shown["isolation-fresh"]) == {"name", "created_at", "seed"}
    # who names no seed gets one that is nobody else's
    assert shown["isolation-fresh"]["seed"] != shown["isolation-another"]["seed"]


@pytest.mark.asyncio
async def test_what_one_has_the_other_does_not_see(server_client: Client) -> None:
    other = server_client.other()
    charge = await server_client.charge(order_id="mine")
    nonce = await server_client.make_nonce()
    event = (await server_client.get("/v1/events"))["data"][0]
    for path in (f"/v1/charges/{charge['id']}", f"/v1/events/{event['id']}"):
        (await other.get(path)).refused(404, "resource_missing", "id")
    (await other.post(f"/v1/charges/{charge['id']}/refunds", {})).refused(404, "resource_missing", "id")
    (await other.try_charge(payment_nonce=nonce)).refused(400, "nonce_unknown", "payment_nonce")
    assert await traces(other) == NOTHING
    assert (await other.get("/v1/charges?order_id=mine"))["data"] == []


@pytest.mark.asyncio
async def test_the_same_key_in_two_sandboxes_is_two_keys(server_client: Client) -> None:
    other = server_client.other()
    one = await server_client.try_charge(amount=100, idem="same")
    two = await other.try_charge(amount=200, idem="same")
    assert (one.expect(201)["amount"], two.expect(201)["amount"]) == (100, 200)


@pytest.mark.asyncio
async def test_faults_clocks_and_resets_stay_where_they_belong(server_client: Client) -> None:
    """Six sandboxes at once: some failing, some in other years, some being reset all the while."""

    async def failing(client: Client) -> None:
        await client.add_fault(
            "request.received", "status", params={"status": 503}, match={"operation": "charges.list"}, times=None
        )
        for _ in range(20):
            assert (await client.get("/v1/charges")).status == 503
            assert (await client.try_charge()).status == 201

    async def calm(client: Client) -> None:
        for number in range(1, 21):
            assert (await client.try_charge(idem=f"key-{number}")).status == 201
            found = await traces(client)
            assert (len(found.charges), found.transfers) == (number, number)

    async def elsewhen(client: Client) -> None:
        await client.post("/_gatecrash/clock", {"mode": "frozen", "now": "2035-01-01T00:00:00Z"})
        for number in range(20):
            charge = await client.charge()
            assert charge["created_at"] == f"2035-01-01T{number:02d}:00:00.000Z"
            await client.advance(3600)

    async def resetting(client: Client) -> None:
        ids = set()
        for _ in range(20):
            ids.add((await client.charge(idem="k"))["id"])
            assert len((await traces(client)).charges) == 1
            (await client.post("/_gatecrash/reset")).expect(200)
            assert await traces(client) == NOTHING
            (await client.post("/_gatecrash/reset")).expect(200)
        assert len(ids) == 1

    await asyncio.gather(
        failing(server_client), calm(server_client.other()), elsewhen(server_client.other()), resetting(server_client.other()),
        calm(server_client.other()), resetting(server_client.other()),
    )  # fmt: skip
