"""HTTP to one gateway: connections are kept and reused, and a call is repeated only when that is safe."""

import contextlib
import http.client
import os
import select
import time
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from gatecrash.client.errors import GatewayUnreachable

__tracebackhide__ = True  # pytest shows the line of the test instead

_AGAIN_S = 0.01
_SAFE = frozenset({"GET", "HEAD", "DELETE"})


class Reply(NamedTuple):
    """An answer, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Http:
    """Threads may share it. `patience_s`: how long to go on knocking at a gateway that refuses connections, or loses a call
    that may be repeated, because it is on its way up again after a crash.
    """

    def __init__(self, url: str, *, timeout_s: float = 30.0, patience_s: float = 0.0) -> None:
        self.url = check_url(url)
        self.timeout_s, self.patience_s = timeout_s, patience_s
        parts = urlsplit(self.url)
        self._secure = parts.scheme == "https"
        self._host, self._port, self._prefix = str(parts.hostname), parts.port, parts.path
        self._idle: list[http.client.HTTPConnection] = []
        self._pid = os.getpid()

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        timeout_s: float | None = None,
    ) -> Reply:
        """Raises GatewayUnreachable when there is no answer. Redirects are answers like any other."""
        headers = headers or {}
        repeatable = method in _SAFE or any(name.lower() == "idempotency-key" for name in headers)
        began = time.monotonic()
        while True:
            connection, fresh = self._take()
            # from here on it may be that the gateway has heard us
            sent = False
            try:
                connection.timeout = timeout_s or self.timeout_s
                if connection.sock is None:
                    connection.connect()
                connection.sock.settimeout(connection.timeout)
                sent = True
                connection.request(method, self._prefix + path, body, dict(headers))
                answer = connection.getresponse()
                reply = Reply(answer.status, dict(answer.headers.items()), answer.read())
            except TimeoutError as error:
                connection.close()
                raise GatewayUnreachable(
                    f"{method} {self.url}{path}: no answer within {timeout_s or self.timeout_s:g} s. "
                    "Does a fault rule hold it, or is the gateway stopped?"
                ) from error
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                # refused: nothing was sent. Lost: it may be repeated if repeating changes nothing, at once if the
                # connection was merely old
                if (not sent or repeatable) and (not fresh or time.monotonic() < began + self.patience_s):
                    if fresh:
                        time.sleep(_AGAIN_S)
                    continue
                raise GatewayUnreachable(self._why(method, path, sent, error)) from error
            except BaseException:
                connection.close()  # an answer half read would be the next call's
                raise
            if answer.will_close:
                connection.close()
            else:
                self._idle.append(connection)
            return reply

    def close(self) -> None:
        """Close what is idle; a later call opens anew."""
        while self._idle:
            self._idle.pop().close()

    def _take(self) -> tuple[http.client.HTTPConnection, bool]:
        """A connection, and whether it is a fresh one. One that the gateway has closed meanwhile is not used, nor one that was
        open before a fork: the parent reads from it, too.
        """
        if self._pid != os.getpid():
            self._idle, self._pid = [], os.getpid()
        with contextlib.suppress(IndexError):  # other threads take from it too
            while True:
                kept = self._idle.pop()
                if kept.sock is not None and not select.select([kept.sock], [], [], 0)[0]:
                    return kept, False
                kept.close()
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        return kind(self._host, self._port, timeout=self.timeout_s), True

    def _why(self, method: str, path: str, sent: bool, error: Exception) -> str:
        said = str(error) or type(error).__name__
        if not sent:
            return f"no gateway at {self.url}: {said}. Start one with `gatecrash serve`, or give the address of one that runs."
        return (
            f"{method} {self.url}{path}: the connection broke before the answer was whole: {said}. "
            "Did a fault rule strike it? What was asked may have been done; with an idempotency key it can be asked again."
        )


def url_of(host: str, port: int) -> str:
    """The address of what listens there; IPv6 in brackets."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def check_url(url: str) -> str:
    """The address without a slash at its end. Raises ValueError for what is none."""
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        known = False
    if not known or parts.query or parts.fragment or parts.username:
        raise ValueError(f"url was {url!r}; expected the address of a gateway, such as http://127.0.0.1:8402.")
    return url.rstrip("/")
