"""Whose order a charge, an event or a call is about, whatever the shop calls its orders at the gateway.

A shop may send the gateway its order's id, a reference of its own, or nothing. The nonce is the one link that always holds: the
harness knows which nonce the customer brought for which order. A charge is found by its nonce, everything later by the charge.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from gatecrash.harness.history import History, Order

Json = Mapping[str, Any]


def references(charges: Iterable[Json], order_by_nonce: Mapping[str, str]) -> dict[str, str]:
    """The order behind each `order_id` that the shop gave to charges with a known nonce; one used for two orders says nothing."""
    found: dict[str, set[str]] = {}
    for charge in charges:
        order, reference = order_by_nonce.get(str(charge.get("source"))), charge.get("order_id")
        if order is not None and isinstance(reference, str):
            found.setdefault(reference, set()).add(order)
    return {reference: orders.pop() for reference, orders in found.items() if len(orders) == 1}


class Objects:
    """Whose order the gateway's objects are about: charges, and what names one of them, in the shapes of `/_gatecrash/`."""

    def __init__(self, charges: Iterable[Json], order_by_nonce: Mapping[str, str]) -> None:
        charges = list(charges)
        self._by_nonce = order_by_nonce
        self._by_reference = references(charges, order_by_nonce)
        # a later attempt of the same intent comes last, and counts
        self._by_object = {
            each: self._of_charge(charge)
            for charge in charges
            for each in (charge["id"], charge.get("ref"), *(refund["id"] for refund in charge.get("refunds", ())))
            if each is not None
        }

    def order_of(self, data: Json) -> str | None:
        """The order of a charge, or of a fact; None where the shop named none and no charge tells."""
        for name in ("id", "object_id", "charge_id"):
            if data.get(name) in self._by_object:
                return self._by_object[data[name]]
        return self._of_charge(data)

    def _of_charge(self, charge: Json) -> str | None:
        nonce, reference = str(charge.get("source")), charge.get("order_id")
        return self._by_nonce.get(nonce) or self._by_reference.get(str(reference), reference)


class Calls:
    """Whose order the entries of a run's journal are about."""

    def __init__(self, history: History) -> None:
        by_nonce = {attempt.nonce: order.id for order in history.orders for attempt in order.attempts}
        requests = [entry for entry in history.journal if entry.get("kind") == "request"]
        self._known: dict[object, str] = {}  # what is surer later
        for named in (
            {order.id: order.id for order in history.orders},
            references(requests, by_nonce),
            {event: order for event, order in history.order_by_event.items() if order is not None},
            {charge.id: charge.order for charge in history.charges if charge.order is not None},
            by_nonce,
        ):
            self._known.update(named)
        self._requests = {entry.get("request_id"): entry for entry in requests}

    def order_of(self, entry: Json) -> str | None:
        """The id of the order that an entry is about: it, or the request that it belongs to, names a nonce, a charge, an event or
        the shop's own reference. None where none of these is known.
        """
        asked = self._requests.get(entry.get("request_id"), entry)
        named = (*(asked.get(each) for each in ("source", "charge_id", "order_id")), entry.get("event_id"), entry.get("order_id"))
        return next((self._known[each] for each in named if each in self._known), None)

    def may_be_about(self, entry: Json, order: Order) -> bool:
        """Whether an entry is about this order, or about one that nothing tells."""
        return self.order_of(entry) in (order.id, None)
