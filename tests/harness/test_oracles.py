"""Each oracle, with a history that breaks its promise and one that narrowly keeps it."""

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from gatecrash.harness.history import Ask, Attempt, Charge, History, Note, Order, Posted, Refund
from gatecrash.harness.oracles import EXPECTATION, ORACLES, judge


def charge(number: int = 1, **changes: Any) -> Charge:
    made = Charge(
        id=f"txn_{number}",
        order="o1",
        status="succeeded",
        amount=4200,
        amount_captured=4200,
        amount_refunded=0,
        currency="usd",
    )
    return replace(made, **changes)


DECLINED = charge(status="failed", amount_captured=0)
HOLD = charge(2, status="authorized", amount_captured=0)
VISA = Attempt(card="visa", nonce="nonce_1", told="PAID")
VISA_FAILED = replace(VISA, told="FAILED")
NOBODY_THERE = replace(VISA, told="error", detail="ConnectionRefusedError: [Errno 111]")
SHOP_ERROR = replace(VISA, told="error", detail="500")
BAD_CARD = Attempt(card="declined", nonce="nonce_2", told="FAILED")


TRY_LATER = replace(VISA, told="error", detail="503")


def order(*statuses: str, asked: dict[str, int] | None = None, **changes: Any) -> Order:
    """Order o1; `asked` is what staff asked for before anything was done, and the shop said yes to."""
    asks = tuple(Ask(kind=kind, amount=amount, at_ms=0, status=200) for kind, amount in (asked or {}).items())
    placed = Order(
        id="o1", amount=4200, currency="usd", statuses=statuses or ("PAID",), fulfilments=1, attempts=(VISA,), asks=asks
    )
    return replace(placed, **changes)


def refunds_asked(*asks: tuple[int, int, int | None], kind: str = "refund") -> tuple[Ask, ...]:
    """At which millisecond, how much, and what the shop answered."""
    return tuple(Ask(kind=kind, amount=amount, at_ms=at_ms, status=status) for at_ms, amount, status in asks)


def disputed(ask: Ask) -> tuple[Ask, ...]:
    """What staff asked for when the shop knew that the customer's bank had the money."""
    return (replace(ask, charged_back=True),)


def made(*refunds: tuple[int, int], status: str = "succeeded", **changes: Any) -> dict[str, Any]:
    """Refunds of charge txn_1: at which millisecond, how much."""
    return {
        "refunds": tuple(
            Refund(id=f"re_{number}", charge="txn_1", amount=amount, at_ms=at_ms, status=status, **changes)
            for number, (at_ms, amount) in enumerate(refunds, 1)
        )
    }


def never_paid(*statuses: str, told: str = "FAILED", fulfilments: int = 0, **changes: Any) -> Order:
    """An order that the shop never called paid."""
    return order(*statuses, fulfilments=fulfilments, attempts=(replace(VISA, told=told),), **changes)


def history(told: Order, *charges: Charge, **changes: Any) -> History:
    return History(story="by-hand", merchant="nobody", orders=(told,), charges=charges, **changes)


def delivered(*answers: int | str | None) -> dict[str, Any]:
    """Attempts to deliver an event: what each was answered, or the error that there was instead."""
    delivery = {"kind": "delivery", "event_type": "charge.succeeded", "event_id": "evt_1"}
    return {"journal": tuple(delivery | outcome(answer) for answer in answers), "order_by_event": {"evt_1": "o1"}}


def outcome(answer: int | str | None) -> dict[str, Any]:
    return {"status": None, "error": answer} if isinstance(answer, str) else {"status": answer}


def posted(*answers: int | str | None, genuine: bool = False) -> dict[str, Any]:
    """A webhook made by hand and posted until it was accepted, and what it was answered, if not with silence."""
    by_hand = Posted(order="o1", event="evt_9", event_type="charge.succeeded", genuine=genuine, how="", status=None)
    return {
        "posted": tuple(
            replace(by_hand, timed_out=True) if answer == "timeout" else replace(by_hand, status=answer) for answer in answers
        )
    }


def spoiled(
    kind: str, *, attempts: tuple[int | str, ...] = (200,), answered: int | None = None, age_s: float | None = None
) -> dict[str, Any]:
    """The first of these attempts was spoiled by a fault; what the shop's own call was answered, if it made one."""
    label = {"event_type": "charge.succeeded", "order_id": "o1"}
    params = {} if age_s is None else {"age_s": age_s}
    fault = {"kind": "fault", "fault": kind, "station": "webhook.due", "attempt": 1, "params": params, **label}
    told = [
        {"kind": "delivery", "event_id": "evt_1", "attempt": number, **outcome(answer), **label}
        for number, answer in enumerate(attempts, 1)
    ]
    asked = [{"kind": "answer", "request_id": "r", "operation": "charges.get", "status": answered, "order_id": "o1"}]
    return {"journal": (fault, *told, *(asked if answered else ())), "order_by_event": {"evt_1": "o1"}}


def in_vain(*calls: tuple[float, str | None, int | None, int]) -> dict[str, Any]:
    """Charges that were asked for, and a look at what came of them that was answered with 503."""
    seen = {"request_id": "req_look", "operation": "charges.list", "at": "2026-03-31T12:00:50.000Z"}
    told = asked(*calls)
    return {**told, "journal": (*told["journal"], {**seen, "kind": "request"}, {**seen, "kind": "answer", "status": 503})}


