"""What a journal tells, put together: each request with its answer, what faults struck, and how fast time goes."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

Entry = Mapping[str, Any]

# calls that take, move or promise nothing: to make them twice does no harm
HARMLESS = frozenset({
    "tokens.create", "client_tokens.create", "webhook_endpoints.create", "webhook_endpoints.update",
    "webhook_endpoints.delete", "webhook_endpoints.rotate_secret", "events.resend",
})  # fmt: skip
# refused before anything was done or kept: what was wrong is another matter than the key
_REFUSED_AT_THE_DOOR = (400, 401, 403, 413, 415)
# no outcome yet: to be asked again
_IN_FLIGHT = "idempotency_key_in_use"
# calls remembered; who asks again does it sooner
REMEMBERED = 10_000


class Call:
    """A request, and what became of it. Times in milliseconds of sandbox time."""

    def __init__(self, entry: Entry) -> None:
        self.seq: int = entry["seq"]
        self.at = milliseconds(entry["at"])
        self.request_id: str = entry["request_id"]
        self.operation: str = entry["operation"]
        self.method: str = entry["method"]
        self.path: str = entry["path"]
        self.key: str | None = entry.get("idempotency_key")
        self.order_id: str | None = entry.get("order_id")
        self.amount: int | None = entry.get("amount")
        self.source: str | None = entry.get("source")
        self.charge_id: str | None = entry.get("charge_id")
        self.changes: bool = entry.get("changes", False)
        self.misused_headers: tuple[str, ...] = tuple(entry.get("misused_headers", ()))
        self.status: int | None = None
        self.code: str | None = None
        self.retry_after_s: float | None = None
        self.broken: str | None = None
        self.ended_at: int | None = None
        self.ended_seq = 0

    def end(self, entry: Entry) -> None:
        self.ended_at, self.ended_seq = milliseconds(entry["at"]), entry.get("seq", 0)
        self.status, self.code = entry.get("status"), entry.get("code")
        self.retry_after_s, self.broken = entry.get("retry_after_s"), entry.get("broken")

    @property
    def does_something(self) -> bool:
        return self.changes and self.operation not in HARMLESS

    @property
    def looks(self) -> bool:
        """Whether it asks what became of something, or of all of it."""
        return not self.changes and self.operation.endswith((".get", ".list"))

    def looks_after(self, other: "Call") -> bool:
        """Whether it asks what became of this call: by its order, by its charge, or by a list of all charges."""
        if self.operation == "charges.list":
            return self.order_id in (None, other.order_id)
        return self.operation == "charges.get" and self.charge_id == other.charge_id is not None

    @property
    def understood(self) -> bool:
        """Whether the gateway took it for a call at all; what it did not understand it keeps nothing of, not even the key."""
        return self.status not in _REFUSED_AT_THE_DOOR

    @property
    def unknown(self) -> bool:
        """Whether who asked cannot know the outcome: no answer, the gateway's own failure, or a twin still at work."""
        return self.status is None or self.status >= 500 or self.code == _IN_FLIGHT

    @property
    def to_be_repeated(self) -> bool:
        return self.unknown or self.status == 429

    @property
    def subject(self) -> tuple[str, str, str] | None:
        """What it is about: two calls that do the same to the same order, or with the same nonce, mean the same."""
        if self.operation != "charges.create":  # of other calls the order is known only while a rule is armed
            return self.operation, self.charge_id or self.path, self.source or ""
        about = self.order_id or self.source
        return None if about is None else (self.operation, "", about)


#: Errors of an attempt that had reached the client.
_ANSWER_LOST = ("lost the answer", "no answer within", "reset by peer", "Server disconnected")


class Delivery(NamedTuple):
    """An attempt to deliver a webhook that tells of `fact`. `acknowledged`: with an answer its dialect takes for one. `struck`: a
    fault rule had its hands in it.
    """

    seq: int
    endpoint_id: str
    event_type: str
    fact: str
    event_id: str
    order_id: str | None
    attempt: int
    acknowledged: bool
    status: int | None
    error: str | None
    latency_ms: float | None
    struck: bool

    @property
    def may_have_told(self) -> bool:
        """Whether who it was sent to may have acted on it: it was acknowledged, or arrived and no answer came back."""
        return self.acknowledged or any(each in (self.error or "") for each in _ANSWER_LOST)


class Pace:
    """How sandbox time goes, by what the journal says of the clock: a frozen one tells nothing of how long a client waited."""

    def __init__(self) -> None:
        self._rate = 1.0

    def see(self, entry: Entry) -> None:
        if entry["kind"] == "control" and entry.get("mode"):
            rate = entry.get("rate")
            self._rate = float(rate) if entry["mode"] == "scaled" and rate else 0.0 if entry["mode"] == "frozen" else 1.0

    def seconds(self, since: int, until: int) -> float | None:
        """Real seconds between two moments, at most; None when nobody can tell."""
        return None if not self._rate else max(0, until - since) / 1000 / self._rate


def fact_of(entry: Entry) -> str:
    """What a webhook tells of, in the core's words; the dialect's own type where the core has none. "" for other entries."""
    return entry.get("fact") or entry.get("event_type") or ""


def milliseconds(at: str) -> int:
    """RFC 3339 → milliseconds since 1970."""
    return round(datetime.fromisoformat(at).timestamp() * 1000)
