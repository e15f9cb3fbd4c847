"""The two phases of a run and the customer in it, played in a scripted world: no processes, no waiting."""

import itertools
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pytest

from gatecrash.harness import run
from gatecrash.harness.merchant_profile import reference
from gatecrash.harness.run import Outcome, play
from gatecrash.harness.story import parse
from gatecrash.harness.world import Host, Reply, SetupFailed, World

pytestmark = pytest.mark.asyncio

START = datetime(2026, 1, 31, 12, tzinfo=UTC)


class ScriptedWorld(World):
    """A shop that answers each payment with the next word of a script; every PAID is a charge.

    A word is a status, `error` (no answer), or `A>B`: told A, and B on the order's page from then on.
    """

    name = "scripted"

    def __init__(self, *script: str, timers: tuple[float, ...] = (), pages: int = 1000) -> None:
        self.profile = reference()
        self.notes = []
        self.values: dict[str, Any] = {
            "merchant_url": "http://shop",
            "secret_key": "sk_test_x",
            "publishable_key": "pk_test_x",
        }
        self.script = list(script)
        self.timers = sorted(timers)
        self.status = "PENDING"
        self.charges: list[dict[str, Any]] = []
        self.rules: dict[str, dict[str, Any]] = {}
        self.rules_in_calm: list[dict[str, Any]] = []
        self.advanced: list[float] = []
        self.journal: list[dict[str, Any]] = []
        self.nonces_paid: list[str] = []
        self.order_id: str | int = "o1"
        self.orders_paid: list[str | int] = []
        self.numbers = itertools.count(1)
        self.clock_s = 0.0
        self.passed_s = 0.0
        self.up = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def start_merchant(self) -> None:
        self.up = True

    async def kill(self, host: Host) -> None:
        self.up = False

    async def pause(self, seconds: float) -> None:
        self.passed_s += seconds

    def now(self) -> float:
        return self.passed_s

    async def request(
        self,
        host: Host,
        method: str,
        path: str,
        body: Any = None,
        *,
        form: bool = False,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 15.0,
        redirects: bool = True,
    ) -> Reply:
        answer = self.shop(method, path, body) if host is Host.MERCHANT else self.gateway(method, path, body)
        return answer if isinstance(answer, Reply) else Reply(200, answer)

    def shop(self, method: str, path: str, body: Any) -> Any:
        if not self.up:
            return Reply(0, error="refused")
        if path == "/orders":
            return {"id": self.order_id}
        if path == f"/orders/{self.order_id}":
            return {"id": self.order_id, "status": self.status, "fulfilments": int(self.status == "PAID"), "amount_refunded": 0}
        told, _, page = (self.script.pop(0) if self.script else "FAILED").partition(">")
        self.nonces_paid.append(body["payment_nonce"])
        self.orders_paid.append(body["order_id"])
        self.status = page or (told if told != "error" else self.status)
        if "PAID" in (told, page):
            self.charges.insert(0, charge(next(self.numbers), body["payment_nonce"]))
        return Reply(0, error="no answer") if told == "error" else {"status": told}

    def clock(self) -> Any:
        due = START + timedelta(seconds=self.timers[0]) if self.timers else None
        return {"now": (START + timedelta(seconds=self.clock_s)).isoformat(), "next_timer_at": due and due.isoformat()}

    def gateway(self, method: str, path: str, body: Any) -> Any:
        match method, path.split("?")[0]:
            case "POST", "/v1/webhook_endpoints":
                return {"id": "we_1", "secret": "whsec_x"}
            case "POST", "/v1/tokens":
                return {"id": f"nonce_{next(self.numbers)}"}
            case "POST", "/_gatecrash/faults":
                rule_id = f"rule_{next(self.numbers)}"
                self.rules[rule_id] = body
                return {"id": rule_id}
            case "DELETE", "/_gatecrash/faults":
                self.rules_in_calm = list(self.rules.values())
                self.rules.clear()
                return {}
            case "DELETE", one_rule:
                del self.rules[one_rule.rsplit("/", 1)[1]]
                return {}
            case "GET", "/_gatecrash/clock":
                return self.clock()
            case "POST", "/_gatecrash/clock/advance":
                self.clock_s += body["seconds"]
                self.advanced.append(round(body["seconds"]))
                self.timers = [due for due in self.timers if due > self.clock_s]
                return self.clock()
            case "GET", "/_gatecrash/journal":
                return {"data": self.journal, "has_more": False}
            case "GET", "/_gatecrash/books":
                return {"balanced": True}
            case "GET", "/_gatecrash/charges":
                return {"data": self.charges, "has_more": False}
            case "GET", "/_gatecrash/facts":
                return {"data": [], "has_more": False}
        raise AssertionError(f"the harness asked the gateway for {method} {path}")


