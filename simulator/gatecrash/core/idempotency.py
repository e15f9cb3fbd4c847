"""Idempotency keys: what a key means is one mechanism; how a dialect wants it is a `Policy`, as data.

Source: draft-ietf-httpapi-idempotency-key-header (native); the other dialects' pages.
"""

import re
from typing import Literal

from msgspec import Struct

from gatecrash.core.clock import DAY, HOUR
from gatecrash.core.errors import Refused
from gatecrash.core.records import Claim
from gatecrash.core.redaction import is_card
from gatecrash.core.transaction import Context

# results past their life are removed once in this much sandbox time, so many in one commit
PRUNE_EVERY = 1 * HOUR
PRUNE_AT_ONCE = 200


class Policy(Struct, frozen=True):
    """How a call wants keys, as data.

    `life`: milliseconds of sandbox time a result is kept. `scope`: keys of two scopes never meet. `mismatch`: another request
    under a used key is refused, or gets the stored answer. `keeps`: all results, or only those that are no refusal, so that a
    refused request frees its key.
    """

    header: str = "Idempotency-Key"
    max_length: int = 255
    life: int = DAY
    scope: str = "native"
    mismatch: Literal["refuse", "replay"] = "refuse"
    keeps: Literal["all", "done"] = "all"
    retry_after_s: int = 1


class Stored(Struct):
    """An answer kept under a key. `code`: why it is a refusal. `secret`: its body shows one, so it rests sealed."""

    status: int
    headers: dict[str, str]
    body: bytes
    code: str | None = None
    secret: bool = False


_QUOTED = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
_VISIBLE = re.compile(r"[\x20-\x7e]+")


def parse_key(value: str, policy: Policy) -> str:
    """The key in a header: a structured-field string in double quotes (RFC 8941 §3.3.3), or bare."""
    text = value.strip()
    if text.startswith('"'):
        quoted = _QUOTED.fullmatch(text)
        if quoted is None:
            raise Refused(
                "idempotency_key_invalid",
                f"{policy.header} opens with a double quote and is no quoted string; close the quote, or send the key bare.",
                policy.header,
            )
        text = re.sub(r"\\(.)", r"\1", quoted.group(1))
    if not 1 <= len(text) <= policy.max_length or not _VISIBLE.fullmatch(text):
        raise Refused(
            "idempotency_key_invalid",
            f"{policy.header} was {len(text)} characters; expected 1 to {policy.max_length} of visible ASCII, such as a UUID.",
            policy.header,
        )
    if is_card(text):
        raise Refused(
            "card_number_in_request",
            f"{policy.header} holds a card number; send a UUID instead.",
            policy.header,
        )
    return text


def look_up(ctx: Context, policy: Policy, key: str, fingerprint: bytes, *, mine: bool = False) -> Stored | None:
    """What the key says about a request: a stored answer, or None when the request is the first.

    Refused when the key belongs to another request, or when its first request is in flight (unless that is `mine`).
    """
    claim = ctx.tx.get(Claim, policy.scope, key)
    if claim is None:
        return None
    if claim.created_at + policy.life <= ctx.now:
        return None
    if claim.fingerprint != fingerprint and policy.mismatch == "refuse":
        raise Refused(
            "idempotency_key_reused",
            f"{policy.header} {key!r} was first used with another request; repeat that request as it was, "
            "or take a new key for a new attempt.",
            policy.header,
        )
    if claim.status is None or claim.body is None:
        if mine:
            return None
        raise Refused(
            "idempotency_key_in_use",
            f"the first request with {policy.header} {key!r} is still in flight; wait and repeat it with the same key.",
            policy.header,
            retry_after_s=policy.retry_after_s,
        )
    body = ctx.vault.open(claim.body, _bound_to(policy, key)).encode() if claim.sealed else claim.body
    return Stored(claim.status, claim.headers, body, claim.code, claim.sealed)


def _bound_to(policy: Policy, key: str) -> str:
    return f"answer under {policy.scope} {key}"


def claim(ctx: Context, policy: Policy, key: str, fingerprint: bytes) -> None:
    """Say that this key's first request is in flight."""
    ctx.tx.put(Claim(scope=policy.scope, key=key, fingerprint=fingerprint, headers={}, created_at=ctx.now))


def release(ctx: Context, policy: Policy, key: str) -> None:
    """Take back a claim whose work never committed, so that a retry starts afresh."""
    found = ctx.tx.get(Claim, policy.scope, key)
    if found is not None and found.status is None:
        ctx.tx.delete(Claim, policy.scope, key)


def keep(ctx: Context, policy: Policy, key: str, fingerprint: bytes, stored: Stored) -> None:
    """Store the answer under the key, in the commit that made it true."""
    body = ctx.vault.seal(stored.body.decode(), _bound_to(policy, key)) if stored.secret else stored.body
    ctx.tx.put(
        Claim(
            scope=policy.scope, key=key, fingerprint=fingerprint, status=stored.status, headers=stored.headers,
            body=body, code=stored.code, sealed=stored.secret, created_at=ctx.now,
        )
    )  # fmt: skip


def prune(ctx: Context, policy: Policy) -> bool:
    """Remove results past their life, the oldest first; whether that was all of them."""
    return ctx.tx.prune_claims(policy.scope, ctx.now - policy.life, PRUNE_AT_ONCE) < PRUNE_AT_ONCE
