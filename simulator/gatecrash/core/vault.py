"""The vault: card numbers at rest under AES-256-GCM, and keyed digests of requests that may hold them."""

from collections.abc import Callable
from hashlib import blake2b

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
_IV_BYTES = 12


class Vault:
    """Seals and opens short secrets. `key` is 32 bytes; `entropy(n)` gives n fresh random bytes."""

    def __init__(self, key: bytes, entropy: Callable[[int], bytes]) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"vault key was {len(key)} bytes; expected {KEY_BYTES}")
        self._cipher = AESGCM(key)
        self._digest_key = blake2b(b"gatecrash fingerprints", key=key, digest_size=32).digest()
        self._entropy = entropy

    def seal(self, plain: str, bound_to: str) -> bytes:
        """Encrypt; the result opens only together with the same `bound_to` (an object's id)."""
        iv = self._entropy(_IV_BYTES)
        return iv + self._cipher.encrypt(iv, plain.encode(), bound_to.encode())

    def open(self, sealed: bytes, bound_to: str) -> str:
        return self._cipher.decrypt(sealed[:_IV_BYTES], sealed[_IV_BYTES:], bound_to.encode()).decode()

    def fingerprint(self, data: bytes) -> bytes:
        """A keyed digest of 16 bytes: tells requests apart, and tells nobody what was in them."""
        return blake2b(data, key=self._digest_key, digest_size=16).digest()
