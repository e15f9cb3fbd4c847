"""SQLite in the simulated world: what is committed survives, what is not does not, and each commit can be the last thing."""

import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from gatecrash.harness.worlds.simulated import databases, guard
from gatecrash.harness.worlds.simulated.hosts import HOST, Crashed, Incarnation
from gatecrash.harness.worlds.simulated.loop import VirtualLoop


class Shop:
    """A host whose connections are simulated, and which is killed at the n-th of its effects."""

    def __init__(self, scratch: Path) -> None:
        self.file = scratch / "shop.db"
        self.loop = VirtualLoop()
        self.effects = 0
        self.fatal: int | None = None
        self.life = Incarnation(self.loop, "merchant")

    def _effect(self, incarnation: Incarnation, connection: sqlite3.Connection) -> None:
        assert incarnation is self.life
        assert isinstance(connection, databases.SimulatedConnection)
        self.effects += 1
        if self.effects == self.fatal:
            incarnation.kill()

    def restart(self) -> None:
        self.life.kill()
        self.life = Incarnation(self.loop, "merchant", self.life.number + 1)

    def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return self.life.run(function, *arguments)

    def open(self, **options: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = self.run(lambda: sqlite3.connect(self.file, **options))
        return connection

    def durable(self) -> list[Any]:
        """What another process would read."""
        return [row[2:] for row in databases.rows() if row[1] == "t"]


asked: list[databases.Hook] = []


@pytest.fixture(scope="module")
def installed() -> Iterator[databases.Databases]:
    """Where a commit costs no turn of a disk, if there is such a place."""
    shared = Path("/dev/shm")  # noqa: S108 - a folder of our own in it
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as folder:
        yield databases.install(lambda *told: asked[-1](*told), Path(folder))
        databases.uninstall()


@pytest.fixture
def scratch(installed: databases.Databases) -> Path:
    assert installed.scratch is not None
    return installed.scratch


@pytest.fixture(params=["file", "pooled"])
def shop(request: pytest.FixtureRequest, scratch: Path, installed: databases.Databases) -> Iterator[Shop]:
    """A shop whose table is there. Everything holds for files, and for what was kept and is pooled, alike."""
    shop = Shop(scratch)
    asked.append(shop._effect)
    setup = shop.open(isolation_level=None)
    setup.execute("CREATE TABLE t (n INTEGER PRIMARY KEY, s TEXT UNIQUE)")
    setup.close()
    if request.param == "pooled":
        databases.keep()
        databases.clear()
    shop.effects = 0
    yield shop
    shop.life.kill()
    installed.forget()
    asked.clear()
    guard.forget()
    shop.loop.close()


def by_commit(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO t VALUES (1, 'a')")
    connection.execute("INSERT INTO t VALUES (2, 'b')")
    connection.commit()


def by_statement(connection: sqlite3.Connection) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    connection.execute(" -- at last\n commit transaction")


def by_end(connection: sqlite3.Connection) -> None:
    connection.cursor().execute("BEGIN").execute("INSERT INTO t VALUES (1, 'a'), (2, 'b')").execute("end")


def by_with(connection: sqlite3.Connection) -> None:
    with connection:
        connection.execute("INSERT INTO t VALUES (1, 'a')")
        connection.executemany("INSERT INTO t VALUES (?, ?)", [(2, "b")])


def by_savepoint(connection: sqlite3.Connection) -> None:
    connection.execute('SAVEPOINT "Outer"')
    connection.execute("INSERT INTO t VALUES (1, 'a')")
    connection.execute("SAVEPOINT inner_one")
    connection.execute("INSERT INTO t VALUES (2, 'b')")
    connection.execute("RELEASE inner_one")
    connection.execute("RELEASE SAVEPOINT outer")


def by_script(connection: sqlite3.Connection) -> None:
    connection.executescript("BEGIN; INSERT INTO t VALUES (1, 'a;');\n-- nothing; here\nINSERT INTO t VALUES (2, 'b'); COMMIT;")


def by_the_start_of_a_script(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    connection.executescript("SELECT 1; /* no more */")


def by_one_statement_alone(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO t VALUES (1, 'a'), (2, 'b')")


def by_with_a_query_before_it(connection: sqlite3.Connection) -> None:
    connection.execute("WITH new (n, s) AS (VALUES (1, 'a'), (2, 'b')) INSERT INTO t SELECT n, s FROM new")


def by_a_statement_that_returns(connection: sqlite3.Connection) -> None:
    assert connection.execute("INSERT INTO t VALUES (1, 'a'), (2, 'b') RETURNING n").fetchall() == [(1,), (2,)]


def by_leaving_transactions_to_sqlite(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO t VALUES (1, 'a'), (2, 'b')")
    connection.isolation_level = None


WAYS: list[tuple[Callable[[sqlite3.Connection], None], dict[str, Any]]] = [
    (by_commit, {}),
    (by_commit, {"isolation_level": "EXCLUSIVE"}),
    (by_statement, {}),
    (by_statement, {"isolation_level": None}),
    (by_end, {"isolation_level": None}),
    (by_with, {}),
    (by_with, {"isolation_level": "IMMEDIATE"}),
    (by_savepoint, {"isolation_level": None}),
    (by_script, {}),
    (by_the_start_of_a_script, {}),
    (by_one_statement_alone, {"isolation_level": None}),
    (by_with_a_query_before_it, {"isolation_level": None}),
    (by_a_statement_that_returns, {"isolation_level": None}),
    (by_leaving_transactions_to_sqlite, {}),
]
if sys.version_info >= (3, 12):
    WAYS += [
        (by_commit, {"autocommit": False}),
        (by_with, {"autocommit": False}),
        (by_one_statement_alone, {"autocommit": True}),
        (by_statement, {"autocommit": True}),
    ]
each_way = pytest.mark.parametrize(("write", "options"), WAYS, ids=lambda given: getattr(given, "__name__", None) or str(given))


@each_way
def test_a_commit_of_any_kind_is_one_effect_and_durable(
    shop: Shop, write: Callable[[sqlite3.Connection], None], options: dict[str, Any]
) -> None:
    connection = shop.open(**options)
    shop.run(write, connection)
    assert shop.effects == 1
    assert [n for n, _ in shop.durable()] == [1, 2]
    shop.restart()
    assert [n for n, _ in shop.durable()] == [1, 2]


@each_way
def test_who_dies_before_a_commit_has_written_nothing_and_does_nothing_more(
    shop: Shop, write: Callable[[sqlite3.Connection], None], options: dict[str, Any]
) -> None:
    connection = shop.open(**options)
    cursor = connection.execute("SELECT 1")
    shop.fatal = 1
    with pytest.raises(Crashed):
        shop.run(write, connection)
    assert shop.durable() == []
    for again in (
        connection.commit, connection.rollback, connection.close, connection.cursor, cursor.fetchone, cursor.fetchall,
        lambda: list(cursor), lambda: connection.execute("SELECT 1"), lambda: connection.in_transaction,
        lambda: connection.executescript("DELETE FROM t"), lambda: cursor.execute("SELECT 1"), connection.__enter__,
    ):  # fmt: skip
        with pytest.raises(Crashed):
            again()
    shop.restart()
    fresh = shop.open()
    assert fresh.execute("SELECT * FROM t").fetchall() == []
    shop.run(by_commit, fresh)
    assert len(shop.durable()) == 2


@each_way
def test_it_is_what_python_would_do(
    shop: Shop, scratch: Path, write: Callable[[sqlite3.Connection], None], options: dict[str, Any]
) -> None:
    real = sqlite3.connect(":memory:", **options)
    ours = shop.open(**options)
    told = []
    for connection in (real, ours):
        if connection is real:
            connection.executescript("CREATE TABLE t (n INTEGER PRIMARY KEY, s TEXT UNIQUE)")
        before = connection.in_transaction
        write(connection)
        told.append((before, connection.in_transaction, connection.total_changes, connection.isolation_level))
        connection.close()
    assert told[0] == told[1]


@pytest.mark.parametrize(
    "nothing",
    [
        "SELECT 1",
        "BEGIN; COMMIT",
        "UPDATE t SET s = 'x' WHERE n = 99",
        "DELETE FROM t",
        "BEGIN; DELETE FROM t; COMMIT",
        "BEGIN; INSERT INTO t VALUES (1, 'a'); ROLLBACK",
        "INSERT OR IGNORE INTO t SELECT n, s FROM t",
        "CREATE TABLE IF NOT EXISTS t (n)",
        "PRAGMA user_version",
        "PRAGMA user_version = 0",
        "PRAGMA busy_timeout = 5000",
    ],
)
def test_a_commit_that_changed_nothing_is_no_effect(shop: Shop, nothing: str) -> None:
    connection = shop.open(isolation_level=None)
    for sql in nothing.split("; "):
        connection.execute(sql)
    connection.executescript(nothing)
    connection.commit()
    assert shop.effects == 0


@pytest.mark.parametrize(
    "something",
    ["CREATE TABLE u (n)", "PRAGMA user_version = 3", "DROP TABLE t", "CREATE INDEX i ON t (s)", "BEGIN; DROP TABLE t; END"],
)
def test_a_new_schema_is_an_effect(shop: Shop, something: str) -> None:
    connection = shop.open(isolation_level=None)
    connection.executescript(something)
    assert shop.effects == 1


def test_rows_of_one_statement_without_a_transaction_are_committed_one_by_one(shop: Shop) -> None:
    connection = shop.open(isolation_level=None)
    shop.fatal = 3
    with pytest.raises(Crashed):
        connection.executemany("INSERT INTO t VALUES (?, NULL)", [(1,), (2,), (3,)])
    assert [n for n, _ in shop.durable()] == [1, 2]


def test_executemany_counts_all_rows(shop: Shop) -> None:
    for options in ({"isolation_level": None}, {}):
        connection = shop.open(**options)
        assert connection.executemany("INSERT INTO t VALUES (?, NULL)", iter([(None,), (None,), (None,)])).rowcount == 3
        connection.commit()
        connection.close()


@pytest.mark.parametrize("shop", ["file"], indirect=True)
def test_what_fails_leaves_the_transaction_as_python_does(shop: Shop) -> None:
    alone, legacy = shop.open(isolation_level=None), shop.open()
    with pytest.raises(sqlite3.IntegrityError):
        alone.execute("INSERT INTO t VALUES (1, 'a'), (1, 'b')")
    assert not alone.in_transaction
    with pytest.raises(sqlite3.IntegrityError):
        legacy.execute("INSERT INTO t VALUES (1, 'a'), (1, 'b')")
    assert legacy.in_transaction
    legacy.rollback()
    legacy.execute("INSERT INTO t VALUES (1, 'a')")
    with pytest.raises(ZeroDivisionError), legacy:
        _ = 1 / 0
    assert not legacy.in_transaction
    with pytest.raises(sqlite3.IntegrityError):
        alone.execute("INSERT OR ROLLBACK INTO t VALUES (1, 'a'), (1, 'b')")
    assert shop.effects == 0
    assert shop.durable() == []


def test_a_savepoint_can_be_rolled_back_to_within_a_transaction(shop: Shop) -> None:
    connection = shop.open(isolation_level=None)
    for sql in ("SAVEPOINT a", "INSERT INTO t VALUES (1, 'a')", "SAVEPOINT b", "INSERT INTO t VALUES (2, 'b')", "ROLLBACK TO b"):
        connection.execute(sql)
    assert shop.effects == 0
    connection.execute("RELEASE a")
    assert shop.durable() == [(1, "a")]
    assert shop.effects == 1
    assert not connection.in_transaction


@pytest.mark.parametrize("shop", ["file"], indirect=True)
def test_two_connections_see_each_others_commits_and_no_more(shop: Shop) -> None:
    one, two = shop.open(), shop.open()
    one.execute("PRAGMA journal_mode = WAL")
    one.execute("INSERT INTO t VALUES (1, 'a')")
    assert two.execute("SELECT count(*) FROM t").fetchone() == (0,)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        two.execute("INSERT INTO t VALUES (2, 'b')")
    one.commit()
    assert two.execute("SELECT count(*) FROM t").fetchone() == (1,)


def test_the_death_of_one_takes_all_of_its_connections_and_their_locks(shop: Shop) -> None:
    one = shop.open()
    one.execute("INSERT INTO t VALUES (1, 'a')")
    shop.restart()
    two = shop.open()
    two.execute("INSERT INTO t VALUES (2, 'b')")
    two.commit()
    assert shop.durable() == [(2, "b")]


def test_what_is_in_memory_alone_dies_and_is_no_effect(shop: Shop) -> None:
    for name in (":memory:", "", "file::memory:?cache=shared"):
        connection = shop.run(lambda name=name: sqlite3.connect(name, uri=name.startswith("file:")))
        connection.execute("CREATE TABLE IF NOT EXISTS m (n)")
        connection.execute("INSERT INTO m VALUES (1)")
        connection.commit()
    assert shop.effects == 0


def test_classes_of_the_merchant_are_kept(shop: Shop) -> None:
    class Counting(sqlite3.Connection):
        asked = 0

        def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
            self.asked += 1
            return super().execute(sql, parameters)

    class Loud(sqlite3.Cursor):
        def fetchone(self) -> Any:
            return ("loud", *super().fetchone())

    connection: Any = shop.open(factory=Counting)
    connection.execute("INSERT INTO t VALUES (1, 'a')")
    connection.commit()
    cursor = connection.cursor(Loud)
    assert cursor.execute("SELECT n FROM t").fetchone() == ("loud", 1)
    assert isinstance(connection, Counting)
    assert isinstance(cursor, Loud)
    assert connection.asked == 1
    assert shop.effects == 1
    assert cursor.connection is connection


@pytest.mark.parametrize("shop", ["file"], indirect=True)
def test_it_behaves_as_a_connection_of_python(shop: Shop) -> None:
    connection = shop.open(detect_types=sqlite3.PARSE_DECLTYPES)
    assert isinstance(connection, sqlite3.Connection)
    assert isinstance(connection.cursor(), sqlite3.Cursor)
    connection.row_factory = sqlite3.Row
    connection.create_function("twice", 1, lambda n: 2 * n)
    (row,) = connection.execute("SELECT twice(4) AS eight")
    assert row["eight"] == 8
    connection.row_factory = lambda cursor, row: {column[0]: value for column, value in zip(cursor.description, row, strict=True)}
    assert connection.execute("SELECT 1 AS one").fetchmany() == [{"one": 1}]
    connection.row_factory = None
    connection.text_factory = bytes
    assert connection.execute("SELECT 'x'").fetchone() == (b"x",)
    connection.text_factory = str
    connection.execute("INSERT INTO t VALUES (1, 'a')")
    connection.commit()
    assert "INSERT INTO \"t\" VALUES(1,'a');" in list(connection.iterdump())
    copy = sqlite3.connect(":memory:")
    connection.backup(copy)
    assert copy.execute("SELECT * FROM t").fetchall() == [(1, "a")]
    copy.deserialize(connection.serialize())
    copy.close()
    cursor = connection.execute("INSERT INTO t VALUES (7, 'seven')")
    assert (cursor.lastrowid, cursor.rowcount) == (7, 1)
    connection.close()
    with pytest.raises(sqlite3.ProgrammingError):
        connection.execute("SELECT 1")
    assert shop.durable() == [(1, "a")]


def test_whoever_is_no_host_has_pythons_own(shop: Shop, scratch: Path) -> None:
    connection = sqlite3.connect(":memory:")
    assert type(connection) is sqlite3.Connection
    connection.close()


def test_a_database_that_would_outlive_the_world_is_refused(shop: Shop, scratch: Path) -> None:
    with pytest.raises(guard.CannotSimulate, match="outlives the world"), suppress(Crashed):
        shop.run(lambda: sqlite3.connect(scratch.parent / "shop.db"))
    assert guard.found


@pytest.mark.parametrize("shop", ["file"], indirect=True)
def test_a_world_begins_as_it_was_kept(shop: Shop) -> None:
    connection = shop.open(isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("INSERT INTO t VALUES (1, 'kept')")
    databases.keep()
    for _ in range(2):
        connection = shop.open(isolation_level=None)
        connection.execute("DELETE FROM t")
        connection.execute("INSERT INTO t VALUES (2, 'gone')")
        shop.life.kill()
        databases.clear()
        shop.restart()
        connection = shop.open()
        assert connection.execute("SELECT * FROM t").fetchall() == [(1, "kept")]
    assert HOST.get() is None


@pytest.mark.parametrize("shop", ["file"], indirect=True)
def test_a_world_that_nothing_was_kept_for_begins_empty(shop: Shop) -> None:
    shop.run(by_commit, shop.open())
    databases.clear()
    assert list(databases.rows()) == []
    assert not shop.file.exists()


# --- what is pooled


@pytest.fixture
def pooled(shop: Shop) -> Shop:
    """Its first start is over and kept: a table that refers to another, and pragmas that it sets each time."""
    first = started(shop)
    first.executescript("CREATE TABLE u (n REFERENCES t (n)); INSERT INTO t VALUES (1, 'kept');")
    first.close()
    databases.keep()
    databases.clear()
    shop.effects = 0
    return shop


only_from_files = pytest.mark.parametrize("shop", ["file"], indirect=True)


def started(shop: Shop) -> sqlite3.Connection:
    connection = shop.open(isolation_level=None)
    assert connection.execute("PRAGMA journal_mode = WAL").fetchall() == [("wal",)]
    assert connection.execute("PRAGMA foreign_keys = ON").fetchall() == []
    return connection


def is_pooled(connection: Any) -> bool:
    return connection._pooled is not None


@only_from_files
def test_a_pooled_database_answers_as_its_file_did_and_minds_what_it_was_told(pooled: Shop) -> None:
    connection = started(pooled)
    assert is_pooled(connection)
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        connection.execute("INSERT INTO u VALUES (9)")
    with pytest.raises(sqlite3.OperationalError, match="no transaction is active"):
        connection.execute("COMMIT")
    connection.execute("BEGIN")
    with pytest.raises(sqlite3.OperationalError, match="within a transaction"):
        connection.execute("BEGIN")
    connection.execute("INSERT INTO u VALUES (1)")
    connection.execute("ROLLBACK")
    assert (pooled.effects, connection.execute("SELECT * FROM u").fetchall()) == (0, [])


@only_from_files
def test_each_world_begins_as_was_kept_and_each_life_as_the_last_one_left_it(pooled: Shop) -> None:
    for _ in range(3):
        for life in range(3):
            connection = started(pooled)
            assert is_pooled(connection)
            assert connection.execute("SELECT count(*) FROM t").fetchone() == (1 + life,)
            connection.execute("INSERT INTO t (s) VALUES (?)", (f"life {life}",))
            connection.execute("BEGIN")
            connection.execute("INSERT INTO t (s) VALUES ('never committed')")
            pooled.restart()
        assert len(pooled.durable()) == 4
        databases.clear()


@only_from_files
@pytest.mark.parametrize(
    "ask",
    [
        lambda shop, connection: shop.open(),
        lambda shop, connection: connection.execute("VACUUM"),
        lambda shop, connection: connection.execute("INSERT OR ROLLBACK INTO t VALUES (1, 'twice')"),
        lambda shop, connection: connection.execute("CREATE TEMP TABLE gone (n)"),
        lambda shop, connection: connection.execute("PRAGMA recursive_triggers = ON"),
        lambda shop, connection: connection.backup(sqlite3.connect(":memory:")),
        lambda shop, connection: connection.set_trace_callback(print),
    ],
)
def test_what_only_a_file_can_do_voids_the_world_and_the_next_one_has_files(
    pooled: Shop, ask: Callable[[Shop, sqlite3.Connection], Any]
) -> None:
    connection = started(pooled)
    connection.execute("INSERT INTO t VALUES (2, 'lost with its world')")
    with pytest.raises(Crashed):
        ask(pooled, connection)
    assert not pooled.life.alive
    with pytest.raises(databases.PlayAgain):
        databases.clear()
    pooled.restart()
    connection = started(pooled)
    assert not is_pooled(connection)
    with suppress(sqlite3.IntegrityError):
        ask(pooled, connection)
    assert pooled.durable() == [(1, "kept")]
    databases.clear()


@only_from_files
def test_a_life_that_does_not_set_what_the_first_one_set_is_not_taken_for_it(pooled: Shop) -> None:
    connection = pooled.open(isolation_level=None)
    with pytest.raises(Crashed):
        connection.execute("INSERT INTO u VALUES (9)")
    with pytest.raises(databases.PlayAgain):
        databases.clear()


def test_a_connection_nobody_holds_any_more_is_closed(shop: Shop) -> None:
    for _ in range(3):
        connection = shop.open()
        connection.execute("INSERT INTO t VALUES (1, 'not committed')")
        del connection
    assert shop.durable() == []
    databases.clear()


def test_the_clock_and_the_chance_of_sql_are_those_of_the_process(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 1_767_225_602.5)
    monkeypatch.setattr(os, "urandom", lambda size: b"\x01" * size)
    connection = shop.open()
    row = connection.execute(
        "SELECT CURRENT_TIMESTAMP, CURRENT_DATE, current_time, datetime('now', '+1 hour'), date(), time('NOW'), unixepoch('now'),"
        " strftime('%Y %s', 'now'), strftime('%f'), julianday('now'), random(), hex(randomblob(2)), date('2020-02-29', '+1 day')"
    ).fetchone()
    assert row == (
        "2026-01-01 00:00:02", "2026-01-01", "00:00:02", "2026-01-01 01:00:02", "2026-01-01", "00:00:02", 1_767_225_602,
        "2026 1767225602", "02.500", pytest.approx(2461041.5, abs=1e-3), 0x0101010101010101, "0101", "2020-03-01",
    )  # fmt: skip
