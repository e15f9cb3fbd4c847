"""What an oracle is: a stable code, a title, an explanation, and a pure function over a finished run."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from inspect import cleandoc

from gatecrash.harness.history import History


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken promise: the oracle's code and what happened, in words a developer can act on."""

    oracle: str
    message: str


Findings = Iterable[str]


@dataclass(frozen=True, slots=True)
class Oracle:
    """`judge` yields one message per violation. `explanation` is one paragraph, for `gatecrash explain
    CODE`.
    """

    code: str
    title: str
    explanation: str
    judge: Callable[[History], Findings]


def oracle(code: str, title: str) -> Callable[[Callable[[History], Findings]], Oracle]:
    """Makes an Oracle of a judging function; its docstring is the explanation."""

    def wrap(judge: Callable[[History], Findings]) -> Oracle:
        return Oracle(code, title, cleandoc(judge.__doc__ or ""), judge)

    return wrap
