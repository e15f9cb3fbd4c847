"""Delivering an event to an endpoint: one attempt, with its stations on the way, and its record."""

import asyncio
import time
from collections.abc import Iterable
from math import ceil
from typing import Any, NamedTuple

from msgspec import convert

from gatecrash.core import holds
from gatecrash.core.deliveries import record_attempt, take_due
from gatecrash.core.endpoints import disable_endpoint, signing_secrets
from gatecrash.core.records import Attempt, Delivery, Endpoint, Event, Hold
from gatecrash.core.timers import clear_the_timer
from gatecrash.core.transaction import Context
from gatecrash.faults.exchange import Broken
from gatecrash.faults.rule import DELIVER, AttemptLabels
from gatecrash.server.attempt_exchange import AttemptExchange, Lost, Orders
from gatecrash.server.sandbox import Sandbox
from gatecrash.server.state import State
from gatecrash.together import Together
from gatecrash.webhooks import retry_after
from gatecrash.webhooks.courier import Courier, Cut, Sent


class Told(NamedTuple):
    """What an attempt is about, read in one transaction: attempt `number` of a delivery, signed with `secrets`."""

    delivery: Delivery
    endpoint: Endpoint
    event: Event
    number: int
    secrets: list[str]
    put_off: Hold | None


def _told(ctx: Context, endpoint: Endpoint, delivery_id: str) -> Told:
    delivery = ctx.tx.get(Delivery, delivery_id)
    assert delivery is not None
    event = ctx.tx.get(Event, delivery.event_id)
    assert event is not None
    number, hold = len(delivery.attempts) + 1, ctx.tx.get(Hold, delivery_id)
    put_off = hold if hold is not None and hold.attempt == number else None
    return Told(delivery, endpoint, event, number, signing_secrets(ctx.vault, endpoint, ctx.now, event.created_at), put_off)


class Taken(NamedTuple):
    """The attempts to make now, and when the next falls due by itself."""

    attempts: list[Told]
    next_at: int | None


