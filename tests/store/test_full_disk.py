"""A gateway whose disk is full: it says so, nothing has happened, and it goes on when there is room."""

import asyncio

import aiohttp
import pytest

from tests.support.client import Client
from tests.support.gateway import LiveGateway

pytestmark = pytest.mark.asyncio
BULK = {f"key{i}": "x" * 500 for i in range(40)}


async def limit_pages(gateway: LiveGateway, spare: int | None) -> None:
    """Let the database grow by `spare` pages, or without end."""

    def pragma(tx: object) -> None:
        pages = tx.run("PRAGMA page_count").fetchone()[0]  # type: ignore[attr-defined]
        limit = 1_000_000 if spare is None else pages + spare
        tx.run(f"PRAGMA max_page_count = {limit}").fetchone()  # type: ignore[attr-defined]

    await gateway.gateway.store.submit("", pragma)


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
