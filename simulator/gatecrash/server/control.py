"""The control API: reset, faults, clock, journal, books. Outside the payment contract; acts on the key's sandbox."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct

from gatecrash.core import ledger, subscriptions
from gatecrash.core.cards import DECLINES
from gatecrash.core.clock import Mode, parse_rfc3339, rfc3339
from gatecrash.core.errors import Refused
from gatecrash.core.params import parse_object, refuse_body, refuse_misplaced, screen, to_params, unknown_word
from gatecrash.core.redaction import has_long_number
from gatecrash.dialects.interface import Answer, Asked
from gatecrash.dialects.native.errors import problem
from gatecrash.faults.rule import Match, Rule, RuleParams, new_rule
from gatecrash.faults.stations import STATIONS, table
from gatecrash.server import sandbox_calls, strict, truth
from gatecrash.server.gateway import Gateway
from gatecrash.server.guard import Guard
from gatecrash.server.sandbox import Sandbox
from gatecrash.server.sandbox_calls import CreateSandbox, NameSnapshot, key_sandbox, named_sandbox
from gatecrash.server.state import forget_rules, keep_rules
from gatecrash.store.errors import StoreFailed, advice

# findings shown at once; who has more has seen enough
FINDINGS_MAX = 1000


class Nothing(Struct, forbid_unknown_fields=True):
    pass


class ListFaults(Struct, forbid_unknown_fields=True):
    """`fired`: only rules that struck, or only those that never did."""

    fired: bool | None = None


class ForceOutcome(Struct, forbid_unknown_fields=True):
    """What the issuer says to the next charges of a card (its last four digits), of an order, or of the whole sandbox."""

    decline_code: str = "generic_decline"
    card: Annotated[str, Meta(pattern="^[0-9]{4}$")] | None = None
    order_id: str | None = None
    times: Annotated[int, Meta(ge=1)] | None = 1


class SetClock(Struct, forbid_unknown_fields=True):
    mode: Mode | None = None
    now: str | None = None
    rate: Annotated[float, Meta(gt=0, le=1_000_000)] | None = None


class Advance(Struct, forbid_unknown_fields=True):
    """`seconds` of sandbox time; at most ten years at once."""

    seconds: Annotated[float, Meta(ge=0, le=315_360_000)]


class ReadJournal(Struct, forbid_unknown_fields=True):
    after: Annotated[int, Meta(ge=0, le=2**53 - 1)] = 0
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    kind: Literal["request", "answer", "fault", "delivery", "endpoint", "control", "start", "finding"] | None = None


class SetStrict(Struct, forbid_unknown_fields=True):
    strict: bool


class ReadLint(Struct, forbid_unknown_fields=True):
    """`final`: nothing more will come, so what was left undone stays undone."""

    final: bool = False


Work = Callable[[Gateway, Sandbox, Any, Asked], Awaitable[Any]]

# the sandbox of the key; the one that the path names; all of them, so none in particular; or nobody's: no key is needed
Whose = Literal["key", "path", "all", "nobody"]


class ControlRoute(NamedTuple):
    """`whose` sandbox it acts on; only routes of a key or a path get one. `ends_with_caller`: it takes long, and is cut short
    when its client leaves.
    """

    method: str
    path: str
    params: type[Struct]
    work: Work
    success: int = 200
    whose: Whose = "key"
    ends_with_caller: bool = False


async def handle(
    gateway: Gateway, guard: Guard, route: ControlRoute, asked: Asked, connection: asyncio.Transport | None
) -> Answer:
    """Authenticate, decode, do; a refusal is a problem like everywhere. Broken, if the sandbox is down."""
    sandbox: Sandbox | None = None
    request_id = gateway.request_id()
    try:
        if route.whose != "nobody":
            gateway.check_store()
            sandbox = _sandbox(gateway, guard, route, asked)
        if sandbox is not None and route.whose == "key":
            sandbox.admit(connection)
        texts = asked.method != "POST"
        if texts:
            refuse_body(asked.method, asked.body)
        else:
            refuse_misplaced(asked.query, "goes into the body, as JSON")
        given = {**asked.query} if texts else parse_object(asked.body)
        if texts or has_long_number(asked.body):
            given = screen(given)  # a rule is kept, and may be answered with
        screen(asked.path_params)
        params = to_params(route.params, given, texts=texts)
        result = await route.work(gateway, sandbox, params, asked)  # type: ignore[arg-type]
    except Refused as refused:
        answer = problem(refused, request_id)
    else:
        answer = Answer(route.success, msgspec.json.encode(result), {})
    finally:
        if sandbox is not None:
            sandbox.let_go(connection)
    answer.headers["Request-Id"] = request_id
    return answer


def _sandbox(gateway: Gateway, guard: Guard, route: ControlRoute, asked: Asked) -> Sandbox | None:
    """The sandbox that a call acts on; refused to whoever may not act on it."""
    guard.check_control(asked.headers)
    if route.whose == "path":
        return named_sandbox(gateway, asked, asked.path_params["name"])
    if route.whose == "all":
        if gateway.host.control_token is None:
            key_sandbox(asked)
        return None
    return gateway.sandbox(key_sandbox(asked))


# --- alive


async def _healthz(gateway: Gateway, sandbox: Sandbox, params: Nothing, asked: Asked) -> Any:
    return {"status": "ok", "pid": gateway.pid}


async def _readyz(gateway: Gateway, sandbox: Sandbox, params: Nothing, asked: Asked) -> Any:
    if not gateway.ready:
        raise Refused("not_ready", "the gateway is starting or stopping; ask again.", retry_after_s=1)
    try:
        await gateway.store.submit("", lambda tx: tx.probe())
        if (damage := gateway.store.damage) is not None:
            raise damage
    except StoreFailed as failed:
        why = f"the gateway cannot commit: {failed.why}. {advice(failed.why)}"
        raise Refused("not_ready", why, retry_after_s=1) from failed
    return {"status": "ready"}


# --- faults


def shown_rule(rule: Rule) -> dict[str, Any]:
    shown: dict[str, Any] = msgspec.to_builtins(rule)
    if rule.window is not None:
        shown["window"]["ends_at"] = rfc3339(rule.window.ends_at)
    return shown


async def _list_faults(gateway: Gateway, sandbox: Sandbox, params: ListFaults, asked: Asked) -> Any:
    rules = sandbox.plane.rules.values()
    return listed([shown_rule(rule) for rule in rules if params.fired in (None, rule.fired > 0)])


async def _add_fault(gateway: Gateway, sandbox: Sandbox, params: RuleParams, asked: Asked) -> Any:
    rule, epoch = new_rule(sandbox.ids.new("rule"), params, sandbox.seed, gateway.vocabulary), sandbox.epoch
    gateway.check_mortal([rule])
    await gateway.run(sandbox, lambda ctx: keep_rules(ctx, [rule]))
    if sandbox.epoch != epoch:
        raise Refused("fault_rule_invalid", "the sandbox was reset while the rule was added; add it again.")
    sandbox.plane.add(rule)
    return shown_rule(rule)


async def _force_outcome(gateway: Gateway, sandbox: Sandbox, params: ForceOutcome, asked: Asked) -> Any:
    if params.decline_code not in DECLINES:
        raise unknown_word("parameter_invalid", "decline_code", params.decline_code, DECLINES)
    match = Match(card=params.card, order_id=params.order_id)
    rule = RuleParams("operation.executed", "decline", {"decline_code": params.decline_code}, match, times=params.times)
    return await _add_fault(gateway, sandbox, rule, asked)


def _find_rule(sandbox: Sandbox, asked: Asked) -> Rule:
    rule = sandbox.plane.rules.get(asked.path_params["id"])
    if rule is None:
        raise Refused(
            "resource_missing",
            f"no fault rule {asked.path_params['id'][:60]!r} in this sandbox; GET /_gatecrash/faults lists them.",
            "id",
        )
    return rule


async def _get_fault(gateway: Gateway, sandbox: Sandbox, params: Nothing, asked: Asked) -> Any:
    return shown_rule(_find_rule(sandbox, asked))


async def _remove_fault(gateway: Gateway, sandbox: Sandbox, params: Nothing, asked: Asked) -> Any:
    rule = _find_rule(sandbox, asked)
    sandbox.plane.remove(rule.id)
    await _forget(gateway, sandbox, [rule])
    return shown_rule(rule)


async def _forget(gateway: Gateway, sandbox: Sandbox, rules: Sequence[Rule]) -> None:
    """Have rules that were taken from the plane be gone for good; they are back there if that cannot be written."""
    plane = sandbox.plane
    try:
        await gateway.run(sandbox, lambda ctx: forget_rules(ctx, rules))
    except StoreFailed:
        for rule in rules:
            plane.add(rule)
        raise


async def _clear_faults(gateway: Gateway, sandbox: Sandbox, params: Nothing, asked: Asked) -> Any:
    rules = sandbox.plane.clear()
    await _forget(gateway, sandbox, rules)
    return {"cleared": len(rules)}


async def _stations(gateway: Gateway, sandbox: Sandbox, params: Nothing, asked: Asked) -> Any:
    refused = [cell for cell in table() if cell.why_not is not None]
    return listed(
        [
            {
                "station": name, "way": station.way, "when": station.when, "kinds": list(station.kinds),
                "refused": {cell.kind: cell.why_not for cell in refused if cell.station == name},
            }
            for name, station in STATIONS.items()
        ]
    )  # fmt: skip


# --- time


async def _clock(gateway: Gateway, sandbox: Sandbox, params: Nothing, asked: Asked) -> Any:
    timer = await gateway.run(sandbox, lambda ctx: ctx.tx.next_timer())
    return {
        "mode": sandbox.clock.mode, "now": rfc3339(sandbox.now()), "rate": sandbox.clock.rate,
        "next_timer_at": rfc3339(timer.due_at) if timer else None, "moving": _moving(sandbox),
    }  # fmt: skip


def _moving(sandbox: Sandbox) -> dict[str, str] | None:
    """The call that is moving the clock, if there is one. `since` is real time."""
    moving = sandbox.moving
    if moving is None:
        return None
    return {"since": rfc3339(moving.since), "from": rfc3339(moving.begin), "to": rfc3339(moving.target)}


async def _set_clock(gateway: Gateway, sandbox: Sandbox, params: SetClock, asked: Asked) -> Any:
    if params.rate is not None and (params.mode or sandbox.clock.mode) != "scaled":
        raise Refused(
            "parameter_invalid",
            f"rate was {params.rate:g} with mode {params.mode!r}; only a scaled clock has a rate.",
            "rate",
        )
    now = None
    if params.now is not None:
        moved_to = now = parse_rfc3339(params.now, "now")
        await gateway.run(sandbox, lambda ctx: subscriptions.check_jump(ctx, moved_to))
    sandbox.clock.set(gateway.host.now(), params.mode or sandbox.clock.mode, now, params.rate)
    gateway.journal.note(sandbox, "control", {"action": "clock", "mode": sandbox.clock.mode, "rate": sandbox.clock.rate})
    gateway.timekeeper.poke(sandbox)
    return await _clock(gateway, sandbox, Nothing(), asked)


async def _advance(gateway: Gateway, sandbox: Sandbox, params: Advance, asked: Asked) -> Any:
    epoch = sandbox.epoch
    try:
        fired = await gateway.timekeeper.advance(sandbox, params.seconds)
    except Refused as refused:
        if refused.code == "clock_stopped":
            gateway.journal.note(sandbox, "control", {"action": "clock.stopped", "seconds": round(params.seconds, 3)})
        raise
    except asyncio.CancelledError:
        gateway.journal.note(sandbox, "control", {"action": "clock.abandoned", "seconds": round(params.seconds, 3)})
        raise
    if sandbox.epoch == epoch:
        # clocks keep milliseconds; the digits beyond could read as a card number, and be removed as one
        seconds = round(params.seconds, 3)
        gateway.journal.note(sandbox, "control", {"action": "clock.advance", "seconds": seconds, "timers_fired": fired})
    return {**await _clock(gateway, sandbox, Nothing(), asked), "timers_fired": fired}


async def _stop_advance(gateway: Gateway, sandbox: Sandbox, params: Nothing, asked: Asked) -> Any:
    moving = sandbox.moving
    if moving is not None:
        moving.stop()
        await asyncio.wait((moving.task,))
    return await _clock(gateway, sandbox, params, asked)


# --- what happened


async def _journal(gateway: Gateway, sandbox: Sandbox, params: ReadJournal, asked: Asked) -> Any:
    await strict.is_ready(sandbox)
    entries, has_more = await gateway.journal.read(sandbox, params.after, params.limit, params.kind)
    return {"data": entries, "has_more": has_more}


# --- what clients do wrong


async def _strict(gateway: Gateway, sandbox: Sandbox, params: Nothing, asked: Asked) -> Any:
    return {"strict": sandbox.linter is not None}


async def _set_strict(gateway: Gateway, sandbox: Sandbox, params: SetStrict, asked: Asked) -> Any:
    await strict.be_strict(gateway, sandbox, params.strict)
    return await _strict(gateway, sandbox, Nothing(), asked)


async def _lint(gateway: Gateway, sandbox: Sandbox, params: ReadLint, asked: Asked) -> Any:
    findings, entries = await strict.lint(gateway.journal, sandbox, None if params.final else rfc3339(sandbox.now()))
    shown = [finding._asdict() for finding in findings[:FINDINGS_MAX]]
    return {"data": shown, "has_more": len(findings) > len(shown), "entries": entries}


async def _books(gateway: Gateway, sandbox: Sandbox, params: Nothing, asked: Asked) -> Any:
    return await gateway.run(sandbox, ledger.books)


async def _charges(gateway: Gateway, sandbox: Sandbox, params: truth.ReadPage, asked: Asked) -> Any:
    return await gateway.run(sandbox, lambda ctx: truth.charges(ctx, params))


async def _facts(gateway: Gateway, sandbox: Sandbox, params: truth.ReadPage, asked: Asked) -> Any:
    return await gateway.run(sandbox, lambda ctx: truth.facts(ctx, params))


def listed(items: list[Any]) -> dict[str, Any]:
    return {"data": items, "has_more": False}


ROUTES = (
    ControlRoute("GET", "/healthz", Nothing, _healthz, whose="nobody"),
    ControlRoute("GET", "/readyz", Nothing, _readyz, whose="nobody"),
    ControlRoute("POST", "/_gatecrash/reset", Nothing, sandbox_calls.reset),
    ControlRoute("GET", "/_gatecrash/sandboxes", Nothing, sandbox_calls.all_sandboxes, whose="all"),
    ControlRoute("POST", "/_gatecrash/sandboxes", CreateSandbox, sandbox_calls.create, success=201, whose="all"),
    ControlRoute("DELETE", "/_gatecrash/sandboxes/{name}", Nothing, sandbox_calls.remove, whose="path"),
    ControlRoute(
        "POST", "/_gatecrash/sandboxes/{name}/snapshot", NameSnapshot, sandbox_calls.snapshot, success=201, whose="path"
    ),
    ControlRoute("POST", "/_gatecrash/sandboxes/{name}/restore", NameSnapshot, sandbox_calls.restore, whose="path"),
    ControlRoute("GET", "/_gatecrash/sandboxes/{name}/snapshots", Nothing, sandbox_calls.snapshots, whose="path"),
    ControlRoute(
        "DELETE", "/_gatecrash/sandboxes/{name}/snapshots/{snapshot}", Nothing, sandbox_calls.remove_snapshot, whose="path"
    ),
    ControlRoute("GET", "/_gatecrash/faults", ListFaults, _list_faults),
    ControlRoute("POST", "/_gatecrash/faults", RuleParams, _add_fault, success=201),
    ControlRoute("DELETE", "/_gatecrash/faults", Nothing, _clear_faults),
    ControlRoute("GET", "/_gatecrash/faults/{id}", Nothing, _get_fault),
    ControlRoute("DELETE", "/_gatecrash/faults/{id}", Nothing, _remove_fault),
    ControlRoute("POST", "/_gatecrash/outcomes", ForceOutcome, _force_outcome, success=201),
    ControlRoute("GET", "/_gatecrash/stations", Nothing, _stations),
    ControlRoute("GET", "/_gatecrash/clock", Nothing, _clock),
    ControlRoute("POST", "/_gatecrash/clock", SetClock, _set_clock),
    ControlRoute("POST", "/_gatecrash/clock/advance", Advance, _advance, ends_with_caller=True),
    ControlRoute("DELETE", "/_gatecrash/clock/advance", Nothing, _stop_advance),
    ControlRoute("GET", "/_gatecrash/journal", ReadJournal, _journal),
    ControlRoute("GET", "/_gatecrash/lint", ReadLint, _lint, ends_with_caller=True),
    ControlRoute("GET", "/_gatecrash/strict", Nothing, _strict),
    ControlRoute("POST", "/_gatecrash/strict", SetStrict, _set_strict),
    ControlRoute("GET", "/_gatecrash/books", Nothing, _books),
    ControlRoute("GET", "/_gatecrash/charges", truth.ReadPage, _charges),
    ControlRoute("GET", "/_gatecrash/facts", truth.ReadPage, _facts),
)
