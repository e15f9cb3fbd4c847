"""Connections of a host to SQLite: each knows whose it is, and asks before it commits.

Commits happen in many ways (`commit()`, `with connection:`, COMMIT and the release of an outermost savepoint, a script, a write
outside of any transaction), and C code does most of them unseen. So the connection beneath runs in autocommit mode, and
`SimulatedConnection` does in Python what the `sqlite3` module does in C: it begins transactions where the module would.
"""

import contextlib
import sqlite3
import sys
from collections.abc import Callable, Generator, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn, Self

from gatecrash.harness.worlds.simulated import threads
from gatecrash.harness.worlds.simulated.backing import Pooled, is_alike
from gatecrash.harness.worlds.simulated.guard import cannot_simulate
from gatecrash.harness.worlds.simulated.hosts import Crashed, current
from gatecrash.harness.worlds.simulated.statements import Kind, Statement, statements_of, understood

if TYPE_CHECKING:
    from gatecrash.harness.worlds.simulated.databases import Databases

LEGACY = -1  # sqlite3.LEGACY_TRANSACTION_CONTROL, from Python 3.12 on: `isolation_level` decides
_PATIENCE_S = 5.0  # what sqlite3.connect waits for a lock unless told
_NUMBERS = ("user_version", "application_id")
_NO_ROWS = "SELECT NULL WHERE 0"
# what runs a statement on the cursor that asked: the text, or another one in its place, with values of its own
Execute = Callable[..., Any]


class SimulatedCursor(sqlite3.Cursor):
    """A cursor whose statements are looked at before they run."""

    def __init__(self, connection: "SimulatedConnection", /) -> None:
        sqlite3.Cursor.__init__(self, connection._raw)
        self._connection = connection
        self._many: int | None = None

    @property
    def connection(self) -> "SimulatedConnection":
        return self._connection

    @property
    def rowcount(self) -> int:
        return super().rowcount if self._many is None else self._many

    def execute(self, sql: str, parameters: Any = (), /) -> Self:
        connection = self._connection
        if connection._closed or not connection._host.alive:  # here and below: `_check`, which a call would make as slow again
            connection._check()
        self._many = None
        statement = understood(sql)
        kind = statement.kind
        if kind is Kind.READ or (kind is Kind.CHANGE and connection._backing.open and not statement.awkward):
            sqlite3.Cursor.execute(self, sql, parameters)
            return self

        def execute(instead: str = sql, values: Any = parameters) -> None:
            sqlite3.Cursor.execute(self, instead, values)

        connection._run(statement, sql, execute)
        return self

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> Self:
        connection = self._connection
        connection._check()
        self._many = None
        statement = understood(sql)
        connection._look_at(statement)
        if statement.kind is Kind.CHANGE:
            connection._begin_if_due()
        if connection._backing.open or statement.kind is not Kind.CHANGE:
            sqlite3.Cursor.executemany(self, sql, parameters)
            return self
        changed = 0  # outside of a transaction each row is a commit of its own
        for each in parameters:
            changed += self.execute(sql, each).rowcount
        self._many = changed
        return self

    def executescript(self, script: str, /) -> Self:
        connection = self._connection
        connection._check()
        self._many = None
        if not isinstance(script, str):
            raise TypeError(f"executescript() argument must be str, not {type(script).__name__}")
        if connection._autocommit == LEGACY:
            connection._commit()
        for sql in statements_of(script):

            def execute(instead: str = sql, values: Any = ()) -> None:
                connection._raw.execute(instead, values).fetchall()

            connection._run(understood(sql), sql, execute, implicit=False)
        return self

    def fetchone(self) -> Any:
        self._connection._check()
        return super().fetchone()

    def fetchmany(self, size: int | None = None) -> list[Any]:
        self._connection._check()
        return super().fetchmany(self.arraysize if size is None else size)

    def fetchall(self) -> list[Any]:
        self._connection._check()
        return super().fetchall()

    def __next__(self) -> Any:
        connection = self._connection
        if connection._closed or not connection._host.alive:
            connection._check()
        return sqlite3.Cursor.__next__(self)


