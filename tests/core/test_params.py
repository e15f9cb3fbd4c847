"""Parameters: what is refused names the field, says what was given, what was expected, and what to do."""

from typing import Any

import pytest

from gatecrash.core.endpoints import CreateEndpoint, RotateSecret
from gatecrash.core.errors import Refused
from gatecrash.core.params import parse_object, screen, to_params
from gatecrash.core.payments import CreateCharge
from gatecrash.core.refunds import CreateRefund
from gatecrash.core.tokens import CreateToken
from gatecrash.dialects.native.calls import ById, ListCharges
from tests.support.cards import card

GOOD = {"amount": 4200, "currency": "usd", "payment_nonce": "nonce_1"}


def refusal(kind: Any, given: dict[str, Any], **how: Any) -> Refused:
    with pytest.raises(Refused) as refused:
        to_params(kind, given, **how)
    return refused.value


@pytest.mark.parametrize("body", [b"", b"  \n", b"{}"])
def test_no_body_is_an_empty_object(body: bytes) -> None:
    assert parse_object(body) == {}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"amount":', "truncated"),
        (b"{'amount': 1}", "keys must be strings"),
        (b"amount=1", "malformed|invalid|expected"),
        (b"[]", "an array"),
        (b'"text"', "a string"),
        (b"12", "a number"),
        (b"null", "null"),
        (b"true", "a boolean"),
        (b"\xff\xfe", "invalid"),
        (b'{"a": "\xc3\x28"}', "invalid"),
        (b'{"a": 1e999}', "out of range"),
        (b'{"a": NaN}', "invalid"),
        (b'{"a": Infinity}', "invalid"),
        (b"[" * 50_000, "nested too deeply"),
        (b'{"a":' * 50_000, "nested too deeply"),
    ],
)
def test_a_body_that_is_no_json_object_is_refused_with_the_reason(body: bytes, said: str) -> None:
    with pytest.raises(Refused, match=f"(?i)(the body (is not JSON|was)).*({said}).*one JSON object") as refused:
        parse_object(body)
    assert (refused.value.code, refused.value.param) == ("body_malformed", None)
    assert "`$" not in refused.value.detail


@pytest.mark.parametrize(
    ("text", "value"), [("299.0", 299), ("1e2", 100), ("1E2", 100), ("-0.0", 0), ("299.5", 299.5), ("1e300", 1e300)]
)
def test_a_float_that_is_whole_counts_as_the_integer_it_is(text: str, value: float) -> None:
    parsed = parse_object(f'{{"a": {text}, "b": [{{"c": {text}}}]}}'.encode())
    assert parsed == {"a": value, "b": [{"c": value}]}
    assert type(parsed["a"]) is type(parsed["b"][0]["c"]) is type(value)


@pytest.mark.parametrize("amount", [0, -1, 100_000_000, 10**30, 299.5, "4200", True, None, [], {}])
def test_an_amount_that_is_none_is_refused_with_what_it_was_and_what_it_should_be(amount: Any) -> None:
    refused = refusal(CreateCharge, GOOD | {"amount": amount})
    assert (refused.code, refused.param) == ("amount_invalid", "amount")
    assert refused.detail.startswith("amount was ")
    assert "integer of minor units from 1 to 99999999" in refused.detail


@pytest.mark.parametrize(
    ("field", "value", "was", "expected"),
    [
        ("currency", 5, "5", "a string"),
        ("currency", None, "null", "a string"),
        ("payment_nonce", "", '""', "length >= 1"),
        ("payment_nonce", "x" * 256, '"xxx', "length <= 255"),
        ("capture", "yes", '"yes"', "true or false"),
        ("capture", 1, "1", "true or false"),
        ("order_id", 17, "17", "a string or null"),
        ("order_id", "", '""', "length >= 1"),
        ("metadata", "x", '"x"', "an object or null"),
        ("metadata", {str(i): "x" for i in range(51)}, "an object", "length <= 50"),
    ],
)
def test_a_value_of_the_wrong_shape_is_refused_under_its_name(field: str, value: Any, was: str, expected: str) -> None:
    with pytest.raises(Refused, match=f"^{field}.* was .*{was}.*; expected .*{expected}") as refused:
        to_params(CreateCharge, GOOD | {field: value})
    assert (refused.value.code, refused.value.param) == ("parameter_invalid", field)
    assert len(refused.value.detail) < 250


