"""A proof as one self-contained HTML page: for reading, for keeping, for sending to whoever wrote the merchant."""

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, select_autoescape
from markupsafe import Markup

from gatecrash.core import money
from gatecrash.core.redaction import mask
from gatecrash.counted import counted
from gatecrash.harness import sequence
from gatecrash.harness.history import SHOWS_PAYMENT, History, Order
from gatecrash.harness.oracles import ORACLES
from gatecrash.harness.oracles.causes import cause_of
from gatecrash.harness.prove import Proof
from gatecrash.harness.report import by_cause, cut, objected, verdict
from gatecrash.harness.run import Outcome
from gatecrash.harness.timeline import folded, timeline

_PAGES = Path(__file__).parent / "pages"
#: Of a journal or a log that is longer, so much of its beginning and of its end is shown.
_HEAD, _TAIL = 40, 20
_LINE = 400


def render(proof: Proof, saved: Mapping[str, Path]) -> str:
    """The page, as text; `saved` are the schedules by story. Whatever could be a card number is masked in it."""
    environment = Environment(
        loader=FileSystemLoader(_PAGES), autoescape=select_autoescape(["html"]), trim_blocks=True, lstrip_blocks=True
    )
    stories = [_story(outcome, saved) for outcome in proof.outcomes]
    told = {id(story["outcome"]): story for story in stories}
    return environment.get_template("report.html").render(
        proof=proof,
        verdict=verdict(proof),
        figures=_figures(proof),
        groups=_groups(proof),
        objections=_objections(proof),
        violated=[(group, [told[id(outcome)] for outcome in group.outcomes]) for group in by_cause(proof.outcomes)],
        held=[story for story in stories if not story["outcome"].violations],
    )


def _figures(proof: Proof) -> list[tuple[str, str, str]]:
    """What comes first: number, words, class."""
    violated = sum(1 for outcome in proof.outcomes if outcome.violations)
    held, _, stories = counted(len(proof.outcomes) - violated, "story", "stories").partition(" ")
    struck, _, faults = counted(sum(outcome.history.faults for outcome in proof.outcomes), "fault").partition(" ")
    figures = [
        (held, f"{stories} held", "held"),
        (str(violated), "violated", "violated" if violated else ""),
        (str(len(proof.left_out)), "left out", "left" if proof.left_out else ""),
        *([(str(len(proof.not_played)), "not played", "left")] if proof.not_played else []),
        (struck, f"{faults} struck", ""),
    ]
    for currency, amount in sorted(_wrong(proof).items()):
        figures.append((money.decimal(amount, currency), f"{currency} taken wrongly", "violated"))
    return figures


def _wrong(proof: Proof) -> dict[str, int]:
    """By currency, how far what was taken is from what the shop shows to be paid, in minor units."""
    wrong: dict[str, int] = {}
    for outcome in proof.outcomes:
        for order in outcome.history.orders if outcome.violations else ():
            taken = outcome.history.captured(order)
            off = abs(taken - order.amount) if order.status == "PAID" else taken if order.status not in SHOWS_PAYMENT else 0
            if off:
                wrong[order.currency] = wrong.get(order.currency, 0) + off
    return wrong


def _groups(proof: Proof) -> Mapping[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = {}
    for outcome in proof.outcomes:
        codes = list(dict.fromkeys(each.oracle for each in outcome.violations))
        groups.setdefault(outcome.story.group, []).append({"story": outcome.story, "codes": codes, "violated": bool(codes)})
    return groups


def _objections(proof: Proof) -> list[dict[str, Any]]:
    """Each oracle that objected, and in which stories."""
    return [
        {
            "code": code,
            "title": title,
            "explanation": ORACLES[code].explanation if code in ORACLES else "The story says what a correct merchant ends with.",
            "stories": [outcome.story for outcome in outcomes],
        }
        for code, title, outcomes in objected(proof.outcomes)
    ]


def _story(outcome: Outcome, saved: Mapping[str, Path]) -> dict[str, Any]:
    history = outcome.history
    schedule = saved.get(outcome.story.name)
    return {
        "outcome": outcome,
        "story": outcome.story,
        "violations": [(each.oracle, mask(cut(each.message)), cause_of(history, each)) for each in outcome.violations],
        "diagram": Markup(sequence.svg(folded(timeline(history)))),  # noqa: S704 - escaped where it is drawn
        "money": [_money(history, order) for order in history.orders],
        "faults": history.faults,
        "journal": _excerpt([mask(json.dumps(entry, ensure_ascii=False)) for entry in history.journal]),
        "log": _excerpt(mask(history.log).splitlines()),
        "replay": f"gatecrash replay {shlex.quote(str(schedule))}" if schedule else "",
    }


def _excerpt(lines: Sequence[str]) -> str:
    lines = [line if len(line) <= _LINE else line[: _LINE - 1] + "…" for line in lines]
    left_out = len(lines) - _HEAD - _TAIL
    if left_out > 1:
        lines = [*lines[:_HEAD], f"… {left_out} more lines …", *lines[-_TAIL:]]
    return "\n".join(lines)


def _money(history: History, order: Order) -> dict[str, Any]:
    """Both sides of an order: what was owed and what the shop says; what the gateway took, charge by charge."""
    captured = history.captured(order)
    return {
        "order": order,
        "owed": money.shown(order.amount, order.currency),
        "taken": money.shown(captured, order.currency),
        "agree": captured == order.amount if order.status == "PAID" else captured == 0 or order.status in SHOWS_PAYMENT,
        "charges": [
            {
                "id": charge.id,
                "status": charge.status,
                "net": money.shown(charge.net, charge.currency),
                "elsewhere": charge.elsewhere,
            }
            for charge in history.charges_of(order)
        ],
    }
