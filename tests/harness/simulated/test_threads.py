"""What works in threads elsewhere works on the loop here."""

import asyncio
import sqlite3
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import anyio.from_thread
import anyio.to_thread
import pytest

from gatecrash.harness.worlds.simulated import databases, guard, threads
from gatecrash.harness.worlds.simulated.hosts import Incarnation
from gatecrash.harness.worlds.simulated.loop import VirtualLoop

aiosqlite: Any = pytest.importorskip("aiosqlite")


class Lives:
    """A host that dies at one of its effects."""

    def __init__(self, loop: VirtualLoop, scratch: Path) -> None:
        self.loop = loop
        self.file = scratch / "shop.db"
        self.effects = 0
        self.fatal: int | None = None
        self.databases = databases.install(self._effect, scratch)
        self.life = Incarnation(loop, "merchant")

    def _effect(self, incarnation: Incarnation, _: sqlite3.Connection) -> None:
        assert asyncio.get_running_loop() is self.loop
        self.effects += 1
        if self.effects == self.fatal:
            incarnation.kill()

    def run(self, coroutine: Coroutine[Any, Any, Any], for_s: float = 100) -> Any:
        """What it returned; None if its host died."""

        async def watch() -> Any:
            task = self.life.spawn(coroutine)
            await asyncio.wait({task}, timeout=for_s)
            return task.result() if task.done() else None

        return self.loop.run_until_complete(watch())


@pytest.fixture
def shop(loop: VirtualLoop, tmp_path: Path) -> Iterator[Lives]:
    shop = Lives(loop, tmp_path)
    yield shop
    shop.life.bury()
    databases.uninstall()
    guard.forget()


async def filled(path: Path) -> list[Any]:
    async with aiosqlite.connect(path) as connection:
        await connection.execute("CREATE TABLE t (n)")
        async with connection.cursor() as cursor:
            await cursor.executemany("INSERT INTO t VALUES (?)", [(1,), (2,)])
        await connection.commit()
        connection.row_factory = sqlite3.Row
        async with connection.execute("SELECT n FROM t") as cursor:
            rows = [row["n"] async for row in cursor]
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            await connection.execute("SELECT * FROM nowhere")
        return rows


def test_aiosqlite_runs_without_a_thread_and_its_commits_are_effects(shop: Lives) -> None:
    before = threading.active_count()
    assert shop.run(filled(shop.file)) == [1, 2]
    assert threading.active_count() == before
    assert shop.effects == 2  # the table, which Python's sqlite3 commits by itself, and the rows
    assert [row[2:] for row in databases.rows()] == [(1,), (2,)]


def test_a_crash_at_a_commit_of_aiosqlite_leaves_nothing_of_it(shop: Lives) -> None:
    shop.fatal = 2
    assert shop.run(filled(shop.file)) is None
    assert list(databases.rows()) == []


def test_two_tasks_take_turns_between_calls_of_aiosqlite(shop: Lives) -> None:
    seen: list[str] = []

    async def read(connection: Any, name: str) -> None:
        for _ in range(2):
            await connection.execute("SELECT 1")
            seen.append(name)

    async def main() -> None:
        async with aiosqlite.connect(shop.file) as connection:
            await asyncio.gather(read(connection, "a"), read(connection, "b"))

    shop.run(main())
    assert seen == ["a", "b", "a", "b"]


def test_aiosqlite_waits_for_a_lock_in_virtual_time(shop: Lives) -> None:
    async def hold(connection: Any, seconds: float) -> None:
        await connection.execute("INSERT INTO t VALUES (1)")
        await asyncio.sleep(seconds)
        await connection.commit()

    async def late(connection: Any) -> float:
        await asyncio.sleep(1)
        await connection.execute("INSERT INTO t VALUES (2)")
        await connection.commit()
        return shop.loop.time()

    async def main(seconds: float) -> float:
        async with aiosqlite.connect(shop.file, timeout=3) as one, aiosqlite.connect(shop.file, timeout=3) as two:
            await one.execute("CREATE TABLE IF NOT EXISTS t (n)")
            _, at = await asyncio.gather(hold(one, seconds), late(two))
            return at

    assert 2 <= shop.run(main(2)) < 2.2
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        shop.run(main(10))


def test_anyio_runs_a_plain_function_as_a_thread_would(loop: VirtualLoop) -> None:
    threads.inline_anyio()

    def plain(number: int) -> int:
        with pytest.raises(RuntimeError):
            asyncio.get_running_loop()
        return number + 1

    async def main() -> None:
        before = threading.active_count()
        assert await anyio.to_thread.run_sync(plain, 1) == 2
        assert await asyncio.to_thread(plain, 2) == 3
        with pytest.raises(ZeroDivisionError):
            await anyio.to_thread.run_sync(lambda: 1 // 0)
        with pytest.raises(guard.CannotSimulate, match="from_thread"):
            await anyio.to_thread.run_sync(lambda: anyio.from_thread.run(asyncio.sleep, 0))
        assert threading.active_count() == before

    try:
        loop.run_until_complete(main())
    finally:
        threads.uninstall()
        guard.forget()
