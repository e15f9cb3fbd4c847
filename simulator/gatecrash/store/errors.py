"""What a store can fail with."""


class StoreUnusable(Exception):
    """The store cannot be opened. The message is one line for the user: what, why, what to do."""


class StoreFailed(Exception):
    """A commit failed (disk full, file gone): nothing of its group happened."""
