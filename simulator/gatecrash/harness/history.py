"""What a finished run leaves behind: the gateway's side, the merchant's side, and what the customer was
told.

Plain values, so that a judge needs nothing but a History, and a test can write one by hand. Amounts are
integers in minor units everywhere.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

PENDING, PAID, FAILED, PARTIALLY_PAID = "PENDING", "PAID", "FAILED", "PARTIALLY_PAID"
#: Of an order whose money a bank has taken back, where the shop has a word for it.
DISPUTED = "DISPUTED"
REFUNDED = frozenset({"REFUNDED", "PARTIALLY_REFUNDED"})
#: Statuses of an order whose payment the merchant knows of.
SHOWS_PAYMENT = frozenset({PAID, PARTIALLY_PAID, DISPUTED}) | REFUNDED
#: Statuses that end a customer's wish to pay: what is authorized is taken when the goods leave.
PAYMENT_MADE = SHOWS_PAYMENT | {"AUTHORIZED"}
#: Statuses that an order does not leave, and where it may still go: what was paid can be given back, or disputed. One that is
#: FAILED is open to another card.
TERMINAL: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        PAID: frozenset({"PARTIALLY_REFUNDED", "REFUNDED", DISPUTED}),
        "PARTIALLY_REFUNDED": frozenset({"REFUNDED", DISPUTED}),
        "REFUNDED": frozenset(),
        "CANCELLED": frozenset(),
    }
)

#: The note of a process that a story kills.
KILLED = "killed"
#: The gateway's status of a refund that came back.
FAILED_REFUND = "failed"
#: The HTTP status of "not known yet".
ACCEPTED = 202

#: How the note begins that a shop ended without being killed.
ENDED = "ended by itself"

#: A webhook signed longer ago, or further ahead, is a recording and not to be believed.
TOLERANCE_S = 300
#: A webhook that is not answered so soon was not delivered, and how the gateway's journal begins to say so.
WEBHOOK_ANSWER_S = 15.0
UNANSWERED = "no answer within"


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """A charge as the gateway keeps it. `order` is the merchant's order id it was made for, None when
    unknown; `elsewhere` when somebody with the merchant's keys made it, and not the shop; `renewal` when it pays for a later
    period of a subscription, and so for no order.
    """

    id: str
    order: str | None
    status: str
    amount: int
    amount_captured: int
    amount_refunded: int
    currency: str
    elsewhere: bool = False
    renewal: bool = False
    ref: str | None = None  #: the dialect's object that it is an attempt of
    captured_ms: int | None = None  #: when money was first taken, in sandbox time; None when that is not known

    @property
    def net(self) -> int:
        """Money taken and kept."""
        return self.amount_captured - self.amount_refunded


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """A refund as the gateway keeps it, made at `at_ms` of sandbox time. One that has `failed` gave nothing back."""

    id: str
    charge: str
    amount: int
    at_ms: int
    status: str = "succeeded"
    elsewhere: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What staff asked the shop to `capture` or to `refund`, at `at_ms` of sandbox time; `status` is the HTTP status of the
    shop's answer, None when there was none. `charged_back`: the shop had acknowledged by then that the customer's bank had taken
    the money back, and the bank had it still.
    """

    kind: str
    amount: int
    at_ms: int
    status: int | None = None
    charged_back: bool = False

    @property
    def refused(self) -> bool:
        """Whether the shop said no, such as for a refund of what is not captured yet."""
        return self.status is not None and 400 <= self.status < 500

    @property
    def promised(self) -> bool:
        """Whether the shop said yes."""
        return self.status is not None and 200 <= self.status < 300

    def may_repeat(self, before: "Ask") -> bool:
        """Whether this may be the one before once more: the same, while the shop had not said how that one ended."""
        return self.amount == before.amount and (before.status == ACCEPTED or not before.promised)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One press of the pay button: the card used and what the page told the customer.

    `told` is one of `PAID`, `PENDING`, `FAILED` (any word of the merchant's vocabulary), or `error` when
    the page gave no outcome at all: a refused connection, a 5xx, a page that never came.
    """

    card: str
    nonce: str
    told: str
    detail: str = ""  #: the HTTP status, or why there was none
    early: bool = False  #: pressed while nobody had told the customer yet what became of the press before

    @property
    def answered(self) -> bool:
        """Whether the shop answered at all, be it with an error."""
        return self.told != "error" or self.detail.isdigit()


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One order: what was agreed with the customer, what the merchant said of it, how often it was tried.

    `statuses` are the distinct statuses the merchant showed, in order, the last being its final word (empty
    when it never answered). `fulfilments` and `refunded`, what it has booked as given back, are None when the
    merchant does not tell. `asks` are what its staff asked for, oldest first.
    """

    id: str
    amount: int
    currency: str
    statuses: tuple[str, ...] = ()
    fulfilments: int | None = None
    refunded: int | None = None
    attempts: tuple[Attempt, ...] = ()
    cancelled: bool = False  #: by the customer's own wish
    asks: tuple[Ask, ...] = ()

    @property
    def status(self) -> str:
        return self.statuses[-1] if self.statuses else "unknown"

    @property
    def refund_promised(self) -> int:
        """What the shop said yes to give back. An ask like the one before it, of which the outcome was not known yet, may be
        taken for a second click.
        """
        asks = self.asked_to("refund")
        pairs = zip((None, *asks), asks, strict=False)
        return sum(ask.amount for before, ask in pairs if ask.promised and not (before and ask.may_repeat(before)))

    def asked_to(self, kind: str) -> tuple[Ask, ...]:
        """What staff asked for of this kind, and the shop did not refuse."""
        return tuple(ask for ask in self.asks if ask.kind == kind and not ask.refused)

    @property
    def asked(self) -> Mapping[str, int]:
        """The sums of that by kind, in minor units; a kind is missing when staff asked for none of it."""
        kinds = dict.fromkeys(ask.kind for ask in self.asks if not ask.refused)
        return {kind: sum(ask.amount for ask in self.asked_to(kind)) for kind in kinds}

    @property
    def shown_as_paid(self) -> bool:
        """Whether the shop ever told the customer that the payment was made, or shipped as if it was."""
        told = {*self.statuses, *(attempt.told for attempt in self.attempts)} & PAYMENT_MADE
        return bool(told - {"REFUNDED"}) or bool(self.fulfilments)


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """A webhook that no delivery of the gateway's was: made by hand and posted to the shop, and what it answered; `status` is
    None when it did not, `timed_out` when it had taken it and stayed silent for as long as the gateway would wait.

    `genuine` when it is signed with a secret in force, at a time that may be believed. `how` says what is odd about it.
    """

    order: str
    event: str
    event_type: str
    genuine: bool
    how: str
    status: int | None
    timed_out: bool = False


@dataclass(frozen=True, slots=True)
class Note:
    """Something that the gateway's journal cannot know: what the customer did and was told, and who was killed.

    `at_ms` is the world's wall clock; `source` and `target` are `customer`, `shop` or `gateway`, the same for both
    where it happened to that one. `fault`: whether it is one that struck. `order`: the number of the order it is about, the
    first being 1; 0 for none.
    """

    at_ms: int
    source: str
    target: str
    text: str
    fault: bool = False
    order: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A finished run. `order_by_event` says whose order an event is about; `journal` holds the gateway's
    journal entries as the control API gives them, oldest first.
    """

    story: str
    merchant: str
    orders: tuple[Order, ...]
    charges: tuple[Charge, ...] = ()
    refunds: tuple[Refund, ...] = ()
    journal: tuple[Mapping[str, Any], ...] = ()
    by_harness: frozenset[str] = frozenset()  #: requests in the journal that the harness made, and not the shop
    order_by_event: Mapping[str, str | None] = field(default_factory=dict)
    balanced: bool = True
    customer_gone: bool = False
    never_back: str = ""  #: how the merchant ended when it was started again, if it never came back
    not_asked: frozenset[str] = frozenset()  #: codes of oracles that could go by nothing that this merchant shows
    unfired: tuple[str, ...] = ()  #: the story's faults that never struck: this run proves nothing about them
    expect: Mapping[str, Any] | None = None
    notes: tuple[Note, ...] = ()
    posted: tuple[Posted, ...] = ()
    log: str = ""  #: what the merchant printed and logged
    files: Mapping[str, str] = field(default_factory=dict)  #: what else it left in its scratch directory, by name
    secrets: Mapping[str, str] = field(default_factory=dict)  #: what must not stand in it, by what it is

    def charges_of(self, order: Order) -> tuple[Charge, ...]:
        """Those that pay for it, or tried to: no renewal does."""
        return tuple(charge for charge in self.charges if charge.order == order.id and not charge.renewal)

    def too_early(self, ask: Ask, order: Order) -> bool:
        """Whether staff asked to give back what was not taken yet, and the shop refused that."""
        taken = [charge.captured_ms for charge in self.charges_of(order) if charge.captured_ms is not None]
        return ask.kind == "refund" and ask.refused and all(at_ms > ask.at_ms for at_ms in taken)

    def refunds_of(self, order: Order) -> tuple[Refund, ...]:
        """Those of its charges, oldest first, also those that failed."""
        charges = {charge.id for charge in self.charges_of(order)}
        return tuple(sorted((each for each in self.refunds if each.charge in charges), key=lambda each: each.at_ms))

    def captured(self, order: Order) -> int:
        """Net money taken for this order: captured minus refunded, over all its charges."""
        return sum(charge.net for charge in self.charges_of(order))

    def paid_for(self, order: Order) -> int:
        """The same without charges that the shop need not take for a payment: made by somebody else, of another price."""
        price = (order.amount, order.currency)
        return sum(each.net for each in self.charges_of(order) if not each.elsewhere or (each.amount, each.currency) == price)

    def deliveries(self) -> Iterator[tuple[Mapping[str, Any], tuple[Mapping[str, Any], ...]]]:
        """Each attempt to deliver a webhook, with the faults that had struck it, oldest first."""
        struck: dict[tuple[Any, ...], tuple[Mapping[str, Any], ...]] = {}
        for entry in self.journal:
            kind = entry.get("kind")
            if kind in ("fault", "delivery"):
                label = (entry.get("event_type"), entry.get("order_id"), entry.get("attempt"))
                if kind == "delivery":
                    # a copy comes before what it is one of, and orders that have no id at the gateway share their labels
                    yield entry, struck.get(label, ()) if entry.get("copy") else struck.pop(label, ())
                elif entry.get("attempt") is not None:
                    struck[label] = (*struck.get(label, ()), entry)
            elif kind == "start":
                struck.clear()  # an attempt that the gateway's death cut off is made anew, and nothing had struck that one

    @property
    def faults(self) -> int:
        """How many struck, at the gateway or elsewhere."""
        return sum(1 for _ in self.entries("fault")) + sum(note.fault for note in self.notes)

    @property
    def untested(self) -> str:
        """Which faults never struck, where none of the story's did and no process was killed: nothing was tested then."""
        if self.faults or any(note.text == KILLED for note in self.notes):
            return ""
        return ", ".join(self.unfired)

    def entries(self, kind: str) -> Iterator[Mapping[str, Any]]:
        """The journal's entries of one kind (`request`, `answer`, `fault`, `delivery`, …), oldest first, without the calls
        that the harness made itself: oracles judge the shop.
        """
        ours = self.by_harness if kind in ("request", "answer") else frozenset[str]()
        return (entry for entry in self.journal if entry.get("kind") == kind and entry.get("request_id") not in ours)
