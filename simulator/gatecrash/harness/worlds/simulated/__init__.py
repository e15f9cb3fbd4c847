"""Gateway and merchant in one process, on virtual time."""
