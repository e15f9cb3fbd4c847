"""`gatecrash seed`: make many objects at once, from a file."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gatecrash.cli._failed import Failed, WrongUse
from gatecrash.cli._gateway import talks_to_gateway
from gatecrash.cli._output import document, table

if TYPE_CHECKING:
    from gatecrash.client import Sandbox


@click.command("seed")
@click.argument("file", type=click.Path(path_type=Path))
@talks_to_gateway
def command(sandbox: "Sandbox", as_json: bool, file: Path) -> None:
    """Make the endpoints, charges and subscriptions that FILE names and that are not there yet.

    A second run makes nothing; one after a run that was cut short completes it. contracts/seed.schema.json and docs/cli.md say
    what FILE may hold.

    Exit code: 0 all of it is there, 1 the gateway refused something, 2 the file or the set-up is wrong.
    """
    from gatecrash.client.seed import Differs, Seeded, seed
    from gatecrash.harness.cards import CARDS

    wanted, done = _read(file), list[Seeded]()
    try:
        for each in seed(sandbox, wanted, CARDS):
            done.append(each)
    except Differs as differs:
        raise Failed(f"{file}: {differs}") from differs
    finally:
        _tell(done, as_json)


def _tell(done: list[Any], as_json: bool) -> None:
    if as_json:
        document([each._asdict() for each in done])
    elif done:
        rows = [(each.kind, each.name, each.id, each.status, "made" if each.made else "there") for each in done]
        table(("kind", "name", "id", "status", "now"), rows, empty="")


def _read(file: Path) -> Any:
    """What the file holds, held to its schema; WrongUse names its line."""
    import yaml

    from gatecrash.harness import documents
    from gatecrash.yaml_text import read_with_places

    text = documents.read(file, WrongUse)
    try:
        raw, node = read_with_places(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise WrongUse(f"{file}:{mark.line + 1 if mark else 1}: not YAML: {getattr(error, 'problem', None) or error}") from error
    documents.hold_to("seed", raw, documents.Origin(file, documents.lines_of(node)), WrongUse)
    return raw