CODES = {400: "nonce_expired", 409: "idempotency_key_in_use", 422: "idempotency_key_reused"}


def asked(*calls: tuple[float, str | None, int | None, int]) -> dict[str, Any]:
    """Charges of order o1 as the journal has them: at second, under key, answered (None: broken), amount."""
    journal: list[dict[str, Any]] = []
    for number, (second, key, status, amount) in enumerate(calls, 1):
        at = f"2026-03-31T12:00:{second:06.3f}Z"
        common = {"at": at, "request_id": f"req_{number}", "operation": "charges.create", "order_id": "o1"}
        journal += [
            {
                **common, "seq": 2 * number, "kind": "request", "method": "POST", "path": "/v1/charges", "idempotency_key": key,
                "amount": amount, "source": "nonce_1", "charge_id": None, "changes": True, "body": {"amount": amount},
            },
            {
                **common, "seq": 2 * number + 1, "kind": "answer",
                **({"status": status} if status else {"broken": "reset"}),
                **({"code": CODES[status]} if status in CODES else {}),
            },
        ]  # fmt: skip
    return {"journal": tuple(journal)}


def told_to_wait(*calls: tuple[float, str | None, int | None, int]) -> dict[str, Any]:
    """The same, and each answer of 409 asks for a second until the next try."""
    told = asked(*calls)["journal"]
    return {"journal": tuple({**each, "retry_after_s": 1} if each.get("status") == 409 else each for each in told)}


def presses(*seconds: float) -> tuple[Note, ...]:
    """Presses of the pay button at these times, just before the calls of `asked`."""
    return tuple(
        Note(
            round(datetime.fromisoformat(f"2026-03-31T12:00:{second:06.3f}Z").timestamp() * 1000),
            "customer",
            "shop",
            "pays",
            order=1,
        )
        for second in seconds
    )


def named(order_id: str | None, told: dict[str, Any], nonce: str = "nonce_1") -> dict[str, Any]:
    """The same where the shop gives the gateway another name of its order, or none."""
    brings = {"source": nonce}
    journal = (entry | {"order_id": order_id} | (brings if entry["kind"] == "request" else {}) for entry in told["journal"])
    return {**told, "journal": tuple(journal)}


def parts(operation: str, *calls: tuple[str | None, int | None, int], charge_id: str = "txn_1") -> dict[str, Any]:
    """Parts of a charge that were taken or given back, no rule being armed that would ask for its order: under key, answered
    (None: broken), amount.
    """
    path = f"/v1/charges/{charge_id}/{'capture' if operation == 'charges.capture' else 'refunds'}"
    told = asked(*((float(second), key, status, amount) for second, (key, status, amount) in enumerate(calls)))
    of_a_part = {"operation": operation, "path": path, "order_id": None, "source": None, "charge_id": charge_id}
    return {
        "journal": tuple(
            {**entry, **{name: of_a_part[name] for name in entry.keys() & of_a_part}, "charge_id": charge_id}
            for entry in told["journal"]
        )
    }


def told_in_between(*, latency_ms: float) -> tuple[dict[str, Any], ...]:
    """A lost answer, another charge half a second later, and the webhook about the first one, answered when that had begun."""
    lost, broken, again, answered = asked((0, "k1", None, 4200), (0.5, "k2", 201, 4200))["journal"]
    delivery = {
        "seq": 99, "at": "2026-03-31T12:00:00.600Z", "kind": "delivery", "event_type": "charge.failed", "event_id": "evt_1",
        "order_id": "o1", "endpoint_id": "we_1", "attempt": 1, "outcome": "succeeded", "status": 200, "error": None,
        "latency_ms": latency_ms,
    }  # fmt: skip
    return (lost, broken, again, delivery, answered)


PAID_ONCE = history(order(), charge())
TWO_PARTS = [("k1", None, 1000), ("k2", 201, 1000)]  # the answer to the first was lost
TRIED_IN_STEP = [(second, "k1", 503, 4200) for second in (0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4)]
TRIED_WITH_PATIENCE = [(second, "k1", 503, 4200) for second in (0, 0.2, 0.6, 1.4, 3.0, 6.2, 12.6, 25.4)]
KILLED_IN_STEP = tuple(
    Note(round(datetime.fromisoformat(f"2026-03-31T12:00:{second + 0.1:06.3f}Z").timestamp() * 1000), "shop", "shop", "killed")
    for second, *_ in TRIED_IN_STEP
)