class Deliveries:
    def __init__(self, state: State) -> None:
        self._state = state
        self._courier = Courier(state.host.allow_hosts, state.host.webhook_ca)

    async def close(self) -> None:
        await self._courier.close()

    def take(self, ctx: Context, sandbox: Sandbox, endpoint_ids: Iterable[str]) -> Taken:
        """Of endpoints whose timers are due, the attempts for which they have room."""
        attempts: list[Told] = []
        upcoming: list[int] = []
        for endpoint_id in endpoint_ids:
            endpoint = ctx.tx.get(Endpoint, endpoint_id)
            if endpoint is None or endpoint.status == "disabled":
                clear_the_timer(ctx, endpoint_id)  # what waits for it is about to be canceled
                continue
            dialect = self._state.dialects.get(endpoint.dialect)
            if dialect is None:
                disable_endpoint(ctx, endpoint, f"its dialect, {endpoint.dialect}, is not installed any more")
                continue
            if rest_ms := self._rest_ms(sandbox, endpoint_id):
                upcoming.append(ctx.now + rest_ms)
                continue
            in_flight = sandbox.attempts.get(endpoint_id, {})
            free = dialect.schedule.width - len(in_flight)
            if free > 0:
                due = take_due(ctx, endpoint_id, dialect.schedule, in_flight, free)
                attempts += [_told(ctx, endpoint, delivery_id) for delivery_id in due.deliveries]
                if due.next_at is not None:
                    upcoming.append(due.next_at)
        return Taken(attempts, min(upcoming, default=None))

    def _rest_ms(self, sandbox: Sandbox, endpoint_id: str) -> int:
        """How long an endpoint rests yet. Nobody waits for that where time is being moved."""
        if sandbox.clock.mode != "real" or sandbox.moving is not None:
            return 0
        return ceil(sandbox.rests.left_s(endpoint_id, asyncio.get_running_loop().time()) * 1000)

    async def attempt(self, sandbox: Sandbox, told: Told) -> None:
        """Make an attempt and record how it went; at least once, whatever happens in between."""
        run = self._state.run
        orders = Orders() if told.put_off is None else convert(told.put_off.orders, Orders)
        exchange = AttemptExchange(self._state, sandbox, orders)
        dialect = self._state.dialects[told.endpoint.dialect]
        url, timeout_s = told.endpoint.url, dialect.schedule.timeout_s
        whose: dict[str, Any] = {"sandbox": sandbox.name, "verify": told.endpoint.verify}
        labels = AttemptLabels(
            operation=DELIVER, dialect=dialect.name, path=url, order_id=told.event.order_id, event_type=told.event.type,
            amount=told.event.amount, attempt=told.number, fact=told.event.told_as,
        )  # fmt: skip

        async def pass_station(station: str) -> None:
            exchange.station = station
            exchange.check_life()
            if station in sandbox.plane.armed:
                await sandbox.plane.strike(
                    station, labels, exchange, lambda *struck: self._state.record_strike(sandbox, *struck), sandbox.now()
                )

        async def send_copy(together: Together | None = None) -> None:
            sent = await self._courier.send(url, message, timeout_s, together=together, **whose)
            self._note(exchange, told, sent, copy=True)

        async def send_copies(together: Together | None = None) -> None:
            count, exchange.orders.copies = exchange.orders.copies, 0
            if together is not None:
                await asyncio.gather(*(send_copy(together) for _ in range(count)))
            else:
                for _ in range(count):
                    await send_copy()

        made_at, started = sandbox.now(), time.perf_counter()
        try:
            if told.put_off is None:  # else it has passed webhook.due, and passes no station twice
                await pass_station("webhook.due")
            if exchange.put_off is not None:
                keep = exchange.unless_over(lambda ctx: exchange.keep_put_off(ctx, told.delivery, told.number, dialect.schedule))
                await run(sandbox, keep)
                return
            exchange.station = "webhook.sent"
            message = exchange.compose(dialect, told.event, told.endpoint, told.secrets)
            held = "webhook.sent" in sandbox.plane.armed
            together = Together(1 + exchange.orders.copies) if exchange.orders.at_once else None
            copies = None if together is None else asyncio.ensure_future(send_copies(together))
            at_sent = (lambda: pass_station("webhook.sent")) if held else None
            try:
                sent = await self._courier.send(url, message, timeout_s, at_sent, together, **whose)
                await (copies or send_copies())
            except (Lost, Cut, Broken):
                # the fault took this attempt alone: the copies are on record
                exchange.check_life()
                await (copies or send_copies())
                raise
            finally:
                if copies is not None:
                    copies.cancel()
            if sent.status is not None:
                await pass_station("webhook.acknowledged")
        except (Lost, Cut, Broken) as lost:
            sent = Sent(error=str(lost))
        exchange.check_life()
        attempt = Attempt(
            attempt=told.number, at=made_at, status=sent.status, latency_ms=round((time.perf_counter() - started) * 1000, 1),
            error=sent.error, excerpt=sent.excerpt,
        )  # fmt: skip
        self._note(exchange, told, sent, latency_ms=attempt.latency_ms)
        accepted = dialect.schedule.accepts(sent.status, sent.excerpt)
        sandbox.rests.note(told.endpoint.id, accepted=accepted, now_s=asyncio.get_running_loop().time())
        retry_after_s = retry_after.seconds(sent.retry_after, self._state.host.now())
        disabled = await run(sandbox, exchange.unless_over(lambda ctx: self._record(ctx, exchange, told, attempt, retry_after_s)))
        if disabled is not None:
            exchange.note("endpoint", {"endpoint_id": disabled.id, "status": "disabled", "reason": disabled.disabled_reason})
        exchange.orders.at_once = False
        await pass_station("webhook.recorded")
        await send_copies(Together(exchange.orders.copies) if exchange.orders.at_once else None)

    def _record(
        self, ctx: Context, exchange: AttemptExchange, told: Told, attempt: Attempt, retry_after_s: float | None
    ) -> Endpoint | None:
        schedule = self._state.dialects[told.endpoint.dialect].schedule
        if told.put_off is not None:
            ctx.tx.delete(Hold, told.delivery.id)
        disabled = record_attempt(ctx, told.delivery.id, attempt, schedule, retry_after_s)
        if exchange.station != "webhook.due":
            holds.attempted(ctx, told.endpoint.id, told.event)
        return disabled

    def _note(
        self, exchange: AttemptExchange, told: Told, sent: Sent, *, latency_ms: float | None = None, copy: bool = False
    ) -> None:
        succeeded = self._state.dialects[told.endpoint.dialect].schedule.accepts(sent.status, sent.excerpt)
        exchange.note(
            "delivery",
            {
                "delivery_id": told.delivery.id, "event_id": told.event.id, "event_type": told.event.type,
                **({} if told.event.told_as is None else {"fact": told.event.told_as}),
                "order_id": told.event.order_id, "endpoint_id": told.endpoint.id, "attempt": told.number, "copy": copy,
                "outcome": "succeeded" if succeeded else "failed", "status": sent.status, "error": sent.error,
                "latency_ms": latency_ms,
            },
        )  # fmt: skip
