"""Events: told in the commit that made them happen, to those who want to hear."""

import pytest

from gatecrash.core.clock import DAY
from gatecrash.core.disputes import SubmitEvidence, submit_evidence
from gatecrash.core.endpoints import CreateEndpoint, check_create, create_endpoint, delete_endpoint, disable_endpoint
from gatecrash.core.errors import Refused
from gatecrash.core.events import resend, wants
from gatecrash.core.facts import FACTS
from gatecrash.core.payments import (
    CaptureCharge,
    CreateCharge,
    VoidCharge,
    capture_charge,
    create_charge,
    void_charge,
)
from gatecrash.core.records import Delivery, Dispute, Endpoint, Event, Subscription, Timer
from gatecrash.core.refunds import CreateRefund, create_refund
from gatecrash.core.subscriptions import (
    CancelSubscription,
    CreateSubscription,
    UpdateSubscription,
    cancel_subscription,
    create_subscription,
    update_subscription,
)
from gatecrash.core.transaction import Context
from tests.support.core import Core

URL = "http://127.0.0.1:9/hook"


def endpoint(core: Core, *events: str) -> Endpoint:
    return core.do(create_endpoint, CreateEndpoint(URL, list(events) or None))


def told(core: Core) -> list[str]:
    return [event.type for event in core.find(Event)]


@pytest.mark.parametrize(
    ("pattern", "heard"),
    [
        ("*", set(FACTS)),
        ("charge.*", {name for name in FACTS if name.startswith("charge.")}),
        ("refund.*", {"refund.succeeded", "refund.failed"}),
        ("charge.succeeded", {"charge.succeeded"}),
    ],
)
def test_a_filter_lets_through_what_it_names(core: Core, pattern: str, heard: set[str]) -> None:
    listener = endpoint(core, pattern)
    assert {name for name in FACTS if wants(listener, name)} == heard


@pytest.mark.parametrize("pattern", ["charge", "charge.", "*.succeeded", "dispute.imagined", "CHARGE.*", ""])
def test_a_filter_that_could_never_hear_anything_is_refused(pattern: str) -> None:
    with pytest.raises(Refused) as refused:
        check_create(CreateEndpoint(URL, ["*", pattern]))
    assert refused.value.param == "events"
    assert repr(pattern) in refused.value.detail
    assert "charge.succeeded" in refused.value.detail


def test_every_type_is_told_by_what_it_is_named_after(core: Core) -> None:
    core.charge()
    core.charge("declined")
    held = [core.charge(capture=False) for _ in range(3)]
    core.do(capture_charge, CaptureCharge(held[0].id))
    core.do(void_charge, VoidCharge(held[1].id))
    for card in ("refund_pending", "refund_failing"):
        core.do(create_refund, CreateRefund(core.charge(card).id))
    core.charge("bank")
    disputes = [core.charge(name) for name in ("disputed", "disputed", "inquired")]
    core.pass_time(DAY)
    for dispute in core.find(Dispute):
        if dispute.charge_id != disputes[0].id:
            core.do(submit_evidence, SubmitEvidence(dispute.id, "winning_evidence"))
    subscription = core.do(create_subscription, CreateSubscription(core.save(exp_month=3, exp_year=2026).id, 1, "usd"))
    assert isinstance(subscription, Subscription)
    core.do(update_subscription, UpdateSubscription(subscription.id, subscription.payment_method))
    core.pass_time(60 * DAY)
    core.do(cancel_subscription, CancelSubscription(subscription.id))
    assert set(told(core)) == set(FACTS)


def test_an_event_holds_the_object_as_it_was_then(core: Core) -> None:
    charge = core.charge(amount=100, capture=False, order_id="o1")
    core.do(capture_charge, CaptureCharge(charge.id, 40))
    first, second = core.find(Event)
    assert (first.data["amount_captured"], second.data["amount_captured"]) == (0, 40)
    assert (second.object_id, second.order_id, second.amount) == (charge.id, "o1", 100)


def test_each_endpoint_that_wants_it_gets_a_delivery_that_is_due_at_once(core: Core) -> None:
    all_of_it, refunds_only = endpoint(core), endpoint(core, "refund.*")
    core.charge()
    deliveries = core.find(Delivery)
    assert [delivery.endpoint_id for delivery in deliveries] == [all_of_it.id]
    assert [(timer.ref, timer.due_at) for timer in core.find(Timer)] == [(all_of_it.id, core.now)]
    assert refunds_only.status == "enabled"


def test_an_endpoint_that_is_disabled_or_gone_hears_nothing(core: Core) -> None:
    disabled, gone = endpoint(core), endpoint(core)
    core.charge()
    core.do(disable_endpoint, disabled, "it was asked for")
    core.do(delete_endpoint, gone.id)
    assert {delivery.status for delivery in core.find(Delivery)} == {"canceled"}
    assert core.find(Timer) == []
    core.charge()
    assert len(core.find(Delivery)) == 2


def test_what_is_rolled_back_is_told_to_nobody(core: Core) -> None:
    endpoint(core)

    nonce = core.nonce()
    before = core.ids.issued

    def work(ctx: Context) -> None:
        create_charge(ctx, CreateCharge(1, "usd", nonce.id))
        raise RuntimeError("after all was done")

    with pytest.raises(RuntimeError):
        core.do(work)
    assert told(core) == []
    assert core.find(Delivery) == []
    assert core.ids.issued == before


def test_an_event_can_be_sent_again_to_one_or_to_all(core: Core) -> None:
    one, two = endpoint(core), endpoint(core)
    core.charge()
    (event,) = core.find(Event)
    assert [delivery.endpoint_id for delivery in core.do(resend, event.id)[0]] == [one.id, two.id]
    assert [delivery.endpoint_id for delivery in core.do(resend, event.id, two.id)[0]] == [two.id]
    assert len(core.find(Delivery, event_id=event.id)) == 5


def test_what_is_not_there_cannot_be_sent_again(core: Core) -> None:
    listener = endpoint(core)
    core.charge()
    (event,) = core.find(Event)
    core.do(disable_endpoint, listener, "it was asked for")
    for event_id, endpoint_id, param in (
        ("evt_none", None, "id"),
        (event.id, "we_none", "endpoint_id"),
        (event.id, listener.id, "endpoint_id"),
    ):
        with pytest.raises(Refused) as refused:
            core.do(resend, event_id, endpoint_id)
        assert (refused.value.code, refused.value.param) == ("resource_missing", param)
    assert core.do(resend, event.id) == ([], False)
