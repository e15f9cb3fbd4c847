"""The harness's hand on the gateway: the customer's card form, the control API, and the reading of the
books.

Speaks HTTP through the world, and outlasts a gateway that is being restarted: every call is repeated until
answered.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

from gatecrash.core.endpoints import secret_by_name
from gatecrash.harness.cards import token_fields
from gatecrash.harness.history import Charge
from gatecrash.harness.world import Host, Reply, SetupFailed, World

ANSWER_WITHIN_S = 20.0
#: Time is moved past webhooks, and each of them may be one that the shop keeps waiting.
ADVANCE_WITHIN_S = 600.0
_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Clock:
    """The sandbox clock. `next_timer_s` is how far ahead the next timer is, None when nothing is due any
    more.
    """

    now: datetime
    next_timer_s: float | None


@dataclass(slots=True)
class Gateway:
    """One sandbox, seen from outside."""

    world: World
    secret_key: str
    publishable_key: str
    rules: dict[str, list[str]] = field(default_factory=dict)  #: ids of rules that end with the calm, by station
    armed: dict[str, str] = field(default_factory=dict)  #: all those there ever were, `kind at station` by id
    endpoint: str = ""  #: id of the merchant's webhook endpoint
    elsewhere: set[str] = field(default_factory=set)  #: ids of charges that the shop did not make

    async def register_webhooks(self, url: str) -> str:
        """Registers the merchant's webhook URL; returns the signing secret, for a merchant that runs already that of `listen`."""
        profile = self.world.profile
        given = {} if profile.start else {"secret": secret_by_name(profile.sandbox)}
        registered = await self._must("POST", "/v1/webhook_endpoints", {"url": url, **given})
        self.endpoint = str(registered["id"])
        return str(registered["secret"])

    async def rotate_secret(self, overlap_s: float) -> str:
        """A new signing secret; the old one signs as well for so long."""
        rotated = await self._must("POST", f"/v1/webhook_endpoints/{self.endpoint}/rotate_secret", {"overlap_s": overlap_s})
        return str(rotated["secret"])

    async def give_up_webhooks(self) -> None:
        """Nobody is told of anything any more; does nothing where nobody is."""
        if self.endpoint:
            await self._ask("DELETE", f"/v1/webhook_endpoints/{self.endpoint}")  # the shop may have removed it
            self.endpoint = ""

    async def charge_elsewhere(self, card: str, amount: int, currency: str, order_id: str) -> None:
        """A charge for the order by somebody with the merchant's key, and not by the shop: a payment link, a colleague."""
        body = {"amount": amount, "currency": currency, "payment_nonce": await self.nonce(card), "order_id": order_id}
        headers = {"Idempotency-Key": f"elsewhere-{order_id}-{len(self.elsewhere)}"}
        async with self.world.undisturbed():
            self.elsewhere.add((await self._must("POST", "/v1/charges", body, headers=headers))["id"])

    async def newest_event(self, order_id: str, order_by_nonce: Mapping[str, str]) -> dict[str, Any] | None:
        """The latest event about an order."""
        events = await self._all("/v1/events")
        return next((event for event in events if _order_of(event.get("data") or {}, order_by_nonce) == order_id), None)

    async def nonce(self, card: str) -> str:
        """What the customer's card form does: a card by name becomes a single-use nonce."""
        return str((await self._must("POST", "/v1/tokens", token_fields(card), key=self.publishable_key))["id"])

    async def refund_elsewhere(self, order_id: str, order_by_nonce: Mapping[str, str], amount: int | None) -> int:
        """Give back so much of an order's latest charge, or the rest, as somebody does on the gateway's own pages; how much that
        was, 0 where there is no such charge.
        """
        charges = [each for each in await self.charges(order_by_nonce) if each.order == order_id and each.net > 0]
        if not charges:
            return 0
        charge = charges[-1]
        headers = {"Idempotency-Key": f"elsewhere-{charge.id}-{charge.amount_refunded}"}
        async with self.world.undisturbed():
            body = {} if amount is None else {"amount": amount}
            return int((await self._must("POST", f"/v1/charges/{charge.id}/refunds", body, headers=headers))["amount"])

    async def refunds_that_came_back(self, order_by_nonce: Mapping[str, str]) -> frozenset[str]:
        """The orders of which a refund failed after it had been made."""
        events = await self._all("/v1/events")
        failed = [event.get("data") or {} for event in events if event["type"] == "refund.failed"]
        charges = {charge.id: charge.order for charge in await self.charges(order_by_nonce)}
        return frozenset(order for data in failed if (order := charges.get(str(data.get("charge_id")))))

    async def arm(self, rule: Mapping[str, Any], *, standing: bool = False) -> str:
        """Returns the rule's id."""
        added = await self._must("POST", "/_gatecrash/faults", dict(rule))
        if not standing:
            self.rules.setdefault(rule["station"], []).append(added["id"])
            self.armed[added["id"]] = f"{rule['kind']} at {rule['station']}"
        return str(added["id"])

    async def fired(self) -> dict[str, int]:
        """How often each rule that is armed has struck, by its id."""
        return {rule["id"]: rule["fired"] for rule in (await self._must("GET", "/_gatecrash/faults"))["data"]}

    async def mend(self, station: str | None = None) -> None:
        """Takes away the rules of this station, or of all; standing rules stay."""
        for name in [station] if station else list(self.rules):
            for rule_id in self.rules.pop(name, ()):
                await self._ask("DELETE", f"/_gatecrash/faults/{rule_id}")

    async def mend_everything(self) -> None:
        self.rules.clear()
        await self._must("DELETE", "/_gatecrash/faults")

    async def struck(self, station: str) -> bool:
        """Whether a fault has struck at this station, by the journal."""
        return any(entry.get("station") == station for entry in await self.journal(kind="fault"))

    async def told_of(self, event_type: str) -> bool:
        """Whether the merchant was sent a webhook of this type, or family of types, and has answered it, or has not in time."""
        told = [str(entry.get("event_type")) for entry in await self.journal(kind="delivery")]
        return any(each == event_type or each.startswith(f"{event_type}.") for each in told)

    async def answering(self) -> bool:
        """Whether there is a request that is not answered yet, by the journal."""
        open_calls: set[str] = set()
        for entry in await self.journal():
            match entry["kind"]:
                case "request":
                    open_calls.add(entry["request_id"])
                case "answer":
                    open_calls.discard(entry["request_id"])
                case "start":  # what it died of is never answered
                    open_calls.clear()
        return bool(open_calls)

    async def clock(self) -> Clock:
        return _clock(await self._must("GET", "/_gatecrash/clock"))

    async def advance(self, seconds: float) -> Clock:
        """Moves the sandbox clock; what it shows then."""
        return _clock(await self._must("POST", "/_gatecrash/clock/advance", {"seconds": seconds}, timeout_s=ADVANCE_WITHIN_S))

    async def journal(self, kind: str | None = None) -> list[dict[str, Any]]:
        """The journal's entries, oldest first, all pages of it."""
        entries: list[dict[str, Any]] = []
        after, more = 0, True
        while more:
            only = f"&kind={kind}" if kind else ""
            page = await self._must("GET", f"/_gatecrash/journal?after={after}&limit=1000{only}")
            entries += page["data"]
            more = bool(page["has_more"]) and bool(page["data"])
            after = page["data"][-1]["seq"] if page["data"] else after
        return entries

    async def balanced(self) -> bool:
        return bool((await self._must("GET", "/_gatecrash/books"))["balanced"])

    async def charges(self, order_by_nonce: Mapping[str, str]) -> tuple[Charge, ...]:
        """All charges of the sandbox, oldest first."""
        return tuple(
            Charge(
                id=charge["id"],
                order=_order_of(charge, order_by_nonce),
                status=charge["status"],
                amount=charge["amount"],
                amount_captured=charge["amount_captured"],
                amount_refunded=charge["amount_refunded"],
                currency=charge["currency"],
                elsewhere=charge["id"] in self.elsewhere,
            )
            for charge in reversed(await self._all("/v1/charges"))
        )

    async def order_by_event(self, order_by_nonce: Mapping[str, str]) -> dict[str, str | None]:
        """The order each event is about."""
        events = await self._all("/v1/events")
        return {event["id"]: _order_of(event.get("data") or {}, order_by_nonce) for event in events}

    async def _all(self, path: str) -> list[dict[str, Any]]:
        """Every page of a list, newest first."""
        found: list[dict[str, Any]] = []
        more, cursor = True, ""
        while more:
            page = await self._must("GET", f"{path}?limit=100{cursor}")
            found += page["data"]
            more = bool(page["has_more"]) and bool(page["data"])
            cursor = f"&starting_after={page['data'][-1]['id']}" if page["data"] else ""
        return found

    async def _ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        key: str = "",
        headers: Mapping[str, str] = _NONE,
        timeout_s: float = ANSWER_WITHIN_S,
    ) -> Reply:
        """The first answer that is not the lack of one, nor a gateway busy with coming up."""
        headers = {"Authorization": f"Bearer {key or self.secret_key}", **headers}

        async def answered() -> Reply | None:
            reply = await self.world.request(Host.GATEWAY, method, path, body, headers=headers, timeout_s=timeout_s)
            return reply if reply.status not in (0, 502, 503) else None

        reply = await self.world.until(answered, within_s=ANSWER_WITHIN_S)
        if reply is None:
            raise SetupFailed(f"the gateway did not answer {method} {path} within {ANSWER_WITHIN_S:.0f} s")
        return reply

    async def _must(self, method: str, path: str, body: Any = None, **how: Any) -> Any:
        reply = await self._ask(method, path, body, **how)
        if not reply.ok:
            raise SetupFailed(f"the gateway refused {method} {path}: {reply.status} {_detail(reply.body)}")
        return reply.body


def _clock(answer: Mapping[str, Any]) -> Clock:
    now = datetime.fromisoformat(answer["now"])
    due = answer.get("next_timer_at")
    return Clock(now, (datetime.fromisoformat(due) - now).total_seconds() if due else None)


def _order_of(data: Mapping[str, Any], order_by_nonce: Mapping[str, str]) -> str | None:
    """The order a charge was made for: the nonce tells, whatever the merchant called it."""
    return order_by_nonce.get(str(data.get("payment_nonce")), data.get("order_id"))


def _detail(body: Any) -> str:
    return str(body.get("detail", body)) if isinstance(body, dict) else str(body)
