"""What a store can fail with."""

import errno
import sqlite3

from gatecrash.core.errors import Refused
from gatecrash.store.database_files import DatabaseChanged

# what SQLite says when the disk is at fault: it may pass by itself
_PASSING = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM})
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_PASSING_OF_SYSTEM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM})

_RESTORE = "Stop the gateway, and restore the database or give an empty --data folder."
_RETRY_AFTER_S = 1


def _primary(why: object) -> int | None:
    """SQLite's own code of an error, without what it adds about the circumstances."""
    code = getattr(why, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def passes(why: object) -> bool:
    """Whether the disk was at fault, so that the same may succeed later: no space, say."""
    return _primary(why) in _PASSING or (isinstance(why, OSError) and why.errno in _PASSING_OF_SYSTEM)


def is_damage(why: object) -> bool:
    """Whether the database itself is not as SQLite wrote it."""
    return _primary(why) in _DAMAGED


def is_database_error(why: object) -> bool:
    """Whether the database could not do what it was asked, through no fault of the statement."""
    return isinstance(why, sqlite3.OperationalError) or type(why) is sqlite3.DatabaseError


def advice(why: object) -> str:
    """What to do about an error of the database."""
    if isinstance(why, DatabaseChanged):
        return "Put back the file that was there; after a crash, nothing else brings back what was written to it."
    if is_damage(why):
        return _RESTORE
    return "Free some space and retry." if passes(why) else "Retry; if that fails too, restart the gateway."


class StoreUnusable(Exception):
    """The store cannot be opened. The message is one line for the user: what, why, what to do. `passing`: later it may be."""

    def __init__(self, message: str, *, passing: bool = False) -> None:
        super().__init__(message)
        self.passing = passing


class Unwritable(Exception):
    """What is buffered for one sandbox cannot be written: that sandbox fails alone."""

    def __init__(self, sandbox: str, why: Exception) -> None:
        super().__init__(f"sandbox {sandbox}: {why}")
        self.sandbox, self.why = sandbox, why


class StoreFailed(Refused):
    """A commit failed (disk full, file gone): nothing of its group happened. Whoever asked is told so."""

    def __init__(self, path: str, why: object) -> None:
        self.why = why
        super().__init__(
            "gateway_gone",
            f"the gateway could not use {path}: {why}; nothing of this request happened. {advice(why)}",
            retry_after_s=_RETRY_AFTER_S,
        )
