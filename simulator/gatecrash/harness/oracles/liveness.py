"""L oracles: what must happen in the end, once the faults are over and everybody is up again."""

from collections.abc import Mapping
from typing import Any

from gatecrash.core import money
from gatecrash.counted import counted
from gatecrash.harness.cards import GOOD_CARDS
from gatecrash.harness.history import (
    FAILED,
    FAILED_REFUND,
    PAID,
    PARTIALLY_PAID,
    PENDING,
    REFUNDED,
    SHOWS_PAYMENT,
    UNANSWERED,
    Attempt,
    History,
    Order,
)
from gatecrash.harness.oracles._oracle import Findings, oracle
from gatecrash.harness.oracles.trust import spoils
from gatecrash.harness.ownership import Calls
from gatecrash.lint.calls import fact_of

#: What an unpaid order is closed as.
CLOSED_UNPAID = frozenset({FAILED, "CANCELLED"})
#: What an unpaid order is that can be tried again.
OPEN = frozenset({PENDING, FAILED})
#: Statuses of a charge that holds money, or did until its time was over.
HELD = frozenset({"authorized", "expired"})
#: 4xx that speak of the call and not of the payment: credentials, pace, or a twin still at work.
UNDECIDED = frozenset({401, 403, 408, 409, 425, 429})
#: Why a charge is refused that is asked for too late: nobody but the customer can bring the card again.
NONCE_EXPIRED = "nonce_expired"
#: 5xx with which a shop says that it cannot take a payment now; any other means that it broke.
TRY_LATER = frozenset({502, 503, 504})


@oracle("L1", "charged, never paid")
def charged_never_paid(history: History) -> Findings:
    """The customer's money is gone and the shop does not know. Usually a crash or a lost answer between
    charge and commit, with neither a webhook handler nor a reconciliation to learn the outcome later. Store
    the attempt before the call; learn the outcome from webhooks and by asking. Judged after the calm: net
    money captured, and an order that shows none of it, or only a part where all of it was taken. What somebody else charged in
    the order's name, and not at its price, pays for nothing.
    """
    for order in history.orders:
        taken = history.paid_for(order)
        in_part = order.status == PARTIALLY_PAID and taken >= order.amount
        if taken > 0 and (order.status not in SHOWS_PAYMENT or in_part):
            yield f"order {order.id}: {money.shown(taken, order.currency)} taken, and the shop says {order.status}"


@oracle("L2", "stuck")
def stuck(history: History) -> Findings:
    """The order never comes to its end: no money moved, nothing is broken any more, and the order is neither paid nor closed
    for a reason. Usually an attempt left in an unknown state that nothing resolves, or an error taken for a verdict. Judged
    after the calm, for orders that were tried and not charged: still PENDING; FAILED or CANCELLED although the customer kept
    trying with a good card and none had been declined before (that would be L5); or so closed behind the back of a customer
    who had gone, although the gateway never refused the charge: a broken connection, a 5xx, a 409 or a 429 is no refusal, but a
    hold whose time is over is one. An order may stay open if its customer knows that it is not paid: told of a decline that
    the gateway gave, or told to try again later (a 4xx or 503 instead of a status) by a shop that took nothing. It may be closed
    if all that was taken for it went back. A shop is stuck, too, that was killed, is started again on its old data and ends by
    itself.
    """
    if history.never_back:
        yield f"the shop never came back: {history.never_back}"
        return
    calls = Calls(history)
    for order in history.orders:
        if history.captured(order) > 0 or not order.attempts:
            continue
        tries = len(order.attempts)
        if history.customer_gone and (not _asked_for(history, calls, order) or _asks_in_vain(history)):
            continue
        if _knows_it_is_unpaid(history, calls, order):
            continue
        if order.status in {PENDING, "unknown"}:
            yield f"order {order.id} is {order.status} after {counted(tries, 'attempt')} and the whole calm"
        elif order.status not in CLOSED_UNPAID or order.cancelled or _declines(order):
            continue
        elif not history.customer_gone:
            yield f"order {order.id} is {order.status}, though the customer tried {counted(tries, 'time')}"
        elif not (_refused(history, calls, order) or _gave_back(history, order)):
            yield f"order {order.id} is {order.status}, though the gateway never refused to charge it"


