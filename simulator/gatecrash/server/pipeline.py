"""The pipeline: every request of every dialect takes this way, and every station has its place on it.

received → authenticated → decoded → claimed → executed → committed → rendered → sent
"""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from aiohttp import web

from gatecrash.core import idempotency, tokens
from gatecrash.core.errors import Refused
from gatecrash.core.records import Charge, Dispute, Nonce, PaymentMethod, Subscription
from gatecrash.core.transaction import Context
from gatecrash.dialects.interface import Answer, Asked, Call, Caller, Dialect, Route
from gatecrash.faults.exchange import Broken, Instead
from gatecrash.faults.rule import HEADER, Labels, Rule, parse_header
from gatecrash.server.cors import add_cors
from gatecrash.server.guard import Guard
from gatecrash.server.http import HttpServer, NoAnswer, to_response
from gatecrash.server.request_exchange import RequestExchange
from gatecrash.server.sandbox import Sandbox
from gatecrash.server.state import State
from gatecrash.sockets import break_connection

# stations between the claim and the commit: a fault there needs the claim to be durable first
_BETWEEN = ("operation.claimed", "operation.executed")
# operations that name something of an order
_OF_AN_ORDER: dict[str, type[Charge | Dispute | Subscription]] = {
    **dict.fromkeys(("charges.get", "charges.capture", "charges.void", "refunds.create"), Charge),
    **dict.fromkeys(("disputes.get", "disputes.evidence", "disputes.accept"), Dispute),
    **dict.fromkeys(("subscriptions.get", "subscriptions.update", "subscriptions.cancel"), Subscription),
}
_AT_RESPONSE = ("response.partial", "response.sent")


class _Computed(Exception):
    """Carries an outcome out of a transaction that is taken back: executed, not committed."""


class Outcome(NamedTuple):
    """An answer, and whether it was stored under the key before."""

    answer: Answer
    replayed: bool = False


