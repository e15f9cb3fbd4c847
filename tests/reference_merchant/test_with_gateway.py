"""The shop and the real gateway: every fault that the gateway can make, and the books of both agree in the end."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from gatecrash.faults.stations import STATIONS
from tests.support.process import ServerProcess
from tests.support.waiting import PATIENCE_S, eventually

VISA, DECLINED = "4242424242424242", "4000000000000002"
SANDBOXES = itertools.count(1)


@pytest.fixture(scope="module")
def gateway_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    server = ServerProcess(tmp_path_factory.mktemp("gateway"), "--memory")
    yield server.url
    server.stop()


class Sandbox:
    """One test's private corner of the gateway, with the shop attached to it."""

    def __init__(self, url: str, shop: Any) -> None:
        self.url, self.shop, self.name = url, shop, f"shop{next(SANDBOXES)}"
        self.endpoint = ""

    async def call(self, method: str, path: str, body: Any = None, key: str = "sk") -> Any:
        """Ask the gateway; one that has just been crashed is waited for."""
        headers = {"Authorization": f"Bearer {key}_test_{self.name}"}
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    async with self.shop.http.request(method, self.url + path, json=body, headers=headers) as response:
                        answer = await response.json()
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0.02)
                    continue
                assert response.status < 300, answer
                return answer

    async def nonce(self, number: str = VISA) -> str:
        card = {"number": number, "exp_month": 12, "exp_year": 2040, "cvc": "123"}
        return str((await self.call("POST", "/v1/tokens", {"card": card}, key="pk"))["id"])

    async def fault(self, station: str, kind: str, **rule: Any) -> None:
        await self.call("POST", "/_gatecrash/faults", {"station": station, "kind": kind, **rule})

    async def until(self, condition: Callable[[list[Any]], Any]) -> None:
        """Wait until the deliveries in the gateway's journal meet a condition."""

        async def met() -> Any:
            return condition(await self.deliveries())

        await eventually(met)

    async def attach(self, *, webhooks: bool, **settings: Any) -> None:
        """Point the shop at this sandbox, and the sandbox's webhooks at the shop."""
        if webhooks:
            endpoint = await self.call("POST", "/v1/webhook_endpoints", {"url": self.shop.url + "/webhooks/payment"})
            self.endpoint, settings["webhook_secrets"] = endpoint["id"], (endpoint["secret"],)
        key = f"sk_test_{self.name}"
        await self.shop.restart(gateway_url=self.url, gateway_secret_key=key, gateway_timeout_s=0.5, **settings)

    async def advance(self, seconds: float) -> None:
        await self.call("POST", "/_gatecrash/clock/advance", {"seconds": seconds})

    async def charges(self, order_id: str) -> list[Any]:
        return list((await self.call("GET", f"/v1/charges?order_id={order_id}"))["data"])

    async def deliveries(self) -> list[Any]:
        data = (await self.call("GET", "/_gatecrash/journal?limit=1000"))["data"]
        return [entry for entry in data if entry["kind"] == "delivery"]

    async def paid_once(self, order_id: str, amount: int = 4200) -> None:
        """Wait until the order is paid and fulfilled; then one charge holds its money, and the books balance."""
        seen = await self.shop.until(order_id, status="PAID", fulfilments=1)
        assert seen["amount"] == amount
        holding = [each for each in await self.charges(order_id) if each["amount_captured"]]
        assert [each["amount_captured"] - each["amount_refunded"] for each in holding] == [amount]
        assert (await self.call("GET", "/_gatecrash/books"))["balanced"]


@pytest_asyncio.fixture
async def sandbox(gateway_url: str, shop: Any) -> AsyncIterator[Sandbox]:
    yield Sandbox(gateway_url, shop)


@pytest.mark.asyncio
async def test_a_good_card_pays_and_the_webhook_is_an_echo(sandbox: Sandbox, shop: Any) -> None:
    await sandbox.attach(webhooks=True)
    order = await shop.order()

    assert (await shop.pay(order, await sandbox.nonce()))[0] == 200

    await sandbox.paid_once(order)
    await sandbox.until(lambda seen: any(each.get("status") == 200 for each in seen))
    assert (await shop.see(order))["fulfilments"] == 1


@pytest.mark.asyncio
async def test_a_declined_card_and_then_a_good_one(sandbox: Sandbox, shop: Any) -> None:
    await sandbox.attach(webhooks=True)
    order = await shop.order()

    status, answer = await shop.pay(order, await sandbox.nonce(DECLINED))
    assert (status, answer["status"]) == (402, "FAILED")
    assert (await shop.pay(order, await sandbox.nonce()))[0] == 200

    await sandbox.paid_once(order)


