"""Commits in groups: jobs share a commit and nothing else."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gatecrash.core.records import Timer
from gatecrash.store.errors import StoreFailed, Unwritable
from gatecrash.store.sqlite import _GROUP_MAX, SqliteStore, SqliteTransaction
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio


def timer(name: str) -> Timer:
    return Timer(id=name, due_at=1, kind="charge.expires", ref="x" * 2000)


def add(name: str) -> Any:
    def work(tx: SqliteTransaction) -> str:
        tx.insert(timer(name))
        return name

    return work


def then_fail(name: str) -> Any:
    def work(tx: SqliteTransaction) -> None:
        tx.insert(timer(name))
        raise LookupError(name)

    return work


async def names(store: SqliteStore) -> list[str]:
    return [one.id for one in await store.submit("a", lambda tx: tx.find(Timer))]


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore(str(tmp_path / "db"))
    yield opened
    opened.close()


async def test_jobs_of_one_turn_of_the_loop_share_a_commit(store: SqliteStore) -> None:
    before = store.groups
    assert await asyncio.gather(*(store.submit("a", add(f"t{i}")) for i in range(50))) == [f"t{i}" for i in range(50)]
    assert store.groups == before + 1
    assert len(await names(store)) == 50


async def test_a_crowd_of_jobs_is_parted_into_groups_and_others_have_their_turn_in_between(store: SqliteStore) -> None:
    groups: list[int] = []

    def noting(name: str) -> Any:
        def work(tx: SqliteTransaction) -> None:
            groups.append(store.groups)
            tx.insert(timer(name))

        return work

    await asyncio.gather(*(store.submit("a", noting(f"t{i:04}")) for i in range(3 * _GROUP_MAX)))
    assert [groups.count(group) for group in sorted(set(groups))] == [_GROUP_MAX] * 3
    assert await names(store) == [f"t{i:04}" for i in range(3 * _GROUP_MAX)], "in the order in which they came"


async def test_a_job_that_fails_takes_no_other_with_it(store: SqliteStore) -> None:
    undone: list[str] = []
    outcomes = await asyncio.gather(
        store.submit("a", add("t1"), lambda: undone.append("t1")),
        store.submit("a", then_fail("t2"), lambda: undone.append("t2")),
        store.submit("a", add("t1"), lambda: undone.append("t1 again")),
        store.submit("a", add("t3"), lambda: undone.append("t3")),
        return_exceptions=True,
    )
    assert outcomes[0] == "t1"
    assert isinstance(outcomes[1], LookupError)
    assert isinstance(outcomes[2], sqlite3.IntegrityError)
    assert outcomes[3] == "t3"
    assert await names(store) == ["t1", "t3"]
    assert undone == ["t2", "t1 again"]


async def test_a_job_sees_what_earlier_jobs_of_its_group_did_and_nothing_of_those_that_failed(store: SqliteStore) -> None:
    first, failed, looked = (
        store.submit("a", add("t1")), store.submit("a", then_fail("t2")), store.submit("a", lambda tx: len(tx.find(Timer))),
    )  # fmt: skip
    assert await first == "t1"
    with pytest.raises(LookupError):
        await failed
    assert await looked == 1


async def test_undoing_inside_a_job_takes_back_what_it_wrote_and_lets_it_go_on(store: SqliteStore) -> None:
    def work(tx: SqliteTransaction) -> bool:
        tx.insert(timer("t1"))
        tx.undo()
        tx.put(timer("t2"))
        return tx.timers_changed

    assert await store.submit("a", work) is False
    assert await names(store) == ["t2"]


class Buffered:
    """Buffers a note for each sandbox; what is noted for those in `broken` cannot be written."""

    def __init__(self, *sandboxes: str, broken: str) -> None:
        self.waiting, self.broken, self.commits = dict.fromkeys(sandboxes, "note"), broken, 0

    def write(self, tx: Any) -> None:
        for sandbox, name in self.waiting.items():
            if sandbox == self.broken:
                raise Unwritable(sandbox, ValueError("not to be encoded"))
            tx.of(sandbox).insert(timer(name))

    def written(self) -> None:
        self.waiting.clear()
        self.commits += 1

    def drop(self, sandbox: str) -> None:
        del self.waiting[sandbox]


async def test_a_sandbox_whose_buffer_cannot_be_written_fails_alone(store: SqliteStore) -> None:
    buffered = Buffered("a", "b", "c", broken="b")
    store.before_commit(buffered)
    undone: list[str] = []
    outcomes = await asyncio.gather(
        *(store.submit(sandbox, add(f"{sandbox}1"), lambda sandbox=sandbox: undone.append(sandbox)) for sandbox in "abc"),
        return_exceptions=True,
    )
    assert [outcomes[0], outcomes[2]] == ["a1", "c1"]
    assert isinstance(outcomes[1], StoreFailed)
    assert "not to be encoded" in str(outcomes[1])
    assert undone == ["c", "b", "a"]  # those of `a` and `c` ran once more
    assert buffered.commits == 1
    found = {sandbox: [one.id for one in await store.submit(sandbox, lambda tx: tx.find(Timer))] for sandbox in "abc"}
    assert found == {"a": ["a1", "note"], "b": [], "c": ["c1", "note"]}
    assert await store.submit("b", add("b2")) == "b2"


async def test_who_has_stopped_waiting_harms_nobody(store: SqliteStore) -> None:
    gone, stays = store.submit("a", add("t1")), store.submit("a", add("t2"))
    gone.cancel()
    assert await stays == "t2"
    assert "t2" in await names(store)


async def test_when_the_disk_is_full_nothing_of_the_group_happened_and_everybody_is_told(store: SqliteStore) -> None:
    await store.submit("a", add("kept"))
    pages = await store.submit("a", lambda tx: tx.run("PRAGMA page_count").fetchone()[0])
    await store.submit("a", lambda tx: tx.run(f"PRAGMA max_page_count = {pages + 2}").fetchone())
    undone: list[int] = []
    outcomes = await asyncio.gather(
        *(store.submit("a", add(f"t{i}"), lambda i=i: undone.append(i)) for i in range(60)), return_exceptions=True
    )
    lost = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert lost
    assert all(isinstance(outcome, StoreFailed) for outcome in lost), lost[:3]
    assert "full" in str(lost[0])
    done = [outcome for outcome in outcomes if isinstance(outcome, str)]
    await room_again(store)
    assert sorted(await names(store)) == sorted(["kept", *done])
    assert undone
    assert len(undone) <= len(lost), "a job that never began has nothing to take back"


async def room_again(store: SqliteStore) -> None:
    store._db.execute("PRAGMA max_page_count = 1000000").fetchone()
    await eventually(lambda: store.trouble is None)


async def test_after_a_full_disk_has_room_again_work_goes_on(store: SqliteStore) -> None:
    pages = await store.submit("a", lambda tx: tx.run("PRAGMA page_count").fetchone()[0])
    await store.submit("a", lambda tx: tx.run(f"PRAGMA max_page_count = {pages}").fetchone())
    outcomes = await asyncio.gather(*(store.submit("a", add(f"t{i}")) for i in range(60)), return_exceptions=True)
    assert any(isinstance(outcome, StoreFailed) for outcome in outcomes)
    with pytest.raises(StoreFailed):
        await store.submit("a", add("too early"))
    await room_again(store)
    assert await store.submit("a", add("room again")) == "room again"


class Failing:
    """A connection of which some statements fail, as often as they are tried."""

    def __init__(self, db: sqlite3.Connection, *statements: str) -> None:
        self._db, self.statements = db, set(statements)

    @property
    def in_transaction(self) -> bool:
        return self._db.in_transaction

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if sql in self.statements:
            raise sqlite3.OperationalError(f"{sql} failed")
        return self._db.execute(sql, *values)

    def close(self) -> None:
        self._db.close()


@pytest.mark.parametrize(
    "statements", [("COMMIT",), ("COMMIT", "ROLLBACK"), ("BEGIN",), ("SAVEPOINT job",), ("RELEASE job", "ROLLBACK")]
)
async def test_whatever_sqlite_fails_with_every_job_has_an_answer_and_work_goes_on_afterwards(
    store: SqliteStore, statements: tuple[str, ...]
) -> None:
    await store.submit("a", add("before"))
    store._db = failing = Failing(store._db, *statements)  # type: ignore[assignment]
    outcomes = await asyncio.wait_for(
        asyncio.gather(*(store.submit("a", add(f"t{i}")) for i in range(5)), return_exceptions=True), 20
    )
    assert all(isinstance(outcome, StoreFailed) for outcome in outcomes), outcomes
    failing.statements.clear()
    await eventually(lambda: store.trouble is None)
    assert await names(store) == ["before"]
    assert await store.submit("a", add("after")) == "after"


async def test_what_was_acknowledged_is_there_for_the_next_to_open_the_file(tmp_path: Path) -> None:
    store = SqliteStore(str(tmp_path / "db"))
    await asyncio.gather(*(store.submit("a", add(f"t{i}")) for i in range(20)))
    store.close()
    again = SqliteStore(str(tmp_path / "db"))
    assert len(await names(again)) == 20
    again.close()


async def test_closing_finishes_what_was_submitted(tmp_path: Path) -> None:
    store = SqliteStore(str(tmp_path / "db"))
    waiting = store.submit("a", add("t1"))
    store.close()
    assert await waiting == "t1"
    again = SqliteStore(str(tmp_path / "db"))
    assert await names(again) == ["t1"]
    again.close()
