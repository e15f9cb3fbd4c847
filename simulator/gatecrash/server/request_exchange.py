"""One request on its way, and what faults can do to it."""

import asyncio
from collections.abc import Sequence
from functools import partial
from hashlib import shake_128

from aiohttp import web

from gatecrash.core.errors import Refused
from gatecrash.faults.exchange import Broken, Instead
from gatecrash.faults.rule import Labels, Rule
from gatecrash.server.holding import Holding
from gatecrash.server.http import HttpServer
from gatecrash.server.outlet import Outlet
from gatecrash.server.sandbox import Sandbox
from gatecrash.server.state import State
from gatecrash.sockets import break_connection


class RequestExchange(Holding):
    """`rules` are the request's own, of its header. `outlet` is there once a fault has ordered how the answer is to go out."""

    def __init__(
        self,
        state: State,
        server: HttpServer,
        sandbox: Sandbox,
        request: web.BaseRequest,
        rules: Sequence[Rule],
    ) -> None:
        super().__init__(state, sandbox)
        self._server = server
        self._request = request
        self._rules = rules
        self._own_stations = {rule.station for rule in rules}
        self.labels = Labels()
        self.request_id = sandbox.ids.new("req")
        self.outlet: Outlet | None = None
        # what the issuer is to say, whatever the card
        self.decline_code: str | None = None

    @property
    def armed(self) -> bool:
        """Whether any rule could strike anything here."""
        return bool(self._rules or self._sandbox.plane.armed)

    async def at(self, station: str) -> None:
        """Pass a station; whatever is armed there strikes."""
        self.station = station
        if station in self._sandbox.plane.armed or station in self._own_stations:
            self.check_life()
            if self.left is None:
                self.left = asyncio.Event()
                self._server.when_gone(self._request, self.left)
            await self._sandbox.plane.strike(station, self.labels, self, self._record, self._sandbox.now(), self._rules)

    def expects(self, stations: tuple[str, ...]) -> bool:
        """Whether anything could strike this request at one of these."""
        plane = self._sandbox.plane
        return bool(self._own_stations.intersection(stations)) or any(
            plane.could_strike(station, self.labels) for station in stations if station in plane.armed
        )

    def open_outlet(self) -> Outlet:
        self.outlet = self.outlet or Outlet(self._request)
        return self.outlet

    async def _record(self, matched: Sequence[Rule], striking: Sequence[Rule], labels: Labels) -> None:
        await self._state.record_strike(self._sandbox, matched, striking, labels)

    # --- what faults do

    async def cut(self, *, reset: bool) -> None:
        break_connection(self._request.transport, reset=reset)
        raise Broken("a fault rule broke the connection")

    async def answer(self, status: int, headers: dict[str, str], body: bytes, content_type: str) -> None:
        raise Instead(status, headers, body, content_type)

    async def truncate(self, size: int | None) -> None:
        self.open_outlet().truncate(size)

    async def drip(self, size: int, interval_s: float) -> None:
        self.open_outlet().drip(size, partial(self.pause, interval_s, self.held_by))

    async def garbage(self, size: int) -> None:
        if self.station == "response.partial":
            self.open_outlet().spoil(self._noise)
            return
        await self.open_outlet().write_more(self._noise(size))
        if self.station != "response.sent":
            raise Broken(f"a fault rule sent {size} bytes of garbage instead of an answer")

    async def decline(self, decline_code: str) -> None:
        self.decline_code = decline_code

    async def limit(self, allowed: str) -> None:
        assert self.window is not None, "whoever limits counts"
        wait_s = -(-(self.window.ends_at - self._sandbox.now()) // 1000)
        raise Refused(
            "rate_limited",
            f"more than {allowed} of sandbox time came, and a fault rule allows no more; "
            f"wait {wait_s} s and repeat the request with the same key.",
            retry_after_s=max(1, wait_s),
        )

    def _noise(self, size: int) -> bytes:
        """Bytes that are neither HTTP nor text, the same for the same request."""
        return bytes(byte | 0x80 for byte in shake_128(self.request_id.encode()).digest(size))
