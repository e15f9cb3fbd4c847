"""What is done to the whole of a large sandbox is done in slices: no commit grows with it, others are served in between, and a
crash after any commit leaves the old or the new.
"""

import asyncio
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio

from gatecrash.server.gateway import Gateway
from gatecrash.server.journal import PAGE_ROWS
from gatecrash.store.interface import StoreTransaction
from gatecrash.store.lives import SLICE
from tests.server.large import CHARGES, NAME, Watch, act, add_charges, charges, gateway_over, leftovers, swept
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio

ROOT = Path(__file__).parents[2]
# what a commit writes beside a slice: rows of sandboxes, snapshots and lives, and what is buffered of journals
BESIDE = 20


@pytest_asyncio.fixture
async def large(tmp_path: Path) -> AsyncIterator[Gateway]:
    gateway = gateway_over(str(tmp_path / "db"))
    await gateway.start()
    await add_charges(gateway, CHARGES)
    yield gateway
    await gateway.close()


def copied(database: Path, to: Path) -> str:
    """The path of a copy of a database that nobody has open."""
    to.mkdir()
    for name in database.parent.glob(f"{database.name}*"):
        shutil.copy(name, to)
    return str(to / database.name)


@pytest.mark.parametrize("what", ["snapshot", "restore", "reset", "remove"])
async def test_no_commit_grows_with_the_sandbox(large: Gateway, what: str) -> None:
    if what != "snapshot":
        await act(large, "snapshot")
    watch = Watch(large)
    await act(large, what)
    await swept(large)
    assert max(watch.rows) <= SLICE + BESIDE
    assert len(watch.rows) >= CHARGES // SLICE
    assert await charges(large) == (CHARGES if what in ("snapshot", "restore") else 0)


async def test_all_copies_of_one_commit_share_one_slice(large: Gateway) -> None:
    names = [f"large-{number}" for number in range(4)]
    for name in names:
        await add_charges(large, SLICE, name)
    watch = Watch(large)
    await asyncio.gather(*(large.snapshot(large.sandbox(name), "kept") for name in names))
    assert max(watch.rows) <= SLICE + BESIDE
    for name in names:
        await large.reset(large.sandbox(name))
        await large.restore(large.sandbox(name), "kept")
        assert await charges(large, name) >= SLICE


async def test_a_small_sandbox_is_kept_and_emptied_in_one_commit(large: Gateway) -> None:
    small = large.sandbox("small")
    await large.run(small, lambda ctx: None)
    watch = Watch(large)
    await large.snapshot(small, "kept")
    await large.reset(small)
    assert len(watch.rows) == 2
    assert leftovers(large) == 0


@pytest.mark.parametrize("what", ["snapshot", "restore", "reset", "remove"])
async def test_other_sandboxes_are_served_between_two_slices(large: Gateway, what: str) -> None:
    if what != "snapshot":
        await act(large, "snapshot")
    other, served = large.sandbox("other"), 0
    watch = Watch(large)

    async def done() -> None:
        await act(large, what)
        await swept(large)

    task = asyncio.ensure_future(done())
    while not task.done():
        await large.run(other, lambda ctx: None)
        served += 1
    await task
    assert served >= CHARGES // SLICE
    assert served <= len(watch.rows), "each of them had a commit of its own, or shared one"


async def test_a_sandbox_waits_while_it_is_kept_and_what_waited_is_not_in_the_snapshot(large: Gateway) -> None:
    order = []

    async def keep() -> None:
        await act(large, "snapshot")
        order.append("kept")

    async def write() -> None:
        await add_charges(large, 1)
        order.append("written")

    watch = Watch(large)
    taken = asyncio.ensure_future(keep())
    await eventually(lambda: watch.rows)
    await asyncio.gather(taken, write())
    assert order == ["kept", "written"]
    length = large.sandbox(NAME).journal_length
    assert await charges(large) == CHARGES + 1
    await act(large, "restore")
    assert await charges(large) == CHARGES
    sandbox = large.sandbox(NAME)
    assert sandbox.journal_length == length - 1
    entries, has_more = await large.journal.read(sandbox, 0, 1000, None)
    assert (len(entries), has_more) == (length - 1, False)


