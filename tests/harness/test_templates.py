"""Placeholders: amounts in three ways to write them, values encoded for where they stand, braces that mean themselves."""

import pytest

from gatecrash.harness.templates import Call, amounts, fill, fill_path, placeholders


@pytest.mark.parametrize(
    ("amount", "currency", "text", "number"),
    [(1234, "usd", "12.34", 12.34), (5, "usd", "0.05", 0.05), (500, "jpy", "500", 500), (1234, "kwd", "1.234", 1.234)],
)
def test_an_amount_is_written_in_minor_units_as_text_and_as_a_number(
    amount: int, currency: str, text: str, number: float
) -> None:
    assert amounts(amount, currency) == {"amount": amount, "amount_decimal": text, "amount_number": number}


def test_a_value_is_url_encoded_in_a_path_and_left_as_it_is_in_a_body() -> None:
    call = Call(
        method="POST", path="/orders/{order_id}?by={customer}", body={"id": "{order_id}"}, headers={"X-Order": "{order_id}"}
    )
    filled = call.fill({"order_id": "a/b?c=ü&d", "customer": "ada & co"})
    assert filled.path == "/orders/a%2Fb%3Fc%3D%C3%BC%26d?by=ada%20%26%20co"
    assert (filled.body, filled.headers) == ({"id": "a/b?c=ü&d"}, {"X-Order": "a/b?c=ü&d"})


def test_doubled_braces_are_sent_as_braces_and_are_no_placeholder() -> None:
    query = 'query { order(id: "{order_id}") {{status}} }'
    assert placeholders(query) == {"order_id"}
    assert fill(query, {"order_id": 7}) == 'query { order(id: "7") {status} }'
    assert fill_path("/a/{{b}}/{c}", {"c": 1}) == "/a/{b}/1"


def test_a_call_speaks_of_an_amount_however_it_is_written() -> None:
    assert Call(method="POST", path="/", body={"sum": "{amount_decimal}"}).speaks_of("amount")
    assert not Call(method="POST", path="/", body={"sum": "{{amount}}"}).speaks_of("amount")
