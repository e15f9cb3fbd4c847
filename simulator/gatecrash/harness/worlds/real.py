"""The real world: gateway and merchant as process groups of their own, spoken to over loopback.

Every readiness is a condition that is watched, never a guess of how long it takes. What dies takes its
group with it, and leaving the world kills and reaps whatever is left, also when leaving by Ctrl-C.
"""

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import aiohttp

from gatecrash.harness.merchant_profile import MerchantProfile
from gatecrash.harness.world import Host, Reply, SetupFailed, World
from gatecrash.harness.worlds.process import Port, Process

READY_WITHIN_S = 30.0


class RealWorld(World):
    """One gateway and one merchant in a scratch directory of their own, gone on leaving unless `keep` is
    set.
    """

    name = "real"

    def __init__(self, profile: MerchantProfile, *, keep: bool = False) -> None:
        self.profile = profile
        self.keep = keep
        self.scratch = Path(tempfile.mkdtemp(prefix="gatecrash-"))
        self.port = Port.reserve()
        self.values: dict[str, Any] = {
            "scratch": str(self.scratch),
            "database": str(self.scratch / "merchant.sqlite"),
            "port": self.port.number,
            "merchant": f"http://127.0.0.1:{self.port.number}",
            "secret_key": "sk_test_story",
            "publishable_key": "pk_test_story",
            "webhook_secret": "",
        }
        self._url_file = self.scratch / "urls.json"
        self._gateway = Process(
            name="gateway",
            command=(
                *(sys.executable, "-m", "gatecrash", "serve", "--data", str(self.scratch / "gateway")),
                *("--port", "0", "--url-file", str(self._url_file)),
            ),
            env={name: value for name, value in os.environ.items() if not name.startswith("GATECRASH_")},
            log=self.scratch / "gateway.log",
            cwd=self.scratch,  # not the user's folder: -m would import what lies there under our name
        )
        self._merchant: Process | None = None
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        try:
            # a connection per request: one kept alive would carry the death of a process into the next
            # request
            self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True, limit=0))
            self._gateway.start()
            self.values["gateway"] = await self._ready(self._gateway, self._gateway_url, "writes its --url-file")
            await self._ready(self._gateway, lambda: self._answers(Host.GATEWAY, "/readyz"), "answers GET /readyz with 2xx")
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        for process in (self._merchant, self._gateway):
            if process is not None:
                process.kill()
        self.port.release()
        if not self.keep:
            shutil.rmtree(self.scratch, ignore_errors=True)
        if self._session is not None:  # last: whoever interrupts once more finds everything else done
            await self._session.close()

    async def request(
        self,
        host: Host,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 15.0,
    ) -> Reply:
        assert self._session is not None, "the world is entered before it is spoken to"
        url = self.values[host.value] + path
        try:
            async with self._session.request(
                method, url, json=body, headers=headers, timeout=aiohttp.ClientTimeout(total=timeout_s)
            ) as response:
                raw = await response.read()
                return Reply(response.status, _parse(raw))
        except TimeoutError:
            return Reply(0, error=f"no answer within {timeout_s:g} s")
        except (aiohttp.ClientError, OSError) as error:
            return Reply(0, error=f"{type(error).__name__}: {error}")

    async def start_merchant(self) -> None:
        if self._merchant is None:
            self._merchant = Process(
                name="merchant",
                command=[str(part).format_map(self.values) for part in self.profile.command],
                env=os.environ | {name: value.format_map(self.values) for name, value in self.profile.env.items()},
                log=self.scratch / "merchant.log",
            )
        if self._merchant.alive():
            return
        self._merchant.start()
        ready = self.profile.ready
        await self._ready(self._merchant, lambda: self._answers(Host.MERCHANT, ready), f"answers GET {ready} with 2xx")

    async def kill(self, host: Host) -> None:
        if host is Host.MERCHANT:
            if self._merchant is not None:
                self._merchant.kill()
            return
        # the gateway's supervisor lives on and brings it back: only the serving process dies
        reply = await self.request(Host.GATEWAY, "GET", "/healthz")
        if not reply.ok:
            raise SetupFailed(f"the gateway cannot be killed: GET /healthz answered {reply.status} {reply.error}")
        os.kill(int(reply.body["pid"]), signal.SIGKILL)

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def _gateway_url(self) -> str | None:
        try:
            return str(json.loads(self._url_file.read_text(encoding="utf-8"))["native"])
        except (OSError, ValueError, KeyError):
            return None  # not written yet, or only half

    async def _answers(self, host: Host, path: str) -> bool:
        return (await self.request(host, "GET", path, timeout_s=2.0)).ok

    async def _ready(self, process: Process, condition: Any, expected: str) -> Any:
        """The first truthy value of the condition. Raises SetupFailed with the process's last words."""

        async def ready_or_dead() -> Any:
            return await condition() or (not process.alive() and _DEAD)

        found = await self.until(ready_or_dead, within_s=READY_WITHIN_S)
        if found is None or found is _DEAD:
            what = "ended by itself" if found is _DEAD else f"was not ready after {READY_WITHIN_S:.0f} s"
            raise SetupFailed(
                f"the {process.name} {what}, before it {expected}.\n"
                f"  command: {' '.join(process.command)}\n"
                f"  its last words:\n" + "\n".join(f"    {line}" for line in process.last_words().splitlines())
            )
        return found


_DEAD = object()


def _parse(raw: bytes) -> Any:
    try:
        return json.loads(raw) if raw else None
    except ValueError:
        return None
