"""What a kind of fault is: its params, where it makes no sense and why, and what it does."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar

from msgspec import Struct

from gatecrash.faults.exchange import Window


class Effect(StrEnum):
    """What a strike does to the exchange at a station, in the order in which strikes of one station happen."""

    WAITS = "waits"
    PUTS_OFF = "puts off"
    CHANGES = "changes"
    ENDS = "ends"


class Kind(Struct, forbid_unknown_fields=True):
    """The fields of a kind are its params. `refused`: station, or way (request, webhook) → why it cannot strike there.

    `effect`, and `effect_at` for stations where it differs: what a strike does to the exchange. `adds_up`: two changes of this
    kind at one station both happen; of any other kind the second would replace the first.
    """

    refused: ClassVar[Mapping[str, str]] = {}
    effect: ClassVar[Effect]
    effect_at: ClassVar[Mapping[str, Effect]] = {}
    adds_up: ClassVar[bool] = False
    # params that name a type of event
    events: ClassVar[tuple[str, ...]] = ()
    # the one operation that it can strike, if it is for one only
    operation: ClassVar[str | None] = None
    # whether a rule that does not say how often strikes always
    always: ClassVar[bool] = False

    @classmethod
    def does_at(cls, station: str) -> Effect:
        return cls.effect_at.get(station, cls.effect)

    def counts(self, window: Window | None, now: int) -> tuple[bool, Window | None]:
        """Whether to strike a matching occurrence at sandbox time `now`, and what to remember of it."""
        return True, None

    def kills(self) -> bool:
        """Whether the process dies of it, so that somebody must start it again."""
        return False

    async def strike(self, exchange: Any) -> None:
        """Do it, to a `RequestExchange` or an `AttemptExchange`."""
        raise NotImplementedError


# reasons that several kinds share
NOTHING_OURS = "the gateway asks here and the merchant answers; there is no answer of ours"
NO_ANSWER_YET = "no answer is due yet; its bytes go out after operation.committed"
HALF_IS_SENT = "half of the true answer is sent already"
ALL_IS_SENT = "the true answer is sent already"
NOBODY_WAITS = "the whole answer is sent, nobody waits any more"
CONNECTION_IS_DONE = "the connection has done its work"
ATTEMPT_IS_OVER = "the attempt is over"
