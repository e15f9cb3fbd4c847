"""Cards: the numbers that may enter, their brands, and what the issuer makes of each.

Numbers are those that Stripe, Adyen, Braintree and PayPal publish for testing; none of them is anyone's card.
"""

from typing import Any, NamedTuple

from gatecrash.core.clock import rfc3339

# first digits → brand; the longest prefix that fits wins
_BRANDS = {
    "4": "visa",
    **{str(prefix): "mastercard" for prefix in (*range(51, 56), *range(2221, 2721))},
    "34": "amex",
    "37": "amex",
    "6011": "discover",
    "65": "discover",
    **{str(prefix): "jcb" for prefix in range(3528, 3590)},
    "36": "diners",
    "38": "diners",
    "300": "diners",
    "6304": "maestro",
    "6759": "maestro",
    "6771": "maestro",
    "62": "unionpay",
}


# brand → how many digits its numbers have, as issued today; Visa's 13 and Maestro's 12 to 15 are long gone
_LENGTHS = {
    "visa": (16, 19), "mastercard": (16,), "amex": (15,), "discover": (16, 19), "jcb": (16, 19), "diners": (14, 16, 19),
    "maestro": (16, 18, 19), "unionpay": (16, 17, 18, 19),
}  # fmt: skip


class Behaviour(NamedTuple):
    """What a test card or bank account does.

    `refund` is one of succeeded, pending, failing (succeeds, then fails later). `dispute` names what the customer's bank opens
    some time after the money was taken, one of core.disputes.OPENINGS. `saves`: a card that is declined can still be saved.
    """

    decline_code: str | None = None
    refund: str = "succeeded"
    dispute: str | None = None
    saves: bool = False


APPROVED = Behaviour()

TEST_CARDS: dict[str, Behaviour] = {
    # approved
    **dict.fromkeys(
        (
            "4242424242424242", "4000056655665556", "5555555555554444", "2223003122003222", "5200828282828210",
            "378282246310005", "371449635398431", "6011111111111117", "3566002020360505", "36227206271667",
            "6200000000000005", "4111111111111111", "4111111145551142", "5555341244441115", "2222400070000005",
            "370000000000002", "6011601160116611", "36006666333344", "3569990010095841", "6771798021000008",
            "4012888888881881", "3530111333300000", "4032035728288564", "2223000048400011", "376680816376961",
            "36461510000039", "6304000000000000", "4000000000000077",
        ),
        APPROVED,
    ),
    # declined by the issuer
    "4000000000000002": Behaviour("generic_decline"),
    "4000000000009995": Behaviour("insufficient_funds"),
    "4000000000009987": Behaviour("lost_card"),
    "4000000000009979": Behaviour("stolen_card"),
    "4000000000000069": Behaviour("expired_card"),
    "4000000000000127": Behaviour("incorrect_cvc"),
    "4000000000000119": Behaviour("processing_error"),
    "4000000000006975": Behaviour("card_velocity_exceeded"),
    "4100000000000019": Behaviour("fraudulent"),
    "4000000000000341": Behaviour("generic_decline", saves=True),
    "4000111111111115": Behaviour("do_not_honor"),
    "5105105105105100": Behaviour("do_not_honor"),
    # cards that want the customer to authenticate: refused until the gateway can show them a challenge
    "4000002500003155": Behaviour("authentication_required"),
    "4000002760003184": Behaviour("authentication_required"),
    "4000000000003220": Behaviour("authentication_required"),
    "4000008400001629": Behaviour("authentication_required"),
    # approved, with a refund that takes its time or comes back
    "4000000000007726": Behaviour(refund="pending"),
    "4000000000005126": Behaviour(refund="failing"),
    # approved, and disputed later
    "4000000000000259": Behaviour(dispute="fraudulent"),
    "4000000000002685": Behaviour(dispute="product_not_received"),
    "4000000000001976": Behaviour(dispute="inquiry"),
    "4023898493988028": Behaviour(dispute="fraudulent"),
}  # fmt: skip

# decline_code → what the customer is told
DECLINES: dict[str, str] = {
    "generic_decline": "The issuer declined the card without saying why.",
    "insufficient_funds": "The card has insufficient funds.",
    "lost_card": "The card was reported lost.",
    "stolen_card": "The card was reported stolen.",
    "expired_card": "The issuer says the card has expired.",
    "incorrect_cvc": "The security code is wrong.",
    "processing_error": "The issuer could not process the card; the same card may work later.",
    "card_velocity_exceeded": "The card was used too often in a short time.",
    "fraudulent": "The payment was blocked as likely fraud.",
    "do_not_honor": "The issuer declined the card (do not honor).",
    "authentication_required": "The issuer wants the customer to authenticate.",
    "account_closed": "The bank account was closed.",
    "no_account": "The bank knows no such account.",
    "debit_not_authorized": "The account's holder did not authorize the debit.",
}


def expired(card: dict[str, Any], now: int) -> bool:
    """Whether a card's last month is over."""
    today = rfc3339(now)
    return (card["exp_year"], card["exp_month"]) < (int(today[:4]), int(today[5:7]))


def luhn_valid(digits: str) -> bool:
    """Whether the last digit is the Luhn check digit (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, char in enumerate(reversed(digits)):
        digit = ord(char) - 48
        if place % 2:
            digit = digit * 2 - 9 if digit > 4 else digit * 2
        total += digit
    return total % 10 == 0


def issued_by(digits: str) -> str | None:
    """The brand that issues numbers of this prefix and length with this check digit, if one does."""
    brand = brand_of(digits)
    return brand if len(digits) in _LENGTHS.get(brand, ()) and luhn_valid(digits) else None


def brand_of(digits: str) -> str:
    """The card's brand, or `unknown`."""
    for length in (4, 3, 2, 1):
        if brand := _BRANDS.get(digits[:length]):
            return brand
    return "unknown"
