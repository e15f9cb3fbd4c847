"""The harness's own client, and the gateway asked without one."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from gatecrash.dialects import registry
from gatecrash.faults.plane import Plane
from gatecrash.harness.worlds.simulated.client import Client
from gatecrash.harness.worlds.simulated.gateway import SimulatedGateway
from gatecrash.harness.worlds.simulated.hosts import Incarnation
from gatecrash.harness.worlds.simulated.loop import VirtualLoop

PORT = 8402
URL = f"http://127.0.0.1:{PORT}"
KEY = {"Authorization": "Bearer sk_test_story", "content-type": "application/json"}
Answering = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


async def told(request: web.BaseRequest) -> web.StreamResponse:
    """What was asked, and from which port."""
    if request.path == "/moved":
        return web.Response(status=303, headers={"Location": "/there?seen=1"})
    if request.path == "/again":
        return web.Response(status=307, headers={"Location": "/there"})
    assert request.transport is not None
    asked = [request.method, request.path_qs, request.content_type, await request.text()]
    return web.json_response([*asked, request.transport.get_extra_info("peername")[1]])


async def listen(answering: Answering) -> None:
    runner = web.ServerRunner(web.Server(answering))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", PORT).start()


def asking(loop: VirtualLoop, main: Callable[[Client], Coroutine[Any, Any, Any]], answering: Answering = told) -> Any:
    client = Client(loop)

    async def story() -> Any:
        await Incarnation(loop, "shop").spawn(listen(answering))
        try:
            return await main(client)
        finally:
            client.close()

    return loop.run_until_complete(story())


@pytest.mark.parametrize(
    ("body", "form", "kind", "sent"),
    [
        ({"a": [1, "ü"]}, False, "application/json", b'{"a": [1, "\\u00fc"]}'),
        ({"a": "1 & 2", "b": "x"}, True, "application/x-www-form-urlencoded", b"a=1+%26+2&b=x"),
        (b"\x00raw", False, "application/octet-stream", b"\x00raw"),
        (None, False, "application/octet-stream", b""),
    ],
)
def test_a_body_goes_as_json_as_a_form_or_as_it_is(loop: VirtualLoop, body: Any, form: bool, kind: str, sent: bytes) -> None:
    async def main(client: Client) -> tuple[int, bytes]:
        return (await client.request("POST", f"{URL}/orders?a=b c", body, form=form))[:2]

    status, raw = asking(loop, main)
    assert status == 200
    assert json.loads(raw)[:4] == ["POST", "/orders?a=b+c", kind, sent.decode()]


@pytest.mark.parametrize(("path", "asked"), [("/moved", ["GET", "/there?seen=1", ""]), ("/again", ["POST", "/there", "{}"])])
def test_a_redirect_is_followed_as_a_browser_does(loop: VirtualLoop, path: str, asked: list[str]) -> None:
    async def main(client: Client) -> Any:
        return json.loads((await client.request("POST", URL + path, {}))[1])

    method, target, _, body, _ = asking(loop, main)
    assert [method, target, body] == asked


def test_a_redirect_is_left_to_whoever_follows_redirects_themselves(loop: VirtualLoop) -> None:
    async def main(client: Client) -> Any:
        status, _, headers = await client.request("POST", f"{URL}/moved", {}, redirects=False)
        return status // 100, "Location" in headers

    assert asking(loop, main) == (3, True)


def test_a_connection_is_kept_until_its_host_dies(loop: VirtualLoop) -> None:
    client = Client(loop)

    async def port() -> int:
        return int((await client.request("GET", URL))[1].decode().rpartition(" ")[2].rstrip("]"))

    async def main() -> list[int]:
        shop = Incarnation(loop, "shop", 1)
        await shop.spawn(listen(told))
        ports = [await port(), await port()]
        shop.kill()  # its reset is under way while the next life is asked
        await Incarnation(loop, "shop", 2).spawn(listen(told))
        return [*ports, await port()]

    first, second, third = loop.run_until_complete(main())
    client.close()
    assert first == second != third


def test_an_answer_that_breaks_off_is_an_error_and_its_connection_is_not_used_again(loop: VirtualLoop) -> None:
    async def half(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.close()
        return response

    async def main(client: Client) -> None:
        for _ in range(2):
            with pytest.raises(aiohttp.ClientPayloadError):
                await client.request("GET", URL)

    asking(loop, main, half)


def in_a_gateway(loop: VirtualLoop, main: Callable[[SimulatedGateway, Incarnation], Coroutine[Any, Any, Any]]) -> Any:
    gateway = SimulatedGateway(
        registry.load(), None, now_ms=lambda: round(loop.time() * 1000), seed="0", plane=Plane, crashed=lambda down_s: None
    )
    life = Incarnation(loop, "gateway")

    async def story() -> Any:
        await life.spawn(gateway.start(life, PORT))
        return await main(gateway, life)

    try:
        return loop.run_until_complete(story())
    finally:
        life.bury()
        gateway.connection.close()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/_gatecrash/journal?after=0&limit=10", b""),
        ("POST", "/_gatecrash/clock/advance", b'{"seconds": 3}'),
        ("POST", "/v1/webhook_endpoints", b'{"url": "http://127.0.0.1:8500/hook"}'),
        ("GET", "/v1/charges?limit=101", b""),
        ("PUT", "/v1/nothing", b"{}"),
    ],
)
def test_the_gateway_answers_in_process_as_over_a_connection(method: str, path: str, body: bytes) -> None:
    async def in_process(gateway: SimulatedGateway, _: Incarnation) -> Any:
        return await gateway.ask(method, path, body, KEY)

    async def over_http(gateway: SimulatedGateway, _: Incarnation) -> Any:
        client = Client(asyncio.get_running_loop())  # type: ignore[arg-type]
        answer = await client.request(method, URL + path, body or None, headers=KEY)
        client.close()
        return answer[:2]

    # at one and the same moment: nothing takes time on the way
    loops = VirtualLoop(), VirtualLoop()
    for each in loops:
        each.network.latency_s = 0.0, 0.0
    direct, sent = (in_a_gateway(each, main) for each, main in zip(loops, (in_process, over_http), strict=True))
    for each in loops:
        each.close()
    assert direct == sent


def test_a_gateway_that_is_down_refuses_and_one_that_dies_breaks_off(loop: VirtualLoop) -> None:
    async def main(gateway: SimulatedGateway, life: Incarnation) -> None:
        asked = asyncio.ensure_future(gateway.ask("GET", "/_gatecrash/clock", b"", KEY))
        await asyncio.sleep(0)
        life.kill()
        with pytest.raises(ConnectionResetError):
            await asked
        with pytest.raises(ConnectionRefusedError):
            await gateway.ask("GET", "/_gatecrash/clock", b"", KEY)

    in_a_gateway(loop, main)
