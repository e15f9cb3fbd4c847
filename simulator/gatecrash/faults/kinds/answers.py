"""Faults of the answer: another one than was due."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from gatecrash.core.errors import CATALOGUE
from gatecrash.faults.exchange import RequestExchange
from gatecrash.faults.kinds.kind import ALL_IS_SENT, HALF_IS_SENT, NOTHING_OURS, Effect, Kind

_FRAMING = ("content-length", "transfer-encoding", "connection")
_FIELD_NAME = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$"
_FIELD_VALUE = "^[\t\x20-\x7e]*$"


class Status(Kind):
    """Answer with `status`, any `headers` and any `body` (JSON, or text); without a body, with a problem."""

    effect: ClassVar[Effect] = Effect.ENDS
    refused: ClassVar[Mapping[str, str]] = {
        "response.partial": HALF_IS_SENT,
        "response.sent": ALL_IS_SENT,
        "webhook": f"{NOTHING_OURS} to replace",
    }

    status: Annotated[int, Meta(ge=200, le=599)]
    headers: dict[
        Annotated[str, Meta(pattern=_FIELD_NAME, max_length=100)],
        Annotated[str, Meta(pattern=_FIELD_VALUE, max_length=1000)],
    ] = msgspec.field(default_factory=dict)
    body: Any = None

    def __post_init__(self) -> None:
        for name in self.headers:
            if name.lower() in _FRAMING:
                raise ValueError(f"Expected headers without {name}, which keeps the connection readable")

    async def strike(self, exchange: RequestExchange) -> None:
        headers = dict(self.headers)
        body, content_type = self._body()
        for name in [name for name in headers if name.lower() == "content-type"]:
            content_type = headers.pop(name)
        await exchange.answer(self.status, headers, body, content_type)

    def _body(self) -> tuple[bytes, str]:
        if self.status in (204, 304):
            return b"", "application/json"
        if self.body is None:
            problem = {
                "type": "/errors/injected", "title": CATALOGUE["injected"].title, "status": self.status, "code": "injected",
                "detail": f"a fault rule answered {self.status}, on purpose; what was asked may or may not have happened.",
            }  # fmt: skip
            return msgspec.json.encode(problem), "application/problem+json"
        if isinstance(self.body, str):
            return self.body.encode(), "text/plain"
        return msgspec.json.encode(self.body), "application/json"
