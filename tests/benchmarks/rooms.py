"""`python -m tests.benchmarks.rooms`: what a sandbox costs, and what those who hold connections cost the others.

A durable gateway process. Resets, snapshots and restores of one sandbox, alone and with 10,000 objects in others; the cost of a
sandbox of one's own for a test; memory and the next start with 10,000 sandboxes; a charge's latency with 1,000 idle connections.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp

from tests.benchmarks.__main__ import Server
from tests.support.cards import card

OBJECTS, SANDBOXES, IDLE, TIMES = 10_000, 10_000, 1_000, 60


class Caller:
    """Calls as a sandbox."""

    def __init__(self, http: aiohttp.ClientSession, url: str, name: str) -> None:
        self.http, self.url, self.name = http, url, name

    async def call(self, method: str, path: str, body: Any = None, kind: str = "sk") -> Any:
        headers = {"Authorization": f"Bearer {kind}_test_{self.name}"}
        async with self.http.request(method, self.url + path, json=body, headers=headers) as answer:
            told = await answer.json()
            assert answer.status < 300, told
            return told

    async def nonce(self) -> str:
        return str((await self.call("POST", "/v1/tokens", {"card": card()}, kind="pk"))["id"])

    async def charge(self) -> None:
        await self.call("POST", "/v1/charges", {"amount": 4200, "currency": "usd", "payment_nonce": await self.nonce()})


async def milliseconds(work: Callable[[int], Awaitable[Any]], times: int = TIMES) -> list[float]:
    """How long each took, one after another."""
    took = []
    for number in range(times):
        began = time.perf_counter()
        await work(number)
        took.append((time.perf_counter() - began) * 1000)
    return sorted(took)


def show(what: str, took: list[float]) -> None:
    print(f"{what:72}{statistics.median(took):>9.2f}{took[int(len(took) * 0.95)]:>9.2f}")


async def each(count: int, work: Callable[[int], Awaitable[Any]], at_once: int = 16) -> None:
    numbers = iter(range(count))

    async def one_after_another() -> None:
        for number in numbers:
            await work(number)

    await asyncio.gather(*(one_after_another() for _ in range(at_once)))


async def sandboxes(http: aiohttp.ClientSession, server: Server) -> None:
    mine = Caller(http, server.url, "mine")

    async def reset(number: int) -> None:
        await mine.call("POST", "/_gatecrash/reset")

    async def life(number: int) -> None:
        one = Caller(http, server.url, f"life-{number}")
        await one.call("POST", "/_gatecrash/sandboxes", {"seed": "7"})
        await one.call("DELETE", f"/_gatecrash/sandboxes/life-{number}")

    async def snapshot(number: int) -> None:
        await mine.call("POST", "/_gatecrash/sandboxes/mine/snapshot")

    async def restore(number: int) -> None:
        await mine.call("POST", "/_gatecrash/sandboxes/mine/restore")

    async def measure(where: str) -> None:
        for _ in range(10):
            await mine.charge()
        await snapshot(0)
        resets = []
        for _ in range(TIMES):
            await restore(0)
            resets += await milliseconds(reset, 1)
        show(f"reset a sandbox of 10 charges, {where}", sorted(resets))
        await restore(0)
        show(f"take a snapshot of it, {where}", await milliseconds(snapshot))
        show(f"restore it, {where}", await milliseconds(restore))
        show(f"make a sandbox and remove it, {where}", await milliseconds(life))

    await measure("nobody else there")
    others = [Caller(http, server.url, f"other-{number}") for number in range(10)]
    await each(OBJECTS // 4, lambda number: others[number % 10].charge())  # a charge is a nonce, an event and a transfer too
    await measure(f"{OBJECTS:,} objects elsewhere")

    before = server.memory_mib()
    await each(SANDBOXES, lambda number: Caller(http, server.url, f"many-{number}").call("GET", "/v1/charges"))
    grown = server.memory_mib() - before
    print(f"memory of {SANDBOXES:,} more sandboxes: {grown:.0f} MiB, {grown * 1024 / SANDBOXES:.1f} KiB each")
    await measure(f"{SANDBOXES:,} sandboxes there")


async def idle_connections(http: aiohttp.ClientSession, server: Server) -> None:
    one = Caller(http, server.url, "idle")

    async def charge(number: int) -> None:
        await one.charge()

    alone, among = [], []
    before = server.memory_mib()
    for _ in range(3):  # by turns, so that a machine whose speed drifts spoils no ratio
        alone.append(statistics.median(await milliseconds(charge)))
        held = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(IDLE)]
        among.append(statistics.median(await milliseconds(charge)))
        grown = server.memory_mib() - before
        for _, writer in held:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for _, writer in held))
    ratios = sorted(with_them / without for with_them, without in zip(among, alone, strict=True))
    waited, among_them = statistics.median(alone), statistics.median(among)
    print(f"a nonce and a charge: {waited:.2f} ms; with {IDLE:,} idle connections {among_them:.2f} ms")
    print(f"  ratio {ratios[1]:.2f} ({ratios[0]:.2f}–{ratios[2]:.2f})")
    print(f"  memory: {grown:.0f} MiB more, {grown * 1024 / IDLE:.1f} KiB a connection")


async def run(folder: Path) -> None:
    async with aiohttp.ClientSession() as http:
        print(f"{'milliseconds':72}{'median':>9}{'p95':>9}")
        server = Server(folder)
        try:
            await idle_connections(http, server)
            await sandboxes(http, server)
        finally:
            server.stop()
        (folder / "urls.json").unlink()
        again = Server(folder)
        print(f"start to ready with {SANDBOXES:,} sandboxes: {again.ready_s:.2f} s, {again.memory_mib():.0f} MiB")
        again.stop()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="gatecrash-bench-") as made:
        sys.exit(asyncio.run(run(Path(made))))
