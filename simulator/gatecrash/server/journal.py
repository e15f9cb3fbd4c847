"""The journal: what was asked, answered, sent and broken, in order. Never a card number, never a secret."""

from typing import Any

import msgspec

from gatecrash.core.clock import rfc3339
from gatecrash.core.redaction import redact, suspicious
from gatecrash.server.sandbox import Sandbox
from gatecrash.store.sqlite import SqliteStore, SqliteTransaction

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

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self._pending: dict[str, list[bytes]] = {}
        self._dirty: dict[str, Sandbox] = {}
        store.before_commit(self._write, self._written)

    def note(self, sandbox: Sandbox, kind: str, fields: dict[str, Any]) -> None:
        """Append an entry. Whatever must not be kept is removed before it is written."""
        sandbox.journal_length += 1
        entry = _encode({"seq": sandbox.journal_length, "at": rfc3339(sandbox.now()), "kind": kind, **fields})
        self._pending.setdefault(sandbox.name, []).append(entry)
        self.touch(sandbox)
        self._store.schedule_within(_LINGER_S)

    def touch(self, sandbox: Sandbox) -> None:
        """Have the sandbox's own row written with the next group."""
        self._dirty[sandbox.name] = sandbox

    def forget(self, sandbox: Sandbox) -> None:
        """Drop what is buffered for a sandbox that is being reset."""
        self._pending.pop(sandbox.name, None)

    async def read(self, sandbox: Sandbox, after: int, limit: int, kind: str | None) -> tuple[list[msgspec.Raw], bool]:
        """Entries numbered above `after`, oldest first, at most `limit`; and whether there are more."""
        await self._store.submit(sandbox.name, lambda tx: None)  # what is buffered is written first

        def work(tx: SqliteTransaction) -> list[msgspec.Raw]:
            found: list[msgspec.Raw] = []
            query = "SELECT entries FROM journal WHERE sandbox = ? AND last_seq > ? ORDER BY last_seq"
            for (entries,) in tx.run(query, (sandbox.name, after)):
                for entry in msgspec.json.decode(entries, type=list[msgspec.Raw]):
                    head = msgspec.json.decode(entry, type=_Head)
                    if head.seq > after and kind in (None, head.kind):
                        found.append(entry)
                if len(found) > limit:
                    break
            return found

        found = await self._store.submit(sandbox.name, work)
        return found[:limit], len(found) > limit

    def _write(self, tx: SqliteTransaction) -> None:
        for name, entries in self._pending.items():
            chunk = b",".join(entries)
            if suspicious(chunk):
                chunk = b",".join(_encode(redact(_decode(entry))) for entry in entries)
            last = self._dirty[name].journal_length
            tx.run("INSERT INTO journal (sandbox, last_seq, entries) VALUES (?, ?, ?)", (name, last, f"[{chunk.decode()}]"))
        for sandbox in self._dirty.values():
            tx.run(
                "INSERT INTO sandboxes (name, seed, created_at, ids_issued, journal_length, clock) VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (name) DO UPDATE SET ids_issued = excluded.ids_issued, seed = excluded.seed, "
                "journal_length = excluded.journal_length, clock = excluded.clock",
                sandbox.row(),
            )

    def _written(self) -> None:
        self._pending.clear()
        self._dirty.clear()
