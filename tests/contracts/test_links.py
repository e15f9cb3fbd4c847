"""Every link of the contract is followed, over a real socket: from an answer that was given to the call that it leads to."""

import re
from collections import defaultdict
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import pytest

from tests.contracts.checker import Json, Operation
from tests.contracts.test_live import GATEWAY, CheckedClient, dispute, good
from tests.support.gateway import LiveGateway

pytestmark = pytest.mark.asyncio
LINKS = [
    (operation, status, name, link)
    for operation in GATEWAY.operations.values()
    for status, response in operation.spec["responses"].items()
    for name, link in GATEWAY.resolve(response).get("links", {}).items()
]
_EXPRESSION = re.compile(r"\{?\$response\.body#(?P<pointer>(?:/[A-Za-z0-9_]+)+)\}?")
# links that are there to be refused say so
IN_VAIN = re.compile(r"in vain|nevertheless|more|rest")


def value_of(expression: Any, body: Any) -> Any:
    """A runtime expression (OpenAPI 3.1 §4.8.20.4) on the body of an answer, at any depth; what is none is itself."""
    if isinstance(expression, dict):
        return {name: value_of(inner, body) for name, inner in expression.items()}
    found = _EXPRESSION.fullmatch(expression) if isinstance(expression, str) else None
    if found is None:
        assert "$" not in str(expression), f"{expression} is an expression that nobody here understands"
        return expression
    for part in found["pointer"].split("/")[1:]:
        body = body[int(part)] if isinstance(body, list) else body[part]
    return body


async def furnish(client: CheckedClient) -> None:
    """Something of everything, so that no list is empty."""
    (await client.post("/v1/webhook_endpoints", {"url": "http://127.0.0.1:9/"})).expect(201)
    charge = await client.charge(order_id="order_0")
    (await client.post(f"/v1/charges/{charge['id']}/refunds", {"amount": 1})).expect(201)
    await client.subscribe(await client.save())
    await dispute(client)


async def answer(client: CheckedClient, operation: Operation, status: str, name: str) -> Any:
    """The body of an answer with this status."""
    path, body, key = await good(client, operation)
    if operation.id == "charges.create":
        body |= {"payment_nonce": await client.make_nonce("declined" if status == "402" else "visa")}
        # what is to be captured or voided is authorized first
        body |= {"capture": not re.search("Capture|Void", name)}
    if operation.id == "charges.capture":
        body |= {"amount": 1}
    return (await client.call(operation.method, path, body, key=key)).expect(int(status)).json


async def follow(client: CheckedClient, link: Json, told: Any) -> int:
    """The status of what a link leads to."""
    target = GATEWAY.operations[link["operationId"]]
    given = {one.rpartition(".")[2]: value_of(expression, told) for one, expression in link.get("parameters", {}).items()}
    in_path = {one["name"] for one in target.parameters if one["in"] == "path"}
    path, body, key = await good(client, target)
    if in_path & given.keys():
        path = re.sub(r"\{(\w+)\}", lambda part: quote(str(given[part[1]]), safe=""), target.path)
    query = {one: value for one, value in given.items() if one not in in_path}
    if "requestBody" in link:
        body = value_of(link["requestBody"], told)
    return (await client.call(target.method, path + (f"?{urlencode(query)}" if query else ""), body, key=key)).status


@pytest.mark.parametrize(
    ("operation", "status", "name", "link"),
    LINKS,
    ids=[f"{operation.id}-{status}-{name}" for operation, status, name, _ in LINKS],
)
async def test_a_link_leads_where_it_says(
    http: aiohttp.ClientSession, gateway: LiveGateway, operation: Operation, status: str, name: str, link: Json
) -> None:
    client = CheckedClient(http, gateway.url)
    client.seen = defaultdict(set)
    await furnish(client)
    led_to = await follow(client, link, await answer(client, operation, status, name))
    assert led_to < 300 or (IN_VAIN.search(name) and led_to < 500), f"{name} led to {led_to}"
