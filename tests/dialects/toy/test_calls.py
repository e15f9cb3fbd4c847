"""Another dialect's calls: forms, two steps, late modifications, keys of its own, and its own envelope for everything."""

import asyncio

import pytest

from tests.dialects.toy.speaker import Toy, done, refused
from tests.support.cards import CARDS
from tests.support.gateway import LiveGateway

pytestmark = pytest.mark.asyncio


async def test_a_confirmed_intent_is_a_charge_of_the_core(toy: Toy) -> None:
    intent = await toy.paid()
    assert (intent["state"], intent["taken"], intent["order"]) == ("taken", 4200, "o1")
    assert await toy.get(f"/intents/{intent['id']}") == intent
    assert await toy.get("/intents?order=o1") == [intent]
    books = await toy.control.books()
    assert (books["balanced"], books["orders"][0]["captured"]) == (True, 4200)
    charge = await toy.control.get_charge(intent["charge"])
    assert (charge["status"], charge["order_id"]) == ("succeeded", "o1"), "native shows the same money"


async def test_a_decline_is_a_result_and_another_card_may_be_tried(toy: Toy) -> None:
    intent = await toy.intent()
    declined = done(await toy.post(f"/intents/{intent}/confirm", card=await toy.card("declined")))
    assert (declined["state"], declined["why"]) == ("declined", "generic_decline")
    taken = done(await toy.post(f"/intents/{intent}/confirm", card=await toy.card()))
    assert (taken["state"], taken["why"]) == ("taken", None)
    refused(await toy.post(f"/intents/{intent}/confirm", card=await toy.card()), 422, "parameter_invalid")


async def test_one_call_may_do_both_steps_and_is_a_charge_then(toy: Toy) -> None:
    made = done(await toy.post("/intents", amount=100, currency="usd", confirm="true", card=await toy.card()))
    assert made["state"] == "taken"
    verbs = [(entry["call"], entry["operation"]) for entry in await toy.control.journal("request")]
    assert verbs == [("cards.create", "tokens.create"), ("intents.create", "charges.create")]


async def test_a_modification_is_received_now_and_done_by_a_timer(toy: Toy) -> None:
    intent = await toy.paid(hold="true")
    assert intent["state"] == "held"
    received = done(await toy.post(f"/intents/{intent['id']}/captures", amount=4000))
    assert (received["state"], received["what"]) == ("received", "capture")
    too_much = done(await toy.post(f"/intents/{intent['id']}/captures", amount=4200))
    assert (await toy.get(f"/intents/{intent['id']}"))["taken"] == 0
    await toy.control.advance(60)
    assert (await toy.get(f"/modifications/{received['id']}"))["state"] == "done"
    failed = await toy.get(f"/modifications/{too_much['id']}")
    assert (failed["state"], failed["why"]) == ("refused", "amount_exceeds_authorized")
    assert (await toy.get(f"/intents/{intent['id']}"))["taken"] == 4000
    done(await toy.post(f"/intents/{intent['id']}/refunds", amount=500))
    await toy.control.advance(60)
    assert (await toy.get(f"/intents/{intent['id']}"))["given_back"] == 500
    order = (await toy.control.books())["orders"][0]
    assert (order["captured"], order["refunded"]) == (4000, 500)


async def test_what_the_core_does_by_itself_is_heard_too(toy: Toy) -> None:
    intent = await toy.paid(hold="true")
    await toy.control.advance(8 * 24 * 3600)
    assert (await toy.get(f"/intents/{intent['id']}"))["state"] == "expired"


async def test_a_repeated_call_does_it_once_and_shows_the_state_of_now(toy: Toy) -> None:
    intent, card = await toy.intent(), await toy.card()
    path = f"/intents/{intent}/confirm"
    first = await toy.post(path, card=card, once="k1", hold="true")
    assert "Toy-Again" not in first.headers
    done(await toy.post(f"/intents/{intent}/captures", once="k1-capture"))
    await toy.control.advance(60)
    again = await toy.post(path, card=card, once="k1", hold="true")
    assert again.headers["Toy-Again"] == "yes"
    assert (done(first)["state"], done(again)["state"]) == ("held", "taken")
    assert len((await toy.control.get("/v1/charges"))["data"]) == 1


