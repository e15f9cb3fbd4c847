"""A wrong secret is one that each scheme can sign with: what is forged is refused for its signature, not for its shape."""

from collections.abc import Callable

import pytest

from gatecrash.core.endpoints import SECRETS
from gatecrash.webhooks.signing import adyen, braintree, standard, stripe
from gatecrash.webhooks.spoiling import wrong_secret

SIGN: dict[str, Callable[[str], str]] = {
    "v1": lambda secret: standard.signatures([secret], "evt_1", "1700000000", b"{}"),
    "v1a": lambda secret: standard.signatures([secret], "evt_1", "1700000000", b"{}"),
    "stripe": lambda secret: stripe.signature([secret], "1700000000", b"{}"),
    "adyen": lambda secret: adyen.body_signature(secret, b"{}"),
    "braintree": lambda secret: braintree.signature(secret, b"{}"),
}


def test_every_scheme_with_a_secret_is_here() -> None:
    assert SIGN.keys() == SECRETS.keys()


@pytest.mark.parametrize("scheme", SIGN)
@pytest.mark.parametrize("drawn", [bytes(range(32)), bytes(range(200, 232)), b"\xab" * 32])
def test_a_wrong_secret_signs_otherwise(scheme: str, drawn: bytes) -> None:
    secret = SECRETS[scheme](drawn)
    wrong = wrong_secret(secret, "seed")
    assert len(wrong) == len(secret)
    assert SIGN[scheme](wrong) != SIGN[scheme](secret)
    assert SIGN[scheme](wrong) == SIGN[scheme](wrong_secret(secret, "seed"))
