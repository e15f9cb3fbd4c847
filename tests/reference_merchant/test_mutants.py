"""Mutants: the shop with one decision replaced, and the constraints that stand behind the decisions."""

import logging
import sqlite3
from typing import Any

import pytest

from reference_merchant import mutants
from reference_merchant.decisions import Decisions
from reference_merchant.mutants.mutant import Mutant
from reference_merchant.request_log import JsonLines
from reference_merchant.store import Store
from tests.reference_merchant.scenarios import SCENARIOS, Scenario
from tests.reference_merchant.verdict import violations

# each scenario with the reference merchant, and with what its mutants are but for the bug; to have no net at all is a bug in one
WITHOUT_BUG = {(scenario, Decisions) for scenario in SCENARIOS.values()} | {
    (scenario, mutants.MUTANTS[name].__base__) for name, scenario in SCENARIOS.items() if name != "key_expired"
} - {(scenario, Mutant) for scenario in SCENARIOS.values()}
MODIFIED = "INSERT INTO modifications VALUES "


@pytest.mark.parametrize("name", mutants.names())
def test_each_mutant_tells_its_bug_and_relaxes_rules_that_there_are(name: str) -> None:
    mutant = mutants.MUTANTS[name]

    assert mutant.bug().endswith((".", "."))
    assert mutant.violates
    assert mutant.exposed_by
    store = Store()
    store.relax(mutant.relaxes)
    store.close()


def written(caplog: pytest.LogCaptureFixture) -> str:
    """The shop's log as its process would write it."""
    return "".join(JsonLines().format(record) for record in caplog.records if record.name.startswith("reference_merchant"))


def test_every_mutant_has_a_scenario_that_exposes_it() -> None:
    assert sorted(SCENARIOS) == sorted(mutants.names())


@pytest.mark.parametrize("name", mutants.names())
@pytest.mark.asyncio
async def test_its_scenario_shows_what_the_mutant_violates(stage: Any, caplog: pytest.LogCaptureFixture, name: str) -> None:
    caplog.set_level(logging.INFO, "reference_merchant")
    await stage.open(mutant=name)

    await SCENARIOS[name](stage)

    assert await violations(stage, written(caplog)) >= set(mutants.MUTANTS[name].violates)


@pytest.mark.parametrize(("scenario", "decisions"), sorted(WITHOUT_BUG, key=str), ids=lambda each: each.__name__)
@pytest.mark.asyncio
async def test_the_same_traffic_does_no_harm_to_the_shop_without_the_bug(
    stage: Any, caplog: pytest.LogCaptureFixture, scenario: Scenario, decisions: type[Decisions]
) -> None:
    caplog.set_level(logging.INFO, "reference_merchant")
    stage.shop.decisions = decisions(stage.shop.config)
    await stage.open()

    await scenario(stage)

    assert await violations(stage, written(caplog)) == set()


@pytest.mark.parametrize(
    ("rule", "sql"),
    [
        ("one_open_attempt", "INSERT INTO attempts VALUES ('b', 'o', 2, 'k2', 'n2', '{}', 5, 'usd', 'open', 0, 't2', '', 0)"),
        ("key_of_one_attempt", "INSERT INTO attempts VALUES ('b', 'o', 2, 'k', 'n2', '{}', 5, 'usd', 'refused', 0, 't2', '', 0)"),
        ("nonce_tried_once", "INSERT INTO attempts VALUES ('b', 'o', 2, 'k2', 'n', '{}', 5, 'usd', 'refused', 0, 't2', '', 0)"),
        (
            "charge_of_one_attempt",
            "INSERT INTO attempts VALUES ('b', 'o', 2, 'k2', 'n2', '{}', 5, 'usd', 'refused', 0, 't', '', 0)",
        ),
        ("paid_needs_a_charge", "UPDATE orders SET status = 'PAID', paid_by = 'a'"),
        ("paid_stays_paid", "UPDATE orders SET status = 'FAILED' WHERE id = 'p'"),
        ("one_parcel_per_order", "INSERT INTO outbox VALUES ('p', 'pending')"),
        ("fulfilled_once", "INSERT INTO fulfilments VALUES ('p', 1)"),
        ("one_open_modification", MODIFIED + "('n', 'p', 't9', 'void', 'asked', 'k3', '', 5, 0, 'open', 'r2', 0)"),
        ("key_of_one_modification", MODIFIED + "('n', 'p', 't8', 'void', 'asked', 'k', '', 5, 0, 'failed', 'r2', 0)"),
        ("refund_booked_once", MODIFIED + "('n', 'p', 't8', 'refund', 'asked', 'k3', '', 5, 0, 'failed', 'r', 0)"),
        ("surplus_returned_once", MODIFIED + "('n', 'p', 't9', 'void', 'surplus', 'k3', '', 5, 0, 'failed', 'r2', 0)"),
        ("event_applied_once", "INSERT INTO events VALUES ('evt_1', 't', 1)"),
    ],
)
def test_the_schema_holds_the_rule_also_where_the_code_forgets_it(rule: str, sql: str) -> None:
    def books() -> Store:
        store = Store()
        store.execute("INSERT INTO orders VALUES ('o', NULL, '[]', 5, 'usd', 'now', 'PENDING', NULL, 0, 0)")
        store.execute("INSERT INTO attempts VALUES ('a', 'o', 1, 'k', 'n', '{}', 5, 'usd', 'open', 0, 't', '', 0)")
        store.execute("INSERT INTO orders VALUES ('p', NULL, '[]', 5, 'usd', 'now', 'PENDING', NULL, 0, 0)")
        store.execute("INSERT INTO attempts VALUES ('c', 'p', 1, 'k9', 'n', '{}', 5, 'usd', 'succeeded', 0, 't9', '', 0)")
        store.execute("UPDATE orders SET status = 'PAID', paid_by = 'c' WHERE id = 'p'")
        store.execute(MODIFIED + "('m', 'p', 't9', 'refund', 'asked', 'k', '', 1, 0, 'open', 'r', 0)")
        store.execute(MODIFIED + "('s', 'p', 't9', 'refund', 'surplus', 'k2', '', 1, 0, 'failed', 'r1', 0)")
        store.execute("INSERT INTO outbox VALUES ('p', 'done')")
        store.execute("INSERT INTO fulfilments VALUES ('p', 0)")
        store.execute("INSERT INTO events VALUES ('evt_1', 't', 0)")
        return store

    strict = books()
    with pytest.raises(sqlite3.IntegrityError):
        strict.execute(sql)
    strict.close()

    relaxed = books()
    relaxed.relax([rule])
    relaxed.execute(sql)
    relaxed.close()


def test_a_rule_that_there_is_not_cannot_be_relaxed() -> None:
    store = Store()
    with pytest.raises(ValueError, match="no index or trigger named 'nonsense'"):
        store.relax(["nonsense"])
    store.close()
