"""A counterexample made small: fewer faults, then simpler kinds, then earlier occurrences, as long as the same oracle objects."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

from gatecrash.harness.explore.fault import Failure, Fault, Play, Schedule

#: No counterexample is worth more plays than this.
PLAYS_MAX = 200

Kinds = dict[tuple[str, int], tuple[str, ...]]


class Shrunk(NamedTuple):
    """`confirmed`: the schedule was played again and the oracle objected again; else it is what it was."""

    schedule: Schedule
    message: str
    plays: int
    confirmed: bool


def shrink(schedule: Schedule, oracle: str, play: Callable[[Schedule], Play | Failure], *, plays_max: int = PLAYS_MAX) -> Shrunk:
    """Each try is a play. What is left has no fault that could be taken away by itself."""
    message = _objection(first := play(schedule), oracle)
    if message is None or isinstance(first, Failure):
        return Shrunk(schedule, "", 1, False)
    schedule, kinds = first.fired, _kinds(first)
    tried = {schedule}
    plays, smaller = 1, True
    while smaller and plays < plays_max:
        smaller = False
        for candidate in _candidates(schedule, kinds):
            if candidate in tried:
                continue
            if plays >= plays_max:
                break
            tried.add(candidate)
            plays += 1
            again = play(candidate)
            said = _objection(again, oracle)
            if said is None or isinstance(again, Failure):
                continue
            kinds |= _kinds(again)
            if _weight(again.fired, kinds) < _weight(schedule, kinds):
                schedule, message, smaller = again.fired, said, True
                break
    return Shrunk(schedule, message, plays, True)


def _objection(play: Play | Failure, oracle: str) -> str | None:
    if isinstance(play, Failure):
        return None
    return next((message for each, message in play.violations if each == oracle), None)


def _kinds(play: Play) -> Kinds:
    return {(point.label, point.occurrence): point.kinds for point in play.reached}


def _weight(schedule: Schedule, kinds: Kinds) -> tuple[int, int, int]:
    """What shrinking makes less of: faults, then how odd their kinds are, then how late they strike."""
    return len(schedule), sum(len(_simpler(fault, kinds)) for fault in schedule), sum(fault.occurrence for fault in schedule)


def _simpler(fault: Fault, kinds: Kinds) -> tuple[str, ...]:
    """The kinds that its point offers before its own."""
    offered = kinds.get((fault.label, fault.occurrence), ())
    return offered[: offered.index(fault.kind)] if fault.kind in offered else ()


def _candidates(schedule: Schedule, kinds: Kinds) -> Iterator[Schedule]:
    """Schedules that are a little less, those first that would be much less."""
    size = len(schedule)
    while size := size // 2:
        for start in range(0, len(schedule), size):
            gone, rest = schedule[start : start + size], schedule[start + size :]
            yield schedule[:start] + rest
            # what struck the second time because of a fault strikes the first time without it
            earlier = tuple(_earlier(fault, sum(each.label == fault.label for each in gone)) for fault in rest)
            yield schedule[:start] + earlier
    if len(schedule) == 1:
        yield ()
    for index, fault in enumerate(schedule):
        for kind in _simpler(fault, kinds):
            yield (*schedule[:index], replace(fault, kind=kind), *schedule[index + 1 :])
    for index, fault in enumerate(schedule):
        for occurrence in sorted({1, fault.occurrence // 2, fault.occurrence - 1} - {0}):
            if occurrence < fault.occurrence:
                yield (*schedule[:index], replace(fault, occurrence=occurrence), *schedule[index + 1 :])


def _earlier(fault: Fault, times: int) -> Fault:
    return replace(fault, occurrence=max(1, fault.occurrence - times))
