"""`events`, `books`, `sandboxes`: what there is, for people and for programs."""

import pytest

from tests.cli.conftest import Cli


def test_events_are_listed_newest_first(cli: Cli) -> None:
    cli.sandbox.charge(order_id="a")
    cli.sandbox.charge(1000, "jpy", order_id="b")
    rows = cli("events", "list").stdout.splitlines()
    assert rows[0].split() == ["TIME", "TYPE", "ID", "ORDER", "AMOUNT"]
    assert [row.split()[3:6] for row in rows[1:]] == [["b", "1000", "jpy"], ["a", "42.00", "usd"]]
    assert [event["data"]["order_id"] for event in cli.json("events", "list", "--limit", "1")] == ["b"]
    assert [event["data"]["order_id"] for event in cli.json("events", "list", "--order-id", "a")] == ["a"]
    assert cli.json("events", "list", "--type", "charge.failed") == []
    assert "No such events" in cli("events", "list", "--type", "charge.failed").stdout


def test_an_event_is_shown_with_what_became_of_it(cli: Cli) -> None:
    cli.sandbox.charge()
    (event,) = cli.sandbox.events()
    assert "told to nobody" in cli("events", "show", event["id"]).stdout
    cli.sandbox.webhooks.create("http://127.0.0.1:9/")
    (sent,) = cli.json("events", "resend", event["id"])
    shown = cli.json("events", "show", event["id"])
    assert shown["event"] == event
    assert [delivery["id"] for delivery in shown["deliveries"]] == [sent["id"]]
    assert sent["id"] in cli("events", "show", event["id"]).stdout


def test_an_event_without_a_listener_cannot_be_resent(cli: Cli) -> None:
    cli.sandbox.charge()
    (event,) = cli.sandbox.events()
    assert "No enabled endpoint" in cli("events", "resend", event["id"], code=1).stdout
    assert cli.json("events", "resend", event["id"], code=1) == []
    assert "no enabled webhook endpoint" in cli.refused("events", "resend", event["id"], "--endpoint", "we_1", code=1)
    assert "no event 'evt_1'" in cli.refused("events", "resend", "evt_1", code=1)
    assert "no event" in cli.refused("events", "show", "../charges", code=1)


def test_the_books_show_what_an_order_was_charged(cli: Cli) -> None:
    assert "No money has moved" in cli("books").stdout
    charge = cli.sandbox.charge(order_id="o-1")
    cli.sandbox.request("POST", f"/v1/charges/{charge['id']}/refunds", {"amount": 200})
    shown = cli("books").stdout
    assert "o-1    1        42.00 usd  2.00 usd  0.00 usd  40.00 usd" in shown
    assert "The books balance." in shown
    assert cli.json("books")["balanced"] is True


def test_a_sandbox_is_listed_and_emptied(cli: Cli) -> None:
    cli.sandbox.charge()
    assert cli.sandbox.name in [one["name"] for one in cli.json("sandboxes", "list")]
    assert f"sk_test_{cli.sandbox.name}" in cli("sandboxes", "list").stdout
    assert "is empty" in cli("sandboxes", "reset").stdout
    assert cli.json("sandboxes", "reset") == {"sandbox": cli.sandbox.name, "reset": True}
    assert cli.sandbox.charges() == []


def test_a_sandbox_goes_back_to_a_snapshot(cli: Cli) -> None:
    assert "No snapshots" in cli("sandboxes", "snapshots").stdout
    cli.sandbox.charge(order_id="before")
    assert cli.json("sandboxes", "snapshot")["name"] == "default"
    assert "Snapshot paid of sandbox" in cli("sandboxes", "snapshot", "paid").stdout
    cli.sandbox.charge(order_id="after")
    assert "goes on from snapshot paid" in cli("sandboxes", "restore", "paid").stdout
    assert [charge["order_id"] for charge in cli.sandbox.charges()] == ["before"]
    assert cli.json("sandboxes", "restore")["name"] == "default"
    assert {one["name"] for one in cli.json("sandboxes", "snapshots")} == {"default", "paid"}
    assert "paid" in cli("sandboxes", "snapshots").stdout
    assert "nowhere" in cli.refused("sandboxes", "restore", "nowhere", code=1)


def test_a_sandbox_is_made_with_a_seed_and_removed(cli: Cli) -> None:
    cli.sandbox.remove()
    assert cli.json("sandboxes", "create", "--seed", "7")["seed"] == "7"
    assert "is there already" in cli.refused("sandboxes", "create", code=1)
    assert "is removed" in cli("sandboxes", "remove").stdout
    assert cli.sandbox.name not in [one["name"] for one in cli.json("sandboxes", "list")]
    assert "is made, with seed" in cli("sandboxes", "create").stdout


LOOKING = (
    ("journal",), ("lint",), ("books",), ("events", "list"), ("events", "show", "evt_1"), ("events", "resend", "evt_1"),
    ("faults", "list"), ("faults", "remove", "rule_1"), ("faults", "clear"), ("clock", "show"), ("clock", "stop"),
    ("clock", "advance", "1h"), ("sandboxes", "snapshots"), ("sandboxes", "snapshot"), ("sandboxes", "restore"),
    ("sandboxes", "remove"),
)  # fmt: skip


@pytest.mark.parametrize("verb", LOOKING, ids=" ".join)
def test_a_sandbox_that_is_not_there_is_refused_with_the_nearest_and_not_made(cli: Cli, verb: tuple[str, ...]) -> None:
    there, mistyped = cli.sandbox.name, cli.sandbox.name[:-1] + "x"
    cli.where = (*cli.where[:3], mistyped)
    told = cli.refused(*verb, code=2)
    assert f"no sandbox called '{mistyped}'; did you mean" in told
    assert there in told or cli.json("sandboxes", "list")
    assert mistyped not in [one["name"] for one in cli.json("sandboxes", "list")]


def test_a_verb_that_makes_a_sandbox_beside_others_says_so(cli: Cli) -> None:
    cli.where = (*cli.where[:3], f"{cli.sandbox.name}-new")
    assert f"sandbox {cli.sandbox.name}-new is new; there were " in cli("faults", "add", "response.sent", "close").stderr
    assert "is new" not in cli("faults", "add", "response.sent", "close").stderr


def test_a_sandbox_may_be_named_after_the_verb(cli: Cli) -> None:
    name, cli.where = f"{cli.sandbox.name}-named", cli.where[:2]
    assert f"Sandbox {name} is made" in cli("sandboxes", "create", name).stdout
    assert f"Sandbox {name} is empty" in cli("sandboxes", "reset", name).stdout
    assert "name the sandbox once" in cli("sandboxes", "reset", name, "--sandbox", name, code=2).stderr
    assert f"Sandbox {name} is removed" in cli("sandboxes", "remove", name).stdout


def test_a_misspelt_name_is_no_empty_answer(cli: Cli) -> None:
    assert "did you mean charge.succeeded" in cli.refused("events", "list", "--type", "charge.sucess", code=2)
    assert "did you mean declined" in cli.refused("trigger", "charge.failed", "--card", "declind", code=2)


@pytest.mark.parametrize("verb", [("events", "list"), ("books",), ("faults", "list"), ("journal",), ("clock", "show")])
def test_a_verb_acts_on_its_own_sandbox(cli: Cli, verb: tuple[str, ...]) -> None:
    Cli(cli.sandbox.url, cli.sandbox.name + "-other").sandbox.charge(order_id="elsewhere")
    assert "elsewhere" not in cli(*verb).stdout
