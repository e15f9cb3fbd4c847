"""Where the books live: one SQLite file, durable at every commit, and explicit transactions.

SQLite is called straight from the event loop: the transactions are short, nothing is awaited inside one,
and so each is atomic both to the other requests and to a crash.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from .model import Attempt, Modification, Order

Row = TypeVar("Row", Order, Attempt, Modification)
SCHEMA_VERSION = 4
TABLES = {Order: "orders", Attempt: "attempts", Modification: "modifications"}


@cache
def schema() -> str:
    """The text of `schema.sql`."""
    return Path(__file__).with_name("schema.sql").read_text(encoding="utf-8")


class Store:
    """The shop's books. A caller that pools connections may give one, in autocommit mode."""

    def __init__(self, path: str = ":memory:", *, connection: sqlite3.Connection | None = None) -> None:
        self.connection = connection or sqlite3.connect(path, isolation_level=None, timeout=10)
        self.execute("PRAGMA journal_mode = WAL")
        self.execute("PRAGMA synchronous = FULL")  # a commit that was announced outlives a power cut
        self.execute("PRAGMA foreign_keys = ON")
        version = self.scalar("PRAGMA user_version")
        if version == 0:  # all of the schema at once, and only once
            self.connection.executescript(f"BEGIN; {schema()}; PRAGMA user_version = {SCHEMA_VERSION}; COMMIT")
        elif version != SCHEMA_VERSION:
            self.connection.close()
            raise sqlite3.DatabaseError(
                f"its tables are of version {version}, this shop knows {SCHEMA_VERSION}; begin a new file"
            )

    def relax(self, rules: Iterable[str]) -> None:
        """Drop named indexes and triggers: for mutants, which could not otherwise go wrong."""
        for rule in rules:
            found = re.search(rf"CREATE (?:UNIQUE )?(INDEX|TRIGGER) {re.escape(rule)}\b", schema())
            if found is None:
                raise ValueError(f"schema.sql has no index or trigger named {rule!r}")
            self.execute(f"DROP {found[1]} IF EXISTS {rule}")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All that is written inside is committed together, or not at all. Await nothing inside."""
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                self.execute("ROLLBACK")
            raise

    def execute(self, sql: str, *values: object) -> sqlite3.Cursor:
        """Run one statement. A write belongs inside `transaction`."""
        return self.connection.execute(sql, values)

    def find(self, kind: type[Row], condition: str, *values: object) -> list[Row]:
        """The rows of a kind that meet an SQL condition, oldest first unless the condition orders them."""
        ordering = "" if "ORDER BY" in condition else " ORDER BY rowid"
        columns = ", ".join(kind.__slots__)
        sql = f"SELECT {columns} FROM {TABLES[kind]} WHERE {condition}{ordering}"  # noqa: S608
        cursor = self.execute(sql, *values)
        return [kind(*row) for row in cursor]

    def first(self, kind: type[Row], condition: str, *values: object) -> Row | None:
        """The first row that meets the condition, or None."""
        return next(iter(self.find(kind, condition, *values)), None)

    def get(self, kind: type[Row], row_id: str) -> Row:
        """The row with this id; KeyError if there is none."""
        row = self.first(kind, "id = ?", row_id)
        if row is None:
            raise KeyError(row_id)
        return row

    def scalar(self, sql: str, *values: object) -> Any:
        """The first column of the first row."""
        return self.execute(sql, *values).fetchone()[0]

    def column(self, sql: str, *values: object) -> list[Any]:
        """The first column of all rows."""
        return [row[0] for row in self.execute(sql, *values)]

    def insert(self, row: Order | Attempt | Modification) -> None:
        """Write a new row."""
        names = row.__slots__
        marks = ", ".join("?" * len(names))
        columns = ", ".join(names)
        self.execute(
            f"INSERT INTO {TABLES[type(row)]} ({columns}) VALUES ({marks})",  # noqa: S608
            *(getattr(row, name) for name in names),
        )

    def close(self) -> None:
        """Let go of the file."""
        self.connection.close()
