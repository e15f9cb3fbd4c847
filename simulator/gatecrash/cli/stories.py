"""`gatecrash stories`: the failure stories, group by group; or one of them at length. Needs no gateway."""

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gatecrash.cli._output import document
from gatecrash.cli._together import refuse
from gatecrash.cli._worlds import runs_worlds
from gatecrash.cli.faults import in_words

if TYPE_CHECKING:
    from gatecrash.harness.story import Step, Story

#: Fields of a story, as `--json` has them and the words that lead each line.
_LINES = {
    "happens": "What happens", "breaks": "What breaks", "holds": "What must hold", "naive": "A naive shop violates",
    "catches": "Bugs it must catch",
}  # fmt: skip


@click.command("stories")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--group", "groups", multiple=True, metavar="GROUP", help="Only stories of this group, such as money; repeatable.")
@click.option(
    "--stories", "folders", multiple=True, type=click.Path(path_type=Path), metavar="PATH",
    help="A file or folder of stories of your own, besides those that come with Gatecrash; repeatable.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array, one object per story.")
@runs_worlds
def command(names: tuple[str, ...], groups: tuple[str, ...], folders: tuple[Path, ...], as_json: bool) -> None:
    """List the failure stories, one line each; or tell of the NAMEd ones what breaks, what must hold, and what they catch.

    Exit code: 0 when they were told, 2 when there is no such story or group.
    """
    from gatecrash.harness.story import choose, gather

    if names:
        refuse(["groups"], "beside a NAME", "the stories that are named are told, and no group")
    found = choose(gather(folders), names, groups=groups)
    if as_json:
        document([as_document(story) for story in found])
    elif names:
        for number, story in enumerate(found):
            if number:
                click.echo()
            tell(story)
    else:
        _list(found)


def _list(stories: "list[Story]") -> None:
    wide = max(len(story.name) for story in stories)
    for number, (group, those) in enumerate(groupby(stories, key=lambda story: story.group)):
        if number:
            click.echo()
        click.echo(click.style(group, bold=True))
        for story in those:
            click.echo(f"  {story.name:{wide}}  {story.title}")
    click.echo("\ngatecrash stories NAME tells what breaks, what must hold, and what it catches.")


def tell(story: "Story") -> None:
    """A story at length."""
    click.echo(f"{click.style(story.name, bold=True)} (story, {story.group}): {story.title.rstrip('.')}.")
    click.echo(f"  {story.about}")
    told = as_document(story)
    for field, words in _LINES.items():
        lines = told[field]
        if len(lines) == 1:
            click.echo(f"  {words}: {lines[0]}")
        elif lines:
            click.echo(f"  {words}:")
            for line in lines:
                click.echo(f"    {line}")
    click.echo(f"  Play it: gatecrash prove merchant.toml --story {story.name}")


def as_document(story: "Story") -> dict[str, Any]:
    """`{name, group, title, about, happens, breaks, holds, naive, catches}`; the last five are lists of lines."""
    from gatecrash.harness.mutants import known
    from gatecrash.harness.oracles import ORACLES

    mutants = known()
    expected = ", ".join(f"{name} {value}" for name, value in (story.expect or {}).items())
    return {
        "name": story.name,
        "group": story.group,
        "title": story.title,
        "about": story.about,
        "happens": [_step(step) for step in story.steps],
        "breaks": [in_words(rule) for rule in (*story.faults, *story.standing_faults)],
        "holds": [f"without further faults: {expected}"] * bool(expected) + ["every oracle, with whatever faults strike besides"],
        "naive": [f"{code}: {ORACLES[code].title}" for code in ORACLES if code in story.teaches],
        "catches": [f"{name}: {mutants[name].bug}" for name in story.catches if name in mutants],
    }


def _step(step: "Step") -> str:
    if step.argument is None:
        return step.verb
    given = step.argument
    said = " ".join(f"{name}={value}" for name, value in given.items()) if isinstance(given, dict) else given
    return f"{step.verb} {said}"
