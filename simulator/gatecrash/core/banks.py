"""Bank accounts: the numbers that may enter, and what becomes of a debit of each, days later.

Numbers are those that Stripe publishes for testing, and one of our own that never settles; none of them is anyone's account.
"""

from typing import NamedTuple

from gatecrash.core.cards import Behaviour
from gatecrash.core.clock import DAY

TEST_ROUTING_NUMBER = "110000000"
BANK_NAME = "Gatecrash Test Bank"


class Debit(NamedTuple):
    """What becomes of a debit: after `settles_after` milliseconds it is paid, or declined as `behaviour` says; never if None."""

    settles_after: int | None
    behaviour: Behaviour = Behaviour()


TEST_ACCOUNTS: dict[str, Debit] = {
    "000123456789": Debit(3 * DAY),
    "000111111113": Debit(2 * DAY, Behaviour("account_closed")),
    "000111111116": Debit(2 * DAY, Behaviour("no_account")),
    "000222222227": Debit(2 * DAY, Behaviour("insufficient_funds")),
    "000333333335": Debit(2 * DAY, Behaviour("debit_not_authorized")),
    "000555555559": Debit(3 * DAY, Behaviour(dispute="debit_not_authorized")),
    "000999999991": Debit(None),
}
