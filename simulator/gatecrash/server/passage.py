"""One call between its request and its answer: claimed, executed, committed, and what faults and journal know of it."""

import asyncio
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from gatecrash.core import idempotency
from gatecrash.core.errors import Refused
from gatecrash.core.transaction import Context, Request
from gatecrash.dialects.interface import About, Answer, Asked, Call, Dialect, Route
from gatecrash.faults.exchange import Instead
from gatecrash.faults.rule import Labels
from gatecrash.server.request_exchange import RequestExchange
from gatecrash.server.sandbox import Sandbox
from gatecrash.server.state import State

T = TypeVar("T")

# stations between the claim and the commit: a fault there needs the claim to be durable first
_BETWEEN = ("operation.claimed", "operation.executed")


class _Computed(Exception):
    """Carries an outcome out of a transaction that is taken back: executed, not committed."""


class Outcome(NamedTuple):
    """An answer, and whether it was stored under the key before."""

    answer: Answer
    replayed: bool = False


class Passage:
    """A call, or the refusal of a request that is none, on its way through one sandbox."""

    def __init__(
        self, state: State, dialect: Dialect, sandbox: Sandbox, exchange: RequestExchange, asked: Asked, route: Route,
        call: Call | Refused,
    ) -> None:  # fmt: skip
        self._state, self._dialect, self._sandbox, self._exchange = state, dialect, sandbox, exchange
        self._asked, self._route, self._call = asked, route, call
        self._about = About()

    async def outcome(self) -> Outcome:
        """Journal the request and carry it out, or answer what a fault makes of it."""
        exchange = self._exchange
        try:
            self._about = await self._what_about()
            exchange.labels = self._labels()
            self._note_request()
            await exchange.at("request.received")
            if isinstance(self._call, Refused):
                return Outcome(self._refusal(self._call))
            return await self._carry_out(self._call)
        except Instead as instead:
            return Outcome(Answer(instead.status, instead.body, instead.headers, instead.content_type))
        except Refused as refused:
            exchange.check_life()  # a sandbox that is removed meanwhile refuses everything, and answers nothing
            return Outcome(self._refusal(refused))

    async def _carry_out(self, call: Call) -> Outcome:
        """Claim, execute, commit: one commit in the usual case, several when a fault is to strike in between."""
        exchange, sandbox = self._exchange, self._sandbox
        claimed = committed = False
        if exchange.expects(_BETWEEN):
            try:
                stored = await self._run(lambda ctx: self._claim(ctx, call))
                if stored is not None:
                    await exchange.at("operation.committed")
                    return stored
                claimed = True
                await exchange.at("operation.claimed")
                if exchange.expects(("operation.executed",)):
                    try:
                        await self._run(lambda ctx: self._compute(ctx, call))
                    except _Computed:
                        await exchange.at("operation.executed")
                outcome = await self._run(lambda ctx: self._execute(ctx, call, claimed))
                committed = True
            finally:
                key = call.key
                if claimed and not committed and key is not None and sandbox.epoch == exchange.epoch:
                    await asyncio.shield(self._run(lambda ctx: idempotency.release(ctx, call.policy, key)))
        else:
            outcome = await self._run(lambda ctx: self._execute(ctx, call, claimed))
        await exchange.at("operation.committed")
        return outcome

    async def _run(self, work: Callable[[Context], T]) -> T:
        return await self._state.run(self._sandbox, work)

    def _claim(self, ctx: Context, call: Call) -> Outcome | None:
        self._exchange.check_life()
        if call.key is None:
            return None
        stored = idempotency.look_up(ctx, call.policy, call.key, call.fingerprint)
        if stored is not None:
            return self._again(ctx, call, stored)
        idempotency.claim(ctx, call.policy, call.key, call.fingerprint)
        return None

    def _compute(self, ctx: Context, call: Call) -> None:
        self._execute(ctx, call, claimed=True)
        raise _Computed

    def _execute(self, ctx: Context, call: Call, claimed: bool) -> Outcome:
        """Everything a call does, for one commit: the replay or the effect, and the result under its key."""
        exchange, key = self._exchange, call.key
        exchange.check_life()
        if key is not None:
            stored = idempotency.look_up(ctx, call.policy, key, call.fingerprint, mine=claimed)
            if stored is not None:
                return self._again(ctx, call, stored)
        if call.admit is not None:
            call.admit(ctx)
        try:
            ctx = ctx._replace(decline_code=exchange.decline_code, request=Request(exchange.request_id, key))
            answer = self._dialect.answer(call, self._route, call.run(ctx, call.params), ctx, exchange.request_id)
        except Refused as refused:
            # decided by executing, so it is a result: nothing of it happened, and it is kept like any other
            ctx.tx.undo()
            answer = self._refusal(refused)
        if key is not None:
            self._keep(ctx, call, key, answer)
        return Outcome(answer)

    def _keep(self, ctx: Context, call: Call, key: str, answer: Answer) -> None:
        """Store the answer under the key, as far as the policy wants that; now and then remove those that are past their life."""
        if call.policy.keeps == "done" and answer.code is not None:
            idempotency.release(ctx, call.policy, key)
            return
        headers = {"Content-Type": answer.content_type, **answer.headers}
        stored = idempotency.Stored(answer.status, headers, answer.body, answer.code, answer.secret)
        idempotency.keep(ctx, call.policy, key, call.fingerprint, stored)
        # the clock may have been moved either way since the last time
        scope, pruned_at = call.policy.scope, self._sandbox.pruned_at
        if abs(ctx.now - pruned_at.get(scope, 0)) >= idempotency.PRUNE_EVERY and idempotency.prune(ctx, call.policy):
            pruned_at[scope] = ctx.now

    def _again(self, ctx: Context, call: Call, stored: idempotency.Stored) -> Outcome:
        return Outcome(self._dialect.again(call, self._route, stored, ctx, self._exchange.request_id), replayed=True)

    def _refusal(self, refused: Refused) -> Answer:
        return self._dialect.refusal(refused, self._asked, self._exchange.request_id)

    # --- what faults and the journal are told

    async def _what_about(self) -> About:
        call = self._call
        if isinstance(call, Refused):
            return About()
        if not self._exchange.armed and not call.about_stored:
            return call.about(None)
        # a look into the store costs a commit: only rules need it, and dialects whose calls name no order
        return await self._run(call.about)

    def _labels(self) -> Labels:
        call, about = self._call, self._about
        asked = (self._route.verb, self._route.name, None) if isinstance(call, Refused) else (call.does, call.name, call.key)
        return Labels(
            operation=asked[0], call=asked[1], dialect=self._dialect.name, path=self._asked.path, order_id=about.order_id,
            amount=about.amount, card=about.card, idempotency_key=asked[2],
        )  # fmt: skip

    def _note_request(self) -> None:
        labels, asked, call = self._exchange.labels, self._asked, self._call
        if isinstance(call, Refused):
            changes, body = asked.method not in ("GET", "HEAD"), None  # nobody knows what is in a body that was not understood
        else:
            changes, body = call.changes, call.note
        self._exchange.note(
            "request",
            {
                "request_id": self._exchange.request_id, "operation": labels.operation, "call": labels.call,
                "dialect": labels.dialect, "method": asked.method, "path": asked.path, "idempotency_key": labels.idempotency_key,
                "order_id": labels.order_id, "amount": labels.amount, "source": self._about.source,
                "charge_id": self._about.charge_id,
                "changes": changes, **_misused_headers(asked, self._dialect.policy.header), "body": body,
            },
        )  # fmt: skip

    def note_answer(self, outcome: Outcome) -> None:
        answer, labels = outcome.answer, self._exchange.labels
        self._exchange.note(
            "answer",
            {
                "request_id": self._exchange.request_id, "operation": labels.operation, "status": answer.status,
                "replayed": outcome.replayed, "order_id": labels.order_id,
                **({"code": answer.code, "retry_after_s": _retry_after_s(answer.headers)} if answer.status >= 400 else {}),
            },
        )  # fmt: skip


def _retry_after_s(headers: Mapping[str, str]) -> int | None:
    """When an answer lets the client come back, where it says so in seconds."""
    wait = next((value for name, value in headers.items() if name.lower() == "retry-after"), "")
    return int(wait) if wait.isascii() and wait.isdigit() and len(wait) < 8 else None


def _misused_headers(asked: Asked, key_header: str) -> dict[str, list[str]]:
    """Headers that look like the idempotency key's and are not read: misspelt, of another dialect, or with no POST."""
    read = key_header.lower() if asked.method == "POST" else ""
    misused = [name[:60] for name in asked.headers if "idempot" in (lowered := name.lower()) and lowered != read]
    return {"misused_headers": misused} if misused else {}
