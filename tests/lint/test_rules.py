"""Every rule, over journals: traffic that trips it, and traffic that narrowly does not."""

import re
from typing import Any

import pytest

from gatecrash.core.clock import rfc3339
from gatecrash.lint import RULES, Linter, calls, lint
from gatecrash.lint.watches import LATE_MS, LONG_PAUSE_S, PATIENCE_S, POLLS, REFUSALS
from tests.lint.table import DOCUMENT, renewed

NOON = 1_769_860_800_000
Journal = list[dict[str, Any]]


class Writer:
    """Writes a journal as the gateway does. `at` is sandbox time, in seconds from noon."""

    def __init__(self) -> None:
        self.entries: Journal = []
        self.at = 0.0

    def note(self, kind: str, **fields: Any) -> None:
        at = rfc3339(NOON + round(self.at * 1000))
        self.entries.append({"seq": len(self.entries) + 1, "at": at, "kind": kind, **fields})

    def ask(self, operation: str = "charges.create", **fields: Any) -> str:
        request_id = f"req_{len(self.entries) + 1}"
        method, path = ("GET", "/v1/charges") if operation == "charges.list" else ("POST", "/v1/charges")
        if operation == "charges.get":
            method, path = "GET", "/v1/charges/txn_1"
        told = {"idempotency_key": "k1", "order_id": "o1", "amount": 4200, "source": "n1"}
        fixed = {
            "request_id": request_id, "operation": operation, "call": operation, "dialect": "native", "method": method,
            "path": path, "changes": method == "POST", "charge_id": None if operation.endswith((".list", ".create")) else "txn_1",
        }  # fmt: skip
        self.note("request", **{**fixed, **(told if method == "POST" else {"order_id": None}), **fields})
        return request_id

    def answer(self, request_id: str, status: int = 201, **fields: Any) -> None:
        self.note("answer", request_id=request_id, operation="charges.create", status=status, replayed=False, **fields)

    def lose(self, request_id: str) -> None:
        self.note("answer", request_id=request_id, operation="charges.create", broken="a fault rule broke the connection")

    def call(self, status: int = 201, operation: str = "charges.create", code: str | None = None, **fields: Any) -> None:
        self.answer(self.ask(operation, **fields), status, code=code)

    def deliver(self, status: int | None = 200, **fields: Any) -> None:
        told = {
            "delivery_id": "dlv_1", "event_id": "evt_1", "event_type": "charge.succeeded", "order_id": "o1",
            "endpoint_id": "we_1", "attempt": 1, "copy": False, "error": None, "latency_ms": 3.0,
        }  # fmt: skip
        outcome = "succeeded" if status is not None and 200 <= status < 300 else "failed"
        self.note("delivery", **{**told, "outcome": outcome, "status": status, **fields})

    def wait(self, seconds: float) -> "Writer":
        self.at += seconds
        return self


def found(writer: Writer, now: float | None = None) -> list[str]:
    """The codes of what is found at sandbox time `now`, a moment after the last entry unless told."""
    return [finding.rule for finding in lint(writer.entries, rfc3339(NOON + round((writer.at if now is None else now) * 1000)))]


@pytest.fixture
def writer() -> Writer:
    return Writer()


# --- keys


def test_a_charge_without_a_key_is_found_however_it_ended(writer: Writer) -> None:
    for status in (201, 402, 500):
        writer.call(status, idempotency_key=None, order_id=f"o{status}")
    assert found(writer) == ["post_without_key"] * 3


@pytest.mark.parametrize("operation", ["tokens.create", "client_tokens.create", "webhook_endpoints.create"])
def test_what_moves_nothing_needs_no_key(writer: Writer, operation: str) -> None:
    writer.call(201, operation, idempotency_key=None)
    assert found(writer) == []


def test_what_was_not_understood_is_not_blamed_for_a_key_that_nobody_read(writer: Writer) -> None:
    writer.call(400, code="parameter_missing", idempotency_key=None)
    writer.call(403, code="publishable_key_not_allowed", idempotency_key=None)
    assert found(writer) == ["publishable_key_misused"]


CODES = {
    "idempotency_key_reused": (422, "key_reused"),
    "card_number_in_request": (400, "card_number_sent"),
    "secret_key_not_allowed": (403, "card_number_sent"),
    "nonce_used": (400, "nonce_reused"),
    "parameter_unknown": (400, "unknown_field"),
    "idempotency_key_invalid": (400, "header_misused"),
    "publishable_key_not_allowed": (403, "publishable_key_misused"),
}


