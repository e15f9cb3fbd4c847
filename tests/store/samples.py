"""One full and one bare record of every type."""

from gatecrash.core.records import (
    Attempt,
    Charge,
    Claim,
    ClientToken,
    Delivery,
    Dispute,
    Document,
    Endpoint,
    Event,
    FaultRule,
    Hold,
    Nonce,
    PaymentMethod,
    Record,
    Refund,
    Subscription,
    Timer,
    Transfer,
)  # fmt: skip

FACE = {"brand": "visa", "last4": "4242", "exp_month": 12, "exp_year": 2040}
ODD = 'quote " back \\ nul \0 emoji 🦊 ünï'

FULL: tuple[Record, ...] = (
    ClientToken(id="ctok_1", used=True, created_at=1, expires_at=2),
    Nonce(id="nonce_1", card=FACE, sealed_number=bytes(range(256)), used_by="txn_1", created_at=1, expires_at=2),
    PaymentMethod(id="pm_1", bank_account={"last4": "6789"}, sealed_number=b"\0\xff", created_at=1),
    Charge(
        id="txn_1", status="succeeded", amount=99_999_999, amount_captured=99_999_999, amount_refunded=1,
        amount_disputed=2, disputed=True, currency="usd", capture=False, order_id=ODD, metadata={ODD: ODD}, card=FACE,
        payment_method="pm_1", subscription_id="sub_1", created_at=1, expires_at=2**53,
    ),
    Refund(id="re_1", charge_id="txn_1", order_id="o1", status="pending", amount=1, currency="usd", reason=ODD, created_at=1),
    Dispute(
        id="dp_1", charge_id="txn_1", order_id=ODD, stage="chargeback", status="lost", reason="fraudulent", resolution="decided",
        amount=1, currency="usd", evidence=ODD, created_at=1,
    ),
    Subscription(
        id="sub_1", status="canceled", payment_method="pm_1", amount=1, currency="usd", interval="month", order_id=ODD,
        metadata={ODD: ODD}, latest_charge_id="txn_1", failed_attempts=5, renewals=3, anchor_at=1, current_period_start=2,
        current_period_end=3, canceled_at=4, cancel_reason="payment_failed", created_at=1,
    ),
    Transfer(
        id="tr_1", debit="a", credit="b", amount=1, currency="usd", reason="capture", charge_id="txn_1", order_id="o1",
        created_at=1,
    ),
    Endpoint(
        id="we_1", dialect="native", url="http://127.0.0.1", events=["charge.*", "*"], description=ODD, status="disabled",
        sealed_secret=b"\0\xff", sealed_old_secret=b"\1", old_secret_until=2, created_at=1,
    ),
    Event(
        id="evt_1", dialect="native", type="charge.succeeded", object_id="txn_1", order_id="o1", amount=1,
        data={"a": {"b": [1, None, ODD]}},
        created_at=1,
    ),
    Delivery(
        id="dlv_1", event_id="evt_1", endpoint_id="we_1", url="http://127.0.0.1", status="failed",
        attempts=[Attempt(attempt=1, at=1, status=500, latency_ms=1.5, error="x", excerpt=ODD), Attempt(attempt=2, at=2)],
        next_attempt_at=2, created_at=1,
    ),
    Hold(
        id="dlv_1", endpoint_id="we_1", event_id="evt_1", rule_id="rule_1", attempt=2, event_type="charge.failed", awaited=1,
        orders={"forged": True},
    ),
    Timer(id="tmr_1", due_at=2**53, kind="charge.expires", ref="txn_1"),
    Claim(
        scope="native", key=ODD, fingerprint=b"\0\xff", status=201, headers={"A": "b"}, body=b"\0\xff{}", code="c", created_at=1
    ),
    Document(kind="stripe.customer", id="cus_1", ref="txn_1", data={"name": ODD}, created_at=1),
    FaultRule(id="rule_1", rule={"params": {"seconds": 1.5}, "times": None}),
)  # fmt: skip

BARE: tuple[Record, ...] = (
    ClientToken(id="ctok_1", created_at=1, expires_at=2),
    Nonce(id="nonce_1", card={}, sealed_number=b"", created_at=1, expires_at=2),
    PaymentMethod(id="pm_1", card={}, sealed_number=b"", created_at=1),
    Charge(
        id="txn_1", status="authorized", amount=1, currency="usd", metadata={}, card={}, payment_nonce="nonce_1", created_at=1
    ),
    Refund(id="re_1", charge_id="txn_1", status="failed", amount=1, currency="usd", created_at=1),
    Dispute(
        id="dp_1",
        charge_id="txn_1",
        stage="inquiry",
        status="needs_response",
        reason="general",
        amount=1,
        currency="usd",
        evidence_due_at=2,
        created_at=1,
    ),
    Subscription(
        id="sub_1",
        status="active",
        payment_method="pm_1",
        amount=1,
        currency="usd",
        interval="month",
        metadata={},
        latest_charge_id="txn_1",
        anchor_at=1,
        current_period_start=1,
        current_period_end=2,
        created_at=1,
    ),
    Transfer(id="tr_1", debit="a", credit="b", amount=1, currency="usd", reason="capture", charge_id="txn_1", created_at=1),
    Endpoint(id="we_1", dialect="native", url="u", events=[], sealed_secret=b"s", created_at=1),
    Event(id="evt_1", dialect="native", type="charge.succeeded", object_id="txn_1", data={}, created_at=1),
    Delivery(id="dlv_1", event_id="evt_1", endpoint_id="we_1", url="u", attempts=[], created_at=1),
    Hold(id="dlv_1", endpoint_id="we_1", event_id="evt_1", rule_id="rule_1", attempt=1, orders={}),
    Timer(id="tmr_1", due_at=0, kind="charge.expires", ref="txn_1"),
    Claim(scope="native", key="k", fingerprint=b"", headers={}, created_at=1),
    Document(kind="stripe.customer", id="cus_1", data={}, created_at=1),
    FaultRule(id="rule_1", rule={}),
)


def bare(kind: type[Record]) -> Record:
    return next(record for record in BARE if type(record) is kind)


def full(kind: type[Record]) -> Record:
    return next(record for record in FULL if type(record) is kind)