@pytest.mark.asyncio
async def test_a_nonce_of_nobody_is_refused_and_the_order_stays_payable(sandbox: Sandbox, shop: Any) -> None:
    await sandbox.attach(webhooks=False)
    order = await shop.order()

    status, answer = await shop.pay(order, "nonce_of_nobody")

    assert (status, answer["error"]["code"], answer["status"]) == (400, "nonce_unknown", "FAILED")
    assert (await shop.pay(order, await sandbox.nonce()))[0] == 200


@pytest.mark.parametrize(
    ("station", "kind"),
    [
        (station, kind)
        for station in ("request.received", "operation.claimed", "operation.executed", "operation.committed", "response.sent")
        for kind in ("reset", "close", "hang", "crash", "status")
        if kind in STATIONS[station].kinds
    ],
)
@pytest.mark.asyncio
async def test_wherever_an_answer_is_lost_the_order_is_paid_once(sandbox: Sandbox, shop: Any, station: str, kind: str) -> None:
    await sandbox.attach(webhooks=False, reconcile_every_s=0.05)
    order, nonce = await shop.order(), await sandbox.nonce()
    params = {"status": {"status": 500}, "hang": {"seconds": 0.7}}.get(kind, {})
    await sandbox.fault(station, kind, params=params, match={"operation": "charges.create"})

    status, _ = await shop.pay(order, nonce)

    assert status in (200, 202)
    await sandbox.paid_once(order)


@pytest.mark.parametrize("kind", ["truncate", "garbage", "drip"])
@pytest.mark.asyncio
async def test_half_an_answer_is_no_answer(sandbox: Sandbox, shop: Any, kind: str) -> None:
    await sandbox.attach(webhooks=False, reconcile_every_s=0.05)
    order, nonce = await shop.order(), await sandbox.nonce()
    await sandbox.fault("operation.committed", kind, match={"operation": "charges.create"}, times=3)

    assert (await shop.pay(order, nonce))[0] in (200, 202)

    await sandbox.paid_once(order)


@pytest.mark.asyncio
async def test_with_reconciliation_resting_the_webhook_alone_pays(sandbox: Sandbox, shop: Any) -> None:
    await sandbox.attach(webhooks=True)
    order, nonce = await shop.order(), await sandbox.nonce()
    await sandbox.fault("operation.committed", "reset", match={"operation": "charges.create"}, times=None)

    assert (await shop.pay(order, nonce))[0] in (200, 202)

    await sandbox.paid_once(order)


@pytest.mark.parametrize("kind", ["forge", "tamper", "stale", "duplicate", "drop"])
@pytest.mark.asyncio
async def test_a_delivery_gone_wrong_is_not_acted_on_and_the_next_one_is(sandbox: Sandbox, shop: Any, kind: str) -> None:
    await sandbox.attach(webhooks=True)
    order, nonce = await shop.order(), await sandbox.nonce()
    await sandbox.fault("operation.committed", "reset", match={"operation": "charges.create"}, times=None)
    await sandbox.fault("webhook.due", kind, match={"event_type": "charge.succeeded"})

    await shop.pay(order, nonce)
    await sandbox.until(lambda seen: seen)
    if kind in ("forge", "tamper", "stale"):
        assert (await shop.see(order))["status"] == "PENDING"
    await sandbox.advance(3600)

    await sandbox.paid_once(order)


@pytest.mark.asyncio
async def test_a_webhook_before_its_order_is_sent_again(sandbox: Sandbox, shop: Any) -> None:
    await sandbox.attach(webhooks=True)
    body = {"amount": 900, "currency": "usd", "payment_nonce": await sandbox.nonce(), "order_id": "order_3"}
    await sandbox.call("POST", "/v1/charges", body)
    await sandbox.until(lambda seen: [each.get("status") for each in seen] == [409])

    orders = [await shop.order(amount=900) for _ in range(3)]
    assert "order_3" in orders
    await sandbox.advance(3600)

    await sandbox.paid_once("order_3", 900)


@pytest.mark.asyncio
async def test_a_signed_event_of_a_smaller_charge_does_not_pay(sandbox: Sandbox, shop: Any) -> None:
    await sandbox.attach(webhooks=True)
    order = await shop.order()
    body = {"amount": 1, "currency": "usd", "payment_nonce": await sandbox.nonce(), "order_id": order}
    await sandbox.call("POST", "/v1/charges", body)
    await sandbox.until(lambda seen: [each.get("status") for each in seen] == [200])

    assert (await shop.see(order))["status"] == "PENDING"


