"""The stations, and which kinds of fault make sense at each: one table, from which everything else is told."""

from typing import NamedTuple

from gatecrash.core.errors import Refused
from gatecrash.faults.kinds import KINDS


class Station(NamedTuple):
    """`way`: request or webhook. `when`: what has happened by then, and what has not. `kinds`: what can strike there."""

    way: str
    when: str
    kinds: tuple[str, ...]


def _station(name: str, way: str, when: str) -> Station:
    return Station(way, when, tuple(kind for kind, made in KINDS.items() if not made.refused.keys() & {name, way}))


STATIONS: dict[str, Station] = {
    name: _station(name, way, when)
    for name, way, when in (
        ("request.received", "request", "the whole request is read; nothing is decided"),
        ("operation.claimed", "request", "the idempotency key is claimed, durably; a retry meanwhile reads 409"),
        ("operation.executed", "request", "the outcome is computed and not committed: lost with the process"),
        ("operation.committed", "request", "the outcome is durable; not one byte of the answer is sent"),
        ("response.partial", "request", "the head and half the body of the answer are sent"),
        ("response.sent", "request", "the whole answer is sent"),
        ("webhook.due", "webhook", "an attempt falls due; nothing is sent"),
        ("webhook.sent", "webhook", "the attempt is written; its answer is unread"),
        ("webhook.acknowledged", "webhook", "the merchant's answer is read; nothing of it is recorded"),
        ("webhook.recorded", "webhook", "the attempt's outcome is durable"),
    )
}


class Cell(NamedTuple):
    """Whether a kind can strike at a station: `why_not` is None if it can."""

    station: str
    kind: str
    why_not: str | None


def table() -> list[Cell]:
    """Every station with every kind, in the order of the ways."""
    return [Cell(station, kind, why_not(station, kind)) for station in STATIONS for kind in KINDS]


def why_not(station: str, kind: str) -> str | None:
    """Why a kind makes no sense at a station; None if it does."""
    refused = KINDS[kind].refused
    return refused.get(station) or refused.get(STATIONS[station].way)


def check(station: str, kind: str) -> None:
    """Refuse a station or kind that is unknown, and a pair that makes no sense."""
    if station not in STATIONS:
        raise Refused(
            "fault_rule_invalid",
            f"station was {station[:60]!r}; expected one of {', '.join(STATIONS)}.",
            "station",
        )
    if kind not in KINDS:
        raise Refused("fault_rule_invalid", f"kind was {kind[:60]!r}; expected one of {', '.join(KINDS)}.", "kind")
    reason = why_not(station, kind)
    if reason is not None:
        raise Refused(
            "fault_rule_invalid",
            f"{kind} makes no sense at {station}: {reason}. What can strike there: {', '.join(STATIONS[station].kinds)}.",
            "kind",
        )
