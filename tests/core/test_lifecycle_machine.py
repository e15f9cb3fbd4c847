"""Charges, refunds and books against a model of a few lines: captured, voided, refunded, expired, settled, failed."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, invariant, rule

from tests.support.machine import GatewayMachine

DAY = 86_400
EXPIRES_AFTER, SETTLES_AFTER = 7 * DAY, 600
# how much of what is left to capture or refund: all of it without a word, all, a part, one too many
SHARES = st.sampled_from(["rest", "all", "part", "part", "one too many"])


def share_of(left: int, share: str) -> int | None:
    return {"rest": None, "all": max(left, 1), "part": max(left // 3, 1), "one too many": left + 1}[share]


@dataclass
class Charge:
    id: str
    status: str
    amount: int
    currency: str
    order: str | None
    card: str
    captured: int = 0
    refunded: int = 0


@dataclass
class Refund:
    id: str
    charge: Charge
    amount: int
    status: str


class LifecycleMachine(GatewayMachine):
    charges = Bundle("charges")

    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.all: dict[str, Charge] = {}
        self.refunds: dict[str, Refund] = {}
        self.timers: list[tuple[int, int, Any]] = []
        self.told: Counter[str] = Counter()

    @rule(
        target=charges,
        card=st.sampled_from(["visa", "refund_failing", "refund_pending", "declined"]),
        amount=st.sampled_from([1, 2, 250, 500]),
        currency=st.sampled_from(["usd", "jpy"]),
        capture=st.booleans(),
        order=st.sampled_from([None, "o1", "o2"]),
    )
    def create(self, card: str, amount: int, currency: str, capture: bool, order: str | None) -> Charge:
        reply = self.run(self.client.try_charge(card, amount=amount, currency=currency, capture=capture, order_id=order))
        if card == "declined":
            reply.refused(402, "card_declined")
            charge = Charge(reply["charge_id"], "failed", amount, currency, order, card)
        else:
            charge = Charge(reply.expect(201)["id"], "succeeded" if capture else "authorized", amount, currency, order, card)
            charge.captured = amount if capture else 0
            if not capture:
                self._set_timer(EXPIRES_AFTER, charge)
        self.all[charge.id] = charge
        self.told[f"charge.{charge.status}"] += 1
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
            charge.captured += left if amount is None else amount
            charge.status = "succeeded" if charge.captured == charge.amount else "authorized"
            self.told["charge.captured"] += 1
            assert reply.expect(200)["amount_captured"] == charge.captured

    @rule(charge=charges)
    def void(self, charge: Charge) -> None:
        reply = self.run(self.client.post(f"/v1/charges/{charge.id}/void"))
        if charge.status != "authorized":
            reply.refused(400, "charge_not_voidable", "id")
            return
        charge.status = "succeeded" if charge.captured else "voided"
        self.told["charge.voided"] += 1
        assert reply.expect(200)["status"] == charge.status

    @rule(charge=charges, share=SHARES)
    def refund(self, charge: Charge, share: str) -> None:
        left = charge.captured - charge.refunded
        amount = share_of(left, share)
        reply = self.run(self.client.post(f"/v1/charges/{charge.id}/refunds", {} if amount is None else {"amount": amount}))
        if charge.status not in ("succeeded", "authorized") or charge.captured == 0:
            reply.refused(400, "charge_not_refundable", "id")
        elif left == 0 or (amount is not None and amount > left):
            reply.refused(400, "amount_exceeds_captured", "amount")
            assert f"has {left} {charge.currency} left" in reply["detail"]
        else:
            given = left if amount is None else amount
            status = "pending" if charge.card == "refund_pending" else "succeeded"
            assert (reply.expect(201)["amount"], reply["status"]) == (given, status)
            refund = self.refunds[reply["id"]] = Refund(reply["id"], charge, given, status)
            charge.refunded += given
            self.told["refund.succeeded"] += status == "succeeded"
            if charge.card != "visa":
                self._set_timer(SETTLES_AFTER, refund)

    @rule(seconds=st.sampled_from([600, 7 * DAY, 599, 1, 3 * DAY]))
    def time_passes(self, seconds: int) -> None:
        self.run(self.client.advance(seconds))
        self.now += seconds
        for _, _, subject in sorted((timer for timer in self.timers if timer[0] <= self.now), key=lambda timer: timer[:2]):
            if isinstance(subject, Refund):
                self._refund_falls_due(subject)
            elif subject.status == "authorized":
                subject.status = "succeeded" if subject.captured else "expired"
                self.told["charge.expired"] += 1
        self.timers = [timer for timer in self.timers if timer[0] > self.now]

    @rule()
    def restart(self) -> None:
        self.run(self.gateway.restart())

    def _set_timer(self, after: int, subject: Charge | Refund) -> None:
        self.timers.append((self.now + after, len(self.timers), subject))

    def _refund_falls_due(self, refund: Refund) -> None:
        if refund.charge.card == "refund_pending":
            refund.status = "succeeded"
        else:
            refund.status = "failed"
            refund.charge.refunded -= refund.amount
        self.told[f"refund.{refund.status}"] += 1

    # --- what holds after every step

    @invariant()
    def charges_are_as_the_model_says(self) -> None:
        listed = self.run(self.client.get("/v1/charges?limit=100"))["data"]
        assert [charge["id"] for charge in listed] == list(self.all)[::-1]
        for shown in listed:
            charge = self.all[shown["id"]]
            assert (shown["status"], shown["amount_captured"], shown["amount_refunded"]) == (
                charge.status, charge.captured, charge.refunded,
            )  # fmt: skip
            assert 0 <= shown["amount_refunded"] <= shown["amount_captured"] <= shown["amount"] == charge.amount

    @invariant()
    def refunds_are_as_the_model_says(self) -> None:
        listed = self.run(self.client.get("/v1/refunds?limit=100"))["data"]
        assert {refund["id"]: refund["status"] for refund in listed} == {one.id: one.status for one in self.refunds.values()}

    @invariant()
    def the_books_balance_and_tell_the_same(self) -> None:
        books = self.run(self.client.books())
        assert books["balanced"]
        net = Counter[str]()
        orders: dict[tuple[str | None, str], list[int]] = {}
        for charge in self.all.values():
            if charge.captured:
                net[charge.currency] += charge.captured - charge.refunded
                order = orders.setdefault((charge.order, charge.currency), [0, 0, 0])
                order[0] += charge.captured
                order[1] += charge.refunded
                order[2] += 1
        shown = {(account["account"], account["currency"]): account for account in books["accounts"]}
        assert {currency for _, currency in shown} == set(net)
        for currency, owed in net.items():
            merchant, network = shown["payable:merchant", currency], shown["receivable:card_network", currency]
            assert merchant["credits"] - merchant["debits"] == owed == network["debits"] - network["credits"]
            assert (merchant["balance"], network["balance"]) == (-owed, owed)
        assert {
            (order["order_id"], order["currency"]): [order["captured"], order["refunded"], order["charges"]]
            for order in books["orders"]
        } == orders
        assert all(order["net"] == order["captured"] - order["refunded"] for order in books["orders"])

    @invariant()
    def every_change_was_told_once(self) -> None:
        told, after = Counter[str](), ""
        while True:
            page = self.run(self.client.get(f"/v1/events?limit=100{after}"))
            told.update(event["type"] for event in page["data"])
            if not page["has_more"]:
                break
            after = "&starting_after=" + page["data"][-1]["id"]
        assert told == +self.told


TestLifecycle = LifecycleMachine.TestCase
TestLifecycle.settings = settings(stateful_step_count=30, max_examples=60)
# a failure is worth the minutes it takes to shrink
TestLifecycle.pytestmark = pytest.mark.timeout(900)
