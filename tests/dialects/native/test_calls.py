"""The table of operations: complete, and honest about what writes."""

import pytest

from gatecrash.dialects.native.calls import OPERATIONS, Operation
from gatecrash.dialects.native.routes import ROUTES

NAMES = [
    "client_tokens.create",
    "tokens.create",
    "charges.create",
    "charges.get",
    "charges.list",
    "charges.capture",
    "charges.void",
    "refunds.create",
    "refunds.get",
    "refunds.list",
    "disputes.get",
    "disputes.list",
    "disputes.evidence",
    "disputes.accept",
    "payment_methods.create",
    "payment_methods.get",
    "payment_methods.list",
    "subscriptions.create",
    "subscriptions.get",
    "subscriptions.list",
    "subscriptions.update",
    "subscriptions.cancel",
    "webhook_endpoints.create",
    "webhook_endpoints.get",
    "webhook_endpoints.list",
    "webhook_endpoints.update",
    "webhook_endpoints.delete",
    "webhook_endpoints.rotate_secret",
    "events.get",
    "events.list",
    "events.deliveries",
    "events.resend",
]


def test_the_operations_are_those_of_the_contract() -> None:
    assert sorted(OPERATIONS) == sorted(NAMES)


def test_every_operation_has_a_native_route_and_every_route_an_operation() -> None:
    assert sorted(route.name for route in ROUTES) == sorted(OPERATIONS)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_what_varies_in_a_path_is_a_parameter_of_its_operation(route: object) -> None:
    fields = OPERATIONS[route.name].params.__struct_fields__  # type: ignore[attr-defined]
    assert ("{id}" in route.path) == ("id" in fields)  # type: ignore[attr-defined]


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_every_operation_refuses_fields_it_does_not_know(operation: Operation) -> None:
    assert operation.params.__struct_config__.forbid_unknown_fields
