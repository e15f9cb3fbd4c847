"""A workload as it is being written: what may come next so that it makes sense, and the story that it is in the end.

It knows what became of an order if nothing broke, which is all that a writer can know: a customer whose card was taken has paid.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from types import MappingProxyType
from typing import Any

from gatecrash.harness.cards import ACCOUNTS, GOOD_CARDS, ODD_CARDS
from gatecrash.harness.workloads.scope import Scope

#: How much of everything. Each step more multiplies where faults can strike.
STEPS_MAX = 9
ORDERS_MAX = 3
PRESSES_MAX = 4
SPINNING_MAX = 2
EDITS_MAX = 2
PARTS_MAX = 3
PAUSES_MAX = 2

_PRESSES = frozenset({"pay", "begin_pay", "double_click", "press_at_once", "retry_while_unpaid"})

_ABOUT = (
    "Written by chance: what customers and staff do here makes sense, and nothing is broken in it. What can go wrong on the way "
    "is for the explorer to find."
)


@dataclass(slots=True)
class Sale:
    """An order. `presses` of the pay button; `taken`: a card was used that pays; `odd`: one of those may be refused a refund or
    send it back; `refunding`: a page that gives money back may still load. Amounts in minor units.
    """

    amount: int
    later: bool
    presses: int = 0
    spinning: int = 0
    edits: int = 0
    parts: int = 0
    taken: bool = False
    odd: bool = False
    refunding: bool = False
    cancelled: bool = False
    shipped: int = 0
    refunded: int = 0
    asked: set[tuple[str, int]] = field(default_factory=set)  #: what staff has asked for, and how much

    @property
    def unshipped(self) -> int:
        return self.amount - self.shipped if self.taken and self.later else 0

    @property
    def refundable(self) -> int:
        return ((self.shipped if self.later else self.amount) - self.refunded) if self.taken else 0

    @property
    def handled(self) -> bool:
        """Whether staff has had its hands on it."""
        return bool(self.shipped or self.refunded)


@dataclass(slots=True)
class Script:
    """`may_…` says whether a step makes sense now, for the order at hand; the method of the step's name writes it down.

    That another order is at hand now is written down when something is done about it.
    """

    scope: Scope
    order: Mapping[str, Any] | None = None  #: the first one, which is the story's
    steps: list[str | dict[str, Any]] = field(default_factory=list)
    sales: list[Sale] = field(default_factory=list)
    at: int = 0  #: which order is at hand, the first being 1
    told: int = 0  #: which one the steps are about so far
    pauses: int = 0
    gone: bool = False
    ended: bool = False

    # --- what makes sense

    @property
    def open(self) -> bool:
        return not self.ended and sum(verb(step) != "turn_to_order" for step in self.steps) < STEPS_MAX

    @property
    def may_end(self) -> bool:
        return not self.ended and (self.paying or not self.open)

    @property
    def paying(self) -> bool:
        """Whether anybody has tried to pay: a workload without it has nothing that could go wrong."""
        return any(verb(step) in _PRESSES for step in self.steps)

    @property
    def may_order(self) -> bool:
        return self.open and not self.gone and len(self.sales) < ORDERS_MAX

    def may_press(self, times: int = 1) -> bool:
        sale = self._customers()
        return sale is not None and not sale.handled and sale.presses + times <= PRESSES_MAX

    @property
    def may_debit(self) -> bool:
        """A bank account cannot be authorized now and charged when the goods leave."""
        return self.may_press() and self.sale is not None and not self.sale.later

    @property
    def may_begin(self) -> bool:
        return self.may_press() and self.sale is not None and self.sale.spinning < SPINNING_MAX

    @property
    def may_edit(self) -> bool:
        sale = self._customers()
        return self.scope.edits and sale is not None and sale.presses > 0 and not sale.handled and sale.edits < EDITS_MAX

    @property
    def may_cancel(self) -> bool:
        sale = self._customers()
        return self.scope.cancels and sale is not None and sale.presses > 0 and not sale.handled

    @property
    def may_look(self) -> bool:
        return self.paying and self._customers() is not None and (self.at != self.told or self.steps[-1] != "look")

    @property
    def may_return(self) -> bool:
        return self.scope.returns and self._customers() is not None and "come_back" not in self.steps

    @property
    def may_leave(self) -> bool:
        return self.open and not self.gone and self.paying

    @property
    def may_ship(self) -> bool:
        """Also what was cancelled meanwhile: the warehouse may not have heard of it."""
        sale = self.sale
        return self.open and self.scope.ships and sale is not None and sale.parts < PARTS_MAX and bool(self.ship_parts)

    @property
    def may_refund(self) -> bool:
        sale = self.sale
        return self.open and self.scope.refunds and sale is not None and sale.parts < PARTS_MAX and bool(self.refund_parts)

    @property
    def may_begin_refund(self) -> bool:
        """One page at a time."""
        return self.may_refund and not self.sold.refunding

    @property
    def may_refund_elsewhere(self) -> bool:
        """Of what was surely charged by then, and can surely be given back: no page of the order is still loading."""
        sale = self.sale
        wanted = self.open and self.scope.refunds_elsewhere and sale is not None and sale.parts < PARTS_MAX
        return wanted and not (self.sold.spinning or self.sold.refunding or self.sold.odd) and self.sold.refundable > 0

    @property
    def ship_parts(self) -> list[int | None]:
        return self._parts("ship", self.sold.unshipped, self.scope.part_shipped)

    @property
    def refund_parts(self) -> list[int | None]:
        return self._parts("refund", self.sold.refundable, self.scope.part_refunded)

    def _parts(self, name: str, left: int, in_parts: bool) -> list[int | None]:
        """All of what is left, which is None, and some of it."""
        some = sorted({1, left // 3, left - 1}) if in_parts else []
        return [part for part in (None, *some) if self.makes_sense(name, part, left)]

    def makes_sense(self, name: str, part: int | None, left: int) -> bool:
        """Whether there is so much, and it is not what was asked for before: who asks for the same once more may repeat
        himself, and no journal tells that from a shop that does.
        """
        amount = left if part is None else part
        return 0 < amount <= left and part != left and (name, amount) not in self.sold.asked

    @property
    def may_pause(self) -> bool:
        return self.open and self.paying and self.pauses < PAUSES_MAX

    def _customers(self) -> Sale | None:
        """The order, where its customer is there to do something about it."""
        sale = self.sale
        return None if sale is None or not self.open or self.gone or sale.cancelled else sale

    @property
    def sale(self) -> Sale | None:
        return self.sales[self.at - 1] if self.sales else None

    def where(self, may: Callable[["Script"], bool]) -> list[int]:
        """The orders for which that makes sense now, the one at hand first."""
        others = [number for number in range(len(self.sales), 0, -1) if number != self.at]
        return [number for number in (self.at, *others) if may(replace(self, at=number))]

    # --- what is written

    def place_order(self, amount: int, currency: str, *, later: bool, customer: str) -> None:
        order = {"amount": amount, "currency": currency}
        if later:
            order["capture"] = "later"
        if self.order is None:
            self.order = order
        named = {**order, **({} if customer == "ada" else {"customer": customer})}
        self.steps.append("place_order" if named == self.order else {"place_order": named})
        self.sales.append(Sale(amount, later))
        self.at = self.told = len(self.sales)

    def turn_to_order(self, number: int) -> None:
        self.at = number

    def pay(self, card: str) -> None:
        self._press({"pay": card}, card)

    def begin_pay(self, card: str) -> None:
        self._press({"begin_pay": card}, card)
        self.sold.spinning += 1

    def double_click(self, card: str) -> None:
        self._press({"double_click": card}, card, 2)

    def press_at_once(self, card: str, times: int) -> None:
        self._press({"press_at_once": {"card": card, "times": times}}, card, times)

    def retry_while_unpaid(self, card: str) -> None:
        self._press({"retry_while_unpaid": card}, card)

    def edit_order(self, amount: int) -> None:
        self._write({"edit_order": {"amount": amount}})
        self.sold.edits += 1
        if not self.sold.taken:
            self.sold.amount = amount

    def cancel(self) -> None:
        self._write("cancel")
        self.sold.cancelled = True

    def ship(self, part: int | None) -> None:
        """So much of what is left, or all of it."""
        self._staff("ship", part, self.sold.unshipped)
        self.sold.shipped += part or self.sold.unshipped

    def refund(self, part: int | None) -> None:
        self._staff("refund", part, self.sold.refundable)
        self.sold.refunded += part or self.sold.refundable

    def begin_refund(self, part: int | None) -> None:
        """The same, and staff goes on while the page still loads."""
        self._staff("refund", part, self.sold.refundable, verb="begin_refund")
        self.sold.refunded += part or self.sold.refundable
        self.sold.refunding = True

    def refund_elsewhere(self) -> None:
        """All that is left of the order's charge."""
        self._staff("refund_elsewhere", None, self.sold.refundable)
        self.sold.refunded += self.sold.refundable

    def look(self) -> None:
        self._write("look")

    def come_back(self) -> None:
        self._write("come_back")

    def leave(self) -> None:
        """The customer goes away, and will not try again when all is well."""
        self.gone = True

    def next_timer(self) -> None:
        self._pause("next_timer")

    def advance(self, seconds: int) -> None:
        self._pause({"advance": {"seconds": seconds}})

    def wait(self, seconds: float) -> None:
        self._pause({"wait": {"seconds": seconds}})

    @property
    def sold(self) -> Sale:
        assert self.sale is not None, "an order comes first"
        return self.sale

    def _write(self, step: str | dict[str, Any]) -> None:
        """A step about the order at hand."""
        if self.at != self.told:
            self.steps.append({"turn_to_order": self.at})
            self.told = self.at
        self.steps.append(step)

    def _press(self, step: dict[str, Any], card: str, times: int = 1) -> None:
        self._write(step)
        self.sold.presses += times
        self.sold.taken |= card in GOOD_CARDS and card not in ACCOUNTS  # the money of an account comes days later, or never
        self.sold.odd |= card in ODD_CARDS

    def _staff(self, name: str, part: int | None, left: int, *, verb: str = "") -> None:
        self.sold.asked.add((name, part or left))
        verb = verb or name
        self._write(verb if part is None else {verb: {"amount": part}})
        self.sold.parts += 1

    def _pause(self, step: str | dict[str, Any]) -> None:
        self.steps.append(step)
        self.pauses += 1

    # --- what it is

    def document(self) -> dict[str, Any]:
        """The story, named for what happens in it: the same workload has the same name wherever it is found."""
        assert self.order is not None, "an order comes first"
        gone = {"calm_customer": "gone"} if self.gone else {}
        told = {"order": dict(self.order), "steps": list(self.steps), **gone}
        digest = blake2b(repr(told).encode(), digest_size=4).hexdigest()
        return {"name": f"workload-{digest}", "title": "A workload made up", "group": "baseline", "about": _ABOUT, **told}

    # --- told again

    def tell(self, step: str | dict[str, Any]) -> bool:
        """Writes down a step as it stands in a story; whether it makes sense here."""
        name, argument = verb(step), None if isinstance(step, str) else step[verb(step)]
        may, write = _TOLD[name]
        if not may(self, argument):
            return False
        write(self, argument)
        return True


