"""Values as people write them: durations (`3d`, `90m`, `1.5h`, `1h30m`, `45` for seconds), and numbers that are numbers."""

import re
from math import isfinite
from typing import Any

import click

from gatecrash.cli._failed import WrongUse

_SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?|\.[0-9]+)(ms|[smhdw])")
_BARE = re.compile(r"[0-9]+(?:\.[0-9]+)?|\.[0-9]+")


def seconds(text: str) -> float:
    """Raises ValueError for what is no duration."""
    text = text.strip().lower()
    if _BARE.fullmatch(text):
        return float(text)
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is no duration; expected such as 45 (seconds), 90m, 1.5h, 1h30m or 3d.")
    return sum(float(number) * _SECONDS[unit] for number, unit in parts)


def in_words(number: float) -> str:
    """`3d`, `1h 30m`, `1.5s`: the units that are not zero."""
    if number < 60:
        return f"{number:g}s"
    words, left = [], round(number)
    for unit in ("d", "h", "m", "s"):
        count, left = divmod(left, int(_SECONDS[unit]))
        if count:
            words.append(f"{count}{unit}")
    return " ".join(words)


class Duration(click.ParamType[float]):
    """A click type: seconds, as a float."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return seconds(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Number(click.FloatRange):
    """A float within a range; `nan` and `inf` lie in none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number: float = super().convert(value, param, ctx)
        if not isfinite(number):
            self.fail(f"{value!r} is no number", param, ctx)
        return number


class Whole(click.IntRange):
    """A whole number from one to another, and a message that says so."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            number: int = super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value} is no whole number from {self.min} to {self.max:,}.", param, ctx)
        return number


class Port(click.ParamType[int]):
    """A port to listen on; 0 is any free one."""

    name = "port"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        text = str(value)
        if not (text.isascii() and text.isdecimal() and len(text) <= 5 and int(text) <= 65535):
            raise WrongUse(f"--port was {text[:100]!r}; expected a number from 1 to 65535, or 0 for any free one.")
        return int(text)


DURATION = Duration()
PORT = Port()
