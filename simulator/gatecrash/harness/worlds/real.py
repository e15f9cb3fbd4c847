"""The real world: gateway and merchant as process groups of their own, spoken to over loopback.

Every readiness is a condition that is watched, never a guess of how long it takes. What dies takes its
group with it, and leaving the world kills and reaps whatever is left, also when leaving by Ctrl-C.
"""

import asyncio
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import aiohttp

from gatecrash import files, warm
from gatecrash.harness.history import ENDED, Note
from gatecrash.harness.merchant_profile import SHOP_SETTINGS, MerchantProfile
from gatecrash.harness.templates import Command, fill
from gatecrash.harness.world import Host, NeverBack, Reply, SetupFailed, T, World
from gatecrash.harness.worlds.process import Port, Process, mind
from gatecrash.harness.worlds.simulated.client import content as as_sent
from gatecrash.together import Together

GATEWAY_READY_S = 30.0


class RealWorld(World):
    """One gateway and one merchant in a scratch directory of their own, gone on leaving unless `keep` is
    set.
    """

    name = "real"

    def __init__(self, profile: MerchantProfile, *, keep: bool = False) -> None:
        self.profile = profile
        self.notes: list[Note] = []
        self.keep = keep
        self.scratch = files.scratch()
        if not keep:
            mind(self.scratch)
        self.port = Port.reserve() if profile.start else None
        self.values: dict[str, Any] = {
            "scratch": str(self.scratch),
            "python": sys.executable,
            "port": self.port.number if self.port else 0,
            "merchant_url": f"http://127.0.0.1:{self.port.number}" if self.port else profile.url,
            "secret_key": f"sk_test_{profile.sandbox}",
            "publishable_key": f"pk_test_{profile.sandbox}",
            "webhook_secret": "",
            **SHOP_SETTINGS,
            "webhook_secrets": "",
        }
        if profile.start is None:  # it may remember the carts of earlier runs
            self.cart = f"cart-{secrets.token_hex(4)}"
        self._url_file = self.scratch / "urls.json"
        arguments = (
            *("serve", "--with-stdin", "--data", str(self.scratch / "gateway"), "--url-file", str(self._url_file)),
            # a merchant that runs already knows one gateway, where its configuration says, and remembers the ids it has seen
            *(("--port", "0") if profile.start else ("--port", str(profile.gateway_port), "--seed", secrets.token_hex(8))),
        )
        env = {name: value for name, value in os.environ.items() if not name.startswith("GATECRASH_")}
        self._gateway = Process(
            name="gateway",
            command=("gatecrash", *arguments),
            env=env,
            log=self.scratch / "gateway.log",
            forks=lambda log: warm.start(arguments, env=env, cwd=self.scratch, output=log, stdin=True),
        )
        self._merchant: Process | None = None
        self._was_reset = False
        self._last_look = Reply(0, error="not asked yet")
        self._no_page_since: float | None = None
        self._session: aiohttp.ClientSession | None = None
        self._together: Together | None = None

    async def __aenter__(self) -> Self:
        try:
            # a connection per request: one kept alive would carry the death of a process into the next
            # request
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(force_close=True, limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),  # a browser keeps its own
            )
            self._gateway.start()
            self.values["gateway_url"] = await self._ready(self._gateway, self._gateway_url, GATEWAY_READY_S)
            if not self.values["gateway_url"] or not await self._ready(self._gateway, self._gateway_answers, GATEWAY_READY_S):
                at = "" if self.profile.start else f"{self.profile.at('gateway', 'port')}: "
                ended = self._gateway.ended()
                what = f"{ENDED}, with {ended}" if ended else f"was not ready after {GATEWAY_READY_S:g} s"
                raise SetupFailed(f"{at}the gateway {what}\n{_told_of(self._gateway)}")
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        for process in (self._merchant, self._gateway):
            if process is not None:
                process.kill()
        if self.port is not None:
            self.port.release()
        if not self.keep:
            shutil.rmtree(self.scratch, ignore_errors=True)
            mind(self.scratch, gone=True)
        if self._session is not None:  # last: whoever interrupts once more finds everything else done
            await self._session.close()

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
        assert self._session is not None, "the world is entered before it is spoken to"
        url = self.values[f"{host.value}_url"] + path
        content: dict[str, Any] = {"data": body} if form or isinstance(body, bytes) else {"json": body}
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        together, request = self._together if host is Host.MERCHANT else None, object()
        if together is not None:
            sent, headers = as_sent(body, form, headers)
            headers = {**headers, "Content-Length": str(len(sent or b""))}
            content = {"data": together.body(sent or b"", request)}
        try:
            async with self._session.request(
                method, url, **content, headers=headers, timeout=timeout, allow_redirects=redirects
            ) as response:
                return Reply.read(response.status, await response.read(), response.headers)
        except TimeoutError:
            return Reply.silence(timeout_s)
        except (aiohttp.ClientError, OSError) as error:
            number = getattr(error, "errno", None)
            return Reply(0, error=os.strerror(number) if number else f"{type(error).__name__}: {error}")
        finally:
            if together is not None:
                together.there(request)

    @contextmanager
    def at_once(self, count: int) -> Iterator[None]:
        self._together = Together(count)
        try:
            yield
        finally:
            self._together = None

    async def run(self, command: Command, timeout_s: float) -> Reply:
        start = self.profile.start
        folder = start.cwd if start else self.profile.path.resolve().parent if self.profile.path else None
        environment = os.environ | {name: str(value) for name, value in fill(start.env if start else {}, self.values).items()}
        try:
            process = await asyncio.create_subprocess_exec(
                *command.argv, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            return Reply(0, error=f"{command.argv[0]}: {error.strerror or error}")
        mind(process.pid)
        try:
            async with asyncio.timeout(timeout_s):
                printed, complaints = await process.communicate()
        except TimeoutError:
            return Reply(0, error=f"it did not end within {timeout_s:g} s")
        finally:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            mind(process.pid, gone=True)
        if process.returncode:
            said = complaints.decode(errors="replace").strip().splitlines() or ["it printed no error"]
            return Reply(0, error=f"it ended with status {process.returncode}: {said[-1][:_LINE]}")
        return Reply.read(200, printed.strip())

    async def start_merchant(self) -> None:
        start = self.profile.start
        if start is None:
            await self._reach_running_merchant()
            return
        again = self._merchant is not None
        if self._merchant is None:
            if start.cwd and not start.cwd.is_dir():
                raise SetupFailed(f"{self.profile.at('start', 'cwd')}: there is no folder {start.cwd}")
            self._merchant = Process(
                name="merchant",
                command=[str(part) for part in fill(start.command, self.values)],
                env={},
                log=self.scratch / "merchant.log",
                cwd=start.cwd,
            )
        merchant = self._merchant
        if merchant.alive():
            return
        # each time: a secret may have been rotated meanwhile
        merchant.env = os.environ | {name: str(value) for name, value in fill(start.env, self.values).items()}
        try:
            merchant.start()
        except SetupFailed as error:
            raise SetupFailed(f"{self.profile.at('start', 'command')}: {error}") from error
        if await self._ready(merchant, self._merchant_looked_at, self.profile.ready_s) and self._last_look.ok:
            return
        when = "when it was started again, after it had been killed" if again else "before it was ready"
        failed: type[SetupFailed] = SetupFailed
        if ended := merchant.ended():
            advice = _TAKEN if any(each in merchant.last_words().lower() for each in _TAKEN_WORDS) else ""
            at, what = self.profile.at("start", "command"), f"the merchant {ENDED}, with {ended}, {when}{advice}"
            # a port that was taken says nothing about the shop; nor does a start that takes too long, on a machine that is busy
            failed = NeverBack if again and not advice else SetupFailed
        else:
            at, what = self.profile.at("ready"), self._never_ready()
        raise failed(f"{at}: {what}\n{_told_of(merchant)}")

    async def _reach_running_merchant(self) -> None:
        self._reset_running_merchant()
        await self.until(self._merchant_looked_at, within_s=self.profile.ready_s)
        if not self._last_look.ok:
            at = self.profile.at("ready" if self._last_look.status else "url")
            raise SetupFailed(f"{at}: {self._never_ready()}")

    async def _merchant_looked_at(self) -> bool:
        """Whether it is ready; or never will be, since it has been serving for a while and has no such page."""
        self._last_look = await self.request(Host.MERCHANT, "GET", self.profile.ready, timeout_s=2.0)
        if self._last_look.status not in _NO_PAGE:
            self._no_page_since = None
            return self._last_look.ok
        self._no_page_since = self._no_page_since or self.now()
        return self.now() - self._no_page_since > NO_PAGE_S

    def _never_ready(self) -> str:
        last, url = self._last_look, self.values["merchant_url"] + self.profile.ready
        if last.status in _NO_PAGE:
            return (
                f"GET {url} was answered {last.told(100)}; name a path that the shop answers with 2xx, such as one of its pages"
            )
        if last.status:
            advice = "it must be answered with 2xx once the shop serves"
        elif self.profile.start is None:
            advice = "start the merchant there, or give its profile a table [start]"
        else:
            advice = _LISTENS
        return (
            f"GET {url} was not answered with 2xx within {self.profile.ready_s:g} s (timeouts.ready_s); the last time it was "
            f"answered {last.told(100)}; {advice}"
        )

    def merchant_ended(self) -> str:
        ended = self._merchant.ended() if self._merchant else ""
        return f"{ENDED}, with {ended}\n{_told_of(self._merchant)}" if ended and self._merchant else ""

    def _reset_running_merchant(self) -> None:
        if not self.profile.reset or self._was_reset:
            return
        self._was_reset = True
        command = [str(part) for part in fill(self.profile.reset, self.values)]
        cwd = self.profile.path.resolve().parent if self.profile.path else None
        try:
            done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=self.profile.ready_s, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise SetupFailed(f"{self.profile.at('reset')}: {' '.join(command)} did not work: {error}") from error
        if done.returncode != 0:
            said = (done.stderr or done.stdout)[-500:].strip()
            raise SetupFailed(f"{self.profile.at('reset')}: {' '.join(command)} ended with status {done.returncode}: {said}")

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

    def merchant_log(self) -> str:
        paths = [self.scratch / "merchant.log", *(Path(fill(name, self.values)) for name in self.profile.logs)]
        return "".join(path.read_text(encoding="utf-8", errors="replace") for path in paths if path.is_file())

    def merchant_files(self) -> Mapping[str, str]:
        ours = {self._url_file, self.scratch / "gateway.log", self.scratch / "merchant.log"}
        written = (path for path in self.scratch.rglob("*") if path.is_file() and self.scratch / "gateway" not in path.parents)
        return {
            str(path.relative_to(self.scratch)): path.read_bytes().decode("latin-1")
            for path in sorted(written)
            if path not in ours
        }

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def shop_works(self, seconds: float) -> None:
        async def never() -> None:
            await self.request(Host.MERCHANT, "GET", self.profile.ready, timeout_s=2.0)

        await self.until(never, within_s=seconds)

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    async def _gateway_url(self) -> str | None:
        try:
            return str(json.loads(self._url_file.read_text(encoding="utf-8"))["native"])
        except (OSError, ValueError, KeyError):
            return None  # not written yet, or only half

    async def _gateway_answers(self) -> bool:
        return (await self.request(Host.GATEWAY, "GET", "/readyz", timeout_s=2.0)).ok

    async def _ready(self, process: Process, condition: Callable[[], Awaitable[T]], within_s: float) -> T | None:
        """The first truthy value of the condition; None when the process ended before, or the time was over."""

        async def ready_or_over() -> tuple[T | None] | None:
            found = await condition()
            return (found,) if found or not process.alive() else None

        over = await self.until(ready_or_over, within_s=within_s)
        return over[0] if over else None


#: How much of a line of its last words is shown.
_LINE = 300
#: Statuses of a shop that serves and has no such page; after so long it is believed. A slow one may add its routes late.
_NO_PAGE, NO_PAGE_S = (404, 405, 410), 5.0
_LISTENS = "it must listen on 127.0.0.1:{port}, a port that is picked free for each run and that [start] tells it"
_TAKEN_WORDS = ("address already in use", "eaddrinuse", "address in use")
_TAKEN = f"; the port it wanted is taken: {_LISTENS}"


def _told_of(process: Process) -> str:
    """What was started and what it said last, for the end of a message."""
    said = "\n".join(f"    {line[:_LINE]}" for line in process.last_words().splitlines())
    return f"  command: {' '.join(process.command)}\n  its last words:\n{said}"
