"""Fault models, our own and those of the literature, as data: which kinds of the explorer's alphabet may strike in a run, and how
many. It is models that we compare, over our alphabet, our stories and our oracles: nobody's tool is run.
"""

from collections.abc import Iterator
from typing import NamedTuple

from gatecrash.harness.explore.bound import Bound
from gatecrash.harness.worlds.simulated.alphabet import LETTERS

ALL = frozenset(LETTERS)
CRASHES = frozenset(letter.name for letter in LETTERS.values() if letter.kind == "crash")
WEBHOOKS = frozenset(letter.name for letter in LETTERS.values() if letter.ways == ("webhook",))
NETWORK = (WEBHOOKS - CRASHES) | {"lost request", "late request", "lost answer", "late answer", "answer after webhook", "swapped"}


class Model(NamedTuple):
    """Up to `faults` faults of these kinds in a run. `stands_for`: who tests so; `differs`: what is otherwise there."""

    name: str
    kinds: frozenset[str]
    faults: int
    stands_for: str
    differs: str

    @property
    def bound(self) -> Bound:
        return Bound(faults=self.faults, kinds=self.kinds)


MODELS = (
    Model(
        "happy path", frozenset(), 0, "a suite of integration tests",
        "no such suite shuts channels one by one, or has its runs judged by these oracles",
    ),
    Model(
        "call not executed", frozenset({"lost request", "unavailable"}), 1, "Filibuster (SoCC '21), as it is by default",
        "it goes on to all combinations of failed calls, in functional tests of many services, and prunes by what caused a call",
    ),
    Model(
        "refused or not executed", frozenset({"lost request", "unavailable", "too many requests"}), 2, "WASABI (SOSP '24)",
        "it throws one exception at one place that retries, once or very often, and finds such places by reading the code",
    ),
    Model(
        "lost response at one site", frozenset({"lost answer"}), 1, "Rainmaker (NSDI '23)",
        "it also blocks requests (the model `call not executed`), and plays the tests that an application has",
    ),
    Model(
        "crashes alone", CRASHES, 1, "ALICE (OSDI '14), B3 with ACE (OSDI '18)",
        "they crash what stores, at any write, after workloads of their own making; here two hosts die, in our stories",
    ),
    Model(
        "webhooks alone", WEBHOOKS, 2, "the tools of gateways that send an event, or send it again",
        "there a person says what is sent and when; that the gateway dies while it tells is ours",
    ),
    Model(
        "network alone", NETWORK, 2, "Toxiproxy, and the partitions of Jepsen",
        "they cut and slow lines, by hand or at random; here single messages are lost, late, doubled or overtaken",
    ),
    Model("all kinds, one fault", ALL, 1, "Gatecrash, `--faults 1`", "nothing"),
    Model("all kinds, two faults", ALL, 2, "Gatecrash, `--faults 2`", "nothing"),
)  # fmt: skip


def told() -> Iterator[str]:
    """The models as a Markdown table."""
    yield "| fault model | faults | kinds | stands for | what is otherwise there |"
    yield "|---|---|---|---|---|"
    for model in MODELS:
        kinds = "all" if model.kinds == ALL else ", ".join(f"`{name}`" for name in LETTERS if name in model.kinds) or "none"
        yield f"| {model.name} | {model.faults} | {kinds} | {model.stands_for} | {model.differs} |"