async def test_a_restored_sandbox_goes_on_with_the_same_ids(large: Gateway) -> None:
    await act(large, "snapshot")
    made = []
    for _ in range(2):
        issued = large.sandbox(NAME).ids.issued
        await add_charges(large, 5)
        made.append((issued, large.sandbox(NAME).ids.new("txn")))
        await act(large, "restore")
    assert made[0] == made[1]


async def test_calls_about_one_sandbox_at_once_come_one_after_the_other(large: Gateway) -> None:
    await asyncio.gather(*(act(large, what) for what in ("snapshot", "restore", "snapshot", "reset", "restore")))
    assert await charges(large) == CHARGES
    await act(large, "reset")
    assert await charges(large) == 0
    await swept(large)


async def test_a_copy_that_fails_is_deleted_and_the_sandbox_goes_on(large: Gateway) -> None:
    class Full(Watch):
        def write(self, tx: object) -> None:
            if len(self.rows) == 2:
                self.rows.append(0)
                raise OSError(28, "No space left on device")
            super().write(tx)  # type: ignore[arg-type]

    Full(large)
    with pytest.raises(Exception, match="No space left"):
        await act(large, "snapshot")
    await swept(large)
    assert await large.snapshots(large.sandbox(NAME)) == []
    assert await charges(large) == CHARGES
    await act(large, "snapshot")
    assert len(await large.snapshots(large.sandbox(NAME))) == 1


async def test_a_rare_kind_is_looked_for_in_pages_and_others_are_served_between_them(large: Gateway) -> None:
    sandbox, other, rows, served = large.sandbox(NAME), large.sandbox("other"), 4 * PAGE_ROWS, 0

    def add(tx: StoreTransaction) -> None:
        for number in range(1, rows):
            tx.add_journal(-number, '[{"seq":0,"kind":"control"}]')

    await large.store.submit(NAME, add)
    large.journal.note(sandbox, "fault", {})
    reading = asyncio.ensure_future(large.journal.read(sandbox, -rows, 10, "fault"))
    while not reading.done():
        await large.run(other, lambda ctx: None)
        served += 1
    found, has_more = await reading
    assert [msgspec.json.decode(entry)["seq"] for entry in found] == [sandbox.journal_length]
    assert not has_more
    assert served >= rows // PAGE_ROWS


@pytest.mark.timeout(300)
@pytest.mark.parametrize("what", ["snapshot", "restore", "reset", "remove"])
async def test_a_kill_after_any_commit_leaves_the_old_or_the_new_and_nothing_else(
    large: Gateway, tmp_path: Path, what: str
) -> None:
    if what != "snapshot":
        await act(large, "snapshot")
    if what == "restore":
        await large.reset(large.sandbox(NAME))
        await add_charges(large, 300)
        await swept(large)
    await large.close()
    died, seen = 0, set()
    while True:
        path = copied(tmp_path / "db", tmp_path / f"after-{died}")
        arguments = ("-m", "tests.server.large", path, what, str(died + 1))
        process = await asyncio.create_subprocess_exec(sys.executable, *arguments, cwd=ROOT)
        code = await process.wait()
        assert code in (0, -signal.SIGKILL)
        again = gateway_over(path)
        await again.start()
        await swept(again)
        there = again.find_sandbox(NAME)
        kept = [] if there is None else await again.snapshots(there)
        holds = None if there is None else await charges(again)
        if kept:
            await act(again, "restore")
            assert await charges(again) == CHARGES
        seen.add((holds, len(kept)))
        await again.close()
        if code == 0:
            break
        died += 1
    assert died >= CHARGES // SLICE
    assert (
        seen
        <= {
            "snapshot": {(CHARGES, 0), (CHARGES, 1)},
            "restore": {(300, 1), (CHARGES, 1)},
            "reset": {(CHARGES, 1), (0, 1)},
            "remove": {(CHARGES, 1), (None, 0)},
        }[what]
    )
