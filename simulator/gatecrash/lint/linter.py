"""Goes through a journal, entry by entry, and gives what the rules find."""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from gatecrash.lint.calls import REMEMBERED, Call, Delivery, Entry, Pace, fact_of, milliseconds
from gatecrash.lint.rules import RULES, Rule
from gatecrash.lint.watches import Found, Watch

# stations that a webhook comes by once the client has read it
_ARRIVED = ("webhook.acknowledged", "webhook.recorded")
# which attempt a fault struck: type of event, order, number
_Struck = tuple[Any, Any, Any]


class Finding(NamedTuple):
    """`seq` is the number of the journal's entry that it is about."""

    rule: str
    says: str
    advice: str
    detail: str
    seq: int
    request_id: str | None
    operation: str | None
    order_id: str | None


class Linter:
    """See every entry of a journal once, in order. `seq` is the number of the last one seen."""

    def __init__(self, rules: Iterable[Rule] = RULES) -> None:
        self.seq = 0
        self._pace = Pace()
        self._watches: list[tuple[Rule, Watch]] = [(rule, rule.watch(self._pace)) for rule in rules]
        self._calls: OrderedDict[str, Call] = OrderedDict()
        self._struck: deque[_Struck] = deque(maxlen=1_000)

    def see(self, entry: Entry) -> list[Finding]:
        """What is known to be wrong as of this entry."""
        self.seq = entry["seq"]
        self._pace.see(entry)
        seen = _SEEN.get(entry["kind"])
        return [] if seen is None else list(seen(self, entry))

    def left(self, now: str | None) -> list[Finding]:
        """What was left undone at sandbox time `now` (RFC 3339); with None, when nothing more will come."""
        at = None if now is None else milliseconds(now)
        return list(self._tell(lambda watch: watch.left(at)))

    def remembers(self) -> list[tuple[object, ...]]:
        """What the rules have seen that may yet count: after journals with the same memory, they find the same."""
        return [(rule.code, *each) for rule, watch in self._watches for each in watch.remembers()]

    def _tell(self, tell: Callable[[Watch], Iterator[Found]]) -> Iterator[Finding]:
        for rule, watch in self._watches:
            for found in tell(watch):
                yield _finding(rule, found)

    def _request(self, entry: Entry) -> Iterator[Finding]:
        call = self._calls[entry["request_id"]] = Call(entry)
        if len(self._calls) > REMEMBERED:
            self._calls.popitem(last=False)
        yield from self._tell(lambda watch: watch.asked(call))

    def _answer(self, entry: Entry) -> Iterator[Finding]:
        call = self._calls.pop(entry["request_id"], None)
        if call is not None:
            call.end(entry)
            yield from self._tell(lambda watch: watch.ended(call))

    def _start(self, entry: Entry) -> Iterator[Finding]:
        """The gateway had been stopped, or killed: whatever was under way then is never answered."""
        for request_id in list(self._calls):
            killed = {"request_id": request_id, "at": entry["at"], "broken": "the gateway was gone before it answered"}
            yield from self._answer(killed)

    def _fault(self, entry: Entry) -> Iterator[Finding]:
        if entry["station"].startswith("webhook."):
            self._struck.append((entry.get("event_type"), entry.get("order_id"), entry.get("attempt")))
        if entry["station"] in _ARRIVED:
            for _, watch in self._watches:
                watch.arrived(fact_of(entry), entry.get("order_id"))
        yield from ()

    def _delivery(self, entry: Entry) -> Iterator[Finding]:
        struck = (entry["event_type"], entry.get("order_id"), entry["attempt"]) in self._struck
        delivery = Delivery(
            entry["seq"], entry["endpoint_id"], entry["event_type"], fact_of(entry), entry["event_id"], entry.get("order_id"),
            entry["attempt"], entry["outcome"] == "succeeded", entry["status"], entry["error"], entry.get("latency_ms"), struck,
        )  # fmt: skip
        yield from self._tell(lambda watch: watch.delivered(delivery))


_SEEN: dict[str, Callable[[Linter, Entry], Iterator[Finding]]] = {
    "request": Linter._request, "answer": Linter._answer, "start": Linter._start, "fault": Linter._fault,
    "delivery": Linter._delivery,
}  # fmt: skip


def lint(journal: Iterable[Entry], now: str | None = None, rules: Iterable[Rule] = RULES) -> list[Finding]:
    """Everything that is wrong in a journal, in its order. `now`: sandbox time, or None when nothing more will come."""
    linter = Linter(rules)
    findings = [finding for entry in journal for finding in linter.see(entry)]
    return sorted([*findings, *linter.left(now)], key=lambda finding: finding.seq)


def _finding(rule: Rule, found: Found) -> Finding:
    at = found.at
    request_id, operation = (at.request_id, at.operation) if isinstance(at, Call) else (None, "webhooks.deliver")
    return Finding(rule.code, rule.says, rule.advice, found.detail, at.seq, request_id, operation, at.order_id)
