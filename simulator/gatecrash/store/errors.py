"""What a store can fail with."""

from gatecrash.core.errors import Refused


class StoreUnusable(Exception):
    """The store cannot be opened. The message is one line for the user: what, why, what to do."""


class Unwritable(Exception):
    """What is buffered for one sandbox cannot be written: that sandbox fails alone."""

    def __init__(self, sandbox: str, why: Exception) -> None:
        super().__init__(f"sandbox {sandbox}: {why}")
        self.sandbox, self.why = sandbox, why


class StoreFailed(Refused):
    """A commit failed (disk full, file gone): nothing of its group happened. Whoever asked is told so."""

    def __init__(self, path: str, why: object) -> None:
        self.why = why
        super().__init__(
            "gateway_gone",
            f"the gateway could not write {path}: {why}; nothing of this request happened. Free some space and retry.",
        )
