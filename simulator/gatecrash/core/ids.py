"""Seeded ids: the same seed gives the same ids, and ids sort in the order they were made."""

from hashlib import blake2b

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32, lower case
_COUNTER_DIGITS = 7
_TAIL_DIGITS = 12


def _base32(value: int, digits: int) -> str:
    return "".join([_ALPHABET[(value >> shift) & 31] for shift in range((digits - 1) * 5, -1, -5)])


class Ids:
    """A source of ids for one sandbox. `issued` is its whole state, so it survives a restart as one integer."""

    def __init__(self, seed: str, issued: int = 0) -> None:
        self._key = blake2b(seed.encode(), digest_size=32).digest()
        self.issued = issued

    def new(self, prefix: str) -> str:
        """`txn` → `txn_` + a counter of 7 digits + a seeded tail of 12, in base 32."""
        self.issued += 1
        return f"{prefix}_{_base32(self.issued, _COUNTER_DIGITS)}{self._tail(prefix, _TAIL_DIGITS)}"

    def secret(self, prefix: str, size: int) -> bytes:
        """`size` seeded bytes that no id gives away."""
        self.issued += 1
        return blake2b(f"secret:{prefix}:{self.issued}".encode(), key=self._key, digest_size=size).digest()

    def _tail(self, prefix: str, digits: int) -> str:
        digest = blake2b(f"{prefix}:{self.issued}".encode(), key=self._key, digest_size=8).digest()
        return _base32(int.from_bytes(digest, "big"), digits)


def derive_seed(seed: str, name: str) -> str:
    """The seed of sandbox `name` under a server's seed."""
    return blake2b(f"{seed}:{name}".encode(), digest_size=16).hexdigest()
