"""Plays schedules in this process, one world after the other. Its process is given over to simulation: `make` replaces
clocks, randomness, databases and sockets for good, so it is only ever called in a worker.
"""

import gc
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

from gatecrash.dialects import registry
from gatecrash.harness import merchant_profile
from gatecrash.harness.explore.fault import Play, Schedule, Told
from gatecrash.harness.history import Note
from gatecrash.harness.run import Outcome, play
from gatecrash.harness.story import Story, load, parse_document
from gatecrash.harness.world import Host, SetupFailed
from gatecrash.harness.worlds.simulated import alphabet, clock, databases, entropy, guard, labels, network
from gatecrash.harness.worlds.simulated.gateway import SimulatedGateway
from gatecrash.harness.worlds.simulated.hosts import Crashed, Incarnation
from gatecrash.harness.worlds.simulated.look import Look
from gatecrash.harness.worlds.simulated.loop import VirtualLoop
from gatecrash.harness.worlds.simulated.merchant import SimulatedMerchant
from gatecrash.harness.worlds.simulated.messages import Fate, Message
from gatecrash.harness.worlds.simulated.orders import Orders
from gatecrash.harness.worlds.simulated.output import Output
from gatecrash.harness.worlds.simulated.points import ExploringPlane, Points
from gatecrash.harness.worlds.simulated.world import SimulatedWorld

T = TypeVar("T")

#: How long every message takes in the world of seed 0; in others it is drawn.
_LATENCY_S = 0.0005
#: What the folders of players are called, before the number of their process.
_FOLDER = "gatecrash-simulated-"
#: Every so many worlds the garbage is taken out: in between it would only run finalizers at odd moments, and cost half the speed.
_COLLECT_EVERY = 25


def make(
    profile_path: str, stories: dict[str, Any], seed: int = 0, mutant: str | None = None, kinds: list[str] | None = None,
    tells: bool = False,
) -> "Player":  # fmt: skip
    """A player in a process of its own. `stories`: name → the file of a story, or its document. One that `tells` hands over
    the whole outcome with each play.
    """
    profile = merchant_profile.reference(mutant) if mutant else merchant_profile.load(Path(profile_path))
    told = {
        name: load(Path(story)) if isinstance(story, str) else parse_document(story, Path(f"{name}.yaml"))
        for name, story in stories.items()
    }
    return Player(profile, told, seed, None if kinds is None else frozenset(kinds), tells=tells)


