"""What can break at a point: the explorer's alphabet, each letter a fault rule or the death of the merchant.

A letter of the gateway is one rule of the common vocabulary, so that whatever is found with it is armed in the real world
as it stands. Letters that would do the same to the merchant as another one are left out.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

#: How long a gateway or a merchant is away that crashed, in seconds.
DOWN_S = 0.2
#: How long a merchant is asked to wait that asks too often, in seconds.
RETRY_AFTER_S = 1
#: For how much of the merchant's patience something is held that is to come too late, or only after a webhook;
#: or for how much of it a webhook is late, so that it meets the next payment.
_TOO_LATE, _BEHIND, _MEANWHILE = 1.5, 0.1, 0.75
#: How long a webhook is put off that others are to overtake, in seconds of sandbox time.
_OVERTAKEN_S = 3600
#: The stations of what happens to the merchant itself, and on the way between two hosts: no gateway has them.
MERCHANT, ON_THE_WAY = "merchant", "network"
#: The order of two messages.
SWAPPED = "swapped"


class Letter(NamedTuple):
    """`ways`: what it can strike: a `read` or a `write` asked of the gateway, a `webhook`, a `commit` or a `send` of the
    merchant, the `order` of two messages. `patiences`: for how much of the merchant's patience it holds what it strikes, if it
    does, or at the most.
    """

    name: str
    ways: tuple[str, ...]
    station: str
    kind: str
    what: str
    params: Mapping[str, Any] = MappingProxyType({})
    patiences: float | None = None

    @property
    def is_rule(self) -> bool:
        """Whether it is one of the gateway's, which any gateway can be given."""
        return self.station not in (MERCHANT, ON_THE_WAY)

    def filled(self, patience_s: float) -> dict[str, Any]:
        """The rule's params, for a merchant of this patience with the gateway."""
        return dict(self.params) if self.patiences is None else {**self.params, "seconds": self.patiences * patience_s}


_WRITE, _BOTH, _WEBHOOK = ("write",), ("read", "write"), ("webhook",)
_DOWN = {"down_s": DOWN_S}
_WAIT = {"status": 429, "headers": {"Retry-After": str(RETRY_AFTER_S)}}
_ARRIVED = "webhook.acknowledged"

LETTERS: Mapping[str, Letter] = MappingProxyType(
    {
        letter.name: letter
        for letter in (
            Letter("lost request", _WRITE, "request.received", "reset", "never done, and the line breaks"),
            Letter("late request", _WRITE, "request.received", "delay", "done after the merchant gave up", patiences=_TOO_LATE),
            Letter("in flight", _WRITE, "operation.claimed", "delay", "the same key reads 409 for long", patiences=_TOO_LATE),
            Letter("unavailable", _BOTH, "request.received", "status", "not done: 503", {"status": 503}),
            Letter("too many requests", _BOTH, "request.received", "status", "not done: 429, in a second", _WAIT),
            Letter("crash uncommitted", _WRITE, "operation.claimed", "crash", "the gateway dies, nothing is done", _DOWN),
            Letter("crash committed", _WRITE, "operation.committed", "crash", "done, then the gateway dies", _DOWN),
            Letter("lost answer", _BOTH, "operation.committed", "reset", "done, and the line breaks"),
            Letter("late answer", _BOTH, "operation.committed", "delay", "done, told too late", patiences=_TOO_LATE),
            Letter("error after commit", _WRITE, "operation.committed", "status", "done, and answered: 500", {"status": 500}),
            Letter("answer after webhook", _WRITE, "operation.committed", "delay", "the webhook comes first", patiences=_BEHIND),
            Letter("lost", _WEBHOOK, "webhook.due", "drop", "does not arrive; comes again later"),
            Letter("twice", _WEBHOOK, "webhook.due", "duplicate", "arrives twice"),
            Letter("late", _WEBHOOK, "webhook.due", "delay", "arrives while the next call is under way", patiences=_MEANWHILE),
            Letter("overtaken", _WEBHOOK, "webhook.due", "hold", "arrives after a later one", {"seconds": _OVERTAKEN_S}),
            Letter("lost acknowledgment", _WEBHOOK, _ARRIVED, "drop", "arrives, and comes again later"),
            Letter("crash unrecorded", _WEBHOOK, _ARRIVED, "crash", "arrives; the gateway dies; it comes again", _DOWN),
            Letter(SWAPPED, ("order",), ON_THE_WAY, "hold", "the second arrives before the first", patiences=_BEHIND),
            Letter("killed before commit", ("commit",), MERCHANT, "crash", "the merchant dies before it wrote that down"),
            Letter("killed before send", ("send",), MERCHANT, "crash", "the merchant dies before that went out"),
        )
    }
)


def _letters_at() -> Mapping[tuple[str, str], tuple[str, ...]]:
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for letter in LETTERS.values():
        for way in letter.ways:
            found[way, letter.station] = (*found.get((way, letter.station), ()), letter.name)
    return MappingProxyType(found)


#: The names of the letters that can strike, by way and station, in order.
AT = _letters_at()
#: Where the gateway has to ask whether something strikes.
STATIONS = frozenset(letter.station for letter in LETTERS.values() if letter.is_rule)
