"""A finished run as a sequence of messages between customer, shop and gateway: what every report draws.

The gateway's journal tells in sandbox time, the notes in the world's. Sandbox time only differs by the jumps the
harness made, and each of them is in the journal.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from gatecrash.core import money
from gatecrash.harness.history import History

ACTORS = ("customer", "shop", "gateway")
#: Jumps of the clock that are shorter are not worth telling.
_JUMP_SHOWN_S = 1
#: Done by the harness, not by the shop.
_NOT_THE_SHOPS = ("tokens.create", "webhook_endpoints.create")


class Message(NamedTuple):
    """`tone`: `ask`, `answer`, `webhook`, `fault`, `broken`, `life`, `time` or `fold`. Where source and target are the same,
    it happened there. `order`: the number of the order it is about; 0 where there is but one, or none is known.
    """

    at_ms: int
    source: str
    target: str
    text: str
    tone: str
    order: int = 0


def timeline(history: History) -> list[Message]:
    """All messages of a run, in order of time; at the same millisecond the journal's own order."""
    several = len(history.orders) > 1
    notes = [
        Message(
            note.at_ms, note.source, note.target, note.text, "life" if note.source == note.target else "ask",
            note.order if several else 0,
        )
        for note in history.notes
    ]  # fmt: skip
    return sorted([*_journal(history, several), *notes], key=lambda message: message.at_ms)


def folded(messages: Sequence[Message]) -> list[Message]:
    """The same for people: of what comes again and again, attempt after attempt, the first and the last time, and how often
    in between.
    """
    shapes = [_shape(message) for message in messages]
    found: list[Message] = []
    index = 0
    while index < len(messages):
        size, times = _repeats(shapes, index)
        block = messages[index : index + size]
        found += block
        if times > 2:
            last = index + size * (times - 1)
            text = f"… {times - 2} more like {'this' if size == 1 else 'these'} …"
            found.append(Message(block[-1].at_ms, block[-1].source, block[-1].source, text, "fold"))
            found += messages[last : last + size]
        index += size * (times if times > 2 else 1)
    return found


#: Of what repeats, at most so many messages are taken for one time of it; fewer than so many more are not worth a fold.
_BLOCK_MAX, _MORE_MIN = 8, 2


def _repeats(shapes: Sequence[object], start: int) -> tuple[int, int]:
    """The size of the block at `start` that folds most of what follows, and how often it comes in a row; `1, 1` for none."""
    best = 1, 1
    for size in range(1, _BLOCK_MAX + 1):
        block, times = shapes[start : start + size], 1
        while shapes[start + size * times : start + size * (times + 1)] == block:
            times += 1
        if times - 2 >= _MORE_MIN and size * times > best[0] * best[1]:
            best = size, times
    return best


_VARIES = re.compile(r"#\d+|[\d.]+ (?:day|hour|minute|second)s? pass(?:es)?")


def _shape(message: Message) -> object:
    """What two messages have in common that are the same but for the number of an attempt and how long was waited."""
    return message.source, message.target, message.tone, message.order, _VARIES.sub("#", message.text)


def _journal(history: History, several: bool) -> Iterator[Message]:
    asked = {entry["request_id"]: entry for entry in history.journal if entry["kind"] == "request"}
    orders = _Orders(history) if several else None
    labels = _key_labels(history.journal)
    cards = {entry.get("request_id") for entry in asked.values() if entry.get("operation") == "tokens.create"}
    during: list[Message] = []  # of one moment
    for at_ms, entry in in_real_time(history.journal):
        if entry.get("request_id") in history.by_harness and entry.get("request_id") not in cards:
            continue
        message = _message(at_ms, entry, asked, labels)
        if message is None:
            continue
        if orders is not None:
            message = message._replace(order=orders.about(asked.get(entry.get("request_id"), entry)))
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


