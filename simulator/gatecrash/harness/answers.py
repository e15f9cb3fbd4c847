"""What the shop's answers say, by its profile; what is wrong with one that says nothing of the kind names the profile's line."""

from typing import NamedTuple

from gatecrash.harness.documents import schema
from gatecrash.harness.merchant_profile import Call, MerchantProfile, resolve
from gatecrash.harness.world import Reply, SetupFailed


class Unpromised(SetupFailed):
    """An answer that is not what the profile says: the profile's fault if nothing was broken yet, else perhaps the shop's.

    `short` is the message for whoever sees the answer anyway.
    """

    def __init__(self, at: str, call: Call, reply: Reply, expected: str) -> None:
        super().__init__(f"{at}: {call.method} {call.path} was answered {reply.told()}; expected {expected}")
        self.short = f"{at}: expected {expected}"


class Page(NamedTuple):
    """What the page of an order shows; None for what the shop does not tell."""

    status: str
    fulfilments: int | None
    refunded: int | None


def order_id(profile: MerchantProfile, call: Call, reply: Reply) -> str | int:
    """The id that the shop has given to an order. Raises Unpromised."""
    found = resolve(reply.body, profile.order_id)
    if not reply.ok or not isinstance(found, str | int) or isinstance(found, bool):
        key = "order_id" if reply.ok else "path"
        expected = f"a 2xx with the order's id at {profile.order_id!r} (place_order.order_id)"
        raise Unpromised(profile.at("place_order", key), call, reply, expected)
    return found


def page(profile: MerchantProfile, call: Call, reply: Reply) -> Page:
    """What the page of an order shows. Raises Unpromised, or SetupFailed for a status in words that nobody has explained."""
    expected = f"a 2xx with the order's status at {profile.order_status!r} (read_order.status)"
    word = _word(profile, "read_order", profile.order_status, call, reply, expected)
    return Page(
        _status(profile, call, word),
        _number(profile, call, reply, "fulfilments", profile.fulfilments),
        _number(profile, call, reply, "refunded", profile.refunded),
    )


def outcome(profile: MerchantProfile, call: Call, reply: Reply) -> str:
    """What the answer to a payment says of the order. Raises as `page` does."""
    expected = f"a 2xx, or 402 for a declined card, with the order's status at {profile.pay_status!r} (pay.status)"
    word = _word(profile, "pay", profile.pay_status, call, reply, expected)
    return _status(profile, call, word)


def words() -> tuple[str, ...]:
    """The harness's words for the states of an order."""
    return tuple(schema("merchant-profile")["properties"]["statuses"]["properties"])


def _word(profile: MerchantProfile, table: str, pointer: str, call: Call, reply: Reply, expected: str) -> str:
    """The shop's word for the status of an order. Raises Unpromised, with the line of the profile's table that promised one."""
    word = resolve(reply.body, pointer)
    if not reply.ok or not isinstance(word, str) or not word:
        raise Unpromised(profile.at(table, "status" if reply.ok else "path"), call, reply, expected)
    return word


def _status(profile: MerchantProfile, call: Call, word: str) -> str:
    status = profile.status(word)
    if status not in words():
        raise SetupFailed(
            f"{profile.at('statuses')}: {call.method} {call.path} says {_cut(repr(word), 60)}, which is not explained there; "
            f'write it behind what it means here, as in PENDING = ["{_cut(word, 60)}"]; what it can mean: {", ".join(words())}'
        )
    return status


def _number(profile: MerchantProfile, call: Call, reply: Reply, field: str, pointer: str | None) -> int | None:
    if pointer is None:
        return None
    found = resolve(reply.body, pointer)
    if isinstance(found, list):
        return len(found)
    if isinstance(found, bool) or not isinstance(found, int | float) or found != int(found):
        at, expected = profile.at("read_order", field), f"a number or a list at {pointer!r} (read_order.{field})"
        raise Unpromised(at, call, reply, f"{expected}; leave it out if the shop does not tell")
    return int(found)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
