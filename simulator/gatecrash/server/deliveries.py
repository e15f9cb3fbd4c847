"""Delivering an event to an endpoint: one attempt, with its stations on the way, and its record."""

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple, TypeVar

from gatecrash.core.deliveries import postpone, record_attempt, take_due
from gatecrash.core.endpoints import disable_endpoint, get_endpoint, signing_secrets
from gatecrash.core.records import Attempt, Delivery, Endpoint, Event
from gatecrash.core.transaction import Context
from gatecrash.faults.exchange import Broken
from gatecrash.faults.rule import DELIVER, Labels
from gatecrash.server.holding import Holding
from gatecrash.server.sandbox import Sandbox
from gatecrash.server.state import State
from gatecrash.webhooks.courier import Courier, Cut, Sent

T = TypeVar("T")


class Lost(Exception):
    """A fault took the attempt, or its answer, away."""


class Postponed(Exception):
    """A fault put the attempt off, by `seconds` of sandbox time."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"postponed by {seconds} s")
        self.seconds = seconds


class AttemptExchange(Holding):
    """What faults can do to a webhook attempt."""

    def __init__(self, state: State, sandbox: Sandbox) -> None:
        super().__init__(state, sandbox)
        self.copies = 0

    async def delay(self, seconds: float) -> None:
        if self.station == "webhook.due":
            raise Postponed(seconds)
        await super().delay(seconds)

    async def cut(self, *, reset: bool) -> None:
        raise Cut(reset=reset)

    async def drop(self) -> None:
        raise Lost("a fault rule dropped it" if self.station == "webhook.due" else "a fault rule lost the answer")

    async def duplicate(self, count: int) -> None:
        self.copies += count

    def unless_anew(self, work: Callable[[Context], T]) -> Callable[[Context], T | None]:
        """`work`, or nothing if the sandbox began anew meanwhile."""
        return lambda ctx: work(ctx) if self._sandbox.epoch == self.epoch else None


class Told(NamedTuple):
    """What an attempt is about, read in one transaction: attempt `number` of a delivery, signed with `secrets`."""

    delivery: Delivery
    endpoint: Endpoint
    event: Event
    number: int
    secrets: list[str]


def _told(ctx: Context, endpoint: Endpoint, delivery_id: str) -> Told:
    delivery = ctx.tx.get(Delivery, delivery_id)
    assert delivery is not None
    event = ctx.tx.get(Event, delivery.event_id)
    assert event is not None
    return Told(delivery, endpoint, event, len(delivery.attempts) + 1, signing_secrets(endpoint, ctx.now, event.created_at))


class Taken(NamedTuple):
    """The attempts to make now, and when the next falls due by itself."""

    attempts: list[Told]
    next_at: int | None


class Deliveries:
    def __init__(self, state: State) -> None:
        self._state = state
        self._courier = Courier(state.host.allow_hosts)
        # attempts that a fault put off: they have passed webhook.due, and pass no station twice
        self._put_off: set[tuple[str, str, int]] = set()

    async def close(self) -> None:
        await self._courier.close()

    def forget(self, sandbox: Sandbox) -> None:
        """What was put off in a sandbox that begins anew was put off in another."""
        self._put_off = {one for one in self._put_off if one[0] != sandbox.name}

    def take(self, ctx: Context, sandbox: Sandbox, endpoint_ids: Iterable[str]) -> Taken:
        """Of endpoints whose timers are due, the attempts for which they have room."""
        attempts: list[Told] = []
        upcoming: list[int] = []
        for endpoint_id in endpoint_ids:
            endpoint = get_endpoint(ctx, endpoint_id)
            dialect = self._state.dialects.get(endpoint.dialect)
            if dialect is None:
                disable_endpoint(ctx, endpoint, f"its dialect, {endpoint.dialect}, is not installed any more")
                continue
            in_flight = sandbox.attempts.get(endpoint_id, {})
            free = dialect.schedule.width - len(in_flight)
            if free > 0:
                due = take_due(ctx, endpoint_id, dialect.schedule, in_flight, free)
                attempts += [_told(ctx, endpoint, delivery_id) for delivery_id in due.deliveries]
                if due.next_at is not None:
                    upcoming.append(due.next_at)
        return Taken(attempts, min(upcoming, default=None))

    async def attempt(self, sandbox: Sandbox, told: Told) -> None:
        """Make an attempt and record how it went; at least once, whatever happens in between."""
        run, delivery_id = self._state.run, told.delivery.id
        exchange = AttemptExchange(self._state, sandbox)
        dialect = self._state.dialects[told.endpoint.dialect]
        url, timeout_s = told.endpoint.url, dialect.schedule.timeout_s
        labels = Labels(
            operation=DELIVER, dialect=dialect.name, path=url, order_id=told.event.order_id,
            event_type=told.event.type, amount=told.event.amount, attempt=told.number,
        )  # fmt: skip

        async def pass_station(station: str) -> None:
            exchange.station = station
            exchange.check_epoch()
            if station in sandbox.plane.armed:
                await sandbox.plane.strike(station, labels, exchange, lambda *struck: self._state.record_strike(sandbox, *struck))

        async def send_copies() -> None:
            for _ in range(exchange.copies):
                self._note(exchange, told, await self._courier.send(url, message, timeout_s), copy=True)
            exchange.copies = 0

        this_attempt = (sandbox.name, delivery_id, told.number)
        made_at, started = sandbox.now(), time.perf_counter()
        try:
            if this_attempt in self._put_off:
                self._put_off.discard(this_attempt)
            else:
                await pass_station("webhook.due")
            message = dialect.message(told.event, told.endpoint, told.secrets, self._state.host.now())
            held = "webhook.sent" in sandbox.plane.armed
            sent = await self._courier.send(url, message, timeout_s, (lambda: pass_station("webhook.sent")) if held else None)
            await send_copies()
            if sent.status is not None:
                await pass_station("webhook.acknowledged")
        except Postponed as put_off:
            later_s = put_off.seconds
            self._put_off.add(this_attempt)
            await run(sandbox, exchange.unless_anew(lambda ctx: postpone(ctx, delivery_id, later_s, dialect.schedule)))
            return
        except (Lost, Cut, Broken) as lost:
            sent = Sent(error=str(lost))
        attempt = Attempt(
            attempt=told.number, at=made_at, status=sent.status, latency_ms=round((time.perf_counter() - started) * 1000, 1),
            error=sent.error, excerpt=sent.excerpt,
        )  # fmt: skip
        self._note(exchange, told, sent)
        record = partial(
            record_attempt, delivery_id=delivery_id, attempt=attempt, schedule=dialect.schedule, retry_after_s=sent.retry_after_s
        )
        disabled = await run(sandbox, exchange.unless_anew(record))
        if disabled is not None:
            exchange.note("endpoint", {"endpoint_id": disabled.id, "status": "disabled", "reason": disabled.disabled_reason})
        await pass_station("webhook.recorded")
        await send_copies()

    def _note(self, exchange: AttemptExchange, told: Told, sent: Sent, *, copy: bool = False) -> None:
        succeeded = self._state.dialects[told.endpoint.dialect].schedule.accepts(sent.status, sent.excerpt)
        exchange.note(
            "delivery",
            {
                "delivery_id": told.delivery.id, "event_id": told.event.id, "event_type": told.event.type,
                "order_id": told.event.order_id, "endpoint_id": told.endpoint.id, "attempt": told.number, "copy": copy,
                "outcome": "succeeded" if succeeded else "failed", "status": sent.status, "error": sent.error,
            },
        )  # fmt: skip
