"""Plays a story in a world, in two phases, and returns its history.

Faults: the story's rules are armed and its steps played. Calm: those rules are off, everything is up, the
customer keeps trying unless gone, and the sandbox clock moves from timer to timer until the shop has come
to rest, or the whole webhook budget has passed. A shop that has not come to rest by then never will.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gatecrash.harness.blind_spots import BY_STATUS
from gatecrash.harness.cards import NUMBERS
from gatecrash.harness.channels import CHANNELS
from gatecrash.harness.customer import Customer, OrderInProgress
from gatecrash.harness.gateway import Gateway
from gatecrash.harness.history import FAILED, PAID, PENDING, History
from gatecrash.harness.oracles import Violation, judge
from gatecrash.harness.steps import HARMLESS, VERBS, Stage, bring_up
from gatecrash.harness.story import Story
from gatecrash.harness.timeline import in_real_time, jumped_ms
from gatecrash.harness.world import Host, NeverBack, SetupFailed, World

#: All webhook attempts of the native schedule, 0 to 24 h apart, and an hour for the last one to be answered.
WEBHOOK_BUDGET_S = 5 + 300 + 1800 + 3600 * (2 + 5 + 10 + 14 + 20 + 24) + 3600
#: No story needs more timers than this; a run that does is going in circles.
TIMERS_MAX = 200
#: For no longer than so many seconds a shop is left alone that was asked to wait.
RETRY_AFTER_MAX_S = 60.0
#: Rounds of webhooks that a shop answers with further calls: one that never falls silent is judged as it stands.
ECHOES_MAX = 10
#: Nothing holds a call up any more, so a shop that would wait longer for an answer does not have to.
SILENCE_S_MAX = 1.0
#: How often a persistent customer tries again in the calm.
CALM_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A judged run. `seconds` is the time it took, in the merchant's time; `plays`, how often the story was played until then."""

    story: Story
    merchant: str
    history: History
    violations: tuple[Violation, ...]
    seconds: float
    plays: int = 1


async def play(story: Story, world: World) -> Outcome:
    """Set the stage in an entered world, play both phases, judge. Raises SetupFailed; or CannotPlay for this story alone.

    A merchant that never comes back after it was killed ends the story there, and is judged.
    """
    started = world.now()
    stage = await _set_up(story, world)
    try:
        try:
            await _faults(stage)
            await _calm(stage)
        except NeverBack as error:
            stage.never_back = str(error)
            stage.customer.note("shop", "shop", str(error).splitlines()[0])
        history = await _finish(stage)
    finally:
        for page in stage.spinning:
            page.cancel()
        await asyncio.gather(*stage.spinning, return_exceptions=True)
    return Outcome(
        story=story,
        merchant=world.profile.name,
        history=history,
        violations=tuple(judge(history)),
        seconds=world.now() - started,
    )


async def _set_up(story: Story, world: World) -> Stage:
    gateway = Gateway(world, world.values["secret_key"], world.values["publishable_key"])
    if world.profile.webhook_path is not None:
        url = world.values["merchant_url"] + world.profile.webhook_path
        world.values["webhook_secret"] = world.values["webhook_secrets"] = await gateway.register_webhooks(url)
    world.values |= story.shop
    await world.start_merchant()
    return Stage(story, world, gateway, Customer(world, gateway))


async def _faults(stage: Stage) -> None:
    await stage.world.begin_faults(stage.remembered)
    for rule in stage.story.standing_faults:
        await stage.gateway.arm(rule, standing=True)
    for rule in stage.story.faults:
        await stage.gateway.arm(rule)
    try:
        for step in stage.story.steps:
            stage.steps_begun += 1
            stage.customer.provoked |= step.verb not in HARMLESS
            await VERBS[step.verb](stage, step.argument)
    except NeverBack:
        raise
    except SetupFailed:
        if not stage.world.struck:
            raise
        # another fault than the story's has changed its course, and what it was to wait for never comes
    # a webhook that is due meets the rules it was meant to meet, however busy the machine is
    await stage.gateway.advance(0)
    if stage.world.explores:  # what the shop does to recover can be struck as well
        await _rests(stage)


async def _calm(stage: Stage) -> None:
    await stage.world.end_faults()
    await stage.gateway.mend()
    await bring_up(stage)
    await stage.pages_answered()
    began = stage.world.now()
    if stage.world.calm_s:
        await stage.world.pause(stage.world.calm_s)
    rested = await _rests(stage)
    if not rested:
        await _customer_tries(stage, {FAILED})
    rested = not await _run_timers(stage) and rested
    tried = False
    for _ in range(CALM_TRIES):
        # by now every webhook has been tried: whoever was told to wait has waited long enough
        if rested or await _rests(stage) or not await _customer_tries(stage, {FAILED, PENDING}):
            break
        tried = True
    if tried:
        await _run_timers(stage)
    # what the shop does by itself, it does within a reconciliation period: leave it one
    remaining = stage.world.profile.reconcile_s - (stage.world.now() - began)
    if remaining > 0:
        await stage.world.shop_works(remaining)
    await _falls_silent(stage)


async def _falls_silent(stage: Stage) -> None:
    """Wait until the shop has asked the gateway for no change for a while, and was told of none: what it does after it has
    answered a webhook is part of the run, and may lead to further webhooks.
    """
    profile = stage.world.profile
    silence_s = max(profile.reconcile_s, min(profile.patience_s, SILENCE_S_MAX))
    for _ in range(ECHOES_MAX):
        journal, now_ms = await _journal(stage)
        heard = [at_ms for at_ms, entry in journal if entry["kind"] == "delivery" or entry.get("changes")]
        remaining = silence_s - (now_ms - heard[-1]) / 1000 if heard else 0.0
        if remaining <= 0:
            return
        await stage.world.shop_works(remaining)
        await _run_timers(stage)