@pytest.mark.parametrize(
    ("kind", "field", "value", "expected"),
    [
        (CreateCharge, "metadata", {"a": 1}, "a string"),
        (CreateCharge, "metadata", {"a": ["x"]}, "a string"),
        (CreateCharge, "metadata", {"a": "x" * 501}, "a string of length <= 500"),
        (CreateEndpoint, "events", [1], "a string"),
        (CreateEndpoint, "events", ["*", None], "a string"),
    ],
)
def test_a_wrong_value_inside_a_map_or_a_list_is_refused_under_the_name_of_that(
    kind: Any, field: str, value: Any, expected: str
) -> None:
    refused = refusal(kind, GOOD | {field: value} if kind is CreateCharge else {"url": "http://127.0.0.1", field: value})
    assert (refused.code, refused.param) == ("parameter_invalid", field)
    assert refused.detail.startswith(f"{field} holds something else than was expected; each value is to be {expected}")


@pytest.mark.parametrize("field", ["amount", "currency"])
def test_a_missing_field_is_named(field: str) -> None:
    refused = refusal(CreateCharge, {name: value for name, value in GOOD.items() if name != field})
    assert (refused.code, refused.param) == ("parameter_missing", field)
    assert refused.detail == f"{field} is missing; this call needs it."


def test_an_unknown_field_is_named_beside_those_that_are_known() -> None:
    refused = refusal(CreateCharge, GOOD | {"ammount": 1})
    assert (refused.code, refused.param) == ("parameter_unknown", "ammount")
    assert "known are: amount, currency, payment_nonce, payment_method, capture, order_id, metadata" in refused.detail


def test_a_field_inside_a_field_is_named_by_its_way() -> None:
    assert refusal(CreateToken, {"card": card(nam="x")}).param == "card.nam"
    assert "known are: number, exp_month" in refusal(CreateToken, {"card": card(nam="x")}).detail
    missing = card()
    del missing["cvc"]
    assert refusal(CreateToken, {"card": missing}).param == "card.cvc"
    assert refusal(CreateToken, {"card": card(exp_month=13)}).param == "card.exp_month"
    assert "was 13; expected an integer <= 12" in refusal(CreateToken, {"card": card(exp_month=13)}).detail


@pytest.mark.parametrize(
    "given",
    [
        card(number=4242424242424242), card(number=["4242424242424242"]), card(number="4" * 41), card(cvc=737), card(cvc="73x"),
        card(cvc="73737"), "4242424242424242", ["4242424242424242"], card() | {"4242424242424242": "x"},
    ],
)  # fmt: skip
def test_what_was_sent_as_a_card_is_never_repeated(given: Any) -> None:
    refused = refusal(CreateToken, {"card": given})
    assert refused.param is not None
    assert refused.param.startswith("card")
    for secret in ("4242424242424242", "737", "73x", "4444"):
        assert secret not in refused.detail + refused.param


def test_a_query_is_read_as_what_the_field_wants() -> None:
    assert to_params(ListCharges, {"limit": "7", "order_id": "17"}, texts=True) == ListCharges(limit=7, order_id="17")


@pytest.mark.parametrize("limit", ["0", "101", "x", "", "1.5", "-1", "9" * 40])
def test_a_limit_that_is_none_is_refused(limit: str) -> None:
    refused = refusal(ListCharges, {"limit": limit}, texts=True)
    assert (refused.code, refused.param) == ("parameter_invalid", "limit")
    assert "expected an integer" in refused.detail


def test_a_status_that_is_none_is_refused_with_those_there_are() -> None:
    refused = refusal(ListCharges, {"status": "paid"}, texts=True)
    assert (refused.code, refused.param) == ("parameter_invalid", "status")
    assert refused.detail.startswith('status was "paid"; expected one of ')
    for status in ("succeeded", "authorized", "failed"):
        assert status in refused.detail


