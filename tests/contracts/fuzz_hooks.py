"""What schemathesis must know of the gateway: which key opens what, and what would take the contract out of force."""

import re
from itertools import count
from typing import Any

import schemathesis

from tests.contracts.checker import load

_KEY = re.compile(load("gateway").document["components"]["parameters"]["IdempotencyKey"]["schema"]["pattern"])
_FRESH = count(1)

# operation → a sandbox apart, where it can do no harm: rules that strike, clocks that run away, webhooks to anywhere
APART = {
    "faults": ("faults.list", "faults.add", "faults.clear", "faults.get", "faults.remove"),
    "clock": ("clock.get", "clock.set", "clock.advance"),
    "reset": ("sandbox.reset",),
    "rooms": ("sandboxes.remove", "sandboxes.snapshot", "sandboxes.restore", "snapshots.list", "snapshots.remove"),
    "endpoints": tuple(f"webhook_endpoints.{name}" for name in ("create", "list", "get", "update", "delete", "rotate_secret")),
}
_SANDBOX = {operation: f"fuzz-{name}" for name, operations in APART.items() for operation in operations}


@schemathesis.hook
def before_load_schema(context: Any, raw_schema: dict[str, Any]) -> None:
    """`Gatecrash-Fault` makes the gateway break its contract; test_live.py has it."""
    for item in raw_schema["paths"].values():
        for operation in item.values():
            if isinstance(operation, dict) and "parameters" in operation:
                operation["parameters"] = [one for one in operation["parameters"] if not one.get("$ref", "").endswith("/Fault")]


@schemathesis.hook("before_load_schema")
def answers_at_the_edge(context: Any, raw_schema: dict[str, Any]) -> None:
    """A query parameter that comes twice is refused whatever was asked; the contract says so once, and not at each operation."""
    for item in raw_schema["paths"].values():
        for operation in item.values():
            if isinstance(operation, dict) and "responses" in operation:
                operation["responses"].setdefault("400", {"$ref": "#/components/responses/GivenTwice"})


@schemathesis.hook("before_load_schema")
def good_cards(context: Any, raw_schema: dict[str, Any]) -> None:
    """An invented number is never a test card, and without one nothing else can happen: approved, declined, slow, disputed."""
    card = raw_schema["components"]["schemas"]["CardGiven"]["properties"]
    card["number"] = {
        "enum": ["4242424242424242", "4000000000000002", "4000000000007726", "4000000000005126", "4000000000000259"]
    }
    account = raw_schema["components"]["schemas"]["BankAccountGiven"]["properties"]
    account["routing_number"] = {"const": "110000000"}
    account["account_number"] = {"enum": ["000123456789", "000222222227"]}


@schemathesis.hook("before_load_schema")
def names_of_dialects(context: Any, raw_schema: dict[str, Any]) -> None:
    """Which names a gateway knows depends on the dialects that it speaks; an invented one is refused by every gateway."""
    schemas = raw_schema["components"]["schemas"]
    events = [*schemas["EventType"]["enum"], None]
    match = schemas["FaultMatch"]["properties"]
    match["event_type"] = {"enum": events}
    match["dialect"] = {"enum": ["native", None]}
    match["call"] = {"enum": ["charges.create", "charges.get", None]}
    for kind in schemas["FaultRule"]["oneOf"]:
        if "until" in (params := kind["properties"].get("params", {}).get("properties", {})):
            params["until"] = {"enum": events}


@schemathesis.hook("before_load_schema")
def own_sandbox(context: Any, raw_schema: dict[str, Any]) -> None:
    """A key acts on its own sandbox, so an invented name is always another's."""
    raw_schema["components"]["parameters"]["SandboxName"]["schema"] = {"enum": ["fuzz-rooms"]}
    raw_schema["components"]["schemas"]["CreateSandbox"]["properties"]["name"] = {"type": "null"}


@schemathesis.auth(refresh_interval=None)
class Keys:
    """A publishable key where cards go, a secret one elsewhere."""

    def get(self, case: Any, context: Any) -> str:
        operation_id = case.operation.definition.raw["operationId"]
        kind = "pk" if operation_id == "tokens.create" else "sk"
        return f"Bearer {kind}_test_{_SANDBOX.get(operation_id, 'fuzz')}"

    def set(self, case: Any, data: str, context: Any) -> None:
        if case.operation.definition.raw.get("security") != []:
            case.headers = {**(case.headers or {}), "Authorization": data}


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """A key is of one request; drawn again it would make a mere 422, or show a creation of long ago. Bad ones stay bad."""
    headers = case.headers or {}
    key = headers.get("Idempotency-Key")
    if isinstance(key, str) and len(key) < 240 and _KEY.fullmatch(key):
        quote = key[: key.startswith('"')]
        case.headers = {**headers, "Idempotency-Key": f"{quote}{next(_FRESH)}-{key.removeprefix(quote)}"}
