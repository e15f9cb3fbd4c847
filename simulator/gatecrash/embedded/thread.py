"""A gateway in a thread of this process, with an event loop of its own."""

import asyncio
import threading
from concurrent.futures import Future

from gatecrash.embedded.options import GatewayStartError, Options
from gatecrash.server.serving import Settings, SetupError, loop_factory, serving
from gatecrash.store.errors import StoreUnusable

# a request that a rule holds is cut off at once when the gateway closes
_GRACE_S = 0.01
_STOP_WITHIN_S = 20.0


class ThreadHost:
    """`ports`: dialect → port. It cannot crash: nothing would bring this process back."""

    def __init__(self, options: Options) -> None:
        settings = Settings(
            options.host, {"native": options.port}, options.data, durable=options.data is not None,
            seed=options.seed, allow_hosts=options.allow_hosts, grace_s=_GRACE_S, server_names=options.server_names,
            control_token=options.control_token, webhook_ca=options.webhook_ca,
        )  # fmt: skip
        ready: Future[dict[str, int]] = Future()
        self._thread = threading.Thread(target=self._run, args=(settings, ready), name="gatecrash", daemon=True)
        self._thread.start()
        try:
            self.ports = ready.result()
        except (SetupError, StoreUnusable) as error:
            self._thread.join()
            raise GatewayStartError(str(error)) from error
        except BaseException:  # Ctrl-C while it starts
            ready.add_done_callback(lambda _: self._ask_to_stop())
            raise

    def _run(self, settings: Settings, ready: "Future[dict[str, int]]") -> None:
        try:
            with asyncio.Runner(loop_factory=loop_factory()) as runner:
                runner.run(self._serve(settings, ready))
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)

    async def _serve(self, settings: Settings, ready: "Future[dict[str, int]]") -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with serving(settings) as served:
            ready.set_result(served.ports)
            await self._stop.wait()

    def _ask_to_stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)

    def close(self) -> None:
        """Stop it, whatever is on its way. A second time does nothing."""
        if self._thread.is_alive():
            self._ask_to_stop()
            self._thread.join(_STOP_WITHIN_S)
            if self._thread.is_alive():
                raise RuntimeError(f"the gateway's thread did not end within {_STOP_WITHIN_S:g} s; please report it")

    def kill(self) -> None:
        raise RuntimeError("this gateway lives in a thread of your own process; Gateway(process=True) makes one to be killed.")

    def log(self) -> str:
        """What it said: nothing, a thread speaks on this process's own standard error."""
        return ""
