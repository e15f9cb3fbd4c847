"""What a merchant can be asked, as far as its profile tells: a workload asks for nothing else."""

from dataclasses import dataclass

from gatecrash.harness.merchant_profile import MerchantProfile
from gatecrash.harness.templates import Call

#: Two minor digits, two of another name, none, three.
CURRENCIES = ("usd", "eur", "jpy", "kwd")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """`later`: it charges when it ships. `part_shipped`, `part_refunded`: staff can name an amount. `refunds_elsewhere`: it hears
    of refunds that staff makes at the gateway itself.
    """

    currencies: tuple[str, ...] = CURRENCIES
    customers: bool = True
    later: bool = True
    edits: bool = True
    cancels: bool = True
    ships: bool = True
    part_shipped: bool = True
    refunds: bool = True
    part_refunded: bool = True
    returns: bool = True
    refunds_elsewhere: bool = True

    @classmethod
    def of(cls, profile: MerchantProfile) -> "Scope":
        ships = profile.ship is not None and profile.orders_speak_of("capture")
        return cls(
            currencies=CURRENCIES if profile.orders_speak_of("currency") else CURRENCIES[:1],
            customers=profile.orders_speak_of("customer"),
            later=ships,  # what is never shipped is never paid
            edits=_names_amount(profile.edit_order),
            cancels=profile.cancel is not None,
            ships=ships,
            part_shipped=_names_amount(profile.ship),
            refunds=profile.refund is not None,
            part_refunded=_names_amount(profile.refund),
            returns=profile.return_url is not None,
            refunds_elsewhere=profile.webhook_path is not None and profile.shows_refunds,  # nothing else tells the shop
        )


def _names_amount(call: Call | None) -> bool:
    return call is not None and call.speaks_of("amount")
