"""Webhook endpoints: where events go, and the secrets that sign them."""

import re
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import Annotated, Literal

from msgspec import Meta, Struct

from gatecrash.core import timers
from gatecrash.core.errors import Refused
from gatecrash.core.facts import FACTS
from gatecrash.core.records import Endpoint
from gatecrash.core.transaction import Context
from gatecrash.core.vault import Vault
from gatecrash.spelling import the_nearest

# how many deliveries are canceled in one commit: more would keep everybody else waiting
CANCEL_SLICE = 200
_SECRET_BYTES = 32  # Standard Webhooks asks for 24 to 64
# whsec_ and base64 of 24 bytes or more
_SECRET = re.compile("whsec_(?:[A-Za-z0-9+/]{4}){8,21}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
# signature scheme → how a secret for it is made of random bytes; what goes over the wire is gatecrash.webhooks.signing's
SECRETS: dict[str, Callable[[bytes], str]] = {
    "v1": lambda drawn: "whsec_" + b64encode(drawn).decode(),
    "v1a": lambda drawn: "whsk_" + b64encode(drawn).decode(),
    "stripe": lambda drawn: "whsec_" + drawn.hex(),
    "adyen": lambda drawn: drawn.hex().upper(),
    "braintree": lambda drawn: f"{drawn[:8].hex()}:{drawn[8:24].hex()}",
}
# schemes that send one signature only: what happened before a rotation stays signed by the older key
_ONE_SIGNATURE = frozenset({"adyen"})
_FAMILIES = tuple(sorted({event_type.partition(".")[0] + ".*" for event_type in FACTS}))


_Url = Annotated[str, Meta(min_length=1, max_length=2048)]
_Events = Annotated[list[Annotated[str, Meta(max_length=100)]], Meta(min_length=1, max_length=100)]
_Description = Annotated[str, Meta(max_length=255)]


class CreateEndpoint(Struct, forbid_unknown_fields=True):
    """`secret`: one of the merchant's own choice, known before the endpoint is; left out, a new one is made.
    `verify`: check an https receiver's certificate.
    """

    url: _Url
    events: _Events | None = None
    description: _Description | None = None
    secret: str | None = None
    signature_scheme: Literal["v1", "v1a"] = "v1"
    verify: bool = True


class UpdateEndpoint(Struct, forbid_unknown_fields=True):
    """What is left out stays as it is."""

    id: str
    url: _Url | None = None
    events: _Events | None = None
    description: _Description | None = None
    status: Literal["enabled", "disabled"] | None = None
    verify: bool | None = None


class RotateSecret(Struct, forbid_unknown_fields=True):
    """`overlap_s`: for how many seconds the old secret goes on signing beside the new one."""

    id: str
    overlap_s: Annotated[float, Meta(ge=0, le=604_800)] = 86_400


def check_create(params: CreateEndpoint) -> None:
    _check_events(params.events)
    if params.secret is None:
        return
    if params.signature_scheme != "v1":
        raise Refused(
            "parameter_invalid",
            f"secret came with signature_scheme {params.signature_scheme!r}, whose key pair the gateway makes; leave secret out.",
            "secret",
        )
    if not _SECRET.fullmatch(params.secret):
        raise Refused(
            "parameter_invalid",
            "secret is not of the form whsec_BASE64 with 32 to 88 characters of base64; send one such, or none to have one made.",
            "secret",
        )


def secret_by_name(sandbox: str) -> str:
    """A signing secret that follows from the sandbox's name alone: an app can know it before there is a gateway, and keep it.

    For tests, where a sandbox's keys can be guessed as well.
    """
    return "whsec_" + b64encode(sha256(f"gatecrash listen {sandbox}".encode()).digest()).decode()


def check_update(params: UpdateEndpoint) -> None:
    _check_events(params.events)


def _check_events(events: list[str] | None) -> None:
    for pattern in events or ():
        if pattern != "*" and pattern not in FACTS and pattern not in _FAMILIES:
            raise Refused(
                "parameter_invalid",
                f"events holds {pattern!r}; expected '*', a family ({', '.join(_FAMILIES)}) or a type ({', '.join(FACTS)})"
                f"{the_nearest(pattern, (*FACTS, *_FAMILIES))}.",
                "events",
            )


def create_endpoint(ctx: Context, params: CreateEndpoint, dialect: str = "native", scheme: str | None = None) -> Endpoint:
    """`scheme`: what signs, in a dialect other than native."""
    scheme = scheme or params.signature_scheme
    endpoint = Endpoint(
        id=ctx.ids.new("we"), dialect=dialect, url=params.url, events=params.events or ["*"],
        description=params.description, scheme=scheme, verify=params.verify, sealed_secret=b"", created_at=ctx.now,
    )  # fmt: skip
    endpoint.sealed_secret = _seal(ctx.vault, endpoint, params.secret or new_secret(ctx, scheme))
    ctx.tx.insert(endpoint)
    return endpoint


def new_secret(ctx: Context, scheme: str) -> str:
    return SECRETS[scheme](ctx.ids.secret("whsec", _SECRET_BYTES))


def _bound_to(endpoint: Endpoint) -> str:
    return f"signing secret of {endpoint.id}"


def _seal(vault: Vault, endpoint: Endpoint, secret: str) -> bytes:
    return vault.seal(secret, _bound_to(endpoint))


def secret_of(vault: Vault, endpoint: Endpoint) -> str:
    """The secret that signs what goes to an endpoint."""
    return vault.open(endpoint.sealed_secret, _bound_to(endpoint))


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
        endpoint.sealed_old_secret = endpoint.sealed_secret
        endpoint.old_secret_until = ctx.now + int(params.overlap_s * 1000)
    else:
        endpoint.sealed_old_secret = endpoint.old_secret_until = None
    endpoint.sealed_secret, endpoint.rotated_at = _seal(ctx.vault, endpoint, new_secret(ctx, endpoint.scheme)), ctx.now
    ctx.tx.update(endpoint, "sealed_secret", "sealed_old_secret", "old_secret_until", "rotated_at")
    return endpoint


def signing_secrets(vault: Vault, endpoint: Endpoint, now: int, happened_at: int) -> list[str]:
    """The secrets that sign, at this moment, what happened at `happened_at`; newest first."""
    sealed = [endpoint.sealed_secret]
    if endpoint.sealed_old_secret is None or endpoint.old_secret_until is None or endpoint.rotated_at is None:
        pass
    elif endpoint.scheme in _ONE_SIGNATURE:
        sealed = [endpoint.sealed_old_secret if happened_at < endpoint.rotated_at else endpoint.sealed_secret]
    elif now < endpoint.old_secret_until:
        sealed = [endpoint.sealed_secret, endpoint.sealed_old_secret]
    return [vault.open(one, _bound_to(endpoint)) for one in sealed]


def update_endpoint(ctx: Context, params: UpdateEndpoint) -> Endpoint:
    """Change what is given. What was to go to the old url and still waits goes to the new one."""
    endpoint = get_endpoint(ctx, params.id)
    if params.url is not None:
        endpoint.url = params.url
    if params.events is not None:
        endpoint.events = params.events
    if params.description is not None:
        endpoint.description = params.description
    if params.verify is not None:
        endpoint.verify = params.verify
    if params.status == "enabled":
        endpoint.status, endpoint.disabled_reason, endpoint.failing_since = "enabled", None, None
    ctx.tx.update(endpoint, "url", "events", "description", "verify", "status", "disabled_reason", "failing_since")
    if params.status == "disabled" and endpoint.status == "enabled":
        disable_endpoint(ctx, endpoint, "an update call asked for it")
    return endpoint


def delete_endpoint(ctx: Context, endpoint_id: str) -> Endpoint:
    endpoint = get_endpoint(ctx, endpoint_id)
    _cancel_deliveries(ctx, endpoint)
    ctx.tx.delete(Endpoint, endpoint.id)
    return endpoint


def disable_endpoint(ctx: Context, endpoint: Endpoint, reason: str) -> None:
    """Stop telling an endpoint that does not want to hear any more."""
    endpoint.status, endpoint.disabled_reason = "disabled", reason
    ctx.tx.update(endpoint, "status", "disabled_reason")
    _cancel_deliveries(ctx, endpoint)


def note_health(ctx: Context, endpoint: Endpoint, *, accepted: bool, at: int) -> None:
    """Keep since when an endpoint has accepted nothing."""
    if accepted and endpoint.failing_since is not None:
        endpoint.failing_since = None
    elif not accepted and endpoint.failing_since is None:
        endpoint.failing_since = at
    else:
        return
    ctx.tx.update(endpoint, "failing_since")


def _cancel_deliveries(ctx: Context, endpoint: Endpoint) -> None:
    """Cancel what waits for an endpoint. Whoever attempts or records a delivery asks first whether its endpoint wants it."""
    timers.clear_the_timer(ctx, endpoint.id)
    cancel_slice(ctx, f"{endpoint.id}:{ctx.ids.newest('dlv')}")


def cancel_slice(ctx: Context, ref: str) -> None:
    """Cancel some of what waits for an endpoint; a timer that is due now cancels the rest. Later deliveries stand."""
    endpoint_id, _, until = ref.partition(":")
    if ctx.tx.cancel_deliveries(endpoint_id, until, CANCEL_SLICE) == CANCEL_SLICE:
        timers.set_the_timer(ctx, timers.DELIVERIES_CANCEL, ref, ctx.now)
