"""Snapshots: a sandbox goes back to what it was, and goes on from there exactly as it did; a crash leaves the old or the new."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.server.aid import insist, lost, pid_of
from tests.store.test_full_disk import limit_pages
from tests.support.client import Client
from tests.support.gateway import LiveGateway
from tests.support.process import ServerProcess
from tests.support.waiting import eventually
from tests.webhooks.receiver import Receiver

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def shop() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    await receiver.start()
    yield receiver
    await receiver.stop()


def room(client: Client, what: str = "") -> str:
    return f"/_gatecrash/sandboxes/{client.sandbox}{what}"


async def take(client: Client, name: str | None = None) -> Any:
    return (await client.post(room(client, "/snapshot"), {"name": name} if name else {})).expect(201).json


async def restore(client: Client, name: str | None = None) -> Any:
    return (await client.post(room(client, "/restore"), {"name": name} if name else {})).expect(200).json


async def everything(client: Client) -> list[Any]:
    """All that a sandbox shows of itself."""
    paths = ("/v1/charges", "/v1/refunds", "/v1/events", "/v1/webhook_endpoints")
    shown = [(await client.get("/_gatecrash/clock")).json, await client.books(), (await client.get("/_gatecrash/faults")).json]
    shown.append(await client.journal())
    return shown + [(await client.get(f"{path}?limit=100")).json["data"] for path in paths]


async def some_past(client: Client) -> str:
    """A sandbox with a bit of everything in it; the id of an authorized charge."""
    (await client.post("/_gatecrash/clock", {"mode": "frozen", "now": "2031-01-01T00:00:00Z"})).expect(200)
    await client.add_fault("request.received", "status", params={"status": 503}, match={"operation": "charges.list"}, nth=3)
    await client.add_fault(
        "operation.committed", "status", params={"status": 500}, match={"operation": "charges.create"}, probability=0.5
    )
    await client.try_charge(idem="before", order_id="before")
    for number in range(3):
        await client.try_charge(idem=f"past-{number}", order_id=f"past-{number}")
    await client.add_fault("operation.claimed", "delay", params={"seconds": 0}, match={"operation": "charges.void"})
    for rule in (await client.get("/_gatecrash/faults"))["data"]:
        if rule["station"] == "operation.committed":
            (await client.call("DELETE", f"/_gatecrash/faults/{rule['id']}")).expect(200)
    charge = await client.charge(capture=False, order_id="held")
    await client.add_fault(
        "operation.committed", "status", params={"status": 500}, match={"operation": "charges.create"}, probability=0.5
    )
    return str(charge["id"])


async def some_future(client: Client, held: str) -> list[Any]:
    """What comes next, and everything that it leaves; `held` expires in it."""
    told: list[Any] = []
    for number in range(6):
        reply = await client.try_charge(idem=f"key-{number}", order_id=f"order-{number}")
        told.append((reply.status, reply.raw, reply.headers["Request-Id"]))
    told.append((await client.try_charge(idem="before", order_id="before")).raw)  # its nonce is another: 422
    told += [(await client.get("/v1/charges")).status for _ in range(4)]
    told.append(await client.advance(8 * 86_400))
    assert (await client.get_charge(held))["status"] == "expired"
    return [told, await everything(client)]


async def test_a_run_goes_on_exactly_as_it_did_after_the_snapshot(client: Client, gateway: LiveGateway) -> None:
    held = await some_past(client)
    kept = await take(client)
    assert kept["sandbox"] == client.sandbox
    assert (kept["name"], kept["now"]) == ("default", "2031-01-01T00:00:00.000Z")
    first = await some_future(client, held)
    for _ in range(2):
        gateway.clock.advance(3_600)
        assert await restore(client) == kept
        assert await some_future(client, held) == first


async def test_a_snapshot_outlives_the_process_and_a_reset(http: aiohttp.ClientSession, kept_gateway: LiveGateway) -> None:
    client = Client(http, kept_gateway.url)
    held = await some_past(client)
    await take(client, "begun")
    first = await some_future(client, held)
    await kept_gateway.restart()
    await restore(client, "begun")
    assert await some_future(client, held) == first
    (await client.post("/_gatecrash/reset")).expect(200)
    assert (await client.get("/v1/charges"))["data"] == []
    await restore(client, "begun")
    assert await some_future(client, held) == first


async def test_a_clock_that_runs_goes_on_from_when_the_snapshot_was_taken(client: Client, gateway: LiveGateway) -> None:
    began = (await client.get("/_gatecrash/clock"))["now"]
    await take(client)
    gateway.clock.advance(86_400)
    assert (await client.get("/_gatecrash/clock"))["now"] > began
    await restore(client)
    assert (await client.get("/_gatecrash/clock"))["now"] == began
    gateway.clock.advance(1)
    assert (await client.get("/_gatecrash/clock"))["now"] > began


async def test_webhooks_that_were_to_come_come_again(client: Client, shop: Receiver) -> None:
    shop.answers = [500]
    await shop.register(client)
    (await client.post("/_gatecrash/clock", {"mode": "frozen"})).expect(200)
    charge = await client.charge()
    await shop.got(1)
    await eventually(lambda: _attempts(client, 1))
    await take(client)
    shop.answers = [200]
    await client.advance(5)
    assert len(shop.hits) == 2
    await client.advance(86_400)
    assert len(shop.hits) == 2, "it was taken, so nothing is left to come"
    await restore(client)
    assert await _attempts(client, 1)
    await client.advance(5)
    assert [hit.json["data"]["id"] for hit in shop.hits] == [charge["id"]] * 3
    assert len({hit.id for hit in shop.hits}) == 1


async def _attempts(client: Client, count: int) -> bool:
    (event,) = (await client.get("/v1/events"))["data"]
    (delivery,) = (await client.get(f"/v1/events/{event['id']}/deliveries"))["data"]
    return len(delivery["attempts"]) == count


async def test_what_is_in_flight_is_cut_off_and_leaves_no_trace(client: Client, shop: Receiver) -> None:
    async def never(request: Any) -> Any:
        await asyncio.Event().wait()

    shop.answers = [never]
    await client.charge(order_id="old")
    await shop.register(client)
    await client.add_fault("operation.claimed", "hang", match={"order_id": "hangs"})
    nonce = await client.make_nonce()
    await take(client)
    before = await everything(client)
    held = asyncio.ensure_future(lost(client.try_charge(payment_nonce=nonce, idem="held", order_id="hangs")))
    await client.charge(order_id="told")
    await shop.got(1)
    await eventually(lambda: client.journal("fault"))
    await restore(client)
    assert await held is None, "its connection was broken"
    after = await everything(client)
    assert after[1:] == [*before[1:3], before[3], *before[4:]]
    assert (await client.try_charge(payment_nonce=nonce, idem="held", order_id="another")).status == 201, (
        "neither key nor nonce is taken"
    )


async def test_snapshots_are_listed_replaced_and_removed(client: Client) -> None:
    listing = room(client, "/snapshots")
    assert (await client.get(listing)).expect(200).json == {"data": [], "has_more": False}
    await take(client, "b")
    first = await take(client, "a")
    await client.charge()
    again = await take(client, "a")
    assert [one["name"] for one in (await client.get(listing))["data"]] == ["a", "b"]
    assert again["created_at"] >= first["created_at"]
    await restore(client, "b")
    assert (await client.get("/v1/charges"))["data"] == []
    await restore(client, "a")
    assert len((await client.get("/v1/charges"))["data"]) == 1
    assert (await client.call("DELETE", room(client, "/snapshots/a"))).expect(200).json == again
    assert [one["name"] for one in (await client.get(listing))["data"]] == ["b"]
    refused = (await client.post(room(client, "/restore"), {"name": "a"})).refused(404, "resource_missing", "name")
    assert "there are: b" in refused["detail"]
    assert len((await client.get("/v1/charges"))["data"]) == 1, "nothing was cut off or emptied"


async def test_a_snapshot_is_no_sandbox_and_belongs_to_its_own_alone(client: Client) -> None:
    other = client.other(client.sandbox + "-2")
    await client.charge()
    await take(client, "a")
    await take(other, "a")
    names = {one["name"] for one in (await client.get("/_gatecrash/sandboxes"))["data"]}
    assert {client.sandbox, other.sandbox} <= names
    assert not any("@" in name for name in names)
    for name in ("a@b", "", "x" * 65, "a b"):
        (await client.post(room(client, "/snapshot"), {"name": name})).refused(400, "parameter_invalid", "name")
    (await client.post(room(other, "/restore"), {"name": "a"})).refused(403, "sandbox_of_another_key", "name")
    assert [one["sandbox"] for one in (await client.get(room(client, "/snapshots")))["data"]] == [client.sandbox]
    (await client.call("DELETE", room(client))).expect(200)
    assert (await client.get(room(client, "/snapshots")))["data"] == [], "they went with it"
    assert len((await other.get(room(other, "/snapshots")))["data"]) == 1


async def test_a_sandbox_is_made_with_a_seed_and_the_same_seed_gives_the_same_ids(client: Client) -> None:
    twins = [client.other(), client.other()]
    ids = []
    for twin in twins:
        made = (await twin.post("/_gatecrash/sandboxes", {"name": twin.sandbox, "seed": 42})).expect(201)
        assert (made["name"], made["seed"]) == (twin.sandbox, "42")
        ids.append([(await twin.charge())["id"] for _ in range(3)])
        (await twin.post("/_gatecrash/reset")).expect(200)
        ids.append([(await twin.charge())["id"] for _ in range(3)])
    assert ids[0] == ids[1] == ids[2] == ids[3]
    assert [(await client.charge())["id"] for _ in range(3)] != ids[0]
    (await twins[0].post("/_gatecrash/sandboxes", {})).refused(409, "sandbox_exists", "name")
    (await client.post("/_gatecrash/sandboxes", {"name": "elsewhere"})).refused(403, "sandbox_of_another_key", "name")


async def test_a_removed_sandbox_is_gone_and_its_name_begins_anew(client: Client, gateway: LiveGateway) -> None:
    (await client.post("/_gatecrash/sandboxes", {"seed": "mine"})).expect(201)
    first = await client.charge()
    await client.add_fault("operation.claimed", "hang", match={"operation": "charges.create"}, times=None)
    held = asyncio.ensure_future(lost(client.try_charge(idem="held")))
    await eventually(lambda: client.journal("fault"))
    gone = (await client.call("DELETE", room(client))).expect(200)
    assert gone["seed"] == "mine"
    assert await held is None
    assert client.sandbox not in gateway.gateway.sandboxes
    (await client.get(f"/v1/charges/{first['id']}")).refused(404, "resource_missing", "id")
    assert (await client.get("/_gatecrash/faults"))["data"] == []
    (shown,) = [one for one in (await client.get("/_gatecrash/sandboxes"))["data"] if one["name"] == client.sandbox]
    assert shown["seed"] != "mine"


async def test_a_request_that_meets_the_removal_is_cut_off_like_any_in_flight(client: Client) -> None:
    for _ in range(5):
        await client.add_fault("request.received", "delay", params={"seconds": 0}, times=None)
        calls = [lost(client.get("/v1/charges")) for _ in range(10)]
        removed, *answers = await asyncio.gather(lost(client.call("DELETE", room(client))), *calls)
        assert removed is not None
        assert removed.status == 200
        assert {answer.status for answer in answers if answer is not None} <= {200}


async def test_a_restore_that_cannot_be_written_leaves_all_as_it_was(
    http: aiohttp.ClientSession, kept_gateway: LiveGateway
) -> None:
    client = Client(http, kept_gateway.url)
    for number in range(40):
        await client.charge(metadata={f"key{i}": "x" * 500 for i in range(40)}, order_id=f"o-{number}")
    await take(client, "large")
    (await client.post("/_gatecrash/reset")).expect(200)
    (await client.post("/_gatecrash/clock", {"mode": "frozen", "now": "2040-01-01T00:00:00Z"})).expect(200)
    await client.charge(order_id="new")
    rule = await client.add_fault("request.received", "status", params={"status": 418}, match={"operation": "charges.void"})
    before = await everything(client)
    rule_before = before.pop(2)
    await limit_pages(kept_gateway, 0)
    (await client.post(room(client, "/restore"), {"name": "large"})).refused(503, "gateway_gone")
    await limit_pages(kept_gateway, None)
    after = await everything(client)
    assert [one["id"] for one in after.pop(2)["data"]] == [rule] == [one["id"] for one in rule_before["data"]]
    assert after[0] == before[0]
    assert after[1] == before[1]
    assert after[3] == before[3], "the charges"


@pytest.mark.timeout(120)
async def test_a_crash_in_the_middle_leaves_the_old_or_the_new(
    http: aiohttp.ClientSession, start_server: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    server = start_server("--data", str(tmp_path / "data"))
    client = Client(http, server.url)

    async def fill(count: int) -> None:
        await asyncio.gather(*(client.charge(order_id="o") for _ in range(count)))

    await fill(120)
    await take(client, "many")
    (await client.post("/_gatecrash/reset")).expect(200)
    await fill(3)
    await take(client, "few")
    seen = set()
    for number in range(8):
        worker = await pid_of(client)
        path = room(client, "/restore")
        name = ("many", "few")[number % 2]
        ask = asyncio.ensure_future(lost(client.post(path, {"name": name})))
        for _ in range(2 * number):  # another moment each time
            await client.get("/healthz")
        os.kill(worker, signal.SIGKILL)
        await ask

        async def another(old: int = worker) -> bool:
            return await pid_of(client) != old

        await eventually(another)
        books = (await insist(lambda: client.get("/_gatecrash/books"))).json
        charges = (await client.get("/v1/charges?limit=100")).json
        journal = await client.journal("request")
        # the journal tells of the charges that there are, and of no others
        made = sum(entry["operation"] == "charges.create" for entry in journal)
        assert books["balanced"]
        assert (books["transfers"], charges["has_more"]) in ((120, True), (3, False))
        assert made == books["transfers"]
        seen.add(books["transfers"])
    assert seen == {120, 3}
