"""No test of the suite can receive an answer that its contract does not have, whichever client it takes."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web

from tests.contracts.checker import Breach
from tests.support import held
from tests.support.client import Client

pytestmark = pytest.mark.asyncio
OWN = {"Request-Id": "req_00000001abcdefghjk"}


@pytest_asyncio.fixture
async def impostor() -> AsyncIterator[str]:
    """Says it is a gateway, and is none."""

    async def answer(request: web.BaseRequest) -> web.Response:
        await request.read()
        return web.json_response({"surprise": 1}, headers=OWN if request.path == "/healthz" else {})

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def get(http: aiohttp.ClientSession, url: str) -> bytes:
    async with http.get(url) as answer:
        return await answer.read()


async def test_a_breach_is_found_in_what_any_client_reads_and_remembered(http: aiohttp.ClientSession, impostor: str) -> None:
    with pytest.raises(Breach, match=r"health.* at .*mend the answer, or the schema in contracts/gateway\.openapi\.yaml"):
        await get(http, impostor + "/healthz")
    assert len(held.breaches) == 1
    held.breaches.clear()


async def test_who_is_held_to_a_contract_is_held_to_it_at_every_path(http: aiohttp.ClientSession, impostor: str) -> None:
    await get(http, impostor + "/v1/surprises")
    held.hold(impostor, "gateway")
    with pytest.raises(Breach, match=r"GET /v1/surprises was answered 200, and is not in the contract: add it under `paths`"):
        await get(http, impostor + "/v1/surprises")
    with pytest.raises(Breach, match="lacks the header request-id"):
        await get(http, impostor + "/v1/charges")
    held.let_go(impostor)
    await get(http, impostor + "/v1/surprises")
    held.breaches.clear()


async def test_what_a_rule_answers_in_the_place_of_the_gateway_is_not_held_against_it(client: Client) -> None:
    odd = {"status": 299, "body": "odd"}
    await client.add_fault("request.received", "status", params=odd, times=1)
    assert (await client.get("/v1/charges")).status == 299
    header = {"Gatecrash-Fault": "request.received=status;status=299"}
    assert (await client.other().get("/v1/charges", headers=header)).status == 299


async def test_every_status_that_was_seen_is_counted(client: Client) -> None:
    await client.get("/v1/charges")
    (await client.get("/v1/charges?limit=x")).expect(400)
    assert {"200", "400"} <= held.seen["gateway"]["charges.list"]
