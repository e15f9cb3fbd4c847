"""The journal: what was asked, answered, sent and broken, in order. Never a card number, never a secret."""

from typing import Any

import msgspec

from gatecrash.core.clock import rfc3339
from gatecrash.core.redaction import redact, suspicious
from gatecrash.server import strict
from gatecrash.server.sandbox import Sandbox
from gatecrash.store.interface import Store, StoreTransaction

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_LINGER_S = 0.05


class _Head(msgspec.Struct):
    """What reading an entry back needs to know of it."""

    seq: int
    kind: str


class Journal:
    """Entries are buffered and written by the next group commit, so they cost no fsync of their own.

    A `request` entry is always in the commit of its operation, or in an earlier one. What a group adds to a sandbox's
    journal is one row: a JSON array, named by the number of its last entry.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pending: dict[str, list[bytes]] = {}
        self._dirty: dict[str, Sandbox] = {}
        store.before_commit(self._write, self._written)

    def note(self, sandbox: Sandbox, kind: str, fields: dict[str, Any]) -> None:
        """Append an entry. Whatever must not be kept is removed before it is written."""
        if sandbox.removed:
            return
        sandbox.journal_length += 1
        entry = _encode({"seq": sandbox.journal_length, "at": rfc3339(sandbox.now()), "kind": kind, **fields})
        self._pending.setdefault(sandbox.name, []).append(entry)
        self.touch(sandbox)
        self._store.schedule_within(_LINGER_S)
        for finding in strict.noticed(sandbox, entry):
            self.note(sandbox, "finding", finding)

    def touch(self, sandbox: Sandbox) -> None:
        """Have the sandbox's own row written with the next group."""
        if not sandbox.removed:
            self._dirty[sandbox.name] = sandbox

    def forget(self, sandbox: Sandbox) -> None:
        """Drop what is buffered for a sandbox that begins anew, or goes."""
        self._pending.pop(sandbox.name, None)
        self._dirty.pop(sandbox.name, None)

    async def read(self, sandbox: Sandbox, after: int, limit: int, kind: str | None) -> tuple[list[msgspec.Raw], bool]:
        """Entries numbered above `after`, oldest first, at most `limit`; and whether there are more."""
        await self._store.submit(sandbox.name, lambda tx: None)  # what is buffered is written first

        def work(tx: StoreTransaction) -> list[msgspec.Raw]:
            found: list[msgspec.Raw] = []
            mark = "" if kind is None else f'"kind":"{kind}"'
            for entries in tx.journal(after):
                if mark not in entries:
                    continue  # to decode them all would keep everybody else waiting
                for entry in msgspec.json.decode(entries, type=list[msgspec.Raw]):
                    head = msgspec.json.decode(entry, type=_Head)
                    if head.seq > after and kind in (None, head.kind):
                        found.append(entry)
                if len(found) > limit:
                    break
            return found

        found = await self._store.submit(sandbox.name, work)
        return found[:limit], len(found) > limit

    def buffered(self, sandbox: str) -> list[bytes]:
        """What is not written yet, as JSON, in order."""
        return list(self._pending.get(sandbox, ()))

    def copy_pending(self, sandbox: Sandbox, tx: StoreTransaction) -> None:
        """Add what is buffered for a sandbox to a copy of it; it stays buffered."""
        if entries := self._pending.get(sandbox.name):
            tx.add_journal(sandbox.journal_length, _array(entries))

    def _write(self, tx: StoreTransaction) -> None:
        for name, entries in self._pending.items():
            tx.of(name).add_journal(self._dirty[name].journal_length, _array(entries))
        for sandbox in self._dirty.values():
            tx.of(sandbox.name).keep_row(sandbox.row())

    def _written(self) -> None:
        self._pending.clear()
        self._dirty.clear()


def _array(entries: list[bytes]) -> str:
    """Entries as one JSON array, without what must not be kept."""
    joined = b",".join(entries)
    if suspicious(joined):
        joined = b",".join(_encode(redact(_decode(entry))) for entry in entries)
    return f"[{joined.decode()}]"
