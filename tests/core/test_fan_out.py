"""An event for many endpoints is delivered in slices: each commit starts so many deliveries, and none is lost or made twice."""

from gatecrash.core.due import run_due
from gatecrash.core.endpoints import CreateEndpoint, create_endpoint
from gatecrash.core.events import SLICE
from gatecrash.core.records import Delivery, Endpoint, Event
from tests.support.core import Core


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
