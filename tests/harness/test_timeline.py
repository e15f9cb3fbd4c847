"""A run told in order: the gateway's journal in sandbox time, the notes in the world's, one sequence; and its drawings."""

from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest

from gatecrash.harness import sequence
from gatecrash.harness.history import Attempt, Charge, History, Note, Order
from gatecrash.harness.timeline import Message, folded, timeline

NOON = 1_774_958_400_000  # 2026-03-31T12:00:00Z


def at(ms: int) -> str:
    seconds, ms = divmod(ms, 1000)
    return f"2026-03-31T12:{seconds // 60:02}:{seconds % 60:02}.{ms:03}Z"


def entry(ms: int, kind: str, **fields: Any) -> dict[str, Any]:
    return {"at": at(ms), "kind": kind, **fields}


JOURNAL = (
    entry(20, "request", request_id="r1", operation="tokens.create", method="POST"),
    entry(21, "answer", request_id="r1", status=201),
    entry(
        30, "request", request_id="r2", operation="charges.create", method="POST", amount=4200, body={"currency": "usd"},
        idempotency_key="attempt-000001",
    ),
    entry(31, "fault", fault="reset", station="operation.committed"),
    entry(32, "answer", request_id="r2", broken="a fault rule broke the connection"),
    # the harness moves the clock by five minutes, and a webhook falls due on the way
    entry(300_040, "delivery", event_type="charge.succeeded", attempt=2, outcome="succeeded", status=200),
    entry(300_041, "control", action="clock.advance", seconds=300.0),
    entry(300_060, "request", request_id="r3", operation="charges.get", method="GET"),
    entry(300_061, "answer", request_id="r3", status=200, replayed=False),
)  # fmt: skip
NOTES = (
    Note(NOON + 10, "customer", "shop", "pays with visa"),
    Note(NOON + 35, "shop", "customer", "error, 502"),
    Note(NOON + 50, "shop", "shop", "killed"),
)
HISTORY = History(story="s", merchant="m", orders=(), journal=JOURNAL, notes=NOTES)


def test_journal_and_notes_become_one_sequence_and_a_jump_of_the_clock_comes_before_what_it_brought() -> None:
    assert [(message.text, message.tone) for message in timeline(HISTORY)] == [
        ("pays with visa", "ask"),
        ("card for nonce", "ask"),
        ("charges.create 42.00 usd, key …000001", "ask"),
        ("reset at operation.committed", "fault"),
        ("no answer: the line broke", "broken"),
        ("error, 502", "ask"),
        ("5 minutes pass", "time"),
        ("charge.succeeded #2 → 200", "webhook"),
        ("killed", "life"),
        ("charges.get", "ask"),
        ("200", "answer"),
    ]


def test_keys_that_differ_have_labels_that_differ_and_are_never_cut() -> None:
    keys = ("order-1-attempt-000001", "order-2-attempt-000001")
    journal = tuple(
        entry(number, "request", request_id=f"r{number}", operation="charges.create", method="POST", amount=123456,
              body={"currency": "usd"}, idempotency_key=key)
        for number, key in enumerate(keys)
    )  # fmt: skip
    drawn = sequence.text(timeline(replace(HISTORY, journal=journal, notes=())))
    assert "key #1 …000001 ▶│" in drawn[1]
    assert "key #2 …000001 ▶│" in drawn[2]
    assert "charges.create 1" in drawn[1]


def test_calls_of_the_harness_are_not_drawn_as_the_shops() -> None:
    told = [message.text for message in timeline(replace(HISTORY, by_harness=frozenset({"r3"})))]
    assert "charges.get" not in told
    assert "200" not in told


def test_the_text_names_the_lanes_and_keeps_to_the_width_of_a_terminal() -> None:
    lines = sequence.text([*timeline(HISTORY), Message(0, "gateway", "shop", "x" * 200, "broken")])
    assert lines[0].split() == ["customer", "shop", "gateway"]
    assert max(map(len, lines)) <= 79
    assert "pays with visa" in lines[1]
    assert "▶" in lines[1]
    assert "✗" in lines[-1]
    assert "…" in lines[-1]


