"""Making an event happen, by doing what causes it: a table from event types to what customers and merchants do."""

import os
from base64 import b32encode
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import quote

from gatecrash.client.call import Json, given
from gatecrash.client.errors import GatewayError
from gatecrash.client.sandbox import VISA, Sandbox

__tracebackhide__ = True  # pytest shows the line of the test instead

# more timers than lie between any of these deeds and what comes of it, those of other objects included
_TIMERS_MAX = 500


class Terms(NamedTuple):
    """What is sold to whom. `card`: a test number. `amount`, of an existing charge: the part that is captured or refunded."""

    amount: int | None = None
    currency: str = "usd"
    order_id: str | None = None
    card: str = VISA
    metadata: Mapping[str, str] | None = None

    @property
    def price(self) -> int:
        return 4200 if self.amount is None else self.amount


class CannotActOn(Exception):
    """The event cannot come of the charge that was named; the message says why, and what to do."""


class Happened(Exception):
    """Something else came of it: `types` of the events that did happen."""

    def __init__(self, wanted: str, types: list[str]) -> None:
        super().__init__(f"no {wanted} came of it; what happened instead: {', '.join(types) or 'nothing'}.")
        self.types = types


class Run:
    """One event being made. `made` holds the ids of what came into being, by kind."""

    def __init__(self, sandbox: Sandbox, terms: Terms, tell: Callable[[str], object]) -> None:
        self.sandbox, self.terms, self._tell = sandbox, terms, tell
        self.made: dict[str, str] = {}
        self.part: int | None = None  # of an existing charge
        self._before: frozenset[str] = frozenset()

    def act_on(self, charge: Json) -> None:
        """Go on with a charge that is there; what has happened to it so far is none of this run's events."""
        self.made["charge"], self.part = charge["id"], self.terms.amount
        self._before = frozenset(event["id"] for event in self.events())
        self._tell(f"took the charge {charge['id']}, which is {charge['status']}")

    def did(self, deed: str, made: Json) -> None:
        self.made[made["object"]] = made["id"]
        self._tell(f"{deed}: {made['id']} is {made['status']}")

    def post(self, path: str, **body: Any) -> Json:
        answer: Json = self.sandbox.request("POST", path, given(**body), idempotency_key=_new_key())
        return answer

    def events(self, wanted: str = "") -> list[Json]:
        """What happened to what was made, oldest first."""
        ours = set(self.made.values())
        found = self.sandbox.events(type=wanted or None)
        return [
            event
            for event in reversed(found)
            if event["id"] not in self._before and ours & {v for v in event["data"].values() if isinstance(v, str)}
        ]

    def wait_for(self, wanted: str) -> Json:
        """The event, with the sandbox's clock moved from timer to timer until it has happened. Raises Happened."""
        for _ in range(_TIMERS_MAX):
            if found := self.events(wanted):
                return found[-1]
            clock = self.sandbox.clock.show()
            if clock["next_timer_at"] is None:
                break
            self._move_to(datetime.fromisoformat(clock["next_timer_at"]), datetime.fromisoformat(clock["now"]))
        raise Happened(wanted, [event["type"] for event in self.events()])

    def _move_to(self, due: datetime, now: datetime) -> None:
        seconds = max(0.0, (due - now).total_seconds())
        moved = self.sandbox.clock.advance(seconds)
        if seconds >= 1:
            self._tell(f"moved the sandbox's clock to {moved['now']}")


def _new_key() -> str:
    """An idempotency key, as a good client sends one. Few of its characters are digits: none is taken for a card number."""
    return b32encode(os.urandom(10)).decode().lower()


Step = Callable[[Run], None]


def charge(run: Run, *, capture: bool = True) -> None:
    terms = run.terms
    try:
        made = run.sandbox.charge(
            terms.price, terms.currency, card=terms.card, capture=capture, order_id=terms.order_id,
            metadata=terms.metadata, idempotency_key=_new_key(),
        )  # fmt: skip
    except GatewayError as error:
        if error.charge_id is None:
            raise
        made = run.sandbox.request("GET", f"/v1/charges/{error.charge_id}")  # declined is an outcome too
    run.did("authorized a card" if not capture else "charged a card", made)


def authorize(run: Run) -> None:
    charge(run, capture=False)


def capture(run: Run) -> None:
    run.did("captured it", run.post(f"/v1/charges/{run.made['charge']}/capture", amount=run.part))


def void(run: Run) -> None:
    run.did("voided it", run.post(f"/v1/charges/{run.made['charge']}/void"))


def refund(run: Run) -> None:
    run.did("refunded it", run.post(f"/v1/charges/{run.made['charge']}/refunds", amount=run.part))


def debit(run: Run) -> None:
    account = {"routing_number": "110000000", "account_number": _ACCOUNT}
    nonce = run.sandbox.request("POST", "/v1/tokens", {"bank_account": account}, key=run.sandbox.publishable_key)["id"]
    terms = run.terms
    body = {"amount": terms.price, "currency": terms.currency, "payment_nonce": nonce, "order_id": terms.order_id}
    run.did("debited a bank account", run.post("/v1/charges", **body, metadata=terms.metadata))


def be_disputed(run: Run) -> None:
    run.did("the customer disputed it", run.wait_for("dispute.opened")["data"])


