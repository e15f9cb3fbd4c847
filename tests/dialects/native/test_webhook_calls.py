"""Native calls about webhooks over HTTP: endpoints, rotation, events, deliveries, resending."""

from typing import Any

import pytest

from tests.support.client import Client

pytestmark = pytest.mark.asyncio

ENDPOINT = {
    "object", "id", "url", "events", "description", "status", "disabled_reason", "failing_since", "signature_scheme",
    "verify", "public_key", "created_at",
}  # fmt: skip
# nobody listens on the discard port of loopback
URL = "http://127.0.0.1:9/hook"


async def make(client: Client, **params: Any) -> dict[str, Any]:
    return dict((await client.post("/v1/webhook_endpoints", {"url": URL, **params})).expect(201).json)


async def test_an_endpoint_shows_its_secret_once(client: Client) -> None:
    made = await make(client, events=["charge.*", "refund.failed"], description="shop")
    assert made.keys() == ENDPOINT | {"secret"}
    assert made["secret"].startswith("whsec_")
    assert (made["events"], made["description"], made["status"]) == (["charge.*", "refund.failed"], "shop", "enabled")
    shown = (await client.get(f"/v1/webhook_endpoints/{made['id']}")).expect(200).json
    assert shown == {name: made[name] for name in ENDPOINT}
    assert (await client.get("/v1/webhook_endpoints"))["data"] == [shown]
    assert made["secret"] not in str(await client.journal())


async def test_an_endpoint_hears_everything_unless_told(client: Client) -> None:
    assert (await make(client))["events"] == ["*"]


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({}, "parameter_missing", "url"),
        ({"url": ""}, "parameter_invalid", "url"),
        ({"url": "shop.example"}, "parameter_invalid", "url"),
        ({"url": "ftp://127.0.0.1/"}, "parameter_invalid", "url"),
        ({"url": "http://"}, "parameter_invalid", "url"),
        ({"url": "http://127.0.0.1:99999/"}, "parameter_invalid", "url"),
        ({"url": "http://[::1"}, "parameter_invalid", "url"),
        ({"url": "http://user:pass@127.0.0.1/"}, "parameter_invalid", "url"),
        ({"url": "http://8.8.8.8/"}, "webhook_url_not_allowed", "url"),
        ({"url": "http://169.254.169.254/"}, "webhook_url_not_allowed", "url"),
        ({"url": "http://[::ffff:8.8.8.8]/"}, "webhook_url_not_allowed", "url"),
        ({"url": URL, "events": []}, "parameter_invalid", "events"),
        ({"url": URL, "events": ["charge.paid"]}, "parameter_invalid", "events"),
        ({"url": URL, "events": "*"}, "parameter_invalid", "events"),
        ({"url": URL, "secret": "mine"}, "parameter_invalid", "secret"),
        ({"url": URL, "secret": "whsec_" + "A" * 31}, "parameter_invalid", "secret"),
        ({"url": URL, "secret": "whsec_" + "A" * 33}, "parameter_invalid", "secret"),
        ({"url": URL, "secret": "A" * 32}, "parameter_invalid", "secret"),
        ({"url": URL, "secret": 1}, "parameter_invalid", "secret"),
        ({"url": URL, "signing_secret": "mine"}, "parameter_unknown", "signing_secret"),
    ],
)
async def test_an_endpoint_that_makes_no_sense_is_refused(client: Client, params: Any, code: str, param: str) -> None:
    (await client.post("/v1/webhook_endpoints", params)).refused(400, code, param)
    assert (await client.get("/v1/webhook_endpoints"))["data"] == []


@pytest.mark.parametrize("tail", ["", "AA==", "AAA="])
async def test_an_endpoint_may_bring_a_secret_of_its_own_which_nothing_shows_again(client: Client, tail: str) -> None:
    secret = "whsec_" + "c2VjcmV0" * 4 + tail
    made = await make(client, secret=secret)
    assert made["secret"] == secret
    assert secret not in str(await client.journal())
    assert "secret" not in (await client.get(f"/v1/webhook_endpoints/{made['id']}")).json


async def test_a_secret_that_is_refused_is_not_repeated(client: Client) -> None:
    reply = await client.post("/v1/webhook_endpoints", {"url": URL, "secret": "not-so-secret"})
    assert b"not-so-secret" not in reply.raw
    assert "not-so-secret" not in str(await client.journal())


async def test_rotation_gives_a_new_secret_and_shows_no_old_one(client: Client) -> None:
    made = await make(client)
    rotated = (await client.post(f"/v1/webhook_endpoints/{made['id']}/rotate_secret", {"overlap_s": 60})).expect(200).json
    assert rotated.keys() == ENDPOINT | {"secret"}
    assert rotated["secret"] != made["secret"]
    for bad in (-1, 10**9, "day"):
        reply = await client.post(f"/v1/webhook_endpoints/{made['id']}/rotate_secret", {"overlap_s": bad})
        reply.refused(400, "parameter_invalid", "overlap_s")


async def test_a_rotation_repeated_under_its_key_rotates_once(client: Client) -> None:
    made = await make(client)
    path = f"/v1/webhook_endpoints/{made['id']}/rotate_secret"
    first, again = [(await client.post(path, idem="k")).expect(200) for _ in range(2)]
    assert first.raw == again.raw


