"""The async twin: every call of the handle, and an event loop that stays free."""

import asyncio
import inspect
from typing import Any

import pytest
from aiohttp import web

from gatecrash.client import GatewayError, Sandbox, WaitTimeout
from gatecrash.client.aio import AsyncCaught, AsyncClock, AsyncFaults, AsyncSandbox, AsyncWebhooks, awaited
from gatecrash.client.catch import Caught
from gatecrash.client.clock import Clock
from gatecrash.client.faults import Faults
from gatecrash.client.webhooks import Webhooks

TWINS = [(AsyncSandbox, Sandbox), (AsyncFaults, Faults), (AsyncClock, Clock), (AsyncWebhooks, Webhooks)]


def calls(kind: type) -> set[str]:
    return {name for name, value in vars(kind).items() if not name.startswith("_") and inspect.isfunction(value)}


@pytest.mark.parametrize(("twin", "handle"), TWINS)
def test_every_call_of_the_handle_has_its_twin(twin: type, handle: type) -> None:
    twins = {name: value for name, value in vars(twin).items() if isinstance(value, awaited)}
    assert calls(handle) - {"env"} == twins.keys() | calls(twin)
    assert all(value.method is vars(handle)[name] for name, value in twins.items())


def test_the_receiver_has_its_twin_too() -> None:
    assert {"of", "wait_for"} <= calls(AsyncCaught) & calls(Caught)


@pytest.mark.asyncio
async def test_calls_are_awaited_and_refusals_raised(sandbox: Sandbox) -> None:
    it = sandbox.aio
    assert it.env() == sandbox.env()
    await it.clock.freeze()
    charge = await it.charge(order_id="o-1")
    assert await it.charges(order_id="o-1") == [charge]
    rule = await it.faults.add("request.received", "status", params={"status": 503})
    with pytest.raises(GatewayError, match="503"):
        await it.charges()
    assert (await it.faults.get(rule["id"]))["fired"] == 1
    assert it.charges.__doc__ == Sandbox.charges.__doc__


@pytest.mark.asyncio
async def test_a_merchant_in_the_same_loop_gets_its_webhooks_while_time_is_moved(sandbox: Sandbox) -> None:
    it, got = sandbox.aio, []

    async def take(request: web.BaseRequest) -> web.StreamResponse:
        got.append(await request.json())
        return web.Response(status=500 if len(got) == 1 else 200)

    runner = web.ServerRunner(web.Server(take))  # type: ignore[arg-type]
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    await it.clock.freeze()
    await it.webhooks.create(f"http://127.0.0.1:{runner.addresses[0][1]}/")
    await it.charge()
    assert (await it.clock.advance(60))["timers_fired"] >= 1
    assert [one["type"] for one in got] == ["charge.succeeded"] * 2
    await runner.cleanup()


@pytest.mark.asyncio
async def test_webhooks_are_caught_and_waited_for(sandbox: Sandbox) -> None:
    it = sandbox.aio
    async with it.webhooks.catch(events=["charge.*"]) as caught:
        charging = asyncio.create_task(it.charge())
        (webhook,) = await caught.wait_for("charge.succeeded")
        assert webhook.data["id"] == (await charging)["id"]
        assert list(caught) == caught.webhooks == caught.of("charge.*")
        assert (len(caught), caught.rejected) == (1, [])
        with pytest.raises(WaitTimeout, match=r"what came: charge\.succeeded"):
            await caught.wait_for("refund.*", timeout=0)
    assert await it.webhooks.list() == []


@pytest.mark.asyncio
async def test_conditions_may_be_async_or_plain(sandbox: Sandbox) -> None:
    it = sandbox.aio
    waiting = asyncio.create_task(it.wait_for(lambda it: it.charges(order_id="o-1")))
    charge = await it.charge(order_id="o-1")
    assert await waiting == [charge]
    seen: list[Any] = [charge]
    assert await it.wait_for(lambda it: seen) == seen

    async def failed(it: AsyncSandbox) -> bool:
        return bool(await it.events(type="charge.failed"))

    with pytest.raises(WaitTimeout, match=r"waited 0 s for failed; it last gave False[\s\S]*POST /v1/charges"):
        await it.wait_for(failed, timeout=0)
