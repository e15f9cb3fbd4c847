"""Disputes: while a bank has the money, neither goods nor money go out; a decision stands, whatever is told after it."""

from typing import Any

import pytest

pytestmark = pytest.mark.asyncio
DAY = 86400


async def charged_back(stage: Any) -> str:
    """An order of which one parcel has shipped and is disputed."""
    order = str(await stage.order(amount=4200, currency="usd", capture="later"))
    await stage.pay(order, "disputed")
    assert await stage.modify("ship", order, 2000) == 200
    await stage.client.advance(DAY + 1)
    return order


async def won(stage: Any, order: str) -> None:
    [dispute] = (await stage.client.get("/v1/disputes")).expect(200)["data"]
    (await stage.client.post(f"/v1/disputes/{dispute['id']}/evidence", {"text": "winning_evidence"})).expect(200)
    await stage.client.advance(4 * DAY)


@pytest.mark.parametrize("event_type", ["dispute.opened", "dispute.funds_withdrawn"])
async def test_nothing_ships_and_nothing_is_given_back_once_a_webhook_has_told(stage: Any, event_type: str) -> None:
    order = await charged_back(stage)
    assert await stage.deliver(await stage.event(event_type)) == 200

    assert await stage.modify("ship", order) == 409
    assert await stage.modify("refund", order, 100) == 409
    assert (await stage.see(order))["disputes"] == ["needs_response"]


async def test_what_is_left_ships_when_the_dispute_is_won(stage: Any) -> None:
    order = await charged_back(stage)
    await won(stage, order)
    for event_type in ("dispute.opened", "dispute.funds_withdrawn", "dispute.won"):
        assert await stage.deliver(await stage.event(event_type)) == 200

    assert await stage.modify("ship", order) == 200
    await stage.shop.until(order, status="PAID", amount_captured=4200, fulfilments=1)


async def test_old_news_of_a_dispute_does_not_open_it_again(stage: Any) -> None:
    order = await charged_back(stage)
    await won(stage, order)
    for event_type in ("dispute.won", "dispute.opened", "dispute.funds_withdrawn"):
        assert await stage.deliver(await stage.event(event_type)) == 200

    assert (await stage.see(order))["disputes"] == ["won"]
    assert await stage.modify("ship", order) == 200


async def test_an_inquiry_is_a_question_and_stops_nothing(stage: Any) -> None:
    order = str(await stage.order(amount=4200, currency="usd"))
    await stage.pay(order)
    event = {"id": "evt_1", "type": "dispute.opened", "timestamp": "2026-01-01T00:00:00Z"}
    data = {"id": "dp_1", "order_id": order, "stage": "inquiry", "status": "needs_response"}
    assert await stage.deliver({**event, "data": data}) == 200

    assert await stage.modify("refund", order, 100) == 200
