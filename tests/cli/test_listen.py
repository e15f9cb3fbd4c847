"""`gatecrash listen`, as a process of its own, between a real gateway and a real app."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
from standardwebhooks import Webhook

from gatecrash.cli._receiver import Arrived, Forward
from gatecrash.client import Sandbox
from gatecrash.core.endpoints import secret_by_name
from tests.cli.conftest import Cli
from tests.support.process import ServerProcess
from tests.support.waiting import PATIENCE_S, until


class Hit(NamedTuple):
    """What the app got. `complete`: as many bytes as were announced."""

    path: str
    headers: dict[str, str]
    body: bytes
    complete: bool


class App:
    """A merchant's endpoint that answers as it is told."""

    def __init__(self) -> None:
        self.status, self.headers = 200, {"X-App": "yes"}
        self.hits: list[Hit] = []
        self._changed = threading.Condition()
        app = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = self.rfile.read(length)
                with app._changed:
                    app.hits.append(Hit(self.path, dict(self.headers.items()), body, len(body) == length))
                    app._changed.notify_all()
                self.send_response(app.status)
                for name, value in {**app.headers, "Content-Length": "4"}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(b"fine")

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/hooks?shop=1"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def got(self, count: int) -> list[Hit]:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.hits) >= count, 15), self.hits
            return self.hits

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def app() -> Iterator[App]:
    app = App()
    yield app
    app.close()


