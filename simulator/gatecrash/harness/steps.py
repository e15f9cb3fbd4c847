"""The verbs of a story's steps: a table of small functions. A new verb is a function here and a line in the
schema.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from gatecrash.core import money
from gatecrash.harness import stranger
from gatecrash.harness.customer import Customer, OrderInProgress
from gatecrash.harness.gateway import Gateway
from gatecrash.harness.history import KILLED, WEBHOOK_ANSWER_S, Posted
from gatecrash.harness.story import Story
from gatecrash.harness.tills.till import Event
from gatecrash.harness.world import CannotPlay, Host, SetupFailed, World

#: A customer tries a payment this often before giving up for the day.
TRIES = 3
STRIKE_WITHIN_S = 20.0
#: No call is on the line for so long, in seconds of sandbox time.
LINE_S = 3600
#: What a browser claims that comes back from a page where nothing was paid.
_CLAIMS = {"status": "succeeded", "payment_status": "paid", "redirect_status": "succeeded"}
#: A webhook that is refused is sent again; by hand, so often in all.
POSTS = 2


@dataclass(slots=True)
class Stage:
    """What the steps of one run act on."""

    story: Story
    world: World
    gateway: Gateway
    customer: Customer
    spinning: list[asyncio.Task[Any]] = field(default_factory=list)  #: pages still loading while the story goes on
    posted: list[Posted] = field(default_factory=list)
    retired: list[str] = field(default_factory=list)  #: signing secrets that were rotated away
    steps_begun: int = 0
    never_back: str = ""  #: how the merchant ended when it was started again
    at: int = -1  #: which order is at hand: the newest, unless a step has turned to another

    @property
    def order(self) -> OrderInProgress:
        if not self.customer.orders:
            raise SetupFailed(f"story {self.story.name}: a step needs an order; place_order comes first")
        return self.customer.orders[self.at]

    def remembered(self) -> object:
        """What decides how the story goes on and how it is judged, of all that is not in the gateway or in the shop."""
        loading = sum(not page.done() for page in self.spinning)
        posted = [(each.order, each.event_type, each.genuine, each.status) for each in self.posted]
        return self.steps_begun, loading, posted, self.retired, [order.remembered() for order in self.customer.orders]

    async def pages_answered(self) -> None:
        """Waits for the pages that still load."""
        pages, self.spinning = self.spinning, []
        await asyncio.gather(*pages)


async def place_order(stage: Stage, order: Mapping[str, Any] | None) -> None:
    order = order or {"amount": stage.story.amount, "currency": stage.story.currency, "capture": stage.story.capture}
    await stage.customer.place_order(
        order["amount"], order["currency"], capture=order.get("capture", "now"), customer=order.get("customer", "ada")
    )
    stage.at = -1


async def turn_to_order(stage: Stage, number: int) -> None:
    stage.at = number - 1


async def pay(stage: Stage, card: str) -> None:
    await stage.customer.pay(stage.order, card)


async def pay_tampered(stage: Stage, argument: Mapping[str, Any]) -> None:
    await stage.customer.pay(stage.order, argument["card"], argument["amount"])


async def pay_with_number(stage: Stage, card: str) -> None:
    await stage.customer.pay_with_number(stage.order, card)


async def look(stage: Stage, _: None) -> None:
    await stage.customer.look(stage.order)


async def edit_order(stage: Stage, argument: Mapping[str, int]) -> None:
    await stage.customer.edit(stage.order, argument["amount"])


async def cancel(stage: Stage, _: None) -> None:
    await stage.customer.cancel(stage.order)


async def ship(stage: Stage, argument: Mapping[str, int] | None) -> None:
    await stage.customer.ship(stage.order, (argument or {}).get("amount"))


async def refund(stage: Stage, argument: Mapping[str, int] | None) -> None:
    await stage.customer.refund(stage.order, (argument or {}).get("amount"))


async def refund_elsewhere(stage: Stage, argument: Mapping[str, int] | None) -> None:
    await stage.customer.refund_elsewhere(stage.order, (argument or {}).get("amount"))


async def answer_dispute(stage: Stage, argument: Mapping[str, bool]) -> None:
    await stage.customer.answer_dispute(stage.order, wins=argument["wins"])


async def come_back(stage: Stage, claims: Mapping[str, str] | None) -> None:
    await stage.customer.come_back(stage.order, claims or _CLAIMS)


async def charge_elsewhere(stage: Stage, argument: Mapping[str, Any]) -> None:
    """For the order at hand, or for the first one before it is placed."""
    story = stage.story
    order_id = stage.order.id if stage.customer.orders else stage.customer.next_order_id()
    amount = argument.get("amount", story.amount)
    stage.customer.note(
        "gateway", "gateway", f"{money.shown(amount, story.currency)} charged for order {order_id}, not by the shop"
    )
    await stage.gateway.charge_elsewhere(argument["card"], amount, story.currency, order_id)


async def post_webhook(stage: Stage, argument: Mapping[str, Any]) -> None:
    signature, age_s, layout = argument["signature"], argument.get("age_s", 0), argument.get("layout", "compact")
    event = await _event(stage, signature, argument)
    till = stage.gateway.till
    how = f"{till.id_and_type(event)[1]}, signature {signature}, signed {age_s} s ago, {layout} JSON"
    secrets = {"valid": stage.world.values["webhook_secret"], "retired": stage.retired[-1] if stage.retired else ""}
    path = stage.world.profile.webhook_path
    assert path is not None, "stories that need it are left out"
    for _ in range(POSTS):
        stage.customer.note(
            "gateway" if signature == "valid" else "customer", "shop", f"Gatecrash posts {how}", stage.order.number
        )
        headers, body = stranger.sign(till, event, signature, layout, stage.world.wall_ms() / 1000 - age_s, secrets)
        reply = await stage.world.request(Host.MERCHANT, "POST", path, body, headers=headers, timeout_s=WEBHOOK_ANSWER_S)
        stage.posted.append(stranger.posted(till, stage.order, event, signature, age_s, how, reply))
        if reply.ok:
            return


async def _event(stage: Stage, signature: str, argument: Mapping[str, Any]) -> Event:
    now = stage.world.wall_ms() / 1000
    if signature != "valid":
        return stranger.forgery(stage.gateway.till, stage.order, argument, now)
    event = await stage.gateway.newest_event(stage.order.id, stage.customer.order_by_nonce)
    if event is None:
        raise CannotPlay("post_webhook: the gateway has no event about the order that could be posted once more")
    return stage.gateway.till.told_again(event, argument, now)


async def rotate_secret(stage: Stage, argument: Mapping[str, float] | None) -> None:
    """The shop learns of it when it is started the next time."""
    overlap_s = (argument or {}).get("overlap_s", 0)
    old, new = stage.world.values["webhook_secret"], await stage.gateway.rotate_secret(overlap_s)
    stage.retired.append(old)
    stage.customer.note("gateway", "gateway", f"signing secret rotated, the old one retires in {overlap_s:g} s")
    until = stage.world.wall_ms() // 1000 + int(overlap_s)
    stage.world.values |= {"webhook_secret": new, "webhook_secrets": f"{new} {old}@{until}"}


async def begin_pay(stage: Stage, card: str) -> None:
    stage.spinning.append(asyncio.create_task(stage.customer.pay(stage.order, card)))


async def double_click(stage: Stage, card: str) -> None:
    await stage.customer.press_at_once(stage.order, card, 2)


async def press_at_once(stage: Stage, argument: Mapping[str, Any]) -> None:
    await stage.customer.press_at_once(stage.order, argument["card"], argument["times"])


async def retry_while_unpaid(stage: Stage, argument: str | Mapping[str, Any]) -> None:
    card = argument if isinstance(argument, str) else argument["card"]
    times = TRIES if isinstance(argument, str) else argument.get("times", TRIES)
    await stage.pages_answered()
    await stage.customer.retry_while_unpaid(stage.order, card, times)


async def bring_up(stage: Stage) -> None:
    """The shop is started, unless it runs; if it does not because it ended by itself, that is written down."""
    if ended := stage.world.merchant_ended():
        stage.customer.note("shop", "shop", ended.splitlines()[0])
    await stage.world.start_merchant()


async def wait_for(stage: Stage, station: str) -> None:
    async def struck() -> bool:
        return await stage.gateway.struck(station)

    within_s = min(STRIKE_WITHIN_S, stage.world.strike_s)
    if not await stage.world.until(struck, within_s=within_s):
        raise CannotPlay(
            f"no fault struck at {station} within {within_s:.0f} s: the merchant never did what the story breaks there; "
            "in a story of your own, look whether a rule matches what the merchant asks"
        )


async def wait_for_webhook(stage: Stage, event_type: str) -> None:
    async def answered() -> bool:
        return await stage.gateway.told_of(event_type)

    if not await stage.world.until(answered, within_s=min(STRIKE_WITHIN_S, stage.world.strike_s)):
        raise CannotPlay(f"no webhook {event_type} was sent: the merchant never did what the story waits for")


async def begin_refund(stage: Stage, argument: Mapping[str, int] | None) -> None:
    stage.spinning.append(asyncio.create_task(refund(stage, argument)))


async def kill_merchant(stage: Stage, argument: Mapping[str, str] | None) -> None:
    if argument and "at" in argument:
        await wait_for(stage, argument["at"])
    elif argument:
        await _shows(stage, argument["when"])
    stage.customer.note("shop", "shop", KILLED)
    await stage.world.kill(Host.MERCHANT)


async def _shows(stage: Stage, status: str) -> None:
    async def shown() -> bool:
        return await stage.customer.look(stage.order) == status

    # a shop that never comes to show it is not struck where it was meant to be, and is judged all the same
    await stage.world.until(shown, within_s=3 * stage.world.profile.reconcile_s + 0.5)


async def kill_gateway(stage: Stage, _: None) -> None:
    stage.customer.note("gateway", "gateway", KILLED)
    await stage.world.kill(Host.GATEWAY)


async def restart_merchant(stage: Stage, _: None) -> None:
    await bring_up(stage)
    stage.customer.note("shop", "shop", "is back")


async def break_(stage: Stage, rule: Mapping[str, Any]) -> None:
    await stage.gateway.arm(rule)


async def mend(stage: Stage, station: str) -> None:
    await stage.gateway.mend(station)


async def advance(stage: Stage, argument: Mapping[str, float]) -> None:
    await _jump(stage, argument["seconds"])


async def wait(stage: Stage, argument: Mapping[str, float]) -> None:
    await stage.world.shop_works(argument["seconds"])


async def next_timer(stage: Stage, _: None) -> None:
    await stage.gateway.advance(0)  # what is due already is no next timer
    clock = await stage.gateway.clock()
    if clock.next_timer_s is not None:
        await _jump(stage, max(clock.next_timer_s, 0.0) + 0.001)


async def _jump(stage: Stage, seconds: float) -> None:
    """Moves the sandbox clock. A call that comes late does not come hours late, when its key has expired: what is on the line
    is waited for, unless a rule of the story holds it for longer.
    """
    if seconds >= LINE_S:

        async def answered() -> bool:
            return not await stage.gateway.answering()

        await stage.world.until(answered, within_s=2 * stage.world.profile.patience_s)
    await stage.gateway.advance(seconds)


Verb = Callable[[Stage, Any], Awaitable[None]]

VERBS: Mapping[str, Verb] = MappingProxyType(
    {
        "place_order": place_order,
        "turn_to_order": turn_to_order,
        "pay": pay,
        "pay_tampered": pay_tampered,
        "pay_with_number": pay_with_number,
        "look": look,
        "edit_order": edit_order,
        "cancel": cancel,
        "ship": ship,
        "refund": refund,
        "refund_elsewhere": refund_elsewhere,
        "answer_dispute": answer_dispute,
        "come_back": come_back,
        "charge_elsewhere": charge_elsewhere,
        "post_webhook": post_webhook,
        "rotate_secret": rotate_secret,
        "begin_pay": begin_pay,
        "begin_refund": begin_refund,
        "double_click": double_click,
        "press_at_once": press_at_once,
        "retry_while_unpaid": retry_while_unpaid,
        "wait_for": wait_for,
        "wait_for_webhook": wait_for_webhook,
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

#: What a customer and the shop's staff do on a good day: a shop that answers nonsense to these is not the one of its profile.
HARMLESS = frozenset(
    {
        "place_order", "turn_to_order", "pay", "look", "edit_order", "cancel", "ship", "refund", "begin_pay", "begin_refund",
        "double_click", "press_at_once", "refund_elsewhere", "retry_while_unpaid", "answer_dispute",
    }
)  # fmt: skip
