"""The table of stations: every kind at every station is either allowed, or refused with a reason."""

import itertools

import pytest

from gatecrash.core.errors import Refused
from gatecrash.faults.kinds import KINDS
from gatecrash.faults.stations import STATIONS, check, why_not
from tests.support.client import Client

PAIRS = list(itertools.product(STATIONS, KINDS))
PARAMS = {"delay": {"seconds": 0}, "status": {"status": 503}, "rate_limit": {"limit": 1}}
REQUEST = (
    "request.received",
    "operation.claimed",
    "operation.executed",
    "operation.committed",
    "response.partial",
    "response.sent",
)
WEBHOOK = ("webhook.due", "webhook.sent", "webhook.acknowledged", "webhook.recorded")


def test_the_stations_are_those_of_the_design_in_the_order_they_are_passed() -> None:
    assert tuple(STATIONS) == REQUEST + WEBHOOK
    assert {name: station.way for name, station in STATIONS.items()} == {
        **dict.fromkeys(REQUEST, "request"),
        **dict.fromkeys(WEBHOOK, "webhook"),
    }


def test_the_kinds_are_those_that_were_promised() -> None:
    assert list(KINDS) == [
        "crash", "hang", "delay", "reset", "close", "truncate", "drip", "garbage", "status", "decline",
        "rate_limit", "drop", "duplicate", "hold",
        "forge", "tamper", "stale",
    ]  # fmt: skip


def test_the_process_can_die_at_every_station() -> None:
    assert all("crash" in STATIONS[station].kinds for station in STATIONS)


@pytest.mark.parametrize(("station", "kind"), PAIRS)
def test_a_kind_is_allowed_at_a_station_or_refused_with_a_reason(station: str, kind: str) -> None:
    reason = why_not(station, kind)
    assert (reason is None) == (why_not(station, kind) is None)
    if reason is None:
        check(station, kind)
        return
    with pytest.raises(Refused) as caught:
        check(station, kind)
    assert caught.value.param == "kind"
    assert reason in caught.value.detail
    assert ", ".join(STATIONS[station].kinds) in caught.value.detail, "it says what can strike there instead"


@pytest.mark.parametrize(("station", "kind"), [("nowhere", "reset"), ("", "reset"), ("request", "reset")])
def test_an_unknown_station_is_named_with_those_there_are(station: str, kind: str) -> None:
    with pytest.raises(Refused) as caught:
        check(station, kind)
    assert caught.value.param == "station"
    assert all(known in caught.value.detail for known in STATIONS)


@pytest.mark.asyncio
async def test_the_control_api_accepts_and_refuses_just_what_its_table_says(server_client: Client) -> None:
    shown = (await server_client.get("/_gatecrash/stations")).expect(200)["data"]
    assert [row["station"] for row in shown] == list(STATIONS)
    for row in shown:
        assert set(row) == {"station", "way", "when", "kinds", "refused"}
        assert set(row["kinds"]) | set(row["refused"]) == set(KINDS)
        assert not set(row["kinds"]) & set(row["refused"])
        for kind in KINDS:
            asked = {"station": row["station"], "kind": kind, "params": PARAMS.get(kind, {}), "match": {"order_id": "nobody"}}
            reply = await server_client.post("/_gatecrash/faults", asked)
            if kind in row["kinds"]:
                assert reply.expect(201)["kind"] == kind
            else:
                assert row["refused"][kind] in reply.refused(400, "fault_rule_invalid", "kind")["detail"]
    armed = (await server_client.get("/_gatecrash/faults"))["data"]
    assert len(armed) == sum(len(row["kinds"]) for row in shown)
