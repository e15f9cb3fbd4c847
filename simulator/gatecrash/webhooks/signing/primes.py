"""Two primes for an RSA key, drawn from a seed: the same seed, the same key. For a simulator's certificates, no real secret."""

from collections.abc import Iterator
from hashlib import shake_256
from math import gcd

_BITS = 1024
_ROUNDS = 8  # of Miller and Rabin; for random candidates of this size an error is rarer than 2^-100
_SMALL = [n for n in range(3, 2000, 2) if all(n % d for d in range(3, int(n**0.5) + 1, 2))]


def seeded_primes(seed: bytes, exponent: int) -> tuple[int, int]:
    """Two primes of 1024 bits whose product has 2048, fit for the public exponent."""
    drawn = _primes(seed, exponent)
    p = next(drawn)
    return p, next(q for q in drawn if q != p)


def _primes(seed: bytes, exponent: int) -> Iterator[int]:
    count = 0
    while True:
        count += 1
        bits = int.from_bytes(shake_256(b"%d:" % count + seed).digest(_BITS // 8), "big")
        # the two highest bits, so that the product has full length; and odd
        candidate = bits | 0b11 << (_BITS - 2) | 1
        if all(candidate % small for small in _SMALL) and gcd(candidate - 1, exponent) == 1 and _is_prime(candidate, seed):
            yield candidate


def _is_prime(n: int, seed: bytes) -> bool:
    """Miller and Rabin's test."""
    twos = ((n - 1) & (1 - n)).bit_length() - 1
    odd = (n - 1) >> twos
    for turn in range(_ROUNDS):
        base = 2 + int.from_bytes(shake_256(b"base %d:" % turn + seed).digest(_BITS // 8), "big") % (n - 3)
        x = pow(base, odd, n)
        if x in (1, n - 1):
            continue
        for _ in range(twos - 1):
            x = pow(x, 2, n)
            if x == n - 1:
                break
        else:
            return False
    return True
