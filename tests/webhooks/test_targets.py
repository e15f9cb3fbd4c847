"""Where webhooks may go: loopback and private addresses; whatever else is refused, when it is registered or when it is called."""

import ipaddress
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gatecrash.core.errors import Refused
from gatecrash.webhooks.names import Names
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
    names = Names()
    resolver = LocalResolver(NOBODY, names)
    found = await resolver.resolve("localhost", 80)
    assert found
    assert all(ipaddress.ip_address(one["host"]).is_loopback for one in found)
    # a name that leads outside without asking any network: the C library reads it as 8.8.8.8
    with pytest.raises(TargetNotAllowed, match="--allow-host 0x08080808"):
        await resolver.resolve("0x08080808", 80)
    assert await LocalResolver(frozenset({"0x08080808"}), names).resolve("0x08080808", 80)
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


@pytest.mark.asyncio
async def test_a_name_that_leads_outside_tells_how_to_allow_it(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", leading_to("8.8.8.8"))
    (await client.post("/v1/webhook_endpoints", {"url": "http://shop.example/hooks"})).expect(201)
    await client.charge()
    await eventually(lambda: attempted(client))
    (attempt, *_) = (await only_delivery(client))["attempts"]
    assert attempt["error"] == (
        "shop.example resolves to 8.8.8.8, which is neither loopback nor private; start the gateway with "
        "--allow-host shop.example if it is meant."
    )


def leading_to(address: str) -> Callable[..., Any]:
    """What resolves names in `.example` to one address."""
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, *more: Any, **others: Any) -> Any:
        return real(address if str(host).endswith(".example") else host, *more, **others)

    return getaddrinfo


METADATA = [
    "169.254.169.254", "[fd00:ec2::254]", "[fd00:0ec2:0:0:0:0:0:254]", "[fd20:ce::254]", "100.100.100.200", "192.0.0.192",
    "[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "[64:ff9b::a9fe:a9fe]", "[64:ff9b:1::169.254.169.254]",
    "[2002:a9fe:a9fe::]", "[::169.254.169.254]", "[fe80::a9fe:a9fe]", "metadata.google.internal", "Metadata.Google.Internal.",
]  # fmt: skip


@pytest.mark.parametrize("host", METADATA)
def test_where_a_cloud_tells_its_secrets_is_refused_by_what_it_is(host: str) -> None:
    with pytest.raises(Refused, match="where a cloud tells a machine's credentials") as refused:
        check_url(f"http://{host}/latest/meta-data", NOBODY)
    assert refused.value.code == "webhook_url_not_allowed"


@pytest.mark.parametrize("host", ["2852039166", "0251.0376.0251.0376", "0xa9fea9fe", "169.254.43518", "0xa9.0xfe.0xa9.0xfe"])
def test_its_other_spellings_are_no_host_names(host: str) -> None:
    with pytest.raises(Refused, match="expected a host name, or an address written out"):
        check_url(f"http://{host}/latest/meta-data", NOBODY)


@pytest.mark.asyncio
@pytest.mark.parametrize("address", ["169.254.169.254", "fd00:ec2::254"])
async def test_a_name_that_leads_there_is_refused_even_if_it_is_allowed(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", leading_to(address))
    with pytest.raises(TargetNotAllowed, match=f"--allow-host {address}"):
        await LocalResolver(frozenset({"shop.example"}), Names()).resolve("shop.example", 80)
    assert await LocalResolver(frozenset({address}), Names()).resolve("shop.example", 80)
    check_url(f"http://{f'[{address}]' if ':' in address else address}/", frozenset({address}))


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("ftp://127.0.0.1/", "whose scheme is 'ftp'; expected an http or https URL"),
        ("127.0.0.1:8000/hooks", "expected an http or https URL, such as http://127.0.0.1:8000/webhooks"),
        ("localhost:8000/hooks", "expected an http or https URL, such as http://127.0.0.1:8000/webhooks"),
        ("http://127.0.0.1:99999/", "the port of url was '99999'; expected a number from 1 to 65535"),
        ("http://127.0.0.1:0/", "the port of url was '0'"),
        ("http://127.0.0.1:-1/", "the port of url was '-1'"),
        ("http://127.0.0.1:port/", "the port of url was 'port'"),
        ("http://me:hush@127.0.0.1/", "holds a user name or password"),
        ("http://@127.0.0.1/", "holds a user name or password"),
        ("http://127.0.0.1/hooks#top", "holds the fragment '#top', which is never sent"),
        ("http://127.0.0.1/my hooks", "holds ' ' at character 20; write it percent-encoded"),
        (" http://127.0.0.1/", "holds ' ' at character 1"),
        ("http://127.0.0.1/\nhooks", "holds '\\n' at character 18"),
        ("http://127.0.0.1\\hooks", "holds '\\\\' at character 17"),
        ("http://b\u00fccher.example/", "which is not ASCII; write it in its ASCII form, xn--bcher-kva.example"),
        ("http://127.0.0.1/b\u00fccher", "the path of url holds characters that are not ASCII; write them percent-encoded"),
        ("http://[::1/", "which is no URL"),
        ("http://sh!p.example/", "the host of url was 'sh!p.example'; expected a host name"),
    ],
)
def test_what_is_wrong_with_a_url_is_named(url: str, told: str) -> None:
    with pytest.raises(Refused) as refused:
        check_url(url, NOBODY)
    assert told in refused.value.detail
    assert "hush" not in refused.value.detail


@pytest.mark.parametrize(
    "url",
    ["http://shop.internal./hooks", "http://my_shop:3000/", "http://SHOP.Internal/a?b=c%20d", "http://xn--bcher-kva.internal"],
)
def test_unusual_urls_that_can_be_posted_to_are_taken(url: str) -> None:
    check_url(url, NOBODY)
