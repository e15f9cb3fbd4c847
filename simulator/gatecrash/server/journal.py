"""The journal: what was asked, answered, sent and broken, in order. Never a card number, never a secret."""

from functools import partial
from typing import Any, NamedTuple

import msgspec

from gatecrash.core.clock import rfc3339
from gatecrash.core.redaction import redact, suspicious
from gatecrash.server import strict
from gatecrash.server.sandbox import Sandbox
from gatecrash.store.errors import Unwritable
from gatecrash.store.interface import Store, StoreTransaction

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_LINGER_S = 0.05
# how much of a journal is looked at in one commit: rows, and characters
PAGE_ROWS, _PAGE_SIZE = 500, 2_000_000


class _Head(msgspec.Struct):
    """What reading an entry back needs to know of it."""

    seq: int
    kind: str


class _Page(NamedTuple):
    """What was found in rows up to the one whose last entry is `last_seq`; and whether there are no more rows."""

    entries: list[msgspec.Raw]
    last_seq: int
    is_last: bool


class Journal:
    """Entries are buffered and written by the next group commit, so they cost no fsync of their own.

    A `request` entry is always in the commit of its operation, or in an earlier one. What a group adds to a sandbox's
    journal is one row: a JSON array, named by the number of its last entry.

    An entry is encoded, and what must not be kept is removed from it, when it is noted. So what cannot be encoded fails the
    request that brought it, and never the group that other sandboxes write in.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pending: dict[str, list[bytes]] = {}
        self._dirty: dict[str, Sandbox] = {}
        # sandbox → how many entries could not be written; its next entry is preceded by one that says so
        self._lost: dict[str, int] = {}
        store.before_commit(self)

    def note(self, sandbox: Sandbox, kind: str, fields: dict[str, Any], at: int | None = None) -> None:
        """Append an entry. Whatever must not be kept is removed before it is written. `at`: real time, by default now."""
        if sandbox.removed:
            return
        if lost := self._lost.pop(sandbox.name, 0):
            self.note(sandbox, "control", {"action": "journal.lost", "entries": lost})
        entry = _encode({"seq": sandbox.journal_length + 1, "at": rfc3339(sandbox.now(at)), "kind": kind, **fields})
        if suspicious(entry):
            entry = _encode(redact(_decode(entry)))
        sandbox.journal_length += 1
        self._pending.setdefault(sandbox.name, []).append(entry)
        self.touch(sandbox)
        self._store.schedule_within(_LINGER_S)
        for finding in strict.noticed(sandbox, entry):
            self.note(sandbox, "finding", finding)

    def take_back(self, sandbox: Sandbox, seqs: range) -> None:
        """Remove entries that are not written yet, and number the later ones anew: what they tell of did not happen."""
        pending = self._pending.get(sandbox.name)
        if not pending:
            return
        first = sandbox.journal_length - len(pending) + 1
        kept = [entry for seq, entry in enumerate(pending, first) if seq not in seqs]
        self._pending[sandbox.name] = [b'{"seq":%d,%s' % (seq, entry.partition(b",")[2]) for seq, entry in enumerate(kept, first)]
        sandbox.journal_length = first - 1 + len(kept)

    def touch(self, sandbox: Sandbox) -> None:
        """Have the sandbox's own row written with the next group."""
        if not sandbox.removed:
            self._dirty[sandbox.name] = sandbox

    def forget(self, sandbox: Sandbox) -> None:
        """Drop what is buffered for a sandbox that begins anew, or goes."""
        for kept in (self._pending, self._dirty, self._lost):
            kept.pop(sandbox.name, None)

    def give_back(self, sandbox: Sandbox, entries: list[bytes]) -> None:
        """Buffer again what was dropped, since the sandbox did not begin anew after all."""
        if entries:
            self._pending[sandbox.name] = entries
        self.touch(sandbox)

    async def read(self, sandbox: Sandbox, after: int, limit: int, kind: str | None) -> tuple[list[msgspec.Raw], bool]:
        """Entries numbered above `after`, oldest first, at most `limit`; and whether there are more.

        It looks at a page of rows at a time: an entry of a rare kind may be far.
        """
        await self._store.submit(sandbox.name, lambda tx: None)  # what is buffered is written first
        found: list[msgspec.Raw] = []
        epoch, place = sandbox.epoch, after
        while True:
            page = await self._store.submit(
                sandbox.name, partial(_page, place=place, after=after, limit=limit - len(found), kind=kind)
            )
            if sandbox.epoch != epoch:  # its journal began anew
                found, epoch, place = [], sandbox.epoch, after
                continue
            found += page.entries
            if page.is_last or len(found) > limit:
                return found[:limit], len(found) > limit
            place = page.last_seq

    def buffered(self, sandbox: str) -> list[bytes]:
        """What is not written yet, as JSON, in order."""
        return list(self._pending.get(sandbox, ()))

    def add(self, tx: StoreTransaction, last_seq: int, entries: list[bytes]) -> None:
        """Add entries that were buffered to a copy of their sandbox, the last of them numbered `last_seq`."""
        if entries:
            tx.add_journal(last_seq, _array(entries))

    # --- store.interface.Buffer

    def write(self, tx: StoreTransaction) -> None:
        for name, sandbox in self._dirty.items():
            one = tx.of(name)
            try:
                if entries := self._pending.get(name):
                    one.add_journal(sandbox.journal_length, _array(entries))
                one.keep_row(sandbox.row())
            except Exception as why:
                raise Unwritable(name, why) from why

    def written(self) -> None:
        self._pending.clear()
        self._dirty.clear()

    def drop(self, sandbox: str) -> None:
        self._dirty.pop(sandbox, None)
        self._lost[sandbox] = self._lost.get(sandbox, 0) + len(self._pending.pop(sandbox, ()))


def _page(tx: StoreTransaction, *, place: int, after: int, limit: int, kind: str | None) -> _Page:
    """Entries above `after`, from the rows behind `place`: until there are more than `limit`, or a page of rows was looked at."""
    found: list[msgspec.Raw] = []
    mark = "" if kind is None else f'"kind":"{kind}"'
    rows = size = 0
    for last_seq, entries in tx.journal(place):
        rows, size = rows + 1, size + len(entries)
        if mark in entries:  # to decode them all would keep everybody else waiting
            for entry in msgspec.json.decode(entries, type=list[msgspec.Raw]):
                head = msgspec.json.decode(entry, type=_Head)
                if head.seq > after and kind in (None, head.kind):
                    found.append(entry)
        if len(found) > limit or rows == PAGE_ROWS or size >= _PAGE_SIZE:
            return _Page(found, last_seq, False)
    return _Page(found, place, True)


def _array(entries: list[bytes]) -> str:
    """Entries as one JSON array."""
    return f"[{b','.join(entries).decode()}]"
