"""Whether a profile tells the truth: the merchant is started, ordered from, paid at and read, one step at a time.

Then what a good day does not show: a card that is declined, a restart, a second start with a fresh folder; and which oracles
the profile leaves without what they judge by.
"""

import json
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gatecrash.core import money
from gatecrash.harness import answers
from gatecrash.harness.blind_spots import blind_spots
from gatecrash.harness.customer import Customer, OrderInProgress
from gatecrash.harness.gateway import Gateway
from gatecrash.harness.history import FAILED, PAID, PAYMENT_MADE, PENDING
from gatecrash.harness.isolation import suspects
from gatecrash.harness.merchant_profile import MerchantProfile
from gatecrash.harness.oracles import ORACLES
from gatecrash.harness.proposals import proposed
from gatecrash.harness.templates import Call
from gatecrash.harness.world import Host, Reply, SetupFailed, World

AMOUNT, CURRENCY, CARD, DECLINED = 4200, "usd", "visa", "declined"
#: A shop that looks every minute is not waited for so long.
SETTLES_S_MAX = 60.0


class Step(NamedTuple):
    """`sent` and `received`: the exchange, where there was one. `hint`: what to do when it is not `ok`; else what to look at."""

    what: str
    ok: bool
    sent: str = ""
    received: str = ""
    hint: str = ""


@dataclass(slots=True)
class Checked:
    """What one life of the merchant has shown."""

    world: World
    customer: Customer
    began: float = field(default_factory=time.time)
    order: OrderInProgress | None = None  #: that was paid
    page: Any = None  #: the body of its page, once it was paid


async def check(profile: MerchantProfile, open_world: Callable[[MerchantProfile], World]) -> AsyncGenerator[Step, None]:
    """The steps, each as it is done; ends with the first that fails. `open_world` makes the worlds, to be entered here."""
    checked: Checked | None = None
    async with open_world(profile) as world:
        gateway = Gateway(world, world.values["secret_key"], world.values["publishable_key"])
        checked = Checked(world, Customer(world, gateway))
        async for step in _first_life(checked):
            yield step
            if not step.ok:
                return
        if profile.start is not None and profile.read_order is not None:
            yield await _restarted(checked)
    if profile.read_order is not None and (profile.start is not None or profile.reset):
        async with open_world(profile) as world:
            step = await _fresh(checked, world)
            yield step
            if not step.ok:
                return
    for step in _not_judged(checked):
        yield step


async def _first_life(checked: Checked) -> AsyncGenerator[Step, None]:
    """From the start to an order that is paid by one charge, then one whose card is declined."""
    world, customer = checked.world, checked.customer
    profile, values, gateway = world.profile, world.values, customer.gateway
    keys = "" if profile.start else f", for the keys {values['secret_key']} and {values['publishable_key']}"
    yield Step(f"the gateway serves at {values['gateway_url']}{keys}", True)
    if profile.webhook_path is not None:
        url = values["merchant_url"] + profile.webhook_path
        values["webhook_secret"] = values["webhook_secrets"] = await gateway.register_webhooks(url)
        if profile.start is None:
            yield Step(f"its webhooks are signed with {values['webhook_secret']}: the merchant must know that secret", True)
    try:
        await world.start_merchant()
    except SetupFailed as error:
        yield Step("the merchant starts" if profile.start else "the merchant is there", False, hint=str(error))
        return
    yield Step(f"the merchant answers GET {profile.ready} at {values['merchant_url']}", True)

    order = _order(customer)
    for_it = f" for {money.shown(AMOUNT, CURRENCY)}"
    async for step in _placed(checked, order, f"it takes an order{for_it}"):
        yield step
        if not step.ok:
            return
    if profile.read_order is not None:
        step, status, _ = await _read(checked, order, "the order can be read")
        if status == PAID:
            hint = "a fresh order reads PAID; look at read_order.status and at [statuses]"
            step = Step("it is not paid yet", False, step.sent, step.received, hint)
        yield step
        if not step.ok:
            return

    step, told = await _paid(checked, order, CARD, "it takes a payment")
    if step.ok and told not in (PAID, PENDING):
        hint = f"a good card was used and nothing was broken, so {PAID} or {PENDING} was expected, by [statuses]"
        step = step._replace(ok=False, hint=hint)
    yield step
    if not step.ok:
        return
    if profile.read_order is not None:
        step, status, checked.page = await _settled(checked, order, {PAID}, "the order afterwards")
        if status != PAID and step.ok:
            hint = (
                f"it reads {status}, not {PAID}: name the shop's word in [statuses], or wait for longer with timeouts.reconcile_s"
            )
            step = step._replace(ok=False, hint=hint)
        yield step
        if not step.ok:
            return
    checked.order = order
    step = await _books(checked, order)
    yield step
    if not step.ok:
        return
    if profile.webhook_path is not None:
        step = await _webhook(world, gateway, profile)
        yield step
        if not step.ok:
            return
    async for step in _declined(checked):
        yield step