def charge(number: int, nonce: str) -> dict[str, Any]:
    return {
        "id": f"txn_{number}",
        "order_id": "whatever the shop called it",
        "source": nonce,
        "ref": None,
        "refunds": [],
        "disputes": [],
        "status": "succeeded",
        "amount": 4200,
        "amount_captured": 4200,
        "amount_refunded": 0,
        "currency": "usd",
    }


async def played(world: ScriptedWorld, *steps: str, more: str = "") -> Outcome:
    text = "\n".join(
        [
            "{name: x, title: X, group: money, order: {amount: 4200, currency: usd}, about: " + "x" * 80 + ",",
            f"steps: [place_order, {', '.join(steps)}], {more}}}",
        ]
    )
    async with world:
        return await play(parse(text, Path("x.yaml")), world)


RETRY = "{retry_while_unpaid: visa}"
PAY = "{pay: visa}"


@pytest.mark.parametrize(
    ("script", "tried", "captured"),
    [
        (("PAID",), 1, 4200),
        (("FAILED", "PAID"), 2, 4200),
        (("error", "PAID"), 2, 4200),
        (("PENDING>PAID",), 1, 4200),
        (("error>PAID", "PAID"), 2, 8400),  # shown an error though it was charged: they pay again
    ],
)
async def test_the_customer_stops_when_paid_waits_when_pending_and_else_tries_again(
    script: tuple[str, ...], tried: int, captured: int
) -> None:
    outcome = await played(ScriptedWorld(*script), RETRY)
    [order] = outcome.history.orders
    assert len(order.attempts) == tried
    assert outcome.history.captured(order) == captured


async def test_every_attempt_brings_a_fresh_nonce() -> None:
    world = ScriptedWorld("FAILED", "error", "PAID")
    await played(world, RETRY)
    assert len(set(world.nonces_paid)) == 3


async def test_a_persistent_customer_comes_back_in_the_calm_and_gives_up_in_the_end() -> None:
    world = ScriptedWorld()
    outcome = await played(world, PAY)
    assert 1 < len(world.nonces_paid) < 10
    assert "L2" in {each.oracle for each in outcome.violations}


async def test_a_customer_who_is_gone_tries_nothing_in_the_calm() -> None:
    world = ScriptedWorld("error")
    await played(world, PAY, more="calm_customer: gone")
    assert len(world.nonces_paid) == 1


async def test_charges_are_matched_to_orders_by_nonce() -> None:
    outcome = await played(ScriptedWorld("PAID"), PAY)
    assert outcome.violations == ()
    assert [each.order for each in outcome.history.charges] == ["o1"]


async def test_the_calm_takes_the_faults_away_and_leaves_the_standing_ones() -> None:
    world = ScriptedWorld("PAID")
    rules = "faults: [{station: response.sent, kind: reset}], channels: reconly"
    await played(world, PAY, more=rules)
    assert [rule["kind"] for rule in world.rules_in_calm] == ["drop"]


async def test_the_clock_moves_timer_by_timer_through_the_webhook_budget_and_no_further() -> None:
    world = ScriptedWorld("PAID", timers=(5, 305, run.WEBHOOK_BUDGET_S + 1))
    await played(world, PAY)
    assert world.advanced == [0, 5, 300], "first what is due already, then timer by timer"


@pytest.mark.parametrize(
    ("seconds", "journal", "waited"),
    [
        (90_000, ["request", "answer"], False),
        (90_000, ["request"], True),  # for as long as a call may be late, then it is the story's
        (90_000, ["request", "start"], False),
        (60, ["request"], False),
    ],
)
async def test_a_call_that_is_on_the_line_is_waited_for_before_hours_pass(seconds: int, journal: list[str], waited: bool) -> None:
    world = ScriptedWorld("PAID")
    call = {"request_id": "req_1", "operation": "refunds.create", "method": "POST", "path": "/v1/charges/txn_1/refunds"}
    world.journal = [
        {"seq": number, "at": START.isoformat(), "kind": kind, **call, "status": 201} for number, kind in enumerate(journal, 1)
    ]
    jumped_at: dict[float, float] = {}
    ask = world.gateway

    def gateway(method: str, path: str, body: Any) -> Any:
        if path.endswith("clock/advance"):
            jumped_at[body["seconds"]] = world.passed_s
        return ask(method, path, body)

    world.gateway = gateway  # type: ignore[method-assign]
    await played(world, f"{{advance: {{seconds: {seconds}}}}}")
    assert (jumped_at[seconds] >= 2 * world.profile.patience_s) == waited


