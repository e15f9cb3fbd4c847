"""Fifty sandboxes at once, through mixed traffic, faults, clock jumps, resets and snapshots: each sees its own alone."""

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from standardwebhooks import Webhook

from tests.support.client import Client
from tests.support.process import ServerProcess

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(180)]
ROOMS = 50
SHARED_SEED = "one for all"


class Mailbox:
    """One receiver for everybody: what came to each path, with its headers."""

    def __init__(self) -> None:
        self.came: defaultdict[str, list[tuple[dict[str, str], bytes]]] = defaultdict(list)
        self.url = ""

    async def take(self, request: web.BaseRequest) -> web.StreamResponse:
        self.came[request.path.strip("/")].append((dict(request.headers), await request.read()))
        return web.Response()


@pytest_asyncio.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    box = Mailbox()
    runner = web.ServerRunner(web.Server(box.take), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    box.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield box
    await runner.cleanup()


class Room:
    """A sandbox, what it does, and what it then has to be."""

    def __init__(self, client: Client, number: int, mailbox: Mailbox) -> None:
        self.client, self.number, self.mailbox = client, number, mailbox
        self.name = client.sandbox
        self.day = (date(2031, 1, 1) + timedelta(days=3 * number)).isoformat()
        self.ids: list[str] = []
        self.secret = ""
        self.rule = ""

    async def live(self) -> None:
        seed = {"seed": SHARED_SEED} if self.number % 2 else {}
        (await self.client.post("/_gatecrash/sandboxes", seed)).expect(201)
        await self._furnish()
        await self._trade(3)
        if self.number % 5 == 1:
            # all of it once more, from nothing
            (await self.client.post("/_gatecrash/reset")).expect(200)
            await self._furnish()
            await self._trade(3)
        if self.number % 5 == 2:
            # there and back again
            room = f"/_gatecrash/sandboxes/{self.name}"
            (await self.client.post(f"{room}/snapshot")).expect(201)
            charges = [await self.client.charge(order_id=f"{self.name}-undone") for _ in range(2)]
            (await self.client.post(f"{room}/restore")).expect(200)
            for charge in charges:
                (await self.client.get(f"/v1/charges/{charge['id']}")).refused(404, "resource_missing", "id")
        await self._trade(2)
        await self.client.advance(3600)

    async def _furnish(self) -> None:
        """A day of its own, a rule of its own, an endpoint of its own."""
        self.ids = []
        client = self.client
        (await client.post("/_gatecrash/clock", {"mode": "frozen", "now": f"{self.day}T00:00:00Z"})).expect(200)
        self.rule = await client.add_fault(
            "request.received", "status", params={"status": 500 + self.number}, match={"operation": "refunds.list"}, times=None
        )
        await client.add_fault("operation.executed", "reset", match={"operation": "charges.void"}, times=None)
        endpoint = await client.post("/v1/webhook_endpoints", {"url": f"{self.mailbox.url}/{self.name}"})
        self.secret = endpoint.expect(201)["secret"]
        (await client.post("/_gatecrash/faults", {"station": "webhook.due", "kind": "duplicate"})).expect(201)

    async def _trade(self, charges: int) -> None:
        client = self.client
        for _ in range(charges):
            number = len(self.ids) + 1
            order, key = f"{self.name}-{number}", f"key-{number}"
            nonce = await client.make_nonce()
            first = (await client.try_charge(payment_nonce=nonce, amount=100 + self.number, idem=key, order_id=order)).expect(201)
            again = await client.try_charge(payment_nonce=nonce, amount=100 + self.number, idem=key, order_id=order)
            assert (again.raw, again.headers["Idempotent-Replayed"]) == (first.raw, "true")
            assert first["created_at"].startswith(f"{self.day}T")
            self.ids.append(first["id"])
            assert (await client.get("/v1/refunds")).status == 500 + self.number, "its own fault, and nobody else's"
            with pytest.raises(aiohttp.ClientError):
                await client.post(f"/v1/charges/{first['id']}/void")
            await client.advance(60)

    async def look(self) -> None:
        """See its own, all of its own, and nothing else."""
        client = self.client
        charges = (await client.get("/v1/charges?limit=100")).expect(200)["data"]
        assert [one["id"] for one in reversed(charges)] == self.ids
        orders = {f"{self.name}-{number}" for number in range(1, len(self.ids) + 1)}
        assert {one["order_id"] for one in charges} == orders
        events = (await client.get("/v1/events?limit=100")).expect(200)["data"]
        assert {event["data"]["order_id"] for event in events} == orders
        assert len(events) == len(orders)
        for event in events:
            (delivery,) = (await client.get(f"/v1/events/{event['id']}/deliveries")).expect(200)["data"]
            assert delivery["url"] == f"{self.mailbox.url}/{self.name}"
            assert (delivery["status"], len(delivery["attempts"])) == ("succeeded", 1)
        books = await client.books()
        assert books["balanced"]
        assert books["transfers"] == len(self.ids)
        assert {(one["order_id"], one["net"]) for one in books["orders"]} == {(order, 100 + self.number) for order in orders}
        rules = {rule["id"]: rule for rule in (await client.get("/_gatecrash/faults"))["data"]}
        assert len(rules) == 3
        assert rules[self.rule]["params"] == {"status": 500 + self.number}
        assert rules[self.rule]["fired"] == len(self.ids)
        assert (await client.get("/_gatecrash/clock"))["now"].startswith(f"{self.day}T0")

        journal = await client.journal()
        assert [entry["seq"] for entry in journal] == list(range(1, len(journal) + 1))
        assert {entry["order_id"] for entry in journal if entry.get("order_id")} == orders
        assert all(entry["at"].startswith(self.day) for entry in journal if entry["seq"] > 1)
        told = {entry["event_id"] for entry in journal if entry["kind"] == "delivery"}
        assert told == {event["id"] for event in events}
        assert self.name in {one["name"] for one in (await client.get("/_gatecrash/sandboxes"))["data"]}

        # what came by webhook was signed for it, and tells of it; from before a reset there is more
        for headers, body in self.mailbox.came[self.name]:
            assert json.loads(body)["data"]["order_id"].startswith(f"{self.name}-")
            assert Webhook(self.secret).verify(body, headers)


async def test_fifty_sandboxes_at_once_never_meet(http: aiohttp.ClientSession, server: ServerProcess, mailbox: Mailbox) -> None:
    rooms = [Room(Client(http, server.url, f"room-{number}"), number, mailbox) for number in range(ROOMS)]
    await asyncio.gather(*(room.live() for room in rooms))
    await asyncio.gather(*(room.look() for room in rooms))
    assert set(mailbox.came) == {room.name for room in rooms}
    # one seed gives one run of ids, whatever the others did meanwhile; other seeds give others
    for kind in range(5):
        alike = [room.ids for room in rooms if room.number % 2 and room.number % 5 == kind]
        assert all(ids == alike[0] for ids in alike)
    assert len({room.ids[0] for room in rooms if not room.number % 2}) == ROOMS // 2


async def test_nobody_reaches_what_is_anothers(http: aiohttp.ClientSession, server: ServerProcess, mailbox: Mailbox) -> None:
    mine, yours = (Room(Client(http, server.url), number, mailbox) for number in (60, 62))
    await asyncio.gather(mine.live(), yours.live())
    found: Any = await yours.client.get("/v1/events")
    paths = [
        f"/v1/charges/{yours.ids[0]}",
        f"/v1/events/{found['data'][0]['id']}",
        f"/v1/webhook_endpoints/{await _endpoint(yours)}",
    ]
    paths += [f"/_gatecrash/faults/{yours.rule}", f"/v1/events/{found['data'][0]['id']}/deliveries"]
    for path in paths:
        (await yours.client.get(path)).expect(200)
        (await mine.client.get(path)).refused(404, "resource_missing", "id")
    await mine.look()
    await yours.look()


async def _endpoint(room: Room) -> str:
    (endpoint,) = (await room.client.get("/v1/webhook_endpoints"))["data"]
    return str(endpoint["id"])