VIOLATIONS = {
    "S1": [
        history(order(), charge(1), charge(2)),
        history(order(), charge(1), charge(2, amount_refunded=4100)),
    ],
    "S2": [
        history(order(), charge(amount=4100, amount_captured=4100)),
        history(order(), charge(currency="eur")),
        history(order("PENDING"), charge(amount=420000, amount_captured=0, status="authorized")),
        history(order(), charge(1, amount=1, amount_captured=1, elsewhere=True), charge(2, amount=4199, amount_captured=4199)),
    ],
    "S3": [
        history(order()),
        history(order(), charge(order="o2")),
        history(order(), charge(amount_captured=4199)),
        history(order(), charge(amount_refunded=1)),
        history(order(asked={"refund": 1000}), charge(amount_refunded=1001)),
        history(order(), charge(renewal=True)),
    ],
    "S4": [
        history(order(fulfilments=2), charge()),
        history(order(fulfilments=2, asks=refunds_asked((0, 4200, 200), kind="capture")), charge()),
        history(order(fulfilments=3, asks=refunds_asked((0, 1000, 200), (9, 3200, 200), kind="capture")), charge()),
        history(order(fulfilments=2, asks=refunds_asked((0, 4200, 200), (9, 4200, 409), kind="capture")), charge()),
    ],
    "S5": [
        history(order("PENDING"), charge(), **delivered(200)),
        history(order("FAILED"), charge(), **delivered(500, 204)),
        history(order("PENDING"), charge(), order_by_event={"evt_9": "o1"}, **posted(200, genuine=True)),
    ],
    "S6": [
        history(order(), charge(), **spoiled("forge")),
        history(order(), charge(), **spoiled("tamper")),
        history(order(), charge(), **spoiled("stale", attempts=(204, 500))),
        history(order(), charge(), **spoiled("stale", age_s=301)),
        history(order(), **posted(401, 200)),  # nothing was ever paid
        history(order(), DECLINED, **posted(200), **delivered(200)),
        history(order(), charge(), **posted(200)),  # a recording of what only it told
        history(order("AUTHORIZED"), **posted(200)),
    ],
    "S10": [
        history(order(asks=disputed(Ask(kind="refund", amount=2000, at_ms=5, status=200))), charge(), **made((6, 2000))),
    ],
    "S11": [
        history(order(asks=disputed(Ask(kind="capture", amount=2000, at_ms=5, status=200))), charge()),
        history(order(asks=disputed(Ask(kind="capture", amount=2000, at_ms=5, status=202))), charge()),
    ],
    "S9": [
        history(order(), charge(), log="card 4242424242424242 o1", secrets={"number of o1's card": "4242424242424242"}),
        history(order(), charge(), log="card 4242 4242-4242 4242", secrets={"number of o1's card": "4242424242424242"}),
        history(order(), charge(), log="Authorization: Bearer sk_test_x", secrets={"key of o1": "sk_test_x"}),
        history(order(), charge(), files={"shop.sqlite": "\x00\x014242424242424242\x00"}, secrets={"o1": "4242424242424242"}),
    ],
    "S7": [
        history(order("PENDING", "PAID", "FAILED"), charge()),
        history(order("PAID", "PENDING"), charge()),
        history(order("REFUNDED", "PAID"), charge()),
        history(order("AUTHORIZED", "PAID", "AUTHORIZED"), charge()),
        history(order("PARTIALLY_REFUNDED", "PAID"), charge()),
        history(order("CANCELLED", "PAID"), charge()),
        history(order("REFUNDED", "FAILED"), charge(), **made((9, 4200), status="failed")),
    ],
    "S8": [
        history(order(), charge(amount_captured=4201)),
        history(order(), charge(amount_refunded=4201)),
        history(order(), charge(), balanced=False),
        history(order("PARTIALLY_PAID", asked={"capture": 1200}), charge(amount_captured=1201)),
        history(order("PARTIALLY_REFUNDED", asked={"refund": 1000}), charge(amount_refunded=2000)),
        history(order(asked={"refund": 1000}), charge(1, amount_refunded=1001), charge(2, amount_refunded=4200)),
        # nobody asked for it
        history(order("PAID", "REFUNDED"), charge(amount_refunded=4200)),
        history(order("PENDING", "PARTIALLY_REFUNDED", attempts=(replace(VISA, told="PENDING"),)), charge(amount_refunded=1)),
        history(never_paid("REFUNDED", fulfilments=1), charge(amount_refunded=4200)),
        history(order("REFUNDED", asks=refunds_asked((0, 4200, 409))), charge(amount_refunded=4200)),
        # of two asks for the same, the first was done twice, and the second never
        history(
            order("PARTIALLY_REFUNDED", asks=refunds_asked((10, 1000, 202), (50, 1000, 200))),
            charge(amount_refunded=2000),
            **made((20, 1000), (30, 1000)),
        ),
    ],
    "books": [
        history(order("PARTIALLY_REFUNDED", refunded=2000), charge(amount_refunded=1000)),
        history(order(refunded=1)),
        history(order("REFUNDED"), charge()),
    ],
    "L1": [
        history(order("PENDING", "FAILED"), charge()),
        history(order("PENDING"), charge()),
        history(order("AUTHORIZED"), charge()),
        history(order("AUTHORIZED", "PARTIALLY_PAID"), charge()),
        history(order("PENDING"), charge(elsewhere=True)),
    ],
    "L2": [
        history(order("PENDING")),
        history(order("PENDING"), customer_gone=True, **asked((0, "k1", None, 4200))),
        history(order("FAILED", attempts=(VISA_FAILED, VISA_FAILED))),
        history(order("CANCELLED", attempts=(VISA_FAILED, VISA_FAILED))),
        # nobody is there any more, and the gateway never said no: it was busy, or did not answer
        history(order("FAILED", attempts=(VISA_FAILED,)), customer_gone=True, **asked((0, "k1", 429, 4200))),
        history(order("CANCELLED", attempts=(VISA_FAILED,)), customer_gone=True, **asked((0, "k1", None, 4200))),
        # whatever the shop calls the order at the gateway
        history(order("PENDING"), customer_gone=True, **named("7", asked((0, "k1", None, 4200)))),
        history(order("PENDING"), customer_gone=True, **named(None, asked((0, "k1", None, 4200)))),
        replace(
            history(order("FAILED", attempts=(VISA_FAILED,)), customer_gone=True, **named("7", asked((0, "k1", 429, 4200)))),
            orders=(order("FAILED", attempts=(VISA_FAILED,)), order("PENDING", id="7", attempts=())),
        ),
        # nobody was told that the card was declined: its answer was lost, or the customer is to wait
        history(order("PENDING", attempts=(BAD_CARD,)), DECLINED, customer_gone=True, **asked((0, "k1", None, 4200))),
        history(
            order("PENDING", attempts=(replace(BAD_CARD, told="PENDING", detail="202"),)),
            DECLINED,
            customer_gone=True,
            **asked((0, "k1", 402, 4200)),
        ),
        # "declined" is no "try again later", nor is a page that broke; and who is still there has tried again
        history(order("FAILED", attempts=(SHOP_ERROR,)), customer_gone=True, **asked((0, "k1", 429, 4200))),
        history(order("PENDING", attempts=(TRY_LATER,)), HOLD, customer_gone=True, **asked((0, "k1", 429, 4200))),
        history(order("CANCELLED", attempts=(TRY_LATER,)), customer_gone=True, **asked((0, "k1", 429, 4200))),
        history(order("PENDING", attempts=(TRY_LATER, TRY_LATER)), **asked((0, "k1", 429, 4200))),
        history(order("PENDING"), charge(amount_refunded=4200), customer_gone=True, **asked((0, "k1", None, 4200))),
    ],
    "L3": [
        history(order(), charge(), **delivered(400, None, 500)),
        history(order(), charge(), **posted(401, 401, genuine=True)),
        history(order(), charge(), **delivered("no answer within 15 s", "no answer within 15 s")),
        history(order(), charge(), **delivered("no answer within 15 s", None, 500)),
        history(order(), charge(), **posted("timeout", "timeout", genuine=True)),
        history(order(), charge(), **spoiled("forge", attempts=(401, 401))),
    ],
    "L4": [history(order(fulfilments=0), charge())],
    "L5": [
        history(order("FAILED", attempts=(BAD_CARD, VISA_FAILED)), DECLINED),
        history(order("FAILED", attempts=(BAD_CARD, VISA_FAILED)), DECLINED, replace(HOLD, status="voided")),
        history(order("FAILED", attempts=(BAD_CARD, NOBODY_THERE)), DECLINED),  # and it stayed so for as long as was tried
        history(order("FAILED", attempts=(BAD_CARD, SHOP_ERROR)), DECLINED, customer_gone=True),
        history(order("FAILED", attempts=(BAD_CARD, VISA_FAILED)), DECLINED, customer_gone=True, **in_vain((0, "k1", 402, 4200))),
        history(
            order("FAILED", attempts=(BAD_CARD, VISA_FAILED)), DECLINED, **asked((0, "k1", 400, 4200))
        ),  # who could come again
    ],
    "L6": [
        history(order("PARTIALLY_REFUNDED", asked={"refund": 1000}), charge()),  # never made
        history(order("PARTIALLY_REFUNDED", asked={"refund": 1000}), charge(amount_refunded=999)),  # too little
        history(order(asked={"refund": 1000}), charge()),
        history(order(asks=refunds_asked((0, 1000, 202))), charge()),
        # two refunds of the same amount, of which one was made
        history(order("PARTIALLY_REFUNDED", asks=refunds_asked((0, 1000, 200), (9, 1000, 200))), charge(amount_refunded=1000)),
        # staff did not ask, and the page says so
        history(order("REFUNDED"), charge()),
        # the bank has sent it back, and the shop goes on saying that it is the customer's
        history(order("REFUNDED", asked={"refund": 4200}), charge(), **made((9, 4200), status="failed")),
        history(order("REFUNDED", asked={"refund": 4200}, refunded=0), charge(), **made((9, 4200), status="failed")),
        history(order(asked={"refund": 1000}, refunded=1000), charge(), **made((9, 1000), status="failed")),
        # the gateway refused a refund, but of another order's charge
        history(
            order(asked={"refund": 1000}),
            charge(),
            charge(9, order="o2"),
            **parts("refunds.create", ("k1", 400, 4200), charge_id="txn_9"),
        ),
    ],
    "P1": [
        history(order(), charge(), **asked((0, "k1", None, 4200), (1, "k2", 201, 4200))),
        history(order(), charge(), **asked((0, "k1", 503, 4200), (1, None, 201, 4200))),
        history(order(), charge(), journal=told_in_between(latency_ms=50)),  # sent after it had asked again
        history(order(), charge(), journal=told_in_between(latency_ms=100)),  # or while it did
        # staff asked for one part, or two, and the shop for one more
        history(order(asked={"refund": 1000}), charge(), **parts("refunds.create", *TWO_PARTS)),
        history(order(asked={"capture": 1000, "refund": 4200}), charge(), **parts("charges.capture", *TWO_PARTS)),
        history(order(asked={"refund": 2000}), charge(), **parts("refunds.create", *TWO_PARTS, ("k3", 201, 1000))),
        history(order(asked={"refund": 1999}), charge(), **parts("refunds.create", (None, None, 1000), (None, 201, 1000))),
        # what was asked for was another order's, and this charge nobody's, as a surplus one is
        history(order(asked={"refund": 2000}), charge(), **parts("refunds.create", *TWO_PARTS, charge_id="txn_9")),
        history(order(asked={"refund": 2000}), charge(order="o2"), **parts("refunds.create", *TWO_PARTS)),
    ],
    "P2": [
        history(order(), charge(), **asked(*TRIED_IN_STEP)),
        # a retry loop behind each of two presses
        history(order(), charge(), notes=presses(0, 0.7), **asked(*TRIED_IN_STEP)),
        # sooner than the gateway had asked for, though only one press had begun it
        history(order(), charge(), notes=presses(0), **told_to_wait((0, "k1", 409, 4200), (0.5, "k1", 409, 4200))),
        # three calls for two presses
        history(
            order(),
            charge(),
            notes=presses(0, 0),
            **told_to_wait((0, "k1", 409, 4200), (0.1, "k1", 409, 4200), (0.5, "k1", 201, 4200)),
        ),
    ],
    "P3": [
        history(order(), charge(), **asked((0, "k1", 402, 4200), (1, "k1", 422, 4300))),
        history(order(asked={"refund": 3000}), charge(), **parts("refunds.create", ("k1", 201, 1000), ("k1", 422, 2000))),
        # parts, but one key for two of them
        history(
            order(asked={"refund": 2000}),
            charge(),
            **parts("refunds.create", ("k1", 201, 1000), ("k1", 422, 500), ("k2", 201, 500)),
        ),
    ],
}

