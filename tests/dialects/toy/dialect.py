"""The toy dialect: the smallest that differs from native in everything, spoken at /toy. Copy it to add a dialect.

A shop makes an intent and confirms it; a confirmed intent is a charge of the core. Captures and refunds are answered `received`,
carried out a minute later, and told by webhook. Bodies are forms with brackets. A repeated request gets the current state.
"""

import hmac
import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

import msgspec
from msgspec import Meta, Struct

from gatecrash.core import documents, events, payments, refunds, timers, tokens
from gatecrash.core.clock import HOUR, MINUTE
from gatecrash.core.endpoints import CreateEndpoint, create_endpoint, secret_of
from gatecrash.core.errors import Refused
from gatecrash.core.facts import Fact
from gatecrash.core.idempotency import Policy, Stored, parse_key
from gatecrash.core.money import Amount, check_currency
from gatecrash.core.params import screen, to_params
from gatecrash.core.records import Charge, Endpoint, Event, Nonce, Refund
from gatecrash.core.redaction import mask
from gatecrash.core.transaction import Context
from gatecrash.dialects.codecs.form import parse_form
from gatecrash.dialects.interface import About, Answer, Asked, Call, Caller, Digest, Route
from gatecrash.webhooks.message import Message
from gatecrash.webhooks.schedules import STRIPE

NAME = "toy"
KEY = re.compile(r"(?P<kind>shop|page)_(?P<sandbox>[A-Za-z0-9_-]{1,64})")
KINDS = {"shop": "secret", "page": "publishable"}
MONEY = Policy(header="Toy-Once", life=HOUR, scope="toy.money", keeps="done")
OTHER = Policy(header="Toy-Once", life=10 * MINUTE, scope="toy.other", mismatch="replay")
MODIFICATION = "toy.modification"
encode = msgspec.json.Encoder().encode


class Intent(Struct):
    id: str
    amount: int
    currency: str
    order: str | None
    state: str = "new"
    charge: str | None = None
    taken: int = 0
    given_back: int = 0
    why: str | None = None


class Modification(Struct):
    id: str
    intent: str
    what: str
    amount: int | None
    state: str = "received"
    why: str | None = None


T = TypeVar("T", Intent, Modification)


def save(ctx: Context, thing: T) -> T:
    ref = thing.order if isinstance(thing, Intent) else thing.intent
    documents.put(ctx, f"toy.{type(thing).__name__}", thing.id, msgspec.to_builtins(thing), ref)
    return thing


def load(ctx: Context, kind: type[T], id: str) -> T:
    data = documents.get(ctx, f"toy.{kind.__name__}", id)
    if data is None:
        raise Refused("resource_missing", f"there is no {kind.__name__} {id[:60]!r}; check the id and the key together.", "id")
    return msgspec.convert(data, kind)


class Create(Struct, forbid_unknown_fields=True, kw_only=True):
    amount: Amount
    currency: str
    order: dict[Literal["id"], str] = {}
    card: str | None = None
    confirm: bool = False


class Confirm(Struct, forbid_unknown_fields=True, kw_only=True):
    id: str
    card: str
    hold: bool = False


class Modify(Struct, forbid_unknown_fields=True):
    id: str
    amount: Amount | None = None


class Find(Struct, forbid_unknown_fields=True):
    id: str = ""
    order: str = ""


class Hook(Struct, forbid_unknown_fields=True):
    url: Annotated[str, Meta(min_length=1, max_length=2048)]
    events: list[str] = msgspec.field(default_factory=lambda: ["*"])


def create(ctx: Context, p: Create) -> Intent:
    check_currency(p.currency)
    intent = save(ctx, Intent(ctx.ids.new("int"), p.amount, p.currency, p.order.get("id")))
    return confirm(ctx, Confirm(id=intent.id, card=p.card or "")) if p.confirm else intent


def confirm(ctx: Context, p: Confirm) -> Intent:
    intent = load(ctx, Intent, p.id)
    if intent.state not in ("new", "declined"):
        raise Refused("parameter_invalid", f"intent {intent.id} is {intent.state}; confirm one that is new or declined.", "id")
    terms = payments.CreateCharge(intent.amount, intent.currency, p.card, capture=not p.hold, order_id=intent.order)
    payments.create_charge(ctx, terms, ref=intent.id)
    return load(ctx, Intent, p.id)  # `hear` has changed it


def receive(what: str, ctx: Context, p: Modify) -> Modification:
    load(ctx, Intent, p.id)
    modification = save(ctx, Modification(ctx.ids.new("mod"), p.id, what, p.amount))
    timers.set_timer(ctx, MODIFICATION, modification.id, ctx.now + MINUTE)
    return modification


