"""The sandbox clock over the wire: what falls due happens on it, at its own time, in every mode."""

from typing import Any

import aiohttp
import pytest

from gatecrash.core import due, timers
from gatecrash.core.records import Claim
from tests.support.cards import token_of
from tests.support.client import Client
from tests.support.gateway import LiveGateway
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio
DAY = 86_400


async def freeze(client: Client, now: str = "2030-01-31T12:00:00Z") -> None:
    (await client.post("/_gatecrash/clock", {"mode": "frozen", "now": now})).expect(200)


@pytest.mark.parametrize("how", ["advanced", "set"])
async def test_a_jump_does_everything_on_the_way_at_the_time_it_was_due(client: Client, how: str) -> None:
    await freeze(client)
    await client.charge(capture=False)
    charge = await client.charge("refund_failing")
    (await client.post(f"/v1/charges/{charge['id']}/refunds")).expect(201)
    if how == "advanced":
        assert (await client.advance(30 * DAY))["timers_fired"] == 2
    else:
        (await client.post("/_gatecrash/clock", {"now": "2031-01-31T12:00:00Z"})).expect(200)
    await until_nothing_is_due(client)
    assert (await client.told())[-2:] == [
        ("refund.failed", "2030-01-31T12:10:00.000Z"),
        ("charge.expired", "2030-02-07T12:00:00.000Z"),
    ]


async def until_nothing_is_due(client: Client) -> None:
    async def nothing_is() -> bool:
        return (await client.get("/_gatecrash/clock"))["next_timer_at"] is None

    await eventually(nothing_is)


async def test_keys_past_their_life_are_removed_by_the_way(client: Client, gateway: LiveGateway) -> None:
    sandbox = gateway.gateway.sandbox(client.sandbox)

    async def keys() -> list[str]:
        return [claim.key for claim in await gateway.gateway.run(sandbox, lambda ctx: ctx.tx.find(Claim))]

    for key in ("a", "b"):
        await client.try_charge(idem=key)
    await client.advance(DAY - 1)
    await client.try_charge(idem="c")
    assert await keys() == ["a", "b", "c"]
    await client.advance(3600)
    await client.try_charge(idem="d")
    assert await keys() == ["c", "d"]
    (await client.try_charge(idem="a")).expect(201)


# --- every kind of timer, under every clock

# what is done → the timer of it → what is told in the end, days later
KINDS = {
    "charge.expires": "charge.expired",
    "charge.settles": "charge.failed",
    "refund.settles": "refund.succeeded",
    "refund.fails": "refund.failed",
    "dispute.lapses": "dispute.lost",
    "dispute.decided": "dispute.won",
    "subscription.retries": "subscription.canceled",
    "webhook.attempt": None,
}


async def begin(client: Client, kind: str) -> None:
    """Do what sets a timer of this kind, with nothing else to come after it than what comes of it."""
    if kind == "charge.expires":
        await client.charge(capture=False)
    elif kind == "charge.settles":
        await client.charge("bank_insufficient_funds")
    elif kind.startswith("refund."):
        charge = await client.charge("refund_pending" if kind == "refund.settles" else "refund_failing")
        (await client.post(f"/v1/charges/{charge['id']}/refunds")).expect(201)
    elif kind == "dispute.lapses":
        await client.charge("disputed")
    elif kind == "dispute.decided":
        await client.charge("disputed")
        await client.advance(DAY)
        dispute = (await client.get("/v1/disputes"))["data"][0]["id"]
        (await client.post(f"/v1/disputes/{dispute}/evidence", {"text": "winning_evidence"})).expect(200)
    elif kind == "subscription.retries":
        await client.subscribe(await client.save("bank_closed"))
    else:
        (await client.post("/v1/webhook_endpoints", {"url": "http://127.0.0.1:9/"})).expect(201)
        await client.charge()


async def test_every_kind_of_timer_is_tried() -> None:
    # they come before others, or for ever, or with more endpoints or deliveries than this
    chained = {"dispute.opens", "subscription.renews", "event.fans_out", "deliveries.cancel"}
    assert set(KINDS) | chained == {*due.HANDLERS, timers.WEBHOOK_ATTEMPT}


@pytest.mark.parametrize("mode", [{"mode": "auto"}, {"mode": "scaled", "rate": 1_000_000}, {"mode": "frozen"}, {"mode": "real"}])
@pytest.mark.parametrize("kind", KINDS)
async def test_everything_happens_under_every_clock(server_client: Client, kind: str, mode: dict[str, Any]) -> None:
    """A real process, with real time: an automatic clock and a fast one get there by themselves, the others are moved."""
    client = server_client
    (await client.post("/_gatecrash/clock", {"mode": "frozen"})).expect(200)
    await begin(client, kind)
    (await client.post("/_gatecrash/clock", mode)).expect(200)
    if mode["mode"] in ("frozen", "real"):
        await client.advance(100 * DAY)

    async def over() -> bool:
        return (await client.get("/_gatecrash/clock"))["next_timer_at"] is None

    await eventually(over)
    told = [name for name, _ in await client.told()]
    if (wanted := KINDS[kind]) is not None:
        assert told[-1] == wanted
    else:
        event = (await client.get("/v1/events"))["data"][0]["id"]
        (delivery,) = (await client.get(f"/v1/events/{event}/deliveries"))["data"]
        assert (delivery["status"], len(delivery["attempts"])) == ("failed", 10)
    assert (await client.books())["balanced"]


