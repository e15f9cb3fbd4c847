"""The pipeline: every request of every dialect takes this way, and every station has its place on it.

received → authenticated → decoded → claimed → executed → committed → rendered → sent
"""

from collections.abc import Sequence

from aiohttp import web

from gatecrash.core.errors import Refused
from gatecrash.dialects.interface import Answer, Asked, Call, Caller, Dialect, Route
from gatecrash.faults.exchange import Broken
from gatecrash.faults.rule import HEADER, Rule, parse_header
from gatecrash.server.cors import add_cors
from gatecrash.server.guard import Guard
from gatecrash.server.http import HttpServer, NoAnswer, to_response
from gatecrash.server.passage import Outcome, Passage
from gatecrash.server.request_exchange import RequestExchange
from gatecrash.server.state import State
from gatecrash.sockets import break_connection

_AT_RESPONSE = ("response.partial", "response.sent")


class Pipeline:
    """One dialect's way through the gateway, behind one server."""

    def __init__(self, state: State, server: HttpServer, dialect: Dialect, guard: Guard) -> None:
        self._state = state
        self._server = server
        self._guard = guard
        self._dialect = dialect

    async def handle(self, route: Route, request: web.BaseRequest, asked: Asked) -> web.StreamResponse:
        try:
            if HEADER in asked.headers:
                self._guard.check_control(asked.headers, f"the header {HEADER}")
            caller = self._dialect.authenticate(asked)
            self._state.check_store()
        except Refused as refused:
            return self._refuse(refused, asked, route, self._state.request_id())
        sandbox = self._state.sandbox(caller.sandbox)
        exchange: RequestExchange | None = None
        connection = request.transport
        sandbox.requests += 1
        try:
            sandbox.admit(connection)
            call = self._decode(asked, route, caller)
            try:
                rules = self._own_rules(request, call.does if isinstance(call, Call) else route.verb)
            except Refused as refused:
                return self._refuse(refused, asked, route, sandbox.ids.new("req"))
            exchange = RequestExchange(self._state, self._server, sandbox, request, rules)
            passage = Passage(self._state, self._dialect, sandbox, exchange, asked, route, call)
            return await self._send(passage, exchange, request, asked, route, await passage.outcome())
        except Broken as broken:
            break_connection(request.transport, reset=exchange is None)
            if exchange is not None:
                lost = {"request_id": exchange.request_id, "operation": exchange.labels.operation, "broken": str(broken)}
                exchange.note("answer", lost)
            return NoAnswer()
        finally:
            sandbox.requests -= 1
            sandbox.let_go(connection)
            if exchange is not None and exchange.left is not None:
                self._server.forget(request)

    def _own_rules(self, request: web.BaseRequest, verb: str) -> Sequence[Rule]:
        header = ",".join(request.headers.getall(HEADER, ()))
        rules = parse_header(header, verb) if header else ()
        self._state.check_mortal(rules)
        return rules

    def _decode(self, asked: Asked, route: Route, caller: Caller) -> Call | Refused:
        """The call, or why the request is none: a refusal is journalled and may be struck like any call."""
        try:
            self._dialect.authorize(caller, route)
            call = self._dialect.call(asked, route, caller, self._state.vault.fingerprint)
            self._state.admit(call)
        except Refused as refused:
            return refused
        return call

    # --- out again

    async def _send(
        self,
        passage: Passage,
        exchange: RequestExchange,
        request: web.BaseRequest,
        asked: Asked,
        route: Route,
        outcome: Outcome,
    ) -> web.StreamResponse:
        response = self._response(outcome.answer, asked, route, exchange.request_id)
        if exchange.outlet is None and not exchange.expects(_AT_RESPONSE):
            passage.note_answer(outcome)
            return response
        outlet = exchange.open_outlet()
        outlet.load(response)
        try:
            await outlet.write_half()
            await exchange.at("response.partial")
            await outlet.write_rest()
            passage.note_answer(outcome)
            await exchange.at("response.sent")
        except ConnectionError as gone:
            raise Broken("the client left before its answer was sent") from gone
        return NoAnswer(keep_alive=request.keep_alive)

    def _refuse(self, refused: Refused, asked: Asked, route: Route, request_id: str) -> web.Response:
        return self._response(self._dialect.refusal(refused, asked, request_id), asked, route, request_id)

    def _response(self, answer: Answer, asked: Asked, route: Route, request_id: str) -> web.Response:
        response = to_response(answer)
        response.headers["Request-Id"] = request_id
        if route.cors:
            add_cors(response, asked.headers.get("Origin"))
        return response
