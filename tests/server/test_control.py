"""The control API: reset, fault rules, the clock, the journal, the books; with the secret key, on that key's sandbox."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from gatecrash.server.control import ROUTES
from tests.server.aid import NOTHING, traces
from tests.support.client import Client
from tests.support.waiting import eventually

CLOSED = [
    (route.method, route.path.replace("{id}", "rule_x").replace("{name}", "x").replace("{snapshot}", "x"))
    for route in ROUTES
    if route.whose != "nobody"
]


def test_the_routes_are_those_of_the_contract() -> None:
    assert {(route.method, route.path) for route in ROUTES if route.whose == "nobody"} == {
        ("GET", "/healthz"),
        ("GET", "/readyz"),
    }


@pytest.mark.parametrize(("method", "path"), CLOSED)
@pytest.mark.asyncio
async def test_only_the_secret_key_may(server_client: Client, method: str, path: str) -> None:
    (await server_client.call(method, path, key="pk")).refused(403, "publishable_key_not_allowed")
    (await server_client.call(method, path, key=None)).refused(401, "key_missing")
    (await server_client.call(method, path, key="nonsense")).refused(401, "key_invalid")
    token = (await server_client.post("/v1/client_tokens"))["id"]
    (await server_client.call(method, path, key=token)).refused(403, "publishable_key_not_allowed")


@pytest.mark.asyncio
async def test_alive_and_ready_need_no_key(server_client: Client) -> None:
    alive = (await server_client.get("/healthz", key=None)).expect(200).json
    assert alive["status"] == "ok"
    assert alive["pid"] > 1
    assert (await server_client.get("/readyz", key=None)).expect(200)["status"] == "ready"


@pytest.mark.asyncio
async def test_reset_empties_the_sandbox_and_starts_its_ids_over(server_client: Client) -> None:
    first = await server_client.charge(idem="k")
    await server_client.add_fault("request.received", "delay", params={"seconds": 0})
    await server_client.post("/v1/webhook_endpoints", {"url": "http://127.0.0.1:9/"})
    await server_client.post("/_gatecrash/clock", {"mode": "frozen", "now": "2030-01-01T00:00:00Z"})
    (await server_client.post("/_gatecrash/reset")).expect(200)
    assert await traces(server_client) == NOTHING
    for path in ("/v1/webhook_endpoints", "/v1/refunds", "/_gatecrash/faults"):
        assert (await server_client.get(path))["data"] == []
    clock = (await server_client.get("/_gatecrash/clock")).json
    assert clock["mode"] == "real"
    assert not clock["now"].startswith("2030")
    journal = await server_client.journal()
    assert all(entry["operation"].endswith(".list") for entry in journal), "what came after the reset"
    (await server_client.post("/_gatecrash/reset")).expect(200)
    again = await server_client.charge(idem="k")
    assert again["id"] == first["id"], "the same seed and the same requests give the same ids"


@pytest.mark.asyncio
async def test_fault_rules_are_added_shown_listed_removed_and_cleared(server_client: Client) -> None:
    ids = [await server_client.add_fault("webhook.due", "drop", match={"attempt": number}) for number in (1, 2, 3)]
    assert [rule["id"] for rule in (await server_client.get("/_gatecrash/faults"))["data"]] == ids
    shown = (await server_client.get(f"/_gatecrash/faults/{ids[1]}")).expect(200).json
    assert shown["match"] == {"attempt": 2}
    removed = await server_client.call("DELETE", f"/_gatecrash/faults/{ids[1]}")
    assert removed.expect(200).json == shown
    (await server_client.get(f"/_gatecrash/faults/{ids[1]}")).refused(404, "resource_missing", "id")
    (await server_client.call("DELETE", f"/_gatecrash/faults/{ids[1]}")).refused(404, "resource_missing", "id")
    assert (await server_client.call("DELETE", "/_gatecrash/faults")).expect(200)["cleared"] == 2
    assert (await server_client.get("/_gatecrash/faults"))["data"] == []


@pytest.mark.asyncio
async def test_the_books_tell_accounts_orders_and_transfers(server_client: Client) -> None:
    charge = await server_client.charge(amount=1000, order_id="a")
    await server_client.charge(amount=300, currency="eur", order_id="b")
    await server_client.try_charge("declined", order_id="c")
    (await server_client.post(f"/v1/charges/{charge['id']}/refunds", {"amount": 250})).expect(201)
    books = await server_client.books()
    assert books["balanced"] is True
    assert books["transfers"] == 3
    assert books["orders"] == [
        {"order_id": "a", "currency": "usd", "captured": 1000, "refunded": 250, "disputed": 0, "net": 750, "charges": 1},
        {"order_id": "b", "currency": "eur", "captured": 300, "refunded": 0, "disputed": 0, "net": 300, "charges": 1},
    ]
    balances = {(one["account"], one["currency"]): one["balance"] for one in books["accounts"]}
    assert sorted(balances.values()) == [-750, -300, 300, 750]


@pytest.mark.asyncio
async def test_the_journal_tells_what_happened_in_order(server_client: Client) -> None:
    await server_client.add_fault("operation.committed", "status", params={"status": 500}, match={"operation": "charges.create"})
    nonce = await server_client.make_nonce()
    asked = {"amount": 700, "currency": "usd", "payment_nonce": nonce, "order_id": "order-1"}
    await server_client.post("/v1/charges", asked, idem="k")
    await server_client.post("/v1/charges", asked, idem="k")
    journal = await server_client.journal()
    assert [entry["seq"] for entry in journal] == list(range(1, len(journal) + 1))
    assert [entry["kind"] for entry in journal] == ["request", "answer", "request", "fault", "answer", "request", "answer"]
    request, fault, answer = journal[2:5]
    assert (request["operation"], request["method"], request["path"]) == ("charges.create", "POST", "/v1/charges")
    assert (request["idempotency_key"], request["order_id"], request["amount"]) == ("k", "order-1", 700)
    assert request["body"] == asked
    assert (fault["station"], fault["fault"], fault["operation"]) == ("operation.committed", "status", "charges.create")
    assert (answer["request_id"], answer["status"], answer["replayed"]) == (request["request_id"], 500, False)
    assert (journal[6]["status"], journal[6]["replayed"]) == (201, True)
    assert all(datetime.fromisoformat(entry["at"]) for entry in journal)


@pytest.mark.asyncio
async def test_the_journal_is_read_in_pages_and_by_kind(server_client: Client) -> None:
    for _ in range(12):
        await server_client.get("/v1/charges")
    await server_client.advance(1)
    whole = await server_client.journal()
    read: list[dict[str, Any]] = []
    for _ in range(50):
        after = read[-1]["seq"] if read else 0
        page = (await server_client.get(f"/_gatecrash/journal?after={after}&limit=7")).expect(200).json
        read += page["data"]
        assert len(page["data"]) <= 7
        if not page["has_more"]:
            break
    assert read == whole
    assert [entry["kind"] for entry in await server_client.journal("control")] == ["control"]
    answers = (await server_client.get("/_gatecrash/journal?kind=answer&limit=5&after=4")).json
    assert answers["has_more"]
    assert [(entry["kind"], entry["seq"] > 4) for entry in answers["data"]] == [("answer", True)] * 5
    exact = (await server_client.get("/_gatecrash/journal?kind=request&limit=12")).json
    assert (len(exact["data"]), exact["has_more"]) == (12, False)
    beyond = (await server_client.get("/_gatecrash/journal?after=100000")).json
    assert beyond == {"data": [], "has_more": False}


@pytest.mark.asyncio
async def test_a_kind_is_that_of_the_entry_whatever_stands_in_it(server_client: Client) -> None:
    await server_client.charge(metadata={"kind": "delivery"})
    assert await server_client.journal("delivery") == []
    assert [entry["operation"] for entry in await server_client.journal("request")] == ["tokens.create", "charges.create"]


@pytest.mark.parametrize(
    ("query", "param"),
    [("limit=0", "limit"), ("limit=1001", "limit"), ("after=-1", "after"), ("kind=gossip", "kind"), ("limit=x", "limit")],
)
@pytest.mark.asyncio
async def test_a_question_to_the_journal_that_makes_no_sense_is_refused(server_client: Client, query: str, param: str) -> None:
    (await server_client.get(f"/_gatecrash/journal?{query}")).refused(400, "parameter_invalid", param)


async def now(client: Client) -> datetime:
    return datetime.fromisoformat((await client.get("/_gatecrash/clock"))["now"])


@pytest.mark.asyncio
async def test_a_frozen_clock_stands_and_moves_when_it_is_told(server_client: Client) -> None:
    clock = (
        (await server_client.post("/_gatecrash/clock", {"mode": "frozen", "now": "2031-02-03T04:05:06.789Z"})).expect(200).json
    )
    assert clock == {"mode": "frozen", "now": "2031-02-03T04:05:06.789Z", "rate": 0, "next_timer_at": None, "moving": None}
    assert (await server_client.charge())["created_at"] == "2031-02-03T04:05:06.789Z"
    moved = await server_client.advance(86400.5)
    assert (moved["now"], moved["mode"], moved["timers_fired"]) == ("2031-02-04T04:05:07.289Z", "frozen", 0)


@pytest.mark.asyncio
async def test_a_scaled_clock_runs_at_its_rate(server_client: Client) -> None:
    began = await now(server_client)
    charge = await server_client.charge(capture=False)
    (await server_client.post("/_gatecrash/clock", {"mode": "scaled", "rate": 1_000_000})).expect(200)
    assert charge["status"] == "authorized"

    async def expired() -> bool:
        return (await server_client.get_charge(charge["id"]))["status"] == "expired"

    await eventually(expired)  # seven days, in less than a second
    assert await now(server_client) - began >= timedelta(days=7)


@pytest.mark.asyncio
async def test_an_automatic_clock_jumps_to_what_falls_due_when_nothing_is_going_on(server_client: Client) -> None:
    charge = await server_client.charge(capture=False)
    (await server_client.post("/v1/webhook_endpoints", {"url": "http://127.0.0.1:9/"})).expect(201)
    began = await now(server_client)
    (await server_client.post("/_gatecrash/clock", {"mode": "auto"})).expect(200)

    async def settled() -> bool:
        return (await server_client.get("/_gatecrash/clock"))["next_timer_at"] is None

    await eventually(settled)
    assert (await server_client.get_charge(charge["id"]))["status"] == "expired"
    assert timedelta(days=9) < await now(server_client) - began < timedelta(days=12), "seven days, and three of retries"


@pytest.mark.asyncio
async def test_a_clock_that_is_moved_goes_on_from_there_in_real_time(server_client: Client) -> None:
    (await server_client.post("/_gatecrash/clock", {"now": "2030-06-01T00:00:00+02:00"})).expect(200)
    first = await now(server_client)
    assert first.isoformat().startswith("2030-05-31T22:00:0")

    async def later() -> bool:
        return await now(server_client) > first

    await eventually(later)


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("", {"mode": "fast"}, "mode"),
        ("", {"now": "yesterday"}, "now"),
        ("", {"now": "2030-01-01T00:00:00"}, "now"),
        ("", {"now": 5}, "now"),
        ("", {"now": "0001-01-01T00:00:00Z"}, "now"),
        ("", {"mode": "scaled", "rate": 0}, "rate"),
        ("", {"mode": "scaled", "rate": -1}, "rate"),
        ("", {"mode": "frozen", "rate": 2}, "rate"),
        ("", {"rate": 2}, "rate"),
        ("/advance", {"seconds": -1}, "seconds"),
        ("/advance", {"seconds": "1"}, "seconds"),
        ("/advance", {"seconds": 1e12}, "seconds"),
    ],
)
@pytest.mark.asyncio
async def test_a_time_that_makes_no_sense_is_refused_and_the_clock_is_as_it_was(
    server_client: Client, path: str, body: dict[str, Any], param: str
) -> None:
    (await server_client.post("/_gatecrash/clock", {"mode": "frozen"})).expect(200)
    before = (await server_client.get("/_gatecrash/clock")).json
    if body == {"rate": 2}:
        (await server_client.post("/_gatecrash/clock", {"mode": "real"})).expect(200)
    (await server_client.post(f"/_gatecrash/clock{path}", body)).refused(400, "parameter_invalid", param)
    if body != {"rate": 2}:
        assert (await server_client.get("/_gatecrash/clock")).json == before