async def test_an_endpoint_that_is_deleted_is_gone(client: Client) -> None:
    made = await make(client)
    assert (await client.call("DELETE", f"/v1/webhook_endpoints/{made['id']}")).expect(200)["id"] == made["id"]
    (await client.call("DELETE", f"/v1/webhook_endpoints/{made['id']}")).refused(404, "resource_missing", "id")
    assert (await client.get("/v1/webhook_endpoints"))["data"] == []


async def test_an_event_shows_what_happened_as_it_was_then(client: Client) -> None:
    charge = await client.charge(order_id="o1", capture=False)
    await client.post(f"/v1/charges/{charge['id']}/capture")
    captured, authorized = (await client.get("/v1/events?order_id=o1")).expect(200)["data"]
    assert (captured["type"], authorized["type"]) == ("charge.captured", "charge.authorized")
    assert authorized.keys() == {"id", "type", "timestamp", "data"}
    assert authorized["data"] == charge
    assert (await client.get(f"/v1/events/{authorized['id']}")).expect(200).json == authorized


async def test_deliveries_tell_every_attempt(client: Client) -> None:
    endpoint = await make(client)
    await client.charge()
    await client.advance(5)
    event = (await client.get("/v1/events"))["data"][0]
    (delivery,) = (await client.get(f"/v1/events/{event['id']}/deliveries")).expect(200)["data"]
    assert delivery.keys() == {
        "object", "id", "event_id", "endpoint_id", "url", "status", "attempts", "next_attempt_at", "created_at",
    }  # fmt: skip
    assert (delivery["event_id"], delivery["endpoint_id"], delivery["url"]) == (event["id"], endpoint["id"], URL)
    assert delivery["status"] == "pending"
    assert [(attempt["attempt"], attempt["at"]) for attempt in delivery["attempts"]] == [
        (1, "2026-01-31T12:00:00.000Z"), (2, "2026-01-31T12:00:05.000Z"),
    ]  # fmt: skip
    assert all(attempt["error"] and "status" not in attempt for attempt in delivery["attempts"])
    assert delivery["next_attempt_at"] == "2026-01-31T12:05:05.000Z"


async def test_an_event_is_sent_again_to_one_endpoint_or_all(client: Client) -> None:
    one, two = await make(client), await make(client)
    await client.charge()
    event = (await client.get("/v1/events"))["data"][0]["id"]
    both = (await client.post(f"/v1/events/{event}/resend")).expect(202)
    assert [delivery["endpoint_id"] for delivery in both["data"]] == [one["id"], two["id"]]
    assert both["has_more"] is False
    only = (await client.post(f"/v1/events/{event}/resend", {"endpoint_id": two["id"]})).expect(202)
    assert [delivery["endpoint_id"] for delivery in only["data"]] == [two["id"]]
    reply = await client.post(f"/v1/events/{event}/resend", {"endpoint_id": "we_none"})
    reply.refused(404, "resource_missing", "endpoint_id")
    listed = (await client.get(f"/v1/events/{event}/deliveries?limit=4")).expect(200)
    assert (len(listed["data"]), listed["has_more"]) == (4, True)


async def test_an_update_changes_what_it_names_and_nothing_else(client: Client) -> None:
    made = await make(client, description="shop")
    path = f"/v1/webhook_endpoints/{made['id']}"
    shown = (await client.get(path)).json
    assert (await client.post(path, {})).expect(200).json == shown
    moved = (await client.post(path, {"url": "http://127.0.0.1:9/other", "events": ["refund.*"]})).expect(200).json
    assert moved == {**shown, "url": "http://127.0.0.1:9/other", "events": ["refund.*"]}
    off = (await client.post(path, {"status": "disabled", "description": ""})).expect(200).json
    assert (off["status"], off["disabled_reason"], off["description"]) == ("disabled", "an update call asked for it", "")
    again = (await client.post(path, {"status": "disabled"})).expect(200).json
    assert again == off
    on = (await client.post(path, {"status": "enabled"})).expect(200).json
    assert on == {**off, "status": "enabled", "disabled_reason": None}


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"url": "http://8.8.8.8/"}, "webhook_url_not_allowed", "url"),
        ({"url": "nowhere"}, "parameter_invalid", "url"),
        ({"events": ["charge.exploded"]}, "parameter_invalid", "events"),
        ({"events": []}, "parameter_invalid", "events"),
        ({"status": "asleep"}, "parameter_invalid", "status"),
        ({"secret": "whsec_x"}, "parameter_unknown", "secret"),
        ({"signature_scheme": "v1a"}, "parameter_unknown", "signature_scheme"),
    ],
)
async def test_an_update_that_makes_no_sense_is_refused(client: Client, params: dict[str, Any], code: str, param: str) -> None:
    made = await make(client)
    (await client.post(f"/v1/webhook_endpoints/{made['id']}", params)).refused(400, code, param)
    assert (await client.get(f"/v1/webhook_endpoints/{made['id']}"))["url"] == URL


async def test_what_is_not_there_cannot_be_updated(client: Client) -> None:
    (await client.post("/v1/webhook_endpoints/we_none", {"status": "enabled"})).refused(404, "resource_missing", "id")


async def test_a_key_pair_is_the_gateways_to_make(client: Client) -> None:
    secret = "whsec_" + "A" * 44
    reply = await client.post("/v1/webhook_endpoints", {"url": URL, "signature_scheme": "v1a", "secret": secret})
    assert secret not in reply.refused(400, "parameter_invalid", "secret")["detail"]
    (await client.post("/v1/webhook_endpoints", {"url": URL, "signature_scheme": "v2"})).refused(
        400, "parameter_invalid", "signature_scheme"
    )
