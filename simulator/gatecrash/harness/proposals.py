"""What a shop's answers hold that its profile does not name: lines for the profile, guessed from the names of fields."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

#: How deep an answer is searched. What lies deeper is rarely about the order itself.
_DEPTH_MAX = 4
#: No more lines are proposed for one field of the profile.
_PROPOSED_MAX = 3


def _is_count(value: Any) -> bool:
    return isinstance(value, list) or (isinstance(value, int) and not isinstance(value, bool))


def _is_amount(value: Any) -> bool:
    return (isinstance(value, int | float) and not isinstance(value, bool)) or (
        isinstance(value, str) and re.fullmatch(r"\d+(\.\d+)?", value) is not None
    )


def _is_id(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool) and value != ""


def _is_status(value: Any) -> bool:
    return value is None or isinstance(value, str | bool | int)


#: Field of the profile → what the name of such a field of an answer looks like, and its value.
_LOOKS: Mapping[str, tuple[re.Pattern[str], Callable[[Any], bool]]] = {
    "fulfilments": (re.compile(r"ship|fulfil|parcel|package|dispatch|deliver|sent", re.IGNORECASE), _is_count),
    "refunded": (re.compile(r"refund|given_?back|returned", re.IGNORECASE), _is_amount),
    "order_id": (re.compile(r"^(order_?)?(id|number|no|ref|reference|uuid|key|token)$", re.IGNORECASE), _is_id),
    "status": (re.compile(r"stat(us|e)|^(is_?)?paid|phase|stage|outcome|result|success", re.IGNORECASE), _is_status),
}


def proposed(field: str, answer: Any) -> list[str]:
    """`fulfilments = "/shipped"` for each value of the answer that this field of the profile may mean, the shallowest first."""
    name, fits = _LOOKS[field]
    found = [
        f'{field} = "{pointer}"'
        for pointer, key, value in sorted(_values(answer), key=_depth)
        if name.search(key) and fits(value)
    ]
    return found[:_PROPOSED_MAX]


def _depth(found: tuple[str, str, Any]) -> int:
    return found[0].count("/")


def _values(answer: Any, pointer: str = "", depth: int = 0) -> Iterator[tuple[str, str, Any]]:
    """The JSON Pointer, the name and the value of each field."""
    if not isinstance(answer, Mapping) or depth >= _DEPTH_MAX:
        return
    for key, value in answer.items():
        there = f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}"
        yield there, str(key), value
        yield from _values(value, there, depth + 1)
