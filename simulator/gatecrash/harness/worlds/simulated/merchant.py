"""The merchant in simulated time: any asyncio application, as its profile names it, one life after the other."""

import asyncio
import importlib
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.web_app import _cached_build_middleware as _build_middlewares  # remembers the last thousand applications, whole

from gatecrash.harness.merchant_profile import MerchantProfile
from gatecrash.harness.templates import fill
from gatecrash.harness.world import SetupFailed
from gatecrash.harness.worlds.simulated import asgi

Protocols = Callable[[], Any]


class SimulatedMerchant:
    """Brings the application of a profile up. Raises ProfileError where there is none, SetupFailed where it cannot be had."""

    def __init__(self, profile: MerchantProfile) -> None:
        self.profile = profile
        self.simulated = profile.application()
        self.folder = (profile.start.cwd if profile.start else Path()).resolve()
        if str(self.folder) not in sys.path:
            sys.path.insert(0, str(self.folder))
        self._environment = dict(os.environ)
        self._set: tuple[dict[str, str], dict[bytes, bytes]] | None = None

    async def start(self, port: int, values: Mapping[str, Any]) -> None:
        """Listen; to be called in the context of the life that it begins."""
        templates = {**(self.profile.start.env if self.profile.start else {}), **self.simulated.env}
        self._set_environment(self._environment | {name: str(value) for name, value in fill(templates, values).items()})
        protocols = await self._protocols(self._application())
        await asyncio.get_running_loop().create_server(protocols, "127.0.0.1", port)

    def _set_environment(self, wanted: dict[str, str]) -> None:
        """Mostly it is what the life before had, and each access to it is slow."""
        inside: dict[bytes, bytes] = vars(os.environ)["_data"]
        if self._set != (wanted, inside):
            os.environ.clear()
            os.environ.update(wanted)
            self._set = (wanted, dict(inside))

    def _application(self) -> Any:
        if self.simulated.reload:
            self._forget()
        module_name, _, path = self.simulated.app.partition(":")
        try:
            found: Any = importlib.import_module(module_name)
            for part in path.split("."):
                found = getattr(found, part)
        except (ImportError, AttributeError) as error:
            raise SetupFailed(
                f"{self.profile.at('simulated', 'app')}: {self.simulated.app!r} cannot be had: {error}; expected MODULE:NAME, "
                f"importable from {self.folder}"
            ) from error
        return found

    def _forget(self) -> None:
        """What the merchant's modules hold dies with it: they are imported anew."""
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if file and "site-packages" not in file and Path(file).is_relative_to(self.folder):
                del sys.modules[name]

    async def _protocols(self, found: Any) -> Protocols:
        if callable(found) and not isinstance(found, web.Application) and not asgi.is_application(found):
            found = found()
            if isinstance(found, Awaitable):
                found = await found
        if isinstance(found, web.Application):
            _build_middlewares.cache_clear()
            runner = web.AppRunner(found, access_log=None, handle_signals=False)
            await runner.setup()
            assert runner.server is not None
            return runner.server
        if asgi.is_application(found):
            return await asgi.serve(found)
        raise SetupFailed(
            f"{self.profile.at('simulated', 'app')}: {self.simulated.app!r} is {type(found).__name__}; expected an aiohttp or "
            "ASGI application, or a function without arguments that makes one"
        )
