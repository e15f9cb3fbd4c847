"""`gatecrash journal`: as a document, as lines, and followed; into pipes of readers that stay and of readers that leave."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import get_args, get_type_hints

import pytest

from gatecrash.cli.journal import KINDS
from gatecrash.client import Sandbox
from gatecrash.server.control import ReadJournal
from tests.cli.conftest import Cli
from tests.support.process import ServerProcess


def start(sandbox: Sandbox, *flags: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "gatecrash", "journal", "--url", sandbox.url, "--sandbox", sandbox.name, *flags]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture
def follow(cli: Cli) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def begin(*flags: str, sandbox: Sandbox | None = None) -> subprocess.Popen[str]:
        started.append(start(sandbox or cli.sandbox, "--follow", *flags))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def next_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")


def next_remark(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    return process.stderr.readline().rstrip("\n")


def test_every_kind_of_entry_can_be_asked_for() -> None:
    kinds = {name for option in get_args(get_type_hints(ReadJournal)["kind"]) for name in get_args(option)}
    assert set(KINDS) == kinds


def test_the_journal_is_one_document_or_a_line_an_entry(cli: Cli) -> None:
    cli.sandbox.charge(order_id="o-1", idempotency_key="k-1")
    entries = cli.json("journal")
    assert entries == cli.sandbox.journal()
    lines = cli("journal").stdout.splitlines()
    assert len(lines) == len(entries) == 4
    assert lines[2].split() == [
        "3", entries[2]["at"], "→", "POST", "/v1/charges", "order_id=o-1", "idempotency_key=k-1", "amount=4200"
    ]  # fmt: skip


def test_only_what_was_asked_for_is_shown(cli: Cli) -> None:
    for order in ("a", "b"):
        cli.sandbox.charge(order_id=order)
    assert {entry["kind"] for entry in cli.json("journal", "--kind", "answer")} == {"answer"}
    assert {entry["order_id"] for entry in cli.json("journal", "--order-id", "b")} == {"b"}
    assert [entry["seq"] for entry in cli.json("journal", "--after", "6")] == [7, 8]
    assert [entry["seq"] for entry in cli.json("journal", "--last", "3")] == [6, 7, 8]
    assert cli.json("journal", "-n", "0") == []
    assert "Nothing of that" in cli("journal", "--kind", "fault").stdout


def test_a_fault_is_told_where_it_struck(cli: Cli) -> None:
    cli("faults", "add", "operation.committed", "status", "--param", "status=503", "--match", "operation=charges.create")
    cli("trigger", "charge.succeeded", code=1)
    assert "✗ status at operation.committed of charges.create" in cli("journal", "--kind", "fault").stdout


def test_what_comes_is_followed_line_by_line(cli: Cli, follow: Callable[..., subprocess.Popen[str]]) -> None:
    cli.sandbox.charge(order_id="before")
    process = follow("--kind", "request", "-n", "1")
    assert "order_id=before" in next_line(process)
    cli.sandbox.charge(order_id="after")
    assert "/v1/tokens" in next_line(process)
    assert "order_id=after" in next_line(process)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_following_ends_when_it_is_told_to(cli: Cli, follow: Callable[..., subprocess.Popen[str]], number: int) -> None:
    cli.sandbox.charge()
    process = follow("--json", "-n", "1")
    assert json.loads(next_line(process)) == cli.sandbox.journal()[-1]
    process.send_signal(number)
    assert process.wait(10) == (0 if number == signal.SIGINT else -signal.SIGTERM)
    assert process.stderr is not None
    assert process.stderr.read() == ""


def test_following_goes_on_after_a_reset(cli: Cli, follow: Callable[..., subprocess.Popen[str]]) -> None:
    for _ in range(3):
        cli.sandbox.charge()
    process = follow("-n", "1")
    next_line(process)
    cli.sandbox.reset()
    cli.sandbox.charge(order_id="anew")
    assert "begins anew" in next_remark(process)
    seen = [next_line(process) for _ in range(4)]
    assert "order_id=anew" in seen[2]


def test_following_goes_on_after_a_crash_of_the_gateway(
    start_server: Callable[..., ServerProcess], follow: Callable[..., subprocess.Popen[str]]
) -> None:
    sandbox = Sandbox(start_server("--memory").url, "followed")
    sandbox.faults.add("operation.committed", "crash", params={"down_s": 1})
    process = follow("-n", "1", sandbox=sandbox)
    sandbox.clock.freeze()
    assert "clock" in next_line(process)
    with pytest.raises(ConnectionError):
        sandbox.nonce()
    assert "is gone" in next_remark(process)
    assert "is back" in next_remark(process)
    assert [next_line(process).split()[2] for _ in range(3)] == ["→", "✗", "·"]


@pytest.mark.parametrize("flags", [(), ("--json",), ("--follow",)])
def test_a_reader_that_leaves_is_no_error(cli: Cli, flags: tuple[str, ...]) -> None:
    for _ in range(200):
        cli.sandbox.request("GET", "/v1/charges")
    process = start(cli.sandbox, *flags)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    cli.sandbox.charge()
    assert process.wait(10) == 0
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stderr.close()
