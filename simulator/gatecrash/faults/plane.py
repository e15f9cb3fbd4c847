"""The fault plane of one sandbox: which rules are armed where, and striking with them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from gatecrash.faults.exchange import Exchange
from gatecrash.faults.kinds.kind import Effect
from gatecrash.faults.rule import FROM_HEADER, Labels, Rule, struck_together

# called with the rules that matched and those that strike, before they do; durable when it returns
Recorder = Callable[[Sequence[Rule], Sequence[Rule], Labels], Awaitable[None]]


class Plane:
    """With no rule armed at a station, passing it costs a look in a dict."""

    def __init__(self) -> None:
        self.rules: dict[str, Rule] = {}
        self.armed: dict[str, list[Rule]] = {}
        self._removed: dict[str, asyncio.Event] = {}

    def add(self, rule: Rule) -> None:
        self.rules[rule.id] = rule
        self._index()

    def remove(self, rule_id: str) -> Rule | None:
        """Take a rule away and let go of whatever hangs on it."""
        rule = self.rules.pop(rule_id, None)
        self._index()
        released = self._removed.pop(rule_id, None)
        if released is not None:
            released.set()
        return rule

    def clear(self) -> list[Rule]:
        removed, self.rules, self.armed = list(self.rules.values()), {}, {}
        self.let_go()  # of those held by rules of request headers too
        return removed

    def let_go(self) -> None:
        """Let go of whatever hangs on any rule."""
        while self._removed:
            self._removed.popitem()[1].set()

    def removal(self, rule_id: str) -> asyncio.Event:
        """An event that is set when the rule is removed, or was before it came to strike."""
        if rule_id not in self.rules and rule_id != FROM_HEADER:
            gone = asyncio.Event()
            gone.set()
            return gone
        return self._removed.setdefault(rule_id, asyncio.Event())

    def could_strike(self, station: str, labels: Labels) -> bool:
        return any(rule.match.fits(labels) for rule in self.armed.get(station, ()))

    async def strike(
        self, station: str, labels: Labels, exchange: Exchange, record: Recorder, now: int, extra: Sequence[Rule] = ()
    ) -> None:
        """Count the occurrence for every rule that matches, and strike: the waits first, then the rest (`struck_together`).

        `now` is sandbox time; `extra` are a request's own rules, which come before those that are armed. A rule that is kept
        from striking has not fired, and strikes a later occurrence.
        """
        candidates = [*(rule for rule in extra if rule.station == station), *self.armed.get(station, ())]
        matched = [rule for rule in candidates if rule.match.fits(labels) and not rule.exhausted]
        if not matched:
            return
        met = [rule for rule in matched if rule.meets(labels, now)]
        recorded = False

        async def note(*struck: Any) -> None:
            nonlocal recorded
            await record(*struck)
            recorded = True

        try:
            await self._strike_in_turn(met, matched, labels, exchange, note)
        except Exception:
            if not recorded:  # the store failed, so the occurrence counts for nobody
                for rule in matched:
                    rule.uncount(met=rule in met)
            raise

    async def _strike_in_turn(
        self, met: Sequence[Rule], matched: Sequence[Rule], labels: Labels, exchange: Exchange, record: Recorder
    ) -> None:
        waits = [rule for rule in met if rule.effect == Effect.WAITS]
        for wait in waits:
            # another request may have spent the rule, or the user removed it, during the wait before
            if self._stands(wait):
                await self._strike([wait], matched, labels, exchange, record)
        striking = struck_together([rule for rule in met if rule not in waits and self._stands(rule)])
        if striking or not waits:
            await self._strike(striking, matched, labels, exchange, record)

    async def _strike(
        self, striking: Sequence[Rule], matched: Sequence[Rule], labels: Labels, exchange: Exchange, record: Recorder
    ) -> None:
        """Strike with these rules, once that is on record with the counts of all that matched."""
        for rule in striking:
            rule.fired += 1
        self._index()
        try:
            await record(matched, striking, labels)
        except Exception:  # nothing of it is on record: the store failed
            for rule in striking:
                rule.fired -= 1
            self._index()
            raise
        for rule in striking:
            exchange.held_by, exchange.window = rule.id, rule.window
            await rule.make().strike(exchange)

    def _stands(self, rule: Rule) -> bool:
        """Whether a rule can still strike: armed or of a header, and not exhausted."""
        return not rule.exhausted and (rule.id == FROM_HEADER or self.rules.get(rule.id) is rule)

    def _index(self) -> None:
        self.armed = {}
        for rule in self.rules.values():
            if not rule.exhausted:
                self.armed.setdefault(rule.station, []).append(rule)
