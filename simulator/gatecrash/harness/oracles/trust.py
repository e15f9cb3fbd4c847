"""S oracles of trust: who is believed, and what is let out."""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from gatecrash.harness.history import PAYMENT_MADE, TOLERANCE_S, History, Order
from gatecrash.harness.oracles._oracle import Findings, oracle
from gatecrash.harness.ownership import Calls

#: Kinds of fault that make a webhook one that must not be believed; a stale one, if it is older than the tolerance.
SPOILED = frozenset({"forge", "tamper", "stale"})
#: Calls whose answers tell the shop what became of a payment.
_TELLS = frozenset({"charges.create", "charges.get", "charges.list", "charges.capture"})


def spoils(fault: Mapping[str, Any]) -> bool:
    """Whether a fault made a webhook one that must not be believed: not if it is no older than clocks may differ."""
    age_s = float((fault.get("params") or {}).get("age_s", math.inf))
    return fault.get("fault") in SPOILED and not (fault.get("fault") == "stale" and age_s <= TOLERANCE_S)


@oracle("S6", "forged or replayed event acted on")
def forgery_believed(history: History) -> Findings:
    """A webhook with a wrong signature, a changed body or an old timestamp was acknowledged, and the order shows the
    payment although nothing else ever told the shop of it. Usually nobody verifies the signature, or only that there is
    one, or the timestamp is not compared with the clock. Verify the raw bytes with the endpoint's secret, in constant
    time, refuse what is older than five minutes, and only then read the event. Judged from webhooks that a fault
    spoiled, or a stranger posted, that were answered 2xx and are all the shop had to go by; where no money was taken, no
    call of the shop's can have told it so.
    """
    calls = Calls(history)
    for order in history.orders:
        told = [*_deliveries(history, order.id), *_posted(history, order.id)]
        believed = [entry for spoiled, entry in told if spoiled and _accepted(entry)]
        honest = any(_accepted(entry) for spoiled, entry in told if not spoiled)
        made_up = history.captured(order) == 0 or not (honest or _was_answered(history, calls, order))
        if believed and made_up and order.status in PAYMENT_MADE:
            event = believed[0].get("event_id")
            yield f"order {order.id} is {order.status} on the word of event {event}, which was no honest webhook"


@oracle("S9", "card number or secret leaked")
def leaked(history: History) -> Findings:
    """A card number, a secret key or a signing secret stands in what the merchant printed, logged or stored. Usually a
    request or its headers were logged whole, or an exception printed what it was working on. Log ids, never payloads of the
    payment page or headers with credentials, refuse card numbers before anything is stored, and mask what looks like one.
    Judged by searching the merchant's output, log files and scratch directory for the values this run used, card numbers
    also with spaces and dashes in them.
    """
    for place, text in {"log": history.log, **{f"file {name}": text for name, text in history.files.items()}}.items():
        digits = re.sub(r"(?<=\d)[ -](?=\d)", "", text)
        for name, value in history.secrets.items():
            if value and (value in text or (value.isdigit() and value in digits)):
                yield f"the merchant's {place} holds the {name}"


def _deliveries(history: History, order_id: str) -> Iterator[tuple[bool, Mapping[str, Any]]]:
    """The attempts to tell of an order's payment, and whether a fault spoiled what was sent."""
    for entry, faults in history.deliveries():
        if history.order_by_event.get(entry["event_id"]) == order_id:
            yield any(map(spoils, faults)), entry


def _posted(history: History, order_id: str) -> Iterator[tuple[bool, Mapping[str, Any]]]:
    """The same of webhooks that were posted by hand."""
    for each in history.posted:
        if each.order == order_id:
            yield not each.genuine, {"event_id": each.event, "status": each.status}


def _accepted(entry: Mapping[str, Any]) -> bool:
    status = entry.get("status")
    return isinstance(status, int) and 200 <= status < 300


def _was_answered(history: History, calls: Calls, order: Order) -> bool:
    """Whether a call of the shop about this order, or one that names no order, got a 2xx."""
    return any(
        entry.get("operation") in _TELLS and _accepted(entry) and calls.may_be_about(entry, order)
        for entry in history.entries("answer")
    )