async def test_an_automatic_clock_does_not_run_away_with_a_subscription(server_client: Client) -> None:
    (await server_client.post("/_gatecrash/clock", {"mode": "auto"})).expect(200)
    subscription = await server_client.subscribe(await server_client.save())
    charge = await server_client.charge(capture=False)

    async def expired() -> bool:
        return (await server_client.get_charge(charge["id"]))["status"] == "expired"

    await eventually(expired)  # a jump of seven days, and none of a month
    found = (await server_client.get(f"/v1/subscriptions/{subscription['id']}")).json
    clock = (await server_client.get("/_gatecrash/clock")).json
    assert clock["next_timer_at"] == found["next_attempt_at"] == found["current_period_end"] > clock["now"]
    await server_client.advance(62 * DAY)
    assert len((await server_client.get(f"/v1/charges?subscription_id={subscription['id']}"))["data"]) == 3


async def test_a_month_is_renewed_at_its_own_time_by_a_clock_that_is_set(client: Client) -> None:
    await freeze(client)
    await client.subscribe(await client.save("mastercard"))
    (await client.post("/_gatecrash/clock", {"now": "2030-04-15T00:00:00Z"})).expect(200)

    async def renewed() -> bool:
        return len(await client.told()) == 6

    await eventually(renewed)
    assert (await client.told())[2:] == [
        (name, day) for day in ("2030-02-28T12:00:00.000Z", "2030-03-31T12:00:00.000Z")
        for name in ("charge.succeeded", "subscription.renewed")
    ]  # fmt: skip


async def test_a_thousand_years_of_renewals_are_refused_and_ten_are_done(client: Client) -> None:
    await freeze(client)
    subscription = await client.subscribe(await client.save(exp_year=2099))
    reply = await client.post("/_gatecrash/clock", {"now": "3030-01-01T00:00:00Z"})
    detail = reply.refused(400, "parameter_invalid", "now")["detail"]
    assert f"1000 years ahead, and subscription {subscription['id']} would be charged every month" in detail
    (await client.post("/_gatecrash/clock/advance", {"seconds": 3e10})).refused(400, "parameter_invalid", "seconds")
    assert (await client.get("/_gatecrash/clock"))["now"] == "2030-01-31T12:00:00.000Z"
    assert (await client.advance(10 * 365 * DAY))["timers_fired"] == 119
    assert (await client.books())["orders"][0]["net"] == 120 * 900


async def test_a_replay_says_processing_whatever_has_become_of_it(client: Client) -> None:
    nonce = await client.make_nonce("bank")
    first = (await client.try_charge(payment_nonce=nonce, idem="k")).expect(201)
    (await client.post(f"/v1/charges/{first['id']}/void")).expect(200)
    await client.advance(DAY - 1)
    again = (await client.try_charge(payment_nonce=nonce, idem="k")).expect(201)
    assert (again.raw, again["status"], again.headers["Idempotent-Replayed"]) == (first.raw, "processing", "true")
    assert (await client.get_charge(first["id"]))["status"] == "voided"
    await client.advance(1)
    (await client.try_charge(payment_nonce=nonce, idem="k")).refused(400, "nonce_used", "payment_nonce")


async def test_what_a_browser_was_given_expires_on_the_sandbox_clock(client: Client) -> None:
    await freeze(client)
    token = (await client.post("/v1/client_tokens"))["id"]
    nonces = [await client.make_nonce() for _ in range(2)]
    await client.advance(3599)
    (await client.post("/v1/tokens", token_of(), key=token)).expect(201)
    late = (await client.post("/v1/client_tokens"))["id"]
    (await client.post("/_gatecrash/clock", {"now": "2030-01-31T14:59:59Z"})).expect(200)
    (await client.post("/v1/tokens", token_of(), key=late)).refused(401, "client_token_invalid")
    (await client.try_charge(payment_nonce=nonces[0])).expect(201)
    await client.advance(1)
    (await client.try_charge(payment_nonce=nonces[1])).refused(400, "nonce_expired", "payment_nonce")


async def test_time_goes_on_where_it_was_after_a_restart(kept_gateway: LiveGateway, http: aiohttp.ClientSession) -> None:
    client = Client(http, kept_gateway.url, "kept")
    await client.subscribe(await client.save())
    await client.charge("disputed")
    await client.charge("bank")
    await kept_gateway.stop()
    kept_gateway.clock.advance(40 * DAY)
    await kept_gateway.start()
    await client.advance(0)
    assert (await client.told())[-7:] == [
        ("charge.processing", "2026-01-31T12:00:00.000Z"),
        ("dispute.opened", "2026-02-01T12:00:00.000Z"),
        ("dispute.funds_withdrawn", "2026-02-01T12:00:00.000Z"),
        ("charge.succeeded", "2026-02-03T12:00:00.000Z"),
        ("dispute.lost", "2026-02-08T12:00:00.000Z"),
        ("charge.succeeded", "2026-02-28T12:00:00.000Z"),
        ("subscription.renewed", "2026-02-28T12:00:00.000Z"),
    ]
