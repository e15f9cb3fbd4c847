"""The stations, and which kinds of fault make sense at each: one table, from which everything else is told."""

from typing import NamedTuple

from gatecrash.core.errors import Refused
from gatecrash.faults.kinds import KINDS


class Station(NamedTuple):
    """`way`: request or webhook. `when`: what has happened by then, and what has not."""

    way: str
    when: str
    kinds: tuple[str, ...]


_ON_THE_WAY_IN = ("crash", "hang", "delay", "reset", "close", "status")

STATIONS: dict[str, Station] = {
    "request.received": Station("request", "the whole request is read; nothing is decided", _ON_THE_WAY_IN),
    "operation.claimed": Station(
        "request", "the idempotency key is claimed, durably; a retry meanwhile reads 409", _ON_THE_WAY_IN
    ),
    "operation.executed": Station("request", "the outcome is computed and not committed: lost with the process", _ON_THE_WAY_IN),
    "operation.committed": Station("request", "the outcome is durable; not one byte of the answer is sent", _ON_THE_WAY_IN),
    "response.partial": Station(
        "request",
        "the head and half the body of the answer are sent",
        ("crash", "hang", "delay", "reset", "close"),
    ),
    "response.sent": Station("request", "the whole answer is sent", ("crash", "reset", "close")),
    "webhook.due": Station("webhook", "an attempt falls due; nothing is sent", ("crash", "delay", "drop", "duplicate")),
    "webhook.sent": Station(
        "webhook",
        "the attempt is written; its answer is unread",
        ("crash", "hang", "delay", "reset", "close", "drop"),
    ),
    "webhook.acknowledged": Station(
        "webhook", "the merchant's answer is read; nothing of it is recorded", ("crash", "delay", "drop")
    ),
    "webhook.recorded": Station("webhook", "the attempt's outcome is durable", ("crash", "duplicate")),
}

# (kind, station) → why not; ways first, then single stations
_WHY_NOT: dict[tuple[str, str], str] = {
    (
        "status",
        "webhook",
    ): "the gateway asks here and the merchant answers; there is no answer of ours to replace",
    ("drop", "request"): "a request cannot be un-asked; use reset or close to lose its answer",
    ("duplicate", "request"): "only webhooks are sent by the gateway; to repeat a request, send it again",
    ("status", "response.partial"): "half of the true answer is sent already",
    ("status", "response.sent"): "the true answer is sent already",
    ("hang", "response.sent"): "the whole answer is sent, nobody waits any more",
    ("delay", "response.sent"): "the whole answer is sent, nobody waits any more",
    ("hang", "webhook.due"): "an attempt that never starts is a drop, one that starts late is a delay",
    ("reset", "webhook.due"): "no connection is open yet; use drop",
    ("close", "webhook.due"): "no connection is open yet; use drop",
    ("duplicate", "webhook.sent"): "copies are ordered before sending; use webhook.due",
    (
        "duplicate",
        "webhook.acknowledged",
    ): "copies are ordered before sending; use webhook.due, or webhook.recorded",
    ("hang", "webhook.acknowledged"): "nothing is awaited between the answer and the record; use delay",
    ("reset", "webhook.acknowledged"): "the connection has done its work; use drop to lose the answer",
    ("close", "webhook.acknowledged"): "the connection has done its work; use drop to lose the answer",
    ("delay", "webhook.recorded"): "the attempt is over; delay the next one at webhook.due",
    ("hang", "webhook.recorded"): "the attempt is over",
    ("reset", "webhook.recorded"): "the connection has done its work",
    ("close", "webhook.recorded"): "the connection has done its work",
    ("drop", "webhook.recorded"): "the outcome is recorded; drop it at webhook.acknowledged",
}


def why_not(station: str, kind: str) -> str | None:
    """Why a kind makes no sense at a station; None if it does."""
    if kind in STATIONS[station].kinds:
        return None
    return _WHY_NOT.get((kind, station)) or _WHY_NOT[(kind, STATIONS[station].way)]


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