@pytest.mark.parametrize(("code", "status", "rule"), [(code, *expected) for code, expected in CODES.items()])
def test_what_the_gateway_refused_is_told_in_its_own_right(writer: Writer, code: str, status: int, rule: str) -> None:
    writer.call(status, code=code)
    assert found(writer) == [rule]


@pytest.mark.parametrize("code", ["parameter_invalid", "nonce_expired", "card_declined", "amount_invalid", None])
def test_other_refusals_are_no_findings(writer: Writer, code: str) -> None:
    writer.call(400, code=code)
    assert found(writer) == []


def test_a_header_that_nobody_reads_is_found(writer: Writer) -> None:
    writer.call(201, misused_headers=["X-Idempotency-Key"])
    writer.call(200, "charges.get", misused_headers=["Idempotency-Key"])
    findings = lint(writer.entries)
    assert [finding.rule for finding in findings] == ["header_misused"] * 2
    assert "X-Idempotency-Key" in findings[0].detail
    assert "GET or DELETE needs none" in findings[1].detail


# --- unknown outcomes


@pytest.mark.parametrize("key", ["k2", None])
def test_a_new_key_after_a_lost_answer_is_found(writer: Writer, key: str | None) -> None:
    writer.lose(writer.ask())
    writer.call(201, idempotency_key=key, source="n2")
    assert "new_key_after_unknown" in found(writer)


def test_a_new_key_after_a_5xx_a_crash_or_while_the_first_is_in_flight_is_found(writer: Writer) -> None:
    writer.call(500, order_id="failed")
    writer.call(201, order_id="failed", idempotency_key="k2")
    writer.ask(order_id="in flight")
    writer.call(201, order_id="in flight", idempotency_key="k3")
    writer.note("start")
    writer.call(201, order_id="in flight", idempotency_key="k4")
    assert found(writer).count("new_key_after_unknown") == 3


def test_a_new_key_is_good_after_an_answer_a_look_or_a_webhook(writer: Writer) -> None:
    writer.call(402, code="card_declined")
    writer.call(201, idempotency_key="k2")
    for close in (
        lambda: writer.call(200, "charges.list", order_id="o1"),
        lambda: writer.call(200, "charges.list"),
        lambda: writer.call(200, "charges.get"),
        lambda: writer.deliver(200, event_type="charge.failed"),
        # it had arrived, whatever became of the acknowledgement
        lambda: writer.deliver(None, event_type="charge.failed", error="a fault rule lost the answer"),
        lambda: writer.deliver(None, event_type="charge.failed", error="[Errno 104] Connection reset by peer"),
        # it had been acknowledged, and the gateway died before it wrote that down
        lambda: writer.note("fault", station="webhook.acknowledged", event_type="charge.failed", order_id="o1", fault="crash"),
        lambda: writer.call(201),
    ):
        writer.lose(writer.ask())
        close()
        writer.call(201, idempotency_key="k9")
    assert found(writer) == []


def test_a_webhook_that_tells_of_success_settles_an_outcome_and_is_no_leave_to_ask_again(writer: Writer) -> None:
    writer.lose(writer.ask())
    writer.deliver(200)
    assert lint(writer.entries, None) == []
    writer.call(201, idempotency_key="k2")
    assert found(writer) == ["new_key_after_unknown"]


def test_another_order_amount_or_nonce_is_another_matter(writer: Writer) -> None:
    writer.lose(writer.ask())
    writer.call(201, order_id="o2", idempotency_key="k2")
    writer.call(201, amount=1, idempotency_key="k3")
    writer.lose(writer.ask(order_id=None, idempotency_key="k4"))
    writer.call(201, order_id=None, source="n2", idempotency_key="k5")
    writer.call(201)
    writer.call(201, order_id=None, idempotency_key="k4")
    assert found(writer) == []


def test_a_refund_is_the_same_whether_its_order_is_told_or_not(writer: Writer) -> None:
    refund = {"operation": "refunds.create", "path": "/v1/charges/txn_1/refunds", "body": {"amount": 4200}}
    writer.lose(writer.ask(**refund, order_id="o1"))  # a fault rule was armed, so the gateway looked the order up
    writer.call(201, **refund, order_id=None, idempotency_key="k2")
    assert found(writer) == ["new_key_after_unknown"]


