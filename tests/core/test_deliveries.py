"""What becomes of a delivery after each attempt, by the arithmetic of its schedule."""

from typing import Any

import pytest

from gatecrash.core.deliveries import Schedule, postpone, record_attempt
from gatecrash.core.endpoints import CreateEndpoint, create_endpoint
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
