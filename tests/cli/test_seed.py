"""`gatecrash seed`: what a file names is there afterwards, once, however often it is run."""

import re
from pathlib import Path

import pytest

from tests.cli.conftest import Cli

DOCS = Path(__file__).parents[2] / "docs" / "cli.md"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The file that the docs show."""
    (shown,) = re.findall(r"<!-- seed file[^>]*-->\n```yaml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    path = tmp_path / "things.yaml"
    path.write_text(shown, encoding="utf-8")
    return path


def test_all_of_it_is_there_in_the_state_that_the_file_names(cli: Cli, file: Path) -> None:
    made = {each["name"]: each for each in cli.json("seed", str(file))}
    assert {name: each["status"] for name, each in made.items()} == {
        "shop": "enabled",
        "mug": "succeeded",
        "hat-given-back": "succeeded, 1900 refunded",
        "shirt-in-part": "succeeded, 1000 refunded",
        "held": "authorized",
        "let-go": "voided",
        "no-money": "failed",
        "to-be-disputed": "succeeded",
        "gold": "active",
    }
    assert all(each["made"] for each in made.values())
    (hat,) = cli.sandbox.charges(order_id="o-2")
    assert (hat["amount"], hat["currency"], hat["card"]["brand"], hat["metadata"]) == (
        1900,
        "eur",
        "mastercard",
        {"seed": "hat-given-back"},
    )
    assert cli.json("books")["balanced"]


def test_a_second_run_makes_nothing(cli: Cli, file: Path) -> None:
    first = cli.json("seed", str(file))
    before = (cli.sandbox.charges(), cli.sandbox.refunds(), cli.sandbox.subscriptions(), cli.sandbox.webhooks.list())
    cli.sandbox.clock.advance(25 * 3600)  # past the life of idempotency keys
    before = (cli.sandbox.charges(), cli.sandbox.refunds(), cli.sandbox.subscriptions(), cli.sandbox.webhooks.list())
    again = cli.json("seed", str(file))
    assert [(each["name"], each["id"], each["made"]) for each in again] == [(each["name"], each["id"], False) for each in first]
    assert before == (cli.sandbox.charges(), cli.sandbox.refunds(), cli.sandbox.subscriptions(), cli.sandbox.webhooks.list())
    assert "there" in cli("seed", str(file)).stdout


def test_a_run_that_was_cut_short_is_completed_by_the_next(cli: Cli, file: Path) -> None:
    rule = cli.sandbox.faults.add(
        "request.received", "status", params={"status": 503}, match={"operation": "refunds.create"}, nth=2
    )
    cli("seed", str(file), code=1)
    assert len(cli.sandbox.charges()) == 3
    cli.sandbox.faults.remove(rule["id"])
    assert len(cli.json("seed", str(file))) == 9
    assert sorted(charge["amount_refunded"] for charge in cli.sandbox.charges())[-2:] == [1000, 1900]


def test_what_is_there_and_differs_is_refused_by_name(cli: Cli, tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_text("charges: {mug: {amount: 4200}}")
    cli("seed", str(path))
    path.write_text("charges: {mug: {amount: 4300}}")
    told = cli("seed", str(path), code=1).stderr
    assert "charge mug is there with amount 4200, and the file says 4300" in told
    assert "another name" in told


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("charges:\n  mug: {amout: 1}", "t.yaml:2: /charges/mug: found unknown 'amout'; did you mean amount?"),
        ("charges:\n  mug: {amount: 0}", "t.yaml:2: /charges/mug/amount: found 0, expected 1 or more"),
        ("charges:\n  mug: {amount: 1, card: vsa}", "did you mean visa?"),
        ("charges:\n  a b: {amount: 1}", "a name of 1 to 60 letters"),
        ("charge: {}", "did you mean charges?"),
        ("", "t.yaml:1"),
        ("charges: [", "not YAML"),
    ],
)
def test_a_file_that_is_wrong_is_told_with_its_line_and_makes_nothing(cli: Cli, tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(text)
    assert said in cli.refused("seed", str(path), code=2)
    assert cli.sandbox.charges() == []


def test_a_file_that_is_not_there_is_named(cli: Cli, tmp_path: Path) -> None:
    assert "nowhere.yaml" in cli.refused("seed", str(tmp_path / "nowhere.yaml"), code=2)
