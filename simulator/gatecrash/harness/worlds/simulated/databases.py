"""SQLite as a host of the simulated world knows it: what it commits stays when it dies, all else is gone.

A connection that is opened while an incarnation is running belongs to it. Before each of its commits that changes something, the
hook is asked, which may kill the incarnation: then nothing is written, and Crashed unwinds what called. From then on the
connection knows nothing but Crashed.
"""

import contextlib
import gc
import sqlite3
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from gatecrash.harness.worlds.simulated import threads
from gatecrash.harness.worlds.simulated.backing import Answer, Backing, File, Pooled, bytes_of, can_pool
from gatecrash.harness.worlds.simulated.connections import SimulatedConnection, over
from gatecrash.harness.worlds.simulated.guard import cannot_simulate
from gatecrash.harness.worlds.simulated.hosts import Crashed, Incarnation, current
from gatecrash.harness.worlds.simulated.rebinding import Replacements

Hook = Callable[[Incarnation, sqlite3.Connection], None]

_SIDE_FILES = ("-wal", "-shm", "-journal")
_MEMORY = ("", ":memory:")
_replaced = Replacements()
_worlds: "Databases | None" = None


class PlayAgain(Exception):
    """The world that ends proves nothing: a pooled database was asked for what only a file can do.

    It is a file from now on, so this happens once a process and database.
    """