def _order(customer: Customer) -> OrderInProgress:
    """One more order, before the shop knows of it."""
    order = OrderInProgress(customer.next_order_id(), len(customer.orders) + 1, AMOUNT, CURRENCY)
    customer.orders.append(order)
    return order


async def _placed(checked: Checked, order: OrderInProgress, what: str) -> AsyncGenerator[Step, None]:
    """The visits before the first call, then the order; nothing where the shop has no orders of its own."""
    customer, profile = checked.customer, checked.world.profile
    if profile.place_order is None:
        return
    browser = customer.browser(order)
    visited = bool(browser.visits)
    sent, reply = await _exchange(checked, order, profile.place_order)
    if not visited:
        for call, answer in browser.visits:
            yield Step(f"the customer visits {call.told()}", True, received=answer.told())
        if browser.astray:
            yield Step("the visits give what the calls need", False, hint=browser.astray)
            return
    step = Step(what, True, sent, _told(reply))
    try:
        found = answers.order_id(profile, profile.place_order, reply, browser.find(reply, profile.order_id))
    except SetupFailed as error:
        hint = await _hint(checked.world, reply, error, "order_id" if reply.ok else "")
        yield step._replace(ok=False, hint=hint)
        return
    order.id = str(found)
    customer.given_ids[order.id] = found
    yield step


async def _paid(checked: Checked, order: OrderInProgress, card: str, what: str) -> tuple[Step, str | None]:
    """A press of the pay button, and what it told; None for nothing."""
    customer, profile = checked.customer, checked.world.profile
    nonce = await customer.gateway.nonce(card)
    order.nonces.append(nonce)
    sent, reply = await _exchange(checked, order, profile.pay, client_key=f"{order.id}-press-{len(order.nonces)}")
    step = Step(what, True, sent, _told(reply))
    try:
        told = answers.outcome(profile, profile.pay, reply)
    except SetupFailed as error:
        return step._replace(ok=False, hint=await _hint(checked.world, reply, error, "status" if reply.ok else "")), None
    return step._replace(what=f"{what} and says {told}"), told


async def _read(checked: Checked, order: OrderInProgress, what: str) -> tuple[Step, str | None, Any]:
    """The order's page: the step, the status and the body."""
    customer, profile = checked.customer, checked.world.profile
    call = profile.read_order
    assert call is not None, "asked only where there is one"
    reply = await customer.read(call, order)
    sent = call.fill(customer.browser(order).values(customer.values(order, order.amount))).told()
    try:
        status = answers.page(profile, call, reply, order.currency).status
    except SetupFailed as error:
        return Step(what, False, sent, _told(reply), await _hint(checked.world, reply, error, "status")), None, reply.body
    return Step(f"{what}: {status}", True, sent, _told(reply)), status, reply.body


async def _settled(checked: Checked, order: OrderInProgress, statuses: set[str], what: str) -> tuple[Step, str | None, Any]:
    """The same, once it shows one of these statuses, or a few reconciliation periods have passed."""

    async def there() -> bool:
        return (await _read(checked, order, ""))[1] in statuses

    within_s = min(3 * checked.world.profile.reconcile_s + 2, SETTLES_S_MAX)
    await checked.world.until(there, within_s=within_s)
    return await _read(checked, order, what)


