"""What rests in the data folder: no signing secret can be read there, and each still works."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from tests.server.aid import insist, pid_of
from tests.support.client import Client
from tests.support.process import ServerProcess
from tests.support.waiting import eventually


@pytest.mark.asyncio
async def test_no_signing_secret_rests_in_clear_anywhere_and_a_retry_is_answered_with_it(
    http: aiohttp.ClientSession, start_server: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    server = start_server("--data", str(data))
    client = Client(http, server.url, "sealed")
    own = "whsec_" + "aGVsZCBieSBldmVyeWJvZHkgd2hvIHRlc3RzIGl0"
    url = "http://127.0.0.1:9/hook"
    made = await client.post("/v1/webhook_endpoints", {"url": url, "secret": own}, idem="make")
    drawn = await client.post("/v1/webhook_endpoints", {"url": url}, idem="draw")
    pair = (await client.post("/v1/webhook_endpoints", {"url": url, "signature_scheme": "v1a"})).expect(201)
    rotated = await client.post(f"/v1/webhook_endpoints/{made['id']}/rotate_secret", idem="rotate")
    (await client.post("/_gatecrash/sandboxes/sealed/snapshot", {"name": "kept"})).expect(201)
    await client.journal()  # what was noted is written
    secrets = [own, str(drawn["secret"]), str(rotated["secret"])]
    assert made["secret"] == own
    found = b"".join(path.read_bytes() for path in data.iterdir())
    assert made["id"].encode() in found, "it is there that they rest"
    for secret in [*secrets, "whsk_"]:
        assert secret.removeprefix("whsec_").encode() not in found
    os.kill(await pid_of(client), signal.SIGKILL)
    await eventually(lambda: pid_of(client))
    again = await insist(lambda: client.post("/v1/webhook_endpoints", {"url": url, "secret": own}, idem="make"))
    assert again.raw == made.raw
    assert (await client.post("/v1/webhook_endpoints", {"url": url}, idem="draw")).raw == drawn.raw
    listed = {one["id"]: one for one in (await client.get("/v1/webhook_endpoints"))["data"]}
    assert listed[pair["id"]]["public_key"] == pair["public_key"]
    (await client.post("/_gatecrash/sandboxes/sealed/restore", {"name": "kept"})).expect(200)
    assert (await client.get(f"/v1/webhook_endpoints/{pair['id']}"))["public_key"] == pair["public_key"]
