"""The state machine that writes workloads. Whoever imports this needs Hypothesis."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from gatecrash.harness.cards import ACCOUNTS, DECLINED_CARDS, ODD_CARDS, PLAIN_CARDS
from gatecrash.harness.workloads.scope import Scope
from gatecrash.harness.workloads.script import STEPS_MAX, Script

#: Hypothesis' own steps: those of the script, and its end.
STEPS = STEPS_MAX + 2

# the first of everything is the plainest: what shrinking comes to. Prices that floats get wrong, the smallest, the largest.
_ODD_PRICES = (4200, 29, 1, 58, 113, 1999, 99_999_999)
_prices = st.sampled_from(_ODD_PRICES) | st.builds(
    lambda whole, cents: 100 * whole + cents, st.integers(0, 99), st.integers(1, 99)
)
_good_cards = st.sampled_from(PLAIN_CARDS)
_cards = _good_cards | st.sampled_from(DECLINED_CARDS)
_odd_cards = st.sampled_from(ODD_CARDS)
_accounts = st.sampled_from(tuple(ACCOUNTS))
_customers = st.sampled_from(["ada", "grace"])
_seconds = st.sampled_from([60, 3600, 90_000, 700_000])  # a retry, a nonce, a key, an authorization: each outlived by the next
_moments = st.sampled_from([0.5, 2.0])


def about_an_order(
    may: Callable[[Script], bool], **drawn: st.SearchStrategy[Any]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Makes a rule of a method, about any of the orders for which it makes sense."""

    def ruled(write: Callable[..., None]) -> Callable[..., None]:
        @wraps(write)
        def turned(self: "Workload", order: st.DataObject, **given: Any) -> None:
            self.script.turn_to_order(order.draw(st.sampled_from(self.script.where(may))))
            write(self, **given)

        made: Callable[..., None]
        made = rule(order=st.data(), **drawn)(turned)  # type: ignore[call-overload]  # none of them is called `target`
        return precondition(lambda self: bool(self.script.where(may)))(made)

    return ruled


class Workload(RuleBasedStateMachine):
    """One workload: each rule writes a step of its script; `told` hears of the script when it has come to its end."""

    def __init__(self, scope: Scope, told: Callable[[Script], None]) -> None:
        self.script = Script(scope)
        self._told = told
        super().__init__()

    @initialize(price=_prices, data=st.data())
    def first_order(self, price: int, data: st.DataObject) -> None:
        self._order(price, data)

    @precondition(lambda self: self.script.may_order)
    @rule(price=_prices, data=st.data())
    def place_order(self, price: int, data: st.DataObject) -> None:
        self._order(price, data)

    def _order(self, price: int, data: st.DataObject) -> None:
        scope = self.script.scope
        self.script.place_order(
            price,
            data.draw(st.sampled_from(scope.currencies)),
            later=data.draw(st.booleans()) if scope.later else False,
            customer=data.draw(_customers) if scope.customers else "ada",
        )

    @about_an_order(Script.may_press, card=_cards)
    def pay(self, card: str) -> None:
        self.script.pay(card)

    @about_an_order(Script.may_press, card=_good_cards)
    def pay_well(self, card: str) -> None:
        """Once more among the rules, since most that can go wrong comes after a payment."""
        self.script.pay(card)

    @about_an_order(Script.may_press, card=_odd_cards)
    def pay_oddly(self, card: str) -> None:
        """With a card of which the gateway has more to tell: refunds that take their time or come back, disputes."""
        self.script.pay(card)

    @about_an_order(lambda script: script.may_debit, account=_accounts)
    def pay_by_debit(self, account: str) -> None:
        """From a bank account: the money comes after days, or never."""
        self.script.pay(account)

    @about_an_order(lambda script: script.may_begin, card=_cards)
    def begin_pay(self, card: str) -> None:
        self.script.begin_pay(card)

    @about_an_order(lambda script: script.may_press(2), card=_cards)
    def double_click(self, card: str) -> None:
        self.script.double_click(card)

    @about_an_order(lambda script: script.may_press(3), card=_cards)
    def press_at_once(self, card: str) -> None:
        self.script.press_at_once(card, 3)

    @about_an_order(Script.may_press, card=_good_cards)
    def retry_while_unpaid(self, card: str) -> None:
        self.script.retry_while_unpaid(card)

    @about_an_order(lambda script: script.may_edit, price=_prices)
    def edit_order(self, price: int) -> None:
        self.script.edit_order(price)

    @about_an_order(lambda script: script.may_cancel)
    def cancel(self) -> None:
        self.script.cancel()

    @about_an_order(lambda script: script.may_ship, data=st.data())
    def ship(self, data: st.DataObject) -> None:
        self.script.ship(data.draw(st.sampled_from(self.script.ship_parts)))

    @about_an_order(lambda script: script.may_refund, data=st.data())
    def refund(self, data: st.DataObject) -> None:
        self.script.refund(data.draw(st.sampled_from(self.script.refund_parts)))

    @about_an_order(lambda script: script.may_begin_refund, data=st.data())
    def begin_refund(self, data: st.DataObject) -> None:
        self.script.begin_refund(data.draw(st.sampled_from(self.script.refund_parts)))

    @about_an_order(lambda script: script.may_refund_elsewhere)
    def refund_elsewhere(self) -> None:
        self.script.refund_elsewhere()

    @about_an_order(lambda script: script.may_look)
    def look(self) -> None:
        self.script.look()

    @about_an_order(lambda script: script.may_return)
    def come_back(self) -> None:
        self.script.come_back()

    @precondition(lambda self: self.script.may_leave)
    @rule()
    def leave(self) -> None:
        self.script.leave()

    @precondition(lambda self: self.script.may_pause)
    @rule()
    def next_timer(self) -> None:
        self.script.next_timer()

    @precondition(lambda self: self.script.may_pause)
    @rule(seconds=_seconds)
    def advance(self, seconds: int) -> None:
        self.script.advance(seconds)

    @precondition(lambda self: self.script.may_pause)
    @rule(seconds=_moments)
    def wait(self, seconds: float) -> None:
        self.script.wait(seconds)

    @precondition(lambda self: self.script.may_end)
    @rule()
    def the_end(self) -> None:
        self.script.ended = True
        self._told(self.script)

    @precondition(lambda self: self.script.ended)
    @rule()
    def nothing_more(self) -> None:
        """Hypothesis goes on asking for steps; the story is told."""


def rules() -> frozenset[str]:
    """The names of all that a workload can do: the verbs of its steps, and that the customer leaves."""
    names = {each.function.__name__ for each in Workload.setup_state().rules}
    return frozenset(names - {"pay_well", "pay_oddly", "pay_by_debit", "the_end", "nothing_more"})
