"""The customer, the same one for every merchant: orders, pays, and reacts to what the page says.

Told PAID, they stop. Told PENDING, they wait. Told FAILED, or shown an error, they pay again with a fresh
nonce (the card form makes a new one each time). Where the profile's page sends a key of its own, {client_key}, it repeats
the same key and nonce until it has been told how the payment went.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from gatecrash.core import money
from gatecrash.harness import answers, history
from gatecrash.harness.browser import Browser
from gatecrash.harness.cards import DISPUTED_CARDS, GOOD_CARDS, NUMBERS
from gatecrash.harness.gateway import Gateway
from gatecrash.harness.history import PAYMENT_MADE, PENDING
from gatecrash.harness.merchant_profile import MerchantProfile
from gatecrash.harness.templates import Call, Command, amounts
from gatecrash.harness.world import CannotPlay, Reply, SetupFailed, World

ERROR = "error"
#: What means the same however often it is asked.
_REPEATED = frozenset({"edit_order", "cancel"})
#: The order that any shop takes, and with which `check` tries it; a shop may sell in one currency alone, or have a least price.
ORDINARY = (4200, "usd", "now")
#: Statuses of an order that the shop does not want.
_REFUSED = (400, 403, 409, 422)
#: Statuses of a route that the shop does not have.
_NOT_THERE = (404, 405)


@dataclass(frozen=True, slots=True)
class Press:
    """What the page sends when the customer presses pay."""

    card: str
    nonce: str
    key: str  #: of the page's own making


@dataclass(slots=True)
class OrderInProgress:
    """What is known of one order while the run goes on."""

    id: str
    number: int  #: the first is 1
    amount: int
    currency: str
    customer: str = "ada"
    capture: str = "now"
    statuses: list[str] = field(default_factory=list)
    fulfilments: int | None = None
    refunded: int | None = None
    asks: list[history.Ask] = field(default_factory=list)
    given_elsewhere: int = 0  #: given back by staff at the gateway itself
    attempts: list[history.Attempt] = field(default_factory=list)
    nonces: list[str] = field(default_factory=list)
    cancelled: bool = False  #: by the customer's own wish
    pressing: int = 0  #: presses that have not been answered yet
    presses: list[Press] = field(default_factory=list)

    @property
    def status(self) -> str:
        """What the customer takes the order for: by its page, else by what was told of the payment."""
        if self.statuses:
            return self.statuses[-1]
        return PENDING if self.told in (None, ERROR) else self.told

    @property
    def told(self) -> str | None:
        """What the customer was told last; None before the first attempt."""
        return self.attempts[-1].told if self.attempts else None

    def remembered(self) -> object:
        """What the customer acts on, and what the oracles will ask about: of the statuses the last, since each pair is judged."""
        tried = [(each.card, each.answered, each.early) for each in self.attempts]
        made = any(each.told in PAYMENT_MADE for each in self.attempts)
        asked = [(ask.kind, ask.amount, ask.refused, ask.promised, ask.charged_back) for ask in self.asks]
        return self.id, self.amount, self.told, made, self.status, asked, self.given_elsewhere, self.cancelled, tried

    def finished(self) -> history.Order:
        return history.Order(
            id=self.id,
            amount=self.amount,
            currency=self.currency,
            statuses=tuple(self.statuses),
            fulfilments=self.fulfilments,
            refunded=self.refunded,
            attempts=tuple(self.attempts),
            cancelled=self.cancelled,
            asks=tuple(self.asks),
        )


@dataclass(slots=True)
class Customer:
    """Talks to the shop as the profile says, and remembers what the shop said."""

    world: World
    gateway: Gateway
    orders: list[OrderInProgress] = field(default_factory=list)
    notes: list[history.Note] = field(default_factory=list)
    provoked: bool = False  #: whether the story has done more than a customer does on a good day
    given_ids: dict[str, str | int] = field(default_factory=dict)  #: order ids as the shop gave them: a number goes back as one
    browsers: dict[str, Browser] = field(default_factory=dict)  #: by customer

    def note(self, source: str, target: str, text: str, order: int = 0) -> None:
        """Writes down what no journal knows, for whoever reads the story; `order` is the number of the one it is about."""
        self.notes.append(history.Note(self.world.wall_ms(), source, target, text, order=order))

    @property
    def profile(self) -> MerchantProfile:
        return self.world.profile

    @property
    def order_by_nonce(self) -> dict[str, str]:
        return {nonce: order.id for order in self.orders for nonce in order.nonces}

    def next_order_id(self) -> str:
        """The id that the customer's browser gives the next order, where the shop lets it choose."""
        return f"{self.world.cart}-{len(self.orders) + 1}"

    async def place_order(self, amount: int, currency: str, *, capture: str = "now", customer: str = "ada") -> OrderInProgress:
        """Orders something of this price. Raises SetupFailed when the shop takes no order, and CannotPlay when it refuses one
        that is out of the ordinary.
        """
        order = OrderInProgress(self.next_order_id(), len(self.orders) + 1, amount, currency, customer, capture)
        if self.profile.place_order is not None:
            await self._place(self.profile.place_order, order)
        self.orders.append(order)
        return order

    async def _place(self, call: Call, order: OrderInProgress) -> None:
        """Tells the shop, which gives the order its id."""
        self.note("customer", "shop", f"orders for {money.shown(order.amount, order.currency)}", order.number)
        browser = self.browser(order)
        async with self.world.undisturbed():  # no money has moved before an order is there
            reply = await browser.call(call, self.values(order, order.amount))
        if reply.status == 0:
            await self._alive("place_order")
        try:
            order_id = answers.order_id(self.profile, call, reply, browser.find(reply, self.profile.order_id))
        except answers.Unpromised as error:
            if reply.status in _REFUSED and (order.amount, order.currency, order.capture) != ORDINARY:
                later = ", charged when it ships" if order.capture == "later" else ""
                wanted = f"an order of {money.shown(order.amount, order.currency)}{later}"
                raise CannotPlay(f"the shop does not take {wanted}: {reply.told()}") from error
            raise self._failed(error, reply, order) from error
        order.id = str(order_id)
        self.given_ids[order.id] = order_id

    async def pay(self, order: OrderInProgress, card: str, amount: int | None = None) -> str:
        """Presses pay once, the page naming the order's price or another amount; returns what it told: a status, or `error`."""
        claimed = "" if amount is None else f", and says it costs {money.shown(amount, order.currency)}"
        self.note("customer", "shop", f"pays with {card}{claimed}", order.number)
        press = self._same_again(order, card) or await self._new_press(order, card)
        return await self._press_pay(order, press, order.amount if amount is None else amount)

    async def _new_press(self, order: OrderInProgress, card: str) -> Press:
        press = Press(card, await self.gateway.nonce(card), f"{order.id}-press-{len(order.nonces) + 1}")
        order.nonces.append(press.nonce)
        return press

    def _same_again(self, order: OrderInProgress, card: str) -> Press | None:
        """The last press, where the page repeats it: it sends a key of its own, and was told nothing final yet."""
        last = order.presses[-1] if order.presses else None
        open_still = order.pressing == 0 and order.told in (ERROR, PENDING)
        repeats = last is not None and last.card == card and open_still and self.profile.pay.speaks_of("client_key")
        return last if repeats else None

    async def pay_with_number(self, order: OrderInProgress, card: str) -> str:
        """Presses pay on a page that is wired wrongly: where the nonce belongs, it sends the card's number."""
        self.note("customer", "shop", f"pays, and the page sends the number of {card}", order.number)
        return await self._press_pay(order, Press(card, NUMBERS[card], f"{order.id}-press-number"), order.amount)

    async def _press_pay(self, order: OrderInProgress, press: Press, amount: int) -> str:
        order.presses.append(press)
        early = order.pressing > 0 or (order.told in (PENDING, ERROR) and order.status == PENDING)
        order.pressing += 1
        try:
            reply = await self.browser(order).call(
                self.profile.pay, {**self.values(order, amount), "nonce": press.nonce, "client_key": press.key}
            )
        finally:
            order.pressing -= 1
        told = await self._told(order, press, reply)
        detail = reply.error or f"{reply.status}"
        self.note("shop", "customer", f"{told}, {detail}", order.number)
        order.attempts.append(history.Attempt(card=press.card, nonce=press.nonce, told=told, detail=detail, early=early))
        return told

    async def press_at_once(self, order: OrderInProgress, card: str, times: int) -> None:
        """Press pay so often at one moment. The card form makes a nonce for each press; a page with a key of its own sends the
        same nonce and key each time.
        """
        presses: list[Press] = []
        for _ in range(times):
            self.note("customer", "shop", f"pays with {card}", order.number)
            same = presses and self.profile.pay.speaks_of("client_key")
            presses.append(presses[0] if same else await self._new_press(order, card))
        with self.world.at_once(times):
            await asyncio.gather(*(self._press_pay(order, press, order.amount) for press in presses))

    async def retry_while_unpaid(self, order: OrderInProgress, card: str, times: int) -> None:
        """The model of the module's first lines, `times` attempts at most."""
        for _ in range(times):
            if order.told == PENDING:
                await self.wait_while_pending(order)
                if order.status == PENDING:
                    return
            if order.status in PAYMENT_MADE or any(attempt.told in PAYMENT_MADE for attempt in order.attempts):
                return
            await self.pay(order, card)

    async def edit(self, order: OrderInProgress, amount: int) -> None:
        """Changes the cart, so that it costs this; the price agreed is the new one once the shop says yes."""
        if (await self._asks("edit_order", f"changes the cart to {money.shown(amount, order.currency)}", order, amount)).ok:
            order.amount = amount

    async def cancel(self, order: OrderInProgress) -> None:
        order.cancelled = (await self._asks("cancel", "cancels the order", order, order.amount)).ok

    async def ship(self, order: OrderInProgress, amount: int | None) -> None:
        """The shop's staff ships, and takes the money for it: the rest, or an amount."""
        await self._modify("ship", "capture", order, amount)

    async def refund(self, order: OrderInProgress, amount: int | None) -> None:
        """The shop's staff gives back: the rest, or an amount."""
        await self._modify("refund", "refund", order, amount)

    async def refund_elsewhere(self, order: OrderInProgress, amount: int | None) -> None:
        """Staff gives back on the gateway's own pages, and not in the shop; nothing where nothing was charged."""
        given = await self.gateway.refund_elsewhere(order.id, self.order_by_nonce, amount)
        if not given:
            return
        order.given_elsewhere += given
        self.note("gateway", "gateway", f"staff: refund {money.shown(given, order.currency)}, not in the shop", order.number)

    async def answer_dispute(self, order: OrderInProgress, *, wins: bool) -> None:
        """Staff answers the bank on the gateway's own pages; nothing where no dispute waits for an answer."""
        if await self.gateway.answer_dispute(order.id, self.order_by_nonce, wins=wins):
            how = "wins" if wins else "loses"
            self.note("gateway", "gateway", f"staff: evidence that {how} the dispute, not in the shop", order.number)

    async def _modify(self, name: str, kind: str, order: OrderInProgress, amount: int | None) -> None:
        so_far = sum(ask.amount for ask in order.asks if ask.kind == kind and not ask.refused)
        so_far += order.given_elsewhere if kind == "refund" else 0
        amount = order.amount - so_far if amount is None else amount
        back = any(each.card in DISPUTED_CARDS for each in order.attempts) and await self.gateway.told_of_chargeback(
            order.id, self.order_by_nonce
        )
        order.asks.append(history.Ask(kind=kind, amount=amount, at_ms=self.gateway.sandbox_ms(), charged_back=back))
        self.world.staff_asks(order.asks[-1].at_ms)
        number = len(order.asks) - 1
        reply = await self._asks(name, f"staff: {name} {money.shown(amount, order.currency)}", order, amount)
        order.asks[number] = replace(order.asks[number], status=reply.status or None)

    async def come_back(self, order: OrderInProgress, claims: Mapping[str, str]) -> None:
        """The browser comes to the return URL, with whatever the query claims."""
        call = self.profile.return_url
        assert call is not None, "stories that need it are left out"
        self.note("customer", "shop", f"comes back with {urlencode(claims)}", order.number)
        mark = "&" if "?" in call.path else "?"
        coming = replace(call, path=f"{call.path}{mark}{urlencode(claims)}")
        await self.browser(order).call(coming, self.values(order, order.amount))

    async def _asks(self, name: str, what: str, order: OrderInProgress, amount: int) -> Reply:
        call: Call | None = getattr(self.profile, name)
        assert call is not None, "stories that need it are left out"
        self.note("customer", "shop", what, order.number)
        reply = await self.browser(order).call(call, self.values(order, amount))
        if reply.status in _NOT_THERE and await self._nothing_is_broken():
            raise SetupFailed(f"{self.profile.at(name, 'path')}: {call.told()} was answered {reply.told()}")
        self.note("shop", "customer", reply.error or f"{reply.status}", order.number)
        if reply.status == 0 and name in _REPEATED and self.world.explores:
            # who got no answer looks again at what the page shows, and asks once more
            async with self.world.undisturbed():
                self.note("customer", "shop", f"{what}, once more", order.number)
                reply = await self.browser(order).call(call, self.values(order, amount))
                self.note("shop", "customer", reply.error or f"{reply.status}", order.number)
        return reply

    def browser(self, order: OrderInProgress) -> Browser:
        """That of the customer who placed the order."""
        return self.browsers.setdefault(order.customer, Browser(self.world, order.customer))

    def values(self, order: OrderInProgress, amount: int) -> dict[str, Any]:
        """What fills the placeholders of a call about the order."""
        return {
            **amounts(amount, order.currency),
            "currency": order.currency,
            "order_id": self.given_ids.get(order.id, order.id),
            "customer": order.customer,
            "capture": order.capture,
            "nonce": order.nonces[-1] if order.nonces else "",
        }

    async def wait_while_pending(self, order: OrderInProgress) -> None:
        """Watches the order's page for a few reconciliation periods of the shop."""

        async def moved() -> bool:
            return await self.look(order) not in (PENDING, None)

        await self.world.until(moved, within_s=3 * self.profile.reconcile_s + 0.5)

    async def look(self, order: OrderInProgress) -> str | None:
        """Reads the order's page, notes a new status; None when the shop did not answer. Where the shop has no such page, what
        the customer was told of the payment.
        """
        call = self.profile.read_order
        if call is None:
            return order.status
        reply = await self.read(call, order)
        try:
            page = answers.page(self.profile, call, reply, order.currency)
        except answers.Unpromised as error:
            if await self._nothing_is_broken():
                if reply.status == 0:
                    await self._alive("read_order")
                raise self._failed(error, reply, order) from error
            return None
        if not order.statuses or order.statuses[-1] != page.status:
            order.statuses.append(page.status)
            self.note("shop", "customer", f"the order is {page.status}", order.number)
        order.fulfilments, order.refunded = page.fulfilments, page.refunded
        return page.status

    async def read(self, call: Call | Command, order: OrderInProgress) -> Reply:
        """What the shop says of the order: its page, or what the command prints."""
        values, browser = self.values(order, order.amount), self.browser(order)
        if isinstance(call, Call):
            return await browser.call(call, values)
        return await self.world.run(call.fill(browser.values(values)), self.profile.page_s)

    async def _told(self, order: OrderInProgress, press: Press, reply: Reply) -> str:
        """What an answer to a payment tells the customer: a status, or `error`."""
        try:
            return answers.outcome(self.profile, self.profile.pay, reply)
        except answers.Unpromised as error:
            # a second click may be turned away as the shop likes; one that fails at a declined card has a bug, and is judged
            mute = reply.ok or (reply.status >= 500 and len(order.presses) == 1)
            amiss = reply.status in _NOT_THERE or (mute and press.card in GOOD_CARDS)
            if amiss and await self._nothing_is_broken():
                raise self._failed(error, reply, order) from error
        if reply.status == 0 and await self._nothing_is_broken():
            await self._alive("pay")
        return ERROR

    def _failed(self, error: answers.Unpromised, reply: Reply, order: OrderInProgress) -> SetupFailed:
        """The same, with what a shop had to say that failed; or that a visit went wrong, which is most likely why."""
        if astray := self.browser(order).astray:
            return SetupFailed(astray)
        return SetupFailed(f"{error}{self.world.merchant_said() if reply.status >= 500 else ''}")

    async def _nothing_is_broken(self) -> bool:
        """Whether the story has done nothing yet that a shop could stumble over."""
        return not self.provoked and not self.world.notes and not await self.gateway.journal(kind="fault")

    async def _alive(self, call: str) -> None:
        """Raises SetupFailed for a shop that has ended by itself, just now."""
        if ended := await self.world.merchant_ends():
            raise SetupFailed(f"{self.profile.at(call)}: when nothing was broken yet, the merchant {ended}")
