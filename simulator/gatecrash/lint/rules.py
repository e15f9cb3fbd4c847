"""The rules, as a table: a stable code, what was done, what to do instead, and the watch that finds it."""

from typing import NamedTuple

from gatecrash.lint import watches
from gatecrash.lint.watches import Watch


class Rule(NamedTuple):
    """`says` is what the client did, `advice` what to do."""

    code: str
    says: str
    advice: str
    watch: type[Watch]


RULES = (
    Rule(
        "post_without_key",
        "A POST that does something was sent without an Idempotency-Key.",
        "Send one with every such POST, made once for each attempt to pay and stored before the call; without it, a lost answer "
        "can only be guessed about, and asking again may charge twice.",
        watches.NoKey,
    ),
    Rule(
        "key_reused",
        "An Idempotency-Key was used again with another request.",
        "Make a key for each attempt, not for an order or a customer, and repeat a request exactly as it was.",
        watches.KeyReused,
    ),
    Rule(
        "new_key_after_unknown",
        "The same was asked for under a new key, or without one, while an earlier outcome was unknown.",
        "After a lost answer, a 5xx or a 409, repeat the request with the key it had; a new key makes a second charge.",
        watches.NewKey,
    ),
    Rule(
        "outcome_not_resolved",
        "An unknown outcome was left unknown: nobody repeated the call, or looked.",
        "After a lost answer, a 5xx, a 409 or a 429, repeat the request with its key, or look with GET /v1/charges?order_id=…; "
        "a job that does so regularly also finds what a crash left behind.",
        watches.NotResolved,
    ),
    Rule(
        "retry_without_backoff",
        "A call was repeated again and again, without ever longer pauses.",
        "Double the pause from try to try, up to a cap, and spread it at random, so that a gateway in trouble can recover.",
        watches.NoBackoff,
    ),
    Rule(
        "retry_after_ignored",
        "A call was repeated sooner than Retry-After allowed.",
        "Wait at least as many seconds as Retry-After says.",
        watches.RetryAfterIgnored,
    ),
    Rule(
        "polling_too_hot",
        "The same object was asked for more than ten times in a second.",
        "Let the webhook tell you; where you must poll, pause between calls, ever longer.",
        watches.HotPolling,
    ),
    Rule(
        "webhook_answered_late",
        "A webhook was answered late, or not in time.",
        "Check the signature, note the event, answer 2xx, and only then work on it: after 15 s it is lost and comes again.",
        watches.LateAnswer,
    ),
    Rule(
        "webhook_refused_repeatedly",
        "Webhooks were answered with something else than 2xx, again and again.",
        "Answer 2xx as soon as an event is noted, also for types you do not know and events you had before; your own log "
        "says why it did not.",
        watches.Refusals,
    ),
    Rule(
        "card_number_sent",
        "A card number was sent where none may be.",
        "Collect cards with the gateway's card fields, or POST /v1/tokens from the browser with the publishable key or a client "
        "token; your server holds the nonce, never the card.",
        watches.CardSent,
    ),
    Rule(
        "nonce_reused",
        "A nonce that was used up was sent again as a new call.",
        "A nonce is good for one attempt: repeat the attempt under its key, or ask the customer's browser for a new nonce.",
        watches.NonceReused,
    ),
    Rule(
        "unknown_field",
        "A call had a field that the contract does not know.",
        "Remove it, or mend its spelling; /docs lists the fields of every call.",
        watches.UnknownField,
    ),
    Rule(
        "header_misused",
        "An idempotency header was misspelt, malformed, or sent where it means nothing.",
        "The header is Idempotency-Key: on POST, 1 to 255 visible ASCII characters, such as a UUID.",
        watches.Header,
    ),
    Rule(
        "publishable_key_misused",
        "A publishable key, or a client token, was used for a server's call.",
        "Call from your server with the secret key; the publishable key and client tokens are for making nonces in a browser.",
        watches.PublishableKey,
    ),
)
