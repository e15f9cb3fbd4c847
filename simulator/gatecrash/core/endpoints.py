"""Webhook endpoints: where events go, and the secrets that sign them."""

import re
from base64 import b64encode
from typing import Annotated

from msgspec import Meta, Struct

from gatecrash.core import timers
from gatecrash.core.errors import Refused
from gatecrash.core.events import TYPES
from gatecrash.core.records import Delivery, Endpoint
from gatecrash.core.transaction import Context

_SECRET_BYTES = 32  # Standard Webhooks asks for 24 to 64
# whsec_ and base64 of 24 bytes or more
_SECRET = re.compile("whsec_(?:[A-Za-z0-9+/]{4}){8,21}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_FAMILIES = tuple(sorted({event_type.partition(".")[0] + ".*" for event_type in TYPES}))


class CreateEndpoint(Struct, forbid_unknown_fields=True):
    """`secret`: one of the merchant's own choice, known before the endpoint is; left out, a new one is made."""

    url: Annotated[str, Meta(min_length=1, max_length=2048)]
    events: Annotated[list[Annotated[str, Meta(max_length=100)]], Meta(min_length=1, max_length=100)] | None = None
    description: Annotated[str, Meta(max_length=255)] | None = None
    secret: str | None = None


class RotateSecret(Struct, forbid_unknown_fields=True):
    """`overlap_s`: for how many seconds the old secret goes on signing beside the new one."""

    id: str
    overlap_s: Annotated[float, Meta(ge=0, le=604_800)] = 86_400


def check_create(params: CreateEndpoint) -> None:
    for pattern in params.events or ():
        if pattern != "*" and pattern not in TYPES and pattern not in _FAMILIES:
            raise Refused(
                "parameter_invalid",
                f"events holds {pattern!r}; expected '*', a family ({', '.join(_FAMILIES)}) or a type ({', '.join(TYPES)}).",
                "events",
            )
    if params.secret is not None and not _SECRET.fullmatch(params.secret):
        raise Refused(
            "parameter_invalid",
            "secret is not of the form whsec_BASE64 with 32 to 88 characters of base64; send one such, or none to have one made.",
            "secret",
        )


def create_endpoint(ctx: Context, params: CreateEndpoint, dialect: str = "native") -> Endpoint:
    endpoint = Endpoint(
        id=ctx.ids.new("we"), dialect=dialect, url=params.url, events=params.events or ["*"],
        description=params.description, secret=params.secret or new_secret(ctx), created_at=ctx.now,
    )  # fmt: skip
    ctx.tx.insert(endpoint)
    return endpoint


def new_secret(ctx: Context) -> str:
    return "whsec_" + b64encode(ctx.ids.secret("whsec", _SECRET_BYTES)).decode()


def get_endpoint(ctx: Context, endpoint_id: str) -> Endpoint:
    endpoint = ctx.tx.get(Endpoint, endpoint_id)
    if endpoint is None:
        raise Refused(
            "resource_missing",
            f"no webhook endpoint {endpoint_id[:60]!r} in this sandbox; check the id and the key together.",
            "id",
        )
    return endpoint


def rotate_secret(ctx: Context, params: RotateSecret) -> Endpoint:
    endpoint = get_endpoint(ctx, params.id)
    if params.overlap_s:
        endpoint.old_secret, endpoint.old_secret_until = (
            endpoint.secret,
            ctx.now + int(params.overlap_s * 1000),
        )
    else:
        endpoint.old_secret = endpoint.old_secret_until = None
    endpoint.secret = new_secret(ctx)
    ctx.tx.update(endpoint, "secret", "old_secret", "old_secret_until")
    return endpoint


def signing_secrets(endpoint: Endpoint, now: int) -> list[str]:
    """The secrets that sign at this moment, newest first."""
    if endpoint.old_secret is not None and endpoint.old_secret_until is not None and now < endpoint.old_secret_until:
        return [endpoint.secret, endpoint.old_secret]
    return [endpoint.secret]


def delete_endpoint(ctx: Context, endpoint_id: str) -> Endpoint:
    endpoint = get_endpoint(ctx, endpoint_id)
    cancel_deliveries(ctx, endpoint)
    ctx.tx.delete(Endpoint, endpoint.id)
    return endpoint


def disable_endpoint(ctx: Context, endpoint: Endpoint) -> None:
    """Stop telling an endpoint that does not want to hear any more."""
    endpoint.status = "disabled"
    ctx.tx.update(endpoint, "status")
    cancel_deliveries(ctx, endpoint)


def cancel_deliveries(ctx: Context, endpoint: Endpoint) -> None:
    for delivery in ctx.tx.find(Delivery, endpoint_id=endpoint.id, status="pending"):
        delivery.status, delivery.next_attempt_at = "canceled", None
        ctx.tx.update(delivery, "status", "next_attempt_at")
        timers.clear_timer(ctx, timers.WEBHOOK_ATTEMPT, delivery.id)
