"""A proof as one self-contained HTML page: for reading, for keeping, for sending to whoever wrote the merchant."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, select_autoescape
from markupsafe import Markup

from gatecrash.core import money
from gatecrash.core.redaction import mask
from gatecrash.harness import sequence
from gatecrash.harness.history import History
from gatecrash.harness.oracles import ORACLES
from gatecrash.harness.prove import Proof
from gatecrash.harness.report import verdict
from gatecrash.harness.run import Outcome
from gatecrash.harness.timeline import timeline

_PAGES = Path(__file__).parent / "pages"
_LOG_LINES = 60


def render(proof: Proof) -> str:
    """The page, as text. Whatever could be a card number is masked in it."""
    environment = Environment(
        loader=FileSystemLoader(_PAGES), autoescape=select_autoescape(["html"]), trim_blocks=True, lstrip_blocks=True
    )
    codes = sorted({each.oracle for outcome in proof.outcomes for each in outcome.violations})
    return environment.get_template("report.html").render(
        proof=proof,
        verdict=verdict(proof),
        oracles=[ORACLES[code] for code in codes if code in ORACLES],
        groups=_groups(proof),
        stories=[_story(outcome) for outcome in proof.outcomes],
    )


def _groups(proof: Proof) -> Mapping[str, list[Outcome]]:
    groups: dict[str, list[Outcome]] = {}
    for outcome in proof.outcomes:
        groups.setdefault(outcome.story.group, []).append(outcome)
    return groups


def _story(outcome: Outcome) -> dict[str, Any]:
    history = outcome.history
    return {
        "outcome": outcome,
        "story": outcome.story,
        "diagram": Markup(sequence.svg(timeline(history))),  # noqa: S704 - escaped where it is drawn
        "money": [_money(history, order) for order in history.orders],
        "faults": sum(1 for _ in history.entries("fault")),
        "journal": [mask(json.dumps(entry, ensure_ascii=False)) for entry in history.journal],
        "log": mask("\n".join(history.log.splitlines()[-_LOG_LINES:])),
    }


def _money(history: History, order: Any) -> dict[str, Any]:
    """Both sides of an order: what was owed and what the shop says; what the gateway took, charge by charge."""
    captured = history.captured(order)
    return {
        "order": order,
        "owed": money.shown(order.amount, order.currency),
        "taken": money.shown(captured, order.currency),
        "agree": captured == order.amount if order.status == "PAID" else captured == 0,
        "charges": [
            {"id": charge.id, "status": charge.status, "net": money.shown(charge.net, charge.currency)}
            for charge in history.charges_of(order)
        ],
    }
