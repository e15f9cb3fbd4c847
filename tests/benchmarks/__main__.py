"""`make bench`: keyed durable charges against a bare aiohttp JSON handler, empty and with 100,000 charges stored.

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
from pathlib import Path
from urllib.request import urlopen

from gatecrash.core import payments, tokens
from gatecrash.core.transaction import Context
from gatecrash.server.gateway import Gateway
from gatecrash.server.host import Host
from gatecrash.server.worker import DATABASE, vault_key
from gatecrash.store.sqlite import SqliteStore
from tests.benchmarks.load import measure, request

CONNECTIONS = 16
SANDBOX = "bench"


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


class Bare:
    """The baseline process."""

    def __init__(self, *flags: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process = subprocess.Popen([sys.executable, "-m", "tests.benchmarks.bare", str(self.port), *flags])
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
    gateway = Gateway(SqliteStore(str(data / DATABASE)), Host(vault_key=vault_key(data)))
    await gateway.start()
    sandbox = gateway.sandbox(SANDBOX)
    card = tokens.CreateToken(tokens.Card("4242424242424242", 12, 2040, "123"))

    def tokenize(ctx: Context) -> str:
        return tokens.create_token(ctx, card).id

    def charge(ctx: Context) -> None:
        params = payments.CreateCharge(4200, "usd", tokenize(ctx), order_id=f"stored-{ctx.ids.issued}")
        payments.create_charge(ctx, params)

    for start in range(0, charges, 1000):
        await asyncio.gather(*(gateway.run(sandbox, charge) for _ in range(min(1000, charges - start))))
    made: list[str] = []
    for start in range(0, spare_nonces, 1000):
        made += await asyncio.gather(*(gateway.run(sandbox, tokenize) for _ in range(min(1000, spare_nonces - start))))
    await gateway.close()
    return made


def charges(nonces: list[str], label: str) -> list[bytes]:
    return [
        request(
            "POST", "/v1/charges",
            json.dumps({"amount": 4200, "currency": "usd", "payment_nonce": nonce, "order_id": f"{label}-{i}"}).encode(),
            Authorization=f"Bearer sk_test_{SANDBOX}", Idempotency_Key=f"{label}-{i:08x}-4f6b-8c1d",
        )
        for i, nonce in enumerate(nonces)
    ]  # fmt: skip


def percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=4000, help="charges a round")
    parser.add_argument("--stored", type=int, default=100_000, help="charges stored already, for the large gateway")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="gatecrash-bench-") as folder:
        asyncio.run(compare(Path(folder), options.rounds, options.requests, options.stored))


async def compare(folder: Path, rounds: int, per_round: int, stored: int) -> None:
    needed = per_round * (rounds + 1)
    data = {"empty": folder / "empty", "large": folder / "large"}
    spare: dict[str, list[str]] = {}
    for name, count in (("empty", 0), ("large", stored)):
        data[name].mkdir()
        spare[name] = await fill(data[name], count, needed)
    try:
        import uvloop  # noqa: F401

        loop = "uvloop"
    except ImportError:
        loop = "asyncio"
    bare = Bare("--uvloop") if loop == "uvloop" else Bare()
    servers = {name: Server(path) for name, path in data.items()}
    ports = {"bare": bare.port, **{name: server.port for name, server in servers.items()}}
    body = json.dumps({"amount": 4200, "currency": "usd", "payment_nonce": "nonce_0", "order_id": "bare-0"}).encode()
    rates: dict[str, list[float]] = {name: [] for name in ports}
    latencies: dict[str, list[float]] = {name: [] for name in ports}
    try:
        for turn in range(rounds + 1):  # the first is a warm-up
            for name, port in ports.items():
                if name == "bare":
                    requests = [
                        request("POST", "/v1/charges", body, Authorization="Bearer x", Idempotency_Key="y" * 24)
                    ] * per_round
                else:
                    requests = charges(spare[name][turn * per_round : (turn + 1) * per_round], f"{name}-{turn}")
                rate, seen = await measure(port, requests, CONNECTIONS, 201)
                if turn:
                    rates[name].append(rate)
                    latencies[name] += seen
        print(
            f"event loop {loop}; {CONNECTIONS} connections; {rounds} rounds of {per_round}; ratios are paired, round by round\n"
        )
        print(f"{'':34}{'per second':>11}{'p50 ms':>9}{'p99 ms':>9}{'ratio to bare':>22}")
        for name, title in (("bare", "bare aiohttp JSON handler"), ("empty", "keyed durable charge"),
                            ("large", f"the same, {stored:,} stored")):  # fmt: skip
            ordered = sorted(latencies[name])
            ratios = [mine / base for mine, base in zip(rates[name], rates["bare"], strict=True)]
            spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"
            print(
                f"{title:34}{statistics.median(rates[name]):>11,.0f}{percentile(ordered, 0.5):>9.2f}"
                f"{percentile(ordered, 0.99):>9.2f}{spread:>22}"
            )
        sized = [large / empty for large, empty in zip(rates["large"], rates["empty"], strict=True)]
        print(f"\nlarge to empty: {statistics.median(sized):.2f} ({min(sized):.2f}–{max(sized):.2f})")
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


if __name__ == "__main__":
    main()
