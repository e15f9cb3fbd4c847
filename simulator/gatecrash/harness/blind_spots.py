"""Which oracles a profile leaves without what they judge by, and the setting that would give it to them.

An oracle that sees nothing objects to nothing, so a verdict names these beside what held.
"""

from collections.abc import Callable
from typing import NamedTuple

from gatecrash.harness.merchant_profile import MerchantProfile


class BlindSpot(NamedTuple):
    """`oracles` cannot judge this merchant, for this reason."""

    oracles: tuple[str, ...]
    reason: str


class _Gap(NamedTuple):
    """Oracles that need something of the profile, when it is missing, and how the reason is told."""

    oracles: tuple[str, ...]
    missing: Callable[[MerchantProfile], bool]
    reason: str


#: What is judged by the status that the shop shows of an order.
BY_STATUS = ("S3", "S5", "S6", "S7", "L1", "L2", "expect")

_GAPS = (
    _Gap(
        BY_STATUS,
        lambda profile: profile.read_order is None,
        "what the shop believes of an order is not known: there is no [read_order]",
    ),
    _Gap(
        ("S4", "L4"),
        lambda profile: profile.fulfilments is None,
        "how often an order was shipped is not known: [read_order] has no fulfilments",
    ),
    _Gap(
        ("S8",),
        lambda profile: profile.refund is None and profile.ship is None,
        "nobody captures or refunds on the order of staff: there is neither [ship] nor [refund]",
    ),
    _Gap(
        ("books",),
        lambda profile: profile.refunded is None,
        "what the shop has booked as refunded is not known: [read_order] has no refunded",
    ),
    _Gap(
        ("L6", "S10"),
        lambda profile: profile.refund is None,
        "nobody gives money back on the order of staff: there is no [refund]",
    ),
    _Gap(
        ("S11",),
        lambda profile: profile.ship is None,
        "nobody ships on the order of staff: there is no [ship]",
    ),
    _Gap(
        ("S5", "S6", "L3", "S10", "S11"),
        lambda profile: profile.webhook_path is None,
        "the shop is sent no webhooks: there is no [webhooks]",
    ),
    _Gap(
        ("S9",),
        lambda profile: profile.start is None and not profile.logs,
        "what the shop prints and stores is not seen, since it runs already: logs names no files",
    ),
)


def blind_spots(profile: MerchantProfile) -> list[BlindSpot]:
    """What cannot be judged of the merchant of this profile, an entry for each reason; each oracle under the first that holds."""
    found: list[BlindSpot] = []
    seen: set[str] = set()
    for gap in _GAPS:
        oracles = tuple(code for code in gap.oracles if code not in seen)
        if oracles and gap.missing(profile):
            found.append(BlindSpot(oracles, gap.reason))
            seen.update(oracles)
    return found
