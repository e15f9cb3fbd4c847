"""What the oracles will ask the journal of a run for, of what it has come to so far.

It goes into the state of a run, so an oracle that asks the journal for something else has to have it kept here.
"""

from collections.abc import Iterator
from typing import Any

from gatecrash.harness.oracles import practice
from gatecrash.harness.oracles.liveness import NONCE_EXPIRED, UNDECIDED
from gatecrash.lint import Linter

_READS = ("charges.get", "charges.list")


class Recollection:
    """See every entry of a journal once, in order."""

    def __init__(self) -> None:
        self._linter = Linter(practice.RULES)
        self._calls: set[tuple[object, ...]] = set()  # what was asked and answered about which order, whenever
        self._names: dict[object, object] = {}  # by what each request says whose order it is about
        self._last_read: int | None = None

    def see(self, entry: dict[str, Any]) -> None:
        self._linter.see(entry)
        if entry["kind"] not in ("request", "answer"):
            return
        request_id = entry["request_id"]
        if entry["kind"] == "request":
            self._names[request_id] = entry.get("order_id") or entry.get("source") or entry.get("charge_id")
        status: int | None = entry.get("status")
        decided: object = None if status is None or status in UNDECIDED or status >= 500 else status // 100
        decided = NONCE_EXPIRED if entry.get("code") == NONCE_EXPIRED else decided
        self._calls.add((entry["kind"], entry["operation"], self._names.get(request_id), decided))
        if entry["kind"] == "request" and entry["operation"] in practice.PARTS:
            key = entry.get("idempotency_key") or request_id
            self._calls.add(("part", entry["operation"], entry["path"], key, entry.get("amount")))
        if entry["kind"] == "answer" and entry["operation"] in _READS:
            self._last_read = 5 if status is None else status // 100

    def told(self) -> Iterator[tuple[object, ...]]:
        """Of two runs of which this is the same, the oracles say the same if the same follows."""
        yield from self._linter.remembers()
        yield from self._calls
        yield ("last read", self._last_read)
