"""A local receiver of webhooks, for tests: it verifies, records and answers as it is told."""

import base64
import contextlib
import hmac
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

import msgspec

from gatecrash.client.call import Json
from gatecrash.client.errors import GatewayError, GatewayUnreachable, WaitTimeout
from gatecrash.client.listener import Listener

__tracebackhide__ = True  # pytest shows the line of the test instead

TOLERANCE_S = 300
_BODY_MAX = 1024 * 1024
_JOIN_S = 5.0


class Webhook(NamedTuple):
    """A webhook as it arrived. `headers` by lower-case name; `flaw` says why it is not to be trusted, if it is not."""

    headers: Mapping[str, str]
    body: bytes
    path: str
    flaw: str | None

    def __repr__(self) -> str:
        return f"<Webhook {self.type or 'unknown'} {self.id}{f' ({self.flaw})' if self.flaw else ''}>"

    @property
    def id(self) -> str:
        """The event's: the same at every attempt."""
        return self.headers.get("webhook-id", "")

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def type(self) -> str:
        """`charge.succeeded`, say; empty if the body does not tell."""
        with contextlib.suppress(msgspec.DecodeError, KeyError, TypeError):
            return str(self.json["type"])
        return ""

    @property
    def data(self) -> Json:
        """The charge or refund that it tells of."""
        data: Json = self.json["data"]
        return data


class Answer(NamedTuple):
    """What a receiver answers, `after_s` seconds of real time. `closes`: nothing at all, and the connection is closed."""

    status: int = 200
    headers: Mapping[str, str] = {}
    body: bytes = b""
    after_s: float = 0.0
    closes: bool = False


# a status, a whole answer, or a function of the webhook that gives one of them; or several, given in turn, the last again
# and again
OneAnswer = int | Answer | Callable[[Webhook], "int | Answer"]
Answers = OneAnswer | Sequence[OneAnswer]


class Endpoints(Protocol):
    """What a receiver needs of a sandbox's webhooks."""

    def create(self, url: str, *, events: Sequence[str]) -> Json: ...

    def delete(self, endpoint_id: str) -> Json: ...


class Caught:
    """A receiver that is registered as an endpoint, and all it got. Leaving it takes both away.

    A webhook with a flaw is answered 400, as a careful merchant would, and kept in `rejected`; `webhooks` holds the others,
    duplicates included, in the order of their coming.
    """

    def __init__(self, endpoints: Endpoints, events: Sequence[str], answer: Answers, path: str, host: str) -> None:
        if not path.startswith("/"):
            raise ValueError(f"path was {path!r}; expected one that begins with '/', such as /webhooks.")
        self._endpoints, self._events = endpoints, events
        self.answer = answer
        self.webhooks: list[Webhook] = []
        self.rejected: list[Webhook] = []
        self.endpoint: Json = {}
        self.secrets: list[str] = []
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._answered = 0
        self._server = _Server(host, self)
        self.url = self._server.url + path

    def __enter__(self) -> Self:
        self._server.start()
        try:
            self.endpoint = self._endpoints.create(self.url, events=self._events)
        except BaseException:
            self._server.stop()
            raise
        self.secrets.append(self.endpoint["secret"])
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self.webhooks)

    def __iter__(self) -> Iterator[Webhook]:
        return iter(list(self.webhooks))

    def close(self) -> None:
        """Have the gateway forget the endpoint, if it still knows it, and stop listening."""
        self._closing.set()
        try:
            with contextlib.suppress(GatewayError, GatewayUnreachable):
                self._endpoints.delete(self.endpoint["id"])
        finally:
            self._server.stop()

    def of(self, type: str = "*") -> list[Webhook]:
        """Those of a type; `charge.*` takes all that begin so."""
        return [webhook for webhook in list(self.webhooks) if fnmatchcase(webhook.type, type)]

    def wait_for(self, type: str = "*", *, count: int = 1, timeout: float = 10.0) -> list[Webhook]:
        """All of a type, once there are `count` of them and the last is answered. Raises WaitTimeout, which says what came."""
        give_up_at = time.monotonic() + timeout
        with self._changed:
            while len(self.of(type)) < count:
                left_s = give_up_at - time.monotonic()
                if left_s <= 0:
                    raise self.missed(type, count, timeout)
                self._changed.wait(left_s)
        return self.of(type)

    def missed(self, type: str, count: int, timeout: float) -> WaitTimeout:
        """What to raise when they did not come."""
        came = [webhook.type for webhook in self.webhooks] + [f"{one.type} (rejected: {one.flaw})" for one in self.rejected]
        wanted = f"{count} webhooks" if count != 1 else "a webhook"
        return WaitTimeout(f"waited {timeout:g} s for {wanted} of type {type!r}; what came: {', '.join(came) or 'nothing'}.")

    # --- the receiver's side

    def receive(self, headers: Mapping[str, str], body: bytes, path: str) -> tuple[Webhook, Answer]:
        """Judge a webhook and say what to answer; `keep` it once that is sent."""
        webhook = Webhook(headers, body, path, flaw(headers, body, self.secrets, time.time()))
        if webhook.flaw is not None:
            self.rejected.append(webhook)
            return webhook, Answer(400, body=webhook.flaw.encode())
        one = self.answer
        if isinstance(one, Sequence) and not isinstance(one, Answer):
            with self._changed:
                one = one[min(self._answered, len(one) - 1)]
                self._answered += 1
        told = one(webhook) if callable(one) else one
        answer = Answer(told) if isinstance(told, int) else told
        self._closing.wait(answer.after_s)
        return webhook, answer

    def keep(self, webhook: Webhook) -> None:
        if webhook.flaw is None:
            with self._changed:
                self.webhooks.append(webhook)
                self._changed.notify_all()


