"""Disputes: opened by the customer's bank, answered or not, and no money that goes back twice."""

import pytest

from gatecrash.core.cards import TEST_CARDS
from gatecrash.core.clock import DAY
from gatecrash.core.disputes import (
    OPENINGS,
    REASONS,
    AcceptDispute,
    SubmitEvidence,
    accept_dispute,
    submit_evidence,
)
from gatecrash.core.errors import Refused
from gatecrash.core.ledger import books
from gatecrash.core.payments import CaptureCharge, capture_charge
from gatecrash.core.records import Charge, Dispute, Timer
from gatecrash.core.refunds import CreateRefund, create_refund
from tests.support.core import Core


def disputed(core: Core, card: str = "disputed", amount: int = 500) -> Dispute:
    """A dispute over all of a charge, as it is when it opens."""
    core.charge(card, amount=amount)
    core.pass_time(DAY if not card.startswith("bank") else 4 * DAY)
    (dispute,) = core.find(Dispute)
    assert isinstance(dispute, Dispute)
    return dispute


def now(core: Core, dispute: Dispute) -> Dispute:
    found = core.get(Dispute, dispute.id)
    assert isinstance(found, Dispute)
    return found


def net(core: Core) -> int:
    told = core.do(books)
    assert told["balanced"]
    return sum(order["net"] for order in told["orders"])


def types(core: Core) -> list[str]:
    return [name for name, _ in core.told()]


def test_every_opening_is_that_of_a_card_or_account_and_has_its_words() -> None:
    assert {behaviour.dispute for behaviour in TEST_CARDS.values()} - {None} == set(OPENINGS) - {"debit_not_authorized"}
    assert set(REASONS) == {reason for _, reason in OPENINGS.values()}


def test_a_chargeback_opens_a_day_later_and_takes_the_money_at_once(core: Core) -> None:
    charge = core.charge("disputed", amount=500, order_id="o1")
    core.pass_time(DAY - 1)
    assert core.find(Dispute) == []
    core.pass_time(1)
    (dispute,) = core.find(Dispute)
    assert (dispute.stage, dispute.status, dispute.reason, dispute.amount, dispute.order_id) == (
        "chargeback", "needs_response", "fraudulent", 500, "o1",
    )  # fmt: skip
    assert dispute.evidence_due_at == core.now + 7 * DAY
    found = core.get(Charge, charge.id)
    assert (found.disputed, found.amount_disputed, found.status) == (True, 500, "succeeded")
    assert net(core) == 0
    assert types(core) == ["charge.succeeded", "dispute.opened", "dispute.funds_withdrawn"]


@pytest.mark.parametrize(
    ("text", "status", "left", "ending"),
    [
        ("winning_evidence", "won", 500, ["dispute.updated", "dispute.funds_reinstated", "dispute.won"]),
        ("losing_evidence", "lost", 0, ["dispute.updated", "dispute.lost"]),
        ("He did get it, honestly.", "lost", 0, ["dispute.updated", "dispute.lost"]),
    ],
)
def test_evidence_is_reviewed_for_three_days_and_then_decides(
    core: Core, text: str, status: str, left: int, ending: list[str]
) -> None:
    dispute = disputed(core)
    under_review = core.do(submit_evidence, SubmitEvidence(dispute.id, text))
    assert (under_review.status, under_review.evidence, under_review.evidence_due_at) == ("under_review", text, None)
    core.pass_time(3 * DAY - 1)
    assert now(core, dispute).status == "under_review"
    core.pass_time(1)
    decided = now(core, dispute)
    assert (decided.status, decided.resolution) == (status, "decided")
    charge = core.get(Charge, dispute.charge_id)
    assert (charge.disputed, charge.amount_disputed) == (True, 500 - left)
    assert net(core) == left
    assert types(core)[3:] == ending
    assert core.find(Timer) == []


def test_a_dispute_that_nobody_answers_is_lost_after_a_week(core: Core) -> None:
    dispute = disputed(core)
    core.pass_time(30 * DAY)
    lapsed = now(core, dispute)
    assert (lapsed.status, lapsed.resolution, lapsed.evidence_due_at) == ("lost", "expired", None)
    assert core.told()[-1] == ("dispute.lost", 8 * DAY)
    assert net(core) == 0


def test_a_dispute_that_is_accepted_is_lost_at_once(core: Core) -> None:
    dispute = disputed(core)
    assert core.do(accept_dispute, AcceptDispute(dispute.id)).resolution == "accepted"
    core.pass_time(30 * DAY)
    assert types(core)[3:] == ["dispute.lost"]


@pytest.mark.parametrize("how", ["evidence", "accept", "lapse"])
def test_a_dispute_is_answered_once(core: Core, how: str) -> None:
    dispute = disputed(core)
    if how == "evidence":
        core.do(submit_evidence, SubmitEvidence(dispute.id, "winning_evidence"))
    elif how == "accept":
        core.do(accept_dispute, AcceptDispute(dispute.id))
    else:
        core.pass_time(8 * DAY)
    for _ in range(2):
        for answer, params in ((submit_evidence, SubmitEvidence(dispute.id, "x")), (accept_dispute, AcceptDispute(dispute.id))):
            with pytest.raises(Refused) as refused:
                core.do(answer, params)  # type: ignore[arg-type]
            assert (refused.value.code, refused.value.param) == ("dispute_not_open", "id")
        core.pass_time(4 * DAY)
    assert core.find(Timer) == []


