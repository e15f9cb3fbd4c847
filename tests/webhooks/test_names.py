"""Looking names up: a name that nobody answers for delays the attempts that go there, and nothing else."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from gatecrash.webhooks import names as module
from gatecrash.webhooks.names import AT_A_TIME, Names, NotResolved
from tests.support.client import Client
from tests.support.gateway import LiveGateway
from tests.support.waiting import eventually
from tests.webhooks.receiver import Receiver, only_delivery

pytestmark = pytest.mark.asyncio


class NameServer:
    """Knows names that end in `.quick.example`; those that end in `.slow.example` it answers once `answers` is set."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.asked: list[str] = []

    def __call__(self, name: str) -> list[str]:
        self.asked.append(name)
        if name.endswith(".slow.example"):
            self.answers.wait()
        elif not name.endswith(".quick.example"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return ["127.0.0.1"]


@pytest.fixture
def server() -> Iterator[NameServer]:
    made = NameServer()
    yield made
    made.answers.set()


@pytest.fixture
def system(server: NameServer, monkeypatch: pytest.MonkeyPatch) -> NameServer:
    """The name server, in place of that of the machine."""
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *more: Any, **others: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        return real(server(name)[0] if str(name).endswith(".example") else host, port, *more, **others)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return server


async def register(client: Client, name: str, port: int = 9) -> None:
    (await client.post("/v1/webhook_endpoints", {"url": f"http://{name}:{port}/hooks"})).expect(201)


async def test_slow_names_delay_no_other_name_and_not_the_stop(
    gateway: LiveGateway, http: aiohttp.ClientSession, client: Client, shop: Receiver, system: NameServer
) -> None:
    for number in range(8):
        await register(client, f"a{number}.slow.example")
    await client.charge()
    await eventually(lambda: len(system.asked) == 8)
    # another sandbox, then the same one, tell a shop that has a name
    other = Client(http, gateway.url)
    await register(other, "shop.quick.example", shop.port)
    await other.charge()
    await shop.got(1)
    await register(client, "shop2.quick.example", shop.port)
    await client.charge()
    await shop.got(2)
    # a second attempt at a slow name waits for the look-up that is under way
    assert len([name for name in system.asked if name.endswith(".slow.example")]) == 8
    await gateway.restart()  # comes back, though no look-up has ended
    assert not system.answers.is_set()


async def test_an_attempt_waits_for_a_slow_name_and_is_made_once_it_is_known(
    client: Client, shop: Receiver, system: NameServer
) -> None:
    await register(client, "shop.slow.example", shop.port)
    await client.charge()
    await eventually(lambda: system.asked)
    system.answers.set()
    await shop.got(1)


async def test_a_sandbox_has_so_many_look_ups_at_a_time_and_another_its_own(server: NameServer) -> None:
    names = Names(server)
    waiting = [asyncio.ensure_future(names.addresses(f"a{n}.slow.example", "one")) for n in range(AT_A_TIME + 5)]
    await eventually(lambda: len(server.asked) == AT_A_TIME)
    assert await names.addresses("shop.quick.example", "two") == ["127.0.0.1"]
    server.answers.set()
    assert await asyncio.gather(*waiting) == [["127.0.0.1"]] * len(waiting)
    assert len(server.asked) == AT_A_TIME + 6


async def test_callers_that_give_up_leave_one_look_up_and_take_no_turns_with_them(server: NameServer) -> None:
    names = Names(server)
    for _ in range(3 * AT_A_TIME):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(names.addresses("shop.slow.example", "one"), 0.001)
    assert server.asked == ["shop.slow.example"]
    queue = [asyncio.ensure_future(names.addresses(f"a{n}.slow.example", "one")) for n in range(3 * AT_A_TIME)]
    await eventually(lambda: len(server.asked) == AT_A_TIME)
    for one in queue:
        one.cancel()
    await asyncio.wait(queue)
    server.answers.set()
    assert await names.addresses("shop.slow.example", "one") == ["127.0.0.1"]
    assert await names.addresses("b.slow.example", "one") == ["127.0.0.1"]
    assert len(server.asked) == AT_A_TIME + 1


async def test_what_was_found_is_kept_for_a_while_failures_too(server: NameServer, monkeypatch: pytest.MonkeyPatch) -> None:
    names = Names(server)
    for _ in range(3):
        assert await names.addresses("shop.quick.example", "one") == ["127.0.0.1"]
        with pytest.raises(NotResolved, match=r"the name shop\.invalid is not known: Name or service not known"):
            await names.addresses("shop.invalid", "two")
    assert server.asked == ["shop.quick.example", "shop.invalid"]
    monkeypatch.setattr(module, "_FAILURE_KEPT_S", 0)
    monkeypatch.setattr(module, "_KEPT_S", 0)
    brief = Names(server)
    for _ in range(2):
        await brief.addresses("shop.quick.example", "one")
        with pytest.raises(NotResolved):
            await brief.addresses("shop.invalid", "one")
    assert len(server.asked) == 6


async def test_names_are_kept_up_to_a_bound(server: NameServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KEPT_MAX", 3)
    names = Names(server)
    for number in range(10):
        await names.addresses(f"a{number}.quick.example", "one")
    assert len(names._kept) == 3
    await names.addresses("a9.quick.example", "one")
    assert len(server.asked) == 10


@pytest.mark.parametrize("name", ["localhost", "shop.localhost", "a.b.LOCALHOST", "shop.localhost."])
async def test_localhost_and_names_below_it_are_loopback_without_a_look_up(server: NameServer, name: str) -> None:
    assert await Names(server).addresses(name, "one") == ["127.0.0.1", "::1"]
    assert server.asked == []


@pytest.mark.parametrize("name", ["x" * 64 + ".example", "a\u00df.example."])
async def test_a_name_that_cannot_be_asked_for_is_not_known(name: str) -> None:
    with pytest.raises(NotResolved, match="is not known"):
        await Names().addresses("." + name, "one")


@pytest.mark.parametrize("name", ["shop.localhost", "localhost"])
async def test_a_webhook_reaches_a_shop_at_a_name_below_localhost(client: Client, shop: Receiver, name: str) -> None:
    await register(client, name, shop.port)
    await client.charge()
    (hit,) = await shop.got(1)
    assert hit.headers["Host"] == f"{name}:{shop.port}"


async def test_an_attempt_tells_why_its_name_led_nowhere(client: Client, system: NameServer) -> None:
    await register(client, "shop.unknown.example")
    await client.charge()
    await eventually(lambda: attempts_of(client))
    (attempt, *_) = await attempts_of(client)
    assert attempt["error"] == "the name shop.unknown.example is not known: Name or service not known"


async def attempts_of(client: Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await only_delivery(client))["attempts"]
    return found
