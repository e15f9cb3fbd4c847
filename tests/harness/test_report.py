"""What a reader sees of finished runs: rows for machines, tables of any width, a verdict in words."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from gatecrash.harness.history import Charge, History, Order
from gatecrash.harness.oracles import Violation, judge
from gatecrash.harness.page import render
from gatecrash.harness.prove import LeftOut, Proof
from gatecrash.harness.report import cut, row, show, summary
from gatecrash.harness.run import Outcome
from gatecrash.harness.story import load_all

STORY = next(story for story in load_all() if story.name == "lost-response")


def outcome(merchant: str, charges: int, status: str, fulfilments: int | None) -> Outcome:
    history = History(
        story=STORY.name,
        merchant=merchant,
        orders=(Order(id="o1", amount=4200, currency="usd", statuses=(status,), fulfilments=fulfilments),),
        charges=tuple(
            Charge(
                id=f"txn_{number}",
                order="o1",
                status="succeeded",
                amount=4200,
                amount_captured=4200,
                amount_refunded=0,
                currency="usd",
            )
            for number in range(charges)
        ),
    )
    return Outcome(story=STORY, merchant=merchant, history=history, violations=tuple(judge(history)), seconds=1)


TWICE = outcome("naive", 2, "PAID", 1)
LOST = outcome("naive", 1, "FAILED", 0)
CLEAN = outcome("reference", 1, "PAID", 1)


def test_a_row_carries_what_the_json_promises() -> None:
    assert row(CLEAN) == {
        "story": "lost-response",
        "merchant": "reference",
        "order_amount": 4200,
        "captured": 4200,
        "order_status": "PAID",
        "fulfilments": 1,
        "violations": [],
    }
    assert row(TWICE)["captured"] == 8400
    assert [each["oracle"] for each in row(TWICE)["violations"]] == ["S1"]
    assert row(outcome("naive", 1, "PAID", None))["fulfilments"] is None


def test_the_verdict_says_in_words_what_happened() -> None:
    assert summary([TWICE, LOST, CLEAN]) == [
        "naive: caught in 2 of 2 stories: charged twice (S1) in 1; charged, never paid (L1) in 1.",
        "reference: clean. In 1 of 1 story charge and order agree.",
    ]


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_a_table_is_never_wider_than_the_terminal(width: int) -> None:
    console = Console(file=io.StringIO(), width=width)
    show(console, [TWICE, LOST, CLEAN], "The naive merchant")
    assert isinstance(console.file, io.StringIO)
    drawn = console.file.getvalue()
    assert max(map(len, drawn.splitlines())) <= width
    assert "84.00" in drawn
    assert "NO, charged" in " ".join(drawn.split())


def test_what_only_the_story_expected_is_told_too() -> None:
    missed = Outcome(
        story=STORY,
        merchant="naive",
        history=CLEAN.history,
        violations=(Violation("expect", "order o1: expected to end PAID, it is FAILED"),),
        seconds=1,
    )
    assert row(missed)["violations"][0]["oracle"] == "expect"


def test_a_message_that_fills_a_screen_has_its_middle_left_out() -> None:
    assert cut("short") == "short"
    long = cut("a" * 3000 + "the end")
    assert len(long) < 450
    assert long.startswith("aaa")
    assert long.endswith("the end")
    assert "2607 characters more" in long


def test_the_page_holds_no_card_number_and_asks_nobody_for_anything() -> None:
    number = "4242424242424242"
    leaking = replace(
        TWICE.history,
        log=f"paid with {number}\n" + "a line\n" * 500,
        journal=(
            {"at": "2026-01-01T00:00:00Z", "kind": "request", "body": number, "request_id": "r", "operation": "charges.list"},
        )
        * 100,
    )
    leak = Violation("S9", f"the log holds {number} <script>alert(1)</script> " + "x" * 5000)
    wrong = replace(TWICE, history=leaking, violations=(*TWICE.violations, leak))
    proof = Proof(merchant="shop", world="real", outcomes=(wrong, CLEAN), left_out=(LeftOut(STORY, "no [refund]"),), seconds=1)
    page = render(proof, {STORY.name: Path("a folder/shop.yaml")})
    assert number not in page
    assert "<script>alert" not in page
    assert "x" * 1000 not in page
    assert "… 441 more lines …" in page
    assert "… 40 more lines …" in page
    assert "http://" not in page.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert "https://" not in page
    assert "gatecrash replay &#39;a folder/shop.yaml&#39;" in page
    assert "84.00 usd" in page
    assert "no [refund]" in page