class Pipeline:
    """One dialect's way through the gateway, behind one server."""

    def __init__(self, state: State, server: HttpServer, dialect: Dialect, guard: Guard) -> None:
        self._state = state
        self._server = server
        self._guard = guard
        self._dialect = dialect

    async def handle(self, route: Route, request: web.BaseRequest, asked: Asked) -> web.StreamResponse:
        dialect = self._dialect
        try:
            if HEADER in asked.headers:
                self._guard.check_control(asked.headers, f"the header {HEADER}")
            caller = dialect.authenticate(asked)
            self._state.check_store()
        except Refused as refused:
            request_id = self._state.request_id()
            return self._plain(dialect.render_refusal(refused, request_id), asked, route, request_id)
        sandbox = self._state.sandbox(caller.sandbox)
        exchange: RequestExchange | None = None
        connection = request.transport
        sandbox.requests += 1
        try:
            sandbox.admit(connection)
            header = ",".join(request.headers.getall(HEADER, ()))
            try:
                rules = self._own_rules(header, route) if header else ()
            except Refused as refused:
                request_id = sandbox.ids.new("req")
                return self._plain(dialect.render_refusal(refused, request_id), asked, route, request_id)
            exchange = RequestExchange(self._state, self._server, sandbox, request, rules)
            outcome = await self._outcome(exchange, sandbox, asked, route, caller)
            return await self._send(exchange, sandbox, request, asked, route, outcome)
        except Broken as broken:
            break_connection(request.transport, reset=exchange is None)
            if exchange is None:
                return NoAnswer()
            told = {"request_id": exchange.request_id, "operation": route.operation, "broken": str(broken)}
            exchange.note("answer", told)
            return NoAnswer()
        finally:
            sandbox.requests -= 1
            sandbox.let_go(connection)
            if exchange is not None and exchange.left is not None:
                self._server.forget(request)

    def _own_rules(self, header: str, route: Route) -> Sequence[Rule]:
        rules = parse_header(header, route.operation)
        self._state.check_mortal(rules)
        return rules

    async def _outcome(self, exchange: RequestExchange, sandbox: Sandbox, asked: Asked, route: Route, caller: Caller) -> Outcome:
        """Decode, note, and carry out; or whatever a fault makes of it."""
        dialect = self._dialect
        call: Call | None = None
        refusal: Refused | None = None
        try:
            dialect.authorize(caller, route)
            call = dialect.decode(asked, route, self._state.vault.fingerprint)
            self._state.admit(call.params)
        except Refused as refused:
            call, refusal = None, refused
        try:
            exchange.labels = await self._labels(sandbox, asked, route, call)
            self._note_request(exchange, sandbox, asked, route, call)
            await exchange.at("request.received")
            if call is None:
                assert refusal is not None
                return Outcome(dialect.render_refusal(refusal, exchange.request_id))
            return await self._carry_out(exchange, sandbox, route, caller, call)
        except Instead as instead:
            return Outcome(Answer(instead.status, instead.body, instead.headers, instead.content_type))
        except Refused as refused:
            exchange.check_life()  # a sandbox that is removed meanwhile refuses everything, and answers nothing
            return Outcome(dialect.render_refusal(refused, exchange.request_id))

    async def _carry_out(self, exchange: RequestExchange, sandbox: Sandbox, route: Route, caller: Caller, call: Call) -> Outcome:
        """Claim, execute, commit: one commit in the usual case, several when a fault is to strike in between."""
        run = self._state.run
        key, policy = call.idempotency_key, self._dialect.policy
        claimed = False
        committed = False
        if exchange.expects(_BETWEEN):
            try:
                stored = await run(sandbox, lambda ctx: self._claim(ctx, exchange, call))
                if stored is not None:
                    await exchange.at("operation.committed")
                    return stored
                claimed = True
                await exchange.at("operation.claimed")
                if exchange.expects(("operation.executed",)):
                    try:
                        await run(sandbox, lambda ctx: self._compute(ctx, exchange, route, caller, call))
                    except _Computed:
                        await exchange.at("operation.executed")
                outcome = await run(sandbox, lambda ctx: self._execute(ctx, exchange, route, caller, call, claimed))
                committed = True
            finally:
                if claimed and not committed and key is not None and sandbox.epoch == exchange.epoch:
                    await asyncio.shield(run(sandbox, lambda ctx: idempotency.release(ctx, policy, key)))
        else:
            outcome = await run(sandbox, lambda ctx: self._execute(ctx, exchange, route, caller, call, claimed))
        await exchange.at("operation.committed")
        return outcome

    def _claim(self, ctx: Context, exchange: RequestExchange, call: Call) -> Outcome | None:
        exchange.check_life()
        if call.idempotency_key is None:
            return None
        policy = self._dialect.policy
        stored = idempotency.look_up(ctx, policy, call.idempotency_key, call.fingerprint)
        if stored is not None:
            return self._replay(stored)
        idempotency.claim(ctx, policy, call.idempotency_key, call.fingerprint)
        return None

    def _compute(self, ctx: Context, exchange: RequestExchange, route: Route, caller: Caller, call: Call) -> None:
        self._execute(ctx, exchange, route, caller, call, claimed=True)
        raise _Computed

    def _execute(
        self, ctx: Context, exchange: RequestExchange, route: Route, caller: Caller, call: Call, claimed: bool
    ) -> Outcome:
        """Everything an operation does, for one commit: the replay or the effect, and the result under its key."""
        exchange.check_life()
        dialect, policy, key = self._dialect, self._dialect.policy, call.idempotency_key
        if key is not None:
            stored = idempotency.look_up(ctx, policy, key, call.fingerprint, mine=claimed)
            if stored is not None:
                return self._replay(stored)
        if caller.client_token is not None:
            tokens.use_client_token(ctx, caller.client_token)
        try:
            result = call.operation.run(ctx._replace(decline_code=exchange.decline_code), call.params)
            answer = dialect.render(route, result, ctx, exchange.request_id)
        except Refused as refused:
            # decided by executing, so it is a result: nothing of it happened, and it is kept like any other
            ctx.tx.undo()
            answer = dialect.render_refusal(refused, exchange.request_id)
        if key is not None:
            headers = {"Content-Type": answer.content_type, **answer.headers}
            idempotency.keep(ctx, policy, key, call.fingerprint, idempotency.Stored(answer.status, headers, answer.body))
            self._prune(ctx)
        return Outcome(answer)

    def _prune(self, ctx: Context) -> None:
        """Now and then, remove the keys that are past their life; the clock may have been moved either way meanwhile."""
        policy, pruned_at = self._dialect.policy, self._state.sandbox(ctx.sandbox).pruned_at
        if abs(ctx.now - pruned_at.get(policy.scope, 0)) >= idempotency.PRUNE_EVERY and idempotency.prune(ctx, policy):
            pruned_at[policy.scope] = ctx.now

    def _replay(self, stored: idempotency.Stored) -> Outcome:
        headers = dict(stored.headers)
        content_type = headers.pop("Content-Type")
        return Outcome(self._dialect.replayed(Answer(stored.status, stored.body, headers, content_type)), replayed=True)

    # --- out again

    async def _send(
        self,
        exchange: RequestExchange,
        sandbox: Sandbox,
        request: web.BaseRequest,
        asked: Asked,
        route: Route,
        outcome: Outcome,
    ) -> web.StreamResponse:
        response = self._plain(outcome.answer, asked, route, exchange.request_id)
        if exchange.outlet is None and not exchange.expects(_AT_RESPONSE):
            self._note_answer(exchange, sandbox, route, outcome)
            return response
        outlet = exchange.open_outlet()
        outlet.load(response)
        try:
            await outlet.write_half()
            await exchange.at("response.partial")
            await outlet.write_rest()
            self._note_answer(exchange, sandbox, route, outcome)
            await exchange.at("response.sent")
        except ConnectionError as gone:
            raise Broken("the client left before its answer was sent") from gone
        return NoAnswer(keep_alive=request.keep_alive)

    def _plain(self, answer: Answer, asked: Asked, route: Route, request_id: str | None = None) -> web.Response:
        response = to_response(answer)
        if request_id is not None:
            response.headers["Request-Id"] = request_id
        if route.cors:
            add_cors(response, asked.headers.get("Origin"))
        return response

    # --- the journal

    async def _labels(self, sandbox: Sandbox, asked: Asked, route: Route, call: Call | None) -> Labels:
        params = None if call is None else call.params
        about = _About(getattr(params, "order_id", None))
        if params is not None and (sandbox.plane.armed or HEADER in asked.headers):
            # only a rule needs to know whose charge it is, and of which card; and who reads of a call that it struck
            about = await self._state.run(sandbox, lambda ctx: _about(ctx, route.operation, params))
        return Labels(
            operation=route.operation, dialect=self._dialect.name, path=asked.path,
            order_id=about.order_id, amount=getattr(params, "amount", None), card=about.card,
            idempotency_key=None if call is None else call.idempotency_key,
        )  # fmt: skip

    def _note_request(self, exchange: RequestExchange, sandbox: Sandbox, asked: Asked, route: Route, call: Call | None) -> None:
        labels = exchange.labels
        exchange.note(
            "request",
            {
                "request_id": exchange.request_id, "operation": route.operation, "dialect": self._dialect.name,
                "method": asked.method, "path": asked.path, "idempotency_key": labels.idempotency_key,
                "order_id": labels.order_id, "amount": labels.amount,
                **_misused_headers(asked, self._dialect.policy.header),
                # only what was parsed is kept: bytes that were not could break the journal, or forge entries of it
                "body": None if call is None else call.body,
            },
        )  # fmt: skip

    def _note_answer(self, exchange: RequestExchange, sandbox: Sandbox, route: Route, outcome: Outcome) -> None:
        answer = outcome.answer
        exchange.note(
            "answer",
            {
                "request_id": exchange.request_id, "operation": route.operation, "status": answer.status,
                "replayed": outcome.replayed, "order_id": exchange.labels.order_id,
                **(_refusal(answer) if answer.status >= 400 else {}),
            },
        )  # fmt: skip


