"""`make bench`: aiohttp's server and client in one process, over memory and virtual time, and over loopback; requests a second of
processor time, as a ratio. Runs take turns, and the best of each is quoted, since only disturbances make one slower.
"""

import asyncio
import gc
import time
from typing import Any

import aiohttp
from aiohttp import web

from gatecrash.harness.worlds.simulated import network
from gatecrash.harness.worlds.simulated.loop import VirtualLoop

REQUESTS, ROUNDS = 3000, 5


async def answer(request: web.BaseRequest) -> web.Response:
    return web.json_response({"got": await request.json()})


async def requests_a_second(keep_alive: bool) -> float:
    runner = web.ServerRunner(web.Server(answer, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=not keep_alive)) as session:
        began = time.process_time()
        for number in range(REQUESTS):
            async with session.post(url, json={"n": number}) as reply:
                await reply.json()
        spent = time.process_time() - began
    await runner.cleanup()
    return REQUESTS / spent


def measured(keep_alive: bool, loop_factory: Any) -> float:
    gc.collect()
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(requests_a_second(keep_alive))


def main() -> None:
    network.install()
    for keep_alive, told in ((True, "keep-alive"), (False, "a connection per request")):
        rounds = [(measured(keep_alive, None), measured(keep_alive, VirtualLoop)) for _ in range(ROUNDS)]
        loopback, memory = (max(column) for column in zip(*rounds, strict=True))
        print(f"{told}: {memory:,.0f} requests/s in memory, {loopback:,.0f} over loopback: {memory / loopback:.1f} times as many")


if __name__ == "__main__":
    main()
