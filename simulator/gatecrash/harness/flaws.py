"""What is wrong with a document, told in one line: where, what was found, what was expected."""

from collections.abc import Mapping
from typing import Any

from jsonschema.exceptions import ValidationError

Place = tuple[str | int, ...]


def explain(error: ValidationError, file: object, lines: Mapping[Place, int], *, hint: str = "") -> str:
    """`FILE:LINE: /place: found X, expected Y`; `lines` knows the line of each value by its place.

    `hint` says what a value may be where the schema offers several shapes.
    """
    place = tuple(error.absolute_path)
    known = next((lines[place[:size]] for size in range(len(place), -1, -1) if place[:size] in lines), 1)
    pointer = "/" + "/".join(map(str, place))
    found = _short(error.instance)
    schema: Any = error.schema
    value: Any = error.validator_value
    given: Any = error.instance
    match error.validator:
        case "enum":
            expected = "one of " + ", ".join(map(str, value))
        case "additionalProperties" if value is False:
            allowed = ", ".join(schema.get("properties", {}))
            extra = sorted(set(given) - set(schema.get("properties", {})))
            found, expected = f"unknown {', '.join(map(repr, extra))}", f"only {allowed}"
            known = lines.get((*place, extra[0]), known) if extra else known
        case "required":
            missing = [name for name in value if name not in given]
            found, expected = f"{', '.join(map(repr, missing))} missing", "all of " + ", ".join(value)
        case "type":
            expected = value if isinstance(value, str) else " or ".join(value)
        case "pattern":
            expected = schema.get("description") or f"text that matches {value}"
        case "oneOf" | "anyOf":
            expected = hint or " or ".join(str(each.get("description", each)) for each in value)
        case _:
            expected = f"{error.validator} {value}"
    return f"{file}:{known}: {pointer}: found {found}, expected {expected}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
