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
    """The gateway's truth of the money: accounts, what each order was charged, and whether debits equal credits."""
    balances, orders = ctx.tx.balances(), ctx.tx.order_totals()
    totals: dict[str, int] = {}
    for balance in balances:
        totals[balance.currency] = totals.get(balance.currency, 0) + balance.debits - balance.credits
    return {
        "balanced": not any(totals.values()),
        "accounts": [
            {"account": account, "currency": currency, "debits": debits, "credits": credits, "balance": debits - credits}
            for account, currency, debits, credits in balances
        ],
        "orders": [
            {
                "order_id": t.order_id, "currency": t.currency, "captured": t.captured, "refunded": t.refunded,
                "net": t.captured - t.refunded, "charges": t.charges,
            }
            for t in orders
        ],
        "transfers": sum(t.transfers for t in orders),
    }  # fmt: skip
