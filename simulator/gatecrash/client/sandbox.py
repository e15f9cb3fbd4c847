"""The handle of a sandbox: what a test or a tool asks of it, by name."""

import re
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from gatecrash.client.call import Calls, Json, Jsons, given, with_query
from gatecrash.client.clock import Clock
from gatecrash.client.faults import Faults
from gatecrash.client.http import Http
from gatecrash.client.waiting import Patience
from gatecrash.client.webhooks import Webhooks

if TYPE_CHECKING:
    from gatecrash.client.aio import AsyncSandbox

__tracebackhide__ = True  # pytest shows the line of the test instead

T = TypeVar("T")

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SECRET_KEY = "sk_test_"  # noqa: S105 - how a key begins
_PUBLISHABLE_KEY = "pk_test_"
VISA = "4242424242424242"


class Sandbox:
    """Sandbox `name` of the gateway at `url`; it comes into being on first use. Its own keys, objects, clock, faults, seed.

    What it answers are the objects of the contract, as JSON has them. A refusal raises GatewayError, the lack of an answer
    GatewayUnreachable. Threads may share a handle.
    """

    def __init__(
        self,
        url: str,
        name: str | None = None,
        *,
        secret_key: str | None = None,
        control_token: str | None = None,
        urls: Mapping[str, str] | None = None,
        http: Http | None = None,
    ) -> None:
        """`name` or `secret_key` says which sandbox. `urls`: where each dialect is spoken, if not at `url` alone. `http`
        shares connections with others.
        """
        self._http = http or Http(url)
        self.url = self._http.url
        self.urls = {"native": self.url, **(urls or {})}
        self.name = _name_of(name, secret_key)
        self.secret_key = _SECRET_KEY + self.name
        self.publishable_key = _PUBLISHABLE_KEY + self.name
        self._calls = Calls(self._http, self.secret_key, self.publishable_key, control_token)
        self.faults = Faults(self._calls)
        self.clock = Clock(self._calls)
        self.webhooks = Webhooks(self._calls)

    def __repr__(self) -> str:
        return f"<Sandbox {self.name} at {self.url}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of idle connections. The sandbox itself stays as it is."""
        self._http.close()

    @property
    def aio(self) -> "AsyncSandbox":
        """The same sandbox for `async` code: every call is to be awaited, and blocks no event loop."""
        from gatecrash.client.aio import AsyncSandbox

        return AsyncSandbox(self)

    def env(self) -> dict[str, str]:
        """Environment variables for an app that is to use this sandbox: GATECRASH_*, and GATEWAY_* as the reference
        merchant reads them.
        """
        settings = {"URL": self.url, "SECRET_KEY": self.secret_key, "PUBLISHABLE_KEY": self.publishable_key}
        return {f"{prefix}_{name}": value for prefix in ("GATECRASH", "GATEWAY") for name, value in settings.items()}

    # --- what customers and merchants do, for tests that need it done

    def nonce(self, card: str | Mapping[str, Any] = VISA) -> str:
        """What a card form does: a test card, by number or with all its fields, becomes a single-use nonce."""
        fields = {"number": card, "exp_month": 12, "exp_year": 2040, "cvc": _cvc(card)} if isinstance(card, str) else dict(card)
        return str(self.request("POST", "/v1/tokens", {"card": fields}, key=self.publishable_key)["id"])

    def charge(
        self,
        amount: int = 4200,
        currency: str = "usd",
        *,
        card: str | Mapping[str, Any] = VISA,
        payment_nonce: str | None = None,
        capture: bool = True,
        order_id: str | None = None,
        metadata: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Json:
        """What a merchant's server does: charge a nonce, a fresh one of `card` unless one is given. A decline raises."""
        body = given(
            amount=amount, currency=currency, payment_nonce=payment_nonce or self.nonce(card), capture=capture,
            order_id=order_id, metadata=metadata,
        )  # fmt: skip
        charge: Json = self.request("POST", "/v1/charges", body, idempotency_key=idempotency_key)
        return charge

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = None,
        idempotency_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Any:
        """Any call of the contract, as the server that holds the secret key unless `key` is another; the answer's JSON."""
        return self._calls.call(
            method, path, body, key=key, idempotency_key=idempotency_key, headers=headers, timeout_s=timeout_s
        )  # fmt: skip

    # --- what there is

    def charges(self, *, order_id: str | None = None, status: str | None = None) -> Jsons:
        """All charges, newest first."""
        return self._calls.every("/v1/charges", order_id=order_id, status=status)

    def subscriptions(self, *, status: str | None = None) -> Jsons:
        """All subscriptions, newest first."""
        return self._calls.every("/v1/subscriptions", status=status)

    def refunds(self, *, charge_id: str | None = None) -> Jsons:
        """All refunds, newest first."""
        return self._calls.every("/v1/refunds", charge_id=charge_id)

    def events(self, *, type: str | None = None, order_id: str | None = None) -> Jsons:
        """All events, newest first."""
        return self._calls.every("/v1/events", type=type, order_id=order_id)

    def deliveries(self, *, event_id: str | None = None) -> Jsons:
        """The webhook deliveries of an event, or of all events, newest first, each with its attempts."""
        ids = [event["id"] for event in self.events()] if event_id is None else [event_id]
        return [delivery for one in ids for delivery in self.webhooks.deliveries(one)]

    def journal(self, *, after: int = 0, kind: str | None = None) -> Jsons:
        """What was asked, answered, sent and broken, oldest first: the entries numbered above `after`."""
        entries: Jsons = []
        while True:
            page = self._calls.call("GET", with_query("/_gatecrash/journal", after=after, limit=1000, kind=kind))
            entries += page["data"]
            if not page["has_more"] or not page["data"]:
                return entries
            after = page["data"][-1]["seq"]

    def lint(self, *, final: bool = False) -> Json:
        """What the client did wrong, by the journal: `data`, the findings, `has_more`, and how many `entries` were gone
        through. `final`: nothing more will come, so what was left undone counts.
        """
        report: Json = self._calls.call("GET", with_query("/_gatecrash/lint", final="true" if final else None))
        return report

    def books(self) -> Json:
        """The gateway's own truth of the money: `balanced`, `accounts`, `orders`."""
        books: Json = self._calls.call("GET", "/_gatecrash/books")
        return books

    def seed(self) -> str | None:
        """The seed that this sandbox's ids and choices come from; None before its first use."""
        known = self._calls.call("GET", "/_gatecrash/sandboxes")["data"]
        return next((one["seed"] for one in known if one["name"] == self.name), None)

    def wait_for(self, condition: Callable[[Self], T], *, timeout: float = 10.0) -> T:
        """What `condition(sandbox)` gives, as soon as that is true of anything: `lambda sandbox: sandbox.events(type=…)`.

        Raises WaitTimeout after `timeout` seconds; it shows what was seen last, and the end of the journal.
        """
        patience = Patience(condition, timeout)
        while not (gave := condition(self)):
            time.sleep(patience.pause(gave, self.journal(after=patience.heard)))
        return gave

    # --- all of it

    def reset(self) -> None:
        """Empty it: objects, rules, clock, journal, books."""
        self._calls.call("POST", "/_gatecrash/reset")
        self.faults.forget()

    def remove(self) -> None:
        """As if it had never been; what is in flight in it is cut off. Using it again makes a new one."""
        self._calls.call("DELETE", f"/_gatecrash/sandboxes/{self.name}")
        self.faults.forget()

    def snapshot(self, name: str | None = None) -> Json:
        """Keep all that it holds under a name (`default`, if not given); one kept under that name before gives way."""
        kept: Json = self._calls.call("POST", f"/_gatecrash/sandboxes/{self.name}/snapshot", given(name=name))
        return kept

    def restore(self, name: str | None = None) -> Json:
        """Make it again what it was when the snapshot of that name was taken; what is in flight in it is cut off."""
        restored: Json = self._calls.call("POST", f"/_gatecrash/sandboxes/{self.name}/restore", given(name=name))
        return restored


def _name_of(name: str | None, secret_key: str | None) -> str:
    if (name is None) == (secret_key is None):
        raise ValueError("name and secret_key were both given, or neither was; give one, say name='me'.")
    if secret_key is not None and not secret_key.startswith(_SECRET_KEY):
        raise ValueError("secret_key was not of the form sk_test_NAME; any NAME opens a sandbox of its own.")
    name = name if secret_key is None else secret_key.removeprefix(_SECRET_KEY)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        given = "name" if secret_key is None else "secret_key"
        raise ValueError(f"{given} names the sandbox {str(name)[:80]!r}; expected 1 to 64 letters, digits, '-' or '_'.")
    return name


def _cvc(number: str) -> str:
    return "1234" if len(number) == 15 else "123"
