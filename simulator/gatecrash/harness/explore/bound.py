"""How far an exploration goes: the bound that its verdict states."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

from gatecrash.harness.explore.fault import Fault

_SHARD = re.compile(r"([1-9][0-9]*)/([1-9][0-9]*)")


class ShardError(ValueError):
    """What was given is no shard."""


class Shard(NamedTuple):
    """One of `of` parts of an exploration. Which part a schedule belongs to follows from its story and its first fault alone."""

    number: int = 1
    of: int = 1

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Of `2/4`. Raises ShardError."""
        found = _SHARD.fullmatch(text.strip())
        if found is None or int(found[1]) > int(found[2]):
            raise ShardError(f"{text!r} is no shard; expected I/N with 1 ≤ I ≤ N, such as 2/4")
        return cls(int(found[1]), int(found[2]))

    def has(self, story: str, first: Fault) -> bool:
        if self.of == 1:
            return True
        digest = blake2b(f"{story}\n{first}".encode(), digest_size=8).digest()
        return int.from_bytes(digest) % self.of == self.number - 1


WHOLE = Shard()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """Up to `faults` faults of these `kinds` (None: all that are offered).

    `prune`: a play that comes into a state known before is pursued up to there. `first_only`: a story ends with its first
    violation.
    """

    faults: int
    kinds: frozenset[str] | None = None
    prune: bool = True
    shard: Shard = WHOLE
    first_only: bool = False

    def allows(self, kind: str) -> bool:
        return self.kinds is None or kind in self.kinds

    def as_json(self) -> Mapping[str, Any]:
        return {
            "faults": self.faults,
            "kinds": None if self.kinds is None else sorted(self.kinds),
            "prune": self.prune,
            "shard": str(self.shard),
            "first_only": self.first_only,
        }
