"""What a dialect is: routes, and a translation each way. No HTTP library is known here, so anything can drive it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol

from msgspec import Struct

from gatecrash.core.deliveries import Schedule
from gatecrash.core.due import Handler
from gatecrash.core.errors import Refused
from gatecrash.core.facts import Fact
from gatecrash.core.idempotency import Policy, Stored
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
    """A response, whole. `headers` are those the dialect adds; the shell adds Content-Length and Request-Id.

    `code`: if the answer is a refusal, why, as a code of core.errors.CATALOGUE.
    `secret`: the body shows a secret, in UTF-8; where the answer is kept under a key, it rests sealed.
    """

    status: int
    body: bytes
    headers: dict[str, str]
    content_type: str = "application/json"
    code: str | None = None
    secret: bool = False


class Caller(NamedTuple):
    """Who is asking: the sandbox, and the kind of key that opened it. `client_token` is the token itself."""

    sandbox: str
    kind: KeyKind
    client_token: str | None = None


class About(NamedTuple):
    """What a call is about. Fault rules match on it, and the journal records it.

    `source` is what pays: the id of a nonce or of a payment method. `card`: the last four digits. `charge_id`: the charge that
    the call names.
    """

    order_id: str | None = None
    amount: int | None = None
    source: str | None = None
    card: str | None = None
    charge_id: str | None = None


class Call(NamedTuple):
    """What is asked. The pipeline, the faults, the lint and the journal read this, never a body or a parameter by name.

    `name` is the dialect's own word for it, `does` one of core.verbs.VERBS, or `name` itself where the core has no word.
    `changes`: whether it changes anything. `run` does the work inside a transaction; `admit` refuses there before anything is
    done, and such a refusal is not kept under the key. `about` is given a context where a rule needs what the store knows, and
    always with `about_stored`: for calls whose parameters do not tell their order and amount.
    `note`: what the journal keeps of the body, as a JSON value. `url`: where webhooks are to go because of this call.
    """

    name: str
    does: str
    params: Any
    run: Callable[[Context, Any], Any]
    about: Callable[[Context | None], About]
    policy: Policy
    changes: bool = True
    note: Any = None
    key: str | None = None
    fingerprint: bytes = b""
    admit: Callable[[Context], None] | None = None
    url: str | None = None
    about_stored: bool = False


class Route(NamedTuple):
    """`path` with `{name}` for what varies. `name` is the dialect's word for the call, `does` the core's where it differs.

    Where only the body tells, `Dialect.call` says otherwise. `keys`: the kinds of key that may call. `cors`: callable from a
    browser.
    """

    method: str
    path: str
    name: str
    does: str | None = None
    keys: frozenset[KeyKind] = frozenset({"secret"})
    cors: bool = False
    success: int = 200

    @property
    def verb(self) -> str:
        """The core's word for it."""
        return self.does or self.name


class Dialect(Protocol):
    """One way of speaking. Every method is pure: what it needs comes in, what it makes goes out.

    `names`: all names that its calls may have. `events`: the types of its events. `timers`: kinds of timer of its own, each named
    after the dialect (`adyen.modification`), and what they do at their time. `policy`: of calls whose own is not known yet.
    """

    name: str
    default_port: int
    routes: Sequence[Route]
    names: Collection[str]
    events: Collection[str]
    policy: Policy
    schedule: Schedule
    timers: Mapping[str, Handler]

    def authenticate(self, asked: Asked) -> Caller:
        """Find the sandbox, or refuse."""

    def authorize(self, caller: Caller, route: Route) -> None:
        """Refuse a kind of key that has no business at this route."""

    def call(self, asked: Asked, route: Route, caller: Caller, digest: "Digest") -> Call:
        """Request → call. Refuse anything malformed, unknown or out of bounds, by name."""

    def answer(self, call: Call, route: Route, result: Any, ctx: Context, request_id: str) -> Answer:
        """What `call.run` returned → answer. A decline is rendered here too."""

    def again(self, call: Call, route: Route, stored: Stored, ctx: Context, request_id: str) -> Answer:
        """The answer to a repeated call: the stored one, marked as the dialect does, or rendered anew from the current state."""

    def refusal(self, refused: Refused, asked: Asked | None, request_id: str) -> Answer:
        """A refusal → answer. `asked` is None where no route was found, or the HTTP is malformed."""

    def hear(self, ctx: Context, fact: Fact) -> None:
        """Keep the dialect's own documents up to date with a fact, and tell the dialect's own endpoints."""

    def message(self, event: Event, endpoint: Endpoint, secrets: Sequence[str], real_now: int) -> Message:
        """Event → signed webhook. `secrets` sign, newest first; `real_now` in milliseconds stamps this attempt."""


class Digest(Protocol):
    """A keyed digest, given by the vault."""

    def __call__(self, data: bytes) -> bytes: ...
