"""`make bench`: what a simulated world costs, in processor time. aiohttp's server and client in one process, over memory and
virtual time, and over loopback; and whole checkouts, each a fresh gateway, a fresh merchant, an order paid and a verdict.

Figures are ratios to a named baseline of the same run. Runs take turns, and the best of each is quoted, since only
disturbances make one slower.
"""

import asyncio
import gc
import sys
import time
from typing import Any

import aiohttp
from aiohttp import web

from gatecrash import resources
from gatecrash.harness import story
from gatecrash.harness.explore.fault import Fault
from gatecrash.harness.worlds.simulated import network, player
from gatecrash.harness.worlds.simulated.loop import VirtualLoop

REQUESTS, ROUNDS = 3000, 5
STORY, WORLDS = "happy-path", 100


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
    checkouts()


def checkouts() -> None:
    """Whole worlds, without a fault and with each single one. A player takes its process over, so this comes last."""
    found = next(each for each in story.load_all() if each.name == STORY)
    playing = player.make(str(resources.reference_merchant() / "merchant.toml"), {STORY: str(found.path)})

    def told(line: str) -> None:
        print(line, file=sys.__stdout__)

    def worlds_a_second(schedules: list[tuple[Fault, ...]]) -> float:
        gc.collect()
        began = time.process_time()
        for schedule in schedules:
            assert not playing.play(STORY, schedule).violations, "a figure of a shop that fails is none"
        return len(schedules) / (time.process_time() - began)

    try:
        reached = playing.play(STORY, ()).reached
        singles = [(Fault(point.label, point.occurrence, kind),) for point in reached for kind in point.kinds]
        rounds = [(measured(True, VirtualLoop), worlds_a_second([()] * WORLDS), worlds_a_second(singles)) for _ in range(ROUNDS)]
        exchanges, whole, struck = (max(column) for column in zip(*rounds, strict=True))
        told(f"bare exchanges in memory, in the same process: {exchanges:,.0f}/s, the baseline of what follows")
        told(f"whole checkouts ({STORY}): {whole:,.0f}/s per core; one costs as much as {exchanges / whole:.1f} bare exchanges")
        told(f"its {len(singles)} schedules of one fault: {struck:,.0f}/s per core, {exchanges / struck:.1f} bare exchanges each")
    finally:
        playing.close()


if __name__ == "__main__":
    main()
