"""Faults of the outcome: the issuer says no, or the gateway has had enough."""

from collections.abc import Mapping
from typing import Annotated, ClassVar

from msgspec import Meta

from gatecrash.core.cards import DECLINES
from gatecrash.faults.exchange import RequestExchange, Window
from gatecrash.faults.kinds.kind import ALL_IS_SENT, HALF_IS_SENT, Effect, Kind

_NOT_COMPUTED = "no outcome is computed yet; force it at operation.executed"
_DURABLE = "the outcome is durable by then; force it at operation.executed"
_COUNTED_IN = "requests are counted as they come in; use request.received"


class Decline(Kind):
    """Have the issuer decline: the charge fails with `decline_code`, whatever its card; a result like any other."""

    effect: ClassVar[Effect] = Effect.CHANGES
    refused: ClassVar[Mapping[str, str]] = {
        "request.received": _NOT_COMPUTED,
        "operation.claimed": _NOT_COMPUTED,
        "operation.committed": _DURABLE,
        "response.partial": HALF_IS_SENT,
        "response.sent": ALL_IS_SENT,
        "webhook": "a webhook tells an outcome and decides none; force it at operation.executed",
    }
    operation: ClassVar[str | None] = "charges.create"

    decline_code: str = "generic_decline"

    def __post_init__(self) -> None:
        if self.decline_code not in DECLINES:
            raise ValueError(f"Expected decline_code to be one of {', '.join(DECLINES)}")

    async def strike(self, exchange: RequestExchange) -> None:
        await exchange.decline(self.decline_code)


class RateLimit(Kind):
    """Let `limit` requests through in each `window_s` seconds of sandbox time; refuse the others with 429 and Retry-After."""

    effect: ClassVar[Effect] = Effect.ENDS
    refused: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(
            ("operation.claimed", "operation.executed", "operation.committed", "response.partial", "response.sent"), _COUNTED_IN
        ),
        "webhook": "it is the merchant who limits webhooks, with a 429 of its own",
    }
    always: ClassVar[bool] = True

    limit: Annotated[int, Meta(ge=1, le=1_000_000)]
    window_s: Annotated[float, Meta(gt=0, le=86_400 * 30)] = 60

    def counts(self, window: Window | None, now: int) -> tuple[bool, Window | None]:
        width = round(self.window_s * 1000)
        # the clock may have been moved either way
        if window is None or not window.ends_at - width <= now < window.ends_at:
            window = Window(now + width)
        if window.passed >= self.limit:
            return True, window
        return False, Window(window.ends_at, window.passed + 1)

    async def strike(self, exchange: RequestExchange) -> None:
        await exchange.limit(f"{self.limit} requests in {self.window_s:g} s")
