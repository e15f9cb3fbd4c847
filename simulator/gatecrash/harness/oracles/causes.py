"""Why an oracle objected: a table of causes by code, each with the evidence in the history that it needs, and what to do.

The first cause of a code whose evidence is there is told with the violation. A code without one is explained by its oracle alone.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

from gatecrash.core import money
from gatecrash.harness.history import FAILED_REFUND, History, Order
from gatecrash.harness.oracles._oracle import Violation
from gatecrash.harness.oracles.trust import spoils
from gatecrash.lint.calls import fact_of

Entry = Mapping[str, Any]
#: Endings of the event types that tell a shop of a payment, a refund or a dispute; others are news to it.
_KNOWN = ("charge.", "refund.", "dispute.")

#: A traceback of Python or Node one of whose frames, which are indented, is of a webhook.
_HANDLER_FAILED = re.compile(r"(?:Traceback|Error)\b.*\n(?:[ \t]+.*\n)*?[ \t]+.*hook", re.IGNORECASE)


class Cause(NamedTuple):
    """`says` is what the evidence fits, `fix` what to do about it."""

    name: str
    says: str
    fix: str


class Evidence:
    """What a history holds about one violation: of its order, where the message names one."""

    def __init__(self, history: History, violation: Violation) -> None:
        self.history, self.message = history, violation.message
        named = re.match(r"order (.+?)(?::| )", violation.message)
        orders = [order for order in history.orders if named is not None and order.id == named[1]]
        self.order: Order | None = next(iter(orders or history.orders[:1]), None)
        self.calls = list(self._calls())

    def _calls(self) -> Iterator[tuple[Entry, Entry]]:
        """The shop's requests that do something about the order, each with its answer; `{}` where none was journaled."""
        answers = {each["request_id"]: each for each in self.history.entries("answer") if "request_id" in each}
        order = self.order
        charges = {charge.id for charge in self.history.charges if order is not None and charge.order == order.id}
        for entry in self.history.entries("request"):
            about = entry.get("order_id")
            mine = about is None or order is None or about == order.id or entry.get("charge_id") in charges
            if mine and entry.get("changes"):
                yield entry, answers.get(entry.get("request_id"), {})

    def asked(self, operation: str) -> list[tuple[Entry, Entry]]:
        return [(call, answer) for call, answer in self.calls if call.get("operation") == operation]

    def done(self, operation: str) -> list[tuple[Entry, Entry]]:
        """The calls that did something, each for the first time."""
        return [(call, answer) for call, answer in self.asked(operation) if _good(answer) and not answer.get("replayed")]

    def unknown(self, operation: str) -> list[tuple[Entry, Entry]]:
        """The calls whose outcome the shop was not told."""
        return [(call, answer) for call, answer in self.asked(operation) if not answer.get("status") or answer["status"] >= 500]

    def refused(self, status: int, operation: str = "charges.create") -> bool:
        return any(answer.get("status") == status for _, answer in self.asked(operation))

    @property
    def killed(self) -> bool:
        return any(note.source == note.target == "shop" and note.text.startswith("killed") for note in self.history.notes)

    def noted(self, text: str) -> bool:
        return any(text in note.text for note in self.history.notes)

    @property
    def deliveries(self) -> list[tuple[Entry, tuple[Entry, ...]]]:
        order = self.order
        return [
            (entry, faults)
            for entry, faults in self.history.deliveries()
            if order is None or self.history.order_by_event.get(str(entry.get("event_id")), order.id) == order.id
        ]

    def acknowledged(self, ending: str) -> bool:
        return any(_good(entry) and fact_of(entry).endswith(ending) for entry, _ in self.deliveries)

    @property
    def failed_inside(self) -> bool:
        """Whether the shop's log has the traceback of a webhook's handler; a call that failed may have left another."""
        return _HANDLER_FAILED.search(self.history.log) is not None

    @property
    def prices(self) -> list[tuple[int, str, int, str]]:
        """Asked and owed: amount and currency of each charge of the shop's that differs from its order."""
        order = self.order
        if order is None:
            return []
        charges = [each for each in self.history.charges_of(order) if not each.elsewhere]
        return [
            (each.amount, each.currency, order.amount, order.currency)
            for each in charges
            if (each.amount, each.currency) != (order.amount, order.currency)
        ]

    def how(self) -> str:
        """What was odd about the posted webhooks that the violation is about."""
        return "; ".join(dict.fromkeys(each.how for each in self.history.posted if each.event in self.message))


