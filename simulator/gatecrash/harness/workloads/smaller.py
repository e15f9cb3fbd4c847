"""Workloads that are a little less than one that failed: fewer steps first, then plainer ones. It goes on where Hypothesis ends,
which knows choices and not stories.
"""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from gatecrash.harness.cards import GOOD_CARDS
from gatecrash.harness.workloads.scope import Scope
from gatecrash.harness.workloads.script import Script, retold, verb

Document = Mapping[str, Any]
Step = str | dict[str, Any]

_PLAIN_ORDER = {"amount": 4200, "currency": "usd"}
#: They are about no order.
_PAUSES = frozenset({"next_timer", "advance", "wait"})


def smallest(document: Document, scope: Scope, fails: Callable[[Script], bool]) -> Document:
    """What is left has no step that could be taken away by itself. `fails` is asked of each candidate, and may say no when it
    has had enough.
    """
    smaller = True
    while smaller:
        smaller = False
        for candidate in _candidates(document):
            script = retold(scope, candidate)
            if script is None or weight(script.document()) >= weight(document):
                continue
            if fails(script):
                document, smaller = script.document(), True
                break
    return document


def weight(document: Document) -> tuple[int, int]:
    """What it makes less of: steps, then how odd they and the order are."""
    steps = document["steps"]
    odd = sum(isinstance(step, dict) and step != _plain(step) for step in steps) + sum(map(_oddness, steps))
    odd += sum(_PLAIN_ORDER.get(name) != value for name, value in document["order"].items())
    return len(steps) + ("calm_customer" in document), odd


#: Verbs that are plainer to the same purpose.
_PLAINER: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "press_at_once": ("double_click", "pay"),
        "double_click": ("pay", "begin_pay"),
        "begin_pay": ("pay",),
        "retry_while_unpaid": ("pay",),
        "begin_refund": ("refund",),
        "advance": ("next_timer",),
        "wait": ("next_timer",),
    }
)
_ODDNESS: Mapping[str, int] = MappingProxyType(
    {"press_at_once": 3, "double_click": 2, "begin_pay": 1, "retry_while_unpaid": 1, "begin_refund": 1, "advance": 1, "wait": 1}
)


def _oddness(step: Step) -> int:
    return _ODDNESS.get(verb(step), 0)


def _candidates(document: Document) -> Iterator[Document]:
    """Those first that would be much less."""
    if "calm_customer" in document:
        yield {name: value for name, value in document.items() if name != "calm_customer"}
    orders = list(map(verb, document["steps"])).count("place_order")
    if orders > 1:
        yield from (_without_order(document, number) for number in range(1, orders + 1))
    first, *steps = document["steps"]
    size = len(steps)
    while size := size // 2:
        for start in range(0, len(steps), size):
            yield {**document, "steps": [first, *steps[:start], *steps[start + size :]]}
    yield {**document, "order": _PLAIN_ORDER, "steps": ["place_order", *steps]}
    for name in document["order"]:
        yield {**document, "order": {**_without(document["order"], name), **_plain_of(name)}, "steps": ["place_order", *steps]}
    for index, step in enumerate(steps):
        for plainer in (_plain(step), *_other_verbs(step)):
            if plainer != step:
                yield {**document, "steps": [first, *steps[:index], plainer, *steps[index + 1 :]]}


def _without_order(document: Document, gone: int) -> Document:
    """Without that order, and all that is done about it."""
    steps: list[Step] = []
    at = placed = 0
    for step in document["steps"]:
        name = verb(step)
        if isinstance(step, dict) and name == "turn_to_order":
            at = step[name]
            continue
        if name == "place_order":
            at = placed = placed + 1
        if at == gone and name not in _PAUSES:
            continue
        if name not in _PAUSES and name != "place_order":
            steps.append({"turn_to_order": at - (at > gone)})  # retold where it is needed
        if steps or name == "place_order":
            steps.append(step)
    first = steps[0]
    return {**document, "order": document["order"] if isinstance(first, str) else first["place_order"], "steps": steps}


def _plain_of(name: str) -> dict[str, Any]:
    return {name: _PLAIN_ORDER[name]} if name in _PLAIN_ORDER else {}


def _without(order: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {each: value for each, value in order.items() if each != name}


def _plain(step: Step) -> Step:
    """The same, with the plainest argument."""
    if isinstance(step, str):
        return step
    [(name, argument)] = step.items()
    if name in ("ship", "refund", "begin_refund"):
        return name
    if name == "place_order":
        return {name: dict(_PLAIN_ORDER)}
    if name == "edit_order":
        return {name: {"amount": 1999}}
    if name in ("advance", "wait", "turn_to_order"):
        return step
    if name == "press_at_once":
        return {name: {**argument, "card": _plain_card(argument["card"])}}
    return {name: _plain_card(argument)}


def _plain_card(card: str) -> str:
    return "visa" if card in GOOD_CARDS else "declined"


def _other_verbs(step: Step) -> Iterator[Step]:
    for plainer in _PLAINER.get(verb(step), ()):
        if isinstance(step, str) or plainer == "next_timer":
            yield plainer
        else:
            argument = step[verb(step)]
            yield {plainer: argument["card"] if verb(step) == "press_at_once" else argument}
