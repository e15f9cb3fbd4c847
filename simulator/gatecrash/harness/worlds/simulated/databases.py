"""SQLite as a host of the simulated world knows it: what it commits stays when it dies, all else is gone.

A connection that is opened while an incarnation is running belongs to it. Before each of its commits that changes something, the
hook is asked, which may kill the incarnation: then nothing is written, and Crashed unwinds what called. From then on the
connection knows nothing but Crashed.

Commits happen in many ways (`commit()`, `with connection:`, COMMIT and the release of an outermost savepoint, a script, a write
outside of any transaction), and C code does most of them unseen. So the connection beneath runs in autocommit mode, and
`SimulatedConnection` does in Python what the `sqlite3` module does in C: it begins transactions where the module would.
"""

import contextlib
import sqlite3
import sys
from collections.abc import Callable, Generator, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import parse_qs, unquote, urlsplit

from gatecrash.harness.worlds.simulated import threads
from gatecrash.harness.worlds.simulated.guard import cannot_simulate
from gatecrash.harness.worlds.simulated.hosts import Crashed, Incarnation, current
from gatecrash.harness.worlds.simulated.rebinding import Replacements
from gatecrash.harness.worlds.simulated.statements import Kind, Statement, statements_of, understood

Hook = Callable[[Incarnation, sqlite3.Connection], None]

LEGACY = -1  # sqlite3.LEGACY_TRANSACTION_CONTROL, from Python 3.12 on: `isolation_level` decides
_PATIENCE_S = 5.0  # what sqlite3.connect waits for a lock unless told
_SIDE_FILES = ("-wal", "-shm", "-journal")
_NUMBERS = ("user_version", "application_id")
_replaced = Replacements()
_worlds: "Databases | None" = None


