"""The core without a shell: core functions in real SQLite transactions, one commit a call."""

import asyncio
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from gatecrash.core.due import run_due
from gatecrash.core.ids import Ids
from gatecrash.core.payment_methods import CreatePaymentMethod, create_payment_method
from gatecrash.core.payments import CreateCharge, create_charge
from gatecrash.core.records import Charge, Event, Nonce, PaymentMethod, Record
from gatecrash.core.tokens import BankAccount, Card, CreateToken, create_token
from gatecrash.core.transaction import Context
from gatecrash.core.vault import KEY_BYTES, Vault
from gatecrash.dialects.native.events import hear
from gatecrash.store.sqlite import SqliteStore
from tests.support.cards import ACCOUNTS, bank_account, card
from tests.support.clock import NOON

P = ParamSpec("P")
T = TypeVar("T")


class Core:
    """One sandbox over a store of its own. `now` is sandbox time and yours to set."""

    def __init__(self, path: str = ":memory:", seed: str = "7", sandbox: str = "core") -> None:
        self._runner = asyncio.Runner()
        self._draws = 0
        self.sandbox, self.now = sandbox, NOON
        self.ids = Ids(seed)
        self.vault = Vault(bytes(KEY_BYTES), self._entropy)
        self.store = SqliteStore(path)

    def _entropy(self, size: int) -> bytes:
        self._draws += 1
        return self._draws.to_bytes(size, "big")

    def do(self, work: Callable[Concatenate[Context, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`work(ctx, …)` in one commit; what it raises rolls it back, the ids it took included."""
        issued = self.ids.issued

        def undo() -> None:
            self.ids.issued = issued

        async def submitted() -> T:
            return await self.store.submit(self.sandbox, lambda tx: work(self._context(tx), *args, **kwargs), undo)

        return self._runner.run(submitted())

    def _context(self, tx: Any) -> Context:
        return Context(tx, self.sandbox, self.now, self.ids, self.vault, hearers=(hear,))

    def get(self, kind: type[Record], *key: str) -> Any:
        return self.do(lambda ctx: ctx.tx.get(kind, *key))

    def find(self, kind: type[Record], **equals: Any) -> Any:
        return self.do(lambda ctx: ctx.tx.find(kind, **equals))

    def nonce(self, name: str = "visa", **changes: Any) -> Nonce:
        if name in ACCOUNTS:
            return self.do(create_token, CreateToken(bank_account=BankAccount(**bank_account(name, **changes))))
        return self.do(create_token, CreateToken(Card(**card(name, **changes))))

    def save(self, name: str = "visa", **changes: Any) -> PaymentMethod:
        return self.do(create_payment_method, CreatePaymentMethod(self.nonce(name, **changes).id))

    def pass_time(self, ms: int) -> None:
        """Move time on, and do all that falls due on the way."""
        self.now += ms
        while self.do(run_due).has_more:
            pass

    def told(self) -> list[tuple[str, int]]:
        """Type of every event so far, and how many milliseconds after noon it happened."""
        return [(event.type, event.created_at - NOON) for event in self.find(Event)]

    def charge(self, name: str = "visa", amount: int = 4200, currency: str = "usd", **params: Any) -> Charge:
        return self.do(create_charge, CreateCharge(amount, currency, self.nonce(name).id, **params))

    def close(self) -> None:
        self.store.close()
        self._runner.close()
