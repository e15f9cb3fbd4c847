"""Where webhooks may go: loopback and private addresses; whatever else is refused, when it is registered or when it is called."""

import ipaddress
from pathlib import Path

import aiohttp
import pytest

from gatecrash.core.errors import Refused
from gatecrash.webhooks.targets import LocalResolver, TargetNotAllowed, check_url, is_inside
from tests.support.client import Client
from tests.support.gateway import LiveGateway
from tests.support.waiting import eventually
from tests.webhooks.receiver import Receiver, only_delivery

NOBODY: frozenset[str] = frozenset()


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.9.9.9", "10.1.2.3", "172.16.0.1", "192.168.1.1", "[::1]", "[fd00::1]", "localhost", "shop.internal"],
)
def test_addresses_inside_and_names_may_be_registered(host: str) -> None:
    check_url(f"http://{host}:8000/hooks", NOBODY)
    check_url(f"https://{host}/", NOBODY)


@pytest.mark.parametrize(
    "host",
    [
        "8.8.8.8", "172.32.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1", "255.255.255.255", "100.64.0.1",
        "[2001:4860:4860::8888]",
               "[::ffff:8.8.8.8]", "[::8.8.8.8]", "[64:ff9b::808:808]", "[2002:808:808::1]", "[fe80::1]", "[::]", "[ff02::1]",
    ],
)  # fmt: skip
@pytest.mark.asyncio
async def test_an_address_outside_is_refused_when_it_is_registered(client: Client, host: str) -> None:
    reply = await client.post("/v1/webhook_endpoints", {"url": f"http://{host}:8000/hooks"})
    assert "--allow-host" in reply.refused(400, "webhook_url_not_allowed", "url")["detail"]
    assert (await client.get("/v1/webhook_endpoints"))["data"] == []


@pytest.mark.parametrize("host", ["134744072", "8.8", "8.8.2056", "010.8.8.8", "0x08080808", "0x8.8.8.8", "8.8.8.8.", "0"])
@pytest.mark.asyncio
async def test_an_address_in_disguise_is_refused_before_anybody_resolves_it(client: Client, host: str) -> None:
    """The C library reads all of these as IPv4 addresses, most of them as 8.8.8.8."""
    reply = await client.post("/v1/webhook_endpoints", {"url": f"http://{host}:8000/hooks"})
    reply.refused(400, "parameter_invalid", "url")


@pytest.mark.parametrize(
    "url",
    [
        "", "hooks", "ftp://127.0.0.1/", "http://", "http:///hooks", "http://127.0.0.1:99999/", "http://127.0.0.1:0/", "http://[::1/",
        "http://127.0.0.1:port/", "http://me:secret@127.0.0.1/", "http://me@127.0.0.1/", "http://b\u00fccher.example/", "file:///etc/passwd",
        "http://a..b/", "http://" + "x" * 64 + "/",
    ],
)  # fmt: skip
@pytest.mark.asyncio
async def test_what_is_no_url_to_post_to_is_refused(client: Client, url: str) -> None:
    reply = await client.post("/v1/webhook_endpoints", {"url": url})
    assert "secret" not in reply.refused(400, "parameter_invalid", "url")["detail"]


def test_what_counts_as_inside() -> None:
    inside, outside = (
        ("127.0.0.1", "10.0.0.1", "::1", "fd12::1", "::ffff:127.0.0.1"),
        ("1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1"),
    )
    assert all(is_inside(ipaddress.ip_address(text)) for text in inside)
    assert not any(is_inside(ipaddress.ip_address(text)) for text in outside)


@pytest.mark.asyncio
async def test_a_name_is_judged_by_the_addresses_it_leads_to() -> None:
    resolver = LocalResolver(NOBODY)
    found = await resolver.resolve("localhost", 80)
    assert found
    assert all(ipaddress.ip_address(one["host"]).is_loopback for one in found)
    # a name that leads outside without asking any network: the C library reads it as 8.8.8.8
    with pytest.raises(TargetNotAllowed, match="--allow-host 0x08080808"):
        await resolver.resolve("0x08080808", 80)
    assert await LocalResolver(frozenset({"0x08080808"})).resolve("0x08080808", 80)
    await resolver.close()


def test_a_host_that_was_allowed_by_name_may_be_registered() -> None:
    check_url("http://hooks.example:8000/", frozenset({"hooks.example"}))
    check_url("http://203.0.113.7/", frozenset({"203.0.113.7"}))
    with pytest.raises(Refused):
        check_url("http://8.8.8.8/", frozenset({"203.0.113.7"}))


@pytest.mark.asyncio
async def test_a_host_allowed_yesterday_is_judged_again_at_every_attempt(http: aiohttp.ClientSession, tmp_path: Path) -> None:
    live = LiveGateway(f"{tmp_path}/gateway.sqlite3", allow_hosts=frozenset({"8.8.8.8"}))
    await live.start()
    try:
        client = Client(http, live.url)
        (await client.post("/_gatecrash/clock", {"mode": "frozen"})).expect(200)
        (await client.post("/v1/webhook_endpoints", {"url": "http://8.8.8.8:9/"})).expect(201)
        await client.add_fault("webhook.due", "drop", times=1)
        await client.charge()
        await eventually(lambda: attempted(client))
        live.host = live.host._replace(allow_hosts=frozenset())
        await live.restart()
        await client.advance(5)
        dropped, refused = (await only_delivery(client))["attempts"]
        assert "dropped" in dropped["error"]
        assert "neither loopback nor private" in refused["error"]
    finally:
        await live.stop()


async def attempted(client: Client) -> bool:
    return bool((await only_delivery(client))["attempts"])


@pytest.mark.asyncio
async def test_a_name_that_nobody_knows_is_a_failed_attempt(client: Client, shop: Receiver) -> None:
    (await client.post("/v1/webhook_endpoints", {"url": "http://shop.invalid/hooks"})).expect(201)
    await shop.register(client)
    await client.charge()
    await shop.got(1)
    (event,) = (await client.get("/v1/events"))["data"]
    await client.advance(0)
    lists = (await client.get(f"/v1/events/{event['id']}/deliveries"))["data"]
    assert sorted((one["status"], len(one["attempts"])) for one in lists) == [("pending", 1), ("succeeded", 1)]