def flaw(headers: Mapping[str, str], body: bytes, secrets: Sequence[str], now: float) -> str | None:
    """Why a webhook is not to be trusted, by Standard Webhooks; None if it is."""
    webhook_id, timestamp = headers.get("webhook-id"), headers.get("webhook-timestamp", "")
    signatures = headers.get("webhook-signature", "").split()
    if not webhook_id or not signatures or not (timestamp.isascii() and timestamp.isdecimal()):
        return "webhook-id, webhook-timestamp (Unix seconds) or webhook-signature is missing"
    signed = f"{webhook_id}.{timestamp}.".encode() + body
    expected = [hmac.digest(base64.b64decode(secret.removeprefix("whsec_")), signed, "sha256") for secret in secrets]
    ours = [b"v1," + base64.b64encode(digest) for digest in expected]
    if not any(hmac.compare_digest(one, theirs.encode()) for one in ours for theirs in signatures):
        return "no signature is right"
    if abs(now - int(timestamp)) > TOLERANCE_S:
        return f"the timestamp is more than {TOLERANCE_S} s off"
    return None


class _Server(Listener):
    """A thread that accepts, and one for each connection; `stop` ends them all."""

    def __init__(self, host: str, caught: Caught) -> None:
        try:
            super().__init__(host, 0, _Handler)
        except OSError as error:
            raise ValueError(f"host was {host!r}, where nothing can listen: {error.strerror}; give 127.0.0.1, say.") from error
        self.caught = caught
        self._open: dict[socket.socket, threading.Thread] = {}
        self._accepting = threading.Thread(target=self.serve_forever, args=(0.02,), name="gatecrash-catch", daemon=True)

    def start(self) -> None:
        self._accepting.start()

    def stop(self) -> None:
        if self._accepting.is_alive():
            self.shutdown()
            self._accepting.join(_JOIN_S)
        self.server_close()
        for connection, thread in list(self._open.items()):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            thread.join(_JOIN_S)

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(target=self._serve, args=(request, client_address), name="gatecrash-catch", daemon=True)
        self._open[request] = thread
        thread.start()

    def _serve(self, request: Any, client_address: Any) -> None:
        try:
            with contextlib.suppress(OSError):  # the gateway left
                self.finish_request(request, client_address)
        finally:
            self.shutdown_request(request)
            self._open.pop(request, None)


class _Handler(BaseHTTPRequestHandler):
    """One webhook a connection."""

    server: _Server

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        body = self.rfile.read(min(int(length), _BODY_MAX)) if length.isdecimal() else b""
        caught = self.server.caught
        webhook, answer = caught.receive({name.lower(): value for name, value in self.headers.items()}, body, self.path)
        try:
            if not answer.closes:
                self._send(answer)
        finally:
            caught.keep(webhook)

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: what came is in `webhooks`."""
