"""The words for what is asked of the gateway. Rules, stories, lint and the journal use them, whatever dialect was spoken."""

_PLACES: dict[str, tuple[str, ...]] = {
    "tokens": ("create",),
    "client_tokens": ("create",),
    "charges": ("create", "get", "list", "capture", "void"),
    "refunds": ("create", "get", "list"),
    "disputes": ("get", "list", "evidence", "accept"),
    "payment_methods": ("create", "get", "list"),
    "subscriptions": ("create", "get", "list", "update", "cancel"),
    "webhook_endpoints": ("create", "get", "list", "update", "delete", "rotate_secret"),
    "events": ("get", "list", "deliveries", "resend"),
}
VERBS: frozenset[str] = frozenset(f"{place}.{verb}" for place, verbs in _PLACES.items() for verb in verbs)
