"""The gateway's own HTTP edge and its courier, over the network in memory."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gatecrash.core.errors import Refused
from gatecrash.dialects.interface import Answer
from gatecrash.dialects.native.errors import problem
from gatecrash.harness.worlds.simulated.hosts import Incarnation
from gatecrash.harness.worlds.simulated.loop import VirtualLoop
from gatecrash.server.http import Capacity, HttpServer, to_response
from gatecrash.sockets import break_connection
from gatecrash.webhooks.courier import Courier, Cut, Sent
from gatecrash.webhooks.message import Message

URL = "http://127.0.0.1:8402/"


async def listen(handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]], most: int = 100) -> HttpServer:
    server = HttpServer(handler, refuse, Capacity(most), request_s=10.0)
    runner = web.ServerRunner(server)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 8402).start()
    return server


def refuse(refused: Refused, request: web.BaseRequest | None) -> web.Response:
    return to_response(problem(refused, "req_1"))


async def fine(request: web.BaseRequest) -> web.Response:
    await request.read()
    return to_response(Answer(200, b'{"fine": true, "request_id": "req_1"}', {}))


def test_the_edge_answers(loop: VirtualLoop) -> None:
    async def main() -> Any:
        await listen(fine)
        async with aiohttp.ClientSession() as session, session.post(URL, data=b"hello") as answer:
            return answer.status, await answer.json()

    assert loop.run_until_complete(main()) == (200, {"fine": True, "request_id": "req_1"})


def test_a_request_that_does_not_come_in_time_is_refused(loop: VirtualLoop) -> None:
    async def main() -> bytes:
        await listen(fine)
        reader, writer = await asyncio.open_connection("127.0.0.1", 8402)
        writer.write(b"POST / HTT")
        answer = await reader.read()
        writer.close()
        return answer

    assert b"request_timeout" in loop.run_until_complete(main())
    assert 10 <= loop.time() < 10.1


def test_there_is_a_bound_to_connections(loop: VirtualLoop) -> None:
    async def main() -> bytes:
        server = await listen(fine, most=1)
        first = await asyncio.open_connection("127.0.0.1", 8402)
        reader, writer = await asyncio.open_connection("127.0.0.1", 8402)
        answer = await reader.read()
        writer.close()
        first[1].close()
        await asyncio.sleep(1)
        assert server.capacity.taken == 0
        return answer

    assert b"too_many_connections" in loop.run_until_complete(main())


def test_the_edge_hears_that_a_client_has_left(loop: VirtualLoop) -> None:
    left = asyncio.Event()

    async def main() -> None:
        async def waits(request: web.BaseRequest) -> web.StreamResponse:
            server.when_gone(request, left)
            await asyncio.Event().wait()
            raise AssertionError

        server = await listen(waits)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=3)) as session:
            with pytest.raises(TimeoutError):
                await session.get(URL)
        await left.wait()

    loop.run_until_complete(main())
    assert 3 < loop.time() < 3.1


@pytest.mark.parametrize(("reset", "error"), [(True, aiohttp.ClientOSError), (False, aiohttp.ServerDisconnectedError)])
def test_the_edge_breaks_connections(loop: VirtualLoop, reset: bool, error: type[Exception]) -> None:
    async def breaks(request: web.BaseRequest) -> web.StreamResponse:
        break_connection(request.transport, reset=reset)
        raise ConnectionError

    async def main() -> None:
        await listen(breaks)
        async with aiohttp.ClientSession() as session:
            with pytest.raises(error):
                await session.post(URL)

    loop.run_until_complete(main())


def courier_sends(loop: VirtualLoop, handler: Any, at_sent: Any = None) -> Sent:
    """As the gateway's host does, to a shop that answers by `handler`."""
    gateway, shop = Incarnation(loop, "gateway"), Incarnation(loop, "shop")

    async def send() -> Sent:
        courier = Courier(frozenset())
        try:
            return await courier.send(URL, Message({"webhook-id": "msg_1"}, b'{"n": 1}'), 15.0, at_sent)
        finally:
            await courier.close()

    async def main() -> Sent:
        await shop.spawn(listen(handler))
        return await gateway.spawn(send())

    return loop.run_until_complete(main())


def test_the_courier_delivers(loop: VirtualLoop) -> None:
    assert courier_sends(loop, fine) == Sent(200, '{"fine": true, "request_id": "req_1"}')


def test_the_courier_waits_as_long_as_it_is_told(loop: VirtualLoop) -> None:
    async def never(request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    assert courier_sends(loop, never) == Sent(error="no answer within 15 s")
    assert 15 <= loop.time() < 15.1


def test_the_courier_tells_that_nobody_listens(loop: VirtualLoop) -> None:
    async def main() -> Sent:
        courier = Courier(frozenset())
        sent = await courier.send(URL, Message({}, b"{}"), 15.0)
        await courier.close()
        return sent

    error = loop.run_until_complete(main()).error
    assert error is not None
    assert "127.0.0.1:8402" in error


def test_a_fault_holds_the_courier_between_writing_and_reading(loop: VirtualLoop) -> None:
    arrived: list[float] = []

    async def note(request: web.BaseRequest) -> web.Response:
        await request.read()
        arrived.append(loop.time())
        return web.Response(status=204)

    async def hold() -> None:
        await asyncio.sleep(5)

    assert courier_sends(loop, note, hold) == Sent(204)
    assert arrived[0] < 1
    assert 5 <= loop.time() < 6


@pytest.mark.parametrize("reset", [True, False])
def test_a_fault_cuts_the_courier_with_or_without_a_reset(loop: VirtualLoop, reset: bool) -> None:
    lost: list[Any] = []

    class Shop(asyncio.Protocol):
        def eof_received(self) -> None:
            lost.append("eof")

        def connection_lost(self, error: Exception | None) -> None:
            lost.append(type(error))

    async def cut() -> None:
        await asyncio.sleep(1)
        raise Cut(reset=reset)

    async def main() -> None:
        await loop.create_server(Shop, "127.0.0.1", 8402)
        courier = Courier(frozenset())
        with pytest.raises(Cut):
            await courier.send(URL, Message({}, b"{}"), 15.0, cut)
        await asyncio.sleep(1)
        await courier.close()

    loop.run_until_complete(main())
    assert lost == ([ConnectionResetError] if reset else ["eof", type(None)])
