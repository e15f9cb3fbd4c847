"""A finished run as a sequence of messages between customer, shop and gateway: what every report draws.

The gateway's journal tells in sandbox time, the notes in the world's. Sandbox time only differs by the jumps the
harness made, and each of them is in the journal.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from gatecrash.core import money
from gatecrash.harness.history import History

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
    notes = [
        Message(note.at_ms, note.source, note.target, note.text, "life" if note.source == note.target else "ask")
        for note in history.notes
    ]
    return sorted([*_journal(history.journal), *notes], key=lambda message: message.at_ms)


def _journal(journal: Sequence[Mapping[str, Any]]) -> Iterator[Message]:
    asked = {entry["request_id"]: entry["operation"] for entry in journal if entry["kind"] == "request"}
    during: list[Message] = []  # of one moment
    for at_ms, entry in in_real_time(journal):
        message = _message(at_ms, entry, asked)
        if message is None:
            continue
        if message.tone == "time":
            # a jump is journaled when it is over: what happened on the way comes after it in the telling
            during.insert(0, message)
            yield from during
            during = []
            continue
        if during and during[-1].at_ms != at_ms:
            yield from during
            during = []
        during.append(message)
    yield from during


def in_real_time(journal: Sequence[Mapping[str, Any]]) -> list[tuple[int, Mapping[str, Any]]]:
    """Each entry with the wall clock's milliseconds: sandbox time without the jumps, and nothing later than what follows."""
    found: list[tuple[int, Mapping[str, Any]]] = []
    jumped_ms = 0.0
    for entry in journal:
        if _jump(entry):
            jumped_ms += entry["seconds"] * 1000
        found.append((round(datetime.fromisoformat(entry["at"]).timestamp() * 1000 - jumped_ms), entry))
    for index in range(len(found) - 2, -1, -1):
        at_ms, entry = found[index]
        found[index] = (min(at_ms, found[index + 1][0]), entry)
    return found


def _jump(entry: Mapping[str, Any]) -> bool:
    return bool(entry["kind"] == "control" and entry.get("action") == "clock.advance" and entry.get("seconds"))


def _message(at_ms: int, entry: Mapping[str, Any], asked: Mapping[object, str]) -> Message | None:
    kind = entry["kind"]
    if _jump(entry):
        return Message(at_ms, "gateway", "gateway", f"{_span(entry['seconds'])} pass", "time")
    if kind == "request":
        if entry["operation"] == "tokens.create":
            return Message(at_ms, "customer", "gateway", "card for nonce", "ask")
        if entry["operation"] not in _NOT_THE_SHOPS:
            return Message(at_ms, "shop", "gateway", _request(entry), "ask")
    if kind == "answer" and asked.get(entry["request_id"]) not in _NOT_THE_SHOPS:
        if entry.get("broken"):
            return Message(at_ms, "gateway", "shop", "no answer: the line broke", "broken")
        replayed = ", replayed" if entry.get("replayed") else ""
        return Message(at_ms, "gateway", "shop", f"{entry['status']}{replayed}", "answer")
    if kind == "fault":
        return Message(at_ms, "gateway", "gateway", f"{entry['fault']} at {entry['station']}", "fault")
    if kind == "delivery":
        said = entry["status"] or entry.get("error") or "no answer"
        copy = ", a copy" if entry.get("copy") else ""
        text = f"{entry['event_type']} #{entry['attempt']}{copy} → {said}"
        return Message(at_ms, "gateway", "shop", text, "webhook" if entry["outcome"] == "succeeded" else "broken")
    return None


def _request(entry: Mapping[str, Any]) -> str:
    amount = entry.get("amount")
    body = entry.get("body")
    currency = body.get("currency", "") if isinstance(body, Mapping) else ""
    what = f" {money.shown(amount, currency)}" if isinstance(amount, int) else ""
    key = entry.get("idempotency_key")
    keyed = f", key …{key[-6:]}" if key else ", no key" if entry.get("method") == "POST" else ""
    return f"{entry['operation']}{what}{keyed}"


def _span(seconds: float) -> str:
    for size, unit in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} seconds"
