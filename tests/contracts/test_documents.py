"""The contracts are well-formed, and what they say of themselves is true."""

import json
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from gatecrash import resources
from gatecrash.core.banks import TEST_ACCOUNTS
from gatecrash.core.cards import TEST_CARDS
from tests.contracts import card_tables
from tests.contracts.checker import AT_THE_EDGE, Contract, load, read
from tests.contracts.derive import DERIVED, derive, path, written

CONTRACTS = [contract.name.partition(".")[0] for contract in sorted(resources.contracts().glob("*.openapi.yaml"))]
SCHEMAS = sorted(schema.name for schema in resources.contracts().glob("*.schema.json"))


def nodes(value: Any) -> Any:
    """Every object in a document."""
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from nodes(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from nodes(inner)


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_contract_is_valid_openapi(name: str) -> None:
    document = read(resources.contracts() / f"{name}.openapi.yaml")
    assert document["openapi"] == "3.1.0"
    flaws = [f"{list(flaw.absolute_path)}: {flaw.message}" for flaw in OpenAPIV31SpecValidator(document).iter_errors()]
    assert not flaws


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_valid_json_schema(name: str) -> None:
    schema = json.loads((resources.contracts() / name).read_text(encoding="utf-8"))
    assert schema["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    assert schema["$id"] == name
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("name", CONTRACTS)
def test_every_reference_leads_somewhere_and_every_component_is_used(name: str) -> None:
    contract = load(name)
    used = {node["$ref"] for node in nodes(contract.document) if isinstance(node.get("$ref"), str)}
    for reference in used:
        assert contract.resolve({"$ref": reference})
    # answers that belong to no operation are there to be read, and for the checker
    outside = {f"#/components/responses/{one}" for one in ("RouteUnknown", "MethodNotAllowed", "Options", *AT_THE_EDGE.values())}
    for section, components in contract.document["components"].items():
        if section != "securitySchemes":
            unused = {f"#/components/{section}/{one}" for one in components} - used - outside
            assert not unused


@pytest.mark.parametrize("name", CONTRACTS)
def test_every_component_schema_is_valid_json_schema(name: str) -> None:
    for schema in load(name).document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("name", CONTRACTS)
def test_every_operation_says_what_it_is_for_and_how_it_may_fail(name: str) -> None:
    for operation in load(name).operations.values():
        assert operation.spec["summary"]
        assert operation.spec["tags"]
        assert len(operation.success) >= 1, operation.id
        assert "500" in operation.spec["responses"], operation.id
        for parameter in operation.parameters:
            assert parameter["description"], (operation.id, parameter["name"])
        in_path = {one["name"] for one in operation.parameters if one["in"] == "path"}
        assert in_path == set(re.findall(r"\{(\w+)\}", operation.path)), operation.id


@pytest.mark.parametrize("name", CONTRACTS)
def test_every_object_that_is_asked_for_refuses_unknown_fields(name: str) -> None:
    contract = load(name)
    for operation in contract.operations.values():
        body = contract.resolve(operation.spec["requestBody"]) if "requestBody" in operation.spec else {"content": {}}
        for media in body["content"].values():
            schema = contract.resolve(media["schema"])
            assert schema.get("additionalProperties") is False or operation.id == "webhooks.receive", operation.id


@pytest.mark.parametrize("name", CONTRACTS)
def test_every_example_is_what_its_schema_says(name: str) -> None:
    contract = load(name)
    for node in nodes(contract.document):
        schema = node.get("schema")
        if isinstance(schema, dict):
            given = [node["example"]] if "example" in node else []
            given += [example["value"] for example in node.get("examples", {}).values()]
            for value in given:
                contract.check_value(f"example {value!r}", schema, value)
        if isinstance(node.get("examples"), list):
            for value in node["examples"]:
                contract.check_value(f"example {value!r}", node, value)


@pytest.mark.parametrize("name", CONTRACTS)
def test_every_link_leads_to_an_operation_by_parameters_it_has(name: str) -> None:
    contract = load(name)
    for where, response in contract.responses():
        for link in response.get("links", {}).values():
            target = contract.operations[link["operationId"]]
            assert set(link.get("parameters", ())) <= {one["name"] for one in target.parameters}, where
            if "requestBody" in link:
                body = contract.resolve(target.spec["requestBody"])["content"]["application/json"]["schema"]
                assert link["requestBody"].keys() <= contract.resolve(body)["properties"].keys(), where


@pytest.mark.parametrize("file", DERIVED)
def test_a_schema_that_stands_alone_is_cut_out_of_the_contract(file: str) -> None:
    assert path(file).read_text(encoding="utf-8") == written(derive(file)), "run `python -m tests.contracts.derive`"


def test_the_tables_of_test_cards_say_what_the_numbers_do() -> None:
    page = card_tables.PAGE.read_text(encoding="utf-8")
    assert page == card_tables.written(page), "run `python -m tests.contracts.derive`"
    assert all(f"`{number}`" in page.replace(" ", "") for number in (*TEST_CARDS, *TEST_ACCOUNTS))


def test_a_name_that_stands_twice_is_found(tmp_path: Any) -> None:
    twice = tmp_path / "twice.yaml"
    twice.write_text("a: {b: 1, c: 2, b: 3}")
    with pytest.raises(AssertionError, match="stands twice"):
        read(twice)


def test_the_checker_knows_a_path_from_one_with_a_parameter() -> None:
    contract: Contract = load("gateway")
    assert contract.find("GET", "/v1/charges?limit=1") is contract.operations["charges.list"]
    assert contract.find("GET", "/v1/charges/txn_1") is contract.operations["charges.get"]
    assert contract.find("PUT", "/v1/charges/txn_1") is None
