"""Money: integer minor units and the currencies of ISO 4217 with their exponents."""

from typing import Annotated

from msgspec import Meta

from gatecrash.core.errors import Refused

AMOUNT_MAX = 99_999_999

Amount = Annotated[int, Meta(ge=1, le=AMOUNT_MAX)]

# exponent → codes; source: ISO 4217, list one, active currencies
_BY_EXPONENT = {
    0: "bif clp djf gnf isk jpy kmf krw pyg rwf ugx vnd vuv xaf xof xpf",
    2: (
        "aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd btn bwp byn bzd cad cdf chf cny cop "
        "crc cup cve czk dkk dop dzd egp ern etb eur fjd fkp gbp gel ghs gip gmd gtq gyd hkd hnl htg huf idr ils inr irr "
        "jmd kes kgs khr kpw kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mru mur mvr mwk mxn myr mzn nad ngn "
        "nio nok npr nzd pab pen pgk php pkr pln qar ron rsd rub sar sbd scr sdg sek sgd shp sle sos srd ssp stn svc syp "
        "szl thb tjs tmt top try ttd twd tzs uah usd uyu uzs ves wst xcd yer zar zmw"
    ),
    3: "bhd iqd jod kwd lyd omr tnd",
}
EXPONENTS: dict[str, int] = {code: exponent for exponent, codes in _BY_EXPONENT.items() for code in codes.split()}


def check_currency(code: str) -> None:
    """Refuse a currency that ISO 4217 does not list in lower case."""
    if code in EXPONENTS:
        return
    hint = f"; write it as {code.lower()!r}" if code.lower() in EXPONENTS else ""
    raise Refused(
        "currency_unknown",
        f"currency was {code[:20]!r}; expected a lower-case ISO 4217 code such as 'usd'{hint}.",
        "currency",
    )


def decimal(amount: int, currency: str) -> str:
    """`42.00` for 4200 usd; what has no minor units, or no currency that is known, stays whole."""
    places = EXPONENTS.get(currency, 0)
    if not places:
        return str(amount)
    whole, rest = divmod(abs(amount), 10**places)
    return f"{'-' if amount < 0 else ''}{whole}.{rest:0{places}}"


def shown(amount: int, currency: str) -> str:
    """`42.00 usd`, as people read it."""
    return f"{decimal(amount, currency)} {currency}".rstrip()
