"""Every native call by its name: what it takes, and what it does."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, NamedTuple

from msgspec import Meta, Struct

from gatecrash.core import disputes, endpoints, events, payment_methods, payments, refunds, subscriptions, tokens
from gatecrash.core.errors import Refused
from gatecrash.core.facts import FACTS
from gatecrash.core.params import unknown_word
from gatecrash.core.records import Charge, Delivery, Dispute, Endpoint, Event, PaymentMethod, Record, Refund, Subscription
from gatecrash.core.transaction import Context

# of this dialect, in events
NAME = "native"

PAGE_MAX = 100
PAGE_DEFAULT = 10


class Page(NamedTuple):
    """Part of a list, newest first."""

    items: Sequence[Record]
    has_more: bool


class ById(Struct, forbid_unknown_fields=True):
    id: str


class ListParams(Struct, forbid_unknown_fields=True, kw_only=True):
    limit: Annotated[int, Meta(ge=1, le=PAGE_MAX)] = PAGE_DEFAULT
    starting_after: str | None = None


class ListCharges(ListParams):
    order_id: str | None = None
    subscription_id: str | None = None
    status: Literal["succeeded", "authorized", "requires_action", "processing", "voided", "expired", "failed"] | None = None


class ListRefunds(ListParams):
    charge_id: str | None = None


class ListDisputes(ListParams):
    charge_id: str | None = None
    status: Literal["needs_response", "under_review", "won", "lost", "closed"] | None = None


class ListSubscriptions(ListParams):
    status: Literal["active", "past_due", "canceled"] | None = None


class ListEvents(ListParams):
    type: str | None = None
    order_id: str | None = None


def _check_type(params: ListEvents) -> None:
    if params.type not in (None, *FACTS):
        raise unknown_word("parameter_invalid", "type", str(params.type), FACTS)


class ListDeliveries(ListParams):
    id: str


class Resend(Struct, forbid_unknown_fields=True):
    id: str
    endpoint_id: str | None = None


class Operation(NamedTuple):
    """`check` refuses bad parameters before anything is claimed; `run` does the work inside a transaction."""

    name: str
    params: type[Struct]
    run: Callable[[Context, Any], Any]
    check: Callable[[Any], None] | None = None


def _page(ctx: Context, kind: type[Record], params: ListParams, **equals: Any) -> Page:
    given = {column: value for column, value in equals.items() if value is not None}
    if params.starting_after is not None and ctx.tx.get(kind, params.starting_after) is None:
        raise Refused(
            "parameter_invalid",
            f"starting_after was {params.starting_after[:60]!r}; expected the id of an object on an earlier page.",
            "starting_after",
        )
    items, has_more = ctx.tx.page(kind, params.limit, params.starting_after, **given)
    return Page(items, has_more)


def _list_deliveries(ctx: Context, params: ListDeliveries) -> Page:
    return _page(ctx, Delivery, params, event_id=events.get_event(ctx, params.id).id)


_ALL = (
    Operation("client_tokens.create", tokens.CreateClientToken, tokens.create_client_token),
    Operation("tokens.create", tokens.CreateToken, tokens.create_token, tokens.check_token),
    Operation("charges.create", payments.CreateCharge, payments.create_charge, payments.check_create),
    Operation("charges.get", ById, lambda ctx, p: payments.get_charge(ctx, p.id)),
    Operation(
        "charges.list",
        ListCharges,
        lambda ctx, p: _page(ctx, Charge, p, order_id=p.order_id, subscription_id=p.subscription_id, status=p.status),
    ),
    Operation("charges.capture", payments.CaptureCharge, payments.capture_charge),
    Operation("charges.void", payments.VoidCharge, payments.void_charge),
    Operation("refunds.create", refunds.CreateRefund, refunds.create_refund),
    Operation("refunds.get", ById, lambda ctx, p: refunds.get_refund(ctx, p.id)),
    Operation("refunds.list", ListRefunds, lambda ctx, p: _page(ctx, Refund, p, charge_id=p.charge_id)),
    Operation("disputes.get", ById, lambda ctx, p: disputes.get_dispute(ctx, p.id)),
    Operation("disputes.list", ListDisputes, lambda ctx, p: _page(ctx, Dispute, p, charge_id=p.charge_id, status=p.status)),
    Operation("disputes.evidence", disputes.SubmitEvidence, disputes.submit_evidence),
    Operation("disputes.accept", disputes.AcceptDispute, disputes.accept_dispute),
    Operation("payment_methods.create", payment_methods.CreatePaymentMethod, payment_methods.create_payment_method),
    Operation("payment_methods.get", ById, lambda ctx, p: payment_methods.get_payment_method(ctx, p.id)),
    Operation("payment_methods.list", ListParams, lambda ctx, p: _page(ctx, PaymentMethod, p)),
    Operation(
        "subscriptions.create",
        subscriptions.CreateSubscription,
        subscriptions.create_subscription,
        subscriptions.check_create,
    ),
    Operation("subscriptions.get", ById, lambda ctx, p: subscriptions.get_subscription(ctx, p.id)),
    Operation("subscriptions.list", ListSubscriptions, lambda ctx, p: _page(ctx, Subscription, p, status=p.status)),
    Operation("subscriptions.update", subscriptions.UpdateSubscription, subscriptions.update_subscription),
    Operation("subscriptions.cancel", subscriptions.CancelSubscription, subscriptions.cancel_subscription),
    Operation(
        "webhook_endpoints.create",
        endpoints.CreateEndpoint,
        endpoints.create_endpoint,
        endpoints.check_create,
    ),
    Operation(
        "webhook_endpoints.update",
        endpoints.UpdateEndpoint,
        endpoints.update_endpoint,
        endpoints.check_update,
    ),
    Operation("webhook_endpoints.get", ById, lambda ctx, p: endpoints.get_endpoint(ctx, p.id)),
    Operation("webhook_endpoints.list", ListParams, lambda ctx, p: _page(ctx, Endpoint, p)),
    Operation("webhook_endpoints.delete", ById, lambda ctx, p: endpoints.delete_endpoint(ctx, p.id)),
    Operation("webhook_endpoints.rotate_secret", endpoints.RotateSecret, endpoints.rotate_secret),
    Operation("events.get", ById, lambda ctx, p: events.get_event(ctx, p.id)),
    Operation(
        "events.list",
        ListEvents,
        lambda ctx, p: _page(ctx, Event, p, dialect=NAME, type=p.type, order_id=p.order_id),
        _check_type,
    ),
    Operation("events.deliveries", ListDeliveries, _list_deliveries),
    Operation("events.resend", Resend, lambda ctx, p: Page(*events.resend(ctx, p.id, p.endpoint_id))),
)

OPERATIONS: dict[str, Operation] = {operation.name: operation for operation in _ALL}