NARROWLY_NOT = {
    "S1": [
        history(order(), charge(1), charge(2, amount_refunded=4200)),
        history(order(), charge(1), charge(2, status="failed", amount_captured=0)),
        history(order(), charge(1), charge(2, order="o2")),
        history(order(), charge(1), charge(2, status="voided", amount_captured=0)),
        history(order(), charge(1), charge(2, renewal=True), charge(3, renewal=True)),
    ],
    "S2": [
        history(order(), charge(), charge(2, amount=4100, amount_captured=0, status="failed")),
        history(order("PENDING"), charge(amount=1, amount_captured=1, elsewhere=True)),
    ],
    "S3": [
        history(order(), charge(1, amount_captured=2100), charge(2, amount_captured=2100)),
        history(order("REFUNDED"), charge(amount_refunded=4200)),
        # its shop has no word for an order of which a part went back
        history(order(asked={"refund": 1000}), charge(amount_refunded=1000)),
    ],
    "S4": [
        history(order(fulfilments=None), charge()),
        PAID_ONCE,
        history(
            order(fulfilments=2, asks=refunds_asked((0, 1000, 200), (9, 3200, 200), kind="capture")), charge()
        ),  # two parcels
    ],
    "S5": [
        history(order("PENDING"), charge(), **delivered(500)),
        history(order("PENDING"), charge(), **delivered(None)),
        history(order("PENDING"), charge(), order_by_event={"evt_9": "o1"}, **posted(200)),  # somebody made it up
        history(order("PENDING"), charge(amount_refunded=4200), **delivered(200)),
        history(order("PENDING"), charge(amount=1, amount_captured=1, elsewhere=True), **delivered(200)),
        history(order("PAID"), charge(), **delivered(200)),
    ],
    "S6": [
        history(order(), charge(), **spoiled("forge", attempts=(400, 200))),  # refused, then told honestly
        history(order("PENDING"), charge(), **spoiled("forge")),  # thanked for, and not acted on
        history(order(), charge(), **spoiled("stale", answered=200)),  # it had asked, too
        history(order(), charge(), **spoiled("duplicate")),
        history(order(), charge(), **spoiled("stale", age_s=300)),  # clocks may differ so much
        history(order(), charge(), **posted(200, genuine=True)),
        history(order("PENDING"), **posted(200)),
        history(order(), **posted(401, None)),  # paid for, as it thinks, but not for that reason: S3 has it
    ],
    "S10": [
        history(order(asks=(Ask(kind="refund", amount=2000, at_ms=5, status=200),)), charge(), **made((6, 2000))),  # untold
        history(order(asks=disputed(Ask(kind="refund", amount=2000, at_ms=5, status=409))), charge()),
        history(order(asks=disputed(Ask(kind="refund", amount=2000, at_ms=5, status=200))), charge(), **made((4, 2000))),
        history(
            order(asks=disputed(Ask(kind="refund", amount=2000, at_ms=5, status=200))),
            charge(),
            **made((6, 2000), status="failed"),
        ),
    ],
    "S11": [
        history(order(asks=(Ask(kind="capture", amount=2000, at_ms=5, status=200),)), charge()),
        history(order(asks=disputed(Ask(kind="capture", amount=2000, at_ms=5, status=409))), charge()),
        history(order(asks=disputed(Ask(kind="capture", amount=2000, at_ms=5))), charge()),  # nobody knows what became of it
    ],
    "S9": [
        history(order(), charge(), log="card ending 4242, 4242 orders", secrets={"number of o1's card": "4242424242424242"}),
        history(order(), charge(), log="all well", secrets={"signing secret": ""}),
        history(order(), charge(), files={"shop.sqlite": "424242424242"}, secrets={"number of o1's card": "4242424242424242"}),
    ],
    "S7": [
        history(order("PENDING", "FAILED", "PENDING", "PAID"), charge()),
        history(order("PAID", "DISPUTED", "PAID"), charge()),  # and won
        history(order("PAID", "REFUNDED"), charge(amount_refunded=4200)),
        history(order("AUTHORIZED", "PARTIALLY_PAID", "PAID"), charge()),
        history(order("FAILED", "CANCELLED")),
        history(order("PAID", "PARTIALLY_REFUNDED", "REFUNDED"), charge(amount_refunded=4200)),
        history(order("PAID", "REFUNDED", "PAID"), charge(), **made((9, 4200), status="failed")),  # the bank sent it back
    ],
    "S8": [
        history(order("PARTIALLY_PAID", asked={"capture": 1200}), charge(amount_captured=1200)),
        # a reversal after a time-out, in all its words; the customer of the last one pays again
        *(history(never_paid(status), charge(amount_refunded=4200)) for status in ("FAILED", "PENDING", "CANCELLED", "REFUNDED")),
        history(order(), charge(1, amount_refunded=4200), charge(2)),
        history(order("PAID", "CANCELLED", cancelled=True), charge(amount_refunded=4200)),
        history(order("PAID", "REFUNDED"), charge(amount_refunded=4200), **made((9, 4200), elsewhere=True)),
        # each ask done once; the second after the bank had sent back the first one
        history(
            order("PARTIALLY_REFUNDED", asks=refunds_asked((10, 1000, 200), (50, 1000, 200))),
            charge(amount_refunded=2000),
            **made((20, 1000), (60, 1000)),
        ),
        history(order(asks=refunds_asked((10, 1000, None))), charge(amount_refunded=0), **made((20, 1000), status="failed")),
        history(order(asks=refunds_asked((0, 4200, 409), kind="capture")), charge()),  # it was captured at once
        history(order("PARTIALLY_REFUNDED", asked={"refund": 1000}), charge(amount_refunded=1000)),
        # a second charge of the order was given back whole, by the shop itself
        history(order(asked={"refund": 1000}), charge(1, amount_refunded=1000), charge(2, amount_refunded=4200)),
    ],
    "books": [
        history(order("PARTIALLY_REFUNDED", refunded=1000), charge(amount_refunded=1000)),
        history(order(refunded=0), charge(1), charge(2, amount_refunded=4200)),  # what was taken twice is no refund of the order
        history(order("REFUNDED"), charge(amount_refunded=4200)),
    ],
    "L1": [
        history(order("FAILED"), charge(amount_refunded=4200)),
        history(order("REFUNDED"), charge(amount_refunded=4100)),
        history(order("PARTIALLY_PAID"), charge(amount_captured=4199)),
        history(order("AUTHORIZED"), charge(amount_captured=0, status="authorized")),
        history(order("PENDING"), charge(amount=1, amount_captured=1, elsewhere=True)),
        PAID_ONCE,
    ],
    "L2": [
        history(order("PENDING", attempts=())),
        # the customer left before the gateway heard of it; and the gateway tells the shop nothing, for ever
        history(order("PENDING"), customer_gone=True),
        history(order("PENDING"), customer_gone=True, **in_vain((0, "k1", 429, 4200))),
        history(order("FAILED", attempts=(VISA_FAILED,)), customer_gone=True, **asked((0, "k1", 402, 4200))),
        history(
            order("CANCELLED", attempts=(VISA_FAILED,)), customer_gone=True, **asked((0, "k1", 503, 4200), (1, "k1", 422, 4200))
        ),
        history(order("CANCELLED", attempts=(VISA_FAILED, VISA_FAILED), cancelled=True)),
        history(order("FAILED", attempts=(BAD_CARD,)), DECLINED),
        history(order("FAILED"), replace(HOLD, status="expired"), customer_gone=True),  # shipped too late, and nobody pays again
        history(order("PENDING"), charge()),
        history(order("FAILED", attempts=(VISA_FAILED,)), customer_gone=True, **named("7", asked((0, "k1", 402, 4200)))),
        # declined, and open to another card
        history(order("PENDING", attempts=(BAD_CARD,)), DECLINED, customer_gone=True, **asked((0, "k1", 402, 4200))),
        history(
            order("PENDING", attempts=(replace(BAD_CARD, told="PENDING", detail="402"),)),
            DECLINED,
            customer_gone=True,
            **named(None, asked((0, "k1", 402, 4200))),
        ),
        # "try again later", said to the customer, and nothing taken
        history(order("PENDING", attempts=(TRY_LATER,)), customer_gone=True, **asked((0, "k1", 429, 4200))),
        history(order("FAILED", attempts=(replace(TRY_LATER, detail="429"),)), customer_gone=True, **asked((0, "k1", 429, 4200))),
        # all that was taken went back
        history(
            order("FAILED", attempts=(VISA_FAILED,)),
            charge(amount_refunded=4200),
            customer_gone=True,
            **asked((0, "k1", None, 4200)),
        ),
        history(
            order("CANCELLED", attempts=(VISA_FAILED,)),
            replace(HOLD, status="voided"),
            customer_gone=True,
            **asked((0, "k1", None, 4200)),
        ),
        history(
            order("PENDING", attempts=(VISA_FAILED,)),
            replace(HOLD, status="voided"),
            customer_gone=True,
            **asked((0, "k1", None, 4200)),
        ),
    ],
    "L3": [
        history(order(), charge(), **delivered(400, 204)),
        history(order(id="o2"), charge(), **delivered(409, 409)),  # the order it is about was never placed
        history(order(), charge(), **delivered(None, None)),
        history(order(), charge(), **posted(401, 200, genuine=True)),
        history(order(), charge(), **posted(401, 401)),
        history(order(), charge(), **posted(None, None, genuine=True)),
        history(order(), charge(), **delivered("no answer within 15 s", 200)),  # once was enough
        history(order(), charge(), **delivered("Cannot connect to host", "Connection reset by peer")),  # nobody was there
        history(order(), charge(), **spoiled("forge", attempts=(401,))),
        history(order(), charge(), **spoiled("hang", attempts=("no answer within 15 s",))),  # the gateway's own doing
        history(order(), charge(), **posted("timeout", 200, genuine=True)),
    ],
    "L4": [history(order(fulfilments=None), charge()), history(order("PENDING", fulfilments=0), charge())],
    "L5": [
        history(order("FAILED", attempts=(BAD_CARD, BAD_CARD)), DECLINED),
        history(order("FAILED", attempts=(VISA_FAILED, BAD_CARD)), DECLINED),
        history(order("PAID", attempts=(BAD_CARD, VISA)), DECLINED, charge(2)),
        # paid, as far as the customer is concerned: held until it ships, held for too long, given back
        history(order("AUTHORIZED", attempts=(BAD_CARD, VISA)), DECLINED, HOLD),
        history(order("FAILED", attempts=(BAD_CARD, VISA)), DECLINED, replace(HOLD, status="expired")),
        history(order("REFUNDED", attempts=(BAD_CARD, VISA)), DECLINED, charge(2, amount_refunded=4200)),
        history(order("CANCELLED", attempts=(BAD_CARD, VISA_FAILED), cancelled=True), DECLINED),
        # the good card was brought before it was known that the other one is none, and nobody came again
        history(order("FAILED", attempts=(BAD_CARD, replace(VISA_FAILED, early=True))), DECLINED, customer_gone=True),
        # the gateway was down when the good card came, and has told nobody anything since
        history(order("PENDING", attempts=(BAD_CARD, VISA)), DECLINED, customer_gone=True, **in_vain((0, "k1", 402, 4200))),
        # the gateway was busy when the good card came, and its nonce had expired when the shop might ask again
        history(
            order("FAILED", attempts=(BAD_CARD, replace(VISA, told="PENDING"))),
            DECLINED,
            customer_gone=True,
            **asked((0, "k1", 429, 4200), (1, "k1", 400, 4200)),
        ),
        # who found nobody there, and went away, has not tried the shop; nor who was asked to try again later
        history(order("FAILED", attempts=(BAD_CARD, NOBODY_THERE)), DECLINED, customer_gone=True),
        history(order("FAILED", attempts=(BAD_CARD, TRY_LATER)), DECLINED, customer_gone=True),
        # the good card was charged, its answer was lost, and the shop let the charge go
        history(order("FAILED", attempts=(BAD_CARD, VISA_FAILED)), DECLINED, replace(HOLD, status="voided"), customer_gone=True),
    ],
    "L6": [
        history(order("PARTIALLY_REFUNDED", asked={"refund": 1000}), charge(amount_refunded=1000)),
        history(order("REFUNDED", asked={"refund": 4200}), charge(amount_refunded=4200)),
        # it was refused: nothing is captured yet
        history(order("AUTHORIZED", asks=refunds_asked((0, 4200, 409))), HOLD),
        history(order(asks=refunds_asked((0, 1000, 500))), charge()),  # nobody said that it would be
        # the second ask was a second click, since the first was not known to be done
        history(order("PARTIALLY_REFUNDED", asks=refunds_asked((0, 1000, 202), (9, 1000, 202))), charge(amount_refunded=1000)),
        history(order("PARTIALLY_REFUNDED", asks=refunds_asked((0, 1000, None), (9, 1000, 200))), charge(amount_refunded=1000)),
        # the bank has sent it back, or the gateway refused it, and the shop says so
        history(order("PAID", asked={"refund": 4200}), charge(), **made((9, 4200), status="failed")),
        history(order("PAID", asked={"refund": 4200}, refunded=0), charge(), **parts("refunds.create", ("k1", 400, 4200))),
        history(
            order("PARTIALLY_REFUNDED", asked={"refund": 2000}, refunded=1000),
            charge(amount_refunded=1000),
            **made((9, 1000), status="failed"),
        ),
        history(order("REFUNDED"), DECLINED),
    ],
    "P1": [
        history(order(), charge(), **asked((0, "k1", None, 4200), (1, "k1", 201, 4200))),
        history(order(), charge(), **asked((0, "k1", 402, 4200), (1, "k2", 201, 4200))),
        # the webhook had told it before it asked again, and was answered after that
        history(order(), charge(), journal=told_in_between(latency_ms=150)),
        # staff asked for two parts of the same amount, and no more than two were asked for, each as often as it took
        history(order(asked={"refund": 2000}), charge(), **parts("refunds.create", *TWO_PARTS)),
        history(order(asked={"capture": 2000}), charge(), **parts("charges.capture", *TWO_PARTS)),
        history(
            order(asked={"refund": 2000}), charge(), **parts("refunds.create", ("k1", 503, 1000), *TWO_PARTS, ("k1", 201, 1000))
        ),
    ],
    "P2": [
        history(order(), charge(), **asked(*TRIED_WITH_PATIENCE)),
        # a customer who clicks in step, and a shop without any retry loop
        history(order(), charge(), notes=presses(*(each[0] for each in TRIED_IN_STEP)), **asked(*TRIED_IN_STEP)),
        # two workers of one shop, each with a call of its own: neither knows what the other was told
        history(order(), charge(), notes=presses(0, 0.5), **told_to_wait((0, "k1", 409, 4200), (0.5, "k1", 201, 4200))),
        history(
            order(),
            charge(),
            notes=presses(0, 0),
            **told_to_wait((0, "k1", None, 4200), (0.1, "k1", 409, 4200), (0.5, "k1", 409, 4200), (1.5, "k1", 201, 4200)),
        ),
        # who was killed in between has forgotten how often it had tried
        history(order(), charge(), notes=KILLED_IN_STEP, **asked(*TRIED_IN_STEP)),
    ],
    "P3": [
        history(order(), charge(), **asked((0, "k1", 402, 4200), (1, "k2", 201, 4300))),
        history(order(), charge(), **asked((0, "k1", None, 4200), (1, "k1", 201, 4200))),
    ],
}


