"""Charges, refunds, disputes, subscriptions and books against a model, over years of sandbox time.

Whatever is done in whatever order, the books balance, nothing goes back twice, and every change is told once.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, initialize, invariant, precondition, rule

from tests.support.cards import ACCOUNTS
from tests.support.clock import NOON
from tests.support.machine import GatewayMachine

DAY = 86_400
AUTHORIZED_FOR, REFUND_SETTLES_AFTER, SILENT_FOR = 7 * DAY, 600, 14 * DAY
PAID_AFTER, UNPAID_AFTER = 3 * DAY, 2 * DAY
DISPUTED_AFTER, EVIDENCE_WITHIN, REVIEWED_FOR = 1 * DAY, 7 * DAY, 3 * DAY
RETRIES_AFTER = [1 * DAY, 3 * DAY, 5 * DAY, 7 * DAY]
START = NOON // 1000

# how much of what is left to capture or refund: all of it without a word, all, a part, one too many
SHARES = st.sampled_from(["rest", "all", "part", "part", "one too many"])
CARDS = st.sampled_from(["visa", "refund_failing", "refund_pending", "declined", "disputed", "inquired", "inquired"])
BANKS = st.sampled_from(["bank", "bank_insufficient_funds", "bank_silent", "bank_disputed"])
AMOUNTS, CURRENCIES = st.sampled_from([1, 2, 250, 500]), st.sampled_from(["usd", "jpy"])
ORDERS, PICKS = st.sampled_from([None, "o1", "o2"]), st.integers(0, 5)
METHODS = st.sampled_from(["visa", "bank", "bank_insufficient_funds", "saves_then_declines"])
DECLINES = {
    "declined": "generic_decline",
    "saves_then_declines": "generic_decline",
    "bank_insufficient_funds": "insufficient_funds",
}


def share_of(left: int, share: str) -> int | None:
    return {"rest": None, "all": max(left, 1), "part": max(left // 3, 1), "one too many": left + 1}[share]


def months_later(start: int, months: int) -> int:
    """The same day so many months later, or the last one that month has."""
    then = datetime.fromtimestamp(start, UTC)
    year, month = divmod(then.year * 12 + then.month - 1 + months, 12)
    for day in range(then.day, 0, -1):
        try:
            return int(then.replace(year=year, month=month + 1, day=day).timestamp())
        except ValueError:
            continue
    raise AssertionError


@dataclass
class Subscription:
    id: str
    method: str
    amount: int
    currency: str
    order: str | None
    anchor: int
    renewals: int = 0
    failures: int = 0
    status: str = "active"
    next_at: int | None = None
    timer: int | None = None
    latest: "Charge | None" = None


@dataclass
class Charge:
    status: str
    amount: int
    currency: str
    order: str | None
    source: str
    subscription: Subscription | None = None
    id: str = ""
    captured: int = 0
    refunded: int = 0
    withheld: int = 0
    disputed: bool = False

    @property
    def left(self) -> int:
        return self.captured - self.refunded - self.withheld


@dataclass
class Refund:
    id: str
    charge: Charge
    amount: int
    status: str


@dataclass
class Dispute:
    charge: Charge
    stage: str
    amount: int
    id: str = ""
    status: str = "needs_response"
    resolution: str | None = None
    wins: bool = False
    due_at: int | None = None


class LifecycleMachine(GatewayMachine):
    charges = Bundle("charges")

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.all: list[Charge] = []
        self.refunds: dict[str, Refund] = {}
        self.disputes: list[Dispute] = []
        self.subscriptions: list[Subscription] = []
        self.timers: list[tuple[int, int, Callable[[], None]]] = []
        self.timers_set = 0
        self.told: Counter[str] = Counter()

    @initialize(method=METHODS)
    def begin(self, method: str) -> None:
        """There is a subscription from the start, so that time has something to work on."""
        self.subscribe(method=method, amount=250, currency="usd", order="o1")

    # --- what merchants and customers do

    @rule(target=charges, source=CARDS | BANKS, amount=AMOUNTS, currency=CURRENCIES, capture=st.booleans(), order=ORDERS)
    def create(self, source: str, amount: int, currency: str, capture: bool, order: str | None) -> Charge:
        capture = capture or source in ACCOUNTS  # a bank account cannot be authorized
        reply = self.run(self.client.try_charge(source, amount=amount, currency=currency, capture=capture, order_id=order))
        charge = self._charged(source, amount, currency, order, capture)
        if charge.status == "failed":
            charge.id = reply.refused(402, "card_declined")["charge_id"]
        else:
            charge.id = reply.expect(201)["id"]
        return charge

    @rule(charge=charges, share=SHARES)
    def capture(self, charge: Charge, share: str) -> None:
        left = charge.amount - charge.captured
        amount = share_of(left, share)
        reply = self.run(self.client.post(f"/v1/charges/{charge.id}/capture", {} if amount is None else {"amount": amount}))
        if charge.status != "authorized":
            reply.refused(400, "charge_not_capturable", "id")
        elif amount is not None and amount > left:
            reply.refused(400, "amount_exceeds_authorized", "amount")
            assert f"has {left} {charge.currency} left" in reply["detail"]
        else:
            self._take(charge, left if amount is None else amount)
            charge.status = "succeeded" if charge.captured == charge.amount else "authorized"
            self.told["charge.captured"] += 1
            assert reply.expect(200)["amount_captured"] == charge.captured

    @rule(charge=charges)
    def void(self, charge: Charge) -> None:
        reply = self.run(self.client.post(f"/v1/charges/{charge.id}/void"))
        if charge.status not in ("authorized", "processing"):
            reply.refused(400, "charge_not_voidable", "id")
            return
        charge.status = "succeeded" if charge.captured else "voided"
        self.told["charge.voided"] += 1
        assert reply.expect(200)["status"] == charge.status

    @rule(charge=charges, share=SHARES)
    def refund(self, charge: Charge, share: str) -> None:
        left = charge.left
        amount = share_of(left, share)
        reply = self.run(self.client.post(f"/v1/charges/{charge.id}/refunds", {} if amount is None else {"amount": amount}))
        if charge.status not in ("succeeded", "authorized") or charge.captured == 0:
            reply.refused(400, "charge_not_refundable", "id")
        elif left == 0 or (amount is not None and amount > left):
            reply.refused(400, "amount_exceeds_captured", "amount")
            assert f"has {left} {charge.currency} left" in reply["detail"]
        else:
            given = left if amount is None else amount
            status = "pending" if charge.source == "refund_pending" else "succeeded"
            assert (reply.expect(201)["amount"], reply["status"]) == (given, status)
            refund = self.refunds[reply["id"]] = Refund(reply["id"], charge, given, status)
            charge.refunded += given
            self.told["refund.succeeded"] += status == "succeeded"
            if charge.source.startswith("refund_"):
                self._later(REFUND_SETTLES_AFTER, lambda: self._refund_falls_due(refund))

    @precondition(lambda self: self.disputes)
    @rule(pick=PICKS, answer=st.sampled_from(["winning_evidence", "losing_evidence", "accept"]))
    def answer(self, pick: int, answer: str) -> None:
        dispute = self.disputes[pick % len(self.disputes)]
        if answer == "accept":
            reply = self.run(self.client.post(f"/v1/disputes/{dispute.id}/accept"))
        else:
            reply = self.run(self.client.post(f"/v1/disputes/{dispute.id}/evidence", {"text": answer}))
        if dispute.status != "needs_response":
            reply.refused(400, "dispute_not_open", "id")
            return
        dispute.due_at = None
        if answer == "accept":
            if dispute.stage == "inquiry" and not self._becomes_chargeback(dispute):
                self._end(dispute, "closed", "withdrawn")
            else:
                self._end(dispute, "lost", "accepted")
        else:
            dispute.status, dispute.wins = "under_review", answer == "winning_evidence"
            self.told["dispute.updated"] += 1
            self._later(REVIEWED_FOR, lambda: self._decided(dispute))
        assert reply.expect(200)["status"] == dispute.status

    @precondition(lambda self: len(self.subscriptions) < 3)
    @rule(method=METHODS, amount=AMOUNTS, currency=CURRENCIES, order=ORDERS)
    def subscribe(self, method: str, amount: int, currency: str, order: str | None) -> None:
        saved = self.run(self.client.save(method))
        body = {"payment_method": saved, "amount": amount, "currency": currency, "order_id": order}
        reply = self.run(self.client.post("/v1/subscriptions", body))
        charge = self._charged(method, amount, currency, order)
        if charge.status == "failed":
            charge.id = reply.refused(402, "card_declined")["charge_id"]
            return
        subscription = Subscription(reply.expect(201)["id"], method, amount, currency, order, self.now, latest=charge)
        charge.subscription = subscription
        self.subscriptions.append(subscription)
        self._renews_at(subscription, months_later(self.now, 1))
        self.told["subscription.created"] += 1

    @precondition(lambda self: self.subscriptions)
    @rule(pick=PICKS, method=METHODS)
    def change_method(self, pick: int, method: str) -> None:
        subscription = self.subscriptions[pick % len(self.subscriptions)]
        saved = self.run(self.client.save(method))
        reply = self.run(self.client.post(f"/v1/subscriptions/{subscription.id}", {"payment_method": saved}))
        if subscription.status == "canceled":
            reply.refused(400, "subscription_canceled", "id")
            return
        reply.expect(200)
        subscription.method = method
        self.told["subscription.updated"] += 1
        assert subscription.latest is not None
        if subscription.status == "past_due" and subscription.latest.status != "processing":
            self._retries_at(subscription, self.now)
            self.time_passes(0)

    @precondition(lambda self: self.subscriptions)
    @rule(pick=PICKS)
    def cancel(self, pick: int) -> None:
        subscription = self.subscriptions[pick % len(self.subscriptions)]
        reply = self.run(self.client.post(f"/v1/subscriptions/{subscription.id}/cancel"))
        if subscription.status == "canceled":
            reply.refused(400, "subscription_canceled", "id")
            return
        reply.expect(200)
        self._cancel(subscription)

    @rule()
    def restart(self) -> None:
        self.run(self.gateway.restart())

    @rule(days=st.sampled_from([1, 3, 7, 28]))
    def days_pass(self, days: int) -> None:
        self.time_passes(days * DAY)

    @rule(days=st.integers(1, 10), pick=PICKS, share=SHARES)
    @precondition(lambda self: self.disputes)
    def refund_what_is_disputed(self, days: int, pick: int, share: str) -> None:
        self.refund(self.disputes[pick % len(self.disputes)].charge, share)
        self.time_passes(days * DAY)

    @rule(seconds=st.sampled_from([600, 7 * DAY, 599, 1, 3 * DAY]))
    def time_passes(self, seconds: int) -> None:
        self.run(self.client.advance(seconds))
        until = self.now + seconds
        while due := sorted((timer for timer in self.timers if timer[0] <= until), key=lambda timer: timer[:2])[:1]:
            self.timers.remove(due[0])
            self.now, _, happens = due[0]
            happens()
        self.now = until

    # --- what comes of it, at once and later

    def _later(self, after: int, happens: Callable[[], None]) -> None:
        self.timers_set += 1
        self.timers.append((self.now + after, self.timers_set, happens))

    def _charged(self, source: str, amount: int, currency: str, order: str | None, capture: bool = True) -> Charge:
        charge = Charge("failed", amount, currency, order, source)
        self.all.append(charge)
        if source in ACCOUNTS:
            charge.status = "processing"
            after = SILENT_FOR if source == "bank_silent" else UNPAID_AFTER if source in DECLINES else PAID_AFTER
            self._later(after, lambda: self._bank_answers(charge))
        elif source not in DECLINES:
            charge.status = "succeeded" if capture else "authorized"
            if capture:
                self._take(charge, amount)
            else:
                self._later(AUTHORIZED_FOR, lambda: self._authorization_expires(charge))
        self.told[f"charge.{charge.status}"] += 1
        return charge

    def _take(self, charge: Charge, amount: int) -> None:
        if charge.captured == 0 and charge.source in ("disputed", "inquired", "bank_disputed"):
            self._later(DISPUTED_AFTER, lambda: self._disputed(charge))
        charge.captured += amount

    def _bank_answers(self, charge: Charge) -> None:
        if charge.status != "processing":
            return
        charge.status = "expired" if charge.source == "bank_silent" else "failed" if charge.source in DECLINES else "succeeded"
        if charge.status == "succeeded":
            self._take(charge, charge.amount)
        self.told[f"charge.{charge.status}"] += 1
        subscription = charge.subscription
        if subscription is not None and subscription.status != "canceled" and subscription.latest is charge:
            self._book(subscription, charge)

    def _authorization_expires(self, charge: Charge) -> None:
        if charge.status == "authorized":
            charge.status = "succeeded" if charge.captured else "expired"
            self.told["charge.expired"] += 1

    def _refund_falls_due(self, refund: Refund) -> None:
        if refund.charge.source == "refund_pending":
            refund.status = "succeeded"
        else:
            refund.status = "failed"
            refund.charge.refunded -= refund.amount
        self.told[f"refund.{refund.status}"] += 1

    def _disputed(self, charge: Charge) -> None:
        if charge.left == 0:
            return
        dispute = Dispute(charge, "inquiry" if charge.source == "inquired" else "chargeback", charge.left)
        charge.disputed = True
        self.disputes.append(dispute)
        self._wait_for_evidence(dispute)
        self.told["dispute.opened"] += 1
        if dispute.stage == "chargeback":
            self._withdraw(dispute)

    def _wait_for_evidence(self, dispute: Dispute) -> None:
        due_at = dispute.due_at = self.now + EVIDENCE_WITHIN

        def lapses() -> None:
            if dispute.due_at == due_at:
                if dispute.stage == "chargeback":
                    self._end(dispute, "lost", "expired")
                else:
                    self._escalate(dispute)

        self._later(EVIDENCE_WITHIN, lapses)

    def _decided(self, dispute: Dispute) -> None:
        if dispute.stage == "inquiry":
            if dispute.wins:
                self._end(dispute, "closed", "decided")
            else:
                self._escalate(dispute)
            return
        if dispute.wins:
            dispute.charge.withheld = 0
            self.told["dispute.funds_reinstated"] += 1
        self._end(dispute, "won" if dispute.wins else "lost", "decided")

    def _escalate(self, dispute: Dispute) -> None:
        if self._becomes_chargeback(dispute):
            dispute.status = "needs_response"
            self._wait_for_evidence(dispute)
        else:
            self._end(dispute, "closed", "withdrawn")

    def _becomes_chargeback(self, dispute: Dispute) -> bool:
        left = min(dispute.amount, dispute.charge.left)
        if left == 0:
            return False
        dispute.stage, dispute.amount = "chargeback", left
        self.told["dispute.updated"] += 1
        self._withdraw(dispute)
        return True

    def _withdraw(self, dispute: Dispute) -> None:
        dispute.charge.withheld = dispute.amount
        self.told["dispute.funds_withdrawn"] += 1

    def _end(self, dispute: Dispute, status: str, resolution: str) -> None:
        dispute.status, dispute.resolution, dispute.due_at = status, resolution, None
        self.told[f"dispute.{status}"] += 1

    def _renews_at(self, subscription: Subscription, at: int) -> None:
        def renews() -> None:
            subscription.renewals += 1
            self._charge_again(subscription)

        self._next(subscription, at, renews)

    def _retries_at(self, subscription: Subscription, at: int) -> None:
        self._next(subscription, at, lambda: self._charge_again(subscription))

    def _next(self, subscription: Subscription, at: int, happens: Callable[[], None]) -> None:
        self.timers_set += 1
        this = self.timers_set
        subscription.next_at, subscription.timer = at, this

        def unless_replaced() -> None:
            if subscription.timer == this:
                happens()

        self.timers.append((at, this, unless_replaced))

    def _charge_again(self, subscription: Subscription) -> None:
        charge = self._charged(subscription.method, subscription.amount, subscription.currency, subscription.order)
        charge.subscription = subscription
        subscription.latest = charge
        self._book(subscription, charge)

    def _book(self, subscription: Subscription, charge: Charge) -> None:
        ends_at = max(self.now, months_later(subscription.anchor, subscription.renewals + 1))
        if charge.status == "succeeded":
            self.told["subscription.renewed"] += subscription.renewals > 0 or subscription.status == "past_due"
            subscription.status, subscription.failures = "active", 0
            self._renews_at(subscription, ends_at)
        elif charge.status == "processing":
            self._renews_at(subscription, ends_at)
        else:
            subscription.failures += 1
            if subscription.failures > len(RETRIES_AFTER):
                self._cancel(subscription)
            else:
                subscription.status = "past_due"
                self._retries_at(subscription, self.now + RETRIES_AFTER[subscription.failures - 1])
                self.told["subscription.past_due"] += 1

    def _cancel(self, subscription: Subscription) -> None:
        subscription.status, subscription.next_at = "canceled", None
        subscription.timer = None
        self.told["subscription.canceled"] += 1

    # --- what holds after every step

    def _every(self, path: str) -> Iterator[dict[str, Any]]:
        """Everything in a list, oldest first."""
        found: list[dict[str, Any]] = []
        while True:
            after = f"&starting_after={found[-1]['id']}" if found else ""
            page = self.run(self.client.get(f"{path}?limit=100{after}"))
            found += page["data"]
            if not page["has_more"]:
                return reversed(found)

    @invariant()
    def charges_are_as_the_model_says(self) -> None:
        for shown, charge in zip(self._every("/v1/charges"), self.all, strict=True):
            charge.id = charge.id or shown["id"]
            assert (
                shown["id"], shown["status"], shown["amount_captured"], shown["amount_refunded"], shown["amount_disputed"],
                shown["disputed"], shown["subscription_id"],
            ) == (
                charge.id, charge.status, charge.captured, charge.refunded, charge.withheld, charge.disputed,
                charge.subscription and charge.subscription.id,
            )  # fmt: skip
            gone = shown["amount_refunded"] + shown["amount_disputed"]
            assert 0 <= gone <= shown["amount_captured"] <= shown["amount"] == charge.amount

    @invariant()
    def refunds_are_as_the_model_says(self) -> None:
        assert {refund["id"]: refund["status"] for refund in self._every("/v1/refunds")} == {
            one.id: one.status for one in self.refunds.values()
        }

    @invariant()
    def disputes_are_as_the_model_says(self) -> None:
        for shown, dispute in zip(self._every("/v1/disputes"), self.disputes, strict=True):
            dispute.id = dispute.id or shown["id"]
            assert (shown["id"], shown["charge_id"]) == (dispute.id, dispute.charge.id)
            assert (shown["stage"], shown["status"], shown["resolution"], shown["amount"]) == (
                dispute.stage, dispute.status, dispute.resolution, dispute.amount,
            )  # fmt: skip

    @invariant()
    def subscriptions_are_as_the_model_says(self) -> None:
        for shown, subscription in zip(self._every("/v1/subscriptions"), self.subscriptions, strict=True):
            assert (shown["id"], shown["status"], shown["failed_attempts"]) == (
                subscription.id, subscription.status, subscription.failures,
            )  # fmt: skip
            next_at = shown["next_attempt_at"] and datetime.fromisoformat(shown["next_attempt_at"]).timestamp()
            assert next_at == subscription.next_at
            assert subscription.latest is not None
            assert shown["latest_charge_id"] == subscription.latest.id

    @invariant()
    def the_books_balance_and_tell_the_same(self) -> None:
        books = self.run(self.client.books())
        assert books["balanced"]
        net = Counter[str]()
        orders: dict[tuple[str | None, str], list[int]] = {}
        for charge in self.all:
            if charge.captured:
                net[charge.currency] += charge.left
                order = orders.setdefault((charge.order, charge.currency), [0, 0, 0, 0])
                for place, amount in enumerate((charge.captured, charge.refunded, charge.withheld, 1)):
                    order[place] += amount
        shown = {(account["account"], account["currency"]): account for account in books["accounts"]}
        assert {currency for _, currency in shown} == set(net)
        for currency, owed in net.items():
            merchant, network = shown["payable:merchant", currency], shown["receivable:card_network", currency]
            assert merchant["credits"] - merchant["debits"] == owed == network["debits"] - network["credits"]
            assert (merchant["balance"], network["balance"]) == (-owed, owed)
        assert {
            (order["order_id"], order["currency"]): [order["captured"], order["refunded"], order["disputed"], order["charges"]]
            for order in books["orders"]
        } == orders
        assert all(order["net"] == order["captured"] - order["refunded"] - order["disputed"] for order in books["orders"])

    @invariant()
    def every_change_was_told_once(self) -> None:
        assert Counter(event["type"] for event in self._every("/v1/events")) == +self.told


TestLifecycle = LifecycleMachine.TestCase
TestLifecycle.settings = settings(stateful_step_count=30, max_examples=60)
# a failure is worth the minutes it takes to shrink
TestLifecycle.pytestmark = pytest.mark.timeout(900)
