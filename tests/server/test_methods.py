"""HEAD wherever GET is, OPTIONS everywhere, 405 with `Allow` for the rest; and paths with surplus slashes."""

import pytest

from gatecrash.dialects.native.routes import ROUTES as PAYMENT
from gatecrash.server.control import ROUTES as CONTROL
from gatecrash.server.hosted import PAGES
from tests.server.wire import Wire
from tests.support.cards import token_of
from tests.support.client import Client

pytestmark = pytest.mark.asyncio
BY_PATH: dict[str, set[str]] = {}
for each in (*PAYMENT, *CONTROL):
    BY_PATH.setdefault(each.path, set()).add(each.method)
for page in PAGES:
    BY_PATH.setdefault(page, set()).add("GET")


def a_path(route: str, sandbox: str) -> str:
    for part, value in (("{name}", sandbox), ("{id}", "x"), ("{snapshot}", "x"), ("{code}", "nonce_used")):
        route = route.replace(part, value)
    return route


@pytest.mark.parametrize("route", sorted(BY_PATH))
async def test_head_is_get_without_the_body_and_options_tells_what_there_is(client: Client, route: str) -> None:
    path, methods = a_path(route, client.sandbox), BY_PATH[route]
    head = await client.call("HEAD", path)
    assert head.raw == b""
    options = await client.call("OPTIONS", path, key=None)
    expected = methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
    assert options.expect(204).headers["Allow"] == ", ".join(sorted(expected))
    if "GET" in methods:
        got = await client.get(path)
        assert head.status == got.status
        same = {name: value for name, value in got.headers.items() if name not in ("Date", "Request-Id")}
        if "journal" not in path and "problem" not in got.content_type:  # those have an id that is new each time
            assert {name: value for name, value in head.headers.items() if name not in ("Date", "Request-Id")} == same
    else:
        assert head.expect(405).headers["Allow"] == options.headers["Allow"]
    wrong = (await client.call("PATCH", path)).refused(405, "method_not_allowed")
    assert wrong.headers["Allow"] == options.headers["Allow"]


@pytest.mark.parametrize("station", ["operation.committed", "response.partial", "response.sent"])
async def test_a_fault_that_writes_the_answer_writes_no_body_for_head(client: Client, station: str) -> None:
    await client.add_fault(station, "close")
    wire = await Wire.open(client)
    await wire.ask("HEAD", "/v1/charges")
    heard = await wire.listen()
    assert heard.body == b""
    if station != "operation.committed":
        assert int(heard.header("Content-Length")) > 0


async def test_options_of_the_whole_server_is_answered(client: Client) -> None:
    wire = await Wire.open(client)
    wire.writer.write(b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    heard = await wire.listen()
    assert heard.head[0] == "HTTP/1.1 204 No Content"
    assert heard.header("Allow") == "DELETE, GET, HEAD, OPTIONS, POST".lower()


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("/v1/charges/", "/v1/charges"), ("//v1/charges", "/v1/charges"), ("/v1//charges///", "/v1/charges"),
        ("/v1/charges/txn_1/", "/v1/charges/txn_1"), ("/healthz/", "/healthz"), ("/docs/", "/docs"),
        ("/_gatecrash/clock/", "/_gatecrash/clock"),
    ],
)  # fmt: skip
async def test_surplus_slashes_are_named_with_the_path_that_is_meant(client: Client, given: str, meant: str) -> None:
    wire = await Wire.open(client)
    await wire.ask("GET", given, Connection="close")
    heard = await wire.listen()
    assert heard.head[0] == "HTTP/1.1 404 Not Found"
    assert f"leave the surplus slashes out: {meant}." in heard.body.decode()


async def test_a_page_can_read_that_its_path_has_a_slash_too_many(client: Client) -> None:
    origin = {"Origin": "https://shop.example"}
    asked = origin | {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    preflight = (await client.call("OPTIONS", "/v1/tokens/", headers=asked, key=None)).expect(204)
    assert preflight.headers["Access-Control-Allow-Origin"] == origin["Origin"]
    reply = (await client.post("/v1/tokens/", token_of("visa"), key="pk", headers=origin)).refused(404, "route_unknown")
    assert reply.headers["Access-Control-Allow-Origin"] == origin["Origin"]
    assert "/v1/tokens." in reply["detail"]
