"""The simulated world: a gateway and a merchant on virtual time, over a network in memory, killed and brought back at will."""

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from gatecrash.harness.history import Note
from gatecrash.harness.merchant_profile import SHOP_SETTINGS
from gatecrash.harness.world import Host, NeverBack, Reply, SetupFailed, World
from gatecrash.harness.worlds.simulated import clock
from gatecrash.harness.worlds.simulated.alphabet import DOWN_S, RETRY_AFTER_S
from gatecrash.harness.worlds.simulated.client import Client, content
from gatecrash.harness.worlds.simulated.gateway import SimulatedGateway
from gatecrash.harness.worlds.simulated.hosts import Incarnation
from gatecrash.harness.worlds.simulated.loop import VirtualLoop
from gatecrash.harness.worlds.simulated.merchant import SimulatedMerchant
from gatecrash.harness.worlds.simulated.output import Output
from gatecrash.harness.worlds.simulated.points import Points

T = TypeVar("T")

GATEWAY_PORT, MERCHANT_PORT = 8402, 8500
#: Where the gateway is asked what nothing can strike.
_CONTROL = "/_gatecrash/"
#: A look at a condition is repeated after something has happened, or after so long.
_LOOK_S = 0.25


class SimulatedWorld(World):
    """`gateway` is made by the caller, who keeps its connection over many worlds; so is `merchant`."""

    name = "simulated"

    explores = True

    def __init__(
        self,
        loop: VirtualLoop,
        gateway: SimulatedGateway,
        merchant: SimulatedMerchant,
        scratch: Path,
        points: Points,
        output: Output,
    ) -> None:
        self.profile = merchant.profile
        self.scratch = scratch
        self.notes: list[Note] = []
        self.values: dict[str, Any] = {
            "scratch": str(scratch), "python": "python", "port": MERCHANT_PORT,
            "gateway_url": f"http://127.0.0.1:{GATEWAY_PORT}", "merchant_url": f"http://127.0.0.1:{MERCHANT_PORT}",
            "secret_key": f"sk_test_{self.profile.sandbox}", "publishable_key": f"pk_test_{self.profile.sandbox}",
            "webhook_secret": "", "webhook_secrets": "", **SHOP_SETTINGS,
        }  # fmt: skip
        self._loop = loop
        self._points, self._output = points, output
        self._gateway, self._merchant = gateway, merchant
        self._lives: list[Incarnation] = []
        self._up: dict[Host, Incarnation | None] = {Host.GATEWAY: None, Host.MERCHANT: None}
        self._coming: dict[Host, asyncio.Task[None]] = {}
        self._failed: SetupFailed | None = None
        self._client = Client(loop)
        self._happened = asyncio.Event()
        # twice what a call and a round of reconciling take, and what a shop was asked to wait for
        self.calm_s = RETRY_AFTER_S + 2 * (self.profile.patience_s + self.profile.reconcile_s)
        self.remembered: Callable[[], object] = tuple
        self.asked_ms: list[int] = []  #: sandbox times at which staff asked for a capture or a refund

    async def __aenter__(self) -> Self:
        await self._bring_up(Host.GATEWAY)
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._coming.values():
            task.cancel()
        await asyncio.gather(*self._coming.values(), return_exceptions=True)
        for life in self._lives:
            if life.alive:
                life.kill()
        self._client.close()
        for life in self._lives:
            life.bury()

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
        try:
            async with asyncio.timeout(timeout_s):
                if host is Host.GATEWAY and (path.startswith(_CONTROL) or not self._gateway.armed()):
                    sent, given = content(body, form, headers)
                    return Reply.read(*await self._gateway.ask(method, path, sent or b"", given))
                url = self.values[f"{host.value}_url"] + path
                return Reply.read(*await self._client.request(method, url, body, form=form, headers=headers, redirects=redirects))
        except TimeoutError:
            return Reply.silence(timeout_s)
        except (aiohttp.ClientError, HttpProcessingError, OSError) as error:
            return Reply(0, error=f"{type(error).__name__}: {error}")

    # --- life and death

    async def start_merchant(self) -> None:
        coming = self._coming.get(Host.MERCHANT)
        if coming is not None:
            await asyncio.shield(coming)
        elif self._up[Host.MERCHANT] is None:
            await self._bring_up(Host.MERCHANT)
        if self._failed is not None:
            raise self._failed

    async def kill(self, host: Host) -> None:
        self.fell(host)
        if host is Host.GATEWAY:  # its supervisor brings it back
            self.come_back(host, DOWN_S)

    def fell(self, host: Host) -> None:
        """It is dead, from this moment on; whoever stands in its own stack raises Crashed."""
        life, self._up[host] = self._up[host], None
        if life is not None and life.alive:
            life.kill()
        self.happened()

    def come_back(self, host: Host, after_s: float) -> None:
        """Have it start again by itself."""

        async def back() -> None:
            await asyncio.sleep(after_s)
            self._coming.pop(host, None)
            try:
                await self._bring_up(host)
            except SetupFailed as failed:
                self._failed = failed

        if host not in self._coming:
            # of nobody: whoever asks for it may be about to die
            self._coming[host] = self._loop.create_task(back(), context=self._loop.neutral)

    def living(self) -> list[Incarnation]:
        return [life for life in self._lives if life.alive]

    def sandbox_ms(self) -> float | None:
        """What time it is in the merchant's sandbox, in milliseconds since 1970; None while the gateway is down."""
        return self._gateway.now_ms(self.profile.sandbox)

    def unwritten(self) -> list[bytes]:
        """The entries of the journal that the gateway is yet to write."""
        return self._gateway.unwritten(self.profile.sandbox)

    def coming(self) -> list[str]:
        """Who is dead and on the way back."""
        return sorted(host.value for host in self._coming)

    async def _bring_up(self, host: Host) -> None:
        number = 1 + sum(life.name == host.value for life in self._lives)
        life = Incarnation(self._loop, host.value, number)
        self._lives.append(life)
        self._up[host] = life
        if host is Host.GATEWAY:
            task = life.spawn(self._gateway.start(life, GATEWAY_PORT))
        else:
            task = life.spawn(self._merchant.start(MERCHANT_PORT, self.values))
        await self._ended(task, life)
        self.happened()

    async def _ended(self, task: "asyncio.Task[None]", life: Incarnation) -> None:
        """Until it has started, or died in the attempt."""
        dead = asyncio.Event()
        life.on_death.append(dead.set)
        died = self._loop.create_task(dead.wait())
        await asyncio.wait((task, died), return_when=asyncio.FIRST_COMPLETED)
        died.cancel()
        if life.alive:
            error = task.exception()
            if isinstance(error, SetupFailed):
                raise error
            if error is not None:
                is_merchant = life.name == Host.MERCHANT.value
                at = f"{self.profile.at('simulated', 'app')}: " if is_merchant else ""
                failed = NeverBack if is_merchant and life.number > 1 else SetupFailed
                raise failed(f"{at}the {life.name} did not start: {type(error).__name__}: {error}") from error

    # --- the faults of the world's own

    @property
    def struck(self) -> bool:  # type: ignore[override]
        return bool(self._points.fired)

    @property
    def strike_s(self) -> float:  # type: ignore[override]
        return 2 * self.calm_s if self.struck else math.inf

    async def begin_faults(self, remembered: Callable[[], object]) -> None:
        self.remembered = remembered
        self._points.open = True

    async def end_faults(self) -> None:
        self._points.close()
        for coming in list(self._coming.values()):
            await asyncio.shield(coming)
        await self._gateway.let_go(self.profile.sandbox)

    def staff_asks(self, at_ms: int) -> None:
        self.asked_ms.append(at_ms)

    def missed(self) -> tuple[str, ...]:
        return tuple(map(str, self._points.missed()))

    @asynccontextmanager
    async def undisturbed(self) -> AsyncIterator[None]:
        for coming in list(self._coming.values()):
            await asyncio.shield(coming)
        before, self._points.open = self._points.open, False
        try:
            yield
        finally:
            self._points.open = before

    def merchant_log(self) -> str:
        return self._output.text()

    # --- time

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def now(self) -> float:
        return self._loop.time()

    def wall_ms(self) -> int:
        return clock.EPOCH_S * 1000 + round(self._loop.time() * 1000)

    def happened(self) -> None:
        """Something that a look might see has changed."""
        self._happened.set()

    async def until(self, look: Callable[[], Awaitable[T]], *, within_s: float, every_s: float = 0.025) -> T | None:
        """Looks again whenever something has happened, and now and then: virtual time makes waiting free, looking not."""
        deadline = self.now() + within_s
        while True:
            if found := await look():
                return found
            if self.now() >= deadline:
                return None
            self._happened.clear()
            await asyncio.sleep(every_s)
            try:
                async with asyncio.timeout(min(_LOOK_S, max(0.0, deadline - self.now()))):
                    await self._happened.wait()
            except TimeoutError:
                pass
