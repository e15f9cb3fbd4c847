"""The native dialect: its four rooms behind the one interface."""

from collections.abc import Sequence
from typing import Any

from gatecrash.core.cards import DECLINES
from gatecrash.core.errors import Refused
from gatecrash.core.idempotency import Policy
from gatecrash.core.records import Charge, Endpoint, Event
from gatecrash.core.transaction import Context
from gatecrash.dialects.interface import Answer, Asked, Call, Caller, Digest, Route
from gatecrash.dialects.native import errors, operations, render, webhooks
from gatecrash.dialects.native.routes import ROUTES
from gatecrash.webhooks.message import Message
from gatecrash.webhooks.schedules import STANDARD_WEBHOOKS

# operations whose answer shows the endpoint's secret, this once
_SHOWS_SECRET = frozenset({"webhook_endpoints.create", "webhook_endpoints.rotate_secret"})

# operations of which a charge that failed is the refusal
_CHARGES_NOW = frozenset({"charges.create", "subscriptions.create"})


class NativeDialect:
    name = "native"
    default_port = 8402
    routes = ROUTES
    policy = Policy()
    schedule = STANDARD_WEBHOOKS

    def authenticate(self, asked: Asked) -> Caller:
        return operations.authenticate(asked.headers)

    def authorize(self, caller: Caller, route: Route) -> None:
        operations.authorize(caller, route)

    def decode(self, asked: Asked, route: Route, digest: Digest) -> Call:
        return operations.decode(asked, route, self.policy, digest)

    def render(self, route: Route, result: Any, ctx: Context, request_id: str) -> Answer:
        if isinstance(result, Charge) and result.status == "failed" and route.operation in _CHARGES_NOW:
            return self.render_refusal(_declined(result), request_id)
        shown = render.view(result)
        if isinstance(result, Endpoint) and route.operation in _SHOWS_SECRET:
            shown["secret"] = result.secret if shown["public_key"] is None else None
        return Answer(route.success, render.encode(shown), {})

    def render_refusal(self, refused: Refused, request_id: str) -> Answer:
        return errors.problem(refused, request_id)

    def replayed(self, answer: Answer) -> Answer:
        return Answer(answer.status, answer.body, {**answer.headers, "Idempotent-Replayed": "true"}, answer.content_type)

    def message(self, event: Event, endpoint: Endpoint, secrets: Sequence[str], real_now: int) -> Message:
        return webhooks.message(event, secrets, real_now)


def _declined(charge: Charge) -> Refused:
    assert charge.decline_code is not None, "a failed charge says why"
    return Refused(
        "card_declined",
        f"{DECLINES[charge.decline_code]} Charge {charge.id} failed and nothing was taken; for another card take a new key.",
        decline_code=charge.decline_code,
        charge_id=charge.id,
    )
