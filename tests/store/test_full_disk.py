"""A gateway whose disk is full: it says so, nothing has happened, and it goes on when there is room."""

import asyncio

import aiohttp
import pytest

from gatecrash.store.sqlite import SqliteStore
from tests.support.client import Client
from tests.support.gateway import LiveGateway
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio
BULK = {f"key{i}": "x" * 500 for i in range(40)}


async def limit_pages(gateway: LiveGateway, spare: int | None) -> None:
    """Let the database grow by `spare` pages, or without end; then wait until the store has noticed that."""
    store = gateway.gateway.store
    assert isinstance(store, SqliteStore)
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    store._db.execute(f"PRAGMA max_page_count = {1_000_000 if spare is None else pages + spare}").fetchone()
    if spare is None:
        await eventually(lambda: store.trouble is None)


async def test_a_charge_that_cannot_be_written_did_not_happen(kept_gateway: LiveGateway, http: aiohttp.ClientSession) -> None:
    client = Client(http, kept_gateway.url)
    nonces = [await client.make_nonce() for _ in range(40)]
    await limit_pages(kept_gateway, 4)
    replies = await asyncio.gather(
        *(client.try_charge(payment_nonce=nonce, idem=nonce, amount=1, metadata=BULK) for nonce in nonces)
    )
    lost = [reply for reply in replies if reply.status != 201]
    assert lost
    for reply in lost:
        reply.refused(503, "gateway_gone")
        assert "nothing of this request happened" in reply["detail"]
        assert "full" in reply["detail"]
    await limit_pages(kept_gateway, None)
    listed = (await client.get("/v1/charges?limit=100")).expect(200)["data"]
    done = {reply["id"] for reply in replies if reply.status == 201}
    assert {charge["id"] for charge in listed} == done
    assert sum(order["captured"] for order in (await client.books())["orders"]) == len(done)
    # a retry with the same key makes the charge that was lost, and only that
    for nonce, reply in zip(nonces, replies, strict=True):
        again = (await client.try_charge(payment_nonce=nonce, idem=nonce, amount=1, metadata=BULK)).expect(201)
        assert ("Idempotent-Replayed" in again.headers) == (reply.status == 201)
    await kept_gateway.restart()
    assert (await client.books())["orders"][0]["captured"] == 40
    assert len({charge["id"] for charge in (await client.get("/v1/charges?limit=100"))["data"]}) == 40


async def test_readyz_tells_whether_the_gateway_can_commit(kept_gateway: LiveGateway, http: aiohttp.ClientSession) -> None:
    client = Client(http, kept_gateway.url)
    (await client.get("/readyz", key=None)).expect(200)
    await kept_gateway.gateway.store.submit("", lambda tx: tx.run("PRAGMA query_only = ON"))  # type: ignore[attr-defined]
    refused = (await client.get("/readyz", key=None)).refused(503, "not_ready")
    assert "cannot commit" in refused["detail"]
    (await client.get("/healthz", key=None)).expect(200)
    await kept_gateway.gateway.store.submit("", lambda tx: tx.run("PRAGMA query_only = OFF"))  # type: ignore[attr-defined]
    (await client.get("/readyz", key=None)).expect(200)


async def until_refused(client: Client, nonces: list[str]) -> None:
    for nonce in nonces:
        reply = await client.try_charge(payment_nonce=nonce, amount=1, metadata=BULK)
        if reply.status == 503:
            return
    raise AssertionError("the disk never was full")


async def test_while_it_is_full_no_request_adds_to_what_is_buffered(
    kept_gateway: LiveGateway, http: aiohttp.ClientSession
) -> None:
    client = Client(http, kept_gateway.url)
    nonces = [await client.make_nonce() for _ in range(40)]
    await limit_pages(kept_gateway, 0)
    await until_refused(client, nonces)
    journal = kept_gateway.gateway.journal
    buffered, sandboxes = len(journal.buffered(client.sandbox)), set(kept_gateway.gateway.sandboxes)
    for _ in range(20):
        (await client.try_charge(payment_nonce=nonces[-1])).refused(503, "gateway_gone")
        (await client.get("/v1/charges")).refused(503, "gateway_gone")
        (await client.post("/_gatecrash/faults", {"station": "request.received", "kind": "reset"})).refused(503, "gateway_gone")
        (await Client(http, kept_gateway.url).get("/v1/charges")).refused(503, "gateway_gone")
    assert len(journal.buffered(client.sandbox)) == buffered
    assert set(kept_gateway.gateway.sandboxes) == sandboxes
    await limit_pages(kept_gateway, None)
    numbers = [entry["seq"] for entry in await client.journal()]
    assert numbers == list(range(1, len(numbers) + 1))


async def test_a_rule_whose_count_could_not_be_written_has_not_struck_and_is_not_spent(
    kept_gateway: LiveGateway, http: aiohttp.ClientSession
) -> None:
    client = Client(http, kept_gateway.url)
    nonce = await client.make_nonce()
    rule = await client.add_fault("operation.committed", "reset", match={"operation": "charges.create"})
    limit = await client.add_fault("request.received", "rate_limit", params={"limit": 1, "window_s": 3600})
    store = kept_gateway.gateway.store
    assert isinstance(store, SqliteStore)
    plane = kept_gateway.gateway.sandboxes[client.sandbox].plane
    failing = plane.rules[rule]
    store._db.execute("PRAGMA query_only = ON")
    (await client.try_charge(payment_nonce=nonce, idem="k")).refused(503, "gateway_gone")
    assert (failing.seen, failing.fired) == (0, 0)
    assert plane.rules[limit].seen == 0
    window = plane.rules[limit].window
    assert window is not None
    assert window.passed == 0
    store._db.execute("PRAGMA query_only = OFF")
    await eventually(lambda: store.trouble is None)
    assert await client.journal("fault") == []
    with pytest.raises(aiohttp.ClientError):
        await client.try_charge(payment_nonce=nonce, idem="k")
    assert [entry["rule_id"] for entry in await eventually(lambda: client.journal("fault"))] == [rule]
    numbers = [entry["seq"] for entry in await client.journal()]
    assert numbers == list(range(1, len(numbers) + 1))


async def test_a_reset_that_cannot_be_written_leaves_the_journal_whole(
    kept_gateway: LiveGateway, http: aiohttp.ClientSession
) -> None:
    client = Client(http, kept_gateway.url)
    await client.charge()
    store = kept_gateway.gateway.store
    assert isinstance(store, SqliteStore)
    store._db.execute("PRAGMA query_only = ON")
    (await client.post("/_gatecrash/reset")).refused(503, "gateway_gone")
    store._db.execute("PRAGMA query_only = OFF")
    await eventually(lambda: store.trouble is None)
    numbers = [entry["seq"] for entry in await client.journal()]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len((await client.get("/v1/charges"))["data"]) == 1
