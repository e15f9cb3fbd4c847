"""A gateway killed at each station of a request: all of a charge or nothing of it, and a retry with its key charges once."""

import asyncio
from typing import Any

import aiohttp
import pytest

from tests.server.aid import NOTHING, insist, lost, pid_of, traces
from tests.support.client import Client, Reply
from tests.support.process import ServerProcess

BEFORE = ("request.received", "operation.claimed", "operation.executed")
AFTER = ("operation.committed", "response.partial", "response.sent")
QUICK = {"down_s": 0.01}


async def crash_at(merchant: Client, station: str, operation: str = "charges.create") -> str:
    return await merchant.add_fault(station, "crash", params=QUICK, match={"operation": operation})


async def charge(merchant: Client, nonce: str, **changes: Any) -> Reply:
    body = {"amount": 4200, "currency": "usd", "payment_nonce": nonce, "order_id": "order-1", **changes}
    return await merchant.post("/v1/charges", body, idem="attempt-1")


async def assert_charged_once(merchant: Client, replies: list[Reply]) -> None:
    """One charge with its event and transfer; and every answer to its key is the same bytes."""
    found = await traces(merchant)
    (charge,), (event,) = found.charges, found.events
    assert (charge["status"], charge["amount_captured"], charge["order_id"]) == ("succeeded", 4200, "order-1")
    assert (event["type"], event["data"]["id"]) == ("charge.succeeded", charge["id"])
    assert (found.transfers, found.balanced) == (1, True)
    assert {(reply.status, reply.raw) for reply in replies} == {(201, replies[0].raw)}
    assert replies[0]["id"] == charge["id"]


@pytest.mark.parametrize("station", BEFORE)
@pytest.mark.asyncio
async def test_a_crash_before_the_commit_leaves_nothing_and_a_retry_charges_once(merchant: Client, station: str) -> None:
    nonce = await merchant.make_nonce()
    rule = await crash_at(merchant, station)
    pid = await pid_of(merchant)
    with pytest.raises(aiohttp.ClientError):
        await charge(merchant, nonce)
    assert await traces(merchant) == NOTHING
    restarted = await pid_of(merchant)
    assert restarted != pid
    first = await charge(merchant, nonce)
    assert "Idempotent-Replayed" not in first.headers, "nothing was kept of the first try"
    second = await charge(merchant, nonce)
    assert second.headers["Idempotent-Replayed"] == "true"
    await assert_charged_once(merchant, [first, second])
    shown = (await merchant.get(f"/_gatecrash/faults/{rule}")).json
    assert (shown["seen"], shown["fired"]) == (1, 1)
    assert await pid_of(merchant) == restarted, "the rule did not strike again"


@pytest.mark.parametrize("station", BEFORE)
@pytest.mark.asyncio
async def test_a_crash_before_the_commit_leaves_no_claim_on_the_key(merchant: Client, station: str) -> None:
    nonce = await merchant.make_nonce()
    await crash_at(merchant, station)
    assert await lost(charge(merchant, nonce)) is None
    other = await insist(lambda: charge(merchant, nonce, amount=100))
    assert other.expect(201)["amount"] == 100, "the key is free for another request"


@pytest.mark.parametrize("station", AFTER)
@pytest.mark.asyncio
async def test_a_crash_from_the_commit_on_leaves_all_of_it_and_a_retry_replays(merchant: Client, station: str) -> None:
    nonce = await merchant.make_nonce()
    rule = await crash_at(merchant, station)
    pid = await pid_of(merchant)
    answered = await lost(charge(merchant, nonce))
    if station != "response.sent":
        assert answered is None
    restarted = await pid_of(merchant)
    assert restarted != pid
    assert len((await traces(merchant)).charges) == 1, "it is there before any retry"
    replies = [await charge(merchant, nonce) for _ in range(2)]
    assert all(reply.headers["Idempotent-Replayed"] == "true" for reply in replies)
    await assert_charged_once(merchant, [*replies, answered] if answered else replies)
    (await charge(merchant, nonce, amount=100)).refused(422, "idempotency_key_reused", "Idempotency-Key")
    (await merchant.try_charge(payment_nonce=nonce)).refused(400, "nonce_used", "payment_nonce")
    shown = (await merchant.get(f"/_gatecrash/faults/{rule}")).json
    assert shown["fired"] == 1
    assert await pid_of(merchant) == restarted