class _Orders:
    """Which order, by its number, an entry of the journal is about: it says so, or names a source, a charge or an event of it."""

    def __init__(self, history: History) -> None:
        number = {order.id: index for index, order in enumerate(history.orders, 1)}
        self._known = number | {
            **{attempt.nonce: number[order.id] for order in history.orders for attempt in order.attempts},
            **{charge.id: number[charge.order] for charge in history.charges if charge.order in number},
            **{event: number[order] for event, order in history.order_by_event.items() if order in number},
        }

    def about(self, entry: Mapping[str, Any]) -> int:
        told = (entry.get("source"), entry.get("event_id"), entry.get("order_id"), *str(entry.get("path", "")).split("/"))
        return next((self._known[each] for each in told if each in self._known), 0)


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


def jumped_ms(journal: Sequence[Mapping[str, Any]]) -> float:
    """How far the harness has moved the sandbox clock in all."""
    return float(sum(entry["seconds"] * 1000 for entry in journal if _jump(entry)))


def _jump(entry: Mapping[str, Any]) -> bool:
    return bool(entry["kind"] == "control" and entry.get("action") == "clock.advance" and entry.get("seconds"))


def _key_labels(journal: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Each idempotency key, short: its end where that tells it from all others, else its number as well."""
    keys = list(dict.fromkeys(str(entry["idempotency_key"]) for entry in journal if entry.get("idempotency_key")))
    ends = {key: key if len(key) <= _KEY_END else f"…{key[-_KEY_END:]}" for key in keys}
    if len(set(ends.values())) == len(keys):
        return ends
    return {key: f"#{number} {ends[key]}" for number, key in enumerate(keys, 1)}


#: So many characters of a key are shown.
_KEY_END = 6


def _message(
    at_ms: int, entry: Mapping[str, Any], asked: Mapping[object, Mapping[str, Any]], labels: Mapping[str, str]
) -> Message | None:
    kind = entry["kind"]
    if _jump(entry):
        if entry["seconds"] < _JUMP_SHOWN_S:
            return None
        return Message(at_ms, "gateway", "gateway", _passes(entry["seconds"]), "time")
    if kind == "request":
        if entry["operation"] == "tokens.create":
            return Message(at_ms, "customer", "gateway", "card for nonce", "ask")
        if entry["operation"] not in _NOT_THE_SHOPS:
            return Message(at_ms, "shop", "gateway", _request(entry, labels), "ask")
    if kind == "answer" and asked.get(entry["request_id"], {}).get("operation") not in _NOT_THE_SHOPS:
        if entry.get("broken"):
            return Message(at_ms, "gateway", "shop", "no answer: the line broke", "broken")
        replayed = ", replayed" if entry.get("replayed") else ""
        return Message(at_ms, "gateway", "shop", f"{entry['status']}{replayed}", "answer")
    if kind == "fault":
        return Message(at_ms, "gateway", "gateway", f"{entry['fault']} at {entry['station']}", "fault")
    if kind == "delivery":
        said = entry["status"] or str(entry.get("error") or "no answer").removeprefix("a fault rule ").removesuffix(" it")
        copy = ", a copy" if entry.get("copy") else ""
        text = f"{entry['event_type']} #{entry['attempt']}{copy} → {said}"
        return Message(at_ms, "gateway", "shop", text, "webhook" if entry["outcome"] == "succeeded" else "broken")
    return None


def _request(entry: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    amount = entry.get("amount")
    body = entry.get("body")
    currency = body.get("currency", "") if isinstance(body, Mapping) else ""
    what = f" {money.shown(amount, currency)}" if isinstance(amount, int) else ""
    key = entry.get("idempotency_key")
    keyed = f", key {labels[key]}" if key else ", no key" if entry.get("method") == "POST" else ""
    return f"{entry['operation']}{what}{keyed}"


def _passes(seconds: float) -> str:
    size, unit = next((each for each in _UNITS if seconds >= each[0]), (1, "second"))
    figure = f"{seconds / size:.3g}"
    return f"1 {unit} passes" if figure == "1" else f"{figure} {unit}s pass"


_UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"))
