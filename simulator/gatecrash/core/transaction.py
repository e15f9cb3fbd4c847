"""What core functions are given: a transaction of one sandbox, its time, its ids, its vault.

The store fills `Transaction`; SQLite does today, any database with savepoints and unique constraints can. Core functions
see named lookups and writes, never SQL or a connection, and every one of them is scoped to the transaction's sandbox.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from gatecrash.core.facts import Hearer
from gatecrash.core.ids import Ids
from gatecrash.core.records import Record, Timer
from gatecrash.core.vault import Vault

R = TypeVar("R", bound=Record)


class Balance(NamedTuple):
    account: str
    currency: str
    debits: int
    credits: int


class OrderTotals(NamedTuple):
    order_id: str | None
    currency: str
    captured: int
    refunded: int
    disputed: int
    charges: int
    transfers: int


class PendingDelivery(NamedTuple):
    id: str
    next_attempt_at: int


class Transaction(Protocol):
    """Reads and writes inside one commit: all of it happens, or none.

    `timers_changed` tells the shell to look again at what falls due; a new timer sets it.
    """

    timers_changed: bool

    def get(self, kind: type[R], /, *key: str) -> R | None:
        """The record with this key, or None."""

    def insert(self, record: Record) -> None:
        """Add a record; its key must be new."""

    def put(self, record: Record) -> None:
        """Add a record, or write over the one with its key."""

    def update(self, record: Record, *columns: str) -> None:
        """Write these columns of a record that exists."""

    def delete(self, kind: type[Record], /, *key: str) -> None:
        """Remove a record; it is no error if there is none."""

    def find(self, kind: type[R], /, **equals: Any) -> Sequence[R]:
        """Every record whose columns equal what is given, oldest first."""

    def page(self, kind: type[R], limit: int, after: str | None, /, **equals: Any) -> tuple[list[R], bool]:
        """Newest first, at most `limit`, those older than the id `after`; and whether there are more."""

    def prune_claims(self, scope: str, until: int, limit: int) -> int:
        """Remove at most `limit` of the claims of `scope` made at `until` or before, oldest first; returns how many."""

    def undo(self) -> None:
        """Take back every write of this transaction so far, and go on with it."""

    def next_timer(self, after: int = -1, besides: str = "") -> Timer | None:
        """The timer that falls due first, of those later than `after` and of another kind than `besides`."""

    def due_timer(self, until: int) -> Timer | None:
        """The first timer that falls due at `until` or before and is no webhook attempt."""

    def due_attempts(self, until: int, after: Timer | None, limit: int) -> Sequence[Timer]:
        """At most `limit` timers of endpoints at which an attempt falls due at `until` or before, first due first.

        Only those behind the timer `after`.
        """

    def pending_deliveries(self, endpoint_id: str, limit: int, *, in_order: bool) -> Sequence[PendingDelivery]:
        """At most `limit` of those that wait for an endpoint: first due first, or oldest first if `in_order`."""

    def cancel_deliveries(self, endpoint_id: str, until: str, limit: int) -> int:
        """Cancel at most `limit` deliveries that wait for an endpoint, those with ids up to `until`; returns how many."""

    def balances(self) -> Sequence[Balance]:
        """Debits and credits of every account, per currency."""

    def charge_totals(self) -> dict[str, int]:
        """Per currency, what the charges themselves say is captured and neither refunded nor disputed."""

    def order_totals(self) -> Sequence[OrderTotals]:
        """What was captured, refunded and disputed per order and currency, from the transfers."""


class Request(NamedTuple):
    """Its id, and the idempotency key that came with it."""

    id: str
    key: str | None


class Context(NamedTuple):
    """Everything a core function may know. `now` is sandbox time in milliseconds.

    `decline_code`: what the issuer says to a charge, whatever the card, because a fault rule wants it. `hearers`: what each
    dialect does with a fact. `request`: the request that this is done for; None for what falls due.
    """

    tx: Transaction
    sandbox: str
    now: int
    ids: Ids
    vault: Vault
    decline_code: str | None = None
    hearers: "Sequence[Hearer]" = ()
    request: Request | None = None
