"""The same seed is the same world, byte by byte, in whatever process; and worlds leave nothing to those that follow."""

import pytest

from tests.support.fresh import printed_by

# two hosts, crossing requests, a timeout, a crash and a restart; everything that travels is written down
WORLD = """
    import asyncio, hashlib, sys
    import aiohttp
    from aiohttp import web
    from gatecrash.harness.worlds.simulated import clock, entropy, network
    from gatecrash.harness.worlds.simulated.hosts import Incarnation
    from gatecrash.harness.worlds.simulated.loop import VirtualLoop
    from gatecrash.server.http import Capacity, HttpServer

    def play(seed):
        global loop
        loop = VirtualLoop(seed)
        entropy.reseed(seed)
        trace = []
        loop.network.heard = lambda when, message, fate: trace.append(f"{when!r} {message!r}")
        shop, bank = Incarnation(loop, "shop"), Incarnation(loop, "bank")

        async def answer(request):
            body = await request.json()
            await asyncio.sleep(0.01 * body["n"])
            return web.json_response({"n": body["n"]})

        async def serve(port):
            runner = web.ServerRunner(HttpServer(answer, lambda refused, request: web.Response(status=500), Capacity(100), 10.0))
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", port).start()

        async def ask(session, number):
            try:
                async with session.post("http://localhost:8402/", json={"n": number}) as reply:
                    return await reply.json()
            except (aiohttp.ClientError, TimeoutError) as error:
                return type(error).__name__

        async def shopping():
            timeout = aiohttp.ClientTimeout(total=0.5)
            async with aiohttp.ClientSession(timeout=timeout) as session:
                first = await asyncio.gather(*(ask(session, number) for number in (1, 9, 3, 80, 2)))
                tasks = {asyncio.ensure_future(ask(session, number)) for number in range(20, 40)}
                done, pending = await asyncio.wait(tasks, timeout=0.3)
                for task in pending:
                    task.cancel()
                await asyncio.sleep(5)
                return first, [await task for task in done], [await ask(session, number) for number in (1, 2, 3)]

        async def main():
            global bank
            bank = Incarnation(loop, "bank")
            await bank.spawn(serve(8402))
            loop.call_at(5.803, bank.kill)
            told = await shop.spawn(shopping())
            bank.bury()
            return told

        trace.append(repr(loop.run_until_complete(main())))
        loop.close()
        return trace

    network.install()
    loop = VirtualLoop()
    clock.install(lambda: loop.time())
    entropy.install(0)
"""


@pytest.fixture(scope="module")
def trace() -> str:
    return printed_by(f"{WORLD}\n    print(*play(7), sep='\\n')", PYTHONHASHSEED="0")


def test_the_same_seed_is_the_same_world_in_every_process(trace: str) -> None:
    assert "ClientOSError" in trace or "ServerDisconnectedError" in trace or "ClientConnectorError" in trace
    assert "TimeoutError" in trace
    for hash_seed in ("1", "99", "random"):
        assert printed_by(f"{WORLD}\n    print(*play(7), sep='\\n')", PYTHONHASHSEED=hash_seed) == trace


def test_a_world_does_not_depend_on_those_before_it(trace: str) -> None:
    code = f"{WORLD}\n    for seed in (1, 2, 7, 3): play(seed)\n    print(*play(7), sep='\\n')"
    assert printed_by(code, PYTHONHASHSEED="3") == trace


def test_another_seed_is_another_world(trace: str) -> None:
    assert printed_by(f"{WORLD}\n    print(*play(8), sep='\\n')", PYTHONHASHSEED="0") != trace


def test_a_thousand_worlds_leave_nothing_behind() -> None:
    """Objects are counted, not seconds: what grows gets slow. Garbage is collected by hand, as whoever plays many worlds does."""
    code = f"""{WORLD}
    import gc
    from contextlib import suppress

    def small(seed):
        global loop
        loop = VirtualLoop(seed)
        shop, abandoned = Incarnation(loop, "shop"), Incarnation(loop, "abandoned")

        async def answer(request):
            if request.path == "/never":
                await asyncio.Event().wait()
            return web.Response(text="fine")

        async def serve():
            runner = web.ServerRunner(web.Server(answer))
            await runner.setup()
            await web.TCPSite(runner, "127.0.0.1", 80).start()

        async def ask():
            session = aiohttp.ClientSession()
            async with session.get("http://127.0.0.1/") as reply:
                assert reply.status == 200
            await session.get("http://127.0.0.1/never")

        async def main():
            await shop.spawn(serve())
            asking = [host.spawn(ask()) for host in (shop, abandoned) for _ in range(2)]
            await asyncio.sleep(1)
            shop.kill()
            shop.bury()
            await asyncio.sleep(seed % 3)

        loop.run_until_complete(main())
        loop.close()

    def objects_after(worlds):
        for seed in range(worlds):
            small(seed)
            if seed % 50 == 0:
                gc.collect()
        gc.collect()
        return len(gc.get_objects())

    gc.disable()
    before = objects_after(100)
    print(objects_after(1000) - before)
    """
    assert int(printed_by(code)) < 100