class SimulatedConnection(sqlite3.Connection):
    """A connection of an incarnation. What the C code of its base would do is done by `_raw`, the real one beneath."""

    databases: "ClassVar[Databases]"
    _closed = True  # until it is open

    def __init__(
        self,
        database: Any,
        timeout: float = _PATIENCE_S,
        detect_types: int = 0,
        isolation_level: str | None = "",
        check_same_thread: bool = True,
        factory: type[sqlite3.Connection] | None = None,
        cached_statements: int = 128,
        uri: bool = False,
        *,
        autocommit: bool | int = LEGACY,
    ) -> None:
        host = current()
        assert host is not None, "only a host opens one"
        host.check()
        self._host = host
        self.patience_s = timeout  # whoever waits elsewhere than on the loop does so for a lock
        self._isolation = _isolation(isolation_level)
        self._autocommit: bool | int = autocommit
        self._file, self._backing = self.databases.open(database, detect_types, cached_statements, uri)
        self._pooled = self._backing if isinstance(self._backing, Pooled) else None
        self._raw = self._backing.raw
        self._owed = set(self._pooled.decisive) if self._pooled else None  # pragmas that have to come before the first write
        self._rows: Any = None
        self._savepoints: list[str] = []  # while a transaction was begun by one: the open ones, outermost first
        self._at_first = self._changes = self._raw.total_changes  # and when the transaction began
        self._schema: tuple[int, ...] | None = None  # and its state, since a statement that may change that
        self._closed = False
        self.databases.opened(self)
        if autocommit is False:
            self._begin("BEGIN")

    # --- when transactions begin and end

    def _run(self, statement: Statement, sql: str, execute: Execute, *, implicit: bool = True) -> None:
        """Run anything but what only reads, with what the `sqlite3` module and SQLite do around it."""
        backing, kind = self._backing, statement.kind
        self._look_at(statement)
        if implicit and kind is Kind.CHANGE:
            self._begin_if_due()
        if kind is Kind.BEGIN:
            self._begin(sql, execute)
        elif kind is Kind.COMMIT:
            if backing.open:
                self._effect_if_changed()
            backing.commit(execute)
            self._savepoints.clear()
        elif kind is Kind.ROLLBACK:
            backing.rollback(execute)
            self._savepoints.clear()
        elif kind in (Kind.SAVEPOINT, Kind.RELEASE, Kind.ROLLBACK_TO):
            self._savepoint(statement, execute)
        elif kind is Kind.PRAGMA:
            self._pragma(statement, sql, execute)
        elif backing.open or kind in (Kind.READ, Kind.OUTSIDE):
            if kind is Kind.SCHEMA and self._schema is None:
                self._schema = self._cookies()
            execute()
        elif statement.returns:  # it is not over before its rows are read, so nobody can tell yet whether it changes anything
            self._effect()
            execute()
        else:
            self._alone(execute, schema=kind is Kind.SCHEMA)

    def _begin_if_due(self) -> None:
        if self._autocommit == LEGACY and self._isolation is not None and not self._backing.open:
            self._begin(f"BEGIN {self._isolation}")

    def _begin(self, sql: str, run: Execute | None = None) -> None:
        self._backing.begin(sql, run)
        self._savepoints.clear()
        self._begun()

    def _begun(self) -> None:
        self._changes = self._raw.total_changes
        self._schema = None

    def _alone(self, execute: Execute, *, schema: bool) -> None:
        """A write outside of any transaction is one."""
        self._begin("BEGIN")
        if schema:
            self._schema = self._cookies()
        try:
            execute()
        except BaseException:
            self._rollback()
            raise
        self._commit()

    def _commit(self, run: Execute | None = None) -> None:
        if self._backing.open:
            self._effect_if_changed()
            self._backing.commit(run)
            self._savepoints.clear()

    def _effect_if_changed(self) -> None:
        raw = self._raw
        if raw.total_changes != self._changes or (self._schema is not None and self._schema != self._cookies()):
            self._effect()

    def _rollback(self) -> None:
        if self._backing.open:
            self._backing.rollback()
        self._savepoints.clear()

    def _effect(self) -> None:
        """About to reach the disk: here the host may die. What is in memory alone does not outlive it, and is no effect."""
        if self._file is not None:
            with threads.on_loop():
                self.databases.hook(self._host, self)
            self._host.check()

    def _cookies(self) -> tuple[int, ...]:
        """The schema's version, and the numbers that a program may leave in the header of its database."""
        return tuple(self._raw.execute(f"PRAGMA {name}").fetchone()[0] for name in ("schema_version", *_NUMBERS))

    def _savepoint(self, statement: Statement, execute: Execute) -> None:
        name, names = statement.name, self._savepoints
        if statement.kind is Kind.SAVEPOINT:
            outermost = not self._backing.open
            if outermost:
                self._begin("BEGIN")
            execute()
            if outermost or names:
                names.append(name)
            return
        if name not in names:  # none, or one within BEGIN … COMMIT
            execute()
            return
        depth = len(names) - 1 - names[::-1].index(name)
        if statement.kind is Kind.ROLLBACK_TO:
            execute()
            del names[depth + 1 :]
        elif depth == 0:
            self._commit(execute)  # which releases it
        else:
            execute()
            del names[depth:]

    def _look_at(self, statement: Statement) -> None:
        """What a pooled database does not do as one in a file does: the world has to be played with files."""
        kind = statement.kind
        if statement.awkward or kind is Kind.OUTSIDE:
            self._needs_a_file()
        if self._owed and kind not in (Kind.READ, Kind.PRAGMA):
            self._needs_a_file()

    def _needs_a_file(self) -> None:
        if self._file is not None:
            self.databases.never_pool(self._file)
            if self._pooled is not None:
                self._play_again()

    def _play_again(self) -> NoReturn:
        self.databases.void = True
        self._host.kill()
        raise Crashed("the world is played again, with databases in files")

    def _pragma(self, statement: Statement, sql: str, execute: Execute) -> None:
        if statement.name == "busy_timeout" and statement.value is not None:
            with contextlib.suppress(ValueError):
                self.patience_s = int(statement.value) / 1000
            execute("SELECT ? AS timeout", (round(self.patience_s * 1000),))
            return
        if not is_alike(statement.name, statement.value):
            if self._pooled is not None:
                self._recall(sql, execute)
                return
            execute()
            if self._file is not None:
                self.databases.remember(self._file, statement.name, sql, self._raw)
        elif statement.name not in _NUMBERS or statement.value is None:
            execute()
        elif not self._backing.open:
            self._alone(execute, schema=True)
        else:
            self._schema = self._schema or self._cookies()
            execute()

    def _recall(self, sql: str, execute: Execute) -> None:
        """Answer a pragma as the file did."""
        assert self._pooled is not None
        if sql not in self._pooled.pragmas:
            self._needs_a_file()
        _, answer = self._pooled.pragmas[sql]
        if self._owed:
            self._owed.discard(sql)
        rows = " UNION ALL ".join(f"SELECT {', '.join('?' * len(row))}" for row in answer)
        execute(rows or _NO_ROWS, [value for row in answer for value in row])

    def _lose(self) -> None:
        """The host is dead, or its world over, or it lets go: what it had not committed is gone."""
        if not self._closed:
            self._closed = True
            self.databases.closed(self)
            self._backing.leave()

    def _check(self) -> None:
        self._host.check()
        if self._closed:
            raise sqlite3.ProgrammingError("Cannot operate on a closed database.")

    # --- the interface of sqlite3.Connection

    def cursor(self, factory: Any = None) -> Any:
        if self._closed or not self._host.alive:
            self._check()
        made = SimulatedCursor(self) if factory is None else _cursor_class(factory)(self)
        if self._rows is not None:
            made.row_factory = self._rows
        return made

    def execute(self, sql: str, parameters: Any = (), /) -> Any:
        return self.cursor().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> Any:
        return self.cursor().executemany(sql, parameters)

    def executescript(self, script: str, /) -> Any:
        return self.cursor().executescript(script)

    def commit(self) -> None:
        self._check()
        if self._autocommit is not True:
            self._commit()
            if self._autocommit is False:
                self._begin("BEGIN")

    def rollback(self) -> None:
        self._check()
        if self._autocommit is not True:
            self._rollback()
            if self._autocommit is False:
                self._begin("BEGIN")

    def close(self) -> None:
        self._host.check()
        self._lose()

    def __enter__(self) -> Self:
        self._check()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> Literal[False]:
        if kind is not None and issubclass(kind, Crashed):
            return False
        if kind is not None:
            self.rollback()
            return False
        try:
            self.commit()
        except sqlite3.Error:
            self.rollback()
            raise
        return False

    def __del__(self) -> None:
        self._lose()

    def iterdump(self, **options: Any) -> Generator[str, None, None]:
        self._check()
        yield from self._raw.iterdump(**options)

    def backup(self, target: sqlite3.Connection, **options: Any) -> None:
        self._check()
        self._needs_a_file()  # a world that is one transaction would be waited for
        if isinstance(target, SimulatedConnection):
            target._needs_a_file()
            target._effect()
            target = target._raw
        self._raw.backup(target, **options)

    def deserialize(self, data: Any, /, **options: Any) -> None:
        self._check()
        if self._file is not None:
            raise cannot_simulate("deserialize() on a database in a file", "write the file instead")
        self._raw.deserialize(data, **options)

    def blobopen(self, *arguments: Any, readonly: bool = False, **options: Any) -> sqlite3.Blob:
        self._check()
        if not readonly and not self._backing.open:
            self._effect()
        return self._raw.blobopen(*arguments, readonly=readonly, **options)

    def __call__(self, sql: str) -> Any:
        self._check()
        return self._raw(sql)

    @property
    def in_transaction(self) -> bool:
        self._check()
        return self._backing.open

    @property
    def total_changes(self) -> int:
        self._check()
        return self._raw.total_changes - self._at_first

    @property
    def row_factory(self) -> Any:
        return self._rows

    @row_factory.setter
    def row_factory(self, factory: Any) -> None:
        self._rows = factory

    @property
    def text_factory(self) -> Any:
        return self._raw.text_factory

    @text_factory.setter
    def text_factory(self, factory: Any) -> None:
        self._raw.text_factory = factory

    @property
    def isolation_level(self) -> Any:
        return self._isolation

    @isolation_level.setter
    def isolation_level(self, level: str | None) -> None:
        self._check()
        self._isolation = _isolation(level)
        if level is None and self._autocommit == LEGACY:
            self._commit()  # which the module does, too

    @property
    def autocommit(self) -> bool | int:
        return self._autocommit

    @autocommit.setter
    def autocommit(self, value: bool | int) -> None:
        self._check()
        if sys.version_info < (3, 12):
            raise AttributeError("autocommit came with Python 3.12")
        if value is True:
            self._commit()
        self._autocommit = value
        if value is False and not self._backing.open:
            self._begin("BEGIN")


