"""SQLite: one file, one writer, commits in groups.

Everything runs on the event loop's own thread. Jobs that come in while the loop turns are run together in one
transaction, each in a savepoint of its own, and made durable by one fsync. Serial by construction, so core functions
need no locks, and a run with the same requests in the same order gives the same state.
"""

import asyncio
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from gatecrash import files
from gatecrash.core.records import Record, Timer
from gatecrash.core.transaction import Balance, OrderTotals, PendingDelivery
from gatecrash.store import database_files
from gatecrash.store.database_files import DatabaseChanged, FileMark
from gatecrash.store.errors import StoreFailed, StoreUnusable, Unwritable, advice, is_damage, is_database_error, passes
from gatecrash.store.interface import OF, Buffer, Copied, SandboxRow, Sleeper
from gatecrash.store.lives import SLICED, Lives
from gatecrash.store.tables import TABLES

R = TypeVar("R", bound=Record)
T = TypeVar("T")

MEMORY = ":memory:"
SCHEMA_VERSION = 5
_SCHEMA = Path(__file__).with_name("schema.sql").read_text(encoding="utf-8")
# how many turns without a new job end a group, and how many jobs do
_PATIENCE_TURNS = 4
_GROUP_MAX = 128
# while nothing can be written, how long until it is tried again: at first, and after many tries
_FIRST_REST_S, _REST_MAX_S = 0.05, 1.0
_ROWS = "SELECT name, seed, created_at, ids_issued, journal_length, clock, strict FROM sandboxes"
_PENDING_BY_DUE = (
    "SELECT id, next_attempt_at FROM deliveries WHERE life = ? AND endpoint_id = ? AND status = 'pending' "
    "ORDER BY next_attempt_at, id LIMIT ?"
)
_PENDING_IN_ORDER = _PENDING_BY_DUE.replace("ORDER BY next_attempt_at, id", "ORDER BY id")
_SAVEPOINT, _RELEASE, _ROLLBACK = "SAVEPOINT job", "RELEASE job", "ROLLBACK TO job"


