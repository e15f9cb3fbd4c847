"""A receiver's answer, read up to a bound: of raw bytes and of interim answers.

The bytes are counted where they arrive, before they are parsed: aiohttp itself bounds a line and the number of header
fields, but neither interim answers nor the bytes of an answer.
"""

from inspect import signature
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler

# of all heads of an answer together, the interim ones included
HEAD_BYTES = 64 * 1024
# of a body as it arrives, with the framing of its chunks; the rest is not read
BODY_BYTES = 64 * 1024
INTERIM_ANSWERS = 32
# parsed at a time, so that little is parsed beyond a bound
_PIECE = 4096
_SWITCHING = 101
# aiohttp's own limits, as far as its version has them, do not bite before the bounds here
_LIMITS = {
    name: 2 * HEAD_BYTES
    for name in ("max_line_size", "max_field_size", "max_headers")
    if name in signature(ResponseHandler.set_response_params).parameters
}


class TooMuch(aiohttp.ClientError):
    """The receiver sent more before its answer than is read."""


class BoundedAnswer(ResponseHandler):
    """The client's side of one connection. It gives up a head that is too long, and ends a body that is."""

    def __init__(self, loop: Any) -> None:
        super().__init__(loop)
        self._received = self._interim = 0
        self._head_ended_at: int | None = None
        self._failure: TooMuch | None = None

    def set_response_params(self, **params: Any) -> None:
        """A request begins: its answer has the whole bound to itself."""
        self._received, self._interim, self._head_ended_at = 0, 0, None
        super().set_response_params(**{**params, **_LIMITS})

    def feed_data(self, data: Any, size: int = 0) -> None:
        """A head has been parsed."""
        if data[0].code < 200 and data[0].code != _SWITCHING:  # RFC 9110 §15.2
            self._interim += 1
            if self._interim > INTERIM_ANSWERS:
                return  # given up below
        else:
            self._head_ended_at = self._received
        super().feed_data(data, size)

    def data_received(self, data: bytes) -> None:
        if not data:  # aiohttp goes on with what it held back
            super().data_received(data)
        for start in range(0, len(data), _PIECE):
            if self.transport is None or self.transport.is_closing():
                return
            piece = data[start : start + _PIECE]
            self._received += len(piece)
            super().data_received(piece)
            if self._interim > INTERIM_ANSWERS:
                self._give_up(f"more than {INTERIM_ANSWERS} interim answers (1xx) came, and no final one")
            elif self._head_ended_at is None:
                if self._received > HEAD_BYTES:
                    self._give_up(f"the head of the answer is longer than {HEAD_BYTES} bytes")
            elif self._received > self._head_ended_at + BODY_BYTES:
                self._end()

    def _end(self) -> None:
        """Enough of the body was read: the answer counts as it is."""
        self._should_close = True
        payload, self._payload, self._parser = self._payload, None, None
        if payload is not None and not payload.is_eof():
            payload.feed_eof()
        self._abort()

    def _give_up(self, reason: str) -> None:
        self._failure = TooMuch(reason)
        self.set_exception(self._failure)
        self._abort()

    def _abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        """The reason that was found first is told, not what closing the connection brings after it."""
        super().set_exception(self._failure or exc, *cause)
