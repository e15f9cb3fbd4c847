"""Webhooks: how fast a gateway tells a fast receiver, and what a dead one costs those who pay."""

import asyncio
import json
import shutil
import socket
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

from gatecrash.core import endpoints, events, payments, tokens
from gatecrash.core.transaction import Context
from gatecrash.dialects.native.render import encode, event
from gatecrash.server.gateway import Gateway
from gatecrash.server.host import Host
from gatecrash.server.serving import DATABASE, vault_key
from gatecrash.store.sqlite import SqliteStore
from gatecrash.webhooks.schedules import STANDARD_WEBHOOKS
from tests.benchmarks.load import Request, measure

CARD = tokens.CreateToken(tokens.Card("4242424242424242", 12, 2040, "123"))


async def prepare(data: Path, sandbox_name: str, url: str | None, waiting: int, spare_nonces: int) -> tuple[list[str], bytes]:
    """A data folder in which `waiting` deliveries wait for an endpoint at `url`; unused nonces, and what a webhook's body is."""
    await asyncio.to_thread(data.mkdir)
    gateway = Gateway(SqliteStore(str(data / DATABASE), durable=False), Host(vault_key=vault_key(data, make=True)))
    await gateway.start()
    gateway.timekeeper.poke = lambda sandbox: None  # type: ignore[method-assign] - nothing is to be sent yet
    gateway.timers_changed = gateway.timekeeper.poke
    sandbox = gateway.sandbox(sandbox_name)

    def fill(ctx: Context) -> tuple[list[str], bytes]:
        nonce = tokens.create_token(ctx, CARD).id
        payments.create_charge(ctx, payments.CreateCharge(4200, "usd", nonce, order_id="order"))
        (told,) = ctx.tx.find(events.Event)
        if url is not None:
            endpoint = endpoints.create_endpoint(ctx, endpoints.CreateEndpoint(url))
            for _ in range(waiting):
                events.deliver(ctx, told, endpoint)
        return [tokens.create_token(ctx, CARD).id for _ in range(spare_nonces)], encode(event(told))

    made = await gateway.run(sandbox, fill)
    await gateway.close()
    return made


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


async def read(url: str) -> Any:
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        return await answer.json()


async def post_bare(url: str, body: bytes, count: int, connections: int) -> None:
    """The baseline: aiohttp's client, posting the same bodies over as many connections as the gateway may have."""
    left = iter(range(count))
    async with aiohttp.ClientSession() as http:

        async def one_after_another() -> None:
            for _ in left:
                async with http.post(url, data=body, headers={"Content-Type": "application/json"}) as answer:
                    await answer.read()

        await asyncio.gather(*(one_after_another() for _ in range(connections)))


async def deliveries(folder: Path, start: Callable[..., Any], receiver_port: int, rounds: int, count: int) -> None:
    """Deliveries a second to a fast receiver, of which `count` wait when the gateway starts."""
    url = f"http://127.0.0.1:{receiver_port}/"
    rates: dict[str, list[float]] = {"bare": [], "gateway": []}
    for turn in range(rounds + 1):
        data = folder / "deliveries"
        _, body = await prepare(data, "bench", url, count, 0)
        for name in rates:
            await read(url)
            if name == "bare":
                await post_bare(url, body, count, STANDARD_WEBHOOKS.in_flight)
                told = await read(url)
            else:
                server = start(data)
                async with aiohttp.ClientSession() as http:
                    while (await (await http.put(url)).json())["count"] < count:  # noqa: ASYNC110 - another process
                        await asyncio.sleep(0.05)
                told = await read(url)
                server.stop()
            assert told["count"] == count, told
            if turn:
                rates[name].append((count - 1) / told["seconds"])
        shutil.rmtree(data)
    ratios = [mine / bare for mine, bare in zip(rates["gateway"], rates["bare"], strict=True)]
    print(f"\nwebhooks to one receiver, {STANDARD_WEBHOOKS.in_flight} at a time; {rounds} rounds of {count:,}")
    print(f"{'bare aiohttp client, the same bodies':44}{statistics.median(rates['bare']):>11,.0f} per second")
    print(
        f"{'durable, signed deliveries':44}{statistics.median(rates['gateway']):>11,.0f} per second; "
        f"ratio {statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"
    )


def charges(nonces: list[str], label: str) -> list[Request]:
    made = []
    for number, nonce in enumerate(nonces):
        headers = {
            "Authorization": "Bearer sk_test_bench", "Content-Type": "application/json",
            "Idempotency-Key": f"{label}-{number:08x}-4f6b-8c1d",
        }  # fmt: skip
        body = json.dumps({"amount": 4200, "currency": "usd", "payment_nonce": nonce, "order_id": f"{label}-{number}"}).encode()
        made.append(Request("/v1/charges", headers, body))
    return made


async def beside_the_dead(folder: Path, start: Callable[..., Any], rounds: int, per_round: int, waiting: int) -> None:
    """Keyed charges a second while `waiting` events are undelivered to an endpoint that is dead, each way it can be."""
    silent = socket.create_server(("127.0.0.1", 0), backlog=4096)
    told: dict[str, str | None] = {
        "no endpoint": None,
        "an endpoint that never answers": f"http://127.0.0.1:{silent.getsockname()[1]}/",
        "an endpoint that refuses connections": f"http://127.0.0.1:{free_port()}/",
    }
    rates: dict[str, list[float]] = {name: [] for name in told}
    starts: dict[str, list[float]] = {name: [] for name in told}
    stops: dict[str, list[float]] = {name: [] for name in told}
    clock = asyncio.get_running_loop().time
    for turn in range(rounds + 1):
        for name, url in told.items():
            data = folder / "dead"
            nonces, _ = await prepare(data, "bench", url, waiting, per_round)
            server = start(data)
            rate, _ = await measure(server.port, charges(nonces, f"{turn}-{len(name)}"), 16, 201)
            began = clock()
            server.stop()
            if turn:
                rates[name].append(rate)
                starts[name].append(server.ready_s)
                stops[name].append(clock() - began)
            shutil.rmtree(data)
    silent.close()
    title = f"keyed durable charges with {waiting:,} events undelivered to"
    print(f"\n{title:62}{'per second':>11}{'ratio to no endpoint':>22}{'start s':>9}{'stop s':>8}")
    for name in told:
        ratios = [mine / free for mine, free in zip(rates[name], rates["no endpoint"], strict=True)]
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"
        print(
            f"{name:62}{statistics.median(rates[name]):>11,.0f}{spread:>22}"
            f"{statistics.median(starts[name]):>9.2f}{statistics.median(stops[name]):>8.2f}"
        )
