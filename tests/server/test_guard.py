"""Who may use control powers: no web page from elsewhere; with a control token, only callers that have it."""

import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from gatecrash.dialects.native.routes import ROUTES as PAYMENT
from gatecrash.faults.rule import HEADER
from gatecrash.server import guard
from gatecrash.server.control import ROUTES
from tests.server.wire import Wire
from tests.support.cards import token_of
from tests.support.client import Client
from tests.support.gateway import LiveGateway
from tests.support.process import ServerProcess

TOKEN = "correct-horse-battery"
WITH = {guard.TOKEN_HEADER: TOKEN}


@pytest_asyncio.fixture
async def guarded(http: aiohttp.ClientSession) -> AsyncIterator[Client]:
    """A client of a gateway that has a control token."""
    live = LiveGateway(control_token=TOKEN)
    await live.start()
    yield Client(http, live.url)
    await live.stop()


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:3000"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=str,
)
@pytest.mark.asyncio
async def test_a_web_page_from_elsewhere_drives_nothing(client: Client, headers: dict[str, str]) -> None:
    header = next(iter(headers))
    for method, path, body in (("POST", "/_gatecrash/reset", {}), ("GET", "/_gatecrash/journal", None)):
        reply = await client.call(method, path, body, headers=headers)
        reply.refused(403, "control_from_elsewhere", header)
        assert "Access-Control-Allow-Origin" not in reply.headers
    (await client.get("/healthz", headers=headers)).expect(200)
    (await client.get("/v1/charges", headers=headers)).expect(200)


REBOUND = [
    "evil.example:8402",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "gateway.local",
    "a:b:c.d",
    "evil.example.",
    "a@localhost",
    "a b",
    "[::1]x",
    "1.2.3",
]


@pytest.mark.parametrize("host", REBOUND)
@pytest.mark.asyncio
async def test_a_rebound_name_reaches_no_call_but_those_of_browsers(client: Client, host: str) -> None:
    headers = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
    for route in (*PAYMENT, *ROUTES):
        path = route.path.replace("{name}", client.sandbox).replace("{id}", "x").replace("{snapshot}", "x")
        reply = await client.call(route.method, path, {} if route.method == "POST" else None, headers=headers)
        if route.path == "/v1/tokens":
            continue
        reply.refused(403, "host_not_allowed", "Host")
        assert host in reply["detail"]
        assert "Access-Control-Allow-Origin" not in reply.headers
    assert {entry["operation"] for entry in await client.journal()} == {"tokens.create"}
    (await client.post("/v1/tokens", token_of("visa"), key="pk", headers=headers)).expect(201)
    (await client.get("/hosted/card-fields", headers=headers, key=None)).expect(200)
    fault = headers | {HEADER: "request.received=crash"}
    (await client.post("/v1/tokens", token_of("visa"), key="pk", headers=fault)).refused(403, "host_not_allowed", "Host")