@pytest.mark.parametrize("station", BEFORE + AFTER)
@pytest.mark.asyncio
async def test_a_decline_is_all_or_nothing_too(merchant: Client, station: str) -> None:
    nonce = await merchant.make_nonce("insufficient_funds")
    await crash_at(merchant, station)
    await lost(charge(merchant, nonce))
    found = await traces(merchant)
    kept = station in AFTER
    assert [charge["status"] for charge in found.charges] == ["failed"] * kept
    assert [event["type"] for event in found.events] == ["charge.failed"] * kept
    assert found.transfers == 0
    retried = await charge(merchant, nonce)
    assert retried.expect(402)["decline_code"] == "insufficient_funds"
    assert ("Idempotent-Replayed" in retried.headers) == kept
    assert len((await traces(merchant)).charges) == 1


@pytest.mark.parametrize("station", BEFORE + AFTER)
@pytest.mark.parametrize("operation", ["charges.capture", "charges.void", "refunds.create"])
@pytest.mark.asyncio
async def test_other_operations_are_all_or_nothing(merchant: Client, station: str, operation: str) -> None:
    made = await merchant.charge(capture=operation == "refunds.create", amount=1000)
    path = {"charges.capture": "capture", "charges.void": "void", "refunds.create": "refunds"}[operation]
    before = await traces(merchant)
    await crash_at(merchant, station, operation)

    async def ask() -> Reply:
        return await merchant.post(f"/v1/charges/{made['id']}/{path}", {}, idem="once")

    await lost(ask())
    found = await traces(merchant)
    kept = station in AFTER
    assert len(found.events) == len(before.events) + kept
    assert found.transfers == before.transfers + (kept and operation != "charges.void")
    assert (found.charges != before.charges) == kept
    first, second = await ask(), await ask()
    assert first.raw == second.raw
    assert first.status in (200, 201)
    after = await traces(merchant)
    assert len(after.events) == len(before.events) + 1
    assert after.transfers == before.transfers + (operation != "charges.void")
    assert after.balanced
    (charge,) = after.charges
    state = (charge["status"], charge["amount_captured"], charge["amount_refunded"])
    assert state == {
        "charges.capture": ("succeeded", 1000, 0), "charges.void": ("voided", 0, 0), "refunds.create": ("succeeded", 1000, 1000),
    }[operation]  # fmt: skip


@pytest.mark.asyncio
async def test_a_single_request_can_bring_the_crash_in_its_header(merchant: Client) -> None:
    nonce = await merchant.make_nonce()
    body = {"amount": 4200, "currency": "usd", "payment_nonce": nonce, "order_id": "order-1"}
    fault = {"Gatecrash-Fault": "operation.committed=crash;down_s=0.01"}
    with pytest.raises(aiohttp.ClientError):
        await merchant.post("/v1/charges", body, idem="attempt-1", headers=fault)
    replies = [await insist(lambda: charge(merchant, nonce)) for _ in range(2)]
    await assert_charged_once(merchant, replies)


@pytest.mark.asyncio
async def test_connections_are_refused_while_it_is_down_and_it_comes_back_on_the_same_port(
    merchant: Client, mortal: ServerProcess
) -> None:
    await merchant.add_fault("request.received", "crash", params={"down_s": 2})
    began = asyncio.get_running_loop().time()
    with pytest.raises(aiohttp.ClientError):
        await merchant.get("/v1/charges")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", mortal.port)
    assert (await insist(lambda: merchant.get("/readyz")))["status"] == "ready"
    assert asyncio.get_running_loop().time() - began >= 2
    assert (await merchant.get("/v1/charges")).status == 200


@pytest.mark.asyncio
async def test_what_others_were_doing_survives_or_never_was(merchant: Client) -> None:
    """Forty charges in flight in one sandbox while another sandbox's request kills the process."""
    other = merchant.other()
    nonces = [await merchant.make_nonce() for _ in range(40)]
    await other.add_fault("operation.executed", "crash", params=QUICK)

    async def pay(number: int) -> Reply:
        body = {"amount": 100 + number, "currency": "usd", "payment_nonce": nonces[number], "order_id": f"order-{number}"}
        return await merchant.post("/v1/charges", body, idem=f"key-{number}")

    paying = (lost(pay(number)) for number in range(40))
    *answers, _ = await asyncio.gather(*paying, lost(other.try_charge(payment_nonce="nonce_x")))
    found = await traces(merchant)
    orders = [charge["order_id"] for charge in found.charges]
    assert len(orders) == len(set(orders)) == len(found.events) == found.transfers
    assert {f"order-{number}" for number, answer in enumerate(answers) if answer is not None} <= set(orders)
    again = [await pay(number) for number in range(40)]
    assert all(reply.status == 201 for reply in again)
    assert all(answer is None or answer.raw == reply.raw for answer, reply in zip(answers, again, strict=True))
    found = await traces(merchant)
    assert (len(found.charges), found.transfers, found.balanced) == (40, 40, True)
