"""What oracles ask the journal for is kept: two runs of which the same is told are judged alike, whatever follows."""

from typing import Any

from gatecrash.harness.oracles.recollection import Recollection


def told(*entries: dict[str, Any]) -> set[tuple[object, ...]]:
    recollection = Recollection()
    for number, entry in enumerate(entries, 1):
        recollection.see({"seq": number, "at": f"2026-03-31T12:00:{number:02}.000Z", **entry})
    return set(map(tuple, map(_hashable, recollection.told())))


def _hashable(each: tuple[object, ...]) -> list[object]:
    return [tuple(part) if isinstance(part, list) else part for part in each]


def call(number: int, status: int | None, operation: str = "charges.create", key: str = "k1") -> list[dict[str, Any]]:
    method = "GET" if operation.endswith((".get", ".list")) else "POST"
    common = {"request_id": f"req_{number}", "operation": operation, "order_id": "o1"}
    asked = {"method": method, "path": "/v1/charges", "idempotency_key": key, "amount": 4200, "changes": method == "POST"}
    answered = {"status": status} if status else {"broken": "reset"}
    return [{"kind": "request", **common, **asked}, {"kind": "answer", **common, **answered}]


def test_a_lost_answer_that_was_asked_for_again_leaves_nothing_behind() -> None:
    lost, again = call(1, None), call(2, 201)
    assert told(*lost, *again) - told(*again) == {("answer", "charges.create", "o1", None)}


def test_an_outcome_that_is_unknown_is_kept_and_one_that_was_refused() -> None:
    assert told(*call(1, None)) != told(*call(1, 201))
    assert told(*call(1, 402)) != told(*call(1, 201))
    asked, answered = call(1, 400)
    assert told(asked, {**answered, "code": "nonce_expired"}) != told(asked, answered)


def test_what_parts_were_asked_for_is_kept_each_once() -> None:
    once, another = call(1, 201, "refunds.create"), call(2, 201, "refunds.create", key="k2")
    assert told(*once, *another) != told(*once)
    assert told(*once, *call(2, 201, "refunds.create")) == told(*once)


def test_whether_the_last_look_was_in_vain_is_kept() -> None:
    seen, dark = call(1, 200, "charges.list"), call(2, 503, "charges.list")
    assert told(*seen, *dark) != told(*dark, *seen)


def test_the_pauses_between_tries_are_kept_while_there_may_be_more() -> None:
    tries = [entry for number in range(1, 4) for entry in call(number, 503)]
    assert any(code == "retry_without_backoff" for code, *_ in told(*tries))
    assert not any(code == "retry_without_backoff" for code, *_ in told(*tries, *call(9, 201)))


def test_what_is_neither_asked_nor_answered_says_nothing() -> None:
    fault = {"kind": "fault", "station": "request.received", "operation": "charges.create", "status": "503", "fault": "status"}
    assert told(fault) == told()
