"""The native dialect: its rooms behind the one interface."""

from collections.abc import Mapping, Sequence
from typing import Any

from gatecrash.core.cards import DECLINES
from gatecrash.core.due import Handler
from gatecrash.core.endpoints import secret_of
from gatecrash.core.errors import Refused
from gatecrash.core.facts import Fact
from gatecrash.core.idempotency import Policy, Stored
from gatecrash.core.records import Charge, Endpoint, Event
from gatecrash.core.transaction import Context
from gatecrash.dialects.interface import Answer, Asked, Call, Caller, Digest, Route
from gatecrash.dialects.native import errors, events, render, requests
from gatecrash.dialects.native.calls import NAME
from gatecrash.dialects.native.routes import ROUTES
from gatecrash.webhooks.message import Message
from gatecrash.webhooks.schedules import STANDARD_WEBHOOKS

# calls whose answer shows the endpoint's secret, this once
_SHOWS_SECRET = frozenset({"webhook_endpoints.create", "webhook_endpoints.rotate_secret"})

# calls of which a charge that failed is the refusal
_CHARGES_NOW = frozenset({"charges.create", "subscriptions.create"})


class NativeDialect:
    name = NAME
    default_port = 8402
    routes = ROUTES
    names = tuple(route.name for route in ROUTES)
    events = events.TYPES
    policy = Policy()
    # a key that a browser knows is not the shop's key of that name: else it could spoil the shop's charge
    browser_policy = Policy(scope="native.browser")
    schedule = STANDARD_WEBHOOKS
    timers: Mapping[str, Handler] = {}

    def authenticate(self, asked: Asked) -> Caller:
        return requests.authenticate(asked.headers)

    def authorize(self, caller: Caller, route: Route) -> None:
        requests.authorize(caller, route)

    def call(self, asked: Asked, route: Route, caller: Caller, digest: Digest) -> Call:
        return requests.decode(asked, route, caller, self.policy if caller.kind == "secret" else self.browser_policy, digest)

    def answer(self, call: Call, route: Route, result: Any, ctx: Context, request_id: str) -> Answer:
        if isinstance(result, Charge) and result.status == "failed" and call.name in _CHARGES_NOW:
            return errors.problem(_declined(result), request_id)
        shown = render.view(result, ctx.vault)
        shows_secret = isinstance(result, Endpoint) and call.name in _SHOWS_SECRET
        if isinstance(result, Endpoint) and shows_secret:
            shown["secret"] = secret_of(ctx.vault, result) if shown["public_key"] is None else None
        return Answer(route.success, render.encode(shown), {}, secret=shows_secret)

    def again(self, call: Call, route: Route, stored: Stored, ctx: Context, request_id: str) -> Answer:
        headers = {**stored.headers, "Idempotent-Replayed": "true"}
        content_type = headers.pop("Content-Type")
        return Answer(stored.status, stored.body, headers, content_type, stored.code)

    def refusal(self, refused: Refused, asked: Asked | None, request_id: str) -> Answer:
        return errors.problem(refused, request_id)

    def hear(self, ctx: Context, fact: Fact) -> None:
        events.hear(ctx, fact)

    def message(self, event: Event, endpoint: Endpoint, secrets: Sequence[str], real_now: int) -> Message:
        return events.message(event, secrets, real_now)


def _declined(charge: Charge) -> Refused:
    assert charge.decline_code is not None, "a failed charge says why"
    return Refused(
        "card_declined",
        f"{DECLINES[charge.decline_code]} Charge {charge.id} failed and nothing was taken; for another card take a new key.",
        decline_code=charge.decline_code,
        charge_id=charge.id,
    )
