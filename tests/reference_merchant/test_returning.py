"""Coming back from a redirect: the address proves nothing, it is a reason to ask."""

from typing import Any

import pytest

pytestmark = pytest.mark.asyncio


async def come_back(shop: Any, query: str) -> tuple[int, str]:
    async with shop.http.get(f"{shop.url}/return?{query}", allow_redirects=False) as answer:
        return answer.status, answer.headers.get("Location", "")


async def test_a_forged_return_pays_nothing(stage: Any) -> None:
    order = await stage.order()

    seen = await come_back(stage.shop, f"order_id={order}&status=succeeded&charge_id=txn_1&amount=4200")

    assert seen == (303, f"/?order_id={order}")
    assert (await stage.see(order))["status"] == "PENDING"


async def test_a_return_settles_what_was_unknown_whatever_it_claims(stage: Any) -> None:
    order = await stage.order()
    await stage.fault("operation.committed", "reset", times=2)
    assert (await stage.pay(order))[0] == 202
    await stage.open()

    assert (await come_back(stage.shop, f"order_id={order}&status=failed"))[0] == 303

    await stage.shop.until(order, status="PAID", fulfilments=1)


@pytest.mark.parametrize("query", ["", "order_id=", "order_id=nobody's", "order_id=%00"])
async def test_a_return_of_no_order_is_told_so(stage: Any, query: str) -> None:
    assert (await come_back(stage.shop, query))[0] == 404
