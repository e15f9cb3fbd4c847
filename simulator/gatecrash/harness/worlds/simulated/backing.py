"""What is beneath a simulated connection: a file, or a database in memory that is there before the world begins.

Opening a file, preparing its statements and writing them down is most of what a short world does. A pooled database is opened
once a process: a whole world is one transaction of it, taken back in the end; the transactions of the host are savepoints within.
"""

import os
import re
import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

_CACHED = 512
_SAVEPOINT, _RELEASE, _ROLLBACK_TO = (f"{word} gatecrash_transaction" for word in ("SAVEPOINT", "RELEASE", "ROLLBACK TO"))
# where the header of a database says that it has a write-ahead log, which one in memory cannot have
_FORMAT = slice(18, 20)
_ROLLBACK_JOURNAL = b"\x01\x01"
# what a database in memory, or one within a transaction, does in another way
_AWKWARD = re.compile(r"\bROLLBACK\b|\bDEFERRED\b", re.IGNORECASE)
# settings of a connection that change what its statements do
_DECISIVE = {
    "automatic_index", "case_sensitive_like", "cell_size_check", "foreign_keys", "ignore_check_constraints", "legacy_alter_table",
    "recursive_triggers", "reverse_unordered_selects", "trusted_schema",
}  # fmt: skip
# what may be asked of a database in memory, or set in it, as of any other
_ALIKE = {
    "application_id", "collation_list", "compile_options", "data_version", "database_list", "encoding", "foreign_key_check",
    "foreign_key_list", "freelist_count", "function_list", "index_info", "index_list", "index_xinfo", "integrity_check",
    "module_list", "page_count", "pragma_list", "quick_check", "schema_version", "table_info", "table_list", "table_xinfo",
    "user_version",
}  # fmt: skip

Answer = list[tuple[Any, ...]]
Run = Callable[[str], Any]


class Backing(Protocol):
    """The real connection, and its transactions. `raw` is in autocommit mode."""

    raw: sqlite3.Connection

    @property
    def open(self) -> bool:
        """Whether a transaction is."""

    def begin(self, sql: str, run: Run | None = None) -> None:
        """Begin as `sql` says; `run` runs a statement in the place of the one that asked for this."""

    def commit(self, run: Run | None = None) -> None: ...
    def rollback(self, run: Run | None = None) -> None: ...
    def leave(self) -> None:
        """Close it, or give it back; whatever is not committed is gone."""


class File:
    """A connection to a file, or to memory of its own."""

    def __init__(self, raw: sqlite3.Connection) -> None:
        self.raw = raw
        own_functions(raw)

    @property
    def open(self) -> bool:
        return self.raw.in_transaction

    def begin(self, sql: str, run: Run | None = None) -> None:
        (run or self.raw.execute)(sql)

    def commit(self, run: Run | None = None) -> None:
        (run or self.raw.execute)("COMMIT")

    def rollback(self, run: Run | None = None) -> None:
        (run or self.raw.execute)("ROLLBACK")

    def leave(self) -> None:
        try:
            if self.raw.in_transaction:
                self.raw.execute("ROLLBACK")
        except sqlite3.Error:  # closed already, or SQLite did it
            pass
        self.raw.close()


class Pooled:
    """The one connection at a time to a database that is kept in memory from world to world."""

    def __init__(self, kept: bytes, detect_types: int, pragmas: dict[str, tuple[str, Answer]]) -> None:
        self.raw = sqlite3.Connection(
            ":memory:", detect_types=detect_types, isolation_level=None, check_same_thread=False, cached_statements=_CACHED
        )
        own_functions(self.raw)
        pages = bytearray(kept)
        pages[_FORMAT] = _ROLLBACK_JOURNAL
        self.raw.deserialize(bytes(pages))
        self.detect_types = detect_types
        self.pragmas = pragmas
        # what its user has to have set before he writes: it is set here, once and for all
        self.decisive = {sql for sql, (name, _) in pragmas.items() if name in _DECISIVE}
        for sql in pragmas:
            if sql in self.decisive:
                self.raw.execute(sql)
        self.open = False
        self.taken = False
        self.raw.execute("BEGIN")

    def take(self) -> None:
        """Somebody opens it."""
        self.taken = True
        self.raw.text_factory = str

    def begin(self, sql: str, run: Run | None = None) -> None:
        if self.open:
            raise sqlite3.OperationalError("cannot start a transaction within a transaction")
        (run or self.raw.execute)(_SAVEPOINT)
        self.open = True

    def commit(self, run: Run | None = None) -> None:
        if not self.open:
            raise sqlite3.OperationalError("cannot commit - no transaction is active")
        (run or self.raw.execute)(_RELEASE)
        self.open = False

    def rollback(self, run: Run | None = None) -> None:
        if not self.open:
            raise sqlite3.OperationalError("cannot rollback - no transaction is active")
        self.raw.execute(_ROLLBACK_TO)
        (run or self.raw.execute)(_RELEASE)
        self.open = False

    def leave(self) -> None:
        if self.open:
            self.rollback()
        self.taken = False

    def begin_anew(self) -> None:
        """Take a world back."""
        self.raw.execute("ROLLBACK")
        self.raw.execute("BEGIN")
        self.open = self.taken = False


def can_pool(kept: bytes) -> bool:
    """Whether savepoints do for this schema: neither constraints that wait for the commit, nor triggers that end transactions."""
    pages = bytearray(kept)
    pages[_FORMAT] = _ROLLBACK_JOURNAL
    connection = sqlite3.Connection(":memory:")
    try:
        connection.deserialize(bytes(pages))
        texts = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    finally:
        connection.close()
    return not any(_AWKWARD.search(text) for (text,) in texts)


def is_alike(pragma: str, value: str | None) -> bool:
    """Whether a pragma means the same for a pooled database."""
    return pragma in _ALIKE or (pragma in _DECISIVE and value is None)


def bytes_of(file: Path) -> bytes:
    """A database as one run of bytes, its write-ahead log included."""
    connection = sqlite3.Connection(file)
    try:
        return connection.serialize()
    finally:
        connection.close()


# --- SQL's own clock and chance

_PLAIN_FUNCTIONS = sqlite3.Connection(":memory:", check_same_thread=False)
_OF_A_MOMENT = {"date": 0, "time": 0, "datetime": 0, "julianday": 0, "unixepoch": 0, "strftime": 1}  # which argument says when


def own_functions(raw: sqlite3.Connection) -> None:
    """Have `datetime('now')`, CURRENT_TIMESTAMP, `random()` and the like follow the clock and the randomness of this process."""
    for name, place in _OF_A_MOMENT.items():
        raw.create_function(name, -1, _of_a_moment(name, place), deterministic=True)  # within a statement, as SQLite's are
    for name, form in {"current_timestamp": "%Y-%m-%d %H:%M:%S", "current_date": "%Y-%m-%d", "current_time": "%H:%M:%S"}.items():
        raw.create_function(name, 0, lambda form=form: _now().strftime(form), deterministic=True)
    raw.create_function("random", 0, lambda: int.from_bytes(os.urandom(8), "big", signed=True))
    raw.create_function("randomblob", 1, lambda size: os.urandom(max(1, size)))


def _now() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


def _of_a_moment(name: str, place: int) -> Any:
    def function(*arguments: Any) -> Any:
        given = list(arguments)
        if len(given) == place:
            given.append("now")
        if len(given) > place and isinstance(given[place], str) and given[place].lower() == "now":
            given[place] = _now().strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        marks = ", ".join("?" * len(given))
        return _PLAIN_FUNCTIONS.execute(f"SELECT {name}({marks})", given).fetchone()[0]

    return function
