"""The courier: one attempt to deliver one event to one endpoint, with its stations on the way."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING

import aiohttp

from gatecrash.core.deliveries import postpone, record_attempt
from gatecrash.core.endpoints import signing_secrets
from gatecrash.core.errors import Refused
from gatecrash.core.records import Attempt, Delivery, Endpoint, Event
from gatecrash.core.redaction import mask
from gatecrash.core.transaction import Context
from gatecrash.dialects.interface import Message
from gatecrash.faults.exchange import Broken
from gatecrash.faults.rule import Labels
from gatecrash.server.holding import Holding
from gatecrash.webhooks.targets import LocalResolver, check_url

if TYPE_CHECKING:
    from gatecrash.server.gateway import Gateway
    from gatecrash.server.sandbox import Sandbox

_EXCERPT = 500
_READ_AT_MOST = 64 * 1024


class Lost(Exception):
    """A fault took the attempt, or its answer, away."""


class Postponed(Exception):
    """A fault put the attempt off, by `seconds` of sandbox time."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"postponed by {seconds} s")
        self.seconds = seconds


class AttemptExchange(Holding):
    """What faults can do to a webhook attempt."""

    def __init__(self, gateway: "Gateway", sandbox: "Sandbox") -> None:
        super().__init__(gateway, sandbox)
        self.station = ""
        self.copies = 0

    async def delay(self, seconds: float) -> None:
        if self.station == "webhook.due":
            raise Postponed(seconds)
        await asyncio.sleep(seconds)

    async def cut(self, *, reset: bool) -> None:
        raise Lost("a fault rule broke the connection before the answer was read")

    async def drop(self) -> None:
        raise Lost("a fault rule dropped it" if self.station == "webhook.due" else "a fault rule lost the answer")

    async def duplicate(self, count: int) -> None:
        self.copies += count

    async def answer(self, status: int, headers: dict[str, str], body: bytes, content_type: str) -> None:
        raise AssertionError("the table of stations refuses this")


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