class Listen:
    """A running `listen`, ready; its lines as they come."""

    def __init__(self, sandbox: Sandbox, *flags: str) -> None:
        words = ("listen", "--url", sandbox.url, "--sandbox", sandbox.name, *flags)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gatecrash", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.said(f"-- the signing secret is {secret_by_name(sandbox.name)}")

    def said(self, start: str) -> str:
        """The next remark that begins so."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if line.startswith(start):
                return line.rstrip()
        raise AssertionError(f"it ended with status {self.process.wait()} before it said {start!r}")

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip()

    def end(self, number: int = signal.SIGINT) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(PATIENCE_S)
        finally:
            self.process.kill()
            for pipe in (self.process.stdout, self.process.stderr):
                assert pipe is not None
                pipe.close()


@pytest.fixture
def listen(cli: Cli) -> Iterator[Callable[..., Listen]]:
    started: list[Listen] = []

    def start(*flags: str, sandbox: Sandbox | None = None) -> Listen:
        started.append(Listen(sandbox or cli.sandbox, *flags))
        return started[-1]

    yield start
    for each in started:
        each.end(signal.SIGKILL)


def test_what_comes_is_handed_on_unchanged_and_verifies_with_the_printed_secret(
    cli: Cli, app: App, listen: Callable[..., Listen]
) -> None:
    secret = cli("listen", "--print-secret").stdout.strip()
    running = listen("--forward-to", app.url)
    charge = cli.sandbox.charge(order_id="o-1")
    (hit,) = app.got(1)
    assert (hit.path, hit.complete) == ("/hooks?shop=1", True)
    event = Webhook(secret).verify(hit.body, hit.headers)
    assert (event["type"], event["data"]["id"]) == ("charge.succeeded", charge["id"])
    assert hit.headers["User-Agent"] == "Gatecrash-Webhooks"
    assert hit.headers["Host"] == urlsplit(app.url).netloc
    line = running.line()
    assert f"charge.succeeded  {event['id']}  [o-1]  → 200 in " in line
    assert "TRUSTED" not in line


def test_the_answer_of_the_app_goes_back_to_the_gateway(cli: Cli, app: App, listen: Callable[..., Listen]) -> None:
    app.status, app.headers = 503, {"Retry-After": "3000"}
    running = listen("--forward-to", app.url)
    cli("clock", "freeze")
    cli.sandbox.charge()
    assert "→ 503" in running.line()
    delivery = until(lambda: next((one for one in cli.sandbox.deliveries() if one["attempts"]), None))
    assert (delivery["attempts"][0]["status"], delivery["attempts"][0]["excerpt"]) == (503, "fine")
    assert "next timer" in cli("clock", "show").stdout
    assert "in 50m" in cli("clock", "show").stdout, "Retry-After is heard"


def test_without_an_app_it_answers_itself(cli: Cli, listen: Callable[..., Listen]) -> None:
    running = listen("--answer", "500")
    cli.sandbox.charge()
    assert running.line().endswith("→ 500")
    cli("clock", "advance", "5")
    assert running.line().endswith("→ 500  seen 2 times")


def test_only_what_was_asked_for_comes(cli: Cli, listen: Callable[..., Listen]) -> None:
    running = listen("--events", "refund.*,charge.failed", "--events", "charge.voided", "--json")
    for event_type in ("charge.succeeded", "charge.voided", "charge.failed", "refund.succeeded"):
        cli("trigger", event_type)
    told = {json.loads(running.line())["type"] for _ in range(3)}
    assert told == {"charge.voided", "charge.failed", "refund.succeeded"}


def test_programs_get_a_json_document_a_line(cli: Cli, app: App, listen: Callable[..., Listen]) -> None:
    running = listen("--json", "--forward-to", app.url)
    cli.sandbox.charge(order_id="o-2")
    told = json.loads(running.line())
    (event,) = cli.sandbox.events()
    assert told["event"] == event
    assert (told["id"], told["type"], told["order_id"]) == (event["id"], "charge.succeeded", "o-2")
    assert (told["flaw"], told["forwarded_to"], told["times_seen"], told["answer"]["status"]) == (None, app.url, 1, 200)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_ends_cleanly_and_takes_its_endpoint_away(cli: Cli, listen: Callable[..., Listen], number: int) -> None:
    running = listen()
    assert len(cli.sandbox.webhooks.list()) == 1
    assert running.end(number) == 0
    assert cli.sandbox.webhooks.list() == []


def test_what_an_earlier_one_left_behind_is_tidied_up(cli: Cli, listen: Callable[..., Listen]) -> None:
    mine = cli.sandbox.webhooks.create("http://127.0.0.1:9/")["id"]
    listen().end(signal.SIGKILL)
    left = {endpoint["id"] for endpoint in cli.sandbox.webhooks.list()}
    assert len(left) == 2
    alive = listen()
    second = listen()
    now = {endpoint["id"] for endpoint in cli.sandbox.webhooks.list()}
    assert mine in now
    assert len(now) == 3, "one that is alive is left alone"
    assert len(now & left) == 1
    assert (alive.end(), second.end()) == (0, 0)


def test_a_webhook_that_is_not_to_be_trusted_is_told_as_such_and_handed_on_all_the_same(
    cli: Cli, app: App, listen: Callable[..., Listen]
) -> None:
    running = listen("--forward-to", app.url)
    (endpoint,) = cli.sandbox.webhooks.list()
    connection = HTTPConnection(urlsplit(endpoint["url"]).netloc)
    headers = {"webhook-id": "evt_1", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA"}
    connection.request("POST", "/", b'{"type": "charge.succeeded"}', headers)
    assert connection.getresponse().status == 200
    connection.close()
    line = running.line()
    assert "charge.succeeded  evt_1" in line
    assert "NOT TO BE TRUSTED: no signature is right" in line
    assert app.got(1)[0].body == b'{"type": "charge.succeeded"}'


def test_an_app_that_is_not_there_is_told_and_answered_for(cli: Cli, listen: Callable[..., Listen]) -> None:
    running = listen("--forward-to", "http://127.0.0.1:1/hooks")
    cli.sandbox.charge()
    line = running.line()
    assert "→ 502" in line
    assert "http://127.0.0.1:1/hooks gave no answer" in line


def test_an_app_that_answers_410_ends_it(cli: Cli, app: App, listen: Callable[..., Listen]) -> None:
    app.status = 410
    running = listen("--forward-to", app.url)
    cli.sandbox.charge()
    assert "→ 410" in running.line()
    assert "answered 410" in running.said("gatecrash: ")
    assert running.process.wait(10) == 1


def test_it_goes_on_after_a_reset_of_the_sandbox(cli: Cli, listen: Callable[..., Listen]) -> None:
    running = listen()
    cli("sandboxes", "reset")
    running.said(f"-- sandbox {cli.sandbox.name} began anew")
    cli.sandbox.charge(order_id="after")
    assert "[after]" in running.line()


def test_it_goes_on_after_a_crash_of_the_gateway(tmp_path: Path, start_server: Any, listen: Callable[..., Listen]) -> None:
    server = start_server("--data", str(tmp_path / "data"))
    sandbox = Sandbox(server.url, "crashing")
    running = listen(sandbox=sandbox)
    sandbox.faults.add("operation.committed", "crash", params={"down_s": 1.5}, match={"operation": "charges.create"})
    with pytest.raises(ConnectionError):
        sandbox.charge(order_id="crashed")
    running.said("-- the gateway at")
    running.said("-- the gateway is back")
    assert "[crashed]" in running.line()
    assert running.end() == 0


def test_it_goes_on_with_another_gateway_in_the_place_of_the_first(
    tmp_path: Path, start_server: Callable[..., ServerProcess], listen: Callable[..., Listen]
) -> None:
    first = start_server("--memory")
    sandbox = Sandbox(first.url, "moved")
    running = listen("--json", sandbox=sandbox)
    first.stop()
    running.said("-- the gateway at")
    start_server("--memory", "--port", str(first.port))
    running.said("-- sandbox moved began anew")
    sandbox.charge()
    told = json.loads(running.line())
    assert (told["flaw"], told["type"]) == (None, "charge.succeeded"), "the secret is the same as before"
    assert running.end() == 0


def test_the_secret_needs_no_gateway_and_differs_from_sandbox_to_sandbox() -> None:
    def secret(name: str) -> str:
        command = [
            sys.executable,
            "-m",
            "gatecrash",
            "listen",
            "--print-secret",
            "--url",
            "http://127.0.0.1:1",
            "--sandbox",
            name,
        ]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert secret("a") == secret("a") == secret_by_name("a") + "\n"
    assert secret("a") != secret("b")


def test_a_reader_that_leaves_ends_it_quietly(cli: Cli, listen: Callable[..., Listen]) -> None:
    running = listen()
    assert running.process.stdout is not None
    assert running.process.stderr is not None
    running.process.stdout.close()
    for _ in range(2):
        cli.sandbox.charge()
    assert running.process.wait(10) == 0
    assert "Traceback" not in running.process.stderr.read()
    running.process.stdout = open(os.devnull)  # noqa: SIM115 - for `end` to close
    assert cli.sandbox.webhooks.list() == []


@pytest.mark.parametrize(
    ("kind", "flaw"), [("forge", "no signature is right"), ("tamper", "no signature is right"), ("stale", "the timestamp is")]
)
def test_what_a_fault_does_to_a_webhook_is_seen(cli: Cli, listen: Callable[..., Listen], kind: str, flaw: str) -> None:
    running = listen()
    cli("faults", "add", "webhook.due", kind)
    cli.sandbox.charge()
    assert f"NOT TO BE TRUSTED: {flaw}" in running.line()


@pytest.mark.parametrize(
    "url", ["", "x y", "localhost:port/x", "99999/x", "ftp://h/", "http://", "http://h:99999/", "http://a b/", "http://user@h/"]
)
def test_a_target_that_is_none_is_wrong_use(cli: Cli, url: str) -> None:
    assert "--forward-to was" in cli.refused("listen", "--forward-to", url, code=2)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("3000", "http://localhost:3000"),
        ("3000/x?y=1", "http://localhost:3000/x?y=1"),
        (":3000/x", "http://localhost:3000/x"),
        ("localhost:3000/x", "http://localhost:3000/x"),
        ("127.0.0.1:3000", "http://127.0.0.1:3000"),
        ("[::1]:3000/x", "http://[::1]:3000/x"),
        ("app.test/x", "http://app.test/x"),
        ("https://app.test/x", "https://app.test/x"),
    ],
)
def test_a_target_may_be_written_as_people_write_it(given: str, url: str) -> None:
    assert Forward(given).url == url


def test_a_webhook_is_forwarded_to_a_port_and_path(cli: Cli, listen: Callable[..., Listen], app: Any) -> None:
    running = listen("--forward-to", f"{urlsplit(app.url).port}/hooks")
    cli.sandbox.charge()
    assert "→ 200" in running.line()


def test_a_port_that_is_taken_and_a_filter_that_is_unknown_are_wrong_use(cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"port {port}" in cli.refused("listen", "--port", str(port), code=2)
    assert "charge.paid" in cli.refused("listen", "--events", "charge.paid", code=2)
    assert cli.sandbox.webhooks.list() == []


def test_what_is_cut_short_on_the_way_is_cut_short_for_the_app(app: App) -> None:
    answered = Forward(app.url)(Arrived([("Content-Length", "10"), ("X-A", "1"), ("x-a", "2")], b"short", False))
    (hit,) = app.got(1)
    assert (hit.body, hit.complete) == (b"short", False)
    assert answered.status == 400