@pytest.mark.asyncio
async def test_a_secret_is_rotated_without_losing_an_event(sandbox: Sandbox, shop: Any) -> None:
    await sandbox.attach(webhooks=True)
    await sandbox.call("POST", f"/v1/webhook_endpoints/{sandbox.endpoint}/rotate_secret", {})
    await sandbox.fault("operation.committed", "reset", match={"operation": "charges.create"}, times=None)
    order = await shop.order()

    await shop.pay(order, await sandbox.nonce())  # the shop still has the old secret only

    await sandbox.paid_once(order)


@pytest.mark.asyncio
async def test_two_days_after_a_lost_answer_the_charge_is_found_and_not_repeated(sandbox: Sandbox, shop: Any) -> None:
    await sandbox.attach(webhooks=False)
    order, nonce = await shop.order(), await sandbox.nonce()
    await sandbox.fault("operation.committed", "reset", match={"operation": "charges.create"}, times=None)
    assert (await shop.pay(order, nonce))[0] == 202
    await sandbox.call("DELETE", "/_gatecrash/faults")

    await shop.stop()
    await sandbox.advance(2 * 86400)
    await shop.restart(reconcile_every_s=0.05)

    await sandbox.paid_once(order)


@pytest.mark.asyncio
async def test_two_days_after_a_dropped_request_the_order_can_be_paid_with_another_nonce(sandbox: Sandbox, shop: Any) -> None:
    await sandbox.attach(webhooks=False)
    order, nonce = await shop.order(), await sandbox.nonce()
    await sandbox.fault("request.received", "reset", match={"operation": "charges.create"}, times=2)
    assert (await shop.pay(order, nonce))[0] == 202

    await shop.stop()
    await sandbox.advance(2 * 86400)
    await shop.restart(reconcile_every_s=0.05)

    await shop.until(order, status="FAILED")
    assert (await shop.pay(order, await sandbox.nonce()))[0] == 200


@pytest.mark.parametrize("days", [0, 2])
@pytest.mark.asyncio
async def test_a_refund_whose_answer_is_lost_is_made_once(sandbox: Sandbox, shop: Any, days: int) -> None:
    await sandbox.attach(webhooks=False)
    order = await shop.order()
    await shop.pay(order, await sandbox.nonce())
    await sandbox.fault("operation.committed", "reset", match={"operation": "refunds.create"}, times=2)

    assert (await shop.call("POST", f"/orders/{order}/refund", {"amount": 1000}))[0] == 202
    await sandbox.advance(days * 86400 + 1)
    await shop.restart(reconcile_every_s=0.05)

    await shop.until(order, amount_refunded=1000)
    assert [each["amount_refunded"] for each in await sandbox.charges(order)] == [1000]


@pytest.mark.asyncio
async def test_a_full_refund_with_its_webhook_is_booked_once(sandbox: Sandbox, shop: Any) -> None:
    await sandbox.attach(webhooks=True)
    order = await shop.order()
    await shop.pay(order, await sandbox.nonce())

    status, answer = await shop.call("POST", f"/orders/{order}/refund")

    assert (status, answer["order"]["status"]) == (200, "REFUNDED")
    await sandbox.until(lambda seen: any(each["event_type"] == "refund.succeeded" for each in seen))
    assert (await shop.see(order))["amount_refunded"] == 4200


@pytest.mark.asyncio
async def test_a_charge_too_many_is_given_back_at_the_gateway(sandbox: Sandbox, shop: Any) -> None:
    await sandbox.attach(webhooks=True, reconcile_every_s=0.05)
    order = await shop.order()
    await shop.pay(order, await sandbox.nonce())

    body = {"amount": 4200, "currency": "usd", "payment_nonce": await sandbox.nonce(), "order_id": order}
    await sandbox.call("POST", "/v1/charges", body)

    async def given_back() -> bool:
        return sorted(each["amount_refunded"] for each in await sandbox.charges(order)) == [0, 4200]

    await eventually(given_back)
    assert (await shop.see(order))["status"] == "PAID"


@pytest.mark.asyncio
async def test_the_client_token_of_the_shop_makes_a_nonce_that_pays(sandbox: Sandbox, shop: Any) -> None:
    await sandbox.attach(webhooks=False)
    _, answer = await shop.call("GET", "/client-token")
    card = {"number": VISA, "exp_month": 12, "exp_year": 2040, "cvc": "123"}
    headers = {"Authorization": f"Bearer {answer['client_token']}"}
    async with shop.http.post(sandbox.url + "/v1/tokens", json={"card": card}, headers=headers) as response:
        nonce = (await response.json())["id"]

    assert (await shop.pay(await shop.order(), nonce))[0] == 200
