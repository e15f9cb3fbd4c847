"""The verbs of a story's steps: a table of small functions. A new verb is a function here and a line in the
schema.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from gatecrash.harness.customer import Customer, OrderInProgress
from gatecrash.harness.gateway import Gateway
from gatecrash.harness.story import Story
from gatecrash.harness.world import Host, SetupFailed, World

#: A customer tries a payment this often before giving up for the day.
TRIES = 3
STRIKE_WITHIN_S = 20.0


@dataclass(slots=True)
class Stage:
    """What the steps of one run act on."""

    story: Story
    world: World
    gateway: Gateway
    customer: Customer
    spinning: list[asyncio.Task[str]] = field(default_factory=list)  #: pages still loading while the story goes on

    @property
    def order(self) -> OrderInProgress:
        if not self.customer.orders:
            raise SetupFailed(f"story {self.story.name}: a step needs an order; place_order comes first")
        return self.customer.orders[-1]

    async def pages_answered(self) -> None:
        """Waits for the pages that still load."""
        pages, self.spinning = self.spinning, []
        await asyncio.gather(*pages)


async def place_order(stage: Stage, order: Mapping[str, Any] | None) -> None:
    order = order or {"amount": stage.story.amount, "currency": stage.story.currency}
    await stage.customer.place_order(order["amount"], order["currency"])


async def pay(stage: Stage, card: str) -> None:
    await stage.customer.pay(stage.order, card)


async def begin_pay(stage: Stage, card: str) -> None:
    stage.spinning.append(asyncio.create_task(stage.customer.pay(stage.order, card)))


async def double_click(stage: Stage, card: str) -> None:
    await stage.customer.double_click(stage.order, card)


async def retry_while_unpaid(stage: Stage, argument: str | Mapping[str, Any]) -> None:
    card = argument if isinstance(argument, str) else argument["card"]
    times = TRIES if isinstance(argument, str) else argument.get("times", TRIES)
    await stage.pages_answered()
    await stage.customer.retry_while_unpaid(stage.order, card, times)


async def wait_for(stage: Stage, station: str) -> None:
    async def struck() -> bool:
        return await stage.gateway.struck(station)

    if not await stage.world.until(struck, within_s=STRIKE_WITHIN_S):
        raise SetupFailed(
            f"story {stage.story.name}: no fault struck at {station} within {STRIKE_WITHIN_S:.0f} s; "
            "does a rule of the story match what the merchant asks?"
        )


async def kill_merchant(stage: Stage, argument: Mapping[str, str] | None) -> None:
    if argument and "at" in argument:
        await wait_for(stage, argument["at"])
    elif argument:
        await _shows(stage, argument["when"])
    stage.customer.note("shop", "shop", "killed")
    await stage.world.kill(Host.MERCHANT)


async def _shows(stage: Stage, status: str) -> None:
    async def shown() -> bool:
        return await stage.customer.look(stage.order) == status

    # a shop that never comes to show it is not struck where it was meant to be, and is judged all the same
    await stage.world.until(shown, within_s=3 * stage.world.profile.reconcile_s + 0.5)


async def kill_gateway(stage: Stage, _: None) -> None:
    stage.customer.note("gateway", "gateway", "killed")
    await stage.world.kill(Host.GATEWAY)


async def restart_merchant(stage: Stage, _: None) -> None:
    await stage.world.start_merchant()
    stage.customer.note("shop", "shop", "is back")


async def break_(stage: Stage, rule: Mapping[str, Any]) -> None:
    await stage.gateway.arm(rule)


async def mend(stage: Stage, station: str) -> None:
    await stage.gateway.mend(station)


async def advance(stage: Stage, argument: Mapping[str, float]) -> None:
    await stage.gateway.advance(argument["seconds"])


async def wait(stage: Stage, argument: Mapping[str, float]) -> None:
    await stage.world.pause(argument["seconds"])


async def next_timer(stage: Stage, _: None) -> None:
    await stage.gateway.advance(0)  # what is due already is no next timer
    clock = await stage.gateway.clock()
    if clock.next_timer_s is not None:
        await stage.gateway.advance(max(clock.next_timer_s, 0.0) + 0.001)


Verb = Callable[[Stage, Any], Awaitable[None]]

VERBS: Mapping[str, Verb] = MappingProxyType(
    {
        "place_order": place_order,
        "pay": pay,
        "begin_pay": begin_pay,
        "double_click": double_click,
        "retry_while_unpaid": retry_while_unpaid,
        "wait_for": wait_for,
        "kill_merchant": kill_merchant,
        "kill_gateway": kill_gateway,
        "restart_merchant": restart_merchant,
        "break": break_,
        "mend": mend,
        "wait": wait,
        "advance": advance,
        "next_timer": next_timer,
    }
)
