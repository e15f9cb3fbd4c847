"""How far a long verb has come, and how long it will take: a line that moves on a terminal, plain lines elsewhere."""

import pytest

from gatecrash.cli import _progress
from gatecrash.cli._progress import Countdown, shown


class Terminal:
    def isatty(self) -> bool:
        return True


def test_the_time_to_go_follows_from_the_rate_so_far() -> None:
    now = 100.0
    to_go = Countdown(10, lambda: now)
    assert to_go(0) == ""
    now = 130.0
    assert to_go(1) == ", 4m 30s to go"
    now = 140.0
    assert to_go(5) == ", 40s to go"
    assert to_go(10) == ""


@pytest.mark.parametrize(
    ("environment", "moves"),
    [({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({}, False)],
    ids=["a terminal", "a dumb one", "no colour", "no TERM"],
)
def test_a_line_moves_only_on_a_terminal_that_can(
    environment: dict[str, str], moves: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TERM", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stderr", Terminal())
    assert _progress._moves() is moves


def test_elsewhere_a_plain_line_comes_now_and_then(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(_progress.time, "monotonic", lambda: now)
    with shown() as show:
        show("1 of 3")
        now = 10.0
        show("2 of 3")
        show("3 of 3")
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "-- 2 of 3\n")
