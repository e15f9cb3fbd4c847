"""What a till can do: pay with a card, register, read and write a webhook, and move money as a colleague of the shop would."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

#: An event as its dialect tells it, before it is signed.
Event = dict[str, Any]


class Keys(NamedTuple):
    """Of the shop's sandbox."""

    secret: str
    publishable: str


class Ask(Protocol):
    """Asks the gateway until it answers; gives the answer's JSON. Raises SetupFailed where the gateway refuses."""

    async def __call__(
        self, method: str, path: str, body: Any = None, *, key: str = "", headers: Mapping[str, str] = ..., form: bool = False
    ) -> Any: ...


class Endpoint(NamedTuple):
    """Where the gateway tells the shop of events, and what signs them."""

    id: str
    secret: str


class Claimed(NamedTuple):
    """A payment that a forgery claims."""

    order_id: str
    amount: int
    currency: str


class Till(Protocol):
    """`prefix` begins the paths of the dialect at the gateway. Amounts are in minor units."""

    prefix: str

    def __init__(self, ask: Ask, keys: Keys) -> None: ...

    async def pay_with(self, card: str) -> str:
        """What the customer's card form hands to the shop for a card by its name: a single-use source."""

    async def register(self, url: str, secret: str | None) -> Endpoint:
        """Have the gateway send webhooks to the shop, signed with a secret of its own choice if that is None."""

    async def rotate_secret(self, endpoint: str, overlap_s: float) -> str:
        """The new secret; the old one goes on signing for so long."""

    async def give_up(self, endpoint: str) -> None:
        """Have the gateway send no webhooks any more; it may have been told that before."""

    async def charge(self, source: str, amount: int, currency: str, order_id: str, key: str) -> str:
        """Charge a source for an order; the id of the core's charge. Repeated under its key, it charges once."""

    async def refund(self, charge_id: str, ref: str | None, amount: int | None, key: str) -> tuple[str, int]:
        """Give back so much of a charge of the core, or the rest; the id of the refund, and how much that was."""

    async def answer_dispute(self, dispute_id: str, evidence: str, key: str) -> None:
        """Send the bank evidence about a dispute of the core."""

    async def event(self, event_id: str) -> Event:
        """An event of the gateway's in the words of the dialect."""

    def forgery(self, claimed: Claimed, at: float) -> Event:
        """An event that claims a payment which never was, at a Unix time."""

    def told_again(self, event: Event, changes: Mapping[str, Any], at: float) -> Event:
        """An event once more. `changes` may give it another `type`: then it is an event of its own, with an id of its own."""

    def id_and_type(self, event: Event) -> tuple[str, str]: ...

    def sign(self, event: Event, body: bytes, secret: str | None, at: float) -> Mapping[str, str]:
        """The headers of a webhook with this body; without a signature where the secret is None."""

    #: A secret of the right shape that is nobody's.
    wrong_secret: str