class SqliteTransaction:
    """`store.interface.StoreTransaction` over one SQLite connection."""

    __slots__ = ("_execute", "_lives", "_sandbox", "timers_changed")

    def __init__(self, execute: Callable[..., sqlite3.Cursor], lives: Lives, sandbox: str) -> None:
        self._execute = execute
        self._lives = lives
        self._sandbox = sandbox
        self.timers_changed = False

    @property
    def _life(self) -> int | None:
        return self._lives.of(self._sandbox)

    def get(self, kind: type[R], /, *key: str) -> R | None:
        table = TABLES[kind]
        row = self._execute(table.select, (self._life, *key)).fetchone()
        return None if row is None else table.record(row)

    def insert(self, record: Record) -> None:
        table = TABLES[type(record)]
        self._execute(table.insert, [self._life, *table.row(record)])
        if type(record) is Timer:
            self.timers_changed = True

    def put(self, record: Record) -> None:
        table = TABLES[type(record)]
        self._execute(table.put, [self._life, *table.row(record)])

    def prune_claims(self, scope: str, until: int, limit: int) -> int:
        return self._execute(
            "DELETE FROM idempotency_keys WHERE rowid IN (SELECT rowid FROM idempotency_keys "
            "WHERE life = ? AND scope = ? AND created_at <= ? AND status IS NOT NULL ORDER BY created_at LIMIT ?)",
            (self._life, scope, until, limit),
        ).rowcount

    def undo(self) -> None:
        self._execute(_ROLLBACK)
        self._lives.forget()
        self.timers_changed = False

    def update(self, record: Record, *columns: str) -> None:
        table = TABLES[type(record)]
        sql, places = table.update(columns)
        row = table.row(record)
        cursor = self._execute(sql, [*(row[i] for i in places), self._life, *table.key(record)])
        assert cursor.rowcount == 1, f"{table.kind.TABLE} {table.key(record)} is not there"

    def delete(self, kind: type[Record], /, *key: str) -> None:
        self._execute(TABLES[kind].delete, (self._life, *key))

    def find(self, kind: type[R], /, **equals: Any) -> Sequence[R]:
        table = TABLES[kind]
        return [table.record(row) for row in self._execute(table.find(tuple(equals)), (self._life, *equals.values()))]

    def page(self, kind: type[R], limit: int, after: str | None, /, **equals: Any) -> tuple[list[R], bool]:
        table = TABLES[kind]
        values: list[Any] = [self._life, *equals.values()]
        if after is not None:
            values.append(after)
        rows = self._execute(table.page(tuple(equals), after=after is not None), [*values, limit + 1]).fetchall()
        return [table.record(row) for row in rows[:limit]], len(rows) > limit

    def next_timer(self, after: int = -1, besides: str = "") -> Timer | None:
        # the plus keeps SQLite from trying the index of some kinds, for which it would prepare the statement anew each time
        row = self._execute(
            "SELECT id, due_at, kind, ref FROM timers WHERE life = ? AND due_at > ? AND +kind <> ? ORDER BY due_at, id LIMIT 1",
            (self._life, after, besides),
        ).fetchone()
        return None if row is None else TABLES[Timer].record(row)

    def due_timer(self, until: int) -> Timer | None:
        # the condition is spelt out, so that the index of all timers but webhook attempts serves it
        row = self._execute(
            "SELECT id, due_at, kind, ref FROM timers WHERE life = ? AND due_at <= ? AND kind <> 'webhook.attempt' "
            "ORDER BY due_at, id LIMIT 1",
            (self._life, until),
        ).fetchone()
        return None if row is None else TABLES[Timer].record(row)

    def due_attempts(self, until: int, after: Timer | None, limit: int) -> Sequence[Timer]:
        due_at, id_ = (-1, "") if after is None else (after.due_at, after.id)
        rows = self._execute(
            "SELECT id, due_at, kind, ref FROM timers WHERE life = ? AND due_at <= ? AND (due_at, id) > (?, ?) "
            "AND kind = 'webhook.attempt' ORDER BY due_at, id LIMIT ?",
            (self._life, until, due_at, id_, limit),
        )
        return [TABLES[Timer].record(row) for row in rows]

    def pending_deliveries(self, endpoint_id: str, limit: int, *, in_order: bool) -> Sequence[PendingDelivery]:
        rows = self._execute(_PENDING_IN_ORDER if in_order else _PENDING_BY_DUE, (self._life, endpoint_id, limit))
        return [PendingDelivery(*row) for row in rows]

    def cancel_deliveries(self, endpoint_id: str, until: str, limit: int) -> int:
        return self._execute(
            "UPDATE deliveries SET status = 'canceled', next_attempt_at = NULL WHERE rowid IN (SELECT rowid FROM deliveries "
            "WHERE life = ? AND endpoint_id = ? AND status = 'pending' AND id <= ? ORDER BY id LIMIT ?)",
            (self._life, endpoint_id, until, limit),
        ).rowcount

    def balances(self) -> Sequence[Balance]:
        rows = self._execute(
            "SELECT account, currency, SUM(debits), SUM(credits) FROM ("
            "SELECT debit AS account, currency, amount AS debits, 0 AS credits FROM transfers WHERE life = ? UNION ALL "
            "SELECT credit, currency, 0, amount FROM transfers WHERE life = ?) GROUP BY account, currency ORDER BY 1, 2",
            (self._life, self._life),
        )
        return [Balance(*row) for row in rows]

    def charge_totals(self) -> dict[str, int]:
        rows = self._execute(
            "SELECT currency, SUM(amount_captured - amount_refunded - amount_disputed) FROM charges WHERE life = ? "
            "GROUP BY currency",
            (self._life,),
        )
        return dict(rows.fetchall())

    def order_totals(self) -> Sequence[OrderTotals]:
        rows = self._execute(
            "SELECT order_id, currency, SUM(CASE reason WHEN 'capture' THEN amount ELSE 0 END), "
            "SUM(CASE reason WHEN 'refund' THEN amount WHEN 'refund_failed' THEN -amount ELSE 0 END), "
            "SUM(CASE reason WHEN 'dispute' THEN amount WHEN 'dispute_won' THEN -amount ELSE 0 END), "
            "COUNT(DISTINCT charge_id), COUNT(*) "
            "FROM transfers WHERE life = ? GROUP BY order_id, currency ORDER BY order_id, currency",
            (self._life,),
        )
        return [OrderTotals(*row) for row in rows]

    # --- for the shell

    def of(self, sandbox: str) -> "SqliteTransaction":
        return SqliteTransaction(self._execute, self._lives, sandbox)

    def sandboxes(self) -> Sequence[SandboxRow]:
        return [SandboxRow(*row) for row in self._execute(f"{_ROWS} WHERE instr(name, ?) = 0 ORDER BY name", (OF,))]

    def asleep(self, after: str, limit: int) -> Sequence[Sleeper]:
        rows = self._execute(
            "SELECT name, clock, "
            "(SELECT MIN(due_at) FROM timers WHERE life = (SELECT id FROM lives WHERE sandbox = name)) FROM sandboxes "
            "WHERE name > ? AND instr(name, ?) = 0 ORDER BY name LIMIT ?",
            (after, OF, limit),
        )
        return [Sleeper(*row) for row in rows]

    def snapshots(self) -> Sequence[SandboxRow]:
        first, beyond = self._sandbox + OF, self._sandbox + chr(ord(OF) + 1)
        return [SandboxRow(*row) for row in self._execute(f"{_ROWS} WHERE name > ? AND name < ? ORDER BY name", (first, beyond))]

    def row(self) -> SandboxRow | None:
        row = self._execute(f"{_ROWS} WHERE name = ?", (self._sandbox,)).fetchone()
        return None if row is None else SandboxRow(*row)

    def keep_row(self, row: SandboxRow) -> None:
        self._execute(
            "INSERT INTO sandboxes (name, seed, created_at, ids_issued, journal_length, clock, strict) "
            "VALUES (?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (name) DO UPDATE SET ids_issued = excluded.ids_issued, seed = excluded.seed, "
            "journal_length = excluded.journal_length, clock = excluded.clock, strict = excluded.strict",
            row,
        )

    def remove(self) -> None:
        self.wipe()
        self._execute("DELETE FROM sandboxes WHERE name = ?", (self._sandbox,))

    def wipe(self) -> None:
        self._lives.end(self._sandbox)

    def copy_from(self, other: str, so_far: Copied, journal_until: int) -> Copied | None:
        return self._lives.copy(self._lives.of(other), self._life, so_far, journal_until)

    def become(self, other: str) -> None:
        self._lives.give(other, self._sandbox)

    def end_copies(self) -> None:
        self._lives.end_copies()

    def sweep(self) -> bool:
        return self._lives.sweep()

    def release_claims(self) -> None:
        self._execute("DELETE FROM idempotency_keys WHERE status IS NULL")

    def add_journal(self, last_seq: int, entries: str) -> None:
        self._execute("INSERT INTO journal (life, last_seq, entries) VALUES (?, ?, ?)", (self._life, last_seq, entries))

    def journal(self, after: int) -> Iterator[tuple[int, str]]:
        return self._execute(
            "SELECT last_seq, entries FROM journal WHERE life = ? AND last_seq > ? ORDER BY last_seq", (self._life, after)
        )

    def probe(self) -> None:
        self._execute("INSERT INTO meta (key, value) VALUES ('probe', '') ON CONFLICT (key) DO UPDATE SET value = excluded.value")

    def mark(self, key: str, value: str) -> str:
        self._execute("INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT DO NOTHING", (key, value))
        found: str = self._execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()[0]
        return found

    def run(self, sql: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Plain SQL, for tests of the store itself."""
        return self._execute(sql, values)


class _Job(NamedTuple):
    sandbox: str
    work: Callable[[Any], Any]
    undo: Callable[[], None] | None
    done: "asyncio.Future[Any]"


class Outcome(NamedTuple):
    """What a job gave, or what it raised."""

    job: _Job
    result: Any
    error: BaseException | None


class Identity(NamedTuple):
    """Which database it is: `id` was drawn when it was made, `files` are those that it consists of."""

    id: str
    files: tuple[FileMark, ...]


class SqliteStore:
    """A store in `path` (or `:memory:`). `durable=False` leaves flushing to the system: safe against SIGKILL, not power loss.

    `connection` is one that an earlier store had made and left open (`leave`). `expected` is the database that an earlier
    process had open, when this one stands in for it: no other will do.

    `trouble`: why nothing can be written at the moment. Until that has passed, everything is refused at once, and the store
    tries by itself what it has buffered. So nothing piles up behind a full disk.
    """

    def __init__(
        self,
        path: str,
        *,
        durable: bool = True,
        connection: sqlite3.Connection | None = None,
        expected: Identity | None = None,
    ) -> None:
        self._path = path
        self._db = connection or _open(path, durable, expected)
        self._lives = Lives(self._db)
        self.identity = None if path == MEMORY else _identity(path, self._db)
        self._files: Sequence[FileMark] = self.identity.files if self.identity else ()
        self._jobs: list[_Job] = []
        self._buffers: list[Buffer] = []
        self._scheduled = self._closed = False
        self._gathered = self._quiet_turns = 0
        self._patience_turns = _PATIENCE_TURNS if durable else 0
        self._later: asyncio.TimerHandle | None = None
        self._trouble: Exception | None = None
        self._damage: Exception | None = None
        self._rest_s = 0.0
        self.groups = 0

    def before_commit(self, buffer: Buffer) -> None:
        self._buffers.append(buffer)

    def submit(
        self, sandbox: str, work: Callable[[SqliteTransaction], T], undo: Callable[[], None] | None = None
    ) -> "asyncio.Future[T]":
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        if self._closed:
            raise StoreFailed(self._path, "the gateway is stopping")
        if (refusal := self.trouble) is not None:
            done.set_exception(refusal)
            return done
        self._jobs.append(_Job(sandbox, work, undo, done))
        self.schedule()
        return done

    def look(self, sandbox: str, work: Callable[[SqliteTransaction], T]) -> T:
        if self._closed:
            raise StoreFailed(self._path, "the gateway is stopping")
        try:
            return work(SqliteTransaction(self._db.execute, self._lives, sandbox))
        except sqlite3.Error as error:
            self._note_damage(error)
            raise StoreFailed(self._path, error) from error

    def schedule_within(self, seconds: float) -> None:
        if not self._scheduled and self._later is None:
            self._later = asyncio.get_running_loop().call_later(seconds, self.commit_group)

    def schedule(self) -> None:
        """Have a group commit happen once the jobs that are on their way have arrived."""
        if not self._scheduled:
            self._scheduled = True
            self._gathered = self._quiet_turns = 0
            asyncio.get_running_loop().call_soon(self._gather)

    def _gather(self) -> None:
        """Commit after a few turns of the loop that brought no further job: an fsync costs more than they do.

        A request needs as many turns from its socket to here, so requests that arrived together commit together.
        """
        if not self._scheduled:
            return  # committed meanwhile, perhaps for the last time
        waiting = len(self._jobs)
        self._quiet_turns = 0 if waiting > self._gathered else self._quiet_turns + 1
        self._gathered = waiting
        if self._quiet_turns >= self._patience_turns or waiting >= _GROUP_MAX:
            self.commit_group()
        else:
            asyncio.get_running_loop().call_soon(self._gather)

    def commit_group(self) -> None:
        """Run every job that waits, commit, and tell their futures."""
        self._scheduled = False
        if self._later is not None:
            self._later.cancel()
            self._later = None
        jobs, self._jobs = self._jobs[:_GROUP_MAX], self._jobs[_GROUP_MAX:]
        if self._jobs and not self._closed:
            self.schedule()  # once others had their turn
        self.groups += 1
        outcomes: list[Outcome] = []
        while True:
            begun: list[_Job] = []
            try:
                outcomes += self._run_group(jobs, begun)
            except Unwritable as unwritable:
                # one sandbox fails alone: its jobs are refused, and the group runs again without them
                self._take_back(begun)
                for buffer in self._buffers:
                    buffer.drop(unwritable.sandbox)
                failed = [job for job in jobs if job.sandbox == unwritable.sandbox]
                outcomes += [Outcome(job, None, StoreFailed(self._path, unwritable.why)) for job in failed]
                jobs = [job for job in jobs if job.sandbox != unwritable.sandbox]
            except Exception as error:
                # the group is lost as a whole: a full disk, say. Everybody is told that nothing happened
                failed_as_a_whole = StoreFailed(self._path, error)
                try:
                    self._take_back(begun)
                finally:
                    _tell([*outcomes, *(Outcome(job, None, failed_as_a_whole) for job in jobs)])
                    if isinstance(error, sqlite3.Error):
                        self._be_in_trouble(error)
                return
            else:
                break
        for buffer in self._buffers:
            buffer.written()
        _tell(outcomes)

    @property
    def trouble(self) -> StoreFailed | None:
        return None if self._trouble is None else StoreFailed(self._path, self._trouble)

    @property
    def damage(self) -> StoreFailed | None:
        return None if self._damage is None else StoreFailed(self._path, self._damage)

    def _be_in_trouble(self, why: sqlite3.Error) -> None:
        """Refuse everything from now on, and try again in a while."""
        if self._trouble is None:
            _say(f"the gateway cannot use {self._path}: {why}. {advice(why)} Until then it refuses every request with 503.")
        self._trouble = why.with_traceback(None)
        self._rest_s = min(_REST_MAX_S, 2 * self._rest_s or _FIRST_REST_S)
        if not self._closed:
            self._later = asyncio.get_running_loop().call_later(self._rest_s, self.commit_group)

    def _be_well(self) -> None:
        self._rest_s = 0.0
        if self._trouble is not None:
            self._trouble = None
            _say(f"the gateway can use {self._path} again.")

    def _take_back(self, begun: list[_Job]) -> None:
        """Roll back, and have those jobs that had begun forget what they did."""
        self._lives.forget()
        try:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
        except sqlite3.Error as error:
            _say(f"cannot roll back {self._path}: {error}; tries again before the next commit.")
        finally:
            for job in reversed(begun):
                if job.undo is not None:
                    job.undo()

    def _note_damage(self, error: Exception) -> None:
        """Say once that the database is damaged; what does not touch the damage goes on."""
        if self._damage is None and is_damage(error):
            self._damage = error.with_traceback(None)
            _say(f"{self._path} is damaged: {error}. {advice(error)} What does not touch the damage goes on.")

    def _run_group(self, jobs: list[_Job], begun: list[_Job]) -> list[Outcome]:
        """Run the jobs, and write what is buffered, in one transaction. A job that raises is rolled back alone."""
        execute = self._db.execute
        outcomes: list[Outcome] = []
        if self._db.in_transaction:  # an earlier one, which could not be rolled back
            execute("ROLLBACK")
        execute("BEGIN")
        self._lives.begin()
        if self._trouble is not None:
            SqliteTransaction(execute, self._lives, "").probe()
        for job in jobs:
            execute(_SAVEPOINT)
            begun.append(job)
            try:
                outcomes.append(Outcome(job, job.work(SqliteTransaction(execute, self._lives, job.sandbox)), None))
            except Exception as error:
                if not self._db.in_transaction:
                    raise  # SQLite gave up the whole of it: let it say why
                execute(_ROLLBACK)
                self._lives.forget()
                begun.pop()
                if job.undo is not None:
                    job.undo()
                # a full disk may take back one statement alone, and leave the transaction to us
                failed = StoreFailed(self._path, error) if is_database_error(error) else error
                self._note_damage(error)
                outcomes.append(Outcome(job, None, failed))
            execute(_RELEASE)
        for buffer in self._buffers:
            try:
                buffer.write(SqliteTransaction(execute, self._lives, ""))
            except Unwritable as unwritable:
                if is_database_error(unwritable.why):
                    raise unwritable.why from None  # the disk's fault, so everybody's
                raise
        self._files = database_files.check(self._files)
        execute("COMMIT")
        self._be_well()
        return outcomes

    def leave(self) -> sqlite3.Connection:
        """Let go of the connection, as a process does that dies: what was not committed never was."""
        self._closed, self._jobs = True, []
        return self._db

    def wipe(self) -> None:
        """Have the database be as new."""
        self._db.execute("BEGIN")
        for table in (*(table.name for table in SLICED), "lives", "sandboxes", "meta"):
            self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - names of our own
        self._db.execute("COMMIT")
        self._lives.forget()

    def close(self) -> None:
        pending = bool(self._jobs or self._scheduled or self._later is not None)
        self._closed = True
        if pending:
            self.commit_group()
        while self._jobs:
            self.commit_group()
        self._db.close()


def _tell(outcomes: list[Outcome]) -> None:
    for job, result, error in outcomes:
        if job.done.done():
            continue
        if error is None:
            job.done.set_result(result)
        else:
            job.done.set_exception(error)


def _say(what: str) -> None:
    with suppress(OSError):  # the log may lie on the disk that is full
        print(f"gatecrash: {what}", file=sys.stderr, flush=True)


def _open(path: str, durable: bool, expected: Identity | None) -> sqlite3.Connection:
    """Open or create; refused in one clear line if the file cannot be used."""
    db: sqlite3.Connection | None = None
    try:
        if path != MEMORY:
            _claim(path, expected)
        db = sqlite3.connect(path, isolation_level=None, cached_statements=256, timeout=1)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA cache_size = -65536")
        # rows are appended, so the same pages are written again and again: let many commits share a checkpoint
        db.execute("PRAGMA wal_autocheckpoint = 8000")
        db.execute("BEGIN IMMEDIATE")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        db.execute("ROLLBACK")
        if version == 0 and expected is None:
            db.executescript(f"BEGIN; {_SCHEMA}; PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
            version = SCHEMA_VERSION
        if version == SCHEMA_VERSION:
            _check_schema(path, db)
            if expected is not None and _id(db) != expected.id:
                raise DatabaseChanged(f"{path} was replaced while the gateway ran")
        elif expected is not None:
            raise DatabaseChanged(f"{path} was replaced while the gateway ran")
    except (sqlite3.Error, OSError, StoreUnusable) as error:
        if db is not None:
            db.close()
        raise _unusable(path, error) from error
    if version != SCHEMA_VERSION:
        db.close()
        newer = version > SCHEMA_VERSION
        raise StoreUnusable(
            f"the database {path} has format {version}, made by {'a newer' if newer else 'an older'} gatecrash; this one reads "
            f"format {SCHEMA_VERSION}. {'Upgrade gatecrash, or give' if newer else 'Give'} --data another folder."
        )
    return db


def _unusable(path: str, error: Exception) -> StoreUnusable:
    """Why the database cannot be opened, and what to do."""
    if isinstance(error, StoreUnusable):
        return error
    if isinstance(error, DatabaseChanged):
        return StoreUnusable(
            f"{error}, so what it had answered would not be there. Put back the file, or start with an empty --data folder."
        )
    why = error.strerror if isinstance(error, OSError) else error
    return StoreUnusable(
        f"cannot open the database {path}: {why}; give --data a folder that this user may write and no other gateway uses.",
        passing=passes(error),
    )


def _claim(path: str, expected: Identity | None) -> None:
    """Have the files of the database be ours alone, and the ones that are expected."""
    if expected is not None:
        database_files.check(expected.files)
    there = files.claim(Path(path), make=False) and os.stat(path).st_size > 0
    log = f"{path}-wal"
    if files.claim(Path(log), make=False) and not there and os.stat(log).st_size:
        raise StoreUnusable(
            f"the database {path} is missing or empty, and {log} beside it holds what was committed last. Restore the database, "
            "or give an empty --data folder."
        )
    files.claim(Path(f"{path}-shm"), make=False)
    files.claim(Path(path), make=True)  # SQLite gives the others the mode of the database


def _identity(path: str, db: sqlite3.Connection) -> Identity:
    db.execute("INSERT INTO meta (key, value) VALUES ('id', ?) ON CONFLICT DO NOTHING", (os.urandom(16).hex(),))
    return Identity(_id(db), tuple(database_files.mark(name) for name in (path, f"{path}-wal")))


def _id(db: sqlite3.Connection) -> str:
    found = db.execute("SELECT value FROM meta WHERE key = 'id'").fetchone()
    return "" if found is None else str(found[0])


@cache
def _schema() -> frozenset[tuple[str, str]]:
    """The tables and indexes of a new database: the name of each and the statement that makes it."""
    with closing(sqlite3.connect(MEMORY)) as db:
        db.executescript(_SCHEMA)
        return frozenset(db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))


def _check_schema(path: str, db: sqlite3.Connection) -> None:
    """Refuse a database that lacks a table or an index: everything that needs it would fail later, each time in other words."""
    found = set(db.execute("SELECT name, sql FROM sqlite_master"))
    damaged = sorted({name for name, _ in _schema() - found})
    if damaged:
        raise StoreUnusable(
            f"the database {path} is damaged: {', '.join(damaged[:5])} {'is' if len(damaged) == 1 else 'are'} not as the gateway "
            "made it. Restore the database, or give an empty --data folder."
        )
