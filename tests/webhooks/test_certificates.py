"""Receivers on https: what certificate is trusted, and what an attempt tells of one that is not."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from click.testing import CliRunner

from gatecrash.cli import main
from tests.support.certificate import certify
from tests.support.client import Client
from tests.support.gateway import LiveGateway
from tests.support.process import ServerProcess
from tests.support.waiting import eventually
from tests.webhooks.receiver import only_delivery

pytestmark = pytest.mark.asyncio


class SecureShop:
    """A receiver on https. `certificate`: the PEM file that it shows."""

    def __init__(self, folder: Path) -> None:
        self.certificate, self._context = certify(folder)
        self.hits = 0

    async def start(self) -> None:
        self._runner = web.ServerRunner(web.Server(self._take), shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._context).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _take(self, request: web.BaseRequest) -> web.Response:
        self.hits += 1
        return web.Response()


@pytest_asyncio.fixture
async def secure_shop(tmp_path: Path) -> AsyncIterator[SecureShop]:
    shop = SecureShop(tmp_path)
    await shop.start()
    yield shop
    await shop.stop()


async def attempts_of(client: Client) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await only_delivery(client))["attempts"]
    return found


async def test_a_certificate_that_nobody_trusts_is_named_with_what_to_do(client: Client, secure_shop: SecureShop) -> None:
    made = await client.post("/v1/webhook_endpoints", {"url": f"https://127.0.0.1:{secure_shop.port}/hooks"})
    assert made.expect(201)["verify"] is True
    await client.charge()
    await eventually(lambda: attempts_of(client))
    (attempt, *_) = await attempts_of(client)
    assert attempt["error"] == (
        f"the certificate of 127.0.0.1:{secure_shop.port} is not trusted: self-signed certificate. Start the gateway with "
        "--webhook-ca FILE, or set the endpoint's `verify` to false."
    )
    assert secure_shop.hits == 0


@pytest.mark.parametrize("later", [False, True])
async def test_an_endpoint_that_is_not_verified_may_show_any_certificate(
    client: Client, secure_shop: SecureShop, later: bool
) -> None:
    url = f"https://127.0.0.1:{secure_shop.port}/hooks"
    made = (await client.post("/v1/webhook_endpoints", {"url": url, "verify": later})).expect(201).json
    if later:
        (await client.post(f"/v1/webhook_endpoints/{made['id']}", {"verify": False})).expect(200)
    assert (await client.get(f"/v1/webhook_endpoints/{made['id']}"))["verify"] is False
    await client.charge()
    await eventually(lambda: secure_shop.hits)


async def test_a_gateway_trusts_the_certificates_it_was_given(http: aiohttp.ClientSession, secure_shop: SecureShop) -> None:
    live = LiveGateway(webhook_ca=str(secure_shop.certificate))
    await live.start()
    try:
        client = Client(http, live.url)
        # by address and by name, which the certificate holds both
        for host in ("127.0.0.1", "localhost"):
            (await client.post("/v1/webhook_endpoints", {"url": f"https://{host}:{secure_shop.port}/"})).expect(201)
        await client.charge()
        await eventually(lambda: secure_shop.hits == 2)
    finally:
        await live.stop()


async def test_a_certificate_for_another_name_is_told_as_such(http: aiohttp.ClientSession, secure_shop: SecureShop) -> None:
    live = LiveGateway(webhook_ca=str(secure_shop.certificate))
    await live.start()
    try:
        client = Client(http, live.url)
        (await client.post("/v1/webhook_endpoints", {"url": f"https://shop.localhost:{secure_shop.port}/"})).expect(201)
        await client.charge()
        await eventually(lambda: attempts_of(client))
        assert "not valid for 'shop.localhost'" in (await attempts_of(client))[0]["error"]
    finally:
        await live.stop()


async def test_serve_takes_the_certificates_to_trust(
    http: aiohttp.ClientSession, secure_shop: SecureShop, start_server: Callable[..., ServerProcess]
) -> None:
    server = start_server("--memory", "--webhook-ca", str(secure_shop.certificate))
    client = Client(http, server.url)
    (await client.post("/v1/webhook_endpoints", {"url": f"https://127.0.0.1:{secure_shop.port}/"})).expect(201)
    await client.charge()
    await eventually(lambda: secure_shop.hits)


@pytest.mark.parametrize(("content", "told"), [(None, "cannot be read: No such file"), ("hello", "holds no certificate in PEM")])
async def test_serve_refuses_a_file_without_certificates(tmp_path: Path, content: str | None, told: str) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    result = CliRunner().invoke(main, ["serve", "--memory", "--webhook-ca", str(file)])
    assert result.exit_code == 2
    assert f"--webhook-ca was {file}, which {told}" in result.stderr
