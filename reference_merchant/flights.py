"""Keeps calls to the gateway in order: one at a time for each attempt, repeated patiently, never in a storm.

Two clicks and the reconciliation that ask about the same attempt share one flight. Pauses are on the event
loop's time and are forgotten in a restart, which costs one early call at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from .decisions import Decisions, Verdict
from .gateway_client import Answer


class Flights:
    """Single flights by key, with a growing pause between those that came back without an outcome."""

    def __init__(self, decisions: Decisions) -> None:
        self._decisions, self._config = decisions, decisions.config
        self._flying: dict[str, asyncio.Task[None]] = {}
        self._rounds: dict[str, int] = {}
        self._not_before: dict[str, float] = {}

    async def join(self, key: str, work: Callable[[], Awaitable[float | None]]) -> None:
        """Wait for the flight of this key, starting it unless it is up or has just been.

        `work` gives None when all is settled, else the seconds that the gateway wants to be left alone. It
        goes on if the caller goes away: a shopper who closes the browser does not cancel a charge.
        """
        flight = self._flying.get(key)
        if flight is None:
            if asyncio.get_running_loop().time() < self._not_before.get(key, 0):
                return
            flight = self._flying[key] = asyncio.create_task(self._fly(key, work))
            flight.add_done_callback(lambda _: self._flying.pop(key, None))
        await asyncio.shield(flight)

    async def _fly(self, key: str, work: Callable[[], Awaitable[float | None]]) -> None:
        leave_alone_s = await work()
        if leave_alone_s is None:
            self._rounds.pop(key, None)
            self._not_before.pop(key, None)
            return
        rounds = self._rounds[key] = self._rounds.get(key, 0) + 1
        every = self._config.reconcile_every_s
        pause = min(max(self._config.retry_cap_s, every), every * 2 ** min(rounds - 1, 30))
        # a little less than whole periods, or a round of reconciliation would just miss its turn
        self._not_before[key] = asyncio.get_running_loop().time() + max(pause * 0.9, leave_alone_s)

    async def ask(
        self,
        key: str,
        call: Callable[[int, Answer | None], Awaitable[Answer]],
        look_up: Callable[[], Awaitable[Answer]],
        still_open: Callable[[], bool],
        first_time: bool,
    ) -> Answer:
        """The gateway's word on something: what it shows of it, or else its answer to the very same call.

        `look_up` answers 404 if the gateway surely shows nothing. `first_time` says that the call was surely
        never made. It is made up to `retry_attempts` times until the outcome is known, each time told which try
        this is and what the last one brought.
        """
        decide = self._decisions
        if not first_time and decide.looks_first():
            found = await look_up()
            if decide.look_decides(found):
                return found
        answer, tries = await self._insist(key, call, still_open)
        if decide.read(answer) is Verdict.REFUSED and (tries > 1 or not first_time):
            # An earlier call may still be on its way, and be done after all. Only a refusal that is stored
            # under the key, and so is said again, stops it.
            answer = await call(tries + 1, answer)
        if decide.read(answer) is Verdict.REFUSED:
            found = await look_up()
            return answer if decide.refusal_stands(found) else found
        return answer

    async def _insist(
        self, key: str, call: Callable[[int, Answer | None], Awaitable[Answer]], still_open: Callable[[], bool]
    ) -> tuple[Answer, int]:
        tries, answer = 1, None
        while True:
            answer = await call(tries, answer)
            if self._decisions.read(answer) is not Verdict.UNKNOWN or not self._decisions.tries_again(tries):
                return answer, tries
            pause = self._decisions.retry_pause_s(key, tries, answer.retry_after)
            if pause > self._config.retry_cap_s:
                return answer, tries  # a customer is waiting; reconciliation has the patience
            await asyncio.sleep(pause)
            if not still_open():
                return answer, tries  # a webhook told the outcome meanwhile
            tries += 1

    async def close(self) -> None:
        """Give up what is in the air; reconciliation takes it up after the next start."""
        flying = list(self._flying.values())
        for flight in flying:
            flight.cancel()
        await asyncio.gather(*flying, return_exceptions=True)
