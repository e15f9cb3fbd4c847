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

KINDS = ("request", "answer", "fault", "delivery", "control", "start")


class Journal:
    """Entries are buffered and written by the next group commit, so they cost no fsync of their own.

    A `request` entry is always in the commit of its operation, or in an earlier one.
    """

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self._pending: list[tuple[str, int, str, str]] = []
        self._dirty: dict[str, Sandbox] = {}
        store.before_commit(self._flush)

    def note(self, sandbox: Sandbox, kind: str, fields: dict[str, Any]) -> int:
        """Append an entry, with whatever must not be kept removed; returns its number in the sandbox's journal."""
        sandbox.journal_length += 1
        seq = sandbox.journal_length
        entry = _encode({"seq": seq, "at": rfc3339(sandbox.now()), "kind": kind, **fields})
        if suspicious(entry):
            entry = _encode(redact(_decode(entry)))
        self._pending.append((sandbox.name, seq, kind, entry.decode()))
        self.touch(sandbox)
        self._store.schedule_within(_LINGER_S)
        return seq

    def touch(self, sandbox: Sandbox) -> None:
        """Have the sandbox's own row written with the next group."""
        self._dirty[sandbox.name] = sandbox

    def forget(self, sandbox: Sandbox) -> None:
        """Drop what is buffered for a sandbox that is being reset."""
        self._pending = [entry for entry in self._pending if entry[0] != sandbox.name]

    def _flush(self, tx: SqliteTransaction) -> None:
        for entry in self._pending:
            tx.run("INSERT INTO journal (sandbox, seq, kind, entry) VALUES (?, ?, ?, ?)", entry)
        for sandbox in self._dirty.values():
            tx.run(
                "INSERT INTO sandboxes (name, seed, created_at, ids_issued, journal_length, clock) VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (name) DO UPDATE SET ids_issued = excluded.ids_issued, seed = excluded.seed, "
                "journal_length = excluded.journal_length, clock = excluded.clock",
                sandbox.row(),
            )
        self._pending.clear()
        self._dirty.clear()
