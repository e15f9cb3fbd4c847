"""`gatecrash trigger`: make an event happen, by doing what causes it."""

from typing import TYPE_CHECKING, Any

import click

from gatecrash.cli._failed import Failed, WrongUse
from gatecrash.cli._gateway import talks_to_gateway
from gatecrash.cli._output import document
from gatecrash.spelling import no_such

if TYPE_CHECKING:
    from gatecrash.client import Sandbox


class _Trigger(click.Command):
    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        from gatecrash.client.trigger import RECIPES

        with formatter.section("Event types, and what is done"):
            formatter.write_dl([(name, _steps(recipe)) for name, recipe in RECIPES.items()])


@click.command("trigger", cls=_Trigger)
@click.argument("event_type")
@click.option(
    "--amount",
    type=click.IntRange(1),
    help="In minor units; of an existing charge, the part to capture or refund.  [default: 4200, or all]",
)
@click.option("--currency", help="Of a new charge.  [default: usd]")
@click.option("--charge", "charge_id", metavar="ID", help="Act on this charge, say one that your shop made.")
@click.option(
    "--order-id", help="The order that it is about: act on its newest charge where the event can come of one, else make one."
)
@click.option("--metadata", multiple=True, metavar="NAME=VALUE", help="Of a new charge; repeatable.")
@click.option("--card", metavar="NUMBER", help="A test card, or its name, such as visa; by default the one that causes it.")
@talks_to_gateway
def command(
    sandbox: "Sandbox",
    as_json: bool,
    event_type: str,
    amount: int | None,
    currency: str | None,
    charge_id: str | None,
    order_id: str | None,
    metadata: tuple[str, ...],
    card: str | None,
) -> None:
    """Make an event of EVENT_TYPE really happen, by doing what causes it.

    A card is tokenized and charged, refunded, disputed…; where it takes time, the sandbox's clock is moved. With --charge or
    --order-id it comes of a charge that is there.

    Exit code: 0 it happened, 1 something else came of it, 2 the set-up is wrong.
    """
    from gatecrash.client.trigger import RECIPES, CannotActOn, Happened, Terms, trigger
    from gatecrash.harness.cards import CARDS

    known_type(event_type)
    recipe = RECIPES[event_type]
    if card and not card[0].isdigit() and card not in CARDS:
        raise WrongUse(no_such("test card", [card[:60]], CARDS))
    if charge_id is not None and (card, currency, order_id, metadata) != (None, None, None, ()):
        raise click.UsageError(
            "--charge names a charge that is there; --card, --currency, --order-id and --metadata describe another."
        )
    terms = Terms(amount, currency or "usd", order_id, CARDS.get(card, card) if card else recipe.card, _pairs(metadata))
    steps: list[str] = []
    try:
        event = trigger(sandbox, event_type, terms, steps.append if as_json else click.echo, charge_id=charge_id)
    except Happened as instead:
        raise Failed(str(instead)) from instead
    except CannotActOn as cannot:
        raise WrongUse(str(cannot)) from cannot
    if as_json:
        document({"event": event, "steps": steps})
    else:
        click.echo(f"{click.style(event['type'], bold=True)}  {event['id']}  {event['timestamp']}")


def _pairs(metadata: tuple[str, ...]) -> dict[str, str] | None:
    for pair in metadata:
        if "=" not in pair:
            raise click.UsageError(f"--metadata was {pair!r}; expected NAME=VALUE, such as cart=7.")
    return dict(pair.split("=", 1) for pair in metadata) or None


def _steps(recipe: Any) -> str:
    from gatecrash.client.sandbox import VISA

    card = "" if recipe.card == VISA else f", with card {recipe.card}"
    return ", ".join(step.__name__.replace("_", " ") for step in recipe.steps) + card


def known_type(event_type: str) -> None:
    """Raises WrongUse for a type that no event has."""
    from gatecrash.client.trigger import RECIPES

    if event_type not in RECIPES:
        raise WrongUse(no_such("event type", [event_type[:60]], RECIPES))
