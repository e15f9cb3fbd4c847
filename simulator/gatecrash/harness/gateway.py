"""The harness's hand on the gateway: the customer's card form, the control API, and the reading of the
books.

Speaks HTTP through the world, and outlasts a gateway that is being restarted: every call is repeated until
answered.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from types import MappingProxyType
from typing import Any, NamedTuple

from gatecrash.core.endpoints import secret_by_name
from gatecrash.harness.cards import token_fields
from gatecrash.harness.history import Charge, Refund
from gatecrash.harness.ownership import Objects
from gatecrash.harness.timeline import in_real_time
from gatecrash.harness.world import Host, Reply, SetupFailed, World

#: The clocks of gateway and harness agree to so many milliseconds.
_CLOCK_MS = 5
#: The one text that convinces the sandbox's bank.
WINNING_EVIDENCE = "winning_evidence"
#: Statuses of a chargeback while the bank has the money.
_KEPT = frozenset({"needs_response", "under_review", "lost"})
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


class Record(NamedTuple):
    """What the gateway has kept of a run."""

    charges: tuple[Charge, ...]
    refunds: tuple[Refund, ...]
    order_by_event: Mapping[str, str | None]


@dataclass(slots=True)
class Gateway:
    """One sandbox, seen from outside."""

    world: World
    secret_key: str
    publishable_key: str
    rules: dict[str, list[str]] = field(default_factory=dict)  #: ids of rules that end with the calm, by station
    armed: dict[str, str] = field(default_factory=dict)  #: all those there ever were, `kind at station` by id
    endpoint: str = ""  #: id of the merchant's webhook endpoint
    elsewhere: set[str] = field(default_factory=set)  #: ids of charges and refunds that the shop did not make
    ahead_ms: int = 0  #: how far the sandbox clock is ahead of the world's, as it was last seen: never more than it is
    made: list[tuple[int, int, str, str]] = field(default_factory=list)  #: calls of ours: begun and ended at, method, path

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
        events = await self._all("/v1/events")  # a rule of the story may stand in the way of a list of charges
        objects = Objects((event["data"] for event in events if event["type"].startswith("charge.")), order_by_nonce)
        return next((event for event in events if objects.order_of(event.get("data") or {}) == order_id), None)

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
            refund = await self._must("POST", f"/v1/charges/{charge.id}/refunds", body, headers=headers)
        self.elsewhere.add(refund["id"])
        return int(refund["amount"])

    async def told_of_chargeback(self, order_id: str, order_by_nonce: Mapping[str, str]) -> bool:
        """Whether the merchant has acknowledged that a bank took back the money of this order, and the bank has it still."""
        async with self.world.undisturbed():
            mine = {each["id"] for each in await self._disputes(order_id, order_by_nonce) if each["status"] in _KEPT}
            events = await self._all("/v1/events") if mine else []
            told = {each["event_id"] for each in await self.journal(kind="delivery") if 200 <= (each.get("status") or 0) < 300}
        news = (each for each in events if each["id"] in told and each["data"]["id"] in mine)
        return any(each["data"]["stage"] == "chargeback" for each in news)

    async def answer_dispute(self, order_id: str, order_by_nonce: Mapping[str, str], *, wins: bool) -> bool:
        """Send the bank evidence, as staff does on the gateway's own pages; whether a dispute of the order waited for it."""
        waiting = [each for each in await self._disputes(order_id, order_by_nonce) if each["status"] == "needs_response"]
        for dispute in waiting:
            body = {"text": WINNING_EVIDENCE if wins else "the parcel was delivered"}
            headers = {"Idempotency-Key": f"evidence-{dispute['id']}-{dispute['stage']}"}
            async with self.world.undisturbed():
                await self._must("POST", f"/v1/disputes/{dispute['id']}/evidence", body, headers=headers)
        return bool(waiting)

    async def _disputes(self, order_id: str, order_by_nonce: Mapping[str, str]) -> list[dict[str, Any]]:
        objects = Objects(await self._all("/v1/charges"), order_by_nonce)
        return [each for each in await self._all("/v1/disputes") if objects.order_of(each) == order_id]

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
        return self._read_clock(await self._must("GET", "/_gatecrash/clock"))

    async def advance(self, seconds: float) -> Clock:
        """Moves the sandbox clock; what it shows then."""
        body = {"seconds": seconds}
        return self._read_clock(await self._must("POST", "/_gatecrash/clock/advance", body, timeout_s=ADVANCE_WITHIN_S))

    def sandbox_ms(self) -> int:
        """What time it is in the sandbox, in milliseconds since 1970, without asking."""
        return self.world.wall_ms() + self.ahead_ms

    def _read_clock(self, answer: Mapping[str, Any]) -> Clock:
        now, due = datetime.fromisoformat(answer["now"]), answer.get("next_timer_at")
        self.ahead_ms = _ms(now) - self.world.wall_ms()
        return Clock(now, (datetime.fromisoformat(due) - now).total_seconds() if due else None)

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

    def own_calls(self, journal: Sequence[Mapping[str, Any]]) -> frozenset[str]:
        """The ids of those requests in the journal that are ours, and not the shop's: it has nothing but their time and path."""
        own: set[str] = set()
        requests = [(at_ms, entry) for at_ms, entry in in_real_time(journal) if entry["kind"] == "request"]
        for began_ms, ended_ms, method, path in self.made:
            span = range(began_ms - _CLOCK_MS, ended_ms + _CLOCK_MS + 1)
            its = (
                entry["request_id"]
                for at_ms, entry in requests
                if at_ms in span and (entry["method"], entry["path"]) == (method, path) and entry["request_id"] not in own
            )
            own.update(islice(its, 1))
        return frozenset(own)

    async def balanced(self) -> bool:
        return bool((await self._must("GET", "/_gatecrash/books"))["balanced"])

    async def charges(self, order_by_nonce: Mapping[str, str]) -> tuple[Charge, ...]:
        """All charges of the sandbox, oldest first."""
        return (await self.record(order_by_nonce)).charges

    async def record(self, order_by_nonce: Mapping[str, str]) -> Record:
        """All charges and refunds of the sandbox, oldest first, and the order that each event is about."""
        charges = [*reversed(await self._all("/v1/charges"))]
        events = [*reversed(await self._all("/v1/events"))]
        objects, periods = Objects(charges, order_by_nonce), set[str]()
        made, refunds, captured_ms = [], {}, dict[str, int]()
        for event in events:
            if event["type"].startswith("charge.") and event["data"]["amount_captured"]:
                captured_ms.setdefault(event["data"]["id"], _ms(datetime.fromisoformat(event["timestamp"])))
        for charge in charges:
            subscription = charge.get("subscription_id")
            made.append(
                Charge(
                    id=charge["id"],
                    order=objects.order_of(charge),
                    status=charge["status"],
                    amount=charge["amount"],
                    amount_captured=charge["amount_captured"],
                    amount_refunded=charge["amount_refunded"],
                    currency=charge["currency"],
                    elsewhere=charge["id"] in self.elsewhere,
                    renewal=subscription in periods,
                    captured_ms=captured_ms.get(charge["id"]),
                )
            )
            periods |= {subscription} - {None}
        for event in events:
            if event["type"].startswith("refund."):
                refunds[event["data"]["id"]] = self._refund(event["data"])  # the last word about it stands
        return Record(
            tuple(made), tuple(refunds.values()), {event["id"]: objects.order_of(event.get("data") or {}) for event in events}
        )

    def _refund(self, data: Mapping[str, Any]) -> Refund:
        return Refund(
            id=data["id"],
            charge=data["charge_id"],
            amount=data["amount"],
            at_ms=_ms(datetime.fromisoformat(data["created_at"])),
            status=data["status"],
            elsewhere=data["id"] in self.elsewhere,
        )

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

        began_ms = self.world.wall_ms()

        async def answered() -> Reply | None:
            reply = await self.world.request(Host.GATEWAY, method, path, body, headers=headers, timeout_s=timeout_s)
            return reply if reply.status not in (0, 502, 503) else None

        reply = await self.world.until(answered, within_s=ANSWER_WITHIN_S)
        if path.startswith("/v1/"):
            self.made.append((began_ms, self.world.wall_ms(), method, path.partition("?")[0]))
        if reply is None:
            raise SetupFailed(f"the gateway did not answer {method} {path} within {ANSWER_WITHIN_S:.0f} s")
        return reply

    async def _must(self, method: str, path: str, body: Any = None, **how: Any) -> Any:
        reply = await self._ask(method, path, body, **how)
        if not reply.ok:
            raise SetupFailed(f"the gateway refused {method} {path}: {reply.status} {_detail(reply.body)}")
        return reply.body


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _detail(body: Any) -> str:
    return str(body.get("detail", body)) if isinstance(body, dict) else str(body)
