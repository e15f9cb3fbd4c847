"""Forms with brackets become nested values, or are refused by name."""

from typing import Any

import pytest

from gatecrash.core.errors import Refused
from gatecrash.dialects.codecs.form import parse_form


@pytest.mark.parametrize(
    ("body", "values"),
    [
        (b"", {}),
        (b"amount=4200&currency=usd", {"amount": "4200", "currency": "usd"}),
        (b"order[id]=o1&order[of][who]=me", {"order": {"id": "o1", "of": {"who": "me"}}}),
        (b"events[]=a&events[]=b", {"events": ["a", "b"]}),
        (b"items[1][sku]=y&items[0][sku]=x", {"items": [{"sku": "x"}, {"sku": "y"}]}),
        (b"items[0]=x&items[2]=z", {"items": {"0": "x", "2": "z"}}),
        (b"order%5Bid%5D=%F0%9F%A6%8A+a", {"order": {"id": "🦊 a"}}),
        (b"note=", {"note": ""}),
    ],
)
def test_a_form_becomes_nested_values(body: bytes, values: Any) -> None:
    assert parse_form(body) == values


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"\xff=1", "body_malformed"),
        (b"a=%ff", "body_malformed"),
        (b"no pairs at all", "body_malformed"),
        (b'{"amount": 1}', "body_malformed"),
        (b"a[=1", "body_malformed"),
        (b"[a]=1", "body_malformed"),
        (b"a" + b"[b]" * 8 + b"=1", "body_malformed"),
        (b"&".join(b"a%d=1" % number for number in range(1001)), "body_malformed"),
        (b"a=1&a=2", "parameter_repeated"),
        (b"a=1&a[b]=2", "parameter_repeated"),
        (b"a[b]=2&a=1", "parameter_repeated"),
        (b"a[0]=2&a[0]=1", "parameter_repeated"),
    ],
)
def test_a_form_that_says_nothing_clear_is_refused(body: bytes, code: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_form(body)
    assert refused.value.code == code
