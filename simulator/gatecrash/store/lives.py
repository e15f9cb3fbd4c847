"""Lives: under which number the rows of each sandbox are kept.

A sandbox that begins anew gets a new life: one small commit, however much the old one held. A life that no sandbox has any more
is deleted afterwards, a slice a commit; the table `lives` tells which those are, so a crash in between loses none. Copies are
made in slices, too: into a life of their own, which becomes a sandbox's once it is whole.
"""

import sqlite3
from typing import Any, NamedTuple

from gatecrash.store.interface import OF, Copied
from gatecrash.store.tables import TABLES

#: How many rows one commit may copy and delete, all its jobs together: about 10 ms of work. A look at a table counts as a row.
SLICE = 500
# which rows of a table a copy leaves behind: claims whose work has not committed, and entries written after it began
_COPIED = {"idempotency_keys": "status IS NOT NULL", "journal": "last_seq <= :until"}


class _Table(NamedTuple):
    """What copies and deletes a slice of one table, in the order of its key; `first`: a key that all others follow."""

    name: str
    first: tuple[Any, ...]
    copy: str
    last: str
    delete: str


def _table(name: str, columns: list[str], key: tuple[str, ...], first: tuple[Any, ...]) -> _Table:
    keys, all_columns = ", ".join(key), ", ".join(columns)
    after = ", ".join(f":key{i}" for i in range(len(key)))
    which = f"life = :source AND ({keys}) > ({after})" + (f" AND {_COPIED[name]}" if name in _COPIED else "")
    backwards = ", ".join(f"{column} DESC" for column in key)
    return _Table(  # names are our own, values are bound
        name,
        first,
        f"INSERT INTO {name} (life, {all_columns}) SELECT :target, {all_columns} FROM {name} "  # noqa: S608
        f"WHERE {which} ORDER BY {keys} LIMIT :limit",
        f"SELECT {keys} FROM {name} WHERE life = ? ORDER BY {backwards} LIMIT 1",  # noqa: S608
        f"DELETE FROM {name} WHERE life = :life AND ({keys}) IN "  # noqa: S608
        f"(SELECT {keys} FROM {name} WHERE life = :life LIMIT :limit)",
    )


#: Everything of a sandbox but its row.
SLICED = [
    *(_table(kind.TABLE, table.columns, kind.KEY, ("",) * len(kind.KEY)) for kind, table in TABLES.items()),
    _table("journal", ["last_seq", "entries"], ("last_seq",), (-1,)),
]


class Lives:
    """The lives of one database. Inside a commit, a sandbox that has none gets one when it is asked for."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._known: dict[str, int] = {}
        self._left = SLICE

    def begin(self) -> None:
        """A commit begins."""
        self._left = SLICE

    def forget(self) -> None:
        """Something was rolled back: what is known may not be so."""
        self._known.clear()

    def of(self, sandbox: str) -> int | None:
        life = self._known.get(sandbox)
        if life is None:
            row = self._db.execute("SELECT id FROM lives WHERE sandbox = ?", (sandbox,)).fetchone()
            if row is not None:
                life = row[0]
            elif self._db.in_transaction:
                life = self._db.execute("INSERT INTO lives (sandbox) VALUES (?)", (sandbox,)).lastrowid
            else:
                return None
            assert life is not None
            self._known[sandbox] = life
        return life

    def end(self, sandbox: str) -> None:
        """Part a sandbox from its life, which is to be swept."""
        self._known.pop(sandbox, None)
        self._db.execute("UPDATE lives SET sandbox = NULL WHERE sandbox = ?", (sandbox,))

    def give(self, sandbox: str, to: str) -> None:
        """Have the life of one sandbox be that of another, whose own one ends."""
        self.end(to)
        self._known.pop(sandbox, None)
        self._db.execute("UPDATE lives SET sandbox = ? WHERE sandbox = ?", (to, sandbox))

    def end_copies(self) -> None:
        """End the lives that copies were being made into."""
        self._db.execute("UPDATE lives SET sandbox = NULL WHERE substr(sandbox, -1) = ?", (OF,))
        self.forget()

    def copy(self, source: int | None, target: int | None, so_far: Copied, until: int) -> Copied | None:
        """Copy as much as this commit may. Returns how far it came; None, if that was all."""
        number, key = so_far
        while number < len(SLICED):
            if self._left <= 0:
                return Copied(number, key)
            table, limit = SLICED[number], self._left
            places = {f"key{i}": part for i, part in enumerate(key or table.first)}
            values = {"source": source, "target": target, "until": until, "limit": limit, **places}
            count = self._db.execute(table.copy, values).rowcount
            self._left -= max(count, 1)
            if count < limit:
                number, key = number + 1, ()
            else:
                key = self._db.execute(table.last, (target,)).fetchone()
        return None

    def sweep(self) -> bool:
        """Delete as much as this commit may of lives that have ended. Returns whether there may be more."""
        ended = self._db.execute("SELECT id FROM lives WHERE sandbox IS NULL ORDER BY id LIMIT ?", (SLICE,)).fetchall()
        for (life,) in ended:
            for table in SLICED:
                if self._left <= 0:
                    return True
                limit = self._left
                count = self._db.execute(table.delete, {"life": life, "limit": limit}).rowcount
                self._left -= max(count, 1)
                if count == limit:
                    return True
            self._db.execute("DELETE FROM lives WHERE id = ?", (life,))
        return False