@pytest.mark.parametrize(("code", "finished"), [(code, each) for code, several in VIOLATIONS.items() for each in several])
def test_an_oracle_names_what_breaks_its_promise(code: str, finished: History) -> None:
    messages = list(ORACLES[code].judge(finished))
    assert messages, f"{code} said nothing about {finished}"
    assert all(
        "o1" in message or "txn_" in message or "evt_" in message or "req_" in message or "books" in message
        for message in messages
    )


@pytest.mark.parametrize(("code", "finished"), [(code, each) for code, several in NARROWLY_NOT.items() for each in several])
def test_an_oracle_is_silent_on_what_narrowly_keeps_its_promise(code: str, finished: History) -> None:
    assert list(ORACLES[code].judge(finished)) == []


def test_every_oracle_is_tried_both_ways_and_explains_itself() -> None:
    assert set(VIOLATIONS) == set(NARROWLY_NOT) == set(ORACLES)
    for code, each in ORACLES.items():
        assert each.code == code
        assert len(each.explanation) > 150, f"{code} owes a paragraph"
        assert "\n\n" not in each.explanation


def test_an_order_paid_once_and_shipped_once_offends_nobody() -> None:
    assert judge(PAID_ONCE) == []


def test_what_a_story_expects_is_judged_where_the_oracles_are_silent() -> None:
    finished = replace(PAID_ONCE, expect={"status": "REFUNDED", "captured": 0})
    assert [each.oracle for each in judge(finished)] == [EXPECTATION, EXPECTATION]
    twice = history(order(), charge(1), charge(2), expect={"captured": 4200})
    assert [each.oracle for each in judge(twice)] == ["S1"], "the expectation would only repeat it"
    assert judge(replace(PAID_ONCE, expect={"status": "PAID", "captured": 4200})) == []