def verb(step: str | dict[str, Any]) -> str:
    return step if isinstance(step, str) else next(iter(step))


def retold(scope: Scope, document: Mapping[str, Any]) -> Script | None:
    """The script of a story that was one, or of something like it; None when that makes no sense."""
    script = Script(scope)
    first, *others = document["steps"]
    script.tell({"place_order": {**document["order"], **(first["place_order"] if isinstance(first, dict) else {})}})
    if not all(map(script.tell, others)):
        return None
    script.gone = document.get("calm_customer") == "gone"
    return script if script.paying else None


def _place(script: Script, order: Mapping[str, Any] | None) -> None:
    order = order or script.order or {}
    later = order.get("capture") == "later"
    script.place_order(order["amount"], order["currency"], later=later, customer=order.get("customer", "ada"))


def _amount(argument: Mapping[str, int] | None) -> int | None:
    return argument["amount"] if argument else None


# what a story's steps say: whether it makes sense, and how it is written down
_TOLD: Mapping[str, tuple[Callable[[Script, Any], bool], Callable[[Script, Any], None]]] = MappingProxyType(
    {
        "place_order": (lambda script, _: script.order is None or script.may_order, _place),
        "turn_to_order": (lambda script, to: to <= len(script.sales), Script.turn_to_order),
        "pay": (lambda script, card: script.may_debit if card in ACCOUNTS else script.may_press(), Script.pay),
        "begin_pay": (lambda script, _: script.may_begin, Script.begin_pay),
        "double_click": (lambda script, _: script.may_press(2), Script.double_click),
        "press_at_once": (
            lambda script, press: script.may_press(press["times"]),
            lambda script, press: script.press_at_once(press["card"], press["times"]),
        ),
        "retry_while_unpaid": (lambda script, card: script.may_press() and card in GOOD_CARDS, Script.retry_while_unpaid),
        "edit_order": (lambda script, _: script.may_edit, lambda script, to: script.edit_order(to["amount"])),
        "cancel": (lambda script, _: script.may_cancel, lambda script, _: script.cancel()),
        "ship": (
            lambda script, part: script.may_ship and script.makes_sense("ship", _amount(part), script.sold.unshipped),
            lambda script, part: script.ship(_amount(part)),
        ),
        "refund": (
            lambda script, part: script.may_refund and script.makes_sense("refund", _amount(part), script.sold.refundable),
            lambda script, part: script.refund(_amount(part)),
        ),
        "begin_refund": (
            lambda script, part: script.may_begin_refund and script.makes_sense("refund", _amount(part), script.sold.refundable),
            lambda script, part: script.begin_refund(_amount(part)),
        ),
        "refund_elsewhere": (
            lambda script, part: script.may_refund_elsewhere and part is None,
            lambda script, _: script.refund_elsewhere(),
        ),
        "look": (lambda script, _: script.may_look, lambda script, _: script.look()),
        "come_back": (lambda script, _: script.may_return, lambda script, _: script.come_back()),
        "next_timer": (lambda script, _: script.may_pause, lambda script, _: script.next_timer()),
        "advance": (lambda script, _: script.may_pause, lambda script, by: script.advance(by["seconds"])),
        "wait": (lambda script, _: script.may_pause, lambda script, by: script.wait(by["seconds"])),
    }
)
