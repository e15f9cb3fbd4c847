"""The real world, in which a schedule strikes that was found in the simulated one, as far as that can be done from outside.

What happens to the gateway is armed as a rule. A merchant that is to die before it sends a call dies with that call in the
gateway's hands, which throws it away; one that is to die before it answers, as soon as the answer is there, which nobody then
gets to see. What happens between two commits of the merchant cannot be reached.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from gatecrash.dialects import registry
from gatecrash.faults.rule import DELIVER
from gatecrash.harness.explore.fault import Fault, Schedule
from gatecrash.harness.gateway import Gateway
from gatecrash.harness.history import Note
from gatecrash.harness.merchant_profile import MerchantProfile
from gatecrash.harness.world import Host, Reply, SetupFailed
from gatecrash.harness.worlds.real import RealWorld
from gatecrash.harness.worlds.simulated.alphabet import DOWN_S, SWAPPED
from gatecrash.harness.worlds.simulated.labels import ANSWERS, SENDS, template
from gatecrash.harness.worlds.simulated.points import NOT_THE_MERCHANTS, as_rule

#: How often is looked whether a rule has struck with which the merchant is to die: far sooner than it loses patience.
_LOOK_S = 0.01


class NoEquivalent(ValueError):
    """A fault that cannot be had from outside; says which and why."""


@dataclass(slots=True)
class Blow:
    """What a fault comes to: a `rule` of the gateway's, with which the merchant dies if it `kills`; or, without a rule, the
    death of the merchant when it has given the customer the answer that the fault names.
    """

    fault: Fault
    rule: Mapping[str, Any] | None = None
    kills: bool = False
    struck: bool = False
    rule_id: str = ""


def blows(schedule: Schedule, profile: MerchantProfile) -> list[Blow]:
    """The schedule as it is done from outside. Raises NoEquivalent."""
    found: list[Blow] = []
    thrown: Counter[tuple[str, str]] = Counter()  # what reaches the gateway here, and did not where it was found
    for fault in schedule:
        rule, kills = as_rule(fault, profile.patience_s), False
        if rule is None:
            if profile.start is None:
                raise NoEquivalent(f"{fault}: needs the profile to have [start], or the merchant cannot be killed")
            rule, kills = _fatal(fault, profile), True
            if rule is not None:
                thrown[rule["station"], rule["match"]["operation"]] += 1
        else:
            before = thrown[rule["station"], rule["match"].get("operation", DELIVER)]
            rule = {**rule, "nth": rule["nth"] + before}
        found.append(Blow(fault, rule, kills))
    return found


def _fatal(fault: Fault, profile: MerchantProfile) -> Mapping[str, Any] | None:
    """The rule with which the merchant is to die; None when the customer sees when. Raises NoEquivalent."""
    if fault.kind == SWAPPED:
        raise NoEquivalent(f"{fault}: it lies between two messages on their way, where nobody outside can strike")
    if fault.label.startswith(SENDS):
        operation = _operation(fault)
        return {"station": "request.received", "kind": "hang", "match": {"operation": operation}, "nth": fault.occurrence}
    if not fault.label.startswith(ANSWERS):
        raise NoEquivalent(f"{fault}: it lies between two commits of the merchant, where nobody outside can strike")
    if fault.label == f"{ANSWERS}POST {template(profile.webhook_path or '')}":
        return {"station": "webhook.acknowledged", "kind": "drop", "match": {"operation": DELIVER}, "nth": fault.occurrence}
    return None


def _operation(fault: Fault) -> str:
    """What the call that a merchant was about to send asks for."""
    called = fault.label.removeprefix(SENDS)
    routes = [
        (f"{route.method} {prefix}{template(route.path)}", route.verb)
        for name, dialect in registry.load().items()
        for prefix in ("", f"/{name}")
        for route in dialect.routes
    ]
    operations = {operation for route, operation in routes if route == called} - NOT_THE_MERCHANTS
    if len(operations) != 1:
        raise NoEquivalent(f"{fault}: {called} may be any of {', '.join(sorted(operations)) or 'no operation that is known'}")
    return operations.pop()


class StruckWorld(RealWorld):
    """`struck_by`: what `blows` gave."""

    explores = True

    def __init__(self, profile: MerchantProfile, struck_by: Iterable[Blow]) -> None:
        super().__init__(profile)
        self._blows = list(struck_by)
        self._answered: Counter[str] = Counter()
        self._counts = False  # whether an answer to the customer counts
        self._deaths = 0
        self._hand: Gateway | None = None
        self._starting = asyncio.Lock()
        self._coming: asyncio.Task[None] | None = None
        self._watch: asyncio.Task[None] | None = None

    async def __aexit__(self, *exception: object) -> None:
        for task in (self._watch, self._coming):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        await super().__aexit__(*exception)

    @property
    def struck(self) -> bool:  # type: ignore[override]
        return any(blow.struck for blow in self._blows)

    def missed(self) -> tuple[str, ...]:
        return tuple(str(blow.fault) for blow in self._blows if not blow.struck)

    async def begin_faults(self, remembered: Callable[[], object]) -> None:
        for blow in self._armed():
            blow.rule_id = await self._control().arm(blow.rule or {})
        self._counts = True
        self._watch = asyncio.create_task(self._watching())

    async def end_faults(self) -> None:
        self._counts = False
        if self._watch is not None:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch
        await self._look_at_rules()
        await self._control().mend()

    @asynccontextmanager
    async def undisturbed(self) -> AsyncIterator[None]:
        if self._coming is not None:
            await self._coming
        before, self._counts = self._counts, False
        try:
            yield
        finally:
            self._counts = before

    async def request(self, host: Host, method: str, path: str, *content: Any, **how: Any) -> Reply:
        reply = await super().request(host, method, path, *content, **how)
        if host is not Host.MERCHANT or reply.status == 0 or method == "GET" or not self._counts:
            return reply
        label = f"{ANSWERS}{method} {template(path)}"
        self._answered[label] += 1
        for blow in self._blows:
            if blow.rule is None and (blow.fault.label, blow.fault.occurrence) == (label, self._answered[label]):
                blow.struck = True
                await self._die(blow)
                return Reply(0, error="the shop died before it answered")
        return reply

    async def start_merchant(self) -> None:
        async with self._starting:
            while True:
                deaths = self._deaths
                try:
                    await super().start_merchant()
                except SetupFailed:
                    if deaths == self._deaths:
                        raise
                else:
                    return

    def _armed(self) -> Iterator[Blow]:
        return (blow for blow in self._blows if blow.rule is not None)

    def _control(self) -> Gateway:
        if self._hand is None:
            self._hand = Gateway(self, self.values["secret_key"], self.values["publishable_key"])
        return self._hand

    async def _watching(self) -> None:
        while not all(blow.struck for blow in self._armed()):
            await self._look_at_rules()
            await self.pause(_LOOK_S)

    async def _look_at_rules(self) -> None:
        fired = await self._control().fired()
        for blow in self._armed():
            if blow.struck or not fired.get(blow.rule_id):
                continue
            blow.struck = True
            if blow.kills:
                await self._die(blow)

    async def _die(self, blow: Blow) -> None:
        told = f"{blow.fault.kind}: {blow.fault.label}"
        self.notes.append(Note(self.wall_ms(), "shop", "shop", told, fault=blow.rule is None))  # a rule is told by itself
        self._deaths += 1
        await self.kill(Host.MERCHANT)
        self._coming = asyncio.create_task(self._come_back())

    async def _come_back(self) -> None:
        await self.pause(DOWN_S)
        with suppress(SetupFailed):  # whoever needs it starts it once more, and hears why
            await self.start_merchant()
