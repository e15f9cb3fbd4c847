"""Parameters in: JSON or a query → a checked struct, or a refusal that names the field, what was given, what was expected."""

import re
from collections.abc import Mapping
from math import isfinite
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from gatecrash.core.errors import Refused
from gatecrash.core.redaction import find_card_number, mask

P = TypeVar("P", bound=msgspec.Struct)

_decode = msgspec.json.Decoder().decode

_AT = re.compile(r" - at (?P<name>`key` in )?`\$\.?(?P<path>.*)`$")
_FIELD = re.compile(r"`(?P<field>[^`]*)`")
# msgspec's words → ours
_WORDS = {
    "int": "an integer", "str": "a string", "bool": "true or false", "float": "a number", "object": "an object",
    "array": "an array",
}  # fmt: skip
# whole structures under these names are never repeated to anyone
_NEVER_SHOWN = ("card", "bank_account", "number", "account_number", "cvc")


def parse_object(body: bytes) -> dict[str, Any]:
    """A JSON object; nothing at all counts as `{}`."""
    if not body.strip():
        return {}
    try:
        value = _decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        reason = (
            "it is nested too deeply"
            if isinstance(error, RecursionError)
            else _AT.sub("", mask(str(error)).removeprefix("JSON is malformed: "))
        )
        raise Refused("body_malformed", f"the body is not JSON: {reason}; send one JSON object.") from error
    if not isinstance(value, dict):
        raise Refused("body_malformed", f"the body was {_name(value)}; expected one JSON object.")
    try:
        return _integral(value) if b"." in body or b"e" in body or b"E" in body else value
    except RecursionError as error:
        raise Refused("body_malformed", "the body is nested too deeply; send one plain JSON object.") from error


def refuse_body(method: str, body: bytes) -> None:
    """Refuse content that nothing would read (RFC 9110 §9.3.1: content of a GET has no meaning); an empty object says nothing."""
    if body.strip() not in (b"", b"{}"):
        raise Refused(
            "body_unexpected", f"{method} was sent a body of {len(body)} bytes, and reads none; put parameters into the query."
        )


def _integral(value: Any) -> Any:
    """Floats that are whole become the integers they are: JSON Schema counts 299.0 as an integer."""
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    if isinstance(value, dict):
        return {key: _integral(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_integral(inner) for inner in value]
    return value


def to_params(kind: type[P], given: Mapping[str, Any], *, texts: bool = False) -> P:
    """A mapping → parameters. `texts`: the values are strings of a query, and are read as what the field wants."""
    try:
        params = msgspec.convert(given, kind, strict=not texts)
    except msgspec.ValidationError as error:
        raise _explain(kind, given, str(error)) from error
    if texts:
        _refuse_null(kind, given, params)
    return params


def _refuse_null(kind: type[msgspec.Struct], given: Mapping[str, Any], params: msgspec.Struct) -> None:
    """In a query `null` is a word like others: where it is none that is expected, it must not read as left out."""
    for name in given:
        if getattr(params, name) is None:
            expected = _choices(kind, name) or "a value"
            raise Refused("parameter_invalid", f"{name} was {_shown(given, name)}; expected {expected}, or no {name}.", name)


def refuse_card_numbers(given: Mapping[str, Any]) -> None:
    """A server has no business holding a card: refuse a card number anywhere in what it sends."""
    _refuse_card_numbers(given, "")


def _refuse_card_numbers(value: Any, where: str) -> None:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            below = f"{where}.{key}" if where else key
            if find_card_number(key):
                raise _holds_card_number(below)
            _refuse_card_numbers(inner, below)
    elif isinstance(value, list):
        for inner in value:
            _refuse_card_numbers(inner, where)
    elif isinstance(value, (str, int, float)) and find_card_number(_as_written(value)):
        raise _holds_card_number(where)


def _as_written(value: str | int | float) -> str:
    """Of a number its whole part: the digits of a fraction are no card, and a clock's seconds have sixteen of them."""
    return str(int(value)) if isinstance(value, float) and isfinite(value) else str(value)


def _holds_card_number(where: str) -> Refused:
    name = mask(where)
    return Refused(
        "card_number_in_request",
        f"{name} holds what looks like a card or account number; send those to POST /v1/tokens only, and the nonce here.",
        name,
    )


def _explain(kind: type[msgspec.Struct], given: Mapping[str, Any], said: str) -> Refused:
    at = _AT.search(said)
    # `a[0]` is an element of a list, `a[...]` a value of a map: both are told of under the field's own name
    path, inside, _ = (at["path"] if at else "").partition("[")
    problem = said[: at.start()] if at else said
    field = _FIELD.search(problem)
    if "unknown field" in problem and field:
        name = f"{path}.{field['field']}" if path else field["field"]
        known = ", ".join(_known_fields(kind, path))
        return Refused(
            "parameter_unknown",
            f"{mask(name)} is not a parameter of this call; known are: {known or 'none'}.",
            mask(name),
        )
    if "missing required field" in problem and field:
        name = f"{path}.{field['field']}" if path else field["field"]
        return Refused("parameter_missing", f"{name} is missing; this call needs it.", name)
    code = "amount_invalid" if path == "amount" else "parameter_invalid"
    expected = _choices(kind, path) or _expected(problem)
    if inside:
        return Refused(code, f"{mask(path)} holds something else than was expected; each value is to be {expected}.", mask(path))
    if code == "amount_invalid":
        expected = "an integer of minor units from 1 to 99999999, such as 4200 for 42.00"
    if at and at["name"]:
        return Refused(code, f"a name in {path} is not as it should be; expected {expected}.", path)
    return Refused(
        code,
        f"{mask(path) or 'the body'} was {_shown(given, path)}; expected {expected}.",
        mask(path) or None,
    )


def _known_fields(kind: type[msgspec.Struct], path: str) -> tuple[str, ...]:
    for name in filter(None, path.split(".")):
        hint = get_type_hints(kind).get(name, kind)
        kind = next((part for part in get_args(hint) if isinstance(part, type)), hint)
    # an id stands in the path, never among the fields
    return tuple(name for name in getattr(kind, "__struct_fields__", ()) if name != "id")


def _choices(kind: type[msgspec.Struct], path: str) -> str | None:
    """`'a', 'b' or 'c'`, for a field that takes one of a few words."""
    hint = get_type_hints(kind).get(path)
    words = [word for part in (hint, *get_args(hint)) if get_origin(part) is Literal for word in get_args(part)]
    return "one of " + ", ".join(repr(word) for word in words) if words else None


def _expected(problem: str) -> str:
    text = problem.partition(", got ")[0].removeprefix("Expected ")
    text = _FIELD.sub(lambda types: " or ".join(_WORDS.get(name, name) for name in types["field"].split(" | ")), text)
    return text.replace("matching regex", "that matches")


def _shown(given: Any, path: str) -> str:
    names = [name for name in path.split(".") if name]
    if any(name in _NEVER_SHOWN for name in names) and names[-1] not in ("exp_month", "exp_year"):
        return "something else"
    for name in names:
        given = given.get(name) if isinstance(given, Mapping) else None
    text = msgspec.json.encode(given).decode(errors="replace") if not isinstance(given, Mapping) else "an object"
    return mask(text if len(text) <= 80 else text[:77] + "…")


def _name(value: Any) -> str:
    return {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}.get(type(value), "a number")
