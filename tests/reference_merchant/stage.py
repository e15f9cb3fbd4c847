"""A stage for one order's story: the shop and the real gateway in this process, with the wires in the test's hands.

The gateway's clock stands still, its faults are armed by rules, and no webhook goes out by itself: the test delivers the
events it likes, as often, as late and as wrongly as it likes. Nothing happens that the test did not ask for.
"""

import asyncio
import json
from typing import Any

import aiohttp

from reference_merchant import mutants
from tests.support.client import Client
from tests.support.gateway import LiveGateway
from tests.support.waiting import eventually

Json = dict[str, Any]
AGES = 1e8


def settled(order: Json) -> bool:
    """Whether the shop has nothing left to do for an order."""
    owed = order["status"] == "PAID" and order["fulfilments"] == 0
    return not owed and not any(each["status"] == "open" for each in order["attempts"])


class Stage:
    """`shop` is the rig of conftest.py. What is seen, delivered and written is kept, for `verdict.py`."""

    def __init__(self, shop: Any, live: LiveGateway) -> None:
        self.shop, self.live = shop, live
        self.client = Client(shop.http, live.url)
        self.orders: dict[str, list[Json]] = {}  # what the shop showed of each order, in order
        self.deliveries: list[Json] = []
        self.tried: set[str] = set()  # orders that a customer pressed pay for with a good card
        self.asked: dict[tuple[str, str], int] = {}  # (kind, order) → what the shop was asked to capture or give back
        self.after_chargeback: set[tuple[str, str]] = set()  # granted when the shop knew that a bank had the money
        self._left: list[asyncio.Task[Any]] = []

    async def open(self, **settings: Any) -> None:
        """Open the shop, after a crash if it was open: what it had only in memory is gone."""
        settings = {"gateway_url": self.live.url, "gateway_secret_key": f"sk_test_{self.client.sandbox}", **settings}
        await self.shop.restart(**settings)

    crash = open

    # What customers do

    async def order(self, **body: Any) -> str:
        order = str(await self.shop.order(**body))
        self.orders[order] = []
        await self.see(order)
        return order

    async def nonce(self, card: str = "visa") -> str:
        return await self.client.make_nonce(card)

    async def pay(self, order: str, card: str = "visa", nonce: str | None = None, **body: Any) -> tuple[int, Json]:
        """Press pay, with a card as typed in anew unless a nonce is given."""
        nonce = nonce or await self.nonce(card)
        if card == "visa":
            self.tried.add(order)
        status, answer = await self.shop.call("POST", "/create-payment", {"order_id": order, "payment_nonce": nonce, **body})
        await self.see(order)
        return status, answer

    async def pay_again(self, order: str) -> None:
        """A customer who believes what the page says: pays anew what is not paid, and waits while that is not known."""
        page = await self.see(order)
        waits = any(each["status"] == "open" for each in page["attempts"])
        if not waits and page["status"] in ("PENDING", "FAILED", "CANCELLED"):
            await self.pay(order)

    async def begin(self, order: str, **kwargs: Any) -> "asyncio.Task[Any]":
        """Press pay and do not wait; a page that never comes is no error."""

        async def click() -> Any:
            try:
                return await self.pay(order, **kwargs)
            except aiohttp.ClientError:
                return None

        self._left.append(asyncio.create_task(click()))
        return self._left[-1]

    async def modify(self, what: str, order: str, amount: int | None = None) -> int:
        """Ask the shop to ship, cancel or refund."""
        body = {} if amount is None else {"amount": amount}
        status, _ = await self.shop.call("POST", f"/orders/{order}/{what}", body)
        kind = {"ship": "capture", "refund": "refund"}.get(what, what)
        told = (each for each in self.deliveries if each["order"] == order and each["type"].startswith("dispute."))
        if status < 300 and [each["type"] for each in told if each["status"] == 200][-1:] == ["dispute.funds_withdrawn"]:
            self.after_chargeback.add((kind, order))
        if amount is not None and not 400 <= status < 500:  # what the shop refuses it does not owe
            self.asked[kind, order] = self.asked.get((kind, order), 0) + amount
        await self.see(order)
        return int(status)

    async def see(self, order: str) -> Json:
        """The order's page."""
        seen: Json = await self.shop.see(order)
        self.orders.setdefault(order, []).append(seen)
        return seen

    # What breaks, and what comes after

    async def calm(self, *orders: str, **settings: Any) -> None:
        """No more faults, and the shop started again with reconciliation: until it has settled these orders, or cannot.

        By now every call is answered, and the shop waits for it: what rounds cannot settle then, they never will.
        """
        await self.shop.stop()  # before anything that the shop waits for is let go
        await self.mend()
        await self.open(**{"reconcile_every_s": 0.02, "gateway_timeout_s": 20, **settings})
        for _ in range(10):
            if all([settled(await self.see(order)) for order in orders]):
                return
            await self.round()

    async def goods_out(self) -> None:
        """See every order once more, and again as long as its goods may be on their way: that takes a few turns of the loop."""
        for order in self.orders:
            for _ in range(20):
                if settled(await self.see(order)):
                    break

    async def round(self) -> None:
        """Wait until reconciliation has been round, which an order that was held too long tells."""
        if not mutants.load(self.shop.config.mutant).reconciles:
            return
        for _ in range(2):  # the first may have been placed in the middle of a round
            self.shop.now -= AGES
            ancient = await self.shop.order(amount=1)
            self.shop.now += AGES
            await self.shop.until(ancient, status="CANCELLED")

    async def fault(self, station: str, kind: str, operation: str = "charges.create", **rule: Any) -> str:
        """Arm a rule for calls of an operation."""
        return await self.client.add_fault(station, kind, match={"operation": operation}, **rule)

    async def lose_the_answer(self) -> None:
        """The next charge is made, and the shop does not hear of it however often it asks (twice, that is)."""
        await self.fault("operation.committed", "reset", times=2)

    async def dark(self) -> None:
        """From now on only webhooks tell: the status calls fail, and so do new charges."""
        for operation in ("charges.list", "charges.create"):
            await self.fault("request.received", "status", operation, params={"status": 503}, times=None)

    async def struck(self, times: int = 1) -> None:
        """Wait until faults have struck so often."""

        async def enough() -> bool:
            return len(await self.client.journal("fault")) >= times

        await eventually(enough)

    async def mend(self) -> None:
        (await self.client.call("DELETE", "/_gatecrash/faults")).expect(200)

    async def journal(self, kind: str) -> list[Json]:
        return await self.client.journal(kind)

    async def charges(self) -> list[Json]:
        """All charges of the gateway, oldest first."""
        return list((await self.client.get("/v1/charges?limit=100")).expect(200)["data"])[::-1]

    # What the gateway tells

    async def event(self, event_type: str, order: str | None = None, nth: int = 0) -> Json:
        """The nth event of a type, as the gateway has it."""
        query = f"?limit=100&type={event_type}" + (f"&order_id={order}" if order else "")
        data = list((await self.client.get("/v1/events" + query)).expect(200)["data"])
        return dict(data[::-1][nth])

    async def deliver(self, event: Json, *, genuine: bool = True, raw: str | None = None, **how: Any) -> int:
        """Deliver an event as the gateway would, unless told otherwise; `genuine` is what it really is."""
        body = {name: event[name] for name in ("id", "type", "timestamp", "data")}
        raw = raw or json.dumps(body, separators=(",", ":"))
        order, kind = event["data"].get("order_id"), event["type"]
        delivery = {"id": event["id"], "type": kind, "order": order, "genuine": genuine, "status": None}
        self.deliveries.append(delivery)
        status, _ = await self.shop.deliver(raw, event_id=event["id"], **how)
        delivery["status"] = status
        return int(status)

    async def deliver_until_struck(self, event: Json) -> None:
        """Deliver, and give up waiting for the answer when the shop got stuck at the next fault."""
        before = len(await self.journal("fault"))
        delivering = asyncio.create_task(self.deliver(event))
        await self.done_or_struck(delivering, before)
        delivering.cancel()
        await asyncio.gather(delivering, return_exceptions=True)

    async def done_or_struck(self, task: "asyncio.Task[Any]", before: int = 0) -> None:
        """Wait until a task is done, or more faults have struck than before."""

        async def over() -> bool:
            return task.done() or len(await self.journal("fault")) > before

        await eventually(over)

    async def close(self) -> None:
        for task in self._left:
            task.cancel()
        await asyncio.gather(*self._left, return_exceptions=True)
