"""The timekeeper: whatever falls due in a sandbox is done, on that sandbox's clock."""

import asyncio
import sys
from typing import NamedTuple

from gatecrash.core import due, timers
from gatecrash.core.clock import rfc3339
from gatecrash.core.errors import Refused
from gatecrash.core.records import Timer
from gatecrash.core.transaction import Context
from gatecrash.faults.exchange import Broken
from gatecrash.server.deliveries import Deliveries, Taken, Told
from gatecrash.server.sandbox import Moving, Sandbox
from gatecrash.server.state import State

# with an automatic clock, how long a sandbox must have been idle before time jumps
_IDLE_S = 0.02
# while attempts are under way, how long after a change what is due is looked at
_MOMENT_S = 0.002
# when the store fails, how long until what is due is tried again
_AGAIN_S = 1.0
# endpoints that are looked at in one commit
_PAGE = 100
# a real clock is never asked to wake us later than this
_LONGEST_S = 3600.0


class _Due(NamedTuple):
    """`has_more`: core timers are due that were not done yet. `next_at`: when a clock that runs gets to the next timer.
    `jump_at`: which one an automatic clock jumps to. `first_at`: when the first one is due, or was.
    """

    attempts: list[Told]
    handled: int
    has_more: bool
    next_at: int | None
    jump_at: int | None
    first_at: int | None


class _Page(NamedTuple):
    """What was found in one commit; `last` is the timer behind which to go on, if there may be more."""

    found: _Due
    last: Timer | None