def _isolation(level: str | None) -> str | None:
    if level is None:
        return None
    if level.upper() not in ("", "DEFERRED", "IMMEDIATE", "EXCLUSIVE"):
        raise ValueError("isolation_level string must be '', 'DEFERRED', 'IMMEDIATE', or 'EXCLUSIVE'")
    return level


# what a connection is told for good, and a pooled one would still know in its next life
_LASTING = {
    "create_collation", "enable_load_extension", "load_extension", "set_authorizer", "set_progress_handler", "set_trace_callback",
    "setconfig", "setlimit",
}  # fmt: skip


def _passed_on(name: str) -> Callable[..., Any]:
    def method(self: SimulatedConnection, *arguments: Any, **options: Any) -> Any:
        self._check()
        if name in _LASTING:
            self._needs_a_file()
        return getattr(self._raw, name)(*arguments, **options)

    method.__name__ = name
    return method


for _name in (
    "create_aggregate", "create_collation", "create_function", "create_window_function", "enable_load_extension", "getconfig",
    "getlimit", "interrupt", "load_extension", "serialize", "set_authorizer", "set_progress_handler", "set_trace_callback",
    "setconfig", "setlimit",
):  # fmt: skip
    if hasattr(sqlite3.Connection, _name):
        setattr(SimulatedConnection, _name, _passed_on(_name))

_combined: dict[type, type] = {}


def _cursor_class(factory: Any) -> Any:
    """The merchant's own class of cursors, over ours."""
    if not (isinstance(factory, type) and issubclass(factory, sqlite3.Cursor)):
        return factory
    return over(factory, SimulatedCursor)


def over(theirs: type, ours: type) -> type:
    if theirs in ours.__mro__:
        return ours
    if theirs not in _combined:
        _combined[theirs] = type(theirs.__name__, (theirs, ours), {"__module__": theirs.__module__})
    return _combined[theirs]
