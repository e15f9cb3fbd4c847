"""A gateway of one's own: in a thread and as a process, started, used and gone without a trace."""

import asyncio
import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from gatecrash import AsyncSandbox, Gateway, GatewayError, GatewayStartError, GatewayUnreachable, RuleNeverStruck, Sandbox
from tests.support.waiting import PATIENCE_S, until

BOTH = pytest.mark.parametrize("process", [False, True], ids=["thread", "process"])


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("gatecrash")]


def runs(pid: int) -> bool:
    """Whether it is there, and no zombie."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@BOTH
def test_it_serves_for_as_long_as_the_block_lasts(process: bool) -> None:
    with Gateway(process=process) as gateway:
        sandbox = gateway.sandbox()
        sandbox.charge(order_id="o-1")
        assert sandbox.charges(order_id="o-1")
        assert sandbox.urls == gateway.urls
        assert gateway.urls["native"] == gateway.url == sandbox.url
    assert threads() == []
    with pytest.raises(GatewayUnreachable):
        type(sandbox)(sandbox.url, "me").charges()


@BOTH
def test_each_sandbox_is_fresh_and_one_may_be_named(process: bool) -> None:
    with Gateway(process=process) as gateway:
        gateway.sandbox().charge()
        assert gateway.sandbox().charges() == []
        gateway.sandbox("mine").charge()
        assert len(gateway.sandbox("mine").charges()) == 1


def test_the_same_seed_gives_the_same_run() -> None:
    def ids(seed: str | int) -> list[str]:
        with Gateway(seed=seed) as gateway:
            return [gateway.sandbox().charge()["id"] for _ in range(2)]

    assert ids(7) == ids("7") != ids(8)


@BOTH
def test_state_in_a_folder_outlasts_the_gateway(process: bool, tmp_path: Path) -> None:
    data = tmp_path / "not" / "there" / "yet"
    with Gateway(process=process, data=data) as gateway:
        charge = gateway.sandbox("kept").charge()
        assert gateway.sandbox().charge()
    with Gateway(process=process, data=str(data)) as gateway:
        assert gateway.sandbox("kept").charges() == [charge]
        assert gateway.sandbox().charges() == [], "a fresh one is fresh, also where an earlier run had one of that name"


def test_a_thread_refuses_to_crash_and_says_what_can() -> None:
    with Gateway() as gateway:
        with pytest.raises(GatewayError, match=r"Gateway\(process=True\)"):
            gateway.sandbox().faults.add("operation.committed", "crash")
        with pytest.raises(RuntimeError, match=r"Gateway\(process=True\)"):
            gateway.kill()


def test_a_process_crashes_and_is_there_again() -> None:
    with Gateway(process=True) as gateway:
        sandbox = gateway.sandbox()
        nonce = sandbox.nonce()
        sandbox.faults.add("operation.committed", "crash", match={"operation": "charges.create"})
        with pytest.raises(GatewayUnreachable):
            sandbox.charge(payment_nonce=nonce)
        (charge,) = sandbox.charges()
        assert charge["payment_nonce"] == nonce
        gateway.kill()
        assert sandbox.charges() == [charge]
        assert gateway.log.count("was killed by SIGKILL") == 2


def test_a_call_under_a_key_outlasts_the_crash_that_it_meets() -> None:
    with Gateway(process=True) as gateway:
        sandbox = gateway.sandbox()
        sandbox.faults.add("operation.committed", "crash", match={"operation": "charges.create"})
        charge = sandbox.charge(payment_nonce=sandbox.nonce(), idempotency_key="k-1")
        assert sandbox.charges() == [charge]


@BOTH
def test_closing_waits_for_nobody(process: bool) -> None:
    with Gateway(process=process) as gateway, socket.create_server(("127.0.0.1", 0)) as deaf:
        sandbox = gateway.sandbox()
        sandbox.webhooks.create(f"http://127.0.0.1:{deaf.getsockname()[1]}/")
        sandbox.charge()
        held = sandbox.faults.add("request.received", "hang", match={"operation": "charges.list"})

        def ask() -> None:
            with contextlib.suppress(GatewayUnreachable):
                sandbox.charges()

        asking = threading.Thread(target=ask)
        asking.start()
        sandbox.wait_for(lambda it: it.faults.get(held["id"])["fired"])
        connection, _ = deaf.accept()  # a webhook is on its way, and never answered
        gateway.close()
        connection.close()
        asking.join(PATIENCE_S)
        assert not asking.is_alive()
    assert threads() == []


@BOTH
@pytest.mark.parametrize("kind", [KeyboardInterrupt, ValueError])
def test_it_is_gone_also_when_the_block_fails(process: bool, kind: type[BaseException]) -> None:
    pids = []

    def block(gateway: Gateway) -> None:
        pids.append(gateway.sandbox().request("GET", "/healthz")["pid"])
        raise kind

    with pytest.raises(kind), Gateway(process=process) as gateway:
        block(gateway)
    assert threads() == []
    assert pids == [os.getpid()] or not runs(pids[0])


def test_a_process_does_not_outlive_a_test_run_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, gatecrash\n"
        "gateway = gatecrash.Gateway(process=True).start()\n"
        "print(gateway.sandbox().request('GET', '/healthz')['pid'], flush=True)\n"
        "sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        worker = int(run.stdout.readline())
        supervisor = int(Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[1])
        assert runs(worker)
        assert runs(supervisor)
        run.send_signal(signal.SIGKILL)
        until(lambda: not runs(worker) and not runs(supervisor))


def test_a_program_that_forgets_to_close_it_ends_all_the_same() -> None:
    code = "import gatecrash; print(gatecrash.Gateway().start().sandbox().charge()['status'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "succeeded\n", "")


@pytest.mark.asyncio
async def test_async_code_has_handles_to_await() -> None:
    async with Gateway() as gateway:
        first, second = gateway.sandbox(), gateway.sandbox("mine")
        assert isinstance(first, AsyncSandbox)
        await asyncio.gather(first.charge(), second.charge())
        assert [len(await sandbox.charges()) for sandbox in (first, second)] == [1, 1]
        assert (gateway.url, gateway.log) == (first.url, "")
        with pytest.raises(RuntimeError, match="process=True"):
            await gateway.kill()
    assert threads() == []


@pytest.mark.asyncio
async def test_a_sync_handle_inside_an_event_loop_does_not_deadlock() -> None:
    with Gateway() as gateway:
        sandbox = gateway.sandbox()
        with sandbox.webhooks.catch() as caught:
            sandbox.charge()
            assert caught.wait_for("charge.succeeded")


def test_two_gateways_live_side_by_side() -> None:
    with Gateway() as one, Gateway() as other:
        one.sandbox("same").charge()
        assert other.sandbox("same").charges() == []


def test_starting_and_closing_twice_does_no_harm() -> None:
    gateway = Gateway()
    with pytest.raises(RuntimeError, match="not started"):
        _ = gateway.url
    assert gateway.start() is gateway.start()
    gateway.close()
    gateway.close()
    with pytest.raises(RuntimeError, match="closed already"):
        _ = gateway.log
    with gateway:
        assert gateway.sandbox().charges() == []
    assert threads() == []


@BOTH
def test_what_cannot_start_says_why_in_its_own_words(process: bool, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(GatewayStartError, match=rf"port {port} \(native\) .*taken.*give `port` another number") as refused:
            Gateway(process=process, port=port).start()
    assert len(str(refused.value).splitlines()) == 1
    (tmp_path / "gatecrash.sqlite3").write_text("no database")
    with pytest.raises(GatewayStartError, match="`data`"):
        Gateway(process=process, data=tmp_path).start()
    assert threads() == []


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"port": -1}, "port was -1"),
        ({"port": "8402"}, "port was '8402'"),
        ({"port": True}, "port was True"),
        ({"host": ""}, "host was ''"),
        ({"seed": None}, "seed was None"),
        ({"allow_hosts": "one.example"}, "allow_hosts was 'one.example'"),
        ({"webhook_ca": 3}, "webhook_ca was 3; expected the path of a file of certificates"),
        ({"webhook_ca": "/nowhere/ca.pem"}, "webhook_ca was /nowhere/ca.pem, which cannot be read: No such file"),
        ({"server_names": "one.example"}, "server_names was 'one.example'"),
        ({"server_names": ["one.example:80"]}, "server_names held 'one.example:80'"),
        ({"data": 7}, "data was 7"),
        ({"data": "/dev/null/x"}, "data was '/dev/null/x'"),
    ],
)
def test_an_argument_that_cannot_be_is_named_at_once(options: dict[str, Any], named: str) -> None:
    with pytest.raises((TypeError, ValueError)) as refused:
        Gateway(**options)
    assert str(refused.value).startswith(named)
    with pytest.raises(TypeError, match="positional"):
        Gateway(True)  # type: ignore[misc]


@BOTH
def test_beyond_loopback_only_its_own_handles_drive_it(process: bool) -> None:
    with Gateway(process=process, host="0.0.0.0") as gateway:
        sandbox = gateway.sandbox()
        sandbox.reset()
        stranger = Sandbox(sandbox.url, sandbox.name)
        with pytest.raises(GatewayError, match="token"):
            stranger.reset()
        assert stranger.charges() == []


@BOTH
def test_a_name_that_was_given_is_answered_to(process: bool) -> None:
    with Gateway(process=process, server_names=["Gateway.Example"]) as gateway:
        for host, status in (("gateway.example", 200), ("other.example", 403)):
            with contextlib.closing(http.client.HTTPConnection(*gateway.url.removeprefix("http://").split(":"))) as connection:
                connection.request("GET", "/healthz", headers={"Host": host})
                assert connection.getresponse().status == status


@BOTH
def test_a_sandbox_that_crashed_is_asked_again_until_it_is_back(process: bool) -> None:
    with Gateway(process=process) as gateway:
        sandbox = gateway.sandbox()
        sandbox.faults.add("operation.committed", "crash", params={"scope": "sandbox"}, match={"operation": "charges.create"})
        charge = sandbox.charge(order_id="o-1", idempotency_key="a-1")
        assert [one["id"] for one in sandbox.charges()] == [charge["id"]]


def test_a_rule_that_never_struck_is_a_warning_at_the_end_of_the_block() -> None:
    def idle() -> None:
        with Gateway() as gateway:
            sandbox = gateway.sandbox()
            sandbox.faults.add("operation.committed", "reset", match={"operation": "refunds.create"})
            sandbox.faults.add("response.sent", "reset", match={"operation": "refunds.list"}, may_not_strike=True)
            sandbox.faults.add("operation.committed", "status", match={"operation": "charges.create"}, params={"status": 503})
            with pytest.raises(GatewayError):
                sandbox.charge()

    with pytest.warns(RuleNeverStruck, match=r"reset at operation.committed \(rule rule_\w+ of sandbox sandbox-1\) never struck"):
        idle()


def test_a_block_that_ends_with_an_error_or_a_reset_warns_of_no_rule() -> None:
    def failing() -> None:
        with Gateway() as gateway:
            gateway.sandbox().faults.add("operation.committed", "reset")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    with Gateway() as gateway:
        sandbox = gateway.sandbox()
        sandbox.faults.add("operation.committed", "reset", match={"operation": "refunds.create"})
        sandbox.reset()