UNMET = {"status": "PAID", "captured": 4200}


@pytest.mark.parametrize(
    "finished",
    [
        # told to try again later, and gone; or charged, given everything back, and gone
        history(order("PENDING", fulfilments=0, attempts=(TRY_LATER,)), customer_gone=True, expect=UNMET),
        history(never_paid("FAILED"), charge(amount_refunded=4200), customer_gone=True, expect=UNMET),
        # declined, and open to another card
        history(
            order("PENDING", attempts=(BAD_CARD,)), DECLINED, expect={"status": "FAILED", "captured": 0},
            **asked((0, "k1", 402, 4200)),
        ),
        # staff asked to give back what was not captured yet, and the shop said so
        history(
            order("PAID", asks=refunds_asked((10, 1000, 409))), charge(captured_ms=20),
            expect={"status": "PARTIALLY_REFUNDED", "captured": 3200},
        ),
    ],
)  # fmt: skip
def test_a_correct_shop_may_lead_a_story_to_another_end(finished: History) -> None:
    assert judge(finished) == []


@pytest.mark.parametrize(
    "finished",
    [
        history(order("FAILED", fulfilments=0, attempts=(BAD_CARD, BAD_CARD)), DECLINED, expect=UNMET),  # the customer is there
        history(
            order("PAID", asks=refunds_asked((30, 1000, 409))), charge(captured_ms=20),
            expect={"status": "PARTIALLY_REFUNDED", "captured": 3200},
        ),
        history(never_paid("CANCELLED", cancelled=True), DECLINED, expect={"status": "FAILED", "captured": 0}),
    ],
)  # fmt: skip
def test_but_not_to_any(finished: History) -> None:
    assert {each.oracle for each in judge(finished)} == {EXPECTATION}


