"""Documents that people write, a profile or a story: read, held to their schema, and what is wrong told in one line.

`FILE:LINE: place: found X, expected Y`. A place is written as the document's own language would have it.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, time
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from gatecrash import resources
from gatecrash.spelling import nearest

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
    """The text of a file, without a byte order mark. Raises the error, with the advice, when there is none to be read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as flaw:
        raise error(f"{path}: cannot be read: it is no UTF-8 text, at byte {flaw.start}{advice}") from flaw
    except IsADirectoryError as flaw:
        inside = sorted(each.name for each in path.glob("*.toml"))
        raise error(f"{path}: is a folder; name a file{f' in it, such as {path / inside[0]}' if inside else advice}") from flaw
    except OSError as flaw:
        raise error(f"{path}: cannot be read: {flaw.strerror or flaw}{advice}") from flaw


def lines_of(node: yaml.Node | None, place: Place = ()) -> dict[Place, int]:
    """The line of every value of a YAML document, by its place: YAML's own loader forgets them."""
    if node is None:
        return {}
    lines = {place: node.start_mark.line + 1}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            lines |= lines_of(value, (*place, key.value))
            lines[(*place, key.value)] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines |= lines_of(value, (*place, index))
    return lines


def hold_to(schema_name: str, document: Any, origin: Origin, error: type[Exception], *, hint: str = "") -> None:
    """Raises the error for what does not fit the schema. `hint` says what a value may be where it offers several shapes."""
    flaws = list(_validator(schema_name).iter_errors(document))
    if flaws:
        raise error(_told(_worst(flaws), origin, hint))


def _worst(flaws: Sequence[ValidationError]) -> ValidationError:
    """The flaw to tell of. A name that is unknown comes before the same name that is missing: it is most likely misspelt."""
    best: ValidationError = best_match(flaws)
    if best.validator != "required":
        return best
    twins = (each for each in flaws if each.validator == "additionalProperties" and each.absolute_path == best.absolute_path)
    return next(twins, best)


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
            near = nearest([given], value) if isinstance(given, str) else ""
            expected = near or f"expected one of {', '.join(map(str, value))}"
        case "additionalProperties" if value is False:
            allowed = list(schema.get("properties", {}))
            extra = sorted(set(given) - set(allowed), key=lambda name: origin.lines.get((*place, name), 0))
            near = nearest(extra, allowed)
            found, expected = f"unknown {', '.join(map(repr, extra))}", near or f"expected only {', '.join(allowed)}"
            where = origin.at(*place, key=str(next(iter(extra), "")))
        case "required":
            missing = [name for name in value if name not in given]
            found, expected = f"{', '.join(map(repr, missing))} missing", f"expected all of {', '.join(value)}"
        case "type":
            kinds = [value] if isinstance(value, str) else value
            expected = f"expected {' or '.join(_TYPES.get(each, each) for each in kinds)}"
            if "string" in kinds and isinstance(given, date | time):
                expected += f': put it in quotes, "{given}"'
        case "pattern":
            said = str(schema.get("description", ""))
            # a description that begins in lower case says what is expected; any other, what the value is for
            expected = f"expected {said if said[:1].islower() else f'text that matches {value}'}"
        case "oneOf" | "anyOf":
            expected = f"expected {hint or 'either ' + ', or '.join(str(each.get('description', each)) for each in value)}"
            if asked := [name for each in value for name in each.get("required", ())]:
                found = " and ".join(repr(name) for name in asked if name in given) or f"none of {', '.join(map(repr, asked))}"
        case str(bound) if bound in _BOUNDS:
            expected = f"expected {_BOUNDS[bound].format(value, '' if value == 1 else 's')}"
        case _:
            expected = f"expected {error.validator} {value}"
    return f"{where}: found {found}{';' if expected.startswith('did') else ','} {expected}"


#: JSON Schema's types, as people call them.
_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "array": "a list", "object": "a table of names and values", "string": "text in quotes", "integer": "a whole number",
        "number": "a number", "boolean": "true or false", "null": "nothing",
    }
)  # fmt: skip


#: Limits in words: the limit, and an s where there may be several.
_BOUNDS: Mapping[str, str] = MappingProxyType(
    {
        "minimum": "{0} or more", "maximum": "{0} at most", "exclusiveMinimum": "more than {0}",
        "minLength": "at least {0} character{1}", "maxLength": "{0} character{1} at most",
        "minItems": "at least {0} thing{1} in the list", "maxItems": "{0} thing{1} in the list at most",
        "minProperties": "at least {0} name{1} with a value", "maxProperties": "{0} name{1} with a value at most",
        "uniqueItems": "each thing in the list only once", "const": "{0!r}",
    }
)  # fmt: skip


def _short(value: Any) -> str:
    text = f"the date {value}" if isinstance(value, date | time) else repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
