"""Bank accounts: debits that are answered days later, and books that move no earlier."""

import pytest

from gatecrash.core.banks import TEST_ACCOUNTS, TEST_ROUTING_NUMBER, Debit
from gatecrash.core.cards import DECLINES, TEST_CARDS
from gatecrash.core.clock import DAY
from gatecrash.core.disputes import OPENINGS
from gatecrash.core.errors import Refused
from gatecrash.core.payments import CaptureCharge, VoidCharge, capture_charge, void_charge
from gatecrash.core.records import Charge, Nonce, Timer, Transfer
from gatecrash.core.refunds import CreateRefund, create_refund
from tests.support.core import Core


@pytest.mark.parametrize(("number", "debit"), TEST_ACCOUNTS.items())
def test_a_test_account_is_well_formed_and_does_what_is_explained(number: str, debit: Debit) -> None:
    assert number.isdigit()
    assert len(number) == 12
    assert number not in TEST_CARDS
    assert debit.behaviour.decline_code is None or debit.behaviour.decline_code in DECLINES
    assert debit.behaviour.dispute is None or debit.behaviour.dispute in OPENINGS
    assert debit.settles_after is None or debit.settles_after > 0


def test_the_routing_number_has_a_good_check_digit() -> None:
    assert sum(weight * int(digit) for weight, digit in zip((3, 7, 1) * 3, TEST_ROUTING_NUMBER, strict=True)) % 10 == 0


@pytest.mark.parametrize("spelt", ["000123456789", "000 123 456 789", "000-123-456789"])
def test_an_account_becomes_a_nonce_however_it_is_spaced(core: Core, spelt: str) -> None:
    nonce = core.nonce("bank", account_number=spelt)
    assert (nonce.card, nonce.bank_account) == (
        None, {"bank_name": "Gatecrash Test Bank", "routing_number": "110000000", "last4": "6789"},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"account_number": "123456789012"}, "bank_account.account_number"),
        ({"account_number": "x"}, "bank_account.account_number"),
        ({"routing_number": "021000021"}, "bank_account.routing_number"),
    ],
)
def test_an_account_that_could_be_somebodys_is_refused_and_not_repeated(core: Core, changes: dict[str, str], param: str) -> None:
    with pytest.raises(Refused) as refused:
        core.nonce("bank", **changes)
    assert (refused.value.code, refused.value.param) == ("bank_account_not_a_test_account", param)
    assert not any(value in refused.value.detail for value in changes.values() if len(value) > 1)
    assert core.find(Nonce) == []


def test_a_debit_moves_no_money_until_the_bank_has_paid(core: Core) -> None:
    charge = core.charge("bank", amount=500)
    assert (charge.status, charge.amount_captured, charge.expires_at) == ("processing", 0, core.now + 14 * DAY)
    core.pass_time(3 * DAY - 1)
    assert core.find(Transfer) == []
    core.pass_time(1)
    settled = core.get(Charge, charge.id)
    assert (settled.status, settled.amount_captured) == ("succeeded", 500)
    assert [transfer.reason for transfer in core.find(Transfer)] == ["capture"]
    assert core.told() == [("charge.processing", 0), ("charge.succeeded", 3 * DAY)]
    assert core.find(Timer) == []


@pytest.mark.parametrize(
    ("account", "code"), [("bank_insufficient_funds", "insufficient_funds"), ("bank_closed", "account_closed")]
)
def test_a_bank_that_does_not_pay_says_so_days_later(core: Core, account: str, code: str) -> None:
    charge = core.charge(account)
    core.pass_time(30 * DAY)
    failed = core.get(Charge, charge.id)
    assert (failed.status, failed.decline_code, failed.amount_captured) == ("failed", code, 0)
    assert core.told() == [("charge.processing", 0), ("charge.failed", 2 * DAY)]
    assert core.find(Transfer) == []


def test_a_bank_that_never_answers_is_given_up_after_two_weeks(core: Core) -> None:
    charge = core.charge("bank_silent")
    core.pass_time(14 * DAY - 1)
    assert core.get(Charge, charge.id).status == "processing"
    core.pass_time(1)
    assert core.get(Charge, charge.id).status == "expired"
    assert core.told()[1:] == [("charge.expired", 14 * DAY)]


@pytest.mark.parametrize("account", ["bank", "bank_closed", "bank_silent"])
def test_a_debit_can_be_called_back_until_the_bank_has_answered(core: Core, account: str) -> None:
    charge = core.charge(account)
    assert core.do(void_charge, VoidCharge(charge.id)).status == "voided"
    core.pass_time(30 * DAY)
    assert core.told() == [("charge.processing", 0), ("charge.voided", 0)]
    assert core.find(Timer) == core.find(Transfer) == []


def test_what_is_processing_is_neither_captured_nor_refunded(core: Core) -> None:
    charge = core.charge("bank")
    with pytest.raises(Refused, match="is processing; only an authorized charge") as refused:
        core.do(capture_charge, CaptureCharge(charge.id))
    assert refused.value.code == "charge_not_capturable"
    with pytest.raises(Refused, match=r"is processing; only what was captured can be refunded; .* can be voided") as refused:
        core.do(create_refund, CreateRefund(charge.id))
    assert refused.value.code == "charge_not_refundable"
    core.pass_time(3 * DAY)
    core.do(create_refund, CreateRefund(charge.id))
    with pytest.raises(Refused, match="is succeeded"):
        core.do(void_charge, VoidCharge(charge.id))


def test_a_bank_account_cannot_be_authorized(core: Core) -> None:
    with pytest.raises(Refused) as refused:
        core.charge("bank", capture=False)
    assert (refused.value.code, refused.value.param) == ("capture_not_deferrable", "capture")
    assert core.find(Charge) == []
    assert [nonce.used_by for nonce in core.find(Nonce)] == [None]
