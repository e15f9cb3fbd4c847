"""What a client may hold: a request that never ends, connections without end, all descriptors; and the others are served."""

import asyncio
import contextlib
import json
import random
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from tests.contracts.checker import load
from tests.server.aid import pid_of
from tests.support.client import Client
from tests.support.gateway import LiveGateway
from tests.support.process import ServerProcess
from tests.support.waiting import PATIENCE_S, eventually

pytestmark = pytest.mark.asyncio
HEAD = b"POST /v1/charges HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk_test_slow\r\n"


@pytest_asyncio.fixture
async def strict() -> AsyncIterator[LiveGateway]:
    """A gateway that waits for nobody, and holds three connections."""
    live = LiveGateway(request_s=0.05, connections_max=3)
    await live.start()
    yield live
    await live.stop()


async def listen(port: int, *said: bytes) -> bytes:
    """All that comes back until the gateway ends the connection; this side says what it says, and then nothing more."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    heard = b""
    with contextlib.suppress(ConnectionError):
        for part in said:
            writer.write(part)
            await writer.drain()
        async with asyncio.timeout(PATIENCE_S):
            while part := await reader.read(65536):
                heard += part
    writer.close()
    return heard


def problem(heard: bytes, status: int, code: str) -> dict[str, Any]:
    head, _, body = heard.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0].startswith(f"HTTP/1.1 {status} "), heard
    headers = dict(line.split(": ", 1) for line in lines[1:])
    load("gateway").check("GET", "/", status, headers, body)
    shown = json.loads(body)
    assert shown["code"] == code
    assert shown["request_id"] == headers["Request-Id"]
    assert headers["Connection"].lower() == "close"
    assert int(headers["Content-Length"]) == len(body)
    return dict(shown)


@pytest.mark.parametrize(
    "said",
    [
        (b"P",),
        (b"GET /v1/charges HTTP/1.1\r\n", b"Host: x\r\n"),
        (HEAD,),
        (HEAD + b"Content-Length: 100\r\n\r\n",),
        (HEAD + b"Content-Length: 100\r\n\r\n", b"{", b'"'),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"5\r\n{"),
    ],
    ids=["a letter", "a line", "half a head", "no body", "a drop of a body", "a part of a chunk"],
)
async def test_a_request_that_does_not_come_whole_is_ended(
    strict: LiveGateway, http: aiohttp.ClientSession, said: tuple[bytes, ...]
) -> None:
    shown = problem(await listen(strict.port, *said), 408, "request_timeout")
    assert shown["detail"] == "the request was not there whole after 0.05 s; send it in one go."
    await Client(http, strict.url).charge()


async def test_a_slow_second_request_on_a_connection_is_ended_too(strict: LiveGateway) -> None:
    one = b"GET /v1/charges HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk_test_slow\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", strict.port)
    writer.write(one)
    async with asyncio.timeout(PATIENCE_S):
        assert b"200 OK" in await reader.readuntil(b"has_more")
        writer.write(one[:30])
        assert b"408 Request Timeout" in await reader.read()
    writer.close()


async def test_a_request_that_is_held_on_purpose_may_take_its_time(strict: LiveGateway, http: aiohttp.ClientSession) -> None:
    client = Client(http, strict.url)
    await client.add_fault("operation.claimed", "delay", params={"seconds": 0.2}, match={"operation": "charges.create"})
    (await client.try_charge()).expect(201)


async def test_one_connection_too_many_is_told_so_and_leaves_the_others_alone(
    strict: LiveGateway, http: aiohttp.ClientSession
) -> None:
    held = [await asyncio.open_connection("127.0.0.1", strict.port) for _ in range(3)]
    shown = problem(await listen(strict.port), 503, "too_many_connections")
    assert "3 connections" in shown["detail"]
    reader, writer = held[0]
    writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    async with asyncio.timeout(PATIENCE_S):
        assert b"200 OK" in await reader.read()
    for _, each in held:
        each.close()
    await eventually(lambda: strict.gateway.capacity.taken == 0)
    await Client(http, strict.url).charge()


async def test_an_answer_that_fails_bears_the_id_that_the_log_has(
    client: Client, gateway: LiveGateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def bug(*_: Any) -> None:
        raise RuntimeError("a bug, for once")

    monkeypatch.setattr(gateway.gateway, "sandbox", bug)
    reply = (await client.get("/v1/charges")).refused(500, "internal_error")
    assert reply.headers["Request-Id"] == reply["request_id"]
    assert reply["request_id"] in caplog.text
    assert "a bug, for once" not in reply.raw.decode()


@pytest.mark.timeout(120)
async def test_a_thousand_that_wait_and_fifty_that_drip_keep_nobody_from_paying(
    http: aiohttp.ClientSession, start_server: Callable[..., ServerProcess]
) -> None:
    server = start_server("--memory")
    client = Client(http, server.url)
    worker = await pid_of(client)
    idle = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(1000)]
    dripping = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(50)]
    for number, (_, writer) in enumerate(dripping):
        writer.write(HEAD if number % 2 else HEAD + b"Content-Length: 1000\r\n\r\n{")
    for number in range(20):
        (await client.try_charge(idem=f"k-{number}")).expect(201)
        for index, (_, writer) in enumerate(dripping):
            writer.write(b"A: b\r\n" if index % 2 else b" ")
    assert (await client.books())["transfers"] == 20
    # and every one of the thousand is still served
    for reader, writer in idle[::100]:
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        async with asyncio.timeout(PATIENCE_S):
            assert b"200 OK" in await reader.read()
    for _, writer in (*idle, *dripping):
        writer.close()
    assert await pid_of(client) == worker
    assert "Traceback" not in server.log


@pytest.mark.timeout(120)
async def test_when_descriptors_run_out_it_says_so_once_and_goes_on(
    http: aiohttp.ClientSession, start_server: Callable[..., ServerProcess]
) -> None:
    server = start_server("--memory", descriptors=64)
    client = Client(http, server.url)
    worker = await pid_of(client)
    flood = []
    for _ in range(300):
        with contextlib.suppress(OSError):
            flood.append(await asyncio.open_connection("127.0.0.1", server.port))
    told = 0
    for reader, _ in flood[40:]:
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(PATIENCE_S):
                told += b"too_many_connections" in await reader.read(4096)
    assert told > 200
    for _, writer in flood:
        writer.close()

    async def served() -> bool:
        with contextlib.suppress(aiohttp.ClientError):
            return (await client.get("/healthz")).status == 200
        return False

    await eventually(served)
    await client.charge()
    assert await pid_of(client) == worker
    assert "Traceback" not in server.log
    assert server.log.count("\n") < 10


async def test_two_gateways_never_share_a_folder_not_even_while_one_is_down(
    http: aiohttp.ClientSession, start_server: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    server = start_server("--data", str(tmp_path / "data"))
    client = Client(http, server.url)
    await client.add_fault("request.received", "crash", params={"down_s": 3600}, match={"operation": "charges.list"})
    with contextlib.suppress(aiohttp.ClientError):
        await client.get("/v1/charges")
    await eventually(lambda: "up again in 3600 s" in server.log)
    command = [sys.executable, "-m", "gatecrash", "serve", "--port", "0", "--data", str(tmp_path / "data")]
    second = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=30, check=False)
    assert second.returncode == 2
    assert f"process id {server.process.pid}" in second.stderr


async def test_an_answer_that_nobody_takes_is_given_up(strict: LiveGateway, http: aiohttp.ClientSession) -> None:
    client = Client(http, strict.url)
    for _ in range(20):
        await client.try_charge(metadata={f"key{i}": "x" * 500 for i in range(50)})
    ask = f"GET /_gatecrash/journal?limit=1000 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk_test_{client.sandbox}\r\n\r\n"
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(deaf, ("127.0.0.1", strict.port))
        await loop.sock_sendall(deaf, ask.encode() * 100)
        # the buffers in between are full long before all of it is out
        await eventually(lambda: strict.gateway.capacity.taken == 2)
        await eventually(lambda: strict.gateway.capacity.taken == 1)
    await client.charge()


async def test_those_that_never_read_share_a_bound_and_the_longest_slow_goes_first(
    gateway: LiveGateway, http: aiohttp.ClientSession
) -> None:
    client, capacity = Client(http, gateway.url), gateway.gateway.capacity
    for _ in range(10):
        await client.try_charge(metadata={f"key{i}": "x" * 500 for i in range(50)})
    capacity.bytes_most = 1_000_000
    head = f"Host: x\r\nAuthorization: Bearer sk_test_{client.sandbox}\r\n\r\n"
    ask = f"GET /_gatecrash/journal?limit=1000 HTTP/1.1\r\n{head}".encode()
    loop = asyncio.get_running_loop()
    deaf = []
    for _ in range(12):
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        one.setblocking(False)
        await loop.sock_connect(one, ("127.0.0.1", gateway.port))
        await loop.sock_sendall(one, ask * 100)
        deaf.append(one)

    def bounded() -> bool:
        assert capacity.bytes <= 2_000_000
        return capacity.taken < 12

    await eventually(bounded)
    await client.charge()
    for one in deaf:
        one.close()
    await eventually(lambda: capacity.bytes == 0)
    await client.charge()


async def test_bodies_that_are_slow_to_come_share_it(gateway: LiveGateway, http: aiohttp.ClientSession) -> None:
    capacity = gateway.gateway.capacity
    capacity.bytes_most = 2_500_000
    slow = []
    for _ in range(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(HEAD + b"Content-Length: 1000000\r\n\r\n{")
        slow.append((reader, writer))
    for reader, _ in slow[:3]:
        async with asyncio.timeout(PATIENCE_S):
            with contextlib.suppress(ConnectionError):
                assert await reader.read() == b""
    await eventually(lambda: capacity.bytes == 2_000_000)
    await Client(http, gateway.url).charge()
    for _, writer in slow:
        writer.close()
    await eventually(lambda: capacity.bytes == 0)


async def half_close(port: int, said: bytes) -> bytes:
    """All that comes back to a client that says so much, and then no more, as `printf … | nc -N` does."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(said)
    writer.write_eof()
    async with asyncio.timeout(PATIENCE_S):
        heard = await reader.read()
    writer.close()
    return heard