async def _books(checked: Checked, order: OrderInProgress) -> Step:
    gateway = checked.customer.gateway
    charges = await gateway.charges({})
    taken = [charge for charge in charges if charge.net > 0]
    exact = [(charge.net, charge.currency) for charge in taken] == [(order.amount, order.currency)]
    listed = ", ".join(f"{money.shown(charge.net, charge.currency)}" for charge in taken) or "nothing"
    hint = "the merchant must charge at the gateway that its environment names: {gateway_url}, with {secret_key}"
    if any(abs(charge.net - order.amount * 100) <= 1 or charge.net * 100 == order.amount for charge in taken):
        hint = "it is a hundred times off: {amount} is in minor units, {amount_decimal} and {amount_number} are 42.00"
    return Step("the gateway's books have one charge for it", exact, received=listed, hint="" if exact else hint)


async def _declined(checked: Checked) -> AsyncGenerator[Step, None]:
    """What the shop makes of a declined card. Most of it is the shop's own affair, for `prove` to judge; it is told here."""
    order = _order(checked.customer)
    async for step in _placed(checked, order, "it takes another order"):
        if not step.ok:
            yield step
            return
    step, told = await _paid(checked, order, DECLINED, "a declined card is answered")
    if step.received.startswith("nothing ("):
        yield step
        return
    if told in PAYMENT_MADE:
        yield step._replace(
            ok=False, hint=f"the card was declined, so {told} is wrong; look at pay.status, pay.codes and [statuses]"
        )
        return
    if told is None:
        unexplained = "which is not explained" in step.hint
        yield step if unexplained else step._replace(ok=True, hint=_NO_DECLINE)
        if unexplained:
            return
    else:
        yield step
    if checked.world.profile.read_order is not None:
        step, status, _ = await _settled(checked, order, {FAILED, "CANCELLED"}, "the order with the declined card")
        if status in PAYMENT_MADE:
            step = step._replace(ok=False, hint="nothing was charged for it; look at read_order.status and at [statuses]")
        elif not step.ok and "which is not explained" not in step.hint:
            step = step._replace(ok=True, hint="it cannot be read: stories with a declined card may be set-ups that are wrong")
        yield step
        if not step.ok:
            return
    step, told = await _paid(checked, order, CARD, "a good card afterwards is answered")
    if told not in (PAID, PENDING):
        step = step._replace(ok=True, hint="the order cannot be paid after a decline: `gatecrash explain L5` says why it should")
    yield step


_NO_DECLINE = (
    "it does not say that the card was declined, so a customer cannot tell that from an outage; expected 402, or a word that "
    "[statuses] explains as FAILED, or an HTTP status in pay.codes; in the stories it is an error, and the customer tries again"
)


async def _restarted(checked: Checked) -> Step:
    """What the shop knew before it was killed must be there afterwards."""
    assert checked.order is not None, "the first life ended well"
    world, what = checked.world, "the order after a restart"
    await world.kill(Host.MERCHANT)
    try:
        await world.start_merchant()
    except SetupFailed as error:
        return Step("the merchant starts again after it was killed", False, hint=str(error))
    step, status, _ = await _settled(checked, checked.order, {PAID}, what)
    if status == PAID:
        return step
    return step._replace(
        what=f"{what}: {status or 'it is gone'}", ok=True,
        hint="\n".join([_FORGETS, *suspects(world.profile, world.values, checked.began)]),
    )  # fmt: skip


_FORGETS = (
    "a shop that is killed must still know what was paid; stories that kill it will find it at fault. If it has a database, the "
    "file or server that it uses must be the same after a restart"
)


