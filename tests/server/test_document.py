"""The contract as the gateway serves it: the file, whole, with the URL it was reached by; and a page, under the rules of all."""

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from gatecrash import __version__
from tests.contracts.checker import load
from tests.support.client import Client
from tests.support.gateway import LiveGateway

pytestmark = pytest.mark.asyncio
PATHS = ("/openapi.json", "/docs", "/hosted/docs.js", "/hosted/docs.css")


async def test_the_document_is_the_file_with_the_url_of_this_server(client: Client, gateway: LiveGateway) -> None:
    served = (await client.get("/openapi.json", key=None)).expect(200)
    assert served.content_type == "application/json"
    assert served["servers"] == [{"url": gateway.url, "description": "This gateway."}]
    assert {**served.json, "servers": []} == {**load("gateway").document, "servers": []}
    assert served["info"]["version"] == __version__
    assert not list(OpenAPIV31SpecValidator(served.json).iter_errors())


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("gateway.test:8402", "http://gateway.test:8402"),
        ("[::1]:8402", "http://[::1]:8402"),
        ("localhost", "http://localhost"),
        ('evil"<script>', "/"),
        ("a b", "/"),
        ("", "/"),
    ],
)
async def test_the_server_is_named_as_the_client_named_it_if_that_is_a_name(client: Client, host: str, url: str) -> None:
    assert (await client.get("/openapi.json", headers={"Host": host})).expect(200)["servers"][0]["url"] == url


@pytest.mark.parametrize("path", PATHS)
async def test_pages_are_got_and_nothing_else(client: Client, path: str) -> None:
    assert (await client.get(path, key=None)).expect(200).headers["Request-Id"].startswith("req_")
    refused = (await client.post(path)).refused(405, "method_not_allowed")
    assert refused.headers["Allow"] == "GET, HEAD, OPTIONS"
    (await client.get(path + "/more")).refused(404, "route_unknown")
    (await client.call("GET", path, raw=b" " * 1_100_000)).refused(413, "body_too_large")


async def test_the_page_may_not_be_framed_and_the_card_fields_may(client: Client) -> None:
    assert "frame-ancestors 'none'" in (await client.get("/docs")).headers["Content-Security-Policy"]
    assert "frame-ancestors" not in (await client.get("/hosted/card-fields")).headers["Content-Security-Policy"]


@pytest.mark.parametrize("accept", [None, "*/*", "application/json"])
async def test_a_program_is_told_where_everything_is(client: Client, gateway: LiveGateway, accept: str | None) -> None:
    told = (await client.get("/", key=None, headers={"Accept": accept} if accept else {})).expect(200)
    assert (told["name"], told["version"]) == ("gatecrash", __version__)
    assert told["dialects"]["native"] == f"{gateway.url}/"
    for page in ("docs", "openapi"):
        assert told[page].startswith(gateway.url)
        (await client.get(told[page].removeprefix(gateway.url), key=None)).expect(200)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_browser_is_sent_to_the_page_that_shows_the_contract(client: Client, method: str) -> None:
    accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    async with client.http.request(method, client.url + "/", headers={"Accept": accept}, allow_redirects=False) as sent:
        assert (sent.status, sent.headers["Location"], sent.headers["Vary"]) == (302, "/docs", "Accept")
