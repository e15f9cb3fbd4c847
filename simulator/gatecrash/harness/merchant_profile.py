"""How to start a merchant and talk to it: everything the harness knows of a shop, as data.

A profile is a value, so that any shop in any language can be described; the reference merchant's is below.
Templates hold placeholders in braces: `{port}`, `{scratch}`, `{database}`, `{gateway}`, `{secret_key}`,
`{publishable_key}`, `{webhook_secret}` in commands and environment; `{amount}`, `{currency}`, `{order_id}`,
`{nonce}` in paths and bodies.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One HTTP call on the merchant. `body` is a JSON template: a string that is one placeholder takes its
    typed value.
    """

    method: str
    path: str
    body: Any = None

    def fill(self, values: Mapping[str, Any]) -> tuple[str, str, Any]:
        """`(method, path, body)` with the placeholders replaced. Raises KeyError for a placeholder without
        a value.
        """
        return self.method, self.path.format_map(values), fill(self.body, values)


@dataclass(frozen=True, slots=True, kw_only=True)
class MerchantProfile:
    """`statuses` maps the shop's words (upper-cased) to the harness's; pointers are JSON Pointers into the
    answers.

    `reconcile_s` is how often the shop asks the gateway about what it does not know, in real seconds: the
    harness waits that long for it. `fulfilments` points to a number or a list; None when the shop does not
    tell.
    """

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    ready: str = "/healthz"
    place_order: Call
    pay: Call
    read_order: Call
    order_id: str = "/id"
    pay_status: str = "/status"
    order_status: str = "/status"
    fulfilments: str | None = None
    statuses: Mapping[str, str] = field(default_factory=dict)
    webhook_path: str | None = None
    reconcile_s: float = 1.0

    def status(self, word: object) -> str | None:
        """The harness's word for the shop's; the shop's own, upper-cased, where no map names it; None for
        no word.
        """
        if not isinstance(word, str) or not word:
            return None
        return self.statuses.get(word.upper(), word.upper())


def fill(template: Any, values: Mapping[str, Any]) -> Any:
    """A JSON template with its placeholders replaced; `"{amount}"` alone becomes the number itself."""
    if isinstance(template, str):
        name = template[1:-1]
        if template == "{" + name + "}" and name in values:
            return values[name]
        return template.format_map(values)
    if isinstance(template, Mapping):
        return {key: fill(value, values) for key, value in template.items()}
    if isinstance(template, list | tuple):
        return [fill(value, values) for value in template]
    return template


def resolve(document: Any, pointer: str) -> Any:
    """The value a JSON Pointer (RFC 6901) points to, or None when there is nothing there."""
    for step in pointer.split("/")[1:] if pointer else ():
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(document, Mapping):
            document = document.get(key)
        elif isinstance(document, list) and key.isdigit() and int(key) < len(document):
            document = document[int(key)]
        else:
            return None
    return document


def reference(mutant: str | None = None) -> MerchantProfile:
    """The reference merchant, or one of its mutants, with timeouts short enough for a demo."""
    name = mutant or "reference"
    return MerchantProfile(
        name=name,
        command=(
            *(sys.executable, "-m", "reference_merchant", "--port", "{port}", "--database", "{database}"),
            *(("--mutant", mutant) if mutant else ()),
        ),
        env={
            "GATEWAY_URL": "{gateway}",
            "GATEWAY_SECRET_KEY": "{secret_key}",
            "GATEWAY_PUBLISHABLE_KEY": "{publishable_key}",
            "WEBHOOK_SECRETS": "{webhook_secret}",
            "GATEWAY_TIMEOUT_S": "0.5",
            "RETRY_BASE_S": "0.05",
            "RETRY_CAP_S": "0.4",
            "RECONCILE_EVERY_S": "0.2",
        },
        place_order=Call(method="POST", path="/orders", body={"amount": "{amount}", "currency": "{currency}"}),
        pay=Call(method="POST", path="/create-payment", body={"order_id": "{order_id}", "payment_nonce": "{nonce}"}),
        read_order=Call(method="GET", path="/orders/{order_id}"),
        fulfilments="/fulfilments",
        webhook_path="/webhooks/payment",
        reconcile_s=0.2,
    )
