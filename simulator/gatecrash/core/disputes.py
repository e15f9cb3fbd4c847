"""Disputes: a customer's bank asks for the money back, and gets it unless the merchant answers well and in time.

A chargeback takes the money at once and gives it back if it is won. An inquiry only asks: an answer that satisfies ends it,
any other, or none, turns it into a chargeback.
"""

from typing import Annotated

from msgspec import Meta, Struct

from gatecrash.core import ledger, timers
from gatecrash.core.clock import DAY
from gatecrash.core.errors import Refused
from gatecrash.core.facts import emit
from gatecrash.core.payments import behaviour_of, get_charge
from gatecrash.core.records import Charge, Dispute
from gatecrash.core.transaction import Context

EVIDENCE_DUE_AFTER = 7 * DAY
DECIDED_AFTER = 3 * DAY

# the one text that convinces a bank; every other loses
WINNING_EVIDENCE = "winning_evidence"

STATUSES = ("needs_response", "under_review", "won", "lost", "closed")
RESOLUTIONS = ("decided", "accepted", "expired", "withdrawn")

# how a card's dispute begins → (stage, reason)
OPENINGS: dict[str, tuple[str, str]] = {
    "fraudulent": ("chargeback", "fraudulent"),
    "product_not_received": ("chargeback", "product_not_received"),
    "debit_not_authorized": ("chargeback", "debit_not_authorized"),
    "inquiry": ("inquiry", "general"),
}
REASONS = tuple(dict.fromkeys(reason for _, reason in OPENINGS.values()))


class SubmitEvidence(Struct, forbid_unknown_fields=True):
    id: str
    text: Annotated[str, Meta(min_length=1, max_length=5000)]


class AcceptDispute(Struct, forbid_unknown_fields=True):
    id: str


def open_dispute(ctx: Context, charge_id: str) -> None:
    """The customer goes to the bank, unless all of the money went back already."""
    charge = get_charge(ctx, charge_id)
    left = charge.amount_captured - charge.amount_refunded
    if left == 0:
        return
    opening = behaviour_of(ctx, charge).dispute
    assert opening is not None, "only such charges have the timer"
    stage, reason = OPENINGS[opening]
    dispute = Dispute(
        id=ctx.ids.new("dp"), charge_id=charge.id, order_id=charge.order_id, stage=stage, status="needs_response", reason=reason,
        amount=left, currency=charge.currency, evidence_due_at=ctx.now + EVIDENCE_DUE_AFTER, created_at=ctx.now,
    )  # fmt: skip
    ctx.tx.insert(dispute)
    charge.disputed = True
    ctx.tx.update(charge, "disputed")
    timers.set_timer(ctx, timers.DISPUTE_LAPSES, dispute.id, ctx.now + EVIDENCE_DUE_AFTER)
    emit(ctx, "dispute.opened", dispute)
    if stage == "chargeback":
        _withdraw(ctx, dispute, charge)


def get_dispute(ctx: Context, dispute_id: str) -> Dispute:
    dispute = ctx.tx.get(Dispute, dispute_id)
    if dispute is None:
        raise Refused(
            "resource_missing",
            f"no dispute {dispute_id[:60]!r} in this sandbox; check the id and the key together.",
            "id",
        )
    return dispute


def submit_evidence(ctx: Context, params: SubmitEvidence) -> Dispute:
    """Answer, once. The bank decides a few days later."""
    dispute = _waiting(ctx, params.id)
    dispute.status, dispute.evidence, dispute.evidence_due_at = "under_review", params.text, None
    ctx.tx.update(dispute, "status", "evidence", "evidence_due_at")
    timers.set_timer(ctx, timers.DISPUTE_DECIDED, dispute.id, ctx.now + DECIDED_AFTER)
    emit(ctx, "dispute.updated", dispute)
    return dispute


def accept_dispute(ctx: Context, params: AcceptDispute) -> Dispute:
    """Let the customer have the money."""
    dispute = _waiting(ctx, params.id)
    if dispute.stage == "inquiry" and not _take_what_is_left(ctx, dispute):
        return _end(ctx, dispute, "closed", "withdrawn")
    return _end(ctx, dispute, "lost", "accepted")


def _waiting(ctx: Context, dispute_id: str) -> Dispute:
    """A dispute that needs a response; its deadline no longer counts, since this is one."""
    dispute = get_dispute(ctx, dispute_id)
    if dispute.status != "needs_response":
        raise Refused(
            "dispute_not_open",
            f"dispute {dispute.id} is {dispute.status}; it takes evidence, and is accepted, only while it needs a response.",
            "id",
        )
    timers.clear_timer(ctx, timers.DISPUTE_LAPSES, dispute.id)
    return dispute


def lapse(ctx: Context, dispute_id: str) -> None:
    """No evidence came in time."""
    dispute = get_dispute(ctx, dispute_id)
    if dispute.stage == "inquiry":
        _escalate(ctx, dispute)
    else:
        _end(ctx, dispute, "lost", "expired")


def decide(ctx: Context, dispute_id: str) -> None:
    """The bank has read the evidence."""
    dispute = get_dispute(ctx, dispute_id)
    convinced = dispute.evidence == WINNING_EVIDENCE
    if dispute.stage == "inquiry":
        if convinced:
            _end(ctx, dispute, "closed", "decided")
        else:
            _escalate(ctx, dispute)
    elif convinced:
        _reinstate(ctx, dispute)
        _end(ctx, dispute, "won", "decided")
    else:
        _end(ctx, dispute, "lost", "decided")


def _escalate(ctx: Context, dispute: Dispute) -> None:
    """An inquiry becomes a chargeback, and wants new evidence; unless all of the money went back meanwhile."""
    dispute.status, dispute.evidence, dispute.evidence_due_at = "needs_response", None, ctx.now + EVIDENCE_DUE_AFTER
    if _take_what_is_left(ctx, dispute):
        timers.set_timer(ctx, timers.DISPUTE_LAPSES, dispute.id, dispute.evidence_due_at)
    else:
        _end(ctx, dispute, "closed", "withdrawn")


def _take_what_is_left(ctx: Context, dispute: Dispute) -> bool:
    """Make an inquiry a chargeback over what was not refunded since; whether there was anything."""
    charge = get_charge(ctx, dispute.charge_id)
    left = min(dispute.amount, charge.amount_captured - charge.amount_refunded)
    if left == 0:
        return False
    dispute.stage, dispute.amount = "chargeback", left
    ctx.tx.update(dispute, "stage", "amount", "status", "evidence", "evidence_due_at")
    emit(ctx, "dispute.updated", dispute)
    _withdraw(ctx, dispute, charge)
    return True


def _withdraw(ctx: Context, dispute: Dispute, charge: Charge) -> None:
    charge.amount_disputed = dispute.amount
    ctx.tx.update(charge, "amount_disputed")
    ledger.post(ctx, "dispute", charge, dispute.amount)
    emit(ctx, "dispute.funds_withdrawn", dispute)


def _reinstate(ctx: Context, dispute: Dispute) -> None:
    charge = get_charge(ctx, dispute.charge_id)
    charge.amount_disputed = 0
    ctx.tx.update(charge, "amount_disputed")
    ledger.post(ctx, "dispute_won", charge, dispute.amount)
    emit(ctx, "dispute.funds_reinstated", dispute)


def _end(ctx: Context, dispute: Dispute, status: str, resolution: str) -> Dispute:
    dispute.status, dispute.resolution, dispute.evidence_due_at = status, resolution, None
    ctx.tx.update(dispute, "status", "resolution", "evidence_due_at")
    emit(ctx, f"dispute.{status}", dispute)
    return dispute