async def _asked_to_wait_s(stage: Stage) -> float:
    """For how much longer the gateway has asked the shop to leave it alone."""
    journal, now_ms = await _journal(stage)
    asked = [(at_ms, entry["retry_after_s"]) for at_ms, entry in journal if entry.get("retry_after_s")]
    until_ms = max((at_ms + 1000 * min(wait_s, RETRY_AFTER_MAX_S) for at_ms, wait_s in asked), default=now_ms)
    return max(0.0, (until_ms - now_ms) / 1000)


async def _journal(stage: Stage) -> tuple[list[tuple[int, Mapping[str, Any]]], float]:
    """The journal in real time, and what time it is there now."""
    journal = await stage.gateway.journal()
    return in_real_time(journal), stage.gateway.sandbox_ms() - jumped_ms(journal)


async def _rests(stage: Stage) -> bool:
    """Whether the shop comes to rest by itself, given a few reconciliation periods after what it was asked to wait for."""

    async def at_rest() -> bool:
        return all([await _at_rest(stage, order) for order in stage.customer.orders])

    periods_s = 3 * stage.world.profile.reconcile_s + 0.5
    if await stage.world.until(at_rest, within_s=periods_s):
        return True
    asked_to_wait_s = await _asked_to_wait_s(stage)
    return asked_to_wait_s > 0 and bool(await stage.world.until(at_rest, within_s=asked_to_wait_s + periods_s))


async def _at_rest(stage: Stage, order: OrderInProgress) -> bool:
    """Whether the shop has nothing left to do for this order, as far as its page tells."""
    status = await stage.customer.look(order)
    if not order.attempts:
        return True
    if status == PAID:
        return order.fulfilments is None or order.fulfilments > 0
    return status not in (PENDING, FAILED, None)


async def _customer_tries(stage: Stage, statuses: set[str]) -> bool:
    """A customer who is still there pays again what shows one of these statuses; whether anything was
    tried.
    """
    if stage.story.customer_gone:
        return False
    unpaid = [order for order in stage.customer.orders if order.attempts and order.status in statuses]
    for order in unpaid:
        await stage.customer.pay(order, stage.story.calm_card)
    return bool(unpaid)


async def _run_timers(stage: Stage) -> bool:
    """Moves the sandbox clock from timer to timer through the webhook budget; whether there was any to move to."""
    clock = await stage.gateway.clock()
    start = clock.now
    if clock.next_timer_s is not None and not CHANNELS[stage.story.channels].webhooks:
        # of all that time the shop would hear nothing
        await stage.gateway.give_up_webhooks()
        await stage.gateway.advance(WEBHOOK_BUDGET_S)
        await _looks(stage)
        return True
    for moved in range(TIMERS_MAX):
        ahead = clock.next_timer_s
        passed = (clock.now - start).total_seconds()
        if ahead is None or passed + ahead > WEBHOOK_BUDGET_S:
            return moved > 0
        clock = await stage.gateway.advance(max(ahead, 0.0) + 0.001)
        if stage.world.merchant_ended():  # what dies of a webhook is started again, as whatever runs it in earnest would
            await bring_up(stage)
        await _looks(stage)
        if clock.next_timer_s is None:  # what the shop made of it may have set another
            clock = await stage.gateway.clock()
    return True


async def _looks(stage: Stage) -> None:
    for order in stage.customer.orders:
        await stage.customer.look(order)


async def _finish(stage: Stage) -> History:
    """The last word of the shop, then the gateway's books, read when nobody can change them any more."""
    await _looks(stage)
    await stage.world.kill(Host.MERCHANT)
    await stage.gateway.mend_everything()
    journal = await stage.gateway.journal()  # first: what the harness itself asks for stands in it, too
    record = await stage.gateway.record(stage.customer.order_by_nonce)
    struck = {entry.get("rule_id") for entry in journal if entry.get("kind") == "fault"}
    armed = stage.gateway.armed
    unfired = (*(what for rule_id, what in armed.items() if rule_id not in struck), *stage.world.missed())
    return History(
        story=stage.story.name,
        merchant=stage.world.profile.name,
        orders=tuple(order.finished() for order in stage.customer.orders),
        charges=record.charges,
        refunds=record.refunds,
        order_by_event=record.order_by_event,
        journal=tuple(journal),
        by_harness=stage.gateway.own_calls(journal),
        unfired=unfired,
        balanced=await stage.gateway.balanced(),
        customer_gone=stage.story.customer_gone,
        never_back=stage.never_back,
        not_asked=frozenset(BY_STATUS if stage.world.profile.read_order is None else ()),
        # a story that went otherwise than it is told, since another fault struck or one of its own did not, may end otherwise
        expect=None if stage.world.struck or unfired else stage.story.expect,
        notes=(*stage.customer.notes, *stage.world.notes),
        posted=tuple(stage.posted),
        log=stage.world.merchant_log(),
        files=stage.world.merchant_files(),
        secrets={
            "secret key": str(stage.world.values["secret_key"]),
            "signing secret": str(stage.world.values.get("webhook_secret", "")),
            **{f"retired signing secret {number}": secret for number, secret in enumerate(stage.retired, 1)},
            **{
                f"number of the card {attempt.card}": NUMBERS[attempt.card]
                for order in stage.customer.orders
                for attempt in order.attempts
            },
        },
    )
