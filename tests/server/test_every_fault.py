"""Every kind of fault at every station where it makes sense, against a real process: what is heard, and all of it or nothing.

The cells come from the table itself, so that a new one without an expectation here fails.
"""

from collections.abc import Callable
from typing import Any

import pytest
from standardwebhooks import WebhookVerificationError

from gatecrash.faults.stations import STATIONS, table
from tests.server.aid import insist, pid_of, traces
from tests.server.wire import Heard, ask
from tests.support.client import Client
from tests.support.waiting import eventually
from tests.webhooks.receiver import Receiver, deliveries

CELLS = [(cell.station, cell.kind) for cell in table() if cell.why_not is None]
ON_REQUESTS = [cell for cell in CELLS if STATIONS[cell[0]].way == "request"]
ON_WEBHOOKS = [cell for cell in CELLS if STATIONS[cell[0]].way == "webhook"]
BEFORE = ("request.received", "operation.claimed", "operation.executed")
PARAMS: dict[str, dict[str, Any]] = {
    "crash": {"down_s": 0.01}, "hang": {"seconds": 0.05}, "delay": {"seconds": 0.05}, "drip": {"size": 50, "interval_s": 0.001},
    "status": {"status": 503}, "decline": {"decline_code": "lost_card"}, "rate_limit": {"limit": 1, "window_s": 3600},
}  # fmt: skip


