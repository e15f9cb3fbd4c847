"""Each cause of a violation, by a history whose evidence fits it; and runs of one cause told together, the worst first."""

from dataclasses import replace
from typing import Any

import pytest

from gatecrash.harness.history import Ask, Attempt, Charge, History, Note, Order, Posted, Refund
from gatecrash.harness.oracles import EXPECTATION, ORACLES, Violation
from gatecrash.harness.oracles.causes import CAUSES, cause_of
from gatecrash.harness.report import by_cause
from gatecrash.harness.run import Outcome
from gatecrash.harness.story import load_all

VISA = Attempt(card="visa", nonce="nonce_1", told="PAID", detail="200")
KILLED = {"notes": (Note(0, "shop", "shop", "killed"),)}


def run(told: Order | None = None, *charges: Charge, **changes: Any) -> History:
    return History(story="by-hand", merchant="nobody", orders=(told or order(),), charges=charges or (charge(),), **changes)


def order(status: str = "PAID", **changes: Any) -> Order:
    return Order(**{"id": "o1", "amount": 4200, "currency": "usd", "statuses": (status,), "attempts": (VISA,), **changes})


def charge(amount: int = 4200, **changes: Any) -> Charge:
    made = {"id": "txn_1", "order": "o1", "status": "succeeded", "amount": amount, "amount_captured": amount}
    return Charge(**{**made, "amount_refunded": 0, "currency": "usd", **changes})


