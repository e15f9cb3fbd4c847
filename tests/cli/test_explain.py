"""`gatecrash explain`: every code there is, without a gateway."""

import json

import pytest
from click.testing import CliRunner, Result

from gatecrash.cli import main
from gatecrash.core.cards import DECLINES, TEST_CARDS
from gatecrash.core.errors import CATALOGUE
from gatecrash.faults.kinds import KINDS
from gatecrash.faults.stations import STATIONS
from gatecrash.harness.oracles import ORACLES
from gatecrash.harness.oracles.causes import CAUSES


def explain(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["explain", *arguments])


@pytest.mark.parametrize("code", [*CATALOGUE, *DECLINES, *STATIONS, *KINDS, *ORACLES])
def test_every_code_is_explained(code: str) -> None:
    shown = explain(code)
    assert shown.exit_code == 0
    first, advice, *_ = shown.stdout.splitlines()
    assert first.startswith(f"{code} (")
    assert len(advice) > 20


@pytest.mark.parametrize("code", [*CAUSES])
def test_an_oracle_is_told_with_what_to_do_by_cause_and_the_fine_print_on_demand(code: str) -> None:
    shown, long = explain(code).stdout, explain(code, "--long").stdout
    for _, cause in CAUSES[code]:
        assert f"{cause.name}: {cause.fix}" in shown
    assert f"gatecrash explain {code} --long" in shown
    if code in ORACLES:
        assert " ".join(ORACLES[code].explanation.split()) in long
        assert " ".join(ORACLES[code].explanation.split()) not in shown


def test_an_error_is_told_with_its_status_and_what_to_do() -> None:
    shown = explain("card_declined").stdout
    assert "HTTP 402" in shown
    assert CATALOGUE["card_declined"].advice in shown


@pytest.mark.parametrize("code", [behaviour.decline_code for behaviour in TEST_CARDS.values() if behaviour.decline_code])
def test_a_decline_names_a_card_that_is_declined_so(code: str) -> None:
    number = next(number for number, behaviour in TEST_CARDS.items() if behaviour.decline_code == code)
    assert number in explain(code).stdout


@pytest.mark.parametrize("spelt", ["/errors/nonce_used", "http://127.0.0.1:8402/errors/nonce_used", "NONCE_USED", "nonce_used/"])
def test_a_code_is_known_however_it_is_spelt(spelt: str) -> None:
    assert explain(spelt).stdout == explain("nonce_used").stdout
    assert explain("s1").stdout.startswith("S1 ")


@pytest.mark.parametrize(
    ("wrong", "near"),
    [("nonce_usd", "nonce_used"), ("insuficient_funds", "insufficient_funds"), ("committed", "operation.committed")],
)
def test_an_unknown_code_is_met_with_the_nearest(wrong: str, near: str) -> None:
    shown = explain(wrong)
    assert (shown.exit_code, shown.stdout) == (1, "")
    assert near in shown.stderr


def test_nothing_near_is_met_with_the_list() -> None:
    assert "`gatecrash explain` lists" in explain("%%%%").stderr


def test_programs_get_json() -> None:
    assert json.loads(explain("nonce_used", "--json").stdout)["title"] == CATALOGUE["nonce_used"].title
    everything = {each["code"] for each in json.loads(explain("--json").stdout)}
    assert everything >= {*CATALOGUE, *DECLINES, *STATIONS, *KINDS, *ORACLES}
    assert all(code in explain().stdout for code in everything)
