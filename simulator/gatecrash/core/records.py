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
    """A card or bank account, tokenized: what may be shown of the one or the other.

    `sealed_number` is its number under AES-256-GCM; `used_by` the charge or payment method that consumed it.
    """

    TABLE: ClassVar[str] = "nonces"
    id: str
    card: dict[str, Any] | None = None
    bank_account: dict[str, Any] | None = None
    sealed_number: bytes
    used_by: str | None = None
    created_at: int
    expires_at: int


class PaymentMethod(Record, kw_only=True):
    """A card or bank account that was saved, to be charged again and again. Its number is sealed like a nonce's."""

    TABLE: ClassVar[str] = "payment_methods"
    id: str
    card: dict[str, Any] | None = None
    bank_account: dict[str, Any] | None = None
    sealed_number: bytes
    created_at: int


class Charge(Record, kw_only=True):
    """Paid with a nonce or with a saved payment method. `amount_disputed` is what a dispute holds, or has taken for good.

    `ref` names the dialect's object that it is an attempt of, such as an intent or an order.
    """

    TABLE: ClassVar[str] = "charges"
    id: str
    status: str
    amount: int
    amount_captured: int = 0
    amount_refunded: int = 0
    amount_disputed: int = 0
    disputed: bool = False
    currency: str
    capture: bool = True
    order_id: str | None = None
    metadata: dict[str, str]
    card: dict[str, Any] | None = None
    bank_account: dict[str, Any] | None = None
    payment_nonce: str | None = None
    payment_method: str | None = None
    subscription_id: str | None = None
    decline_code: str | None = None
    ref: str | None = None
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


class Dispute(Record, kw_only=True):
    """A customer's bank asks for the money back. An inquiry only asks; a chargeback has taken it, until it is won."""

    TABLE: ClassVar[str] = "disputes"
    id: str
    charge_id: str
    order_id: str | None = None
    stage: str
    status: str
    reason: str
    resolution: str | None = None
    amount: int
    currency: str
    evidence: str | None = None
    evidence_due_at: int | None = None
    created_at: int


class Subscription(Record, kw_only=True):
    """A charge that comes again. `anchor_at` gives every period its day; `renewals` counts those after the first.

    `failed_attempts`: how often this period's charge has failed. `next_attempt_at`: when a charge is tried next.
    """

    TABLE: ClassVar[str] = "subscriptions"
    id: str
    status: str
    payment_method: str
    amount: int
    currency: str
    interval: str
    order_id: str | None = None
    metadata: dict[str, str]
    latest_charge_id: str
    failed_attempts: int = 0
    renewals: int = 0
    anchor_at: int
    current_period_start: int
    current_period_end: int
    next_attempt_at: int | None = None
    canceled_at: int | None = None
    cancel_reason: str | None = None
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
    """Where webhooks go, signed as `scheme` has it. Its secrets are sealed (`core.endpoints.secret_of`): the new one signs since
    `rotated_at`, and the old one until `old_secret_until`. `failing_since`: it has accepted nothing since then.
    `verify`: an https receiver must show a certificate that is trusted.
    """

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
    verify: bool = True
    sealed_secret: bytes
    sealed_old_secret: bytes | None = None
    old_secret_until: int | None = None
    rotated_at: int | None = None
    created_at: int


class Event(Record, kw_only=True):
    """Something that happened, in the words of `dialect`. `data` is what that dialect tells of it, as it was then.

    `fact`: what it tells of in the core's words, one of core.facts.FACTS; None where the core has no word for it.
    """

    TABLE: ClassVar[str] = "events"
    id: str
    dialect: str
    type: str
    fact: str | None = None
    object_id: str
    order_id: str | None = None
    amount: int | None = None
    data: dict[str, Any]
    created_at: int

    @property
    def told_as(self) -> str | None:
        """The fact, where the type is another word for it."""
        return None if self.fact == self.type else self.fact


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
    """An idempotency key's record. `status` is None while the first request is in flight. `code`: why the answer is a refusal.
    `sealed`: `body` is, for it shows a secret.
    """

    TABLE: ClassVar[str] = "idempotency_keys"
    KEY: ClassVar[tuple[str, ...]] = ("scope", "key")
    scope: str
    key: str
    fingerprint: bytes
    status: int | None = None
    headers: dict[str, str]
    body: bytes | None = None
    code: str | None = None
    sealed: bool = False
    created_at: int


class Document(Record, kw_only=True):
    """An object of a dialect's own: `kind` is `stripe.payment_intent`, say. `ref` names what it belongs to."""

    TABLE: ClassVar[str] = "documents"
    KEY: ClassVar[tuple[str, ...]] = ("kind", "id")
    kind: str
    id: str
    ref: str | None = None
    data: dict[str, Any]
    created_at: int


class FaultRule(Record, kw_only=True):
    """A fault rule as it is kept; `rule` is the whole of it in the shape of the control API."""

    TABLE: ClassVar[str] = "fault_rules"
    id: str
    rule: dict[str, Any]


RECORDS: tuple[type[Record], ...] = (
    ClientToken, Nonce, PaymentMethod, Charge, Refund, Dispute, Subscription, Transfer, Endpoint, Event, Delivery, Hold, Timer,
    Claim, Document, FaultRule,
)  # fmt: skip
