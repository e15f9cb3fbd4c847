"""How records become rows: the SQL of each record type, made once from its fields. Portable but for the placeholder."""

from collections.abc import Callable
from types import UnionType
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec.structs import astuple

from gatecrash.core.records import RECORDS, Record

R = TypeVar("R", bound=Record)

_encode = msgspec.json.Encoder().encode


def _is_json(hint: Any) -> bool:
    parts = get_args(hint) if get_origin(hint) is UnionType else (hint,)
    return any((get_origin(part) or part) in (dict, list) for part in parts)


def _is_bool(hint: Any) -> bool:
    return hint is bool or bool in get_args(hint)


class Table(Generic[R]):
    """The statements of one record type, and the way between records and rows."""

    def __init__(self, kind: type[R], mark: str = "?") -> None:
        hints = {name: hint for name, hint in get_type_hints(kind).items() if name in kind.__struct_fields__}
        self.kind = kind
        self.columns = list(hints)
        self._json = [i for i, hint in enumerate(hints.values()) if _is_json(hint)]
        decode: list[tuple[int, Callable[[Any], Any]]] = [
            (i, msgspec.json.Decoder(hint).decode) for i, hint in enumerate(hints.values()) if _is_json(hint)
        ]
        decode += [(i, bool) for i, hint in enumerate(hints.values()) if _is_bool(hint)]
        self._decode = decode
        self._key = [self.columns.index(column) for column in kind.KEY]
        self._mark = mark
        names = ", ".join(self.columns)
        where = " AND ".join(f"{column} = {mark}" for column in ("life", *kind.KEY))
        marks = ", ".join(mark for _ in range(len(self.columns) + 1))
        # table and column names come from our own structs, values are always bound
        self.insert = f"INSERT INTO {kind.TABLE} (life, {names}) VALUES ({marks})"  # noqa: S608
        keys = ", ".join(("life", *kind.KEY))
        overwrite = ", ".join(f"{column} = excluded.{column}" for column in self.columns)
        self.put = f"{self.insert} ON CONFLICT ({keys}) DO UPDATE SET {overwrite}"
        self.select = f"SELECT {names} FROM {kind.TABLE} WHERE {where}"  # noqa: S608
        self.delete = f"DELETE FROM {kind.TABLE} WHERE {where}"  # noqa: S608
        self._where = where
        self._update: dict[tuple[str, ...], tuple[str, list[int]]] = {}
        self._find: dict[tuple[str, ...], str] = {}
        self._page: dict[tuple[str, ...], str] = {}

    def row(self, record: R) -> list[Any]:
        row = list(astuple(record))
        for i in self._json:
            if row[i] is not None:
                row[i] = _encode(row[i]).decode()
        return row

    def key(self, record: R) -> list[Any]:
        return [getattr(record, column) for column in self.kind.KEY]

    def record(self, row: tuple[Any, ...]) -> R:
        values = list(row)
        for i, decode in self._decode:
            if values[i] is not None:
                values[i] = decode(values[i])
        return self.kind(**dict(zip(self.columns, values, strict=True)))

    def update(self, columns: tuple[str, ...]) -> tuple[str, list[int]]:
        """UPDATE of `columns` by key, and which of a row's values those are."""
        made = self._update.get(columns)
        if made is None:
            sets = ", ".join(f"{column} = {self._mark}" for column in columns)
            sql = f"UPDATE {self.kind.TABLE} SET {sets} WHERE {self._where}"  # noqa: S608
            made = self._update[columns] = (sql, [self.columns.index(column) for column in columns])
        return made

    def find(self, columns: tuple[str, ...]) -> str:
        """SELECT by equality on `columns`, oldest first."""
        sql = self._find.get(columns)
        if sql is None:
            sql = self._find[columns] = self._select_where(columns, ()) + " ORDER BY " + ", ".join(self.kind.KEY)
        return sql

    def page(self, columns: tuple[str, ...], *, after: bool) -> str:
        """SELECT by equality on `columns`, newest first, those before an id if `after`, with a limit."""
        cached = (*columns, "<") if after else columns
        sql = self._page.get(cached)
        if sql is None:
            older = (f"id < {self._mark}",) if after else ()
            sql = self._page[cached] = self._select_where(columns, older) + f" ORDER BY id DESC LIMIT {self._mark}"
        return sql

    def _select_where(self, columns: tuple[str, ...], more: tuple[str, ...]) -> str:
        unknown = set(columns) - set(self.columns)
        assert not unknown, f"{self.kind.TABLE} has no column {unknown}"
        conditions = [f"{column} = {self._mark}" for column in ("life", *columns)]
        names = ", ".join(self.columns)
        return f"SELECT {names} FROM {self.kind.TABLE} WHERE {' AND '.join([*conditions, *more])}"  # noqa: S608


TABLES: dict[type[Record], Table[Any]] = {kind: Table(kind) for kind in RECORDS}
