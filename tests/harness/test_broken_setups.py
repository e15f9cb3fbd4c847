"""A set-up that is wrong is no verdict: exit code 2, and a message with the line of the profile, what came, and what to do."""

import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]
TOY = Path(__file__).parent / "toy"
BROKEN = 'BREAK = ""'
NEXT = "\n  what it is asked and answers, step by step: gatecrash check merchant.toml\n"


@pytest.fixture
def gatecrash(tmp_path: Path) -> Run:
    """A verb in a folder where the toy shop and its profile are."""
    for name in ("shop.py", "merchant.toml"):
        shutil.copy(TOY / name, tmp_path)

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "gatecrash", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)

    return run


def change(folder: Path, old: str, new: str) -> None:
    text = (folder / "merchant.toml").read_text(encoding="utf-8")
    assert old in text
    (folder / "merchant.toml").write_text(text.replace(old, new, 1), encoding="utf-8")


def broken(how: str) -> tuple[str, str]:
    return BROKEN, f'BREAK = "{how}"'


#: what is changed → what the message has, in this order
SETUPS = {
    "no-such-command": (
        ('"{python}"', '"no-such-program"'),
        ("merchant.toml:5: [start] command: the merchant cannot be started: no-such-program: No such file",),
    ),
    "no-such-folder": (
        ("[start.env]", 'cwd = "shop"\n[start.env]'),
        ("merchant.toml:7: [start] cwd: there is no folder ", "shop"),
    ),
    "no-port": (('"{port}"', '"8000"'), ("merchant.toml:4: [start]: found no {port} in it",)),
    "unknown-field": (("[pay]", "[pay]\nurl = 1"), ("merchant.toml:17: [pay]: found unknown 'url', expected only method, path",)),
    "dies-at-once": (
        broken("dies-at-once"),
        ("merchant.toml:5: [start] command: the merchant ended by itself, with status 1, before it was ready",
         "its last words:\n    no database today", NEXT),
    ),
    "never-ready": (
        broken("never-ready"),
        ("merchant.toml:2: ready: GET http://127.0.0.1:", "/healthz was not answered with 2xx within 2 s",
         "the last time it was answered 503 {}; it must be answered with 2xx once"),
    ),
    "nothing-there": (
        ('ready = "/healthz"', 'ready = "/health"'),
        ("merchant.toml:2: ready: GET http://127.0.0.1:",
         "/health was answered 404 {}; name a path that the shop answers with 2xx"),
    ),
    "never-listens": (
        broken("never-listens"),
        ("merchant.toml:2: ready: GET http://127.0.0.1:", "answered nothing (", "it must listen on 127.0.0.1:{port}"),
    ),
    "dies-of-an-order": (
        broken("dies-of-an-order"),
        ("merchant.toml:12: [place_order]: when nothing was broken yet, the merchant ended by itself, with status 3",
         "its last words:\n    a bug in the shop"),
    ),
    "dies-of-a-payment": (
        broken("dies-of-a-payment"),
        ("merchant.toml:16: [pay]: when nothing was broken yet, the merchant ended by itself, with status 3",
         "its last words:\n    a bug in the shop"),
    ),
    "fails-to-pay": (
        broken("fails-to-pay"),
        ("merchant.toml:17: [pay] path: POST /pay was answered 500 with a body that is no JSON: '<h1>Internal Server Error",
         "expected a 2xx, or 402 for a declined card, with the order's status at '/status' (pay.status)",
         "the shop's last words:\n    no such table: payments", NEXT),
    ),
    "speaks-html": (
        broken("speaks-html"),
        ("merchant.toml:12: [place_order] order_id: POST /orders was answered 201 with a body that is no JSON: '<html>Thank",
         "expected a 2xx with the order's id at '/id' (place_order.order_id)", NEXT),
    ),
    "wrong-order-path": (
        ('path = "/orders"', 'path = "/buy"'),
        ("merchant.toml:12: [place_order] order_id: POST /buy was answered 200 {}",
         "expected a 2xx with the order's id at '/id'"),
    ),
    "wrong-id-pointer": (
        ("[place_order]", '[place_order]\norder_id = "/number"'),
        ("merchant.toml:13: [place_order] order_id: POST /orders was answered 201 {",
         "expected a 2xx with the order's id at '/number'"),
    ),
    "wrong-status-pointer": (
        ("[read_order]", '[read_order]\nstatus = "/state"'),
        ("merchant.toml:21: [read_order] status: GET /orders/{order_id} was answered 200 {", "the order's status at '/state'"),
    ),
    "no-page": (
        broken("no-page"),
        ('merchant.toml:21: [read_order] path: GET /orders/{order_id} was answered 404 {"error": "no such order"}',),
    ),
    "wrong-parcels": (
        ('"/parcels"', '"/currency"'),
        ("merchant.toml:22: [read_order] fulfilments: ",
         "a number or a list at '/currency' (read_order.fulfilments); leave it out if"),
    ),
    "unknown-word": (
        ('PAID = ["complete"]\n', ""),
        ("merchant.toml:24: [statuses]: POST /pay says 'complete', which is not explained there", 'as in PENDING = ["complete"]'),
    ),
}  # fmt: skip


