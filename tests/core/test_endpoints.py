"""Webhook endpoints: their secrets, and how one takes over from another."""

from base64 import b64decode

import pytest

from gatecrash.core.clock import DAY
from gatecrash.core.endpoints import (
    SECRETS,
    CreateEndpoint,
    RotateSecret,
    create_endpoint,
    get_endpoint,
    rotate_secret,
    secret_of,
    signing_secrets,
)
from gatecrash.core.errors import Refused
from gatecrash.core.records import Endpoint
from tests.support.core import Core


def secret(core: Core, endpoint: Endpoint) -> str:
    return secret_of(core.vault, endpoint)


@pytest.fixture
def endpoint(core: Core) -> Endpoint:
    return core.do(create_endpoint, CreateEndpoint("http://127.0.0.1:9/hook"))


def test_a_secret_has_the_length_that_standard_webhooks_asks_for(core: Core, endpoint: Endpoint) -> None:
    prefix, _, encoded = secret(core, endpoint).partition("_")
    assert prefix == "whsec"
    assert 24 <= len(b64decode(encoded, validate=True)) <= 64


def test_after_a_rotation_both_secrets_sign_until_the_overlap_is_over(core: Core, endpoint: Endpoint) -> None:
    rotated = core.do(rotate_secret, RotateSecret(endpoint.id))
    assert secret(core, rotated) != secret(core, endpoint)
    kept = core.get(Endpoint, endpoint.id)
    assert signing_secrets(core.vault, kept, core.now, core.now) == [
        secret(core, rotated),
        secret(core, endpoint),
    ]
    assert signing_secrets(core.vault, kept, core.now + DAY - 1, core.now) == [
        secret(core, rotated),
        secret(core, endpoint),
    ]
    assert signing_secrets(core.vault, kept, core.now + DAY, core.now) == [secret(core, rotated)]


def test_without_an_overlap_the_old_secret_is_dead_at_once(core: Core, endpoint: Endpoint) -> None:
    core.do(rotate_secret, RotateSecret(endpoint.id, 60))
    rotated = core.do(rotate_secret, RotateSecret(endpoint.id, 0))
    assert signing_secrets(core.vault, core.get(Endpoint, endpoint.id), core.now, core.now) == [secret(core, rotated)]


def test_a_second_rotation_leaves_the_last_two_secrets(core: Core, endpoint: Endpoint) -> None:
    second = secret(core, core.do(rotate_secret, RotateSecret(endpoint.id)))
    third = secret(core, core.do(rotate_secret, RotateSecret(endpoint.id, 1.5)))
    kept = core.get(Endpoint, endpoint.id)
    assert signing_secrets(core.vault, kept, core.now + 1499, core.now) == [third, second]
    assert signing_secrets(core.vault, kept, core.now + 1500, core.now) == [third]


def test_an_endpoint_that_is_not_there_is_refused_by_its_id(core: Core) -> None:
    for work in (lambda: core.do(get_endpoint, "we_none"), lambda: core.do(rotate_secret, RotateSecret("we_none"))):
        with pytest.raises(Refused, match="no webhook endpoint 'we_none'"):
            work()


@pytest.mark.parametrize("scheme", sorted(SECRETS))
def test_a_rotation_keeps_the_scheme_and_makes_a_secret_of_its_kind(core: Core, scheme: str) -> None:
    made = core.do(create_endpoint, CreateEndpoint("http://127.0.0.1:9/hook"), scheme=scheme)
    rotated = core.do(rotate_secret, RotateSecret(made.id, 60))
    assert rotated.scheme == scheme
    assert len({secret(core, made), secret(core, rotated)}) == 2
    assert len(secret(core, made)) == len(secret(core, rotated))
    assert secret(core, made).partition("_")[0] == secret(core, rotated).partition("_")[0] or scheme in (
        "adyen",
        "braintree",
    )


def test_where_one_signature_is_sent_what_happened_before_a_rotation_stays_signed_by_the_older_key(core: Core) -> None:
    made = core.do(create_endpoint, CreateEndpoint("http://127.0.0.1:9/hook"), scheme="adyen")
    before = core.now
    core.now += 1000
    rotated = core.do(rotate_secret, RotateSecret(made.id, 60))
    core.now += 100_000
    assert signing_secrets(core.vault, rotated, core.now, before) == [secret(core, made)]
    assert signing_secrets(core.vault, rotated, core.now, core.now) == [secret(core, rotated)]
