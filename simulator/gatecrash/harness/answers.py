"""What the shop's answers say, by its profile; what is wrong with one that says nothing of the kind names the profile's line."""

from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from gatecrash.core import money
from gatecrash.harness.documents import schema
from gatecrash.harness.merchant_profile import MerchantProfile
from gatecrash.harness.templates import Call, Command, resolve
from gatecrash.harness.world import Reply, SetupFailed


class Unpromised(SetupFailed):
    """An answer that is not what the profile says: the profile's fault if nothing was broken yet, else perhaps the shop's.

    `short` is the message for whoever sees the answer anyway.
    """

    def __init__(self, at: str, call: Call | Command, reply: Reply, expected: str) -> None:
        super().__init__(f"{at}: {call.told()} was answered {reply.told()}; expected {expected}")
        self.short = f"{at}: expected {expected}"


class Page(NamedTuple):
    """What the page of an order shows; None for what the shop does not tell."""

    status: str
    fulfilments: int | None
    refunded: int | None


def order_id(profile: MerchantProfile, call: Call, reply: Reply, found: Any) -> str | int:
    """The id that the shop has given to an order, `found` where the profile says. Raises Unpromised."""
    redirected = 300 <= reply.status < 400 and found is not None
    named = isinstance(found, str | int) and not isinstance(found, bool) and str(found).isprintable() and str(found)
    if not (reply.ok or redirected) or not named:
        key = "order_id" if reply.ok else "path"
        expected = f"a 2xx with the order's id at {profile.order_id!r} (place_order.order_id)"
        raise Unpromised(profile.at("place_order", key), call, reply, expected)
    return found  # type: ignore[no-any-return]


def page(profile: MerchantProfile, call: Call | Command, reply: Reply, currency: str) -> Page:
    """What the page of an order in this currency shows. Raises Unpromised, or SetupFailed for a status in words that nobody has
    explained.
    """
    place = "path" if isinstance(call, Call) else "command"
    if not reply.ok:
        expected = f"a 2xx with the order's status at {profile.order_status!r} (read_order.status)"
        if isinstance(call, Command):
            expected = f"JSON with the order's status at {profile.order_status!r} (read_order.status)"
        raise Unpromised(profile.at("read_order", place), call, reply, expected)
    status = _status(profile, call, reply, profile.order_status, "read_order")
    if status is None:
        expected = f"a 2xx with the order's status at {profile.order_status!r} (read_order.status){_no_null(profile)}"
        raise Unpromised(profile.at("read_order", "status"), call, reply, expected)
    fulfilments = _number(profile, call, reply, "fulfilments", profile.fulfilments)
    return Page(status, None if fulfilments is None else int(fulfilments), _refunded(profile, call, reply, currency))


def outcome(profile: MerchantProfile, call: Call, reply: Reply) -> str:
    """What the answer to a payment says of the order: by its body, else by its HTTP status. Raises as `page` does."""
    status = _status(profile, call, reply, profile.pay_status, "pay") if reply.ok else _known(profile, reply)
    status = status or profile.codes.get(reply.status)
    if status is None:
        expected = (
            f"a 2xx, or 402 for a declined card, with the order's status at {profile.pay_status!r} (pay.status), or an HTTP "
            f"status that says it all (pay.codes){_no_null(profile) if reply.ok else ''}"
        )
        raise Unpromised(profile.at("pay", "status" if reply.ok else "path"), call, reply, expected)
    return status


def words() -> tuple[str, ...]:
    """The harness's words for the states of an order."""
    return tuple(schema("merchant-profile")["properties"]["statuses"]["properties"])


def _known(profile: MerchantProfile, reply: Reply) -> str | None:
    """What the body of a refusal says of the order, where that is explained; a server that failed knows nothing of it."""
    status = profile.status_in(reply.body, profile.pay_status) if 0 < reply.status < 500 else None
    return status if status in words() else None


def _status(profile: MerchantProfile, call: Call | Command, reply: Reply, pointer: str, table: str) -> str | None:
    """The harness's word for the shop's; None where the answer has none. Raises SetupFailed for one that nobody has explained."""
    status = profile.status_in(reply.body, pointer)
    if status in words():
        return status
    word = resolve(reply.body, pointer)
    if word is None or word == "" or not isinstance(word, str | bool | int | float):
        return None
    written = f'"{_cut(word, 60)}"' if isinstance(word, str) else str(word).lower()
    raise SetupFailed(
        f"{profile.at('statuses')}: {call.told()} says {_cut(repr(word) if isinstance(word, str) else written, 60)}, which is "
        f"not explained there; write it behind what it means here, as in PENDING = [{written}]; what it can mean: "
        f"{', '.join(words())} (it stands at {pointer!r}, {table}.status)"
    )


def _no_null(profile: MerchantProfile) -> str:
    """What to do about a status that is null for a while."""
    return "" if "NULL" in profile.statuses else '; if it is null at first, write that in [statuses], as in PENDING = ["null"]'


def _number(profile: MerchantProfile, call: Call | Command, reply: Reply, field: str, pointer: str | None) -> Decimal | None:
    if pointer is None:
        return None
    found = resolve(reply.body, pointer)
    if isinstance(found, list) and field == "fulfilments":
        return Decimal(len(found))
    number = _as_decimal(found)
    whole = number is not None and number == int(number)
    if number is None or not (whole or (field == "refunded" and profile.decimal)):
        what = "an amount" if field == "refunded" else "a number or a list"
        at, expected = profile.at("read_order", field), f"{what} at {pointer!r} (read_order.{field})"
        if number is not None:
            expected += ' in minor units; write amounts = "decimal" in [read_order] where 12.34 is meant'
        raise Unpromised(at, call, reply, f"{expected}; leave it out if the shop does not tell")
    return number


def _as_decimal(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _refunded(profile: MerchantProfile, call: Call | Command, reply: Reply, currency: str) -> int | None:
    """In minor units. Raises Unpromised."""
    number = _number(profile, call, reply, "refunded", profile.refunded)
    if number is None or not profile.decimal:
        return None if number is None else int(number)
    return round(number.scaleb(money.EXPONENTS.get(currency, 0)))


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
