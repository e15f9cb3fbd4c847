"""`gatecrash journal`: what was asked, answered, sent and broken, in order."""

import time
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from gatecrash.cli._gateway import note_if_new, require, talks_to_gateway
from gatecrash.cli._output import document, json_line, note
from gatecrash.cli._terminal import one_line

if TYPE_CHECKING:
    from gatecrash.client import Sandbox

_LOOK_AGAIN_S = 0.2

Entry = dict[str, Any]


# kinds of entries, and how they look on a terminal
KINDS: dict[str, str | None] = {
    "request": None, "answer": None, "fault": "red", "delivery": "cyan", "endpoint": "yellow", "control": "bright_black",
    "start": "bright_black", "finding": "yellow",
}  # fmt: skip


@click.command("journal")
@click.option("--follow", "-f", is_flag=True, help="Go on printing what comes, until Ctrl-C.")
@click.option("--kind", type=click.Choice(list(KINDS)), help="Only entries of this kind.")
@click.option("--order-id", help="Only entries about this order.")
@click.option("--after", type=click.IntRange(0), default=0, metavar="SEQ", help="Only entries numbered above this.")
@click.option("--last", "-n", type=click.IntRange(0), metavar="N", help="Only the last so many.")
@talks_to_gateway
def command(
    sandbox: "Sandbox", as_json: bool, follow: bool, kind: str | None, order_id: str | None, after: int, last: int | None
) -> None:
    """What was asked, answered, sent and broken, in order. Times are sandbox time.

    With --json one document; with --follow --json one a line. Ctrl-C ends --follow with exit code 0.
    """

    def wanted(entry: Entry) -> bool:
        return order_id is None or entry.get("order_id") == order_id

    if follow:
        note_if_new(sandbox)
    else:
        require(sandbox)
    entries = sandbox.journal(after=after, kind=kind)
    shown = [entry for entry in entries if wanted(entry)]
    if last is not None:
        shown = list(deque(shown, maxlen=last))
    if as_json and not follow:
        document(shown)
        return
    tell = json_line if as_json else tell_entry
    try:
        for entry in shown:
            tell(entry)
        if not shown and not follow:
            click.echo(f"Nothing of that in the journal of sandbox {sandbox.name}.")
        if follow:
            for entry in following(sandbox, entries[-1] if entries else None, after, kind):
                if wanted(entry):
                    tell(entry)
    except KeyboardInterrupt:
        if not follow:
            raise


def following(sandbox: "Sandbox", last: Entry | None, after: int, kind: str | None) -> Iterator[Entry]:
    """The entries that come after `last`, for ever. Goes on over a restart, a reset and a restore."""
    from gatecrash.client import GatewayUnreachable

    gone = False
    while True:
        try:
            # the last one known is asked for again: if it is not what it was, the journal has begun anew
            found = sandbox.journal(after=after if last is None else last["seq"] - 1, kind=kind)
        except GatewayUnreachable:
            if not gone:
                note(f"the gateway at {sandbox.url} is gone; waiting for it to come back")
            gone = True
            time.sleep(_LOOK_AGAIN_S)
            continue
        if gone:
            note("the gateway is back")
            gone = False
        if last is not None:
            if not found or found[0] != last:
                note(f"the journal of sandbox {sandbox.name} begins anew")
                last, after = None, 0
                continue
            found = found[1:]
        yield from found
        if found:
            last = found[-1]
        else:
            time.sleep(_LOOK_AGAIN_S)


def tell_entry(entry: Entry) -> None:
    """One entry, one line."""
    from gatecrash.client.lines import words

    colour = KINDS.get(entry["kind"])
    said = one_line(words(entry))
    told = said if colour is None else click.style(said, fg=colour)
    click.echo(f"{entry['seq']:>5}  {entry['at']}  {told}")
