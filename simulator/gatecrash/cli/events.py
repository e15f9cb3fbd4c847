"""`gatecrash events`: what happened, whether it was told, and telling it again."""

from typing import TYPE_CHECKING, Any

import click

from gatecrash.cli._gateway import require, talks_to_gateway
from gatecrash.cli._output import document, table
from gatecrash.cli.trigger import known_type
from gatecrash.core import money

if TYPE_CHECKING:
    from gatecrash.client import Sandbox


@click.group("events")
def command() -> None:
    """What happened in a sandbox, as its webhooks tell it."""


@command.command("list")
@click.option("--type", "event_type", help="Only of this type, such as charge.succeeded.")
@click.option("--order-id", help="Only about this order.")
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="At most so many, the newest.")
@talks_to_gateway
def list_events(sandbox: "Sandbox", as_json: bool, event_type: str | None, order_id: str | None, limit: int) -> None:
    """Events, newest first."""
    if event_type is not None:
        known_type(event_type)
    require(sandbox)
    events = sandbox.events(type=event_type, order_id=order_id)[:limit]
    if as_json:
        document(events)
        return
    table(
        ("time", "type", "id", "order", "amount"),
        [(event["timestamp"], event["type"], event["id"], *_about(event["data"])) for event in events],
        empty=f"No such events in sandbox {sandbox.name}; `gatecrash trigger charge.succeeded` makes one.",
    )


@command.command("show")
@click.argument("event_id", metavar="ID")
@talks_to_gateway
def show(sandbox: "Sandbox", as_json: bool, event_id: str) -> None:
    """One event, and every attempt to tell it."""
    from urllib.parse import quote

    require(sandbox)
    event = sandbox.request("GET", f"/v1/events/{quote(event_id, safe='')}")
    deliveries = sandbox.webhooks.deliveries(event_id)
    if as_json:
        document({"event": event, "deliveries": deliveries})
        return
    document(event)
    click.echo()
    _table_of(deliveries, empty="It was told to nobody: no enabled endpoint wanted it when it happened.")


@command.command("resend")
@click.argument("event_id", metavar="ID")
@click.option("--endpoint", "endpoint_id", metavar="ID", help="To this endpoint only.")
@talks_to_gateway
def resend(sandbox: "Sandbox", as_json: bool, event_id: str, endpoint_id: str | None) -> None:
    """Tell an event once more, to every enabled endpoint.

    Exit code: 1 when there is nobody to tell.
    """
    require(sandbox)
    sent = sandbox.webhooks.resend(event_id, endpoint_id=endpoint_id)
    if as_json:
        document(sent)
    else:
        _table_of(sent, empty=f"No enabled endpoint in sandbox {sandbox.name}; `gatecrash listen` makes one.")
    if not sent:
        raise SystemExit(1)


def _about(data: dict[str, Any]) -> tuple[Any, ...]:
    """Order and amount of what an event is about."""
    amount = money.shown(data["amount"], data["currency"]) if "amount" in data and "currency" in data else None
    return data.get("order_id"), amount


def _table_of(deliveries: list[dict[str, Any]], empty: str) -> None:
    rows = []
    for delivery in deliveries:
        last = delivery["attempts"][-1] if delivery["attempts"] else {}
        rows.append(
            (
                delivery["id"], delivery["url"], delivery["status"], len(delivery["attempts"]),
                last.get("status") or last.get("error"), delivery["next_attempt_at"],
            )
        )  # fmt: skip
    table(("delivery", "to", "status", "attempts", "last answer", "next attempt"), rows, empty=empty)
