"""What becomes of a delivery after each attempt, by the arithmetic of its schedule."""

from typing import Any

import pytest

from gatecrash.core.deliveries import Schedule, postpone, record_attempt, take_due
from gatecrash.core.endpoints import CreateEndpoint, UpdateEndpoint, create_endpoint, update_endpoint
from gatecrash.core.records import Attempt, Delivery, Endpoint, Timer
from gatecrash.webhooks.schedules import STANDARD_WEBHOOKS
from tests.support.core import Core


@pytest.fixture
def delivery(core: Core) -> Delivery:
    core.do(create_endpoint, CreateEndpoint("http://127.0.0.1:9/hook"))
    core.charge()
    (made,) = core.find(Delivery)
    return made


def attempt(
    core: Core, delivery: Delivery, status: int | None = 500, schedule: Schedule = STANDARD_WEBHOOKS, **how: Any
) -> Delivery:
    """Record an attempt; the delivery as it is kept then."""
    number = len(core.get(Delivery, delivery.id).attempts) + 1
    core.do(record_attempt, delivery.id, Attempt(attempt=number, at=core.now, status=status), schedule, **how)
    return core.get(Delivery, delivery.id)


def due(core: Core) -> list[int]:
    return [timer.due_at for timer in core.find(Timer)]


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_a_2xx_is_success_and_the_end(core: Core, delivery: Delivery, status: int) -> None:
    after = attempt(core, delivery, status)
    assert (after.status, after.next_attempt_at, len(after.attempts)) == ("succeeded", None, 1)
    assert due(core) == []


@pytest.mark.parametrize("status", [None, 100, 199, 300, 302, 400, 404, 429, 500, 503])
def test_anything_else_is_tried_again_after_five_seconds(core: Core, delivery: Delivery, status: int | None) -> None:
    after = attempt(core, delivery, status)
    assert (after.status, after.next_attempt_at) == ("pending", core.now + 5000)
    assert due(core) == [core.now + 5000]


def test_the_whole_schedule_is_gone_through_before_it_is_given_up(core: Core, delivery: Delivery) -> None:
    waits = []
    for _ in range(9):
        after = attempt(core, delivery)
        waits.append((after.next_attempt_at - core.now) / 1000)
        core.now = after.next_attempt_at
    assert waits == [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]
    last = attempt(core, delivery)
    assert (last.status, last.next_attempt_at, len(last.attempts)) == ("failed", None, 10)
    assert due(core) == []


def test_a_late_attempt_puts_off_all_that_follow(core: Core, delivery: Delivery) -> None:
    core.now += 3_600_000
    assert attempt(core, delivery).next_attempt_at == core.now + 5000


@pytest.mark.parametrize(("asked_s", "wait_s"), [(1, 5), (5, 5), (60, 60), (100_000, 100_000)])
def test_retry_after_is_honoured_when_it_asks_for_more(core: Core, delivery: Delivery, asked_s: float, wait_s: float) -> None:
    assert attempt(core, delivery, 429, retry_after_s=asked_s).next_attempt_at == core.now + wait_s * 1000


def test_a_schedule_may_ignore_retry_after(core: Core, delivery: Delivery) -> None:
    deaf = Schedule(delays_s=(0, 0.5), timeout_s=1, honours_retry_after=False)
    assert attempt(core, delivery, 429, deaf, retry_after_s=60).next_attempt_at == core.now + 500
    assert attempt(core, delivery, 429, deaf).status == "failed"


def test_retry_after_does_not_lengthen_the_schedule(core: Core, delivery: Delivery) -> None:
    for _ in range(10):
        after = attempt(core, delivery, 503, retry_after_s=1)
    assert after.status == "failed"


def test_gone_disables_the_endpoint_and_cancels_what_was_on_its_way_there(core: Core, delivery: Delivery) -> None:
    core.charge()
    first, other = core.find(Delivery)
    after = attempt(core, first, 410)
    (endpoint,) = core.find(Endpoint)
    assert endpoint.status == "disabled"
    assert (after.status, core.get(Delivery, other.id).status) == ("canceled", "canceled")
    assert len(after.attempts) == 1
    assert due(core) == []


def test_an_attempt_that_comes_back_after_the_end_changes_nothing(core: Core, delivery: Delivery) -> None:
    attempt(core, delivery, 200)
    assert attempt(core, delivery, 410).status == "succeeded"
    assert core.find(Endpoint)[0].status == "enabled"
    assert core.do(record_attempt, "dlv_none", Attempt(attempt=1, at=core.now), STANDARD_WEBHOOKS) is None


