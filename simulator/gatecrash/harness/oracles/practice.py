"""P oracles: what does no harm in this run, and will in another. Judged by the rules of `gatecrash lint`."""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from gatecrash import lint
from gatecrash.harness.history import History, Order
from gatecrash.harness.oracles._oracle import Findings, oracle
from gatecrash.harness.timeline import in_real_time

Entry = Mapping[str, Any]

_NEW_KEY, _REUSED, _PACE = {"new_key_after_unknown"}, {"key_reused"}, {"retry_without_backoff", "retry_after_ignored"}
#: The rules that are asked here.
RULES = tuple(rule for rule in lint.RULES if rule.code in _NEW_KEY | _REUSED | _PACE)
#: Calls that take or give back a part of a charge, and what staff asked for when they are made.
PARTS = MappingProxyType({"charges.capture": "capture", "refunds.create": "refund"})


@oracle("P1", "new key while the outcome was unknown")
def new_key_too_early(history: History) -> Findings:
    """A payment was tried under a new idempotency key, or without one, while the outcome of an earlier try was unknown: a second
    charge is possible. Store a key with each attempt before the first call, repeat the attempt under it until the outcome is
    known, and only then give the next attempt a key of its own. Judged from the requests in the gateway's journal. Captures and
    refunds of a charge that come to no more than staff asked for, each key counted once, are parts, and not one call repeated.
    """
    if any(_found(history, [history.journal], _NEW_KEY)):
        parts = _parts(history)
        found = lint.lint(_as_told(history.journal), rules=RULES)
        stands = {(each.rule, each.seq) for each in found if each.request_id not in parts}
        yield from _found(history, [history.journal], _NEW_KEY, stands)


@oracle("P3", "one key for two requests")
def one_key_for_two(history: History) -> Findings:
    """One idempotency key was used for two different requests. The gateway refuses the second with 422, so that payment, capture
    or refund is impossible. Bind a key to one attempt and its exact body: another amount, nonce or customer is another attempt,
    with a key of its own. Judged from the answers in the gateway's journal.
    """
    yield from _found(history, [history.journal], _REUSED)


@oracle("P2", "no cap or no backoff")
def storm(history: History) -> Findings:
    """A call was repeated again and again without growing pauses, or sooner than the gateway had asked for with
    Retry-After. A thousand shops that do so keep a gateway down that has stumbled. Double the pause from try to try, add
    some chance, give up for the time being after a few, and honour Retry-After. Judged from the requests in the gateway's
    journal. Each press of the pay button may begin a call of its own: calls count as repeated only beyond those, and a call that
    another worker made need not know the Retry-After of the first.
    """
    # a process that was killed has forgotten how long it was to wait, and tries are unseen while the gateway is down
    yield from _found(history, _lives(history, _by_caller(history)), _PACE)


def _order_by_call(history: History) -> dict[str, Order]:
    """Whose charge each call is about that names one in its path, by the books; by the id of its request."""
    order_by_charge = {charge.id: order for order in history.orders for charge in history.charges_of(order)}
    return {
        entry["request_id"]: order_by_charge[name]
        for entry in history.entries("request")
        for name in entry["path"].split("/")
        if name in order_by_charge
    }


def _parts(history: History) -> set[str]:
    """The calls that took no more of a charge, or gave no more of it back, than staff had asked for: ids of their requests."""
    order_by_call = _order_by_call(history)
    calls: dict[tuple[str, str], list[Entry]] = {}
    for entry in history.entries("request"):
        if entry["operation"] in PARTS and entry["request_id"] in order_by_call:
            calls.setdefault((entry["operation"], entry["path"]), []).append(entry)
    parts: set[str] = set()
    for (operation, _), entries in calls.items():
        wanted = order_by_call[entries[0]["request_id"]].asked.get(PARTS[operation], 0)
        amounts = {entry.get("idempotency_key") or entry["request_id"]: entry.get("amount") or 0 for entry in entries}
        if sum(amounts.values()) <= wanted:
            parts.update(entry["request_id"] for entry in entries)
    return parts


