"""What a dialect is: routes, and a translation each way. No HTTP library is known here, so anything can drive it."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

from msgspec import Struct

from gatecrash.core.deliveries import Schedule
from gatecrash.core.errors import Refused
from gatecrash.core.idempotency import Policy
from gatecrash.core.operations import Operation
from gatecrash.core.records import Endpoint, Event
from gatecrash.core.transaction import Context
from gatecrash.webhooks.message import Message

KeyKind = Literal["secret", "publishable", "client_token"]


class Asked(NamedTuple):
    """A request, whole. `headers` looks names up without case; `query` has one value a name; `path_params` from the route."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    path_params: Mapping[str, str] = {}


class Answer(Struct):
    """A response, whole. `headers` are those the dialect adds; the shell adds Content-Length and Request-Id."""

    status: int
    body: bytes
    headers: dict[str, str]
    content_type: str = "application/json"


class Caller(NamedTuple):
    """Who is asking: the sandbox, and the kind of key that opened it. `client_token` is the token itself."""

    sandbox: str
    kind: KeyKind
    client_token: str | None = None


class Call(NamedTuple):
    """What is asked: an operation, its parameters, and how to tell this request from another.

    `body` is what the request's body was parsed into, for the journal; None where there is none.
    """

    operation: Operation
    params: Any
    idempotency_key: str | None
    fingerprint: bytes
    body: Any = None


class Route(NamedTuple):
    """`path` with `{name}` for what varies. `keys`: the kinds of key that may call. `cors`: callable from a browser."""

    method: str
    path: str
    operation: str
    keys: frozenset[KeyKind] = frozenset({"secret"})
    cors: bool = False
    success: int = 200


class Dialect(Protocol):
    """One way of speaking. Every method is pure: what it needs comes in, what it makes goes out."""

    name: str
    default_port: int
    routes: Sequence[Route]
    policy: Policy
    schedule: Schedule

    def authenticate(self, asked: Asked) -> Caller:
        """Find the sandbox, or refuse."""

    def authorize(self, caller: Caller, route: Route) -> None:
        """Refuse a kind of key that has no business at this route."""

    def decode(self, asked: Asked, route: Route, digest: "Digest") -> Call:
        """Request → operation. Refused: anything malformed, unknown or out of bounds, by name."""

    def render(self, route: Route, result: Any, ctx: Context, request_id: str) -> Answer:
        """What an operation gave → answer. A decline is rendered here too."""

    def render_refusal(self, refused: Refused, request_id: str) -> Answer:
        """A refusal → answer."""

    def replayed(self, answer: Answer) -> Answer:
        """Mark a stored answer as given again."""

    def message(self, event: Event, endpoint: Endpoint, secrets: Sequence[str], real_now: int) -> Message:
        """Event → signed webhook. `secrets` sign, newest first; `real_now` in milliseconds stamps this attempt."""


class Digest(Protocol):
    """A keyed digest, given by the vault."""

    def __call__(self, data: bytes) -> bytes: ...
