"""The fault plane of one sandbox: which rules are armed where, and striking with them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from gatecrash.faults.exchange import Exchange
from gatecrash.faults.rule import FROM_HEADER, Labels, Rule

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
        """Let every armed rule that matches strike, in the order they were added.

        `now` is sandbox time; `extra` are a request's own rules.
        """
        candidates = [*self.armed.get(station, ()), *(rule for rule in extra if rule.station == station)]
        matched = [rule for rule in candidates if rule.match.fits(labels) and not rule.exhausted]
        striking = [rule for rule in matched if rule.meets(labels, now)]
        if not matched:
            return
        self._index()
        await record(matched, striking, labels)
        for rule in striking:
            exchange.held_by, exchange.window = rule.id, rule.window
            await rule.make().strike(exchange)

    def _index(self) -> None:
        self.armed = {}
        for rule in self.rules.values():
            if not rule.exhausted:
                self.armed.setdefault(rule.station, []).append(rule)
