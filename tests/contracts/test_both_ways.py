"""What is served is in the contract, and what is in the contract is served: routes, codes, faults, events, values."""

import json
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator

from gatecrash import resources
from gatecrash.core import disputes, subscriptions
from gatecrash.core.cards import DECLINES
from gatecrash.core.errors import CATALOGUE
from gatecrash.core.facts import FACTS
from gatecrash.core.ledger import MERCHANT, NETWORK
from gatecrash.core.money import AMOUNT_MAX, EXPONENTS
from gatecrash.core.payments import STATUSES
from gatecrash.dialects.interface import Route
from gatecrash.dialects.native.calls import OPERATIONS
from gatecrash.dialects.native.errors import STATUS, status_of
from gatecrash.dialects.native.routes import ROUTES
from gatecrash.faults.kinds import KINDS
from gatecrash.faults.rule import Match
from gatecrash.faults.stations import STATIONS, why_not
from gatecrash.harness.story import load_all
from gatecrash.lint import RULES
from gatecrash.server.control import ROUTES as CONTROL
from gatecrash.server.control import ControlRoute
from gatecrash.server.hosted import PAGES
from tests.contracts.checker import Json, load

GATEWAY = load("gateway")
RULE = Draft202012Validator(json.loads((resources.contracts() / "fault-rule.schema.json").read_text(encoding="utf-8")))
STORY = json.loads((resources.contracts() / "story.schema.json").read_text(encoding="utf-8"))
STORY_RULE = Draft202012Validator({"$ref": "#/$defs/fault_rule", "$defs": STORY["$defs"]})


def test_every_route_is_in_the_contract_and_every_operation_of_the_contract_is_a_route() -> None:
    served = {(route.method, route.path, str(route.success)) for route in (*ROUTES, *CONTROL)}
    served |= {("OPTIONS", route.path, "204") for route in ROUTES if route.cors}
    served |= {("GET", path, "200") for path in PAGES} | {("GET", "/", "302")}  # a browser is sent on
    promised = {(each.method, each.path, status) for each in GATEWAY.operations.values() for status in each.success}
    told = "{} in contracts/gateway.openapi.yaml, as (method, path, status of success): {}"
    assert not served - promised, told.format("served, and missing", sorted(served - promised))
    assert not promised - served, told.format("served by nobody, and", sorted(promised - served))


def test_every_route_that_is_asked_for_by_name_has_its_operation_in_the_contract() -> None:
    missing = [f"{route.method} {route.path}: {route.name}" for route in ROUTES if route.name not in GATEWAY.operations]
    assert not missing, f"give these routes their operationId in contracts/gateway.openapi.yaml: {missing}"


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_an_operation_of_the_contract_bears_its_name_its_keys_and_its_parameters(route: Route) -> None:
    operation = GATEWAY.operations[route.name]
    assert (operation.method, operation.path) == (route.method, route.path)
    needed = operation.spec.get("security", GATEWAY.document["security"])
    names = {"secret": "secretKey", "publishable": "publishableKey", "client_token": "clientToken"}
    assert [next(iter(each)) for each in needed] == [name for kind, name in names.items() if kind in route.keys]

    headers = {one["name"] for one in operation.parameters if one["in"] == "header"}
    assert ("Idempotency-Key" in headers) == (route.method == "POST")
    assert "Gatecrash-Fault" in headers
    assert ("Origin" in headers) == route.cors

    taken = OPERATIONS[route.name].params
    in_path = {one["name"] for one in operation.parameters if one["in"] == "path"}
    assert fields(taken).keys() - in_path == contract_fields(route.name).keys()


@pytest.mark.parametrize("route", CONTROL, ids=lambda route: f"{route.method} {route.path}")
def test_the_control_api_takes_what_the_contract_says(route: ControlRoute) -> None:
    operation = GATEWAY.find(route.method, route.path.translate({ord("{"): None, ord("}"): None}))
    assert operation is not None, f"{route.method} {route.path} is missing in contracts/gateway.openapi.yaml"
    assert contract_fields(operation.id).keys() == fields(route.params).keys(), (
        f"what {operation.id} takes, in the contract and in the code"
    )


def test_a_match_has_the_fields_of_the_code() -> None:
    assert GATEWAY.component("FaultMatch")["properties"].keys() == fields(Match).keys()


