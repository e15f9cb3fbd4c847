"""Foreign text on a terminal: no verb prints a control character or an escape sequence that somebody else wrote."""

import json
import re
import socket
import threading
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from gatecrash.cli import main
from gatecrash.cli._terminal import clean, json_text, one_line
from tests.cli.conftest import Cli
from tests.support.waiting import until

# colours, the cursor, a title, a window's report, an 8-bit CSI and OSC, a bell, a backspace, a bare return, reordered text, lines
EVIL = "a\x1b[2J\x1b[1;1H\x1b]0;title\x07\x9b31m\x9d0;x\x9c\x07\b\r\x7f\u202eb\u2066c\u200fd\u2028e\x1b[8mf\ng"
FORBIDDEN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
VERBS = [
    ("journal",), ("events", "list"), ("books",), ("lint",), ("faults", "list"), ("sandboxes", "list"), ("clock", "show"),
]  # fmt: skip


@pytest.fixture
def receiver() -> Iterator[str]:
    """A receiver whose answer is not HTTP, but escape sequences."""
    listening = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        while True:
            try:
                one, _ = listening.accept()
            except OSError:
                return
            with one:
                one.recv(4096)
                one.sendall(EVIL.encode() + b"\r\n\r\n")

    threading.Thread(target=answer, daemon=True).start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    listening.close()


@pytest.fixture
def evil(cli: Cli, receiver: str) -> Cli:
    """A sandbox whose every field that takes such text holds it; those that refuse it hold none."""
    sandbox = cli.sandbox
    sandbox.request("POST", "/v1/webhook_endpoints", {"url": receiver, "description": EVIL})
    sandbox.charge(order_id=EVIL)
    sandbox.charge(order_id=EVIL)  # twice, without a key of its own: a finding
    until(lambda: sandbox.journal(kind="delivery"))
    return cli


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_no_verb_prints_it(evil: Cli, verb: tuple[str, ...]) -> None:
    for words in (verb, (*verb, "--json")):
        # whatever the exit code is: `lint` ends with 1 for what it finds
        assert not FORBIDDEN.findall(CliRunner().invoke(main, [*words, *evil.where]).output)


def test_an_event_and_its_attempts_are_shown_without_it(evil: Cli) -> None:
    event = evil.sandbox.events()[0]
    for words in (("events", "show", event["id"]), ("events", "show", event["id"], "--json")):
        assert not FORBIDDEN.findall(evil(*words).output)
    assert evil.json("events", "show", event["id"])["event"] == event


def test_what_it_held_is_seen_in_the_journal_as_one_line(evil: Cli) -> None:
    (line,) = [line for line in evil("journal", "--kind", "request").stdout.splitlines() if "/v1/charges " in line][:1]
    assert r"order_id=a\x1b[2J\x1b[1;1H\x1b]0;title\x07\x9b31m" in line
    assert r"\u202eb\u2066c\u200fd\u2028e" in line
    assert r"\x0ag" in line


def test_colours_of_our_own_and_json_values_stay() -> None:
    assert clean("\x1b[32mfine\x1b[0m\x1b[2K\n") == "\x1b[32mfine\x1b[0m\\x1b[2K\n"
    assert one_line("\x1b[32ma\tb\n") == r"\x1b[32ma\x09b\x0a"
    assert json.loads(json_text(json.dumps([EVIL], ensure_ascii=False))) == [EVIL]
    assert not FORBIDDEN.findall(json_text(json.dumps([EVIL], ensure_ascii=False)))