class _Told(msgspec.Struct):
    """What the journal keeps of a refusal's body."""

    code: str | None = None


_read_refusal = msgspec.json.Decoder(_Told).decode


def _refusal(answer: Answer) -> dict[str, str | int | None]:
    """Why an answer is a refusal, and when it lets the client come back, as far as it says so."""
    try:
        code = _read_refusal(answer.body).code
    except msgspec.DecodeError:  # a fault rule's own words
        code = None
    wait = next((value for name, value in answer.headers.items() if name.lower() == "retry-after"), "")
    return {"code": code, "retry_after_s": int(wait) if wait.isascii() and wait.isdigit() and len(wait) < 8 else None}


def _misused_headers(asked: Asked, key_header: str) -> dict[str, list[str]]:
    """Headers that look like the idempotency key's and are not read: misspelt, of another dialect, or with no POST."""
    read = key_header.lower() if asked.method == "POST" else ""
    misused = [name[:60] for name in asked.headers if "idempot" in (lowered := name.lower()) and lowered != read]
    return {"misused_headers": misused} if misused else {}


class _About(NamedTuple):
    """The order that a request is about, and the last four digits of the card."""

    order_id: str | None
    card: str | None = None


def _about(ctx: Context, operation: str, params: Any) -> _About:
    about: Any
    if (named := _OF_AN_ORDER.get(operation)) is not None:
        about = ctx.tx.get(named, params.id)
        order_id = getattr(about, "order_id", None)
    else:
        nonce, method = getattr(params, "payment_nonce", None), getattr(params, "payment_method", None)
        about = ctx.tx.get(Nonce, nonce) if nonce is not None else None if method is None else ctx.tx.get(PaymentMethod, method)
        order_id = getattr(params, "order_id", None)
    card = getattr(about, "card", None)
    return _About(order_id, None if card is None else card["last4"])
