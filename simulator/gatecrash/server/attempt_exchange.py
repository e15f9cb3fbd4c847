"""One attempt to deliver a webhook, and what faults can do to it."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from msgspec import Struct, field, to_builtins

from gatecrash.core import holds
from gatecrash.core.deliveries import Schedule
from gatecrash.core.records import Delivery, Endpoint, Event, Hold
from gatecrash.core.transaction import Context
from gatecrash.dialects.interface import Dialect
from gatecrash.server.holding import Holding
from gatecrash.server.sandbox import Sandbox
from gatecrash.server.state import State
from gatecrash.webhooks.courier import Cut
from gatecrash.webhooks.message import Message
from gatecrash.webhooks.spoiling import tampered, wrong_secret

T = TypeVar("T")


class Lost(Exception):
    """A fault took the attempt, or its answer, away."""


class Orders(Struct, omit_defaults=True):
    """What is to be done with a message: `copies` more of it, a wrong secret, an older timestamp, other contents."""

    copies: int = 0
    at_once: bool = False
    forged: bool = False
    age_ms: int = 0
    changes: list[dict[str, Any]] = field(default_factory=list)


class PutOff(NamedTuple):
    """By `seconds` of sandbox time, or until `awaited` later events (of a type) were on their way."""

    rule_id: str
    seconds: float
    event_type: str | None = None
    awaited: int = 0


class AttemptExchange(Holding):
    """`orders` say how its message is to be; `put_off` is set if it is not to go out yet."""

    def __init__(self, state: State, sandbox: Sandbox, orders: Orders) -> None:
        super().__init__(state, sandbox)
        self.orders = orders
        self.put_off: PutOff | None = None

    def compose(self, dialect: Dialect, event: Event, endpoint: Endpoint, secrets: list[str]) -> Message:
        """The message, signed as the dialect does; after what faults ordered."""
        orders = self.orders
        if orders.forged:
            secrets = [wrong_secret(secret, self._sandbox.seed) for secret in secrets]
        message = dialect.message(event, endpoint, secrets, self._state.host.now() - orders.age_ms)
        for changes in orders.changes:
            message = message._replace(body=tampered(message.body, changes))
        return message

    def keep_put_off(self, ctx: Context, delivery: Delivery, attempt: int, schedule: Schedule) -> None:
        """Record that it was put off; unless the rule that did it is gone."""
        put_off = self.put_off
        assert put_off is not None
        gone = put_off.rule_id not in self._sandbox.plane.rules
        hold = Hold(
            id=delivery.id, endpoint_id=delivery.endpoint_id, event_id=delivery.event_id, rule_id=put_off.rule_id,
            attempt=attempt, event_type=put_off.event_type, awaited=0 if gone else put_off.awaited,
            orders=to_builtins(self.orders),
        )  # fmt: skip
        holds.put_off(ctx, hold, 0 if gone else put_off.seconds, schedule)

    def unless_over(self, work: Callable[[Context], T]) -> Callable[[Context], T | None]:
        """`work`, or nothing if the life of the sandbox is over."""
        return lambda ctx: None if self.is_over else work(ctx)

    # --- what faults do

    async def delay(self, seconds: float) -> None:
        if self.station == "webhook.due":
            self.put_off = PutOff(self.held_by, seconds)
        else:
            await super().delay(seconds)

    async def hold(self, event_type: str | None, count: int, seconds: float) -> None:
        self.put_off = PutOff(self.held_by, seconds, event_type, count)

    async def cut(self, *, reset: bool) -> None:
        raise Cut(reset=reset)

    async def drop(self) -> None:
        raise Lost("a fault rule dropped it" if self.station == "webhook.due" else "a fault rule lost the answer")

    async def duplicate(self, count: int, *, at_once: bool) -> None:
        self.orders.copies += count
        self.orders.at_once = self.orders.at_once or at_once

    async def forge(self) -> None:
        self.orders.forged = True

    async def tamper(self, changes: dict[str, Any]) -> None:
        self.orders.changes.append(changes)

    async def stale(self, age_s: float) -> None:
        self.orders.age_ms = max(self.orders.age_ms, round(age_s * 1000))
