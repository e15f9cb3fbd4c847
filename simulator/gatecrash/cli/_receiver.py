"""A local receiver that hands webhooks on, byte for byte, and gives back what it was answered."""

import contextlib
import http.client
import re
import ssl
import sys
import time
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingMixIn
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from gatecrash.client.listener import Listener

Headers = Sequence[tuple[str, str]]

# longer than any schedule waits for an answer: the gateway gives up first
_ANSWER_WITHIN_S = 60.0
# what belongs to one connection and is not handed on to the next (RFC 9110 §7.6.1)
_OF_THE_CONNECTION = frozenset(
    {"connection", "content-length", "host", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)


class Arrived(NamedTuple):
    """A webhook as it came. `whole`: as many bytes came as were announced."""

    headers: Headers
    body: bytes
    whole: bool

    def header(self, name: str) -> str:
        """The value of a header, or nothing."""
        return next((value for given, value in self.headers if given.lower() == name), "")


class Answered(NamedTuple):
    """What came back of handing it on; with an `error`, what stands in for an answer. `ms`: how long it took."""

    status: int
    headers: Headers = ()
    body: bytes = b""
    error: str | None = None
    ms: int = 0


def url_of_app(given: str) -> str:
    """A URL of what people write for one: `3000`, `:3000/x`, `localhost:3000/x`, `app.test/x`."""
    if "://" in given:
        return given
    if re.fullmatch("[0-9]+(/.*)?", given):
        given = f":{given}"
    return f"http://{'localhost' if given.startswith(':') else ''}{given}"


class Forward:
    """Where webhooks are handed on to (`url_of_app`). Raises ValueError for what is no http or https URL."""

    def __init__(self, given: str, *, verify: bool = True) -> None:
        url = url_of_app(given)
        try:
            parts = urlsplit(url)
            good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and not parts.username
        except ValueError:
            good = False
        if not good or not url.isascii() or any(char.isspace() for char in url):
            raise ValueError(
                f"--forward-to was {given!r}; expected a URL of your app, such as http://127.0.0.1:3000/webhooks, or "
                "localhost:3000/webhooks."
            )
        self.url = url
        self._host, self._port, self._netloc = str(parts.hostname), parts.port, parts.netloc
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._context = ssl.create_default_context() if parts.scheme == "https" else None
        if self._context is not None and not verify:
            self._context.check_hostname, self._context.verify_mode = False, ssl.CERT_NONE

    def __call__(self, arrived: Arrived) -> Answered:
        began = time.monotonic()
        connection = self._connect()
        try:
            connection.putrequest("POST", self._target, skip_host=True, skip_accept_encoding=True)
            connection.putheader("Host", self._netloc)
            for name, value in _handed_on(arrived.headers):
                connection.putheader(name, value)
            connection.putheader("Content-Length", arrived.header("content-length"))
            connection.putheader("Connection", "close")
            connection.endheaders(arrived.body)
            if not arrived.whole:
                # what was cut short is cut short here too
                return Answered(400, error="it was cut short, and handed on as it came")
            answer = connection.getresponse()
            body = answer.read()
            return Answered(answer.status, _handed_on(answer.getheaders()), body, ms=_since(began))
        except (OSError, http.client.HTTPException) as error:
            said = f"{self.url} gave no answer: {error or type(error).__name__}"
            return Answered(502, [("Content-Type", "text/plain")], said.encode(), said, _since(began))
        finally:
            connection.close()

    def _connect(self) -> http.client.HTTPConnection:
        if self._context is not None:
            return http.client.HTTPSConnection(self._host, self._port, timeout=_ANSWER_WITHIN_S, context=self._context)
        return http.client.HTTPConnection(self._host, self._port, timeout=_ANSWER_WITHIN_S)


def _handed_on(headers: Headers) -> Headers:
    return [(name, value) for name, value in headers if name.lower() not in _OF_THE_CONNECTION]


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)


class Receiver(ThreadingMixIn, Listener):
    """Listens from the start; `take` is called in a thread of each webhook's own, and gives what to answer."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, host: str, port: int, take: Callable[[Arrived], Answered]) -> None:
        self.take = take
        super().__init__(host, port, _Handler)
        self.url += "/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """The gateway left, as faults have it do: nobody is there to be told. Anything else is a bug of ours."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """One webhook a connection."""

    server: Receiver
    server_version = "gatecrash-listen"
    timeout = _ANSWER_WITHIN_S

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            self.send_error(411)
            return
        body = self.rfile.read(int(length))
        answer = self.server.take(Arrived(self.headers.items(), body, len(body) == int(length)))
        with contextlib.suppress(OSError):
            self.send_response_only(answer.status)
            for name, value in (*answer.headers, ("Content-Length", str(len(answer.body)))):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: what came is told by whoever takes it."""
