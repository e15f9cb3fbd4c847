"""Retry schedules as data."""

from gatecrash.core.deliveries import Schedule

_MINUTE, _HOUR = 60, 3600

# standard-webhooks.md, "Retries / redelivery": ten attempts over three days
STANDARD_WEBHOOKS = Schedule(
    delays_s=(
        0, 5, 5 * _MINUTE, 30 * _MINUTE, 2 * _HOUR, 5 * _HOUR, 10 * _HOUR, 14 * _HOUR, 20 * _HOUR, 24 * _HOUR,
    ),
    timeout_s=15,
)  # fmt: skip