@pytest.mark.parametrize(
    ("operation", "path", "event_type"),
    [
        ("refunds.create", "/v1/charges/txn_1/refunds", "refund.succeeded"),
        ("charges.capture", "/v1/charges/txn_1/capture", "charge.captured"),
    ],
)
def test_a_part_that_a_webhook_told_of_is_done_and_the_next_one_is_another(
    writer: Writer, operation: str, path: str, event_type: str
) -> None:
    writer.lose(writer.ask(operation, path=path, charge_id="txn_1", amount=1000))
    writer.deliver(200)  # the charge itself has succeeded: that tells nothing of its parts
    lost = len(writer.entries)
    writer.deliver(200, event_type=event_type)
    writer.call(201, operation, path=path, charge_id="txn_1", amount=1000, idempotency_key="k2")
    assert found(writer) == []
    del writer.entries[lost]
    assert found(writer) == ["new_key_after_unknown"]


def test_a_429_says_that_nothing_was_done(writer: Writer) -> None:
    writer.call(429, code="rate_limited")
    writer.call(201, idempotency_key="k2")
    assert "new_key_after_unknown" not in found(writer)


def test_a_webhook_of_another_order_or_refused_or_a_look_at_another_order_settles_nothing(writer: Writer) -> None:
    writer.lose(writer.ask())
    writer.deliver(200, order_id="o2")
    writer.deliver(500)
    writer.deliver(500, event_type="charge.failed")
    writer.deliver(None, event_type="charge.failed", error="a fault rule dropped it")
    writer.deliver(None, event_type="charge.failed", error="Cannot connect to host")
    writer.call(200, "charges.list", order_id="o2")
    writer.call(201, idempotency_key="k2")
    assert found(writer) == ["new_key_after_unknown"]


@pytest.mark.parametrize(("status", "code"), [(500, None), (503, "gateway_gone"), (409, "idempotency_key_in_use"), (429, None)])
def test_an_outcome_that_nobody_asked_after_is_found_when_there_was_time(writer: Writer, status: int, code: str) -> None:
    writer.call(status, code=code)
    assert found(writer, PATIENCE_S - 0.001) == []
    assert found(writer, PATIENCE_S) == ["outcome_not_resolved"]
    assert [finding.rule for finding in lint(writer.entries, None)] == ["outcome_not_resolved"]


def test_an_outcome_that_was_asked_after_is_none(writer: Writer) -> None:
    writer.call(500)
    writer.call(201)
    writer.call(409, code="charge_not_capturable", order_id="o2", idempotency_key="k2")
    writer.call(409, code="idempotency_key_in_use", order_id="o3", idempotency_key="k3")
    writer.call(200, "charges.list", order_id="o3")
    assert lint(writer.entries, None) == []


def test_a_twin_that_was_told_to_wait_is_settled_by_the_answer_to_the_first(writer: Writer) -> None:
    first = writer.ask()
    writer.call(409, code="idempotency_key_in_use")
    writer.answer(first)
    assert lint(writer.entries, None) == []


# --- retries


def retry(writer: Writer, *pauses: float, status: int = 503, **fields: Any) -> None:
    writer.call(status, **fields)
    for pause in pauses:
        writer.wait(pause).call(status, **fields)
    writer.wait(0.001).call(200, "charges.list")


@pytest.mark.parametrize("pauses", [(0.1, 0.1, 0.1), (0.2, 0.1, 0.29), (0.01, 0.0, 0.0), (0.99, 0.99, 0.99)])
def test_retries_whose_pauses_do_not_grow_are_found_once(writer: Writer, pauses: tuple[float, ...]) -> None:
    retry(writer, *pauses, 0.1, 0.1)
    assert found(writer) == ["retry_without_backoff"]


def test_a_client_that_only_seems_to_wait_longer_at_first_is_found_once(writer: Writer) -> None:
    retry(writer, 0.004, 0.03, 0.004, *[0.005, 0.004] * 5)
    assert found(writer) == ["retry_without_backoff"]


@pytest.mark.parametrize(
    "pauses",
    [
        (0.01, 0.02, 0.04, 0.08),
        (0.1, 0.1),
        (0.1, 0.2, 0.4),
        (0.1, 0.05, 0.16),
        (0.1, 0.1, LONG_PAUSE_S),
        (2, 2, 2),
        (0.0, 0.0, 0.0),
    ],
)
def test_few_retries_growing_pauses_and_long_ones_are_good(writer: Writer, pauses: tuple[float, ...]) -> None:
    retry(writer, *pauses)
    assert found(writer) == []