@pytest.mark.parametrize("setup", SETUPS)
def test_a_set_up_that_is_wrong_is_told_with_its_line_and_is_no_verdict(gatecrash: Run, tmp_path: Path, setup: str) -> None:
    (old, new), told = SETUPS[setup]
    change(tmp_path, old, new)
    if setup.startswith("never-"):
        change(tmp_path, "ready_s = 10", "ready_s = 2")
    done = gatecrash("prove", "--story", "happy-path")
    assert done.returncode == 2, done.stdout + done.stderr
    at = 0
    for part in told:
        at = done.stderr.find(part, at)
        assert at >= 0, f"{part}\n  is missing in\n{done.stderr}"
    assert "Traceback" not in done.stderr


def test_the_toy_holds_when_nothing_is_broken(gatecrash: Run) -> None:
    done = gatecrash("prove", "--story", "happy-path")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_shop_that_dies_of_what_was_broken_is_started_again_judged_and_told_of(gatecrash: Run, tmp_path: Path) -> None:
    change(tmp_path, *broken("dies-of-a-webhook"))
    done = gatecrash("prove", "--story", "duplicated-webhook")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "ended by itself, with status 3" in done.stdout


def test_a_port_of_ones_own_that_is_taken_is_told_as_such(gatecrash: Run, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        change(tmp_path, '"{port}"]', f'"{taken.getsockname()[1]}", "{{port}}"]')
        done = gatecrash("prove", "--story", "happy-path")
    assert done.returncode == 2
    assert "merchant.toml:5: [start] command: the merchant ended by itself" in done.stderr
    assert "the port it wanted is taken: it must listen on 127.0.0.1:{port}" in done.stderr


def running(folder: Path, url: str, gateway_port: int) -> None:
    """The profile of a merchant that runs already."""
    text = (folder / "merchant.toml").read_text(encoding="utf-8")
    calls = text[text.index("[place_order]") :].replace("ready_s = 10", "ready_s = 0.3")
    start = f'name = "toy"\nurl = "{url}"\n[gateway]\nport = {gateway_port}\n'
    (folder / "merchant.toml").write_text(start + calls, encoding="utf-8")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.parametrize("verb", ["prove", "check"])
def test_a_merchant_that_does_not_run_though_the_profile_says_so(gatecrash: Run, tmp_path: Path, verb: str) -> None:
    port = free_port()
    running(tmp_path, f"http://127.0.0.1:{port}", free_port())
    done = gatecrash(verb)
    assert done.returncode == 2
    said = done.stdout + done.stderr
    assert f"merchant.toml:2: url: GET http://127.0.0.1:{port}/healthz was not answered with 2xx within 0.3 s" in said
    assert "start the merchant there, or give its profile a table [start]" in said


@pytest.mark.parametrize("verb", ["prove", "check"])
def test_a_gateway_port_that_is_taken_is_told_with_its_line(gatecrash: Run, tmp_path: Path, verb: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        taken_port = taken.getsockname()[1]
        running(tmp_path, "http://127.0.0.1:1", taken_port)
        done = gatecrash(verb)
    assert done.returncode == 2
    assert "merchant.toml:4: [gateway] port: the gateway ended by itself" in done.stderr
    assert f"port {taken_port} (native) on 127.0.0.1 is taken by another process" in done.stderr
