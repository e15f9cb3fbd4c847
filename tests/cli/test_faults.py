"""`gatecrash faults`: what is asked for is what the gateway arms."""

import pytest
from click.testing import CliRunner

from gatecrash.cli import main
from gatecrash.client import GatewayError
from gatecrash.faults.kinds import KINDS
from gatecrash.faults.stations import STATIONS
from tests.cli.conftest import Cli


def test_a_rule_is_armed_strikes_and_is_listed(cli: Cli) -> None:
    armed = cli("faults", "add", "operation.committed", "status", "--param", "status=503", "--match", "order_id=7").stdout
    assert "status at operation.committed with status=503 where order_id=7, once" in armed
    cli.sandbox.charge()
    with pytest.raises(GatewayError) as refused:
        cli.sandbox.charge(order_id="7")
    assert refused.value.status == 503
    (rule,) = cli.json("faults", "list")
    assert (rule["seen"], rule["fired"], rule["match"]) == (1, 1, {"order_id": "7"})
    shown = cli("faults", "list").stdout
    assert "status=503" in shown
    assert rule["id"] in shown


def test_the_rules_that_never_struck_can_be_listed(cli: Cli) -> None:
    struck = cli.json(
        "faults", "add", "operation.executed", "delay", "--param", "seconds=0", "--match", "operation=charges.create"
    )
    waits = cli.json("faults", "add", "operation.committed", "reset", "--match", "order_id=nobody")
    cli.sandbox.charge()
    assert [rule["id"] for rule in cli.json("faults", "list")] == [struck["id"], waits["id"]]
    assert [rule["id"] for rule in cli.json("faults", "list", "--never-fired")] == [waits["id"]]
    cli("faults", "remove", waits["id"])
    assert "Every fault rule" in cli("faults", "list", "--never-fired").stdout


def test_every_field_of_a_rule_can_be_given(cli: Cli) -> None:
    rule = cli.json(
        "faults", "add", "webhook.due", "delay", "--param", "seconds=2.5", "--match", "event_type=charge.succeeded",
        "--match", "amount=4200", "--match", "attempt=2", "--nth", "2", "--times", "3", "--probability", ".5", "--seed", "x",
    )  # fmt: skip
    del rule["id"]
    assert rule == {
        "station": "webhook.due", "kind": "delay", "params": {"seconds": 2.5},
        "match": {"event_type": "charge.succeeded", "amount": 4200, "attempt": 2},
        "nth": 2, "times": 3, "probability": 0.5, "seed": "x", "seen": 0, "fired": 0, "window": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("short", "station", "kind", "params"),
    [
        ("operation.committed=reset", "operation.committed", "reset", {}),
        ("operation.claimed=delay;seconds=1.5", "operation.claimed", "delay", {"seconds": 1.5}),
        ("request.received = status; status=429; headers={\"Retry-After\": \"3\"}", "request.received", "status",
         {"status": 429, "headers": {"Retry-After": "3"}}),
    ],
)  # fmt: skip
def test_the_short_form_of_the_header_will_do(cli: Cli, short: str, station: str, kind: str, params: object) -> None:
    rule = cli.json("faults", "add", short)
    assert (rule["station"], rule["kind"], rule["params"], rule["times"]) == (station, kind, params, 1)


def test_a_param_is_json_where_it_is_json_and_text_otherwise(cli: Cli) -> None:
    added = [
        cli.json("faults", "add", "request.received", "status", "--param", "status=500", "--param", f"body={body}")
        for body in ("oops", '{"a": [1]}', "")
    ]
    assert [rule["params"]["body"] for rule in added] == ["oops", {"a": [1]}, ""]


def test_always_means_every_time(cli: Cli) -> None:
    assert cli.json("faults", "add", "webhook.due", "drop", "--times", "always")["times"] is None
    assert "always" in cli("faults", "list").stdout


def test_rules_are_removed_one_by_one_and_all_at_once(cli: Cli) -> None:
    first, second, _ = [cli.json("faults", "add", "webhook.due", "drop")["id"] for _ in range(3)]
    assert "is disarmed; it struck 0 times" in cli("faults", "remove", first).stdout
    assert first not in cli("faults", "list").stdout
    assert "no fault rule" in cli.refused("faults", "remove", first, code=1)
    assert [rule["id"] for rule in cli.json("faults", "remove", second)] == [second]
    assert "1 fault rule disarmed" in cli("faults", "clear").stdout
    assert cli.json("faults", "clear") == {"cleared": 0}
    assert cli.json("faults", "list") == []
    assert "No fault rules" in cli("faults", "list").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("webhook.due", "reset"), "use drop"),
        (("webhook.dew", "drop"), "station was 'webhook.dew'"),
        (("webhook.due", "dropp"), "kind was 'dropp'"),
        (("webhook.due", "delay"), "seconds"),
        (("webhook.due", "drop", "--param", "nonsense"), "NAME=VALUE"),
        (("webhook.due", "drop", "--param", "=1"), "NAME=VALUE"),
        (("webhook.due", "drop", "--match", "colour=red"), "colour"),
        (("webhook.due", "drop", "--match", "amount=much"), "amount"),
        (("webhook.due", "drop", "--match", "operation=charges.make"), "charges.make"),
        (("webhook.due", "drop", "--times", "0"), "--times was '0'"),
        (("webhook.due", "drop", "--times", "often"), "or always"),
        (("webhook.due=",), "kind was ''"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_in_words(cli: Cli, arguments: tuple[str, ...], said: str) -> None:
    assert said in cli.refused("faults", "add", *arguments, code=2)
    assert cli.sandbox.faults.list() == []


@pytest.mark.parametrize("flag", ["--probability=nan", "--probability=2", "--nth=0", "--nth=x"])
def test_numbers_out_of_range_are_wrong_use(cli: Cli, flag: str) -> None:
    assert "Error: " in cli("faults", "add", "webhook.due", "drop", flag, code=2).stderr


def test_a_station_without_a_kind_is_wrong_use(cli: Cli) -> None:
    assert "KIND is missing" in cli("faults", "add", "webhook.due", code=2).stderr


def test_the_help_shows_which_kind_can_strike_where() -> None:
    shown = CliRunner().invoke(main, ["faults", "--help"]).stdout.splitlines()
    for way in {station.way for station in STATIONS.values()}:
        (head,) = [line for line in shown if line.strip().startswith(f"on the way of a {way}")]
        for name, station in STATIONS.items():
            if station.way == way:
                (row,) = [line for line in shown if line.strip().startswith(name)]
                marked = {
                    kind for kind in KINDS if f" {kind} " in f"{head} "
                    and "x" in row[(at := f"{head} ".index(f" {kind} ")) : at + len(kind) + 1]
                }  # fmt: skip
                assert marked == set(station.kinds), row


def test_the_stations_of_the_running_gateway_are_listed(cli: Cli) -> None:
    assert [station["station"] for station in cli.json("faults", "stations")] == list(STATIONS)
    shown = cli("faults", "stations").stdout
    assert all(name in shown for name in STATIONS)
