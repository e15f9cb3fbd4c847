"""Where randomness comes from: a seeded stream, one a world, for everything that would ask the operating system.

`os.urandom` and `getrandom`, and with them `secrets`, `uuid4` and `random.SystemRandom`; the functions of `random` and each
`random.Random()` that is given no seed; `uuid1`, which else names this machine.
"""

import os
import random
import uuid
from hashlib import blake2b
from typing import Any

from gatecrash.harness.worlds.simulated.rebinding import Replacements

_NODE = 0x02_00_00_00_00_01  # a locally administered address: nobody's
_BLOCK = 64

_replaced = Replacements()


class Stream:
    """Bytes that follow from a seed: blake2b over a counter."""

    def __init__(self, seed: int | str) -> None:
        self._key = blake2b(repr(seed).encode(), digest_size=_BLOCK).digest()
        self._blocks = 0
        self._left = b""

    def read(self, size: int) -> bytes:
        """The next `size` bytes."""
        while len(self._left) < size:
            self._left += blake2b(self._blocks.to_bytes(8, "big"), key=self._key).digest()
            self._blocks += 1
        taken, self._left = self._left[:size], self._left[size:]
        return taken


_stream = Stream(0)


def install(seed: int | str = 0) -> None:
    """Take all randomness of this process from a stream of `seed`."""
    if _replaced.active:
        raise RuntimeError("seeded entropy is installed already; reseed it, or uninstall it first")
    real_seed = random.Random.seed

    def seeded(self: random.Random, a: Any = None, version: int = 2) -> None:
        real_seed(self, int.from_bytes(_urandom(32), "big") if a is None else a, version)

    _replaced.replace(os, "urandom", _urandom)
    if hasattr(os, "getrandom"):
        _replaced.replace(os, "getrandom", _getrandom)
    _replaced.replace(random.Random, "seed", seeded)
    _replaced.replace(random, "seed", random._inst.seed)  # bound anew
    for name in ("_generate_time_safe", "_UuidCreate"):  # the C library's uuid1 reads the real clock
        if hasattr(uuid, name):
            _replaced.replace(uuid, name, None, spread=False)
    _replaced.replace(uuid, "_node", _NODE, spread=False)
    _replaced.replace(uuid, "_last_timestamp", None, spread=False)
    _replaced.spread()
    reseed(seed)


def reseed(seed: int | str) -> None:
    """Begin a stream anew: the same seed, the same randomness, in every process."""
    global _stream
    _stream = Stream(seed)
    random.seed(int.from_bytes(_stream.read(32), "big"))
    uuid._last_timestamp = None  # type: ignore[attr-defined]


def uninstall() -> None:
    """Ask the operating system again."""
    _replaced.undo()
    random.seed()


def _urandom(size: int, /) -> bytes:
    if size < 0:
        raise ValueError("negative argument not allowed")
    return _stream.read(size)


def _getrandom(size: int, flags: int = 0) -> bytes:
    return _urandom(size)