def modify(ctx: Context, ref: str) -> None:
    """A modification falls due: the core carries it out, or refuses."""
    modification = load(ctx, Modification, ref)
    intent = load(ctx, Intent, modification.intent)
    try:
        if modification.what == "capture":
            payments.capture_charge(ctx, payments.CaptureCharge(intent.charge or "", modification.amount))
        else:
            refunds.create_refund(ctx, refunds.CreateRefund(intent.charge or "", modification.amount))
        modification.state = "done"
    except Refused as refused:
        modification.state, modification.why = "refused", refused.code
    save(ctx, modification)
    told = "MODIFICATION_DONE" if modification.why is None else "MODIFICATION_REFUSED"
    tell(ctx, told, modification, load(ctx, Intent, intent.id))


def hook(ctx: Context, p: Hook) -> Endpoint:
    secret = f"toy_{ctx.ids.secret('toy', 24).hex()}"
    return create_endpoint(ctx, CreateEndpoint(p.url, p.events, secret=secret), dialect=NAME, scheme=NAME)


class Operation(NamedTuple):
    params: type[Struct]
    run: Callable[[Context, Any], Any]
    policy: Policy = OTHER


OPERATIONS = {
    "cards.create": Operation(tokens.Card, lambda ctx, p: tokens.create_token(ctx, tokens.CreateToken(p))),
    "intents.create": Operation(Create, create, MONEY),
    "intents.confirm": Operation(Confirm, confirm, MONEY),
    "intents.show": Operation(Find, lambda ctx, p: load(ctx, Intent, p.id)),
    "intents.list": Operation(Find, lambda ctx, p: documents.found(ctx, "toy.Intent", p.order)),
    "modifications.capture": Operation(Modify, partial(receive, "capture"), MONEY),
    "modifications.refund": Operation(Modify, partial(receive, "refund"), MONEY),
    "modifications.show": Operation(Find, lambda ctx, p: load(ctx, Modification, p.id)),
    "hooks.create": Operation(Hook, hook),
}
ROUTES = (
    Route("POST", "/cards", "cards.create", "tokens.create", keys=frozenset({"publishable"}), cors=True),
    Route("POST", "/intents", "intents.create"),
    Route("GET", "/intents", "intents.list", "charges.list"),
    Route("GET", "/intents/{id}", "intents.show", "charges.get"),
    Route("POST", "/intents/{id}/confirm", "intents.confirm", "charges.create"),
    Route("POST", "/intents/{id}/captures", "modifications.capture", "charges.capture"),
    Route("POST", "/intents/{id}/refunds", "modifications.refund", "refunds.create"),
    Route("GET", "/modifications/{id}", "modifications.show"),
    Route("POST", "/hooks", "hooks.create", "webhook_endpoints.create"),
)

# fact of the core → the state of its intent, and an event. None: the state stays
TOLD: dict[str, tuple[str | None, str]] = {
    "charge.succeeded": ("taken", "INTENT_TAKEN"),
    "charge.captured": ("taken", "INTENT_TAKEN"),
    "charge.authorized": ("held", "INTENT_HELD"),
    "charge.failed": ("declined", "INTENT_DECLINED"),
    "charge.expired": ("expired", "INTENT_EXPIRED"),
    "refund.succeeded": (None, "MONEY_BACK"),
    "refund.failed": (None, "MONEY_BACK_FAILED"),
}


def tell(ctx: Context, event_type: str, thing: Intent | Modification, intent: Intent, fact: str | None = None) -> None:
    data = msgspec.to_builtins(thing)
    events.tell(ctx, NAME, event_type, data, object_id=thing.id, fact=fact, order_id=intent.order, amount=intent.amount)


def about(does: str, p: Any, ctx: Context | None) -> About:
    order = p.order.get("id") if isinstance(p, Create) else p.order or None if isinstance(p, Find) else None
    amount, source, intent = getattr(p, "amount", None), getattr(p, "card", None), getattr(p, "id", None) or None
    found = None
    if ctx is not None:
        document = documents.get(ctx, "toy.Intent", intent) if intent is not None else None
        order, amount = (document["order"], amount or document["amount"]) if document else (order, amount)
        found = ctx.tx.get(Nonce, source) if source is not None else None
    return About(order, amount, source, found.card["last4"] if found and found.card else None, intent)


