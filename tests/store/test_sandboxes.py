"""What a store keeps beside records: sandboxes, their journals and snapshots; and that none costs more for what others hold."""

import sqlite3
from pathlib import Path

import pytest

import gatecrash.store
from gatecrash.core.records import RECORDS, Timer
from gatecrash.store.interface import OF, START, SandboxRow
from gatecrash.store.lives import SLICED
from gatecrash.store.sqlite import SqliteStore, SqliteTransaction
from tests.store.samples import BARE, FULL

SCHEMA = Path(gatecrash.store.__file__).with_name("schema.sql").read_text(encoding="utf-8")


def row(name: str, journal_length: int = 0) -> SandboxRow:
    return SandboxRow(name, "seed", 1, 2, journal_length, "{}")


@pytest.mark.parametrize(
    "sql", [sql for table in SLICED for sql in (table.copy, table.last, table.delete)], ids=lambda sql: sql[:60]
)
def test_emptying_and_copying_a_sandbox_touches_no_other(sql: str) -> None:
    db = sqlite3.connect(":memory:")
    db.executescript(SCHEMA)
    values = dict.fromkeys(("source", "target", "until", "life", "limit", "key0", "key1"), 1)
    plan = [detail for *_, detail in db.execute("EXPLAIN QUERY PLAN " + sql, values if ":" in sql else (1,))]
    db.close()
    steps = [step for step in plan if not step.startswith("LIST SUBQUERY")]
    assert steps
    assert all(step.startswith("SEARCH") and "(life=?" in step for step in steps), plan


def test_every_table_that_has_a_life_is_emptied_and_copied() -> None:
    db = sqlite3.connect(":memory:")
    db.executescript(SCHEMA)
    tables = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    scoped = {name for name in tables if any(column[1] == "life" for column in db.execute(f"PRAGMA table_info({name})"))}
    db.close()
    assert scoped == {kind.TABLE for kind in RECORDS} | {"journal"}
    assert {table.name for table in SLICED} == scoped


@pytest.mark.asyncio
async def test_a_copy_holds_all_there_is_and_stands_alone(tmp_path: Path) -> None:
    store = SqliteStore(str(tmp_path / "db"))
    kept = "a" + OF + "kept"

    def fill(tx: SqliteTransaction) -> None:
        tx.keep_row(row("a", 2))
        for record in (*FULL, *BARE):
            tx.put(record)
        tx.add_journal(1, '[{"seq":1}]')
        tx.add_journal(2, '[{"seq":2}]')

    def copy(tx: SqliteTransaction) -> None:
        tx.of(kept).keep_row(row(kept, 2))
        assert tx.of(kept).copy_from("a", START, 2) is None

    def found(tx: SqliteTransaction) -> list[object]:
        return [tx.find(kind) for kind in RECORDS] + [list(tx.journal(0))]

    await store.submit("a", fill)
    await store.submit("a", lambda tx: tx.release_claims())
    before = await store.submit("a", found)
    assert all(before)
    await store.submit("a", copy)
    await store.submit("a", lambda tx: tx.wipe())
    assert not any(await store.submit("a", found))
    assert await store.submit(kept, found) == before
    assert [one.name for one in await store.submit("a", lambda tx: tx.sandboxes())] == ["a"]
    assert [one.name for one in await store.submit("a", lambda tx: tx.snapshots())] == [kept]
    assert [one.first_timer_at for one in store.look("", lambda tx: tx.asleep("", 9))] == [None]
    await store.submit("a", lambda tx: tx.copy_from(kept, START, 2))
    assert await store.submit("a", found) == before
    first = min(timer.due_at for timer in await store.submit("a", lambda tx: tx.find(Timer)))
    assert [one.first_timer_at for one in store.look("", lambda tx: tx.asleep("", 9))] == [first], "snapshots wait for nothing"
    store.close()


@pytest.mark.asyncio
async def test_snapshots_of_sandboxes_with_like_names_are_told_apart(tmp_path: Path) -> None:
    store = SqliteStore(str(tmp_path / "db"))

    def fill(tx: SqliteTransaction) -> None:
        for name in ("a", "a-b", "aB", "A", "a_"):
            for each in (name, name + OF + "one", name + OF + "two"):
                tx.of(each).keep_row(row(each))

    await store.submit("", fill)
    for name in ("a", "a-b", "aB", "A", "a_"):
        shown = await store.submit(name, lambda tx: tx.snapshots())
        assert [one.name for one in shown] == [name + OF + "one", name + OF + "two"]
    await store.submit("a" + OF + "one", lambda tx: tx.remove())
    assert await store.submit("a" + OF + "one", lambda tx: tx.row()) is None
    assert len(await store.submit("a", lambda tx: tx.sandboxes())) == 5
    store.close()
