"""The native dialect with another's way of retrying: policies can be met before their dialects are there."""

from gatecrash.core.deliveries import Schedule
from gatecrash.dialects.native.dialect import NativeDialect
from tests.support.gateway import LiveGateway


class Speaking(NativeDialect):
    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule


def speak(gateway: LiveGateway, schedule: Schedule) -> None:
    """From now on, deliveries follow this schedule."""
    gateway.gateway.dialects["native"] = Speaking(schedule)