class Player:
    """Takes this process over: see the module."""

    def __init__(
        self,
        profile: merchant_profile.MerchantProfile,
        stories: dict[str, Story],
        seed: int,
        kinds: frozenset[str] | None = None,
        *,
        tells: bool = False,
    ) -> None:
        self.profile, self.stories, self.seed = profile, stories, seed
        self._kinds, self._tells = kinds, tells
        self._dialects = registry.load()
        self._loop = VirtualLoop()
        self._scratch = _scratch()
        self._connection: sqlite3.Connection | None = None
        self._brought: Story | None = None  #: what it was brought last, of the stories that it was not made with
        self._played = 0
        self._world: SimulatedWorld | None = None
        self._points: Points | None = None
        self._real_time = clock.stopwatch
        clock.install(lambda: self._loop.time())
        entropy.install()
        network.install()
        databases.install(self._before_commit, self._scratch)
        guard.install()
        self._output = Output.install()
        self._merchant = SimulatedMerchant(profile)
        self._warm_up()
        gc.collect()
        gc.freeze()
        gc.disable()

    def close(self) -> None:
        shutil.rmtree(self._scratch, ignore_errors=True)

    def play(self, told: Told, schedule: Schedule, looks: bool = False) -> Play:
        began = self._real_time()
        outcome, points = self.run(self._story(told), schedule, looks=looks)
        return Play(
            reached=tuple(points.reached),
            fired=tuple(points.fired),
            last=points.last,
            states=tuple(points.states),
            violations=tuple((each.oracle, each.message) for each in outcome.violations),
            seconds=self._real_time() - began,
            trace=_trace(outcome, points),
            outcome=outcome if self._tells else None,
        )

    def _story(self, told: Told) -> Story:
        if isinstance(told, str):
            return self.stories[told]
        if self._brought is None or self._brought.document != told:
            self._brought = parse_document(told, Path(f"{told.get('name')}.yaml"))
        return self._brought

    def run(self, story: Story, schedule: Schedule, *, looks: bool = False) -> tuple[Outcome, Points]:
        """One world, from its beginning to its end."""

        async def played(world: SimulatedWorld) -> Outcome:
            return await play(story, world)

        while True:
            points = Points(schedule, self.profile.patience_s, self._kinds, looks=looks)
            with suppress(databases.PlayAgain):
                return self._in_a_world(points, played), points

    def _in_a_world(self, points: Points, work: Callable[[SimulatedWorld], Awaitable[T]]) -> T:
        self._loop = VirtualLoop(self.seed)
        self._orders = Orders(points, self._loop.time)
        self._loop.network.faults, self._loop.network.landed = self._before_send, self._orders.landed
        if not self.seed:  # what comes to the same state comes to it at the same distances
            self._loop.network.latency_s = (_LATENCY_S, _LATENCY_S)
        entropy.reseed(str(self.seed))
        self._output.clear()
        gateway = SimulatedGateway(
            self._dialects, self._connection, now_ms=lambda: round(self._now() * 1000), seed=str(self.seed),
            plane=lambda: ExploringPlane(points), crashed=self._gateway_crashed,
        )  # fmt: skip
        self._connection = gateway.connection
        world = SimulatedWorld(self._loop, gateway, self._merchant, self._scratch, points, self._output)
        points.look = Look(self._loop, world, gateway.connection, str(self._scratch))
        self._world, self._points = world, points

        async def main() -> T:
            async with world:
                return await work(world)

        guard.forget()
        try:
            done = self._loop.run_until_complete(main())
        except SetupFailed as failed:
            if guard.found:  # which is why
                raise guard.found[0] from failed
            raise
        finally:
            self._world = self._points = None
            self._loop.close()
            self._played += 1
            if self._played % _COLLECT_EVERY == 0:
                gc.collect()
            databases.clear()
        if points.failed is not None:
            raise points.failed
        if guard.found:  # also what the merchant has swallowed: a run that went otherwise than it would is none
            raise guard.found[0]
        return done

    def _warm_up(self) -> None:
        """Start the merchant once, and have every world begin with the tables that it makes then."""

        async def start(world: SimulatedWorld) -> None:
            await world.start_merchant()
            databases.keep()

        self._in_a_world(Points((), self.profile.patience_s), start)

    def _now(self) -> float:
        return clock.EPOCH_S + self._loop.time()

    # --- where the merchant can die, and what can come the other way round

    def _before_commit(self, incarnation: Incarnation, _: sqlite3.Connection) -> None:
        if incarnation.name == Host.MERCHANT.value:
            self._reach(labels.COMMIT, "commit")
            if self._world is not None:
                self._world.happened()

    def _before_send(self, message: Message) -> Fate | None:
        asked = self._orders.asked(message)
        if asked is None:
            return None  # nothing begins here: it is the rest of something
        answer = message.data.startswith(b"HTTP/1.")
        # reading changes nothing, for neither side: who dies before that might as well die before the next thing that does
        if message.source == Host.MERCHANT.value and not asked.startswith("GET "):
            self._reach(f"{labels.ANSWERS if answer else labels.SENDS}{asked}", "send")
        hold = self._orders.leaves(message, asked)
        if hold is not None and self._world is not None:
            where = "shop" if message.target == Host.MERCHANT.value else "gateway"
            first, _, second = hold.what_for.partition(labels.BEFORE)
            told = f"{alphabet.SWAPPED}: {second} arrives first, then {first}"
            self._world.notes.append(Note(self._world.wall_ms(), where, where, told, fault=True))
        return hold

    def _reach(self, label: str, way: str) -> None:
        world, points = self._world, self._points
        if world is None or points is None:
            return
        letter = points.reach(label, way, alphabet.MERCHANT)
        if letter is not None:
            world.notes.append(Note(world.wall_ms(), "shop", "shop", f"{letter.name}: {label}", fault=True))
            world.fell(Host.MERCHANT)
            world.come_back(Host.MERCHANT, alphabet.DOWN_S)
            raise Crashed

    def _gateway_crashed(self, down_s: float) -> None:
        assert self._world is not None
        self._world.fell(Host.GATEWAY)
        self._world.come_back(Host.GATEWAY, down_s)


def _scratch() -> Path:
    """A folder of this process's own, in memory where there is such a place; those of processes that were killed go."""
    shared = Path("/dev/shm")  # noqa: S108
    place = shared if shared.is_dir() else Path(tempfile.gettempdir())
    for left in place.glob(f"{_FOLDER}*"):
        with suppress(ValueError):
            if not _alive(int(left.name.removeprefix(_FOLDER))):
                shutil.rmtree(left, ignore_errors=True)
    made = place / f"{_FOLDER}{os.getpid()}"
    shutil.rmtree(made, ignore_errors=True)  # of one that had this number before
    made.mkdir(mode=0o700)
    return made


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _trace(outcome: Outcome, points: Points) -> str:
    """A digest of everything that happened, in order."""
    history = outcome.history
    whole = repr((history.journal, history.charges, history.orders, history.notes, points.reached, points.fired))
    return blake2b(whole.encode(), digest_size=16).hexdigest()
