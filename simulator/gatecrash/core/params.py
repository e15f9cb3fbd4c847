"""Parameters in: JSON or a query → a checked struct, or a refusal that names the field, what was given, what was expected."""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from math import isfinite
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from gatecrash.core.card_numbers import holds_known_number
from gatecrash.core.errors import Refused
from gatecrash.core.redaction import MASK, is_card, mask, mask_value
from gatecrash.spelling import the_nearest

P = TypeVar("P", bound=msgspec.Struct)

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode

_AT = re.compile(r" - at (?P<name>`key` in )?`\$\.?(?P<path>.*)`$")
_FIELD = re.compile(r"`(?P<field>[^`]*)`")
# msgspec's words → ours
_WORDS = {
    "int": "an integer", "str": "a string", "bool": "true or false", "float": "a number", "object": "an object",
    "array": "an array",
}  # fmt: skip
# whole structures under these names are never repeated to anyone
_NEVER_SHOWN = ("card", "bank_account", "number", "account_number", "cvc")
# what people write, and what a merchant puts in to find it again: a card number is taken out of it. Of prose even a bare number
# that is shaped like a card; elsewhere that is an id
_PROSE_FIELDS = frozenset({"reason", "text", "description"})
_FREE_FIELDS = _PROSE_FIELDS | {"metadata", "body"}


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
        # where no text holds a quote, a name that is given twice leaves fewer of them than were sent
        if b"\\" in body or _encode(value).count(b'"') != body.count(b'"'):
            json.loads(body, object_pairs_hook=_refuse_repeated, parse_int=str, parse_float=str)
        return _integral(value) if b"." in body or b"e" in body or b"E" in body else value
    except RecursionError as error:
        raise Refused("body_malformed", "the body is nested too deeply; send one plain JSON object.") from error


def refuse_body(method: str, body: bytes) -> None:
    """Refuse content that nothing would read (RFC 9110 §9.3.1: content of a GET has no meaning); an empty object says nothing."""
    if body.strip() not in (b"", b"{}"):
        raise Refused(
            "body_unexpected", f"{method} was sent a body of {len(body)} bytes, and reads none; put parameters into the query."
        )


def refuse_misplaced(names: Iterable[str], where: str) -> None:
    """Refuse parameters that were sent where none of this call are read."""
    for name in names:
        raise Refused("parameter_unknown", f"{mask(name[:60])} is not a parameter here: it {where}.", mask(name[:60]))


def _refuse_repeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    for name in names:
        if sum(each == name for each, _ in pairs) > 1:
            raise given_twice("the body", name)
    return names


def given_twice(where: str, name: str) -> Refused:
    """Of two values neither can be preferred: which one counts would differ from one reader to the next."""
    name = mask(name[:60])
    return Refused("parameter_repeated", f"{name} is given more than once in {where}; send it once.", name)


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
            words = _choices(kind, name)
            expected = f"one of {', '.join(map(repr, words))}" if words else "a value"
            raise Refused("parameter_invalid", f"{name} was {_shown(given, name)}; expected {expected}, or no {name}.", name)


def screen(given: Mapping[str, Any], *, cards: bool = True) -> dict[str, Any]:
    """What may be kept of what was sent: free text without the card numbers in it. Refused, by name, is what nothing may hold.

    That is U+0000 anywhere and, with `cards`, a card number in place of something else. An id that is merely shaped like a card
    stays as it is.
    """
    return {_screened_key(key, "", cards): _screen(value, key, key, cards) for key, value in given.items()}


def _screen(value: Any, where: str, field: str, cards: bool) -> Any:
    if isinstance(value, str):
        _refuse_nul(value, where)
        return _screen_text(value, where, field) if cards else value
    if isinstance(value, Mapping):
        free = field if field in _FREE_FIELDS else None
        return {
            _screened_key(key, where, cards): _screen(inner, f"{where}.{key}", free or key, cards) for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_screen(inner, where, field, cards) for inner in value]
    if cards and isinstance(value, (int, float)) and holds_known_number(_as_written(value)):
        raise _holds_card_number(where)
    return value


def _screen_text(value: str, where: str, field: str) -> str:
    masked = mask(value) if field in _PROSE_FIELDS else mask_value(value)
    if masked == value:
        return value
    if field in _FREE_FIELDS and not (masked.strip() == MASK and holds_known_number(value)):
        return masked
    if is_card(value):
        raise _holds_card_number(where)
    return value


def _screened_key(key: str, where: str, cards: bool) -> str:
    shown = mask_value(key)
    below = f"{where}.{shown}" if where else shown
    _refuse_nul(key, below)
    if cards and shown != key:
        raise _holds_card_number(below)
    return key


def _refuse_nul(value: str, where: str) -> None:
    if "\0" in value:
        name = mask(where.replace("\0", "\\u0000"))
        raise Refused(
            "parameter_invalid",
            f"{name} holds the character U+0000, which text columns of databases cannot keep; send it without.",
            name,
        )


def _as_written(value: int | float) -> str:
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
        fields = _known_fields(kind, path)
        return Refused(
            "parameter_unknown",
            f"{mask(name)} is not a parameter of this call; known are: {', '.join(fields) or 'none'}"
            f"{the_nearest(field['field'], fields)}.",
            mask(name),
        )
    if "missing required field" in problem and field:
        name = f"{path}.{field['field']}" if path else field["field"]
        return Refused("parameter_missing", f"{name} is missing; this call needs it.", name)
    code = "amount_invalid" if path == "amount" else "parameter_invalid"
    words = _choices(kind, path)
    expected = f"one of {', '.join(map(repr, words))}" if words else _expected(problem)
    near = the_nearest(_shown(given, path).strip('"'), words)
    if inside:
        return Refused(code, f"{mask(path)} holds something else than was expected; each value is to be {expected}.", mask(path))
    if code == "amount_invalid":
        expected = "an integer of minor units from 1 to 99999999, such as 4200 for 42.00"
    if at and at["name"]:
        return Refused(code, f"a name in {path} is not as it should be; expected {expected}.", path)
    return Refused(
        code,
        f"{mask(path) or 'the body'} was {_shown(given, path)}; expected {expected}{near}.",
        mask(path) or None,
    )


def _known_fields(kind: type[msgspec.Struct], path: str) -> tuple[str, ...]:
    for name in filter(None, path.split(".")):
        hint = get_type_hints(kind).get(name, kind)
        kind = next((part for part in get_args(hint) if isinstance(part, type)), hint)
    # an id stands in the path, never among the fields
    return tuple(name for name in getattr(kind, "__struct_fields__", ()) if name != "id")


def unknown_word(code: str, name: str, given: str, known: Collection[str]) -> Refused:
    """A refusal of a value that is none of a few words: the nearest, and all of them."""
    near = the_nearest(given, known)
    return Refused(code, f"{name} was {mask(given[:60])!r}; expected one of {', '.join(known)}{near}.", name)


def _choices(kind: type[msgspec.Struct], path: str) -> list[str]:
    """The words that a field takes, if it takes one of a few."""
    hint = get_type_hints(kind).get(path)
    return [word for part in (hint, *get_args(hint)) if get_origin(part) is Literal for word in get_args(part)]


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
