"""What the gateway keeps: one struct a table, in the column order of store/schema.sql.

Times are integer milliseconds of sandbox time since 1970; amounts are integer minor units.
"""

from typing import Any, ClassVar

from msgspec import Struct


class Record(Struct, kw_only=True):
    """A row. `TABLE` names its table; `KEY` the columns that identify it inside a sandbox."""

    TABLE: ClassVar[str]
    KEY: ClassVar[tuple[str, ...]] = ("id",)


class ClientToken(Record, kw_only=True):
    TABLE: ClassVar[str] = "client_tokens"
    id: str
    used: bool = False
    created_at: int
    expires_at: int


class Nonce(Record, kw_only=True):
    """A card, tokenized. `sealed_number` is the number under AES-256-GCM; `used_by` the charge that consumed it."""

    TABLE: ClassVar[str] = "nonces"
    id: str
    card: dict[str, Any]
    sealed_number: bytes
    used_by: str | None = None
    created_at: int
    expires_at: int


class Charge(Record, kw_only=True):
    TABLE: ClassVar[str] = "charges"
    id: str
    status: str
    amount: int
    amount_captured: int = 0
    amount_refunded: int = 0
    currency: str
    capture: bool = True
    order_id: str | None = None
    metadata: dict[str, str]
    card: dict[str, Any]
    payment_nonce: str
    decline_code: str | None = None
    created_at: int
    expires_at: int | None = None


class Refund(Record, kw_only=True):
    TABLE: ClassVar[str] = "refunds"
    id: str
    charge_id: str
    order_id: str | None = None
    status: str
    amount: int
    currency: str
    reason: str | None = None
    created_at: int


class Transfer(Record, kw_only=True):
    """One double entry: `amount` leaves account `credit` and arrives in account `debit`."""

    TABLE: ClassVar[str] = "transfers"
    id: str
    debit: str
    credit: str
    amount: int
    currency: str
    reason: str
    charge_id: str
    order_id: str | None = None
    created_at: int


class Endpoint(Record, kw_only=True):
    """Where webhooks go, signed as `scheme` has it. `old_secret` still signs until `old_secret_until`; the new one since
    `rotated_at`. `failing_since`: it has accepted nothing since then."""

    TABLE: ClassVar[str] = "webhook_endpoints"
    id: str
    dialect: str
    url: str
    events: list[str]
    description: str | None = None
    status: str = "enabled"
    disabled_reason: str | None = None
    failing_since: int | None = None
    scheme: str = "v1"
    secret: str
    old_secret: str | None = None
    old_secret_until: int | None = None
    rotated_at: int | None = None
    created_at: int


class Event(Record, kw_only=True):
    """Something that happened. `data` is the object as it was then; each dialect renders it its own way."""

    TABLE: ClassVar[str] = "events"
    id: str
    type: str
    object_id: str
    order_id: str | None = None
    amount: int | None = None
    data: dict[str, Any]
    created_at: int


class Attempt(Struct, kw_only=True, omit_defaults=True):
    """One try to deliver: `status` is the endpoint's HTTP status, `error` says what went wrong without one."""

    attempt: int
    at: int
    status: int | None = None
    latency_ms: float | None = None
    error: str | None = None
    excerpt: str | None = None


class Delivery(Record, kw_only=True):
    """One event on its way to one endpoint: pending, succeeded, failed (attempts exhausted) or canceled."""

    TABLE: ClassVar[str] = "deliveries"
    id: str
    event_id: str
    endpoint_id: str
    url: str
    status: str = "pending"
    attempts: list[Attempt]
    next_attempt_at: int | None = None
    created_at: int


class Hold(Record, kw_only=True):
    """Attempt number `attempt` of delivery `id`, put off by a fault rule; `awaited` later events to its endpoint let it go.

    `orders`: what else faults want done with it.
    """

    TABLE: ClassVar[str] = "holds"
    id: str
    endpoint_id: str
    event_id: str
    rule_id: str
    attempt: int
    event_type: str | None = None
    awaited: int = 0
    orders: dict[str, Any]


class Timer(Record, kw_only=True):
    """What falls due when: `kind` names the handler, `ref` what it is about."""

    TABLE: ClassVar[str] = "timers"
    id: str
    due_at: int
    kind: str
    ref: str


class Claim(Record, kw_only=True):
    """An idempotency key's record. `status` is None while the first request is in flight."""

    TABLE: ClassVar[str] = "idempotency_keys"
    KEY: ClassVar[tuple[str, ...]] = ("scope", "key")
    scope: str
    key: str
    fingerprint: bytes
    status: int | None = None
    headers: dict[str, str]
    body: bytes | None = None
    created_at: int


class FaultRule(Record, kw_only=True):
    """A fault rule as it is kept; `rule` is the whole of it in the shape of the control API."""

    TABLE: ClassVar[str] = "fault_rules"
    id: str
    rule: dict[str, Any]


RECORDS: tuple[type[Record], ...] = (
    ClientToken, Nonce, Charge, Refund, Transfer, Endpoint, Event, Delivery, Hold, Timer, Claim, FaultRule,
)  # fmt: skip
