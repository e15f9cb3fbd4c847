"""Retry schedules as data, one a dialect: when attempts are made, what counts as success, what ends it.

Where a gateway does not publish a figure, ours is marked as assumed: write nothing that depends on it.
"""

from gatecrash.core.deliveries import Schedule

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def _until(end_s: float, delays_s: tuple[float, ...]) -> tuple[float, ...]:
    """`delays_s`, and its last one again and again, as long as attempts fall within `end_s` of the first."""
    again = int((end_s - sum(delays_s)) // delays_s[-1])
    return delays_s + (delays_s[-1],) * again


# standard-webhooks.md, "Retries / redelivery": ten attempts over three days
STANDARD_WEBHOOKS = Schedule(
    delays_s=(
        0, 5, 5 * _MINUTE, 30 * _MINUTE, 2 * _HOUR, 5 * _HOUR, 10 * _HOUR, 14 * _HOUR, 20 * _HOUR, 24 * _HOUR,
    ),
    timeout_s=15,
)  # fmt: skip

# live mode: exponential, for up to three days; the intervals and the timeout are not published, ours are assumed
STRIPE = Schedule(
    delays_s=_until(3 * _DAY, (0, 5 * _MINUTE, 30 * _MINUTE, 2 * _HOUR, 5 * _HOUR, 10 * _HOUR, 12 * _HOUR)),
    timeout_s=20,
    honours_retry_after=False,
    gone_disables=False,
)

# up to 25 retries over three days; that they are evenly spaced, and the timeout, are assumed
PAYPAL = Schedule(
    delays_s=(0, *(3 * _DAY / 25,) * 25), timeout_s=30, honours_retry_after=False, gone_disables=False,
    exhausting_disables=False,
)  # fmt: skip

# any 2xx within ten seconds; three attempts at once, then a queue that an event which fails keeps everything behind it in
ADYEN = Schedule(
    delays_s=_until(
        30 * _DAY,
        (
            0, 0, 0, 2 * _MINUTE, 5 * _MINUTE, 10 * _MINUTE, 15 * _MINUTE, 30 * _MINUTE, _HOUR, 2 * _HOUR, 4 * _HOUR, 8 * _HOUR,
        ),
    ),
    timeout_s=10,
    honours_retry_after=False,
    gone_disables=False,
    exhausting_disables=False,
    in_order=True,
)  # fmt: skip

# the same under the earlier contract, for merchants that are still held to it: the body must be `[accepted]`
ADYEN_CLASSIC = Schedule(
    delays_s=ADYEN.delays_s, timeout_s=10, honours_retry_after=False, gone_disables=False, exhausting_disables=False,
    in_order=True, acknowledgement="[accepted]",
)  # fmt: skip

# production: every hour for a day
BRAINTREE = Schedule(
    delays_s=_until(_DAY, (0, _HOUR)), timeout_s=30, honours_retry_after=False, gone_disables=False, exhausting_disables=False
)

# what a merchant meets under each name; docs/webhooks.md shows this table
SCHEDULES = {
    "native": STANDARD_WEBHOOKS, "stripe": STRIPE, "paypal": PAYPAL, "adyen": ADYEN, "adyen, classic": ADYEN_CLASSIC,
    "braintree": BRAINTREE,
}  # fmt: skip

# those whose delays and timeout are not published, and assumed here
ASSUMED = frozenset({"stripe", "paypal"})