def calls(*told: tuple[str, str | None, int | None], sources: str = "", more: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    """Calls one after the other: operation, key, and what each was answered; None where it was not."""
    journal: list[dict[str, Any]] = []
    for number, (operation, key, status) in enumerate(told):
        common = {"request_id": f"r{number}", "operation": operation, "order_id": "o1"}
        journal.append({**common, "kind": "request", "changes": True, "idempotency_key": key, "amount": 1000})
        if sources:
            journal[-1]["source"] = f"nonce_{sources[number]}"
        if status is not None:
            journal.append({**common, "kind": "answer", "status": status})
    return {"journal": (*journal, *more)}


def told(*statuses: int | None, event_type: str = "charge.succeeded", **more: Any) -> dict[str, Any]:
    delivery = {"kind": "delivery", "event_type": event_type, "event_id": "evt_1", "order_id": "o1"}
    journal = tuple({**delivery, "attempt": number, "status": status} for number, status in enumerate(statuses, 1))
    return {"journal": journal, "order_by_event": {"evt_1": "o1"}, **more}


def posted(how: str, *, genuine: bool = False, status: int = 200, event_type: str = "charge.succeeded") -> dict[str, Any]:
    return {"posted": (Posted(order="o1", event="evt_9", event_type=event_type, genuine=genuine, how=how, status=status),)}


def noted(text: str) -> dict[str, Any]:
    return {"notes": (Note(0, "customer", "shop", text),)}


def echo() -> dict[str, Any]:
    first, answer, again, done = calls(("refunds.create", "a", 201), ("refunds.create", "b", 201))["journal"]
    webhook = {"kind": "delivery", "event_type": "refund.succeeded", "event_id": "evt_1", "order_id": "o1", "status": 200}
    return {"journal": (first, answer, webhook, again, done)}


CREATE, REFUND = "charges.create", "refunds.create"
PRESSED_TWICE = order(attempts=(VISA, replace(VISA, nonce="nonce_2", early=True)))
FAILED_FIRST = replace(VISA, nonce="nonce_0", told="error", detail="502")
ASKED_TWICE = order(
    asks=(Ask(kind="refund", amount=1000, at_ms=0, status=200), Ask(kind="refund", amount=1000, at_ms=1, status=200))
)
FAILED_REFUND = Refund(id="r1", charge="txn_1", amount=1000, at_ms=0, status="failed")
#: oracle, cause → a history with the evidence of it; the message, where that is part of the evidence.
SHOWN: dict[tuple[str, str], History | tuple[History, str]] = {
    ("S1", "key after its life"): run(**calls((CREATE, "k", 201), (CREATE, "k", 201))),
    ("S1", "no key"): run(**calls((CREATE, None, 201), (CREATE, None, 400), (CREATE, None, 201), sources="112")),
    ("S1", "key forgotten at a restart"): run(**calls((CREATE, "a", None), (CREATE, "b", 201), sources="11"), **KILLED),
    ("S1", "two keys for one payment"): run(**calls((CREATE, "a", None), (CREATE, "b", 201), sources="11")),
    ("S1", "409 taken for a failure"): run(
        order(attempts=(FAILED_FIRST, VISA)), **calls((CREATE, "a", 409), (CREATE, "b", 201), sources="01")
    ),
    ("S1", "unknown taken for a failure"): run(
        order(attempts=(FAILED_FIRST, VISA)), **calls((CREATE, None, None), (CREATE, None, 201), sources="01")
    ),
    ("S1", "two payments at once"): run(PRESSED_TWICE, **calls((CREATE, None, 201), (CREATE, None, 201), sources="12")),
    ("S1", "charge without a key"): run(**calls((CREATE, None, 201), (CREATE, None, 201), sources="12")),
    ("S1", "killed between charge and commit"): run(**calls((CREATE, "a", 201), (CREATE, "b", 201), sources="12"), **KILLED),
    ("S1", "new key after a lost answer"): run(**calls((CREATE, "a", None), (CREATE, "b", 201))),
    ("S1", "charged though known to be paid"): run(**calls((CREATE, "a", 201), (CREATE, "b", 201))),
    ("S2", "other currency"): run(None, charge(currency="eur")),
    ("S2", "price of the browser"): run(None, charge(1), **noted("pays with visa, and says it costs 0.01 usd")),
    ("S2", "currency without cents"): run(order(amount=500, currency="jpy"), charge(50000, currency="jpy")),
    ("S2", "wrong unit"): run(None, charge(42)),
    ("S2", "float"): run(order(amount=29), charge(28)),
    ("S3", "forged return"): run(None, charge(0), **noted("comes back with status=paid")),
    ("S3", "forged event"): run(None, charge(0), **posted("charge.succeeded, signature absent")),
    ("S3", "amount not compared"): run(None, charge(1, elsewhere=True)),
    ("S3", "expired authorization"): run(None, charge(amount_captured=0, status="expired")),
    ("S3", "cancelled, then captured"): run(None, charge(amount_captured=0, status="voided")),
    ("S3", "refused key taken for a payment"): run(None, charge(order="o2"), **calls((CREATE, "customer", 422))),
    ("S3", "under way taken for paid"): run(None, charge(0, status="failed"), **calls((CREATE, "k", 202))),
    ("S3", "too little charged"): run(None, charge(1)),
    ("S3", "refund made elsewhere"): run(
        None, charge(), refunds=(Refund(id="r1", charge="txn_1", amount=4200, at_ms=0, elsewhere=True),)
    ),
    ("S3", "no answer taken for success"): run(None, charge(order="o2"), **calls((CREATE, "k", None))),
    ("S4", "forgotten at a restart"): run(**KILLED),
    ("S4", "the same event twice"): run(**told(None, 200)),
    ("S4", "two ways to ship"): run(**told(200)),
    ("S5", "acknowledged too early"): run(**told(200, **KILLED)),
    ("S5", "event before its order"): run(order(attempts=()), **told(200)),
    ("S5", "marked as seen before it was applied"): run(**told(503, 200)),
    ("S5", "error swallowed"): run(
        **told(200, log="Traceback (most recent call last):\n  File 'app.py', line 3, in webhook\nKeyError: 'order'")
    ),
    ("S5", "event ignored"): run(**told(200, log="charges.create: ServerDisconnectedError\nPOST /pay 402")),
    ("S6", "no signature asked for"): run(**posted("charge.succeeded, signature absent")),
    ("S6", "retired secret"): run(**posted("charge.succeeded, signature retired")),
    ("S6", "timestamp not compared"): run(**posted("charge.succeeded, signature valid, signed 900 s ago")),
    ("S6", "signature not verified"): run(**posted("charge.succeeded, signature wrong")),
    ("S7", "late failure"): run(**told(200, event_type="charge.failed")),
    ("S7", "older news"): run(**told(200)),
    ("S8", "more than was asked for"): run(order(asks=(Ask(kind="refund", amount=500, at_ms=0),)), **calls((REFUND, "k", 201))),
    ("S8", "the webhook's echo"): run(order(asks=(Ask(kind="refund", amount=1000, at_ms=0),)), **echo()),
    ("S8", "repeated without its key"): run(
        order(asks=(Ask(kind="refund", amount=1000, at_ms=0),)), **calls((REFUND, "a", None), (REFUND, "b", 201))
    ),
    ("S8", "made twice"): run(
        order(asks=(Ask(kind="refund", amount=1000, at_ms=0),)), **calls((REFUND, "a", 201), (REFUND, "b", 201))
    ),
    ("S9", "card number kept"): (run(), "the merchant's log holds the number of the card visa"),
    ("S9", "secret kept"): (run(), "the merchant's log holds the secret key"),
    ("L1", "cancelled while paying"): run(order("CANCELLED", cancelled=True)),
    ("L1", "closed while the outcome was unknown"): run(order("CANCELLED")),
    ("L1", "409 taken for a failure"): run(order("FAILED"), **calls((CREATE, "k", None), (CREATE, "k", 409))),
    ("L1", "unknown taken for a failure"): run(order("FAILED"), **calls((CREATE, "k", 500))),
    ("L1", "killed between charge and commit"): run(order("PENDING"), **KILLED, **calls((CREATE, "k", 201))),
    ("L1", "event acknowledged and not applied"): run(order("PENDING"), **told(200)),
    ("L1", "outcome never learned"): run(order("PENDING"), **calls((CREATE, "k", None))),
    ("L2", "the shop does not come back"): run(order("PENDING"), never_back="another one is running"),
    ("L2", "key refused"): run(order("PENDING"), **calls((CREATE, "k", 422))),
    ("L2", "429 taken for a verdict"): run(order("FAILED"), **calls((CREATE, "k", 429))),
    ("L2", "unknown never resolved"): run(order("PENDING"), **calls((CREATE, "k", None))),
    ("L2", "never asked"): run(order("PENDING")),
    ("L3", "unknown type"): (
        run(**posted("x", genuine=True, status=500, event_type="loyalty.points_earned")),
        "loyalty.points_earned evt_9 was sent 3 times and never accepted; the answers were: 500, 500, 500",
    ),
    ("L3", "JSON written anew"): (
        run(**posted("charge.succeeded, signature valid, signed 0 s ago, odd JSON", genuine=True, status=401)),
        "charge.succeeded evt_9 was sent 1 time and never accepted; the answers were: 401",
    ),
    ("L3", "no clock skew allowed"): (
        run(**posted("charge.succeeded, signature valid, signed -60 s ago, compact JSON", genuine=True, status=401)),
        "charge.succeeded evt_9 was sent 1 time and never accepted; the answers were: 401",
    ),
    ("L3", "rotation"): (
        run(**told(401), notes=(Note(0, "gateway", "gateway", "signing secret rotated, the old one retires in 604800 s"),)),
        "charge.succeeded evt_1 was sent 1 time and never accepted; the answers were: 401",
    ),
    ("L3", "too slow"): (
        run(**told(None)),
        "charge.succeeded evt_1 was sent 1 time and never accepted; the answers were: too late",
    ),
    ("L3", "genuine event refused"): (
        run(**told(401)),
        "charge.succeeded evt_1 was sent … and never accepted; the answers were: 401",
    ),
    ("L3", "handler fails"): (run(**told(500)), "charge.succeeded evt_1 was sent … and never accepted; the answers were: 500"),
    ("L4", "killed between PAID and the parcel"): run(**KILLED),
    ("L4", "a way to PAID that ships nothing"): run(),
    ("L5", "old key for a new card"): run(order("FAILED"), **calls((CREATE, "k", 402), (CREATE, "k", 422))),
    ("L5", "order closed for good"): run(order("FAILED"), **calls((CREATE, "k", 402))),
    ("L6", "refund came back unheard"): run(refunds=(FAILED_REFUND,)),
    ("L6", "one key for two refunds"): run(ASKED_TWICE, **calls((REFUND, "k", 201), (REFUND, "k", 201))),
    ("L6", "lost answer taken for a refund"): run(**calls((REFUND, "k", None))),
    ("L6", "refused refund promised"): run(**calls((REFUND, "k", 409))),
    ("L6", "refund never asked for"): run(),
    ("P1", "no key"): (run(), "order o1: r1 had asked for the same; this came without a key."),
    ("P1", "new key too early"): (run(), "order o1: r1 had asked for the same; this came under a new key."),
    ("P2", "Retry-After ignored"): (run(), "order o1: Retry-After was 1 s, and the call came again after 0.1 s."),
    ("P2", "no backoff"): (run(), "order o1: Try 4 under one key; the pauses between them did not grow."),
    ("P3", "key not of the attempt"): run(),
    ("books", "refund came back unheard"): run(refunds=(FAILED_REFUND,)),
    ("books", "refused refund booked"): run(**calls((REFUND, "k", 409))),
    ("books", "one key for two refunds"): run(
        **calls(
            (REFUND, "k", 201),
            more=(
                {"kind": "request", "request_id": "again", "operation": REFUND, "changes": True},
                {"kind": "answer", "request_id": "again", "operation": REFUND, "status": 201, "replayed": True},
            ),
        )
    ),
    ("books", "refund booked twice"): run(),
    (EXPECTATION, "customer left without an answer"): run(
        order(attempts=(Attempt(card="visa", nonce="n", told="error", detail="no answer"),))
    ),
    (EXPECTATION, "another end"): run(),
}


@pytest.mark.parametrize(("oracle", "name"), SHOWN)
def test_a_cause_is_told_where_its_evidence_is(oracle: str, name: str) -> None:
    shown = SHOWN[oracle, name]
    history, message = shown if isinstance(shown, tuple) else (shown, "order o1 is wrong")
    cause = cause_of(history, Violation(oracle, message))
    assert cause is not None
    assert cause.name == name


def test_every_cause_is_of_an_oracle_and_has_a_history_that_shows_it() -> None:
    assert set(CAUSES) <= {*ORACLES, EXPECTATION}
    assert {(code, cause.name) for code, several in CAUSES.items() for _, cause in several} == set(SHOWN)


def test_runs_of_one_cause_are_told_together_and_the_worst_first() -> None:
    stories = {story.name: story for story in load_all()}

    def outcome(name: str, history: History, *codes: str) -> Outcome:
        found = tuple(Violation(code, "order o1 is wrong") for code in codes)
        return Outcome(story=stories[name], merchant="nobody", history=history, violations=found, seconds=1)

    lost = run(**calls((CREATE, "a", None), (CREATE, "b", 201)))
    groups = by_cause([
        outcome("happy-path", run()),
        outcome("busy-gateway", run(), "P2"),
        outcome("lost-response", lost, "S1", "L1"),
        outcome("double-click", SHOWN["S1", "two payments at once"], "S1"),
        outcome("timeout", lost, "L1", "S1"),
    ])  # fmt: skip
    assert [(each.code, [outcome.story.name for outcome in each.outcomes]) for each in groups] == [
        ("S1", ["lost-response", "timeout"]), ("S1", ["double-click"]), ("P2", ["busy-gateway"]),
    ]  # fmt: skip
    assert groups[0].heading == "S1 charged twice: new key after a lost answer, in 2 stories"


def test_a_call_of_the_harness_is_no_evidence_against_the_shop() -> None:
    refused = calls((REFUND, "k", 409))
    of_the_shop = cause_of(run(**refused), Violation("L6", "order o1 is wrong"))
    of_the_harness = cause_of(run(**refused, by_harness=frozenset({"r0"})), Violation("L6", "order o1 is wrong"))
    assert [each and each.name for each in (of_the_shop, of_the_harness)] == ["refused refund promised", "refund never asked for"]