class ToyDialect:
    name, default_port, routes, schedule = NAME, 8499, ROUTES, STRIPE
    names = tuple(OPERATIONS)
    events = ("MODIFICATION_DONE", "MODIFICATION_REFUSED", *{told: None for _, told in TOLD.values()})
    policy = MONEY
    timers: Mapping[str, Callable[[Context, str], None]] = {MODIFICATION: modify}

    def authenticate(self, asked: Asked) -> Caller:
        found = KEY.fullmatch(asked.headers.get("Toy-Key", ""))
        if found is None:
            raise Refused("key_invalid", "Toy-Key is not of the form shop_NAME or page_NAME; send one of them.")
        return Caller(found["sandbox"], KINDS[found["kind"]])  # type: ignore[arg-type]

    def authorize(self, caller: Caller, route: Route) -> None:
        if caller.kind not in route.keys:
            raise Refused(f"{caller.kind}_key_not_allowed", f"{route.path} was called with a {caller.kind} key; use the other.")

    def call(self, asked: Asked, route: Route, caller: Caller, digest: Digest) -> Call:
        operation, changes = OPERATIONS[route.name], asked.method == "POST"
        sent = screen(parse_form(asked.body) if changes else asked.query, cards="secret" in route.keys)
        params = to_params(operation.params, {**sent, **asked.path_params}, texts=True)
        does = "charges.create" if isinstance(params, Create) and params.confirm else route.verb
        header = asked.headers.get(operation.policy.header) if changes else None
        key = None if header is None else parse_key(header, operation.policy)
        fingerprint = b"" if key is None else digest(f"{NAME} {route.name}\0".encode() + encode(params))
        return Call(
            route.name, does, params, operation.run, partial(about, does, params), operation.policy, changes, sent or None, key,
            fingerprint, url=params.url if isinstance(params, Hook) else None, about_stored=does == "charges.create",
        )  # fmt: skip

    def answer(self, call: Call, route: Route, result: Any, ctx: Context, request_id: str) -> Answer:
        shown: Any
        if isinstance(result, list):
            shown = [document.data for document in result]
        elif isinstance(result, Nonce):
            shown = {"card": result.id}
        elif isinstance(result, Endpoint):
            shown = {"id": result.id, "url": result.url, "secret": secret_of(ctx.vault, result)}
        else:
            shown = msgspec.to_builtins(result)
        body = {"toy": 1, "ok": True, "kind": type(result).__name__, "result": shown}
        return Answer(200, encode(body), {}, secret=isinstance(result, Endpoint))

    def again(self, call: Call, route: Route, stored: Stored, ctx: Context, request_id: str) -> Answer:
        """The object as it is now, not as it was answered then."""
        answer, kept = Answer(stored.status, stored.body, {}, code=stored.code), msgspec.json.decode(stored.body)
        kinds: dict[str, Any] = {"Intent": Intent, "Modification": Modification}
        if kept["kind"] in kinds:
            answer = self.answer(call, route, load(ctx, kinds[kept["kind"]], kept["result"]["id"]), ctx, request_id)
        answer.headers["Toy-Again"] = "yes"
        return answer

    def refusal(self, refused: Refused, asked: Asked | None, request_id: str) -> Answer:
        headers = {"Allow": refused.extra["allow"]} if "allow" in refused.extra else {}
        if "retry_after_s" in refused.extra:
            headers["Retry-After"] = str(refused.extra["retry_after_s"])
        body = {"toy": 1, "ok": False, "kind": "Refusal", "why": refused.code, "say": mask(refused.detail), "asked": request_id}
        return Answer(STATUS.get(refused.code, 422), encode(body), headers, code=refused.code)

    def hear(self, ctx: Context, fact: Fact) -> None:
        subject = fact.subject
        charge = ctx.tx.get(Charge, subject.charge_id) if isinstance(subject, Refund) else subject
        if not isinstance(charge, Charge) or charge.ref is None or not charge.ref.startswith("int_") or fact.what not in TOLD:
            return
        intent = load(ctx, Intent, charge.ref)
        state, told = TOLD[fact.what]
        intent.state, intent.charge, intent.why = state or intent.state, charge.id, charge.decline_code
        intent.taken, intent.given_back = charge.amount_captured, charge.amount_refunded
        tell(ctx, told, save(ctx, intent), intent, fact.what)

    def message(self, event: Event, endpoint: Endpoint, secrets: Any, real_now: int) -> Message:
        body = encode({"event": event.id, "kind": event.type, "about": event.data})
        signed = str(real_now // 1000).encode() + body
        seals = [b64encode(hmac.digest(secret.encode(), signed, "sha512")).decode() for secret in secrets]
        return Message({"Content-Type": "application/json", "Toy-Seal": f"{real_now // 1000} {' '.join(seals)}"}, body)


# 422 for all others
STATUS = {
    "key_invalid": 401, "secret_key_not_allowed": 403, "publishable_key_not_allowed": 403, "resource_missing": 404,
    "route_unknown": 404, "method_not_allowed": 405, "request_timeout": 408, "idempotency_key_in_use": 423,
    "idempotency_key_reused": 409, "body_too_large": 413, "http_malformed": 400, "body_malformed": 400, "rate_limited": 429,
    "internal_error": 500, "too_many_connections": 503, "gateway_gone": 503,
}  # fmt: skip

dialect = ToyDialect()
