"""The vault: what is sealed opens only where it belongs, and gives nothing away."""

import os

import pytest
from cryptography.exceptions import InvalidTag

from gatecrash.core.records import Nonce
from gatecrash.core.vault import KEY_BYTES, Vault
from tests.support.core import Core

KEY = bytes(range(KEY_BYTES))


@pytest.fixture
def vault() -> Vault:
    return Vault(KEY, os.urandom)


def test_what_was_sealed_can_be_opened(vault: Vault) -> None:
    assert vault.open(vault.seal("4242424242424242", "nonce_1"), "nonce_1") == "4242424242424242"


def test_it_opens_only_together_with_what_it_is_bound_to(vault: Vault) -> None:
    sealed = vault.seal("4242424242424242", "nonce_1")
    with pytest.raises(InvalidTag):
        vault.open(sealed, "nonce_2")


def test_another_key_opens_nothing(vault: Vault) -> None:
    with pytest.raises(InvalidTag):
        Vault(bytes(KEY_BYTES), os.urandom).open(vault.seal("secret", "x"), "x")


@pytest.mark.parametrize("place", [0, 5, 12, 20, -1])
def test_one_flipped_bit_is_noticed(vault: Vault, place: int) -> None:
    sealed = bytearray(vault.seal("4242424242424242", "x"))
    sealed[place] ^= 1
    with pytest.raises(InvalidTag):
        vault.open(bytes(sealed), "x")


def test_the_same_number_never_looks_the_same_twice(vault: Vault) -> None:
    assert vault.seal("4242424242424242", "x") != vault.seal("4242424242424242", "x")
    assert b"4242" not in vault.seal("4242424242424242", "x")


def test_a_fingerprint_tells_requests_apart_and_needs_the_key(vault: Vault) -> None:
    assert vault.fingerprint(b"a") == vault.fingerprint(b"a") != vault.fingerprint(b"b")
    assert vault.fingerprint(b"a") != Vault(bytes(KEY_BYTES), os.urandom).fingerprint(b"a")
    assert len(vault.fingerprint(b"a" * 10_000)) == 16


def test_a_key_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(ValueError, match="was 5 bytes; expected 32"):
        Vault(b"short", os.urandom)


def test_a_nonce_rests_sealed_and_bound_to_its_id(core: Core) -> None:
    one, two = core.nonce("visa"), core.nonce("visa")
    kept = core.get(Nonce, one.id)
    assert b"4242" not in kept.sealed_number
    assert core.vault.open(kept.sealed_number, one.id) == "4242424242424242"
    with pytest.raises(InvalidTag):
        core.vault.open(kept.sealed_number, two.id)
