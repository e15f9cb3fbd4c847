"""What a rule is asked with: each kind's params are checked when the rule is added, and the field at fault is named."""

from typing import Any

import pytest

from gatecrash.core.errors import Refused
from gatecrash.faults.kinds import KINDS
from gatecrash.faults.rule import RuleParams, new_rule
from gatecrash.faults.stations import STATIONS, why_not
from tests.support.client import Client


def where(kind: str) -> str:
    return next(name for name in STATIONS if why_not(name, kind) is None)


GOOD: dict[str, list[dict[str, Any]]] = {
    "crash": [{}, {"down_s": 0}, {"down_s": 3600}],
    "hang": [{}, {"seconds": None}, {"seconds": 0.5}],
    "delay": [{"seconds": 0}, {"seconds": 2_592_000}],
    "reset": [{}],
    "close": [{}],
    "truncate": [{}, {"size": 0}, {"size": 1_048_576}, {"size": None}],
    "drip": [{}, {"size": 7, "interval_s": 0.001}],
    "garbage": [{}, {"size": 1}, {"size": 65_536}],
    "status": [
        {"status": 200},
        {"status": 599, "headers": {"Retry-After": "3", "X-Empty": ""}, "body": {"any": ["json", 1, None]}},
        {"status": 503, "body": "text"},
    ],
    "decline": [{}, {"decline_code": "lost_card"}],
    "rate_limit": [{"limit": 1}, {"limit": 5, "window_s": 0.5}],
    "drop": [{}],
    "duplicate": [{}, {"count": 1}, {"count": 100}],
    "hold": [{}, {"until": "charge.failed", "count": 3, "seconds": 0.5}],
    "forge": [{}],
    "tamper": [{}, {"set": {"data.amount": 1, "type": None}}],
    "stale": [{}, {"age_s": 1}, {"age_s": 86_400.5}],
}
BAD: dict[str, list[tuple[dict[str, Any], str]]] = {
    "crash": [({"down_s": -1}, "down_s"), ({"down_s": 3601}, "down_s"), ({"down_s": "soon"}, "down_s"), ({"down": 1}, "down")],
    "hang": [({"seconds": -0.1}, "seconds"), ({"seconds": "x"}, "seconds"), ({"second": 1}, "second")],
    "delay": [({}, "seconds"), ({"seconds": None}, "seconds"), ({"seconds": -1}, "seconds"), ({"seconds": 3e6}, "seconds")],
    "reset": [({"hard": True}, "hard")],
    "close": [({"seconds": 1}, "seconds")],
    "truncate": [({"size": -1}, "size"), ({"size": 2_000_000}, "size"), ({"bytes": 1}, "bytes")],
    "drip": [({"size": 0}, "size"), ({"interval_s": 0}, "interval_s"), ({"interval_s": 3601}, "interval_s")],
    "garbage": [({"size": 0}, "size"), ({"size": 65_537}, "size"), ({"text": "x"}, "text")],
    "status": [
        ({}, "status"),
        ({"status": 199}, "status"),
        ({"status": 600}, "status"),
        ({"status": "500"}, "status"),
        ({"status": 500, "headers": {"Bad Name": "x"}}, "headers"),
        ({"status": 500, "headers": {"X": "line\r\nbreak: 1"}}, "headers"),
        ({"status": 500, "headers": {"X": 3}}, "headers"),
        ({"status": 500, "headers": []}, "headers"),
        ({"status": 500, "reason": "why"}, "reason"),
    ],
    "decline": [({"decline_code": "bad_mood"}, ""), ({"code": "lost_card"}, "code")],
    "rate_limit": [({}, "limit"), ({"limit": 0}, "limit"), ({"limit": 1, "window_s": 0}, "window_s")],
    "drop": [({"count": 1}, "count")],
    "hold": [({"until": "charge"}, "until"), ({"count": 0}, "count"), ({"seconds": 0}, "seconds"), ({"seconds": 3e6}, "seconds")],
    "forge": [({"secret": "x"}, "secret")],
    "tamper": [({"set": []}, "set"), ({"set": {"": 1}}, "set"), ({"body": {}}, "body")],
    "stale": [({"age_s": 0}, "age_s"), ({"age_s": "old"}, "age_s")],
    "duplicate": [({"count": 0}, "count"), ({"count": 101}, "count"), ({"count": 1.5}, "count"), ({"times": 1}, "times")],
}