async def test_a_client_that_half_closes_is_answered_all_that_it_has_said_whole(strict: LiveGateway) -> None:
    one = HEAD.replace(b"POST", b"GET") + b"\r\n"
    for _ in range(50):
        assert (await half_close(strict.port, one)).count(b"HTTP/1.1 200 OK") == 1
        assert b" 400 Bad Request\r\n" in await half_close(strict.port, b"hello there\r\n\r\n")
    assert (await half_close(strict.port, one * 3)).count(b"HTTP/1.1 200 OK") == 3
    assert await half_close(strict.port, one[:-2]) == await half_close(strict.port, b"") == b""
    assert await half_close(strict.port, HEAD + b"Content-Length: 3\r\n\r\n{}") == b""
    await eventually(lambda: strict.gateway.capacity.taken == 0)


@pytest.mark.parametrize("station", ["request.received", "operation.committed", "response.partial"])
async def test_where_a_fault_could_strike_a_client_that_half_closes_has_left(
    strict: LiveGateway, http: aiohttp.ClientSession, station: str
) -> None:
    client = Client(http, strict.url)
    await client.add_fault(station, "hang", match={"operation": "charges.list"})
    one = f"GET /v1/charges HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk_test_{client.sandbox}\r\n\r\n".encode()
    assert b"has_more" not in await half_close(strict.port, one)
    [answer] = await eventually(lambda: client.journal("answer"))
    assert answer["broken"] == "a fault rule held it until nobody waited any more"


