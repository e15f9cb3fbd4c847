"""Amounts as people read them."""

from gatecrash.core.money import EXPONENTS


def money(amount: int, currency: str) -> str:
    """`42.00` for 4200 usd; currencies without minor units stay whole."""
    exponent = EXPONENTS.get(currency, 2)
    if exponent == 0:
        return str(amount)
    whole, rest = divmod(abs(amount), 10**exponent)
    return f"{'-' if amount < 0 else ''}{whole}.{rest:0{exponent}}"