def test_every_kind_has_examples_of_both_sorts() -> None:
    assert set(GOOD) == set(BAD) == set(KINDS)


@pytest.mark.parametrize(("kind", "params"), [(kind, params) for kind, good in GOOD.items() for params in good])
def test_good_params_make_the_kind(kind: str, params: dict[str, Any]) -> None:
    made = new_rule("rule_1", RuleParams(where(kind), kind, params), "7").make()
    assert type(made) is KINDS[kind]
    assert all(getattr(made, name) == value for name, value in params.items())


@pytest.mark.parametrize(
    ("kind", "params", "field"), [(kind, params, field) for kind, bad in BAD.items() for params, field in bad]
)
def test_bad_params_are_refused_by_name(kind: str, params: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as caught:
        new_rule("rule_1", RuleParams(where(kind), kind, params), "7")
    assert caught.value.code == "fault_rule_invalid"
    assert caught.value.param == (f"params.{field}" if field else "params")
    assert f"params of {kind}" in caught.value.detail or caught.value.detail.startswith(f"params.{field}: ")


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"station": None}, "parameter_invalid", "station"),
        ({"kind": 3}, "parameter_invalid", "kind"),
        ({"params": []}, "parameter_invalid", "params"),
        ({"match": "all"}, "parameter_invalid", "match"),
        ({"match": {"operation": 1}}, "parameter_invalid", "match.operation"),
        ({"match": {"amount": "4200"}}, "parameter_invalid", "match.amount"),
        ({"match": {"amount": 0}}, "parameter_invalid", "match.amount"),
        ({"match": {"path": "charges"}}, "parameter_invalid", "match.path"),
        ({"match": {"card": "4242 4242"}}, "parameter_invalid", "match.card"),
        ({"station": "webhook.due", "match": {"attempt": 0}}, "parameter_invalid", "match.attempt"),
        ({"match": {"colour": "red"}}, "parameter_unknown", "match.colour"),
        ({"nth": 0}, "parameter_invalid", "nth"),
        ({"nth": 1.5}, "parameter_invalid", "nth"),
        ({"times": 0}, "parameter_invalid", "times"),
        ({"times": "always"}, "parameter_invalid", "times"),
        ({"probability": 1.1}, "parameter_invalid", "probability"),
        ({"probability": -0.1}, "parameter_invalid", "probability"),
        ({"seed": []}, "parameter_invalid", "seed"),
        ({"where": "x"}, "parameter_unknown", "where"),
        ({"params": {"seconds": -1}}, "fault_rule_invalid", "params.seconds"),
        ({"kind": "explode"}, "fault_rule_invalid", "kind"),
        ({"station": "nowhere"}, "fault_rule_invalid", "station"),
    ],
)
@pytest.mark.asyncio
async def test_a_bad_rule_is_refused_by_name_and_not_armed(
    client: Client, changes: dict[str, Any], code: str, param: str
) -> None:
    asked = {"station": "request.received", "kind": "delay", "params": {"seconds": 0}, **changes}
    (await client.post("/_gatecrash/faults", asked)).refused(400, code, param)
    assert (await client.get("/_gatecrash/faults"))["data"] == []


@pytest.mark.asyncio
async def test_a_rule_without_its_station_or_kind_is_refused(client: Client) -> None:
    (await client.post("/_gatecrash/faults", {"kind": "reset"})).refused(400, "parameter_missing", "station")
    (await client.post("/_gatecrash/faults", {"station": "request.received"})).refused(400, "parameter_missing", "kind")


@pytest.mark.asyncio
async def test_a_rule_is_shown_whole_as_it_was_understood(client: Client) -> None:
    asked = {"station": "webhook.due", "kind": "duplicate", "params": {"count": 2.0}, "match": {"attempt": 1.0}, "times": None}
    shown = (await client.post("/_gatecrash/faults", asked)).expect(201).json
    assert shown.pop("id").startswith("rule_")
    assert shown.pop("seed")
    assert shown == {
        "station": "webhook.due", "kind": "duplicate", "params": {"count": 2}, "match": {"attempt": 1}, "nth": 1, "times": None,
        "probability": None, "seen": 0, "fired": 0, "window": None,
    }  # fmt: skip
