"""Waiting for a condition on a sandbox."""

import importlib
import pkgutil
import threading

import pytest

import gatecrash.client
from gatecrash.client import GatewayError, Sandbox, WaitTimeout
from gatecrash.client.lines import lines


def test_it_gives_what_the_condition_gave(sandbox: Sandbox) -> None:
    sandbox.charge()
    assert sandbox.wait_for(lambda it: it.events(type="charge.succeeded"))[0]["type"] == "charge.succeeded"


def test_it_waits_for_what_happens_elsewhere(sandbox: Sandbox) -> None:
    looked = threading.Event()

    def paid(it: Sandbox) -> bool:
        looked.set()
        return bool(it.charges(order_id="o-1"))

    def pay() -> None:
        assert looked.wait(10)
        sandbox.charge(order_id="o-1")

    paying = threading.Thread(target=pay)
    paying.start()
    assert sandbox.wait_for(paid)
    paying.join()


def test_waiting_in_vain_says_for_what_and_what_was_seen_instead(sandbox: Sandbox) -> None:
    sandbox.charge(order_id="o-1")
    with pytest.raises(WaitTimeout) as vain:
        sandbox.wait_for(lambda it: it.events(type="charge.failed"), timeout=0.01)
    said = str(vain.value)
    assert said.startswith("waited 0.01 s for `")
    assert 'it.events(type="charge.failed")' in said
    assert "it last gave []" in said
    assert "→ POST /v1/charges order_id=o-1 amount=4200" in said
    assert "← 201 charges.create order_id=o-1" in said
    assert "/v1/events" not in said, "looking is not what happened"

    def refunded(it: Sandbox) -> bool:
        return bool(it.refunds())

    with pytest.raises(WaitTimeout, match=r"waited 0 s for refunded; it last gave False"):
        sandbox.wait_for(refunded, timeout=0)


def test_a_timeout_that_cannot_be_is_named(sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match="timeout was -1"):
        sandbox.wait_for(lambda it: True, timeout=-1)


def test_lines_tell_the_journal_to_people(sandbox: Sandbox) -> None:
    sandbox.faults.add("operation.committed", "status", params={"status": 500})
    with pytest.raises(GatewayError, match="500"):
        sandbox.request("POST", "/v1/client_tokens")
    with sandbox.webhooks.catch() as caught:
        sandbox.charge()
        caught.wait_for()
        (delivered,) = sandbox.wait_for(lambda it: it.journal(kind="delivery"))
    told = lines(sandbox.journal(), 1000)
    assert "→ POST /v1/client_tokens" in told[0]
    assert "✗ status at operation.committed" in told[1]
    assert "← 500 client_tokens.create" in told[2]
    assert any(f"⇢ charge.succeeded to {delivered['endpoint_id']}, attempt 1: succeeded status=200" in line for line in told)
    assert lines(sandbox.journal(), 1) == [f"… {len(told) - 1} lines before", told[-1]]


def test_only_look_ups_with_nothing_between_them_are_folded(sandbox: Sandbox) -> None:
    for _ in range(3):
        sandbox.charges()
        sandbox.events()
    sandbox.charge()
    sandbox.charges()
    told = [line.partition(" → ")[2] for line in lines(sandbox.journal(), 1000) if " → " in line]
    assert told[0] == "GET /v1/charges ← 200 charges.list ×3"
    assert told[1] == "GET /v1/events ← 200 events.list ×3"
    assert told[2].startswith("POST /v1/tokens")
    assert told[-1] == "GET /v1/charges"


@pytest.mark.parametrize("name", [each.name for each in pkgutil.iter_modules(gatecrash.client.__path__) if each.name != "errors"])
def test_no_frame_of_the_client_stands_between_a_failure_and_the_line_of_the_test(name: str) -> None:
    assert importlib.import_module(f"gatecrash.client.{name}").__tracebackhide__