def test_a_fault_belongs_to_its_own_attempt_where_orders_have_no_name_at_the_gateway() -> None:
    label = {"event_type": "charge.succeeded", "order_id": None, "attempt": 1}
    forged = {"kind": "fault", "fault": "forge", "station": "webhook.due", "params": {}, **label}
    first, second = ({"kind": "delivery", "event_id": f"evt_{number}", "status": 200, **label} for number in (1, 2))
    finished = replace(PAID_ONCE, journal=(forged, first | {"copy": True}, first, second))
    assert [(entry["event_id"], len(faults)) for entry, faults in finished.deliveries()] == [
        ("evt_1", 1),
        ("evt_1", 1),
        ("evt_2", 0),
    ]


def test_a_double_charge_says_how_much_was_taken_and_owed() -> None:
    [violation] = judge(history(order(), charge(1), charge(2)))
    assert violation.oracle == "S1"
    assert "84.00 usd taken, 42.00 usd owed" in violation.message


def test_what_a_shop_does_again_and_again_is_told_once() -> None:
    tries = [(seconds, None, 503, 4200) for seconds in range(4)]
    messages = [each.message for each in judge(history(order(), charge(), **asked(*tries))) if each.oracle == "P1"]
    assert len(messages) == len(set(messages)) == 1
