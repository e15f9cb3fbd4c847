"""aiohttp on both sides, as it is, over the network in memory."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gatecrash.harness.worlds.simulated.hosts import Incarnation
from gatecrash.harness.worlds.simulated.loop import VirtualLoop

Main = Callable[[aiohttp.ClientSession], Coroutine[Any, Any, Any]]
URL = "http://127.0.0.1:8402/"
Answering = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


async def echo(request: web.BaseRequest) -> web.Response:
    assert request.transport is not None
    return web.json_response({"got": await request.json(), "peer": request.transport.get_extra_info("peername")})


async def serve(answering: Answering, port: int = 8402) -> None:
    runner = web.ServerRunner(web.Server(answering))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()


def play(loop: VirtualLoop, main: Main, answering: Answering = echo) -> Any:
    """A shop answers, the harness asks; then the shop is buried."""
    shop = Incarnation(loop, "shop")

    async def story() -> Any:
        await shop.spawn(serve(answering))
        async with aiohttp.ClientSession() as session:
            return await main(session)

    try:
        return loop.run_until_complete(story())
    finally:
        shop.bury()


def test_requests_share_a_connection(loop: VirtualLoop) -> None:
    async def main(session: aiohttp.ClientSession) -> list[Any]:
        answers = []
        for number in range(3):
            async with session.post(URL, json={"n": number}) as answer:
                answers.append(await answer.json())
        return answers

    answers = play(loop, main)
    assert [answer["got"]["n"] for answer in answers] == [0, 1, 2]
    assert len({tuple(answer["peer"]) for answer in answers}) == 1
    assert 0 < loop.time() < 1


def test_each_request_may_have_its_connection(loop: VirtualLoop) -> None:
    async def main(_: aiohttp.ClientSession) -> list[Any]:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
            answers = []
            for number in range(3):
                async with session.post(URL, json={"n": number}) as answer:
                    answers.append(await answer.json())
            return answers

    assert len({tuple(answer["peer"]) for answer in play(loop, main)}) == 3


def test_many_requests_at_once(loop: VirtualLoop) -> None:
    async def main(session: aiohttp.ClientSession) -> set[int]:
        async def one(number: int) -> int:
            async with session.post(URL, json={"n": number}) as answer:
                return int((await answer.json())["got"]["n"])

        return set(await asyncio.gather(*(one(number) for number in range(50))))

    assert play(loop, main) == set(range(50))


def test_bodies_may_be_chunked_and_large_both_ways(loop: VirtualLoop) -> None:
    body = bytes(range(256)) * 4096

    async def answering(request: web.BaseRequest) -> web.StreamResponse:
        assert request.headers["Transfer-Encoding"] == "chunked"
        answer = web.StreamResponse()
        await answer.prepare(request)
        async for chunk in request.content.iter_any():
            await answer.write(chunk)
        await answer.write_eof()
        return answer

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 10_000):
            yield body[start : start + 10_000]

    async def main(session: aiohttp.ClientSession) -> bytes:
        async with session.post(URL, data=pieces()) as answer:
            return await answer.read()

    assert play(loop, main, answering) == body


def test_timeouts_of_a_client_strike_in_virtual_time(loop: VirtualLoop) -> None:
    async def answering(request: web.BaseRequest) -> web.Response:
        await asyncio.sleep(3600)
        return web.Response()

    async def main(session: aiohttp.ClientSession) -> None:
        for timeout in (aiohttp.ClientTimeout(total=2), aiohttp.ClientTimeout(total=None, sock_read=2)):
            before = loop.time()
            with pytest.raises(TimeoutError):
                await session.get(URL, timeout=timeout)
            assert 2 <= loop.time() - before < 2.1

    play(loop, main, answering)


def test_a_server_hears_that_its_client_has_left(loop: VirtualLoop) -> None:
    left: list[float] = []

    async def answering(request: web.BaseRequest) -> web.Response:
        while request.transport is not None:  # noqa: ASYNC110 — time is virtual
            await asyncio.sleep(0.5)
        left.append(loop.time())
        return web.Response()

    async def main(session: aiohttp.ClientSession) -> None:
        with pytest.raises(TimeoutError):
            await session.get(URL, timeout=aiohttp.ClientTimeout(total=2))
        await asyncio.sleep(10)

    play(loop, main, answering)
    (when,) = left
    assert 2 < when < 3


def test_where_nobody_listens_connections_are_refused(loop: VirtualLoop) -> None:
    async def main(session: aiohttp.ClientSession) -> None:
        with pytest.raises(aiohttp.ClientConnectorError) as raised:
            await session.get("http://127.0.0.1:1/")
        assert isinstance(raised.value.os_error, ConnectionRefusedError)

    play(loop, main)


def test_a_killed_server_resets_and_refuses_and_its_successor_answers(loop: VirtualLoop) -> None:
    first = Incarnation(loop, "shop", 1)

    async def never(request: web.BaseRequest) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async def main() -> Any:
        await first.spawn(serve(never))
        async with aiohttp.ClientSession() as session:
            asking = asyncio.create_task(session.post(URL, json={}))
            await asyncio.sleep(1)
            before = loop.time()
            first.kill()
            with pytest.raises(aiohttp.ClientOSError, match="reset by peer"):
                await asking
            assert loop.time() - before < 0.01
            with pytest.raises(aiohttp.ClientConnectorError):
                await session.post(URL, json={})
            first.bury()
            second = Incarnation(loop, "shop", 2)
            await second.spawn(serve(echo))
            async with session.post(URL, json={"n": 2}) as answer:
                return (await answer.json())["got"]

    assert loop.run_until_complete(main()) == {"n": 2}
