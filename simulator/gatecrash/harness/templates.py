"""Placeholders in braces, and the templates of a profile that hold them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from gatecrash.core import money

#: Doubled braces stand for themselves: `{{status}}` is sent as `{status}`.
_PLACEHOLDER = re.compile(r"\{\{([a-z_]+)\}\}|\{([a-z_]+)\}")
_ALONE = re.compile(r"\{([a-z_]+)\}")
#: An amount, in each of the ways to write one.
AMOUNTS = frozenset({"amount", "amount_decimal", "amount_number"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One HTTP call on the merchant. `body` is a template, sent as JSON, or as a form when `form`."""

    method: str
    path: str
    body: Any = None
    form: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)

    def speaks_of(self, value: str) -> bool:
        """True when a placeholder of this call stands for the value; for an amount, in whatever way it is written."""
        names = AMOUNTS if value in AMOUNTS else {value}
        return not names.isdisjoint(placeholders([self.path, self.body, self.headers]))

    def fill(self, values: Mapping[str, Any]) -> "Call":
        """The call with its placeholders replaced, in its path URL-encoded. Raises KeyError for one without a value."""
        headers = {name: str(value) for name, value in fill(self.headers, values).items()}
        return replace(self, path=fill_path(self.path, values), body=fill(self.body, values), headers=headers)

    def told(self) -> str:
        """The call in a message: `POST /pay`."""
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A program with its arguments, each a template; it prints JSON."""

    argv: tuple[str, ...]

    def fill(self, values: Mapping[str, Any]) -> "Command":
        """The command with its placeholders replaced. Raises KeyError for one without a value."""
        return Command(argv=tuple(str(part) for part in fill(self.argv, values)))

    def told(self) -> str:
        """The command in a message."""
        return " ".join(self.argv)


def placeholders(template: Any) -> set[str]:
    """The names of all placeholders in a template."""
    if isinstance(template, str):
        return {found[2] for found in _PLACEHOLDER.finditer(template) if found[2]}
    inner = template.values() if isinstance(template, Mapping) else template if isinstance(template, list | tuple) else ()
    return set().union(*map(placeholders, inner))


def fill(template: Any, values: Mapping[str, Any]) -> Any:
    """A template with its placeholders replaced; `"{amount}"` alone becomes the number itself."""
    if isinstance(template, str):
        alone = _ALONE.fullmatch(template)
        return values[alone[1]] if alone else _replaced(template, values, str)
    if isinstance(template, Mapping):
        return {key: fill(value, values) for key, value in template.items()}
    if isinstance(template, list | tuple):
        return [fill(value, values) for value in template]
    return template


def fill_path(template: str, values: Mapping[str, Any]) -> str:
    """The path or URL with its placeholders replaced. A value is URL-encoded: a slash in it does not divide the path."""
    return _replaced(template, values, lambda value: quote(str(value), safe=""))


def _replaced(template: str, values: Mapping[str, Any], write: Callable[[Any], str]) -> str:
    return _PLACEHOLDER.sub(lambda found: f"{{{found[1]}}}" if found[1] else write(values[found[2]]), template)


def amounts(amount: int, currency: str) -> dict[str, Any]:
    """The placeholders of an amount: in minor units, as decimal text (`"12.34"`) and as a decimal number (`12.34`)."""
    written = money.decimal(amount, currency)
    return {"amount": amount, "amount_decimal": written, "amount_number": float(written) if "." in written else int(written)}


def resolve(document: Any, pointer: str) -> Any:
    """The value a JSON Pointer (RFC 6901) points to, or None when there is nothing there."""
    for step in pointer.split("/")[1:] if pointer else ():
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(document, Mapping):
            document = document.get(key)
        elif isinstance(document, list) and key.isdigit() and int(key) < len(document):
            document = document[int(key)]
        else:
            return None
    return document
