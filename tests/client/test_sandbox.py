"""The handle of a sandbox, against the real process."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gatecrash.client import GatewayError, Sandbox
from tests.support.cards import CARDS, card
from tests.support.process import ServerProcess


def test_a_charge_shows_in_charges_events_books_and_journal(sandbox: Sandbox) -> None:
    charge = sandbox.charge(4200, order_id="o-1")
    assert (charge["status"], charge["amount"]) == ("succeeded", 4200)
    assert sandbox.charges(order_id="o-1") == [charge]
    assert sandbox.charges(status="failed") == []
    (event,) = sandbox.events(order_id="o-1")
    assert event["type"] == "charge.succeeded"
    assert sandbox.events(type="charge.failed") == []
    books = sandbox.books()
    assert books["balanced"]
    assert [order["net"] for order in books["orders"]] == [4200]
    asked = [entry["operation"] for entry in sandbox.journal(kind="request")]
    assert asked[:2] == ["tokens.create", "charges.create"]
    last = sandbox.journal()[-1]["seq"]
    sandbox.charges()
    assert all(entry["seq"] > last for entry in sandbox.journal(after=last))


def test_lists_come_whole_however_long(sandbox: Sandbox) -> None:
    made = [sandbox.charge(100 + number)["id"] for number in range(101)]
    assert [charge["id"] for charge in sandbox.charges()] == list(reversed(made))
    assert len(sandbox.events()) == 101


def test_what_the_gateway_refuses_is_raised_with_all_it_says(sandbox: Sandbox) -> None:
    with pytest.raises(GatewayError) as declined:
        sandbox.charge(card=CARDS["insufficient_funds"], order_id="o-2")
    error = declined.value
    assert (error.status, error.code, error.decline_code) == (402, "card_declined", "insufficient_funds")
    assert error.charge_id == sandbox.charges(order_id="o-2")[0]["id"]
    assert error.request_id is not None
    assert error.request_id in str(error)
    assert "POST /v1/charges was answered 402 card_declined insufficient_funds" in str(error)
    with pytest.raises(GatewayError) as invalid:
        sandbox.charge(-1)
    assert (invalid.value.status, invalid.value.param) == (400, "amount")


def test_an_answer_that_a_rule_makes_up_is_shown_as_it_is(sandbox: Sandbox) -> None:
    params = {"status": 503, "body": "out to lunch", "headers": {"Content-Type": "text/plain"}}
    sandbox.faults.add("request.received", "status", params=params)
    with pytest.raises(GatewayError, match=r"503: out to lunch") as made_up:
        sandbox.charges()
    assert made_up.value.code == ""


def test_a_card_may_be_given_by_number_or_with_all_its_fields(sandbox: Sandbox) -> None:
    assert sandbox.nonce(CARDS["amex"]).startswith("nonce_")
    assert sandbox.nonce(card("mastercard", exp_year=2039)).startswith("nonce_")
    nonce = sandbox.nonce()
    charge = sandbox.charge(payment_nonce=nonce, capture=False, idempotency_key="k-1")
    assert sandbox.charge(payment_nonce=nonce, capture=False, idempotency_key="k-1") == charge


def test_rules_are_added_looked_at_and_taken_away(sandbox: Sandbox) -> None:
    rule = sandbox.faults.add(
        "operation.committed", "status", params={"status": 500}, match={"operation": "charges.create"}, nth=2
    )
    assert (rule["nth"], rule["times"], rule["fired"]) == (2, 1, 0)
    always = sandbox.faults.add("webhook.due", "drop", times=None)
    assert always["times"] is None
    assert [one["id"] for one in sandbox.faults.list()] == [rule["id"], always["id"]]
    sandbox.charge()
    with pytest.raises(GatewayError, match="500"):
        sandbox.charge()
    assert sandbox.faults.get(rule["id"])["fired"] == 1
    assert sandbox.faults.remove(rule["id"])["id"] == rule["id"]
    assert sandbox.faults.clear() == 1
    assert sandbox.faults.list() == []
    with pytest.raises(GatewayError, match="no fault rule"):
        sandbox.faults.get(rule["id"])
    assert {"webhook.due", "operation.committed"} <= {station["station"] for station in sandbox.faults.stations()}


def test_a_field_of_a_rule_that_nobody_knows_is_refused_by_name(sandbox: Sandbox) -> None:
    with pytest.raises(GatewayError) as unknown:
        sandbox.faults.add("webhook.due", "drop", tmies=3)
    assert unknown.value.param == "tmies"


def test_the_clock_is_frozen_moved_and_let_go(sandbox: Sandbox) -> None:
    noon = datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert sandbox.clock.freeze(noon)["now"] == "2026-01-31T12:00:00.000Z"
    assert sandbox.clock.advance(90)["now"] == "2026-01-31T12:01:30.000Z"
    assert sandbox.clock.advance(timedelta(hours=1))["now"] == "2026-01-31T13:01:30.000Z"
    assert sandbox.clock.show()["mode"] == "frozen"
    assert sandbox.clock.scale(60)["rate"] == 60
    assert sandbox.clock.auto()["mode"] == "auto"
    assert sandbox.clock.real("2026-02-01T00:00:00Z")["now"].startswith("2026-02-01T00:00:0")
    with pytest.raises(ValueError, match="now was 2026-01-31T12:00:00, without a time zone"):
        sandbox.clock.freeze(datetime(2026, 1, 31, 12))  # noqa: DTZ001 - that is the mistake


def test_endpoints_are_made_listed_and_removed(sandbox: Sandbox) -> None:
    endpoint = sandbox.webhooks.create("http://127.0.0.1:9/hooks", events=["charge.*"], description="nobody")
    assert endpoint["secret"].startswith("whsec_")
    assert sandbox.webhooks.rotate_secret(endpoint["id"], overlap_s=60)["secret"] != endpoint["secret"]
    assert [one["id"] for one in sandbox.webhooks.list()] == [endpoint["id"]]
    assert sandbox.webhooks.get(endpoint["id"])["description"] == "nobody"
    sandbox.clock.freeze()
    sandbox.charge()
    sandbox.clock.advance(0)
    (delivery,) = sandbox.deliveries()
    assert (delivery["endpoint_id"], len(delivery["attempts"])) == (endpoint["id"], 1)
    assert sandbox.webhooks.deliveries(delivery["event_id"]) == [delivery]
    (again,) = sandbox.webhooks.resend(delivery["event_id"])
    assert {one["id"] for one in sandbox.deliveries(event_id=delivery["event_id"])} == {again["id"], delivery["id"]}
    sandbox.webhooks.delete(endpoint["id"])
    assert sandbox.webhooks.list() == []


def test_a_reset_leaves_nothing(sandbox: Sandbox) -> None:
    sandbox.charge()
    sandbox.faults.add("webhook.due", "drop")
    sandbox.reset()
    assert (sandbox.charges(), sandbox.faults.list(), sandbox.books()["transfers"]) == ([], [], 0)


def test_a_snapshot_is_what_a_restore_comes_back_to(sandbox: Sandbox) -> None:
    first = sandbox.charge()
    sandbox.snapshot()
    sandbox.snapshot("named")
    sandbox.charge()
    assert len(sandbox.charges()) == 2
    for name in (None, "named"):
        sandbox.restore(name)
        assert sandbox.charges() == [first]
        sandbox.charge()
    with pytest.raises(GatewayError, match="nowhere"):
        sandbox.restore("nowhere")


def test_one_that_is_removed_is_made_anew_by_its_next_use(sandbox: Sandbox) -> None:
    sandbox.charge()
    sandbox.remove()
    assert sandbox.seed() is None
    assert sandbox.charges() == []


def test_the_seed_is_known_once_the_sandbox_is_used(sandbox: Sandbox, server: ServerProcess) -> None:
    name = f"{sandbox.name}-later"
    later = Sandbox(server.url, name)
    sandbox.charge()
    assert sandbox.seed()
    assert later.seed() != sandbox.seed()
    later.close()


def test_its_environment_names_the_gateway_and_both_keys(sandbox: Sandbox) -> None:
    env = sandbox.env()
    assert env["GATECRASH_URL"] == env["GATEWAY_URL"] == sandbox.url
    assert env["GATEWAY_SECRET_KEY"] == sandbox.secret_key == f"sk_test_{sandbox.name}"
    assert env["GATECRASH_PUBLISHABLE_KEY"] == sandbox.publishable_key == f"pk_test_{sandbox.name}"


@pytest.mark.parametrize(
    ("url", "options", "named"),
    [
        ("localhost:8402", {"name": "me"}, "url was 'localhost:8402'"),
        ("http://127.0.0.1:99999", {"name": "me"}, "url was"),
        ("http://127.0.0.1:8402?x=1", {"name": "me"}, "url was"),
        ("http://127.0.0.1:8402", {}, "name and secret_key"),
        ("http://127.0.0.1:8402", {"name": "me", "secret_key": "sk_test_me"}, "name and secret_key"),
        ("http://127.0.0.1:8402", {"name": "two words"}, "name names the sandbox 'two words'"),
        ("http://127.0.0.1:8402", {"secret_key": "pk_test_me"}, "secret_key was not of the form"),
        ("http://127.0.0.1:8402", {"secret_key": "sk_test_"}, "secret_key names the sandbox ''"),
    ],
)
def test_an_argument_that_cannot_be_is_named(url: str, options: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named.split()[0]) as refused:
        Sandbox(url, **options)
    assert str(refused.value).startswith(named)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_json_has_no_word_for_is_refused_here(sandbox: Sandbox, number: float) -> None:
    with pytest.raises(ValueError, match="rate was"):
        sandbox.clock.scale(number)
    with pytest.raises(ValueError, match="probability was"):
        sandbox.faults.add("request.received", "reset", probability=number)
    assert (sandbox.clock.show()["mode"], sandbox.faults.list()) == ("real", [])