class Courier:
    def __init__(self, gateway: "Gateway") -> None:
        self._gateway = gateway
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            resolver = LocalResolver(self._gateway.host.allow_hosts)
            connector = aiohttp.TCPConnector(limit=0, limit_per_host=0, resolver=resolver, force_close=True)
            self._session = aiohttp.ClientSession(connector=connector, auto_decompress=False)
        return self._session

    async def attempt(self, sandbox: "Sandbox", delivery_id: str) -> None:
        """Make the attempt that is due and record how it went; at least once, whatever happens in between."""
        run = self._gateway.run
        pending = await run(sandbox, lambda ctx: _still_pending(ctx, delivery_id))
        if pending is None:
            return
        told = pending
        dialect = self._gateway.dialects[told.endpoint.dialect]
        exchange = AttemptExchange(self._gateway, sandbox)
        labels = Labels(
            operation="webhooks.deliver", dialect=dialect.name, path=told.endpoint.url, order_id=told.event.order_id,
            event_type=told.event.type, amount=told.event.amount, attempt=told.number,
        )  # fmt: skip

        async def pass_station(station: str) -> None:
            exchange.station = station
            if station in sandbox.plane.armed:
                await sandbox.plane.strike(
                    station, labels, exchange, lambda *struck: self._gateway.record_strike(sandbox, *struck)
                )

        timeout_s = dialect.schedule.timeout_s
        made_at = sandbox.now()
        started = time.perf_counter()
        attempt = Attempt(attempt=told.number, at=made_at)
        retry_after_s = None
        try:
            await pass_station("webhook.due")
            message = dialect.message(told.event, told.endpoint, told.secrets, self._gateway.host.now())
            held = "webhook.sent" in sandbox.plane.armed
            at_sent = (lambda: pass_station("webhook.sent")) if held else None
            attempt, retry_after_s = await self._send(told, message, timeout_s, at_sent)
            for _ in range(exchange.copies):
                await self._send(told, message, timeout_s, None)
            if attempt.status is not None:
                await pass_station("webhook.acknowledged")
        except Postponed as put_off:
            later_s = put_off.seconds
            await run(sandbox, lambda ctx: postpone(ctx, delivery_id, later_s))
            return
        except (Lost, Broken) as lost:
            attempt, retry_after_s = (
                Attempt(attempt=told.number, at=made_at, error=str(lost) or "a fault rule held it"),
                None,
            )
        attempt.at = made_at
        attempt.latency_ms = round((time.perf_counter() - started) * 1000, 1)
        outcome = "succeeded" if attempt.status is not None and 200 <= attempt.status < 300 else "failed"
        self._gateway.journal.note(
            sandbox,
            "delivery",
            {
                "delivery_id": delivery_id, "event_id": told.event.id, "event_type": told.event.type,
                "order_id": told.event.order_id, "endpoint_id": told.endpoint.id, "attempt": told.number,
                "outcome": outcome, "status": attempt.status, "error": attempt.error,
            },
        )  # fmt: skip
        await run(sandbox, lambda ctx: record_attempt(ctx, delivery_id, attempt, dialect.schedule, retry_after_s))
        exchange.copies = 0
        try:
            await pass_station("webhook.recorded")
        except (Lost, Broken):  # pragma: no cover - nothing at this station raises them
            return
        for _ in range(exchange.copies):
            await self._send(told, message, timeout_s, None)

    async def _send(
        self, told: _Told, message: Message, timeout_s: float, at_sent: Callable[[], Awaitable[None]] | None
    ) -> tuple[Attempt, float | None]:
        """POST it and read the answer; every failure to do so is an outcome, not an exception.

        `at_sent` runs when all is written and nothing of the answer is read; what it raises ends the attempt.
        """
        attempt = Attempt(attempt=told.number, at=0)
        written, go_on = asyncio.Event(), asyncio.Event()

        async def held_body() -> AsyncIterator[bytes]:
            yield message.body
            # asked for more: what was given is on its way
            written.set()
            await go_on.wait()

        post = asyncio.ensure_future(
            self._post(told.endpoint.url, message, message.body if at_sent is None else held_body(), timeout_s)
        )
        try:
            if at_sent is not None:
                arrived = asyncio.ensure_future(written.wait())
                await asyncio.wait((post, arrived), return_when=asyncio.FIRST_COMPLETED)
                arrived.cancel()
                if written.is_set():
                    await at_sent()
                go_on.set()
            attempt.status, attempt.excerpt, retry_after_s = await post
        except TimeoutError:
            attempt.error = f"no answer within {timeout_s:g} s"
        except (aiohttp.ClientError, OSError, ValueError, Refused) as error:
            attempt.error = mask(str(error) or type(error).__name__)[:_EXCERPT]
        else:
            return attempt, retry_after_s
        finally:
            if not post.done():
                post.cancel()
                await asyncio.wait((post,))
        return attempt, None

    async def _post(
        self, url: str, message: Message, data: bytes | AsyncIterator[bytes], timeout_s: float
    ) -> tuple[int, str | None, float | None]:
        """Status, excerpt of the body, seconds of Retry-After."""
        check_url(url, self._gateway.host.allow_hosts)
        headers = {**message.headers, "Content-Length": str(len(message.body))}
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        async with self._client().post(url, data=data, headers=headers, allow_redirects=False, timeout=timeout) as answer:
            start = await answer.content.read(_READ_AT_MOST)
            excerpt = mask(start[: _EXCERPT * 2].decode(errors="replace"))[:_EXCERPT]
            return answer.status, excerpt or None, _retry_after(answer.headers.get("Retry-After"))


def _still_pending(ctx: Context, delivery_id: str) -> _Told | None:
    delivery = ctx.tx.get(Delivery, delivery_id)
    return _Told(ctx, delivery_id) if delivery is not None and delivery.status == "pending" else None


def _retry_after(value: str | None) -> float | None:
    """Seconds of Retry-After (RFC 9110 §10.2.3); the date form is not honoured, the schedule stands instead."""
    return float(value) if value is not None and value.isascii() and value.isdigit() and len(value) < 8 else None