def _as_told(journal: Sequence[Entry]) -> Sequence[Entry]:
    """The journal with each webhook where it was sent: it tells the shop when it arrives, and stands where it was answered. What
    was asked in the millisecond in which it was sent was asked without it, and may be what it tells of.
    """

    def at(entry: Entry) -> datetime:
        moment, delivered = datetime.fromisoformat(entry["at"]), entry["kind"] == "delivery"
        return moment - timedelta(milliseconds=entry.get("latency_ms") or 0) if delivered else moment

    return sorted(journal, key=at)


_linted: tuple[Sequence[Entry], list[lint.Finding]] = [], []


def _lint(journal: Sequence[Entry]) -> list[lint.Finding]:
    """Both oracles mostly read the same journal, one after the other."""
    global _linted
    if _linted[0] != list(journal):
        _linted = list(journal), lint.lint(journal, rules=RULES)
    return _linted[1]


def _found(
    history: History, journals: Iterable[Sequence[Entry]], rules: set[str], stands: Container[tuple[str, int]] | None = None
) -> Findings:
    """What the rules found, in their words, if it `stands`; told once, however often the shop did it."""
    found = [finding for journal in journals for finding in _lint(journal) if finding.rule in rules]
    orders = {call: order.id for call, order in _order_by_call(history).items()} if found else {}
    told: dict[str, None] = {}
    for finding in found:
        if stands is None or (finding.rule, finding.seq) in stands:
            order_id = finding.order_id or orders.get(finding.request_id or "")
            told[f"order {order_id}: {finding.detail}" if order_id else finding.detail] = None
    yield from told


def _by_caller(history: History) -> list[tuple[int, Entry]]:
    """The journal in real time, its idempotency keys numbered by caller.

    Every press of a customer's may begin a caller, which makes one call and repeats it. Nothing in the journal says which caller
    a call is from, so it is given to one that has waited as it was told, and to the one of those that has waited longest.
    """
    presses: dict[str, list[int]] = {}
    for note in history.notes:
        if (note.source, note.target) == ("customer", "shop") and 0 < note.order <= len(history.orders):
            presses.setdefault(history.orders[note.order - 1].id, []).append(note.at_ms)
    callers: dict[tuple[str, str], list[_Caller]] = {}
    calling: dict[str, _Caller] = {}
    told: list[tuple[int, Entry]] = []
    for at_ms, entry in in_real_time(history.journal):
        key = entry.get("idempotency_key")
        if entry["kind"] == "request" and key:
            known = callers.setdefault((entry["operation"], key), [])
            begun = sum(press <= at_ms for press in presses.get(str(entry.get("order_id")), ()))
            if not known or len(known) < begun:
                known.append(_Caller(len(known)))
            elif len(known) > 1:
                known.sort(key=lambda caller: (caller.told_to_wait_until_ms > at_ms, caller.called_ms))
            caller = known[-1] if known[-1].called_ms == 0 else known[0]
            caller.called_ms, caller.told_to_wait_until_ms = at_ms, 0.0
            calling[entry["request_id"]] = caller
            entry = {**entry, "idempotency_key": f"{key}#{caller.number}"}
        elif entry["kind"] == "answer" and entry["request_id"] in calling:
            calling[entry["request_id"]].told_to_wait_until_ms = at_ms + 1000 * (entry.get("retry_after_s") or 0)
        told.append((at_ms, entry))
    return told


@dataclass(slots=True)
class _Caller:
    """A worker or a page that makes one call, and repeats it."""

    number: int
    called_ms: int = 0
    told_to_wait_until_ms: float = 0.0


def _lives(history: History, journal: Sequence[tuple[int, Entry]]) -> Iterator[Sequence[Entry]]:
    """A journal in real time, cut where the shop was killed."""
    deaths = sorted(
        note.at_ms for note in history.notes if note.source == note.target == "shop" and note.text.startswith("killed")
    )
    life: list[Entry] = []
    for at_ms, entry in journal:
        if entry["kind"] == "start" or (deaths and at_ms > deaths[0]):
            yield life
            life = []
        while deaths and at_ms > deaths[0]:
            deaths.pop(0)
        life.append(entry)
    yield life
