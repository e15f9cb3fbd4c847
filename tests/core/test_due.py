"""What falls due is done in the order it was due, each at its own time, however late anybody looks."""

from gatecrash.core import due
from gatecrash.core.clock import DAY, MINUTE
from gatecrash.core.records import Charge, Timer
from gatecrash.core.refunds import CreateRefund, create_refund
from tests.support.core import Core


def test_what_is_done_late_bears_the_time_it_was_due(core: Core) -> None:
    held = core.charge(capture=False)
    refund = core.do(create_refund, CreateRefund(core.charge("refund_failing").id))
    core.now += 400 * DAY
    assert core.do(due.run_due).timers == 2
    assert core.told()[-2:] == [("refund.failed", 10 * MINUTE), ("charge.expired", 7 * DAY)]
    assert (core.get(Charge, held.id).status, core.get(type(refund), refund.id).status) == ("expired", "failed")
    assert core.find(Timer) == []


def test_nothing_is_done_a_millisecond_early(core: Core) -> None:
    core.charge(capture=False)
    core.now += 7 * DAY - 1
    assert core.do(due.run_due).timers == 0
    core.now += 1
    assert core.do(due.run_due).timers == 1
    assert core.do(due.run_due).timers == 0


def test_one_commit_does_so_much_and_no_more(core: Core) -> None:
    for _ in range(due.BATCH + 1):
        core.charge(capture=False)
    core.now += 8 * DAY
    assert [core.do(due.run_due).timers for _ in range(3)] == [due.BATCH, 1, 0]