@pytest.mark.parametrize(
    "target",
    ["http://evil.example/v1/charges", "http://evil.example:8402/v1/charges", "http://127.0.0.1@evil.example/v1/charges"],
)
@pytest.mark.asyncio
async def test_a_rebound_name_in_a_target_of_absolute_form_counts_too(client: Client, target: str) -> None:
    wire = await Wire.open(client)
    wire.writer.write(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
    heard = await wire.listen()
    assert heard.head[0] in ("HTTP/1.1 403 Forbidden", "HTTP/1.1 400 Bad Request")
    assert b"host_not_allowed" in heard.body or b"http_malformed" in heard.body


@pytest.mark.asyncio
async def test_a_name_that_was_given_is_good(http: aiohttp.ClientSession, start_server: Callable[..., ServerProcess]) -> None:
    server = start_server("--memory", "--server-name", "Gateway.Example", "--server-name", "second.example")
    client = Client(http, server.url)
    for host in ("gateway.example", "GATEWAY.example:1", "second.example"):
        (await client.get("/v1/charges", headers={"Host": host})).expect(200)
        (await client.get("/_gatecrash/clock", headers={"Host": host, "Origin": f"http://{host}"})).expect(200)
    refused = (await client.get("/v1/charges", headers={"Host": "third.example"})).refused(403, "host_not_allowed", "Host")
    assert "--server-name third.example" in refused["detail"]


@pytest.mark.parametrize("name", ["http://a.example", "a.example:80", "", "a b", "ü.example", "a..b"])
def test_a_server_name_that_is_none_is_refused(name: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gatecrash", "serve", "--port", "0", "--data", str(tmp_path), "--server-name", name]
    run = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (run.returncode, run.stderr.count("\n")) == (2, 1)
    assert f"--server-name was {name!r}; expected a host name" in run.stderr


@pytest.mark.parametrize("headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}], ids=str)
@pytest.mark.asyncio
async def test_a_web_page_cannot_kill_the_gateway_with_a_header(
    http: aiohttp.ClientSession, server: ServerProcess, headers: dict[str, str]
) -> None:
    client = Client(http, server.url)
    pid = (await client.get("/healthz"))["pid"]
    fault = headers | {HEADER: "request.received=crash"}
    refused = await client.post("/v1/tokens", token_of("visa"), key="pk", headers=fault)
    refused.refused(403, "control_from_elsewhere", next(iter(headers)))
    assert HEADER in refused["detail"]
    assert (await client.get("/healthz"))["pid"] == pid
    assert not await client.journal("fault")


@pytest.mark.parametrize("value", ["operation.committed=reset", "nonsense", ""])
@pytest.mark.asyncio
async def test_every_route_of_payment_wants_the_control_token_with_a_fault_header(guarded: Client, value: str) -> None:
    for route in PAYMENT:
        body = {} if route.method == "POST" else None
        for key in ("sk", "pk", None):
            path = route.path.replace("{id}", "x")
            for sent in ({HEADER: value}, {HEADER: value, guard.TOKEN_HEADER: "wrong-horse-battery"}):
                reply = await guarded.call(route.method, path, body, key=key, headers=sent)
                reply.refused(401, "control_token_required", guard.TOKEN_HEADER)
    with_token = WITH | {HEADER: "request.received=status;status=503"}
    (await guarded.get("/v1/charges", headers=with_token)).expect(503)


@pytest.mark.parametrize(
    "host",
    [
        "localhost:8402",
        "LOCALHOST",
        "127.0.0.1",
        "[::1]:8402",
        "shop.localhost",
        "host.docker.internal:8402",
        "gateway",
        "10.0.0.7:1",
    ],
)
@pytest.mark.asyncio
async def test_names_that_nobody_can_rebind_are_good(client: Client, host: str) -> None:
    headers = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
    (await client.get("/_gatecrash/clock", headers=headers)).expect(200)
    (await client.get("/_gatecrash/clock", headers={"Host": host, "Sec-Fetch-Site": "none"})).expect(200)


@pytest.mark.parametrize("path", sorted({route.path for route in ROUTES}))
@pytest.mark.asyncio
async def test_a_browser_is_never_told_that_it_may(client: Client, path: str) -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for part in ("{name}", "{id}", "{snapshot}"):
        path = path.replace(part, "x")
    reply = (await client.call("OPTIONS", path, headers=asked, key=None)).expect(204)
    assert not [name for name in reply.headers if name.startswith("Access-Control")]


@pytest.mark.asyncio
async def test_without_its_token_nothing_is_done(guarded: Client) -> None:
    for route in ROUTES:
        if route.whose == "nobody":
            continue
        path = route.path.replace("{name}", guarded.sandbox).replace("{id}", "x").replace("{snapshot}", "x")
        body = {} if route.method == "POST" else None
        missing = (await guarded.call(route.method, path, body)).refused(401, "control_token_required", guard.TOKEN_HEADER)
        assert "WWW-Authenticate" in missing.headers
        for wrong in (TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "", "\xff"):
            reply = await guarded.call(route.method, path, body, headers={guard.TOKEN_HEADER: wrong})
            reply.refused(401, "control_token_required", guard.TOKEN_HEADER)
            assert TOKEN not in reply.raw.decode()
    (await guarded.get("/healthz", key=None)).expect(200)
    (await guarded.get("/readyz", key=None)).expect(200)
    await guarded.charge()


@pytest.mark.asyncio
async def test_with_it_the_key_says_which_sandbox_and_a_path_may_name_any(guarded: Client) -> None:
    await guarded.charge(order_id="mine")
    books = (await guarded.get("/_gatecrash/books", headers=WITH)).expect(200)
    assert books["transfers"] == 1
    (await guarded.get("/_gatecrash/books", headers=WITH, key=None)).refused(401, "key_missing")
    room = f"/_gatecrash/sandboxes/{guarded.sandbox}"
    (await guarded.post(f"{room}/snapshot", headers=WITH, key=None)).expect(201)
    (await guarded.post("/_gatecrash/reset", headers=WITH)).expect(200)
    (await guarded.post(f"{room}/restore", headers=WITH, key=None)).expect(200)
    assert len((await guarded.get("/v1/charges"))["data"]) == 1
    made = await guarded.post("/_gatecrash/sandboxes", {"name": "made", "seed": "1"}, headers=WITH, key=None)
    assert made.expect(201)["name"] == "made"
    names = [one["name"] for one in (await guarded.get("/_gatecrash/sandboxes", headers=WITH, key=None)).expect(200)["data"]]
    assert names == sorted([guarded.sandbox, "made"])
    (await guarded.call("DELETE", "/_gatecrash/sandboxes/made", headers=WITH, key=None)).expect(200)
    for name in ("a@b", "a%40default", "4242424242424242"):
        reply = await guarded.call("DELETE", f"/_gatecrash/sandboxes/{name}", headers=WITH, key=None)
        assert "4242424242424242" not in reply.refused(400, "parameter_invalid", "name").raw.decode()


@pytest.mark.asyncio
async def test_with_a_token_it_may_be_called_by_any_page(guarded: Client) -> None:
    headers = WITH | {"Origin": "https://shop.example", "Sec-Fetch-Site": "cross-site"}
    (await guarded.get("/_gatecrash/clock", headers=headers)).expect(200)


@pytest.mark.asyncio
async def test_beyond_loopback_a_token_is_made_up_and_printed(
    http: aiohttp.ClientSession, start_server: Callable[..., ServerProcess]
) -> None:
    server = start_server("--memory", "--host", "0.0.0.0")
    client = Client(http, f"http://127.0.0.1:{server.port}")
    (await client.post("/_gatecrash/reset")).refused(401, "control_token_required", guard.TOKEN_HEADER)
    (await client.get("/v1/charges", headers={"Host": "gateway.any.example"})).expect(200)
    (line,) = [line for line in server.log.splitlines() if guard.TOKEN_HEADER in line]
    token = line.rpartition(": ")[2].rstrip("`")
    assert len(token) >= 32
    (await client.post("/_gatecrash/reset", headers={guard.TOKEN_HEADER: token})).expect(200)


@pytest.mark.asyncio
async def test_a_token_that_was_given_is_asked_for_and_not_printed(
    http: aiohttp.ClientSession, start_server: Callable[..., ServerProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATECRASH_CONTROL_TOKEN", TOKEN)
    server = start_server("--memory")
    client = Client(http, server.url)
    (await client.post("/_gatecrash/reset")).refused(401, "control_token_required", guard.TOKEN_HEADER)
    (await client.post("/_gatecrash/reset", headers=WITH)).expect(200)
    assert TOKEN not in server.log


@pytest.mark.parametrize("token", ["short", "with a blank in it", "", "ümlaut-ümlaut"])
def test_a_token_that_is_none_is_refused(token: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gatecrash", "serve", "--port", "0", "--data", str(tmp_path), "--control-token", token]
    run = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert run.returncode == 2
    assert "--control-token was" in run.stderr
    assert not token or token not in run.stderr


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("::", False),
     ("192.168.1.2", False), ("no such host", False)],
)  # fmt: skip
def test_what_loopback_is(host: str, loopback: bool) -> None:
    assert guard.is_loopback(host) == loopback