class Databases:
    """The databases of one world after another, as files below a folder; outside of it a host has no business."""

    def __init__(self, hook: Hook, scratch: Path | None = None) -> None:
        self.hook = hook
        self.scratch = scratch.resolve() if scratch else None
        self._open: dict[int, SimulatedConnection] = {}
        self._hosts: set[int] = set()
        self._files: set[Path] = set()
        self._baseline: dict[Path, bytes] = {}

    def place(self, database: Any, uri: bool) -> tuple[str, Path | None]:
        """What to give to SQLite, and which file that is; None for one in memory."""
        name = database.decode() if isinstance(database, bytes) else str(database)
        path = name
        if uri and name.startswith("file:"):
            parts = urlsplit(name)
            path = unquote(parts.path)
            if parse_qs(parts.query).get("mode") == ["memory"]:
                path = ":memory:"
        if path in ("", ":memory:"):
            return name, None
        file = Path(path).resolve()
        if self.scratch is not None and not file.is_relative_to(self.scratch):
            raise cannot_simulate(
                f"the database {file} outlives the world",
                "open it below the folder the world gives: take its path from a setting that the profile fills with {data_dir}",
            )
        self._files.add(file)
        return name, file

    def opened(self, connection: "SimulatedConnection") -> None:
        """A host has it now."""
        self._open[id(connection)] = connection
        host = connection._host
        if id(host) not in self._hosts:
            self._hosts.add(id(host))
            host.on_death.append(lambda: self._died(host))

    def closed(self, connection: "SimulatedConnection") -> None:
        """The host let go of it."""
        self._open.pop(id(connection), None)

    def _died(self, host: Incarnation) -> None:
        self._hosts.discard(id(host))
        for connection in [each for each in self._open.values() if each._host is host]:
            connection._lose()

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """All that is committed: name of the file, table, and the row, in an order of their own."""
        for file in sorted(self._files):
            if file.exists():
                with contextlib.closing(sqlite3.Connection(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
                    yield from ((file.name, *row) for row in rows_of(connection))

    def keep(self) -> None:
        """Let every later world begin with the databases as they are now: such as after a first start, with all tables there."""
        for file in self._files:
            if file.exists():
                with contextlib.closing(sqlite3.Connection(file)) as connection:
                    self._baseline[file] = connection.serialize()

    def clear(self) -> None:
        """End a world: let go of what it opened, and put the files back to what was kept, or away."""
        for connection in list(self._open.values()):
            connection._lose()
        self._hosts.clear()
        for file in self._files | set(self._baseline):
            for name in (file, *(file.with_name(file.name + suffix) for suffix in _SIDE_FILES)):
                name.unlink(missing_ok=True)
            if file in self._baseline:
                file.write_bytes(self._baseline[file])
        self._files = set(self._baseline)


def rows_of(connection: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    """Every row of every table, the name of its table before it."""
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
    for (name,) in names:
        quoted = name.replace('"', '""')
        yield from ((name, *row) for row in connection.execute(f'SELECT * FROM "{quoted}"'))  # noqa: S608 - a name of its own


class SimulatedCursor(sqlite3.Cursor):
    """A cursor whose statements are looked at before they run."""

    def __init__(self, connection: "SimulatedConnection", /) -> None:
        super().__init__(connection._raw)
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
        connection._host.check()
        self._many = None
        statement = understood(sql)
        if statement.kind is Kind.READ or (statement.kind is Kind.CHANGE and connection._raw.in_transaction):
            sqlite3.Cursor.execute(self, sql, parameters)
        else:
            connection._run(statement, sql, lambda: sqlite3.Cursor.execute(self, sql, parameters))
        return self

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> Self:
        connection = self._connection
        connection._host.check()
        self._many = None
        if understood(sql).kind is Kind.CHANGE:
            connection._begin_if_due()
        if connection._raw.in_transaction or understood(sql).kind is not Kind.CHANGE:
            sqlite3.Cursor.executemany(self, sql, parameters)
            return self
        changed = 0  # outside of a transaction each row is a commit of its own
        for each in parameters:
            changed += self.execute(sql, each).rowcount
        self._many = changed
        return self

    def executescript(self, script: str, /) -> Self:
        connection = self._connection
        connection._host.check()
        self._many = None
        if not isinstance(script, str):
            raise TypeError(f"executescript() argument must be str, not {type(script).__name__}")
        if connection._autocommit == LEGACY:
            connection._commit()
        for sql in statements_of(script):
            connection._run(understood(sql), sql, lambda sql=sql: connection._raw.execute(sql).fetchall(), implicit=False)  # type: ignore[misc]
        return self

    def fetchone(self) -> Any:
        self._connection._host.check()
        return super().fetchone()

    def fetchmany(self, size: int | None = None) -> list[Any]:
        self._connection._host.check()
        return super().fetchmany(self.arraysize if size is None else size)

    def fetchall(self) -> list[Any]:
        self._connection._host.check()
        return super().fetchall()

    def __next__(self) -> Any:
        self._connection._host.check()
        return super().__next__()


class SimulatedConnection(sqlite3.Connection):
    """A connection of an incarnation. What the C code of its base would do is done by `_raw`, the real one beneath."""

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
        assert _worlds is not None, "databases are installed"
        host.check()
        self._host = host
        self._databases = _worlds
        self.patience_s = timeout  # whoever waits elsewhere than on the loop does so for a lock
        self._isolation = _isolation(isolation_level)
        self._autocommit: bool | int = autocommit
        self._name, self._file = self._databases.place(database, uri)
        self._raw = sqlite3.Connection(
            self._name, timeout=0, detect_types=detect_types, isolation_level=None, check_same_thread=False,
            cached_statements=cached_statements, uri=uri,
        )  # fmt: skip
        self._rows: Any = None
        self._savepoints: list[str] = []  # while a transaction was begun by one: the open ones, outermost first
        self._changes = 0  # in all, when the transaction began
        self._schema: tuple[int, ...] | None = None  # and its state, since a statement that may change that
        self._databases.opened(self)
        if autocommit is False:
            self._begin("BEGIN")

    # --- when transactions begin and end

    def _run(self, statement: Statement, sql: str, execute: Callable[[], Any], *, implicit: bool = True) -> None:
        """Run anything but what only reads, with what the `sqlite3` module and SQLite do around it."""
        raw, kind = self._raw, statement.kind
        if implicit and kind is Kind.CHANGE:
            self._begin_if_due()
        if kind is Kind.COMMIT and raw.in_transaction:
            self._commit(lambda: execute())
        elif kind in (Kind.ROLLBACK, Kind.BEGIN):
            self._savepoints.clear()
            execute()
            self._begun()
        elif kind in (Kind.SAVEPOINT, Kind.RELEASE, Kind.ROLLBACK_TO):
            self._savepoint(statement, execute)
        elif kind is Kind.PRAGMA:
            self._pragma(statement, execute)
        elif raw.in_transaction or kind in (Kind.READ, Kind.OUTSIDE, Kind.COMMIT):
            if kind is Kind.SCHEMA and self._schema is None:
                self._schema = self._cookies()
            execute()
        elif statement.returns:  # it is not over before its rows are read, so nobody can tell yet whether it changes anything
            self._effect()
            execute()
        else:
            self._alone(execute, schema=kind is Kind.SCHEMA)

    def _begin_if_due(self) -> None:
        if self._autocommit == LEGACY and self._isolation is not None and not self._raw.in_transaction:
            self._begin(f"BEGIN {self._isolation}")

    def _begin(self, sql: str) -> None:
        self._raw.execute(sql)
        self._savepoints.clear()
        self._begun()

    def _begun(self) -> None:
        self._changes = self._raw.total_changes
        self._schema = None

    def _alone(self, execute: Callable[[], Any], *, schema: bool) -> None:
        """A write outside of any transaction is one."""
        self._begin("BEGIN")
        if schema:
            self._schema = self._cookies()
        try:
            execute()
        except BaseException:
            if self._raw.in_transaction:
                self._raw.execute("ROLLBACK")
            raise
        self._commit()

    def _commit(self, execute: Callable[[], Any] | None = None) -> None:
        raw = self._raw
        if not raw.in_transaction:
            return
        if raw.total_changes != self._changes or (self._schema is not None and self._schema != self._cookies()):
            self._effect()
        if execute is None:
            raw.execute("COMMIT")
        else:
            execute()
        self._savepoints.clear()

    def _rollback(self) -> None:
        if self._raw.in_transaction:
            self._raw.execute("ROLLBACK")
        self._savepoints.clear()

    def _effect(self) -> None:
        """About to reach the disk: here the host may die. What is in memory alone does not outlive it, and is no effect."""
        if self._file is not None:
            with threads.on_loop():
                self._databases.hook(self._host, self)
            self._host.check()

    def _cookies(self) -> tuple[int, ...]:
        """The schema's version, and the numbers that a program may leave in the header of its database."""
        return tuple(self._raw.execute(f"PRAGMA {name}").fetchone()[0] for name in ("schema_version", *_NUMBERS))

    def _savepoint(self, statement: Statement, execute: Callable[[], Any]) -> None:
        name, names = statement.name, self._savepoints
        if statement.kind is Kind.SAVEPOINT:
            if not self._raw.in_transaction:
                execute()
                self._begun()
                names[:] = [name]
                return
            execute()
            if names:
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
            self._commit(execute)
        else:
            execute()
            del names[depth:]

    def _pragma(self, statement: Statement, execute: Callable[[], Any]) -> None:
        if statement.name == "busy_timeout" and statement.value is not None:
            with contextlib.suppress(ValueError):
                self.patience_s = int(statement.value) / 1000
            return
        if statement.name not in _NUMBERS or statement.value is None:
            execute()
        elif not self._raw.in_transaction:
            self._alone(execute, schema=True)
        else:
            self._schema = self._schema or self._cookies()
            execute()

    def _lose(self) -> None:
        """The host is dead, or its world over: what it had not committed is gone."""
        self._databases.closed(self)
        with contextlib.suppress(sqlite3.Error):
            if self._raw.in_transaction:
                self._raw.execute("ROLLBACK")
        self._raw.close()

    # --- the interface of sqlite3.Connection

    def cursor(self, factory: Any = None) -> Any:
        self._host.check()
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
        self._host.check()
        if self._autocommit is not True:
            self._commit()
            if self._autocommit is False:
                self._begin("BEGIN")

    def rollback(self) -> None:
        self._host.check()
        if self._autocommit is not True:
            self._rollback()
            if self._autocommit is False:
                self._begin("BEGIN")

    def close(self) -> None:
        self._host.check()
        self._databases.closed(self)
        with contextlib.suppress(sqlite3.ProgrammingError):  # closed before
            if self._raw.in_transaction:
                self._raw.execute("ROLLBACK")
        self._raw.close()

    def __enter__(self) -> Self:
        self._host.check()
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
        """Whoever leaves it open is told by nobody; its end is the end of its host."""

    def iterdump(self, **options: Any) -> Generator[str, None, None]:
        self._host.check()
        yield from self._raw.iterdump(**options)

    def backup(self, target: sqlite3.Connection, **options: Any) -> None:
        self._host.check()
        if isinstance(target, SimulatedConnection):
            target._effect()
            target = target._raw
        self._raw.backup(target, **options)

    def deserialize(self, data: Any, /, **options: Any) -> None:
        self._host.check()
        if self._file is not None:
            raise cannot_simulate("deserialize() on a database in a file", "write the file instead")
        self._raw.deserialize(data, **options)

    def blobopen(self, *arguments: Any, readonly: bool = False, **options: Any) -> sqlite3.Blob:
        self._host.check()
        if not readonly and not self._raw.in_transaction:
            self._effect()
        return self._raw.blobopen(*arguments, readonly=readonly, **options)

    def __call__(self, sql: str) -> Any:
        self._host.check()
        return self._raw(sql)

    @property
    def in_transaction(self) -> bool:
        self._host.check()
        return self._raw.in_transaction

    @property
    def total_changes(self) -> int:
        self._host.check()
        return self._raw.total_changes

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
        self._host.check()
        self._isolation = _isolation(level)
        if level is None and self._autocommit == LEGACY:
            self._commit()  # which the module does, too

    @property
    def autocommit(self) -> bool | int:
        return self._autocommit

    @autocommit.setter
    def autocommit(self, value: bool | int) -> None:
        self._host.check()
        if sys.version_info < (3, 12):
            raise AttributeError("autocommit came with Python 3.12")
        if value is True:
            self._commit()
        self._autocommit = value
        if value is False and not self._raw.in_transaction:
            self._begin("BEGIN")


def _isolation(level: str | None) -> str | None:
    if level is None:
        return None
    if level.upper() not in ("", "DEFERRED", "IMMEDIATE", "EXCLUSIVE"):
        raise ValueError("isolation_level string must be '', 'DEFERRED', 'IMMEDIATE', or 'EXCLUSIVE'")
    return level


def _passed_on(name: str) -> Callable[..., Any]:
    def method(self: SimulatedConnection, *arguments: Any, **options: Any) -> Any:
        self._host.check()
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
    return _over(factory, SimulatedCursor)


def _over(theirs: type, ours: type) -> type:
    if theirs in ours.__mro__:
        return ours
    if theirs not in _combined:
        _combined[theirs] = type(theirs.__name__, (theirs, ours), {"__module__": theirs.__module__})
    return _combined[theirs]


# --- in the place of what Python has


def install(hook: Hook, scratch: Path | None = None) -> Databases:
    """Let every connection that a host opens from now on be one of these. `scratch`: the folder its files must be in."""
    global _worlds
    if _replaced.active:
        raise RuntimeError("simulated databases are installed already; uninstall them first")
    real: Callable[..., sqlite3.Connection] = sqlite3.connect

    def connect(database: Any, *arguments: Any, **options: Any) -> sqlite3.Connection:
        if current() is None:
            return real(database, *arguments, **options)
        factory = arguments[4] if len(arguments) > 4 else options.get("factory")
        made: Any = _over(factory or sqlite3.Connection, SimulatedConnection)
        connection: sqlite3.Connection = made(database, *arguments, **options)
        return connection

    _worlds = Databases(hook, scratch)
    _replaced.replace(sqlite3, "connect", connect)
    vars(sqlite3.dbapi2)["connect"] = connect
    _replaced.spread()
    threads.inline_aiosqlite()
    return _worlds


def uninstall() -> None:
    """Let Python's own be there again."""
    global _worlds
    if _worlds is not None:
        _worlds.clear()
    _replaced.undo()
    threads.uninstall()
    vars(sqlite3.dbapi2)["connect"] = sqlite3.connect
    _worlds = None


def _installed() -> Databases:
    if _worlds is None:
        raise RuntimeError("simulated databases are not installed")
    return _worlds


def rows() -> Iterator[tuple[Any, ...]]:
    """See `Databases.rows`."""
    return _installed().rows()


def keep() -> None:
    """See `Databases.keep`."""
    _installed().keep()


def clear() -> None:
    """See `Databases.clear`."""
    _installed().clear()