def fields(struct: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    return {field.name: field for field in msgspec.structs.fields(struct)}


def contract_fields(operation_id: str) -> Json:
    """What an operation takes in its query or body: name → schema."""
    operation = GATEWAY.operations[operation_id]
    if "requestBody" in operation.spec:
        body = GATEWAY.resolve(operation.spec["requestBody"])
        schema = GATEWAY.resolve(body["content"]["application/json"]["schema"])
        return {name: GATEWAY.resolve(one) for name, one in schema.get("properties", {}).items()}
    return {one["name"]: GATEWAY.resolve(one["schema"]) for one in operation.parameters if one["in"] == "query"}


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_defaults_and_what_is_required_are_as_in_the_code(route: Route) -> None:
    operation = GATEWAY.operations[route.name]
    promised = contract_fields(route.name)
    for name, field in fields(OPERATIONS[route.name].params).items():
        if name in promised and not field.required and field.default is not None:
            assert promised[name].get("default") == field.default, name
    if route.method == "POST":
        body = GATEWAY.resolve(operation.spec["requestBody"])
        schema = GATEWAY.resolve(body["content"]["application/json"]["schema"])
        needed = {name for name, one in fields(OPERATIONS[route.name].params).items() if one.required} - {"id"}
        assert set(schema.get("required", ())) == needed
        # one of several will do: `oneOf` says which, and nothing at all is too little
        assert body["required"] == bool(needed or "oneOf" in schema)


def test_every_error_code_is_in_the_contract_and_every_one_of_the_contract_in_the_catalogue() -> None:
    listed = GATEWAY.component("ErrorCode")["enum"]
    missing, surplus = set(CATALOGUE) - set(listed), set(listed) - set(CATALOGUE)
    assert not missing, (
        f"add to ErrorCode in contracts/gateway.openapi.yaml, and under the answers that give them: {sorted(missing)}"
    )
    assert not surplus, f"in ErrorCode of the contract, and not in CATALOGUE of core/errors.py: {sorted(surplus)}"
    assert listed == list(CATALOGUE), "ErrorCode of the contract stands in the order of the catalogue"


def test_every_code_stands_under_the_status_it_is_given_with() -> None:
    seen: set[str] = set()
    for where, response in GATEWAY.responses():
        schema = response.get("content", {}).get("application/problem+json", {}).get("schema")
        if schema is not None:
            status, codes = schema["properties"]["status"]["const"], GATEWAY.codes_of(schema["properties"]["code"])
            assert codes, where
            assert {status_of(code) for code in codes} == {status}, where
            assert not where[-3:].isdigit() or where[-3:] == str(status)
            seen |= codes
    # these two only a fault rule gives
    unplaced = set(CATALOGUE) - seen - {"injected", "rate_limited"}
    assert not unplaced, f"no answer of the contract names these codes; add them where they are given: {sorted(unplaced)}"
    assert set(STATUS) <= set(CATALOGUE)


def test_the_words_of_the_contract_are_those_of_the_code() -> None:
    assert GATEWAY.component("DeclineCode")["enum"] == list(DECLINES)
    assert GATEWAY.component("EventType")["enum"] == list(FACTS)
    assert GATEWAY.component("ChargeStatus")["enum"] == list(STATUSES)
    assert GATEWAY.component("LintRule")["enum"] == [rule.code for rule in RULES]
    assert GATEWAY.component("DisputeStatus")["enum"] == list(disputes.STATUSES)
    dispute = GATEWAY.component("Dispute")["properties"]
    assert dispute["reason"]["enum"] == list(disputes.REASONS)
    assert dispute["resolution"]["enum"] == [*disputes.RESOLUTIONS, None]
    assert GATEWAY.component("SubscriptionStatus")["enum"] == list(subscriptions.STATUSES)
    assert GATEWAY.component("Subscription")["properties"]["cancel_reason"]["enum"] == [*subscriptions.CANCEL_REASONS, None]
    assert GATEWAY.component("Currency")["enum"] == sorted(EXPONENTS)
    assert GATEWAY.component("Amount")["maximum"] == AMOUNT_MAX
    accounts = GATEWAY.component("Books")["properties"]["accounts"]["items"]["properties"]["account"]["enum"]
    assert accounts == [NETWORK, MERCHANT]


def test_every_type_of_event_has_its_own_shape() -> None:
    assert [shape["properties"]["type"]["const"] for shape in GATEWAY.component("Event")["oneOf"]] == list(FACTS)


def test_stations_and_kinds_are_those_of_the_code() -> None:
    assert GATEWAY.component("Station")["enum"] == list(STATIONS)
    assert GATEWAY.component("FaultKind")["enum"] == list(KINDS)
    shapes = GATEWAY.component("FaultRule")["oneOf"]
    where = {}
    for shape in shapes:
        kind = shape["properties"]["kind"]
        for name in kind.get("enum", [kind.get("const")]):
            where[name] = shape["properties"]["station"]["enum"]
            params = GATEWAY.resolve(shape["properties"]["params"])
            assert params.get("properties", {}).keys() == fields(KINDS[name]).keys(), name
            needed = {field for field, one in fields(KINDS[name]).items() if one.required}
            assert set(params.get("required", ())) == needed
            assert ("params" in shape.get("required", ())) == bool(needed)
    assert where == {kind: [name for name in STATIONS if why_not(name, kind) is None] for kind in KINDS}


PARAMS: Json = {"delay": {"seconds": 1.5}, "status": {"status": 503}, "rate_limit": {"limit": 3}}


@pytest.mark.parametrize("station", STATIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_lets_a_kind_strike_where_it_makes_sense(station: str, kind: str) -> None:
    rule = {"station": station, "kind": kind, "params": PARAMS.get(kind, {})}
    assert RULE.is_valid(rule) == (why_not(station, kind) is None)


GOOD_RULES: list[Json] = [
    {"station": "operation.committed", "kind": "reset"},
    {"station": "webhook.due", "kind": "duplicate", "params": {"count": 2}, "nth": 2, "times": None},
    {"station": "request.received", "kind": "status", "params": {"status": 429, "headers": {"Retry-After": "1"}, "body": [1]}},
    {"station": "operation.claimed", "kind": "hang", "match": {"operation": "charges.create", "amount": 5}, "times": 3},
    {"station": "webhook.sent", "kind": "drop", "match": {"attempt": 1, "event_type": "charge.failed"}, "probability": 0.5},
    {"station": "response.partial", "kind": "close", "seed": "x"},
    {"station": "response.sent", "kind": "crash", "params": {"down_s": 0}, "seed": 7},
]
BAD_RULES: list[Any] = [
    [], {}, {"station": "operation.committed"}, {"kind": "reset"},
    {"station": "operation.imagined", "kind": "reset"},
    {"station": "operation.committed", "kind": "explode"},
    {"station": "operation.committed", "kind": "reset", "nth": 0},
    {"station": "operation.committed", "kind": "reset", "nth": "first"},
    {"station": "operation.committed", "kind": "reset", "times": 0},
    {"station": "operation.committed", "kind": "reset", "times": 1.5},
    {"station": "operation.committed", "kind": "reset", "probability": 1.1},
    {"station": "operation.committed", "kind": "reset", "probability": -0.1},
    {"station": "operation.committed", "kind": "reset", "match": {"colour": "red"}},
    {"station": "operation.committed", "kind": "reset", "match": {"amount": "5"}},
    {"station": "operation.committed", "kind": "reset", "params": []},
    {"station": "operation.committed", "kind": "reset", "seed": []},
    {"station": "operation.committed", "kind": "reset", "surprise": 1},
]  # fmt: skip


@pytest.mark.parametrize("rule", GOOD_RULES, ids=str)
def test_a_good_rule_is_good_to_the_schema_and_to_stories(rule: Json) -> None:
    RULE.validate(rule)
    STORY_RULE.validate(rule)


@pytest.mark.parametrize("rule", BAD_RULES, ids=str)
def test_a_bad_rule_is_bad_to_the_schema_and_to_stories(rule: Any) -> None:
    assert not RULE.is_valid(rule)
    assert not STORY_RULE.is_valid(rule)


def test_every_rule_of_our_stories_is_a_good_one() -> None:
    rules = [rule for story in load_all() for rule in (*story.faults, *story.standing_faults)]
    rules += [step.argument for story in load_all() for step in story.steps if step.verb == "break"]
    assert rules
    for rule in rules:
        assert RULE.is_valid(rule), rule