@oracle("L3", "event never accepted")
def never_accepted(history: History) -> Findings:
    """The shop took every delivery of an event, and never said 2xx in time, so the gateway gave up on it. Usually a
    signature verified over re-serialised JSON instead of the raw bytes, a clock compared too strictly, a secret without
    overlap while rotating, an unknown type taken for an error, or work done before the answer that waits for something slow.
    Accept what is genuine, also when there is nothing to do, and leave what takes long for later. Judged per event, over
    the attempts that the shop answered or let time out; those that a fault had spoiled, lost or held up count for nothing, nor do
    events about an order that was never placed.
    """
    placed = {order.id for order in history.orders}
    told: dict[str, list[int | None]] = {}
    types: dict[str, str] = {}

    def note(event: str, event_type: str, status: int | None) -> None:
        told.setdefault(event, []).append(status)
        types[event] = event_type

    for entry, faults in history.deliveries():
        status, error = entry.get("status"), str(entry.get("error") or "")
        silent = status is None and error.startswith(UNANSWERED) and not faults
        if silent or (isinstance(status, int) and not any(map(spoils, faults))):
            note(str(entry.get("event_id")), fact_of(entry), status)
    for posted in history.posted:
        if posted.genuine and (posted.timed_out or posted.status is not None):
            note(posted.event, posted.event_type, posted.status)
    for event, statuses in told.items():
        if history.order_by_event.get(event, None) not in {None, *placed}:
            continue
        if not any(status is not None and 200 <= status < 300 for status in statuses):
            answers = ", ".join("too late" if status is None else str(status) for status in statuses)
            sent = counted(len(statuses), "time")
            yield f"{types[event]} {event} was sent {sent} and never accepted; the answers were: {answers}"


@oracle("L4", "paid, never fulfilled")
def paid_never_fulfilled(history: History) -> Findings:
    """The shop says PAID and ships nothing. Usually payment and fulfilment live in two transactions and the
    process died between them. Write the intent to fulfil (an outbox row) in the transaction that marks the
    order paid. Judged after the calm from the merchant's own count, where it tells one.
    """
    for order in history.orders:
        if order.status == PAID and order.fulfilments == 0:
            yield f"order {order.id} is PAID and was never fulfilled"


@oracle("L5", "cannot pay after a decline")
def no_second_card(history: History) -> Findings:
    """A card was declined, the customer brought a good one, and the order still cannot be paid. Usually the
    second attempt goes out under the first one's idempotency key and gets the stored decline again, or the
    order is closed for good. An attempt whose outcome is known is over: the next one deserves a new key.
    Judged for orders tried with a card that is declined, then with a good one, and never charged, unless the customer
    cancelled; what was held for them, or has been given back since, was paid. A good one that was brought before the first was
    known to be declined may share its fate. A customer who left has tried the good one only if the shop answered, and not by
    asking to try again later; it cannot be brought again when its nonce had expired. A shop that still asks what became of it,
    and is told nothing, has not refused it.
    """
    calls = Calls(history)
    for order in history.orders:
        declines = _declines(order)
        if not declines or order.cancelled or _was_charged(history, order):
            continue
        if history.customer_gone and _gave_back(history, order):
            continue
        in_vain = order.status == PENDING and _asks_in_vain(history)
        if history.customer_gone and (in_vain or _came_too_late(history, calls, order)):
            continue
        later = [
            attempt.card
            for attempt in order.attempts[declines[0] + 1 :]
            if attempt.card in GOOD_CARDS and not attempt.early and not (history.customer_gone and _left_in_peace(attempt))
        ]
        if later:
            declined = order.attempts[declines[0]].card
            yield f"order {order.id}: {declined} was declined, and {later[0]} could not pay it afterwards"


@oracle("L6", "refund owed")
def refund_owed(history: History) -> Findings:
    """The shop says that money went back to the customer, and it did not. Usually a lost answer was taken for a refund that was
    made, two refunds of the same amount went out under one key, or nobody heard that the bank had sent a refund back. Give each
    refund a key of its own, repeat it until its outcome is known, and listen to `refund.failed`. Judged after the calm, from the
    gateway's refunds of the order: less than staff was promised with a 2xx, unless the gateway refused a refund or took it back
    and the order says so; or an order that reads REFUNDED, of which nothing was given back.
    """
    calls = Calls(history)
    for order in history.orders:
        charges = history.charges_of(order)
        captured, given = (sum(getattr(each, name) for each in charges) for name in ("amount_captured", "amount_refunded"))
        promised, says_so = min(order.refund_promised, captured), order.status in REFUNDED
        if given >= promised and not (says_so and captured > 0 and given == 0):
            continue
        if _refund_came_to_nothing(history, calls, order) and _owns_up(order, given):
            continue
        owed, gave = money.shown(promised or captured, order.currency), money.shown(given, order.currency)
        yield f"order {order.id}: {owed} promised back, {gave} given, and the shop says {order.status}"


