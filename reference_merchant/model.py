"""The rows of the shop's books as plain values, named as in `schema.sql`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody wants to buy. `amount` is in minor units and always the shop's own price."""

    id: str
    customer_id: str | None
    items: str
    amount: int
    currency: str
    status: str
    paid_by: str | None
    amount_refunded: int
    created_at: float


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at paying: `open` while its outcome is not known, then succeeded, declined or refused."""

    id: str
    order_id: str
    number: int
    idempotency_key: str | None
    nonce: str | None
    request_body: str
    amount: int
    currency: str
    state: str
    charge_id: str | None
    code: str | None
    created_at: float


@dataclass(frozen=True, slots=True)
class Refund:
    """Money going back: `open` while its outcome is not known, then succeeded or failed."""

    id: str
    order_id: str
    charge_id: str
    purpose: str
    idempotency_key: str | None
    request_body: str
    amount: int
    state: str
    refund_id: str | None
    created_at: float