def _good(entry: Entry) -> bool:
    status = entry.get("status")
    return isinstance(status, int) and 200 <= status < 300


def _keys(calls: list[tuple[Entry, Entry]]) -> list[object]:
    return [call.get("idempotency_key") for call, _ in calls]


def _resent(seen: Evidence) -> list[list[tuple[Entry, Entry]]]:
    """The calls of each payment, that is of each nonce, that was sent more than once."""
    payments: dict[object, list[tuple[Entry, Entry]]] = {}
    for call, answer in seen.asked("charges.create"):
        if call.get("source") is not None:
            payments.setdefault(call["source"], []).append((call, answer))
    return [calls for calls in payments.values() if len(calls) > 1]


def _key_outlived(seen: Evidence) -> bool:
    """Whether a key was new to the gateway when it came again: it charged twice, or refused the nonce that it had taken."""
    keys = [key for key in _keys(seen.done("charges.create")) if key]
    return len(keys) != len(set(keys)) or any(
        answer.get("code") == "nonce_used" and not answer.get("replayed") and call.get("idempotency_key") in _keys(calls[:number])
        for calls in _resent(seen)
        for number, (call, answer) in enumerate(calls)
        if call.get("idempotency_key")
    )


def _resent_without_key(seen: Evidence) -> bool:
    return any(None in _keys(calls) for calls in _resent(seen))


def _two_keys(seen: Evidence) -> bool:
    return any(len(set(_keys(calls))) > 1 for calls in _resent(seen))


def _charged(seen: Evidence) -> set[object]:
    """The nonces that the gateway was asked to charge."""
    return {call.get("source") for call, _ in seen.asked("charges.create")}


def _told_of_a_failure(seen: Evidence) -> bool:
    """Whether the page told of a failure before it was paid once more, though the gateway had not refused that payment."""
    refused = {call.get("source") for call, answer in seen.asked("charges.create") if 400 <= (answer.get("status") or 0) < 409}
    attempts = seen.order.attempts[:-1] if seen.order is not None else ()
    return any(each.nonce in _charged(seen) - refused and each.answered and each.told in ("FAILED", "error") for each in attempts)


def _at_once(seen: Evidence) -> bool:
    """Whether a payment was begun before the customer had been told what became of the one before, and both went through."""
    attempts = [each for each in seen.order.attempts if each.nonce in _charged(seen)] if seen.order is not None else []
    return any(after.early and before.answered for before, after in pairwise(attempts))


def _echo(seen: Evidence) -> bool:
    """Whether another refund was asked for once a webhook had told of one whose answer had come."""
    told, answered = False, False
    for entry in seen.history.journal:
        kind, operation = entry.get("kind"), entry.get("operation")
        answered |= kind == "answer" and operation == "refunds.create" and _good(entry)
        told |= kind == "delivery" and fact_of(entry).startswith("refund.")
        if kind == "request" and operation == "refunds.create" and told and answered:
            return True
    return False


def _too_much(seen: Evidence) -> bool:
    asked = seen.order.asked if seen.order is not None else {}
    parts = (("charges.capture", "capture"), ("refunds.create", "refund"))
    return any((call.get("amount") or 0) > asked[what] for name, what in parts if what in asked for call, _ in seen.asked(name))


