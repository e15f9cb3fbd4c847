"""`make bench`: keyed durable charges against a bare aiohttp JSON handler, empty and with 100,000 charges stored; webhooks
against a bare aiohttp client; and charges while 10,000 events wait for a dead endpoint.

Runs take turns (baseline, gateway, baseline, gateway …), so that a machine whose speed drifts spoils no ratio. What is
quoted is the median of the ratios; the spread stands beside it.
"""

import argparse
import asyncio
import json
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.request import urlopen

from gatecrash.core import payments, tokens
from gatecrash.core.transaction import Context
from gatecrash.server.gateway import Gateway
from gatecrash.server.host import Host
from gatecrash.server.serving import DATABASE, vault_key
from gatecrash.store.sqlite import SqliteStore
from tests.benchmarks import webhooks
from tests.benchmarks.load import Request, measure, measure_as_app

CONNECTIONS = 16
SANDBOX = "bench"

Measure = Callable[[int, list[Request], int, int], Awaitable[tuple[float, list[float]]]]


class Server:
    """A gateway process over a data folder."""

    def __init__(self, data: Path) -> None:
        url_file = data / "urls.json"
        began = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gatecrash", "serve", "--port", "0", "--data", str(data), "--url-file", str(url_file)],
            stdout=subprocess.DEVNULL,
        )
        while not url_file.exists():
            assert self.process.poll() is None, "the gateway did not start"
            time.sleep(0.001)
        self.ready_s = time.perf_counter() - began
        self.url = json.loads(url_file.read_text())["native"]
        self.port = int(self.url.rpartition(":")[2])
        self.worker = json.load(urlopen(self.url + "/healthz"))["pid"]

    def memory_mib(self) -> float:
        for line in Path(f"/proc/{self.worker}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise AssertionError("no VmRSS")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


class Other:
    """Another process that listens: a module of this package."""

    def __init__(self, name: str) -> None:
        self.port = webhooks.free_port()
        self.process = subprocess.Popen([sys.executable, "-m", f"tests.benchmarks.{name}", str(self.port)])
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.005)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


async def fill(data: Path, charges: int, spare_nonces: int) -> list[str]:
    """Store `charges` charges and `spare_nonces` unused nonces, through the core, in large groups; the unused nonces' ids."""
    gateway = Gateway(SqliteStore(str(data / DATABASE)), Host(vault_key=vault_key(data, make=True)))
    await gateway.start()
    sandbox = gateway.sandbox(SANDBOX)
    card = tokens.CreateToken(tokens.Card("4242424242424242", 12, 2040, "123"))

    def tokenize(ctx: Context) -> str:
        return tokens.create_token(ctx, card).id

    def store_charge(ctx: Context) -> None:
        params = payments.CreateCharge(4200, "usd", tokenize(ctx), order_id=f"stored-{ctx.ids.issued}")
        payments.create_charge(ctx, params)

    for start in range(0, charges, 1000):
        await asyncio.gather(*(gateway.run(sandbox, store_charge) for _ in range(min(1000, charges - start))))
    made: list[str] = []
    for start in range(0, spare_nonces, 1000):
        made += await asyncio.gather(*(gateway.run(sandbox, tokenize) for _ in range(min(1000, spare_nonces - start))))
    await gateway.close()
    return made


def charge(nonce: str, key: str) -> Request:
    headers = {"Authorization": f"Bearer sk_test_{SANDBOX}", "Content-Type": "application/json", "Idempotency-Key": key}
    body = json.dumps({"amount": 4200, "currency": "usd", "payment_nonce": nonce, "order_id": key[:12]}).encode()
    return Request("/v1/charges", headers, body)


def charges(nonces: list[str], label: str) -> list[Request]:
    return [charge(nonce, f"{label}-{i:08x}-4f6b-8c1d") for i, nonce in enumerate(nonces)]


def percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=4000, help="charges a round")
    parser.add_argument("--stored", type=int, default=100_000, help="charges stored already, for the large gateway")
    parser.add_argument("--undelivered", type=int, default=10_000, help="events that wait for a dead endpoint")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gatecrash-bench-") as folder:
        asyncio.run(compare(Path(folder), options.rounds, options.requests, options.stored))
        asyncio.run(compare_webhooks(Path(folder), options.rounds, options.requests, options.undelivered))


async def compare(folder: Path, rounds: int, per_round: int, stored: int) -> None:
    views: dict[str, Measure] = {"with sockets alone": measure, "as an app sees it, through aiohttp's client": measure_as_app}
    needed = per_round * (rounds + 1) * len(views)
    data = {"empty": folder / "empty", "large": folder / "large"}
    spare: dict[str, list[str]] = {}
    for name, count in (("empty", 0), ("large", stored)):
        data[name].mkdir()
        spare[name] = await fill(data[name], count, needed)
    titles = {"bare": "bare aiohttp JSON handler", "empty": "keyed durable charge", "large": f"the same, {stored:,} stored"}
    bare = Other("bare")
    servers = {name: Server(path) for name, path in data.items()}
    ports = {"bare": bare.port, **{name: server.port for name, server in servers.items()}}
    print(f"{CONNECTIONS} connections; {rounds} rounds of {per_round}; ratios are paired, round by round")
    try:
        for view, measured in views.items():
            rates: dict[str, list[float]] = {name: [] for name in ports}
            latencies: dict[str, list[float]] = {name: [] for name in ports}
            for turn in range(rounds + 1):  # the first is a warm-up
                for name, port in ports.items():
                    if name == "bare":
                        requests = [charge("nonce_0", "bare-000000")] * per_round
                    else:
                        nonces, spare[name] = spare[name][:per_round], spare[name][per_round:]
                        requests = charges(nonces, f"{name}-{len(spare[name])}")
                    rate, seen = await measured(port, requests, CONNECTIONS, 201)
                    if turn:
                        rates[name].append(rate)
                        latencies[name] += seen
            print_view(view, titles, rates, latencies)
        print()
        for name, server in servers.items():
            print(f"memory of the {name} gateway after the run: {server.memory_mib():.0f} MiB")
    finally:
        bare.stop()
        for server in servers.values():
            server.stop()
    starts = []
    for turn in range(7):
        fresh = folder / f"start-{turn}"
        fresh.mkdir()
        server = Server(fresh)
        starts.append(server.ready_s)
        server.stop()
        shutil.rmtree(fresh)
    print(f"start to ready: {statistics.median(starts):.2f} s ({min(starts):.2f}–{max(starts):.2f})")


async def compare_webhooks(folder: Path, rounds: int, per_round: int, undelivered: int) -> None:
    receiver = Other("receiver")
    try:
        await webhooks.deliveries(folder, Server, receiver.port, rounds, per_round)
    finally:
        receiver.stop()
    await webhooks.beside_the_dead(folder, Server, rounds, per_round, undelivered)


def print_view(view: str, titles: dict[str, str], rates: dict[str, list[float]], latencies: dict[str, list[float]]) -> None:
    print(f"\n{view:44}{'per second':>11}{'p50 ms':>9}{'p99 ms':>9}{'ratio to bare':>22}")
    for name, title in titles.items():
        ordered = sorted(latencies[name])
        print(
            f"{title:44}{statistics.median(rates[name]):>11,.0f}{percentile(ordered, 0.5):>9.2f}"
            f"{percentile(ordered, 0.99):>9.2f}{spread(rates[name], rates['bare']):>22}"
        )
    print(f"{'large to empty':44}{spread(rates['large'], rates['empty']):>51}")


def spread(these: list[float], those: list[float]) -> str:
    """The median of the paired ratios, and the range they fell in."""
    ratios = [this / that for this, that in zip(these, those, strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"


if __name__ == "__main__":
    main()