async def test_a_key_lives_as_long_as_its_policy_says_and_belongs_to_one_scope(toy: Toy) -> None:
    made = [done(await toy.post("/intents", amount=100, currency="usd", once="k"))["id"] for _ in range(2)]
    assert made[0] == made[1]
    done(await toy.post("/hooks", url="http://127.0.0.1:9/", once="k"))  # the same key, another scope
    await toy.control.advance(3600)
    assert done(await toy.post("/intents", amount=100, currency="usd", once="k"))["id"] != made[0]


async def test_another_request_under_a_used_key_is_refused_or_replayed_as_the_policy_says(toy: Toy) -> None:
    done(await toy.post("/intents", amount=100, currency="usd", once="k"))
    refused(await toy.post("/intents", amount=200, currency="usd", once="k"), 409, "idempotency_key_reused")
    one, other = [await toy.post("/hooks", url=f"http://127.0.0.1:9/{name}", once="k") for name in ("one", "other")]
    assert done(one)["id"] == done(other)["id"]
    assert other.headers["Toy-Again"] == "yes"


async def test_a_refused_call_frees_its_key(toy: Toy) -> None:
    intent = await toy.intent()
    refused(await toy.post(f"/intents/{intent}/confirm", card="nonce_of_nobody", once="k"), 422, "nonce_unknown")
    assert done(await toy.post(f"/intents/{intent}/confirm", card=await toy.card(), once="k"))["state"] == "taken"


async def test_every_refusal_is_in_the_envelope(toy: Toy) -> None:
    refused(await toy.call("GET", "/intents/nothing"), 404, "resource_missing")
    refused(await toy.call("GET", "/nowhere"), 404, "route_unknown")
    not_allowed = await toy.call("DELETE", "/intents")
    refused(not_allowed, 405, "method_not_allowed")
    assert not_allowed.headers["Allow"] == "GET, HEAD, OPTIONS, POST"
    refused(await toy.post("/intents", raw=b"\xff"), 400, "body_malformed")
    refused(await toy.post("/intents", raw=b"a=" + b"x" * 2**20), 413, "body_too_large")
    refused(await toy.post("/intents", amount=1, currency="usd", colour="red"), 422, "parameter_unknown")
    refused(await toy.call("GET", "/intents/x", headers={"Toy-Key": "sesame"}), 401, "key_invalid")
    refused(await toy.call("GET", "/intents/x", kind="page"), 403, "publishable_key_not_allowed")
    refused(await toy.call("GET", "/intents/x", headers={"Gatecrash-Fault": "nowhere=close"}), 422, "fault_rule_invalid")
    say = refused(await toy.post("/intents", amount=1, currency="usd", card=CARDS["visa"]), 422, "card_number_in_request")["say"]
    assert CARDS["visa"] not in say


async def test_a_port_of_its_own_speaks_nothing_else(toy: Toy, gateway: LiveGateway) -> None:
    own = Toy(toy.http, gateway.urls["toy"], toy.control)
    assert (await own.paid(order="o2"))["state"] == "taken"
    refused(await own.call("GET", "/v1/charges"), 404, "route_unknown")
    refused(await own.call("GET", "/_gatecrash/journal"), 404, "route_unknown")
    refused(await own.post("/intents", raw=b"a=" + b"x" * 2**20), 413, "body_too_large")
    reader, writer = await asyncio.open_connection("127.0.0.1", int(own.url.rpartition(":")[2]))
    writer.write(b"this is no HTTP\r\n\r\n")
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert b" 400 Bad Request" in head
    assert body.startswith(b'{"toy":1,"ok":false,"kind":"Refusal","why":"http_malformed"')
