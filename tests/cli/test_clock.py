"""`gatecrash clock`: a sandbox's time in a person's hands."""

from datetime import datetime

import pytest

from gatecrash.cli._values import in_words, seconds
from tests.cli.conftest import Cli

NOON = "2026-01-31T12:00:00.000Z"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("45", 45), ("0", 0), ("1.5", 1.5), ("45s", 45), ("90m", 5400), ("1.5h", 5400), ("3d", 259_200), ("1w", 604_800),
        ("1h30m", 5400), ("250ms", 0.25), (" 2D ", 172_800),
    ],
)  # fmt: skip
def test_a_values_is_read_as_people_write_it(text: str, expected: float) -> None:
    assert seconds(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "d", "3 days", "-1", "1h 30m x", "1..5", "nan", "inf", "1e3", "٣d"])
def test_what_is_no_values_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        seconds(text)


def test_a_values_is_told_in_its_units() -> None:
    assert [in_words(each) for each in (0, 0.25, 59, 60, 5400, 259_205)] == ["0s", "0.25s", "59s", "1m", "1h 30m", "3d 5s"]


def test_a_clock_is_frozen_moved_and_let_go(cli: Cli) -> None:
    assert cli.json("clock", "freeze", "--at", NOON)["now"] == NOON
    assert cli("clock", "show").stdout == f"{NOON}  frozen\nnothing falls due\n"
    moved = cli.json("clock", "advance", "1h30m")
    assert (moved["now"], moved["timers_fired"]) == ("2026-01-31T13:30:00.000Z", 0)
    assert cli.json("clock", "scale", "3600")["rate"] == 3600
    assert "3600 times as fast" in cli("clock", "show").stdout
    assert cli.json("clock", "auto")["mode"] == "auto"
    assert cli.json("clock", "real", "--at", NOON)["mode"] == "real"
    assert cli("clock", "show").stdout.startswith("2026-01-31T12:")


def test_time_moves_to_the_next_timer(cli: Cli) -> None:
    cli("clock", "freeze", "--at", NOON)
    cli.sandbox.charge(capture=False)
    due = datetime.fromisoformat(cli.json("clock", "show")["next_timer_at"])
    moved = cli.json("clock", "advance", "--to-next")
    assert (datetime.fromisoformat(moved["now"]), moved["timers_fired"]) == (due, 1)
    assert [charge["status"] for charge in cli.sandbox.charges()] == ["expired"]


def test_without_a_timer_there_is_none_to_move_to(cli: Cli) -> None:
    assert "nothing falls due" in cli.refused("clock", "advance", "--to-next", code=1)


@pytest.mark.parametrize(
    "arguments",
    [
        ("advance",),
        ("advance", "3d", "--to-next"),
        ("advance", "soon"),
        ("scale", "0"),
        ("scale", "fast"),
        ("scale", "nan"),
        ("scale", "inf"),
    ],
)
def test_wrong_use_is_told(cli: Cli, arguments: tuple[str, ...]) -> None:
    assert "Error: " in cli("clock", *arguments, code=2).stderr


@pytest.mark.parametrize("arguments", [("freeze", "--at", "noon"), ("advance", "99999d"), ("real", "--at", "2026-01-31")])
def test_what_the_gateway_does_not_take_is_told_in_its_words(cli: Cli, arguments: tuple[str, ...]) -> None:
    assert "expected" in cli.refused("clock", *arguments, code=2).lower()
