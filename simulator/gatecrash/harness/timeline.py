"""A finished run as a sequence of messages between customer, shop and gateway: what every report draws.

The gateway's journal tells in sandbox time, the notes in the world's. Sandbox time only differs by the jumps the
harness made, and each of them is in the journal.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from gatecrash.harness.history import History
from gatecrash.harness.money import money

ACTORS = ("customer", "shop", "gateway")
#: Done by the harness, not by the shop.
_NOT_THE_SHOPS = ("tokens.create", "webhook_endpoints.create")


class Message(NamedTuple):
    """`tone`: `ask`, `answer`, `webhook`, `fault`, `broken`, `life` or `time`. Where source and target are the same, it
    happened there.
    """

    at_ms: int
    source: str
    target: str
    text: str
    tone: str


def timeline(history: History) -> list[Message]:
    """All messages of a run, in order of time; at the same millisecond the journal's own order."""
    notes = [Message(*note, tone="life" if note[1] == note[2] else "ask") for note in map(_plain, history.notes)]
    return sorted([*_journal(history), *notes], key=lambda message: message.at_ms)


def _plain(note: Any) -> tuple[int, str, str, str]:
    return note.at_ms, note.source, note.target, note.text


def _journal(history: History) -> Iterator[Message]:
    jumped_ms = 0.0
    asked: dict[object, str] = {}
    for entry in history.journal:
        at_ms = round(datetime.fromisoformat(entry["at"]).timestamp() * 1000 - jumped_ms)
        kind = entry["kind"]
        if kind == "control" and entry.get("action") == "clock.advance" and entry["seconds"]:
            jumped_ms += entry["seconds"] * 1000
            yield Message(at_ms, "gateway", "gateway", f"{_span(entry['seconds'])} pass", "time")
        elif kind == "request":
            asked[entry["request_id"]] = entry["operation"]
            if entry["operation"] == "tokens.create":
                yield Message(at_ms, "customer", "gateway", "card for nonce", "ask")
            elif entry["operation"] not in _NOT_THE_SHOPS:
                yield Message(at_ms, "shop", "gateway", _request(entry), "ask")
        elif kind == "answer" and asked.get(entry["request_id"]) not in _NOT_THE_SHOPS:
            if entry.get("broken"):
                yield Message(at_ms, "gateway", "shop", "no answer: the line broke", "broken")
            else:
                replayed = ", replayed" if entry.get("replayed") else ""
                yield Message(at_ms, "gateway", "shop", f"{entry['status']}{replayed}", "answer")
        elif kind == "fault":
            yield Message(at_ms, "gateway", "gateway", f"{entry['fault']} at {entry['station']}", "fault")
        elif kind == "delivery":
            said = entry["status"] or entry.get("error") or "no answer"
            copy = ", a copy" if entry.get("copy") else ""
            text = f"{entry['event_type']} #{entry['attempt']}{copy} → {said}"
            yield Message(at_ms, "gateway", "shop", text, "webhook" if entry["outcome"] == "succeeded" else "broken")


def _request(entry: Mapping[str, Any]) -> str:
    amount = entry.get("amount")
    body = entry.get("body")
    currency = body.get("currency", "") if isinstance(body, Mapping) else ""
    what = f" {money(amount, currency)}" if isinstance(amount, int) else ""
    key = entry.get("idempotency_key")
    keyed = f", key …{key[-6:]}" if key else ", no key" if entry.get("method") == "POST" else ""
    return f"{entry['operation']}{what}{keyed}"


def _span(seconds: float) -> str:
    for size, unit in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} seconds"
