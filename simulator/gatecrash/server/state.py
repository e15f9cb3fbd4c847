"""What the gateway knows: its store, sandboxes, journal and dialects, and the one way to change them.

Everything that changes state goes through `run`: a synchronous function over a transaction of one sandbox. What tends
the timers stands above this and is told through `timers_changed`.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from gatecrash.core import due, holds
from gatecrash.core.clock import Clock
from gatecrash.core.errors import Refused
from gatecrash.core.facts import FACTS
from gatecrash.core.ids import Ids, derive_seed
from gatecrash.core.records import FaultRule
from gatecrash.core.transaction import Context, Transaction
from gatecrash.core.vault import Vault
from gatecrash.dialects import registry
from gatecrash.dialects.interface import Call, Dialect
from gatecrash.faults.rule import Labels, Rule, Vocabulary
from gatecrash.server import strict
from gatecrash.server.host import Host
from gatecrash.server.http import Capacity
from gatecrash.server.journal import Journal
from gatecrash.server.sandbox import Sandbox
from gatecrash.store.errors import StoreFailed, StoreUnusable
from gatecrash.store.interface import Store, StoreTransaction
from gatecrash.webhooks.targets import check_url

T = TypeVar("T")


class State:
    """`store` keeps it; `host` gives time, randomness and death."""

    def __init__(self, store: Store, host: Host, dialects: dict[str, Dialect] | None = None) -> None:
        self.store = store
        self.host = host
        self.dialects = registry.load() if dialects is None else dialects
        self.hearers = tuple(dialect.hear for dialect in self.dialects.values())
        self.timer_handlers = dict(due.HANDLERS)
        for dialect in self.dialects.values():
            self.timer_handlers |= dialect.timers
        self.vocabulary = Vocabulary(
            calls=frozenset(name for dialect in self.dialects.values() for name in dialect.names),
            events=frozenset(FACTS).union(*(dialect.events for dialect in self.dialects.values())),
            dialects=tuple(self.dialects),
        )
        self.vault = Vault(host.vault_key, host.entropy)
        self.journal = Journal(store)
        self._nobodys = Ids(derive_seed(host.seed, ""))
        self.sandboxes: dict[str, Sandbox] = {}
        # when this process began, in real time
        self.started_at = host.now()
        self.pid = os.getpid()
        self.ready = False
        self.capacity = Capacity(host.connections_max)
        # requests on their way, also those whose client has left
        self.running: set[asyncio.Task[Any]] = set()
        self.timers_changed: Callable[[Sandbox], None] = lambda sandbox: None

    def take_over(self, tx: StoreTransaction) -> None:
        """Take up what an earlier process left: release claims whose work never committed, and end copies that it did not finish.

        Sandboxes are loaded when needed.
        """
        self._check_key(tx)
        tx.release_claims()
        tx.end_copies()

    def _check_key(self, tx: StoreTransaction) -> None:
        """Refuse a vault key that is not the one this database was made with: it would open nothing, and know no request."""
        mark = self.vault.fingerprint(b"whose database this is").hex()
        if tx.mark("vault", mark) != mark:
            raise StoreUnusable(
                "the database was made with another vault.key. Restore the one it was made with, or give an empty --data folder."
            )

    def request_id(self) -> str:
        """The id of a request that no sandbox has been found for."""
        return self._nobodys.new("req")

    # --- sandboxes

    def sandbox(self, name: str) -> Sandbox:
        """The sandbox of this name; it comes into being on first use."""
        return self.find_sandbox(name) or self.make_sandbox(name, derive_seed(self.host.seed, name))

    def find_sandbox(self, name: str) -> Sandbox | None:
        """The sandbox of this name, loaded if an earlier process left it; None if there is none.

        A restart loads none by itself, so it costs the same however many there are.
        """
        live = self.sandboxes.get(name)
        if live is not None:
            return live
        row = self.store.look(name, lambda tx: tx.row())
        if row is None:
            return None
        sandbox = Sandbox.of(row, self.host, self.vault)
        self.store.look(name, lambda tx: load_rules(tx, sandbox))
        self.sandboxes[name] = sandbox
        known = sandbox.journal_length
        self.journal.note(sandbox, "start", {}, at=self.started_at)
        if sandbox.linter is not None or row.strict:
            self.catch_up(sandbox, known)
        self.timers_changed(sandbox)
        return sandbox

    def catch_up(self, sandbox: Sandbox, known: int) -> None:
        """Begin to read a strict sandbox's journal, as `strict.catch_up` does."""
        task = strict.catch_up(self.journal, sandbox, known)
        self.running.add(task)
        task.add_done_callback(self.running.discard)

    def make_sandbox(self, name: str, seed: str) -> Sandbox:
        """A sandbox that is not there yet."""
        now = self.host.now()
        made = self.sandboxes[name] = Sandbox(name, seed, now, Clock.at(now), self.host, self.vault)
        self.journal.touch(made)
        return made

    # --- work

    def check_store(self) -> None:
        """Refuse a request while nothing can be written: it would only add to what is buffered."""
        if (trouble := self.store.trouble) is not None:
            raise trouble

    def admit(self, call: Call) -> None:
        """Refuse, before anything is claimed, what this host does not allow."""
        if call.url is not None:
            check_url(call.url, self.host.allow_hosts)

    async def run(self, sandbox: Sandbox, work: Callable[[Context], T], undone: Callable[[], None] = lambda: None) -> T:
        """Run `work` in one commit; what it raises rolls it back, and `undone` is told. Returns once it is durable.

        It waits while a snapshot of the sandbox is being taken.
        """
        await sandbox.may_be_written()
        issued = sandbox.ids.issued
        timers_changed = False

        def job(tx: StoreTransaction) -> T:
            nonlocal issued, timers_changed
            if sandbox.removed:
                raise sandbox_removed(sandbox)
            issued = sandbox.ids.issued
            result = work(sandbox.context(tx, self.hearers))
            timers_changed = tx.timers_changed
            if sandbox.ids.issued != issued:
                self.journal.touch(sandbox)
            return result

        def undo() -> None:
            sandbox.ids.issued = issued
            undone()

        result = await self.store.submit(sandbox.name, job, undo)
        if timers_changed:
            self.timers_changed(sandbox)
        return result

    # --- faults

    def check_mortal(self, rules: Sequence[Rule]) -> None:
        """Refuse rules that kill the process where nothing would start it again."""
        if self.host.crash is None and any(rule.make().kills() for rule in rules):
            raise Refused(
                "fault_rule_invalid",
                "crash needs a supervisor that starts the gateway again, and this one has none; run it with `gatecrash serve`, "
                "or as Gateway(process=True), or give the param scope: sandbox.",
                "kind",
            )

    def crash_sandbox(self, sandbox: Sandbox, down_s: float) -> None:
        """Have one sandbox die and come back, as it would with the process; claims are released by those that made them."""
        print(f"gatecrash: sandbox {sandbox.name} crashed; up again in {down_s:g} s", file=sys.stderr, flush=True)
        sandbox.down = True
        sandbox.end_life()
        sandbox.break_connections()
        for task in sandbox.attempts_in_flight():
            # whoever strikes it down ends by itself
            if task is not asyncio.current_task():
                task.cancel()
        if sandbox.alarm is not None:
            sandbox.alarm.cancel()
        sandbox.alarm = asyncio.get_running_loop().call_later(down_s, self._come_up, sandbox)

    def _come_up(self, sandbox: Sandbox) -> None:
        sandbox.down, sandbox.alarm = False, None
        self.journal.note(sandbox, "start", {})
        self.timers_changed(sandbox)

    async def record_strike(self, sandbox: Sandbox, matched: Sequence[Rule], striking: Sequence[Rule], labels: Labels) -> None:
        """Make counts and firings durable before a rule strikes, so that a crash does not make it strike again.

        Where that fails nothing strikes, so the journal tells of no firing.
        """
        await sandbox.may_be_written()  # what is noted can be taken back only as long as it is not written
        known = {name: value for name, value in msgspec.structs.asdict(labels).items() if value is not None}
        known.pop("idempotency_key", None)
        first, epoch = sandbox.journal_length + 1, sandbox.epoch
        for rule in striking:
            fields = {
                "rule_id": rule.id, "station": rule.station, "fault": rule.kind, "params": rule.params, "fired": rule.fired,
                **known,
            }  # fmt: skip
            self.journal.note(sandbox, "fault", fields)
        noted = range(first, sandbox.journal_length + 1)

        def take_back() -> None:
            nonlocal noted
            if sandbox.epoch == epoch:
                self.journal.take_back(sandbox, noted)
            noted = range(0)

        # which rules are still there is asked inside the commit: one that is removed meanwhile must not come back
        try:
            await self.run(
                sandbox,
                lambda ctx: keep_rules(ctx, [rule for rule in matched if sandbox.plane.rules.get(rule.id) is rule]),
                take_back,
            )
        except StoreFailed:
            take_back()  # it was refused before it began
            raise


def keep_rules(ctx: Context, rules: Sequence[Rule]) -> None:
    for rule in rules:
        ctx.tx.put(FaultRule(id=rule.id, rule=msgspec.to_builtins(rule)))


def forget_rules(ctx: Context, rules: Sequence[Rule]) -> None:
    """Remove rules; webhooks that they put off are due now."""
    for rule in rules:
        ctx.tx.delete(FaultRule, rule.id)
        holds.let_go(ctx, rule.id)


def sandbox_removed(sandbox: Sandbox) -> Refused:
    return Refused(
        "resource_missing", f"sandbox {sandbox.name} was removed meanwhile; ask again, and a new one comes into being."
    )


def load_rules(tx: Transaction, sandbox: Sandbox) -> None:
    for kept in tx.find(FaultRule):
        sandbox.plane.add(msgspec.convert(kept.rule, Rule))