async def test_whatever_bytes_come_others_are_served(http: aiohttp.ClientSession, server: ServerProcess) -> None:
    """Requests with a few bytes changed, dropped or doubled: the same in every run."""
    client = Client(http, server.url)
    worker = await pid_of(client)
    draw = random.Random(402)
    body = json.dumps({"amount": 1, "currency": "usd", "payment_nonce": await client.make_nonce()}).encode()
    whole = (
        b"POST /v1/charges HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk_test_%s\r\nContent-Type: application/json\r\n"
        b"Idempotency-Key: k\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n%x\r\n%s\r\n0\r\n\r\n"
    ) % (client.sandbox.encode(), len(body), body)
    assert b" 201 Created" in await listen(server.port, whole)
    statuses = set()
    for _ in range(300):
        spoilt = bytearray(whole)
        for _ in range(draw.randint(1, 4)):
            at = draw.randrange(len(spoilt))
            match draw.randrange(3):
                case 0:
                    spoilt[at] = draw.randrange(256)
                case 1:
                    del spoilt[at : at + draw.randint(1, 30)]
                case _:
                    spoilt[at:at] = spoilt[at : at + draw.randint(1, 30)]
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(bytes(spoilt))
        writer.write_eof()
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(PATIENCE_S):
                statuses.add((await reader.read())[9:12])
        writer.close()
    assert not [status for status in statuses if status.startswith(b"5")], statuses
    assert statuses >= {b"201", b"400", b"401", b"404", b"415", b"422"}
    assert len((await client.get("/v1/charges"))["data"]) == 1
    assert await pid_of(client) == worker
    assert "Traceback" not in server.log
