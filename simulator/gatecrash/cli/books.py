"""`gatecrash books`: what the gateway knows of the money."""

from typing import TYPE_CHECKING

import click

from gatecrash.cli._gateway import require, talks_to_gateway
from gatecrash.cli._output import document, table
from gatecrash.core import money

if TYPE_CHECKING:
    from gatecrash.client import Sandbox


@click.command("books")
@talks_to_gateway
def command(sandbox: "Sandbox", as_json: bool) -> None:
    """The gateway's own truth of the money: what each order was charged, and the accounts behind it.

    Exit code: 0 the books balance, 1 they do not, 2 the set-up is wrong.
    """
    require(sandbox)
    books = sandbox.books()
    if as_json:
        document(books)
    else:
        table(
            ("order", "charges", "captured", "refunded", "disputed", "net"),
            [
                (
                    order["order_id"] or "(none)", order["charges"],
                    *(money.shown(order[name], order["currency"]) for name in ("captured", "refunded", "disputed", "net")),
                )
                for order in books["orders"]
            ],
            empty=f"No money has moved in sandbox {sandbox.name}.",
        )  # fmt: skip
        if books["accounts"]:
            click.echo()
            table(
                ("account", "debits", "credits", "balance"),
                [
                    (
                        account["account"],
                        *(money.shown(account[name], account["currency"]) for name in ("debits", "credits", "balance")),
                    )
                    for account in books["accounts"]
                ],
                empty="",
            )
            click.echo()
        click.echo("The books balance." if books["balanced"] else click.style("The books do NOT balance.", fg="red"))
    if not books["balanced"]:
        raise SystemExit(1)
