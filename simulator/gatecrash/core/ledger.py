"""The books: double entry. Every transfer names the account it debits and the account it credits, so they balance."""

from typing import Any

from gatecrash.core.records import Charge, Transfer
from gatecrash.core.transaction import Context

# what the card networks owe the gateway, and what the gateway owes the merchant
NETWORK = "receivable:card_network"
MERCHANT = "payable:merchant"

# reason → (debit, credit)
ENTRIES: dict[str, tuple[str, str]] = {
    "capture": (NETWORK, MERCHANT),
    "refund": (MERCHANT, NETWORK),
    "refund_failed": (NETWORK, MERCHANT),
    "dispute": (MERCHANT, NETWORK),
    "dispute_won": (NETWORK, MERCHANT),
}


def post(ctx: Context, reason: str, charge: Charge, amount: int) -> None:
    """Enter `amount` under `reason`, one of ENTRIES."""
    debit, credit = ENTRIES[reason]
    ctx.tx.insert(
        Transfer(
            id=ctx.ids.new("tr"), debit=debit, credit=credit, amount=amount, currency=charge.currency, reason=reason,
            charge_id=charge.id, order_id=charge.order_id, created_at=ctx.now,
        )
    )  # fmt: skip


def books(ctx: Context) -> dict[str, Any]:
    """The gateway's truth of the money: accounts, what each order was charged, and whether debits equal credits.

    They must, and both must be what the charges themselves say was captured and neither refunded nor lost to a dispute.
    """
    balances, orders = ctx.tx.balances(), ctx.tx.order_totals()
    owed = {balance.currency: balance.credits - balance.debits for balance in balances if balance.account == MERCHANT}
    taken = {balance.currency: balance.debits - balance.credits for balance in balances if balance.account == NETWORK}
    earned = {currency: amount for currency, amount in ctx.tx.charge_totals().items() if amount or currency in owed}
    return {
        "balanced": owed == taken == earned,
        "accounts": [
            {"account": account, "currency": currency, "debits": debits, "credits": credits, "balance": debits - credits}
            for account, currency, debits, credits in balances
        ],
        "orders": [
            {
                "order_id": t.order_id, "currency": t.currency, "captured": t.captured, "refunded": t.refunded,
                "disputed": t.disputed, "net": t.captured - t.refunded - t.disputed, "charges": t.charges,
            }
            for t in orders
        ],
        "transfers": sum(t.transfers for t in orders),
    }  # fmt: skip
