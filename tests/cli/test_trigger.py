"""`gatecrash trigger`: every type of event can be made to happen, and did."""

import pytest

from gatecrash.client.trigger import RECIPES
from gatecrash.core.facts import FACTS
from tests.cli.conftest import Cli


def test_every_type_has_a_recipe_and_no_recipe_is_for_nothing() -> None:
    assert set(RECIPES) == set(FACTS)


@pytest.mark.parametrize("event_type", FACTS)
def test_an_event_of_every_type_really_happens(cli: Cli, event_type: str) -> None:
    made = cli.json("trigger", event_type, "--order-id", "o-9", "--amount", "1234", "--currency", "eur")
    event = made["event"]
    assert event["type"] == event_type
    assert event in cli.sandbox.events(type=event_type)
    assert (event["data"]["order_id"], event["data"]["amount"], event["data"]["currency"]) == ("o-9", 1234, "eur")
    assert made["steps"]
    assert cli.json("books")["balanced"]


def test_it_is_told_what_was_done(cli: Cli) -> None:
    lines = cli("trigger", "charge.expired").stdout.splitlines()
    assert lines[0].startswith("authorized a card: txn_")
    assert lines[1].startswith("moved the sandbox's clock to ")
    assert lines[-1].startswith("charge.expired  evt_")


def test_an_event_of_one_trigger_is_not_taken_for_that_of_another(cli: Cli) -> None:
    first, second = [cli.json("trigger", "refund.succeeded")["event"]["id"] for _ in range(2)]
    assert first != second


def test_what_is_pending_besides_does_not_stand_in_the_way(cli: Cli) -> None:
    cli.sandbox.webhooks.create("http://127.0.0.1:9/")  # nobody there: retries are timers of their own
    for _ in range(3):
        cli.sandbox.charge()
    assert cli.json("trigger", "charge.expired")["event"]["type"] == "charge.expired"


@pytest.mark.parametrize("card", ["declined", "4000000000000002"])
def test_another_card_may_bring_about_something_else_which_is_told(cli: Cli, card: str) -> None:
    result = cli("trigger", "charge.succeeded", "--card", card, code=1)
    assert "what happened instead: charge.failed" in result.stderr


def test_an_unknown_type_is_met_with_the_nearest(cli: Cli) -> None:
    assert "did you mean charge.succeeded" in cli.refused("trigger", "charge.suceeded", code=2)
    assert "there are: charge.succeeded, " in cli.refused("trigger", "%", code=2)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("--card", "4242424242424241"), "card"), (("--currency", "USD"), "'usd'"), (("--amount", "100000000"), "amount")],
)
def test_what_the_gateway_does_not_take_is_told_in_its_words(cli: Cli, arguments: tuple[str, str], said: str) -> None:
    assert said in cli.refused("trigger", "charge.succeeded", *arguments, code=2)
    assert cli.sandbox.events() == []


def test_a_fault_on_the_way_ends_it_in_words(cli: Cli) -> None:
    cli("faults", "add", "request.received", "status", "--param", "status=503", "--match", "operation=charges.create")
    assert "on purpose" in cli.refused("trigger", "charge.succeeded", code=1)


def test_the_help_names_every_type(cli: Cli) -> None:
    shown = cli("trigger", "--help").stdout
    assert all(event_type in shown for event_type in FACTS)


# --- on a charge that the shop made

ON_AN_AUTHORIZED = ("charge.captured", "charge.voided", "charge.expired")


@pytest.mark.parametrize("event_type", ON_AN_AUTHORIZED)
def test_it_acts_on_the_charge_that_is_named(cli: Cli, event_type: str) -> None:
    charge = cli.sandbox.charge(capture=False)
    event = cli.json("trigger", event_type, "--charge", charge["id"])["event"]
    assert (event["type"], event["data"]["id"]) == (event_type, charge["id"])
    assert len(cli.sandbox.charges()) == 1


def test_it_finds_the_newest_charge_of_an_order_and_acts_on_a_part_of_it(cli: Cli) -> None:
    cli.sandbox.charge(1000, order_id="o-1")
    newest = cli.sandbox.charge(2000, order_id="o-1")
    for part in ("500", "700"):
        event = cli.json("trigger", "refund.succeeded", "--order-id", "o-1", "--amount", part)["event"]
        assert (event["data"]["charge_id"], event["data"]["amount"]) == (newest["id"], int(part))
    assert len(cli.sandbox.charges()) == 2
    assert "took the charge" in cli("trigger", "refund.succeeded", "--order-id", "o-1").stdout


def test_a_dispute_comes_of_the_charge_of_a_card_that_is_disputed_and_of_no_other(cli: Cli) -> None:
    disputed = cli.sandbox.charge(card="4000000000000259", order_id="o-1")
    event = cli.json("trigger", "dispute.won", "--order-id", "o-1")["event"]
    assert event["data"]["charge_id"] == disputed["id"]
    visa = cli.sandbox.charge()
    told = cli.refused("trigger", "dispute.opened", "--charge", visa["id"], code=2)
    assert "comes of a charge of the test card" in told
    assert "a card that ends in 4242" in told


def test_what_cannot_come_of_the_charge_is_refused_in_words(cli: Cli) -> None:
    charge = cli.sandbox.charge()
    assert "comes of a charge of its own" in cli.refused("trigger", "charge.succeeded", "--charge", charge["id"], code=2)
    assert "no charge 'txn_1'" in cli.refused("trigger", "charge.voided", "--charge", "txn_1", code=1)
    assert "only a charge that is authorized" in cli("trigger", "charge.voided", "--charge", charge["id"], code=2).stderr
    assert "describe another" in cli("trigger", "charge.voided", "--charge", charge["id"], "--currency", "eur", code=2).stderr


def test_a_new_charge_bears_the_metadata(cli: Cli) -> None:
    event = cli.json("trigger", "charge.succeeded", "--metadata", "cart=7", "--metadata", "note=a=b")["event"]
    assert event["data"]["metadata"] == {"cart": "7", "note": "a=b"}
    assert "expected NAME=VALUE" in cli("trigger", "charge.succeeded", "--metadata", "cart", code=2).stderr