class Databases:
    """The databases of one world after another: files, and in memory what was kept of them once and is opened once at a time."""

    def __init__(self, hook: Hook, scratch: Path | None = None) -> None:
        self.hook = hook
        self.scratch = scratch.resolve() if scratch else None
        self.void = False  # this world has to be played again
        self._open: dict[int, weakref.ref[SimulatedConnection]] = {}  # one that nobody holds any more closes itself
        self._hosts: set[int] = set()
        self._files: set[Path] = set()
        self._kept: dict[Path, bytes] = {}
        self._pool: dict[Path, Pooled] = {}
        self._unpooled: set[Path] = set()
        self._pragmas: dict[Path, dict[str, tuple[str, Answer]]] = {}

    # --- for connections

    def open(self, database: Any, detect_types: int, cached_statements: int, uri: bool) -> tuple[Path | None, Backing]:
        """The file that a name means, None for one in memory, and what is beneath a new connection to it."""
        name = database.decode() if isinstance(database, bytes) else str(database)
        path, query = name, ""
        if uri and name.startswith("file:"):
            parts = urlsplit(name)
            path, query = unquote(parts.path), parts.query
        file = None if path in _MEMORY or "mode=memory" in query else self._placed(Path(path))
        if file is not None:
            if query or self._is_open(file):
                self.never_pool(file)
            if (pooled := self._pooled(file, detect_types)) is not None:
                pooled.take()
                return file, pooled
        raw = sqlite3.Connection(
            name, timeout=0, detect_types=detect_types, isolation_level=None, check_same_thread=False,
            cached_statements=cached_statements, uri=uri,
        )  # fmt: skip
        return file, File(raw)

    def _placed(self, path: Path) -> Path:
        file = path.resolve()
        if self.scratch is not None and not file.is_relative_to(self.scratch):
            raise cannot_simulate(
                f"the database {file} outlives the world",
                "open it below the folder the world gives: take its path from a setting that the profile fills with {scratch}",
            )
        self._files.add(file)
        return file

    def _pooled(self, file: Path, detect_types: int) -> Pooled | None:
        pooled = self._pool.get(file)
        if pooled is None and file in self._kept and file not in self._unpooled:
            pooled = self._pool[file] = Pooled(self._kept[file], detect_types, self._pragmas.get(file, {}))
        if pooled is not None and pooled.detect_types != detect_types:
            self.never_pool(file)
        if file in self._unpooled and pooled is not None:  # what happened to it so far, the file does not know
            self.void = True
            host = current()
            assert host is not None
            host.kill()
            raise Crashed("the world is played again, with databases in files")
        return pooled

    def opened(self, connection: SimulatedConnection) -> None:
        """A host has it now."""
        self._open[id(connection)] = weakref.ref(connection)
        host = connection._host
        if id(host) not in self._hosts:
            self._hosts.add(id(host))
            host.on_death.append(lambda: self._died(host))

    def closed(self, connection: SimulatedConnection) -> None:
        """The host let go of it."""
        self._open.pop(id(connection), None)

    def _connections(self) -> list[SimulatedConnection]:
        return [each for reference in self._open.values() if (each := reference()) is not None]

    def _is_open(self, file: Path) -> bool:
        """Whether somebody still holds a connection to it; one that only waits for the garbage collector is held by nobody."""
        if not any(each._file == file for each in self._connections()):
            return False
        gc.collect()
        return any(each._file == file for each in self._connections())

    def _died(self, host: Incarnation) -> None:
        self._hosts.discard(id(host))
        for connection in self._connections():
            if connection._host is host:
                connection._lose()

    def never_pool(self, file: Path) -> None:
        """It is used in a way that only a file knows."""
        self._unpooled.add(file)

    def remember(self, file: Path, name: str, sql: str, raw: sqlite3.Connection) -> None:
        """How a file answers a pragma that one in memory would answer otherwise."""
        known = self._pragmas.setdefault(file, {})
        if sql not in known:
            known[sql] = (name, raw.execute(sql).fetchall())

    # --- for worlds

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """All that is committed: name of the file, table, and the row, in an order of their own."""
        for file in sorted(self._files):
            if file in self._pool:
                yield from ((file.name, *row) for row in rows_of(self._pool[file].raw))
            elif file.exists():
                with contextlib.closing(sqlite3.Connection(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
                    yield from ((file.name, *row) for row in rows_of(connection))

    def keep(self) -> None:
        """Let every later world begin with the databases as they are now: such as after a first start, with all tables there."""
        for file in self._files:
            if file.exists():
                self._kept[file] = bytes_of(file)
                if not can_pool(self._kept[file]):
                    self.never_pool(file)

    def clear(self) -> None:
        """End a world: let go of what it opened, put the files back to what was kept, or away. PlayAgain if it was void."""
        for connection in self._connections():
            connection._lose()
        self._hosts.clear()
        void, self.void = self.void, False
        for file in self._files | set(self._kept):
            if file in self._unpooled and (pooled := self._pool.pop(file, None)) is not None:
                pooled.raw.close()
            if file in self._pool:
                self._pool[file].begin_anew()
                if file.exists():
                    continue
            for name in (file, *(file.with_name(file.name + suffix) for suffix in _SIDE_FILES)):
                name.unlink(missing_ok=True)
            if file in self._kept and file.parent.is_dir():
                file.write_bytes(self._kept[file])
        self._files = set(self._kept)
        if void:
            raise PlayAgain

    def forget(self) -> None:
        """End a world, and with it all that was kept and learned."""
        self._kept.clear()
        self._unpooled.update(self._pool)
        with contextlib.suppress(PlayAgain):
            self.clear()
        self._unpooled.clear()
        self._pragmas.clear()


def rows_of(connection: sqlite3.Connection) -> Iterator[tuple[Any, ...]]:
    """Every row of every table, the name of its table before it."""
    names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
    for (name,) in names:
        quoted = name.replace('"', '""')
        yield from ((name, *row) for row in connection.execute(f'SELECT * FROM "{quoted}"'))  # noqa: S608 - a name of its own


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
        made: Any = over(factory or sqlite3.Connection, SimulatedConnection)
        connection: sqlite3.Connection = made(database, *arguments, **options)
        return connection

    _worlds = SimulatedConnection.databases = Databases(hook, scratch)
    _replaced.replace(sqlite3, "connect", connect)
    vars(sqlite3.dbapi2)["connect"] = connect
    _replaced.spread()
    threads.inline_aiosqlite()
    return _worlds


def uninstall() -> None:
    """Let Python's own be there again."""
    global _worlds
    if _worlds is not None:
        _worlds.forget()
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
