"""Sending one webhook: whoever cuts it off leaves nothing behind."""

import asyncio

import pytest

from gatecrash.webhooks.courier import Courier
from gatecrash.webhooks.message import Message
from tests.webhooks.receiver import Receiver


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.asyncio
async def test_a_send_that_is_cut_off_before_it_is_written_leaves_no_task(shop: Receiver, turns: int) -> None:
    courier, before = Courier(frozenset()), asyncio.all_tasks()

    async def never() -> None:
        await asyncio.Event().wait()

    sending = asyncio.create_task(courier.send(shop.url, Message(b"{}", {}), 5, never))
    for _ in range(turns):
        await asyncio.sleep(0)
    sending.cancel()
    await asyncio.wait((sending,))
    mine = [task for task in asyncio.all_tasks() - before if "Courier" in str(task.get_coro()) or "Event" in str(task.get_coro())]
    assert mine == []
    await courier.close()