def test_an_attempt_that_is_put_off_has_one_timer_and_is_none_yet(core: Core, delivery: Delivery) -> None:
    core.do(postpone, delivery.id, 2.5, STANDARD_WEBHOOKS)
    assert due(core) == [core.now + 2500]
    after = core.get(Delivery, delivery.id)
    assert (after.attempts, after.next_attempt_at) == ([], core.now + 2500)
    core.do(postpone, "dlv_none", 1, STANDARD_WEBHOOKS)
    assert due(core) == [core.now + 2500]


def exhaust(core: Core, delivery: Delivery) -> Delivery:
    for _ in STANDARD_WEBHOOKS.delays_s:
        after = attempt(core, delivery)
        core.now += 1000
    return after


def test_a_delivery_that_is_given_up_disables_its_endpoint_and_says_why(core: Core, delivery: Delivery) -> None:
    core.charge()
    _, waiting = core.find(Delivery)
    began = core.now
    assert exhaust(core, delivery).status == "failed"
    (endpoint,) = core.find(Endpoint)
    assert (endpoint.status, endpoint.failing_since) == ("disabled", began)
    assert endpoint.disabled_reason == (
        f"all 10 attempts over 0.0 h to deliver {delivery.event_id} failed; the last was answered with 500"
    )
    assert core.get(Delivery, waiting.id).status == "canceled"
    assert due(core) == []


def test_an_event_that_an_endpoint_cannot_bear_does_not_disable_it_while_it_accepts_others(
    core: Core, delivery: Delivery
) -> None:
    core.charge()
    _, other = core.find(Delivery)
    attempt(core, delivery)
    core.now += 1000
    attempt(core, other, 200)
    assert core.find(Endpoint)[0].failing_since is None
    assert exhaust(core, delivery).status == "failed"
    (endpoint,) = core.find(Endpoint)
    assert (endpoint.status, endpoint.disabled_reason) == ("enabled", None)
    assert endpoint.failing_since is not None


def test_a_schedule_may_disable_nothing(core: Core, delivery: Delivery) -> None:
    patient = Schedule(delays_s=(0, 0), timeout_s=1, gone_disables=False, exhausting_disables=False)
    assert attempt(core, delivery, 410, patient).status == "pending"
    assert attempt(core, delivery, 410, patient).status == "failed"
    assert core.find(Endpoint)[0].status == "enabled"


def test_an_endpoint_that_is_enabled_again_begins_afresh(core: Core, delivery: Delivery) -> None:
    exhaust(core, delivery)
    (endpoint,) = core.find(Endpoint)
    enabled = core.do(update_endpoint, UpdateEndpoint(endpoint.id, status="enabled"))
    assert (enabled.status, enabled.disabled_reason, enabled.failing_since) == ("enabled", None, None)
    core.charge()
    assert [one.status for one in core.find(Delivery)] == ["failed", "pending"]


@pytest.mark.parametrize(("in_order", "taken"), [(False, [0, 1, 2, 3]), (True, [0])])
def test_what_is_due_is_taken_in_the_order_of_events_as_far_as_there_is_room(
    core: Core, delivery: Delivery, in_order: bool, taken: list[int]
) -> None:
    for _ in range(5):
        core.charge()
    ids = [one.id for one in core.find(Delivery)]
    schedule = Schedule(delays_s=(0,), timeout_s=1, in_order=in_order, in_flight=4)
    found = core.do(take_due, delivery.endpoint_id, schedule, frozenset(), schedule.width)
    assert (found.deliveries, found.next_at) == ([ids[one] for one in taken], None)
    room = core.do(take_due, delivery.endpoint_id, schedule, frozenset(ids[:1]), schedule.width - 1)
    assert room.deliveries == ([] if in_order else ids[1:4])


def test_what_falls_due_later_is_told_beside_what_is_under_way(core: Core, delivery: Delivery) -> None:
    attempt(core, delivery)
    core.charge()
    _, second = core.find(Delivery)
    found = core.do(take_due, delivery.endpoint_id, STANDARD_WEBHOOKS, frozenset(), 10)
    assert (found.deliveries, found.next_at) == ([second.id], core.now + 5000)
    under_way = core.do(take_due, delivery.endpoint_id, STANDARD_WEBHOOKS, frozenset([second.id]), 9)
    assert (under_way.deliveries, under_way.next_at) == ([], core.now + 5000)
    assert due(core) == [core.now], "while an attempt is under way its timer stands: who is killed now finds it again"
