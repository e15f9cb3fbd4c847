"""What is drawn on a terminal: tables and colours, and never half an id."""

import os
import pty
import subprocess
import sys

import pytest

from tests.cli.conftest import Cli


def on_terminal(cli: Cli, *words: str, columns: int, **environment: str) -> str:
    """What a verb writes to a terminal so wide."""
    ours, theirs = pty.openpty()
    env = {**os.environ, "TERM": "xterm", "COLUMNS": str(columns), **environment}
    process = subprocess.Popen([sys.executable, "-m", "gatecrash", *words, *cli.where], stdout=theirs, env=env)
    os.close(theirs)
    written = b""
    try:
        while chunk := os.read(ours, 65536):
            written += chunk
    except OSError:  # the terminal's way of saying that it is over
        pass
    finally:
        os.close(ours)
    assert process.wait(10) == 0
    return written.decode()


@pytest.mark.parametrize(("columns", "drawn"), [(120, True), (60, False)])
def test_a_table_is_drawn_where_it_fits_and_no_id_is_broken_where_it_does_not(cli: Cli, columns: int, drawn: bool) -> None:
    cli.sandbox.charge(order_id="o-1")
    (event,) = cli.sandbox.events()
    shown = on_terminal(cli, "events", "list", columns=columns)
    assert ("───" in shown) is drawn
    assert event["id"] in shown


def test_colours_are_for_terminals_that_want_them(cli: Cli) -> None:
    cli("clock", "freeze")
    assert "\x1b[" in on_terminal(cli, "clock", "show", columns=80)
    assert "\x1b[" not in on_terminal(cli, "clock", "show", columns=80, NO_COLOR="1")
    assert "\x1b[" not in cli("clock", "show").stdout


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
@pytest.mark.parametrize(
    "words", [("journal", "--json"), ("books",), ("trigger", "charge.succeeded"), ("explain", "card_declined")]
)
def test_output_that_cannot_be_written_is_told_in_one_line(cli: Cli, words: tuple[str, ...]) -> None:
    where = () if words[0] == "explain" else cli.where
    with open("/dev/full", "w") as full:
        process = subprocess.run(
            [sys.executable, "-m", "gatecrash", *words, *where], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert process.returncode == 1
    assert process.stderr.startswith("gatecrash: cannot write the output")
    assert process.stderr.count("\n") == 1
