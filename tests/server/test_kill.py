"""The process killed from outside, and told to stop: under load, with its supervisor, with work in its hands."""

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.server.aid import insist, lost, pid_of, traces
from tests.support.client import Client, Reply
from tests.support.process import ServerProcess
from tests.support.waiting import eventually

ORDERS, CONNECTIONS = 200, 8


def gone(pid: int) -> bool:
    """Whether no such process runs; a zombie nobody has reaped yet runs no more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.asyncio
async def test_killed_under_load_nothing_acknowledged_is_lost_and_every_key_charges_once(mortal: ServerProcess) -> None:
    acknowledged: dict[int, Reply] = {}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONNECTIONS)) as http:
        merchant = Client(http, mortal.url, "under-load")
        nonces = await asyncio.gather(*(merchant.make_nonce() for _ in range(ORDERS)))

        async def pay(number: int) -> Reply:
            body = {"amount": 100 + number, "currency": "usd", "payment_nonce": nonces[number], "order_id": f"order-{number}"}
            return await merchant.post("/v1/charges", body, idem=f"key-{number}")

        waiting = iter(range(ORDERS))

        async def customer() -> None:
            for number in waiting:
                acknowledged[number] = await insist(lambda number=number: pay(number))  # type: ignore[misc]

        async def killer(after: int) -> None:
            await eventually(lambda: len(acknowledged) >= after)
            pid, before = await pid_of(merchant), dict(acknowledged)
            os.kill(pid, signal.SIGKILL)
            await eventually(lambda: gone(pid))
            assert await pid_of(merchant) != pid
            for number, reply in before.items():
                again = await insist(lambda number=number: pay(number))  # type: ignore[misc]
                assert again.raw == reply.raw
                assert again.headers["Idempotent-Replayed"] == "true", "it was acknowledged, so it is there"

        async def killed_twice() -> None:
            await killer(20)
            await killer(100)

        await asyncio.gather(killed_twice(), *(customer() for _ in range(CONNECTIONS)))
        assert {reply.status for reply in acknowledged.values()} == {201}
        assert len({reply["id"] for reply in acknowledged.values()}) == ORDERS
        once_each = Counter(f"order-{number}" for number in range(ORDERS))
        charges = await pages(merchant, "/v1/charges")
        assert Counter(charge["order_id"] for charge in charges) == once_each
        assert {charge["status"] for charge in charges} == {"succeeded"}
        books = await merchant.books()
        assert books["balanced"]
        assert books["transfers"] == ORDERS
        assert sum(order["captured"] for order in books["orders"]) == sum(100 + number for number in range(ORDERS))
        events = await pages(merchant, "/v1/events")
        assert Counter(event["data"]["order_id"] for event in events) == once_each
        journal = await merchant.journal("start")
        assert len(journal) >= 2, "each life says when it begins"


async def pages(client: Client, path: str) -> list[dict[str, Any]]:
    """Every page of a list."""
    found: list[dict[str, Any]] = []
    while True:
        cursor = f"&starting_after={found[-1]['id']}" if found else ""
        page = (await client.get(f"{path}?limit=100{cursor}")).expect(200).json
        found += page["data"]
        if not page["has_more"]:
            return found


@pytest.mark.asyncio
async def test_the_worker_does_not_outlive_its_supervisor(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, "--data", str(tmp_path / "data"))
    client = Client(http, server.url)
    worker = await pid_of(client)
    server.process.kill()
    server.process.wait()
    await eventually(lambda: gone(worker))
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", server.port)
    again = ServerProcess(tmp_path, "--data", str(tmp_path / "data"))
    assert again.stop() == 0, again.log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.asyncio
async def test_told_to_stop_it_stops_clean_and_takes_its_memory_folder_along(
    http: aiohttp.ClientSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    server = ServerProcess(tmp_path, "--memory")
    client = Client(http, server.url)
    await client.charge()
    worker = await pid_of(client)
    assert len(list(scratch.glob("gatecrash-*/*"))) > 0
    server.process.send_signal(number)
    assert await asyncio.to_thread(server.process.wait, 10) == 0
    assert gone(worker)
    assert list(scratch.iterdir()) == []
    assert "Traceback" not in server.log
    assert server.log.count("\n") == 3, server.log


@pytest.mark.asyncio
async def test_it_stops_clean_while_requests_and_webhooks_hang_in_its_hands(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, "--memory")
    client = Client(http, server.url)
    nonce = await client.make_nonce()

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(swallow, "127.0.0.1", 0) as shop:
        url = f"http://127.0.0.1:{shop.sockets[0].getsockname()[1]}/"
        (await client.post("/v1/webhook_endpoints", {"url": url})).expect(201)
        for station in ("operation.claimed", "response.partial", "webhook.sent"):
            await client.add_fault(station, "hang")
        held = [asyncio.create_task(lost(client.try_charge(payment_nonce=nonce, idem=key))) for key in ("a", "b")]
        await eventually(lambda: struck(client, 3))
        assert await asyncio.to_thread(server.stop) == 0
        for task in held:
            task.cancel()
    assert "Traceback" not in server.log, server.log
    assert "never retrieved" not in server.log, server.log


async def struck(client: Client, times: int) -> bool:
    return len(await client.journal("fault")) >= times


@pytest.mark.asyncio
async def test_it_stops_while_its_worker_is_down(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, "--memory")
    client = Client(http, server.url)
    await client.add_fault("request.received", "crash", params={"down_s": 3600})
    assert await lost(client.get("/v1/charges")) is None
    await eventually(lambda: "up again in 3600 s" in server.log)
    assert await asyncio.to_thread(server.stop) == 0
    assert "was killed by SIGKILL" in server.log


@pytest.mark.asyncio
async def test_acknowledged_work_survives_a_clean_stop(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    server = ServerProcess(tmp_path, "--data", data)
    client = Client(http, server.url, "kept")
    first = await client.try_charge(idem="k")
    nonce = first["payment_nonce"]
    (await client.post("/_gatecrash/clock", {"mode": "frozen", "now": "2030-05-05T05:05:05Z"})).expect(200)
    before = await traces(client)
    assert await asyncio.to_thread(server.stop) == 0
    server = ServerProcess(tmp_path, "--data", data)
    client = Client(http, server.url, "kept")
    assert await traces(client) == before
    assert (await client.get("/_gatecrash/clock"))["now"] == "2030-05-05T05:05:05.000Z"
    (await client.try_charge(payment_nonce=nonce)).refused(400, "nonce_used", "payment_nonce")
    assert await asyncio.to_thread(server.stop) == 0


def test_two_gateways_do_not_share_a_data_folder(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, "--data", str(tmp_path / "data"))
    command = [sys.executable, "-m", "gatecrash", "serve", "--port", "0", "--data", str(tmp_path / "data")]
    second = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert server.stop() == 0
    assert second.returncode == 2
    assert "no other gateway uses" in second.stderr
    assert len(second.stderr.strip().splitlines()) == 1
