"""`gatecrash explain`: what a code means and what to do about it. Needs no gateway."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import click

from gatecrash.cli._failed import Failed
from gatecrash.cli._output import document, table
from gatecrash.cli._together import refuse
from gatecrash.spelling import nearest


class Explained(NamedTuple):
    """`what`: the family the code is of. `advice`: what to do, or what more there is to know. `more`: the fine print."""

    code: str
    what: str
    title: str
    advice: str
    more: str = ""


def _errors() -> dict[str, Explained]:
    from gatecrash.core.errors import CATALOGUE
    from gatecrash.dialects.native.errors import status_of

    return {
        code: Explained(code, f"error, HTTP {status_of(code)}", meant.title, meant.advice) for code, meant in CATALOGUE.items()
    }


def _declines() -> dict[str, Explained]:
    from gatecrash.core.cards import DECLINES, TEST_CARDS

    def cards(code: str) -> str:
        numbers = [number for number, behaviour in TEST_CARDS.items() if behaviour.decline_code == code]
        return f"Test cards that are declined so: {', '.join(numbers)}." if numbers else "No test card is declined so."

    return {code: Explained(code, "decline code", title, cards(code)) for code, title in DECLINES.items()}


def _stations() -> dict[str, Explained]:
    from gatecrash.faults.stations import STATIONS

    return {
        name: Explained(name, f"station of a {station.way}", station.when, f"Can strike there: {', '.join(station.kinds)}.")
        for name, station in STATIONS.items()
    }


def _kinds() -> dict[str, Explained]:
    from inspect import cleandoc

    from gatecrash.faults.kinds import KINDS
    from gatecrash.faults.stations import STATIONS

    def where(kind: str) -> str:
        return ", ".join(name for name, station in STATIONS.items() if kind in station.kinds)

    return {
        kind: Explained(kind, "kind of fault", " ".join(cleandoc(made.__doc__ or "").split()), f"Can strike at: {where(kind)}.")
        for kind, made in KINDS.items()
    }


def _letters() -> dict[str, Explained]:
    from gatecrash.harness.worlds.simulated.alphabet import LETTERS

    advice = "docs/simulated.md tells where it strikes; gatecrash replay plays a schedule that has it."
    return {
        letter.name: Explained(letter.name, "fault of the simulated world", f"{letter.what[0].upper()}{letter.what[1:]}", advice)
        for letter in LETTERS.values()
    }


def _oracles() -> dict[str, Explained]:
    from gatecrash.harness.oracles import EXPECTATION, ORACLES
    from gatecrash.harness.oracles.causes import CAUSES

    def fixes(code: str) -> str:
        return "\n  ".join(f"{cause.name}: {cause.fix}" for _, cause in CAUSES.get(code, ()))

    told = "It says what order and money must come to where nothing strikes but the story itself; docs/prove.md has its fields."
    return {
        code: Explained(code, "oracle", oracle.title, fixes(code), " ".join(oracle.explanation.split()))
        for code, oracle in ORACLES.items()
    } | {
        EXPECTATION: Explained(
            EXPECTATION, "part of a story", "no oracle objects, but the story's own expect is not met", fixes(EXPECTATION), told
        )
    }  # fmt: skip


def _rules() -> dict[str, Explained]:
    from gatecrash.lint import RULES

    return {rule.code: Explained(rule.code, "rule of gatecrash lint", rule.says, rule.advice) for rule in RULES}


def _stories() -> dict[str, Path]:
    """The file of each story, by name. The files are not read: there are many."""
    from gatecrash import resources

    return {path.stem: path for path in resources.scenarios().glob("*.yaml")}


def _tell_story(path: Path, as_json: bool) -> None:
    from gatecrash.cli.stories import as_document, tell
    from gatecrash.harness.story import load

    story = load(path)
    if as_json:
        document(as_document(story))
    else:
        tell(story)


FAMILIES: tuple[Callable[[], dict[str, Explained]], ...] = (_errors, _declines, _stations, _kinds, _letters, _oracles, _rules)


@click.command("explain")
@click.argument("code", required=False)
@click.option("--long", "in_full", is_flag=True, help="Also the fine print: what is judged, and how.")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of words.")
def command(code: str | None, in_full: bool, as_json: bool) -> None:
    """Say what CODE means and what to do; without CODE, list all of them.

    CODE is an error code (nonce_used), a decline code (insufficient_funds), a station (operation.committed), a kind of
    fault (reset; 'lost answer' in the simulated world), an oracle (S1), a rule of lint (key_reused) or a story
    (lost-response; `gatecrash stories` lists them). An address such as /errors/nonce_used will do as well.

    Exit code: 0 explained, 1 no such code or story.
    """
    known = {name: explained for family in reversed(FAMILIES) for name, explained in family().items()}
    if code is None:
        refuse(["in_full"], "without a CODE", "the list has one line for each")
        everything = [explained for family in FAMILIES for explained in family().values()]
        if as_json:
            document([explained._asdict() for explained in everything])
        else:
            table(("code", "what", "meaning"), [explained[:3] for explained in everything], empty="")
        return
    asked = code.rstrip("/").rpartition("/")[2]
    explained = known.get(asked) or known.get(asked.lower()) or known.get(asked.upper())
    if explained is None:
        stories = _stories()
        if asked.lower() in stories:
            _tell_story(stories[asked.lower()], as_json)
            return
        near = nearest([asked[:60]], [*known, *stories]) or "`gatecrash explain` lists codes, `gatecrash stories` stories."
        raise Failed(f"no code or story {asked[:60]!r}; {near}")
    if as_json:
        document(explained._asdict())
        return
    click.echo(f"{click.style(explained.code, bold=True)} ({explained.what}): {explained.title.rstrip('.')}.")
    click.echo(f"  {explained.advice or explained.more}")
    if in_full and explained.advice and explained.more:
        click.echo(f"  {explained.more}")
    elif explained.advice and explained.more:
        click.echo(f"  How it is judged: gatecrash explain {explained.code} --long")
