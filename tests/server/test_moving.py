"""A call that moves a clock: it ends with its caller, can be asked about and stopped, and is the only one."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.server.wire import Wire
from tests.support.client import Client
from tests.support.gateway import LiveGateway
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio

ADVANCE = "/_gatecrash/clock/advance"


@pytest_asyncio.fixture
async def stuck(client: Client) -> AsyncIterator[Client]:
    """A client of a sandbox whose clock nothing can move by itself: a webhook that waits for its answer stands in the way."""

    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silence, "127.0.0.1", 0) as silent:
        port = silent.sockets[0].getsockname()[1]
        (await client.post("/v1/webhook_endpoints", {"url": f"http://127.0.0.1:{port}/"})).expect(201)
        (await client.post("/_gatecrash/clock", {"mode": "frozen"})).expect(200)
        await client.add_fault("webhook.sent", "hang")
        await client.charge()
        yield client
        (await client.call("DELETE", "/_gatecrash/faults")).expect(200)


async def moving(client: Client) -> Any:
    return (await client.get("/_gatecrash/clock")).expect(200)["moving"]


async def test_it_ends_when_its_caller_leaves(stuck: Client) -> None:
    began = (await stuck.get("/_gatecrash/clock"))["now"]
    wire = await Wire.open(stuck)
    await wire.ask("POST", ADVANCE, {"seconds": 3600}, Content_Type="application/json")
    await eventually(lambda: moving(stuck))
    wire.leave()

    async def is_free() -> bool:
        return await moving(stuck) is None

    await eventually(is_free)
    assert (await stuck.get("/_gatecrash/clock"))["now"] == began
    assert [entry["action"] for entry in await stuck.journal("control")][-1] == "clock.abandoned"


async def test_a_second_one_is_told_who_is_moving_it_and_the_first_can_be_stopped(stuck: Client, gateway: LiveGateway) -> None:
    began = (await stuck.get("/_gatecrash/clock"))["now"]
    first = asyncio.ensure_future(stuck.post(ADVANCE, {"seconds": 3600}))
    told = await eventually(lambda: moving(stuck))
    assert (told["from"], told["to"]) == (began, began.replace("T12:", "T13:"))
    second = await stuck.post(ADVANCE, {"seconds": 1})
    second.refused(409, "clock_moving")
    assert told["to"] in second["detail"]
    assert told["since"] in second["detail"]
    stopped = (await stuck.call("DELETE", ADVANCE)).expect(200)
    assert (stopped["moving"], stopped["now"]) == (None, began)
    (await first).refused(409, "clock_stopped")
    (await stuck.call("DELETE", ADVANCE)).expect(200)


async def test_a_clock_that_was_left_moves_on_with_the_next_caller(stuck: Client) -> None:
    first = asyncio.ensure_future(stuck.post(ADVANCE, {"seconds": 3600}))
    await eventually(lambda: moving(stuck))
    await stuck.call("DELETE", ADVANCE)
    await first
    (await stuck.call("DELETE", "/_gatecrash/faults")).expect(200)
    moved = (await stuck.post(ADVANCE, {"seconds": 0})).expect(200)
    assert moved["moving"] is None
