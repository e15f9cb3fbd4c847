"""The sandbox clock over the wire: what falls due happens on it, at its own time, in every mode."""

import pytest

from gatecrash.core.records import Claim
from tests.support.client import Client
from tests.support.gateway import LiveGateway

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
    while (await client.get("/_gatecrash/clock"))["next_timer_at"] is not None:
        pass


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