def test_pauses_tell_nothing_while_the_clock_is_frozen_and_are_counted_in_real_time_when_it_is_scaled(writer: Writer) -> None:
    writer.note("control", action="clock", mode="frozen", rate=0.0)
    retry(writer, 0.1, 0.1, 0.1)
    writer.note("control", action="clock", mode="scaled", rate=0.05)
    retry(writer, 0.1, 0.1, 0.1, idempotency_key="k2")
    assert found(writer) == []
    writer.note("control", action="clock", mode="scaled", rate=100.0)
    retry(writer, 10, 10, 10, idempotency_key="k3")
    assert found(writer) == ["retry_without_backoff"]


def test_what_was_given_up_before_it_ended_tells_nothing_of_pauses(writer: Writer) -> None:
    writer.call(503)
    for _ in range(3):
        given_up = writer.wait(0.03).ask()  # and half a second later it is
        writer.wait(0.5).call(503)
        writer.lose(given_up)
    assert found(writer) == []


def give_up(writer: Writer, *steps: float, status: int | None = 201) -> None:
    """A call that is held for longer than its client waits, begun again after each of these steps; then all of them end."""
    asked = [writer.ask(), *(writer.wait(step).ask() for step in steps)]
    writer.wait(1)
    for request_id in asked:
        writer.answer(request_id, status) if status else writer.lose(request_id)


@pytest.mark.parametrize("status", [201, 503, None])
@pytest.mark.parametrize("steps", [(0.1, 0.1, 0.1), (0.05, 0.051, 0.059, 0.05, 0.05), (0.99, 0.99, 0.99)])
def test_a_client_that_gives_up_early_and_asks_again_in_step_is_found_once(
    writer: Writer, steps: tuple[float, ...], status: int | None
) -> None:
    give_up(writer, *steps, status=status)
    writer.call(200, "charges.list")
    assert found(writer) == ["retry_without_backoff"]


@pytest.mark.parametrize(
    "steps",
    [
        (0.51, 0.52, 0.54),  # half a second's patience, and pauses that double
        (0.1, 0.1, 0.12),
        (0.1, 0.1),
        (1.0, 1.0, 1.0),
        (0.0, 0.002, 0.001),  # several hands at once, which is no retry
    ],
)
def test_steps_that_grow_are_few_or_long_and_calls_of_one_moment_are_good(writer: Writer, steps: tuple[float, ...]) -> None:
    give_up(writer, *steps)
    writer.call(200, "charges.list")
    assert found(writer) == []


def test_steps_tell_nothing_while_the_clock_is_frozen_nor_after_an_answer_or_a_look(writer: Writer) -> None:
    writer.call(503)
    give_up(writer.wait(0.1), 0.1, 0.1, 0.1)
    give_up(writer, 0.1, 0.1)
    writer.wait(0.1).call(200, "charges.list")
    give_up(writer, 0.1, 0.1)
    writer.note("control", action="clock", mode="frozen", rate=0.0)
    give_up(writer, 0.1, 0.1, 0.1)
    assert found(writer) == []


def test_retries_at_once_are_found_though_the_clock_is_too_coarse_for_their_pauses(writer: Writer) -> None:
    for _ in range(4):
        held = writer.ask()
        writer.wait(0.05).lose(held)
    writer.call(200, "charges.list")
    assert found(writer) == ["retry_without_backoff"]


def test_who_looks_before_trying_again_begins_a_new_round(writer: Writer) -> None:
    retry(writer, 0.1, 0.1)
    writer.wait(0.1)
    retry(writer, 0.1, 0.1)
    assert found(writer) == []


def test_sending_again_what_was_answered_is_no_retry(writer: Writer) -> None:
    retry(writer, 0.1, 0.1, 0.1, 0.1, status=201)
    assert found(writer) == []


@pytest.mark.parametrize("status", [409, 429, 503])
def test_coming_back_before_retry_after_is_found(writer: Writer, status: int) -> None:
    code = "idempotency_key_in_use" if status == 409 else None
    writer.answer(writer.ask(), status, code=code, retry_after_s=2)
    writer.wait(1.9).call(201)
    assert found(writer) == ["retry_after_ignored"]


def test_coming_back_after_retry_after_is_good(writer: Writer) -> None:
    writer.answer(writer.ask(), 503, retry_after_s=2)
    writer.wait(2).call(201)
    writer.wait(0.1).call(201)
    writer.answer(writer.ask(idempotency_key="k2", order_id="o2"), 503, retry_after_s=None)
    writer.wait(0.1).call(201, idempotency_key="k2", order_id="o2")
    assert found(writer) == []