async def _fresh(checked: Checked, world: World) -> Step:
    """With another folder nothing may be there of what was: else the stories, each of which begins empty, disturb each other."""
    assert checked.order is not None, "the first life ended well"
    gateway = Gateway(world, world.values["secret_key"], world.values["publishable_key"])
    if world.profile.webhook_path is not None:
        url = world.values["merchant_url"] + world.profile.webhook_path
        world.values["webhook_secret"] = world.values["webhook_secrets"] = await gateway.register_webhooks(url)
    what = "a fresh start knows nothing of it" if world.profile.start else "a reset leaves nothing of it"
    try:
        await world.start_merchant()
    except SetupFailed as error:
        return Step("the merchant starts a second time, with a fresh folder", False, hint=str(error))
    customer = Customer(world, gateway, given_ids=checked.customer.given_ids)
    step, status, _ = await _read(Checked(world, customer), checked.order, what)
    if status not in PAYMENT_MADE:
        return Step(what, True, step.sent, step.received)
    hints = [_SHARED, *suspects(checked.world.profile, checked.world.values, checked.began)]
    if world.profile.start is None:
        hints = [f"{world.profile.at('reset')}: the order is still {status} after this command; it must empty the shop's data"]
    return Step(what, False, step.sent, step.received, "\n".join(hints))


_SHARED = (
    "the order of the run before is there though the folder {scratch} is another: all stories would share one set of data, and "
    "be blamed for each other's orders"
)


def _not_judged(checked: Checked) -> list[Step]:
    """What a verdict on this merchant will leave out, and the lines that would change that, where the order's page has them."""
    steps = []
    for each in blind_spots(checked.world.profile):
        named = ", ".join(f"{ORACLES[code].title} ({code})" if code in ORACLES else code for code in each.oracles)
        lines = [
            line
            for field in ("fulfilments", "refunded")
            if f"no {field}" in each.reason
            for line in proposed(field, checked.page)
        ]
        seen = f"\nits page has what looks like it: {' or '.join(lines)}" if lines else ""
        steps.append(Step(f"not judged: {named}", True, hint=f"{each.reason}{seen}"))
    return steps


async def _hint(world: World, reply: Reply, error: SetupFailed, field: str = "") -> str:
    """What is wrong, what in the answer looks like the `field` of the profile, and what a merchant said that failed or ended."""
    told = error.short if isinstance(error, answers.Unpromised) else str(error)
    if reply.status == 0 and (ended := await world.merchant_ends()):
        return f"{told}; the merchant {ended}"
    lines = proposed(field, reply.body) if field and isinstance(error, answers.Unpromised) else []
    seen = f"\nthe answer has what looks like it: {' or '.join(lines)}" if lines else ""
    return told + seen + (world.merchant_said() if reply.status == 0 or reply.status >= 500 else "")


async def _webhook(world: World, gateway: Gateway, profile: MerchantProfile) -> Step:
    async def delivered() -> list[dict[str, Any]]:
        return await gateway.journal(kind="delivery")

    deliveries = await world.until(delivered, within_s=profile.page_s) or []
    accepted = any(entry["outcome"] == "succeeded" for entry in deliveries)
    said = ", ".join(f"{entry['event_type']} → {entry['status'] or entry['error']}" for entry in deliveries) or "none was sent"
    hint = f"expected a 2xx to POST {profile.webhook_path}; the signing secret is {{webhook_secret}}, Standard Webhooks"
    return Step("it acknowledges the webhook", accepted, received=said, hint="" if accepted else hint)


async def _exchange(checked: Checked, order: OrderInProgress, call: Call, **more: Any) -> tuple[str, Reply]:
    """What was sent, in words, and the answer."""
    values = {**checked.customer.values(order, order.amount), **more}
    browser = checked.customer.browser(order)
    reply = await browser.call(call, values)
    filled = call.fill(browser.values(values))
    body = "" if filled.body is None else " " + json.dumps(filled.body, ensure_ascii=False)
    return f"{filled.told()}{body}", reply


def _told(reply: Reply) -> str:
    """The answer, with where it leads."""
    location = reply.header("Location")
    return reply.told() + (f", Location: {location}" if location else "")
