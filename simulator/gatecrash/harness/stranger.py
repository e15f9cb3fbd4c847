"""Webhooks made by hand and posted to the shop: a stranger's, that no gateway ever sent, and genuine ones in odd clothes."""

import json
from collections.abc import Mapping
from typing import Any

from gatecrash.harness.customer import OrderInProgress
from gatecrash.harness.history import TOLERANCE_S, Posted
from gatecrash.harness.tills.till import Claimed, Event, Till
from gatecrash.harness.world import Reply

_LAYOUTS: Mapping[str, Mapping[str, Any]] = {
    "compact": {"separators": (",", ":")},
    # valid JSON that no serialiser would write again as it came: keys in another order, and room between all of it
    "odd": {"separators": (" ,\n", "  :\t"), "indent": 3},
}


def forgery(till: Till, order: OrderInProgress, changes: Mapping[str, Any], now: float) -> Event:
    """An event that claims a payment which never was."""
    return till.told_again(till.forgery(Claimed(order.id, order.amount, order.currency), now), changes, now)


def sign(
    till: Till, event: Event, signature: str, layout: str, at: float, secrets: Mapping[str, str]
) -> tuple[Mapping[str, str], bytes]:
    """Headers and body. `signature` is `valid`, `retired`, `wrong` or `absent`, `secrets` has those of the first two."""
    if layout == "odd":
        event = dict(reversed(list(event.items())))
    body = json.dumps(event, **_LAYOUTS[layout]).encode()
    secret = None if signature == "absent" else secrets.get(signature, till.wrong_secret)
    return till.sign(event, body, secret, at), body


def posted(till: Till, order: OrderInProgress, event: Event, signature: str, age_s: float, how: str, reply: Reply) -> Posted:
    event_id, event_type = till.id_and_type(event)
    return Posted(
        order=order.id,
        event=event_id,
        event_type=event_type,
        genuine=signature == "valid" and abs(age_s) <= TOLERANCE_S,
        how=how,
        status=reply.status or None,
        timed_out=reply.timed_out,
    )
