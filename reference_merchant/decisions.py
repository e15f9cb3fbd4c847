"""Every choice that a payment bug can get wrong, one small function each.

The shop asks these and nothing else; a mutant (see `mutants/`) is a subclass that answers one of them badly.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any

from . import signatures
from .config import Config
from .gateway_client import Answer
from .model import Attempt, Modification, Order, captured_of
from .seams import Ids
from .store import Store

if TYPE_CHECKING:
    from aiohttp import web

    from .checkout import Checkout
    from .modifications import Modifications
    from .webhooks import Webhooks

Json = dict[str, Any]


class Verdict(Enum):
    """What an answer says about the one attempt it was given for."""

    KNOWN = "the gateway shows the charge or refund"
    DECLINED = "the card was declined, nothing was charged"
    REFUSED = "the gateway will not do this, and did not do it by this call"
    UNKNOWN = "it may have happened or not: ask again, with the same key"


# 4xx that speak of this call and not of the attempt: our credentials, our pace, or a twin still at work
UNDECIDED = frozenset({401, 403, 408, 409, 425, 429})
# what may be done to a charge while its order is
ALLOWED: Mapping[str, frozenset[str]] = {
    "capture": frozenset({"AUTHORIZED", "PARTIALLY_PAID"}),
    "void": frozenset({"AUTHORIZED"}),
    "refund": frozenset({"PAID", "PARTIALLY_PAID", "PARTIALLY_REFUNDED"}),
}


class Decisions:
    """The right answers."""

    relaxes: tuple[str, ...] = ()  # rules of schema.sql that this shop does without
    reconciles = True
    returns_surplus = True  # a charge that pays for nothing is given back
    unknown_order_status = 409  # not a 2xx: the webhook may have overtaken the order and must come again

    def __init__(self, config: Config) -> None:
        self.config = config

    def set_up(self, checkout: Checkout) -> None:
        """Called when the shop is built, for those who need more of it."""

    # The click

    async def pay(self, checkout: Checkout, order: Order, body: Json) -> Attempt:
        """Take a payment: write down the attempt, then call. `body` is what the browser sent, checked."""
        return await checkout.take_payment(order, body)

    def price_agreed(self, order: Order, shown: int | None) -> bool:
        """What the browser says that the page showed is compared with the price, and never charged."""
        return shown is None or shown == order.amount

    def amount_to_charge(self, order: Order, body: Json) -> int:
        """The shop's price, whatever the browser says."""
        return order.amount

    def joins(self, attempt: Attempt, nonce: str) -> bool:
        """A click while an attempt is open is about that attempt, also if it brings a new nonce."""
        return True

    def payable(self, order: Order) -> bool:
        """Whether an order without an open attempt may have a new one."""
        return order.status in ("PENDING", "FAILED")

    def new_key(self, order: Order, nonce: str, last: Attempt | None, ids: Ids) -> str:
        """One key for each attempt: never of the order (a second card needs its own) nor of the nonce."""
        return ids("key")

    async def came_back(self, checkout: Checkout, order: Order, query: Mapping[str, str]) -> None:
        """A browser returns by an address that anybody can type: it is a reason to ask, and proves nothing."""
        await checkout.ask_about(order.id)

    # The call

    def key_to_send(self, attempt: Attempt, tries: int, last: Answer | None) -> str | None:
        """The stored key, at every try (`last` is what the one before brought) and from every channel."""
        return attempt.idempotency_key

    def key_of_modification(self, modification: Modification, tries: int) -> str | None:
        """The same for captures, voids and refunds."""
        return modification.idempotency_key

    def body_of_modification(self, modification: Modification) -> str:
        """The stored body, with the modification's own id as the reason: two equal refunds are two."""
        return modification.request_body

    def looks_first(self) -> bool:
        """Before a call is taken up again later, look whether it was done: keys are forgotten."""
        return True

    def look_decides(self, found: Answer) -> bool:
        """Whether looking was enough. What is not there may still be on its way: then send it again."""
        return found.status != 404

    def tries_again(self, tries: int) -> bool:
        """Whether an unknown outcome is asked for once more while the customer waits."""
        return tries < self.config.retry_attempts

    def retry_pause_s(self, key: str, tries: int, retry_after: float | None) -> float:
        """Exponential back-off with a cap, spread by the key so that shoppers do not return all at once.

        When the gateway says how long it wants to be left alone, that is the least.
        """
        pause = min(self.config.retry_cap_s, self.config.retry_base_s * 2 ** (tries - 1))
        spread = hashlib.blake2b(f"{key} {tries}".encode(), digest_size=2).digest()
        return float(max(pause * (0.5 + int.from_bytes(spread, "big") / 131072), retry_after or 0))

    def read(self, answer: Answer) -> Verdict:
        """What an answer means. No answer, a 5xx or gibberish is no failure: the outcome is unknown."""
        if answer.status is None or answer.status >= 500 or answer.status in UNDECIDED:
            return Verdict.UNKNOWN
        if answer.status in (200, 201) and all(isinstance(answer.body.get(n), str) for n in ("id", "status")):
            return Verdict.KNOWN
        if answer.status == 402 and answer.code == "card_declined":
            return Verdict.DECLINED
        return Verdict.REFUSED if 400 <= answer.status < 500 and answer.code else Verdict.UNKNOWN

    def stays_open(self, attempt: Attempt, answer: Answer) -> bool:
        """An attempt whose outcome is unknown when the customer has waited long enough stays so, for as long as it takes."""
        return True

    def refusal_stands(self, found: Answer) -> bool:
        """A refusal of our call ends the attempt only when the gateway also shows no charge of it.

        The nonce may be used up because an earlier call of ours did go through.
        """
        return found.status == 404

    def belongs(self, attempt: Attempt, charge: Json) -> bool:
        """Whether a charge is of this very attempt; that it is of the same order says nothing."""
        if attempt.charge_id is not None and charge.get("id") == attempt.charge_id:
            return True
        metadata = charge.get("metadata")
        if isinstance(metadata, dict) and "attempt" in metadata:
            return bool(metadata["attempt"] == attempt.id)
        return attempt.nonce is not None and charge.get("payment_nonce") == attempt.nonce

    # The outcome

    def fits(self, attempt: Attempt, charge: Json) -> bool:
        """Whether a charge is of the amount and currency asked for, and takes as much of it at once as it was to take."""
        if (charge.get("amount"), charge.get("currency")) != (attempt.amount, attempt.currency):
            return False
        whole = charge["status"] == "succeeded" and attempt.captures_at_once
        return captured_of(charge) == attempt.amount if whole else captured_of(charge) <= attempt.amount

    def is_news(self, attempt: Attempt, captured: int) -> bool:
        """Whether what a charge shows is no older than what we know: captures only grow, and what is settled stays so."""
        settled = attempt.state in ("succeeded", "lapsed")
        return captured > attempt.amount_captured or (captured == attempt.amount_captured and not settled)

    def failure_counts(self, attempt: Attempt) -> bool:
        """A failure closes the attempt it is about, if that is open, and touches nothing else."""
        return attempt.state == "open"

    def status_after_failure(self, order: Order, code: str) -> str:
        """What the failure of an attempt makes of its order: nothing when another one pays for it."""
        return "FAILED" if order.status == "PENDING" else order.status

    def pays(self, order: Order) -> bool:
        """Whether a success makes the order paid; if it is already, or is cancelled, the money goes back."""
        return order.status in ("PENDING", "FAILED")

    def owe_goods(self, store: Store, order: Order) -> None:
        """Note the parcel in the transaction that makes the order paid."""
        store.execute("INSERT INTO outbox VALUES (?, 'pending')", order.id)

    # After the payment

    async def ship(self, modifications: Modifications, order: Order, amount: int | None) -> Modification:
        """Take the money for a parcel; the goods go out when it is taken, and not before."""
        return await modifications.modify("capture", order.id, amount)

    def allows(self, kind: str, order: Order) -> bool:
        """Whether the order's state allows a capture, void or refund."""
        return order.status in ALLOWED[kind]

    def allows_when_charged_back(self, kind: str) -> bool:
        """Whether a charge that is disputed allows it. No goods and no money go to somebody whose bank has the money already."""
        return kind == "void"

    def is_ours(self, refund: Modification, seen: Json) -> bool:
        """Whether a refund that a webhook tells of is this one of ours."""
        return refund.refund_id == seen["id"] or refund.id == seen.get("reason")

    def take_unknown(self, modification: Modification, answer: Answer) -> None:
        """A capture, void or refund whose outcome is unknown stays open, for as long as it takes; inside a transaction."""

    def refusal_closes(self, modification: Modification) -> str:
        """The state of a capture, void or refund that the gateway refused: it was not made."""
        return "failed"

    def can_come_back(self, refund: Modification) -> bool:
        """Whether a refund that was made, and that the gateway now says has failed, is one no more."""
        return True

    def may_change(self, order: Order, has_open_attempt: bool) -> bool:
        """Whether an order may be edited or cancelled: not while a payment of it may be under way."""
        return not has_open_attempt

    def hold_is_over(self, order: Order, has_open_attempt: bool, now: float) -> bool:
        """Whether the goods of an unpaid order are let go: never of one that may be paid after all."""
        return self.payable(order) and not has_open_attempt and now - order.created_at >= self.config.hold_s

    # The webhook

    def verify(self, headers: Mapping[str, str], raw: bytes, now: float) -> str:
        """The webhook's id, if the raw bytes are signed, and now; else SignatureError."""
        config = self.config
        return signatures.verify(headers, raw, config.webhook_secrets, now, config.webhook_tolerance_s)

    async def take_event(self, webhooks: Webhooks, webhook_id: str, event: Json, now: float) -> int:
        """Write what an event says, then acknowledge: the status to answer with."""
        return webhooks.apply(webhook_id, event, now)

    def knows_type(self, event_type: str) -> bool:
        """Whether an event is of a type that makes sense: new ones appear any day, and are no failure."""
        return True

    def is_new(self, store: Store, webhook_id: str, event_type: str, now: float) -> bool:
        """Note the event in the transaction that applies it; False if it was there."""
        written = store.execute("INSERT OR IGNORE INTO events VALUES (?, ?, ?)", webhook_id, event_type, now)
        return written.rowcount == 1

    # The log

    async def log_entry(self, entry: Json, request: web.Request) -> Json:
        """What the request log says: what the shop knows of a request, and nothing that was sent in it."""
        return entry