async def test_the_merchant_is_killed_only_once_the_fault_has_struck() -> None:
    world = ScriptedWorld("error", "PAID")
    world.journal = [{"seq": 1, "at": START.isoformat(), "kind": "fault", "station": "operation.committed"}]
    outcome = await played(world, "{begin_pay: visa}", "{kill_merchant: {at: operation.committed}}")
    assert outcome.history.orders[0].status == "PAID", "the calm brings the merchant up again"


async def test_a_fault_that_never_strikes_is_a_mistake_in_the_story_and_no_verdict() -> None:
    with pytest.raises(SetupFailed, match=r"no fault struck at response\.sent within 20 s"):
        await played(ScriptedWorld("PAID"), PAY, "{wait_for: response.sent}")


async def test_a_fault_of_the_story_that_never_struck_is_told() -> None:
    world = ScriptedWorld("PAID")
    outcome = await played(world, PAY, more="faults: [{station: response.sent, kind: reset}]")
    assert outcome.history.unfired == ("reset at response.sent",)


async def test_a_step_without_an_order_says_what_comes_first() -> None:
    text = "{name: x, title: X, group: money, order: {amount: 1, currency: usd}, steps: [{pay: visa}], about: " + "x" * 80 + "}"
    with pytest.raises(SetupFailed, match="place_order comes first"):
        await play(parse(text, Path("x.yaml")), ScriptedWorld())


async def test_a_shop_that_takes_no_order_is_a_mistake_in_the_set_up() -> None:
    world = ScriptedWorld()
    world.shop = lambda *_: Reply(404, {"error": "nothing here"})  # type: ignore[method-assign]
    with pytest.raises(
        SetupFailed,
        match=r"\[place_order\] path: POST /orders was answered 404 .*nothing here.*expected a 2xx with the order's id at '/id'",
    ):
        await played(world, PAY)


async def test_an_order_whose_id_is_a_number_is_paid_by_that_number() -> None:
    world = ScriptedWorld("PAID")
    world.order_id = 7
    outcome = await played(world, PAY)
    assert world.orders_paid == [7]
    assert outcome.history.orders[0].id == "7"


@pytest.mark.parametrize(("look_s", "looks"), [(0.0, 41), (0.025, 21), (0.2, 21), (1.0, 10)])
async def test_a_busy_machine_is_given_as_many_looks_as_an_idle_one_within_bounds(look_s: float, looks: int) -> None:
    world, looked = ScriptedWorld(), 0

    async def look() -> None:
        nonlocal looked
        looked += 1
        world.passed_s += look_s

    assert await world.until(look, within_s=1.0) is None
    assert abs(looked - looks) <= 1


async def test_a_run_is_not_over_while_the_shop_still_asks_for_changes() -> None:
    """What a shop does in the background, after it has answered a webhook, is seen in every run, and not only in lucky ones."""
    world = ScriptedWorld("PAID")
    pause, asked = world.pause, 0

    async def busy(seconds: float) -> None:
        nonlocal asked
        await pause(seconds)
        if asked < 3:  # each time the harness waits, the shop asks for one more thing
            asked += 1
            world.journal.append(refund_at(datetime.now(tz=UTC), asked))

    world.pause = busy  # type: ignore[method-assign]
    world.journal.append(refund_at(datetime.now(tz=UTC), 0))
    world.clock = lambda: {"now": datetime.now(tz=UTC).isoformat(), "next_timer_at": None}  # type: ignore[method-assign]
    outcome = await played(world, PAY)
    assert asked == 3
    assert len(outcome.history.journal) == 4


def refund_at(moment: datetime, number: int) -> dict[str, Any]:
    call = {"operation": "refunds.create", "method": "POST", "path": "/", "changes": True, "request_id": f"req_{number}"}
    return {"seq": number + 1, "at": moment.isoformat(), "kind": "request", **call}


@pytest.mark.parametrize(("waits_s", "rests"), [(None, False), (20, True)])
async def test_a_shop_that_was_asked_to_wait_is_given_that_time(waits_s: int | None, rests: bool) -> None:
    """It is paid, and knows it fifteen seconds later, when it was allowed to ask again."""
    world = ScriptedWorld("PENDING")
    at = datetime.now(tz=UTC).isoformat()
    answer = {"seq": 1, "at": at, "kind": "answer", "request_id": "req_1", "operation": "charges.create", "status": 503}
    world.journal.append(answer | {"retry_after_s": waits_s})
    world.clock = lambda: {"now": datetime.now(tz=UTC).isoformat(), "next_timer_at": None}  # type: ignore[method-assign]
    pause = world.pause

    async def passes(seconds: float) -> None:
        await pause(seconds)
        if world.passed_s > 15:
            world.status = "PAID"

    world.pause = passes  # type: ignore[method-assign]
    outcome = await played(world, PAY, more="calm_customer: gone")
    assert (outcome.history.orders[0].status == "PAID") is rests
