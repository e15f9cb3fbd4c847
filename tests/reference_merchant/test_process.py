"""The shop as a process: how it starts, refuses to start, and what it remembers when it is killed."""

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from reference_merchant import mutants
from tests.support.waiting import eventually

Start = Callable[..., Awaitable[tuple[Any, str]]]


@pytest_asyncio.fixture
async def start(tmp_path: Path, gateway: Any) -> AsyncIterator[Start]:
    """Starts the shop over one database: the process and its URL."""
    running: list[asyncio.subprocess.Process] = []

    async def run(**environment: str) -> tuple[asyncio.subprocess.Process, str]:
        url_file = tmp_path / f"url-{len(running)}"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "reference_merchant", "--port", "0", "--url-file", str(url_file)),
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                "GATEWAY_URL": gateway.url,
                "GATEWAY_SECRET_KEY": "sk_test_canary",
                "DATABASE": str(tmp_path / "shop.sqlite"),
                "GATEWAY_TIMEOUT_S": "5",
                "RECONCILE_EVERY_S": "0.1",
                **environment,
            },
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        running.append(process)
        await eventually(lambda: url_file.exists() or process.returncode is not None)
        return process, json.loads(url_file.read_text())["merchant"] if url_file.exists() else ""

    yield run
    for process in running:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def killed_while_charging(http: aiohttp.ClientSession, process: Any, gateway: Any, url: str, body: Any) -> None:
    """Have it killed while it waits for the answer to a charge that was made."""
    paying = asyncio.create_task(http.post(url + "/create-payment", json=body))
    await eventually(lambda: gateway.charges)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    with pytest.raises(aiohttp.ClientError):
        await paying


async def place(http: aiohttp.ClientSession, url: str) -> str:
    async with http.post(url + "/orders", json={"amount": 700}) as response:
        return str((await response.json())["id"])


@pytest.mark.asyncio
async def test_a_shop_killed_after_the_charge_learns_the_outcome_when_it_is_back(start: Start, gateway: Any) -> None:
    process, url = await start()
    gateway.faults = ["hang"]
    async with aiohttp.ClientSession() as http:
        order = await place(http, url)
        body = {"order_id": order, "payment_nonce": "nonce_a"}
        await killed_while_charging(http, process, gateway, url, body)

        _, url = await start()

        async def learnt() -> bool:
            async with http.get(f"{url}/orders/{order}") as response:
                seen = await response.json()
            return bool(seen["status"] == "PAID" and seen["fulfilments"] == 1)

        await eventually(learnt)

    assert len(gateway.charges) == 1


@pytest.mark.asyncio
async def test_the_naive_shop_killed_after_the_charge_never_learns_of_it(start: Start, gateway: Any) -> None:
    process, url = await start(MUTANT="naive")
    gateway.faults = ["hang"]
    async with aiohttp.ClientSession() as http:
        order = await place(http, url)
        body = {"order_id": order, "payment_nonce": "nonce_a"}
        await killed_while_charging(http, process, gateway, url, body)

        _, url = await start(MUTANT="naive")
        async with http.get(f"{url}/orders/{order}") as response:
            assert (await response.json())["attempts"] == []
        async with http.post(url + "/create-payment", json={**body, "payment_nonce": "nonce_b"}) as response:
            assert response.status == 200

    assert len(gateway.charges) == 2


@pytest.mark.asyncio
async def test_sigterm_ends_it_in_good_order_and_its_log_holds_no_secret(start: Start) -> None:
    process, url = await start(WEBHOOK_SECRETS="whsec_Y2FuYXJ5")
    async with aiohttp.ClientSession() as http:
        await place(http, url)
        async with http.post(url + "/webhooks/payment", data=b"{}") as response:
            assert response.status == 401
    process.terminate()
    output, _ = await process.communicate()

    assert process.returncode == 0
    assert b"canary" not in output
    assert b"Y2FuYXJ5" not in output


@pytest.mark.asyncio
async def test_the_mutants_are_listed_with_what_they_violate(start: Start) -> None:
    process, _ = await start(MUTANT="list", GATEWAY_URL="", GATEWAY_SECRET_KEY="")
    output, _ = await process.communicate()

    assert process.returncode == 0
    lines = output.decode().splitlines()
    assert len(lines) == 1 + len(mutants.names())
    (line,) = [each for each in lines if each.startswith("double_capture ")]
    assert line.split() == ["double_capture", "S8", "lost", "response", "Captures", "without", "a", "key."]


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"GATEWAY_URL": "nowhere"}, b"GATEWAY_URL"),
        ({"DATABASE": "/nowhere/at/all.sqlite"}, b"DATABASE"),
        ({"MUTANT": "nope"}, b"MUTANT"),
        ({"HOST": "192.0.2.1"}, b"HOST"),
    ],
)
@pytest.mark.asyncio
async def test_a_setting_that_cannot_be_is_one_line_and_status_2(start: Start, environment: dict[str, str], named: bytes) -> None:
    process, _ = await start(**environment)
    output, _ = await process.communicate()

    assert process.returncode == 2
    assert output.startswith(b"reference_merchant: ")
    assert named in output
    assert output.count(b"\n") == 1


@pytest.mark.asyncio
async def test_a_taken_port_is_named(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "reference_merchant", "--port", str(port), "--database", ":memory:"),
            *("--gateway-url", "http://127.0.0.1:9", "--gateway-secret-key", "sk_test_x"),
            env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()

    assert process.returncode == 2
    assert f"127.0.0.1:{port}".encode() in output
