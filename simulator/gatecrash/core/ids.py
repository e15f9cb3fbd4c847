"""Seeded ids: the same seed gives the same ids, and ids sort in the order they were made."""

from hashlib import blake2b

_TAIL_BYTES = 6
_COUNTER_DIGITS = 8
# hex digits → letters: an id must never hold a run of digits that could pass for a card number
_LETTERS = str.maketrans("0123456789", "ghjkmnpqrs")


class Ids:
    """A source of ids for one sandbox. `issued` is its whole state, so it survives a restart as one integer."""

    def __init__(self, seed: str, issued: int = 0) -> None:
        self._key = blake2b(seed.encode(), digest_size=32).digest()
        self.issued = issued

    def new(self, prefix: str) -> str:
        """`txn` → `txn_` + a counter of 8 hex digits + a seeded tail of 12 letters."""
        self.issued += 1
        tail = (
            blake2b(b"%s:%d" % (prefix.encode(), self.issued), key=self._key, digest_size=_TAIL_BYTES)
            .hexdigest()
            .translate(_LETTERS)
        )
        return f"{prefix}_{self.issued:08x}{tail}"

    def derived(self, prefix: str, id_: str, *about: str) -> str:
        """An id that follows from another one and sorts with it: what is made later, at no certain time, shifts no other id."""
        text = ":".join((prefix, id_, *about)).encode()
        tail = blake2b(text, key=self._key, digest_size=_TAIL_BYTES).hexdigest().translate(_LETTERS)
        counter = id_.rpartition("_")[2][:_COUNTER_DIGITS]
        return f"{prefix}_{counter}{tail}"

    def newest(self, prefix: str) -> str:
        """What sorts behind every id that was made so far, and before all later ones."""
        return f"{prefix}_{self.issued:0{_COUNTER_DIGITS}x}~"

    def secret(self, prefix: str, size: int) -> bytes:
        """`size` seeded bytes that no id gives away."""
        self.issued += 1
        return blake2b(f"secret:{prefix}:{self.issued}".encode(), key=self._key, digest_size=size).digest()


def derive_seed(seed: str, name: str) -> str:
    """The seed of sandbox `name` under a server's seed."""
    return blake2b(f"{seed}:{name}".encode(), digest_size=16).hexdigest()
