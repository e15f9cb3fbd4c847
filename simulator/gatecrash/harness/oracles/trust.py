"""S oracles of trust: who is believed, and what is let out."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from gatecrash.harness.history import SHOWS_PAYMENT, History
from gatecrash.harness.oracles._oracle import Findings, oracle

#: Kinds of fault that make a webhook one that must not be believed.
SPOILED = frozenset({"forge", "tamper", "stale"})
#: Calls whose answers tell the shop what became of a payment.
_TELLS = frozenset({"charges.create", "charges.get", "charges.list", "charges.capture"})


@oracle("S6", "forged or replayed event acted on")
def forgery_believed(history: History) -> Findings:
    """A webhook with a wrong signature, a changed body or an old timestamp was acknowledged, and the order shows the
    payment although nothing else ever told the shop of it. Usually nobody verifies the signature, or only that there is
    one, or the timestamp is not compared with the clock. Verify the raw bytes with the endpoint's secret, in constant
    time, refuse what is older than five minutes, and only then read the event. Judged from deliveries that a fault
    spoiled, were answered 2xx, and are all the shop had to go by.
    """
    for order in history.orders:
        believed = [entry for spoiled, entry in _deliveries(history, order.id) if spoiled and _accepted(entry)]
        honest = any(_accepted(entry) for spoiled, entry in _deliveries(history, order.id) if not spoiled)
        if believed and not honest and order.status in SHOWS_PAYMENT and not _was_answered(history, order.id):
            event = believed[0].get("event_id")
            yield f"order {order.id} is {order.status} on the word of event {event}, which was no honest webhook"


@oracle("S9", "card number or secret leaked")
def leaked(history: History) -> Findings:
    """A card number, a secret key or a signing secret stands in what the merchant printed or logged. Usually a request
    or its headers were logged whole, or an exception printed what it was working on. Log ids, never payloads of the
    payment page or headers with credentials, and mask what looks like a card number. Judged by searching the merchant's
    output and log files for the values this run used, card numbers also with spaces and dashes in them.
    """
    digits = re.sub(r"(?<=\d)[ -](?=\d)", "", history.log)
    for name, value in history.secrets.items():
        if value and (value in history.log or (value.isdigit() and value in digits)):
            yield f"the merchant's log holds the {name}"


def _deliveries(history: History, order_id: str) -> Iterator[tuple[bool, Mapping[str, Any]]]:
    """The attempts to tell of an order's payment, and whether a fault spoiled what was sent."""
    spoiled = set()
    for entry in history.journal:
        label = (entry.get("event_type"), entry.get("order_id"), entry.get("attempt"))
        if entry["kind"] == "fault" and entry.get("fault") in SPOILED:
            spoiled.add(label)
        elif entry["kind"] == "delivery" and history.order_by_event.get(entry["event_id"]) == order_id:
            yield label in spoiled, entry


def _accepted(entry: Mapping[str, Any]) -> bool:
    status = entry.get("status")
    return isinstance(status, int) and 200 <= status < 300


def _was_answered(history: History, order_id: str) -> bool:
    """Whether a call of the shop about this order, or one that names no order, got a 2xx."""
    return any(
        entry.get("operation") in _TELLS and entry.get("order_id") in (order_id, None) and _accepted(entry)
        for entry in history.entries("answer")
    )
