"""Plays stories against merchants in real processes, several at once, and hands the outcomes on in a stable
order.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from functools import partial
from typing import TypeVar

from gatecrash.harness.merchant_profile import MerchantProfile
from gatecrash.harness.run import Outcome, play
from gatecrash.harness.story import Story
from gatecrash.harness.world import CannotPlay, SetupFailed
from gatecrash.harness.worlds.real import RealWorld
from gatecrash.harness.worlds.struck import Blow, StruckWorld

T = TypeVar("T")

#: Runs under way at once. They mostly wait, for processes to start and timeouts to pass, so more than there
#: are cores.
AT_ONCE = 4

#: What `gatecrash demo` plays unless told otherwise: a minute's worth, the ones to see first.
STORIES = (
    *("happy-path", "lost-response", "timeout", "half-an-answer", "busy-gateway", "double-click", "decline-then-other-card"),
    *("gateway-killed-before-commit", "gateway-killed-after-commit"),
    *("merchant-killed-before-charge", "merchant-killed-after-charge", "merchant-killed-customer-gone"),
    *("duplicated-webhook", "webhook-overtakes-answer", "lost-acknowledgement", "late-webhook", "webhooks-never-come"),
)


async def play_for_real(story: Story, profile: MerchantProfile, struck_by: Sequence[Blow] = ()) -> Outcome:
    """One story against one merchant, in processes of their own, struck by what else there is. Raises SetupFailed, saying whose
    run it was; CannotPlay says the reason alone.
    """
    try:
        async with StruckWorld(profile, struck_by) if struck_by else RealWorld(profile) as world:
            return await play(story, world)
    except CannotPlay:
        raise
    except SetupFailed as error:
        raise SetupFailed(f"story {story.name}, merchant {profile.name}: {error}") from error


async def play_all(
    stories: Sequence[Story], merchants: Sequence[MerchantProfile], *, at_once: int = AT_ONCE
) -> AsyncGenerator[Outcome, None]:
    """Every story for the first merchant, then for the next; outcomes in that order, each as soon as it is
    its turn.

    Raises SetupFailed at the first run that could not be set up. Leaving the iterator early stops the rest.
    """
    wanted = [(story, profile) for profile in merchants for story in stories]
    async with aclosing(play_pairs(wanted, at_once=at_once)) as outcomes:
        async for outcome in outcomes:
            yield outcome


async def play_pairs(pairs: Sequence[tuple[Story, MerchantProfile]], *, at_once: int = AT_ONCE) -> AsyncGenerator[Outcome, None]:
    """Each story for its merchant, as `play_all` does."""
    async with aclosing(in_turn([partial(play_for_real, *pair) for pair in pairs], at_once)) as outcomes:
        async for outcome in outcomes:
            yield outcome


async def in_turn(works: Sequence[Callable[[], Awaitable[T]]], at_once: int) -> AsyncGenerator[T, None]:
    """What each of them comes to, in their order, so many under way at once. Leaving early stops the rest."""
    gate = asyncio.Semaphore(at_once)

    async def one(work: Callable[[], Awaitable[T]]) -> T:
        async with gate:
            return await work()

    runs = [asyncio.create_task(one(work)) for work in works]
    try:
        for run in runs:
            yield await run
    finally:
        for run in runs:
            run.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*runs, return_exceptions=True)
