"""One sandbox's calls: JSON in, JSON out, under its keys; what the gateway refuses is raised."""

from collections.abc import Mapping
from math import isfinite
from typing import Any
from urllib.parse import urlencode

import msgspec

from gatecrash.client.errors import GatewayError, problem_of
from gatecrash.client.http import Http

__tracebackhide__ = True  # pytest shows the line of the test instead

CONTROL_TOKEN_HEADER = "Gatecrash-Control-Token"  # noqa: S105 - a header's name

# what the gateway answers with: objects of its contract, as JSON has them
Json = dict[str, Any]
Jsons = list[dict[str, Any]]


class Calls:
    """How the parts of a sandbox's handle speak to the gateway."""

    def __init__(self, http: Http, secret_key: str, publishable_key: str, control_token: str | None) -> None:
        self.http = http
        self.secret_key, self.publishable_key, self.control_token = secret_key, publishable_key, control_token

    def call(
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
        """The answer's JSON. `key` is the secret one by default. Raises GatewayError, GatewayUnreachable."""
        sent = {"Authorization": f"Bearer {key or self.secret_key}"}
        if self.control_token is not None and path.startswith("/_gatecrash/"):
            sent[CONTROL_TOKEN_HEADER] = self.control_token
        if idempotency_key is not None:
            sent["Idempotency-Key"] = idempotency_key
        raw = None
        if body is not None or method == "POST":
            sent["Content-Type"] = "application/json"
            _refuse_infinite(body)
            raw = msgspec.json.encode({} if body is None else body)
        reply = self.http.request(method, path, raw, {**sent, **(headers or {})}, timeout_s=timeout_s)
        if not 200 <= reply.status < 300:
            raise GatewayError(f"{method} {path}", reply.status, problem_of(reply.status, reply.body))
        try:
            return msgspec.json.decode(reply.body) if reply.body.strip() else None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            said = reply.body[:200].decode(errors="replace").strip()
            odd = {"detail": f"what came is no JSON; is it a gateway that listens at {self.http.url}? It begins: {said}"}
            raise GatewayError(f"{method} {path}", reply.status, odd) from error

    def every(self, path: str, **query: Any) -> Jsons:
        """All pages of a list, newest first."""
        found: Jsons = []
        while True:
            page = self.call("GET", with_query(path, limit=100, starting_after=found[-1]["id"] if found else None, **query))
            found += page["data"]
            if not page["has_more"] or not page["data"]:
                return found


def _refuse_infinite(value: Any, where: str = "the body") -> None:
    """Refuse a number that JSON has no word for: it would go out as null, and mean that nothing was given."""
    if isinstance(value, float) and not isfinite(value):
        raise ValueError(f"{where} was {value}; expected a finite number.")
    if isinstance(value, Mapping):
        for name, inner in value.items():
            _refuse_infinite(inner, str(name))
    elif isinstance(value, (list, tuple)):
        for inner in value:
            _refuse_infinite(inner, where)


def with_query(path: str, **query: Any) -> str:
    """`path` with those of the parameters that are not None."""
    given = {name: value for name, value in query.items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path


def given(**fields: Any) -> Json:
    """Those fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}
