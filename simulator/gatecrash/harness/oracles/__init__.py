"""The oracles: judges of a finished run. A new one is a small function in a file here, and a row below."""

from gatecrash.harness.history import FAILED, PENDING, History, Order
from gatecrash.harness.oracles import liveness, practice, safety, trust
from gatecrash.harness.oracles._oracle import Oracle, Violation

__all__ = ["ORACLES", "Oracle", "Violation", "judge"]

ORACLES: dict[str, Oracle] = {
    found.code: found
    for found in (
        safety.charged_twice,
        safety.wrong_amount,
        safety.paid_without_charge,
        safety.fulfilled_twice,
        safety.acknowledged_and_lost,
        trust.forgery_believed,
        safety.regressed,
        safety.beyond_what_was_agreed,
        trust.leaked,
        safety.given_back_twice,
        safety.shipped_while_disputed,
        safety.books_differ,
        liveness.charged_never_paid,
        liveness.stuck,
        liveness.never_accepted,
        liveness.paid_never_fulfilled,
        liveness.no_second_card,
        liveness.refund_owed,
        practice.new_key_too_early,
        practice.storm,
        practice.one_key_for_two,
    )
}

#: The code of a story's own `expect`, which is not an oracle: it holds for that story only.
EXPECTATION = "expect"


def judge(history: History) -> list[Violation]:
    """All violations of a run, in the order of ORACLES.

    What the story itself expected and did not get is told when no oracle objects: else it says the same again.
    """
    asked = {code: each for code, each in ORACLES.items() if code not in history.not_asked}
    found = [Violation(code, message) for code, each in asked.items() for message in each.judge(history)]
    return found or [Violation(EXPECTATION, message) for message in _unmet(history)]


#: An unpaid order may be called either, whatever became of it: it can be tried again.
_UNPAID = frozenset({PENDING, FAILED})


def _unmet(history: History) -> list[str]:
    expect = {} if EXPECTATION in history.not_asked else history.expect or {}
    unmet = []
    for order in history.orders[:1]:
        if _ends_otherwise(history, order):
            continue
        status = expect.get("status", order.status)
        if status != order.status and not {status, order.status} <= _UNPAID:
            unmet.append(f"order {order.id}: expected to end {status}, it is {order.status}{_shown(order)}")
        if "captured" in expect and history.captured(order) != expect["captured"]:
            unmet.append(
                f"order {order.id}: expected {expect['captured']} captured, found {history.captured(order)}{_shown(order)}"
            )
    return unmet


def _shown(order: Order) -> str:
    """What the customer and the page were told on the way, step by step."""
    presses = ", then ".join(f"{each.card} was answered {each.told} ({each.detail or 'no status'})" for each in order.attempts)
    statuses = " → ".join(order.statuses)
    return f"; paying with {presses}; the page showed {statuses}" if presses else f"; the page showed {statuses or 'nothing'}"


def _ends_otherwise(history: History, order: Order) -> bool:
    """Whether a correct shop has led the story to another end: its customer left unpaid and unharmed, or staff asked early."""
    return liveness.left_unpaid(history, order) or any(history.too_early(ask, order) for ask in order.asks)
