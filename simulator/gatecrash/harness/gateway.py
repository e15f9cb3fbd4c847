"""The harness's hand on the gateway: the control API, and the reading of charges, facts and books. What is said in the dialect of
the merchant goes through its till (`harness/tills/`).

Speaks HTTP through the world, and outlasts a gateway that is being restarted: every call is repeated until
answered.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from types import MappingProxyType
from typing import Any, NamedTuple

from gatecrash.core.endpoints import secret_by_name
from gatecrash.harness.history import Charge, Refund
from gatecrash.harness.ownership import Objects
from gatecrash.harness.tills import TILLS
from gatecrash.harness.tills.till import Event, Keys, Till
from gatecrash.harness.timeline import in_real_time
from gatecrash.harness.world import Host, Reply, SetupFailed, World
from gatecrash.lint.calls import fact_of

#: The clocks of gateway and harness agree to so many milliseconds.
_CLOCK_MS = 5
#: The one text that convinces the sandbox's bank.
WINNING_EVIDENCE = "winning_evidence"
#: Statuses of a chargeback while the bank has the money.
_KEPT = frozenset({"needs_response", "under_review", "lost"})
#: Facts by which money was taken.
_CAPTURES = ("charge.succeeded", "charge.captured")
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

    till: Till = field(init=False)  #: how the merchant's dialect is spoken

    def __post_init__(self) -> None:
        self.till = TILLS[self.world.profile.dialect](self._must, Keys(self.secret_key, self.publishable_key))

    async def register_webhooks(self, url: str) -> str:
        """Registers the merchant's webhook URL; returns the signing secret, for a merchant that runs already that of `listen`."""
        profile = self.world.profile
        registered = await self.till.register(url, None if profile.start else secret_by_name(profile.sandbox))
        self.endpoint = registered.id
        return registered.secret

    async def rotate_secret(self, overlap_s: float) -> str:
        """A new signing secret; the old one signs as well for so long."""
        return await self.till.rotate_secret(self.endpoint, overlap_s)

    async def give_up_webhooks(self) -> None:
        """Nobody is told of anything any more; does nothing where nobody is."""
        if self.endpoint:
            with suppress(SetupFailed):  # the shop may have removed it
                await self.till.give_up(self.endpoint)
            self.endpoint = ""

    async def charge_elsewhere(self, card: str, amount: int, currency: str, order_id: str) -> None:
        """A charge for the order by somebody with the merchant's key, and not by the shop: a payment link, a colleague."""
        source, key = await self.nonce(card), f"elsewhere-{order_id}-{len(self.elsewhere)}"
        async with self.world.undisturbed():
            self.elsewhere.add(await self.till.charge(source, amount, currency, order_id, key))

    async def newest_event(self, order_id: str, order_by_nonce: Mapping[str, str]) -> Event | None:
        """The latest event about an order."""
        facts, objects = await self._all("facts", "event_id"), Objects(await self._all("charges", "id"), order_by_nonce)
        its = (fact for fact in facts if fact["dialect"] == self.world.profile.dialect and objects.order_of(fact) == order_id)
        if (newest := next(its, None)) is None:
            return None
        async with self.world.undisturbed():
            return await self.till.event(newest["event_id"])

    async def nonce(self, card: str) -> str:
        """What the customer's card form does: a card by name becomes a single-use nonce."""
        return await self.till.pay_with(card)

    async def refund_elsewhere(self, order_id: str, order_by_nonce: Mapping[str, str], amount: int | None) -> int:
        """Give back so much of an order's latest charge, or the rest, as somebody does on the gateway's own pages; how much that
        was, 0 where there is no such charge.
        """
        charges = [each for each in await self.charges(order_by_nonce) if each.order == order_id and each.net > 0]
        if not charges:
            return 0
        charge = charges[-1]
        async with self.world.undisturbed():
            key = f"elsewhere-{charge.id}-{charge.amount_refunded}"
            refund_id, given = await self.till.refund(charge.id, charge.ref, amount, key)
        self.elsewhere.add(refund_id)
        return given

    async def told_of_chargeback(self, order_id: str, order_by_nonce: Mapping[str, str]) -> bool:
        """Whether the merchant has acknowledged that a bank took back the money of this order, and the bank has it still."""
        async with self.world.undisturbed():
            mine = {each["id"] for each in await self._disputes(order_id, order_by_nonce) if each["status"] in _KEPT}
            facts = await self._all("facts", "event_id") if mine else []
            told = {each["event_id"] for each in await self.journal(kind="delivery") if 200 <= (each.get("status") or 0) < 300}
        return any(
            fact["dispute_id"] in mine and fact["event_id"] in told and fact["dispute_stage"] == "chargeback" for fact in facts
        )

    async def answer_dispute(self, order_id: str, order_by_nonce: Mapping[str, str], *, wins: bool) -> bool:
        """Send the bank evidence, as staff does on the gateway's own pages; whether a dispute of the order waited for it."""
        waiting = [each for each in await self._disputes(order_id, order_by_nonce) if each["status"] == "needs_response"]
        for dispute in waiting:
            text, key = WINNING_EVIDENCE if wins else "the parcel was delivered", f"evidence-{dispute['id']}-{dispute['stage']}"
            async with self.world.undisturbed():
                await self.till.answer_dispute(dispute["id"], text, key)
        return bool(waiting)

    async def _disputes(self, order_id: str, order_by_nonce: Mapping[str, str]) -> list[dict[str, Any]]:
        charges = await self._all("charges", "id")
        objects = Objects(charges, order_by_nonce)
        return [dispute for charge in charges if objects.order_of(charge) == order_id for dispute in charge["disputes"]]

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
        """Whether the merchant was sent a webhook that tells of this fact, or of its family, and has answered it, or has not in
        time.
        """
        told = [fact_of(entry) for entry in await self.journal(kind="delivery")]
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
        charges = [*reversed(await self._all("charges", "id"))]
        facts = [*reversed(await self._all("facts", "event_id"))]
        objects, periods = Objects(charges, order_by_nonce), set[str]()
        made, captured_ms = [], dict[str, int]()
        for fact in facts:
            if fact["what"] in _CAPTURES and fact["dialect"] == "native":  # which tells every fact, with the core's object
                captured_ms.setdefault(fact["object_id"], _ms(datetime.fromisoformat(fact["at"])))
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
                    ref=charge.get("ref"),
                )
            )
            periods |= {subscription} - {None}
        # one that is pending has given nothing back yet
        refunds = [(charge["id"], each) for charge in charges for each in charge["refunds"] if each["status"] != "pending"]
        refunds.sort(key=lambda pair: str(pair[1]["id"]))  # ids sort by creation
        return Record(
            tuple(made),
            tuple(self._refund(charge_id, refund) for charge_id, refund in refunds),
            {fact["event_id"]: objects.order_of(fact) for fact in facts},
        )

    def _refund(self, charge_id: str, refund: Mapping[str, Any]) -> Refund:
        return Refund(
            id=refund["id"],
            charge=charge_id,
            amount=refund["amount"],
            at_ms=_ms(datetime.fromisoformat(refund["created_at"])),
            status=refund["status"],
            elsewhere=refund["id"] in self.elsewhere,
        )

    async def _all(self, what: str, id: str) -> list[dict[str, Any]]:
        """Every page of a list of the control API, newest first; `id` is the field that the next page starts after."""
        found: list[dict[str, Any]] = []
        more, cursor = True, ""
        while more:
            page = await self._must("GET", f"/_gatecrash/{what}?limit=100{cursor}")
            found += page["data"]
            more = bool(page["has_more"]) and bool(page["data"])
            cursor = f"&starting_after={page['data'][-1][id]}" if page["data"] else ""
        return found

    async def _ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        key: str = "",
        headers: Mapping[str, str] = _NONE,
        timeout_s: float = ANSWER_WITHIN_S,
        form: bool = False,
    ) -> Reply:
        """The first answer that is not the lack of one, nor a gateway busy with coming up."""
        headers = {"Authorization": f"Bearer {key or self.secret_key}", **headers}

        began_ms = self.world.wall_ms()

        async def answered() -> Reply | None:
            reply = await self.world.request(Host.GATEWAY, method, path, body, form=form, headers=headers, timeout_s=timeout_s)
            return reply if reply.status not in (0, 502, 503) else None

        reply = await self.world.until(answered, within_s=ANSWER_WITHIN_S)
        if path.startswith(self.till.prefix):
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
