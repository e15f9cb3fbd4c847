"""What a rule has done is durable before it strikes, so that a gateway that dies of it does not die of it again."""

import sqlite3
from pathlib import Path

import aiohttp
import msgspec
import pytest

from gatecrash.faults.rule import Rule
from tests.support.client import Client
from tests.support.gateway import LiveGateway


class Died(Exception):
    """Stands for the process's death, in a test that looks at what it leaves."""


def kept(path: Path) -> Rule:
    """The only rule, as it lies in the file: read from a copy, since the gateway keeps the file to itself."""
    copies = []
    for name in (path.name, path.name + "-wal"):
        copies.append(path.with_name("copy-of-" + name))
        copies[-1].write_bytes(path.with_name(name).read_bytes())
    with sqlite3.connect(copies[0]) as db:
        ((rule,),) = db.execute("SELECT rule FROM fault_rules").fetchall()
    db.close()
    return msgspec.json.decode(rule, type=Rule)


@pytest.mark.parametrize("station", ["request.received", "operation.claimed", "operation.executed", "operation.committed"])
@pytest.mark.asyncio
async def test_the_count_is_in_the_file_when_the_rule_strikes(http: aiohttp.ClientSession, tmp_path: Path, station: str) -> None:
    path = tmp_path / "gateway.sqlite3"
    at_death: list[Rule] = []

    def die(down_s: float) -> None:
        at_death.append(kept(path))
        raise Died

    live = LiveGateway(str(path), crash=die)
    await live.start()
    try:
        client = Client(http, live.url)
        await client.add_fault(station, "crash", nth=2, match={"operation": "charges.list"})
        for _ in range(2):
            await client.get("/v1/charges")
    finally:
        await live.stop()
    (rule,) = at_death
    assert (rule.seen, rule.fired) == (2, 1)


@pytest.mark.asyncio
async def test_counts_and_rules_are_taken_up_after_a_restart(http: aiohttp.ClientSession, kept_gateway: LiveGateway) -> None:
    client = Client(http, kept_gateway.url)
    asked = {"params": {"status": 503}, "match": {"operation": "charges.list"}}
    rule = await client.add_fault("request.received", "status", nth=2, times=2, **asked)
    before = [(await client.get("/v1/charges")).status for _ in range(2)]
    await kept_gateway.restart()
    after = [(await client.get("/v1/charges")).status for _ in range(2)]
    assert before + after == [200, 503, 503, 200]
    shown = (await client.get(f"/_gatecrash/faults/{rule}")).json
    assert (shown["seen"], shown["fired"]) == (3, 2)


@pytest.mark.asyncio
async def test_a_rule_that_was_removed_does_not_come_back(http: aiohttp.ClientSession, kept_gateway: LiveGateway) -> None:
    client = Client(http, kept_gateway.url)
    one, two, three = [await client.add_fault("response.sent", "close", times=None) for _ in range(3)]
    (await client.call("DELETE", f"/_gatecrash/faults/{two}")).expect(200)
    await kept_gateway.restart()
    assert [rule["id"] for rule in (await client.get("/_gatecrash/faults"))["data"]] == [one, three]
    (await client.call("DELETE", "/_gatecrash/faults")).expect(200)
    await kept_gateway.restart()
    assert (await client.get("/_gatecrash/faults"))["data"] == []
