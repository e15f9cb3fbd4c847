"""Channel profiles: which ways of learning an outcome stay open in a story.

A shop learns what became of a payment from the answer, from webhooks, by asking, or because the customer
tries again. With all of them open each hides the others' bugs, so a profile shuts some for good.
"""

from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

_NO_STATUS_CALLS = tuple(
    {
        "station": "request.received",
        "kind": "status",
        "params": {"status": 503},
        "match": {"operation": operation},
        "times": None,
    }
    for operation in ("charges.get", "charges.list")
)
_NO_WEBHOOKS = ({"station": "webhook.due", "kind": "drop", "times": None},)


@dataclass(frozen=True, slots=True)
class Channel:
    """Rules that outlast the calm, whether the customer is gone by then, and whether the shop hears of anything by webhook."""

    standing_faults: tuple[dict[str, Any], ...] = ()
    customer_gone: bool = False
    webhooks: bool = True


CHANNELS = MappingProxyType(
    {
        "all": Channel(),
        "hookonly": Channel(_NO_STATUS_CALLS, customer_gone=True),
        "reconly": Channel(_NO_WEBHOOKS, webhooks=False),
        "abandon": Channel(_NO_WEBHOOKS, customer_gone=True, webhooks=False),
    }
)
