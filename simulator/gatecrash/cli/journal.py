"""`gatecrash journal`: what was asked, answered, sent and broken, in order."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import click

from gatecrash.cli._gateway import talks_to_gateway
from gatecrash.cli._output import document, json_line, money, note, styled

if TYPE_CHECKING:
    from gatecrash.client import Sandbox

_LOOK_AGAIN_S = 0.2

Entry = dict[str, Any]


def _request(entry: Entry) -> str:
    body = entry.get("body") or {}
    amount = money(entry["amount"], body.get("currency", "")) if entry["amount"] else ""
    key = f"key {entry['idempotency_key']}" if entry["idempotency_key"] else ""
    return _join(entry["operation"], amount, key, entry["method"], entry["path"], dialect=entry["dialect"])


def _answer(entry: Entry) -> str:
    replayed = "replayed" if entry.get("replayed") else ""
    return _join(entry["operation"], f"no answer: {entry['broken']}" if "broken" in entry else str(entry["status"]), replayed)


def _fault(entry: Entry) -> str:
    what = click.style(f"{entry['fault']} at {entry['station']}", fg="red")
    return _join(what, entry.get("event_type") or entry.get("operation") or "", entry["rule_id"])


def _delivery(entry: Entry) -> str:
    copy = "copy" if entry.get("copy") else ""
    answer = str(entry["status"]) if entry["status"] is not None else (entry["error"] or "")
    return _join(entry["event_type"], f"attempt {entry['attempt']}", copy, styled(entry["outcome"]), answer, entry["event_id"])


def _rest(entry: Entry) -> str:
    return _join(*(f"{name}={value}" for name, value in entry.items() if name not in ("seq", "at", "kind", "order_id")))


def _finding(entry: Entry) -> str:
    return _join(click.style(entry["rule"], fg="red"), f"#{entry['about']}", entry["detail"])


# kind of entry → how its line goes on
KINDS: dict[str, Callable[[Entry], str]] = {
    "request": _request, "answer": _answer, "fault": _fault, "delivery": _delivery, "endpoint": _rest, "control": _rest,
    "start": _rest, "finding": _finding,
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

    entries = sandbox.journal(after=after, kind=kind)
    shown = [entry for entry in entries if wanted(entry)]
    if last is not None:
        shown = list(deque(shown, maxlen=last))
    if as_json and not follow:
        document(shown)
        return
    tell = json_line if as_json else tell_entry
    for entry in shown:
        tell(entry)
    if not shown and not follow:
        click.echo(f"Nothing of that in the journal of sandbox {sandbox.name}.")
    if follow:
        try:
            for entry in following(sandbox, entries[-1] if entries else None, after, kind):
                if wanted(entry):
                    tell(entry)
        except KeyboardInterrupt:
            return


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
    order = f"[{entry['order_id']}]" if entry.get("order_id") else ""
    tell = KINDS.get(entry["kind"], _rest)
    click.echo(f"{entry['seq']:>5}  {entry['at']}  {entry['kind']:8}  {_join(tell(entry), order)}")


def _join(*parts: str, dialect: str = "native") -> str:
    return "  ".join(part for part in (*parts, f"({dialect})" if dialect != "native" else "") if part)
