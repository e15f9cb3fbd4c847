"""A database that is deleted, replaced, truncated or damaged under the gateway: it is never silently another one."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from gatecrash.client import Sandbox
from tests.server.aid import insist, pid_of
from tests.support.client import Client
from tests.support.process import ServerProcess
from tests.support.waiting import eventually

DATABASE = "gatecrash.sqlite3"


def delete(data: Path) -> None:
    (data / DATABASE).unlink()


def delete_log(data: Path) -> None:
    (data / f"{DATABASE}-wal").unlink()


def delete_everything(data: Path) -> None:
    shutil.rmtree(data)


def replace(data: Path) -> None:
    other = data / "other"
    shutil.copy(data / DATABASE, other)
    other.replace(data / DATABASE)


def truncate(data: Path) -> None:
    os.truncate(data / DATABASE, 0)


def truncate_log(data: Path) -> None:
    os.truncate(data / f"{DATABASE}-wal", 0)


WAYS = {
    delete: "was deleted",
    delete_log: "was deleted",
    delete_everything: "was deleted",
    replace: "was replaced",
    truncate: "was truncated",
    truncate_log: "was truncated",
}


@pytest.mark.parametrize("spoil", WAYS)
@pytest.mark.asyncio
async def test_what_could_never_be_read_again_is_not_acknowledged(
    http: aiohttp.ClientSession, start_server: Callable[..., ServerProcess], tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    data = tmp_path / "data"
    server = start_server("--data", str(data))
    client = Client(http, server.url)
    await client.charge()
    await client.journal()  # all of that is written
    spoil(data)
    refused = (await client.get("/readyz", key=None)).refused(503, "not_ready")
    assert WAYS[spoil] in refused["detail"]
    (await client.try_charge(payment_nonce="nonce_1")).refused(503, "gateway_gone")
    (await client.get("/healthz", key=None)).expect(200)
    assert WAYS[spoil] in server.log
    assert "Traceback" not in server.log


@pytest.mark.parametrize("spoil", [delete, delete_log, delete_everything, replace, truncate])
@pytest.mark.asyncio
async def test_the_next_process_refuses_another_database_and_says_so(
    http: aiohttp.ClientSession, start_server: Callable[..., ServerProcess], tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    data = tmp_path / "data"
    server = start_server("--data", str(data))
    client = Client(http, server.url)
    await client.charge()
    worker = await pid_of(client)
    os.kill(worker, signal.SIGSTOP)  # it must not notice before it dies
    spoil(data)
    os.kill(worker, signal.SIGKILL)
    await eventually(lambda: server.process.poll() is not None)
    assert server.process.returncode == 2
    last = server.log.splitlines()[-1]
    assert WAYS[spoil] in last, server.log
    assert "Traceback" not in server.log
    assert not (data / DATABASE).exists() or spoil is not delete


@pytest.mark.asyncio
async def test_put_back_in_time_it_goes_on_as_if_nothing_had_been(
    http: aiohttp.ClientSession, start_server: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    data, away = tmp_path / "data", tmp_path / "away"
    server = start_server("--data", str(data))
    client = Client(http, server.url)
    charge = await client.charge()
    (data / DATABASE).rename(away)
    (await client.get("/readyz", key=None)).refused(503, "not_ready")
    away.rename(data / DATABASE)
    await eventually(lambda: ready(client))
    assert (await client.get("/v1/charges"))["data"][0]["id"] == charge["id"]
    os.kill(await pid_of(client), signal.SIGKILL)
    await eventually(lambda: ready(client))
    assert (await insist(lambda: client.get("/v1/charges")))["data"][0]["id"] == charge["id"]


async def ready(client: Client) -> bool:
    return (await insist(lambda: client.get("/readyz", key=None))).status == 200


@pytest.mark.asyncio
async def test_damage_that_is_met_only_while_it_runs_is_said_once_and_told_by_readyz(
    http: aiohttp.ClientSession, start_server: Callable[..., ServerProcess], tmp_path: Path
) -> None:
    data = tmp_path / "data"
    server = start_server("--data", str(data))
    client = Client(http, server.url, "damaged")
    for _ in range(3):
        await client.charge()
    server.stop()
    spoil_table(data / DATABASE, "charges")
    server = start_server("--data", str(data))
    client = Client(http, server.url, "damaged")
    for _ in range(3):
        refused = (await client.get("/v1/charges")).refused(503, "gateway_gone")
        assert "restore the database" in refused["detail"]
    (await client.get("/readyz", key=None)).refused(503, "not_ready")
    (await client.get("/healthz", key=None)).expect(200)
    assert server.log.count("is damaged") == 1
    assert "Traceback" not in server.log


def spoil_table(path: Path, table: str) -> None:
    """Write over the page that a table begins with."""
    db = sqlite3.connect(path)
    page, size = (
        db.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0],
        db.execute("PRAGMA page_size").fetchone()[0],
    )
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\x5a" * size)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("DROP TABLE fault_rules", "fault_rules"),
        ("DROP INDEX timers_by_due", "timers_by_due"),
        ("ALTER TABLE sandboxes RENAME COLUMN clock TO watch", "sandboxes"),
    ],
)
def test_a_damaged_schema_is_refused_at_the_start_in_one_line(tmp_path: Path, change: str, said: str) -> None:
    data = tmp_path / "data"
    server = ServerProcess(tmp_path, "--data", str(data))
    Sandbox(server.url, "me").charges()
    server.stop()
    db = sqlite3.connect(data / DATABASE)
    db.execute(change)
    db.commit()
    db.close()
    command = [sys.executable, "-m", "gatecrash", "serve", "--port", "0", "--data", str(data)]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 2
    assert len(refused.stderr.splitlines()) == 1, refused.stderr
    assert "is damaged" in refused.stderr
    assert said in refused.stderr
    assert "restore" in refused.stderr.lower()


def test_a_log_without_its_database_is_not_thrown_away(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = ServerProcess(tmp_path, "--data", str(data))
    log = (data / f"{DATABASE}-wal").read_bytes()
    server.stop()
    (data / DATABASE).unlink()
    (data / f"{DATABASE}-wal").write_bytes(log)
    command = [sys.executable, "-m", "gatecrash", "serve", "--port", "0", "--data", str(data)]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode == 2
    assert "is missing or empty" in refused.stderr
    assert (data / f"{DATABASE}-wal").read_bytes() == log
