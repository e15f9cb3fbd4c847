"""Native requests in: who is asking, for which operation, with what."""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

import msgspec

from gatecrash.core.card_numbers import holds_known_number
from gatecrash.core.endpoints import CreateEndpoint, UpdateEndpoint
from gatecrash.core.errors import Refused
from gatecrash.core.idempotency import Policy, parse_key
from gatecrash.core.params import parse_object, refuse_body, refuse_misplaced, screen, to_params
from gatecrash.core.redaction import has_long_number
from gatecrash.core.tokens import sandbox_of_client_token, use_client_token
from gatecrash.dialects.interface import Asked, Call, Caller, Digest, Route
from gatecrash.dialects.native.about import about
from gatecrash.dialects.native.calls import OPERATIONS

_KEY = re.compile(r"(?P<kind>sk|pk)_test_(?P<name>[A-Za-z0-9_-]{1,64})")
# of a sandbox
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")

_encode_sorted = msgspec.json.Encoder(order="deterministic").encode


def authenticate(headers: Mapping[str, str]) -> Caller:
    """`Authorization: Bearer KEY` → the sandbox and the kind of key."""
    header = headers.get("Authorization")
    if not header:
        raise Refused("key_missing", "the Authorization header is missing; send `Authorization: Bearer sk_test_NAME`.")
    scheme, _, key = header.partition(" ")
    key = key.strip()
    if scheme.lower() != "bearer" or not key:
        raise Refused(
            "key_missing",
            "the Authorization header is not of the form `Bearer KEY`; send `Bearer sk_test_NAME`.",
        )
    if holds_known_number(key):
        raise Refused("key_invalid", "the key holds what looks like a card number; name the sandbox otherwise, say sk_test_me.")
    if match := _KEY.fullmatch(key):
        return Caller(match["name"], "secret" if match["kind"] == "sk" else "publishable")
    name = sandbox_of_client_token(key)
    if name is not None and NAME.fullmatch(name):
        return Caller(name, "client_token", key)
    raise Refused(
        "key_invalid",
        "the key is not of the form sk_test_NAME or pk_test_NAME with a NAME of 1 to 64 letters, digits, '-' or '_'.",
    )


def authorize(caller: Caller, route: Route) -> None:
    if caller.kind in route.keys:
        return
    if caller.kind == "secret":
        raise Refused(
            "secret_key_not_allowed",
            f"{route.method} {route.path} was called with a secret key; call it from the browser, with pk_test_{caller.sandbox} "
            "or a client token, so that no server holds a card.",
        )
    kind = "publishable key" if caller.kind == "publishable" else "client token"
    raise Refused(
        "publishable_key_not_allowed",
        f"{route.method} {route.path} was called with a {kind}; use the secret key, on your server: sk_test_{caller.sandbox}.",
    )


def decode(asked: Asked, route: Route, caller: Caller, policy: Policy, digest: Digest) -> Call:
    operation = OPERATIONS[route.name]
    key = None
    given: Mapping[str, Any]
    if asked.method == "POST":
        _check_content_type(asked)
        sent = given = parse_object(asked.body)
        if has_long_number(asked.body):
            given = screen(sent, cards="secret" in route.keys)
        refuse_misplaced(asked.query, "goes into the body, as JSON")
        if header := asked.headers.get(policy.header):
            key = parse_key(header, policy)
        elif header is not None:
            raise Refused(
                "idempotency_key_invalid",
                f"{policy.header} is empty; send a key, such as a UUID, or no header.",
                policy.header,
            )
    else:
        refuse_body(asked.method, asked.body)
        sent = given = screen(asked.query)
    refuse_misplaced(asked.path_params.keys() & given.keys(), "stands in the path")
    screen(asked.path_params, cards=False)
    params = to_params(operation.params, {**given, **asked.path_params}, texts=asked.method != "POST")
    if operation.check is not None:
        operation.check(params)
    fingerprint = b""
    if key is not None:
        # digested as understood, not as spelt: order of keys, white space and spelt-out defaults make no other request. A card
        # number that was taken out of a text still tells it from another
        meant = params if given == sent else to_params(operation.params, {**sent, **asked.path_params})
        fingerprint = digest(operation.name.encode() + b"\0" + _encode_sorted(meant))
    token = caller.client_token
    return Call(
        name=operation.name,
        does=operation.name,
        params=params,
        run=operation.run,
        about=partial(about, operation.name, params),
        policy=policy,
        changes=asked.method not in ("GET", "HEAD"),
        note=given if asked.method == "POST" and asked.body.strip() else None,
        key=key,
        fingerprint=fingerprint,
        admit=None if token is None else partial(use_client_token, token_id=token),
        url=params.url if isinstance(params, CreateEndpoint | UpdateEndpoint) else None,
    )


def _check_content_type(asked: Asked) -> None:
    content_type = asked.headers.get("Content-Type")
    if asked.body and content_type is not None and content_type.partition(";")[0].strip().lower() != "application/json":
        raise Refused(
            "content_type_unsupported",
            f"Content-Type was {content_type[:60]!r}; send `Content-Type: application/json`.",
            "Content-Type",
        )