def _power_of_ten(seen: Evidence) -> bool:
    return any(
        asked in (owed * 10**digits, owed // 10**digits)
        for asked, currency, owed, its in seen.prices
        if currency == its
        for digits in (1, 2, 3)
    )


def _no_minor_units(seen: Evidence) -> bool:
    return _power_of_ten(seen) and any(money.decimal(100, its) != "1.00" for *_, its in seen.prices)


def _rounded(seen: Evidence) -> bool:
    return any(0 < abs(asked - owed) <= 2 and currency == its for asked, currency, owed, its in seen.prices)


def _refused_then_accepted(seen: Evidence) -> bool:
    """Whether the shop failed at an event of the payment, and took the same one later."""
    failed: set[object] = set()
    for entry, _ in seen.deliveries:
        if (entry.get("status") or 0) >= 500:
            failed.add(entry.get("event_id"))
        elif _good(entry) and entry.get("event_id") in failed:
            return True
    return False


def _spoiled_and_accepted(seen: Evidence, kind: str) -> bool:
    return any(
        _good(entry) and any(spoils(fault) and fault.get("fault") == kind for fault in faults)
        for entry, faults in seen.deliveries
    )


def _forged_and_accepted(seen: Evidence, word: str = "") -> bool:
    posted = (each for each in seen.history.posted if not each.genuine and each.status is not None and 200 <= each.status < 300)
    return any(word in each.how for each in posted)


def _accepts_other_types(seen: Evidence) -> bool:
    types = [str(each.event_type) for each in seen.history.posted] + [fact_of(entry) for entry, _ in seen.deliveries]
    refused = next((each for each in types if each in seen.message), "")
    return bool(refused) and not refused.startswith(_KNOWN)


def _stolen(text: str) -> Callable[[Evidence], bool]:
    return lambda seen: text in seen.message


_LOOK = "look the payment up first (GET /v1/charges?order_id=…)"
#: Code of an oracle → its causes: the evidence, and what it says. Those that say most come first.
CAUSES: Mapping[str, tuple[tuple[Callable[[Evidence], bool], Cause], ...]] = {
    "S1": (
        (
            _key_outlived,
            Cause(
                "key after its life",
                "The same key was sent again after its life: a gateway keeps it for 24 h, and then the call is new.",
                f"Before a call is repeated after hours, {_LOOK}.",
            ),
        ),
        (
            _resent_without_key,
            Cause(
                "no key",
                "A payment was sent again without an Idempotency-Key, so the gateway could not know the repeat.",
                "Store a key with the attempt before the first call, and send it with every try.",
            ),
        ),
        (
            lambda seen: _two_keys(seen) and seen.killed,
            Cause(
                "key forgotten at a restart",
                "The shop was killed, and sent the same payment again under another key when it was back.",
                "Store the key itself with the attempt before the first call: what is in memory dies with the process.",
            ),
        ),
        (
            _two_keys,
            Cause(
                "two keys for one payment",
                "The same payment was sent under more than one key, so the gateway could not know the repeat.",
                "Store one key with the attempt, and send it with every try, whether the page, a webhook or a job makes it.",
            ),
        ),
        (
            lambda seen: _told_of_a_failure(seen) and seen.refused(409),
            Cause(
                "409 taken for a failure",
                "The gateway answered 409: the first call was still at work. The shop told of a failure, and was paid again.",
                "Repeat the call under its key after Retry-After: it gets the answer of the first.",
            ),
        ),
        (
            _told_of_a_failure,
            Cause(
                "unknown taken for a failure",
                "The outcome of the first payment was unknown, the page told of a failure, and the customer paid again.",
                "Without a clear answer the outcome is unknown: keep the order pending, and repeat under the same key.",
            ),
        ),
        (
            _at_once,
            Cause(
                "two payments at once",
                "A second payment of the order began while the first was open, each under a key of its own.",
                "Let an order have one open attempt: lock its row, or have a unique constraint, before you call.",
            ),
        ),
        (
            lambda seen: None in _keys(seen.done("charges.create")),
            Cause(
                "charge without a key",
                "A charge went out without an Idempotency-Key, and nothing tied it to an attempt of the order.",
                "Store an attempt with a key before the first call, and let an order have one that is open.",
            ),
        ),
        (
            lambda seen: seen.killed,
            Cause(
                "killed between charge and commit",
                "The process was killed after the call, forgot the payment, and took another one.",
                f"Store the attempt before the call; at start, {_LOOK} for attempts without an outcome.",
            ),
        ),
        (
            lambda seen: bool(seen.unknown("charges.create")),
            Cause(
                "new key after a lost answer",
                "The outcome of the first call was unknown, and another call went out under a new key.",
                "Repeat the call under the key it had until its outcome is known.",
            ),
        ),
        (
            lambda seen: len(seen.done("charges.create")) > 1,
            Cause(
                "charged though known to be paid",
                "The gateway had answered the first charge with success, and the shop charged again.",
                "Refuse to pay an order that is paid, or whose payment is under way.",
            ),
        ),
    ),
    "S2": (
        (
            lambda seen: any(currency != its for _, currency, _, its in seen.prices),
            Cause(
                "other currency",
                "The charge is in another currency than the order.",
                "Store the currency with the order, and charge in that.",
            ),
        ),
        (
            lambda seen: seen.noted("says it costs"),
            Cause(
                "price of the browser",
                "The page named a price of its own, and the shop charged that.",
                "Charge what the stored order says, and ignore amounts that a browser sends.",
            ),
        ),
        (
            _no_minor_units,
            Cause(
                "currency without cents",
                "The amount was multiplied by a hundred, and this currency has no hundredths.",
                "Keep integers in minor units and look up how many decimals a currency has (ISO 4217).",
            ),
        ),
        (
            _power_of_ten,
            Cause(
                "wrong unit",
                "The charge is off by a power of ten: whole units were taken for minor ones, or the other way round.",
                "Keep one unit everywhere: integers in minor units.",
            ),
        ),
        (
            _rounded,
            Cause(
                "float",
                "The charge is off by a minor unit or two: 0.29 × 100 is 28.999… as a float.",
                "Reckon in integers of minor units, or in decimals; never in floats.",
            ),
        ),
    ),
    "S3": (
        (
            lambda seen: seen.noted("comes back with"),
            Cause(
                "forged return",
                "The browser came back with a return URL that says it was paid, and the shop believed it.",
                "Ask the gateway when a customer returns; the URL is only the customer's word.",
            ),
        ),
        (
            lambda seen: (
                _forged_and_accepted(seen) or any(_spoiled_and_accepted(seen, each) for each in ("forge", "tamper", "stale"))
            ),
            Cause(
                "forged event",
                "A webhook that was not the gateway's was accepted.",
                "Verify the signature over the raw bytes, and the timestamp, before you read the event.",
            ),
        ),
        (
            lambda seen: seen.order is not None and any(each.elsewhere for each in seen.history.charges_of(seen.order)),
            Cause(
                "amount not compared",
                "A genuine event told of a charge with another amount, and it counted as payment of the whole.",
                "Compare amount and currency of the event with the order's.",
            ),
        ),
        (
            lambda seen: seen.order is not None and any(each.status == "expired" for each in seen.history.charges_of(seen.order)),
            Cause(
                "expired authorization",
                "The authorization had expired before it was captured.",
                "Believe the answer to the capture, and capture before the authorization expires.",
            ),
        ),
        (
            lambda seen: (
                seen.order is not None
                and (seen.order.cancelled or any(each.status == "voided" for each in seen.history.charges_of(seen.order)))
            ),
            Cause(
                "cancelled, then captured",
                "The payment was voided, and the shop took a refused capture for a capture that had been made.",
                "Let a cancelled order be shipped no more, and read the code of the refusal.",
            ),
        ),
        (
            lambda seen: seen.refused(422),
            Cause(
                "refused key taken for a payment",
                "The gateway refused the call, since its key was another call's; the shop took that for `paid already`.",
                "Give each attempt a key of its own. A 422 charges nothing.",
            ),
        ),
        (
            lambda seen: (
                seen.order is not None
                and any(each.status == "failed" for each in seen.history.charges_of(seen.order))
                and any(answer.get("status") in (201, 202) for _, answer in seen.asked("charges.create"))
            ),
            Cause(
                "under way taken for paid",
                "The payment was under way, as a bank debit is for days, and was refused later; the shop had taken it for paid.",
                "An order is paid by charge.succeeded alone: `processing` is no outcome.",
            ),
        ),
        (
            lambda seen: bool(seen.prices),
            Cause(
                "too little charged",
                "The shop charged less than the order costs, and took that for the whole.",
                "Charge what the stored order says, and compare amount and currency before it is paid.",
            ),
        ),
        (
            lambda seen: (
                seen.order is not None
                and any(each.elsewhere and each.status != "failed" for each in seen.history.refunds_of(seen.order))
            ),
            Cause(
                "refund made elsewhere",
                "Money was given back on the gateway's own pages, and the shop did not take that in.",
                "Apply refund.succeeded to its order, whoever asked for the refund.",
            ),
        ),
        (
            lambda seen: bool(seen.asked("charges.create")),
            Cause(
                "no answer taken for success",
                "The call had no answer, or an error, and the shop took that for a payment.",
                "Without an answer the outcome is unknown: keep the order pending, and repeat under the same key.",
            ),
        ),
    ),
    "S4": (
        (
            lambda seen: seen.killed,
            Cause(
                "forgotten at a restart",
                "An event came again after the shop was killed and started again, and it did not know the event any more.",
                "Store the event's id in the transaction that fulfils, under a unique constraint.",
            ),
        ),
        (
            lambda seen: any(entry.get("copy") or (entry.get("attempt") or 1) > 1 for entry, _ in seen.deliveries),
            Cause(
                "the same event twice",
                "The same event was delivered more than once, and each time the order was shipped.",
                "Store the event's id in the transaction that fulfils, under a unique constraint.",
            ),
        ),
        (
            lambda seen: True,
            Cause(
                "two ways to ship",
                "The order was shipped from more than one place: the page, the webhook, or a job.",
                "Ship only where the order goes from unpaid to PAID, in one transaction.",
            ),
        ),
    ),
    "S5": (
        (
            lambda seen: seen.killed,
            Cause(
                "acknowledged too early",
                "The shop answered 2xx, and its process was killed before the write was durable.",
                "Write first, in one transaction, and acknowledge after the commit.",
            ),
        ),
        (
            lambda seen: seen.order is not None and not seen.order.attempts,
            Cause(
                "event before its order",
                "The event told of an order that the shop did not know yet, and the shop acknowledged it.",
                "Refuse with 5xx what you cannot apply yet: it comes again.",
            ),
        ),
        (
            _refused_then_accepted,
            Cause(
                "marked as seen before it was applied",
                "The shop failed at the event, and acknowledged the next delivery of it without applying it.",
                "Store the event's id in the transaction that applies it, so that neither stands alone.",
            ),
        ),
        (
            lambda seen: seen.failed_inside,
            Cause(
                "error swallowed",
                "The shop answered 2xx, and its log has an error: the handler failed and acknowledged all the same.",
                "Answer 5xx when the handler fails: the gateway sends the event again.",
            ),
        ),
        (
            lambda seen: True,
            Cause(
                "event ignored",
                "The shop answered 2xx and did nothing with the event: no process died, and its log has no error of the handler.",
                "Apply charge.succeeded to the order that it names, whatever state the page left it in.",
            ),
        ),
    ),
    "S6": (
        (
            lambda seen: _forged_and_accepted(seen, "signature absent"),
            Cause(
                "no signature asked for",
                "A webhook without a signature was believed.",
                "Refuse what is not signed with the endpoint's secret.",
            ),
        ),
        (
            lambda seen: _forged_and_accepted(seen, "signature retired"),
            Cause(
                "retired secret",
                "A webhook was believed that is signed with a secret whose time is over.",
                "Forget the old secret when the overlap ends.",
            ),
        ),
        (
            lambda seen: _spoiled_and_accepted(seen, "stale") or _forged_and_accepted(seen, "signature valid"),
            Cause(
                "timestamp not compared",
                "A recording of an old webhook was believed: its signature is right, and its time long over.",
                "Refuse a timestamp that is more than five minutes from now.",
            ),
        ),
        (
            lambda seen: True,
            Cause(
                "signature not verified",
                "A webhook whose signature does not fit its bytes was believed.",
                "Compute the signature over the raw bytes with the endpoint's secret, and compare in constant time.",
            ),
        ),
    ),
    "S7": (
        (
            lambda seen: (
                any(fact_of(entry).endswith(".failed") for entry, _ in seen.deliveries)
                or any(each.event_type.endswith(".failed") for each in seen.history.posted)
            ),
            Cause(
                "late failure",
                "News of an attempt that failed came late, and was applied to an order that another attempt had paid.",
                "Tie each event to its attempt: the failure of one says nothing of another.",
            ),
        ),
        (
            lambda seen: True,
            Cause(
                "older news",
                "Older news overwrote newer: events come in any order.",
                "Let only legal transitions through, whatever comes last.",
            ),
        ),
    ),
    "S8": (
        (
            _too_much,
            Cause(
                "more than was asked for",
                "A single capture or refund asked for more than staff had.",
                "Capture what the parcel costs and give back what staff asked for: take the amount from the request.",
            ),
        ),
        (
            _echo,
            Cause(
                "the webhook's echo",
                "A webhook told of a refund whose answer had come already, and the shop made another refund of it.",
                "Tie the event to the refund that was asked for, by its id.",
            ),
        ),
        (
            lambda seen: bool(seen.unknown("charges.capture") or seen.unknown("refunds.create")),
            Cause(
                "repeated without its key",
                "The answer was lost, and the capture or refund was repeated without a key or under a new one.",
                "Store a key with each capture and refund before the call, and repeat under it.",
            ),
        ),
        (
            lambda seen: len(seen.done("refunds.create")) > 1 or len(seen.done("charges.capture")) > 1,
            Cause(
                "made twice",
                "Each call was answered, and more were made than staff had asked for.",
                "Make one call for each wish: store the wish before the call, and mark it done with its answer.",
            ),
        ),
    ),
    "S9": (
        (
            _stolen("card"),
            Cause(
                "card number kept",
                "The page sent a card number to the shop, and the shop kept or printed what it was sent.",
                "Take nonces alone: refuse what looks like a card number, and log ids, not bodies.",
            ),
        ),
        (
            lambda seen: True,
            Cause("secret kept", "A key or a signing secret was printed or stored.", "Log no headers with credentials."),
        ),
    ),
    "L1": (
        (
            lambda seen: seen.order is not None and seen.order.status == "CANCELLED" and seen.order.cancelled,
            Cause(
                "cancelled while paying",
                "The customer cancelled while a payment was under way, and the shop let go of the order without a look at it.",
                "Settle the open attempt first: cancel when its outcome is known, and give back what was taken.",
            ),
        ),
        (
            lambda seen: seen.order is not None and seen.order.status == "CANCELLED" and not seen.order.cancelled,
            Cause(
                "closed while the outcome was unknown",
                "A timer or a job closed the order before the outcome of its payment was known.",
                f"Before an order is closed, {_LOOK}, and void what is there.",
            ),
        ),
        (
            lambda seen: seen.refused(409) and seen.order is not None and seen.order.status == "FAILED",
            Cause(
                "409 taken for a failure",
                "The gateway answered 409: the first call was still at work. The shop took that for a failure.",
                "Repeat the call under its key after Retry-After: it gets the answer of the first.",
            ),
        ),
        (
            lambda seen: seen.order is not None and seen.order.status == "FAILED",
            Cause(
                "unknown taken for a failure",
                "The call had no answer in time, or a 5xx, though it had charged; the shop took that for a failure.",
                "Without a clear answer the outcome is unknown: keep the order pending, and repeat under the same key.",
            ),
        ),
        (
            lambda seen: seen.killed,
            Cause(
                "killed between charge and commit",
                "The process was killed after the call, and nothing learned the outcome later.",
                f"Store the attempt before the call; at start and now and then, {_LOOK} for attempts without an outcome.",
            ),
        ),
        (
            lambda seen: seen.acknowledged("charge.succeeded"),
            Cause(
                "event acknowledged and not applied",
                "The shop acknowledged the event of the payment and did not apply it: it may not have known the order yet.",
                "Refuse with 5xx what you cannot apply yet: it comes again.",
            ),
        ),
        (
            lambda seen: bool(seen.asked("charges.create")),
            Cause(
                "outcome never learned",
                "The answer to the call was lost or too late, and neither a webhook nor a look-up told the shop.",
                f"Reconcile: now and then {_LOOK} for attempts without an outcome.",
            ),
        ),
    ),
    "L2": (
        (
            lambda seen: bool(seen.history.never_back),
            Cause(
                "the shop does not come back",
                "The shop was killed, and ended by itself when it was started again.",
                "Let it start on what a killed process leaves: locks, half-written files, open rows.",
            ),
        ),
        (
            lambda seen: seen.refused(422),
            Cause(
                "key refused",
                "The gateway refused the call, since its key was used with another request before.",
                "Give a changed attempt a key of its own.",
            ),
        ),
        (
            lambda seen: seen.refused(429),
            Cause(
                "429 taken for a verdict",
                "The gateway was busy and did nothing (429); the shop took that for a decline.",
                "Repeat the call under its key after Retry-After.",
            ),
        ),
        (
            lambda seen: bool(seen.unknown("charges.create")),
            Cause(
                "unknown never resolved",
                "The outcome of the call is unknown to the shop, and nothing resolves it.",
                f"Repeat the call under its key, or {_LOOK}, until the outcome is known.",
            ),
        ),
        (
            lambda seen: not seen.asked("charges.create"),
            Cause(
                "never asked",
                "The gateway was never asked to charge this order.",
                "Store the attempt before the call, and take up at start what has no call yet.",
            ),
        ),
    ),
    "L3": (
        (
            _accepts_other_types,
            Cause(
                "unknown type",
                "The shop fails at an event type that it does not know.",
                "Answer 2xx to types that you do not use.",
            ),
        ),
        (
            lambda seen: "odd JSON" in seen.how(),
            Cause(
                "JSON written anew",
                "The event's JSON has unusual white space: the signature was computed over JSON that was read and written again.",
                "Verify the raw bytes of the body, before any parsing.",
            ),
        ),
        (
            lambda seen: re.search(r"signed -?[1-9]\d* s ago", seen.how()) is not None,
            Cause(
                "no clock skew allowed",
                "The event was signed by a clock that differs by less than five minutes, and the shop refused it.",
                "Allow five minutes in either direction.",
            ),
        ),
        (
            lambda seen: seen.noted("signing secret rotated"),
            Cause(
                "rotation",
                "The secret was being rotated, and an event bore two signatures; the shop knows or reads only one.",
                "Accept an event if any of its signatures fits any secret in force.",
            ),
        ),
        (
            lambda seen: "too late" in seen.message,
            Cause(
                "too slow",
                "The shop did its work before it answered, and took longer than a webhook may (15 s).",
                "Note the event, answer 2xx, and work on it after that.",
            ),
        ),
        (
            lambda seen: re.search(r"\b(400|401|403)\b", seen.message) is not None,
            Cause(
                "genuine event refused",
                "The shop refused a genuine event, as if its signature were wrong: usually JSON that was read and written again.",
                "Verify the raw bytes of the body, before any parsing; and check that the endpoint's secret is the one in force.",
            ),
        ),
        (
            lambda seen: re.search(r"\b5\d\d\b", seen.message) is not None,
            Cause(
                "handler fails",
                "The shop's handler failed each time the event came.",
                "The shop's log says at what; an event that asks for nothing deserves a 2xx.",
            ),
        ),
    ),
    "L4": (
        (
            lambda seen: seen.killed,
            Cause(
                "killed between PAID and the parcel",
                "The process was killed after it had written PAID and before it fulfilled.",
                "Write the intent to fulfil, an outbox row, in the transaction that marks the order paid.",
            ),
        ),
        (
            lambda seen: True,
            Cause(
                "a way to PAID that ships nothing",
                "The order became PAID by a way that fulfils nothing; no process died.",
                "Fulfil where the order goes to PAID, whoever brings the news: the page, the webhook, or a look-up.",
            ),
        ),
    ),
    "L5": (
        (
            lambda seen: any(answer.get("replayed") for _, answer in seen.asked("charges.create")) or seen.refused(422),
            Cause(
                "old key for a new card",
                "The second card went out under the first one's key, and got the stored decline or a refusal.",
                "An attempt with a known outcome is over: the next one gets a new key.",
            ),
        ),
        (
            lambda seen: True,
            Cause(
                "order closed for good",
                "The order was closed after the decline, and another card could not open it again.",
                "Let a FAILED order take another attempt.",
            ),
        ),
    ),
    "L6": (
        (
            lambda seen: (
                seen.order is not None and any(each.status == FAILED_REFUND for each in seen.history.refunds_of(seen.order))
            ),
            Cause(
                "refund came back unheard",
                "The bank sent the refund back, and the shop still shows it as made.",
                "Listen to refund.failed, and take the refund out of the order again.",
            ),
        ),
        (
            lambda seen: (
                len({call.get("idempotency_key") for call, _ in seen.asked("refunds.create")}) == 1
                and seen.order is not None
                and len(seen.order.asked_to("refund")) > 1
            ),
            Cause(
                "one key for two refunds",
                "Two refunds went out under one key, so the second was the first once more, and gave nothing back.",
                "Give each refund a key of its own, and store it before the call.",
            ),
        ),
        (
            lambda seen: bool(seen.unknown("refunds.create")),
            Cause(
                "lost answer taken for a refund",
                "The call for the refund had no answer, or a 5xx, and the shop took it for made.",
                "Repeat the call under its key until its outcome is known, and book the refund only then.",
            ),
        ),
        (
            lambda seen: any(400 <= (answer.get("status") or 0) < 500 for _, answer in seen.asked("refunds.create")),
            Cause(
                "refused refund promised",
                "The gateway refused the refund, and the shop promised or booked it all the same.",
                "Read the answer to the refund before you promise it, and show that it was refused.",
            ),
        ),
        (
            lambda seen: True,
            Cause(
                "refund never asked for",
                "The shop promised a refund that it never asked the gateway to make, or only in part.",
                "Store the wish before the call, and take up at start what has no call yet.",
            ),
        ),
    ),
    "P1": (
        (
            lambda seen: "without a key" in seen.message,
            Cause(
                "no key",
                "The call was repeated without any Idempotency-Key.",
                "Store a key with the attempt before the first call.",
            ),
        ),
        (
            lambda seen: True,
            Cause(
                "new key too early",
                "The call was repeated under a new key, though the first might have charged.",
                "Keep the key until the outcome is known; only then is the next attempt another one.",
            ),
        ),
    ),
    "P2": (
        (
            lambda seen: "Retry-After" in seen.message,
            Cause("Retry-After ignored", "The gateway had said when to come back.", "Wait at least as long as Retry-After says."),
        ),
        (
            lambda seen: True,
            Cause(
                "no backoff",
                "The call was repeated in a loop whose pauses do not grow.",
                "Double the pause from try to try, add some chance, and give up for the time being after a few.",
            ),
        ),
    ),
    "P3": (
        (
            lambda seen: True,
            Cause(
                "key not of the attempt",
                "The key is bound to what outlives the attempt: the order, the customer, or the cart before it changed.",
                "Bind a key to one attempt and its exact body.",
            ),
        ),
    ),
    "books": (
        (
            lambda seen: (
                seen.order is not None and any(each.status == FAILED_REFUND for each in seen.history.refunds_of(seen.order))
            ),
            Cause(
                "refund came back unheard",
                "The bank sent the refund back, and the shop's books still have it.",
                "Listen to refund.failed, and take the refund out of the books again.",
            ),
        ),
        (
            lambda seen: any(400 <= (answer.get("status") or 0) < 500 for _, answer in seen.asked("refunds.create")),
            Cause(
                "refused refund booked",
                "The gateway refused the refund, and the shop booked it all the same.",
                "Book a refund by the answer to it, or by its webhook, and not when it is asked for.",
            ),
        ),
        (
            lambda seen: (
                any(answer.get("replayed") for _, answer in seen.asked("refunds.create")) and not seen.unknown("refunds.create")
            ),
            Cause(
                "one key for two refunds",
                "Two refunds went out under one key, so the second was the first once more, and the shop booked both.",
                "Give each refund a key of its own, and store it before the call.",
            ),
        ),
        (
            lambda seen: True,
            Cause(
                "refund booked twice",
                "The shop booked the refund when it asked for it, and again when the webhook told of it.",
                "Tie the event to the refund that was asked for, by its id or your own reference.",
            ),
        ),
    ),
    "expect": (
        (
            lambda seen: seen.order is not None and any(not attempt.answered for attempt in seen.order.attempts),
            Cause(
                "customer left without an answer",
                "The shop gave the customer no answer in a step of the story, and ended otherwise than a correct one does.",
                "The diagram shows the step; the story's own text says what a correct shop does there.",
            ),
        ),
        (
            lambda seen: True,
            Cause(
                "another end",
                "No oracle objects, and yet the order did not end as the story says a correct shop's does.",
                "The story's own text says what a correct shop does there: gatecrash explain expect.",
            ),
        ),
    ),
}


def cause_of(history: History, violation: Violation) -> Cause | None:
    """The first cause of the violation's code whose evidence is in the history; None where none is."""
    seen = Evidence(history, violation)
    return next((cause for fits, cause in CAUSES.get(violation.oracle, ()) if fits(seen)), None)
