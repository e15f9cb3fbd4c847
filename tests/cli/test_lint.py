"""`gatecrash lint`: what a client did wrong, from a running gateway or a saved journal, and exit codes to go by."""

import json
from pathlib import Path

import pytest

from gatecrash.client import Sandbox
from gatecrash.lint import RULES
from tests.cli.conftest import Cli


def lose(sandbox: Sandbox, key: str) -> None:
    """A charge whose answer is lost."""
    body = {"amount": 4200, "currency": "usd", "payment_nonce": sandbox.nonce(), "order_id": "o1"}
    fault = {"Gatecrash-Fault": "operation.committed=status;status=500"}
    with pytest.raises(Exception, match="500"):
        sandbox.request("POST", "/v1/charges", body, idempotency_key=key, headers=fault)


def test_a_good_client_is_told_so(cli: Cli) -> None:
    cli.sandbox.charge(idempotency_key="k")
    assert cli("lint").stdout.startswith("Nothing found in ")
    assert cli.json("lint")["data"] == []


def test_what_our_own_tools_do_is_no_finding(cli: Cli) -> None:
    cli("trigger", "refund.succeeded")
    assert cli.json("lint", "--final")["data"] == []


def test_a_finding_is_told_with_its_request_its_order_and_what_to_do(cli: Cli) -> None:
    lose(cli.sandbox, "k1")
    cli.sandbox.charge(order_id="o1", idempotency_key="k2")
    cli.sandbox.charge(order_id="o2")
    shown = cli("lint", code=1).stdout
    report = cli.json("lint", code=1)
    assert [finding["rule"] for finding in report["data"]] == ["new_key_after_unknown", "post_without_key"]
    for finding in report["data"]:
        for part in (finding["rule"], finding["says"], finding["advice"], finding["detail"], finding["request_id"]):
            assert part in shown
        assert f"#{finding['seq']}  charges.create  order {finding['order_id']}" in shown
    assert f"2 findings of 2 rules in {report['entries']} entries of the journal of sandbox {cli.sandbox.name}." in shown


def test_what_was_left_undone_is_counted_when_nothing_more_will_come(cli: Cli) -> None:
    lose(cli.sandbox, "k1")
    cli("lint")
    assert "outcome_not_resolved" in cli("lint", "--final", code=1).stdout


def test_many_cases_of_a_rule_are_cut_short(cli: Cli) -> None:
    for _ in range(12):
        cli.sandbox.charge()
    assert "… and 2 more; --json has them all" in cli("lint", code=1).stdout
    assert len(cli.json("lint", code=1)["data"]) == 12


def test_a_saved_journal_gives_the_same_in_each_of_its_shapes(cli: Cli, tmp_path: Path) -> None:
    lose(cli.sandbox, "k1")
    cli.sandbox.charge()
    report = cli.json("lint", "--final", code=1)
    entries = cli.json("journal")
    shapes = {
        "array": json.dumps(entries),
        "page": json.dumps({"data": entries, "has_more": False}),
        "lines": "\n".join(json.dumps(entry) for entry in entries),
    }
    for name, text in shapes.items():
        file = tmp_path / name
        file.write_text(text, encoding="utf-8")
        assert cli.json("lint", "--final", "--journal", str(file), code=1) == report
    assert f"of the journal of {file}." in cli("lint", "--final", "--journal", str(file), code=1).stdout
    file.write_text("", encoding="utf-8")
    assert cli.json("lint", "--journal", str(file)) == {"data": [], "has_more": False, "entries": 0}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"hello", "it is not JSON"),
        (b"\xff\xfe", "it is not JSON"),
        (b"3", "have no seq, at and kind"),
        (b'[{"seq": 1}]', "have no seq, at and kind"),
        (b'[{"seq": 1, "at": "2026-01-31T12:00:00Z", "kind": "request"}]', "another shape"),
        (b'[{"seq": 1, "at": "noon", "kind": "start"}]', "another shape"),
    ],
)
def test_what_is_no_journal_is_wrong_use(cli: Cli, tmp_path: Path, text: bytes, why: str) -> None:
    file = tmp_path / "journal.json"
    file.write_bytes(text)
    line = cli.refused("lint", "--journal", str(file), code=2)
    assert why in line
    assert "save one with `gatecrash journal --json`" in line


def test_a_gateway_that_is_not_there_is_a_matter_of_set_up(cli: Cli) -> None:
    cli.where = ("--url", "http://127.0.0.1:9", "--sandbox", "x")
    cli.refused("lint", code=2)


def test_the_rules_are_listed_and_explained(cli: Cli) -> None:
    assert [rule["rule"] for rule in cli.json("lint", "--rules")] == [rule.code for rule in RULES]
    shown = cli("lint", "--rules").stdout
    assert all(rule.code in shown and rule.says in shown for rule in RULES)


def test_findings_of_strict_mode_stand_in_the_journal(cli: Cli) -> None:
    cli.sandbox.request("POST", "/_gatecrash/strict", {"strict": True})
    cli.sandbox.charge()
    assert "post_without_key" in cli("journal", "--kind", "finding").stdout
