"""SQL as far as it must be understood to know when a commit happens: the kind of a statement, and where one ends."""

import re
import sqlite3
from enum import Enum, auto
from functools import lru_cache
from typing import NamedTuple

_REMEMBERED = 4096  # texts; a program has few, unless it writes values into them
_NOTHING = re.compile(r"(?:\s+|;|--[^\n]*(?:\n|$)|/\*.*?(?:\*/|$))*", re.DOTALL)
_WORD = re.compile(r"[A-Za-z]+")
_WRITES = re.compile(r"\b(?:INSERT|UPDATE|DELETE|REPLACE)\b", re.IGNORECASE)
_RETURNS = re.compile(r"\bRETURNING\b", re.IGNORECASE)
_AWKWARD_CHANGE = re.compile(r"\bOR\s+ROLLBACK\b", re.IGNORECASE)
_AWKWARD_SCHEMA = re.compile(r"\b(?:ROLLBACK|DEFERRED|TEMP|TEMPORARY)\b", re.IGNORECASE)
_NAME = r'("(?:[^"]|"")+"|`(?:[^`]|``)+`|\[[^\]]+\]|\'(?:[^\']|\'\')+\'|[^\s;]+)'
_SAVEPOINT = re.compile(
    rf"(?:SAVEPOINT|RELEASE(?:\s+SAVEPOINT)?|ROLLBACK(?:\s+TRANSACTION)?\s+TO(?:\s+SAVEPOINT)?)\s+{_NAME}", re.IGNORECASE
)
_PRAGMA = re.compile(rf"PRAGMA\s+(?:\w+\.)?(\w+)\s*(?:=\s*{_NAME}|\(\s*(.*?)\s*\))?", re.IGNORECASE | re.DOTALL)


class Kind(Enum):
    """What running a statement means for the transaction."""

    READ = auto()
    CHANGE = auto()  # INSERT, UPDATE, DELETE, REPLACE: what Python begins a transaction for
    WRITE = auto()  # whatever else may write: WITH … INSERT
    SCHEMA = auto()  # CREATE, DROP, ALTER and the like
    BEGIN = auto()
    COMMIT = auto()
    ROLLBACK = auto()
    SAVEPOINT = auto()
    RELEASE = auto()
    ROLLBACK_TO = auto()
    PRAGMA = auto()
    OUTSIDE = auto()  # what cannot be in a transaction, or reaches beyond the database: VACUUM, ATTACH, DETACH


_KINDS = {
    "INSERT": Kind.CHANGE, "UPDATE": Kind.CHANGE, "DELETE": Kind.CHANGE, "REPLACE": Kind.CHANGE,
    "CREATE": Kind.SCHEMA, "DROP": Kind.SCHEMA, "ALTER": Kind.SCHEMA, "REINDEX": Kind.SCHEMA, "ANALYZE": Kind.SCHEMA,
    "BEGIN": Kind.BEGIN, "COMMIT": Kind.COMMIT, "END": Kind.COMMIT, "ROLLBACK": Kind.ROLLBACK,
    "SAVEPOINT": Kind.SAVEPOINT, "RELEASE": Kind.RELEASE, "PRAGMA": Kind.PRAGMA,
    "VACUUM": Kind.OUTSIDE, "ATTACH": Kind.OUTSIDE, "DETACH": Kind.OUTSIDE,
}  # fmt: skip


class Statement(NamedTuple):
    """What is known of one statement from its text."""

    kind: Kind
    name: str = ""  # of a savepoint or a pragma, in lower case
    value: str | None = None  # what a pragma is given
    returns: bool = False  # rows of what it changed
    awkward: bool = False  # ends the whole transaction by itself (OR ROLLBACK), waits for its end, or is gone with the connection


@lru_cache(_REMEMBERED)
def understood(sql: str) -> Statement:
    """What this statement is."""
    start = _NOTHING.match(sql)
    text = sql[start.end() if start else 0 :]
    word = _WORD.match(text)
    first = word[0].upper() if word else ""
    kind = _KINDS.get(first, Kind.READ)
    if first == "WITH" and _WRITES.search(text):
        kind = Kind.WRITE
    if kind in (Kind.SAVEPOINT, Kind.RELEASE, Kind.ROLLBACK) and (found := _SAVEPOINT.match(text)):
        return Statement(Kind.ROLLBACK_TO if kind is Kind.ROLLBACK else kind, _unquoted(found[1]))
    if kind is Kind.PRAGMA and (found := _PRAGMA.match(text)):
        return Statement(kind, found[1].lower(), _unquoted(found[2]) if found[2] else found[3])
    writes = kind in (Kind.CHANGE, Kind.WRITE, Kind.SCHEMA)
    return Statement(
        kind,
        returns=writes and kind is not Kind.SCHEMA and _RETURNS.search(text) is not None,
        awkward=writes and (_AWKWARD_SCHEMA if kind is Kind.SCHEMA else _AWKWARD_CHANGE).search(text) is not None,
    )


def _unquoted(name: str) -> str:
    return (name[1:-1] if name[0] in "\"`['" else name).lower()


@lru_cache(256)
def statements_of(script: str) -> tuple[str, ...]:
    """The statements of a script, one by one; comments and emptiness between them are left out."""
    found, begun = [], ""
    for part in re.split(r"(?<=;)", script):
        begun += part
        if sqlite3.complete_statement(begun):
            found.append(begun)
            begun = ""
    found.append(begun)
    return tuple(each for each in found if (blank := _NOTHING.match(each)) is None or blank.end() < len(each))
