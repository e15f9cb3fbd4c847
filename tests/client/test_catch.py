"""The local receiver of webhooks: verified by it and by the public library alike, answered as it is told."""

import socket
import threading
import time
import urllib.error
import urllib.request

import pytest
from standardwebhooks import Webhook as PublicWebhook

from gatecrash.client import Sandbox, WaitTimeout
from gatecrash.client.catch import Answer, Caught, Webhook, flaw
from gatecrash.webhooks.signing.standard import signatures
from tests.support.waiting import until


def post(caught: Caught, body: bytes, headers: dict[str, str]) -> int:
    request = urllib.request.Request(caught.url, body, headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("gatecrash-catch")]


def test_a_webhook_is_caught_verified_and_whole(sandbox: Sandbox) -> None:
    with sandbox.webhooks.catch() as caught:
        charge = sandbox.charge(order_id="o-1")
        (webhook,) = caught.wait_for("charge.succeeded")
    assert (webhook.type, webhook.path, webhook.flaw) == ("charge.succeeded", "/webhooks", None)
    assert webhook.data["id"] == charge["id"]
    assert webhook.id == sandbox.events()[0]["id"]
    assert PublicWebhook(caught.secrets[0]).verify(webhook.body, dict(webhook.headers)) == webhook.json
    assert list(caught) == [webhook]


def test_only_the_events_that_are_asked_for_come(sandbox: Sandbox) -> None:
    with sandbox.webhooks.catch(events=["refund.*"], path="/only/refunds") as caught:
        charge = sandbox.charge()
        sandbox.request("POST", f"/v1/charges/{charge['id']}/refunds")
        (webhook,) = caught.wait_for()
        assert (webhook.type, webhook.path) == ("refund.succeeded", "/only/refunds")
        assert caught.of("charge.*") == []


def test_answers_are_given_in_turn_and_the_last_again_and_again(sandbox: Sandbox) -> None:
    sandbox.clock.freeze()
    with sandbox.webhooks.catch(answer=[500, Answer(closes=True), 204]) as caught:
        sandbox.charge()
        sandbox.clock.advance(3600)
        webhooks = caught.wait_for(count=3)
        assert len({webhook.id for webhook in webhooks}) == 1
        (delivery,) = sandbox.deliveries()
        assert delivery["status"] == "succeeded"
        assert [attempt.get("status") for attempt in delivery["attempts"]] == [500, None, 204]
        sandbox.charge()
        sandbox.clock.advance(0)
        assert len(caught.wait_for(count=4)) == 4


def test_a_function_may_decide_what_to_answer(sandbox: Sandbox) -> None:
    def answer(webhook: Webhook) -> int | Answer:
        if webhook.type == "charge.succeeded":
            return 200
        return Answer(503, {"Retry-After": "7"}, b"not now")

    sandbox.clock.freeze()
    with sandbox.webhooks.catch(answer=answer) as caught:
        charge = sandbox.charge()
        sandbox.request("POST", f"/v1/charges/{charge['id']}/refunds")
        sandbox.clock.advance(0)
        caught.wait_for(count=2)
        by_status = {delivery["status"]: delivery for delivery in sandbox.deliveries()}
        assert by_status["pending"]["attempts"][0]["excerpt"] == "not now"
        assert by_status["succeeded"]["attempts"][0]["status"] == 200


def test_what_is_forged_is_rejected_and_kept_apart(sandbox: Sandbox) -> None:
    with sandbox.webhooks.catch() as caught:
        now, body = str(int(time.time())), b'{"type": "charge.succeeded"}'
        right = signatures([caught.secrets[0]], "evt_1", now, body)
        assert post(caught, body, {"webhook-id": "evt_1", "webhook-timestamp": now, "webhook-signature": right}) == 200
        assert post(caught, body + b" ", {"webhook-id": "evt_1", "webhook-timestamp": now, "webhook-signature": right}) == 400
        assert post(caught, body, {}) == 400
        assert [one.id for one in caught.webhooks] == ["evt_1"]
        assert [one.flaw for one in caught.rejected] == [
            "no signature is right",
            "webhook-id, webhook-timestamp (Unix seconds) or webhook-signature is missing",
        ]


def test_a_timestamp_that_is_old_is_a_flaw() -> None:
    secret = "whsec_c2VjcmV0"
    headers = {"webhook-id": "evt_1", "webhook-timestamp": "1000", "webhook-signature": ""}
    headers["webhook-signature"] = "v1,bm8= " + signatures([secret], "evt_1", "1000", b"{}")
    assert flaw(headers, b"{}", ["whsec_b3RoZXI=", secret], now=1300) is None
    assert "more than 300 s off" in str(flaw(headers, b"{}", [secret], now=1301))
    assert "more than 300 s off" in str(flaw(headers, b"{}", [secret], now=699))


def test_waiting_in_vain_says_what_came(sandbox: Sandbox) -> None:
    with sandbox.webhooks.catch() as caught:
        sandbox.charge()
        caught.wait_for()
        post(caught, b"{}", {})
        with pytest.raises(WaitTimeout) as missed:
            caught.wait_for("charge.failed", timeout=0)
        assert len(caught.rejected) == 1
    said = str(missed.value)
    assert "a webhook of type 'charge.failed'" in said
    assert "charge.succeeded," in said
    assert "rejected" in said


def test_leaving_takes_endpoint_listener_and_threads_away_whatever_is_on_its_way(sandbox: Sandbox) -> None:
    with sandbox.webhooks.catch(answer=Answer(after_s=3600)) as caught:
        sandbox.charge()
        idle = socket.create_connection(("127.0.0.1", int(caught.url.rpartition(":")[2].partition("/")[0])))
        until(lambda: len(threads()) == 3)  # it accepts, holds one webhook and one connection
    idle.close()
    assert threads() == []
    assert sandbox.webhooks.list() == []
    with pytest.raises(urllib.error.URLError, match="refused"):
        post(caught, b"", {})


def test_it_leaves_also_when_the_block_fails_and_when_the_gateway_is_gone(sandbox: Sandbox) -> None:
    with pytest.raises(KeyboardInterrupt), sandbox.webhooks.catch():
        raise KeyboardInterrupt
    nobody = Sandbox("http://127.0.0.1:9", "me")
    with pytest.raises(ConnectionError), nobody.webhooks.catch():
        raise AssertionError("it was not registered")
    assert threads() == []


def test_arguments_that_cannot_be_are_named(sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match=r"path was 'hooks'"):
        sandbox.webhooks.catch(path="hooks")
    with pytest.raises(ValueError, match=r"host was '203\.0\.113\.7'"):
        sandbox.webhooks.catch(host="203.0.113.7")