class Timekeeper:
    def __init__(self, state: State) -> None:
        self._state = state
        self._deliveries = Deliveries(state)
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def poke(self, sandbox: Sandbox) -> None:
        """Timers changed, or time moved: look again."""
        idle = not (self._closed or sandbox.removed or sandbox.down or sandbox.moving is not None)
        if idle and not sandbox.poked:
            sandbox.poked = True
            if sandbox.attempts:
                # whoever is under way may be done in a moment: look once for all of them
                asyncio.get_running_loop().call_later(_MOMENT_S, self._spawn, sandbox)
            else:
                self._spawn(sandbox)

    def _spawn(self, sandbox: Sandbox) -> None:
        if self._closed:
            return
        task = asyncio.get_running_loop().create_task(self._work(sandbox))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, sandbox: Sandbox) -> None:
        if sandbox.down:
            sandbox.poked = False
            return  # its alarm is what brings it up, and then it is looked at
        ended = sandbox.ended
        if sandbox.down:  # asked before it went down; its alarm is the one that brings it up again
            sandbox.poked = False
            return
        try:
            found = await self.run_due(sandbox)
        except Refused as refused:
            if sandbox.removed or ended.is_set():
                return
            # the disk is full, say: what is due stays due, and is looked at again
            if self._state.store.trouble is None:  # else the store has said so, once for all sandboxes
                print(f"gatecrash: timers of sandbox {sandbox.name} wait: {refused.detail}", file=sys.stderr, flush=True)
            if not self._closed:
                sandbox.alarm = asyncio.get_running_loop().call_later(_AGAIN_S, self.poke, sandbox)
            return
        if not ended.is_set():  # else this is another one, with other timers
            self._set_alarm(sandbox, found)

    def _set_alarm(self, sandbox: Sandbox, found: _Due) -> None:
        if sandbox.alarm is not None:
            sandbox.alarm.cancel()
            sandbox.alarm = None
        if found.next_at is None or self._closed:
            return
        loop = asyncio.get_running_loop()
        if sandbox.clock.mode == "auto" and found.jump_at is not None:
            if not sandbox.attempts:
                sandbox.alarm = loop.call_later(_IDLE_S, self._jump, sandbox, found)
            return
        wait_s = sandbox.clock.real_delay_s(found.next_at, self._state.host.now())
        if wait_s is not None:
            # a millisecond of slack: the clock counts in whole ones
            sandbox.alarm = loop.call_later(min(wait_s, _LONGEST_S) + 0.001, self.poke, sandbox)

    def _jump(self, sandbox: Sandbox, found: _Due) -> None:
        if sandbox.requests or sandbox.attempts:
            self._set_alarm(sandbox, found)
            return
        if found.jump_at is not None and found.jump_at > sandbox.now():
            sandbox.clock.move_to(found.jump_at, self._state.host.now())
            self._state.journal.touch(sandbox)
        self.poke(sandbox)

    async def run_due(self, sandbox: Sandbox) -> _Due:
        """Do all that is due now: core work at once, webhook attempts as tasks."""
        ended = sandbox.ended
        try:
            if sandbox.down:
                first = await self._state.run(sandbox, lambda ctx: ctx.tx.next_timer())
                return _Due([], 0, False, None, None, None if first is None else first.due_at)
            page = await self._state.run(sandbox, lambda ctx: self._take_due(ctx, sandbox, None))
            found = page.found
            self._begin(sandbox, page.found.attempts, ended)
            while page.last is not None and not ended.is_set():
                page = await self._state.run(sandbox, lambda ctx, last=page.last: self._take_due(ctx, sandbox, last))  # type: ignore[misc]
                self._begin(sandbox, page.found.attempts, ended)
                found = _both(found, page.found)
        finally:
            sandbox.poked = False
        return found

    def _begin(self, sandbox: Sandbox, attempts: list[Told], ended: asyncio.Event) -> None:
        """Make attempts, each in a task of its own."""
        for told in () if ended.is_set() or self._closed else attempts:
            # two looks in one commit may both have seen it
            lane = sandbox.attempts.setdefault(told.endpoint.id, {})
            if told.delivery.id not in lane:
                lane[told.delivery.id] = asyncio.get_running_loop().create_task(self._attempt(sandbox, told, ended))

    def _take_due(self, ctx: Context, sandbox: Sandbox, after: Timer | None) -> _Page:
        """Run core timers that are due; collect webhook attempts of a page of endpoints; and tell when the next timer is."""
        sandbox.poked = False  # what changes after this commit has to be looked at anew
        done = due.run_due(ctx, self._state.timer_handlers)
        endpoints = ctx.tx.due_attempts(ctx.now, after, _PAGE)
        taken = self._deliveries.take(ctx, sandbox, [timer.ref for timer in endpoints])
        last = endpoints[-1] if len(endpoints) == _PAGE else None
        if done.has_more:
            return _Page(_Due(taken.attempts, done.timers, True, ctx.now, ctx.now, ctx.now), last)
        return _Page(self._and_then(ctx, taken, done.timers), last)

    def _and_then(self, ctx: Context, taken: Taken, handled: int) -> _Due:
        """What was taken, and when the next timer is."""
        first = ctx.tx.next_timer()
        first_at = None if first is None else first.due_at
        following = jump = first if first_at is None or first_at > ctx.now else ctx.tx.next_timer(after=ctx.now)
        if following is not None and following.kind == timers.SUBSCRIPTION_RENEWS:
            # renewals never end: a clock that jumped to them would never stand
            jump = ctx.tx.next_timer(after=ctx.now, besides=timers.SUBSCRIPTION_RENEWS)
        return _Due(taken.attempts, handled, False, _earlier(taken.next_at, following), _earlier(taken.next_at, jump), first_at)

    async def _attempt(self, sandbox: Sandbox, told: Told, ended: asyncio.Event) -> None:
        """`ended` is set if the life in which it was told of is over."""
        try:
            if ended.is_set():
                return
            await self._deliveries.attempt(sandbox, told)
        except (Broken, Refused):
            pass  # the sandbox is another one now, or could not be written to: what is due stays due
        finally:
            lane = sandbox.attempts.get(told.endpoint.id, {})
            if lane.get(told.delivery.id) is asyncio.current_task():
                del lane[told.delivery.id]
                if not lane:
                    del sandbox.attempts[told.endpoint.id]
            self.poke(sandbox)

    async def advance(self, sandbox: Sandbox, seconds: float) -> int:
        """Move sandbox time on by `seconds`, doing in order all that falls due on the way. Returns how many timers that were.

        One caller at a time moves a clock: a second one is refused. It ends early when its task is cancelled or `Moving.stop` is
        called; the clock then stays where it is.
        """
        if sandbox.moving is not None:
            raise Refused("clock_moving", _who_moves(sandbox.moving))
        task, begin = asyncio.current_task(), sandbox.now()
        assert task is not None
        moving = sandbox.moving = Moving(self._state.host.now(), begin, begin + round(seconds * 1000), task)
        try:
            return await self._advance(sandbox, moving.target)
        except asyncio.CancelledError:
            if moving.is_stopped and task.uncancel() == 0:
                raise Refused(
                    "clock_stopped",
                    f"another call stopped the clock on its way to {rfc3339(moving.target)}; GET /_gatecrash/clock tells how far "
                    "it came.",
                ) from None
            raise
        finally:
            sandbox.moving = None
            # also when it was cut short: whoever poked meanwhile was told that somebody is looking
            self.poke(sandbox)

    async def _advance(self, sandbox: Sandbox, target: int) -> int:
        host, ended = self._state.host, sandbox.ended
        fired = 0
        while True:
            settled, first_at = await self._settle(sandbox)
            fired += settled
            if ended.is_set():
                return fired  # the sandbox was reset, or crashed: this is another one, with another time
            if first_at is None or first_at > target:
                break
            if first_at > sandbox.now():
                sandbox.clock.move_to(first_at, host.now())
                self._state.journal.touch(sandbox)
        if target <= sandbox.now():
            return fired  # all that was due by then is done
        sandbox.clock.move_to(target, host.now())
        self._state.journal.touch(sandbox)
        return fired + (await self._settle(sandbox))[0]

    async def _settle(self, sandbox: Sandbox) -> tuple[int, int | None]:
        """Do what is due until nothing is, attempts in flight included; how much that was, and when the next is due."""
        fired = 0
        while True:
            found = await self.run_due(sandbox)
            fired += found.handled + len(found.attempts)
            if in_flight := sandbox.attempts_in_flight():
                await asyncio.wait(in_flight, return_when=asyncio.FIRST_COMPLETED)
            elif not found.handled and not found.attempts and not found.has_more:
                return fired, found.first_at

    async def stop(self, sandbox: Sandbox) -> None:
        """Cut off everything in flight in a sandbox."""
        if sandbox.alarm is not None:
            sandbox.alarm.cancel()
            sandbox.alarm = None
        attempts, sandbox.attempts = sandbox.attempts_in_flight(), {}
        for task in attempts:
            task.cancel()
        await asyncio.gather(*attempts, return_exceptions=True)

    async def close(self) -> None:
        self._closed = True
        for sandbox in self._state.sandboxes.values():
            await self.stop(sandbox)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._deliveries.close()


def _who_moves(moving: Moving) -> str:
    return (
        f"another call has been moving the clock since {rfc3339(moving.since)}, from {rfc3339(moving.begin)} to "
        f"{rfc3339(moving.target)}; wait for it, or stop it with DELETE /_gatecrash/clock/advance."
    )


def _earlier(at: int | None, timer: Timer | None) -> int | None:
    return min((one for one in (at, timer.due_at if timer else None) if one is not None), default=None)


def _both(earlier: _Due, later: _Due) -> _Due:
    """What two pages of one look found; the later one has seen the timers as they are."""
    next_at, jump_at = (
        min((at for at in pair if at is not None), default=None)
        for pair in ((earlier.next_at, later.next_at), (earlier.jump_at, later.jump_at))
    )
    return _Due(
        earlier.attempts + later.attempts, earlier.handled + later.handled, later.has_more, next_at, jump_at, later.first_at
    )  # fmt: skip
