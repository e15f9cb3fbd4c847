"""Forms with brackets: `order[id]=o1&events[]=a&items[0][sku]=x` → nested values, all of them text."""

import re
from typing import Any
from urllib.parse import parse_qsl

from gatecrash.core.errors import Refused
from gatecrash.core.params import given_twice

_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_INNER = re.compile(r"\[([^\[\]]*)\]")
# how deep names may be nested, and how many fields a form may have
_DEPTH = 8
_FIELDS = 1000


def parse_form(body: bytes) -> dict[str, Any]:
    """A form body. `a[b]` is a value of an object, `a[]` the next element of a list, `a[0]` the element of that number."""
    if not body.strip():
        return {}
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=_FIELDS
        )
    except ValueError as error:
        raise Refused(
            "body_malformed", f"the body is no form of at most {_FIELDS} fields; send `name=value` pairs joined by `&`, in UTF-8."
        ) from error
    fields: dict[str, Any] = {}
    for name, value in pairs:
        _put(fields, name, value)
    return {name: _listed(value) for name, value in fields.items()}


def _put(fields: dict[str, Any], name: str, value: str) -> None:
    found = _NAME.fullmatch(name)
    path = [found[1], *_INNER.findall(found[2])] if found else []
    if not path or len(path) > _DEPTH:
        raise Refused(
            "body_malformed", f"a field's name was {name[:60]!r}; expected NAME or NAME[KEY], nested at most {_DEPTH} deep."
        )
    *above, last = path
    node: Any = fields
    for key in above:
        node = node.setdefault(key or str(len(node)), {})
        if not isinstance(node, dict):
            raise given_twice("the body", name)
    last = last or str(len(node))
    if last in node:
        raise given_twice("the body", name)
    node[last] = value


def _listed(value: Any) -> Any:
    """What has the keys 0, 1, … is a list."""
    if not isinstance(value, dict):
        return value
    inner = {key: _listed(each) for key, each in value.items()}
    numbered = [str(number) for number in range(len(inner))]
    return [inner[number] for number in numbered] if set(inner) == set(numbered) else inner
