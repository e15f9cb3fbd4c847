"""The native routes: one row a call."""

from gatecrash.dialects.interface import KeyKind, Route

_BROWSER: frozenset[KeyKind] = frozenset({"publishable", "client_token"})

ROUTES = (
    Route("POST", "/v1/client_tokens", "client_tokens.create", success=201),
    Route("POST", "/v1/tokens", "tokens.create", keys=_BROWSER, cors=True, success=201),
    Route("POST", "/v1/charges", "charges.create", success=201),
    Route("GET", "/v1/charges", "charges.list"),
    Route("GET", "/v1/charges/{id}", "charges.get"),
    Route("POST", "/v1/charges/{id}/capture", "charges.capture"),
    Route("POST", "/v1/charges/{id}/void", "charges.void"),
    Route("POST", "/v1/charges/{id}/refunds", "refunds.create", success=201),
    Route("GET", "/v1/refunds", "refunds.list"),
    Route("GET", "/v1/refunds/{id}", "refunds.get"),
    Route("GET", "/v1/disputes", "disputes.list"),
    Route("GET", "/v1/disputes/{id}", "disputes.get"),
    Route("POST", "/v1/disputes/{id}/evidence", "disputes.evidence"),
    Route("POST", "/v1/disputes/{id}/accept", "disputes.accept"),
    Route("POST", "/v1/payment_methods", "payment_methods.create", success=201),
    Route("GET", "/v1/payment_methods", "payment_methods.list"),
    Route("GET", "/v1/payment_methods/{id}", "payment_methods.get"),
    Route("POST", "/v1/subscriptions", "subscriptions.create", success=201),
    Route("GET", "/v1/subscriptions", "subscriptions.list"),
    Route("GET", "/v1/subscriptions/{id}", "subscriptions.get"),
    Route("POST", "/v1/subscriptions/{id}", "subscriptions.update"),
    Route("POST", "/v1/subscriptions/{id}/cancel", "subscriptions.cancel"),
    Route("POST", "/v1/webhook_endpoints", "webhook_endpoints.create", success=201),
    Route("GET", "/v1/webhook_endpoints", "webhook_endpoints.list"),
    Route("GET", "/v1/webhook_endpoints/{id}", "webhook_endpoints.get"),
    Route("POST", "/v1/webhook_endpoints/{id}", "webhook_endpoints.update"),
    Route("DELETE", "/v1/webhook_endpoints/{id}", "webhook_endpoints.delete"),
    Route("POST", "/v1/webhook_endpoints/{id}/rotate_secret", "webhook_endpoints.rotate_secret"),
    Route("GET", "/v1/events", "events.list"),
    Route("GET", "/v1/events/{id}", "events.get"),
    Route("GET", "/v1/events/{id}/deliveries", "events.deliveries"),
    Route("POST", "/v1/events/{id}/resend", "events.resend", success=202),
)
