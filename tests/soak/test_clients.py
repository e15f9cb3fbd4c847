"""Hundreds of clients that never read or stop in the middle of a request: others are served, and memory is bounded."""

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from tests.server.aid import pid_of
from tests.support.client import Client
from tests.support.process import ServerProcess
from tests.support.waiting import eventually

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(600)]
CLIENTS = 400


def resident(pid: int) -> int:
    """Bytes of memory of a process."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) * 1024


async def deaf(port: int, said: bytes) -> socket.socket:
    """A client that says something and reads nothing."""
    loop = asyncio.get_running_loop()
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    one.setblocking(False)
    await loop.sock_connect(one, ("127.0.0.1", port))
    await loop.sock_sendall(one, said)
    return one


async def test_hundreds_that_never_read_keep_nobody_from_paying(
    http: aiohttp.ClientSession, start_server: Callable[..., ServerProcess]
) -> None:
    server = start_server("--memory")
    client, other = Client(http, server.url), Client(http, server.url)
    worker = await pid_of(client)
    for _ in range(10):
        await client.try_charge(metadata={f"key{i}": "x" * 500 for i in range(50)})
    before = resident(worker)
    head = f"Host: x\r\nAuthorization: Bearer sk_test_{client.sandbox}\r\n\r\n"
    ask = f"GET /_gatecrash/journal?limit=1000 HTTP/1.1\r\n{head}".encode()
    upload = f"POST /v1/charges HTTP/1.1\r\nContent-Length: 1000000\r\n{head}{{".encode()
    kinds = (ask * 30, ask[:-30], b"P", upload)
    held = []
    most = 0
    for number in range(CLIENTS):
        held.append(await deaf(server.port, kinds[number % len(kinds)]))
        if number % 20 == 0:
            (await other.try_charge(idem=f"k-{number}")).expect(201)
            most = max(most, resident(worker))
    for number in range(20):
        (await other.try_charge(idem=f"after-{number}")).expect(201)
        most = max(most, resident(worker))
    assert (await other.books())["transfers"] == CLIENTS // 20 + 20
    assert most - before < 700 * 1024 * 1024, f"{(most - before) >> 20} MiB"

    # each was given up after its time, though it never closed
    await eventually(lambda: len(list(Path(f"/proc/{worker}/fd").iterdir())) < 60)
    for one in held:
        one.close()
    assert await pid_of(client) == worker
    assert "Traceback" not in server.log
