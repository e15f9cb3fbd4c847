"""Every way the gateway says no: one exception, one catalogue.

A core function that refuses raises `Refused(code, detail)`. The catalogue explains each code once; a dialect maps the
code to its own status and shape. `detail` says what was given, what was expected and what to do next.
"""

from typing import Any, NamedTuple


class Explanation(NamedTuple):
    """What a code means: `title` is a short phrase, `advice` says what to do about it."""

    title: str
    advice: str


class Refused(Exception):
    """The gateway will not do what was asked. `code` is in CATALOGUE; `param` names the field at fault."""

    def __init__(self, code: str, detail: str, param: str | None = None, **extra: Any) -> None:
        super().__init__(detail)
        assert code in CATALOGUE, code
        self.code = code
        self.detail = detail
        self.param = param
        self.extra = extra


CATALOGUE: dict[str, Explanation] = {
    # --- who is asking
    "key_missing": Explanation("No API key", "Send `Authorization: Bearer sk_test_NAME`; any NAME opens a sandbox of its own."),
    "key_invalid": Explanation("Unknown API key", "Keys look like sk_test_NAME (secret) or pk_test_NAME (publishable)."),
    "client_token_invalid": Explanation(
        "Client token not usable",
        "A client token is good for one call to POST /v1/tokens, for one hour. Ask your server for a new one.",
    ),
    "secret_key_not_allowed": Explanation(
        "A secret key has no business here",
        "Cards go from the browser straight to the gateway, under a publishable key or a client token, so that your "
        "server never holds one.",
    ),
    "publishable_key_not_allowed": Explanation(
        "A publishable key may not do this", "Call from your server, with the secret key."
    ),
    "control_token_required": Explanation(
        "The control token is needed",
        "Where the gateway listens beyond loopback, its control API wants `Gatecrash-Control-Token: TOKEN`: printed at the "
        "start, or given with --control-token.",
    ),
    "control_from_elsewhere": Explanation(
        "Not for web pages from elsewhere",
        "Use the control API and Gatecrash-Fault from a program, not from a web page; or start the gateway with --control-token.",
    ),
    "host_not_allowed": Explanation(
        "Not a name of this gateway",
        "On loopback, call the gateway by an IP address or as localhost, so that no rebound web page can; or start it with "
        "--server-name NAME.",
    ),
    "sandbox_of_another_key": Explanation("Another sandbox's key", "A key acts on its own sandbox; sk_test_NAME on NAME."),
    # --- what was sent
    "body_malformed": Explanation("Malformed body", "Send one JSON object, UTF-8, not nested beyond reason."),
    "body_unexpected": Explanation("Body where none is read", "Send no body with GET or DELETE; parameters go into the query."),
    "body_too_large": Explanation("Body too large", "Keep request bodies within 1 MiB."),
    "body_incomplete": Explanation("Body incomplete", "Send as many bytes as Content-Length announces."),
    "content_type_unsupported": Explanation("Not JSON", "Send `Content-Type: application/json`."),
    "content_encoding_unsupported": Explanation("Unknown compression", "Compress the body with gzip or deflate, or not at all."),
    "request_timeout": Explanation("Request too slow", "Send the whole request within 30 seconds."),
    "http_malformed": Explanation("Malformed HTTP", "What arrived is not an HTTP/1.1 request."),
    "parameter_missing": Explanation("Missing parameter", "Add the field that is named."),
    "parameter_unknown": Explanation(
        "Unknown parameter",
        "Remove the field, or mend its spelling; the contract lists those that are known.",
    ),
    "parameter_invalid": Explanation("Invalid parameter", "Send the field in the shape that is named."),
    "parameter_repeated": Explanation("Given twice", "Send each parameter, field and header that is named once."),
    "amount_invalid": Explanation(
        "Invalid amount", "Amounts are integers in minor units (4200 is 42.00 usd), from 1 to 99,999,999."
    ),
    "currency_unknown": Explanation("Unknown currency", "Use a lower-case ISO 4217 code, such as usd, eur or jpy."),
    "idempotency_key_invalid": Explanation(
        "Invalid Idempotency-Key", "Send 1 to 255 visible ASCII characters, bare or in double quotes."
    ),
    "card_number_invalid": Explanation(
        "Not a card number", "Use one of the test cards, such as 4242424242424242 (visa, approved)."
    ),
    "card_not_a_test_card": Explanation(
        "Not a test card",
        "Only published test numbers are accepted, so that no real card ever enters. Try 4242424242424242.",
    ),
    "bank_account_not_a_test_account": Explanation(
        "Not a test bank account",
        "Only test accounts are accepted, so that no real one ever enters. Try routing number 110000000, account 000123456789.",
    ),
    "card_expired": Explanation("Card expired", "Send an expiry date that is not in the sandbox's past."),
    "card_number_in_request": Explanation(
        "A card or account number where none may be",
        "Send cards and bank accounts to POST /v1/tokens only, from the browser; everywhere else use the nonce.",
    ),
    "webhook_url_not_allowed": Explanation(
        "Webhook target not allowed",
        "Webhooks go to loopback and private addresses; start the gateway with --allow-host NAME to allow another.",
    ),
    "fault_rule_invalid": Explanation("Invalid fault rule", "GET /_gatecrash/stations lists what can strike where."),
    # --- what it was asked of
    "route_unknown": Explanation("No such route", "The contract lists every route."),
    "method_not_allowed": Explanation("Method not allowed", "The Allow header lists the methods of this route."),
    "resource_missing": Explanation("No such object", "Ids belong to one sandbox; check the id and the key together."),
    "nonce_unknown": Explanation("Unknown nonce", "Create one with POST /v1/tokens in the same sandbox."),
    "nonce_used": Explanation("Nonce already used", "A nonce pays once. To retry the same charge, repeat its Idempotency-Key."),
    "nonce_expired": Explanation("Nonce expired", "A nonce lives for three hours; collect the card again."),
    "payment_method_unknown": Explanation(
        "Unknown payment method", "Save one with POST /v1/payment_methods in the same sandbox."
    ),
    "capture_not_deferrable": Explanation(
        "A bank account cannot be authorized",
        "A debit is made or not; leave capture out. Until it has settled it can be voided.",
    ),
    "charge_not_capturable": Explanation("Charge cannot be captured", "Only an authorized charge can be captured."),
    "charge_not_voidable": Explanation(
        "Charge cannot be voided", "Only a charge that is authorized or processing can be voided; refund a captured one."
    ),
    "charge_not_refundable": Explanation("Charge cannot be refunded", "Only what was captured can be refunded."),
    "amount_exceeds_authorized": Explanation("More than was authorized", "Capture at most what is left of the authorization."),
    "amount_exceeds_captured": Explanation(
        "More than was captured", "Refund at most what was captured and is neither refunded nor disputed."
    ),
    "dispute_not_open": Explanation(
        "Dispute waits for no answer", "Evidence is taken, and a dispute accepted, only while it needs a response."
    ),
    "subscription_canceled": Explanation("Subscription is canceled", "A canceled subscription stays so; make a new one."),
    "clock_moving": Explanation("The clock is being moved", "Wait for the other call, or DELETE /_gatecrash/clock/advance."),
    "clock_stopped": Explanation("The clock was stopped", "Another call stopped it on its way; advance it again to go on."),
    "sandbox_exists": Explanation("Sandbox exists", "Reset it, remove it, or take another name."),
    # --- how often
    "idempotency_key_in_use": Explanation(
        "A request with this key is in flight",
        "Wait as long as Retry-After says, then repeat the same request.",
    ),
    "idempotency_key_reused": Explanation(
        "Key used with another request", "A key belongs to one request. Take a new key for a new attempt."
    ),
    "rate_limited": Explanation("Too many requests", "Wait as long as Retry-After says, then retry with the same key."),
    # --- the issuer's no
    "card_declined": Explanation("Card declined", "See decline_code; ask the customer for another card, with a new key."),
    # --- ours
    "injected": Explanation("A fault rule answered", "This answer was made by a fault rule, on purpose."),
    "internal_error": Explanation(
        "The gateway failed, unasked",
        "This is a bug of the gateway. Retry with the same key; please report it.",
    ),
    "too_many_connections": Explanation("Too many connections", "Close some, or wait as long as Retry-After says."),
    "not_ready": Explanation("Not ready", "The gateway is starting or stopping; ask again."),
    "gateway_gone": Explanation("Storage failed", "The gateway could not write its state; see its log."),
}
