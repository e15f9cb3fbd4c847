"""Making many objects at once, and the same ones only once: each has a name, and a second run finds it again by that.

A charge and a subscription bear their name as metadata, an endpoint as its description.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from gatecrash.client.call import Json, given
from gatecrash.client.errors import GatewayError
from gatecrash.client.sandbox import Sandbox

__tracebackhide__ = True  # pytest shows the line of the test instead

#: The metadata that bears a thing's name.
NAME = "seed"
_DESCRIPTION = "seed: "

Wanted = Mapping[str, Any]


class Differs(Exception):
    """A thing of this name is there and is not what the file says; the message says how, and what to do."""


class Seeded(NamedTuple):
    """One thing: `made` in this run, or there already."""

    kind: str
    name: str
    id: str
    status: str
    made: bool


def seed(sandbox: Sandbox, document: Mapping[str, Mapping[str, Wanted]], cards: Mapping[str, str]) -> Iterator[Seeded]:
    """Make what `document` (contracts/seed.schema.json) names and is not there yet, in order; `cards`: test numbers by name.

    A run that was cut short is completed by the next. Raises Differs, GatewayError and GatewayUnreachable.
    """
    for kind, make in _KINDS.items():
        there = _there(sandbox, kind)
        for name, wanted in document.get(kind, {}).items():
            yield make(sandbox, name, wanted, there.get(name), cards)


def _there(sandbox: Sandbox, kind: str) -> dict[str, Json]:
    """What earlier runs made, by name."""
    if kind == "endpoints":
        found = ((str(each["description"] or ""), each) for each in sandbox.webhooks.list())
        return {text.removeprefix(_DESCRIPTION): each for text, each in found if text.startswith(_DESCRIPTION)}
    paid = sandbox.charges() if kind == "charges" else sandbox.subscriptions()
    # a charge that renews a subscription bears the subscription's metadata
    return {each["metadata"][NAME]: each for each in paid if NAME in each["metadata"] and not each.get("subscription_id")}


def _endpoint(sandbox: Sandbox, name: str, wanted: Wanted, there: Json | None, cards: Mapping[str, str]) -> Seeded:
    if there is not None:
        _hold(f"endpoint {name}", there, {"url": wanted["url"], "events": wanted.get("events", ["*"])})
    made = there or sandbox.request("POST", "/v1/webhook_endpoints", {**wanted, "description": f"{_DESCRIPTION}{name}"})
    return Seeded("endpoint", name, made["id"], made["status"], there is None)


def _charge(sandbox: Sandbox, name: str, wanted: Wanted, there: Json | None, cards: Mapping[str, str]) -> Seeded:
    terms = {"amount": wanted["amount"], "currency": wanted.get("currency", "usd"), "order_id": wanted.get("order_id")}
    state = wanted.get("state", "paid")
    charge = there
    if charge is None:
        try:
            charge = sandbox.charge(
                terms["amount"], terms["currency"], card=cards[wanted.get("card", "visa")], order_id=terms["order_id"],
                capture=state not in ("authorized", "voided"), metadata={**wanted.get("metadata", {}), NAME: name},
                idempotency_key=f"seed-{name}",
            )  # fmt: skip
        except GatewayError as error:
            if error.charge_id is None:
                raise
            charge = sandbox.request("GET", f"/v1/charges/{error.charge_id}")  # declined, as the file wants it
    else:
        _hold(f"charge {name}", charge, terms)
    back = wanted.get("refund", terms["amount"] if state == "refunded" else 0) - charge["amount_refunded"]
    path = f"/v1/charges/{charge['id']}"
    if state == "voided" and charge["status"] == "authorized":
        charge = sandbox.request("POST", f"{path}/void", {}, idempotency_key=f"seed-{name}-void")
    elif back > 0 and charge["status"] == "succeeded":
        sandbox.request("POST", f"{path}/refunds", {"amount": back}, idempotency_key=f"seed-{name}-refund")
        charge = sandbox.request("GET", path)
    assert charge is not None
    refunded = f", {charge['amount_refunded']} refunded" if charge["amount_refunded"] else ""
    return Seeded("charge", name, charge["id"], charge["status"] + refunded, there is None)


def _subscription(sandbox: Sandbox, name: str, wanted: Wanted, there: Json | None, cards: Mapping[str, str]) -> Seeded:
    terms = {
        "amount": wanted["amount"], "currency": wanted.get("currency", "usd"), "interval": wanted.get("interval", "month"),
        "order_id": wanted.get("order_id"),
    }  # fmt: skip
    made = there
    if made is None:
        nonce = sandbox.nonce(cards[wanted.get("card", "visa")])
        method = sandbox.request("POST", "/v1/payment_methods", {"payment_nonce": nonce}, idempotency_key=f"seed-{name}-method")[
            "id"
        ]
        body = given(**terms, payment_method=method, metadata={**wanted.get("metadata", {}), NAME: name})
        made = sandbox.request("POST", "/v1/subscriptions", body, idempotency_key=f"seed-{name}-subscription")
    else:
        _hold(f"subscription {name}", made, terms)
    assert made is not None
    return Seeded("subscription", name, made["id"], made["status"], there is None)


def _hold(what: str, there: Json, wanted: Mapping[str, Any]) -> None:
    for field, value in wanted.items():
        if there[field] != value:
            raise Differs(
                f"{what} is there with {field} {there[field]!r}, and the file says {value!r}; give the new one another name, or "
                "empty the sandbox with `gatecrash sandboxes reset`."
            )


_Make = Callable[[Sandbox, str, Wanted, Json | None, Mapping[str, str]], Seeded]
_KINDS: dict[str, _Make] = {"endpoints": _endpoint, "charges": _charge, "subscriptions": _subscription}
