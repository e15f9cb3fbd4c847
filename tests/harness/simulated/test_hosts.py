"""Lives and deaths of hosts: the dead do nothing, and leave nothing."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gatecrash.harness.worlds.simulated.hosts import HOST, Crashed, Incarnation, current
from gatecrash.harness.worlds.simulated.loop import VirtualLoop
from gatecrash.harness.worlds.simulated.messages import Kind, Message


def test_whatever_a_host_starts_is_its_own(loop: VirtualLoop) -> None:
    shop = Incarnation(loop, "shop")
    owners: list[Incarnation | None] = []

    async def child() -> None:
        owners.append(current())

    async def main() -> None:
        loop.call_later(1, lambda: owners.append(HOST.get()))
        await asyncio.create_task(child())
        await asyncio.to_thread(lambda: owners.append(HOST.get()))
        await asyncio.sleep(2)

    loop.run_until_complete(shop.spawn(main()))
    assert owners == [shop, shop, shop]
    assert current() is None
    assert shop.run(current) is shop


def test_a_dead_host_runs_no_more(loop: VirtualLoop) -> None:
    shop = Incarnation(loop, "shop")
    done: list[str] = []

    async def work() -> None:
        loop.call_soon(done.append, "a callback")
        loop.call_later(1, done.append, "a timer")
        try:
            await asyncio.sleep(5)
        finally:
            done.append("finally")

    async def main() -> None:
        shop.spawn(work())
        waiting = loop.create_future()
        shop.run(lambda: waiting.add_done_callback(lambda _: done.append("told of a future")))
        await asyncio.sleep(0)
        shop.kill()
        waiting.set_result(None)
        await asyncio.sleep(60)

    loop.run_until_complete(main())
    assert done == []


def test_the_timers_of_the_dead_neither_count_nor_move_time(loop: VirtualLoop) -> None:
    shop = Incarnation(loop, "shop")
    shop.run(loop.call_later, 3600, print)
    assert len(loop.pending()) == 1
    shop.kill()
    assert loop.pending() == []
    loop.run_until_complete(asyncio.sleep(1))
    assert loop.time() == 1


def test_who_dies_in_its_own_stack_unwinds_it_without_effect(loop: VirtualLoop) -> None:
    shop = Incarnation(loop, "shop")
    complaints: list[Any] = []
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    received: list[bytes] = []

    class Peer(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            received.append(data)

    async def work() -> None:
        transport, _ = await loop.create_connection(asyncio.Protocol, "127.0.0.1", 80)
        transport.write(b"before ")
        try:
            shop.kill()
            shop.check()
        except Exception:  # a shop that catches everything does not catch this
            transport.write(b"after")
        finally:
            transport.write(b"finally")
            loop.call_later(0, received.append, b"later")
            with pytest.raises(Crashed):
                shop.spawn(asyncio.sleep(0))

    async def main() -> None:
        await loop.create_server(Peer, "127.0.0.1", 80)
        shop.spawn(work())
        await asyncio.sleep(10)
        shop.bury()

    loop.run_until_complete(main())
    gc.collect()
    assert (received, complaints) == ([b"before "], [])


def test_dying_at_a_send_sends_nothing(loop: VirtualLoop) -> None:
    shop = Incarnation(loop, "shop")
    received: list[Any] = []

    def crash_before_data(message: Message) -> None:
        if message.kind is Kind.DATA:
            shop.kill()
            shop.check()

    class Peer(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            received.append(data)

        def connection_lost(self, error: Exception | None) -> None:
            received.append(type(error))

    async def work() -> None:
        transport, _ = await loop.create_connection(asyncio.Protocol, "127.0.0.1", 80)
        transport.write(b"never")
        received.append("after")

    async def main() -> None:
        await loop.create_server(Peer, "127.0.0.1", 80)
        loop.network.faults = crash_before_data
        shop.spawn(work())
        await asyncio.sleep(10)

    loop.run_until_complete(main())
    assert received == [ConnectionResetError]


def test_the_dead_cannot_connect_or_listen(loop: VirtualLoop) -> None:
    shop = Incarnation(loop, "shop")
    refused: list[str] = []

    async def work() -> None:
        shop.kill()
        for ask in (loop.create_server, loop.create_connection):
            try:
                await ask(asyncio.Protocol, "127.0.0.1", 80)
            except Crashed:
                refused.append(ask.__name__)

    async def main() -> None:
        shop.spawn(work())
        await asyncio.sleep(1)
        with pytest.raises(Crashed, match="shop has crashed"):
            shop.check()

    loop.run_until_complete(main())
    assert refused == ["create_server", "create_connection"]


def test_who_waits_for_a_task_of_the_buried_is_told_that_it_is_over(loop: VirtualLoop) -> None:
    shop = Incarnation(loop, "shop")

    async def main() -> None:
        waiting = shop.spawn(asyncio.Event().wait())
        loop.call_later(1, shop.bury)
        with pytest.raises(asyncio.CancelledError):
            await waiting

    loop.run_until_complete(main())
    assert loop.time() == 1


def test_death_is_told_once_in_the_order_asked_for(loop: VirtualLoop) -> None:
    shop, told = Incarnation(loop, "shop"), []
    shop.on_death += [lambda: told.append(1), lambda: told.append(2)]
    shop.kill()
    shop.kill()
    assert told == [1, 2]
    assert repr(shop) == "<shop #1, dead>"


def test_a_host_that_ends_itself_is_dead_and_the_world_goes_on(loop: VirtualLoop) -> None:
    shop = Incarnation(loop, "shop")

    async def leave() -> None:
        raise SystemExit(3)

    async def main() -> None:
        shop.spawn(leave())
        await asyncio.sleep(1)

    loop.run_until_complete(main())
    assert (shop.alive, shop.exit_code) == (False, 3)


def test_the_buried_leave_nothing_and_say_nothing(loop: VirtualLoop, capfd: pytest.CaptureFixture[str]) -> None:
    shop, effects = Incarnation(loop, "shop"), []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            await asyncio.sleep(1)
            effects.append("the generator went on")

    async def stubborn() -> None:
        generator = numbers()
        await anext(generator)
        async with aiohttp.ClientSession() as session:
            try:
                await session.get("http://127.0.0.1:80/")
            finally:
                print("printed")
                logging.getLogger("shop").error("logged")
                try:
                    await asyncio.sleep(1)
                finally:
                    loop.call_soon(effects.append, "scheduled")
                    asyncio.ensure_future(asyncio.sleep(1)).cancel()
                    await asyncio.sleep(2)
                    effects.append("it went on")

    async def fails() -> None:
        raise ValueError("nobody asked")

    async def never_answers(request: web.BaseRequest) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async def main() -> None:
        runner = web.ServerRunner(web.Server(never_answers))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 80).start()
        for each in (stubborn(), fails()):
            shop.spawn(each)
        await asyncio.sleep(1)
        shop.kill()
        assert loop.tasks(shop) != []
        shop.bury()
        gc.collect()
        assert loop.tasks(shop) == []
        await asyncio.sleep(10)
        await runner.cleanup()

    loop.run_until_complete(main())
    gc.collect()
    assert effects == []
    assert capfd.readouterr() == ("", "")


def test_a_task_that_never_began_is_buried_too(loop: VirtualLoop, recwarn: pytest.WarningsRecorder) -> None:
    shop, began = Incarnation(loop, "shop"), []

    async def work() -> None:
        began.append(1)

    async def main() -> None:
        shop.spawn(work())
        shop.bury()
        await asyncio.sleep(1)

    loop.run_until_complete(main())
    gc.collect()
    assert (began, [str(each.message) for each in recwarn]) == ([], [])
