"""Receivers that send more than an answer: each attempt ends soon, reads little, and costs no other sandbox anything."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack

import aiohttp
import pytest
import pytest_asyncio

from gatecrash.core.deliveries import Schedule
from gatecrash.webhooks import bounded
from gatecrash.webhooks.bounded import BODY_BYTES, HEAD_BYTES, BoundedAnswer
from gatecrash.webhooks.courier import Courier, Sent
from gatecrash.webhooks.message import Message
from tests.support.client import Client
from tests.support.gateway import LiveGateway
from tests.support.waiting import PATIENCE_S, eventually
from tests.webhooks.raw import OK, WITH_A_HEAD, WITHOUT_A_HEAD, RawReceiver, endless
from tests.webhooks.receiver import Receiver, only_delivery
from tests.webhooks.speaking import speak

pytestmark = pytest.mark.asyncio
# as much as one look at a socket may bring beyond a bound
_SLACK = 8192


@pytest_asyncio.fixture
async def courier() -> AsyncIterator[Courier]:
    made = Courier(frozenset())
    yield made
    await made.close()


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes each piece had that was parsed."""
    sizes: list[int] = []
    inherited = bounded.ResponseHandler.data_received

    def count(self: BoundedAnswer, data: bytes) -> None:
        sizes.append(len(data))
        inherited(self, data)

    monkeypatch.setattr(bounded.ResponseHandler, "data_received", count)
    return sizes


async def answer(courier: Courier, pieces: Iterable[bytes]) -> Sent:
    """How an attempt goes that may take as long as a test."""
    receiver = RawReceiver(pieces)
    await receiver.start()
    try:
        return await courier.send(receiver.url, Message({}, b"{}"), PATIENCE_S)
    finally:
        await receiver.stop()


@pytest.mark.parametrize("name", WITHOUT_A_HEAD)
async def test_an_answer_whose_head_does_not_end_is_given_up(courier: Courier, parsed: list[int], name: str) -> None:
    pieces, reason = WITHOUT_A_HEAD[name]
    sent = await answer(courier, pieces)
    assert sent.status is None
    assert reason in (sent.error or "")
    assert sum(parsed) <= HEAD_BYTES + _SLACK


@pytest.mark.parametrize("name", WITH_A_HEAD)
async def test_a_status_counts_whatever_its_headers_and_body_are_like(courier: Courier, parsed: list[int], name: str) -> None:
    sent = await answer(courier, WITH_A_HEAD[name])
    assert (sent.status, sent.error) == (200, None)
    assert sum(parsed) <= HEAD_BYTES + BODY_BYTES + _SLACK
    # the next attempt begins with bounds of its own
    assert await answer(courier, [OK + b"Content-Length: 4\r\n\r\nfine"]) == Sent(200, "fine")


async def test_a_kept_connection_that_speaks_unasked_is_closed(courier: Courier, parsed: list[int]) -> None:
    receiver = RawReceiver(endless(OK + b"Content-Length: 2\r\n\r\nok", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
    await receiver.start()
    assert (await courier.send(receiver.url, Message({}, b"{}"), PATIENCE_S)).status == 200
    assert (await courier.send(receiver.url, Message({}, b"{}"), PATIENCE_S)).status == 200
    assert receiver.hits == 2
    await receiver.stop()


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 ", OK, OK + b"\r\n"], ids=["status line", "headers", "body"])
async def test_an_answer_that_drips_has_as_long_as_any_other(courier: Courier, start: bytes) -> None:
    receiver = RawReceiver([start, *[b"a"] * 100_000], 0.005)
    await receiver.start()
    assert await courier.send(receiver.url, Message({}, b"{}"), 0.3) == Sent(error="no answer within 0.3 s")
    await receiver.stop()


async def test_a_redirect_is_an_answer_and_is_not_followed(client: Client, shop: Receiver, other_shop: Receiver) -> None:
    shop.answers = [(307, {"Location": other_shop.url}, "")]
    await shop.register(client)
    await client.charge()
    await shop.got(1)
    await eventually(lambda: attempts_of(client))
    assert [attempt["status"] for attempt in await attempts_of(client)] == [307]
    assert other_shop.hits == []


async def attempts_of(client: Client) -> list[dict[str, object]]:
    found: list[dict[str, object]] = (await only_delivery(client))["attempts"]
    return found


async def test_receivers_that_never_end_cost_other_sandboxes_nothing(
    gateway: LiveGateway, http: aiohttp.ClientSession, client: Client, shop: Receiver
) -> None:
    """Every kind at once, on one sandbox: another one charges and is told as ever, and each attempt is on record."""
    other = Client(http, gateway.url)
    speak(gateway, Schedule(delays_s=(0.0,), timeout_s=PATIENCE_S))
    kinds = [pieces for pieces, _ in WITHOUT_A_HEAD.values()] + list(WITH_A_HEAD.values())
    async with AsyncExitStack() as leave:
        for pieces in kinds:
            receiver = RawReceiver(pieces)
            await receiver.start()
            leave.push_async_callback(receiver.stop)
            (await client.post("/v1/webhook_endpoints", {"url": receiver.url})).expect(201)
        await shop.register(other)
        await client.charge()
        await asyncio.gather(*(other.charge(order_id=f"order-{number}") for number in range(20)))
        await shop.got(20)
        (event,) = (await client.get("/v1/events"))["data"]

        async def all_done() -> bool:
            found = (await client.get(f"/v1/events/{event['id']}/deliveries?limit=100"))["data"]
            return len(found) == len(kinds) and all(each["status"] != "pending" for each in found)

        await eventually(all_done)