def _refund_came_to_nothing(history: History, calls: Calls, order: Order) -> bool:
    """Whether the gateway refused a refund of this order, or has taken one back."""
    failed = any(each.status == FAILED_REFUND for each in history.refunds_of(order))
    return failed or any(
        _says_no(entry, "refunds.create") and calls.may_be_about(entry, order) for entry in history.entries("answer")
    )


def _owns_up(order: Order, given: int) -> bool:
    """Whether the order shows no more as given back than was: by its own number, or by its status where it has none."""
    if order.status in REFUNDED and given == 0:
        return False
    return order.status != "REFUNDED" if order.refunded is None else order.refunded <= given


def left_unpaid(history: History, order: Order) -> bool:
    """Whether a customer has left without paying, and without losing anything: turned away, or given everything back."""
    unpaid = history.captured(order) == 0 and order.status in {PENDING, *CLOSED_UNPAID} and bool(order.attempts)
    return history.customer_gone and unpaid and (_turned_away(order.attempts[-1]) or _gave_back(history, order))


def _knows_it_is_unpaid(history: History, calls: Calls, order: Order) -> bool:
    """Whether the customer was told last that an order is not paid which stays open to another try, with nothing held for it."""
    if order.status not in OPEN or any(charge.status == "authorized" for charge in history.charges_of(order)):
        return False
    last = order.attempts[-1]
    told_no = last.told == FAILED or last.detail == "402"
    if len(_declines(order)) == len(order.attempts):
        return told_no and _refused(history, calls, order)
    return history.customer_gone and (_turned_away(last) or (told_no and _gave_back(history, order)))


def _turned_away(attempt: Attempt) -> bool:
    """Whether the shop told the customer to try again later."""
    status = int(attempt.detail) if attempt.detail.isdigit() else 0
    return attempt.told == "error" and (400 <= status < 500 or status in TRY_LATER)


def _left_in_peace(attempt: Attempt) -> bool:
    """Whether a press said nothing of the card that was used: nobody answered it, or it was to be tried again later."""
    return not attempt.answered or _turned_away(attempt)


def _gave_back(history: History, order: Order) -> bool:
    """Whether a charge of it took or held money, and the shop let all of it go again."""
    return any(
        charge.status == "voided" or (charge.amount_captured > 0 and charge.net == 0) for charge in history.charges_of(order)
    )


def _says_no(answer: Mapping[str, Any], operation: str) -> bool:
    """Whether the gateway refused this, as the outcome of the call and not for its pace or its credentials."""
    status = answer.get("status")
    return (
        answer.get("operation") == operation
        and isinstance(status, int)
        and 400 <= status < 500
        and status not in UNDECIDED
    )  # fmt: skip


def _refused(history: History, calls: Calls, order: Order) -> bool:
    """Whether an answer to a charge of this order said no, or what was held for it had expired before it was taken; an answer to
    a call that names no order may have been about it.
    """
    return any(charge.status == "expired" for charge in history.charges_of(order)) or any(
        _says_no(entry, "charges.create") and calls.may_be_about(entry, order) for entry in history.entries("answer")
    )


def _asked_for(history: History, calls: Calls, order: Order) -> bool:
    """Whether the gateway was asked to charge it, whatever came of that."""
    return any(
        entry.get("operation") == "charges.create" and calls.may_be_about(entry, order) for entry in history.entries("request")
    )


def _asks_in_vain(history: History) -> bool:
    """Whether the last thing the shop wanted to know was not told."""
    answers = [entry for entry in history.entries("answer") if entry.get("operation") in ("charges.get", "charges.list")]
    return bool(answers) and (answers[-1].get("status") or 503) >= 500


def _came_too_late(history: History, calls: Calls, order: Order) -> bool:
    """Whether the gateway was asked to charge a nonce for it that had expired."""
    return any(entry.get("code") == NONCE_EXPIRED and calls.may_be_about(entry, order) for entry in history.entries("answer"))


def _was_charged(history: History, order: Order) -> bool:
    """Whether money was taken or held for it, whatever became of it; what was let go again by the shop is none."""
    return any(charge.amount_captured > 0 or charge.status in HELD for charge in history.charges_of(order))


def _declines(order: Order) -> list[int]:
    """The attempts made with a card that is always declined, by index."""
    return [index for index, attempt in enumerate(order.attempts) if attempt.card not in GOOD_CARDS]
