"""What tests of a gateway that dies need: insisting until it answers, and looking at everything a charge leaves."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import aiohttp

from tests.support.client import Client, Reply
from tests.support.waiting import PATIENCE_S


async def insist(call: Callable[[], Awaitable[Reply]]) -> Reply:
    """The first answer there is: for calls that may be repeated."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            try:
                return await call()
            except aiohttp.ClientError:
                await asyncio.sleep(0.002)


async def lost(call: Awaitable[Reply]) -> Reply | None:
    """The answer to a call whose connection may break, or None."""
    try:
        return await call
    except aiohttp.ClientError:
        return None


async def pid_of(client: Client) -> int:
    """The process id of the worker, once it answers."""
    return int((await insist(lambda: client.get("/healthz")))["pid"])


class Traces(NamedTuple):
    """What there is of charges in a sandbox."""

    charges: list[dict[str, Any]]
    events: list[dict[str, Any]]
    transfers: int
    balanced: bool


async def traces(client: Client) -> Traces:
    charges = (await insist(lambda: client.get("/v1/charges?limit=100")))["data"]
    events = (await client.get("/v1/events?limit=100"))["data"]
    books = await client.books()
    return Traces(charges, events, books["transfers"], books["balanced"])


NOTHING = Traces([], [], 0, True)
