"""Documents that people write, a profile or a story: read, held to their schema, and what is wrong told in one line.

`FILE:LINE: place: found X, expected Y`. A place is written as the document's own language would have it.
"""

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from gatecrash import resources

Place = tuple[str | int, ...]


def pointer(place: Place) -> str:
    """A place in a YAML document: `/steps/0`."""
    return "/" + "/".join(map(str, place))


class Origin(NamedTuple):
    """Where a document stands: its file, the line of each value by its place, and how its language writes a place."""

    path: Path
    lines: Mapping[Place, int] = MappingProxyType({})
    spell: Callable[[Place], str] = pointer

    def at(self, *place: str | int, key: str = "") -> str:
        """`FILE:LINE: place`; the line is that of a `key` in it, if one is given. What has no line of its own stands on that of
        what it is in.
        """
        return f"{self.path}:{self._line((*place, key))}: {self.spell(place)}".removesuffix(": ")

    def _line(self, place: Place) -> int:
        return next((self.lines[place[:size]] for size in range(len(place), -1, -1) if place[:size] in self.lines), 1)


def read(path: Path, error: type[Exception], advice: str = "") -> str:
    """The text of a file. Raises the error, with the advice, when there is none to be read."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as flaw:
        raise error(f"{path}: cannot be read: it is no UTF-8 text, at byte {flaw.start}{advice}") from flaw
    except OSError as flaw:
        raise error(f"{path}: cannot be read: {flaw.strerror or flaw}{advice}") from flaw


def hold_to(schema_name: str, document: Any, origin: Origin, error: type[Exception], *, hint: str = "") -> None:
    """Raises the error for what does not fit the schema. `hint` says what a value may be where it offers several shapes."""
    flaw = best_match(_validator(schema_name).iter_errors(document))
    if flaw is not None:
        raise error(_told(flaw, origin, hint))


@cache
def schema(name: str) -> Any:
    """One of contracts/*.schema.json."""
    return json.loads((resources.contracts() / f"{name}.schema.json").read_text(encoding="utf-8"))


@cache
def _validator(schema_name: str) -> Draft202012Validator:
    return Draft202012Validator(schema(schema_name))


def _told(error: ValidationError, origin: Origin, hint: str) -> str:
    place = tuple(error.absolute_path)
    found = _short(error.instance)
    schema: Any = error.schema
    value: Any = error.validator_value
    given: Any = error.instance
    where = origin.at(*place)
    match error.validator:
        case "enum":
            expected = "one of " + ", ".join(map(str, value))
        case "additionalProperties" if value is False:
            allowed = ", ".join(schema.get("properties", {}))
            extra = sorted(set(given) - set(schema.get("properties", {})), key=lambda name: origin.lines.get((*place, name), 0))
            found, expected = f"unknown {', '.join(map(repr, extra))}", f"only {allowed}"
            where = origin.at(*place, key=str(next(iter(extra), "")))
        case "required":
            missing = [name for name in value if name not in given]
            found, expected = f"{', '.join(map(repr, missing))} missing", "all of " + ", ".join(value)
        case "type":
            expected = " or ".join(_TYPES.get(each, each) for each in ([value] if isinstance(value, str) else value))
        case "pattern":
            expected = schema.get("description") or f"text that matches {value}"
        case "oneOf" | "anyOf":
            expected = hint or " or ".join(str(each.get("description", each)) for each in value)
            if asked := [name for each in value for name in each.get("required", ())]:
                found = " and ".join(repr(name) for name in asked if name in given) or f"none of {', '.join(map(repr, asked))}"
        case "minItems" | "minLength" | "minProperties" if value == 1:
            expected = "at least one" if error.validator != "minLength" else "some text"
        case _:
            expected = f"{error.validator} {value}"
    return f"{where}: found {found}, expected {expected}"


#: JSON Schema's types, as people call them.
_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "array": "a list", "object": "a table of names and values", "string": "text in quotes", "integer": "a whole number",
        "number": "a number", "boolean": "true or false", "null": "nothing",
    }
)  # fmt: skip


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
