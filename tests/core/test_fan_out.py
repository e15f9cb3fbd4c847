"""An event for many endpoints is delivered in slices: each commit starts so many deliveries, and none is lost or made twice."""

from typing import Any

import pytest

from gatecrash.core.deliveries import Schedule, record_attempt
from gatecrash.core.due import run_due
from gatecrash.core.endpoints import (
    CANCEL_SLICE,
    CreateEndpoint,
    UpdateEndpoint,
    create_endpoint,
    delete_endpoint,
    disable_endpoint,
    update_endpoint,
)
from gatecrash.core.events import SLICE, deliver, resend
from gatecrash.core.records import Attempt, Delivery, Endpoint, Event, Timer
from tests.support.core import Core

SCHEDULE = Schedule(delays_s=(0, 5), timeout_s=1)


def listened_to(core: Core, count: int) -> None:
    for number in range(count):
        core.do(create_endpoint, CreateEndpoint(f"http://127.0.0.1:9/{number}"), "native", "v1")


def test_each_commit_starts_a_slice_of_deliveries_and_all_are_started_in_the_end(core: Core) -> None:
    listened_to(core, 2 * SLICE + 1)
    core.charge()
    sizes = [len(core.find(Delivery))]
    while core.do(run_due).has_more:
        sizes.append(len(core.find(Delivery)))
    assert sizes == [SLICE, 2 * SLICE, 2 * SLICE + 1]
    (event,) = core.find(Event)
    made = core.find(Delivery)
    assert {delivery.endpoint_id for delivery in made} == {endpoint.id for endpoint in core.find(Endpoint)}
    assert all((delivery.event_id, delivery.next_attempt_at) == (event.id, event.created_at) for delivery in made)


def test_no_slice_counts_as_a_timer(core: Core) -> None:
    listened_to(core, SLICE + 1)
    core.charge()
    assert core.do(run_due) == (0, True)
    assert core.do(run_due) == (0, False)


def test_when_the_slices_are_made_shifts_no_id() -> None:
    runs = []
    for at_once in (True, False):
        core = Core()
        listened_to(core, SLICE + 5)
        first = core.charge()
        if at_once:
            core.pass_time(0)
        second = core.charge()
        core.pass_time(0)
        runs.append((first.id, second.id, sorted(delivery.id for delivery in core.find(Delivery))))
        core.close()
    assert runs[0] == runs[1]
    assert len(set(runs[0][2])) == 2 * (SLICE + 5)


def test_an_endpoint_that_is_added_after_the_event_is_not_told_of_it(core: Core) -> None:
    listened_to(core, SLICE + 1)
    core.charge()
    listened_to(core, 1)
    core.pass_time(0)
    assert len(core.find(Delivery)) == SLICE + 1


def test_an_event_is_resent_to_many_endpoints_in_slices_and_reaches_each_once(core: Core) -> None:
    listened_to(core, 2 * SLICE + 1)
    core.charge()
    core.pass_time(0)
    (event,) = core.find(Event)
    told = {delivery.id for delivery in core.find(Delivery)}
    begun, has_more = core.do(resend, event.id)
    assert (len(begun), has_more) == (SLICE, True)
    sizes = []
    while core.do(run_due).has_more:
        sizes.append(len(core.find(Delivery)) - len(told))
    assert sizes == [2 * SLICE, 2 * SLICE + 1]
    again = [delivery for delivery in core.find(Delivery) if delivery.id not in told]
    assert {delivery.endpoint_id for delivery in again} == {endpoint.id for endpoint in core.find(Endpoint)}


def test_what_is_resent_twice_before_the_next_slice_is_told_twice(core: Core) -> None:
    listened_to(core, SLICE + 1)
    core.charge()
    (event,) = core.find(Event)
    core.do(resend, event.id)
    core.do(resend, event.id)
    core.pass_time(0)
    assert len(core.find(Delivery)) == 3 * (SLICE + 1)


def waiting(core: Core, count: int) -> Endpoint:
    """An endpoint for which so many deliveries wait."""
    listened_to(core, 1)
    (endpoint,) = core.find(Endpoint)
    core.charge()
    (event,) = core.find(Event)
    core.do(lambda ctx: [deliver(ctx, event, endpoint) for _ in range(count - 1)])
    return endpoint


@pytest.mark.parametrize("end", [delete_endpoint, disable_endpoint])
def test_each_commit_cancels_a_slice_of_what_waits_for_an_endpoint(core: Core, end: Any) -> None:
    endpoint = waiting(core, 2 * CANCEL_SLICE + 1)
    core.do(end, *([endpoint.id] if end is delete_endpoint else [endpoint, "it was asked for"]))
    left = [len(core.find(Delivery, status="pending"))]
    first = core.find(Delivery, status="pending")[0]
    assert core.do(record_attempt, first.id, Attempt(attempt=1, at=core.now, status=200, latency_ms=1), SCHEDULE) is None
    while core.do(run_due).has_more:
        left.append(len(core.find(Delivery, status="pending")))
    assert left == [CANCEL_SLICE + 1, 1, 0]
    assert core.find(Timer) == []
    assert {delivery.status for delivery in core.find(Delivery)} == {"canceled"}


def test_what_an_endpoint_is_told_once_it_is_enabled_again_is_not_canceled(core: Core) -> None:
    endpoint = waiting(core, CANCEL_SLICE + 1)
    core.do(disable_endpoint, endpoint, "it was asked for")
    core.do(update_endpoint, UpdateEndpoint(endpoint.id, status="enabled"))
    (event,) = core.find(Event)
    ((later,), _) = core.do(resend, event.id)
    core.pass_time(0)
    assert [delivery.id for delivery in core.find(Delivery, status="pending")] == [later.id]
