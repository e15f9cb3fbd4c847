"""Faults of the message: webhooks that no merchant should act on. Whatever the dialect, it signs as it always does."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from gatecrash.faults.exchange import AttemptExchange
from gatecrash.faults.kinds.kind import Effect, Kind

_SIGNED_BY_THEN = "the attempt is written by then; use webhook.due"
_ONLY_BEFORE_SENDING = {
    "request": "answers bear no signature; only webhooks do",
    "webhook.sent": _SIGNED_BY_THEN,
    "webhook.acknowledged": _SIGNED_BY_THEN,
    "webhook.recorded": _SIGNED_BY_THEN,
}


class Forge(Kind):
    """Sign the attempt with a wrong secret: all of it is as it should be, but that it does not come from the gateway."""

    effect: ClassVar[Effect] = Effect.CHANGES
    refused: ClassVar[Mapping[str, str]] = _ONLY_BEFORE_SENDING

    async def strike(self, exchange: AttemptExchange) -> None:
        await exchange.forge()


class Tamper(Kind):
    """Change the body once it is signed. `set`: dotted path → value, as in `{"data.amount": 1}`; left out, the amount grows."""

    effect: ClassVar[Effect] = Effect.CHANGES
    adds_up: ClassVar[bool] = True
    refused: ClassVar[Mapping[str, str]] = _ONLY_BEFORE_SENDING

    set: Annotated[dict[Annotated[str, Meta(min_length=1, max_length=200)], Any], Meta(max_length=20)] = msgspec.field(
        default_factory=dict
    )

    async def strike(self, exchange: AttemptExchange) -> None:
        await exchange.tamper(self.set)


class Stale(Kind):
    """Sign the attempt rightly, with a timestamp `age_s` real seconds old: a recording, played again."""

    effect: ClassVar[Effect] = Effect.CHANGES
    refused: ClassVar[Mapping[str, str]] = _ONLY_BEFORE_SENDING

    age_s: Annotated[float, Meta(ge=1, le=86_400 * 3660)] = 600

    async def strike(self, exchange: AttemptExchange) -> None:
        await exchange.stale(self.age_s)