def test_an_endless_value_is_shown_in_part() -> None:
    assert len(refusal(CreateEndpoint, {"url": "x" * 100_000}).detail) < 300
    assert len(refusal(CreateEndpoint, {"url": "http://a", "events": ["x"] * 1000}).detail) < 300


@pytest.mark.parametrize("overlap", [-1, 604_801, "day", True])
def test_an_overlap_out_of_bounds_is_refused(overlap: Any) -> None:
    assert refusal(RotateSecret, {"id": "we_1", "overlap_s": overlap}).param == "overlap_s"


def test_an_id_in_the_path_is_no_parameter_to_be_told_of() -> None:
    assert "id" in ById.__struct_fields__
    assert "known are: amount, reason" in refusal(CreateRefund, {"id": "txn_1", "amonut": 1}).detail


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({"order_id": "4242424242424242"}, "order_id"),
        ({"metadata": {"note": "4242 4242 4242 4242"}}, "metadata.note"),
        ({"order_id": "order-4242424242424242"}, "order_id"),
        ({"payment_nonce": "4539 5787 6362 1486"}, "payment_nonce"),
        ({"description": "\uff14242 4242 4242 4242"}, "description"),
        ({"url": "http://127.0.0.1:9/4242%204242%204242%204242"}, "url"),
        ({"a": {"b": {"c": "5555-5555-5555-4444"}}}, "a.b.c"),
        ({"a": ["x", "4242424242424242"]}, "a"),
        ({"a": [{"b": "4242424242424242"}]}, "a.b"),
        ({"a": 4242424242424242}, "a"),
        ({"metadata": {"4242424242424242": "x"}}, "metadata.[removed]"),
        ({"metadata": {"4539 5787 6362 1486": "x"}}, "metadata.[removed]"),
        ({"4242424242424242": {"a": "b"}}, "[removed]"),
    ],
)
def test_a_card_number_from_a_server_is_refused_wherever_it_stands(given: dict[str, Any], where: str) -> None:
    with pytest.raises(Refused) as refused:
        screen(given)
    assert (refused.value.code, refused.value.param) == ("card_number_in_request", where)
    assert "4242" not in refused.value.detail
    assert "POST /v1/tokens" in refused.value.detail


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"description": "paid with 4242.4242.4242.4242, thanks"}, {"description": "paid with [removed], thanks"}),
        ({"reason": "4539578763621486"}, {"reason": "[removed]"}),
        ({"metadata": {"note": "card 4539 5787 6362 1486"}}, {"metadata": {"note": "card [removed]"}}),
        ({"params": {"body": {"deep": ["4242 4242 4242 4242!"]}}}, {"params": {"body": {"deep": ["[removed]!"]}}}),
        ({"metadata": {"order": "4539578763621486"}}, {"metadata": {"order": "4539578763621486"}}),
        ({"order_id": "4539578763621486"}, {"order_id": "4539578763621486"}),
    ],
)
def test_free_text_is_kept_without_card_numbers_and_an_id_as_it_is(given: dict[str, Any], kept: dict[str, Any]) -> None:
    assert screen(given) == kept


@pytest.mark.parametrize(
    ("given", "where"),
    [({"a": {"b": ["x\0"]}}, "a.b"), ({"metadata": {"a\0": "b"}}, "metadata.a\\u0000"), ({"\0": 1}, "\\u0000")],
)
@pytest.mark.parametrize("cards", [True, False])
def test_u_0000_is_refused_by_name_wherever_it_stands(given: dict[str, Any], where: str, cards: bool) -> None:
    with pytest.raises(Refused) as refused:
        screen(given, cards=cards)
    assert (refused.value.code, refused.value.param) == ("parameter_invalid", where)
    assert "U+0000" in refused.value.detail


def test_the_fraction_of_a_number_is_no_card_number() -> None:
    screen({"seconds": 0.4242424242424242, "more": [1799.4111111111111, float("inf")]})

    for number in (4242424242424242.0, 4242424242424242.5):
        with pytest.raises(Refused):
            screen({"seconds": number})


def test_what_holds_no_card_number_passes() -> None:
    screen({"order_id": "order-17", "metadata": {"phone": "+4930901820"}, "n": 17, "list": ["x", 1, None]})