def test_the_svg_is_well_formed_whatever_the_texts_hold() -> None:
    messages = [*timeline(HISTORY), Message(0, "shop", "shop", "<b>&\"'", "life")]
    drawn = ElementTree.fromstring(sequence.svg(messages))  # noqa: S314 - our own
    texts = [element.text for element in drawn.iter() if element.tag.endswith("text")]
    assert texts[:3] == ["customer", "shop", "gateway"]
    assert "<b>&\"'" in texts


def test_where_there_are_several_orders_each_line_says_which_one_it_is_about() -> None:
    paid = Attempt(card="visa", nonce="nonce_2", told="PAID")
    orders = tuple(Order(id=f"cart-{number}", amount=4200, currency="usd", attempts=(paid,) * (number - 1)) for number in (1, 2))
    charge = Charge(
        id="txn_1", order="cart-1", status="succeeded", amount=4200, amount_captured=4200, amount_refunded=0, currency="usd"
    )
    journal = (
        entry(20, "request", request_id="r1", operation="charges.create", method="POST", source="nonce_2"),
        entry(21, "answer", request_id="r1", status=201),
        entry(22, "request", request_id="r2", operation="refunds.create", method="POST", path="/v1/charges/txn_1/refunds"),
        entry(23, "fault", fault="hang", station="request.received", order_id="cart-1"),
        entry(24, "delivery", event_id="evt_2", event_type="charge.succeeded", attempt=1, outcome="succeeded", status=200),
        entry(25, "request", request_id="r3", operation="charges.list", method="GET", path="/v1/charges"),
    )
    notes = (Note(NOON + 10, "customer", "shop", "pays with visa", order=2), Note(NOON + 50, "shop", "shop", "killed"))
    told = History(
        story="s",
        merchant="m",
        orders=orders,
        charges=(charge,),
        journal=journal,
        notes=notes,
        order_by_event={"evt_2": "cart-2"},
    )
    assert [message.order for message in timeline(told)] == [2, 2, 2, 1, 1, 2, 0, 0]
    assert [line[:4].strip() for line in sequence.text(timeline(told))[1:]] == ["2", "2", "2", "1", "1", "2", "", ""]
    numbers = [text.text for text in ElementTree.fromstring(sequence.svg(timeline(told))).iter() if text.get("class") == "order"]  # noqa: S314 - our own
    assert numbers == ["2", "2", "2", "1", "1", "2"]
    alone = timeline(replace(told, orders=orders[1:]))
    assert not any(message.order for message in alone)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (86_400, "1 day passes"),
        (90_000, "1.04 days pass"),
        (60, "1 minute passes"),
        (1, "1 second passes"),
        (2.5, "2.5 seconds pass"),
    ],
)
def test_time_passes_in_the_unit_that_fits_it(seconds: float, told: str) -> None:
    [passed] = timeline(replace(HISTORY, journal=(entry(0, "control", action="clock.advance", seconds=seconds),), notes=()))
    assert passed.text == told


def attempts(times: int) -> list[Message]:
    """So many deliveries that were dropped, with growing pauses."""
    return [
        message
        for number in range(1, times + 1)
        for message in (
            Message(number, "gateway", "gateway", f"{number * 2} hours pass", "time"),
            Message(number, "gateway", "gateway", "drop at webhook.due", "fault"),
            Message(number, "gateway", "shop", f"charge.succeeded #{number} → dropped it", "broken"),
        )
    ]


def test_what_comes_again_and_again_is_folded_between_its_first_and_its_last_time() -> None:
    before, after = Message(0, "shop", "gateway", "charges.create", "ask"), Message(99, "shop", "customer", "PAID, 200", "ask")
    drawn = [message.text for message in folded([before, *attempts(10), after])]
    assert drawn == [
        *("charges.create", "2 hours pass", "drop at webhook.due", "charge.succeeded #1 → dropped it"),
        "… 8 more like these …",
        *("20 hours pass", "drop at webhook.due", "charge.succeeded #10 → dropped it", "PAID, 200"),
    ]


def test_what_differs_or_comes_three_times_is_not_folded() -> None:
    assert folded(attempts(3)) == attempts(3)
    answers = [Message(number, "gateway", "shop", text, "answer") for number, text in enumerate(["500", "503", "500", "201"])]
    assert folded(answers) == answers
    same = [Message(number, "shop", "gateway", "charges.list", "ask") for number in range(4)]
    assert [message.text for message in folded(same)] == ["charges.list", "… 2 more like this …", "charges.list"]
    assert folded([]) == []
