"""What happened to the money, in the words of the core: charges with their refunds and disputes, and facts."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from gatecrash.core.clock import rfc3339
from gatecrash.core.errors import Refused
from gatecrash.core.records import Charge, Dispute, Event, Record, Refund
from gatecrash.core.transaction import Context


class ReadPage(Struct, forbid_unknown_fields=True):
    limit: Annotated[int, Meta(ge=1, le=100)] = 100
    starting_after: str | None = None


def charges(ctx: Context, params: ReadPage) -> dict[str, Any]:
    """A page of charges, newest first, each with its refunds and disputes, oldest first."""
    page, has_more = _page(ctx, Charge, params)
    return {"data": [_charge(ctx, charge) for charge in page], "has_more": has_more}


def facts(ctx: Context, params: ReadPage) -> dict[str, Any]:
    """A page of events, newest first, with the fact that each tells of."""
    page, has_more = _page(ctx, Event, params)
    return {"data": [_fact(event) for event in page], "has_more": has_more}


def _page(ctx: Context, kind: type[Any], params: ReadPage) -> tuple[list[Any], bool]:
    _check_cursor(ctx, kind, params.starting_after)
    return ctx.tx.page(kind, params.limit, params.starting_after)


def _check_cursor(ctx: Context, kind: type[Record], cursor: str | None) -> None:
    if cursor is not None and ctx.tx.get(kind, cursor) is None:
        raise Refused(
            "parameter_invalid",
            f"starting_after was {cursor[:60]!r}; expected the id of an object on an earlier page.",
            "starting_after",
        )


def _charge(ctx: Context, charge: Charge) -> dict[str, Any]:
    return {
        "id": charge.id, "status": charge.status, "amount": charge.amount, "amount_captured": charge.amount_captured,
        "amount_refunded": charge.amount_refunded, "currency": charge.currency, "order_id": charge.order_id,
        "source": charge.payment_nonce or charge.payment_method, "ref": charge.ref, "subscription_id": charge.subscription_id,
        "decline_code": charge.decline_code, "created_at": rfc3339(charge.created_at),
        "refunds": [_refund(refund) for refund in ctx.tx.find(Refund, charge_id=charge.id)],
        "disputes": [_dispute(dispute) for dispute in ctx.tx.find(Dispute, charge_id=charge.id)],
    }  # fmt: skip


def _refund(refund: Refund) -> dict[str, Any]:
    return {"id": refund.id, "status": refund.status, "amount": refund.amount, "created_at": rfc3339(refund.created_at)}


def _dispute(dispute: Dispute) -> dict[str, Any]:
    return {
        "id": dispute.id, "stage": dispute.stage, "status": dispute.status, "amount": dispute.amount,
        "created_at": rfc3339(dispute.created_at),
    }  # fmt: skip


def _fact(event: Event) -> dict[str, Any]:
    # native's event is the record itself: of a refund, a dispute or a subscription it says which charge it is about
    record = event.data if event.dialect == "native" else {}
    charge_id = record.get("charge_id") or record.get("latest_charge_id")
    dispute_id = event.object_id if record and str(event.fact).startswith("dispute.") else None
    return {
        "event_id": event.id, "what": event.fact, "dialect": event.dialect, "event_type": event.type,
        "object_id": event.object_id, "charge_id": charge_id, "dispute_id": dispute_id, "dispute_stage": record.get("stage"),
        "order_id": event.order_id, "amount": event.amount, "at": rfc3339(event.created_at),
    }  # fmt: skip
