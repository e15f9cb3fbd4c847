"""What finished runs look like to a reader: rows of plain data, a table, and a verdict in words."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from gatecrash.core import money
from gatecrash.counted import counted
from gatecrash.harness.history import PAID
from gatecrash.harness.oracles.causes import Cause, cause_of
from gatecrash.harness.run import Outcome

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from gatecrash.harness.prove import Proof

#: Below this many columns a table would cut its words.
TABLE_WIDTH_MIN = 76

HEADINGS = {
    "naive": "The naive merchant charges, then saves; takes silence for failure",
    "reference": "The reference merchant stores the attempt, then charges",
}


def row(outcome: Outcome) -> dict[str, Any]:
    """One object of `gatecrash demo --json`.

    `{story, merchant, order_amount, captured, order_status, fulfilments, violations: [{oracle, message}]}`.
    Amounts in minor units; `captured` is net, refunds taken off, over all charges of the order;
    `fulfilments` is null when the shop does not tell. A story with several orders reports the sums, and the
    status of the last.
    """
    history = outcome.history
    told = [order.fulfilments for order in history.orders if order.fulfilments is not None]
    return {
        "story": outcome.story.name,
        "merchant": outcome.merchant,
        "order_amount": sum(order.amount for order in history.orders),
        "captured": sum(history.captured(order) for order in history.orders),
        "order_status": history.orders[-1].status if history.orders else None,
        "fulfilments": sum(told) if told else None,
        "violations": [{"oracle": each.oracle, "message": each.message} for each in outcome.violations],
    }


def show(console: "Console", outcomes: Sequence[Outcome], title: str) -> None:
    """Prints the outcomes of one merchant: as a table, or, where that would not fit, story by story."""
    from rich.text import Text

    if console.width >= TABLE_WIDTH_MIN:
        console.print(table(outcomes, title))
        console.print()
        return
    console.print(Text(title, style="bold"))
    for outcome in outcomes:
        owed, charged, status = _cells(outcome)
        console.print(f"- {outcome.story.title}: {owed} owed,", charged, f"charged, the shop says {status}.")
        console.print("  Do they agree?", _verdict(outcome))


def table(outcomes: Sequence[Outcome], title: str) -> "Table":
    """A row per outcome: what was owed, what was charged, what the shop believes, whether they agree."""
    from rich import box
    from rich.table import Table

    drawn = Table(
        title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0)
    )
    drawn.add_column("story", no_wrap=True)  # the schema keeps titles short
    drawn.add_column("owed", justify="right", no_wrap=True)
    drawn.add_column("charged", justify="right", no_wrap=True)
    drawn.add_column("shop says", overflow="fold")
    drawn.add_column("agree?", overflow="fold")
    for outcome in outcomes:
        owed, charged, status = _cells(outcome)
        drawn.add_row(outcome.story.title, owed, charged, status, _verdict(outcome))
    return drawn


def _cells(outcome: Outcome) -> "tuple[str, Text, str]":
    """What was owed, what was charged (red when that differs), and what the shop says."""
    from rich.text import Text

    found, currency = row(outcome), outcome.story.currency
    off = found["captured"] not in (0, found["order_amount"])
    charged = Text(money.decimal(found["captured"], currency), style="bold red" if off else "")
    paid, times = found["order_status"] == PAID, found["fulfilments"]
    shipped = f", shipped {times}×" if times not in (None, int(paid)) else ""
    return money.decimal(found["order_amount"], currency), charged, f"{found['order_status']}{shipped}"


def _verdict(outcome: Outcome) -> "Text":
    from rich.text import Text

    if not outcome.violations:
        return Text("yes", style="green")
    found = dict.fromkeys(title(each.oracle) for each in outcome.violations)
    return Text("NO, " + "; ".join(found), style="bold red")


def objections(outcome: Outcome) -> str:
    """What the oracles objected to, `charged twice (S1), …`; nothing for a run that held."""
    found = ", ".join(f"{title(code)} ({code})" for code in dict.fromkeys(each.oracle for each in outcome.violations))
    return f"{found}, in play {outcome.plays}" if found and outcome.plays > 1 else found


def objected(outcomes: Sequence[Outcome]) -> list[tuple[str, str, list[Outcome]]]:
    """Each oracle that objected, with its title and the runs in which it did; what means most harm first."""
    found: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        for code in dict.fromkeys(each.oracle for each in outcome.violations):
            found.setdefault(code, []).append(outcome)
    order = sorted(found, key=lambda code: (_harm(code), -len(found[code]), code))
    return [(code, title(code), found[code]) for code in order]


class Group(NamedTuple):
    """Runs that were violated for one cause: the code of their worst violation, its title, why, and what to do."""

    code: str
    title: str
    cause: Cause | None
    outcomes: list[Outcome]

    @property
    def heading(self) -> str:
        why = f": {self.cause.name}" if self.cause else ""
        return f"{self.code} {self.title}{why}, in {counted(len(self.outcomes), 'story', 'stories')}"


def by_cause(outcomes: Sequence[Outcome]) -> list[Group]:
    """The violated runs, those of one cause together; the worst first, then what is most frequent."""
    groups: dict[tuple[str, str], Group] = {}
    for outcome in outcomes:
        if outcome.violations:
            worst = min(outcome.violations, key=lambda each: _harm(each.oracle))
            cause = cause_of(outcome.history, worst)
            key = (worst.oracle, cause.name if cause else "")
            groups.setdefault(key, Group(worst.oracle, title(worst.oracle), cause, [])).outcomes.append(outcome)
    return sorted(groups.values(), key=lambda each: (_harm(each.code), -len(each.outcomes), each.code))


def _harm(code: str) -> int:
    """What means most harm comes first: goods or money (S, books), then waiting (L), then bad practice (P), then `expect`."""
    return 0 if code == "books" else "SLP".find(code[0]) % 4


def verdict(proof: "Proof") -> str:
    """One sentence, with its bound: what was played, in which world, with how many faults struck."""
    if proof.bound:
        return proof.bound
    wrong = sum(1 for outcome in proof.outcomes if outcome.violations)
    fired = counted(sum(outcome.history.faults for outcome in proof.outcomes), "fault")
    stories = counted(len(proof.outcomes), "story", "stories")
    without = [f"; {len(missing)} {word}" for missing, word in _without_outcome(proof) if missing]
    without += [f"; not judged: {', '.join(dict.fromkeys(each.oracle for each in proof.not_judged))}"] if proof.not_judged else []
    said = f"violated in {wrong} of {stories}" if wrong else f"held in {len(proof.outcomes)} of {stories}"
    most = max((outcome.plays for outcome in proof.outcomes), default=1)
    said += f", up to {most} plays each" if most > 1 else ""
    incomplete = f"INCOMPLETE, {proof.incomplete}: " if proof.incomplete else ""
    return f"{incomplete}{proof.merchant}: {said}, {fired} struck, {proof.world} world, {proof.seconds:.0f} s{''.join(without)}."


def _without_outcome(proof: "Proof") -> list[tuple[Sequence[object], str]]:
    return [(proof.left_out, "left out"), (proof.not_played, "not played")]


def cut(message: str, length: int = 400) -> str:
    """A message that fits a screen: what is longer has its middle left out, since both ends tell most."""
    if len(message) <= length:
        return message
    return f"{message[: length * 2 // 3]} … {len(message) - length} characters more … {message[-(length // 3) :]}"


def summary(outcomes: Sequence[Outcome]) -> list[str]:
    """A line per merchant, in words; then what some run did not come to try."""
    lines = []
    for name in dict.fromkeys(outcome.merchant for outcome in outcomes):
        runs = [outcome for outcome in outcomes if outcome.merchant == name]
        wrong = [outcome for outcome in runs if outcome.violations]
        stories = counted(len(runs), "story", "stories")
        if not wrong:
            lines.append(f"{name}: clean. In {len(runs)} of {stories} charge and order agree.")
            continue
        parts = [f"{title(code)} ({code}) in {times}" for code, times in _count(wrong).items()]
        lines.append(f"{name}: caught in {len(wrong)} of {stories}: {'; '.join(parts)}.")
    lines += [
        f"{each.merchant}: in {each.story.name}, {what} never struck: that run proves nothing about it."
        for each in outcomes
        for what in each.history.unfired
    ]
    return lines


def title(code: str) -> str:
    from gatecrash.harness.oracles import ORACLES

    return ORACLES[code].title if code in ORACLES else "not what the story expects"


def _count(outcomes: Sequence[Outcome]) -> Mapping[str, int]:
    """How many of these runs each oracle objected to."""
    counts: dict[str, int] = {}
    for outcome in outcomes:
        for code in dict.fromkeys(each.oracle for each in outcome.violations):
            counts[code] = counts.get(code, 0) + 1
    return counts
