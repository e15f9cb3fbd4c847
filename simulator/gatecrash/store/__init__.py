"""Where state lives. `SqliteStore` keeps it in one file; the core sees only `core.transaction.Transaction`."""