def test_what_is_disputed_cannot_be_refunded_and_what_was_refunded_is_not_disputed(core: Core) -> None:
    charge = core.charge("disputed", amount=500)
    core.do(create_refund, CreateRefund(charge.id, 200))
    core.pass_time(DAY)
    (dispute,) = core.find(Dispute)
    assert dispute.amount == 300
    with pytest.raises(Refused, match=r"has 0 usd left .* 200 refunded, 300 disputed") as refused:
        core.do(create_refund, CreateRefund(charge.id))
    assert refused.value.code == "amount_exceeds_captured"
    core.do(submit_evidence, SubmitEvidence(dispute.id, "winning_evidence"))
    core.pass_time(3 * DAY)
    assert core.do(create_refund, CreateRefund(charge.id)).amount == 300
    assert net(core) == 0


def test_a_charge_that_was_refunded_in_time_is_not_disputed(core: Core) -> None:
    charge = core.charge("disputed")
    core.do(create_refund, CreateRefund(charge.id))
    core.pass_time(30 * DAY)
    assert core.find(Dispute) == core.find(Timer) == []


def test_an_authorization_is_disputed_a_day_after_its_first_capture(core: Core) -> None:
    charge = core.charge("disputed", amount=500, capture=False)
    core.pass_time(2 * DAY)
    assert core.find(Dispute) == []
    core.do(capture_charge, CaptureCharge(charge.id, 100))
    core.pass_time(DAY - 1)
    core.do(capture_charge, CaptureCharge(charge.id, 150))
    core.pass_time(1)
    assert [dispute.amount for dispute in core.find(Dispute)] == [250]
    core.do(capture_charge, CaptureCharge(charge.id))
    core.pass_time(30 * DAY)
    assert len(core.find(Dispute)) == 1
    assert net(core) == 250


def test_a_debit_is_disputed_once_the_bank_has_paid(core: Core) -> None:
    dispute = disputed(core, "bank_disputed")
    assert (dispute.stage, dispute.reason) == ("chargeback", "debit_not_authorized")
    assert types(core)[:2] == ["charge.processing", "charge.succeeded"]


# --- inquiries


def test_an_inquiry_takes_nothing_and_ends_with_an_answer_that_satisfies(core: Core) -> None:
    dispute = disputed(core, "inquired")
    assert (dispute.stage, dispute.reason, net(core)) == ("inquiry", "general", 500)
    core.do(submit_evidence, SubmitEvidence(dispute.id, "winning_evidence"))
    core.pass_time(30 * DAY)
    ended = now(core, dispute)
    assert (ended.status, ended.resolution, net(core)) == ("closed", "decided", 500)
    assert types(core)[1:] == ["dispute.opened", "dispute.updated", "dispute.closed"]
    charge = core.get(Charge, dispute.charge_id)
    assert (charge.disputed, charge.amount_disputed) == (True, 0)


@pytest.mark.parametrize("answered", [False, True])
def test_an_inquiry_without_a_good_answer_becomes_a_chargeback_that_can_be_won(core: Core, answered: bool) -> None:
    dispute = disputed(core, "inquired")
    if answered:
        core.do(submit_evidence, SubmitEvidence(dispute.id, "losing_evidence"))
        core.pass_time(3 * DAY)
    else:
        core.pass_time(7 * DAY)
    risen = now(core, dispute)
    assert (risen.stage, risen.status, risen.evidence, risen.evidence_due_at) == (
        "chargeback", "needs_response", None, core.now + 7 * DAY,
    )  # fmt: skip
    assert net(core) == 0
    assert types(core)[-2:] == ["dispute.updated", "dispute.funds_withdrawn"]
    core.do(submit_evidence, SubmitEvidence(dispute.id, "winning_evidence"))
    core.pass_time(3 * DAY)
    assert (now(core, dispute).status, net(core)) == ("won", 500)


def test_an_inquiry_is_over_what_is_not_refunded_meanwhile(core: Core) -> None:
    dispute = disputed(core, "inquired")
    core.do(create_refund, CreateRefund(dispute.charge_id, 400))
    core.pass_time(7 * DAY)
    assert (now(core, dispute).amount, now(core, dispute).stage, net(core)) == (100, "chargeback", 0)


def test_an_inquiry_is_withdrawn_when_all_of_it_was_refunded(core: Core) -> None:
    dispute = disputed(core, "inquired")
    core.do(create_refund, CreateRefund(dispute.charge_id))
    core.pass_time(30 * DAY)
    ended = now(core, dispute)
    assert (ended.status, ended.resolution, ended.stage, net(core)) == ("closed", "withdrawn", "inquiry", 0)
    assert types(core)[-1] == "dispute.closed"
    assert core.find(Timer) == []


@pytest.mark.parametrize(("refunded", "status", "resolution"), [(0, "lost", "accepted"), (500, "closed", "withdrawn")])
def test_an_inquiry_that_is_accepted_gives_the_money_away_if_there_is_any(
    core: Core, refunded: int, status: str, resolution: str
) -> None:
    dispute = disputed(core, "inquired")
    if refunded:
        core.do(create_refund, CreateRefund(dispute.charge_id, refunded))
    accepted = core.do(accept_dispute, AcceptDispute(dispute.id))
    assert (accepted.status, accepted.resolution, net(core)) == (status, resolution, 0)
    assert now(core, dispute) == accepted