class Expected:
    """What a client hears at `station`, where `whole` is the body of the true answer."""

    def __init__(self, station: str, heard: Heard, whole: bytes) -> None:
        self.station, self.heard, self.whole = station, heard, whole

    def nothing_before_the_answer(self) -> bool:
        if not self.station.startswith("response."):
            assert self.heard.raw == b""
            return True
        return False

    def crash(self) -> None:
        if not self.nothing_before_the_answer():
            assert self.whole.startswith(self.heard.body)

    def hang(self) -> None:
        assert not self.heard.reset
        if not self.nothing_before_the_answer():
            assert self.heard.body == self.whole[: len(self.whole) // 2]

    def delay(self) -> None:
        assert (self.heard.head[0], self.heard.body) == ("HTTP/1.1 201 Created", self.whole)

    drip = delay

    def reset(self) -> None:
        assert self.heard.reset
        self.crash()

    def close(self) -> None:
        assert not self.heard.reset
        if not self.nothing_before_the_answer():
            half = len(self.whole) // 2
            assert self.heard.body == (self.whole if self.station == "response.sent" else self.whole[:half])

    def truncate(self) -> None:
        assert self.heard.header("Content-Length") == str(len(self.whole))
        assert self.heard.body == self.whole[: len(self.whole) // 2]

    def garbage(self) -> None:
        true = {"response.partial": len(self.whole) // 2, "response.sent": len(self.whole)}.get(self.station)
        assert (self.heard.raw[:5] == b"HTTP/") == (true is not None)
        noise = self.heard.raw if true is None else self.heard.body[true:]
        assert noise
        assert all(byte >= 0x80 for byte in noise)

    def status(self) -> None:
        assert self.heard.head[0].split()[1] == "503"
        assert b'"injected"' in self.heard.body

    def decline(self) -> None:
        assert self.heard.head[0].split()[1] == "402"
        assert b'"lost_card"' in self.heard.body

    def rate_limit(self) -> None:
        assert self.heard.head[0].split()[1] == "429"
        assert self.heard.header("Retry-After") == "3600"


@pytest.mark.parametrize(("station", "kind"), ON_REQUESTS)
@pytest.mark.asyncio
async def test_a_request_is_struck_as_the_table_says(merchant: Client, station: str, kind: str) -> None:
    (await merchant.post("/_gatecrash/clock", {"mode": "frozen"})).expect(200)
    rule = await merchant.add_fault(station, kind, params=PARAMS.get(kind, {}), match={"operation": "charges.create"})
    if kind == "rate_limit":
        await merchant.charge()
    before = len((await traces(merchant)).charges)
    body = {"amount": 4200, "currency": "usd", "payment_nonce": await merchant.make_nonce(), "order_id": "one"}

    heard = await ask(merchant, "POST", "/v1/charges", body, Idempotency_Key="k", Connection="close")

    happened = station not in BEFORE or kind in ("delay", "decline")
    found = await traces(merchant)
    assert (len(found.charges), len(found.events)) == (before + happened, before + happened)
    shown = (await merchant.call("DELETE", f"/_gatecrash/faults/{rule}")).expect(200)
    assert shown["fired"] == 1
    # a merchant that heard nothing it can use asks again with the same key
    retried = (await merchant.post("/v1/charges", body, idem="k")).expect(402 if kind == "decline" else 201)
    assert ("Idempotent-Replayed" in retried.headers) == happened
    getattr(Expected(station, heard, retried.raw), kind)()
    found = await traces(merchant)
    made = (before + (kind != "decline"), before + 1)
    assert (found.transfers, len(found.charges), len(found.events), found.balanced) == (made[0], made[1], made[1], True)
    seen = [
        entry for entry in await merchant.journal() if entry.get("order_id") == "one" and entry["kind"] in ("request", "fault")
    ]
    assert [entry["kind"] for entry in seen][:2] == ["request", "fault"], "what was broken is in the journal, however it ended"
    assert (seen[1]["rule_id"], seen[1]["station"], seen[1]["fault"]) == (rule, station, kind)


# (station, kind) → how often the event arrives in all, and how many attempts are on record
WEBHOOKS: dict[tuple[str, str], tuple[int, int]] = {
    ("webhook.due", "crash"): (1, 1),
    ("webhook.sent", "crash"): (2, 1),
    ("webhook.acknowledged", "crash"): (2, 1),
    ("webhook.recorded", "crash"): (1, 1),
    ("webhook.sent", "hang"): (2, 2),
    ("webhook.due", "delay"): (1, 1),
    ("webhook.sent", "delay"): (1, 1),
    ("webhook.acknowledged", "delay"): (1, 1),
    ("webhook.sent", "reset"): (2, 2),
    ("webhook.sent", "close"): (2, 2),
    ("webhook.due", "drop"): (1, 2),
    ("webhook.sent", "drop"): (2, 2),
    ("webhook.acknowledged", "drop"): (2, 2),
    ("webhook.due", "duplicate"): (2, 1),
    ("webhook.recorded", "duplicate"): (2, 1),
    ("webhook.due", "hold"): (1, 1),
    ("webhook.due", "forge"): (2, 2),
    ("webhook.due", "tamper"): (2, 2),
    ("webhook.due", "stale"): (2, 2),
}
UNBELIEVABLE = ("forge", "tamper", "stale")


@pytest.mark.parametrize(("station", "kind"), ON_WEBHOOKS)
@pytest.mark.asyncio
async def test_a_webhook_is_struck_as_the_table_says(merchant: Client, shop: Receiver, station: str, kind: str) -> None:
    tellings, attempts = WEBHOOKS[station, kind]
    (await merchant.post("/_gatecrash/clock", {"mode": "frozen"})).expect(200)
    endpoint = await shop.register(merchant)
    shop.answers = [401, 200] if kind in UNBELIEVABLE else [200]
    rule = await merchant.add_fault(station, kind, params=PARAMS.get(kind, {}), match={"order_id": "one"})
    pid = await pid_of(merchant)
    body = {"amount": 4200, "currency": "usd", "payment_nonce": await merchant.make_nonce(), "order_id": "one"}
    charge = (await insist(lambda: merchant.post("/v1/charges", body, idem="k"))).expect(201)
    await eventually(told(merchant, lambda: insist(lambda: merchant.get(f"/_gatecrash/faults/{rule}")), "fired"))
    if kind == "crash":
        await eventually(lambda: died(merchant, pid))
    await merchant.charge(order_id="two")
    await shop.got(2 if (station, kind) not in (("webhook.due", "delay"), ("webhook.due", "drop")) else 1)
    await insist(lambda: merchant.post("/_gatecrash/clock/advance", {"seconds": 5}))

    hits = [hit for hit in shop.hits if hit.json["data"]["order_id"] == "one"]
    assert len(hits) == tellings
    (event,) = (await merchant.get("/v1/events?order_id=one"))["data"]
    assert {hit.id for hit in hits} == {event["id"]}
    assert event["data"]["id"] == charge["id"]
    (delivery,) = await deliveries(merchant, event["id"])
    assert (delivery["status"], len(delivery["attempts"])) == ("succeeded", attempts)
    for hit in hits[1:] if kind in UNBELIEVABLE else hits:
        assert hit.verified_by(endpoint["secret"])
    if kind in UNBELIEVABLE:
        with pytest.raises(WebhookVerificationError):
            hits[0].verified_by(endpoint["secret"])
    if kind == "hold":
        assert [hit.json["data"]["order_id"] for hit in shop.hits] == ["two", "one"]
    found = await traces(merchant)
    assert (len(found.charges), len(found.events), found.transfers, found.balanced) == (2, 2, 2, True)
    (struck,) = await merchant.journal("fault")
    assert (struck["rule_id"], struck["station"], struck["fault"], struck["fired"]) == (rule, station, kind, 1)


def told(merchant: Client, ask_for: Callable[[], Any], field: str) -> Callable[[], Any]:
    async def condition() -> bool:
        return bool((await ask_for())[field])

    return condition


async def died(merchant: Client, pid: int) -> bool:
    return await pid_of(merchant) != pid


def test_every_cell_of_the_table_has_its_expectation() -> None:
    assert set(WEBHOOKS) == set(ON_WEBHOOKS)
    assert all(hasattr(Expected, kind) for _, kind in ON_REQUESTS)
    assert len(CELLS) + sum(cell.why_not is not None for cell in table()) == len(table())