def answer_well(run: Run) -> None:
    run.did("sent evidence that wins", run.post(f"/v1/disputes/{run.made['dispute']}/evidence", text="winning_evidence"))


def subscribe(run: Run) -> None:
    terms = run.terms
    method = _save(run, terms.card)
    body = {"payment_method": method, "amount": terms.price, "currency": terms.currency, "order_id": terms.order_id}
    run.did("saved a card and charged it for the first month", run.post("/v1/subscriptions", **body, metadata=terms.metadata))


def switch_to_a_bad_card(run: Run) -> None:
    method = _save(run, _SAVES_THEN_DECLINES)
    run.did("put a bad card in its place", run.post(f"/v1/subscriptions/{run.made['subscription']}", payment_method=method))


def cancel(run: Run) -> None:
    run.did("canceled it", run.post(f"/v1/subscriptions/{run.made['subscription']}/cancel"))


def _save(run: Run, card: str) -> str:
    return str(run.post("/v1/payment_methods", payment_nonce=run.sandbox.nonce(card))["id"])


class Recipe(NamedTuple):
    """`steps` are done in turn, then the clock moves until the event has happened. `card`: the test card that does it.

    `acts`: the first step only makes a charge, and the event may as well come of a charge that is there.
    """

    steps: tuple[Step, ...]
    card: str = VISA
    acts: bool = False


_DECLINED = "4000000000000002"
_REFUND_FAILS = "4000000000005126"
_DISPUTED = "4000000000000259"
_INQUIRED = "4000000000001976"
_SAVES_THEN_DECLINES = "4000000000000341"
_ACCOUNT = "000123456789"

RECIPES: dict[str, Recipe] = {
    "charge.succeeded": Recipe((charge,)),
    "charge.failed": Recipe((charge,), _DECLINED),
    "charge.authorized": Recipe((authorize,)),
    "charge.processing": Recipe((debit,)),
    "charge.captured": Recipe((authorize, capture), acts=True),
    "charge.voided": Recipe((authorize, void), acts=True),
    "charge.expired": Recipe((authorize,), acts=True),
    "refund.succeeded": Recipe((charge, refund), acts=True),
    "refund.failed": Recipe((charge, refund), _REFUND_FAILS, acts=True),
    "dispute.opened": Recipe((charge,), _DISPUTED, acts=True),
    "dispute.updated": Recipe((charge, be_disputed, answer_well), _DISPUTED, acts=True),
    "dispute.funds_withdrawn": Recipe((charge,), _DISPUTED, acts=True),
    "dispute.funds_reinstated": Recipe((charge, be_disputed, answer_well), _DISPUTED, acts=True),
    "dispute.won": Recipe((charge, be_disputed, answer_well), _DISPUTED, acts=True),
    "dispute.lost": Recipe((charge,), _DISPUTED, acts=True),
    "dispute.closed": Recipe((charge, be_disputed, answer_well), _INQUIRED, acts=True),
    "subscription.created": Recipe((subscribe,)),
    "subscription.renewed": Recipe((subscribe,)),
    "subscription.past_due": Recipe((subscribe, switch_to_a_bad_card)),
    "subscription.updated": Recipe((subscribe, switch_to_a_bad_card)),
    "subscription.canceled": Recipe((subscribe, cancel)),
}


def trigger(
    sandbox: Sandbox,
    event_type: str,
    terms: Terms | None = None,
    tell: Callable[[str], object] = str,
    *,
    charge_id: str | None = None,
) -> Json:
    """Make an event of this type happen; the event. `tell` hears what is done, in words, as it is done.

    `terms`: what is sold; by default 42.00 usd to the card that the recipe wants. It comes of the charge `charge_id`, or of the
    newest charge of the order that `terms` name, where the type can come of an existing charge; else a new charge is made. Raises
    KeyError for a type without a recipe, CannotActOn, Happened when something else came of it, GatewayError, GatewayUnreachable.
    """
    recipe = RECIPES[event_type]
    run = Run(sandbox, terms or Terms(card=recipe.card), tell)
    existing = _existing(run, event_type, charge_id)
    if existing is not None:
        run.act_on(existing)
    for step in recipe.steps if existing is None else recipe.steps[1:]:
        step(run)
    return run.wait_for(event_type)


def _existing(run: Run, event_type: str, charge_id: str | None) -> Json | None:
    """The charge that the event is to come of; None if one is to be made."""
    recipe, sandbox = RECIPES[event_type], run.sandbox
    if not recipe.acts:
        if charge_id is not None:
            raise CannotActOn(f"{event_type} comes of a charge of its own, and none was expected; leave the charge out.")
        return None
    found: Json
    if charge_id is not None:
        found = sandbox.request("GET", f"/v1/charges/{quote(charge_id, safe='')}")
    else:
        of_the_order = [] if run.terms.order_id is None else sandbox.charges(order_id=run.terms.order_id)
        paid = [each for each in of_the_order if each["status"] not in ("failed", "voided", "expired")]
        if not paid:
            return None
        found = paid[0]
    last4 = (found["card"] or {}).get("last4")
    if recipe.card != VISA and last4 != recipe.card[-4:]:
        paid_with = f"a card that ends in {last4}" if last4 else "a bank account"
        raise CannotActOn(
            f"{event_type} comes of a charge of the test card {recipe.card}, and {found['id']} was paid with {paid_with}; "
            "pay the order with that card, or leave the charge out."
        )
    return found
