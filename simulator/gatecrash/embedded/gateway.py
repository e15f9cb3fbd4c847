"""`Gateway`: a payment gateway for as long as a `with` block lasts."""

import asyncio
import contextlib
import itertools
import warnings
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from gatecrash.client.errors import GatewayError, GatewayUnreachable, RuleNeverStruck
from gatecrash.client.http import Http, url_of
from gatecrash.client.sandbox import Sandbox
from gatecrash.embedded.options import GatewayStartError, options
from gatecrash.embedded.patched import patched_by

if TYPE_CHECKING:
    from gatecrash.client.aio import AsyncSandbox
    from gatecrash.embedded.process import ProcessHost
    from gatecrash.embedded.thread import ThreadHost

__all__ = ["AsyncGateway", "Gateway", "GatewayStartError"]

# how long a handle goes on knocking: at a process that is on its way up after a crash, and at a thread of which a sandbox is
_PATIENCE_S = 15.0
_SANDBOX_PATIENCE_S = 2.0


class Gateway:
    """A gateway in a thread of its own, or with `process=True` in a process of its own, which may crash. Where gevent or eventlet
    has patched threads or sockets, it is a process in any case.

    `with Gateway() as gateway:` starts and closes it; so do `start` and `close`. In memory unless `data` names a folder; on a
    free port unless `port` is given. Raises GatewayStartError when it cannot start. At the end of the `with` block, a fault rule
    that never struck is a warning, RuleNeverStruck.
    """

    def __init__(
        self,
        *,
        process: bool = False,
        data: str | Path | None = None,
        seed: str | int = "0",
        host: str = "127.0.0.1",
        port: int = 0,
        allow_hosts: Iterable[str] = (),
        server_names: Iterable[str] = (),
        webhook_ca: str | Path | None = None,
    ) -> None:
        self.process, self.seed = process, str(seed)
        self.options = options(data, seed, host, port, allow_hosts, server_names, webhook_ca)
        self.urls: dict[str, str] = {}
        self._host: ThreadHost | ProcessHost | None = None
        self._http: Http | None = None
        self._numbers = itertools.count(1)
        self._handles: list[Sandbox] = []

    def __repr__(self) -> str:
        where = f"at {self.url}" if self._host else "not started"
        return f"<Gateway {'process' if self.process else 'thread'} {where}>"

    def start(self) -> Self:
        """Returns once it answers. One that runs already is left alone."""
        if self._host is not None:
            return self
        self.process = self.process or patched_by() is not None
        # heavy, so not before it is wanted
        if self.process:
            from gatecrash.embedded.process import ProcessHost

            self._host = ProcessHost(self.options)
            self.urls = self._host.urls
        else:
            from gatecrash.embedded.thread import ThreadHost

            self._host = ThreadHost(self.options)
            self.urls = {dialect: url_of(self.options.host, port) for dialect, port in self._host.ports.items()}
        self._http = Http(self.url, patience_s=_PATIENCE_S if self.process else _SANDBOX_PATIENCE_S)
        return self

    def close(self) -> None:
        """Stop it. Whatever is on its way, held by a rule, say, is cut off."""
        host, self._host = self._host, None
        try:
            if self._http is not None:
                self._http.patience_s = 0.0  # nobody will be there any more: whoever knocks may leave
                self._http.close()
        finally:
            if host is not None:
                host.close()

    @property
    def url(self) -> str:
        """Where the native dialect and the control API are; `urls` has each dialect's."""
        if not self.urls:
            raise RuntimeError("this gateway is not started; use `with Gateway() as gateway:`, or call start().")
        return self.urls["native"]

    def sandbox(self, name: str | None = None) -> Sandbox:
        """A fresh, empty sandbox; or the one called `name`, as it is."""
        url = self.url
        if name is not None:
            return self._handle(url, name)
        fresh = self._handle(url, f"sandbox-{next(self._numbers)}")
        if self.options.data is not None:  # an earlier run may have left something in it
            fresh.reset()
        return fresh

    def _handle(self, url: str, name: str) -> Sandbox:
        handle = Sandbox(url, name, urls=self.urls, http=self._http, control_token=self.options.control_token)
        self._handles.append(handle)
        return handle

    def _warn_of_idle_rules(self) -> None:
        """Warn of each rule that was armed through a handle of this gateway and never struck."""
        for handle in self._handles:
            with contextlib.suppress(GatewayError, GatewayUnreachable):
                for rule in handle.faults.never_struck():
                    warnings.warn(
                        f"{rule['kind']} at {rule['station']} (rule {rule['id']} of sandbox {handle.name}) never struck: nothing "
                        "was tested against it. Mend what it matches, or arm it with may_not_strike=True.",
                        RuleNeverStruck,
                        stacklevel=3,
                    )

    def kill(self) -> None:
        """SIGKILL the process that serves, at once; it is up again in milliseconds. Only with `process=True`."""
        self._running.kill()

    @property
    def log(self) -> str:
        """What the gateway's process said so far; a thread's words go to standard error."""
        return self._running.log()

    @property
    def _running(self) -> "ThreadHost | ProcessHost":
        if self._host is None:
            raise RuntimeError("this gateway is not started, or closed already; use `with Gateway() as gateway:`.")
        return self._host

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        try:
            if error is None:
                self._warn_of_idle_rules()
        finally:
            self.close()

    async def __aenter__(self) -> "AsyncGateway":
        await asyncio.to_thread(self.start)
        return AsyncGateway(self)

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        await asyncio.to_thread(self.__exit__, kind, error, where)


class AsyncGateway:
    """What `async with Gateway()` gives: the same gateway, whose sandboxes are to be awaited."""

    def __init__(self, sync: Gateway) -> None:
        self.sync, self.url, self.urls = sync, sync.url, sync.urls

    def sandbox(self, name: str | None = None) -> "AsyncSandbox":
        """A fresh, empty sandbox; or the one called `name`, as it is."""
        return self.sync.sandbox(name).aio

    async def kill(self) -> None:
        """SIGKILL the process that serves; only with `process=True`."""
        await asyncio.to_thread(self.sync.kill)

    @property
    def log(self) -> str:
        return self.sync.log