def poll(writer: Writer, times: int, every_s: float, **fields: Any) -> None:
    for _ in range(times):
        writer.wait(every_s).call(200, "charges.get", **fields)


def test_polling_more_often_than_ten_times_a_second_is_found(writer: Writer) -> None:
    poll(writer, POLLS + 1, 0.099)
    assert found(writer) == ["polling_too_hot"]


def test_ten_times_a_second_different_objects_and_a_clock_that_stands_are_good(writer: Writer) -> None:
    poll(writer, 50, 0.1)
    for number in range(50):
        poll(writer, 1, 0.001, path=f"/v1/charges/other_{number}")
    poll(writer, 50, 0, path="/v1/charges/frozen")
    assert found(writer) == []


# --- webhooks


def test_a_late_answer_to_a_webhook_and_none_in_time_are_found(writer: Writer) -> None:
    writer.deliver(200, latency_ms=LATE_MS + 1)
    writer.deliver(None, error="no answer within 15 s", latency_ms=15_000)
    assert found(writer) == ["webhook_answered_late"] * 2


def test_an_answer_just_in_time_one_that_a_fault_held_and_a_connection_refused_are_not(writer: Writer) -> None:
    writer.deliver(200, latency_ms=LATE_MS)
    writer.deliver(None, error="Connect call failed", latency_ms=20_000)
    struck = {"event_type": "charge.succeeded", "order_id": "o1", "attempt": 2}
    writer.note("fault", rule_id="rule_1", station="webhook.sent", fault="hang", params={}, fired=1, **struck)
    writer.deliver(None, error="no answer within 15 s", attempt=2)
    assert found(writer) == []


@pytest.mark.parametrize("status", [500, 404, 301])
def test_three_refused_webhooks_in_a_row_are_found_once(writer: Writer, status: int) -> None:
    for attempt in range(REFUSALS + 2):
        writer.deliver(status, attempt=attempt + 1)
    assert found(writer) == ["webhook_refused_repeatedly"]


def test_a_forged_webhook_is_rightly_refused(writer: Writer) -> None:
    for attempt in range(1, 9):
        struck = {"event_type": "charge.succeeded", "order_id": "o1", "attempt": attempt}
        writer.note("fault", rule_id="rule_1", station="webhook.due", fault="forge", params={}, fired=attempt, **struck)
        writer.deliver(401, attempt=attempt)
    assert found(writer) == []


def test_two_refusals_those_of_two_endpoints_and_lost_attempts_are_not(writer: Writer) -> None:
    for _ in range(3):
        for _ in range(REFUSALS - 1):
            writer.deliver(500)
        writer.deliver(204)
    for number in range(REFUSALS):
        writer.deliver(500, endpoint_id=f"we_{number}x")
        writer.deliver(None, error="a fault rule dropped it")
    assert found(writer) == []


# --- the table


def test_the_table_is_well_formed() -> None:
    codes = [rule.code for rule in RULES]
    assert len(set(codes)) == len(codes)
    for rule in RULES:
        assert re.fullmatch(r"[a-z_]{5,40}", rule.code)
        for text in (rule.says, rule.advice):
            assert text[0].isupper()
            assert text.endswith(".")


def test_a_finding_says_where_and_what_to_do(writer: Writer) -> None:
    writer.call(201, idempotency_key=None)
    (finding,) = lint(writer.entries)
    assert (finding.rule, finding.seq, finding.request_id) == ("post_without_key", 1, "req_1")
    assert (finding.operation, finding.order_id) == ("charges.create", "o1")
    assert (finding.says, finding.advice) == next((rule.says, rule.advice) for rule in RULES if rule.code == finding.rule)


def test_entries_of_kinds_to_come_are_passed_over(writer: Writer) -> None:
    writer.note("weather", rain=True)
    writer.note("finding", rule="post_without_key")
    linter = Linter()
    assert [linter.see(entry) for entry in writer.entries] == [[], []]
    assert linter.seq == 2


def test_a_long_journal_is_not_remembered_for_ever(writer: Writer) -> None:
    linter = Linter()
    for number in range(calls.REMEMBERED + 500):
        writer.entries.clear()
        writer.ask(idempotency_key=f"k{number}", order_id=f"o{number}")
        linter.see({**writer.entries[0], "request_id": f"req_{number}"})
    assert len(linter._calls) == calls.REMEMBERED


def test_the_table_in_the_docs_is_that_of_the_rules() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text == renewed(text), "run `python -m tests.lint.table`"
