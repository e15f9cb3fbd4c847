"""What travels between the hosts of a simulated world, and what may become of it on the way."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple


class Kind(Enum):
    """What travels."""

    CONNECT = "connect"
    DATA = "data"
    EOF = "eof"
    RESET = "reset"


class Message(NamedTuple):
    """One thing under way from one host to another, over the connection of that number."""

    connection: int
    source: str
    target: str
    kind: Kind
    data: bytes = b""


# what may become of a message


@dataclass(slots=True, frozen=True)
class Lose:
    """The target hears nothing more on this connection, and the source is not told."""


@dataclass(slots=True, frozen=True)
class Delay:
    """It takes so much longer, and what follows it on its connection waits behind it."""

    seconds: float


@dataclass(slots=True, frozen=True)
class Cut:
    """Both sides read a reset, and the message is gone."""


@dataclass(slots=True, frozen=True)
class Hold:
    """It waits until the next message on another connection has arrived, or such a one, though not for ever. `what_for` is told
    of it while it waits.
    """

    at_most_s: float = 1.0
    until: "Callable[[Message], bool]" = lambda message: True
    what_for: str = ""


Fate = Lose | Delay | Cut | Hold
