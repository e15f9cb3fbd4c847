"""Webhook endpoints: their secrets, and how one takes over from another."""

from base64 import b64decode

import pytest

from gatecrash.core.clock import DAY
from gatecrash.core.endpoints import CreateEndpoint, RotateSecret, create_endpoint, get_endpoint, rotate_secret, signing_secrets
from gatecrash.core.errors import Refused
from gatecrash.core.records import Endpoint
from tests.support.core import Core


@pytest.fixture
def endpoint(core: Core) -> Endpoint:
    return core.do(create_endpoint, CreateEndpoint("http://127.0.0.1:9/hook"))


def test_a_secret_has_the_length_that_standard_webhooks_asks_for(endpoint: Endpoint) -> None:
    prefix, _, encoded = endpoint.secret.partition("_")
    assert prefix == "whsec"
    assert 24 <= len(b64decode(encoded, validate=True)) <= 64


def test_after_a_rotation_both_secrets_sign_until_the_overlap_is_over(core: Core, endpoint: Endpoint) -> None:
    rotated = core.do(rotate_secret, RotateSecret(endpoint.id))
    assert rotated.secret != endpoint.secret
    kept = core.get(Endpoint, endpoint.id)
    assert signing_secrets(kept, core.now, core.now) == [rotated.secret, endpoint.secret]
    assert signing_secrets(kept, core.now + DAY - 1, core.now) == [rotated.secret, endpoint.secret]
    assert signing_secrets(kept, core.now + DAY, core.now) == [rotated.secret]


def test_without_an_overlap_the_old_secret_is_dead_at_once(core: Core, endpoint: Endpoint) -> None:
    core.do(rotate_secret, RotateSecret(endpoint.id, 60))
    rotated = core.do(rotate_secret, RotateSecret(endpoint.id, 0))
    assert signing_secrets(core.get(Endpoint, endpoint.id), core.now, core.now) == [rotated.secret]


def test_a_second_rotation_leaves_the_last_two_secrets(core: Core, endpoint: Endpoint) -> None:
    second = core.do(rotate_secret, RotateSecret(endpoint.id)).secret
    third = core.do(rotate_secret, RotateSecret(endpoint.id, 1.5)).secret
    kept = core.get(Endpoint, endpoint.id)
    assert signing_secrets(kept, core.now + 1499, core.now) == [third, second]
    assert signing_secrets(kept, core.now + 1500, core.now) == [third]


def test_an_endpoint_that_is_not_there_is_refused_by_its_id(core: Core) -> None:
    for work in (lambda: core.do(get_endpoint, "we_none"), lambda: core.do(rotate_secret, RotateSecret("we_none"))):
        with pytest.raises(Refused, match="no webhook endpoint 'we_none'"):
            work()
