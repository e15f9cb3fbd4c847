"""Delivering an event to an endpoint: one attempt, with its stations on the way, and its record."""

import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from gatecrash.core.deliveries import postpone, record_attempt
from gatecrash.core.endpoints import signing_secrets
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


class _Told:
    """What an attempt is about, read in one transaction."""

    def __init__(self, ctx: Context, delivery_id: str) -> None:
        delivery = ctx.tx.get(Delivery, delivery_id)
        assert delivery is not None
        endpoint = ctx.tx.get(Endpoint, delivery.endpoint_id)
        event = ctx.tx.get(Event, delivery.event_id)
        assert endpoint is not None
        assert event is not None
        self.delivery, self.endpoint, self.event = delivery, endpoint, event
        self.number = len(delivery.attempts) + 1
        self.secrets = signing_secrets(endpoint, ctx.now)


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

    async def attempt(self, sandbox: Sandbox, delivery_id: str) -> None:
        """Make the attempt that is due and record how it went; at least once, whatever happens in between."""
        run = self._state.run
        exchange = AttemptExchange(self._state, sandbox)
        told = await run(sandbox, lambda ctx: _still_pending(ctx, delivery_id))
        if told is None:
            return
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
            await run(sandbox, exchange.unless_anew(lambda ctx: postpone(ctx, delivery_id, later_s)))
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
        await run(sandbox, exchange.unless_anew(record))
        await pass_station("webhook.recorded")
        await send_copies()

    def _note(self, exchange: AttemptExchange, told: _Told, sent: Sent, *, copy: bool = False) -> None:
        succeeded = sent.status is not None and 200 <= sent.status < 300
        exchange.note(
            "delivery",
            {
                "delivery_id": told.delivery.id, "event_id": told.event.id, "event_type": told.event.type,
                "order_id": told.event.order_id, "endpoint_id": told.endpoint.id, "attempt": told.number, "copy": copy,
                "outcome": "succeeded" if succeeded else "failed", "status": sent.status, "error": sent.error,
            },
        )  # fmt: skip


def _still_pending(ctx: Context, delivery_id: str) -> _Told | None:
    delivery = ctx.tx.get(Delivery, delivery_id)
    return _Told(ctx, delivery_id) if delivery is not None and delivery.status == "pending" else None
