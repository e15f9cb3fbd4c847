"""A gateway whose disk is full, as a real process: it refuses early, loses nothing, and comes back by itself."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.server.aid import insist, pid_of
from tests.support.client import Client, Reply
from tests.support.disk import KINDS, Disk, disk
from tests.support.process import ServerProcess
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio
BULK = {f"key{i}": "x" * 450 for i in range(40)}


@pytest.fixture(params=KINDS)
def small(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    with disk(request.param, tmp_path / "disk") as made:
        yield made


async def pay(client: Client, nonces: list[str], number: int) -> Reply:
    return await client.try_charge(
        payment_nonce=nonces[number], idem=f"k{number}", amount=100, order_id=f"o-{number}", metadata=BULK
    )


async def is_ready(client: Client) -> bool:
    reply = await insist(lambda: client.get("/readyz"))
    return reply.status == 200


async def test_nothing_acknowledged_is_lost_and_nothing_refused_happened(
    http: aiohttp.ClientSession, start_server: Callable[..., ServerProcess], small: Disk
) -> None:
    server = start_server("--data", str(small.folder / "data"))
    client = Client(http, server.url)
    nonces = [await client.make_nonce() for _ in range(60)]
    answers: dict[int, Reply] = {number: await pay(client, nonces, number) for number in range(10)}
    worker = await pid_of(client)
    small.fill(worker, server.process.pid)
    for number in range(10, 50):
        answers[number] = await pay(client, nonces, number)
    refused = {number for number, reply in answers.items() if reply.status != 201}
    assert len(refused) > 20
    for number in refused:
        answers[number].refused(503, "gateway_gone")
        assert "nothing of this request happened. Free some space" in answers[number]["detail"]
        assert answers[number].headers["Retry-After"] == "1"
    (await client.get("/readyz")).refused(503, "not_ready")
    (await client.get("/healthz")).expect(200)
    (await client.get("/_gatecrash/journal")).refused(503, "gateway_gone")
    assert server.log.count("Until then it refuses every request with 503.") >= 1
    small.free(worker, server.process.pid)
    await eventually(lambda: is_ready(client))
    listed = (await client.get("/v1/charges?limit=100")).expect(200)["data"]
    assert {charge["id"] for charge in listed} == {reply["id"] for number, reply in answers.items() if number not in refused}
    for number in sorted(answers):
        again = (await pay(client, nonces, number)).expect(201)
        assert ("Idempotent-Replayed" in again.headers) == (number not in refused)
    assert "can use" in server.log.splitlines()[-1]
    assert "Traceback" not in server.log
    os.kill(worker, signal.SIGKILL)
    await eventually(lambda: is_ready(client))
    books = await client.books()
    assert books["balanced"]
    assert len(books["orders"]) == 50


async def test_a_crash_while_it_is_full_does_not_end_the_gateway(
    http: aiohttp.ClientSession, start_server: Callable[..., ServerProcess], small: Disk
) -> None:
    server = start_server("--data", str(small.folder / "data"))
    client = Client(http, server.url)
    nonces = [await client.make_nonce() for _ in range(40)]
    # a claim is in flight, so the next worker has something to write before it is ready
    await client.add_fault("operation.claimed", "hang", match={"order_id": "o-0"})
    held = asyncio.ensure_future(pay(client, nonces, 0))
    await eventually(lambda: struck(client))
    acknowledged = [(await pay(client, nonces, number)).expect(201)["id"] for number in range(1, 6)]
    worker = await pid_of(client)
    small.fill(worker, server.process.pid)
    await eventually(lambda: refuses(client, nonces))
    os.kill(worker, signal.SIGKILL)
    with pytest.raises(aiohttp.ClientError):
        await held
    await eventually(lambda: "stays down until that has passed" in server.log or "refuses every request" in server.log)
    assert server.process.poll() is None
    small.free(server.process.pid, *children(server.process.pid))
    await eventually(lambda: is_ready(client))
    listed = (await insist(lambda: client.get("/v1/charges?limit=100"))).expect(200)["data"]
    assert set(acknowledged) <= {charge["id"] for charge in listed}
    (await pay(client, nonces, 0)).expect(201)
    assert server.process.poll() is None
    assert "Traceback" not in server.log


async def struck(client: Client) -> bool:
    return bool(await client.journal("fault"))


async def refuses(client: Client, nonces: list[str]) -> bool:
    return (await client.try_charge(payment_nonce=nonces[-1], amount=100, metadata=BULK)).status == 503


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
