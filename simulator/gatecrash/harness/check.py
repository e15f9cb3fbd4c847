"""Whether a profile tells the truth: the merchant is started, ordered from, paid at and read, one step at a time."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple

from gatecrash.core import money
from gatecrash.harness import answers
from gatecrash.harness.gateway import Gateway
from gatecrash.harness.history import PAID, PENDING
from gatecrash.harness.merchant_profile import Call, MerchantProfile
from gatecrash.harness.world import Host, Reply, SetupFailed, World

AMOUNT, CURRENCY, CARD = 4200, "usd", "visa"


class Step(NamedTuple):
    """`sent` and `received`: the exchange, where there was one. `hint`: what to do when it is not `ok`."""

    what: str
    ok: bool
    sent: str = ""
    received: str = ""
    hint: str = ""


async def check(world: World) -> AsyncIterator[Step]:
    """The steps, each as it is done, in a world that is entered; ends with the first that fails."""
    profile, values = world.profile, world.values
    keys = "" if profile.start else f", for the keys {values['secret_key']} and {values['publishable_key']}"
    yield Step(f"the gateway serves at {values['gateway_url']}{keys}", True)
    gateway = Gateway(world, values["secret_key"], values["publishable_key"])
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

    order = {"amount": AMOUNT, "currency": CURRENCY, "order_id": f"{world.cart}-1", "capture": "now", "customer": "ada"}
    sent, reply = await _exchange(world, profile.place_order, order)
    step = Step(f"it takes an order for {money.shown(AMOUNT, CURRENCY)}", True, sent, reply.told())
    try:
        order |= {"order_id": answers.order_id(profile, profile.place_order, reply)}
    except SetupFailed as error:
        yield step._replace(ok=False, hint=await _hint(world, reply, error))
        return
    yield step

    step, status = await _read(world, order, "the order can be read")
    yield step
    if status is None:
        return
    if status == PAID:
        yield Step("it is not paid yet", False, hint="a fresh order reads PAID; look at read_order.status and at [statuses]")
        return

    sent, reply = await _exchange(world, profile.pay, {**order, "nonce": await gateway.nonce(CARD)})
    step = Step("it takes a payment", True, sent, reply.told())
    try:
        told = answers.outcome(profile, profile.pay, reply)
    except SetupFailed as error:
        yield step._replace(ok=False, hint=await _hint(world, reply, error))
        return
    hint = f"a good card was used and nothing was broken, so {PAID} or {PENDING} was expected, by [statuses]"
    fine = told in (PAID, PENDING)
    yield step._replace(what=f"{step.what} and says {told}", ok=fine, hint="" if fine else hint)
    if not fine:
        return

    async def settled() -> bool:
        return (await _read(world, order, ""))[1] == PAID

    await world.until(settled, within_s=3 * profile.reconcile_s + 2)
    step, status = await _read(world, order, "the order afterwards")
    hint = f"it reads {status}, not {PAID}: name the shop's word in [statuses], or wait for longer with timeouts.reconcile_s"
    yield step if status == PAID else step._replace(ok=False, hint=hint)
    if status != PAID:
        return
    charges = await gateway.charges({})
    taken = [charge for charge in charges if charge.net > 0]
    exact = [(charge.net, charge.currency) for charge in taken] == [(AMOUNT, CURRENCY)]
    listed = ", ".join(f"{money.shown(charge.net, charge.currency)}" for charge in taken) or "nothing"
    hint = "the merchant must charge at the gateway that its environment names: {gateway_url}, with {secret_key}"
    yield Step("the gateway's books have one charge for it", exact, received=listed, hint="" if exact else hint)
    if exact and profile.webhook_path is not None:
        yield await _webhook(world, gateway, profile)


async def _read(world: World, order: Mapping[str, Any], what: str) -> tuple[Step, str | None]:
    sent, reply = await _exchange(world, world.profile.read_order, order)
    try:
        status = answers.page(world.profile, world.profile.read_order, reply).status
    except SetupFailed as error:
        return Step(what, False, sent, reply.told(), await _hint(world, reply, error)), None
    return Step(f"{what}: {status}", True, sent, reply.told()), status


async def _hint(world: World, reply: Reply, error: SetupFailed) -> str:
    """What is wrong, and what the merchant said when it failed or ended."""
    told = error.short if isinstance(error, answers.Unpromised) else str(error)
    if reply.status == 0 and (ended := await world.merchant_ends()):
        return f"{told}; the merchant {ended}"
    return told + (world.merchant_said() if reply.status == 0 or reply.status >= 500 else "")


async def _webhook(world: World, gateway: Gateway, profile: MerchantProfile) -> Step:
    async def delivered() -> list[dict[str, Any]]:
        return await gateway.journal(kind="delivery")

    deliveries = await world.until(delivered, within_s=profile.page_s) or []
    accepted = any(entry["outcome"] == "succeeded" for entry in deliveries)
    said = ", ".join(f"{entry['event_type']} → {entry['status'] or entry['error']}" for entry in deliveries) or "none was sent"
    hint = f"expected a 2xx to POST {profile.webhook_path}; the signing secret is {{webhook_secret}}, Standard Webhooks"
    return Step("it acknowledges the webhook", accepted, received=said, hint="" if accepted else hint)


async def _exchange(world: World, call: Call, values: Mapping[str, Any]) -> tuple[str, Reply]:
    filled = call.fill({**world.values, **values})
    reply = await world.request(
        Host.MERCHANT, filled.method, filled.path, filled.body,
        form=filled.form, headers=filled.headers, timeout_s=world.profile.page_s,
    )  # fmt: skip
    body = "" if filled.body is None else " " + json.dumps(filled.body, ensure_ascii=False)
    return f"{filled.method} {filled.path}{body}", reply
